"""Laboratory safety of a study: CTCAE grades, shifts from baseline, cytopenia at a landmark.

Here: baselines, worst grades, landmark values. Not here: the cuts of CTCAE (`ctcae`), haematotoxicity
(`haematotoxicity`) and the course of blood counts (`blood_counts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7 import derive, records, results
from cart7.errors import DataError, Problem
from cart7.grading import ctcae
from cart7.toxicity import emergence, tallies
from cart7.toxicity.emergence import Table
from cart7.toxicity.remembered import remembered
from cart7.toxicity.trace import FrameTrace, day_rows

Floats: TypeAlias = npt.NDArray[np.float64]

THRESHOLDS: Mapping[str, float] = {"ANC": 1.0, "PLT": 50.0, "HGB": 80.0}
"""Values below are grade 3 or more (CTCAE 5.0): ANC and platelets in 10^9/L, haemoglobin in g/L."""


class LandmarkRules(BaseModel):
    """Choices of a cytopenia landmark.

    Parameters
    ----------
    day, window : float
        The landmark, in days since infusion, and how far a value may be from it.
    thresholds : tuple of (test, bound)
        A value below is a cytopenia; ANC and PLT in 10^9/L, HGB in g/L.
    conf_level : float
        Two-sided level.
    ci_method : str
        A method of `stats.proportions.interval`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    day: float
    window: float = Field(default=7, ge=0)
    thresholds: tuple[tuple[str, float], ...] = tuple(THRESHOLDS.items())
    conf_level: float = Field(default=0.95, gt=0, lt=1)
    ci_method: str = "clopper-pearson"

    _known_method = field_validator("ci_method")(tallies.known_method)

    @field_validator("thresholds")
    @classmethod
    def _known_tests(cls, value: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        unknown = [test for test, _ in value if test not in ctcae.TESTS]
        if unknown:
            raise ValueError(f"thresholds: one of {', '.join(ctcae.TESTS)}; got {', '.join(unknown)}")
        return value


@dataclass(frozen=True, kw_only=True, eq=False)
class LabShiftResult(tallies.SafetyResult):
    """Baseline grade by worst later grade.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, test, direction (L, H), baseline_grade, worst_grade (`"0"` to `"4"`, `"missing"`), note:
        a row per subject, test and direction.
    summary : DataFrame
        test, direction, group, baseline_grade, worst_grade, n (subjects), note: the combinations that occur.
    version : str
        Version of CTCAE.
    """

    title: ClassVar[str] = "Laboratory shifts from baseline"
    analysis: ClassVar[str] = "safety.lab_shift"
    stats: ClassVar[tuple[str, ...]] = ("n",)
    subject_stats: ClassVar[tuple[str, ...]] = ("baseline_grade", "worst_grade")
    estimated: ClassVar[tuple[str, ...]] = ()
    version: str = "5.0"

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        one, each = self.summary.astype(str), self.subjects.astype(str)
        shift = one["test"] + ":" + one["direction"] + ":" + one["baseline_grade"] + ":" + one["worst_grade"]
        return shift, each["test"] + ":" + each["direction"]


@dataclass(frozen=True, kw_only=True, eq=False)
class CytopeniaResult(tallies.SafetyResult):
    """Cytopenia at a landmark day.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, test, day (of the value used, days since infusion), value (10^9/L, HGB in g/L), grade_ge3
        (1, 0, missing), note.
    summary : DataFrame
        test, group, n (subjects with a value), n_event, estimate (a fraction), ci_low, ci_high, conf_level,
        method, note.
    """

    title: ClassVar[str] = "Cytopenia at a landmark"
    analysis: ClassVar[str] = "safety.cytopenia"
    stats: ClassVar[tuple[str, ...]] = ("n", "n_event", *tallies.RATE)
    subject_stats: ClassVar[tuple[str, ...]] = ("day", "value", "grade_ge3")
    landmark: float = field(default=np.nan)

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return self.summary["test"], self.subjects["test"]

    def _long(self) -> list[pd.DataFrame]:
        blocks = super()._long()
        units = self.subjects["test"].map({"ANC": "10^9/L", "PLT": "10^9/L", "HGB": "g/L"})
        for block in blocks:
            block["timepoint"] = f"D{self.landmark:g}"
        each = blocks[1]
        each.loc[each["stat"] == "day", "unit"] = "days"
        each.loc[each["stat"] == "value", "unit"] = tallies.word_or(units, "1").to_numpy()
        return blocks


def lab_grades(labs: Table, subjects: Table, *, version: str = "5.0") -> pd.DataFrame:
    """CTCAE grade of every laboratory value, low and high.

    Parameters
    ----------
    labs : DataFrame or sequence of LabResult
        `test` (ANC, ALC, PLT, HGB, WBC, ALT, AST, ALP, GGT, BILI, CREAT, CK, LDH, ALB, K, SODIUM, CA, MG,
        GLUC, FIBRINO, INR, APTT), `value`, `unit`, `lln`, `uln`, and `day` (days since infusion) or
        `sample_date`.
    subjects : DataFrame or sequence of Subject
        `infusion_date`, where days come from dates.
    version : {"5.0", "6.0"}, default "5.0"
        Version of CTCAE.

    Returns
    -------
    DataFrame
        The rows of `labs` in their order with `is_baseline` (1 for the last value on day 0 or before),
        `baseline` (in the unit of the row), `grade_low`, `grade_high`, `grade` (the worse one, negative when
        low) and `note`.

    Raises
    ------
    ValueError
        If `version` is unknown.
    DataError
        Naming every value whose unit is not known.

    Notes
    -----
    Values up to the baseline are graded on their own limits, later ones also against the baseline where
    CTCAE says so (see `grading.ctcae_lab`); whether a baseline is abnormal is judged by its own limits.

    Examples
    --------
    >>> labs = pd.DataFrame({"subject_id": "1", "test": "PLT", "day": [-5, 7], "value": [180, 40],
    ...                      "unit": "10^9/L", "lln": 150})
    >>> lab_grades(labs, pd.DataFrame({"subject_id": ["1"]}))[["grade_low", "grade"]].values.tolist()
    [[0.0, 0.0], [3.0, -3.0]]
    """
    graded = graded_labs(labs, emergence.people(subjects), _known_version(version))
    frame = graded.drop(columns="row").copy()
    return frame.set_axis(labs.index) if isinstance(labs, pd.DataFrame) else frame


def _known_version(version: str) -> str:
    if version not in ctcae.VERSIONS:
        raise ValueError(f"version must be one of {', '.join(ctcae.VERSIONS)}, got {version!r}")
    return version


@remembered
def graded_labs(labs: Table, people: pd.DataFrame, version: str) -> pd.DataFrame:
    """Every laboratory value as `lab_grades` gives it, with its `row`; nobody changes this frame."""
    table = _samples(labs, people)
    given = [name for name in table.columns if name not in _ADDED]
    test = table["test"].to_numpy(dtype=object)
    code, tests = pd.factorize(test)
    table["scale"] = _scale(table, [name for name in tests if name in ctcae.TESTS])
    _add_baseline(table)
    low, high = np.full(len(table), np.nan), np.full(len(table), np.nan)
    note = np.full(len(table), "", dtype=object)
    for number, name in enumerate(tests):
        rows = np.flatnonzero(code == number)
        if name not in ctcae.TESTS:
            note[rows] = f"CTCAE has no grade for {name}"
            continue
        mine = table[list(_GRADED_BY)].iloc[rows]
        for term, grade in zip(ctcae.TESTS[name], (low, high), strict=True):
            if term:
                grade[rows], words = _graded(mine, term, version)
                note[rows] = [old or new for old, new in zip(note[rows], words, strict=True)]
    made = {"grade_low": low, "grade_high": high, "grade": _worse(table["test"], low, high), "note": note}
    return table[["row", *given, "is_baseline", "baseline"]].assign(**made)


def lab_shift(
    labs: Table, subjects: Table, *, version: str = "5.0", by: str | None = "dose_level"
) -> LabShiftResult:
    """Subjects by baseline grade and worst grade after it, for each test and direction.

    Parameters
    ----------
    labs, subjects, version
        As in `lab_grades`.
    by : str or None
        Column of `subjects` that defines the groups; None gives `ALL` only.

    Returns
    -------
    LabShiftResult
        Counts subjects with any record of the test. The worst grade is the highest known one after the
        baseline, unscheduled values included; `missing` when none could be graded.

    Raises
    ------
    ValueError
        If `version` is unknown or `by` is not a column of `subjects`.
    DataError
        Naming every value whose unit is not known.

    Examples
    --------
    >>> labs = pd.DataFrame({"subject_id": "1", "test": "PLT", "day": [-5, 7], "value": [180, 40],
    ...                      "unit": "10^9/L", "lln": 150})
    >>> shift = lab_shift(labs, pd.DataFrame({"subject_id": ["1"]}), by=None).summary
    >>> shift[["test", "direction", "baseline_grade", "worst_grade", "n"]].values.tolist()
    [['PLT', 'L', '0', '3', 1]]
    """
    people = emergence.people(subjects)
    graded = graded_labs(labs, people, _known_version(version))
    mine, others = derive.known_subjects(graded, people)
    ungraded = ~mine["test"].isin(list(ctcae.TESTS))
    excluded = [
        results.excluded_rows(others, "labs", "not a subject of this analysis"),
        results.excluded_rows(mine[ungraded], "labs", "CTCAE has no grade for this test"),
    ]
    shifts = _shifts(mine[~ungraded], version)
    groups = tallies.groups_of(people, by)
    return LabShiftResult(
        subjects=shifts, summary=_shift_summary(shifts, people, groups), version=version,
        excluded=results.concat(excluded, results.EXCLUDED_COLUMNS), population=derive.population(people),
        trace=FrameTrace(
            lay_out=lambda: _shift_sources(mine[~ungraded], shifts), subjects=people, groups=groups
        ),
    )  # fmt: skip


def cytopenia(
    labs: Table,
    subjects: Table | None = None,
    *,
    day: float,
    window: float = 7,
    by: str | None = None,
    thresholds: Mapping[str, float] = THRESHOLDS,
) -> CytopeniaResult:
    """Whether each subject had a cytopenia of grade 3 or more at a landmark day.

    Parameters
    ----------
    labs : DataFrame or sequence of LabResult
        `test`, `value`, `unit` (as in `lab_grades`), `day` (days since infusion) or `sample_date`.
    subjects : DataFrame or sequence of Subject, optional
        Everybody in it has a row for every test; without it, those with any record of the test.
    day, window : float
        The landmark and how many days a value may be from it, both sides included.
    by : str or None
        Column of `subjects` that defines the groups; None gives `ALL` only.
    thresholds : mapping of test to bound
        A value below is a cytopenia; counts in 10^9/L, haemoglobin in g/L.

    Returns
    -------
    CytopeniaResult
        The value closest to the day counts; the later day on a tie, the lowest value of a day. `n` counts
        subjects with a value in the window.

    Raises
    ------
    ValueError
        If a test is not known or `by` is not a column of `subjects`.
    DataError
        Naming every value whose unit is not known.

    Examples
    --------
    >>> labs = pd.DataFrame({"subject_id": ["1", "2"], "test": "ANC", "day": [28, 30], "value": [0.8, 1.2],
    ...                      "unit": "10^9/L"})
    >>> found = cytopenia(labs, day=28, thresholds={"ANC": 1.0})
    >>> found.subjects["grade_ge3"].tolist(), found.summary[["n", "n_event"]].values.tolist()
    ([1.0, 0.0], [[2, 1]])
    """
    rules = LandmarkRules(day=day, window=window, thresholds=tuple(dict(thresholds).items()))
    people = None if subjects is None else emergence.people(subjects)
    table = _samples(labs, people)
    everybody = pd.DataFrame({"subject_id": table["subject_id"].drop_duplicates().tolist()}, dtype=object)
    tests = dict(rules.thresholds)
    table = table[table["test"].isin(list(tests))]
    table = table.assign(value=table["value"] * _scale(table, list(tests)))
    whom = everybody if people is None else people
    landmark = _landmark(table, whom, rules, everyone=people is not None)
    others = derive.known_subjects(table, whom)[1]
    groups = tallies.groups_of(whom, by)
    return CytopeniaResult(
        subjects=landmark.drop(columns="row"), summary=_cytopenia_summary(landmark, whom, groups, rules),
        rules=rules, landmark=day, population=derive.population(whom),
        excluded=results.excluded_rows(others, "labs", "not a subject of this analysis"),
        trace=FrameTrace(lay_out=lambda: _landmark_sources(landmark), subjects=whom, groups=groups),
    )  # fmt: skip


_ADDED = ("row", "scale", "is_baseline", "baseline", "baseline_lln", "baseline_uln")
_GRADED_BY = ("value", "lln", "uln", "scale", "day", "baseline", "baseline_lln", "baseline_uln")


def _samples(labs: Table, subjects: pd.DataFrame | None) -> pd.DataFrame:
    """Laboratory rows with a day and every column that grading reads; without subjects only stated days."""
    table = records.to_frame(labs, "labs", needs=("test", "value"), fill=("unit", "lln", "uln", "day"))
    return table if subjects is None else derive.with_day(table, subjects, date="sample_date")


def _scale(table: pd.DataFrame, tests: list[str]) -> Floats:
    """Factor of each row's unit to that of the cuts; every unknown unit of a value in one error."""
    kinds = {test: ctcae.TERMS["5.0"][low or high].kind for test, (low, high) in ctcae.TESTS.items()}
    test_code, test_names = pd.factorize(table["test"].to_numpy(dtype=object))
    unit_code, units = pd.factorize(table["unit"].to_numpy(dtype=object), use_na_sentinel=False)
    pair_code, pairs = pd.factorize(test_code * len(units) + unit_code)  # each test in each unit once
    wanted = set(tests)
    factors = [
        ctcae.factor(kinds[test], units[pair % len(units)]) if test in wanted else np.nan
        for pair, test in zip(pairs, test_names[pairs // max(len(units), 1)], strict=True)
    ]
    scale: Floats = np.append(np.array(factors, dtype=float), np.nan)[pair_code]
    wrong = table[np.isnan(scale) & table["value"].notna().to_numpy() & table["test"].isin(tests).to_numpy()]
    problems = [
        Problem(table="labs", row=int(row), column="unit", value=unit, rule="UNKNOWN-UNIT",
                message="a unit of this test must be known")
        for row, unit in zip(wrong["row"], wrong["unit"], strict=True)
    ] + negative_values(table)  # fmt: skip
    if problems:
        raise DataError(problems)
    return scale


def negative_values(table: pd.DataFrame) -> list[Problem]:
    """A problem for each value below zero: no test of the schema has one."""
    return [
        Problem(table="labs", row=int(row), column="value", value=value, rule="NUMBER-NEGATIVE",
                message="a laboratory value cannot be negative")
        for row, value in table.loc[table["value"] < 0, ["row", "value"]].itertuples(index=False)
    ]  # fmt: skip


def _add_baseline(table: pd.DataFrame) -> None:
    """Mark the last value on day 0 or before; give every row that value and its limits, in its own unit."""
    before = table[(table["day"] <= 0) & table["value"].notna()]
    order = np.lexsort((before.index.to_numpy(), before["day"].to_numpy()))
    last = before.iloc[order].drop_duplicates(["subject_id", "test"], keep="last")
    table["is_baseline"] = table.index.isin(last.index).astype(np.int64)
    names = {"value": "baseline", "lln": "baseline_lln", "uln": "baseline_uln", "scale": "baseline_scale"}
    known = last[["subject_id", "test", *names]].rename(columns=names)
    found = table[["subject_id", "test"]].merge(known, on=["subject_id", "test"], how="left")
    to_row = (found["baseline_scale"] / table["scale"].to_numpy()).to_numpy()
    for name in ("baseline", "baseline_lln", "baseline_uln"):
        table[name] = found[name].to_numpy(dtype=float) * to_row
    # Values without a unit of the cuts (no CTCAE rule) keep their baseline as it is written.
    same = np.isnan(to_row)
    table.loc[same, "baseline"] = found["baseline"].to_numpy(dtype=float)[same]


def _graded(rows: pd.DataFrame, name: str, version: str) -> tuple[Floats, list[str]]:
    """Grades of the rows of one test by one term."""
    term = ctcae.TERMS[version].get(ctcae.SYNONYMS[version].get(name, name))
    if term is None:
        return np.full(len(rows), np.nan), [f"CTCAE {version} has no {name}"] * len(rows)
    scale = rows["scale"].to_numpy()
    number = {name: rows[name].to_numpy(dtype=float) * scale for name in ("value", "lln", "uln")}
    later = (rows["day"] > 0).to_numpy()
    for name in ("baseline", "baseline_lln", "baseline_uln"):
        number[name] = np.where(later, rows[name].to_numpy(dtype=float) * scale, np.nan)
    return ctcae.grades(term, number.pop("value"), **number)


def _worse(test: pd.Series, low: Floats, high: Floats) -> Floats:
    """The higher of the two grades, negative when low; missing when the one that could be above 0 is."""
    graded_low, graded_high = (
        {name: bool(pair[side]) for name, pair in ctcae.TESTS.items()} for side in (0, 1)
    )
    open_low = np.isnan(low) & test.map(graded_low).eq(True).to_numpy()
    open_high = np.isnan(high) & test.map(graded_high).eq(True).to_numpy()
    neither = (np.isnan(low) & np.isnan(high)) | open_low | open_high
    return np.select([low > 0, high > 0, neither], [-low, high, np.nan], 0.0)


def _shifts(graded: pd.DataFrame, version: str) -> pd.DataFrame:
    """Baseline grade and worst later grade of each subject, test and direction."""
    blocks = []
    for direction, column in (("L", "grade_low"), ("H", "grade_high")):
        place = 0 if direction == "L" else 1
        tests = [
            test for test, names in ctcae.TESTS.items()
            if ctcae.SYNONYMS[version].get(names[place], names[place]) in ctcae.TERMS[version]
        ]  # fmt: skip
        rows = graded[graded["test"].isin(tests)]
        keys = [rows["subject_id"], rows["test"]]
        baseline = rows[column].where(rows["is_baseline"] == 1).groupby(keys, sort=False).max()
        worst = rows[column].where(rows["day"] > 0).groupby(keys, sort=False).max()
        block = pd.DataFrame({"baseline_grade": baseline, "worst_grade": worst}).reset_index()
        block.insert(2, "direction", direction)
        blocks.append(block)
    shifts = pd.concat(blocks, ignore_index=True)
    missing = shifts[["baseline_grade", "worst_grade"]].isna().to_numpy()
    for name in ("baseline_grade", "worst_grade"):
        grades = shifts[name].to_numpy(dtype=float)
        shifts[name] = ["missing" if np.isnan(grade) else f"{grade:g}" for grade in grades]
    words = np.where(missing, ["no graded baseline", "no graded later value"], "")
    shifts["note"] = ["; ".join(filter(None, row)) for row in words]
    order = np.lexsort(
        (shifts["direction"] == "H", shifts["test"].map(_RANK), shifts["subject_id"].astype(str))
    )
    return shifts.iloc[order].reset_index(drop=True)


_RANK = {test: number for number, test in enumerate(ctcae.TESTS)}


def _shift_sources(graded: pd.DataFrame, shifts: pd.DataFrame) -> pd.DataFrame:
    """The baseline and the worst later values of each subject, test and direction."""
    blocks = []
    for direction, column in (("L", "grade_low"), ("H", "grade_high")):
        rows = graded.merge(shifts[shifts["direction"] == direction], on=["subject_id", "test"],
                            suffixes=("", "_shift"))  # fmt: skip
        worst = pd.to_numeric(rows["worst_grade"], errors="coerce")
        later = (rows["day"] > 0).to_numpy()
        kept = (rows["is_baseline"] == 1) | (later & ((rows[column] == worst) | worst.isna()))
        blocks.append(rows[kept].assign(grade=rows[column]))
    keys = ("test", "direction", "baseline_grade", "worst_grade")
    return day_rows(pd.concat(blocks, ignore_index=True), "labs", "test", *keys)


def _shift_summary(shifts: pd.DataFrame, people: pd.DataFrame, groups: tallies.Groups) -> pd.DataFrame:
    """Subjects of each combination that occurs, in every group."""
    keys = ["test", "direction", "baseline_grade", "worst_grade"]
    seen = shifts[keys].drop_duplicates()
    high, test = seen["direction"] == "H", seen["test"].map(_RANK)
    order = np.lexsort((seen["worst_grade"], seen["baseline_grade"], high, test))
    seen = seen.iloc[order].reset_index(drop=True)
    who = pd.Index(people["subject_id"]).get_indexer(shifts["subject_id"])
    number = pd.MultiIndex.from_frame(seen).get_indexer(pd.MultiIndex.from_frame(shifts[keys]))
    counts = [np.bincount(number[member[who]], minlength=len(seen)) for member in groups.members]
    summary = groups.unfold(seen)
    summary |= {"n": np.stack(counts, axis=1).ravel(), "note": np.full(len(summary["n"]), "", dtype=object)}
    names = ("test", "direction", "group", "baseline_grade", "worst_grade", "n", "note")
    return pd.DataFrame({name: summary[name] for name in names})


def _landmark(
    table: pd.DataFrame, whom: pd.DataFrame, rules: LandmarkRules, *, everyone: bool
) -> pd.DataFrame:
    """The value at the landmark of each subject and test, and whether it is below the bound."""
    bounds = dict(rules.thresholds)
    whole = np.floor(table["day"])
    near = table[table["value"].notna() & ((whole - rules.day).abs() <= rules.window)]
    distance = (np.floor(near["day"]) - rules.day).abs()
    ranked = near.assign(distance=distance, later=-np.floor(near["day"]))
    ranked = ranked.sort_values(["distance", "later", "value"], kind="stable").drop_duplicates(
        ["subject_id", "test"]
    )
    rows = pd.MultiIndex.from_product(
        [whom["subject_id"], list(bounds)], names=["subject_id", "test"]
    ).to_frame(index=False)
    if not everyone:
        had = set(zip(table["subject_id"], table["test"], strict=True))
        rows = rows.loc[[pair in had for pair in zip(rows["subject_id"], rows["test"], strict=True)]]
    found = rows.merge(
        ranked[["subject_id", "test", "day", "value", "row"]], on=["subject_id", "test"], how="left"
    )
    bound = found["test"].map(bounds).astype(float)
    below = found["value"].astype(float) < bound * (1 - ctcae.TOLERANCE)
    found["grade_ge3"] = below.astype(float).where(found["value"].notna())
    first, last = rules.day - rules.window, rules.day + rules.window
    found["note"] = np.where(found["value"].isna(), f"no value on days {first:g} to {last:g}", "")
    return found


def _landmark_sources(landmark: pd.DataFrame) -> pd.DataFrame:
    """The value that stands for each subject and test; `grade_ge3` is 1 or 0."""
    used = landmark[landmark["value"].notna()]
    flagged = used.assign(row=used["row"].astype("int64"), grade_ge3=used["grade_ge3"].astype("int64"))
    return day_rows(flagged, "labs", "test", "test", "grade_ge3")


def _cytopenia_summary(
    landmark: pd.DataFrame, whom: pd.DataFrame, groups: tallies.Groups, rules: LandmarkRules
) -> pd.DataFrame:
    """Cytopenia among those with a value, by test and group."""
    tests = [test for test, _ in rules.thresholds]
    who = pd.Index(whom["subject_id"]).get_indexer(landmark["subject_id"])
    summary = groups.unfold(pd.DataFrame({"test": np.array(tests, dtype=object)}))
    flag, test_of = landmark["grade_ge3"].to_numpy(dtype=float), landmark["test"].to_numpy()
    inside = [(test_of == test) & member[who] for test in tests for member in groups.members]
    summary["n"] = np.array([int((rows & ~np.isnan(flag)).sum()) for rows in inside])
    summary["n_event"] = np.array([int((rows & (flag == 1)).sum()) for rows in inside])
    tallies.add_proportion(summary, "n_event", "n", rules, tallies.RATE)
    summary["note"] = np.where(summary["n"] == 0, "nobody with a value in the window", "")
    return pd.DataFrame(summary)
