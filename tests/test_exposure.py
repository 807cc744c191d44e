"""The kinetics kernel on arrays: rules, edge cases and error paths."""

import subprocess
import sys
from dataclasses import fields
from itertools import combinations
from math import exp, log

import numpy as np
import pytest

from cart7.stats import exposure, exposure_models, trapezoids
from cart7.stats.exposure import Choices, examine, nca

# Rises 0, 100, 5000, falls 3000, 1500, 700 (days 0 to 21), then below the limit.
DAYS = [0.0, 3.0, 7.0, 10.0, 14.0, 21.0]
VALUES = [0.0, 100.0, 5000.0, 3000.0, 1500.0, 700.0]


def log_area(c1, c2, width):
    return width * (c2 - c1) / log(c2 / c1)


UP = 3 * 100 / 2 + 4 * 5100 / 2
DOWN = log_area(5000, 3000, 3) + log_area(3000, 1500, 4) + log_area(1500, 700, 7)


def window(days, values, **rules):
    found = nca(days, values, **rules)
    return found.auc_window[0], found.auc_window_status[0]


def test_lin_up_log_down_is_linear_on_the_way_up_and_logarithmic_on_the_way_down():
    assert nca(DAYS, VALUES).auc_last[0] == pytest.approx(UP + DOWN, rel=1e-14)


def test_a_blq_two_days_later_does_not_change_the_rule():
    """On day 28 or on day 30: the same straight line to it, cut at day 28."""
    on_28, status = window([*DAYS, 28], [*VALUES, 0])
    assert (on_28, status) == (pytest.approx(UP + DOWN + 7 * 700 / 2), "BLQ_TRIANGLE")
    on_30, status = window([*DAYS, 30], [*VALUES, 0])
    at_28 = 700 * 2 / 9
    assert (on_30, status) == (pytest.approx(UP + DOWN + 7 * (700 + at_28) / 2), "BLQ_TRIANGLE")
    peer, _ = window([*DAYS, 30], [*VALUES, 0], tail="triangle-peer")
    assert peer == pytest.approx(UP + DOWN + log_area(700, at_28, 7))


@pytest.mark.parametrize(
    ("tail", "blq_after", "status"),
    [
        ("stop", False, "TRUNCATED"),
        ("stop", True, "TRUNCATED"),
        ("triangle", False, "TRUNCATED"),
        ("triangle", True, "BLQ_TRIANGLE"),
        ("triangle-peer", False, "TRUNCATED"),
        ("lambda-z-obs", True, "EXTRAPOLATED"),
        ("lambda-z-pred", False, "EXTRAPOLATED"),
        ("phoenix", True, "BLQ_TRIANGLE"),
        ("phoenix", False, "EXTRAPOLATED"),
        ("auto", True, "BLQ_TRIANGLE"),
        ("auto", False, "EXTRAPOLATED"),
    ],
)
def test_the_status_says_what_lies_after_the_last_quantifiable_sample(tail, blq_after, status):
    days, values = ([*DAYS, 30], [*VALUES, 0]) if blq_after else (DAYS, VALUES)
    value, found = window(days, values, tail=tail)
    assert found == status
    assert (value == pytest.approx(UP + DOWN)) == (status == "TRUNCATED")


def test_a_tail_without_a_slope_is_not_estimable_and_the_area_to_tlast_is_kept():
    found = nca(DAYS[:4], VALUES[:4])
    assert (found.auc_window_status[0], np.isnan(found.auc_window[0])) == ("NOT_ESTIMABLE", True)
    assert found.auc_last[0] == pytest.approx(UP + log_area(5000, 3000, 3))
    assert "NO_LAMBDA_Z" in found.note[0]


def test_a_window_within_the_samples_is_observed_or_interpolated_by_its_segment():
    assert window(DAYS, VALUES, windows=((0, 14),))[1] == "OBSERVED"
    value, status = window(DAYS, VALUES, windows=((0, 12),))
    at_12 = 3000 * exp(log(0.5) / 2)
    assert status == "INTERPOLATED"
    assert value == pytest.approx(UP + log_area(5000, 3000, 3) + log_area(3000, at_12, 2))


