"""Desirability: several endpoints of a dose on one scale from 0 to 1, and what is uncertain about it.

Here: desirability functions (Derringer-Suich), their aggregation, posteriors of rates and of mean
exposures, and the posterior expectation of an aggregate by quadrature. Not here: gates, the choice of a
level, draws and SMAA (`ranking`); which endpoints count and how much, words (the dose room).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincc, betaincinv, betaln, expit, gammaln, stdtr, stdtrit

Array = NDArray[np.float64]
Kind = Literal["min", "max", "target", "box"]
Aggregator = Literal["geometric", "additive", "minimum"]

# Tanh-sinh nodes on (0, 1): they crowd at both ends so that x^p with any p > -1 is no obstacle there.
_STEP = 0.125
_GRID = np.arange(-6, 6 + _STEP / 2, _STEP)
_FROM_LEFT: Array = expit(np.pi * np.sinh(_GRID))
_FROM_RIGHT: Array = expit(-np.pi * np.sinh(_GRID))
_WEIGHT: Array = _STEP * np.pi * np.cosh(_GRID) * _FROM_LEFT * _FROM_RIGHT
# Panels end here, so that no peak falls between nodes: posterior standard deviations from the mean of a
# rate; for a Student mean, u where (mean - centre) / scale = sinh(u).
_RATE_CUTS = np.array([-8.0, -3.0, -1.0, 1.0, 3.0, 8.0])
_BLOCK = 2_000  # posteriors integrated at once: a thousand nodes each
_MEAN_CUTS = np.array([-16.0, -8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0, 16.0])
# The same for the least of several desirabilities: posterior probabilities.
_CUT_PROBABILITIES = np.array([1e-12, 1e-6, 0.001, 0.05, 0.5, 0.95, 0.999, 1 - 1e-6, 1 - 1e-12])


@dataclass(frozen=True, slots=True)
class Slope:
    """A part of a desirability function that rises or falls between two values, with its power."""

    rises: bool
    start: float
    end: float
    power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One desirability function.

    Parameters
    ----------
    kind : {"min", "max", "target", "box"}
        Less is better, more is better, `target` is best, or anything within [low, high] is fine.
    low, high : float
        Between them the desirability changes (or, for a box, is 1).
    target : float, optional
        Best value, strictly between `low` and `high`; for `kind="target"` only.
    scale : float, default 1
        Power of the slope; for a target, of the slope below it.
    high_scale : float, optional
        Power of the slope above a target; `scale` when not given.
    """

    kind: Kind
    low: float
    high: float
    target: float | None = None
    scale: float = 1.0
    high_scale: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("min", "max", "target", "box"):
            raise ValueError(f"kind must be one of min, max, target, box, got {self.kind!r}")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low must be below high, both finite, got {self.low} and {self.high}")
        if (self.target is None) == (self.kind == "target"):
            raise ValueError(f"target belongs to kind='target' and only there, got {self.target}")
        if self.target is not None and not self.low < self.target < self.high:
            raise ValueError(f"target must be strictly between {self.low} and {self.high}, got {self.target}")
        for name, power in (("scale", self.scale), ("high_scale", self.upper_scale)):
            if not (math.isfinite(power) and power > 0):
                raise ValueError(f"{name} must be above 0 and finite, got {power}")

    @property
    def upper_scale(self) -> float:
        """Power of the slope above a target."""
        return self.scale if self.high_scale is None else self.high_scale

    @property
    def slopes(self) -> tuple[Slope, ...]:
        """The parts that rise or fall."""
        if self.target is not None:
            below = Slope(True, self.low, self.target, self.scale)
            return (below, Slope(False, self.target, self.high, self.upper_scale))
        if self.kind == "box":
            return ()
        return (Slope(self.kind == "max", self.low, self.high, self.scale),)

    @property
    def plateau(self) -> tuple[float, float]:
        """The interval on which the desirability is 1 (for a target without width)."""
        if self.target is not None:
            return (self.target, self.target)
        return {"max": (self.high, math.inf), "min": (-math.inf, self.low)}.get(
            self.kind, (self.low, self.high)
        )

    def reach(self, level: ArrayLike) -> tuple[Array, Array]:
        """The interval of values whose desirability exceeds `level` (0 <= level < 1)."""
        t = np.asarray(level, dtype=float)
        left, right = (np.full(t.shape, end) for end in self.plateau)
        for slope in self.slopes:
            part = (slope.end - slope.start) * t ** (1 / slope.power)
            if slope.rises:
                left = slope.start + part
            else:
                right = slope.end - part
        return left, right


