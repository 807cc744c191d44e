"""Single tables, partial dates and rounding against what was written down for them (tests/data/io)."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from cart7 import cdisc
from cart7.derive import impute_date
from cart7.errors import DataError
from cart7.results import round_half_up

IO = Path(__file__).parents[1] / "data" / "io"
EXPECTED = json.loads((IO / "expected.json").read_text(encoding="utf-8"))
VALUES = cdisc.TableRules(numbers=("AVAL", "DAY"))
RULES = {
    "many_errors.csv": cdisc.TableRules(
        required=("USUBJID", "DAY", "ADT"),
        key=("USUBJID", "DAY", "MATRIX"),
        allowed={"MATRIX": ("BLOOD", "MARROW", "CSF")},
        numbers=("DAY", "AVAL"),
        dates=("ADT",),
        not_negative=("AVAL",),
    ),
    "adtte_cnsr.csv": cdisc.ADTTE,
    "blq_strings.csv": cdisc.ADPC,
    "bom_crlf.csv": VALUES,
    "semicolon_decimal_comma.csv": VALUES,
}


def read(name, **options):
    return cdisc.read_table(IO / name, rules=RULES.get(name), on_problem="report", **options)


def plain(column):
    """Cells as the reference writes them: missing is None, a date its ISO text."""
    texts = column.dt.strftime("%Y-%m-%d") if pd.api.types.is_datetime64_any_dtype(column) else column
    return [None if pd.isna(cell) else cell for cell in texts]


def diagnostics(problems):
    severity = {"error": "error", "warning": "warning", "repair": "warning"}
    return sorted(
        (
            severity[p.severity],
            0 if pd.isna(p.row) else int(p.row),
            "" if pd.isna(p.column) else p.column,
            str(None if pd.isna(p.value) else p.value),
        )
        for p in problems.itertuples()
    )


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_diagnostic_comes_back_in_one_go_and_no_other(name):
    expected = sorted(
        (d["severity"], d["row"] or 0, d["column"] or "", str(d["value"]))
        for d in EXPECTED[name]["diagnostics"]
    )
    found = diagnostics(read(name).problems)
    print(f"{name}: {len(found)} of {len(expected)} diagnostics")
    assert found == expected
    errors = [row for row in expected if row[0] == "error"]
    if not errors:
        cdisc.read_table(IO / name, rules=RULES.get(name))
        return
    with pytest.raises(DataError) as raised:
        cdisc.read_table(IO / name, rules=RULES.get(name))
    assert diagnostics(raised.value.to_frame()) == expected


def test_the_values_of_every_readable_file_are_those_written_down():
    compared = 0
    for name, expected in EXPECTED.items():
        options = {"encoding": expected["with_encoding"]} if "with_encoding" in expected else {}
        frame = read(name, **options, **expected.get("with_options", {})).frame
        for said, values in expected.items():
            if said.startswith("values_"):
                assert plain(frame[said.removeprefix("values_")]) == values
                compared += len(values)
            elif said in ("event", "blq"):
                assert plain(frame[said.upper()]) == values
                compared += len(values)
    assert read("v8_longname.xpt").frame.to_dict("list") == EXPECTED["v8_longname.xpt"]["values"]
    print(f"values compared: {compared}")
    assert compared == 56


def test_the_good_transport_file_has_its_rows_types_and_labels():
    table, expected = read("adpc_ok.xpt"), EXPECTED["adpc_ok.xpt"]
    assert table.frame.shape == (expected["n_rows"], expected["n_cols"])
    assert table.frame["AVAL"].sum() == pytest.approx(expected["sum_AVAL"], abs=1e-9)
    assert table.frame["AVAL"].isna().sum() == expected["n_missing_AVAL"]
    assert str(table.frame["ADT"].iloc[0].date()) == expected["first_ADT"]
    assert str(table.frame["ADT"].iloc[-1].date()) == expected["last_ADT"]
    assert str(table.frame["ADTM"].iloc[0]) == expected["first_ADTM"]
    assert table.frame["ATMF"].isna().all()
    assert (table.labels, table.name, table.label) == (expected["labels"], "ADPC", "PK concentrations")


def test_imputed_dates_and_flags_are_those_of_admiral():
    rows = list(csv.DictReader((IO / "partial_dates.csv").read_text().splitlines()))
    for row in rows:
        date, flag = impute_date(
            row["dtc"],
            highest=row["highest_imputation"],
            rule=row["date_imputation"],
            preserve=row["preserve"] == "TRUE",
            min_date=row["min_date"],
            max_date=row["max_date"],
        )
        assert ("" if date is None else date.isoformat(), flag) == (row["dt"], row["dtf"] or ""), row
    print(f"partial dates: {len(rows)} of 85")
    assert len(rows) == 85


def test_rounding_is_that_of_cards_but_for_its_nudge_below_a_half():
    rows = list(csv.DictReader((IO / "rounding.csv").read_text().splitlines()))
    ours = [round_half_up(float(row["x"]), int(row["digits"])) for row in rows]
    other = [(row["x"], x) for row, x in zip(rows, ours, strict=True) if x != float(row["cards_round5"])]
    print(f"rounding: {len(rows) - len(other)} of {len(rows)} as cards")
    # 0.49999999 is below a half: cards adds 1.5e-8 and rounds up, which is no rounding of this number.
    assert (len(rows), other) == (26, [("0.49999999000000001", 0.0)])
