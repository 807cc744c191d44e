"""Proportions: intervals, exact tests and the Beta posterior of one, and the comparison of two.

Here: what to call. Everything takes arrays of any shape; equal (x, n) pairs are worked out once.
Not here: the formulas of the intervals (stats.binomial_intervals), two proportions
(stats.two_proportions, named here too), trend over dose levels (stats.trend), events per
person-time (stats.rates), which subject counts as a responder (response).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincc, betainccinv, betaincinv, betaln, xlog1py, xlogy

from cart7.stats.binomial import (
    Array,
    Limits,
    alpha_of,
    at_least,
    at_most,
    beta_shapes,
    check_level,
    counts,
    log_chance,
    log_choose,
    root,
    unique_pairs,
)
from cart7.stats.binomial_intervals import INTERVALS
from cart7.stats.two_proportions import (
    COMPARE_METHODS,
    DIFFERENCE_METHODS,
    Alternative,
    compare_test,
    difference_interval,
    superiority,
)

__all__ = [
    "COMPARE_METHODS",
    "DIFFERENCE_METHODS",
    "METHODS",
    "Posterior",
    "compare_test",
    "difference_interval",
    "interval",
    "posterior",
    "predictive",
    "superiority",
    "test",
]

METHODS: dict[str, str] = {
    "clopper-pearson": "Clopper-Pearson",
    "mid-p": "mid-p",
    "blaker": "Blaker",
    "minlike": "Sterne (minlike)",
    "wilson": "Wilson",
    "wilson-cc": "Wilson, continuity-corrected",
    "wilson-cc-proptest": "Wilson, corrected as R prop.test",
    "jeffreys": "Jeffreys",
    "jeffreys-raw": "Jeffreys, no edges",
    "modified-jeffreys": "modified Jeffreys",
    "agresti-coull": "Agresti-Coull",
    "likelihood": "likelihood ratio",
    "scas": "skewness-corrected score",
    "logit": "logit",
    "arcsine": "arcsine",
    "wald": "Wald",
    "wald-cc": "Wald, continuity-corrected",
}
"""Every method of `interval`, with its name in print."""


def interval(
    x: npt.ArrayLike, n: npt.ArrayLike, *, method: str = "clopper-pearson", conf_level: float = 0.95
) -> Limits:
    """Two-sided confidence interval for a proportion, by any of seventeen methods.

    Parameters
    ----------
    x : array_like
        Subjects with the event, whole numbers in ``0..n``.
    n : array_like
        Subjects assessed; broadcast against `x`.
    method : str, default "clopper-pearson"
        Exact: ``clopper-pearson`` (central), ``blaker``, ``minlike`` (Sterne), and ``mid-p``.
        Score: ``wilson``, ``wilson-cc`` (Newcombe's correction), ``wilson-cc-proptest`` (as R
        ``prop.test``: uncorrected when ``x = n/2``), ``scas`` (skewness-corrected).
        Bayes: ``jeffreys`` (0 at ``x = 0``, 1 at ``x = n``), ``jeffreys-raw``, ``modified-jeffreys``.
        Others: ``agresti-coull``, ``likelihood``, ``logit``, ``arcsine``, ``wald``, ``wald-cc``.
    conf_level : float, default 0.95
        Two-sided level, strictly between 0 and 1.

    Returns
    -------
    low, high : numpy.ndarray
        Limits as fractions in [0, 1], in the broadcast shape; NaN where ``n = 0`` (a dose level
        nobody has reached yet is an ordinary trial).

    Raises
    ------
    ValueError
        If a count is not whole, `x` is outside ``0..n``, `conf_level` is outside (0, 1) or
        `method` is unknown.

    Notes
    -----
    ``blaker`` and ``minlike`` give the hull of the set of proportions their test accepts; the set
    itself can have holes.

    References
    ----------
    Clopper CJ, Pearson ES (1934). Biometrika 26:404-413.
    Newcombe RG (1998). Stat Med 17:857-872.
    Brown LD, Cai TT, DasGupta A (2001). Statist Sci 16:101-133.
    Blaker H (2000). Can J Statist 28:783-798.
    Laud PJ (2017). Pharm Stat 16:334-348.

    Examples
    --------
    >>> low, high = interval(7, 9)
    >>> f"({low:.3f}, {high:.3f})"
    '(0.400, 0.972)'
    """
    if method not in INTERVALS:
        raise ValueError(f"method must be one of {', '.join(INTERVALS)}; got {method!r}")
    check_level(conf_level)
    events, total = counts(x, n)
    low, high = np.full(events.shape, np.nan), np.full(events.shape, np.nan)
    seen = total > 0
    if seen.any():
        first, back = unique_pairs(events[seen], total[seen])
        limits = INTERVALS[method](events[seen][first], total[seen][first], alpha_of(conf_level))
        low[seen], high[seen] = (np.clip(limit, 0.0, 1.0)[back] for limit in limits)
    return low[()], high[()]


def test(
    x: npt.ArrayLike,
    n: npt.ArrayLike,
    p0: npt.ArrayLike,
    *,
    alternative: Alternative = "two-sided",  # noqa: PT028 (a statistical test, not one of pytest's)
    method: str = "central",  # noqa: PT028
) -> Array:
    """Exact test that a proportion is p0.

    Parameters
    ----------
    x, n : array_like
        Subjects with the event, of subjects assessed.
    p0 : array_like
        The proportion under the hypothesis, 0 to 1; broadcast.
    alternative : {"two-sided", "greater", "less"}
        ``greater`` is P(X >= x), ``less`` P(X <= x), whatever the method but ``mid-p``, which leaves
        out half the probability of x.
    method : str, default "central"
        Two-sided: ``central`` (twice the smaller tail), ``minlike`` (outcomes no more likely, as R
        ``binom.test``), ``blaker``, ``mid-p`` (doubled). Each agrees with its interval.

    Returns
    -------
    numpy.ndarray
        p-values; NaN where ``n = 0``.

    Raises
    ------
    ValueError
        For counts as in `interval`, p0 outside [0, 1], an unknown method or alternative.

    Examples
    --------
    >>> f"{test(7, 9, 0.3, alternative='greater'):.4f}"
    '0.0043'
    """
    if method not in _TWO_SIDED:
        raise ValueError(f"method must be one of {', '.join(_TWO_SIDED)}; got {method!r}")
    if alternative not in ("two-sided", "greater", "less"):
        raise ValueError(f"alternative must be one of two-sided, greater, less; got {alternative!r}")
    null = np.asarray(p0, dtype=float)
    if not np.all((null >= 0) & (null <= 1)):
        raise ValueError(f"p0 must be between 0 and 1, got {p0!r}")
    events, total, null = np.broadcast_arrays(*counts(x, n), null)
    greater, less = _at_least(events, total, null), _at_most(events, total, null)
    if method == "mid-p":
        half = np.exp(log_chance(events, total, null)) / 2
        greater, less = greater - half, less - half
    if alternative == "two-sided":
        p_value = _TWO_SIDED[method](events, total, null, greater, less)
    else:
        p_value = greater if alternative == "greater" else less
    return np.where(total > 0, np.clip(p_value, 0, 1), np.nan)[()]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posterior:
    """What a Beta prior and the counts say about a proportion; every field has the counts' shape."""

    mean: Array
    sd: Array
    median: Array
    low: Array  # equal-tailed
    high: Array
    hpd_low: Array  # highest posterior density; NaN when both shapes are 1 or less
    hpd_high: Array
    prob_greater: Array  # P(p > threshold); NaN without a threshold


