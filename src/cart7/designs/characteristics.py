"""Operating characteristics: how often a design selects each level, and whom it treats there.

Here: exact ones by following every state a trial can be in, simulated ones with their Monte-Carlo error, many
trials at once. Not here: the decisions (each design), the recommendation of the phase II dose
(`recommendation`).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlog1py, xlogy

from cart7.designs.base import BY_SELECTION, Counts, Design, checked_probabilities, distinct_rows

Floats = NDArray[np.float64]

MAX_STATES = 2_000_000
TRIALS_PER_BLOCK = 10_000


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
    """

    selection: pd.DataFrame = field(repr=False)
    n_per_level: pd.DataFrame = field(repr=False)
    dlt_per_level: pd.DataFrame = field(repr=False)
    n_trials: int
    method: str
    design: Design
    true_dlt: tuple[float, ...]

    def _repr_html_(self) -> str:
        table = self.selection.merge(self.n_per_level, on="level", how="left", suffixes=("", "_n"))
        return f"<p>{self.method}, {self.n_trials} trials</p>{table.to_html(index=False)}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """Sums over simulated trials: selections by level (0 none), subjects and DLTs with their squares."""

    trials: int
    selected: Floats
    n: Floats
    n_squared: Floats
    dlt: Floats
    dlt_squared: Floats

    def plus(self, other: "_Sums") -> "_Sums":
        return _Sums(
            trials=self.trials + other.trials, selected=self.selected + other.selected, n=self.n + other.n,
            n_squared=self.n_squared + other.n_squared, dlt=self.dlt + other.dlt,
            dlt_squared=self.dlt_squared + other.dlt_squared,
        )  # fmt: skip


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
    share = _binomial(outcomes, cohort_size, rates)
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
    chosen = _selected(design, n, dlt, given)
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
) -> OperatingCharacteristics:
    """Operating characteristics by simulation, many trials at once.

    Parameters
    ----------
    design : Design
    true_dlt : array_like
        True probability of a DLT per level.
    n_trials : int
        Trials; with `mcse` the most trials.
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
    from joblib import Parallel, delayed

    rates = _checked(design, true_dlt, cohort_size, n_cohorts, start_level)
    if not (isinstance(n_trials, int | np.integer) and n_trials >= 1):
        raise ValueError(f"n_trials must be a whole number from 1, got {n_trials!r}")
    if mcse is not None and not mcse > 0:
        raise ValueError(f"mcse must be above 0, got {mcse}")
    response = None
    if design.uses_response:
        if true_response is None:
            raise ValueError(f"{type(design).__name__} needs true_response, a probability per level")
        response = checked_probabilities("true_response", true_response, rates.size)
    sizes = [TRIALS_PER_BLOCK] * (int(n_trials) // TRIALS_PER_BLOCK)
    sizes += [int(n_trials) % TRIALS_PER_BLOCK] * bool(int(n_trials) % TRIALS_PER_BLOCK)
    streams = np.random.default_rng(rng).spawn(len(sizes))
    total: _Sums | None = None
    # With a wanted precision blocks come in rounds of a fixed size, whatever the number of workers.
    per_round = len(sizes) if mcse is None else 4
    for first in range(0, len(sizes), per_round):
        blocks = list(zip(sizes, streams, strict=True))[first : first + per_round]
        done = Parallel(n_jobs=n_jobs)(
            delayed(_block)(design, rates, response, size, cohort_size, n_cohorts, start_level, stream)
            for size, stream in blocks
        )
        for sums in done:
            total = sums if total is None else total.plus(sums)
        if total is not None and mcse is not None and _errors(total)[0].max() <= mcse:
            break
    assert total is not None
    chance, spread_n, spread_dlt = _errors(total)
    count = total.trials
    return _characteristics(
        design, rates, "simulated", count, total.selected / count, chance, total.n / count, spread_n,
        total.dlt / count, spread_dlt,
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


def _binomial(k: Counts, size: int, rates: Floats) -> Floats:
    """Probability of k DLTs in a cohort at each level."""
    ways = gammaln(size + 1) - gammaln(k + 1) - gammaln(size - k + 1)
    shares: Floats = np.exp(ways + xlogy(k, rates[:, None]) + xlog1py(size - k, -rates[:, None]))
    return shares


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


def _selected(design: Design, n: Counts, dlt: Counts, given: Counts, **more: Counts) -> Counts:
    """What each trial ends with; the selection is asked once per distinct set of counts."""
    chosen = given.copy()
    ask = given == BY_SELECTION
    if ask.any():
        tables = [n[ask], dlt[ask], *(extra[ask] for extra in more.values())]
        first, place = distinct_rows(np.concatenate(tables, axis=1))
        extra = {name: table[ask][first] for name, table in more.items()}
        chosen[ask] = design.selections(n[ask][first], dlt[ask][first], **extra)[place]
    return chosen


def _block(
    design: Design, rates: Floats, response: Floats | None, size: int, cohort_size: int, n_cohorts: int,
    start_level: int, rng: np.random.Generator,
) -> _Sums:  # fmt: skip
    """A block of trials, all of them cohort by cohort."""
    levels = rates.size
    n, dlt = np.zeros((size, levels), dtype=np.int64), np.zeros((size, levels), dtype=np.int64)
    eff = None if response is None else np.zeros((size, levels), dtype=np.int64)
    current = np.full(size, start_level, dtype=np.int64)
    ended = np.full(size, BY_SELECTION, dtype=np.int64)
    cohort = np.full(size, cohort_size, dtype=np.int64)
    most = cohort_size * n_cohorts
    if getattr(design, "titration", False):
        if cohort_size == 1:  # Cohorts of one are a titration already, and decided as cohorts.
            design = design.model_copy(update={"titration": False})
        else:
            current, cohort = _titrate(n, dlt, rates, cohort_size, most, rng)
    active, total = np.arange(size), n.sum(axis=1)
    for _ in range(n_cohorts):
        here = (active, current[active] - 1)
        room = most - total[active]
        treated = np.minimum(cohort[active], room)
        last = cohort[active] >= room
        toxic = rng.binomial(treated, rates[here[1]])
        n[here] += treated
        dlt[here] += toxic
        total[active] += treated
        more: dict[str, Any] = {}
        if eff is not None and response is not None:
            eff[here] += rng.binomial(treated, response[here[1]])
            more = {"n_eff": eff[active]}
        cohort[:] = cohort_size
        # Until the first trial ends the tables are handed over as they are, not copied.
        counts = (n, dlt, current) if len(active) == size else (n[active], dlt[active], current[active])
        more |= {"last_n": treated, "last_dlt": toxic}
        steps = design.steps(*counts, **more)
        # After the last cohort nothing more is decided: what the trial ends with follows from all counts.
        over = steps.stop | last
        outcome = steps.recommended
        if last.any():
            outcome = np.where(last, design.final(*counts, **more), outcome)
        ended[active[over]] = outcome[over]
        current[active] = steps.level
        active = active[~over]
        if not len(active):
            break
    if len(active):
        ended[active] = BY_SELECTION
    chosen = _selected(design, n, dlt, ended, **({} if eff is None else {"n_eff": eff}))
    return _Sums(
        trials=size, selected=np.bincount(chosen, minlength=levels + 1).astype(float),
        n=n.sum(axis=0).astype(float), n_squared=(n * n).sum(axis=0).astype(float),
        dlt=dlt.sum(axis=0).astype(float), dlt_squared=(dlt * dlt).sum(axis=0).astype(float),
    )  # fmt: skip


def _titrate(
    n: Counts, dlt: Counts, rates: Floats, cohort_size: int, most: int, rng: np.random.Generator
) -> tuple[Counts, Counts]:
    """One subject per level up to the first DLT or the top; the level reached is then filled up.

    No trial has more than `most` subjects.
    """
    toxic = rng.random(n.shape) < rates
    reached = np.where(toxic.any(axis=1), np.argmax(toxic, axis=1), rates.size - 1)
    reached = np.minimum(reached, most - 1)
    treated = np.arange(rates.size) <= reached[:, None]
    n += treated
    dlt += treated & toxic
    return reached + 1, np.full(len(n), cohort_size - 1, dtype=np.int64)


def _errors(total: _Sums) -> tuple[Floats, Floats, Floats]:
    """Monte-Carlo standard errors of selections, subjects and DLTs per level."""
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
    )


def _characteristics(
    design: Design, rates: Floats, method: str, n_trials: int, selected: Floats, selected_mcse: Floats,
    n: Floats, n_mcse: Floats, dlt: Floats, dlt_mcse: Floats,
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
    )  # fmt: skip
