"""Which adverse events count: their dates and days, and whether they are treatment-emergent.

Here: the course of each subject that events are judged by (infusion, death, end of follow-up), dates from
partial text, and the treatment-emergent records with a reason for every other one. Not here: counting,
rates and tables (`safety`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import derive, records, results
from cart7.stats import counting, partial_dates
from cart7.toxicity.remembered import remembered

Table: TypeAlias = pd.DataFrame | Iterable[records.Record]
Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Dates: TypeAlias = npt.NDArray[np.datetime64]
Words: TypeAlias = npt.NDArray[np.object_]

INFUSION = "infusion_date"
TIMED = ("start", "start_imputed", "end", "end_imputed", "start_day", "end_day", "treatment_emergent", "note")
READ = (
    "start_date", "end_date", "start_day", "end_day", "grade", "baseline_grade", "treatment_emergent"
)  # fmt: skip
NUMBERS = ("start_day", "end_day", "grade")
CODED = ("subject_id", "soc", "pt")  # counted by their codes
ONE_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, kw_only=True)
class Course:
    """Subjects of an analysis with the days (since infusion) that events are judged by; NaN where unknown."""

    remembered: ClassVar[bool] = True

    subjects: pd.DataFrame
    infused: Flags
    infusion: Dates
    first: pd.DataFrame  # first day of each event, as `derive.first_event_days`
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
        ids = pd.Index(self.subjects["subject_id"])
        if isinstance(subject_id.dtype, pd.CategoricalDtype):  # each different id is looked up once
            coded: Ints = ids.get_indexer(subject_id.cat.categories)[subject_id.cat.codes]
            return coded
        found: Ints = ids.get_indexer(subject_id)
        return found


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Start or end of every record: its day since infusion, and what its date says."""

    day: Floats
    stated: Flags  # the day was given; else it comes from the date
    date: Dates  # from the text, NaT where it says nothing
    missing: Words  # part of the date that the text lacks
    unreadable: Flags


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Every record as it was read (`table`, columns `given`), with its days and whether it counts.

    `who` is the row of `course.subjects` of each record, -1 for a stranger; `verdict` says which of `reasons`
    applies to it, empty for a record that counts.
    """

    remembered: ClassVar[bool] = True

    table: pd.DataFrame
    given: tuple[str, ...]
    course: Course
    who: Ints
    start: Moment
    end: Moment
    verdict: npt.NDArray[np.int8]
    reasons: tuple[str, ...]

    @cached_property
    def counts(self) -> Flags:
        """Which records are treatment-emergent."""
        counts: Flags = np.array([why == "" for why in self.reasons])[self.verdict]
        return counts

    def dates(self, moment: Moment) -> Dates:
        """Date of each record: a stated day counts from the infusion."""
        infusion = of_subject(self.course.infusion, self.who)
        stated = moment.stated & ~np.isnat(infusion)
        date: Dates = np.where(stated, _later(infusion, moment.day), moment.date).astype("datetime64[ns]")
        return date

    @cached_property
    def excluded(self) -> pd.DataFrame:
        """The records that do not count, with the reason."""
        place = np.flatnonzero(~self.counts)
        why = pd.Series(np.array(self.reasons, dtype=object)[self.verdict[place]], dtype=object)
        return self.set_aside(place, why)

    def set_aside(self, place: Ints, why: str | pd.Series) -> pd.DataFrame:
        """Some of the records as excluded, for one reason or one each."""
        others = {name: self.table[name].array[place] for name in ("row", "subject_id")}
        return results.excluded_rows(others, "adverse_events", why)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The table with the columns `TIMED`, `who` and `why`."""
        known = ~np.isnat(of_subject(self.course.infusion, self.who))
        columns: dict[str, Any] = {"start_day": self.start.day, "end_day": self.end.day}
        for name, moment in (("start", self.start), ("end", self.end)):
            columns[name] = self.dates(moment)
            columns[f"{name}_imputed"] = np.where(moment.stated & known, "", moment.missing)
        columns["who"] = self.who
        columns["why"] = np.array(self.reasons, dtype=object)[self.verdict]
        columns["treatment_emergent"] = self.counts
        table = self.table.assign(**columns)
        unreadable = [(self.start.unreadable, "start date unreadable"),
                      (self.end.unreadable, "end date unreadable")]  # fmt: skip
        return table.assign(note=_notes(table, self.given, unreadable))


