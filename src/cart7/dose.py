"""Dose: how many cells each subject received, and which dose level the evidence supports.

Here: the dose of each infusion from its bags, against the plan, in exact decimals, and what a planned
dose needs; under the same roof the integrated score of the dose levels, whose parts stand in `rp2d`, and
the way from the vein to the infusion, whose parts stand in `supply`.
Not here: the endpoints (their results are read, nothing is recomputed), escalation designs.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from cart7 import derive, records, results
from cart7.errors import DataError, Problem
from cart7.results import EndpointResult
from cart7.rp2d.counts import Evidence, evidence
from cart7.rp2d.rules import Criterion, Desirability, Gates, ScoreRules
from cart7.rp2d.score import DoseScore, overall_desirability, recommend, score
from cart7.rp2d.verdict import recommended_positions
from cart7.stats.ranking import Smaa, smaa
from cart7.supply.accounting import VeinToVeinResult, vein_to_vein

__all__ = [
    "BagsNeeded", "CellDoseResult", "CellDoseRules", "Criterion", "Desirability", "DoseScore", "Evidence",
    "Gates", "ScoreRules", "Smaa", "VeinToVeinResult", "bags_needed", "cell_dose", "evidence",
    "overall_desirability", "recommend", "recommended_positions", "score", "smaa", "vein_to_vein",
]  # fmt: skip

Table: TypeAlias = pd.DataFrame | Iterable[records.Record]
Exact: TypeAlias = npt.NDArray[np.object_]


class CellDoseRules(BaseModel):
    """The choices of the protocol that decide whether a dose is as planned.

    Parameters
    ----------
    limit_percent : float
        Largest deviation from the planned total that is within limits, inclusive.
    weight_cap_kg : float, optional
        Weight above which the planned dose no longer grows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    limit_percent: float = Field(default=20.0, ge=0, allow_inf_nan=False)
    weight_cap_kg: float | None = Field(default=None, gt=0, allow_inf_nan=False)


_CELL_DOSE_RULES = CellDoseRules()
_ONE: Exact = np.array(Fraction(1), dtype=object)


