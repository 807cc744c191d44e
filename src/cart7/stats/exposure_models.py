"""Exposure against dose and against outcome, for a handful of subjects.

Here: the power model of dose proportionality with Smith's limits, and the association of an exposure with
an outcome: ratio of geometric means, exact rank test, Firth logistic regression, rank correlations. Not here:
the exposures (`exposure`), tables of subjects (`cart7.pk`).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, stdtr, stdtrit

Floats = NDArray[np.float64]

_NEWTON_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseProportionality:
    """Power model ln(value) = intercept + slope ln(dose); NaN where too few subjects or doses are there.

    `normalised_ratio` is the ratio of dose-normalised means between the highest and the lowest dose,
    dose_ratio^(slope - 1). `conclusion` is `proportional`, `not proportional` or `inconclusive`.
    """

    n: int
    slope: float
    std_err: float
    intercept: float
    ci_low: float
    ci_high: float
    residual_sd: float
    r_squared: float
    dose_ratio: float
    normalised_ratio: float
    smith_low: float
    smith_high: float
    conclusion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureResponse:
    """Association of an exposure with an outcome; NaN where `note` says why.

    `gm_ratio` is outcome 1 over 0 with Welch limits, `wilcoxon_w` R's W of outcome 1, `firth_slope` the
    log odds ratio per doubling.
    """

    n: int
    gm_ratio: float
    ci_low: float
    ci_high: float
    welch_df: float
    welch_p_value: float
    pooled_ci_low: float
    pooled_ci_high: float
    wilcoxon_w: float
    wilcoxon_p_value: float
    firth_slope: float
    firth_std_err: float
    firth_intercept: float
    spearman_rho: float
    kendall_tau: float
    note: str = ""


def dose_proportionality(
    values: ArrayLike,
    dose: ArrayLike,
    *,
    conf_level: float = 0.90,
    limits: tuple[float, float] = (0.80, 1.25),
) -> DoseProportionality:
    """Power model of an exposure on dose, judged by Smith's limits.

    Parameters
    ----------
    values : array_like
        Exposures above 0, one per subject; missing ones are left out.
    dose : array_like
        Doses above 0 (planned level, or cells given).
    conf_level : float, default 0.90
        Level of the interval of the slope.
    limits : (float, float), default (0.80, 1.25)
        Acceptable ratio of dose-normalised exposures over the range of doses.

    Returns
    -------
    DoseProportionality

    Raises
    ------
    ValueError
        For values or doses that are not above 0, or arguments outside their range.

    Notes
    -----
    Smith's limits for the slope: 1 + ln(limit) / ln(highest / lowest dose). With nine subjects the
    interval is usually wider than any limit: `inconclusive` is the ordinary answer.

    References
    ----------
    Smith BP et al. (2000). Confidence interval criteria for assessment of dose proportionality.
    Pharm Res 17:1278-1283. doi:10.1023/A:1026451721686

    Examples
    --------
    >>> found = dose_proportionality([100, 120, 210, 190, 400, 430], [1, 1, 2, 2, 4, 4])
    >>> f"{found.slope:.2f} ({found.ci_low:.2f}, {found.ci_high:.2f}) {found.conclusion}"
    '0.96 (0.83, 1.09) inconclusive'
    """
    _check_level(conf_level)
    low, high = limits
    if not 0 < low < 1 < high:
        raise ValueError(f"limits must lie on both sides of 1, got {limits}")
    exposure, doses = _pairs(values, dose)
    for name, array in (("values", exposure), ("dose", doses)):
        _check_positive(name, array)
    n = exposure.size
    ratio = float(doses.max() / doses.min()) if n else math.nan
    slope = std_err = intercept = residual_sd = r_squared = math.nan
    if ratio > 1:
        slope, intercept, std_err, residual_sd, r_squared = _line(np.log(doses), np.log(exposure))
    width = float(stdtrit(n - 2, (1 + conf_level) / 2)) * std_err if n > 2 else math.nan
    bounds = [1 + math.log(limit) / math.log(ratio) if ratio > 1 else math.nan for limit in limits]
    return DoseProportionality(
        n=n, slope=slope, std_err=std_err, intercept=intercept, ci_low=slope - width, ci_high=slope + width,
        residual_sd=residual_sd, r_squared=r_squared, dose_ratio=ratio,
        normalised_ratio=ratio ** (slope - 1) if ratio > 1 else math.nan,
        smith_low=bounds[0], smith_high=bounds[1],
        conclusion=_conclusion(slope - width, slope + width, *bounds),
    )  # fmt: skip


def exposure_response(values: ArrayLike, outcome: ArrayLike, *, conf_level: float = 0.95) -> ExposureResponse:
    """Association of an exposure with an outcome, by methods that stand up with nine subjects.

    Parameters
    ----------
    values : array_like
        Exposures above 0, one per subject; missing ones are left out.
    outcome : array_like
        0 and 1 (response), or an ordered outcome of more values (a grade): then the correlations only.
    conf_level : float, default 0.95
        Level of the intervals of the ratio.

    Returns
    -------
    ExposureResponse

    Raises
    ------
    ValueError
        For values that are not above 0, or `conf_level` outside (0, 1).

    Notes
    -----
    Welch and pooled t intervals of the difference of mean logs; Wilcoxon's rank sum test by its exact
    permutation distribution (midranks on ties), the smaller tail doubled; Firth's penalised logistic
    regression of outcome on log2(value); Spearman's rho on midranks, Kendall's tau-b.

    References
    ----------
    Firth D (1993). Bias reduction of maximum likelihood estimates. Biometrika 80:27-38.
    doi:10.1093/biomet/80.1.27

    Examples
    --------
    >>> found = exposure_response([100, 200, 400, 800], [0, 0, 1, 1])
    >>> f"{found.gm_ratio:.0f}, W = {found.wilcoxon_w:.0f}, p = {found.wilcoxon_p_value:.3f}"
    '4, W = 4, p = 0.333'
    """
    _check_level(conf_level)
    exposure, result = _pairs(values, outcome)
    _check_positive("values", exposure)
    levels = np.unique(result)
    missing: dict[str, Any] = dict.fromkeys(ExposureResponse.__slots__, math.nan)
    shared: dict[str, Any] = {
        "n": exposure.size,
        "spearman_rho": _correlation(_midranks(exposure), _midranks(result)),
        "kendall_tau": _tau_b(exposure, result),
    }
    if levels.size != 2:
        return ExposureResponse(**{**missing, **shared, "note": _why_no_groups(levels.size)})
    yes = result == levels[1]
    ratio: dict[str, Any] = _geometric_ratio(np.log(exposure[yes]), np.log(exposure[~yes]), conf_level)
    rank_sum, p_value = _rank_sum_test(exposure, yes)
    intercept, slope, std_err = _firth(np.log2(exposure), yes)
    return ExposureResponse(
        **shared, **ratio, wilcoxon_w=rank_sum, wilcoxon_p_value=p_value, firth_slope=slope,
        firth_std_err=std_err, firth_intercept=intercept,
        note=_why_incomplete(exposure, yes, ratio["ci_high"]),
    )  # fmt: skip


def _why_no_groups(n_levels: int) -> str:
    if n_levels > 2:
        return "the outcome has more than two values"
    return "the outcome does not vary" if n_levels else "no subject with an exposure and an outcome"


def _why_incomplete(exposure: Floats, yes: NDArray[np.bool_], ci_high: float) -> str:
    """Why something is missing although there are two outcomes; empty when nothing is."""
    if np.ptp(exposure) == 0:
        return "all exposures are equal: no interval, no regression, no correlation"
    if min(yes.sum(), (~yes).sum()) < 2:
        single = "one subject with an outcome: no Welch interval"
        return single if exposure.size > 2 else "two subjects: no interval"
    if np.ptp(exposure[yes]) == np.ptp(exposure[~yes]) == 0:
        return "exposures are equal within each outcome: no interval"
    return "an upper limit is too large for a number" if math.isnan(ci_high) else ""


def _check_level(conf_level: float) -> None:
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level must be strictly between 0 and 1, got {conf_level}")


def _check_positive(name: str, values: Floats) -> None:
    wrong = values[~((values > 0) & (values < np.inf))]
    if wrong.size:
        raise ValueError(f"{name} must be above 0 (leave a missing one NaN), got {wrong[0]:g}")


def _pairs(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    """Both arrays where neither is missing."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"both must be one-dimensional and as long as each other, got {a.shape}, {b.shape}")
    known = ~np.isnan(a) & ~np.isnan(b)
    return a[known], b[known]