@dataclass(frozen=True, kw_only=True)
class Records:
    """Adverse-event records that count, with what they were found from.

    `who` is the row of `course.subjects` of each record; `collected` are the columns that were given.
    """

    words: tuple[str, ...]  # the columns asked for
    who: Ints
    course: Course
    left_out: pd.DataFrame
    collected: tuple[str, ...]
    reading: Reading  # all records, those that do not count too
    place: Ints  # where those that count stand among them

    @property
    def remembered(self) -> bool:
        """Whether what is made of few records is kept for the next table."""
        return len(self.reading.who) <= FEW

    @property
    def excluded(self) -> pd.DataFrame:
        """The records that do not count, for one result to own."""
        return self.left_out.copy(deep=len(self.left_out) > 0)

    def set_aside(self, picked: Flags, why: str) -> pd.DataFrame:
        """Some of the records that count as excluded for one reason."""
        return self.reading.set_aside(self.place[picked], why)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The records that count: `row`, `subject_id`, the columns asked for, grade and days."""
        found = self.reading
        arrays = {name: self.column(name) for name in ("row", "subject_id", *self.words)}
        numbers = {
            "grade": self.grade,
            "start_day": found.start.day[self.place],
            "end_day": found.end.day[self.place],
        }
        return records.assembled(arrays | numbers, len(self.place))

    def column(self, name: str) -> Any:
        """One column of the records that count."""
        return self.reading.table[name].array[self.place]

    @cached_property
    def grade(self) -> Floats:
        """Grade of each record that counts."""
        return known_grade(self.reading.table["grade"].to_numpy(dtype=float)[self.place])

    @property
    def timed(self) -> pd.DataFrame:
        """All records with the columns `TIMED`, those that do not count too."""
        return self.reading.frame

    @property
    def start(self) -> Dates:
        """Start of each record that counts."""
        return self.reading.dates(self.reading.start)[self.place]

    def cells(self, row: Ints, picked: Ints | slice, *, days: bool = False) -> counting.Cells:
        """The picked records reduced to one cell per table row and subject, with its first day if asked."""
        day = self.reading.start.day[self.place[picked]] if days else None
        return counting.cells(row, self.who[picked], grade=self.grade[picked], day=day)


@remembered
def people(subjects: Table) -> pd.DataFrame:
    """Checked subjects as `derive.subject_table` gives them; nobody changes this frame."""
    return derive.subject_table(subjects)


def course(subjects: Table, events: Table | None, *, reference: str = INFUSION) -> Course:
    """Lay out the course of each subject; nobody changes it.

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
    return _course(subjects, events, reference)


@remembered
def _course(subjects: Table, events: Table | None, reference: str) -> Course:
    table = people(subjects)
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
        first=first,
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


@remembered
def timed(
    adverse_events: Table, course: Course, *, window_days: float | None = None, words: tuple[str, ...] = ()
) -> tuple[pd.DataFrame, Any]:
    """Every record with its dates, days and flag (columns `TIMED`), `row` and `who`; and the given columns.

    `why` says why a record does not count, `note` is a query about it or the same reason; the columns `words`
    are there whether or not they were given. Nobody changes this frame.
    """
    table = records.to_frame(adverse_events, "adverse_events", fill=READ + words)
    found = _read(table, _given(adverse_events, table), course, window_days)
    return found.frame, found.given


def _read(table: pd.DataFrame, given: tuple[str, ...], course: Course, window_days: float | None) -> Reading:
    """Days of every record, and whether it counts."""
    who = course.position(table["subject_id"])
    start = _moment("start", _start, table, given, course, who)
    end = _moment("end", _end, table, given, course, who)
    cases = _cases(table, given, course, who, start.day, end.day, window_days)
    verdict = np.full(len(who), len(cases) - 1, dtype=np.int8)
    for number, (applies, _) in reversed(list(enumerate(cases))):  # the first case that applies decides
        np.copyto(verdict, np.int8(number), where=applies)
    return Reading(table=table, given=given, course=course, who=who, start=start, end=end, verdict=verdict,
                   reasons=tuple(why for _, why in cases))  # fmt: skip


def _moment(
    name: str,
    read: Callable[..., Any],
    table: pd.DataFrame,
    given: tuple[str, ...],
    course: Course,
    who: Ints,
) -> Moment:
    """The days of a start or end that were given, else those of the dates, which `read` finds."""
    day = table[f"{name}_day"].to_numpy(dtype=float)
    stated = ~np.isnan(day)
    if f"{name}_date" in given:
        date, missing, unreadable = read(table[f"{name}_date"], course, who)
        day = np.where(stated, day, (date - of_subject(course.infusion, who)) / ONE_DAY)
    else:
        nothing = (np.datetime64("NaT", "D"), np.array("", dtype=object), np.array(False))
        date, missing, unreadable = (np.broadcast_to(cell, len(who)) for cell in nothing)
    return Moment(day=day, stated=stated, date=date, missing=missing, unreadable=unreadable)


def _given(adverse_events: Table, table: pd.DataFrame) -> tuple[str, ...]:
    """Columns that came with the records: those of a frame, or the fields that any record fills."""
    if isinstance(adverse_events, pd.DataFrame):
        return tuple(name for name in adverse_events.columns if name != "row" and name in table.columns)
    fields = [name for name in table.columns if name != "row"]
    return tuple(name for name in fields if table.empty or table[name].notna().any())


def of_subject(values: npt.NDArray[Any], who: Ints) -> npt.NDArray[Any]:
    """Value of the subject of each record; missing for a stranger (position -1)."""
    blank = np.array([np.datetime64("NaT", "D") if values.dtype.kind == "M" else np.nan])
    return np.append(values, blank)[who]