def test_the_percentage_beyond_tlast_is_of_the_whole_window():
    found = nca([*DAYS, 28], [*VALUES, 0])
    assert found.auc_window_percent_beyond_tlast[0] == pytest.approx(100 * 2450 / (UP + DOWN + 2450))


def test_linear_and_lin_log_differ_only_where_they_should():
    linear = UP + 3 * 8000 / 2 + 4 * 4500 / 2 + 7 * 2200 / 2
    assert nca(DAYS, VALUES, auc_method="linear").auc_last[0] == pytest.approx(linear)
    assert nca(DAYS, VALUES, auc_method="lin-log").auc_last[0] == pytest.approx(UP + DOWN)
    dip = nca([0, 1, 3, 7, 10], [0, 200, 100, 5000, 3000], auc_method="lin-log").auc_last[0]
    assert dip == pytest.approx(100 + 300 + 10200 + log_area(5000, 3000, 3))


def test_equal_neighbours_are_linear_under_lin_log():
    found = nca([0, 7, 10, 14], [0, 500, 500, 100], auc_method="lin-log").auc_last[0]
    assert found == pytest.approx(7 * 250 + 3 * 500 + log_area(500, 100, 4))


def test_nearly_equal_neighbours_lose_no_digits():
    value = np.array([0.0, 1000.0, 1000.0 * (1 - 1e-12)])
    found = nca([0.0, 10.0, 20.0], value)
    assert found.auc_last[0] == pytest.approx(5000 + 10 * value[1:].mean(), rel=1e-14)
    assert found.aumc_last[0] == pytest.approx(50_000 + 10 * (10 * 1000 + 20 * value[2]) / 2, rel=1e-12)


@pytest.mark.parametrize("ratio", [0.2, 0.89, 0.91, 0.999, 1.0000001, 1.2, 7.0])
def test_the_first_moment_of_a_log_segment_is_its_integral(ratio):
    """Against 100,000 midpoints; both sides of the change from closed form to series."""
    lines = trapezoids.curve(
        np.array([[5.0, 9.0]]), np.array([[40.0, 40.0 * ratio]]), method="lin-log", first_tmax=np.array([0.0])
    )
    t = 5 + 4 * (np.arange(100_000) + 0.5) / 100_000
    integral = (t * 40 * ratio ** ((t - 5) / 4)).mean() * 4
    assert trapezoids.moment(lines, np.array([9.0]))[0] == pytest.approx(integral, rel=1e-9)


@pytest.mark.parametrize(
    ("days", "start", "rule", "area"),
    [
        ([0.0, 7.0, 10.0], "auto", "SAMPLE_AT_0", 7 * 300 + log_area(500, 200, 3)),
        ([-2.0, 7.0, 10.0], "auto", "PREDOSE_CARRIED", 7 * 300 + log_area(500, 200, 3)),
        ([-2.0, 7.0, 10.0], "zero", "ZERO_ASSUMED", 7 * 250 + log_area(500, 200, 3)),
        ([-2.0, 7.0, 10.0], "require-sample", "", np.nan),
        ([0.0, 7.0, 10.0], "require-sample", "SAMPLE_AT_0", 7 * 300 + log_area(500, 200, 3)),
        ([np.nan, 7.0, 10.0], "auto", "ZERO_ASSUMED", 7 * 250 + log_area(500, 200, 3)),
    ],
)
def test_where_the_curve_starts_is_a_rule_and_is_said(days, start, rule, area):
    values = [np.nan if np.isnan(days[0]) else 100.0, 500.0, 200.0]
    found = nca(days, values, start=start, windows=((0, 10),))
    assert found.auc_window_start_rule[0] == rule
    assert found.auc_last[0] == pytest.approx(area, nan_ok=True)
    assert ("NO_START_SAMPLE" in found.note[0]) == np.isnan(area)
    assert found.n_samples[0] == (3 if rule in ("SAMPLE_AT_0", "PREDOSE_CARRIED") else 2)


