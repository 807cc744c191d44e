"""CRS and ICANS day by day: the course of each subject, its treatment, and what contradicts it.

Here: daily grades, tocilizumab and steroids after onset, consistency of the reported events with their
course and assessments. Not here: a grade from components (`grading`), incidence (`episodes`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7 import derive, grading, records, results
from cart7.toxicity import emergence, tallies, trace
from cart7.toxicity.emergence import Table
from cart7.toxicity.episodes import merged_episodes
from cart7.toxicity.remembered import remembered

Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]

SYNDROMES = ("CRS", "ICANS")
TREATMENTS = ("tocilizumab", "steroid")


class CourseRules(BaseModel):
    """Choices of the daily course of CRS and ICANS.

    Parameters
    ----------
    tocilizumab : tuple of str
        Words of `drug` or `drug_class` that are an IL-6 antagonist.
    steroid : tuple of str
        Words of `drug` or `drug_class` that are a corticosteroid.
    gap_days : float
        Days with a grade at most so far apart are one episode.
    fever_days : float
        Fever is looked for on the day of onset and so many days before and after it.
    conf_level : float
        Two-sided level.
    ci_method : str
        A method of `stats.proportions.interval`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    tocilizumab: tuple[str, ...] = ("IL-6 ANTAGONIST", "TOCILIZUMAB", "SILTUXIMAB")
    steroid: tuple[str, ...] = (
        "CORTICOSTEROID", "DEXAMETHASONE", "METHYLPREDNISOLONE", "PREDNISOLONE", "PREDNISONE",
        "HYDROCORTISONE",
    )  # fmt: skip
    gap_days: float = Field(default=1, ge=0)
    fever_days: float = Field(default=1, ge=0)
    conf_level: float = Field(default=0.95, gt=0, lt=1)
    ci_method: str = "clopper-pearson"

    _known_method = field_validator("ci_method")(tallies.known_method)


SPANS = ("onset_day", "peak_day", "days", "days_ge3", *(f"{name}_after_onset" for name in TREATMENTS))


@dataclass(frozen=True, kw_only=True, eq=False)
class AesiCourseResult(tallies.SafetyResult):
    """CRS and ICANS day by day, with their treatment.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, category, onset_day, last_day, peak_day (first day of the highest grade), max_grade, days
        (with a grade), days_ge3; for tocilizumab and steroid the flag, the first day, doses (tocilizumab) or
        days (steroid), `_after_onset` (days from onset to the first) and `_at_grade` (grade on that day);
        note: who had a graded day.
    summary : DataFrame
        category, group, n, n_subjects, and for tocilizumab and steroid the subjects treated, as a fraction of
        `n` with limits; median, min and max of the days, conf_level, method, note.
    days : DataFrame
        subject_id, category, day, grade: the highest grade of each day.
    treatments : DataFrame
        subject_id, treatment, drug, indication, start_day, end_day.
    """

    title: ClassVar[str] = "CRS and ICANS day by day"
    figure: ClassVar[str] = "aesi_days"
    analysis: ClassVar[str] = "safety.aesi_course"
    stats: ClassVar[tuple[str, ...]] = (
        "n", "n_subjects",
        *(f"{name}_{stat}" for name in TREATMENTS for stat in ("n", *tallies.RATE)),
        *(f"{name}_{stat}" for name in SPANS for stat in ("median", "min", "max")),
    )  # fmt: skip
    subject_stats: ClassVar[tuple[str, ...]] = (
        "onset_day", "last_day", "peak_day", "max_grade", "days", "days_ge3",
        "tocilizumab", "tocilizumab_day", "tocilizumab_doses", "tocilizumab_after_onset",
        "tocilizumab_at_grade", "steroid", "steroid_day", "steroid_days", "steroid_after_onset",
        "steroid_at_grade",
    )  # fmt: skip
    estimated: ClassVar[tuple[str, ...]] = tuple(
        f"{name}_{stat}" for name in TREATMENTS for stat in tallies.RATE
    )
    days: pd.DataFrame = field(repr=False)
    treatments: pd.DataFrame = field(repr=False)

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return self.summary["category"], self.subjects["category"]

    def _reasons(self) -> dict[str, str | pd.Series]:
        subjects = self.subjects
        reasons: dict[str, str | pd.Series] = {}
        for name in TREATMENTS:
            unknown = np.where(subjects[name].isna(), "conmeds not collected", f"no {name}")
            for column in [column for column in self.subject_stats if column.startswith(name)]:
                reasons[column] = pd.Series(unknown, index=subjects.index, dtype=object)
            reasons[f"{name}_at_grade"] = np.where(
                subjects[f"{name}_day"].isna(), unknown, "no grade on that day"
            )
            reasons[f"{name}_at_grade"] = pd.Series(reasons[f"{name}_at_grade"], dtype=object)
        return reasons

    def _long(self) -> list[pd.DataFrame]:
        blocks = super()._long()
        for block in blocks:
            of_days = block["stat"].str.contains(r"(?:^|_)days?(?:_|$)|_after_onset")
            block.loc[of_days, "unit"] = "days"
        return blocks


