"""Single tables under rules of their own: what is read, what is found, what two presets add."""

import json
import zipfile

import pandas as pd
import pytest

from cart7 import cdisc
from cart7.errors import DataError


def table_of(tmp_path, content, name="adxx.csv", rules=None, **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return cdisc.read_table(path, rules=rules, on_problem="report", **options)


def found(table):
    rows = table.problems.itertuples()
    return [
        (p.severity, None if pd.isna(p.row) else int(p.row), None if pd.isna(p.column) else p.column, p.rule)
        for p in rows
    ]


def plain(column):
    return [None if pd.isna(cell) else cell for cell in column]


# --- the frame -----------------------------------------------------------------------------------


def test_without_rules_every_csv_column_stays_text(tmp_path):
    table = table_of(tmp_path, "USUBJID,AVAL,ADT\n0012,1.50,2024-01-10\nNA,,\n")
    assert table.frame["USUBJID"].tolist() == ["0012", "NA"]
    assert plain(table.frame["AVAL"]) == ["1.50", None]
    assert plain(table.frame["ADT"]) == ["2024-01-10", None]
    assert (table.name, table.frame.index.tolist(), found(table)) == ("adxx", [1, 2], [])


def test_every_row_stays_though_some_cannot_be_split_into_cells(tmp_path):
    rules = cdisc.TableRules(required=("A",), numbers=("B",))
    table = table_of(tmp_path, "A,B\nx,1\ny\nz,2,3\n,\nw,4\n", rules=rules)
    assert plain(table.frame["A"]) == ["x", None, None, None, "w"]
    assert plain(table.frame["B"]) == [1.0, None, None, None, 4.0]
    assert found(table) == [
        ("error", 2, None, "ROW-RAGGED"), ("error", 3, None, "ROW-RAGGED"), ("warning", 4, None, "ROW-BLANK"),
    ]  # fmt: skip


def test_a_file_that_cannot_be_read_gives_an_empty_frame_or_raises(tmp_path):
    assert table_of(tmp_path, "").frame.empty
    with pytest.raises(DataError, match="is empty"):
        cdisc.read_table(tmp_path / "adxx.csv")
    with pytest.raises(DataError, match="cannot be opened"):
        cdisc.read_table(tmp_path / "gone.csv")


@pytest.mark.parametrize("name", ["adxx.zip", "adxx.csv.gz", "adxx"])
def test_an_archive_or_an_unknown_suffix_is_refused_unopened(tmp_path, name):
    table = table_of(tmp_path, "A\n1\n", name=name)
    assert found(table) == [("error", None, None, "FILE-FORMAT")]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"on_problem": "ignore"}, "on_problem must be one of raise, report"),
        ({"decimal": ";"}, "decimal must be"),
        ({"sep": ", "}, "sep must be one character"),
        ({"encoding": "utf-9"}, "encoding must be a name"),
    ],
)
def test_an_option_that_does_not_exist_is_refused(tmp_path, options, says):
    with pytest.raises(ValueError, match=says):
        cdisc.read_table(tmp_path / "a.csv", **options)


# --- numbers, dates, words -----------------------------------------------------------------------


def test_numbers_are_read_to_the_bit_and_words_for_missing_are_missing(tmp_path):
    rules = cdisc.TableRules(numbers=("AVAL",))
    table = table_of(tmp_path, "AVAL\n0.1\n1e-05\n5e-324\nNaN\n.\nNA\n -3 \n", rules=rules)
    assert plain(table.frame["AVAL"]) == [0.1, 1e-05, 5e-324, None, None, None, -3.0]
    assert found(table) == [("repair", 7, "AVAL", "D07-NUMBER-FORMAT")]


def test_a_number_that_is_none_or_infinite_or_negative_is_an_error_and_missing(tmp_path):
    rules = cdisc.TableRules(not_negative=("AVAL",))
    table = table_of(tmp_path, "AVAL\n1O\n-inf\n1e999\n-0.5\n0\n", rules=rules)
    assert [row[-1] for row in found(table)] == [
        "NUMBER-UNREADABLE", "NUMBER-INFINITE", "NUMBER-INFINITE", "NUMBER-NEGATIVE",
    ]  # fmt: skip
    assert plain(table.frame["AVAL"]) == [None, None, None, None, 0.0]
    assert table.problems["value"].tolist() == ["1O", "-inf", "1e999", "-0.5"]


