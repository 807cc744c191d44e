"""One cell: the text that was found, and the number, date or word it stands for.

Here: how a text is read as a number, whole number, grade, date, closed word, usual word, visit or
subject id; what is repaired by which rule and what is refused. Each distinct text is read once.
Not here: columns, rows and tables (`checks.tables`).
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

from cart7.records import LARGEST_WHOLE, Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is to be said about a text: the finding without its place."""

    rule: str
    severity: str
    message: str
    new_value: str | None = None
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A text as a value (None when missing or refused) and the notes about it."""

    value: object = None
    notes: tuple[Note, ...] = field(default=())


BLANK = Reading()
Reader = Callable[[object], Reading]

_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_PLAIN_LETTERS = frozenset("0123456789.+-")
"""What Python reads as a number, written with these letters alone, is plain."""
_EXPONENT = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))[eE][+-]?[0-9]+")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+|[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+")
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_NOTHING = frozenset({"NA", "N/A", "."})

LONGEST_DAYS = 36_525

_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_PARTIAL = re.compile(r"([0-9]{4})(?:-([0-9]{2}))?")
_DAY_AND_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ][0-9]{2}(?::?[0-9]{2}.*)?")
_DAY_MONTH_NAME = re.compile(r"([0-9]{1,2})[ -]?([A-Za-z]{3})[ -]?([0-9]{4})")
_SERIAL = re.compile(r"([0-9]{5})(?:\.[0-9]*)?")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_SERIAL_ZERO = dt.date(1899, 12, 30)
_SERIALS = range(18264, 73051)
"""Excel serials of 1950-01-01 to 2099-12-31."""

_ROMAN = {"I": "1", "II": "2", "III": "3", "IV": "4", "V": "5"}
_GRADE = re.compile(r"(?:GRADE|GR\.?|G)?[ ]*([0-9]|I{1,3}|IV|V)(?:\.0*)?")

SYNONYMS = {
    "completeresponse": "CR",
    "completeremission": "CR",
    "crwithincompleterecovery": "CRi",
    "crwithincompletehematologicrecovery": "CRi",
    "crwithincompletehaematologicrecovery": "CRi",
    "completeresponsewithincompleterecovery": "CRi",
    "completeremissionwithincompleterecovery": "CRi",
    "partialresponse": "PR",
    "partialremission": "PR",
    "stabledisease": "SD",
    "progressivedisease": "PD",
    "relapse": "PD",
    "relapseddisease": "PD",
    "noresponse": "NR",
    "notevaluable": "NE",
    "notdone": "ND",
    "male": "M",
    "female": "F",
    "yes": "Y",
    "no": "N",
    "1": "Y",
    "0": "N",
    "1.0": "Y",
    "0.0": "N",
    "true": "Y",
    "false": "N",
    "positive": "POS",
    "negative": "NEG",
    "unrelated": "NOT RELATED",
}
"""Words for a controlled term, without case, blanks, `_` and `-`; used where the term is allowed."""


def find(table: Mapping[str, str], text: str) -> str | None:
    """Entry of a word table, whatever the case, blanks, `_` and `-` of `text`."""
    return table.get(squeezed(text))


def squeezed(text: str) -> str:
    """Text without case, blanks, `_` and `-`."""
    return re.sub(r"[\s_\-]+", "", text).casefold()


def found(cell: object) -> str:
    """The text of a cell; whole floats of typed files lose their `.0`, dates are ISO 8601."""
    if isinstance(cell, dt.datetime):
        midnight = cell.time() == dt.time(0)
        return cell.date().isoformat() if midnight else cell.isoformat(sep=" ")
    if isinstance(cell, dt.date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)


def shown(value: object) -> str:
    """A value as text: the shortest that reads back to it."""
    return repr(float(value)) if isinstance(value, float) else str(value)


def refused(rule: str, message: str, fix: str = "") -> Reading:
    """No value, and an error that says why."""
    return Reading(notes=(Note(rule=rule, severity="error", message=message, fix=fix),))


def repaired(value: object, rule: str, message: str) -> Reading:
    """A value read in spite of how it is written."""
    new = "" if value is None else shown(value)
    return Reading(value=value, notes=(Note(rule=rule, severity="repair", message=message, new_value=new),))


def plain_values(cells: Sequence[object], column: Column) -> npt.NDArray[Any]:
    """Values of the cells that need no reading; missing where a reader must look.

    What is accepted here, a plain number within the column's range or a word without blanks around it,
    is what the readers return for it without a note.

    Examples
    --------
    >>> from cart7.records import TABLES
    >>> plain_values(["0.3", "1e3", "-1"], TABLES["labs"].columns["value"]).tolist()
    [0.3, nan, nan]
    """
    if column.kind == "str" and not column.allowed and not column.terms and column.name not in VISITS:
        return _plain_words(cells)
    if column.kind not in ("int", "float"):
        return np.full(len(cells), None, dtype=object)
    if column.name in GRADES:
        return np.full(len(cells), np.nan)
    numbers = _plain_numbers(cells)
    low, high = plain_range(column)
    sound = (numbers >= low) & (numbers <= high) & np.isfinite(numbers)
    if column.kind == "int" and column.name != "day":
        sound &= np.floor(numbers) == numbers
    return np.where(sound, numbers, np.nan)


def _plain_words(cells: Sequence[object]) -> npt.NDArray[np.object_]:
    """Words without blanks around them; missing where a cell holds anything else."""
    words = np.full(len(cells), None, dtype=object)
    if set(map(type, cells)) == {str} and all(cells):
        # One look at all letters together: where none is a blank, no cell has blanks around it.
        letters = "".join(map(str, cells))
        if letters.split() == [letters]:
            words[:] = cells
            return words
    words[:] = [cell if type(cell) is str and cell and cell == cell.strip() else None for cell in cells]
    return words


def _plain_numbers(cells: Sequence[object]) -> npt.NDArray[np.float64]:
    """Numbers as they are plainly written; missing where a cell holds anything else."""
    if set(map(type, cells)) == {str} and set("".join(map(str, cells))) <= _PLAIN_LETTERS:
        try:
            return np.array(list(map(float, map(str, cells))), dtype=np.float64)
        except ValueError:
            pass  # these letters can also be no number, as in 1.2.3: cell by cell
    number = _PLAIN.fullmatch
    return np.array(
        [float(cell) if type(cell) is float or (type(cell) is str and number(cell)) else np.nan
         for cell in cells], dtype=np.float64)  # fmt: skip


def plain_range(column: Column) -> tuple[float, float]:
    """Bounds within which a number of the column is read without a question."""
    limits: list[float] = [LONGEST_DAYS] if column.name.endswith("day") else []
    limits += [LARGEST_WHOLE] if column.kind == "int" else []
    low = [-limit for limit in limits] + ([] if column.low is None else [column.low])
    high = limits + ([] if column.high is None else [column.high])
    return max(low, default=-math.inf), min(high, default=math.inf)


def reader(column: Column) -> Reader:
    """How a column of the schema is read."""
    if column.kind == "date":
        return read_date
    if column.name in GRADES:
        return lambda cell: _within(read_grade(cell), cell, column)
    if column.kind == "float" or column.name == "day":
        return lambda cell: _within(read_number(cell), cell, column)
    if column.kind == "int":
        return lambda cell: _within(_whole(read_number(cell)), cell, column)
    if column.name in VISITS:
        return read_visit
    if column.allowed:
        return lambda cell: read_closed_word(found(cell), column.allowed)
    return lambda cell: read_word(found(cell), column.terms)


# --- numbers -------------------------------------------------------------------------------------


def read_number(cell: object) -> Reading:
    """A number: plain, or repaired from padding, an exponent, thousands commas or a decimal comma.

    Examples
    --------
    >>> [read_number(text).value for text in ("154.0", " 6.46E+04", "2,280", "6,3", "1,234,567.5")]
    [154.0, 64600.0, 2280.0, 6.3, 1234567.5]
    """
    if isinstance(cell, bool):
        return refused("NUMBER-UNREADABLE", "a number belongs here")
    if isinstance(cell, float):
        return _finite(Reading(value=cell))
    text = found(cell)
    if _PLAIN.fullmatch(text):
        return _finite(Reading(value=float(text)))
    bare = text.strip().replace("\u2212", "-")
    if not bare:
        return BLANK
    if bare in _NOTHING:
        return repaired(None, "D07-NUMBER-FORMAT", "a word for a missing number is read as blank")
    number, how = _written_otherwise(bare)
    if how:
        return _finite(repaired(number, "D07-NUMBER-FORMAT", f"the number is written with {how}"))
    if _INFINITE.fullmatch(bare):
        return refused("NUMBER-INFINITE", "a number must be finite")
    return refused(
        "NUMBER-UNREADABLE", "a number belongs here", "write digits and a decimal point, or leave it empty"
    )


def _written_otherwise(bare: str) -> tuple[float, str]:
    """The number and what is unusual about its writing; nothing unusual said when it is no number."""
    if _PLAIN.fullmatch(bare):
        return float(bare), "blanks around it"
    if _EXPONENT.fullmatch(bare):
        return float(bare), "an exponent"
    mantissa, mark, exponent = bare.replace("E", "e").partition("e")
    if not _THOUSANDS.fullmatch(mantissa) and not _DECIMAL_COMMA.fullmatch(mantissa):
        return math.nan, ""
    if mark and not re.fullmatch(r"[+-]?[0-9]+", exponent):
        return math.nan, ""
    if _THOUSANDS.fullmatch(mantissa):
        return float(mantissa.replace(",", "") + mark + exponent), "commas between thousands"
    return float(mantissa.replace(".", "").replace(",", ".") + mark + exponent), "a decimal comma"


def _finite(reading: Reading) -> Reading:
    value = reading.value
    if isinstance(value, float) and not math.isfinite(value):
        return refused("NUMBER-INFINITE", "a number must be finite")
    return reading


def _whole(reading: Reading) -> Reading:
    broken = isinstance(reading.value, float) and not reading.value.is_integer()
    return refused("NUMBER-NOT-WHOLE", "a whole number belongs here") if broken else reading


def _within(reading: Reading, cell: object, column: Column) -> Reading:
    """The reading, refused where it lies outside the column's range."""
    value, low, high = reading.value, column.low, column.high
    if not isinstance(value, float):
        return reading
    if low is not None and low >= 0 > value:
        return refused("NUMBER-NEGATIVE", f"{column.name} cannot be negative")
    if column.name.endswith("day") and abs(value) > LONGEST_DAYS:
        return refused("NUMBER-RANGE", f"{column.name} must lie within a hundred years of the infusion")
    if column.kind == "int" and abs(value) > LARGEST_WHOLE:
        return refused("NUMBER-RANGE", f"{column.name} is too large for a count")
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = f"at least {low:g}" if high is None else f"between {low or 0:g} and {high:g}"
        unit = f" {column.unit}" if column.unit not in ("", "1") else ""
        return refused("NUMBER-RANGE", f"{column.name} must be {bounds}{unit}")
    return reading


