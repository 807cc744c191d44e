"""Neutrophils and platelets over time: nadir, recovery, and the course of each subject.

Here: the counts of the laboratory table in one unit, their lowest value and when they are back. Not here:
CTCAE grades and shifts (`laboratory`) and haematotoxicity (`icaht` of `grading`).
"""

from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7 import derive, grading
from cart7.toxicity import emergence, tallies, trace
from cart7.toxicity.emergence import Table
from cart7.toxicity.haematotoxicity import count_samples

Floats: TypeAlias = npt.NDArray[np.float64]

TESTS = ("ANC", "PLT")
UNIT = "10^9/L"
THERAPIES = ("HSCT", "SECOND_INFUSION", "NEW_THERAPY")
SPANS = ("nadir", "nadir_day", "recovery_day")


class CountRules(BaseModel):
    """Choices of the course of blood counts.

    Parameters
    ----------
    nadir_to_day : float
        The nadir is looked for from day 0 to this day: later lows have other causes, such as conditioning.
    recovered : tuple of (test, bound)
        A count at or above is recovered, in 10^9/L.
    values : int
        So many consecutive values at or above make a recovery; the first of them is its day.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    nadir_to_day: float = Field(default=30, ge=0)
    recovered: tuple[tuple[str, float], ...] = (("ANC", 0.5), ("PLT", 20.0))
    values: int = Field(default=3, ge=1)

    @field_validator("recovered")
    @classmethod
    def _known_tests(cls, value: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        if not value or any(test not in TESTS for test, _ in value):
            raise ValueError(
                f"recovered: one of {', '.join(TESTS)}; got {', '.join(test for test, _ in value)}"
            )
        return value


@dataclass(frozen=True, kw_only=True, eq=False)
class BloodCountResult(tallies.SafetyResult):
    """Neutrophils and platelets after the infusion.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, test, n_values (from day 0 to the next therapy), nadir (10^9/L), nadir_day (its first
        day), below (1: below the bound of recovery in those days), recovery_day (days since infusion), note:
        a row per subject and test.
    summary : DataFrame
        test, group, n (subjects with a value), n_below, n_recovered (of those below), and the median, min and
        max of nadir, nadir_day and recovery_day, note.
    course : DataFrame
        subject_id, test, day, value (10^9/L), after_therapy (1: after HSCT, a second infusion or new
        therapy): the lowest value of each day.
    """

    title: ClassVar[str] = "Neutrophils and platelets"
    figure: ClassVar[str] = "count_course"
    analysis: ClassVar[str] = "safety.blood_counts"
    stats: ClassVar[tuple[str, ...]] = (
        "n", "n_below", "n_recovered",
        *(f"{name}_{stat}" for name in SPANS for stat in ("median", "min", "max")),
    )  # fmt: skip
    subject_stats: ClassVar[tuple[str, ...]] = ("n_values", "nadir", "nadir_day", "below", "recovery_day")
    estimated: ClassVar[tuple[str, ...]] = ()
    course: pd.DataFrame = field(repr=False)

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return self.summary["test"], self.subjects["test"]

    def _reasons(self) -> dict[str, str | pd.Series]:
        note = self.subjects["note"]
        return {"recovery_day": note.where(note != "", "never below the bound")}

    def _long(self) -> list[pd.DataFrame]:
        blocks = super()._long()
        for block in blocks:
            block.loc[block["stat"].isin(("nadir", "nadir_median", "nadir_min", "nadir_max")), "unit"] = UNIT
            block.loc[block["stat"].str.contains("_day"), "unit"] = "days"
        return blocks


def blood_counts(
    labs: Table,
    subjects: Table,
    events: Table | None = None,
    *,
    by: str | None = "dose_level",
    rules: CountRules | None = None,
) -> BloodCountResult:
    """Nadir and recovery of neutrophils and platelets, and the course of every subject.

    Parameters
    ----------
    labs : DataFrame or sequence of LabResult
        `test` (ANC, PLT), `value`, `unit` (as in `icaht`), `day` (days since infusion) or `sample_date`.
    subjects : DataFrame or sequence of Subject
        Everybody in it has a row for every test.
    events : DataFrame or sequence of StudyEvent, optional
        HSCT, SECOND_INFUSION and NEW_THERAPY, after which a count says nothing of the first infusion.
    by : str or None
        Column of `subjects` that defines the groups; None gives `ALL` only.
    rules : CountRules, optional
        Which bound is recovery, and how many values it takes.

    Returns
    -------
    BloodCountResult
        The lowest value of a day counts; the nadir is the lowest of days 0 to 30. Recovery: the first of 3
        consecutive measured days at or above the bound, after the first day below it and before the next
        therapy.

    Raises
    ------
    DataError
        If a count has a unit that is not known, or is negative, naming every such row.

    Examples
    --------
    >>> labs = pd.DataFrame({"subject_id": "1", "test": "ANC", "day": [0, 7, 14, 21, 28, 35],
    ...                      "unit": "10^9/L", "value": [2.0, 0.1, 0.6, 0.9, 1.4, 2.0]})
    >>> found = blood_counts(labs, pd.DataFrame({"subject_id": ["1"]}), by=None).subjects
    >>> found.loc[found["test"] == "ANC", ["nadir", "nadir_day", "recovery_day"]].values.tolist()
    [[0.1, 7.0, 14.0]]
    """
    rules = rules or CountRules()
    people = emergence.people(subjects)
    samples, excluded = count_samples(labs, people, TESTS)
    cells = grading.cells_per_ul(samples["value"], samples["unit"], rows=samples["row"])
    samples = samples.assign(count=cells / 1000, day=np.floor(samples["day"]))
    daily = samples.sort_values(["subject_id", "test", "day", "count"], kind="stable")
    daily = daily.drop_duplicates(["subject_id", "test", "day"])
    tests = [test for test, _ in rules.recovered]
    therapy = emergence.course(subjects, events).first[list(THERAPIES)].min(axis=1)
    daily["after_therapy"] = (daily["day"] >= daily["subject_id"].map(therapy)).astype("int64")
    found = _by_subject(daily[(daily["day"] >= 0) & (daily["after_therapy"] == 0)], people, rules)
    groups = tallies.groups_of(people, by)
    course = daily[["subject_id", "test", "day"]].assign(
        value=daily["count"], after_therapy=daily["after_therapy"]
    )
    return BloodCountResult(
        subjects=found, summary=_summary(found, people, groups, tests), rules=rules,
        course=course.reset_index(drop=True), excluded=excluded.copy(), population=derive.population(people),
        trace=trace.FrameTrace(
            lay_out=lambda: trace.day_rows(daily, "labs", "test", "test"), subjects=people, groups=groups
        ),
    )  # fmt: skip


def _by_subject(daily: pd.DataFrame, people: pd.DataFrame, rules: CountRules) -> pd.DataFrame:
    """One row per subject and test."""
    series = dict(iter(daily.groupby(["subject_id", "test"], sort=False)))
    rows = []
    for subject in people["subject_id"]:
        for test, bound in rules.recovered:
            mine = series.get((subject, test))
            if mine is None:
                rows.append(
                    [subject, test, 0, np.nan, np.nan, np.nan, np.nan, "no value from the infusion on"]
                )
                continue
            day, value = mine["day"].to_numpy(dtype=float), mine["count"].to_numpy(dtype=float)
            early = day <= rules.nadir_to_day
            if not early.any():
                rows.append(
                    [subject, test, len(day), *[np.nan] * 4, f"no value up to day {rules.nadir_to_day:g}"]
                )
                continue
            low = (value < bound) & (early | (value[early] < bound).any())
            recovery = _recovery(day, low, rules.values)
            note = "not recovered by the last value" if low.any() and np.isnan(recovery) else ""
            lowest = int(np.argmin(np.where(early, value, np.inf)))
            rows.append(
                [subject, test, len(day), value[lowest], day[lowest], float(low.any()), recovery, note]
            )
    columns = ["subject_id", "test", *BloodCountResult.subject_stats, "note"]
    return pd.DataFrame(rows, columns=columns)


def _recovery(day: Floats, low: npt.NDArray[np.bool_], values: int) -> float:
    """First of so many consecutive values that are not low, after the first low one."""
    if not low.any():
        return float("nan")
    start = int(np.argmax(low)) + 1
    for place in range(start, len(day) - values + 1):
        if not low[place : place + values].any():
            return float(day[place])
    return float("nan")


def _summary(
    found: pd.DataFrame, people: pd.DataFrame, groups: tallies.Groups, tests: list[str]
) -> pd.DataFrame:
    """Nadir and recovery by test and group."""
    summary = groups.unfold(pd.DataFrame({"test": np.array(tests, dtype=object)}))
    who = pd.Index(people["subject_id"]).get_indexer(found["subject_id"])
    test = found["test"].to_numpy(dtype=object)
    inside = [(test == name) & member[who] for name in tests for member in groups.members]
    flags = {
        "n": found["nadir"].notna(),
        "n_below": found["below"] == 1,
        "n_recovered": found["recovery_day"].notna(),
    }
    for name, flag in flags.items():
        summary[name] = np.array([int((rows & flag.to_numpy()).sum()) for rows in inside])
    for name in SPANS:
        tallies.add_spans(summary, name, found[name], inside)
    summary["note"] = np.select(
        [summary["n"] == 0, summary["n_recovered"] == 0],
        ["nobody with a value", "nobody recovered from below"],
        "",
    )
    return pd.DataFrame(summary)
