"""Figure of the way from leukapheresis to infusion, one line per enrolled subject.

Here: drawing of the days that a result holds. Not here: any date.
"""

from collections.abc import Mapping
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
    nothing_to_draw,
    ordered,
    short_ids,
)

PARTS = (
    ("leukapheresis_to_start_days", "to start of manufacture", "#BBBBBB"),
    ("start_to_release_days", "manufacture", "#4477AA"),
    ("release_to_infusion_days", "release to infusion", "#66CCEE"),
)


@in_house_style
def vein_to_vein(result: Any, ax: Any = None, *, by: str | None = "dose_level") -> Any:
    """Days since leukapheresis of every enrolled subject, up to the infusion.

    Parameters
    ----------
    result : VeinToVeinResult
        Its `.subjects`: group, infused, reason and the intervals in days.
    ax : Axes, optional
        Where to draw; a new figure by default.
    by : str or None
        What the groups are; dose levels are named `DL 1`.

    Returns
    -------
    Axes
    """
    rows = _lines(result.subjects)
    height = 0.95 + 0.24 * max(len(rows), 3)
    ax = blank(7.2, height, left=1.1, right=0.2, top=0.35, bottom=0.55) if ax is None else ax
    if not rows:
        return nothing_to_draw(ax, "nobody enrolled")
    ends = [_draw(ax, place, row) for place, row in enumerate(rows)]
    if not any(ends):
        ax.clear()
        return nothing_to_draw(ax, "no dates")
    names = short_ids([str(row["subject_id"]) for row in rows])
    labels = [f"{group_name(str(row['group']), by)}  {names[str(row['subject_id'])]}" for row in rows]
    ax.set_yticks(range(len(rows)), labels)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, 1.3 * max(ends))
    ax.set_xlabel("Days since leukapheresis")
    ax.grid(axis="x", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
    _legend(ax)
    return ax


def _lines(subjects: Any) -> list[Mapping[Any, Any]]:
    """Subjects by group, in the order of the table."""
    rows = subjects.to_dict("records")
    order = {label: place for place, label in enumerate(ordered([str(row["group"]) for row in rows]))}
    return sorted(rows, key=lambda row: order[str(row["group"])])


def _draw(ax: Any, place: int, row: Mapping[Any, Any]) -> float:
    """The parts that are known one after the other, the infusion or the reason; returns where it ends."""
    start = 0.0
    for name, _, colour in PARTS:
        days = row[name]
        if np.isnan(days):
            break
        ax.barh(place, days, left=start, height=0.6, color=colour, linewidth=0)
        start += days
    total = row["vein_to_vein_days"]
    if not np.isnan(total):
        if start < total:  # A date in between is missing: the rest is one grey line.
            ax.plot([start, total], [place, place], color=QUIET, linewidth=1.0)
        ax.plot(total, place, marker="o", markersize=5, color=INK, linestyle="")
        _beside(ax, total, place, f"{total:.0f}", INK)
        return float(total)
    said = str(row["reason"]).lower().replace("not stated", "not infused, reason not stated")
    said = said if row["infused"] != 1 else "infused, dates missing"
    _beside(ax, start, place, said, QUIET)
    return start


def _beside(ax: Any, day: float, place: float, words: str, colour: str) -> None:
    """Words to the right of a day, clear of its mark; blanks before them would be lost in a vector figure."""
    ax.annotate(words, (day, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8,
                color=colour)  # fmt: skip


def _legend(ax: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(color=colour, label=label) for _, label, colour in PARTS]
    handles.append(Line2D([], [], color=INK, marker="o", markersize=5, linestyle="", label="infusion"))
    legend_above(ax, handles)
