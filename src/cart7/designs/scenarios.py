"""Many scenarios of true rates: what a design does under each, in one table.

Here: standard scenarios around a target, the simulation of several with streams of their own, their table.
Not here: the characteristics under one scenario (`characteristics`).
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from cart7.designs.base import Design
from cart7.designs.characteristics import OperatingCharacteristics, simulate
from cart7.designs.trials import Backfill

SPACING = 0.7
"""Distance of neighbouring levels of a standard scenario, on the logit scale."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScenarioTable:
    """What a design does under several scenarios.

    Attributes
    ----------
    results : dict of str to OperatingCharacteristics
        By the name of the scenario.
    table : DataFrame
        One row per scenario and level, and one for no level (<NA>): `scenario, level, true_dlt, selected,
        selected_mcse, n, n_mcse, n_dlt, n_dlt_mcse`; with backfill `n_backfilled, n_backfilled_mcse` too.
    """

    results: dict[str, OperatingCharacteristics] = field(repr=False)
    table: pd.DataFrame = field(repr=False)

    def plot(self, **options: Any) -> Any:
        """Draw selections and subjects per level of every scenario; returns the Figure."""
        draw = importlib.import_module("cart7.report.figures").operating_characteristics
        return draw(self.results, **options)

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, na_rep="", float_format=lambda x: f"{x:.4g}"))


def standard_scenarios(target: float, n_levels: int) -> dict[str, tuple[float, ...]]:
    """True DLT rates in which each level in turn is the target, and one in which all are too toxic.

    Examples
    --------
    >>> [round(rate, 2) for rate in standard_scenarios(0.3, 3)["level 2 at the target"]]
    [0.18, 0.3, 0.46]
    """
    steps = np.arange(n_levels)
    found = {
        f"level {at + 1} at the target": tuple(expit(logit(target) + SPACING * (steps - at)).tolist())
        for at in range(n_levels)
    }
    found["all too toxic"] = tuple(expit(logit(target) + SPACING * (steps + 2)).tolist())
    return found


def simulate_scenarios(
    design: Design,
    scenarios: Mapping[str, ArrayLike],
    *,
    n_trials: int,
    cohort_size: int = 3,
    n_cohorts: int,
    rng: np.random.Generator | int,
    start_level: int = 1,
    n_jobs: int = 1,
    true_response: ArrayLike | None = None,
    mcse: float | None = None,
    backfill: Backfill | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> ScenarioTable:
    """Operating characteristics under several scenarios, each with random streams of its own.

    Parameters
    ----------
    design : Design
    scenarios : mapping of str to array_like
        True DLT rates per level, by the name of the scenario.
    n_trials, cohort_size, n_cohorts, start_level, n_jobs, true_response, mcse, backfill
        As in `simulate`.
    rng : numpy.random.Generator or int
        Each scenario draws from a stream spawned from it, in their order: errors of different scenarios are
        independent, and a scenario added at the end changes no other.
    progress : callable, optional
        Called with the name of the scenario at work and the fraction of all scenarios that is done.

    Returns
    -------
    ScenarioTable

    Raises
    ------
    ValueError
        For impossible arguments, or no scenario.

    Examples
    --------
    >>> from cart7.designs import Boin, simulate_scenarios
    >>> found = simulate_scenarios(Boin(target=0.3), {"flat": (0.1, 0.1), "steep": (0.1, 0.6)}, n_trials=500,
    ...                            n_cohorts=4, rng=1)
    >>> found.table["scenario"].tolist()
    ['flat', 'flat', 'flat', 'steep', 'steep', 'steep']
    """
    if not scenarios:
        raise ValueError("scenarios must hold at least one set of true DLT rates")
    streams = np.random.default_rng(rng).spawn(len(scenarios))
    found = {}
    for place, ((name, rates), stream) in enumerate(zip(scenarios.items(), streams, strict=True)):

        def tell(done: int, most: int, name: str = name, place: int = place) -> None:
            if progress is not None:
                progress(name, (place + done / most) / len(scenarios))

        tell(0, 1)
        found[name] = simulate(
            design, rates, n_trials=n_trials, cohort_size=cohort_size, n_cohorts=n_cohorts, rng=stream,
            start_level=start_level, n_jobs=n_jobs, true_response=true_response, mcse=mcse,
            backfill=backfill, progress=tell,
        )  # fmt: skip
    tables = [_rows(name, result) for name, result in found.items()]
    return ScenarioTable(results=found, table=pd.concat(tables, ignore_index=True))


def _rows(name: str, result: OperatingCharacteristics) -> pd.DataFrame:
    """One scenario as rows; nobody is treated at no level."""
    levels = result.selection["level"]
    columns: dict[str, Any] = {
        "scenario": [name] * len(levels), "level": levels, "true_dlt": [*result.true_dlt, np.nan],
        "selected": result.selection["estimate"], "selected_mcse": result.selection["mcse"],
    }  # fmt: skip
    for column, frame in _parts(result):
        for suffix, part in (("", "estimate"), ("_mcse", "mcse")):
            columns[column + suffix] = [*frame[part], np.nan]
    return pd.DataFrame(columns)


def _parts(result: OperatingCharacteristics) -> Iterator[tuple[str, pd.DataFrame]]:
    yield "n", result.n_per_level
    yield "n_dlt", result.dlt_per_level
    if result.n_backfilled is not None:
        yield "n_backfilled", result.n_backfilled
