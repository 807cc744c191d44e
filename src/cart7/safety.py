"""Safety: which adverse events count, how many subjects had them, how often, and which were dose-limiting.

Here: the overview and term tables, exposure-adjusted rates, episodes of CRS, ICANS and HLH; and the public
names of the parts in `toxicity`: which records count (`emergence`), rows of terms (`terms`), episodes
(`episodes`), dose-limiting toxicity (`dose_limiting`), laboratory safety (`laboratory`). Not here: grades
from components (`grading`), counting and intervals (`stats`), pages (`report`).
"""

import numpy as np
import pandas as pd

from cart7 import derive, results
from cart7.stats import counting
from cart7.toxicity import emergence, trace
from cart7.toxicity.blood_counts import BloodCountResult, CountRules, blood_counts
from cart7.toxicity.courses import AesiCourseResult, CourseRules, aesi_checks, aesi_course
from cart7.toxicity.dlt_comparison import DltComparisonResult, compare_dlt
from cart7.toxicity.dlt_rules import DltClause, DltRules
from cart7.toxicity.dose_limiting import DltResult, dose_limiting_toxicity
from cart7.toxicity.emergence import Table
from cart7.toxicity.episodes import (
    CATEGORIES,
    MADE,
    affected_subjects,
    episode_records,
    merged_episodes,
    special_summary,
)
from cart7.toxicity.haematotoxicity import (
    IcahtResult,
    IcahtRules,
    PlateletIcahtResult,
    icaht,
    icaht_platelets,
)
from cart7.toxicity.hlh_screen import HlhScreenResult, ScreenRules, iec_hs_screen
from cart7.toxicity.incidence import EventIncidenceResult, cumulative_incidence
from cart7.toxicity.laboratory import (
    CytopeniaResult,
    LabShiftResult,
    LandmarkRules,
    cytopenia,
    lab_grades,
    lab_shift,
)
from cart7.toxicity.lines import OF_LINES, leave_open, overview_lines
from cart7.toxicity.periods import PeriodResult, by_period
from cart7.toxicity.rules import SafetyRules
from cart7.toxicity.tables import (
    EpisodesResult,
    ExposureAdjustedResult,
    OverviewResult,
    SpecialInterestResult,
    TermResult,
)
from cart7.toxicity.tallies import (
    EVENT,
    INCIDENCE,
    RATE,
    Groups,
    add_proportion,
    add_rate,
    groups_of,
    in_category,
)
from cart7.toxicity.terms import subject_terms, terms_of

__all__ = [
    "AesiCourseResult", "BloodCountResult", "CountRules", "CourseRules", "CytopeniaResult", "DltClause",
    "DltComparisonResult", "DltResult", "DltRules", "EpisodesResult", "EventIncidenceResult",
    "ExposureAdjustedResult", "HlhScreenResult", "IcahtResult", "IcahtRules", "LabShiftResult",
    "LandmarkRules", "OverviewResult", "PeriodResult", "PlateletIcahtResult", "SafetyRules", "ScreenRules",
    "SpecialInterestResult", "TermResult", "aesi_checks", "aesi_course", "blood_counts", "by_period",
    "by_term", "compare_dlt", "cumulative_incidence", "cytopenia", "dose_limiting_toxicity", "episodes",
    "exposure_adjusted", "icaht", "icaht_platelets", "iec_hs_screen", "lab_grades", "lab_shift", "overview",
    "queries", "special_interest", "treatment_emergent",
]  # fmt: skip