def test_decimal_commas_are_read_where_they_are_told(tmp_path):
    rules = cdisc.TableRules(numbers=("B",))
    table = table_of(tmp_path, "A;B\nx;12,5\ny;-1,5e3\nz;7\nu;1.250,25\n", rules=rules, sep=";", decimal=",")
    assert table.frame["B"].tolist() == [12.5, -1500.0, 7.0, 1250.25]
    assert found(table) == [("repair", 4, "B", "D07-NUMBER-FORMAT")]
    assert "points between thousands" in table.problems["message"].iloc[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("A;B\nx;12,5\n", r"semicolons .*decimal commas.*sep=';', decimal=\",\""),
        ("A\tB\nx\t1\n", "tabs"),
        ("A|B\nx|1\n", "bars"),
    ],
)
def test_another_separator_is_told_with_the_options_that_read_it(tmp_path, content, says):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=says):
        cdisc.read_table(tmp_path / "a.csv")


def test_dates_are_complete_iso_or_an_error_of_their_kind(tmp_path):
    cells = (
        "2024-02-29 2023-02-29 2024-02 2024 20240229 29FEB2024 2024-02-29T09:30 2024-02-29T25:00 2024-02-29Z"
    )
    rules = cdisc.TableRules(dates=("ADT",))
    table = table_of(tmp_path, "ADT\n" + "\n".join(cells.split()) + "\n", rules=rules)
    assert [(row[1], row[3]) for row in found(table)] == [
        (2, "DATE-UNREADABLE"), (3, "DATE-PARTIAL"), (4, "DATE-PARTIAL"), (5, "DATE-UNREADABLE"),
        (6, "DATE-UNREADABLE"), (8, "DATE-UNREADABLE"), (9, "DATE-UNREADABLE"),
    ]  # fmt: skip
    assert pd.api.types.is_datetime64_any_dtype(table.frame["ADT"])
    assert table.frame["ADT"].dropna().astype(str).tolist() == ["2024-02-29 00:00:00", "2024-02-29 09:30:00"]


def test_a_word_of_a_list_is_repaired_or_refused(tmp_path):
    rules = cdisc.TableRules(allowed={"SPEC": ("BLOOD", "CSF"), "CNSR": ("0", "1")}, numbers=("CNSR",))
    table = table_of(tmp_path, "SPEC,CNSR\nBLOOD,0\n blood,1\nURINE,2\n,\n", rules=rules)
    assert plain(table.frame["SPEC"]) == ["BLOOD", "BLOOD", None, None]
    assert plain(table.frame["CNSR"]) == [0.0, 1.0, None, None]
    assert found(table) == [
        ("repair", 2, "SPEC", "D12-TERM"), ("error", 3, "SPEC", "TERM-UNKNOWN"),
        ("error", 3, "CNSR", "TERM-UNKNOWN"), ("warning", 4, None, "ROW-BLANK"),
    ]  # fmt: skip
    assert table.problems["new_value"].iloc[0] == "BLOOD"


# --- columns, keys, needed values ----------------------------------------------------------------


def test_columns_that_are_needed_and_not_there_are_each_named(tmp_path):
    rules = cdisc.TableRules(required=("USUBJID", "DAY"), key=("USUBJID", "VISIT"))
    table = table_of(tmp_path, "USUBJID\n1\n", rules=rules)
    assert found(table) == [
        ("error", None, "DAY", "MISSING-COLUMN"),
        ("error", None, "VISIT", "MISSING-COLUMN"),
    ]


def test_blanks_only_are_no_value(tmp_path):
    rules = cdisc.TableRules(required=("SITE",), key=("ID",))
    table = table_of(tmp_path, "ID,SITE\n  ,x\n2,  \n,y\n", rules=rules)
    assert found(table) == [
        ("error", 1, "ID", "KEY-MISSING"), ("error", 2, "SITE", "REQUIRED-MISSING"), ("error", 3, "ID", "KEY-MISSING"),
    ]  # fmt: skip
    assert plain(table.frame["SITE"]) == ["x", None, "y"]


