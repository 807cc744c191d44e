"""Figures: what is drawn is what the result holds; labels are plain; bytes repeat."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import cart7
from cart7.report import canvas, figures


@pytest.fixture(scope="module")
def analysis():
    return cart7.analyse(cart7.example_study(), cart7.read_plan("example"))


def curve(**columns):
    """A survival curve of four subjects: events on days 3 and 5, censored on days 5 and 8."""
    rows = {"group": "ALL", "time": [3.0, 5.0, 8.0], "n_risk": [4, 3, 1], "n_event": [1, 1, 0],
            "n_censor": [0, 1, 1], "survival": [0.75, 0.5, 0.5], "ci_low": [0.1, 0.05, 0.05],
            "ci_high": [0.96, 0.85, 0.85]}  # fmt: skip
    return pd.DataFrame(rows | columns)


def kinetics():
    """Two subjects; below the limit before and after, one sample missing in between."""
    return pd.DataFrame(
        {"subject_id": ["a-1"] * 5 + ["a-2"] * 2, "infusion_no": 1, "assay": "QPCR",
         "day": [0.0, 7, 14, 28, 60, 7, 14], "value": [np.nan, 1000.0, np.nan, 500.0, np.nan, 200.0, 300.0],
         "blq": ["first", "", "", "", "last", "", ""], "lloq": 50.0, "unit": "copies/ug DNA"}
    )  # fmt: skip


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def test_the_number_at_risk_is_that_of_the_next_time_of_the_curve():
    ax = figures.kaplan_meier(SimpleNamespace(curve=curve()))
    ticks = [tick for tick in ax.get_xticks() if tick <= 8]
    strip = texts(ax)
    assert strip[0] == "Number at risk"
    assert strip[1] == "All"
    # At risk on day t: those whose time is t or later.
    expected = [str(sum(time >= tick for time in (3, 5, 5, 8))) for tick in ticks]
    assert strip[2 : 2 + len(ticks)] == expected


def test_censoring_ticks_stand_where_somebody_was_censored():
    ax = figures.kaplan_meier(SimpleNamespace(curve=curve()))
    marks = next(line for line in ax.get_lines() if line.get_marker() == "|")
    assert marks.get_xdata().tolist() == [5.0, 8.0]
    assert marks.get_ydata().tolist() == [50.0, 50.0]


def test_a_curve_starts_at_100_percent_on_day_0():
    ax = figures.kaplan_meier(SimpleNamespace(curve=curve()))
    steps = ax.get_lines()[0]
    assert (steps.get_xdata()[0], steps.get_ydata()[0]) == (0.0, 100.0)


def test_a_missing_limit_leaves_the_band_open_and_raises_nothing():
    open_ended = curve(ci_low=[np.nan] * 3, ci_high=[np.nan] * 3)
    assert "<svg" in canvas.svg_text(
        figures.kaplan_meier(SimpleNamespace(curve=open_ended)), name="x", title="t"
    )


def test_several_strategies_are_drawn_for_everybody_with_their_own_risk_rows():
    curves = pd.concat([curve(endpoint="PFS", strategy=name) for name in ("one", "two")])
    ax = figures.endpoint_curves(SimpleNamespace(curves=curves), endpoint="PFS", strategy=["one", "two"])
    assert [text for text in texts(ax) if text in ("one", "two")] == ["one", "two"]


def test_an_endpoint_without_a_curve_says_so():
    curves = curve(endpoint="OS", strategy="plan")
    ax = figures.endpoint_curves(SimpleNamespace(curves=curves), endpoint="DOR")
    assert texts(ax) == ["nobody at risk"]


def test_values_below_the_limit_are_open_triangles_at_the_limit():
    ax = figures.kinetics_spaghetti(SimpleNamespace(points=kinetics()))
    marks = next(line for line in ax.get_lines() if line.get_marker() == "v")
    drawn = np.asarray(marks.get_ydata(), dtype=float)
    assert marks.get_markerfacecolor() == "white"
    assert drawn[np.isfinite(drawn)].tolist() == [50.0, 50.0]
    assert "LLOQ 50" in texts(ax)


def test_a_missing_sample_breaks_the_line():
    ax = figures.kinetics_spaghetti(SimpleNamespace(points=kinetics()))
    solid = next(line for line in ax.get_lines() if line.get_marker() == "o")
    assert np.isnan(np.asarray(solid.get_ydata(), dtype=float)[2])


def test_groups_get_a_panel_each_and_fixed_colours_and_markers():
    figure = figures.kinetics_spaghetti(SimpleNamespace(points=kinetics()), groups={"a-1": "1", "a-2": "3"})
    assert isinstance(figure, Figure)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["DL 1", "DL 3"]
    assert canvas.look("3").colour == canvas.COLOURS[2]
    assert canvas.look("3").marker == canvas.MARKERS[2]
    marker = [line.get_marker() for line in figure.axes[1].get_lines() if line.get_label() == "2"]
    assert marker == [canvas.MARKERS[2]]


def test_colours_and_markers_of_levels_differ_from_each_other():
    assert len(set(canvas.COLOURS)) == len(canvas.COLOURS)
    assert len(set(canvas.MARKERS)) == len(canvas.MARKERS)


def test_log_axes_carry_plain_decimals():
    ax = figures.kinetics_spaghetti(SimpleNamespace(points=kinetics()))
    labels = [label.get_text().replace("\u202f", "") for label in ax.get_yticklabels()]
    assert labels
    assert all(re.fullmatch(r"\d+(\.\d+)?", label) for label in labels)


def test_labels_of_a_root_axis_do_not_stand_on_each_other():
    for first, last, width in ((-7, 365, 2.0), (0, 28, 2.0), (-28, 1460, 6.0), (0, 0, 2.0)):
        ax = canvas.blank(width + 1, 3, left=0.5, right=0.5, top=0.2, bottom=0.5)
        canvas.root_day_axis(ax, first, last, width=width)
        low, high = ax.get_xlim()
        root = canvas.signed_root(np.asarray(ax.get_xticks()))
        span = canvas.signed_root(high) - canvas.signed_root(low)
        assert 0.0 in ax.get_xticks()
        assert (np.diff(root) / span * width >= 0.3 - 1e-9).all()


def test_the_swimmer_needs_only_the_best_response_and_marks_who_is_alive(analysis):
    ax = figures.swimmer(analysis.best_response)
    assert isinstance(ax, Axes)
    alive = [line for line in ax.get_lines() if line.get_marker() == ">"]
    assert len(alive) == 5


def test_a_course_without_assessments_is_drawn_without_response():
    course = pd.DataFrame(
        {"subject_id": ["1"], "group": ["1"], "end_day": [100.0], "end_event": ["DEATH"], "HSCT": [np.nan],
         "SECOND_INFUSION": [np.nan], "NEW_THERAPY": [40.0], "PROGRESSION": [35.0], "DEATH": [100.0]}
    )  # fmt: skip
    ax = figures.swimmer(None, course=course)
    assert not [line for line in ax.get_lines() if line.get_marker() == ">"]


def test_every_figure_of_a_result_is_known_by_name(analysis):
    drawn = 0
    everything = [getattr(analysis, name) for name in (
        "cell_dose", "dlt", "ae_overview", "ae_by_term", "ae_rates", "special_interest", "nca", "exposure",
        "persistence", "pd", "response", "best_response", "time_to_event", "hsct_incidence", "ada", "ada_rates",
        "rp2d")]  # fmt: skip
    for result in [*everything, *analysis.depletion.values()]:
        if result.figure:
            assert result.figure in figures.__all__
            assert isinstance(result.plot(), Axes | Figure)
            drawn += 1
    assert drawn >= 10


def test_every_figure_draws_the_example_and_its_bytes_repeat(analysis):
    calls = {
        "ada_course": analysis.ada, "ada_rates": analysis.ada_rates, "ae_by_grade": analysis.ae_by_term,
        "ae_overview": analysis.ae_overview, "ae_rates": analysis.ae_rates, "aesi_map": analysis.special_interest,
        "cell_dose": analysis.cell_dose, "cumulative_incidence": analysis.hsct_incidence,
        "dlt_rates": analysis.dlt, "dose_profile": analysis.rp2d, "endpoint_curves": analysis.time_to_event,
        "exposure_by_group": analysis.exposure, "kinetics_spaghetti": analysis.nca, "pd_over_time": analysis.pd,
        "persistence_bars": analysis.persistence, "response_rates": analysis.response,
        "swimmer": analysis.best_response,
    }  # fmt: skip
    for name, result in calls.items():
        first, second = (
            canvas.svg_text(getattr(figures, name)(result), name="f", title=name) for _ in range(2)
        )
        assert first == second, name
        assert first.startswith('<svg class="chart" role="img"')
        assert not re.search(r"\bnan\b|\binf\b|http|<metadata|<style|DOCTYPE|font:", first), name


def test_a_reader_may_draw_on_own_axes(analysis):
    ax = Figure().add_subplot()
    assert figures.response_rates(analysis.response, ax) is ax
    assert figures.kinetics_spaghetti(analysis.nca, ax=ax) is ax


def test_mathematics_and_markup_in_names_are_only_text():
    points = kinetics().assign(subject_id="$\\frac{<b>&")
    text = canvas.svg_text(figures.kinetics_spaghetti(SimpleNamespace(points=points), groups={"x": "1"}),
                           name="f", title="<i>&")  # fmt: skip
    assert "<b>" not in text
    assert "<i>" not in text


def test_own_settings_are_left_as_they_were():
    import matplotlib

    before = matplotlib.rcParams["font.size"], matplotlib.rcParams["svg.hashsalt"]
    with canvas.house_style():
        assert matplotlib.rcParams["svg.hashsalt"] == "cart7"
    assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["svg.hashsalt"]) == before


def test_empty_results_give_an_empty_figure_with_its_reason():
    empty = pd.DataFrame(columns=["group", "n", "n_dlt", "estimate", "ci_low", "ci_high"])
    assert texts(figures.dlt_rates(SimpleNamespace(summary=empty))) == ["nobody treated"]
    points = kinetics().head(0)
    assert texts(figures.kinetics_spaghetti(SimpleNamespace(points=points))) == ["no samples"]
    subjects = pd.DataFrame(
        columns=["subject_id", "category", "onset_day", "duration_days", "max_grade", "n_episodes"]
    )
    assert texts(figures.aesi_map(SimpleNamespace(subjects=subjects))) == ["no CRS, ICANS or HLH"]


def test_group_labels_are_in_order_of_size_and_all_is_last():
    assert canvas.ordered(["ALL", "10", "2", "x", "1"]) == ["1", "2", "10", "x", "ALL"]
