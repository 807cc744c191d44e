"""Formulas of seventeen intervals for one proportion.

Here: each takes counts with n of 1 or more as plain arrays, and alpha, one less the two-sided level,
and gives both limits. Not here: checks, shapes and n = 0 (stats.proportions.interval).
"""

from collections.abc import Callable

import numpy as np
from scipy.special import betainccinv, betaincinv, expit, ndtri, xlogy

from cart7.stats.binomial import (
    Array,
    Excess,
    Flags,
    Limits,
    Places,
    at_least,
    at_most,
    first_whole,
    log_choose,
    root,
    solve,
    tail_high,
    tail_low,
    unique_pairs,
    z_of,
)

_TIED = 1 - 1e-12
"""Tails that are equal in fractions differ by less: of 2 of 2 at 50 %, both tails at 1/2 are 1/4."""

# ------------------------------------------------------------------------- exact and mid-p


def clopper_pearson(x: Array, n: Array, alpha: float) -> Limits:
    """Both one-sided exact tests at alpha / 2."""
    return tail_low(x, n, alpha / 2), tail_high(x, n, alpha / 2)


def mid_p(x: Array, n: Array, alpha: float) -> Limits:
    """Half the probability of x itself counts: halfway between P(X >= x) and P(X > x)."""
    inner = (x > 0) & (x < n)
    low = np.where(x == n, np.exp(np.log(alpha) / n), 0.0)
    high = np.where(x == 0, -np.expm1(np.log(alpha) / n), 1.0)
    k, m = x[inner], n[inner]
    start, least = _below_mid_p(k, m, alpha)
    low[inner] = solve(_half_of_x(k, m, alpha, upper=False), start, least, np.ones_like(k))
    start, least = _below_mid_p(m - k, m, alpha)
    high[inner] = solve(_half_of_x(k, m, alpha, upper=True), 1 - start, np.zeros_like(k), 1 - least)
    return low, high


def _below_mid_p(x: Array, n: Array, alpha: float) -> Limits:
    """Where to look for a lower mid-p limit, 0 < x < n: near Laud's limit, and not below a bound.

    P(X >= x) is at most the number of ways to choose x times p to the power of x.
    """
    least = np.exp((np.log(alpha / 2) - log_choose(n, x)) / x)
    return np.clip(_scas_low(x, n, alpha), least, x / n), least


def _half_of_x(x: Array, n: Array, alpha: float, *, upper: bool) -> Excess:
    """Log of twice the mid-p tail over alpha; with `upper` of the lower tail, its sign turned."""
    ways, sign = log_choose(n, x), -1 if upper else 1

    def excess(p: Array, rows: Places) -> tuple[Array, Array, Array]:
        k, m, q = x[rows], n[rows], 1 - p
        tail, next_k = (at_most, k - 1) if upper else (at_least, k + 1)
        tails = tail(k, m, p) + tail(next_k, m, p)
        spread = k * q + (m - k) * p
        slope = np.exp(ways[rows] + k * np.log(p) + (m - k) * np.log1p(-p)) * spread / tails
        bend = slope * (k - m * p + p * q * (m - 2 * k) / spread - sign * slope)
        return sign * np.log(tails / alpha), slope, bend

    return excess


def _mirrored(lower: Callable[[Array, Array, float], Array], x: Array, n: Array, alpha: float) -> Limits:
    """Both limits from the lower one: the upper limit of x is one less the lower limit of n - x."""
    events, total = np.concatenate([x, n - x]), np.concatenate([n, n])
    first, back = unique_pairs(events, total)
    limit = np.zeros(first.size)
    some = events[first] > 0
    limit[some] = lower(events[first][some], total[first][some], alpha)
    low, beyond = np.split(limit[back], 2)
    return low, 1 - beyond


def blaker(x: Array, n: Array, alpha: float) -> Limits:
    """Hull of what Blaker's test accepts."""
    return _mirrored(_blaker_low, x, n, alpha)