def aesi_course(
    aesi_course: Table,
    subjects: Table,
    conmeds: Table | None = None,
    *,
    by: str | None = "dose_level",
    rules: CourseRules | None = None,
) -> AesiCourseResult:
    """Daily grades of CRS and ICANS, and when tocilizumab and steroids were given.

    Parameters
    ----------
    aesi_course : DataFrame or sequence of AesiDay
        `event` (CRS, ICANS), `day` (days since infusion) or `date`, `grade`.
    subjects : DataFrame or sequence of Subject
        The denominator; `infusion_date` where days come from dates.
    conmeds : DataFrame or sequence of ConcomitantMedication, optional
        `drug`, `drug_class`, `indication`, `start_day`, `end_day`, `n_doses`.
    by : str or None
        Column of `subjects` that defines the groups; None gives `ALL` only.
    rules : CourseRules, optional
        Which drugs are which.

    Returns
    -------
    AesiCourseResult
        A treatment belongs to a syndrome when its `indication` names it or, where that is blank, when it
        begins between onset and the last graded day. A treatment before onset has negative days after onset.

    Raises
    ------
    ValueError
        If `by` is not a column of `subjects`.

    Examples
    --------
    >>> days = pd.DataFrame({"subject_id": "1", "event": "CRS", "day": [3, 4, 5], "grade": [1, 3, 2]})
    >>> given = pd.DataFrame({"subject_id": ["1"], "drug": ["Tocilizumab"], "indication": ["CRS"],
    ...                       "start_day": [4]})
    >>> found = aesi_course(days, pd.DataFrame({"subject_id": ["1"]}), given, by=None).subjects
    >>> found[["peak_day", "days_ge3", "tocilizumab_after_onset", "tocilizumab_at_grade"]].values.tolist()
    [[4.0, 1.0, 1.0, 3.0]]
    """
    rules = rules or CourseRules()
    people = emergence.people(subjects)
    days, excluded = _days(aesi_course, people)
    given = None if conmeds is None else _treatments(conmeds, people, rules)
    courses = _courses(days, given, len(people))
    who = courses.pop("who")
    groups = tallies.groups_of(people, by)
    told = ["subject_id", "treatment", "drug", "indication", "start_day", "end_day"]
    return AesiCourseResult(
        subjects=pd.DataFrame({**courses, "note": ""}),
        summary=_summary(courses, who, groups, rules, collected=given is not None),
        days=days[["subject_id", "category", "day", "grade"]].reset_index(drop=True),
        treatments=pd.DataFrame(columns=told) if given is None else given[told].copy(),
        excluded=excluded.copy(), rules=rules, population=derive.population(people),
        trace=trace.FrameTrace(
            lay_out=lambda: trace.day_rows(days, "aesi_course", "category", "category"),
            subjects=people, groups=groups,
        ),
    )  # fmt: skip


