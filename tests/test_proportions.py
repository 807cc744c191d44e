"""One proportion: edges, errors, shapes, and what the methods promise."""

import numpy as np
import pytest

from cart7 import stats
from cart7.stats import binomial, binomial_intervals, proportions


@pytest.mark.parametrize("method", proportions.METHODS)
def test_nobody_assessed_gives_nan_and_no_error(method):
    low, high = proportions.interval([0, 1], [0, 2], method=method)
    assert np.isnan([low[0], high[0]]).all()
    assert np.isfinite([low[1], high[1]]).all()


@pytest.mark.parametrize("method", proportions.METHODS)
def test_every_limit_lies_between_0_and_1_and_around_the_estimate(method):
    n = np.repeat(np.arange(1, 31), 31)
    x = np.minimum(np.tile(np.arange(31), 30), n)
    low, high = proportions.interval(x, n, method=method)
    assert ((low >= 0) & (high <= 1) & (low <= high)).all()
    if method not in ("arcsine", "jeffreys-raw"):  # the two that may leave x/n outside at the edges
        assert ((low <= x / n + 1e-15) & (high >= x / n - 1e-15)).all()


@pytest.mark.parametrize(
    "method",
    [
        "clopper-pearson",
        "mid-p",
        "blaker",
        "minlike",
        "wilson",
        "wilson-cc",
        "jeffreys",
        "likelihood",
        "scas",
    ],
)
def test_none_of_n_starts_at_exactly_0_and_all_of_n_ends_at_exactly_1(method):
    for n in (1, 3, 9, 1000):
        low, _ = proportions.interval(0, n, method=method)
        _, high = proportions.interval(n, n, method=method)
        assert (low, high) == (0.0, 1.0)


def test_none_of_nine_has_the_limits_that_a_report_quotes():
    # Same data, four sentences: the method belongs beside the number.
    quoted = {"mid-p": 0.283, "jeffreys-raw": 0.238, "wilson": 0.299, "clopper-pearson": 0.336}
    for method, upper in quoted.items():
        assert round(float(proportions.interval(0, 9, method=method)[1]), 3) == upper


def test_one_subject_has_the_limits_of_the_definition():
    # P(X = 1 | p) = p: the limit is the level itself.
    low, high = proportions.interval([0, 1], 1)
    assert low.tolist() == [0.0, 0.025]
    assert high.tolist() == [0.975, 1.0]


def test_the_proptest_correction_vanishes_at_one_half_only():
    half = proportions.interval(2, 4, method="wilson-cc-proptest")
    assert half == proportions.interval(2, 4, method="wilson")
    third = proportions.interval(1, 4, method="wilson-cc-proptest")
    assert third == proportions.interval(1, 4, method="wilson-cc")


def test_blaker_lies_inside_clopper_pearson():
    n = np.repeat(np.arange(1, 61), 61)
    x = np.minimum(np.tile(np.arange(61), 60), n)
    exact, blaker = proportions.interval(x, n), proportions.interval(x, n, method="blaker")
    assert (blaker[0] >= exact[0] - 1e-15).all()
    assert (blaker[1] <= exact[1] + 1e-15).all()


def test_shapes_are_kept_and_scalars_broadcast():
    low, high = proportions.interval([[0, 1, 2], [3, 4, 5]], 5, method="blaker")
    assert low.shape == high.shape == (2, 3)
    single = proportions.interval(4, 5, method="blaker")
    assert (single[0], single[1]) == (low[1, 1], high[1, 1])
    assert proportions.interval([], [])[0].shape == (0,)


def test_equal_pairs_are_worked_out_once(monkeypatch):
    worked_out = []

    def spy(x, n, alpha):
        worked_out.extend(zip(x.tolist(), n.tolist(), strict=True))
        return binomial_intervals.blaker(x, n, alpha)

    monkeypatch.setitem(binomial_intervals.INTERVALS, "blaker", spy)
    x, n = np.tile([3, 0, 2, 3], 1000), np.tile([9, 0, 9, 8], 1000)
    low, _ = proportions.interval(x, n, method="blaker")
    assert sorted(worked_out) == [(2, 9), (3, 8), (3, 9)]
    assert np.unique(low[np.isfinite(low)]).size == 3


@pytest.mark.parametrize("n", [[9, 9, 8, 9, 8], [9, 1_000_000, 9, 2_000_000_000, 1_000_000]])
def test_one_of_each_pair_stands_for_all_of_its_kind(n):
    """Found by its place among all pairs when n is small, by sorting when it is not."""
    x, n = np.array([2.0, 3, 3, 2, 3]), np.array(n, dtype=float)
    first, back = binomial.unique_pairs(x, n)
    assert first.size == len(set(zip(x, n, strict=True)))
    assert x[first][back].tolist() == x.tolist()
    assert n[first][back].tolist() == n.tolist()