def posterior(
    x: npt.ArrayLike,
    n: npt.ArrayLike,
    *,
    prior: tuple[float, float] = (0.5, 0.5),
    threshold: npt.ArrayLike | None = None,
    conf_level: float = 0.95,
) -> Posterior:
    """Beta posterior of a proportion.

    Parameters
    ----------
    x, n : array_like
        Subjects with the event, of subjects assessed. ``n = 0`` gives the prior back.
    prior : tuple of float, default (0.5, 0.5)
        Shapes of the Beta prior, both above 0; the default is Jeffreys' prior.
    threshold : array_like, optional
        A proportion between 0 and 1 to be exceeded.
    conf_level : float, default 0.95
        Probability inside the equal-tailed and the highest density interval.

    Returns
    -------
    Posterior
        ``mean, sd, median, low, high, hpd_low, hpd_high, prob_greater``, fractions. The highest
        density interval starts at 0 or ends at 1 when one shape is 1 or less; when both are, there
        is no single highest region and it is NaN.

    Raises
    ------
    ValueError
        For counts as in `interval`, a prior shape not above 0, a threshold outside [0, 1] or a
        level outside (0, 1).

    Examples
    --------
    >>> belief = posterior(7, 9, threshold=0.5)
    >>> f"{belief.mean:.2f}, P(p > 0.5) = {belief.prob_greater:.3f}"
    '0.75, P(p > 0.5) = 0.955'
    """
    check_level(conf_level)
    bar = np.asarray(np.nan if threshold is None else threshold, dtype=float)
    if threshold is not None and not np.all((bar >= 0) & (bar <= 1)):
        raise ValueError(f"threshold must be between 0 and 1, got {threshold}")
    a, b, bar = np.broadcast_arrays(*beta_shapes(x, n, prior), bar)
    tail = alpha_of(conf_level) / 2
    hpd_low, hpd_high = _highest_density(np.atleast_1d(a), np.atleast_1d(b), 2 * tail)
    return Posterior(
        mean=a / (a + b),
        sd=np.sqrt(a * b / (a + b + 1)) / (a + b),
        median=betaincinv(a, b, 0.5),
        low=betaincinv(a, b, tail),
        high=betainccinv(a, b, tail),
        hpd_low=hpd_low.reshape(a.shape)[()],
        hpd_high=hpd_high.reshape(a.shape)[()],
        prob_greater=betaincc(a, b, bar),
    )


