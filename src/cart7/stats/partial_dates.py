"""Partial dates: the first and last day that ISO 8601 text can mean.

Here: text to the bounds of the dates it allows, whole columns at once, and which part is missing. Not here:
which of them stands for the date of an event, and bounds from a subject's course (`safety`).
"""

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