_DOSE_NUMBERS = {
    "n_bags": "1", "volume_ml": "mL", "viable_1e6": "10^6 cells", "viable_car_pos_1e6": "10^6 cells",
    "weight_kg": "kg", "dose_1e6_kg": "10^6 cells/kg", "planned_dose_1e6_kg": "10^6 cells/kg",
    "planned_1e6": "10^6 cells", "deviation_percent": "%", "within_limits": "1",
}  # fmt: skip
_DOSE_SUMMARY = {
    "n": "1", "n_missing": "1", "dose_median": "10^6 cells/kg", "dose_min": "10^6 cells/kg",
    "dose_max": "10^6 cells/kg", "deviation_median": "%", "deviation_min": "%", "deviation_max": "%",
    "n_compared": "1", "n_within_limits": "1",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class CellDoseResult(EndpointResult):
    """Cells infused, one row per infusion.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, infusion_no, n_bags (all listed), volume_ml (infused), viable_1e6, viable_car_pos_1e6
        (10^6 cells infused), weight_kg, dose_1e6_kg (10^6 viable CAR+ cells/kg), planned_dose_1e6_kg,
        planned_1e6, deviation_percent, within_limits (1, 0, missing), note.
    summary : DataFrame
        infusion_no, group, n (infusions with a dose), n_missing, dose_median, dose_min, dose_max,
        deviation_median, deviation_min, deviation_max, n_compared, n_within_limits, note.
    """

    title: ClassVar[str] = "Cell dose"
    figure: ClassVar[str] = "cell_dose"

    def _long(self) -> list[pd.DataFrame]:
        blocks = []
        for table, units in ((self.summary, _DOSE_SUMMARY), (self.subjects, _DOSE_NUMBERS)):
            blocks.append(
                results.long_rows(
                    table, analysis="dose.cell_dose", population=self.population, stats=tuple(units),
                    param="CELLDOSE:" + table["infusion_no"].astype(str), units=units,
                    group=table.get("group", ""), subject_id=table.get("subject_id", ""),
                    method={"dose_1e6_kg": "exact decimals", "deviation_percent": "exact decimals"},
                )
            )  # fmt: skip
        return blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class BagsNeeded:
    """Volume to infuse (mL) and bags to thaw for a planned dose; `planned_1e6` is the dose in 10^6 cells."""

    volume_ml: float
    n_bags: int
    planned_1e6: float


def cell_dose(
    products: Table, *, subjects: Table | None = None, rules: CellDoseRules = _CELL_DOSE_RULES
) -> CellDoseResult:
    """Viable CAR+ cells that each infusion gave, and how far they are from the plan.

    Parameters
    ----------
    products : DataFrame or sequence of ProductBag
        One row per bag: subject_id, infusion_no (1 when there is no such column), weight_kg, and either
        viable_car_pos_cells_1e6 (10^6 cells in the bag; total_viable_cells_1e6 beside it), or volume_ml,
        fraction_infused (0-1), conc_cells_per_ml, conc_basis (`total`, `viable`), viability_pct,
        car_pos_pct, car_denominator (`viable cells`, `viable CD3+`), cd3_pct. With cells per bag,
        fraction_infused is optional (1).
    subjects : DataFrame or sequence of Subject, optional
        planned_dose_1e6_kg (10^6 viable CAR+ cells/kg) or the flat total planned_1e6; weight_kg where
        products has none; dose_level for the summary.
    rules : CellDoseRules
        Limits and weight cap.

    Returns
    -------
    CellDoseResult

    Raises
    ------
    DataError
        Columns missing, a bag listed twice, an unknown basis or denominator, a number out of its range.

    Notes
    -----
    Per bag: volume x fraction infused x concentration x viability (only of a *total* concentration) x CD3+
    (only for CAR+ of CD3+) x CAR+. Every step is exact on the shortest decimal of the input, so +20 % is
    within limits of 20 % and +20.01 % is not. A bag with a missing field that matters makes the dose missing.

    Examples
    --------
    >>> bags = pd.DataFrame({"subject_id": ["1"], "volume_ml": [12.0], "fraction_infused": [1.0],
    ...     "conc_cells_per_ml": [1e7], "conc_basis": ["viable"], "car_pos_pct": [50.0],
    ...     "car_denominator": ["viable cells"], "weight_kg": [50.0]})
    >>> plan = pd.DataFrame({"subject_id": ["1"], "planned_dose_1e6_kg": [1.0]})
    >>> cell_dose(bags, subjects=plan).subjects[["dose_1e6_kg", "deviation_percent", "within_limits"]
    ...     ].values.tolist()
    [[1.2, 20.0, 1.0]]
    """
    bags = _read_bags(products)
    people = None if subjects is None else derive.subject_table(subjects)
    left_out: list[pd.DataFrame] = []
    if people is not None:
        bags, strangers = derive.known_subjects(bags, people)
        left_out = [
            results.excluded_rows(strangers, "products", "not in subjects"),
            _without_bags(people, bags),
        ]
    infusions = _infusions(bags, people, rules)
    grouped = None if people is None else _raw_levels(subjects, people)
    return CellDoseResult(
        subjects=infusions,
        summary=_dose_summary(infusions, grouped),
        excluded=results.concat([results.excluded_frame(), *left_out], results.EXCLUDED_COLUMNS),
        rules=rules,
        population="" if people is None else derive.population(people),
    )


def bags_needed(planned_dose_1e6_kg: float, weight_kg: float, bag: Mapping[str, Any]) -> BagsNeeded:
    """Volume to infuse and bags to thaw for a planned dose.

    Parameters
    ----------
    planned_dose_1e6_kg : float
        Planned dose, 10^6 viable CAR+ cells/kg.
    weight_kg : float
        Weight that the dose is given for (the capped one, where the protocol caps it).
    bag : mapping
        One bag of the product: the fields of `cell_dose` without fraction_infused; volume_ml is needed.

    Returns
    -------
    BagsNeeded
        Exact on the decimals of the input, then rounded to a float; bags are whole.

    Raises
    ------
    ValueError
        A field is missing, or the bag holds no viable CAR+ cells.

    Examples
    --------
    >>> bag = {"volume_ml": 20, "conc_cells_per_ml": 1e7, "conc_basis": "viable", "car_pos_pct": 35,
    ...        "car_denominator": "viable cells"}
    >>> need = bags_needed(2.0, 70, bag)
    >>> f"{need.volume_ml:.1f} mL of {need.n_bags} bags"
    '40.0 mL of 2 bags'
    """
    for name, value in (("planned_dose_1e6_kg", planned_dose_1e6_kg), ("weight_kg", weight_kg)):
        if not (math.isfinite(value) and value >= 0) or (name == "weight_kg" and value == 0):
            raise ValueError(f"{name} must be a finite number above 0, got {value}")
    fields = {name: value for name, value in dict(bag).items() if value is not None}
    one = _read_bags(
        pd.DataFrame([{**fields, "subject_id": "bag", "infusion_no": 1, "fraction_infused": 1.0}])
    )
    cells, _, volume, why = _bag_cells(one)
    if why[0] or not one["volume_ml"].notna().iloc[0] or volume[0] == 0:
        raise ValueError(f"bag must state every field of its form: {why[0] or 'volume_ml must be above 0'}")
    if cells[0] == 0:
        raise ValueError("bag must hold viable CAR+ cells, got none")
    planned = _exact([planned_dose_1e6_kg])[0] * _exact([weight_kg])[0]
    return BagsNeeded(
        volume_ml=float(planned / cells[0] * volume[0]),
        n_bags=math.ceil(planned / cells[0]),
        planned_1e6=float(planned),
    )


_BAG_FORM = ("volume_ml", "fraction_infused", "conc_cells_per_ml", "conc_basis", "car_pos_pct",
             "car_denominator")  # fmt: skip
_BAG_COLUMNS = (*_BAG_FORM, "viability_pct", "cd3_pct", "viable_car_pos_cells_1e6", "total_viable_cells_1e6",
                "weight_kg", "infusion_no", "bag_no", "n_bags")  # fmt: skip
_BAG_WORDS = {"conc_basis": ("total", "viable"), "car_denominator": ("viable cells", "viable CD3+")}
_BAG_LIMITS = {
    "volume_ml": (0, math.inf), "fraction_infused": (0, 1), "conc_cells_per_ml": (0, math.inf),
    "viability_pct": (0, 100), "car_pos_pct": (0, 100), "cd3_pct": (0, 100),
    "viable_car_pos_cells_1e6": (0, math.inf), "total_viable_cells_1e6": (0, math.inf),
    "weight_kg": (math.ulp(0.0), math.inf),
}  # fmt: skip


def _read_bags(products: Table) -> pd.DataFrame:
    """The bags with every column there is a rule for, ordered by infusion, or all their problems."""
    plain = records.to_frame(products, "products")
    needs = () if "viable_car_pos_cells_1e6" in plain.columns or plain.empty else _BAG_FORM
    bags = records.to_frame(products, "products", needs=needs, fill=_BAG_COLUMNS)
    if "infusion_no" not in plain.columns:
        bags["infusion_no"] = 1.0
    problems = [
        Problem(table="products", row=int(row), column=name, value=value, rule="DOSE-TERM",
                message=f"must be one of {', '.join(words)}")
        for name, words in _BAG_WORDS.items()
        for row, value in bags.loc[bags[name].notna() & ~bags[name].isin(words), ["row", name]].to_numpy()
    ]  # fmt: skip
    problems += [
        Problem(table="products", row=int(row), column=name, value=float(value), rule="DOSE-RANGE",
                message="must be above 0" if name == "weight_kg" else f"must be within {low:g} to {high:g}")
        for name, (low, high) in _BAG_LIMITS.items()
        for row, value in bags.loc[(bags[name] < low) | (bags[name] > high), ["row", name]].to_numpy()
    ]  # fmt: skip
    problems += [
        Problem(table="products", row=int(row), column="infusion_no", rule="DOSE-INFUSION",
                message="a bag belongs to a numbered infusion")
        for row in bags.loc[bags["infusion_no"].isna(), "row"]
    ]  # fmt: skip
    named = bags[bags["bag_no"].notna()]
    again = named[named.duplicated(["subject_id", "infusion_no", "bag_no"])]
    problems += [
        Problem(table="products", row=int(row), column="bag_no", value=bag, subject_id=subject,
                rule="DOSE-BAG-TWICE", message="this bag of the infusion is listed twice")
        for row, bag, subject in again[["row", "bag_no", "subject_id"]].to_numpy()
    ]  # fmt: skip
    if problems:
        raise DataError(problems)
    return bags.sort_values(["subject_id", "infusion_no", "bag_no"], kind="stable").reset_index(drop=True)


def _exact(numbers: Iterable[Any]) -> Exact:
    """Fractions of the shortest decimals; a missing number is 0 (its absence is kept elsewhere)."""
    exact = [Fraction(0) if pd.isna(x) else Fraction(str(x)) for x in numbers]
    return np.array([*exact, None], dtype=object)[:-1]


def _bag_cells(bags: pd.DataFrame) -> tuple[Exact, Exact, Exact, npt.NDArray[np.object_]]:
    """Infused of each bag: viable CAR+ and viable cells (10^6), volume (mL); why the cells are unknown."""
    exact = {name: _exact(bags[name]) for name in _BAG_LIMITS}
    counted = bags["viable_car_pos_cells_1e6"].notna().to_numpy()
    partial = bags["fraction_infused"].notna().to_numpy()
    given = np.where(counted & ~partial, _ONE, exact["fraction_infused"])
    total = (bags["conc_basis"] == "total").to_numpy()
    of_cd3 = (bags["car_denominator"] == "viable CD3+").to_numpy()
    volume = exact["volume_ml"] * given
    alive = np.where(total, exact["viability_pct"] / 100, _ONE)
    viable = volume * exact["conc_cells_per_ml"] * alive / 10**6
    car = viable * np.where(of_cd3, exact["cd3_pct"] / 100, _ONE) * exact["car_pos_pct"] / 100
    needed = {name: np.ones(len(bags), dtype=bool) for name in _BAG_FORM}
    needed |= {"viability_pct": total, "cd3_pct": of_cd3}
    why = np.full(len(bags), "", dtype=object)
    for name, wanted in needed.items():
        lacks = wanted & bags[name].isna().to_numpy() & ~counted & ~(partial & (given == 0))
        why = np.where(lacks & (why == ""), f"{name} missing", why)
    return (
        np.where(counted, exact["viable_car_pos_cells_1e6"] * given, car),
        np.where(counted, exact["total_viable_cells_1e6"] * given, viable),
        volume,
        why,
    )


def _infusions(bags: pd.DataFrame, people: pd.DataFrame | None, rules: CellDoseRules) -> pd.DataFrame:
    """One row per infusion; numbers are exact until they are written into the frame."""
    keys = ["subject_id", "infusion_no"]
    first = bags.drop_duplicates(keys)[keys].reset_index(drop=True)
    starts = np.flatnonzero(~bags.duplicated(keys).to_numpy())
    member = (~bags.duplicated(keys)).cumsum().to_numpy() - 1
    cells, viable, volume, why = _bag_cells(bags)
    counted = bags["viable_car_pos_cells_1e6"].notna()
    unstated = {
        "viable cells not stated": counted & bags["total_viable_cells_1e6"].isna(),
        "volume not stated": bags["volume_ml"].isna() & (why == ""),
    }
    unstated = {text: flag.groupby(member).any().to_numpy(dtype=bool) for text, flag in unstated.items()}
    unknown = pd.Series(why, dtype=object).groupby(member).agg(_first_word).to_numpy(dtype=object)
    notes = [np.where(unknown == "", "", "dose not known: a bag has " + unknown)]
    notes += [np.where(flag & (unknown == ""), text, "") for text, flag in unstated.items()]
    notes.append(_listed_bags(bags, member))
    table = first.assign(n_bags=np.bincount(member, minlength=len(first)).astype(np.int64))
    table["infusion_no"] = table["infusion_no"].astype("int64")
    sums = [np.add.reduceat(part, starts) if len(starts) else part for part in (volume, viable, cells)]
    table["volume_ml"] = _floats(sums[0], (unknown == "") & ~unstated["volume not stated"])
    table["viable_1e6"] = _floats(sums[1], (unknown == "") & ~unstated["viable cells not stated"])
    table["viable_car_pos_1e6"] = _floats(sums[2], unknown == "")
    weight, heavy = _weights(bags, member, table, people)
    plan = _planned(table, weight, people, rules)
    return _against_plan(table, sums[2], unknown == "", weight, plan, [*notes, heavy], rules)


def _first_word(words: pd.Series) -> str:
    return next((word for word in words if word), "")


def _listed_bags(bags: pd.DataFrame, member: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """A note where `n_bags` of the table is not the number of bags listed."""
    by_infusion = bags["n_bags"].groupby(member)
    said, listed = by_infusion.max().to_numpy(dtype=float), by_infusion.size().to_numpy()
    text = [
        f"{count} bags listed, n_bags says {stated:g}" for count, stated in zip(listed, said, strict=True)
    ]
    return np.where(~np.isnan(said) & (said != listed), np.array([*text, None], dtype=object)[:-1], "")


def _weights(
    bags: pd.DataFrame, member: npt.NDArray[np.int64], table: pd.DataFrame, people: pd.DataFrame | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.object_]]:
    """Weight per infusion from its bags, else from subjects, and why it is missing."""
    by_infusion = bags["weight_kg"].groupby(member)
    differ = by_infusion.nunique().to_numpy() > 1
    weight = np.where(differ, np.nan, by_infusion.max().to_numpy(dtype=float))
    if people is not None and "weight_kg" in people.columns:
        own = table["subject_id"].map(people.set_index("subject_id")["weight_kg"]).to_numpy(dtype=float)
        weight = np.where(np.isnan(weight) & ~differ, own, weight)
    weight = np.where(weight > 0, weight, np.nan)
    why = np.where(differ, "bags state different weights", "weight missing")
    return weight, np.where(np.isnan(weight), why, "")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plan:
    """Planned dose per kg and total of each infusion, exact, and why there is none."""

    per_kg: npt.NDArray[np.float64]
    total: Exact
    known: npt.NDArray[np.bool_]
    note: npt.NDArray[np.object_]


def _planned(
    table: pd.DataFrame, weight: npt.NDArray[np.float64], people: pd.DataFrame | None, rules: CellDoseRules
) -> _Plan:
    def of_subject(name: str) -> npt.NDArray[np.float64]:
        if people is None or name not in people.columns:
            return np.full(len(table), np.nan)
        column = table["subject_id"].map(people.set_index("subject_id")[name])
        return np.asarray(column, dtype=float)

    per_kg, flat = of_subject("planned_dose_1e6_kg"), of_subject("planned_1e6")
    counted = weight if rules.weight_cap_kg is None else np.fmin(weight, rules.weight_cap_kg)
    counted = np.where(np.isnan(weight), np.nan, counted)
    by_weight = ~np.isnan(per_kg)
    total = np.where(by_weight, _exact(per_kg) * _exact(counted), _exact(flat))
    known = np.where(by_weight, ~np.isnan(counted), ~np.isnan(flat))
    both = by_weight & ~np.isnan(flat) & known & (total != _exact(flat))
    note = np.select(
        [both, ~by_weight & known, ~by_weight],
        ["planned_1e6 not used: planned per kg", "planned as a flat dose", "no planned dose"], "",
    )  # fmt: skip
    return _Plan(per_kg=per_kg, total=total, known=known.astype(bool), note=note.astype(object))


def _against_plan(
    table: pd.DataFrame,
    cells: Exact,
    counted: npt.NDArray[np.bool_],
    weight: npt.NDArray[np.float64],
    plan: _Plan,
    notes: Sequence[npt.NDArray[Any]],
    rules: CellDoseRules,
) -> pd.DataFrame:
    weighed = ~np.isnan(weight)
    heavy = np.where(weighed, _exact(weight), _ONE)
    compared = counted & plan.known & (plan.total != 0)
    target = np.where(plan.total != 0, plan.total, _ONE)
    deviation = 100 * (cells / target - 1)
    limit = Fraction(str(rules.limit_percent))
    within = np.array([abs(part) <= limit for part in deviation], dtype=float)
    nothing_planned = np.where(plan.known & (plan.total == 0), "planned dose is 0", "")
    table = table.assign(
        weight_kg=weight,
        dose_1e6_kg=_floats(cells / heavy, counted & weighed),
        planned_dose_1e6_kg=plan.per_kg,
        planned_1e6=_floats(plan.total, plan.known),
        deviation_percent=_floats(deviation, compared),
        within_limits=np.where(compared, within, np.nan),
    )
    table["note"] = _joined([*notes, plan.note, nothing_planned])
    return table


def _floats(exact: Exact, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    return np.where(known, exact.astype(np.float64), np.nan)


def _joined(notes: Sequence[npt.NDArray[Any]]) -> list[str]:
    return ["; ".join(word for word in words if word) for words in zip(*notes, strict=True)]


def _without_bags(people: pd.DataFrame, bags: pd.DataFrame) -> pd.DataFrame:
    """Infused subjects whose bags are not in the table."""
    if "infused" not in people.columns:
        return results.excluded_frame()
    lacking = (people["infused"] == "Y") & ~people["subject_id"].isin(bags["subject_id"])
    return results.excluded_rows(people[lacking], "subjects", "infused, but no bag in products")


def _raw_levels(subjects: Table | None, people: pd.DataFrame) -> pd.DataFrame:
    """Checked subjects whose dose levels keep the levels that nobody is at."""
    if isinstance(subjects, pd.DataFrame) and "dose_level" in subjects.columns:
        return people.assign(dose_level=subjects["dose_level"].array)
    return people


def _dose_summary(infusions: pd.DataFrame, people: pd.DataFrame | None) -> pd.DataFrame:
    """Dose and deviation per infusion number and dose level."""
    groups = [(derive.ALL, None)] if people is None else derive.groups(people, "dose_level")
    rows = []
    for number in sorted(infusions["infusion_no"].unique().tolist()):
        of_number = infusions[infusions["infusion_no"] == number]
        for label, mask in groups:
            ids = None if mask is None or people is None else people.loc[mask, "subject_id"]
            part = of_number if ids is None else of_number[of_number["subject_id"].isin(ids)]
            rows.append({"infusion_no": number, "group": label, **_dose_line(part)})
    return pd.DataFrame(rows, columns=["infusion_no", "group", *_DOSE_SUMMARY, "note"])


def _dose_line(part: pd.DataFrame) -> dict[str, Any]:
    dose, deviation = part["dose_1e6_kg"].dropna(), part["deviation_percent"].dropna()
    line: dict[str, Any] = {"n": len(dose), "n_missing": len(part) - len(dose)}
    for name, values in (("dose", dose), ("deviation", deviation)):
        line |= {f"{name}_median": values.median(), f"{name}_min": values.min(), f"{name}_max": values.max()}
    line |= {"n_compared": len(deviation), "n_within_limits": int((part["within_limits"] == 1).sum())}
    empty = "no infusion with a known dose" if not len(dose) else "no dose compared with a plan"
    return line | {"note": "" if len(dose) and len(deviation) else empty}
