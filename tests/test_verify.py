"""Verifying a run: what changed is told apart, and a manifest is a stranger's file."""

import json
import os
import re
import shutil
from importlib import metadata

import pandas as pd
import pytest

from cart7 import manifest
from cart7.cli import main
from cart7.errors import VerificationError
from cart7.examples import STUDY_FOLDER
from cart7.manifest import reading
from cart7.plan import Plan


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A study of two tables, which is analysed in a moment, and its report beside it."""
    place = tmp_path_factory.mktemp("first")
    (place / "study").mkdir()
    for table in ("subjects", "dlt"):
        shutil.copy(STUDY_FOLDER / f"{table}.csv", place / "study")
    manifest.write_report(place / "study", Plan(seed=7), place / "out")
    return place


@pytest.fixture
def run(first, tmp_path):
    return shutil.copytree(first, tmp_path / "run")


def change_json(path, change):
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def edit_manifest(*keys, to):
    """Edit: the part of the manifest that `keys` leads to becomes another."""

    def edit(run):
        def change(content):
            for key in keys[:-1]:
                content = content[key]
            content[keys[-1]] = to

        change_json(run / "out" / "manifest.json", change)

    return edit


def edit_table(table, old, new):
    def edit(run):
        path = run / "study" / f"{table}.csv"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return edit


def as_transport(run):
    import pyreadstat

    path = run / "study" / "dlt.csv"
    rows = pd.read_csv(path, dtype={"subject_id": str})
    words = rows.select_dtypes(exclude="number").columns
    rows[words] = rows[words].fillna("")
    pyreadstat.write_xport(rows, str(path.with_suffix(".xpt")), file_format_version=8)
    path.unlink()


def as_parquet(run):
    path = run / "study" / "subjects.csv"
    pd.read_csv(path, dtype={"site": str}).to_parquet(path.with_suffix(".parquet"))
    path.unlink()


def add_table(run):
    shutil.copy(STUDY_FOLDER / "lymphodepletion.csv", run / "study")


def edit_results(change):
    return lambda run: change_json(run / "out" / "results.json", lambda content: change(content["results"]))


def larger(rows):
    row = next(row for row in rows if row["value"])
    row["value"] *= 2


def first_twice(rows):
    rows.append(rows[0])


def other_unit(rows):
    rows[0]["unit"] = "dozens"


def other_note(rows):
    rows[0]["note"] = "reworded"


def reformat_results(run):
    change_json(run / "out" / "results.json", lambda content: None)


AS_THEN = f"cart7 {metadata.version('cart7')} and all packages as then"
SCENARIOS = {
    "nothing": (lambda run: None, 0, r"everything reproduces: inputs as then, \d+ results the same; .* as then$"),
    "one value": (edit_table("dlt", "CD7-001,1,0,28,28,Y,N", "CD7-001,1,0,28,28,Y,Y"), 1,
                  r"1 input changed, 13 numbers moved; cart7 \S+ and all packages as then$"),
    "one row fewer": (edit_table("dlt", "CD7-009,3,0,28,28,Y,N,,,\n", ""), 1, r"1 input changed, \d+ numbers moved"),
    "a value that changes no number": (edit_table("subjects", "CD7-EX", "CD7-EY"), 1, "1 input changed, no number moved"),
    "a table more": (add_table, 1, r"1 input changed, (no|\d+) numbers? moved"),
    "a table as transport file": (as_transport, 0, "everything reproduces: inputs as then"),
    "a table as Parquet": (as_parquet, 0, "everything reproduces: inputs as then"),
    "another numpy": (edit_manifest("environment", "packages", "numpy", to="0.1"), 0,
                      r"everything reproduces: .*; numpy 0\.1 -> \d"),
    "another cart7": (edit_manifest("cart7", to="0.0.1"), 0, r"everything reproduces: .*; cart7 0\.0\.1 -> \d"),
    "another rule": (edit_manifest("plan", "dlt", "conf_level", to=0.9), 1,
                     r"inputs as then; \d+ numbers moved; .*: look at the plan in the manifest, which was edited"),
    "another rule without effect": (edit_manifest("plan", "pk", "conf_level", to=0.9), 0,
                                    r"everything reproduces.*\(the plan in the manifest was edited\)"),
    "a number of the results": (edit_results(larger), 1,
                                r"inputs as then; 1 number moved; .*: look at results\.json, which was edited"),
    "a unit of the results": (edit_results(other_unit), 1, r"inputs as then; 1 number moved"),
    "a result that stands twice": (edit_results(first_twice), 1, r"inputs as then; 1 number moved"),
    "a note of the results": (edit_results(other_note), 0, r"everything reproduces.*\(1 output changed or missing\)"),
    "the layout of the results": (reformat_results, 0, r"everything reproduces.*\(1 output changed or missing\)"),
    "the page": (lambda run: (run / "out" / "report.html").unlink(), 0, r"\(1 output changed or missing\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_changed_since_the_run_is_told_apart(run, capsys, name):
    change, code, words = SCENARIOS[name]
    change(run)
    assert main(["verify", str(run / "out" / "manifest.json")]) == code
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.search(words, last), last


def test_a_package_of_another_version_is_the_first_suspect_when_only_numbers_moved(run, capsys):
    edit_manifest("environment", "packages", "pandas", to="2.0.0")(run)
    edit_manifest("plan", "dlt", "conf_level", to=0.9)(run)
    change_json(run / "out" / "manifest.json", lambda content: content.pop("plan_hash"))
    assert main(["verify", str(run / "out")]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.search(r"inputs as then; \d+ numbers moved; pandas 2\.0\.0 -> \S+: look there first$", last)


def test_each_input_is_told_with_its_size_and_each_number_with_how_far_it_moved(run, capsys):
    edit_table("dlt", "CD7-009,3,0,28,28,Y,N,,,\n", "")(run)
    assert main(["verify", str(run / "out")]) == 1
    shown = capsys.readouterr().out
    assert "input dlt (../study/dlt.csv): content changed, rows 9 -> 8" in shown
    assert re.search(r"DLT estimate \(.*group ALL\): 0\.1111\d+ -> 0\.125 \(\+0\.0138889, \+12\.5 %\)", shown)


def test_a_file_of_the_run_whose_bytes_changed_is_told_and_fails_under_strict_alone(run, capsys):
    page = run / "out" / "report.html"
    page.write_bytes(page.read_bytes() + b" ")
    (run / "out" / "results.csv").unlink()
    assert main(["verify", str(run / "out")]) == 0
    shown = capsys.readouterr().out
    assert "output report.html: its bytes were changed after the run" in shown
    assert "output results.csv: it is not there any more" in shown
    assert main(["verify", str(run / "out"), "--strict"]) == 1


def test_a_tolerance_can_be_given_and_must_be_one(run, capsys):
    edit_results(lambda rows: [row.update(value=row["value"] * (1 + 1e-6)) for row in rows if row["value"]])(
        run
    )
    assert main(["verify", str(run / "out"), "--rtol", "1e-5"]) == 0
    assert main(["verify", str(run / "out")]) == 1
    with pytest.raises(SystemExit):
        main(["verify", str(run / "out"), "--rtol", "-1"])
    assert "a number from 0; got '-1'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="rtol must be a finite number from 0, got nan"):
        manifest.verify(run / "out", rtol=float("nan"))


JSON_KEYS = [
    "schema", "manifest", "reproduced", "error", "summary", "rtol", "inputs", "rewritten", "numbers",
    "outputs", "plan_edited", "versions", "rows_set_aside",
]  # fmt: skip


def test_a_program_gets_one_json_document(run, capsys):
    edit_table("dlt", "CD7-001,1,0,28,28,Y,N", "CD7-001,1,0,28,28,Y,Y")(run)
    assert main(["verify", str(run / "out"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert list(told) == JSON_KEYS
    assert (told["schema"], told["reproduced"], told["error"]) == ("cart7-verification/1", False, None)
    assert [(row["table"], row["change"], row["rows_old"]) for row in told["inputs"]] == [
        ("dlt", "content", 9)
    ]
    moved = [row for row in told["numbers"] if row["stat"] == "n_dlt" and row["group"] == "1"]
    assert {(row["old"], row["new"], row["absolute"], row["relative"]) for row in moved} == {
        (0.0, 1.0, 1.0, None)
    }


def test_a_program_is_told_as_json_what_cannot_be_verified(run, capsys):
    (run / "study" / "dlt.csv").unlink()
    assert main(["verify", str(run / "out"), "--json"]) == 2
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert told["reproduced"] is None
    assert "an input is missing: dlt" in told["error"]
    assert "an input is missing: dlt" in shown.err


def test_a_test_suite_fails_with_the_readable_list(run):
    manifest.assert_reproduced(run / "out" / "manifest.json")
    edit_table("dlt", "CD7-001,1,0,28,28,Y,N", "CD7-001,1,0,28,28,Y,Y")(run)
    with pytest.raises(
        AssertionError, match=r"(?s)does not reproduce\ninput dlt.*n_dlt.*1 input changed, 13 numbers"
    ):
        manifest.assert_reproduced(run / "out" / "manifest.json")


# ---- a stranger's file --------------------------------------------------------------------------


def output_is(path):
    return edit_manifest("outputs", 0, "path", to=path)


def input_is(path):
    return edit_manifest("inputs", 0, "path", to=path)


def write(text):
    return lambda run: (run / "out" / "manifest.json").write_text(text)


def cut_in_half(run):
    path = run / "out" / "manifest.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replace_text(old, new, name="manifest.json"):
    def edit(run):
        path = run / "out" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return edit


def link(name):
    """The file is moved elsewhere and a link put in its place."""

    def edit(run):
        (run / "elsewhere").mkdir()
        target = shutil.move(run / name, run / "elsewhere")
        (run / name).symlink_to(target)

    return edit


def pipe(run):
    (run / "study" / "labs.csv").unlink(missing_ok=True)
    os.mkfifo(run / "study" / "labs.csv")


def other_folders(run):
    (run / "more").mkdir()
    shutil.copy(run / "study" / "dlt.csv", run / "more")
    input_is("../more/dlt.csv")(run)


STRANGE = {
    "cut in half": (cut_in_half, "damaged, it is not JSON"),
    "a number that is none": (replace_text('"rows": 9', '"rows": NaN'), "NaN is no number of JSON"),
    "a list": (write("[]"), "not a manifest of this kind"),
    "nested without end": (write('{"plan": ' + "[" * 100_000), "damaged"),
    "a negative count": (edit_manifest("inputs", 0, "rows", to=-1), "no sound inputs"),
    "a huge count": (edit_manifest("inputs", 0, "rows", to=10**30), "no sound inputs"),
    "a hash that is none": (edit_manifest("inputs", 0, "content_hash", to="x"), "no sound inputs"),
    "an unknown table": (edit_manifest("inputs", 0, "table", to="secrets"), "it is no table of a study"),
    "an input that stands twice": (lambda run: change_json(
        run / "out" / "manifest.json", lambda content: content["inputs"].append(content["inputs"][0])), "stands twice"),
    "versions that are none": (edit_manifest("environment", "packages", to={"numpy": 2}), "no sound environment"),
    "another seed": (edit_manifest("seed", to=8), "the seed is 8, but the plan's is 7"),
    "an output above": (output_is("../../etc/passwd"), "outside the folder of the manifest"),
    "an output above, by detour": (output_is("a/../../passwd"), "detour"),
    "an output from the root": (output_is("/etc/passwd"), "absolute"),
    "an output on a drive": (output_is("C:\\results.json"), "absolute"),
    "an output with backslashes": (output_is("..\\results.json"), "outside the folder of the manifest"),
    "an output without a name": (output_is(""), "the path is empty"),
    "an output with control characters": (output_is("a\x1b[2Jb"), "control characters"),
    "an input from the root": (input_is("/etc/dlt.csv"), "absolute"),
    "an input of another name": (input_is("../../etc/passwd"), "its file must be dlt with one of .csv"),
    "an input by detour": (input_is("../x/../study/dlt.csv"), "detour"),
    "inputs in two folders": (other_folders, "do not stand in one folder"),
    "results elsewhere": (link("out/results.json"), "a link leads out of the folder of the manifest"),
    "a table elsewhere": (link("study/dlt.csv"), "a link leads out of the folder of the study"),
    "a pipe for a table": (pipe, "no ordinary file"),
    "an infinite result": (replace_text('"value": 0.0', '"value": 1e999', "results.json"), "must be a finite number"),
    "a result that is no number": (replace_text('"value": 0.0', '"value": NaN', "results.json"), "NaN is no number"),
    "a result as text": (replace_text('"value": 0.0', '"value": "0.0"', "results.json"), "must be a finite number"),
    "a note that is none": (replace_text('"note": ""', '"note": {}', "results.json"), "note must be a text"),
    "results of another kind": (replace_text("cart7-results/1", "cart7-results/9", "results.json"), "not of this kind"),
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_a_manifest_that_is_damaged_or_not_to_be_trusted_ends_with_two(run, capsys, name):
    damage, words = STRANGE[name]
    damage(run)
    before = sorted((path, path.lstat().st_mtime_ns) for path in run.rglob("*"))
    assert main(["verify", str(run / "out" / "manifest.json")]) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert "Traceback" not in shown.err
    assert "\x1b" not in shown.err
    assert before == sorted((path, path.lstat().st_mtime_ns) for path in run.rglob("*"))


@pytest.mark.parametrize(("limit", "name"), [("MANIFEST_LIMIT", "manifest.json"), ("RESULTS_LIMIT", "results.json"),
                                             ("TABLE_LIMIT", "dlt.csv")])  # fmt: skip
def test_a_file_longer_than_a_run_would_write_is_not_read(run, monkeypatch, limit, name):
    monkeypatch.setattr(reading, limit, 10)
    with pytest.raises(VerificationError, match=rf"(?s){name}.*more than the 10 that are read"):
        manifest.verify(run / "out")


def test_a_study_in_a_folder_with_an_unusual_name_verifies(first, tmp_path):
    study = shutil.copytree(first / "study", tmp_path / "a b\u3000~ü")
    manifest.write_report(study, Plan(), study / "out")
    assert manifest.verify(study / "out").reproduced


def test_control_characters_of_a_result_are_shown_and_not_sent(run, capsys):
    edit_results(lambda rows: rows[0].update(param="a\x1b[2Jb"))(run)
    assert main(["verify", str(run / "out")]) == 1
    shown = capsys.readouterr().out
    assert "a\\x1b[2Jb" in shown
    assert "\x1b" not in shown
