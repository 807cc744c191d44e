"""Slow, obvious second versions of the dose room: definitions, one number at a time."""

from fractions import Fraction

import numpy as np
from scipy import integrate, stats


def desirability_by_definition(kind, low, high, x, *, target=None, scale=1.0, high_scale=None):
    if kind == "max":
        return 0.0 if x <= low else 1.0 if x >= high else ((x - low) / (high - low)) ** scale
    if kind == "min":
        return 1.0 if x <= low else 0.0 if x >= high else ((high - x) / (high - low)) ** scale
    if kind == "box":
        return 1.0 if low <= x <= high else 0.0
    if x <= low or x >= high:
        return 0.0
    above = scale if high_scale is None else high_scale
    return ((x - low) / (target - low)) ** scale if x <= target else ((high - x) / (high - target)) ** above


def expected_power_by_tail_areas(shape, cdf, power):
    """E[d^power] as the area under P(d^power > y), from the distribution function alone (no density)."""

    def exceeds(y):
        left, right = shape.reach(y ** (1 / power))
        return float(cdf(float(right)) - cdf(float(left)))

    cuts = [0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999]
    area, _ = integrate.quad(exceeds, 0, 1, points=cuts, limit=2000, epsabs=1e-12, epsrel=1e-12)
    return area


def expected_score_by_cases(case, exposures, criteria, prior=(1, 1)):
    """Score of one level: product of one-dimensional expectations by adaptive quadrature of the density."""
    total = sum(weight for *_, weight in criteria)
    score = 1.0
    for name, kind, low, high, weight in criteria:
        if weight == 0:
            continue
        if name == "log_auc":
            frozen = _student(exposures, case["level"])
        else:
            y, n = case[name]
            frozen = stats.beta(prior[0] + y, prior[1] + n - y)

        def integrand(x, kind=kind, low=low, high=high, share=weight / total, frozen=frozen):
            return desirability_by_definition(kind, low, high, x) ** share * frozen.pdf(x)

        peak = [x for x in frozen.ppf([0.01, 0.5, 0.99]) if low < x < high]
        slope, _ = integrate.quad(integrand, low, high, points=peak, epsabs=1e-11, epsrel=1e-11, limit=500)
        score *= slope + (frozen.sf(high) if kind == "max" else frozen.cdf(low))
    return score


def _student(exposures, level):
    logs = {key: np.log(values) for key, values in exposures.items()}
    df = sum(map(len, logs.values())) - len(logs)
    variance = sum(((part - part.mean()) ** 2).sum() for part in logs.values()) / df
    mine = logs[level]
    return stats.t(df, loc=mine.mean(), scale=np.sqrt(variance / len(mine)))


def admissible_by_walking(n_dlt, dlt, n_response, response, gates, prior=(1, 1)):
    open_levels, blocked = [], False
    for j in range(len(n_dlt)):
        toxic = stats.beta.sf(gates.phi_t, prior[0] + dlt[j], prior[1] + n_dlt[j] - dlt[j])
        futile = stats.beta.cdf(gates.phi_e, prior[0] + response[j], prior[1] + n_response[j] - response[j])
        if n_dlt[j] >= gates.min_n and toxic > gates.c_t:
            blocked = True
        open_levels.append(
            n_dlt[j] > 0 and not blocked and not (n_response[j] >= gates.min_n and futile > gates.c_e)
        )
    return open_levels


def choice_by_walking(scores, admissible, plateau):
    ranked = [(score, j) for j, (score, ok) in enumerate(zip(scores, admissible, strict=True)) if ok]
    if not ranked or max(ranked)[0] <= 0:
        return None, None
    highest = max(score for score, _ in ranked)
    best = next(j for score, j in ranked if score == highest)
    return best, next(j for score, j in ranked if score >= (1 - plateau) * highest)


def smaa_by_counting(values, weights, aggregator):
    """Rank acceptability draw by draw; ties share their ranks."""
    draws, alternatives, _ = values.shape
    table = np.zeros((alternatives, alternatives))
    for v, w in zip(values, weights, strict=True):
        scores = [float((a * w).sum() if aggregator == "additive" else np.prod(a**w)) for a in v]
        for j, own in enumerate(scores):
            above = sum(other > own for other in scores)
            equal = sum(other == own for other in scores)
            for rank in range(above, above + equal):
                table[j, rank] += 1 / equal
    return table / draws


def bag_cells_by_walking(bag):
    """Viable and viable CAR+ cells of one bag that went in, in fractions of the decimals as written."""
    given = Fraction(str(bag["volume_ml"])) * Fraction(str(bag["fraction_infused"]))
    viable = given * Fraction(str(bag["conc_cells_per_ml"]))
    if bag["conc_basis"] == "total":
        viable *= Fraction(str(bag["viability_pct"])) / 100
    car = viable * Fraction(str(bag["car_pos_pct"])) / 100
    if bag["car_denominator"] == "viable CD3+":
        car *= Fraction(str(bag["cd3_pct"])) / 100
    return viable, car