GRADES = frozenset({"grade", "baseline_grade"})


def read_grade(cell: object) -> Reading:
    """A grade: a whole number, or repaired from `III`, `Grade 3`, `G3`, `3.0`.

    Examples
    --------
    >>> [read_grade(text).value for text in ("3", "III", "Grade 3", "3.0")]
    [3.0, 3.0, 3.0, 3.0]
    """
    text = found(cell)
    if re.fullmatch(r"[0-9]", text):
        return Reading(value=float(text))
    bare = text.strip()
    if not bare:
        return BLANK
    if bare in _NOTHING:
        return repaired(None, "D17-GRADE", "a word for a missing grade is read as blank")
    match = _GRADE.fullmatch(bare.upper())
    if match:
        digit = _ROMAN.get(match[1], match[1])
        return Reading(
            value=float(digit),
            notes=(
                Note(
                    rule="D17-GRADE",
                    severity="repair",
                    message="the grade is written as text",
                    new_value=digit,
                ),
            ),
        )
    number = read_number(cell).value
    if number is None:
        return refused("NUMBER-UNREADABLE", "a grade belongs here", "write 1 to 5, or leave it empty")
    return _whole(Reading(value=number))


# --- dates ---------------------------------------------------------------------------------------


def read_date(cell: object) -> Reading:
    """A date as ISO 8601 text; a partial one as it stands, with a warning.

    Examples
    --------
    >>> [read_date(text).value for text in ("2022-01-21", "21JAN2022", "44582", "2022-01")]
    ['2022-01-21', '2022-01-21', '2022-01-21', '2022-01']
    """
    text = found(cell)
    bare = text.strip()
    if not bare:
        return BLANK
    if bare in _NOTHING:
        return repaired(None, "D25-DATE-FORMAT", "a word for a missing date is read as blank")
    iso = _iso_date(bare)
    if iso is None and _PARTIAL.fullmatch(bare) and _calendar(int(bare[:4]), int(bare[5:7] or 1), 1):
        partial = Note(
            rule="D03-PARTIAL-DATE",
            severity="warning",
            message="the date is partial; its day is unknown",
            fix="complete it if the source tells the day",
        )
        return Reading(value=bare, notes=(partial,))
    if iso is None:
        dated = _DAY.fullmatch(bare) or _PARTIAL.fullmatch(bare)
        what = "there is no such day in the calendar" if dated else "this is no date"
        return refused("DATE-UNREADABLE", what, "write it as YYYY-MM-DD")
    if iso == text:
        return Reading(value=iso)
    return repaired(iso, "D25-DATE-FORMAT", "the date is not written as YYYY-MM-DD")


