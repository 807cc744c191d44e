"""The drawing board of all figures: canvas, colours, axes a clinician can read, and the SVG text.

Here: the house style, dose levels in fixed colours and markers, day and log axes with plain tick
labels, legends and strips of counts outside the data, and SVG that is small and always the same bytes.
Not here: what is drawn (`figures_*`).
"""

import contextlib
import functools
import io
import itertools
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ParamSpec

import numpy as np
import pandas as pd

Given = ParamSpec("Given")

ALL = "ALL"
INK = "#222222"
GRID = "#DDDDDD"
QUIET = "#6B6B6B"
# Paul Tol's "bright" set, told apart with every kind of colour vision; each colour has its own marker.
COLOURS = ("#4477AA", "#EE6677", "#228833", "#AA3377", "#CC8800", "#66CCEE", "#777777")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STRATEGY_COLOURS = ("#222222", "#4477AA", "#EE6677", "#228833", "#AA3377")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1.5, 1.2)),
    (0, (6, 2, 1.5, 2)),
    (0, (9, 2)),
    (0, (3, 1, 1, 1)),
)

STYLE: Mapping[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "text.color": INK,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "cart7",
}


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's defaults and the house style, whatever the reader's own settings are."""
    import matplotlib

    if matplotlib.rcParams["svg.hashsalt"] == STYLE["svg.hashsalt"]:
        yield
        return
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def in_house_style(draw: Callable[Given, Any]) -> Callable[Given, Any]:
    """Figures that make their own canvas look the same everywhere; on a reader's Axes, the reader's style."""

    @functools.wraps(draw)
    def drawn(*args: Given.args, **options: Given.kwargs) -> Any:
        ax = args[1] if len(args) > 1 else options.get("ax")
        with house_style() if ax is None else contextlib.nullcontext():
            return draw(*args, **options)

    return drawn


def blank(width: float, height: float, *, left: float, right: float, top: float, bottom: float) -> Any:
    """An empty Axes on its own Figure; the size and the margins around the axes in inches."""
    return panels(1, width, height, left=left, right=right, top=top, bottom=bottom, gap=0.0)[0]


def panels(
    n: int, width: float, height: float, *, left: float, right: float, top: float, bottom: float, gap: float
) -> list[Any]:
    """`n` Axes side by side on one Figure that share the vertical axis; sizes in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    each = (width - left - right - gap * (n - 1)) / n
    axes: list[Any] = []
    for position in range(n):
        place = (
            (left + position * (each + gap)) / width,
            bottom / height,
            each / width,
            (height - top - bottom) / height,
        )
        axes.append(figure.add_axes(place, sharey=axes[0] if axes else None))
        if position:
            axes[-1].tick_params(labelleft=False)
    return axes


def ordered(labels: Sequence[str] | pd.Series) -> list[str]:
    """Group labels once each: numbers by size, then words by alphabet, `ALL` last."""
    return sorted({str(label) for label in labels}, key=_place)


def _place(label: str) -> tuple[int, float, str]:
    if label == ALL:
        return (2, 0.0, "")
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)


