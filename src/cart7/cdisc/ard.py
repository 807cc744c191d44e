"""The long results as an analysis results dataset (ARD), in the columns of the R package cards.

Here: the mapping of long rows to ARD rows, their formatted text, the JSON file and the check of the
shape. Not here: any number; a statistic stands as it stands in the results.

| ARD | long results |
|---|---|
| `group1`, `group1_level` | the `by` column and its value, or `subject_id` and the subject; empty over all |
| `variable`, `variable_level` | `param`, `timepoint` |
| `context` | `analysis`, and after a colon the analysis set: `response.objective_response:INFUSED` |
| `stat_name`, `stat_label`, `stat` | `stat`, the same in words, `value` or `text` |
| `stat_fmt`, `fmt_fun` | the number as text, and the rule by which; NR not reached, NE not estimable |
| `warning` | `note`: why the number is missing |
| `analysis_id`, `unit` | name of analysis, parameter, time and set together; unit |

Each block (one group, variable, level and context) has a row `method`, as the structure check of cards asks.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cart7 import results

COLUMNS = (
    "group1", "group1_level", "variable", "variable_level", "context", "stat_name", "stat_label", "stat",
    "stat_fmt", "fmt_fun", "warning", "error", "analysis_id", "unit",
)  # fmt: skip
BLOCK = ("group1", "group1_level", "variable", "variable_level", "context")
KEY = (*BLOCK, "stat_name")
SCHEMA = "cart7-ard/1"
OVERALL = "ALL"

FRACTIONS = frozenset(("estimate", "ci_low", "ci_high", "upper_one_sided", "conf_level"))
LABELS = {
    "n": "n",
    "ci_low": "lower confidence limit",
    "ci_high": "upper confidence limit",
    "conf_level": "confidence level",
    "sd": "standard deviation",
    "se": "standard error",
    "q1": "first quartile",
    "q3": "third quartile",
    "cv_percent": "coefficient of variation (%)",
    "geo_mean": "geometric mean",
    "geo_sd": "geometric standard deviation",
    "geo_cv_percent": "geometric coefficient of variation (%)",
}
"""Labels of statistics whose name does not say it in words."""


def to_ard(long: pd.DataFrame, *, by: str = "dose_level") -> pd.DataFrame:
    """Long rows as an analysis results dataset.

    Parameters
    ----------
    long : DataFrame
        Long rows (contract of `results`): every key once.
    by : str
        Column that defined the groups; becomes `group1` of the summary rows.

    Returns
    -------
    DataFrame
        In the columns of `COLUMNS`, sorted by key; `KEY` is unique. `stat` holds numbers and texts, None
        where missing; then `warning` says why.

    Raises
    ------
    ValueError
        If the rows do not keep the long shape.

    Examples
    --------
    >>> rates = pd.DataFrame({"group": ["1"], "estimate": [0.5]})
    >>> long = results.long_rows(rates, analysis="response.objective_response", param="ORR",
    ...                          timepoint="M3", group=rates["group"], stats=["estimate"])
    >>> ard = to_ard(results.long_frame([long]))
    >>> ard[["group1", "group1_level", "variable", "stat_name", "stat", "stat_fmt"]
    ...     ].values.tolist()  # doctest: +NORMALIZE_WHITESPACE
    [['dose_level', '1', 'ORR', 'estimate', 0.5, '0.500'],
     ['dose_level', '1', 'ORR', 'method', 'proportion', 'proportion']]
    """
    wrong = results.check(long)
    if wrong:
        raise ValueError(f"the rows do not keep the long shape: {'; '.join(wrong[:5])}")
    of_subject = (long["subject_id"] != "").to_numpy()
    of_group = ~of_subject & ~long["group"].isin(["", OVERALL]).to_numpy()
    rows = pd.DataFrame({
        "group1": np.select([of_subject, of_group], ["subject_id", by or "group"], ""),
        "group1_level": np.where(of_subject, long["subject_id"], np.where(of_group, long["group"], "")),
        "variable": long["param"].to_numpy(), "variable_level": long["timepoint"].to_numpy(),
        "context": _context(long), "stat_name": long["stat"].to_numpy(),
        "stat_label": long["stat"].map(label).to_numpy(),
    }).astype(object)  # fmt: skip
    stats, texts, ways = formatted(long)
    rows["stat"], rows["stat_fmt"], rows["fmt_fun"] = stats, texts, ways
    rows["warning"] = long["note"].where(long["note"] != "", None).to_numpy()
    rows["error"] = None
    rows["analysis_id"], rows["unit"] = analysis_ids(long), long["unit"].to_numpy()
    both = pd.concat([rows, _method_rows(rows, long["method"])], ignore_index=True)
    return both[list(COLUMNS)].sort_values(list(KEY), kind="stable").reset_index(drop=True)


def _context(long: pd.DataFrame) -> Any:
    parted = long["analysis"] + ":" + long["population"]
    return np.where(long["population"] != "", parted, long["analysis"])


def analysis_ids(long: pd.DataFrame) -> Any:
    """Analysis, parameter, time and analysis set in one name, empty parts left out at the end."""
    named = long["analysis"] + "|" + long["param"] + "|" + long["timepoint"] + "|" + long["population"]
    return named.str.rstrip("|").to_numpy()


def label(stat: str) -> str:
    """A statistic in words: `n_event` is `n event`, `ci_low` the lower confidence limit."""
    return LABELS.get(stat, stat.replace("_", " "))


def formatted(long: pd.DataFrame) -> tuple[list[Any], list[str], list[str]]:
    """Per row the statistic itself, its text, and the rule by which the text was made."""
    cells = zip(
        *(long[name].tolist() for name in ("value", "text", "stat", "unit", "method", "note")), strict=True
    )
    made = [_statistic(*cell) for cell in cells]
    return [cell[0] for cell in made], [cell[1] for cell in made], [cell[2] for cell in made]


def _statistic(value: float, text: str, stat: str, unit: str, method: str, note: str) -> tuple[Any, str, str]:
    if math.isnan(value):
        if text:
            return text, text, "text"
        return None, "NR" if "not reached" in note else "NE", "missing"
    if method == "count" or method.startswith("count of") or stat == "n" or stat.startswith("n_"):
        return _whole(value)
    if unit == "1" and stat in FRACTIONS:
        return value, results.format_number(value, 3), "3 decimals"
    return value, significant(value, 4), "4 significant digits"


def _whole(value: float) -> tuple[Any, str, str]:
    """A count: a whole number never shows a decimal."""
    if value.is_integer():
        return int(value), str(int(value)), "whole number"
    return value, significant(value, 4), "4 significant digits"


def significant(value: float, digits: int) -> str:
    """A number with so many significant digits, rounded half away from zero; whole numbers keep all.

    Examples
    --------
    >>> significant(0.012345, 4), significant(123456.7, 4), significant(0.0, 4)
    ('0.01235', '123457', '0')
    """
    if value == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    if decimals > 12:
        return f"{value:.{digits - 1}e}"
    return results.format_number(value, decimals)


def _method_rows(rows: pd.DataFrame, method: pd.Series) -> pd.DataFrame:
    """One row `method` per block: its different methods, or the function where none is stated."""
    block = [*BLOCK, "analysis_id"]
    told = rows[block].assign(method=method.to_numpy())
    has_own = rows.loc[rows["stat_name"] == "method", list(BLOCK)].drop_duplicates()
    stated = told[told["method"] != ""].drop_duplicates()
    joined = stated.groupby(block, sort=False)["method"].agg("; ".join)
    blocks = told[block].drop_duplicates()
    if len(has_own):
        blocks = blocks.merge(has_own, on=list(BLOCK), how="left", indicator="own")
        blocks = blocks[blocks["own"] == "left_only"][block]
    blocks = blocks.join(joined, on=block)
    words = blocks["method"].fillna("derived by " + blocks["context"].str.split(":").str[0])
    return blocks[block].assign(stat_name="method", stat_label="method", stat=words, stat_fmt=words,
                                fmt_fun="text", warning=None, error=None, unit="")  # fmt: skip


def ard_json(ard: pd.DataFrame) -> bytes:
    """An ARD as JSON, one row a line: `{"schema": "cart7-ard/1", "ard": [{column: value}, ...]}`."""
    cells = zip(*(ard[name].tolist() for name in COLUMNS), strict=True)
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    lines = [encode(dict(zip(COLUMNS, row, strict=True))) for row in cells]
    head = f'{{"schema": {json.dumps(SCHEMA)}, "ard": [\n'
    return (head + ",\n".join(lines) + "\n]}\n").encode("utf-8")


def check(ard: pd.DataFrame) -> list[str]:
    """What is wrong with an ARD; an empty list when it keeps the shape.

    Parameters
    ----------
    ard : DataFrame
        Rows of an analysis results dataset.

    Returns
    -------
    list of str
        Columns that are not those of `COLUMNS`, repeated keys, blocks without exactly one `method`, missing
        statistics without a `warning`, group levels without a group, infinite numbers.
    """
    if tuple(ard.columns) != COLUMNS:
        return [f"columns must be {', '.join(COLUMNS)}, got {', '.join(map(str, ard.columns))}"]
    found = [f"key stands twice: {_named(row)}" for row in _keys(ard[ard.duplicated(list(KEY))], KEY)]
    methods = (ard["stat_name"] == "method").groupby([ard[name] for name in BLOCK]).sum()
    found += [f"{n} rows `method` in the block {_named(place)}" for place, n in methods.items() if n != 1]
    missing = ard["stat"].isna()
    bare = ard[missing & ard["warning"].isna()]
    found += [f"missing without a warning: {_named(row)}" for row in _keys(bare, KEY)]
    astray = ard[(ard["group1"] == "") != (ard["group1_level"] == "")]
    found += [
        f"a group without a level or a level without a group: {_named(row)}" for row in _keys(astray, KEY)
    ]
    infinite = [isinstance(cell, float) and math.isinf(cell) for cell in ard["stat"].tolist()]
    found += [f"infinite: {_named(row)}" for row in _keys(ard[np.array(infinite, dtype=bool)], KEY)]
    return found


def _keys(rows: pd.DataFrame, names: Sequence[str]) -> list[list[Any]]:
    return list(rows[list(names)].head(20).to_numpy().tolist())


def _named(parts: Any) -> str:
    return " | ".join(map(str, parts))