def _blaker_low(x: Array, n: Array, alpha: float) -> Array:
    """Smallest p with acceptability ``P(X >= x) + P(X <= k)`` above alpha, x > 0.

    Here k is the largest value whose lower tail does not exceed P(X >= x). The acceptability jumps
    up where k grows, at the p with both tails equal, to twice that tail: it is past alpha at the
    first jump beyond the Clopper-Pearson limit, or in the piece just before that jump.
    """
    start = tail_low(x, n, alpha / 2)

    def above(k: Array, rows: Places) -> Flags:
        return np.asarray(at_most(k, n[rows], start[rows]) > alpha / 2 * _TIED)

    k = first_whole(above, _tail_quantile(start, n, alpha / 2), np.full_like(x, -1), x - 1)
    jump = solve(_upper_over_lower(x, k, n), start, start, x / n)
    reached = at_least(x, n, jump) + at_most(k - 1, n, jump) > alpha
    return _accepted_from(x, k - 1, n, start, jump, reached, alpha)


def _tail_quantile(p: Array, n: Array, tail: float) -> Array:
    """The number of events that has about `tail` at and below it (Cornish and Fisher)."""
    z, q = float(ndtri(tail)), 1 - p
    return np.ceil(n * p + z * np.sqrt(n * p * q) + (z**2 - 1) * (q - p) / 6 - 0.5)


def _upper_over_lower(x: Array, k: Array, n: Array) -> Excess:
    """Log of the ratio of P(X >= x) to P(X <= k)."""
    x_ways, k_ways = log_choose(n, x), log_choose(n, k)

    def excess(p: Array, rows: Places) -> tuple[Array, Array, Array]:
        x_now, k_now, m = x[rows], k[rows], n[rows]
        upper, lower = at_least(x_now, m, p), at_most(k_now, m, p)
        above, below = _rise(x_ways[rows], x_now, m, p) / upper, _fall(k_ways[rows], k_now, m, p) / lower
        bend = above * (x_now - m * p - p - above) + below * (k_now - m * p + 1 - p + below)
        return np.log(upper / lower), above + below, bend

    return excess


def _both_tails(x: Array, k: Array, n: Array, alpha: float) -> Excess:
    """Log of ``P(X >= x) + P(X <= k)`` over alpha, k of -1 or more."""
    x_ways, k_ways = log_choose(n, x), log_choose(n, np.maximum(k, 0))

    def excess(p: Array, rows: Places) -> tuple[Array, Array, Array]:
        x_now, k_now, m = x[rows], k[rows], n[rows]
        total = at_least(x_now, m, p) + at_most(k_now, m, p)
        above = _rise(x_ways[rows], x_now, m, p) / total
        below = np.where(k_now < 0, 0.0, _fall(k_ways[rows], k_now, m, p) / total)
        slope = above - below
        bend = above * (x_now - m * p - p) - below * (k_now - m * p + 1 - p) - slope**2
        return np.log(total / alpha), slope, bend

    return excess


def _rise(ways: Array, x: Array, n: Array, p: Array) -> Array:
    """What P(X >= x) gains per unit of log odds; `ways` is the logarithm of n over x."""
    return np.asarray(np.exp(ways + x * np.log(p) + (n - x + 1) * np.log1p(-p)) * x)


def _fall(ways: Array, k: Array, n: Array, p: Array) -> Array:
    """What P(X <= k) loses per unit of log odds."""
    return np.asarray(np.exp(ways + (k + 1) * np.log(p) + (n - k) * np.log1p(-p)) * (n - k))


def _accepted_from(
    x: Array, k: Array, n: Array, left: Array, right: Array, inside: Flags, alpha: float
) -> Array:
    """Where both tails reach alpha between `left` and `right`, for those `inside`; else `right`."""
    p = right.copy()
    tails = _both_tails(x[inside], k[inside], n[inside], alpha)
    p[inside] = solve(tails, right[inside], left[inside], right[inside])
    return p


def minlike(x: Array, n: Array, alpha: float) -> Limits:
    """Hull of what Sterne's test accepts: outcomes no more likely than x."""
    return _mirrored(_minlike_low, x, n, alpha)


