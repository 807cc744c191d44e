"""Figures of cells over time: CAR-T kinetics, CD7+ cells, persistence and antibodies by visit.

Here: individual curves by dose level on a log axis, with the curve fitted to them, values below the limit
drawn at the limit as open triangles, and proportions by visit with exact limits. Not here: means and
parameters of curves (`figures_exposure`).
"""

import itertools
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cart7.report.canvas import (
    ALL,
    COLOURS,
    DASHES,
    GRID,
    INK,
    MARKERS,
    QUIET,
    Look,
    group_name,
    in_house_style,
    legend_above,
    log_axis,
    look,
    nothing_to_draw,
    ordered,
    panels,
    plain,
    root_day_axis,
    short_ids,
)

PREFERRED = ("QPCR", "DDPCR", "FLOW")
MEASURES = {
    "QPCR": "CAR transgene by qPCR",
    "DDPCR": "CAR transgene by ddPCR",
    "FLOW": "CAR-T cells by flow cytometry",
    "CD7POS_ABS": "CD7+ cells",
    "CD7POS_PCT": "CD7+ cells",
}
UNITS = {"CD7POS_ABS": "cells/µL", "CD7POS_PCT": "% of lymphocytes"}
# Average width of a character of the house font, in inches per point.
CHARACTER = 0.0085
THIN_SPACE = "\u202f"


@in_house_style
def kinetics_spaghetti(
    result: Any, ax: Any = None, *, assay: str | None = None, groups: Mapping[str, str] | None = None,
    infusion_no: int | None = 1, by: str | None = "dose_level", label: str | None = None,
) -> Any:  # fmt: skip
    """Individual kinetic curves on a log axis, one panel per dose level.

    Parameters
    ----------
    result : NcaResult
        Its `.points`: subject_id, infusion_no, assay, day (since the first infusion), value, blq, lloq,
        unit. Samples from the day before the infusion on are drawn.
    ax : Axes, optional
        Draw all groups here; by default a new figure with a panel per group.
    assay : str, optional
        Which assay; by default qPCR, else ddPCR, else flow cytometry, else the first one.
    groups : mapping, optional
        Group (dose level) of each subject_id. Without it there is one panel, each subject in a colour of
        its own.
    infusion_no : int or None
        Which infusion; None for all, the curves of a later infusion with open markers.
    by : str or None
        What the groups are; dose levels are named `DL 1`.
    label : str, optional
        Word and unit on the vertical axis.

    Returns
    -------
    Axes or Figure
        The Figure when there are several panels.
    """
    points = of_infusion(result.points, infusion_no)
    chosen = preferred_assay(points, assay)
    points = of_assay(points, chosen)
    label = measure(points, chosen) if label is None else label
    return _spaghetti(points[points["day"] >= -1], ax, groups=groups, by=by, label=label)


@in_house_style
def pd_over_time(
    result: Any, ax: Any = None, *, parameter: str | None = None, groups: Mapping[str, str] | None = None,
    by: str | None = "dose_level", label: str | None = None, lines: Sequence[float] = (),
) -> Any:  # fmt: skip
    """Individual courses of a CD7+ parameter on a log axis, one panel per dose level.

    Parameters
    ----------
    result : PdByVisitResult
        Its `.samples`: subject_id, parameter, day, value, blq, lloq.
    ax : Axes, optional
        Draw all groups here; by default a new figure with a panel per group.
    parameter : str, optional
        Which parameter; the first one by default.
    groups : mapping, optional
        Group (dose level) of each subject_id; one group by default.
    by : str or None
        What the groups are; dose levels are named `DL 1`.
    label : str, optional
        Word and unit on the vertical axis.
    lines : sequence of float
        Thresholds to mark, in the unit of the parameter.

    Returns
    -------
    Axes or Figure
        The Figure when there are several panels.
    """
    samples = result.samples
    found = list(dict.fromkeys(samples["parameter"])) if "parameter" in samples.columns else []
    preferred = [name for name in found if name in MEASURES] or found or [""]
    chosen = parameter if parameter is not None else preferred[0]
    if found:
        samples = samples[samples["parameter"] == chosen]
    label = measure(samples, chosen) if label is None else label
    return _spaghetti(samples, ax, groups=groups, by=by, label=label, lines=lines)


