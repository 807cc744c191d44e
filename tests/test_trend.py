"""Cochran-Armitage trend: reference tables, the definition by enumeration, edges, errors."""

import math
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart7.stats import trend

DATA = Path(__file__).parent / "data" / "response"
COLUMNS = {
    "z": "z_cochran_armitage", "z_hypergeometric": "z_hypergeometric_variance", "p_two_sided": "p_two_asym",
    "p_increasing": "p_increasing_asym", "exact_p_increasing": "exact_p_increasing",
    "exact_p_decreasing": "exact_p_decreasing", "exact_p_two_sided": "exact_p_two_sided_abs",
    "exact_p_doubled": "exact_p_two_sided_doubled", "midp_increasing": "midp_increasing",
}  # fmt: skip


def numbers(text):
    return [float(word) for word in text.split(";")]


def test_every_reference_table_comes_out():
    """R 4.2.2 prop.trend.test and exactRankTests::perm.test; integer enumeration with rational scores."""
    rows = pd.read_csv(DATA / "trend.csv")
    for row in rows.to_dict("records"):
        found = trend.cochran_armitage(numbers(row["x"]), numbers(row["n"]), numbers(row["dose_scores"]))
        for ours, theirs in COLUMNS.items():
            # Printed with 15 digits.
            assert getattr(found, ours) == pytest.approx(row[theirs], abs=5e-14), (row["case"], ours)
    print(f"{len(rows) * len(COLUMNS)} trend values equal")
    assert len(rows) == 16


def exact_by_listing(x, n, scores):
    """P(T >= t), P(T <= t) over all tables with as many events, each weighted by its ways."""
    t = sum(k * s for k, s in zip(x, scores, strict=True))
    above = below = total = 0
    for table in product(*(range(size + 1) for size in n)):
        if sum(table) == sum(x):
            ways = math.prod(math.comb(size, k) for size, k in zip(n, table, strict=True))
            value = sum(k * s for k, s in zip(table, scores, strict=True))
            above, below, total = above + ways * (value >= t), below + ways * (value <= t), total + ways
    return above / total, below / total


GROUPS = st.lists(
    st.integers(0, 4).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=4
)


@given(GROUPS, st.data())
@settings(max_examples=80, deadline=None)
def test_the_exact_tails_are_those_of_all_tables_listed(groups, data):
    x, n = map(list, zip(*groups, strict=True))
    tenths = data.draw(st.lists(st.integers(-30, 30), min_size=len(n), max_size=len(n)))
    found = trend.cochran_armitage(x, n, [value / 10 for value in tenths])
    expected = exact_by_listing(x, n, [Fraction(value, 10) for value in tenths])
    assert (found.exact_p_increasing, found.exact_p_decreasing) == pytest.approx(expected, abs=1e-15)


@given(GROUPS)
@settings(max_examples=60, deadline=None)
def test_turning_the_dose_order_round_swaps_the_directions(groups):
    x, n = map(list, zip(*groups, strict=True))
    up, down = trend.cochran_armitage(x, n), trend.cochran_armitage(x[::-1], n[::-1])
    assert up.exact_p_increasing == down.exact_p_decreasing
    assert up.exact_p_two_sided == down.exact_p_two_sided
    assert up.midp_increasing == down.midp_decreasing
    np.testing.assert_allclose(up.z, -down.z, rtol=1e-12)


def test_only_the_proportions_between_scores_matter():
    x, n = [0, 1, 2, 5], [3, 4, 3, 6]
    assert trend.cochran_armitage(x, n, [0.25, 0.5, 1, 2]) == trend.cochran_armitage(x, n, [1, 2, 4, 8])


@pytest.mark.parametrize("x", [[0, 0, 0], [3, 3, 3]])
def test_nobody_or_everybody_responding_is_no_evidence(x):
    found = trend.cochran_armitage(x, [3, 3, 3])
    assert math.isnan(found.z)
    assert math.isnan(found.p_two_sided)
    assert {found.exact_p_increasing, found.exact_p_two_sided, found.exact_p_doubled} == {1.0}


def test_a_single_group_or_equal_scores_show_no_trend():
    for found in (trend.cochran_armitage([1], [3]), trend.cochran_armitage([0, 3], [3, 3], [2, 2])):
        assert math.isnan(found.z)
        assert found.exact_p_two_sided == 1


def test_a_dose_level_with_nobody_changes_nothing():
    assert trend.cochran_armitage([0, 0, 3], [3, 0, 3]) == trend.cochran_armitage([0, 3], [3, 3], [1, 3])


@pytest.mark.parametrize(
    ("x", "n", "scores", "message"),
    [
        ([4], [3], None, "between 0 and n = 3, got 4"),
        ([1, 2], [3, 3], [1], "scores must be 2 finite numbers"),
        ([1, 2], [3, 3], [1, np.nan], "scores must be 2 finite numbers"),
        ([[1, 2]], [[3, 3]], None, "one-dimensional"),
    ],
)
def test_tables_that_cannot_be_are_refused(x, n, scores, message):
    with pytest.raises(ValueError, match=message):
        trend.cochran_armitage(x, n, scores)
