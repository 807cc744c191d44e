"""Properties of the way to ADaM and back."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart7 import files
from cart7.cdisc import adam_values
from cart7.cdisc.adam_files import stored
from cart7.cdisc.adam_people import study_day
from cart7.cdisc.adam_writing import _in_pieces

WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=40)
NUMBERS = st.one_of(st.none(), st.floats(-1e12, 1e12).filter(lambda x: x == 0 or abs(x) > 1e-12))


@given(st.integers(-5000, 5000))
def test_a_day_survives_the_study_day_and_no_study_day_is_0(day):
    counted = study_day(pd.Series([float(day)]))[0]
    assert counted != 0
    assert adam_values.day_of_study_day(counted) == day


@given(st.text(max_size=700))
def test_the_pieces_of_a_text_are_the_text_and_fit(text):
    text = text.encode("utf-8", "ignore").decode()
    pieces = _in_pieces(text)
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= 200 for piece in pieces)


@pytest.mark.parametrize("suffix", [".xpt", ".json"])
@settings(deadline=None, max_examples=30)
@given(rows=st.lists(st.tuples(WORDS, NUMBERS, st.integers(0, 40_000)), min_size=1, max_size=8))
def test_a_data_set_is_read_as_it_was_written(suffix, rows):
    words, numbers, days = zip(*rows, strict=True)
    dates = pd.to_datetime("1960-01-01") + pd.to_timedelta(np.array(days), unit="D")
    frame = pd.DataFrame(
        {"WORD": list(words), "AVAL": np.array(numbers, dtype=float), "ADT": dates.astype("datetime64[s]")}
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"adxx{suffix}"
        files.write_file(path, stored(frame), dataset="ADXX", label="Any", labels={"WORD": "Word"})
        found = files.read_file(path, name="labs")
    assert not [problem for problem in found.problems if problem.severity == "error"]
    assert found.cells["WORD"].tolist() == list(words)
    read = [None if number is None else float(number) for number in found.cells["AVAL"]]
    assert read == [None if number is None else float(number) for number in numbers]
    assert [adam_values.date(cell) for cell in found.cells["ADT"]] == [f"{date:%Y-%m-%d}" for date in dates]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_lines_name_the_first_and_no_line_that_is_not_there(rows):
    said = adam_values.lines(rows).removesuffix(" ...")
    named = set()
    for part in said.split(", "):
        low, _, high = part.partition("-")
        named |= set(range(int(low), int(high or low) + 1))
    assert named <= {row + 1 for row in rows}
    assert min(rows) + 1 in named
