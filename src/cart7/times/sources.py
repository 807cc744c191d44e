"""The record behind each time to event: which row of which table says the day on which it ends.

Here: from the reason of an end back to its row, for ADTTE (SRCDOM, SRCVAR, SRCSEQ). Not here: the
reasons (stats.event_times), the export (`adtte`).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import derive
from cart7.times.histories import NOT_ADEQUATE, PROGRESSIONS, StudyHistory
from cart7.times.rules import TimeToEventRules

SOURCE_COLUMNS = (
    "subject_id", "infusion_date", "source_table", "source_variable", "source_row", "note",
)  # fmt: skip
INTERCURRENT = ("HSCT", "NEW_THERAPY", "SECOND_INFUSION")
NO_RECORD = "no record says so"


def source_rows(study: StudyHistory, found: pd.DataFrame, rules: TimeToEventRules) -> pd.DataFrame:
    """The row whose day is the end of each time, row by row with `found`.

    Parameters
    ----------
    study : StudyHistory
    found : DataFrame
        The rows of `TimeToEventResult.subjects`, one per subject of the study, in its order.
    rules : TimeToEventRules
        The rules that gave them.

    Returns
    -------
    DataFrame
        `subject_id, infusion_date` (ISO 8601 text)`, source_table, source_variable, source_row`
        (1-based)`, note`. Of several records on one day: the last contact, then an assessment, then an
        event, then the first row. `source_variable` is the column that gave the day. An end on the
        infusion day without a record points to the subject's own row, as does the data cut-off.
    """
    people = study.subjects
    said = pd.DataFrame({"position": np.arange(len(people)), "reason": found["reason"].to_numpy(dtype=object),
                         "end": found["end_day"].to_numpy(dtype=float)})  # fmt: skip
    early = said["reason"] == "DATA_ERROR_DEATH_BEFORE_INFUSION"
    said["end"] = np.where(early, study.history.death, said["end"])
    by_subject = _first_of_each(study.dated, said, _stops_itself(rules)).reindex(said["position"])
    variable = by_subject["variable"].fillna(_own_variable(people, said)).to_numpy(dtype=object)
    own = by_subject["row"].isna().to_numpy() & (variable != "")
    row = np.where(own, people["row"], by_subject["row"]).astype(float)
    zero = derive.day_zero(people)
    dates = zero.dt.strftime("%Y-%m-%d").astype(object).where(zero.notna(), "")
    return pd.DataFrame(
        {
            "subject_id": people["subject_id"].to_numpy(dtype=object),
            "infusion_date": dates.to_numpy(dtype=object),
            "source_table": np.where(own, "subjects", by_subject["table"].fillna("")).astype(object),
            "source_variable": variable,
            "source_row": row,
            "note": np.where(np.isnan(row), NO_RECORD, "").astype(object),
        },
        columns=list(SOURCE_COLUMNS),
    )


def _stops_itself(rules: TimeToEventRules) -> tuple[str, ...]:
    """Intercurrent events whose own day ends a time; the others end it at an assessment before."""
    return ("HSCT",) if rules.hsct in ("censor-at-hsct", "competing") else ()


def _first_of_each(dated: pd.DataFrame, said: pd.DataFrame, stops: tuple[str, ...]) -> pd.DataFrame:
    """The record of each subject that has one, by position."""
    pairs = dated.merge(said, on="position")
    pairs = pairs[(pairs["day"] == pairs["end"]).to_numpy() & _speaks(pairs, stops)]
    rank = np.select([pairs["word"] == "LAST_CONTACT", pairs["table"] == "responses"], [0, 1], 2)
    ordered = pairs.assign(rank=rank).sort_values(["position", "rank", "row"], kind="stable")
    return ordered.drop_duplicates("position").set_index("position")


def _speaks(pairs: pd.DataFrame, stops: tuple[str, ...]) -> NDArray[np.bool_]:
    """Whether a record on the day of the end is of the kind that its reason speaks of."""
    reason, word, assessed = pairs["reason"], pairs["word"], (pairs["table"] == "responses")
    evaluable = assessed & pairs["counts"] & ~word.isin(NOT_ADEQUATE)
    progressed = (evaluable & word.isin(PROGRESSIONS)) | (pairs["counts"] & (word == "PROGRESSION"))
    speaks = np.select(
        [
            reason.isin(("DEATH", "DATA_ERROR_DEATH_BEFORE_INFUSION")),
            reason == "PROGRESSION",
            reason == "ALIVE_LAST_CONTACT",
            reason.isin(stops),
            reason.isin(
                (*INTERCURRENT, "LAST_ADEQUATE_ASSESSMENT", "MISSED_ASSESSMENTS", "TREATMENT_FAILURE")
            ),
        ],
        [word == "DEATH", progressed, pairs["alive"], pairs["counts"] & (word == reason), evaluable],
        False,
    )
    return np.asarray(speaks, dtype=bool)


def _own_variable(people: pd.DataFrame, said: pd.DataFrame) -> pd.Series:
    """Column of the subject's own row that says the end, where no record of another table does."""
    flagged = people["infused"].notna() if "infused" in people.columns else np.zeros(len(people), dtype=bool)
    dated = "infusion_date" if "infusion_date" in people.columns else ""
    reason = said["reason"]
    return pd.Series(
        np.select(
            [reason == "NOT_INFUSED", reason == "DATA_CUTOFF", said["end"] == 0],
            [np.where(flagged, "infused", dated), "data_cutoff", dated],
            "",
        ),
        index=said["position"],
        dtype=object,
    )
