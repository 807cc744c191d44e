"""Two-parameter logistic dose-toxicity model: posterior and interval probabilities by exact-split quadrature.

Here: logit p = a + exp(b) ln(dose / reference) with (a, b) bivariate normal; moments of the rates and the
probability that each lies in an interval. Not here: which level comes next (designs.blrm).

An interval of p is a half-line of a for every b. The inner integral over a is cut exactly there, so that no
indicator is summed on a grid (errors of a percent), and the outer one over b is a trapezoid of a smooth
function.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, logit

Floats = NDArray[np.float64]

_WIDTH = 9.0
_N_OUTER = 161
_N_PANELS = 12
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlrmFit:
    """Posterior of one set of counts; per level but for `a` and `log_b` (means)."""

    a: float
    log_b: float
    mean: Floats
    sd: Floats
    under: Floats
    target: Floats
    over: Floats


def posterior(
    log_ratio: Floats,
    n: Floats,
    n_dlt: Floats,
    *,
    prior_mean: tuple[float, float],
    prior_sd: tuple[float, float],
    prior_rho: float,
    interval: tuple[float, float],
) -> BlrmFit:
    """Posterior of the rates.

    Parameters
    ----------
    log_ratio : ndarray
        ln(dose / reference) per level.
    n, n_dlt : ndarray
        Subjects and DLTs per level.
    prior_mean, prior_sd : (a, log b)
        Of the bivariate normal prior.
    prior_rho : float
        Its correlation.
    interval : (low, high)
        Target interval: `under` is P(p < low), `over` P(p >= high).

    Returns
    -------
    BlrmFit

    References
    ----------
    Neuenschwander B, Branson M, Gsponer T (2008). Critical aspects of the Bayesian approach to phase I cancer
    trials. Stat Med 27:2420-2439. doi:10.1002/sim.3230
    """
    log_b = prior_mean[1] + prior_sd[1] * np.linspace(-_WIDTH, _WIDTH, _N_OUTER)
    centre = prior_mean[0] + prior_rho * prior_sd[0] * (log_b - prior_mean[1]) / prior_sd[1]
    spread = prior_sd[0] * np.sqrt(1 - prior_rho**2)
    shift = np.exp(log_b)[:, None] * log_ratio
    cuts = np.concatenate([logit(limit) - shift for limit in interval], axis=1)
    edges = _edges(centre, spread, cuts)
    half = np.diff(edges, axis=1)[..., None] / 2
    a = (edges[:, :-1, None] + half) + half * _NODES
    log_weight = -(((a - centre[:, None, None]) / spread) ** 2) / 2
    log_weight -= ((log_b - prior_mean[1])[:, None, None] / prior_sd[1]) ** 2 / 2
    for level in np.flatnonzero(n):
        line = a + shift[:, level, None, None]
        # ln p = -ln(1 + exp(-line)) and ln(1 - p) = ln p - line: one logarithm for both.
        log_p = log_expit(line)
        log_weight += n[level] * log_p - (n[level] - n_dlt[level]) * line
    mass = np.exp(log_weight - log_weight.max()) * (half * _WEIGHTS)
    total = mass.sum()
    by_panel = mass.sum(axis=2) / total
    below = _below(by_panel, edges, cuts)
    levels = len(log_ratio)
    rates = [expit(a + shift[:, level, None, None]) for level in range(levels)]
    mean = np.array([float((mass * p).sum()) for p in rates]) / total
    square = np.array([float((mass * (p - m) ** 2).sum()) for p, m in zip(rates, mean, strict=True)]) / total
    under, not_over = below[:levels], below[levels:]
    return BlrmFit(
        a=float((mass * a).sum() / total),
        log_b=float((by_panel.sum(axis=1) * log_b).sum()),
        mean=mean,
        sd=np.sqrt(square),
        under=under,
        target=not_over - under,
        over=_above(by_panel, edges, cuts[:, levels:]),
    )


def _edges(centre: Floats, spread: float, cuts: Floats) -> Any:
    """Ends of the panels of a for every b: evenly spaced ones and the cuts, in order."""
    even = centre[:, None] + spread * np.linspace(-_WIDTH, _WIDTH, _N_PANELS + 1)
    inside = np.clip(cuts, even[:, :1], even[:, -1:])
    return np.sort(np.concatenate([even, inside], axis=1), axis=1)


def _below(by_panel: Floats, edges: Floats, cuts: Floats) -> Any:
    """Probability that a lies below each cut."""
    middle = (edges[:, :-1] + edges[:, 1:]) / 2
    return np.array([by_panel[middle < cut[:, None]].sum() for cut in cuts.T])


def _above(by_panel: Floats, edges: Floats, cuts: Floats) -> Any:
    """Probability that a lies above each cut, without taking a difference from 1."""
    middle = (edges[:, :-1] + edges[:, 1:]) / 2
    return np.array([by_panel[middle > cut[:, None]].sum() for cut in cuts.T])
