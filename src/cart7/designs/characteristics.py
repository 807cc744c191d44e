"""Operating characteristics: how often a design selects each level, and whom it treats there.

Here: exact ones by following every state a trial can be in, simulated ones with their Monte-Carlo error.
Not here: the decisions (each design), the conduct of simulated trials (`trials`), many scenarios
(`scenarios`), the recommendation of the phase II dose (`recommendation`).
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cart7.designs.base import Counts, Design, checked_probabilities, distinct_rows
from cart7.designs.trials import (
    TRIALS_PER_BLOCK,
    Backfill,
    Conduct,
    Sums,
    binomial_chances,
    run_block,
    selected,
)

Floats = NDArray[np.float64]

MAX_STATES = 2_000_000
PER_ROUND = 4
"""Blocks of trials between two looks at the precision."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperatingCharacteristics:
    """What a design does under true DLT rates.

    Attributes
    ----------
    selection : DataFrame
        `level` (<NA>: none selected), `estimate` (probability), `mcse` (Monte-Carlo standard error).
    n_per_level, dlt_per_level : DataFrame
        `level`, `estimate` (expected number of subjects, of DLTs), `mcse`.
    n_trials : int
        Simulated trials; 0 when exact.
    method : str
        `exact` or `simulated`.
    design : Design
    true_dlt : tuple of float
    n_backfilled : DataFrame or None
        Expected number of subjects added at each level, part of `n_per_level`; None without backfill.
    """

    selection: pd.DataFrame = field(repr=False)
    n_per_level: pd.DataFrame = field(repr=False)
    dlt_per_level: pd.DataFrame = field(repr=False)
    n_trials: int
    method: str
    design: Design
    true_dlt: tuple[float, ...]
    n_backfilled: pd.DataFrame | None = field(repr=False, default=None)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw selections and subjects per level with matplotlib; returns the Figure."""
        draw = importlib.import_module("cart7.report.figures").operating_characteristics
        return draw(self, ax=ax, **options)

    def _repr_html_(self) -> str:
        table = self.selection.merge(self.n_per_level, on="level", how="left", suffixes=("", "_n"))
        return f"<p>{self.method}, {self.n_trials} trials</p>{table.to_html(index=False)}"


def exact_oc(
    design: Design, true_dlt: ArrayLike, *, cohort_size: int = 3, n_cohorts: int, start_level: int = 1
) -> OperatingCharacteristics:
    """Operating characteristics without sampling error.

    Parameters
    ----------
    design : Design
        A design that decides from counts (3+3, BOIN, Keyboard, mTPI, CRM, BLRM).
    true_dlt : array_like
        True probability of a DLT per level.
    cohort_size, n_cohorts : int
        Subjects per cohort, and the most cohorts of a trial.
    start_level : int
        Level of the first cohort.

    Returns
    -------
    OperatingCharacteristics
        `mcse` is 0.

    Raises
    ------
    ValueError
        For impossible arguments, or when a trial can be in more than two million states after a cohort
        (then use `simulate`).

    Notes
    -----
    A trial's state is its counts per level and the level of its next cohort; equal states are merged after
    every cohort, so the number of paths does not matter.

    Examples
    --------
    >>> from cart7.designs import Boin, exact_oc
    >>> found = exact_oc(Boin(target=0.3), [0.1, 0.3, 0.5], n_cohorts=3)
    >>> f"{found.selection['estimate'].sum():.6f} over {len(found.selection)} outcomes"
    '1.000000 over 4 outcomes'
    """
    rates = _checked(design, true_dlt, cohort_size, n_cohorts, start_level)
    if getattr(design, "titration", False):
        raise ValueError("exact_oc does not follow accelerated titration; use simulate")
    levels = rates.size
    outcomes = np.arange(cohort_size + 1)
    share = binomial_chances(cohort_size, rates)
    n, dlt = np.zeros((1, levels), dtype=np.int64), np.zeros((1, levels), dtype=np.int64)
    current, weight = np.array([start_level], dtype=np.int64), np.ones(1)
    ended: list[tuple[Counts, Counts, Counts, Floats]] = []
    for cohort in range(1, n_cohorts + 1):
        parents = np.repeat(np.arange(len(current)), cohort_size + 1)
        toxic = np.tile(outcomes, len(current))
        n, dlt, current = n[parents], dlt[parents], current[parents]
        weight = weight[parents] * share[current - 1, toxic]
        here = (np.arange(len(current)), current - 1)
        n[here] += cohort_size
        dlt[here] += toxic
        last = {"last_n": np.full(len(current), cohort_size), "last_dlt": toxic}
        if cohort == n_cohorts:
            ended.append((n, dlt, design.final(n, dlt, current, **last), weight))
            break
        steps = design.steps(n, dlt, current, **last)
        stop = steps.stop
        ended.append((n[stop], dlt[stop], steps.recommended[stop], weight[stop]))
        n, dlt, current, weight = _merged(n[~stop], dlt[~stop], steps.level[~stop], weight[~stop])
        if not len(current):
            break
        if len(current) > MAX_STATES:
            raise ValueError(
                f"a trial can be in {len(current)} states after {cohort} cohorts, more than {MAX_STATES}: "
                "use simulate"
            )
    n, dlt, given, weight = (np.concatenate(parts) for parts in zip(*ended, strict=True))
    chosen = selected(design, n, dlt, given)
    zero = np.zeros(levels)
    share = np.bincount(chosen, weights=weight, minlength=levels + 1).astype(np.float64)
    return _characteristics(
        design, rates, "exact", 0, share, np.zeros(levels + 1), weight @ n, zero, weight @ dlt, zero
    )


def simulate(
    design: Design,
    true_dlt: ArrayLike,
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
    progress: Callable[[int, int], None] | None = None,
) -> OperatingCharacteristics:
    """Operating characteristics by simulation, many trials at once.

    Parameters
    ----------
    design : Design
    true_dlt : array_like
        True probability of a DLT per level.
    n_trials : int
        Trials; with `mcse` the most trials. More trials extend fewer: the first ones stay the same.
    cohort_size, n_cohorts, start_level : int
        As in `exact_oc`.
    rng : numpy.random.Generator or int
        Source of all draws: blocks of trials draw from streams spawned from it, so the numbers do not depend
        on `n_jobs`.
    n_jobs : int
        Workers of joblib; under ``joblib.parallel_config(backend="dask")`` they are those of a Dask cluster.
    true_response : array_like, optional
        True probability of response per level, independent of DLT, for designs that use it.
    mcse : float, optional
        Stop when the standard error of every selection probability is at most this.
    backfill : Backfill, optional
        Add subjects at lower levels while the trial goes on; by default none are.
    progress : callable, optional
        Called with the trials done and the most trials, from time to time.

    Returns
    -------
    OperatingCharacteristics
        With the Monte-Carlo standard error of every number.

    Raises
    ------
    ValueError
        For impossible arguments.

    Examples
    --------
    >>> from cart7.designs import Boin, simulate
    >>> found = simulate(Boin(target=0.3), [0.1, 0.3, 0.5], n_trials=2000, n_cohorts=6, rng=1)
    >>> bool((found.selection["mcse"] < 0.012).all())
    True
    """
    conduct = _conduct(design, true_dlt, true_response, cohort_size, n_cohorts, start_level, backfill)
    if not (isinstance(n_trials, int | np.integer) and n_trials >= 1):
        raise ValueError(f"n_trials must be a whole number from 1, got {n_trials!r}")
    if mcse is not None and not mcse > 0:
        raise ValueError(f"mcse must be above 0, got {mcse}")
    whole, rest = divmod(int(n_trials), TRIALS_PER_BLOCK)
    sizes = [TRIALS_PER_BLOCK] * whole + [rest] * bool(rest)
    total = _run(conduct, sizes, np.random.default_rng(rng).spawn(len(sizes)), n_jobs, mcse, progress)
    chance, spread_n, spread_dlt, spread_added = _errors(total)
    count = total.trials
    return _characteristics(
        design, conduct.rates, "simulated", count, total.selected / count, chance, total.n / count, spread_n,
        total.dlt / count, spread_dlt,
        backfilled=None if backfill is None else (total.added / count, spread_added),
    )  # fmt: skip


def _run(
    conduct: Conduct, sizes: list[int], streams: list[np.random.Generator], n_jobs: int,
    mcse: float | None, progress: Callable[[int, int], None] | None,
) -> Sums:  # fmt: skip
    """Sums over the blocks of trials, in rounds; with a wanted precision until it is reached."""
    from joblib import Parallel, delayed, effective_n_jobs

    total: Sums | None = None
    # With a wanted precision rounds have a fixed size, whatever the number of workers.
    per_round = PER_ROUND if mcse is not None else max(PER_ROUND, PER_ROUND * effective_n_jobs(n_jobs))
    for first in range(0, len(sizes), per_round):
        blocks = list(zip(sizes, streams, strict=True))[first : first + per_round]
        done = Parallel(n_jobs=n_jobs)(delayed(run_block)(conduct, size, stream) for size, stream in blocks)
        for sums in done:
            total = sums if total is None else total.plus(sums)
        if progress is not None and total is not None:
            progress(total.trials, sum(sizes))
        if total is not None and mcse is not None and _errors(total)[0].max() <= mcse:
            break
    assert total is not None
    return total


def _conduct(
    design: Design, true_dlt: ArrayLike, true_response: ArrayLike | None, cohort_size: int, n_cohorts: int,
    start_level: int, backfill: Backfill | None,
) -> Conduct:  # fmt: skip
    rates = _checked(design, true_dlt, cohort_size, n_cohorts, start_level)
    response = None
    if design.uses_response:
        if true_response is None:
            raise ValueError(f"{type(design).__name__} needs true_response, a probability per level")
        response = checked_probabilities("true_response", true_response, rates.size)
    if backfill is not None and not design.can_backfill:
        raise ValueError(f"{type(design).__name__} decides on cohorts alone and takes no backfill")
    return Conduct(
        design=design, rates=rates, response=response, cohort_size=cohort_size, n_cohorts=n_cohorts,
        start_level=start_level, backfill=backfill,
    )  # fmt: skip


def _checked(
    design: Design, true_dlt: ArrayLike, cohort_size: int, n_cohorts: int, start_level: int
) -> Floats:
    rates: Floats = checked_probabilities("true_dlt", true_dlt)
    for name, value in (("cohort_size", cohort_size), ("n_cohorts", n_cohorts)):
        if not (isinstance(value, int | np.integer) and value >= 1):
            raise ValueError(f"{name} must be a whole number from 1, got {value!r}")
    if not (isinstance(start_level, int | np.integer) and 1 <= start_level <= rates.size):
        raise ValueError(f"start_level must be a level from 1 to {rates.size}, got {start_level!r}")
    design.check_levels(rates.size)
    return rates


def _merged(n: Counts, dlt: Counts, current: Counts, weight: Floats) -> tuple[Counts, Counts, Counts, Floats]:
    """Equal states once each, with their weights added."""
    state = np.concatenate([n, dlt, current[:, None]], axis=1)
    if not len(state):
        return n, dlt, current, weight
    first, place = distinct_rows(state)
    merged: Floats = np.bincount(place, weights=weight, minlength=len(first)).astype(np.float64)
    levels = n.shape[1]
    state = state[first]
    return state[:, :levels], state[:, levels : 2 * levels], state[:, -1], merged


def _errors(total: Sums) -> tuple[Floats, Floats, Floats, Floats]:
    """Monte-Carlo standard errors of selections, and of subjects, DLTs and added subjects per level."""
    count = total.trials
    share = total.selected / count

    def spread(squares: Floats, sums: Floats) -> Floats:
        variance = np.maximum(squares / count - (sums / count) ** 2, 0.0)
        error: Floats = np.sqrt(variance / max(count - 1, 1))
        return error

    return (
        np.sqrt(share * (1 - share) / count),
        spread(total.n_squared, total.n),
        spread(total.dlt_squared, total.dlt),
        spread(total.added_squared, total.added),
    )


def _characteristics(
    design: Design, rates: Floats, method: str, n_trials: int, selected: Floats, selected_mcse: Floats,
    n: Floats, n_mcse: Floats, dlt: Floats, dlt_mcse: Floats,
    *, backfilled: tuple[Floats, Floats] | None = None,
) -> OperatingCharacteristics:  # fmt: skip
    levels = pd.array(np.arange(1, rates.size + 1), dtype="Int64")
    with_none = pd.array([*range(1, rates.size + 1), pd.NA], dtype="Int64")
    # Level 0 of the bins is none: it comes last in the table.
    order = [*range(1, rates.size + 1), 0]
    return OperatingCharacteristics(
        selection=pd.DataFrame(
            {"level": with_none, "estimate": selected[order], "mcse": selected_mcse[order]}
        ),
        n_per_level=pd.DataFrame({"level": levels, "estimate": n, "mcse": n_mcse}),
        dlt_per_level=pd.DataFrame({"level": levels, "estimate": dlt, "mcse": dlt_mcse}),
        n_trials=n_trials, method=method, design=design, true_dlt=tuple(rates.tolist()),
        n_backfilled=None if backfilled is None
        else pd.DataFrame({"level": levels, "estimate": backfilled[0], "mcse": backfilled[1]}),
    )  # fmt: skip
