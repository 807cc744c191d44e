"""The page: complete, self-contained, repeatable, honest about what is missing."""

import dataclasses
import re
import zipfile
from html.parser import HTMLParser

import pandas as pd
import pytest

import cart7
from cart7.report import cells, document, tables_study
from cart7.report.cells import Footnotes, Groups
from cart7.report.sections import sections

HEADINGS = (
    "What was analysed", "Dose-limiting toxicity", "Adverse events", "CRS, ICANS and HLH",
    "Blood counts and laboratory", "CAR-T cell kinetics", "CD7+ cells",
    "Response", "Overall survival, progression-free survival, duration of response", "Immunogenicity",
    "Recommended phase II dose", "Not collected", "Data problems", "Conventions in force", "Software versions",
)  # fmt: skip


def text_of(page):
    """What a reader sees: no style, no tags."""
    return re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))


def bare_words(page):
    return re.findall(r"(?<![\w-])(?:nan|NaN|NaT|inf|None|<NA>|&lt;NA&gt;)(?![\w-])", text_of(page))


@pytest.fixture(scope="module")
def analysis():
    return cart7.analyse(cart7.example_study(), cart7.read_plan("example"))


@pytest.fixture(scope="module")
def page(analysis):
    return document.render_html(analysis)


@pytest.fixture(scope="module")
def empty():
    """A study in which nobody is infused."""
    subjects = pd.DataFrame({"subject_id": ["1", "2"], "infused": ["N", "N"], "dose_level": [1, 2]})
    return cart7.analyse(cart7.Study.from_frames(subjects=subjects))


def test_every_section_stands_in_order_and_is_reached_from_the_contents(page):
    found = [re.sub(r"<[^>]+>", "", head).strip() for head in re.findall(r"<h2><span.*?</h2>", page)]
    assert [name.split(" ", 1)[1].strip() for name in found] == list(HEADINGS)
    links = re.findall(r'<li><a href="#([\w-]+)">', page)
    assert len(links) == len(HEADINGS)
    assert all(f'<section id="{link}">' in page for link in links)


def test_the_page_asks_for_nothing_from_anywhere(page):
    for request in ("<script", "<link", "<img", "<iframe", "<object", "<embed", "@import", "@font-face", "http:",
                    "https:", "xmlns", "data:", "<!ENTITY", "javascript:"):  # fmt: skip
        assert request not in page, request
    assert page.count("<!DOCTYPE") == 1
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert not re.findall(r"url\((?!#)", page)


