"""How often the integrated recommendation itself finds a good dose: its operating characteristics.

Here: scenarios of what each level truly does, trials drawn from them, and the level the rule recommends in
each. Not here: the rule (`dose`), escalation (the other rooms of `designs`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cart7 import dose
from cart7.dose import ScoreRules

Floats = NDArray[np.float64]

TRIALS_PER_BLOCK = 2_000
RATES = {"dlt": "dlt", "orr": "response", "persist": "persistence", "cd7": "depletion"}
"""Criteria of the score and the rate of a scenario they are drawn from."""


class Scenario(BaseModel):
    """What each level truly does, lowest first.

    Parameters
    ----------
    dlt, response, persistence, depletion : tuple of float
        True rates per level.
    log_exposure_mean : tuple of float
        Mean of the natural log of the exposure per level.
    log_exposure_sd : float
        Its SD between subjects, the same at every level.
    acceptable : tuple of int
        Levels (from 1) that would be a right answer; empty when none would be.

    Examples
    --------
    >>> Scenario(dlt=(0.1, 0.2), response=(0.5, 0.5), persistence=(0.5, 0.6), depletion=(0.8, 0.9),
    ...          log_exposure_mean=(12.0, 13.0), log_exposure_sd=1.0, acceptable=(1,)).acceptable
    (1,)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dlt: tuple[float, ...] = Field(min_length=1)
    response: tuple[float, ...]
    persistence: tuple[float, ...]
    depletion: tuple[float, ...]
    log_exposure_mean: tuple[float, ...]
    log_exposure_sd: float = Field(gt=0)
    acceptable: tuple[int, ...]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        levels = len(self.dlt)
        for name in (*RATES.values(), "log_exposure_mean"):
            values = getattr(self, name)
            if len(values) != levels:
                raise ValueError(f"{name} must have {levels} entries, one per level, got {len(values)}")
            if name != "log_exposure_mean" and not all(0 <= rate <= 1 for rate in values):
                raise ValueError(f"{name} must hold probabilities, got {values}")
        if not all(1 <= level <= levels for level in self.acceptable):
            raise ValueError(f"acceptable must name levels from 1 to {levels}, got {self.acceptable}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """A simulated probability with its Monte-Carlo standard error."""

    estimate: float
    mcse: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecommendationCharacteristics:
    """What the recommendation does under a scenario.

    Attributes
    ----------
    selection : DataFrame
        `level` (<NA>: none recommended), `estimate` (probability), `mcse`.
    prob_acceptable, prob_overdose : Chance
        `estimate` and `mcse`: a level of `acceptable` is recommended; one whose true DLT rate exceeds the
        limit of the toxicity gate.
    n_trials : int
    """

    selection: pd.DataFrame = field(repr=False)
    prob_acceptable: Chance
    prob_overdose: Chance
    n_trials: int


def simulate_recommendation(
    scenario: Scenario | Mapping[str, Any],
    *,
    rules: ScoreRules,
    n_per_level: int | Sequence[int],
    n_trials: int,
    rng: np.random.Generator | int,
    n_jobs: int = 1,
) -> RecommendationCharacteristics:
    """How often the integrated score recommends each level under a scenario.

    Parameters
    ----------
    scenario : Scenario or mapping of its fields
    rules : ScoreRules
        Criteria named `dlt, orr, persist, cd7` and any of kind `log-exposure`.
    n_per_level : int or sequence of int
        Subjects per level, everybody with every criterion; 0: the level is not tried.
    n_trials : int
    rng : numpy.random.Generator or int
        Blocks of trials draw from streams spawned from it: the same numbers for every `n_jobs`.
    n_jobs : int
        Workers of joblib.

    Returns
    -------
    RecommendationCharacteristics

    Raises
    ------
    ValueError
        For impossible arguments, or a criterion that a scenario says nothing about.

    Notes
    -----
    Criteria are drawn independently within a subject, as the score assumes them to be.

    Examples
    --------
    >>> flat = Scenario(dlt=(0.05, 0.1, 0.3), response=(0.6, 0.6, 0.6), persistence=(0.5, 0.5, 0.5),
    ...                 depletion=(0.8, 0.8, 0.8), log_exposure_mean=(12.0, 12.0, 12.0), log_exposure_sd=1.0,
    ...                 acceptable=(1,))
    >>> found = simulate_recommendation(flat, rules=ScoreRules.example(), n_per_level=3, n_trials=200, rng=1)
    >>> int(found.selection["estimate"].argmax()) + 1
    1
    """
    from joblib import Parallel, delayed

    truth = scenario if isinstance(scenario, Scenario) else Scenario.model_validate(dict(scenario))
    levels = len(truth.dlt)
    sizes = np.broadcast_to(np.asarray(n_per_level), (levels,))
    if not (np.issubdtype(sizes.dtype, np.integer) and (sizes >= 0).all() and sizes.any()):
        raise ValueError(f"n_per_level must be whole numbers from 0, not all 0, got {n_per_level!r}")
    if not (isinstance(n_trials, int | np.integer) and n_trials >= 1):
        raise ValueError(f"n_trials must be a whole number from 1, got {n_trials!r}")
    named = {c.name for c in rules.criteria if c.kind == "binary"} | {
        rules.gates.toxicity,
        rules.gates.response,
    }
    unknown = sorted(named - set(RATES))
    if unknown:
        raise ValueError(f"a scenario says nothing about {', '.join(unknown)}; it knows {', '.join(RATES)}")
    whole, rest = divmod(int(n_trials), TRIALS_PER_BLOCK)
    blocks = [TRIALS_PER_BLOCK] * whole + [rest] * bool(rest)
    streams = np.random.default_rng(rng).spawn(len(blocks))
    counts = sum(
        Parallel(n_jobs=n_jobs)(
            delayed(_block)(truth, rules, sizes, size, stream)
            for size, stream in zip(blocks, streams, strict=True)
        )
    )
    share = counts / n_trials
    return RecommendationCharacteristics(
        selection=pd.DataFrame(
            {"level": pd.array([*range(1, levels + 1), pd.NA], dtype="Int64"), "estimate": share,
             "mcse": _error(share, n_trials)}
        ),
        prob_acceptable=_chance(share, [at + 1 in truth.acceptable for at in range(levels)], n_trials),
        prob_overdose=_chance(share, [rate > rules.gates.phi_t for rate in truth.dlt], n_trials),
        n_trials=int(n_trials),
    )  # fmt: skip


def _block(
    truth: Scenario, rules: ScoreRules, sizes: NDArray[np.int64], trials: int, rng: np.random.Generator
) -> Floats:
    """Recommendations by level, none last, of a block of trials."""
    shape = (trials, len(sizes))
    rates = {}
    for name, source in RATES.items():
        events = rng.binomial(sizes, np.array(getattr(truth, source)), size=shape)
        rates[name] = (events.astype(float), np.broadcast_to(sizes, shape).astype(float))
    logs = {}
    some = np.maximum(sizes, 1)
    for criterion in rules.criteria:
        if criterion.kind == "log-exposure":
            mean = truth.log_exposure_mean + truth.log_exposure_sd / np.sqrt(some) * rng.normal(size=shape)
            degrees = np.maximum(sizes - 1, 0)
            squares = np.where(degrees > 0, rng.chisquare(np.maximum(degrees, 1), size=shape), 0.0)
            logs[criterion.name] = (
                np.broadcast_to(sizes, shape).astype(float), mean, squares * truth.log_exposure_sd**2
            )  # fmt: skip
    chosen = dose.recommended_positions(rates, logs, rules)
    counts: Floats = np.bincount(np.where(chosen < 0, len(sizes), chosen), minlength=len(sizes) + 1).astype(
        float
    )
    return counts


def _error(share: Any, n_trials: int) -> Any:
    return np.sqrt(share * (1 - share) / n_trials)


def _chance(share: Floats, which: Sequence[bool], n_trials: int) -> Chance:
    chance = float(share[:-1][np.array(which, dtype=bool)].sum())
    return Chance(estimate=chance, mcse=float(_error(chance, n_trials)))
