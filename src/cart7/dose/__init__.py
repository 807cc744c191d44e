"""Dose: how many cells each subject received, and which dose level the evidence supports.

Here: cell dose from bags (`cells`); counts and exposures per level from endpoint results (`counts`); the
integrated score (`rules`, `verdict`, `robustness`, `rp2d`, `wording`). Not here: the endpoints (results
are read, nothing is recomputed), escalation designs (designs).
"""

from cart7.dose.cells import BagsNeeded, CellDoseResult, CellDoseRules, bags_needed, cell_dose
from cart7.dose.counts import Evidence, evidence
from cart7.dose.rp2d import DoseScore, overall_desirability, recommend, score
from cart7.dose.rules import Criterion, Desirability, Gates, ScoreRules
from cart7.stats.desirability import Smaa, smaa

__all__ = [
    "BagsNeeded",
    "CellDoseResult",
    "CellDoseRules",
    "Criterion",
    "Desirability",
    "DoseScore",
    "Evidence",
    "Gates",
    "ScoreRules",
    "Smaa",
    "bags_needed",
    "cell_dose",
    "evidence",
    "overall_desirability",
    "recommend",
    "score",
    "smaa",
]
