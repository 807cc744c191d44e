"""The choices of a statistical analysis plan that change pharmacodynamic numbers.

Here: the rules of `pd` as frozen records, with their defaults and checks. Not here: the rule of `escape`
(escape), what they mean in formulas (counts, visits, depletion).
"""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7 import derive
from cart7.cells.depletion import below_name
from cart7.cells.visits import BASELINE
from cart7.derive import Window

CensoringEvent = Literal["HSCT", "NEW_THERAPY", "SECOND_INFUSION", "PROGRESSION", "WITHDRAWAL"]


class PdRules(BaseModel):
    """The choices of the statistical analysis plan that change pharmacodynamic numbers.

    Parameters
    ----------
    baseline : {"last-before-infusion", "last-before-lymphodepletion"}
        Last sample with day <= 0, or last sample before the first day of lymphodepletion.
    windows : mapping of str to Window
        Visit windows in whole days since infusion; gaps are allowed, overlaps are refused.
    visit_by : {"window", "nominal-label"}
        A visit is a window, or a label of the table (then its first usable record counts).
    tie : {"later", "earlier"}
        Which of two samples equally near the target day counts.
    blq_arithmetic : 0 or "half-lloq"
        What stands for a value below the limit in `value` and in every arithmetic statistic.
    blq_log : {"half-lloq"}
        What stands for it where logarithms are taken.
    quantile_type : {2, 6, 7}
        Definition of the quartiles (2 = SAS default, 7 = R default).
    thresholds : tuple of float
        Levels, in the unit of the parameter, for `first_day_below_...`.
    recovery : float
        Level at or above which a cleared subject has recovered, in the unit of the parameter.
    recovery_relative : float
        The same as a fraction of the subject's baseline.
    auec_window : (float, float)
        Days between which the area under the effect curve is taken.
    censor_at : tuple of event words
        Samples after the first of these events are left out of `depletion`.

    Examples
    --------
    >>> PdRules(windows={"D28": Window(28, 25, 35)}, quantile_type=7).windows["D28"].target
    28.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    baseline: Literal["last-before-infusion", "last-before-lymphodepletion"] = "last-before-infusion"
    windows: dict[str, Window] = {
        "D4": Window(4, 3, 5),
        "D7": Window(7, 6, 8),
        "D10": Window(10, 9, 11),
        "D14": Window(14, 12, 17),
        "D21": Window(21, 18, 24),
        "D28": Window(28, 25, 35),
        "M2": Window(60, 46, 75),
        "M3": Window(90, 76, 104),
        "M6": Window(180, 152, 208),
    }
    visit_by: Literal["window", "nominal-label"] = "window"
    tie: Literal["later", "earlier"] = "later"
    blq_arithmetic: float | Literal["half-lloq"] = 0.0
    blq_log: Literal["half-lloq"] = "half-lloq"
    quantile_type: Literal[2, 6, 7] = 2
    thresholds: tuple[float, ...] = (5.0, 1.0)
    recovery: float = Field(default=50.0, gt=0)
    recovery_relative: float = Field(default=0.5, gt=0)
    auec_window: tuple[float, float] = (0, 28)
    censor_at: tuple[CensoringEvent, ...] = ("HSCT", "NEW_THERAPY")

    @field_validator("windows")
    @classmethod
    def _apart(cls, windows: dict[str, Window]) -> dict[str, Window]:
        if BASELINE in windows:
            raise ValueError(f"{BASELINE} is the baseline visit, not the name of a window")
        derive.check_windows(windows)
        return windows

    @field_validator("blq_arithmetic")
    @classmethod
    def _zero_or_half(cls, value: float | str) -> float | str:
        if value not in (0.0, "half-lloq"):
            raise ValueError(f"blq_arithmetic must be 0 or 'half-lloq', got {value!r}")
        return value

    @field_validator("thresholds")
    @classmethod
    def _levels(cls, thresholds: tuple[float, ...]) -> tuple[float, ...]:
        if len({below_name(level) for level in thresholds}) < len(thresholds) or not all(
            0 < level < np.inf for level in thresholds
        ):
            raise ValueError(f"thresholds must be different numbers above 0, got {thresholds}")
        return thresholds

    @field_validator("auec_window")
    @classmethod
    def _from_to(cls, window: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= window[0] < window[1] < np.inf:
            raise ValueError(f"auec_window must be (from, to) with 0 <= from < to, got {window}")
        return window
