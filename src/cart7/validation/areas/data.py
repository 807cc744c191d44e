"""Reading: damaged files, a study with known defects, rounding."""

import csv
import functools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cart7 import cdisc, derive
from cart7.files import read_file
from cart7.records import TABLES
from cart7.results import round_half_up
from cart7.study import read_study
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

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
# Second values of a key that are themselves below the limit: that finding stands beside the logged one.
ALSO_TRUE = Counter({("kinetics", 39, "D06"): 1})
Rows = dict[str, list[dict[str, str]]]


def _raw(folder: Path) -> Rows:
    """The tables as text, without the reader under test."""
    tables = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            tables[path.stem] = list(csv.DictReader(lines))
    return tables


def _rows_of(defect: dict[str, str], raw: Rows) -> list[int]:
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


@check("data.defects_found")
def defects_found(bench: Bench, tally: Tally) -> None:
    """Every logged defect on its row, with its class and column; nothing else; rows accounted for."""
    folder = bench.path("example_study_messy")
    raw, messy = _raw(folder), read_study(folder, on_problem="report")
    with (folder / "truth" / "injected_defects.csv").open(encoding="utf-8", newline="") as lines:
        truth = list(csv.DictReader(lines))
    found = {(p.table, p.row, p.rule[:3], p.severity) for p in messy.problems.itertuples()}
    columns = {(p.table, p.row, p.rule[:3], p.column) for p in messy.problems.itertuples()}
    logged: Counter[Any] = Counter()
    for number, defect in enumerate(truth, 1):
        rows, code = _rows_of(defect, raw), defect["code"]
        hit = bool(rows)
        for row in rows:
            hit &= (defect["table"], row, code, SEVERITY[code]) in found
            hit &= defect["column"] == "*" or (defect["table"], row, code, defect["column"]) in columns
        tally.words(
            "defect", ["found" if hit else "missed"], ["found"], at=[f"{number} {code} {defect['table']}"]
        )
        logged.update((defect["table"], row, code) for row in rows)
        if code == "D02":
            first = {**defect, "messy_value": defect["clean_value"]}
            logged.update((defect["table"], row, "D02") for row in _rows_of(first, raw))
    places = Counter((p.table, p.row, p.rule[:3]) for p in messy.problems.itertuples())
    tally.words("found and not logged", sorted((places - logged).elements()), sorted(ALSO_TRUE.elements()))
    tally.words("logged and not found", sorted((logged - places).elements()), [])
    account = messy.accounting.set_index("table")["rows_in"]
    tally.numbers("rows read", [account[name] for name in TABLES], [len(raw[name]) for name in TABLES])


@check("data.clean_study")
def clean_study(bench: Bench, tally: Tally) -> None:
    """The clean study raises no alarm and loses no row."""
    tally.numbers("problems", [len(bench.study.problems)], [0])
    aside = bench.study.accounting
    tally.numbers("rows set aside", aside["rows_set_aside"], [0] * len(aside), at=list(aside["table"]))


@check("data.repaired_values")
def repaired_values(bench: Bench, tally: Tally) -> None:
    """Cells that no defect touched, and repaired ones, are those of the clean study."""
    folder = bench.path("example_study_messy")
    raw, messy, clean = _raw(folder), read_study(folder, on_problem="report"), bench.study
    with (folder / "truth" / "injected_defects.csv").open(encoding="utf-8", newline="") as lines:
        truth = list(csv.DictReader(lines))
    # Values converted to another unit were rounded; III can only be read as grade 3.
    told_apart = ("D06", "D07", "D12", "D25", "D27")
    touched = {(d["table"], n) for d in truth if d["code"] not in told_apart for n in _rows_of(d, raw)}
    # The flag that is put beside a value below the limit is BLQ or ND, as the text was.
    flagged = {(d["table"], n) for d in truth if d["code"] == "D06" for n in _rows_of(d, raw)}
    for table in TABLES:
        frame, reference = getattr(messy, table), getattr(clean, table)
        rows = frame.loc[[row for row in frame.index if (table, row) not in touched]]
        key = list(KEY.get(table, TABLES[table].key))
        merged = rows.reset_index(names="row").merge(reference, on=key, how="left", suffixes=("", "_clean"))
        for name in rows.columns.difference(key):
            pair = merged[[name, f"{name}_clean"]]
            if name == "blq":
                put = pd.Series([(table, row) in flagged for row in merged["row"]], index=merged.index)
                pair = pair.mask(put & pair.isin(["BLQ", "ND"]).all(axis=1), "below")
            tally.words(f"{table} {name}", pair[name].tolist(), pair[f"{name}_clean"].tolist())


RULED: Mapping[str, cdisc.TableRules] = {
    "many_errors.csv": cdisc.TableRules(
        required=("USUBJID", "DAY", "ADT"), key=("USUBJID", "DAY", "MATRIX"),
        allowed={"MATRIX": ("BLOOD", "MARROW", "CSF")}, numbers=("DAY", "AVAL"), dates=("ADT",),
        not_negative=("AVAL",),
    ),
    "adtte_cnsr.csv": cdisc.ADTTE,
    "blq_strings.csv": cdisc.ADPC,
}  # fmt: skip
"""Rules under which a file that is sound as a file has its findings."""


