"""Samples of many profiles made ready for analysis.

Here: reading the rectangle, what makes a profile unusable, results below the limit, several results at
one time, the sample that stands for day 0, and the first, highest and last quantifiable sample. Not here:
what is computed from them (`exposure`, `expansion`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cart7.stats.trapezoids import Flags, Floats, count, lowest, packed, total

DUPLICATES = ("error", "mean", "geo-mean", "max", "first")

# Profiles computed together: what is written down on the way stays in the cache of the processor, and the
# memory for it does not grow with the number of profiles.
BLOCK = 2048


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Results with a value or below the limit, packed to the left, one per time.

    `there` marks those that belong to the profile (day 0 or later, and a predose sample moved to day 0).
    `given` marks the cells of the input that held a usable result. Where several results at one time were
    made one, `merged` says for each of them in order which packed entry it is in.
    """

    time: Floats
    value: Floats
    blq: Flags
    lloq: Floats
    there: Flags
    moved: Flags
    given: Flags
    merged: NDArray[np.intp] | None

    @property
    def count(self) -> Any:
        """Samples per profile."""
        return count(self.there)

    @property
    def quantifiable(self) -> Flags:
        """Samples of the profile above the limit."""
        return self.there & ~self.blq

    @property
    def slot(self) -> Any:
        """Packed entry of each cell of the input."""
        order = np.maximum(np.cumsum(self.given, axis=1) - 1, 0)
        return order if self.merged is None else np.take_along_axis(self.merged, order, axis=1)


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


def blocks(
    time: ArrayLike, value: ArrayLike, blq: ArrayLike | None, lloq: ArrayLike | None
) -> Iterator[tuple[Floats, Floats, Flags, Floats]]:
    """The arrays in blocks of `BLOCK` profiles, at least one; see `joined`."""
    times, values, below, limit = _rectangles(time, value, blq, lloq)
    for first in range(0, max(len(times), 1), BLOCK):
        rows = slice(first, first + BLOCK)
        yield times[rows], values[rows], below[rows], limit[rows]


def joined(parts: Iterable[Any]) -> Any:
    """Records of arrays, one per block, as one record with the profiles below each other.

    Array by array, each freed once it is joined, so that nothing stands in memory twice.
    """
    tables = []
    for part in parts:
        tables.append(_arrays(part))
    if len(tables) == 1:
        return part
    return _of_the_kind(part, (_below_each_other(tables, place) for place in range(len(tables[0]))))


def _arrays(record: Any) -> list[Any]:
    """The arrays of a record, and of the records in it, in their order."""
    if isinstance(record, np.ndarray):
        return [record]
    parts = record if isinstance(record, tuple) else [getattr(record, each.name) for each in fields(record)]
    return [array for part in parts for array in _arrays(part)]


def _of_the_kind(record: Any, arrays: Iterator[NDArray[Any]]) -> Any:
    """A record with other arrays in the places of its own."""
    if isinstance(record, np.ndarray):
        return next(arrays)
    if isinstance(record, tuple):
        return tuple(_of_the_kind(part, arrays) for part in record)
    return type(record)(
        **{each.name: _of_the_kind(getattr(record, each.name), arrays) for each in fields(record)}
    )


def _below_each_other(tables: list[list[Any]], place: int) -> NDArray[Any]:
    pieces = [table[place] for table in tables]
    for table in tables:
        table[place] = None
    whole = np.concatenate(pieces)
    whole.setflags(write=pieces[0].flags.writeable)
    return whole


def read_samples(
    time: ArrayLike,
    value: ArrayLike,
    blq: ArrayLike | None,
    lloq: ArrayLike | None,
    *,
    duplicates: str,
) -> tuple[Samples, NDArray[np.str_]]:
    """Read the arrays; profiles that cannot be used are emptied and their faults are named."""
    times, values, below, limit = _rectangles(time, value, blq, lloq)
    given = ~np.isnan(values) | below
    there, times, values, below, limit = packed(given, given, times, values, below, limit)
    below = there & (below | ((values >= 0) & ((values == 0) | (values < limit))))
    faults = _faults(times, values, there, strict=duplicates == "error")
    sound = (faults == "")[:, None]
    there, below = there & sound, below & sound
    times, values = np.where(there, times, np.nan), np.where(below, 0.0, np.where(there, values, np.nan))
    merged = None
    again = there[:, 1:] & (times[:, 1:] == times[:, :-1])
    if again.any():
        first = np.concatenate([there[:, :1], there[:, 1:] & ~again], axis=1)
        merged = np.maximum(np.cumsum(first, axis=1) - 1, 0)
        combined = _merged(values, there, merged, duplicates)
        there, times, values, below, limit = packed(first, there, times, values, below, limit)
        if duplicates != "first":
            values = combined[:, : there.shape[1]]
            below = there & ((values == 0) | (values < limit))
            values = np.where(below, 0.0, values)
    return Samples(
        time=times, value=values, blq=below, lloq=limit, there=there, moved=np.zeros_like(there),
        given=given & sound, merged=merged,
    ), faults  # fmt: skip


