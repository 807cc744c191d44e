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
from cart7.toxicity.trace import ROW_COLUMNS, FrameTrace

Flags: TypeAlias = npt.NDArray[np.bool_]
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
    if dlt is not None:
        judged, excluded, sources = _adjudicated(dlt, course)
    elif adverse_events is not None:
        judged, excluded, sources = _judged(adverse_events, course, rules)
    else:
        raise ValueError("dose_limiting_toxicity needs dlt or adverse_events, got neither")
    replace = (judged["evaluable"] == 0).astype(float).where(judged["evaluable"].notna())
    judged.insert(judged.columns.get_loc("note"), "replace", replace)
    groups = tallies.groups_of(course.subjects, by)
    evaluable = (judged["evaluable"] == 1).to_numpy()
    toxic = evaluable & (judged["dlt"] == 1).to_numpy()
    summary: tallies.Columns = {"group": np.array(groups.labels, dtype=object)}
    replaced = (judged["replace"] == 1).to_numpy()
    counted = {"n_infused": course.infused, "n": evaluable, "n_dlt": toxic, "n_replace": replaced}
    for name, flag in counted.items():
        summary[name] = (groups.members & flag).sum(axis=1)
    tallies.add_proportion(summary, "n_dlt", "n", rules, tallies.RATE)
    counts = (summary["n_dlt"], summary["n"])
    upper = proportions.interval(*counts, method=rules.ci_method, conf_level=2 * rules.upper_level - 1)[1]
    summary["upper_one_sided"] = upper
    for name in ("conf_level", "method"):
        summary[name] = summary.pop(name)
    summary["note"] = np.where(summary["n"] == 0, "nobody evaluable", "")
    return DltResult(
        subjects=judged, summary=pd.DataFrame(summary), excluded=excluded, rules=rules,
        population=derive.population(course.subjects), source="derived" if dlt is None else "adjudicated",
        trace=FrameTrace(lay_out=sources, subjects=course.subjects, groups=groups),
    )  # fmt: skip


def _adjudicated(
    dlt: Table, course: emergence.Course
) -> tuple[pd.DataFrame, pd.DataFrame, Callable[[], pd.DataFrame]]:
    """Flags and reasons as the adjudicated table states them, and what lays out the rows that state a DLT."""
    table = records.to_frame(
        dlt, "dlt", needs=("evaluable", "dlt"), fill=("dlt_term", "not_evaluable_reason", "dlt_onset_day")
    )
    who = course.position(table["subject_id"])
    again = (np.bincount(who[who >= 0], minlength=len(course.subjects)) > 1)[who] & (who >= 0)
    used = np.flatnonzero((who >= 0) & ~again)
    row = np.full(len(course.subjects), -1)
    row[who[used]] = used
    there = row >= 0
    untreated = ~course.infused & ~there

    def said(name: str) -> Words:
        """The word of each subject's row, None where there is none."""
        words: Words = np.array([*table[name].tolist(), None], dtype=object)[row]
        return words

    evaluable, toxic = (
        np.where(untreated, 0.0, np.select([said(name) == "Y", said(name) == "N"], [1.0, 0.0], np.nan))
        for name in ("evaluable", "dlt")
    )
    term, why_not = (
        np.where(pd.isna(said(name)), "", said(name)) for name in ("dlt_term", "not_evaluable_reason")
    )
    judged = pd.DataFrame(
        {"subject_id": course.subjects["subject_id"], "evaluable": evaluable, "dlt": toxic,
         "reason": results.first_reason(
             (untreated, "NOT_INFUSED"), (toxic == 1, term), (evaluable != 1, why_not)
         ),
         "note": results.first_reason(
             (~there & ~untreated, "not in the dlt table"),
             (np.isnan(evaluable) | np.isnan(toxic), "not adjudicated"),
             ((toxic == 1) & (evaluable != 1), "DLT of a subject who is not evaluable, not counted"),
         )}
    )  # fmt: skip
    excluded = [
        results.excluded_rows(table[who < 0], "dlt", "not a subject of this analysis"),
        results.excluded_rows(table[again], "dlt", "several rows of this subject"),
    ]
    return judged, results.concat(excluded, results.EXCLUDED_COLUMNS), lambda: _stated(table.iloc[used])


