"""Survival of two groups at one time: the melded beta product test against Fisher, fractions and draws."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact
from tests.twins import melded as twin

from cart7 import survival
from cart7.stats import melded
from cart7.stats.survival_curves import curve

PARMS = tuple(melded.PARAMETERS)
COLUMNS = [
    "t", "group_1", "group_2", "survival_1", "survival_2", "estimate", "ci_low", "ci_high", "p_value",
    "p_less", "p_greater", "method", "note",
]  # fmt: skip

# Nine and eight subjects, censored in between, both followed past day 10.
FIRST = ([2, 3, 5, 5, 7, 8, 12, 14, 15], [1, 0, 1, 1, 0, 1, 0, 1, 0])
SECOND = ([1, 4, 6, 9, 11, 13, 13, 16], [0, 1, 0, 1, 0, 0, 1, 0])

few = settings(max_examples=25, deadline=None)
observations = st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=10)


def alive(x, n):
    """n subjects, x of them alive at 5, all followed to 9."""
    return [3] * (n - x) + [9] * x, [1] * (n - x) + [0] * x


def compared(first, second, t, **options):
    """The first row for two groups a and b."""
    time, event = [*first[0], *second[0]], [*first[1], *second[1]]
    group = ["a"] * len(first[0]) + ["b"] * len(second[0])
    return survival.compare_at(time, event, group, t, **options).iloc[0]


# ---- the kernel ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("n1", "n2"), [(1, 1), (3, 6), (9, 9), (25, 4)])
def test_without_censoring_the_p_values_are_those_of_fisher(n1, n2):
    """Fay, Proschan and Brittain (2015): the melded test of two binomials is Fisher's exact test."""
    for x1 in range(n1 + 1):
        for x2 in range(n2 + 1):
            table = [[x2, n2 - x2], [x1, n1 - x1]]
            less, greater = (fisher_exact(table, alternative=side)[1] for side in ("less", "greater"))
            for parm in PARMS if n1 + n2 < 10 else PARMS[:1]:
                found = melded.melded_test(curve(*alive(x1, n1)), curve(*alive(x2, n2)), 5, parm=parm)
                assert found.p_less == pytest.approx(less, abs=1e-12), (x1, x2, parm)
                assert found.p_greater == pytest.approx(greater, abs=1e-12), (x1, x2, parm)
                assert found.p_value == pytest.approx(min(1, 2 * less, 2 * greater), abs=2e-12)


@few
@given(observations, observations, st.integers(1, 12))
def test_p_values_are_those_of_exact_fractions(first, second, t):
    first, second = (tuple(zip(*rows, strict=True)) for rows in (first, second))
    (u1, l1), (u2, l2) = twin.rates_at(*first, t), twin.rates_at(*second, t)
    found = melded.melded_test(curve(*first), curve(*second), t)
    less = 1 if u2 is None or l1 is None else twin.ratio_at_most(u2, l1, Fraction(1))
    greater = 1 if u1 is None or l2 is None else twin.ratio_at_most(u1, l2, Fraction(1))
    assert (found.p_less, found.p_greater) == pytest.approx((float(less), float(greater)), abs=1e-12)


@pytest.mark.parametrize("t", [3, 5, 6, 10])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(
    ("parm", "at_most"), [("ratio", twin.ratio_at_most), ("difference", twin.difference_at_most)]
)
def test_a_limit_leaves_its_tail_in_exact_fractions(parm, at_most, t, level):
    (u1, l1), (u2, l2) = twin.rates_at(*FIRST, t), twin.rates_at(*SECOND, t)
    found = melded.melded_test(curve(*FIRST), curve(*SECOND), t, parm=parm, conf_level=level)
    if u1 is not None:
        assert float(at_most(u1, l2, Fraction(found.low))) == pytest.approx((1 - level) / 2, abs=1e-12)
    if u2 is not None:
        assert float(at_most(l1, u2, Fraction(found.high))) == pytest.approx((1 + level) / 2, abs=1e-12)


@pytest.mark.parametrize("midp", [False, True])
@pytest.mark.parametrize("parm", PARMS)
@pytest.mark.parametrize("t", [1, 4, 6, 10])
def test_limits_and_p_values_are_those_of_drawn_beta_products(parm, t, midp):
    n, level = 400_000, 0.9
    found = melded.melded_test(curve(*FIRST), curve(*SECOND), t, parm=parm, conf_level=level, midp=midp)
    rng = np.random.default_rng(20151)
    less, greater, low, high = twin.by_simulation(FIRST, SECOND, t, parm, level, rng, n, midp=midp)
    assert (found.p_less, found.p_greater) == pytest.approx((less, greater), abs=5 * 0.5 / n**0.5)
    # Limits are compared as probabilities: the draws below the limit are a part of the tail, give or take 5 SE.
    rng = np.random.default_rng(20152)
    (l1, u1), (l2, u2) = twin.draws(*FIRST, t, rng, n), twin.draws(*SECOND, t, rng, n)
    if midp:
        l1 = u1 = np.where(rng.random(n) < 0.5, l1, u1)
        l2 = u2 = np.where(rng.random(n) < 0.5, l2, u2)
    lowest, highest = twin.parameter(parm, u1, l2), twin.parameter(parm, l1, u2)
    near = 5 * (0.05 * 0.95 / n) ** 0.5
    if 0 < found.low < np.inf or parm == "difference":
        assert np.mean(lowest <= found.low) == pytest.approx(0.05, abs=near)
    else:
        assert found.low == low == 0
    if np.isfinite(found.high):
        assert np.mean(highest >= found.high) == pytest.approx(0.05, abs=near)
    else:
        assert high == np.inf


