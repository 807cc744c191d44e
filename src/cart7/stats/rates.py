"""Event rates: how many events per unit of time at risk, with the exact interval.

Here: the confidence interval of a Poisson rate, over whole arrays. Not here: which days count
as time at risk (the endpoint decides) and the rate itself, which is ``events / time``.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainccinv, gammaincinv

METHODS = ("exact",)

Floats = NDArray[np.float64]


def interval(
    events: ArrayLike, time: ArrayLike, *, method: str = "exact", conf_level: float = 0.95
) -> tuple[Floats, Floats]:
    """Confidence interval of a rate: events of a Poisson process in `time` units at risk.

    Parameters
    ----------
    events : array_like of whole numbers
        Number of events, at least 0. Broadcasts against `time`.
    time : array_like of float
        Time at risk, in any unit, at least 0.
    method : {"exact"}, default "exact"
        Exact (Garwood) interval from the chi-squared distribution.
    conf_level : float, default 0.95
        Two-sided level, strictly between 0 and 1.

    Returns
    -------
    low, high : arrays of float
        Limits of the rate per unit of `time`. NaN where no time was at risk, or where the
        number of events or the time is missing.

    Raises
    ------
    ValueError
        If `events` are negative or not whole, `time` is negative or infinite, `conf_level`
        is outside (0, 1) or `method` is unknown.

    Notes
    -----
    ``low = chi2(alpha/2; 2x) / (2T)``, exactly 0 when ``x = 0``;
    ``high = chi2(1 - alpha/2; 2x + 2) / (2T)``. Same numbers as R ``poisson.test(x, T)``.
    The interval supposes independent events: with several events of one subject it is too narrow.

    References
    ----------
    Garwood F (1936). Biometrika 28:437-442. doi:10.1093/biomet/28.3-4.437

    Examples
    --------
    >>> low, high = interval(3, 0.5)
    >>> f"{3 / 0.5:.2f} ({low:.2f}, {high:.2f})"
    '6.00 (1.24, 17.53)'
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level must be strictly between 0 and 1, got {conf_level}")
    count = np.asarray(events, dtype=float)
    at_risk = np.asarray(time, dtype=float)
    _check("events", count, "whole numbers of at least 0", (count < 0) | (count != np.floor(count)))
    _check("time", at_risk, "at least 0", at_risk < 0)
    count, at_risk = np.broadcast_arrays(count, at_risk)
    tail = (1 - conf_level) / 2
    per_time = np.divide(1.0, at_risk, out=np.full(at_risk.shape, np.nan), where=at_risk > 0)
    # A chi-squared quantile with 2x degrees of freedom is twice a gamma quantile with shape x.
    low = np.where(count == 0, 0.0, gammaincinv(np.maximum(count, 1), tail)) * per_time
    high = gammainccinv(count + 1, tail) * per_time
    return low, high


def _check(name: str, values: Floats, expected: str, wrong: NDArray[np.bool_]) -> None:
    """Name the first value that is infinite or breaks the rule; a missing value (NaN) breaks none."""
    bad = (wrong & ~np.isnan(values)) | np.isinf(values)
    if bad.any():
        raise ValueError(f"{name} must be {expected}, got {values[bad].ravel()[0]:g}")
