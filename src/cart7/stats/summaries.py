"""Summaries of one sample of numbers: quantiles by a named definition, and the usual descriptive line.

Here: `quantile` (the definitions R and SAS number 2, 6 and 7) and `describe`
(arithmetic and geometric mean with their spread and t intervals, median, quartiles, range).
Not here: which values belong in the sample, what stands in for a value below the limit
of quantification, grouping: that is decided by the rooms upstairs.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

QUANTILE_TYPES = (2, 6, 7)

# R's `quantile` calls a position whole when it is this close to a whole number: 0.1 * 30 is not 3 in binary.
_FUZZ = 4 * np.finfo(np.float64).eps


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One descriptive line of a table. A number that is not defined is NaN.

    `sd`, `se`, `cv_percent` and the intervals need two values; `cv_percent` a mean other than 0;
    everything that starts with ``geo_`` needs every value above 0. `cv_percent` carries the sign
    of the mean. `geo_ci_low` and `geo_ci_high` are the t interval of the mean log, exponentiated.
    """

    n: int
    mean: float
    sd: float
    se: float
    cv_percent: float
    mean_ci_low: float
    mean_ci_high: float
    geo_mean: float
    geo_sd: float
    geo_cv_percent: float
    geo_ci_low: float
    geo_ci_high: float
    median: float
    q1: float
    q3: float
    min: float
    max: float


def quantile(x: ArrayLike, p: ArrayLike, *, kind: int = 2) -> Any:
    """Sample quantile by one of the definitions R numbers 2, 6 and 7.

    Parameters
    ----------
    x : array_like, one-dimensional
        The sample, without NaN. An empty sample gives NaN.
    p : float or array_like of float
        Probabilities between 0 and 1.
    kind : {2, 6, 7}, default 2
        2: inverse of the empirical distribution, averaged where it jumps (SAS ``QNTLDEF=5``,
        the SAS default). 6: interpolation at ``p (n + 1)`` (SPSS, SAS ``QNTLDEF=4``).
        7: interpolation at ``1 + p (n - 1)`` (default of R, numpy, pandas).

    Returns
    -------
    float or numpy.ndarray
        One quantile per probability; a float when `p` is a number.

    Raises
    ------
    ValueError
        If `x` is not one-dimensional or holds NaN, a probability is outside [0, 1], or `kind`
        is not one of 2, 6, 7.

    References
    ----------
    Hyndman RJ, Fan Y (1996). Sample quantiles in statistical packages.
    The American Statistician 50:361-365. doi:10.1080/00031305.1996.10473566

    Examples
    --------
    >>> [float(quantile([1, 2, 4, 8, 16, 32], 0.25, kind=kind)) for kind in (2, 6, 7)]
    [2.0, 1.75, 2.5]
    """
    ordered = np.sort(_sample(x))
    prob = np.asarray(p, dtype=np.float64)
    if not np.all((prob >= 0) & (prob <= 1)):
        raise ValueError(f"p must be between 0 and 1, got {p!r}")
    if kind not in QUANTILE_TYPES:
        raise ValueError(f"kind must be one of 2, 6, 7, got {kind!r}")
    value = _quantile(ordered, prob, kind)
    return float(value) if prob.ndim == 0 else value


