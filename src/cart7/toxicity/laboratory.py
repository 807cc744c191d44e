"""Laboratory safety of a study: CTCAE grades, shifts from baseline, cytopenia at a landmark.

Here: baselines, worst grades, landmark values. Not here: the cuts of CTCAE (`ctcae`), haematotoxicity
(`haematotoxicity`) and the course of blood counts (`blood_counts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

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
from cart7.toxicity.trace import FrameTrace, day_rows, grade_words

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
    table = samples(labs, people)
    given = [name for name in table.columns if name not in _ADDED]
    code, tests = pd.factorize(table["test"].to_numpy(dtype=object))
    cells = {name: table[name].to_numpy(dtype=float) for name in ("value", "lln", "uln", "day")}
    cells["scale"] = _scale(table, [name for name in tests if name in ctcae.TESTS])
    is_baseline, before = _baseline(table, cells)
    cells |= before
    low, high = np.full(len(table), np.nan), np.full(len(table), np.nan)
    note = np.full(len(table), "", dtype=object)
    for number, name in enumerate(tests):
        rows = np.flatnonzero(code == number)
        if name not in ctcae.TESTS:
            note[rows] = f"CTCAE has no grade for {name}"
            continue
        mine = {column: values[rows] for column, values in cells.items()}
        for term, grade in zip(ctcae.TESTS[name], (low, high), strict=True):
            if term:
                grade[rows], words = _graded(mine, term, version)
                note[rows] = np.where(note[rows] == "", np.array(words, dtype=object), note[rows])
    worse = _worse(code, tests, low, high)
    return table[["row", *given]].assign(
        is_baseline=is_baseline, baseline=cells["baseline"], grade_low=low, grade_high=high, grade=worse,
        note=note,
    )  # fmt: skip


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
    mine, others = grades_of(labs, people, _known_version(version))
    tests = mine["test"].to_numpy(dtype=object)
    graded = np.array([test in ctcae.TESTS for test in tests.tolist()], dtype=bool)
    excluded = [
        results.excluded_rows(others, "labs", "not a subject of this analysis"),
        results.excluded_rows(mine[~graded] if not graded.all() else _NO_ROWS, "labs",
                              "CTCAE has no grade for this test"),
    ]  # fmt: skip
    shifts = _shifts({name: mine[name].to_numpy()[graded] for name in _SHIFTED_BY}, version)
    groups = tallies.groups_of(people, by)
    return LabShiftResult(
        subjects=pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in shifts.items()}),
        summary=_shift_summary(shifts, people, groups), version=version,
        excluded=results.concat(excluded, results.EXCLUDED_COLUMNS), population=derive.population(people),
        trace=FrameTrace(
            lay_out=lambda: _shift_sources(mine[graded], pd.DataFrame(shifts)), subjects=people, groups=groups
        ),
    )  # fmt: skip


@remembered
def grades_of(labs: Table, people: pd.DataFrame, version: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Graded values of the subjects of this analysis, and those of others; nobody changes these frames."""
    return derive.known_subjects(graded_labs(labs, people, version), people)


_NO_ROWS: tallies.Columns = {"row": np.zeros(0), "subject_id": np.zeros(0)}
_SHIFTED_BY = ("subject_id", "test", "day", "is_baseline", "grade_low", "grade_high")


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
    table = samples(labs, people)
    whom = _everybody(table) if people is None else people
    mine, others = _scaled(table, whom, tuple(test for test, _ in rules.thresholds))
    landmark, who = _landmark(mine, whom, rules, everyone=people is not None)
    groups = tallies.groups_of(whom, by)
    return CytopeniaResult(
        subjects=pd.DataFrame({name: cells for name, cells in landmark.items() if name != "row"}),
        summary=_cytopenia_summary(landmark, who, groups, rules), rules=rules, landmark=day,
        population=derive.population(whom),
        excluded=results.excluded_rows(others, "labs", "not a subject of this analysis"),
        trace=FrameTrace(
            lay_out=lambda: _landmark_sources(pd.DataFrame(landmark)), subjects=whom, groups=groups
        ),
    )  # fmt: skip


