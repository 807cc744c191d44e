"""Array kernels: numbers in, numbers out.

Here: proportions, rates, trends, summaries, survival curves and exposure, computed with
numpy and scipy only. Not here: subjects, tables, dates (the endpoint rooms wrap these
kernels in frames). Each kernel is a submodule and loads when it is first used.
"""

import importlib
from types import ModuleType

_KERNELS = (
    "blrm", "bpcp", "censored_slope", "competing_risks", "cox", "crm", "curve_fit", "desirability",
    "efftox", "exposure", "exposure_models", "gray", "isotonic", "logrank", "melded", "proportions",
    "rates", "summaries", "survival_curves", "trend", "two_proportions", "utilities",
)  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    """Load a kernel when it is first named (PEP 562)."""
    if name in _KERNELS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_KERNELS)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_KERNELS])
