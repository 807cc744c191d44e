"""Damaged studies and odd texts: typed errors only, no row lost, and two readers of CSV that agree."""

import csv
import io

import pandas as pd
import pytest
from benchmarks import fuzz
from hypothesis import given, settings
from hypothesis import strategies as st

from cart7.errors import Cart7Error
from cart7.files import csv_table, delimited

LINES = st.lists(
    st.lists(st.text(alphabet="ab 1\u00e9\u2028\ufeff", max_size=3), min_size=2, max_size=4), max_size=6
)


def outcome(text, monkeypatch, length):
    monkeypatch.setattr(delimited, "_LONG", length)
    table = csv_table(text, name="labs", file="labs.csv")
    return table.cells.reset_index().values.tolist(), list(table.cells.columns), table.rows_in, table.problems


@settings(max_examples=120, deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.sampled_from([0, 5, 20, 10**6]))
def test_the_column_wise_and_the_row_wise_reader_agree_on_every_text(lines, end, closed, block):
    text = end.join(["subject_id,x,y", *(",".join(line) for line in lines)]) + end * closed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_BLOCK", block)
        assert outcome(text, patch, -1) == outcome(text, patch, 10**9)


def test_the_column_wise_reader_takes_plain_text_and_leaves_the_rest():
    assert delimited._plain_columns("a,b\n1,2\n", ",")[0] == ["a", "b"]
    for odd in (
        'a,b\n"1",2\n',
        "a,b\n1\n",
        "a,b\n1,2,3\n4\n",
        "a,b\n,\n",
        "a,b\n\n1,2\n",
        "a\n1\n",
        "a,b\r1,2\r",
    ):
        assert delimited._plain_columns(odd, ",") is None


@pytest.mark.parametrize("block", [0, 8, 10**6])
def test_a_row_too_long_is_found_wherever_a_block_begins_though_another_is_too_short(monkeypatch, block):
    monkeypatch.setattr(delimited, "_BLOCK", block)
    for odd in ("a,b\n1,2,3\n4\n", "a,b\n1,2\n3,4,5\n6\n", "a,b\n1,2\n3\n4,5,6\n", "a,b\n\n\n1,2,3,4\n"):
        assert delimited._plain_columns(odd, ",") is None


def test_a_mark_of_byte_order_inside_a_file_stays_where_it_stands(monkeypatch):
    monkeypatch.setattr(delimited, "_LONG", -1)
    monkeypatch.setattr(delimited, "_BLOCK", 0)
    table = csv_table("subject_id,day\n\ufeff1,2\n", name="labs", file="labs.csv")
    assert table.cells.values.tolist() == [["\ufeff1", "2"]]


def test_a_long_file_is_read_as_its_rows_stand():
    file = io.StringIO(newline="")
    rows = [[f"S-{n}", str(n), "", " x"] for n in range(20_000)]
    csv.writer(file, lineterminator="\n").writerows([["subject_id", "day", "blank", "word"], *rows])
    table = csv_table(file.getvalue(), name="labs", file="labs.csv")
    assert len(file.getvalue()) > delimited._LONG
    assert table.cells.values.tolist() == [[cell or None for cell in row] for row in rows]
    assert table.cells.index[-1] == len(rows)


@pytest.mark.parametrize("seed", [3, 8, 21, 34, 47, 1534])
def test_a_damaged_study_gives_a_typed_error_or_a_study_without_a_lost_row(seed):
    try:
        study, counted = fuzz.study_of(seed)
    except Cart7Error:
        return
    assert fuzz.lost_rows(study, counted) == 0
    assert not pd.isna(study.problems["message"]).any()
