"""Kinetics beside the parameters: flags, slope windows, visits, censored slopes, exposure models, PP rows."""

import numpy as np
import pandas as pd
import pytest

from cart7 import pk, results
from cart7.errors import DataError
from cart7.pk import FlagRules, LambdaZRules, NcaRules
from cart7.report import tables_kinetics
from cart7.report.cells import Groups


def profile(days, values, subject="001", **more):
    """One profile; None is below the limit of 50, NaN a sample without a result."""
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    blq = ["BLQ" if value is None else "" for value in values]
    columns = {"subject_id": subject, "day": days, "value": numbers, "blq": blq, "lloq": 50.0}
    return pd.DataFrame({**columns, "assay": "QPCR", "unit": "copies/ug", **more})


def tables(*parts):
    return pd.concat(parts, ignore_index=True)


def sound(result):
    """A result whose long form keeps the shape."""
    assert results.check(result.to_frame()) == []
    return result


USUAL = profile([0, 3, 7, 10, 14, 21, 28], [None, 100, 5000, 3000, 1500, 700, None])


STRICT = NcaRules(flags=FlagRules(min_span_ratio=3))


def codes(found):
    return dict(zip(found["code"], found["param"], strict=True))


# ---- flags --------------------------------------------------------------------------------------


def test_a_short_terminal_window_is_flagged_beside_its_half_life():
    found = sound(pk.nca(USUAL, rules=STRICT))
    assert codes(found.flags) == {"SPAN_SHORT": "half_life"}
    assert found.accepted("cmax").tolist() == [True]
    assert found.accepted("half_life").tolist() == [False]
    assert np.isfinite(found.subjects["half_life"]).all()


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({}, None),
        ({"min_span_ratio": 3.0}, "SPAN_SHORT"),
        ({"min_span_ratio": None}, None),
        ({"min_span_ratio": 1.0, "min_adj_r_squared": 0.9999}, "R2ADJ_LOW"),
        ({"min_span_ratio": 1.0, "max_extrap_percent": 1.0}, "EXTRAPOLATION_HIGH"),
        ({"min_span_ratio": 1.0, "max_beyond_tlast_percent": 6.0}, "BEYOND_TLAST_HIGH"),
    ],
)
def test_a_flag_is_raised_by_its_limit_and_never_hides_the_value(rules, code):
    found = sound(pk.nca(USUAL, rules=NcaRules(flags=FlagRules(**rules))))
    assert set(found.flags["code"]) == ({code} if code else set())
    plain = pk.nca(USUAL)
    pd.testing.assert_frame_equal(found.subjects, plain.subjects)


def test_a_flag_of_an_area_belongs_to_its_window():
    rules = NcaRules(windows=((0, 21), (0, 28)), flags=FlagRules(max_beyond_tlast_percent=5))
    found = sound(pk.nca(USUAL, rules=rules))
    assert found.flags.loc[found.flags["code"] == "BEYOND_TLAST_HIGH", "timepoint"].tolist() == ["0-28"]
    assert found.accepted("auc_window", "0-28").tolist() == [False]
    assert found.accepted("auc_window", "0-21").tolist() == [True]


def test_an_area_is_accepted_by_its_own_window_the_first_by_default():
    rules = NcaRules(windows=((0, 28), (0, 90)), flags=FlagRules(max_beyond_tlast_percent=5))
    rising = profile([0, 7, 14, 28], [None, 100, 200, 400], subject="002")
    found = pk.nca(tables(USUAL, rising), rules=rules)
    assert found.accepted("auc_window").tolist() == [False, True]
    assert found.windows["status"].tolist()[2:] == ["OBSERVED", "NOT_ESTIMABLE"]
    assert found.accepted("auc_window", "0-90").tolist() == [False, False]
    with pytest.raises(ValueError, match=r"window of auc_window \(0-28, 0-90\), got '0-91'"):
        found.accepted("auc_window", "0-91")
    with pytest.raises(ValueError, match="param must be one of"):
        found.accepted("halflife")


@pytest.mark.parametrize(
    ("values", "day", "words"),
    [
        ([None, 100, 5000, 800, 2400, 700, 90], 14, "rises 3-fold from day 10 to day 14"),
        ([None, 100, 5000, None, 2400, 700, 90], 14, "rises 48-fold from day 10 to day 14"),
        ([None, 100, 5000, 800, 1500, 3000, 90], 21, "rises 3.75-fold from day 10 to day 21"),
    ],
)
def test_a_rise_after_the_peak_is_a_second_peak(values, day, words):
    found = pk.nca(profile([0, 3, 7, 10, 14, 21, 28], values)).flags
    second = found[found["code"] == "SECOND_PEAK"].iloc[0]
    assert (second["value"], second["note"], second["limit"]) == (day, words, 2.0)


