"""The course of each subject: one assessment per day, first events, and which assessments count.

Here: from response and event rows to the usable sequence under a strategy for what intervenes.
Not here: the response at a visit or at best (response), times to an event (survival), days from
dates and first events (derive).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import derive, records, results
from cart7.errors import DataError, Problem

Category = Literal["CR", "CRh", "CRi", "MLFS", "PR", "SD", "NR", "PD", "RELAPSE", "NE", "ND"]
Strategy = Literal["treatment-policy", "failure", "hsct-failure", "stop-at-hsct", "hsct-carry-forward"]
Table: TypeAlias = pd.DataFrame | Iterable[records.Record]
Flags: TypeAlias = npt.NDArray[np.bool_]

CATEGORIES: tuple[Category, ...] = get_args(Category)
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
RANK: dict[str, int] = dict(zip(CATEGORIES, (1, 2, 3, 4, 5, 6, 6, 7, 7, 8, 9), strict=True))
"""Rank of each category, the best is 1; SD and NR stand equal, and so do PD and RELAPSE."""

LAST_EVALUABLE = RANK["PD"]

_FINDINGS = ("mrd", "relapse_cd7")


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """What was seen of each subject, and when: the same for every visit and strategy.

    Attributes
    ----------
    subjects : DataFrame
        The subjects, one row each.
    infused : array of bool
        Who was infused, over the rows of `subjects`.
    days : DataFrame
        By subject_id in the same order: first day of each event (days since infusion, up to the data
        cut-off), `PROGRESSION` on this treatment, and `DATA_CUTOFF`.
    assessments : DataFrame
        row, subject_id, day, response, rank, mrd, relapse_cd7: one per subject and day, in that order.
    excluded : DataFrame
        Rows of responses and events that were set aside, with the reason.
    """

    subjects: pd.DataFrame
    infused: Flags
    days: pd.DataFrame
    assessments: pd.DataFrame
    excluded: pd.DataFrame

    def end(self, strategy: str) -> pd.Series:
        """Last day on which an assessment counts, by subject; infinite when nothing ends the sequence."""
        if strategy == "treatment-policy":
            return pd.Series(np.inf, index=self.days.index)
        enders = ["PROGRESSION", "NEW_THERAPY", "SECOND_INFUSION"]
        if strategy in ("hsct-failure", "stop-at-hsct"):
            enders.append("HSCT")
        return self.days[enders].min(axis=1).fillna(np.inf)

    def usable(self, strategy: str) -> Flags:
        """Which assessments count; those of the day that ends the sequence still do."""
        end = self.assessments["subject_id"].map(self.end(strategy)).to_numpy(dtype=float)
        return np.asarray(self.assessments["day"].to_numpy(dtype=float) <= end, dtype=bool)

    def events(self) -> pd.DataFrame:
        """Rows subject_id, event, day of what happened."""
        rows = self.days.reset_index().melt(id_vars="subject_id", var_name="event", value_name="day")
        return rows.dropna(subset="day").reset_index(drop=True)


def course(responses: Table, subjects: Table, events: Table | None = None) -> Course:
    """Course of each subject from the plain tables.

    Parameters
    ----------
    responses : DataFrame or sequence of ResponseAssessment
        subject_id, overall_response, day (days since infusion) or assessment_date, mrd if measured.
    subjects : DataFrame or sequence of Subject
        subject_id; infused, infusion_date and data_cutoff where they are known.
    events : DataFrame or sequence of StudyEvent, optional
        subject_id, event, day (days since infusion) or date.

    Returns
    -------
    Course

    Raises
    ------
    DataError
        For an unknown response category, an assessment after the day of death, or a table with
        neither days nor dates.

    Notes
    -----
    Assessments count after day 0 and up to the data cut-off. On one day the worst evaluable category
    counts, NE and ND only when nothing else was found. Progression is the first of an assessment PD
    or RELAPSE and an event PROGRESSION, unless a new therapy or second infusion came before it.

    Examples
    --------
    >>> seen = course(
    ...     pd.DataFrame({"subject_id": "1", "day": [28, 60, 90], "overall_response": ["CR", "PD", "CR"]}),
    ...     pd.DataFrame({"subject_id": ["1"]}))
    >>> seen.usable("failure").tolist()
    [True, True, False]
    """
    who = derive.subject_table(subjects).astype({"subject_id": object})
    infused = derive.infused(who)
    cutoff = derive.cutoff_days(who)
    days, unused_events = _event_days(events, who, infused, cutoff)
    seen, unused = _assessments(responses, who, infused, cutoff, death=days["DEATH"])
    found = seen[seen["rank"] == RANK["PD"]].groupby("subject_id")["day"].min().reindex(days.index)
    progression = np.fmin(days["PROGRESSION"], found)
    switch = np.fmin(days["NEW_THERAPY"], days["SECOND_INFUSION"])
    # A progression after the start of another therapy is no longer one of this treatment.
    days["PROGRESSION"] = progression.where(~(progression > switch))
    days["DATA_CUTOFF"] = cutoff.to_numpy()
    excluded = results.concat([*unused, *unused_events], results.EXCLUDED_COLUMNS)
    return Course(subjects=who, infused=infused, days=days, assessments=seen, excluded=excluded)


def dated(words: str, day: pd.Series) -> npt.NDArray[np.object_]:
    """The words with the day of each subject."""
    return np.array([f"{words}{value:g}" for value in day], dtype=object)


def _assessments(
    responses: Table, who: pd.DataFrame, infused: Flags, cutoff: pd.Series, *, death: pd.Series
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """One assessment per subject and day after infusion, and the rows that were set aside."""
    frame = records.to_frame(responses, "responses", needs=("overall_response",), fill=_FINDINGS)
    frame = frame.astype(dict.fromkeys(("subject_id", "overall_response", *_FINDINGS), object))
    given = frame
    frame = _in_days(frame, who, "responses", date="assessment_date")
    frame["response"] = frame["overall_response"]
    why = _set_aside(frame, who, infused, cutoff)
    why = why.mask((why == "") & frame["response"].isna(), "no response given")
    why = why.mask((why == "") & (frame["day"] <= 0), "not after the infusion day")
    kept = frame[why == ""].copy()
    problems = _unknown(given) + _after_death(given, kept, death)
    if problems:
        raise DataError(problems)
    kept["rank"] = kept["response"].map(RANK).astype("float64")
    ordered = kept.loc[_worst_first(kept), ["row", "subject_id", "day", "response", "rank", *_FINDINGS]]
    again = ordered.duplicated(["subject_id", "day"])
    unused = [
        results.excluded_rows(frame[why != ""], "responses", why),
        results.excluded_rows(ordered[again], "responses", "another assessment of the same day counts"),
    ]
    return ordered[~again].reset_index(drop=True), unused


def _worst_first(kept: pd.DataFrame) -> pd.Index:
    """Rows by subject and day, and on one day the one that counts first.

    The worst evaluable category, then NE before ND; of equal ones MRD POS before unknown before NEG, and
    CD7-negative relapse cells before positive ones.
    """
    place = kept["response"].map({word: number for number, word in enumerate(CATEGORIES)})
    evaluable = kept["rank"] <= LAST_EVALUABLE
    order = kept[["subject_id", "day"]].assign(
        evaluable=~evaluable,
        place=place.where(~evaluable, -place).astype("float64"),
        mrd=kept["mrd"].map({"POS": 0.0, "NEG": 2.0}).astype("float64").fillna(1.0),
        cd7=kept["relapse_cd7"].map({"NEG": 0.0, "POS": 1.0}).astype("float64").fillna(2.0),
    )
    return order.sort_values(list(order.columns), kind="stable").index


def _event_days(
    events: Table | None, who: pd.DataFrame, infused: Flags, cutoff: pd.Series
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """First day of each event up to the data cut-off, and the rows that were set aside."""
    if events is None:
        return derive.first_event_days(None, who), []
    frame = records.to_frame(events, "events", needs=("event",))
    frame = frame.astype(dict.fromkeys(("subject_id", "event"), object))
    frame = _in_days(frame, who, "events", date="date")
    why = _set_aside(frame, who, infused, cutoff)
    of_treatment = frame["event"].isin(["PROGRESSION", "HSCT", "NEW_THERAPY", "SECOND_INFUSION"])
    why = why.mask((why == "") & of_treatment & (frame["day"] <= 0), "not after the infusion day")
    return derive.first_event_days(frame[why == ""], who), [
        results.excluded_rows(frame[why != ""], "events", why)
    ]


def _in_days(frame: pd.DataFrame, who: pd.DataFrame, table: str, *, date: str) -> pd.DataFrame:
    """The rows with whole days since infusion; a DataError when they have neither days nor dates."""
    if len(frame) and date not in frame.columns:
        frame = records.to_frame(frame, table, needs=("day",))
    dated = derive.with_day(frame, who, date=date)
    dated["day"] = np.floor(dated["day"])
    return dated


def _set_aside(frame: pd.DataFrame, who: pd.DataFrame, infused: Flags, cutoff: pd.Series) -> pd.Series:
    """Why a dated row cannot be used; empty where it can."""
    conditions = {
        "not a subject of this analysis": ~frame["subject_id"].isin(who["subject_id"]),
        "not infused": ~frame["subject_id"].isin(who.loc[infused, "subject_id"]),
        "day missing": frame["day"].isna(),
        "after the data cut-off": frame["day"] > frame["subject_id"].map(cutoff),
    }
    why = np.select([condition.to_numpy() for condition in conditions.values()], list(conditions), "")
    return pd.Series(why, index=frame.index, dtype=object)


def _unknown(frame: pd.DataFrame) -> list[Problem]:
    """Every category that is none."""
    unknown = frame[frame["overall_response"].notna() & ~frame["overall_response"].isin(CATEGORIES)]
    words = f"a response is one of {', '.join(CATEGORIES)}"
    return _problems(unknown, "overall_response", "RESPONSE-CATEGORY", words)


def _after_death(given: pd.DataFrame, kept: pd.DataFrame, death: pd.Series) -> list[Problem]:
    """Every assessment after the day of death, named where it stands: its day, or else its date."""
    late = kept[kept["day"] > kept["subject_id"].map(death)]
    if late.empty:
        return []
    by_day = given["day"].reindex(late.index).notna() if "day" in given.columns else late["day"].isna()
    parts = {"day": late[by_day], "assessment_date": late[~by_day]}
    words = "a response was assessed after the day of death"
    return [
        problem
        for column, part in parts.items()
        if len(part)
        for problem in _problems(part, column, "RESPONSE-AFTER-DEATH", words)
    ]


def _problems(frame: pd.DataFrame, column: str, rule: str, message: str) -> list[Problem]:
    return [
        Problem(table="responses", row=int(row), column=column, value=value, subject_id=subject, rule=rule,
                message=message)
        for row, subject, value in zip(frame["row"], frame["subject_id"], frame[column], strict=True)
    ]  # fmt: skip