def _line(x: Floats, y: Floats) -> tuple[float, float, float, float, float]:
    """Slope, intercept, standard error of the slope, residual SD, R-squared of least squares."""
    dx = x - x.mean()
    dy = y - y.mean() if np.ptp(y) > 0 else np.zeros_like(y)  # the mean of equal numbers may be rounded
    sxx, syy = float((dx * dx).sum()), float((dy * dy).sum())
    slope = float((dx * dy).sum()) / sxx
    rest = float(((dy - slope * dx) ** 2).sum())
    residual_sd = math.sqrt(rest / (x.size - 2)) if x.size > 2 else math.nan
    r_squared = 1 - rest / syy if syy > 0 else math.nan
    return slope, float(y.mean() - slope * x.mean()), residual_sd / math.sqrt(sxx), residual_sd, r_squared


def _conclusion(ci_low: float, ci_high: float, smith_low: float, smith_high: float) -> str:
    if smith_low <= ci_low and ci_high <= smith_high:
        return "proportional"
    if ci_high < smith_low or ci_low > smith_high:
        return "not proportional"
    return "inconclusive"


def _geometric_ratio(yes: Floats, no: Floats, conf_level: float) -> dict[str, Any]:
    """Ratio of geometric means with its Welch and its pooled interval, which need a spread."""
    difference = float(yes.mean() - no.mean())
    names = ("ci_low", "ci_high", "welch_df", "welch_p_value", "pooled_ci_low", "pooled_ci_high")
    found = {"gm_ratio": math.exp(difference), **dict.fromkeys(names, math.nan)}
    squares = [float(((g - g.mean()) ** 2).sum()) if np.ptp(g) > 0 else 0.0 for g in (yes, no)]
    freedom = yes.size + no.size - 2
    if not sum(squares) > 0:
        return found
    error = math.sqrt(sum(squares) / freedom * (1 / yes.size + 1 / no.size))
    found["pooled_ci_low"], found["pooled_ci_high"] = _limits(difference, error, freedom, conf_level)
    if min(yes.size, no.size) > 1:
        free = (yes.size - 1, no.size - 1)
        parts = [total / f / (f + 1) for total, f in zip(squares, free, strict=True)]
        error = math.sqrt(sum(parts))
        df = sum(parts) ** 2 / sum(part**2 / f for part, f in zip(parts, free, strict=True))
        found["ci_low"], found["ci_high"] = _limits(difference, error, df, conf_level)
        found["welch_df"] = df
        found["welch_p_value"] = 2 * float(stdtr(df, -abs(difference) / error))
    return found


