"""Designs that weigh response against toxicity by the utility of what happens to a subject: BOIN12, U-BOIN.

Here: the posterior of the utility, admissible levels, the rank-based desirability table and the next level of
BOIN12. Not here: EffTox (`efftox`), interval designs without response.

What happens to a subject is one of four: response without DLT, neither, both, DLT without response, in this
order everywhere.
"""

import functools
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator
from scipy.special import betainc, betaincc, betaincinv

from cart7.designs.base import (
    BY_SELECTION,
    Counts,
    Decision,
    Design,
    MtdSelection,
    Steps,
    checked_counts,
    distinct_rows,
    whole_counts,
)
from cart7.stats.isotonic import isotonic
from cart7.stats.utilities import dirichlet_utility_limits

Floats = NDArray[np.float64]

MANY = 8
"""A level with more subjects and a rate under the boundary makes the untried level above the next."""
_TAIL = 0.025


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UtilityPosterior:
    """What the data say about the utility of each level.

    Attributes
    ----------
    levels : DataFrame
        One row per level: `level, n, n_dlt, n_eff, utility_mean, utility_low, utility_high` (0 to 100, 95 %
        limits), `prob_dlt_exceeds, prob_response_below`, `admissible`; BOIN12 also `pds`, the probability
        that the utility exceeds the benchmark.
    recommended_level : int or None
        Tried admissible level with the greatest mean utility, the lower one on ties; None when there is none.
    """

    levels: pd.DataFrame = field(repr=False)
    recommended_level: int | None


