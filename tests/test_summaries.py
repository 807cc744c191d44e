"""Quantiles by definition and the descriptive line, on paper and against a twin in fractions."""

import math
from dataclasses import fields
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart7.stats.summaries import Description, describe, quantile

NINE = [3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 89.0, 144.0]
samples = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=25)
positive = st.lists(st.floats(1e-3, 1e6), min_size=2, max_size=25)


def quantile_by_definition(sample, p, kind):
    """Hyndman & Fan's definitions in fractions: position, the value on either side, the share between."""
    ordered = sorted(map(Fraction, sample))
    n = len(ordered)
    position = {2: n * p, 6: (n + 1) * p, 7: 1 + (n - 1) * p}[kind]
    below = math.floor(position)
    share = position - below
    if kind == 2:
        share = Fraction(1, 2) if share == 0 else Fraction(1)
    lower, upper = (ordered[min(max(rank, 1), n) - 1] for rank in (below, below + 1))
    return float((1 - share) * lower + share * upper)


def test_quartiles_of_nine_subjects_by_the_three_definitions():
    # Positions: type 2 np = 2.25 -> third value; type 6 (n+1)p = 2.5; type 7 1+(n-1)p = 3.
    assert quantile(NINE, 0.25, kind=2) == 8
    assert quantile(NINE, 0.25, kind=6) == 6.5
    assert quantile(NINE, 0.25, kind=7) == 8
    assert quantile(NINE, 0.75, kind=2) == 55
    assert quantile(NINE, 0.75, kind=6) == 72
    assert quantile(NINE, 0.75, kind=7) == 55


def test_type_2_averages_where_the_distribution_jumps():
    assert quantile([1, 2, 3, 10], 0.25, kind=2) == 1.5
    assert quantile([1, 2, 3, 10], 0.5, kind=2) == 2.5
    assert quantile([1, 2, 3, 10], 0.3, kind=2) == 2


def test_a_position_whole_on_paper_is_whole_for_type_2():
    # 20 x 0.15 is 3, whatever binary makes of 0.15: the average of the third and fourth value.
    sample = np.arange(1.0, 21.0)
    assert all(quantile(sample, k / 20, kind=2) == k + 0.5 for k in range(1, 20))


