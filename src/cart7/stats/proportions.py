"""One binomial proportion: intervals and the Beta posterior.

Here: seventeen confidence intervals for x responders of n subjects, and what a Beta prior
makes of the same counts. Everything takes arrays of any shape; equal (x, n) pairs are worked
out once. Not here: two proportions (stats.two_proportions), trend over dose levels
(stats.trend), event rates per person-time (stats.rates), which subject counts as a responder
(response).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaincc, betainccinv, betaincinv, ndtri

Array = npt.NDArray[np.float64]
Limits = tuple[Array, Array]

_HALVINGS = 60  # a bracket no wider than 1 shrinks below the spacing of doubles near 1e-18


def interval(
    x: npt.ArrayLike, n: npt.ArrayLike, *, method: str = "clopper-pearson", conf_level: float = 0.95
) -> Limits:
    """Two-sided confidence interval for a proportion, by any of seventeen methods.

    Parameters
    ----------
    x : array_like
        Subjects with the event, whole numbers in ``0..n``.
    n : array_like
        Subjects assessed; broadcast against `x`.
    method : str, default "clopper-pearson"
        Exact: ``clopper-pearson`` (central), ``blaker``, ``minlike`` (Sterne), and ``mid-p``.
        Score: ``wilson``, ``wilson-cc`` (Newcombe's correction), ``wilson-cc-proptest`` (as R
        ``prop.test``: uncorrected when ``x = n/2``), ``scas`` (skewness-corrected).
        Bayes: ``jeffreys`` (0 at ``x = 0``, 1 at ``x = n``), ``jeffreys-raw``, ``modified-jeffreys``.
        Others: ``agresti-coull``, ``likelihood``, ``logit``, ``arcsine``, ``wald``, ``wald-cc``.
    conf_level : float, default 0.95
        Two-sided level, strictly between 0 and 1.

    Returns
    -------
    low, high : numpy.ndarray
        Limits as fractions in [0, 1], in the broadcast shape; NaN where ``n = 0`` (a dose level
        nobody has reached yet is an ordinary trial).

    Raises
    ------
    ValueError
        If a count is not whole, `x` is outside ``0..n``, `conf_level` is outside (0, 1) or
        `method` is unknown.

    Notes
    -----
    ``blaker`` and ``minlike`` give the hull of the set of proportions their test accepts; the set
    itself can have holes.

    References
    ----------
    Clopper CJ, Pearson ES (1934). Biometrika 26:404-413.
    Newcombe RG (1998). Stat Med 17:857-872.
    Brown LD, Cai TT, DasGupta A (2001). Statist Sci 16:101-133.
    Blaker H (2000). Can J Statist 28:783-798.
    Laud PJ (2017). Pharm Stat 16:334-348.

    Examples
    --------
    >>> low, high = interval(7, 9)
    >>> f"({low:.3f}, {high:.3f})"
    '(0.400, 0.972)'
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}; got {method!r}")
    _check_level(conf_level)
    events, total = _counts(x, n)
    low, high = np.full(events.shape, np.nan), np.full(events.shape, np.nan)
    seen = total > 0
    if seen.any():
        first, back = _unique_pairs(events[seen], total[seen])
        limits = _METHODS[method](events[seen][first], total[seen][first], 1 - conf_level)
        low[seen], high[seen] = (np.clip(limit, 0.0, 1.0)[back] for limit in limits)
    return low[()], high[()]


# ---------------------------------------------------------------------------------- counts


def _check_level(conf_level: float) -> None:
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level must be strictly between 0 and 1, got {conf_level}")


def _counts(x: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Array, Array]:
    """The counts as two float arrays of one shape, refused unless whole and ``0 <= x <= n``."""
    events, total = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(n, dtype=float))
    for name, count in (("x", events), ("n", total)):
        bad = ~np.isfinite(count) | (count != np.floor(count)) | (count < 0)
        if bad.any():
            raise ValueError(f"{name} must be whole numbers, 0 or more, got {count[bad][0]:g}")
    bad = events > total
    if bad.any():
        raise ValueError(f"x must be between 0 and n = {total[bad][0]:g}, got {events[bad][0]:g}")
    return events, total


