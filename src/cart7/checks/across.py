"""Tables that contradict each other.

Here: days derived from dates and compared with them, infusion numbers from the products, samples
before the infusion, anything after a death, the DLT in two places. Not here: one table alone.
"""

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.checks.cells import Note
from cart7.checks.rows import Days, dates, last_dates, span
from cart7.checks.tables import DATES_OF_DAYS, Table, distinct
from cart7.errors import Problem

DayZero = Mapping[str, float]
"""Infusion date of each subject, as a day of the calendar."""


def day_zero(subjects: Table) -> DayZero:
    """Infusion date by subject, where it is complete; the first row of a subject counts."""
    pairs = zip(subjects.words("subject_id"), dates(subjects, "infusion_date").tolist(), strict=True)
    return {subject: zero for subject, zero in reversed(list(pairs)) if subject is not None and zero == zero}


def _starts(table: Table, zero: DayZero) -> Days:
    """Infusion date of each row's subject."""
    return _by_subject(table, zero)


def _by_subject(table: Table, numbers: Mapping[str, float]) -> Days:
    """Number of each row's subject."""
    subjects = table.coded("subject_id")
    return subjects.each([numbers.get(subject, np.nan) for subject in subjects.words])


def days_and_dates(table: Table, zero: DayZero) -> None:
    """Days that are missing are derived from their dates; days that disagree with them are named."""
    for day, date in DATES_OF_DAYS.get(table.name, {}).items():
        if not table.has(date):
            continue
        told = dates(table, date) - _starts(table, zero)
        if not table.has(day):
            if zero:
                _derive_column(table, day, date, told)
            continue
        days = table.values[day]
        # A sample taken at 23:00 of day 4 has day 4.6 and perhaps the date of day 5: less than a day apart.
        wrong = np.abs(told - days) >= 1
        wrong |= _outside_partial_date(table, day, date, zero)
        table.warn(wrong, date, "D15-DAY-AND-DATE", f"{date} and {day} disagree; the day counts",
                   "correct the one that is wrong")  # fmt: skip
        for position in np.flatnonzero(table.blank(day) & ~np.isnan(told)).tolist():
            days[position] = told[position]
            table.repair(
                position, day, "DAY-FROM-DATE", f"{told[position]:g}", f"the day is derived from {date}"
            )


def _derive_column(table: Table, day: str, date: str, told: Days) -> None:
    table.values[day] = told
    table.cells[day] = distinct(np.full(len(table.rows), None, dtype=object))
    if np.isnan(told).all():
        return
    table.problems.append(
        Problem(table=table.name, column=day, severity="repair", rule="DAY-FROM-DATE",
                new_value=f"{date} - infusion_date",
                message=f"the column is absent; it is derived from {date}")
    )  # fmt: skip


def _outside_partial_date(table: Table, day: str, date: str, zero: DayZero) -> npt.NDArray[np.bool_]:
    """Whether a day cannot be one of the month or year that a partial date names."""
    outside = np.zeros(len(table.rows), dtype=bool)
    days = np.floor(table.values[day]) + _starts(table, zero)
    unknown = np.isnan(dates(table, date)) & ~table.missing(date)
    for position in np.flatnonzero(unknown & ~np.isnan(days)):
        first, last = span(str(table.values[date][position]))
        outside[position] = not first <= days[position] <= last
    return outside


def infusion_numbers(kinetics: Table, products: Table | None) -> None:
    """A blank infusion number is that of the last infusion on or before the sample's day."""
    if not kinetics.has("infusion_no"):
        return
    unknown = kinetics.blank("infusion_no")
    for position in np.flatnonzero(unknown).tolist():
        number = None if products is None else _infusion_of(kinetics, position, products)
        if number is not None:
            unknown[position] = False
            kinetics.values["infusion_no"][position] = number
            kinetics.repair(position, "infusion_no", "D27-INFUSION-NO", str(number),
                            "the infusion number is that of the last infusion up to the sample")  # fmt: skip
    kinetics.warn(unknown, "infusion_no", "D27-INFUSION-NO",
                  "the infusion number is missing and products do not tell it", "fill it in")  # fmt: skip


