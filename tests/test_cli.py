"""The command line: files, exit codes, and errors for a shell user."""

import json
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from cart7.cli import main
from cart7.examples import STUDY_FOLDER


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(STUDY_FOLDER, tmp_path / "study")


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """The example's report; nothing writes into it."""
    out = tmp_path_factory.mktemp("report")
    assert main(["report", "example", "--out", str(out)]) == 0
    return out


def small_study(folder, *tables):
    """A study of few tables, which is analysed in a moment."""
    folder.mkdir(parents=True)
    for table in ("subjects", *tables):
        shutil.copy(STUDY_FOLDER / f"{table}.csv", folder)
    return folder


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """A folder `study` of three tables and its report beside it in `out`."""
    place = tmp_path_factory.mktemp("run")
    study = small_study(place / "study", "dlt", "kinetics")
    assert main(["report", str(study), "--out", str(place / "out")]) == 0
    return place


@pytest.fixture
def run(small_run, tmp_path):
    """That folder, free to be changed; since it is a copy, whatever verifies has been moved."""
    return shutil.copytree(small_run, tmp_path / "run")


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


def test_the_report_writes_four_files_into_a_new_folder_and_prints_its_path(tmp_path, capsys):
    study = small_study(tmp_path / "stüdy with blanks", "dlt")
    out = tmp_path / "new" / "folder"
    assert main(["report", str(study), "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "report.html")
    assert {path.name for path in out.iterdir()} == {
        "report.html",
        "results.csv",
        "results.json",
        "manifest.json",
    }
    assert main(["verify", str(out / "manifest.json")]) == 0


def test_the_report_may_be_written_into_the_study_itself(tmp_path):
    study = small_study(tmp_path / "study", "dlt")
    assert main(["report", str(study), "--out", str(study)]) == 0
    assert main(["verify", str(study / "manifest.json")]) == 0


def test_pages_for_word_processors_are_written_on_demand(tmp_path, capsys):
    study = small_study(tmp_path / "study", "dlt")
    assert main(["report", str(study), "--out", str(tmp_path / "out"), "--format", "rtf, DOCX"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "out" / "report.rtf")
    assert (tmp_path / "out" / "report.docx").is_file()
    assert not (tmp_path / "out" / "report.html").exists()


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


def test_a_changed_input_value_names_the_input_and_the_numbers(run, capsys):
    edit(run / "study", "kinetics", set_cell("value", 4, "12345"))
    before = sorted(path.stat().st_mtime_ns for path in run.rglob("*"))
    assert main(["verify", str(run / "out" / "manifest.json")]) == 1
    shown = capsys.readouterr().out
    assert "input kinetics (../study/kinetics.csv): content changed" in shown
    assert re.search(r"pk\.nca MRTLST:QPCR:1 mrt_last \(subject_id CD7-001\): 15\.28\d+ -> 14\.30\d+", shown)
    assert before == sorted(path.stat().st_mtime_ns for path in run.rglob("*")), "verify writes nothing"


def test_an_input_changed_into_an_error_is_a_changed_input(run, capsys):
    edit(run / "study", "kinetics", set_cell("value", 4, "-3"))
    assert main(["verify", str(run / "out" / "manifest.json")]) == 1
    shown = capsys.readouterr().out
    assert "input kinetics" in shown
    assert "moved" in shown


def test_an_additional_table_is_told(run, capsys):
    shutil.copy(STUDY_FOLDER / "lymphodepletion.csv", run / "study")
    assert main(["verify", str(run / "out" / "manifest.json")]) == 1
    assert "input lymphodepletion (lymphodepletion.csv): new table" in capsys.readouterr().out


def test_other_bytes_with_the_same_content_verify_from_another_place_and_directory(run, monkeypatch):
    path = run / "study" / "kinetics.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    other = rows.iloc[::-1, ::-1].to_csv(index=False, lineterminator="\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + other.encode() + b"\r\n")
    monkeypatch.chdir(run / "study")
    assert main(["verify", "../out/manifest.json"]) == 0


def test_an_input_that_became_another_format_with_the_same_content_verifies(run):
    rows = pd.read_csv(run / "study" / "dlt.csv")
    kinds = {name: "double" if pd.api.types.is_numeric_dtype(rows[name]) else "string" for name in rows}
    content = {
        "datasetJSONCreationDateTime": "2024-01-01T00:00:00",
        "datasetJSONVersion": "1.1.0",
        "itemGroupOID": "IG.DLT",
        "records": len(rows),
        "name": "DLT",
        "label": "DLT",
        "columns": [
            {"itemOID": name, "name": name, "label": name, "dataType": kind} for name, kind in kinds.items()
        ],
        "rows": rows.astype(object).where(rows.notna(), None).values.tolist(),
    }
    (run / "study" / "dlt.json").write_text(json.dumps(content))
    (run / "study" / "dlt.csv").unlink()
    assert main(["verify", str(run / "out" / "manifest.json")]) == 0


@pytest.mark.parametrize("factor", [1 + 1e-8, -1])
def test_a_number_edited_in_the_results_is_found_however_small_it_is(run, capsys, factor):
    place = run / "out" / "results.json"
    content = json.loads(place.read_text())
    row = min((row for row in content["results"] if row["value"]), key=lambda row: abs(row["value"]))
    row["value"] *= factor
    place.write_text(json.dumps(content))
    assert main(["verify", str(run / "out" / "manifest.json")]) == 1
    assert "1 number moved" in capsys.readouterr().out


def test_rows_removed_from_the_results_are_found(run, capsys):
    place = run / "out" / "results.json"
    content = json.loads(place.read_text())
    content["results"] = content["results"][2:]
    place.write_text(json.dumps(content))
    assert main(["verify", str(run / "out" / "manifest.json")]) == 1
    assert "2 numbers moved" in capsys.readouterr().out


def in_manifest(*keys):
    """Damage: the part of the manifest that `keys` leads to becomes null."""

    def change(out):
        content = json.loads((out / "manifest.json").read_text())
        part = content
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = None
        (out / "manifest.json").write_text(json.dumps(content))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda out: (out / "manifest.json").unlink(), "no manifest can be read"),
        (lambda out: (out / "manifest.json").write_text("{"), "damaged"),
        (lambda out: (out / "manifest.json").write_text("{}"), "not a manifest"),
        (lambda out: (out / "manifest.json").write_text("[" * 100_000), "damaged"),
        (in_manifest("plan"), "no sound plan"),
        (in_manifest("environment"), "no sound environment"),
        (in_manifest("outputs", 0), "no sound outputs"),
        (in_manifest("inputs", 0, "path"), "no sound inputs"),
        (in_manifest("inputs", 0, "content_hash"), "no sound inputs"),
        (lambda out: (out / "results.json").unlink(), "results of the run cannot be read"),
        (
            lambda out: (out / "results.json").write_text('{"results": [3]}'),
            "results of the run cannot be read",
        ),
        (lambda out: (out.parent / "study" / "dlt.csv").unlink(), "an input is missing: dlt"),
        (
            lambda out: (out.parent / "study" / "dlt.csv").write_bytes(b"\x00\x01\x02\x03"),
            "no study table: dlt",
        ),
        (
            lambda out: (out.parent / "study" / "subjects.csv").write_text("subject_id"),
            "can no longer be read",
        ),
        (lambda out: shutil.rmtree(out.parent / "study"), "an input is missing"),
    ],
)
def test_what_cannot_be_verified_ends_with_two(run, capsys, damage, message):
    damage(run / "out")
    assert message in refused(["verify", str(run / "out" / "manifest.json")], capsys)