def diagnostics_of(suffixes: tuple[str, ...], bench: Bench, tally: Tally) -> None:
    """Awkward files give the diagnostics written down for them, and no other."""
    expected = bench.json("io/expected.json")
    for name in (name for name in sorted(expected) if name.endswith(suffixes)):
        problems = cdisc.read_table(
            bench.path(f"io/{name}"), rules=RULED.get(name), on_problem="report"
        ).problems
        severity = problems["severity"].replace("repair", "warning")
        place = zip(severity, problems["row"].fillna(0), problems["column"].fillna(""), strict=True)
        found = sorted(f"{word} row {int(row)} column {column}" for word, row, column in place)
        wanted = sorted(
            f"{d['severity']} row {d['row'] or 0} column {d['column'] or ''}"
            for d in expected[name]["diagnostics"]
        )
        tally.words("diagnostics", ["; ".join(found)], ["; ".join(wanted)], at=[name])


@check("data.partial_dates")
def partial_dates(bench: Bench, tally: Tally) -> None:
    """Dates imputed from partial ones, with the flag of what was imputed."""
    rows = bench.table("io/partial_dates.csv", dtype=str).fillna("")
    ours = [
        derive.impute_date(
            row.dtc, highest=row.highest_imputation, rule=row.date_imputation, min_date=row.min_date,
            max_date=row.max_date, preserve=row.preserve == "TRUE",
        )
        for row in rows.itertuples()
    ]  # fmt: skip
    dates = ["" if date is None else date.isoformat() for date, _ in ours]
    tally.words("dates", dates, rows["dt"].tolist(), at=rows["dtc"].tolist())
    tally.words("flags", [flag for _, flag in ours], rows["dtf"].tolist(), at=rows["dtc"].tolist())


check("data.text_files")(functools.partial(diagnostics_of, (".csv", ".json", ".ndjson")))


@check("data.transport_files")
def transport_files(bench: Bench, tally: Tally) -> None:
    """SAS transport files: diagnostics, values, labels, dates, tagged missing values, encodings."""
    diagnostics_of((".xpt",), bench, tally)
    expected = bench.json("io/expected.json")

    def read(name: str, **more: Any) -> Any:
        return read_file(bench.path(f"io/{name}"), name=Path(name).stem, **more)

    table, wanted = read("adpc_ok.xpt"), expected["adpc_ok.xpt"]
    tally.numbers("shape", table.cells.shape, [wanted["n_rows"], wanted["n_cols"]])
    values = [value for value in table.cells["AVAL"] if value is not None and value == value]
    tally.numbers("sum", [sum(values)], [wanted["sum_AVAL"]], relative=1e-12)
    tally.numbers("missing", [table.cells["AVAL"].isna().sum()], [wanted["n_missing_AVAL"]])
    tally.words("dates", [str(table.cells[name].iloc[0]) for name in ("ADT", "ADTM")],
                [wanted["first_ADT"], wanted["first_ADTM"]])  # fmt: skip
    tally.words("labels", sorted(table.labels.items()), sorted(wanted["labels"].items()))
    tally.words("tagged missing", read("tagged_missing.xpt").cells["AVAL"],
                expected["tagged_missing.xpt"]["values_AVAL"])  # fmt: skip
    latin = read("latin1.xpt", encoding=expected["latin1.xpt"]["with_encoding"])
    tally.words("encoding", latin.cells["SITE"], expected["latin1.xpt"]["values_SITE"])


def _cells(bench: Bench, name: str) -> Any:
    return read_file(bench.path(f"io/{name}"), name=Path(name).stem).cells


@check("data.dataset_json")
def dataset_json(bench: Bench, tally: Tally) -> None:
    """Values of Dataset-JSON, and identifiers with leading zeros."""
    expected = bench.json("io/expected.json")
    for name in ("adpc_ok.json", "adpc_ok.ndjson"):
        cells = _cells(bench, name)
        for column in ("ADT", "ALLOQ", "AVAL", "AVALC"):
            tally.words(f"{name} {column}", cells[column].tolist(), expected[name][f"values_{column}"])
    cells = _cells(bench, "leading_zero_ids.csv")
    tally.words("identifier", cells["USUBJID"].tolist(), expected["leading_zero_ids.csv"]["values_USUBJID"])


@check("data.rounding")
def rounding(bench: Bench, tally: Tally) -> None:
    """Half away from zero, of the number as it is written."""
    rows = bench.table("io/rounding.csv", float_precision="round_trip")
    ours = [round_half_up(row.x, row.digits) for row in rows.itertuples()]
    # The nudge of cards rounds up what is written within 1.5e-8 below a half.
    nudged = rows["x"].eq(0.49999999)
    tally.numbers("rounded", ours, rows["cards_round5"], absolute=1e-15, at=rows["x"].tolist(), excuse=nudged,
                  exception="rounding-nudge")  # fmt: skip