def test_the_page_has_one_id_each_and_every_reference_has_its_target(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    referred = set(re.findall(r'(?:href="|url\()#([^")]+)', page))
    assert referred <= set(ids)


class _Nesting(HTMLParser):
    """Complains when an element is closed that is not the open one."""

    VOID = ("meta", "br")

    def __init__(self):
        super().__init__()
        self.open, self.wrong = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_elements_are_nested_and_closed(page):
    reader = _Nesting()
    reader.feed(re.sub(r"<(\w+)([^<>]*)/>", r"<\1\2></\1>", page))
    assert (reader.wrong, reader.open) == ([], [])


def test_the_same_analysis_gives_the_same_bytes(analysis, page):
    assert document.render_html(analysis) == page


def test_a_second_analysis_gives_the_same_page(page):
    again = cart7.analyse(cart7.example_study(), cart7.read_plan("example"))
    assert document.render_html(again) == page


def test_no_path_and_no_time_of_making_is_written(page):
    assert not re.search(r"/(?:home|root|tmp|work|usr)/", page)
    assert not re.search(r"\d{2}:\d{2}:\d{2}", page)


def test_a_missing_number_is_never_printed_bare(page):
    assert bare_words(page) == []
    assert "not reached" in page
    assert "not estimable" in page


def test_the_page_says_that_it_is_not_medical_advice_and_that_weights_are_placeholders(page):
    assert "not medical advice" in page
    assert 'class="loud"' in page
    assert "placeholders" in page


def test_every_figure_can_be_read_without_seeing_it(page):
    drawings = re.findall(r"<svg [^>]*>.{0,40}", page)
    assert len(drawings) == page.count("<figure") >= 12
    assert all('role="img"' in drawing and "<title>" in drawing for drawing in drawings)


def test_nobody_of_three_shows_its_interval(page):
    assert "0/3 [0, 70.8]" in page
    assert "1/9 (11.1) [0.3, 48.2]" in page


def test_response_counts_and_limits_are_those_of_the_reference(page):
    assert "5/9 (55.6) [21.2, 86.3]" in page
    assert "8/10 (80.0) [44.4, 97.5]" in page


def test_the_median_stands_with_usual_and_exact_limits(page):
    line = re.search(r"<tr[^>]*><th[^>]*>All</th><td>4/9</td><td>([^<]+)</td><td>([^<]+)</td>", page)
    assert line is not None
    assert line.group(1) == "402 [58, not reached]"
    assert line.group(2).startswith("[")


def test_the_whole_plan_is_printed(analysis, page):
    text = text_of(page)
    for rule in (
        "auc_method",
        "lin-up-log-down",
        "sd_min_days",
        "censor-last-assessment",
        "seed",
        "20230331",
    ):
        assert rule in text
    rooms = {table.name for table in tables_study.plan_rules(analysis.plan)}
    assert {
        f"plan-{room}" for room in type(analysis.plan).model_fields if room not in ("by", "seed", "design")
    } <= rooms


def test_versions_are_those_that_ran(page):
    assert cart7.__version__ in page
    assert pd.__version__ in page


def test_html_in_the_data_is_shown_and_never_run():
    study = cart7.example_study()
    frames = {name: getattr(study, name) for name in ("adverse_events", "events", "dlt")}
    events = frames["adverse_events"].copy()
    events["pt"] = ["<script>alert('x')</script> & $\\frac{1}{" if row == 3 else term
                    for row, term in enumerate(events["pt"])]  # fmt: skip
    subjects = study.subjects.assign(study_id='<b onload="x">S</b>')
    frames["adverse_events"] = events
    shown = document.render_html(cart7.analyse(cart7.Study.from_frames(subjects=subjects, **frames)))
    assert "<script" not in shown
    assert "<b onload" not in shown
    assert "&lt;script&gt;alert" in shown
    assert "&lt;b onload=" in shown


def test_what_is_not_there_is_named_with_its_reason(analysis):
    without = dataclasses.replace(analysis, ada=None, ada_rates=None, not_collected={
        "ada": "the study has no rows of ada", "ada_rates": "the study has no rows of ada"})  # fmt: skip
    shown = text_of(document.render_html(without))
    assert shown.count("not collected") >= 4
    assert "the study has no rows of ada" in shown


def test_a_study_in_which_nobody_is_infused_still_makes_a_page(empty):
    shown = document.render_html(empty)
    assert "nobody is infused" in shown
    assert bare_words(shown) == []


def test_one_subject_alone_makes_a_page(analysis):
    study = cart7.example_study()
    frames = {}
    for name in (
        "subjects",
        "products",
        "kinetics",
        "pd",
        "responses",
        "adverse_events",
        "events",
        "ada",
        "labs",
    ):
        table = getattr(study, name)
        frames[name] = table[table["subject_id"] == "CD7-003"]
    alone = cart7.analyse(cart7.Study.from_frames(**frames), analysis.plan)
    assert bare_words(document.render_html(alone)) == []


def test_groups_may_be_words_or_none(analysis):
    for by in ("sex", None):
        plan = analysis.plan.model_copy(update={"by": by, "score": None})
        shown = document.render_html(cart7.analyse(cart7.example_study(), plan))
        assert bare_words(shown) == []
        assert "DL 1" not in text_of(shown)


def test_many_problems_are_capped_but_counted():
    found = pd.DataFrame(
        {"table": "labs", "row": pd.array(range(1, 251), dtype="Int64"), "column": "value", "value": "x",
         "new_value": None, "severity": "warning", "rule": "D18", "message": "neither result nor BLQ", "fix": ""}
    )  # fmt: skip
    table = tables_study.problems(found)
    assert len(table.rows) == tables_study.PROBLEMS_SHOWN
    assert table.rows[0].cells[2] == "2"
    assert "250 findings" in table.notes[0]
    assert any("all 250" in note for note in table.notes)


def test_a_problem_of_a_whole_file_has_no_line():
    found = pd.DataFrame(
        {"table": ["ada"], "row": pd.array([pd.NA], dtype="Int64"), "column": [None], "value": [None],
         "new_value": [None], "severity": ["error"], "rule": ["F-1"], "message": ["the file is empty"], "fix": [None]}
    )  # fmt: skip
    assert tables_study.problems(found).rows[0].cells[:4] == ("error", "ada", "file", "")


def test_files_are_written_into_a_folder_made_for_them(analysis, page, tmp_path):
    paths = document.write(analysis, tmp_path / "a" / "b", formats=("html",))
    assert paths == {"html": tmp_path / "a" / "b" / "report.html"}
    assert paths["html"].read_bytes() == page.encode("utf-8")


def test_an_unknown_format_is_named_with_the_known_ones(analysis, tmp_path):
    with pytest.raises(ValueError, match=r"formats must be among html, rtf, docx; got 'pdf'"):
        document.write(analysis, tmp_path / "out", formats=("html", "pdf"))
    assert not (tmp_path / "out").exists()


def test_word_and_rtf_hold_the_same_tables_and_the_same_bytes_again(analysis, tmp_path):

    first = document.write(analysis, tmp_path / "1", formats=("rtf", "docx"))
    second = document.write(analysis, tmp_path / "2", formats=("rtf", "docx"))
    assert all(first[name].read_bytes() == second[name].read_bytes() for name in first)
    rtf = first["rtf"].read_text("ascii")
    assert rtf.startswith(r"{\rtf1")
    assert len(re.findall(r"(?<!\\)\{", rtf)) == len(re.findall(r"(?<!\\)\}", rtf))
    with zipfile.ZipFile(first["docx"]) as inside:
        body = inside.read("word/document.xml").decode()
    for title in ("Dose-limiting toxicity", "Time-to-event endpoints by strategy", "0/3 [0, 70.8]"):
        assert title in rtf
        assert title in body
    assert "not medical advice" in rtf


def test_every_row_has_as_many_cells_as_columns(analysis):
    checked = 0
    for section in sections(analysis):
        for block in section.blocks:
            if isinstance(block, cells.Table):
                for row in block.rows:
                    assert len(row.cells) == (1 if row.kind == "head" else len(block.columns)), block.name
                    assert all(isinstance(cell, str) for cell in row.cells), block.name
                    checked += 1
    assert checked > 300


def test_names_of_tables_and_figures_are_theirs_alone(analysis):
    names = [getattr(block, "name", "") for section in sections(analysis) for block in section.blocks]
    names = [name for name in names if name]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.06649, "0.0665"), (9.996, "10.0"), (1560.0, "1560"), (0.0, "0"), (43600.0, "43600"), (-2.5, "-2.50"),
     (0.05, "0.0500"), (99.95, "100")],
)  # fmt: skip
def test_three_significant_digits_are_printed_without_exponent(value, text):
    assert cells.significant(value) == text


