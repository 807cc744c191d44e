"""Figures of kinetics in summary: means by visit, and exposure by dose level, dose and outcome.

Here: geometric means and intervals as results hold them, with the individual values behind them and the
counts below. Not here: any statistic, individual curves (`figures_kinetics`).
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cart7.report.canvas import (
    ALL,
    GRID,
    INK,
    QUIET,
    Look,
    blank,
    group_name,
    in_house_style,
    look,
    nothing_to_draw,
    ordered,
    panels,
    signed_root,
    signed_square,
    strip_below,
)
from cart7.report.figures_kinetics import (
    CHARACTER,
    apart,
    blq_handles,
    brief_ids,
    inches_of,
    key,
    legend_lines,
    limit_lines,
    log_scale,
    looks,
    measure,
    of_assay,
    preferred_assay,
    spaced,
    unit_of,
    wrapped_legend,
)
from cart7.report.words import ASSAYS, PARAMETERS, in_words

POINT = "#4477AA"


@in_house_style
def geometric_mean_course(
    result: Any, ax: Any = None, *, assay: str | None = None, groups: Sequence[str] | None = None,
    by: str | None = "dose_level", label: str | None = None,
) -> Any:  # fmt: skip
    """Geometric mean with its interval by visit, a line per dose level, with the counts of samples below.

    Parameters
    ----------
    result : VisitLevelsResult
        Its `.summary`: assay, visit, nominal_day, group, n (with a result), n_blq, geo_mean, geo_ci_low,
        geo_ci_high, min, max, unit; its `.lloq`: assay, lloq; and `.blq_words`, what stands for a result
        below the limit.
    ax : Axes, optional
        Where to draw; a new figure by default.
    assay : str, optional
        Which assay; by default qPCR, else ddPCR, else flow cytometry, else the first one.
    groups : sequence of str, optional
        Which groups; by default all, `ALL` only where there is no other.
    by : str or None
        What the groups are; dose levels are named `DL 1`.
    label : str, optional
        Word and unit on the vertical axis.

    Returns
    -------
    Axes

    Notes
    -----
    Where every result of a visit is below the limit there is no mean: an open triangle stands at the LLOQ.
    An interval that leaves the range of the data by more than a factor of five ends in an arrow head.
    """
    chosen = preferred_assay(result.summary, assay)
    rows = of_assay(result.summary, chosen)
    rows = rows.assign(group=rows["group"].astype(str), below=(rows["n"] > 0) & (rows["n_blq"] >= rows["n"]))
    every = ordered(rows["group"])
    levels = [level for level in every if level != ALL] or every
    levels = levels if groups is None else [level for level in every if level in set(map(str, groups))]
    rows = rows[rows["group"].isin(levels)]
    no_day = rows.loc[rows["nominal_day"].isna(), "visit"].astype(str).unique()
    rows = rows[rows["nominal_day"].notna()].sort_values("nominal_day", kind="stable")
    limits = of_assay(result.lloq, chosen)["lloq"].dropna().to_numpy(dtype=float)
    rows = rows.assign(lloq=limits.max() if limits.size else np.nan)
    days = rows["nominal_day"].astype(float)
    visits = list(dict.fromkeys(zip(days, rows["visit"].astype(str), strict=True)))
    seen = np.concatenate([limits, rows[["geo_mean", "min", "max"]].to_numpy(dtype=float).ravel()])
    bounds, styles = _bounds(seen, 5), {level: looks(every)[level] for level in levels}
    names = {level: group_name(level, by) for level in levels}
    keys = [key(names[level], styles[level], line="-") for level in levels]
    keys += blq_handles(rows, "all below LLOQ")
    small = _small_print(result, no_day, rows, bounds)
    if ax is None:
        ax = _mean_axes(list(names.values()), [entry.get_label() for entry in keys], visits, rows, small)
    if not visits or not levels:
        return nothing_to_draw(ax, "no results")
    ends = np.clip(rows[["geo_ci_low", "geo_ci_high"]].to_numpy(dtype=float).ravel(), *bounds)
    log_scale(ax, np.concatenate([seen, ends]), label=measure(rows, chosen) if label is None else label)
    limit_lines(ax, limits)
    strip = [
        (names[level], styles[level].colour, _counts(rows[rows["group"] == level], visits))
        for level in levels
    ]
    step = _visit_axis(ax, visits, _column_width(rows), strip, small)
    for number, level in enumerate(levels):
        dodge = (number - (len(levels) - 1) / 2) * step
        _mean_course(ax, rows[rows["group"] == level], visits, styles[level], dodge, bounds)
    wrapped_legend(ax, keys)
    return ax


def _small_print(result: Any, no_day: Sequence[str], rows: pd.DataFrame, bounds: tuple[float, float]) -> str:
    words = [f"Geometric mean with {_level(result)} interval", str(getattr(result, "blq_words", ""))]
    beyond = ((rows["geo_ci_low"] < bounds[0]) | (rows["geo_ci_high"] > bounds[1])).any()
    words.append("arrow heads: the interval goes on" if beyond else "")
    words.append(f"not drawn, no nominal day: {', '.join(no_day)}" if len(no_day) else "")
    return "; ".join(word for word in words if word) + ". Root scale of days."


def _level(result: Any) -> str:
    return f"{100 * getattr(getattr(result, 'rules', None), 'conf_level', 0.95):g} %"


def _counts(rows: pd.DataFrame, visits: Sequence[tuple[float, str]]) -> list[str]:
    """Quantifiable of sampled at each visit of one group."""
    found = {
        (float(row["nominal_day"]), str(row["visit"])): f"{int(row['n'] - row['n_blq'])}/{int(row['n'])}"
        for row in rows.to_dict("records")
        if row["n"] > 0
    }
    return [found.get(visit, "–") for visit in visits]


def _column_width(rows: pd.DataFrame) -> float:
    """Inches a column of counts needs."""
    longest = max((len(f"{int(n)}") for n in rows["n"].dropna()), default=1)
    return 0.06 + 8 * CHARACTER * max(2 * longest + 1, 3)


def _mean_axes(
    names: Sequence[str], keys: Sequence[str], visits: Sequence[Any], rows: pd.DataFrame, small: str
) -> Any:
    left = max(1.2, 0.3 + 8 * CHARACTER * max((len(name) for name in names), default=0))
    width = min(max(7.8, left + 0.75 + len(visits) * _column_width(rows)), 12.0)
    inches = width - left - 0.75
    top = 0.15 + 0.19 * legend_lines(keys, inches)
    below = 0.56 + 0.16 * (len(names) + 1) + 0.14 * math.ceil(len(small) * 7.5 * CHARACTER / inches)
    return blank(width, 2.8 + top + below, left=left, right=0.75, top=top, bottom=below)


def _visit_axis(
    ax: Any, visits: Sequence[tuple[float, str]], column: float, strip: Sequence[tuple[str, str, list[str]]],
    small: str,
) -> float:  # fmt: skip
    """A tick per visit, its day and counts in a column below; returns the step between groups (roots)."""
    width, height = (72 * size for size in inches_of(ax))
    roots = signed_root([day for day, _ in visits])
    ax.set_xscale("function", functions=(signed_root, signed_square))
    low, high = min(roots[0], 0.0) - 0.6, max(roots[-1], 1.0) * 1.04 + 0.2
    ax.set_xlim(float(signed_square(low)), float(signed_square(high)))
    ax.set_xticks(sorted({day for day, _ in visits}), labels=[""] * len({day for day, _ in visits}))
    ax.minorticks_off()
    gap = 72 * column / width * (high - low)
    every = math.ceil(len(visits) * gap / (high - low) - 1e-9) if len(visits) > 1 else 1
    columns = apart(roots[::every], gap, low + gap / 2, high - gap / 2)
    for root, place in zip(roots[::every], columns, strict=True):
        at, to = ((x - low) / (high - low) for x in (root, place))
        ax.plot([at, at, to], [0, -4 / height, -17 / height], color=QUIET, linewidth=0.5, clip_on=False,
                transform=ax.transAxes)  # fmt: skip
    places = [float(signed_square(place)) for place in columns]
    days = [spaced(day).replace("-", "\u2212") for day, _ in visits[::every]]
    strip_below(ax, places, [("Nominal day", INK, days)], offset=24)
    shown = [(name, colour, counts[::every]) for name, colour, counts in strip]
    strip_below(ax, places, shown, title="Quantifiable/sampled", offset=37)
    _print_below(ax, small, offset=37 + 11.5 * (len(strip) + 1) - 3)
    closest = np.diff(np.unique(roots)).min() if len(set(roots)) > 1 else high - low
    return float(min(4.5 / width * (high - low), 0.7 * closest / max(len(strip), 1)))


def _print_below(ax: Any, words: str, *, offset: float) -> None:
    """Small print under the axes, `offset` points down, in as many lines as it needs."""
    ax.annotate(textwrap.fill(words, int(inches_of(ax)[0] / (7.5 * CHARACTER))), (0, 0), xytext=(0, -offset),
                xycoords="axes fraction", textcoords="offset points", va="top", fontsize=7.5, color=QUIET,
                annotation_clip=False)  # fmt: skip


def _mean_course(
    ax: Any, rows: pd.DataFrame, visits: Sequence[tuple[float, str]], style: Look, dodge: float,
    bounds: tuple[float, float],
) -> None:  # fmt: skip
    """One group: means joined, pale where they pass a visit at which everything is below the limit."""
    keys = list(zip(rows["nominal_day"].astype(float), rows["visit"].astype(str), strict=True))
    rows = (
        rows.assign(place=[visits.index(key) for key in keys]).set_index("place").reindex(range(len(visits)))
    )
    day = signed_square(signed_root([day for day, _ in visits]) + dodge)
    below = rows["below"].eq(True).to_numpy()
    mean = np.where(below, np.nan, rows["geo_mean"].to_numpy(dtype=float))
    at_limit = np.where(below, rows["lloq"].fillna(ax.get_ylim()[0]).to_numpy(dtype=float), np.nan)
    low, high = (
        np.where(below, np.nan, rows[f"geo_ci_{end}"].to_numpy(dtype=float)) for end in ("low", "high")
    )
    _intervals(ax, day, low, high, style, bounds, width=0.9)
    ax.plot(day, np.where(below, at_limit, mean), color=style.colour, linewidth=0.9, alpha=0.35)
    ax.plot(day, mean, color=style.colour, marker=style.marker, markersize=4.2, linewidth=1.4)
    open_mark = {"marker": "v", "markersize": 5, "markerfacecolor": "white", "markeredgewidth": 0.9}
    ax.plot(day, at_limit, color=style.colour, linestyle="", clip_on=False, **open_mark)


@in_house_style
def exposure_by_group(
    result: Any, ax: Any = None, *, param: str = "cmax", assay: str | None = None,
    by: str | None = "dose_level", label: str | None = None, groups: Mapping[str, str] | None = None,
) -> Any:  # fmt: skip
    """One kinetic parameter by dose level: geometric mean with its interval, and every subject.

    Parameters
    ----------
    result : ExposureResult
        Its `.summary` (param, assay, group, n, geo_mean, geo_ci_low, geo_ci_high, min, max), and its
        `.subjects` (subject_id, assay, unit and the parameter).
    ax : Axes, optional
        Where to draw; a new figure by default.
    param : str
        Which parameter (`cmax`, `auc_window` ...).
    assay : str, optional
        Which assay; by default qPCR, else ddPCR, else flow cytometry, else the first one.
    by : str or None
        What the groups are; dose levels are named `DL 1`.
    label : str, optional
        Word and unit on the vertical axis.
    groups : mapping, optional
        Group (dose level) of each subject_id: its value is a dot. Where it is not known, a wide bar shows
        the range of the group.

    Returns
    -------
    Axes
    """
    summary = result.summary[result.summary["param"] == param]
    chosen = preferred_assay(summary, assay)
    rows = {str(row["group"]): row for row in of_assay(summary, chosen).to_dict("records")}
    levels = ordered(list(rows))
    subjects = of_assay(_subjects(result), chosen)
    dots = {level: _dots(subjects, param, level, groups) for level in levels}
    ax = blank(7.4, 3.25, left=1.25, right=0.2, top=0.36, bottom=0.7) if ax is None else ax
    if not levels:
        return nothing_to_draw(ax, "no profile")
    bounds = _bounds([rows[level][name] for level in levels for name in ("geo_mean", "min", "max")], 100)
    limits = [rows[level][name] for level in levels for name in ("geo_ci_low", "geo_ci_high", "min", "max")]
    words = param_words(param, chosen, _exposure_unit(param, subjects), getattr(result, "rules", None))
    log_scale(ax, np.clip(limits, *bounds), label=label or words)
    _columns(ax, [group_name(level, by) for level in levels])
    for place, level in enumerate(levels):
        row, style = rows[level], looks(levels)[level]
        if not len(dots[level]):
            ax.vlines(place, row["min"], row["max"], color=style.colour, linewidth=7, alpha=0.2)
        _swarm(ax, place - 0.14, dots[level], style)
        _mean_mark(ax, place + 0.14 * bool(len(dots[level])), row, style, bounds)
    shown = [bool(len(mine)) for mine in dots.values()]
    wrapped_legend(ax, _mean_handles(any(shown), not all(shown), f"{_level(result)} interval"))
    counts = [str(int(rows[level]["n"])) for level in levels]
    strip_below(ax, list(range(len(levels))), [("n", INK, counts)], offset=26)
    _print_below(ax, _remarks(subjects.get(param), list(rows.values()), bounds), offset=36)
    return ax


def _remarks(values: Any, rows: Sequence[Mapping[Any, Any]], bounds: tuple[float, float]) -> str:
    """What the figure could not show."""
    zeros = 0 if values is None else int((values.astype(float) <= 0).sum())
    beyond = any(row["geo_ci_low"] < bounds[0] or row["geo_ci_high"] > bounds[1] for row in rows)
    words = [f"{zeros} not above 0, not drawn on a log axis"] * bool(zeros)
    return "; ".join(words + ["arrow heads: the interval goes on"] * beyond)


def _subjects(result: Any) -> pd.DataFrame:
    found = getattr(result, "subjects", None)
    return pd.DataFrame({"subject_id": []}) if found is None else found


def _dots(subjects: pd.DataFrame, param: str, level: str, groups: Mapping[str, str] | None) -> Any:
    """Values of the subjects of a group; nobody where it is not known who is in it."""
    if param not in subjects.columns:
        return np.empty(0)
    values = subjects[param].to_numpy(dtype=float)
    if level != ALL:
        names = subjects["subject_id"].astype(str)
        values = values[[(groups or {}).get(name) == level for name in names]]
    return values[np.isfinite(values) & (values > 0)]


def _exposure_unit(param: str, rows: pd.DataFrame) -> str:
    """Unit of a parameter, given that of its assay."""
    stated = unit_of(rows) or "unit not stated"
    kind = PARAMETERS.get(param, ("", "area" if param.startswith("auc") else ""))[1]
    area = stated if "day" in stated else f"days × {stated}"
    return {"value": stated, "area": area, "days": "days"}.get(kind, "")


def param_words(param: str, assay: str, unit: str, rules: Any = None) -> str:
    """A parameter as a reader calls it, with the assay and the unit.

    Examples
    --------
    >>> param_words("cmax", "QPCR", "copies/µg")
    'Cmax, qPCR (copies/µg)'
    """
    name = PARAMETERS.get(param, (param.replace("_", " "), ""))[0]
    windows: Sequence[tuple[float, float]] = getattr(rules, "windows", ())
    if param == "auc_window" and len(windows):
        name = f"AUC day {windows[0][0]:g}–{windows[0][1]:g}"
    words = ", ".join(word for word in (name, in_words(assay, ASSAYS)) if word)
    return f"{words} ({unit})" if unit else words


def _columns(ax: Any, names: Sequence[str]) -> None:
    """A place for each group side by side, long names in several lines."""
    room = max(int(inches_of(ax)[0] / max(len(names), 1) / (8.5 * CHARACTER)), 4)
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_xticks(
        range(len(names)), [textwrap.shorten(name, room, placeholder=" …") or name for name in names]
    )


def _swarm(ax: Any, place: float, values: Any, style: Look) -> None:
    """Open dots side by side where they would cover each other, always in the same places."""
    values = np.sort(np.asarray(values, dtype=float))
    wide, high = inches_of(ax)
    low, top = np.log10(ax.get_ylim())
    heights = (np.log10(values) - low) / (top - low) * high
    unit = wide / (ax.get_xlim()[1] - ax.get_xlim()[0])
    size, aside = 0.065, np.zeros(len(values))
    most = max(int(0.26 * unit / size), 1)
    steps = [0.0, *(turn * number * size for number in range(1, most + 1) for turn in (-1, 1))]
    for number in range(len(values)):
        near: Any = aside[:number][np.abs(heights[:number] - heights[number]) < 0.06]
        aside[number] = next(
            (step for step in steps if not np.isclose(near, step).any()), steps[len(near) % len(steps)]
        )
    ax.plot(place + aside / unit, values, linestyle="", marker=style.marker, markersize=4.2,
            markerfacecolor="none", markeredgecolor=style.colour, markeredgewidth=0.9)  # fmt: skip


def _mean_mark(
    ax: Any, place: float, row: Mapping[Any, Any], style: Look, bounds: tuple[float, float]
) -> None:
    _intervals(ax, [place], [row["geo_ci_low"]], [row["geo_ci_high"]], style, bounds, width=1.8)
    ax.plot(place, row["geo_mean"], marker=style.marker, color=style.colour, markersize=7, linestyle="")


def _bounds(values: Any, factor: float) -> tuple[float, float]:
    """How far intervals are drawn: this factor beyond what there is to see."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values) & (values > 0)]
    return (float(values.min()) / factor, float(values.max()) * factor) if values.size else (0.1, 10.0)


