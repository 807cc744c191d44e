"""Cumulative incidence when only the first of several kinds of event can be seen.

Here: the Aalen-Johansen estimate of one cause with its two variances and limits. Not here:
one kind of event (`stats.survival_curves`), frames (`survival`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cart7.stats.survival_curves import TOLERANCE, Floats, Ints, checked, merge_near_ties, normal_quantile

VARIANCES = ("aalen", "delta")
ROUNDING = 1e-12  # an incidence that near to 1 is 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Incidence:
    """Cumulative incidence of each cause, a row of `estimate` and `variance` per entry of `causes`."""

    time: Floats
    n_risk: Ints
    causes: tuple[int, ...]
    estimate: Floats
    variance: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesIncidence:
    """Cumulative incidence of several series, each along its own times.

    ``time`` and ``n_risk`` are series by steps, ``estimate`` and ``variance`` causes by series by steps. A
    series with fewer steps is filled up: time inf, nobody at risk, the last incidence held.
    """

    time: Floats
    n_risk: Ints
    estimate: Floats
    variance: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Subjects and events at each time (last axis), with the all-cause survival before and after it."""

    n: Floats
    d: Floats  # any cause
    before: Floats
    after: Floats


def checked_causes(time: ArrayLike, cause: ArrayLike) -> tuple[Floats, Ints]:
    """Times and causes as arrays; ValueError unless every cause is a whole number, 0 for censored.

    Examples
    --------
    >>> checked_causes([3, 5], [2, 0])[1].tolist()
    [2, 0]
    """
    numbers = np.asarray(cause, dtype=float)
    times, _ = checked(time, np.zeros(numbers.shape, dtype=bool))
    wrong = ~np.isfinite(numbers) | (numbers < 0) | (numbers != np.floor(numbers))
    if wrong.any():
        raise ValueError(f"cause must be a whole number, 0 for censored, got {numbers[wrong][0]:g}")
    return times, numbers.astype(np.int64)


def cumulative_incidence(
    time: ArrayLike,
    cause: ArrayLike,
    *,
    causes: tuple[int, ...] | None = None,
    variance: str = "aalen",
    near_ties: bool = True,
) -> Incidence:
    """Cumulative incidence of each cause at every distinct time.

    Parameters
    ----------
    time : array
        Observed times, any order and unit, not negative.
    cause : array of int
        0 where the subject was censored, else the number of the cause that came first.
    causes : tuple of int, optional
        The causes to report; those that occur, by default.
    variance : {"aalen", "delta"}
        ``aalen`` as R cmprsk and SAS, ``delta`` (infinitesimal jackknife) as R survival.
    near_ties : bool, default True
        Merge times that differ by rounding noise.

    Returns
    -------
    Incidence
        Different causes at one time all start from the survival just before it, so the
        incidences and the survival add up to 1.

    Raises
    ------
    ValueError
        For a cause that is not a whole number, a bad time or an unknown variance.

    Examples
    --------
    >>> result = cumulative_incidence([1, 2, 3, 4], [1, 2, 0, 1])
    >>> result.estimate.tolist()
    [[0.25, 0.25, 0.25, 0.75], [0.0, 0.25, 0.25, 0.25]]
    """
    if variance not in VARIANCES:
        raise ValueError(f"variance must be one of {', '.join(VARIANCES)}, got {variance!r}")
    times, kinds = checked_causes(time, cause)
    if near_ties:
        times = merge_near_ties(times)
    if causes is None:
        causes = tuple(int(k) for k in np.unique(kinds[kinds > 0]))
    distinct, place = np.unique(times, return_inverse=True)
    n_risk, estimate, variances = _incidences(place, kinds, distinct.shape, causes, variance)
    return Incidence(time=distinct, n_risk=n_risk, causes=causes, estimate=estimate, variance=variances)


def incidence_by_series(
    time: ArrayLike, cause: ArrayLike, series: ArrayLike, *, n_series: int, causes: tuple[int, ...]
) -> SeriesIncidence:
    """Cumulative incidence of many small series in one go, each as `cumulative_incidence` gives it.

    Parameters
    ----------
    time, cause, causes
        As in `cumulative_incidence`; times that differ by rounding noise are merged within each series.
    series : array of int
        Number of the series of each observation, from 0.
    n_series : int
        How many series there are; one without observations has incidence 0.

    Raises
    ------
    ValueError
        For a cause that is not a whole number or a bad time.

    Examples
    --------
    >>> result = incidence_by_series([1, 2, 3], [1, 1, 0], [0, 1, 1], n_series=2, causes=(1,))
    >>> result.estimate[0].tolist()
    [[1.0, 1.0], [0.5, 0.5]]
    """
    times, kinds = checked_causes(time, cause)
    of = np.asarray(series, dtype=np.int64)
    times = _merged_within(times, of)
    distinct, place = np.unique(times, return_inverse=True)
    own = np.zeros((n_series, distinct.size), dtype=bool)
    own[of, place] = True
    step = np.cumsum(own, axis=1)[of, place] - 1
    filled = np.full((n_series, own.sum(axis=1).max(initial=0)), np.inf)
    filled[of, step] = times
    cell = of * filled.shape[1] + step
    n_risk, estimate, variance = _incidences(cell, kinds, filled.shape, causes, "aalen")
    return SeriesIncidence(time=filled, n_risk=n_risk, estimate=estimate, variance=variance)


