"""Frames to files: CSV, Dataset-JSON 1.1 and its NDJSON, SAS transport, by the suffix.

Here: the text of each format. The same table gives the same bytes: no clock is read. What a format cannot
hold is refused, all of it in one error, and nothing is written then. Not here: the reading.
"""

import csv
import datetime as dt
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from cart7.errors import DataError, Problem
from cart7.files.columns import WrittenColumn, written_columns
from cart7.files.transport_writing import holds_name, transport_bytes

WRITABLE = (".csv", ".json", ".ndjson", ".xpt")
"""Suffixes of the files that can be written."""

UNSTATED = dt.datetime(1970, 1, 1)
"""The moment of creation that a file tells when none is stated."""

SPREADSHEET_COMMANDS = ("=", "+", "-", "@", "\t", "\r", "\n")
_TYPES = {"text": "string", "integer": "integer", "number": "double", "boolean": "boolean", "date": "date",
          "datetime": "datetime"}  # fmt: skip
_DISPLAY = {"date": "DATE9.", "datetime": "DATETIME20."}


def write_file(
    path: Path,
    frame: pd.DataFrame,
    *,
    dataset: str,
    label: str = "",
    labels: Mapping[str, str] | None = None,
    created: dt.datetime | None = None,
    spreadsheet_safe: bool = False,
    xpt_version: Literal[5, 8] = 5,
) -> None:
    """Write a frame into a file, by its suffix.

    Parameters
    ----------
    path : Path
        A file with one of the suffixes `WRITABLE`.
    frame : DataFrame
        Columns of text, whole numbers, numbers, booleans or dates; the index is not written.
    dataset, label : str
        Name and label of the table inside the file. A transport file that cannot hold the name takes that
        of the file.
    labels : mapping of str to str, optional
        Labels of the columns.
    created : datetime, optional
        Moment of creation told in `.json`, `.ndjson` and `.xpt`; 1970-01-01T00:00:00 when not stated.
    spreadsheet_safe : bool
        In `.csv`, an apostrophe before each text that a spreadsheet would run. Such a file does not read
        back to the same texts.
    xpt_version : {5, 8}
        Version of a transport file.

    Raises
    ------
    DataError
        With everything that the format cannot hold.
    ValueError
        For another suffix or version.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise ValueError(f"path must end in one of {', '.join(WRITABLE)}, got {path.name!r}")
    if xpt_version not in (5, 8):
        raise ValueError(f"xpt_version must be 5 or 8, got {xpt_version!r}")
    moment = UNSTATED if created is None else created
    columns, problems = written_columns(frame, labels or {}, dataset)
    if suffix == ".xpt":
        if not holds_name(dataset, xpt_version) and holds_name(path.stem, xpt_version):
            dataset = path.stem
        content = transport_bytes(columns, problems, table=dataset, dataset=dataset, label=label,
                                  created=moment, version=xpt_version)  # fmt: skip
    else:
        if problems:
            raise DataError(problems)
        if suffix == ".csv":
            content = _csv(columns, safe=spreadsheet_safe)
        else:
            content = _json(columns, len(frame), dataset, label, moment, lines=suffix == ".ndjson")
    try:
        path.write_bytes(content)
    except OSError as refusal:
        message = f"{path.name} cannot be written: {refusal.strerror or refusal}"
        raise DataError([Problem(table=dataset, rule="FILE-UNREADABLE", message=message)]) from None


# --- CSV -----------------------------------------------------------------------------------------


def _csv(columns: Sequence[WrittenColumn], *, safe: bool) -> bytes:
    """UTF-8, shortest numbers that read back to the same bits, dates as ISO 8601, missing empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    titles = [column.name for column in columns]
    writer.writerow([harmless(title) for title in titles] if safe else titles)
    cells = [_texts(column, safe=safe) for column in columns]
    writer.writerows(zip(*cells, strict=True))
    return out.getvalue().encode("utf-8")


def _texts(column: WrittenColumn, *, safe: bool) -> list[str]:
    if column.kind == "text":
        return ["" if cell is None else harmless(str(cell)) if safe else str(cell) for cell in column.cells]
    return ["" if cell is None else _text(cell) for cell in column.cells]


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell.isoformat() if isinstance(cell, dt.date) else repr(cell)


def harmless(text: str) -> str:
    """A text that a spreadsheet would run gets a leading apostrophe."""
    if not text.startswith(SPREADSHEET_COMMANDS):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text


# --- Dataset-JSON --------------------------------------------------------------------------------


def _json(
    columns: Sequence[WrittenColumn],
    n_rows: int,
    dataset: str,
    label: str,
    created: dt.datetime,
    *,
    lines: bool,
) -> bytes:
    head = {
        "datasetJSONCreationDateTime": created.isoformat(timespec="seconds"),
        "datasetJSONVersion": "1.1.0",
        "itemGroupOID": f"IG.{dataset}",
        "records": n_rows,
        "name": dataset,
        "label": label,
        "columns": [_described(column, dataset) for column in columns],
    }
    cells = [[_json_cell(cell) for cell in column.cells] for column in columns]
    rows = [_JSON.encode(row) for row in zip(*cells, strict=True)]
    if lines:
        return ("\n".join([_JSON.encode(head), *rows]) + "\n").encode("utf-8")
    body = ",\n".join(rows)
    return (_JSON.encode(head)[:-1] + ', "rows": [\n' + body + "\n]}\n").encode("utf-8")


_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def _described(column: WrittenColumn, dataset: str) -> dict[str, object]:
    described: dict[str, object] = {
        "itemOID": f"IT.{dataset}.{column.name}",
        "name": column.name,
        "label": column.label,
        "dataType": _TYPES[column.kind],
    }
    if column.kind == "text":
        described["length"] = max([1, *(len(cell) for cell in column.cells if isinstance(cell, str))])
    if column.kind in _DISPLAY:
        described |= {"targetDataType": "integer", "displayFormat": _DISPLAY[column.kind]}
    return described


def _json_cell(cell: object) -> object:
    return cell.isoformat() if isinstance(cell, dt.date) else cell