def test_percentages_round_half_up_and_keep_0_and_100_short():
    assert [cells.percent(x) for x in (0.0625, 0.0, 1.0, 0.9995, 1 / 3)] == ["6.3", "0", "100", "100", "33.3"]


def test_a_rate_shows_count_percentage_and_limits():
    assert cells.rate(6, 9, 0.299, 0.925) == "6/9 (66.7) [29.9, 92.5]"
    assert cells.rate(9, 9, 0.664, 1.0) == "9/9 (100) [66.4, 100]"
    assert cells.rate(0, 0, float("nan"), float("nan")) == "0/0 not estimable"
    assert cells.rate(float("nan"), 3, 0.0, 0.1, "events missing") == "events missing"


def test_long_reasons_become_lettered_footnotes_once_each():
    notes = Footnotes()
    reason = "two samples at one time, profile not usable"
    assert notes.missing(reason) == "not estimable ᵃ"
    assert notes.missing("another long reason that fills a line") == "not estimable ᵇ"
    assert notes.missing(reason) == "not estimable ᵃ"
    assert notes.missing("no sample") == "no sample"
    assert notes.lines() == (f"ᵃ {reason}", "ᵇ another long reason that fills a line")


def test_missing_is_said_in_words_for_every_kind_of_missing():
    for value in (None, float("nan"), pd.NA, float("inf")):
        assert cells.number(value) == "not estimable"
        assert cells.day(value, "not reached") == "not reached"
    assert cells.flag(float("nan")) == "not evaluable"


def test_groups_without_a_row_stay_empty_and_dose_levels_are_named():
    groups = Groups(
        labels=("1", "2", "ALL"), by="dose_level", n={"1": 3}, doses={"1": "0.5 × 10⁶/kg"}, of_subject={}
    )
    assert groups.head("1") == "DL 1\n0.5 × 10⁶/kg\nN = 3"
    assert groups.across([{"group": "2", "n": 4}], lambda row: str(row["n"])) == ("", "4", "")
