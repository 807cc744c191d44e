"""The exact interval of a Poisson rate."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart7.stats import rates

GRID = Path(__file__).parent / "data" / "safety" / "poisson_exact_grid.csv"


def test_the_exact_interval_equals_the_reference_grid():
    # R poisson.test, 17 significant digits; both sides are double precision, so 1e-12 relative.
    grid = pd.read_csv(GRID)
    compared = 0
    for conf_level, rows in grid.groupby("conf"):
        low, high = rates.interval(rows["events"], rows["person_years"], conf_level=float(conf_level))
        np.testing.assert_allclose(100 * low, rows["low"], rtol=1e-12)
        np.testing.assert_allclose(100 * high, rows["high"], rtol=1e-12)
        compared += 2 * len(rows)
    assert compared == 240


def test_no_event_has_a_lower_limit_of_exactly_zero():
    low, high = rates.interval(0, 2.0)
    assert low == 0.0
    # P(X = 0 | rate * T) = 0.025 has the closed solution -log(0.025) / T.
    assert high == pytest.approx(-math.log(0.025) / 2, rel=1e-14)


def test_no_time_at_risk_gives_nan_and_not_infinity():
    low, high = rates.interval([0, 3], [0.0, 0.0])
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_a_missing_time_gives_a_missing_interval():
    low, high = rates.interval([1, 1], [np.nan, 1.0])
    assert np.isnan(low).tolist() == [True, False]
    assert np.isnan(high).tolist() == [True, False]


def test_scalars_broadcast_against_arrays():
    low, high = rates.interval(2, [[1.0, 2.0], [4.0, 8.0]])
    assert low.shape == high.shape == (2, 2)
    assert low[0, 0] == pytest.approx(8 * low[1, 1])


def test_no_rows_give_no_limits():
    low, high = rates.interval([], [])
    assert low.shape == high.shape == (0,)


@pytest.mark.parametrize(
    ("events", "time", "kwargs", "message"),
    [
        (-1, 1, {}, "events must be whole numbers of at least 0, got -1"),
        (1.5, 1, {}, "events must be whole numbers of at least 0, got 1.5"),
        (np.inf, 1, {}, "events must be whole numbers of at least 0, got inf"),
        (1, -0.5, {}, "time must be at least 0, got -0.5"),
        (1, np.inf, {}, "time must be at least 0, got inf"),
        (1, 1, {"conf_level": 1}, "conf_level must be strictly between 0 and 1, got 1"),
        (1, 1, {"conf_level": 95}, "conf_level must be strictly between 0 and 1, got 95"),
        (1, 1, {"method": "normal"}, "method must be one of exact, got 'normal'"),
    ],
)
def test_a_wrong_argument_is_named(events, time, kwargs, message):
    with pytest.raises(ValueError, match=message):
        rates.interval(events, time, **kwargs)


@given(st.integers(0, 500), st.floats(1e-3, 1e3), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
@settings(max_examples=100, deadline=None)
def test_the_limits_leave_half_of_alpha_on_each_side(events, time, conf_level):
    # The defining property, checked through the Poisson distribution itself.
    from scipy.stats import poisson

    low, high = rates.interval(events, time, conf_level=conf_level)
    tail = (1 - conf_level) / 2
    assert poisson.cdf(events, float(high) * time) == pytest.approx(tail, rel=1e-8)
    if events > 0:
        assert poisson.sf(events - 1, float(low) * time) == pytest.approx(tail, rel=1e-8)
