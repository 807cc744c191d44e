"""Survival: times to death, progression and loss of response, and the curves drawn from them.

Here: OS, PFS, DOR and EFS from a study's events and assessments under named strategies for
intercurrent events, and their table; with the curves of `curves` and the tests of `comparisons`.
Not here: the rules on bare arrays (stats.event_times), which rows of a study count (`histories`),
drawing (report.figures).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from cart7 import derive, results
from cart7.stats import event_times
from cart7.stats.event_times import Outcome
from cart7.times import adtte, arrays, curves, sources, table
from cart7.times.comparisons import CoxResult, LogrankResult, compare_at, cox, gray_test, logrank
from cart7.times.curves import (
    CumulativeIncidenceResult,
    KaplanMeierResult,
    bootstrap_quantiles,
    bpcp,
    cumulative_incidence,
    kaplan_meier,
)
from cart7.times.histories import StudyHistory, Table
from cart7.times.landmarks import LandmarkResult, landmark
from cart7.times.rules import DEFAULT_RULES, ENDPOINTS, STRATEGIES, TimeToEventRules

__all__ = [
    "STRATEGIES",
    "CoxResult",
    "CumulativeIncidenceResult",
    "EndpointTable",
    "KaplanMeierResult",
    "LandmarkResult",
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
    "landmark",
    "logrank",
    "time_to_event",
]

Endpoint = Literal["OS", "PFS", "DOR", "EFS"]

NOTES = {
    "NOT_INFUSED": "not infused",
    "NOT_RESPONDER": "no response that starts a duration",
    "DATA_ERROR_DEATH_BEFORE_INFUSION": "death is dated before the infusion",
}

_SUBJECT_COLUMNS = (
    "subject_id", "endpoint", "time", "event", "cause", "reason", "start_day", "end_day", "note",
)  # fmt: skip


# ---- results ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeToEventResult(results.EndpointResult):
    """One endpoint of every subject: time, event or censoring, and why.

    `counting_process` has the rows (start, stop] of everybody with a time, split at the
    transplant: `hsct` is 0 before it and 1 after it. `sources` has, row by row with `subjects`, the
    record whose day is the end: `subject_id, infusion_date, source_table, source_variable,
    source_row` (1-based)`, note`.
    """

    title: ClassVar[str] = "Time to event"

    endpoint: str
    counting_process: pd.DataFrame = field(repr=False)
    sources: pd.DataFrame = field(repr=False)

    def to_adtte(
        self, *, study_id: str = "", parameters: Mapping[str, tuple[str, str]] | None = None
    ) -> pd.DataFrame:
        """Rows in the shape of the ADaM dataset ADTTE, one per subject.

        Parameters
        ----------
        study_id : str
            STUDYID, and the first part of USUBJID.
        parameters : mapping, optional
            (PARAMCD, PARAM) by endpoint, in place of the usual words.

        Returns
        -------
        DataFrame
            As `times.adtte.adtte_rows` says.
        """
        return adtte.adtte_rows(self.subjects, self.sources, study_id=study_id, parameters=parameters)

    def _long(self) -> list[pd.DataFrame]:
        common: dict[str, Any] = {
            "analysis": "survival.time_to_event",
            "param": self.endpoint,
            "population": self.population,
        }
        return [
            results.long_rows(self.summary, group=self.summary["group"], stats=list(table.COUNTS), **common),
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
    sources : DataFrame
        Row by row with `subjects`, the record whose day is the end.
    strategies : mapping of str to TimeToEventRules
    """

    title: ClassVar[str] = "Time to event"
    figure: ClassVar[str] = "endpoint_curves"

    changes: pd.DataFrame = field(repr=False)
    curves: pd.DataFrame = field(repr=False)
    strategies: Mapping[str, TimeToEventRules] = field(repr=False)
    reasons: pd.DataFrame = field(repr=False)
    sources: pd.DataFrame = field(repr=False)

    def to_adtte(
        self, *, study_id: str = "", parameters: Mapping[str, tuple[str, str]] | None = None
    ) -> pd.DataFrame:
        """Rows in the shape of the ADaM dataset ADTTE, one per subject, endpoint and strategy.

        Parameters
        ----------
        study_id : str
            STUDYID, and the first part of USUBJID.
        parameters : mapping, optional
            (PARAMCD, PARAM) by endpoint and strategy, as in `PFS:censor`.

        Returns
        -------
        DataFrame
            As `times.adtte.adtte_rows` says.
        """
        return adtte.adtte_rows(self.subjects, self.sources, study_id=study_id, parameters=parameters)

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
        summary=pd.DataFrame([{"group": label, **table.counts(found[mask])} for label, mask in everybody]),
        excluded=study.excluded,
        rules=rules,
        population=derive.population(study.subjects),
        endpoint=endpoint,
        counting_process=_counting_process(study, found, rules),
        sources=sources.source_rows(study, found, rules),
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
        ({"endpoint": endpoint, "strategy": name, "group": label}, table.Cell.of(found[mask], label, rules))
        for (endpoint, name), found in derived.items()
        for label, mask in members
    ]
    return EndpointTable(
        subjects=table.strategy_frame(derived),
        summary=pd.DataFrame([key | cell.row() for key, cell in cells]),
        excluded=study.excluded,
        rules=rules,
        population=derive.population(study.subjects),
        changes=table.changes(study, derived, list(plans)),
        curves=results.concat([cell.curve(key) for key, cell in cells], ()),
        strategies=plans,
        sources=results.concat(
            [sources.source_rows(study, found, plans[name]) for (_, name), found in derived.items()], ()
        ),
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