def _intervals(
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


def _mean_handles(dots: bool, ranges: bool, interval: str) -> list[Any]:
    mean, open_dot = Look(colour=QUIET, marker="o"), {"markerfacecolor": "none"}
    words = f"geometric mean, {interval}" if interval else "geometric mean"
    handles = [key(words, mean, line="-" if interval else "", markersize=6, linewidth=1.8)]
    handles += [key("one subject", mean, **open_dot)] * dots
    return handles + [key("range", Look(colour=QUIET, marker=""), line="-", linewidth=7, alpha=0.3)] * ranges


@in_house_style
def exposure_against_dose(
    result: Any, ax: Any = None, *, param: str = "cmax", assay: str | None = None, dose: str | None = None,
    groups: Mapping[str, str] | None = None, by: str | None = "dose_level", label: str | None = None,
) -> Any:  # fmt: skip
    """Exposure of every subject against the dose planned and received, with the power model.

    Parameters
    ----------
    result : ExposureModelsResult
        Its `.subjects`: subject_id, assay, param, value, unit and a column `dose_...` for each dose; its
        `.summary`: assay, param, dose, n, slope, ci_low, ci_high, intercept, smith_low, smith_high,
        conclusion, note and, where stated, conf_level; and `.dose_words`, the words on the dose axes.
    ax : Axes, optional
        Draw one dose here; by default a new figure with a panel for each.
    param : str
        Which parameter (`cmax`, `auc_window` ...).
    assay : str, optional
        Which assay; by default qPCR, else ddPCR, else flow cytometry, else the first one.
    dose : str, optional
        One dose alone (`planned`, `received`); on an `ax`, the first by default.
    groups : mapping, optional
        Group (dose level) of each subject_id, for its colour and marker.
    by : str or None
        What the groups are; dose levels are named `DL 1`.
    label : str, optional
        Word and unit on the vertical axis.

    Returns
    -------
    Axes or Figure
        The Figure when there are several panels.

    Notes
    -----
    The band is the interval of the slope carried along the line: with k the half-width of that interval
    and d the distance of a log dose from their mean, k sqrt(sum(d^2) / n + d^2) on the log scale is the
    confidence band of the mean at the same level.
    """
    values = result.subjects[result.subjects["param"] == param]
    chosen = preferred_assay(values, assay)
    values = of_assay(values, chosen)
    models = result.summary[result.summary["param"] == param]
    models = _stated(of_assay(models, chosen), getattr(result, "dose_conf_level", math.nan))
    models = {str(row["dose"]): row for row in models.to_dict("records")}
    kinds = [name.removeprefix("dose_") for name in values.columns if name.startswith("dose_")] or ["planned"]
    kinds = [dose] if dose is not None else kinds if ax is None else kinds[:1]
    texts = {kind: _power_words(models.get(kind, {})) for kind in kinds}
    axes = _dose_axes(texts, grouped=groups is not None) if ax is None else [ax]
    shown = values["value"][values["value"] > 0]
    if shown.empty:
        drawn = [nothing_to_draw(place, "no exposure") for place in axes]
        return drawn[0].figure if len(drawn) > 1 else drawn[0]
    words = param_words(param, chosen, _exposure_unit(param, values), getattr(result, "rules", None))
    bands = [_power_band(_pairs(values, kind)[0], models.get(kind, {})) for kind in kinds]
    ends = np.concatenate([shown, *(line for lines in bands if lines is not None for line in lines[1:4])])
    log_scale(axes[0], np.clip(ends, *_bounds(shown, 10)), label=label or words)
    for place, kind in zip(axes, kinds, strict=True):
        _dose_panel(place, values, kind, models.get(kind, {}), groups)
        place.set_xlabel(getattr(result, "dose_words", {}).get(kind, f"{kind.capitalize()} dose"))
        _words_above(place, texts[kind])
    if ax is None:
        _dose_legend(axes, values, groups, by, bands)
    return axes[0].figure if len(axes) > 1 else axes[0]


def _dose_axes(texts: Mapping[str, str], *, grouped: bool) -> list[Any]:
    each = (7.6 - 1.25 - 0.2 - 0.25 * (len(texts) - 1)) / len(texts)
    lines = max((len(_wrapped(text, each)) for text in texts.values()), default=1)
    top = 0.16 + 0.155 * lines + 0.24
    return panels(len(texts), 7.6, 3.2 + top, left=1.25, right=0.2, top=top, bottom=0.5, gap=0.25)


def _wrapped(text: str, inches: float) -> list[str]:
    return [line for part in text.split("\n") for line in textwrap.wrap(part, int(inches / (8 * CHARACTER)))]


def _words_above(ax: Any, text: str) -> None:
    ax.annotate("\n".join(_wrapped(text, inches_of(ax)[0])), (0, 1), xycoords="axes fraction", xytext=(0, 4),
                textcoords="offset points", va="bottom", fontsize=8, linespacing=1.25)  # fmt: skip


def short_number(x: float) -> str:
    """A number with the digits a sentence needs.

    Examples
    --------
    >>> short_number(0.834), short_number(12.34), short_number(15302.0).split("\u202f")
    ('0.83', '12.3', ['15', '302'])
    """
    size = abs(x)
    digits = (
        0
        if size >= 100
        else 1
        if size >= 10
        else 2
        if size >= 0.095
        else 1 - math.floor(math.log10(size or 1))
    )
    whole = spaced(round(size, min(digits, 4))) if digits != 2 else f"{size:.2f}"
    whole = "0.0001" if size and not round(size, 4) else whole
    return f"\u2212{whole}" if x < 0 else f"<{whole}" if size and not round(size, 4) else whole


def _interval(row: Mapping[Any, Any]) -> str:
    """`90 % CI 0.2 to 1.4`, with the level where the result states it."""
    low, high, level = (float(row.get(name, math.nan)) for name in ("ci_low", "ci_high", "conf_level"))
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    kind = f"{100 * level:g} % CI" if math.isfinite(level) else "CI"
    return f" ({kind} {short_number(low)} to {short_number(high)})"


def _power_words(row: Mapping[Any, Any]) -> str:
    n, note = row.get("n", math.nan), str(row.get("note", "") or "")
    count = f"n = {int(n)}" if math.isfinite(n) else ""
    slope = float(row.get("slope", math.nan))
    if not math.isfinite(slope):
        return "; ".join(word for word in (count, note or "no power model") if word)
    first = f"{count}, slope {short_number(slope)}{_interval(row)}"
    limits = [float(row.get(name, math.nan)) for name in ("smith_low", "smith_high")]
    verdict = str(row.get("conclusion", "") or "")
    if all(map(math.isfinite, limits)):
        verdict += f" (Smith limits {short_number(limits[0])} to {short_number(limits[1])})"
    return "\n".join(line for line in (first + ":" * bool(verdict), verdict, note) if line)


def _pairs(values: pd.DataFrame, kind: str) -> tuple[Any, Any, Any]:
    """Doses, exposures and subjects where both can stand on a log axis."""
    missing = pd.Series(np.nan, index=values.index)
    x, y = (values.get(name, missing).to_numpy(dtype=float) for name in (f"dose_{kind}", "value"))
    known = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
    return x[known], y[known], values["subject_id"].astype(str).to_numpy()[known]


def _dose_panel(
    ax: Any, values: pd.DataFrame, kind: str, model: Mapping[Any, Any], groups: Mapping[str, str] | None
) -> None:
    x, y, names = _pairs(values, kind)
    if not len(x):
        ax.set_xticks([])
        ax.text(0.5, 0.5, "no dose", transform=ax.transAxes, ha="center", va="center", color=QUIET)
        return
    _dose_axis(ax, x)
    lines = _power_band(x, model)
    if lines is not None:
        _power_line(ax, lines)
    mine = np.array([(groups or {}).get(name, ALL if groups is None else "") for name in names])
    styles = looks(ordered(_all_groups(values, groups)))
    for level in ordered(mine):
        style = styles[level] if groups is not None else Look(colour=POINT, marker="o")
        ax.plot(x[mine == level], y[mine == level], linestyle="", marker=style.marker, markersize=5.5,
                color=style.colour, markeredgecolor="white", markeredgewidth=0.6)  # fmt: skip
    labels = brief_ids(sorted(values["subject_id"].astype(str).unique()))
    if len(names) <= 12 and max(map(len, labels.values())) <= 10:
        _label_points(ax, x, y, [labels[name] for name in names], lines)


def _all_groups(values: pd.DataFrame, groups: Mapping[str, str] | None) -> list[str]:
    everybody = values["subject_id"].astype(str)
    return [(groups or {}).get(name, ALL if groups is None else "") for name in everybody]


def _dose_axis(ax: Any, x: Any) -> None:
    """A log axis with the doses themselves as ticks where they are few, else 1, 2, 5."""
    low, high = x.min() / 1.35, x.max() * 1.35
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    few = sorted(set(x.tolist()))
    if len(few) > 6 or any(len(spaced(dose)) > 6 for dose in few):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        few = [first * 10.0**power for power in powers for first in (1, 2, 5)]
        few = [tick for tick in few if low <= tick <= high]
    if len(few) < 2 and x.max() > x.min():
        few = sorted({float(f"{dose:.2g}") for dose in (x.min(), x.max())})
    ticks: list[float] = []
    per_inch = math.log10(high / low) / inches_of(ax)[0]
    for tick in few:
        room = per_inch * (0.12 + 8.5 * CHARACTER * len(spaced(tick)))
        if not ticks or math.log10(tick / ticks[-1]) >= room:
            ticks.append(tick)
    ax.set_xticks(ticks, [spaced(tick) for tick in ticks])
    ax.minorticks_off()
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)


