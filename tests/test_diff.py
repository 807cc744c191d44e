"""What differs between two runs: rows, rules, versions, subjects and numbers."""

import json
import re
import shutil

import pandas as pd
import pytest

from cart7 import manifest
from cart7.cli import main
from cart7.examples import STUDY_FOLDER
from cart7.manifest.differences import changed_rows
from cart7.plan import Plan


@pytest.fixture(scope="module")
def cuts(tmp_path_factory):
    """Two data cuts in `a` and `b` with their reports: a DLT more, and two subjects more in a new level."""
    place = tmp_path_factory.mktemp("cuts")
    for name in "ab":
        (place / name).mkdir()
        for table in ("subjects", "dlt"):
            rows = pd.read_csv(STUDY_FOLDER / f"{table}.csv", dtype=str, keep_default_na=False)
            if name == "a":
                rows = rows[~rows["subject_id"].isin(["CD7-008", "CD7-009"])]
            elif table == "dlt":
                rows.loc[rows["subject_id"] == "CD7-001", "dlt"] = "Y"
            rows.to_csv(place / name / f"{table}.csv", index=False)
        plan = Plan(seed=7) if name == "a" else Plan.model_validate({"dlt": {"conf_level": 0.9}, "seed": 8})
        manifest.write_report(place / name, plan, place / f"out-{name}")
    return place


@pytest.fixture
def folder(cuts, tmp_path):
    return shutil.copytree(cuts, tmp_path / "cuts")


def diff(folder, *more):
    return main(["diff", str(folder / "out-a"), str(folder / "out-b" / "manifest.json"), *more])


def test_rows_rules_seed_and_subjects_that_differ_are_told(folder, capsys):
    assert diff(folder) == 1
    shown = capsys.readouterr().out
    assert "input dlt: content changed, rows 7 -> 9" in shown
    assert "  2 rows added\n    subject_id CD7-008\n    subject_id CD7-009\n" in shown
    assert "  1 row changed\n    subject_id CD7-001: dlt N -> Y\n" in shown
    assert "plan dlt.conf_level: 0.95 -> 0.9" in shown
    assert "plan seed: 7 -> 8" in shown
    assert re.search(r"2 subjects new: CD7-008, CD7-009 \(\d+ results of theirs not listed\)", shown)
    assert not re.search(r"subject_id CD7-009\): missing ->", shown)
    assert re.search(r"2 inputs changed; 2 rules changed|2 inputs changed; plan", shown)


def test_of_each_endpoint_the_largest_relative_change_comes_first_and_the_rest_is_counted(folder, capsys):
    assert diff(folder, "--most", "2", "--csv", str(folder / "moved.csv")) == 1
    shown = capsys.readouterr().out
    assert re.search(r"safety\.dose_limiting_toxicity: \d+ numbers moved", shown)
    assert re.search(r"  \.\.\. and \d+ more \(--csv FILE for all\)", shown)
    table = pd.read_csv(folder / "moved.csv")
    assert len(table) == len(manifest.compare_runs(folder / "out-a", folder / "out-b").numbers)
    sizes = table.loc[table["analysis"] == "safety.dose_limiting_toxicity", "relative"].abs().dropna()
    assert sizes.is_monotonic_decreasing


def test_without_the_files_of_a_run_only_hashes_are_compared(folder, capsys):
    shutil.copy(folder / "b" / "dlt.csv", folder / "a" / "dlt.csv")
    shutil.rmtree(folder / "b")
    assert diff(folder) == 1
    shown = capsys.readouterr().out
    assert "only hashes can be compared: the file of a and b is not that of the run any more" in shown
    assert "row changed" not in shown


def test_a_run_does_not_differ_from_itself_and_another_version_alone_is_no_difference(folder, capsys):
    shutil.rmtree(folder / "out-b")
    shutil.copytree(folder / "out-a", folder / "out-b")
    path = folder / "out-b" / "manifest.json"
    path.write_text(re.sub(r'("numpy": )"[^"]+"', r'\1"0.1"', path.read_text()))
    assert diff(folder) == 0
    shown = capsys.readouterr().out
    assert re.search(r"version numpy: \S+ -> 0\.1", shown)
    assert "no number differs" in shown


def test_a_program_gets_one_json_document_also_when_nothing_can_be_compared(folder, capsys):
    assert diff(folder, "--json") == 1
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert list(told) == ["schema", "a", "b", "same", "error", "summary", "rtol", "inputs", "rows", "one_sided",
                          "plan", "versions", "numbers"]  # fmt: skip
    assert [row["name"] for row in told["one_sided"] if row["what"] == "subject_id"] == ["CD7-008", "CD7-009"]
    (folder / "out-b" / "results.json").unlink()
    assert diff(folder, "--json") == 2
    told = json.loads(capsys.readouterr().out)
    assert told["same"] is None
    assert "cannot be read" in told["error"]


def test_a_table_of_one_run_alone_is_told(folder, capsys):
    path = folder / "out-a" / "manifest.json"
    content = json.loads(path.read_text())
    content["inputs"] = [item for item in content["inputs"] if item["table"] == "subjects"]
    path.write_text(json.dumps(content))
    assert diff(folder) == 1
    assert "input dlt: only in b (new)" in capsys.readouterr().out


def test_rows_that_share_a_key_are_compared_in_their_order():
    old = pd.DataFrame(
        {"subject_id": ["1", "1"], "day": ["5", "5"], "test": ["ANC"] * 2, "value": ["1", "2"]}
    )
    rows, note = changed_rows(old, old.iloc[::-1], "labs")
    assert (rows, note) == ([], "some rows share a key; they are compared in their order")
    rows, _ = changed_rows(old, old.assign(value=["1", "3"]), "labs")
    assert rows == [["labs", "changed", "subject_id 1 | day 5.0 | test ANC (2)", "value", "2.0", "3.0"]]


def test_a_column_more_changes_the_rows_that_fill_it():
    old = pd.DataFrame({"subject_id": ["1", "2"]})
    rows, _ = changed_rows(old, old.assign(site=["01", ""]), "subjects")
    assert rows == [["subjects", "changed", "subject_id 1", "site", "", "01"]]
