"""Episodes of adverse events of special interest: records merged, who was affected, and for how long.

Here: merging, first episodes, the summary of CRS, ICANS and HLH. Not here: which records count
(`emergence`), the results and their rules (`safety`).
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import results
from cart7.stats import counting
from cart7.toxicity import emergence
from cart7.toxicity.tallies import (
    RATE,
    Columns,
    Groups,
    IntervalRules,
    add_proportion,
    add_spans,
    in_category,
    notes,
)

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

CATEGORIES = ("CRS", "ICANS", "HLH")
MADE = ("conf_level", "method", "note")
GE3 = ("grade_ge3_estimate", "grade_ge3_ci_low", "grade_ge3_ci_high")
SPANS = tuple(f"{what}_{stat}" for what in ("onset", "duration") for stat in ("median", "min", "max"))


def end_or_risk_end(found: emergence.Records) -> Floats:
    """End of each record, an ongoing one ends with the risk (not before it began); NaN when unknown."""
    start, end = found.table["start_day"].to_numpy(), found.table["end_day"].to_numpy()
    until = found.course.risk_end[found.who]
    ongoing = np.where(np.isnan(until), np.nan, np.fmax(until, start))
    return np.where(np.isnan(end), ongoing, end)


def merged_episodes(
    found: emergence.Records, series: Ints, gap_days: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Episodes of each series of records (-1 for none), and the records without a start."""
    columns, undated = _merged(found, series, gap_days)
    return pd.DataFrame(columns), undated


def _merged(found: emergence.Records, series: Ints, gap_days: float) -> tuple[Columns, pd.DataFrame]:
    """The columns of `merged_episodes`, and the records without a start."""
    start, until = found.table["start_day"].to_numpy(), end_or_risk_end(found)
    grade, open_end = found.table["grade"].to_numpy(), np.isnan(found.table["end_day"].to_numpy())
    undated = (series >= 0) & np.isnan(start)
    rows, begins = _in_order(found, series, gap_days)
    owner, first = series[rows][begins], start[rows][begins]
    number = np.arange(len(begins))
    start_of_series = np.maximum.accumulate(
        np.where(np.r_[True, owner[1:] != owner[:-1]][: len(owner)], number, 0)
    )
    end = np.maximum.reduceat(until[rows], begins) if len(begins) else first
    duration = end - first + 1
    ongoing = np.logical_or.reduceat(open_end[rows], begins).astype(np.int64) if len(begins) else number
    worst = np.fmax.reduceat(grade[rows], begins) if len(begins) else first
    note = notes(
        len(begins),
        (np.isnan(end), "ongoing, end of follow-up unknown"), (duration < 1, "end before start"),
        (np.isnan(worst), "grade missing"),
    )  # fmt: skip
    merged = {
        "series": owner, "episode": number - start_of_series + 1, "start_day": first, "end_day": end,
        "ongoing": ongoing, "max_grade": worst, "n_records": np.diff(np.r_[begins, len(rows)]),
        "duration_days": np.where(duration >= 1, duration, np.nan), "note": note,
    }  # fmt: skip
    return merged, found.set_aside(undated, "start unknown, not in an episode")


def _in_order(found: emergence.Records, series: Ints, gap_days: float) -> tuple[Ints, Ints]:
    """The records with a start by series and start, and where among them an episode begins."""
    start, until = found.table["start_day"].to_numpy(), end_or_risk_end(found)
    picked = np.flatnonzero((series >= 0) & ~np.isnan(start))
    order, begins = counting.episodes(series[picked], start[picked], until[picked], gap=gap_days)
    return picked[order], begins


def episode_records(found: emergence.Records, series: Ints, gap_days: float) -> tuple[Ints, Ints]:
    """Row of `merged_episodes` of each record that is in an episode, and the record."""
    rows, begins = _in_order(found, series, gap_days)
    return np.repeat(np.arange(len(begins)), np.diff(np.r_[begins, len(rows)])), rows


