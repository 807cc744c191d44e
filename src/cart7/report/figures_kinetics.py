"""Figures of cells over time: CAR-T kinetics, CD7+ cells, persistence and antibodies by visit.

Here: individual curves by dose level on a log axis, values below the limit drawn at the limit as open
triangles, and proportions by visit with exact limits. Not here: any parameter of a curve.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cart7.report.canvas import (
    ALL,
    DASHES,
    GRID,
    INK,
    QUIET,
    blank,
    group_name,
    in_house_style,
    legend_above,
    log_axis,
    look,
    nothing_to_draw,
    ordered,
    panels,
    percent_axis,
    plain,
    root_day_axis,
    short_ids,
    strip_below,
)

MEASURES = {
    "QPCR": "CAR transgene by qPCR (copies/µg DNA)",
    "FLOW": "CAR-T cells by flow cytometry (cells/µL)",
    "DDPCR": "CAR transgene by ddPCR (copies/µg DNA)",
    "CD7POS_ABS": "CD7+ cells (cells/µL)",
    "CD7POS_PCT": "CD7+ cells (% of lymphocytes)",
}


@in_house_style
def kinetics_spaghetti(
    result: Any, ax: Any = None, *, assay: str | None = None, groups: Mapping[str, str] | None = None,
    infusion_no: int | None = 1, by: str | None = "dose_level", label: str | None = None,
) -> Any:  # fmt: skip
    """Individual kinetic curves on a log axis, one panel per dose level.

    Parameters
    ----------
    result : NcaResult
        Its `.points`: subject_id, infusion_no, assay, day, value, blq, lloq, unit.
    ax : Axes, optional
        Draw all groups here; by default a new figure with a panel per group.
    assay : str, optional
        Which assay; the first one by default.
    groups : mapping, optional
        Group (dose level) of each subject_id; one group by default.
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
    points = result.points
    if infusion_no is not None and "infusion_no" in points.columns:
        points = points[points["infusion_no"].isna() | (points["infusion_no"] == infusion_no)]
    found = list(dict.fromkeys(points["assay"])) if "assay" in points.columns else []
    chosen = assay if assay is not None else (found[0] if found else "")
    if found:
        points = points[points["assay"] == chosen]
    label = _measure(points, chosen) if label is None else label
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
    label = _measure(samples, chosen) if label is None else label
    return _spaghetti(samples, ax, groups=groups, by=by, label=label, lines=lines)


def _measure(rows: pd.DataFrame, name: str) -> str:
    if name in MEASURES:
        return MEASURES[name]
    units = (
        [] if "unit" not in rows.columns else [str(unit) for unit in rows["unit"].dropna().unique() if unit]
    )
    return f"{name} ({units[0]})" if len(units) == 1 else name


def _spaghetti(
    rows: pd.DataFrame, ax: Any, *, groups: Mapping[str, str] | None, by: str | None, label: str,
    lines: Sequence[float] = (),
) -> Any:  # fmt: skip
    rows = _with_blq(rows)
    subjects = rows["subject_id"].astype(str)
    rows = rows.assign(group=[(groups or {}).get(name, ALL if groups is None else "") for name in subjects])
    levels = ordered(rows["group"])
    shown = pd.concat([rows["value"], rows["lloq"]]).to_numpy(dtype=float)
    several = ax is None and len(levels) > 1
    if ax is None:
        width = max(7.4, 1.5 + 2.1 * len(levels))
        axes = panels(max(len(levels), 1), width, 3.75, left=0.85, right=0.62, top=0.5, bottom=0.5, gap=0.15)
    else:
        axes = [ax] * max(len(levels), 1)
    if not levels:
        return nothing_to_draw(axes[0], "no samples")
    log_axis(axes[0], shown, label=label)
    for number, (level, place) in enumerate(zip(levels, axes, strict=True)):
        if several or number == 0:
            _panel_furniture(place, rows, lines, last=not several or level == levels[-1])
        _courses(place, rows[rows["group"] == level], look(level, levels), several=several)
        if several:
            place.set_title(
                group_name(level, by), pad=22, fontweight="bold", color=look(level, levels).colour
            )
    if not several and len(levels) > 1:
        _level_legend(axes[0], levels, by)
    return axes[0].figure if several else axes[0]


def _with_blq(rows: pd.DataFrame) -> pd.DataFrame:
    """`below` (drawn at the limit), and values that are numbers only where quantifiable."""
    lloq = rows["lloq"] if "lloq" in rows.columns else pd.Series(np.nan, index=rows.index)
    lloq = lloq.astype("float64")
    flag = rows["blq"] if "blq" in rows.columns else pd.Series("", index=rows.index)
    below = flag.notna() & ~flag.astype(str).isin(["", "N", "False", "0", "0.0"])
    value = rows["value"].astype("float64")
    below = below | (value < lloq) | (value <= 0)
    return rows.assign(lloq=lloq, below=below, value=value.where(~below))


