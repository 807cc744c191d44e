"""Exchange files: the long results as ARD and as a CDISC ARS reporting event; hostile texts in every file."""

import copy
import csv
import io
import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest

import cart7
from cart7 import results
from cart7.cdisc import ard, ars
from cart7.cli import main
from cart7.examples import STUDY_FOLDER
from cart7.manifest import csv_bytes


@pytest.fixture(scope="module")
def long():
    """Long rows of the whole example study."""
    return cart7.analyse(cart7.example_study(), cart7.read_plan("example")).to_frame()


@pytest.fixture(scope="module")
def event(long):
    return ars.reporting_event(long, study_id="CD7-EX")


def rows_of(**cells):
    """One long row, the rest empty or usual."""
    row = dict.fromkeys(results.LONG_COLUMNS, "") | {"analysis": "a.b", "param": "P", "value": np.nan} | cells
    return pd.DataFrame([row]).astype({"value": "float64"})[list(results.LONG_COLUMNS)]


# ---- ARD ----------------------------------------------------------------------------------------


def test_the_ard_of_the_example_keeps_the_shape_and_every_number(long):
    table = ard.to_ard(long)
    assert ard.check(table) == []
    given = table[table["stat_name"] != "method"]
    assert len(given) == len(long)
    numbers = sorted(float(stat) for stat in given["stat"] if isinstance(stat, int | float))
    assert numbers == sorted(long["value"].dropna())
    assert json.loads(ard.ard_json(table), parse_constant=pytest.fail)["ard"][0].keys() == set(ard.COLUMNS)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"stat": "n", "value": 9.0, "method": "count"}, (9, "9", "whole number", None)),
        ({"stat": "estimate", "value": 1 / 16, "unit": "1"}, (1 / 16, "0.063", "3 decimals", None)),
        (
            {"stat": "mean", "value": 123.456, "unit": "days"},
            (123.456, "123.5", "4 significant digits", None),
        ),
        ({"stat": "median", "note": "median not reached"}, (None, "NR", "missing", "median not reached")),
        ({"stat": "median", "note": "nobody"}, (None, "NE", "missing", "nobody")),
        ({"stat": "response", "text": "CR"}, ("CR", "CR", "text", None)),
    ],
)
def test_a_statistic_has_its_text_its_rule_and_its_reason(cells, expected):
    row = ard.to_ard(rows_of(**cells)).query("stat_name != 'method'").iloc[0]
    assert tuple(row[["stat", "stat_fmt", "fmt_fun", "warning"]]) == expected


@pytest.mark.parametrize(
    ("cells", "group"),
    [
        ({"group": "2"}, ("dose_level", "2")),
        ({"group": "ALL"}, ("", "")),
        ({"subject_id": "001"}, ("subject_id", "001")),
    ],
)
def test_groups_subjects_and_everybody_are_told_apart(cells, group):
    table = ard.to_ard(rows_of(stat="n", value=1.0, timepoint="M3", population="INFUSED", **cells))
    assert set(zip(table["group1"], table["group1_level"], strict=True)) == {group}
    assert set(table["context"]) == {"a.b:INFUSED"}
    assert set(table["analysis_id"]) == {"a.b|P|M3|INFUSED"}


def test_a_block_has_one_row_of_its_methods_and_keeps_its_own():
    two = pd.concat(
        [rows_of(stat="n", value=1.0, method="count"), rows_of(stat="mean", value=1.0, method="average")]
    )
    methods = ard.to_ard(two).query("stat_name == 'method'")
    assert methods["stat"].tolist() == ["count; average"]
    own = ard.to_ard(rows_of(stat="method", text="log-log"))
    assert own["stat"].tolist() == ["log-log"]
    assert ard.to_ard(rows_of(stat="n", value=1.0)).query("stat_name == 'method'")["stat"].tolist() == [
        "derived by a.b"
    ]


