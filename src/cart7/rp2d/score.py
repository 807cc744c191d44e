"""Integrated score of the dose levels, and the level it recommends.

Here: the score from tables (`score`) or from endpoint results (`recommend`), by assigned dose level and
by the dose received. Not here: gates and scores under one set of rules (verdict), draws and variants
(robustness), the sentences (wording).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import derive, results
from cart7.results import EndpointResult
from cart7.rp2d import robustness, wording
from cart7.rp2d.counts import (
    Evidence,
    HasSubjects,
    Level,
    Result,
    Table,
    count,
    judge,
    level_column,
    levels_of,
)
from cart7.rp2d.robustness import Draws
from cart7.rp2d.rules import PLACEHOLDER, ScoreRules
from cart7.rp2d.verdict import LevelData, Verdict, judge_levels, read, reasons, status
from cart7.stats import desirability as kernel
from cart7.stats import ranking

Rng: TypeAlias = int | np.random.Generator

_SCORE_NUMBERS = (
    "admissible", "prob_dlt_exceeds", "prob_response_below", "plugin_score", "expected_score", "ci_low",
    "ci_high", "prob_best", "prob_best_mcse",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class DoseScore(EndpointResult):
    """Integrated score per dose level and what follows from it.

    Attributes
    ----------
    summary : DataFrame
        dose_level, admissible (bool), reason (why not, or why there is no score), prob_dlt_exceeds,
        prob_response_below, plugin_score, expected_score, ci_low, ci_high (95 % credible), prob_best,
        prob_best_mcse (missing outside the gates), d_<criterion> (at the posterior mean; missing with
        weight 0).
    best_level, recommended_level : int, float, str or None
        Highest expected score; lowest admissible level within the plateau of it.
    status : str
        `recommended`, or why no level is.
    sensitivity : DataFrame
        kind, variant, best_level, recommended_level.
    weight_sweep : DataFrame
        criterion, weight_low, weight_high, best_level, recommended_level: where one weight, as a share of 1,
        changes the choice (steps of 0.01; the other weights keep their proportions).
    ranks : DataFrame
        dose_level, expected_loss (of score, against the best in each draw), expected_loss_mcse, rank_1,
        rank_2, ... (shares of draws); admissible levels with a score.
    smaa : Smaa or None
        Acceptability of the levels of `ranks` under uniform weights on the scored criteria.
    subjects : DataFrame
        subject_id, dose_level, criterion, value, note: exposures; from `recommend` every criterion.
    received : DoseScore or None
        The same by the level nearest the dose received.
    """

    title: ClassVar[str] = "Integrated score of the dose levels"
    figure: ClassVar[str] = "dose_profile"

    rules: ScoreRules = field(repr=False)
    best_level: Level | None
    recommended_level: Level | None
    status: str
    sensitivity: pd.DataFrame = field(repr=False)
    weight_sweep: pd.DataFrame = field(repr=False)
    ranks: pd.DataFrame = field(repr=False)
    smaa: ranking.Smaa | None = field(repr=False)
    counts: pd.DataFrame = field(repr=False)
    exposures: pd.DataFrame = field(repr=False)
    received: "DoseScore | None" = field(repr=False, default=None)
    analysis: str = "dose.score"

    @property
    def flips(self) -> list[str]:
        """Variants of `sensitivity` under which another level, or none, is recommended."""
        table = self.sensitivity
        return [
            f"{kind}: {variant}"
            for kind, variant, level in table[["kind", "variant", "recommended_level"]].itertuples(
                index=False
            )
            if (None if pd.isna(level) else level) != self.recommended_level
        ]

    @property
    def robust(self) -> bool:
        """Whether the recommended level stays the same in every variant of `sensitivity`."""
        return self.recommended_level is not None and not self.flips

    def explain(self) -> str:
        """The result in words, with what the gates can and cannot detect at these numbers."""
        return "\n".join(wording.sentences(self))

    def __str__(self) -> str:
        return self.explain()

    def _repr_html_(self) -> str:
        warning = f"<p><b>{PLACEHOLDER}</b></p>" if self.rules.placeholder else ""
        return f"{EndpointResult._repr_html_(self)}<p>{wording.verdict(self)}</p>{warning}"

    def _long(self) -> list[pd.DataFrame]:
        blocks = _long_score(self, self.analysis, "RP2D")
        if self.received is not None:
            blocks += _long_score(self.received, self.analysis, "RP2D:received")
        return blocks


def _long_score(result: DoseScore, analysis: str, param: str) -> list[pd.DataFrame]:
    rules, table, subjects = result.rules, result.summary, result.subjects
    flag = f" ({PLACEHOLDER})" if rules.placeholder else ""
    beta, draws = rules.prior_name, f"{rules.n_draws} posterior draws{flag}"
    stats = (*_SCORE_NUMBERS, *(name for name in table.columns if name.startswith("d_")))
    why = pd.Series(np.where(table["reason"] == "", "no score", table["reason"]), index=table.index)
    silent = {f"d_{criterion.name}": "weight 0" for criterion in rules.criteria if criterion.weight == 0}
    verdict = pd.DataFrame(
        {"best_level": [result.best_level], "recommended_level": [result.recommended_level],
         "status": [result.status], "note": [result.status]}
    )  # fmt: skip
    exposures = [criterion.name for criterion in rules.criteria if criterion.kind == "log-exposure"]
    unit = pd.Series(
        np.where(subjects["criterion"].isin(exposures), "as measured", "1"), index=subjects.index
    )
    return [
        results.long_rows(
            table, analysis=analysis, param=param, population=result.population,
            group=table["dose_level"].map(derive.group_label), stats=stats,
            reasons=dict.fromkeys(stats, why) | silent,
            method={"prob_dlt_exceeds": beta, "prob_response_below": beta, "ci_low": draws, "ci_high": draws,
                    "prob_best": draws, "prob_best_mcse": draws, "expected_score": f"quadrature{flag}",
                    "plugin_score": f"at the posterior means{flag}"},
        ),
        results.long_rows(
            verdict, analysis=analysis, param=param, population=result.population, group=derive.ALL,
            stats=("best_level", "recommended_level", "status"),
            method=f"plateau rule, {100 * rules.plateau:g} %{flag}",
        ),
        results.long_rows(
            subjects, analysis=analysis, param=param + ":" + subjects["criterion"].astype(str),
            population=result.population, subject_id=subjects["subject_id"], stats=("value",),
            units={"value": unit},
        ),
    ]  # fmt: skip


# ---------------------------------------------------------------------------- public functions


def score(
    counts: pd.DataFrame, exposures: pd.DataFrame | None = None, *, rules: ScoreRules, rng: Rng
) -> DoseScore:
    """Integrated score of each dose level, and the level it recommends.

    Parameters
    ----------
    counts : DataFrame
        criterion, dose_level, n, n_event, one row per criterion and level; n = 0 where nobody is evaluable.
    exposures : DataFrame, optional
        criterion, dose_level, subject_id, value (as measured); needed for a `log-exposure` criterion. A value
        that is missing or 0 has no logarithm and goes to `.excluded`.
    rules : ScoreRules
        Criteria, gates, plateau and prior, pre-specified.
    rng : int or numpy.random.Generator
        Seed of the draws behind `prob_best`, the credible limits and SMAA; the scores need none.

    Returns
    -------
    DoseScore

    Raises
    ------
    DataError
        Impossible counts or exposures, all of them.
    ValueError
        A criterion of the rules or gates has no rows at all.

    Notes
    -----
    Rates: Beta posterior. Log exposure: one variance for all levels, prior 1/sigma^2. Score of a level =
    product of desirability^weight of the parameters; its expectation is exact by quadrature. Levels enter
    the ranking when tested, when both gates are open and every scored criterion was observed. Criteria count
    as independent, there is no dose-response model, and nothing missing is imputed.

    References
    ----------
    Derringer G, Suich R (1980). Journal of Quality Technology 12:214-219.

    Examples
    --------
    >>> rules = ScoreRules(criteria=(
    ...     {"name": "dlt", "kind": "binary", "weight": 0.5,
    ...      "desirability": {"kind": "min", "low": 0.1, "high": 0.4}},
    ...     {"name": "orr", "kind": "binary", "weight": 0.5,
    ...      "desirability": {"kind": "max", "low": 0.2, "high": 0.8}}))
    >>> counts = pd.DataFrame({"criterion": ["dlt"] * 3 + ["orr"] * 3, "dose_level": [1, 2, 3] * 2,
    ...                        "n": 3, "n_event": [0, 0, 1, 1, 2, 3]})
    >>> result = score(counts, rules=rules, rng=1)
    >>> result.recommended_level, [f"{value:.3f}" for value in result.summary["expected_score"]]
    (2, ['0.370', '0.565', '0.331'])
    """
    generator = np.random.default_rng(_required(rng))
    data = read(counts, exposures, rules)
    verdict = judge_levels(data.numbers, rules)
    draws = robustness.draw(verdict, rules, generator)
    smaa_scores, acceptability = robustness.acceptability(draws, verdict, generator)
    best, recommended = data.level_at(verdict.best), data.level_at(verdict.recommended)
    shown = data.exposures.assign(note="")
    return DoseScore(
        subjects=shown[["subject_id", "dose_level", "criterion", "value", "note"]],
        summary=_summary(data, verdict, draws, rules),
        excluded=data.excluded,
        rules=rules,
        best_level=best,
        recommended_level=recommended,
        status=status(verdict),
        sensitivity=robustness.sensitivity(data, rules, smaa_scores, verdict),
        weight_sweep=robustness.weight_sweep(data, rules, verdict),
        ranks=robustness.ranks(data, draws, verdict),
        smaa=acceptability,
        counts=data.counts,
        exposures=data.exposures,
    )


def recommend(
    subjects: Table,
    *,
    dlt: Result,
    response: Result,
    exposure: Result,
    persistence: Result,
    depletion: Result | Mapping[str, HasSubjects],
    cell_dose: Result = None,
    rules: ScoreRules,
    rng: Rng,
    by: str = "dose_level",
    visit: str = "M3",
    strategy: str = "treatment-policy",
) -> DoseScore:
    """Evidence and score from endpoint results, by assigned dose level and by the dose received.

    Parameters
    ----------
    subjects : DataFrame or sequence of Subject
        The analysis set; `by` is the assigned level, planned_dose_1e6_kg (or the flat planned_1e6) its dose.
    dlt, response, exposure, persistence, depletion, by, visit, strategy
        As in `evidence`.
    cell_dose : result, optional
        Of `cell_dose`; then `.received` scores each subject at the planned level nearest the dose received at
        infusion 1 (the lower one on a tie). Who has no known dose is left out there.
    rules, rng
        As in `score`.

    Returns
    -------
    DoseScore
        By assigned level, with `.received` (None without `cell_dose` or without planned doses).

    Raises
    ------
    ValueError
        As in `evidence` and `score`.

    Examples
    --------
    >>> from types import SimpleNamespace as Result
    >>> people = pd.DataFrame({"subject_id": list("abcdef"), "dose_level": [1, 1, 1, 2, 2, 2]})
    >>> dlt = Result(subjects=people.assign(evaluable=1, dlt=[0, 0, 0, 0, 0, 1]))
    >>> response = Result(subjects=people.assign(visit="M3", strategy="treatment-policy",
    ...                                          responder=[0, 0, 1, 1, 1, 1]))
    >>> rules = ScoreRules(criteria=(
    ...     {"name": "dlt", "kind": "binary", "weight": 0.5,
    ...      "desirability": {"kind": "min", "low": 0.1, "high": 0.4}},
    ...     {"name": "orr", "kind": "binary", "weight": 0.5,
    ...      "desirability": {"kind": "max", "low": 0.2, "high": 0.8}}))
    >>> found = recommend(people, dlt=dlt, response=response, exposure=None, persistence=None,
    ...                   depletion=None, rules=rules, rng=1)
    >>> found.recommended_level, found.status
    (1, 'recommended')
    """
    generator = np.random.default_rng(_required(rng))
    people = derive.subject_table(subjects)
    level, levels = levels_of(subjects, people, by)
    judged = judge(
        people["subject_id"], dlt=dlt, response=response, exposure=exposure, persistence=persistence,
        depletion=depletion, visit=visit, strategy=strategy, assay="QPCR",
    )  # fmt: skip
    received = None if cell_dose is None else _received_level(people, level, levels, cell_dose.subjects)
    scored: dict[str, DoseScore] = {}
    evidence: dict[str, Evidence] = {}
    for way, placed in (("assigned", level), ("received", received)):
        if placed is None:
            continue
        found = evidence[way] = count(judged, placed, levels)
        if way == "received" and _same_evidence(found, evidence["assigned"]):
            result = scored["assigned"]  # everybody is nearest to the assigned level: nothing to draw again
        else:
            result = score(found.counts, found.exposures, rules=rules, rng=generator)
        scored[way] = replace(
            result, subjects=found.subjects, excluded=found.excluded, population=derive.population(people),
            analysis="dose.recommend",
        )  # fmt: skip
    return replace(scored["assigned"], received=scored.get("received"))


def _same_evidence(one: Evidence, other: Evidence) -> bool:
    return bool(one.counts.equals(other.counts) and one.exposures.equals(other.exposures))


def overall_desirability(d: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Any:
    """Weighted geometric mean of desirabilities; one 0 makes the whole 0.

    Parameters
    ----------
    d : array_like
        Desirabilities in [0, 1], criteria on the last axis; NaN is never imputed: the result is NaN unless
        the weight is 0.
    weights : array_like, optional
        One per criterion, >= 0, not all 0; normalised. Default: equal.

    Returns
    -------
    float or numpy.ndarray

    Examples
    --------
    >>> f"{overall_desirability([2 / 3, 0.5, 0.75]):.4f}"
    '0.6300'
    """
    return kernel.aggregate(d, weights)


def _required(rng: Rng) -> Rng:
    if rng is None:
        raise ValueError("rng must be an int or a numpy Generator, got None: a result must be repeatable")
    return rng


def _summary(data: LevelData, verdict: Verdict, draws: Draws, rules: ScoreRules) -> pd.DataFrame:
    known = ~np.isnan(verdict.scores)
    low, high, best, mcse = (np.full(len(data.levels), np.nan) for _ in range(4))
    if known.any():
        low[known], high[known] = np.quantile(draws.scores[:, known], [0.025, 0.975], axis=0)
    if verdict.ranked.any():
        share = ranking.first_shares(draws.scores[:, verdict.ranked]).mean(axis=0)
        best[verdict.ranked] = share
        mcse[verdict.ranked] = np.sqrt(np.clip(share * (1 - share), 0, None) / rules.n_draws)
    at_mean = {criterion.name: np.full(len(data.levels), np.nan) for criterion in rules.criteria}
    for criterion in [] if verdict.no_variance else verdict.scored:
        at_mean[criterion.name] = np.asarray(criterion.desirability(verdict.posteriors[criterion.name].mean))
    plugin = kernel.weighted(
        np.stack([at_mean[criterion.name] for criterion in verdict.scored], axis=-1),
        [criterion.weight for criterion in verdict.scored],
    )
    return pd.DataFrame(
        {
            "dose_level": level_column(data.levels),
            "admissible": verdict.admissible,
            "reason": reasons(data, verdict, rules),
            "prob_dlt_exceeds": verdict.gates.prob_toxic,
            "prob_response_below": verdict.gates.prob_futile,
            "plugin_score": plugin,
            "expected_score": verdict.scores,
            "ci_low": low,
            "ci_high": high,
            "prob_best": best,
            "prob_best_mcse": mcse,
            **{f"d_{name}": values for name, values in at_mean.items()},
        }
    )


def _received_level(
    people: pd.DataFrame, level: "pd.Series[Any]", levels: Sequence[Level], doses: pd.DataFrame
) -> "pd.Series[Any] | None":
    """Planned level nearest the dose received at infusion 1, by subject_id; None without planned doses."""
    by_weight = "planned_dose_1e6_kg" in people.columns and bool(people["planned_dose_1e6_kg"].notna().any())
    planned = "planned_dose_1e6_kg" if by_weight else "planned_1e6"
    if planned not in people.columns:
        return None
    own = people["subject_id"].map(level.to_dict()).astype(object)
    ladder = people.groupby(own)[planned].median().reindex(pd.Index(levels, dtype=object)).dropna()
    if ladder.empty:
        return None
    first = doses[doses["infusion_no"] == 1].set_index("subject_id")
    received = first["dose_1e6_kg" if by_weight else "viable_car_pos_1e6"].reindex(people["subject_id"])
    gaps = np.abs(received.to_numpy(dtype=float)[:, None] - ladder.to_numpy(dtype=float))
    # The lower level on a tie; 12 digits count, since half way in decimals may not be so in binary.
    near = gaps <= gaps.min(axis=1, keepdims=True) * (1 + 1e-12) + 1e-12
    placed = [ladder.index[row.argmax()] if row.any() else None for row in near]
    return pd.Series(placed, index=people["subject_id"], dtype=object)
