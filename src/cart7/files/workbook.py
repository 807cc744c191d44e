"""Excel workbooks (.xlsx, .xlsm), read with python-calamine where it is installed.

Here: one sheet as cells, dates as dates, of a formula the value that was saved with it; macros and links
to other files are not opened. A workbook is a zip archive, so its true sizes are measured before it is
unpacked. Not here: old workbooks (.xls), the meaning of a column.
"""

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cart7.errors import Problem
from cart7.files.tables import FileTable, UnreadableFileError, empty_file, headed, ragged

LARGEST_UNPACKED = 512 * 2**20
MOST_PARTS = 10_000
MOST_CELLS = 20_000_000
_BLOCK = 2**20
_CELL = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{1,3})([0-9]{1,7})["']""")
_ROW = re.compile(rb"""<(?:\w+:)?row\b[^>]*?\br\s*=\s*["']([0-9]{1,7})["']""")
_LONGEST_MATCH = 512
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
_ERRORS = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA")


def read_workbook(path: Path, name: str, sheet: str | None) -> FileTable:
    """Cells of one sheet; the only one when none is named."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ModuleNotFoundError:
        message = f"reading {path.name} needs the package python-calamine"
        fix = "pip install 'cart7[io]', or save the table as CSV"
        raise UnreadableFileError("FILE-FORMAT", message, fix=fix) from None
    check_archive(path)
    try:
        book = CalamineWorkbook.from_path(str(path))
        title = _chosen(path.name, book.sheet_names, sheet)
        rows = book.get_sheet_by_name(title).to_python(skip_empty_area=False)
    except (CalamineError, ValueError) as stop:
        raise UnreadableFileError(
            "FILE-BINARY", f"{path.name} cannot be read as a workbook: {stop}"
        ) from None
    return _table(name, path.name, title, rows)


def check_archive(path: Path) -> None:
    """Refuse an archive that is none, or that would unpack to more than a table can be."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_UNPACKED:
                raise _too_large(path.name)
            left = LARGEST_UNPACKED
            for part in parts:
                left = _measured(archive, part, left, path.name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as stop:
        if isinstance(stop, FileNotFoundError | PermissionError):
            raise
        raise UnreadableFileError("FILE-BINARY", f"{path.name} is no sound workbook: {stop}") from None


def _measured(archive: zipfile.ZipFile, part: zipfile.ZipInfo, left: int, file: str) -> int:
    """Bytes that may still be unpacked after this part; of a sheet, the reach of its cells is checked."""
    is_sheet, tail, last_row, last_column = _SHEET.fullmatch(part.filename) is not None, b"", 0, 0
    with archive.open(part) as unpacked:
        first = True
        while block := unpacked.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise _too_large(file)
            if not is_sheet:
                continue
            if first and block.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00", b"<\x00")):
                raise UnreadableFileError("FILE-BINARY", f"{file} is no sound workbook: a sheet is not UTF-8")
            first = False
            text = tail + block
            for letters, digits in _CELL.findall(text):
                last_row, last_column = max(last_row, int(digits)), max(last_column, _column(letters))
            last_row = max([last_row, *map(int, _ROW.findall(text))])
            tail = text[-_LONGEST_MATCH:]
    if last_row * last_column > MOST_CELLS:
        raise UnreadableFileError(
            "FILE-TOO-LARGE",
            f"the cells of {part.filename} in {file} reach to row {last_row}, column {last_column}",
            fix="delete the stray cell far outside of the table",
        )
    return left


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number


def _too_large(file: str) -> UnreadableFileError:
    return UnreadableFileError(
        "FILE-TOO-LARGE", f"{file} unpacks to more than {LARGEST_UNPACKED // 2**20} MB; it is not opened",
        fix="save the table as CSV",
    )  # fmt: skip


def _chosen(file: str, titles: Sequence[str], sheet: str | None) -> str:
    listed = ", ".join(titles)
    if sheet is not None and sheet not in titles:
        raise UnreadableFileError("FILE-SHEET", f"{file} has no sheet {sheet!r}", fix=f"its sheets: {listed}")
    if sheet is None and len(titles) != 1:
        raise UnreadableFileError("FILE-SHEET", f"{file} has {len(titles)} sheets: {listed}",
                                  fix="name one of them: read_table(..., sheet=...)")  # fmt: skip
    return titles[0] if sheet is None else sheet


def _table(name: str, file: str, title: str, rows: Sequence[Sequence[Any]]) -> FileTable:
    """Cells below the first row that is not empty; a row of empty cells is none but keeps its number."""
    begin = next((place for place, row in enumerate(rows) if any(map(_is_full, row))), None)
    if begin is None:
        raise empty_file(file)
    header = ["" if cell is None else _header_text(cell) for cell in rows[begin]]
    while header and not header[-1]:
        header.pop()
    numbers, sound, problems = [], [], []
    for number, row in enumerate(rows[begin + 1 :], start=1):
        beyond = [cell for cell in row[len(header) :] if _is_full(cell)]
        if beyond:
            last = max(place for place, cell in enumerate(row, start=1) if _is_full(cell))
            problems.append(ragged(name, number, row[:last], header))
        elif any(map(_is_full, row)):
            numbers.append(number)
            sound.append(row)
    columns = []
    for place, column in enumerate(header):
        cells = np.full(len(sound), None, dtype=object)
        for position, row in enumerate(sound):
            cells[position], said = _cell(row[place])
            if said:
                problems.append(
                    Problem(table=name, row=numbers[position], column=column, value=said, rule="CELL-FORMULA",
                            message="the formula of this cell gives an error")
                )  # fmt: skip
        columns.append(cells)
    n_rows = len(sound) + sum(problem.rule == "ROW-RAGGED" for problem in problems)
    said_of_header, frame = headed(name, header, columns, numbers)
    return FileTable(name=name, cells=frame, rows_in=n_rows, problems=(*said_of_header, *problems),
                     dataset=title, kinds=dict.fromkeys(header, "mixed"))  # fmt: skip


def _is_full(cell: object) -> bool:
    return cell is not None and str(cell).strip() != ""


def _header_text(cell: object) -> str:
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell)).strip() if whole else str(cell).strip()  # type: ignore[call-overload]


def _cell(cell: object) -> tuple[object, str]:
    """A cell as a value, and the error that stands in its place."""
    if isinstance(cell, str):
        return (None, cell) if cell in _ERRORS else (cell or None, "")
    if isinstance(cell, dt.datetime) and cell.time() == dt.time(0):
        return cell.date(), ""
    if isinstance(cell, dt.time | dt.timedelta):
        return str(cell), ""
    return cell, ""
