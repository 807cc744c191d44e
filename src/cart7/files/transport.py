"""SAS transport files (XPT), version 5 and 8, read with pyreadstat where it is installed.

Here: what the readers do not say: a file that was cut off, a second member, blank records at the end,
bytes of another encoding. Not here: the meaning of a column.
"""

import codecs
from pathlib import Path
from typing import Any

import pandas as pd

from cart7.errors import Problem
from cart7.files.tables import FileTable, UnreadableFileError, headed, plain_cells

_RECORD = 80
_LIBRARIES = (b"HEADER RECORD*******LIBRARY HEADER", b"HEADER RECORD*******LIBV8   HEADER")
_MEMBERS = (b"HEADER RECORD*******MEMBER  HEADER", b"HEADER RECORD*******MEMBV8  HEADER")
_OBSERVATIONS = (b"HEADER RECORD*******OBS     HEADER", b"HEADER RECORD*******OBSV8   HEADER")


def read_transport(path: Path, name: str, encoding: str | None) -> FileTable:
    """Cells of an XPT file; UTF-8 when no encoding is named."""
    raw = path.read_bytes()
    problems = _inspected(raw, name, path.name)
    frame, meta = _read(path, encoding)
    problems += _blank_tail(raw, name, frame, meta)
    columns = [plain_cells(frame[title].tolist()) for title in frame.columns]
    header, cells = headed(
        name, [str(title).strip() for title in frame.columns], columns, range(1, len(frame) + 1)
    )
    labels = dict(zip(meta.column_names, [label or "" for label in meta.column_labels], strict=True))
    return FileTable(name=name, cells=cells, rows_in=len(frame), problems=(*header, *problems), labels=labels,
                     label=meta.file_label or "")  # fmt: skip


def _inspected(raw: bytes, name: str, file: str) -> list[Problem]:
    """What the bytes tell before they are read: no such format, two members, an incomplete record."""
    if not raw.startswith(_LIBRARIES):
        looks = "; it looks like CSV" if b"," in raw[:200] else ""
        raise UnreadableFileError("FILE-BINARY", f"{file} is no SAS transport file{looks}")
    members = _members(raw)
    if len(members) > 1:
        raise UnreadableFileError("XPT-MEMBERS", f"{file} holds more than one dataset: {', '.join(members)}",
                                  fix="write one file per dataset")  # fmt: skip
    if len(raw) % _RECORD == 0:
        return []
    message = f"the length of {file} is no multiple of {_RECORD} bytes: it was cut off and rows are lost"
    return [
        Problem(
            table=name, severity="warning", rule="XPT-TRUNCATED", message=message, fix="transfer it again"
        )
    ]


def _members(raw: bytes) -> list[str]:
    """Names of the datasets: three records after each member header, in its second word."""
    starts = [
        place for place in range(0, len(raw), _RECORD) if raw[place : place + _RECORD].startswith(_MEMBERS)
    ]
    words = [raw[start + 2 * _RECORD : start + 3 * _RECORD] for start in starts]
    wide = [raw[start:].startswith(_MEMBERS[1]) for start in starts]
    return [
        word[8 : 40 if is_wide else 16].decode("ascii", "replace").strip()
        for word, is_wide in zip(words, wide, strict=True)
    ]


def _read(path: Path, encoding: str | None) -> tuple[pd.DataFrame, Any]:
    try:
        from pyreadstat import PyreadstatError, ReadstatError, read_xport
    except ModuleNotFoundError:
        message = f"reading {path.name} needs the package pyreadstat"
        fix = "pip install 'cart7[io]', or save the table as CSV"
        raise UnreadableFileError("FILE-FORMAT", message, fix=fix) from None
    try:
        return read_xport(path, encoding=None if encoding is None else codecs.lookup(encoding).name)
    except UnicodeDecodeError:
        raise _other_encoding(path, read_xport(path, encoding="iso8859-1")[0]) from None
    except (PyreadstatError, ReadstatError) as stop:
        raise UnreadableFileError("FILE-BINARY", f"{path.name} cannot be read: {stop}") from None


def _other_encoding(path: Path, frame: pd.DataFrame) -> UnreadableFileError:
    """First cell whose bytes are not UTF-8; `frame` was read byte by byte."""
    places = (
        (number, str(title))
        for number, cells in enumerate(frame.to_dict("records"), start=1)
        for title, cell in cells.items()
        if isinstance(cell, str) and not _is_utf8(cell.encode("latin-1"))
    )
    row, column = next(places, (None, None))
    return UnreadableFileError(
        "FILE-ENCODING", f"{path.name} is not UTF-8 text: {column or 'its labels'}", row=row, column=column,
        fix='name its encoding; try encoding="latin-1" or "cp1252"',
    )  # fmt: skip


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _blank_tail(raw: bytes, name: str, frame: pd.DataFrame, meta: Any) -> list[Problem]:
    """Blank records of words at the end of a version 5 file look like the padding that follows them."""
    widths = [meta.variable_storage_width[title] for title in meta.column_names]
    words_only = all(meta.readstat_variable_types[title] == "string" for title in meta.column_names)
    begin = raw.find(_OBSERVATIONS[0])
    if not words_only or begin < 0 or not sum(widths):
        return []
    used = begin + _RECORD + len(frame) * sum(widths)
    if len(raw) - used < sum(widths):
        return []
    return [
        Problem(table=name, column=str(meta.column_names[0]), severity="warning", rule="XPT-BLANK-TAIL",
                message="blank records at the end cannot be told from padding; rows may be missing")
    ]  # fmt: skip
