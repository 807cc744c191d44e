"""Desirability kernels: functions, aggregation, expectations, gates, choice, draws, SMAA."""

import math

import numpy as np
import pytest
from tests.twins import dose as twins

from cart7.stats import desirability as kernel
from cart7.stats import ranking
from cart7.stats.desirability import BetaPosterior, Shape, StudentPosterior

LOW_IS_GOOD = Shape(kind="min", low=0.1, high=0.4)
HIGH_IS_GOOD = Shape(kind="max", low=0.2, high=0.8)


def test_a_desirability_is_0_and_1_at_and_beyond_its_limits():
    assert kernel.desirability([0.0, 0.2, 0.8, 1.0], HIGH_IS_GOOD).tolist() == [0, 0, 1, 1]
    assert kernel.desirability([0.0, 0.1, 0.4, 1.0], LOW_IS_GOOD).tolist() == [1, 1, 0, 0]


def test_a_box_includes_both_ends():
    box = Shape(kind="box", low=2, high=6)
    assert kernel.desirability([1.99, 2, 6, 6.01], box).tolist() == [0, 1, 1, 0]


def test_a_target_without_its_own_upper_power_is_symmetric_in_power():
    one = Shape(kind="target", low=0, target=1, high=2, scale=3)
    assert kernel.desirability(0.5, one) == pytest.approx(kernel.desirability(1.5, one), abs=1e-15)


def test_a_number_gives_a_float_and_a_missing_value_stays_missing():
    assert isinstance(kernel.desirability(0.3, LOW_IS_GOOD), float)
    assert math.isnan(kernel.desirability(math.nan, LOW_IS_GOOD))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "up", "low": 0, "high": 1}, "kind must be one of min, max, target, box, got 'up'"),
        ({"kind": "min", "low": 1, "high": 1}, "low must be below high"),
        ({"kind": "min", "low": 0, "high": math.inf}, "both finite"),
        ({"kind": "target", "low": 0, "high": 1}, "target belongs to kind='target'"),
        ({"kind": "max", "low": 0, "high": 1, "target": 0.5}, "target belongs to kind='target'"),
        ({"kind": "target", "low": 0, "high": 1, "target": 1}, "target must be strictly between 0 and 1"),
        ({"kind": "min", "low": 0, "high": 1, "scale": 0}, "scale must be above 0"),
        ({"kind": "min", "low": 0, "high": 1, "high_scale": -1}, "high_scale must be above 0"),
    ],
)
def test_an_impossible_shape_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Shape(**fields)


def test_one_useless_criterion_makes_the_geometric_score_0_but_not_the_additive():
    assert kernel.aggregate([0.0, 1.0]) == 0.0
    assert kernel.aggregate([0.0, 1.0], how="additive") == 0.5
    assert kernel.aggregate([0.3, 0.6], how="minimum") == 0.3


def test_a_criterion_with_weight_0_does_not_count_even_when_it_is_missing():
    assert kernel.aggregate([0.25, math.nan], [2.0, 0.0]) == 0.25
    assert math.isnan(kernel.aggregate([0.25, math.nan], [2.0, 1.0]))


@pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0], [1.0, -1.0], [1.0, math.nan]])
def test_weights_that_are_no_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weights must"):
        kernel.aggregate([0.5, 0.5], weights)


def test_a_desirability_outside_0_and_1_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        kernel.aggregate([0.5, 1.2])


def test_an_unknown_aggregator_is_refused():
    with pytest.raises(ValueError, match="geometric, additive, minimum, got 'harmonic'"):
        kernel.aggregate([0.5], how="harmonic")
    with pytest.raises(ValueError, match="geometric, additive, minimum, got 'harmonic'"):
        kernel.expected_score([LOW_IS_GOOD], [kernel.beta_posterior([0], [3])], [1], how="harmonic")


def test_the_expectation_of_a_linear_slope_under_a_uniform_rate_is_an_area():
    # Beta(1, 1) is uniform: E[d] = 1/2 * 0.6 + 0.2 for a rise from 0.2 to 0.8.
    uniform = BetaPosterior(np.array(1.0), np.array(1.0))
    assert float(kernel.expected_power(HIGH_IS_GOOD, uniform)) == pytest.approx(0.5, abs=1e-14)
    # E[d^2] = 0.6 * 1/3 + 0.2.
    assert float(kernel.expected_power(HIGH_IS_GOOD, uniform, 2.0)) == pytest.approx(0.4, abs=1e-14)


