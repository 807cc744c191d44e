"""Samples of many profiles made ready for analysis.

Here: reading the rectangle, what makes a profile unusable, results below the limit, several results at
one time, the sample that stands for day 0, and the first, highest and last quantifiable sample. Not here:
what is computed from them (`exposure`, `expansion`).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cart7.stats.trapezoids import Flags, Floats, packed, total

DUPLICATES = ("error", "mean", "geo-mean", "max", "first")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Results with a value or below the limit, packed to the left, one per time.

    `there` marks those that belong to the profile (day 0 or later, and a predose sample moved to day 0).
    `given` and `slot` lead back to the input: whether a cell held a result, and which packed entry it is in;
    `repeated` marks input cells at the time of an earlier one.
    """

    time: Floats
    value: Floats
    blq: Flags
    lloq: Floats
    there: Flags
    moved: Flags
    given: Flags
    slot: NDArray[np.intp]
    repeated: Flags
    duplicates: str

    @property
    def count(self) -> Any:
        """Samples per profile."""
        return self.there.sum(axis=1)

    @property
    def quantifiable(self) -> Flags:
        """Samples of the profile above the limit."""
        return self.there & ~self.blq


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peak:
    """First, highest and last quantifiable sample of each profile; NaN where there is none."""

    cmax: Floats
    tmax: Floats
    first_tmax: Floats
    tfirst: Floats
    cfirst: Floats
    tlast: Floats
    clast: Floats


def read_samples(
    time: ArrayLike,
    value: ArrayLike,
    blq: ArrayLike | None,
    lloq: ArrayLike | None,
    *,
    duplicates: str,
    needs_lloq: bool,
) -> tuple[Samples, NDArray[np.str_]]:
    """Read the arrays; profiles that cannot be used are emptied and their faults are named."""
    times, values = _rectangle("time", time), _rectangle("value", value)
    if times.shape != values.shape:
        raise ValueError(f"time and value must have one shape, got {times.shape} and {values.shape}")
    shape = times.shape
    below = (
        np.zeros(shape, dtype=bool) if blq is None else np.broadcast_to(np.asarray(blq, dtype=bool), shape)
    )
    limit = np.broadcast_to(np.asarray(np.nan if lloq is None else lloq, dtype=np.float64), shape)
    given = ~np.isnan(values) | below
    faults = _faults(times, values, given, strict=duplicates == "error")
    if needs_lloq:
        unknown = given & (below | (values == 0)) & ~(limit > 0)
        faults = np.where((faults == "") & unknown.any(axis=1), "MISSING_LLOQ", faults)
    given = given & (faults == "")[:, None]
    below = given & (below | (values == 0) | (values < limit))
    values = np.where(below, 0.0, values)
    earlier = np.where(given, times, -np.inf)
    repeated = given & (times == np.maximum.accumulate(_shifted(earlier), axis=1))
    slot = np.maximum(np.cumsum(given & ~repeated, axis=1) - 1, 0)
    time_, value_, below_, limit_ = packed(given & ~repeated, times, values, below, limit)
    if repeated.any() and duplicates != "first":
        value_ = _merged(values, given, slot, value_.shape[1], duplicates)
        below_ = ~np.isnan(value_) & ((value_ == 0) | (value_ < limit_))
        value_ = np.where(below_, 0.0, value_)
    there = ~np.isnan(time_)
    return Samples(
        time=time_, value=value_, blq=below_, lloq=limit_, there=there, moved=np.zeros_like(there),
        given=given, slot=slot, repeated=repeated, duplicates=duplicates,
    ), faults  # fmt: skip


def _rectangle(name: str, values: ArrayLike) -> Floats:
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.ndim != 2:
        raise ValueError(f"{name} must be profiles x samples, got {table.ndim} dimensions")
    return table if table.shape[1] else np.full((table.shape[0], 1), np.nan)


def _shifted(values: Floats) -> Floats:
    """Each row one place to the right, -inf in front."""
    return np.concatenate([np.full((values.shape[0], 1), -np.inf), values[:, :-1]], axis=1)


