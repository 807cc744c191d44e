"""Which adverse events count: their dates and days, and whether they are treatment-emergent.

Here: the course of each subject that events are judged by (infusion, death, end of follow-up), dates from
partial text, and the treatment-emergent records with a reason for every other one. Not here: counting,
rates and tables (`safety`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import derive, records, results
from cart7.stats import counting, partial_dates

Table: TypeAlias = pd.DataFrame | Iterable[records.Record]
Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Dates: TypeAlias = npt.NDArray[np.datetime64]

INFUSION = "infusion_date"
TIMED = ("start", "start_imputed", "end", "end_imputed", "start_day", "end_day", "treatment_emergent", "note")
READ = (
    "start_date", "end_date", "start_day", "end_day", "grade", "baseline_grade", "treatment_emergent"
)  # fmt: skip
ONE_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, kw_only=True)
class Course:
    """Subjects of an analysis with the days (since infusion) that events are judged by; NaN where unknown."""

    subjects: pd.DataFrame
    infused: Flags
    infusion: Dates
    reference: Floats  # first day on which an event is treatment-emergent
    death: Floats
    death_date: Dates
    end: Floats  # end of follow-up
    end_date: Dates

    @property
    def risk_end(self) -> Floats:
        """The earlier of death and end of follow-up."""
        return np.fmin(self.death, self.end)

    def position(self, subject_id: pd.Series) -> Ints:
        """Row of `subjects` of each id, -1 for a stranger."""
        found: Ints = pd.Index(self.subjects["subject_id"]).get_indexer(subject_id)
        return found


@dataclass(frozen=True, kw_only=True)
class Records:
    """Adverse-event records that count, with what they were found from.

    `table` has the columns asked for and those of `TIMED`; `who` is the row of `course.subjects` of each
    record; `collected` are the columns that were given.
    """

    table: pd.DataFrame
    who: Ints
    course: Course
    excluded: pd.DataFrame
    collected: tuple[str, ...]
    timed: pd.DataFrame  # all records, those that do not count too

    def cells(self, row: Ints, picked: Ints) -> counting.Cells:
        """The picked records reduced to one cell per table row and subject."""
        return counting.cells(
            row, self.who[picked],
            grade=self.table["grade"].to_numpy()[picked], day=self.table["start_day"].to_numpy()[picked],
        )  # fmt: skip


def course(subjects: Table, events: Table | None, *, reference: str = INFUSION) -> Course:
    """Lay out the course of each subject.

    Parameters
    ----------
    subjects : DataFrame or sequence of Subject
        `infused`, `infusion_date`; optional `death_date`, `followup_end_date`, `data_cutoff`, and the date
        column `reference`.
    events : DataFrame or sequence of StudyEvent, optional
        DEATH and LAST_CONTACT, used where `subjects` has no date.
    reference : str
        Date column from which events are treatment-emergent; the infusion date where it is blank.

    Raises
    ------
    ValueError
        If `reference` is not a column of `subjects`.
    """
    table = derive.subject_table(subjects)
    if reference != INFUSION and reference not in table.columns:
        columns = ", ".join(map(str, table.columns))
        raise ValueError(f"reference must be a date column of subjects ({columns}), got {reference!r}")
    infusion = derive.day_zero(table).to_numpy().astype("datetime64[D]")
    first = derive.first_event_days(events, table)
    unknown = np.full(len(table), np.nan)
    death, death_date = _day_and_date(table, "death_date", first["DEATH"].to_numpy(), infusion)
    last, last_date = _day_and_date(table, "followup_end_date", first["LAST_CONTACT"].to_numpy(), infusion)
    cutoff, cutoff_date = _day_and_date(table, "data_cutoff", unknown, infusion)
    begin = unknown if reference == INFUSION else _day_and_date(table, reference, unknown, infusion)[0]
    return Course(
        subjects=table,
        infused=derive.infused(table),
        infusion=infusion,
        reference=np.where(np.isnan(begin), 0.0, begin),
        death=death,
        death_date=death_date,
        end=np.where(np.isnan(last), cutoff, last),
        end_date=np.where(np.isnat(last_date), cutoff_date, last_date),
    )


def _day_and_date(table: pd.DataFrame, column: str, day: Floats, infusion: Dates) -> tuple[Floats, Dates]:
    """Day and date of a column of dates, with `day` (since infusion) where it is blank."""
    date = np.full(len(table), np.datetime64("NaT", "D"))
    if column in table.columns:
        date = derive.to_datetime(table[column]).to_numpy().astype("datetime64[D]")
    elapsed = (date - infusion) / ONE_DAY
    return np.where(np.isnan(elapsed), day, elapsed), np.where(np.isnat(date), _later(infusion, day), date)


def _later(date: Dates, days: Floats) -> Dates:
    """Each date so many whole days later; NaT where either is unknown."""
    step = np.full(len(date), np.timedelta64("NaT", "D"))
    known = ~np.isnan(days)
    step[known] = np.floor(days[known]).astype(np.int64).astype("timedelta64[D]")
    moved: Dates = date + step
    return moved


def timed(
    adverse_events: Table, course: Course, *, window_days: float | None = None, words: tuple[str, ...] = ()
) -> tuple[pd.DataFrame, Any]:
    """Every record with its dates, days and flag (columns `TIMED`), `row` and `who`; and the given columns.

    `why` says why a record does not count, `note` is a query about it or the same reason; the columns `words`
    are there whether or not they were given.
    """
    table = records.to_frame(adverse_events, "adverse_events", fill=READ + words)
    given = _given(adverse_events, table)
    who = course.position(table["subject_id"])
    infusion = of_subject(course.infusion, who)
    start, start_missing, no_start = _start(table, infusion)
    end, end_missing, no_end = _end(
        table, [of_subject(course.death_date, who), of_subject(course.end_date, who)]
    )
    for name, date, missing in (("start", start, start_missing), ("end", end, end_missing)):
        day = table[f"{name}_day"].to_numpy(dtype=float)
        stated = ~np.isnan(day) & ~np.isnat(infusion)
        date = np.where(stated, _later(infusion, day), date)
        table[f"{name}_day"] = np.where(np.isnan(day), (date - infusion) / ONE_DAY, day)
        table[name] = date.astype("datetime64[ns]")
        table[f"{name}_imputed"] = np.where(stated, "", missing)
    table["who"] = who
    _judge(table, course, "baseline_grade" in given, window_days)
    _queries(table, given, [(no_start, "start date unreadable"), (no_end, "end date unreadable")])
    return table, given


def _given(adverse_events: Table, table: pd.DataFrame) -> tuple[str, ...]:
    """Columns that came with the records: those of a frame, or the fields that any record fills."""
    if isinstance(adverse_events, pd.DataFrame):
        return tuple(name for name in adverse_events.columns if name != "row")
    fields = [name for name in table.columns if name != "row"]
    return tuple(name for name in fields if table.empty or table[name].notna().any())


def _needed(adverse_events: Table, words: tuple[str, ...]) -> Table:
    """The columns of a frame that a table is made from: a column that nobody reads costs time."""
    if not isinstance(adverse_events, pd.DataFrame):
        return adverse_events
    return adverse_events.loc[:, adverse_events.columns.isin(["subject_id", *READ, *words])]


def of_subject(values: npt.NDArray[Any], who: Ints) -> npt.NDArray[Any]:
    """Value of the subject of each record; missing for a stranger (position -1)."""
    blank = np.array([np.datetime64("NaT", "D") if values.dtype.kind == "M" else np.nan])
    return np.append(values, blank)[who]


def known_grade(grade: Floats) -> Floats:
    """Grades 1 to 5; anything else is no grade."""
    valid = (grade >= 1) & (grade <= counting.GRADES) & (grade == np.floor(grade))
    return np.where(valid, grade, np.nan)


def _start(table: pd.DataFrame, infusion: Dates) -> tuple[Dates, Any, Flags]:
    """First day the text allows, or the infusion date where that lies in the range of a partial one."""
    span, said = _span(table["start_date"])
    inside = (span.missing != "") & (span.first <= infusion) & (infusion <= span.last)
    return np.where(inside, infusion, span.first), span.missing, said & np.isnat(span.first)


def _end(table: pd.DataFrame, bounds: list[Dates]) -> tuple[Dates, Any, Flags]:
    """Last day the text allows, or an earlier bound that lies in the range of a partial one."""
    span, said = _span(table["end_date"])
    end = span.last
    for bound in bounds:
        inside = (span.missing != "") & (span.first <= bound) & (bound <= span.last)
        end = np.where(inside & (bound < end), bound, end)
    return end, span.missing, said & np.isnat(span.last)


def _span(dates: pd.Series) -> tuple[partial_dates.Span, Flags]:
    """Days that each date allows, and whether it says anything; each different text is read once."""
    code, words = pd.factorize(dates)
    known = [*words.tolist(), None]  # code -1, a blank, is the last
    found = partial_dates.span(known)
    said = np.array([word is not None and str(word).strip() != "" for word in known])
    span = partial_dates.Span(first=found.first[code], last=found.last[code], missing=found.missing[code])
    return span, said[code]


def _judge(table: pd.DataFrame, course: Course, baseline: bool, window_days: float | None) -> None:
    """Set `treatment_emergent` and `why` (empty for a record that counts)."""
    who = table["who"].to_numpy()
    start, end = table["start_day"].to_numpy(), table["end_day"].to_numpy()
    infused, reference = of_subject(course.infused.astype(float), who) == 1, of_subject(course.reference, who)
    grade, before = table["grade"].to_numpy(), table["baseline_grade"].to_numpy()
    worse = baseline & ((grade > before) | np.isnan(grade) | np.isnan(before))
    last = np.inf if window_days is None else window_days
    earlier = "started before the reference date" + (" and did not worsen" if baseline else "")
    said = table["treatment_emergent"].map(_YES_OR_NO)
    cases: Sequence[tuple[Any, str]] = (
        (who < 0, "not a subject of this analysis"),
        (said == 1, ""),
        (said == 0, "marked as not treatment-emergent"),
        (~infused, "subject not infused"),
        (end < reference, "ended before the reference date"),
        (np.isnan(start), ""),
        ((start >= reference) & (start <= last), ""),
        (start >= reference, f"started after day {last:g}"),
        (worse, ""),
    )
    conditions = [np.asarray(condition, dtype=bool) for condition, _ in cases]
    table["why"] = np.select(conditions, [np.array(why, dtype=object) for _, why in cases], earlier)
    table["treatment_emergent"] = (table["why"] == "").to_numpy(dtype=bool)


_YES_OR_NO = {"Y": 1.0, "1": 1.0, "True": 1.0, "N": 0.0, "0": 0.0, "False": 0.0}


def _queries(table: pd.DataFrame, given: tuple[str, ...], unreadable: list[tuple[Flags, str]]) -> None:
    """Write the reason and every query about a record into `note`."""
    counts = table["treatment_emergent"].to_numpy()
    start, end = table["start_day"].to_numpy(), table["end_day"].to_numpy()
    no_start = np.isnan(start) & ~unreadable[0][0]
    backwards = (start > end) | (table["start"] > table["end"]).to_numpy()
    queries = [
        *unreadable,
        (backwards, "start after end"),
        (counts & no_start, "start unknown, taken as treatment-emergent"),
    ]
    blanks = {"grade": "grade missing", "related_cart": "relationship missing, counted as related"}
    queries += [
        (counts & table[name].isna().to_numpy(), text) for name, text in blanks.items() if name in given
    ]
    note = table["why"].to_numpy(dtype=object).copy()
    for concerned, text in queries:
        note[concerned] = [f"{old}; {text}" if old else text for old in note[concerned]]
    table["note"] = note


def _collected(table: pd.DataFrame, given: tuple[str, ...]) -> tuple[str, ...]:
    """Columns that say something: a yes-or-no column that is blank throughout was not collected."""
    said = [name for name in ("serious", "dlt") if name in given]
    blank = {name for name in said if len(table) and table[name].isna().all()}
    return tuple(name for name in given if name not in blank)


def emergent(
    adverse_events: Table,
    subjects: Table,
    events: Table | None,
    *,
    reference: str,
    window_days: float | None,
    words: tuple[str, ...],
) -> Records:
    """The treatment-emergent records of the subjects with the columns `words`, and the others as excluded."""
    who_is_who = course(subjects, events, reference=reference)
    needed = _needed(adverse_events, words)
    table, given = timed(needed, who_is_who, window_days=window_days, words=words)
    counts = table["treatment_emergent"].to_numpy()
    others = table.loc[~counts, ["row", "subject_id", "why"]]
    kept = (table if counts.all() else table[counts]).reset_index(drop=True)
    kept["grade"] = known_grade(kept["grade"].to_numpy(dtype=float))
    return Records(
        table=kept, who=kept["who"].to_numpy(), course=who_is_who, collected=_collected(table, given),
        timed=table,
        excluded=results.excluded_rows(others, "adverse_events", others["why"]),
    )  # fmt: skip


def all_records(adverse_events: Table, *, words: tuple[str, ...]) -> Records:
    """All records with the columns `words`, without subjects: only stated days count."""
    table = records.to_frame(adverse_events, "adverse_events")
    nobody = course(
        pd.DataFrame({"subject_id": table["subject_id"].drop_duplicates().tolist()}, dtype=object), None
    )
    every, given = timed(adverse_events, nobody, words=words)
    return Records(
        table=every, who=every["who"].to_numpy(), course=nobody, collected=_collected(every, given),
        timed=every,
        excluded=results.excluded_frame(),
    )  # fmt: skip