def test_the_check_of_an_ard_names_what_is_wrong():
    sound = ard.to_ard(rows_of(stat="n", value=1.0))
    assert any("key stands twice" in line for line in ard.check(pd.concat([sound, sound])))
    assert any("0 rows `method`" in line for line in ard.check(sound[sound["stat_name"] != "method"]))
    assert any("without a warning" in line for line in ard.check(sound.assign(stat=None)))
    assert any("a level without a group" in line for line in ard.check(sound.assign(group1_level="1")))
    assert any("infinite" in line for line in ard.check(sound.assign(stat=np.inf)))
    assert "columns must be" in ard.check(sound.drop(columns="unit"))[0]
    with pytest.raises(ValueError, match="key stands twice"):
        ard.to_ard(pd.concat([rows_of(stat="n", value=1.0)] * 2))


# ---- ARS ----------------------------------------------------------------------------------------


def test_the_reporting_event_of_the_example_keeps_the_published_rules_and_holds_every_summary(long, event):
    assert ars.check(event) == []
    given = [result for analysis in event["analyses"] for result in analysis["results"]]
    summary = long[long["subject_id"] == ""]
    assert len(given) == len(summary)
    assert sum("rawValue" in result for result in given) == int(
        (summary["value"].notna() | (summary["text"] != "")).sum()
    )


def test_a_number_of_the_event_is_that_of_the_results(long, event):
    chosen = next(a for a in event["analyses"] if a["name"].startswith("safety.dose_limiting_toxicity: DLT"))
    method = next(m for m in event["methods"] if m["id"] == chosen["methodId"])
    operation = next(o["id"] for o in method["operations"] if o["name"] == "ci_high")
    overall = next(r for r in chosen["results"] if r["operationId"] == operation and "resultGroups" not in r)
    row = long[
        (long["analysis"] == "safety.dose_limiting_toxicity")
        & (long["stat"] == "ci_high")
        & (long["group"] == "ALL")
    ]
    assert float(overall["rawValue"]) == row["value"].item()
    assert chosen["purpose"] == {"controlledTerm": "PRIMARY OUTCOME MEASURE"}


def set_in(*keys, to):
    def change(event):
        for key in keys[:-1]:
            event = event[key]
        event[keys[-1]] = to

    return change


