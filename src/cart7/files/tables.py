"""The cells of one file: what every reader hands over, and what ends a reading.

Here: the frame of cells with its findings, its header, the text of its bytes. Not here: any format.
"""

import codecs
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.errors import Problem

_MAGIC = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF"),
    (b"HEADER RECORD*******LIB", "a SAS transport file"),
)
_WIDE_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_SUBJECT = ("subject_id", "USUBJID", "SUBJID")
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\x1a")
_CONTENT = re.compile(rb"[^\xef\xbb\xbf \t\r\n]")


@dataclass(frozen=True, kw_only=True, eq=False)
class FileTable:
    """The cells of one file, and what is wrong with the file.

    Parameters
    ----------
    name : str
        Name of the table.
    cells : DataFrame or None
        Index `row` = 1-based data row, header not counted; cells are the text as it stands (in typed
        formats: the value), None where blank. None when the file cannot be read at all.
    rows_in : int
        Data rows found, ragged ones included, blank ones not.
    problems : tuple of Problem
        Findings about the file, its header and its rows.
    labels : mapping of str to str
        Labels of the columns, in formats that have them.
    label : str
        Label of the table, in formats that have one.
    dataset : str
        Name of the table inside the file, in formats that have one.
    kinds : mapping of str to str
        What the format says of its columns: one of `KINDS`. A column that is not named holds text.
    """

    name: str
    cells: pd.DataFrame | None
    rows_in: int
    problems: tuple[Problem, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    dataset: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)


KINDS = ("text", "integer", "number", "boolean", "date", "datetime", "mixed")
"""What a column can hold; `mixed` is that of formats which type each cell (Excel)."""


class UnreadableFileError(Exception):
    """A finding that ends the reading of a file; it leaves this room as a `Problem`."""

    def __init__(self, rule: str, message: str, *, row: int | None = None, **more: Any) -> None:
        self.rule, self.message, self.row, self.more = rule, message, row, more
        super().__init__(message)

    def problem(self, table: str) -> Problem:
        """The finding, at its table."""
        return Problem(table=table, rule=self.rule, message=self.message, row=self.row, **self.more)


def check_encoding(encoding: str | None) -> None:
    """Refuse an encoding that Python does not know."""
    try:
        codecs.lookup("utf-8" if encoding is None else encoding)
    except LookupError:
        raise ValueError(
            f'encoding must be a name that Python knows, such as "utf-8" or "cp1252", got {encoding!r}'
        ) from None


def decode(raw: bytes, file: str, encoding: str | None = None) -> str:
    """Text of the bytes of `file`; the encoding is told, never guessed."""
    if not _CONTENT.search(raw):
        raise empty_file(file)
    _refuse_binary(raw, file, encoding)
    try:
        text = raw.decode("utf-8" if encoding is None else encoding)
    except UnicodeDecodeError as stop:
        line = raw[: stop.start].count(b"\n") + 1
        raise UnreadableFileError(
            "FILE-ENCODING",
            f"{file} is not {encoding or 'UTF-8'} text: byte 0x{raw[stop.start]:02X} in line {line}",
            row=line - 1 if line > 1 else None,
            fix=_NAME_IT,
        ) from None
    return text.removeprefix("\ufeff")


def decode_cells(raw: bytes, file: str, encoding: str | None = None) -> tuple[str, bool]:
    """Text of the bytes of `file` and whether it is whole: bytes that are no text stay as stand-ins.

    A stand-in is a half of a surrogate pair, which no text holds; `without_stand_ins` takes the cells with
    one out of a table. Of encodings that need several bytes for each letter nothing could be told apart.
    """
    try:
        return decode(raw, file, encoding), True
    except UnreadableFileError as refusal:
        name = codecs.lookup(encoding or "utf-8").name
        if (
            refusal.rule != "FILE-ENCODING"
            or name.startswith(("utf-16", "utf-32"))
            or _is_wide(raw, encoding)
        ):
            raise
        try:
            text = raw.decode(name, "surrogateescape")
        except UnicodeDecodeError:
            raise refusal from None
        return text.removeprefix("\ufeff"), False


