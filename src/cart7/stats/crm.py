"""The one-parameter continual reassessment method: posterior of DLT rates on a skeleton, by quadrature.

Here: rates along the parameter, posterior and likelihood of many sets of counts at once, and the skeleton of
an indifference interval. Not here: which level comes next (designs.crm).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, logit, logsumexp

Floats = NDArray[np.float64]

MODELS = ("empiric", "logistic")
# The parameter is integrated over these points: the trapezoid rule is exact to rounding for posteriors as
# narrow as a hundred subjects make them.
_GRID = np.linspace(-10.0, 10.0, 801)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrmFit:
    """One entry per set of counts.

    `estimate`, `variance`: of the parameter; `rate`: DLT rate per level at the estimate; `rate_mean`:
    posterior mean of the rate (NaN for maximum likelihood).
    """

    estimate: Floats
    variance: Floats
    rate: Floats
    rate_mean: Floats


def rates(parameter: ArrayLike, skeleton: Floats, *, model: str, intercept: float) -> Any:
    """DLT rates per level (last axis) at values of the parameter.

    Parameters
    ----------
    parameter : array_like
        Values b. Empiric: skeleton^exp(b); logistic: expit(intercept + exp(b) x), x = logit(skeleton) -
        intercept.
    skeleton : ndarray
        Prior rates per level.
    model : {"empiric", "logistic"}
    intercept : float
        Of the logistic model.

    Returns
    -------
    ndarray
        Shape of `parameter` with the levels behind.
    """
    slope = np.exp(np.asarray(parameter, dtype=np.float64))[..., None]
    if model == "empiric":
        return np.exp(slope * np.log(skeleton))
    return expit(intercept + slope * (logit(skeleton) - intercept))


def _log_rates(b: Floats, skeleton: Floats, model: str, intercept: float) -> tuple[Any, Any]:
    """Logs of the rates and of their complements, without cancellation."""
    slope = np.exp(b)[:, None]
    if model == "empiric":
        log_p = slope * np.log(skeleton)
        return log_p, np.log(-np.expm1(log_p))
    line = intercept + slope * (logit(skeleton) - intercept)
    return log_expit(line), log_expit(-line)


def log_likelihood(
    b: Floats, skeleton: Floats, n: Floats, n_dlt: Floats, *, model: str, intercept: float
) -> Any:
    """Log likelihood of sets of counts (rows) at values of the parameter (columns)."""
    log_p, log_q = _log_rates(b, skeleton, model, intercept)
    return n_dlt @ log_p.T + (n - n_dlt) @ log_q.T


def late_log_likelihood(
    b: Floats, skeleton: Floats, level: NDArray[np.intp], weight: Floats, *, model: str, intercept: float
) -> Any:
    """Log likelihood of subjects without a DLT who were followed for a part `weight` of the window."""
    log_p, _ = _log_rates(b, skeleton, model, intercept)
    return np.log1p(-weight * np.exp(log_p[:, level])).sum(axis=1)


def posterior(
    skeleton: Floats,
    n: ArrayLike,
    n_dlt: ArrayLike,
    *,
    model: str,
    intercept: float,
    scale: float,
    late_level: NDArray[np.intp] | None = None,
    late_weight: Floats | None = None,
) -> CrmFit:
    """Posterior of many sets of counts, the parameter normal with mean 0 and SD `scale`.

    Parameters
    ----------
    skeleton : ndarray
        Prior rates per level.
    n, n_dlt : array_like, sets x levels
        Subjects followed to the end or with a DLT, and DLTs.
    model, intercept
        As in `rates`.
    scale : float
        Prior SD of the parameter.
    late_level, late_weight : ndarray, optional
        Subjects still at risk: their level (from 0) and the part of the window they were followed; the same
        for every set.

    Returns
    -------
    CrmFit

    References
    ----------
    O'Quigley J, Pepe M, Fisher L (1990). Continual reassessment method. Biometrics 46:33-48.
    Cheung YK, Chappell R (2000). Sequential designs for phase I clinical trials with late-onset toxicities.
    Biometrics 56:1177-1182. doi:10.1111/j.0006-341X.2000.01177.x
    """
    counts, toxic = np.atleast_2d(np.asarray(n, float)), np.atleast_2d(np.asarray(n_dlt, float))
    level = log_likelihood(_GRID, skeleton, counts, toxic, model=model, intercept=intercept)
    if late_level is not None and late_weight is not None:
        level = level + late_log_likelihood(
            _GRID, skeleton, late_level, late_weight, model=model, intercept=intercept
        )
    level = level - _GRID**2 / (2 * scale**2)
    weight = np.exp(level - logsumexp(level, axis=1, keepdims=True))
    estimate = weight @ _GRID
    variance = (weight * (_GRID - estimate[:, None]) ** 2).sum(axis=1)
    along = rates(_GRID, skeleton, model=model, intercept=intercept)
    return CrmFit(
        estimate=estimate,
        variance=variance,
        rate=rates(estimate, skeleton, model=model, intercept=intercept),
        rate_mean=weight @ along,
    )


def maximum_likelihood(
    skeleton: Floats,
    n: ArrayLike,
    n_dlt: ArrayLike,
    *,
    model: str,
    intercept: float,
    late_level: NDArray[np.intp] | None = None,
    late_weight: Floats | None = None,
) -> CrmFit:
    """Maximum likelihood of one set of counts; `variance` is the inverse observed information.

    Raises
    ------
    ValueError
        When there is no maximum: nobody or everybody has had a DLT.
    """
    from scipy.optimize import minimize_scalar

    counts, toxic = np.asarray(n, float), np.asarray(n_dlt, float)
    late = 0 if late_level is None else len(late_level)
    if toxic.sum() == 0 or toxic.sum() == counts.sum() + late:
        raise ValueError("no maximum of the likelihood: nobody or everybody has had a DLT")

    def loss(b: float) -> float:
        at = np.array([b])
        value = log_likelihood(at, skeleton, counts[None], toxic[None], model=model, intercept=intercept)[
            0, 0
        ]
        if late_level is not None and late_weight is not None:
            value += late_log_likelihood(
                at, skeleton, late_level, late_weight, model=model, intercept=intercept
            )[0]
        return -float(value)

    coarse = np.linspace(-10.0, 10.0, 201)
    start = coarse[np.argmin([loss(b) for b in coarse])]
    found = minimize_scalar(
        loss, bounds=(start - 0.11, start + 0.11), method="bounded", options={"xatol": 1e-10}
    )
    b, step = float(found.x), 1e-3
    curvature = (loss(b + step) - 2 * loss(b) + loss(b - step)) / step**2
    rate = rates(b, skeleton, model=model, intercept=intercept)
    return CrmFit(
        estimate=np.array([b]), variance=np.array([1 / curvature]), rate=rate[None],
        rate_mean=np.full((1, len(skeleton)), np.nan),
    )  # fmt: skip


def indifference_skeleton(
    halfwidth: float, target: float, nu: int, n_levels: int, *, model: str = "empiric", intercept: float = 3.0
) -> Floats:
    """Skeleton whose neighbouring levels are told apart up to `halfwidth` around the target.

    Parameters
    ----------
    halfwidth : float
        Half the width of the indifference interval of the DLT rate.
    target : float
        Target DLT rate.
    nu : int
        Level that is the prior MTD, from 1.
    n_levels : int
    model : {"empiric", "logistic"}
    intercept : float
        Of the logistic model.

    Returns
    -------
    ndarray
        Prior DLT rates, increasing.

    Raises
    ------
    ValueError
        For an interval that leaves (0, 1), a level outside the levels, an unknown model.

    References
    ----------
    Lee SM, Cheung YK (2009). Model calibration in the continual reassessment method. Clin Trials 6:227-238.
    doi:10.1177/1740774509105076

    Examples
    --------
    >>> [round(float(p), 3) for p in indifference_skeleton(0.05, 0.3, 3, 5)]
    [0.123, 0.204, 0.3, 0.402, 0.501]
    """
    if model not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}, got {model!r}")
    if not 0 < target < 1 or not halfwidth > 0 or target - halfwidth <= 0 or target + halfwidth >= 1:
        raise ValueError(f"target -+ halfwidth must lie within (0, 1), got {target} -+ {halfwidth}")
    if n_levels < 1 or not 1 <= nu <= n_levels:
        raise ValueError(f"nu must be a level from 1 to {n_levels}, got {nu}")
    low, high = target - halfwidth, target + halfwidth
    if model == "empiric":
        place, ratio = np.log(target), np.log(low) / np.log(high)
    else:
        place = logit(target) - intercept
        ratio = (logit(low) - intercept) / (logit(high) - intercept)
        if logit(high) - intercept >= 0:
            raise ValueError(f"intercept {intercept} is too small: it must exceed logit(target + halfwidth)")
    at = place * ratio ** (nu - np.arange(1, n_levels + 1))
    return np.exp(at) if model == "empiric" else np.asarray(expit(at + intercept), dtype=np.float64)