def treatment_emergent(
    adverse_events: Table,
    subjects: Table,
    *,
    rules: SafetyRules | None = None,
    events: Table | None = None,
) -> pd.DataFrame:
    """Dates and days of every adverse event, and whether it is treatment-emergent.

    Parameters
    ----------
    adverse_events : DataFrame or sequence of AdverseEvent
        `start_date`, `end_date` (ISO 8601, may be partial) or `start_day`, `end_day` (days since infusion;
        they count where filled); optional `grade`, `baseline_grade`, `treatment_emergent` (Y, N, 1, 0:
        taken as it stands).
    subjects : DataFrame or sequence of Subject
        `infused`, `infusion_date`; optional `death_date`, `followup_end_date`, `data_cutoff`.
    rules : SafetyRules, optional
        `reference` and `window_days` matter here.
    events : DataFrame or sequence of StudyEvent, optional
        DEATH and LAST_CONTACT, where `subjects` has no dates for them.

    Returns
    -------
    DataFrame
        The rows of `adverse_events` in their order with `start`, `end` (datetime64), `start_imputed`,
        `end_imputed` ("", "D" day imputed, "M" month and day), `start_day`, `end_day` (days since infusion),
        `treatment_emergent` (bool) and `note` (a query, or why the record does not count).

    Raises
    ------
    ValueError
        If `rules.reference` is not a column of `subjects`.
    DataError
        If a number column holds text, or a subject stands twice.

    Notes
    -----
    A partial start is the first day it allows, or the infusion date where that lies in its range; a partial
    end the last day it allows, or an earlier death or end of follow-up in its range. A complete date is never
    changed. In this order: not infused, no; ended before the reference date, no; start unknown, yes; started
    on the reference date or later (and not after the window), yes; started before, yes when the grade rose or
    either grade is missing, provided that a `baseline_grade` column is there; else no.

    References
    ----------
    ICH E9 (1998), treatment emergent. Same dates and flags as R admiral 1.5 (`derive_vars_dt`,
    `derive_var_trtemfl`).

    Examples
    --------
    >>> subjects = pd.DataFrame({"subject_id": ["001"], "infusion_date": ["2024-03-15"]})
    >>> found = treatment_emergent(
    ...     pd.DataFrame({"subject_id": ["001", "001"], "start_date": ["2024-03", "2024-02-27"]}), subjects)
    >>> found[["start_day", "start_imputed", "treatment_emergent"]].values.tolist()
    [[0.0, 'D', True], [-17.0, '', False]]
    """
    rules = rules or SafetyRules()
    course = emergence.course(subjects, events, reference=rules.reference)
    timed, given = emergence.timed(adverse_events, course, window_days=rules.window_days)
    frame = timed[[*given, *(name for name in emergence.TIMED if name not in given)]]
    return frame.set_axis(adverse_events.index) if isinstance(adverse_events, pd.DataFrame) else frame


def queries(
    adverse_events: Table,
    subjects: Table,
    *,
    rules: SafetyRules | None = None,
    events: Table | None = None,
) -> pd.DataFrame:
    """What should be asked about the records of adverse events before they are believed.

    Parameters
    ----------
    adverse_events, subjects, rules, events
        As in `overview`; a column that was not given is not asked about.

    Returns
    -------
    DataFrame
        table, row (1-based), subject_id, column, value, rule, message: an unknown subject, an unreadable or
        impossible date (end before start, start after death or after the end of follow-up), a start or grade
        that is missing or none, a blank term, class or relationship, a fatal event below grade 5. The same
        stand beside every table, for its own columns, in `.queries`.

    Examples
    --------
    >>> subjects = pd.DataFrame({"subject_id": ["1"], "infused": "Y"})
    >>> asked = queries(pd.DataFrame({"subject_id": ["1"], "start_day": [9], "end_day": [3]}), subjects)
    >>> asked[["row", "column", "message"]].values.tolist()
    [[1, 'end_day', 'the event ends before it starts']]
    """
    found = _counting(adverse_events, subjects, events, rules or SafetyRules(), OF_LINES)
    return trace.queries(found.timed, found.course, found.collected)


def overview(
    adverse_events: Table,
    subjects: Table,
    *,
    by: str | None = "dose_level",
    rules: SafetyRules | None = None,
    events: Table | None = None,
) -> OverviewResult:
    """Subjects and events per line of the overall summary, by group.

    Parameters
    ----------
    adverse_events, subjects, rules, events
        As in `treatment_emergent`, and of the events `pt`, `soc`, `serious`, `related_cart`, `related_ld`
        (anything but NOT RELATED or N counts as related, blank included), `aesi`, `outcome`, `dlt`.
    by : str or None
        Column of `subjects` that defines the groups; None gives `ALL` only.

    Returns
    -------
    OverviewResult
        Treatment-emergent records only; the denominator is everybody in `subjects`. A line whose column was
        not collected is missing, with a note.

    Raises
    ------
    ValueError
        If `by` or `rules.reference` is not a column of `subjects`.

    References
    ----------
    FDA, Standard Safety Tables and Figures: Integrated Guide (2022), table 6.

    Examples
    --------
    >>> events = pd.DataFrame({"subject_id": ["1", "1"], "start_day": [2, 5], "grade": [1, 4]})
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"], "infused": "Y"})
    >>> overview(events, subjects, by=None).summary.loc[:1, ["row", "n_subjects", "n_events"]].values.tolist()
    [['any_teae', 1.0, 2.0], ['any_teae_grade_ge3', 1.0, 1.0]]
    """
    rules = rules or SafetyRules()
    found = _counting(adverse_events, subjects, events, rules, OF_LINES)
    groups = groups_of(found.course.subjects, by)
    lines = overview_lines(found, rules)
    row, picked = trace.stacked(list(lines.values()))
    cells = found.cells(row, picked)
    counts = counting.count(cells, groups.members, len(lines))
    keys = {"row": np.array(list(lines), dtype=object)}
    columns = groups.unfold(
        keys,
        n_subjects=counts.n_subjects.astype(float), n_events=counts.n_records.astype(float),
    )  # fmt: skip
    add_proportion(columns, "n_subjects", "n", rules, RATE)
    columns["note"] = np.where(columns["n"] == 0, "nobody in this group", "")
    summary = pd.DataFrame(columns)
    leave_open(summary, found.collected)
    return OverviewResult(
        subjects=_subject_counts(found), summary=summary, excluded=found.excluded, rules=rules,
        population=derive.population(found.course.subjects),
        trace=trace.Trace(found=found, groups=groups, keys=keys, assign=lambda: (row, picked)),
    )  # fmt: skip