@remembered
def _everybody(table: pd.DataFrame) -> pd.DataFrame:
    """The subjects of a table, where there is no table of subjects."""
    return pd.DataFrame({"subject_id": table["subject_id"].drop_duplicates().tolist()}, dtype=object)


@remembered
def _scaled(
    table: pd.DataFrame, whom: pd.DataFrame, tests: tuple[str, ...]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values of some tests in the unit of the cuts: of the subjects of this analysis, and of others."""
    table = table[table["test"].isin(tests)]
    scaled = table.assign(value=table["value"] * _scale(table, list(tests)))
    return derive.known_subjects(scaled, whom)


_ADDED = ("row", "scale", "is_baseline", "baseline", "baseline_lln", "baseline_uln")


@remembered
def samples(labs: Table, subjects: pd.DataFrame | None) -> pd.DataFrame:
    """Laboratory rows with a day and every column that grading reads; without subjects only stated days.

    Nobody changes this frame.
    """
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
    of_these = np.append([name in wanted for name in test_names], False).astype(bool)[test_code]
    wrong = np.isnan(scale) & of_these & ~np.isnan(table["value"].to_numpy(dtype=float))
    problems = [
        Problem(table="labs", row=int(row), column="unit", value=unit, rule="UNKNOWN-UNIT",
                message="a unit of this test must be known")
        for row, unit in zip(table["row"].to_numpy()[wrong], table["unit"].to_numpy()[wrong], strict=True)
    ] + negative_values(table)  # fmt: skip
    if problems:
        raise DataError(problems)
    return scale


def negative_values(table: pd.DataFrame) -> list[Problem]:
    """A problem for each value below zero: no test of the schema has one."""
    value = table["value"].to_numpy(dtype=float)
    below = value < 0
    return [
        Problem(table="labs", row=int(row), column="value", value=value, rule="NUMBER-NEGATIVE",
                message="a laboratory value cannot be negative")
        for row, value in zip(table["row"].to_numpy()[below], value[below].tolist(), strict=True)
    ]  # fmt: skip


def _baseline(table: pd.DataFrame, cells: tallies.Columns) -> tuple[npt.NDArray[np.int64], dict[str, Floats]]:
    """Which rows are the last value on day 0 or before; that value and its limits in the unit of each row."""
    who = pd.factorize(table["subject_id"])[0]
    which, tests = pd.factorize(table["test"].to_numpy(dtype=object), use_na_sentinel=False)
    pair, pairs = pd.factorize(who * max(len(tests), 1) + which)
    before = np.flatnonzero((cells["day"] <= 0) & ~np.isnan(cells["value"]))
    ordered = before[np.argsort(cells["day"][before], kind="stable")]
    last = np.full(len(pairs), -1)
    last[pair[ordered]] = ordered  # the latest of each subject and test is written last
    is_baseline = np.zeros(len(table), dtype=np.int64)
    is_baseline[last[last >= 0]] = 1
    place = last[pair]
    found = {name: np.where(place >= 0, cells[name][place], np.nan) for name in cells}
    to_row = found["scale"] / cells["scale"]
    known = {name: found[column] * to_row for name, column in _OF_BASELINE.items()}
    # Values without a unit of the cuts (no CTCAE rule) keep their baseline as it is written.
    known["baseline"] = np.where(np.isnan(to_row), found["value"], known["baseline"])
    return is_baseline, known


_OF_BASELINE = {"baseline": "value", "baseline_lln": "lln", "baseline_uln": "uln"}


def _graded(rows: tallies.Columns, name: str, version: str) -> tuple[Floats, list[str]]:
    """Grades of the rows of one test by one term."""
    term = ctcae.TERMS[version].get(ctcae.SYNONYMS[version].get(name, name))
    if term is None:
        n = len(rows["value"])
        return np.full(n, np.nan), [f"CTCAE {version} has no {name}"] * n
    number = {name: rows[name] * rows["scale"] for name in ("value", "lln", "uln")}
    for name in ("baseline", "baseline_lln", "baseline_uln"):
        number[name] = np.where(rows["day"] > 0, rows[name] * rows["scale"], np.nan)
    return ctcae.grades(term, number.pop("value"), **number)


def _worse(code: npt.NDArray[np.int64], tests: Any, low: Floats, high: Floats) -> Floats:
    """The higher of the two grades, negative when low; missing when the one that could be above 0 is."""
    terms = [*(ctcae.TESTS.get(name, (None, None)) for name in tests), (None, None)]  # code -1 is the last
    open_low, open_high = (
        np.isnan(grade) & np.array([bool(pair[side]) for pair in terms])[code]
        for side, grade in enumerate((low, high))
    )
    neither = (np.isnan(low) & np.isnan(high)) | open_low | open_high
    return np.select([low > 0, high > 0, neither], [-low, high, np.nan], 0.0)


def _shifts(graded: tallies.Columns, version: str) -> tallies.Columns:
    """Baseline grade and worst later grade of each subject, test and direction."""
    who, subjects = pd.factorize(graded["subject_id"])
    which, names = pd.factorize(graded["test"])
    pair, pairs = pd.factorize(who * len(names) + which)  # each subject and test, as they first appear
    of_test = names[pairs % max(len(names), 1)]
    at_baseline, later = graded["is_baseline"] == 1, graded["day"] > 0
    blocks: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in _SHIFT}
    for place, (direction, column) in enumerate((("L", "grade_low"), ("H", "grade_high"))):
        known = {test for test, terms in ctcae.TESTS.items() if _has_term(terms[place], version)}
        here = np.array([test in known for test in of_test], dtype=bool)
        highest = [_highest(graded[column], pair, rows, len(pairs))[here] for rows in (at_baseline, later)]
        cells = (subjects[pairs // max(len(names), 1)][here], of_test[here], *highest)
        for name, values in zip(("subject_id", "test", "baseline_grade", "worst_grade"), cells, strict=True):
            blocks[name].append(values)
        blocks["direction"].append(np.full(int(here.sum()), direction, dtype=object))
    made = {name: np.concatenate(parts) for name, parts in blocks.items()}
    no_baseline, no_later = np.isnan(made["baseline_grade"]), np.isnan(made["worst_grade"])
    made["note"] = tallies.notes(
        len(no_later), (no_baseline, "no graded baseline"), (no_later, "no graded later value")
    )
    made |= {name: grade_words(made[name]) for name in ("baseline_grade", "worst_grade")}
    rank = np.array([_RANK[test] for test in made["test"]], dtype=np.int64)
    order = np.lexsort((made["direction"] == "H", rank, made["subject_id"].astype(str)))
    return {name: cells[order].astype(object) for name, cells in made.items()}


_SHIFT = ("subject_id", "test", "direction", "baseline_grade", "worst_grade")


def _has_term(name: str | None, version: str) -> bool:
    """Whether a version of CTCAE grades by this term."""
    return name is not None and ctcae.SYNONYMS[version].get(name, name) in ctcae.TERMS[version]


def _highest(grade: Floats, pair: npt.NDArray[np.int64], rows: npt.NDArray[np.bool_], n: int) -> Floats:
    """Highest known grade of the rows of each pair; NaN where there is none."""
    highest = np.full(n, np.nan)
    np.fmax.at(highest, pair[rows], grade[rows])
    return highest


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


def _shift_summary(shifts: tallies.Columns, people: pd.DataFrame, groups: tallies.Groups) -> pd.DataFrame:
    """Subjects of each combination that occurs, in every group."""
    keys = ("test", "direction", "baseline_grade", "worst_grade")
    packed = np.zeros(len(shifts["test"]), dtype=np.int64)
    for name in keys:
        code, words = pd.factorize(shifts[name])
        packed = packed * max(len(words), 1) + code
    first, number = np.unique(packed, return_index=True, return_inverse=True)[1:]
    found = {name: shifts[name][first] for name in keys}
    rank = np.array([_RANK[test] for test in found["test"]], dtype=np.int64)
    grades = (found[name].astype(str) for name in ("worst_grade", "baseline_grade"))
    order = np.lexsort((*grades, found["direction"] == "H", rank))
    seen = {name: cells[order] for name, cells in found.items()}
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    number = place[number.ravel()]
    who = pd.Index(people["subject_id"]).get_indexer(shifts["subject_id"])
    counts = [np.bincount(number[member[who]], minlength=len(order)) for member in groups.members]
    summary = groups.unfold(seen)
    summary |= {"n": np.stack(counts, axis=1).ravel(), "note": np.full(len(summary["n"]), "", dtype=object)}
    names = ("test", "direction", "group", "baseline_grade", "worst_grade", "n", "note")
    return pd.DataFrame({name: summary[name] for name in names})


def _landmark(
    table: pd.DataFrame, whom: pd.DataFrame, rules: LandmarkRules, *, everyone: bool
) -> tuple[dict[str, Any], npt.NDArray[np.int64]]:
    """The value at the landmark of each subject and test, whether it is below the bound; and whose it is."""
    bounds = dict(rules.thresholds)
    names, ids = list(bounds), whom["subject_id"].to_numpy(dtype=object)
    day, value = table["day"].to_numpy(dtype=float), table["value"].to_numpy(dtype=float)
    cell = pd.Index(ids).get_indexer(table["subject_id"]) * len(names)
    cell = np.where(cell < 0, -1, cell + pd.Index(names).get_indexer(table["test"]))
    whole = np.floor(day)
    near = np.flatnonzero((cell >= 0) & ~np.isnan(value) & (np.abs(whole - rules.day) <= rules.window))
    order = np.lexsort((value[near], -whole[near], np.abs(whole[near] - rules.day)))
    chosen = np.full(len(ids) * len(names), -1)
    chosen[cell[near[order[::-1]]]] = near[order[::-1]]  # the best of each cell is written last
    there = np.ones(len(chosen), dtype=bool)
    if not everyone:
        there[:] = np.bincount(cell[cell >= 0], minlength=len(chosen)) > 0
    used = chosen[there]
    known = np.append(value, np.nan)[used]
    bound = np.tile(np.array(list(bounds.values())), len(ids))[there]
    first, last = rules.day - rules.window, rules.day + rules.window
    who = np.repeat(np.arange(len(ids)), len(names))[there]
    cells = {
        "subject_id": pd.Series(ids[who], dtype=object),
        "test": pd.Series(np.tile(np.array(names, dtype=object), len(ids))[there], dtype=object),
        "day": np.append(day, np.nan)[used], "value": known,
        "row": np.append(table["row"].to_numpy(dtype=float), np.nan)[used],
        "grade_ge3": np.where(np.isnan(known), np.nan, (known < bound * (1 - ctcae.TOLERANCE)).astype(float)),
        "note": np.where(np.isnan(known), f"no value on days {first:g} to {last:g}", ""),
    }  # fmt: skip
    return cells, who


def _landmark_sources(landmark: pd.DataFrame) -> pd.DataFrame:
    """The value that stands for each subject and test; `grade_ge3` is 1 or 0."""
    used = landmark[landmark["value"].notna()]
    flagged = used.assign(row=used["row"].astype("int64"), grade_ge3=used["grade_ge3"].astype("int64"))
    return day_rows(flagged, "labs", "test", "test", "grade_ge3")


def _cytopenia_summary(
    landmark: dict[str, Any], who: npt.NDArray[np.int64], groups: tallies.Groups, rules: LandmarkRules
) -> pd.DataFrame:
    """Cytopenia among those with a value, by test and group."""
    tests = [test for test, _ in rules.thresholds]
    summary = groups.unfold({"test": np.array(tests, dtype=object)})
    flag, test_of = landmark["grade_ge3"], landmark["test"].to_numpy(dtype=object)
    inside = [(test_of == test) & member[who] for test in tests for member in groups.members]
    summary["n"] = np.array([int((rows & ~np.isnan(flag)).sum()) for rows in inside])
    summary["n_event"] = np.array([int((rows & (flag == 1)).sum()) for rows in inside])
    tallies.add_proportion(summary, "n_event", "n", rules, tallies.RATE)
    summary["note"] = np.where(summary["n"] == 0, "nobody with a value in the window", "")
    return pd.DataFrame(summary)
