"""Tumour burden: the best change from baseline of each subject, for a waterfall plot.

Here: burden measurements (blasts, sum of products of diameters) to the best percent change, with the
reason where there is none. Not here: categories (criteria, courses), drawing.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cart7.errors import DataError, Problem
from cart7.results import Texts, first_reason, joined

COLUMNS = (
    "subject_id", "baseline", "baseline_day", "best_value", "best_day", "best_percent_change",
    "best_response", "note",
)  # fmt: skip
ENDERS = ("PROGRESSION", "NEW_THERAPY", "SECOND_INFUSION")


def measured(findings: pd.DataFrame, *, percent: bool) -> pd.DataFrame:
    """Rows as subject_id, day, value, row; everything impossible in one error."""
    absent = [name for name in ("subject_id", "day", "value") if name not in findings.columns]
    if absent:
        words = "this column is needed and is not there"
        raise DataError(
            [Problem(table="findings", column=c, rule="MISSING-COLUMN", message=words) for c in absent]
        )
    rows = pd.DataFrame({"subject_id": findings["subject_id"].astype(str).str.strip()}).reset_index(drop=True)
    problems: list[Problem] = []
    for column in ("day", "value"):
        given = findings[column].reset_index(drop=True)
        numbers = pd.to_numeric(given, errors="coerce").astype("float64")
        bad = (given.notna() & numbers.isna()) | np.isinf(numbers)
        if column == "value":
            bad |= (numbers < 0) | (percent & (numbers > 100))
        expected = "a day" if column == "day" else "a percentage, 0 to 100" if percent else "0 or more"
        problems += [
            Problem(table="findings", row=int(at) + 1, column=column, value=given[at], rule="BURDEN-VALUE",
                    subject_id=rows.loc[at, "subject_id"], message=f"this is {expected}")
            for at in np.flatnonzero(bad.to_numpy())
        ]  # fmt: skip
        rows[column] = numbers
    if problems:
        raise DataError(problems)
    return rows.assign(row=np.arange(1, len(rows) + 1))


def set_aside(rows: pd.DataFrame, ids: pd.Index, end: pd.Series) -> Texts:
    """Why a row is not used; empty where it is."""
    return first_reason(
        (~rows["subject_id"].isin(ids), "not a subject of this analysis"),
        (rows["value"].isna(), "value missing"),
        (rows["day"].isna(), "day missing"),
        (
            rows["day"] > rows["subject_id"].map(end).astype("float64"),
            "after progression, new therapy or second infusion",
        ),
    )


def end_of(ids: pd.Index, events: pd.DataFrame) -> pd.Series:
    """First day of what ends the sequence, by subject; missing where nothing does."""
    ending = events[events["event"].isin(ENDERS)]
    return ending.groupby("subject_id")["day"].min().reindex(ids).astype("float64")


def best_change(rows: pd.DataFrame, words: pd.Series) -> tuple[pd.DataFrame, Mapping[str, Texts]]:
    """Deepest change of each subject, and per column why it is missing."""
    rows = rows.sort_values(["subject_id", "day", "value"], kind="stable")
    before = rows[rows["day"] <= 0].drop_duplicates("subject_id", keep="last").set_index("subject_id")
    after = rows[rows["day"] > 0].sort_values(["subject_id", "value", "day"], kind="stable")
    lowest = after.drop_duplicates("subject_id").set_index("subject_id").reindex(words.index)
    before = before.reindex(words.index)
    per = before["value"].where(before["value"] > 0)
    table = pd.DataFrame(
        {
            "baseline": before["value"], "baseline_day": before["day"], "best_value": lowest["value"],
            "best_day": lowest["day"], "best_percent_change": 100 * (lowest["value"] - per) / per,
            "best_response": words,
        }
    )  # fmt: skip
    no_baseline = (table["baseline"].isna(), "no measurement before infusion")
    nothing = (table["best_value"].isna(), "no measurement after infusion")
    reasons = {
        **dict.fromkeys(("baseline", "baseline_day"), first_reason(no_baseline)),
        **dict.fromkeys(("best_value", "best_day"), first_reason(nothing)),
        "best_percent_change": first_reason(no_baseline, nothing, (per.isna(), "baseline is 0")),
    }
    return table.assign(note=joined(table, reasons)).reset_index(names="subject_id")[list(COLUMNS)], reasons