def test_without_a_sample_at_0_windows_inside_the_samples_still_have_an_area():
    found = examine(
        DAYS[1:], VALUES[1:], choices=Choices(start="require-sample", windows=((0, 14), (7, 14), (1, 14)))
    )
    assert [area.status[0] for area in found.windows] == ["NOT_ESTIMABLE", "OBSERVED", "NOT_ESTIMABLE"]
    assert found.windows[1].value[0] == pytest.approx(log_area(5000, 3000, 3) + log_area(3000, 1500, 4))


def test_a_sample_at_0_dropped_by_a_blq_rule_is_no_start():
    dropped = nca(DAYS, VALUES, blq_first="drop", start="require-sample")
    assert dropped.note[0].startswith("NO_START_SAMPLE")
    assert np.isnan([dropped.auc_last[0], dropped.aumc_last[0], dropped.auc_window[0]]).all()
    assert dropped.cmax[0] == 5000
    assumed = nca(DAYS, VALUES, blq_first="drop")
    assert assumed.auc_window_start_rule[0] == "ZERO_ASSUMED"


def test_a_profile_of_one_point_has_no_area():
    found = nca([[0.0], [5.0]], [[300.0], [300.0]])
    assert np.isnan(found.auc_last[0])
    assert (found.cmax[0], found.auc_window_status[0]) == (300, "NOT_ESTIMABLE")
    assert "ONE_POINT" in found.note[0]
    assert found.auc_last[1] == pytest.approx(750)  # with the 0 assumed on day 0 it is two points


def test_below_the_limit_is_a_flag_a_zero_or_a_value_under_the_limit():
    values, flags = [0.0, 30.0, 400.0, 90.0], [False, False, False, True]
    found = nca([0, 3, 7, 10], values, flags, lloq=50)
    assert found.n_quantifiable[0] == 1
    assert (found.tlast[0], found.persistence_high[0]) == (7, 10)
    assert nca([0, 3, 7, 10], values).n_quantifiable[0] == 3


BLQ_DAYS, BLQ_VALUES = [0.0, 2.0, 5.0, 8.0, 12.0, 20.0], [0.0, 0.0, 400.0, 0.0, 300.0, 0.0]


def test_marks_of_samples_below_the_limit_may_be_padded_with_nan():
    times = [[0, 7, 14, 21], [0, 7, 14, np.nan]]
    values = [[0, 900, 300, 0], [0, 900, 300, np.nan]]
    plain = nca(times, values, [[True, False, False, True], [True, False, False, False]])
    for gap in (np.nan, None):
        marks = np.array([[1, 0, 0, 1], [1, 0, 0, gap]], dtype=float if gap is not None else object)
        padded = nca(times, values, marks)
        assert padded.note.tolist() == plain.note.tolist()
        assert padded.n_quantifiable.tolist() == plain.n_quantifiable.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("rules", "points"),
    [
        ({}, {0: 0, 2: 0, 5: 400, 12: 300}),
        ({"blq_middle": "keep"}, {0: 0, 2: 0, 5: 400, 8: 0, 12: 300}),
        ({"blq_middle": "half-lloq"}, {0: 0, 2: 0, 5: 400, 8: 25, 12: 300}),
        ({"blq_first": "drop"}, {0: 0, 5: 400, 12: 300}),
        ({"blq_first": 10.0}, {0: 10, 2: 10, 5: 400, 12: 300}),
        ({"blq_before_tmax": "drop", "blq_after_tmax": "keep"}, {0: 0, 5: 400, 8: 0, 12: 300}),
        ({"blq_after_tmax": 40.0}, {0: 0, 2: 0, 5: 400, 8: 40, 12: 300}),
    ],
)
def test_a_blq_rule_is_the_points_it_leaves(rules, points):
    found = nca(BLQ_DAYS, BLQ_VALUES, lloq=50, auc_method="linear", **rules)
    days, values = np.array(list(points)), np.array(list(points.values()))
    assert found.auc_last[0] == pytest.approx((np.diff(days) * (values[1:] + values[:-1]) / 2).sum())
    assert (found.cmax[0], found.tlast[0], found.n_quantifiable[0]) == (400, 12, 2)


