"""A table whose cells are being read by rules, and how one cell is read.

Here: the cells with their findings, and the strict reading that CDISC tables need (a date is complete and
ISO 8601). Not here: which rules there are (`cdisc.rules`).
"""

import datetime as dt
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cart7.checks.cells import (
    BLANK,
    Note,
    Reader,
    Reading,
    found,
    read_closed_word,
    read_number,
    refused,
    repaired,
    squeezed,
)
from cart7.errors import Problem

_NOTHING = frozenset({"NA", "N/A", ".", "NAN"})
_WRITTEN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)")
_PARTIAL = re.compile(r"[0-9]{4}(?:-(?:[0-9]{2}|-)?(?:-(?:[0-9]{2}|-)?)?)?(?:T.*)?")
_SUBJECTS = ("USUBJID", "SUBJID", "subject_id")


@dataclass(eq=False, kw_only=True)
class OpenTable:
    """Cells as found and as read so far, the kind of each column, and every finding.

    Parameters
    ----------
    name : str
        Name of the table, for the messages.
    rows : array of int
        1-based data row of each row.
    found : dict of str to array
        Cells as they stand in the file, None where missing.
    kinds : dict of str to str
        What each column holds (`files.KINDS`).
    usable : array of bool
        Rows that were split into cells; no rule is asked about the others.
    """

    name: str
    rows: npt.NDArray[np.int64]
    found: dict[str, npt.NDArray[np.object_]]
    kinds: dict[str, str]
    usable: npt.NDArray[np.bool_]
    problems: list[Problem] = field(default_factory=list)
    cells: dict[str, npt.NDArray[np.object_]] = field(init=False)
    refused: dict[str, npt.NDArray[np.bool_]] = field(init=False)

    def __post_init__(self) -> None:
        self.cells = {title: cells.copy() for title, cells in self.found.items()}
        self.refused = {title: np.zeros(len(self.rows), dtype=bool) for title in self.cells}

    def missing(self, column: str) -> npt.NDArray[np.bool_]:
        """Where a column has no value."""
        return np.array([cell is None for cell in self.cells[column]], dtype=bool)

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """A column of numbers, NaN where missing and where the column is not there."""
        if column not in self.cells:
            return np.full(len(self.rows), np.nan)
        return np.array(
            [float(cell) if _is_number(cell) else math.nan for cell in self.cells[column]], dtype=float
        )

    def say(
        self, position: int, column: str | None, rule: str, message: str, *, severity: str = "error",
        value: object = None, new_value: object = None, fix: str = "",
    ) -> None:  # fmt: skip
        """Note a finding about one row."""
        self.problems.append(
            Problem(table=self.name, row=int(self.rows[position]), column=column, value=value, rule=rule,
                    message=message, severity=severity, subject_id=self._subject(position),
                    new_value=new_value, fix=fix)
        )  # fmt: skip

    def _subject(self, position: int) -> str | None:
        title = next((name for name in _SUBJECTS if name in self.cells), None)
        cell = None if title is None else self.cells[title][position]
        return None if cell is None else found(cell)

    def lacks(self, column: str) -> None:
        """Note that a column is not there."""
        self.problems.append(
            Problem(table=self.name, column=column, rule="MISSING-COLUMN", message="the column is not there",
                    fix=f"found: {', '.join(self.cells)}")
        )  # fmt: skip

    def name_columns(self, names: Iterable[str]) -> None:
        """Give columns that differ from a name of the rules in case or blanks only that name."""
        for name in names:
            same = [title for title in self.cells if squeezed(title) == squeezed(name)]
            if name in self.cells or len(same) != 1:
                continue
            for part in (self.found, self.cells, self.kinds, self.refused):
                renamed = {name if title == same[0] else title: part[title] for title in part}
                part.clear()
                part.update(renamed)  # type: ignore[arg-type]
            self.problems.append(
                Problem(table=self.name, column=name, value=same[0], new_value=name, severity="repair",
                        rule="COLUMN-NAME", message="the name of the column is written otherwise")
            )  # fmt: skip

    def blank_out(self, column: str) -> None:
        """Take texts of blanks only for missing."""
        cells = self.cells[column].copy()
        cells[[isinstance(cell, str) and not cell.strip() for cell in cells]] = None
        self.cells[column] = cells

    def read(self, column: str, read: Reader, kind: str) -> None:
        """Read every cell of a column; what cannot be read is missing from now on."""
        before = self.cells[column]
        cells = {cell for cell, use in zip(before, self.usable, strict=True) if use}
        known = {cell: BLANK if cell is None else read(cell) for cell in cells}  # each different one once
        after = np.full(len(before), None, dtype=object)
        for position in np.flatnonzero(self.usable).tolist():
            reading = known[before[position]]
            after[position] = reading.value
            for note in reading.notes:
                self._note(position, column, note)
        self.cells[column] = after
        self.kinds[column] = kind

    def _note(self, position: int, column: str, note: Note) -> None:
        self.refused[column][position] |= note.severity == "error"
        self.say(
            position, column, note.rule, note.message, severity=note.severity,
            value=self.found[column][position], new_value=note.new_value, fix=note.fix,
        )  # fmt: skip

    def refuse(self, position: int, column: str, rule: str, message: str, *, keep: bool = False) -> None:
        """Note an error about a cell and take its value out, unless it could be read as it stands."""
        self.say(position, column, rule, message, value=self.found[column][position])
        self.refused[column][position] = True
        if not keep:
            self.cells[column][position] = None


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


