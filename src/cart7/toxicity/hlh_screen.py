"""The IEC-HS screen of a study: who met its laboratory criteria, first on which day.

Here: the values of the laboratory table laid out by day of a ferritin. Not here: the criteria (`grading`),
and any diagnosis.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7 import derive, grading, records, results
from cart7.grading.iec_hs import judged
from cart7.toxicity import emergence, tallies, trace
from cart7.toxicity.emergence import Table
from cart7.toxicity.laboratory import graded_labs

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

SCREENED = ("FERRITIN", "ALT", "AST", "FIBRINO", "ANC", "PLT")


class ScreenRules(BaseModel):
    """Choices of the IEC-HS screen.

    Parameters
    ----------
    within_days : float
        A value stands for the day of a ferritin when it is at most so many days away.
    conf_level : float
        Two-sided level.
    ci_method : str
        A method of `stats.proportions.interval`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    within_days: float = Field(default=2, ge=0)
    conf_level: float = Field(default=0.95, gt=0, lt=1)
    ci_method: str = "clopper-pearson"

    _known_method = field_validator("ci_method")(tallies.known_method)


@dataclass(frozen=True, kw_only=True, eq=False)
class HlhScreenResult(tallies.SafetyResult):
    """IEC-HS screen, a call to look at the subject and no diagnosis.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, screen (1, 0, missing), first_day (days since infusion), n_days (screened), peak_ferritin
        (in the unit of the table), criteria (those met on the first day), note.
    summary : DataFrame
        group, n (subjects screened), n_positive, estimate (a fraction), ci_low, ci_high, conf_level, method,
        note.
    days : DataFrame
        subject_id, day, screen, criteria, note: a row per day with a ferritin after the infusion.
    """

    title: ClassVar[str] = "IEC-HS screen"
    analysis: ClassVar[str] = "safety.iec_hs_screen"
    stats: ClassVar[tuple[str, ...]] = ("n", "n_positive", *tallies.RATE)
    subject_stats: ClassVar[tuple[str, ...]] = ("screen", "first_day", "n_days", "peak_ferritin", "criteria")
    days: pd.DataFrame = field(repr=False)

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return "IEC-HS_SCREEN", "IEC-HS_SCREEN"

    def _reasons(self) -> dict[str, str | pd.Series]:
        negative = self.subjects["note"].where(self.subjects["screen"].isna(), "screen negative")
        return {"first_day": negative, "criteria": negative}

    def _long(self) -> list[pd.DataFrame]:
        blocks = super()._long()
        blocks[1].loc[blocks[1]["stat"] == "peak_ferritin", "unit"] = "as in labs"
        return blocks


def iec_hs_screen(
    labs: Table,
    subjects: Table,
    *,
    by: str | None = "dose_level",
    rules: ScreenRules | None = None,
) -> HlhScreenResult:
    """Who met the laboratory criteria of IEC-HS after the infusion; a screen, never a diagnosis.

    Parameters
    ----------
    labs : DataFrame or sequence of LabResult
        As in `lab_grades`: FERRITIN, and ALT, AST, FIBRINO, ANC, PLT where they were measured.
    subjects : DataFrame or sequence of Subject
        `infusion_date`, where days come from dates.
    by : str or None
        Column of `subjects` that defines the groups; None gives `ALL` only.
    rules : ScreenRules, optional
        How near a value must be to the day of a ferritin.

    Returns
    -------
    HlhScreenResult
        Each day with a ferritin after the infusion is screened by `grading.iec_hs`, with the nearest value of
        the other tests. Cytopenia: ANC or platelets of grade 4 (CTCAE 5.0) that were not at baseline.

    Raises
    ------
    DataError
        Naming every value whose unit is not known, or that is negative.

    Examples
    --------
    >>> labs = pd.DataFrame({"subject_id": "1", "day": [9, 9], "test": ["FERRITIN", "ALT"],
    ...                      "value": [9000, 400], "unit": ["ug/L", "U/L"], "uln": [400, 40]})
    >>> found = iec_hs_screen(labs, pd.DataFrame({"subject_id": ["1"]}), by=None).subjects
    >>> found[["screen", "first_day", "criteria"]].values.tolist()
    [[1.0, 9.0, 'ferritin > 2 x ULN; ALT or AST > 5 x']]
    """
    rules = rules or ScreenRules()
    people = emergence.people(subjects)
    graded = graded_labs(labs, people, "5.0")
    who = _place(graded["subject_id"], people["subject_id"])
    test = _place(graded["test"], SCREENED)
    used = _used(graded, who, test, people, rules)
    days = _screened(graded, who, test, used, people)
    screened = _by_subject(days, people)
    groups = tallies.groups_of(people, by)
    others = graded.iloc[np.flatnonzero(who < 0)]
    named, screen = ("subject_id", "day", "screen", "criteria", "note"), days["screen"].copy()
    return HlhScreenResult(
        subjects=screened, summary=_summary(screened, groups, rules),
        days=pd.DataFrame({name: days[name] for name in named}, copy=False), rules=rules,
        excluded=results.excluded_rows(others, "labs", "not a subject of this analysis"),
        population=derive.population(people),
        trace=trace.FrameTrace(
            lay_out=lambda: _sources(graded, used, screen), subjects=people, groups=groups
        ),
    )  # fmt: skip