def _stated(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that state a DLT, as source rows."""
    stated = table[((table["evaluable"] == "Y") & (table["dlt"] == "Y")).to_numpy(dtype=bool)]
    sources = stated.assign(table="dlt", term=tallies.word_or(stated["dlt_term"], ""), grade=np.nan,
                            start_day=stated["dlt_onset_day"], end_day=np.nan, start=pd.NaT)  # fmt: skip
    return sources[list(ROW_COLUMNS)]


_READ = ("pt", "verbatim", "aesi", "related_cart", "related_disease")


def _judged(
    adverse_events: Table, course: emergence.Course, rules: DltRules
) -> tuple[pd.DataFrame, pd.DataFrame, Callable[[], pd.DataFrame]]:
    """Flags and reasons derived from adverse events and follow-up, and what lays out the records of a DLT."""
    timed, _ = emergence.timed(adverse_events, course, words=_READ)
    timed = timed.assign(grade=emergence.known_grade(timed["grade"].to_numpy(dtype=float)))
    strangers = timed[timed["who"] < 0]
    # A reason names the events by day, the worst first, in whatever order they were reported.
    timed = timed[timed["who"] >= 0].sort_values(
        ["start_day", "grade", "pt", "row"], ascending=[True, False, True, True], kind="stable"
    )
    term = tallies.word_or(tallies.word_or(timed["pt"], timed["verbatim"]), tallies.UNCODED)
    clause = _clauses(timed, course, rules)
    n = len(course.subjects)
    limiting = _of_subject(timed, term + ": " + pd.Series(clause, index=timed.index), clause != "", n, "; ")
    open_terms = _of_subject(timed, term, _open_question(timed, course, rules), n, ", ")
    toxic = (limiting != "") & course.infused
    why_not = _not_evaluable(course, rules)
    judged = pd.DataFrame({"subject_id": course.subjects["subject_id"]})
    judged["evaluable"] = (toxic | (why_not == "")).astype(float)
    judged["dlt"] = toxic.astype(float)
    judged["reason"] = np.where(toxic, limiting, why_not)
    judged["note"] = ["not judged, grade or start missing: " + terms if terms else "" for terms in open_terms]
    excluded = results.excluded_rows(strangers, "adverse_events", "not a subject of this analysis")
    dose_limiting = (clause != "") & course.infused[timed["who"].to_numpy()]
    sources = timed.assign(table="adverse_events", term=term)
    return judged, excluded, lambda: sources.loc[dose_limiting, list(ROW_COLUMNS)]


def _of_subject(timed: pd.DataFrame, words: pd.Series, picked: Flags, n: int, between: str) -> Words:
    """The words of the picked records of each of `n` subjects, one after the other."""
    found: list[list[str]] = [[] for _ in range(n)]
    for who, word in zip(timed["who"].to_numpy()[picked], words.to_numpy(dtype=object)[picked], strict=True):
        found[who].append(word)
    return np.array([between.join(texts) for texts in found], dtype=object)


def _clauses(timed: pd.DataFrame, course: emergence.Course, rules: DltRules) -> Words:
    """The clause that makes each record dose-limiting, empty where none does."""
    grade, start = timed["grade"].to_numpy(), timed["start_day"].to_numpy()
    last_contact = np.fmax(course.risk_end[timed["who"].to_numpy()], start)
    end = timed["end_day"].fillna(pd.Series(last_contact, index=timed.index)).to_numpy()
    duration = end - start + 1
    kinds = _kinds(timed, rules)
    cases = []
    for clause in rules.in_force():
        applies = kinds[clause.of] & (grade == clause.grade)
        if clause.longer_than_days is not None:
            applies &= duration > clause.longer_than_days
        if clause.present_after_window:
            applies &= end > rules.window_days
        cases.append((applies, np.array(clause.words(rules.window_days), dtype=object)))
    words = np.select([case for case, _ in cases], [text for _, text in cases], "")
    return np.where(
        _may_be_dose_limiting(timed, rules) & (start >= 0) & (start <= rules.window_days), words, ""
    )


def _kinds(timed: pd.DataFrame, rules: DltRules) -> dict[str, Flags]:
    """Which records each kind of clause is about."""
    exempt = tallies.among(timed["pt"], rules.exempt_terms) & ~(timed["grade"] == 5).to_numpy(dtype=bool)
    kinds = {name: tallies.in_category(timed, name) & ~exempt for name in ("CRS", "ICANS", "HLH")}
    syndrome = kinds["CRS"] | kinds["ICANS"]
    haematological = tallies.among(timed["pt"], rules.haematological_terms) & ~syndrome & ~exempt
    own_clause = {clause.of for clause in rules.in_force()}
    hlh = kinds["HLH"] if "HLH" in own_clause else np.zeros(len(timed), dtype=bool)
    kinds |= {
        "any": ~exempt,
        "haematological": haematological,
        "other": ~syndrome & ~haematological & ~hlh & ~exempt,
    }
    return kinds


def _may_be_dose_limiting(timed: pd.DataFrame, rules: DltRules) -> Flags:
    """Related to the CAR-T cells and not due to the disease."""
    return tallies.related(timed["related_cart"]) & ~tallies.among(timed["related_disease"], ("Y",))


def _open_question(timed: pd.DataFrame, course: emergence.Course, rules: DltRules) -> Flags:
    """Records that could be dose-limiting but for a missing grade or start."""
    start = timed["start_day"]
    no_grade = timed["grade"].isna() & (start >= 0) & (start <= rules.window_days)
    no_start = start.isna() & (timed["grade"].isna() | (timed["grade"] >= 3))
    over_before = timed["end_day"] < 0
    unclear = ((no_grade | no_start) & ~over_before).to_numpy(dtype=bool)
    asked: Flags = unclear & _may_be_dose_limiting(timed, rules) & course.infused[timed["who"].to_numpy()]
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
    return np.select([why for why, _ in reasons], [np.array(word, dtype=object) for _, word in reasons], "")
