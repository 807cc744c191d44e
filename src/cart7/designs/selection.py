"""The level selected from all counts: isotonic DLT rates, and the one nearest to the target.

Here: the posterior chance of an overdose, the levels it eliminates, isotonic estimates with their intervals
and the selection, for one trial in words and for many at once. Not here: where the next cohort goes
(`interval`, `tite`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import betaincc, betaincinv

from cart7.designs.base import Counts, Flags, MtdSelection, checked_counts
from cart7.stats.isotonic import isotonic

STRICT = 1e-12
"""A posterior probability this near to its cutoff equals it."""

_PRIOR = 0.05
"""Beta(0.05, 0.05) of the estimates: almost the observed rate, and never 0 or 1."""

_APART = 1e-10
"""Added per level: of equal estimates below the target the highest level is nearest, above it the lowest."""

_FROM = 3
"""A selection eliminates no level with fewer subjects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRule:
    """What the selection depends on.

    Attributes
    ----------
    target, cutoff : float
        A level and all above it are eliminated when P(DLT rate > target) > cutoff.
    lowest_cutoff : float or None
        The stricter cutoff of the lowest level, if there is one.
    highest_rate : float or None
        No level with a higher estimate is selected, if there is a bound.
    """

    target: float
    cutoff: float
    lowest_cutoff: float | None = None
    highest_rate: float | None = None


def chance_above(n: Any, n_dlt: Any, target: float, *, prior: float = 1.0) -> Any:
    """P(DLT rate > target) under a Beta(prior, prior) prior."""
    return betaincc(prior + n_dlt, prior + n - n_dlt, target)


def reach(n: Counts) -> int:
    """How far tables by number of subjects must go; few different answers, so that tables are kept."""
    return max(32, 1 << int(n.max(initial=0)).bit_length())


