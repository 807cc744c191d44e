"""Areas under sampled curves: one segment between two neighbouring samples at a time.

Here: the linear and the logarithmic trapezoid, their first moments, and the area between any two
times. All profiles of a rectangle are computed together. Not here: which samples make the curve and
what happens after the last quantifiable one (`exposure`, `partial_area`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

AUC_METHODS = ("lin-up-log-down", "linear", "lin-log")

# Below this |ln(c2/c1)| the closed form of the first moment loses digits and its series is used instead:
# the sum over k of L^k / (k! (k + 2)), whose tenth term is under 1e-16 there.
_SERIES_BELOW = 0.1
_SERIES = (1 / 2, 1 / 3, 1 / 8, 1 / 30, 1 / 144, 1 / 840, 1 / 5760, 1 / 45360, 1 / 403200)


def total(values: Floats) -> Any:
    """Sum of each row, added from left to right.

    Terms in their order give the same bits whatever follows in the row, so neither the padding nor the
    number of other profiles moves a result. `numpy.sum` along a row groups its terms by the length of the
    row; down the columns of the transposed table it adds them one after the other.
    """
    if values.shape[1] == 0:
        return np.zeros(values.shape[0])
    if values.shape[0] == 1:
        return np.cumsum(values, axis=1)[:, -1]
    return np.add.reduce(np.ascontiguousarray(values.T), axis=0)


def count(flags: Flags) -> Any:
    """How many are true in each row."""
    return np.add.reduce(np.ascontiguousarray(flags.T), axis=0, dtype=np.intp)


def lowest(values: Floats) -> Any:
    """Smallest entry of each row, inf in an empty one; reduced down columns, which is many times faster."""
    return np.min(np.ascontiguousarray(values.T), axis=0, initial=np.inf)


def packed(keep: Flags, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
    """The kept entries of each row, moved to the left; the rest (at least one column) is NaN or False."""
    counts = count(keep)
    width = int(counts.max(initial=1))
    inside = np.arange(width) < counts[:, None]
    tidy = bool(np.array_equal(keep[:, :width], inside))
    moved = []
    for array in arrays:
        blank: Any = False if array.dtype == np.bool_ else np.nan
        if tidy:
            moved.append(np.where(inside, array[:, :width], blank))
        else:
            table = np.full(inside.shape, blank, dtype=array.dtype)
            table[inside] = array[keep]  # both masks run through the rows in the same order
            moved.append(table)
    return moved


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """Curves of a rectangle of profiles, cut into segments.

    Attributes
    ----------
    time, value : ndarray, profiles x points
        The points, packed to the left, NaN after the last.
    count : ndarray
        Points per profile.
    t1, t2, c1, c2 : ndarray, profiles x (points - 1)
        Ends of each segment; all zero where there is none.
    log : ndarray of bool
        Segments that fall (or rise) exponentially; the others are straight lines.
    slope : ndarray
        ln(c2/c1) / (t2 - t1) of a logarithmic segment, 0 of a straight one.
    """

    time: Floats
    value: Floats
    count: NDArray[np.intp]
    t1: Floats
    t2: Floats
    c1: Floats
    c2: Floats
    log: Flags
    slope: Floats


def curve(time: Floats, value: Floats, *, method: str, first_tmax: Floats) -> Curve:
    """Cut packed profiles into segments and choose the rule of each.

    Parameters
    ----------
    time, value : ndarray, profiles x points
        Packed to the left, strictly increasing times, NaN after the last point.
    method : {"lin-up-log-down", "linear", "lin-log"}
        `lin-up-log-down`: logarithmic where the value falls and stays above 0. `lin-log`: linear up to the
        first maximum, then logarithmic where both ends are above 0. Equal neighbours are always linear.
    first_tmax : ndarray, one per profile
        Time of the first maximum (used by `lin-log` only).

    Returns
    -------
    Curve
    """
    there = ~np.isnan(time[:, 1:])
    t1, t2, c1, c2 = (
        np.where(there, side, 0.0) for side in (time[:, :-1], time[:, 1:], value[:, :-1], value[:, 1:])
    )
    positive = (c1 > 0) & (c2 > 0)
    if method == "linear":
        log = np.zeros_like(positive)
    elif method == "lin-up-log-down":
        log = positive & (c2 < c1)
    else:
        log = positive & (c2 != c1) & (t1 >= first_tmax[:, None])
    slope = np.where(log, log_ratio(c1, c2, log), 0.0) / np.where(there, t2 - t1, 1.0)
    return Curve(
        time=time, value=value, count=count(~np.isnan(time)), t1=t1, t2=t2, c1=c1, c2=c2,
        log=log, slope=slope,
    )  # fmt: skip


def log_ratio(c1: Floats, c2: Floats, where: Flags) -> Any:
    """ln(c2/c1) to full precision, also for nearly equal values; 0 outside `where`."""
    low = np.where(where, c1, 1.0)
    high = np.where(where, c2, 1.0)
    ratio = high / low
    near = (ratio > 0.5) & (ratio < 2.0)
    return np.where(near, np.log1p(np.where(near, (high - low) / low, 0.0)), np.log(ratio))


def area(lines: Curve, low: Floats | float, high: Floats | float) -> Any:
    """Area of each profile between the times `low` and `high`, clipped to its curve.

    A piece of a segment is integrated by that segment's own rule, so areas of neighbouring windows add up.

    Parameters
    ----------
    lines : Curve
        The curves.
    low, high : float or ndarray, one per profile
        Limits; nothing is added outside the curve, and a NaN limit gives 0.

    Returns
    -------
    ndarray, one per profile
    """
    start = np.broadcast_to(np.nan_to_num(low), lines.count.shape)[:, None]
    stop = np.broadcast_to(np.nan_to_num(high), lines.count.shape)[:, None]
    u = np.clip(start, lines.t1, lines.t2)
    v = np.clip(stop, u, np.maximum(lines.t2, u))
    width = np.where(lines.t2 > lines.t1, lines.t2 - lines.t1, 1.0)
    rise = (lines.c2 - lines.c1) / width
    straight = (v - u) * (2 * lines.c1 + rise * ((u - lines.t1) + (v - lines.t1))) / 2
    fall = lines.slope * (v - u)
    bent = lines.c1 * np.exp(lines.slope * (u - lines.t1)) * (v - u) * _expm1_over(fall)
    return total(np.where(lines.log, bent, straight))


def moment(lines: Curve, high: Floats) -> Any:
    """First moment of the whole segments that end at or before `high` (NaN gives 0).

    Linear segments take the trapezoid of time x value, as the packages do; logarithmic ones the exact
    integral.
    """
    width = lines.t2 - lines.t1
    straight = width * (lines.t1 * lines.c1 + lines.t2 * lines.c2) / 2
    ratio = lines.slope * width
    bent = lines.t1 * lines.c1 * width * _expm1_over(ratio) + lines.c1 * width**2 * _moment_over(ratio)
    inside = lines.t2 <= np.nan_to_num(high)[:, None]
    return total(np.where(inside, np.where(lines.log, bent, straight), 0.0))


def time_above(lines: Curve, level: float) -> Any:
    """Time each curve lies at or above a level, crossing by the rule of each segment."""
    width = lines.t2 - lines.t1
    high1, high2 = lines.c1 >= level, lines.c2 >= level
    crosses = high1 != high2
    gap = np.where(crosses, lines.c2 - lines.c1, 1.0)
    bend = np.where(lines.log, lines.slope * width, 1.0)
    straight = (level - lines.c1) / gap
    bent = np.log(level / np.where(lines.log, lines.c1, level)) / bend
    part = np.where(lines.log, bent, straight)
    return total(np.where(crosses, width * np.where(high1, part, 1 - part), np.where(high1, width, 0.0)))


def _expm1_over(x: Floats) -> Any:
    """(exp(x) - 1) / x, and 1 at 0."""
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, np.expm1(safe) / safe)


def _moment_over(x: Floats) -> Any:
    """Integral of s exp(x s) over s from 0 to 1: (exp(x) (x - 1) + 1) / x^2."""
    small = np.abs(x) < _SERIES_BELOW
    series = np.zeros_like(x)
    for term in reversed(_SERIES):
        series = series * np.where(small, x, 0.0) + term
    safe = np.where(small, 1.0, x)
    return np.where(small, series, (np.exp(safe) * (safe - 1) + 1) / safe**2)
