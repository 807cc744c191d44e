"""All figures by name: what `.plot()` of a result draws, and what the page holds.

Here: the list. Not here: the drawing itself (`figures_survival`, `figures_kinetics`, `figures_exposure`,
`figures_combined`, `figures_safety`, `figures_courses`, `figures_response`, `figures_dose`, `figures_supply`)
and the drawing board (`canvas`). Every figure takes a result and an optional Axes, and returns the Axes it
drew on, or the Figure when there are several panels.
"""

from cart7.report.figures_combined import cells_and_targets, escape_courses
from cart7.report.figures_courses import aesi_days, count_course
from cart7.report.figures_dose import (
    cell_dose,
    dose_profile,
    operating_characteristics,
    weight_sensitivity,
)
from cart7.report.figures_exposure import exposure_against_dose, exposure_by_group, exposure_by_outcome
from cart7.report.figures_kinetics import curve_fits, kinetics_spaghetti, pd_over_time
from cart7.report.figures_response import response_rates, swimmer, waterfall
from cart7.report.figures_safety import (
    ae_by_grade,
    ae_incidence,
    ae_overview,
    ae_rates,
    aesi_map,
    dlt_rates,
)
from cart7.report.figures_supply import vein_to_vein
from cart7.report.figures_survival import cumulative_incidence, endpoint_curves, kaplan_meier
from cart7.report.figures_visits import ada_course, ada_rates, geometric_mean_course, persistence_bars

pd_by_visit = pd_over_time
pd_depletion = pd_over_time
response_courses = swimmer
dose_score = dose_profile

__all__ = [
    "ada_course",
    "ada_rates",
    "ae_by_grade",
    "ae_incidence",
    "ae_overview",
    "ae_rates",
    "aesi_days",
    "aesi_map",
    "cell_dose",
    "cells_and_targets",
    "count_course",
    "cumulative_incidence",
    "curve_fits",
    "dlt_rates",
    "dose_profile",
    "dose_score",
    "endpoint_curves",
    "escape_courses",
    "exposure_against_dose",
    "exposure_by_group",
    "exposure_by_outcome",
    "geometric_mean_course",
    "kaplan_meier",
    "kinetics_spaghetti",
    "operating_characteristics",
    "pd_by_visit",
    "pd_depletion",
    "pd_over_time",
    "persistence_bars",
    "response_courses",
    "response_rates",
    "swimmer",
    "vein_to_vein",
    "waterfall",
    "weight_sensitivity",
]
