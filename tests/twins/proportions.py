"""Slow, obvious second versions: the tests behind the intervals in fractions, limits by halving."""

from fractions import Fraction
from math import comb

from scipy.special import bdtr, bdtrc


def chance(k, n, p):
    """P(X = k) for X binomial, as a fraction when p is one."""
    return comb(n, k) * p**k * (1 - p) ** (n - k)


def at_least(x, n, p):
    return sum((chance(k, n, p) for k in range(x, n + 1)), Fraction(0))


def at_most(x, n, p):
    return sum((chance(k, n, p) for k in range(x + 1)), Fraction(0))


def p_central(x, n, p):
    return min(Fraction(1), 2 * min(at_least(x, n, p), at_most(x, n, p)))


def p_mid(x, n, p):
    half = chance(x, n, p) / 2
    return min(Fraction(1), 2 * min(at_least(x, n, p) - half, at_most(x, n, p) - half))


def p_minlike(x, n, p):
    """All outcomes no more likely than the one seen (Sterne)."""
    return sum((c for k in range(n + 1) if (c := chance(k, n, p)) <= chance(x, n, p)), Fraction(0))


def p_blaker(x, n, p):
    """All outcomes whose smaller tail is no larger than that of the one seen."""

    def smaller_tail(k):
        return min(at_least(k, n, p), at_most(k, n, p))

    return sum((chance(k, n, p) for k in range(n + 1) if smaller_tail(k) <= smaller_tail(x)), Fraction(0))


def accepted(p_value, x, n, alpha, steps):
    """Proportions of an even grid that the test does not reject at alpha."""
    grid = [Fraction(i, steps) for i in range(1, steps)]
    return [p for p in grid if p_value(x, n, p) > alpha]


def halved(rises, low, high):
    """Where an increasing function becomes positive."""
    for _ in range(70):
        middle = (low + high) / 2
        low, high = (low, middle) if rises(middle) > 0 else (middle, high)
    return (low + high) / 2


def mid_p_low(x, n, alpha):
    """Lower mid-p limit, x > 0: P(X >= x) and P(X > x) add up to alpha."""
    return halved(lambda p: bdtrc(x - 1, n, p) + bdtrc(x, n, p) - alpha if x < n else p**n - alpha, 0, 1)


def blaker_low(x, n, alpha):
    """Lower Blaker limit, x > 0: outcome after outcome joins the opposite tail, where it equals P(X >= x)."""
    left = halved(lambda p: bdtrc(x - 1, n, p) - alpha / 2, 0, 1)
    k = next(k for k in range(x) if bdtr(k, n, left) > alpha / 2)

    def both(p):
        return bdtrc(x - 1, n, p) + (bdtr(k - 1, n, p) if k else 0) - alpha

    jump = halved(lambda p: bdtrc(x - 1, n, p) - bdtr(k, n, p), left, x / n)
    return halved(both, left, jump) if both(jump) > 0 else jump


def least_coverage(low, high, grid):
    """Infimum over p of the chance that the interval of X contains p; ends 1e-12 apart are one.

    Between neighbouring ends the same outcomes contain p, all in a row: their chance rises, then falls, so
    the least is at an end, from one of its sides. A grid is looked through besides.
    """
    n, near, chances = len(low) - 1, 1e-12, []
    ends = sorted({*low, *high})
    for p in [*ends, *grid]:
        below = [k for k in range(n + 1) if low[k] < p - near and high[k] >= p - near]
        above = [k for k in range(n + 1) if low[k] <= p + near and high[k] > p + near]
        at = [k for k in range(n + 1) if low[k] - near <= p <= high[k] + near]
        sides = [at] + [below] * (p > near) + [above] * (p < 1 - near)
        chances += [(float(sum(chance(k, n, p) for k in side)), p) for side in sides]
    return min(chances)
