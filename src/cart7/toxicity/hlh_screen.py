"""The IEC-HS screen of a study: who met its laboratory criteria, first on which day.

Here: the values of the laboratory table laid out by day of a ferritin. Not here: the criteria (`grading`),
and any diagnosis.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7 import derive, grading, results
from cart7.toxicity import emergence, tallies, trace
from cart7.toxicity.emergence import Table
from cart7.toxicity.laboratory import graded_labs

OTHERS = ("ALT", "AST", "FIBRINO", "ANC", "PLT")
SCREENED = ("FERRITIN", *OTHERS)


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
    mine, others = derive.known_subjects(graded, people)
    values = mine[mine["test"].isin(SCREENED) & mine["value"].notna() & mine["day"].notna()]
    days = _screened(values, rules)
    screened = _by_subject(days, people)
    groups = tallies.groups_of(people, by)
    return HlhScreenResult(
        subjects=screened, summary=_summary(screened, groups, rules),
        days=days[["subject_id", "day", "screen", "criteria", "note"]], rules=rules,
        excluded=results.excluded_rows(others, "labs", "not a subject of this analysis"),
        population=derive.population(people),
        trace=trace.FrameTrace(
            lay_out=lambda: _sources(days, values, rules), subjects=people, groups=groups
        ),
    )  # fmt: skip


def _screened(values: pd.DataFrame, rules: ScreenRules) -> pd.DataFrame:
    """Each day with a ferritin after the infusion, with the nearest other values, screened."""
    ferritin = values[(values["test"] == "FERRITIN") & (values["day"] > 0)]
    days = ferritin.sort_values(["subject_id", "day", "value"], kind="stable")
    days = days.drop_duplicates(["subject_id", "day"], keep="last")
    frame = pd.DataFrame(
        {"row": days["row"].to_numpy(), "subject_id": days["subject_id"].to_numpy(dtype=object),
         "day": days["day"].to_numpy(), "ferritin": days["value"].to_numpy(),
         "ferritin_uln": days["uln"].to_numpy(dtype=float),
         "ferritin_at_infusion": days["baseline"].to_numpy(dtype=float)}
    )  # fmt: skip
    found: dict[str, Any] = {}
    for test, word in (("ALT", "alt"), ("AST", "ast")):
        near = _nearest(frame, values[values["test"] == test], rules)
        for name, column in ((word, "value"), (f"{word}_uln", "uln"), (f"{word}_baseline", "baseline")):
            found[name] = near[column].to_numpy(dtype=float)
    fibrinogen = _nearest(frame, values[values["test"] == "FIBRINO"], rules)
    scale = np.where(fibrinogen["unit"].astype(str).str.lower().str.strip() == "mg/dl", 0.01, 1.0)
    found["fibrinogen"] = fibrinogen["value"].to_numpy(dtype=float) * scale
    found["fibrinogen_lln"] = fibrinogen["lln"].to_numpy(dtype=float) * scale
    found["cytopenia_grade4"] = _new_grade_4(frame, values, rules)
    return grading.iec_hs(pd.concat([frame, pd.DataFrame(found, index=frame.index)], axis=1))


def _nearest(frame: pd.DataFrame, values: pd.DataFrame, rules: ScreenRules) -> pd.DataFrame:
    """The value nearest to each day of the frame within the window; missing where there is none."""
    columns = ["row", "test", "value", "unit", "lln", "uln", "baseline", "grade", "grade_low"]
    values = values[values["day"] > 0]
    ids = pd.Index(frame["subject_id"].unique())
    who, of = ids.get_indexer(frame["subject_id"]), ids.get_indexer(values["subject_id"])
    day, found = frame["day"].to_numpy(dtype=float), values["day"].to_numpy(dtype=float)
    width = 1 + np.ptp(np.r_[0.0, day, found])
    order = np.lexsort((found, of))  # stable: of several values on a day the first row is the first
    known, wanted = (of * width + found)[order], who * width + day
    after = np.searchsorted(known, wanted, side="right")
    before = np.searchsorted(known, known[after - 1], side="left") if len(known) else after
    gaps = [np.full(len(frame), np.inf), np.full(len(frame), np.inf)]
    for gap, place, there in zip(gaps, (before, after), (after > 0, after < len(known)), strict=True):
        record = order[place[there]]
        mine = of[record] == who[there]
        gap[there] = np.where(mine, np.abs(found[record] - day[there]), np.inf)
    nearest = np.where(gaps[0] <= gaps[1], before, after)  # equally near: the earlier
    inside = np.minimum(*gaps) <= rules.within_days
    chosen = np.full(len(frame), len(values))
    chosen[inside] = order[nearest[inside]]
    return values[columns].reset_index(drop=True).reindex(chosen)


def _new_grade_4(frame: pd.DataFrame, values: pd.DataFrame, rules: ScreenRules) -> np.ndarray:
    """Whether ANC or platelets are of grade 4 and were not at baseline; missing without either."""
    flags = []
    for test in ("ANC", "PLT"):
        rows = values[values["test"] == test]
        before = rows[(rows["is_baseline"] == 1) & (rows["grade_low"] == 4)]["subject_id"]
        grade = _nearest(frame, rows, rules)["grade_low"].to_numpy(dtype=float)
        new = (grade == 4) & ~frame["subject_id"].isin(before).to_numpy()
        flags.append(np.where(np.isnan(grade), np.nan, new.astype(float)))
    return np.fmax(*flags)


def _sources(days: pd.DataFrame, values: pd.DataFrame, rules: ScreenRules) -> pd.DataFrame:
    """The ferritin of each screened day and the nearest other values; `screen` is 1, 0 or missing."""
    frame = days.reset_index(drop=True)
    said = {"screen": trace.grade_words(frame["screen"]), "screened_day": trace.grade_words(frame["day"])}
    of_day = pd.DataFrame(said, dtype=object)
    used = [values.set_index("row").loc[frame["row"]].reset_index()]
    used += [_nearest(frame, values[values["test"] == test], rules) for test in OTHERS]
    blocks = []
    for block in used:
        block = block.reset_index(drop=True).assign(subject_id=frame["subject_id"], **of_day)
        block["day"] = values.set_index("row")["day"].reindex(block["row"]).to_numpy()
        blocks.append(block[block["row"].notna()])
    rows = pd.concat(blocks, ignore_index=True).astype({"row": "int64"})
    return trace.day_rows(rows, "labs", "test", "screen", "screened_day", "test")


def _by_subject(days: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """One row per subject: whether and first when the screen was positive."""
    ids = people["subject_id"]
    who = pd.Index(ids).get_indexer(days["subject_id"])
    day, screen = days["day"].to_numpy(dtype=float), days["screen"].to_numpy(dtype=float)
    known, positive = ~np.isnan(screen), np.flatnonzero(screen == 1)[::-1]
    worst, peak, first = (np.full(len(ids), np.nan) for _ in range(3))
    np.fmax.at(worst, who, screen)
    np.fmax.at(peak, who, days["ferritin"].to_numpy(dtype=float))
    first[who[positive]] = day[positive]  # days stand in order: the first is written last
    criteria = np.full(len(ids), "", dtype=object)
    criteria[who[positive]] = days["criteria"].to_numpy(dtype=object)[positive]
    note = np.where(np.isnan(worst), "no ferritin after the infusion that can be judged", "")
    return pd.DataFrame(
        {"subject_id": ids, "screen": worst, "first_day": first,
         "n_days": np.bincount(who[known], minlength=len(ids)), "peak_ferritin": peak,
         "criteria": pd.Series(criteria, index=ids.index, dtype=object), "note": note}
    )  # fmt: skip


def _summary(screened: pd.DataFrame, groups: tallies.Groups, rules: ScreenRules) -> pd.DataFrame:
    """Screen-positive subjects among those screened, by group."""
    screen = screened["screen"].to_numpy(dtype=float)
    summary: tallies.Columns = {"group": np.array(groups.labels, dtype=object)}
    summary["n"] = (groups.members & ~np.isnan(screen)).sum(axis=1)
    summary["n_positive"] = (groups.members & (screen == 1)).sum(axis=1)
    tallies.add_proportion(summary, "n_positive", "n", rules, tallies.RATE)
    summary["note"] = np.where(summary["n"] == 0, "nobody screened", "")
    return pd.DataFrame(summary)
