"""Figures by visit: geometric means, persistence, antibodies; the counts stand below.

Here: what a result holds for each visit, drawn at its day or in its column. Not here: any statistic,
individual curves (`figures_kinetics`).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cart7.report.canvas import (
    ALL,
    INK,
    QUIET,
    Look,
    blank,
    group_name,
    in_house_style,
    legend_above,
    nothing_to_draw,
    ordered,
    percent_axis,
    plain,
    root_day_axis,
    signed_root,
    signed_square,
    strip_below,
)
from cart7.report.figures_kinetics import (
    CHARACTER,
    apart,
    blq_handles,
    brief_ids,
    data_bounds,
    inches_of,
    interval_bars,
    key,
    legend_lines,
    level_words,
    limit_lines,
    log_scale,
    looks,
    measure,
    of_assay,
    preferred_assay,
    print_below,
    spaced,
    wrapped_legend,
)


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
    bounds, styles = data_bounds(seen, 5), {level: looks(every)[level] for level in levels}
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
    words = [f"Geometric mean with {level_words(result)} interval", str(getattr(result, "blq_words", ""))]
    beyond = ((rows["geo_ci_low"] < bounds[0]) | (rows["geo_ci_high"] > bounds[1])).any()
    words.append("arrow heads: the interval goes on" if beyond else "")
    words.append(f"not drawn, no nominal day: {', '.join(no_day)}" if len(no_day) else "")
    return "; ".join(word for word in words if word) + ". Root scale of days."


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
    print_below(ax, small, offset=37 + 11.5 * (len(strip) + 1) - 3)
    closest = np.diff(np.unique(roots)).min() if len(set(roots)) > 1 else high - low
    return float(min(4.5 / width * (high - low), 0.7 * closest / max(len(strip), 1)))


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
    interval_bars(ax, day, low, high, style, bounds, width=0.9)
    ax.plot(day, np.where(below, at_limit, mean), color=style.colour, linewidth=0.9, alpha=0.35)
    ax.plot(day, mean, color=style.colour, marker=style.marker, markersize=4.2, linewidth=1.4)
    open_mark = {"marker": "v", "markersize": 5, "markerfacecolor": "white", "markeredgewidth": 0.9}
    ax.plot(day, at_limit, color=style.colour, linestyle="", clip_on=False, **open_mark)


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
        Which assay; by default qPCR, else ddPCR, else flow cytometry, else the first one.
    group : str
        Which group.
    label : str, optional
        Word on the vertical axis.

    Returns
    -------
    Axes
    """
    rows = result.summary[result.summary["group"] == group]
    chosen = preferred_assay(rows, assay)
    rows = of_assay(rows, chosen).sort_values("nominal_day", kind="stable")
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
    ax.set_yticks(range(len(names)), [brief_ids(names)[name] for name in names])
    legend_above(ax)
    return ax