def test_the_fold_of_a_second_peak_is_a_rule():
    wave = profile([0, 3, 7, 10, 14, 21], [None, 100, 5000, 800, 1500, 300])
    assert "SECOND_PEAK" not in codes(pk.nca(wave).flags)
    assert "SECOND_PEAK" in codes(pk.nca(wave, rules=NcaRules(flags=FlagRules(second_peak_fold=1.5))).flags)
    assert not len(pk.nca(wave, rules=NcaRules(flags=FlagRules(second_peak_fold=None, min_span_ratio=None,
                   min_adj_r_squared=None, max_extrap_percent=None, max_beyond_tlast_percent=None))).flags)  # fmt: skip


def test_a_sample_without_a_result_beside_the_peak_or_after_the_last_is_told():
    holes = profile([0, 3, 7, 10, 14, 21, 28], [None, 100, 5000, np.nan, 1500, np.nan, None])
    found = pk.nca(holes).flags.set_index("code")
    assert found.loc["CMAX_BESIDE_MISSING", "value"] == 10
    assert found.loc["TLAST_BEFORE_MISSING", "value"] == 21
    quiet = NcaRules(flags=FlagRules(missing_planned=False))
    assert not {"CMAX_BESIDE_MISSING", "TLAST_BEFORE_MISSING"} & set(pk.nca(holes, rules=quiet).flags["code"])


def test_a_profile_that_cannot_be_used_has_no_flag():
    twice = profile([0, 3, 3, 10], [None, 100, 200, 10_000], subject="bad")
    found = sound(pk.nca(tables(USUAL, twice), rules=STRICT))
    assert set(found.flags["subject_id"]) == {"001"}


def test_flags_without_any_key_still_stand():
    found = sound(pk.nca(USUAL[["day", "value", "blq"]], rules=STRICT))
    assert found.flags["code"].tolist() == ["SPAN_SHORT"]
    assert found.accepted("half_life").tolist() == [False]


# ---- the end of a window ------------------------------------------------------------------------


def test_a_window_ends_with_the_visit_within_the_tolerance():
    late = profile([0, 3, 7, 10, 14, 21, 29.5, 60], [None, 100, 5000, 3000, 1500, 700, 300, None])
    plain = pk.nca(late).windows.iloc[0]
    moved = pk.nca(late, rules=NcaRules(visit_tolerance=2)).windows.iloc[0]
    wanted = pk.nca(late, rules=NcaRules(windows=((0, 29.5),))).windows.iloc[0]
    assert (plain["actual_end"], plain["status"]) == (28.0, "INTERPOLATED")
    assert (moved["end"], moved["actual_end"], moved["status"]) == (28.0, 29.5, "OBSERVED")
    assert moved["value"] == wanted["value"]
    scaled = pk.nca(late, rules=NcaRules(visit_tolerance=2, visit_end="scaled")).windows.iloc[0]
    assert scaled["value"] == pytest.approx(wanted["value"] * 28 / 29.5, rel=1e-14)


def test_a_visit_beyond_the_tolerance_leaves_the_window_alone():
    late = profile([0, 7, 14, 21, 30.5], [None, 5000, 1500, 700, 300])
    assert pk.nca(late, rules=NcaRules(visit_tolerance=2)).windows.loc[0, "actual_end"] == 28.0


def test_of_two_visits_as_near_the_earlier_ends_the_window():
    both = profile([0, 7, 14, 27, 29], [None, 5000, 1500, 700, 300])
    assert pk.nca(both, rules=NcaRules(visit_tolerance=2)).windows.loc[0, "actual_end"] == 27.0


def test_a_visit_below_the_limit_ends_the_window_with_its_triangle():
    found = pk.nca(profile([0, 7, 21, 26.5], [None, 5000, 700, None]), rules=NcaRules(visit_tolerance=2))
    row = found.windows.iloc[0]
    assert (row["actual_end"], row["status"]) == (26.5, "BLQ_TRIANGLE")
    assert row["value"] == pytest.approx(found.subjects["auc_all"].iloc[0])


# ---- windows of the terminal slope --------------------------------------------------------------


