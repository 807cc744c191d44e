"""Slow, obvious second versions of the melded test: exact fractions, and draws of beta products."""

from fractions import Fraction
from math import comb

import numpy as np
from tests.twins.survival import product_rates


def rates_at(time, event, t):
    """Rates of -log U and of -log L at t; None where U is 1 or L is 0."""
    past = sum(u <= t for u in set(time))
    rates, following = product_rates(time, event)[past]
    return rates or None, [*rates, following] if following else None


def coefficients(rates):
    """P(product <= w) as the sum of c_r w^r, by r."""
    found = {}
    for r in rates:
        found[r] = Fraction(1)
        for s in rates:
            if s != r:
                found[r] *= Fraction(s, s - r)
    return found


def moment(rates, power):
    """Mean of a power of the product: each factor V^(1/r) gives r / (r + power)."""
    mean = Fraction(1)
    for r in rates:
        mean *= Fraction(r, r + power)
    return mean


def ratio_at_most(one, other, x):
    """P(other <= x one) for two independent products, x a fraction."""
    if x > 1:
        return 1 - ratio_at_most(other, one, 1 / x)
    return sum(c * x**s * moment(one, s) for s, c in coefficients(other).items())


def difference_at_most(one, other, x):
    """P(other <= one + x) for two independent products, x a fraction: polynomials, integrated term by term."""
    if x < 0:
        return 1 - difference_at_most(other, one, -x)
    end, beyond = 1 - x, coefficients(one)
    total = 1 - sum(c * end**r for r, c in beyond.items())
    for s, c in coefficients(other).items():
        for k in range(s + 1):  # (u + x)^s, times the density of one
            for r, d in beyond.items():
                total += c * comb(s, k) * x ** (s - k) * d * r * end ** (k + r) / (k + r)
    return total


def draws(time, event, t, rng, n):
    """Draws of L and of U at t, as products of independent betas."""
    upper = np.ones(n)
    for u in sorted(set(time)):
        if u > t:
            break
        at_risk = sum(v >= u for v in time)
        died = sum(v == u and bool(e) for v, e in zip(time, event, strict=True))
        if died:
            upper = upper * rng.beta(at_risk - died + 1, died, n)
    still = sum(v > t for v in time)
    return (upper * rng.beta(still, 1, n) if still else np.zeros(n)), upper


def parameter(parm, s1, s2):
    """What is estimated, rising in s2; 0/0 is NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "difference": s2 - s1,
            "ratio": s2 / s1,
            "cdfratio": (1 - s1) / (1 - s2),
            "oddsratio": s2 * (1 - s1) / (s1 * (1 - s2)),
        }[parm]


def by_simulation(first, second, t, parm, conf_level, rng, n, *, midp=False):
    """(p_less, p_greater, low, high) from draws; `first` and `second` are (time, event)."""
    (l1, u1), (l2, u2) = draws(*first, t, rng, n), draws(*second, t, rng, n)
    if midp:
        coin_1, coin_2 = rng.random(n) < 0.5, rng.random(n) < 0.5
        l1 = u1 = np.where(coin_1, l1, u1)
        l2 = u2 = np.where(coin_2, l2, u2)
    null = 0.0 if parm == "difference" else 1.0
    lowest, highest = parameter(parm, u1, l2), parameter(parm, l1, u2)
    tail = (1 - conf_level) / 2
    return (
        1 - np.mean(highest < null), 1 - np.mean(lowest > null),
        np.quantile(np.nan_to_num(lowest, nan=0.0, posinf=np.inf), tail, method="lower"),
        np.quantile(np.nan_to_num(highest, nan=np.inf, posinf=np.inf), 1 - tail, method="higher"),
    )  # fmt: skip