def _merged_within(time: Floats, series: Ints) -> Floats:
    """Near ties of each series merged; as a rule no two times of all series are that near."""
    gaps = np.diff(np.sort(time))
    widest = TOLERANCE * max(1.0, time.max(initial=0.0))  # a series merges by its mean, which is no greater
    if not ((gaps > 0) & (gaps <= widest)).any():
        return time
    merged = time.copy()
    for number in np.unique(series):
        merged[series == number] = merge_near_ties(time[series == number])
    return merged


def _incidences(
    cell: Ints, cause: Ints, shape: tuple[int, ...], causes: tuple[int, ...], variance: str
) -> tuple[Ints, Floats, Floats]:
    """At risk, incidence and variance at the times (last axis) of one series, or of several below each other.

    `cell` is the place of each observation in `shape`. After its last time a series has no event.
    """

    def count(cells: Ints) -> Ints:
        return np.bincount(cells, minlength=math.prod(shape)).reshape(shape)

    left = count(cell)
    n_risk = left.sum(axis=-1, keepdims=True) + left - np.cumsum(left, axis=-1)
    d, n = count(cell[cause > 0]), np.maximum(n_risk, 1)  # 1 after the last time, for 0 / 0
    after = np.asarray(np.cumprod((n - d) / n, axis=-1), dtype=float)
    before = np.ones(shape)
    before[..., 1:] = after[..., :-1]
    steps = _Steps(n.astype(float), d.astype(float), before, after)
    estimates, variances = [], []
    for k in causes:
        d1 = count(cell[cause == k]).astype(float)
        estimates.append(np.cumsum(steps.before * d1 / steps.n, axis=-1))
        method = _aalen if variance == "aalen" else _delta
        variances.append(method(steps, d1, estimates[-1]))
    by_cause = (len(causes), *shape)
    return n_risk.astype(np.int64), np.reshape(estimates, by_cause), np.reshape(variances, by_cause)


def _aalen(steps: _Steps, d1: Floats, f: Floats) -> Floats:
    """Variance of R cmprsk; it changes at the times of the cause itself and is held in between."""
    d2 = steps.d - d1
    inverse = np.where(steps.after > 0, 1 / np.where(steps.after > 0, steps.after, 1.0), 0.0)
    other, own = np.where(steps.after > 0, _tied_part(steps, d2), 0.0), _tied_part(steps, d1)
    weight_other, weight_own = f * inverse, 1 + f * inverse
    v1 = np.cumsum(weight_other**2 * other + weight_own**2 * own, axis=-1)
    v2 = np.cumsum(inverse * (weight_other * other + weight_own * own), axis=-1)
    v3 = np.cumsum(inverse**2 * (other + own), axis=-1)
    at_own = np.maximum.accumulate(np.where(d1 > 0, np.arange(d1.shape[-1]), -1), axis=-1)
    value = np.take_along_axis(v1 + f**2 * v3 - 2 * f * v2, at_own, axis=-1)
    return np.where(at_own < 0, 0.0, np.maximum(value, 0.0))


def _tied_part(steps: _Steps, d: Floats) -> Floats:
    tied = np.where(d > 1, 1 - (d - 1) / np.maximum(steps.n - 1, 1), 1.0)
    return np.asarray(steps.before**2 * tied * d / steps.n**2)


def _delta(steps: _Steps, d1: Floats, f: Floats) -> Floats:
    """Variance of R survival (infinitesimal jackknife)."""
    n, d = steps.n, steps.d
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.where(n > d, d / (n * (n - d)), 0.0)
    own, shared = steps.before**2 * d1 * (n - d1) / n**3, steps.before * d1 / n**2
    # The sum over earlier times of (F(t) - F(u))^2 hazard + own - 2 (F(t) - F(u)) shared, multiplied out.
    constant = np.cumsum(f**2 * hazard + own + 2 * f * shared, axis=-1)
    value = constant + f**2 * np.cumsum(hazard, axis=-1) - 2 * f * np.cumsum(f * hazard + shared, axis=-1)
    return np.asarray(np.maximum(value, 0.0))


def limits(estimate: Floats, variance: Floats, *, conf_level: float = 0.95) -> tuple[Floats, Floats]:
    """Limits of a cumulative incidence, symmetric on the log(-log) scale; NaN where it is 0 or 1.

    Examples
    --------
    >>> low, high = limits(np.array([0.25]), np.array([0.03]))
    >>> f"{low[0]:.3f} {high[0]:.3f}"
    '0.025 0.594'
    """
    z = normal_quantile(conf_level)
    inside = (estimate > 0) & (estimate < 1 - ROUNDING)
    f = np.where(inside, estimate, 0.5)
    step = z * np.sqrt(variance) / (f * np.log(f))
    with np.errstate(over="ignore"):
        low, high = f ** np.exp(-step), f ** np.exp(step)
    return np.where(inside, low, np.nan), np.where(inside, high, np.nan)
