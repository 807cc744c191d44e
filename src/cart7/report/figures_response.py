"""Figures of response: courses (swimmer), best change of burden (waterfall), rates by visit and strategy.

Here: drawing of lanes, events, changes and rates that a result holds. Not here: any rate.
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
    legend_above,
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
NOT_KNOWN = "#E6E6E6"
NOT_ASSESSED = "#F1F1F1"
NO_LANES = pd.DataFrame({"subject_id": [], "response": [], "start_day": [], "end_day": []})
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
        Its `.lanes()`, the intervals between assessments; and, without `course`, its `.events`: subject_id,
        event, day.
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
    course = _course(result) if course is None else course
    lanes = NO_LANES if result is None else result.lanes(course)
    levels = ordered(course["group"].astype(str))
    course = course.assign(
        _level=[levels.index(str(level)) for level in course["group"]],
        subject_id=course["subject_id"].astype(str),
    ).sort_values(["_level", "subject_id"], kind="stable")
    n = len(course)
    if ax is None:
        ax = blank(7.4, 1.25 + 0.27 * max(n, 2), left=1.15, right=0.2, top=0.72, bottom=0.5)
    if not n:
        return nothing_to_draw(ax, "nobody infused")
    for place, row in enumerate(course.to_dict("records")):
        _lane(ax, place, row, lanes[lanes["subject_id"] == row["subject_id"]])
    ends = [
        course["end_day"],
        lanes["end_day"],
        *(course[name] for name in EVENT_MARKS if name in course.columns),
    ]
    day_axis(ax, float(pd.concat(ends).max()) * 1.03)
    _lane_names(ax, course, by)
    _swimmer_legend(ax, lanes, course)
    return ax


def _course(result: Any) -> pd.DataFrame:
    """The course of each subject from the result's own events, when nobody hands one over."""
    names = list(dict.fromkeys(str(name) for name in result.subjects["subject_id"]))
    first = result.events.groupby(["subject_id", "event"])["day"].min()
    course = pd.DataFrame({"subject_id": names, "group": ALL})
    for name in (*EVENT_MARKS, "LAST_CONTACT", "DATA_CUTOFF"):
        course[name] = [float(first.get((subject, name), np.nan)) for subject in names]
    last = result.assessments.groupby("subject_id")["day"].max().reindex(names).to_numpy(dtype=float)
    end = course["DEATH"].fillna(course["LAST_CONTACT"]).fillna(course["DATA_CUTOFF"])
    dead = course["DEATH"].notna()
    return course.assign(
        end_day=end.where(end.notna(), last),
        end_event=np.select([dead, course["LAST_CONTACT"].notna()], ["DEATH", "LAST_CONTACT"], ""),
    )


def _lane(ax: Any, place: int, row: dict[Any, Any], rows: pd.DataFrame) -> None:
    end = np.nanmax([0.0, row["end_day"], *rows["end_day"]])
    ax.barh(place, end, height=0.56, color=NOT_ASSESSED, edgecolor=QUIET, linewidth=0.4)
    for lane in rows.to_dict("records"):
        ax.barh(
            place,
            lane["end_day"] - lane["start_day"],
            left=lane["start_day"],
            height=0.56,
            color=RESPONSE_COLOURS.get(lane["response"], NOT_KNOWN),
            linewidth=0,
        )
    days = rows["start_day"].tolist()
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


def _swimmer_legend(ax: Any, lanes: pd.DataFrame, course: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    found = set(lanes["response"])
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


@in_house_style
def waterfall(result: Any, ax: Any = None, *, lines: Sequence[float] = (), cut: float = 100.0) -> Any:
    """Waterfall plot: best percent change of the tumour burden of each subject, by best response.

    Parameters
    ----------
    result : WaterfallResult
        Its `.subjects`: subject_id, best_percent_change, best_response; and `.measure`.
    ax : Axes, optional
        Where to draw; a new figure by default.
    lines : sequence of float
        Changes to mark (in percent), for instance -50.
    cut : float
        Taller bars end here and carry their number.

    Returns
    -------
    Axes
    """
    rows = result.subjects.assign(subject_id=result.subjects["subject_id"].astype(str))
    known = rows[rows["best_percent_change"].notna()]
    known = known.sort_values(["best_percent_change", "subject_id"], ascending=[False, True], kind="stable")
    if ax is None:
        width = 1.9 + 0.42 * max(len(known), 8)
        ax = blank(min(width, 12.0), 3.3, left=0.9, right=0.2, top=0.35, bottom=0.8)
    if known.empty:
        return nothing_to_draw(ax, "nobody with a change from baseline")
    change = known["best_percent_change"].to_numpy(dtype=float)
    colours = [RESPONSE_COLOURS.get(word, NOT_KNOWN) for word in known["best_response"]]
    place = np.arange(len(known))
    ax.bar(place, np.minimum(change, cut), width=0.74, color=colours, edgecolor=QUIET, linewidth=0.5)
    for at in np.flatnonzero(change > cut):
        ax.plot([at - 0.38, at + 0.38], [0.88 * cut, 0.93 * cut], color="white", linewidth=2.6)
        ax.annotate(f"+{change[at]:.0f}", (at, cut), xytext=(0, 2), textcoords="offset points", ha="center",
                    fontsize=8)  # fmt: skip
    # No change has no bar: a line of its own, so that it is not taken for a missing subject.
    ax.plot(place[change == 0], 0 * place[change == 0], linestyle="", marker="_", markersize=9, color=INK)
    for line in lines:
        ax.axhline(line, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    _waterfall_axes(ax, known, rows[rows["best_percent_change"].isna()], result.measure, cut)
    return ax


def _waterfall_axes(ax: Any, known: pd.DataFrame, absent: pd.DataFrame, measure: str, cut: float) -> None:
    from matplotlib.patches import Patch

    labels = short_ids(sorted({*known["subject_id"], *absent["subject_id"]}))
    top = cut if (known["best_percent_change"] > 0).any() else 0.0
    ax.set_ylim(-104, 1.1 * top + 4)
    ticks = [tick for tick in (-100, -50, 0, 50, 100) if tick <= top] + [cut] * (cut > 100)
    ax.set_yticks(ticks, [f"{tick:+g}".replace("-", "\u2212") if tick else "0" for tick in ticks])
    ax.set_ylabel(f"Best change of {measure} (%)")
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_xlim(-0.7, len(known) - 0.3)
    names = [labels[name] for name in known["subject_id"]]
    steep = sum(len(name) for name in names) > 8 * len(names)
    ax.set_xticks(range(len(names)), names, rotation=90 if steep else 0)
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("Subject", labelpad=2)
    if len(absent):
        words = ", ".join(labels[name] for name in absent["subject_id"])
        shown = words if len(words) <= 60 else f"{len(absent)} subjects"
        down = -48 if steep else -34
        ax.annotate(f"No change known: {shown}", (0, 0), xycoords="axes fraction", xytext=(0, down),
                    textcoords="offset points", fontsize=8, color=QUIET, annotation_clip=False)  # fmt: skip
    found = set(known["best_response"])
    handles = [Patch(facecolor=colour, edgecolor=QUIET, linewidth=0.5, label=word)
               for word, colour in RESPONSE_COLOURS.items() if word in found]  # fmt: skip
    if found - set(RESPONSE_COLOURS):
        handles.append(Patch(facecolor=NOT_KNOWN, edgecolor=QUIET, linewidth=0.5, label="not assessed"))
    legend_above(ax, handles, columns=len(handles))
