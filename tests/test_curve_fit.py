"""The fit of the expansion and contraction curve: against the reference, known truth, and edge cases."""

import csv
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from tests.twins import curve_fit as twin

from cart7.stats import curve_fit
from cart7.stats.curve_fit import CurveFits, curve, curve_area, fit

DATA = Path(__file__).parent / "data" / "pk"
SHAPE = ("cmax", "tmax", "fold", "alpha", "beta", "slow_fraction")
NUMBERS = [field.name for field in fields(CurveFits)]
STEIN = {"cmax": 24000.0, "tmax": 9.3, "fold": 3900.0, "alpha": 0.16, "beta": 0.0032, "slow_fraction": 0.0079}
DAYS = np.array([0, 1, 3, 5, 7, 10, 14, 21, 28, 60, 90, 180.0])


def table(name):
    with (DATA / name).open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def rectangle(subjects):
    """Time, value, below and limit of the reference profiles, day 0 and later."""
    rows = [r for r in table("cart_profiles.csv") if float(r["time"]) >= 0 and r["conc"]]
    profiles = [[r for r in rows if r["subject"] == subject] for subject in subjects]
    grid = np.full((3, len(profiles), max(len(profile) for profile in profiles)), np.nan)
    for i, profile in enumerate(profiles):
        grid[:, i, : len(profile)] = np.transpose(
            [[float(r[c]) for c in ("time", "conc", "lloq")] for r in profile]
        )
    time, value, limit = grid
    return time, value, value < limit, limit


def shape(found, row=0):
    return {name: float(getattr(found, name)[row]) for name in SHAPE}


def bits(found, row=0):
    cells = [getattr(found, name)[row] for name in NUMBERS]
    return [cell if isinstance(cell, str) else cell.tobytes() for cell in cells]


def noisy(seed, days=DAYS[2:], sd=0.3, **changes):
    noise = np.random.default_rng(seed).normal(0, sd, len(days))
    return days, curve(days, **STEIN | changes) * np.exp(noise)


def test_no_reference_fit_is_better():
    expected = table("expected_stein_fit.csv")
    time, value, below, limit = rectangle([row["subject"] for row in expected])
    found = fit(time, value, below, limit=limit, blq="drop", rng=1)
    listed = np.array([float(row["sse"]) for row in expected])
    passed = found.sse <= listed * (1 + 1e-6) + 1e-10
    assert passed.sum() == len(expected) == 24
    assert found.n.tolist() == [int(row["n"]) for row in expected]
    assert found.converged.all()
    assert (found.reason == "").all()


def test_the_reference_does_not_depend_on_the_seed():
    expected = table("expected_stein_fit.csv")
    time, value, below, limit = rectangle([row["subject"] for row in expected])
    one, other = (fit(time, value, below, limit=limit, blq="drop", rng=seed).sse for seed in (2, 3))
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-20)


def test_the_dense_profile_without_noise_gives_back_its_truth():
    truth = table("stein_truth.csv")[0]
    found = fit(*rectangle(["CTS01"])[:2], blq="drop", rng=1)
    for name, column in (("slow_fraction", "FB"), ("fold", "foldx"), ("growth_rate", "rho")):
        assert getattr(found, name)[0] == pytest.approx(float(truth[column]), rel=1e-6)
    for name in ("cmax", "tmax", "alpha", "beta", "doubling_time"):
        assert getattr(found, name)[0] == pytest.approx(float(truth[name]), rel=1e-6)


@pytest.mark.parametrize("blq", ["drop", "censored"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tmax": 16.0, "alpha": 0.4},
        {"tmax": 6.2, "fold": 150.0, "slow_fraction": 0.2, "beta": 0.02},
        {"tmax": 12.0, "alpha": 1.2, "slow_fraction": 0.03, "beta": 0.01},
    ],
)
def test_profiles_without_noise_give_back_their_truth(blq, changes):
    days = np.array([0, 1, 2, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 24, 28, 42, 60, 90, 120, 180.0])
    found = fit(days, curve(days, **STEIN | changes), blq=blq, rng=5)
    assert shape(found) == pytest.approx(STEIN | changes, rel=1e-6)
    assert found.at_bound[0] == ("sigma at its lower bound" if blq == "censored" else "")


def test_areas_agree_with_the_closed_forms_of_the_truth_file():
    columns = {"auc_0_28": (0, 28), "auc_0_90": (0, 90), "auc_7_21": (7, 21)}
    compared = 0
    for row in table("stein_truth.csv"):
        given = {name: float(row[name]) for name in ("cmax", "tmax", "alpha", "beta")}
        given |= {"fold": float(row["foldx"]), "slow_fraction": float(row["FB"])}
        for column, window in columns.items():
            assert curve_area(*window, **given) == pytest.approx(float(row[column]), rel=1e-12)
            compared += 1
    assert compared == 6


