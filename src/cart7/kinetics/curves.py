"""Fitted curves as tables: parameters of each profile, and the curve at days close enough to draw.

Here: rows of profiles and of curves. Not here: the fit (stats.curve_fit), the drawing.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import results
from cart7.kinetics.profiles import KEYS, LATER_INFUSION, Profiles, tidy_keys
from cart7.stats import curve_fit
from cart7.stats.profiles import Samples, latest

PARAMETERS = ("cmax", "tmax", "fold", "alpha", "beta", "slow_fraction", "growth_rate", "doubling_time")
ERRORS = ("se_log_cmax", "se_log_tmax", "se_log_fold", "se_log_alpha", "se_log_beta", "se_logit_slow")
COLUMNS = ("n", *PARAMETERS, "sse", "converged", "n_quantifiable", "sigma", "log_likelihood", *ERRORS,
           "at_bound")  # fmt: skip
_STEPS = 160


def left_out(rows: pd.DataFrame, keys: pd.DataFrame) -> NDArray[np.intp]:
    """How many of these rows belong to each profile."""
    names = [name for name in KEYS if name in keys.columns]
    if not len(rows) or not names:
        return np.full(len(keys), len(rows), dtype=np.intp)
    counts = tidy_keys(rows[names]).groupby(names, dropna=False).size().rename("left_out").reset_index()
    found = keys.merge(counts, on=names, how="left")["left_out"].fillna(0)
    return np.asarray(found, dtype=np.intp)


def fit_frame(
    profiles: Profiles, found: curve_fit.CurveFits, why: NDArray[np.object_], dropped: NDArray[np.intp]
) -> pd.DataFrame:
    """One row per profile: its keys, what was fitted, and what to know about it."""
    frame = profiles.keys.copy()
    for name in COLUMNS:
        values = getattr(found, name)
        frame[name] = values.astype(object) if values.dtype.kind == "U" else values
    frame["unit"] = pd.Series(profiles.unit, dtype=object)
    reason = results.first_reason((why != "", why), (found.reason != "", found.reason))
    negative = [f"NEGATIVE_VALUE: {count} left out of the fit" if count else "" for count in dropped]
    bound = [f"at a bound: {words}" if words else "" for words in found.at_bound]
    later = (
        profiles.keys["infusion_no"] > 1 if "infusion_no" in profiles.keys.columns else [False] * len(frame)
    )
    counted = [LATER_INFUSION if late else "" for late in later]
    rows = zip(reason, negative, found.remark, bound, counted, strict=True)
    note = ["; ".join(filter(None, map(str, words))) for words in rows]
    frame.insert(frame.columns.get_loc("converged") + 1, "note", pd.Series(note, dtype=object))
    return frame


def curve_frame(profiles: Profiles, found: curve_fit.CurveFits, samples: Samples) -> pd.DataFrame:
    """Keys, `day` and `fitted` of each fitted profile, from day 0 to its last sample, denser early."""
    fitted = np.flatnonzero(~np.isnan(found.cmax))
    end = latest(samples.time, samples.there)[fitted]
    day = np.linspace(0.0, 1.0, _STEPS) ** 2 * end[:, None]
    # The curve has its corner at Tmax: a day of its own.
    day = np.sort(np.concatenate([day, np.minimum(found.tmax[fitted], end)[:, None]], axis=1), axis=1)
    given = {name: getattr(found, name)[fitted][:, None] for name in PARAMETERS[:6]}
    level = curve_fit.curve(day, **given)
    keys = profiles.keys.iloc[np.repeat(fitted, day.shape[1])].reset_index(drop=True)
    return keys.assign(day=day.ravel(), fitted=level.ravel())
