"""Laboratory safety: units, baselines, versions, landmarks and what is missing."""

import numpy as np
import pandas as pd
import pytest

from cart7 import errors, grading, results, safety

PEOPLE = pd.DataFrame({"subject_id": ["1", "2", "3"], "dose_level": [1, 1, 2], "infused": "Y"})


def labs(*rows, **common):
    columns = ["subject_id", "test", "day", "value", "unit", "lln", "uln"]
    return pd.DataFrame([dict(zip(columns, row, strict=False)) for row in rows], columns=columns).assign(
        **common
    )


def graded(*rows, version="5.0"):
    return safety.lab_grades(labs(*rows), PEOPLE, version=version)


def test_one_value_in_two_units_has_one_grade():
    found = graded(("1", "HGB", 5, 79, "g/L", 120, 160), ("2", "HGB", 5, 7.9, "g/dL", 12, 16),
                   ("3", "HGB", 5, 79 / 16.114, "mmol/L", 7.4, 9.9))  # fmt: skip
    assert found["grade_low"].tolist() == [3, 3, 3]


def test_a_bound_reached_in_binary_only_is_not_beyond():
    # 3 x 0.1 is 0.30000000000000004: a value of 0.3 against an ULN of 0.1 is exactly 3 x ULN, grade 1.
    assert graded(("1", "ALT", 5, 0.3, "U/L", None, 0.1))["grade_high"].tolist() == [1]


def test_the_baseline_is_the_last_value_up_to_the_infusion_day():
    found = graded(
        ("1", "ALT", -5, 20, "U/L", 5, 40), ("1", "ALT", 0, 80, "U/L", 5, 40), ("1", "ALT", 0, None, "U/L", 5, 40),
        ("1", "ALT", 7, 100, "U/L", 5, 40),
    )  # fmt: skip
    assert found["is_baseline"].tolist() == [0, 1, 0, 0]
    assert found["baseline"].tolist() == [80] * 4
    # The baseline is graded on its limit (2 x ULN), day 7 against the abnormal baseline (1.25 x).
    assert found["grade_high"].fillna(-9).tolist() == [0, 1, -9, 0]


def test_an_abnormal_baseline_is_judged_by_its_own_limits():
    found = graded(("1", "ALT", -5, 50, "U/L", 5, 40), ("1", "ALT", 7, 61, "U/L", 5, 60))
    assert found["grade_high"].tolist() == [1, 0]


def test_a_baseline_in_another_unit_is_converted():
    found = graded(("1", "CREAT", -5, 1.0, "mg/dL", 0.5, 1.2), ("1", "CREAT", 7, 133, "umol/L", 45, 200))
    assert found["baseline"].tolist() == pytest.approx([1.0, 88.42])
    assert found["grade_high"].tolist() == [0, 2]


def test_a_low_grade_is_negative_and_the_worse_side_wins():
    found = graded(("1", "K", 5, 2.4, "mmol/L", 3.5, 5.1), ("1", "K", 6, 6.1, "mmol/L", 3.5, 5.1),
                   ("1", "K", 7, 4.0, "mmol/L", 3.5, 5.1), ("1", "K", 8, 4.0, "mmol/L", None, 5.1))  # fmt: skip
    assert found["grade"].tolist()[:3] == [-4, 3, 0]
    assert np.isnan(found["grade"][3])
    assert found["note"][3] == "LLN missing"


def test_a_test_without_a_rule_has_no_grade_and_a_note():
    found = graded(("1", "CRP", 5, 100, "mg/L"))
    assert np.isnan(found["grade"][0])
    assert found["note"][0] == "CTCAE has no grade for CRP"


def test_a_term_that_the_version_lacks_has_no_grade_and_a_note():
    rows = ("1", "CK", 5, 2001, "U/L", 30, 200)
    assert graded(rows)["grade_high"].tolist() == [4]
    newer = graded(rows, version="6.0")
    assert np.isnan(newer["grade_high"][0])
    assert newer["note"][0] == "CTCAE 6.0 has no CPK increased"


def test_version_6_moves_neutrophils_and_renames_platelets():
    rows = [("1", "ANC", 5, 0.49, "10^9/L", 1.8, 7), ("1", "PLT", 5, 9.9, "10^9/L", 150, 400)]
    assert graded(*rows)["grade_low"].tolist() == [4, 4]
    assert graded(*rows, version="6.0")["grade_low"].tolist() == [3, 4]
    assert graded(("1", "PLT", 5, 24, "10^9/L", 150, 400), version="6.0")["grade_low"].tolist() == [3]


def test_version_6_uses_the_baseline_of_creatinine_only_when_it_is_low():
    low = [("1", "CREAT", -5, 40, "umol/L", 50, 105), ("1", "CREAT", 7, 61, "umol/L", 50, 105)]
    usual = [("2", "CREAT", -5, 60, "umol/L", 50, 105), ("2", "CREAT", 7, 100, "umol/L", 50, 105)]
    assert graded(*low, version="6.0")["grade_high"].tolist() == [0, 2]
    assert graded(*usual, version="6.0")["grade_high"].tolist() == [0, 0]
    assert graded(*usual)["grade_high"].tolist() == [0, 2]