def known_grade(grade: Floats) -> Floats:
    """Grades 1 to 5; anything else is no grade."""
    valid = (grade >= 1) & (grade <= counting.GRADES) & (grade == np.floor(grade))
    return np.where(valid, grade, np.nan)


def _start(texts: pd.Series, course: Course, who: Ints) -> tuple[Dates, Any, Flags]:
    """First day the text allows, or the infusion date where that lies in the range of a partial one."""
    span, said = _span(texts)
    infusion = of_subject(course.infusion, who)
    inside = (span.missing != "") & (span.first <= infusion) & (infusion <= span.last)
    return np.where(inside, infusion, span.first), span.missing, said & np.isnat(span.first)


def _end(texts: pd.Series, course: Course, who: Ints) -> tuple[Dates, Any, Flags]:
    """Last day the text allows, or an earlier bound that lies in the range of a partial one."""
    span, said = _span(texts)
    end = span.last
    for bound in (of_subject(course.death_date, who), of_subject(course.end_date, who)):
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


def _cases(
    table: pd.DataFrame,
    given: tuple[str, ...],
    course: Course,
    who: Ints,
    start: Floats,
    end: Floats,
    window_days: float | None,
) -> tuple[tuple[Any, str], ...]:
    """Why a record does not count, empty where it does: the first case that applies decides."""
    infused, reference = np.append(course.infused, False)[who], of_subject(course.reference, who)
    last = np.inf if window_days is None else window_days
    baseline = "baseline_grade" in given
    earlier = "started before the reference date" + (" and did not worsen" if baseline else "")
    said = np.full(1, np.nan)
    if "treatment_emergent" in given:
        said = table["treatment_emergent"].map(_YES_OR_NO).to_numpy(dtype=float)
    return (
        (who < 0, "not a subject of this analysis"),
        (said == 1, ""),
        (said == 0, "marked as not treatment-emergent"),
        (~infused, "subject not infused"),
        (end < reference, "ended before the reference date"),
        (np.isnan(start), ""),
        ((start >= reference) & (start <= last), ""),
        (start >= reference, f"started after day {last:g}"),
        (_worse(table) if baseline else False, ""),
        (True, earlier),
    )


def _worse(table: pd.DataFrame) -> Flags:
    """Whether the grade rose, or may have."""
    grade, before = table["grade"].to_numpy(), table["baseline_grade"].to_numpy()
    risen: Flags = (grade > before) | np.isnan(grade) | np.isnan(before)
    return risen


_YES_OR_NO = {"Y": 1.0, "1": 1.0, "True": 1.0, "N": 0.0, "0": 0.0, "False": 0.0}


def _notes(table: pd.DataFrame, given: tuple[str, ...], unreadable: list[tuple[Flags, str]]) -> Words:
    """The reason and every query about each record."""
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
    note: Words = table["why"].to_numpy(dtype=object).copy()
    for concerned, text in queries:
        note[concerned] = [f"{old}; {text}" if old else text for old in note[concerned]]
    return note


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
    if isinstance(adverse_events, pd.DataFrame) and len(adverse_events) <= FEW:
        return _narrowed(_judged(adverse_events, who_is_who, window_days, WORDS), words)
    found = _judged(adverse_events, who_is_who, window_days, words)
    return _kept(found, found.counts, found.excluded, words)


@remembered
def _narrowed(found: Reading, words: tuple[str, ...]) -> Records:
    """The records that count of a reading of every column, as if only the columns `words` had been read."""
    given = tuple(name for name in found.given if name in {"subject_id", *READ, *words})
    return _kept(replace(found, given=given), found.counts, found.excluded, words)


FEW = 2_000  # records of so small a table are read with every column, once for all tables made from them
WORDS = ("soc", "pt", "serious", "related_cart", "related_ld", "aesi", "outcome", "dlt")


@remembered
def _judged(
    adverse_events: Table, course: Course, window_days: float | None, words: tuple[str, ...]
) -> Reading:
    """Every record with its days and whether it counts."""
    only = READ + words if isinstance(adverse_events, pd.DataFrame) else None
    fill = (*NUMBERS, *words)
    table = records.to_frame(adverse_events, "adverse_events", fill=fill, only=only, categories=CODED)
    return _read(table, _given(adverse_events, table), course, window_days)


def all_records(adverse_events: Table, *, words: tuple[str, ...]) -> Records:
    """All records with the columns `words`, without subjects: only stated days count."""
    table = records.to_frame(adverse_events, "adverse_events", fill=READ + words)
    nobody = course(
        pd.DataFrame({"subject_id": table["subject_id"].drop_duplicates().tolist()}, dtype=object), None
    )
    found = _read(table, _given(adverse_events, table), nobody, None)
    return _kept(found, np.ones(len(table), dtype=bool), results.excluded_frame(), words)


def _kept(found: Reading, counts: Flags, excluded: pd.DataFrame, words: tuple[str, ...]) -> Records:
    """The records that count, with the columns `words`."""
    place = np.flatnonzero(counts)
    return Records(
        words=words, who=found.who[place], course=found.course, left_out=excluded,
        collected=_collected(found.table, found.given), reading=found, place=place,
    )  # fmt: skip
