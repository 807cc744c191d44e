"""Utility of a mixture of outcomes whose probabilities have a Dirichlet posterior.

Here: quantiles of sum(u_i p_i). Not here: designs that use them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LOGS = np.arange(-45.0, 60.0, 0.05)
_BISECTIONS = 60


def dirichlet_utility_cdf(shape: Floats, worth: Floats, at: Floats) -> Any:
    """P(sum(worth p) <= at) with p Dirichlet; one row of `shape` and one `at` each.

    Notes
    -----
    With independent gammas G_i of these shapes the event is sum((worth_i - at) G_i) <= 0, whose probability
    is Gil-Pelaez's integral of the characteristic function; on the log scale the integrand is analytic and
    the trapezoid rule exact to rounding. The slowest decay is exp(-sum(shape) s).

    References
    ----------
    Gil-Pelaez J (1951). Note on the inversion theorem. Biometrika 38:481-482. doi:10.1093/biomet/38.3-4.481
    """
    gap = (worth - at[:, None]) / np.abs(worth).max()
    t = np.exp(_LOGS)
    angle = np.arctan(gap[..., None] * t)
    size = np.log1p((gap[..., None] * t) ** 2) / 2
    log_size = -(shape[..., None] * size).sum(axis=1)
    phase = (shape[..., None] * angle).sum(axis=1)
    integral = (np.exp(log_size) * np.sin(phase)).sum(axis=1) * (_LOGS[1] - _LOGS[0])
    return np.clip(0.5 - integral / np.pi, 0.0, 1.0)


def dirichlet_utility_limits(shape: Floats, worth: Floats, tail: float) -> tuple[Any, Any]:
    """Quantiles of the utility with `tail` below and above.

    Parameters
    ----------
    shape : ndarray, sets x outcomes
        Dirichlet parameters.
    worth : ndarray
        Utility of each outcome.
    tail : float
        Probability outside each limit.

    Returns
    -------
    low, high : ndarray

    Examples
    --------
    >>> low, high = dirichlet_utility_limits(np.array([[1.0, 1.0]]), np.array([100.0, 0.0]), 0.025)
    >>> f"{low[0]:.6f} {high[0]:.6f}"
    '2.500000 97.500000'
    """
    ends = []
    for wanted in (tail, 1 - tail):
        low = np.full(len(shape), float(worth.min()))
        high = np.full(len(shape), float(worth.max()))
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            under = dirichlet_utility_cdf(shape, worth, middle) < wanted
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        ends.append((low + high) / 2)
    return ends[0], ends[1]
