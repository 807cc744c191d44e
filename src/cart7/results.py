"""One shape for all results: frames for people, long rows for programs, and their comparison.

Here: the furniture of every endpoint result, the long form and its check, `compare`, rounding at
print. Not here: any statistic, and files (`manifest`).
"""

import importlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel

Texts: TypeAlias = npt.NDArray[np.object_]

KEY = ("analysis", "param", "timepoint", "population", "group", "subject_id", "stat")
LONG_COLUMNS = (*KEY, "value", "text", "unit", "method", "note")
USUAL_METHODS = {
    "mean": "arithmetic mean",
    "sd": "standard deviation (n - 1)",
    "se": "standard error of the mean",
    "cv_percent": "100 SD / mean",
    "geo_mean": "geometric mean",
    "geo_sd": "exp of the SD of logs",
    "geo_cv_percent": "100 sqrt(exp(variance of logs) - 1)",
    "median": "sample median",
    "q1": "sample quartile",
    "q3": "sample quartile",
    "min": "sample minimum",
    "max": "sample maximum",
    "estimate": "proportion",
}
"""How a number of such a name is obtained, where its room does not say otherwise."""

EXCLUDED_COLUMNS = ("table", "row", "subject_id", "reason")


def excluded_frame(rows: Iterable[tuple[str, object, object, str]] = ()) -> pd.DataFrame:
    """Rows that were not used: table, row (1-based, Int64), subject_id, reason.

    Examples
    --------
    >>> excluded_frame([("kinetics", 3, "001", "day missing")]).values.tolist()
    [['kinetics', 3, '001', 'day missing']]
    """
    frame = pd.DataFrame(list(rows), columns=list(EXCLUDED_COLUMNS))
    frame["row"] = frame["row"].astype("Int64")
    return frame


def excluded_rows(
    frame: pd.DataFrame | Mapping[str, Any], table: str, reason: str | pd.Series
) -> pd.DataFrame:
    """The rows of `frame` (with `row` and `subject_id`) as excluded for one reason, or one reason each."""
    n = len(frame["row"])
    if not n:
        return _NOTHING.copy(deep=False)  # no cell to share
    if isinstance(reason, pd.Series) and isinstance(frame, pd.DataFrame):
        reason = reason.reindex(frame.index)
    reasons = [reason] * n if isinstance(reason, str) else reason.tolist()
    rows = pd.array(frame["row"].tolist(), dtype="Int64")
    cells = ([table] * n, rows, frame["subject_id"].tolist(), reasons)
    return pd.DataFrame(dict(zip(EXCLUDED_COLUMNS, cells, strict=True)))


_NOTHING = excluded_frame()


