"""Pharmacodynamics: how far CD7+ cells fall after the infusion, for how long, and when they come back.

Here: the record of each visit with its change from baseline and their summary (`by_visit`); nadir,
clearance, recovery, aplasia and the area under the effect curve of each subject (`depletion`).
Not here: quantiles and t intervals (stats.summaries), the Kaplan-Meier steps
(stats.survival_curves), windows and days (derive), drawing (report.figures).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7 import derive, records, results
from cart7.derive import Window
from cart7.errors import UnitError
from cart7.stats import proportions, summaries, survival_curves

__all__ = ["DepletionResult", "PdRules", "VisitResult", "Window", "by_visit", "depletion"]

Table: TypeAlias = pd.DataFrame | Iterable[records.Record]
Floats: TypeAlias = NDArray[np.float64]
Texts: TypeAlias = NDArray[np.object_]
CensoringEvent = Literal["HSCT", "NEW_THERAPY", "SECOND_INFUSION", "PROGRESSION", "WITHDRAWAL"]

BASELINE = "BASELINE"
CONF_LEVEL = 0.95
STATISTICS = ("value", "change", "percent_change", "log10_change")
ENDPOINTS = ("clearance", "confirmed_clearance", "recovery", "relative_recovery")
USUAL_UNITS = {
    "CD7POS_ABS": "cells/uL",
    "CD7POS_PCT": "% of lymphocytes",
    "LYM_ABS": "cells/uL",
    "CD3POS_CD7NEG_ABS": "cells/uL",
}

UNKNOWN_UNIT = "unit not stated"
NOBODY = summaries.describe(())

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
_SERIES = ["subject_id", "parameter"]
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
        if len({_below(level) for level in thresholds}) < len(thresholds) or not all(
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
    course = _read(pd_samples, subjects, parameter, visit_by=rules.visit_by, rules=rules)
    baseline = _baselines(course, lymphodepletion, rules.baseline)
    chosen, visits = _chosen(course, baseline, rules)
    table, reasons = _changes(chosen, baseline)
    unused = course.samples.drop(index=chosen.index.union(baseline.samples.index))
    why = np.where(
        _in_a_visit(unused, rules), "another sample of the visit was chosen", "outside every visit window"
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
    course = _read(pd_samples, subjects, parameter, visit_by="window", rules=rules)
    used, late = _before_censoring(course, events, rules)
    ids = pd.Index(course.people["subject_id"], name="subject_id")
    own = _of_subjects(_baselines(course, lymphodepletion, rules.baseline), ids)
    pre_ld = _of_subjects(_baselines(course, lymphodepletion, "last-before-lymphodepletion"), ids)
    table = pd.DataFrame(
        {"baseline": own["value"], "baseline_day": own["day"], "baseline_pre_ld": pre_ld["value"]}
    )
    reasons = {"baseline": own["why"], "baseline_day": own["why"], "baseline_pre_ld": pre_ld["why"]}
    for derived in (_nadir, _clearance, _recovery, _area, _first_days_below):
        columns, why = derived(used, own, table, rules)
        table = table.assign(**columns)
        reasons.update(why)
    table["note"] = _joined(reasons, table)
    order = [*_DEPLETION_COLUMNS, *map(_below, rules.thresholds), "note"]
    return DepletionResult(
        subjects=table[order].reset_index(),
        summary=_endpoint_summary(table, course.people, by),
        excluded=results.concat([course.excluded, late], results.EXCLUDED_COLUMNS),
        rules=rules,
        population=derive.population(course.people),
        parameter=parameter,
        unit=_unit(course.units, parameter),
        samples=course.samples[list(_SAMPLE_COLUMNS)].reset_index(drop=True),
        reasons=reasons,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Course:
    """The usable samples in order of subject, parameter, day and row, and what is known about them."""

    people: pd.DataFrame
    samples: pd.DataFrame
    excluded: pd.DataFrame
    units: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Baselines:
    """The baseline sample of each series, and by subject why there may be none."""

    samples: pd.DataFrame
    why: pd.Series


def _read(
    pd_samples: Table, subjects: Table, parameter: str | None, *, visit_by: str, rules: PdRules
) -> _Course:
    people = derive.subject_table(subjects)
    needs = ("parameter", "value") if isinstance(pd_samples, pd.DataFrame) else ()
    fill = ("parameter", "value", "day", "sample_date", "blq", "lloq", "nominal_day", "nominal_label", "unit")
    frame = records.to_frame(pd_samples, "pd", needs=needs, fill=fill)
    frame = _of_parameter(derive.with_day(frame, people, date="sample_date"), parameter)
    below = (frame["blq"].notna() | (frame["value"] < frame["lloq"])).astype(bool)
    reason = _first_reason(
        (~frame["subject_id"].isin(people["subject_id"]), "not a subject of this analysis"),
        (frame["parameter"].isna(), "parameter missing"),
        (frame["value"].isna() & ~below, "value missing"),
        (frame["day"].isna() & (visit_by == "window"), "day missing"),
        (frame["nominal_label"].isna() & (visit_by == "nominal-label"), "nominal_label missing"),
    )
    half = frame["lloq"] / 2
    in_place = half if rules.blq_arithmetic == "half-lloq" else pd.Series(0.0, index=frame.index)
    frame = frame.assign(
        blq=below,
        log_value=half.where(below, frame["value"].where(frame["value"] > 0)),
        value=in_place.where(below, frame["value"]),
    )
    samples = frame[reason == ""].sort_values([*_SERIES, "day"], kind="stable")
    excluded = results.excluded_rows(frame[reason != ""], "pd", pd.Series(reason, index=frame.index))
    return _Course(people=people, samples=samples, excluded=excluded, units=_units(samples))


def _of_parameter(frame: pd.DataFrame, parameter: str | None) -> pd.DataFrame:
    """Rows of one parameter, or all; a name the table does not know is an error."""
    if parameter is None:
        return frame
    known = sorted(frame["parameter"].dropna().unique().tolist())
    if known and parameter not in known:
        raise ValueError(f"parameter must be one of {', '.join(known)}, got {parameter!r}")
    return frame[frame["parameter"] == parameter]


def _units(samples: pd.DataFrame) -> dict[str, str]:
    """Unit of each parameter; the usual one where the table gives none."""
    found: dict[str, str] = {}
    for parameter, units in samples.groupby("parameter")["unit"]:
        stated = sorted(units.dropna().unique().tolist())
        if len(stated) > 1:
            raise UnitError(f"pd: {parameter} stands in more than one unit: {', '.join(stated)}")
        found[str(parameter)] = stated[0] if stated else USUAL_UNITS.get(str(parameter), UNKNOWN_UNIT)
    return found


def _unit(units: Mapping[str, str], parameter: str) -> str:
    return units.get(parameter, USUAL_UNITS.get(parameter, UNKNOWN_UNIT))


def _baselines(course: _Course, lymphodepletion: Table | None, rule: str) -> _Baselines:
    """Last sample with day <= 0, or last sample before the first day of lymphodepletion."""
    samples, ids = course.samples, course.people["subject_id"]
    if rule == "last-before-infusion":
        eligible = samples[samples["day"] <= 0]
        why = pd.Series("no baseline: no sample before infusion", index=ids)
    else:
        start = _lymphodepletion_start(lymphodepletion, course.people)
        eligible = samples[samples["day"] < samples["subject_id"].map(start)]
        why = pd.Series("no sample before lymphodepletion", index=ids)
        why[~why.index.isin(start.index)] = "start of lymphodepletion not known"
    return _Baselines(samples=eligible.drop_duplicates(_SERIES, keep="last"), why=why)


def _lymphodepletion_start(lymphodepletion: Table | None, people: pd.DataFrame) -> pd.Series:
    """First day of lymphodepletion by subject, those known only."""
    if lymphodepletion is None:
        return pd.Series(dtype="float64")
    doses = records.to_frame(lymphodepletion, "lymphodepletion")
    doses = derive.with_day(doses, people, date="date")
    return doses.dropna(subset=["day"]).groupby("subject_id")["day"].min()


def _chosen(
    course: _Course, baseline: _Baselines, rules: PdRules
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """The sample of each subject, parameter and visit, and the visits of each parameter in order."""
    samples = course.samples
    if rules.visit_by == "window":
        names = [BASELINE, *rules.windows]
        at_windows = derive.nearest_in_windows(samples, rules.windows, by=_SERIES, tie=rules.tie)
        chosen = pd.concat([baseline.samples.assign(visit=BASELINE), at_windows])
    else:
        names = _labels_in_order(samples)
        chosen = samples.drop_duplicates([*_SERIES, "nominal_label"])
        chosen = chosen.assign(visit=chosen["nominal_label"])
    place = {name: position for position, name in enumerate(names)}
    chosen = chosen.assign(_place=chosen["visit"].map(place)).sort_values([*_SERIES, "_place"], kind="stable")
    parameters = sorted(samples["parameter"].unique().tolist())
    if rules.visit_by == "window":
        return chosen, [(parameter, visit) for parameter in parameters for visit in names]
    seen = set(zip(chosen["parameter"], chosen["visit"], strict=True))
    return chosen, [pair for pair in ((p, v) for p in parameters for v in names) if pair in seen]


def _labels_in_order(samples: pd.DataFrame) -> list[str]:
    """Nominal labels by their nominal day, where there is none by the median day of sampling."""
    by_label = samples.groupby("nominal_label")
    day = by_label["nominal_day"].min().fillna(by_label["day"].median())
    return [
        str(label)
        for label in day.reset_index(name="day").sort_values(["day", "nominal_label"])["nominal_label"]
    ]


def _in_a_visit(samples: pd.DataFrame, rules: PdRules) -> NDArray[np.bool_]:
    if rules.visit_by == "nominal-label":
        return np.ones(len(samples), dtype=bool)
    inside = [window.contains(samples["day"].to_numpy()) for window in rules.windows.values()]
    return reduce(np.logical_or, inside, np.zeros(len(samples), dtype=bool))


def _changes(chosen: pd.DataFrame, baseline: _Baselines) -> tuple[pd.DataFrame, dict[str, Texts]]:
    """Chosen samples with their change from baseline, and per column why it is missing."""
    first = baseline.samples.set_index(_SERIES)[["value", "log_value", "blq", "day"]]
    first.columns = ["baseline", "baseline_log", "baseline_blq", "baseline_day"]
    table = chosen.join(first, on=_SERIES)
    below = table["baseline_blq"].eq(True)
    after = ~(table["day"] <= table["baseline_day"])
    change = (table["value"] - table["baseline"]).where(after)
    per = table["baseline"].where(~below & (table["baseline"] > 0))
    log_per = table["baseline_log"].where(per.notna())
    table = table.assign(
        change=change,
        percent_change=100 * change / per,
        log10_change=np.log10(table["log_value"].where(after) / log_per),
    )
    no_value = (table["value"].isna(), "below the limit, and no LLOQ given")
    no_log = (table["log_value"].isna(), "no logarithm: the value is 0 or its LLOQ not given")
    no_baseline = (table["baseline_day"].isna(), table["subject_id"].map(baseline.why))
    unknown = (table["baseline"].isna(), "baseline below the limit, and no LLOQ given")
    early = (~after, "not after the baseline sample")
    per_zero = (below, "baseline below the limit"), (table["baseline"] == 0, "baseline is 0")
    reasons = {
        "value": _first_reason(no_value),
        "log_value": _first_reason(no_log),
        "baseline": _first_reason(no_baseline, unknown),
        "change": _first_reason(no_value, no_baseline, unknown, early),
        "percent_change": _first_reason(no_value, no_baseline, early, *per_zero),
        "log10_change": _first_reason(no_log, no_baseline, early, *per_zero),
    }
    return table.assign(note=_joined(reasons, table)), reasons


def _summary(
    table: pd.DataFrame, course: _Course, visits: Sequence[tuple[str, str]], by: str | None, rules: PdRules
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
        percent = _unit(course.units, parameter).startswith("%")
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


def _before_censoring(
    course: _Course, events: Table | None, rules: PdRules
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Samples up to the first censoring event, and the later ones as excluded."""
    if events is None or not rules.censor_at:
        return course.samples, results.excluded_frame()
    dated = derive.with_day(records.to_frame(events, "events", needs=("event",)), course.people, date="date")
    ends = dated[dated["event"].isin(rules.censor_at) & (dated["day"] >= 0)]
    first = ends.groupby("subject_id")["day"].min()
    late = course.samples["day"] > course.samples["subject_id"].map(first)
    reason = f"after {' or '.join(rules.censor_at)}"
    return course.samples[~late], results.excluded_rows(course.samples[late], "pd", reason)


