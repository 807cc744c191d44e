"""Pharmacodynamics: how far CD7+ cells fall after the infusion, for how long, and when they come back.

Here: the record of each visit with its change from baseline and their summary (`by_visit`); depth and
duration of the depletion with its Kaplan-Meier summary (`depletion`); means by visit smoothed by a random
intercept (`mixed_model`); loss of response beside the cells (`escape`). Not here, though named here: rules
and results (`cells`), usable samples and baselines (`cell_counts`), the sample of a visit (`cell_visits`),
nadir, clearance and recovery of a course (`depletion_course`), the arithmetic (stats).
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from cart7 import derive, results
from cart7.cells import counts as cell_counts
from cart7.cells import depletion as depletion_course
from cart7.cells import visits as cell_visits
from cart7.cells.counts import Course, Table, unit_of
from cart7.cells.depletion import below_name
from cart7.cells.escape import EscapeResult, EscapeRules, classified, counted
from cart7.cells.results import (
    ARITHMETIC,
    CONF_LEVEL,
    CURVE_COLUMNS,
    DEPLETION_COLUMNS,
    ENDPOINT_COLUMNS,
    ENDPOINTS,
    GEOMETRIC,
    ORDER,
    QUANTILES,
    SAMPLE_COLUMNS,
    STATISTICS,
    SUMMARY_COLUMNS,
    VISIT_COLUMNS,
    DepletionResult,
    MixedModelResult,
    VisitResult,
)
from cart7.cells.rules import PdRules
from cart7.cells.visits import BASELINE
from cart7.derive import Window
from cart7.results import joined
from cart7.stats import proportions, random_intercept, summaries, survival_curves

__all__ = [
    "DepletionResult", "EscapeResult", "EscapeRules", "MixedModelResult", "PdRules", "VisitResult", "Window",
    "by_visit", "depletion", "escape", "mixed_model",
]  # fmt: skip

Floats: TypeAlias = NDArray[np.float64]

NOBODY = summaries.describe(())
DEFAULT_RULES = PdRules()
DEFAULT_ESCAPE = EscapeRules()

_VISIT = ["parameter", "visit"]


def by_visit(
    pd_samples: Table,
    subjects: Table,
    *,
    lymphodepletion: Table | None = None,
    parameter: str | None = None,
    by: str | None = "dose_level",
    rules: PdRules = DEFAULT_RULES,
) -> VisitResult:
    """Values and changes from baseline at each visit.

    Parameters
    ----------
    pd_samples : DataFrame or sequence of PdSample
        `subject_id, parameter, value`, `day` (days since infusion) or `sample_date`; `blq`, `lloq` in
        the unit of `value`; `nominal_label` where visits are labels; `unit`.
    subjects : DataFrame or sequence of Subject
        The analysis set; `infusion_date` where days come from dates.
    lymphodepletion : DataFrame or sequence of LymphodepletionDose, optional
        Its first `day` per subject is the start of lymphodepletion.
    parameter : str, optional
        One parameter of the table; None is each of them.
    by : str or None
        Column of `subjects` that defines the groups; None gives ALL only.
    rules : PdRules
        Baseline, windows, values below the limit, quartiles.

    Returns
    -------
    VisitResult
        `.subjects`: one row per subject, parameter and visit with a usable sample. `.summary`: one row per
        `parameter, visit, group, statistic_of`, with n = 0 where nobody has a sample.

    Raises
    ------
    ValueError
        If `parameter` is not in the table or `by` is not a column of `subjects`.
    UnitError
        If a parameter stands in two units.

    Notes
    -----
    A change exists for samples after the baseline sample only. A baseline below the limit gives a change
    but no percent and no log10 change.

    Examples
    --------
    >>> samples = pd.DataFrame({"subject_id": ["1", "1"], "parameter": "CD7POS_ABS", "day": [-1.0, 28.2],
    ...                         "value": [800.0, np.nan], "blq": [None, "BLQ"], "lloq": 1.0})
    >>> visits = by_visit(samples, pd.DataFrame({"subject_id": ["1"]})).subjects
    >>> visits[["visit", "value", "log_value", "percent_change"]].to_numpy().tolist()[1]
    ['D28', 0.0, 0.5, -100.0]
    """
    course = _course(pd_samples, subjects, parameter, rules, labelled=rules.visit_by == "nominal-label")
    baseline = cell_counts.baselines(course, lymphodepletion, rules.baseline)
    chosen, visits = cell_visits.chosen(course, baseline, rules)
    table, reasons = cell_visits.changes(chosen, baseline)
    unused = course.samples.drop(index=chosen.index.union(baseline.samples.index))
    why = np.where(
        cell_visits.in_a_visit(unused, rules),
        "another sample of the visit was chosen",
        "outside every visit window",
    )
    return VisitResult(
        subjects=table[list(VISIT_COLUMNS)].reset_index(drop=True),
        summary=_summary(table, course, visits, by, rules),
        excluded=results.concat(
            [course.excluded, results.excluded_rows(unused, "pd", pd.Series(why, index=unused.index))],
            results.EXCLUDED_COLUMNS,
        ),
        rules=rules,
        population=derive.population(course.people),
        samples=course.samples[list(SAMPLE_COLUMNS)].reset_index(drop=True),
        units=course.units,
        reasons=reasons,
    )


def depletion(
    pd_samples: Table,
    subjects: Table,
    events: Table | None = None,
    *,
    lymphodepletion: Table | None = None,
    parameter: str,
    by: str | None = "dose_level",
    rules: PdRules = DEFAULT_RULES,
) -> DepletionResult:
    """Nadir, clearance, recovery and area under the effect curve of one parameter.

    Parameters
    ----------
    pd_samples, subjects, lymphodepletion, by, rules
        As in `by_visit`.
    events : DataFrame or sequence of StudyEvent, optional
        `subject_id, event` and `day` or `date`; samples after the first of `rules.censor_at` (day 0 or
        later) are left out.
    parameter : str
        The parameter, for instance `CD7POS_ABS`.

    Returns
    -------
    DepletionResult
        `.subjects`: one row per subject of `subjects`; times in days since infusion, values in the unit of
        the parameter, areas in that unit times days. `.summary`: per `endpoint` (`clearance`,
        `confirmed_clearance`, `recovery`, `relative_recovery`; recoveries among the cleared) and group,
        Kaplan-Meier quantiles with log-log limits and the fraction with the event (Clopper-Pearson).

    Raises
    ------
    ValueError
        If `parameter` is not in the table or `by` is not a column of `subjects`.
    UnitError
        If the parameter stands in two units.

    Notes
    -----
    Cleared: first day > 0 below the limit, counted from an evaluable baseline (there, and not below the
    limit); confirmed: the next sample is below the limit too. Without an event the time ends at the last
    sample (0 without one). The event lies in (clearance_left, clearance_right].

    Examples
    --------
    >>> samples = pd.DataFrame({"subject_id": "1", "parameter": "CD7POS_ABS", "lloq": 1.0,
    ...                         "day": [-1.0, 7.0, 14.0, 28.0, 90.0], "value": [800, 200, 0, 0, 450]})
    >>> table = depletion(samples, pd.DataFrame({"subject_id": ["1"]}), parameter="CD7POS_ABS").subjects
    >>> table[["clearance_time", "recovery_time", "aplasia_duration", "auec_window"]].to_numpy().tolist()
    [[14.0, 90.0, 76.0, 4200.0]]
    """
    course = _course(pd_samples, subjects, parameter, rules, labelled=False)
    used, late = cell_counts.before_censoring(course, events, rules.censor_at)
    ids = pd.Index(course.people["subject_id"], name="subject_id")
    first = cell_counts.baselines(course, lymphodepletion, rules.baseline)
    before_ld = cell_counts.baselines(course, lymphodepletion, "last-before-lymphodepletion")
    own, pre_ld = cell_counts.of_subjects(first, ids), cell_counts.of_subjects(before_ld, ids)
    early = cell_counts.early_samples(used, (first, before_ld), own)
    table = pd.DataFrame(
        {"baseline": own["value"], "baseline_day": own["day"], "baseline_pre_ld": pre_ld["value"]}
    )
    reasons = {"baseline": own["why"], "baseline_day": own["why"], "baseline_pre_ld": pre_ld["why"]}
    for derived in depletion_course.DERIVATIONS:
        columns, why = derived(used, own, table, rules)
        table = table.assign(**columns)
        reasons.update(why)
    table["note"] = joined(table, reasons)
    order = [*DEPLETION_COLUMNS, *map(below_name, rules.thresholds), "note"]
    summary, curves = _endpoints(table, course.people, by)
    return DepletionResult(
        subjects=table[order].reset_index(),
        summary=summary,
        curves=curves,
        intervals=depletion_course.intervals(used, table, ENDPOINTS, reasons),
        excluded=results.concat([course.excluded, early, late], results.EXCLUDED_COLUMNS),
        rules=rules,
        population=derive.population(course.people),
        parameter=parameter,
        unit=unit_of(course.units, parameter),
        samples=course.samples[list(SAMPLE_COLUMNS)].reset_index(drop=True),
        reasons=reasons,
    )


def mixed_model(
    pd_samples: Table,
    subjects: Table,
    *,
    lymphodepletion: Table | None = None,
    parameter: str,
    rules: PdRules = DEFAULT_RULES,
) -> MixedModelResult:
    """Mean log10 value at each visit after baseline, with a random intercept per subject (REML).

    Parameters
    ----------
    pd_samples, subjects, lymphodepletion, parameter, rules
        As in `depletion`. Values below the limit enter as LLOQ/2.

    Returns
    -------
    MixedModelResult
        `.summary`: `visit, n, estimate, std_err, ci_low, ci_high` in log10 of the parameter's unit, and
        `note`. `.sd_subject`, `.sd_residual`, `.log_likelihood` as R ``nlme::lme`` prints them.

    Raises
    ------
    ValueError
        If `parameter` is not in the table.

    Notes
    -----
    Useful to carry subjects over missing visits; with nine subjects no unstructured covariance can be
    had. The samples are those of `by_visit` after the baseline sample (without one: after day 0).
    Intervals are Student t with the degrees of freedom of ``lme``.

    Examples
    --------
    >>> samples = pd.DataFrame({"subject_id": ["1", "1", "2", "2", "3", "3"], "parameter": "CD7POS_ABS",
    ...                         "day": [4, 14] * 3, "value": [100, 10, 1000, 20, 200, 5.0]})
    >>> model = mixed_model(samples, pd.DataFrame({"subject_id": ["1", "2", "3"]}), parameter="CD7POS_ABS")
    >>> model.summary.query("n > 0")[["visit", "n"]].to_numpy().tolist()
    [['D4', 3], ['D14', 3]]
    """
    labelled = rules.visit_by == "nominal-label"
    course = _course(pd_samples, subjects, parameter, rules, labelled=labelled)
    baseline = cell_counts.baselines(course, lymphodepletion, rules.baseline)
    chosen, visits = cell_visits.chosen(course, baseline, rules)
    since = baseline.samples.set_index("subject_id")["day"]
    after = chosen["day"] > chosen["subject_id"].map(since).fillna(0.0)
    used = chosen[after & (chosen["visit"] != BASELINE) & (chosen["log_value"] > 0)]
    used = used.assign(log10_value=np.log10(used["log_value"]))
    names = [visit for _, visit in visits if visit != BASELINE]
    who, at = pd.factorize(used["subject_id"])[0], used["visit"].map(names.index)
    fit = random_intercept.fit(used["log10_value"], at, who, n_visits=len(names))
    unused = results.excluded_rows(
        course.samples.drop(index=used.index), "pd", "not the sample of a visit after baseline"
    )
    return MixedModelResult(
        subjects=used[["subject_id", "visit", "day", "log10_value"]].assign(note="").reset_index(drop=True),
        summary=_means(names, fit),
        excluded=results.concat([course.excluded, unused], results.EXCLUDED_COLUMNS),
        rules=rules,
        population=derive.population(course.people),
        parameter=parameter,
        note=fit.note,
        sd_subject=fit.sd_subject,
        sd_residual=fit.sd_residual,
        log_likelihood=fit.log_likelihood,
    )


def escape(
    relapses: pd.DataFrame,
    persistence: pd.DataFrame,
    depletion: pd.DataFrame | None = None,
    *,
    population: str = "",
    rules: EscapeRules = DEFAULT_ESCAPE,
) -> EscapeResult:
    """How response was lost: CAR-T cells gone, CD7 gone from the tumour, or neither; or no expansion.

    Parameters
    ----------
    relapses : DataFrame
        `response.relapses(...)`: subject_id, kind, day (days since infusion); relapse_cd7, hsct_day, last_day
        and note where they are there. One row per subject, also of those who did not relapse.
    persistence : DataFrame
        `pk.persistence(...).subjects` of one assay: subject_id, last_quantifiable_day, first_blq_day.
    depletion : DataFrame, optional
        `depletion(...).subjects`: subject_id, clearance_time, clearance_event, recovery_time, recovery_event.
    population : str
        Name of the analysis set.
    rules : EscapeRules
        How long a sample stands for the cells after it.

    Returns
    -------
    EscapeResult
        Classes, first true: `AFTER_HSCT`; `NO_EXPANSION` (never quantifiable); with a CD7-negative relapse
        `CD7_NEGATIVE_CART_PRESENT`, `CD7_NEGATIVE_CART_LOST` or `CD7_NEGATIVE` (cells not known); otherwise
        `CART_LOST` (before the relapse), `CART_PRESENT` (CD7 positive or not known), `NOT_KNOWN`.
        `NO_RELAPSE` for all others.

    Raises
    ------
    DataError
        If a frame lacks a column.
    ValueError
        If a frame has two rows of a subject.

    Notes
    -----
    Present: quantifiable on or after the day of the relapse, or within `carry_days` before it and no sample
    since. Lost: below the limit by that day, and never quantifiable again. It describes, and proves no cause:
    cells may be lost because nothing was left to bind.

    Examples
    --------
    >>> relapses = pd.DataFrame({"subject_id": ["1"], "kind": "RELAPSE", "day": 248.0, "relapse_cd7": "NEG"})
    >>> cells = pd.DataFrame({"subject_id": ["1"], "last_quantifiable_day": 351.3, "first_blq_day": np.nan})
    >>> escape(relapses, cells).subjects["escape"].tolist()
    ['CD7_NEGATIVE_CART_PRESENT']
    """
    table, reasons = classified(relapses, persistence, depletion, rules)
    return EscapeResult(
        subjects=table, summary=counted(table), rules=rules, population=population, reasons=reasons
    )


def _course(
    pd_samples: Table, subjects: Table, parameter: str | None, rules: PdRules, *, labelled: bool
) -> Course:
    half = rules.blq_arithmetic == "half-lloq"
    return cell_counts.read(pd_samples, subjects, parameter, labelled=labelled, half_lloq=half)


def _summary(
    table: pd.DataFrame, course: Course, visits: Sequence[tuple[str, str]], by: str | None, rules: PdRules
) -> pd.DataFrame:
    """One row per parameter, visit, group and statistic."""
    place = pd.Series(np.arange(len(course.people)), index=course.people["subject_id"])
    who = place.reindex(table["subject_id"]).to_numpy()
    numbers = {name: table[name].to_numpy(dtype=float) for name in (*STATISTICS, "log_value", "blq")}
    cells = table.groupby(_VISIT).indices
    groups = derive.groups(course.people, by)
    rows = []
    for parameter, visit in visits:
        cell = cells.get((parameter, visit), np.empty(0, dtype=np.intp))
        percent = unit_of(course.units, parameter).startswith("%")
        for group, member in groups:
            mine = {name: column[cell[member[who[cell]]]] for name, column in numbers.items()}
            for statistic in STATISTICS:
                row = {"parameter": parameter, "visit": visit, "group": group, "statistic_of": statistic}
                rows.append(row | _line(mine, statistic, percent, rules))
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS)).astype({"n": "int64", "n_blq": "int64"})


def _line(mine: Mapping[str, Floats], statistic: str, percent: bool, rules: PdRules) -> dict[str, Any]:
    """Descriptive line of one statistic of the samples in one cell of the summary."""
    there = ~np.isnan(mine[statistic])
    line = summaries.describe(
        mine[statistic][there], conf_level=CONF_LEVEL, quantile_type=rules.quantile_type
    )
    logs = mine["log_value"][there]
    of_value = statistic == "value" and not np.isnan(logs).any()
    geometric = summaries.describe(logs, conf_level=CONF_LEVEL) if of_value else NOBODY
    row: dict[str, Any] = {"n": line.n, "n_blq": int(mine["blq"][there].sum())}
    row |= {name: getattr(line, name) for name in (*ARITHMETIC, *ORDER)}
    row |= {name: getattr(geometric, name) for name in GEOMETRIC}
    outside = statistic == "value" and percent and (line.mean_ci_low < 0 or line.mean_ci_high > 100)
    notes = (
        (line.n == 0, "not defined for any sample" if there.size else "no sample"),
        (line.n == 1, "one value: no spread"),
        (line.n > 1 and np.isnan(line.cv_percent), "mean is 0: no coefficient of variation"),
        (line.n > 0 and statistic == "value" and not of_value, "geometric: a value is 0 or without LLOQ"),
        (line.n > 0 and statistic != "value", "geometric statistics are of the value only"),
        (outside, "t interval of the mean leaves 0-100 %"),
    )
    return row | {"note": "; ".join(text for holds, text in notes if holds)}


def _endpoints(
    table: pd.DataFrame, people: pd.DataFrame, by: str | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Kaplan-Meier quantiles with the fraction with the event, and the curves, per endpoint and group."""
    rows, curves = [], []
    for endpoint in ENDPOINTS:
        time, event = table[f"{endpoint}_time"].to_numpy(), table[f"{endpoint}_event"].to_numpy()
        for group, member in derive.groups(people, by):
            mine = member & ~np.isnan(event)
            key = {"endpoint": endpoint, "group": group}
            rows.append(key | _times(time[mine], event[mine]))
            curves.append(_steps(time[mine], event[mine]).assign(**key))
    return pd.DataFrame(rows, columns=list(ENDPOINT_COLUMNS)), results.concat(
        [curve[list(CURVE_COLUMNS)] for curve in curves], CURVE_COLUMNS
    )