def _faults(time: Floats, value: Floats, given: Flags, *, strict: bool) -> NDArray[np.str_]:
    """Why each profile cannot be used, codes separated by semicolons; empty when it can."""
    known = given & np.isfinite(time)
    latest_before = np.maximum.accumulate(_shifted(np.where(known, time, -np.inf)), axis=1)
    if (known & (time < latest_before)).any():
        raise ValueError("time must increase within each profile")
    found = {
        "DUPLICATE_TIME": known & (time == latest_before) & strict,
        "NEGATIVE_VALUE": value < 0,
        "MISSING_TIME": given & np.isnan(time),
        "NON_FINITE_VALUE": np.isinf(value) | (given & np.isinf(time)),
    }
    codes = np.full(time.shape[0], "", dtype="U72")
    for code, cells in found.items():
        hit = cells.any(axis=1)
        codes[hit] = [f"{before}; {code}" if before else code for before in codes[hit]]
    return codes


def _merged(values: Floats, given: Flags, slot: NDArray[np.intp], width: int, policy: str) -> Any:
    """One value per time: the mean, geometric mean or maximum of the results at that time."""
    profile, column = np.nonzero(given)
    at = (profile, slot[profile, column])
    results = values[profile, column]
    count = np.zeros((len(values), width))
    np.add.at(count, at, 1.0)
    top = np.full((len(values), width), -np.inf)
    np.maximum.at(top, at, results)
    total_, logs = np.zeros_like(count), np.zeros_like(count)
    np.add.at(total_, at, results)
    np.add.at(logs, at, np.log(np.where(results > 0, results, 1.0)))
    zero = np.zeros(count.shape, dtype=bool)
    np.logical_or.at(zero, at, results == 0)
    several = np.maximum(count, 1.0)
    geometric = np.where(zero, 0.0, np.exp(logs / several))
    chosen = {"mean": total_ / several, "geo-mean": geometric, "max": top}[policy]
    return np.where(count == 0, np.nan, np.where(count == 1, total_, chosen))


def from_day_0(samples: Samples, *, carry: bool) -> Samples:
    """Keep day 0 and later; `carry` moves the last sample before to day 0 when there is none on it."""
    after = samples.there & (samples.time >= 0)
    before = samples.there & (samples.time < 0)
    wanted = after.any(axis=1) & before.any(axis=1) & ~(after & (samples.time == 0)).any(axis=1)
    last_before = before & (np.cumsum(before, axis=1) == before.sum(axis=1, keepdims=True))
    moved = last_before & wanted[:, None] & carry
    return replace(
        samples, time=np.where(moved, 0.0, samples.time), there=after | moved, moved=moved
    )  # fmt: skip


def earliest(time: Floats, where: Flags) -> Any:
    """First time of each row where the condition holds; NaN where it never does."""
    first = np.min(np.where(where, time, np.inf), axis=1, initial=np.inf)
    return np.where(np.isinf(first), np.nan, first)


def latest(time: Floats, where: Flags) -> Any:
    """Last time of each row where the condition holds; NaN where it never does."""
    return -earliest(-time, where)


def value_at(samples: Samples, time: Floats) -> Any:
    """Value of the sample at a time that is one of the profile's; NaN for NaN."""
    here = samples.there & (samples.time == time[:, None])
    return np.where(np.isnan(time), np.nan, total(np.where(here, samples.value, 0.0)))


def find_peak(samples: Samples, tmax: str) -> Peak:
    """First, highest (the `first` or `last` of equal maxima) and last quantifiable sample."""
    quantifiable = samples.quantifiable
    cmax = latest(samples.value, quantifiable)
    at_max = quantifiable & (samples.value == cmax[:, None])
    first_tmax = earliest(samples.time, at_max)
    tfirst, tlast = earliest(samples.time, quantifiable), latest(samples.time, quantifiable)
    return Peak(
        cmax=cmax,
        tmax=first_tmax if tmax == "first" else latest(samples.time, at_max),
        first_tmax=first_tmax,
        tfirst=tfirst,
        cfirst=value_at(samples, tfirst),
        tlast=tlast,
        clast=value_at(samples, tlast),
    )


def blq_class(samples: Samples, peak: Peak) -> NDArray[np.str_]:
    """`first`, `middle` or `last` for samples below the limit, by the first and last quantifiable time."""
    never = np.isnan(peak.tfirst)[:, None]
    first = never | (samples.time <= peak.tfirst[:, None])
    last = samples.time >= peak.tlast[:, None]
    return np.select([~samples.blq, first, last], ["", "first", "last"], "middle")