def without_stand_ins(table: FileTable, file: str, encoding: str | None) -> FileTable:
    """The table without the cells whose bytes were no text, and a finding for each of them."""
    if table.cells is None:
        return table
    said: list[Problem] = []
    cells = table.cells.copy()
    for title in cells.columns:
        column = cells[title].to_numpy(dtype=object, copy=True)
        broken = [
            place for place, cell in enumerate(column) if isinstance(cell, str) and _STAND_IN.search(cell)
        ]
        for place in broken:
            byte = ord(_STAND_IN.search(column[place])[0]) - 0xDC00  # type: ignore[index]
            said.append(
                Problem(table=table.name, row=int(cells.index[place]), column=str(title),
                        rule="FILE-ENCODING", fix=_NAME_IT,
                        message=f"{file} is not {encoding or 'UTF-8'} text: byte 0x{byte:02X}")
            )  # fmt: skip
            column[place] = None
        cells[title] = column
    plain = [
        replace(problem, subject_id=None) if _STAND_IN.search(problem.subject_id or "") else problem
        for problem in table.problems
    ]
    return replace(table, cells=cells, problems=(*plain, *said))


def stands_in(text: str) -> bool:
    """Whether a text holds a stand-in for bytes that are no text."""
    return _STAND_IN.search(text) is not None


_STAND_IN = re.compile("[\udc80-\udcff]")
_NAME_IT = 'save it as UTF-8, or name its encoding; try encoding="cp1252" (Windows) or "latin-1"'


def _is_wide(raw: bytes, encoding: str | None) -> bool:
    return encoding is None and raw.startswith(_WIDE_BOMS)


def empty_file(file: str) -> UnreadableFileError:
    """A file without a header."""
    return UnreadableFileError("FILE-EMPTY", f"{file} is empty", fix="write a header row, or leave it out")


def _refuse_binary(raw: bytes, file: str, encoding: str | None) -> None:
    fix = "save the table as CSV, UTF-8, separated by commas"
    for magic, what in _MAGIC:
        if raw.startswith(magic):
            raise UnreadableFileError("FILE-BINARY", f"{file} is not text but {what}", fix=fix)
    if _is_wide(raw, encoding):
        raise UnreadableFileError(
            "FILE-ENCODING",
            f"{file} is not UTF-8 text: it begins like UTF-16",
            fix='save it as UTF-8, or name its encoding; try encoding="utf-16"',
        )
    wide = encoding is not None and codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    controls = {byte for byte in set(raw[:4096]) if byte < 32} - _TEXT_CONTROLS
    if not wide and (b"\x00" in raw or len(controls) > 2):
        raise UnreadableFileError("FILE-BINARY", f"{file} is binary, not text", fix=fix)


def headed(
    name: str, header: Sequence[str], columns: Sequence[Any], numbers: Sequence[int]
) -> tuple[list[Problem], pd.DataFrame | None]:
    """Frame under its header, without nameless empty columns; None where a column stands twice."""
    problems, names, kept = [], [], []
    for place, (title, column) in enumerate(zip(header, columns, strict=True), start=1):
        if not title and all(cell is None or not str(cell).strip() for cell in column):
            continue
        if not title:
            problems.append(
                Problem(
                    table=name,
                    severity="warning",
                    rule="COLUMN-UNNAMED",
                    column=f"column_{place}",
                    message=f"column {place} has no name; it is kept as column_{place}",
                )
            )
        names.append(title or f"column_{place}")
        kept.append(column)
    twice = [title for title, count in Counter(names).items() if count > 1]
    if twice:
        problems += [
            Problem(
                table=name,
                column=title,
                rule="COLUMN-TWICE",
                message="the column stands twice in the header",
                fix="rename or remove one of the two",
            )
            for title in twice
        ]
        return problems, None
    index = pd.Index(np.array(numbers, dtype=np.int64), name="row")
    return problems, pd.DataFrame(dict(zip(names, kept, strict=True)), index=index, dtype=object, copy=False)


def ragged(name: str, row: int, cells: Sequence[object], header: Sequence[str]) -> Problem:
    """A row with more or fewer cells than there are columns, and whose row it seems to be."""
    more = "more" if len(cells) > len(header) else "fewer"
    place = next((header.index(name) for name in _SUBJECT if name in header), len(cells))
    subject = str(cells[place]).strip() if place < len(cells) else ""
    return Problem(
        table=name, row=row, subject_id=subject or None, rule="ROW-RAGGED",
        message=f"the row has {more} cells than the header ({len(cells)}, not {len(header)})",
        fix="in CSV, a comma inside a cell needs quotation marks around the cell",
    )  # fmt: skip


def plain_cells(values: Sequence[object], *, empty_is_missing: bool = True) -> npt.NDArray[np.object_]:
    """Typed values as cells: None where missing or empty, text where it is no single value."""
    cells = np.full(len(values), None, dtype=object)
    missing = pd.Series(values, dtype=object).isna().to_numpy()
    for position, value in enumerate(values):
        empty = empty_is_missing and isinstance(value, str) and value == ""
        if not missing[position] and not empty:
            cells[position] = value if isinstance(value, Hashable) else str(value)
    return cells
