"""A running trial under its design: what the decision is based on.

Here: counts per level with pending subjects from DLT results, the decision for the next cohort. Not here: the
decisions themselves (each design), reading a study, scenarios (`scenarios`).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cart7.designs.base import Decision, Design
from cart7.designs.tite import TiteBoin
from cart7.errors import PlanError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NextDecision:
    """The decision for the next cohort of a running trial.

    Attributes
    ----------
    levels : DataFrame
        One row per level: `level, n` (evaluable), `n_dlt, n_pending, followup_days` (summed over the
        pending).
    current : int
        Level of the last subject infused who was not added as backfill.
    decision : Decision
    note : str
        What the reader should know about the counts.
    """

    levels: pd.DataFrame = field(repr=False)
    current: int
    decision: Decision
    note: str


def design_levels(design: Design) -> int | None:
    """The number of levels that a design itself states."""
    for name in ("skeleton", "doses"):
        given = getattr(design, name, None)
        if given is not None:
            return len(given)
    return None


def decide(
    design: Design,
    subjects: pd.DataFrame,
    dlt: pd.DataFrame,
    *,
    n_levels: int | None = None,
    window_days: float,
) -> NextDecision:
    """The decision for the next cohort.

    Parameters
    ----------
    design : Design
    subjects : DataFrame
        Infused subjects: `subject_id, dose_level, infusion_date`, `end_day` (last day known alive without
        death, days since infusion; missing: not known), and, where there is one, `backfill` (`Y`: added at a
        lower level; counts there, but the cohort being decided on is that of the others).
    dlt : DataFrame
        `subject_id, evaluable, dlt` (1, 0, missing), as `safety.dose_limiting_toxicity` judges them.
    n_levels : int, optional
        Planned levels; by default the design's own number, else the highest level assigned.
    window_days : float
        Length of the DLT window. A subject without a DLT who is not evaluable and was followed for less is
        pending, with that follow-up.

    Returns
    -------
    NextDecision

    Raises
    ------
    PlanError
        When levels are not whole numbers, nobody is infused, or the design needs responses.
    """
    if design.uses_response or not hasattr(design, "next_level"):
        raise PlanError(f"{type(design).__name__} decides on responses too: use its next_level or posterior")
    level = pd.to_numeric(subjects["dose_level"], errors="coerce").to_numpy(dtype=float)
    if not len(level) or np.isnan(level).any() or (level < 1).any() or (level % 1 != 0).any():
        raise PlanError("every infused subject needs a dose_level from 1")
    highest = int(level.max())
    levels = n_levels or design_levels(design) or highest
    if highest > levels:
        raise PlanError(f"a subject was treated at level {highest}, but there are {levels} levels")
    judged = dlt.set_index("subject_id").reindex(subjects["subject_id"])
    evaluable = (judged["evaluable"] == 1).to_numpy()
    toxic = evaluable & (judged["dlt"] == 1).to_numpy()
    seen = pd.to_numeric(subjects["end_day"], errors="coerce").to_numpy(dtype=float)
    pending = ~evaluable & (seen < window_days)
    at = level.astype(int) - 1

    def per_level(what: Any) -> Any:
        return np.bincount(at, weights=np.asarray(what, dtype=float), minlength=levels)

    table = pd.DataFrame(
        {
            "level": np.arange(1, levels + 1),
            "n": per_level(evaluable).astype(int),
            "n_dlt": per_level(toxic).astype(int),
            "n_pending": per_level(pending).astype(int),
            "followup_days": per_level(np.where(pending, np.maximum(seen, 0), 0)),
        }
    )
    order = np.lexsort((level, pd.to_datetime(subjects["infusion_date"]).to_numpy()))
    escalated = order[~_added(subjects)[order]]
    if not len(escalated):
        raise PlanError("every infused subject is marked as backfill: no cohort is left to decide on")
    current = int(level[escalated[-1]])
    return NextDecision(levels=table, current=current, **_decided(design, table, current))


def _added(subjects: pd.DataFrame) -> Any:
    """Who was added at a lower level, by the column `backfill`."""
    if "backfill" not in subjects.columns:
        return np.zeros(len(subjects), dtype=bool)
    words = subjects["backfill"].astype("string").str.strip().str.upper()
    odd = words.notna() & ~words.isin(["Y", "N", ""])
    if odd.any():
        raise PlanError(f"backfill must be Y, N or blank, got {', '.join(sorted(set(words[odd])))}")
    return (words == "Y").fillna(False).to_numpy(dtype=bool)


def _decided(design: Design, table: pd.DataFrame, current: int) -> dict[str, Any]:
    n, n_dlt, waiting = (table[name].to_numpy() for name in ("n", "n_dlt", "n_pending"))
    next_level: Any = getattr(design, "next_level", None)
    if isinstance(design, TiteBoin):
        days = table["followup_days"].to_numpy()
        decision = next_level(n + waiting, n_dlt, current, n_pending=waiting, followup_days=days)
        note = "pending subjects count for the part of the window they were followed"
        return {"decision": decision, "note": note if waiting.any() else ""}
    here = int(waiting[current - 1])
    note = f"{here} pending at level {current}, not counted: wait for them before acting" if here else ""
    return {"decision": next_level(n, n_dlt, current), "note": note}
