"""Trend of a proportion over ordered groups: Cochran-Armitage, asymptotic and exact.

Here: the test for one table of events by dose, with scores as exact fractions. Not here: which
subjects respond (response), two groups compared otherwise (stats.two_proportions).
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from cart7.stats import binomial


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Cochran-Armitage trend test of one table.

    Attributes
    ----------
    z, z_hypergeometric : float
        Statistic with the binomial variance (R `prop.trend.test`), and with N - 1.
    p_two_sided, p_increasing, p_decreasing : float
        Normal p-values from `z`.
    exact_p_increasing, exact_p_decreasing : float
        Conditional on the number of events: P(T >= t) and P(T <= t).
    exact_p_two_sided, exact_p_doubled : float
        Outcomes at least as far from the expected T; twice the smaller tail, at most 1.
    midp_increasing, midp_decreasing : float
        Exact tails less half the probability of the table's T.
    """

    z: float
    z_hypergeometric: float
    p_two_sided: float
    p_increasing: float
    p_decreasing: float
    exact_p_increasing: float
    exact_p_decreasing: float
    exact_p_two_sided: float
    exact_p_doubled: float
    midp_increasing: float
    midp_decreasing: float


def cochran_armitage(x: npt.ArrayLike, n: npt.ArrayLike, scores: npt.ArrayLike | None = None) -> Trend:
    """Cochran-Armitage test for a trend of the proportion over groups.

    Parameters
    ----------
    x, n : array_like
        Subjects with the event, of subjects assessed, one pair per group.
    scores : array_like, optional
        Score of each group, such as its dose; 1, 2, ... by default. A score counts as the decimal
        it prints as, so that ties of T are exact (0.7 is 7/10).

    Returns
    -------
    Trend
        When nobody or everybody has the event, or all scores are equal, `z` and the normal p-values
        are NaN and the exact p-values 1.

    Raises
    ------
    ValueError
        For counts that are not whole or outside ``0..n``, or scores that are not one finite number
        per group.

    Notes
    -----
    Exact p-values go through all tables with the same margins. With nine subjects in 3 + 3 + 3 the
    smallest possible one-sided p-value is 2/84 = 0.024, for 0, 1 and 3 events.

    References
    ----------
    Armitage P (1955). Biometrics 11:375-386.

    Examples
    --------
    >>> trend = cochran_armitage([0, 1, 3], [3, 3, 3])
    >>> f"z {trend.z:.3f}, exact one-sided p {trend.exact_p_increasing:.4f}"
    'z 2.465, exact one-sided p 0.0238'
    """
    events, totals = binomial.counts(x, n)
    if events.ndim != 1:
        raise ValueError(f"x and n must be one-dimensional, one pair per group, got shape {events.shape}")
    weights = _whole_scores(np.arange(1.0, events.size + 1) if scores is None else scores, events.size)
    sizes = [int(size) for size in totals]
    responders = int(events.sum())
    t = sum(int(k) * weight for k, weight in zip(events, weights, strict=True))
    z, z_hypergeometric = _statistics(t, responders, sizes, weights)
    ways = _ways(responders, sizes, weights)
    centre = Fraction(responders * _total(sizes, weights), max(sum(sizes), 1))
    tables = sum(ways.values())
    above = Fraction(sum(count for value, count in ways.items() if value >= t), tables)
    below = Fraction(sum(count for value, count in ways.items() if value <= t), tables)
    as_far = sum(count for value, count in ways.items() if abs(value - centre) >= abs(t - centre))
    half = Fraction(ways[t], 2 * tables)
    return Trend(
        z=z,
        z_hypergeometric=z_hypergeometric,
        p_two_sided=float(2 * ndtr(-abs(z))),
        p_increasing=float(ndtr(-z)),
        p_decreasing=float(ndtr(z)),
        exact_p_increasing=float(above),
        exact_p_decreasing=float(below),
        exact_p_two_sided=float(Fraction(as_far, tables)),
        exact_p_doubled=float(min(Fraction(1), 2 * min(above, below))),
        midp_increasing=float(above - half),
        midp_decreasing=float(below - half),
    )


def _whole_scores(scores: npt.ArrayLike, groups: int) -> list[int]:
    """Scores as whole numbers in the same proportions: each is the decimal it prints as."""
    values = np.asarray(scores, dtype=float)
    if values.shape != (groups,) or not np.isfinite(values).all():
        raise ValueError(f"scores must be {groups} finite numbers, one per group, got {scores!r}")
    fractions = [Fraction(repr(float(value))) for value in values]
    common = math.lcm(*(fraction.denominator for fraction in fractions))
    return [int(fraction * common) for fraction in fractions]


def _total(sizes: list[int], weights: list[int]) -> int:
    return sum(size * weight for size, weight in zip(sizes, weights, strict=True))


def _statistics(t: int, responders: int, sizes: list[int], weights: list[int]) -> tuple[float, float]:
    """T standardised with the binomial and with the hypergeometric variance."""
    everybody, total = sum(sizes), _total(sizes, weights)
    squares = sum(size * weight**2 for size, weight in zip(sizes, weights, strict=True))
    spread = everybody * squares - total**2
    mixed = responders * (everybody - responders)
    if spread == 0 or mixed == 0:
        return math.nan, math.nan
    distance = everybody * t - responders * total
    z = float(distance) / math.sqrt(Fraction(mixed * spread, everybody))
    return z, z * math.sqrt((everybody - 1) / everybody)


def _ways(responders: int, sizes: list[int], weights: list[int]) -> dict[int, int]:
    """Number of ways to reach each T with that many responders, group after group."""
    reached = {(0, 0): 1}
    for size, weight in zip(sizes, weights, strict=True):
        longer: dict[tuple[int, int], int] = {}
        for (taken, t), count in reached.items():
            for more in range(min(size, responders - taken) + 1):
                key = (taken + more, t + more * weight)
                longer[key] = longer.get(key, 0) + count * math.comb(size, more)
        reached = longer
    return {t: count for (taken, t), count in reached.items() if taken == responders}