def by_term(
    adverse_events: Table,
    subjects: Table,
    *,
    by: str | None = "dose_level",
    rules: SafetyRules | None = None,
    events: Table | None = None,
) -> TermResult:
    """Subjects by system organ class and preferred term, each once per row at the worst grade.

    Parameters
    ----------
    adverse_events, subjects, rules, events, by
        As in `overview`; a blank `soc` or `pt` is UNCODED and counts in the rows above it.

    Returns
    -------
    TermResult
        The ANY row, then each class followed by its terms: most subjects in `ALL` first, ties by name in
        byte order, UNCODED last. Every row is there for every group. `grade_missing` counts subjects
        without any known grade in the row; `grade_ge3` uses known grades.

    Raises
    ------
    ValueError
        If `by` or `rules.reference` is not a column of `subjects`.

    Examples
    --------
    >>> events = pd.DataFrame({"subject_id": ["1", "1"], "start_day": [2, 5], "grade": [1, 4],
    ...                        "soc": "Vascular disorders", "pt": "Hypotension"})
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"], "infused": "Y"})
    >>> table = by_term(events, subjects, by=None).summary
    >>> table[["level", "n_subjects", "n_events", "grade_1", "grade_4"]].values.tolist()
    [['ANY', 1, 2, 0, 1], ['SOC', 1, 2, 0, 1], ['PT', 1, 2, 0, 1]]
    """
    rules = rules or SafetyRules()
    found = _counting(adverse_events, subjects, events, rules, _OF_TERMS)
    groups = groups_of(found.course.subjects, by)
    terms = terms_of(found)
    counts = terms.count(groups.members)
    grades = {f"grade_{grade}": counts.at_grade[:, :, grade] for grade in range(1, counting.GRADES + 1)}
    summary = groups.unfold(
        terms.rows, n_subjects=counts.n_subjects, n_events=counts.n_records, **grades,
        grade_missing=counts.at_grade[:, :, 0], grade_ge3=counts.at_grade[:, :, 3:].sum(axis=2),
    )  # fmt: skip
    add_proportion(summary, "n_subjects", "n", rules, RATE)
    summary["note"] = np.where(summary["n"] == 0, "nobody in this group", "")
    return TermResult(
        subjects=lambda: subject_terms(found), summary=pd.DataFrame(summary), excluded=found.excluded,
        rules=rules, population=derive.population(found.course.subjects),
        trace=_trace_of_terms(found, groups, terms.rows),
    )  # fmt: skip