class _UtilityDesign(Design):
    """What BOIN12 and U-BOIN share: limits of toxicity and response, utilities of the four outcomes."""

    uses_response: ClassVar[bool] = True

    phi_t: float = Field(gt=0, lt=1)
    phi_e: float = Field(gt=0, lt=1)
    utilities: tuple[float, float, float, float] = (100.0, 40.0, 60.0, 0.0)
    c_t: float = Field(default=0.95, gt=0, lt=1)
    c_e: float = Field(default=0.90, gt=0, lt=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        best, neither, both, worst = self.utilities
        if best != 100 or worst < 0 or not (worst <= neither <= 100 and worst <= both <= 100):
            raise ValueError(
                "utilities must be (100, neither, both, worst) with the others between worst >= 0 and 100, "
                f"got {self.utilities}"
            )
        return self

    def _chances(self, n: Floats, n_dlt: Floats, n_eff: Floats) -> tuple[Any, Any, Any]:
        """P(DLT rate above phi_t), P(response rate under phi_e), and whether both are tolerable."""
        toxic = betaincc(1 + n_dlt, 1 + n - n_dlt, self.phi_t)
        futile = betainc(1 + n_eff, 1 + n - n_eff, self.phi_e)
        return toxic, futile, (toxic < self.c_t) & (futile < self.c_e)

    def _posterior(self, counts: ArrayLike, utility: Any, more: Any) -> UtilityPosterior:
        table = joint_counts(counts)
        n = table.sum(axis=1)
        n_dlt, n_eff = table[:, 2] + table[:, 3], table[:, 0] + table[:, 2]
        mean, low, high = utility(table)
        toxic, futile, admissible = self._chances(n, n_dlt, n_eff)
        frame = pd.DataFrame(
            {
                "level": pd.array(np.arange(1, len(n) + 1), dtype="Int64"),
                "n": n.astype(int),
                "n_dlt": n_dlt.astype(int),
                "n_eff": n_eff.astype(int),
                "utility_mean": mean,
                "utility_low": low,
                "utility_high": high,
                "prob_dlt_exceeds": toxic,
                "prob_response_below": futile,
                "admissible": admissible,
                **more(table),
            }
        )
        allowed = admissible & (n > 0)
        level = int(np.argmax(np.where(allowed, mean, -1.0))) + 1 if allowed.any() else None
        return UtilityPosterior(levels=frame, recommended_level=level)


class Boin12(_UtilityDesign):
    """BOIN12: the next level is the one whose utility most probably exceeds a benchmark.

    Parameters
    ----------
    phi_t, phi_e : float
        Highest tolerable DLT rate, lowest acceptable response rate.
    utilities : (100, neither, both, worst)
        Utility of response without DLT, neither, both, DLT without response.
    c_t, c_e : float
        A level is admissible while P(DLT rate > phi_t) < c_t and P(response rate < phi_e) < c_e.
    n_star : int
        From this many subjects on a level between the boundaries does not lead higher.

    Notes
    -----
    The boundaries of the DLT rate are those of BOIN at phi_t. An inadmissible level is never assigned.

    References
    ----------
    Lin R, Zhou Y, Yan F, Li D, Yuan Y (2020). BOIN12: Bayesian optimal interval phase I/II trial design for
    utility-based dose finding in immunotherapy and targeted therapies. JCO Precis Oncol 4:1393-1402.
    doi:10.1200/PO.20.00257

    Examples
    --------
    >>> design = Boin12(phi_t=0.35, phi_e=0.25)
    >>> design.lower_bound, design.benchmark
    (41.0, 70.5)
    >>> design.next_level((3, 0, 0), (0, 0, 0), 1, n_eff=(1, 0, 0)).level
    2
    """

    n_star: int = Field(default=6, ge=1)

    @property
    def lower_bound(self) -> float:
        """Utility of a level at the limits of toxicity and response, 0 to 100."""
        best, neither, both, worst = self.utilities
        t, e = self.phi_t, self.phi_e
        return best * e * (1 - t) + neither * (1 - t) * (1 - e) + both * t * e + worst * t * (1 - e)

    @property
    def benchmark(self) -> float:
        """Half way from the lower bound to the best, 0 to 100."""
        return self.lower_bound + (100 - self.lower_bound) / 2

    def posterior(self, counts: ArrayLike) -> UtilityPosterior:
        """Posterior from joint counts.

        Parameters
        ----------
        counts : array_like, levels x 4
            Subjects with response without DLT, neither, both, DLT without response.

        Returns
        -------
        UtilityPosterior
        """

        def limits(table: Floats) -> tuple[Any, Any, Any]:
            a, b = self._shapes(table)
            ends = [100 * betaincinv(a, b, tail) for tail in (_TAIL, 1 - _TAIL)]
            return 100 * a / (a + b), ends[0], ends[1]

        return self._posterior(counts, limits, lambda table: {"pds": self._pds(*self._shapes(table))})

    def rds_table(self, sizes: tuple[int, ...] = (0, 3, 6, 9, 12)) -> pd.DataFrame:
        """Rank-based desirability of every outcome of a level with these numbers of subjects.

        Parameters
        ----------
        sizes : tuple of int
            Numbers of subjects; the ranks depend on this set.

        Returns
        -------
        DataFrame
            `n, n_dlt, n_eff, admissible, pds, rds`; higher is better, ties share their mean rank; missing
            when not admissible.

        Raises
        ------
        ValueError
            When the utilities are not additive: then the two totals do not say enough.
        """
        wanted = sorted({int(size) for size in whole_counts("sizes", sizes)})
        cells = [(n, t, e) for n in wanted for t in range(n + 1) for e in range(n + 1)]
        n, dlt, eff = np.array(cells, dtype=float).T
        _, _, admissible = self._chances(n, dlt, eff)
        pds = np.where(admissible, self._pds(*self._from_totals(n, dlt, eff)), np.nan)
        return pd.DataFrame(
            {"n": n.astype(int), "n_dlt": dlt.astype(int), "n_eff": eff.astype(int),
             "admissible": admissible, "pds": pds, "rds": _ranks(pds)}
        )  # fmt: skip

    def next_level(self, n: ArrayLike, n_dlt: ArrayLike, current: int, *, n_eff: ArrayLike) -> Decision:
        """Level of the next cohort.

        Parameters
        ----------
        n, n_dlt, n_eff : sequence of int
            Subjects, DLTs and responses per level.
        current : int
            Level of the last cohort.

        Returns
        -------
        Decision
        """
        counts, toxic = checked_counts(n, n_dlt, current)
        response = whole_counts("n_eff", n_eff)
        if response.shape != counts.shape or (response > counts).any():
            raise ValueError(f"n_eff must be at most n at every level, got {response.tolist()}")
        if not counts[current - 1]:
            raise ValueError(f"nobody was treated at the current level {current}")
        level = _boin12_level(self, *(tuple(each.tolist()) for each in (counts, toxic, response)), current)
        out = tuple(int(at) + 1 for at in np.flatnonzero(~self._usable(counts, toxic, response)))
        rate = toxic[current - 1] / counts[current - 1]
        said = f"{int(toxic[current - 1])} of {int(counts[current - 1])} with DLT ({rate:.2f})"
        if not level:
            why = f"{said}; no level within reach is admissible"
            return Decision(action="stop", level=None, reason=why, eliminated=out)
        pds = self._pds(*self._from_totals(*(each.astype(float) for each in (counts, toxic, response))))
        chance = f"{pds[level - 1]:.3f} of a utility above {self.benchmark:g}"
        why = f"{said}; level {level} has probability {chance}"
        action: Literal["escalate", "stay", "de-escalate"] = "stay"
        if level != current:
            action = "escalate" if level > current else "de-escalate"
        return Decision(action=action, level=level, reason=why, eliminated=out)

    def select_mtd(self, n: ArrayLike, n_dlt: ArrayLike, *, n_eff: ArrayLike) -> MtdSelection:
        """The optimal biological level: of the tried admissible ones the greatest mean utility.

        Levels above the one whose isotonic DLT rate is nearest to phi_t do not count.
        """
        counts, toxic = checked_counts(n, n_dlt)
        response = whole_counts("n_eff", n_eff)
        level = _boin12_selected(self, *(tuple(each.tolist()) for each in (counts, toxic, response)))
        a, b = self._from_totals(*(each.astype(float) for each in (counts, toxic, response)))
        utility = 100 * a / (a + b)
        frame = pd.DataFrame(
            {"level": pd.array(np.arange(1, counts.size + 1), dtype="Int64"), "n": counts, "n_dlt": toxic,
             "n_eff": response, "estimate": np.where(counts > 0, utility, np.nan)}
        )  # fmt: skip
        if not level:
            return MtdSelection(level=None, reason="no tried level is admissible", estimates=frame)
        why = f"mean utility {utility[level - 1]:.1f}, the greatest of the tried admissible levels"
        return MtdSelection(level=level, reason=why, estimates=frame)

    def steps(
        self, n: Counts, n_dlt: Counts, current: Counts, *, last_n: Counts, last_dlt: Counts, **more: Counts
    ) -> Steps:
        """Decisions of many trials; see `Design.steps`."""
        n_eff = more["n_eff"]
        first, place = distinct_rows(np.concatenate([n, n_dlt, n_eff, current[:, None]], axis=1))
        tables = [part[first].tolist() for part in (n, n_dlt, n_eff)]
        wanted = [
            _boin12_level(self, tuple(a), tuple(b), tuple(c), at)
            for a, b, c, at in zip(*tables, current[first].tolist(), strict=True)
        ]
        level = np.array(wanted, dtype=np.int64)[place]
        stop = level == 0
        return Steps(
            level=np.where(stop, current, level), stop=stop, recommended=np.full(len(level), BY_SELECTION)
        )

    def selections(self, n: Counts, n_dlt: Counts, **more: Counts) -> Counts:
        """Selections of many trials."""
        tables = [part.tolist() for part in (n, n_dlt, more["n_eff"])]
        chosen = [
            _boin12_selected(self, tuple(a), tuple(b), tuple(c)) for a, b, c in zip(*tables, strict=True)
        ]
        return np.array(chosen, dtype=np.int64)

    def _shapes(self, table: Floats) -> tuple[Any, Any]:
        """Shapes of the quasi-binomial posterior of the utility, from joint counts."""
        gained = table @ np.array(self.utilities) / 100
        return 1 + gained, 1 + table.sum(axis=1) - gained

    def _from_totals(self, n: Floats, n_dlt: Floats, n_eff: Floats) -> tuple[Any, Any]:
        """The same from the totals of DLTs and responses, which is enough when utilities are additive."""
        best, neither, both, worst = self.utilities
        if abs(best + worst - neither - both) > 1e-9:
            raise ValueError(
                "with utilities that are not additive (neither + both = 100 + worst) the totals of DLTs and "
                "responses do not give the utility: use posterior with joint counts"
            )
        gained = (worst * n + (neither - worst) * (n - n_dlt) + (both - worst) * n_eff) / 100
        return 1 + gained, 1 + n - gained

    def _pds(self, a: Any, b: Any) -> Any:
        return betaincc(a, b, self.benchmark / 100)

    def _usable(self, n: Counts, n_dlt: Counts, n_eff: Counts) -> Any:
        """Admissible levels; a level that is too toxic takes those above with it."""
        toxic, futile, _ = self._chances(n.astype(float), n_dlt.astype(float), n_eff.astype(float))
        too_toxic = np.logical_or.accumulate(toxic >= self.c_t)
        return ~too_toxic & (futile < self.c_e)


class UBoin(_UtilityDesign):
    """U-BOIN: utilities with a Dirichlet posterior of the four outcomes.

    Parameters
    ----------
    phi_t, phi_e, utilities, c_t, c_e
        As in `Boin12`.
    prior : float
        Parameter of each outcome in the Dirichlet prior.

    References
    ----------
    Zhou Y, Lee JJ, Yuan Y (2019). A utility-based Bayesian optimal interval (U-BOIN) phase I/II design. Stat
    Med 38:5299-5316. doi:10.1002/sim.8361

    Examples
    --------
    >>> found = UBoin(phi_t=0.25, phi_e=0.4, utilities=(100, 50, 50, 0)).posterior([(3, 3, 0, 0)])
    >>> f"{found.levels['utility_mean'].iloc[0]:.2f}"
    '71.43'
    """

    prior: float = Field(default=0.25, gt=0)

    def posterior(self, counts: ArrayLike) -> UtilityPosterior:
        """Posterior from joint counts.

        Parameters
        ----------
        counts : array_like, levels x 4
            Subjects with response without DLT, neither, both, DLT without response.

        Returns
        -------
        UtilityPosterior
        """
        worth = np.array(self.utilities)

        def limits(table: Floats) -> tuple[Any, Any, Any]:
            shape = table + self.prior
            low, high = dirichlet_utility_limits(shape, worth, _TAIL)
            return shape @ worth / shape.sum(axis=1), low, high

        return self._posterior(counts, limits, lambda table: {})


def joint_counts(counts: ArrayLike) -> Floats:
    """Levels x 4 counts; ValueError when they cannot be."""
    table = np.atleast_2d(np.asarray(counts, dtype=np.float64))
    if table.ndim != 2 or table.shape[1] != 4 or not len(table):
        raise ValueError(
            "counts must be levels x 4: response without DLT, neither, both, DLT without response; got shape "
            f"{table.shape}"
        )
    if not (np.isfinite(table).all() and (table >= 0).all() and (table == np.round(table)).all()):
        raise ValueError(f"counts must be whole numbers from 0, got {table.tolist()}")
    return table


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties by their mean; missing stays missing."""
    ranks: Floats = pd.Series(values).round(12).rank(method="average").to_numpy(dtype=float)
    return ranks


@functools.lru_cache(maxsize=200_000)
def _boin12_level(
    design: Boin12, n: tuple[int, ...], n_dlt: tuple[int, ...], n_eff: tuple[int, ...], current: int
) -> int:
    """Next level of BOIN12, 0 for none."""
    counts, toxic, response = np.array(n), np.array(n_dlt), np.array(n_eff)
    usable = design._usable(counts, toxic, response)
    at = current - 1
    rate = toxic[at] / counts[at]
    low, high = _boundaries(design.phi_t)
    top = at == len(n) - 1
    if counts[at] > MANY and rate < high and not top and counts[at + 1] == 0 and usable[at + 1]:
        return current + 1
    reach = np.zeros(len(n), dtype=bool)
    if rate >= high:
        # The level below; the lowest stays. Nothing below that may be used: the current one, if it may.
        reach[max(at - 1, 0)] = True
        if not (reach & usable).any():
            reach[: at + 1] = True
    elif rate > low and counts[at] >= design.n_star:
        reach[max(at - 1, 0) : at + 1] = True
    else:
        reach[max(at - 1, 0) : at + 2] = True
    pds = design._pds(*design._from_totals(*(each.astype(float) for each in (counts, toxic, response))))
    between = low < rate < high and counts[at] >= design.n_star
    return _best_of(pds, reach & usable, high=not between) or _best_of(
        pds, usable & (np.arange(len(n)) <= at), high=False
    )


def _best_of(pds: Floats, allowed: Any, *, high: bool) -> int:
    """Allowed level with the greatest desirability; the highest or the lowest on ties; 0 for none."""
    if not allowed.any():
        return 0
    score = np.where(allowed, np.round(pds, 12), -1.0)
    best = np.flatnonzero(score == score.max())
    return int(best[-1] if high else best[0]) + 1


@functools.lru_cache(maxsize=64)
def _boundaries(target: float) -> tuple[float, float]:
    """Escalation and de-escalation boundaries of BOIN."""
    low, high = 0.6 * target, 1.4 * target
    up = np.log((1 - low) / (1 - target)) / np.log(target * (1 - low) / (low * (1 - target)))
    down = np.log((1 - target) / (1 - high)) / np.log(high * (1 - target) / (target * (1 - high)))
    return float(up), float(down)


@functools.lru_cache(maxsize=200_000)
def _boin12_selected(
    design: Boin12, n: tuple[int, ...], n_dlt: tuple[int, ...], n_eff: tuple[int, ...]
) -> int:
    """Optimal biological level, 0 for none."""
    counts, toxic, response = np.array(n, dtype=float), np.array(n_dlt, dtype=float), np.array(n_eff, float)
    usable = design._usable(np.array(n), np.array(n_dlt), np.array(n_eff)) & (counts > 0)
    if not usable.any():
        return 0
    tried = np.flatnonzero(counts > 0)
    size, events = counts[tried], toxic[tried]
    rate = (events + 0.05) / (size + 0.1)
    weight = 1 / ((events + 0.05) * (size - events + 0.05) / ((size + 0.1) ** 2 * (size + 1.1)))
    smooth = isotonic(rate, weight) + 1e-10 * np.arange(1, len(tried) + 1)
    mtd = tried[int(np.argmin(np.abs(smooth - design.phi_t)))]
    a, b = design._from_totals(counts, toxic, response)
    allowed = usable & (np.arange(len(n)) <= mtd)
    return _best_of(a / (a + b), allowed, high=False)
