"""Cumulative incidence of an adverse event, with death as the competing event.

Here: the time to the first event of a line or term, to death, or to the end of follow-up. Not here: the
estimate itself (`stats.competing_risks`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import derive, results
from cart7.stats import competing_risks, proportions
from cart7.toxicity import emergence, trace
from cart7.toxicity.emergence import Table
from cart7.toxicity.lines import OF_LINES, lines_not_collected, overview_lines
from cart7.toxicity.rules import SafetyRules
from cart7.toxicity.tallies import RATE, Groups, SafetyResult, among, groups_of

Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.object_]

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
    time, cause, note = _timed(found, np.array(list(picked.values())))
    curves = _curves(list(picked), groups, time, cause)
    return EventIncidenceResult(
        subjects=_subject_rows(found, list(picked), time, cause, note),
        summary=_summary(curves, lines_not_collected(found.collected), rules),
        curve=_curve(curves, rules), excluded=found.excluded, rules=rules,
        population=derive.population(found.course.subjects),
        trace=trace.Trace(found=found, groups=groups, keys={"term": np.array(list(picked), dtype=object)},
                          assign=lambda: trace.stacked(list(picked.values()))),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What the curve of every term and group is made of: first those of the first term, group by group."""

    term: Words
    group: Words
    time: Floats  # curves by subjects
    cause: Ints
    used: Flags  # in the group, and analysed
    steps: competing_risks.SeriesIncidence


def _curves(terms: list[str], groups: Groups, time: Floats, cause: Ints) -> Curves:
    """Times and causes (terms by subjects) once per group, with the steps of both causes."""
    n_groups, member = len(groups.labels), np.tile(groups.members, (len(terms), 1))
    times, causes = np.repeat(time, n_groups, axis=0), np.repeat(cause, n_groups, axis=0)
    used = member & ~np.isnan(times)
    steps = competing_risks.incidence_by_series(
        times[used], causes[used], np.nonzero(used)[0], n_series=len(used), causes=(EVENT, DEATH)
    )
    return Curves(
        term=np.repeat(np.array(terms, dtype=object), n_groups),
        group=np.tile(np.array(groups.labels, dtype=object), len(terms)),
        time=times, cause=causes, used=used, steps=steps,
    )  # fmt: skip


def _words(cells: Words) -> pd.Series:
    return pd.Series(cells, dtype=object)


def _records_of(found: emergence.Records, terms: tuple[str, ...], rules: SafetyRules) -> dict[str, Flags]:
    """The records of each line or preferred term."""
    lines = overview_lines(found, rules)
    others = [term for term in terms if term not in lines]
    named = {str(term).casefold() for term in found.table["pt"].dropna().unique()} if others else set()
    unknown = [term for term in others if term.casefold() not in named]
    if unknown or not terms:
        allowed = ", ".join(lines)
        raise ValueError(
            f"terms: a preferred term of the records, or one of {allowed}; got {', '.join(unknown)}"
        )
    return {term: lines[term] if term in lines else among(found.table["pt"], (term,)) for term in terms}


def _timed(found: emergence.Records, record: Flags) -> tuple[Floats, Ints, Words]:
    """Time (days since the reference date; NaN: not analysed), cause and note: terms by subjects.

    `record` (terms by records) are the records of each term.
    """
    course = found.course
    shape = (len(record), len(course.subjects))
    term, place = np.nonzero(record)
    cell = term, found.who[place]
    onset, had = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    np.fmin.at(onset, cell, found.table["start_day"].to_numpy(dtype=float)[place])
    had[cell] = True
    end = course.risk_end
    event, died = onset <= end, course.death <= end
    time = np.where(event, onset, end) - course.reference
    time = np.where(course.infused, np.where(event, np.maximum(time, 0), time), np.nan)
    time = np.where(time < 0, np.nan, time)
    cause = np.where(event, EVENT, np.where(died, DEATH, 0))
    note = results.first_reason(
        (~course.infused, "not infused"), (np.isnan(end), "end of follow-up unknown"),
        (np.isnan(time), "follow-up ends before the reference date"),
        (had & np.isnan(onset), "onset unknown, followed without event"),
        (had & ~event, "onset after the end of follow-up, followed without event"),
    )  # fmt: skip
    return time, cause, note


def _subject_rows(
    found: emergence.Records, terms: list[str], time: Floats, cause: Ints, note: Words
) -> pd.DataFrame:
    ids = found.course.subjects["subject_id"].to_numpy(dtype=object)
    known = np.where(np.isnan(time), np.nan, cause)
    return pd.DataFrame(
        {"subject_id": np.tile(ids, len(terms)),
         "term": _words(np.repeat(np.array(terms, dtype=object), len(ids))),
         "time": time.ravel(), "cause": known.ravel(), "note": note.ravel()}
    )  # fmt: skip


