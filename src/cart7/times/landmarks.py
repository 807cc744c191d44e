"""Groups that are known only later, compared from a landmark on.

Here: who is still followed without the event on the landmark day, which group each belongs to by then, and
the curves of the groups from there. Not here: how the times come about (`histories`), the curves and the test
themselves (`curves`, `comparisons`).
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd

from cart7 import records, results
from cart7.times.comparisons import LogrankResult, logrank
from cart7.times.curves import ConfType, KaplanMeierResult, kaplan_meier

WITH, WITHOUT = "yes", "no"


@dataclass(frozen=True, kw_only=True, eq=False)
class LandmarkResult(results.EndpointResult):
    """Groups compared from a landmark on.

    Attributes
    ----------
    subjects : DataFrame
        One row per subject who is compared: `group` (`yes`: the status held by the landmark), `time` (days
        from the landmark), `event`, `status_day` (days since infusion), `note`.
    summary : DataFrame
        One row per group: `n, n_event, median, ci_low, ci_high` (days from the landmark), `note`.
    left_out : DataFrame
        `subject_id`, `reason`: who is not compared.
    curves : KaplanMeierResult or None
        The curves of the groups; None when nobody is left.
    test : LogrankResult or None
        Log-rank test, exact where it can be; None when one group is empty.
    day : float
        The landmark.
    """

    title: ClassVar[str] = "Landmark analysis"

    left_out: pd.DataFrame = field(repr=False)
    curves: KaplanMeierResult | None = field(repr=False)
    test: LogrankResult | None = field(repr=False)
    day: float

    def _long(self) -> list[pd.DataFrame]:
        name = f"D{self.day:g}"
        summary = results.long_rows(
            self.summary, analysis="survival.landmark", param="LANDMARK", timepoint=name,
            group=self.summary["group"], stats=["n", "n_event", "median", "ci_low", "ci_high"],
            units=dict.fromkeys(("median", "ci_low", "ci_high"), "days"),
            method=dict.fromkeys(("median", "ci_low", "ci_high"), "Kaplan-Meier from the landmark"),
        )  # fmt: skip
        if self.test is None:
            return [summary]
        return [summary, self.test.to_frame().assign(analysis="survival.landmark", timepoint=name)]


def landmark(
    times: pd.DataFrame,
    status: pd.DataFrame,
    day: float,
    *,
    conf_type: ConfType = "log-log",
    conf_level: float = 0.95,
) -> LandmarkResult:
    """Compare subjects with and without a status that comes only later, from a landmark on.

    Parameters
    ----------
    times : DataFrame
        Rows of one endpoint and strategy as `time_to_event` gives them: `subject_id`, `time` (days from
        `start_day`), `event` (0, 1), `start_day` (days since infusion; 0 when absent).
    status : DataFrame
        `subject_id`, `day`: day since infusion from which the status holds (response, transplant, loss of the
        cells); no row or a missing day: never.
    day : float
        The landmark, days since infusion; fixed beforehand.
    conf_type, conf_level
        As in `kaplan_meier`.

    Returns
    -------
    LandmarkResult
        Who had the event or was censored on or before the landmark is not compared and stands in
        `.left_out`; a status that comes later does not count, and the note says so.

    Raises
    ------
    ValueError
        When `day` is not a number from 0, `event` is not 0 or 1, or a subject stands twice in `times`.

    Notes
    -----
    A responder has lived until the response. Compared from infusion on, that time counts as the merit of the
    response (immortal time) and makes any status that takes time to come look protective. From a landmark on
    it does not. For a status that changes the hazard later use the rows of `.counting_process`.

    References
    ----------
    Anderson JR, Cain KC, Gelber RD (1983). Analysis of survival by tumor response. J Clin Oncol 1:710-719.
    doi:10.1200/JCO.1983.1.11.710

    Examples
    --------
    >>> times = pd.DataFrame({"subject_id": list("abcdef"), "time": [20, 60, 90, 120, 150, 200],
    ...                       "event": [1, 1, 1, 1, 0, 0]})
    >>> status = pd.DataFrame({"subject_id": list("cdef"), "day": [80, 25, 28, 28]})
    >>> found = landmark(times, status, 30)
    >>> found.summary[["group", "n", "n_event"]].values.tolist(), found.left_out.values.tolist()
    ([['no', 2, 2], ['yes', 3, 1]], [['a', 'event on or before the landmark']])
    """
    if not (np.isfinite(day) and day >= 0):
        raise ValueError(f"day must be a number from 0, got {day}")
    compared, left_out = _from_landmark(_checked(times), status, float(day))
    curves = None
    if len(compared):
        curves = kaplan_meier(
            compared["time"], compared["event"], group=compared["group"], conf_type=conf_type,
            conf_level=conf_level,
        )  # fmt: skip
    both = compared["group"].nunique() == 2
    columns = ["group", "n", "n_event", "median", "ci_low", "ci_high", "conf_level", "method", "note"]
    return LandmarkResult(
        subjects=compared,
        summary=pd.DataFrame(columns=columns) if curves is None else curves.summary,
        left_out=left_out,
        curves=curves,
        test=logrank(compared["time"], compared["event"], compared["group"]) if both else None,
        day=float(day),
    )


def _checked(times: pd.DataFrame) -> pd.DataFrame:
    rows = records.to_frame(times, "subjects", needs=("time", "event"))
    for name in ("time", "event", *({"start_day"} & set(rows.columns))):
        rows[name] = pd.to_numeric(rows[name]).astype("float64")
    if rows["subject_id"].duplicated().any():
        twice = rows.loc[rows["subject_id"].duplicated(), "subject_id"].iloc[0]
        raise ValueError(
            f"times must hold one row per subject (one endpoint, one strategy), {twice} has more"
        )
    wrong = rows.loc[rows["time"].notna() & ~rows["event"].isin((0.0, 1.0)), "event"]
    if len(wrong):
        raise ValueError(f"event must be 0 or 1, got {wrong.iloc[0]}")
    return rows


def _from_landmark(rows: pd.DataFrame, status: pd.DataFrame, day: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Times from the landmark with the group of each subject; and who is not compared."""
    end = rows["time"] + (rows["start_day"].fillna(0.0) if "start_day" in rows.columns else 0.0)
    held = records.to_frame(status, "subjects", needs=("day",))
    held["day"] = pd.to_numeric(held["day"]).astype("float64")
    since = rows["subject_id"].map(held.groupby("subject_id")["day"].min()).astype("float64")
    early = np.where(
        rows["event"] == 1, "event on or before the landmark", "censored on or before the landmark"
    )
    why = results.first_reason((end.isna(), "no time to an event"), (end <= day, early))
    compared = pd.DataFrame(
        {
            "subject_id": rows["subject_id"],
            "group": np.where(since <= day, WITH, WITHOUT),
            "time": end - day,
            "event": rows["event"].fillna(0).astype("int64"),
            "status_day": since,
            "note": np.where(since > day, "the status came after the landmark", ""),
        }
    )
    left_out = pd.DataFrame({"subject_id": rows["subject_id"], "reason": why})
    return compared[why == ""].reset_index(drop=True), left_out[why != ""].reset_index(drop=True)