@remembered
def _days(course: Table, people: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The highest grade of each subject (row `who` of `people`), syndrome and day; and the unused rows.

    Nobody changes these frames.
    """
    table = records.to_frame(course, "aesi_course", needs=("event", "grade"), fill=("day",))
    table = derive.with_day(table, people, date="date")
    ids = pd.Index(people["subject_id"])
    who = ids.get_indexer(table["subject_id"])
    day = np.floor(table["day"].to_numpy(dtype=float))
    grade = emergence.known_grade(table["grade"].to_numpy(dtype=float))
    is_of = np.array([tallies.among(table["event"], (name,)) for name in SYNDROMES])
    why = results.first_reason(
        (who < 0, "not a subject of this analysis"), (np.isnan(day), "day unknown"),
        (np.isnan(grade), "no grade 1 to 5"), (~is_of.any(axis=0), "neither CRS nor ICANS"),
    )  # fmt: skip
    excluded = results.excluded_rows(table[why != ""], "aesi_course", pd.Series(why))
    used = np.flatnonzero(why == "")
    category, rank = is_of.argmax(axis=0), ids.argsort().argsort()
    used = used[np.lexsort((grade[used], day[used], category[used], rank[who[used]]))]
    used = used[np.roll(_begins(who[used], category[used], day[used]), -1)]  # the last of each day
    columns = {
        "row": table["row"].to_numpy()[used], "subject_id": table["subject_id"].to_numpy(dtype=object)[used],
        "category": np.array(SYNDROMES, dtype=object)[category[used]], "day": day[used],
        "grade": grade[used], "who": who[used],
    }  # fmt: skip
    return records.assembled(columns, len(used)).set_axis(used), excluded


@remembered
def _treatments(conmeds: Table, people: pd.DataFrame, rules: CourseRules) -> pd.DataFrame:
    """Tocilizumab and steroids with their days; `who` is the row of `people`. Nobody changes this frame."""
    words = ("drug", "drug_class", "indication", "start_day", "end_day", "n_doses")
    table = records.to_frame(conmeds, "conmeds", fill=words)
    for name in ("start", "end"):
        table = derive.with_day(table, people, date=f"{name}_date", day=f"{name}_day")
    who = pd.Index(people["subject_id"]).get_indexer(table["subject_id"])
    mine = (who >= 0) & table["start_day"].notna().to_numpy()
    is_of = [
        (tallies.among(table["drug"], names) | tallies.among(table["drug_class"], names)) & mine
        for names in (rules.tocilizumab, rules.steroid)
    ]
    used = np.concatenate([np.flatnonzero(flags) for flags in is_of])
    treatment = np.repeat(np.array(TREATMENTS, dtype=object), np.sum(is_of, axis=1))
    named = {name: tallies.among(table["indication"], (name,)) for name in SYNDROMES}
    columns = {name: table[name].to_numpy() for name in ("subject_id", *words)}
    columns |= {"who": who, "unnamed": table["indication"].isna().to_numpy(), **named}
    found = {name: cells[used] for name, cells in columns.items()}
    length = found["end_day"] - found["start_day"] + 1
    found["amount"] = np.where(treatment == "tocilizumab", found["n_doses"], length)
    return records.assembled(found, len(used)).assign(treatment=treatment)


def _begins(*columns: npt.NDArray[Any]) -> Flags:
    """Where a row differs from the one before it in any of the columns."""
    begins = np.ones(len(columns[0]), dtype=bool)
    begins[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return begins


def _courses(days: pd.DataFrame, given: pd.DataFrame | None, n_people: int) -> tallies.Columns:
    """One row per subject and syndrome, with `who`; `days` stand by subject, syndrome and day."""
    who, category = days["who"].to_numpy(), days["category"].to_numpy(dtype=object)
    day, grade = days["day"].to_numpy(), days["grade"].to_numpy()
    begins = _begins(who, category)
    first, course = np.flatnonzero(begins), np.cumsum(begins) - 1
    worst = np.maximum.reduceat(grade, first)
    courses: tallies.Columns = {
        "who": who[first], "subject_id": days["subject_id"].to_numpy(dtype=object)[first],
        "category": category[first], "onset_day": day[first], "last_day": day[np.roll(begins, -1)],
        "peak_day": np.minimum.reduceat(np.where(grade == worst[course], day, np.inf), first),
        "max_grade": worst, "days": np.bincount(course).astype(float),
        "days_ge3": np.bincount(course[grade >= 3], minlength=len(first)).astype(float),
    }  # fmt: skip
    for name, (flag, start, amount) in zip(TREATMENTS, _treated(courses, given, n_people), strict=True):
        at_grade = np.full(len(first), np.nan)
        on_day = np.floor(start[course]) == day
        at_grade[course[on_day]] = grade[on_day]
        columns = (column for column in AesiCourseResult.subject_stats if column.startswith(name))
        courses |= zip(columns, (flag, start, amount, start - courses["onset_day"], at_grade), strict=True)
    return courses


def _treated(courses: tallies.Columns, given: pd.DataFrame | None, n_people: int) -> Floats:
    """Flag, first day and amount of each treatment, by course; all NaN if not collected."""
    n = len(courses["who"])
    treated = np.full((len(TREATMENTS), 3, n), np.nan)
    if given is None:
        return treated
    course, row = _belonging(courses, given, n_people)
    treatment, start, amount = (given[name].to_numpy()[row] for name in ("treatment", "start_day", "amount"))
    for number, name in enumerate(TREATMENTS):
        mine = treatment == name
        first = np.full(n, np.nan)
        np.fmin.at(first, course[mine], start[mine])
        parts = np.split(amount[mine], np.cumsum(np.bincount(course[mine], minlength=n)))[:n]
        treated[number] = ~np.isnan(first), first, [part.sum() for part in parts]
    return treated


def _belonging(courses: tallies.Columns, given: pd.DataFrame, n_people: int) -> tuple[Ints, Ints]:
    """Course and row of `given` of each treatment that belongs to a course, by course."""
    start, unnamed = given["start_day"].to_numpy(), given["unnamed"].to_numpy()
    pairs = []
    for name in SYNDROMES:
        mine = np.flatnonzero(courses["category"] == name)
        of = np.full(n_people, -1)
        of[courses["who"][mine]] = mine
        course = of[given["who"].to_numpy()]
        onset, last = (emergence.of_subject(courses[day], course) for day in ("onset_day", "last_day"))
        belongs = (course >= 0) & (given[name].to_numpy() | (unnamed & (start >= onset) & (start <= last)))
        pairs.append((course[belongs], np.flatnonzero(belongs)))
    course, row = np.concatenate(pairs, axis=1)
    order = np.argsort(course, kind="stable")
    return course[order], row[order]


def _summary(
    courses: tallies.Columns,
    who: Ints,
    groups: tallies.Groups,
    rules: CourseRules,
    *,
    collected: bool,
) -> pd.DataFrame:
    """Who was treated, and the days, by syndrome and group."""
    summary = groups.unfold({"category": np.array(SYNDROMES, dtype=object)})
    inside = np.concatenate([(courses["category"] == name) & groups.members[:, who] for name in SYNDROMES])
    summary["n_subjects"] = inside.sum(axis=1)
    for name in TREATMENTS:
        summary[f"{name}_n"] = (inside & (courses[name] == 1)).sum(axis=1).astype(float)
        names = (f"{name}_estimate", f"{name}_ci_low", f"{name}_ci_high")
        tallies.add_proportion(summary, f"{name}_n", "n", rules, names)
        if not collected:
            summary |= {column: np.full(len(inside), np.nan) for column in (f"{name}_n", *names)}
    for name in SPANS:
        tallies.add_spans(summary, name, courses[name], list(inside))
    for name in ("conf_level", "method"):
        summary[name] = summary.pop(name)
    nobody = "nobody had " + summary["category"]
    untreated = np.any([summary[f"{name}_n"] == 0 for name in TREATMENTS], axis=0)
    summary["note"] = results.first_reason(
        (summary["n"] == 0, "nobody in this group"), (summary["n_subjects"] == 0, nobody),
        (np.full(len(inside), not collected), "conmeds not collected"), (untreated, "nobody was given it"),
    )  # fmt: skip
    return pd.DataFrame(summary)


# -------------------------------------------------------------------------------------- consistency


def aesi_checks(
    adverse_events: Table,
    subjects: Table,
    *,
    aesi_course: Table | None = None,
    crs: pd.DataFrame | None = None,
    icans: pd.DataFrame | None = None,
    events: Table | None = None,
    rules: CourseRules | None = None,
) -> pd.DataFrame:
    """What contradicts the reported CRS and ICANS: their daily course, and their assessments.

    Parameters
    ----------
    adverse_events, subjects, events
        As in `episodes`.
    aesi_course : DataFrame or sequence of AesiDay, optional
        As in `aesi_course`.
    crs : DataFrame, optional
        Assessments as `grading.crs` takes them, with `subject_id` and `day` (days since infusion).
    icans : DataFrame, optional
        Assessments as `grading.icans` takes them, with `subject_id` and `day`.
    rules : CourseRules, optional
        `gap_days` and `fever_days`.

    Returns
    -------
    DataFrame
        table, row (of the record that begins the episode, or of the day), subject_id, column, value, rule,
        message. CRS needs fever (38.0 degrees C or more, not from another cause) around its onset; ICANS an
        ICE score while it lasts; the reported grade is that of the course and of the worst assessment; every
        graded day lies in a reported episode.

    References
    ----------
    Lee DW, Santomasso BD, Locke FL, et al. (2019). Biol Blood Marrow Transplant 25:625-638.

    Examples
    --------
    >>> reported = pd.DataFrame({"subject_id": ["1"], "aesi": "CRS", "start_day": [2], "end_day": [3],
    ...                          "grade": [2]})
    >>> seen = pd.DataFrame({"id": ["a"], "subject_id": ["1"], "day": [2], "temp_c": [37.1],
    ...                      "hypotension": [0], "vasopressors_n": [0], "o2_device": ["none"]})
    >>> aesi_checks(reported, pd.DataFrame({"subject_id": ["1"]}), crs=seen)["rule"].tolist()
    ['CRS-GRADE', 'CRS-WITHOUT-FEVER']
    """
    rules = rules or CourseRules()
    found = emergence.emergent(
        adverse_events, subjects, events, reference=emergence.INFUSION, window_days=None, words=("aesi", "pt")
    )
    reported = _reported(found, rules)
    blocks: list[pd.DataFrame] = []
    if aesi_course is not None:
        blocks += _against_course(reported, _days(aesi_course, found.course.subjects)[0])
    if crs is not None:
        blocks += _against_assessments(reported, grading.crs(crs), "CRS")
        blocks += _without_fever(reported, crs, rules)
    if icans is not None:
        blocks += _against_assessments(reported, grading.icans(icans), "ICANS")
        blocks += _without_ice(reported, icans)
    return trace.query_frame(blocks)


def _reported(found: emergence.Records, rules: CourseRules) -> pd.DataFrame:
    """The reported episodes with the row of their first record."""
    blocks = []
    ids = found.course.subjects["subject_id"].to_numpy(dtype=object)
    start, row = found.table["start_day"].to_numpy(dtype=float), found.table["row"].to_numpy()
    for category in SYNDROMES:
        flag = tallies.in_category(found.table, category)
        series = np.where(flag, found.who, -1)
        merged, _ = merged_episodes(found, series, rules.gap_days)
        begins = [
            row[flag & (found.who == owner) & (start == day)].min()
            for owner, day in zip(merged["series"], merged["start_day"], strict=True)
        ]
        named = merged.assign(subject_id=ids[merged["series"].to_numpy()], category=category)
        blocks.append(named.assign(row=np.array(begins, dtype=np.int64)))
    return pd.concat(blocks, ignore_index=True)


def _inside(episode: Any, days: pd.DataFrame) -> pd.DataFrame:
    """The days of an episode's subject from its start to its end."""
    end = np.inf if np.isnan(episode.end_day) else episode.end_day
    whole = np.floor(days["day"])
    return days[(days["subject_id"] == episode.subject_id) & (whole >= episode.start_day) & (whole <= end)]


def _of(reported: pd.DataFrame, category: str) -> list[Any]:
    return list(reported[reported["category"] == category].itertuples(index=False))


def _ask(episodes: Iterable[Any], column: str, rule: str, message: str) -> pd.DataFrame:
    frame = pd.DataFrame(list(episodes), columns=["row", "subject_id", column])
    return trace.asked(frame, "adverse_events", np.ones(len(frame), dtype=bool), column, rule, message)


def _against_course(reported: pd.DataFrame, days: pd.DataFrame) -> list[pd.DataFrame]:
    """Reported episodes without graded days or with another grade, and graded days outside any episode."""
    blocks, covered = [], np.zeros(0, dtype=np.int64)
    for category in SYNDROMES:
        mine = days[days["category"] == category]
        seen = [(episode, _inside(episode, mine)) for episode in _of(reported, category)]
        covered = np.concatenate([covered, *(inside["row"].to_numpy() for _, inside in seen)])
        none = [(e.row, e.subject_id, e.start_day) for e, inside in seen if inside.empty]
        other = [
            (e.row, e.subject_id, e.max_grade) for e, inside in seen
            if len(inside) and inside["grade"].max() != e.max_grade
        ]  # fmt: skip
        blocks.append(_ask(none, "start_day", f"{category}-WITHOUT-COURSE", "no graded day in this episode"))
        blocks.append(_ask(other, "grade", f"{category}-GRADE", "not the highest grade of its daily course"))
    outside = ~days["row"].isin(covered)
    blocks.append(trace.asked(days, "aesi_course", outside, "day", "COURSE-WITHOUT-EVENT",
                              "this day lies in no reported episode"))  # fmt: skip
    return blocks


def _against_assessments(reported: pd.DataFrame, graded: pd.DataFrame, category: str) -> list[pd.DataFrame]:
    """Episodes whose reported grade is not that of the worst assessment."""
    other = []
    for episode in _of(reported, category):
        grade = _inside(episode, graded)["grade"]
        if grade.notna().any() and grade.max() != episode.max_grade:
            other.append((episode.row, episode.subject_id, episode.max_grade))
    message = "not the grade of the worst assessment of this episode"
    return [_ask(other, "grade", f"{category}-GRADE", message)]


def _without_fever(reported: pd.DataFrame, crs: pd.DataFrame, rules: CourseRules) -> list[pd.DataFrame]:
    """Episodes of CRS that no fever began, or whose temperature around onset is not known."""
    temperature = pd.to_numeric(crs["temp_c"], errors="coerce")
    attributable = crs.get("fever_attributable", pd.Series(np.nan, index=crs.index)).fillna(1) == 1
    missing, cold = [], []
    for episode in _of(reported, "CRS"):
        near = (crs["subject_id"].astype(str) == episode.subject_id) & (
            (np.floor(crs["day"]) - episode.start_day).abs() <= rules.fever_days
        )
        if not temperature[near].notna().any():
            missing.append((episode.row, episode.subject_id, episode.start_day))
        elif not (near & attributable & (temperature >= grading.FEVER)).any():
            cold.append((episode.row, episode.subject_id, episode.start_day))
    return [
        _ask(missing, "start_day", "CRS-TEMPERATURE-MISSING", "no temperature around the onset of CRS"),
        _ask(cold, "start_day", "CRS-WITHOUT-FEVER", "no fever of 38.0 degrees C around the onset of CRS"),
    ]


def _without_ice(reported: pd.DataFrame, icans: pd.DataFrame) -> list[pd.DataFrame]:
    """Episodes of ICANS without an ICE score, unless the subject could not be roused."""
    done = pd.to_numeric(icans["ice"], errors="coerce").notna()
    if "ice_not_done_reason" in icans.columns:
        done |= icans["ice_not_done_reason"].astype(str).str.strip().str.lower() == "unarousable"
    scored = icans[done]
    missing = [
        (episode.row, episode.subject_id, episode.start_day) for episode in _of(reported, "ICANS")
        if _inside(episode, scored).empty
    ]  # fmt: skip
    return [_ask(missing, "start_day", "ICANS-WITHOUT-ICE", "no ICE score while ICANS lasted")]