def desirability(x: ArrayLike, shape: Shape) -> Any:
    """Desirability of a value: 0 is useless, 1 cannot be improved.

    Parameters
    ----------
    x : float or array_like
        Values in the unit of `shape.low`; NaN stays NaN.
    shape : Shape
        The function.

    Returns
    -------
    float or numpy.ndarray
        In [0, 1]; a float when `x` is a number.

    References
    ----------
    Derringer G, Suich R (1980). Simultaneous optimization of several response variables.
    Journal of Quality Technology 12:214-219.

    Examples
    --------
    >>> desirability([0.1, 0.2, 0.4], Shape(kind="min", low=0.1, high=0.4)).round(3).tolist()
    [1.0, 0.667, 0.0]
    """
    values = np.asarray(x, dtype=float)
    left, right = shape.plateau
    d = np.where((values >= left) & (values <= right), 1.0, 0.0)
    for slope in shape.slopes:
        inside = (values > slope.start) & (values < slope.end)
        climbed = values - slope.start if slope.rises else slope.end - values
        share = np.where(inside, climbed / (slope.end - slope.start), 1.0)
        d = np.where(inside, share**slope.power, d)
    d = np.where(np.isnan(values), np.nan, d)
    return float(d) if values.ndim == 0 else d


def aggregate(d: ArrayLike, weights: ArrayLike | None = None, *, how: Aggregator = "geometric") -> Any:
    """Overall desirability of the criteria on the last axis.

    Parameters
    ----------
    d : array_like
        Desirabilities in [0, 1]; the last axis holds the criteria. NaN = not known, and makes the overall
        desirability NaN unless its weight is 0: a missing criterion is never imputed.
    weights : array_like, optional
        One per criterion, >= 0, not all 0; normalised to sum 1. Default: equal.
    how : {"geometric", "additive", "minimum"}
        Product of powers (one 0 makes the whole 0), weighted mean, or the least of those with weight > 0.

    Returns
    -------
    float or numpy.ndarray

    Raises
    ------
    ValueError
        If a desirability is outside [0, 1], or weights are negative, all 0 or of another length.

    Examples
    --------
    >>> f"{aggregate([2 / 3, 0.5, 0.75]):.4f} {aggregate([2 / 3, 0.5, 0.75], how='additive'):.4f}"
    '0.6300 0.6389'
    """
    values = np.atleast_1d(np.asarray(d, dtype=float))
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"desirabilities must be between 0 and 1, got {values.min()} to {values.max()}")
    share = normalised(np.ones(values.shape[-1]) if weights is None else weights, values.shape[-1])
    used = share > 0
    overall = _combine(values[..., used], share[used], how)
    return float(overall) if overall.ndim == 0 else overall


def weighted(values: Array, weights: ArrayLike) -> Array:
    """Geometric aggregate over the last axis without checks, for draws; NaN where one is not known."""
    share = normalised(weights, values.shape[-1])
    return _combine(values[..., share > 0], share[share > 0], "geometric")


def normalised(weights: ArrayLike, size: int) -> Array:
    """Weights as shares of 1; refuses what is no set of `size` weights."""
    w = np.asarray(weights, dtype=float)
    if w.shape != (size,):
        raise ValueError(f"weights must have one entry per criterion ({size}), got shape {w.shape}")
    if not (np.isfinite(w).all() and (w >= 0).all() and w.sum() > 0):
        raise ValueError(f"weights must be finite, >= 0 and not all 0, got {w.tolist()}")
    return np.asarray(w / w.sum(), dtype=float)


