"""The terminal slope: the straight line through the last logarithms of a profile.

Here: all candidate windows of all profiles by running sums, and the choice of the best one.
Not here: which samples are candidates (`exposure`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cart7.stats.trapezoids import Flags, Floats, count, lowest, total

SLOPE_RULES = ("negative-only", "any")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TerminalSlope:
    """One line per profile, NaN where there is none.

    `rate` is the elimination rate (minus the slope, above 0), `predicted` the value of the line at
    `tlast`, `used` the samples on the line, `reason` why there is no line (else empty).
    """

    rate: Floats
    r_squared: Floats
    adj_r_squared: Floats
    n: Floats
    start: Floats
    end: Floats
    predicted: Floats
    used: Flags
    reason: NDArray[np.str_]


def best_window(
    time: Floats,
    value: Floats,
    candidate: Flags,
    tlast: Floats,
    *,
    min_points: int = 3,
    tolerance: float = 1e-4,
    slope_rule: str = "negative-only",
    whole: bool = False,
) -> TerminalSlope:
    """Best-fitting window of log-linear decline that ends at the last candidate.

    Parameters
    ----------
    time, value : ndarray, profiles x samples
        Increasing times; values above 0 where `candidate`.
    candidate : ndarray of bool
        Samples that may lie on the line.
    tlast : ndarray, one per profile
        Time at which the line is read off as `predicted`.
    min_points : int, default 3
        Fewest samples in a window.
    tolerance : float, default 1e-4
        Windows whose adjusted R-squared is within this of the best compete; the one with most samples wins.
    slope_rule : {"negative-only", "any"}
        Whether the best is sought among the falling windows only, or among all (then a rising best
        leaves nothing when no falling window is as good).
    whole : bool, default False
        Take all candidates as the one window.

    Returns
    -------
    TerminalSlope

    Notes
    -----
    Windows are the last `min_points`, ..., all candidates. A window of two samples has no adjusted
    R-squared and counts only where no longer window is left.
    """
    fit = _all_windows(time, value, candidate)
    race = _compete(fit, candidate, min_points, tolerance, slope_rule, whole=whole)
    return _read_off(fit, time, candidate, tlast, race.winners, _reason(race))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlopeWindows:
    """Every candidate window, profiles x samples: the entry of a sample is the window that starts with it.

    `there` marks the entries that are windows, `chosen` the one the slope comes from, `fate` says why
    another was not. `rate` is minus the slope.
    """

    there: Flags
    n: Floats
    rate: Floats
    r_squared: Floats
    adj_r_squared: Floats
    start: Floats
    end: Floats
    chosen: Flags
    fate: NDArray[np.str_]


def all_windows(
    time: Floats,
    value: Floats,
    candidate: Flags,
    *,
    min_points: int = 3,
    tolerance: float = 1e-4,
    slope_rule: str = "negative-only",
    whole: bool = False,
) -> SlopeWindows:
    """Every window that `best_window` chooses from, with what became of it.

    Parameters
    ----------
    time, value, candidate, min_points, tolerance, slope_rule, whole
        As in `best_window`.

    Returns
    -------
    SlopeWindows
    """
    fit = _all_windows(time, value, candidate)
    race = _compete(fit, candidate, min_points, tolerance, slope_rule, whole=whole)
    first = np.argmax(race.winners, axis=1)[:, None]
    chosen = race.winners & (np.arange(time.shape[1])[None, :] == first)
    nobody = count(race.winners)[:, None] == 0
    fate = np.select(
        [~race.there | chosen, ~race.sound, ~race.falling, nobody, race.winners],
        [
            "",
            "all values are equal",
            "does not fall",
            "a rising window fits better",
            "as good, with fewer samples",
        ],
        "another window fits better",
    )
    return SlopeWindows(
        there=race.there, n=fit.n, rate=np.where(race.sound, -fit.slope, np.nan), r_squared=fit.r_squared,
        adj_r_squared=fit.adj_r_squared, start=time, end=np.broadcast_to(fit.last_time[:, None], time.shape),
        chosen=chosen, fate=fate,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Race:
    """Windows that are there, that have a line, that fall, and those within the tolerance of the best."""

    there: Flags
    sound: Flags
    falling: Flags
    winners: Flags


def _compete(
    fit: "_Windows", candidate: Flags, min_points: int, tolerance: float, slope_rule: str, *, whole: bool
) -> _Race:
    there = candidate & (fit.n >= min_points)
    if whole:
        there &= fit.n == count(candidate)[:, None]
    sound = there & (fit.sxx > 0) & (fit.syy > 0)
    falling = sound & (fit.slope < 0)
    competing = falling if slope_rule == "negative-only" else sound
    scored = competing & (fit.n > 2)
    best = -lowest(np.where(scored, -fit.adj_r_squared, np.inf))[:, None]
    winners = falling & np.where(scored.any(axis=1, keepdims=True), scored, competing)
    winners &= (fit.adj_r_squared > best - tolerance) | (fit.n == 2)
    return _Race(there=there, sound=sound, falling=falling, winners=winners)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Windows:
    """Fit of the window that starts at each sample; times and logs are relative to the last candidate."""

    n: Floats
    slope: Floats
    sxx: Floats
    syy: Floats
    r_squared: Floats
    adj_r_squared: Floats
    mean_x: Floats
    mean_y: Floats
    last_time: Floats
    last_value: Floats


def _all_windows(time: Floats, value: Floats, candidate: Flags) -> _Windows:
    n = _from_the_end(candidate.astype(np.float64))
    is_last = candidate & (n == 1)
    last_time = total(np.where(is_last, time, 0.0))
    last_value = total(np.where(is_last, value, 0.0))
    x = np.where(candidate, time - last_time[:, None], 0.0)
    # Logs relative to the last one: equal values give exactly 0, so a constant tail has no slope.
    safe = np.where(last_value > 0, last_value, 1.0)[:, None]
    y = np.log(np.where(candidate, value, safe) / safe)
    count = np.maximum(n, 1.0)
    sum_x, sum_y = _from_the_end(x), _from_the_end(y)
    sxx = _from_the_end(x * x) - sum_x * sum_x / count
    sxy = _from_the_end(x * y) - sum_x * sum_y / count
    syy = _from_the_end(y * y) - sum_y * sum_y / count
    sound = (sxx > 0) & (syy > 0)
    slope = np.where(sound, sxy / np.where(sound, sxx, 1.0), 0.0)
    r_squared = np.where(sound, np.minimum(slope * sxy / np.where(sound, syy, 1.0), 1.0), np.nan)
    free = np.where(n > 2, n - 2, 1.0)
    adjusted = np.where(n > 2, 1 - (1 - r_squared) * (n - 1) / free, np.nan)
    return _Windows(
        n=n, slope=slope, sxx=sxx, syy=syy, r_squared=r_squared, adj_r_squared=adjusted,
        mean_x=sum_x / count, mean_y=sum_y / count, last_time=last_time, last_value=last_value,
    )  # fmt: skip


def _from_the_end(values: Floats) -> Any:
    """Sum from each entry to the end of its row."""
    return np.cumsum(values[:, ::-1], axis=1)[:, ::-1]


def _reason(race: _Race) -> Any:
    return np.select(
        [race.winners.any(axis=1), ~race.there.any(axis=1), ~race.sound.any(axis=1)],
        ["", "too few quantifiable samples", "all values are equal"],
        "the best line does not fall",
    )


def _read_off(
    fit: _Windows, time: Floats, candidate: Flags, tlast: Floats, chosen: Flags, reason: Any
) -> TerminalSlope:
    found: Flags = np.asarray(chosen.any(axis=1))
    at = np.argmax(chosen, axis=1)[:, None]

    def here(values: Floats) -> Any:
        return np.where(found, np.take_along_axis(values, at, axis=1)[:, 0], np.nan)

    slope, start = here(fit.slope), here(time)
    log_rise = here(fit.mean_y) + slope * (tlast - fit.last_time - here(fit.mean_x))
    return TerminalSlope(
        rate=-slope,
        r_squared=here(fit.r_squared),
        adj_r_squared=here(fit.adj_r_squared),
        n=here(fit.n),
        start=start,
        end=np.where(found, fit.last_time, np.nan),
        predicted=np.where(found, fit.last_value * np.exp(log_rise), np.nan),
        used=candidate & (time >= start[:, None]),
        reason=reason,
    )
