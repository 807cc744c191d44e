"""How firm the choice of a level is: draws from the posterior, and the rules with one thing changed.

Here: rank probabilities, the variants of the rules, the sweep of each weight, SMAA. Not here: the
verdict under one set of rules (verdict).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.rp2d.counts import Level, level_column
from cart7.rp2d.rules import ScoreRules
from cart7.rp2d.verdict import LevelData, Verdict, judge_levels
from cart7.stats import desirability as kernel
from cart7.stats import ranking

N_SMAA = 20_000
SWEEP = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Posterior draws: desirabilities (draws x levels x criteria) and scores (draws x levels)."""

    desirabilities: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]


def draw(verdict: Verdict, rules: ScoreRules, rng: np.random.Generator) -> Draws:
    """Draws of the scored criteria and of the score; NaN for a level without a posterior."""
    d = ranking.draw_desirabilities(
        [criterion.desirability.shape for criterion in verdict.scored],
        [verdict.posteriors[criterion.name] for criterion in verdict.scored],
        size=rules.n_draws,
        rng=rng,
    )
    return Draws(desirabilities=d, scores=kernel.weighted(d, [c.weight for c in verdict.scored]))


def ranks(data: LevelData, draws: Draws, verdict: Verdict) -> pd.DataFrame:
    """Expected loss and share of each rank, for the admissible levels with a score."""
    levels = [level for level, flag in zip(data.levels, verdict.ranked, strict=True) if flag]
    table = pd.DataFrame({"dose_level": level_column(levels)})
    if not levels:
        return table.assign(expected_loss=np.empty(0), expected_loss_mcse=np.empty(0))
    scores = draws.scores[:, verdict.ranked]
    loss = scores.max(axis=1, keepdims=True) - scores
    table["expected_loss"] = loss.mean(axis=0)
    table["expected_loss_mcse"] = loss.std(axis=0) / np.sqrt(len(loss))
    for rank, share in enumerate(ranking.rank_shares(scores).T, start=1):
        table[f"rank_{rank}"] = share
    return table


def sensitivity(
    data: LevelData, rules: ScoreRules, smaa_scores: npt.NDArray[np.float64], verdict: Verdict
) -> pd.DataFrame:
    """What each departure from the rules would choose."""
    rows: list[tuple[str, str, Any, Any]] = []
    for kind, variant, changed in _variants(rules):
        found = judge_levels(data.numbers, changed)
        rows.append((kind, variant, found.best, found.recommended))
    for how in ("additive", "minimum"):
        found = judge_levels(data.numbers, rules, how)
        rows.append(("aggregator", how, found.best, found.recommended))
    best, recommended = ranking.choose(smaa_scores, verdict.admissible, rules.plateau)
    rows.append(("smaa", "uniform weights", best, recommended))
    table = pd.DataFrame(rows, columns=["kind", "variant", "best_level", "recommended_level"])
    for name in ("best_level", "recommended_level"):
        chosen = [data.level_at(position) for position in table[name].tolist()]
        table[name] = _choice_column(chosen)
    return table


def _choice_column(chosen: Sequence[Level | None]) -> "pd.Series[Any]":
    """Chosen levels; whole numbers as Int64, missing = none."""
    whole = all(level is None or isinstance(level, int) for level in chosen)
    return pd.Series(chosen, dtype="Int64" if whole else object)


def _variants(rules: ScoreRules) -> list[tuple[str, str, ScoreRules]]:
    """Rules with one thing changed: kind, variant, rules."""

    def with_weights(change: Mapping[str, float]) -> ScoreRules:
        criteria = tuple(
            c.model_copy(update={"weight": c.weight * change.get(c.name, 1.0)}) for c in rules.criteria
        )
        return rules.model_copy(update={"criteria": criteria})

    def with_gates(**change: float) -> ScoreRules:
        return rules.model_copy(update={"gates": rules.gates.model_copy(update=change)})

    names = [criterion.name for criterion in rules.criteria if criterion.weight > 0]
    several = names if len(names) > 1 else []
    variants = [
        ("weight", f"{name} x{factor:g}", with_weights({name: factor}))
        for name in several
        for factor in (0.5, 2)
    ]
    variants += [("leave-one-out", name, with_weights({name: 0.0})) for name in several]
    for prior in ((0.5, 0.5), (1.0, 1.0)):
        if prior != rules.prior:
            changed = rules.model_copy(update={"prior": prior})
            variants.append(("prior", changed.prior_name, changed))
    for delta in (0.0, 0.05, 0.10, 0.20):
        if delta != rules.plateau:
            variants.append(("delta", f"{delta:.2f}", rules.model_copy(update={"plateau": delta})))
    variants += [
        ("gates", "none", with_gates(c_t=1.0, c_e=1.0)),
        ("gates", f"c_t = {0.9 * rules.gates.c_t:.3g}", with_gates(c_t=0.9 * rules.gates.c_t)),
        ("gates", f"c_e = {0.9 * rules.gates.c_e:.3g}", with_gates(c_e=0.9 * rules.gates.c_e)),
    ]
    return variants


def weight_sweep(data: LevelData, rules: ScoreRules, verdict: Verdict) -> pd.DataFrame:
    """Choice along each weight from 0 to 1, the others keeping their proportions."""
    scored = verdict.scored
    share = kernel.normalised([criterion.weight for criterion in scored], len(scored))
    rows: list[tuple[Any, ...]] = []
    for k, criterion in enumerate(scored if len(scored) > 1 else []):
        total = np.ones((len(data.levels), SWEEP.size))
        for j, other in enumerate(scored):
            powers = SWEEP if j == k else share[j] * (1 - SWEEP) / (1 - share[k])
            posterior = verdict.posteriors[other.name]
            total = total * kernel.expected_power(other.desirability.shape, posterior, powers)
        best, recommended = ranking.choose(total.T, verdict.admissible, rules.plateau)
        turns = np.flatnonzero(np.diff(best) | np.diff(recommended)) + 1
        for first, end in zip([0, *turns], [*turns, SWEEP.size], strict=True):
            chosen = (data.level_at(best[first]), data.level_at(recommended[first]))
            rows.append((criterion.name, SWEEP[first], SWEEP[end - 1], *chosen))
    columns = ["criterion", "weight_low", "weight_high", "best_level", "recommended_level"]
    table = pd.DataFrame(rows, columns=columns)
    for name in columns[3:]:
        table[name] = _choice_column([row[columns.index(name)] for row in rows])
    return table


def acceptability(
    draws: Draws, verdict: Verdict, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], ranking.Smaa | None]:
    """Mean score per level under weights uniform on the simplex, and the acceptability of the ranked ones."""
    weights = rng.dirichlet(np.ones(len(verdict.scored)), size=N_SMAA)
    d = draws.desirabilities[:N_SMAA]
    means = np.where(
        np.isnan(verdict.scores), np.nan, np.prod(d ** weights[:, None, :], axis=-1).mean(axis=0)
    )
    if not verdict.ranked.any():
        return means, None
    return means, ranking.smaa(d[:, verdict.ranked], weights)