def _infusion_of(kinetics: Table, position: int, products: Table) -> int | None:
    """Infusion that a sample belongs to; the sample before an infusion, on its date, belongs to it."""
    mine = (products.words("subject_id") == kinetics.subject(position)) & ~products.wrong
    numbers, days = products.numbers("infusion_no")[mine], products.numbers("day")[mine]
    day = kinetics.numbers("day")[position]
    known = ~np.isnan(numbers) & ~np.isnan(days)
    if np.isnan(day) or not known.any():
        return None
    same_date = products.words("infusion_date")[mine] == kinetics.words("sample_date")[position]
    begun = known & ((days <= day) | (same_date & (days - day < 1)))
    return int(numbers[begun].max() if begun.any() else numbers[known].min())


def samples_before_infusion(kinetics: Table) -> None:
    """A CAR-T sample before the first infusion cannot be quantifiable."""
    if not kinetics.has("value"):
        return
    day = kinetics.numbers("day")
    before = (day < 0) | (kinetics.coded("nominal_label").among("D0 PRE") & ~(day > 0))
    quantifiable = ~kinetics.missing("value") & kinetics.missing("blq")
    kinetics.warn(
        before & quantifiable,
        "value",
        "D21-QUANTIFIABLE-BEFORE-INFUSION",
        "a sample before the first infusion is quantifiable",
        "check for an exchanged sample",
    )


_AFTER_INFUSION = re.compile(r"[DM][1-9][0-9]*")
_IMPOSSIBLE_BEFORE = ("DEATH", "LAST_CONTACT", "SECOND_INFUSION")


def before_infusion(tables: Mapping[str, Table]) -> None:
    """What cannot be before day 0, the day of the first infusion."""
    fix = "correct its date, or the infusion date of the subject"
    if events := tables.get("events"):
        early = np.isin(events.words("event").astype(str), _IMPOSSIBLE_BEFORE) & (events.numbers("day") < 0)
        events.refuse(
            early,
            _dated(events),
            "BEFORE-INFUSION",
            "the event of an infused subject is before the infusion (day 0)",
            fix,
        )
    if products := tables.get("products"):
        products.refuse(
            products.numbers("day") < 0,
            "infusion_date" if products.has("infusion_date") else "day",
            "BEFORE-INFUSION",
            "the product is infused before the first infusion (day 0)",
            fix,
        )
    if responses := tables.get("responses"):
        planned = [_AFTER_INFUSION.fullmatch(str(label)) is not None for label in responses.words("visit")]
        responses.refuse(
            np.array(planned, dtype=bool) & (responses.numbers("day") < 0),
            _dated(responses),
            "BEFORE-INFUSION",
            "a visit after the infusion is dated before it (day 0)",
            fix,
        )


def _dated(table: Table) -> str:
    date = DATES_OF_DAYS[table.name]["day"]
    return date if table.has(date) else "day"


def after_death(tables: Mapping[str, Table], zero: DayZero) -> None:
    """Whatever is dated after a subject's death; the death counts."""
    events = tables.get("events")
    if events is None or not events.has("event"):
        return
    deaths = (events.words("event") == "DEATH") & ~events.wrong
    owners = events.words("subject_id")[deaths]
    last_date = last_dates(events, "date")
    # Of a partial date, the last day that it can be: whatever is later is after the death for certain.
    last_day = np.where(events.missing("day"), last_date - _starts(events, zero), events.numbers("day"))
    death_day = _first(last_day[deaths], owners)
    death_date = _first(last_date[deaths], owners)
    for table in tables.values():
        for day, date in list(DATES_OF_DAYS.get(table.name, {}).items())[:1]:
            late = np.floor(table.numbers(day)) > _by_subject(table, death_day)
            late_by_date = dates(table, date) > _by_subject(table, death_date)
            late |= np.isnan(table.numbers(day)) & late_by_date
            table.warn(late, date if table.has(date) else day, "D20-AFTER-DEATH",
                       "this is after the subject's death; the death counts",
                       "correct the date of one of them")  # fmt: skip


