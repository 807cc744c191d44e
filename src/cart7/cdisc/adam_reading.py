"""A folder of ADaM data sets as a study.

Here: the order of the work, the account of rows used and set aside. Not here: single data sets
(`adam_records`, `adam_events`), the checks (`study`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from cart7 import files
from cart7.cdisc import adam_events
from cart7.cdisc.adam_folder import DataSetFile, read_folder
from cart7.cdisc.adam_mapping import AdamMapping, DataSetMapping
from cart7.cdisc.adam_own import Own, mapping_of, nearest
from cart7.cdisc.adam_records import Desk, patterns_of, reasons_not_read, records
from cart7.errors import PROBLEM_COLUMNS, DataError, Problem, problem_frame
from cart7.records import TABLES
from cart7.study import OnProblem, Study

_EVENTS, _SUBJECTS, _DLT = "events", "subjects", "dlt"


def read_adam(
    folder: str | Path,
    *,
    mapping: Own = None,
    on_problem: OnProblem = "raise",
    encoding: str | None = None,
) -> Study:
    r"""Read a folder of ADaM (or ADaM-like) data sets as a study.

    Parameters
    ----------
    folder : str or Path
        Holds `adsl` and any of `adae`, `adrs`, `adtte`, `adpc`, `adpd`, `adlb`, `adis` or `adab`, `adex`, as
        `.xpt`, Dataset-JSON (`.json`, `.ndjson`), `.csv` or `.parquet`, whatever the case of their names.
    mapping : mapping or path of a TOML file, optional
        What differs from the usual mapping; see the guide "CDISC ADaM".
    on_problem : {"raise", "report"}
        As in `cart7.read_study`.
    encoding : str, optional
        Encoding of the CSV and transport files; UTF-8 when not given.

    Returns
    -------
    Study
        With the checks of `read_study`. The `row` of a table is that of its data set (of `responses`, `ada`
        and `products` the first of the rows that were joined; `events` are numbered). Rows that are no record
        of a table (derived ones, doses, other parameters) stand in `.problems` with their reason and in
        `.accounting` as set aside.

    Raises
    ------
    DataError
        Every problem at once: of the mapping, of the files, of the data. Under `report` only when the mapping
        is wrong or no subjects can be read.
    ValueError
        If `on_problem` or `encoding` is none of the known ones.

    Notes
    -----
    CDISC's study day has no day 0: infusion is day 1, here it is day 0. CNSR 0 is the event. Severity words
    are not CTCAE grades.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "adsl.csv").write_text("USUBJID,TRTSDT,SAFFL,DTHDT\n1,2024-02-01,Y,2024-03-01\n")
    >>> _ = (folder / "adae.csv").write_text("USUBJID,AESEQ,AEDECOD,ASTDY\n1,1,Fever,1\n")
    >>> study = read_adam(folder)
    >>> study.adverse_events["start_day"].tolist(), study.events["day"].tolist()
    ([0], [29.0])
    """
    if on_problem not in ("raise", "report"):
        raise ValueError(f"on_problem must be one of raise, report, got {on_problem!r}")
    files.check_encoding(encoding)
    ways, desk, place = mapping_of(mapping), Desk(), Path(folder)
    found = read_folder(place, ways, encoding, desk.problems)
    _check_own_variables(ways, found, desk)
    tables, sources = _tables(ways, found, desk)
    return _study(tables, sources, desk, on_problem, place)


def _check_own_variables(ways: AdamMapping, found: Mapping[str, DataSetFile], desk: Desk) -> None:
    """A wrong mapping ends the reading: every file and variable that it names must be there."""
    for name, variable in sorted(ways.own):
        if name in found and variable in found[name].cells.columns:
            continue
        if name in found:
            message = f"mapping: {name} has no variable {variable}"
            fix = nearest(variable, found[name].cells.columns)
        else:
            message, fix = f"mapping: it names {variable} of {name}, and no file of {name} can be read", ""
        desk.problems.append(
            Problem(table=name, column=variable, rule="ADAM-MAPPING", message=message, fix=fix)
        )
    if any(problem.rule == "ADAM-MAPPING" for problem in desk.problems):
        raise DataError(desk.problems)


def _tables(
    ways: AdamMapping, found: Mapping[str, DataSetFile], desk: Desk
) -> tuple[dict[str, list[pd.DataFrame]], dict[str, Path]]:
    """The rows of each table, and the file that each comes from."""
    tables: dict[str, list[pd.DataFrame]] = {}
    sources: dict[str, Path] = {}
    if "ADSL" in found:
        adam_events.name_subjects(found["ADSL"], ways, desk)
    if {"ADIS", "ADAB"} <= set(found):
        message, fix = (
            "ADAB is not read: ADIS tells the antibodies",
            "to read ADAB, keep ADIS out of the folder",
        )
        desk.warn("ada", "ADAM-NOT-READ", message, fix=fix)
        desk.set_aside["ada"] = found["ADAB"].rows_in
        found = {name: file for name, file in found.items() if name != "ADAB"}
    for name, file in found.items():
        mine = [each for each in ways.data_sets if each.data_set == name]
        if not _usable(mine, file, desk):
            continue
        used = np.zeros(len(file.cells), dtype=bool)
        own_reasons = pd.Series(dtype=object)
        for each in mine:
            frame, taken, reasons = _read(each, file, tables, desk)
            used |= taken
            own_reasons = pd.concat([own_reasons, reasons]) if len(reasons) else own_reasons
            if len(frame):
                tables.setdefault(each.table, []).append(frame)
                sources.setdefault(each.table, file.path)
        _account(mine, file, used, own_reasons, desk)
    return tables, sources


def _usable(mine: list[DataSetMapping], file: DataSetFile, desk: Desk) -> bool:
    """Whether a data set has rows, and the variables without which nothing can be read from it."""
    table, there = mine[0].table, set(file.cells.columns)
    if not len(file.cells):
        severity = "error" if table == _SUBJECTS else "warning"
        desk.warn(table, "FILE-NO-ROWS", f"{file.name} has no row", severity=severity)
    lacking = [] if there & {"USUBJID", "SUBJID"} else ["USUBJID"]
    lacking += ["PARAMCD"] if all(map(patterns_of, mine)) and "PARAMCD" not in there else []
    if lacking:
        message = f"{file.name} has no {' and no '.join(lacking)}; none of its rows can be read"
        desk.warn(table, "ADAM-NO-VARIABLE", message, severity="error")
        desk.set_aside[table] = desk.set_aside.get(table, 0) + file.rows_in
    return bool(len(file.cells)) and not lacking


def _read(
    each: DataSetMapping, file: DataSetFile, tables: Mapping[str, list[pd.DataFrame]], desk: Desk
) -> tuple[pd.DataFrame, Any, pd.Series]:
    """Rows of one table from one data set, which rows of it they are, and why others are none."""
    every, none = np.ones(len(file.cells), dtype=bool), pd.Series(dtype=object)
    if each.endpoints:
        known = [*tables.get(_EVENTS, []), pd.DataFrame(columns=list(adam_events.EVENT_COLUMNS))]
        added, reasons = adam_events.events_of_adtte(each, file, pd.concat(known), desk)
        _, taken = records(replace(each, endpoints=(), paramcd=_codes(each)), file, desk)
        return added, taken & ~file.cells.index.isin(reasons.index), reasons
    if each.events:
        people = tables[_SUBJECTS][0]
        unknown = pd.Series(None, index=people.index, dtype=object)
        infusion = people["infusion_date"] if "infusion_date" in people.columns else unknown
        return adam_events.events_of_adsl(each, file, infusion, desk), every, none
    if each.table == _SUBJECTS:
        return adam_events.subjects(each, file, desk), every, none
    frame, taken = records(each, file, desk)
    if each.table == _DLT:
        return adam_events.dlt_table(frame, tables[_SUBJECTS][0]), every, none
    return frame, taken, none


def _codes(each: DataSetMapping) -> tuple[str, ...]:
    return tuple(code for endpoint in each.endpoints for code in endpoint.paramcd)


def _account(mine: list[DataSetMapping], file: DataSetFile, used: Any, own: pd.Series, desk: Desk) -> None:
    """Rows of a data set that no table took, with their reasons."""
    if not used.all():
        desk.leave(mine[0].table, file.name, reasons_not_read(mine, file, own)[~used])
    ragged = file.rows_in - len(file.cells)
    if ragged:
        desk.set_aside[mine[0].table] = desk.set_aside.get(mine[0].table, 0) + ragged


def _study(
    tables: Mapping[str, list[pd.DataFrame]],
    sources: Mapping[str, Path],
    desk: Desk,
    on_problem: OnProblem,
    place: Path,
) -> Study:
    """The study of these tables, with the findings of the way here before those of the checks."""
    frames = {name: _one_frame(tables[name], numbered=name == _EVENTS) for name in TABLES if name in tables}
    if _SUBJECTS not in frames:
        raise DataError([*desk.problems, *_no_subjects(desk)])
    try:
        study = Study.from_frames(on_problem="report", **frames)
    except DataError as error:
        raise DataError([*desk.problems, *error.problems]) from None
    problems = _in_order([*desk.problems, *_problems_of(study.problems)])
    if on_problem == "raise" and any(problem.severity == "error" for problem in problems):
        raise DataError(problems)
    return replace(study, problems=problem_frame(problems), accounting=_accounting(study, desk), source=place,
                   files=MappingProxyType(dict(sources)))  # fmt: skip


def _no_subjects(desk: Desk) -> list[Problem]:
    if any(problem.severity == "error" for problem in desk.problems):
        return []
    return [Problem(table=_SUBJECTS, rule="FILE-NO-ROWS", message="there is no subject in ADSL")]


def _one_frame(blocks: list[pd.DataFrame], *, numbered: bool) -> pd.DataFrame:
    frame = pd.concat([block.astype(object) for block in blocks]) if len(blocks) > 1 else blocks[0]
    frame = frame.astype(object)
    frame = frame.where(frame.notna(), None)
    if numbered:
        frame = frame.sort_values(["subject_id"], kind="stable", ignore_index=True)
        frame.index = frame.index + 1
        frame = frame.dropna(axis=1, how="all")
    frame.index = pd.Index(frame.index.to_numpy(dtype=np.int64), name="row")
    return frame


def _problems_of(frame: pd.DataFrame) -> list[Problem]:
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [
        Problem(**{**{name: row[name] for name in PROBLEM_COLUMNS}, "fix": row["fix"] or "",
                   "row": None if row["row"] is None else int(row["row"])})
        for row in rows
    ]  # fmt: skip


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    place = {name: number for number, name in enumerate(TABLES)}
    return sorted(problems, key=lambda problem: (place.get(problem.table, -1), problem.row or 0))


def _accounting(study: Study, desk: Desk) -> pd.DataFrame:
    """Rows in, used and set aside by table; what is no record counts as set aside."""
    rows = {row.table: [int(row.rows_in), int(row.rows_used), int(row.rows_set_aside)]
            for row in study.accounting.itertuples()}  # fmt: skip
    for table, count in desk.set_aside.items():
        counts = rows.setdefault(table, [0, 0, 0])
        counts[0] += count
        counts[2] += count
    ordered = [[name, *rows[name]] for name in TABLES if name in rows]
    return pd.DataFrame(ordered, columns=["table", "rows_in", "rows_used", "rows_set_aside"])
