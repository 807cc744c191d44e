"""Grading of haematotoxicity: edges of the periods, gaps and refusals."""

import numpy as np
import pandas as pd
import pytest

from cart7 import errors, grading


def anc(values, days=None):
    days = range(len(values)) if days is None else days
    return pd.DataFrame({"id": "1", "day": days, "anc_cells_per_ul": values})


def graded(counts, **follow_up):
    people = pd.DataFrame({"id": ["1"], **{name: [value] for name, value in follow_up.items()}})
    return grading.icaht_neutropenia(counts, people).iloc[0]


@pytest.mark.parametrize(("days", "grade"), [(0, 0), (1, 1), (6, 1), (7, 2), (13, 2), (14, 3), (26, 3)])
def test_the_early_grade_changes_at_7_and_14_days(days, grade):
    found = graded(anc([1800] * 4 + [500] * days + [501] * (27 - days)))
    assert (found["days_le_500"], found["early_grade"]) == (days, grade)


@pytest.mark.parametrize(("days", "grade"), [(6, 1), (7, 3), (13, 3), (14, 4)])
def test_profound_neutropenia_weighs_more(days, grade):
    found = graded(anc([1800] * 4 + [100] * days + [1800] * (27 - days)))
    assert (found["days_le_100"], found["early_grade"]) == (days, grade)


def test_low_from_day_3_to_the_end_is_grade_4_and_from_day_4_is_not():
    assert graded(anc([1800] * 3 + [400] * 28))["early_grade"] == 4
    assert graded(anc([1800] * 4 + [400] * 27))["early_grade"] == 3


def test_a_death_without_recovery_is_grade_4():
    found = graded(anc([400] * 9), death_day=8)
    assert (found["days_le_500"], found["early_grade"]) == (9, 4)
    assert "observed to day 8" in found["note"]


def test_values_that_stop_under_follow_up_give_a_lower_bound():
    found = graded(anc([400] * 9), last_followup_day=200)
    assert found["early_grade"] == 2
    assert found["days_unknown"] == 22
    assert "the grade is a lower bound" in found["note"]


def test_seven_missing_days_are_interpolated_and_eight_are_unknown():
    seven = graded(anc([300] + [300] + [2000] * 22, [0, 8, *range(9, 31)]))
    assert (seven["days_le_500"], seven["days_interpolated"], seven["days_unknown"]) == (9, 7, 0)
    eight = graded(anc([300] + [300] + [2000] * 21, [0, 9, *range(10, 31)]))
    assert (eight["days_le_500"], eight["days_interpolated"], eight["days_unknown"]) == (1, 0, 8)


def test_the_edges_take_the_nearest_value_for_up_to_seven_days():
    found = graded(anc([300] * 17, range(7, 24)))
    assert (found["days_le_500"], found["days_interpolated"], found["early_grade"]) == (31, 14, 4)


def test_the_lowest_value_of_a_day_counts_and_a_pre_dose_sample_is_of_day_0():
    counts = pd.concat([anc([2000] * 31), anc([300, 300], [-0.02, 5])])
    assert graded(counts)["days_le_500"] == 1
    assert graded(counts)["early_grade"] == 1


def test_three_days_above_are_a_recovery_and_two_are_not():
    assert graded(anc([400] * 5 + [800] * 2 + [400] * 5 + [2000] * 19))["days_le_500"] == 12
    assert graded(anc([400] * 5 + [800] * 3 + [400] * 5 + [2000] * 18))["days_le_500"] == 5


def test_recovery_is_the_first_of_three_days_after_the_first_low_one():
    assert graded(anc([2000] * 4 + [400] * 5 + [800] * 2 + [400] + [2000] * 19))["recovery_day"] == 12
    assert np.isnan(graded(anc([2000] * 31))["recovery_day"])
    assert np.isnan(graded(anc([2000] * 4 + [400] * 25 + [800] * 2))["recovery_day"])


@pytest.mark.parametrize(
    ("lowest", "second", "grade"),
    [(1501, 1501, 0), (1500, 1500, 1), (1000, 1500, 2), (500, 900, 3), (100, 1500, 4), (100, 1501, 0)],
)
def test_the_late_grade_follows_the_lowest_unless_the_second_is_normal(lowest, second, grade):
    counts = pd.concat([anc([2000] * 31), anc([lowest, second, 3000], [40, 60, 100])])
    assert graded(counts)["late_grade"] == grade


@pytest.mark.parametrize(("day", "grade"), [(30, None), (31, 4), (100, 4), (101, None)])
def test_the_late_period_runs_from_day_31_to_day_100(day, grade):
    late = graded(anc([50], [day]))["late_grade"]
    assert (None if np.isnan(late) else late) == grade


