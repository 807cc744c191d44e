"""Dose-escalation designs: where the next cohort goes, which level is selected, and how well that works.

Here: the public names. Not here: cell dose and the recommendation of the phase II dose (`dose`).
"""

from cart7.designs.base import Decision, Design, MtdSelection
from cart7.designs.characteristics import OperatingCharacteristics, exact_oc, simulate

__all__ = ["Decision", "Design", "MtdSelection", "OperatingCharacteristics", "exact_oc", "simulate"]
