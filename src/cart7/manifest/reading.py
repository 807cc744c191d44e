"""A manifest read back: a stranger's file, of which nothing is believed before it is checked.

Here: the shape of a manifest and of its long results, and where the files it names may lie. Not here:
comparing (`verification`, `differences`).

The rule of the paths: an input is `example` or the relative path of a study table (`../study/dlt.csv`),
all inputs in one folder; an output lies in the manifest's folder. No path is absolute, no link leads
out of its folder, nothing but an ordinary file of a bounded size is opened, and nothing is written.
"""

import json
import math
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NoReturn

import pandas as pd

from cart7 import files, records, results
from cart7.errors import VerificationError
from cart7.examples import STUDY_FOLDER
from cart7.manifest.writing import RESULTS_SCHEMA, SCHEMA
from cart7.plan import EXAMPLE

MANIFEST_LIMIT, RESULTS_LIMIT, TABLE_LIMIT = 32 << 20, 1 << 30, 2 << 30
"""Most bytes of a manifest, of its results and of a table."""
SHOWN = 20

_HASH = re.compile(r"[0-9a-f]{64}")


def manifest_at(place: str | Path) -> Path:
    """The manifest of a report: the file itself, or the one in the report's folder."""
    named = Path(place)
    return named / "manifest.json" if named.is_dir() else named


def read_manifest(place: Path) -> dict[str, Any]:
    """Content of a manifest; VerificationError when it is missing, damaged or of another kind."""
    manifest = _json_of(place, MANIFEST_LIMIT, absent="no manifest can be read here", what="the manifest")
    if not isinstance(manifest, Mapping) or manifest.get("schema") != SCHEMA:
        raise VerificationError(f"{place}: not a manifest of this kind ({SCHEMA})")
    lacks = [name for name, whole in _PARTS.items() if not whole(manifest.get(name))]
    if lacks:
        raise VerificationError(f"{place}: the manifest is damaged, it has no sound {', '.join(lacks)}")
    wrong = [
        *(f"input {item['table']!r}: {why}" for item in manifest["inputs"] if (why := _wrong_input(item))),
        *(f"output {item['path']!r}: {why}" for item in manifest["outputs"] if (why := _wrong_output(item))),
        *_contradictions(manifest),
    ]
    if wrong:
        raise VerificationError(
            "\n  ".join([f"{place}: the manifest is damaged or not to be trusted", *wrong])
        )
    return dict(manifest)


def _json_of(path: Path, limit: int, *, absent: str, what: str) -> Any:
    """JSON of an ordinary file; a number that JSON does not know is refused."""
    try:
        check_file(path, limit)
        return json.loads(path.read_bytes(), parse_constant=_no_number)
    except OSError as error:
        raise VerificationError(f"{path}: {absent} ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{path}: {what} is damaged, it is not JSON ({error})") from error


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def check_file(path: Path, limit: int) -> None:
    """Refuse what is no ordinary file (a device or pipe may never end) or longer than `limit` bytes."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(None, "it is no ordinary file")
    if found.st_size > limit:
        raise OSError(None, f"it has {found.st_size} bytes, more than the {limit} that are read")


def _records(**texts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Whether a part of a manifest is a list of records with sound entries of these names."""
    return lambda part: (
        isinstance(part, list)
        and all(
            isinstance(item, Mapping) and all(sound(item.get(name)) for name, sound in texts.items())
            for item in part
        )
    )


def _is_text(part: Any) -> bool:
    return isinstance(part, str)


def _is_hash(part: Any) -> bool:
    return isinstance(part, str) and _HASH.fullmatch(part) is not None


def _is_count(part: Any) -> bool:
    return part is None or (isinstance(part, int) and not isinstance(part, bool) and 0 <= part < 2**63)


def _are_texts(part: Any) -> bool:
    return part is None or (isinstance(part, list) and all(isinstance(item, str) for item in part))


def _are_versions(part: Any) -> bool:
    packages = part.get("packages", {}) if isinstance(part, Mapping) else None
    return isinstance(packages, Mapping) and all(isinstance(item, str) for item in packages.values())


_PARTS: Mapping[str, Callable[[Any], bool]] = {
    "plan": lambda part: isinstance(part, Mapping),
    "inputs": _records(
        table=_is_text, path=_is_text, content_hash=_is_hash, rows=_is_count, columns=_are_texts
    ),
    "outputs": _records(path=_is_text),
    "environment": _are_versions,
}


def _wrong_input(item: Mapping[str, Any]) -> str:
    """What is wrong with the place of an input; empty when it is a study table's."""
    table, path = item["table"], item["path"]
    if table not in records.TABLES:
        return "it is no table of a study"
    if path == EXAMPLE:
        return ""
    wrong = _wrong_path(path)
    name = PurePosixPath(path)
    if not wrong and (name.stem.lower() != table or name.suffix.lower() not in files.SUFFIXES):
        wrong = f"its file must be {table} with one of {', '.join(files.SUFFIXES)}, not {name.name!r}"
    return wrong


def _wrong_output(item: Mapping[str, Any]) -> str:
    """What is wrong with the place of an output; empty when it lies in the manifest's folder."""
    wrong = _wrong_path(item["path"])
    if not wrong and (".." in PurePosixPath(item["path"]).parts or "\\" in item["path"]):
        wrong = "it lies outside the folder of the manifest"
    if not wrong and "sha256" in item and not _is_hash(item["sha256"]):
        wrong = "its sha256 is none"
    return wrong