# --- how one cell is read ------------------------------------------------------------------------


def is_nothing(cell: object) -> bool:
    """Whether a cell is blank or a word for a missing value (`NA`, `NaN`, `.`)."""
    return isinstance(cell, str) and (not cell.strip() or cell.strip().upper() in _NOTHING)


def read_plain_number(decimal: str) -> Reader:
    """How a number is read whose decimals follow `decimal`; the rest as in a study, with its repairs.

    Examples
    --------
    >>> read_plain_number(".")("1e-05").value, read_plain_number(",")("1250,25").value
    (1e-05, 1250.25)
    >>> read_plain_number(".")("NaN")
    Reading(value=None, notes=())
    """

    def read(cell: object) -> Reading:
        if is_nothing(cell):
            return BLANK
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            return read_number(float(cell))
        text = found(cell)
        if decimal == ",":
            text = text.translate(_SWAPPED)
        if _WRITTEN.fullmatch(text):
            number = float(text)
            return Reading(value=number) if math.isfinite(number) else read_number(math.inf)
        reading = read_number(text)
        return _swapped_notes(reading) if decimal == "," else reading

    return read


_SWAPPED = str.maketrans(".,", ",.")


def _swapped_notes(reading: Reading) -> Reading:
    """Notes about points and commas, where the comma is decimal."""
    words = {"commas between thousands": "points between thousands", "a decimal comma": "a decimal point"}
    notes = []
    for note in reading.notes:
        message = note.message
        for said, meant in words.items():
            message = message.replace(said, meant)
        notes.append(
            Note(rule=note.rule, severity=note.severity, message=message, new_value=note.new_value,
                 fix="write digits and a decimal comma, or leave it empty" if note.fix else "")
        )  # fmt: skip
    return Reading(value=reading.value, notes=tuple(notes))


def read_not_negative(read: Reader, column: str) -> Reader:
    """How a number is read that cannot be below zero."""

    def read_it(cell: object) -> Reading:
        reading = read(cell)
        negative = isinstance(reading.value, float) and reading.value < 0
        return refused("NUMBER-NEGATIVE", f"{column} cannot be negative") if negative else reading

    return read_it


def read_day(cell: object) -> Reading:
    """A complete date in extended ISO 8601, perhaps with a time, as a moment.

    Examples
    --------
    >>> read_day("2024-01-10").value.isoformat(), read_day("2024-01-10T09:30").value.isoformat()
    ('2024-01-10T00:00:00', '2024-01-10T09:30:00')
    >>> [read_day(text).notes[0].rule for text in ("2024-02-30", "2024-01", "17JAN2024")]
    ['DATE-UNREADABLE', 'DATE-PARTIAL', 'DATE-UNREADABLE']
    """
    if isinstance(cell, dt.datetime):
        return Reading(value=cell)
    if isinstance(cell, dt.date):
        return Reading(value=dt.datetime.combine(cell, dt.time()))
    if is_nothing(cell):
        return BLANK
    text = found(cell)
    bare = text.strip()
    if not _DAY.fullmatch(bare) and not _MOMENT.fullmatch(bare):
        return _no_day(bare)
    try:
        moment = dt.datetime.fromisoformat(bare)
    except ValueError:
        return refused("DATE-UNREADABLE", "there is no such day in the calendar", "write it as YYYY-MM-DD")
    if bare == text:
        return Reading(value=moment)
    note = repaired(bare, "D25-DATE-FORMAT", "blanks around the date").notes
    return Reading(value=moment, notes=note)


def _no_day(text: str) -> Reading:
    if _PARTIAL.fullmatch(text):
        return refused(
            "DATE-PARTIAL",
            "the date is partial; a complete one is needed",
            "complete it, or impute it by a rule",
        )
    return refused("DATE-UNREADABLE", "this is no date in extended ISO 8601", "write it as YYYY-MM-DD")


def read_allowed(words: Sequence[str], *, number: bool) -> Reader:
    """How a word of a closed list is read; of a number, whether it is in the list."""

    def read(cell: object) -> Reading:
        if not number:
            return read_closed_word(found(cell), tuple(words))
        listed = found(cell) in words
        return Reading(value=cell) if listed else refused("TERM-UNKNOWN", f"allowed: {', '.join(words)}")

    return read
