"""CDISC Dataset-JSON 1.1 and its NDJSON form.

Here: the metadata, the rows and whether they fit each other: the official schema accepts a wrong
`records`, short rows and cells of another type, so these are counted and checked here. Not here: the
meaning of a column.
"""

import datetime as dt
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cart7.errors import Problem
from cart7.files.tables import FileTable, UnreadableFileError, decode, headed, plain_cells, ragged
from cart7.stats import partial_dates

_REQUIRED = ("datasetJSONCreationDateTime", "datasetJSONVersion", "itemGroupOID", "records", "name", "label",
             "columns")  # fmt: skip
_REQUIRED_OF_COLUMN = ("itemOID", "name", "label", "dataType")
_TYPES = ("string", "integer", "decimal", "float", "double", "boolean", "datetime", "date", "time", "URI")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?")
_COMPLETE = {"date": _DATE, "datetime": _DATETIME}
_TIME = re.compile(r"[0-9]{2,}:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LARGEST_INTEGER = 2**63 - 1
_NUMBERS = ("float", "double")


def read_dataset_json(path: Path, name: str, encoding: str | None) -> FileTable:
    """Cells of a `.json` file: one object with `columns` and `rows`."""
    content, constants = _parsed(decode(path.read_bytes(), path.name), path.name)
    said = [_no_constant(name, path.name, constant) for constant in constants]
    _must_be_dataset(content, path.name)
    rows = content.get("rows", [])
    if not isinstance(rows, list):
        raise UnreadableFileError("JSON-UNREADABLE", f"{path.name} is no Dataset-JSON: its rows are no list")
    return _table(name, path.name, content, rows, said)


def read_ndjson(path: Path, name: str, encoding: str | None) -> FileTable:
    """Cells of a `.ndjson` file: the metadata in the first line, then one row in each line."""
    # A line ends with a line feed only: JSON texts may hold the other characters that end a line.
    first, *lines = [line for line in decode(path.read_bytes(), path.name).split("\n") if line.strip()]
    content, constants = _parsed(first, path.name)
    _must_be_dataset(content, path.name)
    said = [_no_constant(name, path.name, constant) for constant in constants]
    rows: list[Any] = []
    for number, line in enumerate(lines, start=1):
        try:
            row, constants = _parsed(line, path.name, number)
        except UnreadableFileError as refusal:
            said.append(refusal.problem(name))
            row, constants = _UNREAD, ()
        if constants:
            said.append(_no_constant(name, path.name, constants[0], number))
            row = _UNREAD
        rows.append(row)
    return _table(name, path.name, content, rows, said)


_UNREAD = object()
"""A line of NDJSON that is told already."""


def _must_be_dataset(content: Any, file: str) -> None:
    """Refuse JSON that describes no dataset; what the description lacks is told later."""
    if not isinstance(content, dict) or not any(attribute in content for attribute in _REQUIRED):
        raise UnreadableFileError("JSON-UNREADABLE", f"{file} is no Dataset-JSON: it describes no columns")
    if not isinstance(content.get("columns", []), list):
        raise UnreadableFileError("JSON-UNREADABLE", f"{file} is no Dataset-JSON: its columns are no list")


def _parsed(text: str, file: str, row: int | None = None) -> tuple[Any, tuple[str, ...]]:
    """Content of a JSON text, and the words in it that JSON does not know (`NaN`), each once."""
    constants: dict[str, None] = {}

    def no_json(constant: str) -> None:
        constants[constant] = None

    try:
        content = json.loads(text, parse_constant=no_json)
        if "\\ud" in text.casefold():
            # Half of an escaped pair is no letter: no page and no other file could hold it.
            json.dumps(content, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as stop:
        raise UnreadableFileError("JSON-UNREADABLE", f"{file} is not JSON: {stop}", row=row) from None
    return content, tuple(constants)


def _no_constant(name: str, file: str, constant: str, row: int | None = None) -> Problem:
    return Problem(table=name, row=row, rule="JSON-UNREADABLE",
                   message=f"{constant} in {file} is not JSON; missing must be null")  # fmt: skip


def _table(
    name: str, file: str, content: Mapping[str, Any], rows: Sequence[Any], said: Sequence[Problem]
) -> FileTable:
    version = str(content.get("datasetJSONVersion", "1.1.0"))
    if not re.fullmatch(r"1\.1(\.[0-9]+)?", version):
        message = f"Dataset-JSON version {version} of {file} is not supported"
        raise UnreadableFileError("JSON-VERSION", message, fix="save it as version 1.1")
    columns = [column if isinstance(column, dict) else {} for column in content.get("columns", [])]
    if "columns" not in content:
        lacking = (*said, *_metadata(name, content, columns, len(rows)))
        return FileTable(name=name, cells=None, rows_in=len(rows), problems=lacking)
    problems = [*said, *_metadata(name, content, columns, len(rows))]
    titles = [str(column.get("name", "")).strip() for column in columns]
    numbers, sound = [], []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, list) and len(row) == len(columns):
            numbers.append(number)
            sound.append(row)
        elif row is not _UNREAD:
            problems.append(ragged(name, number, row if isinstance(row, list) else [row], titles))
    values = [[row[place] for row in sound] for place in range(len(columns))]
    kinds = {}
    for title, column, cells in zip(titles, columns, values, strict=True):
        wrong = _types(name, title, column, cells, numbers)
        problems += wrong
        kinds[title] = _kind(column, _sound(cells, numbers, wrong))
    header, frame = headed(
        name, titles, [plain_cells(cells, empty_is_missing=False) for cells in values], numbers
    )
    # A word that JSON does not know says that its writer did not write JSON; nothing of it is taken.
    whole = not any(problem.rule == "JSON-UNREADABLE" and problem.row is None for problem in problems)
    return FileTable(
        name=name, cells=frame if whole else None, rows_in=len(rows), problems=(*header, *problems),
        labels={title: str(column.get("label", "")) for title, column in zip(titles, columns, strict=True)},
        label=str(content.get("label", "")), dataset=str(content.get("name", "")), kinds=kinds,
    )  # fmt: skip


def _metadata(
    name: str, content: Mapping[str, Any], columns: Sequence[Mapping[str, Any]], n_rows: int
) -> list[Problem]:
    """What the metadata lack, and whether they count the rows that are there."""
    problems = [
        Problem(table=name, rule="JSON-METADATA", message=f"{attribute} is required")
        for attribute in _REQUIRED if attribute not in content
    ]  # fmt: skip
    for place, column in enumerate(columns):
        title = None if column.get("name") is None else str(column["name"])
        problems += [
            Problem(table=name, column=title, rule="JSON-METADATA",
                    message=f"columns[{place}].{attribute} is required")
            for attribute in _REQUIRED_OF_COLUMN if attribute not in column
        ]  # fmt: skip
        if "dataType" in column and column["dataType"] not in _TYPES:
            message = f"columns[{place}].dataType must be one of {', '.join(_TYPES)}"
            problems.append(
                Problem(table=name, column=title, value=str(column["dataType"]), rule="JSON-METADATA",
                        message=message)
            )  # fmt: skip
    records = content.get("records", n_rows)
    if records != n_rows or isinstance(records, bool):
        message = f"records is {records} and {n_rows} rows are there"
        fix = "the file may be cut off; export it again"
        problems.append(Problem(table=name, rule="JSON-RECORDS", message=message, fix=fix))
    return problems


# --- the type of a cell --------------------------------------------------------------------------


def _types(
    name: str, title: str, column: Mapping[str, Any], cells: Sequence[Any], numbers: Sequence[int]
) -> list[Problem]:
    """Cells that are not of the declared type."""
    kind, numeric = str(column.get("dataType", "")), column.get("targetDataType") == "integer"
    declared = f"dataType {kind}{' with targetDataType integer' if numeric else ''}"
    return [
        Problem(table=name, row=number, column=title, value=cell if isinstance(cell, _PLAIN) else str(cell),
                rule="JSON-TYPE", message=f"{declared} does not allow this value")
        for number, cell in zip(numbers, cells, strict=True)
        if cell is not None and not _fits(cell, kind, numeric=numeric)
    ]  # fmt: skip


_PLAIN = (str, int, float, bool)


def _fits(cell: Any, kind: str, *, numeric: bool) -> bool:
    if kind == "boolean":
        return isinstance(cell, bool)
    if kind == "integer":
        return _is_number(cell) and float(cell).is_integer() and abs(cell) <= _LARGEST_INTEGER
    if kind in _NUMBERS:
        return _is_number(cell)
    if not isinstance(cell, str):
        return kind not in _TYPES and isinstance(cell, _PLAIN)
    if cell == "":
        return True
    if kind == "decimal":
        return _DECIMAL.fullmatch(cell) is not None
    if kind in ("date", "datetime"):
        return _is_complete(cell, kind) if numeric else _is_partial(cell)
    return not (kind == "time" and numeric) or _TIME.fullmatch(cell) is not None


def _is_number(cell: Any) -> bool:
    """A number that is finite as a double; 1e999 is JSON and none."""
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return False
    try:
        return math.isfinite(float(cell))
    except OverflowError:
        return False


def _is_partial(cell: str) -> bool:
    """A date that lacks nothing, or some of its parts."""
    try:
        partial_dates.impute(cell, highest="n", rule="first")
    except partial_dates.NoDateError:
        return False
    return True


def _is_complete(cell: object, kind: str) -> bool:
    """A complete date of the calendar, with its time where the column is one of moments."""
    if not isinstance(cell, str) or not _COMPLETE[kind].fullmatch(cell):
        return False
    try:
        dt.datetime.fromisoformat(cell)
    except ValueError:
        return False
    return True


def _sound(cells: Sequence[Any], numbers: Sequence[int], wrong: Sequence[Problem]) -> list[Any]:
    """Cells that hold something of the declared type."""
    rows = {problem.row for problem in wrong}
    return [
        cell for cell, row in zip(cells, numbers, strict=True) if cell not in (None, "") and row not in rows
    ]


def _kind(column: Mapping[str, Any], cells: Sequence[Any]) -> str:
    """What a column holds; dates are a text where one of them is partial and may be."""
    declared = str(column.get("dataType", ""))
    if declared == "integer":
        return "integer"
    if declared in _NUMBERS:
        return "number"
    if declared == "boolean":
        return "boolean"
    if declared in ("date", "datetime"):
        numeric = column.get("targetDataType") == "integer"
        return declared if numeric or all(_is_complete(cell, declared) for cell in cells) else "text"
    return "text"
