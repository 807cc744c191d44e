"""SAS transport files (XPT), version 5 and 8, read with pyreadstat where it is installed.

Here: the cells, dates by their SAS format, and what the reader does not say: a file that was cut off,
blank records at the end, bytes of another encoding. Not here: the layout of the file
(`files.transport_layout`), the meaning of a column.
"""

import datetime as dt
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cart7.errors import Problem
from cart7.files.tables import FileTable, UnreadableFileError, headed, plain_cells
from cart7.files.transport_layout import Layout, cut_off, layout

_DATES = re.compile(
    r"(?:[BE]8601DA|IS8601DA|\$?N8601B|DATE|DAY|DDMMYY[BCDNPS]?|DOWNAME|EURDF(?:DE|DD|DWN|MN|MY|WDX|WKX)|JULDAY|JULIAN"
    r"|MINGUO|MMDDYY[BCDNPS]?|MMYY[CDNPS]?|MONNAME|MONTH|MONYY|NENGO|NLDATE[A-Z]*|QTRR?|WEEKDATE|WEEKDATX"
    r"|WEEKDAY|WEEK[UVW]|WORDDATE|WORDDATX|YEAR|YYMM[CDNPS]?|YYMMDD[BCDNPS]?|YYMON|YYQ[CDNPS]?|YYQR[CDNPS]?)"
)
_DATETIMES = re.compile(
    r"(?:[BE]8601D[NTXZ]|IS8601DT|DATETIME|DATEAMPM|DTDATE|DTMONYY|DTWKDATX|DTYEAR|DTYYQC|EURDFDT|MDYAMPM|NLDATM[A-Z]*)"
)
_TIMES = re.compile(r"(?:[BE]8601T[MXZ]|IS8601TM|TIME|TIMEAMPM|HHMM|HOUR|MMSS|TOD|NLTIME|NLTIMAP)")
_ZERO = dt.date(1960, 1, 1)
_BYTE_BY_BYTE = "iso8859-1"
"""Every byte is a letter of this encoding, so that a text can be turned back into its bytes."""


def read_transport(path: Path, name: str, encoding: str | None) -> FileTable:
    """Cells of an XPT file; UTF-8 when no encoding is named."""
    raw = path.read_bytes()
    found = layout(raw, path.name)
    frame, meta = read_with_pyreadstat("read_xport", path)
    problems = cut_off(raw, found, name, path.name)
    table = sas_table(frame, meta, name=name, file=path.name, encoding=encoding, problems=problems)
    undecoded = any(problem.rule == "FILE-ENCODING" for problem in table.problems)
    tail = [] if undecoded else _blank_tail(found, name, frame)
    return FileTable(
        name=name, cells=table.cells, rows_in=table.rows_in, problems=(*table.problems, *tail),
        labels=table.labels, label=table.label, dataset=table.dataset, kinds=table.kinds,
    )  # fmt: skip


def read_with_pyreadstat(reader: str, path: Path) -> tuple[pd.DataFrame, Any]:
    """Frame and metadata: texts byte by byte, dates as the numbers that stand in the file."""
    try:
        import pyreadstat
    except ModuleNotFoundError:
        message = f"reading {path.name} needs the package pyreadstat"
        fix = "pip install 'cart7[io]', or save the table as CSV"
        raise UnreadableFileError("FILE-FORMAT", message, fix=fix) from None
    read = getattr(pyreadstat, reader)
    try:
        frame, meta = read(path, encoding=_BYTE_BY_BYTE, disable_datetime_conversion=True)
    except (pyreadstat.PyreadstatError, pyreadstat.ReadstatError, ValueError) as stop:
        raise UnreadableFileError("FILE-BINARY", f"{path.name} cannot be read: {stop}") from None
    return frame, meta