def _steps(time: NDArray[np.float64], event: NDArray[np.float64]) -> pd.DataFrame:
    """The steps of one curve with log-log limits."""
    if not event.size:
        return pd.DataFrame(columns=list(CURVE_COLUMNS))
    steps = survival_curves.curve(time, event)
    low, high = survival_curves.limits(steps, conf_type="log-log", conf_level=CONF_LEVEL)
    return pd.DataFrame(
        {"time": steps.time, "n_risk": steps.n_risk, "n_event": steps.n_event, "n_censor": steps.n_censor,
         "survival": steps.survival, "ci_low": low, "ci_high": high}
    )  # fmt: skip


def _times(time: NDArray[np.float64], event: NDArray[np.float64]) -> dict[str, Any]:
    """Quantiles of one Kaplan-Meier curve as R survfit prints them, and the fraction with the event."""
    n, n_event = event.size, int(event.sum())
    low, high = proportions.interval(n_event, n, conf_level=CONF_LEVEL)
    row: dict[str, Any] = {"n": n, "n_event": n_event, **dict.fromkeys(QUANTILES, np.nan)}
    row |= {"estimate": n_event / n if n else np.nan, "ci_low": float(low), "ci_high": float(high)}
    row |= {"conf_level": CONF_LEVEL, "method": "Clopper-Pearson"}
    if n == 0:
        return row | {"note": "no evaluable subject"}
    steps = survival_curves.curve(time, event)
    band = survival_curves.limits(steps, conf_type="log-log", conf_level=CONF_LEVEL)
    for name, p in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
        row[name] = survival_curves.step_quantile(steps.time, steps.survival, p)
    row["median_ci_low"], row["median_ci_high"] = survival_curves.quantile_limits(steps.time, *band, 0.5)
    not_reached = [word for name, word in QUANTILES.items() if np.isnan(row[name])]
    return row | {"note": f"not reached: {', '.join(not_reached)}" if not_reached else ""}


def _means(names: Sequence[str], fit: random_intercept.VisitMeans) -> pd.DataFrame:
    """Means of the mixed model by visit, with Student t intervals."""
    half = stdtrit(fit.df, (1 + CONF_LEVEL) / 2) * fit.std_err if fit.df > 0 else np.nan
    table = pd.DataFrame({"visit": names, "n": fit.n, "estimate": fit.estimate, "std_err": fit.std_err})
    table = table.assign(ci_low=fit.estimate - half, ci_high=fit.estimate + half)
    reason = fit.note or "no degrees of freedom for the interval"
    note = np.where(table["n"] == 0, "no sample", np.where(table["ci_low"].isna(), reason, ""))
    return table.assign(note=note)
