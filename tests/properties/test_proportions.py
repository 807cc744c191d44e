"""What holds for every proportion, and the definitions checked against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


@given(COUNTS, st.sampled_from(["clopper-pearson", "mid-p", "blaker", "wilson", "likelihood", "jeffreys"]))
@settings(max_examples=100, deadline=None)
def test_a_higher_level_gives_an_interval_around_the_lower_one(counts, method):
    x, n = counts
    inner = proportions.interval(x, n, method=method, conf_level=0.9)
    outer = proportions.interval(x, n, method=method, conf_level=0.95)
    assert outer[0] <= inner[0] + 1e-12
    assert outer[1] >= inner[1] - 1e-12


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
