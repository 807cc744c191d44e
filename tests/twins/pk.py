"""Slow second version of the kinetics kernel: one profile, one definition after the other, no arrays."""

from itertools import pairwise
from math import exp, isnan, log, nan


def clean(samples, lloq=0.0):
    """(day, value or None when below the limit), sorted; missing values are gone."""
    known = sorted((day, value) for day, value in samples if not isnan(value))
    return [(day, None if value == 0 or value < lloq else value) for day, value in known]


def on_day_0(samples):
    """Samples from day 0 on; the last one before stands in for a missing day 0."""
    after = [(day, value) for day, value in samples if day >= 0]
    before = [(day, value) for day, value in samples if day < 0]
    if after and before and after[0][0] > 0:
        after.insert(0, (0.0, before[-1][1]))
    return after


def curve(samples):
    """Points that are joined: below the limit is 0 outside and left out between quantifiable samples."""
    days = [day for day, value in samples if value is not None]
    points = [
        (day, 0.0 if value is None else value)
        for day, value in samples
        if value is not None or not days or day <= days[0] or day >= days[-1]
    ]
    return points if points and points[0][0] == 0 else [(0.0, 0.0), *points]


def piece(first, second, low, high, log_allowed=True):
    """Area of one segment between two days; log when it falls and stays above 0."""
    (t1, c1), (t2, c2) = first, second
    low, high = max(low, t1), min(high, t2)
    if high <= low:
        return 0.0
    if log_allowed and 0 < c2 < c1:
        k = log(c1 / c2) / (t2 - t1)
        return (c1 * exp(-k * (low - t1)) - c1 * exp(-k * (high - t1))) / k
    slope = (c2 - c1) / (t2 - t1)
    return (high - low) * ((c1 + slope * (low - t1)) + (c1 + slope * (high - t1))) / 2


def area(points, low, high, linear=False):
    """Area under the curve between two days."""
    return sum(piece(first, second, low, high, not linear) for first, second in pairwise(points))


def line(points):
    """Slope, level at day 0 and adjusted R-squared of ln(value) on day."""
    n = len(points)
    mean_x = sum(day for day, _ in points) / n
    logs = [log(value) for _, value in points]
    mean_y = sum(logs) / n
    sxx = sum((day - mean_x) ** 2 for day, _ in points)
    sxy = sum((day - mean_x) * (y - mean_y) for (day, _), y in zip(points, logs, strict=True))
    syy = sum((y - mean_y) ** 2 for y in logs)
    slope = sxy / sxx
    rest = sum((y - mean_y - slope * (day - mean_x)) ** 2 for (day, _), y in zip(points, logs, strict=True))
    return slope, mean_y - slope * mean_x, 1 - (rest / syy) * (n - 1) / (n - 2)


def terminal(samples, tolerance=1e-4):
    """Rate and level at day 0 of the best falling window after the peak, or None."""
    quantifiable = [(day, value) for day, value in samples if value is not None]
    if not quantifiable:
        return None
    top = max(value for _, value in quantifiable)
    tmax = min(day for day, value in quantifiable if value == top)
    after = [point for point in quantifiable if point[0] > tmax]
    lines = []
    for n in range(3, len(after) + 1):
        window = after[-n:]
        if len({value for _, value in window}) > 1:
            slope, level, fit = line(window)
            if slope < 0:
                lines.append((n, slope, level, fit))
    if not lines:
        return None
    best = max(fit for *_, fit in lines)
    n, slope, level, _ = max(found for found in lines if found[3] > best - tolerance)
    return -slope, level, n


def auc_window(samples, low, high):
    """Area of a window with the tail that is the default, and its status."""
    points, quantifiable = curve(samples), [day for day, value in samples if value is not None]
    if not samples:
        return nan, "NO_SAMPLES"
    if len(points) < 2:
        return nan, "NOT_ESTIMABLE"
    if not quantifiable:
        return 0.0, "NO_QUANT"
    tlast = quantifiable[-1]
    body = area(points, low, min(high, tlast))
    if high <= tlast:
        return body, "OBSERVED" if high in [day for day, _ in points] else "INTERPOLATED"
    later = [point for point in points if point[0] > tlast]
    clast = dict(points)[tlast]
    if later:
        return body + piece((tlast, clast), later[0], low, high, log_allowed=False), "BLQ_TRIANGLE"
    found = terminal(samples)
    if found is None:
        return nan, "NOT_ESTIMABLE"
    rate = found[0]
    since = max(low, tlast)
    tail = clast / rate * (exp(-rate * (since - tlast)) - exp(-rate * (high - tlast)))
    return body + tail, "EXTRAPOLATED"
