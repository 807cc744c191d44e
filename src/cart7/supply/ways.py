"""The way of one subject from enrolment to infusion: steps reached, dates and the days between them.

Here: one row per enrolled subject from the tables. Not here: counts and denominators (`accounting`).
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from cart7 import derive, records, results
from cart7.errors import DataError, Problem

Table: TypeAlias = pd.DataFrame | Iterable[records.Record]

SUBJECT_COLUMNS = ("enroll_date", "leukapheresis_date", "infusion_date", "not_infused_reason")
_RUN_COLUMNS = (
    "leukapheresis_date", "mfg_start_date", "release_date", "outcome", "attempt", "vein_to_vein_days",
)  # fmt: skip

INTERVALS = (
    "enrolment_to_leukapheresis_days", "leukapheresis_to_start_days", "start_to_release_days",
    "release_to_infusion_days", "vein_to_vein_days",
)  # fmt: skip
_ENDS = {
    "enrolment_to_leukapheresis_days": ("enroll_date", "leukapheresis_date"),
    "leukapheresis_to_start_days": ("leukapheresis_date", "mfg_start_date"),
    "start_to_release_days": ("mfg_start_date", "release_date"),
    "release_to_infusion_days": ("release_date", "infusion_date"),
    "vein_to_vein_days": ("leukapheresis_date", "infusion_date"),
}
_WORDS = {
    "enroll_date": "enrolment", "leukapheresis_date": "leukapheresis",
    "mfg_start_date": "start of manufacture", "release_date": "release", "infusion_date": "infusion",
}  # fmt: skip

NOT_STATED = "NOT STATED"


def follow(
    people: pd.DataFrame, manufacturing: Table | None, products: Table | None,
    lymphodepletion: Table | None, cell_dose: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """One row per subject, and the rows of other subjects that were not used."""
    left_out = [results.excluded_frame()]
    tables = {}
    for name, given, columns in (
        ("manufacturing", manufacturing, _RUN_COLUMNS),
        ("products", products, ("infusion_no",)),
        ("lymphodepletion", lymphodepletion, ()),
    ):
        rows = None if given is None else records.to_frame(given, name, fill=columns)
        if rows is not None:
            rows, strangers = derive.known_subjects(rows, people)
            left_out.append(results.excluded_rows(strangers, name, "not in subjects"))
        tables[name] = rows
    way = _attempts(people, tables["manufacturing"])
    way = _infusion(way, people, tables["products"], tables["lymphodepletion"], cell_dose)
    way, late = _intervals(way, people)
    way["stage"] = _stage(way)
    way["note"] = _notes(way, late, people)
    ordered = [
        "subject_id", "leukapheresed", "n_attempts", "outcome", "lymphodepleted", "n_bags", "infused",
        "second_infusion", "stage", "reason", "leukapheresis_date", "mfg_start_date", "release_date",
        "infusion_date", *INTERVALS, "dose_1e6_kg", "dose_known", "within_limits", "note",
    ]  # fmt: skip
    return way[ordered], results.concat(left_out, results.EXCLUDED_COLUMNS)


def _attempts(people: pd.DataFrame, runs: pd.DataFrame | None) -> pd.DataFrame:
    """Leukapheresis and manufacture: the first released attempt, else the last one."""
    way = people[["subject_id"]].reset_index(drop=True)
    own = people["leukapheresis_date"].reset_index(drop=True)
    if runs is None:
        way = way.assign(n_attempts=np.nan, outcome="", mfg_start_date=None, release_date=None,
                         stated_days=np.nan, leukapheresis_date=own)  # fmt: skip
        collected = own.notna().any()
        return way.assign(leukapheresed=own.notna().astype(float) if collected else np.nan)
    _once(runs)
    runs = runs.sort_values(["subject_id", "attempt"], kind="stable")
    released = runs[runs["outcome"] == "RELEASED"].drop_duplicates("subject_id")
    others = runs[~runs["subject_id"].isin(released["subject_id"])].drop_duplicates("subject_id", keep="last")
    counting = pd.concat([released, others]).set_index("subject_id")
    names = ["leukapheresis_date", "mfg_start_date", "release_date", "outcome", "vein_to_vein_days"]
    found = counting[names].reindex(way["subject_id"]).reset_index(drop=True)
    way["n_attempts"] = way["subject_id"].map(runs["subject_id"].value_counts()).fillna(0.0).astype(float)
    way["outcome"] = found["outcome"].astype(object).where(found["outcome"].notna(), "")
    # Only a released product has a release: the date of a failed one says when it was given up.
    dated = way["outcome"] == "RELEASED"
    way["mfg_start_date"] = found["mfg_start_date"].where(found["mfg_start_date"].notna(), None)
    way["release_date"] = found["release_date"].where(dated, None)
    way["stated_days"] = found["vein_to_vein_days"].astype(float)
    way["leukapheresis_date"] = found["leukapheresis_date"].where(found["leukapheresis_date"].notna(), own)
    way["leukapheresed"] = ((way["n_attempts"] > 0) | way["leukapheresis_date"].notna()).astype(float)
    return way


def _once(runs: pd.DataFrame) -> None:
    """Refuse an attempt that stands twice."""
    numbered = runs[runs["attempt"].notna()]
    again = numbered[numbered.duplicated(["subject_id", "attempt"])]
    if len(again):
        message = "this attempt of the subject is listed twice"
        raise DataError(
            [
                Problem(table="manufacturing", row=int(row), column="attempt", value=attempt,
                        subject_id=subject, rule="DOSE-ATTEMPT-TWICE", message=message)
                for row, attempt, subject in again[["row", "attempt", "subject_id"]].to_numpy()
            ]
        )  # fmt: skip


def _infusion(
    way: pd.DataFrame, people: pd.DataFrame, bags: pd.DataFrame | None, depletion: pd.DataFrame | None,
    cell_dose: Any,
) -> pd.DataFrame:  # fmt: skip
    """Lymphodepletion, bags, infusions and the dose of the first one."""
    given = pd.Series(derive.infused(people), index=way.index)
    ids = way["subject_id"]
    way["infused"] = given.astype(float)
    way["infusion_date"] = people["infusion_date"].reset_index(drop=True)
    way["lymphodepleted"] = np.nan if depletion is None else ids.isin(depletion["subject_id"]).astype(float)
    way["n_bags"] = way["second_infusion"] = np.nan
    if bags is not None:
        number = bags["infusion_no"].fillna(1.0)
        first, later = bags.loc[number == 1, "subject_id"], bags.loc[number > 1, "subject_id"]
        way["n_bags"] = ids.map(first.value_counts()).fillna(0.0).astype(float)
        way["second_infusion"] = ids.isin(later).astype(float)
    way["dose_1e6_kg"] = way["within_limits"] = way["dose_known"] = np.nan
    if cell_dose is not None:
        of_first = cell_dose.subjects[cell_dose.subjects["infusion_no"] == 1].set_index("subject_id")
        for name in ("dose_1e6_kg", "within_limits"):
            way[name] = ids.map(of_first[name]).astype(float)
        way["dose_known"] = way["dose_1e6_kg"].notna().astype(float)
    stated = people["not_infused_reason"].reset_index(drop=True)
    way["reason"] = stated.astype(object).where(stated.notna(), NOT_STATED).where(~given, "")
    way["unexpected_reason"] = given & stated.notna()
    return way


def _intervals(way: pd.DataFrame, people: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, "pd.Series[bool]"]]:
    """Days between the dates, and where an end comes before its beginning."""
    dates = {name: derive.to_datetime(way[name]) for name in _WORDS if name in way.columns}
    dates["enroll_date"] = derive.to_datetime(people["enroll_date"].reset_index(drop=True))
    late = {}
    for interval, (start, end) in _ENDS.items():
        days = (dates[end] - dates[start]).dt.total_seconds() / derive.SECONDS_PER_DAY
        late[interval] = days < 0
        way[interval] = days.mask(days < 0)
    # Days as stated stand in for dates that are not there, never for dates in the wrong order.
    undated = (way["infused"] == 1) & way["vein_to_vein_days"].isna() & ~late["vein_to_vein_days"]
    way["as_stated"] = undated & way["stated_days"].notna()
    way["vein_to_vein_days"] = way["vein_to_vein_days"].mask(way["as_stated"], way["stated_days"])
    return way, late


def _stage(way: pd.DataFrame) -> list[str]:
    """The last step reached."""
    reached = [way["leukapheresed"] == 1, way["outcome"] == "RELEASED", way["lymphodepleted"] == 1,
               way["infused"] == 1]  # fmt: skip
    words = ["LEUKAPHERESED", "RELEASED", "LYMPHODEPLETED", "INFUSED"]
    return [str(word) for word in np.select(reached[::-1], words[::-1], "ENROLLED")]


def _notes(way: pd.DataFrame, late: dict[str, "pd.Series[bool]"], people: pd.DataFrame) -> list[str]:
    """What does not fit together, and why a number is missing."""
    infused, collected = way["infused"] == 1, way["n_attempts"].notna()
    differ = infused & way["stated_days"].notna() & way["vein_to_vein_days"].notna()
    differ &= way["stated_days"] != way["vein_to_vein_days"]
    undated = infused & way["vein_to_vein_days"].isna() & ~late["vein_to_vein_days"]
    findings: list[tuple[Any, Any]] = [
        (~infused & (way["reason"] != NOT_STATED), "not infused: " + way["reason"].str.lower()),
        (infused & collected & (way["n_attempts"] == 0), "infused, but no manufacture is recorded"),
        (infused & (way["outcome"] == "FAILED"), "infused, although the manufacture failed"),
        (infused & (way["outcome"] == "OUT_OF_SPEC"), "infused with a product out of specification"),
        (~infused & (way["n_bags"] > 0), "bags listed, but not infused"),
        (way["unexpected_reason"], "infused, although a reason for not infusing is stated"),
        (~infused & (way["reason"] == NOT_STATED), "why not infused is not stated"),
        (way["n_attempts"] > 1, "more than one attempt; the first released one counts, else the last"),
        (differ, "stated vein-to-vein days differ from the dates, which count"),
        (way["as_stated"], "vein-to-vein days as stated: a date is missing or partial"),
        (undated, "vein to vein not known: a date is missing or partial"),
        *(
            (late[interval], f"{_WORDS[end]} before {_WORDS[start]}: no interval")
            for interval, (start, end) in _ENDS.items()
        ),
    ]
    told = [np.where(np.asarray(flag, dtype=bool), text, "") for flag, text in findings]
    return ["; ".join(word for word in words if word) for words in zip(*told, strict=True)]
