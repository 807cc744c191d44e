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
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import ValidationError

from cart7 import files, records, results
from cart7._version import versions
from cart7.analysis import Analysis, analyse
from cart7.checks.cells import found
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
    """Hash of what a table says, whatever the file format or the order of its columns and rows.

    Numbers count by value (34 and 34.0 are one), words without outer blanks; missing is empty.
    """
    schema = records.TABLES[table].columns
    names = sorted(frame.columns, key=str)
    columns = [_canonical_cells(frame[name], schema[name].kind if name in schema else "") for name in names]
    content = [list(map(str, names)), sorted(zip(*columns, strict=True))]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode("utf-8")).hexdigest()


def _canonical_cells(column: pd.Series, kind: str) -> list[str]:
    """Texts of a column; of one outside the schema, `01` stays a word and `1.50` is a number."""
    number = {"int": _NUMBER, "float": _NUMBER, "": _NUMBER_WITHOUT_ZEROS}.get(kind)
    texts = [
        "" if missing else found(cell).strip() for cell, missing in zip(column, column.isna(), strict=True)
    ]
    if number is None:
        return texts
    return [repr(float(text) + 0.0) if number.fullmatch(text) else text for text in texts]


_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NUMBER_WITHOUT_ZEROS = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")


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
        When it cannot be verified: the manifest or its results are missing or damaged, an input is gone
        or no study table any more.
    """
    place = Path(manifest_path)
    manifest = read_manifest(place)
    before = read_results(place, manifest)
    study, changed = _read_again(place, manifest)
    try:
        now = analyse(study, Plan.model_validate(manifest["plan"])).to_frame()
    except ValidationError as error:
        raise VerificationError(
            f"{place}: the plan in the manifest is not one that this version knows"
        ) from error
    except DataError as error:
        raise VerificationError(f"{place}: the study can no longer be analysed. {error}") from error
    numbers = _moved(results.compare(before, now, rtol=rtol, atol=0.0))
    then = manifest["environment"].get("packages", {})
    drift = {
        name: (str(then.get(name, "")), version)
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
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{place}: the manifest is damaged, it is not JSON ({error})") from error
    if not isinstance(manifest, Mapping) or manifest.get("schema") != SCHEMA:
        raise VerificationError(f"{place}: not a manifest of this kind ({SCHEMA})")
    lacks = [name for name, whole in _PARTS.items() if not whole(manifest.get(name))]
    if lacks:
        raise VerificationError(f"{place}: the manifest is damaged, it has no sound {', '.join(lacks)}")
    return dict(manifest)


def _lists(*names: str) -> Callable[[Any], bool]:
    """Whether a part of a manifest is a list of records that have these texts."""
    return lambda part: (
        isinstance(part, list)
        and all(
            isinstance(item, Mapping) and all(isinstance(item.get(name), str) for name in names)
            for item in part
        )
    )


_PARTS: Mapping[str, Callable[[Any], bool]] = {
    "plan": lambda part: isinstance(part, Mapping),
    "inputs": _lists("table", "path", "content_hash"),
    "outputs": _lists("path"),
    "environment": lambda part: isinstance(part, Mapping) and isinstance(part.get("packages", {}), Mapping),
}


def read_results(place: Path, manifest: Mapping[str, Any]) -> pd.DataFrame:
    """Long rows that a manifest's run wrote."""
    names = [output["path"] for output in manifest["outputs"]]
    path = place.parent / next((name for name in names if name.endswith("results.json")), "results.json")
    try:
        content = json.loads(path.read_bytes())
        rows = [[row[name] for name in results.LONG_COLUMNS] for row in content["results"]]
        frame = pd.DataFrame(rows, columns=list(results.LONG_COLUMNS))
        frame["value"] = frame["value"].astype("float64")
        frame[list(results.KEY)] = frame[list(results.KEY)].astype(str)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VerificationError(f"{path}: the results of the run cannot be read ({error})") from error
    return frame


def _read_again(place: Path, manifest: Mapping[str, Any]) -> tuple[Study, pd.DataFrame]:
    """The study as it is now, and the inputs whose content changed."""
    try:
        study = read_study(_folder_of(place, manifest["inputs"]), on_problem="report")
    except DataError as error:
        raise VerificationError(f"{place}: the study can no longer be read. {error}") from error
    recorded = {item["table"]: item for item in manifest["inputs"]}
    lost = [name for name in recorded if name not in study.files]
    if lost:
        raise VerificationError(
            f"{place}: an input is missing or no study table: {', '.join(lost)}. {_errors_of(study)}"
        )
    changes = []
    for table, item in recorded.items():
        now = content_hash(_cells(study.files[table], table), table)
        if now != item["content_hash"]:
            changes.append([table, item["path"], "content", item["content_hash"], now])
    changes += [
        [table, path.name, "new table", "", ""]
        for table, path in study.files.items()
        if table not in recorded
    ]
    # Changed data with an error are told as changed; the same data with one cannot have been the run's.
    errors = (study.problems["severity"] == "error").any()
    if errors and not changes and manifest.get("on_problem") != "report":
        raise VerificationError(f"{place}: the study can no longer be read. {_errors_of(study)}")
    return study, pd.DataFrame(changes, columns=list(INPUT_COLUMNS))


def _folder_of(place: Path, inputs: Sequence[Mapping[str, str]]) -> Path:
    """The one folder in which all inputs stand, each under its name or in another format."""
    paths = {item["table"]: _input_path(place, item) for item in inputs}
    gone = [f"{table} ({path})" for table, path in paths.items() if not _stands(path, table)]
    if gone or not paths:
        raise VerificationError(f"{place}: an input is missing: {', '.join(gone) or 'none is named'}")
    folders = {path.parent for path in paths.values()}
    if len(folders) != 1:
        raise VerificationError(f"{place}: the inputs do not stand in one folder")
    return folders.pop()


def _stands(path: Path, table: str) -> bool:
    """Whether a table stands at its path, or beside it in another format."""
    if path.stem.lower() != table or not path.parent.is_dir():
        return False
    return any(
        other.stem.lower() == table and other.suffix.lower() in files.SUFFIXES
        for other in path.parent.iterdir()
    )


def _errors_of(study: Study) -> str:
    """The data errors of a study, as one text."""
    errors = study.problems[study.problems["severity"] == "error"]
    return "; ".join(f"{row.table}: {row.message}" for row in errors.head(20).itertuples())


def _input_path(place: Path, item: Mapping[str, str]) -> Path:
    if item["path"] == EXAMPLE:
        return STUDY_FOLDER / f"{item['table']}.csv"
    return Path(os.path.normpath(place.parent / item["path"]))


def difference(a: str | Path, b: str | Path, *, rtol: float = 1e-9) -> pd.DataFrame:
    """Results that differ between two manifests (two data cuts, or two releases), as `verify` lists them."""
    long = [read_results(Path(place), read_manifest(Path(place))) for place in (a, b)]
    return _moved(results.compare(long[0], long[1], rtol=rtol, atol=0.0))
