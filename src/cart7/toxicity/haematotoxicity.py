"""Haematotoxicity of a study (ICAHT): neutrophils and platelets, graded from the laboratory table.

Here: which counts are graded, and when a subject's observation ends. Not here: the grading itself
(`grading`), CTCAE grades (`laboratory`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7 import derive, grading, results
from cart7.errors import DataError
from cart7.grading.icaht import (
    EARLY_LAST_DAY,
    LATE_LAST_DAY,
    laid_out,
    neutropenia,
    thrombocytopenia,
)
from cart7.toxicity import emergence, tallies, trace
from cart7.toxicity.emergence import Table
from cart7.toxicity.laboratory import negative_values, samples
from cart7.toxicity.remembered import remembered

Floats: TypeAlias = npt.NDArray[np.float64]

THERAPIES = ("NEW_THERAPY", "HSCT", "SECOND_INFUSION")
"""After them a count says nothing of the first infusion."""


class IcahtRules(BaseModel):
    """Choices of the haematotoxicity summary.

    Parameters
    ----------
    conf_level : float
        Two-sided level.
    ci_method : str
        A method of `stats.proportions.interval`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    conf_level: float = Field(default=0.95, gt=0, lt=1)
    ci_method: str = "clopper-pearson"

    _known_method = field_validator("ci_method")(tallies.known_method)


@dataclass(frozen=True, kw_only=True, eq=False)
class IcahtResult(tallies.SafetyResult):
    """Haematotoxicity (ICAHT) graded from the neutrophils of the laboratory table.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, days_le_500, days_le_100 (longest period on days 0 to 30), early_grade, late_grade,
        recovery_day (first of 3 consecutive days above 500/uL), note.
    summary : DataFrame
        group, n, n_graded, n_grade_ge3 (early), estimate (a fraction of those graded), ci_low, ci_high,
        conf_level, method, note.
    """

    title: ClassVar[str] = "Haematotoxicity (ICAHT)"
    analysis: ClassVar[str] = "safety.icaht"
    stats: ClassVar[tuple[str, ...]] = ("n", "n_graded", "n_grade_ge3", *tallies.RATE)
    subject_stats: ClassVar[tuple[str, ...]] = (
        "days_le_500", "days_le_100", "early_grade", "late_grade", "recovery_day"
    )  # fmt: skip

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return "ICAHT", "ICAHT"

    def _reasons(self) -> Mapping[str, str | pd.Series]:
        ungraded = self.subjects["early_grade"].isna()
        return {"recovery_day": self.subjects["note"].where(ungraded, "no recovery seen by day 30")}


@dataclass(frozen=True, kw_only=True, eq=False)
class PlateletIcahtResult(IcahtResult):
    """Thrombocytopenia (T-ICAHT) graded from the platelets of the laboratory table.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, days_lt_50, days_lt_20 (longest period on days 0 to 30), early_grade, late_grade, note.
    summary : DataFrame
        As in `IcahtResult`.
    """

    title: ClassVar[str] = "Thrombocytopenia (T-ICAHT)"
    analysis: ClassVar[str] = "safety.icaht_platelets"
    subject_stats: ClassVar[tuple[str, ...]] = ("days_lt_50", "days_lt_20", "early_grade", "late_grade")

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return "T-ICAHT", "T-ICAHT"

    def _reasons(self) -> Mapping[str, str | pd.Series]:
        return {}