@pytest.mark.parametrize("window", [(0, 5), (0, 9.3), (9.3, 9.3), (3, 40), (12, 365), (0, 0)])
def test_areas_agree_with_numerical_integration_and_dense_trapezoids(window):
    area = curve_area(*window, **STEIN)
    assert area == pytest.approx(twin.area(*window, **STEIN), rel=1e-10)
    days = np.linspace(*window, 20001)
    levels = curve(days, **STEIN)
    assert (np.diff(days) * (levels[1:] + levels[:-1]) / 2).sum() == pytest.approx(area, rel=1e-6)


def test_areas_of_neighbouring_windows_add_up_and_arguments_broadcast():
    areas = curve_area([0, 7, 20], [7, 20, 90], **STEIN)
    assert areas.sum() == pytest.approx(curve_area(0, 90, **STEIN), rel=1e-14)
    two = curve_area(0, [[28], [90]], **{name: [level, level / 2] for name, level in STEIN.items()})
    assert two.shape == (2, 2)


def test_the_curve_agrees_with_its_definition_and_is_continuous_at_the_peak():
    days = [0, 4, 9.299999, 9.3, 9.4, 30, 400]
    levels = [twin.level(t, **STEIN) for t in days]
    np.testing.assert_allclose(curve(days, **STEIN), levels, rtol=1e-12)
    assert curve(9.3, **STEIN) == 24000.0
    assert curve(9.3 - 1e-12, **STEIN) == pytest.approx(24000.0, rel=1e-11)


def test_windows_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="start must be 0 or later, got -1"):
        curve_area(-1, 5, **STEIN)
    with pytest.raises(ValueError, match="end must not be before start"):
        curve_area(7, 5, **STEIN)


def test_random_starts_without_structure_find_nothing_better():
    rng = np.random.default_rng(12)
    for seed in range(4):
        days, levels = noisy(seed, sd=0.5)
        found = fit(days, levels, blq="drop", rng=1)
        best = twin.least_sse(days, levels, n_starts=15, rng=rng)
        assert found.sse[0] <= best * (1 + 1e-6) + 1e-10


def test_the_reported_squares_are_those_of_the_reported_curve():
    days, levels = noisy(3)
    found = fit(days, levels, blq="drop", rng=1)
    residual = np.log(levels) - [np.log(twin.level(t, **shape(found))) for t in days]
    assert found.sse[0] == pytest.approx(float(residual @ residual), rel=1e-9)
    assert found.sigma[0] == pytest.approx(np.sqrt(found.sse[0] / (len(days) - 6)), rel=1e-12)
    assert found.growth_rate[0] == pytest.approx(np.log(found.fold[0]) / found.tmax[0], rel=1e-12)
    assert found.doubling_time[0] == pytest.approx(np.log(2) / found.growth_rate[0], rel=1e-12)


def test_nothing_below_the_limit_makes_both_ways_one():
    days, levels = noisy(4)
    dropped, likely = fit(days, levels, blq="drop", rng=1), fit(days, levels, blq="censored", rng=1)
    for name in (*SHAPE, "sse", "log_likelihood", "n"):
        assert getattr(dropped, name)[0] == getattr(likely, name)[0]
    assert likely.sigma[0] == pytest.approx(np.sqrt(likely.sse[0] / len(days)), rel=1e-12)


def with_limit(seed, limit=120.0):
    days, levels = noisy(seed, days=DAYS, sd=0.25)
    below = levels < limit
    return days, np.where(below, 0.0, levels), below, limit


@pytest.mark.parametrize("seed", range(4))
def test_the_likelihood_is_that_of_the_definition_and_highest_at_the_fit(seed):
    days, levels, below, limit = with_limit(seed)
    assert 2 <= below.sum() < 6
    found = fit(days, levels, below, limit=limit, rng=1)
    at = shape(found) | {"sigma": float(found.sigma[0])}
    best = twin.log_likelihood(days, levels, below, limit, **at)
    assert found.log_likelihood[0] == pytest.approx(best, rel=1e-9)
    for name, factor in ((name, factor) for name in at for factor in (0.97, 1.03)):
        moved = at | {name: at[name] * factor}
        if not (name == "beta" and "beta" in found.at_bound[0]):
            assert twin.log_likelihood(days, levels, below, limit, **moved) < best
    dropped = fit(days, levels, below, blq="drop", rng=1)
    spread = np.sqrt(dropped.sse[0] / dropped.n[0])
    squares = twin.log_likelihood(days, levels, below, limit, sigma=spread, **shape(dropped))
    assert best >= squares - 1e-9