def _place(column: pd.Series, names: Iterable[str]) -> Ints:
    """Position of each word among the names, -1 for a strange or blank one."""
    code, words = pd.factorize(column.to_numpy(dtype=object))
    known = {name: number for number, name in enumerate(names)}
    places = [*(known.get(word, -1) for word in words), -1]
    found: Ints = np.array(places, dtype=np.int64)[code]  # code -1, a blank, is the last
    return found


def _used(graded: pd.DataFrame, who: Ints, test: Ints, people: pd.DataFrame, rules: ScreenRules) -> Ints:
    """Rows of `graded` that the screen looks at: `SCREENED` by days with a ferritin, -1 where there is none.

    The days stand by subject and day. The highest ferritin of a day counts.
    """
    day, value = (graded[name].to_numpy(dtype=float) for name in ("day", "value"))
    later = np.flatnonzero((who >= 0) & (test >= 0) & (day > 0) & ~np.isnan(value))
    rank = np.argsort(np.argsort(people["subject_id"].to_numpy(dtype=object)))
    times, time = np.unique(day[later], return_inverse=True)
    span = len(people) * len(times)
    key = test[later] * span + rank[who[later]] * len(times) + time  # by test, subject and day
    ferritin = np.flatnonzero(key < span)
    ferritin = ferritin[np.lexsort((value[later][ferritin], key[ferritin]))]
    wanted, n = np.unique(key[ferritin], return_counts=True)
    highest = later[ferritin[np.cumsum(n) - 1]]
    others = wanted + span * np.arange(1, len(SCREENED))[:, np.newaxis]
    near = _nearest(key, day[later], others, day[highest], len(times), rules.within_days)
    return np.vstack([highest, np.append(later, -1)[near]])