def _curve(curves: Curves, rules: SafetyRules) -> pd.DataFrame:
    """Steps of both causes, those of the event first; none where nobody is at risk."""
    steps = curves.steps
    number, cause, at = np.nonzero(np.repeat(np.isfinite(steps.time)[:, None], 2, axis=1))
    estimate, variance = steps.estimate[cause, number, at], steps.variance[cause, number, at]
    low, high = competing_risks.limits(estimate, variance, conf_level=rules.conf_level)
    whole = np.int64 if curves.used.any(axis=1).all() else float  # an empty group makes the counts float
    return pd.DataFrame(
        {"cause": np.array([EVENT, DEATH])[cause].astype(whole), "time": steps.time[number, at],
         "n_risk": steps.n_risk[number, at].astype(whole), "estimate": estimate, "ci_low": low,
         "ci_high": high, "term": _words(curves.term[number]), "group": _words(curves.group[number])}
    )  # fmt: skip


def _at_landmarks(curves: Curves, rules: SafetyRules) -> dict[str, npt.NDArray[Any]]:
    """Incidence by each landmark day; missing after the last observation while somebody is censored."""
    day, used, time = np.array(rules.landmark_days), curves.used, curves.time
    last = np.where(used, time, -1.0).max(axis=1, initial=-1.0)[:, None]
    censored = used & (curves.cause == 0)
    beyond = (day > last) & ((censored & (time == last)).any(axis=1) | ~used.any(axis=1))[:, None]
    place = (curves.steps.time[:, None] <= day[:, None]).sum(axis=2)
    start = np.zeros((len(used), 1))
    estimate, variance = (
        np.take_along_axis(np.append(start, values[0], axis=1), place, axis=1)
        for values in (curves.steps.estimate, curves.steps.variance)
    )
    low, high = competing_risks.limits(estimate, variance, conf_level=rules.conf_level)
    before, by_day = time[:, None] < day[:, None], time[:, None] <= day[:, None]

    def count(who: Flags, when: Flags) -> Ints:
        found: Ints = (who[:, None] & when).sum(axis=2)
        return found

    cells = {
        "day": np.broadcast_to(day, beyond.shape), "n": np.repeat(used.sum(axis=1), len(day)),
        "n_risk": count(used, ~before), "n_event": count(used & (curves.cause == EVENT), by_day),
        "n_death": count(used & (curves.cause == DEATH), by_day),
        **{name: np.where(beyond, np.nan, values)
           for name, values in zip(RATE, (estimate, low, high), strict=True)},
        "beyond": beyond, "censored": (censored[:, None] & before).any(axis=2),
    }  # fmt: skip
    return {name: values.ravel() for name, values in cells.items()}


def _summary(curves: Curves, not_collected: dict[str, str], rules: SafetyRules) -> pd.DataFrame:
    """The landmark rows of all curves, with exact limits where they can be had, and notes."""
    cells = _at_landmarks(curves, rules)
    days = len(rules.landmark_days)
    missing = np.array([not_collected.get(term, "") for term in curves.term], dtype=object).repeat(days)
    n, low, high = cells["n"], cells["ci_low"], cells["ci_high"]
    # At 0 and 1 log(-log) has no limits: exact ones, if nobody was censored before the day.
    whole = np.isnan(low) & ~np.isnan(cells["estimate"]) & ~cells["censored"] & (n > 0)
    low[whole], high[whole] = proportions.interval(
        cells["n_event"][whole], n[whole], method="clopper-pearson", conf_level=rules.conf_level
    )
    gone = missing != ""  # a line whose column was not collected is missing, not zero
    if gone.any():
        for name in ("n_event", "n_death", *RATE):
            cells[name] = np.where(gone, np.nan, cells[name])
    note = results.first_reason(
        (gone, missing + " not collected"), (n == 0, "nobody in this group"),
        (cells["beyond"], "after the last observation of this group"),
        (np.isnan(low), "no limits at 0 or 1"),
    )  # fmt: skip
    exact = np.array([METHOD, "Clopper-Pearson, nobody censored by that day"], dtype=object)
    return pd.DataFrame(
        {"term": _words(np.repeat(curves.term, days)), "day": cells["day"],
         "group": _words(np.repeat(curves.group, days)),
         **{name: cells[name] for name in ("n", "n_risk", "n_event", "n_death", *RATE)},
         "conf_level": rules.conf_level, "method": _words(exact[whole.astype(int)]), "note": _words(note)}
    )  # fmt: skip
