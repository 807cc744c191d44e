"""Two proportions: interval of the difference, exact tests, posterior P(p1 > p2).

Here: x1 of n1 against x2 of n2, always group 1 less group 2. Not here: one proportion
(stats.proportions), more than two groups in order (stats.trend).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaincc, betaincinv, xlog1py, xlogy

from cart7.stats.binomial import (
    TIE,
    Array,
    Limits,
    alpha_of,
    beta_shapes,
    check_level,
    counts,
    log_choose,
    root,
    z_of,
)
from cart7.stats.binomial_intervals import wilson, wilson_cc

Flags = npt.NDArray[np.bool_]
Alternative = Literal["two-sided", "greater", "less"]

_GRID = 129  # starting points for a supremum over a proportion, refined between neighbours
_ZOOMS = 4
_NEAR = 0.9  # a supremum this close to a level may still exceed it between two points of the grid
_STEPS = 100  # differences tried before the first one that is not rejected is pinned down


def difference_interval(
    x1: npt.ArrayLike,
    n1: npt.ArrayLike,
    x2: npt.ArrayLike,
    n2: npt.ArrayLike,
    *,
    method: str = "newcombe",
    conf_level: float = 0.95,
) -> Limits:
    """Two-sided confidence interval for the difference of two proportions, p1 - p2.

    Parameters
    ----------
    x1, n1, x2, n2 : array_like
        Subjects with the event, of subjects assessed, in each group; broadcast.
    method : str, default "newcombe"
        ``newcombe`` (from two Wilson intervals), ``newcombe-cc`` (corrected),
        ``miettinen-nurminen`` (score, variance times N / (N - 1)), ``mee`` (score without it),
        ``exact-unconditional`` (Chan and Zhang, ordered by the score statistic).
    conf_level : float, default 0.95
        Two-sided level.

    Returns
    -------
    low, high : numpy.ndarray
        Limits in [-1, 1]; NaN where a group has nobody.

    Raises
    ------
    ValueError
        For counts that are not whole or outside ``0..n``, a level outside (0, 1) or an unknown
        method.

    References
    ----------
    Newcombe RG (1998). Stat Med 17:873-890.
    Miettinen O, Nurminen M (1985). Stat Med 4:213-226.
    Chan ISF, Zhang Z (1999). Biometrics 55:1202-1209.

    Examples
    --------
    >>> low, high = difference_interval(7, 9, 3, 9)
    >>> f"({low:.3f}, {high:.3f})"
    '(-0.007, 0.710)'
    """
    if method not in _INTERVALS:
        raise ValueError(f"method must be one of {', '.join(_INTERVALS)}; got {method!r}")
    check_level(conf_level)
    groups, shape, seen = _two_groups(x1, n1, x2, n2)
    low, high = np.full(seen.size, np.nan), np.full(seen.size, np.nan)
    if seen.any():
        tables, back = np.unique(np.array([group[seen] for group in groups]), axis=1, return_inverse=True)
        limits = _INTERVALS[method](tables[0], tables[1], tables[2], tables[3], alpha_of(conf_level))
        low[seen], high[seen] = (np.clip(limit, -1, 1)[back.reshape(-1)] for limit in limits)
    return low.reshape(shape)[()], high.reshape(shape)[()]


def compare_test(
    x1: npt.ArrayLike,
    n1: npt.ArrayLike,
    x2: npt.ArrayLike,
    n2: npt.ArrayLike,
    *,
    method: str = "fisher",
    alternative: Alternative = "two-sided",
) -> Array:
    """Exact test of equal proportions; ``greater`` means p1 > p2.

    Parameters
    ----------
    x1, n1, x2, n2 : array_like
        Subjects with the event, of subjects assessed, in each group; broadcast.
    method : str, default "fisher"
        Conditional: ``fisher`` (two-sided: tables no more likely, as R), ``fisher-central``
        (doubled), ``fisher-blaker``, ``fisher-midp`` (doubled; half the probability of the table).
        Unconditional: ``boschloo`` (two-sided: doubled), ``barnard`` (pooled Z; two-sided: its size).
    alternative : {"two-sided", "greater", "less"}
        Direction.

    Returns
    -------
    numpy.ndarray
        p-values; NaN where a group has nobody.

    Raises
    ------
    ValueError
        For counts as in `difference_interval`, an unknown method or alternative.

    Notes
    -----
    Tables tie exactly but not in floating point: statistics within a relative 1e-9 are equal.

    References
    ----------
    Boschloo RD (1970). Statist Neerl 24:1-9. Barnard GA (1947). Biometrika 34:123-138.

    Examples
    --------
    >>> f"{compare_test(7, 9, 3, 9, method='barnard'):.4f}"
    '0.0975'
    """
    if method not in _TESTS:
        raise ValueError(f"method must be one of {', '.join(_TESTS)}; got {method!r}")
    if alternative not in ("two-sided", "greater", "less"):
        raise ValueError(f"alternative must be one of two-sided, greater, less; got {alternative!r}")
    groups, shape, seen = _two_groups(x1, n1, x2, n2)
    p_values = np.full(seen.size, np.nan)
    if seen.any():
        tables, back = np.unique(np.array([group[seen] for group in groups]), axis=1, return_inverse=True)
        known = [_TESTS[method](a, m, b, n, alternative) for a, m, b, n in tables.astype(int).T.tolist()]
        p_values[seen] = np.array(known)[back.reshape(-1)]
    return p_values.reshape(shape)[()]


def superiority(
    x1: npt.ArrayLike,
    n1: npt.ArrayLike,
    x2: npt.ArrayLike,
    n2: npt.ArrayLike,
    *,
    prior: tuple[float, float] = (0.5, 0.5),
) -> Array:
    """Posterior probability that p1 exceeds p2, both with the same Beta prior.

    Parameters
    ----------
    x1, n1, x2, n2 : array_like
        Subjects with the event, of subjects assessed, in each group; broadcast.
    prior : tuple of float, default (0.5, 0.5)
        Shapes of the Beta prior, both above 0.

    Returns
    -------
    numpy.ndarray
        Probabilities, in the broadcast shape.

    Raises
    ------
    ValueError
        For counts as in `difference_interval` or a prior shape not above 0.

    Notes
    -----
    The distribution function of the wider posterior is averaged over the quantiles of the narrower
    one, by double-exponential quadrature from both ends.

    Examples
    --------
    >>> f"{superiority(3, 3, 1, 3):.4f}"
    '0.9611'
    """
    shapes = (*beta_shapes(x1, n1, prior), *beta_shapes(x2, n2, prior))
    a1, b1, a2, b2 = (shape[..., np.newaxis] for shape in np.broadcast_arrays(*shapes))
    first_is_narrow = _variance(a1, b1) < _variance(a2, b2)
    a, b = np.where(first_is_narrow, a1, a2), np.where(first_is_narrow, b1, b2)
    tail, weight = _double_exponential()
    total = np.zeros(a.shape[:-1])
    for p in (betaincinv(a, b, tail), 1 - betaincinv(b, a, tail)):
        chance = np.where(first_is_narrow, betainc(a2, b2, p), betaincc(a1, b1, p))
        total = total + (weight * chance).sum(axis=-1)
    return np.clip(total, 0, 1)[()]


def _variance(a: Array, b: Array) -> Array:
    return a * b / ((a + b) ** 2 * (a + b + 1))


def _double_exponential() -> tuple[Array, Array]:
    """Nodes and weights on (0, 1/2), dense at both ends: exact to rounding for end singularities."""
    step = 1 / 16
    t = np.arange(-3.9, 3.9 + step / 2, step)
    inner = np.pi / 2 * np.sinh(t)
    nodes = 0.5 / (1 + np.exp(-2 * inner))
    weights = 0.25 * step * np.pi / 2 * np.cosh(t) / np.cosh(inner) ** 2
    return nodes, 0.5 * weights / weights.sum()


# -------------------------------------------------------------------------------------- intervals


def _two_groups(
    x1: npt.ArrayLike, n1: npt.ArrayLike, x2: npt.ArrayLike, n2: npt.ArrayLike
) -> tuple[list[Array], tuple[int, ...], Flags]:
    """The four counts as flat columns, their shape, and where both groups have somebody."""
    columns = np.broadcast_arrays(*counts(x1, n1), *counts(x2, n2))
    flat = [column.reshape(-1) for column in columns]
    return flat, columns[0].shape, (flat[1] > 0) & (flat[3] > 0)


def _newcombe(x1: Array, n1: Array, x2: Array, n2: Array, alpha: float) -> Limits:
    return _from_two(wilson, x1, n1, x2, n2, alpha)


def _newcombe_cc(x1: Array, n1: Array, x2: Array, n2: Array, alpha: float) -> Limits:
    return _from_two(wilson_cc, x1, n1, x2, n2, alpha)


def _from_two(
    single: Callable[[Array, Array, float], Limits], x1: Array, n1: Array, x2: Array, n2: Array, alpha: float
) -> Limits:
    """Newcombe's squares of the distances to two single limits."""
    (low1, high1), (low2, high2) = single(x1, n1, alpha), single(x2, n2, alpha)
    p1, p2 = x1 / n1, x2 / n2
    low = p1 - p2 - np.sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2)
    return low, p1 - p2 + np.sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2)