def _nearest(key: Ints, day: Floats, wanted: Ints, on: Floats, n_times: int, within_days: float) -> Ints:
    """Position of the value nearest to each wanted key, which is `on` a day; -1 where none is near enough.

    A key counts the `n_times` different days of a study, for one subject and test after the other.
    """
    order = np.argsort(key, kind="stable")  # of several values on a day the first row is the first
    known, none = key[order], len(key)
    begins = np.append(np.searchsorted(known, known), none)  # the first value of the same day
    after = np.searchsorted(known, wanted, side="right")
    places = np.stack([begins[after - 1], after])  # begins[-1]: nothing lies before the first
    mine = np.append(known // n_times, -1)[places] == wanted // n_times
    places = np.where(mine, places, none)
    gaps = np.abs(np.append(day[order], np.inf)[places] - on)
    nearest = np.where(gaps[0] <= gaps[1], *places)  # equally near: the earlier
    chosen: Ints = np.where(gaps.min(axis=0) <= within_days, np.append(order, -1)[nearest], -1)
    return chosen


def _screened(
    graded: pd.DataFrame, who: Ints, test: Ints, used: Ints, people: pd.DataFrame
) -> dict[str, Any]:
    """Each day with a ferritin after the infusion, with the nearest other values, screened."""
    value, lln, uln, baseline, low = (
        np.append(graded[name].to_numpy(dtype=float), np.nan)[used]
        for name in ("value", "lln", "uln", "baseline", "grade_low")
    )
    unit = graded["unit"].to_numpy()[used[3]].astype(str)
    scale = np.where(np.char.lower(unit) == "mg/dl", 0.01, 1.0)
    at_baseline = (graded["is_baseline"].to_numpy() == 1) & (graded["grade_low"].to_numpy() == 4)
    before = np.zeros((len(SCREENED) + 1, len(people) + 1), dtype=bool)  # strangers (-1) are the last
    before[test[at_baseline], who[at_baseline]] = True
    whose = who[used[0]]
    new = np.where(np.isnan(low), np.nan, (low == 4) & ~before[:-1, whose])
    cells = {
        "ferritin": value[0], "ferritin_uln": uln[0], "ferritin_at_infusion": baseline[0],
        "alt": value[1], "alt_uln": uln[1], "alt_baseline": baseline[1],
        "ast": value[2], "ast_uln": uln[2], "ast_baseline": baseline[2],
        "fibrinogen": value[3] * scale, "fibrinogen_lln": lln[3] * scale,
        "cytopenia_grade4": np.fmax(new[4], new[5]),
    }  # fmt: skip
    if any((column < 0).any() for column in cells.values()):
        grading.iec_hs(pd.DataFrame(cells))  # names every negative limit
    at = {"who": whose, "subject_id": graded["subject_id"].to_numpy()[used[0]], "ferritin": value[0],
          "day": graded["day"].to_numpy(dtype=float)[used[0]]}  # fmt: skip
    return {**at, **judged(cells)}


def _sources(graded: pd.DataFrame, used: Ints, screen: Floats) -> pd.DataFrame:
    """The ferritin of each screened day and the nearest other values; `screen` is 1, 0 or missing."""
    test, place = np.nonzero(used >= 0)  # the ferritins, then test by test
    rows = graded.iloc[used[test, place]].reset_index(drop=True).astype({"row": "int64"})
    day = graded["day"].to_numpy(dtype=float)[used[0]]
    for name, numbers in (("screen", screen), ("screened_day", day)):
        rows[name] = pd.Series(trace.grade_words(numbers)[place], dtype=object)
    return trace.day_rows(rows, "labs", "test", "screen", "screened_day", "test")


def _by_subject(days: dict[str, Any], people: pd.DataFrame) -> pd.DataFrame:
    """One row per subject: whether and first when the screen was positive."""
    who, screen, n = days["who"], days["screen"], len(people)
    known, positive = ~np.isnan(screen), np.flatnonzero(screen == 1)[::-1]
    worst, peak, first = (np.full(n, np.nan) for _ in range(3))
    np.fmax.at(worst, who, screen)
    np.fmax.at(peak, who, days["ferritin"])
    first[who[positive]] = days["day"][positive]  # days stand in order: the first is written last
    criteria = np.full(n, "", dtype=object)
    criteria[who[positive]] = np.array(days["criteria"], dtype=object)[positive]
    note = np.where(np.isnan(worst), "no ferritin after the infusion that can be judged", "")
    cells = {"subject_id": people["subject_id"].to_numpy(copy=True), "screen": worst, "first_day": first,
             "n_days": np.bincount(who[known], minlength=n), "peak_ferritin": peak, "criteria": criteria,
             "note": note}  # fmt: skip
    return records.assembled(cells, n)


def _summary(screened: pd.DataFrame, groups: tallies.Groups, rules: ScreenRules) -> pd.DataFrame:
    """Screen-positive subjects among those screened, by group."""
    screen = screened["screen"].to_numpy(dtype=float)
    summary: tallies.Columns = {"group": np.array(groups.labels, dtype=object)}
    summary["n"] = (groups.members & ~np.isnan(screen)).sum(axis=1)
    summary["n_positive"] = (groups.members & (screen == 1)).sum(axis=1)
    tallies.add_proportion(summary, "n_positive", "n", rules, tallies.RATE)
    summary["note"] = np.where(summary["n"] == 0, "nobody screened", "")
    return pd.DataFrame(summary, copy=False)
