"""Means at visits with a random intercept per subject, by restricted maximum likelihood.

Here: one value per subject and visit in, the mean of each visit with its standard error and the two
variance components out. Not here: which samples are values, logarithms, frames (`pd`).

The model is y = mean of the visit + subject + residual. Given the ratio of the two variances everything
else has a closed form, so the restricted likelihood is searched along that one number, never over
several at once: general optimisers stop early on samples of this size.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Intraclass correlations at which the likelihood is looked at before the best is refined.
_GRID = np.concatenate([np.linspace(0.0, 0.98, 50), [0.99, 0.995, 0.999, 0.9999, 0.999999]])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisitMeans:
    """Fitted means, one entry per visit code; NaN throughout, with a reason, when there is no fit."""

    n: NDArray[np.int64]
    estimate: Floats
    std_err: Floats
    df: int
    sd_subject: float
    sd_residual: float
    log_likelihood: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """What the likelihood needs of the data."""

    seen: Floats  # subjects x visits: 1 where there is a value
    total: Floats  # by visit
    by_subject: Floats
    squares: float
    n: int


def fit(value: ArrayLike, visit: ArrayLike, subject: ArrayLike, *, n_visits: int | None = None) -> VisitMeans:
    """Mean of each visit under a random intercept per subject, REML.

    Parameters
    ----------
    value : array
        The measurements, finite.
    visit, subject : array of int
        Codes from 0, of the same length; a subject has at most one value per visit.
    n_visits : int, optional
        Number of visits; the largest code + 1 by default.

    Returns
    -------
    VisitMeans
        `log_likelihood` is the restricted one, with the constants of R ``nlme::lme``; `df` are the degrees
        of freedom that ``lme`` gives the means: values - subjects - (visits - 1).

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, or a subject has two values at a visit.

    References
    ----------
    Pinheiro JC, Bates DM (2000). Mixed-effects models in S and S-PLUS. Springer, section 2.2.

    Examples
    --------
    >>> means = fit([1.0, 2.0, 2.0, 3.5, 3.0, 4.5], [0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2])
    >>> [round(float(mean), 3) for mean in means.estimate], round(means.sd_subject, 3)
    ([2.0, 3.333], 1.118)
    """
    y, at, who = np.asarray(value, dtype=float), np.asarray(visit, dtype=int), np.asarray(subject, dtype=int)
    if not y.ndim == 1 or not y.shape == at.shape == who.shape:
        raise ValueError(
            f"value, visit and subject must have one length, got {y.shape}, {at.shape}, {who.shape}"
        )
    if not np.isfinite(y).all():
        raise ValueError("value must be finite")
    if n_visits is None:
        n_visits = int(at.max()) + 1 if at.size else 0
    n = np.bincount(at, minlength=n_visits)
    used = np.flatnonzero(n)
    if y.size <= used.size:
        return _no_fit(n, "no more values than visits")
    # Centred: the size of the values then costs no digits.
    centre = float(y.mean())
    sums = _sums(y - centre, np.searchsorted(used, at), np.unique(who, return_inverse=True)[1], used.size)
    if sums.squares == 0:
        return _no_fit(n, "all values are equal")
    ratio = _best_ratio(sums)
    if ratio == np.inf:
        return _no_fit(n, "no residual variance")
    if np.isnan(ratio):
        return _no_fit(n, "the search for the ratio of the variances has not settled")
    covariance, mean, variance, log_likelihood = _profile(ratio, sums)
    estimate, std_err = np.full(n_visits, np.nan), np.full(n_visits, np.nan)
    estimate[used], std_err[used] = centre + mean, np.sqrt(variance * np.diag(covariance))
    return VisitMeans(
        n=n,
        estimate=estimate,
        std_err=std_err,
        df=sums.n - len(sums.seen) - (used.size - 1),
        sd_subject=float(np.sqrt(ratio * variance)),
        sd_residual=float(np.sqrt(variance)),
        log_likelihood=log_likelihood,
    )


def _sums(y: Floats, at: NDArray[np.intp], who: NDArray[np.intp], n_visits: int) -> _Sums:
    seen = np.zeros((int(who.max()) + 1, n_visits))
    np.add.at(seen, (who, at), 1.0)
    if seen.max() > 1:
        raise ValueError("a subject must have at most one value per visit")
    return _Sums(
        seen=seen,
        total=np.bincount(at, y, minlength=n_visits).astype(np.float64),
        by_subject=np.bincount(who, y, minlength=len(seen)).astype(np.float64),
        squares=float(y @ y),
        n=y.size,
    )


def _best_ratio(sums: _Sums) -> float:
    """Ratio of the variances (subject to residual) with the highest likelihood.

    inf at the far end; NaN when the refinement between two points of the grid has not settled.
    """
    from scipy.optimize import minimize_scalar

    def loss(correlation: float) -> float:
        return -_profile(correlation / (1 - correlation), sums)[3]

    losses = [loss(correlation) for correlation in _GRID]
    best = int(np.argmin(losses))
    if best == len(_GRID) - 1:
        return float("inf")
    low, high = _GRID[max(best - 1, 0)], _GRID[best + 1]
    refined = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12})
    if not refined.success:
        return float("nan")
    correlation = float(refined.x) if refined.fun < losses[best] else float(_GRID[best])
    return correlation / (1 - correlation)


def _profile(ratio: float, sums: _Sums) -> tuple[Floats, Floats, float, float]:
    """Inverse information of the means, the means, the residual variance and the likelihood at one ratio."""
    visits = sums.seen.sum(axis=1)
    weight = ratio / (1 + ratio * visits)
    information = np.diag(sums.seen.sum(axis=0)) - (sums.seen.T * weight) @ sums.seen
    covariance = np.linalg.inv(information)
    score = sums.total - sums.seen.T @ (weight * sums.by_subject)
    mean = covariance @ score
    rest = sums.squares - float(weight @ sums.by_subject**2) - float(mean @ score)
    df = sums.n - len(mean)
    variance = max(rest, np.finfo(float).tiny) / df
    log_determinants = float(np.log1p(ratio * visits).sum() + np.linalg.slogdet(information)[1])
    log_likelihood = -0.5 * (df * (np.log(2 * np.pi * variance) + 1) + log_determinants)
    return covariance, mean, variance, float(log_likelihood)


def _no_fit(n: NDArray[np.int64], note: str) -> VisitMeans:
    nothing = np.full(n.size, np.nan)
    return VisitMeans(
        n=n, estimate=nothing, std_err=nothing.copy(), df=0, sd_subject=np.nan, sd_residual=np.nan,
        log_likelihood=np.nan, note=note,
    )  # fmt: skip
