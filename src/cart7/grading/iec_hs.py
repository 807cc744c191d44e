"""A screen for the HLH-like syndrome after CAR-T cells (IEC-HS): who needs to be looked at, and why.

Here: laboratory criteria of one assessment. Not here: the diagnosis and its grade, which only a clinician
can give; the values of a study (`safety`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.grading.ctcae import TOLERANCE
from cart7.grading.reading import Reader

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.object_]

FERRITIN_FOLD = 2.0
ENZYME_FOLD = 5.0
FIBRINOGEN_LOW = 1.5  # g/L, 150 mg/dL
SYSTEM = "IEC-HS 2023 (screen)"


def iec_hs(frame: pd.DataFrame) -> pd.DataFrame:
    """Whether an assessment meets the laboratory criteria of IEC-HS; never a diagnosis.

    Parameters
    ----------
    frame : DataFrame
        First column: the assessment. `ferritin`, and where known `ferritin_uln`, `ferritin_at_infusion`
        (all in one unit), `ferritin_rising` (1: rapidly, as judged). Optional: `alt`, `alt_uln`,
        `alt_baseline`, `ast`, `ast_uln`, `ast_baseline`; `fibrinogen`, `fibrinogen_lln` (g/L);
        `cytopenia_grade4` (1: new or worsening, one lineage of grade 4), `haemophagocytosis`.

    Returns
    -------
    DataFrame
        The same rows with `screen` (1, 0, missing), `ferritin_criterion`, `criteria` (those met, in words)
        and `note`.

    Raises
    ------
    DataError
        Naming every missing column, text in a number column, negative value and flag that is none.

    Notes
    -----
    Positive: ferritin above 2 x ULN, or above 2 x its value at infusion, or rapidly rising; and at least one
    of ALT or AST above 5 x ULN (5 x baseline where that is above the ULN), fibrinogen below 1.5 g/L or the
    LLN, new or worsening cytopenia with a grade 4, haemophagocytosis. A blank of an optional criterion is
    not met, and named in the note while the screen is negative.

    References
    ----------
    Hines MR, Knight TE, McNerney KO, et al. (2023). Transplant Cell Ther 29:438.e1-438.e16. The criteria here
    were not checked against its text: compare them before use.

    Examples
    --------
    >>> seen = pd.DataFrame({"id": ["a"], "ferritin": [9000], "ferritin_uln": [400], "fibrinogen": [1.1]})
    >>> iec_hs(seen)[["screen", "criteria"]].values.tolist()
    [[1.0, 'ferritin > 2 x ULN; fibrinogen low']]
    """
    read = Reader(frame, "iec_hs")
    cells = {name: read.numbers(name, needed=name == "ferritin") for name in _NUMBERS}
    for name, values in cells.items():
        if name in frame.columns:
            read.refuse(name, values < 0, "NUMBER-NEGATIVE", "a laboratory value cannot be negative")
    cells |= {name: read.flags(name, blank=np.nan) for name in _FLAGS}
    read.finish()
    return frame.assign(**judged(cells))


def judged(cells: Mapping[str, Floats]) -> dict[str, Any]:
    """The columns that `iec_hs` adds, from its columns as checked numbers; one that is not there is blank."""
    blank = np.full(len(cells["ferritin"]), np.nan)
    number = {name: cells.get(name, blank) for name in (*_NUMBERS, *_FLAGS)}
    flag = {name: number[name] == 1 for name in _FLAGS}
    ferritin, fibrinogen = number["ferritin"], number["fibrinogen"]
    required = {
        "ferritin > 2 x ULN": ferritin > FERRITIN_FOLD * number["ferritin_uln"],
        "ferritin > 2 x infusion": ferritin > FERRITIN_FOLD * number["ferritin_at_infusion"],
        "ferritin rapidly rising": flag["ferritin_rising"],
    }
    others = {
        "ALT or AST > 5 x": _raised(number, "alt") | _raised(number, "ast"),
        "fibrinogen low": (fibrinogen < FIBRINOGEN_LOW) | (fibrinogen < number["fibrinogen_lln"]),
        "cytopenia with grade 4": flag["cytopenia_grade4"],
        "haemophagocytosis": flag["haemophagocytosis"],
    }
    high, any_other = np.any(list(required.values()), axis=0), np.any(list(others.values()), axis=0)
    no_limit = np.isnan(number["ferritin_uln"]) & np.isnan(number["ferritin_at_infusion"])
    open_ferritin = ~high & (np.isnan(ferritin) | no_limit)
    absent = _words(
        {"ALT and AST": np.isnan(number["alt"]) & np.isnan(number["ast"]),
         "fibrinogen": np.isnan(fibrinogen), "cytopenia": np.isnan(number["cytopenia_grade4"])}, ", "
    )  # fmt: skip
    note = np.where(high & ~any_other & (absent != ""), "not known: " + absent, "")
    note[open_ferritin] = "neither the ULN nor the value at infusion is known"
    note[open_ferritin & np.isnan(ferritin)] = "ferritin missing"
    return {
        "screen": np.where(open_ferritin, np.nan, high & any_other),
        "ferritin_criterion": np.where(open_ferritin, np.nan, high),
        "criteria": _words({**required, **others}).tolist(), "note": note.tolist(),
    }  # fmt: skip


_NUMBERS = (
    "ferritin", "ferritin_uln", "ferritin_at_infusion", "alt", "alt_uln", "alt_baseline", "ast", "ast_uln",
    "ast_baseline", "fibrinogen", "fibrinogen_lln",
)  # fmt: skip
_FLAGS = ("ferritin_rising", "cytopenia_grade4", "haemophagocytosis")


def _raised(number: dict[str, Floats], enzyme: str) -> Flags:
    """Above 5 x ULN, or 5 x a baseline that is above the ULN."""
    limit = np.fmax(number[f"{enzyme}_uln"], np.nan_to_num(number[f"{enzyme}_baseline"], nan=0.0))
    # 5 x 0.57 is 2.8499999999999996 in binary: exactly 5 x is not above.
    raised: Flags = number[enzyme] > ENZYME_FOLD * limit * (1 + TOLERANCE)
    return raised


def _words(cases: dict[str, Flags], between: str = "; ") -> Words:
    """The cases that hold, row by row; each combination that occurs is written once."""
    held = (1 << np.arange(len(cases))) @ np.array(list(cases.values()))
    combinations, of_row = np.unique(held, return_inverse=True)
    texts = [
        between.join(text for place, text in enumerate(cases) if held >> place & 1)
        for held in combinations.tolist()
    ]
    words: Words = np.array(texts, dtype=object)[of_row]
    return words
