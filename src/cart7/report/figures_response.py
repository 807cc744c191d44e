"""Figures of response: the course of every subject (swimmer) and response rates by visit and strategy.

Here: drawing of assessments, events and rates that a result holds. Not here: any rate.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cart7.report.canvas import (
    ALL,
    GRID,
    INK,
    QUIET,
    STRATEGY_COLOURS,
    blank,
    day_axis,
    group_name,
    in_house_style,
    nothing_to_draw,
    ordered,
    percent_axis,
    short_ids,
)

# Best to worst: green to red through shades that differ in lightness too.
RESPONSE_COLOURS = {
    "CR": "#1B7837", "CRh": "#4DA35F", "CRi": "#7FBF7B", "MLFS": "#A9D8A3", "PR": "#BFE3F5",
    "SD": "#F2E3A0", "NR": "#E8C27A", "PD": "#D6604D", "RELAPSE": "#D6604D", "NE": "#E6E6E6",
}  # fmt: skip
NOT_ASSESSED = "#F1F1F1"
EVENT_MARKS = {
    "HSCT": ("HSCT", "D", "#2C3E8C", True),
    "SECOND_INFUSION": ("second infusion", "P", "#2C3E8C", True),
    "NEW_THERAPY": ("new therapy", "s", "#6A2C8C", False),
    "PROGRESSION": ("progression", "X", "#8B1A1A", True),
    "DEATH": ("death", "x", "#000000", True),
}
STRATEGY_MARKERS = ("o", "s", "^", "D", "v", "P")


@in_house_style
def swimmer(
    result: Any, ax: Any = None, *, course: pd.DataFrame | None = None, by: str | None = "dose_level"
) -> Any:
    """Swimmer plot: response over time, transplant, second infusion, new therapy, progression, death.

    Parameters
    ----------
    result : BestResponseResult or None
        Its `.assessments`: subject_id, day, response; and, without `course`, its `.events`:
        subject_id, event, day.
    ax : Axes, optional
        Where to draw; a new figure by default.
    course : DataFrame, optional
        One row per subject: subject_id, group, end_day, end_event (`DEATH`, `LAST_CONTACT` or empty),
        HSCT, SECOND_INFUSION, NEW_THERAPY, PROGRESSION, DEATH (days since infusion).
    by : str or None
        What the groups are; dose levels are named `DL 1`.

    Returns
    -------
    Axes
    """
    assessments = _assessments(result)
    course = _course(result, assessments) if course is None else course
    levels = ordered(course["group"].astype(str))
    course = course.assign(
        _level=[levels.index(str(level)) for level in course["group"]],
        subject_id=course["subject_id"].astype(str),
    ).sort_values(["_level", "subject_id"], kind="stable")
    lanes = len(course)
    if ax is None:
        ax = blank(7.4, 1.25 + 0.27 * max(lanes, 2), left=1.15, right=0.2, top=0.72, bottom=0.5)
    if not lanes:
        return nothing_to_draw(ax, "nobody infused")
    for place, row in enumerate(course.to_dict("records")):
        _lane(ax, place, row, assessments[assessments["subject_id"] == row["subject_id"]])
    ends = [course["end_day"], *(course[name] for name in EVENT_MARKS if name in course.columns)]
    day_axis(ax, float(pd.concat(ends).max()) * 1.03)
    _lane_names(ax, course, by)
    _swimmer_legend(ax, assessments, course)
    return ax


def _assessments(result: Any) -> pd.DataFrame:
    empty = pd.DataFrame({"subject_id": [], "day": [], "response": []})
    rows = getattr(result, "assessments", None)
    rows = (
        empty if rows is None else rows[["subject_id", "day", "response"]].dropna(subset=["day", "response"])
    )
    rows = rows.assign(subject_id=rows["subject_id"].astype(str), response=rows["response"].astype(str))
    return rows[~rows["response"].isin(["", "ND"])].sort_values(["subject_id", "day"], kind="stable")


def _course(result: Any, assessments: pd.DataFrame) -> pd.DataFrame:
    """The course of each subject from the result's own events, when nobody hands one over."""
    names = list(dict.fromkeys(str(name) for name in result.subjects["subject_id"]))
    course = pd.DataFrame({"subject_id": names, "group": ALL})
    events = getattr(result, "events", None)
    events = pd.DataFrame({"subject_id": [], "event": [], "day": []}) if events is None else events
    first = (
        events.groupby(["subject_id", "event"])["day"].min() if len(events) else pd.Series(dtype="float64")
    )
    for name in (*EVENT_MARKS, "LAST_CONTACT", "DATA_CUTOFF"):
        course[name] = [float(first.get((subject, name), np.nan)) for subject in names]
    last = assessments.groupby("subject_id")["day"].max().reindex(names).to_numpy(dtype=float)
    end = course["DEATH"].fillna(course["LAST_CONTACT"]).fillna(course["DATA_CUTOFF"])
    dead = course["DEATH"].notna()
    return course.assign(
        end_day=end.where(end.notna(), last),
        end_event=np.select([dead, course["LAST_CONTACT"].notna()], ["DEATH", "LAST_CONTACT"], ""),
    )


