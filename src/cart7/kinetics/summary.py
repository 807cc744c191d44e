"""Exposure parameters by group: one descriptive line per parameter, assay and group of subjects.

Here: which values are summarised together, and the reason where a statistic is missing. Not here: the
statistics (stats.summaries), the profiles (`profiles`), units and codes of the parameters (`rows`).
"""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import derive
from cart7.kinetics.profiles import assays_of, one_assay
from cart7.kinetics.rows import PPTESTCD, SEVERAL_UNITS, in_assay_unit, stated_units
from cart7.stats import summaries

DESCRIBED = (
    "mean", "sd", "geo_mean", "geo_sd", "geo_cv_percent", "geo_ci_low", "geo_ci_high", "median", "q1", "q3",
    "min", "max",
)  # fmt: skip
_NOT_ABOVE_0 = "a value is 0: no statistics of logarithms"


def exposure_by_group(
    profiles: pd.DataFrame,
    people: pd.DataFrame,
    by: str | None,
    *,
    conf_level: float,
    quantile_type: Literal[2, 6, 7],
) -> pd.DataFrame:
    """One row per parameter, assay and group; a subject without a value counts in `n_missing`.

    Levels and areas of an assay that stands in more than one unit are counted, not summarised.
    """
    rows = []
    groups = derive.groups(people, by)
    for assay in assays_of(profiles):
        of_assay = one_assay(profiles, assay)
        units = stated_units(of_assay)
        mixed = f"{SEVERAL_UNITS}: {', '.join(units)}" if len(units) > 1 else ""
        mine = of_assay.set_index("subject_id").reindex(people["subject_id"])
        for param in PPTESTCD:
            refused = mixed if in_assay_unit(param) else ""
            values = mine[param].to_numpy(dtype=float)
            for group, inside in groups:
                known = values[inside & ~np.isnan(values)]
                line = summaries.describe(
                    known[:0] if refused else known, conf_level=conf_level, quantile_type=quantile_type
                )
                rows.append(
                    {"param": param, "assay": assay, "group": group, "n": known.size,
                     "n_missing": int(inside.sum()) - known.size}
                    | {name: getattr(line, name) for name in DESCRIBED}
                    | {"note": why_incomplete(known, refused)}
                )  # fmt: skip
    columns = ["param", "assay", "group", "n", "n_missing", *DESCRIBED, "note"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "int64", "n_missing": "int64"})


def why_incomplete(known: NDArray[np.float64], refused: str) -> str:
    """Why a statistic of these values is missing; empty when none is."""
    if not known.size:
        return "no subject with a value"
    if refused:
        return refused
    single = "one value: no spread, no interval" if known.size == 1 else ""
    return "; ".join(why for why in (single, "" if known.min() > 0 else _NOT_ABOVE_0) if why)
