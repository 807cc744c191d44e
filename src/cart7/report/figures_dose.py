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
    legend_above,
    look,
    nothing_to_draw,
    ordered,
    strip_below,
)


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
        ax.plot(place, row["expected_score"], marker=style.marker, markersize=9, color=style.colour, linestyle="",
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
    legend_above(ax, [
        Line2D([], [], **mark, label="expected score, 95 % credible interval"),
        Line2D([], [], **mark, markerfacecolor="white", label="outside the gates"),
    ])  # fmt: skip
