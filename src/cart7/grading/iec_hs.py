"""A screen for the HLH-like syndrome after CAR-T cells (IEC-HS): who needs to be looked at, and why.

Here: laboratory criteria of one assessment. Not here: the diagnosis and its grade, which only a clinician
can give; the values of a study (`safety`).
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.grading.reading import Reader

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

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
    number = {name: read.numbers(name, needed=name == "ferritin") for name in _NUMBERS}
    for name, values in number.items():
        if name in frame.columns:
            read.refuse(name, values < 0, "NUMBER-NEGATIVE", "a laboratory value cannot be negative")
    flag = {name: read.flags(name, blank=np.nan) == 1 for name in _FLAGS}
    unknown = {name: np.isnan(read.numbers(name, needed=False)) for name in _FLAGS}
    read.finish()
    ferritin = number["ferritin"]
    required = {
        "ferritin > 2 x ULN": ferritin > FERRITIN_FOLD * number["ferritin_uln"],
        "ferritin > 2 x infusion": ferritin > FERRITIN_FOLD * number["ferritin_at_infusion"],
        "ferritin rapidly rising": flag["ferritin_rising"],
    }
    others = {
        "ALT or AST > 5 x": _raised(number, "alt") | _raised(number, "ast"),
        "fibrinogen low": (number["fibrinogen"] < FIBRINOGEN_LOW)
        | (number["fibrinogen"] < number["fibrinogen_lln"]),
        "cytopenia with grade 4": flag["cytopenia_grade4"],
        "haemophagocytosis": flag["haemophagocytosis"],
    }
    high, any_other = np.any(list(required.values()), axis=0), np.any(list(others.values()), axis=0)
    no_limit = np.isnan(number["ferritin_uln"]) & np.isnan(number["ferritin_at_infusion"])
    open_ferritin = ~high & (np.isnan(ferritin) | no_limit)
    screen = np.where(open_ferritin, np.nan, (high & any_other).astype(float))
    absent = {
        "ALT and AST": np.isnan(number["alt"]) & np.isnan(number["ast"]),
        "fibrinogen": np.isnan(number["fibrinogen"]), "cytopenia": unknown["cytopenia_grade4"],
    }  # fmt: skip
    why = np.where(
        np.isnan(ferritin), "ferritin missing", "neither the ULN nor the value at infusion is known"
    )
    return frame.assign(
        screen=screen, ferritin_criterion=np.where(open_ferritin, np.nan, high.astype(float)),
        criteria=_words({**required, **others}),
        note=[
            reason if missing else (f"not known: {gone}" if gone and positive != 1 and met else "")
            for reason, missing, gone, positive, met in zip(
                why, open_ferritin, _words(absent, ", "), screen, high, strict=True
            )
        ],
    )  # fmt: skip


_NUMBERS = (
    "ferritin", "ferritin_uln", "ferritin_at_infusion", "alt", "alt_uln", "alt_baseline", "ast", "ast_uln",
    "ast_baseline", "fibrinogen", "fibrinogen_lln",
)  # fmt: skip
_FLAGS = ("ferritin_rising", "cytopenia_grade4", "haemophagocytosis")


def _raised(number: dict[str, Floats], enzyme: str) -> Flags:
    """Above 5 x ULN, or 5 x a baseline that is above the ULN."""
    limit = np.fmax(number[f"{enzyme}_uln"], np.nan_to_num(number[f"{enzyme}_baseline"], nan=0.0))
    raised: Flags = number[enzyme] > ENZYME_FOLD * limit
    return raised


def _words(cases: dict[str, Flags], between: str = "; ") -> list[str]:
    """The cases that hold, row by row."""
    texts = [np.where(holds, text, "") for text, holds in cases.items()]
    return [between.join(filter(None, row)) for row in zip(*texts, strict=True)]
