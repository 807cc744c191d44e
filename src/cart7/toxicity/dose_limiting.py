"""Dose-limiting toxicity: which events limit the dose, and who can be judged.

Here: the clauses as rules, the adjudicated table or the judgement derived from adverse events, evaluability
with its reason, and the rate by dose level. Not here: dates of events (`emergence`), escalation (`designs`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import derive, records, results
from cart7.stats import proportions
from cart7.toxicity import emergence, tallies
from cart7.toxicity.dlt_rules import DltRules
from cart7.toxicity.emergence import Table
from cart7.toxicity.remembered import remembered
from cart7.toxicity.trace import ROW_COLUMNS, FrameTrace

Flags: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.object_]


@dataclass(frozen=True, kw_only=True, eq=False)
class DltResult(tallies.SafetyResult):
    """Dose-limiting toxicity among the evaluable.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, evaluable, dlt (1, 0, missing), reason (of the DLT, or of not being evaluable), replace
        (1: not evaluable, to be replaced by another subject of the level), note.
    summary : DataFrame
        group, n_infused, n (evaluable), n_dlt, n_replace, estimate (a fraction), ci_low, ci_high,
        upper_one_sided, conf_level, method, note.
    source : str
        `adjudicated` (the `dlt` table) or `derived` (from adverse events).
    """

    title: ClassVar[str] = "Dose-limiting toxicity"
    figure: ClassVar[str] = "dlt_rates"
    analysis: ClassVar[str] = "safety.dose_limiting_toxicity"
    stats: ClassVar[tuple[str, ...]] = (
        "n_infused",
        "n",
        "n_dlt",
        "n_replace",
        *tallies.RATE,
        "upper_one_sided",
    )
    subject_stats: ClassVar[tuple[str, ...]] = ("evaluable", "dlt", "reason", "replace")
    estimated: ClassVar[tuple[str, ...]] = (*tallies.RATE, "upper_one_sided")
    summary_population: ClassVar[str] = "DLT_EVALUABLE"
    source: str = "adjudicated"

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return "DLT", "DLT"

    def _reasons(self) -> Mapping[str, str | pd.Series]:
        note = self.subjects["note"]
        return {"reason": note.where(note != "", "evaluable, no DLT")}


def dose_limiting_toxicity(
    subjects: Table,
    *,
    dlt: Table | None = None,
    adverse_events: Table | None = None,
    events: Table | None = None,
    by: str | None = "dose_level",
    rules: DltRules | None = None,
) -> DltResult:
    """Dose-limiting toxicity among evaluable subjects, adjudicated or derived from adverse events.

    Parameters
    ----------
    subjects : DataFrame or sequence of Subject
        As in `treatment_emergent`, and `planned_dose_1e6_kg`, `actual_dose_1e6_kg` (a dose that is unknown is
        not judged).
    dlt : DataFrame or sequence of DltAssessment, optional
        The adjudicated table: `evaluable`, `dlt`, `dlt_term`, `not_evaluable_reason`. It counts when given.
    adverse_events : DataFrame or sequence of AdverseEvent, optional
        Used without `dlt`: as in `treatment_emergent`, with `pt`, `grade`, `related_cart`, `aesi` and,
        optional, `related_disease`.
    events : DataFrame or sequence of StudyEvent, optional
        DEATH, LAST_CONTACT, NEW_THERAPY.
    by : str or None
        Column of `subjects` that defines the groups; None gives `ALL` only.
    rules : DltRules, optional
        The clauses; the default is a common set, a protocol must state its own.

    Returns
    -------
    DltResult
        `n` counts the evaluable. `reason` is the term and clause of a DLT, or why a subject is not evaluable:
        the first of NOT_INFUSED, UNDERDOSED, NEW_THERAPY, DEATH, LOST_TO_FOLLOW_UP.

    Raises
    ------
    ValueError
        If neither `dlt` nor `adverse_events` is given, or `by` is not a column of `subjects`.

    Notes
    -----
    Day 0 is the infusion; the window is day 0 to 28, both included. An event is dose-limiting when it begins
    in the window, is related to the CAR-T cells, is not due to the disease, and is: grade 5; CRS or ICANS
    of grade 4, or of grade 3 for more than 3 calendar days; haematological of grade 4 and present after day
    28; another event of grade 4, or of grade 3 for more than 7 days. Duration = end - start + 1, beyond the
    window too; an ongoing event ends at the last contact. A missing grade is no DLT but a query. Evaluable:
    infused, and a DLT or a complete window (last contact on day 28 or later, no new therapy by then, no
    earlier death, at least 80 % of the planned dose).

    Examples
    --------
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"], "infused": "Y"})
    >>> table = pd.DataFrame({"subject_id": ["1", "2"], "evaluable": "Y", "dlt": ["N", "Y"]})
    >>> row = dose_limiting_toxicity(subjects, dlt=table, by=None).summary.iloc[0]
    >>> f"{row.n_dlt} of {row.n}, one-sided upper limit {row.upper_one_sided:.3f}"
    '1 of 2, one-sided upper limit 0.975'
    """
    rules = rules or DltRules()
    course = emergence.course(subjects, events)
    found = judgement(course, rules, dlt=dlt, adverse_events=adverse_events)
    replace = np.where(np.isnan(found.evaluable), np.nan, found.evaluable == 0)
    judged = pd.DataFrame(
        {"subject_id": course.subjects["subject_id"], "evaluable": found.evaluable, "dlt": found.dlt,
         "reason": found.reason, "replace": replace, "note": found.note}
    )  # fmt: skip
    groups = tallies.groups_of(course.subjects, by)
    summary: tallies.Columns = {"group": np.array(groups.labels, dtype=object)}
    counted = {"n_infused": course.infused, "n": found.counted, "n_dlt": found.limited}
    for name, flag in (counted | {"n_replace": replace == 1}).items():
        summary[name] = (groups.members & flag).sum(axis=1)
    tallies.add_proportion(summary, "n_dlt", "n", rules, tallies.RATE)
    counts = (summary["n_dlt"], summary["n"])
    upper = proportions.interval(*counts, method=rules.ci_method, conf_level=2 * rules.upper_level - 1)[1]
    summary["upper_one_sided"] = upper
    for name in ("conf_level", "method"):
        summary[name] = summary.pop(name)
    summary["note"] = np.where(summary["n"] == 0, "nobody evaluable", "")
    return DltResult(
        subjects=judged, summary=pd.DataFrame(summary), excluded=found.excluded, rules=rules,
        population=derive.population(course.subjects), source="derived" if dlt is None else "adjudicated",
        trace=FrameTrace(lay_out=found.lay_out, subjects=course.subjects, groups=groups),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the table, or the clauses, say of each subject of a course."""

    evaluable: Floats  # 1, 0, missing
    dlt: Floats
    reason: Words
    note: Words
    excluded: pd.DataFrame
    lay_out: Callable[[], pd.DataFrame]  # the records of a DLT, as source rows

    @property
    def counted(self) -> Flags:
        """Who is evaluable."""
        evaluable: Flags = self.evaluable == 1
        return evaluable

    @property
    def limited(self) -> Flags:
        """The evaluable with a DLT."""
        limited: Flags = self.counted & (self.dlt == 1)
        return limited


