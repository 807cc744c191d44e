"""Pharmacodynamics: how far CD7+ cells fall after the infusion, for how long, and when they come back.

Here: the record of each visit with its change from baseline and their summary (`by_visit`); depth and
duration of the depletion with its Kaplan-Meier summary (`depletion`); means by visit smoothed by a random
intercept (`mixed_model`). Not here: usable samples and baselines (`cell_counts`), the sample of a visit
(`cell_visits`), nadir, clearance and recovery of a course (`depletion_course`), the arithmetic (stats).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator
from scipy.special import stdtrit

from cart7 import derive, results
from cart7.cells import counts as cell_counts
from cart7.cells import depletion as depletion_course
from cart7.cells import visits as cell_visits
from cart7.cells.counts import Course, Table, unit_of
from cart7.cells.depletion import below_name
from cart7.cells.visits import BASELINE
from cart7.derive import Window
from cart7.results import Texts, joined
from cart7.stats import proportions, random_intercept, summaries, survival_curves

__all__ = [
    "DepletionResult", "MixedModelResult", "PdRules", "VisitResult", "Window", "by_visit", "depletion",
    "mixed_model",
]  # fmt: skip

Floats: TypeAlias = NDArray[np.float64]
CensoringEvent = Literal["HSCT", "NEW_THERAPY", "SECOND_INFUSION", "PROGRESSION", "WITHDRAWAL"]

CONF_LEVEL = 0.95
STATISTICS = ("value", "change", "percent_change", "log10_change")
ENDPOINTS = ("clearance", "confirmed_clearance", "recovery", "relative_recovery")
NOBODY = summaries.describe(())
MODEL = "random intercept, REML"

_ARITHMETIC = ("mean", "sd", "se", "cv_percent", "mean_ci_low", "mean_ci_high")
_GEOMETRIC = ("geo_mean", "geo_sd", "geo_cv_percent")
_ORDER = ("median", "q1", "q3", "min", "max")
_VISIT_COLUMNS = (
    "subject_id", "parameter", "visit", "day", "value", "log_value", "blq", "baseline", "change",
    "percent_change", "log10_change", "note",
)  # fmt: skip
_SAMPLE_COLUMNS = ("subject_id", "parameter", "day", "value", "log_value", "blq", "lloq", "unit")
_SUMMARY_COLUMNS = (
    "parameter", "visit", "group", "statistic_of", "n", "n_blq", *_ARITHMETIC, *_ORDER, *_GEOMETRIC, "note",
)  # fmt: skip
_DEPLETION_COLUMNS = (
    "baseline", "baseline_day", "baseline_pre_ld", "nadir", "nadir_day", "nadir_percent_of_baseline",
    "clearance_time", "clearance_event", "clearance_left", "clearance_right",
    "confirmed_clearance_time", "confirmed_clearance_event", "recovery_time", "recovery_event",
    "relative_recovery_time", "relative_recovery_event", "recovery_after_nadir_day", "aplasia_duration",
    "auec_last", "auec_last_day", "auec_window", "auec_net", "auec_suppression_percent",
)  # fmt: skip
_QUANTILES = {
    "q25": "25 %", "median": "median", "q75": "75 %",
    "median_ci_low": "lower limit of the median", "median_ci_high": "upper limit of the median",
}  # fmt: skip
_ENDPOINT_COLUMNS = (
    "endpoint", "group", "n", "n_event", *_QUANTILES, "estimate", "ci_low", "ci_high", "conf_level", "method",
    "note",
)  # fmt: skip
_VISIT = ["parameter", "visit"]


class PdRules(BaseModel):
    """The choices of the statistical analysis plan that change pharmacodynamic numbers.

    Parameters
    ----------
    baseline : {"last-before-infusion", "last-before-lymphodepletion"}
        Last sample with day <= 0, or last sample before the first day of lymphodepletion.
    windows : mapping of str to Window
        Visit windows in whole days since infusion; gaps are allowed, overlaps are refused.
    visit_by : {"window", "nominal-label"}
        A visit is a window, or a label of the table (then its first usable record counts).
    tie : {"later", "earlier"}
        Which of two samples equally near the target day counts.
    blq_arithmetic : 0 or "half-lloq"
        What stands for a value below the limit in `value` and in every arithmetic statistic.
    blq_log : {"half-lloq"}
        What stands for it where logarithms are taken.
    quantile_type : {2, 6, 7}
        Definition of the quartiles (2 = SAS default, 7 = R default).
    thresholds : tuple of float
        Levels, in the unit of the parameter, for `first_day_below_...`.
    recovery : float
        Level at or above which a cleared subject has recovered, in the unit of the parameter.
    recovery_relative : float
        The same as a fraction of the subject's baseline.
    auec_window : (float, float)
        Days between which the area under the effect curve is taken.
    censor_at : tuple of event words
        Samples after the first of these events are left out of `depletion`.

    Examples
    --------
    >>> PdRules(windows={"D28": Window(28, 25, 35)}, quantile_type=7).windows["D28"].target
    28.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    baseline: Literal["last-before-infusion", "last-before-lymphodepletion"] = "last-before-infusion"
    windows: dict[str, Window] = {
        "D4": Window(4, 3, 5),
        "D7": Window(7, 6, 8),
        "D10": Window(10, 9, 11),
        "D14": Window(14, 12, 17),
        "D21": Window(21, 18, 24),
        "D28": Window(28, 25, 35),
        "M2": Window(60, 46, 75),
        "M3": Window(90, 76, 104),
        "M6": Window(180, 152, 208),
    }
    visit_by: Literal["window", "nominal-label"] = "window"
    tie: Literal["later", "earlier"] = "later"
    blq_arithmetic: float | Literal["half-lloq"] = 0.0
    blq_log: Literal["half-lloq"] = "half-lloq"
    quantile_type: Literal[2, 6, 7] = 2
    thresholds: tuple[float, ...] = (5.0, 1.0)
    recovery: float = Field(default=50.0, gt=0)
    recovery_relative: float = Field(default=0.5, gt=0)
    auec_window: tuple[float, float] = (0, 28)
    censor_at: tuple[CensoringEvent, ...] = ("HSCT", "NEW_THERAPY")

    @field_validator("windows")
    @classmethod
    def _apart(cls, windows: dict[str, Window]) -> dict[str, Window]:
        if BASELINE in windows:
            raise ValueError(f"{BASELINE} is the baseline visit, not the name of a window")
        derive.check_windows(windows)
        return windows

    @field_validator("blq_arithmetic")
    @classmethod
    def _zero_or_half(cls, value: float | str) -> float | str:
        if value not in (0.0, "half-lloq"):
            raise ValueError(f"blq_arithmetic must be 0 or 'half-lloq', got {value!r}")
        return value

    @field_validator("thresholds")
    @classmethod
    def _levels(cls, thresholds: tuple[float, ...]) -> tuple[float, ...]:
        if len({below_name(level) for level in thresholds}) < len(thresholds) or not all(
            0 < level < np.inf for level in thresholds
        ):
            raise ValueError(f"thresholds must be different numbers above 0, got {thresholds}")
        return thresholds

    @field_validator("auec_window")
    @classmethod
    def _from_to(cls, window: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= window[0] < window[1] < np.inf:
            raise ValueError(f"auec_window must be (from, to) with 0 <= from < to, got {window}")
        return window


DEFAULT_RULES = PdRules()


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitResult(results.EndpointResult):
    """Samples chosen per subject, parameter and visit, and their summary.

    `samples` holds every usable sample (`subject_id, parameter, day, value, log_value, blq, lloq`,
    values after the rules for values below the limit); `units` the unit of each parameter.
    """

    title: ClassVar[str] = "CD7+ cells by visit"
    figure: ClassVar[str] = "pd_by_visit"

    rules: PdRules
    samples: pd.DataFrame = field(repr=False)
    units: Mapping[str, str] = field(repr=False)
    reasons: Mapping[str, Texts] = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        return _visit_long(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class DepletionResult(results.EndpointResult):
    """Depth and duration of the depletion of one parameter, per subject and per group.

    `samples` holds every usable sample, those after the censoring event included; times are days
    since infusion.
    """

    title: ClassVar[str] = "Depletion of CD7+ cells"
    figure: ClassVar[str] = "pd_depletion"

    rules: PdRules
    parameter: str
    unit: str
    samples: pd.DataFrame = field(repr=False)
    reasons: Mapping[str, Texts] = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        return _depletion_long(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class MixedModelResult(results.EndpointResult):
    """Mean log10 value by visit under a random intercept; `subjects` holds the values that entered.

    `log_likelihood` is the restricted one, `sd_subject` and `sd_residual` are in log10 units; NaN where
    there is no fit, and `note` says why.
    """

    title: ClassVar[str] = "CD7+ cells: means by visit, random intercept"

    rules: PdRules
    parameter: str
    sd_subject: float
    sd_residual: float
    log_likelihood: float
    note: str = ""

    def _long(self) -> list[pd.DataFrame]:
        return _mixed_long(self)


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
        subjects=table[list(_VISIT_COLUMNS)].reset_index(drop=True),
        summary=_summary(table, course, visits, by, rules),
        excluded=results.concat(
            [course.excluded, results.excluded_rows(unused, "pd", pd.Series(why, index=unused.index))],
            results.EXCLUDED_COLUMNS,
        ),
        rules=rules,
        population=derive.population(course.people),
        samples=course.samples[list(_SAMPLE_COLUMNS)].reset_index(drop=True),
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
    order = [*_DEPLETION_COLUMNS, *map(below_name, rules.thresholds), "note"]
    return DepletionResult(
        subjects=table[order].reset_index(),
        summary=_endpoint_summary(table, course.people, by),
        excluded=results.concat([course.excluded, early, late], results.EXCLUDED_COLUMNS),
        rules=rules,
        population=derive.population(course.people),
        parameter=parameter,
        unit=unit_of(course.units, parameter),
        samples=course.samples[list(_SAMPLE_COLUMNS)].reset_index(drop=True),
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
    return pd.DataFrame(rows, columns=list(_SUMMARY_COLUMNS)).astype({"n": "int64", "n_blq": "int64"})


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
    row |= {name: getattr(line, name) for name in (*_ARITHMETIC, *_ORDER)}
    row |= {name: getattr(geometric, name) for name in _GEOMETRIC}
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


def _endpoint_summary(table: pd.DataFrame, people: pd.DataFrame, by: str | None) -> pd.DataFrame:
    """Kaplan-Meier quantiles and the fraction with the event, per endpoint and group."""
    rows = []
    for endpoint in ENDPOINTS:
        time, event = table[f"{endpoint}_time"].to_numpy(), table[f"{endpoint}_event"].to_numpy()
        for group, member in derive.groups(people, by):
            mine = member & ~np.isnan(event)
            rows.append({"endpoint": endpoint, "group": group} | _times(time[mine], event[mine]))
    return pd.DataFrame(rows, columns=list(_ENDPOINT_COLUMNS))


def _times(time: NDArray[np.float64], event: NDArray[np.float64]) -> dict[str, Any]:
    """Quantiles of one Kaplan-Meier curve as R survfit prints them, and the fraction with the event."""
    n, n_event = event.size, int(event.sum())
    low, high = proportions.interval(n_event, n, conf_level=CONF_LEVEL)
    row: dict[str, Any] = {"n": n, "n_event": n_event, **dict.fromkeys(_QUANTILES, np.nan)}
    row |= {"estimate": n_event / n if n else np.nan, "ci_low": float(low), "ci_high": float(high)}
    row |= {"conf_level": CONF_LEVEL, "method": "Clopper-Pearson"}
    if n == 0:
        return row | {"note": "no evaluable subject"}
    steps = survival_curves.curve(time, event)
    band = survival_curves.limits(steps, conf_type="log-log", conf_level=CONF_LEVEL)
    for name, p in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
        row[name] = survival_curves.step_quantile(steps.time, steps.survival, p)
    row["median_ci_low"], row["median_ci_high"] = survival_curves.quantile_limits(steps.time, *band, 0.5)
    not_reached = [word for name, word in _QUANTILES.items() if np.isnan(row[name])]
    return row | {"note": f"not reached: {', '.join(not_reached)}" if not_reached else ""}


def _means(names: Sequence[str], fit: random_intercept.VisitMeans) -> pd.DataFrame:
    """Means of the mixed model by visit, with Student t intervals."""
    half = stdtrit(fit.df, (1 + CONF_LEVEL) / 2) * fit.std_err if fit.df > 0 else np.nan
    table = pd.DataFrame({"visit": names, "n": fit.n, "estimate": fit.estimate, "std_err": fit.std_err})
    table = table.assign(ci_low=fit.estimate - half, ci_high=fit.estimate + half)
    reason = fit.note or "no degrees of freedom for the interval"
    note = np.where(table["n"] == 0, "no sample", np.where(table["ci_low"].isna(), reason, ""))
    return table.assign(note=note)


def _visit_long(result: VisitResult) -> list[pd.DataFrame]:
    """Long rows of `by_visit`: the summary (geometric statistics of the value only), then the samples."""
    summary, subjects = result.summary, result.subjects
    own = summary["parameter"].map(lambda parameter: unit_of(result.units, parameter))
    unit = summary["statistic_of"].map({"percent_change": "%", "log10_change": "log10"}).fillna(own)
    measured = ("mean", "sd", "se", "mean_ci_low", "mean_ci_high", *_ORDER, "geo_mean")
    units = {**dict.fromkeys(measured, unit), "cv_percent": "%", "geo_cv_percent": "%"}
    method = dict.fromkeys(("mean_ci_low", "mean_ci_high"), "Student t 95 %")
    method |= dict.fromkeys(("q1", "q3"), f"quantile type {result.rules.quantile_type}")
    param = summary["parameter"] + ":" + summary["statistic_of"]
    counted = ("n", "n_blq", *_ARITHMETIC, *_ORDER)
    rows = [
        results.long_rows(
            summary[mine], analysis="pd.by_visit", param=param[mine], timepoint=summary["visit"][mine],
            population=result.population, group=summary["group"][mine], stats=stats,
            units={name: word if isinstance(word, str) else word[mine] for name, word in units.items()},
            method=method,
        )
        for mine, stats in (
            (summary["statistic_of"] == "value", (*counted, *_GEOMETRIC)),
            (summary["statistic_of"] != "value", counted),
        )
    ]  # fmt: skip
    unit = subjects["parameter"].map(lambda parameter: unit_of(result.units, parameter))
    units = {"day": "days", "percent_change": "%", "log10_change": "log10"}
    units |= dict.fromkeys(("value", "log_value", "baseline", "change"), unit)
    samples = results.long_rows(
        subjects, analysis="pd.by_visit", param=subjects["parameter"], timepoint=subjects["visit"],
        population=result.population, subject_id=subjects["subject_id"], stats=_VISIT_COLUMNS[3:-1],
        units=units, reasons=_as_series(result.reasons, subjects),
    )  # fmt: skip
    return [*rows, samples]


def _depletion_long(result: DepletionResult) -> list[pd.DataFrame]:
    """Long rows of `depletion`: the endpoints, then the subjects."""
    summary, subjects = result.summary, result.subjects
    method = dict.fromkeys(_QUANTILES, "Kaplan-Meier, log-log 95 %")
    method |= dict.fromkeys(("estimate", "ci_low", "ci_high"), summary["method"])
    endpoints = results.long_rows(
        summary, analysis="pd.depletion", param=result.parameter + ":" + summary["endpoint"],
        population=result.population, group=summary["group"], stats=_ENDPOINT_COLUMNS[2:-3],
        units=dict.fromkeys(_QUANTILES, "days"), method=method,
    )  # fmt: skip
    stats = [name for name in subjects.columns if name not in ("subject_id", "note")]
    area = f"{result.unit} x days"
    units = {name: "days" for name in stats if not name.endswith("_event")}
    units |= dict.fromkeys(("baseline", "baseline_pre_ld", "nadir"), result.unit)
    units |= dict.fromkeys(("nadir_percent_of_baseline", "auec_suppression_percent"), "%")
    units |= dict.fromkeys(("auec_last", "auec_window", "auec_net"), area)
    units |= {name: "1" for name in stats if name.endswith("_event")}
    courses = results.long_rows(
        subjects, analysis="pd.depletion", param=result.parameter, population=result.population,
        subject_id=subjects["subject_id"], stats=stats, units=units,
        reasons=_as_series(result.reasons, subjects),
    )  # fmt: skip
    return [endpoints, courses]


def _mixed_long(result: MixedModelResult) -> list[pd.DataFrame]:
    """Long rows of `mixed_model`: the means, the variance components, the values that entered."""
    summary, subjects = result.summary, result.subjects
    key: dict[str, Any] = {
        "analysis": "pd.mixed_model",
        "param": result.parameter,
        "population": result.population,
    }
    fields = ("sd_subject", "sd_residual", "log_likelihood")
    model = pd.DataFrame([{name: getattr(result, name) for name in fields} | {"note": result.note}])
    means = ("estimate", "std_err", "ci_low", "ci_high")
    return [
        results.long_rows(
            summary, **key, timepoint=summary["visit"], group=derive.ALL, stats=("n", *means),
            units=dict.fromkeys(means, "log10"), method=dict.fromkeys(means, MODEL),
        ),
        results.long_rows(
            model, **key, group=derive.ALL, stats=fields, method=MODEL,
            units=dict.fromkeys(fields[:2], "log10"),
        ),
        results.long_rows(
            subjects, **key, timepoint=subjects["visit"], subject_id=subjects["subject_id"],
            stats=("day", "log10_value"), units={"day": "days", "log10_value": "log10"},
        ),
    ]  # fmt: skip


def _as_series(reasons: Mapping[str, Texts], frame: pd.DataFrame) -> dict[str, pd.Series]:
    return {name: pd.Series(why, index=frame.index) for name, why in reasons.items()}