def _of_subjects(baseline: _Baselines, ids: pd.Index) -> pd.DataFrame:
    """Baseline of one parameter by subject: value, day, blq, and why it cannot be a reference (`why_not`)."""
    own = baseline.samples.set_index("subject_id")[["value", "day", "blq"]].reindex(ids)
    below = own["blq"].eq(True)
    missing = (own["day"].isna(), baseline.why.reindex(ids))
    own["why"] = _first_reason(missing, (own["value"].isna(), "baseline below the limit, and no LLOQ given"))
    own["why_not"] = _first_reason(
        missing, (below, "baseline below the limit"), (own["value"] <= 0, "baseline is 0")
    )
    return own.assign(reference=own["value"].where(own["why_not"] == ""))


Derived: TypeAlias = tuple[dict[str, pd.Series], dict[str, Texts]]


def _nadir(used: pd.DataFrame, own: pd.DataFrame, table: pd.DataFrame, rules: PdRules) -> Derived:
    """Lowest value from day 0 on and after the baseline sample, and the return from it."""
    since = used["subject_id"].map(own["day"]).fillna(-np.inf)
    course = used[(used["day"] >= 0) & (used["day"] > since) & used["value"].notna()]
    lowest = course.sort_values(["subject_id", "value"], kind="stable").drop_duplicates("subject_id")
    lowest = lowest.set_index("subject_id").reindex(own.index)
    level = course["subject_id"].map(rules.recovery_relative * own["reference"])
    risen = course[
        (course["day"] > course["subject_id"].map(lowest["day"]))
        & ~course["blq"]
        & (course["value"] >= level)
    ]
    nothing = (lowest["value"].isna(), "no sample after infusion")
    no_reference = (own["why_not"] != "", own["why_not"])
    columns = {
        "nadir": lowest["value"],
        "nadir_day": lowest["day"],
        "nadir_percent_of_baseline": 100 * lowest["value"] / own["reference"],
        "recovery_after_nadir_day": _first_day(risen, own.index),
    }
    not_risen = (columns["recovery_after_nadir_day"].isna(),
                 f"not at {rules.recovery_relative:g} x baseline after the nadir")  # fmt: skip
    return columns, {
        "nadir": _first_reason(nothing),
        "nadir_day": _first_reason(nothing),
        "nadir_percent_of_baseline": _first_reason(nothing, no_reference),
        "recovery_after_nadir_day": _first_reason(nothing, no_reference, not_risen),
    }


