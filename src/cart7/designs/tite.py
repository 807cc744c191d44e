"""TITE-BOIN: the next level while subjects are still under observation.

Here: the effective number of subjects, suspension, and the decision of `TiteBoin`. Not here: the boundaries
(`boundaries`) and the selection (`selection`).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cart7.designs.base import Action, Counts, Decision, checked_counts, whole_counts
from cart7.designs.boundaries import Limits, RateDesign
from cart7.designs.selection import STRICT, fewest


class TiteBoin(RateDesign):
    """Time-to-event BOIN in its approximate-likelihood form.

    Parameters
    ----------
    target : float
        Target DLT rate, from 0.05 to 0.6.
    window_days : float, default 28
        Length of the DLT window.
    max_pending_fraction : float, default 0.5
        Accrual is suspended when more than this fraction of the subjects at the current level is pending.
    p_saf, p_tox, cutoff_eli, extrasafe, offset, n_earlystop
        As in `Boin`.

    Notes
    -----
    A pending subject counts as the fraction of the window it has been followed: the rate is the DLTs over the
    effective number of subjects. Elimination comes first and counts pending subjects whole, as without DLT.
    Unlike in `Boin`, a rate that equals `lambda_d` de-escalates.

    References
    ----------
    Lin R, Yuan Y (2020). Biostatistics 21:807-824. doi:10.1093/biostatistics/kxz007
    Yuan Y, Lin R, Li D, Nie L, Warren KE (2018). Clin Cancer Res 24:4921-4930.
    doi:10.1158/1078-0432.CCR-18-0246

    Examples
    --------
    >>> from cart7.designs import TiteBoin
    >>> design = TiteBoin(target=0.3)
    >>> design.next_level([3, 6, 0], [0, 1, 0], 2, n_pending=[0, 2, 0], followup_days=[0, 3, 0]).action
    'stay'
    >>> design.next_level([3, 0, 0], [0, 0, 0], 1, n_pending=[2, 0, 0], followup_days=[20, 0, 0]).reason
    '2 of 3 subjects at level 1 pending, more than 0.5 of them'
    """

    window_days: float = Field(default=28, gt=0)
    max_pending_fraction: float = Field(default=0.5, ge=0, le=1)

    def next_level(
        self,
        n: ArrayLike,
        n_dlt: ArrayLike,
        current: int,
        *,
        n_pending: ArrayLike | None = None,
        followup_days: ArrayLike | None = None,
    ) -> Decision:
        """Level of the next cohort, or `suspend` until more is known.

        Parameters
        ----------
        n, n_dlt : sequence of int
            Subjects, pending ones included, and DLTs per level.
        current : int
            Level of the last cohort.
        n_pending : sequence of int, optional
            Subjects per level still in the DLT window without DLT; none by default.
        followup_days : sequence of float, optional
            Days the pending subjects of a level have been followed, summed; 0 by default.

        Raises
        ------
        ValueError
            For impossible counts, levels or days.
        """
        treated, toxic = checked_counts(n, n_dlt, current)
        pending, days = self._checked_pending(treated, n_pending, followup_days)
        here = current - 1
        first = int(self._first(treated[None], toxic[None])[0])
        if current >= first or pending[here] == 0:
            return super().next_level(treated, toxic, current)
        eliminated = tuple(range(first, treated.size + 1))
        waiting = f"{pending[here]} of {treated[here]} subjects at level {current} pending"
        if pending[here] - self.max_pending_fraction * treated[here] > STRICT:
            reason = f"{waiting}, more than {self.max_pending_fraction:g} of them"
            return Decision(action="suspend", level=current, reason=reason, eliminated=eliminated)
        effective = float(treated[here] - pending[here] + days[here] / self.window_days)
        if effective == 0 and toxic[here] == 0:
            reason = f"{waiting}, none followed yet"
            return Decision(action="suspend", level=current, reason=reason, eliminated=eliminated)
        rate = float(toxic[here]) / effective if effective > 0 else np.inf
        action, level, why = self._compare(rate, current, first, treated.size)
        counts = f"{toxic[here]} DLT in {effective:.2f} effective subjects at level {current}"
        if level == current and treated[here] >= self.n_earlystop:
            action, why = "stop", f"{why}; {treated[here]} subjects, at least {self.n_earlystop}"
        elif level == current == 1 and self._too_high(rate):
            action, why = "suspend", f"{why}, {waiting}"
        return Decision(action=action, level=level, reason=f"{counts}, {why}", eliminated=eliminated)

    def _too_high(self, rate: float) -> bool:
        return rate >= self.lambda_d - STRICT

    def _compare(self, rate: float, current: int, first: int, levels: int) -> tuple[Action, int, str]:
        """Where the rate leads, with the reason."""
        if rate <= self.lambda_e:
            why = f"{rate:.3f} <= {self.lambda_e:.3f} (lambda_e)"
            if current == levels:
                return "stay", current, f"{why}; level {current} is the highest"
            if current + 1 >= first:
                return "stay", current, f"{why}; level {current + 1} is eliminated"
            return "escalate", current + 1, why
        if self._too_high(rate):
            why = f"{rate:.3f} >= {self.lambda_d:.3f} (lambda_d)"
            if current == 1:
                return "stay", 1, f"{why}; level 1 is the lowest"
            return "de-escalate", current - 1, why
        why = f"{self.lambda_e:.3f} (lambda_e) < {rate:.3f} < {self.lambda_d:.3f} (lambda_d)"
        return "stay", current, why

    def _limits_to(self, most_n: int) -> Limits:
        up = fewest(most_n, lambda y, n: y > self.lambda_e * n, lowest=0) - 1
        down = fewest(most_n, lambda y, n: y >= (self.lambda_d - STRICT) * n, lowest=1)
        eliminate = self._eliminate(most_n)
        return Limits(
            escalate_le=up, deescalate_ge=np.minimum(down, eliminate), eliminate_ge=eliminate,
            lowest_ge=self._lowest(most_n),
        )  # fmt: skip

    def _evidence(self, n: int, n_dlt: int, *, up: bool, down: bool) -> str:
        if up:
            return f"{n_dlt / n:.3f} <= {self.lambda_e:.3f} (lambda_e)"
        if down:
            return f"{n_dlt / n:.3f} >= {self.lambda_d:.3f} (lambda_d)"
        return f"{self.lambda_e:.3f} (lambda_e) < {n_dlt / n:.3f} < {self.lambda_d:.3f} (lambda_d)"

    def _checked_pending(
        self, treated: Counts, n_pending: ArrayLike | None, followup_days: ArrayLike | None
    ) -> tuple[Counts, NDArray[np.float64]]:
        """Pending subjects and their days per level."""
        pending = np.zeros_like(treated) if n_pending is None else whole_counts("n_pending", n_pending)
        days = (
            np.zeros(treated.size) if followup_days is None else np.asarray(followup_days, dtype=np.float64)
        )
        for name, given in (("n_pending", pending), ("followup_days", days)):
            if given.shape != treated.shape:
                raise ValueError(f"{name} must have {treated.size} entries, one per level, got {given.size}")
        if (pending > treated).any():
            raise ValueError(
                f"n_pending must be at most n per level, {treated.tolist()}, got {pending.tolist()}"
            )
        if not ((days >= 0) & (days <= self.window_days * pending)).all():
            most = (self.window_days * pending).tolist()
            raise ValueError(
                f"followup_days must be from 0 to window_days x n_pending, {most} per level, "
                f"got {days.tolist()}"
            )
        return pending, days