@few
@given(observations, observations, st.integers(0, 13), st.booleans())
def test_exchanging_the_groups_mirrors_everything(first, second, t, midp):
    one, other = (curve(*zip(*rows, strict=True)) for rows in (first, second))
    for parm in PARMS:
        there = melded.melded_test(one, other, t, parm=parm, midp=midp)
        back = melded.melded_test(other, one, t, parm=parm, midp=midp)
        assert (there.p_less, there.p_value) == pytest.approx((back.p_greater, back.p_value), abs=1e-11)
        if parm == "difference":
            assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)
        else:
            mirrored = [0.0 if np.isinf(limit) else np.inf if limit == 0 else 1 / limit
                        for limit in (back.high, back.low)]  # fmt: skip
            assert (there.low, there.high) == pytest.approx(mirrored, rel=1e-8)


@few
@given(observations, observations, st.integers(0, 13), st.booleans(), st.sampled_from([0.6, 0.9, 0.99]))
def test_test_and_limits_agree_and_hold_the_estimate(first, second, t, midp, level):
    one, other = (curve(*zip(*rows, strict=True)) for rows in (first, second))
    for parm in PARMS:
        found = melded.melded_test(one, other, t, parm=parm, conf_level=level, midp=midp)
        null = 0.0 if parm == "difference" else 1.0
        if abs(found.p_value - (1 - level)) > 1e-9:
            assert (found.low > null or found.high < null) == (found.p_value < 1 - level)
        if not (midp or np.isnan(found.estimate)):
            assert found.low <= found.estimate <= found.high


def test_a_limit_at_the_end_of_the_scale_is_exactly_there():
    """All of group 1 alive and all of group 2 dead: the mid-p lower limit of the difference is -1."""
    found = melded.melded_test(curve([12], [1]), curve([1, 5, 7], [1, 1, 1]), 7, midp=True)
    assert (found.estimate, found.low) == (-1, -1)
    nothing_known = melded.melded_test(curve([3], [0]), curve([3], [0]), 5)
    assert (nothing_known.low, nothing_known.high) == (-1, 1)


def test_a_mid_p_test_is_shorter_and_its_limits_lie_within():
    exact, mid = (melded.melded_test(curve(*FIRST), curve(*SECOND), 10, midp=midp) for midp in (False, True))
    assert exact.low < mid.low < mid.high < exact.high
    assert mid.p_value < exact.p_value


def test_one_group_far_larger_gives_nearly_the_limits_of_the_other_alone():
    """With 500 of 500 alive in group 1 the difference less 0 is the survival of group 2 less one."""
    time, event = alive(500, 500)
    found = melded.melded_test(curve(time, event), curve(*SECOND), 8)
    bands = survival.bpcp(*SECOND)
    row = bands[(bands["left"] <= 8) & (bands["right"] > 8)].iloc[0]
    assert found.low == pytest.approx(row["ci_low"] - 1, abs=1e-12)  # U of group 1 is 1
    assert found.high == pytest.approx(row["ci_high"] - 1, abs=0.01)


def test_beyond_500_subjects_moments_stand_in_and_agree():
    rng = np.random.default_rng(7)
    time, event = rng.integers(1, 300, 500), rng.random(500) < 0.6
    exact = melded.melded_test(curve(time, event), curve(*SECOND), 10)
    more = melded.melded_test(curve([*time, 400], [*event, 0]), curve(*SECOND), 10)
    assert more.low == pytest.approx(exact.low, abs=2e-3)
    assert more.p_value == pytest.approx(exact.p_value, abs=2e-3)


def test_mixtures_of_betas_are_the_beta_products():
    for rates in ([9], [9, 8, 7], [12, 11, 4, 1], [30, 29, 28, 3, 2], [500, 1]):
        law = melded.mixture(np.array(rates, dtype=float))
        assert law.weight.sum() == pytest.approx(1, abs=1e-13)
        for w in (0.01, 0.5, 0.99):
            exact = sum(c * Fraction(w) ** r for r, c in twin.coefficients(rates).items())
            assert law.below(np.array([w]))[0] == pytest.approx(float(exact), abs=1e-13)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parm": "hazard"}, "parm must be one of difference, ratio, cdfratio, oddsratio, got 'hazard'"),
        ({"conf_level": 1}, "conf_level must be strictly between 0 and 1, got 1"),
        ({"t": -1}, "t must be"),
        ({"t": np.nan}, "t must be"),
    ],
)
def test_impossible_arguments_are_named(options, message):
    when = options.pop("t", 5)
    with pytest.raises(ValueError, match=message):
        melded.melded_test(curve(*FIRST), curve(*SECOND), when, **options)
    with pytest.raises(ValueError, match=message):
        compared(FIRST, SECOND, when, **options)


