"""Files to cells: what stands in a file, before anybody knows what it means.

Here: the bytes of one table (CSV, Parquet) as a frame of cells, numbered as a spreadsheet numbers
them, with every finding about the file itself: encoding, separators, ragged rows, columns that
stand twice. Not here: the meaning of a column (`records`), of a cell (`checks`) or of a study.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
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
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


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
    """

    name: str
    cells: pd.DataFrame | None
    rows_in: int
    problems: tuple[Problem, ...]


class UnreadableFileError(Exception):
    """A finding that ends the reading of a file; it leaves this room as a `Problem`."""

    def __init__(self, rule: str, message: str, *, row: int | None = None, **more: Any) -> None:
        self.rule, self.message, self.row, self.more = rule, message, row, more
        super().__init__(message)

    def problem(self, table: str) -> Problem:
        """The finding, at its table."""
        return Problem(table=table, rule=self.rule, message=self.message, row=self.row, **self.more)


def read_file(path: Path, *, name: str, encoding: str | None = None) -> FileTable:
    """Cells of one table from a file, by its suffix.

    Parameters
    ----------
    path : Path
        A `.csv` or `.parquet` file.
    name : str
        Name of the table, for the messages.
    encoding : str, optional
        Encoding of a CSV file; UTF-8 (with or without a mark) when not given.

    Returns
    -------
    FileTable
        The cells and every finding; `cells` is None when the file cannot be read at all.

    Raises
    ------
    ValueError
        If `encoding` is no encoding that Python knows.
    """
    check_encoding(encoding)
    try:
        if path.is_dir():
            raise UnreadableFileError("FILE-IS-A-FOLDER", f"{path.name} is a folder; a file belongs here")
        return _READERS[path.suffix.lower()](path, name, encoding)
    except UnreadableFileError as refusal:
        return FileTable(name=name, cells=None, rows_in=0, problems=(refusal.problem(name),))
    except OSError as refusal:
        message = f"{path.name} cannot be opened: {refusal.strerror or refusal}"
        unopened = Problem(table=name, rule="FILE-UNREADABLE", message=message)
        return FileTable(name=name, cells=None, rows_in=0, problems=(unopened,))


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
        raise _empty(file)
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


def _empty(file: str) -> UnreadableFileError:
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


def _read_csv(path: Path, name: str, encoding: str | None) -> FileTable:
    return csv_table(decode(path.read_bytes(), path.name, encoding), name=name, file=path.name)


def csv_table(text: str, *, name: str, file: str, sep: str = ",") -> FileTable:
    r"""Cells of CSV text.

    A blank line is no row but keeps its number, so that `row + 1` is the line a spreadsheet shows.

    Parameters
    ----------
    text : str
        The file's text.
    name, file : str
        Names of the table and of the file, for the messages.
    sep : str
        What stands between two cells.

    Examples
    --------
    >>> table = csv_table("subject_id,day\n001,5\n\n002\n", name="labs", file="labs.csv")
    >>> table.cells.to_dict("index"), [problem.row for problem in table.problems]
    ({1: {'subject_id': '001', 'day': '5'}}, [3])
    """
    lines = _split(text, file, sep)
    while lines and not any(map(str.strip, lines[0])):
        lines.pop(0)
    if not lines:
        raise _empty(file)
    header = [cell.strip() for cell in lines[0]]
    if len(header) == 1 and (
        other := [word for mark, word in _OTHER_SEPARATORS.items() if mark in header[0]]
    ):
        raise UnreadableFileError(
            "FILE-SEPARATOR",
            f"the cells of {file} are separated by {other[0]}",
            fix="save it separated by commas",
        )
    numbers, rows, problems = [], [], []
    for row, cells in enumerate(lines[1:], start=1):
        if len(cells) == len(header) and any(map(str.strip, cells)):
            numbers.append(row)
            rows.append(cells)
        elif any(map(str.strip, cells)):
            problems.append(_ragged(name, row, cells, header))
        elif cells:
            problems.append(
                Problem(
                    table=name,
                    row=row,
                    severity="warning",
                    rule="ROW-BLANK",
                    message="a row of empty cells; it is no row",
                )
            )
    columns = [np.array(column, dtype=object) for column in zip(*rows, strict=True)]
    columns = columns or [np.array([], dtype=object) for _ in header]
    for column in columns:
        column[column == ""] = None
    n_ragged = sum(problem.severity == "error" for problem in problems)
    header_problems, frame = _headed(name, header, columns, numbers)
    return FileTable(
        name=name, cells=frame, rows_in=len(rows) + n_ragged, problems=(*header_problems, *problems)
    )


def _split(text: str, file: str, sep: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sep, strict=True)
    try:
        return list(reader)
    except csv.Error as stop:
        raise UnreadableFileError(
            "FILE-QUOTES",
            f"the quotation marks of {file} do not match in line {reader.line_num} ({stop})",
            row=reader.line_num - 1 or None,
            fix='a quotation mark inside a quoted cell is written twice ("")',
        ) from None


def _ragged(name: str, row: int, cells: Sequence[str], header: Sequence[str]) -> Problem:
    more = "more" if len(cells) > len(header) else "fewer"
    place = header.index("subject_id") if "subject_id" in header else len(cells)
    subject = cells[place].strip() or None if place < len(cells) else None
    return Problem(
        table=name,
        row=row,
        subject_id=subject,
        rule="ROW-RAGGED",
        value=f"{len(cells)} cells",
        message=f"the row has {more} cells than the header ({len(cells)}, not {len(header)})",
        fix="a comma inside a cell needs quotation marks around the cell",
    )


def _headed(
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
    return problems, pd.DataFrame(dict(zip(names, kept, strict=True)), index=index, dtype=object)


def plain_cells(values: Sequence[object]) -> npt.NDArray[np.object_]:
    """Typed values as cells: None where missing or empty, text where it is no single value."""
    cells = np.full(len(values), None, dtype=object)
    missing = pd.Series(values, dtype=object).isna().to_numpy()
    for position, value in enumerate(values):
        if not missing[position] and not (isinstance(value, str) and value == ""):
            cells[position] = value if isinstance(value, Hashable) else str(value)
    return cells


def _read_parquet(path: Path, name: str, encoding: str | None) -> FileTable:
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError:
        raise UnreadableFileError(
            "FILE-FORMAT",
            f"reading {path.name} needs the package pyarrow",
            fix="pip install 'cart7[io]', or save the table as CSV",
        ) from None
    try:
        table = parquet.read_table(path)
    except (ArrowException, ValueError) as stop:
        raise UnreadableFileError("FILE-BINARY", f"{path.name} is no Parquet file: {stop}") from None
    columns = [plain_cells(column.to_pylist()) for column in table.columns]
    numbers = list(range(1, table.num_rows + 1))
    problems, frame = _headed(name, [title.strip() for title in table.column_names], columns, numbers)
    return FileTable(name=name, cells=frame, rows_in=table.num_rows, problems=tuple(problems))


_READERS: dict[str, Callable[[Path, str, str | None], FileTable]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
SUFFIXES = tuple(_READERS)
"""Suffixes of the files that can be a table."""
