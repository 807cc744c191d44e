"""What went in, under which rules and versions, and what came out; and whether it still does.

Here: the files beside the report (`results.csv`, `results.json`, `manifest.json`), `verify`, and the
difference of two manifests. Not here: the numbers (`analysis`) or the pages (`report`).
"""

import csv
import datetime as dt
import hashlib
import io
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import ValidationError

from cart7 import files, records, results
from cart7._version import versions
from cart7.analysis import Analysis, analyse
from cart7.errors import DataError, VerificationError
from cart7.examples import STUDY_FOLDER
from cart7.plan import EXAMPLE, Plan
from cart7.study import Study, read_study

OnProblem = Literal["raise", "report"]

SCHEMA = "cart7-manifest/1"
RESULTS_SCHEMA = "cart7-results/1"
SPREADSHEET_COMMANDS = ("=", "+", "-", "@", "\t", "\r")
INPUT_COLUMNS = ("table", "path", "change", "old", "new")
NUMBER_COLUMNS = ("analysis", "param", "timepoint", "population", "group", "subject_id", "stat", "old", "new")


@dataclass(frozen=True, kw_only=True, eq=False)
class Verification:
    """Whether a manifest's numbers come out again.

    Attributes
    ----------
    reproduced : bool
        True when the inputs have the same content and every number is the same.
    inputs : DataFrame
        Inputs whose content changed: table, path, change, old, new (content hashes).
    numbers : DataFrame
        Results that moved: their key, old and new value.
    versions : dict
        Packages whose version differs: name to (then, now). A difference alone is no failure.
    """

    reproduced: bool
    inputs: pd.DataFrame = field(repr=False)
    numbers: pd.DataFrame = field(repr=False)
    versions: dict[str, tuple[str, str]] = field(default_factory=dict)


# ---- writing ------------------------------------------------------------------------------------


def sorted_rows(long: pd.DataFrame) -> pd.DataFrame:
    """Long rows in the order of their key."""
    return long.sort_values(list(results.KEY), kind="stable").reset_index(drop=True)


