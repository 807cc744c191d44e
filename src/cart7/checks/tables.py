"""One table on its way from cells to typed columns, and the findings about it.

Here: the names of its columns, the reading of every cell, missing keys, repeated rows, and the
frame that a study keeps. Not here: the reading of one text (`checks.cells`), units and limits
(`checks.measures`), and what needs a second column (`checks.rows`) or table (`checks.across`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.checks.cells import Note, Reader, found, plain_values, reader, shown
from cart7.errors import Problem
from cart7.records import TABLES, Column, TableSchema

DATES_OF_DAYS: Mapping[str, Mapping[str, str]] = {
    "products": {"day": "infusion_date"},
    "lymphodepletion": {"day": "date"},
    "kinetics": {"day": "sample_date"},
    "pd": {"day": "sample_date"},
    "responses": {"day": "assessment_date"},
    "adverse_events": {"start_day": "start_date", "end_day": "end_date"},
    "aesi_course": {"day": "date"},
    "conmeds": {"start_day": "start_date", "end_day": "end_date"},
    "ada": {"day": "sample_date"},
    "events": {"day": "date"},
    "labs": {"day": "sample_date"},
}
"""Which date each day column of a table counts from."""

_DAY_OF_DATE = {("events", "date"): "day"}


@dataclass(frozen=True, slots=True)
class Codes:
    """A column by number: equal words (of `Table.cells`: equal cells) have one number, -1 is missing."""

    code: npt.NDArray[np.int32]
    words: npt.NDArray[np.object_]

    def each(self, values: npt.NDArray[Any] | Sequence[float], missing: Any = np.nan) -> npt.NDArray[Any]:
        """The value of each row, of `values` by word."""
        return np.append(values, [missing])[self.code]

    def among(self, *words: str) -> npt.NDArray[np.bool_]:
        """Where one of these words stands."""
        return np.array([*(word in words for word in self.words), False])[self.code]

    def at(self, position: int) -> object:
        """The word of a row, None where it is missing."""
        code = self.code[position]
        return None if code < 0 else self.words[code]


@dataclass(eq=False)
class Table:
    """A table being checked: cells as found, values as read, and which rows are wrong.

    Parameters
    ----------
    schema : TableSchema
        What the columns mean.
    rows : array of int
        1-based data row of each record.
    cells : dict of str to Codes
        The schema's columns as found, -1 where blank.
    extra : dict of str to array
        The other columns, kept as they stand.
    rows_in : int
        Data rows of the file, the unreadable ones included.
    codes : dict of str to Codes
        Columns of words and dates, by number.
    factors : dict of int to float
        By position, the factor of a row whose unit was converted.
    """

    schema: TableSchema
    rows: npt.NDArray[np.int64]
    cells: dict[str, Codes]
    extra: dict[str, npt.NDArray[np.object_]]
    rows_in: int
    problems: list[Problem] = field(default_factory=list)
    values: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    wrong: npt.NDArray[np.bool_] = field(init=False)
    refused: dict[str, set[int]] = field(default_factory=dict)
    codes: dict[str, Codes] = field(default_factory=dict)
    factors: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.wrong = np.zeros(len(self.rows), dtype=bool)

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.schema.name

    def has(self, *columns: str) -> bool:
        """Whether the table has all these columns of the schema."""
        return all(column in self.values for column in columns)

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Values of a number column; all missing when the table lacks it."""
        absent = np.full(len(self.rows), np.nan)
        return np.asarray(self.values.get(column, absent), dtype=np.float64)

    def words(self, column: str) -> npt.NDArray[np.object_]:
        """Values of a column of words or dates; all None when the table lacks it."""
        absent = np.full(len(self.rows), None, dtype=object)
        return np.asarray(self.values.get(column, absent), dtype=object)

    def missing(self, column: str) -> npt.NDArray[np.bool_]:
        """Where a column has no value."""
        if not self.has(column):
            return np.ones(len(self.rows), dtype=bool)
        if column in self.codes:
            return np.asarray(self.codes[column].code < 0, dtype=bool)
        return np.array(pd.isna(self.values[column]), dtype=bool)

    def blank(self, column: str) -> npt.NDArray[np.bool_]:
        """Where a column has no value and none was meant: a cell that was refused is not blank."""
        blank = self.missing(column)
        blank[sorted(self.refused.get(column, ()))] = False
        return blank

    def coded(self, column: str) -> Codes:
        """A column of words by number; all missing when the table lacks it."""
        absent = Codes(np.full(len(self.rows), -1, dtype=np.int32), np.array([], dtype=object))
        return self.codes.get(column, absent)

    def rewrite(self, column: str, words: npt.NDArray[np.object_]) -> None:
        """Put other words into a column."""
        self.values[column], self.codes[column] = words, numbered(words)

    def subject(self, position: int) -> str | None:
        """Whose row it is."""
        value = self.values["subject_id"][position]
        return None if value is None else str(value)

    def note(self, position: int, column: str | None, note: Note, *, cell: object = None) -> None:
        """Put one finding at its place; an error sets the row aside."""
        if column is not None and cell is None and column in self.cells:
            cell = self.cells[column].at(position)
        self.problems.append(
            Problem(
                table=self.name,
                row=int(self.rows[position]),
                subject_id=self.subject(position),
                column=column,
                value=None if cell is None else found(cell),
                new_value=note.new_value,
                severity=note.severity,
                rule=note.rule,
                message=note.message,
                fix=note.fix,
            )
        )
        if note.severity == "error":
            self.wrong[position] = True
            self.refused.setdefault(column or "", set()).add(position)

    def warn(self, where: npt.ArrayLike, column: str, rule: str, message: str, fix: str = "") -> None:
        """Put the same warning on every row where `where` is true."""
        note = Note(rule=rule, severity="warning", message=message, fix=fix)
        for position in np.flatnonzero(np.asarray(where)):
            self.note(int(position), column, note)

    def refuse(self, where: npt.ArrayLike, column: str, rule: str, message: str, fix: str = "") -> None:
        """Put the same error on every row where `where` is true."""
        note = Note(rule=rule, severity="error", message=message, fix=fix)
        for position in np.flatnonzero(np.asarray(where)):
            self.note(int(position), column, note)

    def repair(self, position: int, column: str, rule: str, new_value: str, message: str) -> None:
        """Say that a value is used instead of the one found."""
        self.note(position, column, Note(rule=rule, severity="repair", message=message, new_value=new_value))

    def frame(self) -> pd.DataFrame:
        """The sound rows: words and dates as text, whole numbers Int64, days and floats float64."""
        sound = ~self.wrong if self.wrong.any() else slice(None)
        index = pd.Index(self.rows[sound], name="row")
        columns = {
            name: _series(values[sound], self.schema.columns[name], index)
            for name, values in self.values.items()
        }
        columns |= {
            name: pd.Series(values[sound], index=index, dtype=object) for name, values in self.extra.items()
        }
        return pd.DataFrame(columns, index=index, copy=False)


