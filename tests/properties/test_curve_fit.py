"""Properties of the curve fit over random profiles."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.twins import curve_fit as twin

from cart7.stats.curve_fit import curve, curve_area, fit

SHAPE = ("cmax", "tmax", "fold", "alpha", "beta", "slow_fraction")
shapes = st.fixed_dictionaries(
    {
        "cmax": st.floats(10, 1e6),
        "tmax": st.floats(1, 60),
        "fold": st.floats(1.2, 1e6),
        "alpha": st.floats(0.01, 4),
        "beta": st.floats(1e-5, 0.4),
        "slow_fraction": st.floats(1e-4, 0.9),
    }
)


@st.composite
def profiles(draw):
    days = draw(st.lists(st.integers(0, 200), min_size=4, max_size=12, unique=True))
    log_values = draw(st.lists(st.floats(0, 12), min_size=len(days), max_size=len(days)))
    return np.array(sorted(days), dtype=float), np.exp(log_values)


@settings(max_examples=25, deadline=None)
@given(profiles(), shapes)
def test_no_curve_within_the_bounds_is_closer_than_the_fit(profile, other):
    days, values = profile
    found = fit(days, values, blq="drop", rng=1)
    residual = np.log(values) - [np.log(twin.level(t, **other)) for t in days]
    assert found.sse[0] <= float(residual @ residual) * (1 + 1e-6) + 1e-10


@settings(max_examples=15, deadline=None)
@given(profiles(), st.integers(0, 2**32 - 1))
def test_samples_below_the_limit_never_bring_the_others_closer(profile, seed):
    days, values = profile
    below = np.arange(len(days)) % 3 == 2
    likely = fit(days, values, below, limit=20.0, rng=seed)
    dropped = fit(days, values, below, limit=20.0, blq="drop", rng=seed)
    assert likely.sse[0] >= dropped.sse[0] * (1 - 1e-3) - 1e-6
    assert np.isfinite([getattr(likely, name)[0] for name in (*SHAPE, "log_likelihood", "sigma")]).all()


@settings(max_examples=40, deadline=None)
@given(shapes, st.tuples(*[st.floats(0, 100)] * 3))
def test_areas_add_up_and_never_exceed_the_peak(shape, days):
    low, middle, high = sorted(days)
    parts = curve_area([low, middle], [middle, high], **shape)
    whole = curve_area(low, high, **shape)
    np.testing.assert_allclose(parts.sum(), whole, rtol=1e-9, atol=1e-9 * shape["cmax"])
    assert whole <= shape["cmax"] * (high - low) * (1 + 1e-12)
    assert curve(low, **shape) <= shape["cmax"] * (1 + 1e-12)
