"""What happened to every subject of a study, from its tables, in days since the infusion.

Here: which rows of `events` and `responses` count and which are set aside and why, who was
infused, the first days of each event. Not here: what follows for a time to event
(stats.event_times, `survival`), findings about the data (`study`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import derive, records, results
from cart7.stats.event_times import History
from cart7.stats.survival_curves import Floats

Table: TypeAlias = pd.DataFrame | Iterable[records.Record]

NOT_ADEQUATE = ("NE", "ND")
PROGRESSIONS = ("PD", "RELAPSE")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyHistory:
    """The history of every subject, its usable assessments, and who can have no time."""

    subjects: pd.DataFrame
    history: History
    assessments: pd.DataFrame  # position, day, overall_response; evaluable or not
    dated: pd.DataFrame  # every row with a day: position, day, table, variable, row, word, alive, counts
    barred: NDArray[np.object_]  # the reason of subjects without any time, else ""
    excluded: pd.DataFrame

    @classmethod
    def of(cls, subjects: Table, events: Table | None, responses: Table | None) -> "StudyHistory":
        """Read the tables; rows that do not count go to `excluded` with their reason."""
        people = derive.subject_table(subjects).astype({"subject_id": object})
        # Somebody infused after the cut-off has been followed for no time, not for less than none.
        cutoff = np.maximum(derive.cutoff_days(people).to_numpy(dtype=float), 0.0)
        happened, lost_events = _dated(events, people, "events", "event", "date")
        seen, lost_seen = _dated(responses, people, "responses", "overall_response", "assessment_date")
        death = _first(happened[happened["event"] == "DEATH"], len(people))
        barred = np.where(
            derive.infused(people), np.where(death < 0, "DATA_ERROR_DEATH_BEFORE_INFUSION", ""), "NOT_INFUSED"
        )
        use_event, why_event = _usable(happened, death, cutoff, "after death")
        use_seen, why_seen = _usable(seen, death, cutoff, "assessment after death")
        use_event |= happened["event"].isin(("DEATH", "LAST_CONTACT")).to_numpy()
        alive = why_seen != "assessment after death"
        dated = results.concat(
            [
                _as_record(happened, "events", "event", counts=use_event, alive=True),
                _as_record(seen, "responses", "overall_response", counts=use_seen, alive=alive),
            ],
            (),
        )
        last_alive = _last(dated[dated["alive"]], len(people))
        history = _history(happened[use_event], seen[use_seen], death, last_alive, cutoff)
        lost = [
            lost_events,
            lost_seen,
            results.excluded_rows(happened[~use_event], "events", pd.Series(why_event, happened.index)),
            results.excluded_rows(seen[~use_seen], "responses", pd.Series(why_seen, seen.index)),
        ]
        return cls(
            subjects=people,
            history=history,
            assessments=seen[use_seen],
            dated=dated,
            barred=barred.astype(object),
            excluded=results.concat(lost, results.EXCLUDED_COLUMNS),
        )

    def first_of(self, words: Sequence[str]) -> Floats:
        """First day of an assessment with one of these words, NaN where there is none."""
        chosen = self.assessments[self.assessments["overall_response"].isin(words)]
        return _first(chosen, len(self.subjects))


def _dated(
    data: Table | None, people: pd.DataFrame, table: str, word: str, date: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows with the position of their subject and a day since infusion, and the rows that have neither."""
    if data is None:
        columns = {"row": "int64", "subject_id": object, word: object, "day": "float64", "position": "int64",
                   "variable": object}  # fmt: skip
        empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
        return empty, results.excluded_frame()
    frame = records.to_frame(data, table, needs=(word,))
    frame = frame.astype(dict.fromkeys(("subject_id", word), object))
    if len(frame) and date not in frame.columns:
        frame = records.to_frame(frame.set_index("row"), table, needs=("day",))
    stated = frame["day"].notna() if "day" in frame.columns else np.zeros(len(frame), dtype=bool)
    frame = derive.with_day(frame, people, date=date)
    frame["variable"] = np.where(stated, "day", date).astype(object)
    place = pd.Series(np.arange(len(people)), index=people["subject_id"])
    frame["position"] = frame["subject_id"].map(place)
    stranger, undated = frame["position"].isna(), frame["day"].isna()
    blank = frame[word].isna()
    why = np.select(
        [stranger, undated, blank],
        ["subject not in the analysis", "no day since infusion", f"{word} missing"],
        "",
    )
    lost = frame[why != ""]
    kept = frame[why == ""].astype({"position": "int64"})
    return kept, results.excluded_rows(lost, table, pd.Series(why, frame.index))


def _as_record(frame: pd.DataFrame, table: str, word: str, **flags: object) -> pd.DataFrame:
    """Rows of either table in one shape, with their flags."""
    kept = frame[["position", "day", "variable", "row"]].assign(word=frame[word], table=table)
    return kept.assign(
        **{name: np.broadcast_to(np.asarray(flag), len(frame)) for name, flag in flags.items()}
    )


def _usable(
    frame: pd.DataFrame, death: Floats, cutoff: Floats, after_death: str
) -> tuple[NDArray[np.bool_], NDArray[np.str_]]:
    """Whether each row counts: after the infusion, up to the cut-off, not after death; and else why not."""
    day, position = frame["day"].to_numpy(dtype=float), frame["position"].to_numpy()
    why = np.select(
        [day > death[position], day <= 0, day > cutoff[position]],
        [after_death, "not after the infusion", "after the data cut-off"],
        "",
    )
    return why == "", why


def _first(frame: pd.DataFrame, n: int) -> Floats:
    """First day by position of the subject, NaN where there is none."""
    first = np.full(n, np.nan)
    np.fmin.at(first, frame["position"].to_numpy(dtype=np.intp), frame["day"].to_numpy(dtype=float))
    return first


def _last(frame: pd.DataFrame, n: int) -> Floats:
    last = np.zeros(n)
    np.maximum.at(last, frame["position"].to_numpy(dtype=np.intp), frame["day"].to_numpy(dtype=float))
    return last


def _history(
    events: pd.DataFrame, seen: pd.DataFrame, death: Floats, last_contact: Floats, cutoff: Floats
) -> History:
    n = death.size
    adequate = seen[~seen["overall_response"].isin(NOT_ADEQUATE)]
    progressed = adequate["overall_response"].isin(PROGRESSIONS)
    by_word = {word: _first(events[events["event"] == word], n) for word in derive.EVENT_WORDS}
    return History(
        death=death,
        progression=np.fmin(by_word["PROGRESSION"], _first(adequate[progressed], n)),
        hsct=by_word["HSCT"],
        new_therapy=by_word["NEW_THERAPY"],
        second_infusion=by_word["SECOND_INFUSION"],
        last_contact=last_contact,
        cutoff=cutoff,
        adequate_subject=adequate["position"].to_numpy(dtype=np.intp),
        adequate_day=adequate["day"].to_numpy(dtype=float),
        adequate_progression=progressed.to_numpy(dtype=bool),
    )