def sas_table(
    frame: pd.DataFrame, meta: Any, *, name: str, file: str, encoding: str | None, problems: Sequence[Problem]
) -> FileTable:
    """Cells of a SAS dataset: texts in their encoding, dates by the format of the column."""
    said = list(problems)
    titles = [_words(str(title), encoding) for title in meta.column_names]
    labels = [_words(label or "", encoding) for label in meta.column_labels]
    titles_as_read = [title or f"column_{place}" for place, title in enumerate(titles, start=1)]
    for raw_title, title, label in zip(meta.column_names, titles, labels, strict=True):
        if title is None or label is None:
            what = f"the name or label of {raw_title}"
            said.append(_other_encoding(name, file, None, str(raw_title), what, encoding))
    columns, kinds = [], {}
    for place, title in enumerate(titles_as_read):
        values = frame.iloc[:, place]
        kind = _kind(meta, meta.column_names[place])
        kinds[title] = "text" if kind == "time" else kind
        cells, wrong = _cells(values, kind, encoding)
        for position in wrong:
            if kind == "text":
                said.append(_other_encoding(name, file, position + 1, title, f"a text of {title}", encoding))
            else:
                said.append(_no_such_value(name, position + 1, title, values.iloc[position], kind))
        columns.append(cells)
    header, cells_frame = headed(
        name, [title.strip() for title in titles_as_read], columns, range(1, len(frame) + 1)
    )
    return FileTable(
        name=name, cells=cells_frame, rows_in=len(frame), problems=(*header, *said),
        labels={title.strip(): label or "" for title, label in zip(titles_as_read, labels, strict=True)},
        label=_words(meta.file_label or "", encoding) or "",
        dataset=_words(meta.table_name or "", encoding) or "",
        kinds={title.strip(): kind for title, kind in kinds.items()},
    )  # fmt: skip


def _kind(meta: Any, title: str) -> str:
    """What a column holds, by its type and its SAS format."""
    if meta.readstat_variable_types[title] == "string":
        return "text"
    named = str(meta.original_variable_types[title] or "").upper()
    base = re.sub(r"[0-9.]*$", "", named)
    for pattern, kind in ((_DATES, "date"), (_DATETIMES, "datetime"), (_TIMES, "time")):
        if pattern.fullmatch(base):
            return kind
    return "number"


def _cells(values: pd.Series, kind: str, encoding: str | None) -> tuple[Any, list[int]]:
    """Cells of a column, and the positions of those that cannot be read."""
    given = plain_cells([word.rstrip(" ") if isinstance(word, str) else word for word in values.tolist()])
    read: dict[Any, object]
    if kind == "text":
        read = {cell: _words(cell, encoding) for cell in set(given) if cell is not None}
    elif kind == "number":
        read = {cell: cell if math.isfinite(cell) else None for cell in set(given) if cell is not None}
    else:
        how = {"date": _date, "datetime": _datetime, "time": _time}[kind]
        read = {cell: how(float(cell)) for cell in set(given) if cell is not None}
    cells = np.array([None if cell is None else read[cell] for cell in given] + [None], dtype=object)[:-1]
    wrong = [place for place, cell in enumerate(given) if cell is not None and cells[place] is None]
    return cells, wrong


def _words(text: str, encoding: str | None) -> str | None:
    """A text that was read byte by byte, in its own encoding; None where its bytes are none of it."""
    if text.isascii():
        return text
    try:
        return text.encode(_BYTE_BY_BYTE).decode(encoding or "utf-8")
    except UnicodeError:
        return None


def _date(days: float) -> dt.date | None:
    if not days.is_integer():
        return None
    try:
        return _ZERO + dt.timedelta(days=days)
    except OverflowError:
        return None


def _datetime(seconds: float) -> dt.datetime | None:
    try:
        return dt.datetime.combine(_ZERO, dt.time()) + dt.timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def _time(seconds: float) -> str | None:
    """A time of day, or a duration, as `HH:MM:SS`."""
    if not 0 <= seconds < 1e9:
        return None
    whole = int(seconds)
    fraction = repr(round(seconds - whole, 6))[1:] if seconds != whole else ""
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{fraction}"


def _other_encoding(
    name: str, file: str, row: int | None, column: str, what: str, encoding: str | None
) -> Problem:
    return Problem(
        table=name, row=row, column=column, rule="FILE-ENCODING",
        message=f"{file} is not {encoding or 'UTF-8'} text: {what}",
        fix='name its encoding; try encoding="latin-1" or "cp1252"',
    )  # fmt: skip


def _no_such_value(name: str, row: int, column: str, value: object, kind: str) -> Problem:
    if kind == "number":
        return Problem(table=name, row=row, column=column, value=value, rule="NUMBER-INFINITE",
                       message="the number is too large to be read")  # fmt: skip
    return Problem(table=name, row=row, column=column, value=value, rule="DATE-UNREADABLE",
                   message=f"the number is no {kind} of the calendar")  # fmt: skip


def _blank_tail(found: Layout, name: str, frame: pd.DataFrame) -> list[Problem]:
    """Blank records of words at the end of a version 5 file look like the padding that follows them."""
    left = found.n_bytes - len(frame) * found.width
    if found.version != 5 or not found.words_only or left < found.width:
        return []
    return [
        Problem(table=name, column=str(frame.columns[0]), severity="warning", rule="XPT-BLANK-TAIL",
                message="blank records at the end cannot be told from padding; rows may be missing")
    ]  # fmt: skip
