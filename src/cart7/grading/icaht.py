"""Haematotoxicity after CAR-T cells (ICAHT): neutrophils and platelets, early and late.

Here: counts laid out by day, short gaps filled, low periods and their grades. Not here: which samples of a
study are graded, and when its observation ends (`safety`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.errors import DataError, Problem
from cart7.grading.reading import Reader

EARLY_LAST_DAY = 30
LATE_LAST_DAY = 100
MAX_GAP_DAYS = 7
FOLLOW_UP_COLUMNS = ("last_followup_day", "death_day")
THERAPY_COLUMNS = ("next_therapy_day", "progression_day")

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Days = npt.NDArray[np.int64]


def icaht_neutropenia(anc: pd.DataFrame, subjects: pd.DataFrame, *, join_days: int = 2) -> pd.DataFrame:
    """Early and late neutropenia grade after CAR-T cells (ICAHT, EHA/EBMT 2023).

    Parameters
    ----------
    anc : DataFrame
        First column: the subject. `day`: days since infusion (infusion day 0; a pre-dose -0.02 is day 0).
        `anc_cells_per_ul`: neutrophils in cells/uL.
    subjects : DataFrame
        First column: the subject. Optional, in days since infusion: `last_followup_day`, `death_day`
        (end of observation), `next_therapy_day`, `progression_day` (end of the late period). A column
        that is absent, or a blank, limits nothing.
    join_days : int, default 2
        Two low periods with at most so many days above the threshold between them are one: recovery is
        `join_days` + 1 consecutive days above.

    Returns
    -------
    DataFrame
        The rows of `subjects` with `early_grade`, `late_grade` (0 to 4), `days_le_500`, `days_le_100` (the
        longest period on days 0 to 30), `recovery_day` (first of the consecutive days above 500 after the
        first day at or below), `days_observed`, `days_interpolated`, `days_unknown` (of the days 0 to 30
        under observation) and `note`.

    Raises
    ------
    DataError
        If a needed column is missing or holds text where a number belongs.

    Notes
    -----
    The lowest value of a day counts. Up to 7 missing days between two values are interpolated linearly, up
    to 7 at the edges of the period take the nearest value; longer gaps stay unknown. Early: <= 500 for 1-6
    days is 1, 7-13 is 2, 14 or more is 3; <= 100 for 7-13 days is 3, 14 or more is 4; a low period that
    begins by day 3 and lasts to the end of what is known is 4. Late (day 31 to 100, next therapy,
    progression or last contact): the lowest value <= 1500 is 1, <= 1000 is 2, <= 500 is 3, <= 100 is 4,
    unless the second lowest is above 1500 (transient: 0).

    References
    ----------
    Rejeski K, Subklewe M, Aljurf M, et al. (2023). Blood 142:865-877. doi:10.1182/blood.2023020578

    Examples
    --------
    >>> anc = pd.DataFrame({"id": "001", "day": range(31), "anc_cells_per_ul": [400] * 8 + [900] * 23})
    >>> graded = icaht_neutropenia(anc, pd.DataFrame({"id": ["001"]}))
    >>> graded[["days_le_500", "early_grade", "recovery_day"]].values.tolist()
    [[8.0, 2.0, 8.0]]
    """
    return subjects.assign(**neutropenia(_counts_by_day(anc, "anc", "anc_cells_per_ul", subjects), join_days))


def neutropenia(counts: "Counts", join_days: int = 2) -> dict[str, npt.NDArray[Any]]:
    """The columns that `icaht_neutropenia` appends, a value per row of the grid."""
    early = _early(counts)
    below_500 = early.known & (early.level <= 500)
    below_100 = early.known & (early.level <= 100)
    run_500, run_100 = _run_lengths(below_500, join_days), _run_lengths(below_100, join_days)
    days_500, days_100 = run_500.max(axis=1), run_100.max(axis=1)
    grade = np.maximum(
        np.select([days_500 >= 14, days_500 >= 7, days_500 >= 1], [3, 2, 1], 0),
        np.select([days_100 >= 14, days_100 >= 7], [4, 3], 0),
    )
    grade = np.where(_never_recovered(run_500, early), 4, grade).astype(float)
    observed = early.known.any(axis=1)
    late_grade, late_note = _late_neutropenia(counts)
    return {
        "early_grade": np.where(observed, grade, np.nan),
        "late_grade": late_grade,
        "days_le_500": np.where(observed, days_500, np.nan),
        "days_le_100": np.where(observed, days_100, np.nan),
        "recovery_day": _recovery_day(early, below_500, join_days + 1),
        **early.counts,
        "note": _joined(early.note("ANC", grade < 4), late_note),
    }


def icaht_thrombocytopenia(
    platelets: pd.DataFrame, subjects: pd.DataFrame, *, join_days: int = 2
) -> pd.DataFrame:
    """Early and late thrombocytopenia grade after CAR-T cells (T-ICAHT).

    Parameters
    ----------
    platelets : DataFrame
        First column: the subject. `day`: days since infusion. `platelets_10e9_per_l`: platelets in 10^9/L.
    subjects : DataFrame
        As in `icaht_neutropenia`.
    join_days : int, default 2
        As in `icaht_neutropenia`; the code posted with the definition joins over 6 days.

    Returns
    -------
    DataFrame
        The rows of `subjects` with `early_grade`, `late_grade`, `days_lt_50`, `days_lt_20` (the longest
        period on days 0 to 30), `days_observed`, `days_interpolated`, `days_unknown` and `note`.

    Raises
    ------
    DataError
        If a needed column is missing or holds text where a number belongs.

    Notes
    -----
    Gaps as in `icaht_neutropenia`; all bounds are strict, as printed. Early: < 50 for 1-6 days is 1, 7 or
    more is 2; < 20 for 1-13 days is 3, 14 or more is 4. Late (day 31 to 100): two values < 100 are 1, two
    values < 50 are 2 (a single value counts alone when there is only one); < 20 as in the early period.

    References
    ----------
    Blood Advances, T-ICAHT grading table; the bounds are taken as printed there, not as coded (<=).

    Examples
    --------
    >>> platelets = pd.DataFrame({"id": "001", "day": range(31), "platelets_10e9_per_l": 40})
    >>> icaht_thrombocytopenia(platelets, pd.DataFrame({"id": ["001"]}))[["early_grade"]].values.tolist()
    [[2.0]]
    """
    counts = _counts_by_day(platelets, "platelets", "platelets_10e9_per_l", subjects)
    return subjects.assign(**thrombocytopenia(counts, join_days))


def thrombocytopenia(counts: "Counts", join_days: int = 2) -> dict[str, npt.NDArray[Any]]:
    """The columns that `icaht_thrombocytopenia` appends, a value per row of the grid."""
    early = _early(counts)
    days_50 = _run_lengths(early.known & (early.level < 50), join_days).max(axis=1)
    days_20 = _run_lengths(early.known & (early.level < 20), join_days).max(axis=1)
    grade = np.select([days_20 >= 14, days_20 >= 1, days_50 >= 7, days_50 >= 1], [4, 3, 2, 1], 0)
    observed = early.known.any(axis=1)
    late_grade, late_note = _late_thrombocytopenia(counts, join_days)
    return {
        "early_grade": np.where(observed, grade, np.nan),
        "late_grade": late_grade,
        "days_lt_50": np.where(observed, days_50, np.nan),
        "days_lt_20": np.where(observed, days_20, np.nan),
        **early.counts,
        "note": _joined(early.note("platelets", grade < 4), late_note),
    }


CELLS_PER_UL = {
    "10^9/l": 1000.0, "10*9/l": 1000.0, "10e9/l": 1000.0, "x10^9/l": 1000.0, "x10e9/l": 1000.0,
    "giga/l": 1000.0, "10^3/ul": 1000.0, "10*3/ul": 1000.0, "x10^3/ul": 1000.0, "k/ul": 1000.0,
    "cells/ul": 1.0, "/ul": 1.0, "1/ul": 1.0, "/mm3": 1.0, "/mm^3": 1.0, "cells/mm3": 1.0, "10^6/l": 1.0,
}  # fmt: skip
"""Factor of each unit of a cell count to cells/uL, in lower case."""


def cells_per_ul(values: pd.Series, units: pd.Series, *, rows: pd.Series) -> pd.Series:
    """Cell counts in cells/uL.

    Parameters
    ----------
    values, units : Series
        Counts and their units, in any of `CELLS_PER_UL` (case and blanks do not matter).
    rows : Series
        Row of each value in its table, for the message.

    Raises
    ------
    DataError
        Naming every row whose unit is not known.

    Examples
    --------
    >>> cells_per_ul(pd.Series([0.5]), pd.Series(["10^9/L"]), rows=pd.Series([1])).tolist()
    [500.0]
    """
    code, different = pd.factorize(units)  # code -1, a blank, is the last
    factors = np.array([*map(_factor, different.tolist()), np.nan])
    factor = pd.Series(factors[code], index=units.index, name=units.name)
    known = ", ".join(("10^9/L", "10^3/uL", "cells/uL"))
    problems = [
        Problem(table="labs", row=int(row), column="unit", value=unit, rule="UNIT-UNKNOWN",
                message=f"the unit of a cell count must be known, such as {known}")
        for row, unit in zip(rows[factor.isna()], units[factor.isna()], strict=True)
    ]  # fmt: skip
    if problems:
        raise DataError(problems)
    # 0.29 x 1000 is 290.00000000000006 in binary; a count has no such digits.
    return (values * factor).round(6)


def _factor(unit: object) -> float:
    """Cells/uL of one of a unit; NaN when it is not known."""
    written = str(unit).replace(" ", "").replace("\u00b5", "u").replace("\u03bc", "u").lower()
    return CELLS_PER_UL.get(written, np.nan)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Blood counts on a grid of subjects (rows) by days 0 to 100, and when observation ends."""

    lowest: Floats  # NaN where nothing was measured
    observed_to: Days  # last day under observation
    late_to: Days  # last day of the late period


