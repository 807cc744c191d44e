"""Bayesian logistic regression with overdose control (BLRM, EWOC).

Here: the design, its posterior table, the next level and the selection. Not here: the quadrature
(stats.blrm).
"""

import functools
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

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
from cart7.stats import blrm as kernel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlrmPosterior:
    """What the data say about the DLT rates.

    Attributes
    ----------
    levels : DataFrame
        One row per level: `level, dose, n, n_dlt, mean, sd` (of the DLT rate), `prob_under, prob_target,
        prob_over`, `admissible` (overdose control).
    recommended_level : int or None
        Admissible level with the greatest probability of the target interval; None when none is admissible.
    estimate : (float, float)
        Posterior means of (a, log b).
    """

    levels: pd.DataFrame = field(repr=False)
    recommended_level: int | None
    estimate: tuple[float, float]


class Blrm(Design):
    """Two-parameter logistic regression on dose with escalation with overdose control.

    Parameters
    ----------
    doses : tuple of float
        Dose per level, increasing.
    ref_dose : float
        Reference dose, in the same unit.
    prior_mean, prior_sd : (a, log b)
        Of the bivariate normal prior.
    prior_rho : float
        Its correlation.
    target : (float, float)
        Target interval of the DLT rate: [low, high).
    ewoc : float
        A level is admissible while P(rate >= high) is under this.

    Notes
    -----
    Conduct: of the admissible levels up to one above the current the one with the greatest probability of the
    target interval; when none is admissible the trial stops.

    References
    ----------
    Neuenschwander B, Branson M, Gsponer T (2008). Stat Med 27:2420-2439. doi:10.1002/sim.3230
    Babb J, Rogatko A, Zacks S (1998). Cancer phase I clinical trials: efficient dose escalation with overdose
    control. Stat Med 17:1103-1120.

    Examples
    --------
    >>> design = Blrm(doses=(0.5, 1.0, 2.0), ref_dose=1.0, prior_mean=(-0.693, 0.0), prior_sd=(2.0, 1.0))
    >>> found = design.posterior((3, 3, 3), (0, 0, 0))
    >>> found.recommended_level, f"{found.levels['prob_over'].iloc[2]:.4f}"
    (3, '0.0598')
    """

    doses: tuple[float, ...] = Field(min_length=1)
    ref_dose: float = Field(gt=0)
    prior_mean: tuple[float, float]
    prior_sd: tuple[float, float]
    prior_rho: float = Field(default=0.0, gt=-1, lt=1)
    target: tuple[float, float] = (0.16, 0.33)
    ewoc: float = Field(default=0.25, gt=0, le=1)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        doses = np.array(self.doses)
        if not (doses > 0).all() or (np.diff(doses) <= 0).any():
            raise ValueError(f"doses must be above 0 and increase, got {self.doses}")
        if not (self.prior_sd[0] > 0 and self.prior_sd[1] > 0):
            raise ValueError(f"prior_sd must be above 0, got {self.prior_sd}")
        if not 0 < self.target[0] < self.target[1] < 1:
            raise ValueError(f"target must be 0 < low < high < 1, got {self.target}")
        return self

    def check_levels(self, n_levels: int) -> None:
        """ValueError unless there are that many doses."""
        if n_levels != len(self.doses):
            raise ValueError(f"there are {len(self.doses)} doses, got {n_levels} levels")

    def posterior(self, n: ArrayLike, n_dlt: ArrayLike) -> BlrmPosterior:
        """Posterior from counts per level.

        Parameters
        ----------
        n, n_dlt : sequence of int
            Subjects and DLTs per level.

        Returns
        -------
        BlrmPosterior

        Raises
        ------
        ValueError
            For impossible counts.
        """
        counts, toxic = checked_counts(n, n_dlt)
        self.check_levels(counts.size)
        fit = _fit(self, tuple(counts.tolist()), tuple(toxic.tolist()))
        admissible = fit.over < self.ewoc
        table = pd.DataFrame(
            {
                "level": pd.array(np.arange(1, counts.size + 1), dtype="Int64"),
                "dose": self.doses,
                "n": counts,
                "n_dlt": toxic,
                "mean": fit.mean,
                "sd": fit.sd,
                "prob_under": fit.under,
                "prob_target": fit.target,
                "prob_over": fit.over,
                "admissible": admissible,
            }
        )
        level = _best(fit, admissible)
        return BlrmPosterior(levels=table, recommended_level=level or None, estimate=(fit.a, fit.log_b))

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
            The last cohort; checked, the decision follows from all counts.

        Returns
        -------
        Decision
        """
        counts, toxic = checked_counts(n, n_dlt, current)
        self.check_levels(counts.size)
        checked_cohort(cohort, counts, toxic, current)
        fit = _fit(self, tuple(counts.tolist()), tuple(toxic.tolist()))
        admissible = fit.over < self.ewoc
        out = tuple(int(level) + 1 for level in np.flatnonzero(~admissible))
        level = _reachable(self, tuple(counts.tolist()), tuple(toxic.tolist()), current)
        if not level:
            lowest = float(fit.over[: current + 1].min())
            why = (
                f"no level up to {min(current + 1, counts.size)} is admissible: the probability of a DLT "
                f"rate of {self.target[1]:g} or more is at least {lowest:.3f}, limit {self.ewoc:g}"
            )
            return Decision(action="stop", level=None, reason=why, eliminated=out)
        why = (
            f"level {level}: probability {fit.target[level - 1]:.3f} of a DLT rate in [{self.target[0]:g}, "
            f"{self.target[1]:g}), the greatest of the admissible levels up to "
            f"{min(current + 1, counts.size)}; {fit.over[level - 1]:.3f} of {self.target[1]:g} or more, "
            f"limit {self.ewoc:g}"
        )
        action: Literal["escalate", "stay", "de-escalate"] = "stay"
        if level != current:
            action = "escalate" if level > current else "de-escalate"
        return Decision(action=action, level=level, reason=why, eliminated=out)

    def select_mtd(self, n: ArrayLike, n_dlt: ArrayLike) -> MtdSelection:
        """The admissible tried level with the greatest probability of the target interval."""
        counts, toxic = checked_counts(n, n_dlt)
        found = self.posterior(counts, toxic)
        table = found.levels
        level = _selected(self, tuple(counts.tolist()), tuple(toxic.tolist()))
        estimates = pd.DataFrame(
            {"level": table["level"], "n": counts, "n_dlt": toxic, "estimate": table["mean"],
             "ci_low": np.nan, "ci_high": np.nan, "prob_overdose": table["prob_over"]}
        )  # fmt: skip
        if not level:
            why = f"no tried level is admissible: overdose probability at or above {self.ewoc:g} at each"
            return MtdSelection(level=None, reason=why, estimates=estimates)
        chance = float(table["prob_target"].iloc[level - 1])
        why = f"probability {chance:.3f} of the target interval, the greatest of the admissible tried levels"
        return MtdSelection(level=level, reason=why, estimates=estimates)

    def steps(
        self, n: Counts, n_dlt: Counts, current: Counts, *, last_n: Counts, last_dlt: Counts, **more: Counts
    ) -> Steps:
        """Decisions of many trials; see `Design.steps`."""
        first, place = distinct_rows(np.concatenate([n, n_dlt, current[:, None]], axis=1))
        wanted = [
            _reachable(self, tuple(a), tuple(b), c)
            for a, b, c in zip(n[first].tolist(), n_dlt[first].tolist(), current[first].tolist(), strict=True)
        ]
        level = np.array(wanted, dtype=np.int64)[place]
        stop = level == 0
        return Steps(level=np.where(stop, current, level), stop=stop, recommended=np.zeros_like(level))

    def selections(self, n: Counts, n_dlt: Counts, **more: Counts) -> Counts:
        """Selections of many trials, each distinct set of counts fitted once."""
        first, place = distinct_rows(np.concatenate([n, n_dlt], axis=1))
        chosen = [
            _selected(self, tuple(a), tuple(b))
            for a, b in zip(n[first].tolist(), n_dlt[first].tolist(), strict=True)
        ]
        return np.array(chosen, dtype=np.int64)[place]


def _best(fit: kernel.BlrmFit, allowed: np.ndarray) -> int:
    """Allowed level with the greatest probability of the target interval, the lower on ties; 0 for none."""
    return int(np.argmax(np.where(allowed, fit.target, -1.0))) + 1 if allowed.any() else 0


@functools.lru_cache(maxsize=50_000)
def _fit(design: Blrm, n: tuple[int, ...], n_dlt: tuple[int, ...]) -> kernel.BlrmFit:
    return kernel.posterior(
        np.log(np.array(design.doses) / design.ref_dose), np.array(n, dtype=float),
        np.array(n_dlt, dtype=float), prior_mean=design.prior_mean, prior_sd=design.prior_sd,
        prior_rho=design.prior_rho, interval=design.target,
    )  # fmt: skip


def _reachable(design: Blrm, n: tuple[int, ...], n_dlt: tuple[int, ...], current: int) -> int:
    fit = _fit(design, n, n_dlt)
    return _best(fit, (fit.over < design.ewoc) & (np.arange(len(n)) <= current))


def _selected(design: Blrm, n: tuple[int, ...], n_dlt: tuple[int, ...]) -> int:
    fit = _fit(design, n, n_dlt)
    return _best(fit, (fit.over < design.ewoc) & (np.array(n) > 0))
