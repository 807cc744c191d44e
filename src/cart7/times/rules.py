"""The choices of the statistical analysis plan that change a time to event.

Here: the rules, their defaults and the strategies of a plan that names none. Not here: what they do
(stats.event_times, `survival`).
"""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cart7.times.curves import ConfType, QuantileRule

ENDPOINTS = ("OS", "PFS", "DOR", "EFS")
RESPONSES = ("CR", "CRh", "CRi", "MLFS", "PR", "SD", "NR", "PD", "RELAPSE", "NE", "ND")


class TimeToEventRules(BaseModel):
    """The choices of the statistical analysis plan that change a time to event.

    Parameters
    ----------
    hsct : {"ignore", "censor-last-assessment", "censor-at-hsct", "competing", "time-dependent"}
        What a transplant before the event does. `time-dependent` ignores it here and splits the
        rows of `.counting_process`. Overall survival is never censored by it.
    new_therapy : {"censor-last-assessment", "ignore"}
        What another anticancer therapy before the event does; on the infusion day it is bridging.
    second_infusion : {"ignore", "censor-last-assessment"}
        What a second infusion before the event does.
    missed_visits : int, optional
        Censor an event after so many planned visits without an evaluable assessment.
    schedule : tuple of (day, window), optional
        Planned visits in days since infusion, for `missed_visits`.
    day_one : bool
        Count the first day as day 1 (CDISC): 1 is added to every time.
    responder : tuple of response words
        Responses that start a duration of response.
    remission : tuple of response words
        Responses without which event-free survival sees a treatment failure.
    failure_day : float, optional
        Day by which a remission is due (event-free survival); no default is guessed.
    failure_date : {"infusion", "assessment"}
        Whether a treatment failure is dated on the infusion day or at the last evaluable
        assessment up to `failure_day`.
    conf_type, conf_level, quantile_rule
        Limits and reading of medians, as in `kaplan_meier`.
    landmarks : tuple of float
        Days at which the table gives survival.
    landmark_beyond : {"ne", "carry"}
        Past the last observation: not estimable, or the last level.

    Examples
    --------
    >>> TimeToEventRules(hsct="competing").new_therapy
    'censor-last-assessment'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hsct: Literal["ignore", "censor-last-assessment", "censor-at-hsct", "competing", "time-dependent"] = (
        "ignore"
    )
    new_therapy: Literal["censor-last-assessment", "ignore"] = "censor-last-assessment"
    second_infusion: Literal["ignore", "censor-last-assessment"] = "ignore"
    missed_visits: int | None = Field(default=None, ge=1)
    schedule: tuple[tuple[float, float], ...] | None = None
    day_one: bool = False
    responder: tuple[str, ...] = ("CR", "CRi", "CRh", "PR")
    remission: tuple[str, ...] = ("CR", "CRi", "CRh")
    failure_day: float | None = Field(default=None, gt=0)
    failure_date: Literal["infusion", "assessment"] = "infusion"
    conf_type: ConfType = "log-log"
    conf_level: float = Field(default=0.95, gt=0, lt=1)
    quantile_rule: QuantileRule = "survfit"
    landmarks: tuple[float, ...] = (90.0, 180.0, 365.0)
    landmark_beyond: Literal["ne", "carry"] = "ne"

    @field_validator("responder", "remission")
    @classmethod
    def _words(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [word for word in words if word not in RESPONSES]
        if unknown or not words:
            raise ValueError(f"responses are {', '.join(RESPONSES)}, got {words}")
        return words

    @field_validator("landmarks")
    @classmethod
    def _days(cls, landmarks: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(landmarks)) < len(landmarks) or not all(0 < day < np.inf for day in landmarks):
            raise ValueError(f"landmarks must be different days above 0, got {landmarks}")
        return landmarks

    @model_validator(mode="after")
    def _visits(self) -> "TimeToEventRules":
        if self.missed_visits is not None and not self.schedule:
            raise ValueError("missed_visits needs schedule, the planned visits as ((day, window), ...)")
        return self


DEFAULT_RULES = TimeToEventRules()

STRATEGIES: dict[str, TimeToEventRules] = {
    "treatment-policy": TimeToEventRules(hsct="ignore", new_therapy="ignore", second_infusion="ignore"),
    "censor": TimeToEventRules(
        hsct="censor-last-assessment",
        new_therapy="censor-last-assessment",
        second_infusion="censor-last-assessment",
    ),
    "hsct-competing": TimeToEventRules(hsct="competing", new_therapy="ignore", second_infusion="ignore"),
}
"""The strategies of a plan that names none: intercurrent events ignored, censored, HSCT competing."""
