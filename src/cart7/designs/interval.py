"""Interval designs: BOIN, keyboard (mTPI-2) and mTPI decide by how many DLTs the current level has.

Here: which numbers of DLTs escalate and de-escalate, and why. Not here: what the designs share
(`boundaries`), subjects still under observation (`tite`), the selection (`selection`).
"""

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator
from scipy.special import betainc, betaincc

from cart7.designs.base import Action, Counts, Steps, checked_counts
from cart7.designs.boundaries import GuardedDesign, IntervalDesign, Limits, RateDesign
from cart7.designs.selection import STRICT, SelectionRule, elimination, fewest

TIE = 1e-10
"""Relative difference within which two posterior masses are equal: mirror images tie, rounding parts them."""


class Boin(RateDesign):
    """Bayesian optimal interval design.

    Parameters
    ----------
    target : float
        Target DLT rate, from 0.05 to 0.6.
    p_saf, p_tox : float, optional
        Rates that are too low and too high; 0.6 and 1.4 times the target by default.
    cutoff_eli : float, default 0.95
        A level with three subjects or more, and all above it, are eliminated when P(DLT rate > target)
        exceeds this, under a uniform prior.
    extrasafe : bool, default False
        Whether the trial also stops when that probability exceeds ``cutoff_eli - offset`` at the lowest
        level.
    offset : float, default 0.05
    n_earlystop : int, default 100
        The trial ends when the next cohort would stay at a level with so many subjects.
    bound_mtd : bool, default False
        Whether only levels with an isotonic estimate of at most `lambda_d` can be selected.
    titration : bool, default False
        Whether the trial begins with one subject per level, up to the first DLT or the highest level; that
        level is then filled up to a cohort.

    Notes
    -----
    Escalate when at most ``floor(lambda_e n)`` of n have a DLT, de-escalate from ``ceil(lambda_d n)`` on.
    Where ``lambda_d n`` is a whole number the rate equals the boundary, and the trial stays.

    References
    ----------
    Liu S, Yuan Y (2015). J R Stat Soc C 64:507-523. doi:10.1111/rssc.12089
    Yan F, Zhang L, Zhou Y, Pan H, Liu S, Yuan Y (2020). J Stat Softw 94(13). doi:10.18637/jss.v094.i13

    Examples
    --------
    >>> from cart7.designs import Boin
    >>> design = Boin(target=0.3)
    >>> f"{design.lambda_e:.3f} {design.lambda_d:.3f}"
    '0.236 0.359'
    >>> print(design.table(6).to_string(index=False))
     n  escalate_le  deescalate_ge  eliminate_ge
     1            0              1          <NA>
     2            0              1          <NA>
     3            0              2             3
     4            0              2             3
     5            1              2             4
     6            1              3             4
    >>> decision = design.next_level([3, 3, 0], [0, 2, 0], 2)
    >>> decision.action, decision.level
    ('de-escalate', 1)
    >>> design.select_mtd([3, 6, 0], [0, 2, 0]).level
    2
    """

    bound_mtd: bool = False
    titration: bool = False

    def steps(
        self, n: Counts, n_dlt: Counts, current: Counts, *, last_n: Counts, last_dlt: Counts, **more: Counts
    ) -> Steps:
        """Decisions of many trials; see `Design.steps`."""
        steps = super().steps(n, n_dlt, current, last_n=last_n, last_dlt=last_dlt)
        if not self.titration:
            return steps
        fills = _titration_ended(n, n_dlt, current)
        return Steps(
            level=np.where(fills, current, steps.level),
            stop=steps.stop & ~fills,
            recommended=steps.recommended,
        )

    def _reason(self, n: Counts, n_dlt: Counts, current: int, first: int, action: Action) -> str:
        if self.titration and _titration_ended(n[None], n_dlt[None], np.array([current]))[0]:
            return f"first DLT of the titration, at level {current}: this level is filled up to a cohort"
        return super()._reason(n, n_dlt, current, first, action)

    def _selection(self) -> SelectionRule:
        rule = super()._selection()
        return SelectionRule(
            target=rule.target, cutoff=rule.cutoff, lowest_cutoff=rule.lowest_cutoff,
            highest_rate=self.lambda_d if self.bound_mtd else None,
        )  # fmt: skip

    def _limits_to(self, most_n: int) -> Limits:
        n = np.arange(most_n + 1)
        bound = self.lambda_d * n
        nearest = np.round(bound)
        down = np.where(np.abs(bound - nearest) < STRICT, nearest + 1, np.ceil(bound)).astype(np.int64)
        eliminate = self._eliminate(most_n)
        return Limits(
            escalate_le=np.floor(self.lambda_e * n).astype(np.int64),
            deescalate_ge=np.minimum(down, eliminate), eliminate_ge=eliminate, lowest_ge=self._lowest(most_n),
        )  # fmt: skip

    def _evidence(self, n: int, n_dlt: int, *, up: bool, down: bool) -> str:
        if up:
            return f"{n_dlt / n:.3f} <= {self.lambda_e:.3f} (lambda_e)"
        if down:
            return f"{n_dlt / n:.3f} > {self.lambda_d:.3f} (lambda_d)"
        return f"{self.lambda_e:.3f} (lambda_e) < {n_dlt / n:.3f} <= {self.lambda_d:.3f} (lambda_d)"


