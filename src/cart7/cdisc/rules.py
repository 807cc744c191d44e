"""What a table must keep: columns that are needed, a key, allowed words, numbers and dates.

Here: the record of these rules, and their check on the cells of a table, every finding at once. Not here:
the files (`files`), the reading of one cell (`cdisc.cells`), what single datasets need (`cdisc.presets`).
"""

from collections.abc import Iterable, Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict

from cart7.cdisc.cells import OpenTable, read_allowed, read_day, read_not_negative, read_plain_number
from cart7.checks.cells import Reader


class TableRules(BaseModel):
    """Rules of one table; a column that is named here is read by them, any other stays as it stands.

    Parameters
    ----------
    required : tuple of str
        Columns that must be there, with a value in every row. Blanks only are no value.
    key : tuple of str
        Columns that together name a row; each must have a value, and no two rows the same.
    allowed : mapping of str to tuple of str
        Words of a column. Another case, or blanks, are repaired.
    numbers, dates : tuple of str
        Columns that hold numbers, and complete dates in extended ISO 8601 (a time may follow).
    not_negative : tuple of str
        Numbers that cannot be below zero.

    Examples
    --------
    >>> rules = TableRules(required=("USUBJID",), numbers=("AVAL",), allowed={"MATRIX": ("BLOOD", "CSF")})
    >>> rules.columns()
    ('USUBJID', 'AVAL', 'MATRIX')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    required: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    allowed: Mapping[str, tuple[str, ...]] = {}
    numbers: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    not_negative: tuple[str, ...] = ()

    def columns(self) -> tuple[str, ...]:
        """Every column that a rule names, each once."""
        named: Iterable[str] = (
            *self.required, *self.key, *self.numbers, *self.not_negative, *self.dates, *self.allowed
        )  # fmt: skip
        return tuple(dict.fromkeys(named))

    def check(self, table: OpenTable, *, decimal: str) -> None:
        """Read the columns of the table by the rules, and note what they do not keep."""
        table.name_columns(self.columns())
        needed = tuple(dict.fromkeys((*self.required, *self.key)))
        for column in needed:
            if column not in table.cells:
                table.lacks(column)
        for column in self.columns():
            if column in table.cells:
                self._read(table, column, decimal)
        for column in needed:
            _must_be_told(table, column, rule="KEY-MISSING" if column in self.key else "REQUIRED-MISSING")
        if self.key and all(column in table.cells for column in self.key):
            _once(table, self.key)

    def derive(self, table: OpenTable) -> None:
        """Add what follows from the columns; nothing without a preset."""

    def _read(self, table: OpenTable, column: str, decimal: str) -> None:
        how: list[tuple[Reader, str]] = []
        number = column in self.numbers or column in self.not_negative
        if number:
            how.append((self._number(column, decimal), "number"))
        elif column in self.dates:
            how.append((read_day, "datetime"))
        if column in self.allowed:
            how.append((read_allowed(self.allowed[column], number=number), "number" if number else "text"))
        for read, kind in how:
            table.read(column, read, kind)

    def _number(self, column: str, decimal: str) -> Reader:
        plain = read_plain_number(decimal)
        return read_not_negative(plain, column) if column in self.not_negative else plain


def _must_be_told(table: OpenTable, column: str, *, rule: str) -> None:
    """A row without the value; one whose value could not be read is told already."""
    if column not in table.cells:
        return
    table.blank_out(column)
    for position in np.flatnonzero(table.missing(column) & ~table.refused[column] & table.usable).tolist():
        what = "a part of the key is missing" if rule == "KEY-MISSING" else "a value is required"
        table.say(position, column, rule, what)


def _once(table: OpenTable, key: tuple[str, ...]) -> None:
    """A row whose key an earlier row has; rows whose key is incomplete cannot be compared."""
    complete = table.usable.copy()
    for column in key:
        complete &= ~table.missing(column)
    seen: dict[tuple[object, ...], int] = {}
    for position in np.flatnonzero(complete).tolist():
        values = tuple(_compared(table.cells[column][position]) for column in key)
        first = seen.setdefault(values, position)
        if first != position:
            table.say(
                position, None, "KEY-TWICE", f"the key ({', '.join(key)}) is that of row {table.rows[first]}",
                fix="a key names one row; remove or correct one of the two",
            )  # fmt: skip


def _compared(cell: object) -> object:
    return cell.strip() if isinstance(cell, str) else cell
