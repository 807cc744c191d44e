"""The messy example study against the log of what was put into it.

Truth: tests/data/example_study_messy/truth/injected_defects.csv (91 defects, all synthetic), and the
clean example study, of which the messy one is a copy. Rows are found here from the raw text by their
key, without the reader under test.
"""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7.examples import STUDY_FOLDER
from cart7.records import TABLES
from cart7.study import read_study

MESSY = Path(__file__).parents[1] / "data" / "example_study_messy"
SEVERITY = {
    **dict.fromkeys(("D01", "D02", "D09"), "error"),
    **dict.fromkeys(("D03", "D04", "D05", "D15", "D16", "D18", "D19", "D20", "D21", "D26"), "warning"),
    **dict.fromkeys(("D06", "D07", "D08", "D10", "D11", "D12", "D17", "D25", "D27"), "repair"),
}
KEY = {
    "subjects": ("subject_id",),
    "products": ("subject_id", "infusion_no", "bag_no"),
    "kinetics": ("subject_id", "sample_id", "assay"),
    "pd": ("subject_id", "nominal_label", "parameter"),
    "labs": ("subject_id", "day", "test"),
    "responses": ("subject_id", "visit", "day"),
    "adverse_events": ("subject_id", "ae_id"),
    "events": ("subject_id", "event", "date"),
}
# A value below the LLOQ was also put in as the second value of a key (0.267 cells/uL, LLOQ 0.5): the row
# has that finding beside the logged one.
ALSO_TRUE = Counter({("kinetics", 39, "D06"): 1})


@pytest.fixture(scope="module")
def raw():
    tables = {}
    for path in MESSY.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            tables[path.stem] = list(csv.DictReader(file))
    return tables


@pytest.fixture(scope="module")
def truth():
    with (MESSY / "truth" / "injected_defects.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def messy():
    return read_study(MESSY, on_problem="report")


@pytest.fixture(scope="module")
def clean():
    return read_study(STUDY_FOLDER)


def rows_of(defect, raw):
    """1-based data rows that a logged defect stands on."""
    table, code, column = defect["table"], defect["code"], defect["column"]
    rows = raw[table]
    key = dict(zip(KEY[table], defect["row_key"].split("|"), strict=False))
    if code == "D16":
        return [n for n, row in enumerate(rows, 1) if row["ae_id"].startswith(key["ae_id"])]
    if code == "D20":
        key = {"subject_id": key["subject_id"], "event": "LAST_CONTACT"}
    fixed = {name: value for name, value in key.items() if name != column}
    hits = [
        n for n, row in enumerate(rows, 1) if all(row[name].strip() == value for name, value in fixed.items())
    ]
    if column != "*":
        return [n for n in hits if rows[n - 1][column] == defect["messy_value"]]
    return hits[1:] if code == "D01" else hits


def test_every_logged_defect_is_found_on_its_row_with_its_class(raw, truth, messy):
    found = {(p.table, p.row, p.rule[:3], p.severity) for p in messy.problems.itertuples()}
    columns = {(p.table, p.row, p.rule[:3], p.column) for p in messy.problems.itertuples()}
    matched = 0
    for defect in truth:
        rows = rows_of(defect, raw)
        assert rows, defect
        for row in rows:
            place = (defect["table"], row, defect["code"])
            assert (*place, SEVERITY[defect["code"]]) in found, defect
            if defect["column"] != "*":
                assert (*place, defect["column"]) in columns, defect
        matched += 1
    print(f"logged defects found: {matched} of {len(truth)}")
    assert matched == len(truth) == 91


def test_nothing_else_is_found(raw, truth, messy):
    logged = Counter()
    for defect in truth:
        rows = rows_of(defect, raw)
        logged.update((defect["table"], row, defect["code"]) for row in rows)
        if defect["code"] == "D02":
            first = {**defect, "messy_value": defect["clean_value"]}
            logged.update((defect["table"], row, "D02") for row in rows_of(first, raw))
    found = Counter((p.table, p.row, p.rule[:3]) for p in messy.problems.itertuples())
    print(f"findings: {found.total()}, logged places: {logged.total()}, beside them: {ALSO_TRUE.total()}")
    assert found - logged == ALSO_TRUE
    assert logged - found == Counter()


def test_the_account_is_what_was_put_in(raw, messy):
    account = messy.accounting.set_index("table")
    assert account["rows_in"].to_dict() == {name: len(raw[name]) for name in TABLES}
    aside = account["rows_set_aside"]
    assert aside[aside > 0].to_dict() == {
        "kinetics": 3 + 2, "pd": 1, "responses": 1, "adverse_events": 1, "labs": 3 + 2 * 2 + 1,
    }  # fmt: skip


def test_the_clean_study_raises_no_alarm(clean):
    assert clean.problems.empty
    assert (clean.accounting["rows_set_aside"] == 0).all()


def test_repaired_values_are_the_clean_ones(truth, messy, clean):
    """D08 values were rounded when converted: half a unit of their last digit, times the factor.

    D17 is left out: grade 2 was replaced by `III`, which can only be read as 3.
    """
    compared = 0
    for defect in truth:
        if defect["code"] not in ("D06", "D07", "D08", "D12", "D25", "D27"):
            continue
        table = defect["table"]
        key = dict(zip(KEY[table], defect["row_key"].split("|"), strict=False))
        frame = getattr(messy, table)
        mine = frame[
            np.all([frame[name].astype(str).str.removesuffix(".0") == key[name] for name in key], axis=0)
        ]
        assert len(mine) == 1, defect
        value = mine[defect["column"]].iloc[0]
        if defect["code"] == "D06":
            assert pd.isna(value), defect
            assert mine["blq"].iloc[0] in ("BLQ", "ND"), defect
        elif defect["code"] == "D08":
            digits = len(defect["messy_value"].partition(".")[2])
            factor = float(value) / float(defect["messy_value"])
            assert value == pytest.approx(float(defect["clean_value"]), abs=0.5 * 10**-digits * factor), (
                defect
            )
        elif isinstance(value, str):
            assert value == defect["clean_value"], defect
        else:
            assert float(value) == float(defect["clean_value"]), defect
        compared += 1
    print(f"repaired cells compared with the clean study: {compared}")
    assert compared == 42


def test_cells_that_no_defect_touched_are_the_clean_ones(raw, truth, messy, clean):
    touched = {(d["table"], row) for d in truth for row in rows_of(d, raw)}
    compared = 0
    for table in TABLES:
        frame, reference = getattr(messy, table), getattr(clean, table)
        untouched = [row for row in frame.index if (table, row) not in touched]
        key = list(KEY.get(table, TABLES[table].key))
        merged = frame.loc[untouched].merge(
            reference, on=key, how="left", suffixes=("", "_clean"), indicator=True
        )
        assert (merged["_merge"] == "both").all(), table
        for name in frame.columns.difference(key):
            same = (merged[name] == merged[f"{name}_clean"]) | (
                merged[name].isna() & merged[f"{name}_clean"].isna()
            )
            assert same.all(), (table, name)
            compared += len(merged)
    print(f"untouched cells equal to the clean study: {compared}")
    assert compared == 19_041