@pytest.mark.parametrize("a_b", [(1, 4), (3.05, 0.05), (0.05, 3.05), (31, 301), (2.5, 0.5)])
@pytest.mark.parametrize(
    "shape",
    [
        LOW_IS_GOOD,
        Shape(kind="max", low=0.0, high=0.9, scale=0.5),
        Shape(kind="target", low=0.1, target=0.3, high=0.8, scale=2, high_scale=0.5),
        Shape(kind="min", low=-0.2, high=0.5),
        Shape(kind="max", low=0.9, high=1.5),
        Shape(kind="box", low=0.2, high=0.6),
    ],
)
@pytest.mark.parametrize("power", [0.1, 1.0])
def test_the_quadrature_agrees_with_the_area_under_tail_probabilities(a_b, shape, power):
    posterior = BetaPosterior(np.array(float(a_b[0])), np.array(float(a_b[1])))
    slow = twins.expected_power_by_tail_areas(shape, lambda x: posterior.cdf(x), power)
    assert float(kernel.expected_power(shape, posterior, power)) == pytest.approx(slow, abs=1e-10)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 0.5, 40.0])
@pytest.mark.parametrize("df", [1.0, 6.0])
def test_a_linear_slope_about_its_middle_has_expectation_one_half(scale, df):
    # By symmetry, whatever the scale and the weight of the tails.
    posterior = StudentPosterior(np.array(11.5), np.array(scale), np.array(df))
    shape = Shape(kind="max", low=9.0, high=14.0)
    assert float(kernel.expected_power(shape, posterior)) == pytest.approx(0.5, abs=1e-12)


def test_a_mean_known_exactly_has_the_desirability_of_its_value():
    posterior = kernel.pooled_posterior([2, 2], [11.0, 12.0], [0.0, 0.0])
    shape = Shape(kind="max", low=10.0, high=14.0)
    assert kernel.expected_power(shape, posterior).tolist() == [0.25, 0.5]
    assert posterior.cdf([10.9, 12.0]).tolist() == [0.0, 1.0]
    assert posterior.sf([10.9, 12.0]).tolist() == [1.0, 0.0]


def test_power_0_drops_a_criterion_even_when_nothing_was_observed():
    posterior = kernel.beta_posterior([0, 0], [3, math.nan])
    found = kernel.expected_power(LOW_IS_GOOD, posterior, [0.0, 1.0])
    assert found[:, 0].tolist() == [1.0, 1.0]
    assert math.isnan(found[1, 1])


def test_a_negative_power_is_refused():
    with pytest.raises(ValueError, match="power must be >= 0"):
        kernel.expected_power(LOW_IS_GOOD, kernel.beta_posterior([0], [3]), -0.5)


@pytest.mark.parametrize("how", ["geometric", "additive", "minimum"])
def test_the_expected_score_is_the_mean_of_many_draws(how):
    shapes = [LOW_IS_GOOD, Shape(kind="target", low=0.2, target=0.5, high=0.9, scale=0.5),
              Shape(kind="max", low=9.2, high=13.8)]  # fmt: skip
    posteriors = [
        kernel.beta_posterior([0, 1, 0], [3, 3, 6]),
        kernel.beta_posterior([2, 3, 0], [3, 3, 6]),
        kernel.pooled_posterior([3, 3, 6], [11, 12, 13], [0.5, 0.4, 0.9]),
    ]
    d = ranking.draw_desirabilities(shapes, posteriors, size=100_000, rng=np.random.default_rng(7))
    weights = [0.3, 0.5, 0.2]
    drawn = np.array([kernel.aggregate(level, weights, how=how) for level in np.moveaxis(d, 1, 0)])
    exact = kernel.expected_score(shapes, posteriors, weights, how=how)
    error = drawn.std(axis=1) / np.sqrt(100_000)
    assert np.all(np.abs(exact - drawn.mean(axis=1)) < 4.5 * error)


def test_a_variance_needs_a_level_with_two_values():
    alone = kernel.pooled_posterior([1, 1, 0], [11.0, 12.0, 0.0], [0.0, 0.0, 0.0])
    assert np.isnan(alone.mean).all()
    helped = kernel.pooled_posterior([1, 2, 0], [11.0, 12.0, 0.0], [0.0, 0.5, 0.0])
    assert helped.df[:2].tolist() == [1.0, 1.0]
    assert helped.scale[0] == pytest.approx(math.sqrt(0.5))
    assert np.isnan(helped.mean[2])


