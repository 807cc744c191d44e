"""Simulated trials: a block of them conducted together, cohort by cohort.

Here: the draws, titration, backfill, the conduct of a block and its sums. Not here: the decisions (each
design), what the sums say (`characteristics`).

A block always draws for all its places and uses the first ones: trial number i has the same draws however
many trials are run, so a longer run extends a shorter one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import gammaln, xlog1py, xlogy

from cart7.designs.base import BY_SELECTION, Counts, Design, Flags, distinct_rows

Floats = NDArray[np.float64]

TRIALS_PER_BLOCK = 10_000


class Backfill(BaseModel):
    """Subjects added at lower levels while the trial goes on above them.

    Parameters
    ----------
    per_cohort : int, default 3
        Subjects added with every cohort of the escalation.
    max_n : int, default 12
        No level is filled beyond so many subjects, those of the escalation included.

    Notes
    -----
    With each cohort at level d the subjects are added at the highest open level below d. A level is open when
    somebody was treated there, it has fewer than `max_n` subjects, it is not eliminated, and on the counts
    before this cohort the design would not leave it downwards. Added subjects do not use up cohorts; they
    count in every later decision and in the selection.

    Examples
    --------
    >>> Backfill(max_n=9)
    Backfill(per_cohort=3, max_n=9)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_cohort: int = Field(default=3, ge=1)
    max_n: int = Field(default=12, ge=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conduct:
    """What all trials of a simulation share."""

    design: Design
    rates: Floats
    response: Floats | None
    cohort_size: int
    n_cohorts: int
    start_level: int
    backfill: Backfill | None

    @property
    def most(self) -> int:
        """Most subjects of the escalation."""
        return self.cohort_size * self.n_cohorts


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over trials: selections by level (0 none); subjects, DLTs, added subjects and their squares."""

    trials: int
    selected: Floats
    n: Floats
    n_squared: Floats
    dlt: Floats
    dlt_squared: Floats
    added: Floats
    added_squared: Floats

    def plus(self, other: "Sums") -> "Sums":
        """The sums of both."""
        return Sums(**{name: getattr(self, name) + getattr(other, name) for name in Sums.__slots__})


def binomial_chances(size: int, rates: Floats) -> Floats:
    """Probability of 0 to `size` events among so many subjects, by level."""
    k = np.arange(size + 1)
    ways = gammaln(size + 1) - gammaln(k + 1) - gammaln(size - k + 1)
    chances: Floats = np.exp(ways + xlogy(k, rates[:, None]) + xlog1py(size - k, -rates[:, None]))
    return chances


class _Events:
    """Numbers of events among the subjects of a cohort, from one uniform draw per place of the block."""

    def __init__(self, rates: Floats, most: int) -> None:
        # The number of events is the number of cumulative probabilities that the draw reaches.
        reached = np.full((most, most + 1, rates.size), np.inf)
        for size in range(1, most + 1):
            reached[:size, size] = np.cumsum(binomial_chances(size, rates), axis=1)[:, :size].T
        reached[:, :, rates == 0] = np.inf
        self._reached = reached.reshape(most, -1)
        self._levels = rates.size

    def draw(self, treated: Counts, position: Counts, places: Counts, rng: np.random.Generator) -> Counts:
        """Events among `treated` subjects at level `position` + 1, for the trials at these places."""
        uniform = rng.random(TRIALS_PER_BLOCK)[places]
        kind = treated * self._levels + position
        events = np.zeros(len(places), dtype=np.int64)
        for reached in self._reached:
            events += uniform >= reached[kind]
        return events


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Counts:
    """Subjects, DLTs and responses per level of the trials of a block; they grow."""

    n: Counts
    dlt: Counts
    eff: Counts | None

    @classmethod
    def none(cls, size: int, levels: int, *, response: bool) -> "_Counts":
        """Nobody yet."""
        n, dlt, eff = (np.zeros((size, levels), dtype=np.int64) for _ in range(3))
        return cls(n=n, dlt=dlt, eff=eff if response else None)

    def more(self, trials: Counts | slice = slice(None)) -> dict[str, Any]:
        """The counts that only some designs ask for."""
        return {} if self.eff is None else {"n_eff": self.eff[trials]}

    def treat(
        self, trials: Counts, position: Counts, treated: Counts, events: "_Outcomes", rng: np.random.Generator
    ) -> Counts:
        """Treat so many subjects of these trials at these levels; returns their DLTs."""
        toxic = events.toxicity.draw(treated, position, trials, rng)
        cell = trials * self.n.shape[1] + position
        self.n.reshape(-1)[cell] += treated
        self.dlt.reshape(-1)[cell] += toxic
        if self.eff is not None and events.response is not None:
            self.eff.reshape(-1)[cell] += events.response.draw(treated, position, trials, rng)
        return toxic


class _Outcomes:
    """The draws of DLTs and responses of cohorts of at most so many subjects."""

    def __init__(self, conduct: Conduct, most: int) -> None:
        self.toxicity = _Events(conduct.rates, most)
        self.response = None if conduct.response is None else _Events(conduct.response, most)


class _Filling:
    """Backfill of the trials of a block; its draws have their own stream, so the others stay the same."""

    def __init__(self, conduct: Conduct, rule: Backfill, rng: np.random.Generator, size: int) -> None:
        self.rule, self.design, (self.rng,) = rule, conduct.design, rng.spawn(1)
        self.events = _Outcomes(conduct, rule.per_cohort)
        self.added = np.zeros((size, conduct.rates.size), dtype=np.int64)

    def level(self, counts: _Counts, trials: Counts, current: Counts) -> Counts:
        """The highest open level below the current one, 0 where none is."""
        n, dlt, more = counts.n[trials], counts.dlt[trials], counts.more(trials)
        found = np.zeros(len(current), dtype=np.int64)
        for level in range(1, int(current.max(initial=1))):
            here = n[:, level - 1]
            open_there = (here > 0) & (here < self.rule.max_n) & (level < current)
            if open_there.any():
                asked = {name: table[open_there] for name, table in more.items()}
                tolerable = self.design.tolerates(n[open_there], dlt[open_there], level, **asked)
                open_there[open_there] = tolerable
            found[open_there] = level
        return found

    def add(self, counts: _Counts, trials: Counts, level: Counts) -> None:
        """Treat subjects at these levels; 0 is none."""
        position = np.maximum(level - 1, 0)
        room = np.minimum(self.rule.per_cohort, self.rule.max_n - counts.n[trials, position])
        treated = np.where(level > 0, room, 0)
        self.added[trials, position] += treated
        counts.treat(trials, position, treated, self.events, self.rng)


def run_block(conduct: Conduct, size: int, rng: np.random.Generator) -> Sums:
    """A block of trials, all of them cohort by cohort."""
    counts = _Counts.none(size, conduct.rates.size, response=conduct.response is not None)
    current = np.full(size, conduct.start_level, dtype=np.int64)
    cohort = np.full(size, conduct.cohort_size, dtype=np.int64)
    ended = np.full(size, BY_SELECTION, dtype=np.int64)
    design = conduct.design
    if getattr(design, "titration", False):
        if conduct.cohort_size == 1:  # Cohorts of one are a titration already, and decided as cohorts.
            design = design.model_copy(update={"titration": False})
        else:
            current, cohort = _titrate(conduct, counts, rng)
    events = _Outcomes(conduct, conduct.cohort_size)
    rule = conduct.backfill
    filling = None if rule is None else _Filling(conduct, rule, rng, size)
    active, total = np.arange(size), counts.n.sum(axis=1)
    for _ in range(conduct.n_cohorts):
        at, room = current[active], conduct.most - total[active]
        treated, last = np.minimum(cohort[active], room), cohort[active] >= room
        below = None if filling is None else filling.level(counts, active, at)
        toxic = counts.treat(active, at - 1, treated, events, rng)
        total[active] += treated
        if filling is not None and below is not None:
            filling.add(counts, active, below)
        over, level, outcome = _decided(
            design, counts, active, at, last, {"last_n": treated, "last_dlt": toxic}
        )
        ended[active[over]] = outcome[over]
        current[active], cohort[:] = level, conduct.cohort_size
        active = active[~over]
        if not len(active):
            break
    chosen = selected(design, counts.n, counts.dlt, ended, **counts.more())
    return _sums(chosen, counts, np.zeros_like(counts.n) if filling is None else filling.added)


def _decided(
    design: Design, counts: _Counts, trials: Counts, at: Counts, last: Flags, cohort: dict[str, Any]
) -> tuple[Flags, Counts, Counts]:
    """Which trials are over after a cohort, the level of the next one, and what an ended trial ends with."""
    # Until the first trial ends the tables are handed over as they are, not copied.
    n, dlt = counts.n, counts.dlt
    tables = (n, dlt, at) if len(trials) == len(n) else (n[trials], dlt[trials], at)
    more = counts.more(trials) | cohort
    steps = design.steps(*tables, **more)
    outcome = steps.recommended
    if last.any():
        # After the last cohort nothing more is decided: what a trial ends with follows from all counts.
        outcome = np.where(last, design.final(*tables, **more), outcome)
    return steps.stop | last, steps.level, outcome


def selected(design: Design, n: Counts, dlt: Counts, given: Counts, **more: Counts) -> Counts:
    """What each trial ends with; the selection is asked once per distinct set of counts."""
    chosen = given.copy()
    ask = given == BY_SELECTION
    if ask.any():
        tables = [n[ask], dlt[ask], *(extra[ask] for extra in more.values())]
        first, place = distinct_rows(np.concatenate(tables, axis=1))
        extra = {name: table[ask][first] for name, table in more.items()}
        chosen[ask] = design.selections(n[ask][first], dlt[ask][first], **extra)[place]
    return chosen


def _sums(chosen: Counts, counts: _Counts, added: Counts) -> Sums:
    def both(table: Counts) -> tuple[Floats, Floats]:
        return table.sum(axis=0).astype(np.float64), (table * table).sum(axis=0).astype(np.float64)

    (n, n_squared), (dlt, dlt_squared), (more, more_squared) = map(both, (counts.n, counts.dlt, added))
    return Sums(
        trials=len(chosen), selected=np.bincount(chosen, minlength=n.size + 1).astype(np.float64), n=n,
        n_squared=n_squared, dlt=dlt, dlt_squared=dlt_squared, added=more, added_squared=more_squared,
    )  # fmt: skip


def _titrate(conduct: Conduct, counts: _Counts, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """One subject per level up to the first DLT or the top; the level reached is then filled up.

    No trial has more subjects than planned.
    """
    rates = conduct.rates
    toxic = rng.random((TRIALS_PER_BLOCK, rates.size))[: len(counts.n)] < rates
    reached = np.where(toxic.any(axis=1), np.argmax(toxic, axis=1), rates.size - 1)
    reached = np.minimum(reached, conduct.most - 1)
    treated = np.arange(rates.size) <= reached[:, None]
    counts.n[:] += treated
    counts.dlt[:] += treated & toxic
    return reached + 1, np.full(len(reached), conduct.cohort_size - 1, dtype=np.int64)
