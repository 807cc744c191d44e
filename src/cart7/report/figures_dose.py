"""Figures of dose: the score by level, what its weights change, cells received, what a design does.

Here: drawing of scores, gates, probabilities and characteristics that a result holds. Not here: any score or
simulation; the way from the vein to the infusion (`figures_supply`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

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
    ax = blank(7.2, 3.2, left=1.1, right=0.2, top=0.35, bottom=0.9) if ax is None else ax
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
    choice = ["recommended" if level == _level_or_none(result.recommended_level) else "" for level in levels]
    rows_below = [("Gates", INK, gates), ("P(best)", INK, best), ("Choice", INK, choice)]
    strip_below(ax, list(range(len(levels))), rows_below, offset=28)
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


@in_house_style
def weight_sensitivity(result: Any, ax: Any = None, *, by: str | None = "dose_level") -> Any:
    """Recommended level along the weight of each criterion, with the weight in force.

    Parameters
    ----------
    result : DoseScore
        Its `.weight_sweep`: criterion, weight_low, weight_high, recommended_level; its `.rules`: the weights.
    ax : Axes, optional
        Where to draw; a new figure by default.
    by : str or None
        What the groups are; dose levels are named `DL 1`.

    Returns
    -------
    Axes
    """
    sweep = result.weight_sweep
    criteria = list(dict.fromkeys(sweep["criterion"])) if len(sweep) else []
    height = 0.95 + 0.36 * max(len(criteria), 2)
    ax = blank(7.2, height, left=1.1, right=0.2, top=0.4, bottom=0.55) if ax is None else ax
    if not criteria:
        return nothing_to_draw(ax, "one criterion alone: its weight changes nothing")
    levels = [_label(level) for level in result.summary["dose_level"]]
    stretches = _stretches(sweep)
    for criterion, low, high, level in stretches:
        place, width = criteria.index(criterion), high - low
        colour = GRID if level == NONE else look(level, levels).colour
        ax.barh(place, width, left=low, height=0.62, color=colour, linewidth=0)
        if width > 0.07:
            said = NONE if level == NONE else group_name(level, by)
            ax.text((low + high) / 2, place, said, ha="center", va="center", fontsize=8,
                    color=INK if level == NONE else "white")  # fmt: skip
    weights = {criterion.name: criterion.weight for criterion in result.rules.criteria}
    total = sum(weights.values())
    for place, name in enumerate(criteria):
        ax.plot([weights[name] / total] * 2, [place - 0.44, place + 0.44], color=INK, linewidth=1.8)
    ax.set_ylim(len(criteria) - 0.4, -0.6)
    ax.set_yticks(range(len(criteria)), criteria)
    ax.set_xlim(0, 1)
    ax.set_xlabel("Weight of the criterion (share of 1); the others keep their proportions")
    chosen = {level for *_, level in stretches}
    _sweep_legend(ax, ordered(chosen - {NONE}), levels, none=NONE in chosen, by=by)
    return ax


def _stretches(sweep: pd.DataFrame) -> list[tuple[str, float, float, str]]:
    """Criterion, weight from, weight to and recommended level; neighbours with the same level are one.

    A stretch begins and ends half way between two weights that were looked at.
    """
    found: list[tuple[str, float, float, str]] = []
    for row in sweep.to_dict("records"):
        name, level = str(row["criterion"]), _level_or_none(row["recommended_level"])
        low, high = max(row["weight_low"] - 0.005, 0.0), min(row["weight_high"] + 0.005, 1.0)
        if found and (found[-1][0], found[-1][3]) == (name, level):
            low = found.pop()[1]
        found.append((name, low, high, level))
    return found


NONE = "none"


def _level_or_none(level: Any) -> str:
    missing = level is None or level is pd.NA or (isinstance(level, float) and np.isnan(level))
    return NONE if missing else _label(level)


def _sweep_legend(ax: Any, chosen: Sequence[str], levels: Sequence[str], *, none: bool,
                  by: str | None) -> None:  # fmt: skip
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(color=look(level, levels).colour, label=group_name(level, by)) for level in chosen
    ]
    handles += [Patch(color=GRID, label="none")] if none else []
    handles.append(Line2D([], [], color=INK, linewidth=1.8, label="weight in force"))
    legend_above(ax, handles)


@in_house_style
def operating_characteristics(results: Any, ax: Any = None) -> Any:
    """How often each level is selected and how many subjects it gets, per scenario.

    Parameters
    ----------
    results : OperatingCharacteristics or mapping of str to OperatingCharacteristics
        Scenarios by name, one row of panels each: `.selection`, `.n_per_level`, `.dlt_per_level`,
        `.true_dlt`, `.design`.
    ax : sequence of two Axes, optional
        Where to draw one scenario; a new figure by default.

    Returns
    -------
    Figure
    """
    from matplotlib.figure import Figure

    scenarios = dict(results) if isinstance(results, Mapping) else {"": results}
    if ax is not None:
        if len(scenarios) != 1 or len(ax) != 2:
            raise ValueError("ax must be two Axes, for one scenario")
        (name, only), (left, right) = next(iter(scenarios.items())), ax
        _selections(left, only, name)
        _subjects(right, only)
        return left.figure
    rows = len(scenarios)
    height = 0.75 + 1.75 * rows
    figure = Figure(figsize=(7.2, height))
    axes = figure.subplots(rows, 2, squeeze=False)
    figure.subplots_adjust(left=0.09, right=0.985, bottom=0.68 / height, top=1 - 0.3 / height, hspace=0.75,
                           wspace=0.2)  # fmt: skip
    most = max(float(found.n_per_level["estimate"].max()) for found in scenarios.values())
    for (left, right), (name, found) in zip(axes, scenarios.items(), strict=True):
        _selections(left, found, name)
        _subjects(right, found)
        right.set_ylim(0, 1.18 * most)
    axes[-1][0].set_xlabel("Dose level and its true DLT rate")
    legend_above(axes[0][1])
    return figure


def _selections(ax: Any, found: Any, name: str) -> None:
    """Selection probabilities with twice their Monte-Carlo error; the last is none."""
    table = found.selection
    labels = [_level_or_none(level) for level in table["level"]]
    place = np.arange(len(labels))
    share, error = (100 * table[column].to_numpy(dtype=float) for column in ("estimate", "mcse"))
    colours = [QUIET if label == NONE else look(label, labels).colour for label in labels]
    ax.bar(place, share, width=0.62, color=colours)
    if error.any():
        ax.errorbar(place, share, yerr=2 * error, linestyle="", color=INK, linewidth=1.0, capsize=2)
    for at, value in zip(place, share, strict=True):
        ax.text(at, value + 2 * error[at] + 2, f"{value:.1f}", ha="center", va="bottom", fontsize=7.5)
    ax.set_ylim(0, 118)
    ax.set_yticks([0, 25, 50, 75, 100])
    ax.set_ylabel("Selected (%)")
    rates = [f"{round(100 * rate, 1):g} %" for rate in found.true_dlt]
    ticks = [f"DL {label}\n{rate}" for label, rate in zip(labels, rates, strict=False)]
    ax.set_xticks(place, [*ticks, "none"], fontsize=8)
    how = "exact" if found.method == "exact" else f"{found.n_trials:,} trials"
    ax.set_title(" · ".join(filter(None, (name, f"{type(found.design).__name__}, {how}"))), loc="left",
                 fontsize=8.5)  # fmt: skip


def _subjects(ax: Any, found: Any) -> None:
    """Mean number of subjects per level, and how many of them have a DLT."""
    n, dlt = (table["estimate"].to_numpy(dtype=float) for table in (found.n_per_level, found.dlt_per_level))
    labels = [_label(int(level)) for level in found.n_per_level["level"]]
    place = np.arange(len(labels))
    ax.bar(place, n, width=0.62, color=GRID, label="subjects")
    ax.bar(place, dlt, width=0.62, color=QUIET, label="with DLT")
    for at, value in zip(place, n, strict=True):
        ax.text(at, value, f"{value:.1f}", ha="center", va="bottom", fontsize=7.5)
    ax.set_xticks(place, [f"DL {label}" for label in labels], fontsize=8)
    ax.set_ylim(0, 1.18 * max(float(n.max()), 1.0))
    ax.set_ylabel("Subjects per trial")