def _miettinen_nurminen(x1: Array, n1: Array, x2: Array, n2: Array, alpha: float) -> Limits:
    total = n1 + n2
    return _score(x1, n1, x2, n2, alpha, np.sqrt(total / (total - 1)))


def _mee(x1: Array, n1: Array, x2: Array, n2: Array, alpha: float) -> Limits:
    return _score(x1, n1, x2, n2, alpha, np.ones_like(n1))


def _score(x1: Array, n1: Array, x2: Array, n2: Array, alpha: float, widen: Array) -> Limits:
    """Differences whose score statistic is no larger than z."""
    z, estimate = z_of(alpha) * widen, x1 / n1 - x2 / n2
    low = root(lambda d: z - _score_z(x1, n1, x2, n2, d), np.full_like(estimate, -1), estimate)
    high = root(lambda d: -z - _score_z(x1, n1, x2, n2, d), estimate, np.ones_like(estimate))
    return np.where(estimate == -1, -1.0, low), np.where(estimate == 1, 1.0, high)


def _score_z(x1: Array, n1: Array, x2: Array, n2: Array, difference: Array) -> Array:
    """Distance from the difference in restricted standard errors."""
    p1, p2 = _restricted(x1, n1, x2, n2, difference)
    error = np.sqrt(np.maximum(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2, 0))
    distance = x1 / n1 - x2 / n2 - difference
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(distance) < 1e-15, 0.0, distance / error)