def test_a_value_that_could_not_be_read_is_not_told_missing_as_well(tmp_path):
    rules = cdisc.TableRules(required=("DAY",), numbers=("DAY",))
    assert found(table_of(tmp_path, "ID,DAY\n1,x\n2,\n", rules=rules)) == [
        ("error", 1, "DAY", "NUMBER-UNREADABLE"), ("error", 2, "DAY", "REQUIRED-MISSING"),
    ]  # fmt: skip


def test_every_later_row_with_a_key_is_told_and_compared_by_what_was_read(tmp_path):
    rules = cdisc.TableRules(key=("ID", "DAY"), numbers=("DAY",), allowed={"ID": ("A", "B")})
    table = table_of(tmp_path, "ID,DAY\nA,7\na ,7.0\nB,7\nA,7e0\nA,x\nA,x\n", rules=rules)
    twice = table.problems[table.problems["rule"] == "KEY-TWICE"]
    assert twice["row"].tolist() == [2, 4]
    assert all("of row 1" in message for message in twice["message"])
    assert twice["column"].isna().all()


def test_names_in_other_case_are_those_of_the_rules_and_told(tmp_path):
    rules = cdisc.TableRules(required=("USUBJID",), numbers=("AVAL",))
    table = table_of(tmp_path, "usubjid,Aval\n1,2\n", rules=rules)
    assert list(table.frame.columns) == ["USUBJID", "AVAL"]
    assert found(table) == [
        ("repair", None, "USUBJID", "COLUMN-NAME"),
        ("repair", None, "AVAL", "COLUMN-NAME"),
    ]


def test_rules_are_frozen_and_a_misspelt_rule_is_refused():
    with pytest.raises(ValueError, match="requird"):
        cdisc.TableRules(requird=("A",))
    with pytest.raises(ValueError, match="frozen"):
        cdisc.ADTTE.key = ()


def test_bytes_of_another_encoding_name_every_cell(tmp_path):
    content = "ID,SITE,TOWN\n1,München,Köln\n2,Leiden,Århus\n".encode("latin-1")
    table = table_of(tmp_path, content)
    assert found(table) == [
        ("error", 1, "SITE", "FILE-ENCODING"), ("error", 1, "TOWN", "FILE-ENCODING"),
        ("error", 2, "TOWN", "FILE-ENCODING"),
    ]  # fmt: skip
    assert plain(table.frame["SITE"]) == [None, "Leiden"]
    assert table.problems["fix"].str.contains("latin-1").all()
    told = table_of(tmp_path, content, encoding="latin-1")
    assert told.frame["TOWN"].tolist() == ["Köln", "Århus"]
    header = table_of(tmp_path, "ID,Größe\n1,2\n".encode("latin-1"))
    assert header.frame.empty
    assert found(header) == [("error", None, None, "FILE-ENCODING")]


# --- Dataset-JSON --------------------------------------------------------------------------------


def dataset(columns, rows, **more):
    named = [{"itemOID": f"IT.{name}", "name": name, "label": name, "dataType": kind, **how}
             for name, kind, how in columns]  # fmt: skip
    return {"datasetJSONCreationDateTime": "2026-06-30T12:00:00", "datasetJSONVersion": "1.1.2",
            "itemGroupOID": "IG.AD", "records": len(rows), "name": "AD", "label": "A dataset",
            "columns": named, "rows": rows, **more}  # fmt: skip


NUMERIC = {"targetDataType": "integer"}


def test_json_types_are_those_of_the_frame_and_null_is_no_empty_text(tmp_path):
    content = dataset(
        [("S", "string", {}), ("I", "integer", {}), ("F", "float", {}), ("B", "boolean", {}),
         ("D", "date", NUMERIC), ("T", "datetime", NUMERIC), ("P", "date", {}), ("X", "decimal", {})],
        [["", 3, 0.5, True, "2024-01-10", "2024-01-10T09:30:00", "2024-01", "1.50"], [None] * 8],
    )  # fmt: skip
    table = table_of(tmp_path, json.dumps(content), name="ad.json")
    assert found(table) == []
    assert [str(dtype) for dtype in table.frame.dtypes] == [
        "string", "Int64", "float64", "boolean", "datetime64[s]", "datetime64[s]", "string", "string",
    ]  # fmt: skip
    assert plain(table.frame["S"]) == ["", None]
    assert table.frame["X"].iloc[0] == "1.50"
    assert (table.name, table.label, table.labels["S"]) == ("AD", "A dataset", "S")