def icaht(
    labs: Table,
    subjects: Table,
    events: Table | None = None,
    *,
    by: str | None = "dose_level",
    rules: IcahtRules | None = None,
) -> IcahtResult:
    """Early and late haematotoxicity grade of each subject from the ANC of the laboratory table.

    Parameters
    ----------
    labs : DataFrame or sequence of LabResult
        `test` (ANC), `value`, `unit` (10^9/L, 10^3/uL, cells/uL, ...), `day` (days since infusion) or
        `sample_date`.
    subjects : DataFrame or sequence of Subject
        As in `treatment_emergent`.
    events : DataFrame or sequence of StudyEvent, optional
        DEATH and LAST_CONTACT end observation; PROGRESSION, NEW_THERAPY, HSCT and SECOND_INFUSION end the
        late period.
    by : str or None
        Column of `subjects` that defines the groups of `.summary`.
    rules : IcahtRules, optional
        `conf_level` and `ci_method`.

    Returns
    -------
    IcahtResult
        Grades by `grading.icaht_neutropenia`; the longest period at or below a threshold joins periods with
        at most 2 days above between them.

    Raises
    ------
    DataError
        If an ANC has a unit that is not known, naming every such row.

    Examples
    --------
    >>> labs = pd.DataFrame({"subject_id": "1", "test": "ANC", "day": range(31), "unit": "10^9/L",
    ...                      "value": [0.3] * 14 + [1.2] * 17})
    >>> graded = icaht(labs, pd.DataFrame({"subject_id": ["1"], "infused": "Y"})).subjects
    >>> graded[["days_le_500", "early_grade", "recovery_day"]].values.tolist()
    [[14.0, 3.0, 14.0]]
    """
    rules = rules or IcahtRules()
    course = emergence.course(subjects, events)
    anc = count_samples(labs, course.subjects, ("ANC",))
    graded = neutropenia(laid_out(anc.who, anc.day, anc.cells, _limits(course), _each(course)))
    groups = tallies.groups_of(course.subjects, by)
    told = _told(graded, course, IcahtResult.subject_stats)
    return IcahtResult(
        subjects=told, summary=_icaht_summary(graded, groups, rules), excluded=anc.excluded.copy(),
        rules=rules, population=derive.population(course.subjects), trace=_trace(anc, graded, course, groups),
    )  # fmt: skip


def icaht_platelets(
    labs: Table,
    subjects: Table,
    events: Table | None = None,
    *,
    by: str | None = "dose_level",
    rules: IcahtRules | None = None,
) -> PlateletIcahtResult:
    """Early and late grade of thrombocytopenia (T-ICAHT) of each subject from the laboratory table.

    Parameters
    ----------
    labs : DataFrame or sequence of LabResult
        As in `icaht`, with the test PLT.
    subjects, events, by, rules
        As in `icaht`.

    Returns
    -------
    PlateletIcahtResult
        Grades by `grading.icaht_thrombocytopenia`; `days_lt_50`, `days_lt_20` are the longest periods on days
        0 to 30.

    Raises
    ------
    DataError
        If a count has a unit that is not known, or is negative, naming every such row.

    Examples
    --------
    >>> labs = pd.DataFrame({"subject_id": "1", "test": "PLT", "day": range(31), "unit": "10^9/L",
    ...                      "value": [40] * 8 + [90] * 23})
    >>> graded = icaht_platelets(labs, pd.DataFrame({"subject_id": ["1"], "infused": "Y"})).subjects
    >>> graded[["days_lt_50", "days_lt_20", "early_grade"]].values.tolist()
    [[8.0, 0.0, 2.0]]
    """
    rules = rules or IcahtRules()
    course = emergence.course(subjects, events)
    platelets = count_samples(labs, course.subjects, ("PLT",))
    counts = laid_out(
        platelets.who, platelets.day, platelets.cells / 1000, _limits(course), _each(course)
    )  # in 10^9/L
    graded = thrombocytopenia(counts)
    groups = tallies.groups_of(course.subjects, by)
    told = _told(graded, course, PlateletIcahtResult.subject_stats)
    return PlateletIcahtResult(
        subjects=told, summary=_icaht_summary(graded, groups, rules), excluded=platelets.excluded.copy(),
        rules=rules, population=derive.population(course.subjects),
        trace=_trace(platelets, graded, course, groups),
    )  # fmt: skip


def _each(course: emergence.Course) -> npt.NDArray[np.int64]:
    """The subject of each row of the grid: everybody once."""
    return np.arange(len(course.subjects))


