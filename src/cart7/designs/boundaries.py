"""What interval designs share: a decision is read off a table by subjects and DLTs at the current level.

Here: the table, the next level of one trial with its reason and of many at once, the MTD; the stricter rule
for the lowest level, and boundaries of the observed rate. Not here: the boundaries themselves of BOIN,
keyboard and mTPI (`interval`), the selection (`selection`).
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from cart7.designs.base import (
    BY_SELECTION,
    Action,
    Counts,
    Decision,
    Design,
    Flags,
    MtdSelection,
    Steps,
    checked_counts,
)
from cart7.designs.selection import (
    STRICT,
    SelectionRule,
    elimination,
    first_eliminated,
    mtd_selection,
    reach,
    selected_levels,
    why_eliminated,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Limits:
    """What the number of DLTs means, by number of subjects from 0.

    Attributes
    ----------
    escalate_le : ndarray of int
        At most so many DLTs escalate; -1: no number does.
    deescalate_ge, eliminate_ge : ndarray of int
        So many DLTs de-escalate, eliminate; one more than the subjects: no number does.
    lowest_ge : ndarray of int or None
        So many DLTs at the lowest level stop the trial, where that rule is stricter than elimination.
    """

    escalate_le: Counts
    deescalate_ge: Counts
    eliminate_ge: Counts
    lowest_ge: Counts | None


class IntervalDesign(Design):
    """A design whose decision is read off a table by subjects and DLTs at the current level.

    Parameters
    ----------
    target : float
        Target DLT rate.
    cutoff_eli : float, default 0.95
        A level and all above it are eliminated when P(DLT rate > target) exceeds this, under a uniform prior.
    """

    target: float = Field(ge=0.05, le=0.6)
    cutoff_eli: float = Field(default=0.95, gt=0, lt=1)

    _eliminates_from: ClassVar[int] = 3

    def table(self, max_n: int) -> pd.DataFrame:
        """Decisions by number of subjects at the current level.

        Parameters
        ----------
        max_n : int
            Most subjects at a level.

        Returns
        -------
        DataFrame
            `n, escalate_le, deescalate_ge, eliminate_ge` (numbers of DLTs; <NA>: never), and
            `extrasafe_stop_ge` for the lowest level where that rule is on.

        Raises
        ------
        ValueError
            If `max_n` is not a whole number from 1.
        """
        if not isinstance(max_n, int | np.integer) or max_n < 1:
            raise ValueError(f"max_n must be a whole number from 1, got {max_n!r}")
        n = np.arange(1, int(max_n) + 1)
        limits = _limits(self, int(max_n))
        columns = {
            "n": n, "escalate_le": limits.escalate_le[1:], "deescalate_ge": limits.deescalate_ge[1:],
            "eliminate_ge": limits.eliminate_ge[1:],
        }  # fmt: skip
        if limits.lowest_ge is not None:
            columns["extrasafe_stop_ge"] = limits.lowest_ge[1:]
        shown = {name: pd.array(column, dtype="Int64") for name, column in columns.items()}
        for name, column in columns.items():
            if name != "n":
                shown[name][(column < 0) | (column > n)] = pd.NA
        return pd.DataFrame(shown)

    def next_level(self, n: ArrayLike, n_dlt: ArrayLike, current: int) -> Decision:
        """Level of the next cohort.

        Parameters
        ----------
        n, n_dlt : sequence of int
            Subjects and DLTs per level.
        current : int
            Level of the last cohort.

        Raises
        ------
        ValueError
            For impossible counts or levels.
        """
        treated, toxic = checked_counts(n, n_dlt, current)
        at = np.array([current], dtype=np.int64)
        steps = self.steps(treated[None], toxic[None], at, last_n=at, last_dlt=at)
        first = int(self._first(treated[None], toxic[None])[0])
        level = int(steps.level[0])
        action: Action = "escalate" if level > current else "stay" if level == current else "de-escalate"
        chosen: int | None = level
        if steps.stop[0]:
            action, chosen = "stop", None if first == 1 else current
        return Decision(
            action=action, level=chosen, reason=self._reason(treated, toxic, current, first, action),
            eliminated=tuple(range(first, treated.size + 1)),
        )  # fmt: skip

    def steps(
        self, n: Counts, n_dlt: Counts, current: Counts, *, last_n: Counts, last_dlt: Counts, **more: Counts
    ) -> Steps:
        """Decisions of many trials; see `Design.steps`."""
        limits = _limits(self, reach(n))
        here = np.arange(len(current)) * n.shape[1] + current - 1
        treated, toxic = n.reshape(-1)[here], n_dlt.reshape(-1)[here]
        first = first_eliminated(n, n_dlt, limits.eliminate_ge, limits.lowest_ge)
        up, down = toxic <= limits.escalate_le[treated], toxic >= limits.deescalate_ge[treated]
        level = current + (up & (current < n.shape[1]) & (current + 1 < first)) - (down & ~up & (current > 1))
        level = np.where(current >= first, first - 1, level)
        none_left, largest = first == 1, self._enough()
        stop = none_left if largest is None else none_left | ((treated >= largest) & (level == current))
        return Steps(
            level=np.where(stop, current, level), stop=stop,
            recommended=np.where(none_left, 0, BY_SELECTION),
        )  # fmt: skip

    def tolerates(self, n: Counts, n_dlt: Counts, level: int, **more: Counts) -> Flags:
        """Neither eliminated nor with DLTs that call for de-escalation, at the lowest level too."""
        limits = _limits(self, reach(n))
        first = first_eliminated(n, n_dlt, limits.eliminate_ge, limits.lowest_ge)
        tolerable = n_dlt[:, level - 1] < limits.deescalate_ge[n[:, level - 1]]
        return np.asarray((level < first) & tolerable, dtype=bool)

    def selections(self, n: Counts, n_dlt: Counts, **more: Counts) -> Counts:
        """The level selected in each trial, 0 for none; see `select_mtd`."""
        return selected_levels(n, n_dlt, self._selection())

    def select_mtd(self, n: ArrayLike, n_dlt: ArrayLike) -> MtdSelection:
        """The level selected at the end.

        Parameters
        ----------
        n, n_dlt : sequence of int
            Subjects and DLTs per level.

        Returns
        -------
        MtdSelection
            Of the levels with subjects that are not eliminated (three subjects at least, P(DLT rate > target)
            above `cutoff_eli`) the one whose isotonic estimate is nearest to the target; of equal
            estimates below the target the highest level, above it the lowest. `estimates` has isotonic
            means and 95 % limits under a Beta(0.05, 0.05) prior, weighted by precision, and isotonic
            P(DLT rate > target), over all levels with subjects.

        Raises
        ------
        ValueError
            For impossible counts.
        """
        return mtd_selection(n, n_dlt, self._selection())

    def _selection(self) -> SelectionRule:
        return SelectionRule(target=self.target, cutoff=self.cutoff_eli)

    def _enough(self) -> int | None:
        """Subjects at a level from which staying there ends the trial."""
        return None

    def _limits_to(self, most_n: int) -> Limits:
        """The decision table from 0 to so many subjects."""
        raise NotImplementedError(f"{type(self).__name__} has no decision table")

    def _evidence(self, n: int, n_dlt: int, *, up: bool, down: bool) -> str:
        """The numbers behind a decision at the current level, in words."""
        raise NotImplementedError(f"{type(self).__name__} gives no reasons")

    def _eliminate(self, most_n: int) -> Counts:
        return elimination(self.target, self.cutoff_eli, self._eliminates_from, most_n)

    def _first(self, n: Counts, n_dlt: Counts) -> Counts:
        limits = _limits(self, reach(n))
        return first_eliminated(n, n_dlt, limits.eliminate_ge, limits.lowest_ge)

    def _why_eliminated(self, n: Counts, n_dlt: Counts, first: int) -> str:
        return why_eliminated(n, n_dlt, first, self.target, self.cutoff_eli)

    def _reason(self, n: Counts, n_dlt: Counts, current: int, first: int, action: Action) -> str:
        if first == 1:
            return f"{self._why_eliminated(n, n_dlt, 1)}; no level is left"
        if current >= first:
            return self._why_eliminated(n, n_dlt, first)
        treated, toxic = int(n[current - 1]), int(n_dlt[current - 1])
        if treated == 0:
            return f"nobody has been treated at level {current}"
        limits = _limits(self, reach(n))
        up, down = toxic <= limits.escalate_le[treated], toxic >= limits.deescalate_ge[treated]
        reason = f"{toxic} of {treated} with DLT at level {current}"
        reason += f", {self._evidence(treated, toxic, up=bool(up), down=bool(down))}"
        if up and current == n.size:
            reason += f"; level {current} is the highest"
        elif up and first == current + 1:
            reason += f"; {self._why_eliminated(n, n_dlt, first)}"
        elif down and not up and current == 1:
            reason += "; level 1 is the lowest"
        if action == "stop":
            reason += f"; {treated} subjects, at least {self._enough()}"
        return reason


class GuardedDesign(IntervalDesign):
    """An interval design with a stricter rule for the lowest level and an end once a level has enough.

    Parameters
    ----------
    extrasafe : bool, default False
        Whether the trial also stops when P(DLT rate > target) exceeds `cutoff_eli` - `offset` at the lowest
        level, from three subjects on.
    offset : float, default 0.05
    n_earlystop : int, default 100
        The trial ends when the next cohort would stay at a level with so many subjects.
    """

    extrasafe: bool = False
    offset: float = Field(default=0.05, ge=0, lt=0.5)
    n_earlystop: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _possible_offset(self) -> Self:
        if not self.offset < self.cutoff_eli:
            raise ValueError(f"offset must be below cutoff_eli = {self.cutoff_eli}, got {self.offset}")
        return self

    def _selection(self) -> SelectionRule:
        lowest = self.cutoff_eli - self.offset if self.extrasafe else None
        return SelectionRule(target=self.target, cutoff=self.cutoff_eli, lowest_cutoff=lowest)

    def _enough(self) -> int | None:
        return self.n_earlystop

    def _lowest(self, most_n: int) -> Counts | None:
        if not self.extrasafe:
            return None
        return elimination(self.target, self.cutoff_eli - self.offset, 3, most_n)

    def _why_eliminated(self, n: Counts, n_dlt: Counts, first: int) -> str:
        treated, toxic = int(n[first - 1]), int(n_dlt[first - 1])
        cutoff = self.cutoff_eli
        if first == 1 and self.extrasafe and toxic < self._eliminate(max(treated, 1))[treated]:
            cutoff -= self.offset
        return why_eliminated(n, n_dlt, first, self.target, cutoff)


class RateDesign(GuardedDesign):
    """A design that compares the observed DLT rate with two boundaries.

    Parameters
    ----------
    p_saf, p_tox : float, optional
        Highest rate that calls for escalation and lowest that calls for de-escalation; 0.6 and 1.4 times the
        target by default. Each must be at least a tenth of the target away from it.
    """

    p_saf: float | None = Field(default=None, gt=0, lt=1)
    p_tox: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        least = 0.1 * self.target - STRICT
        if self.p_saf is not None and self.target - self.p_saf < least:
            raise ValueError(f"p_saf must be at most {0.9 * self.target:.4g}, 0.9 x target, got {self.p_saf}")
        if self.p_tox is not None and self.p_tox - self.target < least:
            raise ValueError(
                f"p_tox must be at least {1.1 * self.target:.4g}, 1.1 x target, got {self.p_tox}"
            )
        return self

    @property
    def lambda_e(self) -> float:
        """Observed DLT rate up to which the next cohort goes up."""
        return _between(0.6 * self.target if self.p_saf is None else self.p_saf, self.target)

    @property
    def lambda_d(self) -> float:
        """Observed DLT rate from which the next cohort goes down."""
        return _between(self.target, 1.4 * self.target if self.p_tox is None else self.p_tox)


@lru_cache(maxsize=256)
def _limits(design: IntervalDesign, most_n: int) -> Limits:
    """The decision table of a design; where nobody was treated the next cohort stays."""
    found = design._limits_to(most_n)
    found.escalate_le[0] = -1
    for limit in (found.escalate_le, found.deescalate_ge):
        limit.setflags(write=False)
    return found


def _between(lower: float, upper: float) -> float:
    """The observed rate at which two rates are equally likely."""
    return math.log((1 - lower) / (1 - upper)) / math.log(upper * (1 - lower) / (lower * (1 - upper)))
