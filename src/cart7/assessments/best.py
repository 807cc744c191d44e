"""Best overall response of each subject, and whether a later assessment confirms it.

Here: the best of the usable assessments, the days of the first responses, confirmation as in the R
package admiralonco. Not here: which assessments count (courses), rates and results (response).
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.assessments.courses import RANK, Course, Flags, dated

COMPLETE = ("CR", "CRh", "CRi")


class BestRules(Protocol):
    """The choices that decide the best response and its confirmation."""

    @property
    def responder(self) -> tuple[str, ...]:
        """Categories that count as response."""

    @property
    def sd_min_days(self) -> float:
        """First day on which SD counts as such."""

    @property
    def confirm_days(self) -> float:
        """Least days from a response to its confirmation."""

    @property
    def max_ne(self) -> int:
        """NE assessments allowed in between."""

    @property
    def accept_sd(self) -> bool:
        """Whether one SD may lie between a PR and its confirmation."""


def best_of_each(course: Course, usable: Flags, rules: BestRules, *, confirmed: bool) -> pd.DataFrame:
    """Best response of each subject, and the days of the first responses."""
    sequence, index = course.assessments[usable].reset_index(drop=True), course.days.index
    holds = _confirmed(sequence, rules)
    word = sequence["response"]
    if confirmed:
        word = word.mask((sequence["rank"] < RANK["SD"]) & ~holds, "SD")
    word = word.mask((word == "SD") & (sequence["day"] < rules.sd_min_days), "NE")
    graded = sequence.assign(best_response=word, best_rank=word.map(RANK).astype("float64"))
    found = (
        graded.sort_values(["subject_id", "best_rank", "day"], kind="stable")
        .drop_duplicates("subject_id")
        .set_index("subject_id")[["best_response", "day"]]
        .reindex(index)
    )
    found["best_response"] = found["best_response"].where(found["day"].notna(), "MISSING")
    found["best_response"] = found["best_response"].where(course.infused, "NOT_INFUSED")
    responds = found["best_response"].isin(rules.responder).astype("float64").where(course.infused)
    responses = sequence["response"].isin(rules.responder)
    mrd_negative = sequence["response"].isin(COMPLETE) & (sequence["mrd"] == "NEG")
    found = found.assign(
        responder=responds,
        first_response_day=_first_day(sequence[responses], index),
        first_confirmed_response_day=_first_day(sequence[responses & holds], index),
        first_mrd_negative_cr_day=_first_day(sequence[mrd_negative], index),
        note=_note(found, sequence),
    )
    return found.reset_index()


def _first_day(sequence: pd.DataFrame, index: pd.Index) -> pd.Series:
    return sequence.groupby("subject_id")["day"].min().reindex(index)


def _note(found: pd.DataFrame, sequence: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Why there is nothing, or what a reviewer should look at."""
    better = sequence[sequence["rank"] < RANK["PR"]].groupby("subject_id")["day"].min()
    falls = sequence[(sequence["response"] == "PR") & (sequence["day"] > sequence["subject_id"].map(better))]
    day = _first_day(falls, found.index)
    conditions = [found["best_response"] == "NOT_INFUSED", found["best_response"] == "MISSING", day.notna()]
    check = dated("PR after a complete response, check for progression: day ", day)
    notes = [np.full(len(found), "not infused", dtype=object),
             np.full(len(found), "no usable assessment", dtype=object), check]  # fmt: skip
    return np.select([condition.to_numpy() for condition in conditions], notes, "")


def _confirmed(sequence: pd.DataFrame, rules: BestRules) -> pd.Series:
    """Whether each assessment is a response that a later one confirms.

    The first later assessment at least as good, `confirm_days` or more later, confirms, if the
    stretch up to it holds nothing worse but NE (at most `max_ne`) and, after PR, one SD if accepted.
    """
    first = sequence.loc[sequence["rank"] < RANK["SD"], ["subject_id", "day", "rank"]]
    first = first.rename(columns={"day": "from_day", "rank": "from_rank"}).assign(at=first.index)
    later = first.merge(sequence[["subject_id", "day", "rank", "response"]], on="subject_id")
    later = later[later["day"] > later["from_day"]].sort_values(["at", "day"])
    as_good = later["rank"] <= later["from_rank"]
    late_enough = later["day"] >= later["from_day"] + rules.confirm_days
    until = later[as_good & late_enough].groupby("at")["day"].min()
    stretch = later[later["day"] <= later["at"].map(until)]
    partial = stretch["from_rank"] == RANK["PR"]
    stable = partial & (stretch["response"] == "SD")
    missing = stretch["response"] == "NE"
    worse = (stretch["rank"] > stretch["from_rank"]) & ~stable & ~missing
    # A PR after a better response is a loss, not a confirmation.
    best_day = stretch["day"].where(stretch["rank"] < RANK["PR"]).groupby(stretch["at"]).transform("min")
    lost = partial & (stretch["rank"] == RANK["PR"]) & (stretch["day"] > best_day)
    broken = pd.DataFrame({"worse": worse | lost, "missing": missing, "stable": stable}).groupby(
        stretch["at"]
    )
    counts = broken.sum().reindex(until.index)
    holds = (counts["worse"] == 0) & (counts["missing"] <= rules.max_ne)
    holds &= counts["stable"] <= int(rules.accept_sd)
    return pd.Series(sequence.index.isin(holds.index[holds]), index=sequence.index)