def group_name(label: str, by: str | None = "dose_level") -> str:
    """A group as a reader calls it: dose level 1 is `DL 1`, everybody `All`."""
    if label == ALL:
        return "All"
    return f"DL {label}" if by == "dose_level" and label else (label or "not stated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one group is drawn, the same in every figure."""

    colour: str
    marker: str


def look(label: str, labels: Sequence[str] = ()) -> Look:
    """Colour and marker of a group: level k always has the k-th of each; everybody is black.

    Examples
    --------
    >>> look("2").marker, look("ALL").colour
    ('s', '#222222')
    """
    if label == ALL:
        return Look(colour=INK, marker="o")
    if label.isdecimal() and int(label) > 0:
        place = int(label) - 1
    else:
        place = list(labels).index(label) if label in labels else 0
    return Look(colour=COLOURS[place % len(COLOURS)], marker=MARKERS[place % len(MARKERS)])


def short_ids(subject_ids: Sequence[str]) -> dict[str, str]:
    """Subject numbers without what they share up to their last hyphen, for labels inside figures.

    Examples
    --------
    >>> short_ids(["CD7-001", "CD7-002"])
    {'CD7-001': '001', 'CD7-002': '002'}
    """
    heads = {name.rpartition("-")[0] for name in subject_ids}
    shared = len(heads) == 1 and all(name.rpartition("-")[2] for name in subject_ids)
    return {name: name.rpartition("-")[2] if shared else name for name in subject_ids}


def _day_step(last: float) -> float:
    for step in (7, 14, 30, 60, 90, 180, 360, 720):
        if last / step <= 7.5:
            return step
    return 360 * math.ceil(last / 360 / 7)


def day_axis(ax: Any, last: float, *, label: str = "Days since infusion") -> list[float]:
    """A plain day axis from 0 to `last`; returns its ticks, where counts at risk stand."""
    last = last if math.isfinite(last) and last > 0 else 1.0
    step = _day_step(last)
    ticks = [float(tick) for tick in np.arange(0.0, last + 1e-9, step)]
    ax.set_xlim(0, last * 1.02)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xlabel(label)
    return ticks


def root_day_axis(ax: Any, first: float, last: float, *, width: float) -> None:
    """A square-root day axis: the first month has room, the follow-up still fits (`width` in inches)."""
    last = last if math.isfinite(last) and last > 0 else 1.0
    first = min(first, 0.0) if math.isfinite(first) else 0.0
    ax.set_xscale("function", functions=(signed_root, signed_square))
    low = -((math.sqrt(-first) + 0.6) ** 2)
    high = (math.sqrt(last) * 1.03) ** 2
    ax.set_xlim(low, high)
    gap = 0.3 * (math.sqrt(high) + math.sqrt(-low)) / width
    ticks: list[float] = []
    # Days a reader looks for first; the others where there is room.
    for tick in (0, 28, 90, 180, 365, 14, 7, 730, 60, 1095, 1460, 4, -7, -14, -28):
        root = math.copysign(math.sqrt(abs(tick)), tick)
        free = all(abs(root - math.copysign(math.sqrt(abs(other)), other)) >= gap for other in ticks)
        if low <= tick <= high and free:
            ticks.append(float(tick))
    ax.set_xticks(sorted(ticks), [f"{tick:g}".replace("-", "\u2212") for tick in sorted(ticks)])
    ax.minorticks_off()


def signed_root(day: Any) -> Any:
    """Square root that keeps the sign: screening days stay to the left of 0."""
    day = np.asarray(day, dtype=float)
    return np.sign(day) * np.sqrt(np.abs(day))


def signed_square(root: Any) -> Any:
    """Back from `signed_root`."""
    root = np.asarray(root, dtype=float)
    return np.sign(root) * root**2


def log_axis(ax: Any, values: Any, *, label: str) -> None:
    """A log axis over the positive `values` with plain decimal tick labels."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values) & (values > 0)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.1, 10.0)
    ax.set_yscale("log")
    ax.set_ylim(low / 1.7, high * 1.7)
    first, last = math.ceil(math.log10(low / 1.7)), math.floor(math.log10(high * 1.7))
    ticks = [10.0**power for power in range(first, last + 1)]
    if len(ticks) < 3:
        ticks = [m * 10.0**p for p in range(first - 1, last + 1) for m in (1, 2, 5)]
        ticks = [tick for tick in ticks if low / 1.7 <= tick <= high * 1.7]
    ax.set_yticks(ticks, [plain(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_ylabel(label)
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)


def plain(x: float) -> str:
    """A decimal number without exponent.

    Examples
    --------
    >>> plain(0.01), plain(100000.0)
    ('0.01', '100000')
    """
    return f"{x:.10f}".rstrip("0").rstrip(".")


def percent_axis(ax: Any, *, label: str, axis: str = "y") -> None:
    """An axis from 0 to 100 %."""
    ticks = [0, 20, 40, 60, 80, 100]
    getattr(ax, f"set_{axis}lim")(-2, 102)
    getattr(ax, f"set_{axis}ticks")(ticks, [str(tick) for tick in ticks])
    getattr(ax, f"set_{axis}label")(label)
    ax.grid(axis=axis, color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)


def legend_above(
    ax: Any, handles: Sequence[Any] | None = None, *, columns: int = 4, start: float = 0.0
) -> None:
    """The legend above the axes, where it hides no data."""
    handles = ax.get_legend_handles_labels()[0] if handles is None else list(handles)
    if handles:
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(start, 1.0), ncols=columns,
                  borderaxespad=0.2, borderpad=0.0, handlelength=2.2, columnspacing=1.4)  # fmt: skip


def strip_below(
    ax: Any,
    positions: Sequence[float],
    rows: Sequence[tuple[str, str, Sequence[str]]],
    *,
    title: str = "",
    offset: float = 36.0,
) -> None:
    """Rows of counts under the ticks: (name, colour, one text per position); `offset` in points."""
    from matplotlib.transforms import blended_transform_factory, offset_copy

    for number, (name, colour, texts) in enumerate([(title, INK, [])] * bool(title) + list(rows)):
        down = -(offset + 11.5 * number)
        figure = ax.figure
        data = offset_copy(
            blended_transform_factory(ax.transData, ax.transAxes), figure, y=down, units="points"
        )
        left = offset_copy(ax.transAxes, figure, x=-8 if texts else 0, y=down, units="points")
        ax.text(
            0, 0, name, transform=left, ha="right" if texts else "left", va="center", fontsize=8, color=colour
        )
        for position, text in zip(positions, texts, strict=False):
            ax.text(position, 0, text, transform=data, ha="center", va="center", fontsize=8, color=colour)


def nothing_to_draw(ax: Any, reason: str) -> Any:
    """An empty axes that says why."""
    ax.text(0.5, 0.5, reason, transform=ax.transAxes, ha="center", va="center", color=QUIET)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Move positions apart until neighbours are at least `gap` from each other, order kept.

    Examples
    --------
    >>> spread([0.0, 0.1, 5.0], 1.0)
    [0.0, 1.0, 5.0]
    """
    order = np.argsort(np.asarray(positions, dtype=float), kind="stable")
    placed = [float(position) for position in positions]
    for before, after in itertools.pairwise(order):
        placed[after] = max(placed[after], placed[before] + gap)
    return placed


_TAG = re.compile(r"<[^>]*>")
_LONG_DECIMAL = re.compile(r"(\d\.\d{2})\d+")
_FONT = re.compile(r"font: ([\d.]+)px [^;\"]*")
_ID = re.compile(r' id="([^"]+)"')
_REFERENCE = re.compile(r"((?:href=\"|url\()#)([^\")]+)")


def svg_text(drawing: Any, *, name: str, title: str) -> str:
    """A figure as an SVG element to stand inside a page.

    Parameters
    ----------
    drawing : Axes or Figure
        What to write.
    name : str
        Word that makes the ids of this figure its own within the page.
    title : str
        What the figure shows, for those who cannot see it.

    Returns
    -------
    str
        `<svg role="img">` without fonts, metadata, document type, dates or addresses of any kind;
        the same figure gives the same bytes.
    """
    figure = drawing.figure if hasattr(drawing, "transData") else drawing
    sink = io.StringIO()
    with house_style(), warnings.catch_warnings():
        # Text is written as text: a character that the measuring font lacks is the browser's to draw.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(sink, format="svg", metadata={"Date": None})
    text = sink.getvalue()
    box = re.search(r'viewBox="([^"]+)"', text)
    body = text[text.index(">", text.index("<svg")) + 1 :]
    for unwanted in (r"<metadata>.*?</metadata>", r"<style.*?</style>", r"<!--.*?-->", r"<defs>\s*</defs>"):
        body = re.sub(unwanted, "", body, flags=re.DOTALL)
    body = _TAG.sub(_shorter, body)
    head = f'<svg class="chart" role="img" viewBox="{box.group(1) if box else "0 0 1 1"}">'
    return f"{head}<title>{escape(title)}</title>{_own_ids(body, name)}".replace("\n", " ").strip()


def _shorter(tag: re.Match[str]) -> str:
    text = _LONG_DECIMAL.sub(r"\1", tag.group(0)).replace("xlink:href", "href")
    text = _FONT.sub(r"font-size: \1px", text)
    return re.sub(r"\s+", " ", text)


def _own_ids(body: str, name: str) -> str:
    """Ids that nothing refers to go; the others become this figure's own, in order of appearance."""
    used: Mapping[str, str] = {
        old: f"{name}-{number}"
        for number, old in enumerate(
            dict.fromkeys(ref for tag in _TAG.findall(body) for _, ref in _REFERENCE.findall(tag))
        )
    }

    def rename(tag: re.Match[str]) -> str:
        text = _ID.sub(lambda m: f' id="{used[m.group(1)]}"' if m.group(1) in used else "", tag.group(0))
        return _REFERENCE.sub(lambda m: m.group(1) + used.get(m.group(2), m.group(2)), text)

    return _TAG.sub(rename, body)