def _unique_pairs(x: Array, n: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Positions of one (x, n) of each kind, and for every pair the number of its kind."""
    x_values, x_code = np.unique(x, return_inverse=True)
    _, n_code = np.unique(n, return_inverse=True)
    _, first, back = np.unique(n_code * x_values.size + x_code, return_index=True, return_inverse=True)
    return first, back.reshape(-1)


def _root(rises: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Where an increasing function changes sign between `low` and `high`, by halving."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = rises(middle) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return 0.5 * (low + high)


def _z(alpha: float) -> float:
    return -float(ndtri(alpha / 2))


def _only_where(open_end: npt.NDArray[np.bool_], edge: npt.ArrayLike, value: Array) -> Array:
    return np.where(open_end, edge, value)


# ------------------------------------------------------------------------- exact and mid-p


def _tail_low(x: Array, n: Array, tail: float) -> Array:
    """The proportion at which ``P(X >= x) = tail``; 0 at x = 0."""
    low = betaincinv(np.maximum(x, 1), n - x + 1, tail)
    low = np.where(x == n, np.exp(np.log(tail) / n), low)
    return np.where(x == 0, 0.0, low)


def _tail_high(x: Array, n: Array, tail: float) -> Array:
    """The proportion at which ``P(X <= x) = tail``; 1 at x = n."""
    high = betainccinv(x + 1, np.maximum(n - x, 1), tail)
    high = np.where(x == 0, -np.expm1(np.log(tail) / n), high)
    return np.where(x == n, 1.0, high)


def _clopper_pearson(x: Array, n: Array, alpha: float) -> Limits:
    return _tail_low(x, n, alpha / 2), _tail_high(x, n, alpha / 2)


def _mid_p(x: Array, n: Array, alpha: float) -> Limits:
    """Half the probability of x itself counts: halfway between P(X >= x) and P(X > x)."""
    inner = (x > 0) & (x < n)
    low = np.where(x == n, np.exp(np.log(alpha) / n), 0.0)
    high = np.where(x == 0, -np.expm1(np.log(alpha) / n), 1.0)
    k, m = x[inner], n[inner]
    low[inner] = _root(
        lambda p: betainc(k, m - k + 1, p) + betainc(k + 1, m - k, p) - alpha,
        _tail_low(k, m, alpha / 2),
        _tail_low(k + 1, m, alpha / 2),
    )
    high[inner] = _root(
        lambda p: alpha - betaincc(k + 1, m - k, p) - betaincc(k, m - k + 1, p),
        _tail_high(k - 1, m, alpha / 2),
        _tail_high(k, m, alpha / 2),
    )
    return low, high


# ----------------------------------------------------------------------------------- score


def _wilson(x: Array, n: Array, alpha: float) -> Limits:
    z = _z(alpha)
    centre, half = x + z**2 / 2, z * np.sqrt(x * (n - x) / n + z**2 / 4)
    low, high = (centre - half) / (n + z**2), (centre + half) / (n + z**2)
    # The exact edges: rounding would leave -3e-18 or 1 + 2e-16.
    return np.where(x == 0, 0.0, low), np.where(x == n, 1.0, high)


# ------------------------------------------------------------------------------------ Bayes


def _jeffreys_raw(x: Array, n: Array, alpha: float) -> Limits:
    return betaincinv(x + 0.5, n - x + 0.5, alpha / 2), betainccinv(x + 0.5, n - x + 0.5, alpha / 2)


def _jeffreys(x: Array, n: Array, alpha: float) -> Limits:
    low, high = _jeffreys_raw(x, n, alpha)
    return np.where(x == 0, 0.0, low), np.where(x == n, 1.0, high)


_METHODS: dict[str, Callable[[Array, Array, float], Limits]] = {
    "clopper-pearson": _clopper_pearson,
    "mid-p": _mid_p,
    "wilson": _wilson,
    "jeffreys": _jeffreys,
    "jeffreys-raw": _jeffreys_raw,
}