def exposure_adjusted(
    adverse_events: Table,
    subjects: Table,
    *,
    by: str | None = "dose_level",
    rules: SafetyRules | None = None,
    events: Table | None = None,
) -> ExposureAdjustedResult:
    """First events and all events per 100 person-years, in the rows of `by_term`.

    Parameters
    ----------
    adverse_events, subjects, rules, events, by
        As in `by_term`. Risk begins on the reference date and ends at the earlier of death and the end of
        follow-up (`death_date`, `followup_end_date` of `subjects`, else DEATH and LAST_CONTACT of `events`,
        else `data_cutoff`), both days included.

    Returns
    -------
    ExposureAdjustedResult
        Rates per 100 person-years with exact Poisson intervals; those of all events suppose that the events
        of a subject are independent.

    Raises
    ------
    ValueError
        If `by` or `rules.reference` is not a column of `subjects`.

    Notes
    -----
    Incidence: subjects with a first event over the time to it. An onset before the reference date counts on
    that day; a subject whose onsets are all unknown, or after the end of risk, adds time and no event.

    Examples
    --------
    >>> events = pd.DataFrame({"subject_id": ["1"], "start_day": [9]})
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"], "infusion_date": "2024-01-01",
    ...                          "followup_end_date": "2024-12-31"})
    >>> row = exposure_adjusted(events, subjects, by=None).summary.iloc[0]
    >>> f"{row.n_first} in {row.person_years:.3f} years: {row.incidence_rate:.1f} per 100"
    '1 in 1.029 years: 97.1 per 100'
    """
    rules = rules or SafetyRules()
    found = _counting(adverse_events, subjects, events, rules, _OF_TERMS)
    course = found.course
    groups = groups_of(course.subjects, by)
    terms = terms_of(found, days=True)
    n_rows = len(terms.rows)
    start = np.where(course.infused, course.reference, np.nan)
    n_first, days = counting.time_to_first(
        terms.cells, groups.members, n_rows, start=start, end=course.risk_end
    )
    at_risk = np.where(np.isnan(start), 0.0, np.maximum(course.risk_end - start + 1, 0))
    followup = np.array([at_risk[member].sum() for member in groups.members])
    summary = groups.unfold(terms.rows, n_first=n_first, person_years=days / rules.year_days)
    add_rate(summary, "n_first", "person_years", rules, INCIDENCE)
    summary["n_events"] = terms.count(groups.members).n_records.ravel()
    summary["followup_years"] = np.tile(followup / rules.year_days, n_rows)
    add_rate(summary, "n_events", "followup_years", rules, EVENT)
    how = "exact Poisson; all events taken as independent"
    summary["conf_level"] = np.full(len(summary["n"]), rules.conf_level)
    summary["method"] = np.full(len(summary["n"]), how, dtype=object)
    unknown = np.isnan(summary["person_years"])
    summary["note"] = np.select(
        [unknown, summary["followup_years"] == 0],
        ["end of follow-up unknown for a subject of this group", "no time at risk"], "",
    )  # fmt: skip
    subject = pd.DataFrame({"subject_id": course.subjects["subject_id"], "followup_days": at_risk})
    subject["note"] = np.where(np.isnan(at_risk), "end of follow-up unknown", "")
    return ExposureAdjustedResult(
        subjects=subject, summary=pd.DataFrame(summary), excluded=found.excluded, rules=rules,
        population=derive.population(course.subjects),
        trace=_trace_of_terms(found, groups, terms.rows),
    )  # fmt: skip


def episodes(
    adverse_events: Table,
    subjects: Table | None = None,
    *,
    category: str,
    gap_days: float = 1,
    events: Table | None = None,
) -> EpisodesResult:
    """Records of one adverse event of special interest merged into episodes.

    Parameters
    ----------
    adverse_events : DataFrame or sequence of AdverseEvent
        As in `treatment_emergent`, with `aesi`.
    subjects : DataFrame or sequence of Subject, optional
        As in `treatment_emergent`; without it all records count and only `start_day`, `end_day` are read.
    category : str
        Value of `aesi`; `HLH` and `IEC-HS` are the same.
    gap_days : float, default 1
        A record that starts at most so many days after the end so far belongs to the same episode.
    events : DataFrame or sequence of StudyEvent, optional
        As in `treatment_emergent`.

    Returns
    -------
    EpisodesResult
        A record without any start is in `.excluded`; one without an end is ongoing and ends with the risk
        (without `subjects`: missing). Duration = end - start + 1 days.

    Examples
    --------
    >>> events = pd.DataFrame({"subject_id": "1", "aesi": "CRS", "start_day": [2, 6, 20],
    ...                        "end_day": [5, 8, 21], "grade": [1, 3, 1]})
    >>> episodes(events, category="CRS").subjects[["start_day", "end_day", "max_grade"]].values.tolist()
    [[2.0, 8.0, 3.0], [20.0, 21.0, 1.0]]
    """
    rules = SafetyRules(gap_days=gap_days)
    if subjects is None:
        found = emergence.all_records(adverse_events, words=_OF_EPISODES)
    else:
        found = _counting(adverse_events, subjects, events, rules, _OF_EPISODES)
    series = np.where(in_category(found.table, category), found.who, -1)
    merged, undated = merged_episodes(found, series, rules.gap_days)
    ids = found.course.subjects["subject_id"].to_numpy(dtype=object)
    merged.insert(0, "subject_id", ids[merged.pop("series").to_numpy()])
    merged.insert(1, "category", category)
    summary = pd.DataFrame(
        {"category": [category], "group": [derive.ALL], "n_subjects": [merged["subject_id"].nunique()],
         "n_episodes": [len(merged)], "note": [""]}
    )  # fmt: skip
    excluded = results.concat([found.excluded, undated], results.EXCLUDED_COLUMNS)
    return EpisodesResult(
        subjects=merged, summary=summary, excluded=excluded, rules=rules,
        population=derive.population(found.course.subjects),
        trace=trace.Trace(found=found, groups=groups_of(found.course.subjects, None),
                          keys=merged[["subject_id", "category", "episode"]],
                          assign=lambda: episode_records(found, series, rules.gap_days)),
    )  # fmt: skip