def test_every_cell_of_another_type_is_named_and_missing(tmp_path):
    cells = [("boolean", 1), ("decimal", 1.5), ("decimal", "1,5"), ("integer", True), ("integer", 2**70),
             ("double", "1"), ("string", 5), ("date", "2024-02-30"), ("date", "10JAN2024"), ("string", ["a"])]  # fmt: skip
    content = dataset(
        [(f"C{n}", kind, {}) for n, (kind, _) in enumerate(cells)], [[cell for _, cell in cells]]
    )
    table = table_of(tmp_path, json.dumps(content), name="ad.json")
    assert found(table) == [("error", 1, f"C{n}", "JSON-TYPE") for n in range(len(cells))]
    assert table.frame.isna().all(axis=None)


def test_what_the_metadata_lack_is_told_with_the_rows_that_are_wrong(tmp_path):
    content = dataset([("A", "string", {}), ("B", "text", {})], [["x"], ["y", "z"], "no row"], records=9)
    del content["name"], content["columns"][0]["label"]
    table = table_of(tmp_path, json.dumps(content), name="ad.json")
    assert {(column, rule) for _, row, column, rule in found(table) if row is None} == {
        (None, "JSON-METADATA"), ("A", "JSON-METADATA"), ("B", "JSON-METADATA"), (None, "JSON-RECORDS"),
    }  # fmt: skip
    assert [row for row in found(table) if row[1] is not None] == [
        ("error", 1, None, "ROW-RAGGED"), ("error", 3, None, "ROW-RAGGED"),
    ]  # fmt: skip
    assert plain(table.frame["A"]) == [None, "y", None]


def test_wrong_lines_of_ndjson_are_each_told_and_the_others_read(tmp_path):
    head = dataset([("A", "string", {}), ("B", "double", {})], [])
    del head["rows"]
    lines = [
        json.dumps(head | {"records": 5}),
        '["a\u2028b", 1]',
        '["b", NaN]',
        '["c", 1',
        '{"A": 1}',
        '["e", 2]',
    ]
    table = table_of(tmp_path, "\n".join(lines) + "\n", name="ad.ndjson")
    assert found(table) == [
        ("error", 2, None, "JSON-UNREADABLE"), ("error", 3, None, "JSON-UNREADABLE"), ("error", 4, None, "ROW-RAGGED"),
    ]  # fmt: skip
    assert plain(table.frame["A"]) == ["a\u2028b", None, None, None, "e"]


# --- presets -------------------------------------------------------------------------------------


def adtte(tmp_path, *rows, header="USUBJID,PARAMCD,AVAL,CNSR,STARTDT,ADT"):
    return table_of(tmp_path, "\n".join([header, *rows]) + "\n", rules=cdisc.ADTTE)


def test_cnsr_is_turned_round_once(tmp_path):
    table = adtte(tmp_path, "1,OS,5,0,,", "2,OS,5,1,,", "3,OS,5,2,,", "4,OS,5,,,", "5,OS,,0,,", "6,OS,5,-1,,",
                  "7,OS,5,0.5,,", "8,OS,5,Y,,")  # fmt: skip
    assert plain(table.frame["EVENT"]) == [True, False, False, None, None, None, None, None]
    assert [(row[1], row[2], row[3]) for row in found(table)] == [
        (4, "CNSR", "REQUIRED-MISSING"), (5, "AVAL", "REQUIRED-MISSING"), (6, "CNSR", "NUMBER-NEGATIVE"),
        (7, "CNSR", "NUMBER-NOT-WHOLE"), (8, "CNSR", "NUMBER-UNREADABLE"),
    ]  # fmt: skip


def test_aval_is_held_against_its_dates_in_days_only(tmp_path):
    table = adtte(
        tmp_path,
        "1,OS,10,0,2024-01-01,2024-01-10,DAYS",
        "2,OS,9,0,2024-01-01,2024-01-10,",
        "3,OS,0.3,0,2024-01-01,2024-01-10,MONTHS",
        "4,OS,0,0,2024-01-01,2024-01-01,DAYS",
        "5,OS,7,0,2024-01-01,2024-01,DAYS",
        header="USUBJID,PARAMCD,AVAL,CNSR,STARTDT,ADT,AVALU",
    )
    assert [(row[1], row[2], row[3]) for row in found(table)] == [
        (2, "AVAL", "ADTTE-DAYS"), (4, "AVAL", "ADTTE-DAYS"), (5, "ADT", "DATE-PARTIAL"),
    ]  # fmt: skip
    assert table.frame["AVAL"].tolist() == [10, 9, 0.3, 0, 7]
    assert plain(table.frame["EVENT"]) == [True] * 5


