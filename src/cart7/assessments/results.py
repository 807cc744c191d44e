"""What the response functions hand out: rates and denominators, best responses, courses, tumour burden.

Here: the results with their long rows, and who is a member of which denominator. Not here: how they
are computed (response, courses, best, lanes, burden).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from cart7 import results
from cart7.assessments import courses
from cart7.assessments import lanes as lane_rows
from cart7.assessments.courses import Flags
from cart7.results import EndpointResult

POPULATIONS = ("ENROLLED", "INFUSED", "REACHED", "EVALUABLE", "EVALUABLE_INCL_DEATH")
_RATE_COLUMNS = ("n_responder", "n", "n_not_evaluable", "estimate", "ci_low", "ci_high", "conf_level")


@dataclass(frozen=True, kw_only=True, eq=False)
class ResponseResult(EndpointResult):
    """Response at visits: `at_visit` for one visit and strategy, `objective_response` for all.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, visit, strategy, response, day (since infusion), responder and evaluable (1, 0,
        missing), reason, note; a row per subject, visit and strategy.
    summary : DataFrame
        visit, strategy, population, group, n_responder, n, n_not_evaluable, estimate (a fraction),
        ci_low, ci_high, method, conf_level, note. `n_not_evaluable` counts the members of the
        population without an evaluable assessment in the window, whatever the strategy makes of it.
    """

    title: ClassVar[str] = "Objective response"
    figure: ClassVar[str] = "response_rates"
    analysis: str = "response.objective_response"

    def members(self) -> pd.DataFrame:
        """Who is in which denominator, and why not.

        Returns
        -------
        DataFrame
            A row per row of `subjects`: subject_id, visit, strategy, a column of 1 and 0 per name of
            `POPULATIONS`, responder (1, 0, missing), reason, and `why`, in words.
        """
        rows = self.subjects
        belongs = {name: flags.astype("int64") for name, flags in members_of(rows).items()}
        found = rows["response"] + courses.dated(" on day ", rows["day"])
        seen = rows["reason"] == "OBS"
        why = found.where(seen & (rows["note"] == ""), rows["note"])
        carried = seen & (rows["note"] != "")
        return rows[["subject_id", "visit", "strategy"]].assign(
            **belongs, responder=rows["responder"], reason=rows["reason"],
            why=why.where(~carried, found + ", " + rows["note"]),
        )  # fmt: skip

    def _long(self) -> list[pd.DataFrame]:
        rates, subjects = self.summary, self.subjects
        return [
            results.long_rows(
                rates, analysis=self.analysis, param="ORR:" + rates["strategy"].astype(str),
                timepoint=rates["visit"], population=rates["population"], group=rates["group"],
                stats=_RATE_COLUMNS, method=dict.fromkeys(("estimate", "ci_low", "ci_high"), rates["method"]),
            ),
            results.long_rows(
                subjects, analysis=self.analysis, param="ORR:" + subjects["strategy"].astype(str),
                timepoint=subjects["visit"], population=self.population, subject_id=subjects["subject_id"],
                stats=("response", "day", "responder", "evaluable", "reason"), units={"day": "days"},
            ),
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class BestResponseResult(EndpointResult):
    """Best overall response, one row per subject.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, best_response, day, responder (1, 0, missing), first_response_day,
        first_confirmed_response_day, first_mrd_negative_cr_day (days since infusion), note.
    summary : DataFrame
        group, category, n_event, n, estimate, ci_low, ci_high, method, conf_level, note among the
        infused: every best response that occurs, then `RESPONDER` and `MRD_NEGATIVE_CR`.
    assessments : DataFrame
        subject_id, day, response, mrd, usable (1 when it counts for the best response).
    events : DataFrame
        subject_id, event, day: the first of each kind up to the data cut-off, and `DATA_CUTOFF`.
    """

    title: ClassVar[str] = "Best overall response"
    figure: ClassVar[str] = "response_courses"
    confirmed: bool = False
    assessments: pd.DataFrame = field(repr=False)
    events: pd.DataFrame = field(repr=False)

    def lanes(self, course: pd.DataFrame | None = None) -> pd.DataFrame:
        """Response as intervals, what a swimmer plot draws.

        Parameters
        ----------
        course : DataFrame, optional
            subject_id, end_day (days since infusion), end_event (`DEATH` for the dead): the end of follow-up;
            by default death, else last contact, else the data cut-off of `events`.

        Returns
        -------
        DataFrame
            subject_id, response, start_day, end_day, ongoing (1 for the last lane of somebody alive), note.
            Lanes of a subject touch and never overlap; ND makes none. A lane that would end before it
            starts has no length, and `note` says so.
        """
        ends = lane_rows.ends_of(self.subjects["subject_id"], self.events) if course is None else course
        return lane_rows.lanes(self.assessments, ends)

    def _long(self) -> list[pd.DataFrame]:
        param = "CBOR" if self.confirmed else "BOR"
        rates, subjects = self.summary, self.subjects
        days = ("day", "first_response_day", "first_confirmed_response_day", "first_mrd_negative_cr_day")
        why = dict(zip(days[1:], _WHY_NO_DAY, strict=True))
        reasons = {name: subjects["note"].where(subjects["best_response"] == "NOT_INFUSED", text)
                   for name, text in why.items()}  # fmt: skip
        return [
            results.long_rows(
                rates, analysis="response.best_overall", param=param + ":" + rates["category"].astype(str),
                population="INFUSED", group=rates["group"],
                stats=("n_event", "n", "estimate", "ci_low", "ci_high", "conf_level"),
                method=dict.fromkeys(("estimate", "ci_low", "ci_high"), rates["method"]),
            ),
            results.long_rows(
                subjects, analysis="response.best_overall", param=param, population=self.population,
                subject_id=subjects["subject_id"], stats=("best_response", "responder", *days),
                units=dict.fromkeys(days, "days"), reasons=reasons,
            ),
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class WaterfallResult(EndpointResult):
    """Best percent change of the tumour burden, one row per subject of the best response.

    Attributes
    ----------
    subjects : DataFrame
        subject_id, baseline, baseline_day, best_value, best_day (days since infusion),
        best_percent_change (-100 = nothing left), best_response, note.
    summary : DataFrame
        group, n (with a change), median, min, max of the change in percent, note.
    measure, unit : str
        What was measured, and its unit.
    """

    title: ClassVar[str] = "Tumour burden: best change"
    figure: ClassVar[str] = "waterfall"
    measure: str
    unit: str
    reasons: Mapping[str, results.Texts] = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        key: dict[str, Any] = {"analysis": "response.waterfall", "param": f"BURDEN:{self.measure}"}
        stats = ("baseline", "baseline_day", "best_value", "best_day", "best_percent_change", "best_response")
        units = dict.fromkeys(("baseline", "best_value"), self.unit) | {"best_percent_change": "%"}
        units |= dict.fromkeys(("baseline_day", "best_day"), "days")
        return [
            results.long_rows(
                self.summary, **key, population=self.population, group=self.summary["group"],
                stats=("n", "median", "min", "max"), units=dict.fromkeys(("median", "min", "max"), "%"),
            ),
            results.long_rows(
                self.subjects, **key, population=self.population, subject_id=self.subjects["subject_id"],
                stats=stats, units=units,
                reasons={name: pd.Series(why) for name, why in self.reasons.items()},
            ),
        ]  # fmt: skip


_WHY_NO_DAY = ("no response", "no confirmed response", "no MRD-negative complete response")


def members_of(rows: pd.DataFrame) -> dict[str, Flags]:
    """Who counts in each population, over rows of one or of several visits and strategies."""
    reason, evaluable = rows["reason"].to_numpy(), rows["evaluable"].to_numpy() == 1
    infused = reason != "NOT_INFUSED"
    return dict(
        zip(
            POPULATIONS,
            (np.ones(len(rows), dtype=bool), infused, infused & (reason != "NOT_REACHED"), evaluable,
             evaluable | (reason == "DEATH")),
            strict=True,
        )
    )  # fmt: skip
