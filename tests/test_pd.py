"""CD7+ cells: what each rule decides, edge cases worked on paper, and what is refused."""

import math

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from cart7 import results
from cart7.errors import DataError, UnitError
from cart7.pd import PdRules, Window, by_visit, depletion, mixed_model
from cart7.records import LymphodepletionDose, PdSample, Subject
from cart7.stats import random_intercept

SUBJECTS = pd.DataFrame({"subject_id": ["1"], "dose_level": [1]})
COLUMNS = ["subject_id", "day", "value"]
LD = pd.DataFrame({"subject_id": ["1", "1"], "day": [-4, -5]})


def samples(*days_and_values, subject="1", parameter="CD7POS_ABS", lloq=1.0, **columns):
    frame = pd.DataFrame([(subject, day, value) for day, value in days_and_values], columns=COLUMNS)
    return frame.assign(parameter=parameter, lloq=lloq, **columns)


def course(*days_and_values, events=None, rules=None, **columns):
    """The depletion of one subject as a dictionary."""
    result = depletion(samples(*days_and_values, **columns), SUBJECTS, events, lymphodepletion=LD,
                       parameter="CD7POS_ABS", rules=rules or PdRules())  # fmt: skip
    return result.subjects.iloc[0].to_dict()


def visits(*days_and_values, rules=None, **columns):
    """The chosen samples of one subject, by visit."""
    result = by_visit(
        samples(*days_and_values, **columns), SUBJECTS, lymphodepletion=LD, rules=rules or PdRules()
    )
    return result.subjects.set_index("visit")


def event(word, day, subject="1"):
    return pd.DataFrame({"subject_id": [subject], "event": [word], "day": [day]})


# Rules


def test_windows_that_share_a_day_are_refused_and_gaps_are_not():
    assert PdRules(windows={"D28": Window(28, 25, 35), "M3": Window(90, 76, 104)}).windows["M3"].upper == 104
    with pytest.raises(ValidationError, match="windows D28 and M2 overlap at day 35"):
        PdRules(windows={"M2": Window(60, 35, 75), "D28": Window(28, 25, 35)})


