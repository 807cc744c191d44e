"""The choices of the analysis plan for adverse events.

Here: `SafetyRules`. Not here: what is dose-limiting (`dose_limiting`) and the choices of laboratory tables
(`laboratory`).
"""

from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7.toxicity.dlt_rules import HAEMATOLOGICAL_TERMS
from cart7.toxicity.tallies import known_method
from cart7.units import DAYS_PER_YEAR


class SafetyRules(BaseModel):
    """Choices of the analysis plan that change adverse-event numbers.

    Parameters
    ----------
    reference : str
        Date column of `subjects` from which events are treatment-emergent and risk begins.
    window_days : float, optional
        Last day after infusion on which an event that starts is treatment-emergent; None sets no limit.
    year_days : float
        Days per person-year.
    cytopenia_terms : tuple of str
        Preferred terms that are cytopenias, beside those marked in `aesi`.
    infection_soc : str
        System organ class whose events are infections, beside those marked in `aesi`.
    prolonged_after_day : float
        A cytopenia of grade 3 or more that is present after this day is prolonged.
    gap_days : float
        Records of one category at most so many days apart are one episode (`special_interest`).
    periods : tuple of int
        Last day of each period after infusion (`by_period`); the last one is open.
    landmark_days : tuple of int
        Days at which cumulative incidence is stated (`cumulative_incidence`).
    conf_level : float
        Two-sided level of all intervals.
    ci_method : str
        Interval of proportions, a method of `stats.proportions.interval`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    reference: str = "infusion_date"
    window_days: float | None = Field(default=None, ge=0)
    year_days: float = Field(default=DAYS_PER_YEAR, gt=0)
    cytopenia_terms: tuple[str, ...] = (*HAEMATOLOGICAL_TERMS, "Febrile neutropenia")
    infection_soc: str = "Infections and infestations"
    prolonged_after_day: float = Field(default=28, ge=0)
    gap_days: float = Field(default=1, ge=0)
    periods: tuple[int, ...] = (28, 90)
    landmark_days: tuple[int, ...] = (28, 90, 180, 365)
    conf_level: float = Field(default=0.95, gt=0, lt=1)
    ci_method: str = "clopper-pearson"

    _known_method = field_validator("ci_method")(known_method)

    @field_validator("periods", "landmark_days")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or value[0] < 0 or any(b <= a for a, b in pairwise(value)):
            raise ValueError(f"ascending days from 0 on, got {', '.join(map(str, value)) or 'none'}")
        return value
