"""What one set of rules makes of counts and exposures: gates, scores and the chosen level.

Here: the checked tables, the posterior of each criterion, the verdict and its reasons. Not here: draws
and variants of the rules (robustness), the integrals (stats.desirability).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import results
from cart7.errors import DataError, Problem
from cart7.rp2d.counts import Level, level_column, plain_level, sort_levels
from cart7.rp2d.rules import Criterion, ScoreRules
from cart7.stats import desirability as kernel
from cart7.stats import ranking

Array: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]

NO_VARIANCE = "variance not estimable"

_COUNTS = ("criterion", "dose_level", "n", "n_event")
_EXPOSURES = ("criterion", "dose_level", "subject_id", "value")


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelNumbers:
    """What scoring needs to know, dose levels ascending on the last axis.

    `rates`: events and denominators by criterion; `logs`: number, mean and sum of squares about the mean of
    the log exposures by criterion. Leading axes (simulated trials) are judged one by one.
    """

    rates: Mapping[str, tuple[Array, Array]]
    logs: Mapping[str, tuple[Array, Array, Array]]

    def posterior(self, criterion: Criterion, prior: tuple[float, float]) -> kernel.Posterior:
        """Posterior of a criterion per level; NaN where nothing was observed."""
        if criterion.kind == "binary":
            events, n = self.rates[criterion.name]
            return kernel.beta_posterior(events, np.where(n > 0, n, np.nan), prior=prior)
        return kernel.pooled_posterior(*self.logs[criterion.name])

    def observed(self, criterion: Criterion) -> Flags:
        """Levels with at least one value of the criterion."""
        n = self.rates[criterion.name][1] if criterion.kind == "binary" else self.logs[criterion.name][0]
        return np.asarray(n > 0, dtype=bool)


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelData:
    """Checked tables, the levels they are about in ascending order, and their numbers."""

    counts: pd.DataFrame
    exposures: pd.DataFrame
    excluded: pd.DataFrame
    levels: list[Level]
    numbers: LevelNumbers

    def level_at(self, position: Any) -> Level | None:
        """Level at a position; None for -1."""
        return None if position < 0 else self.levels[int(position)]


def read(counts: pd.DataFrame, exposures: pd.DataFrame | None, rules: ScoreRules) -> LevelData:
    """Checked counts and exposures in the order of criterion and level, or all their problems."""
    given = pd.DataFrame(columns=list(_EXPOSURES)) if exposures is None else exposures
    problems: list[Problem] = []
    tables = []
    for name, table, numbers in (("counts", counts, ("n", "n_event")), ("exposures", given, ("value",))):
        columns = _COUNTS if name == "counts" else _EXPOSURES
        missing = [column for column in columns if column not in table.columns]
        if missing:
            raise ValueError(
                f"{name} must have the columns {', '.join(columns)}; it lacks {', '.join(missing)}"
            )
        clean = table[list(columns)].reset_index(drop=True)
        for column in numbers:
            clean[column] = pd.to_numeric(clean[column], errors="coerce").astype("float64")
        gone = clean[["criterion", "dose_level"]].isna().any(axis=1)
        problems += _problems(name, clean, gone, "dose_level", "criterion and dose level must be stated")
        problems += _impossible(name, clean)
        tables.append(clean)
    if problems:
        raise DataError(problems)
    for table in tables:
        table["dose_level"] = level_column([plain_level(value) for value in table["dose_level"].tolist()])
    _all_there(tables[0], exposures, rules)
    levels = sort_levels(level for table in tables for level in table["dose_level"].tolist())
    ordered = tables[1].sort_values(["criterion", "dose_level", "subject_id"], kind="stable")
    positive = ordered["value"] > 0
    left_out = ordered[~positive].assign(row=lambda rows: rows.index + 1)
    used = ordered[positive].reset_index(drop=True)
    return LevelData(
        counts=tables[0],
        exposures=used,
        excluded=results.excluded_rows(left_out, "exposures", "missing or 0: no logarithm"),
        levels=levels,
        numbers=_numbers(tables[0], used, levels, rules),
    )


def _numbers(
    counts: pd.DataFrame, exposures: pd.DataFrame, levels: list[Level], rules: ScoreRules
) -> LevelNumbers:
    rates = {}
    named = [c.name for c in rules.criteria if c.kind == "binary"] + [
        rules.gates.toxicity,
        rules.gates.response,
    ]
    for name in dict.fromkeys(named):
        mine = counts[counts["criterion"] == name].set_index("dose_level")[["n_event", "n"]]
        table = mine.reindex(levels).fillna(0.0).to_numpy(dtype=float)
        rates[name] = (table[:, 0], table[:, 1])
    logs = {}
    for name in [criterion.name for criterion in rules.criteria if criterion.kind == "log-exposure"]:
        mine = exposures[exposures["criterion"] == name]
        parts = [np.log(mine.loc[mine["dose_level"] == level, "value"].to_numpy()) for level in levels]
        means = [part.mean() if part.size else 0.0 for part in parts]
        squares = [((part - mean) ** 2).sum() for part, mean in zip(parts, means, strict=True)]
        logs[name] = (np.array([part.size for part in parts]), np.array(means), np.array(squares))
    return LevelNumbers(rates=rates, logs=logs)


def _impossible(name: str, table: pd.DataFrame) -> list[Problem]:
    if name == "exposures":
        bad = (table["value"] < 0) | np.isinf(table["value"])
        twice = table.duplicated(["criterion", "dose_level", "subject_id"])
        return _problems(
            name, table, bad, "value", "an exposure must be a finite number, not negative"
        ) + _problems(name, table, twice, "subject_id", "a subject has one value per criterion and level")
    n, events = table["n"], table["n_event"]
    whole = (n >= 0) & (n % 1 == 0) & (events >= 0) & (events % 1 == 0)
    twice = table.duplicated(["criterion", "dose_level"])
    return (
        _problems(name, table, ~whole, "n", "n and n_event must be whole numbers, 0 or more")
        + _problems(name, table, whole & (events > n), "n_event", "n_event must not exceed n")
        + _problems(name, table, twice, "dose_level", "a criterion has one row per dose level")
    )


def _problems(
    name: str, table: pd.DataFrame, bad: "pd.Series[Any]", column: str, message: str
) -> list[Problem]:
    rows = np.flatnonzero(bad.to_numpy(dtype=bool))
    return [
        Problem(table=name, row=int(row) + 1, column=column, value=table[column].iloc[row],
                rule="DOSE-COUNTS", message=message)
        for row in rows
    ]  # fmt: skip


def _all_there(counts: pd.DataFrame, exposures: pd.DataFrame | None, rules: ScoreRules) -> None:
    """Refuse a criterion that no table knows: a misspelt name must not become a missing value."""
    scored = [criterion for criterion in rules.criteria if criterion.weight > 0]
    counted = [criterion.name for criterion in scored if criterion.kind == "binary"]
    measured = [criterion.name for criterion in scored if criterion.kind == "log-exposure"]
    if len(counts):
        _known("counts", counts, [*counted, rules.gates.toxicity, rules.gates.response])
    if measured and exposures is None:
        raise ValueError(f"exposures must be given: {', '.join(measured)} is a log-exposure criterion")
    if exposures is not None and len(exposures):
        _known("exposures", exposures, measured)


def _known(name: str, table: pd.DataFrame, wanted: list[str]) -> None:
    there = sorted(table["criterion"].unique().tolist())
    for criterion in wanted:
        if criterion not in there:
            found = ", ".join(there) or "none"
            raise ValueError(f"{name} must have rows of criterion {criterion!r}; it has {found}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """What one set of rules makes of the numbers; `best` and `recommended` are positions, -1 = none."""

    posteriors: dict[str, kernel.Posterior]
    scored: list[Criterion]
    gates: ranking.GateCheck
    observed: Flags
    no_variance: bool
    scores: Array
    best: npt.NDArray[np.int64]
    recommended: npt.NDArray[np.int64]

    @property
    def admissible(self) -> Flags:
        """Gates open, and every scored criterion observed."""
        return np.asarray(self.gates.admissible & self.observed, dtype=bool)

    @property
    def ranked(self) -> Flags:
        """Admissible, and with a score."""
        return np.asarray(self.admissible & ~np.isnan(self.scores), dtype=bool)


def judge_levels(numbers: LevelNumbers, rules: ScoreRules, how: kernel.Aggregator = "geometric") -> Verdict:
    """Posteriors, gates, scores and the choice under one set of rules."""
    gates = rules.gates
    posteriors = {c.name: numbers.posterior(c, rules.prior) for c in rules.criteria}
    scored = [criterion for criterion in rules.criteria if criterion.weight > 0]
    check = ranking.check_gates(
        numbers.rates[gates.toxicity], numbers.rates[gates.response], phi_t=gates.phi_t, c_t=gates.c_t,
        phi_e=gates.phi_e, c_e=gates.c_e, min_n=gates.min_n, prior=rules.prior,
    )  # fmt: skip
    scores = kernel.expected_score(
        [criterion.desirability.shape for criterion in scored],
        [posteriors[criterion.name] for criterion in scored],
        [criterion.weight for criterion in scored],
        how=how,
    )
    seen = {criterion.name: numbers.observed(criterion) for criterion in scored}
    no_variance = any(
        bool(flags.any()) and bool(np.isnan(posteriors[name].mean).all()) for name, flags in seen.items()
    )
    observed = np.asarray(np.all(list(seen.values()), axis=0), dtype=bool)
    best, recommended = ranking.choose(scores, check.admissible & observed, rules.plateau)
    return Verdict(
        posteriors=posteriors, scored=scored, gates=check, observed=observed, no_variance=no_variance,
        scores=scores, best=best, recommended=recommended,
    )  # fmt: skip


def recommended_positions(
    rates: Mapping[str, tuple[Array, Array]],
    logs: Mapping[str, tuple[Array, Array, Array]],
    rules: ScoreRules,
) -> npt.NDArray[np.int64]:
    """The level that the score recommends in each of many trials.

    Parameters
    ----------
    rates : mapping
        By criterion: events and subjects, trials x levels.
    logs : mapping
        By criterion of log exposure: subjects, mean of the logs and their sum of squares about it.
    rules : ScoreRules

    Returns
    -------
    ndarray of int
        Position of the level, -1 for none.
    """
    return judge_levels(LevelNumbers(rates=rates, logs=logs), rules).recommended


def status(verdict: Verdict) -> str:
    """`recommended`, or why no level is."""
    if verdict.recommended >= 0:
        return "recommended"
    if not verdict.gates.tested.any():
        return "no level tested"
    if not verdict.gates.admissible.any():
        return "no admissible level"
    if not verdict.admissible.any():
        return "no admissible level with every criterion observed"
    return NO_VARIANCE if verdict.no_variance else "every score is 0"


def reasons(data: LevelData, verdict: Verdict, rules: ScoreRules) -> list[str]:
    """Why each level is not admissible, or has no score; empty where it has."""
    gates, check = rules.gates, verdict.gates
    toxic = [level for level, flag in zip(data.levels, check.too_toxic, strict=True) if flag]
    lacking = {criterion.name: ~data.numbers.observed(criterion) for criterion in verdict.scored}
    reasons = []
    for j in range(len(data.levels)):
        why = []
        if not check.tested[j]:
            why.append(f"not tested: nobody evaluable for {gates.toxicity}")
        else:
            why += [f"{name} not observed" for name, flags in lacking.items() if flags[j]]
        if check.too_toxic[j]:
            p = f"P({gates.toxicity} rate > {gates.phi_t:g}) = {check.prob_toxic[j]:.3f}"
            why.append(f"too toxic: {p} > {gates.c_t:g}")
        if check.above_toxic[j]:
            why.append(f"above level {toxic[0]}, which is too toxic")
        if check.futile[j]:
            p = f"P({gates.response} rate < {gates.phi_e:g}) = {check.prob_futile[j]:.3f}"
            why.append(f"futile: {p} > {gates.c_e:g}")
        if not why and verdict.no_variance:
            why.append(NO_VARIANCE)
        reasons.append("; ".join(why))
    return reasons
