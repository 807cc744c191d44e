"""Figure of the integrated RP2D score: desirability by dose level with its uncertainty.

Here: drawing of scores, gates and probabilities that a result holds. Not here: any score.
"""

from typing import Any

import numpy as np

from cart7.report.canvas import (
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
    short_ids,
    strip_below,
)


@in_house_style
def dose_profile(result: Any, ax: Any = None, *, by: str | None = "dose_level") -> Any:
    """Expected score by dose level with its credible interval; gates and P(best) below.

    Parameters
    ----------
    result : DoseScore
        Its `.summary`: dose_level, admissible, expected_score, ci_low, ci_high, prob_best.
    ax : Axes, optional
        Where to draw; a new figure by default.
    by : str or None
        What the groups are; dose levels are named `DL 1`.

    Returns
    -------
    Axes
    """
    levels = [_label(level) for level in result.summary["dose_level"]]
    rows = dict(zip(levels, result.summary.to_dict("records"), strict=True))
    levels = ordered(levels)
    ax = blank(7.2, 3.2, left=1.1, right=0.2, top=0.35, bottom=0.75) if ax is None else ax
    if not levels:
        return nothing_to_draw(ax, "no dose level")
    for place, level in enumerate(levels):
        row, style = rows[level], look(level, levels)
        ax.vlines(place, row["ci_low"], row["ci_high"], color=style.colour, linewidth=2.2)
        open_mark = not bool(row["admissible"])
        ax.plot(place, row["expected_score"], marker=style.marker, markersize=9, color=style.colour,
                linestyle="",
                markerfacecolor="white" if open_mark else style.colour, markeredgewidth=1.5)  # fmt: skip
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel("Score (0 worst, 1 best)")
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.set_xlim(-0.5, len(levels) - 0.5)
    ax.set_xticks(range(len(levels)), [group_name(level, by) for level in levels])
    best = [
        "–" if np.isnan(rows[level]["prob_best"]) else f"{100 * rows[level]['prob_best']:.0f} %"
        for level in levels
    ]
    gates = ["passed" if bool(rows[level]["admissible"]) else "not passed" for level in levels]
    strip_below(ax, list(range(len(levels))), [("Gates", INK, gates), ("P(best)", INK, best)], offset=28)
    _score_legend(ax)
    return ax


def _label(level: object) -> str:
    return f"{level:g}" if isinstance(level, int | float) else str(level)


def _score_legend(ax: Any) -> None:
    from matplotlib.lines import Line2D

    mark: dict[str, Any] = {"color": QUIET, "marker": "o", "markersize": 8, "linewidth": 2.2}
    legend_above(ax,
                 [
        Line2D([], [], **mark, label="expected score, 95 % credible interval"),
        Line2D([], [], **mark, markerfacecolor="white", label="outside the gates"),
    ])  # fmt: skip


@in_house_style
def cell_dose(result: Any, ax: Any = None) -> Any:
    """Dose received by every subject against the planned dose and its limits, first infusion.

    Parameters
    ----------
    result : CellDoseResult
        Its `.subjects`: subject_id, infusion_no, dose_1e6_kg, planned_dose_1e6_kg (10^6 cells/kg).
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
    """
    rows = result.subjects[result.subjects["infusion_no"] == 1].sort_values("subject_id", kind="stable")
    ax = blank(7.2, 3.0, left=0.8, right=0.2, top=0.35, bottom=0.5) if ax is None else ax
    if rows.empty:
        return nothing_to_draw(ax, "no infusion")
    place = np.arange(len(rows))
    planned = rows["planned_dose_1e6_kg"].to_numpy(dtype=float)
    share = getattr(result.rules, "limit_percent", 20.0) / 100
    ax.vlines(
        place,
        planned * (1 - share),
        planned * (1 + share),
        color=GRID,
        linewidth=9,
        label="planned, with limits",
    )
    ax.plot(place, planned, linestyle="", marker="_", markersize=13, color=QUIET)
    ax.plot(place, rows["dose_1e6_kg"].to_numpy(dtype=float), linestyle="", marker="o", markersize=5,
            color="#4477AA", label="received")  # fmt: skip
    ax.set_ylim(bottom=0)
    ax.set_ylabel("Dose (10⁶ viable CAR+ cells/kg)")
    labels = short_ids([str(name) for name in rows["subject_id"]])
    ax.set_xticks(place, [labels[str(name)] for name in rows["subject_id"]])
    legend_above(ax)
    return ax