def _first(days: Days, owners: npt.NDArray[np.object_]) -> dict[str, float]:
    """First day of each owner."""
    first: dict[str, float] = pd.Series(days, index=owners, dtype=float).groupby(level=0).min().to_dict()
    return first


def dlt_in_two_places(dlt: Table, adverse_events: Table) -> None:
    """The DLT of the adjudicated table and the flag of the adverse events must tell the same."""
    if not dlt.has("dlt") or not adverse_events.has("dlt"):
        return
    fix = "correct one of them; analyses take the dlt table"
    flagged = (adverse_events.words("dlt") == "Y") & ~adverse_events.wrong
    adjudicated = (dlt.words("dlt") == "Y") & ~dlt.wrong
    of_events, of_dlt = _text(adverse_events, "subject_id"), _text(dlt, "subject_id")
    with_dlt = np.isin(of_events, of_dlt[adjudicated])
    adverse_events.warn(flagged & ~with_dlt, "dlt", "D19-DLT",
                        "the event is flagged as DLT and the dlt table does not say so", fix)  # fmt: skip
    unnamed = adjudicated & ~np.isin(of_dlt, of_events[flagged])
    for position in np.flatnonzero(unnamed).tolist():
        event = _named_event(dlt, position, adverse_events)
        if event is not None:
            unnamed[position] = False
            message = (
                f"the dlt table (line {dlt.rows[position] + 1}) calls this event a DLT; it is not flagged"
            )
            adverse_events.note(
                event, "dlt", Note(rule="D19-DLT", severity="warning", message=message, fix=fix)
            )
    dlt.warn(unnamed, "dlt", "D19-DLT",
             "the subject has a DLT and none of its adverse events is flagged as DLT", fix)  # fmt: skip


def _text(table: Table, column: str) -> npt.NDArray[np.str_]:
    return table.words(column).astype(str)


def _named_event(dlt: Table, position: int, adverse_events: Table) -> int | None:
    """Adverse event whose term the adjudicated term contains: present on the onset day, the worst first."""
    term = str(dlt.words("dlt_term")[position] or "").casefold()
    mine = (adverse_events.words("subject_id") == dlt.subject(position)) & ~adverse_events.wrong
    columns = [adverse_events.words(name) for name in ("pt", "verbatim", "aesi")]
    named = [
        event for event in np.flatnonzero(mine).tolist()
        if any(column[event] is not None and column[event].casefold() in term for column in columns)
    ]  # fmt: skip
    onset = float(dlt.numbers("dlt_onset_day")[position])
    start, end = adverse_events.numbers("start_day"), adverse_events.numbers("end_day")
    present = [event for event in named if not (start[event] > onset or end[event] < onset)]
    grade = np.nan_to_num(adverse_events.numbers("grade"))
    return max(present or named, key=lambda event: (grade[event], -event), default=None)


def products_of_the_infused(products: Table, subjects: Table) -> None:
    """A product given to somebody whose `infused` is N."""
    if not subjects.has("infused"):
        return
    owners = pd.Series(subjects.words("infused"), index=subjects.words("subject_id"))
    infused = pd.Series(products.words("subject_id"), dtype=object).map(owners[~owners.index.duplicated()])
    told = products.numbers("day")
    given = ~np.isnan(told) | ~products.missing("infusion_date")
    products.warn(
        (infused == "N").to_numpy() & given,
        "subject_id",
        "INFUSION-CONTRADICTION",
        "a product is infused and subjects say that this subject is not",
        "correct one of them",
    )