def _iso_date(text: str) -> str | None:
    """The complete date that `text` writes in one of the known ways."""
    if match := _DAY_AND_TIME.fullmatch(text):
        text = match[1]
    if match := _DAY.fullmatch(text):
        return _calendar(int(match[1]), int(match[2]), int(match[3]))
    if (match := _DAY_MONTH_NAME.fullmatch(text)) and match[2].upper() in _MONTHS:
        return _calendar(int(match[3]), _MONTHS.index(match[2].upper()) + 1, int(match[1]))
    if (match := _SERIAL.fullmatch(text)) and int(match[1]) in _SERIALS:
        return (_SERIAL_ZERO + dt.timedelta(days=int(match[1]))).isoformat()
    return None


def _calendar(year: int, month: int, day: int) -> str | None:
    try:
        return dt.date(year, month, day).isoformat()
    except ValueError:
        return None


# --- words ---------------------------------------------------------------------------------------


def read_closed_word(text: str, allowed: tuple[str, ...]) -> Reading:
    """A word of a closed list, whatever its case and blanks, or a synonym of one.

    Examples
    --------
    >>> [read_closed_word(text, ("CR", "PD")).value for text in ("CR", "cr ", "Progressive disease")]
    ['CR', 'CR', 'PD']
    """
    if text in allowed:
        return Reading(value=text)
    if not text.strip():
        return BLANK
    synonym, bare = find(SYNONYMS, text), text.strip()
    word = bare if bare in allowed else synonym
    if word not in allowed:
        word = find({squeezed(term): term for term in allowed}, text)
    if word is not None:
        return repaired(word, "D12-TERM", "the term is written otherwise")
    if text.strip().upper() in _NOTHING:
        return repaired(None, "D12-TERM", "a word for a missing term is read as blank")
    near = get_close_matches(text.strip().upper(), [word.upper() for word in allowed], n=1)
    fix = f"did you mean {near[0]}?" if near else ""
    return refused("TERM-UNKNOWN", f"unknown term; allowed: {', '.join(allowed)}", fix)


