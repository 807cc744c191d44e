"""SAS transport files (XPT), written with pyreadstat where it is installed.

Here: the limits of the format, checked before anything is written, because writers cut long labels and
clamp numbers without a word. Not here: the reading (`files.transport`).
"""

import datetime as dt
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from cart7.errors import DataError, Problem
from cart7.files.columns import WrittenColumn, rows_of

SMALLEST, LARGEST = 5.4e-79, 9.0e74
"""Numbers whose every bit comes back. The format holds up to 7.2e75, but its writer clamps from 9.05e74."""
_EXACT_INTEGER = 2**53
_NAME = {5: re.compile(r"[A-Z_][A-Z0-9_]{0,7}"), 8: re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")}
_LABEL_BYTES = {5: 40, 8: 256}
_TEXT_BYTES = {5: 200, 8: 32_767}
_ZERO_DAY, _ZERO = dt.date(1960, 1, 1), dt.datetime(1960, 1, 1)
_FORMATS = {"date": "DATE9.", "datetime": "DATETIME20."}
_STAMPED = (144, 160, 464, 480)
_STAMP = re.compile(rb"[0-9]{2}[A-Z]{3}[0-9]{2}:[0-9]{2}:[0-9]{2}:[0-9]{2}")


def transport_bytes(
    columns: Sequence[WrittenColumn], problems: Sequence[Problem], *, table: str, dataset: str, label: str,
    created: dt.datetime, version: Literal[5, 8] = 5,
) -> bytes:  # fmt: skip
    """Bytes of a transport file; one `DataError` with everything that the format cannot hold.

    Parameters
    ----------
    columns : sequence of WrittenColumn
        What is written. Names are turned to upper case in version 5. True is 1 and False 0.
    problems : sequence of Problem
        What is wrong already.
    table, dataset, label : str
        Name in messages; name and label of the dataset in the file.
    created : datetime
        Moment written into the header: the same table gives the same bytes.
    version : {5, 8}
        Version 8 has names of 32 letters, and labels of 256 and texts of 32767 bytes.
    """
    if version == 5:
        dataset = dataset.upper()
    said = [*problems, *_limits(columns, table, dataset, label, version)]
    if said:
        raise DataError(said)
    try:
        from pyreadstat import write_xport
    except ModuleNotFoundError:
        raise DataError(
            [Problem(table=table, rule="FILE-FORMAT", message="writing .xpt needs the package pyreadstat",
                     fix="pip install 'cart7[io]', or write .csv or .json")]
        ) from None  # fmt: skip
    frame = pd.DataFrame({_title(column, version): _values(column) for column in columns})
    formats = {
        _title(column, version): _FORMATS[column.kind] for column in columns if column.kind in _FORMATS
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.xpt"
        write_xport(
            frame, str(path), file_label=label, column_labels=[column.label for column in columns],
            table_name=dataset, file_format_version=version, variable_format=formats,
        )  # fmt: skip
        raw = path.read_bytes()
    return _stamped(raw, created)


def _title(column: WrittenColumn, version: int) -> str:
    return column.name.upper() if version == 5 else column.name


def _stamped(raw: bytes, created: dt.datetime) -> bytes:
    """The bytes with a stated moment in the four places of the header that tell the time of writing."""
    months = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
    stamp = f"{created:%d}{months[created.month - 1]}{created:%y:%H:%M:%S}".encode("ascii")
    head = bytearray(raw[: 7 * 80])
    for place in _STAMPED:
        if _STAMP.fullmatch(bytes(head[place : place + 16])):
            head[place : place + 16] = stamp
    return bytes(head) + raw[7 * 80 :]


def _values(column: WrittenColumn) -> "np.ndarray[tuple[int], np.dtype[np.object_ | np.float64]]":
    if column.kind == "text":
        return np.array(["" if cell is None else cell for cell in column.cells], dtype=object)
    number = _NUMBERS[column.kind]
    return np.array([np.nan if cell is None else number(cell) for cell in column.cells], dtype=np.float64)


def _day(cell: object) -> float:
    return float((cell - _ZERO_DAY).days)  # type: ignore[operator]


def _second(cell: object) -> float:
    return float((cell - _ZERO) / dt.timedelta(seconds=1))  # type: ignore[operator]


_NUMBERS: dict[str, Callable[[object], float]] = {
    "date": _day,
    "datetime": _second,
    "integer": float,  # type: ignore[dict-item]
    "number": float,  # type: ignore[dict-item]
    "boolean": float,  # type: ignore[dict-item]
}


# --- limits --------------------------------------------------------------------------------------


def _limits(
    columns: Sequence[WrittenColumn], table: str, dataset: str, label: str, version: int
) -> list[Problem]:
    problems = []
    if not _NAME[version].fullmatch(dataset):
        problems.append(
            Problem(
                table=table, value=dataset, rule="XPT-NAME", message=f"the dataset needs {_names(version)}"
            )
        )
    if len(label.encode("utf-8", "replace")) > _LABEL_BYTES[version]:
        problems.append(
            _long(table, None, None, "label of the dataset", label, _LABEL_BYTES[version], "XPT-LABEL")
        )
    titles = [column.name.upper() for column in columns]
    for column in columns:
        if not _NAME[version].fullmatch(_title(column, version)):
            problems.append(
                Problem(table=table, column=column.name, value=column.name, rule="XPT-NAME",
                        message=f"a column needs {_names(version)}")
            )  # fmt: skip
        elif titles.count(column.name.upper()) > 1:
            problems.append(
                Problem(table=table, column=column.name, rule="COLUMN-TWICE",
                        message="the column stands twice, if upper and lower case are one")
            )  # fmt: skip
        if len(column.label.encode("utf-8", "replace")) > _LABEL_BYTES[version]:
            limit = _LABEL_BYTES[version]
            problems.append(_long(table, None, column.name, "label", column.label, limit, "XPT-LABEL"))
        problems += _cells(column, table, version)
    return [*problems, *_blank_end(columns, table)]


def _names(version: int) -> str:
    length = 8 if version == 5 else 32
    return f"a name of at most {length} letters, digits and _ that does not begin with a digit"


def _long(
    table: str, row: int | None, column: str | None, what: str, text: str, limit: int, rule: str
) -> Problem:
    n_bytes = len(text.encode("utf-8", "replace"))
    return Problem(table=table, row=row, column=column, value=text, rule=rule,
                   message=f"the {what} has {n_bytes} bytes, and {limit} at most are kept")  # fmt: skip


def _cells(column: WrittenColumn, table: str, version: int) -> list[Problem]:
    problems = []
    for row, cell in zip(rows_of(column.cells), column.cells, strict=True):
        if isinstance(cell, str):
            if len(cell.encode("utf-8", "replace")) > _TEXT_BYTES[version]:
                limit = _TEXT_BYTES[version]
                problems.append(_long(table, row, column.name, "text", cell, limit, "XPT-TEXT"))
        elif isinstance(cell, int | float) and not isinstance(cell, bool) and (why := _unkept(cell)):
            problems.append(
                Problem(table=table, row=row, column=column.name, value=cell, rule="XPT-NUMBER", message=why)
            )
    return problems


def _unkept(number: float) -> str:
    """Why a number would not come back; empty when it does. An infinite one is told elsewhere."""
    if isinstance(number, int):
        return "" if abs(number) <= _EXACT_INTEGER else "a whole number beyond 2^53 is not kept exactly"
    if number == 0 or SMALLEST <= abs(number) <= LARGEST or not abs(number) < float("inf"):
        return ""
    return f"only numbers from {SMALLEST:g} to {LARGEST:g} are kept, and 0"


def _blank_end(columns: Sequence[WrittenColumn], table: str) -> list[Problem]:
    """A table of words whose last row is blank: the row would be lost in the padding of the file."""
    words_only = all(column.kind == "text" for column in columns)
    if not words_only or not columns or not columns[0].cells or any(column.cells[-1] for column in columns):
        return []
    return [
        Problem(table=table, row=len(columns[0].cells), column=columns[0].name, rule="XPT-BLANK-TAIL",
                message="a blank row at the end of a table of words cannot be told from padding",
                fix="leave it out, or write .csv or .json")
    ]  # fmt: skip


def holds_name(dataset: str, version: int) -> bool:
    """Whether a transport file can hold a dataset of this name."""
    return _NAME[version].fullmatch(dataset.upper() if version == 5 else dataset) is not None