def _clearance(used: pd.DataFrame, own: pd.DataFrame, table: pd.DataFrame, rules: PdRules) -> Derived:
    """First day below the limit, and first day of two samples in a row below it."""
    after = used[used["day"] > 0]
    # A single last sample below the limit is not confirmed: there is no next one.
    again = after.groupby("subject_id")["blq"].shift(-1).eq(True)
    cleared = _time_to(after[after["blq"]], after, own)
    confirmed = _time_to(after[after["blq"] & again], after, own)
    above = after[after["day"] < after["subject_id"].map(cleared["time"])]
    last_above = above.groupby("subject_id")["day"].max().reindex(own.index).fillna(0.0)
    columns = {
        "clearance_time": cleared["time"],
        "clearance_event": cleared["event"],
        "clearance_left": cleared["time"]
        .where(cleared["event"] == 0, last_above)
        .where(own["why_not"] == ""),
        "clearance_right": cleared["time"].where(cleared["event"] == 1),
        "confirmed_clearance_time": confirmed["time"],
        "confirmed_clearance_event": confirmed["event"],
    }
    why = own["why_not"].to_numpy()
    open_end = _first_reason(
        (own["why_not"] != "", own["why_not"]), (cleared["event"] == 0, "not cleared: censored")
    )
    return columns, {name: open_end if name == "clearance_right" else why for name in columns}


