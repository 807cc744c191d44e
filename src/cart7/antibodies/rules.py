"""The choices of a statistical analysis plan that change antibody numbers.

Here: the rules of `immunogenicity` as frozen records, with their defaults and checks. Not here: the classes
and rates they lead to (immunogenicity).
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7 import derive
from cart7.derive import Window
from cart7.stats import proportions

BASELINE, OVERALL = "BASELINE", "OVERALL"


class AdaRules(BaseModel):
    """The choices of the statistical analysis plan that change antibody numbers.

    Parameters
    ----------
    windows : mapping of str to Window
        Visit windows in whole days since infusion; gaps are allowed, overlaps are refused.
    tie : {"later", "earlier"}
        Which of two samples equally near the target day counts.
    minimum_required_dilution : float
        Titre of a positive sample without one (reciprocal dilution).
    boost_fold : float
        A titre at or above this multiple of the baseline titre is boosted.
    persistent_days : float
        Days from the first to the last treatment-emergent positive sample that make it persistent.
    missing_baseline : {"own-class", "assume-negative"}
        A missing baseline has classes of its own, or counts as negative (as in admiral's template).
    conf_level : float
        Two-sided level of the intervals.
    ci_method : str
        Method of `stats.proportions.interval`.

    Examples
    --------
    >>> AdaRules(missing_baseline="assume-negative").persistent_days
    112.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows: dict[str, Window] = {
        "D14": Window(14, 10, 20),
        "D28": Window(28, 21, 44),
        "M2": Window(60, 45, 75),
        "M3": Window(90, 76, 120),
        "M6": Window(180, 121, 220),
        "M9": Window(270, 221, 310),
        "M12": Window(360, 311, 420),
    }
    tie: Literal["later", "earlier"] = "later"
    minimum_required_dilution: float = Field(default=10.0, gt=0)
    boost_fold: float = Field(default=4.0, gt=1)
    persistent_days: float = Field(default=112.0, ge=0)
    missing_baseline: Literal["own-class", "assume-negative"] = "own-class"
    conf_level: float = Field(default=0.95, gt=0, lt=1)
    ci_method: str = "clopper-pearson"

    @field_validator("windows")
    @classmethod
    def _apart(cls, windows: dict[str, Window]) -> dict[str, Window]:
        reserved = {BASELINE, OVERALL} & set(windows)
        if reserved:
            raise ValueError(f"{' and '.join(sorted(reserved))} cannot be the name of a window")
        derive.check_windows(windows)
        return windows

    @field_validator("ci_method")
    @classmethod
    def _known(cls, method: str) -> str:
        if method not in proportions.METHODS:
            raise ValueError(f"ci_method must be one of {', '.join(proportions.METHODS)}, got {method!r}")
        return method
