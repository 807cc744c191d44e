"""The command line: files, exit codes, and errors for a shell user."""

import json
import re
import shutil

import pandas as pd
import pytest

from cart7.cli import main
from cart7.examples import STUDY_FOLDER


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(STUDY_FOLDER, tmp_path / "study")


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    assert main(["report", "example", "--out", str(out)]) == 0
    return out


def edit(folder, table, change):
    path = folder / f"{table}.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(frame).to_csv(path, index=False)


def set_cell(column, row, value):
    def change(frame):
        frame.loc[row, column] = value
        return frame

    return change


def refused(arguments, capsys):
    """Standard error of a command that ends with exit code 2, without a traceback."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    shown = capsys.readouterr()
    assert code == 2, shown.out + shown.err
    assert "Traceback" not in shown.err
    return shown.err


def test_the_report_writes_four_files_and_prints_its_path(tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    assert main(["report", "example", "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "report.html")
    assert {path.name for path in out.iterdir()} == {
        "report.html",
        "results.csv",
        "results.json",
        "manifest.json",
    }


def test_two_runs_give_the_same_bytes(reported, tmp_path):
    assert main(["report", "example", "--out", str(tmp_path)]) == 0
    for name in ("results.csv", "results.json", "report.html"):
        assert (tmp_path / name).read_bytes() == (reported / name).read_bytes(), name


def test_the_results_keep_the_long_shape(reported):
    rows = json.loads((reported / "results.json").read_text())
    assert rows["schema"] == "cart7-results/1"
    table = pd.read_csv(reported / "results.csv", keep_default_na=False)
    assert len(table) == len(rows["results"])
    key = ["analysis", "param", "timepoint", "population", "group", "subject_id", "stat"]
    assert not table.duplicated(key).any()
    assert table[key].apply(tuple, axis=1).is_monotonic_increasing
    assert ((table["value"] != "") | (table["text"] != "") | (table["note"] != "")).all()


def test_a_manifest_verifies_at_once(reported, capsys):
    assert main(["verify", str(reported / "manifest.json")]) == 0
    assert "everything reproduces" in capsys.readouterr().out


def test_a_changed_input_value_names_the_input_and_the_numbers(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["report", str(folder), "--out", str(out)]) == 0
    edit(folder, "kinetics", set_cell("value", 4, "12345"))
    assert main(["verify", str(out / "manifest.json")]) == 1
    shown = capsys.readouterr().out
    assert "input kinetics" in shown
    assert re.search(r"pk\.nca AUCINT.*-> ", shown)


def test_other_bytes_with_the_same_content_still_verify(folder, tmp_path):
    out = tmp_path / "out"
    assert main(["report", str(folder), "--out", str(out)]) == 0
    path = folder / "kinetics.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert main(["verify", str(out / "manifest.json")]) == 0


def test_a_number_edited_in_the_results_is_found(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["report", str(folder), "--out", str(out)]) == 0
    content = json.loads((out / "results.json").read_text())
    row = next(row for row in content["results"] if row["param"] == "DLT" and row["stat"] == "n_dlt")
    row["value"] += 1
    (out / "results.json").write_text(json.dumps(content))
    assert main(["verify", str(out / "manifest.json")]) == 1
    assert "1 number moved" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda out: (out / "manifest.json").unlink(), "no manifest can be read"),
        (lambda out: (out / "manifest.json").write_text("{"), "damaged"),
        (lambda out: (out / "manifest.json").write_text("{}"), "not a manifest"),
        (lambda out: (out / "results.json").unlink(), "results of the run cannot be read"),
    ],
)
def test_what_cannot_be_verified_ends_with_two(reported, tmp_path, capsys, damage, message):
    out = shutil.copytree(reported, tmp_path / "copy")
    damage(out)
    assert message in refused(["verify", str(out / "manifest.json")], capsys)


def test_a_missing_input_cannot_be_verified(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["report", str(folder), "--out", str(out)]) == 0
    (folder / "labs.csv").unlink()
    assert "an input is missing: labs" in refused(["verify", str(out / "manifest.json")], capsys)


def test_a_new_row_of_data_is_told_by_diff(folder, reported, tmp_path, capsys):
    edit(folder, "adverse_events", lambda frame: frame.iloc[:-1])
    out = tmp_path / "out"
    assert main(["report", str(folder), "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["diff", str(reported / "manifest.json"), str(out / "manifest.json")]) == 1
    assert "moved" in capsys.readouterr().out
    assert main(["diff", str(out / "manifest.json"), str(out / "manifest.json")]) == 0


BAD_STUDIES = {
    "an unknown subject": (
        "labs",
        set_cell("subject_id", 2, "CD7-999"),
        ["labs", "line 4", "subject_id", "CD7-999"],
    ),
    "a negative value": ("kinetics", set_cell("value", 4, "-3"), ["kinetics", "line 6", "value", "-3"]),
    "text in a number column": ("pd", set_cell("value", 0, "many"), ["pd", "line 2", "value", "many"]),
    "a repeated key": (
        "kinetics",
        lambda frame: pd.concat([frame, frame.iloc[[4]].assign(value="77")]),
        ["kinetics", "line 6"],
    ),
    "an unknown term": (
        "responses",
        set_cell("overall_response", 0, "WONDERFUL"),
        ["responses", "line 2", "WONDERFUL"],
    ),
    "an infusion before leukapheresis": (
        "subjects",
        set_cell("infusion_date", 0, "2020-01-01"),
        ["subjects", "line 2", "infusion_date", "2020-01-01"],
    ),
}


@pytest.mark.parametrize("name", BAD_STUDIES)
def test_bad_data_are_told_with_table_line_and_column(folder, tmp_path, capsys, name):
    table, change, words = BAD_STUDIES[name]
    edit(folder, table, change)
    shown = refused(["report", str(folder), "--out", str(tmp_path / "out")], capsys)
    line = next((line for line in shown.splitlines() if all(word in line for word in words)), None)
    assert line is not None, shown


def test_all_problems_of_all_tables_stand_in_one_message(folder, tmp_path, capsys):
    edit(folder, "kinetics", set_cell("value", 4, "-3"))
    edit(folder, "labs", set_cell("subject_id", 2, "CD7-999"))
    edit(folder, "pd", set_cell("value", 0, "many"))
    shown = refused(["report", str(folder), "--out", str(tmp_path / "out")], capsys)
    assert all(word in shown for word in ("kinetics, line 6", "labs, line 4", "pd, line 2"))


def test_missing_and_empty_folders_and_studies_without_subjects_are_told(tmp_path, folder, capsys):
    out = str(tmp_path / "out")
    assert "missing" in refused(["report", str(tmp_path / "missing"), "--out", out], capsys)
    (tmp_path / "empty").mkdir()
    assert "subjects" in refused(["report", str(tmp_path / "empty"), "--out", out], capsys)
    (folder / "subjects.csv").unlink()
    assert "subjects" in refused(["report", str(folder), "--out", out], capsys)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"subject_id\n", "no subject"),
        (b"\x00\x01\x02\x03binary\x00", "binary"),
        ("subject_id,site\n001,Z\xfcrich\n".encode("latin-1"), "UTF-8"),
        (b"site\n01\n", "subject_id"),
        (b"subject_id,subject_id\n1,2\n", "twice"),
        (b"subject_id,site\n001\n", "line 2"),
    ],
)
def test_a_damaged_subjects_file_is_told(tmp_path, capsys, content, word):
    study = tmp_path / "study"
    study.mkdir()
    (study / "subjects.csv").write_bytes(content)
    assert word in refused(["report", str(study), "--out", str(tmp_path / "out")], capsys)


def test_html_in_a_term_is_escaped(folder, tmp_path):
    edit(folder, "adverse_events", set_cell("pt", 1, "<script>alert(1)</script>"))
    out = tmp_path / "out"
    assert main(["report", str(folder), "--out", str(out)]) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_formula_in_a_term_is_harmless_in_the_csv_and_itself_in_the_json(folder, tmp_path):
    edit(folder, "adverse_events", set_cell("pt", 1, "=cmd()"))
    out = tmp_path / "out"
    assert main(["report", str(folder), "--out", str(out)]) == 0
    assert ",=cmd()" not in (out / "results.csv").read_text()
    assert "=cmd()" in (out / "results.json").read_text()


def test_the_page_is_one_file_that_asks_for_nothing(reported):
    page = (reported / "report.html").read_text(encoding="utf-8")
    assert "not medical advice" in page
    assert not re.search(r"<(script|link|iframe|object|embed)\b", page)
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#|data:)""", page)
    assert "@import" not in page
    assert not re.search(r">\s*(nan|NaN|None|inf|NaT)\s*<", page)


