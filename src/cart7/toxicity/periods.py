"""Adverse events by period: the first month, the third, later, and after transplantation.

Here: which period an event and a day at risk belong to, and the lines of the overview in each. Not here:
which record is on which line (`lines`).
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import derive, results
from cart7.stats import counting
from cart7.toxicity import emergence, trace
from cart7.toxicity.emergence import Table
from cart7.toxicity.lines import OF_LINES, lines_not_collected, overview_lines
from cart7.toxicity.rules import SafetyRules
from cart7.toxicity.tallies import EVENT, RATE, Columns, SafetyResult, add_proportion, add_rate, groups_of

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

AFTER_HSCT = "after HSCT"


@dataclass(frozen=True, kw_only=True, eq=False)
class PeriodResult(SafetyResult):
    """Adverse events by period.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, period, first_day, last_day (at risk, days since infusion), days (at risk, both included),
        note: a row per subject and period.
    summary : DataFrame
        row, period, group, n (subjects at risk in the period), n_subjects, n_events, estimate (a fraction of
        n), ci_low, ci_high, person_years, event_rate, event_ci_low, event_ci_high (per 100 person-years),
        conf_level, method, note.
    """

    title: ClassVar[str] = "Adverse events by period"
    analysis: ClassVar[str] = "safety.by_period"
    stats: ClassVar[tuple[str, ...]] = ("n", "n_subjects", "n_events", *RATE, "person_years", *EVENT)
    subject_stats: ClassVar[tuple[str, ...]] = ("first_day", "last_day", "days")

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return self.summary["row"] + ":" + self.summary["period"], "at_risk:" + self.subjects["period"]

    def _long(self) -> list[pd.DataFrame]:
        blocks = super()._long()
        for block in blocks:
            rate = block["stat"].isin(EVENT)
            block.loc[rate, "method"] = "exact Poisson; all events taken as independent"
            block.loc[block["stat"].isin(("first_day", "last_day", "days")), "unit"] = "days"
        return blocks


def by_period(
    adverse_events: Table,
    subjects: Table,
    *,
    by: str | None = "dose_level",
    rules: SafetyRules | None = None,
    events: Table | None = None,
) -> PeriodResult:
    """The lines of the overview by the period in which events begin.

    Parameters
    ----------
    adverse_events, subjects, by, rules
        As in `overview`; `rules.periods` are the last days of the periods.
    events : DataFrame or sequence of StudyEvent, optional
        As in `overview`, and HSCT, with which the last period begins.

    Returns
    -------
    PeriodResult
        Periods `0-28`, `29-90`, `>90` (days since infusion) up to the day before a transplantation, and
        `after HSCT` from its day on. `n` counts the subjects with a day at risk in the period.

    Raises
    ------
    ValueError
        If `by` or `rules.reference` is not a column of `subjects`.

    Notes
    -----
    An event belongs to the period of its start; one that began before day 0 (and counts) to the first. One
    whose start is unknown is in no period and stands in `.excluded`. An event after the end of risk is
    counted as well, and its subject with it.

    Examples
    --------
    >>> events = pd.DataFrame({"subject_id": ["1", "1"], "start_day": [5, 40]})
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"], "infused": "Y"})
    >>> course = pd.DataFrame({"subject_id": ["1", "2"], "event": "LAST_CONTACT", "day": [60, 20]})
    >>> table = by_period(events, subjects, events=course, by=None).summary
    >>> table.loc[table["row"] == "any_teae", ["period", "n", "n_subjects"]].values.tolist()
    [['0-28', 2, 1.0], ['29-90', 1, 1.0], ['>90', 0, 0.0], ['after HSCT', 0, 0.0]]
    """
    rules = rules or SafetyRules()
    found = emergence.emergent(
        adverse_events, subjects, events, reference=rules.reference, window_days=rules.window_days,
        words=OF_LINES,
    )  # fmt: skip
    people = found.course.subjects
    hsct = found.course.first["HSCT"].to_numpy(dtype=float)
    names = _names(rules.periods)
    start = found.table["start_day"].to_numpy(dtype=float)
    period = _period_of(start, hsct[found.who], rules.periods)
    first, last = _at_risk(found.course, hsct, rules.periods)
    days = np.where(np.isnan(first), 0.0, last - first + 1)
    lines, groups = overview_lines(found, rules), groups_of(people, by)
    of_period = period == np.arange(len(names))[:, None]
    row, picked = trace.stacked([here for line in lines.values() for here in line & of_period])
    counts = counting.count(found.cells(row, picked), groups.members, len(lines) * len(names))
    words = np.repeat(np.array(list(lines), dtype=object), len(names))
    keys = {"row": words, "period": np.array(names * len(lines), dtype=object)}
    summary = groups.unfold(
        keys, n_subjects=counts.n_subjects.astype(float), n_events=counts.n_records.astype(float)
    )
    undated = found.set_aside(np.isnan(start), "start unknown, in no period")
    there = _present(found, period, ~np.isnan(first))
    summary["n"] = np.tile((there.T[:, None, :] & groups.members[None]).sum(axis=2).ravel(), len(lines))
    years = np.array([[days[member, k].sum() for member in groups.members] for k in range(len(names))])
    summary["person_years"] = np.tile(years.ravel() / rules.year_days, len(lines))
    return PeriodResult(
        subjects=_risk_rows(people, names, first, last, days), summary=_with_rates(summary, found, rules),
        excluded=results.concat([found.excluded, undated], results.EXCLUDED_COLUMNS), rules=rules,
        population=derive.population(people),
        trace=trace.Trace(found=found, groups=groups, keys=keys, assign=lambda: (row, picked)),
    )  # fmt: skip


def _names(last_days: tuple[int, ...]) -> list[str]:
    """Names of the periods that end on these days, of the time after them, and after transplantation."""
    firsts = (0, *(day + 1 for day in last_days))
    closed = [f"{first}-{last}" for first, last in zip(firsts, last_days, strict=False)]
    return [*closed, f">{last_days[-1]}", AFTER_HSCT]


def _period_of(start: Floats, hsct: Floats, last_days: tuple[int, ...]) -> Ints:
    """Number of the period of each start; -1 where it is unknown."""
    number = np.searchsorted(np.asarray(last_days, dtype=float), np.floor(start), side="left")
    number = np.where(start >= hsct, len(last_days) + 1, number)
    return np.where(np.isnan(start), -1, number).astype(np.int64)


def _at_risk(course: emergence.Course, hsct: Floats, last_days: tuple[int, ...]) -> tuple[Floats, Floats]:
    """First and last day at risk of each subject (rows) in each period; NaN for none.

    Where the end of follow-up is unknown the last day is.
    """
    firsts = np.array([0, *(day + 1 for day in last_days)], dtype=float)
    lasts = np.array([*last_days, np.inf], dtype=float)
    end = np.where(np.isnan(course.risk_end), np.inf, course.risk_end)
    until = np.fmin(end, hsct - 1)
    first = np.column_stack([np.tile(firsts, (len(end), 1)), np.fmax(hsct, 0)])
    last = np.column_stack([np.minimum(lasts[None, :], until[:, None]), np.where(np.isnan(hsct), -1, end)])
    there = course.infused[:, None] & (last >= first)
    last = np.where(np.isinf(last), np.nan, last)
    return np.where(there, first, np.nan), np.where(there, last, np.nan)


def _present(found: emergence.Records, period: Ints, at_risk: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Subjects by periods: at risk, or with an event there (reported after the end of follow-up)."""
    there = at_risk.copy()
    dated = period >= 0
    there[found.who[dated], period[dated]] = True
    return there


