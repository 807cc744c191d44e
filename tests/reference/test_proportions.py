"""Intervals and posteriors of one proportion against R, Python and 50-digit numbers (tests/data/response)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7.stats import proportions

DATA = Path(__file__).parents[1] / "data" / "response"
NAMES = {"midp": "mid-p"}

# Same formulas, both sides in double precision: a few units of the last digit.
ROUNDING = 5e-15


def reference(name):
    frame = pd.read_csv(DATA / f"{name}.csv")
    if "method" in frame.columns:
        frame["method"] = [NAMES.get(word, word.replace("_", "-")) for word in frame["method"]]
    return frame


def largest_difference(frame, method, conf_level):
    low, high = proportions.interval(frame["x"], frame["n"], method=method, conf_level=conf_level)
    return np.maximum(np.abs(low - frame["lower"]), np.abs(high - frame["upper"]))


@pytest.mark.parametrize("method", [name for name in proportions.METHODS if name != "arcsine"])
def test_every_interval_equals_the_reference(method):
    rows = reference("binom_ci")
    rows = rows[rows["method"] == method]
    compared = 0
    for level, part in rows.groupby("conf_level"):
        assert largest_difference(part, method, level).max() < ROUNDING
        compared += len(part)
    print(f"{method}: {compared} intervals equal")
    assert compared >= 290


def test_arcsine_differs_from_desctools_only_where_the_angle_would_leave_the_quarter_circle():
    """DescTools reflects the angle at 0 and at a right angle; the limit belongs at 0 or 1 there."""
    rows = reference("binom_ci")
    rows = rows[rows["method"] == "arcsine"]
    equal = reflected = 0
    for level, part in rows.groupby("conf_level"):
        low, high = proportions.interval(part["x"], part["n"], method="arcsine", conf_level=level)
        for ours, theirs, edge in ((low, part["lower"], 0.0), (high, part["upper"], 1.0)):
            same = np.abs(ours - theirs) < ROUNDING
            assert (ours[~same] == edge).all()
            equal += int(same.sum())
            reflected += int((~same).sum())
    print(f"arcsine: {equal} limits equal, {reflected} reflected by DescTools")
    assert (equal, reflected) == (794, 90)


def test_extreme_counts_and_levels_equal_fifty_digit_numbers():
    rows = reference("binom_ci_extreme")
    for row in rows.itertuples():
        low, high = proportions.interval(row.x, row.n, method=row.method, conf_level=1 - row.alpha)
        # Relative: an incomplete-beta inverse at n = 1e6 keeps 12 digits.
        assert low == pytest.approx(row.lower, rel=2e-12, abs=0), row
        assert high == pytest.approx(row.upper, rel=2e-12, abs=0), row
    assert len(rows) == 30


def test_clopper_pearson_equals_binom_test_on_the_grid():
    rows = reference("clopper_pearson_grid")
    compared = 0
    for level, part in rows.groupby("conf"):
        low, high = proportions.interval(part["x"], part["n"], conf_level=level)
        np.testing.assert_allclose(low, part["cp_low"], rtol=0, atol=ROUNDING)
        np.testing.assert_allclose(high, part["cp_high"], rtol=0, atol=ROUNDING)
        compared += len(part)
    print(f"clopper-pearson: {compared} intervals equal to binom.test")
    assert compared == len(rows) > 300


def test_the_beta_posterior_equals_r():
    rows = reference("binom_bayes")
    for row in rows.itertuples():
        prior = (row.a, row.b)
        belief = proportions.posterior(row.x, row.n, prior=prior)
        expected = [
            row.post_mean,
            row.post_sd,
            row.et95_lower,
            row.et95_upper,
            row.hpd95_lower,
            row.hpd95_upper,
        ]
        ours = [belief.mean, belief.sd, belief.low, belief.high, belief.hpd_low, belief.hpd_high]
        # R's numbers carry 15 digits.
        np.testing.assert_allclose(ours, expected, rtol=0, atol=ROUNDING)
    assert len(rows) == 16


def test_the_predictive_probability_equals_r():
    rows = reference("binom_bayes")
    for row in rows.itertuples():
        chance = proportions.predictive(
            row.x, row.n, future_n=row.future_m, at_least=row.future_k, prior=(row.a, row.b)
        )
        # R sums 15-digit beta-binomial terms.
        assert chance == pytest.approx(row.pred_prob_ge_k, abs=1e-13), row
    assert len(rows) == 16


def test_posterior_probabilities_equal_r_for_three_priors():
    rows = reference("binom_one_sample")
    priors = {"post_gt_jeffreys": (0.5, 0.5), "post_gt_uniform": (1, 1), "post_gt_beta02_08": (0.2, 0.8)}
    for column, prior in priors.items():
        belief = proportions.posterior(rows["x"], rows["n"], prior=prior, threshold=rows["p0"])
        np.testing.assert_allclose(belief.prob_greater, rows[column], rtol=0, atol=ROUNDING)
    jeffreys = proportions.posterior(rows["x"], rows["n"])
    uniform = proportions.posterior(rows["x"], rows["n"], prior=(1, 1))
    np.testing.assert_allclose(jeffreys.median, rows["post_median_jeffreys"], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(uniform.low, rows["cri95_lower_uniform"], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(uniform.high, rows["cri95_upper_uniform"], rtol=0, atol=ROUNDING)
    assert len(rows) == 216


# -------------------------------------------------------------------- exact tests, two proportions

TESTS = {
    "p_greater": ("central", "greater"), "p_less": ("central", "less"), "p_two_minlike": ("minlike", "two-sided"),
    "p_two_central": ("central", "two-sided"), "p_two_blaker": ("blaker", "two-sided"),
    "midp_greater": ("mid-p", "greater"), "midp_less": ("mid-p", "less"),
    "midp_two_central": ("mid-p", "two-sided"),
}  # fmt: skip
DIFFERENCES = {
    "newcombe": "newcombe", "newcombe_cc": "newcombe-cc", "miettinen_nurminen": "miettinen-nurminen",
    "mee": "mee", "exact_unconditional_score": "exact-unconditional",
}  # fmt: skip
COMPARISONS = {
    "fisher_two_sided_minlike": ("fisher", "two-sided"), "fisher_greater": ("fisher", "greater"),
    "fisher_two_sided_central": ("fisher-central", "two-sided"), "fisher_less": ("fisher", "less"),
    "fisher_two_sided_blaker": ("fisher-blaker", "two-sided"), "fisher_midp_central": ("fisher-midp", "two-sided"),
    "boschloo_greater": ("boschloo", "greater"), "boschloo_less": ("boschloo", "less"),
    "boschloo_two_sided_doubled": ("boschloo", "two-sided"), "barnard_pooled_greater": ("barnard", "greater"),
    "barnard_pooled_less": ("barnard", "less"), "barnard_pooled_two_sided": ("barnard", "two-sided"),
}  # fmt: skip


@pytest.mark.parametrize("column", TESTS)
def test_every_exact_test_of_one_proportion_equals_the_reference(column):
    rows = reference("binom_one_sample")
    method, alternative = TESTS[column]
    ours = proportions.test(rows["x"], rows["n"], rows["p0"], method=method, alternative=alternative)
    np.testing.assert_allclose(ours, rows[column], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("quantity", DIFFERENCES)
def test_every_interval_of_a_difference_equals_the_reference(quantity):
    rows = reference("two_proportions")
    rows = rows[rows["quantity"] == quantity]
    # The scores' cubic loses three digits, the search for exact limits stops at 1e-11.
    tolerance = {"exact-unconditional": 1e-10}.get(DIFFERENCES[quantity], 1e-12)
    for level, part in rows.groupby("conf_level"):
        low, high = proportions.difference_interval(
            part["x1"], part["n1"], part["x2"], part["n2"], method=DIFFERENCES[quantity], conf_level=level
        )
        np.testing.assert_allclose(low, part["lower"], rtol=0, atol=tolerance)
        np.testing.assert_allclose(high, part["upper"], rtol=0, atol=tolerance)
    print(f"{quantity}: {len(rows)} intervals equal")
    assert len(rows) in (13, 32)


@pytest.mark.parametrize("quantity", COMPARISONS)
def test_every_comparison_of_two_proportions_equals_the_reference(quantity):
    rows = reference("two_proportions")
    rows = rows[rows["quantity"] == quantity]
    method, alternative = COMPARISONS[quantity]
    ours = proportions.compare_test(
        rows["x1"], rows["n1"], rows["x2"], rows["n2"], method=method, alternative=alternative
    )
    # A supremum over the nuisance parameter is found to the square of the last step.
    np.testing.assert_allclose(ours, rows["value"], rtol=0, atol=1e-11)
    print(f"{quantity}: {len(rows)} p-values equal")
    assert len(rows) in (15, 16)


def test_the_probability_that_one_exceeds_the_other_equals_r():
    rows = reference("binom_bayes")
    for row in rows.itertuples():
        ours = proportions.superiority(row.x, row.n, row.x2, row.n2, prior=(row.a, row.b))
        # R integrate() and scipy quad agree to 1e-9; ours is exact to rounding.
        assert ours == pytest.approx(row.prob_p_gt_p2, abs=1e-12), row
