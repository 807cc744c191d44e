"""Cumulative incidence of an adverse event, with death as the competing event.

Here: the time to the first event of a line or term, to death, or to the end of follow-up. Not here: the
estimate itself (`stats.competing_risks`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import derive
from cart7.stats import competing_risks, proportions
from cart7.toxicity import emergence, trace
from cart7.toxicity.emergence import Table
from cart7.toxicity.lines import OF_LINES, lines_not_collected, overview_lines
from cart7.toxicity.rules import SafetyRules
from cart7.toxicity.tallies import RATE, SafetyResult, among, groups_of

Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]

EVENT, DEATH = 1, 2
METHOD = "Aalen-Johansen, death competing; limits on the log(-log) scale"
LINES = ("any_teae_grade_ge3", "crs_any", "icans_any", "infection_any", "infection_grade_ge3")


@dataclass(frozen=True, kw_only=True, eq=False)
class EventIncidenceResult(SafetyResult):
    """Cumulative incidence of adverse events with death competing.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, term, time (days since the reference date), cause (0 censored, 1 the event, 2 death
        without it), note: a row per subject and term.
    summary : DataFrame
        term, day, group, n, n_risk (on that day), n_event, n_death (without the event, both by that day),
        estimate (a fraction), ci_low, ci_high, conf_level, method, note.
    curve : DataFrame
        term, group, cause, time, n_risk, estimate, ci_low, ci_high: the steps.
    """

    title: ClassVar[str] = "Cumulative incidence of adverse events"
    figure: ClassVar[str] = "ae_incidence"
    analysis: ClassVar[str] = "safety.cumulative_incidence"
    stats: ClassVar[tuple[str, ...]] = ("n", "n_risk", "n_event", "n_death", *RATE)
    subject_stats: ClassVar[tuple[str, ...]] = ("time", "cause")
    curve: pd.DataFrame = field(repr=False)

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return self.summary["term"], self.subjects["term"]

    def _long(self) -> list[pd.DataFrame]:
        summary, subjects = super()._long()
        days = "D" + self.summary["day"].astype(str)
        summary["timepoint"] = np.tile(days.to_numpy(dtype=object), len(self.stats))
        subjects.loc[subjects["stat"] == "time", "unit"] = "days"
        return [summary, subjects]


def cumulative_incidence(
    adverse_events: Table,
    subjects: Table,
    *,
    terms: Sequence[str] = LINES,
    by: str | None = "dose_level",
    rules: SafetyRules | None = None,
    events: Table | None = None,
) -> EventIncidenceResult:
    """How many have had an adverse event by a day, when death may come first.

    Parameters
    ----------
    adverse_events, subjects, by, rules, events
        As in `exposure_adjusted`; `rules.landmark_days` are the days of `.summary`.
    terms : sequence of str
        Lines of the overview (`crs_any`, `infection_grade_ge3` ...) or preferred terms.

    Returns
    -------
    EventIncidenceResult
        Among those infused whose follow-up is known. Time runs from the reference date to the first onset,
        death, or the end of follow-up; an onset on the day of death is an event. A subject whose onsets are
        all unknown is followed without event, and `note` says so.

    Raises
    ------
    ValueError
        If a term is neither a line nor a preferred term of the records, or `by` is not a column of
        `subjects`.

    Notes
    -----
    One minus Kaplan-Meier counts the dead as if the event could still come to them and is too high. A day
    after the last observation is missing while somebody is censored.

    References
    ----------
    Aalen OO, Johansen S (1978). Scand J Stat 5:141-150. Variance as R cmprsk.

    Examples
    --------
    >>> events = pd.DataFrame({"subject_id": ["1"], "start_day": [9], "grade": [3]})
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"], "infusion_date": "2024-01-01",
    ...                          "followup_end_date": "2024-12-31"})
    >>> table = cumulative_incidence(events, subjects, terms=["any_teae_grade_ge3"], by=None).summary
    >>> table[["day", "n_event", "estimate"]].values.tolist()[0]
    [28.0, 1.0, 0.5]
    """
    rules = rules or SafetyRules()
    found = emergence.emergent(
        adverse_events, subjects, events, reference=rules.reference, window_days=rules.window_days,
        words=OF_LINES,
    )  # fmt: skip
    picked = _records_of(found, tuple(terms), rules)
    groups = groups_of(found.course.subjects, by)
    open_lines = lines_not_collected(found.collected)
    persons, summaries, curves = [], [], []
    for term, record in picked.items():
        time, cause, note = _timed(found, record)
        persons.append(_subject_rows(found, term, time, cause, note))
        for label, member in zip(groups.labels, groups.members, strict=True):
            used = member & ~np.isnan(time)
            curve = _curve(time[used], cause[used], rules)
            curves.append(curve.assign(term=term, group=label))
            rows = _at_landmarks(curve, time[used], cause[used], rules).assign(term=term, group=label)
            summaries.append(_left_open(rows, open_lines.get(term, "")))
    summary = pd.concat(summaries, ignore_index=True).assign(conf_level=rules.conf_level)
    order = [
        "term",
        "day",
        "group",
        "n",
        "n_risk",
        "n_event",
        "n_death",
        *RATE,
        "conf_level",
        "method",
        "note",
    ]
    keys = pd.DataFrame({"term": list(picked)}, dtype=object)
    return EventIncidenceResult(
        subjects=pd.concat(persons, ignore_index=True), summary=summary[order],
        curve=pd.concat(curves, ignore_index=True), excluded=found.excluded, rules=rules,
        population=derive.population(found.course.subjects),
        trace=trace.Trace(found=found, groups=groups, keys=keys,
                          assign=lambda: trace.stacked(list(picked.values()))),
    )  # fmt: skip


def _records_of(found: emergence.Records, terms: tuple[str, ...], rules: SafetyRules) -> dict[str, Flags]:
    """The records of each line or preferred term."""
    lines = overview_lines(found, rules)
    named = {str(term).casefold() for term in found.table["pt"].dropna().unique()}
    unknown = [term for term in terms if term not in lines and term.casefold() not in named]
    if unknown or not terms:
        allowed = ", ".join(lines)
        raise ValueError(
            f"terms: a preferred term of the records, or one of {allowed}; got {', '.join(unknown)}"
        )
    return {term: lines[term] if term in lines else among(found.table["pt"], (term,)) for term in terms}


def _timed(found: emergence.Records, record: Flags) -> tuple[Floats, Ints, npt.NDArray[np.object_]]:
    """Time (days since the reference date; NaN: not analysed), cause and note of each subject."""
    course = found.course
    who, start = found.who[record], found.table["start_day"].to_numpy(dtype=float)[record]
    onset, had = np.full(len(course.subjects), np.nan), np.zeros(len(course.subjects), dtype=bool)
    np.fmin.at(onset, who, start)
    had[who] = True
    end = course.risk_end
    event, died = onset <= end, course.death <= end
    time = np.where(event, onset, end) - course.reference
    time = np.where(course.infused, np.where(event, np.maximum(time, 0), time), np.nan)
    time = np.where(time < 0, np.nan, time)
    cause = np.select([event, died], [EVENT, DEATH], 0)
    note = np.select(
        [~course.infused, np.isnan(end), np.isnan(time), had & np.isnan(onset), had & ~event],
        ["not infused", "end of follow-up unknown", "follow-up ends before the reference date",
         "onset unknown, followed without event", "onset after the end of follow-up, followed without event"],
        "",
    )  # fmt: skip
    return time, cause.astype(np.int64), note.astype(object)


def _subject_rows(
    found: emergence.Records, term: str, time: Floats, cause: Ints, note: npt.NDArray[np.object_]
) -> pd.DataFrame:
    ids = found.course.subjects["subject_id"].to_numpy(dtype=object)
    known = np.where(np.isnan(time), np.nan, cause.astype(float))
    return pd.DataFrame({"subject_id": ids, "term": term, "time": time, "cause": known, "note": note})


def _curve(time: Floats, cause: Ints, rules: SafetyRules) -> pd.DataFrame:
    """Steps of both causes; empty where nobody is at risk."""
    columns = ["cause", "time", "n_risk", *RATE]
    if not time.size:
        return pd.DataFrame(columns=columns, dtype=float)
    steps = competing_risks.cumulative_incidence(time, cause, causes=(EVENT, DEATH))
    blocks = []
    for number, of in enumerate(steps.causes):
        estimate = steps.estimate[number]
        low, high = competing_risks.limits(estimate, steps.variance[number], conf_level=rules.conf_level)
        values = (of, steps.time, steps.n_risk, estimate, low, high)
        blocks.append(pd.DataFrame(dict(zip(columns, values, strict=True))))
    return pd.concat(blocks, ignore_index=True)


def _at_landmarks(curve: pd.DataFrame, time: Floats, cause: Ints, rules: SafetyRules) -> pd.DataFrame:
    """Incidence by each landmark day; missing after the last observation while somebody is censored."""
    rows = pd.DataFrame({"day": list(rules.landmark_days)})
    day = rows["day"].to_numpy(dtype=float)
    steps = curve[curve["cause"] == EVENT]
    rows["n"] = time.size
    rows["n_risk"] = (time[None, :] >= day[:, None]).sum(axis=1)
    for name, of in (("n_event", EVENT), ("n_death", DEATH)):
        rows[name] = ((time[None, :] <= day[:, None]) & (cause == of)[None, :]).sum(axis=1)
    place = np.searchsorted(steps["time"].to_numpy(dtype=float), day, side="right") - 1
    last = time.max() if time.size else -1.0
    beyond = (day > last) & bool((cause[time == last] == 0).any() if time.size else True)
    for name in RATE:
        values = np.append(steps[name].to_numpy(dtype=float), 0.0 if name == "estimate" else np.nan)
        rows[name] = np.where(beyond, np.nan, values[place])
    _exact_at_the_ends(rows, (cause == 0) & (time < day[:, None]), rules)
    rows["note"] = np.select(
        [np.full(len(day), not time.size), beyond, rows["ci_low"].isna()],
        ["nobody in this group", "after the last observation of this group", "no limits at 0 or 1"], "",
    )  # fmt: skip
    return rows


def _exact_at_the_ends(rows: pd.DataFrame, censored: Flags, rules: SafetyRules) -> None:
    """At 0 and 1, where log(-log) has no limits: exact ones, if nobody was censored before the day."""
    whole = rows["ci_low"].isna() & rows["estimate"].notna() & ~censored.any(axis=1) & (rows["n"] > 0)
    low, high = proportions.interval(
        rows["n_event"], rows["n"], method="clopper-pearson", conf_level=rules.conf_level
    )
    rows["ci_low"] = np.where(whole, low, rows["ci_low"])
    rows["ci_high"] = np.where(whole, high, rows["ci_high"])
    rows["method"] = np.where(whole, "Clopper-Pearson, nobody censored by that day", METHOD)


def _left_open(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """A line whose column was not collected is missing, not zero."""
    if not column:
        return rows
    blank = dict.fromkeys(("n_event", "n_death", *RATE), np.nan)
    return rows.assign(**blank, note=f"{column} not collected")
