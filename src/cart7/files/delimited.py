"""CSV: text, a header, and rows numbered as a spreadsheet numbers them.

Here: the split into cells, ragged and blank rows. Not here: the meaning of a cell.
"""

import csv
import io
from pathlib import Path

import numpy as np

from cart7.errors import Problem
from cart7.files.tables import FileTable, UnreadableFileError, decode, empty_file, headed, ragged

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_csv(path: Path, name: str, encoding: str | None) -> FileTable:
    """Cells of a CSV file; UTF-8 when no encoding is named."""
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
        raise empty_file(file)
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
    columns = columns or [np.array([], dtype=object) for _ in header]
    for column in columns:
        column[column == ""] = None
    n_ragged = sum(problem.severity == "error" for problem in problems)
    header_problems, frame = headed(name, header, columns, numbers)
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
