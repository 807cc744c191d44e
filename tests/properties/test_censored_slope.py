"""Properties of the left-censored slope over random profiles, and its agreement with the slow twin."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.twins import censored_slope as twin

from cart7.stats.censored_slope import CensoredSlope, censored_slope

LIMIT = 50.0
BELOW = 0.0
SCALED = ("rate", "intercept", "sigma", "std_err")
levels = st.one_of(st.just(BELOW), st.integers(51, 100_000).map(float), st.sampled_from([100.0, 500.0]))


@st.composite
def profiles(draw, values=levels, min_size=1):
    """(day, value) in order of the day; a value of 0 is below the limit."""
    days = draw(st.lists(st.integers(4, 400), min_size=min_size, max_size=12, unique=True))
    return [(day / 4, draw(values)) for day in sorted(days)]


def fit(*several, limit=LIMIT, scale=1.0):
    """The lines of some profiles in one rectangle, padded with what must not be read."""
    width = max(len(profile) for profile in several)
    table = np.full((2, len(several), width), np.nan)
    for row, profile in enumerate(several):
        table[:, row, : len(profile)] = np.transpose(profile)
    time, value = table
    return censored_slope(time, value * scale, value == BELOW, limit, ~np.isnan(time))


def logs(profile, limit=LIMIT):
    return [(day, np.log(value or limit), value == BELOW) for day, value in profile]


def bits(found, row):
    values = [getattr(found, field.name)[row] for field in fields(CensoredSlope)]
    return [str(value) if isinstance(value, np.str_) else value.tobytes() for value in values]


def has_likelihood(profile):
    found = fit(profile)
    assume(not np.isnan(found.log_likelihood[0]))
    return found


@settings(max_examples=300, deadline=None)
@given(profiles())
def test_there_is_a_likelihood_exactly_when_it_has_a_maximum(profile):
    found = fit(profile)
    assert np.isnan(found.log_likelihood[0]) != twin.has_maximum(logs(profile))
    missing = any(np.isnan(getattr(found, name)[0]) for name in (*SCALED, "half_life", "log_likelihood"))
    assert missing == (found.reason[0] != "")
    assert found.reason[0] != "the likelihood was not maximised"


@settings(max_examples=25, deadline=None)
@given(profiles(min_size=3))
def test_the_kernel_agrees_with_the_twin(profile):
    found, want = has_likelihood(profile), twin.slope(logs(profile))
    unit = found.std_err[0]  # a rate far below its standard error is 0 to either
    assert found.rate[0] == pytest.approx(want["rate"], rel=1e-9, abs=1e-9 * unit)
    assert found.intercept[0] == pytest.approx(want["intercept"], rel=1e-9, abs=1e-9)
    assert found.sigma[0] == pytest.approx(want["sigma"], rel=1e-8)
    assert found.log_likelihood[0] == pytest.approx(want["log_likelihood"], rel=1e-9, abs=1e-9)
    assert found.std_err[0] == pytest.approx(want["std_err"], rel=1e-4)  # the twin's is by differences


@settings(max_examples=200, deadline=None)
@given(profiles(min_size=3))
def test_the_score_is_0_at_the_estimate(profile):
    found = has_likelihood(profile)
    middle = np.mean([day for day, _ in profile])
    samples = [(day - middle, level, censored) for day, level, censored in logs(profile)]
    height, log_sigma = found.intercept[0] - found.rate[0] * middle, np.log(found.sigma[0])
    score = twin.score(samples, height, -found.rate[0], log_sigma)
    units = [found.sigma[0], found.std_err[0], 1.0]
    assert np.abs(score * units).max() < 1e-8


@settings(max_examples=100, deadline=None)
@given(profiles(values=st.integers(51, 100_000).map(float), min_size=3))
def test_without_censored_samples_it_is_least_squares(profile):
    found = has_likelihood(profile)
    day, value = np.transpose(profile)
    slope, intercept = np.polyfit(day, np.log(value), 1)
    rss = np.sum((np.log(value) - intercept - slope * day) ** 2)
    assert found.rate[0] == pytest.approx(-slope, rel=1e-9, abs=1e-12)
    assert found.intercept[0] == pytest.approx(intercept, rel=1e-9)
    assert found.sigma[0] == pytest.approx(np.sqrt(rss / len(day)), rel=1e-7)
    spread = np.sum((day - day.mean()) ** 2)
    assert found.std_err[0] == pytest.approx(np.sqrt(rss / len(day) / spread), rel=1e-7)


@settings(max_examples=100, deadline=None)
@given(profiles(min_size=3), st.sampled_from([1e-6, 0.37, 1000.0]))
def test_another_unit_of_value_shifts_the_intercept_only(profile, factor):
    one, other = has_likelihood(profile), fit(profile, limit=LIMIT * factor, scale=factor)
    assert other.intercept[0] == pytest.approx(one.intercept[0] + np.log(factor), rel=1e-8, abs=1e-8)
    for name in ("rate", "sigma", "std_err", "log_likelihood"):
        assert getattr(other, name)[0] == pytest.approx(getattr(one, name)[0], rel=1e-8, abs=1e-9), name


@settings(max_examples=100, deadline=None)
@given(profiles(min_size=3), st.sampled_from([24.0, 1 / 7]), st.sampled_from([-30.0, 0.0, 100.0]))
def test_another_clock_changes_the_rate_by_its_unit_and_the_intercept_by_its_origin(profile, unit, shift):
    one = has_likelihood(profile)
    other = fit([((day + shift) * unit, value) for day, value in profile])
    assert other.rate[0] == pytest.approx(one.rate[0] / unit, rel=1e-8, abs=1e-9)
    assert other.std_err[0] == pytest.approx(one.std_err[0] / unit, rel=1e-8)
    assert other.intercept[0] == pytest.approx(one.intercept[0] + one.rate[0] * shift, rel=1e-8, abs=1e-7)
    assert other.sigma[0] == pytest.approx(one.sigma[0], rel=1e-8)
    assert other.log_likelihood[0] == pytest.approx(one.log_likelihood[0], rel=1e-8, abs=1e-8)


@settings(max_examples=100, deadline=None)
@given(profiles(min_size=3))
def test_time_run_backwards_changes_the_sign_of_the_rate(profile):
    one, other = has_likelihood(profile), fit([(-day, value) for day, value in profile])
    assert other.rate[0] == pytest.approx(-one.rate[0], rel=1e-8, abs=1e-9 * one.std_err[0])
    assert other.log_likelihood[0] == pytest.approx(one.log_likelihood[0], rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(profiles(), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_no_bit_of_a_profile_depends_on_the_others(several, chance):
    alone = [bits(fit(profile), 0) for profile in several]
    together = fit(*several)
    assert [bits(together, row) for row in range(len(several))] == alone
    order = list(range(len(several)))
    chance.shuffle(order)
    junk = [(day, -np.inf if day % 2 else 1e300) for day in range(25)]
    beside = fit(*[several[row] for row in order], junk)
    assert [bits(beside, order.index(row)) for row in range(len(several))] == alone


@settings(max_examples=100, deadline=None)
@given(profiles(min_size=3), st.floats(1.0, 1000.0))
def test_a_higher_limit_and_a_censored_sample_less_cannot_lower_the_greatest_likelihood(profile, factor):
    """Log Phi of each censored sample rises with its limit and is never above 0, at every line."""
    one = has_likelihood(profile).log_likelihood[0]
    higher = fit(profile, limit=LIMIT * factor).log_likelihood[0]
    assert np.isnan(higher) or higher >= one - 1e-9 * (1 + abs(one))
    first = next((at for at, (_, value) in enumerate(profile) if value == BELOW), None)
    assume(first is not None)
    fewer = fit(profile[:first] + profile[first + 1 :]).log_likelihood[0]
    assert np.isnan(fewer) or fewer >= one - 1e-9 * (1 + abs(one))