def test_censored_and_dropped_samples_are_counted_apart():
    days, levels, below, limit = with_limit(0)
    likely, dropped = (fit(days, levels, below, limit=limit, blq=blq, rng=1) for blq in ("censored", "drop"))
    assert (likely.n[0], likely.n_quantifiable[0]) == (len(days), (~below).sum())
    assert (dropped.n[0], dropped.n_quantifiable[0]) == ((~below).sum(), (~below).sum())
    assert likely.sse[0] >= dropped.sse[0] * (1 - 1e-9)


def test_a_sample_below_the_limit_before_expansion_bends_the_rise_down():
    days = np.array([3, 5, 7, 10, 14, 21, 28, 60, 90.0])
    levels = curve(days, **STEIN | {"fold": 40.0}) * np.exp([0.1, -0.1, 0.1, 0, 0.1, -0.1, 0, 0.1, -0.1])
    dropped = fit(days, levels, blq="drop", rng=1)
    days, levels = np.append(days, 0.0), np.append(levels, np.nan)
    likely = fit(days, levels, np.isnan(levels), limit=50.0, rng=1)
    at_start = [float(curve(0.0, **shape(found))) for found in (dropped, likely)]
    assert at_start[0] > 500
    assert at_start[1] < at_start[0] / 2


def test_errors_of_least_squares_are_those_of_the_slopes():
    days, levels = noisy(2, days=np.arange(1, 120, 4.0))
    found = fit(days, levels, blq="drop", rng=1)
    at = np.array(
        [found.tmax[0], np.log(found.cmax[0]), np.log(found.fold[0]), np.log(found.alpha[0]),
         np.log(found.beta[0]), np.log(found.slow_fraction[0] / (1 - found.slow_fraction[0]))]
    )  # fmt: skip
    slopes = []
    for column in range(6):
        step = np.zeros(6)
        step[column] = 1e-6
        slopes.append((twin.log_level(at + step, days) - twin.log_level(at - step, days)) / 2e-6)
    errors = found.sigma[0] * np.sqrt(np.diag(np.linalg.inv(np.array(slopes) @ np.transpose(slopes))))
    errors[0] /= found.tmax[0]
    names = ("tmax", "log_cmax", "log_fold", "log_alpha", "log_beta")
    reported = [getattr(found, f"se_{n if n != 'tmax' else 'log_tmax'}")[0] for n in names]
    assert [*reported, found.se_logit_slow[0]] == pytest.approx(errors, rel=1e-5)


def test_errors_cover_the_truth_about_as_often_as_they_should():
    days = np.arange(0.5, 100, 2.0)
    profiles = np.array([noisy(seed, days=days)[1] for seed in range(40)])
    found = fit(np.broadcast_to(days, profiles.shape), profiles, rng=1)
    z = (np.log(found.cmax) - np.log(STEIN["cmax"])) / found.se_log_cmax
    assert (np.abs(z) < 1.96).mean() >= 0.8
    assert np.std(z) < 1.6


def test_a_parameter_at_a_bound_is_named_and_has_no_error():
    found = fit(*rectangle(["CTS21"])[:3], blq="drop", rng=1)
    assert found.at_bound[0] == "beta at its lower bound"
    assert found.beta[0] == 1e-6
    assert np.isnan(found.se_log_beta[0])
    assert found.se_log_alpha[0] > 0


def test_a_peak_on_a_sample_is_named_and_its_time_has_no_error():
    found = fit(*rectangle(["CTS25"])[:3], blq="drop", rng=1)
    assert found.at_bound[0] == "tmax on a sample"
    assert found.tmax[0] == 7.0
    assert np.isnan(found.se_log_tmax[0])


