"""cart7: the endpoints of a CAR-T phase I trial, from raw records to table, figure and report.

The names people type; each loads its room when it is first used. For research and informational
use, not medical advice.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cart7._version import __version__

if TYPE_CHECKING:
    from cart7.analysis import Analysis, analyse
    from cart7.errors import Cart7Error, DataError, PlanError, UnitError, VerificationError
    from cart7.examples import example_study
    from cart7.manifest import verify
    from cart7.plan import Plan, read_plan
    from cart7.study import Study, read_study

_ROOMS = (
    "analysis", "cdisc", "cli", "derive", "designs", "dose", "errors", "examples", "files", "grading",
    "immunogenicity", "manifest", "pd", "pk", "plan", "records", "report", "response", "results",
    "safety", "stats", "study", "survival", "units", "validation",
)  # fmt: skip

_NAMES = {
    "Analysis": "analysis",
    "analyse": "analysis",
    "Cart7Error": "errors",
    "DataError": "errors",
    "PlanError": "errors",
    "UnitError": "errors",
    "VerificationError": "errors",
    "example_study": "examples",
    "verify": "manifest",
    "Plan": "plan",
    "read_plan": "plan",
    "Study": "study",
    "read_study": "study",
}

__all__ = [
    "Analysis", "Cart7Error", "DataError", "Plan", "PlanError", "Study", "UnitError", "VerificationError",
    "__version__", "analyse", "example_study", "read_plan", "read_study", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load a room, or the room of a name, when it is first asked for (PEP 562)."""
    if name in _NAMES:
        value = getattr(importlib.import_module(f"cart7.{_NAMES[name]}"), name)
    elif name in _ROOMS:
        try:
            value = importlib.import_module(f"cart7.{name}")
        except ModuleNotFoundError as missing:
            if missing.name != f"cart7.{name}":
                raise
            raise AttributeError(f"module 'cart7' has no room {name!r}") from None
    else:
        raise AttributeError(f"module 'cart7' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Names for completion in a notebook."""
    return sorted({*globals(), *_NAMES, *_ROOMS})
