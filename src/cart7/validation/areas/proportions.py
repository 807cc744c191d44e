"""Proportions and rates against R, scipy, statsmodels and 50-digit arithmetic.

Same formulas in double precision on both sides: a few units of the last digit.
"""

import functools
from typing import Any

import numpy as np
import pandas as pd

from cart7.stats import proportions, rates, trend
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

ROUNDING = 5e-15
METHODS = tuple(name for name in proportions.METHODS if name != "arcsine")
TESTS: dict[str, tuple[str, Any]] = {
    "p_greater": ("central", "greater"),
    "p_less": ("central", "less"),
    "p_two_minlike": ("minlike", "two-sided"),
    "p_two_central": ("central", "two-sided"),
    "p_two_blaker": ("blaker", "two-sided"),
    "midp_greater": ("mid-p", "greater"),
    "midp_less": ("mid-p", "less"),
    "midp_two_central": ("mid-p", "two-sided"),
}
DIFFERENCES = {
    "newcombe": "newcombe", "newcombe_cc": "newcombe-cc", "miettinen_nurminen": "miettinen-nurminen",
    "mee": "mee", "exact_unconditional_score": "exact-unconditional",
}  # fmt: skip
COMPARISONS: dict[str, tuple[str, Any]] = {
    "fisher_two_sided_minlike": ("fisher", "two-sided"),
    "fisher_greater": ("fisher", "greater"),
    "fisher_two_sided_central": ("fisher-central", "two-sided"),
    "fisher_less": ("fisher", "less"),
    "fisher_two_sided_blaker": ("fisher-blaker", "two-sided"),
    "fisher_midp_central": ("fisher-midp", "two-sided"),
    "boschloo_greater": ("boschloo", "greater"),
    "boschloo_less": ("boschloo", "less"),
    "boschloo_two_sided_doubled": ("boschloo", "two-sided"),
    "barnard_pooled_greater": ("barnard", "greater"),
    "barnard_pooled_less": ("barnard", "less"),
    "barnard_pooled_two_sided": ("barnard", "two-sided"),
}
TREND = {
    "z": "z_cochran_armitage", "z_hypergeometric": "z_hypergeometric_variance", "p_two_sided": "p_two_asym",
    "p_increasing": "p_increasing_asym", "exact_p_increasing": "exact_p_increasing",
    "exact_p_decreasing": "exact_p_decreasing", "exact_p_two_sided": "exact_p_two_sided_abs",
    "exact_p_doubled": "exact_p_two_sided_doubled", "midp_increasing": "midp_increasing",
}  # fmt: skip
PRIORS = {"post_gt_jeffreys": (0.5, 0.5), "post_gt_uniform": (1.0, 1.0), "post_gt_beta02_08": (0.2, 0.8)}


def _reference(bench: Bench, name: str) -> pd.DataFrame:
    frame = bench.table(f"response/{name}.csv")
    if "method" in frame.columns:
        frame["method"] = frame["method"].str.replace("_", "-").replace("midp", "mid-p")
    return frame


def interval_of(method: str, bench: Bench, tally: Tally) -> None:
    """Limits of one method for n up to 100."""
    rows = _reference(bench, "binom_ci")
    for level, part in rows[rows["method"] == method].groupby("conf_level"):
        low, high = proportions.interval(part["x"], part["n"], method=method, conf_level=float(str(level)))
        tally.numbers(f"lower limit at {level}", low, part["lower"], absolute=ROUNDING)
        tally.numbers(f"upper limit at {level}", high, part["upper"], absolute=ROUNDING)


for _method in METHODS:
    check(f"proportions.interval_{_method}")(functools.partial(interval_of, _method))


@check("proportions.interval_arcsine")
def arcsine(bench: Bench, tally: Tally) -> None:
    """DescTools reflects the angle at 0 and at a right angle, where the limit belongs at 0 or 1."""
    rows = _reference(bench, "binom_ci")
    for level, part in rows[rows["method"] == "arcsine"].groupby("conf_level"):
        low, high = proportions.interval(part["x"], part["n"], method="arcsine", conf_level=float(str(level)))
        for what, ours, theirs, edge in (("lower", low, part["lower"], 0), ("upper", high, part["upper"], 1)):
            tally.numbers(f"{what} limit at {level}", ours, theirs, absolute=ROUNDING, excuse=ours == edge,
                          exception="arcsine-reflected")  # fmt: skip


@check("proportions.clopper_pearson_grid")
def clopper_pearson_grid(bench: Bench, tally: Tally) -> None:
    """Clopper-Pearson limits with 17 digits."""
    for level, part in _reference(bench, "clopper_pearson_grid").groupby("conf"):
        low, high = proportions.interval(part["x"], part["n"], conf_level=float(str(level)))
        tally.numbers("lower limit", low, part["cp_low"], absolute=ROUNDING)
        tally.numbers("upper limit", high, part["cp_high"], absolute=ROUNDING)


@check("proportions.extreme_counts")
def extreme_counts(bench: Bench, tally: Tally) -> None:
    """Very large n and very small alpha; an incomplete-beta inverse at n = 1e6 keeps 12 digits."""
    for row in _reference(bench, "binom_ci_extreme").to_dict("records"):
        limits = proportions.interval(row["x"], row["n"], method=row["method"], conf_level=1 - row["alpha"])
        tally.numbers(
            f"{row['method']} {row['x']}/{row['n']}",
            np.ravel(limits),
            [row["lower"], row["upper"]],
            relative=2e-12,
        )


