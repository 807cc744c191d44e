"""The columns of a frame as they go into a file: plain cells of one kind, and what cannot be written.

Here: which kind a column is (text, integer, number, boolean, date, datetime) whatever its pandas type, and
the findings that hold for every format. Not here: the limits of one format.
"""

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cart7.errors import Problem

_NO_TEXT = re.compile("[\\x00\\ud800-\\udfff]")
_LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenColumn:
    """One column: its cells are str, int, float, bool, date or datetime by `kind`, None where missing."""

    name: str
    label: str
    kind: str
    cells: tuple[object, ...]


def written_columns(
    frame: pd.DataFrame, labels: Mapping[str, str], table: str
) -> tuple[list[WrittenColumn], list[Problem]]:
    """Columns of a frame, and everything that no file could hold."""
    problems = _names(frame, table)
    columns = []
    for place, title in enumerate(map(str, frame.columns)):
        kind, cells, mixed = _plain(frame.iloc[:, place])
        if mixed:
            problems.append(_said(table, title, "COLUMN-KIND", f"a column holds one kind of value: {mixed}"))
            continue
        columns.append(WrittenColumn(name=title, label=labels.get(title, ""), kind=kind, cells=tuple(cells)))
        problems += _cells_of_no_file(table, columns[-1])
    return columns, problems


def rows_of(cells: Sequence[object]) -> list[int]:
    """1-based rows in the order of a column's cells."""
    return list(range(1, len(cells) + 1))


def _names(frame: pd.DataFrame, table: str) -> list[Problem]:
    titles = [str(title) for title in frame.columns]
    problems = [
        _said(table, title, "COLUMN-TWICE", "the column stands twice")
        for title in dict.fromkeys(titles) if titles.count(title) > 1
    ]  # fmt: skip
    problems += [
        _said(table, title, "COLUMN-UNNAMED", "a column needs a name without blanks around it")
        for title in titles if not title or title != title.strip() or _NO_TEXT.search(title)
    ]  # fmt: skip
    if not titles:
        problems.append(
            Problem(table=table, rule="FILE-EMPTY", message="a table without columns cannot be written")
        )
    return problems


def _said(table: str, column: str, rule: str, message: str) -> Problem:
    return Problem(table=table, column=column, rule=rule, message=message)


def _plain(values: pd.Series) -> tuple[str, list[object], str]:
    """Kind and cells of a column; the third is a text when it holds several kinds or none that is known."""
    dtype = values.dtype
    missing = values.isna().to_numpy(dtype=bool)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "", [], "times with a time zone are not written; make them local"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        moments = values.to_numpy(dtype="datetime64[us]").astype(object)
        return _moments(
            str(values.name), [None if gone else at for gone, at in zip(missing, moments, strict=True)]
        )
    given = [None if gone else _bare(cell) for gone, cell in zip(missing, values.tolist(), strict=True)]
    if pd.api.types.is_bool_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype):
        return "boolean", given, ""
    if pd.api.types.is_integer_dtype(dtype):
        return "integer", given, ""
    if pd.api.types.is_float_dtype(dtype):
        return "number", given, ""
    return _by_cells(str(values.name), given)


def _bare(cell: object) -> object:
    """A value of Python for one of numpy or pandas."""
    if isinstance(cell, pd.Timestamp):
        return cell.to_pydatetime()
    return cell.item() if isinstance(cell, np.generic) else cell


def _by_cells(name: str, given: list[object]) -> tuple[str, list[object], str]:
    """Kind of a column of objects, by what stands in it; a column without any value is text."""
    kinds = {_kind(cell) for cell in given if cell is not None} or {"text"}
    if len(kinds) == 1 and (kind := kinds.copy().pop()) in ("text", "boolean", "integer", "number"):
        return kind, given, ""
    if kinds == {"integer", "number"}:
        return "number", [None if cell is None else float(str(cell)) for cell in given], ""
    if kinds <= {"date", "datetime"}:
        moments = [
            dt.datetime.combine(cell, dt.time())
            if isinstance(cell, dt.date) and not isinstance(cell, dt.datetime)
            else cell
            for cell in given
        ]
        return _moments(name, moments)
    return "", [], "found " + ", ".join(sorted(kinds))


def _kind(cell: object) -> str:
    if isinstance(cell, str):
        return "text"
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, int):
        return "integer"
    if isinstance(cell, float):
        return "number"
    if isinstance(cell, dt.datetime):
        return "datetime" if cell.tzinfo is None else "times with a time zone"
    return "date" if isinstance(cell, dt.date) else type(cell).__name__


def _moments(name: str, moments: Sequence[object]) -> tuple[str, list[object], str]:
    """Dates where no moment has a time of day; a column that CDISC names as datetime stays one."""
    timed = any(isinstance(at, dt.datetime) and at.time() != dt.time(0) for at in moments)
    if timed or name.upper().endswith("DTM"):
        return "datetime", list(moments), ""
    return "date", [at.date() if isinstance(at, dt.datetime) else at for at in moments], ""


def _cells_of_no_file(table: str, column: WrittenColumn) -> list[Problem]:
    """Infinite numbers, numbers too large for any reader, and text that is none."""
    problems = []
    for row, cell in zip(rows_of(column.cells), column.cells, strict=True):
        said = ""
        if isinstance(cell, float) and not math.isfinite(cell):
            said, rule = "a number must be finite", "NUMBER-INFINITE"
        elif column.kind == "integer" and isinstance(cell, int) and abs(cell) > _LARGEST_INTEGER:
            said, rule = "the whole number is too large", "NUMBER-RANGE"
        elif isinstance(cell, str) and _NO_TEXT.search(cell):
            said, rule = "the text holds a character that no text file can hold", "TEXT-UNWRITABLE"
        if said:
            shown = cell if not isinstance(cell, str) else cell.encode("unicode_escape").decode()
            problems.append(
                Problem(table=table, row=row, column=column.name, value=shown, rule=rule, message=said)
            )
    return problems
