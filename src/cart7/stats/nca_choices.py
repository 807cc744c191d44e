"""The choices of a non-compartmental analysis, as plain keywords.

Here: names, defaults and their check. Not here: what they mean in formulas (`exposure`).
"""

from dataclasses import dataclass

import numpy as np

from cart7.stats.partial_area import TAILS
from cart7.stats.profiles import DUPLICATES
from cart7.stats.terminal_slope import SLOPE_RULES
from cart7.stats.trapezoids import AUC_METHODS

VISIT_ENDS = ("sampled", "scaled")
STARTS = ("auto", "require-sample", "zero")
TMAX_CHOICES = ("first", "last")
BLQ_WORDS = ("keep", "drop", "half-lloq")

BlqRule = str | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The choices of a non-compartmental analysis; see `nca` for their meaning."""

    auc_method: str = "lin-up-log-down"
    windows: tuple[tuple[float, float], ...] = ((0.0, 28.0),)
    tail: str = "auto"
    start: str = "auto"
    blq_first: BlqRule = "keep"
    blq_middle: BlqRule = "drop"
    blq_last: BlqRule = "keep"
    blq_before_tmax: BlqRule | None = None
    blq_after_tmax: BlqRule | None = None
    lambda_z_min_points: int = 3
    lambda_z_include_tmax: bool = False
    lambda_z_tolerance: float = 1e-4
    lambda_z_slope_rule: str = "negative-only"
    lambda_z_window: tuple[float, float] | None = None
    lambda_z_points: tuple[float, ...] | None = None
    duplicates: str = "error"
    tmax: str = "first"
    visit_tolerance: float = 0.0
    visit_end: str = "sampled"

    def __post_init__(self) -> None:
        _one_of("auc_method", self.auc_method, AUC_METHODS)
        _one_of("tail", self.tail, TAILS)
        _one_of("start", self.start, STARTS)
        _one_of("lambda_z_slope_rule", self.lambda_z_slope_rule, SLOPE_RULES)
        _one_of("duplicates", self.duplicates, DUPLICATES)
        _one_of("tmax", self.tmax, TMAX_CHOICES)
        _one_of("visit_end", self.visit_end, VISIT_ENDS)
        if not 0 <= self.visit_tolerance < np.inf:
            raise ValueError(f"visit_tolerance must be a number from 0, got {self.visit_tolerance}")
        for name in ("blq_first", "blq_middle", "blq_last", "blq_before_tmax", "blq_after_tmax"):
            _check_blq_rule(name, getattr(self, name))
        if self.lambda_z_min_points < 2:
            raise ValueError(f"lambda_z_min_points must be at least 2, got {self.lambda_z_min_points}")
        for low, high in self.windows:
            if not 0 <= low < high < np.inf:
                raise ValueError(f"windows must satisfy 0 <= start < end < inf, got {(low, high)}")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")


def _check_blq_rule(name: str, rule: BlqRule | None) -> None:
    if rule is None or (isinstance(rule, str) and rule in BLQ_WORDS):
        return
    if isinstance(rule, str) or not 0 <= rule < np.inf:
        raise ValueError(f"{name} must be one of {', '.join(BLQ_WORDS)} or a number from 0, got {rule!r}")


USUAL = Choices()