@dataclass(frozen=True, kw_only=True)
class _Period:
    """One period of the grid, its short gaps filled; NaN where the level is unknown."""

    level: Floats
    measured: Flags
    last: Days  # last column under observation, -1 when there is none

    @property
    def known(self) -> Flags:
        return ~np.isnan(self.level)

    @property
    def counts(self) -> dict[str, Days]:
        """How many days were measured, interpolated and unknown."""
        measured, known = self.measured.sum(axis=1), self.known.sum(axis=1)
        return {
            "days_observed": measured,
            "days_interpolated": known - measured,
            "days_unknown": np.maximum(self.last + 1, 0) - known,
        }

    def note(self, what: str, could_be_higher: Flags) -> list[str]:
        """Why the early grade is missing, a lower bound, or rests on a short observation."""
        known, days = self.known.sum(axis=1), self.last + 1
        notes = []
        for n_known, n_days, higher in zip(known, days, could_be_higher, strict=True):
            if n_known == 0:
                notes.append(f"early: no {what} on days 0 to {EARLY_LAST_DAY}")
            elif n_known < n_days:
                bound = ", the grade is a lower bound" if higher else ""
                notes.append(f"early: {what} unknown on {n_days - n_known} of {n_days} days{bound}")
            elif n_days <= EARLY_LAST_DAY:
                notes.append(f"early: observed to day {n_days - 1}")
            else:
                notes.append("")
        return notes


