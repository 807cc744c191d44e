"""Two proportions: ties, directions, edges, errors, and what must hold under exchange of the groups."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.twins import proportions as twin

from cart7 import response
from cart7.stats import proportions

COUNTS = st.integers(1, 8).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
ALTERNATIVES = ("two-sided", "greater", "less")


def test_the_exact_interval_of_three_of_three_against_none_of_three_is_known_in_closed_form():
    # Only this table is as extreme: d with sup p1^3 q2^3 = 0.025 gives 2 * 0.025^(1/6) - 1.
    low, high = proportions.difference_interval(3, 3, 0, 3, method="exact-unconditional")
    assert low == pytest.approx(2 * 0.025 ** (1 / 6) - 1, abs=1e-11)
    assert high == 1


def test_tables_that_tie_exactly_count_as_ties():
    # 7/9 against 3/9: the mirrored table has the same |Z|; lost to rounding, p would be 0.0883.
    assert proportions.compare_test(7, 9, 3, 9, method="barnard") == pytest.approx(0.0975, abs=5e-5)
    assert proportions.compare_test(2, 3, 1, 3, method="boschloo", alternative="greater") == pytest.approx(
        0.34375, abs=1e-11
    )


@pytest.mark.parametrize(("n1", "n2"), [(2, 2), (3, 3), (2, 4)])
def test_the_coverage_of_the_exact_interval_is_never_below_the_level(n1, n2):
    """Over a grid of p2, for every difference just below or above an end, found to 1e-11."""
    tables = list(itertools.product(range(n1 + 1), range(n2 + 1)))
    x1, x2 = np.array(tables).T
    low, high = proportions.difference_interval(x1, n1, x2, n2, method="exact-unconditional", conf_level=0.9)
    least = 1.0
    for end in np.unique([low, high]):
        below = (low < end - 1e-10) & (high >= end - 1e-10)
        above = (low <= end + 1e-10) & (high > end + 1e-10)
        sides = [side for side, there in ((below, end > -1 + 1e-10), (above, end < 1 - 1e-10)) if there]
        for p2 in np.linspace(max(0, -end), min(1, 1 - end), 101):
            p1 = min(max(p2 + end, 0), 1)
            chances = np.array([twin.chance(a, n1, p1) * twin.chance(b, n2, p2) for a, b in tables])
            least = min(least, *(float(chances[side].sum()) for side in sides))
    print(f"{n1} against {n2} at 0.9: least coverage {least:.6f}")
    assert least >= 0.9 - 1e-9
    assert least < 0.96


def fisher_by_listing(x1, n1, x2, n2):
    """Two-sided Fisher p-value in whole numbers."""
    events = x1 + x2
    ways = {k: math.comb(n1, k) * math.comb(n2, events - k) for k in range(min(n1, events) + 1)}
    return sum(way for way in ways.values() if way <= ways[x1]) / math.comb(n1 + n2, events)


@given(COUNTS, COUNTS)
@settings(max_examples=60, deadline=None)
def test_fisher_is_the_sum_over_tables_no_more_likely(one, two):
    assert proportions.compare_test(*one, *two) == pytest.approx(fisher_by_listing(*one, *two), abs=1e-13)


def barnard_by_scanning(x1, n1, x2, n2, steps=200):
    """Largest chance, over a grid of common proportions, of a |Z| at least as large, in fractions."""

    def z_squared(k1, k2):
        if k1 + k2 in (0, n1 + n2):
            return Fraction(0)
        pooled = Fraction(k1 + k2, n1 + n2)
        return (Fraction(k1, n1) - Fraction(k2, n2)) ** 2 / (pooled * (1 - pooled))

    tables = itertools.product(range(n1 + 1), range(n2 + 1))
    extreme = [(k1, k2) for k1, k2 in tables if z_squared(k1, k2) >= z_squared(x1, x2)]
    grid = [i / steps for i in range(steps + 1)]
    return max(sum(twin.chance(k1, n1, p) * twin.chance(k2, n2, p) for k1, k2 in extreme) for p in grid)


@given(COUNTS, COUNTS)
@settings(max_examples=20, deadline=None)
def test_barnard_is_the_largest_chance_over_the_common_proportion(one, two):
    scanned = barnard_by_scanning(*one, *two)
    found = proportions.compare_test(*one, *two, method="barnard")
    # The grid of the scan misses the top by less than its curvature over a quarter step.
    assert scanned - 1e-12 <= found <= scanned + 2e-3


@given(COUNTS, COUNTS, st.sampled_from(proportions.DIFFERENCE_METHODS))
@settings(max_examples=60, deadline=None)
def test_exchanging_the_groups_turns_the_interval_round(one, two, method):
    low, high = proportions.difference_interval(*one, *two, method=method)
    other_low, other_high = proportions.difference_interval(*two, *one, method=method)
    assert (low, high) == pytest.approx((-other_high, -other_low), abs=1e-10)
    difference = one[0] / one[1] - two[0] / two[1]
    assert low - 1e-12 <= difference <= high + 1e-12


@given(COUNTS, COUNTS, st.sampled_from(proportions.COMPARE_METHODS))
@settings(max_examples=60, deadline=None)
def test_exchanging_the_groups_exchanges_the_directions(one, two, method):
    greater, less, both = (
        proportions.compare_test(*one, *two, method=method, alternative=side)
        for side in ("greater", "less", "two-sided")
    )
    swapped = [
        proportions.compare_test(*two, *one, method=method, alternative=side)
        for side in ("less", "greater", "two-sided")
    ]
    assert [greater, less, both] == pytest.approx(swapped, abs=1e-10)
    assert min(greater, less, both) >= 0
    assert max(greater, less, both) <= 1


@given(COUNTS, COUNTS)
@settings(max_examples=40, deadline=None)
def test_one_proportion_or_the_other_is_larger(one, two):
    total = proportions.superiority(*one, *two) + proportions.superiority(*two, *one)
    assert total == pytest.approx(1, abs=1e-12)


def test_very_different_precision_does_not_upset_the_quadrature():
    # The wide posterior is nearly constant around the narrow one: P is its tail beyond 0.3.
    narrow_below = proportions.superiority(7, 9, 300_000, 1_000_000)
    tail = proportions.posterior(7, 9, threshold=0.3).prob_greater
    assert narrow_below == pytest.approx(float(tail), abs=1e-6)


@pytest.mark.parametrize("method", proportions.DIFFERENCE_METHODS)
def test_an_empty_group_gives_nan_and_shapes_are_kept(method):
    low, high = proportions.difference_interval([[1], [2]], 3, [0, 1], [0, 3], method=method)
    assert low.shape == (2, 2)
    assert np.isnan(low[:, 0]).all()
    assert np.isfinite([low[:, 1], high[:, 1]]).all()


@pytest.mark.parametrize("method", proportions.COMPARE_METHODS)
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_a_test_without_subjects_is_nan_and_without_difference_finds_nothing(method, alternative):
    p = proportions.compare_test([0, 3], 3, [0, 3], [0, 3], method=method, alternative=alternative)
    assert np.isnan(p[0])
    assert p[1] == (pytest.approx(0.5) if method == "fisher-midp" and alternative != "two-sided" else 1)


def test_one_proportion_at_the_edges_of_the_hypothesis():
    for method in ("central", "minlike", "blaker"):
        assert proportions.test([0, 9], 9, [0, 1], method=method).tolist() == [1, 1]
        assert proportions.test([0, 9], 9, [1, 0], method=method).tolist() == [0, 0]
    assert np.isnan(proportions.test(0, 0, 0.5))


@given(COUNTS, st.integers(1, 19), st.sampled_from(["minlike", "blaker", "central", "mid-p"]))
@settings(max_examples=80, deadline=None)
def test_the_exact_tests_are_those_of_the_definition(counts, twentieths, method):
    x, n = counts
    slow = {
        "minlike": twin.p_minlike,
        "blaker": twin.p_blaker,
        "central": twin.p_central,
        "mid-p": twin.p_mid,
    }
    expected = slow[method](x, n, Fraction(twentieths, 20))
    assert proportions.test(x, n, twentieths / 20, method=method) == pytest.approx(float(expected), abs=1e-12)


@given(COUNTS, st.floats(0.001, 0.999), st.sampled_from(["clopper-pearson", "mid-p", "blaker", "minlike"]))
@settings(max_examples=80, deadline=None)
def test_what_the_interval_leaves_out_the_test_rejects(counts, p0, method):
    x, n = counts
    low, high = proportions.interval(x, n, method=method)
    p = proportions.test(x, n, p0, method="central" if method == "clopper-pearson" else method)
    if not low - 1e-9 <= p0 <= high + 1e-9:
        assert p <= 0.05 + 1e-9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: proportions.difference_interval(1, 3, 1, 3, method="wald"),
            "method must be one of newcombe",
        ),
        (lambda: proportions.difference_interval(4, 3, 1, 3), "between 0 and n = 3, got 4"),
        (lambda: proportions.difference_interval(1, 3, 1, 3, conf_level=95), "conf_level must be strictly"),
        (lambda: proportions.compare_test(1, 3, 1, 3, method="chisq"), "method must be one of fisher"),
        (lambda: proportions.compare_test(1, 3, 1, 3, alternative="more"), "alternative must be one of"),
        (lambda: proportions.superiority(1, 3, 1, 3, prior=(0, 1)), "prior must be two shapes above 0"),
        (lambda: proportions.test(1, 3, 1.5), "p0 must be between 0 and 1"),
        (lambda: proportions.test(1, 3, 0.5, method="exact"), "method must be one of central"),
        (lambda: proportions.test(1, 3, 0.5, alternative="more"), "alternative must be one of"),
    ],
)
def test_what_cannot_be_asked_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_comparison_has_a_row_per_interval_and_test():
    table = response.compare(7, 9, 3, 9, conf_level=0.9)
    assert table.columns.tolist() == ["method", "estimate", "ci_low", "ci_high", "p_value"]
    assert table["method"].tolist() == [*proportions.DIFFERENCE_METHODS, *proportions.COMPARE_METHODS]
    assert table["estimate"].unique() == pytest.approx([4 / 9])
    low, high = proportions.difference_interval(7, 9, 3, 9, method="mee", conf_level=0.9)
    assert table.loc[table["method"] == "mee", ["ci_low", "ci_high"]].to_numpy().tolist() == [[low, high]]
    assert response.compare(0, 0, 3, 9)["estimate"].isna().all()
