"""Figures of exposure: by dose level, against dose, by outcome.

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
    strip_below,
)
from cart7.report.figures_kinetics import (
    CHARACTER,
    brief_ids,
    data_bounds,
    inches_of,
    interval_bars,
    key,
    level_words,
    log_scale,
    looks,
    of_assay,
    preferred_assay,
    print_below,
    spaced,
    unit_of,
    wrapped_legend,
)
from cart7.report.words import ASSAYS, PARAMETERS, in_words

POINT = "#4477AA"


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
    bounds = data_bounds([rows[level][name] for level in levels for name in ("geo_mean", "min", "max")], 100)
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
    wrapped_legend(ax, _mean_handles(any(shown), not all(shown), f"{level_words(result)} interval"))
    counts = [str(int(rows[level]["n"])) for level in levels]
    strip_below(ax, list(range(len(levels))), [("n", INK, counts)], offset=26)
    print_below(ax, _remarks(subjects.get(param), list(rows.values()), bounds), offset=36)
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
    interval_bars(ax, [place], [row["geo_ci_low"]], [row["geo_ci_high"]], style, bounds, width=1.8)
    ax.plot(place, row["geo_mean"], marker=style.marker, color=style.colour, markersize=7, linestyle="")


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
    models = {str(row["dose"]): row for row in of_assay(models, chosen).to_dict("records")}
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
    log_scale(axes[0], np.clip(ends, *data_bounds(shown, 10)), label=label or words)
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
        wilcoxon_p_value, kendall_tau, note; its `.by_outcome`: assay, param, outcome, level, geo_mean,
        geo_ci_low, geo_ci_high.
    ax : Axes, optional
        Draw one outcome here (the first one by default); by default a new figure with a panel for each.
    param : str
        Which parameter (`cmax`, `auc_window` ...).
    assay : str, optional
        Which assay; by default qPCR, else ddPCR, else flow cytometry, else the first one.
    outcome : str, optional
        Only this outcome.
    label : str, optional
        Word and unit on the vertical axis.

    Returns
    -------
    Axes or Figure
        The Figure when there are several panels.
    """
    values = result.subjects[result.subjects["param"] == param]
    chosen = preferred_assay(values, assay)
    values = of_assay(values, chosen)
    values = values[values["value"].astype(float) > 0]
    names = list(dict.fromkeys(result.outcomes["outcome"].astype(str))) if outcome is None else [outcome]
    names = (names if ax is None else names[:1]) or [""]
    texts = {name: _words_of(result, param, chosen, name) for name in names}
    axes = _outcome_axes(texts) if ax is None else [ax]
    words = param_words(param, chosen, _exposure_unit(param, values), getattr(result, "rules", None))
    for place, name in zip(axes, names, strict=True):
        mine = _with_outcome(values, result.outcomes, name)
        if mine["level"].notna().any():
            log_scale(place, values["value"], label=(label or words) if place is axes[0] else "")
            _draw_outcome(place, mine, name, _group_means(result, param, chosen, name))
        else:
            nothing_to_draw(place, "no exposure with a known outcome")
        _words_above(place, texts[name])
    _outcome_legend(axes[-1 if len(axes) < 4 else 3], f"{level_words(result)} interval")
    return axes[0].figure if len(axes) > 1 else axes[0]


def _with_outcome(values: pd.DataFrame, outcomes: pd.DataFrame, name: str) -> pd.DataFrame:
    """The exposures with the outcome of each subject as `level`."""
    mine = outcomes[outcomes["outcome"].astype(str) == name]
    seen = dict(zip(mine["subject_id"].astype(str), mine["value"].astype(float), strict=True))
    return values.assign(level=values["subject_id"].astype(str).map(seen).astype(float))


def _words_of(result: Any, param: str, assay: str, outcome: str) -> str:
    rows = result.associations
    rows = of_assay(rows[(rows["param"] == param) & (rows["outcome"].astype(str) == outcome)], assay)
    return next((_association_words(row) for row in rows.to_dict("records")), outcome)


def _outcome_axes(texts: Mapping[str, str]) -> list[Any]:
    """Panels in rows of three that share the vertical axis, each with room for its words."""
    from matplotlib.figure import Figure

    across = min(len(texts), 3)
    down = math.ceil(len(texts) / 3)
    left, right, gap, tall, below = 1.15, 0.2, 0.3, 2.1, 0.62
    width = 5.4 if across == 1 else 7.6
    each = (width - left - right - gap * (across - 1)) / across
    lines = [len(_wrapped(text, each)) for text in texts.values()]
    tops = [0.1 + 0.155 * max(lines[3 * row : 3 * row + 3]) for row in range(down)]
    height = sum(tops) + down * (tall + below) + 0.25
    figure = Figure(figsize=(width, height))
    axes: list[Any] = []
    for number in range(len(texts)):
        row, column = divmod(number, 3)
        low = height - sum(tops[: row + 1]) - row * (tall + below) - tall
        place = ((left + column * (each + gap)) / width, low / height, each / width, tall / height)
        axes.append(figure.add_axes(place, sharey=axes[0] if axes else None))
        axes[-1].tick_params(labelleft=column == 0)
    return axes


def _group_means(result: Any, param: str, assay: str, outcome: str) -> dict[float, dict[Any, Any]]:
    """Means of the groups of an outcome with their intervals."""
    rows = result.by_outcome
    rows = of_assay(rows[(rows["param"] == param) & (rows["outcome"].astype(str) == outcome)], assay)
    return {float(row["level"]): row for row in rows.to_dict("records")}


def _draw_outcome(
    ax: Any, mine: pd.DataFrame, outcome: str, means: Mapping[float, Mapping[Any, Any]]
) -> None:
    graded = "grade" in outcome.lower() or mine["level"].max() > 1
    seen = sorted(mine["level"].dropna().unique())
    whole = all(float(level).is_integer() for level in seen)
    levels = [float(level) for level in range(int(max(seen[-1], 1)) + 1)] if whole and seen[0] >= 0 else seen
    bounds = data_bounds(mine["value"], 1.6)
    _columns(ax, [f"{level:g}" for level in levels] if graded else ["No", "Yes"])
    if graded:
        ax.set_xlabel("Grade", fontsize=8, labelpad=14)
    style = look(ALL)
    for place, level in enumerate(levels):
        dots = mine.loc[mine["level"] == level, "value"].to_numpy(dtype=float)
        _swarm(ax, place - 0.1, dots, Look(colour=POINT, marker="o"))
        if len(dots) > 1 and level in means:
            row = means[level]
            interval_bars(
                ax, [place + 0.2], [row["geo_ci_low"]], [row["geo_ci_high"]], style, bounds, width=1.2
            )
            ax.plot(place + 0.2, row["geo_mean"], marker="_", markersize=11, markeredgewidth=1.8,
                    color=style.colour, linestyle="")  # fmt: skip
    counts = [str(int((mine["level"] == level).sum())) for level in levels]
    unknown = int(mine["level"].isna().sum())
    strip_below(ax, list(range(len(levels))), [("n", INK, counts)], offset=22)
    if unknown:
        print_below(ax, f"outcome not known: n = {unknown}, not drawn", offset=38)


def _outcome_legend(ax: Any, interval: str) -> None:
    handles = _mean_handles(True, False, f"{interval} (arrow head: it goes on)")
    handles[0].set(marker="_", markersize=11, color=INK, markeredgewidth=1.6)
    figure = ax.figure
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.02, 0.0), ncols=2, fontsize=8,
                  borderaxespad=0.2, borderpad=0, handlelength=1.6, columnspacing=1.4)  # fmt: skip


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
