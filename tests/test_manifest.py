"""The files beside the report: what a table says, how a result is written, and what verifying returns."""

import csv
import dataclasses
import hashlib
import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest

import cart7
from cart7 import manifest, results
from cart7.errors import VerificationError
from cart7.examples import STUDY_FOLDER
from cart7.manifest import content_hash, results_csv, results_json
from cart7.plan import Plan

LABS = pd.DataFrame(
    {
        "subject_id": ["001", "002"],
        "day": ["5", "6"],
        "sample_date": ["2022-01-05", None],
        "value": ["34", "1.5"],
        "batch": ["01", "2.50"],
    }
)


def long(*rows):
    """Long rows: `param`, `value` and `text`, the rest empty or usual."""
    frame = pd.DataFrame("", index=range(len(rows)), columns=list(results.LONG_COLUMNS))
    frame["analysis"], frame["stat"] = "a", "n"
    frame["param"], frame["value"], frame["text"] = (list(part) for part in zip(*rows, strict=True))
    return frame


# ---- content ------------------------------------------------------------------------------------

SAME = {
    "columns in another order": LABS.iloc[:, ::-1],
    "rows in another order": LABS.iloc[::-1],
    "a blank written as an empty text": LABS.fillna(""),
    "a blank written as blanks": LABS.fillna("  "),
    "blanks around a word": LABS.assign(subject_id=[" 001", "002 "]),
    "a whole number with a point": LABS.assign(value=["34.0", "1.50"], day=["5.", "06"]),
    "a number with an exponent": LABS.assign(value=["3.4e1", "15E-1"]),
    "numbers as numbers": LABS.assign(value=[34.0, 1.5], day=[5, 6]),
    "dates as dates": LABS.assign(sample_date=pd.to_datetime(LABS["sample_date"])),
    "another column as a number": LABS.assign(batch=["01", 2.5]),
    "missing as NaN": LABS.astype(object).where(LABS.notna(), np.nan),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_content_has_the_same_hash(name):
    assert content_hash(SAME[name], "labs") == content_hash(LABS, "labs")


OTHER = {
    "a number": LABS.assign(value=["34.0001", "1.5"]),
    "a number that became blank": LABS.assign(value=["", "1.5"]),
    "a blank that became zero": LABS.assign(value=["34", "0"]),
    "the sign": LABS.assign(value=["-34", "1.5"]),
    "a word's zeros": LABS.assign(subject_id=["1", "002"]),
    "the zeros of another column": LABS.assign(batch=["1", "2.50"]),
    "a date": LABS.assign(sample_date=["2022-01-05", "2022-01-06"]),
    "the name of a column": LABS.rename(columns={"batch": "lot"}),
    "one column fewer": LABS.drop(columns="batch"),
    "one row more": pd.concat([LABS, LABS.iloc[[0]]]),
    "values exchanged between rows": LABS.assign(value=["1.5", "34"]),
    "text in a number column": LABS.assign(value=["3_4", "1.5"]),
}


@pytest.mark.parametrize("name", OTHER)
def test_other_content_has_another_hash(name):
    assert content_hash(OTHER[name], "labs") != content_hash(LABS, "labs")


@pytest.mark.parametrize("table", sorted(cart7.records.TABLES))
def test_a_table_has_one_hash_as_text_and_as_typed_columns(tmp_path, table):
    path = STUDY_FOLDER / f"{table}.csv"
    kinds = {name: column.kind for name, column in cart7.records.TABLES[table].columns.items()}
    words = [name for name, kind in kinds.items() if kind in ("str", "date")]
    typed = pd.read_csv(path, dtype=dict.fromkeys(words, str), keep_default_na=False, na_values=[""])
    typed.to_parquet(tmp_path / f"{table}.parquet")
    one, other = (
        content_hash(cart7.files.read_file(place, name=table).cells, table)
        for place in (path, tmp_path / f"{table}.parquet")
    )
    assert one == other


def test_a_table_without_rows_or_columns_has_a_hash():
    assert len({content_hash(LABS.iloc[:0], "labs"), content_hash(pd.DataFrame(), "labs")}) == 2


# ---- results ------------------------------------------------------------------------------------


def test_the_csv_has_the_long_columns_sorted_rows_shortest_numbers_and_empty_for_missing():
    content = results_csv(long(("b", 0.1 + 0.2, ""), ("a", np.nan, 'Zürich, "CH"'), ("c", 9.0, "")))
    rows = list(csv.reader(io.StringIO(content.decode("utf-8"))))
    assert rows[0] == list(results.LONG_COLUMNS)
    assert [(row[1], row[7], row[8]) for row in rows[1:]] == [
        ("a", "", 'Zürich, "CH"'),
        ("b", "0.30000000000000004", ""),
        ("c", "9.0", ""),
    ]
    assert not content.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in content


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1+1", "'=1+1"), ("+1 day", "'+1 day"), ("-x", "'-x"), ("@a", "'@a"), ("\tx", "'\tx"), ("-3.5", "-3.5"),
     ("+2", "+2"), ("a=b", "a=b"), ("", "")],
)  # fmt: skip
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe_in_the_csv_alone(text, cell):
    rows = long(("a", np.nan, text))
    assert list(csv.reader(io.StringIO(results_csv(rows).decode())))[1][8] == cell
    assert json.loads(results_json(rows))["results"][0]["text"] == text