def judgement(
    course: emergence.Course,
    rules: DltRules,
    *,
    dlt: Table | None = None,
    adverse_events: Table | None = None,
) -> Judgement:
    """Who is evaluable and who had a DLT: as the table says, without one as the rules judge the events."""
    if dlt is not None:
        return _adjudicated(_read(dlt), course)
    if adverse_events is not None:
        return _derived(adverse_events, course, rules)
    raise ValueError("dose_limiting_toxicity needs dlt or adverse_events, got neither")


@remembered
def _read(dlt: Table) -> pd.DataFrame:
    """The adjudicated table; nobody changes this frame."""
    return records.to_frame(
        dlt, "dlt", needs=("evaluable", "dlt"), fill=("dlt_term", "not_evaluable_reason", "dlt_onset_day")
    )


def _adjudicated(table: pd.DataFrame, course: emergence.Course) -> Judgement:
    """Flags and reasons as the adjudicated table states them."""
    n = len(course.subjects)
    who = course.position(table["subject_id"])
    stranger = who < 0
    again = (np.bincount(who + 1, minlength=n + 1) > 1)[who + 1] & ~stranger
    used = np.flatnonzero(~stranger & ~again)
    row = np.full(n, -1)
    row[who[used]] = used
    there = row >= 0
    untreated = ~course.infused & ~there

    def said(name: str) -> Words:
        """The word of each subject's row, None where there is none."""
        words: Words = np.array([*table[name].tolist(), None], dtype=object)[row]
        return words

    evaluable, toxic = (
        np.select([untreated | (word == "N"), word == "Y"], [0.0, 1.0], np.nan)
        for word in (said("evaluable"), said("dlt"))
    )
    term, why_not = (
        np.where(pd.isna(word), "", word) for word in (said("dlt_term"), said("not_evaluable_reason"))
    )
    unused = np.concatenate([np.flatnonzero(stranger), np.flatnonzero(again)])
    why = np.where(stranger[unused], "not a subject of this analysis", "several rows of this subject")
    return Judgement(
        evaluable=evaluable, dlt=toxic,
        reason=results.first_reason(
            (untreated, "NOT_INFUSED"), (toxic == 1, term), (evaluable != 1, why_not)
        ),
        note=results.first_reason(
            (~there & ~untreated, "not in the dlt table"),
            (np.isnan(evaluable) | np.isnan(toxic), "not adjudicated"),
            ((toxic == 1) & (evaluable != 1), "DLT of a subject who is not evaluable, not counted"),
        ),
        excluded=_excluded(table, "dlt", unused, why), lay_out=lambda: _stated(table.iloc[used]),
    )  # fmt: skip