def predictive(
    x: npt.ArrayLike,
    n: npt.ArrayLike,
    *,
    future_n: npt.ArrayLike,
    at_least: npt.ArrayLike,
    prior: tuple[float, float] = (0.5, 0.5),
) -> Array:
    """Probability that at least so many of the next subjects respond (beta-binomial).

    Parameters
    ----------
    x, n : array_like
        Subjects with the event, of subjects assessed so far.
    future_n, at_least : array_like
        Subjects still to come, and the number of them that must respond.
    prior : tuple of float, default (0.5, 0.5)
        Shapes of the Beta prior, both above 0.

    Returns
    -------
    numpy.ndarray
        Probabilities, in the broadcast shape.

    Raises
    ------
    ValueError
        For counts as in `interval`, a prior shape not above 0, or a `future_n` that is negative or
        not whole.

    Examples
    --------
    >>> f"{predictive(3, 3, future_n=6, at_least=5):.3f}"
    '0.803'
    """
    a, b = beta_shapes(x, n, prior)
    _, to_come = counts(0, future_n)
    a, b, to_come, needed = np.broadcast_arrays(a, b, to_come, np.asarray(at_least, dtype=float))
    a, b, to_come, needed = (each[..., np.newaxis] for each in (a, b, to_come, needed))
    future = np.arange(to_come.max(initial=0) + 1)
    counted = (future >= needed) & (future <= to_come)
    future = np.minimum(future, to_come)
    log_chance = log_choose(to_come, future) + betaln(a + future, b + to_come - future) - betaln(a, b)
    return np.asarray(np.minimum(np.where(counted, np.exp(log_chance), 0).sum(axis=-1), 1.0))[()]


# ---------------------------------------------------------------------------- Beta posterior


def _highest_density(a: Array, b: Array, alpha: float) -> Limits:
    """Shortest interval leaving out alpha: the density is the same at both ends.

    The share of alpha left out below is found by halving: as it grows, the density rises at the
    lower end and falls at the upper one.
    """
    below = np.where(a <= 1, 0.0, alpha)
    inner = (a > 1) & (b > 1)
    p, q = a[inner], b[inner]

    def denser_at_low_end(share: Array) -> Array:
        low, high = betaincinv(p, q, share), betainccinv(p, q, alpha - share)
        return np.asarray(_log_density(low, p, q) - _log_density(high, p, q))

    below[inner] = root(denser_at_low_end, np.zeros_like(p), np.full_like(p, alpha))
    single = (a > 1) | (b > 1)
    low, high = betaincinv(a, b, below), betainccinv(a, b, alpha - below)
    return np.where(single, low, np.nan), np.where(single, high, np.nan)


def _log_density(p: Array, a: Array, b: Array) -> Array:
    """Log density of the Beta distribution, without its constant."""
    return np.asarray(xlogy(a - 1, p) + xlog1py(b - 1, -p))


# ---------------------------------------------------------------------------------- exact tests

_AS_LIKELY = 1 + 1e-7  # the tolerance of R binom.test


def _at_least(x: Array, n: Array, p: Array) -> Array:
    return np.where(x <= 0, 1.0, at_least(np.maximum(x, 1), np.maximum(n, x), p))


def _at_most(x: Array, n: Array, p: Array) -> Array:
    return np.where(x >= n, 1.0, at_most(np.minimum(x, n - 1), np.maximum(n, 1), p))


def _doubled(x: Array, n: Array, p: Array, greater: Array, less: Array) -> Array:
    return 2 * np.minimum(greater, less)


def _p_minlike(x: Array, n: Array, p: Array, greater: Array, less: Array) -> Array:
    """The tail of x and, on the other side of the mode, every outcome no more likely than x."""
    below = x < np.floor((n + 1) * p)
    x, p, tail = np.where(below, n - x, x), np.where(below, 1 - p, p), np.where(below, less, greater)
    mode = np.minimum(np.floor((n + 1) * p), n)
    bar = log_chance(x, n, p) + np.log(_AS_LIKELY)
    k = _last_true(lambda k: log_chance(k, n, p) <= bar, mode)
    return np.where((x <= mode) | (log_chance(mode, n, p) <= bar), 1.0, tail + _at_most(k, n, p))


def _p_blaker(x: Array, n: Array, p: Array, greater: Array, less: Array) -> Array:
    """The smaller tail of x and the largest opposite tail that does not exceed it."""
    below = less < greater
    x, p, tail = np.where(below, n - x, x), np.where(below, 1 - p, p), np.minimum(greater, less)
    k = _last_true(lambda k: _at_most(k, n, p) <= tail * _AS_LIKELY, x)
    return tail + np.where(k < 0, 0.0, _at_most(k, n, p))


def _last_true(holds: Callable[[Array], npt.NDArray[np.bool_]], end: Array) -> Array:
    """Largest k below `end` up to which a condition holds, -1 when it never does; by halving."""
    low, high = np.full_like(end, -1), end
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        ahead = holds(np.maximum(middle, 0)) & (high - low > 1)
        low, high = np.where(ahead, middle, low), np.where(ahead | (high - low <= 1), high, middle)
    return low


_TWO_SIDED: dict[str, Callable[[Array, Array, Array, Array, Array], Array]] = {
    "central": _doubled,
    "minlike": _p_minlike,
    "blaker": _p_blaker,
    "mid-p": _doubled,
}