def _lane(ax: Any, place: int, row: dict[Any, Any], rows: pd.DataFrame) -> None:
    end = float(row["end_day"]) if pd.notna(row["end_day"]) else 0.0
    days, words = rows["day"].tolist(), rows["response"].tolist()
    end = max([end, *days])
    ax.barh(place, end, height=0.56, color=NOT_ASSESSED, edgecolor=QUIET, linewidth=0.4)
    for start, stop, word in zip(days, [*days, end][1:], words, strict=True):
        ax.barh(
            place,
            stop - start,
            left=start,
            height=0.56,
            color=RESPONSE_COLOURS.get(word, "#E6E6E6"),
            linewidth=0,
        )
    ax.plot(days, [place] * len(days), linestyle="", marker="|", markersize=5, color=INK, markeredgewidth=0.7)
    for name, (_, marker, colour, filled) in EVENT_MARKS.items():
        if name in row and pd.notna(row[name]):
            lift = 0.0 if name in ("DEATH", "HSCT") else -0.12
            ax.plot(row[name], place + lift, linestyle="", marker=marker, markersize=7, color=colour,
                    markerfacecolor=colour if filled else "white",
                    markeredgewidth=1.6 if marker == "x" else 0.8,
                    markeredgecolor=colour if marker == "x" or not filled else "white", zorder=4)  # fmt: skip
    if row.get("end_event") == "LAST_CONTACT":
        ax.plot(end, place, linestyle="", marker=">", markersize=6, color=INK, clip_on=False, zorder=5)


def _lane_names(ax: Any, course: pd.DataFrame, by: str | None) -> None:
    labels = short_ids(course["subject_id"].tolist())
    ax.set_ylim(len(course) - 0.4, -0.6)
    ax.set_yticks(range(len(course)), [labels[name] for name in course["subject_id"]])
    ax.tick_params(axis="y", length=0)
    groups = course["group"].astype(str).tolist()
    for place, group in enumerate(groups):
        if place and group != groups[place - 1]:
            ax.axhline(place - 0.5, color=GRID, linewidth=0.8)
        if group not in groups[:place] and group != ALL:
            middle = place + (groups.count(group) - 1) / 2
            ax.annotate(group_name(group, by), (0, middle), xycoords=("axes fraction", "data"),
                        xytext=(-44, 0), textcoords="offset points", ha="right", va="center",
                        fontweight="bold")  # fmt: skip