def test_every_window_of_the_slope_is_listed_with_the_chosen_one():
    long = profile([0, 7, 10, 14, 21, 28, 42], [None, 5000, 3000, 1500, 700, 150, 60])
    found = sound(pk.slope_windows(long)).subjects
    assert found["n"].tolist() == [5, 4, 3]
    assert found["chosen"].sum() == 1
    chosen = found[found["chosen"]].iloc[0]
    parameters = pk.nca(long).subjects.iloc[0]
    for name in ("lambda_z", "half_life", "r_squared", "adj_r_squared", "span_ratio"):
        assert chosen[name] == parameters[name]
    assert chosen["start"] == parameters["lambda_z_start"]
    assert (found.loc[~found["chosen"], "note"] != "").all()


@pytest.mark.parametrize(
    ("values", "rules", "notes"),
    [
        ([None, 5000, 1600, 800, 400, 200], {}, ["", "as good, with fewer samples"]),
        ([None, 5000, 100, 100, 100, 100], {}, ["all values are equal"] * 2),
        ([None, 5000, 100, 200, 400, 800], {}, ["does not fall"] * 2),
        ([None, 5000, 900, 101, 200, 400], {"slope_rule": "any"}, ["a rising window fits better", "does not fall"]),
        ([None, 5000, 900, 101, 200, 400], {}, ["", "does not fall"]),
    ],
)  # fmt: skip
def test_what_became_of_each_window_is_said(values, rules, notes):
    found = pk.slope_windows(
        profile([0, 7, 14, 21, 28, 35], values), rules=NcaRules(lambda_z=LambdaZRules(**rules))
    )
    assert found.subjects["note"].tolist() == notes


def test_a_line_through_two_samples_has_no_adjusted_r_squared_and_says_so():
    rules = NcaRules(lambda_z=LambdaZRules(min_points=2))
    samples = tables(USUAL, profile([0, 7, 14, 21], [None, 5000, 700, 90], subject="002"))
    for result, words in (
        (pk.slope_windows(samples, rules=rules), "two samples only"),
        (pk.nca(samples, rules=rules), "no terminal slope, or one through two samples"),
    ):
        rows = sound(result).to_frame().query("stat == 'adj_r_squared'")
        assert rows["note"].tolist()[-1] == words
        assert rows["value"].isna().tolist()[-1]


def test_an_explicit_window_is_the_only_one():
    rules = NcaRules(lambda_z=LambdaZRules(window=(9, 22)))
    found = pk.slope_windows(USUAL, rules=rules).subjects
    assert found[["start", "end", "n", "chosen"]].values.tolist() == [[10.0, 21.0, 3, True]]


# ---- the slope with samples below the limit as censored -----------------------------------------


def test_without_censored_samples_the_slope_is_least_squares():
    days, values = [0, 7, 10, 14, 21, 28], [None, 5000, 3000, 1500, 700, 150]
    found = sound(pk.terminal_slope_censored(profile(days, values))).subjects.iloc[0]
    slope, intercept = np.polyfit(days[2:], np.log(values[2:]), 1)
    assert found["lambda_z"] == pytest.approx(-slope, rel=1e-10)
    assert found["intercept"] == pytest.approx(intercept, rel=1e-10)
    assert (found["n_quantifiable"], found["n_blq"], found["note"]) == (4, 0, "")


def test_a_sample_below_the_limit_makes_the_slope_steeper_where_the_line_lies_above_it():
    days, values = [0, 7, 10, 14, 21, 28, 35], [None, 5000, 3000, 1500, 700, 400, None]
    with_it = pk.terminal_slope_censored(profile(days, values)).subjects.iloc[0]
    without = pk.terminal_slope_censored(profile(days[:-1], values[:-1])).subjects.iloc[0]
    assert with_it["lambda_z"] > without["lambda_z"]


def test_the_window_may_end_with_the_first_sample_below_the_limit():
    days = [0, 7, 10, 14, 21, 28, 60, 90]
    samples = profile(days, [None, 5000, 3000, 1500, 700, None, None, None])
    every = pk.terminal_slope_censored(samples).subjects.iloc[0]
    first = pk.terminal_slope_censored(samples, window="to-first-blq").subjects.iloc[0]
    assert (every["n_blq"], first["n_blq"]) == (3, 1)
    with pytest.raises(ValueError, match="after-tmax, to-first-blq"):
        pk.terminal_slope_censored(samples, window="all")