def _series(values: npt.NDArray[Any], column: Column, index: pd.Index) -> pd.Series:
    if column.kind == "int" and column.name != "day":
        missing = np.isnan(values)
        whole = pd.arrays.IntegerArray(np.where(missing, 1, values).astype(np.int64), missing)
        return pd.Series(whole, index=index)
    return pd.Series(values, index=index, dtype="float64" if column.kind in ("int", "float") else object)


def open_table(name: str, cells: pd.DataFrame, rows_in: int) -> Table:
    """A table with its columns under the schema's names; nothing is read yet.

    Parameters
    ----------
    name : str
        Name of the table in the schema.
    cells : DataFrame
        Index `row` = 1-based data row; cells as found, None where blank.
    rows_in : int
        Data rows of the file, the unreadable ones included.
    """
    schema = TABLES[name]
    names, problems = _named(name, list(map(str, cells.columns)), schema)
    columns = {
        title: column.to_numpy(dtype=object) for title, (_, column) in zip(names, cells.items(), strict=True)
    }
    return Table(
        schema=schema,
        rows=cells.index.to_numpy(dtype=np.int64),
        cells={title: distinct(column) for title, column in columns.items() if title in schema.columns},
        extra={title: column for title, column in columns.items() if title not in schema.columns},
        rows_in=rows_in,
        problems=problems,
    )


def _named(table: str, titles: Sequence[str], schema: TableSchema) -> tuple[list[str], list[Problem]]:
    """Titles of the file as the schema writes them, and what was repaired or looks misspelt."""
    free = {name: name for name in schema.columns if name not in titles}
    by_form = {_form(name): name for name in free}
    names, problems = [], []
    for title in titles:
        name = title if title in schema.columns else by_form.pop(_form(title), None)
        if name is None:
            near = get_close_matches(title.casefold(), list(free), n=1, cutoff=0.85)
            if near:
                problems.append(
                    Problem(
                        table=table,
                        column=title,
                        severity="warning",
                        rule="COLUMN-MISSPELT",
                        message="this column is not in the schema; it is kept but not used",
                        fix=f"did you mean {near[0]}?",
                    )
                )
        elif name != title:
            problems.append(
                Problem(
                    table=table,
                    column=name,
                    value=title,
                    new_value=name,
                    severity="repair",
                    rule="COLUMN-NAME",
                    message="the name of the column is written otherwise",
                )
            )
        names.append(name or title)
    return names, problems


