"""Counting subjects in the rows of a table: everybody once per row, at the worst grade.

Here: records (row, subject, grade, day) reduced to one cell per row and subject, the cells counted by group
of subjects, the time to the first event, and spans of days merged into episodes. Not here: which record
belongs in which row, the order of the rows, and intervals (`stats.proportions`, `stats.rates`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

GRADES = 5

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """One entry per table row and subject with at least one record in it.

    `worst` is the highest known grade, 0 when no record has one; `first` is the earliest known day, NaN
    when no record has one.
    """

    row: Ints
    subject: Ints
    n_records: Ints
    worst: Ints
    first: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Arrays of rows by groups; `at_grade` has a third axis: grade missing, 1, 2, 3, 4, 5."""

    n_subjects: Ints
    n_records: Ints
    at_grade: Ints


def cells(row: npt.ArrayLike, subject: npt.ArrayLike, *, grade: npt.ArrayLike, day: npt.ArrayLike) -> Cells:
    """Reduce records to one cell per table row and subject.

    Parameters
    ----------
    row, subject : array_like of int
        Position of the table row and of the subject, from 0.
    grade : array_like of float
        Grade 1 to 5; anything else is a missing grade.
    day : array_like of float
        Day of onset; NaN when unknown.

    Returns
    -------
    Cells
        Sorted by row, then subject.

    Examples
    --------
    >>> found = cells([0, 0, 0], [7, 7, 8], grade=[2, 4, float("nan")], day=[3, 1, float("nan")])
    >>> found.subject.tolist(), found.worst.tolist(), found.n_records.tolist(), found.first.tolist()
    ([7, 8], [4, 0], [2, 1], [1.0, nan])
    """
    rows, subjects = np.asarray(row, dtype=np.int64), np.asarray(subject, dtype=np.int64)
    if not rows.size:
        none = np.zeros(0, dtype=np.int64)
        return Cells(row=none, subject=none, n_records=none, worst=none, first=np.zeros(0))
    known = np.asarray(grade, dtype=float)
    known = np.where((known >= 1) & (known <= GRADES), known, 0).astype(np.int64)
    width = int(subjects.max()) + 1
    key = rows * width + subjects
    order = np.argsort(key, kind="stable")
    key = key[order]
    begins = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    first = np.fmin.reduceat(np.asarray(day, dtype=float)[order], begins)
    return Cells(
        row=key[begins] // width,
        subject=key[begins] % width,
        n_records=np.diff(np.r_[begins, key.size]),
        worst=np.maximum.reduceat(known[order], begins),
        first=first,
    )


def count(found: Cells, members: npt.ArrayLike, n_rows: int) -> Counts:
    """Subjects, records and worst grades of each row in each group.

    Parameters
    ----------
    found : Cells
        From `cells`.
    members : array_like of bool, groups by subjects
        Who belongs to which group; groups may overlap.
    n_rows : int
        Rows of the table; one without a record counts 0.

    Returns
    -------
    Counts
        Arrays of `n_rows` by groups.

    Examples
    --------
    >>> found = cells([0, 0], [0, 1], grade=[2, 3], day=[0, 0])
    >>> count(found, [[True, False], [True, True]], 2).n_subjects.tolist()
    [[1, 2], [0, 0]]
    """
    groups = np.asarray(members, dtype=bool)
    width = GRADES + 1
    n_subjects, n_records, at_grade = [], [], []
    for group in groups:
        inside = group[found.subject]
        rows = found.row[inside]
        graded = np.bincount(rows * width + found.worst[inside], minlength=n_rows * width)
        at_grade.append(graded.reshape(n_rows, width))
        n_subjects.append(at_grade[-1].sum(axis=1))
        n_records.append(np.bincount(rows, weights=found.n_records[inside], minlength=n_rows))
    return Counts(
        n_subjects=np.stack(n_subjects, axis=1).astype(np.int64),
        n_records=np.stack(n_records, axis=1).astype(np.int64),
        at_grade=np.stack(at_grade, axis=1).astype(np.int64),
    )


def time_to_first(
    found: Cells, members: npt.ArrayLike, n_rows: int, *, start: npt.ArrayLike, end: npt.ArrayLike
) -> tuple[Ints, Floats]:
    """First events and the days at risk up to them, of each row in each group.

    Parameters
    ----------
    found : Cells
        From `cells`; `first` on the same clock as `start` and `end`.
    members : array_like of bool, groups by subjects
        Who belongs to which group.
    n_rows : int
        Rows of the table.
    start, end : array_like of float, one per subject
        First and last day at risk, both included. A subject without a start is never at risk; a start
        without an end makes the days of the whole group unknown (NaN).

    Returns
    -------
    n_first : array of int
        Subjects whose first event is known and not after `end`. An event before `start` counts on that day.
    days : array of float
        Days at risk: to the first event, else to `end`.

    Examples
    --------
    >>> found = cells([0], [0], grade=[1], day=[9])
    >>> n_first, days = time_to_first(found, [[True, True]], 1, start=[0, 0], end=[99, 99])
    >>> n_first.tolist(), days.tolist()
    ([[1]], [[110.0]])
    """
    groups = np.asarray(members, dtype=bool)
    begin, last = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    whole = np.where(np.isnan(begin), 0.0, np.maximum(last - begin + 1, 0))
    onset = np.maximum(found.first, begin[found.subject])
    happened = onset <= last[found.subject]
    saved = np.where(happened, onset - begin[found.subject] + 1 - whole[found.subject], 0.0)
    n_first, days = [], []
    for group in groups:
        inside = group[found.subject] & happened
        rows = found.row[inside]
        n_first.append(np.bincount(rows, minlength=n_rows))
        days.append(whole[group].sum() + np.bincount(rows, weights=saved[inside], minlength=n_rows))
    return np.stack(n_first, axis=1).astype(np.int64), np.stack(days, axis=1)


def episodes(
    series: npt.ArrayLike, start: npt.ArrayLike, end: npt.ArrayLike, *, gap: float
) -> tuple[Ints, Ints]:
    """Merge spans of days that touch, within each series.

    Parameters
    ----------
    series : array_like of int
        What the spans belong to; spans of different series never merge.
    start, end : array_like of float
        First and last day; an `end` that is NaN has no end.
    gap : float
        A span that starts at most so many days after the end so far continues the episode.

    Returns
    -------
    order : array of int
        The spans by series and start.
    begins : array of int
        Positions in `order` at which an episode begins.

    Examples
    --------
    >>> order, begins = episodes([0, 0, 0], [9, 1, 3], [9, 2, 5], gap=1)
    >>> order.tolist(), begins.tolist()
    ([1, 2, 0], [0, 2])
    """
    which, first = np.asarray(series, dtype=np.int64), np.asarray(start, dtype=float)
    if not which.size:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    last = np.asarray(end, dtype=float)
    last = np.where(np.isnan(last), np.inf, last)
    order = np.lexsort((last, first, which))
    which, first, last = which[order], first[order], last[order]
    other = np.r_[True, which[1:] != which[:-1]]
    # One running maximum serves all series: each stands above all days of those before it.
    floor, width = first.min(), np.ptp(np.r_[first, last[np.isfinite(last)]]) + gap + 2
    height = np.cumsum(other) * 2 * width
    reach = np.maximum.accumulate(np.minimum(last - floor, width) + height)
    begins = other | np.r_[True, (first - floor + height)[1:] > reach[:-1] + gap]
    return order, np.flatnonzero(begins)