def test_the_default_windows_are_those_of_the_protocol():
    windows = PdRules().windows
    assert list(windows) == ["D4", "D7", "D10", "D14", "D21", "D28", "M2", "M3", "M6"]
    assert windows["M6"] == Window(180, 152, 208)
    assert windows["D14"] == Window(14, 12, 17)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"blq_arithmetic": 0.5}, "blq_arithmetic must be 0 or 'half-lloq', got 0.5"),
        ({"thresholds": (5.0, 5.0)}, "thresholds must be different numbers above 0"),
        ({"thresholds": (0.0,)}, "thresholds must be different numbers above 0"),
        ({"auec_window": (28, 0)}, "auec_window must be \\(from, to\\) with 0 <= from < to"),
        ({"auec_window": (-1, 28)}, "auec_window must be"),
        ({"quantile_type": 5}, "quantile_type"),
        ({"censor_at": ("TRANSPLANT",)}, "censor_at"),
        ({"windows": {"BASELINE": Window(0, -1, 0)}}, "BASELINE is the baseline visit"),
        ({"tie": "latest"}, "tie"),
        ({"quartiles": 2}, "quartiles"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(argument, message):
    with pytest.raises(ValidationError, match=message):
        PdRules(**argument)


def test_rules_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        PdRules().tie = "earlier"


# Visits


def test_a_window_counts_whole_days_and_takes_the_nearest():
    table = visits((-1, 800), (24.9, 1), (25.0, 2), (30.4, 3), (35.99, 4), (36.0, 5))
    assert table.loc["D28", "day"] == 30.4
    assert visits((-1, 800), (35.99, 4)).loc["D28", "value"] == 4
    assert visits((-1, 800), (36.0, 5)).index.tolist() == ["BASELINE"]


def test_a_tie_takes_the_later_sample_unless_the_rule_says_earlier():
    pair = [(13.9, 30), (15.2, 20)]
    assert visits(*pair).loc["D14", "value"] == 20
    assert visits(*pair, rules=PdRules(tie="earlier")).loc["D14", "value"] == 30


def test_on_one_day_the_last_row_of_the_table_is_the_later():
    assert visits((14, 30), (14, 20)).loc["D14", "value"] == 20
    assert visits((14, 30), (14, 20), rules=PdRules(tie="earlier")).loc["D14", "value"] == 30
    assert visits((0, 30), (0, 20)).loc["BASELINE", "value"] == 20


def test_a_missing_value_is_never_chosen():
    result = by_visit(samples((13, 30), (14, np.nan)), SUBJECTS)
    assert result.subjects["day"].tolist() == [13]
    assert result.excluded[["row", "reason"]].to_numpy().tolist() == [[2, "value missing"]]


def test_the_infusion_day_sample_is_baseline_but_not_the_one_after_infusion():
    table = visits((-1, 1500), (0, 1380), (0.15, 1205), (4.3, 453))
    assert table.loc["BASELINE", "value"] == 1380
    assert table.loc["D4", "change"] == 453 - 1380


def test_the_baseline_before_lymphodepletion_ends_on_the_day_before_its_first_day():
    rules = PdRules(baseline="last-before-lymphodepletion")
    table = visits((-7, 640), (-5, 600), (-0.5, 30), (4, 64), rules=rules)
    assert table.loc["BASELINE", "day"] == -7
    assert table.loc["D4", "percent_change"] == -90


def test_without_a_start_of_lymphodepletion_there_is_no_such_baseline():
    rules = PdRules(baseline="last-before-lymphodepletion")
    table = by_visit(samples((-7, 640), (4, 64)), SUBJECTS, rules=rules).subjects
    assert table["visit"].tolist() == ["D4"]
    assert math.isnan(table["change"][0])
    assert table["note"][0] == "start of lymphodepletion not known"


def test_below_the_limit_counts_as_zero_or_as_half_the_limit():
    table = visits((-1, 800), (14, np.nan), blq=[None, "BLQ"], lloq=2.0)
    assert table.loc["D14", ["value", "log_value", "blq"]].tolist() == [0, 1, True]
    assert table.loc["D14", "percent_change"] == -100
    assert table.loc["D14", "log10_change"] == pytest.approx(math.log10(1 / 800), rel=1e-14)
    half = visits((-1, 800), (14, 1.9), rules=PdRules(blq_arithmetic="half-lloq"), lloq=2.0)
    assert half.loc["D14", ["value", "log_value", "blq"]].tolist() == [1, 1, True]


@pytest.mark.parametrize("flags", [[False, False, True], [0, 0, 1], [0.0, None, 1.0]])
def test_a_column_of_truth_values_or_of_0_and_1_flags_what_is_true(flags):
    table = visits((-1, 800), (14, 40), (28, 40), blq=flags)
    assert table["blq"].tolist() == [False, False, True]
    assert table["value"].tolist() == [800, 40, 0]


def test_a_value_at_the_limit_is_not_below_it():
    assert not visits((14, 1.0)).loc["D14", "blq"]
    assert visits((14, 0.999)).loc["D14", "blq"]


def test_a_baseline_below_the_limit_gives_a_change_but_no_percent_and_no_log_change():
    table = visits((-1, 0.2), (4, 146.6))
    assert table.loc["D4", "change"] == 146.6
    assert np.isnan(table.loc["D4", ["percent_change", "log10_change"]].astype(float)).all()
    assert table.loc["D4", "note"] == "baseline below the limit"


def test_without_a_limit_a_flag_still_means_below_and_the_log_value_is_missing():
    table = visits((-1, 800), (14, np.nan), blq=[None, "ND"], lloq=np.nan)
    assert table.loc["D14", "value"] == 0
    assert math.isnan(table.loc["D14", "log_value"])
    assert "LLOQ not given" in table.loc["D14", "note"]


def test_there_is_no_change_at_the_baseline_visit_and_its_summary_says_so():
    result = by_visit(samples((-1, 800), (4, 200)), SUBJECTS, by=None)
    assert math.isnan(result.subjects["change"][0])
    line = result.summary.query("visit == 'BASELINE' and statistic_of == 'change'").iloc[0]
    assert line["n"] == 0
    assert line["note"] == "not defined for any sample"


def test_every_window_has_its_row_in_every_group_also_with_nobody():
    subjects = pd.DataFrame(
        {"subject_id": ["1", "2"], "dose_level": pd.Categorical([1, 1], categories=[1, 2])}
    )
    summary = by_visit(samples((-1, 800)), subjects).summary
    assert len(summary) == 10 * 3 * 4
    assert summary["group"].drop_duplicates().tolist() == ["1", "2", "ALL"]
    nobody = summary.query("group == '2'")
    assert (nobody["n"] == 0).all()
    assert (nobody["note"] == "no sample").all()


def test_one_subject_has_a_mean_and_no_spread():
    line = by_visit(samples((28, 40)), SUBJECTS, by=None).summary.query("visit == 'D28'").iloc[0]
    assert (line["n"], line["mean"], line["median"], line["q1"]) == (1, 40, 40, 40)
    assert math.isnan(line["sd"])
    assert line["note"] == "one value: no spread"


def test_a_t_interval_of_percentages_beyond_0_to_100_is_flagged():
    frame = pd.concat([samples((28, value), subject=name, parameter="CD7POS_PCT")
                       for name, value in (("1", 0.1), ("2", 90.0))])  # fmt: skip
    subjects = pd.DataFrame({"subject_id": ["1", "2"]})
    line = by_visit(frame, subjects).summary.query("visit == 'D28' and statistic_of == 'value'").iloc[0]
    assert line["mean_ci_low"] < 0
    assert "t interval of the mean leaves 0-100 %" in line["note"]


def test_visits_by_label_take_the_first_usable_record_and_have_no_baseline_row():
    frame = samples((28.4, 5.0), (27.5, np.nan), (27.9, 7.0), (-7, 640), (90, 3.0), nominal_label=["D28", "D28", "D28", "SCR", None])  # fmt: skip
    result = by_visit(frame, SUBJECTS, rules=PdRules(visit_by="nominal-label"))
    assert result.subjects[["visit", "value"]].to_numpy().tolist() == [["SCR", 640.0], ["D28", 7.0]]
    assert result.subjects["baseline"].tolist() == [640, 640]
    assert sorted(result.excluded["reason"]) == [
        "another sample of the visit was chosen", "nominal_label missing", "value missing",
    ]  # fmt: skip


def test_a_labelled_sample_without_a_day_says_so():
    frame = samples((-7, 640), (np.nan, 7.0), nominal_label=["SCR", "D28"])
    result = by_visit(frame, SUBJECTS, rules=PdRules(visit_by="nominal-label"))
    assert result.subjects["note"].tolist()[1] == "day missing"
    long = result.to_frame()
    assert long.loc[long["value"].isna() & (long["stat"] == "day"), "note"].tolist() == ["day missing"]


def test_labels_stand_in_the_order_of_their_nominal_day():
    labels = ["D28", "D0 PRE", "SCR", "D4"]
    frame = samples((27, 1), (-0.02, 50), (-7, 640), (4, 60), nominal_label=labels)
    rules = PdRules(visit_by="nominal-label")
    expected = ["SCR", "D0 PRE", "D4", "D28"]
    assert (
        by_visit(frame, SUBJECTS, by=None, rules=rules).summary["visit"].drop_duplicates().tolist()
        == expected
    )
    planned = frame.assign(nominal_day=[28, 0, -7, 4], day=[27, -0.02, -7, np.nan])
    assert by_visit(planned, SUBJECTS, by=None, rules=rules).subjects["visit"].tolist() == expected


def test_each_parameter_or_the_one_asked_for():
    frame = pd.concat([samples((4, 60)), samples((4, 7), parameter="CD7POS_PCT")])
    assert by_visit(frame, SUBJECTS).subjects["parameter"].tolist() == ["CD7POS_ABS", "CD7POS_PCT"]
    assert by_visit(frame, SUBJECTS, parameter="CD7POS_PCT").subjects["value"].tolist() == [7]
    with pytest.raises(ValueError, match="parameter must be one of CD7POS_ABS, CD7POS_PCT, got 'CD7'"):
        by_visit(frame, SUBJECTS, parameter="CD7")


def test_samples_not_used_are_listed_with_their_reason():
    frame = pd.concat(
        [samples((-7, 640), (-1, 30), (14, 3), (15, 2), (40, 8)), samples((14, 3), subject="9")]
    )
    excluded = by_visit(frame.reset_index(drop=True), SUBJECTS).excluded
    assert excluded.set_index("row")["reason"].to_dict() == {
        1: "outside every visit window",
        4: "another sample of the visit was chosen",
        5: "outside every visit window",
        6: "not a subject of this analysis",
    }


def test_days_come_from_dates_where_they_are_missing():
    frame = samples((np.nan, 40)).assign(sample_date="2022-02-08")
    subjects = SUBJECTS.assign(infusion_date="2022-01-11")
    assert by_visit(frame, subjects).subjects[["visit", "day"]].to_numpy().tolist() == [["D28", 28.0]]
    assert by_visit(frame, SUBJECTS).excluded["reason"].tolist() == ["day missing"]


def test_records_are_taken_as_frames_are():
    records = [
        PdSample(subject_id="1", day=-1.0, parameter="CD7POS_ABS", value=800.0, unit="cells/uL", lloq=1.0),
        PdSample(subject_id="1", day=14.0, parameter="CD7POS_ABS", blq="BLQ", unit="cells/uL", lloq=1.0),
    ]
    people = [Subject(subject_id="1", dose_level=1)]
    doses = [LymphodepletionDose(subject_id="1", agent="FLUDARABINE", day=-5)]
    assert by_visit(records, people, lymphodepletion=doses).subjects["value"].tolist() == [800, 0]
    assert depletion(records, people, lymphodepletion=doses, parameter="CD7POS_ABS").subjects["nadir"][0] == 0


def test_two_units_of_one_parameter_are_not_mixed():
    frame = samples((4, 60), (7, 0.06), unit=["cells/uL", "10^9/L"])
    with pytest.raises(UnitError, match="CD7POS_ABS stands in more than one unit: 10\\^9/L, cells/uL"):
        by_visit(frame, SUBJECTS)


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match="value"):
        by_visit(samples((4, 60)).drop(columns="value"), SUBJECTS)


