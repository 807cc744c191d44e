"""Dose-escalation designs: where the next cohort goes, which level is selected, and how well that works.

Here: the public names. Not here: cell dose and the recommendation of the phase II dose (`dose`).
"""

from cart7.designs.base import Decision, Design, MtdSelection
from cart7.designs.blrm import Blrm, BlrmPosterior
from cart7.designs.characteristics import OperatingCharacteristics, exact_oc, simulate
from cart7.designs.conduct import NextDecision, decide, design_levels
from cart7.designs.crm import Crm, CrmPosterior
from cart7.designs.efftox import EffTox, EffToxPosterior
from cart7.designs.interval import Boin, Keyboard, Mtpi
from cart7.designs.paths import audit, transition_paths
from cart7.designs.recommendation import (
    RecommendationCharacteristics,
    Scenario,
    simulate_recommendation,
)
from cart7.designs.scenarios import ScenarioTable, simulate_scenarios, standard_scenarios
from cart7.designs.three_plus_three import ThreePlusThree
from cart7.designs.tite import TiteBoin
from cart7.designs.trials import Backfill
from cart7.designs.utilities import Boin12, UBoin, UtilityPosterior
from cart7.stats.crm import indifference_skeleton

__all__ = [
    "Backfill",
    "Blrm",
    "BlrmPosterior",
    "Boin",
    "Boin12",
    "Crm",
    "CrmPosterior",
    "Decision",
    "Design",
    "EffTox",
    "EffToxPosterior",
    "Keyboard",
    "MtdSelection",
    "Mtpi",
    "NextDecision",
    "OperatingCharacteristics",
    "RecommendationCharacteristics",
    "Scenario",
    "ScenarioTable",
    "ThreePlusThree",
    "TiteBoin",
    "UBoin",
    "UtilityPosterior",
    "audit",
    "decide",
    "design_levels",
    "exact_oc",
    "indifference_skeleton",
    "simulate",
    "simulate_recommendation",
    "simulate_scenarios",
    "standard_scenarios",
    "transition_paths",
]

KINDS = {
    kind.__name__: kind
    for kind in (ThreePlusThree, Boin, Keyboard, Mtpi, TiteBoin, Crm, Blrm, Boin12, UBoin, EffTox)
}
"""Designs by the name a plan gives them."""
