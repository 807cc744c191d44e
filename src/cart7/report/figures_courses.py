"""Figures of safety day by day: grades of CRS and ICANS, neutrophils and platelets.

Here: drawing of the days that a result holds. Not here: counts of subjects and events (`figures_safety`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cart7.report.canvas import (
    ALL,
    GRID,
    QUIET,
    blank,
    group_name,
    in_house_style,
    legend_above,
    log_axis,
    look,
    nothing_to_draw,
    ordered,
    root_day_axis,
    short_ids,
)
from cart7.report.figures_safety import GRADE_INK, GRADES


@in_house_style
def aesi_days(
    result: Any,
    ax: Any = None,
    *,
    groups: Mapping[str, str] | None = None,
    by: str | None = "dose_level",
    last: float = 30.0,
) -> Any:
    """Grade of CRS and ICANS of every subject on every day, with tocilizumab and steroids.

    Parameters
    ----------
    result : AesiCourseResult
        Its `.days`: subject_id, category, day, grade; its `.treatments`: subject_id, treatment, indication,
        start_day, end_day.
    ax : Axes, optional
        Where to draw; a new figure by default.
    groups : mapping, optional
        Group (dose level) of each subject_id, to sort and name them; who had no graded day is named too.
    by : str or None
        What the groups are; dose levels are named `DL 1`.
    last : float
        Last day drawn; later graded days are told beside the row.

    Returns
    -------
    Axes
    """
    days, groups = result.days, groups or {}
    names = sorted(
        set(days["subject_id"].astype(str)) | set(groups), key=lambda name: (groups.get(name, ""), name)
    )
    lanes = [
        (number * 2.4 + offset, name, category)
        for number, name in enumerate(names) for offset, category in enumerate(("CRS", "ICANS"))
    ]  # fmt: skip
    if ax is None:
        ax = blank(7.2, 1.05 + 0.45 * max(len(names), 2), left=1.75, right=1.25, top=0.42, bottom=0.5)
    if not lanes or days.empty:
        return nothing_to_draw(ax, "no graded day of CRS or ICANS")
    end = max(float(days.loc[days["day"] <= last, "day"].max()) + 1, 14.0)
    for place, name, category in lanes:
        mine = days[(days["subject_id"].astype(str) == name) & (days["category"] == category)]
        _graded_days(ax, place, mine[mine["day"] <= end])
        later = mine[mine["day"] > end]
        if len(later):
            worst = int(later["grade"].max())
            text = f"day {later['day'].min():g}\u2013{later['day'].max():g}: grade {worst}"
            ax.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=7.5,
                        annotation_clip=False)  # fmt: skip
        _treatment_marks(ax, place, result.treatments, name, category, end)
    _subject_lanes(ax, lanes, short_ids(names), groups, by)
    ax.set_xlim(-0.5, end + 0.5)
    ax.set_xticks(list(range(0, int(end) + 1, 2 if end <= 21 else 5)))
    ax.set_xlabel("Days since infusion")
    _days_legend(ax, days["grade"], result.treatments)
    return ax


def _graded_days(ax: Any, place: float, days: pd.DataFrame) -> None:
    for day, grade in zip(days["day"], days["grade"].astype(int), strict=True):
        ax.barh(
            place, 1, left=day - 0.5, height=0.9, color=GRADES[grade - 1], edgecolor="white", linewidth=0.6
        )
        ax.text(day, place, str(grade), ha="center", va="center", fontsize=7.5, color=GRADE_INK[grade - 1])


TREATMENT_MARKS = {"tocilizumab": ("v", "#4477AA"), "steroid": ("_", "#228833")}


def _treatment_marks(
    ax: Any, place: float, treatments: pd.DataFrame, name: str, category: str, end: float
) -> None:
    """Tocilizumab as a triangle on its first day, steroids as a line from first to last day."""
    mine = treatments[(treatments["subject_id"].astype(str) == name) & (treatments["indication"] == category)]
    for row in mine.to_dict("records"):
        first = float(row["start_day"])
        final = first if pd.isna(row["end_day"]) else min(float(row["end_day"]), end)
        if first > end:
            continue
        marker, colour = TREATMENT_MARKS[row["treatment"]]
        if row["treatment"] == "steroid":
            ax.hlines(place + 0.5, first - 0.45, final + 0.45, color=colour, linewidth=2.2, zorder=4)
        else:
            ax.plot(first, place - 0.56, marker=marker, color=colour, markersize=4.5, linestyle="", zorder=5)


def _subject_lanes(
    ax: Any,
    lanes: Sequence[tuple[float, str, str]],
    labels: Mapping[str, str],
    groups: Mapping[str, str],
    by: str | None,
) -> None:
    """Rows named by subject and syndrome, subjects parted by lines."""
    ax.set_ylim(lanes[-1][0] + 0.8, lanes[0][0] - 0.9)
    ax.set_yticks([place for place, *_ in lanes], [category for *_, category in lanes], fontsize=7.5)
    ax.tick_params(axis="y", length=0)
    for place, name, category in lanes:
        if category != "CRS":
            continue
        level = groups.get(name, "")
        words = f"{group_name(level, by)}  {labels[name]}" if level else labels[name]
        ax.annotate(words, (0, place + 0.5), xycoords=("axes fraction", "data"), xytext=(-48, 0),
                    textcoords="offset points", ha="right", va="center", fontsize=8.5)  # fmt: skip
        if place > lanes[0][0]:
            ax.axhline(place - 0.95, color=GRID, linewidth=0.6)


def _days_legend(ax: Any, grades: pd.Series, treatments: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=GRADES[grade - 1], edgecolor=QUIET, linewidth=0.5, label=f"grade {grade}")
        for grade in sorted({int(grade) for grade in grades.dropna()})
    ]
    for name, (marker, colour) in TREATMENT_MARKS.items():
        if (treatments["treatment"] == name).any():
            line = name == "steroid"
            handles.append(
                Line2D([], [], color=colour, marker="" if line else marker, markersize=5,
                       linestyle="-" if line else "", linewidth=2.2, label=name)
            )  # fmt: skip
    legend_above(ax, handles, columns=7, start=-0.34)


COUNT_LABELS = {"ANC": "Neutrophils (10\u2079/L)", "PLT": "Platelets (10\u2079/L)"}
COUNT_LINES = {"ANC": (0.5, 1.0), "PLT": (20.0, 50.0)}


@in_house_style
def count_course(
    result: Any,
    ax: Any = None,
    *,
    test: str = "ANC",
    groups: Mapping[str, str] | None = None,
    by: str | None = "dose_level",
    last: float = 100.0,
) -> Any:
    """Neutrophils or platelets of every subject over time, on a log axis with the clinical thresholds.

    Parameters
    ----------
    result : BloodCountResult
        Its `.course`: subject_id, test, day, value (10^9/L), after_therapy.
    ax : Axes, optional
        Where to draw; a new figure by default.
    test : str
        `ANC` or `PLT`.
    groups : mapping, optional
        Group (dose level) of each subject_id, for colour.
    by : str or None
        What the groups are; dose levels are named `DL 1`.
    last : float
        Last day drawn.

    Returns
    -------
    Axes
    """
    rows = result.course[(result.course["test"] == test) & (result.course["day"] <= last)]
    ax = blank(7.2, 3.3, left=0.75, right=0.55, top=0.35, bottom=0.5) if ax is None else ax
    if rows.empty:
        return nothing_to_draw(ax, f"no {test} measured")
    groups = groups or {}
    levels = ordered(sorted(set(groups.values()) or {ALL}))
    log_axis(ax, np.append(rows["value"].to_numpy(dtype=float), COUNT_LINES[test]), label=COUNT_LABELS[test])
    root_day_axis(ax, float(rows["day"].min()), float(rows["day"].max()), width=5.9)
    lowest = ax.get_ylim()[0]
    for bound in COUNT_LINES[test]:
        ax.axhline(bound, color=QUIET, linewidth=0.9, linestyle=(0, (5, 3)), zorder=1)
        ax.annotate(f"{bound:g}", (1.0, bound), xycoords=("axes fraction", "data"), xytext=(4, 0),
                    textcoords="offset points", va="center", fontsize=8, color=QUIET)  # fmt: skip
    ax.axvline(0, color=GRID, linewidth=1.0, zorder=0)
    for name, mine in rows.groupby("subject_id", sort=True):
        style = look(groups.get(str(name), ALL), levels)
        _count_line(ax, mine.sort_values("day"), style.colour, style.marker, lowest)
    ax.set_xlabel("Days since infusion")
    _count_legend(ax, levels, by, bool((rows["after_therapy"] == 1).any()))
    return ax


def _count_line(ax: Any, rows: pd.DataFrame, colour: str, marker: str, lowest: float) -> None:
    """One subject: solid up to the next therapy, thin and dotted after it."""
    own = rows[rows["after_therapy"] == 0]
    level = own["value"].to_numpy(dtype=float)
    ax.plot(own["day"], np.maximum(level, lowest), color=colour, linewidth=1.0, marker=marker, markersize=2.4,
            alpha=0.9)  # fmt: skip
    after = pd.concat([own.tail(1), rows[rows["after_therapy"] == 1]])
    if len(after) > 1:
        ax.plot(after["day"], np.maximum(after["value"].to_numpy(dtype=float), lowest), color=colour,
                linewidth=0.8, linestyle=(0, (1, 1.5)), alpha=0.8)  # fmt: skip


def _count_legend(ax: Any, levels: Sequence[str], by: str | None, after: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=look(level, levels).colour, marker=look(level, levels).marker, markersize=4,
               label=group_name(level, by))
        for level in levels
    ]  # fmt: skip
    if after:
        handles.append(Line2D([], [], color=QUIET, linewidth=0.8, linestyle=(0, (1, 1.5)),
                              label="after HSCT or new therapy"))  # fmt: skip
    legend_above(ax, handles, columns=5)
