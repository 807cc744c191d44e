"""One binomial proportion: intervals and the Beta posterior.

Here: seventeen confidence intervals for x responders of n subjects, and what a Beta prior
makes of the same counts. Everything takes arrays of any shape; equal (x, n) pairs are worked
out once. Not here: two proportions (stats.two_proportions), trend over dose levels
(stats.trend), event rates per person-time (stats.rates), which subject counts as a responder
(response).
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt
from scipy.special import (
    betainc,
    betaincc,
    betainccinv,
    betaincinv,
    betaln,
    expit,
    gammaln,
    ndtri,
    xlog1py,
    xlogy,
)

Array = npt.NDArray[np.float64]
Limits = tuple[Array, Array]

_HALVINGS = 60  # a bracket no wider than 1 shrinks below the spacing of doubles near 1e-18


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
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}; got {method!r}")
    _check_level(conf_level)
    events, total = _counts(x, n)
    low, high = np.full(events.shape, np.nan), np.full(events.shape, np.nan)
    seen = total > 0
    if seen.any():
        first, back = _unique_pairs(events[seen], total[seen])
        limits = _METHODS[method](events[seen][first], total[seen][first], _alpha(conf_level))
        low[seen], high[seen] = (np.clip(limit, 0.0, 1.0)[back] for limit in limits)
    return low[()], high[()]


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
    _check_level(conf_level)
    bar = np.asarray(np.nan if threshold is None else threshold, dtype=float)
    if threshold is not None and not np.all((bar >= 0) & (bar <= 1)):
        raise ValueError(f"threshold must be between 0 and 1, got {threshold}")
    a, b, bar = np.broadcast_arrays(*_shapes(x, n, prior), bar)
    tail = _alpha(conf_level) / 2
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
    a, b = _shapes(x, n, prior)
    _, to_come = _counts(0, future_n)
    a, b, to_come, needed = np.broadcast_arrays(a, b, to_come, np.asarray(at_least, dtype=float))
    a, b, to_come, needed = (each[..., np.newaxis] for each in (a, b, to_come, needed))
    future = np.arange(to_come.max(initial=0) + 1)
    counted = (future >= needed) & (future <= to_come)
    future = np.minimum(future, to_come)
    log_chance = _log_choose(to_come, future) + betaln(a + future, b + to_come - future) - betaln(a, b)
    return np.asarray(np.minimum(np.where(counted, np.exp(log_chance), 0).sum(axis=-1), 1.0))[()]


# ---------------------------------------------------------------------------------- counts


def _check_level(conf_level: float) -> None:
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level must be strictly between 0 and 1, got {conf_level}")


def _counts(x: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Array, Array]:
    """The counts as two float arrays of one shape, refused unless whole and ``0 <= x <= n``."""
    events, total = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(n, dtype=float))
    for name, count in (("x", events), ("n", total)):
        bad = ~np.isfinite(count) | (count != np.floor(count)) | (count < 0)
        if bad.any():
            raise ValueError(f"{name} must be whole numbers, 0 or more, got {count[bad][0]:g}")
    bad = events > total
    if bad.any():
        raise ValueError(f"x must be between 0 and n = {total[bad][0]:g}, got {events[bad][0]:g}")
    return events, total


def _unique_pairs(x: Array, n: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Positions of one (x, n) of each kind, and for every pair the number of its kind."""
    x_values, x_code = np.unique(x, return_inverse=True)
    _, n_code = np.unique(n, return_inverse=True)
    _, first, back = np.unique(n_code * x_values.size + x_code, return_index=True, return_inverse=True)
    return first, back.reshape(-1)