def test_two_data_cuts_are_compared_by_diff(run, capsys):
    edit(run / "study", "dlt", set_cell("dlt", 0, "Y"))
    assert main(["report", str(run / "study"), "--out", str(run / "later")]) == 0
    capsys.readouterr()
    first, second = (str(run / name / "manifest.json") for name in ("out", "later"))
    assert main(["diff", first, second]) == 1
    assert re.search(
        r"safety\.dose_limiting_toxicity DLT n_dlt \(.*group 1\): 0\.0 -> 1\.0", capsys.readouterr().out
    )
    assert main(["diff", first, first]) == 0


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
    "a visit before the infusion": (
        "responses",
        lambda frame: frame.drop(columns="day").assign(
            assessment_date=["2021-10-01", *frame["assessment_date"][1:]]
        ),
        ["responses", "line 2", "assessment_date", "2021-10-01"],
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


def test_every_error_is_told_however_many_there_are(folder, tmp_path, capsys):
    edit(folder, "labs", lambda frame: frame.assign(subject_id=frame["subject_id"] + "X"))
    shown = refused(["report", str(folder), "--out", str(tmp_path / "out")], capsys)
    assert [f"labs, line {line}, column subject_id" in shown for line in (2, 52, 2215)] == [True] * 3
    assert len(shown.splitlines()) == 2215
    assert not (tmp_path / "out").exists()


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


def test_html_and_formulas_in_a_term_are_text(tmp_path):
    folder = small_study(tmp_path / "study", "adverse_events")
    edit(folder, "adverse_events", set_cell("pt", 1, "<script>alert(1)</script>"))
    edit(folder, "adverse_events", set_cell("soc", 2, "=cmd()"))
    out = tmp_path / "out"
    assert main(["report", str(folder), "--out", str(out)]) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    table, rows = (out / "results.csv").read_text(), json.loads((out / "results.json").read_text())["results"]
    assert ",=cmd()" not in table
    assert ",'=cmd()" in table
    assert any(row["param"].startswith("=cmd()") for row in rows)


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
    (folder / "plan.toml").unlink()
    (folder / "plan.toml").mkdir()
    assert "cannot be read" in refused(["report", str(folder)], capsys)


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


def test_a_name_that_no_page_could_hold_is_told(capsys):
    name = os.fsdecode(b"study\xff")
    assert "is not UTF-8 text" in refused(["report", name], capsys)


def test_an_interrupted_command_says_so(monkeypatch, capsys):
    def interrupt(named):
        raise KeyboardInterrupt

    monkeypatch.setattr("cart7.manifest.study_folder", interrupt)
    assert main(["check", "example"]) == 130
    assert capsys.readouterr().err == "cart7: interrupted\n"


def test_a_reader_who_stops_reading_ends_the_command_quietly(folder):
    edit(folder, "labs", lambda frame: frame.assign(subject_id="CD7-999"))
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "cart7", "check", str(folder)]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_help_loads_no_tables():
    code = (
        "import sys\nfrom cart7.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'pandas', 'numpy', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


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
    study = small_study(tmp_path / "study")
    assert main(["report", str(study), "--plan", str(place), "--out", str(tmp_path / "out")]) == 0
    assert "there already" in refused(["init", str(place)], capsys)
    assert "No such file or directory" in refused(["init", str(tmp_path / "gone" / "plan.toml")], capsys)


def test_what_is_missing_is_not_collected_and_no_error(tmp_path):
    study = small_study(tmp_path / "study", "dlt", "kinetics")
    edit(study, "kinetics", lambda frame: frame.drop(columns="value"))
    edit(study, "subjects", lambda frame: frame.drop(columns="dose_level"))
    out = tmp_path / "out"
    assert main(["report", str(study), "--out", str(out)]) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "not collected" in page.lower()
    assert "kinetics has no column value" in page


@pytest.mark.parametrize(
    "subjects",
    ["subject_id\n001\n002\n", "subject_id,infused\n001,N\n002,N\n"],
    ids=["alone", "nobody infused"],
)
def test_a_study_without_anything_to_compute_ends_well_and_says_not_collected(tmp_path, subjects):
    study = tmp_path / "study"
    study.mkdir()
    (study / "subjects.csv").write_text(subjects)
    out = tmp_path / "out"
    assert main(["report", str(study), "--out", str(out)]) == 0
    assert "not collected" in (out / "report.html").read_text(encoding="utf-8").lower()


def test_rows_with_errors_are_set_aside_on_demand_and_that_verifies(tmp_path, capsys):
    study = small_study(tmp_path / "study", "kinetics")
    edit(study, "kinetics", set_cell("value", 4, "-3"))
    out = tmp_path / "out"
    assert main(["report", str(study), "--out", str(out), "--on-problem", "report"]) == 0
    assert "a concentration cannot be negative" in (out / "report.html").read_text(encoding="utf-8")
    assert main(["verify", str(out / "manifest.json")]) == 0


# ---- escalation ---------------------------------------------------------------------------------

DESIGN = '[design]\nkind = "Boin"\ntarget = 0.3\n'


@pytest.fixture
def design_plan(tmp_path):
    path = tmp_path / "design.toml"
    path.write_text(DESIGN)
    return path


def test_next_dose_prints_the_counts_the_decision_and_its_reason(design_plan, capsys):
    assert main(["next-dose", "example", "--plan", str(design_plan)]) == 0
    out = capsys.readouterr().out
    assert "Boin, last cohort at level 3: stay, level 3" in out
    assert "because 1 of 3 with DLT at level 3" in out
    assert [line.split()[:3] for line in out.splitlines()[1:4]] == [
        ["1", "3", "0"],
        ["2", "3", "0"],
        ["3", "3", "1"],
    ]


def test_next_dose_under_a_design_with_pending_subjects(folder, design_plan, capsys):
    """A subject of level 3 whom nobody has judged yet, followed for 10 days."""
    design_plan.write_text(DESIGN.replace("Boin", "TiteBoin"))
    dlt = pd.read_csv(folder / "dlt.csv", dtype=str)
    dlt.loc[dlt["subject_id"] == "CD7-009", ["evaluable", "dlt"]] = ["N", "N"]
    dlt.to_csv(folder / "dlt.csv", index=False)
    events = pd.read_csv(folder / "events.csv", dtype=str)
    mine = (events["subject_id"] == "CD7-009") & (events["event"] != "LAST_CONTACT")
    events = events[~mine]
    events.loc[events["subject_id"] == "CD7-009", ["day", "date"]] = ["10", ""]
    events.to_csv(folder / "events.csv", index=False)
    for table in ("kinetics", "pd", "responses", "labs", "ada", "adverse_events", "aesi_course"):
        path = folder / f"{table}.csv"
        if path.exists():
            rows = pd.read_csv(path, dtype=str)
            rows[rows["subject_id"] != "CD7-009"].to_csv(path, index=False)
    assert main(["next-dose", str(folder), "--plan", str(design_plan)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[3].split() == ["3", "2", "1", "1", "10.0"]
    assert "pending subjects count for the part of the window they were followed" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["next-dose", "example"], "the plan states no [design]"),
        (["next-dose", "example", "--plan", "DESIGN", "--levels", "2"], "there are 2 levels"),
        (["next-dose", "example", "--plan", "DESIGN", "--levels", "0"], "--levels must be at least 1"),
        (["simulate", "example"], "the plan states no [design]"),
        (["simulate", "DESIGN", "--trials", "0"], "n_trials must be a whole number from 1"),
    ],
)
def test_escalation_that_cannot_be_is_told(arguments, words, design_plan, capsys):
    assert main([str(design_plan) if word == "DESIGN" else word for word in arguments]) == 2
    assert words in capsys.readouterr().err


