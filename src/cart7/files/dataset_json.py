"""CDISC Dataset-JSON 1.1 and its NDJSON form.

Here: the metadata, the rows and whether they fit each other: the official schema accepts a wrong
`records`, short rows and cells of another type, so these are counted and checked here. Not here: the
meaning of a column.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from cart7.errors import Problem
from cart7.files.tables import FileTable, UnreadableFileError, decode, headed, plain_cells, ragged

_REQUIRED = ("datasetJSONCreationDateTime", "datasetJSONVersion", "itemGroupOID", "records", "name", "label",
             "columns")  # fmt: skip
_REQUIRED_OF_COLUMN = ("itemOID", "name", "label", "dataType")
_COMPLETE_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*")
_NUMBERS = ("float", "double")


def read_dataset_json(path: Path, name: str, encoding: str | None) -> FileTable:
    """Cells of a `.json` file: one object with `columns` and `rows`."""
    content = _parsed(decode(path.read_bytes(), path.name), path.name)
    if not isinstance(content, dict) or not isinstance(content.get("columns"), list):
        raise UnreadableFileError("JSON-UNREADABLE", f"{path.name} is no Dataset-JSON: it has no columns")
    rows = content.get("rows", [])
    return _table(name, path.name, content, rows if isinstance(rows, list) else [])


def read_ndjson(path: Path, name: str, encoding: str | None) -> FileTable:
    """Cells of a `.ndjson` file: the metadata in the first line, then one row in each line."""
    lines = [line for line in decode(path.read_bytes(), path.name).splitlines() if line.strip()]
    content, *rows = [_parsed(line, path.name, number) for number, line in enumerate(lines)]
    if not isinstance(content, dict) or not isinstance(content.get("columns"), list):
        raise UnreadableFileError(
            "JSON-UNREADABLE", f"{path.name} is no Dataset-JSON: its first line has no columns"
        )
    return _table(name, path.name, content, rows)


def _parsed(text: str, file: str, row: int = 0) -> Any:
    def no_json(constant: str) -> NoReturn:
        message = f"{constant} in {file} is not JSON; missing must be null"
        raise UnreadableFileError("JSON-UNREADABLE", message, row=row or None)

    try:
        content = json.loads(text, parse_constant=no_json)
        if "\\ud" in text.casefold():
            # Half of an escaped pair is no letter: no page and no other file could hold it.
            json.dumps(content, ensure_ascii=False).encode("utf-8")
        return content
    except (ValueError, RecursionError) as stop:
        raise UnreadableFileError("JSON-UNREADABLE", f"{file} is not JSON: {stop}", row=row or None) from None


def _table(name: str, file: str, content: Mapping[str, Any], rows: Sequence[Any]) -> FileTable:
    version = str(content.get("datasetJSONVersion", "1.1.0"))
    if not re.fullmatch(r"1\.1(\.[0-9]+)?", version):
        message = f"Dataset-JSON version {version} of {file} is not supported"
        raise UnreadableFileError("JSON-VERSION", message, fix="save it as version 1.1")
    columns = [column if isinstance(column, dict) else {} for column in content["columns"]]
    problems = _metadata(name, content, columns, len(rows))
    titles = [str(column.get("name", "")).strip() for column in columns]
    numbers, sound = [], []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, list) and len(row) == len(columns):
            numbers.append(number)
            sound.append(row)
        else:
            problems.append(ragged(name, number, row if isinstance(row, list) else [row], titles))
    values = [[row[place] for row in sound] for place in range(len(columns))]
    for title, column, cells in zip(titles, columns, values, strict=True):
        problems += _types(name, title, column, cells, numbers)
    header, frame = headed(
        name, titles, [plain_cells(cells, empty_is_missing=False) for cells in values], numbers
    )
    return FileTable(
        name=name, cells=frame, rows_in=len(rows), problems=(*header, *problems),
        labels={title: str(column.get("label", "")) for title, column in zip(titles, columns, strict=True)},
        label=str(content.get("label", "")),
    )  # fmt: skip


def _metadata(
    name: str, content: Mapping[str, Any], columns: Sequence[Mapping[str, Any]], n_rows: int
) -> list[Problem]:
    """What the metadata lack, and whether they count the rows that are there."""
    problems = [
        Problem(table=name, rule="JSON-METADATA", message=f"{attribute} is required")
        for attribute in _REQUIRED if attribute not in content
    ]  # fmt: skip
    problems += [
        Problem(table=name, column=column.get("name"), rule="JSON-METADATA",
                message=f"columns[{place}].{attribute} is required")
        for place, column in enumerate(columns)
        for attribute in _REQUIRED_OF_COLUMN if attribute not in column
    ]  # fmt: skip
    records = content.get("records", n_rows)
    if records != n_rows:
        message = f"records is {records} and {n_rows} rows are there"
        fix = "the file may be cut off; export it again"
        problems.append(Problem(table=name, rule="JSON-RECORDS", message=message, fix=fix))
    return problems


def _types(
    name: str, title: str, column: Mapping[str, Any], cells: Sequence[Any], numbers: Sequence[int]
) -> list[Problem]:
    """Cells that are not of the declared type."""
    kind, complete = str(column.get("dataType", "")), column.get("targetDataType") == "integer"
    declared = f"dataType {kind}{' with targetDataType integer' if complete else ''}"
    return [
        Problem(table=name, row=number, column=title, value=cell, rule="JSON-TYPE",
                message=f"{declared} does not allow this value")
        for number, cell in zip(numbers, cells, strict=True)
        if cell is not None and not _fits(cell, kind, complete=complete)
    ]  # fmt: skip


def _fits(cell: object, kind: str, *, complete: bool) -> bool:
    if kind == "boolean":
        return isinstance(cell, bool)
    if kind == "integer":
        return isinstance(cell, int) and not isinstance(cell, bool)
    if kind in _NUMBERS:
        return isinstance(cell, int | float) and not isinstance(cell, bool)
    if not isinstance(cell, str):
        return False
    return not (
        complete and kind in ("date", "datetime") and cell != "" and not _COMPLETE_DATE.fullmatch(cell)
    )
