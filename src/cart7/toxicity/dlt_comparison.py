"""The adjudicated DLT table against the one derived from adverse events.

Here: where the two differ, subject by subject. Not here: either of them (`dose_limiting`).
"""

from dataclasses import dataclass
from typing import ClassVar

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
    frame = pd.DataFrame({"subject_id": stated.subjects["subject_id"]})
    for name in FIELDS:
        frame[f"{name}_adjudicated"] = stated.subjects[name].to_numpy()
        frame[f"{name}_derived"] = derived.subjects[name].to_numpy()
    same = {
        name: (frame[f"{name}_adjudicated"] == frame[f"{name}_derived"]).to_numpy() for name in FIELDS[:2]
    }
    unknown = frame[["evaluable_adjudicated", "dlt_adjudicated"]].isna().any(axis=1).to_numpy()
    frame["agree"] = np.where(unknown, np.nan, (same["evaluable"] & same["dlt"]).astype(float))
    notes = tallies.notes(
        len(frame), (unknown, "not adjudicated"), (~same["evaluable"] & ~unknown, "evaluable differs"),
        (~same["dlt"] & ~unknown, "DLT"),
    )  # fmt: skip
    frame["note"] = [
        _difference(note, row) for note, row in zip(notes, frame.to_dict("records"), strict=True)
    ]
    counted = stated.summary.rename(columns={"n": "n_evaluable_adjudicated", "n_dlt": "n_dlt_adjudicated"})
    summary = counted[["group", "n_dlt_adjudicated", "n_evaluable_adjudicated"]].copy()
    summary["n_dlt_derived"], summary["n_evaluable_derived"] = derived.summary["n_dlt"], derived.summary["n"]
    members = tallies.groups_of(emergence.people(subjects), by).members
    summary["n"] = members.sum(axis=1)
    summary["n_agree"] = (members & (frame["agree"] == 1).to_numpy()).sum(axis=1)
    summary["note"] = ""
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