@pytest.mark.parametrize("blq", ["drop", "censored"])
def test_every_fit_keeps_the_bounds_and_calls_the_larger_rate_alpha(blq):
    subjects = sorted({row["subject"] for row in table("cart_profiles.csv")} - {"CTS39"})
    time, value, below, limit = rectangle([s for s in subjects if s != "CTS42"])
    found = fit(time, value, below, limit=limit, blq=blq, rng=1)
    fitted = found.reason == ""
    assert fitted.sum() >= 48
    low = {"tmax": 0.001, "alpha": 0.001, "beta": 1e-6, "fold": np.exp(0.1)}
    high = {"tmax": 200, "alpha": 5, "beta": 0.5, "fold": np.inf}
    for name, bound in low.items():
        level = getattr(found, name)[fitted]
        assert (level >= bound).all()
        assert (level <= high[name]).all()
    logit = np.log(found.slow_fraction / (1 - found.slow_fraction))[fitted]
    assert ((logit >= -12 - 1e-9) & (logit <= 6 + 1e-9)).all()
    other_way = (found.alpha <= 0.5) & (np.log(found.slow_fraction / (1 - found.slow_fraction)) > -6)
    assert (found.alpha >= found.beta)[fitted & other_way].all()
    for name in ("sse", "log_likelihood", "growth_rate", "doubling_time"):
        assert np.isfinite(getattr(found, name)[fitted]).all()
        assert np.isnan(getattr(found, name)[~fitted]).all()


def test_scaling_the_values_scales_the_peak_only():
    days, levels = noisy(6)
    one, other = fit(days, levels, blq="drop", rng=1), fit(days, levels * 1e4, blq="drop", rng=1)
    assert shape(other) == pytest.approx(shape(one) | {"cmax": one.cmax[0] * 1e4}, rel=1e-4)
    assert other.sse[0] == pytest.approx(one.sse[0], rel=1e-9)


def test_another_unit_of_time_changes_the_rates_only():
    days, levels = noisy(6)
    one, other = fit(days, levels, blq="drop", rng=1), fit(days * 1.1, levels, blq="drop", rng=1)
    changed = {name: shape(one)[name] / 1.1 for name in ("alpha", "beta")} | {"tmax": one.tmax[0] * 1.1}
    assert shape(other) == pytest.approx(shape(one) | changed, rel=1e-4)
    assert other.sse[0] == pytest.approx(one.sse[0], rel=1e-9)


@pytest.mark.parametrize("blq", ["drop", "censored"])
def test_the_same_seed_gives_the_same_bits(blq):
    days, levels, below, limit = with_limit(1)
    first, again = (
        fit(days, levels, below, limit=limit, blq=blq, rng=np.random.default_rng(8)) for _ in range(2)
    )
    assert bits(first) == bits(again)


@pytest.mark.parametrize("blq", ["drop", "censored"])
def test_neighbours_change_no_bit(blq):
    days, levels, below, limit = with_limit(1)
    alone = fit(days, levels, below, limit=limit, blq=blq, rng=8)
    time, value = np.full((4, 31), np.nan), np.full((4, 31), np.nan)
    under = np.zeros((4, 31), dtype=bool)
    time[2, :12], value[2, :12], under[2, :12] = days, levels, below
    time[0], value[0] = np.arange(31), np.random.default_rng(1).lognormal(size=31)
    time[1, :5], value[1, :5] = [np.nan, 2, 3, 4, 5], [3.0, -1.0, np.inf, 1e300, 0.0]
    time[3, :12], value[3, :12] = days, np.where(below, 300.0, levels[::-1])
    value[3, value[3] == 0] = 7.0
    among = fit(time, value, under, limit=limit, blq=blq, rng=8)
    assert bits(among, 2) == bits(alone)
    assert among.reason[1] == "a time is missing, or a value is not a number above 0"
    assert (among.reason[[0, 3]] == "").all()


def test_the_order_of_the_samples_does_not_matter():
    days, levels, below, limit = with_limit(1)
    turned = np.random.default_rng(3).permutation(len(days))
    one = fit(days, levels, below, limit=limit, rng=8)
    other = fit(days[turned], levels[turned], below[turned], limit=limit, rng=8)
    assert bits(one) == bits(other)


def test_samples_before_day_0_and_padding_are_not_used():
    days, levels = noisy(1)
    more_days = np.concatenate([[-7.0, -0.5], days, [np.nan, 400]])
    more_levels = np.concatenate([[5.0, 1e6], levels, [np.nan, 1e9]])
    there = np.arange(len(more_days)) < len(days) + 3
    one, other = fit(days, levels, rng=1), fit(more_days, more_levels, there=there, rng=1)
    assert bits(one) == bits(other)


