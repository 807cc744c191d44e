"""The adjudicated DLT table against the one derived from adverse events.

Here: where the two differ, subject by subject. Not here: either of them (`dose_limiting`).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from cart7 import results
from cart7.toxicity import emergence, tallies
from cart7.toxicity.dlt_rules import DltRules
from cart7.toxicity.dose_limiting import dose_limiting_toxicity
from cart7.toxicity.emergence import Table

FIELDS = ("evaluable", "dlt", "reason")


@dataclass(frozen=True, kw_only=True, eq=False)
class DltComparisonResult(tallies.SafetyResult):
    """Adjudicated and derived dose-limiting toxicity side by side.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, evaluable_adjudicated, evaluable_derived, dlt_adjudicated, dlt_derived (1, 0, missing),
        reason_adjudicated, reason_derived, agree (1, 0, missing), note (what differs).
    summary : DataFrame
        group, n (subjects), n_agree, n_dlt_adjudicated, n_dlt_derived, n_evaluable_adjudicated,
        n_evaluable_derived, note.
    """

    title: ClassVar[str] = "Dose-limiting toxicity: adjudicated and derived"
    analysis: ClassVar[str] = "safety.compare_dlt"
    stats: ClassVar[tuple[str, ...]] = (
        "n", "n_agree", "n_dlt_adjudicated", "n_dlt_derived", "n_evaluable_adjudicated",
        "n_evaluable_derived",
    )  # fmt: skip
    subject_stats: ClassVar[tuple[str, ...]] = (
        *(f"{name}_{source}" for name in FIELDS for source in ("adjudicated", "derived")), "agree",
    )  # fmt: skip
    estimated: ClassVar[tuple[str, ...]] = ()

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        return "DLT_COMPARISON", "DLT_COMPARISON"

    def _reasons(self) -> dict[str, str | pd.Series]:
        return {f"reason_{source}": "evaluable, no DLT" for source in ("adjudicated", "derived")}


def compare_dlt(
    subjects: Table,
    *,
    dlt: Table,
    adverse_events: Table,
    events: Table | None = None,
    by: str | None = "dose_level",
    rules: DltRules | None = None,
) -> DltComparisonResult:
    """Compare the adjudicated DLT table with the one derived from adverse events under the rules.

    Parameters
    ----------
    subjects, dlt, adverse_events, events, by, rules
        As in `dose_limiting_toxicity`.

    Returns
    -------
    DltComparisonResult
        `agree` is 1 where both have the same evaluability and the same DLT. The adjudicated table counts in
        every other result; this one shows where the committee and the clauses differ.

    Examples
    --------
    >>> subjects = pd.DataFrame({"subject_id": ["1"], "infused": "Y", "followup_end_date": "2024-12-31",
    ...                          "infusion_date": "2024-01-01"})
    >>> table = pd.DataFrame({"subject_id": ["1"], "evaluable": "Y", "dlt": "N"})
    >>> rash = pd.DataFrame({"subject_id": ["1"], "pt": "Rash", "grade": 4, "start_day": 5, "end_day": 6})
    >>> compare_dlt(subjects, dlt=table, adverse_events=rash, by=None).subjects["note"].tolist()
    ['DLT: adjudicated no, derived yes (Rash: grade 4)']
    """
    stated = dose_limiting_toxicity(subjects, dlt=dlt, events=events, by=by, rules=rules)
    derived = dose_limiting_toxicity(
        subjects, adverse_events=adverse_events, events=events, by=by, rules=rules
    )
    cells: dict[str, Any] = {"subject_id": stated.subjects["subject_id"]}
    for name in FIELDS:
        cells[f"{name}_adjudicated"] = stated.subjects[name].to_numpy()
        cells[f"{name}_derived"] = derived.subjects[name].to_numpy()
    same = {name: cells[f"{name}_adjudicated"] == cells[f"{name}_derived"] for name in FIELDS[:2]}
    unknown = np.isnan(cells["evaluable_adjudicated"]) | np.isnan(cells["dlt_adjudicated"])
    agree = np.where(unknown, np.nan, (same["evaluable"] & same["dlt"]).astype(float))
    notes = tallies.notes(
        len(agree), (unknown, "not adjudicated"), (~same["evaluable"] & ~unknown, "evaluable differs"),
        (~same["dlt"] & ~unknown, "DLT"),
    )  # fmt: skip
    told = ["dlt_adjudicated", "reason_adjudicated", "dlt_derived", "reason_derived"]
    rows = zip(*(cells[name] for name in told), strict=True)
    cells |= {"agree": agree, "note": [
        _difference(note, dict(zip(told, row, strict=True))) for note, row in zip(notes, rows, strict=True)
    ]}  # fmt: skip
    frame = pd.DataFrame(cells)
    members = tallies.groups_of(emergence.people(subjects), by).members
    counted, other = stated.summary, derived.summary
    summary = pd.DataFrame(
        {"group": counted["group"], "n": members.sum(axis=1), "n_agree": (members & (agree == 1)).sum(axis=1),
         "n_dlt_adjudicated": counted["n_dlt"], "n_evaluable_adjudicated": counted["n"],
         "n_dlt_derived": other["n_dlt"], "n_evaluable_derived": other["n"], "note": ""}
    )  # fmt: skip
    excluded = [stated.excluded, derived.excluded]
    return DltComparisonResult(
        subjects=frame, summary=summary[["group", *DltComparisonResult.stats, "note"]], rules=stated.rules,
        excluded=results.concat(excluded, results.EXCLUDED_COLUMNS), population=stated.population,
    )  # fmt: skip


def _difference(note: str, row: dict[str, object]) -> str:
    """The note with what each source says of the DLT."""
    if not note.endswith("DLT"):
        return note
    parts = []
    for source in ("adjudicated", "derived"):
        had, reason = row[f"dlt_{source}"] == 1, row[f"reason_{source}"]
        parts.append(f"{source} {'yes' if had else 'no'}" + (f" ({reason})" if had and reason else ""))
    return f"{note}: {', '.join(parts)}"
