"""Counting subjects in the rows of a table: everybody once per row, at the worst grade.

Here: records (row, subject, grade, day) reduced to one cell per row and subject, the cells counted by group
of subjects, the time to the first event, and spans of days merged into episodes. Not here: which record
belongs in which row, the order of the rows, and intervals (`stats.proportions`, `stats.rates`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    when no record has one, and None where the days were not asked for.
    """

    row: Ints
    subject: Ints
    n_records: Ints
    worst: Ints
    first: Floats | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Arrays of rows by groups; `at_grade` has a third axis: grade missing, 1, 2, 3, 4, 5."""

    n_subjects: Ints
    n_records: Ints
    at_grade: Ints


def cells(
    row: npt.ArrayLike, subject: npt.ArrayLike, *, grade: npt.ArrayLike, day: npt.ArrayLike | None = None
) -> Cells:
    """Reduce records to one cell per table row and subject.

    Parameters
    ----------
    row, subject : array_like of int
        Position of the table row and of the subject, from 0.
    grade : array_like of float
        Grade 1 to 5; anything else is a missing grade.
    day : array_like of float, optional
        Day of onset; NaN when unknown. Without days a large table takes a third of the time: the numbers
        themselves are sorted then, not their order.

    Returns
    -------
    Cells
        Sorted by subject, then row.

    Examples
    --------
    >>> found = cells([0, 0, 0], [7, 7, 8], grade=[2, 4, float("nan")], day=[3, 1, float("nan")])
    >>> found.subject.tolist(), found.worst.tolist(), found.n_records.tolist(), found.first.tolist()
    ([7, 8], [4, 0], [2, 1], [1.0, nan])
    """
    rows, subjects = np.asarray(row, dtype=np.int64), np.asarray(subject, dtype=np.int64)
    if not rows.size:
        none = np.zeros(0, dtype=np.int64)
        first = None if day is None else np.zeros(0)
        return Cells(row=none, subject=none, n_records=none, worst=none, first=first)
    grades = np.asarray(grade, dtype=float)
    known = np.zeros(rows.size, dtype=np.int8)
    np.copyto(known, grades, where=(grades >= 1) & (grades <= GRADES), casting="unsafe")
    key, width = _packed(subjects, rows)
    if day is None and key.size and int(key.max()) < 2**60:
        return _sorted_cells(key, width, known)
    order = order_of(key)
    begins = _begins(key[order])
    some = order[begins]  # a record of each cell
    return Cells(
        row=rows[some],
        subject=subjects[some],
        n_records=np.diff(begins, append=order.size),
        worst=np.maximum.reduceat(known[order], begins).astype(np.int64),
        first=None if day is None else np.fmin.reduceat(np.asarray(day, dtype=float)[order], begins),
    )


_GRADE_BITS = 3


def _packed(subjects: Ints, rows: Ints) -> tuple[Ints, int]:
    """One number per record, by subject and then row, and how many bits the row has in it."""
    width = int(rows.max(initial=0)).bit_length()
    key = subjects << width
    key |= rows
    return key, width


def _sorted_cells(key: Ints, width: int, known: npt.NDArray[np.int8]) -> Cells:
    """Cells from one sort of numbers that hold subject, row and grade: the last of a cell is its worst."""
    short = int(key.max()) < 2 ** (32 - _GRADE_BITS)
    packed: npt.NDArray[Any] = key.astype(np.uint32 if short else np.int64)
    packed <<= _GRADE_BITS
    packed |= known.astype(packed.dtype)
    packed.sort()
    begins = _begins(packed >> _GRADE_BITS)
    n_records = np.diff(begins, append=packed.size)
    last = packed[begins + n_records - 1].astype(np.int64)
    cell = last >> _GRADE_BITS
    return Cells(
        row=cell & ((1 << width) - 1),
        subject=cell >> width,
        n_records=n_records,
        worst=last & ((1 << _GRADE_BITS) - 1),
        first=None,
    )


def coarser(found: Cells, holder: npt.ArrayLike) -> Cells:
    """Merge cells into those of rows that hold several of theirs.

    Parameters
    ----------
    found : Cells
        From `cells`.
    holder : array_like of int
        For each row the row that holds it; never falling, so that the cells stay sorted.

    Returns
    -------
    Cells
        One per subject and holding row, sorted by subject, then row.

    Raises
    ------
    ValueError
        If `holder` falls.

    Examples
    --------
    >>> found = cells([0, 1, 2], [7, 7, 7], grade=[2, 4, 1], day=[3, 1, 0])
    >>> merged = coarser(found, [0, 0, 1])
    >>> merged.row.tolist(), merged.worst.tolist(), merged.n_records.tolist()
    ([0, 1], [4, 1], [2, 1])
    """
    holds = np.asarray(holder, dtype=np.int64)
    if (holds[1:] < holds[:-1]).any():
        raise ValueError("holder must not fall from one row to the next")
    if not found.row.size:
        return found
    row = holds[found.row]
    begins = _begins(found.subject * (int(holds[-1]) + 1) + row)
    return Cells(
        row=row[begins],
        subject=found.subject[begins],
        n_records=np.add.reduceat(found.n_records, begins),
        worst=np.maximum.reduceat(found.worst, begins),
        first=None if found.first is None else np.fmin.reduceat(found.first, begins),
    )


def together(parts: Sequence[Cells]) -> Cells:
    """Cells of different rows as those of one table, one part after the other."""
    days = [cells.first for cells in parts if cells.first is not None]
    return Cells(
        row=np.concatenate([cells.row for cells in parts]),
        subject=np.concatenate([cells.subject for cells in parts]),
        n_records=np.concatenate([cells.n_records for cells in parts]),
        worst=np.concatenate([cells.worst for cells in parts]),
        first=np.concatenate(days) if len(days) == len(parts) else None,
    )


def _begins(key: npt.NDArray[np.integer[Any]]) -> Ints:
    """Where each different number of a sorted array begins."""
    other = np.ones(key.size, dtype=bool)
    np.not_equal(key[1:], key[:-1], out=other[1:])
    return np.flatnonzero(other)


_DIGIT = 16


def numbered(key: Ints, size: int) -> tuple[Ints, Ints]:
    """Number of each key among the different ones in ascending order, and these; keys are 0 to `size` - 1.

    Examples
    --------
    >>> number, different = numbered(np.array([7, 2, 7]), 9)
    >>> number.tolist(), different.tolist()
    ([1, 0, 1], [2, 7])
    """
    if size > 4 * key.size + 2**_DIGIT:
        different, number = np.unique(key, return_inverse=True)
        return number, different
    there = np.bincount(key, minlength=size) > 0
    return (np.cumsum(there) - 1)[key], np.flatnonzero(there)


def order_of(key: Ints) -> Ints:
    """Order that sorts whole numbers from 0, equal ones as they stand.

    Examples
    --------
    >>> order_of(np.array([3, 1, 3, 0])).tolist()
    [3, 1, 0, 2]
    """
    highest = int(key.max(initial=0))
    if key.size < 2**_DIGIT or highest >> 3 * _DIGIT:
        return np.argsort(key, kind="stable")
    # By 16-bit digits, lowest first: numpy sorts those by counting, at a fifth of the cost of whole numbers.
    order = np.argsort(key.astype(np.uint16), kind="stable")
    for shift in range(_DIGIT, highest.bit_length(), _DIGIT):
        digit = (key >> shift).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
    return order


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
    width = GRADES + 1
    kind, groups = _kinds(np.asarray(members, dtype=bool))
    n_kinds = groups.shape[1]
    place = kind[found.subject] * n_rows + found.row
    n_records = np.bincount(place, weights=found.n_records, minlength=n_kinds * n_rows)
    graded = np.bincount(place * width + found.worst, minlength=n_kinds * n_rows * width)
    at_grade = np.tensordot(graded.reshape(n_kinds, n_rows, width), groups, axes=(0, 1)).transpose(0, 2, 1)
    return Counts(
        n_subjects=at_grade.sum(axis=2),
        n_records=n_records.reshape(n_kinds, n_rows).astype(np.int64).T @ groups.T,
        at_grade=at_grade,
    )


def _kinds(members: Flags) -> tuple[Ints, Ints]:
    """Subjects of the same groups are of one kind: the kind of each, and whether each group has it."""
    kind = np.zeros(members.shape[1], dtype=np.int64)
    for member in members:
        kind = 2 * kind + member
        kind = (np.cumsum(np.bincount(kind) > 0) - 1)[kind]
    someone = np.zeros(kind.max(initial=-1) + 1, dtype=np.int64)
    someone[kind] = np.arange(kind.size)
    return kind, members[:, someone].astype(np.int64)


def time_to_first(
    found: Cells, members: npt.ArrayLike, n_rows: int, *, start: npt.ArrayLike, end: npt.ArrayLike
) -> tuple[Ints, Floats]:
    """First events and the days at risk up to them, of each row in each group.

    Parameters
    ----------
    found : Cells
        From `cells` with their days, on the same clock as `start` and `end`.
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

    Raises
    ------
    ValueError
        If the cells have no days.

    Examples
    --------
    >>> found = cells([0], [0], grade=[1], day=[9])
    >>> n_first, days = time_to_first(found, [[True, True]], 1, start=[0, 0], end=[99, 99])
    >>> n_first.tolist(), days.tolist()
    ([[1]], [[110.0]])
    """
    if found.first is None:
        raise ValueError("found must have the days of its cells; give `day` to cells()")
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
