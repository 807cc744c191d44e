"""Slow second version of the curve fit: one profile, scipy's solver from many random starts, no structure."""

from math import exp, inf, log

import numpy as np
from scipy.integrate import quad
from scipy.optimize import least_squares
from scipy.special import log_ndtr

LOW = [0.001, -60.0, 0.1, log(0.001), log(1e-6), -12.0]
HIGH = [200.0, 60.0, 60.0, log(5.0), log(0.5), 6.0]


def level(t, cmax, tmax, fold, alpha, beta, slow_fraction):
    """The curve at one time, as it is written down."""
    if t < tmax:
        return exp(log(cmax / fold) + log(fold) / tmax * t)
    fast = (1 - slow_fraction) * cmax * exp(-alpha * (t - tmax))
    return fast + slow_fraction * cmax * exp(-beta * (t - tmax))


def area(start, end, **shape):
    """Area by numerical integration on both sides of the peak."""
    peak = min(max(shape["tmax"], start), end)
    sides = ((start, peak), (peak, end))
    return sum(quad(level, *side, args=tuple(shape.values()), epsabs=0, epsrel=1e-11)[0] for side in sides)


def log_level(at, time):
    """Natural logarithm of the curve at the parameters searched."""
    tmax, log_cmax, log_fold, log_alpha, log_beta, logit = at
    alpha, beta = np.exp([log_alpha, log_beta])
    since = np.maximum(time - tmax, 0)
    falling = np.logaddexp(-alpha * since, logit - beta * since) - np.logaddexp(0, logit)
    return log_cmax + np.where(time < tmax, log_fold * (time / tmax - 1), falling)


def random_start(time, y, rng):
    between = rng.uniform(max(time[0], 0.01), min(time[-1], 199.0))
    return np.array(
        [
            rng.choice([between, rng.uniform(3, 20)]),
            y.max() + rng.normal(0, 0.7),
            rng.uniform(0.5, 12),
            rng.uniform(log(0.02), log(3)),
            rng.uniform(log(1e-5), log(0.3)),
            rng.uniform(-10, 2),
        ]
    )


def least_sse(time, value, *, n_starts, rng):
    """Smallest sum of squared ln residuals over the starts."""
    y = np.log(value)
    best = inf
    for _ in range(n_starts):
        start = np.clip(random_start(time, y, rng), np.add(LOW, 1e-6), np.subtract(HIGH, 1e-6))
        found = least_squares(
            lambda at: log_level(at, time) - y, start, bounds=(LOW, HIGH), xtol=1e-12, ftol=1e-12, gtol=1e-12
        )
        best = min(best, 2 * found.cost)
    return best


def log_likelihood(time, value, below, limit, sigma, **shape):
    """One sample after the other: density of ln(value), or probability of lying under ln(limit)."""
    added = 0.0
    for t, v, under in zip(time, value, below, strict=True):
        fitted = log(level(t, **shape))
        if under:
            added += float(log_ndtr((log(limit) - fitted) / sigma))
        else:
            added -= 0.5 * ((log(v) - fitted) / sigma) ** 2 + log(sigma) + 0.5 * log(2 * np.pi)
    return added