def _power_band(x: Any, model: Mapping[Any, Any]) -> tuple[Any, ...] | None:
    """Doses of the line, the line, its band, and the line of proportionality through the middle."""
    slope, intercept = (float(model.get(name, math.nan)) for name in ("slope", "intercept"))
    if not (math.isfinite(slope) and math.isfinite(intercept)) or not len(x):
        return None
    logs = np.log(x)
    at = np.linspace(logs.min(), logs.max(), 60)
    away = at - logs.mean()
    half = (float(model.get("ci_high", math.nan)) - float(model.get("ci_low", math.nan))) / 2
    half = half if model.get("n") == len(x) else math.nan
    fit, band = intercept + slope * at, half * np.sqrt(logs.var() + away**2)
    proportional = intercept + slope * logs.mean() + away
    return tuple(np.exp(line) for line in (at, fit, fit - band, fit + band, proportional))


def _power_line(ax: Any, lines: tuple[Any, ...]) -> None:
    at, fit, low, high, proportional = lines
    bottom, top = ax.get_ylim()
    ax.fill_between(
        at, np.clip(low, bottom, top), np.clip(high, bottom, top), color=QUIET, alpha=0.15, linewidth=0
    )
    ax.plot(at, fit, color=INK, linewidth=1.3)
    ax.plot(at, proportional, color=QUIET, linewidth=0.9, linestyle=(0, (1.5, 1.5)))
    ax.set_ylim(bottom, top)