def _limits(difference: float, error: float, df: float, conf_level: float) -> tuple[float, float]:
    """Limits (t) of a difference of logs as those of the ratio; NaN where one is too large for a number."""
    width = float(stdtrit(df, (1 + conf_level) / 2)) * error
    with np.errstate(over="ignore"):
        low, high = np.exp([difference - width, difference + width])
    return float(low), float(high) if high < np.inf else math.nan


def _midranks(values: Floats) -> Any:
    """Ranks from 1, tied values share their mean rank."""
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    return below + (equal + 1) / 2


def _rank_sum_test(values: Floats, yes: NDArray[np.bool_]) -> tuple[float, float]:
    """R's W of the group `yes`, and the exact two-sided p (smaller tail doubled)."""
    ranks = np.rint(2 * _midranks(values)).astype(int)  # doubled, so that midranks are whole
    chosen, size = int(ranks[yes].sum()), int(yes.sum())
    ways = np.zeros((size + 1, int(ranks.sum()) + 1))
    ways[0, 0] = 1.0
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    share = ways[size] / ways[size].sum()
    p_value = 2 * min(float(share[: chosen + 1].sum()), float(share[chosen:].sum()))
    return chosen / 2 - size * (size + 1) / 2, min(p_value, 1.0)


def _correlation(x: Floats, y: Floats) -> float:
    dx, dy = x - x.mean() if x.size else x, y - y.mean() if y.size else y
    scale = float((dx * dx).sum() * (dy * dy).sum())
    return float((dx * dy).sum()) / math.sqrt(scale) if scale > 0 else math.nan


def _tau_b(x: Floats, y: Floats) -> float:
    """Kendall's tau-b: concordant less discordant pairs, over the untied pairs of each."""
    sx, sy = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    scale = float((sx * sx).sum() * (sy * sy).sum())
    return float((sx * sy).sum()) / math.sqrt(scale) if scale > 0 else math.nan


def _firth(x: Floats, yes: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Intercept, slope and its standard error of Firth's logistic regression; NaN when x does not vary."""
    if np.ptp(x) == 0:
        return math.nan, math.nan, math.nan
    centre, spread = float(x.mean()), float(x.std())
    design = np.column_stack([np.ones_like(x), (x - centre) / spread])
    beta = np.zeros(2)
    for _ in range(_NEWTON_STEPS):
        step = _firth_step(design, yes, beta)
        level = _penalised(design, yes, beta)
        while _penalised(design, yes, beta + step) < level - 1e-12 and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-12:
            break
    slope = float(beta[1]) / spread
    std_err = math.sqrt(float(np.linalg.inv(_information(design, beta))[1, 1])) / spread
    return float(beta[0]) - slope * centre, slope, std_err


def _information(design: Floats, beta: Floats) -> Any:
    p = expit(design @ beta)
    return (design * (p * (1 - p))[:, None]).T @ design


def _penalised(design: Floats, yes: NDArray[np.bool_], beta: Floats) -> float:
    """Log-likelihood plus half the log determinant of the information."""
    line = design @ beta
    fit = float(np.where(yes, log_expit(line), log_expit(-line)).sum())
    return fit + float(np.linalg.slogdet(_information(design, beta))[1]) / 2


def _firth_step(design: Floats, yes: NDArray[np.bool_], beta: Floats) -> Any:
    """Newton step of the bias-reducing score (each residual shifted by its leverage)."""
    p = expit(design @ beta)
    weight = p * (1 - p)
    inverse = np.linalg.inv(_information(design, beta))
    leverage = weight * ((design @ inverse) * design).sum(axis=1)
    return inverse @ (design.T @ (yes - p + leverage * (0.5 - p)))
