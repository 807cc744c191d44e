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

from cart7 import derive, results
from cart7.toxicity import emergence, tallies, trace
from cart7.toxicity.emergence import Table
from cart7.toxicity.haematotoxicity import THERAPIES, Counts, count_samples

Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]

TESTS = ("ANC", "PLT")
UNIT = "10^9/L"
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
    counts = count_samples(labs, people, TESTS)
    daily = _daily(counts, people, emergence.course(subjects, events))
    tests = [test for test, _ in rules.recovered]
    found = _by_subject(daily, people, rules)
    groups = tallies.groups_of(people, by)
    ids = people["subject_id"].to_numpy(dtype=object)
    course = {
        "subject_id": pd.Series(ids[daily.who], dtype=object), "test": pd.Series(daily.test, dtype=object),
        "day": daily.day, "value": daily.count, "after_therapy": daily.after_therapy.astype("int64"),
    }  # fmt: skip
    return BloodCountResult(
        subjects=pd.DataFrame(found), summary=_summary(found, groups, tests), rules=rules,
        course=pd.DataFrame(course), excluded=counts.excluded.copy(), population=derive.population(people),
        trace=trace.FrameTrace(
            lay_out=lambda: trace.day_rows(
                counts.rows.iloc[daily.picked].assign(day=daily.day), "labs", "test", "test"
            ),
            subjects=people, groups=groups,
        ),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Daily:
    """The lowest count of each subject, test and day, by name of the subject, test and day."""

    picked: Ints  # place among the counts
    who: Ints
    test: npt.NDArray[np.object_]
    day: Floats
    count: Floats  # in 10^9/L
    after_therapy: Flags


def _daily(counts: Counts, people: pd.DataFrame, course: emergence.Course) -> _Daily:
    """One count a day: the lowest."""
    of, tests = pd.factorize(counts.rows["test"].to_numpy(dtype=object), sort=True)
    by_name = np.empty(len(people), dtype=np.int64)
    by_name[np.argsort(people["subject_id"].to_numpy(dtype=object), kind="stable")] = np.arange(len(people))
    series, day, count = by_name[counts.who] * len(TESTS) + of, np.floor(counts.day), counts.cells / 1000
    order = np.lexsort((count, day, series))
    another = np.ones(len(order), dtype=bool)
    another[1:] = (series[order][1:] != series[order][:-1]) | (day[order][1:] != day[order][:-1])
    picked = order[another]
    therapy = np.fmin.reduce([course.first[name].to_numpy() for name in THERAPIES])
    return _Daily(
        picked=picked, who=counts.who[picked], test=np.asarray(tests, dtype=object)[of[picked]],
        day=day[picked], count=count[picked], after_therapy=day[picked] >= therapy[counts.who[picked]],
    )  # fmt: skip


def _by_subject(daily: _Daily, people: pd.DataFrame, rules: CountRules) -> tallies.Columns:
    """One row per subject and test."""
    tests = np.array([test for test, _ in rules.recovered], dtype=object)
    bounds = np.array([bound for _, bound in rules.recovered], dtype=float)
    n = len(people) * len(tests)
    used = (daily.day >= 0) & ~daily.after_therapy
    mine, which = np.nonzero(used[:, None] & (daily.test[:, None] == tests))
    order = np.argsort(daily.who[mine] * len(tests) + which, kind="stable")
    mine, which = mine[order], which[order]
    row, day, value = daily.who[mine] * len(tests) + which, daily.day[mine], daily.count[mine]
    early = day <= rules.nadir_to_day
    low = value < bounds[which]
    had_early, was_low = _any(row[early], n), _any(row[early & low], n)
    low &= early | was_low[row]
    nadir = np.full(n, np.inf)
    np.minimum.at(nadir, row[early], value[early])
    nadir[~had_early] = np.nan
    lowest = np.flatnonzero(early & (value == nadir[row]))
    recovery = _recovery_days(row, day, low, rules.values, n)
    n_values, fell = np.bincount(row, minlength=n), _any(row[low], n)
    return {
        "subject_id": np.repeat(people["subject_id"].to_numpy(dtype=object), len(tests)),
        "test": np.tile(tests, len(people)),
        "n_values": n_values,
        "nadir": nadir,
        "nadir_day": _first(row[lowest], day[lowest], n),
        "below": np.where(had_early, fell.astype(float), np.nan),
        "recovery_day": recovery,
        "note": results.first_reason(
            (n_values == 0, "no value from the infusion on"),
            (~had_early, f"no value up to day {rules.nadir_to_day:g}"),
            (fell & np.isnan(recovery), "not recovered by the last value"),
        ),
    }


def _any(row: Ints, n: int) -> Flags:
    """Which of `n` rows occur."""
    there: Flags = np.bincount(row, minlength=n) > 0
    return there


def _first(row: Ints, day: Floats, n: int) -> Floats:
    """The first of the ascending days of each of `n` rows; NaN where there is none."""
    first = np.full(n, np.nan)
    first[row[::-1]] = day[::-1]  # the first is written last
    return first


def _recovery_days(row: Ints, day: Floats, low: Flags, values: int, n: int) -> Floats:
    """First of so many consecutive values that are not low, after the first low one of each row."""
    place = np.arange(len(row))
    begins = np.flatnonzero(np.r_[True, row[1:] != row[:-1]][: len(row)])
    begin = np.repeat(begins, np.diff(np.r_[begins, len(row)]))
    last_low = np.maximum.accumulate(np.where(low, place, -1))
    over = np.flatnonzero((last_low >= begin) & (place - last_low >= values))
    return _first(row[over], day[over - values + 1], n)


def _summary(found: tallies.Columns, groups: tallies.Groups, tests: list[str]) -> pd.DataFrame:
    """Nadir and recovery by test and group."""
    summary = groups.unfold({"test": np.array(tests, dtype=object)})
    members = np.repeat(groups.members, len(tests), axis=1)  # a row of `found` per subject and test
    inside = [(found["test"] == name) & member for name in tests for member in members]
    flags = {
        "n": ~np.isnan(found["nadir"]),
        "n_below": found["below"] == 1,
        "n_recovered": ~np.isnan(found["recovery_day"]),
    }
    for name, flag in flags.items():
        summary[name] = np.array([int((rows & flag).sum()) for rows in inside])
    for name in SPANS:
        tallies.add_spans(summary, name, found[name], inside)
    summary["note"] = np.select(
        [summary["n"] == 0, summary["n_recovered"] == 0],
        ["nobody with a value", "nobody recovered from below"],
        "",
    )
    return pd.DataFrame(summary)
