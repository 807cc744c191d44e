"""Log-rank comparison of survival curves, asymptotic and by permutation of the group labels.

Here: observed and expected events, the chi-square statistic, the exact p-value of two small
groups. Not here: the curves (`stats.survival_curves`), hazard ratios, frames (`survival`).
"""

from dataclasses import dataclass
from itertools import chain, combinations, islice
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from cart7.stats.survival_curves import Floats, Ints, checked, merge_near_ties

FEW_LABELINGS = 100_000
MOST_LABELINGS = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Observed and expected events by group, the statistic and its p-values (None: not computed)."""

    observed: Floats
    expected: Floats
    covariance: Floats
    statistic: float
    df: int
    p_value: float
    exact_p_value: float | None


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """At each event time: at risk and events by group (rows: times), and the weight of the time."""

    n: Floats
    d: Floats
    weight: Floats


def logrank(
    time: ArrayLike,
    event: ArrayLike,
    group: Ints,
    n_groups: int,
    *,
    rho: float = 0.0,
    exact: str | bool = "auto",
    near_ties: bool = True,
) -> Comparison:
    """Log-rank test, weighted by S(t-) to the power `rho`.

    Parameters
    ----------
    time, event : arrays
        Times in any unit, and whether the event happened.
    group : array of int
        Group of each subject, 0 to ``n_groups - 1``.
    n_groups : int
        At least 2.
    rho : float, default 0
        0: log-rank; 1: Peto-Peto.
    exact : {"auto", True, False}
        The permutation p-value of two groups: with up to 100,000 relabelings, always, never.
    near_ties : bool, default True
        Merge times that differ by rounding noise.

    Returns
    -------
    Comparison
        `statistic`, `df` and `p_value` as R ``survdiff``. The exact p-value is the part of all
        relabelings whose abs(O - E), E recomputed, is at least the observed one.

    Raises
    ------
    ValueError
        With fewer than two groups, or `exact=True` with more than two or too many relabelings.

    Examples
    --------
    >>> result = logrank([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 0, 0], np.array([0, 0, 0, 1, 1, 1]), 2)
    >>> f"{result.statistic:.3f} {result.p_value:.3f} {result.exact_p_value:.3f}"
    '5.052 0.025 0.100'
    """
    if n_groups < 2:
        raise ValueError(f"group must have at least two levels, got {n_groups}")
    if isinstance(exact, str) and exact != "auto":
        raise ValueError(f"exact must be 'auto', True or False, got {exact!r}")
    times, events = checked(time, event)
    if near_ties:
        times = merge_near_ties(times)
    distinct, place = np.unique(times, return_inverse=True)
    table = _table(distinct.size, place, events, group, n_groups, rho)
    total_n, total_d = table.n.sum(axis=1), table.d.sum(axis=1)
    observed = (table.weight[:, None] * table.d).sum(axis=0)
    expected = (table.weight[:, None] * table.n * (total_d / total_n)[:, None]).sum(axis=0)
    covariance = _covariance(table, total_n, total_d)
    statistic, df, p_value = _chi_square(observed - expected, covariance, expected)
    hazard = np.cumsum(np.where(total_d > 0, table.weight * total_d / total_n, 0.0))
    scores = np.where(events, table.weight[place], 0.0) - hazard[place]
    return Comparison(
        observed=observed,
        expected=expected,
        covariance=covariance,
        statistic=statistic,
        df=df,
        p_value=p_value,
        exact_p_value=_permutation_p(scores, group, n_groups, exact),
    )


def _table(
    n_times: int, place: NDArray[np.intp], events: NDArray[np.bool_], group: Ints, n_groups: int, rho: float
) -> _Table:
    cell, size = place * n_groups + group, n_times * n_groups
    left = np.bincount(cell, minlength=size).reshape(n_times, n_groups)
    d = np.bincount(cell[events], minlength=size).reshape(n_times, n_groups).astype(float)
    n = (left.sum(axis=0) + left - np.cumsum(left, axis=0)).astype(float)
    pooled = np.cumprod((n.sum(axis=1) - d.sum(axis=1)) / n.sum(axis=1))
    return _Table(n, d, np.append(1.0, pooled)[:-1] ** rho if n_times else np.zeros(0))


def _covariance(table: _Table, n: Floats, d: Floats) -> Floats:
    """Covariance of O - E: hypergeometric at each time, a last single subject adds nothing."""
    scale = np.where(n > 1, table.weight**2 * d * (n - d) / np.maximum(n - 1, 1), 0.0)
    part = table.n / n[:, None]
    return np.asarray(np.diag((scale[:, None] * part).sum(axis=0)) - (scale[:, None] * part).T @ part)


def _chi_square(difference: Floats, covariance: Floats, expected: Floats) -> tuple[float, int, float]:
    """Statistic over the groups that could have had an event, with its degrees of freedom and p-value."""
    kept = np.flatnonzero(expected > 0)
    df = max(kept.size - 1, 0)
    first = kept[:df]
    block = covariance[np.ix_(first, first)]
    if df == 0 or np.linalg.matrix_rank(block) < df:
        return float("nan"), df, float("nan")
    statistic = float(difference[first] @ np.linalg.solve(block, difference[first]))
    return statistic, df, float(chdtrc(df, statistic))


def _permutation_p(scores: Floats, group: Ints, n_groups: int, exact: str | bool) -> float | None:
    """Part of all relabelings with a sum of scores (O - E) as far from 0 as the observed one."""
    size = int(np.sum(group == 0))
    if exact is False or (exact == "auto" and (n_groups > 2 or comb(scores.size, size) > FEW_LABELINGS)):
        return None
    if n_groups > 2:
        raise ValueError(f"exact=True compares two groups, got {n_groups}")
    labelings = comb(scores.size, size)
    if labelings > MOST_LABELINGS:
        raise ValueError(f"exact=True needs {labelings} relabelings; at most {MOST_LABELINGS} are done")
    bound = abs(scores[group == 0].sum()) - 1e-10 * max(1.0, float(np.abs(scores).max(initial=0.0)))
    picks, extreme = combinations(range(scores.size), size), 0
    while block := list(islice(picks, FEW_LABELINGS)):
        chosen = np.fromiter(chain.from_iterable(block), dtype=np.intp, count=len(block) * size)
        extreme += int(np.sum(np.abs(scores[chosen.reshape(len(block), size)].sum(axis=1)) >= bound))
    return extreme / labelings
