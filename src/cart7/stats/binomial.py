"""What one and two proportions share: checked counts, binomial tails, roots by halving.

Here: the arrays of counts, tail probabilities and their inverses. Not here: any interval
(stats.binomial_intervals) or test (stats.proportions, stats.two_proportions).
"""

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaincc, betainccinv, betaincinv, gammaln, ndtri

Array = npt.NDArray[np.float64]
Limits = tuple[Array, Array]

HALVINGS = 60
"""A bracket no wider than 1 shrinks below the spacing of doubles near 1e-18."""

TIE = 1e-9
"""Relative difference within which two statistics are equal: mirror images tie, rounding parts them."""


def check_level(conf_level: float) -> None:
    """Refuse a level that is not strictly between 0 and 1."""
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level must be strictly between 0 and 1, got {conf_level}")


def counts(x: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Array, Array]:
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


def beta_shapes(x: npt.ArrayLike, n: npt.ArrayLike, prior: tuple[float, float]) -> tuple[Array, Array]:
    """Shapes of the Beta posterior of the counts."""
    a, b = prior
    if not (a > 0 and b > 0):
        raise ValueError(f"prior must be two shapes above 0, got {prior}")
    events, total = counts(x, n)
    return a + events, b + total - events


def unique_pairs(x: Array, n: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Positions of one (x, n) of each kind, and for every pair the number of its kind."""
    x_values, x_code = np.unique(x, return_inverse=True)
    _, n_code = np.unique(n, return_inverse=True)
    _, first, back = np.unique(n_code * x_values.size + x_code, return_index=True, return_inverse=True)
    return first, back.reshape(-1)


def root(rises: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Where an increasing function changes sign between `low` and `high`, by halving."""
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        above = rises(middle) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return 0.5 * (low + high)


def alpha_of(conf_level: float) -> float:
    """One less the level as it prints: 1 - 0.9999999999 in binary is off in the eighth digit."""
    return float(1 - Decimal(repr(float(conf_level))))


def z_of(alpha: float) -> float:
    """Normal quantile of a two-sided alpha."""
    return -float(ndtri(alpha / 2))


def tail_low(x: Array, n: Array, tail: float) -> Array:
    """The proportion at which ``P(X >= x) = tail``; 0 at x = 0."""
    low = betaincinv(np.maximum(x, 1), n - x + 1, tail)
    low = np.where(x == n, np.exp(np.log(tail) / n), low)
    return np.where(x == 0, 0.0, low)


def tail_high(x: Array, n: Array, tail: float) -> Array:
    """The proportion at which ``P(X <= x) = tail``; 1 at x = n."""
    high = betainccinv(x + 1, np.maximum(n - x, 1), tail)
    high = np.where(x == 0, -np.expm1(np.log(tail) / n), high)
    return np.where(x == n, 1.0, high)


def at_least(x: Array, n: Array, p: Array) -> Array:
    """``P(X >= x)`` for x of 1 to n."""
    return np.asarray(betainc(x, n - x + 1, p))


def at_most(k: Array, n: Array, p: Array) -> Array:
    """``P(X <= k)`` for k of -1 to n - 1."""
    return np.where(k < 0, 0.0, betaincc(np.maximum(k, 0) + 1, n - np.maximum(k, 0), p))


def log_choose(n: Array, k: Array) -> Array:
    """Logarithm of the number of ways to choose k of n."""
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
