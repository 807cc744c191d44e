"""Flags beside kinetic parameters: what a reader should know before using a value that is there.

Here: acceptance of the terminal slope and of extrapolated areas, re-expansion after the peak, and samples
without a result where they may hide the peak or the last quantifiable day. Not here: the thresholds
(`rules`), the values (`pk`), reasons for missing ones (`rows`).
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import results
from cart7.kinetics.profiles import Profiles
from cart7.kinetics.rows import label_of
from cart7.kinetics.rules import FlagRules, NcaRules
from cart7.stats import exposure as kernel

COLUMNS = ("param", "timepoint", "code", "value", "limit", "note")


def flag_frame(
    profiles: Profiles,
    found: kernel.Examination,
    subjects: pd.DataFrame,
    time: NDArray[np.float64],
    rules: NcaRules,
) -> pd.DataFrame:
    """One row per flag: keys, parameter, window, code, the value that raised it and the limit it broke."""
    limits = rules.flags
    raised = [
        _under(subjects, "adj_r_squared", "R2ADJ_LOW", limits.min_adj_r_squared,
               "adjusted R-squared of the terminal slope under {:g}"),
        _under(subjects, "span_ratio", "SPAN_SHORT", limits.min_span_ratio,
               "terminal slope from a window shorter than {:g} half-lives"),
        _over(subjects, "auc_inf_obs", subjects["auc_extrap_percent"], limits.max_extrap_percent),
        _over(subjects, "auc_inf_pred", subjects["auc_extrap_pred_percent"], limits.max_extrap_percent),
    ]  # fmt: skip
    for (start, end), area in zip(rules.windows, found.windows, strict=True):
        beyond = pd.Series(area.percent_beyond_tlast)
        window = _over(subjects, "auc_window", beyond, limits.max_beyond_tlast_percent, "BEYOND_TLAST_HIGH")
        raised.append(window.assign(timepoint=label_of(start, end)))
    raised.append(_re_expansion(found, limits))
    if limits.missing_planned:
        raised += _hidden(subjects, profiles.rectangle(time, np.nan), found.samples.fate)
    rows = results.concat(raised, COLUMNS)
    number = rows["profile"].to_numpy(dtype=np.intp) if len(rows) else np.zeros(0, dtype=np.intp)
    keys = profiles.keys.iloc[number].reset_index(drop=True)
    named = pd.concat([keys, rows.reset_index(drop=True).reindex(columns=list(COLUMNS))], axis=1)
    order = np.argsort(number, kind="stable")
    typed = {name: "float64" if name in ("value", "limit") else "object" for name in COLUMNS}
    return named.iloc[order].reset_index(drop=True).astype(typed)


def words_of(flags: pd.DataFrame, keys: pd.DataFrame, param: str, timepoint: str = "") -> pd.Series:
    """Codes that a parameter carries in each profile, separated by semicolons; empty where none."""
    mine = flags[(flags["param"] == param) & (flags["timepoint"] == timepoint)]
    names = list(keys.columns)
    if not len(mine) or not names:
        return pd.Series(["; ".join(mine["code"])] * len(keys), index=keys.index, dtype=object)
    joined = mine.groupby(names, dropna=False, sort=False)["code"].agg("; ".join).reset_index()
    found = keys.merge(joined, on=names, how="left")["code"]
    return found.astype(object).where(found.notna(), "").set_axis(keys.index)


def _rows(where: Any, param: str, code: str, value: Any, limit: float, words: Any) -> pd.DataFrame:
    """The profiles where a flag is raised, with its words."""
    at = np.flatnonzero(np.asarray(where, dtype=bool))
    texts = [words] * len(at) if isinstance(words, str) else [words[place] for place in at]
    return pd.DataFrame(
        {
            "profile": at,
            "param": param,
            "timepoint": "",
            "code": code,
            "value": np.asarray(value, dtype=float)[at],
            "limit": limit,
            "note": pd.Series(texts, dtype=object),
        }
    )


def _under(subjects: pd.DataFrame, source: str, code: str, limit: float | None, words: str) -> pd.DataFrame:
    least = -np.inf if limit is None else limit
    shown = subjects[source] < least
    return _rows(shown, "half_life", code, subjects[source], least, words.format(least))


def _over(
    subjects: pd.DataFrame,
    param: str,
    percent: pd.Series,
    limit: float | None,
    code: str = "EXTRAPOLATION_HIGH",
) -> pd.DataFrame:
    most = np.inf if limit is None else limit
    words = f"more than {most:g} % of the area lies after the last quantifiable sample"
    return _rows(percent > most, param, code, percent, most, words)


def _re_expansion(found: kernel.Examination, limits: FlagRules) -> pd.DataFrame:
    peak, fold = found.second_peak, limits.second_peak_fold
    shown = ~np.isnan(peak.time) & (fold is not None)
    words = [
        f"rises {times:.3g}-fold from day {low:g} to day {day:g}" if here else ""
        for here, times, low, day in zip(shown, peak.fold, peak.trough_time, peak.time, strict=True)
    ]
    return _rows(shown, "tmax", "SECOND_PEAK", peak.time, np.nan if fold is None else fold, words)


def _hidden(subjects: pd.DataFrame, time: NDArray[np.float64], fate: NDArray[np.str_]) -> list[pd.DataFrame]:
    """Samples without a result between Tmax and its neighbours, or between Tlast and the next sample."""
    lost = (fate == "missing result") & (time >= 0)
    taken = (fate != "missing result") & ~np.isnan(time)
    flags = []
    for param, code, words in (
        ("tmax", "CMAX_BESIDE_MISSING", "no result next to Tmax on day {}: the peak may be higher"),
        ("tlast", "TLAST_BEFORE_MISSING", "no result on day {}, next after the last quantifiable one"),
    ):
        day = subjects[param].to_numpy(dtype=float)[:, None]
        after = np.where(taken & (time > day), time, np.inf).min(axis=1, initial=np.inf)[:, None]
        before = np.where(taken & (time < day), time, -np.inf).max(axis=1, initial=-np.inf)[:, None]
        beside = lost & ~np.isnan(day) & (time > (before if param == "tmax" else day)) & (time < after)
        first = np.where(beside, time, np.inf).min(axis=1, initial=np.inf)
        shown = beside.any(axis=1)
        texts = [words.format(f"{when:g}") if here else "" for here, when in zip(shown, first, strict=True)]
        param_shown = "cmax" if param == "tmax" else param
        flags.append(_rows(shown, param_shown, code, np.where(shown, first, np.nan), np.nan, texts))
    return flags