def test_an_unknown_version_and_unit_are_refused():
    with pytest.raises(ValueError, match=r"version must be one of 5\.0, 6\.0, got '4\.03'"):
        graded(("1", "ANC", 5, 1, "10^9/L"), version="4.03")
    with pytest.raises(errors.DataError) as refused:
        graded(("1", "ANC", 5, 1, "10^9/L"), ("1", "ANC", 6, 1, "furlong"), ("1", "HGB", 7, 9, None))
    assert refused.value.to_frame()["row"].tolist() == [2, 3]


def test_the_rows_keep_their_order_and_index():
    table = labs(("2", "ANC", 9, 1, "10^9/L", 2, 7), ("1", "ANC", -1, 1, "10^9/L", 2, 7)).set_axis(["b", "a"])
    found = safety.lab_grades(table, PEOPLE)
    assert found.index.tolist() == ["b", "a"]
    assert found["subject_id"].tolist() == ["2", "1"]


def test_shifts_count_subjects_with_any_record_of_the_test():
    rows = labs(
        ("1", "PLT", -5, 180, "10^9/L", 150, 400), ("1", "PLT", 7, 60, "10^9/L", 150, 400),
        ("1", "PLT", 14, 20, "10^9/L", 150, 400), ("2", "PLT", 7, 100, "10^9/L", 150, 400),
        ("3", "PLT", -5, 180, "10^9/L", 150, 400), ("9", "PLT", 7, 10, "10^9/L", 150, 400),
    )  # fmt: skip
    found = safety.lab_shift(rows, PEOPLE)
    everybody = found.summary[found.summary["group"] == "ALL"]
    assert everybody[["baseline_grade", "worst_grade", "n"]].values.tolist() == [
        ["0", "4", 1], ["0", "missing", 1], ["missing", "1", 1]
    ]  # fmt: skip
    assert len(found.summary) == 9
    assert found.excluded["reason"].tolist() == ["not a subject of this analysis"]
    assert results.check(found.to_frame()) == []


def test_no_laboratory_table_rows_give_empty_results():
    empty = labs()
    assert len(safety.lab_grades(empty, PEOPLE)) == 0
    assert results.check(safety.lab_shift(empty, PEOPLE).to_frame()) == []
    assert len(safety.cytopenia(empty, day=28).subjects) == 0
    found = safety.cytopenia(empty, PEOPLE, day=28)
    assert found.subjects["grade_ge3"].isna().all()
    assert results.check(found.to_frame()) == []


def test_everybody_has_a_row_for_every_test_at_a_landmark():
    rows = labs(
        ("1", "ANC", 25, 0.9, "10^9/L"), ("1", "ANC", 31, 1.1, "10^9/L"), ("2", "HGB", 28, 7.9, "g/dL")
    )
    found = safety.cytopenia(rows, PEOPLE, day=28, by="dose_level")
    assert len(found.subjects) == 9
    flags = found.subjects.set_index(["subject_id", "test"])["grade_ge3"]
    # Days 25 and 31 are equally near: the later counts. Haemoglobin is compared in g/L.
    assert flags["1", "ANC"] == 0
    assert flags["2", "HGB"] == 1
    assert found.subjects.set_index(["subject_id", "test"])["note"]["3", "ANC"] == "no value on days 21 to 35"
    total = found.summary[found.summary["group"] == "ALL"].set_index("test")
    assert total[["n", "n_event"]].to_dict("index")["HGB"] == {"n": 1, "n_event": 1}
    assert set(found.to_frame()["timepoint"]) == {"D28"}
    assert results.check(found.to_frame()) == []


def test_without_subjects_only_those_with_the_test_have_a_row():
    rows = labs(("1", "ANC", 90, 0.9, "10^9/L"), ("2", "PLT", 28, 20, "10^9/L"))
    found = safety.cytopenia(rows, day=28).subjects
    assert found[["subject_id", "test"]].values.tolist() == [["1", "ANC"], ["2", "PLT"]]
    assert found["grade_ge3"].isna().tolist() == [True, False]


def test_a_threshold_for_an_unknown_test_is_refused():
    with pytest.raises(ValueError, match="thresholds: one of ANC"):
        safety.cytopenia(labs(), PEOPLE, day=28, thresholds={"XYZ": 1})


def test_every_wrong_term_and_unit_of_a_case_is_named():
    frame = pd.DataFrame({"id": ["a", "b", "c"], "ctcae_term": ["Anemia", "Happiness", "Anemia"],
                          "value": [90, 1, 90], "unit": ["g/L", "g/L", "furlong"]})  # fmt: skip
    with pytest.raises(errors.DataError) as refused:
        grading.ctcae_lab(frame)
    assert refused.value.to_frame()[["row", "column", "rule"]].values.tolist() == [
        [2, "ctcae_term", "UNKNOWN-TERM"], [3, "unit", "UNKNOWN-UNIT"]
    ]  # fmt: skip


def test_a_grade_inside_the_limits_of_normal_is_noted():
    frame = pd.DataFrame({"id": ["a"], "ctcae_term": ["Neutrophil count decreased"], "value": [1.4],
                          "unit": ["10^9/L"], "lln": [1.3]})  # fmt: skip
    found = grading.ctcae_lab(frame).iloc[0]
    assert found["grade"] == 2
    assert found["note"] == "within the limits of normal, graded by another bound"
