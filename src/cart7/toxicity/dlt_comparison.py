"""The adjudicated DLT table against the one derived from adverse events.

Here: where the two differ, subject by subject. Not here: either of them (`dose_limiting`).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from cart7 import derive, results
from cart7.toxicity import emergence, tallies
from cart7.toxicity.dlt_rules import DltRules
from cart7.toxicity.dose_limiting import Judgement, judgement
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
    rules = rules or DltRules()
    course = emergence.course(subjects, events)
    stated = judgement(course, rules, dlt=dlt)
    groups = tallies.groups_of(course.subjects, by)
    derived = judgement(course, rules, adverse_events=adverse_events)
    cells: dict[str, Any] = {"subject_id": course.subjects["subject_id"]}
    for name in FIELDS:
        cells[f"{name}_adjudicated"], cells[f"{name}_derived"] = getattr(stated, name), getattr(derived, name)
    unknown = np.isnan(stated.evaluable) | np.isnan(stated.dlt)
    differ = {name: (getattr(stated, name) != getattr(derived, name)) & ~unknown for name in FIELDS[:2]}
    agree = np.where(unknown, np.nan, ~(differ["evaluable"] | differ["dlt"]))
    note = tallies.notes(
        len(agree), (unknown, "not adjudicated"), (differ["evaluable"], "evaluable differs"),
        (differ["dlt"], "DLT"),
    )  # fmt: skip
    for place in np.flatnonzero(differ["dlt"]).tolist():
        note[place] += f": adjudicated {_told(stated, place)}, derived {_told(derived, place)}"
    counted = {"n_agree": agree == 1, "n_dlt_adjudicated": stated.limited, "n_dlt_derived": derived.limited,
               "n_evaluable_adjudicated": stated.counted, "n_evaluable_derived": derived.counted}  # fmt: skip
    summary = pd.DataFrame(
        {"group": np.array(groups.labels, dtype=object), "n": groups.members.sum(axis=1)}
        | {name: (groups.members & flag).sum(axis=1) for name, flag in counted.items()} | {"note": ""}
    )  # fmt: skip
    return DltComparisonResult(
        subjects=pd.DataFrame(cells | {"agree": agree, "note": note}), summary=summary, rules=rules,
        excluded=results.concat([stated.excluded, derived.excluded], results.EXCLUDED_COLUMNS),
        population=derive.population(course.subjects),
    )  # fmt: skip


def _told(found: Judgement, place: int) -> str:
    """What one source says of the DLT of a subject."""
    had, reason = found.dlt[place] == 1, found.reason[place]
    return ("yes" if had else "no") + (f" ({reason})" if had and reason else "")