def test_the_area_after_tlast_follows_the_rule_for_the_last_samples():
    area = nca(BLQ_DAYS, BLQ_VALUES, lloq=50, auc_method="linear").auc_last[0]
    by_rule = {
        rule: nca(BLQ_DAYS, BLQ_VALUES, lloq=50, auc_method="linear", blq_last=rule).auc_all[0] - area
        for rule in ("keep", "drop", "half-lloq", 10.0)
    }
    assert by_rule == pytest.approx({"keep": 8 * 150, "drop": 0, "half-lloq": 8 * 162.5, 10.0: 8 * 155})


def test_a_substituted_value_never_enters_the_terminal_slope():
    days, values = [0, 2, 5, 8, 11, 14, 17], [0, 900, 500, 0, 200, 100, 0]
    plain = nca(days, values, lloq=50)
    halved = nca(days, values, lloq=50, blq_middle="half-lloq", blq_last="half-lloq")
    assert plain.lambda_z_n[0] == 3
    assert (plain.lambda_z[0], plain.lambda_z_n[0]) == (halved.lambda_z[0], halved.lambda_z_n[0])


def test_half_the_limit_needs_a_limit():
    found = nca([BLQ_DAYS, DAYS], [BLQ_VALUES, VALUES], lloq=[[np.nan], [50.0]], blq_middle="half-lloq")
    assert found.note.tolist() == ["MISSING_LLOQ", ""]
    assert np.isnan([found.n_samples[0], found.cmax[0], found.auc_last[0], found.auc_window[0]]).all()
    assert found.auc_window_status[0] == "NOT_ESTIMABLE"


def test_a_limit_is_needed_only_where_half_of_it_stands_for_a_sample():
    days, values, limits = [-7, 0, 3, 7, 14, 28], [0, 0, 100, 900, 500, 0], [np.nan] * 5 + [50.0]
    found = nca(days, values, lloq=limits, blq_last="half-lloq")
    assert not found.note[0].startswith("MISSING_LLOQ")
    assert found.auc_all[0] == pytest.approx(found.auc_last[0] + 14 * (500 + 25) / 2)
    assert nca(days, values, lloq=limits, blq_first="half-lloq").note.tolist() == ["MISSING_LLOQ"]


def test_nothing_quantifiable_is_an_area_of_0_and_no_peak():
    found = nca([0, 7, 28], [0, 0, 0])
    assert found.note[0] == "NO_QUANT"
    assert np.isnan([found.cmax[0], found.tmax[0], found.clast[0], found.tlast[0], found.mrt_last[0]]).all()
    areas = [getattr(found, name)[0] for name in exposure.Nca.__slots__ if name.startswith(("auc_", "aumc_"))
             and getattr(found, name).dtype.kind == "f" and "percent" not in name]  # fmt: skip
    assert areas == [0.0] * 8
    assert found.auc_window_status[0] == "NO_QUANT"


def test_no_samples_from_day_0_on_is_said():
    found = nca([[-1.0, 0.0], [0.0, 3.0]], [[80.0, np.nan], [np.nan, np.nan]])
    assert found.note.tolist() == ["NO_SAMPLES", "NO_SAMPLES"]
    assert found.n_samples.tolist() == [0, 0]
    assert np.isnan(found.auc_window).all()


