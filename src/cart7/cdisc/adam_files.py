"""One frame as one CDISC file: SAS transport version 5 or Dataset-JSON 1.1.

Here: names, labels, lengths and types that the formats allow, the bytes. Not here: what a data set holds
(`adam_writing`).
"""

import datetime as dt
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cart7.errors import DataError, Problem

CREATED = "1960-01-01T00:00:00"
"""Time of creation in every file: that of writing would change the bytes of the same data."""

LONGEST_TEXT, LONGEST_LABEL = 200, 40  # bytes, in a transport file of version 5
_LARGEST, _SMALLEST = 7.2e75, 5.4e-79  # beyond it a transport file holds infinity, below it 0
_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,7}")
_STAMP = b"01JAN60:00:00:00"
_RECORD = 80
_DATED_RECORD = re.compile(rb"[0-9]{2}[A-Z]{3}[0-9]{2}:[0-9]{2}:[0-9]{2}:[0-9]{2}")


def write_dataset(
    path: Path, frame: pd.DataFrame, *, name: str, label: str, labels: Mapping[str, str]
) -> None:
    """Write a frame as a data set.

    Parameters
    ----------
    path : Path
        Ends in `.xpt` (SAS transport version 5, dates as SAS dates) or `.json` (Dataset-JSON 1.1).
    frame : DataFrame
        Words as text (missing = ""), numbers as float64, dates as datetime64.
    name, label : str
        Of the data set.
    labels : mapping of str to str
        Label of each variable.

    Raises
    ------
    DataError
        Every name, label, text and number that the format does not hold.
    ValueError
        If the path ends otherwise.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "adsl.json"
    >>> write_dataset(file, pd.DataFrame({"USUBJID": ["1"], "AGE": [40.0]}), name="ADSL",
    ...               label="Subjects", labels={"USUBJID": "Unique Subject Identifier", "AGE": "Age"})
    >>> json.loads(file.read_text())["rows"]
    [['1', 40]]
    """
    if problems := _refused(frame, name, label, labels):
        raise DataError(problems)
    if path.suffix == ".xpt":
        _write_transport(path, frame, name, label, labels)
    elif path.suffix == ".json":
        _write_json(path, frame, name, label, labels)
    else:
        raise ValueError(f"path must end in .xpt or .json, got {path.name}")


def kind_of(cells: pd.Series) -> str:
    """How a column is stored: `text`, `date`, `integer` or `float`."""
    if cells.dtype.kind == "M":
        return "date"
    if cells.dtype.kind not in "fiu":
        return "text"
    known = cells.dropna().to_numpy(dtype=float)
    return (
        "integer"
        if known.size and (known == np.floor(known)).all() and (abs(known) < 2**53).all()
        else "float"
    )


def length_of(cells: pd.Series) -> int:
    """Bytes of the longest text, at least 1; 8 for numbers and dates."""
    if kind_of(cells) != "text":
        return 8
    return max((len(str(text).encode()) for text in cells), default=1) or 1


def _refused(frame: pd.DataFrame, name: str, label: str, labels: Mapping[str, str]) -> list[Problem]:
    """What the formats do not hold: all of it, with its place."""
    problems = [
        Problem(table=name, column=str(title), rule="XPT-NAME", value=title,
                message="a name is 1 to 8 capitals, digits or _, and begins with no digit")
        for title in (name, *frame.columns) if not _NAME.fullmatch(str(title))
    ]  # fmt: skip
    for title, text in {name: label, **labels}.items():
        if len(text.encode()) > LONGEST_LABEL:
            problems.append(
                Problem(table=name, column=title, rule="XPT-LABEL", value=text,
                        message=f"a label has at most {LONGEST_LABEL} bytes, this one {len(text.encode())}")
            )  # fmt: skip
    for title in frame.columns:
        problems += _refused_cells(frame[title], name, str(title))
    return problems


def _refused_cells(cells: pd.Series, name: str, title: str) -> list[Problem]:
    if kind_of(cells) == "text":
        long = [place for place, text in enumerate(cells) if len(str(text).encode()) > LONGEST_TEXT]
        return [
            Problem(table=name, row=place + 1, column=title, rule="XPT-TEXT",
                    value=str(cells.iloc[place])[:30], message=f"a text has at most {LONGEST_TEXT} bytes")
            for place in long
        ]  # fmt: skip
    if cells.dtype.kind == "M":
        return []
    size = np.abs(cells.to_numpy(dtype=float))
    wrong = (size >= _LARGEST) | ((size < _SMALLEST) & (size > 0))
    return [
        Problem(table=name, row=int(place) + 1, column=title, rule="XPT-NUMBER", value=cells.iloc[place],
                message="a transport file cannot hold this number")
        for place in np.flatnonzero(wrong)
    ]  # fmt: skip


def _write_transport(
    path: Path, frame: pd.DataFrame, name: str, label: str, labels: Mapping[str, str]
) -> None:
    from pyreadstat import write_xport

    columns: dict[str, Any] = {}
    for title in frame.columns:
        cells = frame[title]
        if kind_of(cells) == "date":
            columns[title] = pd.Series([_date(cell) for cell in cells], dtype=object)
        else:
            columns[title] = pd.Series(cells.to_numpy(), dtype=object if kind_of(cells) == "text" else float)
    dates = {title: "DATE9" for title in frame.columns if kind_of(frame[title]) == "date"}
    write_xport(
        pd.DataFrame(columns), str(path), file_label=label, table_name=name, file_format_version=5,
        column_labels=[labels.get(title, "") for title in frame.columns], variable_format=dates,
    )  # fmt: skip
    path.write_bytes(_without_stamps(path.read_bytes()))


def _date(cell: Any) -> dt.date | None:
    return None if pd.isna(cell) else cell.date()


def _without_stamps(raw: bytes) -> bytes:
    """The file with a fixed time of creation: the same data, the same bytes."""
    head = bytearray(raw)
    for record in (1, 2, 5, 6):
        for match in _DATED_RECORD.finditer(raw, record * _RECORD, (record + 1) * _RECORD):
            head[match.start() : match.end()] = _STAMP
    return bytes(head)


_JSON_TYPES = {"text": "string", "date": "date", "integer": "integer", "float": "double"}


def _write_json(path: Path, frame: pd.DataFrame, name: str, label: str, labels: Mapping[str, str]) -> None:
    columns, values = [], []
    for title in frame.columns:
        kind = kind_of(frame[title])
        column: dict[str, Any] = {"itemOID": f"IT.{name}.{title}", "name": str(title),
                                  "label": labels.get(title, ""), "dataType": _JSON_TYPES[kind]}  # fmt: skip
        if kind == "date":
            column |= {"targetDataType": "integer", "displayFormat": "DATE9."}
        if kind == "text":
            column["length"] = length_of(frame[title])
        columns.append(column)
        values.append(_json_cells(frame[title], kind))
    content = {
        "datasetJSONCreationDateTime": CREATED, "datasetJSONVersion": "1.1.0", "itemGroupOID": f"IG.{name}",
        "records": len(frame), "name": name, "label": label, "columns": columns,
        "rows": [list(row) for row in zip(*values, strict=True)],
    }  # fmt: skip
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def _json_cells(cells: pd.Series, kind: str) -> list[Any]:
    if kind == "text":
        return [str(text) for text in cells]
    if kind == "date":
        return [None if (day := _date(cell)) is None else day.isoformat() for cell in cells]
    read = int if kind == "integer" else float
    return [None if pd.isna(cell) else read(cell) for cell in cells]