def _form(title: str) -> str:
    return title.strip().casefold().replace(" ", "_").replace("-", "_")


def without_subject_id(table: Table) -> bool:
    """Whether the key column itself is absent, which is said and ends the reading of the table."""
    if "subject_id" in table.cells:
        return False
    table.problems.append(
        Problem(
            table=table.name,
            column="subject_id",
            rule="COLUMN-NO-SUBJECT-ID",
            message="the column subject_id is not there; every table needs it",
        )
    )
    return True


def read_columns(table: Table, subject: Reader, special: Mapping[str, Reader]) -> None:
    """Read every cell of the schema's columns.

    Parameters
    ----------
    table : Table
        Gets its `values` and findings.
    subject : callable
        Reader of `subject_id`.
    special : mapping of str to callable
        Readers of columns that this table reads in its own way.
    """
    order = ["subject_id", *(name for name in table.cells if name != "subject_id")]
    for name in order:
        column = table.schema.columns[name]
        read = subject if name == "subject_id" else special.get(name) or reader(column)
        # The readers of this table's own columns agree with the plain ones on numbers, not on words.
        plain = name != "subject_id" and (name not in special or column.kind == "float")
        _read_column(table, column, read, plain=plain)
    table.values = {name: table.values[name] for name in table.cells}


def _read_column(table: Table, column: Column, read: Reader, *, plain: bool) -> None:
    """Values of a column, each different cell read once; `plain` cells need no reader."""
    cells = table.cells[column.name]
    different = cells.words.tolist()
    is_number = column.kind in ("int", "float")
    if plain:
        values = plain_values(different, column)
    else:
        values = np.full(len(different), np.nan if is_number else None, dtype=float if is_number else object)
    notes: dict[int, tuple[Note, ...]] = {}
    unread = np.flatnonzero(pd.isna(values)).tolist()
    for place in unread:
        reading = read(different[place])
        if reading.value is not None:
            values[place] = reading.value
        if reading.notes:
            notes[place] = reading.notes
    table.values[column.name] = cells.each(values, np.nan if is_number else None)
    if not is_number:
        table.codes[column.name] = _read_as(values, cells) if unread else cells
    if notes:
        for position in np.flatnonzero(np.isin(cells.code, list(notes))).tolist():
            for note in notes[int(cells.code[position])]:
                table.note(position, column.name, note)


def _read_as(values: npt.NDArray[np.object_], cells: Codes) -> Codes:
    """Words by number, from the value of each different cell: several cells can mean one word."""
    words = numbered(values)
    return Codes(np.append(words.code, np.int32(-1))[cells.code], words.words)


def distinct(cells: npt.NDArray[np.object_]) -> Codes:
    """Cells by number, -1 where they are blank; the different ones as first met.

    Examples
    --------
    >>> cells = distinct(np.array(["b", None, "a", "b"], dtype=object))
    >>> cells.code.tolist(), cells.words.tolist()
    ([0, -1, 1, 0], ['b', 'a'])
    """
    codes = numbered(cells)
    if pd.api.types.infer_dtype(codes.words) in ("string", "empty"):
        return codes
    # Of cells with types, True, 1 and 1.0 are equal and are read differently.
    number: dict[tuple[type, object], int] = {}
    code = [-1 if cell is None else number.setdefault((type(cell), cell), len(number)) for cell in cells]
    different = np.fromiter((cell for _, cell in number), dtype=object, count=len(number))
    return Codes(np.array(code, dtype=np.int32), different)


def numbered(words: npt.NDArray[np.object_]) -> Codes:
    """Words by number, as first met."""
    code, different = pd.factorize(words)
    return Codes(code.astype(np.int32), np.asarray(different, dtype=object))


def missing_keys(table: Table) -> None:
    """A row without a part of its key; a day may be told by its date, even a partial one."""
    for name in table.schema.key:
        if not table.has(name):
            continue
        gone = table.blank(name)
        twin = DATES_OF_DAYS.get(table.name, {}).get(name) or _DAY_OF_DATE.get((table.name, name))
        if twin is not None and table.has(twin):
            gone &= table.blank(twin)
        table.refuse(gone, name, "KEY-MISSING", f"{name} is a part of the key and is missing", "fill it in")