def test_a_profile_without_a_censored_slope_says_why():
    few = profile([0, 7, 14, 21], [None, 5000, 700, None], subject="few")
    never = profile([0, 7, 14], [None, None, None], subject="never")
    bad = profile([0, 7, 7, 14], [None, 5, 6, 7], subject="twice")
    rising = profile([0, 7, 14, 21, 28], [None, 5000, 100, 200, 500], subject="up")
    unknown = profile([0, 7, 14, 21, 28, 40], [None, 5000, 900, 400, 120, None], subject="limit", lloq=np.nan)
    samples = tables(USUAL, few, never, bad, rising, unknown)
    found = sound(pk.terminal_slope_censored(samples))
    notes = found.subjects.set_index("subject_id")["note"]
    assert notes["001"] == ""
    assert notes["few"] == "fewer than 3 quantifiable samples after Tmax"
    assert (notes["never"], notes["twice"]) == ("NO_QUANT", "DUPLICATE_TIME")
    assert notes["up"] == "the line does not fall"
    assert "limit" in notes["limit"]
    assert set(found.excluded["subject_id"]) == {"twice"}
    alone = pk.terminal_slope_censored(USUAL).subjects
    pd.testing.assert_frame_equal(alone, found.subjects[found.subjects["subject_id"] == "001"])


# ---- levels by visit ----------------------------------------------------------------------------

PEOPLE = pd.DataFrame({"subject_id": ["001", "002", "003"], "dose_level": [1, 1, 2], "infused": "Y"})


def visit(subject, nominal, value, day=None, **more):
    return profile([nominal if day is None else day], [value], subject, nominal_day=nominal, **more)