def _with_rates(columns: Columns, found: emergence.Records, rules: SafetyRules) -> pd.DataFrame:
    """The summary with proportions, rates and notes."""
    add_proportion(columns, "n_subjects", "n", rules, RATE)
    add_rate(columns, "n_events", "person_years", rules, EVENT)
    for name in ("conf_level", "method"):
        columns[name] = columns.pop(name)
    years = columns["person_years"]
    columns["note"] = np.select(
        [columns["n"] == 0, np.isnan(years), years == 0],
        ["nobody at risk in this period", "end of follow-up unknown for a subject of this group",
         "no time at risk in this period"], "",
    )  # fmt: skip
    summary = pd.DataFrame(columns)
    for line, column in lines_not_collected(found.collected).items():
        here = summary["row"] == line
        summary.loc[here, ["n_subjects", "n_events", *RATE, *EVENT]] = np.nan
        summary.loc[here, "note"] = f"{column} not collected"
    return summary


def _risk_rows(
    people: pd.DataFrame, names: list[str], first: Floats, last: Floats, days: Floats
) -> pd.DataFrame:
    """One row per subject and period."""
    note = np.select(
        [np.isnan(first), np.isnan(last)], ["not at risk in this period", "end of follow-up unknown"], ""
    )
    return pd.DataFrame(
        {"subject_id": np.repeat(people["subject_id"].to_numpy(dtype=object), len(names)),
         "period": np.tile(np.array(names, dtype=object), len(people)), "first_day": first.ravel(),
         "last_day": last.ravel(), "days": days.ravel(), "note": note.ravel()}
    )  # fmt: skip