def read_word(text: str, usual: tuple[str, ...]) -> Reading:
    """Free text without blanks around it; a usual word whatever its case and blanks.

    Examples
    --------
    >>> [read_word(text, ("QPCR", "FLOW")).value for text in ("qPCR", " FLOW", "ddPCR")]
    ['QPCR', 'FLOW', 'ddPCR']
    """
    bare = text.strip()
    if not bare:
        return BLANK
    word = bare if bare in usual else find({squeezed(term): term for term in usual}, bare)
    if word is None:
        synonym = find(SYNONYMS, bare)
        word = synonym if synonym in usual else bare
    return (
        Reading(value=word) if word == text else repaired(word, "D12-TERM", "the term is written otherwise")
    )


VISITS = frozenset({"visit", "nominal_label"})
_VISIT_WORDS = {
    "screening": "SCR",
    "screen": "SCR",
    "scr": "SCR",
    "unscheduled": "UNS",
    "unsch": "UNS",
    "uns": "UNS",
    "predose": "D0 PRE",
}
_INFUSION_PREFIX = re.compile(r"(I[2-9])[\s_\-]*(.*)", re.IGNORECASE)
_DAY_LABEL = re.compile(r"(?:DAY|D)[\s_+]*0*([0-9]+)(?:[\s_\-]*(PRE)(?:[\s_\-]*DOSE)?)?", re.IGNORECASE)
_MONTH_LABEL = re.compile(
    r"(?:MONTH|M)[\s_]*0*([1-9][0-9]*)|0*([1-9][0-9]*)[\s_]*(?:MONTHS?|M)", re.IGNORECASE
)
_WEEK_LABEL = re.compile(r"(?:WEEK|W)[\s_]*0*([1-9][0-9]*)", re.IGNORECASE)
_MONTH_DAYS = {days: f"M{days // 30}" for days in (60, 90, 180, 270, 360, 450, 540, 720)}
"""Nominal days that the schema labels by month; D30 is a visit of its own."""