def _counts_by_day(values: pd.DataFrame, table: str, column: str, subjects: pd.DataFrame) -> Counts:
    """Lay the counts of a frame out by subject and day."""
    read, people = Reader(values, table), Reader(subjects, "subjects")
    day, level = read.numbers("day"), read.numbers(column)
    limits = {name: people.numbers(name, needed=False) for name in FOLLOW_UP_COLUMNS + THERAPY_COLUMNS}
    read.problems += people.problems
    read.finish()
    keys, subject = np.unique(_ids(subjects), return_inverse=True)
    position = pd.Index(keys).get_indexer(pd.Index(_ids(values)))
    return laid_out(position, day, level, limits, subject)


def laid_out(
    position: npt.NDArray[np.int64], day: Floats, level: Floats, limits: Mapping[str, Floats], subject: Days
) -> Counts:
    """Lay counts out by subject and day; the lowest of a day counts.

    `position` is the subject that a count is of, -1 for none; `subject` is the one of each row of the grid,
    and `limits` are its days of `FOLLOW_UP_COLUMNS` and `THERAPY_COLUMNS`, NaN where they are unknown.
    """
    day = np.trunc(day)  # a pre-dose sample (-0.02) is of the infusion day
    used = (position >= 0) & (day >= 0) & (day <= LATE_LAST_DAY)
    grid = np.full((int(subject.max(initial=-1)) + 1, LATE_LAST_DAY + 1), np.nan)
    np.fmin.at(grid, (position[used], day[used].astype(np.int64)), level[used])
    end = _earliest(limits, FOLLOW_UP_COLUMNS)
    return Counts(
        lowest=grid[subject],
        observed_to=end.astype(np.int64),
        late_to=np.minimum(end, _earliest(limits, THERAPY_COLUMNS)).astype(np.int64),
    )