@pytest.mark.parametrize("kind", [2, 6, 7])
@settings(max_examples=60, deadline=None)
@given(sample=samples, twentieth=st.integers(0, 20))
def test_quantiles_equal_the_definition_in_fractions(kind, sample, twentieth):
    expected = quantile_by_definition(sample, Fraction(twentieth, 20), kind)
    assert quantile(sample, twentieth / 20, kind=kind) == pytest.approx(expected, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("kind", [2, 6, 7])
@settings(max_examples=40, deadline=None)
@given(sample=samples)
def test_quantiles_stay_inside_the_sample_and_never_fall(kind, sample):
    values = quantile(sample, np.linspace(0, 1, 21), kind=kind)
    assert values[0] == min(sample)
    assert values[-1] == max(sample)
    assert np.all(np.diff(values) >= -1e-9)


def test_the_median_is_the_same_in_all_three_definitions():
    for n in range(1, 12):
        sample = np.arange(n) ** 2
        assert len({quantile(sample, 0.5, kind=kind) for kind in (2, 6, 7)}) == 1


def test_the_default_type_is_2():
    assert quantile([1, 2, 3, 10], 0.25) == quantile([1, 2, 3, 10], 0.25, kind=2)
    assert describe([1, 2, 3, 10]).q1 == 1.5


def test_a_number_gives_a_float_and_an_array_an_array():
    assert isinstance(quantile(NINE, 0.5), float)
    assert quantile(NINE, [0.25, 0.5, 0.75], kind=7).tolist() == [8, 21, 55]


def test_one_value_is_every_quantile_of_itself():
    assert [quantile([7.0], p, kind=kind) for p in (0, 0.3, 1) for kind in (2, 6, 7)] == [7.0] * 9


def test_an_empty_sample_has_no_quantile():
    assert math.isnan(quantile([], 0.5))
    assert np.isnan(quantile([], [0.1, 0.9], kind=7)).all()


def test_describe_on_paper():
    line = describe([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])
    assert line.n == 8
    assert line.mean == 5
    assert line.sd == pytest.approx(math.sqrt(32 / 7), rel=1e-14)
    assert line.se == pytest.approx(math.sqrt(32 / 7 / 8), rel=1e-14)
    assert line.cv_percent == pytest.approx(20 * math.sqrt(32 / 7), rel=1e-14)
    # t(7, 0.975) = 2.364624251592785 (R: qt(0.975, 7)).
    assert line.mean_ci_high - 5 == pytest.approx(2.364624251592785 * line.se, rel=1e-13)
    assert 5 - line.mean_ci_low == pytest.approx(line.mean_ci_high - 5, rel=1e-13)
    assert (line.min, line.median, line.max) == (2, 4.5, 9)


def test_the_geometric_line_is_the_line_of_the_logs():
    line, logs = (
        describe([1.0, 10.0, 100.0], conf_level=0.9),
        describe(np.log([1.0, 10.0, 100.0]), conf_level=0.9),
    )
    assert line.geo_mean == pytest.approx(10, rel=1e-14)
    assert line.geo_sd == pytest.approx(10, rel=1e-14)
    assert line.geo_cv_percent == pytest.approx(100 * math.sqrt(math.expm1(math.log(10) ** 2)), rel=1e-13)
    assert line.geo_ci_low == pytest.approx(math.exp(logs.mean_ci_low), rel=1e-13)
    assert line.geo_ci_high == pytest.approx(math.exp(logs.mean_ci_high), rel=1e-13)


@pytest.mark.parametrize("sample", [[0.0, 1.0, 2.0], [-1.0, 4.0]])
def test_no_geometric_line_unless_every_value_is_above_zero(sample):
    line = describe(sample)
    geometric = [getattr(line, field.name) for field in fields(line) if field.name.startswith("geo_")]
    assert len(geometric) == 5
    assert np.isnan(geometric).all()
    assert not math.isnan(line.mean)


def test_nothing_is_known_of_nobody():
    line = describe([])
    assert line.n == 0
    assert all(math.isnan(getattr(line, field.name)) for field in fields(line) if field.name != "n")


def test_one_value_has_no_spread():
    line = describe([4.0])
    assert (line.n, line.mean, line.median, line.min, line.max) == (1, 4, 4, 4, 4)
    assert line.geo_mean == pytest.approx(4, rel=1e-14)
    no_spread = (line.sd, line.se, line.cv_percent, line.mean_ci_low, line.geo_sd, line.geo_cv_percent)
    assert np.isnan(no_spread).all()


def test_equal_values_have_a_spread_of_exactly_zero():
    line = describe([0.1] * 7)
    assert (line.mean, line.sd, line.mean_ci_low, line.mean_ci_high) == (0.1, 0, 0.1, 0.1)


def test_a_mean_of_zero_has_no_coefficient_of_variation():
    assert math.isnan(describe([-1.0, 1.0]).cv_percent)
    assert describe([-3.0, -1.0]).cv_percent < 0


@settings(max_examples=50, deadline=None)
@given(sample=positive, factor=st.floats(0.01, 100))
def test_a_change_of_unit_scales_the_line_and_keeps_the_percentages(sample, factor):
    one, other = describe(sample), describe([factor * value for value in sample])
    for name in ("mean", "sd", "mean_ci_low", "geo_mean", "median", "q1", "q3"):
        assert getattr(other, name) == pytest.approx(factor * getattr(one, name), rel=1e-9, abs=1e-6)
    assert other.geo_sd == pytest.approx(one.geo_sd, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(sample=samples, seed=st.integers(0, 10))
def test_the_order_of_the_values_does_not_matter(sample, seed):
    shuffled = np.random.default_rng(seed).permutation(sample)
    assert repr(describe(sample)) == repr(describe(shuffled))


def test_zeros_of_either_sign_are_one_zero():
    assert repr(describe([0.0, 0.0, -0.0])) == repr(describe([-0.0, 0.0, 0.0]))


def test_the_input_is_not_modified():
    sample = np.array([3.0, 1.0, 2.0])
    describe(sample)
    quantile(sample, 0.5)
    assert sample.tolist() == [3, 1, 2]


def test_the_result_is_frozen():
    with pytest.raises(AttributeError):
        describe([1.0]).mean = 2.0
    assert isinstance(describe([1.0]), Description)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="kind must be one of 2, 6, 7, got 5"):
        quantile(NINE, 0.5, kind=5)
    with pytest.raises(ValueError, match=r"p must be between 0 and 1, got 1\.5"):
        quantile(NINE, 1.5)
    with pytest.raises(ValueError, match="x must not hold NaN, got 1 of 2"):
        describe([1.0, math.nan])
    with pytest.raises(ValueError, match="x must be one-dimensional, got 2 dimensions"):
        describe([[1.0]])
    with pytest.raises(ValueError, match="conf_level must be strictly between 0 and 1, got 95"):
        describe(NINE, conf_level=95)
    with pytest.raises(ValueError, match="quantile_type must be one of 2, 6, 7, got 1"):
        describe(NINE, quantile_type=1)