def _label_points(ax: Any, x: Any, y: Any, words: Sequence[str], lines: tuple[Any, ...] | None) -> None:
    """Each point's word where it covers no other point, word or line; a thin leader where that is away."""
    wide, high = inches_of(ax)
    (x0, x1), (y0, y1) = np.log(ax.get_xlim()), np.log(ax.get_ylim())

    def inches(a: Any, b: Any) -> Any:
        return np.column_stack([(np.log(a) - x0) / (x1 - x0) * wide, (np.log(b) - y0) / (y1 - y0) * high])

    points = inches(x, y)
    # Boxes to keep clear: middle and half size.
    taken = [(point, np.array([0.05, 0.05])) for point in points]
    taken += [] if lines is None else [(spot, np.array([0.03, 0.02])) for spot in inches(lines[0], lines[1])]
    turns = np.radians([0, 180, 45, -45, 135, -135, 90, -90])
    for number in np.lexsort((points[:, 0], points[:, 1])):
        half = np.array([len(words[number]) * 7.5 * CHARACTER / 2, 0.055])
        tries: list[tuple[Any, ...]] = []
        for away in (0.07, 0.2, 0.36):
            for turn in turns:
                step = np.array([np.cos(turn), np.sin(turn)])
                middle = points[number] + step * (away + half * np.abs(step))
                inside = np.minimum(np.minimum(middle - half, [wide, high] - middle - half), 0).sum()
                hits = sum(bool((np.abs(middle - at) < half + size).all()) for at, size in taken)
                tries.append((hits - 9 * inside, away, len(tries), middle))
        best = min(tries, key=lambda candidate: candidate[:3])
        taken.append((best[3], half))
        leader = {"arrowstyle": "-", "color": QUIET, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}
        ax.annotate(words[number], (x[number], y[number]), xytext=tuple((best[3] / [wide, high]).tolist()),
                    textcoords="axes fraction", ha="center", va="center", fontsize=7.5, color=INK,
                    arrowprops=leader if best[1] > 0.1 else None)  # fmt: skip


