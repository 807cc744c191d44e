"""Slow second version of the censored slope: one profile, one sample after the other, a general optimiser."""

from math import exp, inf, log, sqrt

import numpy as np
from scipy.optimize import minimize, root
from scipy.stats import norm


def log_likelihood(samples, intercept, slope, log_sigma):
    """`samples` = (time, ln value or ln limit, censored); sum of log densities and log probabilities."""
    added = 0.0
    for time, level, censored in samples:
        z = (level - intercept - slope * time) / exp(log_sigma)
        added += norm.logcdf(z) if censored else norm.logpdf(z) - log_sigma
    return added


def score(samples, intercept, slope, log_sigma):
    """Derivatives of the log likelihood by intercept, slope and ln(sigma)."""
    added = np.zeros(3)
    for time, level, censored in samples:
        z = (level - intercept - slope * time) / exp(log_sigma)
        if censored:
            mills = exp(norm.logpdf(z) - norm.logcdf(z))
            added += [-mills / exp(log_sigma), -mills * time / exp(log_sigma), -mills * z]
        else:
            added += [z / exp(log_sigma), z * time / exp(log_sigma), z * z - 1]
    return added


def has_maximum(samples):
    """Whether quantifiable samples at two times or more leave no line that no sample contradicts."""
    quantifiable = [(time, level) for time, level, censored in samples if not censored]
    if len({time for time, _ in quantifiable}) < 2:
        return False
    (t1, y1), (t2, y2) = min(quantifiable), max(quantifiable)
    ahead = [
        (level - y1 - (y2 - y1) / (t2 - t1) * (time - t1), censored) for time, level, censored in samples
    ]
    return any(gap < -1e-9 if censored else abs(gap) > 1e-9 for gap, censored in ahead)


def slope(samples):
    """Rate, intercept, sigma, log likelihood and standard error of the rate; time is centred for the search."""
    middle = sum(time for time, _, _ in samples) / len(samples)
    width = max(abs(time - middle) for time, _, _ in samples)
    scaled = [((time - middle) / width, level, censored) for time, level, censored in samples]

    def loss(at):
        return -log_likelihood(scaled, *at) if abs(at[2]) < 50 else inf

    best = None
    for start in (-1.0, 1.0):
        rough = minimize(loss, [scaled[0][1], 0.0, start], method="Nelder-Mead", options={"maxiter": 4000})
        fine = root(lambda at: score(scaled, *at), rough.x, tol=1e-14)
        if best is None or loss(fine.x) < loss(best):
            best = fine.x
    information = np.empty((3, 3))
    for column in range(3):
        nudge = np.zeros(3)
        nudge[column] = 1e-5
        change = score(scaled, *(best - nudge)) - score(scaled, *(best + nudge))
        information[:, column] = change / 2e-5
    covariance = np.linalg.inv(information)
    rate = -best[1] / width
    return {
        "rate": rate,
        "half_life": log(2) / rate if rate > 0 else float("nan"),
        "intercept": best[0] + rate * middle,
        "sigma": exp(best[2]),
        "log_likelihood": log_likelihood(scaled, *best),
        "std_err": sqrt(covariance[1, 1]) / width,
    }
