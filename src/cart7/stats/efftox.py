"""Posterior of response and toxicity against dose (EffTox model) by importance sampling from the prior.

Here: draws, weights, posterior means and probabilities with their Monte-Carlo errors. Not here: the trade-off
between the two and the level recommended (designs.efftox).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

Floats = NDArray[np.float64]

_FIRST, _LAST = 15, 21  # powers of two: draws per batch, most draws


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EffToxFit:
    """Per level: means with Monte-Carlo standard errors, tail probabilities, mean of the utility; `ess`."""

    eff: Floats
    eff_mcse: Floats
    tox: Floats
    tox_mcse: Floats
    eff_above: Floats
    tox_below: Floats
    utility: Floats
    ess: float


def posterior(
    coded: Floats,
    counts: Floats,
    prior: Floats,
    *,
    efficacy_hurdle: float,
    toxicity_hurdle: float,
    utility: Callable[[Any, Any], Any],
    rng: np.random.Generator,
    mcse: float = 0.002,
) -> EffToxFit:
    """Posterior by self-normalised importance sampling.

    Parameters
    ----------
    coded : ndarray
        Centred log doses.
    counts : ndarray, levels x 4
        Subjects with response without DLT, neither, both, DLT without response.
    prior : ndarray, 6 x 2
        Mean and SD of alpha, beta, gamma, zeta, eta, psi.
    efficacy_hurdle, toxicity_hurdle : float
        Rates of the tail probabilities.
    utility : callable
        Of (response rate, DLT rate).
    rng : numpy.random.Generator
        Scrambles the Sobol points.
    mcse : float
        Draws double until every standard error is at most this, up to two million.

    Returns
    -------
    EffToxFit

    References
    ----------
    Thall PF, Cook JD (2004). Dose-finding based on efficacy-toxicity trade-offs. Biometrics 60:684-693.
    doi:10.1111/j.0006-341X.2004.00218.x
    """
    from scipy.stats import qmc

    source = qmc.Sobol(d=6, scramble=True, seed=rng)
    parts: list[tuple[Floats, ...]] = []
    for power in range(_FIRST, _LAST + 1):
        size = 2**_FIRST if power == _FIRST else 2 ** (power - 1)
        points = source.random(size)
        parts.append(_weighed(coded, counts, prior, np.clip(points, 1e-12, 1 - 1e-12)))
        found = _summary(parts, efficacy_hurdle, toxicity_hurdle, utility)
        if max(found.eff_mcse.max(), found.tox_mcse.max()) <= mcse:
            break
    return found


def _weighed(coded: Floats, counts: Floats, prior: Floats, points: Floats) -> tuple[Floats, ...]:
    """Log weight of each draw, and its rates; draws without any weight are left out."""
    alpha, beta, gamma, zeta, eta, psi = (prior[:, :1] + prior[:, 1:] * ndtri(points.T))[:, :, None]
    tox = expit(alpha + beta * coded)
    eff = expit(gamma + zeta * coded + eta * coded**2)
    link = eff * (1 - eff) * tox * (1 - tox) * np.tanh(psi / 2)
    joint = np.stack(
        [eff * (1 - tox) - link, (1 - eff) * (1 - tox) + link, eff * tox + link, (1 - eff) * tox - link],
        axis=2,
    )
    seen = counts > 0
    log_weight = (np.log(np.maximum(joint[:, seen], 1e-300)) * counts[seen]).sum(axis=1)
    kept = log_weight > log_weight.max() - 40.0
    return log_weight[kept], eff[kept], tox[kept]


def _summary(
    parts: list[tuple[Floats, ...]], efficacy_hurdle: float, toxicity_hurdle: float, utility: Any
) -> EffToxFit:
    log_weight, eff, tox = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()

    def mean(values: Any) -> Any:
        return weight @ values

    def error(values: Any, centre: Any) -> Any:
        return np.sqrt((weight**2) @ (values - centre) ** 2)

    eff_mean, tox_mean = mean(eff), mean(tox)
    return EffToxFit(
        eff=eff_mean, eff_mcse=error(eff, eff_mean), tox=tox_mean, tox_mcse=error(tox, tox_mean),
        eff_above=mean(eff > efficacy_hurdle), tox_below=mean(tox < toxicity_hurdle),
        utility=mean(utility(eff, tox)), ess=float(1 / (weight**2).sum()),
    )  # fmt: skip
