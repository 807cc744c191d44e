"""What is recorded twice and must agree: the dose and its bags, a death, a visit and its day, one unit.

Here: contradictions that are certain, so that a sound study never meets one. Not here: deviations from
the plan (an infusion below its dose is a fact, not a mistake) and days against dates (`across`).
"""

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.checks.cells import VISITS
from cart7.checks.measures import QUANTITIES, pairs
from cart7.checks.rows import Days, dates
from cart7.checks.tables import Table

_DOSE_SHARE = 0.05
"""A recorded dose is rounded, and a weight too; beyond this share it is another dose."""


def dose_and_bags(subjects: Table, products: Table) -> None:
    """The dose of `subjects` against the sum of the bags per kg, of the first infusion or of all."""
    if not subjects.has("actual_dose_1e6_kg") or not products.has("viable_car_pos_cells_1e6"):
        return
    cells = products.numbers("viable_car_pos_cells_1e6")
    if products.has("fraction_infused"):
        part = products.numbers("fraction_infused")
        cells = cells * np.where(np.isnan(part), 1.0, part)
    weight = products.numbers("weight_kg")
    own = _by_subject(products, subjects, subjects.numbers("weight_kg"))
    bags = pd.DataFrame(
        {
            "subject": products.words("subject_id"),
            "first": ~(products.numbers("infusion_no") > 1),
            "dose": cells / np.where(np.isnan(weight), own, weight),
            "unsure": products.wrong | np.isnan(cells),
        }
    )
    by_subject = bags.groupby("subject")
    total = by_subject["dose"].sum()
    first = bags[bags["first"]].groupby("subject")["dose"].sum()
    sure = ~by_subject["unsure"].any()
    told = subjects.numbers("actual_dose_1e6_kg")
    owners = pd.Index(subjects.words("subject_id"))
    agrees = [
        np.abs(told - dose.reindex(owners).to_numpy(dtype=float)) <= _DOSE_SHARE * told
        for dose in (first, total)
    ]
    known = sure.reindex(owners, fill_value=False).to_numpy(dtype=bool) & ~np.isnan(told)
    known &= total.reindex(owners).notna().to_numpy(dtype=bool)
    subjects.warn(
        known & ~np.any(agrees, axis=0),
        "actual_dose_1e6_kg",
        "DOSE-CONTRADICTION",
        "the dose is neither that of the first infusion's bags nor that of all bags per kg",
        "correct the dose, the weight or a bag",
    )


def bag_numbers(products: Table) -> None:
    """A bag whose number is beyond the number of bags."""
    products.warn(
        products.numbers("bag_no") > products.numbers("n_bags"),
        "bag_no",
        "BAG-NUMBER",
        "the number of the bag is beyond the number of bags",
        "correct bag_no or n_bags",
    )


def one_death(subjects: Table | None, events: Table | None) -> None:
    """A subject dies once: two deaths in `events`, or one in `events` and another in `subjects`."""
    if events is None or not events.has("event", "date"):
        return
    when = dates(events, "date")
    deaths = (events.words("event") == "DEATH") & ~events.wrong & ~np.isnan(when)
    owners = events.words("subject_id")
    span = pd.Series(when[deaths]).groupby(owners[deaths]).agg(["min", "max"])
    twice = pd.Index(span.index[span["min"] < span["max"]])
    fix = "keep the right one"
    events.warn(
        deaths & np.isin(owners.astype(str), twice.astype(str)),
        "date",
        "DEATH-CONTRADICTION",
        "the subject has two deaths of different dates",
        fix,
    )
    if subjects is None or not subjects.has("death_date"):
        return
    told = dates(subjects, "death_date")
    other = span["min"].reindex(pd.Index(subjects.words("subject_id"))).to_numpy(dtype=float)
    differs = ~np.isnan(told) & ~np.isnan(other) & (told != other)
    subjects.warn(
        differs,
        "death_date",
        "DEATH-CONTRADICTION",
        "events tell another date of this death",
        fix,
    )


_LABEL = re.compile(r"(D|M)([0-9]{1,4})")
_DAYS_OF_MONTH = 30.4375


def visits_far_off(tables: Mapping[str, Table]) -> None:
    """A visit label that its day cannot belong to: before half of the nominal day, or beyond twice of it.

    Half a month is allowed below and a month above, so that windows of any protocol are kept. Subjects with
    a second infusion are left out: their labels may count from it.
    """
    again = _infused_again(tables)
    for table in tables.values():
        for column in VISITS & table.schema.columns.keys():
            labels = table.coded(column)
            nominal = labels.each([_nominal_day(str(label)) for label in labels.words])
            day = table.numbers("day")
            far = (day < nominal / 2 - 15) | (day > 2 * nominal + 30)
            owners = table.coded("subject_id")
            # A row without a subject has the number -1, which is the last.
            exempt = np.array([str(owner) in again for owner in (*owners.words, None)])[owners.code]
            table.warn(
                far & ~exempt,
                column,
                "VISIT-FAR-OFF",
                "the day cannot be one of this visit",
                "correct the label or the day",
            )


def _nominal_day(label: str) -> float:
    match = _LABEL.fullmatch(label)
    if match is None:
        return float("nan")
    return int(match[2]) * (_DAYS_OF_MONTH if match[1] == "M" else 1.0)


def _infused_again(tables: Mapping[str, Table]) -> list[str]:
    """Subjects with a second infusion, wherever it is told."""
    again: set[str] = set()
    for name, column, told in (("events", "event", "SECOND_INFUSION"), ("responses", "after_inf2", "Y")):
        if (table := tables.get(name)) is not None:
            again.update(table.words("subject_id")[table.words(column) == told].astype(str))
    for name in ("products", "kinetics"):
        if (table := tables.get(name)) is not None:
            again.update(table.words("subject_id")[table.numbers("infusion_no") > 1].astype(str))
    return sorted(again)


def one_unit(table: Table) -> None:
    """Results of one assay or parameter in two units that cannot be converted into each other."""
    if table.name not in ("kinetics", "pd"):
        return
    which = QUANTITIES[table.name][0]
    if not table.has(which, "unit", "value"):
        return
    kinds = [kind for kind, _ in pairs(table.coded(which), table.coded("unit"))]
    if len(set(kinds)) == len(kinds):
        return
    units = pd.DataFrame({"kind": table.words(which), "unit": table.words("unit")}, dtype=object)
    units = units[~table.missing("value")].dropna()
    counts = units.value_counts(["kind", "unit"], sort=False).reset_index(name="n")
    for kind, found in counts.groupby("kind"):
        if len(found) < 2:
            continue
        usual = str(found.sort_values(["n", "unit"], ascending=[False, True])["unit"].iloc[0])
        other = (units["kind"] == kind) & (units["unit"] != usual)
        where: npt.NDArray[np.bool_] = np.zeros(len(table.rows), dtype=bool)
        where[units.index[other].to_numpy()] = True
        table.warn(
            where,
            "unit",
            "UNIT-MIXED",
            f"other results of {kind} are in {usual}",
            "convert the value, or give the assay another name",
        )


def _by_subject(table: Table, subjects: Table, values: Days) -> Days:
    """Value of each row's subject; the first row of a subject counts."""
    known = pd.Series(values, index=subjects.words("subject_id"))
    known = known[~known.index.duplicated()]
    owners = table.coded("subject_id")
    return owners.each(known.reindex(owners.words).to_numpy(dtype=float).tolist())
