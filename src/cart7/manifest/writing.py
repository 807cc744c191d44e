"""The files beside the report: long results for programs, and the manifest of the run.

Here: `results.csv`, `results.json`, `manifest.json`, and the exchange files asked for. Not here: the
numbers (`analysis`), the pages (`report`) and the shape of the exchange files (`cdisc`).
"""

import csv
import datetime as dt
import io
import json
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from cart7 import results
from cart7._version import versions
from cart7.analysis import Analysis, analyse
from cart7.examples import STUDY_FOLDER
from cart7.files.writing import harmless
from cart7.manifest.contents import cells_of, content_hash, plan_hash, sha256_of
from cart7.plan import EXAMPLE, Plan
from cart7.study import Study, read_study

OnProblem = Literal["raise", "report"]

SCHEMA = "cart7-manifest/1"
RESULTS_SCHEMA = "cart7-results/1"
EXPORTS = ("ard", "ars")
"""Exchange files that can be written beside the results."""

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def sorted_rows(long: pd.DataFrame) -> pd.DataFrame:
    """Long rows in the order of their key."""
    return long.sort_values(list(results.KEY), kind="stable").reset_index(drop=True)


def results_csv(long: pd.DataFrame) -> bytes:
    """Long rows as CSV: sorted by key, shortest numbers, missing empty, nothing a spreadsheet would run."""
    return csv_bytes(sorted_rows(long)[list(results.LONG_COLUMNS)])


def csv_bytes(frame: pd.DataFrame) -> bytes:
    r"""A frame as UTF-8 CSV: shortest numbers, missing empty, nothing that a spreadsheet would run.

    Examples
    --------
    >>> csv_bytes(pd.DataFrame({"text": ["=1+1", "-3.5"], "value": [0.1, None]}))
    b"text,value\n'=1+1,0.1\n-3.5,\n"
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(harmless, map(str, frame.columns)))
    columns = [_cell_texts(frame[name].tolist()) for name in frame.columns]
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue().encode("utf-8")


def _cell_texts(cells: list[Any]) -> list[str]:
    """Texts of a column; each different word is looked at once, since most of them repeat."""
    safe = {word: harmless(word) for word in {cell for cell in cells if isinstance(cell, str)}}
    return [safe[cell] if isinstance(cell, str) else _number_text(cell) for cell in cells]


def _number_text(cell: Any) -> str:
    if cell is None or cell is pd.NA or cell != cell:
        return ""
    return repr(float(cell)) if isinstance(cell, float) else str(cell)


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


def write_report(
    study: str | Path,
    plan: Plan,
    out_dir: str | Path,
    *,
    formats: Sequence[str] = ("html",),
    also: Sequence[str] = (),
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
    also : sequence of str
        Exchange files to write: `ard` (`ard.csv`, `ard.json`), `ars` (`ars.json`).
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
    ValueError
        An exchange file is none of the known ones.
    """
    unknown = [name for name in also if name not in EXPORTS]
    if unknown:
        raise ValueError(f"also must be among {', '.join(EXPORTS)}; got {', '.join(map(repr, unknown))}")
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
    tell("results")
    written = [*pages.values()]
    for name, content in _data_files(analysis, also).items():
        (out / name).write_bytes(content)
        written.append(out / name)
    manifest = describe(analysis, read, study, out, written, started, on_problem)
    text = json.dumps(manifest, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    (out / "manifest.json").write_text(text, encoding="utf-8")
    return pages.get("html", next(iter(pages.values()), out / "results.csv"))


def _silent(stage: str) -> None:
    return None


def _data_files(analysis: Analysis, also: Sequence[str]) -> dict[str, bytes]:
    """Contents of the long results and of the exchange files asked for, by name."""
    long = analysis.to_frame()
    contents = {"results.csv": results_csv(long), "results.json": results_json(long)}
    by = analysis.plan.by or ""
    if "ard" in also:
        from cart7.cdisc import ard

        table = ard.to_ard(long, by=by)
        contents |= {"ard.csv": csv_bytes(table), "ard.json": ard.ard_json(table)}
    if "ars" in also:
        from cart7.cdisc import ars

        event = ars.reporting_event(long, study_id=str(analysis.study_id), by=by)
        contents["ars.json"] = ars.ars_json(event)
    return contents


def study_folder(study: str | Path) -> Path:
    """Folder of a study; `example` is the one that ships with cart7."""
    return STUDY_FOLDER if str(study) == EXAMPLE else Path(study)


def describe(analysis: Analysis, study: Study, named: str | Path, out: Path, written: Sequence[Path],
             started: dt.datetime, on_problem: str) -> dict[str, Any]:  # fmt: skip
    """The manifest of a run."""
    plan = analysis.plan.model_dump(mode="json")
    return {
        "schema": SCHEMA,
        "cart7": versions()["cart7"],
        "plan": plan,
        "plan_hash": plan_hash(plan),
        "on_problem": on_problem,
        "inputs": describe_inputs(study, named, out),
        "environment": {"platform": platform.platform(), "packages": versions()},
        "seed": analysis.plan.seed,
        "outputs": [{"path": path.name, "sha256": sha256_of(path)} for path in written],
        "started": started.isoformat(timespec="seconds"),
        "finished": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def describe_inputs(study: Study, named: str | Path, out: Path) -> list[dict[str, Any]]:
    """Each table that was read: where it stands from the manifest's folder, its hashes and its size."""
    rows = []
    for table, path in sorted(study.files.items()):
        frame = cells_of(path, table)
        place = EXAMPLE if str(named) == EXAMPLE else Path(os.path.relpath(path, out)).as_posix()
        rows.append({"table": table, "path": place, "sha256": sha256_of(path),
                     "content_hash": content_hash(frame, table), "rows": len(frame),
                     "columns": [str(name) for name in frame.columns]})  # fmt: skip
    return rows