def test_therapy_and_progression_end_the_late_period_only():
    counts = pd.concat([anc([400] * 31), anc([50, 50], [60, 61])])
    found = graded(counts, next_therapy_day=20, progression_day=40)
    assert (found["days_le_500"], found["early_grade"]) == (31, 4)
    assert np.isnan(found["late_grade"])
    assert "late: the period ended by day 20" in found["note"]


def test_no_value_at_all_is_missing_with_a_note():
    found = graded(anc([]))
    assert np.isnan([found["early_grade"], found["late_grade"], found["days_le_500"]]).all()
    assert found["note"] == "early: no ANC on days 0 to 30; late: no ANC on days 31 to 100"


def test_the_first_column_is_the_id_and_the_rows_keep_their_order():
    people = pd.DataFrame({"USUBJID": ["b", "a", "c"], "last_followup_day": [None, "", 50]}, index=[5, 3, 9])
    counts = pd.DataFrame({"who": ["a"] * 31, "day": range(31), "anc_cells_per_ul": 300.0})
    found = grading.icaht_neutropenia(counts, people)
    assert found.index.tolist() == [5, 3, 9]
    assert found["USUBJID"].tolist() == ["b", "a", "c"]
    assert found["early_grade"].isna().tolist() == [True, False, True]


def test_every_wrong_column_is_named_at_once():
    people = pd.DataFrame({"id": ["1"], "death_day": ["soon"]})
    with pytest.raises(errors.DataError) as refused:
        grading.icaht_neutropenia(pd.DataFrame({"id": ["1"], "anc_cells_per_ul": ["low"]}), people)
    assert refused.value.to_frame()[["table", "column", "rule"]].values.tolist() == [
        ["anc", "day", "MISSING-COLUMN"], ["anc", "anc_cells_per_ul", "NOT-A-NUMBER"],
        ["subjects", "death_day", "NOT-A-NUMBER"],
    ]  # fmt: skip
    with pytest.raises(errors.DataError, match="death_day: a number belongs here"):
        grading.icaht_neutropenia(anc([300]), people)


# --------------------------------------------------------------------------------------- CRS, ICANS


def crs(**columns):
    seen = {
        "visit": "D3",
        "temp_c": 38.5,
        "vasopressors_n": 0,
        "hypotension": 0,
        "o2_device": "none",
        **columns,
    }
    return grading.crs(pd.DataFrame([seen])).iloc[0]


@pytest.mark.parametrize(("temperature", "grade"), [(37.9, 0), (38.0, 1)])
def test_fever_begins_at_38(temperature, grade):
    assert crs(temp_c=temperature)["grade"] == grade


@pytest.mark.parametrize(("flow", "grade"), [(6, 2), (6.1, 3), (None, 2)])
def test_a_cannula_above_6_litres_is_high_flow(flow, grade):
    found = crs(o2_device="Nasal cannula", o2_flow_lpm=flow)
    assert found["grade"] == grade
    assert (found["note"] == "oxygen flow not recorded, taken as low flow") == (flow is None)


def test_a_component_that_was_not_recorded_makes_a_lower_bound():
    assert crs(vasopressors_n=None, hypotension=1)["note"].startswith("vasopressors not recorded")
    assert crs(o2_device=None)["note"].startswith("oxygen device not recorded")
    # Grade 4 cannot be exceeded but by death.
    assert crs(vasopressors_n=2, o2_device=None)["note"] == ""


def test_an_unknown_temperature_matters_only_where_fever_does():
    running = {"temp_c": None, "prior_crs_anticytokine": 1}
    assert crs(**running, vasopressors_n=1)["grade"] == 3
    assert np.isnan(crs(**running)["grade"])
    assert np.isnan(crs(temp_c=None, vasopressors_n=1)["grade"])
    assert crs(temp_c=None, fever_attributable=0)["grade"] == 0
    assert crs(temp_c=None, fatal_crs=1)["grade"] == 5


def test_the_scale_stands_beside_the_grade():
    assert crs()["grading_scale"] == "ASTCT 2019"


def icans(**columns):
    seen = {"visit": "D5", "ice": 10, "consciousness": "alert", "seizure": "none", "motor_weakness": 0,
            "edema_icp": "none", **columns}  # fmt: skip
    return grading.icans(pd.DataFrame([seen])).iloc[0]


@pytest.mark.parametrize(("score", "grade"), [(10, 0), (9, 1), (7, 1), (6, 2), (3, 2), (2, 3), (0, 3)])
def test_the_ice_score_is_graded_in_bands(score, grade):
    assert icans(ice=score)["grade"] == grade


def test_without_an_ice_score_only_a_severe_domain_grades():
    assert np.isnan(icans(ice=None, consciousness="voice")["grade"])
    severe = icans(ice=None, consciousness="tactile")
    assert (severe["grade"], severe["note"]) == (3, "ICE score missing, the grade is a lower bound")
    final = icans(ice=None, motor_weakness=1)
    assert (final["grade"], final["note"]) == (4, "")


