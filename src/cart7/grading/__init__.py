"""Published grading rules, as data: a frame of observations in, the same rows with a grade out.

Here: the names of the rules. CRS, the ICE score and ICANS stand in `astct`, laboratory values in `laboratory`
and `ctcae` (its cuts), haematotoxicity in `icaht`, a screen for the HLH-like syndrome in `iec_hs`. Not here:
who is in the analysis set, rates and tables (`safety`), and any grade that only a clinician can give.
"""

from cart7.grading.astct import (
    CONSCIOUSNESS,
    FEVER,
    ICE_ITEMS,
    OEDEMA,
    OXYGEN,
    SCALE,
    SEIZURE,
    crs,
    icans,
    ice,
)
from cart7.grading.icaht import CELLS_PER_UL, cells_per_ul, icaht_neutropenia, icaht_thrombocytopenia
from cart7.grading.iec_hs import iec_hs
from cart7.grading.laboratory import ctcae_lab

__all__ = [
    "CELLS_PER_UL", "CONSCIOUSNESS", "FEVER", "ICE_ITEMS", "OEDEMA", "OXYGEN", "SCALE", "SEIZURE",
    "cells_per_ul", "crs", "ctcae_lab", "icaht_neutropenia", "icaht_thrombocytopenia", "icans", "ice",
    "iec_hs",
]  # fmt: skip