class Keyboard(GuardedDesign):
    """Keyboard design, the same decisions as mTPI-2.

    Parameters
    ----------
    target : float
        Target DLT rate, from 0.05 to 0.6.
    margin_left, margin_right : float, default 0.05
        The target key reaches from ``target - margin_left`` to ``target + margin_right``.
    cutoff_eli : float, default 0.95
        A level, from its first subject on, and all above it are eliminated when P(DLT rate > target) exceeds
        this; in the selection from three subjects on.
    extrasafe, offset, n_earlystop
        As in `Boin`.

    Notes
    -----
    Keys as wide as the target key are laid from it towards 0 and 1; the last one at each end is narrower and
    judged by its mass per width. If the strongest key under a uniform prior lies below the target key the
    trial escalates, if above it de-escalates. Of equally strong keys the highest, the safer one, decides.

    References
    ----------
    Yan F, Mandrekar SJ, Yuan Y (2017). Clin Cancer Res 23:3994-4003. doi:10.1158/1078-0432.CCR-17-0220
    Guo W, Wang SJ, Yang S, Lynn H, Ji Y (2017). Contemp Clin Trials 58:23-33. doi:10.1016/j.cct.2017.04.006

    Examples
    --------
    >>> from cart7.designs import Keyboard
    >>> print(Keyboard(target=0.3).table(3).to_string(index=False))
     n  escalate_le  deescalate_ge  eliminate_ge
     1            0              1          <NA>
     2            0              1             2
     3            0              2             3
    """

    margin_left: float = Field(default=0.05, gt=0, lt=1)
    margin_right: float = Field(default=0.05, gt=0, lt=1)

    _eliminates_from: ClassVar[int] = 1

    @model_validator(mode="after")
    def _key_inside(self) -> Self:
        _check_interval(self.target, ("margin_left", self.margin_left), ("margin_right", self.margin_right))
        return self

    def _strongest(self, n: Any, n_dlt: Any) -> Counts:
        """Number of the strongest key, 0 the target key, below it negative."""
        edges, at = _keys(self.target, self.margin_left, self.margin_right)
        below = betainc(1.0 + np.asarray(n_dlt)[..., None], 1.0 + np.asarray(n - n_dlt)[..., None], edges)
        strength = np.diff(below) / np.diff(edges)
        tied = strength >= strength.max(axis=-1, keepdims=True) * (1 - TIE)
        return np.asarray(strength.shape[-1] - 1 - np.argmax(tied[..., ::-1], axis=-1) - at, dtype=np.int64)

    def _limits_to(self, most_n: int) -> Limits:
        up = fewest(most_n, lambda y, n: self._strongest(n, y) >= 0, lowest=0) - 1
        down = fewest(most_n, lambda y, n: self._strongest(n, y) > 0, lowest=0)
        up[0], down[0] = -1, 1
        eliminate = self._eliminate(most_n)
        return Limits(
            escalate_le=up, deescalate_ge=np.minimum(down, eliminate), eliminate_ge=eliminate,
            lowest_ge=self._lowest(most_n),
        )  # fmt: skip

    def _evidence(self, n: int, n_dlt: int, *, up: bool, down: bool) -> str:
        edges, at = _keys(self.target, self.margin_left, self.margin_right)
        key = int(self._strongest(np.array(n), np.array(n_dlt))) + at
        where = "below" if key < at else "above" if key > at else "is"
        return (
            f"the strongest key ({edges[key]:.3g}, {edges[key + 1]:.3g}) {where} the target key "
            f"({edges[at]:.3g}, {edges[at + 1]:.3g})"
        )