def concat(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Frames below each other, empty ones left out; an empty frame of `columns` when nothing is there."""
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return frames[0].copy(deep=False) if frames else pd.DataFrame(columns=list(columns))
    return pd.concat(filled, ignore_index=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class EndpointResult:
    """What every endpoint hands out.

    Attributes
    ----------
    subjects : DataFrame
        One row per subject (or profile, episode, assessment); `note` says why a value is missing.
    summary : DataFrame
        One row per group, and visit or parameter; proportions are fractions.
    excluded : DataFrame
        Rows of the input that were not used: table, row, subject_id, reason.
    rules : pydantic model or None
        The rules that produced it.
    population : str
        Analysis set: `INFUSED`, `ENROLLED` or empty.
    """

    title: ClassVar[str] = ""
    figure: ClassVar[str] = ""

    subjects: pd.DataFrame = field(repr=False)
    summary: pd.DataFrame = field(repr=False)
    excluded: pd.DataFrame = field(repr=False, default_factory=excluded_frame)
    rules: BaseModel | None = field(repr=False, default=None)
    population: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Long rows made from `summary` and `subjects`, in the columns of `LONG_COLUMNS`."""
        return long_frame(self._long())

    def _long(self) -> list[pd.DataFrame]:
        raise TypeError(f"{type(self).__name__} has no long form")

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the result with matplotlib; returns the Axes (or the Figure, for several panels)."""
        if not self.figure:
            raise ValueError(f"{type(self).__name__} has no figure")
        draw = getattr(importlib.import_module("cart7.report.figures"), self.figure)
        return draw(self, ax=ax, **options)

    def _repr_html_(self) -> str:
        name = self.title or type(self).__name__
        table = self.summary if len(self.summary) else self.subjects
        shown = table.head(60).to_html(index=False, escape=True, na_rep="", float_format=lambda x: f"{x:.4g}")
        return f"<p><b>{name}</b> ({self.population or 'population not stated'})</p>{shown}"


def long_rows(
    frame: pd.DataFrame,
    *,
    analysis: str,
    param: str | pd.Series,
    stats: Sequence[str],
    timepoint: str | pd.Series = "",
    population: str | pd.Series = "",
    group: str | pd.Series = "",
    subject_id: str | pd.Series = "",
    units: Mapping[str, str | pd.Series] | None = None,
    method: str | pd.Series | Mapping[str, str | pd.Series] = "",
    reasons: Mapping[str, str | pd.Series] | None = None,
) -> pd.DataFrame:
    """Long rows of the columns `stats` of a frame.

    Parameters
    ----------
    frame : DataFrame
        One row per thing; its column `note`, where there is one, explains missing values.
    analysis, param, timepoint, population, group, subject_id : str or Series
        The key: one word for all rows, or a Series with a word per row.
    stats : sequence of str
        Columns to unfold; `stat` is their name. Numbers and flags become `value`, words `text`.
    units : mapping, optional
        Unit by column (default `1`; words have none).
    method : str, Series, or mapping by column
        How the number was obtained.
    reasons : mapping, optional
        Why a value is missing, by column; it goes before the row's `note`.

    Returns
    -------
    DataFrame
        In the columns of `LONG_COLUMNS`. Every missing value carries a note.

    Examples
    --------
    >>> rates = pd.DataFrame({"group": ["1"], "estimate": [0.5], "note": [""]})
    >>> long_rows(rates, analysis="a", param="ORR", group=rates["group"], stats=["estimate"])[
    ...     ["param", "group", "stat", "value", "unit"]].values.tolist()
    [['ORR', '1', 'estimate', 0.5, '1']]
    """
    units, reasons = units or {}, reasons or {}
    key = {"analysis": analysis, "param": param, "timepoint": timepoint, "population": population,
           "group": group, "subject_id": subject_id}  # fmt: skip
    if not len(stats) or not len(frame):
        return pd.DataFrame(columns=list(LONG_COLUMNS))
    notes = _per_row(frame["note"], frame) if "note" in frame.columns else _per_row("", frame)
    blocks = []
    for stat in stats:
        values, texts = _value_and_text(frame[stat])
        wordless = texts == ""
        ways = method.get(stat, "") if isinstance(method, Mapping) else method
        if isinstance(ways, str) and not ways:
            ways = _usual_method(stat)
        unit = np.where(wordless, _per_row(units.get(stat, "1"), frame), "")
        why = _why_missing(notes, _per_row(reasons.get(stat, ""), frame))
        note = np.where(np.isnan(values) & wordless, why, "")
        blocks.append(
            (np.full(len(frame), stat, dtype=object), values, texts, unit, _per_row(ways, frame), note)
        )
    columns = {name: np.tile(_per_row(value, frame), len(stats)) for name, value in key.items()}
    unfolded = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    return pd.DataFrame(columns | dict(zip(LONG_COLUMNS[len(key) :], unfolded, strict=True)))


def _usual_method(stat: str) -> str:
    return "count" if stat == "n" or stat.startswith("n_") else USUAL_METHODS.get(stat, "")


def _per_row(value: str | pd.Series, frame: pd.DataFrame) -> np.ndarray:
    if isinstance(value, str):
        return np.full(len(frame), value, dtype=object)
    words = np.empty(len(value), dtype=object)
    words[:] = [
        word if isinstance(word, str) else "" if pd.isna(word) else str(word) for word in value.tolist()
    ]
    return words


def _value_and_text(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (flags as 1 and 0) in the first array, words in the second."""
    values = np.full(len(column), np.nan)
    texts = np.full(len(column), "", dtype=object)
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        values = column.astype("float64").to_numpy()
        return np.where(np.isinf(values), np.nan, values), texts
    for position, item in enumerate(column.tolist()):
        if isinstance(item, bool | int | float | np.number):
            values[position] = float(item) if math.isfinite(float(item)) else math.nan
        elif item is not None and not pd.isna(item):
            texts[position] = str(item)
    return values, texts


def _why_missing(notes: np.ndarray, given: np.ndarray) -> np.ndarray:
    chosen = np.where(given != "", given, notes)
    return np.where(chosen == "", "not available", chosen)


def long_frame(blocks: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Blocks of long rows as one frame of the long shape, in the order given."""
    frame = concat([block for block in blocks if len(block)], LONG_COLUMNS)
    if not len(frame):
        frame = pd.DataFrame(columns=list(LONG_COLUMNS))
    kinds = {name: "float64" if name == "value" else object for name in LONG_COLUMNS}
    return frame[list(LONG_COLUMNS)].astype(kinds)


def first_reason(*cases: tuple[Any, Any]) -> Texts:
    """Per row the text of the first case that holds, else empty.

    Parameters
    ----------
    cases : pairs of (condition, text)
        A boolean per row; a text for all of them or one per row.

    Examples
    --------
    >>> first_reason(([True, False, False], "no sample"), ([True, True, False], "no baseline")).tolist()
    ['no sample', 'no baseline', '']
    """
    conditions = [np.asarray(condition, dtype=bool) for condition, _ in cases]
    texts = [np.asarray(text, dtype=object) for _, text in cases]
    return np.select(conditions, texts, default=np.asarray("", dtype=object))


def joined(table: pd.DataFrame, reasons: Mapping[str, Any], remarks: Sequence[Any] = ()) -> list[str]:
    """Per row the different reasons of its missing columns, then the remarks, in one text.

    Parameters
    ----------
    table : DataFrame
        Holds the columns that `reasons` names; an empty text counts as missing.
    reasons : mapping
        By column a text for all rows or one per row, used where the column is missing.
    remarks : sequence
        Texts per row that stand whether or not something is missing.

    Examples
    --------
    >>> joined(pd.DataFrame({"a": [1, None], "b": [None, None]}), {"a": "no sample", "b": "no baseline"})
    ['no baseline', 'no sample; no baseline']
    """
    given = [np.where(table[name].isna() | (table[name] == ""), why, "") for name, why in reasons.items()]
    return ["; ".join(dict.fromkeys(filter(None, row))) for row in zip(*given, *remarks, strict=True)]


def check(long: pd.DataFrame) -> list[str]:
    """What is wrong with a frame of long rows; an empty list when it keeps the shape.

    Parameters
    ----------
    long : DataFrame
        Long rows.

    Returns
    -------
    list of str
        Missing columns, repeated keys, infinite numbers, and missing numbers without a note.

    Examples
    --------
    >>> check(pd.DataFrame(columns=list(LONG_COLUMNS)))
    []
    """
    if tuple(long.columns) != LONG_COLUMNS:
        return [f"columns must be {', '.join(LONG_COLUMNS)}, got {', '.join(map(str, long.columns))}"]
    found = []
    repeated = long[long.duplicated(list(KEY), keep=False)]
    found += [
        f"key stands twice: {' | '.join(map(str, row))}" for row in repeated[list(KEY)].head(20).to_numpy()
    ]
    values = long["value"].to_numpy(dtype=float)
    if np.isinf(values).any():
        found.append(f"{int(np.isinf(values).sum())} infinite values")
    bare = long[np.isnan(values) & (long["text"] == "") & (long["note"] == "")]
    found += [
        f"missing without a note: {' | '.join(map(str, row))}" for row in bare[list(KEY)].head(20).to_numpy()
    ]
    return found


def compare(a: pd.DataFrame, b: pd.DataFrame, rtol: float = 1e-9, atol: float = 1e-12) -> pd.DataFrame:
    """List what differs between two frames of long rows.

    Parameters
    ----------
    a, b : DataFrame
        Long rows (old, new).
    rtol, atol : float
        Two numbers agree when ``|a - b| <= atol + rtol * |b|``; missing equals missing; words must be equal.

    Returns
    -------
    DataFrame
        The key, `old`, `new`, `old_text`, `new_text` and `difference` in `value`, `text`, `only in a`,
        `only in b`; empty when all agree.

    Examples
    --------
    >>> rows = long_rows(pd.DataFrame({"n": [9]}), analysis="a", param="OS", stats=["n"])
    >>> len(compare(rows, rows))
    0
    """
    both = a[[*KEY, "value", "text"]].merge(
        b[[*KEY, "value", "text"]], on=list(KEY), how="outer", suffixes=("_a", "_b"), indicator="side"
    )
    old, new = both["value_a"].to_numpy(dtype=float), both["value_b"].to_numpy(dtype=float)
    same = (np.isnan(old) & np.isnan(new)) | (np.abs(old - new) <= atol + rtol * np.abs(new))
    words = both["text_a"].fillna("").to_numpy() == both["text_b"].fillna("").to_numpy()
    side = both["side"].astype(str).to_numpy()
    difference = np.select(
        [side == "left_only", side == "right_only", ~same, ~words],
        ["only in a", "only in b", "value", "text"], "",
    )  # fmt: skip
    both = both.rename(
        columns={"value_a": "old", "value_b": "new", "text_a": "old_text", "text_b": "new_text"}
    )
    both["difference"] = difference
    kept = both[difference != ""]
    return kept[[*KEY, "old", "new", "old_text", "new_text", "difference"]].reset_index(drop=True)


def round_half_up(x: float, digits: int = 0) -> float:
    """Round half away from zero on the shortest decimal of `x`, as tables are printed.

    Parameters
    ----------
    x : float
        Number; a missing or infinite one comes back as it is.
    digits : int
        Decimals to keep.

    Returns
    -------
    float

    Examples
    --------
    >>> round_half_up(6.25, 1), round_half_up(-0.5), round_half_up(2.675, 2)
    (6.3, -1.0, 2.68)
    """
    if not math.isfinite(x):
        return float(x)
    step = Decimal(1).scaleb(-digits)
    rounded = Decimal(repr(float(x))).quantize(step, rounding=ROUND_HALF_UP, context=Context(prec=400))
    return float(rounded) + 0.0  # a negative number that rounds to nothing is 0, not -0


def format_number(x: float, digits: int = 0) -> str:
    """`x` with `digits` decimals, rounded half away from zero; empty when missing."""
    return "" if not math.isfinite(x) else f"{round_half_up(x, digits):.{digits}f}"


def format_count(n: int, denominator: int) -> str:
    """Count with its percentage: `6 (66.7)`, `0` for none, `9 (100)` for all.

    Examples
    --------
    >>> format_count(6, 9), format_count(0, 9), format_count(9, 9)
    ('6 (66.7)', '0', '9 (100)')
    """
    if n == 0:
        return "0"
    if n == denominator:
        return f"{n} (100)"
    return f"{n} ({format_number(100 * n / denominator, 1)})" if denominator else str(n)
