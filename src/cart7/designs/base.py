"""What all escalation designs share: a decision, a selection, and the way a trial is conducted.

Here: the frozen base of designs, the records they hand out, checks of counts, and the two vectorised
questions that exact and simulated operating characteristics ask: where does the next cohort go, and which
level is selected at the end. Not here: any rule of a design.

Levels count from 1. Arrays over trials hold 0 for no level.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]
Action = Literal["escalate", "stay", "de-escalate", "suspend", "stop"]

BY_SELECTION = -1
"""In `Steps.recommended`: the level that `selections` gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where the next cohort goes.

    Attributes
    ----------
    action : {"escalate", "stay", "de-escalate", "suspend", "stop"}
    level : int or None
        Level of the next cohort; with `stop` the level that is recommended, if the design names one.
    reason : str
        Why, in words with the numbers that decided.
    eliminated : tuple of int
        Levels that may not be used any more.
    """

    action: Action
    level: int | None
    reason: str
    eliminated: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MtdSelection:
    """The level selected at the end.

    Attributes
    ----------
    level : int or None
    reason : str
        Why this one, or why none.
    estimates : DataFrame
        One row per level: `level, n, n_dlt, estimate` (isotonic), `ci_low, ci_high, prob_overdose`; missing
        where nobody was treated.
    """

    level: int | None
    reason: str
    estimates: pd.DataFrame = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """The decision after a cohort, one entry per trial.

    Attributes
    ----------
    level : ndarray of int
        Level of the next cohort; the current one where the trial stops.
    stop : ndarray of bool
    recommended : ndarray of int
        Where it stops: the level the design recommends, 0 for none, `BY_SELECTION` to ask `selections`.
    """

    level: Counts
    stop: Flags
    recommended: Counts


class Design(BaseModel):
    """A dose-escalation design: frozen parameters, and decisions that follow from counts alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    uses_response: ClassVar[bool] = False
    can_backfill: ClassVar[bool] = True

    def check_levels(self, n_levels: int) -> None:
        """ValueError when the design is made for another number of levels."""

    def steps(
        self, n: Counts, n_dlt: Counts, current: Counts, *, last_n: Counts, last_dlt: Counts, **more: Counts
    ) -> Steps:
        """The decision of many trials at once, after a cohort that was not the last one.

        Parameters
        ----------
        n, n_dlt : ndarray of int, trials x levels
            Treated subjects and DLTs, the last cohort included.
        current : ndarray of int
            Level of the last cohort.
        last_n, last_dlt : ndarray of int
            The last cohort alone.
        more : ndarray of int
            `n_eff`, responses per level, for designs that use them.
        """
        raise NotImplementedError(f"{type(self).__name__} has no vectorised decisions")

    def final(
        self, n: Counts, n_dlt: Counts, current: Counts, *, last_n: Counts, last_dlt: Counts, **more: Counts
    ) -> Counts:
        """What a trial ends with after its last planned cohort: the selection from all counts."""
        return np.full(len(current), BY_SELECTION, dtype=np.int64)

    def tolerates(self, n: Counts, n_dlt: Counts, level: int, **more: Counts) -> Flags:
        """Whether each trial may go on treating at a level it has left upwards.

        True where the design, were this its current level, would neither leave it downwards nor stop for want
        of a level.
        """
        at = np.full(len(n), level, dtype=np.int64)
        here = {"last_n": n[:, level - 1], "last_dlt": n_dlt[:, level - 1]}
        steps = self.steps(n, n_dlt, at, **here, **more)
        return np.asarray((steps.level >= level) & ~(steps.stop & (steps.recommended == 0)), dtype=bool)

    def selections(self, n: Counts, n_dlt: Counts, **more: Counts) -> Counts:
        """The level selected at the end of many trials, 0 for none."""
        raise NotImplementedError(f"{type(self).__name__} selects no level")


def checked_counts(n: Any, n_dlt: Any, current: int | None = None) -> tuple[Counts, Counts]:
    """Counts per level as arrays; ValueError when they cannot be.

    Parameters
    ----------
    n, n_dlt : sequence of int
        Subjects and DLTs per level.
    current : int, optional
        A level that must be one of them.
    """
    treated, toxic = whole_counts("n", n), whole_counts("n_dlt", n_dlt)
    if treated.shape != toxic.shape:
        raise ValueError(
            f"n and n_dlt must have one entry per level each, got {treated.size} and {toxic.size}"
        )
    if (toxic > treated).any():
        level = int(np.argmax(toxic > treated))
        raise ValueError(
            f"level {level + 1} has more DLTs than subjects: {int(toxic[level])} of {int(treated[level])}"
        )
    if current is not None and not (isinstance(current, int | np.integer) and 1 <= current <= treated.size):
        raise ValueError(f"current must be a level from 1 to {treated.size}, got {current!r}")
    return treated, toxic


def whole_counts(name: str, values: Any) -> Counts:
    """A one-dimensional array of whole numbers from 0; ValueError otherwise."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must have one entry per level, got {values!r}")
    if not (np.isfinite(array).all() and (array >= 0).all() and (array == np.round(array)).all()):
        raise ValueError(f"{name} must hold whole numbers from 0, got {array.tolist()}")
    return array.astype(np.int64)


def checked_probabilities(name: str, values: ArrayLike, n_levels: int | None = None) -> Any:
    """Probabilities per level as an array; ValueError when they cannot be."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{name} must hold a probability per level, got {values!r}")
    if n_levels is not None and array.size != n_levels:
        raise ValueError(f"{name} must have {n_levels} entries, one per level, got {array.size}")
    return array


def checked_cohort(cohort: tuple[int, int] | None, n: Counts, n_dlt: Counts, current: int) -> tuple[int, int]:
    """The last cohort as (subjects, DLTs): part of the counts at its level; all of them when not given."""
    at = current - 1
    if cohort is None:
        return int(n[at]), int(n_dlt[at])
    size, toxic = cohort
    if not (0 < size <= n[at] and 0 <= toxic <= size and toxic <= n_dlt[at]):
        raise ValueError(
            f"cohort must be (subjects, DLTs) out of the {int(n[at])} and {int(n_dlt[at])} at level "
            f"{current}, got {cohort}"
        )
    return int(size), int(toxic)


def distinct_rows(state: Counts) -> tuple[Counts, Counts]:
    """First row of each distinct row, and which distinct row each one is; whole numbers from 0."""
    span = state.max(axis=0) + 1
    bits = np.ceil(np.log2(np.maximum(span, 2))).astype(int)
    if bits.sum() <= 62:
        shift = np.concatenate([[0], np.cumsum(bits)[:-1]])
        code = (state << shift).sum(axis=1)
        _, first, place = np.unique(code, return_index=True, return_inverse=True)
    else:
        _, first, place = np.unique(state, axis=0, return_index=True, return_inverse=True)
    return first.astype(np.int64), place.reshape(-1).astype(np.int64)