def _restricted(x1: Array, n1: Array, x2: Array, n2: Array, difference: Array) -> Limits:
    """Most likely p1 and p2 with p1 - p2 = difference (Miettinen and Nurminen's cubic)."""
    total, events = n1 + n2, x1 + x2
    c2 = ((n1 + 2 * n2) * difference - total - events) / total
    c1 = ((n2 * difference - total - 2 * x2) * difference + events) / total
    c0 = x2 * difference * (1 - difference) / total
    q = c2**3 / 27 - c1 * c2 / 6 + c0 / 2
    size = np.sqrt(np.maximum(c2**2 / 9 - c1 / 3, 0))
    p = np.where(q < 0, -size, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(p == 0, 0.0, q / p**3)
    angle = (np.pi + np.arccos(np.clip(ratio, -1, 1))) / 3
    p2 = np.clip(2 * p * np.cos(angle) - c2 / 3, np.maximum(0, -difference), np.minimum(1, 1 - difference))
    return np.clip(p2 + difference, 0, 1), p2


def _exact_unconditional(x1: Array, n1: Array, x2: Array, n2: Array, alpha: float) -> Limits:
    low = [_first_accepted(*table, alpha / 2) for table in zip(x1, n1, x2, n2, strict=True)]
    high = [-_first_accepted(*table, alpha / 2) for table in zip(x2, n2, x1, n1, strict=True)]
    return np.array(low), np.array(high)


def _first_accepted(x1: float, n1: float, x2: float, n2: float, tail: float) -> float:
    """Smallest difference at which a statistic as large as the one seen has a probability above tail."""
    one, two = np.meshgrid(np.arange(n1 + 1), np.arange(n2 + 1), indexing="ij")
    seen = int(x1), int(x2)

    def accepted(difference: float, z: Array) -> bool:
        return _supremum(_at_least_as_large(z, z[seen]), difference, enough=tail) > tail

    def z_at(difference: npt.ArrayLike) -> Array:
        return _score_z(*np.broadcast_arrays(one, n1, two, n2, difference))

    steps = np.linspace(-1, x1 / n1 - x2 / n2, _STEPS)
    statistics = z_at(steps[:, np.newaxis, np.newaxis])
    place = next((i for i, step in enumerate(steps) if accepted(step, statistics[i])), _STEPS - 1)
    if place == 0:
        return -1.0
    low, high = float(steps[place - 1]), float(steps[place])
    while high - low > 1e-11:
        middle = (low + high) / 2
        low, high = (low, middle) if accepted(middle, z_at(middle)) else (middle, high)
    return high


# ------------------------------------------------------------------------------------------ tests


def _fisher(x1: int, n1: int, x2: int, n2: int, alternative: str) -> float:
    return _conditional(x1, n1, x2, n2, alternative, _no_more_likely)


def _fisher_central(x1: int, n1: int, x2: int, n2: int, alternative: str) -> float:
    return _conditional(x1, n1, x2, n2, alternative, _doubled)


def _fisher_blaker(x1: int, n1: int, x2: int, n2: int, alternative: str) -> float:
    return _conditional(x1, n1, x2, n2, alternative, _smaller_tails)


def _fisher_midp(x1: int, n1: int, x2: int, n2: int, alternative: str) -> float:
    chances, place = _hypergeometric(x1, n1, x2, n2)
    half = chances[place] / 2
    greater, less = chances[place:].sum() - half, chances[: place + 1].sum() - half
    return _sided(greater, less, alternative, 2 * min(greater, less))


def _conditional(
    x1: int, n1: int, x2: int, n2: int, alternative: str, both: Callable[[Array, int], float]
) -> float:
    chances, place = _hypergeometric(x1, n1, x2, n2)
    greater, less = chances[place:].sum(), chances[: place + 1].sum()
    return _sided(greater, less, alternative, both(chances, place))


def _sided(greater: float, less: float, alternative: str, both: float) -> float:
    return float(min(1.0, {"greater": greater, "less": less, "two-sided": both}[alternative]))


def _hypergeometric(x1: int, n1: int, x2: int, n2: int) -> tuple[Array, int]:
    """Chances of every table with the same margins, and the place of the one seen."""
    events = x1 + x2
    k = np.arange(max(0, events - n2), min(n1, events) + 1, dtype=float)
    log_ways = log_choose(np.full_like(k, n1), k) + log_choose(np.full_like(k, n2), events - k)
    ways = np.exp(log_ways - log_ways.max())
    return ways / ways.sum(), int(x1 - k[0])


def _no_more_likely(chances: Array, place: int) -> float:
    return float(chances[chances <= chances[place] * (1 + TIE)].sum())


def _doubled(chances: Array, place: int) -> float:
    return 2 * float(min(chances[place:].sum(), chances[: place + 1].sum()))


def _smaller_tails(chances: Array, place: int) -> float:
    tails = np.minimum(np.cumsum(chances), np.cumsum(chances[::-1])[::-1])
    return float(chances[tails <= tails[place] * (1 + TIE)].sum())


def _boschloo(x1: int, n1: int, x2: int, n2: int, alternative: str) -> float:
    def one_sided(p_values: Array) -> float:
        return _supremum(p_values <= p_values[x1, x2] * (1 + TIE), 0.0)

    greater = 1.0 if alternative == "less" else one_sided(_fisher_table(n1, n2))
    less = 1.0 if alternative == "greater" else one_sided(_fisher_table(n2, n1).T)
    return _sided(greater, less, alternative, 2 * min(greater, less))


def _fisher_table(n1: int, n2: int) -> Array:
    """P(X1 >= x1) given the number of events, for every table."""
    p_values = np.empty((n1 + 1, n2 + 1))
    for events in range(n1 + n2 + 1):
        first = max(0, events - n2)
        chances, _ = _hypergeometric(first, n1, events - first, n2)
        rows = np.arange(first, first + chances.size)
        p_values[rows, events - rows] = np.cumsum(chances[::-1])[::-1]
    return p_values


def _barnard(x1: int, n1: int, x2: int, n2: int, alternative: str) -> float:
    one, two = np.meshgrid(np.arange(n1 + 1.0), np.arange(n2 + 1.0), indexing="ij")
    pooled = (one + two) / (n1 + n2)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    z = np.where(error > 0, (one / n1 - two / n2) / np.where(error > 0, error, 1), 0.0)
    statistic = {"greater": z, "less": -z, "two-sided": np.abs(z)}[alternative]
    return min(1.0, _supremum(_at_least_as_large(statistic, statistic[x1, x2]), 0.0))


def _at_least_as_large(statistic: Array, seen: float) -> Flags:
    """Tables as extreme as the one seen; mirror images tie within rounding."""
    if not np.isfinite(seen):
        return np.asarray(statistic >= seen, dtype=bool)
    return np.asarray(statistic >= seen - TIE * max(1.0, abs(seen)), dtype=bool)


def _supremum(tables: Flags, difference: float, *, enough: float = 1.0) -> float:
    """Largest probability of the marked tables over p2, with p1 = p2 + difference.

    From an even grid, then finer and finer about its best points; no further than needed to tell
    whether it exceeds `enough`.
    """
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    p, width = np.linspace(low, high, _GRID), (high - low) / (_GRID - 1)
    chance = _probability(tables, p, difference)
    for _ in range(_ZOOMS):
        if enough < 1 and not _NEAR * enough < chance.max() <= enough:
            break
        best = p[np.argsort(chance)[-3:], np.newaxis]
        p = np.clip(best + width * np.linspace(-1, 1, 17), low, high).reshape(-1)
        chance, width = _probability(tables, p, difference), width / 8
    return float(chance.max())


def _probability(tables: Flags, p2: Array, difference: float) -> Array:
    n1, n2 = tables.shape[0] - 1, tables.shape[1] - 1
    one, two = _chances(n1, np.clip(p2 + difference, 0, 1)), _chances(n2, p2)
    return np.asarray(((one @ tables) * two).sum(axis=1))


def _chances(n: int, p: Array) -> Array:
    """Binomial probabilities, a row per proportion."""
    k = np.arange(n + 1.0)
    p = p[:, np.newaxis]
    return np.asarray(np.exp(log_choose(np.full_like(k, n), k) + xlogy(k, p) + xlog1py(n - k, -p)))


_INTERVALS: dict[str, Callable[[Array, Array, Array, Array, float], Limits]] = {
    "newcombe": _newcombe,
    "newcombe-cc": _newcombe_cc,
    "miettinen-nurminen": _miettinen_nurminen,
    "mee": _mee,
    "exact-unconditional": _exact_unconditional,
}
_TESTS: dict[str, Callable[[int, int, int, int, str], float]] = {
    "fisher": _fisher,
    "fisher-central": _fisher_central,
    "fisher-blaker": _fisher_blaker,
    "fisher-midp": _fisher_midp,
    "boschloo": _boschloo,
    "barnard": _barnard,
}
DIFFERENCE_METHODS = tuple(_INTERVALS)
COMPARE_METHODS = tuple(_TESTS)