def describe(x: ArrayLike, *, conf_level: float = 0.95, quantile_type: int = 2) -> Description:
    """Descriptive line of a sample: means, spread, t intervals, median, quartiles, range.

    Parameters
    ----------
    x : array_like, one-dimensional
        The sample, without NaN. May be empty (n = 0, everything else NaN).
    conf_level : float, default 0.95
        Two-sided level of the Student t intervals, strictly between 0 and 1.
    quantile_type : {2, 6, 7}, default 2
        Definition of the quartiles, see `quantile`. The median is the same in all three.

    Returns
    -------
    Description
        In the unit of `x`; `cv_percent` and `geo_cv_percent` in percent.

    Raises
    ------
    ValueError
        If `x` is not one-dimensional or holds NaN, or an argument is outside its range.

    Notes
    -----
    Standard deviation with divisor n - 1. Geometric standard deviation is the exponential of
    the standard deviation of the logs; ``geo_cv_percent = 100 sqrt(exp(var ln x) - 1)``.

    Examples
    --------
    >>> line = describe([100, 200, 400])
    >>> f"{line.mean:.1f} ({line.mean_ci_low:.1f}, {line.mean_ci_high:.1f}), geometric {line.geo_mean:.0f}"
    '233.3 (-146.1, 612.8), geometric 200'
    """
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level must be strictly between 0 and 1, got {conf_level}")
    if quantile_type not in QUANTILE_TYPES:
        raise ValueError(f"quantile_type must be one of 2, 6, 7, got {quantile_type!r}")
    ordered = np.sort(_sample(x))
    n = ordered.size
    mean, sd, se, low, high = _mean_line(ordered, conf_level)
    positive = n > 0 and ordered[0] > 0
    logs = np.log(ordered) if positive else np.empty(0)
    log_mean, log_sd, _, log_low, log_high = _mean_line(logs, conf_level)
    q1, median, q3 = _quantile(ordered, np.array([0.25, 0.5, 0.75]), quantile_type)
    return Description(
        n=n,
        mean=mean,
        sd=sd,
        se=se,
        cv_percent=100 * sd / mean if mean != 0 else math.nan,
        mean_ci_low=low,
        mean_ci_high=high,
        geo_mean=_exp(log_mean),
        geo_sd=_exp(log_sd),
        geo_cv_percent=_geometric_cv(log_sd),
        geo_ci_low=_exp(log_low),
        geo_ci_high=_exp(log_high),
        median=float(median),
        q1=float(q1),
        q3=float(q3),
        min=float(ordered[0]) if n else math.nan,
        max=float(ordered[-1]) if n else math.nan,
    )


def _sample(x: ArrayLike) -> NDArray[np.float64]:
    """The sample as a float array; refuses what has no quantile."""
    sample = np.asarray(x, dtype=np.float64)
    if sample.ndim != 1:
        raise ValueError(f"x must be one-dimensional, got {sample.ndim} dimensions")
    if np.isnan(sample).any():
        raise ValueError(f"x must not hold NaN, got {int(np.isnan(sample).sum())} of {sample.size}")
    # Minus zero sorts as it comes; plus zero makes it one zero, so that no order shows in the result.
    return sample + 0.0


def _quantile(ordered: NDArray[np.float64], prob: NDArray[np.float64], kind: int) -> NDArray[np.float64]:
    """Quantiles of an ordered sample: the value below the position, the one above, and the share between."""
    n = ordered.size
    if n == 0:
        return np.full(prob.shape, np.nan)
    position = {2: n * prob, 6: (n + 1) * prob, 7: 1 + (n - 1) * prob}[kind]
    nearest = np.rint(position)
    whole = np.abs(position - nearest) <= _FUZZ * np.maximum(1, nearest)
    below = np.where(whole, nearest, np.floor(position)).astype(np.int64)
    share = np.where(whole, 0.0, position - below)
    if kind == 2:
        share = np.where(whole, 0.5, 1.0)
    lower = ordered[np.clip(below - 1, 0, n - 1)]
    upper = ordered[np.clip(below, 0, n - 1)]
    between = (share > 0) & (share < 1) & (lower < upper)
    mixed = (1 - share) * np.where(between, lower, 0.0) + share * np.where(between, upper, 0.0)
    return np.where(between, np.clip(mixed, lower, upper), np.where(share == 1, upper, lower))


def _mean_line(x: NDArray[np.float64], conf_level: float) -> tuple[float, float, float, float, float]:
    """Mean, standard deviation, standard error and t interval; NaN where the sample is too small."""
    n = x.size
    if n == 0:
        return math.nan, math.nan, math.nan, math.nan, math.nan
    # Second pass as in R's mean(): equal values give back that value, and no spread.
    rough = x.mean()
    mean = float(rough + (x - rough).mean())
    if n == 1:
        return mean, math.nan, math.nan, math.nan, math.nan
    sd = math.hypot(*(x - mean)) / math.sqrt(n - 1)
    se = sd / math.sqrt(n)
    half_width = float(stdtrit(n - 1, (1 + conf_level) / 2)) * se
    return mean, sd, se, mean - half_width, mean + half_width


def _exp(log_value: float) -> float:
    """Exponential, NaN where it leaves the range of a float (the limit says nothing then)."""
    return math.exp(log_value) if log_value < math.log(np.finfo(np.float64).max) else math.nan


def _geometric_cv(log_sd: float) -> float:
    """Geometric coefficient of variation in percent from the standard deviation of the logs."""
    variance = log_sd * log_sd
    return 100 * math.sqrt(math.expm1(variance)) if variance < 700 else math.nan
