"""What holds for every proportion, and the definitions checked against exact fractions."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import bdtr, bdtrc
from tests.twins import proportions as twin

from cart7.stats import proportions

COUNTS = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
SMALL = st.integers(1, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVELS = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
METHODS = st.sampled_from(list(proportions.METHODS))
EXACT = {"clopper-pearson": twin.p_central, "mid-p": twin.p_mid, "minlike": twin.p_minlike,
         "blaker": twin.p_blaker}  # fmt: skip


@given(COUNTS, LEVELS, METHODS)
@settings(max_examples=100, deadline=None)
def test_swapping_events_and_non_events_mirrors_the_interval(counts, level, method):
    x, n = counts
    low, high = proportions.interval(x, n, method=method, conf_level=level)
    other_low, other_high = proportions.interval(n - x, n, method=method, conf_level=level)
    assert low == pytest.approx(1 - other_high, abs=1e-12)
    assert high == pytest.approx(1 - other_low, abs=1e-12)


@given(st.integers(1, 60), LEVELS, METHODS.filter(lambda name: name != "logit"))
@settings(max_examples=100, deadline=None)
def test_more_events_never_lower_a_limit(n, level, method):
    """Not so for logit, whose interval widens next to the edges (7 and 8 of 9 at 99.9 %)."""
    low, high = proportions.interval(np.arange(n + 1), n, method=method, conf_level=level)
    assert (np.diff(low) >= -1e-12).all()
    assert (np.diff(high) >= -1e-12).all()


@given(COUNTS, LEVELS, METHODS.filter(lambda name: name not in ("arcsine", "jeffreys-raw")))
@settings(max_examples=100, deadline=None)
def test_the_interval_contains_the_estimate(counts, level, method):
    """Not so for raw Jeffreys quantiles at 0 and n of n, nor for arcsine there at levels below 80 %.

    Below 20 % more are excepted, whose centre is not x/n: mid-p, Jeffreys and the skewness-corrected score.
    """
    x, n = counts
    low, high = proportions.interval(x, n, method=method, conf_level=level)
    assert low <= x / n + 1e-15
    assert high >= x / n - 1e-15


@given(COUNTS, st.lists(st.integers(1, 999), min_size=2, max_size=2, unique=True), METHODS)
@settings(max_examples=150, deadline=None)
def test_a_higher_level_gives_an_interval_around_the_lower_one(counts, thousandths, method):
    """Of every method: what Blaker's and Sterne's tests accept only grows, and so does its hull."""
    x, n = counts
    lower, higher = sorted(thousandths)
    inner = proportions.interval(x, n, method=method, conf_level=lower / 1000)
    outer = proportions.interval(x, n, method=method, conf_level=higher / 1000)
    assert outer[0] <= inner[0] + 1e-12
    assert outer[1] >= inner[1] - 1e-12


@given(st.integers(1, 300), st.integers(1, 999))
@settings(max_examples=60, deadline=None)
def test_blaker_lies_inside_clopper_pearson_at_every_level(n, thousandths):
    x, level = np.arange(n + 1), thousandths / 1000
    exact = proportions.interval(x, n, conf_level=level)
    blaker = proportions.interval(x, n, method="blaker", conf_level=level)
    assert (blaker[0] >= exact[0] - 1e-12).all()
    assert (blaker[1] <= exact[1] + 1e-12).all()


def least_coverage(method, n, level):
    low, high = proportions.interval(np.arange(n + 1), n, method=method, conf_level=level)
    return twin.least_coverage(low.tolist(), high.tolist(), [i / 50 for i in range(51)])


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("method", ["clopper-pearson", "blaker", "minlike"])
def test_the_coverage_of_an_exact_method_is_never_below_the_level(method, level):
    found = [(*least_coverage(method, n, level), n) for n in range(1, 13)]
    least, p, n = min(found)
    print(f"{method} at {level:g}: least coverage {least:.9f} at n = {n}, p = {p:.6f}")
    assert least >= level - 1e-12


@pytest.mark.parametrize(
    ("method", "least"),
    [("mid-p", 0.912), ("wilson", 0.793), ("jeffreys", 0.853), ("likelihood", 0.748), ("wald", 0.0)],
)
def test_the_coverage_of_the_others_falls_below_it(method, least):
    """The same enumeration at 95 %: what the exact methods are spared."""
    assert round(min(least_coverage(method, n, 0.95)[0] for n in range(1, 13)), 3) == least


@given(
    st.integers(1, 1500).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))),
    st.sampled_from([0.001, 0.05, 0.1, 0.2]),
)
@settings(max_examples=60, deadline=None)
def test_limits_found_in_steps_are_those_found_by_halving(counts, alpha):
    x, n = counts
    for method, slow in (("mid-p", twin.mid_p_low), ("blaker", twin.blaker_low)):
        low, _ = proportions.interval(x, n, method=method, conf_level=1 - alpha)
        assert low == pytest.approx(slow(x, n, alpha), abs=1e-12)


@pytest.mark.parametrize("n", [*range(1, 41), 100, 200])
def test_the_acceptability_at_the_jumps_of_sterne_grows_with_k(n):
    """What lets the first jump past alpha be found by halving."""
    for x in range(2, n + 1):
        k = np.arange(x)
        ratio = np.array([comb(n, x) / comb(n, j) for j in range(x)])
        p = 1 / (1 + ratio ** (1 / (x - k)))
        accepted = bdtrc(x - 1, n, p) + bdtr(k, n, p)
        assert (np.diff(accepted) > -1e-14).all()


@given(SMALL, st.sampled_from([0.8, 0.9, 0.95]), st.sampled_from(list(EXACT)))
@settings(max_examples=20, deadline=None)
def test_an_exact_interval_is_the_hull_of_what_its_test_accepts(counts, level, method):
    x, n = counts
    steps = 400
    low, high = proportions.interval(x, n, method=method, conf_level=level)
    alpha = Fraction(str(level)).limit_denominator(1000)
    inside = twin.accepted(EXACT[method], x, n, 1 - alpha, steps)
    # The hull reaches beyond the first and last accepted grid point by less than one step.
    assert low <= float(inside[0]) + 1e-12
    assert high >= float(inside[-1]) - 1e-12
    assert float(inside[0]) - low <= 1 / steps + 1e-12
    assert high - float(inside[-1]) <= 1 / steps + 1e-12


@given(st.lists(COUNTS, min_size=1, max_size=30), METHODS)
@settings(max_examples=60, deadline=None)
def test_a_column_gives_the_same_limits_as_its_cells_one_by_one(pairs, method):
    x, n = np.array(pairs).T
    together = np.array(proportions.interval(x, n, method=method))
    alone = np.array([proportions.interval(k, m, method=method) for k, m in pairs]).T
    np.testing.assert_array_equal(together, alone)


@given(SMALL, st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_the_predictive_probabilities_of_every_outcome_add_up(counts, future):
    x, n = counts
    chance = proportions.predictive(x, n, future_n=future, at_least=np.arange(future + 2))
    assert chance[0] == pytest.approx(1, abs=1e-12)
    assert chance[-1] == 0
    assert (np.diff(chance) <= 1e-15).all()
    # The mean of a beta-binomial is its size times the posterior mean.
    mean = proportions.posterior(x, n).mean
    assert chance[1:].sum() == pytest.approx(future * mean, abs=1e-12)


@given(COUNTS, LEVELS)
@settings(max_examples=60, deadline=None)
def test_both_posterior_intervals_hold_the_stated_probability(counts, level):
    x, n = counts
    belief = proportions.posterior(x, n, conf_level=level)
    for low, high in ((belief.low, belief.high), (belief.hpd_low, belief.hpd_high)):
        above_low = proportions.posterior(x, n, threshold=low).prob_greater
        above_high = proportions.posterior(x, n, threshold=high).prob_greater
        # With every subject responding the density is endless at 1, where doubles are 1e-16 apart.
        assert above_low - above_high == pytest.approx(level, abs=1e-10)