@pytest.mark.parametrize(
    ("time", "value", "code"),
    [
        ([0.0, 3.0, 3.0, 7.0], [0.0, 10.0, 20.0, 5.0], "DUPLICATE_TIME"),
        ([0.0, 3.0, 5.0, 7.0], [0.0, -1.0, 20.0, 5.0], "NEGATIVE_VALUE"),
        ([0.0, 3.0, 5.0, np.nan], [0.0, 1.0, 20.0, 5.0], "MISSING_TIME"),
        ([0.0, 3.0, 5.0, 7.0], [0.0, 1.0, np.inf, 5.0], "NON_FINITE_VALUE"),
        ([0.0, 3.0, 5.0, np.inf], [0.0, 1.0, 20.0, 5.0], "NON_FINITE_VALUE"),
    ],
)
def test_a_profile_that_cannot_be_used_is_missing_throughout(time, value, code):
    found = nca([time, DAYS[:4]], [value, VALUES[:4]])
    assert found.note[0] == code
    for field in fields(found):
        column = getattr(found, field.name)
        if column.dtype.kind == "f":
            assert np.isnan(column[0]), field.name
    assert found.cmax[1] == 5000


def test_all_faults_of_a_profile_are_named():
    found = nca([0.0, 3.0, 3.0, np.nan], [0.0, -1.0, np.inf, 5.0])
    assert found.note[0] == "DUPLICATE_TIME; NEGATIVE_VALUE; MISSING_TIME; NON_FINITE_VALUE"


@pytest.mark.parametrize(
    ("duplicates", "value"), [("mean", 250.0), ("geo-mean", 200.0), ("max", 400.0), ("first", 100.0)]
)
def test_several_results_at_one_time_become_one_by_rule(duplicates, value):
    found = nca([0.0, 5.0, 5.0, 9.0], [0.0, 100.0, 400.0, 50.0], duplicates=duplicates)
    assert (found.n_samples[0], found.cmax[0]) == (3, pytest.approx(value))
    assert found.auc_last[0] == pytest.approx(2.5 * value + log_area(value, 50, 4))


@pytest.mark.parametrize(
    ("duplicates", "fates", "in_auc"),
    [
        ("mean", ["", "merged", "merged", ""], [True] * 4),
        ("first", ["", "", "later duplicate", ""], [True, True, False, True]),
    ],
)
def test_what_became_of_several_results_is_said_per_sample(duplicates, fates, in_auc):
    choices = Choices(duplicates=duplicates)
    use = examine([-1, 0, 5, 5, 9], [np.nan, 0, 100, 400, 50], choices=choices).samples
    assert use.fate[0].tolist() == ["missing result", *fates]
    assert use.in_auc[0].tolist() == [False, *in_auc]


def test_a_missing_result_beside_a_known_one_is_no_duplicate():
    assert nca([0.0, 5.0, 5.0], [0.0, np.nan, 400.0]).note[0] != "DUPLICATE_TIME"


def test_a_merged_result_under_the_limit_is_below_it():
    found = nca([0.0, 5.0, 5.0, 9.0], [0.0, 0.0, 60.0, 100.0], lloq=50, duplicates="mean")
    assert (found.n_quantifiable[0], found.tfirst[0]) == (1, 9)


def test_equal_maxima_take_the_first_or_the_last():
    days, values = [0, 7, 10, 14, 21], [0, 500, 100, 500, 80]
    assert (nca(days, values).tmax[0], nca(days, values, tmax="last").tmax[0]) == (7, 14)


RISING = [0, 40, 3000, 1000, 400, 120, 200, 340]


def test_a_rising_tail_has_a_slope_only_under_the_falling_rule():
    """The best line rises (days 60 to 180): none under `any`, the best falling one otherwise."""
    days = [0, 3, 10, 14, 21, 60, 90, 180]
    assert np.isnan(nca(days, RISING, lambda_z_slope_rule="any").lambda_z[0])
    assert nca(days, RISING).lambda_z[0] > 0