def fewest(most_n: int, holds: Callable[[Counts, Counts], Flags], *, lowest: int) -> Counts:
    """Fewest DLTs, from `lowest`, with a property that more DLTs keep, by number of subjects from 0.

    ``n + 1`` where no number of DLTs has it.
    """
    n = np.arange(most_n + 1)
    low, high = np.full_like(n, lowest - 1), n + 1
    while (high - low > 1).any():
        middle = np.maximum((low + high) // 2, 0)
        has, undecided = holds(middle, n), high - low > 1
        high = np.where(undecided & has, middle, high)
        low = np.where(undecided & ~has, middle, low)
    return high


@lru_cache(maxsize=256)
def elimination(target: float, cutoff: float, from_n: int, most_n: int) -> Counts:
    """Fewest DLTs, at least one, that eliminate a level, by subjects from 0; ``n + 1``: none do."""
    limit = fewest(most_n, lambda y, n: chance_above(n, y, target) > cutoff + STRICT, lowest=1)
    few = np.arange(min(from_n, limit.size))
    limit[few] = few + 1
    limit.setflags(write=False)
    return limit


def first_eliminated(n: Counts, n_dlt: Counts, limit: Counts, lowest_limit: Counts | None = None) -> Counts:
    """The lowest eliminated level of each trial, one more than the highest level if there is none."""
    levels = n.shape[1]
    toxic = n_dlt >= limit[n]
    if lowest_limit is not None:
        toxic[:, 0] |= n_dlt[:, 0] >= lowest_limit[n[:, 0]]
    first = np.full(len(n), levels + 1, dtype=np.int64)
    for level in range(levels, 0, -1):
        first[toxic[:, level - 1]] = level
    return first


def selected_levels(n: Counts, n_dlt: Counts, rule: SelectionRule) -> Counts:
    """The level selected in each trial, 0 for none."""
    first = _first(n, n_dlt, rule)
    admissible = (n > 0) & (np.arange(1, n.shape[1] + 1) < first[:, None])
    rate = _estimates(n, n_dlt, admissible) + _APART * np.cumsum(admissible, axis=1)
    if rule.highest_rate is not None:
        admissible &= ~(rate > rule.highest_rate)
    distance = np.where(admissible, np.abs(rate - rule.target), np.inf)
    return np.where(admissible.any(axis=1), np.argmin(distance, axis=1) + 1, 0)


def mtd_selection(n: ArrayLike, n_dlt: ArrayLike, rule: SelectionRule) -> MtdSelection:
    """The level selected in one trial, with the reason and the estimates."""
    treated, toxic = checked_counts(n, n_dlt)
    estimates = _estimate_table(treated, toxic, rule.target)
    level = int(selected_levels(treated[None], toxic[None], rule)[0])
    first = int(_first(treated[None], toxic[None], rule)[0])
    if level == 0:
        return MtdSelection(level=None, reason=_none(treated, toxic, first, rule), estimates=estimates)
    below = np.where(np.arange(1, treated.size + 1) < first, treated, 0)[None]
    rate = float(_estimates(below, np.minimum(toxic, below), below > 0)[0, level - 1])
    reason = (
        f"level {level}: isotonic estimate {rate:.3f} ({toxic[level - 1]} of {treated[level - 1]} with DLT) "
        f"is the nearest to the target {rule.target:g}"
    )
    if first <= treated.size:
        reason += f"; {why_eliminated(treated, toxic, first, rule.target, rule.cutoff)}"
    return MtdSelection(level=level, reason=reason, estimates=estimates)


def why_eliminated(n: Counts, n_dlt: Counts, first: int, target: float, cutoff: float) -> str:
    """The elimination of a level and those above it, in words with its numbers."""
    treated, toxic = int(n[first - 1]), int(n_dlt[first - 1])
    above = " and all above" if first < n.size else ""
    chance = float(chance_above(treated, toxic, target))
    return (
        f"level {first}{above} eliminated: {toxic} of {treated} with DLT, "
        f"P(DLT rate > {target:g}) = {chance:.3f} > {cutoff:g}"
    )


def _first(n: Counts, n_dlt: Counts, rule: SelectionRule) -> Counts:
    most = reach(n)
    lowest = rule.lowest_cutoff
    return first_eliminated(
        n, n_dlt, elimination(rule.target, rule.cutoff, _FROM, most),
        None if lowest is None else elimination(rule.target, lowest, _FROM, most),
    )  # fmt: skip


def _estimates(n: Counts, n_dlt: Counts, present: Flags) -> Any:
    """Isotonic posterior means, weighted by their precision; NaN where absent."""
    return isotonic((n_dlt + _PRIOR) / (n + 2 * _PRIOR), _precision(n, n_dlt), present)


def _precision(n: Counts, n_dlt: Counts) -> Any:
    total = n + 2 * _PRIOR
    return total**2 * (total + 1) / ((n_dlt + _PRIOR) * (n - n_dlt + _PRIOR))


def _estimate_table(n: Counts, n_dlt: Counts, target: float) -> pd.DataFrame:
    """Estimates at every level where somebody was treated, each in the row of its own level."""
    present, weight = n > 0, _precision(n, n_dlt)
    shapes = (n_dlt + _PRIOR, n - n_dlt + _PRIOR)
    return pd.DataFrame(
        {
            "level": pd.array(np.arange(1, n.size + 1), dtype="Int64"),
            "n": pd.array(n, dtype="Int64"),
            "n_dlt": pd.array(n_dlt, dtype="Int64"),
            "estimate": _estimates(n, n_dlt, present),
            "ci_low": isotonic(betaincinv(*shapes, 0.025), weight, present),
            "ci_high": isotonic(betaincinv(*shapes, 0.975), weight, present),
            "prob_overdose": isotonic(chance_above(n, n_dlt, target, prior=_PRIOR), None, present),
        }
    )


def _none(n: Counts, n_dlt: Counts, first: int, rule: SelectionRule) -> str:
    """Why no level is selected."""
    if not n.any():
        return "nobody has been treated"
    if first == 1:
        chance = float(chance_above(int(n[0]), int(n_dlt[0]), rule.target))
        cutoff = rule.cutoff
        if rule.lowest_cutoff is not None and chance <= cutoff + STRICT:
            cutoff = rule.lowest_cutoff
        return why_eliminated(n, n_dlt, 1, rule.target, cutoff)
    if not n[: first - 1].any():
        eliminated = why_eliminated(n, n_dlt, first, rule.target, rule.cutoff)
        return f"nobody has been treated at a level that is left; {eliminated}"
    return f"every isotonic estimate is above the bound {rule.highest_rate:.3f}"
