"""Measured values: below the limit, in another unit, impossible for their unit.

Here: the words for "below the limit of quantification", the units that are known and their factors,
the range beyond which a value cannot be true. Not here: the reading of a number (`checks.cells`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.checks.cells import (
    BLANK,
    VISITS,
    Reading,
    find,
    found,
    read_number,
    read_word,
    refused,
    repaired,
    shown,
    visit_label,
)
from cart7.checks.rows import dates
from cart7.checks.tables import Codes, Table

# --- below the limit -----------------------------------------------------------------------------

_BELOW = {
    word: flag
    for flag, words in {
        "BLQ": (
            "blq",
            "bloq",
            "bql",
            "blloq",
            "lloq",
            "<lloq",
            "<loq",
            "<blq",
            "<loq.",
            "belowlloq",
            "belowloq",
            "belowlimit",
            "belowlimitofquantification",
            "belowlimitofquantitation",
            "belowlowerlimitofquantification",
            "belowlowerlimitofquantitation",
            "belowthelimitofquantification",
            "belowquantificationlimit",
            "belowquantitationlimit",
            "belowquantifiablelimit",
        ),
        "ND": (
            "nd",
            "notdetected",
            "notdetectable",
            "nondetectable",
            "nondetected",
            "undetectable",
            "undetected",
            "<lod",
            "belowlod",
            "belowlimitofdetection",
            "belowdetectionlimit",
        ),
    }.items()
    for word in words
}
_BELOW_A_NUMBER = re.compile(r"(?:<=?|\u2264)\s*([0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?)")
_FLAG_WORDS = {
    **_BELOW,
    "y": "BLQ",
    "yes": "BLQ",
    "1": "BLQ",
    "true": "BLQ",
    "n": "",
    "no": "",
    "0": "",
    "false": "",
}


def below_word(cell: object) -> tuple[str, float] | None:
    """Flag (`BLQ` or `ND`) and stated limit (else NaN) of a text that says "below the limit".

    Examples
    --------
    >>> below_word("bloq"), below_word("Not detected"), below_word("< 50"), below_word("48")
    (('BLQ', nan), ('ND', nan), ('BLQ', 50.0), None)
    """
    if not isinstance(cell, str):
        return None
    text = cell.strip()
    flag = find(_BELOW, text.replace(".", ""))
    if flag is not None:
        return flag, float("nan")
    if match := _BELOW_A_NUMBER.fullmatch(text):
        limit = read_number(match[1]).value
        return ("BLQ", limit) if isinstance(limit, float) else None
    return None


def read_concentration(cell: object) -> Reading:
    """A concentration or count, or nothing where the text says that it is below the limit."""
    if below_word(cell) is not None:
        return BLANK
    fix = "below the LLOQ, leave it empty and set blq to BLQ"
    return _not_negative(read_number(cell), "a concentration cannot be negative", fix)


def read_result(cell: object) -> Reading:
    """A laboratory result."""
    return _not_negative(read_number(cell), "a result cannot be negative")


def _not_negative(reading: Reading, message: str, fix: str = "") -> Reading:
    negative = isinstance(reading.value, float) and reading.value < 0
    return refused("NUMBER-NEGATIVE", message, fix) if negative else reading


def read_flag(cell: object) -> Reading:
    """The flag below the limit: BLQ, ND or blank."""
    text = found(cell)
    if text in ("BLQ", "ND"):
        return Reading(value=text)
    if not text.strip():
        return BLANK
    flag = find(_FLAG_WORDS, text.replace(".", "")) if text.strip() != "." else ""
    if flag is None:
        return refused("TERM-UNKNOWN", "unknown term; allowed: BLQ, ND or blank")
    return repaired(flag or None, "D12-TERM", "the term is written otherwise")


def set_flags(table: Table) -> None:
    """Flag the results that are below the limit, as a word or as a number below the LLOQ."""
    if not table.has("value"):
        return
    flags, lloq, lod = table.words("blq").copy(), table.numbers("lloq").copy(), table.numbers("lod")
    cells = table.cells["value"]
    told = []
    for position in np.flatnonzero(table.missing("value") & (cells.code >= 0)).tolist():
        below = below_word(cells.at(position))
        if below is not None:
            limit = converted(below[1], table.factors.get(position, 1.0))
            flags[position] = flags[position] or ("ND" if limit <= lod[position] else below[0])
            told.append(position)
            _repair_flag(table, position, flags[position], "the result is written as a word")
            if limit > lloq[position] or (np.isnan(lloq[position]) and limit > 0):
                lloq[position] = limit
                table.repair(position, "lloq", "D06-BELOW-LLOQ", shown(limit),
                             "the limit stated with the result counts for this sample")  # fmt: skip
    values = table.values["value"]
    low = np.flatnonzero(values < lloq).tolist()
    for position in low:
        flags[position] = flags[position] or ("ND" if values[position] < lod[position] else "BLQ")
        why = f"the result is below the LLOQ ({lloq[position]:g})"
        _repair_flag(table, position, flags[position], why)
    values[low] = np.nan
    if told or low:
        table.rewrite("blq", flags)
    if table.has("lloq") or not np.isnan(lloq).all():
        table.values["lloq"] = lloq


def _repair_flag(table: Table, position: int, flag: str, why: str) -> None:
    table.repair(position, "value", "D06-BELOW-LLOQ", flag, f"{why}; it is left empty and blq is {flag}")


def results_or_flags(table: Table) -> None:
    """Say where a sample has neither a result nor a flag, or both."""
    if not table.has("value"):
        return
    given = ~table.missing("value")
    flagged = ~table.missing("blq")
    blank = table.blank("value") & ~flagged
    flag = " and not flagged as below the limit" if "lloq" in table.schema.columns else ""
    table.warn(blank, "value", "D18-NO-RESULT", f"the result is missing{flag}", "fill it in, or say why")
    table.warn(
        given & flagged,
        "blq",
        "RESULT-AND-FLAG",
        "a quantifiable result is flagged as below the limit",
        "remove the result or the flag",
    )


# --- units ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quantity:
    """The unit of the schema and the factors from other units (written as `unit_key` writes them)."""

    unit: str
    factors: Mapping[str, float]

    def factor(self, unit: str) -> float | None:
        """Factor from a unit, None when it is unknown."""
        key = unit_key(unit)
        if self.unit == COPIES.unit and (match := _COPIES.fullmatch(key)):
            return _MICROGRAMS[match[2]] / float(match[1] or 1)
        return 1.0 if key == unit_key(self.unit) else self.factors.get(key)


_COPIES = re.compile(r"(?:copies|cp)?(?:/|per)([1-9][0-9]*(?:\.[0-9]+)?)?(ng|ug|mg)(?:gdna|dna|genomicdna)?")
_MICROGRAMS = {"ng": 1e3, "ug": 1.0, "mg": 1e-3}

COPIES = Quantity("copies/ug gDNA", {})
CELLS = Quantity(
    "cells/uL", {"/ml": 1e-3, "10^9/l": 1e3, "10^3/ul": 1e3, "k/ul": 1e3, "10^6/l": 1.0, "/mm3": 1.0}
)
SHARE = Quantity("% of lymphocytes", {"%": 1.0, "percent": 1.0, "%lymphocytes": 1.0})
COUNT = Quantity(
    "10^9/L",
    {
        "10^3/ul": 1.0,
        "k/ul": 1.0,
        "10^3/mm3": 1.0,
        "k/mm3": 1.0,
        "g/l": 1.0,
        "/nl": 1.0,
        "/ul": 1e-3,
        "/mm3": 1e-3,
        "10^6/l": 1e-3,
        "/l": 1e-9,
    },
)
ENZYME = Quantity("U/L", {"iu/l": 1.0, "ukat/l": 60.0})
SALT = Quantity("mmol/L", {"meq/l": 1.0})

QUANTITIES: Mapping[str, tuple[str, Mapping[str, Quantity]]] = {
    "kinetics": ("assay", {"QPCR": COPIES, "FLOW": CELLS}),
    "pd": (
        "parameter",
        {"CD7POS_ABS": CELLS, "LYM_ABS": CELLS, "CD3POS_CD7NEG_ABS": CELLS, "CD7POS_PCT": SHARE},
    ),
    "labs": (
        "test",
        {
            **dict.fromkeys(("ANC", "ALC", "PLT", "WBC"), COUNT),
            **dict.fromkeys(("ALT", "AST", "ALP", "GGT", "CK", "LDH"), ENZYME),
            **dict.fromkeys(("K", "SODIUM"), SALT),
            "HGB": Quantity("g/L", {"g/dl": 10.0, "mmol/l": 16.114}),
            "ALB": Quantity("g/L", {"g/dl": 10.0}),
            "CRP": Quantity("mg/L", {"mg/dl": 10.0, "ug/ml": 1.0}),
            "FERRITIN": Quantity("ug/L", {"ng/ml": 1.0, "mg/l": 1e3}),
            "BILI": Quantity("umol/L", {"mg/dl": 17.10}),
            "CREAT": Quantity("umol/L", {"mg/dl": 88.42, "mmol/l": 1e3}),
            "CA": Quantity("mmol/L", {"mg/dl": 0.2495}),
            "GLUC": Quantity("mmol/L", {"mg/dl": 0.0555}),
            "MG": Quantity("mmol/L", {"mg/dl": 0.4114}),
            "FIBRINO": Quantity("g/L", {"mg/dl": 0.01}),
        },
    ),
}
"""Column that tells what is measured, and the quantity of each of its words."""

LAB_TESTS = (*QUANTITIES["labs"][1], "INR", "APTT")
"""Laboratory tests that endpoints know."""


def read_test(cell: object) -> Reading:
    """The word of a laboratory test, whatever its case and blanks."""
    return read_word(found(cell), LAB_TESTS)


_LIMITS = ("lloq", "lod", "lln", "uln")


def unit_key(unit: str) -> str:
    """A unit without case, blanks and ways of writing: `x10e9 / L` is `10^9/l`.

    Examples
    --------
    >>> unit_key("x10^9/L"), unit_key("10*3/µL"), unit_key("cells/mm³")
    ('10^9/l', '10^3/ul', '/mm3')
    """
    key = unit.strip().casefold().translate(_SIGNS)
    key = (
        re.sub(r"\s+", "", key)
        .replace("mcl", "ul")
        .replace("mcg", "ug")
        .replace("mm^3", "mm3")
        .replace("cells", "")
    )
    key = key.replace("cumm", "mm3").replace("thou/", "10^3/").removeprefix("x")
    return re.sub(r"10(?:\*\*|\*|e)\+?([0-9])", r"10^\1", re.sub(r"10([39])/", r"10^\1/", key))


_SIGNS = {ord("\u00b5"): "u", ord("\u03bc"): "u", ord("\u00d7"): "x", ord("\u2079"): "9", ord("\u00b3"): "3"}


def convert_units(table: Table) -> None:
    """Values in a known other unit become values in the schema's unit."""
    which, quantities = QUANTITIES[table.name]
    if not table.has("unit", which, "value"):
        return
    kinds, units = table.coded(which), table.coded("unit")
    others = [
        (kind, unit) for kind, unit in pairs(kinds, units)
        if kind in quantities and unit != quantities[kind].unit
    ]  # fmt: skip
    for kind, unit in others:
        _convert(table, np.flatnonzero(kinds.among(kind) & units.among(unit)), quantities[kind], kind, unit)
    if others:
        table.rewrite("unit", table.values["unit"])
    told = table.missing("value") | ~table.blank("unit") | ~kinds.among(*quantities)
    table.warn(
        ~told, "unit", "UNIT-MISSING", "the unit is missing; that of the schema is assumed", "fill it in"
    )