def _minlike_low(x: Array, n: Array, alpha: float) -> Array:
    """Smallest p that Sterne's test accepts, x > 0: the same with k as likely as x at each jump.

    The acceptability at the jump grows with k and is 1 at k = x - 1: the first jump past alpha is
    the limit, unless the piece just before it passes alpha already.
    """

    def past(k: Array, rows: Places) -> Flags:
        m = n[rows]
        p = _equally_likely(x[rows], k, m)
        return np.asarray(at_least(x[rows], m, p) + at_most(k, m, p) > alpha * _TIED)

    guess = _tail_quantile(_scas_low(x, n, alpha), n, alpha / 2)
    k = first_whole(past, guess, np.full_like(x, -1), x - 1)
    jump, left = _equally_likely(x, k, n), np.where(k > 0, _equally_likely(x, np.maximum(k, 1) - 1, n), 0.0)
    reached = at_least(x, n, jump) + at_most(k - 1, n, jump) > alpha
    return _accepted_from(x, k - 1, n, left, jump, reached, alpha)


def _equally_likely(x: Array, k: Array, n: Array) -> Array:
    """The proportion at which k and x, k < x, have the same probability."""
    ways = log_choose(n, x) - log_choose(n, k)
    return np.asarray(expit(-ways / (x - k)))


# --------------------------------------------------------------------- score and likelihood


def wilson(x: Array, n: Array, alpha: float) -> Limits:
    """Score interval (Wilson 1927)."""
    z = z_of(alpha)
    centre, half = x + z**2 / 2, z * np.sqrt(x * (n - x) / n + z**2 / 4)
    low, high = (centre - half) / (n + z**2), (centre + half) / (n + z**2)
    # The exact edges: rounding would leave -3e-18 or 1 + 2e-16.
    return np.where(x == 0, 0.0, low), np.where(x == n, 1.0, high)


def wilson_cc(x: Array, n: Array, alpha: float) -> Limits:
    """Score interval with Newcombe's continuity correction."""
    z, p, q = z_of(alpha), x / n, (n - x) / n
    low_root = np.sqrt(np.maximum(z**2 - 2 - 1 / n + 4 * p * (n * q + 1), 0))
    high_root = np.sqrt(np.maximum(z**2 + 2 - 1 / n + 4 * p * (n * q - 1), 0))
    low = (2 * x + z**2 - 1 - z * low_root) / (2 * (n + z**2))
    high = (2 * x + z**2 + 1 + z * high_root) / (2 * (n + z**2))
    return np.where(x == 0, 0.0, low), np.where(x == n, 1.0, high)


def wilson_cc_proptest(x: Array, n: Array, alpha: float) -> Limits:
    """As R prop.test: its correction is measured from one half, so none is left when x = n/2."""
    half = 2 * x == n
    pairs = zip(wilson(x, n, alpha), wilson_cc(x, n, alpha), strict=True)
    low, high = (np.where(half, plain, corrected) for plain, corrected in pairs)
    return low, high


def scas(x: Array, n: Array, alpha: float) -> Limits:
    """Score interval corrected for skewness (Laud 2017)."""
    return _mirrored(_scas_low, x, n, alpha)


def _scas_low(x: Array, n: Array, alpha: float) -> Array:
    """Score with skewness correction (Laud 2017), closed form for one proportion."""
    z2 = z_of(alpha) ** 2
    e = (z2 - 1) / (3 * n) - 1
    d = np.maximum(0, x / n - (z2 - 1) / (6 * n))
    a, b = z2 / n + e**2, 2 * e * d - z2 / n
    return np.asarray((-b - np.sqrt(np.maximum(b**2 - 4 * a * d**2, 0))) / (2 * a))


def likelihood(x: Array, n: Array, alpha: float) -> Limits:
    """Likelihood ratio statistic of at most z squared."""
    return _mirrored(_likelihood_low, x, n, alpha)