def _swimmer_legend(ax: Any, assessments: pd.DataFrame, course: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    found = set(assessments["response"])
    handles: list[Any] = [
        Patch(facecolor=colour, edgecolor=QUIET, linewidth=0.4, label=word)
        for word, colour in RESPONSE_COLOURS.items()
        if word in found and not (word == "RELAPSE" and "PD" in found)
    ]
    handles.append(
        Patch(facecolor=NOT_ASSESSED, edgecolor=QUIET, linewidth=0.4, label="before first assessment")
    )
    for name, (word, marker, colour, filled) in EVENT_MARKS.items():
        if name in course.columns and course[name].notna().any():
            handles.append(
                Line2D([], [], linestyle="", marker=marker, markersize=7, color=colour, label=word,
                       markerfacecolor=colour if filled else "white",
                       markeredgewidth=1.6 if marker == "x" else 0.8),
            )  # fmt: skip
    if (course["end_event"] == "LAST_CONTACT").any():
        handles.append(
            Line2D([], [], linestyle="", marker=">", markersize=6, color=INK, label="alive at last contact")
        )
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.12, 1.0), ncols=-(-len(handles) // 3),
              borderaxespad=0.2, borderpad=0, handlelength=1.3, columnspacing=1.2, fontsize=8)  # fmt: skip


@in_house_style
def response_rates(
    result: Any, ax: Any = None, *, population: str = "INFUSED", group: str = ALL,
    visits: Sequence[str] | None = None, names: Mapping[str, str] | None = None,
) -> Any:  # fmt: skip
    """Response rates by visit and strategy with exact limits and counts.

    Parameters
    ----------
    result : ResponseResult
        Its `.summary`: visit, strategy, population, group, n_responder, n, estimate, ci_low, ci_high
        (fractions).
    ax : Axes, optional
        Where to draw; a new figure by default.
    population, group : str
        Which denominator and which group.
    visits : sequence of str, optional
        Which visits; all of them by default.
    names : mapping, optional
        Words for the strategies.

    Returns
    -------
    Axes
    """
    rows = result.summary
    rows = rows[(rows["population"] == population) & (rows["group"] == group)]
    chosen = list(dict.fromkeys(rows["visit"])) if visits is None else list(visits)
    lanes = [(visit, row) for visit in chosen for row in rows[rows["visit"] == visit].to_dict("records")]
    if ax is None:
        ax = blank(7.2, 0.8 + 0.235 * max(len(lanes), 2), left=2.6, right=1.1, top=0.3, bottom=0.5)
    if not lanes:
        return nothing_to_draw(ax, f"no {population.lower()} subjects")
    percent_axis(ax, label="Responders (%) with exact limits", axis="x")
    strategies = list(dict.fromkeys(row["strategy"] for _, row in lanes))
    for place, (visit, row) in enumerate(lanes):
        number = strategies.index(row["strategy"])
        colour = STRATEGY_COLOURS[number % 5]
        ax.hlines(place, 100 * row["ci_low"], 100 * row["ci_high"], color=colour, linewidth=1.8)
        ax.plot(100 * row["estimate"], place, linestyle="", marker=STRATEGY_MARKERS[number % 6],
                markersize=5.5, color=colour)  # fmt: skip
        ax.annotate(f"{int(row['n_responder'])}/{int(row['n'])}", (1.03, place), va="center", fontsize=8.5,
                    xycoords=("axes fraction", "data"), annotation_clip=False)  # fmt: skip
        if place == 0 or lanes[place - 1][0] != visit:
            ax.annotate(visit, (0, place), xycoords=("axes fraction", "data"), xytext=(-178, 0),
                        fontweight="bold", textcoords="offset points", ha="left", va="center")  # fmt: skip
            if place:
                ax.axhline(place - 0.5, color=QUIET, linewidth=0.5)
    ax.set_ylim(len(lanes) - 0.5, -0.5)
    words = names or {}
    ax.set_yticks(range(len(lanes)), [words.get(row["strategy"], row["strategy"]) for _, row in lanes])
    ax.tick_params(axis="y", length=0)
    ax.annotate("responders/n", (1.03, 1.0), xycoords="axes fraction", xytext=(0, 6),
                textcoords="offset points", fontsize=8, color=QUIET, annotation_clip=False)  # fmt: skip
    return ax