def test_simulate_prints_a_table_per_scenario_the_same_each_time(design_plan, capsys):
    command = ["simulate", str(design_plan), "--trials", "200", "--cohorts", "3", "--levels", "2"]
    assert main(command) == 0
    once = capsys.readouterr().out
    assert main(command) == 0
    assert capsys.readouterr().out == once
    assert "level 2 at the target" in once
    assert "all too toxic" in once
    assert main([*command, "--true-dlt", "0.1,0.4"]) == 0
    assert "\n0.1, 0.4\n" in capsys.readouterr().out


def test_a_rate_that_is_no_rate_is_refused(design_plan, capsys):
    for rates in ("0.1,x", "0.1,1.4"):
        with pytest.raises(SystemExit, match="2"):
            main(["simulate", str(design_plan), "--true-dlt", rates])


def test_simulate_says_precision_backfill_and_figure(design_plan, tmp_path, capsys):
    figure = tmp_path / "oc.png"
    command = ["simulate", str(design_plan), "--trials", "300", "--cohorts", "4", "--true-dlt", "0.1,0.3"]
    assert main([*command, "--backfill", "2", "--backfill-max", "6", "--figure", str(figure)]) == 0
    out = capsys.readouterr().out
    assert "backfill: 2 with every cohort, up to 6 at a level" in out
    assert "n_backfilled_mcse" in out
    assert figure.stat().st_size > 5_000
    assert main([*command, "--mcse", "0.001"]) == 0
    assert "300 trials per scenario" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backfill", "0"], "per_cohort: Input should be greater than or equal to 1 (found 0)"),
        (["--mcse", "-1"], "mcse must be above 0"),
        (["--figure", "oc.txt"], "must end in one of .png, .svg, .pdf"),
        (["--figure", "nowhere/oc.png"], "there is no folder nowhere"),
    ],
)
def test_simulations_that_cannot_be_are_told(arguments, words, design_plan, capsys):
    assert main(["simulate", str(design_plan), "--trials", "50", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_design_on_responses_is_simulated_with_their_rates(tmp_path, capsys):
    plan = tmp_path / "plan.toml"
    plan.write_text('[design]\nkind = "Boin12"\nphi_t = 0.35\nphi_e = 0.25\n')
    command = ["simulate", str(plan), "--trials", "50", "--cohorts", "3"]
    assert main(command) == 2
    assert "Boin12 needs true_response" in capsys.readouterr().err
    assert main([*command, "--true-response", "0.2,0.4,0.5"]) == 0
