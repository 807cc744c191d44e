"""Properties of the kinetics kernel over random profiles, and its agreement with the slow twin."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.twins import pk as twin

from cart7 import pk
from cart7.stats import exposure

LLOQ = 50.0
PARAMETERS = [field.name for field in fields(exposure.Nca)]
levels = st.one_of(
    st.just(0.0), st.just(float("nan")), st.integers(51, 100_000).map(float), st.sampled_from([100.0, 500.0])
)


@st.composite
def profiles(draw, min_size=1):
    days = draw(
        st.lists(
            st.integers(-20, 400).map(lambda tenth: tenth / 4), min_size=min_size, max_size=14, unique=True
        )
    )
    values = draw(st.lists(levels, min_size=len(days), max_size=len(days)))
    return sorted(zip(days, values, strict=True))


def rectangle(several):
    width = max(len(profile) for profile in several)
    table = np.full((2, len(several), width), np.nan)
    for row, profile in enumerate(several):
        table[:, row, : len(profile)] = np.transpose(profile)
    return table


def bits(found, row):
    values = [getattr(found, name)[row] for name in PARAMETERS]
    return [value.tobytes() if isinstance(value, np.floating) else str(value) for value in values]


@settings(max_examples=150, deadline=None)
@given(profiles(), st.sampled_from([(0.0, 28.0), (7.0, 21.0), (0.0, 90.0), (30.0, 60.5)]))
def test_the_kernel_agrees_with_the_twin(profile, window):
    time, value = np.transpose(profile)
    found = exposure.nca(time, value, lloq=LLOQ, windows=(window,))
    samples = twin.on_day_0(twin.clean(profile, LLOQ))
    want, status = twin.auc_window(samples, *window)
    assert found.auc_window_status[0] == status
    assert found.auc_window[0] == pytest.approx(want, rel=1e-9, nan_ok=True)
    slope = twin.terminal(samples)
    assert np.isnan(found.lambda_z[0]) == (slope is None)
    if slope is not None:
        assert (found.lambda_z[0], found.lambda_z_n[0]) == (pytest.approx(slope[0], rel=1e-7), slope[2])


@settings(max_examples=60, deadline=None)
@given(st.lists(profiles(), min_size=2, max_size=5), st.sampled_from(["-3", "inf", "twice"]))
def test_a_profile_has_the_same_bits_alone_and_beside_bad_ones(several, fault):
    bad = [(day / 2, 100.0) for day in range(30)]
    bad[3] = {"-3": (1.5, -3.0), "inf": (1.5, np.inf), "twice": (1.0, 7.0)}[fault]
    time, value = rectangle([several[0], bad, *several[1:]])
    together = exposure.nca(time, value, lloq=LLOQ)
    assert np.isnan(together.cmax[1])
    assert together.note[1] in ("NEGATIVE_VALUE", "NON_FINITE_VALUE", "DUPLICATE_TIME")
    for row, profile in zip([0, *range(2, len(several) + 1)], several, strict=True):
        alone = exposure.nca(*np.transpose(profile), lloq=LLOQ)
        assert bits(together, row) == bits(alone, 0)


@settings(max_examples=80, deadline=None)
@given(
    profiles(),
    st.sampled_from(["stop", "triangle", "lambda-z-obs", "lambda-z-pred", "auto"]),
    st.sampled_from(["lin-up-log-down", "linear", "lin-log"]),
    st.floats(1, 80),
)
def test_areas_of_neighbouring_windows_add_up(profile, tail, auc_method, middle):
    time, value = np.transpose(profile)
    choices = exposure.Choices(
        tail=tail, auc_method=auc_method, windows=((0.0, middle), (middle, 95.0), (0.0, 95.0))
    )
    first, second, whole = exposure.examine(time, value, lloq=LLOQ, choices=choices).windows
    if not np.isnan(whole.value[0]):
        assert first.value[0] + second.value[0] == pytest.approx(whole.value[0], rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(profiles(min_size=3), st.sampled_from([0.25, 2.0, 1024.0]))
def test_areas_scale_with_the_unit_of_the_assay(profile, factor):
    time, value = np.transpose(profile)
    one = exposure.nca(time, value, lloq=LLOQ)
    other = exposure.nca(time, factor * value, lloq=factor * LLOQ)
    for name in ("cmax", "auc_last", "auc_all", "aumc_last", "auc_window", "auc_inf_obs"):
        assert getattr(other, name)[0] == pytest.approx(factor * getattr(one, name)[0], rel=1e-9, nan_ok=True)
    for name in ("tmax", "lambda_z", "expansion_rate", "fold_expansion", "persistence_high"):
        assert getattr(other, name)[0] == pytest.approx(getattr(one, name)[0], rel=1e-9, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(profiles(min_size=3))
def test_the_area_to_the_last_quantifiable_sample_is_its_window(profile):
    time, value = np.transpose(profile)
    found = exposure.nca(time, value, lloq=LLOQ)
    if found.tlast[0] > 0:
        window = ((0.0, float(found.tlast[0])),)
        again = exposure.nca(time, value, lloq=LLOQ, windows=window, tail="stop")
        assert again.auc_window[0] == found.auc_last[0]
        assert found.auc_all[0] >= found.auc_last[0]


@settings(max_examples=60, deadline=None)
@given(profiles(min_size=2), st.floats(60, 5000))
def test_time_above_falls_with_the_threshold_and_fits_the_observation(profile, level):
    time, value = np.transpose(profile)
    days = exposure.time_above(time, value, lloq=LLOQ, thresholds=[level, 2 * level]).time_above[0]
    if not np.isnan(days[0]):
        seen = [day for day, result in profile if day >= 0 and not np.isnan(result)]
        assert 0 <= days[1] <= days[0] <= seen[-1] - seen[0] + 1e-9


@settings(max_examples=60, deadline=None)
@given(profiles(min_size=2), st.floats(101, 300))
def test_a_sample_below_the_limit_after_the_last_moves_neither_peak_nor_area(profile, later):
    time, value = np.transpose(profile)
    one = exposure.nca(time, value, lloq=LLOQ)
    assume(one.n_samples[0] > 0)  # else the later sample is the first, and one before day 0 moves there
    more = exposure.nca([*time, later], [*value, 0.0], lloq=LLOQ)
    for name in ("cmax", "tmax", "tlast", "clast", "expansion_rate", "lambda_z", "persistence_low"):
        assert bits_of(getattr(more, name)[0]) == bits_of(getattr(one, name)[0])
    # One sample alone has no area; below the limit after it, it has.
    if not np.isnan(one.auc_last[0]):
        for name in ("auc_last", "aumc_last"):
            assert bits_of(getattr(more, name)[0]) == bits_of(getattr(one, name)[0])


def bits_of(number):
    return np.float64(number).tobytes()


@settings(max_examples=80, deadline=None)
@given(profiles(min_size=3))
def test_falling_logarithmically_never_gains_area(profile):
    time, value = np.transpose(profile)
    by_line = exposure.nca(time, value, lloq=LLOQ, auc_method="linear")
    by_log = exposure.nca(time, value, lloq=LLOQ)
    for name in ("auc_last", "auc_all"):
        if not np.isnan(getattr(by_line, name)[0]):
            assert getattr(by_log, name)[0] <= getattr(by_line, name)[0] * (1 + 1e-12)


@settings(max_examples=60, deadline=None)
@given(profiles(min_size=3), st.sampled_from([0.25, 2.0, 24.0]))
def test_areas_and_days_scale_with_the_unit_of_time(profile, factor):
    time, value = np.transpose(profile)
    one = exposure.nca(time, value, lloq=LLOQ, windows=((0.0, 28.0),))
    other = exposure.nca(factor * time, value, lloq=LLOQ, windows=((0.0, 28.0 * factor),))
    power = {"auc_last": 1, "auc_all": 1, "auc_window": 1, "aumc_last": 2, "tmax": 1, "tlast": 1, "half_life": 1,
             "lambda_z": -1, "expansion_rate": -1, "cmax": 0, "fold_expansion": 0}  # fmt: skip
    for name, exponent in power.items():
        want = factor**exponent * getattr(one, name)[0]
        assert getattr(other, name)[0] == pytest.approx(want, rel=1e-9, nan_ok=True), name
    assert other.auc_window_status[0] == one.auc_window_status[0]


FAULTY = {
    "DUPLICATE_TIME": ([1.0, 1.0, 5.0], [100.0, 7.0, 90.0]),
    "NEGATIVE_VALUE": ([1.0, 3.0, 5.0], [100.0, -7.0, 90.0]),
    "NON_FINITE_VALUE": ([1.0, 3.0, 5.0], [100.0, np.inf, 90.0]),
    "MISSING_TIME": ([1.0, np.nan, 5.0], [100.0, 70.0, 90.0]),
    "NO_QUANT": ([1.0, 3.0, 5.0], [0.0, 0.0, 0.0]),
    "NO_SAMPLES": ([-3.0, -1.0], [100.0, 70.0]),
    "ONE_POINT": ([4.0], [500.0]),
    "NOT_ESTIMABLE": ([0.0, 3.0, 10.0], [0.0, 700.0, 90.0]),
}


@settings(max_examples=25, deadline=None)
@given(st.lists(profiles(), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_each_bad_profile_says_why_and_the_rest_keep_every_bit_in_any_row_order(several, order):
    """Through the table, rows shuffled: subjects g0, g1 ... are good, the others carry their fault."""
    good = [
        pd.DataFrame({"subject_id": f"g{place}", "day": [d for d, _ in one], "value": [v for _, v in one]})
        for place, one in enumerate(several)
    ]
    bad = [
        pd.DataFrame({"subject_id": code, "day": day, "value": value})
        for code, (day, value) in FAULTY.items()
    ]
    rules = pk.NcaRules(start="zero" if len(several) == 2 else "auto")
    rows = pd.concat([*good, *bad], ignore_index=True).assign(lloq=LLOQ)
    shuffled = list(rows.index)
    order.shuffle(shuffled)
    together = pk.nca(rows.loc[shuffled], rules=rules).subjects.set_index("subject_id")
    for code in FAULTY:
        row = together.loc[code]
        said = row["auc_window_status"] if code == "NOT_ESTIMABLE" else row["note"]
        if code == "ONE_POINT":  # an assumed start and one sample make an area, not a slope
            code = "NO_LAMBDA_Z"
        assert said.startswith(code)
    for place, one in enumerate(good):
        alone = pk.nca(one.assign(lloq=LLOQ), rules=rules).subjects.set_index("subject_id")
        pd.testing.assert_frame_equal(together.loc[[f"g{place}"]], alone, check_exact=True)