def _ids(frame: pd.DataFrame) -> npt.NDArray[Any]:
    """The first column as text: it names the subject, whatever its own name."""
    return np.array([str(value).strip() for value in frame.iloc[:, 0].tolist()], dtype=str)


def _earliest(limits: Mapping[str, Floats], columns: tuple[str, ...]) -> Floats:
    """The earliest whole day of the columns, day 100 where none of them says."""
    days = np.floor(np.fmin.reduce([limits[name] for name in columns]))
    return np.clip(np.where(np.isnan(days), LATE_LAST_DAY, days), -1, LATE_LAST_DAY)


def _early(counts: Counts) -> _Period:
    last = np.minimum(counts.observed_to, EARLY_LAST_DAY)
    return _filled(counts.lowest[:, : EARLY_LAST_DAY + 1], last)


def _late(counts: Counts) -> _Period:
    return _filled(counts.lowest[:, EARLY_LAST_DAY + 1 :], counts.late_to - EARLY_LAST_DAY - 1)


def _filled(lowest: Floats, last: Days) -> _Period:
    """Fill the gaps of at most 7 days: linearly between two values, with the nearest one at an edge."""
    n_days = lowest.shape[1]
    day = np.arange(n_days)
    under_observation = day <= last[:, None]
    measured = ~np.isnan(lowest) & under_observation
    before = np.maximum.accumulate(np.where(measured, day, -1), axis=1)
    after = np.minimum.accumulate(np.where(measured, day, n_days)[:, ::-1], axis=1)[:, ::-1]
    left = np.take_along_axis(lowest, np.maximum(before, 0), axis=1)
    right = np.take_along_axis(lowest, np.minimum(after, n_days - 1), axis=1)
    starts, ends = before < 0, after == n_days
    share = (day - before) / np.maximum(after - before, 1)
    between = np.round(left + (right - left) * share, 9)
    level = np.where(starts, right, np.where(ends, left, between))
    gap = np.where(starts, after, np.where(ends, last[:, None] - before, after - before - 1))
    fill = under_observation & ~(starts & ends) & (gap <= MAX_GAP_DAYS)
    return _Period(level=np.where(fill, level, np.nan), measured=measured, last=last)