def _dose_legend(
    axes: Sequence[Any], values: pd.DataFrame, groups: Mapping[str, str] | None, by: str | None,
    bands: Sequence[tuple[Any, ...] | None],
) -> None:  # fmt: skip
    from matplotlib.patches import Patch

    styles = looks(ordered(_all_groups(values, groups))) if groups is not None else {}
    handles = [key(group_name(level, by), style, markersize=5.5) for level, style in styles.items()]
    handles = handles or [key("subject", Look(colour=POINT, marker="o"), markersize=5.5)]
    drawn = [lines for lines in bands if lines is not None]
    if drawn:
        handles.append(key("power model", Look(colour=INK, marker=""), line="-", linewidth=1.3))
        if np.isfinite([lines[2] for lines in drawn]).any():
            handles.append(Patch(color=QUIET, alpha=0.2, linewidth=0, label="band of the mean"))
        handles.append(
            key("proportional", Look(colour=QUIET, marker=""), line=(0, (1.5, 1.5)), linewidth=0.9)
        )
    figure = axes[0].figure
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(axes[0].get_position().x0 - 0.01, 1.0),
                  ncols=len(handles), fontsize=8, borderaxespad=0.3, columnspacing=1.2,
                  handlelength=1.8)  # fmt: skip


@in_house_style
def exposure_by_outcome(
    result: Any, ax: Any = None, *, param: str = "cmax", assay: str | None = None,
    outcome: str | None = None, label: str | None = None,
) -> Any:  # fmt: skip
    """Exposure of every subject by outcome: no or yes, or the grade, with the association in words.

    Parameters
    ----------
    result : ExposureModelsResult
        Its `.subjects`: subject_id, assay, param, value, unit; its `.outcomes`: subject_id, outcome, value (0
        or 1, or a grade); its `.associations`: assay, param, outcome, n, gm_ratio, ci_low, ci_high,
        wilcoxon_p_value, kendall_tau, note and, where stated, conf_level. Where its `.summary` has rows of
        assay, param, outcome, level, geo_mean, geo_ci_low, geo_ci_high, the intervals are drawn.
    ax : Axes, optional
        Where to draw; a new figure by default.
    param : str
        Which parameter (`cmax`, `auc_window` ...).
    assay : str, optional
        Which assay; by default qPCR, else ddPCR, else flow cytometry, else the first one.
    outcome : str, optional
        Which outcome; the first one by default.
    label : str, optional
        Word and unit on the vertical axis.

    Returns
    -------
    Axes
    """
    values = result.subjects[result.subjects["param"] == param]
    chosen = preferred_assay(values, assay)
    values = of_assay(values, chosen)
    outcomes = result.outcomes
    wanted = next(iter(outcomes["outcome"].astype(str)), "") if outcome is None else outcome
    outcomes = outcomes[outcomes["outcome"].astype(str) == wanted]
    rows = result.associations
    rows = of_assay(rows[(rows["param"] == param) & (rows["outcome"].astype(str) == wanted)], chosen)
    seen = dict(zip(outcomes["subject_id"].astype(str), outcomes["value"].astype(float), strict=True))
    mine = values.assign(level=values["subject_id"].astype(str).map(seen).astype(float))
    mine = mine[mine["value"].astype(float) > 0]
    rows = _stated(rows, getattr(getattr(result, "rules", None), "conf_level", math.nan))
    text = next((_association_words(row) for row in rows.to_dict("records")), wanted)
    ax = _outcome_axes(text) if ax is None else ax
    if not mine["level"].notna().any():
        return nothing_to_draw(ax, "no exposure with a known outcome")
    words = param_words(param, chosen, _exposure_unit(param, values), getattr(result, "rules", None))
    means = _group_means(result, param, chosen, wanted)
    _draw_outcome(ax, mine, wanted, means, label or words, f"{_level(result)} interval" if means else "")
    _words_above(ax, text)
    return ax