def results_csv(long: pd.DataFrame) -> bytes:
    """Long rows as CSV: sorted by key, shortest numbers, missing empty, nothing a spreadsheet would run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(results.LONG_COLUMNS)
    cells = [_cell_texts(sorted_column.tolist(), name) for name, sorted_column in sorted_rows(long).items()]
    writer.writerows(zip(*cells, strict=True))
    return out.getvalue().encode("utf-8")


def _cell_texts(values: list[Any], name: object) -> list[str]:
    if name == "value":
        return ["" if value != value else repr(value) for value in values]
    harmless = {word: _harmless(word) for word in set(values)}
    return [harmless[word] for word in values]


def _harmless(text: str) -> str:
    """A text that a spreadsheet would run gets a leading apostrophe."""
    if not text.startswith(SPREADSHEET_COMMANDS):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text


def results_json(long: pd.DataFrame) -> bytes:
    """Long rows as JSON, one a line, missing as null."""
    rows = sorted_rows(long)
    values = [None if value != value else value for value in rows["value"].tolist()]
    cells = zip(
        *(values if name == "value" else rows[name].tolist() for name in results.LONG_COLUMNS), strict=True
    )
    lines = [_JSON.encode(dict(zip(results.LONG_COLUMNS, row, strict=True))) for row in cells]
    head = f'{{"schema": {json.dumps(RESULTS_SCHEMA)}, "results": [\n'
    return (head + ",\n".join(lines) + "\n]}\n").encode("utf-8")


_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def write_report(
    study: str | Path,
    plan: Plan,
    out_dir: str | Path,
    *,
    formats: Sequence[str] = ("html",),
    on_problem: OnProblem = "raise",
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Read, analyse, and write the pages, the long results and the manifest into a folder.

    Parameters
    ----------
    study : str or Path
        Folder of the study's tables, or `example`.
    plan : Plan
        Rules of all endpoints.
    out_dir : str or Path
        Folder to write into; made when missing.
    formats : sequence of str
        Pages to write: `html`, `rtf`, `docx`.
    on_problem : {"raise", "report"}
        Whether data errors stop the report or are listed in it.
    progress : callable, optional
        Called with the name of each stage.

    Returns
    -------
    Path
        The HTML report, or the first page written.

    Raises
    ------
    DataError
        The study cannot be read.
    """
    started = dt.datetime.now(dt.UTC)
    tell = progress if progress is not None else _silent
    tell("reading")
    folder = study_folder(study)
    read = read_study(folder, on_problem=on_problem)
    analysis = analyse(read, plan, progress=tell)
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    tell("report")
    pages = analysis.report(out, formats=formats)
    long = analysis.to_frame()
    written = [*pages.values()]
    for name, content in (("results.csv", results_csv(long)), ("results.json", results_json(long))):
        (out / name).write_bytes(content)
        written.append(out / name)
    manifest = describe(analysis, read, study, out, written, started, on_problem)
    text = json.dumps(manifest, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    (out / "manifest.json").write_text(text, encoding="utf-8")
    return pages.get("html", next(iter(pages.values()), out / "results.csv"))


def _silent(stage: str) -> None:
    return None


def study_folder(study: str | Path) -> Path:
    """Folder of a study; `example` is the one that ships with cart7."""
    return STUDY_FOLDER if str(study) == EXAMPLE else Path(study)


def describe(analysis: Analysis, study: Study, named: str | Path, out: Path, written: Sequence[Path],
             started: dt.datetime, on_problem: str) -> dict[str, Any]:  # fmt: skip
    """The manifest of a run."""
    return {
        "schema": SCHEMA,
        "cart7": versions()["cart7"],
        "plan": analysis.plan.model_dump(mode="json"),
        "on_problem": on_problem,
        "inputs": describe_inputs(study, named, out),
        "environment": {"platform": platform.platform(), "packages": versions()},
        "seed": analysis.plan.seed,
        "outputs": [{"path": path.name, "sha256": _sha256(path)} for path in written],
        "started": started.isoformat(timespec="seconds"),
        "finished": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def describe_inputs(study: Study, named: str | Path, out: Path) -> list[dict[str, Any]]:
    """Each table that was read: where it stands from the manifest's folder, its hashes and its size."""
    rows = []
    for table, path in sorted(study.files.items()):
        frame = _cells(path, table)
        place = EXAMPLE if str(named) == EXAMPLE else Path(os.path.relpath(path, out)).as_posix()
        rows.append({"table": table, "path": place, "sha256": _sha256(path),
                     "content_hash": content_hash(frame, table), "rows": len(frame),
                     "columns": [str(name) for name in frame.columns]})  # fmt: skip
    return rows


def _cells(path: Path, table: str) -> pd.DataFrame:
    """Cells of a file as they stand; none where it cannot be read."""
    cells = files.read_file(path, name=table).cells
    return pd.DataFrame() if cells is None else cells


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def content_hash(frame: pd.DataFrame, table: str) -> str:
    """Hash of what a table says, whatever the file format or the order of its columns.

    Numbers count by value (34 and 34.0 are one), words without outer blanks; missing is empty.
    """
    kinds = {name: column.kind for name, column in records.TABLES[table].columns.items()}
    digest = hashlib.sha256()
    for name in sorted(map(str, frame.columns)):
        numeric = kinds.get(name) in ("int", "float")
        cells = [_canonical(cell, numeric) for cell in frame[name].tolist()]
        digest.update(json.dumps([name, cells], ensure_ascii=False).encode("utf-8"))
    return digest.hexdigest()


def _canonical(cell: object, numeric: bool) -> str:
    text = (
        ""
        if cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell))
        else str(cell).strip()
    )
    if not numeric or not text:
        return text
    try:
        return repr(float(text))
    except ValueError:
        return text


# ---- verifying ----------------------------------------------------------------------------------


def verify(manifest_path: str | Path, *, rtol: float = 1e-9) -> Verification:
    """Read the inputs again, compute again, and compare with what was written.

    Parameters
    ----------
    manifest_path : str or Path
        A `manifest.json`; nothing is written.
    rtol : float
        Relative difference below which two numbers are the same.

    Returns
    -------
    Verification

    Raises
    ------
    VerificationError
        When it cannot be verified: the manifest or its results are missing or damaged, an input is gone,
        or the study can no longer be read.
    """
    place = Path(manifest_path)
    manifest = read_manifest(place)
    before = read_results(place, manifest)
    study, changed = _read_again(place, manifest)
    try:
        plan = Plan.model_validate(manifest["plan"])
    except ValidationError as error:
        raise VerificationError(
            f"{place}: the plan in the manifest is not one that this version knows"
        ) from error
    now = analyse(study, plan).to_frame()
    moved = results.compare(before, now, rtol=rtol)
    numbers = _moved(moved)
    then = manifest["environment"].get("packages", {})
    drift = {
        name: (then.get(name, ""), version)
        for name, version in versions().items()
        if then.get(name) != version
    }
    return Verification(
        reproduced=not len(changed) and not len(numbers), inputs=changed, numbers=numbers, versions=drift
    )