def test_an_empty_table_gives_empty_results():
    empty = samples()
    visit = by_visit(empty, SUBJECTS)
    assert len(visit.subjects) == len(visit.summary) == 0
    assert results.check(visit.to_frame()) == []
    result = depletion(empty, SUBJECTS, parameter="CD7POS_ABS")
    assert len(result.subjects) == 1
    assert (result.summary["n"] == 0).all()
    assert results.check(result.to_frame()) == []
    nobody = depletion(samples((4, 60)), SUBJECTS.iloc[:0], parameter="CD7POS_ABS")
    assert nobody.summary["group"].unique().tolist() == ["ALL"]


def test_inputs_are_not_modified():
    frame, subjects = samples((-1, 800), (14, 0.1)), SUBJECTS.copy()
    before = frame.copy()
    by_visit(frame, subjects, lymphodepletion=LD)
    depletion(frame, subjects, event("HSCT", 60), lymphodepletion=LD, parameter="CD7POS_ABS")
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(subjects, SUBJECTS)


# Depletion


def test_clearance_is_the_first_day_below_the_limit_within_its_interval():
    row = course((-1, 800), (7, 20), (10.2, 0), (14, 3), (21, 0), (28, 0))
    assert [row[f"clearance_{name}"] for name in ("time", "event", "left", "right")] == [10.2, 1, 7, 10.2]
    assert [row[f"confirmed_clearance_{name}"] for name in ("time", "event")] == [21, 1]