def _combine(values: Array, weights: Array, how: Aggregator) -> Array:
    """Aggregate over the last axis; weights > 0 that sum to 1."""
    if how == "minimum":
        return np.asarray(values.min(axis=-1), dtype=float)
    if how == "additive":
        return np.asarray((values * weights).sum(axis=-1), dtype=float)
    if how != "geometric":
        raise ValueError(f"aggregator must be one of geometric, additive, minimum, got {how!r}")
    return np.asarray(np.prod(values**weights, axis=-1), dtype=float)


@dataclass(frozen=True, slots=True)
class BetaPosterior:
    """Beta distribution of a rate; `a` and `b` are arrays of one shape, both above 0."""

    a: Array
    b: Array

    @property
    def parameters(self) -> tuple[Array, ...]:
        """The arrays it is made of."""
        return (self.a, self.b)

    @property
    def mean(self) -> Array:
        """Posterior mean."""
        return self.a / (self.a + self.b)

    @property
    def spread(self) -> Array:
        """Posterior standard deviation."""
        total = self.a + self.b
        return np.asarray(np.sqrt(self.a * self.b / (total + 1)) / total, dtype=float)

    def cdf(self, x: ArrayLike) -> Array:
        """P(rate <= x); x broadcasts after the shape of `a`."""
        inside = np.clip(np.asarray(x, dtype=float), 0.0, 1.0)
        return np.asarray(betainc(*_lift((self.a, self.b), inside), inside), dtype=float)

    def sf(self, x: ArrayLike) -> Array:
        """P(rate > x), accurate in the upper tail."""
        inside = np.clip(np.asarray(x, dtype=float), 0.0, 1.0)
        return np.asarray(betaincc(*_lift((self.a, self.b), inside), inside), dtype=float)

    def quantile(self, p: Array) -> Array:
        """Quantiles at each `p`, on a new last axis."""
        return np.asarray(betaincinv(self.a[..., None], self.b[..., None], p), dtype=float)

    def nodes(self, slope: Slope) -> tuple[Array, Array]:
        """Log of the mass at each node of a slope, and log of the share of the slope climbed there."""
        lowest, highest = np.clip([slope.start, slope.end], 0.0, 1.0)
        left, width = _panels(self.mean[..., None] + self.spread[..., None] * _RATE_CUTS, lowest, highest)
        x = left + width * _FROM_LEFT
        to_one = (1 - (left + width)) + width * _FROM_RIGHT
        if slope.rises:
            climbed = (left - slope.start) + width * _FROM_LEFT
        else:
            climbed = (slope.end - (left + width)) + width * _FROM_RIGHT
        a, b = self.a[..., None, None], self.b[..., None, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            log_density = (a - 1) * np.log(x) + (b - 1) * np.log(to_one) - betaln(a, b)
            log_mass = np.where(width > 0, log_density + np.log(width * _WEIGHT), -np.inf)
            return log_mass, np.log(np.maximum(climbed, 0.0) / (slope.end - slope.start))


@dataclass(frozen=True, slots=True)
class StudentPosterior:
    """Student t distribution of a mean: `centre`, `scale` >= 0 (0 = known exactly), degrees of freedom."""

    centre: Array
    scale: Array
    df: Array

    @property
    def parameters(self) -> tuple[Array, ...]:
        """The arrays it is made of."""
        return (self.centre, self.scale, self.df)

    @property
    def mean(self) -> Array:
        """Centre of the distribution."""
        return self.centre

    @property
    def spread(self) -> Array:
        """Scale of the distribution."""
        return self.scale

    def cdf(self, x: ArrayLike) -> Array:
        """P(mean <= x); x broadcasts after the shape of `centre`."""
        return self._tail(np.asarray(x, dtype=float), 1.0)

    def sf(self, x: ArrayLike) -> Array:
        """P(mean > x)."""
        return self._tail(np.asarray(x, dtype=float), -1.0)

    def _tail(self, x: Array, sign: float) -> Array:
        centre, scale, df = _lift((self.centre, self.scale, self.df), x)
        distance = sign * (x - centre)
        known = np.where(distance >= 0 if sign > 0 else distance > 0, 1.0, 0.0)
        tail = stdtr(df, distance / np.where(scale > 0, scale, 1.0))
        return np.asarray(np.where(scale > 0, tail, known), dtype=float)

    def quantile(self, p: Array) -> Array:
        """Quantiles at each `p`, on a new last axis."""
        t = stdtrit(self.df[..., None], p)
        return np.asarray(self.centre[..., None] + self.scale[..., None] * t, dtype=float)

    def nodes(self, slope: Slope) -> tuple[Array, Array]:
        """Log of the mass at each node of a slope, and log of the share of the slope climbed there.

        In u with mean = centre + scale sinh(u) the heavy tails fall off exponentially.
        """
        known = self.spread > 0
        centre, scale, df = (
            np.where(known, part, 1.0)[..., None] for part in (self.centre, self.scale, self.df)
        )
        first, last = np.arcsinh((slope.start - centre) / scale), np.arcsinh((slope.end - centre) / scale)
        left, width = _panels(np.broadcast_to(_MEAN_CUTS, (*known.shape, _MEAN_CUTS.size)), first, last)
        u = left + width * _FROM_LEFT
        foot = (first if slope.rises else last)[..., None]
        if slope.rises:
            above = (left - foot) + width * _FROM_LEFT
        else:
            above = (foot - (left + width)) + width * _FROM_RIGHT
        # |sinh u - sinh foot| without cancellation.
        climbed = 2 * scale[..., None] * np.cosh((u + foot) / 2) * np.sinh(np.maximum(above, 0.0) / 2)
        constant = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * np.log(df * np.pi)
        tail = (df + 1)[..., None] / 2 * np.log1p(np.sinh(u) ** 2 / df[..., None])
        with np.errstate(divide="ignore"):
            log_mass = constant[..., None] - tail + np.log(np.cosh(u)) + np.log(width * _WEIGHT)
            return log_mass, np.log(climbed / (slope.end - slope.start))


Posterior = BetaPosterior | StudentPosterior


def _panels(cuts: Array, lowest: ArrayLike, highest: ArrayLike) -> tuple[Array, Array]:
    """Left end and width of the panels that `cuts` make of [lowest, highest], with an axis for nodes."""
    ends = np.zeros((*cuts.shape[:-1], 1))
    bounds = np.concatenate([ends + lowest, np.clip(cuts, lowest, highest), ends + highest], axis=-1)
    return bounds[..., :-1, None], np.diff(bounds, axis=-1)[..., None]


def _lift(parameters: Sequence[Array], x: Array) -> list[Array]:
    """Parameters with trailing axes added so that they broadcast against x."""
    return [part.reshape(part.shape + (1,) * max(0, x.ndim - part.ndim)) for part in parameters]


def beta_posterior(
    n_event: ArrayLike, n: ArrayLike, *, prior: tuple[float, float] = (1.0, 1.0)
) -> BetaPosterior:
    """Posterior of a rate after `n_event` of `n`, under a Beta prior.

    Examples
    --------
    >>> f"{beta_posterior(1, 3).sf(0.30):.4f}"
    '0.6517'
    """
    events, total = np.broadcast_arrays(np.asarray(n_event, dtype=float), np.asarray(n, dtype=float))
    return BetaPosterior(prior[0] + events, prior[1] + total - events)


def pooled_posterior(n: ArrayLike, mean: ArrayLike, sum_squares: ArrayLike) -> StudentPosterior:
    """Posterior of each level's mean when all levels share one variance.

    Parameters
    ----------
    n, mean, sum_squares : array_like
        Values per level (last axis), their mean, and the sum of squares about it; levels with n = 0 have no
        posterior and take no part.

    Returns
    -------
    StudentPosterior
        `scale` = sqrt(s2 / n) with s2 = SSE / df and df = all values less the levels that have any. NaN
        where n = 0, and everywhere when df = 0: the variance is then not estimable.

    Notes
    -----
    Prior proportional to 1/sigma^2, so mean_j | data = mean_j + sqrt(s2 / n_j) t_df.

    Examples
    --------
    >>> post = pooled_posterior([3, 2], [11.0, 12.0], [0.5, 0.4])
    >>> f"df {post.df[0]:.0f}, scale {post.scale[0]:.4f} and {post.scale[1]:.4f}"
    'df 3, scale 0.3162 and 0.3873'
    """
    count, centre, squares = np.broadcast_arrays(
        *(np.asarray(part, dtype=float) for part in (n, mean, sum_squares))
    )
    there = count > 0
    df = (np.where(there, count, 0.0).sum(axis=-1) - there.sum(axis=-1))[..., None]
    total = np.where(there, squares, 0.0).sum(axis=-1)[..., None]
    known = there & (df > 0)
    variance = total / np.where(df > 0, df, 1.0) / np.where(there, count, 1.0)
    return StudentPosterior(
        np.where(known, centre, np.nan),
        np.where(known, np.sqrt(variance), np.nan),
        np.where(known, df, np.nan),
    )


def expected_power(shape: Shape, posterior: Posterior, power: ArrayLike = 1.0) -> Array:
    """Posterior expectation of a desirability raised to a power, by quadrature.

    Parameters
    ----------
    shape : Shape
        Desirability of the parameter (a rate, or the mean of a log exposure).
    posterior : BetaPosterior or StudentPosterior
        Distribution of the parameter; arrays of any shape, NaN gives NaN.
    power : float or array_like
        Powers >= 0; 0 drops the criterion (1). An array adds its axis after those of the posterior.

    Returns
    -------
    numpy.ndarray
        E[d(parameter)^power], with an error near 1e-13.

    Notes
    -----
    Where the desirability is 1 the expectation is a posterior probability; each slope is integrated by the
    tanh-sinh rule (Takahasi and Mori 1974) on panels around the posterior mean.

    Examples
    --------
    >>> shape = Shape(kind="max", low=0.2, high=0.8)
    >>> f"{expected_power(shape, beta_posterior(2, 3), 0.3):.6f}"
    '0.836451'
    """
    powers = np.asarray(power, dtype=float)
    if not (powers >= 0).all():
        raise ValueError(f"power must be >= 0, got {power!r}")
    if posterior.mean.size > _BLOCK:
        return _in_blocks(shape, posterior, powers)
    given = np.atleast_1d(powers)
    exponents = np.where(given > 0, given, 1.0)
    left, right = shape.plateau
    flat = np.zeros_like(posterior.mean)
    if right > left:
        flat = posterior.sf(left) if right == math.inf else posterior.cdf(right)
        if math.isfinite(left) and math.isfinite(right):
            flat = posterior.cdf(right) - posterior.cdf(left)
    expected = np.repeat(flat[..., None], exponents.size, axis=-1)
    for slope in shape.slopes:
        expected = expected + _slope(slope, posterior, exponents)
    exact = np.asarray(desirability(posterior.mean, shape))[..., None] ** exponents
    expected = np.where(posterior.spread[..., None] > 0, expected, exact)
    expected = np.where(np.isnan(posterior.mean)[..., None], np.nan, np.clip(expected, 0.0, 1.0))
    expected = np.where(given > 0, expected, 1.0)
    return expected[..., 0] if powers.ndim == 0 else expected


def _in_blocks(shape: Shape, posterior: Posterior, powers: Array) -> Array:
    """The same for many posteriors: each distinct one once, a block of them at a time."""
    parts = np.stack([part.ravel() for part in posterior.parameters])
    distinct, back = np.unique(parts, axis=1, return_inverse=True)
    blocks = [
        expected_power(shape, type(posterior)(*distinct[:, start : start + _BLOCK]), powers)
        for start in range(0, distinct.shape[1], _BLOCK)
    ]
    found = np.concatenate(blocks)[back.ravel()]
    return found.reshape(posterior.mean.shape + powers.shape)


def _slope(slope: Slope, posterior: Posterior, exponents: Array) -> Array:
    """Integral of (share of the slope climbed)^(power * exponent) times the density, over one slope."""
    log_mass, log_climbed = posterior.nodes(slope)
    parts = [np.exp(log_mass + exponent * slope.power * log_climbed) for exponent in exponents]
    return np.stack([part.sum(axis=(-2, -1)) for part in parts], axis=-1)


def expected_score(
    shapes: Sequence[Shape],
    posteriors: Sequence[Posterior],
    weights: ArrayLike,
    *,
    how: Aggregator = "geometric",
) -> Array:
    """Posterior expectation of the overall desirability, exact up to quadrature.

    Parameters
    ----------
    shapes, posteriors : sequences
        One per criterion; the posteriors have arrays of one shape (dose levels on the last axis).
    weights : array_like
        One per criterion; normalised, zero weights dropped.
    how : {"geometric", "additive", "minimum"}

    Returns
    -------
    numpy.ndarray
        One score per dose level, NaN where a criterion with weight > 0 is not known.

    Notes
    -----
    The criteria are independent a posteriori, so E[prod d_k^w_k] = prod E[d_k^w_k]: one integral per
    criterion and no sampling. The least of them: E[min d_k] is the integral of prod P(d_k > t) over t.
    """
    share = normalised(weights, len(shapes))
    used = [k for k in range(len(shapes)) if share[k] > 0]
    if how == "geometric":
        factors = [expected_power(shapes[k], posteriors[k], share[k]) for k in used]
        return np.asarray(np.prod(factors, axis=0), dtype=float)
    if how == "additive":
        terms = [share[k] * expected_power(shapes[k], posteriors[k]) for k in used]
        return np.asarray(np.sum(terms, axis=0), dtype=float)
    if how != "minimum":
        raise ValueError(f"aggregator must be one of geometric, additive, minimum, got {how!r}")
    return _expected_minimum([shapes[k] for k in used], [posteriors[k] for k in used])


def _expected_minimum(shapes: Sequence[Shape], posteriors: Sequence[Posterior]) -> Array:
    """E[min d_k] = integral over t in (0, 1) of prod_k P(d_k > t)."""
    pairs = list(zip(shapes, posteriors, strict=True))
    known = ~np.any([np.isnan(posterior.mean) for posterior in posteriors], axis=0)
    ends = np.zeros((*known.shape, 1))
    turns = [desirability(posterior.quantile(_CUT_PROBABILITIES), shape) for shape, posterior in pairs]
    bounds = np.sort(np.concatenate([ends, *turns, ends + 1], axis=-1), axis=-1)
    bounds = np.where(np.isnan(bounds), 1.0, bounds)
    left, width = bounds[..., :-1, None], np.diff(bounds, axis=-1)[..., None]
    t = left + width * _FROM_LEFT
    together = np.ones_like(t)
    for shape, posterior in pairs:
        lower, upper = shape.reach(t)
        together = together * _between(posterior, lower, upper)
    total = (together * width * _WEIGHT).sum(axis=(-2, -1))
    return np.where(known, total, np.nan)


def _between(posterior: Posterior, lower: Array, upper: Array) -> Array:
    """P(lower < parameter < upper) for arrays with two trailing axes more than the posterior."""
    if not np.isfinite(upper).any():
        return posterior.sf(lower)
    if not np.isfinite(lower).any():
        return posterior.cdf(upper)
    return np.clip(posterior.cdf(upper) - posterior.cdf(lower), 0.0, 1.0)
