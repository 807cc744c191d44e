"""Rows that contradict themselves or their neighbours, inside one table.

Here: ends before starts, events without an end, blank grades, bags of an odd volume, records of one
adverse event of special interest that touch. Not here: single cells and other tables.
"""

import calendar
import datetime as dt

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.checks.tables import DATES_OF_DAYS, Table

Days = npt.NDArray[np.float64]
BAG_VOLUME_ML = (10.0, 50.0)


def check_rows(table: Table) -> None:
    """Every finding that needs only this table."""
    if {"start_day", "end_day"} <= DATES_OF_DAYS.get(table.name, {}).keys():
        _end_before_start(table)
    if table.name == "adverse_events":
        _no_end(table)
        _touching(table)
    if table.name in ("adverse_events", "aesi_course") and table.has("grade"):
        table.warn(table.blank("grade"), "grade", "D17-GRADE", "the grade is missing", "fill it in")
    if table.name == "products" and table.has("volume_ml"):
        low, high = BAG_VOLUME_ML
        volume = table.values["volume_ml"]
        table.warn(
            (volume < low) | (volume > high),
            "volume_ml",
            "D26-BAG-VOLUME",
            f"the bag volume is outside {low:g} to {high:g} mL",
            "check it against the bag record",
        )
    if table.name == "subjects":
        _dates_in_order(table, "leukapheresis_date", "infusion_date", impossible=True)
        _dates_in_order(table, "consent_date", "infusion_date")
        _dates_in_order(table, "enroll_date", "infusion_date")
        _infused_and_dated(table)
    if table.name == "manufacturing":
        _dates_in_order(table, "leukapheresis_date", "mfg_start_date")
        _dates_in_order(table, "mfg_start_date", "release_date")


def _end_before_start(table: Table) -> None:
    by_day = table.numbers("end_day") < table.numbers("start_day")
    starts, ends = dates(table, "start_date"), dates(table, "end_date")
    unknown = np.isnan(table.numbers("end_day")) | np.isnan(table.numbers("start_day"))
    wrong = by_day | (unknown & (ends < starts))
    start, end = (
        ("start_date", "end_date") if table.has("start_date", "end_date") else ("start_day", "end_day")
    )
    fix = "correct them; they may have been exchanged"
    table.warn(wrong, start, "D05-END-BEFORE-START", "the start is after the end", fix)
    table.warn(wrong, end, "D05-END-BEFORE-START", "the end is before the start", fix)


def _no_end(table: Table) -> None:
    ends = [name for name in ("end_date", "end_day") if table.has(name)]
    if not ends or not table.has("ongoing"):
        return
    no_end = (table.words("ongoing") == "N") & np.all([table.blank(name) for name in ends], axis=0)
    table.warn(
        no_end,
        ends[0],
        "D04-NO-END",
        "the event has no end though it is not ongoing",
        "fill in the end, or set ongoing to Y",
    )


def _touching(table: Table) -> None:
    """Records of one AESI in one subject, each beginning no later than the day after another ends."""
    if not table.has("aesi", "start_day", "end_day"):
        return
    sound = ~table.wrong & ~table.missing("aesi")
    spans = pd.DataFrame(
        {
            "subject_id": table.words("subject_id"),
            "aesi": table.words("aesi"),
            "start": table.numbers("start_day"),
            "end": table.numbers("end_day"),
            "ongoing": table.words("ongoing"),
            "position": np.arange(len(table.rows)),
        }
    )[sound].dropna(subset=["subject_id", "start"])
    spans.loc[spans["end"].isna() & (spans["ongoing"] == "Y"), "end"] = np.inf
    spans["end"] = spans["end"].fillna(spans["start"]).clip(lower=spans["start"])
    spans = spans.sort_values(["subject_id", "aesi", "start", "position"])
    by_event = spans.groupby(["subject_id", "aesi"])
    reach = by_event["end"].cummax().groupby([spans["subject_id"], spans["aesi"]]).shift()
    touches = (spans["start"] <= reach + 1).to_numpy(dtype=bool)
    touched = np.append(touches[1:], False)
    hit = np.zeros(len(table.rows), dtype=bool)
    hit[spans["position"].to_numpy(dtype=int)[touches | touched]] = True
    table.warn(
        hit,
        "start_day",
        "D16-TOUCHING-RECORDS",
        "another record of this event touches this one",
        "they count as one episode; merge them if they are one event",
    )


def _dates_in_order(table: Table, first: str, then: str, *, impossible: bool = False) -> None:
    if not table.has(first, then):
        return
    wrong = dates(table, then) < dates(table, first)
    put = table.refuse if impossible else table.warn
    put(wrong, then, "DATE-ORDER", f"{then} is before {first}", "correct the one that is wrong")


def _infused_and_dated(table: Table) -> None:
    if not table.has("infused", "infusion_date"):
        return
    infused = table.words("infused")
    table.warn(
        (infused == "Y") & table.blank("infusion_date"),
        "infusion_date",
        "INFUSION-DATE",
        "the subject is infused and has no infusion date; no day can be derived",
        "fill it in",
    )
    table.warn(
        (infused == "N") & ~table.missing("infusion_date"),
        "infusion_date",
        "INFUSION-DATE",
        "the subject is not infused and has an infusion date",
        "correct one of them",
    )


def dates(table: Table, column: str) -> Days:
    """Complete dates of a column as days of the calendar; missing elsewhere."""
    spans = _spans(table, column)
    complete = np.where(spans[:, 0] == spans[:, 1], spans[:, 0], np.nan)
    return table.coded(column).each(complete)


def last_dates(table: Table, column: str) -> Days:
    """Last day that each date of a column can be, as a day of the calendar."""
    return table.coded(column).each(_spans(table, column)[:, 1])


def _spans(table: Table, column: str) -> Days:
    """First and last day of each different date."""
    spans = [span(str(text)) for text in table.coded(column).words]
    return np.array(spans, dtype=np.float64).reshape(-1, 2)


def span(text: str) -> tuple[int, int]:
    """First and last day of the calendar that a date, complete or partial, can be.

    Examples
    --------
    >>> first, last = span("2024-02")
    >>> last - first + 1
    29
    """
    year, month, day = [*map(int, text.split("-")), 0, 0][:3]
    if day:
        first = last = dt.date(year, month, day)
    else:
        end = month or 12
        first = dt.date(year, month or 1, 1)
        last = dt.date(year, end, calendar.monthrange(year, end)[1])
    return first.toordinal(), last.toordinal()
