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
            curves.append({"term": term, "group": label} | curve)
            rows = {"term": term, "group": label} | _at_landmarks(curve, time[used], cause[used], rules)
            summaries.append(rows | {"not_collected": open_lines.get(term, "")})
    return EventIncidenceResult(
        subjects=_stacked(persons), summary=_summary(_stacked(summaries), rules),
        curve=_stacked(curves)[list(CURVE)], excluded=found.excluded, rules=rules,
        population=derive.population(found.course.subjects),
        trace=trace.Trace(found=found, groups=groups, keys=pd.DataFrame({"term": list(picked)}, dtype=object),
                          assign=lambda: trace.stacked(list(picked.values()))),
    )  # fmt: skip


CURVE = ("cause", "time", "n_risk", *RATE, "term", "group")
SUMMARY = ("term", "day", "group", "n", "n_risk", "n_event", "n_death", *RATE, "conf_level", "method", "note")


def _stacked(blocks: list[dict[str, Any]]) -> pd.DataFrame:
    """Blocks of columns below each other; one word stands for every row of its block."""
    lengths = [
        max(len(cells) for cells in block.values() if isinstance(cells, np.ndarray)) for block in blocks
    ]
    columns: dict[str, Any] = {}
    for name in blocks[0]:
        if isinstance(blocks[0][name], np.ndarray):
            columns[name] = np.concatenate([block[name] for block in blocks])
        else:
            words = np.array([block[name] for block in blocks], dtype=object)
            columns[name] = pd.Series(np.repeat(words, lengths), dtype=object)
    return pd.DataFrame(columns)


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
) -> dict[str, Any]:
    ids = found.course.subjects["subject_id"].to_numpy(dtype=object)
    known = np.where(np.isnan(time), np.nan, cause.astype(float))
    return {"subject_id": ids, "term": term, "time": time, "cause": known, "note": note}


def _curve(time: Floats, cause: Ints, rules: SafetyRules) -> dict[str, Floats]:
    """Steps of both causes, those of the event first; empty where nobody is at risk."""
    columns = ("cause", "time", "n_risk", *RATE)
    if not time.size:
        return {name: np.zeros(0) for name in columns}
    steps = competing_risks.cumulative_incidence(time, cause, causes=(EVENT, DEATH))
    low, high = competing_risks.limits(steps.estimate, steps.variance, conf_level=rules.conf_level)
    times, at_risk = np.tile(steps.time, 2), np.tile(steps.n_risk, 2)
    of = np.repeat(np.array(steps.causes), len(steps.time))
    values = (of, times, at_risk, steps.estimate.ravel(), low.ravel(), high.ravel())
    return dict(zip(columns, values, strict=True))


def _at_landmarks(
    curve: dict[str, Floats], time: Floats, cause: Ints, rules: SafetyRules
) -> dict[str, npt.NDArray[Any]]:
    """Incidence by each landmark day; missing after the last observation while somebody is censored."""
    day = np.array(rules.landmark_days, dtype=float)
    of_event = curve["cause"] == EVENT
    by_day = time[None, :] <= day[:, None]
    place = np.searchsorted(curve["time"][of_event], day, side="right") - 1
    last = time.max() if time.size else -1.0
    beyond = (day > last) & bool((cause[time == last] == 0).any() if time.size else True)
    rates = {}
    for name in RATE:
        values = np.append(curve[name][of_event], 0.0 if name == "estimate" else np.nan)
        rates[name] = np.where(beyond, np.nan, values[place])
    return {
        "day": np.array(rules.landmark_days), "n": np.full(len(day), time.size),
        "n_risk": (time[None, :] >= day[:, None]).sum(axis=1),
        "n_event": (by_day & (cause == EVENT)).sum(axis=1),
        "n_death": (by_day & (cause == DEATH)).sum(axis=1),
        **rates, "beyond": beyond, "censored": ((cause == 0) & (time < day[:, None])).any(axis=1),
    }  # fmt: skip


def _summary(rows: pd.DataFrame, rules: SafetyRules) -> pd.DataFrame:
    """The landmark rows of all terms and groups, with exact limits where they can be had, and notes."""
    cells = {name: rows[name].to_numpy() for name in rows.columns}
    n, estimate = cells["n"], cells["estimate"]
    # At 0 and 1 log(-log) has no limits: exact ones, if nobody was censored before the day.
    whole = np.isnan(cells["ci_low"]) & ~np.isnan(estimate) & ~cells["censored"] & (n > 0)
    exact = proportions.interval(cells["n_event"], n, method="clopper-pearson", conf_level=rules.conf_level)
    low, high = (
        np.where(whole, limit, cells[name]) for limit, name in zip(exact, ("ci_low", "ci_high"), strict=True)
    )
    gone = cells["not_collected"] != ""  # a line whose column was not collected is missing, not zero
    made = {"n_event": cells["n_event"], "n_death": cells["n_death"], "estimate": estimate, "ci_low": low,
            "ci_high": high}  # fmt: skip
    if gone.any():
        made = {name: np.where(gone, np.nan, values) for name, values in made.items()}
    made["conf_level"] = np.full(len(rows), rules.conf_level)
    made["method"] = np.where(whole, np.array("Clopper-Pearson, nobody censored by that day", dtype=object),
                              METHOD)  # fmt: skip
    made["note"] = results.first_reason(
        (gone, cells["not_collected"] + " not collected"), (n == 0, "nobody in this group"),
        (cells["beyond"], "after the last observation of this group"),
        (np.isnan(low), "no limits at 0 or 1"),
    )  # fmt: skip
    words = {name: pd.Series(made.pop(name), dtype=object) for name in ("method", "note")}
    return rows.assign(**made, **words)[list(SUMMARY)]
