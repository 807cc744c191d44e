"""Continual reassessment: one parameter on a skeleton, also with subjects still at risk (TITE-CRM).

Here: the design, its posterior table, the next level and the selection. Not here: the quadrature (stats.crm).
"""

import functools
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator
from scipy.special import logit, ndtri

from cart7.designs.base import (
    Counts,
    Decision,
    Design,
    MtdSelection,
    Steps,
    checked_cohort,
    checked_counts,
    distinct_rows,
)
from cart7.stats import crm as kernel

Floats = NDArray[np.float64]
_LIMITS = 0.90


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrmPosterior:
    """What the data say about the DLT rates.

    Attributes
    ----------
    levels : DataFrame
        One row per level: `level, n, n_dlt, skeleton, ptox` (rate at the estimated parameter), `ptox_mean`
        (posterior mean of the rate), `ptox_low, ptox_high` (90 % limits).
    recommended_level : int
        Level whose `ptox` is nearest to the target.
    estimate, variance : float
        Of the parameter.
    """

    levels: pd.DataFrame = field(repr=False)
    recommended_level: int
    estimate: float
    variance: float


class Crm(Design):
    """Continual reassessment method, also for subjects still at risk.

    Parameters
    ----------
    skeleton : tuple of float
        Prior DLT rate per level, increasing (`indifference_skeleton`).
    target : float
        Target DLT rate.
    model : {"empiric", "logistic"}
        skeleton^exp(b), or a logistic line with fixed intercept.
    method : {"bayes", "mle"}
    scale : float
        Prior SD of b.
    intercept : float
        Of the logistic model.

    Notes
    -----
    Conduct: no level is skipped on the way up, and after a cohort with a DLT rate at or above the target the
    level does not rise. The final selection is not restricted.

    References
    ----------
    O'Quigley J, Pepe M, Fisher L (1990). Biometrics 46:33-48. doi:10.2307/2531628
    Goodman SN, Zahurak ML, Piantadosi S (1995). Some practical improvements in the continual reassessment
    method. Stat Med 14:1149-1161. doi:10.1002/sim.4780141102

    Examples
    --------
    >>> design = Crm(skeleton=(0.1, 0.2, 0.3), target=0.3)
    >>> design.next_level((3, 0, 0), (0, 0, 0), 1, cohort=(3, 0)).level
    2
    """

    skeleton: tuple[float, ...] = Field(min_length=1)
    target: float = Field(gt=0, lt=1)
    model: Literal["empiric", "logistic"] = "empiric"
    method: Literal["bayes", "mle"] = "bayes"
    scale: float = Field(default=1.34**0.5, gt=0)
    intercept: float = 3.0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        rates = np.array(self.skeleton)
        if not ((rates > 0) & (rates < 1)).all() or (np.diff(rates) <= 0).any():
            raise ValueError(f"skeleton must increase within (0, 1), got {self.skeleton}")
        if self.model == "logistic" and (logit(rates) >= self.intercept).any():
            raise ValueError(
                f"intercept {self.intercept} is too small: it must exceed the logit of every skeleton rate "
                f"({float(logit(rates.max())):.3g})"
            )
        return self

    def check_levels(self, n_levels: int) -> None:
        """ValueError unless the skeleton has that many levels."""
        if n_levels != len(self.skeleton):
            raise ValueError(f"the skeleton has {len(self.skeleton)} levels, got {n_levels}")

    def posterior(
        self,
        n: ArrayLike | None = None,
        n_dlt: ArrayLike | None = None,
        *,
        level: ArrayLike | None = None,
        dlt: ArrayLike | None = None,
        weight: ArrayLike | None = None,
    ) -> CrmPosterior:
        """Posterior from counts, or from subjects of whom some are still at risk.

        Parameters
        ----------
        n, n_dlt : sequence of int
            Subjects and DLTs per level.
        level, dlt : sequence of int
            Instead, per subject: level (from 1), and 0 or 1.
        weight : sequence of float, optional
            Part of the DLT window each subject was followed, 0 to 1; a DLT counts whole. 1 by default.

        Returns
        -------
        CrmPosterior

        Raises
        ------
        ValueError
            For impossible input, or when maximum likelihood does not exist.
        """
        data = self._data(n, n_dlt, level, dlt, weight)
        fit = self._fit(data)
        shown = self._shown(fit.rate[0], float(fit.estimate[0]), float(fit.variance[0]))
        numbers = pd.array(np.arange(1, len(self.skeleton) + 1), dtype="Int64")
        table = pd.DataFrame(
            {"level": numbers, "n": data.n.astype(int), "n_dlt": data.n_dlt.astype(int),
             "skeleton": self.skeleton, "ptox": fit.rate[0], "ptox_mean": fit.rate_mean[0], **shown}
        )  # fmt: skip
        return CrmPosterior(
            levels=table,
            recommended_level=int(self._nearest(fit.rate)[0]),
            estimate=float(fit.estimate[0]),
            variance=float(fit.variance[0]),
        )

    def next_level(
        self, n: ArrayLike, n_dlt: ArrayLike, current: int, *, cohort: tuple[int, int] | None = None
    ) -> Decision:
        """Level of the next cohort.

        Parameters
        ----------
        n, n_dlt : sequence of int
            Subjects and DLTs per level.
        current : int
            Level of the last cohort.
        cohort : (int, int), optional
            Subjects and DLTs of the last cohort; by default all at the current level.

        Returns
        -------
        Decision
        """
        counts, toxic = checked_counts(n, n_dlt, current)
        self.check_levels(counts.size)
        last_n, last_dlt = checked_cohort(cohort, counts, toxic, current)
        fit = self._fit(_Data(n=counts.astype(float), n_dlt=toxic.astype(float)))
        wanted = int(self._nearest(fit.rate)[0])
        level = int(self._restricted(np.array([wanted]), np.array([current]), last_n, last_dlt)[0])
        estimate = fit.rate[0][wanted - 1]
        why = f"estimated DLT rate of level {wanted} is {estimate:.3f}, nearest to the target {self.target:g}"
        if level != wanted and wanted > current and level == current:
            why += (
                f"; {last_dlt} of {last_n} with DLT in the last cohort, at or above the target: no escalation"
            )
        elif level != wanted:
            why += "; no level is skipped"
        return Decision(action=_action(level, current), level=level, reason=why)

    def select_mtd(self, n: ArrayLike, n_dlt: ArrayLike) -> MtdSelection:
        """The level whose estimated rate is nearest to the target, from all data."""
        found = self.posterior(n, n_dlt)
        table = found.levels
        estimates = pd.DataFrame(
            {"level": table["level"], "n": table["n"], "n_dlt": table["n_dlt"], "estimate": table["ptox"],
             "ci_low": table["ptox_low"], "ci_high": table["ptox_high"], "prob_overdose": np.nan}
        )  # fmt: skip
        level = found.recommended_level
        rate = float(table["ptox"].iloc[level - 1])
        return MtdSelection(
            level=level, reason=f"estimated DLT rate {rate:.3f}, nearest to the target {self.target:g}",
            estimates=estimates,
        )  # fmt: skip

    def steps(
        self, n: Counts, n_dlt: Counts, current: Counts, *, last_n: Counts, last_dlt: Counts, **more: Counts
    ) -> Steps:
        """Decisions of many trials; see `Design.steps`."""
        level = self._restricted(self.selections(n, n_dlt), current, last_n, last_dlt)
        stop = np.zeros(len(level), dtype=bool)
        return Steps(level=level, stop=stop, recommended=level)

    def selections(self, n: Counts, n_dlt: Counts, **more: Counts) -> Counts:
        """Selections of many trials, each distinct set of counts fitted once."""
        first, place = distinct_rows(np.concatenate([n, n_dlt], axis=1))
        pairs = zip(n[first].tolist(), n_dlt[first].tolist(), strict=True)
        levels = [_level_of(self, tuple(a), tuple(b)) for a, b in pairs]
        return np.array(levels, dtype=np.int64)[place]

    def _restricted(self, wanted: Counts, current: Counts, last_n: Any, last_dlt: Any) -> Counts:
        """No level is skipped, and none gained after a cohort at or above the target."""
        level = np.minimum(wanted, current + 1)
        toxic = np.asarray(last_dlt) >= self.target * np.asarray(last_n)
        return np.where(toxic, np.minimum(level, current), level)

    def _nearest(self, rate: Floats) -> Counts:
        """Level whose rate is nearest to the target, the lower one on ties."""
        return np.asarray(np.argmin(np.abs(rate - self.target), axis=1) + 1, dtype=np.int64)

    def _fit(self, data: "_Data") -> kernel.CrmFit:
        given: dict[str, Any] = {"model": self.model, "intercept": self.intercept}
        given |= {"late_level": data.late_level, "late_weight": data.late_weight}
        skeleton = np.array(self.skeleton)
        if self.method == "mle":
            return kernel.maximum_likelihood(skeleton, data.n, data.n_dlt, **given)
        return kernel.posterior(skeleton, data.n, data.n_dlt, scale=self.scale, **given)

    def _shown(self, rate: Floats, estimate: float, variance: float) -> dict[str, Floats]:
        """Limits of the rates: those of the parameter, carried through the model."""
        width = float(ndtri((1 + _LIMITS) / 2)) * np.sqrt(variance)
        ends = kernel.rates(
            np.array([estimate - width, estimate + width]), np.array(self.skeleton), model=self.model,
            intercept=self.intercept,
        )  # fmt: skip
        return {"ptox_low": ends.min(axis=0), "ptox_high": ends.max(axis=0)}

    def _data(self, n: Any, n_dlt: Any, level: Any, dlt: Any, weight: Any) -> "_Data":
        size = len(self.skeleton)
        if n is not None and n_dlt is not None and level is None and dlt is None:
            counts, toxic = checked_counts(n, n_dlt)
            self.check_levels(counts.size)
            return _Data(n=counts.astype(float), n_dlt=toxic.astype(float))
        if level is None or dlt is None or n is not None or n_dlt is not None:
            raise ValueError("give n and n_dlt per level, or level and dlt per subject")
        where, event = np.asarray(level, dtype=float), np.asarray(dlt, dtype=float)
        part = np.ones(where.shape) if weight is None else np.asarray(weight, dtype=float)
        if not where.shape == event.shape == part.shape or where.ndim != 1:
            raise ValueError("level, dlt and weight must have one entry per subject")
        if not np.isin(where, np.arange(1, size + 1)).all():
            raise ValueError(f"level must be from 1 to {size}, got {where.tolist()}")
        if not np.isin(event, (0, 1)).all():
            raise ValueError(f"dlt must be 0 or 1, got {event.tolist()}")
        if not ((part >= 0) & (part <= 1)).all():
            raise ValueError(f"weight must be from 0 to 1, got {part.tolist()}")
        at = where.astype(np.intp) - 1
        whole = (event == 1) | (part == 1)
        return _Data(
            n=np.bincount(at[whole], minlength=size).astype(float),
            n_dlt=np.bincount(at[whole], weights=event[whole], minlength=size).astype(float),
            late_level=at[~whole],
            late_weight=part[~whole],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Data:
    """Counts per level of subjects who count whole, and the subjects still at risk."""

    n: Floats
    n_dlt: Floats
    late_level: NDArray[np.intp] | None = None
    late_weight: Floats | None = None


def _action(level: int, current: int) -> Literal["escalate", "stay", "de-escalate"]:
    return "escalate" if level > current else "stay" if level == current else "de-escalate"


@functools.lru_cache(maxsize=200_000)
def _level_of(design: Crm, n: tuple[int, ...], n_dlt: tuple[int, ...]) -> int:
    data = _Data(n=np.array(n, dtype=float), n_dlt=np.array(n_dlt, dtype=float))
    return int(design._nearest(design._fit(data).rate)[0])
