"""Table cells: numbers, counts, rates and intervals as text, and the shape that every table has.

Here: rounding at print (half away from zero, once), missing numbers as their note, footnotes, and the
columns of the groups. Not here: which tables there are (`tables_*`), or any statistic.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import pandas as pd

from cart7.report.canvas import ALL, group_name, ordered
from cart7.results import format_count, format_number, round_half_up

NOT_ESTIMABLE = "not estimable"
NOT_REACHED = "not reached"
LETTERS = "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"
SHORT_NOTE = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table; `kind` is empty, `head` (a heading), `sub` (indented) or `total`."""

    cells: tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as it is printed: texts only.

    Attributes
    ----------
    name, title : str
        Id within the page, and caption.
    columns : tuple of str
        Header texts; a line feed separates lines.
    rows : tuple of Row
        As many cells as columns; a `head` row may have one cell.
    words : tuple of int
        Columns of words, set flush left (the first always is).
    population, method : str
        Whom it counts and how the numbers were obtained, printed with the table.
    notes : tuple of str
        Footnotes.
    empty : str
        Printed instead of the table when it has no rows.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    words: tuple[int, ...] = ()
    population: str = ""
    method: str = ""
    notes: tuple[str, ...] = ()
    empty: str = "No rows."


@dataclass(slots=True)
class Footnotes:
    """Reasons of missing numbers: short ones stand in the cell, long ones get a letter."""

    texts: list[str] = field(default_factory=list)

    def missing(self, note: object, word: str = NOT_ESTIMABLE) -> str:
        """What stands in the cell of a missing number."""
        text = "" if note is None or note is pd.NA else str(note).strip()
        if text in ("", "nan", "None"):
            return word
        if len(text) <= SHORT_NOTE:
            return text
        return f"{word} {self.letter(text)}" if word else self.letter(text)

    def letter(self, text: str) -> str:
        """Superscript letter of a footnote; the same text keeps its letter."""
        if text not in self.texts:
            self.texts.append(text)
        place = self.texts.index(text)
        return LETTERS[place % len(LETTERS)] * (1 + place // len(LETTERS))

    def lines(self) -> tuple[str, ...]:
        """The footnotes with their letters."""
        return tuple(f"{self.letter(text)} {text}" for text in self.texts)


def known(x: object) -> bool:
    """Whether a cell holds a finite number."""
    return not (x is None or x is pd.NA) and isinstance(x, Real) and math.isfinite(x)


def number(x: Any, digits: int = 0, note: object = "", footnotes: Footnotes | None = None) -> str:
    """A number with fixed decimals, or its note."""
    if known(x):
        return _signed(format_number(float(x), digits))
    return (footnotes or Footnotes()).missing(note)


def significant(x: Any, digits: int = 3, note: object = "", footnotes: Footnotes | None = None) -> str:
    """A number with at least `digits` significant digits and no exponent, or its note.

    Examples
    --------
    >>> significant(0.06649), significant(9.39), significant(1560.0), significant(0)
    ('0.0665', '9.39', '1560', '0')
    """
    if not known(x):
        return (footnotes or Footnotes()).missing(note)
    value = float(x)
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    if decimals <= 0:
        return _signed(format_number(value, 0))
    # 9.996 is 10.0 with three digits, not 10.00.
    rounded = abs(round_half_up(value, decimals))
    decimals = digits - 1 - math.floor(math.log10(rounded)) if rounded else decimals
    return format_number(value, max(decimals, 0))


def _signed(text: str) -> str:
    """A true minus sign; digits stay together, so that a number can be searched and copied."""
    return text.replace("-", "\u2212")


def day(x: Any, note: object = "", footnotes: Footnotes | None = None) -> str:
    """A day or duration: whole and half days short, sampling times with two decimals."""
    if not known(x):
        return (footnotes or Footnotes()).missing(note)
    value = float(x)
    if value.is_integer():
        return _signed(format_number(value, 0))
    return _signed(format_number(value, 1 if (2 * value).is_integer() else 2))


def percent(fraction: Any, digits: int = 1) -> str:
    """A fraction as a percentage without its sign; 0 and 100 without decimals."""
    if not known(fraction):
        return NOT_ESTIMABLE
    text = format_number(100 * float(fraction), digits)
    return {f"{0:.{digits}f}": "0", f"{100:.{digits}f}": "100"}.get(text, text)


def interval(low: Any, high: Any, show: Callable[[Any], str], missing: str = NOT_ESTIMABLE) -> str:
    """Two limits in brackets; a missing one in words."""
    if not known(low) and not known(high):
        return f"[{missing}]"
    return f"[{show(low) if known(low) else missing}, {show(high) if known(high) else missing}]"


def rate(
    x: Any, n: Any, low: Any, high: Any, note: object = "", *, nobody: str = f"0/0 {NOT_ESTIMABLE}"
) -> str:
    """`x/n (percent) [limits]`: nobody of three is `0/3 [0, 70.8]`.

    Examples
    --------
    >>> rate(6, 9, 0.299, 0.925), rate(0, 3, 0.0, 0.708), rate(0, 0, float("nan"), float("nan"))
    ('6/9 (66.7) [29.9, 92.5]', '0/3 [0, 70.8]', '0/0 not estimable')
    """
    if not known(x) or not known(n):
        return Footnotes().missing(note)
    if int(n) == 0:
        return nobody
    share = format_count(int(x), int(n)).partition(" ")[2]
    return f"{int(x)}/{int(n)}" + (f" {share}" if share else "") + f" {interval(low, high, percent)}"


def count(x: Any, n: Any, note: object = "") -> str:
    """`n (percent)` of the denominator."""
    if not known(x) or not known(n):
        return Footnotes().missing(note, "not available")
    return format_count(int(x), int(n))


def flag(x: Any, note: object = "", footnotes: Footnotes | None = None) -> str:
    """1 and 0 as yes and no."""
    if isinstance(x, bool):
        return "yes" if x else "no"
    if not known(x):
        return (footnotes or Footnotes()).missing(note, "not evaluable")
    return "yes" if float(x) == 1 else "no"


def word(x: Any, missing: str = "") -> str:
    """A text as it stands; missing stays empty or says so."""
    return missing if x is None or x is pd.NA or (isinstance(x, float) and math.isnan(x)) else str(x)


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The groups of the page, in order, with their names, sizes and planned doses."""

    labels: tuple[str, ...]
    by: str | None
    n: Mapping[str, int]
    doses: Mapping[str, str]
    of_subject: Mapping[str, str]

    def name(self, label: str) -> str:
        """What the group is called."""
        return group_name(label, self.by)

    def head(self, label: str, *, sized: bool = True) -> str:
        """Column header: name, planned dose, and (`sized`) how many are infused."""
        lines = [self.name(label)]
        if label in self.doses:
            lines.append(self.doses[label])
        if sized and label in self.n:
            lines.append(f"N = {self.n[label]}")
        return "\n".join(lines)

    def heads(self, *, sized: bool = True) -> tuple[str, ...]:
        """Column headers of all groups."""
        return tuple(self.head(label, sized=sized) for label in self.labels)

    def across(
        self, rows: Sequence[Mapping[Any, Any]], cell: Callable[[Mapping[Any, Any]], str]
    ) -> tuple[str, ...]:
        """One cell per group from rows that have a `group`; a group without a row stays empty."""
        found = {str(row["group"]): row for row in rows}
        return tuple(cell(found[label]) if label in found else "" for label in self.labels)


def groups_of(analysis: Any) -> Groups:
    """The groups of an analysis: its accounting, the subjects' levels, the planned dose of each level."""
    accounting = analysis.accounting
    by = getattr(analysis.plan, "by", "dose_level")
    course = getattr(analysis, "course", None)
    level = (
        {}
        if course is None
        else dict(zip(course["subject_id"].astype(str), course["group"].astype(str), strict=True))
    )
    n = {
        str(group): int(size)
        for group, size in zip(accounting["group"], accounting["n_infused"], strict=True)
    }
    return Groups(
        labels=tuple(ordered(accounting["group"])) or (ALL,), by=by, n=n, of_subject=level,
        doses=_planned(getattr(analysis, "cell_dose", None), level),
    )  # fmt: skip


def _planned(cell_dose: Any, level: Mapping[str, str]) -> dict[str, str]:
    """The planned dose of a level, where all its subjects have the same."""
    if cell_dose is None or "planned_dose_1e6_kg" not in cell_dose.subjects.columns:
        return {}
    planned: dict[str, set[float]] = {}
    rows = cell_dose.subjects[["subject_id", "planned_dose_1e6_kg"]]
    for subject, dose in rows.itertuples(index=False, name=None):
        if known(dose) and str(subject) in level:
            planned.setdefault(level[str(subject)], set()).add(float(dose))
    return {
        label: f"{next(iter(doses)):g} × 10⁶/kg"
        for label, doses in planned.items()
        if len(doses) == 1 and label != ALL
    }


def per_key(frame: pd.DataFrame, keys: Sequence[str]) -> dict[tuple[Any, ...], list[dict[Any, Any]]]:
    """Rows of a frame by their key, in order of appearance."""
    found: dict[tuple[Any, ...], list[dict[Any, Any]]] = {}
    for row in frame.to_dict("records"):
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def geometric_mean(row: Mapping[Any, Any], footnotes: Footnotes) -> str:
    """Geometric mean with its CV in %."""
    if not known(row["geo_mean"]):
        return footnotes.missing(row.get("note"))
    spread = significant(row["geo_cv_percent"]) if known(row["geo_cv_percent"]) else "one value"
    return f"{significant(row['geo_mean'])} ({spread})"


def median_quartiles(row: Mapping[Any, Any], footnotes: Footnotes) -> str:
    """Median with its quartiles."""
    if not known(row["median"]):
        return footnotes.missing(row.get("note"))
    return f"{significant(row['median'])} {interval(row['q1'], row['q3'], significant)}"


def least_to_most(row: Mapping[Any, Any], footnotes: Footnotes) -> str:
    """Least and greatest value."""
    if not known(row["min"]):
        return footnotes.missing(row.get("note"))
    return f"{significant(row['min'])} to {significant(row['max'])}"


def by_level(frame: pd.DataFrame, groups: Groups, then: tuple[str, ...] = ()) -> list[dict[Any, Any]]:
    """Rows by `then`, level and subject."""
    place = {label: number for number, label in enumerate(groups.labels)}
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    return sorted(rows,
                  key=lambda row: (tuple(word(row.get(name)) for name in then),
                                         place.get(groups.of_subject.get(str(row["subject_id"]), ""), 99),
                                         str(row["subject_id"])))  # fmt: skip
