"""Levels by scheduled visit: which sample stands for a visit, and its summary by group.

Here: names and days of visits, one sample per subject and visit, and descriptive statistics in which a
sample below the limit is counted, never dropped. Not here: detection rates (`detection`), parameters of a
curve (`summary`).
"""

from typing import Literal

import numpy as np
import pandas as pd

from cart7 import derive, results
from cart7.kinetics.profiles import FATES, number_column, text_column
from cart7.kinetics.rows import SEVERAL_UNITS
from cart7.stats import summaries

BLQ_WORDS = "below the limit: LLOQ/2 in statistics of logs, 0 in the others"
ARITHMETIC = ("mean", "sd", "median", "q1", "q3", "min", "max")
GEOMETRIC = ("geo_mean", "geo_sd", "geo_cv_percent", "geo_ci_low", "geo_ci_high")
COLUMNS = (
    "assay", "visit", "nominal_day", "group", "n", "n_blq", "n_missing", *ARITHMETIC, *GEOMETRIC,
    "unit", "note",
)  # fmt: skip
_ANOTHER = "another sample of the visit lies nearer to its day"


def scheduled(samples: pd.DataFrame) -> pd.DataFrame:
    """Name and nominal day of each sample's visit; the name is empty for an unscheduled sample.

    A visit is of its infusion: the same label after another infusion has a day of its own.
    """
    label = text_column(samples, "nominal_label")
    nominal = number_column(samples, "nominal_day")
    names = [word or ("" if np.isnan(day) else f"D{day:g}") for word, day in zip(label, nominal, strict=True)]
    visit = pd.Series(names, index=samples.index, dtype=object)
    unscheduled = (text_column(samples, "unscheduled") == "Y") | (visit == "UNS")
    infusion = number_column(samples, "infusion_no").fillna(0.0)
    return pd.DataFrame(
        {
            "visit": visit.where(~unscheduled, ""),
            "nominal_day": nominal.groupby([infusion, visit]).transform("min"),
        }
    )


def usable(samples: pd.DataFrame, lost: pd.DataFrame) -> pd.Series:
    """Samples with a result that can be used; one before day 0 is a result of its own visit."""
    gone = set(lost.loc[lost["reason"] != FATES["before day 0"], "row"].tolist())
    return ~samples["row"].isin(gone)


def results_of_visits(
    samples: pd.DataFrame, points: pd.DataFrame, lost: pd.DataFrame, duplicates: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per subject, assay and visit with its result; and the samples that gave way to a nearer one.

    Results of one time count as the one that the rule on `duplicates` makes of them.
    """
    at = scheduled(samples)
    found = pd.DataFrame(
        {
            "row": samples["row"],
            "subject_id": samples["subject_id"],
            "assay": text_column(samples, "assay"),
            "visit": at["visit"],
            "nominal_day": at["nominal_day"],
            "day": samples["day"],
            "time": points["day"],
            "value": points["value"],
            "flagged": text_column(samples, "blq") != "",
            "below": points["blq"] != "",
            "lloq": number_column(samples, "lloq"),
            "unit": text_column(samples, "unit"),
        }
    )[usable(samples, lost) & (at["visit"] != "")]
    keys = ["subject_id", "assay", "visit"]
    found = _as_one(found, duplicates).drop_duplicates([*keys, "time"])
    found["apart"] = (found["day"] - found["nominal_day"]).abs()
    found = found.sort_values([*keys, "apart", "day", "row"], kind="stable", na_position="last")
    first = ~found.duplicated(keys)
    aside = results.excluded_rows(found[~first], "kinetics", _ANOTHER)
    order = ["assay", "nominal_day", "visit", "subject_id"]
    chosen = found[first].sort_values(order, kind="stable", ignore_index=True)
    note = np.where(chosen["below"], "below the limit", "").astype(object)
    return chosen.drop(columns=["row", "time", "flagged", "apart"]).assign(note=note), aside


def _as_one(found: pd.DataFrame, duplicates: str) -> pd.DataFrame:
    """Each of several results of one time with the value that stands for all; below the limit is 0."""
    time = [found[name] for name in ("subject_id", "assay", "time")]
    several = pd.concat(time, axis=1).duplicated(keep=False)
    if not several.any():
        return found
    level = found["value"].mask(found["flagged"] | (found["value"] < found["lloq"]), 0.0)
    if duplicates == "geo-mean":
        with np.errstate(divide="ignore"):
            value = np.exp(np.log(level).groupby(time).transform("mean"))
    else:
        value = level.groupby(time).transform("max" if duplicates == "max" else "mean")
    return found.assign(value=found["value"].mask(several, value))


def limits(at_visit: pd.DataFrame) -> pd.DataFrame:
    """The limits of quantification of each assay, one row each."""
    known = at_visit.loc[at_visit["lloq"].notna(), ["assay", "lloq"]].drop_duplicates()
    return known.sort_values(["assay", "lloq"], kind="stable").reset_index(drop=True)


def by_visit(
    at_visit: pd.DataFrame,
    people: pd.DataFrame,
    by: str | None,
    *,
    conf_level: float,
    quantile_type: Literal[2, 6, 7],
) -> pd.DataFrame:
    """One row per assay, visit and group."""
    groups = derive.groups(people, by)
    rows = []
    for (assay, visit), mine in at_visit.groupby(["assay", "visit"], sort=False):
        here = mine.set_index("subject_id").reindex(people["subject_id"])
        units = sorted(set(mine["unit"]) - {""})
        with_result = here["below"].notna().to_numpy()
        below = here["below"].eq(True).to_numpy()
        plain = np.where(below, 0.0, here["value"].to_numpy(dtype=float))
        logs = np.where(below, here["lloq"].to_numpy(dtype=float) / 2, plain)
        for group, inside in groups:
            taken = inside & with_result
            line = _described(plain[taken], logs[taken], units, conf_level, quantile_type)
            counts = {"n": int(taken.sum()), "n_blq": int((taken & below).sum()),
                      "n_missing": int((inside & ~with_result).sum())}  # fmt: skip
            place = {"assay": assay, "visit": visit, "nominal_day": mine["nominal_day"].iloc[0]}
            rows.append(place | {"group": group} | counts | line)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {"n": "int64", "n_blq": "int64", "n_missing": "int64", "nominal_day": "float64"}
    )


def _described(
    plain: np.ndarray, logs: np.ndarray, units: list[str], conf_level: float, quantile_type: Literal[2, 6, 7]
) -> dict[str, object]:
    """Statistics of one visit and group, and why one is missing."""
    mixed = f"{SEVERAL_UNITS}: {', '.join(units)}" if len(units) > 1 else ""
    if mixed:
        plain, logs = plain[:0], logs[:0]
    unknown = bool(np.isnan(logs).any())
    none_above = bool(plain.size) and not plain.any()
    no_logs = unknown or none_above
    described = summaries.describe(plain, conf_level=conf_level, quantile_type=quantile_type)
    of_logs = summaries.describe(logs[:0] if no_logs else logs, conf_level=conf_level, quantile_type=2)
    why = [mixed] if mixed else ["nobody with a result"] if not plain.size else []
    why += ["all below the limit: no geometric mean"] if none_above else []
    why += ["below a limit that is not known: no geometric mean"] if unknown and not none_above else []
    why += ["one value: no spread, no interval"] if plain.size == 1 else []
    return (
        {name: getattr(described, name) for name in ARITHMETIC}
        | {name: getattr(of_logs, name) for name in GEOMETRIC}
        | {"unit": units[0] if len(units) == 1 else "", "note": "; ".join(why)}
    )