def pairs(one: Codes, other: Codes) -> list[tuple[str, str]]:
    """Words that stand beside each other in two columns, each pair once, as first met."""
    numbers = one.code.astype(np.int64) * len(other.words) + other.code
    met = pd.unique(numbers[(one.code >= 0) & (other.code >= 0)])
    return [(one.words[pair // len(other.words)], other.words[pair % len(other.words)]) for pair in met]


def _convert(table: Table, positions: npt.NDArray[np.intp], quantity: Quantity, kind: str, unit: str) -> None:
    factor = quantity.factor(unit)
    if factor is None:
        _unknown_unit(table, positions, quantity, kind)
        return
    own = _limits_in_schema_unit(table, kind, quantity.unit)
    table.values["unit"][positions] = quantity.unit
    for position in positions.tolist():
        value = table.values["value"][position]
        if factor == 1.0 or np.isnan(value):
            table.repair(
                position, "unit", "D08-OTHER-UNIT", quantity.unit, f"{unit} is {factor:g} {quantity.unit}"
            )
        else:
            table.values["value"][position] = converted(value, factor)
            table.repair(position, "value", "D08-OTHER-UNIT", shown(converted(value, factor)),
                         f"{unit} is converted to {quantity.unit} (x {factor:g})")  # fmt: skip
        if factor != 1.0:
            table.factors[position] = factor
            _convert_limits(table, position, factor, own)


def _unknown_unit(table: Table, positions: npt.NDArray[np.intp], quantity: Quantity, kind: str) -> None:
    """Laboratory grades need the unit; a kinetics or CD7+ table may keep to another unit throughout."""
    message, fix = f"no known unit of {kind}", f"convert the value to {quantity.unit}"
    where = np.zeros(len(table.rows), dtype=bool)
    if table.name == "labs":
        where[positions] = True
        table.refuse(where, "unit", "UNIT-UNKNOWN", message, fix)
    else:
        where[positions[:1]] = True
        table.warn(where, "unit", "UNIT-UNKNOWN", f"{message}; the values are used as they are", fix)


def converted(value: float, factor: float) -> float:
    """Product to 12 significant digits: 1950 /uL is 1.95 x10^9/L, not 1.9500000000000002."""
    return float(f"{value * factor:.12g}")


def _limits_in_schema_unit(table: Table, kind: str, unit: str) -> dict[str, set[float]]:
    """Limits that stand beside values of the same kind in the unit of the schema."""
    which = QUANTITIES[table.name][0]
    same = (table.words(which) == kind) & (table.words("unit") == unit)
    return {name: set(table.values[name][same].tolist()) for name in _LIMITS if table.has(name)}


def _convert_limits(table: Table, position: int, factor: float, own: Mapping[str, set[float]]) -> None:
    """A limit follows its value, unless rows in the schema's unit carry that very limit."""
    for name, known in own.items():
        limit = float(table.values[name][position])
        if limit > 0 and limit not in known:
            table.values[name][position] = converted(limit, factor)
            table.repair(position, name, "D08-OTHER-UNIT", shown(converted(limit, factor)),
                         "the limit is converted with its value")  # fmt: skip


# --- impossible values ---------------------------------------------------------------------------

POSSIBLE: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "labs": {
        "ANC": (0, 100),
        "ALC": (0, 500),
        "WBC": (0, 1000),
        "PLT": (0, 3000),
        "HGB": (20, 300),
        "CRP": (0, 1000),
        "FERRITIN": (0, 1e6),
        "ALT": (0, 5e4),
        "AST": (0, 5e4),
        "BILI": (1, 1500),
        "CREAT": (9, 3000),
    },
    "kinetics": {"QPCR": (0, 1e7), "FLOW": (0, 1e6)},
    "pd": {
        "CD7POS_ABS": (0, 1e6),
        "LYM_ABS": (0, 1e6),
        "CD3POS_CD7NEG_ABS": (0, 1e6),
        "CD7POS_PCT": (0, 100),
    },
}
"""What a value can be in the unit of the schema; beyond it, the unit is wrong or the value is."""

POSSIBLE_COLUMNS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "subjects": {
        "age": (0, 120),
        "height_cm": (40, 250),
        "weight_kg": (2, 400),
        "planned_dose_1e6_kg": (0, 1e4),
    },
    "products": {
        "weight_kg": (2, 400),
        "viable_car_pos_cells_1e6": (0, 1e6),
        "total_viable_cells_1e6": (0, 1e6),
    },
}


def impossible_values(table: Table) -> None:
    """Values that cannot be true in their unit are set aside."""
    for column, (low, high) in POSSIBLE_COLUMNS.get(table.name, {}).items():
        if table.has(column):
            values, unit = table.values[column], table.schema.columns[column].unit
            _impossible(table, (values < low) | (values > high), column, f"{column} in {unit}", low, high)
    if table.name not in POSSIBLE or not table.has("value", QUANTITIES[table.name][0]):
        return
    which, quantities = QUANTITIES[table.name]
    kinds, units, values = table.coded(which), table.coded("unit"), table.values["value"]
    for kind, (low, high) in POSSIBLE[table.name].items():
        unit = quantities[kind].unit
        same_unit = units.among(unit) | (units.code < 0)
        wrong = kinds.among(kind) & same_unit & ((values < low) | (values > high))
        _impossible(table, wrong, "value", f"{kind} in {unit}", low, high)


def _impossible(
    table: Table, wrong: npt.NDArray[np.bool_], column: str, what: str, low: float, high: float
) -> None:
    table.refuse(
        wrong,
        column,
        "D09-IMPOSSIBLE-VALUE",
        f"impossible for {what} ({low:g} to {high:g})",
        "correct the value or its unit",
    )


_SURGE_FROM, _SURGE_FOLD, _SURGE_DAYS = 10.0, 100.0, 3.0
"""From this count (10^9/L) on, so many times the results of these days: cells per microlitre."""
_RISE_FROM = 20.0
"""The same where no result follows."""


def surges(table: Table) -> None:
    """Counts per microlitre under the label 10^9/L, where the results around them give them away.

    In aplasia such a count (60/uL) is possible by itself; to rise and fall a hundredfold in days is not.
    """
    if table.name != "labs" or not table.has("test", "value"):
        return
    values, kinds = table.values["value"], table.words("test")
    when = table.numbers("day") if table.has("day") else dates(table, "sample_date")
    owners = table.words("subject_id")
    counts = np.isin(kinds.astype(str), ("ANC", "ALC", "WBC")) & ~np.isnan(values) & ~np.isnan(when)
    for position in np.flatnonzero(counts & (values >= _SURGE_FROM) & ~table.wrong).tolist():
        near = (
            counts
            & (owners == owners[position])
            & (kinds == kinds[position])
            & (np.abs(when - when[position]) <= _SURGE_DAYS)
            & (values < _SURGE_FROM)
        )
        before, after = near & (when < when[position]), near & (when > when[position])
        # A fall alone may be lymphodepletion, and a rise alone to a lower count recovery between two samples.
        told = before.any() and (after.any() or values[position] >= _RISE_FROM)
        if told and values[near].max() * _SURGE_FOLD <= values[position]:
            wrong = np.arange(len(values)) == position
            message = (
                f"{kinds[position]} in 10^9/L cannot rise and fall a hundredfold within {_SURGE_DAYS:g} days"
            )
            table.refuse(wrong, "value", "D09-IMPOSSIBLE-VALUE", message, "correct the value or its unit")


def unusual_words(table: Table) -> None:
    """Words that no endpoint will find, in columns where endpoints look words up: said once each."""
    if table.name in QUANTITIES and table.has(QUANTITIES[table.name][0]):
        which, quantities = QUANTITIES[table.name]
        known = LAB_TESTS if table.name == "labs" else tuple(quantities)
        _say_once(table, which, lambda word: word in known, f"not one of {', '.join(known)}")
    for name in VISITS:
        if table.has(name):
            _say_once(
                table, name, lambda word: visit_label(word) is not None, "no visit label such as D28, M3, SCR"
            )


def _say_once(table: Table, column: str, usual: Callable[[str], bool], message: str) -> None:
    codes = table.coded(column)
    where = np.zeros(len(table.rows), dtype=bool)
    unusual = [number for number, word in enumerate(codes.words) if not usual(word)]
    if unusual:
        numbers, first = np.unique(codes.code, return_index=True)
        where[first[np.isin(numbers, unusual)]] = True
    table.warn(
        where, column, "TERM-UNUSUAL", f"{message}; used as it is", "correct it if it means one of them"
    )