def test_a_double_root_is_found_exactly():
    # p^2 + q^2 touches 1/2 at p = 1/2, p^3 + q^3 touches 1/4 there.
    for method in ("blaker", "minlike"):
        assert proportions.interval(2, 2, method=method, conf_level=0.5)[0] == 0.5
        assert proportions.interval(3, 3, method=method, conf_level=0.75)[0] == 0.5


def test_a_tiny_lower_limit_keeps_its_digits():
    # No outcome is opposite to 1 of 60 there: 1 - (1 - p)^60 = alpha.
    exact = -np.expm1(np.log1p(-1e-10) / 60)
    for method in ("blaker", "minlike"):
        low, _ = proportions.interval(1, 60, method=method, conf_level=0.9999999999)
        assert low == pytest.approx(exact, rel=1e-12, abs=0)


def test_a_step_out_of_the_bracket_becomes_a_halving():
    def flat(p, rows):
        return np.array([0.3, 1e-9])[rows] - (1 - p), np.zeros_like(p), np.ones_like(p)

    found = binomial.solve(flat, np.full(2, 0.5), np.zeros(2), np.ones(2))
    assert found == pytest.approx([0.7, 1 - 1e-9], abs=1e-15)


@pytest.mark.parametrize("guess", [-9, 0, 3, 7, 12, 99])
def test_the_first_whole_number_is_found_from_any_guess(guess):
    for first in range(10):
        found = binomial.first_whole(
            lambda k, _, f=first: k >= f, *(np.array([v]) for v in (guess, -1.0, 9.0))
        )
        assert found.tolist() == [first]


@pytest.mark.parametrize(
    ("x", "n", "message"),
    [
        (10, 9, "between 0 and n = 9, got 10"),
        (-1, 9, "x must be whole numbers, 0 or more, got -1"),
        (1.5, 9, "x must be whole numbers, 0 or more, got 1.5"),
        (1, 8.5, "n must be whole numbers, 0 or more, got 8.5"),
        (np.nan, 9, "x must be whole numbers, 0 or more, got nan"),
        ([1, 2], [3, np.inf], "n must be whole numbers, 0 or more, got inf"),
    ],
)
def test_impossible_counts_are_refused(x, n, message):
    with pytest.raises(ValueError, match=message):
        proportions.interval(x, n)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, np.nan])
def test_a_level_outside_0_and_1_is_refused(level):
    with pytest.raises(ValueError, match="conf_level must be strictly between 0 and 1"):
        proportions.interval(1, 9, conf_level=level)


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"method must be one of clopper-pearson, mid-p.* got 'exact'"):
        proportions.interval(1, 9, method="exact")


def test_the_posterior_without_data_is_the_prior():
    belief = proportions.posterior(0, 0, prior=(2, 3))
    assert belief.mean == pytest.approx(0.4, abs=1e-15)


def test_the_posterior_without_threshold_has_no_exceedance():
    assert np.isnan(proportions.posterior(3, 9).prob_greater)


def test_a_highest_density_interval_needs_a_shape_above_1():
    flat = proportions.posterior(0, 0, prior=(1, 1))
    falling = proportions.posterior(0, 9)
    rising = proportions.posterior(9, 9)
    assert np.isnan([flat.hpd_low, flat.hpd_high]).all()
    assert falling.hpd_low == 0
    assert rising.hpd_high == 1


def test_the_highest_density_interval_is_the_shortest():
    belief = proportions.posterior(np.arange(1, 9), 9)
    assert (belief.hpd_high - belief.hpd_low <= belief.high - belief.low + 1e-15).all()


def test_a_prior_threshold_or_horizon_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="prior must be two shapes above 0"):
        proportions.posterior(1, 9, prior=(0, 1))
    with pytest.raises(ValueError, match="threshold must be between 0 and 1, got 20"):
        proportions.posterior(1, 9, threshold=20)
    with pytest.raises(ValueError, match="n must be whole numbers"):
        proportions.predictive(1, 9, future_n=-1, at_least=0)


def test_at_least_nobody_is_certain_and_more_than_there_are_is_impossible():
    chance = proportions.predictive([0, 4, 9], 9, future_n=6, at_least=[0, 7, 7])
    assert chance == pytest.approx([1, 0, 0], abs=1e-15)


def test_the_kernels_are_reached_as_attributes_of_stats():
    assert stats.proportions is proportions
    assert "trend" in dir(stats)
    with pytest.raises(AttributeError, match="has no attribute 'proportion'"):
        _ = stats.proportion