def _moved(moved: pd.DataFrame) -> pd.DataFrame:
    words = moved["difference"].isin(["text"]) | (moved["old"].isna() & moved["new"].isna())
    numbers = moved[list(NUMBER_COLUMNS)].astype({"old": object, "new": object})
    numbers["old"] = moved["old_text"].where(words, moved["old"])
    numbers["new"] = moved["new_text"].where(words, moved["new"])
    numbers["difference"] = moved["difference"]
    return numbers


def read_manifest(place: Path) -> dict[str, Any]:
    """Content of a manifest; VerificationError when it is missing, damaged or of another kind."""
    try:
        manifest = json.loads(place.read_bytes())
    except OSError as error:
        raise VerificationError(
            f"{place}: no manifest can be read here ({error.strerror or error})"
        ) from error
    except ValueError as error:
        raise VerificationError(f"{place}: the manifest is damaged, it is not JSON ({error})") from error
    if not isinstance(manifest, Mapping) or manifest.get("schema") != SCHEMA:
        raise VerificationError(f"{place}: not a manifest of this kind ({SCHEMA})")
    lacks = [name for name in ("plan", "inputs", "outputs", "environment") if name not in manifest]
    if lacks:
        raise VerificationError(f"{place}: the manifest is damaged, it has no {', '.join(lacks)}")
    return dict(manifest)


def read_results(place: Path, manifest: Mapping[str, Any]) -> pd.DataFrame:
    """Long rows that a manifest's run wrote."""
    names = [str(output.get("path", "")) for output in manifest["outputs"]]
    path = place.parent / next((name for name in names if name.endswith("results.json")), "results.json")
    try:
        content = json.loads(path.read_bytes())
        frame = pd.DataFrame(content["results"], columns=list(results.LONG_COLUMNS))
        frame["value"] = frame["value"].astype("float64")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VerificationError(f"{path}: the results of the run cannot be read ({error})") from error
    return frame


def _read_again(place: Path, manifest: Mapping[str, Any]) -> tuple[Study, pd.DataFrame]:
    """The study as it is now, and the inputs whose content changed."""
    paths = {str(item["table"]): _input_path(place, item) for item in manifest["inputs"]}
    gone = [f"{table} ({path})" for table, path in paths.items() if not path.is_file()]
    if gone or not paths:
        raise VerificationError(f"{place}: an input is missing: {', '.join(gone) or 'none is named'}")
    folders = {path.parent for path in paths.values()}
    if len(folders) != 1:
        raise VerificationError(f"{place}: the inputs do not stand in one folder")
    try:
        lenient = manifest.get("on_problem") == "report"
        study = read_study(folders.pop(), on_problem="report" if lenient else "raise")
    except DataError as error:
        raise VerificationError(f"{place}: the study can no longer be read. {error}") from error
    changes = []
    for item in manifest["inputs"]:
        table = str(item["table"])
        now = content_hash(_cells(paths[table], table), table)
        if now != item["content_hash"]:
            changes.append([table, str(item["path"]), "content", item["content_hash"], now])
    changes += [
        [table, path.name, "new table", "", ""] for table, path in study.files.items() if table not in paths
    ]
    return study, pd.DataFrame(changes, columns=list(INPUT_COLUMNS))


def _input_path(place: Path, item: Mapping[str, Any]) -> Path:
    if item["path"] == EXAMPLE:
        return STUDY_FOLDER / f"{item['table']}.csv"
    return Path(os.path.normpath(place.parent / str(item["path"])))


def difference(a: str | Path, b: str | Path, *, rtol: float = 1e-9) -> pd.DataFrame:
    """Results that differ between two manifests (two data cuts, or two releases), as `verify` lists them."""
    long = [read_results(Path(place), read_manifest(Path(place))) for place in (a, b)]
    return _moved(results.compare(long[0], long[1], rtol=rtol))