BROKEN = {
    "no name": (lambda event: event.pop("name"), "event has no name"),
    "a value that is a number": (set_in("analyses", 0, "results", 0, "rawValue", to=9), "rawValue must be str, found 9"),
    "an order that is a truth": (set_in("methods", 0, "operations", 0, "order", to=True), "order must be int"),
    "an unknown reason": (set_in("analyses", 0, "reason", "controlledTerm", to="BECAUSE"), "SPECIFIED IN SAP"),
    "an unknown purpose": (set_in("analyses", 0, "purpose", "controlledTerm", to="MAIN"), "PRIMARY OUTCOME MEASURE"),
    "an unknown comparator": (set_in("analysisGroupings", 0, "groups", 0, "condition", "comparator", to="IS"), "NOTIN"),
    "an unknown attribute": (set_in("analyses", 0, "colour", to="red"), "unknown attribute colour"),
    "a method not defined": (set_in("analyses", 0, "methodId", to="M"), "method 'M' is not defined"),
    "a set not defined": (set_in("analyses", 0, "analysisSetId", to="S"), "analysis set 'S' is not defined"),
    "an operation of another method": (set_in("analyses", 0, "results", 0, "operationId", to="O"), "not one of its method"),
    "an id that stands twice": (lambda event: event["analyses"].append(event["analyses"][0]), "stands 2 times"),
    "an analysis not listed": (lambda event: event["mainListOfContents"]["contentsList"]["listItems"].pop(),
                               "not in the list of contents"),
    "a listed analysis that is none": (lambda event: event["analyses"].pop(), "which is no analysis"),
    "a result that stands twice": (lambda event: event["analyses"][0]["results"].append(event["analyses"][0]["results"][0]),
                                   "2 results of"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_rule_of_ars_that_is_broken_is_named(name):
    change, words = BROKEN[name]
    rates = pd.concat(
        [rows_of(stat="n", value=9.0, group=group, population="INFUSED") for group in ("1", "ALL")]
    )
    made = copy.deepcopy(ars.reporting_event(rates, study_id="X"))
    assert ars.check(made) == []
    change(made)
    assert any(words in line for line in ars.check(made)), ars.check(made)


# ---- hostile texts ------------------------------------------------------------------------------

HOSTILE = '=HYPERLINK("http://x")<script>alert("1")</script>&amp;\'"]]>{\\rtf\\u1}\x1b[2J{{7*7}}$\\frac{$'
FREE = {
    "subjects": ("study_id", "subject_id", "site", "diagnosis"),
    "adverse_events": ("subject_id", "ae_id", "pt", "soc"),
    "dlt": ("subject_id", "dlt_term", "not_evaluable_reason"),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The report, in every format, of a study whose free texts are all hostile."""
    place = tmp_path_factory.mktemp("hostile")
    study = place / '<script>&"study'
    study.mkdir()
    for table, names in FREE.items():
        rows = pd.read_csv(STUDY_FOLDER / f"{table}.csv", dtype=str, keep_default_na=False)
        for name in set(names) & set(rows.columns):
            rows[name] = [text and HOSTILE + text for text in rows[name]]
        rows.to_csv(study / f"{table}.csv", index=False)
    out = place / "out"
    arguments = ["report", str(study), "--out", str(out), "--format", "html,rtf,docx", "--also", "ard,ars"]
    assert main(arguments) == 0
    return out


def test_the_page_shows_hostile_texts_and_runs_none(hostile):
    page = (hostile / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|\x1b", page)
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;&amp;amp;" in page
    assert "{{7*7}}" in page


def test_word_processors_get_hostile_texts_as_text(hostile):
    with zipfile.ZipFile(hostile / "report.docx") as packed:
        words = packed.read("word/document.xml").decode()
    assert "&lt;script&gt;" in words
    assert "\x1b" not in words
    rtf = (hostile / "report.rtf").read_text(encoding="ascii")
    assert r"\{\\rtf\\u1\}" in rtf
    assert rtf.replace(r"\\", "").replace(r"\{", "").count("{") == rtf.replace(r"\\", "").replace(
        r"\}", ""
    ).count("}")


@pytest.mark.parametrize("name", ["results.csv", "ard.csv"])
def test_no_cell_of_a_csv_file_is_a_formula(hostile, name):
    text = (hostile / name).read_bytes().decode("utf-8")
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not [cell for cell in cells if re.match(r"[=@\t\r\n]|[-+](?![0-9.])", cell)]


@pytest.mark.parametrize("name", ["results.json", "ard.json", "ars.json", "manifest.json"])
def test_json_files_hold_hostile_texts_as_they_are(hostile, name):
    content = (hostile / name).read_text(encoding="utf-8")
    json.loads(content, parse_constant=pytest.fail)
    assert "\x1b" not in content
    if name != "manifest.json":
        assert json.dumps(HOSTILE, ensure_ascii=False)[1:-1] in content


def test_the_exchange_files_are_outputs_of_the_run_and_it_verifies(hostile, capsys):
    listed = {item["path"] for item in json.loads((hostile / "manifest.json").read_text())["outputs"]}
    assert {"ard.csv", "ard.json", "ars.json"} <= listed
    assert ars.check(json.loads((hostile / "ars.json").read_text(encoding="utf-8"))) == []
    assert main(["verify", str(hostile)]) == 0
    assert "everything reproduces" in capsys.readouterr().out


def test_a_csv_has_no_formula_in_its_header_and_numbers_of_every_kind_as_they_are():
    frame = pd.DataFrame({"=a": ["-x", None, "-1"], "n": [1, 2, 3], "mixed": [1.5, "1.5", np.nan]})
    assert csv_bytes(frame).decode().splitlines() == ["'=a,n,mixed", "'-x,1,1.5", ",2,1.5", "-1,3,"]