def test_an_unrecorded_domain_makes_a_lower_bound():
    assert icans(seizure=None)["note"] == "seizure not recorded, the grade is a lower bound"
    assert icans(seizure=None, motor_weakness=1)["note"] == ""


def test_every_wrong_cell_is_named_at_once():
    seen = pd.DataFrame({"visit": ["a", "b"], "ice": [11, 9.5], "consciousness": ["sleepy", "alert"],
                         "seizure": "none", "motor_weakness": [2, 0]})  # fmt: skip
    with pytest.raises(errors.DataError) as refused:
        grading.icans(seen)
    assert refused.value.to_frame()[["row", "column", "rule"]].fillna(0).values.tolist() == [
        [1, "ice", "OUT-OF-RANGE"], [2, "ice", "OUT-OF-RANGE"], [1, "consciousness", "UNKNOWN-WORD"],
        [1, "motor_weakness", "NOT-A-FLAG"], [0, "edema_icp", "MISSING-COLUMN"],
    ]  # fmt: skip


def test_an_item_that_was_not_done_leaves_the_score_missing_and_is_named():
    items = dict.fromkeys(grading.ICE_ITEMS, 1)
    found = grading.ice(pd.DataFrame([{"visit": "D5", **items, "writing": None, "attention": None}])).iloc[0]
    assert np.isnan(found["score"])
    assert found["note"] == "not done: writing, attention"


def test_no_assessment_gives_no_grade():
    columns = ["visit", "temp_c", "vasopressors_n", "hypotension", "o2_device"]
    assert len(grading.crs(pd.DataFrame(columns=columns))) == 0
    assert len(grading.ice(pd.DataFrame(columns=["visit", *grading.ICE_ITEMS]))) == 0


# ---------------------------------------------------------------------------------------- platelets


def platelets(values, days=None):
    days = range(len(values)) if days is None else days
    return pd.DataFrame({"id": "1", "day": days, "platelets_10e9_per_l": values})


@pytest.mark.parametrize(
    ("level", "days", "grade"),
    [(50, 20, 0), (49.9, 6, 1), (49.9, 7, 2), (20, 7, 2), (19.9, 1, 3), (19.9, 14, 4)],
)
def test_the_platelet_bounds_are_strict(level, days, grade):
    counts = platelets([120] * 5 + [level] * days + [120] * (26 - days))
    found = grading.icaht_thrombocytopenia(counts, pd.DataFrame({"id": ["1"]})).iloc[0]
    assert found["early_grade"] == grade


def test_two_low_platelet_values_make_a_late_grade_and_one_of_many_does_not():
    people = pd.DataFrame({"id": ["1"]})
    one = platelets([80, 150, 150], [40, 60, 80])
    two = platelets([80, 80, 150], [40, 60, 80])
    assert grading.icaht_thrombocytopenia(one, people)["late_grade"][0] == 0
    assert grading.icaht_thrombocytopenia(two, people)["late_grade"][0] == 1
    assert grading.icaht_thrombocytopenia(platelets([45], [40]), people)["late_grade"][0] == 2


def test_cell_counts_are_converted_to_cells_per_ul():
    values, units = pd.Series([0.29, 290, 0.29]), pd.Series(["10^9/L", "/mm3", "10^3 / \u00b5L"])
    assert grading.cells_per_ul(values, units, rows=pd.Series([1, 2, 3])).tolist() == [290, 290, 290]


@pytest.mark.parametrize("uln", [0.57, 5.7, 0.09, 0.18, 40.0])
def test_exactly_five_times_the_limit_is_not_above_it(uln):
    seen = pd.DataFrame({"id": ["a", "b"], "ferritin": 9000, "ferritin_uln": 400, "alt_uln": uln,
                         "alt": [round(5 * uln, 2), round(5 * uln, 2) + 0.01]})  # fmt: skip
    assert grading.iec_hs(seen)["screen"].tolist() == [0.0, 1.0]


def test_a_cell_count_is_converted_by_the_unit_of_its_own_label():
    values = pd.Series([0.5, 500.0], index=["a", "b"], name="value")
    units = pd.Series(["cells/uL", "10^9/L"], index=["b", "a"], name="unit")
    found = grading.cells_per_ul(values, units, rows=pd.Series([2, 1], index=["b", "a"]))
    assert found.to_dict() == {"a": 500, "b": 500}
    assert found.name is None


def test_a_text_among_flags_is_named_once():
    seen = pd.DataFrame({"id": ["a"], "ferritin": [9000], "haemophagocytosis": ["maybe"]})
    with pytest.raises(errors.DataError) as caught:
        grading.iec_hs(seen)
    assert [problem.column for problem in caught.value.problems] == ["haemophagocytosis"]
