"""Tables written and read again, and files that mean harm."""

import datetime as dt
import gzip
import random
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7 import cdisc, files, manifest, records
from cart7.errors import DataError
from cart7.examples import STUDY_FOLDER

IO = Path(__file__).parent / "data" / "io"
SAS = Path(__file__).parent / "data" / "sas"


def mixed():
    return pd.DataFrame(
        {
            "USUBJID": ["0012", None, "=1+1"],
            "AVAL": [0.1, np.nan, 5e-78],
            "ADT": pd.to_datetime(["2024-02-29", None, "1900-05-05"]),
            "ADTM": pd.to_datetime(["2024-02-29T09:30:00", None, "2024-03-01T00:00:00"]),
        }
    )


def assert_same(one, other):
    assert list(one.columns) == list(other.columns)
    for title in one.columns:
        first, second = one[title], other[title]
        assert first.isna().tolist() == second.isna().tolist(), title
        assert first.dropna().tolist() == second.dropna().tolist(), title


@pytest.mark.parametrize("suffix", [".json", ".ndjson", ".xpt", ".csv"])
def test_a_table_comes_back_as_it_was_and_gives_the_same_bytes(tmp_path, suffix):
    path = tmp_path / f"adpc{suffix}"
    table = cdisc.Table(frame=mixed(), name="ADPC", label="µ", labels={"AVAL": "Analysis Value"})
    cdisc.write_table(table, path)
    raw = path.read_bytes()
    cdisc.write_table(table, path)
    assert path.read_bytes() == raw
    again = cdisc.read_table(path, rules=cdisc.TableRules(numbers=("AVAL",), dates=("ADT", "ADTM")))
    assert_same(mixed(), again.frame)
    if suffix != ".csv":
        assert (again.name, again.label, again.labels["AVAL"]) == ("ADPC", "µ", "Analysis Value")
        cdisc.write_table(table, path, created=dt.datetime(2026, 6, 30))
        assert path.read_bytes() != raw


@pytest.mark.parametrize("source", sorted(STUDY_FOLDER.glob("*.csv")), ids=lambda path: path.stem)
def test_every_study_table_keeps_its_values_and_its_hash_in_every_format(tmp_path, source):
    schema = records.TABLES[source.stem].columns
    numbers = tuple(name for name, column in schema.items() if column.kind in ("int", "float"))
    rules = cdisc.TableRules(numbers=numbers)
    table = cdisc.read_table(source, rules=rules)
    hashes = {manifest.content_hash(files.read_file(source, name=source.stem).cells, source.stem)}
    for suffix in (".json", ".xpt"):
        between, back = tmp_path / f"{source.stem}{suffix}", tmp_path / f"{source.stem}.csv"
        cdisc.write_table(table, between, xpt_version=8)
        cdisc.write_table(cdisc.read_table(between), back)
        assert_same(table.frame, cdisc.read_table(back, rules=rules).frame)
        hashes |= {manifest.content_hash(files.read_file(path, name=source.stem).cells, source.stem)
                   for path in (between, back)}  # fmt: skip
    assert len(hashes) == 1


def test_everything_a_transport_file_cannot_hold_is_told_at_once_and_nothing_written(tmp_path):
    frame = pd.DataFrame(
        {"subject_id": ["x" * 201], "B": [1e80], "b": [1e-80], "C": [np.inf], "D": [2**60], "E": [["list"]]}
    )
    table = cdisc.Table(frame=frame, name="ADPC", labels={"B": "µ" * 30})
    with pytest.raises(DataError) as raised:
        cdisc.write_table(table, tmp_path / "adpc.xpt")
    found = {(problem.column, problem.rule) for problem in raised.value.problems}
    assert found == {
        ("subject_id", "XPT-NAME"), ("subject_id", "XPT-TEXT"), ("B", "XPT-NUMBER"), ("B", "COLUMN-TWICE"),
        ("B", "XPT-LABEL"), ("b", "XPT-NUMBER"), ("b", "COLUMN-TWICE"), ("C", "NUMBER-INFINITE"),
        ("D", "XPT-NUMBER"), ("E", "COLUMN-KIND"),
    }  # fmt: skip
    assert not (tmp_path / "adpc.xpt").exists()


def test_a_text_that_a_spreadsheet_would_run_is_defused_on_request(tmp_path):
    cdisc.write_table(pd.DataFrame({"A": ["=1+1", "-3", "x"]}), tmp_path / "a.csv", spreadsheet_safe=True)
    assert (tmp_path / "a.csv").read_text() == "A\n'=1+1\n-3\nx\n"


def test_a_suffix_that_is_not_written_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path must end in one of \.csv"):
        cdisc.write_table(pd.DataFrame({"A": [1]}), tmp_path / "a.parquet")


def test_a_sas_dataset_is_read_with_its_dates(tmp_path):
    path = tmp_path / "sample.sas7bdat"
    path.write_bytes(gzip.decompress((SAS / "sample.sas7bdat.gz").read_bytes()))
    frame = cdisc.read_table(path).frame
    assert frame["mynum"].tolist() == [1.1, 1.2, -1000.3, -1.4, 1000.3]
    assert str(frame["dtime"].iloc[0]) == "2018-05-06 10:10:10"
    assert frame["mytime"].iloc[1] == "23:10:10"
    path.write_bytes(path.read_bytes()[:70_000])
    assert cdisc.read_table(path, on_problem="report").problems["rule"].tolist() == ["FILE-BINARY"]


def test_an_archive_that_is_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(6):
            archive.writestr(f"xl/media/{number}", bytes(100 * 2**20))
    assert cdisc.read_table(path, on_problem="report").problems["rule"].tolist() == ["FILE-TOO-LARGE"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "xl/worksheets/sheet1.xml", '<row r="1"><c r="A1"/></row><row r="2"><c r="XFD1048576"/>'
        )
    assert cdisc.read_table(path, on_problem="report").problems["rule"].tolist() == ["FILE-TOO-LARGE"]


@pytest.mark.parametrize(
    "name", ["adpc_ok.xpt", "v8_longname.xpt", "adpc_ok.json", "adpc_ok.ndjson", "blq_strings.csv"]
)
def test_a_damaged_file_gives_findings_and_never_a_traceback(tmp_path, name):
    raw, chance, path = (IO / name).read_bytes(), random.Random(20260630), tmp_path / name
    for _ in range(60):
        damaged = bytearray(raw[: chance.randrange(len(raw) + 1)] if chance.random() < 0.5 else raw)
        for _ in range(chance.randrange(4) if damaged else 0):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        table = cdisc.read_table(path, rules=cdisc.ADPC, on_problem="report")
        assert table.frame.empty or len(table.frame.columns)