def _panel_furniture(ax: Any, rows: pd.DataFrame, lines: Sequence[float], *, last: bool) -> None:
    width = ax.get_position().width * ax.figure.get_figwidth()
    root_day_axis(ax, float(rows["day"].min()), float(rows["day"].max()), width=width)
    ax.set_xlabel("Days since infusion (root scale)" if width > 3 else "Days since infusion")
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    limits = [float(limit) for limit in sorted(rows["lloq"].dropna().unique())]
    marks = [(limit, f"LLOQ {plain(limit)}", (0, (4, 3))) for limit in limits[:1] + limits[1:][-1:]]
    for height, words, dash in [*marks, *((line, f"{plain(line)} %", (0, (1, 2))) for line in lines)]:
        ax.axhline(height, color=QUIET, linewidth=0.8, linestyle=dash)
        if last:
            ax.annotate(words, (1.0, height), xycoords=("axes fraction", "data"), xytext=(3, 0),
                        color=QUIET, textcoords="offset points", va="center", fontsize=7.5,
                        annotation_clip=False)  # fmt: skip


def _courses(ax: Any, rows: pd.DataFrame, style: Any, *, several: bool) -> None:
    names = sorted(rows["subject_id"].astype(str).unique())
    labels = short_ids(names)
    for number, name in enumerate(names):
        course = rows[rows["subject_id"].astype(str) == name].sort_values("day", kind="stable")
        day, value = course["day"].to_numpy(dtype=float), course["value"].to_numpy(dtype=float)
        at_limit = np.where(course["below"], course["lloq"], np.nan)
        dash = DASHES[number % len(DASHES)] if several else "-"
        # Pale through the limit, full between quantifiable samples; a missing sample breaks both.
        ax.plot(
            day, np.where(course["below"], at_limit, value), color=style.colour, linewidth=0.9, alpha=0.35
        )
        ax.plot(day, value, color=style.colour, linestyle=dash, marker=style.marker, markersize=3.2,
                linewidth=1.2, label=labels[name])  # fmt: skip
        ax.plot(day, at_limit, color=style.colour, linestyle="", marker="v", markersize=4.6,
                markerfacecolor="white", markeredgewidth=0.9)  # fmt: skip
    if several and len(names) <= 6:
        handles = [line for line in ax.get_lines() if line.get_label() in set(labels.values())]
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3,
                  borderaxespad=0.1, borderpad=0.0, handlelength=2.6, columnspacing=0.7, handletextpad=0.4,
                  fontsize=8)  # fmt: skip


def _level_legend(ax: Any, levels: list[str], by: str | None) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=look(level, levels).colour, marker=look(level, levels).marker, markersize=4,
               label=group_name(level, by))
        for level in levels
    ]  # fmt: skip
    handles.append(
        Line2D([], [], linestyle="", marker="v", markerfacecolor="white", color=INK, label="below LLOQ")
    )
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(handles), borderpad=0)


@in_house_style
def persistence_bars(
    result: Any, ax: Any = None, *, assay: str | None = None, group: str = ALL, label: str | None = None
) -> Any:
    """Subjects with quantifiable CAR-T cells by visit, with exact limits and the counts below.

    Parameters
    ----------
    result : PersistenceResult
        Its `.summary`: assay, visit, nominal_day, group, n_sampled, n_quantifiable, estimate, ci_low,
        ci_high (fractions).
    ax : Axes, optional
        Where to draw; a new figure by default.
    assay : str, optional
        Which assay; the first one by default.
    group : str
        Which group.
    label : str, optional
        Word on the vertical axis.

    Returns
    -------
    Axes
    """
    rows = result.summary[result.summary["group"] == group]
    found = list(dict.fromkeys(rows["assay"]))
    chosen = assay if assay is not None else (found[0] if found else "")
    rows = rows[rows["assay"] == chosen].sort_values("nominal_day", kind="stable")
    return _by_visit(rows, ax, count="n_quantifiable", n="n_sampled", row="n/sampled",
                     label=label or f"Quantifiable, {chosen} (%)")  # fmt: skip


@in_house_style
def ada_rates(
    result: Any,
    ax: Any = None,
    *,
    measure: str = "positive_at_visit",
    group: str = ALL,
    label: str | None = None,
) -> Any:
    """Subjects with anti-drug antibodies by visit, with exact limits and the counts below.

    Parameters
    ----------
    result : PositiveRateResult
        Its `.summary`: visit, measure, group, n, n_positive, estimate, ci_low, ci_high (fractions).
    ax : Axes, optional
        Where to draw; a new figure by default.
    measure : str
        `positive_at_visit`, `treatment_emergent_at_visit` or `cumulative_through_visit`.
    group : str
        Which group.
    label : str, optional
        Word on the vertical axis.

    Returns
    -------
    Axes
    """
    summary = result.summary
    rows = summary[
        (summary["group"] == group) & (summary["measure"] == measure) & (summary["visit"] != "OVERALL")
    ]
    return _by_visit(
        rows, ax, count="n_positive", n="n", row="pos./tested", label=label or "ADA positive (%)"
    )