def _root(rises: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Where an increasing function changes sign between `low` and `high`, by halving."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = rises(middle) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return 0.5 * (low + high)


def _alpha(conf_level: float) -> float:
    """One less the level as it prints: 1 - 0.9999999999 in binary is off in the eighth digit."""
    return float(1 - Decimal(repr(float(conf_level))))


def _z(alpha: float) -> float:
    return -float(ndtri(alpha / 2))


# ---------------------------------------------------------------------------- Beta posterior


def _shapes(x: npt.ArrayLike, n: npt.ArrayLike, prior: tuple[float, float]) -> tuple[Array, Array]:
    """Shapes of the Beta posterior."""
    a, b = prior
    if not (a > 0 and b > 0):
        raise ValueError(f"prior must be two shapes above 0, got {prior}")
    events, total = _counts(x, n)
    return a + events, b + total - events


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

    below[inner] = _root(denser_at_low_end, np.zeros_like(p), np.full_like(p, alpha))
    single = (a > 1) | (b > 1)
    low, high = betaincinv(a, b, below), betainccinv(a, b, alpha - below)
    return np.where(single, low, np.nan), np.where(single, high, np.nan)


def _log_density(p: Array, a: Array, b: Array) -> Array:
    """Log density of the Beta distribution, without its constant."""
    return np.asarray(xlogy(a - 1, p) + xlog1py(b - 1, -p))


# ------------------------------------------------------------------------- exact and mid-p


def _tail_low(x: Array, n: Array, tail: float) -> Array:
    """The proportion at which ``P(X >= x) = tail``; 0 at x = 0."""
    low = betaincinv(np.maximum(x, 1), n - x + 1, tail)
    low = np.where(x == n, np.exp(np.log(tail) / n), low)
    return np.where(x == 0, 0.0, low)


def _tail_high(x: Array, n: Array, tail: float) -> Array:
    """The proportion at which ``P(X <= x) = tail``; 1 at x = n."""
    high = betainccinv(x + 1, np.maximum(n - x, 1), tail)
    high = np.where(x == 0, -np.expm1(np.log(tail) / n), high)
    return np.where(x == n, 1.0, high)


def _at_least(x: Array, n: Array, p: Array) -> Array:
    """``P(X >= x)`` for x of 1 to n."""
    return np.asarray(betainc(x, n - x + 1, p))


def _at_most(k: Array, n: Array, p: Array) -> Array:
    """``P(X <= k)`` for k of -1 to n - 1."""
    return np.where(k < 0, 0.0, betaincc(np.maximum(k, 0) + 1, n - np.maximum(k, 0), p))


def _clopper_pearson(x: Array, n: Array, alpha: float) -> Limits:
    return _tail_low(x, n, alpha / 2), _tail_high(x, n, alpha / 2)


def _mid_p(x: Array, n: Array, alpha: float) -> Limits:
    """Half the probability of x itself counts: halfway between P(X >= x) and P(X > x)."""
    inner = (x > 0) & (x < n)
    low = np.where(x == n, np.exp(np.log(alpha) / n), 0.0)
    high = np.where(x == 0, -np.expm1(np.log(alpha) / n), 1.0)
    k, m = x[inner], n[inner]
    low[inner] = _root(
        lambda p: _at_least(k, m, p) + _at_least(k + 1, m, p) - alpha,
        _tail_low(k, m, alpha / 2),
        _tail_low(k + 1, m, alpha / 2),
    )
    high[inner] = _root(
        lambda p: alpha - _at_most(k, m, p) - _at_most(k - 1, m, p),
        _tail_high(k - 1, m, alpha / 2),
        _tail_high(k, m, alpha / 2),
    )
    return low, high


def _mirrored(lower: Callable[[Array, Array, float], Array], x: Array, n: Array, alpha: float) -> Limits:
    """Both limits from the lower one: the upper limit of x is one less the lower limit of n - x."""
    events, total = np.concatenate([x, n - x]), np.concatenate([n, n])
    first, back = _unique_pairs(events, total)
    limit = np.zeros(first.size)
    some = events[first] > 0
    limit[some] = lower(events[first][some], total[first][some], alpha)
    low, beyond = np.split(limit[back], 2)
    return low, 1 - beyond


def _blaker(x: Array, n: Array, alpha: float) -> Limits:
    return _mirrored(_blaker_low, x, n, alpha)


def _blaker_low(x: Array, n: Array, alpha: float) -> Array:
    """Smallest p with acceptability ``P(X >= x) + P(X <= k)`` above alpha, x > 0.

    Here k is the largest value whose lower tail does not exceed P(X >= x). The acceptability jumps
    up where k grows, at the p with both tails equal, to twice that tail: it is past alpha at the
    first jump beyond the Clopper-Pearson limit, or in the piece just before that jump.
    """
    start = _tail_low(x, n, alpha / 2)
    k = _smallest_above(start, x, n, alpha / 2)
    jump = _root(lambda p: _at_least(x, n, p) - _at_most(k, n, p), start, x / n)
    before = _root(lambda p: _at_least(x, n, p) + _at_most(k - 1, n, p) - alpha, start, jump)
    reached = _at_least(x, n, jump) + _at_most(k - 1, n, jump) > alpha
    return np.where(reached, before, jump)


def _smallest_above(p: Array, x: Array, n: Array, tail: float) -> Array:
    """Smallest k below x with ``P(X <= k) > tail``, by halving; k = x - 1 has it."""
    low, high = np.full_like(x, -1), x - 1
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        above = _at_most(middle, n, p) > tail
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return high


def _minlike(x: Array, n: Array, alpha: float) -> Limits:
    return _mirrored(_minlike_low, x, n, alpha)


def _minlike_low(x: Array, n: Array, alpha: float) -> Array:
    """Smallest p that Sterne's test accepts, x > 0: the same with k as likely as x at each jump.

    Piece by piece from k = -1 on; each round moves only the pairs not settled yet. The piece of
    k = x - 1 ends the search: there both tails are everything.
    """
    low = np.zeros_like(x)
    k, left = np.full_like(x, -1), np.zeros_like(x)
    todo = np.arange(x.size)
    while todo.size:
        x_now, n_now, k_now = x[todo], n[todo], k[todo]
        right = _equally_likely(x_now, np.minimum(k_now + 1, x_now - 1), n_now)
        jumped = _at_least(x_now, n_now, left[todo]) + _at_most(k_now, n_now, left[todo]) > alpha
        crossed = _at_least(x_now, n_now, right) + _at_most(k_now, n_now, right) > alpha
        inside = crossed & ~jumped
        low[todo[jumped]] = left[todo[jumped]]
        low[todo[inside]] = _accepted_from(x_now, k_now, n_now, left[todo], right, inside, alpha)
        todo = todo[~(jumped | crossed)]
        left[todo] = right[~(jumped | crossed)]
        k[todo] += 1
    return low


def _equally_likely(x: Array, k: Array, n: Array) -> Array:
    """The proportion at which k and x, k < x, have the same probability."""
    ways = _log_choose(n, x) - _log_choose(n, k)
    return np.asarray(expit(-ways / (x - k)))


def _accepted_from(
    x: Array, k: Array, n: Array, left: Array, right: Array, inside: npt.NDArray[np.bool_], alpha: float
) -> Array:
    x, k, n = x[inside], k[inside], n[inside]
    return _root(lambda p: _at_least(x, n, p) + _at_most(k, n, p) - alpha, left[inside], right[inside])


def _log_choose(n: Array, k: Array) -> Array:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


# --------------------------------------------------------------------- score and likelihood


def _wilson(x: Array, n: Array, alpha: float) -> Limits:
    z = _z(alpha)
    centre, half = x + z**2 / 2, z * np.sqrt(x * (n - x) / n + z**2 / 4)
    low, high = (centre - half) / (n + z**2), (centre + half) / (n + z**2)
    # The exact edges: rounding would leave -3e-18 or 1 + 2e-16.
    return np.where(x == 0, 0.0, low), np.where(x == n, 1.0, high)


def _wilson_cc(x: Array, n: Array, alpha: float) -> Limits:
    z, p, q = _z(alpha), x / n, (n - x) / n
    low_root = np.sqrt(np.maximum(z**2 - 2 - 1 / n + 4 * p * (n * q + 1), 0))
    high_root = np.sqrt(np.maximum(z**2 + 2 - 1 / n + 4 * p * (n * q - 1), 0))
    low = (2 * x + z**2 - 1 - z * low_root) / (2 * (n + z**2))
    high = (2 * x + z**2 + 1 + z * high_root) / (2 * (n + z**2))
    return np.where(x == 0, 0.0, low), np.where(x == n, 1.0, high)


def _wilson_cc_proptest(x: Array, n: Array, alpha: float) -> Limits:
    """As R prop.test: its correction is measured from one half, so none is left when x = n/2."""
    half = 2 * x == n
    pairs = zip(_wilson(x, n, alpha), _wilson_cc(x, n, alpha), strict=True)
    low, high = (np.where(half, plain, corrected) for plain, corrected in pairs)
    return low, high


def _scas(x: Array, n: Array, alpha: float) -> Limits:
    return _mirrored(_scas_low, x, n, alpha)


def _scas_low(x: Array, n: Array, alpha: float) -> Array:
    """Score with skewness correction (Laud 2017), closed form for one proportion."""
    z2 = _z(alpha) ** 2
    e = (z2 - 1) / (3 * n) - 1
    d = np.maximum(0, x / n - (z2 - 1) / (6 * n))
    a, b = z2 / n + e**2, 2 * e * d - z2 / n
    return np.asarray((-b - np.sqrt(np.maximum(b**2 - 4 * a * d**2, 0))) / (2 * a))


def _likelihood(x: Array, n: Array, alpha: float) -> Limits:
    return _mirrored(_likelihood_low, x, n, alpha)


def _likelihood_low(x: Array, n: Array, alpha: float) -> Array:
    """The p below x/n whose likelihood ratio statistic is z squared, x > 0."""
    z2 = _z(alpha) ** 2

    def short_of(p: Array) -> Array:
        with np.errstate(divide="ignore"):
            ratio = xlogy(x, x / (n * p)) + xlogy(n - x, (n - x) / (n * (1 - p)))
        return np.asarray(z2 - 2 * ratio)

    low = np.exp(-z2 / (2 * n))
    inner = x < n
    return np.where(inner, _root(short_of, np.zeros_like(x), np.where(inner, x / n, 0.5)), low)


# ---------------------------------------------------------------------- Bayes and near-Wald


def _jeffreys_raw(x: Array, n: Array, alpha: float) -> Limits:
    return betaincinv(x + 0.5, n - x + 0.5, alpha / 2), betainccinv(x + 0.5, n - x + 0.5, alpha / 2)


def _jeffreys(x: Array, n: Array, alpha: float) -> Limits:
    low, high = _jeffreys_raw(x, n, alpha)
    return np.where(x == 0, 0.0, low), np.where(x == n, 1.0, high)


def _modified_jeffreys(x: Array, n: Array, alpha: float) -> Limits:
    """Brown, Cai and DasGupta: exact at the edges, open one step inside them."""
    low, high = _jeffreys(x, n, alpha)
    low, high = np.where(x == 1, 0.0, low), np.where(x == n - 1, 1.0, high)
    low = np.where(x == n, _tail_low(x, n, alpha / 2), low)
    return low, np.where(x == 0, _tail_high(x, n, alpha / 2), high)


def _agresti_coull(x: Array, n: Array, alpha: float) -> Limits:
    z = _z(alpha)
    total = n + z**2
    centre = (x + z**2 / 2) / total
    half = z * np.sqrt(centre * (1 - centre) / total)
    return centre - half, centre + half


def _logit(x: Array, n: Array, alpha: float) -> Limits:
    inner = (x > 0) & (x < n)
    k, m = np.where(inner, x, 1), np.where(inner, n, 2)
    centre, half = np.log(k / (m - k)), _z(alpha) * np.sqrt(m / (k * (m - k)))
    low, high = _clopper_pearson(x, n, alpha)
    return np.where(inner, expit(centre - half), low), np.where(inner, expit(centre + half), high)


def _arcsine(x: Array, n: Array, alpha: float) -> Limits:
    """Anscombe's transformation; the angle stays between 0 and a right angle, not reflected there."""
    angle, half = np.arcsin(np.sqrt((x + 0.375) / (n + 0.75))), _z(alpha) / (2 * np.sqrt(n))
    low, high = np.maximum(angle - half, 0), np.minimum(angle + half, np.pi / 2)
    return np.sin(low) ** 2, np.sin(high) ** 2


def _wald(x: Array, n: Array, alpha: float) -> Limits:
    half = _z(alpha) * np.sqrt(x * (n - x) / n) / n
    return x / n - half, x / n + half


def _wald_cc(x: Array, n: Array, alpha: float) -> Limits:
    low, high = _wald(x, n, alpha)
    return low - 1 / (2 * n), high + 1 / (2 * n)


_METHODS: dict[str, Callable[[Array, Array, float], Limits]] = {
    "clopper-pearson": _clopper_pearson,
    "mid-p": _mid_p,
    "blaker": _blaker,
    "minlike": _minlike,
    "wilson": _wilson,
    "wilson-cc": _wilson_cc,
    "wilson-cc-proptest": _wilson_cc_proptest,
    "jeffreys": _jeffreys,
    "jeffreys-raw": _jeffreys_raw,
    "modified-jeffreys": _modified_jeffreys,
    "agresti-coull": _agresti_coull,
    "likelihood": _likelihood,
    "scas": _scas,
    "logit": _logit,
    "arcsine": _arcsine,
    "wald": _wald,
    "wald-cc": _wald_cc,
}
METHODS = {
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