def test_an_explicit_window_or_points_replace_the_search():
    days, values = [0, 10, 14, 21, 28, 60], [0, 6000, 2000, 900, 300, 280]
    window_fit = nca(days, values, lambda_z_window=(14, 28))
    point_fit = nca(days, values, lambda_z_points=(14.0, 21.0, 28.0))
    slope = np.polyfit([14, 21, 28], np.log([2000, 900, 300]), 1)[0]
    for found in (window_fit, point_fit):
        assert found.lambda_z[0] == pytest.approx(-slope)
        assert (found.lambda_z_start[0], found.lambda_z_end[0], found.lambda_z_n[0]) == (14, 28, 3)


def test_two_points_make_a_line_only_when_asked_and_nothing_longer_is_there():
    days, values = [0, 10, 14, 21], [0, 800, 400, 100]
    assert np.isnan(nca(days, values).lambda_z[0])
    found = nca(days, values, lambda_z_min_points=2)
    assert (found.lambda_z[0], found.lambda_z_n[0]) == (pytest.approx(log(4) / 7), 2)
    assert np.isnan(found.adj_r_squared[0])


def test_a_constant_tail_has_no_slope():
    found = nca([0, 7, 14, 21, 28], [0, 900, 333.3, 333.3, 333.3])
    assert np.isnan(found.lambda_z[0])
    assert "all values are equal" in found.note[0]


def test_halving_every_week_is_recovered_exactly_with_most_points():
    days = np.arange(0, 71, 7.0)
    found = nca(days, np.where(days == 0, 0, 8000 * 0.5 ** (days / 7)))
    assert (found.half_life[0], found.lambda_z_n[0]) == (pytest.approx(7, rel=1e-12), 9)
    assert found.auc_inf_obs[0] == pytest.approx(found.auc_inf_pred[0], rel=1e-10)


def test_expansion_and_contraction_are_lines_through_the_logarithms():
    days, values = [0, 2, 4, 6, 13, 20, 27, 40], [0, 10, 40, 160, 80, 40, 20, 19]
    found = nca(days, values)
    assert (found.expansion_n[0], found.expansion_rate[0]) == (3, pytest.approx(log(2)))
    assert (found.doubling_time[0], found.fold_expansion[0]) == (pytest.approx(1), 16)
    assert found.expansion_r_squared[0] == pytest.approx(1)
    assert (found.contraction_n[0], found.contraction_half_life[0]) == (4, pytest.approx(7))


def test_a_slope_of_the_wrong_sign_is_missing():
    falling = nca([0, 1, 2, 3, 4], [0, 1000, 10, 9, 1001])
    assert np.isnan(falling.expansion_rate[0])
    assert falling.expansion_n[0] == 4
    flat = nca([0, 5, 10, 15], [0, 90, 90, 90])
    assert (flat.contraction_n[0], np.isnan(flat.contraction_half_life[0])) == (3, True)


def test_loss_is_bounded_by_samples_and_confirmed_by_two():
    found = nca([0, 7, 14, 28, 60, 90, 120], [0, 900, 0, 100, 0, 0, 0])
    assert (found.persistence_low[0], found.persistence_high[0]) == (28, 60)
    assert (found.first_blq_after_tmax[0], found.confirmed_loss_day[0]) == (14, 60)
    assert found.last_sample_day[0] == 120
    assert np.isnan(nca([0, 7, 14], [0, 900, 100]).persistence_high[0])


def test_tlag_is_the_last_day_below_the_limit_before_detection():
    assert nca([0, 2, 5, 9], [0, 0, 70, 90]).tlag[0] == 2
    assert nca([0, 5, 9], [70, 90, 100]).tlag[0] == 0


def test_time_above_crosses_by_the_rule_of_the_segment():
    found = exposure.time_above([0, 10, 20], [0, 400, 100], thresholds=[100, 200, 500])
    assert found.time_above[0].tolist() == pytest.approx([17.5, 5 + 5, 0])
    assert np.isnan(exposure.time_above([10], [400], thresholds=[100]).time_above).all()


