"""The cells of one file: what every reader hands over, and what ends a reading.

Here: the frame of cells with its findings, its header, the text of its bytes. Not here: any format.
"""

import codecs
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
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
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\x1a")


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
    """

    name: str
    cells: pd.DataFrame | None
    rows_in: int
    problems: tuple[Problem, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    label: str = ""


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
    if not raw.strip(b"\xef\xbb\xbf \t\r\n"):
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
            fix='save it as UTF-8, or name its encoding; try encoding="cp1252" (Windows) or "latin-1"',
        ) from None
    return text.removeprefix("\ufeff")


def empty_file(file: str) -> UnreadableFileError:
    """A file without a header."""
    return UnreadableFileError("FILE-EMPTY", f"{file} is empty", fix="write a header row, or leave it out")


def _refuse_binary(raw: bytes, file: str, encoding: str | None) -> None:
    fix = "save the table as CSV, UTF-8, separated by commas"
    for magic, what in _MAGIC:
        if raw.startswith(magic):
            raise UnreadableFileError("FILE-BINARY", f"{file} is not text but {what}", fix=fix)
    if encoding is None and raw.startswith(_WIDE_BOMS):
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
    place = header.index("subject_id") if "subject_id" in header else len(cells)
    subject = str(cells[place]).strip() if place < len(cells) else ""
    return Problem(
        table=name, row=row, subject_id=subject or None, rule="ROW-RAGGED", value=f"{len(cells)} cells",
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