def _recovery(used: pd.DataFrame, own: pd.DataFrame, table: pd.DataFrame, rules: PdRules) -> Derived:
    """First sample after clearance at or above the level of recovery, absolute and relative to baseline."""
    cleared = table["clearance_event"] == 1
    later = used[used["day"] > used["subject_id"].map(table["clearance_time"].where(cleared))]
    later = later[~later["blq"]]
    level = later["subject_id"].map(rules.recovery_relative * own["reference"])
    after = used[used["day"] > 0]
    absolute = _time_to(later[later["value"] >= rules.recovery], after, own, among=cleared)
    relative = _time_to(later[later["value"] >= level], after, own, among=cleared)
    columns = {
        "recovery_time": absolute["time"],
        "recovery_event": absolute["event"],
        "relative_recovery_time": relative["time"],
        "relative_recovery_event": relative["event"],
        "aplasia_duration": absolute["time"] - table["clearance_time"],
    }
    why = _first_reason(
        (own["why_not"] != "", own["why_not"]), (~cleared, "not cleared: no recovery to wait for")
    )
    return columns, dict.fromkeys(columns, why)


def _time_to(
    hits: pd.DataFrame, after: pd.DataFrame, own: pd.DataFrame, among: pd.Series | None = None
) -> pd.DataFrame:
    """Day and flag of the first hit; without one the last sampling day (0 without samples), flag 0."""
    first = _first_day(hits, own.index)
    last = after.groupby("subject_id")["day"].max().reindex(own.index).fillna(0.0)
    evaluable = own["why_not"] == "" if among is None else among
    event = first.notna().astype("float64").where(evaluable)
    return pd.DataFrame({"time": first.fillna(last).where(evaluable), "event": event})


