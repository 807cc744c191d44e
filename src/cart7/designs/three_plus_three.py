"""The 3+3 design: escalate on 0 of 3 or at most 1 of 6, too toxic from 2 DLTs on.

Here: the next level and the recommendation, with and without de-escalation. Not here: designs with a target
rate (`interval`).
"""

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from cart7.designs.base import Action, Counts, Decision, Design, Steps, checked_counts

_MOST = 6


class NoDecisionError(ValueError):
    """The design says nothing of such counts."""


class ThreePlusThree(Design):
    """The 3+3 design.

    Parameters
    ----------
    deescalate : bool, default False
        Whether a level found too toxic sends the next cohort one level down until six are treated there.
        Without, the trial stops and recommends the level below, even if only three were treated there.

    Notes
    -----
    With fewer than three subjects at a level, or four or five, more are treated there. Three without DLT
    escalate, three with one DLT are joined by three more; from two DLTs on the level is too toxic. Six with
    at most one DLT escalate. Where escalation would lead to no level, or to one with six subjects or two
    DLTs, the trial stops and recommends the present level. For more than six subjects at a level the design
    has no decision.

    References
    ----------
    Storer BE (1989). Biometrics 45:925-937. doi:10.2307/2531693

    Examples
    --------
    >>> from cart7.designs import ThreePlusThree
    >>> decision = ThreePlusThree().next_level([3, 0, 0], [1, 0, 0], 1)
    >>> decision.action, decision.level, decision.reason
    ('stay', 1, '1 of 3 with DLT at level 1: three more')
    """

    can_backfill: ClassVar[bool] = False

    deescalate: bool = False

    def next_level(self, n: ArrayLike, n_dlt: ArrayLike, current: int) -> Decision:
        """Level of the next cohort, or the level recommended where the trial stops.

        Parameters
        ----------
        n, n_dlt : sequence of int
            Subjects and DLTs per level.
        current : int
            Level of the last cohort.

        Raises
        ------
        ValueError
            For impossible counts, or more than six subjects at the current level.
        """
        treated, toxic = checked_counts(n, n_dlt, current)
        at = np.array([current], dtype=np.int64)
        steps = self.steps(treated[None], toxic[None], at, last_n=at, last_dlt=at)
        stop, level = bool(steps.stop[0]), int(steps.level[0])
        reason = _finding(int(treated[current - 1]), int(toxic[current - 1]), current)
        found_toxic = np.flatnonzero((toxic >= 2) & ((treated == 3) | (treated >= _MOST)))
        first = int(found_toxic[0]) + 1 if found_toxic.size else treated.size + 1
        action: Action = "escalate" if level > current else "stay" if level == current else "de-escalate"
        chosen: int | None = level
        if stop:
            action, chosen = "stop", int(steps.recommended[0]) or None
            reason += _ending(treated, toxic, current, chosen)
        return Decision(
            action=action, level=chosen, reason=reason, eliminated=tuple(range(first, treated.size + 1))
        )

    def steps(
        self, n: Counts, n_dlt: Counts, current: Counts, *, last_n: Counts, last_dlt: Counts, **more: Counts
    ) -> Steps:
        """Decisions of many trials; see `Design.steps`."""
        rows, levels = np.arange(len(current)), n.shape[1]
        treated, toxic = n[rows, current - 1], n_dlt[rows, current - 1]
        if (treated > _MOST).any():
            raise NoDecisionError(
                f"the 3+3 design has no decision for {int(treated.max())} subjects at a level"
            )
        clear = ((treated == 3) & (toxic == 0)) | ((treated == _MOST) & (toxic <= 1))
        too_toxic = ((treated == 3) | (treated == _MOST)) & (toxic >= 2)
        above, below = np.minimum(current, levels - 1), np.maximum(current - 2, 0)
        closed = (current == levels) | (n[rows, above] >= _MOST) | (n_dlt[rows, above] >= 2)
        if self.deescalate:
            down = too_toxic & (current > 1) & (n[rows, below] < _MOST)
            # Levels with six and at most one DLT, below the one that is too toxic.
            sound = (n >= _MOST) & (n_dlt <= 1) & (np.arange(1, levels + 1) < current[:, None])
            lower = np.where(sound.any(axis=1), levels - np.argmax(sound[:, ::-1], axis=1), 0)
        else:
            down = np.zeros(len(current), dtype=bool)
            lower = current - 1
        stop = (clear & closed) | (too_toxic & ~down)
        return Steps(
            level=current + (clear & ~closed) - down,
            stop=stop,
            recommended=np.where(stop, np.where(too_toxic, lower, current), 0),
        )

    def final(
        self, n: Counts, n_dlt: Counts, current: Counts, *, last_n: Counts, last_dlt: Counts, **more: Counts
    ) -> Counts:
        """What a trial ends with after its last planned cohort.

        The level recommended where the rules stop here; otherwise the level the next cohort would get, or the
        present one if nobody has been treated there.
        """
        steps = self.steps(n, n_dlt, current, last_n=last_n, last_dlt=last_dlt)
        untried = n[np.arange(len(current)), steps.level - 1] == 0
        return np.where(steps.stop, steps.recommended, np.where(untried, current, steps.level))


def _finding(treated: int, toxic: int, current: int) -> str:
    """What the counts at the current level mean."""
    counts = f"{toxic} of {treated} with DLT at level {current}"
    if treated < 3:
        return f"{counts}: fewer than three treated"
    if 3 < treated < _MOST:
        return f"{counts}: fewer than six treated"
    if toxic >= 2:
        return f"{counts}: too toxic"
    if treated == 3 and toxic == 1:
        return f"{counts}: three more"
    return f"{counts}: safe enough to escalate"


def _ending(n: Counts, n_dlt: Counts, current: int, chosen: int | None) -> str:
    """Why the trial stops, and what it recommends."""
    if chosen is None:
        return ", and no lower level can be recommended"
    at = f"level {chosen} is recommended ({n_dlt[chosen - 1]} of {n[chosen - 1]} with DLT)"
    if chosen < current:
        return f"; {at}"
    if current == n.size:
        return f", but it is the highest; {at}"
    return f", but level {current + 1} has {n_dlt[current]} of {n[current]} with DLT; {at}"