def test_a_plan_can_be_named_and_a_wrong_one_is_told(folder, tmp_path, capsys):
    plan = tmp_path / "my.toml"
    plan.write_text("[respons]\ntie = 'later'")
    shown = refused(["report", str(folder), "--plan", str(plan), "--out", str(tmp_path / "out")], capsys)
    assert "nearest: response" in shown
    assert "cannot be read" in refused(["report", str(folder), "--plan", "no.toml"], capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        ["cook"],
        [],
        ["report"],
        ["report", "example", "--colour", "red"],
        ["report", "example", "--format", "pdf"],
    ],
)
def test_unknown_words_are_refused(arguments, capsys):
    assert "usage" in refused(arguments, capsys)


def test_out_may_not_be_a_file(tmp_path, capsys):
    place = tmp_path / "out"
    place.write_text("here")
    assert "is a file" in refused(["report", "example", "--out", str(place)], capsys)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_end_well(option, capsys):
    with pytest.raises(SystemExit) as stop:
        main([option])
    assert stop.value.code == 0
    assert "cart7" in capsys.readouterr().out


def test_check_prints_problems_and_says_one(folder, capsys):
    assert main(["check", str(folder)]) == 0
    edit(folder, "kinetics", set_cell("value", 4, "-3"))
    assert main(["check", str(folder)]) == 1
    assert "kinetics, line 6, column value" in capsys.readouterr().out


