"""Slow, obvious second versions of the tests behind the intervals: whole numbers and fractions."""

from fractions import Fraction
from math import comb


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
