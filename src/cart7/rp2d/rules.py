"""The choices behind an integrated score: criteria with their desirability, gates, plateau, prior.

Here: the frozen rules and the placeholder set. Not here: any default for the criteria (a protocol
must name them) and the arithmetic (stats.desirability).
"""

import math
from typing import Any, Literal

import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cart7.stats import desirability as kernel

PLACEHOLDER = "weights and limits are placeholders, to be pre-specified by the protocol"


class Desirability(BaseModel):
    """How desirable a rate, or the natural log of a mean exposure, is: from 0 (useless) to 1.

    Parameters
    ----------
    kind : {"min", "max", "target", "box"}
        Less is better, more is better, `target` is best, or anything within [low, high] is fine.
    low, high : float
        The desirability changes between them (for a box it is 1).
    target : float, optional
        Best value, for `kind="target"` only.
    scale, high_scale : float
        Powers of the slope; `high_scale` for values above a target (default: as `scale`).

    Examples
    --------
    >>> f"{Desirability(kind='min', low=0.1, high=0.4)(0.2):.3f}"
    '0.667'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    kind: kernel.Kind
    low: float
    high: float
    target: float | None = None
    scale: float = 1.0
    high_scale: float | None = None

    @model_validator(mode="after")
    def _possible(self) -> "Desirability":
        kernel.Shape(**self.model_dump())
        return self

    @property
    def shape(self) -> kernel.Shape:
        """The same function for the kernels."""
        return kernel.Shape(**self.model_dump())

    def __call__(self, x: npt.ArrayLike) -> Any:
        """Desirability of `x`: a float for a number, an array for an array."""
        return kernel.desirability(x, self.shape)


class Criterion(BaseModel):
    """One endpoint in the score.

    Parameters
    ----------
    name : str
        The word in the column `criterion` of counts or exposures.
    kind : {"binary", "log-exposure"}
        A rate, or a positive exposure judged by the natural log of its geometric mean.
    desirability : Desirability
        Of the rate, or of the natural log.
    weight : float
        At least 0; weights are normalised, and 0 leaves the criterion out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(min_length=1)
    kind: Literal["binary", "log-exposure"]
    desirability: Desirability
    weight: float = Field(ge=0, allow_inf_nan=False)


class Gates(BaseModel):
    """What a dose level must pass before it is ranked.

    Parameters
    ----------
    phi_t, c_t : float
        A level and all above it are blocked when P(rate of `toxicity` > phi_t) > c_t.
    phi_e, c_e : float
        A level is blocked when P(rate of `response` < phi_e) > c_e.
    min_n : int
        Neither gate closes on fewer subjects.
    toxicity, response : str
        Criteria of `counts`, scored or not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    phi_t: float = Field(default=0.30, gt=0, lt=1)
    c_t: float = Field(default=0.95, gt=0, le=1)
    phi_e: float = Field(default=0.20, gt=0, lt=1)
    c_e: float = Field(default=0.90, gt=0, le=1)
    min_n: int = Field(default=3, ge=0)
    toxicity: str = Field(default="dlt", min_length=1)
    response: str = Field(default="orr", min_length=1)


class ScoreRules(BaseModel):
    """The integrated score: criteria, gates, plateau and prior. There are no default criteria.

    Parameters
    ----------
    criteria : tuple of Criterion
        At least one, names unique, not all weights 0.
    gates : Gates
    plateau : float
        Relative loss of expected score that is accepted for a lower dose level.
    prior : (float, float)
        Beta prior of every rate.
    n_draws : int
        Posterior draws; 40,000 keep the standard error of `prob_best` at 0.0025 or less.
    placeholder : bool
        True when the weights are not those of a protocol; every output then says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    criteria: tuple[Criterion, ...] = Field(min_length=1)
    gates: Gates = Gates()
    plateau: float = Field(default=0.10, ge=0, lt=1)
    prior: tuple[float, float] = (1.0, 1.0)
    n_draws: int = Field(default=200_000, ge=40_000)
    placeholder: bool = False

    @field_validator("prior")
    @classmethod
    def _proper(cls, prior: tuple[float, float]) -> tuple[float, float]:
        if not all(math.isfinite(part) and part > 0 for part in prior):
            raise ValueError(f"prior must be two finite numbers above 0, got {prior}")
        return prior

    @model_validator(mode="after")
    def _scorable(self) -> "ScoreRules":
        names = [criterion.name for criterion in self.criteria]
        if len(set(names)) < len(names):
            raise ValueError(f"criteria must have different names, got {', '.join(names)}")
        if not any(criterion.weight > 0 for criterion in self.criteria):
            raise ValueError("criteria need a weight above 0, all are 0")
        return self

    @property
    def prior_name(self) -> str:
        """`Beta(1, 1)`."""
        return f"Beta({self.prior[0]:g}, {self.prior[1]:g})"

    @classmethod
    def example(cls) -> "ScoreRules":
        """Placeholder set: no protocol pre-specified it, and whatever uses it says so.

        Examples
        --------
        >>> [(c.name, c.weight) for c in ScoreRules.example().criteria]
        [('dlt', 0.3), ('orr', 0.3), ('log_auc', 0.15), ('persist', 0.1), ('cd7', 0.15)]
        """
        limits: tuple[tuple[str, kernel.Kind, float, float, float], ...] = (
            ("dlt", "min", 0.10, 0.40, 0.30),
            ("orr", "max", 0.20, 0.80, 0.30),
            ("log_auc", "max", math.log(1e4), math.log(1e6), 0.15),
            ("persist", "max", 0.20, 0.90, 0.10),
            ("cd7", "max", 0.30, 0.95, 0.15),
        )
        criteria = tuple(
            Criterion(
                name=name,
                kind="log-exposure" if name == "log_auc" else "binary",
                desirability=Desirability(kind=kind, low=low, high=high),
                weight=weight,
            )
            for name, kind, low, high, weight in limits
        )
        return cls(criteria=criteria, placeholder=True)
