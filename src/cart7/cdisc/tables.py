"""One table from a file, and into one.

Here: `read_table`, `write_table` and what they hand over. Not here: the formats (`files`), the rules
(`cdisc.rules`), a whole study (`study`).
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import files
from cart7.cdisc.cells import OpenTable
from cart7.cdisc.rules import TableRules
from cart7.errors import DataError, Problem, problem_frame

OnProblem = Literal["raise", "report"]
_NO_ROW = ("ROW-RAGGED", "ROW-BLANK", "JSON-UNREADABLE")
"""Findings about a row whose cells cannot be told apart, or that has none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table with its labels and what was found about it.

    Attributes
    ----------
    frame : DataFrame
        Every row of the file, indexed by `row` (1-based, header not counted). A cell that cannot be read is
        missing. Text is `string`, whole numbers `Int64`, numbers `float64`, dates `datetime64`, truth
        `boolean`; missing is NA.
    labels : dict of str to str
        Labels of the columns; empty where there are none.
    problems : DataFrame
        Every finding, in the columns of `study.problems`.
    name, label : str
        Name and label of the table.
    """

    frame: pd.DataFrame = field(repr=False)
    labels: dict[str, str] = field(default_factory=dict, repr=False)
    problems: pd.DataFrame = field(default_factory=lambda: problem_frame(()), repr=False)
    name: str = ""
    label: str = ""


def read_table(
    path: str | Path,
    *,
    rules: TableRules | None = None,
    sep: str = ",",
    decimal: str = ".",
    encoding: str | None = None,
    sheet: str | None = None,
    on_problem: OnProblem = "raise",
) -> Table:
    r"""Read one table: CSV, SAS transport 5 or 8, Dataset-JSON 1.1 or its NDJSON, Parquet, Excel, sas7bdat.

    Parameters
    ----------
    path : str or Path
        The file; its suffix tells the format (`files.READABLE`).
    rules : TableRules, optional
        What the table must keep; of a CSV file, which columns are numbers and dates. All others stay text.
    sep, decimal : str
        Of a CSV file: what stands between two cells, and before the decimals of a number.
    encoding : str, optional
        Encoding of a CSV or SAS file; UTF-8 when not given. It is told, never guessed.
    sheet : str, optional
        Sheet of a workbook; the only one when not given.
    on_problem : {"raise", "report"}
        Whether an error raises, with every finding, or all findings stand in `.problems`.

    Returns
    -------
    Table
        Under "report", a file that cannot be read at all gives an empty frame.

    Raises
    ------
    DataError
        When there is an error; it holds every finding of the file.
    ValueError
        For an option that does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from cart7 import cdisc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "adtte.csv"
    ...     _ = path.write_text("USUBJID,PARAMCD,AVAL,CNSR\nCT7-001,OS,120,1\nCT7-002,OS,45,0\n")
    ...     table = cdisc.read_table(path, rules=cdisc.ADTTE)
    >>> table.frame["EVENT"].tolist(), table.frame["AVAL"].tolist()
    ([False, True], [120.0, 45.0])
    """
    _check_options(sep, decimal, on_problem)
    path = Path(path)
    file = files.read_file(path, name=path.stem, encoding=encoding, sep=sep, sheet=sheet)
    table, problems = _ruled(file, rules or TableRules(), decimal)
    if on_problem == "raise" and any(problem.severity == "error" for problem in problems):
        raise DataError(problems)
    return Table(
        frame=pd.DataFrame() if table is None else _frame(table),
        labels={} if table is None else _labels(table, file.labels),
        problems=problem_frame(problems),
        name=file.dataset or path.stem,
        label=file.label,
    )


def _check_options(sep: str, decimal: str, on_problem: str) -> None:
    if on_problem not in get_args(OnProblem):
        raise ValueError(f"on_problem must be one of {', '.join(get_args(OnProblem))}, got {on_problem!r}")
    if decimal not in (".", ","):
        raise ValueError(f'decimal must be "." or ",", got {decimal!r}')
    if len(sep) != 1 or sep in '"\r\n':
        raise ValueError(f"sep must be one character that stands between two cells, got {sep!r}")


def _ruled(file: files.FileTable, rules: TableRules, decimal: str) -> tuple[OpenTable | None, list[Problem]]:
    """The table as read by the rules, and every finding in the order of its rows."""
    if file.cells is None:
        return None, list(file.problems)
    table = _open(file, file.cells)
    rules.check(table, decimal=decimal)
    rules.derive(table)
    problems = [*file.problems, *table.problems]
    if not len(table.rows) and not any(problem.severity == "error" for problem in problems):
        problems.append(
            Problem(table=file.name, severity="warning", rule="FILE-NO-ROWS", message="no data rows")
        )
    order = {title: place for place, title in enumerate(table.cells)}
    problems.sort(key=lambda problem: (problem.row or 0, order.get(problem.column or "", len(order))))
    return table, problems


def _open(file: files.FileTable, cells: pd.DataFrame) -> OpenTable:
    """Cells of every row, those of a row that could not be split into cells missing."""
    broken = {problem.row for problem in file.problems if problem.rule in _NO_ROW and problem.row is not None}
    rows = sorted({*cells.index.tolist(), *broken})
    every = cells.reindex(rows)
    found = {str(title): _present(every[title]) for title in every.columns}
    place = {row: position for position, row in enumerate(rows)}
    told = [
        (problem.column, place[problem.row])
        for problem in file.problems
        if problem.severity == "error" and problem.row in place and problem.column in found
    ]
    for column, position in told:
        found[column][position] = None
    table = OpenTable(
        name=file.name,
        rows=np.array(rows, dtype=np.int64),
        found=found,
        kinds={title: file.kinds.get(title, "text") for title in found},
        usable=np.array([row not in broken for row in rows], dtype=bool),
    )
    for column, position in told:
        table.refused[column][position] = True
    return table


def _present(column: pd.Series) -> npt.NDArray[np.object_]:
    cells: npt.NDArray[np.object_] = column.to_numpy(dtype=object, copy=True)
    cells[column.isna().to_numpy(dtype=bool)] = None
    return cells


def _labels(table: OpenTable, labels: Mapping[str, str]) -> dict[str, str]:
    """Labels under the names that the columns have now."""
    renamed = {problem.value: problem.column for problem in table.problems if problem.rule == "COLUMN-NAME"}
    return {str(renamed.get(title, title)): label for title, label in labels.items()}


# --- cells to typed columns ----------------------------------------------------------------------


def _frame(table: OpenTable) -> pd.DataFrame:
    index = pd.Index(table.rows, name="row")
    columns = {
        title: pd.Series(_typed(cells, table.kinds[title]), index=index)
        for title, cells in table.cells.items()
    }
    return pd.DataFrame(columns, index=index)


def _typed(cells: npt.NDArray[np.object_], kind: str) -> Any:
    """Cells of one kind as a pandas array."""
    if kind == "mixed":
        kind = _kind_of(cells)
    if kind == "number":
        return np.array([np.nan if cell is None else float(cell) for cell in cells], dtype=np.float64)
    if kind == "integer":
        return pd.array([None if cell is None else int(cell) for cell in cells], dtype="Int64")
    if kind == "boolean":
        return pd.array(cells.tolist(), dtype="boolean")
    if kind in ("date", "datetime"):
        return _moments(cells)
    return pd.array([None if cell is None else _word(cell) for cell in cells], dtype=pd.StringDtype("python"))


def _word(cell: object) -> str:
    """Text of a cell; a workbook holds 12 as 12.0, also in a column of ids."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _kind_of(cells: npt.NDArray[np.object_]) -> str:
    """Kind of a column of a workbook: that of its cells if they share one, else text."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds and kinds <= {int, float}:
        return "number"
    if kinds == {bool}:
        return "boolean"
    return "datetime" if kinds and kinds <= {dt.date, dt.datetime} else "text"


def _moments(cells: npt.NDArray[np.object_]) -> npt.NDArray[np.datetime64]:
    """Dates to the second; to the microsecond where one has a fraction of it."""
    fine = np.array(["NaT" if cell is None else cell for cell in cells], dtype="datetime64[us]")
    coarse = fine.astype("datetime64[s]")
    return coarse if np.array_equal(coarse.astype("datetime64[us]"), fine, equal_nan=True) else fine


# --- writing -------------------------------------------------------------------------------------


def write_table(
    table: Table | pd.DataFrame,
    path: str | Path,
    *,
    created: dt.datetime | None = None,
    spreadsheet_safe: bool = False,
    xpt_version: Literal[5, 8] = 5,
) -> None:
    """Write one table, by the suffix: `.xpt`, `.json` (Dataset-JSON 1.1), `.ndjson`, `.csv`.

    Parameters
    ----------
    table : Table or DataFrame
        What is written; the index is not. A plain frame is named as its file.
    path : str or Path
        The file; one that is there is replaced.
    created : datetime, optional
        Moment of creation that `.xpt`, `.json` and `.ndjson` tell; 1970-01-01T00:00:00 when not given. No
        clock is read, so that the same table gives the same bytes.
    spreadsheet_safe : bool
        In `.csv`, put an apostrophe before each text that a spreadsheet would run (`=1+1`). Off, because
        such a file does not read back to the same texts.
    xpt_version : {5, 8}
        Version of a transport file. In version 5 names are written in capitals.

    Raises
    ------
    DataError
        With everything that the format cannot hold (long names, labels and texts, extreme numbers); nothing
        is written then.
    ValueError
        For another suffix.

    Examples
    --------
    >>> import tempfile
    >>> frame = pd.DataFrame({"USUBJID": ["0012", "0007"], "AVAL": [0.1, 1e-05]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table(Table(frame=frame, name="ADPC"), Path(folder) / "adpc.json")
    ...     read_table(Path(folder) / "adpc.json").frame["AVAL"].tolist()
    [0.1, 1e-05]
    """
    path = Path(path)
    whole = table if isinstance(table, Table) else Table(frame=table)
    files.write_file(
        path, whole.frame, dataset=whole.name or path.stem.upper(), label=whole.label, labels=whole.labels,
        created=created, spreadsheet_safe=spreadsheet_safe, xpt_version=xpt_version,
    )  # fmt: skip
