"""Bytes to cells: what is said about a file before anybody asks what it means."""

import pandas as pd
import pytest

from cart7.files import csv_table, plain_cells, read_file


def table_of(tmp_path, content, *, encoding=None, name="labs.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return read_file(path, name="labs", encoding=encoding)


def only_problem(table):
    assert len(table.problems) == 1, table.problems
    return table.problems[0]


def test_cells_are_text_as_it_stands_and_rows_count_from_one(tmp_path):
    table = table_of(tmp_path, "subject_id,day,note\n0012,5.0,\nNA, 6 ,nan\n")
    assert table.cells.to_dict("index") == {
        1: {"subject_id": "0012", "day": "5.0", "note": None},
        2: {"subject_id": "NA", "day": " 6 ", "note": "nan"},
    }
    assert table.cells.index.name == "row"
    assert table.problems == ()


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfa,b\r\n1,2\r\n", b"a,b\r1,2\r", b"a,b\n1,2", b"\n\na,b\n1,2\n"]
)
def test_a_byte_order_mark_any_line_end_and_leading_blank_lines_change_nothing(tmp_path, content):
    table = table_of(tmp_path, content)
    assert table.cells.to_dict("index") == {1: {"a": "1", "b": "2"}}
    assert table.problems == ()


def test_a_quoted_cell_may_hold_commas_quotes_and_lines():
    table = csv_table('a,b\n"x, ""y""\nz",2\n', name="labs", file="labs.csv")
    assert table.cells.to_dict("index") == {1: {"a": 'x, "y"\nz', "b": "2"}}


def test_rows_with_more_or_fewer_cells_are_each_named_and_the_others_are_read(tmp_path):
    table = table_of(tmp_path, "subject_id,day,test\nS1,1,ANC\nS1,2\nS2,3,ANC,x\nS2,4,ANC\n")
    assert [(p.row, p.subject_id, p.rule, p.severity) for p in table.problems] == [
        (2, "S1", "ROW-RAGGED", "error"), (3, "S2", "ROW-RAGGED", "error"),
    ]  # fmt: skip
    assert str(table.problems[0]).startswith(
        "labs, line 3: the row has fewer cells than the header (2, not 3)"
    )
    assert list(table.cells.index) == [1, 4]
    assert table.rows_in == 4


def test_a_blank_line_is_no_row_but_keeps_its_line_number(tmp_path):
    table = table_of(tmp_path, "a,b\n1,2\n\n , \n3,4\n\n")
    assert list(table.cells.index) == [1, 4]
    assert table.rows_in == 2
    assert [(p.row, p.rule, p.severity) for p in table.problems] == [(3, "ROW-BLANK", "warning")]


def test_a_column_that_stands_twice_ends_the_reading(tmp_path):
    table = table_of(tmp_path, "subject_id,value,value \n1,2,3\n")
    assert table.cells is None
    assert (only_problem(table).rule, only_problem(table).column) == ("COLUMN-TWICE", "value")


def test_nameless_columns_are_dropped_when_empty_and_kept_when_not(tmp_path):
    table = table_of(tmp_path, "a,,\n1,,x\n2,,\n")
    assert list(table.cells.columns) == ["a", "column_3"]
    assert only_problem(table).rule == "COLUMN-UNNAMED"


@pytest.mark.parametrize(
    ("content", "rule", "says"),
    [
        (b"", "FILE-EMPTY", "labs.csv is empty"),
        (b"\xef\xbb\xbf \r\n", "FILE-EMPTY", "labs.csv is empty"),
        (b"\x0b\n , \n", "FILE-EMPTY", "labs.csv is empty"),
        (b"PK\x03\x04\x14\x00", "FILE-BINARY", "an Excel workbook or another zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "FILE-BINARY", "an old Excel workbook"),
        (b"a,b\n1,\x00\n", "FILE-BINARY", "labs.csv is binary"),
        (bytes(range(1, 256)), "FILE-BINARY", "labs.csv is binary"),
        ("a;b\n1;2\n", "FILE-SEPARATOR", "separated by semicolons"),
        ("a\tb\n1\t2\n", "FILE-SEPARATOR", "separated by tabs"),
        ('a,b\n1,"2\n', "FILE-QUOTES", "quotation marks of labs.csv do not match in line 2"),
        ("a,b\n1,Ä\n".encode("utf-16"), "FILE-ENCODING", "begins like UTF-16"),
    ],
)
def test_a_file_that_is_no_csv_says_what_it_is(tmp_path, content, rule, says):
    table = table_of(tmp_path, content)
    assert table.cells is None
    assert only_problem(table).rule == rule
    assert says in str(only_problem(table))


def test_bytes_that_are_not_utf8_name_the_cell_and_an_encoding_to_try(tmp_path):
    content = "subject_id,site\n1,Leiden\n2,München\n".encode("latin-1")
    problem = only_problem(table_of(tmp_path, content))
    assert problem.rule == "FILE-ENCODING"
    assert "labs, line 3, column site: labs.csv is not UTF-8 text: byte 0xFC" in str(problem)
    assert 'encoding="cp1252"' in problem.fix
    told = table_of(tmp_path, content, encoding="latin-1")
    assert told.cells.loc[2, "site"] == "München"
    wide = table_of(tmp_path, "a,b\n1,Ä\n".encode("utf-16"), encoding="utf-16")
    assert wide.cells.loc[1, "b"] == "Ä"


def test_an_unknown_encoding_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"encoding must be a name that Python knows.*got 'utf-9'"):
        table_of(tmp_path, "a\n1\n", encoding="utf-9")


def test_a_folder_in_place_of_a_file_and_a_file_that_is_gone_are_findings(tmp_path):
    (tmp_path / "labs.csv").mkdir()
    assert only_problem(read_file(tmp_path / "labs.csv", name="labs")).rule == "FILE-IS-A-FOLDER"
    assert only_problem(read_file(tmp_path / "gone.csv", name="labs")).rule == "FILE-UNREADABLE"


def test_parquet_keeps_types_and_says_when_it_is_none(tmp_path):
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    path = tmp_path / "labs.parquet"
    parquet.write_table(arrow.table({"subject_id": ["S1", None], "value": [0.1, None]}), path)
    table = read_file(path, name="labs")
    assert table.cells.to_dict("list") == {"subject_id": ["S1", None], "value": [0.1, None]}
    path.write_bytes(b"PAR1 and then nothing")
    assert only_problem(read_file(path, name="labs")).rule == "FILE-BINARY"


@pytest.mark.parametrize("cell", ['"\\ud800"', "9" * 5000, "NaN"], ids=["half a pair", "5000 digits", "NaN"])
def test_json_that_no_other_file_could_hold_is_told(tmp_path, cell):
    path = tmp_path / "labs.json"
    path.write_text(f'{{"columns": [], "rows": [[{cell}]]}}')
    table = read_file(path, name="labs")
    assert table.cells is None
    assert table.problems[0].rule == "JSON-UNREADABLE"


def test_missing_values_of_every_kind_become_blank_cells():
    cells = plain_cells([None, float("nan"), pd.NA, pd.NaT, "", " ", 0, [1]])
    assert cells.tolist() == [None] * 5 + [" ", 0, "[1]"]
