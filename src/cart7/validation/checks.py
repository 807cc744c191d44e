"""The register of checks: a name, what it compares, and how it is run without ever stopping the suite.

Here: `@check`, and running one check. Not here: the comparisons themselves (`areas`).
"""

import warnings
from collections.abc import Callable

from cart7.errors import Cart7Error
from cart7.validation.bench import Bench
from cart7.validation.comparison import Comparison, Tally

Run = Callable[[Bench, Tally], None]

CHECKS: dict[str, Run] = {}

# What a broken installation may raise in the middle of a number: it is a finding, not the end of the suite.
BREAKS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    Cart7Error,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def check(name: str) -> Callable[[Run], Run]:
    """Enter a check under its name (`area.what`)."""

    def enter(run: Run) -> Run:
        if name in CHECKS:
            raise ValueError(f"two checks are called {name!r}")
        CHECKS[name] = run
        return run

    return enter


def run_check(name: str, bench: Bench, reasons: dict[str, tuple[str, int]]) -> Comparison:
    """Run one check; whatever it raises becomes its `error`."""
    tally = Tally(name, reasons)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            CHECKS[name](bench, tally)
    except BREAKS as error:
        return Comparison(
            check=name, compared=tally.compared, equal=tally.equal, differences=tuple(tally.shown),
            n_different=tally.different, error=f"{type(error).__name__}: {error}",
        )  # fmt: skip
    return tally.done()
