"""Laboratory grades of CTCAE 5.0 and 6.0, as data: the cuts of each term, and the units it is given in.

Here: which bound makes which grade, and arrays of values graded by it. Not here: reading frames and naming
what is wrong in them (`grading`), baselines and worst grades of a study (`laboratory`). The text of CTCAE is
public (US National Cancer Institute); parts that need symptoms are graded at their worst.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
When: TypeAlias = Literal[
    "always", "baseline normal", "baseline high", "baseline low", "baseline not low", "beyond limit",
    "above baseline",
]  # fmt: skip

VERSIONS = ("5.0", "6.0")
# 1.5 x 0.1 is 0.15000000000000002 in binary: bounds are compared at 12 significant digits.
TOLERANCE = 1e-12

_COUNT = {
    "10^9/l": 1.0, "10e9/l": 1.0, "x10^9/l": 1.0, "10^3/ul": 1.0, "x10^3/ul": 1.0, "k/ul": 1.0, "giga/l": 1.0,
    "/mm3": 1e-3, "/ul": 1e-3, "cells/ul": 1e-3, "10^6/l": 1e-3,
}  # fmt: skip
_ENZYME = {"u/l": 1.0, "iu/l": 1.0}
_MOLAR = {"mmol/l": 1.0, "meq/l": 1.0}
UNITS: Mapping[str, Mapping[str, float]] = {
    "count": _COUNT,
    "enzyme": _ENZYME,
    "electrolyte": _MOLAR,
    "haemoglobin": {"g/l": 1.0, "g/dl": 10.0, "mmol/l": 16.114},
    "protein": {"g/l": 1.0, "g/dl": 10.0},
    "fibrinogen": {"g/l": 1.0, "mg/dl": 0.01},
    "creatinine": {"umol/l": 1.0, "mg/dl": 88.42},
    "bilirubin": {"umol/l": 1.0, "mg/dl": 17.10},
    "calcium": {"mmol/l": 1.0, "mg/dl": 0.2495},
    "magnesium": {"mmol/l": 1.0, "mg/dl": 0.4114},
    "glucose": {"mmol/l": 1.0, "mg/dl": 0.0555},
    "ratio": {"ratio": 1.0, "1": 1.0, "inr": 1.0},
    "time": {"s": 1.0, "sec": 1.0, "seconds": 1.0},
}
"""Factor of each unit to the one the cuts are in, by kind of quantity; units in lower case."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A bound beyond which a value has a grade; strict unless `inclusive`.

    `of` says what `bound` multiplies or is added to: nothing (`value`), the limit of normal (`limit`,
    `limit plus`: ULN for high terms, LLN for low ones) or the baseline.
    """

    grade: int
    of: Literal["value", "limit", "limit plus", "baseline"]
    bound: float
    when: When = "always"
    inclusive: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """A CTCAE term: its direction, the kind of quantity and its cuts."""

    name: str
    direction: Literal["L", "H"]
    kind: str
    cuts: tuple[Cut, ...]
    remark: str = ""


def _low(name: str, kind: str, *bounds: tuple[int, float], limit: int | None = 1, remark: str = "") -> Term:
    """A low term: grade `limit` below the LLN, then absolute bounds."""
    first = () if limit is None else (Cut(limit, "limit", 1),)
    return Term(name, "L", kind, (*first, *(Cut(grade, "value", bound) for grade, bound in bounds)), remark)


def _high(name: str, kind: str, *bounds: tuple[int, float], limit: int | None = 1) -> Term:
    """A high term: grade `limit` above the ULN, then absolute bounds."""
    first = () if limit is None else (Cut(limit, "limit", 1),)
    return Term(name, "H", kind, (*first, *(Cut(grade, "value", bound) for grade, bound in bounds)))


def _multiples(
    name: str, kind: str, *multiples: float, grades: tuple[int, ...] = (1, 2, 3, 4), remark: str = ""
) -> Term:
    """A high term in multiples of the ULN."""
    cuts = tuple(Cut(grade, "limit", multiple) for grade, multiple in zip(grades, multiples, strict=False))
    return Term(name, "H", kind, cuts, remark)


def _with_baseline(term: Term, *multiples: float, inclusive: bool) -> Term:
    """The term with multiples of a baseline above the ULN in place of multiples of the ULN."""
    normal = tuple(replace(cut, when="baseline normal") for cut in term.cuts if cut.of == "limit")
    high = tuple(
        Cut(grade, "baseline", multiple, "baseline high", inclusive and grade == 1)
        for grade, multiple in enumerate(multiples, start=1)
    )
    return replace(term, cuts=normal + high)


_ALT = _multiples("Alanine aminotransferase increased", "enzyme", 1, 3, 5, 20)
_AST = _multiples("Aspartate aminotransferase increased", "enzyme", 1, 3, 5, 20)
_ALP = _multiples("Alkaline phosphatase increased", "enzyme", 1, 2.5, 5, 20)
_GGT = _multiples("GGT increased", "enzyme", 1, 2.5, 5, 20)
_BILI = _multiples("Blood bilirubin increased", "bilirubin", 1, 1.5, 3, 10)
_CREAT = _multiples("Creatinine increased", "creatinine", 1, 1.5, 3, 6)
_SYMPTOMS = "symptoms not known, graded at the worst"

_TERMS_5 = (
    _low("Anemia", "haemoglobin", (2, 100), (3, 80)),
    Term("Hemoglobin increased", "H", "haemoglobin",
         (Cut(1, "limit", 1), Cut(2, "limit plus", 20), Cut(3, "limit plus", 40))),
    _low("Platelet count decreased", "count", (2, 75), (3, 50), (4, 25)),
    _low("Neutrophil count decreased", "count", (2, 1.5), (3, 1.0), (4, 0.5)),
    _low("White blood cell decreased", "count", (2, 3), (3, 2), (4, 1)),
    _high("Leukocytosis", "count", (3, 100), limit=None),
    _low("Lymphocyte count decreased", "count", (2, 0.8), (3, 0.5), (4, 0.2)),
    _high("Lymphocyte count increased", "count", (2, 4), (3, 20), limit=None),
    _low("CD4 lymphocytes decreased", "count", (2, 0.5), (3, 0.2), (4, 0.05)),
    _with_baseline(_ALT, 1.5, 3, 5, 20, inclusive=True),
    _with_baseline(_AST, 1.5, 3, 5, 20, inclusive=True),
    _with_baseline(_ALP, 2, 2.5, 5, 20, inclusive=True),
    _with_baseline(_GGT, 2, 2.5, 5, 20, inclusive=True),
    _with_baseline(_BILI, 1, 1.5, 3, 10, inclusive=False),
    replace(_CREAT, cuts=(*_CREAT.cuts, Cut(2, "baseline", 1.5), Cut(3, "baseline", 3))),
    Term("Fibrinogen decreased", "L", "fibrinogen",
         (*(Cut(grade, "limit", share) for grade, share in ((1, 1), (2, 0.75), (3, 0.5), (4, 0.25))),
          Cut(4, "value", 0.5),
          Cut(2, "baseline", 0.75, "beyond limit", True), Cut(3, "baseline", 0.5, "beyond limit", True),
          Cut(4, "baseline", 0.25, "beyond limit", True))),
    _high("INR increased", "ratio", (1, 1.2), (2, 1.5), (3, 2.5), limit=None),
    _multiples("Activated partial thromboplastin time prolonged", "time", 1, 1.5, 2.5),
    _multiples("CPK increased", "enzyme", 1, 2.5, 5, 10),
    _multiples("Blood lactate dehydrogenase increased", "enzyme", 1),
    _multiples("Lipase increased", "enzyme", 1, 1.5, 2, 5, remark=_SYMPTOMS),
    _multiples("Serum amylase increased", "enzyme", 1, 1.5, 2, 5, remark=_SYMPTOMS),
    _high("Hyperkalemia", "electrolyte", (2, 5.5), (3, 6), (4, 7)),
    _low("Hypokalemia", "electrolyte", (3, 3.0), (4, 2.5), limit=2, remark=_SYMPTOMS),
    _high("Hypernatremia", "electrolyte", (2, 150), (3, 155), (4, 160)),
    Term("Hyponatremia", "L", "electrolyte",
         (Cut(1, "limit", 1), Cut(3, "value", 129, inclusive=True), Cut(4, "value", 120)), _SYMPTOMS),
    _high("Hypercalcemia", "calcium", (2, 2.9), (3, 3.1), (4, 3.4)),
    _low("Hypocalcemia", "calcium", (2, 2.0), (3, 1.75), (4, 1.5)),
    _high("Hypermagnesemia", "magnesium", (3, 1.23), (4, 3.30)),
    _low("Hypomagnesemia", "magnesium", (2, 0.5), (3, 0.4), (4, 0.3)),
    _low("Hypoalbuminemia", "protein", (2, 30), (3, 20)),
    _low("Hypoglycemia", "glucose", (2, 3.0), (3, 2.2), (4, 1.7)),
)  # fmt: skip

_NOT_IN_6 = ("Platelet count decreased", "Lymphocyte count decreased", "CPK increased")
_ONLY_6 = (
    _low("Thrombocytopenia", "count", (2, 75), (3, 50), (4, 10)),
    _low("Neutrophil count decreased", "count", (1, 1.5), (2, 1.0), (3, 0.5), (4, 0.1), limit=None),
    _with_baseline(_ALT, 1, 1.5, 2, 4, inclusive=True),
    _with_baseline(_AST, 1, 1.5, 2, 4, inclusive=True),
    replace(_ALP, cuts=(Cut(1, "limit", 1, "above baseline"),)),
    _with_baseline(_GGT, 1, 1.5, 3, 10, inclusive=True),
    _with_baseline(_BILI, 1, 1.5, 2.5, 10, inclusive=True),
    replace(_CREAT, cuts=(
        Cut(1, "limit", 1), Cut(2, "limit", 1.5, "baseline not low"), Cut(3, "limit", 3, "baseline not low"),
        Cut(2, "baseline", 1.5, "baseline low"), Cut(3, "baseline", 3, "baseline low"), Cut(4, "limit", 6))),
    Term("Hyponatremia", "L", "electrolyte",
         (Cut(1, "limit", 1), Cut(3, "value", 130), Cut(4, "value", 120)), _SYMPTOMS),
)  # fmt: skip

TERMS: Mapping[str, Mapping[str, Term]] = {
    "5.0": {term.name: term for term in _TERMS_5},
    "6.0": {**{term.name: term for term in _TERMS_5 if term.name not in _NOT_IN_6},
            **{term.name: term for term in _ONLY_6}},
}  # fmt: skip
"""The terms of each version by name."""

SYNONYMS: Mapping[str, Mapping[str, str]] = {
    "5.0": {},
    "6.0": {"Platelet count decreased": "Thrombocytopenia"},
}
"""Terms that a version grades under another name."""

ALIASES = {"hypocalcemia (corrected)": "Hypocalcemia", "hypercalcemia (corrected)": "Hypercalcemia"}
KNOWN = {name.lower(): name for version in VERSIONS for name in TERMS[version]} | ALIASES
"""Every term of any version, by its lower-case spelling."""

TESTS: Mapping[str, tuple[str, str]] = {
    "ANC": ("Neutrophil count decreased", ""), "PLT": ("Platelet count decreased", ""),
    "ALC": ("Lymphocyte count decreased", "Lymphocyte count increased"),
    "HGB": ("Anemia", "Hemoglobin increased"), "WBC": ("White blood cell decreased", "Leukocytosis"),
    "ALT": ("", "Alanine aminotransferase increased"), "AST": ("", "Aspartate aminotransferase increased"),
    "ALP": ("", "Alkaline phosphatase increased"), "GGT": ("", "GGT increased"),
    "BILI": ("", "Blood bilirubin increased"), "CREAT": ("", "Creatinine increased"),
    "CK": ("", "CPK increased"), "LDH": ("", "Blood lactate dehydrogenase increased"),
    "ALB": ("Hypoalbuminemia", ""), "K": ("Hypokalemia", "Hyperkalemia"),
    "SODIUM": ("Hyponatremia", "Hypernatremia"), "CA": ("Hypocalcemia", "Hypercalcemia"),
    "MG": ("Hypomagnesemia", "Hypermagnesemia"), "GLUC": ("Hypoglycemia", ""),
    "FIBRINO": ("Fibrinogen decreased", ""), "INR": ("", "INR increased"),
    "APTT": ("", "Activated partial thromboplastin time prolonged"),
}  # fmt: skip
"""Low and high term of each laboratory test."""


def factor(kind: str, unit: object) -> float:
    """Factor of a unit to the one the cuts of a kind of quantity are in; NaN when it is not known.

    Examples
    --------
    >>> factor("haemoglobin", "g/dL"), factor("haemoglobin", "furlong")
    (10.0, nan)
    """
    written = str(unit).strip().lower().replace(" ", "").replace("\u00b5", "u").replace("\u03bc", "u")
    return UNITS[kind].get(written.replace("10*", "10^"), np.nan)


def grades(
    term: Term,
    value: Floats,
    *,
    lln: Floats,
    uln: Floats,
    baseline: Floats,
    baseline_lln: Floats,
    baseline_uln: Floats,
) -> tuple[Floats, list[str]]:
    """Grades of the values of one term, in the unit of its cuts.

    Parameters
    ----------
    term : Term
        From `TERMS`.
    value, lln, uln : array of float
        Values and their own limits of normal; NaN where unknown.
    baseline, baseline_lln, baseline_uln : array of float
        Baseline and its limits; NaN for the baseline record itself and where there is none (a normal
        baseline).

    Returns
    -------
    grade : array of float
        0 to 4, NaN when the value or a limit that decides is missing.
    note : list of str
        Why a grade is missing, a lower bound, or unexpected.

    Examples
    --------
    >>> nothing = np.array([np.nan])
    >>> grades(TERMS["5.0"]["Anemia"], np.array([95.0]), lln=nothing, uln=nothing, baseline=nothing,
    ...        baseline_lln=nothing, baseline_uln=nothing)[0].tolist()
    [2.0]
    """
    low = term.direction == "L"
    limit = lln if low else uln
    state = {
        "always": np.ones(value.shape, dtype=bool),
        "baseline high": _beyond(baseline, baseline_uln, low=False),
        "baseline low": _beyond(baseline, baseline_lln, low=True),
        "beyond limit": _beyond(value, limit, low=low),
        "above baseline": ~(baseline >= value),
    }
    state["baseline normal"], state["baseline not low"] = ~state["baseline high"], ~state["baseline low"]
    bases = {"value": np.ones(value.shape), "limit": limit, "limit plus": limit, "baseline": baseline}
    grade, could_be = np.zeros(value.shape), np.zeros(value.shape)
    for cut in term.cuts:
        bound = bases[cut.of] + cut.bound if cut.of == "limit plus" else bases[cut.of] * cut.bound
        reached = state[cut.when] & _beyond(value, bound, low=low, inclusive=cut.inclusive)
        grade = np.where(reached, np.maximum(grade, cut.grade), grade)
        unknown = state[cut.when] & np.isnan(bound) & (cut.of != "baseline")
        could_be = np.where(unknown, np.maximum(could_be, cut.grade), could_be)
    open_grade = (grade == 0) & (could_be > 0)
    graded = np.where(np.isnan(value) | open_grade, np.nan, grade)
    return graded, _notes(term, value, graded, limit, could_be)


def _beyond(value: Floats, bound: Floats, *, low: bool, inclusive: bool = False) -> Flags:
    """Whether a value is below (or above) a bound, equal at 12 digits counting as equal."""
    room = TOLERANCE * np.abs(bound)
    if low:
        beyond: Flags = value <= bound + room if inclusive else value < bound - room
        return beyond
    beyond = value >= bound - room if inclusive else value > bound + room
    return beyond


def _notes(term: Term, value: Floats, grade: Floats, limit: Floats, could_be: Floats) -> list[str]:
    name = "LLN" if term.direction == "L" else "ULN"
    normal = (value >= limit) if term.direction == "L" else (value <= limit)
    cases = (
        (np.isnan(value), "value missing"),
        (~np.isnan(value) & np.isnan(grade), f"{name} missing"),
        ((grade > 0) & (could_be > grade), f"{name} missing, the grade is a lower bound"),
        ((grade > 0) & normal, "within the limits of normal, graded by another bound"),
        ((grade > 0) & (term.remark != ""), term.remark),
    )
    note = np.full(len(value), "", dtype=object)
    for case, text in cases:
        rows = np.flatnonzero(case)
        note[rows] = [f"{old}; {text}" if old else text for old in note[rows]]
    words: list[str] = note.tolist()
    return words
