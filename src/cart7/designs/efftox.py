"""EffTox: the level with the best trade-off between response and toxicity along a contour.

Here: the contour, acceptable levels and the posterior table. Not here: the posterior itself (stats.efftox),
designs that decide by counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import Field, field_validator, model_validator

from cart7.designs.base import Design
from cart7.designs.utilities import joint_counts
from cart7.stats import efftox as kernel

PARAMETERS = ("alpha", "beta", "gamma", "zeta", "eta", "psi")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EffToxPosterior:
    """What the data say about response and toxicity.

    Attributes
    ----------
    levels : DataFrame
        One row per level: `level, dose, prob_eff, prob_eff_mcse, prob_tox, prob_tox_mcse` (posterior means
        with Monte-Carlo standard errors), `prob_acceptable_eff, prob_acceptable_tox`, `utility` (of the
        means), `mean_utility` (posterior mean), `acceptable`.
    recommended_level : int or None
        Acceptable level with the greatest utility of the means; None when none is acceptable.
    ess : float
        Effective number of draws.
    """

    levels: pd.DataFrame = field(repr=False)
    recommended_level: int | None
    ess: float


class EffTox(Design):
    """EffTox design on dose.

    Parameters
    ----------
    doses : tuple of float
        Dose per level, increasing.
    eff0 : float
        Response rate that is as good, without any DLT, as the others on the neutral contour.
    tox1 : float
        DLT rate that is as good, with response in everybody.
    eff_star, tox_star : float
        A third point of the contour.
    efficacy_hurdle, toxicity_hurdle : float
        Least response rate, greatest DLT rate.
    prior : mapping
        Mean and SD of `alpha, beta` (logit DLT rate: intercept, slope on centred log dose), `gamma, zeta,
        eta` (logit response rate: intercept, slope, curvature), `psi` (association).
    p_e, p_t : float
        A level is acceptable while P(response rate > hurdle) > p_e and P(DLT rate < hurdle) > p_t, within one
        level of those tried.

    References
    ----------
    Thall PF, Cook JD (2004). Biometrics 60:684-693. doi:10.1111/j.0006-341X.2004.00218.x
    Thall PF et al. (2014). Effective sample size for computing prior hyperparameters in Bayesian phase I-II
    dose-finding. Clin Trials 11:657-666. doi:10.1177/1740774514547397

    Examples
    --------
    >>> design = EffTox(
    ...     doses=(1.0, 2.0, 4.0), eff0=0.5, tox1=0.65, eff_star=0.7, tox_star=0.25, efficacy_hurdle=0.5,
    ...     toxicity_hurdle=0.3, prior={"alpha": (-7.96, 3.55), "beta": (1.55, 3.50), "gamma": (0.74, 2.54),
    ...                                 "zeta": (3.42, 2.44), "eta": (0.0, 0.2), "psi": (0.0, 1.0)})
    >>> f"{design.exponent:.3f}"
    '0.977'
    """

    doses: tuple[float, ...] = Field(min_length=1)
    eff0: float = Field(gt=0, lt=1)
    tox1: float = Field(gt=0, lt=1)
    eff_star: float = Field(gt=0, lt=1)
    tox_star: float = Field(gt=0, lt=1)
    efficacy_hurdle: float = Field(gt=0, lt=1)
    toxicity_hurdle: float = Field(gt=0, lt=1)
    prior: Mapping[str, tuple[float, float]]
    p_e: float = Field(default=0.1, ge=0, lt=1)
    p_t: float = Field(default=0.1, ge=0, lt=1)

    @field_validator("prior")
    @classmethod
    def _six(cls, prior: Mapping[str, tuple[float, float]]) -> Mapping[str, tuple[float, float]]:
        if set(prior) != set(PARAMETERS):
            raise ValueError(f"prior must give {', '.join(PARAMETERS)}, got {', '.join(sorted(prior))}")
        if not all(sd > 0 for _, sd in prior.values()):
            raise ValueError("every prior SD must be above 0")
        return prior

    @model_validator(mode="after")
    def _possible(self) -> Self:
        doses = np.array(self.doses)
        if not (doses > 0).all() or (np.diff(doses) <= 0).any():
            raise ValueError(f"doses must be above 0 and increase, got {self.doses}")
        if not (self.eff0 < self.eff_star and self.tox_star < self.tox1):
            raise ValueError(
                "the point (eff_star, tox_star) must lie between: eff0 < eff_star and tox_star < tox1, or no "
                "contour runs through the three points"
            )
        return self

    @property
    def exponent(self) -> float:
        """Exponent p of the contour through the three points."""
        from scipy.optimize import brentq

        eff, tox = (1 - self.eff_star) / (1 - self.eff0), self.tox_star / self.tox1
        # At p = 0 the sum is 2, and it falls towards 0.
        return float(brentq(lambda p: eff**p + tox**p - 1, 1e-9, 1e4, xtol=1e-14, rtol=1e-14))

    def utility(self, eff: ArrayLike, tox: ArrayLike) -> Any:
        """Desirability of a response and a DLT rate: 1 at (1, 0), 0 on the neutral contour."""
        p = self.exponent
        gap = ((1 - np.asarray(eff, float)) / (1 - self.eff0)) ** p + (
            np.asarray(tox, float) / self.tox1
        ) ** p
        return 1 - gap ** (1 / p)

    def posterior(self, counts: ArrayLike, *, rng: np.random.Generator | int) -> EffToxPosterior:
        """Posterior from joint counts.

        Parameters
        ----------
        counts : array_like, levels x 4
            Subjects with response without DLT, neither, both, DLT without response.
        rng : numpy.random.Generator or int
            Source of the draws.

        Returns
        -------
        EffToxPosterior

        Raises
        ------
        ValueError
            For impossible counts.
        """
        table = joint_counts(counts)
        if len(table) != len(self.doses):
            raise ValueError(f"there are {len(self.doses)} doses, got counts of {len(table)} levels")
        logs = np.log(np.array(self.doses))
        fit = kernel.posterior(
            logs - logs.mean(), table, np.array([self.prior[name] for name in PARAMETERS], dtype=float),
            efficacy_hurdle=self.efficacy_hurdle, toxicity_hurdle=self.toxicity_hurdle, utility=self.utility,
            rng=np.random.default_rng(rng),
        )  # fmt: skip
        tried = np.flatnonzero(table.sum(axis=1) > 0)
        place = np.arange(len(table))
        near = (place >= tried.min() - 1) & (place <= tried.max() + 1) if tried.size else place == 0
        acceptable = (fit.eff_above > self.p_e) & (fit.tox_below > self.p_t) & near
        utility = self.utility(fit.eff, fit.tox)
        frame = pd.DataFrame(
            {
                "level": pd.array(place + 1, dtype="Int64"),
                "dose": self.doses,
                "prob_eff": fit.eff,
                "prob_eff_mcse": fit.eff_mcse,
                "prob_tox": fit.tox,
                "prob_tox_mcse": fit.tox_mcse,
                "prob_acceptable_eff": fit.eff_above,
                "prob_acceptable_tox": fit.tox_below,
                "utility": utility,
                "mean_utility": fit.utility,
                "acceptable": acceptable,
            }
        )
        level = int(np.argmax(np.where(acceptable, utility, -np.inf))) + 1 if acceptable.any() else None
        return EffToxPosterior(levels=frame, recommended_level=level, ess=fit.ess)
