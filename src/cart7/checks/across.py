"""Tables that contradict each other.

Here: days derived from dates and compared with them, infusion numbers from the products, samples
before the infusion, anything after a death, the DLT in two places. Not here: one table alone.
"""

import calendar
import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.checks.cells import Note
from cart7.checks.rows import dates
from cart7.checks.tables import DATES_OF_DAYS, Table
from cart7.errors import Problem

Days = npt.NDArray[np.float64]
_ONE_DAY = np.timedelta64(1, "D")


def day_zero(subjects: Table) -> pd.Series:
    """Infusion date by subject, where it is complete."""
    zero = pd.Series(dates(subjects, "infusion_date"), index=subjects.words("subject_id"))
    return zero[~zero.index.duplicated() & zero.index.notna() & zero.notna()]


def days_since(table: Table, column: str, zero: pd.Series) -> Days:
    """Days from the infusion to a date column; missing where either is unknown."""
    return np.asarray((dates(table, column) - _starts(table, zero)) / _ONE_DAY, dtype=np.float64)


def _starts(table: Table, zero: pd.Series) -> npt.NDArray[np.datetime64]:
    """Infusion date of each row's subject."""
    starts = pd.Series(table.words("subject_id"), dtype=object).map(zero)
    return np.array(starts.to_numpy(dtype="datetime64[ns]"))


def days_and_dates(table: Table, zero: pd.Series) -> None:
    """Days that are missing are derived from their dates; days that disagree with them are named."""
    for day, date in DATES_OF_DAYS.get(table.name, {}).items():
        if not table.has(date):
            continue
        told = days_since(table, date, zero)
        if not table.has(day):
            if len(zero) > 0:
                _derive_column(table, day, date, told)
            continue
        days = table.values[day]
        # A sample taken at 23:00 of day 4 has day 4.6 and perhaps the date of day 5: less than a day apart.
        wrong = np.abs(told - days) >= 1
        wrong[_outside_partial_date(table, day, date, zero)] = True
        table.warn(wrong, date, "D15-DAY-AND-DATE", f"{date} and {day} disagree; the day counts",
                   "correct the one that is wrong")  # fmt: skip
        for position in np.flatnonzero(table.blank(day) & ~np.isnan(told)).tolist():
            days[position] = told[position]
            table.repair(
                position, day, "DAY-FROM-DATE", f"{told[position]:g}", f"the day is derived from {date}"
            )


def _derive_column(table: Table, day: str, date: str, told: Days) -> None:
    table.values[day] = told
    table.cells[day] = np.full(len(table.rows), None, dtype=object)
    if np.isnan(told).all():
        return
    table.problems.append(
        Problem(table=table.name, column=day, severity="repair", rule="DAY-FROM-DATE",
                new_value=f"{date} - infusion_date",
                message=f"the column is absent; it is derived from {date}")
    )  # fmt: skip


def _outside_partial_date(table: Table, day: str, date: str, zero: pd.Series) -> list[int]:
    """Rows whose day cannot be one of the month or year that a partial date names."""
    partial = [isinstance(text, str) and len(text) < 10 for text in table.words(date)]
    outside = []
    for position in np.flatnonzero(np.array(partial, dtype=bool) & ~np.isnan(table.values[day])).tolist():
        first, last = _span(str(table.values[date][position]))
        start = zero.get(table.subject(position), pd.NaT)
        when = start + pd.Timedelta(days=math.floor(table.values[day][position]))
        if when < first or when > last:
            outside.append(position)
    return outside


def _span(text: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last day that a date, complete or partial, can be."""
    parts = [int(part) for part in text.split("-")]
    year, month = parts[0], parts[1] if len(parts) > 1 else None
    if len(parts) == 3:
        return pd.Timestamp(text), pd.Timestamp(text)
    end = month or 12
    return (pd.Timestamp(year, month or 1, 1), pd.Timestamp(year, end, calendar.monthrange(year, end)[1]))


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
    labels, day = kinetics.words("nominal_label"), kinetics.numbers("day")
    before = (day < 0) | ((labels == "D0 PRE") & ~(day > 0))
    quantifiable = ~kinetics.missing("value") & kinetics.missing("blq")
    kinetics.warn(
        before & quantifiable,
        "value",
        "D21-QUANTIFIABLE-BEFORE-INFUSION",
        "a sample before the first infusion is quantifiable",
        "check for an exchanged sample",
    )


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
        planned = [str(label)[:1] in "DM" and str(label) != "D0" for label in responses.words("visit")]
        responses.warn(
            np.array(planned, dtype=bool) & (responses.numbers("day") < 0),
            _dated(responses),
            "BEFORE-INFUSION",
            "a visit after the infusion is dated before it (day 0)",
            fix,
        )


def _dated(table: Table) -> str:
    date = DATES_OF_DAYS[table.name]["day"]
    return date if table.has(date) else "day"


def after_death(tables: Mapping[str, Table], zero: pd.Series) -> None:
    """Whatever is dated after a subject's death; the death counts."""
    events = tables.get("events")
    if events is None or not events.has("event"):
        return
    deaths = (events.words("event") == "DEATH") & ~events.wrong
    if not deaths.any():
        return
    owners = events.words("subject_id")[deaths]
    last_days = pd.Series(_latest_days(events, zero)[deaths], index=owners).groupby(level=0).min()
    last_dates = pd.Series(_latest_dates(events)[deaths], index=owners).groupby(level=0).min()
    for table in tables.values():
        pairs = DATES_OF_DAYS.get(table.name, {})
        day = "day" if "day" in pairs else "start_day"
        if not pairs or not (table.has(day) or table.has(pairs[day])):
            continue
        subject = pd.Series(table.words("subject_id"), dtype=object)
        late = np.floor(table.numbers(day)) > subject.map(last_days).to_numpy(dtype=float)
        unknown = np.isnan(table.numbers(day))
        death_date = subject.map(last_dates).to_numpy(dtype="datetime64[ns]")
        late |= unknown & (dates(table, pairs[day]) > death_date)
        table.warn(
            late,
            pairs[day] if table.has(pairs[day]) else day,
            "D20-AFTER-DEATH",
            "this is after the subject's death; the death counts",
            "correct the date of one of them",
        )


def _latest_days(events: Table, zero: pd.Series) -> Days:
    """Day of each event; of a partial date the last day that it can be."""
    latest = np.asarray((_latest_dates(events) - _starts(events, zero)) / _ONE_DAY, dtype=np.float64)
    return np.where(np.isnan(events.numbers("day")), latest, events.numbers("day"))


def _latest_dates(events: Table) -> npt.NDArray[np.datetime64]:
    last = [pd.NaT if text is None else _span(str(text))[1] for text in events.words("date")]
    return np.array(last, dtype="datetime64[ns]")


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