def _wrong_path(path: str) -> str:
    """Why a path is not one that a run would have recorded: relative, written without detours."""
    if not path.strip() or any(unicodedata.category(sign) in ("Cc", "Cs") for sign in path):
        return "the path is empty or has control characters"
    if path.startswith("/") or PureWindowsPath(path).anchor:
        return "the path is absolute"
    if path != os.path.normpath(path).replace(os.sep, "/"):
        return "the path makes a detour"
    return ""


def _contradictions(manifest: Mapping[str, Any]) -> list[str]:
    """What cannot be true together in one manifest."""
    found = []
    tables = [item["table"] for item in manifest["inputs"]]
    twice = sorted({table for table in tables if tables.count(table) > 1})
    if twice:
        found.append(f"an input stands twice: {', '.join(map(repr, twice))}")
    seed, planned = manifest.get("seed"), manifest["plan"].get("seed", 0)
    if "seed" in manifest and seed != planned:
        found.append(f"the seed is {seed!r}, but the plan's is {planned!r}")
    return found


# ---- the files that it names --------------------------------------------------------------------


def output_path(place: Path, name: str) -> Path:
    """Where an output lies; VerificationError when a link leads it out of the manifest's folder."""
    path = place.parent / name
    if not _stays_in(path, place.parent):
        raise VerificationError(f"{path}: a link leads out of the folder of the manifest; it is not followed")
    return path


def _stays_in(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False


def study_of(place: Path, inputs: Sequence[Mapping[str, Any]]) -> Path:
    """The one folder in which all inputs stand, each under its name or in another format."""
    paths = {item["table"]: _input_path(place, item) for item in inputs}
    gone = [f"{table} ({path})" for table, path in paths.items() if not _stands(path, table)]
    if gone or not paths:
        raise VerificationError(f"{place}: an input is missing: {', '.join(gone) or 'none is named'}")
    folders = {path.parent for path in paths.values()}
    if len(folders) != 1:
        raise VerificationError(f"{place}: the inputs do not stand in one folder")
    folder = folders.pop()
    wrong = [why for path in table_files(folder) if (why := _wrong_table(path))]
    if wrong:
        raise VerificationError("\n  ".join([f"{place}: the study cannot be read", *wrong]))
    return folder


def _input_path(place: Path, item: Mapping[str, str]) -> Path:
    if item["path"] == EXAMPLE:
        return STUDY_FOLDER / f"{item['table']}.csv"
    return Path(os.path.normpath(place.parent / item["path"]))


def table_files(folder: Path) -> list[Path]:
    """Files of a folder that a study would read as tables."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.stem.lower() in records.TABLES and path.suffix.lower() in files.SUFFIXES
    )


def _stands(path: Path, table: str) -> bool:
    """Whether a table stands at its path, or beside it in another format."""
    return path.parent.is_dir() and any(other.stem.lower() == table for other in table_files(path.parent))


def _wrong_table(path: Path) -> str:
    """Why a table's file is not opened; what is merely no table is told by its reader."""
    if not _stays_in(path, path.parent):
        return f"{path}: a link leads out of the folder of the study; it is not followed"
    try:
        if not path.is_dir():
            check_file(path, TABLE_LIMIT)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return ""


# ---- the long results ---------------------------------------------------------------------------


def results_path(place: Path, manifest: Mapping[str, Any]) -> Path:
    """Where the long results of a run lie."""
    names = [output["path"] for output in manifest["outputs"]]
    chosen = next((name for name in names if PurePosixPath(name).name == "results.json"), "results.json")
    return output_path(place, chosen)


def read_results(place: Path, manifest: Mapping[str, Any]) -> pd.DataFrame:
    """Long rows that a manifest's run wrote, each cell of its kind."""
    path = results_path(place, manifest)
    absent = "the results of the run cannot be read"
    content = _json_of(path, RESULTS_LIMIT, absent=absent, what=f"{absent}: the file")
    rows = content.get("results") if isinstance(content, Mapping) else None
    if not isinstance(rows, list):
        raise VerificationError(f"{path}: {absent} (it holds no list of results)")
    if content.get("schema", RESULTS_SCHEMA) != RESULTS_SCHEMA:
        raise VerificationError(f"{path}: {absent} (not of this kind, {RESULTS_SCHEMA})")
    wrong = [
        f"result {number}: {why}" for number, row in enumerate(rows, start=1) if (why := _wrong_row(row))
    ]
    if wrong:
        more = [f"... and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
        raise VerificationError("\n  ".join([f"{path}: {absent}", *wrong[:SHOWN], *more]))
    frame = pd.DataFrame(
        [[row[name] for name in results.LONG_COLUMNS] for row in rows], columns=list(results.LONG_COLUMNS)
    )
    return frame.astype({name: "float64" if name == "value" else object for name in results.LONG_COLUMNS})


def _wrong_row(row: Any) -> str:
    """What is wrong with one long row as JSON; empty when it keeps the shape."""
    if not isinstance(row, Mapping):
        return "it is no record"
    lacks = [name for name in results.LONG_COLUMNS if name not in row]
    if lacks:
        return f"it has no {', '.join(lacks)}"
    value = row["value"]
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value)
    ):
        return f"value must be a finite number or null, found {value!r:.40}"
    words = [name for name in results.LONG_COLUMNS if name != "value" and not isinstance(row[name], str)]
    return f"{words[0]} must be a text, found {row[words[0]]!r:.40}" if words else ""


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