def test_levels_draw_one_common_variance():
    # With one degree of freedom the common chi-square ties the sizes of the deviations of two levels.
    posterior = kernel.pooled_posterior([1, 2], [0.0, 0.0], [0.0, 1.0])
    wide = Shape(kind="max", low=-1e6, high=1e6)
    d = ranking.draw_desirabilities([wide], [posterior], size=20_000, rng=np.random.default_rng(1))[..., 0]
    sizes = np.log(np.abs(d - 0.5) + 1e-12)
    assert np.corrcoef(sizes.T)[0, 1] > 0.2


def test_the_safety_gate_blocks_its_level_and_all_above():
    gates = ranking.check_gates(([0, 3, 0, 0], [3, 3, 3, 0]), ([3, 3, 3, 0], [3, 3, 3, 0]),
                               phi_t=0.3, c_t=0.95, phi_e=0.2, c_e=0.9, min_n=3)  # fmt: skip
    assert gates.admissible.tolist() == [True, False, False, False]
    assert gates.above_toxic.tolist() == [False, False, True, True]
    assert gates.tested.tolist() == [True, True, True, False]
    assert math.isnan(gates.prob_toxic[3])


def test_gates_stay_open_below_the_least_number():
    counts = ([2], [2])
    closed = ranking.check_gates(counts, ([0], [40]), phi_t=0.3, c_t=0.95, phi_e=0.2, c_e=0.9, min_n=2)
    opened = ranking.check_gates(counts, ([0], [2]), phi_t=0.3, c_t=0.95, phi_e=0.2, c_e=0.9, min_n=3)
    assert closed.too_toxic.tolist() == [True]
    assert closed.futile.tolist() == [True]
    assert opened.admissible.tolist() == [True]


def test_equal_scores_choose_the_lowest_level():
    best, recommended = ranking.choose([0.4, 0.6, 0.6], [True, True, True], 0.0)
    assert (int(best), int(recommended)) == (1, 1)


@pytest.mark.parametrize(
    ("scores", "admissible"),
    [([0.0, 0.0], [True, True]), ([0.5, 0.6], [False, False]), ([math.nan, math.nan], [True, True])],
)
def test_no_level_is_chosen_when_all_scores_are_0_closed_or_missing(scores, admissible):
    best, recommended = ranking.choose(scores, admissible, 0.1)
    assert (int(best), int(recommended)) == (-1, -1)


def test_many_trials_are_judged_one_by_one():
    best, recommended = ranking.choose([[0.5, 0.52], [0.0, 0.0], [math.nan, 0.3]], np.ones((3, 2), bool), 0.1)
    assert best.tolist() == [1, -1, 1]
    assert recommended.tolist() == [0, -1, 1]


def test_ties_share_ranks_in_smaa():
    result = ranking.smaa([[[0.5], [0.5], [0.1]]], [[1.0]])
    assert result.rank_acceptability.tolist() == [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]
    assert np.isnan(result.central_weights[2]).all()
    assert math.isnan(result.confidence_factor[2])
    assert result.ranking_entropy == 0.0


@pytest.mark.parametrize("aggregator", ["geometric", "additive"])
def test_smaa_agrees_with_counting_draw_by_draw(aggregator):
    rng = np.random.default_rng(3)
    values = rng.integers(0, 4, size=(60, 3, 2)) / 3
    weights = rng.dirichlet([1, 1], size=60)
    fast = ranking.smaa(values, weights, aggregator=aggregator).rank_acceptability
    assert np.allclose(fast, twins.smaa_by_counting(values, weights, aggregator), atol=1e-14)


@pytest.mark.parametrize(
    ("values", "weights", "options", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 3)), {}, "draws x alternatives x criteria"),
        (np.ones((2, 3, 4)), np.ones((2, 3)), {}, r"weights must be draws x criteria \(2, 4\)"),
        (-np.ones((1, 2, 1)), np.ones((1, 1)), {}, ">= 0 for the geometric aggregator"),
        (np.full((1, 2, 1), np.nan), np.ones((1, 1)), {}, "values must be finite"),
        (np.ones((1, 2, 1)), np.zeros((1, 1)), {}, "not all 0 in a draw"),
        (np.ones((1, 2, 1)), np.ones((1, 1)), {"aggregator": "minimum"}, "geometric or additive"),
    ],
)
def test_impossible_smaa_input_is_refused(values, weights, options, message):
    with pytest.raises(ValueError, match=message):
        ranking.smaa(values, weights, **options)


def test_smaa_arrays_cannot_be_changed():
    result = ranking.smaa([[[0.5], [0.1]]], [[1.0]])
    with pytest.raises(ValueError, match="read-only"):
        result.rank_acceptability[0, 0] = 2
