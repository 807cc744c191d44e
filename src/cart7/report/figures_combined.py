"""CAR-T cells and CD7+ cells in one figure, subject by subject, and how response was lost.

Here: a panel per subject with both courses and what happened, and lanes of persistence and aplasia with
the relapse on them. Not here: either course alone by dose level (`figures_kinetics`).
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cart7.report.canvas import (
    ALL,
    COLOURS,
    GRID,
    INK,
    QUIET,
    blank,
    day_axis,
    group_name,
    house_style,
    in_house_style,
    nothing_to_draw,
    root_day_axis,
)
from cart7.report.figures_kinetics import (
    brief_ids,
    in_lines,
    inches_of,
    log_scale,
    measure,
    of_assay,
    of_infusion,
    preferred_assay,
    shortened,
    with_blq,
)
from cart7.report.figures_response import EVENT_MARKS

CART, TARGET = COLOURS[0], COLOURS[4]
RELAPSE_COLOURS = {"NEG": "#B2182B", "POS": "#222222", "": "#9A9A9A"}
RELAPSE_WORDS = {"NEG": "CD7-negative relapse or progression", "POS": "CD7-positive",
                 "": "CD7 not recorded"}  # fmt: skip
ESCAPE_WORDS = {
    "NO_EXPANSION": "no expansion",
    "CART_LOST": "CAR-T lost before",
    "CD7_NEGATIVE_CART_PRESENT": "CD7-negative, CAR-T present",
    "CD7_NEGATIVE_CART_LOST": "CD7-negative, CAR-T lost",
    "CD7_NEGATIVE": "CD7-negative, CAR-T not known",
    "CART_PRESENT": "CAR-T present",
    "AFTER_HSCT": "after HSCT",
    "NOT_KNOWN": "CAR-T not known",
    "NO_RELAPSE": "no relapse",
}
_EACH, _HIGH, _LEFT, _RIGHT, _TOP, _BOTTOM, _GAP_X, _GAP_Y = 2.2, 1.3, 0.98, 0.9, 0.62, 0.45, 0.14, 0.36


def cells_and_targets(
    kinetics: Any, targets: Any, ax: Any = None, *, assay: str | None = None, parameter: str | None = None,
    course: pd.DataFrame | None = None, subjects: Sequence[str] | None = None, columns: int = 3,
    by: str | None = "dose_level",
) -> Any:  # fmt: skip
    """CAR-T cells (left axis) and CD7+ cells (right axis) of each subject, a panel each, on log axes.

    Parameters
    ----------
    kinetics : NcaResult
        Its `.points`: subject_id, assay, day (since the first infusion), value, blq, lloq, unit.
    targets : DepletionResult or VisitResult
        Its `.samples`: subject_id, parameter, day, value, blq, lloq; of a DepletionResult also `.subjects`
        with clearance and recovery.
    ax : Axes, optional
        Where to draw, for one subject; by default a new figure with a panel per subject.
    assay, parameter : str, optional
        Which assay and which parameter; by default as in the figures of either.
    course : DataFrame, optional
        subject_id, group and the day of HSCT, SECOND_INFUSION, NEW_THERAPY, PROGRESSION, DEATH.
    subjects : sequence of str, optional
        Who is drawn; by default everybody with a sample of either.
    columns : int
        Panels side by side.
    by : str or None
        What the groups are; dose levels are named `DL 1`.

    Returns
    -------
    Axes or Figure
        The Figure when there are several panels.

    Raises
    ------
    ValueError
        For an Axes and more than one subject.
    """
    points, samples, labels = _both(kinetics, targets, assay, parameter)
    names = _names(points, samples) if subjects is None else [str(name) for name in subjects]
    if ax is not None and len(names) > 1:
        raise ValueError(f"one Axes holds one subject, got {len(names)}: name one in subjects")
    happened = {} if course is None else course.set_index(course["subject_id"].astype(str)).to_dict("index")
    happened = {name: happened.get(name, {}) for name in names}
    with house_style() if ax is None else contextlib.nullcontext():
        axes = _grid(len(names), columns) if ax is None else [ax]
        if not names:
            return nothing_to_draw(axes[0], "no samples")
        spans = _aplasia(targets)
        first, last = _first_and_last(points, samples, happened)
        short = brief_ids(_names(points, samples))
        twins = []
        for name, panel in zip(names, axes, strict=True):
            twins.append(_courses(panel, points, samples, name, labels))
            _events(panel, happened[name])
            _aplasia_bar(panel, spans.get(name))
            root_day_axis(panel, first, last, width=inches_of(panel)[0])
            panel.set_title(_title(short.get(name, name), happened[name], by), fontweight="bold", pad=9)
            panel.set_xlabel("Days since infusion (root scale)")
        if ax is None:
            _outer_labels(axes, twins, labels, columns)
        below = any(rows.loc[rows["subject_id"].astype(str).isin(names), "below"].any()
                    for rows in (points, samples))  # fmt: skip
        _legend(axes[0], happened, below=below, aplasia=bool(spans.keys() & set(names)), own=ax is None)
    return axes[0].figure if len(axes) > 1 else axes[0]


def _first_and_last(
    points: pd.DataFrame, samples: pd.DataFrame, happened: Mapping[str, Mapping[Any, Any]]
) -> tuple[float, float]:
    """First and last day that the panels must hold, what happened included."""
    days = pd.concat([points["day"], samples["day"]]).astype("float64")
    events = [row[name] for row in happened.values() for name in EVENT_MARKS if pd.notna(row.get(name))]
    return float(days.min()), float(max([days.max(), *events]))


def _title(name: str, events: Mapping[Any, Any], by: str | None) -> str:
    group = str(events.get("group", ALL))
    level = "" if group in (ALL, "") else f", {group_name(group, by)}"
    return f"{shortened(name, 1.6)}{level}"


def _both(
    kinetics: Any, targets: Any, assay: str | None, parameter: str | None
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, str]]:
    """Samples of both kinds with values below the limit told apart, and the words of their axes."""
    points = of_infusion(kinetics.points, None)
    chosen = preferred_assay(points, assay)
    points = with_blq(of_assay(points, chosen))
    points = points[points["day"] >= -1]
    samples = targets.samples
    found = list(dict.fromkeys(samples["parameter"].astype(str)))
    named = parameter or next((name for name in found if name.startswith("CD7POS")), (found or [""])[0])
    samples = with_blq(samples[samples["parameter"].astype(str) == named])
    return points, samples, (measure(points, chosen), measure(samples, named))


def _names(points: pd.DataFrame, samples: pd.DataFrame) -> list[str]:
    return sorted({*points["subject_id"].astype(str), *samples["subject_id"].astype(str)})


def _grid(n: int, columns: int) -> list[Any]:
    """`n` panels in rows, all of one size."""
    from matplotlib.figure import Figure

    n, across = max(n, 1), max(min(columns, max(n, 1)), 1)
    down = math.ceil(n / across)
    wide, high = (2.0 * _EACH, 1.6 * _HIGH) if n == 1 else (_EACH, _HIGH)
    width = _LEFT + _RIGHT + across * wide + (across - 1) * _GAP_X
    height = _TOP + _BOTTOM + down * high + (down - 1) * _GAP_Y + 0.2
    with house_style():
        figure = Figure(figsize=(width, height))
    axes = []
    for number in range(n):
        row, column = divmod(number, across)
        left = _LEFT + column * (wide + _GAP_X)
        low = height - _TOP - 0.2 - row * (high + _GAP_Y) - high
        axes.append(figure.add_axes((left / width, low / height, wide / width, high / height)))
    return axes


def _courses(ax: Any, points: pd.DataFrame, samples: pd.DataFrame, name: str, labels: tuple[str, str]) -> Any:
    """Both courses of one subject, each on its own log axis over the values of everybody."""
    twin = ax.twinx()
    drawn = (
        (ax, points, labels[0], CART, "o", "-"),
        (twin, samples, labels[1], TARGET, "s", (0, (4, 1.5))),
    )
    for place, rows, label, colour, marker, dash in drawn:
        log_scale(place, pd.concat([rows["value"], rows["lloq"]]), label=label)
        place.yaxis.label.set_color(colour)
        place.tick_params(axis="y", labelcolor=colour, labelsize=7.5, length=2.5)
        mine = rows[rows["subject_id"].astype(str) == name].sort_values("day", kind="stable")
        at_limit = np.where(mine["below"], mine["lloq"].fillna(place.get_ylim()[0]), np.nan)
        place.plot(mine["day"], np.where(mine["below"], at_limit, mine["value"]), color=colour,
                   linewidth=0.8, alpha=0.35)  # fmt: skip
        place.plot(mine["day"], mine["value"], color=colour, linestyle=dash, linewidth=1.2, marker=marker,
                   markersize=3)  # fmt: skip
        place.plot(mine["day"], at_limit, color=colour, linestyle="", marker="v", markersize=4.2,
                   markerfacecolor="white", markeredgewidth=0.9, clip_on=False)  # fmt: skip
    twin.grid(visible=False)
    twin.spines["right"].set_visible(True)
    return twin


def _events(ax: Any, events: Mapping[Any, Any]) -> None:
    """What happened, as marks on the upper edge with a line down."""
    for name, (_, marker, colour, filled) in EVENT_MARKS.items():
        if name in events and pd.notna(events[name]):
            ax.axvline(events[name], color=colour, linewidth=0.8, alpha=0.55, zorder=0.5)
            ax.plot(events[name], 1.0, transform=ax.get_xaxis_transform(), linestyle="", marker=marker,
                    markersize=6, color=colour, markerfacecolor=colour if filled else "white",
                    markeredgewidth=1.4 if marker == "x" else 0.8, clip_on=False, zorder=6)  # fmt: skip
    ax.axvline(0, color=QUIET, linewidth=0.9, zorder=0.5)


def _aplasia(targets: Any) -> dict[str, tuple[float, float, bool]]:
    """By subject clearance, recovery or last sample, and whether recovered; the cleared only."""
    rows = targets.subjects
    if "clearance_event" not in rows.columns:
        return {}
    cleared = rows[rows["clearance_event"] == 1]
    return {
        str(row["subject_id"]): (row["clearance_time"], row["recovery_time"], row["recovery_event"] == 1)
        for row in cleared.to_dict("records")
    }


def _aplasia_bar(ax: Any, span: tuple[float, float, bool] | None) -> None:
    if span is None:
        return
    start, end, recovered = span
    across = ax.get_xaxis_transform()
    ax.plot([start, end], [0.035, 0.035], transform=across, color=TARGET, linewidth=3.2, alpha=0.6,
            solid_capstyle="butt", zorder=1)  # fmt: skip
    mark = "|" if recovered else ">"
    ax.plot(end, 0.035, transform=across, color=TARGET, marker=mark, markersize=5, markeredgewidth=1.2,
            zorder=2, clip_on=False)  # fmt: skip


def _outer_labels(axes: Sequence[Any], twins: Sequence[Any], labels: tuple[str, str], columns: int) -> None:
    """Words and numbers of the axes stand on the outside of the grid only."""
    across, n = max(min(columns, len(axes)), 1), len(axes)
    for number, (panel, twin) in enumerate(zip(axes, twins, strict=True)):
        column = number % across
        panel.set_ylabel("")
        twin.set_ylabel("")
        panel.set_xlabel("Days since infusion" if number + across >= n else "")
        panel.tick_params(axis="x", labelsize=7.5, labelbottom=number + across >= n)
        panel.tick_params(labelleft=column == 0)
        twin.tick_params(labelright=column == across - 1 or number == n - 1)
    figure = axes[0].figure
    width, height = figure.get_size_inches()
    low, high = axes[-1].get_position().y0, axes[0].get_position().y1
    for label, colour, place, turn in zip(
        labels, (CART, TARGET), (0.24, width - 0.2), (90, 270), strict=True
    ):
        words = in_lines(label, (high - low) * height)
        figure.text(place / width, (low + high) / 2, words, rotation=turn, ha="center", va="center",
                    color=colour)  # fmt: skip


def _legend(
    ax: Any, happened: Mapping[str, Mapping[Any, Any]], *, below: bool, aplasia: bool, own: bool
) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=CART, marker="o", markersize=4, label="CAR-T cells, left axis"),
        Line2D(
            [], [], color=TARGET, marker="s", markersize=4, linestyle="--", label="CD7+ cells, right axis"
        ),
    ]
    if below:
        handles.append(Line2D([], [], linestyle="", marker="v", color=INK, markerfacecolor="white",
                              label="below LLOQ, at LLOQ"))  # fmt: skip
    if aplasia:
        handles.append(Line2D([], [], color=TARGET, linewidth=3.2, alpha=0.6,
                              label="CD7+ cleared, to recovery (>: not yet)"))  # fmt: skip
    for name, (word, marker, colour, filled) in EVENT_MARKS.items():
        if any(name in row and pd.notna(row[name]) for row in happened.values()):
            handles.append(Line2D([], [], linestyle="", marker=marker, markersize=6, color=colour, label=word,
                                  markerfacecolor=colour if filled else "white"))  # fmt: skip
    place = ax.figure if own else ax
    corner = {"loc": "upper left", "bbox_to_anchor": (0.01, 1.0)} if own else {"loc": "lower left",
              "bbox_to_anchor": (0.0, 1.12)}  # fmt: skip
    inches = ax.figure.get_figwidth()
    place.legend(handles=handles, ncols=max(int(inches / 1.85), 1), fontsize=7.8, borderaxespad=0.3,
                 handlelength=2.0, columnspacing=1.0, handletextpad=0.5, **corner)  # fmt: skip


@in_house_style
def escape_courses(result: Any, ax: Any = None, *, names: Mapping[str, str] | None = None) -> Any:
    """CAR-T persistence and CD7+ aplasia of each subject as bars, with the relapse and its CD7 status.

    Parameters
    ----------
    result : EscapeResult
        Its `.subjects`: subject_id, kind, day, relapse_cd7, cart_last_day, cart_lost_by_day,
        aplasia_from_day, aplasia_to_day, recovered, hsct_day, last_day (days since infusion), escape.
    ax : Axes, optional
        Where to draw; a new figure by default.
    names : mapping, optional
        Words for the classes.

    Returns
    -------
    Axes
    """
    rows = result.subjects.sort_values("subject_id", kind="stable")
    if ax is None:
        ax = blank(7.8, 1.15 + 0.34 * max(len(rows), 2), left=0.75, right=2.05, top=0.6, bottom=0.5)
    if rows.empty:
        return nothing_to_draw(ax, "nobody infused")
    ends = rows[["day", "cart_last_day", "cart_lost_by_day", "aplasia_to_day", "hsct_day", "last_day"]]
    day_axis(ax, float(np.nanmax([1.0, ends.max().max()])) * 1.02)
    short = brief_ids(rows["subject_id"].astype(str).tolist())
    words = ESCAPE_WORDS | dict(names or {})
    for place, row in enumerate(rows.to_dict("records")):
        _escape_lane(ax, place, row)
        failed = row["escape"] != "NO_RELAPSE"
        ax.annotate(words.get(row["escape"], row["escape"]), (1.02, place), va="center", fontsize=8,
                    xycoords=("axes fraction", "data"), annotation_clip=False, color=INK if failed else QUIET,
                    fontweight="bold" if failed else "normal")  # fmt: skip
    ax.set_ylim(len(rows) - 0.45, -0.55)
    ax.set_yticks(range(len(rows)), [short[str(name)] for name in rows["subject_id"]])
    ax.tick_params(axis="y", length=0)
    _escape_legend(ax, rows)
    return ax


def _escape_lane(ax: Any, place: int, row: Mapping[Any, Any]) -> None:
    """Upper bar CAR-T cells, lower bar CD7+ aplasia; pale where the end lies between two samples."""
    if pd.notna(row["last_day"]):
        ax.plot([0, row["last_day"]], [place, place], color=GRID, linewidth=1.0, zorder=0.5)
        ax.plot(row["last_day"], place, marker="|", color=QUIET, markersize=6, zorder=0.6)
    if pd.notna(row["cart_last_day"]):
        ax.barh(place - 0.16, row["cart_last_day"], height=0.24, color=CART, linewidth=0)
        if pd.notna(row["cart_lost_by_day"]):
            ax.barh(place - 0.16, row["cart_lost_by_day"] - row["cart_last_day"], left=row["cart_last_day"],
                    height=0.24, color=CART, alpha=0.25, linewidth=0)  # fmt: skip
    if pd.notna(row["aplasia_from_day"]):
        length = row["aplasia_to_day"] - row["aplasia_from_day"]
        ax.barh(place + 0.16, length, left=row["aplasia_from_day"], height=0.18, color=TARGET, linewidth=0)
        if row["recovered"] != 1:
            ax.plot(row["aplasia_to_day"], place + 0.16, marker=">", color=TARGET, markersize=4.5)
    if pd.notna(row["hsct_day"]):
        _, marker, colour, _ = EVENT_MARKS["HSCT"]
        ax.plot(row["hsct_day"], place, marker=marker, markersize=6.5, color=colour, markeredgecolor="white",
                zorder=4)  # fmt: skip
    if row["kind"] and pd.notna(row["day"]):
        colour = RELAPSE_COLOURS.get(row["relapse_cd7"], RELAPSE_COLOURS[""])
        ax.plot(row["day"], place, marker="X", markersize=9, color=colour, markeredgecolor="white", zorder=5)


def _escape_legend(ax: Any, rows: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=CART, label="CAR-T quantifiable (pale: lost in between)"),
        Patch(facecolor=TARGET, label="CD7+ cells cleared, to recovery (>: not yet)"),
    ]
    failed = rows[rows["kind"] != ""]
    for status, colour in RELAPSE_COLOURS.items():
        if (failed["relapse_cd7"] == status).any():
            word = RELAPSE_WORDS[status]
            word = word if status == "NEG" else f"relapse or progression, {word}"
            handles.append(Line2D([], [], linestyle="", marker="X", markersize=8, color=colour, label=word))
    if rows["hsct_day"].notna().any():
        word, marker, colour, _ = EVENT_MARKS["HSCT"]
        handles.append(Line2D([], [], linestyle="", marker=marker, markersize=6, color=colour, label=word))
    handles.append(
        Line2D([], [], linestyle="", marker="|", markersize=6, color=QUIET, label="end of follow-up")
    )
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.1, 1.0), ncols=3, fontsize=7.8,
              borderaxespad=0.3, borderpad=0, handlelength=1.3, columnspacing=1.0)  # fmt: skip