def repeated_rows(table: Table) -> None:
    """Rows that stand twice: identical ones (later copies), and one key with several values (all)."""
    parts = [_key_part(table, name) for name in table.schema.key if table.has(name)]
    whole = len(parts) == len(table.schema.key)
    if not whole:
        parts = [_numbered(values) for values in [*table.values.values(), *table.extra.values()]]
    keys = _combined(parts)
    complete = np.all([part >= 0 for part in parts], axis=0) if whole else ~table.missing("subject_id")
    twice = np.flatnonzero((np.bincount(keys, minlength=1)[keys] > 1) & complete)
    columns = [*table.values, *table.extra]
    groups: dict[int, list[int]] = {}
    for position, key in zip(twice.tolist(), keys[twice].tolist(), strict=True):
        groups.setdefault(key, []).append(position)
    vague = _vague_keys(table) if len(groups) else np.zeros(len(table.rows), dtype=bool)
    for positions in groups.values():
        _one_key(table, positions, columns, vague=bool(vague[positions].any()))


def _combined(parts: Sequence[npt.NDArray[np.intp]]) -> npt.NDArray[np.intp]:
    """One number for each combination of the numbers in `parts`."""
    whole, room = np.zeros(len(parts[0]), dtype=np.int64), 1
    for part in parts:
        width = int(part.max(initial=-1)) + 2
        if room * width > _LARGEST_NUMBER:
            whole = _numbered(whole)
            room = int(whole.max(initial=-1)) + 1
        whole = whole * width + part + 1
        room *= width
    return _numbered(whole)


_LARGEST_NUMBER = 2**63 - 1


def _vague_keys(table: Table) -> npt.NDArray[np.bool_]:
    """Rows whose key holds a partial date: two events of one month need not be the same."""
    vague = np.zeros(len(table.rows), dtype=bool)
    for name in table.schema.key:
        twin = DATES_OF_DAYS.get(table.name, {}).get(name)
        date = name if table.schema.columns[name].kind == "date" else twin
        if date is not None and table.has(date):
            partial = np.array([text is not None and len(text) < _COMPLETE for text in table.words(date)])
            vague |= partial if date == name else partial & table.missing(name)
    return vague


_COMPLETE = 10
"""Letters of a complete date."""


def _key_part(table: Table, name: str) -> npt.NDArray[np.intp]:
    """Values of a key column by number; where a day is unknown, its date stands in (and the reverse)."""
    part = table.codes[name].code if name in table.codes else _numbered(table.values[name])
    part = np.asarray(part, dtype=np.intp)
    twin = DATES_OF_DAYS.get(table.name, {}).get(name) or _DAY_OF_DATE.get((table.name, name))
    if twin is None or not table.has(twin) or not (part < 0).any():
        return part
    other = _numbered(table.values[twin])
    return np.where((part < 0) & (other >= 0), other + part.max(initial=-1) + 1, part)


def _numbered(values: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Number of each value among the different ones, -1 where it is missing."""
    return np.asarray(pd.factorize(values)[0], dtype=np.intp)


def _one_key(table: Table, positions: Sequence[int], columns: Sequence[str], *, vague: bool) -> None:
    contents = [_content(table, position, columns) for position in positions]
    first: dict[tuple[str, ...], int] = {}
    for content, position in zip(contents, positions, strict=True):
        line = int(table.rows[first.setdefault(content, position)]) + 1
        if first[content] != position:
            table.note(position, None, Note(
                rule="D01-REPEATED-ROW", severity="error", message=f"the row repeats line {line}",
                fix="delete the copy"))  # fmt: skip
    if len(first) > 1 and not vague:
        _several_values(table, positions, list(first), columns)


def _several_values(
    table: Table, positions: Sequence[int], contents: Sequence[tuple[str, ...]], columns: Sequence[str]
) -> None:
    """One key with several values: nobody can know which is right, so none is used."""
    lines = [str(int(table.rows[position]) + 1) for position in positions]
    more = f" and {len(lines) - _LINES_SHOWN} more" if len(lines) > _LINES_SHOWN else ""
    differ = [name for place, name in enumerate(columns) if len({content[place] for content in contents}) > 1]
    same = f"lines {', '.join(lines[:_LINES_SHOWN])}{more} have the same key ({', '.join(table.schema.key)})"
    note = Note(rule="D02-SAME-KEY", severity="error", message=f"{same} and differ in {', '.join(differ)}",
                fix="keep the right one; none of them is used")  # fmt: skip
    extra = table.extra.get(differ[0])
    for position in positions:
        table.note(position, differ[0], note, cell=None if extra is None else extra[position])


_LINES_SHOWN = 10


def _content(table: Table, position: int, columns: Iterable[str]) -> tuple[str, ...]:
    row = [(table.values if name in table.values else table.extra)[name][position] for name in columns]
    return tuple("" if pd.isna(value) else shown(value) for value in row)
