"""The lines of the overall summary: which records each one holds.

Here: the lines in display order, and which of them a study cannot answer. Not here: counts (`safety`,
`periods`, `incidence`).
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.toxicity import emergence
from cart7.toxicity.episodes import end_or_risk_end
from cart7.toxicity.remembered import remembered
from cart7.toxicity.rules import SafetyRules
from cart7.toxicity.tallies import RATE, among, in_category, related

Flags: TypeAlias = npt.NDArray[np.bool_]
OF_LINES = ("soc", "pt", "serious", "related_cart", "related_ld", "aesi", "outcome", "dlt")
"""Columns of the records that the lines are made from."""


@remembered
def overview_lines(found: emergence.Records, rules: SafetyRules) -> dict[str, Flags]:
    """The records of each line of the overview, in the order of the table; nobody changes them."""
    table = found.table
    grade = table["grade"].to_numpy()
    severe = grade >= 3
    of_cart, serious = related(table["related_cart"]), among(table["serious"], ("Y",))
    crs, icans = in_category(table, "CRS"), in_category(table, "ICANS")
    infection = in_category(table, "INFECTION") | among(table["soc"], (rules.infection_soc,))
    cytopenia = in_category(table, "CYTOPENIA") | among(table["pt"], rules.cytopenia_terms)
    return {
        "any_teae": np.ones(len(table), dtype=bool),
        "any_teae_grade_ge3": severe,
        "any_teae_grade_missing": np.isnan(grade),
        "related_cart_teae": of_cart,
        "related_cart_teae_grade_ge3": of_cart & severe,
        "related_ld_teae": related(table["related_ld"]),
        "serious_teae": serious,
        "serious_related_cart_teae": serious & of_cart,
        "fatal_teae": (grade == 5) | among(table["outcome"], ("FATAL",)),
        "dlt": among(table["dlt"], ("Y",)),
        "crs_any": crs,
        "crs_grade_ge3": crs & severe,
        "icans_any": icans,
        "icans_grade_ge3": icans & severe,
        "iec_hs_any": in_category(table, "HLH"),
        "infection_any": infection,
        "infection_grade_ge3": infection & severe,
        "cytopenia_any": cytopenia,
        "cytopenia_grade_ge3": cytopenia & severe,
        "prolonged_cytopenia": cytopenia & severe & present_after(found, rules.prolonged_after_day),
        "uncoded_any": table["pt"].isna().to_numpy(),
    }


_NEEDS = {
    "serious": ("serious_teae", "serious_related_cart_teae"),
    "related_cart": ("related_cart_teae", "related_cart_teae_grade_ge3", "serious_related_cart_teae"),
    "related_ld": ("related_ld_teae",),
    "dlt": ("dlt",),
    "aesi": ("crs_any", "crs_grade_ge3", "icans_any", "icans_grade_ge3", "iec_hs_any"),
    "aesi and soc": ("infection_any", "infection_grade_ge3"),
    "aesi and pt": ("cytopenia_any", "cytopenia_grade_ge3", "prolonged_cytopenia"),
    "pt": ("uncoded_any",),
    "grade and outcome": ("fatal_teae",),
    "grade": (
        "any_teae_grade_ge3", "related_cart_teae_grade_ge3", "crs_grade_ge3", "icans_grade_ge3",
        "infection_grade_ge3", "cytopenia_grade_ge3", "prolonged_cytopenia",
    ),
}  # fmt: skip
"""Lines that say nothing where none of these columns was collected."""


def lines_not_collected(collected: tuple[str, ...]) -> dict[str, str]:
    """Lines whose column was not collected, with that column; where two would do, with both."""
    silent = [names for names in _NEEDS if not set(names.split(" and ")) & set(collected)]
    return {line: names for names in reversed(silent) for line in _NEEDS[names]}


def leave_open(summary: pd.DataFrame, collected: tuple[str, ...]) -> None:
    """Blank the lines whose column was not collected: no record of it is not the same as none."""
    for line, column in lines_not_collected(collected).items():
        here = summary["row"] == line
        summary.loc[here, ["n_subjects", "n_events", *RATE]] = np.nan
        summary.loc[here, "note"] = f"{column} not collected"


def present_after(found: emergence.Records, day: float) -> Flags:
    """Whether a record is still there after a day; one without any known end is."""
    start, end = found.table["start_day"].to_numpy(), end_or_risk_end(found)
    present: Flags = (start > day) | (end > day) | np.isnan(end)
    return present