def _by_visit(rows: pd.DataFrame, ax: Any, *, count: str, n: str, row: str, label: str) -> Any:
    ax = blank(7.2, 2.9, left=0.95, right=0.15, top=0.15, bottom=0.62) if ax is None else ax
    if rows.empty:
        return nothing_to_draw(ax, "no samples")
    place = np.arange(len(rows))
    estimate, low, high = (
        100 * rows[name].to_numpy(dtype=float) for name in ("estimate", "ci_low", "ci_high")
    )
    percent_axis(ax, label=label)
    ax.bar(place, np.nan_to_num(estimate), width=0.56, color="#4477AA", alpha=0.3, linewidth=0)
    ax.vlines(place, low, high, color=INK, linewidth=1.1)
    ax.plot(place, estimate, linestyle="", marker="o", markersize=4.5, color=INK)
    ax.set_xlim(-0.6, len(rows) - 0.4)
    ax.set_xticks(place, [str(visit) for visit in rows["visit"]])
    counts = [f"{int(x)}/{int(m)}" for x, m in zip(rows[count], rows[n], strict=True)]
    strip_below(ax, list(place), [(row, INK, counts)], offset=26)
    return ax


@in_house_style
def ada_course(result: Any, ax: Any = None) -> Any:
    """Antibody samples of every subject over time: positive filled with its titre, negative open.

    Parameters
    ----------
    result : ClassificationResult
        Its `.samples`: subject_id, day, result (`POS`, `NEG`), titer.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
    """
    samples = result.samples
    names = sorted(samples["subject_id"].astype(str).unique())
    ax = (
        blank(7.2, 1.0 + 0.27 * max(len(names), 2), left=0.9, right=0.2, top=0.35, bottom=0.5)
        if ax is None
        else ax
    )
    if not names:
        return nothing_to_draw(ax, "nobody was tested")
    lane = samples["subject_id"].astype(str).map({name: place for place, name in enumerate(names)})
    positive = (samples["result"] == "POS").to_numpy()
    for chosen, colour, word in (
        (~positive, "white", "negative"),
        (positive, "#EE6677", "positive, with titre"),
    ):
        ax.plot(samples["day"][chosen], lane[chosen], linestyle="", marker="o", markersize=6, color=colour,
                markeredgecolor=INK, markeredgewidth=0.8, label=word)  # fmt: skip
    for day, place, titer in zip(
        samples["day"][positive], lane[positive], samples["titer"][positive], strict=True
    ):
        if pd.notna(titer):
            ax.annotate(plain(float(titer)), (day, place), xytext=(6, 0), textcoords="offset points",
                        va="center", fontsize=8)  # fmt: skip
    width = ax.get_position().width * ax.figure.get_figwidth()
    root_day_axis(ax, float(samples["day"].min()), float(samples["day"].max()), width=width)
    ax.set_xlabel("Days since infusion (root scale)")
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), [short_ids(names)[name] for name in names])
    legend_above(ax)
    return ax


@in_house_style
def exposure_by_group(
    result: Any, ax: Any = None, *, param: str = "cmax", assay: str | None = None,
    by: str | None = "dose_level",
    label: str | None = None,
) -> Any:  # fmt: skip
    """One kinetic parameter by dose level: geometric mean with its interval, and the range (wide bar).

    Parameters
    ----------
    result : ExposureResult
        Its `.summary` (param, assay, group, n, geo_mean, geo_ci_low, geo_ci_high).
    ax : Axes, optional
        Where to draw; a new figure by default.
    param : str
        Which parameter (`cmax`, `auc_window` ...).
    assay : str, optional
        Which assay; the first one by default.
    by : str or None
        What the groups are; dose levels are named `DL 1`.
    label : str, optional
        Word and unit on the vertical axis.

    Returns
    -------
    Axes
    """
    summary = result.summary[result.summary["param"] == param]
    found = list(dict.fromkeys(summary["assay"].astype(str))) if len(summary) else []
    chosen = assay if assay is not None else (found[0] if found else "")
    rows = {
        str(row["group"]): row for row in summary[summary["assay"].astype(str) == chosen].to_dict("records")
    }
    levels = ordered(list(rows))
    ax = blank(7.2, 3.1, left=1.0, right=0.2, top=0.15, bottom=0.6) if ax is None else ax
    if not levels:
        return nothing_to_draw(ax, "no profile")
    limits = [
        rows[level][name]
        for level in levels
        for name in ("geo_mean", "geo_ci_low", "geo_ci_high", "min", "max")
    ]
    log_axis(ax, limits, label=label or f"{param} ({chosen})")
    for place, level in enumerate(levels):
        row, style = rows[level], look(level, levels)
        ax.vlines(place, row["geo_ci_low"], row["geo_ci_high"], color=style.colour, linewidth=1.8)
        ax.vlines(place, row["min"], row["max"], color=style.colour, linewidth=7, alpha=0.2)
        ax.plot(place, row["geo_mean"], marker=style.marker, color=style.colour, markersize=7, linestyle="")
    ax.set_xlim(-0.5, len(levels) - 0.5)
    ax.set_xticks(range(len(levels)), [group_name(level, by) for level in levels])
    strip_below(
        ax,
        list(range(len(levels))),
        [("n", INK, [str(int(rows[level]["n"])) for level in levels])],
        offset=26,
    )
    return ax
