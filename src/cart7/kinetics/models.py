"""Exposure against dose and against outcome, table by table.

Here: which values of which assay are set against which dose and which outcome, and the models as rows.
Not here: the models (stats.exposure_models), the exposures (`pk`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import records
from cart7.errors import DataError, Problem
from cart7.kinetics.profiles import assays_of, one_assay, text_column
from cart7.kinetics.rows import SEVERAL_UNITS, in_assay_unit, stated_units, why_missing
from cart7.kinetics.summary import DESCRIBED, why_incomplete
from cart7.stats import exposure_models, summaries
from cart7.stats.exposure_models import DoseProportionality, ExposureResponse

USUAL_DOSES = {"planned": "planned_dose_1e6_kg", "received": "actual_dose_1e6_kg"}
USUAL_WORDS = {
    "planned": "Planned dose (10⁶ viable CAR+ cells/kg)",
    "received": "Received dose (10⁶ viable CAR+ cells/kg)",
    "level": "Dose level",
}
DOSE_STATS = tuple(DoseProportionality.__slots__)
OUTCOME_STATS = tuple(name for name in ExposureResponse.__slots__ if name != "note")
_NEEDS_LOGS = (
    "gm_ratio", "ci_low", "ci_high", "welch_df", "welch_p_value", "pooled_ci_low", "pooled_ci_high",
    "firth_slope", "firth_std_err", "firth_intercept",
)  # fmt: skip
_A_ZERO = "a value is 0: no model of logarithms"


def usual_doses(people: pd.DataFrame) -> dict[str, str]:
    """Planned and received dose per kg where the subjects have them, else the dose level."""
    there = {label: column for label, column in USUAL_DOSES.items() if column in people.columns}
    return there or ({"level": "dose_level"} if "dose_level" in people.columns else {})


def amounts(people: pd.DataFrame, doses: Mapping[str, str]) -> pd.DataFrame:
    """The doses as numbers, a column each; every dose column that is absent or holds words is told."""
    problems, found = [], pd.DataFrame(index=people.index)
    for label, column in doses.items():
        if column not in people.columns:
            problems.append(
                Problem(table="subjects", column=column, rule="MISSING-COLUMN",
                        message=f"no such column, wanted as the {label} dose")
            )  # fmt: skip
            continue
        numbers, words = _numbers(people[column])
        problems += [
            Problem(table="subjects", row=int(row) + 1, column=column, value=people[column].iloc[row],
                    rule="NOT-A-NUMBER", message="a dose is a number",
                    subject_id=people["subject_id"].iloc[row])
            for row in np.flatnonzero(words)
        ]  # fmt: skip
        found[f"dose_{label}"] = numbers
    if problems:
        raise DataError(problems)
    return found


def _numbers(column: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The numbers of a column, blank ones missing, and which entries are no number."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    blank = column.isna() | (column.astype(str).str.strip() == "")
    return numbers, np.asarray(~blank & ~np.isfinite(numbers), dtype=bool)


def exposures(
    profiles: pd.DataFrame, people: pd.DataFrame, params: Sequence[str], doses: pd.DataFrame
) -> pd.DataFrame:
    """One row per subject, assay and parameter, with a column per dose.

    A dose that is not above 0 has no logarithm: it is missing, and the note says so.
    """
    usable = doses.where(doses > 0)
    no_log = (doses.notna() & usable.isna()).any(axis=1).to_numpy()
    blocks = []
    for assay in assays_of(profiles):
        of_assay = one_assay(profiles, assay)
        units = stated_units(of_assay)
        mixed_words = f"{SEVERAL_UNITS}: {', '.join(units)}"
        mine = of_assay.set_index("subject_id").reindex(people["subject_id"])
        for param in params:
            mixed = len(units) > 1 and in_assay_unit(param)
            there = mine[param].to_numpy(dtype=float)
            values = np.full(len(mine), np.nan) if mixed else there
            reason = why_missing(param, mine.fillna({"note": "NO_SAMPLES: no kinetic sample"}))
            reason = reason.mask(~np.isnan(there), mixed_words)
            why = np.where(np.isnan(values), reason, "").astype(object)
            remark = np.where(no_log, "a dose is not above 0: left out", "").astype(object)
            blocks.append(
                pd.DataFrame(
                    {
                        "subject_id": people["subject_id"].to_numpy(),
                        "assay": assay,
                        "param": param,
                        "value": values,
                        "unit": mine["unit"].fillna("").to_numpy(),
                        **{name: usable[name].to_numpy() for name in usable.columns},
                        "note": ["; ".join(filter(None, words)) for words in zip(why, remark, strict=True)],
                    }
                )
            )
    return pd.concat(blocks, ignore_index=True)


def outcome_table(outcomes: pd.DataFrame | None) -> pd.DataFrame:
    """Outcomes as `row`, `subject_id`, `outcome`, `value`; whatever is wrong with one is told."""
    if outcomes is None:
        kinds = {"row": "int64", "subject_id": object, "outcome": object, "value": "float64"}
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})
    table = records.to_frame(outcomes, "subjects", needs=("outcome", "value"))
    numbers, words = _numbers(table["value"])
    names = text_column(table, "outcome").map(str).str.strip()
    nameless = (names == "").to_numpy()
    twice = table.assign(outcome=names).duplicated(["subject_id", "outcome"]).to_numpy() & ~nameless
    problems = [
        Problem(table="outcomes", row=int(table["row"].iloc[at]), column=column, rule=rule, message=message,
                value=table[column].iloc[at], subject_id=table["subject_id"].iloc[at])
        for where, column, rule, message in (
            (nameless, "outcome", "MISSING-KEY", "an outcome needs its name"),
            (words, "value", "NOT-A-NUMBER", "an outcome is a number"),
            (twice, "outcome", "D02-SAME-KEY", "this outcome of the subject stands twice"),
        )
        for at in np.flatnonzero(where)
    ]  # fmt: skip
    if problems:
        raise DataError(problems)
    named = table.assign(value=numbers, outcome=names)
    return named[["row", "subject_id", "outcome", "value"]].reset_index(drop=True)


def against_dose(
    values: pd.DataFrame, doses: Mapping[str, str], *, conf_level: float, limits: tuple[float, float]
) -> pd.DataFrame:
    """The power model of every parameter, assay and dose."""
    rows = []
    for (assay, param), mine in values.groupby(["assay", "param"], sort=False):
        for label in doses:
            level, dose = mine["value"].to_numpy(dtype=float), mine[f"dose_{label}"].to_numpy(dtype=float)
            zero = bool(((level == 0) & ~np.isnan(dose)).any())
            found = asdict(
                exposure_models.dose_proportionality(
                    level[:0] if zero else level, dose[:0] if zero else dose, conf_level=conf_level,
                    limits=limits,
                )
            )  # fmt: skip
            if zero:
                found["n"] = int((~np.isnan(level) & ~np.isnan(dose)).sum())
            note = _A_ZERO if zero else _too_few(found)
            rows.append(
                {
                    "assay": assay,
                    "param": param,
                    "dose": label,
                    **found,
                    "conf_level": conf_level,
                    "note": note,
                }
            )
    return pd.DataFrame(rows, columns=["assay", "param", "dose", *DOSE_STATS, "conf_level", "note"])


def _too_few(found: Mapping[str, float]) -> str:
    """Why the model is incomplete; empty when it is not."""
    if found["n"] < 2:
        return "one subject: no slope" if found["n"] else "no subject with an exposure and a dose"
    if not found["dose_ratio"] > 1:
        return "all have the same dose: no slope"
    flat = "all exposures are equal: no R-squared" if np.isnan(found["r_squared"]) else ""
    return "; ".join(filter(None, ("two subjects: no interval" if found["n"] == 2 else "", flat)))


def against_outcome(values: pd.DataFrame, outcomes: pd.DataFrame, *, conf_level: float) -> pd.DataFrame:
    """The association of every parameter and assay with every outcome."""
    rows = []
    for (assay, param), mine in values.groupby(["assay", "param"], sort=False):
        level = mine.set_index("subject_id")["value"]
        for outcome, theirs in outcomes.groupby("outcome", sort=False):
            seen = theirs.set_index("subject_id")["value"].reindex(level.index)
            row = {"assay": assay, "param": param, "outcome": outcome, "conf_level": conf_level}
            rows.append(row | _association(level.to_numpy(), seen.to_numpy(), conf_level))
    columns = ["assay", "param", "outcome", *OUTCOME_STATS, "conf_level", "note"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "int64"})


def by_outcome(
    values: pd.DataFrame, outcomes: pd.DataFrame, *, conf_level: float, quantile_type: Literal[2, 6, 7]
) -> pd.DataFrame:
    """Exposures summarised by value of each outcome: no and yes, or every grade that was seen."""
    rows = []
    for (assay, param), mine in values.groupby(["assay", "param"], sort=False):
        level = mine.set_index("subject_id")["value"]
        for outcome, theirs in outcomes.groupby("outcome", sort=False):
            seen = theirs.set_index("subject_id")["value"].reindex(level.index).to_numpy(dtype=float)
            for grade in np.unique(seen[~np.isnan(seen)]):
                known = level[(seen == grade) & level.notna().to_numpy()].to_numpy(dtype=float)
                line = summaries.describe(known, conf_level=conf_level, quantile_type=quantile_type)
                rows.append(
                    {"assay": assay, "param": param, "outcome": outcome, "level": grade, "n": known.size,
                     "n_missing": int((seen == grade).sum()) - known.size}
                    | {name: getattr(line, name) for name in DESCRIBED}
                    | {"note": why_incomplete(known, "")}
                )  # fmt: skip
    columns = ["assay", "param", "outcome", "level", "n", "n_missing", *DESCRIBED, "note"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "int64", "n_missing": "int64"})


def _association(level: np.ndarray, outcome: np.ndarray, conf_level: float) -> dict[str, object]:
    """Ranks do not need logarithms: they stand where a value is 0."""
    known = ~np.isnan(level) & ~np.isnan(outcome)
    zero = bool((level[known] == 0).any())
    # exp keeps the order, so every rank statistic is that of the exposures themselves.
    order = np.searchsorted(np.unique(level[known]), level) + 1.0
    numbers = np.where(np.isnan(level), np.nan, order) if zero else level
    found = asdict(exposure_models.exposure_response(numbers, outcome, conf_level=conf_level))
    if zero:
        found |= dict.fromkeys(_NEEDS_LOGS, np.nan)
        found["note"] = "; ".join(filter(None, (_A_ZERO, found["note"])))
    if not known.any():
        found["note"] = "no subject with an exposure and an outcome"
    return found
