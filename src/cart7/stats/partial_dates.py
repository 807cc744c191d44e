"""Partial dates: the first and last day that ISO 8601 text can mean, and the day that a rule puts in.

Here: text to the bounds of the dates it allows, whole columns at once, and which part is missing; one text
to one imputed date. Not here: which of them stands for the date of an event, and bounds from a subject's
course (`safety`).
"""

import calendar
import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Dates = npt.NDArray[np.datetime64]
Words = npt.NDArray[np.object_]

# A missing month voids the day: 2024---20 is a year. A time may follow; 20240315 is not extended ISO 8601.
_ISO = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:$|[T ]|-(?!\d))")
_DAY = "datetime64[D]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """First and last possible day of each text (NaT when it says nothing), and what is missing.

    `missing` is `""` (a complete date, or no date at all), `"D"` (the day) or `"M"` (month and day).
    """

    first: Dates
    last: Dates
    missing: Words


def span(texts: Iterable[object]) -> Span:
    """Days that each ISO 8601 text allows.

    Parameters
    ----------
    texts : iterable of object
        `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or with a time after it; dates and timestamps are read by their text.
        Anything else, and an impossible date, says nothing.

    Returns
    -------
    Span

    Examples
    --------
    >>> found = span(["2024-02", "2024---20", "2024-03-05T06:00", "2023-02-30", None])
    >>> found.first.astype(str).tolist()
    ['2024-02-01', '2024-01-01', '2024-03-05', 'NaT', 'NaT']
    >>> found.last.astype(str).tolist(), found.missing.tolist()
    (['2024-02-29', '2024-12-31', '2024-03-05', 'NaT', 'NaT'], ['D', 'M', '', '', ''])
    """
    given = list(texts)
    if not any(text is not None for text in given):
        nothing = np.full(len(given), np.datetime64("NaT", "D"))
        return Span(first=nothing, last=nothing.copy(), missing=np.full(len(given), "", dtype=object))
    words = ["" if text is None else str(text).strip() for text in given]
    known = {word: _bounds(word) for word in set(words)}
    rows = [known[word] for word in words]
    return Span(
        first=np.array([row[0] for row in rows], dtype=_DAY),
        last=np.array([row[1] for row in rows], dtype=_DAY),
        missing=np.array([row[2] for row in rows], dtype=object),
    )


def _bounds(word: str) -> tuple[np.datetime64, np.datetime64, str]:
    """First day, last day and missing part of one text."""
    nothing = (np.datetime64("NaT", "D"), np.datetime64("NaT", "D"), "")
    parts = _ISO.match(word)
    if parts is None:
        return nothing
    year, month, day = parts.groups()
    try:
        if day is not None:
            date = np.datetime64(f"{year}-{month}-{day}", "D")
            return date, date, ""
        if month is not None:
            start = np.datetime64(f"{year}-{month}", "M")
            return (
                start.astype(_DAY),
                (start + np.timedelta64(1, "M")).astype(_DAY) - np.timedelta64(1, "D"),
                "D",
            )
    except ValueError:
        return nothing
    start = np.datetime64(year, "Y")
    return start.astype(_DAY), (start + np.timedelta64(1, "Y")).astype(_DAY) - np.timedelta64(1, "D"), "M"


# --- one text, one imputed date ------------------------------------------------------------------

IMPUTABLE = ("n", "D", "M")
"""What a rule may put in: nothing, the day, or the month and the day."""

_WITH_GAPS = re.compile(
    r"(?P<year>[0-9]{4}|-)(?:-(?P<month>[0-9]{2}|-)(?:-(?P<day>[0-9]{2}|-)(?P<time>T.*)?)?)?"
)
_TIME = re.compile(
    r"T(?:-|[01][0-9]|2[0-3]|24(?=(?::00){0,2}(?:\.0+)?$))"
    r"(?::(?:-|[0-5][0-9])(?::(?:-|(?:[0-5][0-9]|60)(?:[.,][0-9]+)?))?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_MONTH_AND_DAY = re.compile(r"([0-9]{2})-([0-9]{2})")
_MIDDLE_OF_MONTH, _MIDDLE_OF_YEAR = 15, (6, 30)


class NoDateError(ValueError):
    """A text that is no date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Year, month and day that a text tells; None where it does not."""

    year: int | None
    month: int | None
    day: int | None


def impute(
    text: str,
    *,
    highest: str,
    rule: str,
    preserve: bool = False,
    min_date: dt.date | None = None,
    max_date: dt.date | None = None,
) -> tuple[dt.date | None, str]:
    """The date of one ISO 8601 text, what it lacks put in by a rule.

    Parameters
    ----------
    text : str
        Extended ISO 8601, a missing part left out or written as `-` (`2024-03`, `2024---15`), perhaps with a
        time behind it.
    highest : {"n", "D", "M"}
        The highest part that may be put in: nothing, the day, or the month and the day.
    rule : str
        `first`, `mid`, `last`, or a month and day `MM-DD`; of a known month its last day is taken where it
        has no such day.
    preserve : bool
        Keep a day that is told though its month is missing.
    min_date, max_date : date, optional
        An imputed date is moved up to `min_date`, then down to `max_date`, if the text allows that date.

    Returns
    -------
    (date or None, str)
        The date, and `D` (the day was put in), `M` (the month, too) or an empty text.

    Raises
    ------
    NoDateError
        When the text is no such text, or no such day is in the calendar.
    ValueError
        When a choice is unknown.

    Examples
    --------
    >>> date, flag = impute("2024---15", highest="M", rule="mid", preserve=True)
    >>> date.isoformat(), flag
    ('2024-06-15', 'M')
    """
    if highest not in IMPUTABLE:
        raise ValueError(f"highest must be one of {', '.join(IMPUTABLE)}, got {highest!r}")
    month_of_rule, day_of_rule = _filling(rule)
    parts = _parts(text)
    if parts.year is None:
        return None, ""
    if parts.month is not None and parts.day is not None:
        return dt.date(parts.year, parts.month, parts.day), ""
    if highest == "n" or (highest == "D" and parts.month is None):
        return None, ""
    month = parts.month or month_of_rule
    kept = parts.day if preserve else None
    if kept is not None:
        day = kept
    elif rule == "mid" and parts.month is not None:
        day = _MIDDLE_OF_MONTH
    else:
        day = day_of_rule
    imputed = dt.date(parts.year, month, min(day, _days_of(parts.year, month)))
    first = dt.date(parts.year, parts.month or 1, 1)
    last_month = parts.month or 12
    last = dt.date(parts.year, last_month, _days_of(parts.year, last_month))
    if min_date is not None and first <= min_date <= last:
        imputed = max(imputed, min_date)
    if max_date is not None and first <= max_date <= last:
        imputed = min(imputed, max_date)
    return imputed, "M" if parts.month is None else "D"


def _filling(rule: str) -> tuple[int, int]:
    """Month and day that a rule puts in; a day beyond the month means its last one."""
    named = {"first": (1, 1), "mid": _MIDDLE_OF_YEAR, "last": (12, 31)}
    if rule in named:
        return named[rule]
    match = _MONTH_AND_DAY.fullmatch(rule)
    if match is None or not _is_day(2000, int(match[1]), int(match[2])):
        raise ValueError(f'rule must be "first", "mid", "last" or a month and day "MM-DD", got {rule!r}')
    return int(match[1]), int(match[2])


def _parts(text: str) -> _Parts:
    match = _WITH_GAPS.fullmatch(text)
    if match is None:
        raise NoDateError("this is no date in extended ISO 8601")
    if match["time"] is not None and not _TIME.fullmatch(match["time"]):
        raise NoDateError("the time behind the date is no time in extended ISO 8601")
    told = {
        name: None if match[name] in (None, "-") else int(match[name]) for name in ("year", "month", "day")
    }
    parts = _Parts(**told)
    # 2000 is a leap year: a 29 February of an unknown year may have been.
    year, month, day = (
        usual if part is None else part
        for part, usual in ((parts.year, 2000), (parts.month, 1), (parts.day, 1))
    )
    if not _is_day(year, month, day):
        raise NoDateError("there is no such day in the calendar")
    return parts


def _is_day(year: int, month: int, day: int) -> bool:
    return 1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= _days_of(year, month)


def _days_of(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]