def _rectangles(
    time: ArrayLike, value: ArrayLike, blq: ArrayLike | None, lloq: ArrayLike | None
) -> tuple[Floats, Floats, Flags, Floats]:
    """Times, values, marks of results below the limit, and limits, in one shape."""
    times, values = _rectangle("time", time), _rectangle("value", value)
    if times.shape != values.shape:
        raise ValueError(f"time and value must have one shape, got {times.shape} and {values.shape}")
    below = np.broadcast_to(_marks(blq), times.shape)
    limit = np.broadcast_to(np.asarray(np.nan if lloq is None else lloq, dtype=np.float64), times.shape)
    return times, values, below, limit


def _marks(blq: ArrayLike | None) -> Flags:
    """Truth values; NaN, as padding has it, is none."""
    marks = np.asarray(False if blq is None else blq)
    return np.asarray(marks.astype(bool) & (marks == marks), dtype=bool)


def _rectangle(name: str, values: ArrayLike) -> Floats:
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.ndim != 2:
        raise ValueError(f"{name} must be profiles x samples, got {table.ndim} dimensions")
    return table if table.shape[1] else np.full((table.shape[0], 1), np.nan)


def _faults(time: Floats, value: Floats, there: Flags, *, strict: bool) -> NDArray[np.str_]:
    """Why each profile cannot be used, codes separated by semicolons; empty when it can."""
    known = there & np.isfinite(time)
    step = np.where(known[:, 1:] & known[:, :-1], time[:, 1:], np.inf) - np.where(known, time, 0.0)[:, :-1]
    if (step < 0).any():
        raise ValueError("time must increase within each profile")
    found = {
        "DUPLICATE_TIME": (step == 0) & strict,
        "NEGATIVE_VALUE": value < 0,
        "MISSING_TIME": there & np.isnan(time),
        "NON_FINITE_VALUE": there & (np.isinf(value) | np.isinf(time)),
    }
    codes = np.full(time.shape[0], "", dtype="U72")
    for code, cells in found.items():
        hit = cells.any(axis=1)
        codes[hit] = [f"{before}; {code}" if before else code for before in codes[hit]]
    return codes


def _merged(values: Floats, there: Flags, slot: NDArray[np.intp], policy: str) -> Any:
    """One value per time: the mean, geometric mean or maximum of the results at that time."""
    profile, column = np.nonzero(there)
    at = (profile, slot[profile, column])
    results = values[profile, column]
    number = np.zeros(values.shape)
    np.add.at(number, at, 1.0)
    top = np.full(values.shape, -np.inf)
    np.maximum.at(top, at, results)
    added, logs, zero = np.zeros(values.shape), np.zeros(values.shape), np.zeros(values.shape, dtype=bool)
    np.add.at(added, at, results)
    np.add.at(logs, at, np.log(np.where(results > 0, results, 1.0)))
    np.logical_or.at(zero, at, results == 0)
    several = np.maximum(number, 1.0)
    geometric = np.where(zero, 0.0, np.exp(logs / several))
    chosen = {"mean": added / several, "geo-mean": geometric}.get(policy, top)
    return np.where(number == 1, added, np.where(number == 0, np.nan, chosen))


def from_day_0(samples: Samples, *, carry: bool) -> Samples:
    """Keep day 0 and later; `carry` moves the last sample before to day 0 when there is none on it."""
    after = samples.there & (samples.time >= 0)
    before = samples.there & (samples.time < 0)
    if not (carry and before.any()):
        return replace(samples, there=after)
    wanted = after.any(axis=1) & before.any(axis=1) & ~(after & (samples.time == 0)).any(axis=1)
    last_before = before & (np.cumsum(before, axis=1) == before.sum(axis=1, keepdims=True))
    moved = last_before & wanted[:, None]
    return replace(samples, time=np.where(moved, 0.0, samples.time), there=after | moved, moved=moved)


def without(samples: Samples, rows: Flags) -> Samples:
    """The samples with some profiles emptied."""
    kept = ~rows[:, None]
    return replace(
        samples, there=samples.there & kept, blq=samples.blq & kept, moved=samples.moved & kept,
        given=samples.given & kept,
    )  # fmt: skip


def earliest(time: Floats, where: Flags) -> Any:
    """First time of each row where the condition holds; NaN where it never does."""
    first = lowest(np.where(where, time, np.inf))
    return np.where(np.isinf(first), np.nan, first)


def latest(time: Floats, where: Flags) -> Any:
    """Last time of each row where the condition holds; NaN where it never does."""
    return -earliest(-time, where)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """Samples from day 0 on, their peak, and the fault of each profile that cannot be used (else empty)."""

    samples: Samples
    peak: Peak
    faults: NDArray[np.str_]


def prepare(
    time: ArrayLike,
    value: ArrayLike,
    blq: ArrayLike | None,
    lloq: ArrayLike | None,
    *,
    duplicates: str,
    carry: bool,
    tmax: str,
) -> Prepared:
    """Samples as every analysis of a profile takes them.

    Parameters
    ----------
    time, value, blq, lloq
        As in `exposure.nca`.
    duplicates, tmax : str
        As in `exposure.nca`.
    carry : bool
        Whether the last sample before day 0 stands for it when there is none.

    Returns
    -------
    Prepared
    """
    samples, faults = read_samples(time, value, blq, lloq, duplicates=duplicates)
    samples = from_day_0(samples, carry=carry)
    return Prepared(samples=samples, peak=find_peak(samples, tmax), faults=faults)


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
