"""CAR-T and CD7+ cells in one figure, lanes of persistence and relapse, and the pages that hold them."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import cart7
from cart7.report import canvas, cells, figures, sections, tables_cells


@pytest.fixture(scope="module")
def analysis():
    return cart7.analyse(cart7.example_study(), cart7.read_plan("example"))


@pytest.fixture(scope="module")
def depletion(analysis):
    return analysis.depletion["CD7POS_ABS"]


def panels(figure):
    """The panels and the right axes over each of them."""
    left = [ax for ax in figure.axes if ax.yaxis.get_label_position() == "left"]
    right = [ax for ax in figure.axes if ax.yaxis.get_label_position() == "right"]
    return left, right


def drawn(ax, marker):
    lines = [line for line in ax.get_lines() if line.get_marker() == marker and len(line.get_xdata()) > 1]
    return np.concatenate([np.column_stack([line.get_xdata(), line.get_ydata()]) for line in lines])


def test_nine_subjects_stand_in_three_rows_of_three_on_the_same_axes(analysis, depletion):
    figure = figures.cells_and_targets(analysis.nca, depletion, course=analysis.course)
    left, right = panels(figure)
    assert (len(left), len(right)) == (9, 9)
    assert len({round(ax.get_position().x0, 6) for ax in left}) == 3
    assert len({round(ax.get_position().y0, 6) for ax in left}) == 3
    for axes in (left, right):
        assert len({(ax.get_ylim(), ax.get_xlim()) for ax in axes}) == 1
    assert [ax.get_title(loc="left") for ax in left][:4] == [
        "001, DL 1",
        "002, DL 1",
        "003, DL 1",
        "004, DL 2",
    ]


def test_a_panel_holds_every_sample_of_its_subject(analysis, depletion):
    figure = figures.cells_and_targets(analysis.nca, depletion, subjects=["CD7-005"]).figure
    (left,), (right,) = panels(figure)
    points = analysis.nca.points
    mine = points[(points["subject_id"] == "CD7-005") & (points["assay"] == "QPCR") & (points["day"] >= -1)]
    samples = depletion.samples[depletion.samples["subject_id"] == "CD7-005"]
    for ax, rows, marker, below in (
        (left, mine, "o", mine["blq"] != ""),
        (right, samples, "s", samples["blq"]),
    ):
        values = drawn(ax, marker)
        assert np.isfinite(values[:, 1]).sum() == (~below).sum() > 3
        triangles = drawn(ax, "v")
        triangles = triangles[np.isfinite(triangles[:, 1])]
        assert sorted(triangles[:, 0]) == sorted(rows.loc[below, "day"])
        assert set(triangles[:, 1]) == set(rows.loc[below, "lloq"])


def test_what_happened_stands_on_the_upper_edge_and_within_the_axis(analysis, depletion):
    figure = figures.cells_and_targets(
        analysis.nca, depletion, course=analysis.course, subjects=["CD7-002"]
    ).figure
    (left,), _ = panels(figure)
    marks = {
        line.get_marker(): line.get_xdata()[0] for line in left.get_lines() if list(line.get_ydata()) == [1.0]
    }
    assert marks == {"X": 248.0, "s": 255.0, "x": 402.0}
    assert left.get_xlim()[1] > 402


def test_the_bar_lasts_from_clearance_to_recovery(analysis, depletion):
    row = depletion.subjects.set_index("subject_id").loc["CD7-005"]
    figure = figures.cells_and_targets(analysis.nca, depletion, subjects=["CD7-005"]).figure
    (left,), _ = panels(figure)
    bars = [list(line.get_xdata()) for line in left.get_lines() if len(line.get_xdata()) == 2
            and line.get_linewidth() > 3]  # fmt: skip
    assert bars == [[row["clearance_time"], row["recovery_time"]]]


def test_samples_by_visit_give_the_same_courses_without_the_bar(analysis):
    figure = figures.cells_and_targets(analysis.nca, analysis.pd, subjects=["CD7-005"]).figure
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "CD7+ cells, right axis" in words
    assert not any(word.startswith("CD7+ cleared") for word in words)


def test_one_axes_holds_one_subject(analysis, depletion):
    ax = Figure().add_subplot()
    assert figures.cells_and_targets(analysis.nca, depletion, ax, subjects=["CD7-001"]) is ax
    with pytest.raises(ValueError, match="one Axes holds one subject, got 9"):
        figures.cells_and_targets(analysis.nca, depletion, Figure().add_subplot())


def test_without_samples_the_figure_says_so(analysis, depletion):
    nobody = figures.cells_and_targets(analysis.nca, depletion, subjects=[])
    assert [text.get_text() for text in nobody.texts] == ["no samples"]


def test_lanes_show_persistence_relapse_and_its_class(analysis):
    ax = figures.escape_courses(analysis.escape)
    words = [text.get_text() for text in ax.texts]
    assert words == ["no relapse", "CD7-negative, CAR-T present", "CAR-T lost before", "no relapse",
                     "no relapse", "CAR-T lost before", "no relapse", "no relapse", "no relapse"]  # fmt: skip
    crosses = sorted(line.get_xdata()[0] for line in ax.get_lines() if line.get_marker() == "X")
    assert crosses == [35, 74, 248]
    bars = [bar.get_width() for bar in ax.patches if isinstance(bar, Rectangle)]
    persistent = analysis.escape.subjects["cart_last_day"].tolist()
    assert set(np.round(persistent, 6)) <= set(np.round(bars, 6))


def test_both_figures_repeat_their_bytes(analysis, depletion):
    for draw in (
        lambda: figures.cells_and_targets(analysis.nca, depletion, course=analysis.course),
        lambda: figures.escape_courses(analysis.escape),
    ):
        first, second = (canvas.svg_text(draw(), name="f", title="t") for _ in range(2))
        assert first == second
        assert not re.search(r"\bnan\b|\binf\b|font:", first)


def block_names(analysis, section):
    found = next(part for part in sections.sections(analysis) if part.name == section)
    return [getattr(block, "name", block.title) for block in found.blocks]


def test_the_page_holds_the_combined_figure_and_how_response_was_lost(analysis):
    names = block_names(analysis, "cd7")
    assert "figure-clearance" in names
    assert names[-4:] == ["figure-combined-1", "escape-counts", "escape", "figure-escape"]
    assert block_names(analysis, "immunogenicity")[-2:] == ["ada-loss", "ada-loss-subjects"]


def test_the_table_of_lost_responses_names_cells_and_cd7(analysis):
    counts, table = tables_cells.escape(analysis.escape, cells.groups_of(analysis))
    lines = {row.cells[0]: row.cells for row in table.rows}
    assert list(lines) == ["CD7-002", "CD7-003", "CD7-006"]
    assert lines["CD7-002"][2:5] == ("relapse, day 248", "negative", "present")
    assert lines["CD7-006"][2:7] == ("relapse, day 74", "positive", "lost", "26.80", "58")
    assert [row.cells[1] for row in counts.rows] == ["2/9", "1/9", "6/9"]


def test_antibodies_and_loss_stand_side_by_side(analysis):
    table, subjects = tables_cells.ada_loss(analysis.ada_loss, cells.groups_of(analysis))
    assert table.rows[0].cells == ("M3: antibodies at any time", "0/2", "2/4", "3", "0.47")
    lines = {row.cells[0]: row.cells for row in subjects.rows}
    assert lines["CD7-005"][3:] == ("(28, 84]", "640", "(89.44, 189.89]", "antibodies before loss")
    assert lines["CD7-001"][5] == "not seen before HSCT"


def test_without_antibodies_or_responses_only_their_relation_is_missing():
    study = cart7.example_study()
    tables = {name: getattr(study, name).reset_index(drop=True) for name in cart7.records.TABLES}
    for name, lacking in (("ada", "ada_loss"), ("responses", "escape")):
        short = {key: frame for key, frame in tables.items() if key in ("subjects", "kinetics", "pd", "ada",
                                                                     "responses", "events") and key != name}  # fmt: skip
        trial = cart7.analyse(cart7.Study.from_frames(**short), cart7.Plan())
        assert lacking in trial.not_collected
        assert getattr(trial, lacking) is None
        assert trial.persistence is not None


def test_many_subjects_are_drawn_in_figures_of_nine(analysis):
    many = pd.concat([analysis.nca.points.assign(subject_id=lambda rows, n=n: rows["subject_id"] + f"-{n}")
                      for n in range(2)])  # fmt: skip
    names = sorted(many["subject_id"].unique())
    assert len(names) == 18
    trial = type("Trial", (), {"nca": type("Points", (), {"points": many})(), "course": analysis.course})()
    nobody = type("Cells", (), {"samples": analysis.depletion["CD7POS_ABS"].samples.iloc[:0]})()
    blocks = list(sections._combined(trial, nobody, cells.groups_of(analysis)))
    assert [block.name for block in blocks] == ["figure-combined-1", "figure-combined-2"]