@pytest.mark.parametrize(
    ("days", "levels", "below", "reason"),
    [
        ([], [], None, "no samples"),
        ([1, 2, 3], [np.nan] * 3, None, "no samples"),
        ([-1, -2], [5.0, 6.0], None, "no samples"),
        ([1, 2, 3], [0.0] * 3, [True] * 3, "no quantifiable sample"),
        ([10.0], [50.0], None, "fewer than 2 quantifiable samples"),
        ([1, 10, 20], [0, 500.0, 0], [True, False, True], "fewer than 2 quantifiable samples"),
        ([1, np.nan, 5], [1.0, 2, 3], None, "a time is missing, or a value is not a number above 0"),
        ([1, 3, 5], [1.0, 0, 3], None, "a time is missing, or a value is not a number above 0"),
        ([1, 3, 5], [1.0, -2, 3], None, "a time is missing, or a value is not a number above 0"),
        ([1, 3, 5], [1.0, np.inf, 3], None, "a time is missing, or a value is not a number above 0"),
    ],
)
@pytest.mark.parametrize("blq", ["drop", "censored"])
def test_a_profile_that_cannot_be_fitted_says_why(days, levels, below, reason, blq):
    found = fit(days, levels, below, limit=50.0, blq=blq, rng=1)
    assert found.reason[0] == reason
    assert not found.converged[0]
    assert found.at_bound[0] == found.remark[0] == ""
    words = {"reason", "at_bound", "remark", "n", "n_quantifiable", "converged"}
    assert all(np.isnan(getattr(found, name)[0]) for name in NUMBERS if name not in words)


def test_no_profiles_give_no_rows():
    found = fit(np.empty((0, 4)), np.empty((0, 4)), rng=1)
    assert all(getattr(found, name).shape == (0,) for name in NUMBERS)


def test_few_samples_are_fitted_and_called_not_identified():
    days, levels = noisy(1, days=np.array([3, 7, 10, 14.0]))
    found = fit(days, levels, blq="drop", rng=1)
    assert found.sse[0] < 1e-12
    assert found.remark[0] == "fewer samples than parameters: not identified"
    assert np.isnan([found.sigma[0], found.se_log_cmax[0], found.se_log_fold[0]]).all()


def test_six_samples_leave_nothing_for_the_residual_standard_deviation():
    days, levels = noisy(1, days=np.array([3, 7, 10, 14, 28, 60.0]))
    found = fit(days, levels, blq="drop", rng=1)
    assert np.isnan(found.sigma[0])
    assert found.remark[0].endswith("as many samples as parameters: no residual standard deviation")


def test_a_profile_that_only_falls_says_what_it_does_not_tell():
    days = np.array([1, 3, 5, 7, 10, 14, 21, 28.0])
    levels = 3000 * np.exp(-0.11 * days) * np.exp([0.1, -0.1, 0, 0.1, -0.1, 0.1, 0, -0.05])
    found = fit(days, levels, blq="drop", rng=1)
    assert found.tmax[0] <= 1
    assert "not identified by these samples: " in found.remark[0]
    assert "fold" in found.remark[0]
    assert np.isnan(found.se_log_fold[0])


def test_one_phase_of_decline_is_fitted_with_equal_rates():
    found = fit(*rectangle(["CTS36"])[:3], blq="drop", rng=1)
    assert found.alpha[0] == pytest.approx(found.beta[0], rel=1e-6)
    assert found.remark[0].startswith("not identified by these samples: alpha, beta")
    assert np.isnan([found.se_log_alpha[0], found.se_logit_slow[0]]).all()


def test_samples_below_an_unknown_limit_are_left_out_and_counted():
    days, levels, below, limit = with_limit(1)
    without, known = fit(days, levels, below, rng=1), fit(days, levels, below, blq="drop", rng=1)
    assert without.remark[0] == f"samples below an unknown limit left out: {below.sum()}"
    assert shape(without) == shape(known)
    assert known.remark[0] == ""
    some = np.where(np.arange(len(days)) == 0, np.nan, limit)
    assert fit(days, levels, below, limit=some, rng=1).remark[0].endswith("left out: 1")


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="blq must be one of censored, drop, got 'half'"):
        fit([1, 2], [1, 2], blq="half", rng=1)
    with pytest.raises(ValueError, match=r"of one shape, got \(1, 3\) and \(1, 2\)"):
        fit([1, 2, 3], [1, 2], rng=1)


def test_results_cannot_be_changed_and_inputs_are_not():
    days, levels, below, limit = with_limit(1)
    before = days.copy(), levels.copy(), below.copy()
    found = fit(days, levels, below, limit=limit, rng=1)
    assert all(np.array_equal(a, b) for a, b in zip((days, levels, below), before, strict=True))
    with pytest.raises(ValueError, match="read-only"):
        found.cmax[0] = 1.0


def test_the_import_is_light():
    heavy = "scipy.stats", "scipy.optimize", "pandas"
    code = f"import sys, {curve_fit.__name__}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