class Mtpi(IntervalDesign):
    """Modified toxicity probability interval design.

    Parameters
    ----------
    target : float
        Target DLT rate, from 0.05 to 0.6.
    eps1, eps2 : float, default 0.05
        The target interval reaches from ``target - eps1`` to ``target + eps2``.
    cutoff_eli : float, default 0.95
        A level with two subjects or more, and all above it, are eliminated when P(DLT rate > target) is at
        least this.

    Notes
    -----
    Of the intervals below, in and above the target interval, the one with the largest unit probability mass
    (posterior probability under a uniform prior, divided by the width) escalates, stays, de-escalates.

    References
    ----------
    Ji Y, Liu P, Li Y, Bekele BN (2010). Clin Trials 7:653-663. doi:10.1177/1740774510382799

    Examples
    --------
    >>> from cart7.designs import Mtpi
    >>> design = Mtpi(target=0.3)
    >>> [f"{mass:.3f}" for mass in design.upm(6, 3)]
    ['0.282', '1.293', '1.231']
    >>> design.next_level([6, 0], [3, 0], 1).action
    'stay'
    """

    eps1: float = Field(default=0.05, gt=0, lt=1)
    eps2: float = Field(default=0.05, gt=0, lt=1)

    _eliminates_from: ClassVar[int] = 2

    @model_validator(mode="after")
    def _interval_inside(self) -> Self:
        _check_interval(self.target, ("eps1", self.eps1), ("eps2", self.eps2))
        return self

    def upm(self, n: int, n_dlt: int) -> tuple[float, float, float]:
        """Unit probability masses under, in and over the target interval.

        Parameters
        ----------
        n, n_dlt : int
            Subjects and DLTs at the current level.

        Raises
        ------
        ValueError
            For impossible counts.
        """
        treated, toxic = checked_counts([n], [n_dlt])
        under, within, over = self._masses(treated, toxic)[0].tolist()
        return under, within, over

    def _masses(self, n: Any, n_dlt: Any) -> Any:
        a, b = 1.0 + n_dlt, 1.0 + n - n_dlt
        low, high = self.target - self.eps1, self.target + self.eps2
        under, over = betainc(a, b, low), betaincc(a, b, high)
        within = betainc(a, b, high) - under
        return np.stack([under / low, within / (high - low), over / (1 - high)], axis=-1)

    def _largest(self, n: Any, n_dlt: Any) -> Any:
        """-1 under, 0 in, 1 over the target interval; of equal masses the safer one."""
        masses = self._masses(n, n_dlt)
        tied = masses >= masses.max(axis=-1, keepdims=True) * (1 - TIE)
        return 1 - np.argmax(tied[..., ::-1], axis=-1)

    def _eliminate(self, most_n: int) -> Counts:
        # At least the cutoff, not only above it.
        return elimination(self.target, self.cutoff_eli - 2 * STRICT, self._eliminates_from, most_n)

    def _limits_to(self, most_n: int) -> Limits:
        up = fewest(most_n, lambda y, n: self._largest(n, y) >= 0, lowest=0) - 1
        down = fewest(most_n, lambda y, n: self._largest(n, y) > 0, lowest=0)
        up[0], down[0] = -1, 1
        eliminate = self._eliminate(most_n)
        return Limits(
            escalate_le=up, deescalate_ge=np.minimum(down, eliminate), eliminate_ge=eliminate, lowest_ge=None
        )

    def _evidence(self, n: int, n_dlt: int, *, up: bool, down: bool) -> str:
        under, within, over = self.upm(n, n_dlt)
        return (
            f"unit probability masses {under:.3f} under, {within:.3f} in, {over:.3f} over the target interval"
        )


@lru_cache(maxsize=64)
def _keys(target: float, left: float, right: float) -> tuple[Any, int]:
    """Edges of the keys and the place of the target key, in exact decimals: rounding makes no key."""
    low = Fraction(repr(target)) - Fraction(repr(left))
    high = Fraction(repr(target)) + Fraction(repr(right))
    width = high - low
    below = [low - i * width for i in range(1, math.ceil(low / width))]
    above = [high + i * width for i in range(1, math.ceil((1 - high) / width))]
    edges = np.array([float(edge) for edge in (Fraction(0), *below[::-1], low, high, *above, Fraction(1))])
    edges.setflags(write=False)
    return edges, len(below) + 1


def _check_interval(target: float, below: tuple[str, float], above: tuple[str, float]) -> None:
    """ValueError unless something is left on both sides of the target interval."""
    if target - below[1] <= STRICT:
        raise ValueError(f"{below[0]} must be below target = {target}, got {below[1]}")
    if target + above[1] >= 1 - STRICT:
        raise ValueError(f"{above[0]} must be below 1 - target = {1 - target:.4g}, got {above[1]}")


def _titration_ended(n: Counts, n_dlt: Counts, current: Counts) -> Any:
    """One subject at every level up to the current one, and the first DLT there."""
    levels = np.arange(1, n.shape[1] + 1)
    one_each = (n == (levels <= current[:, None])).all(axis=1)
    return one_each & (n_dlt == (levels == current[:, None])).all(axis=1)