def _run_lengths(low: Flags, join_days: int) -> Days:
    """For every day how long the low period has lasted, 0 outside; near periods are joined."""
    n_days = low.shape[1]
    day = np.arange(n_days)
    before = np.maximum.accumulate(np.where(low, day, -1), axis=1)
    after = np.minimum.accumulate(np.where(low, day, n_days)[:, ::-1], axis=1)[:, ::-1]
    # Unknown stretches are longer than 7 days, so a bridge this short holds known days only.
    joined = low | ((before >= 0) & (after < n_days) & (after - before - 1 <= min(join_days, MAX_GAP_DAYS)))
    last_break = np.maximum.accumulate(np.where(joined, -1, day), axis=1)
    return np.where(joined, day - last_break, 0)


def _never_recovered(run: Days, early: _Period) -> Flags:
    """Low from day 3 or before to the last known day, which ends the period or the observation.

    Where the values stop although the subject is followed up, recovery is unknown, not absent.
    """
    day = np.arange(run.shape[1])
    last_known = np.where(early.known, day, -1).max(axis=1)
    length = np.take_along_axis(run, np.maximum(last_known, 0)[:, None], axis=1)[:, 0]
    lost_early = early.last < EARLY_LAST_DAY
    at_the_end = (last_known == early.last) | lost_early
    never: Flags = (last_known >= 0) & (length > 0) & (last_known - length + 1 <= 3) & at_the_end
    return never


def _recovery_day(early: _Period, low: Flags, needed: int) -> Floats:
    """First of the consecutive days above the threshold that follow the first low day."""
    day = np.arange(low.shape[1])
    above = early.known & ~low & (np.maximum.accumulate(low, axis=1))
    length = np.where(above, day - np.maximum.accumulate(np.where(above, -1, day), axis=1), 0)
    recovered = length >= needed
    first = recovered.argmax(axis=1) - needed + 1
    return np.where(recovered.any(axis=1), first, np.nan)


def _two_lowest(counts: Counts) -> tuple[Floats, Floats]:
    """Lowest and second lowest daily value of the late period, NaN where there is none."""
    day = np.arange(EARLY_LAST_DAY + 1, LATE_LAST_DAY + 1)
    late = np.where(day <= counts.late_to[:, None], counts.lowest[:, EARLY_LAST_DAY + 1 :], np.nan)
    ordered = np.sort(late, axis=1)
    return ordered[:, 0], ordered[:, 1]


def _late_neutropenia(counts: Counts) -> tuple[Floats, list[str]]:
    lowest, second = _two_lowest(counts)
    grade = np.select([lowest <= 100, lowest <= 500, lowest <= 1000, lowest <= 1500], [4, 3, 2, 1], 0)
    grade = np.where(second > 1500, 0, grade)
    return np.where(np.isnan(lowest), np.nan, grade), _late_notes("ANC", counts, lowest, second)


def _late_thrombocytopenia(counts: Counts, join_days: int) -> tuple[Floats, list[str]]:
    lowest, second = _two_lowest(counts)
    late = _late(counts)
    days_20 = _run_lengths(late.known & (late.level < 20), join_days).max(axis=1)
    both = np.where(np.isnan(second), lowest, second)
    grade = np.select([days_20 >= 14, days_20 >= 1, both < 50, both < 100], [4, 3, 2, 1], 0)
    return np.where(np.isnan(lowest), np.nan, grade), _late_notes("platelets", counts, lowest, second)


def _late_notes(what: str, counts: Counts, lowest: Floats, second: Floats) -> list[str]:
    notes = []
    for last, missing, single in zip(counts.late_to, np.isnan(lowest), np.isnan(second), strict=True):
        if missing and last <= EARLY_LAST_DAY:
            notes.append(f"late: the period ended by day {max(last, 0)}")
        elif missing:
            notes.append(f"late: no {what} on days {EARLY_LAST_DAY + 1} to {last}")
        else:
            notes.append("late: graded on one value" if single else "")
    return notes


def _joined(first: list[str], second: list[str]) -> npt.NDArray[np.object_]:
    words = ["; ".join(filter(None, pair)) for pair in zip(first, second, strict=True)]
    return np.array(words, dtype=object)