def read_visit(cell: object) -> Reading:
    """A visit label: `SCR`, `D0 PRE`, `D28`, `M3`, `I2 D4`, `UNS`, whatever way it is written.

    Examples
    --------
    >>> [read_visit(text).value for text in ("D28", "Day 28", "D+28", "Week 4", "3M", "D90")]
    ['D28', 'D28', 'D28', 'D28', 'M3', 'M3']
    """
    text = found(cell)
    bare = text.strip()
    if not bare:
        return BLANK
    label = visit_label(bare)
    if label is None:
        label = bare
    return (
        Reading(value=label)
        if label == text
        else repaired(label, "D11-VISIT", "the visit is written otherwise")
    )


def visit_label(text: str) -> str | None:
    """The schema's label of a visit, None when the text is no known way to write one."""
    prefix, rest = "", text
    if match := _INFUSION_PREFIX.fullmatch(text):
        prefix, rest = match[1].upper() + " ", match[2]
    if not prefix and (word := find(_VISIT_WORDS, rest)):
        return word
    if match := _WEEK_LABEL.fullmatch(rest):
        return f"{prefix}D{7 * int(match[1])}"
    if match := _MONTH_LABEL.fullmatch(rest):
        return f"{prefix}M{match[1] or match[2]}"
    if match := _DAY_LABEL.fullmatch(rest):
        days = int(match[1])
        if match[2]:
            return f"{prefix}D{days} PRE"
        return prefix + (f"D{days}" if prefix else _MONTH_DAYS.get(days, f"D{days}"))
    return None


# --- subjects ------------------------------------------------------------------------------------


def _bare_id(text: str) -> str:
    return re.sub(r"[\s_\-]+", "-", text.strip().upper())


def _short_id(text: str) -> str:
    return re.sub(r"0*([0-9]+)", r"\1", _bare_id(text))


def subject_reader(known: Iterable[str]) -> Reader:
    """How a subject id is read: exactly, else by the one known subject it can only mean.

    Parameters
    ----------
    known : iterable of str
        Ids of the `subjects` table.

    Examples
    --------
    >>> read = subject_reader(["CD7-007", "CD7-010"])
    >>> [read(text).value for text in ("CD7-007", " cd7_007", "CD7-7", "CD7-011")]
    ['CD7-007', 'CD7-007', 'CD7-007', 'CD7-011']
    """
    subjects = frozenset(known)
    by_bare, by_short = _unique(subjects, _bare_id), _unique(subjects, _short_id)

    def read(cell: object) -> Reading:
        text = found(cell)
        if text in subjects:
            return Reading(value=text)
        if not text.strip():
            return BLANK
        subject = by_bare.get(_bare_id(text)) or by_short.get(_short_id(text))
        if subject is None:
            stranger = Note(
                rule="KEY-UNKNOWN-SUBJECT",
                severity="error",
                message="no such subject in subjects",
                fix=_nearest_subject(text.strip(), subjects),
            )
            return Reading(value=text.strip(), notes=(stranger,))
        return repaired(subject, "D10-SUBJECT-ID", "the subject id is written otherwise")

    return read


def _unique(subjects: Iterable[str], short: Callable[[str], str]) -> dict[str, str]:
    """Short form of an id to the id, where only one id has that form."""
    forms: dict[str, list[str]] = {}
    for subject in subjects:
        forms.setdefault(short(subject), []).append(subject)
    return {form: owners[0] for form, owners in forms.items() if len(owners) == 1}


def _nearest_subject(text: str, subjects: Iterable[str]) -> str:
    near = get_close_matches(text.upper(), sorted(subjects), n=1, cutoff=0.8)
    return f"did you mean {near[0]}?" if near else "add the subject, or correct the id"


def read_new_subject(cell: object) -> Reading:
    """A subject id where it is defined: as it stands, without blanks around it."""
    text = found(cell)
    bare = text.strip()
    if not bare:
        return BLANK
    return (
        Reading(value=bare)
        if bare == text
        else repaired(bare, "D10-SUBJECT-ID", "blanks around the subject id")
    )
