"""Figures of safety: dose-limiting toxicity, adverse events, CRS and ICANS by episode.

Here: drawing of counts and limits that a result holds. Not here: any count, and courses by day
(`figures_courses`).
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from cart7.report.canvas import (
    ALL,
    GRID,
    INK,
    QUIET,
    blank,
    group_name,
    in_house_style,
    legend_above,
    look,
    nothing_to_draw,
    ordered,
    percent_axis,
    short_ids,
)
from cart7.report.figures_survival import cumulative_incidence
from cart7.report.words import AE_LINES

# Tol's iridescent-to-dark sequence of yellow to brown: darker is worse, also in grey print.
GRADES = ("#FFF0B8", "#FEC44F", "#EC7014", "#B03A04", "#5A1F04")
GRADE_INK = (INK, INK, INK, "white", "white")


@in_house_style
def dlt_rates(result: Any, ax: Any = None, *, by: str | None = "dose_level") -> Any:
    """Dose-limiting toxicity by dose level with exact limits and counts.

    Parameters
    ----------
    result : DltResult
        Its `.summary`: group, n, n_dlt, estimate, ci_low, ci_high, upper_one_sided (fractions).
    ax : Axes, optional
        Where to draw; a new figure by default.
    by : str or None
        What the groups are; dose levels are named `DL 1`.

    Returns
    -------
    Axes
    """
    summary = result.summary.set_index("group")
    levels = ordered(summary.index)
    if ax is None:
        ax = blank(7.2, 0.95 + 0.34 * max(len(levels), 1), left=0.75, right=1.3, top=0.35, bottom=0.5)
    if not levels:
        return nothing_to_draw(ax, "nobody treated")
    percent_axis(ax, label="Subjects with a DLT (%)", axis="x")
    for place, level in enumerate(levels):
        row, style = summary.loc[level], look(level, levels)
        ax.hlines(place, 100 * row["ci_low"], 100 * row["ci_high"], color=style.colour, linewidth=1.8)
        ax.plot(
            100 * row["estimate"], place, marker=style.marker, color=style.colour, markersize=6, linestyle=""
        )
        if "upper_one_sided" in summary.columns:
            ax.plot(100 * row["upper_one_sided"], place, marker="|", markersize=9, color=INK, linestyle="")
        ax.annotate(f"{int(row['n_dlt'])}/{int(row['n'])}", (1.02, place), xycoords=("axes fraction", "data"),
                    va="center", fontsize=8.5, annotation_clip=False)  # fmt: skip
    ax.annotate("DLT/evaluable", (1.02, 1.0), xycoords="axes fraction", xytext=(0, 6),
                textcoords="offset points", fontsize=8, color=QUIET, annotation_clip=False)  # fmt: skip
    ax.set_ylim(len(levels) - 0.5, -0.5)
    ax.set_yticks(range(len(levels)), [group_name(level, by) for level in levels])
    _rate_legend(ax, "upper_one_sided" in summary.columns)
    return ax


def _rate_legend(ax: Any, one_sided: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=QUIET, marker="o", markersize=5, linewidth=1.8, label="rate, exact 95 % limits")
    ]
    if one_sided:
        handles.append(
            Line2D(
                [], [], color=INK, marker="|", markersize=9, linestyle="", label="one-sided 95 % upper limit"
            )
        )
    legend_above(ax, handles)


@in_house_style
def ae_by_grade(result: Any, ax: Any = None, *, group: str = ALL, terms: int = 20) -> Any:
    """Subjects by worst grade of each adverse event term, the most frequent terms first.

    Parameters
    ----------
    result : ByTermResult
        Its `.summary`: level, pt, group, n, n_subjects, grade_1 .. grade_5, grade_missing (subjects).
    ax : Axes, optional
        Where to draw; a new figure by default.
    group : str
        Which group.
    terms : int
        How many terms at most.

    Returns
    -------
    Axes
    """
    rows = result.summary[(result.summary["level"] == "PT") & (result.summary["group"] == group)]
    rows = rows[rows["n_subjects"] > 0].sort_values(
        ["n_subjects", "grade_ge3", "pt"], ascending=[False, False, True], kind="stable"
    )
    rows = rows.head(terms)
    if ax is None:
        ax = blank(7.2, 0.95 + 0.2 * max(len(rows), 3), left=2.5, right=0.2, top=0.35, bottom=0.5)
    if rows.empty:
        return nothing_to_draw(ax, "no adverse events")
    start = np.zeros(len(rows))
    columns = [f"grade_{grade}" for grade in range(1, 6)] + ["grade_missing"]
    for number, column in enumerate(columns):
        width = rows[column].to_numpy(dtype=float)
        known = number < 5
        if not width.any():
            continue
        ax.barh(range(len(rows)), width, left=start, height=0.74, color=GRADES[number] if known else "white",
                edgecolor=QUIET, linewidth=0.4, hatch="" if known else "////",
                label=f"grade {number + 1}" if known else "grade missing")  # fmt: skip
        for place in np.flatnonzero(width):
            ax.text(start[place] + width[place] / 2, place, str(int(width[place])), ha="center",
                    va="center", fontsize=7.5, color=GRADE_INK[number] if known else INK)  # fmt: skip
        start += width
    n = int(rows["n"].max())
    ax.set_xlim(0, max(n, 1))
    step = max(1, -(-n // 10))
    ax.set_xticks(range(0, n + 1, step))
    ax.set_xlabel(f"Subjects by worst grade (of {n})")
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_yticks(range(len(rows)), [_short(str(term), 40) for term in rows["pt"]])
    ax.tick_params(axis="y", length=0)
    legend_above(ax, columns=6, start=-0.3)
    return ax


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


@in_house_style
def aesi_map(
    result: Any, ax: Any = None, *, groups: dict[str, str] | None = None, by: str | None = "dose_level"
) -> Any:
    """First episode of CRS, ICANS and HLH of every subject who had one: onset, duration, worst grade.

    Parameters
    ----------
    result : SpecialInterestResult
        Its `.subjects`: subject_id, category, n_episodes, onset_day, duration_days, max_grade.
    ax : Axes, optional
        Where to draw; a new figure by default.
    groups : dict, optional
        Group (dose level) of each subject_id, to sort and name them.
    by : str or None
        What the groups are; dose levels are named `DL 1`.

    Returns
    -------
    Axes
    """
    rows = result.subjects.dropna(subset=["onset_day"])
    groups = groups or {}
    names = sorted(rows["subject_id"].astype(str).unique(), key=lambda name: (groups.get(name, ""), name))
    lanes = [(name, category) for name in names for category in sorted(rows["category"].unique())
             if ((rows["subject_id"] == name) & (rows["category"] == category)).any()]  # fmt: skip
    if ax is None:
        ax = blank(7.2, 0.95 + 0.23 * max(len(lanes), 3), left=1.6, right=0.2, top=0.35, bottom=0.5)
    if not lanes:
        return nothing_to_draw(ax, "no CRS, ICANS or HLH")
    labels = short_ids(names)
    for place, (name, category) in enumerate(lanes):
        row = rows[(rows["subject_id"] == name) & (rows["category"] == category)].iloc[0]
        _episode(ax, place, row)
        level = groups.get(name, "")
        first = place == 0 or lanes[place - 1][0] != name
        words = (
            f"{group_name(level, by)}  {labels[name]}" if level and first else labels[name] if first else ""
        )
        ax.annotate(words, (0, place), xycoords=("axes fraction", "data"), xytext=(-50, 0),
                    textcoords="offset points", ha="right", va="center", fontsize=8.5)  # fmt: skip
        if first and place:
            ax.axhline(place - 0.5, color=GRID, linewidth=0.6)
    end = rows["onset_day"] + rows["duration_days"].fillna(1)
    ax.set_xlim(min(-0.5, float(rows["onset_day"].min()) - 0.5), max(float(end.max()) + 1, 15))
    ax.set_xlabel("Days since infusion")
    ax.set_ylim(len(lanes) - 0.5, -0.5)
    ax.set_yticks(range(len(lanes)), [category for _, category in lanes])
    ax.tick_params(axis="y", length=0)
    _grade_legend(ax, rows["max_grade"])
    return ax


def _episode(ax: Any, place: int, row: Any) -> None:
    length = 1.0 if pd.isna(row["duration_days"]) else float(row["duration_days"])
    grade = None if pd.isna(row["max_grade"]) else int(row["max_grade"])
    shade = "white" if grade is None else GRADES[min(max(grade, 1), 5) - 1]
    ax.barh(
        place, length, left=float(row["onset_day"]), height=0.72, color=shade, edgecolor=QUIET, linewidth=0.5
    )
    if int(row["n_episodes"]) > 1:
        ax.annotate(f"{int(row['n_episodes'])} episodes", (float(row["onset_day"]) + length, place),
                    xytext=(4, 0),
                    textcoords="offset points", va="center", fontsize=8, color=QUIET)  # fmt: skip
    ax.text(float(row["onset_day"]) + length / 2, place, "?" if grade is None else str(grade), ha="center",
            va="center", fontsize=8, color=INK if grade is None else GRADE_INK[min(max(grade, 1),
                                                                                   5) - 1])  # fmt: skip


def _grade_legend(ax: Any, grades: pd.Series) -> None:
    from matplotlib.patches import Patch

    found = sorted({int(grade) for grade in grades.dropna() if 1 <= grade <= 5})
    handles = [Patch(facecolor=GRADES[grade - 1], edgecolor=QUIET, linewidth=0.5,
                     label=f"worst grade {grade}")
               for grade in found]  # fmt: skip
    legend_above(ax, handles, columns=5)


@in_house_style
def ae_overview(
    result: Any, ax: Any = None, *, group: str = ALL, names: Mapping[str, str] | None = None
) -> Any:
    """Subjects with each kind of adverse event, with exact limits and counts.

    Parameters
    ----------
    result : OverviewResult
        Its `.summary`: row, group, n, n_subjects, estimate, ci_low, ci_high (fractions).
    ax : Axes, optional
        Where to draw; a new figure by default.
    group : str
        Which group.
    names : mapping, optional
        Words for the rows.

    Returns
    -------
    Axes
    """
    rows = result.summary[result.summary["group"] == group].to_dict("records")
    words = AE_LINES if names is None else names
    lanes = [
        (words.get(row["row"], row["row"]), 100 * row["estimate"], 100 * row["ci_low"], 100 * row["ci_high"],
         f"{int(row['n_subjects'])}/{int(row['n'])}")
        for row in rows
    ]  # fmt: skip
    return _lanes(lanes, ax, label="Subjects (%) with exact limits", counts="subjects/n", limit=100.0)


@in_house_style
def ae_rates(result: Any, ax: Any = None, *, group: str = ALL, terms: int = 20) -> Any:
    """Adverse events per 100 person-years by system organ class, with exact Poisson limits.

    Parameters
    ----------
    result : ExposureAdjustedResult
        Its `.summary`: level, soc, group, n_events, followup_years, event_rate, event_ci_low, event_ci_high.
    ax : Axes, optional
        Where to draw; a new figure by default.
    group : str
        Which group.
    terms : int
        How many classes at most.

    Returns
    -------
    Axes
    """
    rows = result.summary[(result.summary["group"] == group) & (result.summary["level"] == "SOC")]
    lanes = [
        (_short(str(row["soc"]), 54), row["event_rate"], row["event_ci_low"], row["event_ci_high"],
         f"{int(row['n_events'])}")
        for row in rows.head(terms).to_dict("records")
    ]  # fmt: skip
    return _lanes(lanes, ax, label="Events per 100 person-years", counts="events", limit=None)


Lane = tuple[str, float, float, float, str]


def _lanes(lanes: Sequence[Lane], ax: Any, *, label: str, counts: str, limit: float | None) -> Any:
    """One line per row: estimate with limits, and its count on the right."""
    left = 0.35 + 0.068 * max((len(name) for name, *_ in lanes), default=20)
    ax = (
        blank(7.2, 0.85 + 0.21 * max(len(lanes), 3), left=max(left, 1.5), right=0.9, top=0.3, bottom=0.5)
        if ax is None
        else ax
    )
    if not lanes:
        return nothing_to_draw(ax, "no adverse events")
    if limit is not None:
        percent_axis(ax, label=label, axis="x")
    for place, (_, estimate, low, high, text) in enumerate(lanes):
        ax.hlines(place, low, high, color="#4477AA", linewidth=1.6)
        ax.plot(estimate, place, marker="o", color="#4477AA", markersize=4.5, linestyle="")
        ax.annotate(text, (1.03, place), xycoords=("axes fraction", "data"), va="center", fontsize=8,
                    annotation_clip=False)  # fmt: skip
    if limit is None:
        ax.set_xlim(left=0)
        ax.set_xlabel(label)
        ax.grid(axis="x", color=GRID, linewidth=0.5)
    ax.annotate(counts, (1.03, 1.0), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points",
                fontsize=8, color=QUIET, annotation_clip=False)  # fmt: skip
    ax.set_ylim(len(lanes) - 0.5, -0.5)
    ax.set_yticks(range(len(lanes)), [name for name, *_ in lanes])
    ax.tick_params(axis="y", length=0)
    return ax


@in_house_style
def ae_incidence(
    result: Any, ax: Any = None, *, term: str = "", group: str = ALL, names: Mapping[str, str] | None = None
) -> Any:
    """Cumulative incidence of an adverse event, with death without it as the competing event.

    Parameters
    ----------
    result : EventIncidenceResult
        Its `.curve`: term, group, cause, time (days), n_risk, estimate, ci_low, ci_high.
    ax : Axes, optional
        Where to draw; a new figure by default.
    term : str
        Which line or term; the first by default.
    group : str
        Which group.
    names : mapping, optional
        Words for the lines.

    Returns
    -------
    Axes
    """
    curve = result.curve
    term = term or (str(curve["term"].iloc[0]) if len(curve) else "")
    words = (names or {}).get(term, AE_LINES.get(term, term))
    shown = SimpleNamespace(curve=curve[curve["term"] == term])
    causes = {1: words, 2: "death without it"}
    return cumulative_incidence(shown, ax, group=group, causes=causes)
