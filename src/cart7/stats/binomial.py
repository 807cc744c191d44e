"""What one and two proportions share: checked counts, binomial tails, roots.

Here: the arrays of counts, tail probabilities and their inverses, roots by halving and by steps.
Not here: any interval (stats.binomial_intervals) or test (stats.proportions, stats.two_proportions).
"""

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaincc, betainccinv, betaincinv, gammaln, ndtri, xlog1py, xlogy

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
Limits = tuple[Array, Array]
Excess = Callable[[Array, Places], tuple[Array, Array, Array]]
"""Value, slope and bend of a function at proportions p of the rows named; both on the scale of log odds."""

HALVINGS = 60
"""A bracket no wider than 1 shrinks below the spacing of doubles near 1e-18."""

LAST_STEP = 1e-18
"""What one of Halley's steps on the log odds may still leave to do, for it to be the last."""

FROM_NON_EVENTS = 1 / 64
"""From this proportion on, 1 - p keeps enough digits for a lower tail to be counted in non-events."""

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


def unique_pairs(x: Array, n: Array) -> tuple[Places, Places]:
    """Positions of one (x, n) of each kind, and for every pair the number of its kind."""
    most = n.max(initial=0.0)
    if most**2 > 16 * n.size + 4096:
        x_values, x_code = np.unique(x, return_inverse=True)
        _, n_code = np.unique(n, return_inverse=True)
        _, first, back = np.unique(n_code * x_values.size + x_code, return_index=True, return_inverse=True)
        return first, back.reshape(-1)
    # Few possible pairs for so many rows: each has its place in a triangle, so nothing is sorted.
    place = (n * (n + 1) / 2 + x).astype(np.intp)
    triangle = np.full(int((most + 1) * (most + 2) / 2), -1, dtype=np.intp)
    triangle[place] = np.arange(n.size)
    taken = np.flatnonzero(triangle >= 0)
    first = triangle[taken]
    triangle[taken] = np.arange(taken.size)
    return first, triangle[place]


def root(rises: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Where an increasing function changes sign between `low` and `high`, by halving."""
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        above = rises(middle) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return 0.5 * (low + high)


def solve(excess: Excess, start: Array, low: Array, high: Array) -> Array:
    """Where a function crosses 0 upwards between `low` and `high`: Halley's steps on the log odds.

    The logarithm of a binomial tail is concave in the log odds, so a few steps are enough; one that
    leaves the bracket is replaced by its middle. A step as small as LAST_STEP says is the last.
    """
    p, low, high = start.copy(), low.copy(), high.copy()
    todo = np.arange(p.size)
    for _ in range(2 * HALVINGS):
        here = p[todo]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value, slope, bend = excess(here, todo)
            newton = -value / slope
            curved = newton * bend / (2 * slope)
            step = newton / np.maximum(1 + curved, 0.5)
            ahead = here / (here + (1 - here) * np.exp(-step))
            last = np.abs(step) * np.maximum(np.abs(curved), np.abs(value)) ** 2 < LAST_STEP
        low[todo], high[todo] = np.where(value < 0, here, low[todo]), np.where(value > 0, here, high[todo])
        inside = ((ahead > low[todo]) & (ahead < high[todo])) | (ahead == here)
        p[todo] = np.where(inside, ahead, 0.5 * (low[todo] + high[todo]))
        todo = todo[~(inside & last)]
        if todo.size == 0:
            break
    return p


def first_whole(holds: Callable[[Array, Places], Flags], guess: Array, low: Array, high: Array) -> Array:
    """Smallest whole number with a property that `low` has not and `high` and all above it have.

    Tried at a guess, from there in strides that double, then by halving.
    """
    low, high, tried = low.copy(), high.copy(), np.clip(guess, low + 1, high - 1)
    stride = 1.0
    todo = np.flatnonzero(high - low > 1)
    while todo.size:
        now = tried[todo]
        has = holds(now, todo)
        low[todo], high[todo] = np.where(has, low[todo], now), np.where(has, now, high[todo])
        below, above = low[todo], high[todo]
        strode = np.where(has, now - stride, now + stride)
        tried[todo] = np.where((strode > below) & (strode < above), strode, np.floor((below + above) / 2))
        todo = todo[above - below > 1]
        stride *= 2
    return high


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
    """``P(X <= k)`` for k of -1 to n - 1: as many non-events, five times faster than a complement."""
    k, n, p = np.broadcast_arrays(k, n, p)
    chance = np.zeros(p.shape)
    some = k >= 0
    rare = some & (p < FROM_NON_EVENTS)
    chance[rare] = betaincc(k[rare] + 1, n[rare] - k[rare], p[rare])
    return np.asarray(betainc(n - k, k + 1, 1 - p, out=chance, where=some & ~rare))


def log_chance(k: Array, n: Array, p: Array) -> Array:
    """Logarithm of ``P(X = k)``."""
    return np.asarray(log_choose(n, k) + xlogy(k, p) + xlog1py(n - k, -p))


def log_choose(n: Array, k: Array) -> Array:
    """Logarithm of the number of ways to choose k of n."""
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
