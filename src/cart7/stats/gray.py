"""Gray's test that groups have the same cumulative incidence of one cause.

Here: the statistic for one cause and any number of groups. Not here: the incidence itself
(`stats.competing_risks`), frames (`survival`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from cart7.stats.survival_curves import Floats, Ints

Matrix = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class _State:
    """Running estimates by group before the next time, and the sums of the variance."""

    survival: Floats  # Kaplan-Meier of any cause, by group
    incidence: Floats  # of the cause, by group
    pooled: float  # incidence under the hypothesis that it is the same in all groups
    score: Floats
    c: Matrix
    variance: Matrix
    v2: Matrix
    v3: Floats


def gray_test(
    time: Floats, cause: Ints, group: Ints, n_groups: int, *, of: int, rho: float = 0.0
) -> tuple[float, int, float]:
    """Gray's test of the cumulative incidence of the cause `of`.

    Parameters
    ----------
    time : array
        Observed times, ties already merged.
    cause : array of int
        0 censored, else the cause.
    group : array of int
        0 to ``n_groups - 1``.
    n_groups : int
        At least 2.
    of : int
        The cause tested.
    rho : float, default 0
        Weight (1 - F(t-)) to the power rho.

    Returns
    -------
    (statistic, df, p_value)
        NaN where the variance is singular (no event of the cause).

    Raises
    ------
    ValueError
        With fewer than two groups.

    References
    ----------
    Gray RJ (1988). Ann Stat 16:1141-1154. doi:10.1214/aos/1176350951

    Examples
    --------
    >>> time, cause = np.arange(1.0, 9.0), np.array([1, 1, 2, 1, 2, 2, 1, 0])
    >>> statistic, df, p = gray_test(time, cause, np.array([0, 0, 0, 0, 1, 1, 1, 1]), 2, of=1)
    >>> f"{statistic:.3f} {df} {p:.3f}"
    '3.774 1 0.052'
    """
    if n_groups < 2:
        raise ValueError(f"group must have at least two levels, got {n_groups}")
    state = _State(
        np.ones(n_groups), np.zeros(n_groups), 0.0, np.zeros(n_groups), np.zeros((n_groups,) * 2),
        np.zeros((n_groups,) * 2), np.zeros((n_groups,) * 2), np.zeros(n_groups),
    )  # fmt: skip
    for at in np.unique(time[cause > 0]):
        here = time == at
        y = np.bincount(group[time >= at], minlength=n_groups).astype(float)
        d1 = np.bincount(group[here & (cause == of)], minlength=n_groups).astype(float)
        d2 = np.bincount(group[here & (cause > 0) & (cause != of)], minlength=n_groups).astype(float)
        _step(state, y, d1, d2, rho)
    for k in range(n_groups):
        cross = np.outer(state.c[:, k], state.v2[:, k])
        state.variance += np.outer(state.c[:, k], state.c[:, k]) * state.v3[k] + cross + cross.T
    df = n_groups - 1
    block = state.variance[:df, :df]
    if np.linalg.matrix_rank(block) < df:
        return float("nan"), df, float("nan")
    statistic = float(state.score[:df] @ np.linalg.solve(block, state.score[:df]))
    return statistic, df, float(chdtrc(df, statistic))


def _step(state: _State, y: Floats, d1: Floats, d2: Floats, rho: float) -> None:
    """One time with events: the score, then what it adds to the variance (in place)."""
    before, pooled_before, seen = state.survival, state.pooled, y > 0
    total = d1.sum()
    after = np.where(seen, before * (1 - (d1 + d2) / np.where(seen, y, 1)), before)
    h = np.where(seen, y / np.where(before > 0, before, 1), 0.0)
    r = h * (1 - state.incidence)
    weight = (1 - pooled_before) ** rho
    a = weight * (np.diag(h) - np.outer(h, h) / h.sum())
    state.pooled = pooled_before + total / h.sum()
    state.incidence = state.incidence + np.where(seen, before * d1 / np.where(seen, y, 1), 0.0)
    state.c = state.c + a * total / (h.sum() * (1 - pooled_before))
    state.score = state.score + weight * (d1 - total * r / r.sum())
    state.survival = after
    for k in np.flatnonzero(seen).tolist():
        left = (1 - state.pooled) / after[k] if after[k] > 0 else 0.0
        if total > 0:
            tied = 1 - (total - 1) / (h.sum() * before[k] - 1) if total > 1 else 1.0
            t4, t3 = 1 - left, tied * before[k] * total / (h.sum() * y[k])
            _add(state, k, a[:, k] - t4 * state.c[:, k], t4 * t3, t4 * t4 * t3, t3)
        if after[k] > 0 and d2[k] > 0:
            tied = 1 - (d2[k] - 1) / (y[k] - 1) if d2[k] > 1 else 1.0
            t3 = tied * before[k] ** 2 * d2[k] / y[k] ** 2
            _add(state, k, left * state.c[:, k], -left * t3, left * left * t3, t3)


def _add(state: _State, k: int, u: Floats, slope: float, square: float, scale: float) -> None:
    state.v3[k] += square
    state.v2[:, k] += u * slope
    state.variance += np.outer(u, u) * scale
