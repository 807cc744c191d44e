"""The findings of `cart7 check` as text, JSON and page: counted, capped, escaped."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from cart7.cli import main
from cart7.errors import PROBLEM_COLUMNS
from cart7.examples import STUDY_FOLDER
from cart7.report import findings
from cart7.study import Study, read_study

MESSY = Path(__file__).parent / "data" / "example_study_messy"
SUBJECTS = pd.DataFrame({"subject_id": ["001", "002"]})


@pytest.fixture(scope="module")
def messy():
    return read_study(MESSY, on_problem="report")


def study_of(values, n=1):
    rows = [("001", str(day), "ANC", value) for day, value in enumerate(values * n)]
    labs = pd.DataFrame(rows, columns=["subject_id", "day", "test", "value"])
    return Study.from_frames(subjects=SUBJECTS, labs=labs.assign(unit="10^9/L"), on_problem="report")


def test_every_finding_is_printed_with_its_place_up_to_the_cap(messy, capsys):
    assert main(["check", str(MESSY)]) == 1
    text = capsys.readouterr().out
    for problem in messy.problems.itertuples():
        place = f"  {problem.table}, line {problem.row + 1}"
        assert any(line.startswith(place) and f"[{problem.rule}]" in line for line in text.splitlines())
    assert text.startswith("16 errors, 19 warnings, 62 repairs in 14 tables, 3202 rows; 16 rows set aside\n")
    assert len(re.findall(r"^  \S", text, flags=re.MULTILINE)) == len(messy.problems)


def test_the_table_of_rules_counts_every_finding(messy):
    rules = findings.by_rule(messy.problems)
    assert sum(rule.n for rule in rules) == len(messy.problems)
    severities = [rule.severity for rule in rules]
    assert severities == sorted(severities, key=["error", "warning", "repair"].index)
    assert next(rule.tables for rule in rules if rule.rule == "D02-SAME-KEY") == "kinetics 2, labs 4"


def test_what_is_beyond_the_cap_is_counted_and_all_of_it_can_be_had():
    study = study_of(["-1"], n=237)
    some = findings.lines(study.problems, study.accounting)
    assert some[-1] == "  ... and 37 more (--all prints them)"
    assert sum("NUMBER-NEGATIVE]" in line for line in some) == 200
    every = findings.lines(study.problems, study.accounting, shown=None)
    assert sum("NUMBER-NEGATIVE]" in line for line in every) == 237
    page = findings.page(study.problems, study.accounting, name="x")
    assert page.count('<td class="w found">-1</td>') == 200
    assert "... and 37 more" in page


def test_the_option_all_lifts_the_cap(tmp_path, capsys):
    shutil.copy(STUDY_FOLDER / "subjects.csv", tmp_path)
    rows = "".join(f"CD7-001,{day},ANC,-1\n" for day in range(201))
    (tmp_path / "labs.csv").write_text(f"subject_id,day,test,value\n{rows}")
    assert main(["check", str(tmp_path)]) == 1
    assert "... and 1 more" in capsys.readouterr().out
    assert main(["check", str(tmp_path), "--all"]) == 1
    assert capsys.readouterr().out.count("NUMBER-NEGATIVE]") == 201


def test_the_json_holds_every_finding_in_one_shape(messy, capsys):
    assert main(["check", str(MESSY), "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert list(content) == ["schema", "counts", "tables", "problems"]
    assert content["schema"] == "cart7-check/1"
    assert content["counts"] == {"error": 16, "warning": 19, "repair": 62}
    assert len(content["problems"]) == len(messy.problems)
    assert all(list(problem) == [*PROBLEM_COLUMNS, "line"] for problem in content["problems"])
    first, frame = content["problems"][0], messy.problems.iloc[0]
    assert (first["table"], first["row"], first["line"]) == (frame["table"], frame["row"], frame["row"] + 1)
    assert {row["table"]: row["rows_in"] for row in content["tables"]}["labs"] == 2219


def test_a_study_that_cannot_be_read_is_told_as_json_too_and_exits_2(tmp_path, capsys):
    (tmp_path / "labs.csv").write_text("subject_id\n1\n")
    assert main(["check", str(tmp_path), "--json"]) == 2
    said = capsys.readouterr()
    content = json.loads(said.out)
    assert [problem["rule"] for problem in content["problems"]] == ["FILE-NO-SUBJECTS"]
    assert content["tables"] == []
    assert "there is no table of subjects" in said.err


def test_a_sound_study_says_so_in_each_form(tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["check", "example", "--html", str(page)]) == 0
    assert capsys.readouterr().out == "no problem found in 14 tables, 3187 rows\n"
    assert "no problem found in 14 tables, 3187 rows" in page.read_text(encoding="utf-8")
    assert main(["check", "example", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "onerror", "onclick")]


EVIL = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "\x1b[31mred", "\ud800", "a\x00b",
        "\u202eabc", "&lt;"]  # fmt: skip


def test_nothing_that_stands_in_the_data_is_obeyed_by_the_page_or_the_terminal():
    study = study_of(EVIL)
    page = findings.page(study.problems, study.accounting, name="<b>study</b>\x1b")
    page.encode("utf-8")
    read = Tags()
    read.feed(page)
    assert not read.tags & {"script", "img", "b", "link", "iframe"}
    assert all(link.startswith("#r") for link in read.links)
    assert "49" not in page.replace("1049", "")
    assert "\x1b" not in page
    text = "\n".join(findings.lines(study.problems, study.accounting))
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    text.encode("utf-8")


def test_a_long_value_is_cut_in_print_and_whole_in_the_json():
    study = study_of(["9x" * 3000])
    line = findings.lines(study.problems, study.accounting)[-1]
    assert "... (6000 letters)" in line
    assert len(line) < 400
    content = json.loads(findings.as_json(study.problems, study.accounting))
    assert content["problems"][0]["value"] == "9x" * 3000


def test_the_same_study_gives_the_same_page(messy):
    first, second = (findings.page(messy.problems, messy.accounting, name="messy") for _ in range(2))
    assert first == second


def test_a_page_that_cannot_be_written_is_an_error(tmp_path, capsys):
    assert main(["check", "example", "--html", str(tmp_path)]) == 2
    assert "Is a directory" in capsys.readouterr().err