def _stated(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    """Rows with the level of their intervals, unless they state it themselves."""
    return rows if "conf_level" in rows.columns else rows.assign(conf_level=level)


def _outcome_axes(text: str) -> Any:
    top = 0.2 + 0.155 * len(_wrapped(text, 4.6))
    return blank(6.2, 3.05 + top, left=1.25, right=0.35, top=top, bottom=0.9)


def _group_means(result: Any, param: str, assay: str, outcome: str) -> dict[float, dict[Any, Any]]:
    """Means of the outcome groups with their intervals, where the result has them."""
    rows = getattr(result, "summary", None)
    if rows is None or not {"param", "outcome", "level", "geo_mean", "geo_ci_low"} <= set(rows.columns):
        return {}
    rows = of_assay(rows[(rows["param"] == param) & (rows["outcome"].astype(str) == outcome)], assay)
    return {float(row["level"]): row for row in rows.to_dict("records")}


def _draw_outcome(
    ax: Any,
    mine: pd.DataFrame,
    outcome: str,
    means: Mapping[float, Mapping[Any, Any]],
    label: str,
    interval: str,
) -> None:
    graded = "grade" in outcome.lower() or mine["level"].max() > 1
    seen = sorted(mine["level"].dropna().unique())
    whole = all(float(level).is_integer() for level in seen)
    levels = [float(level) for level in range(int(max(seen[-1], 1)) + 1)] if whole and seen[0] >= 0 else seen
    bounds = [row[name] for row in means.values() for name in ("geo_ci_low", "geo_ci_high")]
    log_scale(
        ax,
        np.concatenate([mine["value"].to_numpy(dtype=float), np.asarray(bounds, dtype=float)]),
        label=label,
    )
    _columns(ax, [f"Grade {level:g}" for level in levels] if graded else ["No", "Yes"])
    style = look(ALL)
    for place, level in enumerate(levels):
        dots = mine.loc[mine["level"] == level, "value"].to_numpy(dtype=float)
        _swarm(ax, place - 0.08, dots, Look(colour=POINT, marker="o"))
        if len(dots) > 1:
            _mean_tick(ax, place + 0.12, dots, means.get(level, {}), style)
    counts = [str(int((mine["level"] == level).sum())) for level in levels]
    strip_below(ax, list(range(len(levels))), [("n", INK, counts)], offset=26)
    dots_shown = _mean_handles(True, False, interval)
    dots_shown[0].set(marker="_", markersize=12, color=INK, markeredgewidth=1.6)
    missing = int(mine["level"].isna().sum())
    _outcome_legend(ax, dots_shown)
    if missing:
        _print_below(ax, f"outcome not known: n = {missing}, not drawn", offset=52)


def _mean_tick(ax: Any, place: float, dots: Any, row: Mapping[Any, Any], style: Look) -> None:
    """A tick at the geometric mean of the dots, and its interval where the result has one."""
    mean = float(row.get("geo_mean", math.exp(np.log(dots).mean())))
    ax.vlines(
        place,
        row.get("geo_ci_low", math.nan),
        row.get("geo_ci_high", math.nan),
        color=style.colour,
        linewidth=1.4,
    )
    ax.plot(place, mean, marker="_", markersize=12, markeredgewidth=1.8, color=style.colour, linestyle="")


def _outcome_legend(ax: Any, handles: Sequence[Any]) -> None:
    down = -34 / (72 * inches_of(ax)[1])
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(-0.02, down), ncols=2, fontsize=8,
              borderaxespad=0, borderpad=0, handlelength=1.6, columnspacing=1.4)  # fmt: skip


def _association_words(row: Mapping[Any, Any]) -> str:
    """Ratio of means and rank test of two groups, or the rank correlation with a grade."""
    n, note = int(row.get("n", 0)), str(row.get("note", "") or "")
    ratio, p_value, tau = (
        float(row.get(name, math.nan)) for name in ("gm_ratio", "wilcoxon_p_value", "kendall_tau")
    )
    words = []
    if math.isfinite(ratio):
        words.append(f"ratio of geometric means, yes/no: {short_number(ratio)}{_interval(row)}")
        if math.isfinite(p_value):
            words.append(f"exact rank test p {'< 0.001' if p_value < 0.001 else f'= {p_value:.3f}'}")
    elif math.isfinite(tau):
        words.append(f"Kendall tau {short_number(tau)}")
    return "\n".join(
        [f"{row['outcome']}, n = {n}", *words, *([note] if note and "more than two" not in note else [])]
    )
