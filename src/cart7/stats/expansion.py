"""Expansion, contraction and persistence of the cells in each profile.

Here: what a CAR-T profile has and a drug's has not: the log-linear rise to the peak, the fall to day 28,
and the days between which detection ends. Definitions of this library; no package computes them.
Not here: areas and the terminal slope (`exposure`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cart7.stats.profiles import Peak, Samples, earliest, latest
from cart7.stats.trapezoids import Flags, Floats, count, lowest, packed, total

CONTRACTION_END = 28.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SecondPeak:
    """Re-expansion after the peak: the highest such sample and the lowest one before it; NaN without one."""

    time: Floats
    value: Floats
    trough_time: Floats
    fold: Floats


def _log_line(samples: Samples, where: Flags, origin: Floats, level: Floats) -> tuple[Any, Any, Any]:
    """Number of samples, slope and R-squared of ln(value) on time; slope 0 where it is not defined."""
    n = count(where).astype(np.float64)
    x = np.where(where, samples.time - origin[:, None], 0.0)
    y = np.log(np.where(where, samples.value, 1.0) / np.where(where, level[:, None], 1.0))
    size = np.maximum(n, 1.0)
    sxx = total(x * x) - total(x) ** 2 / size
    sxy = total(x * y) - total(x) * total(y) / size
    syy = total(y * y) - total(y) ** 2 / size
    sound = (n > 1) & (sxx > 0) & (syy > 0)
    slope = np.where(sound, sxy / np.where(sound, sxx, 1.0), 0.0)
    r_squared = np.where(sound & (n > 2), np.minimum(slope * sxy / np.where(sound, syy, 1.0), 1.0), np.nan)
    return n, slope, r_squared


def expansion(samples: Samples, peak: Peak) -> dict[str, Any]:
    """Log-linear rise from the first quantifiable sample to the peak."""
    rising = samples.quantifiable & (samples.time <= peak.tmax[:, None])
    n, slope, r_squared = _log_line(samples, rising, peak.tfirst, peak.cfirst)
    rate = np.where(slope > 0, slope, np.nan)
    time, value = packed(rising, samples.time, samples.value)
    pairs = ~np.isnan(time[:, 1:])
    gain = np.log(np.where(pairs, value[:, 1:], 1.0) / np.where(pairs, value[:, :-1], 1.0))
    steps = gain / np.where(pairs, time[:, 1:] - time[:, :-1], 1.0)
    steepest = -lowest(np.where(pairs, -steps, np.inf))
    return {
        "expansion_n": np.where(np.isnan(peak.tfirst), np.nan, n),
        "expansion_rate": rate,
        "expansion_r_squared": r_squared,
        "doubling_time": np.log(2) / rate,
        "expansion_rate_max": np.where(steepest > 0, steepest, np.nan),
        "fold_expansion": peak.cmax / peak.cfirst,
    }


def contraction(samples: Samples, peak: Peak) -> dict[str, Any]:
    """Log-linear fall from the peak to day 28."""
    time, peak_time = samples.time, peak.tmax[:, None]
    falling = samples.quantifiable & (time >= peak_time) & (time <= CONTRACTION_END)
    n, slope, _ = _log_line(samples, falling, peak.tmax, peak.cmax)
    sound = (n >= 3) & (slope < 0)
    return {
        "contraction_n": np.where(np.isnan(peak.tmax), np.nan, n),
        "contraction_half_life": np.log(2) / np.where(sound, -slope, np.nan),
    }


def persistence(samples: Samples, peak: Peak) -> dict[str, Any]:
    """Where detection ends: bounds of the loss, first and confirmed loss after the peak."""
    below = samples.there & samples.blq
    time, blq = packed(samples.there, samples.time, samples.blq)
    twice = blq[:, :-1] & blq[:, 1:] & (time[:, :-1] > peak.tmax[:, None])
    return {
        "persistence_low": peak.tlast,
        "persistence_high": earliest(samples.time, below & (samples.time > peak.tlast[:, None])),
        "first_blq_after_tmax": earliest(samples.time, below & (samples.time > peak.tmax[:, None])),
        "confirmed_loss_day": earliest(time[:, :-1], twice),
        "last_sample_day": latest(samples.time, samples.there),
    }


def second_peak(samples: Samples, peak: Peak, least_fold: float) -> SecondPeak:
    """Highest sample after Tmax that lies `least_fold` above the lowest level between Tmax and it.

    A sample below the limit stands at its limit there (the rise is at least that large); without a known
    limit it says nothing.
    """
    since = samples.there & (samples.time >= peak.tmax[:, None])
    level = np.where(samples.blq, np.where(samples.lloq > 0, samples.lloq, np.inf), samples.value)
    level = np.where(since, level, np.inf)
    trough = np.full_like(level, np.inf)
    trough[:, 1:] = np.minimum.accumulate(level, axis=1)[:, :-1]
    later = since & ~samples.blq & (samples.time > peak.tmax[:, None])
    fold = np.where(later, samples.value / trough, 0.0)
    risen = fold >= least_fold
    value = latest(samples.value, risen)
    time = earliest(samples.time, risen & (samples.value == value[:, None]))
    here = samples.time == time[:, None]
    lowest_before = total(np.where(here, np.where(np.isinf(trough), 0.0, trough), 0.0))
    at_trough = since & (level == lowest_before[:, None]) & (samples.time < time[:, None])
    return SecondPeak(
        time=time,
        value=value,
        trough_time=latest(samples.time, at_trough),
        fold=np.where(np.isnan(time), np.nan, total(np.where(here, fold, 0.0))),
    )