def preferred_assay(rows: pd.DataFrame, asked: str | None = None) -> str:
    """The assay that was asked for, else a molecular one, else the first; empty where there is none."""
    if asked is not None:
        return asked
    found = list(rows["assay"].dropna().astype(str)) if "assay" in rows.columns else []
    return next((name for name in PREFERRED if name in found), found[0] if found else "")


def of_assay(rows: pd.DataFrame, assay: str) -> pd.DataFrame:
    """Rows of one assay; all rows where assays are not told apart."""
    return rows[rows["assay"].astype(str) == assay] if assay and "assay" in rows.columns else rows


def measure(rows: pd.DataFrame, name: str) -> str:
    """What is measured, with the unit that the rows state."""
    stated = unit_of(rows)
    unit = UNITS.get(name, stated) if stated in ("", "%") else stated
    words = MEASURES.get(name, name)
    return f"{words} ({unit or 'unit not stated'})" if words else unit


def unit_of(rows: pd.DataFrame) -> str:
    """The unit of the rows as it is printed; several are all named, none is an empty word."""
    stated = rows["unit"].dropna().astype(str).unique() if "unit" in rows.columns else []
    words = [re.sub(r"\bu(?=(g|l|L|M)\b)", "µ", unit).replace("*", " × ") for unit in stated if unit]
    return " and ".join(dict.fromkeys(words))


def spaced(x: float) -> str:
    """A plain number with thin spaces between thousands, so that its size is seen at once.

    Examples
    --------
    >>> spaced(1000000.0).split("\u202f"), spaced(0.05)
    (['1', '000', '000'], '0.05')
    """
    whole, _, part = plain(x).partition(".")
    whole = f"{int(whole):,}".replace(",", THIN_SPACE) if len(whole) > 4 else whole
    return f"{whole}.{part}" if part else whole


def log_scale(ax: Any, values: Any, *, label: str) -> None:
    """A log axis with spaced tick labels, its label in several lines where the axis is short."""
    log_axis(ax, values, label=in_lines(label, inches_of(ax)[1]))
    ax.set_yticks(ax.get_yticks(), [spaced(tick) for tick in ax.get_yticks()])


def in_lines(label: str, inches: float) -> str:
    """A label broken before its unit, and again, where it is longer than the axis."""
    room = max(int(inches / (9 * CHARACTER)), 10)
    words = label.rsplit(" (", 1)
    parts = [label] if len(label) <= room else [words[0], *(f"({word}" for word in words[1:])]
    return "\n".join(line for part in parts for line in textwrap.wrap(part, room, break_long_words=False))


def shortened(name: str, inches: float, *, size: float = 8, end: bool = True) -> str:
    """A name cut to its place: subjects keep their end, where they differ, groups their beginning."""
    room = max(int(inches / (size * CHARACTER)), 4)
    if len(name) <= room:
        return name
    return f"…{name[1 - room :]}" if end else f"{name[: room - 1]}…"


def brief_ids(subject_ids: Sequence[str]) -> dict[str, str]:
    """Subject numbers without the parts between hyphens that all of them share.

    Examples
    --------
    >>> brief_ids(["CD7-001-PL", "CD7-002-PL"])
    {'CD7-001-PL': '001', 'CD7-002-PL': '002'}
    """
    parts = [name.split("-") for name in subject_ids]
    if len(parts) < 2 or len({len(each) for each in parts}) > 1:
        return short_ids(subject_ids)
    differ = [len(set(column)) > 1 for column in zip(*parts, strict=True)]
    own = ["-".join(itertools.compress(each, differ)) for each in parts]
    return dict(zip(subject_ids, own, strict=True)) if all(own) else short_ids(subject_ids)


def looks(levels: Sequence[str]) -> dict[str, Look]:
    """Colour and marker of each group; where one of them is not a whole number, by their order."""
    named = [level for level in levels if level != ALL]
    if all(level.isdecimal() and int(level) > 0 for level in named):
        return {level: look(level) for level in levels}
    return {level: look(ALL if level == ALL else str(levels.index(level) + 1)) for level in levels}


