"""Twins of the pharmacodynamics room: one subject at a time, straight from the definitions."""

import itertools
import math

import numpy as np

NAN = math.nan


def analysed(sample, arithmetic):
    """Value after the rule for values below the limit, and whether it is below."""
    below = sample["blq"] is not None or (
        not math.isnan(sample["value"]) and sample["value"] < sample["lloq"]
    )
    substitute = sample["lloq"] / 2 if arithmetic == "half-lloq" else 0.0
    return (substitute if below else sample["value"]), below


def depletion_of_one_subject(samples, rules, *, ld_start=NAN, event_days=()):
    """Every column of `pd.depletion` for one subject; `samples` in the order of the table."""
    course = []
    for sample in sorted(samples, key=lambda sample: sample["day"]):
        value, below = analysed(sample, rules.blq_arithmetic)
        if not math.isnan(value):
            course.append((sample["day"], value, below))
    end = min((day for day in event_days if day >= 0), default=math.inf)
    before = [s for s in course if s[0] <= 0]
    before_ld = [s for s in course if s[0] < ld_start]
    own = before if rules.baseline == "last-before-infusion" else before_ld
    base_day, base, base_below = own[-1] if own else (NAN, NAN, False)
    reference = base if own and not base_below and base > 0 else NAN
    course = [s for s in course if s[0] <= end]
    after = [s for s in course if s[0] > 0]
    last = after[-1][0] if after else 0.0

    row = {"baseline": base, "baseline_day": base_day}
    row["baseline_pre_ld"] = before_ld[-1][1] if before_ld else NAN
    later = [s for s in course if s[0] >= 0 and not s[0] <= base_day]
    row["nadir"] = min((s[1] for s in later), default=NAN)
    row["nadir_day"] = next((s[0] for s in later if s[1] == row["nadir"]), NAN)
    row["nadir_percent_of_baseline"] = 100 * row["nadir"] / reference
    row["recovery_after_nadir_day"] = next(
        (
            d
            for d, v, b in later
            if d > row["nadir_day"] and not b and v >= rules.recovery_relative * reference
        ),
        NAN,
    )

    def timed(name, days, evaluable):
        row[f"{name}_time"] = next(iter(days), last) if evaluable else NAN
        row[f"{name}_event"] = (1.0 if days else 0.0) if evaluable else NAN

    evaluable = not math.isnan(reference)
    below_days = [d for d, _, b in after if b]
    timed("clearance", below_days, evaluable)
    timed("confirmed_clearance",
          [s[0] for s, following in itertools.pairwise(after) if s[2] and following[2]], evaluable)  # fmt: skip
    row["clearance_left"] = row["clearance_right"] = NAN
    if evaluable and below_days:
        row["clearance_left"] = max((d for d, _, _ in after if d < below_days[0]), default=0.0)
        row["clearance_right"] = below_days[0]
    elif evaluable:
        row["clearance_left"] = last
    cleared = evaluable and bool(below_days)
    back = [s for s in after if cleared and s[0] > below_days[0] and not s[2]]
    timed("recovery", [s[0] for s in back if s[1] >= rules.recovery], cleared)
    timed("relative_recovery", [s[0] for s in back if s[1] >= rules.recovery_relative * reference], cleared)
    row["aplasia_duration"] = row["recovery_time"] - row["clearance_time"]
    row |= area_under_the_course(after, base, reference, rules.auec_window)
    for level in rules.thresholds:
        row[f"first_day_below_{level:g}"] = next((s[0] for s in after if s[1] < level), NAN)
    return row


def area_under_the_course(after, base, reference, window):
    """Trapezoids between neighbouring points, each cut at the ends of the window."""
    start, end = window
    points = [(0.0, base)]
    for day in sorted({s[0] for s in after}):
        same = [s[1] for s in after if s[0] == day]
        points.append((day, sum(same) / len(same)))

    def area_to(stop):
        total = 0.0
        for (t0, v0), (t1, v1) in itertools.pairwise(points):
            low, high = max(t0, start), min(t1, stop)
            if high > low:
                at = [v0 + (v1 - v0) * (t - t0) / (t1 - t0) for t in (low, high)]
                total += (high - low) * sum(at) / 2
        return total

    inside = [t for t, _ in points[1:] if start < t <= end]
    row = dict.fromkeys(
        ("auec_last", "auec_last_day", "auec_window", "auec_net", "auec_suppression_percent"), NAN
    )
    if math.isnan(base):
        return row
    if inside:
        row["auec_last"], row["auec_last_day"] = area_to(inside[-1]), inside[-1]
    if points[-1][0] >= end:
        row["auec_window"] = area_to(end)
        row["auec_net"] = row["auec_window"] - (end - start) * base
        row["auec_suppression_percent"] = 100 * (1 - row["auec_window"] / ((end - start) * reference))
    return row


def visits_of_one_series(samples, rules):
    """Visit -> (day, value) of the sample chosen for each visit of one subject and parameter."""
    usable = []
    for order, sample in enumerate(samples):
        value, _ = analysed(sample, rules.blq_arithmetic)
        if not math.isnan(value):
            usable.append((sample["day"], order, value))
    usable.sort()
    visits = {}
    before = [s for s in usable if s[0] <= 0]
    if before:
        visits["BASELINE"] = (before[-1][0], before[-1][2])
    for name, window in rules.windows.items():
        inside = [s for s in usable if window.lower <= math.floor(s[0]) <= window.upper]
        if inside:
            nearest = min(abs(math.floor(s[0]) - window.target) for s in inside)
            nearest = [s for s in inside if abs(math.floor(s[0]) - window.target) == nearest]
            best = nearest[-1] if rules.tie == "later" else nearest[0]
            visits[name] = (best[0], best[2])
    return visits


def restricted_log_likelihood(y, visit, subject, sd_subject, sd_residual):
    """REML likelihood of means by visit with a random intercept, with the whole covariance matrix written out."""
    names = list(dict.fromkeys(visit))
    x = np.array([[float(one == name) for name in names] for one in visit])
    together = np.equal.outer(subject, subject).astype(float)
    covariance = sd_residual**2 * np.eye(len(y)) + sd_subject**2 * together
    inverse = np.linalg.inv(covariance)
    information = x.T @ inverse @ x
    residual = y - x @ np.linalg.solve(information, x.T @ inverse @ y)
    quadratic = float(residual @ inverse @ residual)
    log_determinants = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
    return -0.5 * ((len(y) - len(names)) * math.log(2 * math.pi) + log_determinants + quadratic)