def test_an_event_of_the_file_that_says_otherwise_is_replaced_and_told(tmp_path):
    header = "USUBJID,PARAMCD,AVAL,CNSR,EVENT"
    assert found(adtte(tmp_path, "1,OS,5,0,true", "2,OS,5,1,N", header=header)) == []
    table = adtte(tmp_path, "1,OS,5,0,N", header=header)
    assert found(table) == [("warning", None, "EVENT", "COLUMN-REPLACED")]
    assert table.frame["EVENT"].tolist() == [True]


def test_words_below_the_limit_are_blq_and_other_words_an_error(tmp_path):
    rows = [
        "BQL,50",
        "not detected,50",
        "<= 50,50",
        "<100,50",
        "<20,",
        "0.00,50",
        "50,50",
        ">9,50",
        "-1,50",
        "NA,50",
        "7,",
    ]
    content = "USUBJID,AVAL,ALLOQ\n" + "".join(f"1,{row}\n" for row in rows)
    table = table_of(tmp_path, content, rules=cdisc.ADPC)
    assert plain(table.frame["BLQ"]) == [True, True, True, True, True, True, False, None, None, None, False]
    assert plain(table.frame["AVAL"]) == [None] * 5 + [0.0, 50.0, None, None, None, 7.0]
    assert found(table) == [
        ("repair", 4, "ALLOQ", "D06-BELOW-LLOQ"), ("repair", 5, "ALLOQ", "D06-BELOW-LLOQ"),
        ("error", 8, "AVAL", "NUMBER-UNREADABLE"), ("error", 9, "AVAL", "NUMBER-NEGATIVE"),
    ]  # fmt: skip
    assert plain(table.frame["ALLOQ"])[3:5] == [100.0, 20.0]


def test_avalc_tells_that_a_missing_aval_is_below_the_limit(tmp_path):
    table = table_of(
        tmp_path,
        "USUBJID,AVAL,AVALC,LLOQ\n1,,<LLOQ,50\n1,,,50\n1,80,BLQ,50\n1,,POSITIVE,50\n",
        rules=cdisc.ADPC,
    )
    assert plain(table.frame["BLQ"]) == [True, None, False, None]
    assert found(table) == [("warning", 3, "AVALC", "RESULT-AND-FLAG")]


def test_a_preset_can_be_extended():
    wider = cdisc.ADPC.model_copy(update={"key": ("USUBJID", "PARAMCD", "NFRLT")})
    assert type(wider) is type(cdisc.ADPC)
    assert "PARAMCD" in wider.columns()


def workbook(path, *rows):
    """A workbook of one sheet: words as inline text, numbers as numbers."""
    cells = [
        f'<c t="inlineStr"><is><t>{cell}</t></is></c>' if isinstance(cell, str) else f"<c><v>{cell}</v></c>"
        for cell in [cell for row in rows for cell in row]
    ]
    width = len(rows[0])
    lines = ["".join(cells[at : at + width]) for at in range(0, len(cells), width)]
    office, sheet = "http://schemas.openxmlformats.org", "spreadsheetml/2006/main"
    relations = f"{office}/package/2006/relationships"
    kind = f"{office}/officeDocument/2006/relationships"
    typed = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{office}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{typed}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{typed}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{relations}"><Relationship Id="r1" '
        f'Type="{kind}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{office}/{sheet}" xmlns:r="{kind}"><sheets>'
        '<sheet name="t" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{relations}"><Relationship Id="r1" '
        f'Type="{kind}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{office}/{sheet}"><sheetData>'
        + "".join(f"<row>{line}</row>" for line in lines) + "</sheetData></worksheet>",
    }  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def test_a_whole_number_of_a_workbook_is_written_whole_in_a_column_of_words(tmp_path):
    path = workbook(tmp_path / "t.xlsx", ["subject_id", "visit"], ["A-1", "D28"], [12, 1.5])
    found = cdisc.read_table(path).frame
    assert found["subject_id"].tolist() == ["A-1", "12"]
    assert found["visit"].tolist() == ["D28", "1.5"]