@check("proportions.exact_tests")
def exact_tests(bench: Bench, tally: Tally) -> None:
    """Eight exact tests of one proportion."""
    rows = _reference(bench, "binom_one_sample")
    for column, (method, alternative) in TESTS.items():
        ours = proportions.test(rows["x"], rows["n"], rows["p0"], method=method, alternative=alternative)
        tally.numbers(column, ours, rows[column], absolute=ROUNDING)


@check("proportions.posterior")
def posterior(bench: Bench, tally: Tally) -> None:
    """Beta posteriors: moments, equal-tailed and highest-density limits, P(p > p0)."""
    for row in _reference(bench, "binom_bayes").itertuples():
        belief = proportions.posterior(row.x, row.n, prior=(row.a, row.b))
        ours = [belief.mean, belief.sd, belief.low, belief.high, belief.hpd_low, belief.hpd_high]
        theirs = [
            row.post_mean,
            row.post_sd,
            row.et95_lower,
            row.et95_upper,
            row.hpd95_lower,
            row.hpd95_upper,
        ]
        tally.numbers(f"posterior {row.x}/{row.n}", np.array(ours, float).ravel(), theirs, absolute=ROUNDING)
    rows = _reference(bench, "binom_one_sample")
    for column, prior in PRIORS.items():
        belief = proportions.posterior(rows["x"], rows["n"], prior=prior, threshold=rows["p0"])
        tally.numbers(column, belief.prob_greater, rows[column], absolute=ROUNDING)
    jeffreys = proportions.posterior(rows["x"], rows["n"])
    uniform = proportions.posterior(rows["x"], rows["n"], prior=(1, 1))
    tally.numbers("median", jeffreys.median, rows["post_median_jeffreys"], absolute=ROUNDING)
    tally.numbers("lower limit", uniform.low, rows["cri95_lower_uniform"], absolute=ROUNDING)
    tally.numbers("upper limit", uniform.high, rows["cri95_upper_uniform"], absolute=ROUNDING)


@check("proportions.predictive")
def predictive(bench: Bench, tally: Tally) -> None:
    """Predictive probability and P(p > p2); R sums 15-digit terms."""
    for row in _reference(bench, "binom_bayes").itertuples():
        prior = (row.a, row.b)
        chance = proportions.predictive(
            row.x, row.n, future_n=row.future_m, at_least=row.future_k, prior=prior
        )
        tally.numbers("predictive", [chance], [row.pred_prob_ge_k], absolute=1e-12)
        better = proportions.superiority(row.x, row.n, row.x2, row.n2, prior=prior)
        tally.numbers("P(p > p2)", [better], [row.prob_p_gt_p2], absolute=1e-12)


@check("proportions.differences")
def differences(bench: Bench, tally: Tally) -> None:
    """Five intervals of a difference; the search for exact limits stops at 1e-11."""
    rows = _reference(bench, "two_proportions")
    for quantity, method in DIFFERENCES.items():
        limit = 1e-10 if method == "exact-unconditional" else 1e-12
        for level, part in rows[rows["quantity"] == quantity].groupby("conf_level"):
            low, high = proportions.difference_interval(
                part["x1"], part["n1"], part["x2"], part["n2"], method=method, conf_level=float(str(level))
            )
            tally.numbers(f"{method}, lower", low, part["lower"], absolute=limit)
            tally.numbers(f"{method}, upper", high, part["upper"], absolute=limit)


@check("proportions.two_sample_tests")
def two_sample_tests(bench: Bench, tally: Tally) -> None:
    """Twelve p-values; a supremum over the nuisance parameter is found to the square of the last step."""
    table = _reference(bench, "two_proportions")
    for quantity, (method, alternative) in COMPARISONS.items():
        rows = table[table["quantity"] == quantity]
        counts = rows["x1"], rows["n1"], rows["x2"], rows["n2"]
        ours = proportions.compare_test(*counts, method=method, alternative=alternative)
        tally.numbers(quantity, ours, rows["value"], absolute=1e-11)


@check("proportions.trend")
def dose_trend(bench: Bench, tally: Tally) -> None:
    """Cochran-Armitage with dose scores; the file prints 15 digits."""
    for row in _reference(bench, "trend").to_dict("records"):
        counts = [[float(word) for word in row[name].split(";")] for name in ("x", "n", "dose_scores")]
        found = trend.cochran_armitage(*counts)
        tally.numbers(f"case {row['case']}", [getattr(found, ours) for ours in TREND],
                      [row[theirs] for theirs in TREND.values()], absolute=5e-14, at=list(TREND))  # fmt: skip


@check("proportions.poisson_rates")
def poisson_rates(bench: Bench, tally: Tally) -> None:
    """Exact Poisson limits per 100 person-years, 17 digits."""
    for level, rows in bench.table("safety/poisson_exact_grid.csv").groupby("conf"):
        low, high = rates.interval(rows["events"], rows["person_years"], conf_level=float(str(level)))
        tally.numbers("lower limit", 100 * low, rows["low"], relative=1e-12)
        tally.numbers("upper limit", 100 * high, rows["high"], relative=1e-12)
