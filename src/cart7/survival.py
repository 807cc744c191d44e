"""Survival: times to death, progression and loss of response, and the curves drawn from them.

Here: OS, PFS, DOR and EFS from a study's events and assessments under named strategies for
intercurrent events, and their table; with the curves of `curves` and the tests of `comparisons`.
Not here: the rules on bare arrays (stats.event_times), which rows of a study count (`histories`),
drawing (report.figures).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cart7 import derive, results
from cart7.stats import event_times
from cart7.stats.event_times import Outcome
from cart7.times import arrays, curves
from cart7.times.comparisons import CoxResult, LogrankResult, compare_at, cox, gray_test, logrank
from cart7.times.curves import (
    ConfType,
    CumulativeIncidenceResult,
    Fit,
    KaplanMeierResult,
    QuantileRule,
    bootstrap_quantiles,
    bpcp,
    cumulative_incidence,
    kaplan_meier,
)
from cart7.times.histories import StudyHistory, Table

__all__ = [
    "STRATEGIES",
    "CoxResult",
    "CumulativeIncidenceResult",
    "EndpointTable",
    "KaplanMeierResult",
    "LogrankResult",
    "TimeToEventResult",
    "TimeToEventRules",
    "bootstrap_quantiles",
    "bpcp",
    "compare_at",
    "cox",
    "cumulative_incidence",
    "endpoint_table",
    "gray_test",
    "kaplan_meier",
    "logrank",
    "time_to_event",
]

Endpoint = Literal["OS", "PFS", "DOR", "EFS"]

ENDPOINTS = ("OS", "PFS", "DOR", "EFS")
RESPONSES = ("CR", "CRh", "CRi", "MLFS", "PR", "SD", "NR", "PD", "RELAPSE", "NE", "ND")
NOTES = {
    "NOT_INFUSED": "not infused",
    "NOT_RESPONDER": "no response that starts a duration",
    "DATA_ERROR_DEATH_BEFORE_INFUSION": "death is dated before the infusion",
}
SMALL = 40  # up to so many subjects the exact beta product limits stand beside the usual ones
NO_EXACT = f"exact limits are given for 1 to {SMALL} subjects"

_SUBJECT_COLUMNS = (
    "subject_id", "endpoint", "time", "event", "cause", "reason", "start_day", "end_day", "note",
)  # fmt: skip
_CHANGE_COLUMNS = (
    "endpoint", "subject_id", "strategy", "time", "event", "cause", "reason", "compared_with",
    "compared_time", "compared_event", "compared_cause", "compared_reason", "why",
)  # fmt: skip


class TimeToEventRules(BaseModel):
    """The choices of the statistical analysis plan that change a time to event.

    Parameters
    ----------
    hsct : {"ignore", "censor-last-assessment", "censor-at-hsct", "competing", "time-dependent"}
        What a transplant before the event does. `time-dependent` ignores it here and splits the
        rows of `.counting_process`. Overall survival is never censored by it.
    new_therapy : {"censor-last-assessment", "ignore"}
        What another anticancer therapy before the event does; on the infusion day it is bridging.
    second_infusion : {"ignore", "censor-last-assessment"}
        What a second infusion before the event does.
    missed_visits : int, optional
        Censor an event after so many planned visits without an evaluable assessment.
    schedule : tuple of (day, window), optional
        Planned visits in days since infusion, for `missed_visits`.
    day_one : bool
        Count the first day as day 1 (CDISC): 1 is added to every time.
    responder : tuple of response words
        Responses that start a duration of response.
    remission : tuple of response words
        Responses without which event-free survival sees a treatment failure.
    failure_day : float, optional
        Day by which a remission is due (event-free survival); no default is guessed.
    failure_date : {"infusion", "assessment"}
        Whether a treatment failure is dated on the infusion day or at the last evaluable
        assessment up to `failure_day`.
    conf_type, conf_level, quantile_rule
        Limits and reading of medians, as in `kaplan_meier`.
    landmarks : tuple of float
        Days at which the table gives survival.
    landmark_beyond : {"ne", "carry"}
        Past the last observation: not estimable, or the last level.

    Examples
    --------
    >>> TimeToEventRules(hsct="competing").new_therapy
    'censor-last-assessment'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hsct: Literal["ignore", "censor-last-assessment", "censor-at-hsct", "competing", "time-dependent"] = (
        "ignore"
    )
    new_therapy: Literal["censor-last-assessment", "ignore"] = "censor-last-assessment"
    second_infusion: Literal["ignore", "censor-last-assessment"] = "ignore"
    missed_visits: int | None = Field(default=None, ge=1)
    schedule: tuple[tuple[float, float], ...] | None = None
    day_one: bool = False
    responder: tuple[str, ...] = ("CR", "CRi", "CRh", "PR")
    remission: tuple[str, ...] = ("CR", "CRi", "CRh")
    failure_day: float | None = Field(default=None, gt=0)
    failure_date: Literal["infusion", "assessment"] = "infusion"
    conf_type: ConfType = "log-log"
    conf_level: float = Field(default=0.95, gt=0, lt=1)
    quantile_rule: QuantileRule = "survfit"
    landmarks: tuple[float, ...] = (90.0, 180.0, 365.0)
    landmark_beyond: Literal["ne", "carry"] = "ne"

    @field_validator("responder", "remission")
    @classmethod
    def _words(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [word for word in words if word not in RESPONSES]
        if unknown or not words:
            raise ValueError(f"responses are {', '.join(RESPONSES)}, got {words}")
        return words

    @field_validator("landmarks")
    @classmethod
    def _days(cls, landmarks: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(landmarks)) < len(landmarks) or not all(0 < day < np.inf for day in landmarks):
            raise ValueError(f"landmarks must be different days above 0, got {landmarks}")
        return landmarks

    @model_validator(mode="after")
    def _visits(self) -> "TimeToEventRules":
        if self.missed_visits is not None and not self.schedule:
            raise ValueError("missed_visits needs schedule, the planned visits as ((day, window), ...)")
        return self


DEFAULT_RULES = TimeToEventRules()

STRATEGIES: dict[str, TimeToEventRules] = {
    "treatment-policy": TimeToEventRules(hsct="ignore", new_therapy="ignore", second_infusion="ignore"),
    "censor": TimeToEventRules(
        hsct="censor-last-assessment",
        new_therapy="censor-last-assessment",
        second_infusion="censor-last-assessment",
    ),
    "hsct-competing": TimeToEventRules(hsct="competing", new_therapy="ignore", second_infusion="ignore"),
}
"""The strategies of a plan that names none: intercurrent events ignored, censored, HSCT competing."""


# ---- results ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeToEventResult(results.EndpointResult):
    """One endpoint of every subject: time, event or censoring, and why.

    `counting_process` has the rows (start, stop] of everybody with a time, split at the
    transplant: `hsct` is 0 before it and 1 after it.
    """

    title: ClassVar[str] = "Time to event"

    endpoint: str
    counting_process: pd.DataFrame = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        common: dict[str, Any] = {
            "analysis": "survival.time_to_event",
            "param": self.endpoint,
            "population": self.population,
        }
        return [
            results.long_rows(self.summary, group=self.summary["group"], stats=list(_COUNTS), **common),
            _subject_rows(self.subjects, **common),
        ]

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the Kaplan-Meier curve of the times (a competing end counts as censored); returns the Axes."""
        timed = self.subjects.dropna(subset=["time"])
        return kaplan_meier(timed["time"], timed["event"]).plot(ax, **options)


@dataclass(frozen=True, kw_only=True, eq=False)
class EndpointTable(results.EndpointResult):
    """Every endpoint under every strategy, by group.

    Attributes
    ----------
    summary : DataFrame
        `endpoint, strategy, group, n` (with a time)`, n_event, n_competing, n_without_time, median,
        ci_low, ci_high` (days)`, bpcp_low, bpcp_high` (exact limits of the median, n <= 40); for
        each landmark day, say 90, `n_risk_d90, survival_d90, survival_d90_ci_low,
        survival_d90_ci_high, survival_d90_bpcp_low, survival_d90_bpcp_high`; `follow_up_median,
        follow_up_ci_low, follow_up_ci_high` (reverse Kaplan-Meier, days)`, last_time, conf_level,
        method, note`.
    subjects : DataFrame
        The rows of `time_to_event` with `strategy`.
    changes : DataFrame
        Who has another status or time than under the first strategy, and why.
    curves : DataFrame
        `endpoint, strategy, group`, the columns of a Kaplan-Meier curve, `bpcp_low, bpcp_high`.
    strategies : mapping of str to TimeToEventRules
    """

    title: ClassVar[str] = "Time to event"
    figure: ClassVar[str] = "endpoint_curves"

    changes: pd.DataFrame = field(repr=False)
    curves: pd.DataFrame = field(repr=False)
    strategies: Mapping[str, TimeToEventRules] = field(repr=False)
    reasons: pd.DataFrame = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        return [_table_rows(self), _table_subject_rows(self)]


# ---- functions ----------------------------------------------------------------------------------


def time_to_event(
    subjects: Table,
    events: Table | None,
    responses: Table | None = None,
    *,
    endpoint: Endpoint = "OS",
    rules: TimeToEventRules = DEFAULT_RULES,
) -> TimeToEventResult:
    """Time to event of every subject, with the reason it ended as it did.

    Parameters
    ----------
    subjects : DataFrame or sequence of Subject
        `subject_id`; `infused` or `infusion_date` tell who was infused, `data_cutoff` (a date) ends
        observation.
    events : DataFrame or sequence of StudyEvent, or None
        `event` and `day` (days since infusion) or `date`. Deaths and last contacts are rows here.
    responses : DataFrame or sequence of ResponseAssessment, optional
        `overall_response` and `day` or `assessment_date`.
    endpoint : {"OS", "PFS", "DOR", "EFS"}
    rules : TimeToEventRules

    Returns
    -------
    TimeToEventResult
        `.subjects`: `subject_id, endpoint, time` (days)`, event` (1/0)`, cause` (0 censored, 1 event,
        2 competing)`, reason, start_day, end_day` (days since infusion)`, note`. Everybody has a row; a
        missing time has its reason.

    Raises
    ------
    ValueError
        For an unknown endpoint, or EFS without `failure_day`.
    DataError
        When a needed column is missing or a subject stands twice.

    Examples
    --------
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"]})
    >>> events = pd.DataFrame(
    ...     {"subject_id": ["1", "2"], "event": ["DEATH", "LAST_CONTACT"], "day": [58, 300]})
    >>> time_to_event(subjects, events).subjects[["time", "event", "reason"]].values.tolist()
    [[58.0, 1.0, 'DEATH'], [300.0, 0.0, 'ALIVE_LAST_CONTACT']]
    """
    arrays.known("endpoint", endpoint, ENDPOINTS)
    if endpoint == "EFS" and rules.failure_day is None:
        raise ValueError("endpoint EFS needs rules.failure_day, the day by which a remission is due")
    study = StudyHistory.of(subjects, events, responses)
    found = _derived(study, endpoint, rules)
    everybody = derive.groups(study.subjects, None)
    return TimeToEventResult(
        subjects=found,
        summary=pd.DataFrame([{"group": label, **_counts(found[mask])} for label, mask in everybody]),
        excluded=study.excluded,
        rules=rules,
        population=derive.population(study.subjects),
        endpoint=endpoint,
        counting_process=_counting_process(study, found, rules),
    )


def endpoint_table(
    subjects: Table,
    events: Table | None,
    responses: Table | None,
    *,
    by: str | None = "dose_level",
    rules: TimeToEventRules = DEFAULT_RULES,
    strategies: Mapping[str, TimeToEventRules] | None = None,
) -> EndpointTable:
    """Every endpoint under every strategy, by group, with the subjects whose status changes.

    Parameters
    ----------
    subjects, events, responses
        As in `time_to_event`.
    by : str or None
        Column of `subjects` that defines the groups; the last row is `ALL`.
    rules : TimeToEventRules
        Limits, reading of medians and landmarks of the table.
    strategies : mapping of str to TimeToEventRules, optional
        How times are derived, by name; without it `rules` alone, named `plan`.

    Returns
    -------
    EndpointTable
        OS (with `events`), PFS, DOR (with `responses`), and EFS where the strategy has a
        `failure_day`. A competing end counts as
        censored in the Kaplan-Meier columns; see `cumulative_incidence` for its incidence.

    Raises
    ------
    ValueError
        When `by` is not a column of `subjects`, `strategies` is empty, or both tables are None.
    DataError
        As `time_to_event`.

    Examples
    --------
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"], "dose_level": [1, 1]})
    >>> events = pd.DataFrame(
    ...     {"subject_id": ["1", "2"], "event": ["DEATH", "LAST_CONTACT"], "day": [58, 300]})
    >>> table = endpoint_table(subjects, events, None, by=None).summary
    >>> table.loc[table["endpoint"] == "OS", ["n", "n_event", "median"]].values.tolist()
    [[2.0, 1.0, 58.0]]
    """
    plans = {"plan": rules} if strategies is None else dict(strategies)
    if not plans:
        raise ValueError("strategies must name at least one strategy, or be None")
    if events is None and responses is None:
        raise ValueError(
            "events or responses must be given: overall survival needs events, the rest responses"
        )
    study = StudyHistory.of(subjects, events, responses)
    members = derive.groups(study.subjects, by)
    derived = {
        (endpoint, name): _derived(study, endpoint, plan)
        for endpoint in ENDPOINTS
        for name, plan in plans.items()
        if (events if endpoint == "OS" else responses) is not None
        and not (endpoint == "EFS" and plan.failure_day is None)
    }
    cells = [
        ({"endpoint": endpoint, "strategy": name, "group": label}, _Cell.of(found[mask], label, rules))
        for (endpoint, name), found in derived.items()
        for label, mask in members
    ]
    return EndpointTable(
        subjects=_strategy_frame(derived),
        summary=pd.DataFrame([key | cell.row() for key, cell in cells]),
        excluded=study.excluded,
        rules=rules,
        population=derive.population(study.subjects),
        changes=_changes(study, derived, list(plans)),
        curves=results.concat([cell.curve(key) for key, cell in cells], ()),
        strategies=plans,
        reasons=pd.DataFrame([{name: why for name, (_, why) in cell.columns.items()} for _, cell in cells]),
    )


# ---- a study into times -------------------------------------------------------------------------


def _derived(study: StudyHistory, endpoint: str, rules: TimeToEventRules) -> pd.DataFrame:
    """One row per subject, in the columns of `TimeToEventResult.subjects`."""
    found = _outcome(study, endpoint, rules)
    reason = np.where(study.barred != "", study.barred, found.reason)
    none = (study.barred != "") | np.isnan(found.end)
    cause, start, end = (np.where(none, np.nan, part) for part in (found.cause, found.start, found.end))
    return pd.DataFrame(
        {
            "subject_id": study.subjects["subject_id"].to_numpy(dtype=object),
            "endpoint": endpoint,
            "time": end - start + (1.0 if rules.day_one else 0.0),
            "event": np.where(none, np.nan, cause == event_times.EVENT),
            "cause": cause,
            "reason": reason,
            "start_day": start,
            "end_day": end,
            "note": [NOTES.get(word, "") for word in reason],
        },
        columns=list(_SUBJECT_COLUMNS),
    )


def _outcome(study: StudyHistory, endpoint: str, rules: TimeToEventRules) -> Outcome:
    history = study.history
    policy = event_times.Policy(
        hsct=rules.hsct,
        new_therapy=rules.new_therapy,
        second_infusion=rules.second_infusion,
        missed_visits=rules.missed_visits,
        schedule=rules.schedule or (),
    )
    if endpoint == "OS":
        return event_times.overall_survival(history)
    if endpoint == "PFS":
        return event_times.progression_free(history, policy)
    if endpoint == "DOR":
        return event_times.duration_of_response(history, policy, study.first_of(rules.responder))
    if rules.failure_day is None:
        raise ValueError("endpoint EFS needs rules.failure_day, the day by which a remission is due")
    return event_times.event_free(
        history,
        policy,
        failure_day=rules.failure_day,
        remission=study.first_of(rules.remission),
        at_assessment=rules.failure_date == "assessment",
    )


def _counting_process(study: StudyHistory, found: pd.DataFrame, rules: TimeToEventRules) -> pd.DataFrame:
    """Rows (start, stop] of everybody with a time, split where the transplant falls inside."""
    timed = found["time"].notna().to_numpy()
    rows = found[timed]
    stop = rows["time"].to_numpy()
    since_start = study.history.hsct[timed] - rows["start_day"].to_numpy() + (1.0 if rules.day_one else 0.0)
    split = (since_start > 0) & (since_start < stop)
    common = {"subject_id": rows["subject_id"].to_numpy(dtype=object), "order": np.arange(len(rows))}
    event = rows["event"].to_numpy()
    whole = pd.DataFrame(
        {**common, "start": np.where(split, since_start, 0.0), "stop": stop, "event": event.astype(np.int64),
         "hsct": (split | (since_start <= 0)).astype(np.int64)}
    )  # fmt: skip
    before = pd.DataFrame({**common, "start": 0.0, "stop": since_start, "event": 0, "hsct": 0})[split]
    both = results.concat([before, whole], whole.columns).sort_values(["order", "start"], kind="stable")
    return both.drop(columns="order").reset_index(drop=True)


# ---- times into the table -----------------------------------------------------------------------

_COUNTS = ("n", "n_event", "n_competing", "n_without_time")


def _counts(found: pd.DataFrame) -> dict[str, int]:
    """Subjects with a time, events, competing ends, subjects without a time."""
    return {
        "n": int(found["time"].notna().sum()),
        "n_event": int((found["cause"] == event_times.EVENT).sum()),
        "n_competing": int((found["cause"] == event_times.COMPETING).sum()),
        "n_without_time": int(found["time"].isna().sum()),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class _Cell:
    """One endpoint, strategy and group: its counts and its curve, with usual and with exact limits."""

    counts: dict[str, int]
    usual: Fit
    exact: Fit | None
    rules: TimeToEventRules

    @classmethod
    def of(cls, found: pd.DataFrame, label: str, rules: TimeToEventRules) -> "_Cell":
        timed = found[found["time"].notna()]
        usual = curves.fit(timed["time"], timed["event"], label, rules.conf_type, rules.conf_level)
        exact = replace(usual, conf_type="bpcp") if 0 < usual.steps.n <= SMALL else None
        return cls(counts=_counts(found), usual=usual, exact=exact, rules=rules)

    @cached_property
    def columns(self) -> dict[str, tuple[Any, str]]:
        """Columns of the summary after endpoint, strategy and group, each with why it may be missing."""
        rules, rule = self.rules, self.rules.quantile_rule
        found: dict[str, tuple[Any, str]] = {name: (count, "") for name, count in self.counts.items()}
        found |= _median(self.usual, ("median", "ci_low", "ci_high"), rule)
        found |= _median(self.exact, ("", "bpcp_low", "bpcp_high"), rule)
        for day in rules.landmarks:
            word = f"d{arrays.number_text(day)}"
            name, at = f"survival_{word}", (day, rules.landmark_beyond)
            found |= _landmark(self.usual, (f"n_risk_{word}", name, f"{name}_ci_low", f"{name}_ci_high"), *at)
            found |= _landmark(self.exact, ("", "", f"{name}_bpcp_low", f"{name}_bpcp_high"), *at)
        found |= _median(
            self.usual.follow_up(), ("follow_up_median", "follow_up_ci_low", "follow_up_ci_high"), rule
        )
        return {**found, "last_time": (self.usual.last, "no subject")}

    def row(self) -> dict[str, Any]:
        """The row of the summary after endpoint, strategy and group."""
        rules = self.rules
        values = {name: value for name, (value, _) in self.columns.items()}
        return {**values, "conf_level": rules.conf_level, "method": curves.METHODS[rules.conf_type],
                "note": self.note()}  # fmt: skip

    def note(self) -> str:
        """Why a number is missing, and what a competing end counts as."""
        if not self.usual.steps.n:
            return "no subject"
        days = [arrays.number_text(day) for day in self.rules.landmarks]
        parts = {
            "": ("median", "ci_low", "ci_high"),
            "exact: ": ("bpcp_low", "bpcp_high"),
            **{f"day {day}: ": (f"survival_d{day}", f"survival_d{day}_ci_low") for day in days},
            "follow-up: ": ("follow_up_median", "follow_up_ci_low", "follow_up_ci_high"),
        }
        words = []
        for part, names in parts.items():
            missing = [why for value, why in map(self.columns.__getitem__, names) if np.isnan(value)]
            words += [f"{part}{', '.join(dict.fromkeys(missing))}"] if missing else []
        words += ["a competing event counts as censored here"] * (self.counts["n_competing"] > 0)
        return "; ".join(words)

    def curve(self, key: Mapping[str, str]) -> pd.DataFrame:
        """The steps for a figure, with exact limits beside the usual ones."""
        columns = curves.curve_columns(self.usual)
        none = np.full(self.usual.steps.time.size + 1, np.nan)
        low, high = (none, none) if self.exact is None else self.exact.limits
        return pd.DataFrame({**key, **columns, "bpcp_low": low[1:], "bpcp_high": high[1:]})


def _median(fit: Fit | None, names: Sequence[str], rule: str) -> dict[str, tuple[Any, str]]:
    """Median and limits under `names`; an empty name is left out."""
    values = (np.nan,) * 3 if fit is None else fit.quantile(0.5, rule)
    words = [f"{word} not reached" for word in ("median", "lower limit", "upper limit")]
    if fit is None or not fit.steps.n:
        words = [NO_EXACT if fit is None else "no subject"] * 3
    pairs = zip(names, values, words, strict=True)
    return {name: (value, word) for name, value, word in pairs if name}


def _landmark(fit: Fit | None, names: Sequence[str], day: float, beyond: str) -> dict[str, tuple[Any, str]]:
    """Number at risk, survival and limits on `day` under `names`; an empty name is left out."""
    if fit is None:
        return {name: (np.nan, NO_EXACT) for name in names if name}
    there = fit.at(np.array([day]), beyond)
    columns = ("n_risk", "survival", "ci_low", "ci_high")
    return {name: (there[column][0], str(there["note"][0]))
            for name, column in zip(names, columns, strict=True) if name}  # fmt: skip


def _strategy_frame(derived: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    blocks = []
    for (_, strategy), found in derived.items():
        block = found.copy()
        block.insert(2, "strategy", strategy)
        blocks.append(block)
    return results.concat(blocks, ())


def _changes(
    study: StudyHistory, derived: Mapping[tuple[str, str], pd.DataFrame], names: Sequence[str]
) -> pd.DataFrame:
    """Subjects whose time or cause differs from that under the first strategy with the endpoint."""
    blocks = [pd.DataFrame(columns=list(_CHANGE_COLUMNS))]
    for endpoint in ENDPOINTS:
        plans = [name for name in names if (endpoint, name) in derived]
        for name in plans[1:]:
            here, there = derived[endpoint, name], derived[endpoint, plans[0]]
            same = (here["time"].eq(there["time"]) | (here["time"].isna() & there["time"].isna())) & (
                here["cause"].eq(there["cause"]) | (here["cause"].isna() & there["cause"].isna())
            )
            block = here[["endpoint", "subject_id"]].assign(strategy=name)
            block[["time", "event", "cause", "reason"]] = here[["time", "event", "cause", "reason"]]
            block["compared_with"] = plans[0]
            for column in ("time", "event", "cause", "reason"):
                block[f"compared_{column}"] = there[column]
            block["why"] = _why(study, here, there)
            blocks.append(block[~same])
    return results.concat(blocks, _CHANGE_COLUMNS)


def _why(study: StudyHistory, here: pd.DataFrame, there: pd.DataFrame) -> list[str]:
    """The intercurrent event that makes the difference, with its day, else the two reasons."""
    days = {"HSCT": study.history.hsct, "NEW_THERAPY": study.history.new_therapy,
            "SECOND_INFUSION": study.history.second_infusion}  # fmt: skip
    told = []
    for place, (now, before) in enumerate(zip(here["reason"], there["reason"], strict=True)):
        causes = [word for word in (now, before) if word in days]
        if now == "NOT_RESPONDER" or before == "NOT_RESPONDER":
            causes = [word for word in days if not np.isnan(days[word][place])]
        named = [f"{word} on day {days[word][place]:g}" for word in dict.fromkeys(causes)]
        told.append("; ".join(named) if named else f"{now} instead of {before}")
    return told


# ---- long rows ----------------------------------------------------------------------------------


def _subject_rows(subjects: pd.DataFrame, **common: Any) -> pd.DataFrame:
    days = dict.fromkeys(("time", "start_day", "end_day"), "days")
    stats = ["time", "event", "cause", "reason", "start_day", "end_day"]
    return results.long_rows(subjects, subject_id=subjects["subject_id"], stats=stats, units=days, **common)


def _table_subject_rows(table: EndpointTable) -> pd.DataFrame:
    rows = table.subjects
    return _subject_rows(
        rows, analysis="survival.endpoint_table", param=rows["endpoint"] + ":" + rows["strategy"],
        population=table.population,
    )  # fmt: skip


def _table_rows(table: EndpointTable) -> pd.DataFrame:
    """Long rows of the summary; a landmark is the timepoint of its columns."""
    summary = table.summary
    key = {"param": summary["endpoint"] + ":" + summary["strategy"], "group": summary["group"]}
    blocks = []
    for stat in table.reasons.columns:
        landmark = next((word for word in stat.split("_") if word[:1] == "d" and word[1:2].isdigit()), "")
        counted = stat.startswith("n") or stat == "last_time"
        method: Any = curves.METHODS["bpcp"] if "bpcp" in stat else summary["method"]
        blocks.append(
            results.long_rows(
                summary,
                analysis="survival.endpoint_table",
                **key,
                timepoint=landmark.upper(),
                population=table.population,
                stats=[stat],
                units={stat: "1" if stat.startswith(("n", "survival")) else "days"},
                method="" if counted else method,
                reasons={stat: table.reasons[stat]},
            )
        )
    return pd.concat(blocks, ignore_index=True)