def _likelihood_low(x: Array, n: Array, alpha: float) -> Array:
    """The p below x/n whose likelihood ratio statistic is z squared, x > 0."""
    z2 = z_of(alpha) ** 2

    def short_of(p: Array) -> Array:
        with np.errstate(divide="ignore"):
            ratio = xlogy(x, x / (n * p)) + xlogy(n - x, (n - x) / (n * (1 - p)))
        return np.asarray(z2 - 2 * ratio)

    low = np.exp(-z2 / (2 * n))
    inner = x < n
    return np.where(inner, root(short_of, np.zeros_like(x), np.where(inner, x / n, 0.5)), low)


# ---------------------------------------------------------------------- Bayes and near-Wald


def jeffreys_raw(x: Array, n: Array, alpha: float) -> Limits:
    """Equal-tailed quantiles of the posterior under Jeffreys' prior."""
    return betaincinv(x + 0.5, n - x + 0.5, alpha / 2), betainccinv(x + 0.5, n - x + 0.5, alpha / 2)


def jeffreys(x: Array, n: Array, alpha: float) -> Limits:
    """The same, open at 0 of n and n of n."""
    low, high = jeffreys_raw(x, n, alpha)
    return np.where(x == 0, 0.0, low), np.where(x == n, 1.0, high)


def modified_jeffreys(x: Array, n: Array, alpha: float) -> Limits:
    """Brown, Cai and DasGupta: exact at the edges, open one step inside them."""
    low, high = jeffreys(x, n, alpha)
    low, high = np.where(x == 1, 0.0, low), np.where(x == n - 1, 1.0, high)
    low = np.where(x == n, tail_low(x, n, alpha / 2), low)
    return low, np.where(x == 0, tail_high(x, n, alpha / 2), high)


def agresti_coull(x: Array, n: Array, alpha: float) -> Limits:
    """Wald about the centre of the score interval."""
    z = z_of(alpha)
    total = n + z**2
    centre = (x + z**2 / 2) / total
    half = z * np.sqrt(centre * (1 - centre) / total)
    return centre - half, centre + half


def logit(x: Array, n: Array, alpha: float) -> Limits:
    """Wald on the log odds; exact at 0 of n and n of n."""
    inner = (x > 0) & (x < n)
    k, m = np.where(inner, x, 1), np.where(inner, n, 2)
    centre, half = np.log(k / (m - k)), z_of(alpha) * np.sqrt(m / (k * (m - k)))
    low, high = clopper_pearson(x, n, alpha)
    return np.where(inner, expit(centre - half), low), np.where(inner, expit(centre + half), high)


def arcsine(x: Array, n: Array, alpha: float) -> Limits:
    """Anscombe's transformation; the angle stays between 0 and a right angle, not reflected there."""
    angle, half = np.arcsin(np.sqrt((x + 0.375) / (n + 0.75))), z_of(alpha) / (2 * np.sqrt(n))
    low, high = np.maximum(angle - half, 0), np.minimum(angle + half, np.pi / 2)
    return np.sin(low) ** 2, np.sin(high) ** 2


def wald(x: Array, n: Array, alpha: float) -> Limits:
    """Normal approximation."""
    half = z_of(alpha) * np.sqrt(x * (n - x) / n) / n
    return x / n - half, x / n + half


def wald_cc(x: Array, n: Array, alpha: float) -> Limits:
    """Normal approximation with continuity correction."""
    low, high = wald(x, n, alpha)
    return low - 1 / (2 * n), high + 1 / (2 * n)


INTERVALS: dict[str, Callable[[Array, Array, float], Limits]] = {
    "clopper-pearson": clopper_pearson,
    "mid-p": mid_p,
    "blaker": blaker,
    "minlike": minlike,
    "wilson": wilson,
    "wilson-cc": wilson_cc,
    "wilson-cc-proptest": wilson_cc_proptest,
    "jeffreys": jeffreys,
    "jeffreys-raw": jeffreys_raw,
    "modified-jeffreys": modified_jeffreys,
    "agresti-coull": agresti_coull,
    "likelihood": likelihood,
    "scas": scas,
    "logit": logit,
    "arcsine": arcsine,
    "wald": wald,
    "wald-cc": wald_cc,
}
