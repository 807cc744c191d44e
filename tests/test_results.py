"""The long shape: its rows, its check, comparison, rounding."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart7 import results


def rows(**stats):
    frame = pd.DataFrame({name: [value] for name, value in stats.items()} | {"note": ["median not reached"]})
    return results.long_rows(
        frame, analysis="survival.endpoint_table", param="OS", group="ALL", stats=list(stats)
    )


def test_a_number_becomes_a_value_and_a_word_a_text():
    long = rows(n=9, response="CR")
    assert long["value"].tolist()[0] == 9.0
    assert long["text"].tolist() == ["", "CR"]
    assert long["unit"].tolist() == ["1", ""]


def test_a_missing_number_carries_its_note_and_a_known_one_none():
    long = rows(median=np.nan, n=9)
    assert long["note"].tolist() == ["median not reached", ""]


def test_infinity_never_leaves_as_a_number():
    assert np.isnan(rows(upper=math.inf)["value"].iloc[0])


def test_a_flag_is_one_or_zero():
    frame = pd.DataFrame({"dlt": [True, False]})
    assert results.long_rows(frame, analysis="a", param="DLT", stats=["dlt"])["value"].tolist() == [1.0, 0.0]


def test_the_check_finds_repeated_keys_and_bare_missing_numbers():
    long = pd.concat([rows(n=9), rows(n=9)], ignore_index=True)
    assert "key stands twice" in results.check(long)[0]
    bare = rows(n=9).assign(value=np.nan)
    assert "missing without a note" in results.check(bare)[0]
    assert results.check(rows(n=9)) == []


def test_the_check_names_the_columns_of_another_shape():
    assert "columns must be" in results.check(pd.DataFrame({"a": [1]}))[0]


def test_compare_lists_moved_new_and_lost_rows():
    moved = results.compare(rows(n=9, median=400.0), rows(n=9, median=401.0, upper=1.0))
    assert moved["stat"].tolist() == ["median", "upper"]
    assert moved["difference"].tolist() == ["value", "only in b"]


def test_compare_sees_a_changed_word():
    assert results.compare(rows(response="CR"), rows(response="PR"))["difference"].tolist() == ["text"]


def test_compare_takes_missing_as_equal_to_missing():
    assert not len(results.compare(rows(median=np.nan), rows(median=np.nan)))


def test_compare_honours_the_relative_tolerance():
    assert not len(results.compare(rows(x=1.0), rows(x=1.0 + 1e-10)))
    assert len(results.compare(rows(x=1.0), rows(x=1.0 + 1e-8)))


@pytest.mark.parametrize(
    ("x", "digits", "expected"),
    [
        (0.5, 0, 1.0),
        (-0.5, 0, -1.0),
        (2.5, 0, 3.0),
        (6.25, 1, 6.3),
        (1.005, 2, 1.01),
        (0.49999999, 0, 0.0),
        (1e22, 2, 1e22),
    ],
)
def test_rounding_is_half_away_from_zero_on_the_shortest_decimal(x, digits, expected):
    assert results.round_half_up(x, digits) == expected


def test_counts_are_printed_with_their_percentage():
    assert [results.format_count(n, 9) for n in (0, 1, 6, 9)] == ["0", "1 (11.1)", "6 (66.7)", "9 (100)"]
    assert results.format_count(1, 16) == "1 (6.3)"


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_rounding_moves_a_number_by_at_most_half_a_unit(x, digits):
    assert abs(results.round_half_up(x, digits) - x) <= 0.5 * 10.0**-digits * (1 + 1e-9)


def test_excluded_rows_keep_their_place():
    frame = pd.DataFrame({"row": [3, 5], "subject_id": ["1", "2"]})
    excluded = results.excluded_rows(frame, "pd", "value missing")
    assert excluded["row"].tolist() == [3, 5]
    assert excluded["reason"].unique().tolist() == ["value missing"]
