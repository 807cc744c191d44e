"""CSV: text, a header, and rows numbered as a spreadsheet numbers them.

Here: the split into cells, ragged and blank rows. Not here: the meaning of a cell.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.errors import Problem
from cart7.files.tables import (
    FileTable,
    UnreadableFileError,
    decode,
    decode_cells,
    empty_file,
    headed,
    ragged,
    stands_in,
    without_stand_ins,
)

_LONG = 200_000
"""Letters from which the column-wise parser is worth its start."""

_BLOCK = 2_000_000
"""Letters that the column-wise parser takes at a time: what it holds of them stays near the processor."""

Columns = list[npt.NDArray[np.object_]]
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
_DECIMAL_COMMA = re.compile(r"(?:^|[;\t|])[+-]?[0-9]+,[0-9]+(?:$|[;\t|\r])", re.MULTILINE)


def read_csv(path: Path, name: str, encoding: str | None, sep: str = ",") -> FileTable:
    """Cells of a CSV file; UTF-8 when no encoding is named."""
    raw = path.read_bytes()
    text, whole = decode_cells(raw, path.name, encoding)
    if whole:
        return csv_table(text, name=name, file=path.name, sep=sep)
    header: list[str] = next((row for row in _split(text, path.name, sep) if any(map(str.strip, row))), [])
    if any(map(stands_in, header)):
        decode(raw, path.name, encoding)  # names that cannot be read end the reading
    table = csv_table(text, name=name, file=path.name, sep=sep)
    return without_stand_ins(table, path.name, encoding)


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
    plain = _plain_columns(text, sep) if len(text) > _LONG else None
    if plain is not None:
        header, columns = plain
        numbers: Sequence[int] = range(1, len(columns[0]) + 1)
        problems: list[Problem] = []
    else:
        lines = _split(text, file, sep)
        while lines and not any(map(str.strip, lines[0])):
            lines.pop(0)
        if not lines:
            raise empty_file(file)
        header = [cell.strip() for cell in lines[0]]
        if len(header) == 1 and (other := [mark for mark in _OTHER_SEPARATORS if mark in header[0]]):
            raise _other_separator(text, file, other[0])
        numbers, columns, problems = _sound_rows(lines[1:], header, name)
        for column in columns:
            column[column == ""] = None
    n_ragged = sum(problem.severity == "error" for problem in problems)
    header_problems, frame = headed(name, header, columns, numbers)
    return FileTable(
        name=name, cells=frame, rows_in=len(numbers) + n_ragged, problems=(*header_problems, *problems)
    )


def _sound_rows(
    lines: list[list[str]], header: list[str], name: str
) -> tuple[list[int], Columns, list[Problem]]:
    """Numbers and cells, by column, of the rows that fit the header; and what is said of the others."""
    numbers, rows, problems = [], [], []
    for row, cells in enumerate(lines, start=1):
        if len(cells) == len(header) and any(map(str.strip, cells)):
            numbers.append(row)
            rows.append(cells)
        elif any(map(str.strip, cells)):
            problems.append(ragged(name, row, cells, header))
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
    return numbers, columns or [np.array([], dtype=object) for _ in header], problems


def _plain_columns(text: str, sep: str) -> tuple[list[str], Columns] | None:
    """Header and columns of a text in which nothing can be odd; None sends it through the row-wise reader.

    Nothing is odd without quotation marks, blank rows and rows of another length: in a block, a row longer
    than the one before it stops the parser, so rows of the right number of separators in all, in blocks of
    the right width, are all of the right length.
    """
    n_lines = text.count("\n") + (not text.endswith("\n"))
    breaks = text.count(sep, 0, text.find("\n"))
    odd = any(mark in text for mark in ('"', "\0", "\ufeff"))
    odd |= "\r" in text and text.count("\r") != text.count("\r\n")
    if odd or breaks == 0 or text.count(sep) != breaks * n_lines:
        return None
    blocks = []
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin + _BLOCK) + 1 or len(text)
        columns = _block(text[begin:end], sep, breaks + 1)
        if columns is None:
            return None
        blocks.append(columns)
        begin = end
    header = [(column[0] or "").strip() for column in blocks[0]]
    columns = [np.concatenate(parts)[1:] for parts in zip(*blocks, strict=True)]
    return (header, columns) if len(columns[0]) == n_lines - 1 else None


def _block(text: str, sep: str, width: int) -> Columns | None:
    """Columns of some lines; None where a row is too long or blank, or all are too short."""
    raw = io.BytesIO(text.encode("utf-8", "surrogatepass"))
    try:
        rows = pd.read_csv(
            raw, sep=sep, header=None, dtype=object, na_filter=False,
            skip_blank_lines=False, quoting=csv.QUOTE_NONE, encoding_errors="surrogatepass", low_memory=False,
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        return None
    columns = [rows[place].to_numpy(dtype=object, copy=True) for place in rows.columns]
    if len(columns) != width or _has_blank_row(columns):
        return None
    for column in columns:
        column[column == ""] = None
    return columns


def _has_blank_row(columns: Columns) -> bool:
    """Whether some row holds blanks only."""
    blanks = [cell for cell in set(columns[0]) if not cell.strip()]
    suspects = np.flatnonzero(np.isin(columns[0], blanks)) if blanks else ()
    return any(not any(column[row].strip() for column in columns) for row in suspects)


def _other_separator(text: str, file: str, mark: str) -> UnreadableFileError:
    """One column was found, because the cells are separated otherwise; perhaps decimals are, too."""
    comma = mark != "," and _DECIMAL_COMMA.search(text) is not None
    decimals = ", with decimal commas" if comma else ""
    separated = f"separated by {_OTHER_SEPARATORS[mark]} ({mark!r}){decimals}"
    options = f"sep={mark!r}" + (', decimal=","' if comma else "")
    return UnreadableFileError(
        "FILE-SEPARATOR",
        f"one column found: the cells of {file} are {separated}",
        fix=f"save it separated by commas, or read it with read_table(..., {options})",
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
