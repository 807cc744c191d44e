"""The results of the adverse-event tables: their columns, and how they become long rows.

Here: overview, terms, rates, episodes and special interest. Not here: the counts in them (`safety`), and the
results of dose limits, courses and the laboratory (their own rooms).
"""

from dataclasses import dataclass, field
from typing import ClassVar

import pandas as pd

from cart7.toxicity.episodes import GE3, SPANS
from cart7.toxicity.tallies import EVENT, INCIDENCE, RATE, LaidOutWhenRead, SafetyResult

GRADES = (*(f"grade_{grade}" for grade in range(1, 6)), "grade_missing", "grade_ge3")


@dataclass(frozen=True, kw_only=True, eq=False)
class OverviewResult(SafetyResult):
    """Overall summary of adverse events.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, n_events (treatment-emergent records), max_grade, note.
    summary : DataFrame
        row, group, n, n_subjects, n_events, estimate (a fraction), ci_low, ci_high, conf_level, method, note.
    """

    title: ClassVar[str] = "Adverse events: overview"
    figure: ClassVar[str] = "ae_overview"
    analysis: ClassVar[str] = "safety.overview"
    stats: ClassVar[tuple[str, ...]] = ("n", "n_subjects", "n_events", *RATE)
    subject_stats: ClassVar[tuple[str, ...]] = ("n_events", "max_grade")

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return self.summary["row"], "any_teae"


@dataclass(frozen=True, kw_only=True, eq=False)
class TermResult(SafetyResult):
    """Adverse events by system organ class and preferred term.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, soc, pt, n_events, max_grade, first_day (days since infusion), note: a row per subject
        and term.
    summary : DataFrame
        level (ANY, SOC, PT), soc, pt, group, n, n_subjects, n_events, grade_1 .. grade_5, grade_missing,
        grade_ge3, estimate (a fraction), ci_low, ci_high, conf_level, method, note.
    """

    title: ClassVar[str] = "Adverse events by system organ class and preferred term"
    figure: ClassVar[str] = "ae_by_grade"
    subjects: LaidOutWhenRead = field(default=LaidOutWhenRead(), repr=False)
    analysis: ClassVar[str] = "safety.by_term"
    stats: ClassVar[tuple[str, ...]] = ("n", "n_subjects", "n_events", *GRADES, *RATE)
    subject_stats: ClassVar[tuple[str, ...]] = ("n_events", "max_grade", "first_day")

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return term_word(self.summary), term_word(self.subjects)


@dataclass(frozen=True, kw_only=True, eq=False)
class ExposureAdjustedResult(SafetyResult):
    """Adverse events per 100 person-years.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, followup_days (first to last day at risk, both included), note.
    summary : DataFrame
        level, soc, pt, group, n, n_first (subjects with a first event under risk), person_years (to the
        first event), incidence_rate, incidence_ci_low, incidence_ci_high, n_events, followup_years,
        event_rate, event_ci_low, event_ci_high (rates per 100 person-years), conf_level, method, note.
    """

    title: ClassVar[str] = "Adverse events per 100 person-years"
    figure: ClassVar[str] = "ae_rates"
    analysis: ClassVar[str] = "safety.exposure_adjusted"
    stats: ClassVar[tuple[str, ...]] = (
        "n", "n_first", "person_years", *INCIDENCE, "n_events", "followup_years", *EVENT
    )  # fmt: skip
    subject_stats: ClassVar[tuple[str, ...]] = ("followup_days",)
    estimated: ClassVar[tuple[str, ...]] = (*INCIDENCE, *EVENT)

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return term_word(self.summary), "ANY"


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodesResult(SafetyResult):
    """Episodes of one adverse event of special interest.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, category, episode (1, 2 ...), start_day, end_day (days since infusion), ongoing (1, 0),
        max_grade, n_records, duration_days, note: a row per episode.
    summary : DataFrame
        category, group (`ALL`), n_subjects, n_episodes.
    """

    title: ClassVar[str] = "Episodes"
    analysis: ClassVar[str] = "safety.episodes"
    stats: ClassVar[tuple[str, ...]] = ("n_subjects", "n_episodes")
    subject_stats: ClassVar[tuple[str, ...]] = (
        "start_day", "end_day", "ongoing", "max_grade", "n_records", "duration_days"
    )  # fmt: skip
    estimated: ClassVar[tuple[str, ...]] = ()

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        episode = self.subjects["category"] + ":" + self.subjects["episode"].astype(str)
        return self.summary["category"], episode


@dataclass(frozen=True, kw_only=True, eq=False)
class SpecialInterestResult(SafetyResult):
    """CRS, ICANS and HLH: incidence, onset and duration.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, category, n_episodes, onset_day (days since infusion), duration_days (both of the first
        episode), total_days, max_grade, ongoing (1, 0), note: who had it.
    summary : DataFrame
        category, group, n, n_subjects, n_episodes, estimate, ci_low, ci_high, n_grade_ge3,
        grade_ge3_estimate, grade_ge3_ci_low, grade_ge3_ci_high (fractions), median, min and max of onset
        and duration, total_days_median (days, among those who had it), conf_level, method, note.
    """

    title: ClassVar[str] = "Adverse events of special interest"
    figure: ClassVar[str] = "aesi_map"
    analysis: ClassVar[str] = "safety.special_interest"
    stats: ClassVar[tuple[str, ...]] = (
        "n", "n_subjects", "n_episodes", *RATE, "n_grade_ge3", *GE3, *SPANS, "total_days_median"
    )  # fmt: skip
    subject_stats: ClassVar[tuple[str, ...]] = (
        "n_episodes", "onset_day", "duration_days", "total_days", "max_grade", "ongoing"
    )  # fmt: skip
    estimated: ClassVar[tuple[str, ...]] = (*RATE, *GE3)

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return self.summary["category"], self.subjects["category"]


def term_word(frame: pd.DataFrame) -> pd.Series:
    """One word per row of a term table: ANY, the class, or class|term."""
    words = [
        "|".join(filter(None, (soc, pt))) or "ANY" for soc, pt in zip(frame["soc"], frame["pt"], strict=True)
    ]
    return pd.Series(words, index=frame.index, dtype=object)
