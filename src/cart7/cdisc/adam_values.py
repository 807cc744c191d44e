"""Cells of ADaM data sets as cells of a table: dates, study days, elapsed times, flags and code lists.

Here: one column at a time, each different cell once. Not here: which variable it is (`adam_mapping`),
whether a value can be true (the checks of `study`).
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from cart7.checks.cells import found, squeezed
from cart7.checks.measures import below_word

SAS_ZERO = dt.date(1960, 1, 1)
"""Day 0 of SAS dates, and the first second of SAS datetimes."""

_STRETCHES = 10
_SECONDS_A_DAY = 86400
_LATEST_SAS_DAY = 73_000  # 2159: a number beyond it counts seconds
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ISO_START = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ].*)?")
_DAYS_OF_UNIT = {
    "d": 1.0, "day": 1.0, "days": 1.0, "h": 24.0, "hr": 24.0, "hrs": 24.0, "hour": 24.0, "hours": 24.0,
    "min": 1440.0, "mins": 1440.0, "minute": 1440.0, "minutes": 1440.0, "w": 1 / 7, "week": 1 / 7,
    "weeks": 1 / 7,
}  # fmt: skip
_LAST_BRACKETS = re.compile(r"\(([^()]+)\)\s*$")
_UNIT_IN_LABEL = re.compile(r"\(([A-Za-z]+)\)")


def each(cells: pd.Series, read: Callable[[object], object]) -> pd.Series:
    """A column read cell by cell, each different cell once; blank stays None."""
    known = {cell: read(cell) for cell in set(cells.tolist()) if cell is not None}
    values = np.full(len(cells), None, dtype=object)
    values[:] = [known.get(cell) for cell in cells.tolist()]
    return pd.Series(values, index=cells.index, dtype=object)


def word(cell: object) -> object:
    """Stripped text; None where nothing is left."""
    return found(cell).strip() or None


def plain(cells: pd.Series) -> pd.Series:
    """Words of a column; typed numbers and dates stay what they are."""
    return each(cells, lambda cell: word(cell) if isinstance(cell, str) else cell)


def coded(terms: Mapping[str, str], *, keep_others: bool = True) -> Callable[[object], object]:
    """Reader of a word by a code list; other words stay, or become blank.

    Examples
    --------
    >>> read = coded({"NOT RECOVERED/NOT RESOLVED": "NOT RECOVERED", "UNKNOWN": ""})
    >>> read("Not recovered / not resolved"), read("unknown"), read("FATAL")
    ('NOT RECOVERED', None, 'FATAL')
    """
    by_form = {squeezed(text): term for text, term in terms.items()}
    same = {squeezed(term): term for term in terms.values()}

    def read(cell: object) -> object:
        text = word(cell)
        form = squeezed(str(text))
        if form in by_form:
            return by_form[form] or None
        return same.get(form, text if keep_others else None)

    return read


def date(cell: object) -> object:
    """A date as ISO 8601 text: a date, a SAS date (days since 1960), a SAS datetime (seconds), text.

    A text that is neither stays as it stands; the checks of the table judge it.

    Examples
    --------
    >>> date(22573), date("22573"), date(1950307200.0), date("2021-10-20T08:00:00"), date("2021-10")
    ('2021-10-20', '2021-10-20', '2021-10-20', '2021-10-20', '2021-10')
    """
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat()
    if isinstance(cell, dt.date):
        return cell.isoformat()
    text = found(cell).strip()
    if match := _ISO_START.fullmatch(text):
        return match[1]
    # Four digits are the year of a partial date, not the SAS date of 1987.
    if _NUMBER.fullmatch(text) and not (isinstance(cell, str) and len(text) == 4):
        number = float(text)
        days = number if abs(number) <= _LATEST_SAS_DAY else number // _SECONDS_A_DAY
        if abs(days) <= _LATEST_SAS_DAY:
            return (SAS_ZERO + dt.timedelta(days=int(days))).isoformat()
    return text or None


def companion(variable: str) -> str:
    """Variable of the partial dates beside one of complete dates: DTHDTC of DTHDT.

    Examples
    --------
    >>> companion("DTHDT"), companion("LSTALVDT")
    ('DTHDTC', 'LSTALDTC')
    """
    return variable.removesuffix("DT")[:5] + "DTC"


def day_of_study_day(cell: object) -> object:
    """Days since infusion (infusion = 0) of a CDISC study day (infusion = 1, no 0); not for day 0.

    Examples
    --------
    >>> day_of_study_day(1), day_of_study_day("-1"), day_of_study_day(29.0), day_of_study_day(0)
    (0.0, -1.0, 28.0, None)
    """
    number = as_number(cell)
    if number is None:
        return cell
    return None if number == 0 else number - (number > 0)


def as_number(cell: object) -> float | None:
    """The number of a cell; None where it is no number."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        return float(cell)
    text = str(cell).strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def flag(cells: pd.Series) -> pd.Series:
    """Y where a CDISC flag is Y, else N: its blank says no."""
    yes = each(cells, lambda cell: found(cell).strip().upper())
    return pd.Series(np.where(yes == "Y", "Y", "N"), index=cells.index, dtype=object)


def below_the_limit(variable: str) -> Callable[[object], object]:
    """Reader of `BLQ` or `ND` from a result in words, or from a flag (a variable that ends in FL)."""

    def read(cell: object) -> object:
        if variable.endswith("FL"):
            return "BLQ" if found(cell).strip().upper() == "Y" else None
        below = below_word(cell)
        return None if below is None else below[0]

    return read


def stated_limit(cell: object) -> object:
    """The limit in a result such as `<50`; None where there is none."""
    below = below_word(cell)
    return None if below is None or below[1] != below[1] else below[1]


def in_brackets(cell: object) -> object:
    """What stands in the last brackets of a parameter's name, its unit: `Hemoglobin (g/L)`."""
    texts = _LAST_BRACKETS.findall(found(cell))
    return texts[-1].strip() if texts else None


def days_of_unit(unit: object) -> float | None:
    """How many of a unit make a day; None where the unit is unknown.

    Examples
    --------
    >>> days_of_unit("HOURS"), days_of_unit("Days"), days_of_unit("FORTNIGHTS")
    (24.0, 1.0, None)
    """
    return _DAYS_OF_UNIT.get(str(unit).strip().casefold())


def unit_in_label(label: str) -> str:
    """Unit of time that a label states: `Act. Rel. Time from First Infusion (d)`."""
    units = [text for text in _UNIT_IN_LABEL.findall(label) if days_of_unit(text) is not None]
    return units[-1] if units else ""


def lines(rows: list[int]) -> str:
    """Rows as the lines a spreadsheet shows (row + 1), neighbours joined, the first ten stretches.

    Examples
    --------
    >>> lines([1, 2, 3, 7])
    '2-4, 8'
    """
    spans: list[list[int]] = []
    for line in sorted({row + 1 for row in rows}):
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in spans[:_STRETCHES]]
    return ", ".join(shown) + (" ..." if len(spans) > _STRETCHES else "")