def apart(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions in order moved as little as possible until neighbours are `gap` apart, within the ends.

    Examples
    --------
    >>> apart([1.0, 1.0, 5.0], 1.0, 0.0, 6.0)
    [0.5, 1.5, 5.0]
    """
    blocks: list[list[float]] = []
    for number, position in enumerate(positions):
        blocks.append([float(position) - number * gap])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    shifts = [float(np.mean(block)) for block in blocks for _ in block]
    last = max(high - gap * (len(shifts) - 1), low)
    return [min(max(shift, low), last) + number * gap for number, shift in enumerate(shifts)]


def inches_of(ax: Any) -> tuple[float, float]:
    """Width and height of the axes."""
    place, figure = ax.get_position(), ax.figure
    return place.width * figure.get_figwidth(), place.height * figure.get_figheight()


def _spaghetti(
    rows: pd.DataFrame, ax: Any, *, groups: Mapping[str, str] | None, by: str | None, label: str,
    lines: Sequence[float] = (),
) -> Any:  # fmt: skip
    rows = with_blq(rows)
    subjects = rows["subject_id"].astype(str)
    rows = rows.assign(group=[(groups or {}).get(name, ALL if groups is None else "") for name in subjects])
    seen = (rows["value"].notna() | rows["below"]).any()
    levels = ordered(rows["group"]) if seen else []
    names = {level: sorted(subjects[rows["group"] == level].unique()) for level in levels}
    titled = ax is None and groups is not None
    marks = _marks(rows)
    axes = _course_axes(names, marks, titled=titled) if ax is None else [ax] * max(len(names), 1)
    if not names:
        return nothing_to_draw(axes[0], "no results" if len(rows) else "no samples")
    log_scale(axes[0], pd.concat([rows["value"], rows["lloq"]]), label=label)
    for number, (level, place) in enumerate(zip(names, axes, strict=True)):
        if titled or number == 0:
            _panel_furniture(place, rows, lines, last=not titled or number == len(names) - 1)
        style = looks(list(names))[level]
        own = _own_looks(names[level], None if groups is None else style, dashed=titled)
        _courses(
            place, rows[rows["group"] == level], own, weight=1.0 if len(subjects.unique()) <= 20 else 0.6
        )
        if titled:
            above = max(_lines_of(mine, inches_of(place)[0]) for mine in names.values())
            title = shortened(group_name(level, by), inches_of(place)[0], size=10, end=False)
            place.set_title(title, pad=6 + 12.2 * above, fontweight="bold", color=style.colour)
            _subjects_above(place, names[level])
    _legends(axes, marks, names, by, titled=titled, grouped=groups is not None)
    return axes[0].figure if titled and len(names) > 1 else axes[0]


def _course_axes(names: Mapping[str, Sequence[str]], marks: Sequence[Any], *, titled: bool) -> list[Any]:
    """A panel per group when they are titled; room above for as many lines as the legends need."""
    n = max(len(names), 1) if titled else 1
    width = max(7.8, 1.95 + 1.95 * n)
    each = (width - 1.95 - 0.15 * (n - 1)) / n
    everybody = [name for mine in names.values() for name in mine]
    if titled:
        above = max((_lines_of(mine, each) for mine in names.values()), default=1)
    else:
        named = (
            list(brief_ids(everybody).values()) if len(everybody) <= 12 else [f"{len(everybody)} subjects"]
        )
        above = legend_lines([*named, *(mark.get_label() for mark in marks)], each)
    top = 0.12 + 0.17 * above + 0.36 * titled
    return panels(n, width, 3.25 + top, left=1.2, right=0.75, top=top, bottom=0.5, gap=0.15)


def legend_columns(words: Sequence[str], inches: float, *, size: float = 8.5, handle: float = 0.52) -> int:
    """Columns of a legend: all in a line where they fit, else as many as the longest word allows."""
    lengths = [handle + len(word) * size * CHARACTER for word in words] or [1.0]
    return len(lengths) if sum(lengths) <= inches else max(int(inches / max(lengths)), 1)


def legend_lines(words: Sequence[str], inches: float, *, size: float = 8.5, handle: float = 0.52) -> int:
    """Lines of the legend, at least one."""
    return max(math.ceil(len(words) / legend_columns(words, inches, size=size, handle=handle)), 1)


def _lines_of(names: Sequence[str], inches: float) -> int:
    """Lines above a panel: its subjects, or their number in one line where they are many."""
    if len(names) > len(DASHES):
        return 1
    return legend_lines(list(brief_ids(names).values()), inches, size=8, handle=0.39)


def with_blq(rows: pd.DataFrame) -> pd.DataFrame:
    """`below` (drawn at the limit), and values that are numbers only where quantifiable."""
    lloq = rows["lloq"] if "lloq" in rows.columns else pd.Series(np.nan, index=rows.index)
    lloq = lloq.astype("float64")
    flag = rows["blq"] if "blq" in rows.columns else pd.Series("", index=rows.index)
    below = flag.notna() & ~flag.astype(str).isin(["", "N", "False", "0", "0.0"])
    value = rows["value"].astype("float64")
    below = below | (value < lloq) | (value <= 0)
    return rows.assign(lloq=lloq, below=below, value=value.where(~below))


def _panel_furniture(ax: Any, rows: pd.DataFrame, lines: Sequence[float], *, last: bool) -> None:
    width = inches_of(ax)[0]
    root_day_axis(ax, float(rows["day"].min()), float(rows["day"].max()), width=width)
    again = "infusion_no" in rows.columns and (rows["infusion_no"] > 1).any()
    since = "Days since first infusion" if again else "Days since infusion"
    ax.set_xlabel(f"{since} (root scale)" if width > 3 else since)
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    limit_lines(ax, rows["lloq"], lines, named=last)


def limit_lines(ax: Any, limits: Any, percents: Sequence[float] = (), *, named: bool = True) -> None:
    """Dashed lines at the limits of quantification (the lowest and the highest), dotted at thresholds."""
    found = [float(limit) for limit in sorted(set(np.asarray(limits, dtype=float))) if math.isfinite(limit)]
    marks = [(limit, f"LLOQ {spaced(limit)}", (0, (4, 3))) for limit in found[:1] + found[1:][-1:]]
    marks = sorted([*marks, *((line, f"{plain(line)} %", (0, (1, 2))) for line in percents)])
    low, high = np.log10(ax.get_ylim())
    inches = inches_of(ax)[1]
    heights = apart([math.log10(mark[0]) for mark in marks], 0.12 / inches * (high - low), low, high)
    for (at, words, dash), height in zip(marks, heights, strict=True):
        ax.axhline(at, color=QUIET, linewidth=0.8, linestyle=dash)
        if named:
            ax.annotate(words, (1.0, 10**height), xycoords=("axes fraction", "data"), xytext=(3, 0),
                        color=QUIET, textcoords="offset points", va="center", fontsize=7.5,
                        annotation_clip=False)  # fmt: skip


def _own_looks(names: Sequence[str], style: Look | None, *, dashed: bool) -> dict[str, tuple[Look, Any]]:
    """Look and dash of each subject: that of the group, or one of its own where there is no group."""
    if style is None and len(names) <= 12:
        markers = [marker for marker in MARKERS if marker != "v"]
        return {
            name: (Look(colour=COLOURS[number % 7], marker=markers[number % 6]), DASHES[number // 7])
            for number, name in enumerate(names)
        }
    shared = look(ALL) if style is None else style
    told_apart = dashed and len(names) <= len(DASHES)
    return {name: (shared, DASHES[number] if told_apart else "-") for number, name in enumerate(names)}


def _courses(ax: Any, rows: pd.DataFrame, own: Mapping[str, tuple[Look, Any]], *, weight: float) -> None:
    labels = brief_ids(list(own))
    infusion = rows["infusion_no"] if "infusion_no" in rows.columns else pd.Series(1.0, index=rows.index)
    infusion = infusion.fillna(1)
    floor = ax.get_ylim()[0]
    for name, (style, dash) in own.items():
        for number in sorted(infusion[rows["subject_id"].astype(str) == name].unique()):
            mine = (rows["subject_id"].astype(str) == name) & (infusion == number)
            course = rows[mine].sort_values("day", kind="stable")
            day, value = course["day"].to_numpy(dtype=float), course["value"].to_numpy(dtype=float)
            # A limit that is not stated: on the lower edge of the axes, never left out.
            at_limit = np.where(course["below"], course["lloq"].fillna(floor), np.nan)
            # Pale through the limit, full between quantifiable samples; a missing sample breaks both.
            ax.plot(day, np.where(course["below"], at_limit, value), color=style.colour, linewidth=0.9,
                    alpha=0.35 * weight**2)  # fmt: skip
            later = number > infusion.min()
            face = "white" if later else style.colour
            ax.plot(day, value, color=style.colour, linestyle=dash, linewidth=1.2 * weight,
                    marker=style.marker, markersize=3.4 * weight, markerfacecolor=face, markeredgewidth=0.8,
                    label="" if later else labels[name])  # fmt: skip
            ax.plot(day, at_limit, color=style.colour, linestyle="", marker="v", markersize=4.6,
                    markerfacecolor="white", markeredgewidth=0.9, clip_on=False)  # fmt: skip


def _subjects_above(ax: Any, names: Sequence[str]) -> None:
    """The subjects of a panel by their dashes, or how many there are."""
    if len(names) > len(DASHES):
        ax.annotate(f"{len(names)} subjects", (0, 1), xycoords="axes fraction", xytext=(0, 5),
                    textcoords="offset points", fontsize=8, color=QUIET)  # fmt: skip
        return
    inches = inches_of(ax)[0]
    handles = [line for line in ax.get_lines() if not line.get_label().startswith("_") and line.get_label()]
    words = [shortened(line.get_label(), inches - 0.4) for line in handles]
    columns = legend_columns(words, inches, size=8, handle=0.39)
    ax.legend(handles, words, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, fontsize=8,
              borderaxespad=0.1, borderpad=0.0, handlelength=2.1, columnspacing=0.6, handletextpad=0.4,
              labelspacing=0.4)  # fmt: skip


def _marks(rows: pd.DataFrame) -> list[Any]:
    """Entries of the legend for open marks."""
    again = "infusion_no" in rows.columns and len(set(rows["infusion_no"].dropna())) > 1
    later = [key("later infusion", look(ALL), line="-", markerfacecolor="white")]
    return blq_handles(rows) + later * again


def _legends(
    axes: Sequence[Any], marks: list[Any], names: Mapping[str, Sequence[str]], by: str | None, *,
    titled: bool, grouped: bool,
) -> None:  # fmt: skip
    """What the open marks are and, in a single panel, who the curves are."""
    if titled:
        if marks:
            axes[0].figure.legend(handles=marks, loc="upper right", ncols=len(marks), fontsize=8,
                                  borderaxespad=0.3, handletextpad=0.4, columnspacing=1.0)  # fmt: skip
        return
    levels, everybody = list(names), [name for mine in names.values() for name in mine]
    if not grouped and len(everybody) <= 12:
        handles = [
            line for line in axes[0].get_lines() if line.get_label() in set(brief_ids(everybody).values())
        ]
    else:
        counted = f"{len(everybody)} subjects"
        handles = [
            key(group_name(level, by) if grouped else counted, style, line="-")
            for level, style in looks(levels).items()
        ]
    wrapped_legend(axes[0], [*handles, *marks])


def wrapped_legend(ax: Any, handles: Sequence[Any]) -> None:
    """A legend above the axes in as many lines as it needs."""
    inches = inches_of(ax)[0]
    for handle in handles:
        handle.set_label(shortened(handle.get_label(), inches - 0.5))
    legend_above(ax, handles, columns=legend_columns([handle.get_label() for handle in handles], inches))


def key(words: str, style: Look, *, line: Any = "", **more: Any) -> Any:
    """An entry of a legend: a mark, or a line with its mark."""
    from matplotlib.lines import Line2D

    usual = {"markersize": 4.2, "linewidth": 1.4}
    return Line2D(
        [], [], color=style.colour, marker=style.marker, linestyle=line, label=words, **usual | more
    )


def blq_handles(rows: pd.DataFrame, words: str = "below LLOQ") -> list[Any]:
    """The open triangle of the legend, where there is one in the figure."""
    if not len(rows) or not rows["below"].any():
        return []
    if rows.loc[rows["below"], "lloq"].isna().any():
        words = f"{words} (not stated)"
    return [key(words, Look(colour=INK, marker="v"), markersize=4.6, markerfacecolor="white")]


@in_house_style
def curve_fits(
    result: Any, ax: Any = None, *, assay: str | None = None, subject_id: str | None = None,
    groups: Mapping[str, str] | None = None, infusion_no: int | None = 1, by: str | None = "dose_level",
    label: str | None = None,
) -> Any:  # fmt: skip
    """Samples of every subject with the fitted curve of expansion and contraction, a panel each.

    Parameters
    ----------
    result : CurveFitResult
        Its `.points`: subject_id, day, value, blq, lloq and, where there are several, assay, infusion_no,
        unit; its `.curves`: subject_id, day, fitted.
    ax : Axes, optional
        Draw one subject here; by default a new figure with a panel per subject on the same axes.
    assay : str, optional
        Which assay; by default qPCR, else ddPCR, else flow cytometry, else the first one.
    subject_id : str, optional
        Only this subject; on an `ax`, the first one by default.
    groups : mapping, optional
        Group (dose level) of each subject_id, for its colour and marker.
    infusion_no : int or None
        Which infusion; None for all.
    by : str or None
        What the groups are; dose levels are named `DL 1`.
    label : str, optional
        Word and unit on the vertical axis.

    Returns
    -------
    Axes or Figure
        The Figure when there are several panels.
    """
    chosen = preferred_assay(result.points, assay)
    points, curves = (
        of_infusion(of_assay(rows, chosen), infusion_no) for rows in (result.points, result.curves)
    )
    points = with_blq(points[points["day"] >= -1]).astype({"subject_id": str})
    names = sorted(points["subject_id"].unique()) if subject_id is None else [subject_id]
    names = names if ax is None else names[:1]
    axes = _grid(len(names)) if ax is None else [ax]
    if not len(points) or not names:
        return nothing_to_draw(axes[0], "no samples")
    mine = {name: (groups or {}).get(name, ALL if groups is None else "") for name in names}
    styles = looks(ordered(list(mine.values())))
    label = measure(points, chosen) if label is None else label
    for place, name in zip(axes, names, strict=False):
        fitted = curves[curves["subject_id"].astype(str) == name].sort_values("day", kind="stable")
        _fit_panel(place, points, name, fitted, styles[mine[name]])
        if len(names) > 1:
            room = inches_of(place)[0] - (0.5 if fitted.empty else 0)
            place.set_title(shortened(brief_ids(names)[name], room), fontsize=8.5, pad=3)
    _fit_words(axes, names, points, styles, label, by if groups is not None else None)
    return axes[0].figure if len(names) > 1 else axes[0]


def of_infusion(rows: pd.DataFrame, infusion_no: int | None) -> pd.DataFrame:
    """Rows of one infusion; all rows where infusions are not told apart."""
    if infusion_no is None or "infusion_no" not in rows.columns:
        return rows
    return rows[rows["infusion_no"].isna() | (rows["infusion_no"] == infusion_no)]


def _grid(n: int) -> list[Any]:
    """Panels in rows that share both axes; sizes in inches."""
    from matplotlib.figure import Figure

    across = next((most for most, up_to in ((1, 1), (2, 2), (3, 9), (4, 16)) if n <= up_to), 5)
    down = max(math.ceil(n / across), 1)
    left, right, top, bottom, gap, head = 1.2, 0.75, 0.32, 0.55, 0.14, 0.3
    width, tall = 7.8, 3.0 if n <= 2 else 1.35
    each = (width - left - right - gap * (across - 1)) / across
    height = top + bottom + down * (tall + head)
    figure = Figure(figsize=(width, height))
    axes: list[Any] = []
    for number in range(max(n, 1)):
        row, column = divmod(number, across)
        low = height - top - (row + 1) * (tall + head)
        place = ((left + column * (each + gap)) / width, low / height, each / width, tall / height)
        axes.append(figure.add_axes(place, sharey=axes[0] if axes else None))
        axes[-1].tick_params(labelleft=column == 0, labelbottom=number + across >= n)
    return axes


def _fit_panel(ax: Any, points: pd.DataFrame, name: str, fitted: pd.DataFrame, style: Look) -> None:
    """Samples and fitted curve of one subject, on the axes of all."""
    log_scale(ax, pd.concat([points["value"], points["lloq"]]), label="")
    root_day_axis(ax, 0.0, float(points["day"].max()), width=inches_of(ax)[0])
    mine = points[points["subject_id"] == name]
    limit_lines(ax, mine["lloq"], named=False)
    ax.plot(fitted["day"], fitted["fitted"], color=INK, linewidth=1.1)
    if fitted["fitted"].notna().sum() == 0:
        ax.set_title("no fit", loc="right", fontsize=8, color=QUIET, pad=3)
    ax.plot(mine["day"], mine["value"], linestyle="", marker=style.marker, markersize=4, color=style.colour)
    at_limit = mine["lloq"].fillna(ax.get_ylim()[0]).where(mine["below"])
    ax.plot(mine["day"], at_limit, color=style.colour, linestyle="", marker="v", markersize=4.2,
            markerfacecolor="white", markeredgewidth=0.9, clip_on=False)  # fmt: skip


def _limit_words(points: pd.DataFrame) -> str:
    limits = [spaced(limit) for limit in sorted(points["lloq"].dropna().unique())]
    return f"LLOQ {' to '.join(limits[:1] + limits[1:][-1:])}" if limits else "LLOQ not stated"


def _fit_words(
    axes: Sequence[Any], names: Sequence[str], points: pd.DataFrame, styles: Mapping[str, Look], label: str,
    by: str | None,
) -> None:  # fmt: skip
    """Legend and the words on the axes, once for all panels."""
    figure, one = axes[0].figure, len(names) == 1
    handles = [
        key(names[0] if one else "sample" if by is None else group_name(level, by), style)
        for level, style in styles.items()
    ]
    fitted, limit = Look(colour=INK, marker=""), Look(colour=QUIET, marker="")
    handles += [*blq_handles(points), key("fitted", fitted, line="-", linewidth=1.1)]
    handles.append(key(_limit_words(points), limit, line=(0, (4, 3)), linewidth=0.8))
    if one:
        axes[0].set_ylabel(in_lines(label, inches_of(axes[0])[1]))
        axes[0].set_xlabel("Days since infusion (root scale)")
        return wrapped_legend(axes[0], handles)
    wide, high = figure.get_size_inches()
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.1 / wide, 1.0), ncols=len(handles),
                  borderaxespad=0.3, columnspacing=1.4)  # fmt: skip
    figure.text(0.3 / wide, 0.5, label, rotation=90, ha="center", va="center", fontsize=9)
    figure.text(0.5, 0.12 / high, "Days since infusion (root scale)", ha="center", va="bottom", fontsize=9)
    return None


def print_below(ax: Any, words: str, *, offset: float) -> None:
    """Small print under the axes, `offset` points down, in as many lines as it needs."""
    ax.annotate(textwrap.fill(words, int(inches_of(ax)[0] / (7.5 * CHARACTER))), (0, 0), xytext=(0, -offset),
                xycoords="axes fraction", textcoords="offset points", va="top", fontsize=7.5, color=QUIET,
                annotation_clip=False)  # fmt: skip


def level_words(result: Any) -> str:
    """Level of the intervals of a result, as figures name it."""
    return f"{100 * getattr(getattr(result, 'rules', None), 'conf_level', 0.95):g} %"


def data_bounds(values: Any, factor: float) -> tuple[float, float]:
    """How far intervals are drawn: this factor beyond what there is to see."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values) & (values > 0)]
    return (float(values.min()) / factor, float(values.max()) * factor) if values.size else (0.1, 10.0)


def interval_bars(
    ax: Any, places: Any, low: Any, high: Any, style: Look, bounds: tuple[float, float], *, width: float
) -> None:
    """Intervals as bars; one that leaves the bounds ends in an arrow head."""
    places, low, high = (np.asarray(numbers, dtype=float) for numbers in (places, low, high))
    # A NaN stays one: no bar where there is no interval.
    ax.vlines(
        places, np.maximum(low, bounds[0]), np.minimum(high, bounds[1]), color=style.colour, linewidth=width
    )
    for end, marker, beyond in ((bounds[0], 7, low < bounds[0]), (bounds[1], 6, high > bounds[1])):
        ax.plot(places[beyond], np.full(beyond.sum(), end), linestyle="", marker=marker,
                markersize=3 + 1.2 * width, color=style.colour)  # fmt: skip