def line(found, name, group="ALL"):
    rows = found.summary[(found.summary["visit"] == name) & (found.summary["group"] == group)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_levels_by_visit_count_who_is_below_and_who_is_missing():
    samples = tables(visit("001", 14, 800), visit("002", 14, None), visit("001", 28, None))
    found = sound(pk.levels_by_visit(samples, PEOPLE))
    row = line(found, "D14")
    assert (row["n"], row["n_blq"], row["n_missing"]) == (2, 1, 1)
    assert row["geo_mean"] == pytest.approx(np.sqrt(800 * 25))
    assert (row["mean"], row["min"], row["unit"]) == (400, 0, "copies/ug")
    assert line(found, "D14", "2")["note"] == "nobody with a result"
    all_below = line(found, "D28")
    assert np.isnan(all_below["geo_mean"])
    assert "all below the limit: no geometric mean" in all_below["note"]
    assert found.lloq.values.tolist() == [["QPCR", 50.0]]


def test_the_sample_nearest_to_its_day_stands_for_the_visit():
    samples = tables(visit("001", 14, 800, day=14.5), visit("001", 14, 500, day=13.9))
    found = pk.levels_by_visit(samples, PEOPLE)
    assert line(found, "D14")["max"] == 500
    assert found.excluded["reason"].tolist() == ["another sample of the visit lies nearer to its day"]
    assert found.excluded["row"].tolist() == [1]


@pytest.mark.parametrize(
    ("rule", "level"), [("mean", 250), ("geo-mean", 200), ("max", 400), ("first", 100), ("error", None)]
)
def test_two_results_of_one_time_are_one_level_by_rule(rule, level):
    samples = tables(visit("001", 14, 100), visit("001", 14, 400))
    rules = NcaRules(duplicates=rule)
    found = sound(pk.levels_by_visit(samples, PEOPLE, rules=rules))
    assert found.subjects["value"].tolist() == ([] if level is None else [pytest.approx(level)])
    set_aside = {"first": ["a result of this time stands before it"], "error": ["DUPLICATE_TIME"] * 2}
    assert found.excluded["reason"].tolist() == set_aside.get(rule, [])
    if rule != "first":
        turned = pk.levels_by_visit(samples.iloc[::-1], PEOPLE, rules=rules)
        pd.testing.assert_frame_equal(found.summary, turned.summary)


def test_of_two_results_of_one_time_the_one_below_the_limit_counts_as_0():
    samples = tables(visit("001", 14, 400), visit("001", 14, None))
    for rule, level in (("mean", 200), ("geo-mean", 0), ("max", 400)):
        found = pk.levels_by_visit(samples, PEOPLE, rules=NcaRules(duplicates=rule)).subjects
        assert found[["value", "below"]].to_numpy().tolist() == [[level, level == 0]]


def test_labels_name_the_visits_and_unscheduled_samples_have_none():
    samples = tables(
        visit("001", 14, 800, nominal_label="D14", unscheduled="N"),
        visit("002", 14, 200, nominal_label="D14", unscheduled="Y"),
        visit("003", 14, 400, nominal_label="UNS", unscheduled="N"),
    )
    found = pk.levels_by_visit(samples, PEOPLE, by=None)
    assert found.summary[["visit", "n"]].values.tolist() == [["D14", 1]]


def test_a_visit_after_another_infusion_has_its_own_nominal_day():
    label = {"nominal_label": "D28"}
    samples = tables(
        profile([28], [100], infusion_no=1, nominal_day=28, **label),
        profile([128], [200], infusion_no=2, nominal_day=128, **label),
    )
    people = pd.DataFrame({"subject_id": ["001"]})
    events = pd.DataFrame({"subject_id": ["001"], "event": ["LAST_CONTACT"], "day": [120]})
    second = NcaRules(infusion_no=2)
    assert pk.levels_by_visit(samples, people, rules=second).summary["nominal_day"].tolist() == [128.0]
    found = pk.persistence(samples, people, events, rules=second).summary
    assert found[["nominal_day", "n_in_followup"]].to_numpy().tolist() == [[128.0, 0.0]]


def test_a_limit_that_is_not_known_leaves_no_geometric_mean():
    samples = tables(visit("001", 14, 800), visit("002", 14, None)).assign(lloq=np.nan)
    row = line(sound(pk.levels_by_visit(samples, PEOPLE)), "D14")
    assert np.isnan(row["geo_mean"])
    assert "a limit that is not known" in row["note"]
    assert row["mean"] == 400


def test_levels_in_two_units_are_counted_not_summarised():
    samples = tables(visit("001", 14, 800), visit("002", 14, 3, unit="copies/uL"))
    row = line(sound(pk.levels_by_visit(samples, PEOPLE)), "D14")
    assert row["n"] == 2
    assert np.isnan(row["geo_mean"])
    assert "more than one unit: copies/uL, copies/ug" in row["note"]


def test_the_table_of_levels_names_the_unit_of_each_visit_where_they_differ():
    samples = tables(visit("001", 14, 500), visit("002", 28, 60))
    groups = Groups(labels=("1", "ALL"), by="dose_level", n={}, doses={}, of_subject={})
    plain = tables_kinetics.levels(pk.levels_by_visit(samples, PEOPLE), groups, "QPCR")
    assert plain.title.endswith("(copies/ug)")
    assert [row.cells[0] for row in plain.rows] == ["D14", "D28"]
    samples.loc[1, "unit"] = "copies/uL"
    mixed = tables_kinetics.levels(pk.levels_by_visit(samples, PEOPLE), groups, "QPCR")
    assert "copies" not in mixed.title
    assert [row.cells[0] for row in mixed.rows] == ["D14 (copies/ug)", "D28 (copies/uL)"]


def test_tables_of_samples_without_an_assay_have_their_unit_and_a_whole_title():
    samples = tables(visit("001", 14, 500), visit("002", 14, 60)).drop(columns="assay")
    groups = Groups(labels=("1", "ALL"), by="dose_level", n={}, doses={}, of_subject={})
    exposed = tables_kinetics.exposure(pk.exposure(samples, PEOPLE), pk.nca(samples), groups, "")
    assert (exposed.name, exposed.title) == ("exposure", "Kinetic parameters by dose level")
    assert exposed.rows[0].cells == ("Cmax (copies/ug)",)
    titles = [
        tables_kinetics.levels(pk.levels_by_visit(samples, PEOPLE), groups, "").title,
        tables_kinetics.persistence(pk.persistence(samples, PEOPLE), groups, "").title,
    ]
    assert titles == ["Levels by visit (copies/ug)", "Persistence by visit"]


def test_no_samples_give_no_levels():
    found = sound(pk.levels_by_visit(USUAL.iloc[:0], PEOPLE))
    assert len(found.summary) == len(found.subjects) == len(found.lloq) == 0


# ---- exposure against dose and outcome ----------------------------------------------------------

TRIAL = pd.DataFrame(
    {
        "subject_id": [f"{i:03d}" for i in range(1, 7)],
        "dose_level": [1, 1, 2, 2, 3, 3],
        "planned_dose_1e6_kg": [0.5, 0.5, 1.0, 1.0, 2.0, 2.0],
        "actual_dose_1e6_kg": [0.5, 0.4, 1.0, 0.9, 2.0, 1.1],
    }
)
CMAX = [100.0, 130.0, 260.0, 190.0, 400.0, 510.0]
OUTCOMES = pd.DataFrame(
    {"subject_id": TRIAL["subject_id"], "outcome": "Response", "value": [0, 0, 0, 1, 1, 1]}
)


def trial_samples(cmax=CMAX, **more):
    return tables(
        *[
            profile([0, 10, 28], [None, top, None if top == 0 else top / 2], subject, **more)
            for subject, top in zip(TRIAL["subject_id"], cmax, strict=True)
        ]
    )


def test_exposure_is_set_against_planned_and_received_dose_by_default():
    found = sound(pk.exposure_models(trial_samples(), TRIAL, OUTCOMES))
    rows = found.summary.set_index(["param", "dose"])
    for dose, column in (("planned", "planned_dose_1e6_kg"), ("received", "actual_dose_1e6_kg")):
        alone = pk.dose_proportionality(CMAX, TRIAL[column])
        for name in ("n", "slope", "ci_low", "ci_high", "dose_ratio", "conclusion"):
            assert rows.loc[("cmax", dose), name] == getattr(alone, name)
    one = found.associations.set_index("param").loc["cmax"]
    alone = pk.exposure_response(CMAX, OUTCOMES["value"])
    for name in ("n", "gm_ratio", "ci_low", "wilcoxon_p_value", "firth_slope", "kendall_tau"):
        assert one[name] == getattr(alone, name)
    groups = found.by_outcome.set_index(["param", "level"])
    assert groups.loc[("cmax", 1.0), "n"] == 3
    ratio = groups.loc[("cmax", 1.0), "geo_mean"] / groups.loc[("cmax", 0.0), "geo_mean"]
    assert ratio == pytest.approx(one["gm_ratio"])


def test_without_doses_per_kg_the_level_is_the_dose():
    people = TRIAL[["subject_id", "dose_level"]]
    assert pk.exposure_models(trial_samples(), people).summary["dose"].unique().tolist() == ["level"]
    named = pk.exposure_models(trial_samples(), TRIAL, doses={"given": "actual_dose_1e6_kg"})
    assert named.summary["dose"].unique().tolist() == ["given"]
    assert named.dose_words == {"given": "given"}


def test_an_exposure_of_0_stops_logarithms_and_leaves_ranks():
    silent = trial_samples([0.0, *CMAX[1:]])
    silent.loc[silent["subject_id"] == "001", "blq"] = "BLQ"
    found = sound(pk.exposure_models(silent, TRIAL, OUTCOMES, params=["auc_window"]))
    model, one = found.summary.iloc[0], found.associations.iloc[0]
    assert np.isnan(model["slope"])
    assert model["note"] == one["note"] == "a value is 0: no model of logarithms"
    assert model["n"] == one["n"] == 6
    assert np.isnan(one["gm_ratio"])
    areas = found.subjects["value"].to_numpy()
    shifted = pk.exposure_response(areas + 1, OUTCOMES["value"])
    for name in ("wilcoxon_w", "wilcoxon_p_value", "spearman_rho", "kendall_tau"):
        assert one[name] == getattr(shifted, name)


def test_a_subject_without_exposure_dose_or_outcome_is_left_out_of_n_only():
    people = TRIAL.assign(actual_dose_1e6_kg=[np.nan, 0.0, 1.0, 0.9, 2.0, 1.1])
    found = sound(pk.exposure_models(trial_samples(), people, OUTCOMES.iloc[2:], params=["cmax"]))
    assert found.summary.set_index("dose")["n"].to_dict() == {"planned": 6, "received": 4}
    assert found.associations["n"].tolist() == [4]
    zero = found.subjects.set_index("subject_id").loc["002"]
    assert zero["note"] == "a dose is not above 0: left out"
    assert len(found.subjects) == 6


def test_every_bad_dose_and_outcome_is_told_at_once():
    people = TRIAL.assign(arm_dose=["0.5", "low", "1", "1", "2", "high"])
    with pytest.raises(DataError) as caught:
        pk.exposure_models(trial_samples(), people, doses={"a": "arm_dose", "b": "nowhere"})
    found = [(problem.rule, problem.row) for problem in caught.value.problems]
    assert found == [("NOT-A-NUMBER", 2), ("NOT-A-NUMBER", 6), ("MISSING-COLUMN", None)]
    bad = OUTCOMES.assign(value=["0", "yes", "0", "1", "1", "1"])
    with pytest.raises(DataError) as caught:
        pk.exposure_models(trial_samples(), TRIAL, tables(bad, bad.iloc[:1]))
    assert [problem.rule for problem in caught.value.problems] == ["NOT-A-NUMBER", "D02-SAME-KEY"]
    with pytest.raises(DataError, match="an outcome needs its name"):
        pk.exposure_models(trial_samples(), TRIAL, OUTCOMES.assign(outcome=None))
    with pytest.raises(ValueError, match="nonsense"):
        pk.exposure_models(trial_samples(), TRIAL, params=["nonsense"])
    for params in ([], ["cmax", "cmax"]):
        with pytest.raises(ValueError, match="each once, got"):
            pk.exposure_models(trial_samples(), TRIAL, params=params)


def test_a_blank_dose_or_outcome_is_missing_and_one_of_a_stranger_is_set_aside():
    people = TRIAL.assign(given=["0.5", "", " ", "1", "2", None])
    outcomes = OUTCOMES.assign(value=["0", "", "1", None, "1", "0"])
    outcomes.loc[4, "subject_id"] = "nobody"
    found = sound(pk.exposure_models(trial_samples(), people, outcomes, doses={"given": "given"}))
    assert found.summary["n"].tolist() == [3, 3]
    assert found.associations["n"].tolist() == [3, 3]
    assert found.excluded.to_numpy().tolist() == [["outcomes", 5, "nobody", "subject is not in subjects"]]


def test_values_of_an_outcome_that_differ_in_a_late_digit_keep_their_own_group():
    outcomes = OUTCOMES.assign(value=[1, 1.00000001, 2, 2, 3, 3])
    found = sound(pk.exposure_models(trial_samples(), TRIAL, outcomes, params=["cmax"]))
    assert found.by_outcome["n"].tolist() == [1, 1, 2, 2]


def test_models_of_nobody_with_a_sample_say_so():
    for samples in (trial_samples().iloc[:0], trial_samples().assign(subject_id="nobody")):
        found = sound(pk.exposure_models(samples, TRIAL, OUTCOMES))
        assert found.subjects["note"].unique().tolist() == ["NO_SAMPLES: no kinetic sample"]
        assert found.summary["n"].tolist() == [0] * 4
        assert found.associations["note"].unique().tolist() == ["no subject with an exposure and an outcome"]


def test_a_power_model_that_is_incomplete_says_why():
    flat = sound(pk.exposure_models(trial_samples([100.0] * 6), TRIAL, params=["cmax"]))
    assert flat.summary["note"].unique().tolist() == ["all exposures are equal: no R-squared"]
    alone = sound(pk.exposure_models(trial_samples(), TRIAL.iloc[:1], params=["cmax"]))
    assert alone.summary["note"].unique().tolist() == ["one subject: no slope"]


def test_assays_are_modelled_apart_and_units_are_never_pooled():
    both = tables(trial_samples(), trial_samples([c / 10 for c in CMAX], assay="FLOW", unit="cells/uL"))
    found = pk.exposure_models(both, TRIAL, OUTCOMES, params=["cmax"])
    assert found.summary["assay"].tolist() == ["FLOW", "FLOW", "QPCR", "QPCR"]
    mixed = trial_samples()
    mixed.loc[mixed["subject_id"] == "003", "unit"] = "copies/uL"
    refused = sound(pk.exposure_models(mixed, TRIAL, params=["cmax", "tmax"]))
    notes = refused.subjects.groupby("param")["note"].unique()
    assert notes["cmax"].tolist() == ["more than one unit: copies/uL, copies/ug"]
    assert notes["tmax"].tolist() == [""]
    assert refused.summary.set_index(["param", "dose"]).loc[("cmax", "planned"), "n"] == 0


# ---- PP rows ------------------------------------------------------------------------------------


def test_a_result_gives_its_pp_rows_and_their_supplement():
    found = pk.nca(USUAL)
    rows = found.to_pp(study_id="CD7", specimen="BLOOD", reference={"001": "2024-03-01"})
    cmax = rows[rows["PPTESTCD"] == "CMAX"].iloc[0]
    assert (cmax["USUBJID"], cmax["PPSTRESN"], cmax["PPSTRESU"]) == ("CD7-001", 5000.0, "copies/ug")
    assert (cmax["PPSPEC"], cmax["PPRFTDTC"]) == ("BLOOD", "2024-03-01")
    more = found.to_supppp(study_id="CD7")
    assert more.loc[more["QNAM"] == "AUCWSTAT", "QVAL"].tolist() == ["BLQ_TRIANGLE"]


# ---- the expansion and contraction curve --------------------------------------------------------

COURSE = profile(
    [0, 1, 4, 7, 10, 14, 21, 28, 60, 90, 120],
    [None, 60, 500, 4200, 30_000, 14_000, 4600, 1500, 130, 110, None],
)


def test_a_fitted_curve_has_its_parameters_errors_and_days_to_draw():
    found = sound(pk.fit_kinetics(COURSE, rng=1))
    row = found.subjects.iloc[0]
    assert (row["n"], row["n_quantifiable"], row["converged"], row["note"]) == (11, 9, True, "")
    assert row["growth_rate"] == pytest.approx(np.log(row["fold"]) / row["tmax"])
    assert row["doubling_time"] == pytest.approx(np.log(2) / row["growth_rate"])
    assert row["se_log_cmax"] > 0
    assert (found.curves["day"].min(), found.curves["day"].max()) == (0.0, 120.0)
    assert found.curves["fitted"].max() == pytest.approx(row["cmax"])


def test_the_same_generator_gives_the_same_bits_and_another_the_same_fit():
    one, again, other = (
        pk.fit_kinetics(COURSE, rng=seed).subjects for seed in (1, np.random.default_rng(1), 2)
    )
    pd.testing.assert_frame_equal(one, again, check_exact=True)
    assert other["log_likelihood"].iloc[0] == pytest.approx(one["log_likelihood"].iloc[0], rel=1e-9)


def test_dropping_samples_below_the_limit_is_least_squares_on_the_others():
    dropped = sound(pk.fit_kinetics(COURSE, blq="drop", rng=1)).subjects.iloc[0]
    without = pk.fit_kinetics(COURSE[COURSE["blq"] == ""], rng=1).subjects.iloc[0]
    assert dropped["n"] == 9
    for name in ("cmax", "tmax", "fold", "alpha", "beta", "slow_fraction", "sse"):
        assert dropped[name] == pytest.approx(without[name], rel=1e-6)
    with pytest.raises(ValueError, match="censored, drop"):
        pk.fit_kinetics(COURSE, blq="keep", rng=1)


def test_a_profile_without_a_fit_says_why_and_the_others_keep_their_bits():
    never = profile([0, 7, 14], [None, None, None], subject="never")
    single = profile([0, 7, 14], [None, 500, None], subject="single")
    twice = profile([0, 7, 7], [None, 500, 600], subject="twice")
    negative = COURSE.assign(subject_id="negative")
    negative.loc[negative["day"] == 4, "value"] = -5.0
    later = COURSE.assign(subject_id="later", infusion_no=2)
    found = sound(pk.fit_kinetics(tables(COURSE, never, single, twice, negative, later), rng=1))
    rows = found.subjects.set_index("subject_id")
    assert (rows.loc["never", "note"], rows.loc["twice", "note"]) == ("NO_QUANT", "DUPLICATE_TIME")
    assert rows.loc["single", "note"] == "fewer than 2 quantifiable samples"
    assert rows.loc["negative", "note"] == "NEGATIVE_VALUE: 1 left out of the fit"
    assert np.isfinite(rows.loc["negative", "cmax"])
    assert rows.loc["later", "note"] == "days count from the first infusion"
    assert set(found.excluded["subject_id"]) == {"twice", "negative"}
    assert set(found.curves["subject_id"]) == {"001", "negative", "later"}
    alone = pk.fit_kinetics(COURSE, rng=1).subjects.iloc[0]
    assert rows.loc["001", "cmax"] == alone["cmax"]


def test_what_more_is_known_of_a_fit_stands_after_its_note():
    keys = ["subject_id", "assay"]
    slope = pk.terminal_slope_censored(USUAL).subjects.columns.tolist()
    assert slope == [*keys, "n_quantifiable", "n_blq", "lambda_z", "half_life", "intercept", "sigma",
                     "log_likelihood", "note", "lambda_z_std_err"]  # fmt: skip
    curve = pk.fit_kinetics(USUAL, rng=1).subjects.columns.tolist()
    assert curve[: curve.index("note") + 1] == [
        *keys, "n", "cmax", "tmax", "fold", "alpha", "beta", "slow_fraction", "growth_rate", "doubling_time",
        "sse", "converged", "note",
    ]  # fmt: skip


def test_an_empty_table_has_no_fit_no_slope_no_window():
    empty = USUAL.iloc[:0]
    assert len(sound(pk.fit_kinetics(empty, rng=1)).subjects) == 0
    assert len(sound(pk.terminal_slope_censored(empty)).subjects) == 0
    assert len(sound(pk.slope_windows(empty)).subjects) == 0
    assert len(sound(pk.nca(empty)).flags) == 0