def test_the_json_has_the_same_rows_with_missing_as_null():
    rows = long(("b", 0.1, ""), ("a", np.nan, "never"))
    content = json.loads(results_json(rows))
    assert list(content) == ["schema", "results"]
    assert content["schema"] == "cart7-results/1"
    assert [list(row) for row in content["results"]] == [list(results.LONG_COLUMNS)] * 2
    assert [(row["param"], row["value"]) for row in content["results"]] == [("a", None), ("b", 0.1)]


def test_no_result_is_a_header_alone_and_an_empty_list():
    empty = results.long_frame([])
    assert results_csv(empty).decode().splitlines() == [",".join(results.LONG_COLUMNS)]
    assert json.loads(results_json(empty))["results"] == []


# ---- manifest and verification ------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    for table in ("subjects", "dlt"):
        shutil.copy(STUDY_FOLDER / f"{table}.csv", study)
    manifest.write_report(study, Plan(seed=7), tmp_path / "out")
    return tmp_path


def test_the_manifest_says_what_went_in_and_what_came_out(run):
    content = json.loads((run / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert {
        "schema",
        "cart7",
        "plan",
        "inputs",
        "environment",
        "seed",
        "outputs",
        "started",
        "finished",
    } <= set(content)
    assert (content["cart7"], content["seed"]) == (cart7.__version__, 7)
    assert Plan.model_validate(content["plan"]) == Plan(seed=7)
    dlt, subjects = content["inputs"]
    assert (dlt["table"], dlt["path"], dlt["rows"]) == ("dlt", "../study/dlt.csv", 9)
    assert subjects["columns"][:2] == ["study_id", "subject_id"]
    for folder, items in ((run / "out", content["inputs"]), (run / "out", content["outputs"])):
        for item in items:
            assert item["sha256"] == hashlib.sha256((folder / item["path"]).read_bytes()).hexdigest()
    assert {item["path"] for item in content["outputs"]} == {"report.html", "results.csv", "results.json"}


def test_the_example_is_named_and_not_placed(tmp_path):
    study = cart7.example_study()
    inputs = manifest.describe_inputs(study, "example", tmp_path)
    assert {item["path"] for item in inputs} == {"example"}
    assert [item["table"] for item in inputs] == sorted(cart7.records.TABLES)


def test_a_verification_is_a_frozen_record_of_what_changed(run):
    same = cart7.verify(run / "out" / "manifest.json")
    assert (same.reproduced, len(same.inputs), len(same.numbers)) == (True, 0, 0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        same.reproduced = False
    place = run / "study" / "dlt.csv"
    place.write_text(place.read_text().replace("CD7-001,1,0,28,28,Y,N", "CD7-001,1,0,28,28,Y,Y"))
    other = cart7.verify(run / "out" / "manifest.json")
    assert not other.reproduced
    assert other.inputs[["table", "path", "change"]].values.tolist() == [
        ["dlt", "../study/dlt.csv", "content"]
    ]
    moved = other.numbers[(other.numbers["stat"] == "n_dlt") & (other.numbers["group"] == "1")]
    assert {"analysis", "param", "timepoint", "group", "subject_id", "stat", "old", "new"} <= set(moved)
    assert moved[["old", "new"]].drop_duplicates().values.tolist() == [[0.0, 1.0]]


def test_another_version_of_a_package_is_told_and_no_failure(run):
    place = run / "out" / "manifest.json"
    content = json.loads(place.read_text())
    content["environment"]["packages"]["numpy"] = "0.1"
    place.write_text(json.dumps(content))
    found = cart7.verify(place)
    assert found.reproduced
    assert found.versions == {"numpy": ("0.1", np.__version__)}


def test_a_plan_of_another_version_cannot_be_verified(run):
    place = run / "out" / "manifest.json"
    content = json.loads(place.read_text())
    content["plan"]["colour"] = "red"
    place.write_text(json.dumps(content))
    with pytest.raises(VerificationError, match="not one that this version knows"):
        cart7.verify(place)


def test_an_input_named_outside_its_folder_cannot_be_verified(run):
    place = run / "out" / "manifest.json"
    content = json.loads(place.read_text())
    content["inputs"][0]["path"] = "../elsewhere/dlt.csv"
    place.write_text(json.dumps(content))
    with pytest.raises(VerificationError, match="an input is missing: dlt"):
        cart7.verify(place)