def test_results_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        nca(DAYS, VALUES).cmax[0] = 1


def test_no_profiles_give_no_results():
    assert nca(np.empty((0, 4)), np.empty((0, 4))).cmax.shape == (0,)
    assert nca(np.empty((2, 0)), np.empty((2, 0))).note.tolist() == ["NO_SAMPLES", "NO_SAMPLES"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tail": "stopp"}, "tail must be one of auto, stop, .* got 'stopp'"),
        ({"auc_method": "log"}, "auc_method must be one of"),
        ({"start": "none"}, "start must be one of"),
        ({"tmax": "middle"}, "tmax must be one of first, last"),
        ({"duplicates": "median"}, "duplicates must be one of"),
        (
            {"blq_first": "zero"},
            "blq_first must be one of keep, drop, half-lloq or a number from 0, got 'zero'",
        ),
        ({"blq_last": -1.0}, "blq_last must be"),
        ({"lambda_z_min_points": 1}, "lambda_z_min_points must be at least 2, got 1"),
        ({"lambda_z_slope_rule": "all"}, "lambda_z_slope_rule must be one of negative-only, any"),
        ({"windows": ((28, 0),)}, "windows must satisfy"),
    ],
)
def test_a_wrong_choice_is_named_with_what_is_allowed(arguments, message):
    with pytest.raises(ValueError, match=message):
        nca(DAYS, VALUES, **arguments)