def test_init_writes_a_plan_that_reads_back_and_never_overwrites(tmp_path, capsys):
    place = tmp_path / "plan.toml"
    assert main(["init", str(place)]) == 0
    assert main(["report", "example", "--plan", str(place), "--out", str(tmp_path / "out")]) == 0
    assert "there already" in refused(["init", str(place)], capsys)


def test_a_study_of_subjects_alone_ends_well_and_says_not_collected(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    (study / "subjects.csv").write_text("subject_id\n001\n002\n")
    out = tmp_path / "out"
    assert main(["report", str(study), "--out", str(out)]) == 0
    assert "not collected" in (out / "report.html").read_text(encoding="utf-8").lower()


@pytest.mark.parametrize(
    "table",
    [
        "kinetics",
        "pd",
        "responses",
        "adverse_events",
        "ada",
        "events",
        "labs",
        "products",
        "dlt",
        "lymphodepletion",
    ],
)
def test_a_study_without_one_table_ends_well(folder, tmp_path, table):
    (folder / f"{table}.csv").unlink()
    assert main(["report", str(folder), "--out", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize(
    ("table", "column"),
    [("kinetics", "value"), ("pd", "parameter"), ("responses", "overall_response"), ("ada", "result"),
     ("adverse_events", "grade"), ("labs", "test"), ("products", "viable_car_pos_cells_1e6"), ("subjects", "dose_level"),
     ("events", "event")],
)  # fmt: skip
def test_a_study_without_one_column_ends_well(folder, tmp_path, table, column):
    edit(folder, table, lambda frame: frame.drop(columns=column))
    assert main(["report", str(folder), "--out", str(tmp_path / "out")]) == 0


def test_a_study_in_which_nobody_is_infused_ends_well(folder, tmp_path):
    edit(folder, "subjects", lambda frame: frame.assign(infused="N", infusion_date=""))
    for table in ("kinetics", "products", "dlt"):
        (folder / f"{table}.csv").unlink()
    out = tmp_path / "out"
    assert main(["report", str(folder), "--out", str(out), "--on-problem", "report"]) == 0
    assert "not collected" in (out / "report.html").read_text(encoding="utf-8").lower()