def special_interest(
    adverse_events: Table,
    subjects: Table,
    *,
    by: str | None = "dose_level",
    rules: SafetyRules | None = None,
    events: Table | None = None,
) -> SpecialInterestResult:
    """CRS, ICANS and HLH: who had it, how severe, when it began and how long it lasted.

    Parameters
    ----------
    adverse_events, subjects, rules, events, by
        As in `overview`; `rules.gap_days` merges records into episodes.

    Returns
    -------
    SpecialInterestResult
        Onset and duration are of a subject's first episode, the grade is the worst of all records. A subject
        whose records have no start is counted, without onset.

    Raises
    ------
    ValueError
        If `by` or `rules.reference` is not a column of `subjects`.

    Examples
    --------
    >>> events = pd.DataFrame({"subject_id": ["1"], "aesi": "CRS", "start_day": [2], "end_day": [5]})
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"], "infused": "Y"})
    >>> crs = special_interest(events, subjects, by=None).summary.iloc[0]
    >>> f"{crs.n_subjects} of {crs.n}, onset day {crs.onset_median:g}, {crs.duration_median:g} days"
    '1 of 2, onset day 2, 4 days'
    """
    rules = rules or SafetyRules()
    found = _counting(adverse_events, subjects, events, rules, _OF_EPISODES)
    groups = groups_of(found.course.subjects, by)
    affected, undated = affected_subjects(found, rules.gap_days)
    summary = special_summary(affected, groups, rules)
    if "aesi" not in found.collected:
        open_columns = [name for name in summary.columns if name not in ("category", "group", "n", *MADE)]
        summary[open_columns] = np.nan
        summary["note"] = "aesi not collected"
    return SpecialInterestResult(
        subjects=pd.DataFrame({name: cells for name, cells in affected.items() if name != "who"}),
        summary=summary, rules=rules,
        excluded=results.concat([found.excluded, undated], results.EXCLUDED_COLUMNS),
        population=derive.population(found.course.subjects),
        trace=trace.Trace(
            found=found, groups=groups, keys={"category": np.array(CATEGORIES, dtype=object)},
            assign=lambda: trace.stacked([in_category(found.table, name) for name in CATEGORIES]),
        ),
    )  # fmt: skip


_OF_TERMS = ("soc", "pt")
_OF_EPISODES = ("aesi", "pt")


def _counting(
    adverse_events: Table, subjects: Table, events: Table | None, rules: SafetyRules, words: tuple[str, ...]
) -> emergence.Records:
    """The records that count, with the columns that a table is made from."""
    return emergence.emergent(
        adverse_events, subjects, events, reference=rules.reference, window_days=rules.window_days,
        words=words,
    )  # fmt: skip


def _trace_of_terms(found: emergence.Records, groups: Groups, keys: pd.DataFrame) -> trace.Trace:
    """The records behind the rows of a term table."""
    return trace.Trace(
        found=found, groups=groups, keys=keys, assign=lambda: trace.term_assignment(found, keys)
    )


def _subject_counts(found: emergence.Records) -> pd.DataFrame:
    """Treatment-emergent records and worst grade of everybody."""
    subjects = found.course.subjects
    cells = found.cells(np.zeros(len(found.who), dtype=np.int64), np.arange(len(found.who)))
    n_events, worst = np.zeros(len(subjects), dtype=np.int64), np.full(len(subjects), np.nan)
    n_events[cells.subject] = cells.n_records
    worst[cells.subject] = np.where(cells.worst > 0, cells.worst, np.nan)
    note = np.select([n_events == 0, np.isnan(worst)], ["no treatment-emergent event", "grade missing"], "")
    return pd.DataFrame(
        {"subject_id": subjects["subject_id"], "n_events": n_events, "max_grade": worst, "note": note}
    )
