"""Kaplan-Meier curves as arrays: the steps, their limits, quantiles and restricted means.

Here: one curve from times and events, five kinds of pointwise limits, three reading rules
for quantiles, the restricted mean, the curve of the follow-up. Not here: beta product limits
(`stats.bpcp`), several causes (`stats.competing_risks`), comparisons (`stats.logrank`),
frames and study tables (`survival`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOLERANCE = float(np.finfo(float).eps ** 0.5)  # 1.49e-8, the tolerance of R survfit
FORMULAS = ("log-log", "log", "plain", "logit", "arcsine")
QUANTILE_RULES = ("survfit", "survfit-quantile", "sas")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """The steps of one Kaplan-Meier curve, one entry per distinct time.

    ``n_observed`` counts the subjects with a time at or after ``time``; ``n_risk`` is the
    denominator of the step. They differ only in a follow-up curve with events first.
    ``log_std_err`` is the Greenwood standard error of log S (inf where S is 0).
    """

    time: Floats
    n_observed: Ints
    n_risk: Ints
    n_event: Ints
    n_censor: Ints
    survival: Floats
    log_std_err: Floats

    @property
    def n(self) -> int:
        """Number of subjects."""
        return int(self.n_observed[0]) if self.n_observed.size else 0

    @property
    def std_err(self) -> Floats:
        """Greenwood standard error of S; NaN where S is 0."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.survival * self.log_std_err)