def test_wrong_arrays_are_refused():
    with pytest.raises(ValueError, match="one shape, got"):
        nca([0, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="time must increase within each profile"):
        nca([0, 7, 3], [0, 1, 2])
    with pytest.raises(ValueError, match="thresholds must be above 0"):
        exposure.time_above(DAYS, VALUES, thresholds=[0])
    with pytest.raises(ValueError, match="profiles x samples, got 3 dimensions"):
        nca(np.zeros((1, 2, 3)), np.zeros((1, 2, 3)))


def test_the_kernel_loads_neither_pandas_nor_scipy():
    code = "import sys, cart7.stats.exposure; print(sorted({'pandas', 'scipy.stats'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_dose_proportional_exposure_is_found_so_and_a_flat_one_not():
    dose = np.repeat([1.0, 4.0, 16.0], 3)
    wobble = np.tile([0.97, 1.0, 1.04], 3)
    proportional = exposure_models.dose_proportionality(50 * dose * wobble, dose)
    assert (proportional.conclusion, proportional.n) == ("proportional", 9)
    assert proportional.normalised_ratio == pytest.approx(1, abs=1e-12)
    assert exposure_models.dose_proportionality(50 * wobble, dose).conclusion == "not proportional"
    noisy = np.array([1, 9, 0.2, 3, 0.1, 8, 30, 0.5, 2])
    assert exposure_models.dose_proportionality(noisy, dose).conclusion == "inconclusive"


def test_missing_exposures_are_left_out_and_too_few_are_inconclusive():
    found = exposure_models.dose_proportionality([100.0, np.nan, 400.0], [1.0, 2.0, 4.0])
    assert (found.n, found.slope, found.conclusion) == (2, pytest.approx(1), "inconclusive")
    assert np.isnan([found.std_err, found.ci_low, found.ci_high]).all()
    one_level = exposure_models.dose_proportionality([100.0, 200.0, 300.0], [2.0, 2.0, 2.0])
    assert (one_level.n, one_level.dose_ratio, one_level.conclusion) == (3, 1, "inconclusive")
    assert np.isnan([one_level.slope, one_level.normalised_ratio]).all()
    assert exposure_models.dose_proportionality([], []).n == 0


def test_the_exact_rank_test_counts_every_division():
    """Against all 126 ways to choose 5 of 9, with ties."""
    values = np.array([1.0, 2, 2, 3, 5, 5, 5, 8, 9])
    yes = np.array([0, 0, 1, 0, 1, 1, 0, 1, 1])
    ranks = np.array([1, 2.5, 2.5, 4, 6, 6, 6, 8, 9])
    sums = np.array([ranks[list(pick)].sum() for pick in combinations(range(9), 5)])
    seen = ranks[yes == 1].sum()
    want = 2 * min((sums <= seen).mean(), (sums >= seen).mean())
    found = exposure_models.exposure_response(values, yes)
    assert (found.wilcoxon_w, found.wilcoxon_p_value) == (seen - 15, pytest.approx(want, rel=1e-12))


def test_a_separated_outcome_has_a_finite_firth_slope():
    found = exposure_models.exposure_response([10.0, 20, 40, 80, 160, 320], [0, 0, 0, 1, 1, 1])
    assert 0 < found.firth_slope < 10
    assert found.spearman_rho == pytest.approx(0.87831, abs=1e-5)


def test_an_outcome_that_cannot_be_compared_says_so():
    same = exposure_models.exposure_response([1.0, 2, 3], [1, 1, 1])
    assert (np.isnan(same.gm_ratio), same.note) == (True, "the outcome does not vary")
    single = exposure_models.exposure_response([1.0, 2, 4], [0, 0, 1])
    assert np.isnan(single.ci_low)
    assert single.pooled_ci_low < single.gm_ratio < single.pooled_ci_high
    assert "no Welch interval" in single.note
    flat = exposure_models.exposure_response([2.0, 2, 2, 2], [0, 0, 1, 1])
    assert (flat.gm_ratio, flat.wilcoxon_p_value) == (1, 1)
    assert np.isnan([flat.firth_slope, flat.kendall_tau]).all()


@pytest.mark.parametrize(
    ("values", "outcome", "note"),
    [
        ([], [], "no subject with an exposure and an outcome"),
        ([1, np.nan], [np.nan, 1], "no subject with an exposure and an outcome"),
        ([2, 2, 2, 2], [0, 0, 1, 1], "all exposures are equal: no interval, no regression, no correlation"),
        ([0.1, 0.1, 0.1, 0.7, 0.7, 0.7], [0, 0, 0, 1, 1, 1],
         "exposures are equal within each outcome: no interval"),
        ([1, 2], [0, 1], "two subjects: no interval"),
    ],
)  # fmt: skip
def test_an_interval_without_a_spread_is_missing_and_says_so(values, outcome, note):
    found = exposure_models.exposure_response(values, outcome)
    assert found.note == note
    for name in ("ci_low", "ci_high", "welch_df", "welch_p_value", "pooled_ci_low", "pooled_ci_high"):
        assert np.isnan(getattr(found, name))


def test_a_limit_too_large_for_a_number_is_missing_not_infinite():
    found = exposure_models.exposure_response([1, 1e9, 3, 5e8], [0, 0, 1, 1], conf_level=0.9999)
    assert found.ci_low >= 0
    assert np.isnan(found.ci_high)
    assert np.isfinite(found.pooled_ci_high) or np.isnan(found.pooled_ci_high)
    assert found.note == "an upper limit is too large for a number"


def test_exposures_and_doses_must_be_above_0():
    with pytest.raises(ValueError, match=r"values must be above 0 .* got 0"):
        exposure_models.dose_proportionality([0.0, 1], [1.0, 2])
    with pytest.raises(ValueError, match=r"dose must be above 0 .* got -1"):
        exposure_models.dose_proportionality([1.0, 1], [-1.0, 2])
    with pytest.raises(ValueError, match="both sides of 1"):
        exposure_models.dose_proportionality([1.0], [1.0], limits=(1.1, 1.2))
    with pytest.raises(ValueError, match="conf_level must be strictly"):
        exposure_models.exposure_response([1.0], [1.0], conf_level=1)
    with pytest.raises(ValueError, match="as long as each other"):
        exposure_models.exposure_response([1.0, 2], [1.0])
