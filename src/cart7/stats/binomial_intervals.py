"""Formulas of seventeen intervals for one proportion.

Here: each takes counts with n of 1 or more as plain arrays, and alpha, one less the two-sided level,
and gives both limits. Not here: checks, shapes and n = 0 (stats.proportions.interval).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import betainccinv, betaincinv, expit, xlogy

from cart7.stats.binomial import (
    Array,
    Limits,
    at_least,
    at_most,
    log_choose,
    root,
    tail_high,
    tail_low,
    unique_pairs,
    z_of,
)

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
    low[inner] = root(
        lambda p: at_least(k, m, p) + at_least(k + 1, m, p) - alpha,
        tail_low(k, m, alpha / 2),
        tail_low(k + 1, m, alpha / 2),
    )
    high[inner] = root(
        lambda p: alpha - at_most(k, m, p) - at_most(k - 1, m, p),
        tail_high(k - 1, m, alpha / 2),
        tail_high(k, m, alpha / 2),
    )
    return low, high


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
    k = _smallest_above(start, x, n, alpha / 2)
    jump = root(lambda p: at_least(x, n, p) - at_most(k, n, p), start, x / n)
    before = root(lambda p: at_least(x, n, p) + at_most(k - 1, n, p) - alpha, start, jump)
    reached = at_least(x, n, jump) + at_most(k - 1, n, jump) > alpha
    return np.where(reached, before, jump)


def _smallest_above(p: Array, x: Array, n: Array, tail: float) -> Array:
    """Smallest k below x with ``P(X <= k) > tail``, by halving; k = x - 1 has it."""
    low, high = np.full_like(x, -1), x - 1
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        above = at_most(middle, n, p) > tail
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return high


def minlike(x: Array, n: Array, alpha: float) -> Limits:
    """Hull of what Sterne's test accepts: outcomes no more likely than x."""
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
        jumped = at_least(x_now, n_now, left[todo]) + at_most(k_now, n_now, left[todo]) > alpha
        crossed = at_least(x_now, n_now, right) + at_most(k_now, n_now, right) > alpha
        inside = crossed & ~jumped
        low[todo[jumped]] = left[todo[jumped]]
        low[todo[inside]] = _accepted_from(x_now, k_now, n_now, left[todo], right, inside, alpha)
        todo = todo[~(jumped | crossed)]
        left[todo] = right[~(jumped | crossed)]
        k[todo] += 1
    return low


def _equally_likely(x: Array, k: Array, n: Array) -> Array:
    """The proportion at which k and x, k < x, have the same probability."""
    ways = log_choose(n, x) - log_choose(n, k)
    return np.asarray(expit(-ways / (x - k)))


def _accepted_from(
    x: Array, k: Array, n: Array, left: Array, right: Array, inside: npt.NDArray[np.bool_], alpha: float
) -> Array:
    x, k, n = x[inside], k[inside], n[inside]
    return root(lambda p: at_least(x, n, p) + at_most(k, n, p) - alpha, left[inside], right[inside])


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
