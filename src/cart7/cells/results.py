"""What the pharmacodynamic functions hand out, and their long rows.

Here: the results of `pd` with their columns. Not here: how they are computed (pd, counts, visits,
depletion), loss of response beside the cells (escape).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from cart7 import derive, results
from cart7.cells.counts import unit_of
from cart7.cells.rules import PdRules
from cart7.results import Texts

CONF_LEVEL = 0.95
STATISTICS = ("value", "change", "percent_change", "log10_change")
ENDPOINTS = ("clearance", "confirmed_clearance", "recovery", "relative_recovery")
MODEL = "random intercept, REML"

ARITHMETIC = ("mean", "sd", "se", "cv_percent", "mean_ci_low", "mean_ci_high")
GEOMETRIC = ("geo_mean", "geo_sd", "geo_cv_percent")
ORDER = ("median", "q1", "q3", "min", "max")
VISIT_COLUMNS = (
    "subject_id", "parameter", "visit", "day", "value", "log_value", "blq", "baseline", "change",
    "percent_change", "log10_change", "note",
)  # fmt: skip
SAMPLE_COLUMNS = ("subject_id", "parameter", "day", "value", "log_value", "blq", "lloq", "unit")
SUMMARY_COLUMNS = (
    "parameter", "visit", "group", "statistic_of", "n", "n_blq", *ARITHMETIC, *ORDER, *GEOMETRIC, "note",
)  # fmt: skip
DEPLETION_COLUMNS = (
    "baseline", "baseline_day", "baseline_pre_ld", "nadir", "nadir_day", "nadir_percent_of_baseline",
    "clearance_time", "clearance_event", "clearance_left", "clearance_right",
    "confirmed_clearance_time", "confirmed_clearance_event", "recovery_time", "recovery_event",
    "relative_recovery_time", "relative_recovery_event", "recovery_after_nadir_day", "aplasia_duration",
    "auec_last", "auec_last_day", "auec_window", "auec_net", "auec_suppression_percent",
)  # fmt: skip
CURVE_COLUMNS = (
    "endpoint", "group", "time", "n_risk", "n_event", "n_censor", "survival", "ci_low", "ci_high",
)  # fmt: skip
QUANTILES = {
    "q25": "25 %", "median": "median", "q75": "75 %",
    "median_ci_low": "lower limit of the median", "median_ci_high": "upper limit of the median",
}  # fmt: skip
ENDPOINT_COLUMNS = (
    "endpoint", "group", "n", "n_event", *QUANTILES, "estimate", "ci_low", "ci_high", "conf_level", "method",
    "note",
)  # fmt: skip


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

    `samples` holds every usable sample, those after the censoring event included; times are days since
    infusion. `intervals` (subject_id, endpoint, event, left, right, note): the event lies in (left, right],
    without one it is later than left and right is missing. `curves`: the Kaplan-Meier steps of each endpoint
    and group, `survival` = the fraction without the event, with log-log limits.
    """

    title: ClassVar[str] = "Depletion of CD7+ cells"
    figure: ClassVar[str] = "pd_depletion"

    rules: PdRules
    parameter: str
    unit: str
    samples: pd.DataFrame = field(repr=False)
    intervals: pd.DataFrame = field(repr=False)
    curves: pd.DataFrame = field(repr=False)
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


def _visit_long(result: VisitResult) -> list[pd.DataFrame]:
    """Long rows of `by_visit`: the summary (geometric statistics of the value only), then the samples."""
    summary, subjects = result.summary, result.subjects
    own = summary["parameter"].map(lambda parameter: unit_of(result.units, parameter))
    unit = summary["statistic_of"].map({"percent_change": "%", "log10_change": "log10"}).fillna(own)
    measured = ("mean", "sd", "se", "mean_ci_low", "mean_ci_high", *ORDER, "geo_mean")
    units = {**dict.fromkeys(measured, unit), "cv_percent": "%", "geo_cv_percent": "%"}
    method = dict.fromkeys(("mean_ci_low", "mean_ci_high"), "Student t 95 %")
    method |= dict.fromkeys(("q1", "q3"), f"quantile type {result.rules.quantile_type}")
    param = summary["parameter"] + ":" + summary["statistic_of"]
    counted = ("n", "n_blq", *ARITHMETIC, *ORDER)
    rows = [
        results.long_rows(
            summary[mine], analysis="pd.by_visit", param=param[mine], timepoint=summary["visit"][mine],
            population=result.population, group=summary["group"][mine], stats=stats,
            units={name: word if isinstance(word, str) else word[mine] for name, word in units.items()},
            method=method,
        )
        for mine, stats in (
            (summary["statistic_of"] == "value", (*counted, *GEOMETRIC)),
            (summary["statistic_of"] != "value", counted),
        )
    ]  # fmt: skip
    unit = subjects["parameter"].map(lambda parameter: unit_of(result.units, parameter))
    units = {"day": "days", "percent_change": "%", "log10_change": "log10"}
    units |= dict.fromkeys(("value", "log_value", "baseline", "change"), unit)
    samples = results.long_rows(
        subjects, analysis="pd.by_visit", param=subjects["parameter"], timepoint=subjects["visit"],
        population=result.population, subject_id=subjects["subject_id"], stats=VISIT_COLUMNS[3:-1],
        units=units, reasons=_as_series(result.reasons, subjects),
    )  # fmt: skip
    return [*rows, samples]


def _depletion_long(result: DepletionResult) -> list[pd.DataFrame]:
    """Long rows of `depletion`: the endpoints, then the subjects."""
    summary, subjects = result.summary, result.subjects
    method = dict.fromkeys(QUANTILES, "Kaplan-Meier, log-log 95 %")
    method |= dict.fromkeys(("estimate", "ci_low", "ci_high"), summary["method"])
    endpoints = results.long_rows(
        summary, analysis="pd.depletion", param=result.parameter + ":" + summary["endpoint"],
        population=result.population, group=summary["group"], stats=ENDPOINT_COLUMNS[2:-3],
        units=dict.fromkeys(QUANTILES, "days"), method=method,
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
    between = result.intervals
    bounds = results.long_rows(
        between, analysis="pd.depletion", param=result.parameter + ":" + between["endpoint"],
        population=result.population, subject_id=between["subject_id"], stats=("left", "right"),
        units=dict.fromkeys(("left", "right"), "days"),
    )  # fmt: skip
    return [endpoints, courses, bounds]


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
