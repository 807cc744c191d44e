"""Awkward files against the diagnostics that were written down for them (tests/data/io/expected.json)."""

import json
from pathlib import Path

import pytest

from cart7.files import read_file

IO = Path(__file__).parents[1] / "data" / "io"
EXPECTED = json.loads((IO / "expected.json").read_text(encoding="utf-8"))
FILES = sorted(path.name for path in IO.iterdir() if path.suffix in (".csv", ".json", ".ndjson", ".xpt"))
RULED = {"adtte_cnsr.csv", "blq_strings.csv", "many_errors.csv"}  # sound as files; see test_tables.py
TRUTH = {"expected.json", "partial_dates.csv", "rounding.csv"}
FILES = [name for name in FILES if name not in RULED | TRUTH]


def table_of(name, **more):
    return read_file(IO / name, name=Path(name).stem, **more)


# A header without rows is a finding of the study, which knows whether the table may be empty.
@pytest.mark.parametrize("name", [name for name in FILES if name != "header_only.csv"])
def test_every_expected_diagnostic_is_given_and_no_other(name):
    found = sorted(
        (p.severity, p.row or 0, p.column or "", p.value if p.rule == "JSON-TYPE" else None)
        for p in table_of(name).problems
    )
    expected = sorted(
        (d["severity"], d["row"] or 0, d["column"] or "", d["value"]) for d in EXPECTED[name]["diagnostics"]
    )
    print(f"{name}: {len(found)} of {len(expected)} diagnostics")
    assert found == expected


def test_good_files_of_every_format_hold_the_expected_values():
    compared = 0
    for name in ("adpc_ok.json", "adpc_ok.ndjson"):
        cells = table_of(name).cells
        for column in ("ADT", "ALLOQ", "AVAL", "AVALC"):
            assert cells[column].tolist() == EXPECTED[name][f"values_{column}"]
            compared += len(cells)
    table, expected = table_of("adpc_ok.xpt"), EXPECTED["adpc_ok.xpt"]
    assert table.cells.shape == (expected["n_rows"], expected["n_cols"])
    assert sum(value for value in table.cells["AVAL"] if value is not None) == pytest.approx(
        expected["sum_AVAL"]
    )
    assert table.cells["AVAL"].isna().sum() == expected["n_missing_AVAL"]
    assert str(table.cells["ADT"].iloc[0]) == expected["first_ADT"]
    assert str(table.cells["ADTM"].iloc[0]) == expected["first_ADTM"]
    assert table.labels == expected["labels"]
    assert (
        table_of("tagged_missing.xpt").cells["AVAL"].tolist() == EXPECTED["tagged_missing.xpt"]["values_AVAL"]
    )
    assert table_of("v8_longname.xpt").cells.to_dict("list") == EXPECTED["v8_longname.xpt"]["values"]
    ids = table_of("leading_zero_ids.csv").cells["USUBJID"].tolist()
    assert ids == EXPECTED["leading_zero_ids.csv"]["values_USUBJID"]
    latin = table_of("latin1.xpt", encoding=EXPECTED["latin1.xpt"]["with_encoding"])
    assert latin.cells["SITE"].tolist() == EXPECTED["latin1.xpt"]["values_SITE"]
    print(f"Dataset-JSON cells compared: {compared}")
    assert compared == 24


def test_the_members_of_a_transport_file_are_named():
    assert all(
        member in str(table_of("two_members.xpt").problems[0])
        for member in EXPECTED["two_members.xpt"]["members"]
    )
