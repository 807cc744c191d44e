"""Columns of a frame that is to be graded, as numbers, flags and words; what is wrong in them, all at once.

Here: reading and refusing cells, notes by case. Not here: any grade (`astct`, `laboratory`, `icaht`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.errors import DataError, Problem

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Reader:
    """Columns of a frame as numbers, flags and grades of words; all problems are raised together."""

    def __init__(self, frame: pd.DataFrame, table: str) -> None:
        self.frame, self.table = frame, table
        self.problems: list[Problem] = []

    def numbers(self, name: str, *, needed: bool = True, within: tuple[float, float] | None = None) -> Floats:
        """A column of numbers, NaN where blank."""
        if not self.is_there(name, needed):
            return np.full(len(self.frame), np.nan)
        given = self.frame[name]
        values: Floats = pd.to_numeric(given, errors="coerce").to_numpy(dtype=float)
        if np.isnan(values).any():
            self.refuse(name, np.isnan(values) & ~_blank(given), "NOT-A-NUMBER", "a number belongs here")
        if within is not None:
            low, high = within
            outside = (values < low) | (values > high) | (values != np.floor(values)) & ~np.isnan(values)
            self.refuse(
                name, outside, "OUT-OF-RANGE", f"a whole number from {low:g} to {high:g} belongs here"
            )
        return values

    def flags(self, name: str, *, blank: float | None = None) -> Floats:
        """A column of 1 and 0; `blank` stands for a missing cell, and for a column that is not there."""
        values = self.numbers(name, needed=blank is None)
        self.refuse(
            name, ~np.isnan(values) & (values != 0) & (values != 1), "NOT-A-FLAG", "1 or 0 belongs here"
        )
        return values if blank is None else np.where(np.isnan(values), blank, values)

    def words(self, name: str, grades: Mapping[str, int]) -> Floats:
        """Grade of each word, NaN where blank."""
        if not self.is_there(name, True):
            return np.full(len(self.frame), np.nan)
        written = self._written(name)
        values: Floats = written.map(grades).to_numpy(dtype=float)
        unknown = np.isnan(values) & ~_blank(self.frame[name])
        self.refuse(name, unknown, "UNKNOWN-WORD", f"one of {', '.join(grades)}")
        return values

    def is_word(self, name: str, word: str) -> Flags:
        """Whether a column says one word; no where it is not there."""
        if name not in self.frame.columns:
            return np.zeros(len(self.frame), dtype=bool)
        said: Flags = (self._written(name) == word).to_numpy(dtype=bool)
        return said

    def finish(self) -> None:
        """Raise every problem found."""
        if self.problems:
            raise DataError(self.problems)

    def _written(self, name: str) -> pd.Series:
        """The words of a column in one spelling, None where blank."""
        words = self.frame[name].map(
            lambda word: str(word).strip().lower().replace(" ", "_").replace("-", "_")
        )
        return words.astype(object).mask(_blank(self.frame[name]), None)

    def is_there(self, name: str, needed: bool = True) -> bool:
        """Whether a column is there; a needed one that is not is a problem."""
        there = name in self.frame.columns
        if needed and not there:
            message = "this column is needed and is not there"
            self.problems.append(
                Problem(table=self.table, column=name, rule="MISSING-COLUMN", message=message)
            )
        return there

    def refuse(self, name: str, wrong: Flags, rule: str, message: str) -> None:
        """Name every wrong cell of a column."""
        for row in np.flatnonzero(wrong):
            found = str(self.frame[name].iloc[row])
            self.problems.append(
                Problem(
                    table=self.table, row=int(row) + 1, column=name, value=found, rule=rule, message=message
                )
            )


def _blank(column: pd.Series) -> Flags:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        missing: Flags = column.isna().to_numpy()
        return missing
    empty: Flags = (column.isna() | (column.astype(str).str.strip() == "")).to_numpy(dtype=bool)
    return empty


def texts(cases: Sequence[tuple[Flags, str]]) -> list[str]:
    """One note per row: every text whose case applies."""
    words = [np.where(applies, text, "") for applies, text in cases]
    return ["; ".join(filter(None, row)) for row in zip(*words, strict=True)]
