"""Figures: what is drawn is what the result holds; labels are plain; bytes repeat."""

import re
import warnings
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.special import stdtrit

import cart7
from cart7.report import canvas, figures
from cart7.stats import exposure_models


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


# Kinetics: courses, means by visit, exposure against dose and outcome, fitted curves.


def many(n, *, decades=6, identity="S-{:03d}"):
    """Curves of `n` subjects over `decades`, with two limits of quantification and missing samples."""
    days = np.array([0.0, 4, 7, 10, 14, 21, 28, 60, 90, 180, 365])
    rng = np.random.default_rng(5)
    frames = []
    for number in range(n):
        peak = 10 ** rng.uniform(8 - decades, 7)
        value = peak * np.exp(-np.abs(days - 12) * np.where(days < 12, 1.0, 0.08))
        lloq = 25.0 if number % 2 else 30.0
        below = value < lloq
        value[rng.uniform(size=days.size) < 0.1] = np.nan
        frames.append(
            pd.DataFrame(
                {"subject_id": identity.format(number + 1), "infusion_no": 1, "assay": "DDPCR", "day": days,
                 "nominal_day": days, "value": np.where(below, np.nan, value), "blq": np.where(below, "BLQ", ""),
                 "lloq": lloq, "unit": "copies/ug"}
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def levels(**columns):
    """Three visits of two dose levels and everybody; the last visit is all below the limit."""
    rows = [
        (day, group, n, n_blq, mean, mean / 4, mean * 4)
        for day, n_blq, mean in ((7.0, 0, 900.0), (14.0, 1, 300.0), (28.0, 3, np.nan))
        for group, n in (("1", 3), ("2", 3), ("ALL", 6))
        for n_blq in (n_blq if n == 3 else 2 * n_blq,)
    ]
    frame = pd.DataFrame(
        rows, columns=["nominal_day", "group", "n", "n_blq", "geo_mean", "geo_ci_low", "geo_ci_high"]
    ).assign(assay="QPCR", visit=lambda rows: "D" + rows["nominal_day"].astype(int).astype(str),
             min=0.0, max=2000.0, unit="copies/ug gDNA", note="")  # fmt: skip
    return SimpleNamespace(
        summary=frame.assign(**columns), lloq=pd.DataFrame({"assay": ["QPCR"], "lloq": [50.0]}),
        blq_words="BLQ as LLOQ/2",
    )  # fmt: skip


def exposures(n, *, doses=(0.5, 1.0, 2.0), unit="copies/ug", identity="P-{:02d}"):
    """Exposure, dose and outcome of `n` subjects with the models that belong to them."""
    rng = np.random.default_rng(11)
    names = [identity.format(number) for number in range(n)]
    planned = np.resize(doses, n)
    value = 1e4 * planned**0.9 * np.exp(rng.normal(0, 0.8, n))
    subjects = pd.DataFrame(
        {"subject_id": names, "assay": "QPCR", "param": "cmax", "value": value, "unit": unit,
         "dose_planned": planned, "dose_received": planned * rng.uniform(0.85, 1.05, n), "note": ""}
    )  # fmt: skip
    outcome = {"Response at M3": np.arange(n) % 2.0, "CRS, highest grade": np.arange(n) % 4.0}
    power = [
        {"assay": "QPCR", "param": "cmax", "dose": dose, "conf_level": 0.9, "note": ""}
        | asdict(exposure_models.dose_proportionality(value, subjects[f"dose_{dose}"]))
        for dose in ("planned", "received")
    ]
    association = [
        {"assay": "QPCR", "param": "cmax", "outcome": name, "conf_level": 0.95}
        | asdict(exposure_models.exposure_response(value, result))
        for name, result in outcome.items()
    ]
    return SimpleNamespace(
        subjects=subjects, summary=pd.DataFrame(power), associations=pd.DataFrame(association),
        by_outcome=pd.DataFrame(
            [], columns=["assay", "param", "outcome", "level", "n", "geo_mean", "geo_ci_low", "geo_ci_high"]
        ),
        outcomes=pd.concat(
            [pd.DataFrame({"subject_id": names, "outcome": name, "value": result}) for name, result in outcome.items()]
        ),
        dose_words={"planned": "Planned dose", "received": "Received dose"},
    )  # fmt: skip


def fits(points):
    day = np.linspace(0, 60, 40)
    name = points["subject_id"].iloc[0]
    return SimpleNamespace(
        points=points,
        curves=pd.DataFrame({"subject_id": name, "day": day, "fitted": 500 * np.exp(-day / 20)}),
    )


def words(drawing):
    """All words of a figure, spaces as spaces."""
    figure = drawing.figure if isinstance(drawing, Axes) else drawing
    found = [text.get_text() for text in figure.findobj(Text) if text.get_visible()]
    return " | ".join(found).replace("\u202f", "").replace("\n", " ")


HARD_CASES = {
    "one subject": lambda: [
        figures.kinetics_spaghetti(SimpleNamespace(points=many(1))),
        figures.kinetics_spaghetti(SimpleNamespace(points=many(1)), groups={"S-001": "1"}),
        figures.exposure_against_dose(exposures(1)),
        figures.exposure_by_outcome(exposures(1)),
        figures.curve_fits(fits(many(1))),
    ],
    "forty subjects": lambda: [
        figures.kinetics_spaghetti(SimpleNamespace(points=many(40))),
        figures.kinetics_spaghetti(
            SimpleNamespace(points=many(40)), groups={f"S-{n:03d}": str(n % 5 / 2) for n in range(1, 41)}
        ),
        figures.exposure_against_dose(exposures(40, doses=(0.1, 0.3, 1, 3, 10))),
        figures.exposure_by_outcome(exposures(40), outcome="CRS, highest grade"),
        figures.curve_fits(fits(many(40))),
    ],
    "long names": lambda: [
        figures.kinetics_spaghetti(
            SimpleNamespace(points=many(10, identity="SITE{0:03d}-KRAKOW-UNIVERSITY-{0:03d}")),
            groups={f"SITE{n:03d}-KRAKOW-UNIVERSITY-{n:03d}": str(n % 3) for n in range(1, 11)},
        ),
        figures.exposure_against_dose(exposures(9, identity="SITE{0:03d}-KRAKOW-UNIVERSITY-{0:03d}")),
        figures.curve_fits(fits(many(9, identity="SITE{0:03d}-KRAKOW-UNIVERSITY-{0:03d}"))),
        figures.geometric_mean_course(
            levels(group=["T-ALL relapsed after HSCT", "Mixed phenotype leukaemia", "ALL"] * 3), by="disease"
        ),
    ],
    "all below the limit": lambda: [
        figures.kinetics_spaghetti(SimpleNamespace(points=many(6).assign(value=np.nan, blq="BLQ"))),
        figures.curve_fits(fits(many(6).assign(value=np.nan, blq="BLQ"))),
        figures.geometric_mean_course(
            levels(n_blq=[3, 3, 6] * 3, geo_mean=np.nan, geo_ci_low=np.nan, geo_ci_high=np.nan, max=0.0)
        ),
    ],
    "everything missing": lambda: [
        figures.kinetics_spaghetti(SimpleNamespace(points=many(6).assign(value=np.nan, blq=""))),
        figures.kinetics_spaghetti(SimpleNamespace(points=many(6).assign(value=np.nan, blq="BLQ", lloq=np.nan))),
        figures.geometric_mean_course(levels(nominal_day=np.nan)),
        figures.exposure_against_dose(exposures(0)),
        figures.exposure_by_outcome(exposures(0)),
        figures.curve_fits(SimpleNamespace(points=many(2).head(0), curves=fits(many(1)).curves)),
    ],
    "no unit": lambda: [
        figures.kinetics_spaghetti(SimpleNamespace(points=many(3).drop(columns="unit"))),
        figures.exposure_against_dose(exposures(9, unit="")),
        figures.geometric_mean_course(levels(unit="")),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", HARD_CASES)
def test_kinetics_figures_have_no_warning_no_clipped_word_and_no_small_print_too_small(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for drawing in HARD_CASES[case]():
            figure = drawing.figure if isinstance(drawing, Axes) else drawing
            pen = FigureCanvasAgg(figure).get_renderer()
            figure.draw(pen)
            for text in figure.findobj(Text):
                if text.get_visible() and text.get_text().strip():
                    box = text.get_window_extent(pen)
                    assert text.get_fontsize() >= 7.5, text.get_text()
                    assert box.x0 > -1, text.get_text()
                    assert box.y0 > -1, text.get_text()
                    assert box.x1 < figure.bbox.x1 + 1, text.get_text()
                    assert box.y1 < figure.bbox.y1 + 1, text.get_text()
            assert "<svg" in canvas.svg_text(drawing, name="f", title=case)


def test_the_molecular_assay_is_drawn_when_none_is_named(analysis):
    assert analysis.nca.points["assay"].iloc[0] == "QPCR"
    mixed = analysis.nca.points.sort_values("assay")
    assert mixed["assay"].iloc[0] == "FLOW"
    assert "by qPCR" in words(figures.kinetics_spaghetti(SimpleNamespace(points=mixed)))
    assert "Cmax, qPCR (copies/µg gDNA)" in words(figures.exposure_by_group(analysis.exposure))


def test_the_unit_is_the_one_that_the_samples_state():
    samples = kinetics()
    assert "(copies/µg DNA)" in words(figures.kinetics_spaghetti(SimpleNamespace(points=samples)))
    blood = samples.assign(unit="copies/uL")
    assert "(copies/µL)" in words(figures.kinetics_spaghetti(SimpleNamespace(points=blood)))
    assert "(unit not stated)" in words(
        figures.kinetics_spaghetti(SimpleNamespace(points=samples.assign(unit="")))
    )


def test_a_second_infusion_is_a_curve_of_its_own_with_open_marks():
    points = kinetics().assign(infusion_no=[1, 1, 1, 1, 1, 1, 2])
    ax = figures.kinetics_spaghetti(SimpleNamespace(points=points), infusion_no=None)
    later = [line for line in ax.get_lines() if np.array_equal(line.get_xdata(), [14.0])]
    assert "white" in {line.get_markerfacecolor() for line in later}
    assert "later infusion" in words(ax)
    only_first = figures.kinetics_spaghetti(SimpleNamespace(points=points))
    assert "later infusion" not in words(only_first)


def test_a_sample_below_a_limit_that_is_not_stated_stays_in_the_figure():
    points = kinetics().assign(lloq=np.nan)
    ax = figures.kinetics_spaghetti(SimpleNamespace(points=points))
    marks = next(line for line in ax.get_lines() if line.get_marker() == "v")
    drawn = np.asarray(marks.get_ydata(), dtype=float)
    assert drawn[np.isfinite(drawn)].tolist() == [ax.get_ylim()[0]] * 2
    assert "below LLOQ (not stated)" in words(ax)


def test_more_subjects_than_dashes_are_counted_not_named():
    points = many(9)
    ax = figures.kinetics_spaghetti(
        SimpleNamespace(points=points), groups=dict.fromkeys(points["subject_id"].unique(), "2")
    )
    assert "9 subjects" in words(ax)
    assert {line.get_linestyle() for line in ax.get_lines() if line.get_marker() == "s"} == {"-"}


def test_dose_levels_that_are_no_whole_numbers_differ_in_colour_and_marker():
    points = many(2)
    figure = figures.kinetics_spaghetti(SimpleNamespace(points=points), groups={"S-001": "0.5", "S-002": "1"})
    found = {
        (line.get_color(), line.get_marker())
        for ax in figure.axes
        for line in ax.get_lines()
        if line.get_label() in ("001", "002")
    }
    assert len({colour for colour, _ in found}) == len({marker for _, marker in found}) == 2


def test_the_counts_below_a_mean_course_are_quantifiable_of_sampled():
    ax = figures.geometric_mean_course(levels())
    strip = texts(ax)
    assert [word for word in strip if word in ("7", "14", "28")] == ["7", "14", "28"]
    assert [word for word in strip if "/" in word and len(word) == 3] == ["3/3", "2/3", "0/3"] * 2
    assert "DL 1" in strip
    assert "All" not in strip
    assert "BLQ as LLOQ/2" in words(ax)
    assert "Geometric mean with 95 % interval" in words(ax)


def test_a_visit_with_nothing_quantifiable_is_a_triangle_at_the_limit_and_has_no_interval():
    ax = figures.geometric_mean_course(levels())
    triangles = [line for line in ax.get_lines() if line.get_marker() == "v" and len(line.get_xdata()) == 3]
    assert len(triangles) == 2
    for line in triangles:
        assert np.asarray(line.get_ydata(), dtype=float)[2] == 50.0
        assert np.isnan(np.asarray(line.get_ydata(), dtype=float)[:2]).all()
    drawn = [segment for bars in ax.collections for segment in bars.get_segments() if len(segment)]
    drawn = [segment for segment in drawn if np.isfinite(segment).all()]
    assert sorted({tuple(segment[:, 1]) for segment in drawn}) == [(75.0, 1200.0), (225.0, 3600.0)]


def test_an_interval_far_beyond_the_data_ends_in_an_arrow_head_and_says_so():
    wide = levels(geo_ci_high=[9e9, 1200.0, 1200.0] * 3)
    assert "arrow heads" in words(figures.geometric_mean_course(wide))
    assert "arrow heads" not in words(figures.geometric_mean_course(levels()))
    assert figures.geometric_mean_course(wide).get_ylim()[1] < 1e6


def test_chosen_groups_keep_their_colours():
    ax = figures.geometric_mean_course(levels(), groups=["2"])
    assert "DL 1" not in words(ax)
    assert canvas.COLOURS[1] in {line.get_color() for line in ax.get_lines()}


def test_every_subject_of_a_dose_level_is_a_dot_where_the_levels_are_known(analysis):
    level = dict(
        zip(analysis.course["subject_id"].astype(str), analysis.course["group"].astype(str), strict=True)
    )
    known, unknown = (figures.exposure_by_group(analysis.exposure, groups=groups) for groups in (level, None))
    dots = [
        [len(line.get_xdata()) for line in ax.get_lines() if line.get_markerfacecolor() == "none"]
        for ax in (known, unknown)
    ]
    assert dots == [[3, 3, 3, 9], [0, 0, 0, 9]]
    assert "range" not in words(known)
    assert "arrow heads" not in words(known)
    assert "arrow heads" in words(figures.exposure_by_group(analysis.exposure, param="half_life"))
    assert "range" in words(unknown)


def test_the_slope_stands_above_with_its_interval_and_conclusion():
    result = exposures(9)
    row = result.summary.iloc[0]
    figure = figures.exposure_against_dose(result)
    said = words(figure).replace("−", "-")
    assert f"n = 9, slope {row['slope']:.2f} (90 % CI {row['ci_low']:.2f} to {row['ci_high']:.2f}):" in said
    assert row["conclusion"] in said
    assert [ax.get_xlabel() for ax in figure.axes] == ["Planned dose", "Received dose"]
    assert said.count("P-") == 0
    assert {"00", "08"} <= set(said.split(" | "))


def test_a_slope_whose_level_is_not_stated_claims_none():
    result = exposures(9)
    result.summary = result.summary.drop(columns="conf_level")
    assert "90 %" not in words(figures.exposure_against_dose(result))
    assert "(CI " in words(figures.exposure_against_dose(result))


def test_the_band_is_that_of_the_mean_of_the_power_model():
    result = exposures(9)
    row = result.summary.iloc[1]
    ax = figures.exposure_against_dose(result, dose="received")
    band = next(patch for patch in ax.collections if isinstance(patch, PolyCollection))
    edge = band.get_paths()[0].vertices
    dose = np.log(result.subjects["dose_received"].to_numpy())
    at = dose.min()
    half = stdtrit(7, 0.95) * row["residual_sd"] * np.sqrt(
        1 / 9 + (at - dose.mean()) ** 2 / ((dose - dose.mean()) ** 2).sum()
    )  # fmt: skip
    fit = row["intercept"] + row["slope"] * at
    drawn = np.log(edge[np.isclose(edge[:, 0], np.exp(at)), 1])
    assert drawn.min() == pytest.approx(fit - half, abs=1e-9)
    assert drawn.max() == pytest.approx(fit + half, abs=1e-9)


def test_without_a_model_the_points_stand_without_a_line_and_the_note_says_why():
    result = exposures(3, doses=(1.0,))
    result.summary = result.summary.assign(note="all have the same dose: no slope")
    result.subjects["dose_received"] = np.nan
    figure = figures.exposure_against_dose(result)
    said = words(figure)
    assert "n = 3; all have the same dose: no slope" in said
    assert "no dose" in said
    assert "power model" not in said
    assert [line.get_linestyle() for line in figure.axes[0].get_lines()] == ["None"]


def test_no_label_of_a_subject_stands_on_another_or_on_a_point():
    figure = figures.exposure_against_dose(exposures(9))
    pen = FigureCanvasAgg(figure).get_renderer()
    figure.draw(pen)
    for ax in figure.axes:
        boxes = [text.get_window_extent(pen) for text in ax.texts if re.fullmatch(r"\d\d", text.get_text())]
        assert len(boxes) == 9
        points = np.vstack([ax.transData.transform(line.get_xydata()) for line in ax.get_lines()
                            if line.get_marker() == "o"])  # fmt: skip
        for number, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[number + 1 :])
            assert not any(box.contains(*point) for point in points)


def test_an_outcome_is_counted_below_and_judged_in_words_above():
    result = exposures(9)
    row = result.associations.iloc[0]
    ax = figures.exposure_by_outcome(result, outcome="Response at M3")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["No", "Yes"]
    assert [word for word in texts(ax) if word in ("5", "4")] == ["5", "4"]
    said = words(ax)
    assert f"Response at M3, n = 9 ratio of geometric means, yes/no: {row['gm_ratio']:.2f} (95 % CI " in said
    assert f"exact rank test p = {row['wilcoxon_p_value']:.3f}" in said


def test_a_grade_has_its_own_place_even_where_nobody_had_it():
    result = exposures(9)
    grade = "CRS, highest grade"
    result.outcomes = result.outcomes.assign(value=result.outcomes["value"].replace(1.0, np.nan))
    ax = figures.exposure_by_outcome(result, outcome=grade)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2", "3"]
    assert ax.get_xlabel() == "Grade"
    assert "outcome not known: n = 2, not drawn" in words(ax)
    assert "Kendall tau" in words(ax)


def test_every_outcome_has_its_panel():
    figure = figures.exposure_by_outcome(exposures(9))
    assert [ax.texts[-1].get_text().split(",")[0] for ax in figure.axes] == ["Response at M3", "CRS"]
    assert figure.axes[1].get_ylim() == figure.axes[0].get_ylim()


def test_means_of_outcome_groups_are_those_of_the_result():
    result = exposures(9)
    bare = figures.exposure_by_outcome(result, outcome="Response at M3")
    result.by_outcome = pd.DataFrame(
        {"assay": "QPCR", "param": "cmax", "outcome": "Response at M3", "level": [0.0, 1.0], "n": [5, 4],
         "geo_mean": [9e3, 1e4], "geo_ci_low": [8e3, 9e3], "geo_ci_high": [1.1e4, 1.2e4]}
    )  # fmt: skip
    full = figures.exposure_by_outcome(result, outcome="Response at M3")
    ends = [
        [tuple(part[:, 1]) for bars in ax.collections for part in bars.get_segments() if len(part)]
        for ax in (bare, full)
    ]
    assert ends == [[], [(8e3, 1.1e4), (9e3, 1.2e4)]]
    marks = [line.get_ydata() for line in full.get_lines() if line.get_marker() == "_"]
    assert [float(mark[0]) for mark in marks] == [9e3, 1e4]


def test_each_subject_has_a_panel_with_the_fitted_curve_or_the_words_no_fit():
    result = fits(kinetics())
    figure = figures.curve_fits(result)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["1", "2"]
    assert [ax.get_title(loc="right") for ax in figure.axes] == ["", "no fit"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert "LLOQ 50" in words(figure)
    one = figures.curve_fits(result, subject_id="a-2")
    assert isinstance(one, Axes)
    assert "a-2" in words(one)


def test_kinetics_figures_of_the_example_repeat_their_bytes_on_own_or_given_axes(analysis):
    calls = {"geometric_mean_course": analysis.kinetic_levels, "exposure_against_dose": analysis.exposure_models,
             "exposure_by_outcome": analysis.exposure_models, "curve_fits": fits(kinetics())}  # fmt: skip
    for name, result in calls.items():
        first, second = (
            canvas.svg_text(getattr(figures, name)(result), name="f", title=name) for _ in range(2)
        )
        assert first == second, name
        assert not re.search(r"\bnan\b|\binf\b", first), name
        ax = Figure().add_subplot()
        assert getattr(figures, name)(result, ax=ax) is ax