def test_cleared_at_the_first_sample_lies_between_infusion_and_that_day():
    assert course((-1, 800), (4.3, 0))["clearance_left"] == 0


def test_a_single_last_sample_below_the_limit_is_not_confirmed():
    row = course((-1, 800), (7, 20), (14, 0))
    assert (row["clearance_event"], row["clearance_time"]) == (1, 14)
    assert (row["confirmed_clearance_event"], row["confirmed_clearance_time"]) == (0, 14)


def test_not_cleared_is_censored_at_the_last_sample_or_at_0_without_one():
    row = course((-1, 800), (7, 20), (180.2, 80))
    assert (row["clearance_time"], row["clearance_event"], row["clearance_left"]) == (180.2, 0, 180.2)
    assert math.isnan(row["clearance_right"])
    assert "not cleared: censored" in row["note"]
    row = course((-2, 812))
    assert (row["clearance_time"], row["clearance_event"], row["clearance_left"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("baseline", "reason"),
    [([], "no baseline: no sample before infusion"), ([(-1, 0.3)], "baseline below the limit")],
)
def test_without_an_evaluable_baseline_clearance_and_recovery_are_missing(baseline, reason):
    row = course(*baseline, (10, 0), (28, 0), (90, 300))
    missing = [name for name in row if name.endswith(("_event", "_time", "_left", "_right"))]
    assert len(missing) == 10
    assert np.isnan([row[name] for name in missing]).all()
    assert row["nadir"] == 0
    assert reason in row["note"]


def test_recovery_waits_for_clearance_and_for_its_level():
    row = course((-1, 80), (4, 60), (10, 0), (21, 39), (28, 41), (60, 49.9), (90, 50))
    assert (row["relative_recovery_time"], row["relative_recovery_event"]) == (28, 1)
    assert (row["recovery_time"], row["recovery_event"], row["aplasia_duration"]) == (90, 1, 80)


def test_not_recovered_is_censored_with_the_aplasia_so_far():
    row = course((-1, 800), (10, 0), (180.2, 3))
    assert (row["recovery_time"], row["recovery_event"], row["aplasia_duration"]) == (180.2, 0, 170.2)


def test_not_cleared_has_no_recovery_but_may_rise_from_its_nadir():
    row = course((-1, 100), (14, 20), (28, 60))
    assert math.isnan(row["recovery_time"])
    assert "not cleared: no recovery to wait for" in row["note"]
    assert (row["nadir_day"], row["recovery_after_nadir_day"]) == (14, 28)


def test_half_a_high_limit_is_not_a_recovery():
    # Below an LLOQ of 120 stands 60 in the arithmetic; nobody has seen 60 cells.
    rules = PdRules(blq_arithmetic="half-lloq")
    row = course((-1, 800), (10, 0), (28, 0), (90, 400), lloq=120.0, rules=rules)
    assert row["recovery_time"] == 90


def test_the_nadir_is_the_first_day_of_the_lowest_value_after_baseline():
    row = course((-1, 800), (0.1, 790), (10, 5), (14, 5), (28, 9))
    assert (row["nadir"], row["nadir_day"], row["nadir_percent_of_baseline"]) == (5, 10, 0.625)
    rules = PdRules(baseline="last-before-lymphodepletion")
    assert course((-7, 800), (-1, 2), (0, 20), (14, 30), rules=rules)["nadir_day"] == 0
    assert course((-7, 800), (0, 20), (14, 30))["nadir_day"] == 14


def test_first_days_below_the_thresholds_are_named_by_the_threshold():
    row = course((-1, 0.2), (4, 5.0), (10, 4.9), (14, 0.4), rules=PdRules(thresholds=(5.0, 0.5)))
    assert (row["first_day_below_5"], row["first_day_below_0.5"]) == (10, 14)
    row = course((-1, 0.2), (4, 7))
    assert math.isnan(row["first_day_below_5"])
    assert "never below 5; never below 1" in row["note"]


def test_samples_after_transplantation_or_new_therapy_do_not_count_but_those_of_the_day_do():
    points = [(-1, 800), (14, 200), (45, 100), (60, 0), (90, 0)]
    row = course(*points, events=event("HSCT", 45))
    assert (row["clearance_event"], row["clearance_time"], row["nadir"]) == (0, 45, 100)
    assert course(*points, events=event("HSCT", 45), rules=PdRules(censor_at=()))["clearance_time"] == 60
    assert course(*points, events=event("PROGRESSION", 45))["clearance_time"] == 60
    assert course(*points, events=event("HSCT", -200))["clearance_time"] == 60
    both = pd.concat([event("HSCT", 75), event("NEW_THERAPY", 20)])
    assert course(*points, events=both)["clearance_time"] == 14
    result = depletion(samples(*points), SUBJECTS, event("HSCT", 45), parameter="CD7POS_ABS")
    assert result.excluded["reason"].tolist() == ["after HSCT or NEW_THERAPY"] * 2
    assert result.samples["day"].tolist() == [-1, 14, 45, 60, 90]


def test_samples_before_infusion_that_are_no_baseline_are_listed():
    frame = samples((-12, 700), (-7, 640), (-3, 90), (-1, 30), (14, 3), (21, np.nan))
    result = depletion(frame, SUBJECTS, lymphodepletion=LD, parameter="CD7POS_ABS")
    assert result.excluded.set_index("row")["reason"].to_dict() == {
        1: "before infusion and not the baseline sample",
        3: "before infusion and not the baseline sample",
        6: "value missing",
    }


def test_the_area_on_paper():
    # (0,100) (10,0) (20,50) (40,90): 500 + 250 + [20,28]: 50..66 -> 464.
    row = course((-3, 100), (10, 0), (20, 50), (40, 90))
    assert (row["auec_last"], row["auec_last_day"]) == (750, 20)
    assert row["auec_window"] == pytest.approx(1214, rel=1e-14)
    assert row["auec_net"] == pytest.approx(1214 - 2800, rel=1e-14)
    assert row["auec_suppression_percent"] == pytest.approx(100 * (1 - 1214 / 2800), rel=1e-14)


def test_samples_of_one_day_are_averaged_in_the_area_only():
    row = course((-3, 100), (10, 40), (10, 60), (28, 50))
    assert row["auec_window"] == 750 + 900
    assert row["nadir"] == 40


def test_the_area_needs_a_sample_at_or_after_the_end_of_its_window():
    row = course((-3, 100), (10, 0), (27.9, 0))
    assert row["auec_last"] == 500
    assert math.isnan(row["auec_window"])
    assert "no sample at or after day 28" in row["note"]
    assert course((-3, 100), (10, 0), (28, 0))["auec_window"] == 500


def test_the_area_may_start_later():
    row = course((-3, 100), (10, 0), (28, 0), rules=PdRules(auec_window=(5, 28)))
    assert row["auec_window"] == 125
    assert row["auec_net"] == 125 - 2300


def test_the_area_of_a_baseline_below_the_limit_has_no_suppression():
    row = course((-1, 0), (10, 20), (28, 20))
    assert row["auec_net"] == row["auec_window"] == 460
    assert math.isnan(row["auec_suppression_percent"])


def test_the_summary_counts_the_evaluable_and_the_cleared():
    frame = pd.concat(
        [
            samples((-1, 800), (10, 0), (14, 0), (90, 100), subject="1"),
            samples((-1, 800), (14, 0), (28, 0), subject="2"),
            samples((-1, 800), (14, 30), subject="3"),
            samples((-1, 0.1), (14, 0), subject="4"),
        ]
    )
    subjects = pd.DataFrame(
        {"subject_id": ["1", "2", "3", "4", "5"], "dose_level": [1.0, 1.0, 2.0, 2.0, 2.0]}
    )
    result = depletion(frame, subjects, parameter="CD7POS_ABS")
    line = result.summary.set_index(["endpoint", "group"])
    assert line.loc[("clearance", "ALL"), ["n", "n_event"]].tolist() == [3, 2]
    # Days 10 (1 of 3) and 14 (1 of 2; the censored one is at risk): S = 2/3, 1/3.
    assert line.loc[("clearance", "ALL"), ["q25", "median"]].tolist() == [10, 14]
    assert line.loc[("clearance", "2"), ["n", "n_event", "estimate"]].tolist() == [1, 0, 0]
    assert line.loc[("recovery", "ALL"), ["n", "n_event"]].tolist() == [2, 1]
    assert line.loc[("recovery", "2"), "note"] == "no evaluable subject"
    # 2 of 3, exact: R binom.test(2, 3); the upper limit solves p^3 = 0.975.
    assert line.loc[("clearance", "ALL"), "ci_low"] == pytest.approx(0.09429932405024612, rel=1e-10)
    assert line.loc[("clearance", "ALL"), "ci_high"] == pytest.approx(0.975 ** (1 / 3), rel=1e-12)
    assert "not reached: 75 %" in line.loc[("clearance", "ALL"), "note"]


def test_the_columns_are_those_of_the_contract():
    result = depletion(samples((-1, 800)), SUBJECTS, parameter="CD7POS_ABS")
    assert result.subjects.columns.tolist() == [
        "subject_id", "baseline", "baseline_day", "baseline_pre_ld", "nadir", "nadir_day",
        "nadir_percent_of_baseline", "clearance_time", "clearance_event", "clearance_left", "clearance_right",
        "confirmed_clearance_time", "confirmed_clearance_event", "recovery_time", "recovery_event",
        "relative_recovery_time", "relative_recovery_event", "recovery_after_nadir_day", "aplasia_duration",
        "auec_last", "auec_last_day", "auec_window", "auec_net", "auec_suppression_percent",
        "first_day_below_5", "first_day_below_1", "note",
    ]  # fmt: skip
    visit = by_visit(samples((-1, 800)), SUBJECTS)
    assert visit.subjects.columns.tolist() == [
        "subject_id", "parameter", "visit", "day", "value", "log_value", "blq", "baseline", "change",
        "percent_change", "log10_change", "note",
    ]  # fmt: skip
    assert visit.subjects["blq"].dtype == bool


# Long form


def test_the_long_form_has_its_keys_and_units():
    frame = samples((-1, 800), (28, 40), unit="cells/uL")
    rows = by_visit(frame, SUBJECTS.assign(infused="Y")).to_frame()
    assert results.check(rows) == []
    mean = rows.query(
        "param == 'CD7POS_ABS:value' and timepoint == 'D28' and group == '1' and stat == 'mean'"
    )
    assert mean[["analysis", "population", "value", "unit"]].to_numpy().tolist() == [
        ["pd.by_visit", "INFUSED", 40.0, "cells/uL"]
    ]
    change = rows.query("param == 'CD7POS_ABS' and subject_id == '1' and stat == 'percent_change'")
    assert change["unit"].unique().tolist() == ["%"]
    rows = depletion(frame, SUBJECTS, parameter="CD7POS_ABS").to_frame()
    median = rows.query("param == 'CD7POS_ABS:clearance' and group == 'ALL' and stat == 'median'")
    assert median[["unit", "note"]].to_numpy().tolist() == [
        ["days", "not reached: 25 %, median, 75 %, lower limit of the median, upper limit of the median"]
    ]
    area = rows.query("subject_id == '1' and stat == 'auec_window'").iloc[0]
    assert (area["param"], area["unit"], area["value"]) == ("CD7POS_ABS", "cells/uL x days", 11760)
    right = rows.query("subject_id == '1' and stat == 'clearance_right'").iloc[0]
    assert right["note"] == "not cleared: censored"


# Means by visit with a random intercept


def test_the_model_takes_the_chosen_samples_after_baseline():
    frame = pd.concat(
        [
            samples((-1, 500), (4, 100), (14, 10), subject="1"),
            samples((-1, 600), (4, 300), (14, 0.2), subject="2"),
            samples((3, 40), (4, 200), (14, 30), subject="3"),
        ]
    )
    subjects = pd.DataFrame({"subject_id": ["1", "2", "3"]})
    model = mixed_model(frame, subjects, parameter="CD7POS_ABS", rules=PdRules(windows={"D4": Window(4, 3, 5), "D14": Window(14, 12, 17), "D28": Window(28, 25, 35)}))  # fmt: skip
    assert model.subjects[["subject_id", "visit", "day"]].to_numpy().tolist() == [
        ["1", "D4", 4.0], ["1", "D14", 14.0], ["2", "D4", 4.0], ["2", "D14", 14.0], ["3", "D4", 4.0], ["3", "D14", 14.0],
    ]  # fmt: skip
    # Nobody misses a visit, so the means are plain means of the logs; 0.2 is below 1 and enters as 0.5.
    assert model.summary["estimate"].iloc[0] == pytest.approx(np.log10([100, 300, 200]).mean(), rel=1e-12)
    assert model.summary["estimate"].iloc[1] == pytest.approx(np.log10([10, 0.5, 30]).mean(), rel=1e-12)
    assert model.summary["n"].tolist() == [3, 3, 0]
    assert model.summary["note"].tolist() == ["", "", "no sample"]
    assert results.check(model.to_frame()) == []


def test_the_model_carries_a_subject_over_a_missing_visit():
    frame = pd.concat(
        [
            samples((4, 10.0 ** (k + 0.01 * k * k)), *([(14, 10.0**k)] if k < 4 else []), subject=str(k))
            for k in range(1, 5)
        ]
    )
    model = mixed_model(frame, pd.DataFrame({"subject_id": list("1234")}), parameter="CD7POS_ABS")
    mean = model.summary.set_index("visit")["estimate"]
    # The subject without day 14 has the highest level; the plain mean of the other three is 2.
    assert mean["D14"] == pytest.approx(2.5, abs=0.1)


def test_without_enough_values_there_is_no_model_but_a_reason():
    model = mixed_model(samples((4, 100), (14, 10)), SUBJECTS, parameter="CD7POS_ABS")
    assert math.isnan(model.sd_subject)
    assert model.note == "no more values than visits"
    assert model.summary.query("visit == 'D4'")["note"].tolist() == ["no more values than visits"]
    assert results.check(model.to_frame()) == []
    parallel = pd.concat([samples((4, 100 * k), (14, 10 * k), subject=str(k)) for k in (1, 2, 4)])
    model = mixed_model(parallel, pd.DataFrame({"subject_id": ["1", "2", "4"]}), parameter="CD7POS_ABS")
    assert model.note == "no residual variance"
    equal = pd.concat([samples((4, 100), (14, 100), subject=name) for name in "124"])
    model = mixed_model(equal, pd.DataFrame({"subject_id": ["1", "2", "4"]}), parameter="CD7POS_ABS")
    assert model.note == "all values are equal"
    empty = mixed_model(samples(), SUBJECTS, parameter="CD7POS_ABS")
    assert (empty.summary["n"] == 0).all()
    assert results.check(empty.to_frame()) == []


def test_the_kernel_names_what_it_cannot_take():
    with pytest.raises(ValueError, match="at most one value per visit"):
        random_intercept.fit([1.0, 2.0, 3.0], [0, 0, 1], [0, 0, 0])
    with pytest.raises(ValueError, match="value must be finite"):
        random_intercept.fit([1.0, np.nan], [0, 0], [0, 1])
    with pytest.raises(ValueError, match="must have one length"):
        random_intercept.fit([1.0, 2.0], [0], [0])
