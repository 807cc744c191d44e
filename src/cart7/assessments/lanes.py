"""Courses as intervals: which response lasted from when to when, and how each subject left response.

Here: the lanes of a swimmer plot with their checks, and the relapse or failure of each subject with the
CD7 status recorded of it. Not here: which assessments count (courses), why a response was lost
(`pd.escape`), drawing.
"""

import numpy as np
import pandas as pd

from cart7.assessments.courses import LAST_EVALUABLE, Course, dated
from cart7.results import first_reason

LANE_COLUMNS = ("subject_id", "response", "start_day", "end_day", "ongoing", "note")
RELAPSE_COLUMNS = (
    "subject_id", "kind", "day", "first_response_day", "relapse_cd7", "relapse_cd7_day", "hsct_day",
    "second_infusion_day", "new_therapy_day", "death_day", "last_day", "note",
)  # fmt: skip


def lanes(assessments: pd.DataFrame, ends: pd.DataFrame) -> pd.DataFrame:
    """Intervals between assessments: each lasts to the next one, the last to the end of follow-up."""
    rows = assessments[assessments["response"] != "ND"].dropna(subset=["day"])
    rows = rows.sort_values(["subject_id", "day"], kind="stable").reset_index(drop=True)
    own = ends.set_index("subject_id")
    last = rows["subject_id"].map(own["end_day"]).astype("float64")
    following = rows.groupby("subject_id")["day"].shift(-1)
    open_end = following.isna()
    late = open_end & (last < rows["day"])
    end = following.fillna(np.fmax(last, rows["day"]))
    alive = rows["subject_id"].map(own["end_event"]) != "DEATH"
    note = first_reason(
        (late, "assessed after the end of follow-up: no length"),
        (open_end & last.isna(), "end of follow-up not known: no length"),
    )
    return pd.DataFrame(
        {
            "subject_id": rows["subject_id"], "response": rows["response"], "start_day": rows["day"],
            "end_day": end, "ongoing": (open_end & alive & (end > rows["day"])).astype("int64"),
            "note": note,
        },
        columns=list(LANE_COLUMNS),
    )  # fmt: skip


def ends_of(subject_ids: pd.Series, events: pd.DataFrame) -> pd.DataFrame:
    """Last day of each subject: death, else last contact, else data cut-off; and which of them."""
    first = events.pivot_table(index="event", columns="subject_id", values="day", aggfunc="min")
    known = first.reindex(index=["DEATH", "LAST_CONTACT", "DATA_CUTOFF"], columns=subject_ids)
    word = first_reason(*((known.loc[name].notna().to_numpy(), name) for name in known.index))
    return pd.DataFrame(
        {
            "subject_id": subject_ids.to_numpy(),
            "end_day": known.bfill().iloc[0].to_numpy(dtype=float),
            "end_event": word,
        }
    )


def relapses(course: Course, first_response: pd.Series) -> pd.DataFrame:
    """How each infused subject left response, or never got there, in days since infusion."""
    days = course.days[course.infused]
    ids, progression = days.index, days["PROGRESSION"]
    first = first_response.reindex(ids)
    counted = course.assessments[course.usable("failure")]
    last_seen = counted[counted["rank"] <= LAST_EVALUABLE].groupby("subject_id")["day"].max().reindex(ids)
    responded = (first <= progression) | (first.notna() & progression.isna())
    kind = first_reason(
        (progression.notna() & responded, "RELAPSE"),
        (progression.notna(), "PROGRESSION"),
        (first.isna() & last_seen.notna(), "NO_RESPONSE"),
    )
    cd7 = _cd7_at_relapse(course, progression)
    known = days[["DEATH", "LAST_CONTACT", "DATA_CUTOFF"]].bfill(axis=1).iloc[:, 0]
    last_day = known.fillna(last_seen)
    other = np.fmin(days["NEW_THERAPY"], days["SECOND_INFUSION"])
    why = first_reason(
        (kind != "", ""),
        (first.isna(), "no evaluable assessment"),
        (other.notna(), dated("no relapse before another therapy on day ", other)),
        (days["DEATH"].notna(), dated("died without relapse on day ", days["DEATH"])),
        (last_day.notna(), dated("no relapse up to day ", last_day)),
    )
    return pd.DataFrame(
        {
            "kind": kind,
            "day": progression.fillna(last_seen.where(kind == "NO_RESPONSE")),
            "first_response_day": first,
            "relapse_cd7": cd7["relapse_cd7"],
            "relapse_cd7_day": cd7["day"],
            "hsct_day": days["HSCT"],
            "second_infusion_day": days["SECOND_INFUSION"],
            "new_therapy_day": days["NEW_THERAPY"],
            "death_day": days["DEATH"],
            "last_day": last_day,
            "note": why,
        }
    ).reset_index(names="subject_id")[list(RELAPSE_COLUMNS)]


def _cd7_at_relapse(course: Course, relapse: pd.Series) -> pd.DataFrame:
    """CD7 on relapse cells: the first record of it on or after the relapse, before any other therapy."""
    other = np.fmin(course.days["NEW_THERAPY"], course.days["SECOND_INFUSION"]).fillna(np.inf)
    rows = course.assessments
    since, until = (rows["subject_id"].map(day).astype("float64") for day in (relapse, other))
    told = rows[rows["relapse_cd7"].isin(["POS", "NEG"]) & (rows["day"] >= since) & (rows["day"] <= until)]
    first = told.drop_duplicates("subject_id").set_index("subject_id").reindex(relapse.index)
    return first[["relapse_cd7", "day"]].fillna({"relapse_cd7": ""})
