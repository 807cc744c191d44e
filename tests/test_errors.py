"""Errors survive a worker process and print every problem."""

import pickle

from cart7.errors import SHOWN, DataError, Problem


def problems(n):
    return [
        Problem(table="labs", row=row + 1, column="value", value="x", rule="NUM", message="a number")
        for row in range(n)
    ]


def test_an_error_survives_pickling():
    error = pickle.loads(pickle.dumps(DataError(problems(2))))
    assert len(error.problems) == 2
    assert str(error) == str(DataError(problems(2)))


def test_errors_are_printed_before_warnings_and_capped_but_counted():
    warning = Problem(table="labs", rule="W", message="odd", severity="warning")
    text = str(DataError([warning, *problems(SHOWN + 3)]))
    assert text.startswith(f"{SHOWN + 3} problems in the data")
    assert "odd" not in text
    assert "and 3 more" in text


def test_the_frame_holds_every_problem():
    frame = DataError(problems(3)).to_frame()
    assert frame["row"].tolist() == [1, 2, 3]
    assert frame["severity"].tolist() == ["error"] * 3