def _area(used: pd.DataFrame, own: pd.DataFrame, table: pd.DataFrame, rules: PdRules) -> Derived:
    """Area under the course: linear trapezoid through (0, baseline), same-day samples averaged."""
    start, end = rules.auec_window
    origin = own["value"].dropna().rename("value").reset_index().assign(day=0.0)
    after = used[(used["day"] > 0) & used["value"].notna() & used["subject_id"].isin(origin["subject_id"])]
    daily = after.groupby(["subject_id", "day"], as_index=False)["value"].mean()
    points = results.concat([origin, daily], ["subject_id", "day", "value"]).sort_values(
        ["subject_id", "day"]
    )
    before = points.groupby("subject_id")[["day", "value"]].shift()
    low, high = before["day"].clip(lower=start), points["day"].clip(upper=end)
    slope = (points["value"] - before["value"]) / (points["day"] - before["day"])
    middle = before["value"] + slope * ((low + high) / 2 - before["day"])
    part = (middle * (high - low)).where(high > low, 0.0)
    whole = points["day"] <= end
    by_subject = points.assign(part=part, up_to_last=part.where(whole, 0.0)).groupby("subject_id")
    inside = points[whole & (points["day"] > start)].groupby("subject_id")["day"].max().reindex(own.index)
    reached = by_subject["day"].max().reindex(own.index) >= end
    window = by_subject["part"].sum().reindex(own.index).where(reached)
    untreated = (end - start) * own["value"]
    columns = {
        "auec_last": by_subject["up_to_last"].sum().reindex(own.index).where(inside.notna()),
        "auec_last_day": inside,
        "auec_window": window,
        "auec_net": window - untreated,
        "auec_suppression_percent": 100 * (1 - window / ((end - start) * own["reference"])),
    }
    none = (own["value"].isna(), own["why"])
    no_end = (~reached, f"no sample at or after day {end:g}")
    at_end = _first_reason(none, no_end)
    at_last = _first_reason(none, (inside.isna(), f"no sample between day {start:g} and day {end:g}"))
    return columns, {
        "auec_last": at_last, "auec_last_day": at_last, "auec_window": at_end, "auec_net": at_end,
        "auec_suppression_percent": _first_reason(none, no_end, (own["why_not"] != "", own["why_not"])),
    }  # fmt: skip


def _first_days_below(used: pd.DataFrame, own: pd.DataFrame, table: pd.DataFrame, rules: PdRules) -> Derived:
    """First day > 0 with a value below each threshold."""
    after = used[used["day"] > 0]
    sampled = own.index.isin(after["subject_id"])
    columns = {
        _below(level): _first_day(after[after["value"] < level], own.index) for level in rules.thresholds
    }
    return columns, {
        _below(level): _first_reason(
            (~sampled, "no sample after infusion"), (sampled, f"never below {level:g}")
        )
        for level in rules.thresholds
    }


def _below(level: float) -> str:
    return f"first_day_below_{level:g}"


def _first_day(hits: pd.DataFrame, ids: pd.Index) -> pd.Series:
    return hits.groupby("subject_id")["day"].min().reindex(ids)


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


def _first_reason(*cases: tuple[Any, Any]) -> Texts:
    """Per row the text of the first case that holds, else empty."""
    conditions = [np.asarray(condition, dtype=bool) for condition, _ in cases]
    texts = [np.asarray(text, dtype=object) for _, text in cases]
    return np.select(conditions, texts, default=np.asarray("", dtype=object))


def _joined(reasons: Mapping[str, Any], table: pd.DataFrame) -> list[str]:
    """Per row the different reasons of its missing columns, in one text."""
    given = [np.where(table[name].isna(), why, "") for name, why in reasons.items()]
    return ["; ".join(dict.fromkeys(text for text in row if text)) for row in zip(*given, strict=True)]


def _visit_long(result: VisitResult) -> list[pd.DataFrame]:
    """Long rows of `by_visit`: the summary (geometric statistics of the value only), then the samples."""
    summary, subjects = result.summary, result.subjects
    own = summary["parameter"].map(lambda parameter: _unit(result.units, parameter))
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
    unit = subjects["parameter"].map(lambda parameter: _unit(result.units, parameter))
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


def _as_series(reasons: Mapping[str, Texts], frame: pd.DataFrame) -> dict[str, pd.Series]:
    return {name: pd.Series(why, index=frame.index) for name, why in reasons.items()}