def checked(time: ArrayLike, event: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Times as finite non-negative floats and events as booleans, or a ValueError that says which is not.

    Examples
    --------
    >>> checked([3, 5], [1, 0])[1].tolist()
    [True, False]
    """
    times, events = np.asarray(time, dtype=float), np.asarray(event)
    if times.ndim != 1 or times.shape != events.shape:
        raise ValueError(
            f"time and event must be one-dimensional and of one length, got {times.shape} and {events.shape}"
        )
    if not np.isfinite(times).all():
        raise ValueError("time must be finite; leave subjects without a time out")
    if times.size and times.min() < 0:
        raise ValueError(f"time must not be negative, got {times.min():g}")
    if events.dtype != bool:
        numbers = np.asarray(events, dtype=float)
        happened = numbers == 1
        wrong = ~(happened | (numbers == 0))
        if wrong.any():
            raise ValueError(f"event must be 0 or 1 (or boolean), got {numbers[wrong][0]:g}")
        events = happened
    return times, events


def cumulative_hazard(n_risk: ArrayLike, n_event: ArrayLike) -> tuple[Floats, Floats]:
    """Nelson-Aalen estimate along the steps of a curve, and its standard error.

    Parameters
    ----------
    n_risk, n_event : array_like
        At risk and events at each time, in the order of the times.

    Returns
    -------
    hazard, std_err : ndarray
        Sum of n_event / n_risk, and the root of the sum of n_event / n_risk^2 (Aalen), as R ``survfit`` gives
        `cumhaz` and `std.chaz`.

    References
    ----------
    Aalen O (1978). Nonparametric inference for a family of counting processes. Ann Stat 6:701-726.
    doi:10.1214/aos/1176344247

    Examples
    --------
    >>> hazard, std_err = cumulative_hazard([4, 3, 1], [1, 1, 1])
    >>> [round(float(h), 3) for h in hazard], round(float(std_err[-1]), 3)
    ([0.25, 0.583, 1.583], 1.083)
    """
    at_risk, events = np.asarray(n_risk, dtype=np.float64), np.asarray(n_event, dtype=np.float64)
    return np.cumsum(events / at_risk), np.sqrt(np.cumsum(events / at_risk**2))


def normal_quantile(conf_level: float) -> float:
    """Normal deviate of a two-sided level: 1.96 for 0.95; ValueError outside (0, 1).

    Examples
    --------
    >>> f"{normal_quantile(0.95):.3f}"
    '1.960'
    """
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level must be strictly between 0 and 1, got {conf_level}")
    return float(ndtri((1 + conf_level) / 2))


def merge_near_ties(time: Floats) -> Floats:
    """Times with rounding noise between them made equal, as `timefix` of R survival does.

    Two neighbouring distinct times are one when they differ by at most 1.49e-8, absolutely or
    relative to the mean of the distinct times; the smallest of a chain stands for all.

    Examples
    --------
    >>> merge_near_ties(np.array([0.1 + 0.2, 0.3])).tolist()
    [0.3, 0.3]
    """
    distinct, place = np.unique(time, return_inverse=True)
    new = np.diff(distinct, prepend=-np.inf) > _resolution(distinct)
    return np.asarray(distinct[new][np.cumsum(new)[place] - 1])


def _resolution(distinct: Floats) -> float:
    """The largest gap between two distinct times that still counts as rounding noise."""
    return TOLERANCE * max(1.0, float(distinct.mean())) if distinct.size else TOLERANCE


def curve(time: ArrayLike, event: ArrayLike, *, near_ties: bool = True) -> Curve:
    """Kaplan-Meier curve: one step per distinct time, censor-only times too.

    Parameters
    ----------
    time : array
        Observed times, any order and unit, not negative. A time of 0 is legal.
    event : array of bool or 0/1
        True where the event happened, False where the subject was censored.
    near_ties : bool, default True
        Merge times that differ by rounding noise (`merge_near_ties`).

    Returns
    -------
    Curve
        Censorings at an event time are at risk there (Kaplan and Meier 1958).

    Raises
    ------
    ValueError
        If lengths differ, a time is negative or not finite, or an event is neither 0 nor 1.

    Notes
    -----
    S is the running product of (n - d)/n, never the exponential of a sum of logarithms.

    Examples
    --------
    >>> steps = curve([3, 5, 5, 8], [1, 1, 0, 0])
    >>> steps.survival.tolist()
    [0.75, 0.5, 0.5]
    """
    times, events = checked(time, event)
    distinct, n_observed, n_event = _days(times, events) or _moments(times, events, near_ties=near_ties)
    n_censor = n_observed - n_event
    n_censor[:-1] -= n_observed[1:]
    return _from_counts(distinct, n_observed, n_observed, n_event, n_censor)


def _days(times: Floats, events: NDArray[np.bool_]) -> tuple[Floats, Ints, Ints] | None:
    """Distinct times, observed and events at each, counted without sorting; None unless whole and dense."""
    last = times.max(initial=-1.0)
    if not 0 <= last <= 4 * times.size + 1000:
        return None
    cells = times.astype(np.int64)
    if not (cells == times).all():
        return None
    cells *= 2
    cells += events
    n_censor, n_event = np.bincount(cells, minlength=2 * int(last) + 2).reshape(-1, 2).T
    n_left = n_event + n_censor
    (seen,) = n_left.nonzero()
    n_left = n_left[seen]
    return seen.astype(float), times.size + n_left - n_left.cumsum(), n_event[seen]


def _moments(times: Floats, events: NDArray[np.bool_], *, near_ties: bool) -> tuple[Floats, Ints, Ints]:
    """Distinct times, observed and events at each, from one sort."""
    # Non-negative floats order as their bits do, which leaves the lowest bit free to carry the event.
    keys = (times + 0.0).view(np.uint64)
    keys <<= np.uint64(1)
    keys |= events
    keys.sort()
    ordered = (keys >> np.uint64(1)).view(np.float64)
    gap = ordered[1:] - ordered[:-1]
    first = np.append(True, gap > 0)[: ordered.size]
    if near_ties:
        first[1:] = gap > _resolution(ordered[first])
    (start,) = first.nonzero()
    keys &= np.uint64(1)
    before = np.append(0, keys.view(np.int64).cumsum())  # events before each place of the order
    n_event = np.diff(before[np.append(start, ordered.size)])
    return ordered[start], ordered.size - start, n_event


def _from_counts(time: Floats, n_observed: Ints, n_risk: Ints, n_event: Ints, n_censor: Ints) -> Curve:
    risk: Floats = np.maximum(n_risk, 1.0, dtype=float)  # where nobody is at risk there is no event either
    left = risk - n_event
    variance = risk * left
    with np.errstate(divide="ignore"):
        np.divide(n_event, variance, out=variance)
    np.divide(left, risk, out=left)
    return Curve(
        time=time,
        n_observed=n_observed,
        n_risk=n_risk,
        n_event=n_event,
        n_censor=n_censor,
        survival=left.cumprod(out=left),
        log_std_err=np.sqrt(variance.cumsum(out=variance), out=variance),
    )


def follow_up_curve(steps: Curve, *, events_first: bool = True) -> Curve:
    """Reverse Kaplan-Meier: the curve of the time under observation, censoring being its event.

    Parameters
    ----------
    steps : Curve
        The curve of the endpoint.
    events_first : bool, default True
        At a shared time the events leave before the censorings (factor 1 - c/(n - d), as in
        the curve itself); False keeps them at risk (factor 1 - c/n, R with the status flipped).

    Returns
    -------
    Curve

    Examples
    --------
    >>> follow_up_curve(curve([3, 5, 5, 8], [1, 1, 0, 0])).survival.tolist()
    [1.0, 0.5, 0.0]
    """
    n_risk = steps.n_observed - steps.n_event if events_first else steps.n_observed
    return _from_counts(steps.time, steps.n_observed, n_risk, steps.n_censor, steps.n_event)


def limits(steps: Curve, *, conf_type: str = "log-log", conf_level: float = 0.95) -> tuple[Floats, Floats]:
    """Pointwise confidence limits of S from Greenwood's variance.

    Parameters
    ----------
    steps : Curve
    conf_type : {"log-log", "log", "plain", "logit", "arcsine"}
        The scale on which the limits are symmetric.
    conf_level : float, default 0.95
        Two-sided level.

    Returns
    -------
    (low, high) : two arrays
        [1, 1] before the first event (not estimable, NaN, for arcsine); NaN where S is 0.

    Raises
    ------
    ValueError
        For an unknown `conf_type` or a level outside (0, 1).

    Examples
    --------
    >>> low, high = limits(curve([3, 5, 5, 8], [1, 1, 0, 0]))
    >>> [f"{limit:.3f}" for limit in (low[0], high[0])]
    ['0.128', '0.961']
    """
    z = normal_quantile(conf_level)
    if conf_type not in FORMULAS:
        raise ValueError(f"conf_type must be one of {', '.join(FORMULAS)}, got {conf_type!r}")
    s, se = steps.survival, steps.log_std_err
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = _on_scale(conf_type, s, z * se)
    certain, over = s >= 1, s <= 0
    for side in (low, high):
        side[certain] = np.nan if conf_type == "arcsine" else 1.0
        side[over] = np.nan
    return low, high


def _on_scale(conf_type: str, s: Floats, width: Floats) -> tuple[Any, Any]:
    """Limits at S for `width` = z times the standard error of log S."""
    if conf_type == "plain":
        return np.maximum(s - s * width, 0), np.minimum(s + s * width, 1)
    if conf_type == "log":
        return s * np.exp(-width), np.minimum(s * np.exp(width), 1)
    if conf_type == "log-log":
        step = width / np.log(s)  # negative: log S < 0
        return s ** np.exp(-step), s ** np.exp(step)
    if conf_type == "logit":
        step = width / (1 - s)
        return expit(logit(s) - step), expit(logit(s) + step)
    angle, half = np.arcsin(np.sqrt(s)), width / 2 * np.sqrt(s / (1 - s))
    return np.sin(np.maximum(angle - half, 0)) ** 2, np.sin(np.minimum(angle + half, np.pi / 2)) ** 2


def level_at(steps: Curve, times: ArrayLike) -> NDArray[np.intp]:
    """Index of the step in force at each of `times`; -1 before the first."""
    return np.asarray(np.searchsorted(steps.time, np.asarray(times, dtype=float), side="right") - 1)


def step_quantile(time: Floats, height: Floats, p: float, *, rule: str = "survfit") -> float:
    """Time at which a falling step curve has let the part `p` of its subjects go.

    Parameters
    ----------
    time, height : arrays
        The curve, or one of its bands; NaN heights are skipped.
    p : float
        Part that had the event: 0.5 for the median.
    rule : {"survfit", "survfit-quantile", "sas"}
        ``survfit`` as R prints it: the first time at or below 1 - p, the midpoint when the
        curve lies exactly on 1 - p and falls later. ``survfit-quantile`` as R ``quantile``:
        the same, and a flat on 1 - p that lasts to the end counts to the last time.
        ``sas``: the first time strictly below 1 - p, the midpoint as above.

    Returns
    -------
    float
        NaN when not reached.

    Examples
    --------
    >>> times, survival = np.array([1.0, 2.0, 4.0]), np.array([0.75, 0.5, 0.5])
    >>> [step_quantile(times, survival, 0.5, rule=rule) for rule in QUANTILE_RULES]
    [2.0, 3.0, nan]
    """
    last = time[-1] if time.size else np.nan
    known = ~np.isnan(height)
    t, y, target = np.append(0.0, time[known]), np.append(1.0, height[known]), 1 - p
    if rule != "survfit":
        y = np.minimum.accumulate(y)
    reached = np.flatnonzero(y < target + TOLERANCE)
    if not reached.size:
        return float("nan")
    start, level = t[reached[0]], y[reached[0]]
    if abs(level - target) >= TOLERANCE:
        return float(start)
    if p == 0 and rule != "survfit":
        return 0.0
    lower = np.flatnonzero(y[reached[0] :] < level)
    if lower.size:
        return float((start + t[reached[0] + lower[0]]) / 2)
    return {"survfit": float(start), "survfit-quantile": float((start + last) / 2)}.get(rule, float("nan"))


def quantile_limits(
    time: Floats, low: Floats, high: Floats, p: float, *, rule: str = "survfit"
) -> tuple[float, float]:
    """Brookmeyer-Crowley limits of the quantile: where the two bands of S cross 1 - p.

    Parameters
    ----------
    time, low, high : arrays
        The curve's times and its pointwise limits.
    p : float
        Part that had the event.
    rule : {"survfit", "survfit-quantile", "sas"}
        Reading rule, as in `step_quantile`. ``sas`` takes the times whose interval holds
        1 - p: the first of them, and the first time after it that has left the interval below.

    Returns
    -------
    (low, high) : two floats
        NaN when not reached.

    Examples
    --------
    >>> steps = curve([1, 2, 3, 4, 5, 6, 7, 8, 9], [1] * 9)
    >>> quantile_limits(steps.time, *limits(steps), 0.5)
    (1.0, 8.0)
    """
    if rule != "sas":
        return step_quantile(time, low, p, rule=rule), step_quantile(time, high, p, rule=rule)
    target = 1 - p
    inside = np.flatnonzero((low <= target) & (high >= target))
    if not inside.size:
        return float("nan"), float("nan")
    left = np.flatnonzero(high[inside[0] :] < target)
    upper = float(time[inside[0] + left[0]]) if left.size else float("nan")
    return float(time[inside[0]]), upper


def restricted_mean(steps: Curve, tau: float) -> tuple[float, float]:
    """Mean time to event restricted to `tau`, and its standard error.

    The last level of the curve is carried to `tau`; whether that is allowed is the caller's
    decision. Greenwood-type variance: the sum over events of A^2 d / (n (n - d)), with A the
    area from the event to `tau`; a step to 0 adds nothing.

    Examples
    --------
    >>> mean, std_err = restricted_mean(curve([1, 2, 3, 4], [1, 1, 0, 0]), 6)
    >>> f"{mean:.2f} {std_err:.4f}"
    '3.75 1.1388'
    """
    inside = steps.time <= tau
    time, survival = steps.time[inside], steps.survival[inside]
    widths = np.diff(np.concatenate([[0.0], time, [tau]]))
    areas = widths * np.concatenate([[1.0], survival])
    to_tau = areas.sum() - np.cumsum(areas)[:-1]
    n, d = steps.n_risk[inside], steps.n_event[inside]
    kept = (d > 0) & (n > d)
    terms = to_tau[kept] ** 2 * d[kept] / (n[kept] * (n[kept] - d[kept]).astype(float))
    return float(areas.sum()), float(np.sqrt(terms.sum()))


def bootstrap_quantiles(
    time: ArrayLike,
    event: ArrayLike,
    *,
    p: float = 0.5,
    n_resamples: int,
    rng: np.random.Generator | int,
) -> Floats:
    """Quantile (rule ``survfit``) of each of many resamples of the subjects, all at once.

    Parameters
    ----------
    time, event : arrays
        Times in any unit, and whether the event happened.
    p : float, default 0.5
        Part that had the event.
    n_resamples : int
        Number of resamples with replacement, each of as many subjects.
    rng : Generator or int
        Source of chance, or its seed; there is no default.

    Returns
    -------
    array
        One quantile per resample; NaN where it was not reached.

    Raises
    ------
    ValueError
        For impossible arrays, a part outside [0, 1] or a negative number of resamples.

    Examples
    --------
    >>> medians = bootstrap_quantiles([1, 2, 3, 4, 5], [1, 1, 1, 1, 1], n_resamples=1000, rng=1)
    >>> f"{np.median(medians):.1f}"
    '3.0'
    """
    times, events = checked(time, event)
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie between 0 and 1, got {p}")
    if n_resamples < 0:
        raise ValueError(f"n_resamples must not be negative, got {n_resamples}")
    if not times.size:
        return np.full(n_resamples, np.nan)
    distinct, place = np.unique(merge_near_ties(times), return_inverse=True)
    picks = np.random.default_rng(rng).integers(times.size, size=(n_resamples, times.size))
    cells = place[picks] + np.arange(n_resamples)[:, None] * distinct.size
    shape, size = (n_resamples, distinct.size), n_resamples * distinct.size
    left = np.bincount(cells.ravel(), minlength=size).reshape(shape)
    d = np.bincount(cells[events[picks]], minlength=size).reshape(shape)
    n = times.size + left - np.cumsum(left, axis=1)
    survival = np.cumprod((n - d) / np.maximum(n, 1) + (n == 0), axis=1)
    return _first_crossings(np.append(0.0, distinct), np.hstack([np.ones((n_resamples, 1)), survival]), 1 - p)


def _first_crossings(time: Floats, heights: Floats, target: float) -> Floats:
    """`step_quantile` with the rule ``survfit`` for every row of `heights`."""
    below = heights < target + TOLERANCE
    first = below.argmax(axis=1)
    row = np.arange(len(heights))
    level = heights[row, first]
    lower = heights < level[:, None]
    on_it = (np.abs(level - target) < TOLERANCE) & lower.any(axis=1)
    found = np.where(on_it, (time[first] + time[lower.argmax(axis=1)]) / 2, time[first])
    return np.where(below.any(axis=1), found, np.nan)
