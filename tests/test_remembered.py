"""Readings of small tables are kept for the next table, and never serve for another table."""

import numpy as np
import pandas as pd
import pytest

import cart7
from cart7 import safety
from cart7.toxicity import remembered as room


@pytest.fixture
def counted():
    calls = []

    @room.remembered
    def total(frame, word="", *, extra=None):
        calls.append(word)
        return frame["a"].sum()

    return total, calls


def words(*cells):
    return pd.Series(cells, dtype=object)


def frame(**more):
    return pd.DataFrame({"a": [1.0, np.nan], "b": words("x", None)} | more)


def test_equal_frames_are_read_once(counted):
    total, calls = counted
    assert total(frame()) == total(frame()) == 1.0
    assert len(calls) == 1


@pytest.mark.parametrize(
    "other",
    [
        frame(c=1),
        frame().rename(columns={"b": "B"}),
        frame().rename_axis("row"),
        frame().set_axis([1, 2]),
        frame().astype({"a": object}),
        frame().iloc[::-1],
        frame().assign(a=[1.0, 2.0]),
        frame().assign(b=words(True, None)),
    ],
)
def test_a_frame_that_differs_in_anything_is_read_again(counted, other):
    total, calls = counted
    total(frame())
    total(other)
    assert len(calls) == 2


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_cell_is_a_missing_cell(counted, missing):
    total, calls = counted
    for _ in range(2):
        total(frame(b=words("x", missing)))
    assert len(calls) == 1


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "category", "string", "datetime64[ns]"])
def test_columns_of_every_type_are_compared(counted, dtype):
    total, calls = counted
    for cells in ([1, None], [1, None], [0, None], [1, 1]):
        total(frame(b=pd.Series(cells).astype("Int64" if dtype == "boolean" else object).astype(dtype)))
    assert len(calls) == 3


def test_the_order_of_levels_is_compared(counted):
    total, calls = counted
    for levels in (["1", "2"], ["1", "2"], ["2", "1"]):
        total(frame(b=pd.Categorical(["1", "2"], categories=levels)))
    assert len(calls) == 2


def test_cells_that_cannot_be_compared_are_read_again(counted):
    total, calls = counted
    for _ in range(2):
        total(frame(b=words(np.zeros(2), np.ones(2))))
    assert len(calls) == 2


def test_an_answer_is_known_by_itself(counted):
    total, calls = counted

    @room.remembered
    def read(given):
        return given.copy()

    for _ in range(2):
        total(read(frame()))
    assert len(calls) == 1


def test_a_frame_that_was_changed_in_place_is_read_again(counted):
    total, calls = counted
    given = frame()
    assert total(given) == 1.0
    given.loc[1, "a"] = 5.0
    assert total(given) == 6.0
    assert len(calls) == 2


def test_true_is_not_1_in_a_column_of_words(counted):
    total, calls = counted
    for flag in (1, True, "1", 1.0):
        total(frame().assign(b=words(flag, None)))
    assert len(calls) == 4


def test_another_argument_is_another_reading_and_1_is_not_true(counted):
    total, calls = counted
    for more in ({"word": "x"}, {"extra": 1}, {"extra": True}, {"extra": 1.0}, {"extra": (1,)}):
        total(frame(), **more)
    assert len(calls) == 5


def test_large_frames_and_records_are_not_kept(counted):
    total, calls = counted
    large = pd.DataFrame({"a": np.zeros(room.MOST_CELLS + 1)})
    total(large)
    total(large)
    assert len(calls) == 2


@pytest.mark.parametrize("make", [safety.overview, safety.by_term, safety.icaht, safety.blood_counts])
def test_what_a_result_holds_is_its_own(make):
    study = cart7.example_study()
    table = study.labs if make in (safety.icaht, safety.blood_counts) else study.adverse_events
    few = study.subjects.head(3)
    first = make(table, few)
    assert len(first.excluded)
    first.excluded["reason"] = "changed"
    first.subjects["subject_id"] = "X"
    again = make(table, few)
    assert "changed" not in set(again.excluded["reason"])
    assert "X" not in set(again.subjects["subject_id"])


def test_a_result_may_be_changed_without_changing_the_next_one():
    study = cart7.example_study()
    tables = (study.labs, study.subjects)
    first = safety.lab_grades(*tables)
    first["grade"] = 9
    assert (safety.lab_grades(*tables)["grade"] != 9).any()
    events = safety.treatment_emergent(study.adverse_events, study.subjects)
    events["treatment_emergent"] = False
    assert safety.treatment_emergent(study.adverse_events, study.subjects)["treatment_emergent"].any()
