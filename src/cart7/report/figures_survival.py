"""Figures of time to event: survival curves and competing risks, with the number at risk below.

Here: steps, bands, censoring ticks and risk strips of curves that a result holds. Not here: the curves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cart7.report.canvas import (
    ALL,
    DASHES,
    INK,
    QUIET,
    STRATEGY_COLOURS,
    blank,
    day_axis,
    group_name,
    in_house_style,
    legend_above,
    look,
    nothing_to_draw,
    ordered,
    percent_axis,
    strip_below,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    name: str
    colour: str
    dash: Any
    curve: pd.DataFrame


@in_house_style
def kaplan_meier(
    result: Any, ax: Any = None, *, groups: Sequence[str] | None = None, band: bool | None = None,
    by: str | None = "dose_level", label: str = "Subjects without event (%)",
    time_label: str = "Time (days)",
) -> Any:  # fmt: skip
    """Kaplan-Meier curves with censoring ticks, confidence band and number at risk.

    Parameters
    ----------
    result : KaplanMeierResult
        Its `.curve`: group, time, n_risk, n_event, n_censor, survival, ci_low, ci_high.
    ax : Axes, optional
        Where to draw; a new figure by default.
    groups : sequence of str, optional
        Which groups; all of them by default.
    band : bool, optional
        Draw the confidence band; by default only when one curve is drawn.
    by : str or None
        What the groups are; dose levels are named `DL 1`.
    label, time_label : str
        Words on the axes.

    Returns
    -------
    Axes
    """
    curve = result.curve
    lines = [
        _Line(name=group_name(group, by), colour=look(group, ordered(curve["group"])).colour, dash="-",
              curve=curve[curve["group"].astype(str) == group])
        for group in (ordered(curve["group"]) if groups is None else groups)
    ]  # fmt: skip
    return _survival(lines, ax, band=band, label=label, time_label=time_label)


@in_house_style
def endpoint_curves(
    result: Any, ax: Any = None, *, endpoint: str = "OS", strategy: str | Sequence[str] | None = None,
    groups: Sequence[str] | None = None, band: bool | None = None, by: str | None = "dose_level",
    label: str | None = None, names: Mapping[str, str] | None = None,
) -> Any:  # fmt: skip
    """Survival curves of one endpoint, by group, or by strategy when several are named.

    Parameters
    ----------
    result : EndpointTableResult
        Its `.curves`: endpoint, strategy, group, time (days), n_risk, n_event, n_censor, survival,
        ci_low, ci_high and, where computed, bpcp_low, bpcp_high.
    ax : Axes, optional
        Where to draw; a new figure by default.
    endpoint : str
        `OS`, `PFS`, `DOR` or `EFS`.
    strategy : str or sequence of str, optional
        The first strategy of the endpoint by default; several are drawn over each other for everybody.
    groups : sequence of str, optional
        Which groups; all of them by default.
    band : bool, optional
        Draw the confidence band; by default only when one curve is drawn.
    by : str or None
        What the groups are; dose levels are named `DL 1`.
    label : str, optional
        Word on the vertical axis.
    names : mapping, optional
        Words for the strategies.

    Returns
    -------
    Axes
    """
    curves = result.curves[result.curves["endpoint"] == endpoint]
    found = list(dict.fromkeys(curves["strategy"]))
    label = f"{endpoint}: subjects without event (%)" if label is None else label
    if strategy is not None and not isinstance(strategy, str):
        lines = [
            _Line(name=(names or {}).get(name, name), colour=STRATEGY_COLOURS[number % 5],
                  dash=DASHES[number % len(DASHES)],
                  curve=curves[(curves["strategy"] == name) & (curves["group"] == ALL)])
            for number, name in enumerate(strategy)
        ]  # fmt: skip
        return _survival(lines, ax, band=band, label=label)
    chosen = strategy if strategy is not None else (found[0] if found else "")
    curves = curves[curves["strategy"] == chosen]
    every = ordered(curves["group"])
    lines = [
        _Line(name=group_name(group, by), colour=look(group, every).colour,
              dash="-" if group == ALL else DASHES[1 + every.index(group) % 5],
              curve=curves[curves["group"] == group])
        for group in (every if groups is None else [group for group in groups if group in every])
    ]  # fmt: skip
    return _survival(lines, ax, band=band, label=label)


@in_house_style
def cumulative_incidence(
    result: Any, ax: Any = None, *, group: str = ALL, causes: dict[int, str] | None = None,
    time_label: str = "Days since infusion",
) -> Any:  # fmt: skip
    """Cumulative incidence of competing events with pointwise bands and the number at risk.

    Parameters
    ----------
    result : CumulativeIncidenceResult
        Its `.curve`: group, cause, time (days), n_risk, estimate, ci_low, ci_high.
    ax : Axes, optional
        Where to draw; a new figure by default.
    group : str
        Which group.
    causes : dict, optional
        Words for the causes; `{1: "progression or death", 2: "HSCT"}` by default.
    time_label : str
        Word on the time axis.

    Returns
    -------
    Axes
    """
    words = {1: "progression or death", 2: "HSCT"} if causes is None else causes
    curve = result.curve[result.curve["group"].astype(str) == group]
    ax = blank(7.2, 3.6, left=0.75, right=0.2, top=0.35, bottom=0.87) if ax is None else ax
    if curve.empty:
        return nothing_to_draw(ax, "nobody at risk")
    ticks = day_axis(ax, float(curve["time"].max()), label=time_label)
    percent_axis(ax, label="Cumulative incidence (%)")
    for number, (cause, rows) in enumerate(curve.groupby("cause", sort=True)):
        rows = rows.sort_values("time")
        colour = ("#EE6677", "#4477AA", "#228833", "#AA3377")[number % 4]
        time, estimate, low, high = _steps(rows, "estimate", start=0.0)
        name = words.get(int(cause), f"cause {cause:g}")
        ax.step(time, 100 * estimate, where="post", color=colour, linestyle=DASHES[number % 6], label=name)
        ax.fill_between(time, 100 * low, 100 * high, step="post", color=colour, alpha=0.13, linewidth=0)
    first = curve[curve["cause"] == curve["cause"].min()].sort_values("time")
    strip_below(ax, ticks, [(group_name(group), INK, _at_risk(first, ticks))], title="Number at risk")
    legend_above(ax)
    return ax


def _survival(
    lines: list[_Line], ax: Any, *, band: bool | None, label: str, time_label: str = "Time (days)"
) -> Any:
    lines = [line for line in lines if len(line.curve)]
    if ax is None:
        strip = 0.16 * (len(lines) + 1)
        left = max(0.8, 0.25 + 0.075 * max((len(line.name) for line in lines), default=0))
        ax = blank(7.2, 3.3 + strip, left=left, right=0.2, top=0.35, bottom=0.55 + strip)
    if not lines:
        return nothing_to_draw(ax, "nobody at risk")
    last = max(float(line.curve["time"].max()) for line in lines)
    ticks = day_axis(ax, last, label=time_label)
    percent_axis(ax, label=label)
    for line in lines:
        _draw_line(ax, line, band=len(lines) == 1 if band is None else band)
    strip_below(ax, ticks, [(line.name, line.colour, _at_risk(line.curve, ticks)) for line in lines],
                title="Number at risk")  # fmt: skip
    _curve_legend(ax, lines, band=len(lines) == 1 if band is None else band)
    return ax


def _draw_line(ax: Any, line: _Line, *, band: bool) -> None:
    rows = line.curve.sort_values("time")
    time, survival, low, high = _steps(rows, "survival", start=1.0)
    ax.step(time, 100 * survival, where="post", color=line.colour, linestyle=line.dash)
    censored = rows[rows["n_censor"] > 0]
    ax.plot(censored["time"], 100 * censored["survival"], linestyle="", marker="|", markersize=8,
            markeredgewidth=1.2, color=line.colour)  # fmt: skip
    if band:
        ax.fill_between(time, 100 * low, 100 * high, step="post", color=line.colour, alpha=0.13, linewidth=0)
        if "bpcp_low" in rows.columns:
            for name in ("bpcp_low", "bpcp_high"):
                limit = np.concatenate([[np.nan], rows[name].to_numpy(dtype=float)])
                ax.step(
                    time, 100 * limit, where="post", color=QUIET, linewidth=0.9, linestyle=(0, (1.5, 1.5))
                )


def _curve_legend(ax: Any, lines: list[_Line], *, band: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], color=line.colour, linestyle=line.dash, label=line.name) for line in lines
    ]
    handles.append(Line2D([], [], color=INK, linestyle="", marker="|", markersize=8, label="censored"))
    if band:
        handles.append(Patch(color=INK, alpha=0.13, linewidth=0, label="pointwise limits"))
        if any("bpcp_low" in line.curve.columns and line.curve["bpcp_low"].notna().any() for line in lines):
            handles.append(
                Line2D([], [], color=QUIET, linewidth=0.9, linestyle=(0, (1.5, 1.5)), label="exact (BPCP)")
            )
    legend_above(ax, handles, columns=min(len(handles), 5))


def _steps(rows: pd.DataFrame, value: str, *, start: float) -> tuple[Any, Any, Any, Any]:
    """Time, value and limits with the point at time 0 in front, limits carried where they are missing."""
    time = np.concatenate([[0.0], rows["time"].to_numpy(dtype=float)])
    level = np.concatenate([[start], rows[value].to_numpy(dtype=float)])
    low = np.concatenate([[start], rows["ci_low"].to_numpy(dtype=float)])
    high = np.concatenate([[start], rows["ci_high"].to_numpy(dtype=float)])
    return time, level, low, high


def _at_risk(curve: pd.DataFrame, ticks: Sequence[float]) -> list[str]:
    """Number at risk at each tick: that of the first time of the curve at or after it."""
    rows = curve.sort_values("time")
    time, n_risk = rows["time"].to_numpy(dtype=float), rows["n_risk"].to_numpy()
    place = np.searchsorted(time, np.asarray(ticks) - 1e-9)
    return [str(int(n_risk[at])) if at < time.size else "0" for at in place]