def _limits(course: emergence.Course) -> dict[str, Floats]:
    """When observation and the late period of each subject end."""
    day = {name: course.first[name].to_numpy() for name in (*THERAPIES, "PROGRESSION")}
    return {
        "last_followup_day": course.end, "death_day": course.death,
        "next_therapy_day": np.fmin.reduce([day[name] for name in THERAPIES]),
        "progression_day": day["PROGRESSION"],
    }  # fmt: skip


def _told(graded: tallies.Columns, course: emergence.Course, stats: tuple[str, ...]) -> pd.DataFrame:
    """The graded subjects with the columns asked for."""
    told = {name: graded[name] for name in stats}
    note = np.where(course.infused, graded["note"], "not infused")
    return pd.DataFrame({"subject_id": course.subjects["subject_id"], **told, "note": note})


def _trace(
    counts: "Counts", graded: tallies.Columns, course: emergence.Course, groups: tallies.Groups
) -> trace.FrameTrace:
    """The counts of days 0 to 100, by period and the grades of their subject."""
    return trace.FrameTrace(lay_out=lambda: _sources(counts, graded), subjects=course.subjects, groups=groups)


def _sources(counts: "Counts", graded: tallies.Columns) -> pd.DataFrame:
    day = np.floor(counts.day)
    used = np.flatnonzero((day >= 0) & (day <= LATE_LAST_DAY))
    keys: dict[str, Any] = {"period": np.where(day[used] <= EARLY_LAST_DAY, "early", "late")}
    for name in ("early_grade", "late_grade"):
        keys[name] = trace.grade_words(graded[name][counts.who[used]])
    return trace.day_rows(counts.rows.iloc[used].assign(**keys), "labs", "test", *keys)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts of the subjects of an analysis with a day, and the rows that are not used."""

    rows: pd.DataFrame
    who: npt.NDArray[np.int64]  # row of the subject
    day: Floats
    cells: Floats  # in cells/uL
    excluded: pd.DataFrame


@remembered
def count_samples(labs: Table, subjects: pd.DataFrame, tests: tuple[str, ...]) -> Counts:
    """Counts of some tests; a negative one, or one of an unknown unit, is refused. Nobody changes them."""
    table = samples(labs, subjects)
    counts = table[table["test"].isin(tests) & table["value"].notna()]
    mine, others = derive.known_subjects(counts, subjects)
    undated = mine["day"].isna()
    excluded = [
        results.excluded_rows(others, "labs", "not a subject of this analysis"),
        results.excluded_rows(mine[undated], "labs", "day unknown"),
    ]
    used = mine[~undated]
    problems, cells = negative_values(counts), None
    try:
        cells = grading.cells_per_ul(used["value"], used["unit"], rows=used["row"])
    except DataError as error:
        problems += error.problems
    if problems or cells is None:
        raise DataError(sorted(problems, key=lambda problem: problem.row or 0))
    return Counts(
        rows=used,
        who=pd.Index(subjects["subject_id"]).get_indexer(used["subject_id"]),
        day=used["day"].to_numpy(dtype=float),
        cells=cells.to_numpy(dtype=float),
        excluded=results.concat(excluded, results.EXCLUDED_COLUMNS),
    )


def _icaht_summary(graded: tallies.Columns, groups: tallies.Groups, rules: IcahtRules) -> pd.DataFrame:
    """Early grade 3 or more among those graded, by group."""
    grade = graded["early_grade"]
    labels = np.array(groups.labels, dtype=object)
    summary: tallies.Columns = {"group": labels, "n": groups.members.sum(axis=1)}
    summary["n_graded"] = (groups.members & ~np.isnan(grade)).sum(axis=1)
    summary["n_grade_ge3"] = (groups.members & (grade >= 3)).sum(axis=1)
    tallies.add_proportion(summary, "n_grade_ge3", "n_graded", rules, tallies.RATE)
    summary["note"] = np.where(summary["n_graded"] == 0, "nobody graded", "")
    return pd.DataFrame(summary)