# ---- the frame ----------------------------------------------------------------------------------


def test_columns_and_one_row_per_time():
    time, event = [*FIRST[0], *SECOND[0]], [*FIRST[1], *SECOND[1]]
    found = survival.compare_at(time, event, [1.0] * 9 + [10.0] * 8, [10, 6])
    assert list(found) == COLUMNS
    assert found["t"].tolist() == [10, 6]
    assert found[["group_1", "group_2"]].values.tolist() == [["1", "10"]] * 2
    assert found["method"].tolist() == ["melded beta product, S2 - S1"] * 2
    assert found["note"].tolist() == ["", ""]


def test_row_order_and_unit_do_not_matter():
    time, event = np.array([*FIRST[0], *SECOND[0]]), np.array([*FIRST[1], *SECOND[1]])
    group = np.array(["a"] * 9 + ["b"] * 8)
    shuffled = np.random.default_rng(1).permutation(17)
    usual = survival.compare_at(time, event, group, 10)
    again = survival.compare_at(time[shuffled] * 30.4375, event[shuffled], group[shuffled], 10 * 30.4375)
    pd.testing.assert_frame_equal(usual.drop(columns="t"), again.drop(columns="t"))


def test_past_the_last_observation_the_survival_is_carried_on_and_the_note_says_so():
    row = compared(([2, 4], [1, 0]), ([3, 9, 9], [1, 0, 0]), 6)
    assert (row["survival_1"], row["survival_2"]) == (0.5, pytest.approx(2 / 3))
    assert row["note"] == ("group a is not observed past 4: its survival is carried on, its lower limit is 0")
    assert row["p_less"] == 1  # nothing speaks for a higher survival in group 1: it may be 0
    gone = compared(([2, 4], [1, 1]), ([3, 9, 9], [1, 0, 0]), 6)
    assert (gone["survival_1"], gone["note"]) == (0, "")


def test_missing_numbers_say_why():
    nobody_died = ([9, 9], [0, 0])
    row = compared(nobody_died, nobody_died, 5, parm="oddsratio")
    assert row[["estimate", "ci_high"]].isna().all()
    assert (row["ci_low"], row["p_value"]) == (0, 1)
    assert row["note"] == "no estimate: a denominator of 0; no upper limit: a denominator of 0"
    for parm in PARMS:
        for first in (FIRST, nobody_died, ([2, 2], [1, 1]), ([2, 2], [0, 0])):
            for t in (0, 1, 5, 10, 99):
                row = compared(first, SECOND, t, parm=parm)
                assert not np.isinf(row[COLUMNS[3:11]].astype(float)).any()
                assert row["note"] or row.notna().all()


def test_before_any_event_nothing_speaks_for_either_group():
    row = compared(FIRST, SECOND, 0.5)
    assert row[["estimate", "p_value", "p_less", "p_greater"]].tolist() == [0, 1, 1, 1]
    assert row["ci_low"] == pytest.approx(0.025 ** (1 / 8) - 1, abs=1e-12)
    assert row["ci_high"] == pytest.approx(1 - 0.025 ** (1 / 9), abs=1e-12)


@pytest.mark.parametrize("rows", [0, 3])
def test_without_a_second_group_the_row_says_so(rows):
    found = survival.compare_at([1, 2, 3][:rows], [1, 0, 1][:rows], ["a"] * rows, 2)
    assert found["note"].tolist() == ["two groups with subjects are needed"]
    assert found[COLUMNS[3:11]].isna().all(axis=None)
    assert found["group_2"].tolist() == [""]


def test_rows_that_are_not_complete_are_left_out_and_counted():
    whole = compared(FIRST, SECOND, 10)
    row = compared(([*FIRST[0], np.nan], [*FIRST[1], 1]), SECOND, 10)
    assert row["p_value"] == whole["p_value"]
    assert row["note"] == "1 rows without time, event or group left out"


def test_three_groups_are_refused():
    with pytest.raises(ValueError, match="group must name two groups, got 3: a, b, c"):
        survival.compare_at([1, 2, 3], [1, 1, 0], ["a", "b", "c"], 2)


def test_input_is_not_modified():
    frame = pd.DataFrame({"time": [2.0, 4.0, 3.0, 9.0], "event": [1, 0, 1, 0], "group": list("aabb")})
    before = frame.copy()
    survival.compare_at(frame["time"], frame["event"], frame["group"], 3)
    pd.testing.assert_frame_equal(frame, before)