def _excluded(table: pd.DataFrame, name: str, place: Ints, why: npt.ArrayLike) -> pd.DataFrame:
    """The rows of a table that are not used, each with its reason."""
    rows = pd.DataFrame({column: table[column].to_numpy()[place] for column in ("row", "subject_id")})
    return results.excluded_rows(rows, name, pd.Series(why, index=rows.index, dtype=object))


def _stated(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that state a DLT, as source rows."""
    stated = table[((table["evaluable"] == "Y") & (table["dlt"] == "Y")).to_numpy(dtype=bool)]
    sources = stated.assign(table="dlt", term=tallies.word_or(stated["dlt_term"], ""), grade=np.nan,
                            start_day=stated["dlt_onset_day"], end_day=np.nan, start=pd.NaT)  # fmt: skip
    return sources[list(ROW_COLUMNS)]


_READ = ("pt", "verbatim", "aesi", "related_cart", "related_disease")


def _derived(adverse_events: Table, course: emergence.Course, rules: DltRules) -> Judgement:
    """Flags and reasons derived from adverse events and follow-up."""
    timed, _ = emergence.timed(adverse_events, course, words=_READ)
    grade = emergence.known_grade(timed["grade"].to_numpy(dtype=float))
    who = timed["who"].to_numpy()
    infused = np.append(course.infused, False)[who]  # a stranger, -1, is the last
    possible = (who >= 0) & _may_be_dose_limiting(timed)
    clause = np.where(possible, _clauses(timed, grade, course, rules), "")
    asked = possible & infused & _open_question(timed, grade, rules)
    place = _by_day(timed, grade, (clause != "") | asked)
    limiting, unclear = place[clause[place] != ""], place[asked[place]]
    n = len(course.subjects)
    reasons = _of_subject(who[limiting], _terms(timed, limiting) + ": " + clause[limiting], n, "; ")
    open_terms = _of_subject(who[unclear], _terms(timed, unclear), n, ", ")
    toxic = (reasons != "") & course.infused
    why_not = _not_evaluable(course, rules)
    strangers = np.flatnonzero(who < 0)
    return Judgement(
        evaluable=(toxic | (why_not == "")).astype(float), dlt=toxic.astype(float),
        reason=np.where(toxic, reasons, why_not),
        note=np.where(open_terms == "", "", "not judged, grade or start missing: " + open_terms),
        excluded=_excluded(timed, "adverse_events", strangers, "not a subject of this analysis"),
        lay_out=lambda: _limiting_rows(timed, grade, limiting[infused[limiting]]),
    )  # fmt: skip


def _limiting_rows(timed: pd.DataFrame, grade: Floats, place: Ints) -> pd.DataFrame:
    """The dose-limiting records, as source rows."""
    rows = timed.iloc[place]
    term = pd.Series(_terms(timed, place), index=rows.index, dtype=object)
    return rows.assign(table="adverse_events", term=term, grade=grade[place])[list(ROW_COLUMNS)]


def _terms(timed: pd.DataFrame, place: Ints) -> Words:
    """The preferred term of the records at `place`, else the words of the report."""
    pt, verbatim = (timed[name].to_numpy(dtype=object)[place] for name in ("pt", "verbatim"))
    return np.where(pd.isna(pt), np.where(pd.isna(verbatim), tallies.UNCODED, verbatim), pt)


def _by_day(timed: pd.DataFrame, grade: Floats, picked: Flags) -> Ints:
    """Where the picked records stand: by day, the worst first, in whatever order they were reported."""
    place = np.flatnonzero(picked)
    row, pt, day = (timed[name].to_numpy()[place] for name in ("row", "pt", "start_day"))
    code, names = pd.factorize(pt, sort=True)
    order = np.lexsort((row, np.where(code < 0, len(names), code), -grade[place], day))  # missing is last
    by_day: Ints = place[order]
    return by_day


def _of_subject(who: Ints, words: Words, n: int, between: str) -> Words:
    """The words of the records of each of `n` subjects, one after the other."""
    found: dict[int, list[str]] = {}
    for subject, word in zip(who.tolist(), words.tolist(), strict=True):
        found.setdefault(subject, []).append(word)
    texts: Words = np.full(n, "", dtype=object)
    texts[list(found)] = [between.join(said) for said in found.values()]
    return texts


def _clauses(timed: pd.DataFrame, grade: Floats, course: emergence.Course, rules: DltRules) -> Words:
    """The clause that a record of the window meets, the first in force, empty where it meets none."""
    start, end = timed["start_day"].to_numpy(), timed["end_day"].to_numpy()
    risk_end = emergence.of_subject(course.risk_end, timed["who"].to_numpy())
    end = np.where(np.isnan(end), np.fmax(risk_end, start), end)
    duration = end - start + 1
    clauses = rules.in_force()
    kinds = _kinds(timed, grade, rules, {clause.of for clause in clauses})
    words: Words = np.full(len(timed), "", dtype=object)
    for clause in reversed(clauses):
        applies = kinds[clause.of] & (grade == clause.grade) & (start >= 0) & (start <= rules.window_days)
        if clause.longer_than_days is not None:
            applies &= duration > clause.longer_than_days
        if clause.present_after_window:
            applies &= end > rules.window_days
        words[applies] = clause.words(rules.window_days)
    return words


def _kinds(timed: pd.DataFrame, grade: Floats, rules: DltRules, own_clause: set[str]) -> dict[str, Flags]:
    """Which records each kind of clause is about; those of HLH are among the others without its own."""
    judged = (grade == 5) | ~tallies.among(timed["pt"], rules.exempt_terms)
    syndromes = ("CRS", "ICANS", *own_clause & {"HLH"})
    kinds = {name: tallies.in_category(timed, name) & judged for name in syndromes}
    aesi = kinds["CRS"] | kinds["ICANS"]
    haematological = tallies.among(timed["pt"], rules.haematological_terms) & ~aesi & judged
    other = judged & ~haematological & ~np.logical_or.reduce(list(kinds.values()))
    return kinds | {"any": judged, "haematological": haematological, "other": other}


def _may_be_dose_limiting(timed: pd.DataFrame) -> Flags:
    """Related to the CAR-T cells and not due to the disease."""
    return tallies.related(timed["related_cart"]) & ~tallies.among(timed["related_disease"], ("Y",))


def _open_question(timed: pd.DataFrame, grade: Floats, rules: DltRules) -> Flags:
    """Records that could be dose-limiting but for a missing grade or start."""
    start = timed["start_day"].to_numpy()
    ungraded = np.isnan(grade)
    no_grade = ungraded & (start >= 0) & (start <= rules.window_days)
    no_start = np.isnan(start) & (ungraded | (grade >= 3))
    over_before = timed["end_day"].to_numpy() < 0
    asked: Flags = (no_grade | no_start) & ~over_before
    return asked


def _not_evaluable(course: emergence.Course, rules: DltRules) -> Words:
    """Why a subject without a DLT is not evaluable: the first reason that applies, empty for none."""
    table = course.subjects
    dose = {
        name: table[name].to_numpy(dtype=float) if name in table.columns else np.full(len(table), np.nan)
        for name in ("actual_dose_1e6_kg", "planned_dose_1e6_kg")
    }
    # 0.8 x 1.5 is 1.2000000000000002 in binary: exactly 80 % of the planned dose is enough.
    enough = rules.min_dose_fraction * dose["planned_dose_1e6_kg"] * (1 - 1e-12)
    therapy = course.first["NEW_THERAPY"].to_numpy()
    reasons = (
        (~course.infused, "NOT_INFUSED"),
        (dose["actual_dose_1e6_kg"] < enough, "UNDERDOSED"),
        (therapy <= rules.window_days, "NEW_THERAPY"),
        (course.death < rules.window_days, "DEATH"),
        (~(course.risk_end >= rules.window_days), "LOST_TO_FOLLOW_UP"),
    )
    return results.first_reason(*reasons)
