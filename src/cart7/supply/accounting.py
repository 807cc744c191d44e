"""From the vein to the infusion: who got a product, who did not and why, and how long it took.

Here: the result and its summary by step and by interval. Not here: the way of one subject (`ways`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np
import pandas as pd

from cart7 import derive, results
from cart7.results import EndpointResult
from cart7.stats import proportions
from cart7.supply import ways
from cart7.supply.ways import INTERVALS

Flags: TypeAlias = "pd.Series[Any]"

_DAYS = dict.fromkeys(INTERVALS, "days")
_OF_SUBJECT = {
    "leukapheresed": "1", "n_attempts": "1", "outcome": "", "lymphodepleted": "1", "n_bags": "1",
    "infused": "1", "second_infusion": "1", "reason": "", "stage": "", **_DAYS,
    "dose_1e6_kg": "10^6 cells/kg", "within_limits": "1",
}  # fmt: skip
_OF_STEP = {"n": "1", "n_event": "1", "estimate": "1", "ci_low": "1", "ci_high": "1", "conf_level": "1"}
_OF_INTERVAL = {"n": "1", "n_missing": "1", "median": "days", "min": "days", "max": "days"}


@dataclass(frozen=True, kw_only=True, eq=False)
class VeinToVeinResult(EndpointResult):
    """The way from enrolment to the infused product, one row per enrolled subject.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, group, leukapheresed, n_attempts (of manufacture), outcome (RELEASED, FAILED, OUT_OF_SPEC;
        of the first released attempt, else of the last), lymphodepleted, n_bags (infusion 1), infused,
        second_infusion, stage (the last one reached), reason (why not infused; blank for the infused),
        leukapheresis_date, mfg_start_date, release_date, infusion_date, the intervals in days
        (enrolment_to_leukapheresis_days, leukapheresis_to_start_days, start_to_release_days,
        release_to_infusion_days, vein_to_vein_days), dose_1e6_kg and within_limits (infusion 1), note. Flags
        are 1, 0 or missing (not collected).
    summary : DataFrame
        group, step, denominator (`ENROLLED`, `LEUKAPHERESED`, `INFUSED`), n (of the denominator), n_event,
        estimate, ci_low, ci_high, conf_level, method, note.
    clock : DataFrame
        group, interval, n, n_missing (of those who reached its end), median, min, max (days), note.
    """

    title: ClassVar[str] = "From the vein to the infusion"
    figure: ClassVar[str] = "vein_to_vein"

    clock: pd.DataFrame = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        steps, clock, people = self.summary, self.clock, self.subjects
        name = "dose.vein_to_vein"
        return [
            results.long_rows(
                steps, analysis=name, param="V2V:" + steps["step"], stats=tuple(_OF_STEP), units=_OF_STEP,
                group=steps["group"], population=steps["denominator"],
                method=dict.fromkeys(("estimate", "ci_low", "ci_high"), "Clopper-Pearson"),
            ),
            results.long_rows(
                clock, analysis=name, param="V2V:" + clock["interval"], stats=tuple(_OF_INTERVAL),
                units=_OF_INTERVAL, group=clock["group"], population=self.population,
            ),
            results.long_rows(
                people, analysis=name, param="V2V", stats=tuple(_OF_SUBJECT), units=_OF_SUBJECT,
                subject_id=people["subject_id"], population=self.population,
                method="difference of dates, or count",
            ),
        ]  # fmt: skip


def vein_to_vein(
    subjects: ways.Table, *, manufacturing: ways.Table | None = None, products: ways.Table | None = None,
    lymphodepletion: ways.Table | None = None, cell_dose: Any = None, by: str | None = "dose_level",
    conf_level: float = 0.95,
) -> VeinToVeinResult:  # fmt: skip
    """Who got a product, who did not and why, and how long it took, over all enrolled subjects.

    Parameters
    ----------
    subjects : DataFrame or sequence of Subject
        Everybody enrolled: subject_id, and where they are known infused, infusion_date, enroll_date,
        leukapheresis_date, not_infused_reason, `by`.
    manufacturing : DataFrame or sequence of ManufacturingRun, optional
        One row per attempt: outcome, attempt, leukapheresis_date, mfg_start_date, release_date,
        vein_to_vein_days.
    products : DataFrame or sequence of ProductBag, optional
        One row per bag.
    lymphodepletion : DataFrame or sequence of LymphodepletionDose, optional
        One row per dose.
    cell_dose : CellDoseResult, optional
        Of `cell_dose`: the dose received and whether it is within limits.
    by : str or None
        Column of the groups.
    conf_level : float
        Of the exact (Clopper-Pearson) limits.

    Returns
    -------
    VeinToVeinResult

    Raises
    ------
    DataError
        A subject or an attempt stands twice, a column is damaged.

    Notes
    -----
    A subject counts as leukapheresed when a date or an attempt says so; as released when any attempt is, and
    then the first released attempt gives the dates. Vein to vein runs from that leukapheresis to infusion 1.
    An interval whose end comes before its beginning is missing with a note. A table that is not given leaves
    its steps missing, never 0.

    Examples
    --------
    >>> people = pd.DataFrame({"subject_id": ["1", "2"], "infused": ["Y", "N"],
    ...     "leukapheresis_date": ["2024-01-01", "2024-01-08"], "infusion_date": ["2024-01-25", None],
    ...     "not_infused_reason": [None, "MANUFACTURING FAILURE"]})
    >>> runs = pd.DataFrame({"subject_id": ["1", "2"], "outcome": ["RELEASED", "FAILED"], "attempt": [1, 1]})
    >>> found = vein_to_vein(people, manufacturing=runs, by=None)
    >>> found.subjects[["stage", "vein_to_vein_days", "reason"]].values.tolist()
    [['INFUSED', 24.0, ''], ['LEUKAPHERESED', nan, 'MANUFACTURING FAILURE']]
    """
    people = derive.subject_table(subjects, fill=ways.SUBJECT_COLUMNS)
    if isinstance(subjects, pd.DataFrame) and by is not None and by in subjects.columns:
        people[by] = subjects[by].array  # The levels that nobody is at keep their row.
    groups = derive.groups(people, by)
    followed, excluded = ways.follow(people, manufacturing, products, lymphodepletion, cell_dose)
    labels = np.full(len(people), "", dtype=object)
    for label, member in groups[:-1]:
        labels[member] = label
    followed.insert(1, "group", labels)
    return VeinToVeinResult(
        subjects=followed,
        summary=_steps(followed, groups, conf_level),
        clock=_clock(followed, groups),
        excluded=excluded,
        population="ENROLLED",
    )


def _steps(people: pd.DataFrame, groups: list[tuple[str, Any]], conf_level: float) -> pd.DataFrame:
    """How many reached each step, out of each denominator, by group."""
    everybody = pd.Series(1.0, index=people.index)
    denominators = {
        "ENROLLED": everybody, "LEUKAPHERESED": people["leukapheresed"], "INFUSED": people["infused"],
    }  # fmt: skip
    rows = []
    for label, member in groups:
        for step, denominator, flag in _step_list(people):
            base = denominators[denominator][member]
            reached = flag[member][base == 1]
            known = bool(base.notna().all() and reached.notna().all())
            n = float((base == 1).sum()) if base.notna().all() else np.nan
            n_event = float((reached == 1).sum()) if known else np.nan
            rows.append((label, step, denominator, n, n_event, "" if known else "not collected"))
    names = ["group", "step", "denominator", "n", "n_event", "note"]
    table = pd.DataFrame(rows, columns=names)
    counts = table[["n_event", "n"]].to_numpy(dtype=float).T
    some = ~np.isnan(counts).any(axis=0) & (counts[1] > 0)
    low, high, share = (np.full(len(table), np.nan) for _ in range(3))
    low[some], high[some] = proportions.interval(*counts[:, some], conf_level=conf_level)
    share[some] = counts[0, some] / counts[1, some]
    empty = (table["note"] == "") & (table["n"] == 0)
    table["note"] = table["note"].mask(empty, "nobody in the denominator")
    table = table.assign(
        estimate=share, ci_low=low, ci_high=high, conf_level=conf_level, method="Clopper-Pearson"
    )
    return table[["group", "step", "denominator", *_OF_STEP, "method", "note"]]


def _step_list(people: pd.DataFrame) -> Iterator[tuple[str, str, Flags]]:
    """Each step with its denominator, and who reached it (1, 0, missing)."""

    def outcome(word: str) -> Flags:
        unknown = people["n_attempts"].isna()
        return (people["outcome"] == word).astype(float).mask(unknown, np.nan)

    yield "leukapheresed", "ENROLLED", people["leukapheresed"]
    for denominator in ("ENROLLED", "LEUKAPHERESED"):
        yield "released", denominator, outcome("RELEASED")
    yield "failed", "LEUKAPHERESED", outcome("FAILED")
    yield "out of specification", "LEUKAPHERESED", outcome("OUT_OF_SPEC")
    yield "no outcome yet", "LEUKAPHERESED", outcome("")
    yield "lymphodepleted", "ENROLLED", people["lymphodepleted"]
    for denominator in ("ENROLLED", "LEUKAPHERESED"):
        yield "infused", denominator, people["infused"]
    yield "not infused", "ENROLLED", 1 - people["infused"]
    for reason in sorted(set(people["reason"]) - {""}):
        yield f"not infused: {reason}", "ENROLLED", (people["reason"] == reason).astype(float)
    for denominator in ("ENROLLED", "INFUSED"):
        # Who was not infused has no dose, and so none within the limits.
        within = people["within_limits"].mask(people["infused"] == 0, 0.0)
        compared = people["dose_known"].isna()
        yield "dose within limits", denominator, within.fillna(0.0).mask(compared, np.nan)
    yield "dose known", "INFUSED", people["dose_known"]
    yield "second infusion", "INFUSED", people["second_infusion"]


def _clock(people: pd.DataFrame, groups: list[tuple[str, Any]]) -> pd.DataFrame:
    """Median and range of each interval, by group, over those who reached its end."""
    reached = {
        "enrolment_to_leukapheresis_days": people["leukapheresed"] == 1,
        "leukapheresis_to_start_days": people["n_attempts"] > 0,
        "start_to_release_days": people["outcome"] == "RELEASED",
        "release_to_infusion_days": (people["infused"] == 1) & (people["outcome"] == "RELEASED"),
        "vein_to_vein_days": people["infused"] == 1,
    }
    rows = []
    for label, member in groups:
        for interval in INTERVALS:
            days = people.loc[member & reached[interval].to_numpy(), interval]
            known = days.dropna()
            note = "" if len(known) else "no subject with both dates"
            rows.append((label, interval, len(known), len(days) - len(known), known.median(), known.min(),
                         known.max(), note))  # fmt: skip
    return pd.DataFrame(rows, columns=["group", "interval", *_OF_INTERVAL, "note"])