def affected_subjects(found: emergence.Records, gap_days: float) -> tuple[Columns, pd.DataFrame]:
    """Who had which category (`who`: row of the subject): first episode, total days and worst grade."""
    n = max(len(found.course.subjects), 1)
    series = np.full(len(found.who), -1)
    for number, category in enumerate(CATEGORIES):
        series = np.where(in_category(found.table, category), number * n + found.who, series)
    merged, undated = _merged(found, series, gap_days)
    grade = found.table["grade"].to_numpy()
    had = np.unique(series[series >= 0])
    owner = merged["series"]
    low, high = np.searchsorted(owner, had, side="left"), np.searchsorted(owner, had, side="right")
    dated = high > low
    begins = low[dated]
    of_dated: dict[str, Any] = {
        "onset_day": merged["start_day"][begins],
        "duration_days": merged["duration_days"][begins],
        "total_days": np.add.reduceat(merged["duration_days"], begins) if dated.any() else [],
        "ongoing": np.maximum.reduceat(merged["ongoing"], begins) if dated.any() else [],
    }
    columns = {name: np.full(len(had), np.nan) for name in ("onset_day", "duration_days", "total_days")}
    columns |= {"max_grade": _worst(grade, series, had), "ongoing": np.full(len(had), np.nan)}
    for name, values in of_dated.items():
        columns[name][dated] = values
    note = notes(
        len(had),
        (~dated, "start unknown"), (dated & np.isnan(columns["duration_days"]), "duration unknown"),
        (~np.isnan(columns["duration_days"]) & np.isnan(columns["total_days"]),
         "duration of a later episode unknown"),
        (np.isnan(columns["max_grade"]), "grade missing"),
    )  # fmt: skip
    ids = found.course.subjects["subject_id"].to_numpy(dtype=object)
    affected = {
        "subject_id": ids[had % n], "category": np.array(CATEGORIES, dtype=object)[had // n], "who": had % n,
        "n_episodes": high - low, **columns, "note": note,
    }  # fmt: skip
    return affected, undated


def _worst(grade: Floats, series: Ints, had: Ints) -> Floats:
    """Worst grade of all records of each series, dated or not."""
    worst = np.full(len(had), np.nan)
    mine = series >= 0
    np.fmax.at(worst, np.searchsorted(had, series[mine]), grade[mine])
    return worst


def special_summary(affected: Columns, groups: Groups, rules: IntervalRules) -> pd.DataFrame:
    """Incidence, severity, onset and duration of each category in each group."""
    category, who = affected["category"], affected["who"]
    inside = [(category == name) & member[who] for name in CATEGORIES for member in groups.members]
    severe = affected["max_grade"] >= 3
    episodes = affected["n_episodes"]
    summary = groups.unfold(
        {"category": np.array(CATEGORIES, dtype=object)},
        n_subjects=np.array([rows.sum() for rows in inside], dtype=np.int64),
        n_episodes=np.array([episodes[rows].sum() for rows in inside], dtype=np.int64),
    )
    add_proportion(summary, "n_subjects", "n", rules, RATE)
    summary["n_grade_ge3"] = np.array([int((rows & severe).sum()) for rows in inside])
    add_proportion(summary, "n_grade_ge3", "n", rules, GE3)
    for what, column in (("onset", "onset_day"), ("duration", "duration_days"), ("total_days", "total_days")):
        add_spans(summary, what, affected[column], inside)
    for name in ("total_days_min", "total_days_max"):
        summary.pop(name)
    for name in MADE[:2]:
        summary[name] = summary.pop(name)
    nobody = "nobody had " + summary["category"]
    spans = ("onset_median", "duration_median", "total_days_median")
    unknown = np.isnan([summary[name] for name in spans]).any(axis=0)
    summary["note"] = results.first_reason(
        (summary["n"] == 0, "nobody in this group"), (summary["n_subjects"] == 0, nobody),
        (unknown, "days unknown"),
    )  # fmt: skip
    return pd.DataFrame(summary)
