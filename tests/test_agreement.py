"""What is recorded twice: one contradiction, one finding; agreement, none."""

import pandas as pd
import pytest

from cart7.study import Study

SUBJECTS = pd.DataFrame({
    "subject_id": ["S-1", "S-2"], "infusion_date": ["2022-01-05", "2022-02-01"], "infused": ["Y", "Y"], "weight_kg": [70, 60],
})  # fmt: skip
BAGS = pd.DataFrame({
    "subject_id": ["S-1", "S-1", "S-2", "S-2"], "infusion_no": [1, 1, 1, 2], "bag_no": [1, 2, 1, 1], "day": [0, 0, 0, 95],
    "n_bags": [2, 2, 1, 1], "viable_car_pos_cells_1e6": [35.0, 35.0, 60.0, 30.0],
})  # fmt: skip


def findings(**tables):
    study = Study.from_frames(on_problem="report", **tables)
    frame = study.problems[["table", "row", "column", "rule"]]
    assert set(study.problems["severity"]) <= {"warning"}
    return [tuple(None if pd.isna(cell) else cell for cell in row) for row in frame.itertuples(index=False)]


@pytest.mark.parametrize(
    ("dose", "contradicts"),
    [(1.0, False), (1.04, False), (0.96, False), (1.1, True), (0.5, True), (None, False)],
)
def test_a_recorded_dose_is_that_of_the_bags_within_five_percent(dose, contradicts):
    found = findings(subjects=SUBJECTS.assign(actual_dose_1e6_kg=[dose, None]), products=BAGS)
    assert found == ([("subjects", 1, "actual_dose_1e6_kg", "DOSE-CONTRADICTION")] if contradicts else [])


@pytest.mark.parametrize(("dose", "contradicts"), [(1.0, False), (1.5, False), (1.25, True)])
def test_a_recorded_dose_may_be_of_the_first_infusion_or_of_all(dose, contradicts):
    found = findings(subjects=SUBJECTS.assign(actual_dose_1e6_kg=[None, dose]), products=BAGS)
    assert bool(found) is contradicts


def test_a_part_of_a_bag_counts_as_a_part_and_a_bag_without_cells_tells_nothing():
    subjects = SUBJECTS.assign(actual_dose_1e6_kg=[0.75, 1.0])
    assert findings(subjects=subjects, products=BAGS.assign(fraction_infused=[1, 0.5, 1, 1])) == []
    empty = BAGS.assign(viable_car_pos_cells_1e6=[35.0, None, 60.0, 30.0])
    assert findings(subjects=subjects, products=empty) == []


def test_a_bag_beyond_the_number_of_bags_is_said():
    assert findings(subjects=SUBJECTS, products=BAGS.assign(n_bags=[1, 1, 1, None])) == [
        ("products", 2, "bag_no", "BAG-NUMBER")
    ]


def test_a_subject_dies_once():
    events = pd.DataFrame({"subject_id": ["S-1", "S-1", "S-2"], "event": "DEATH", "day": [50, 51, 9],
                           "date": ["2022-02-24", "2022-02-25", "2022-02-10"]})  # fmt: skip
    found = findings(subjects=SUBJECTS, events=events)
    assert [place for place in found if place[3] == "DEATH-CONTRADICTION"] == [
        ("events", 1, "date", "DEATH-CONTRADICTION"), ("events", 2, "date", "DEATH-CONTRADICTION"),
    ]  # fmt: skip
    subjects = SUBJECTS.assign(death_date=["2022-02-24", "2022-02-11"])
    assert findings(subjects=subjects, events=events[1:2].assign(date="2022-02-24", day=50)) == []
    assert findings(subjects=subjects, events=events[2:]) == [
        ("subjects", 2, "death_date", "DEATH-CONTRADICTION")
    ]
    partial = SUBJECTS.assign(death_date=[None, "2022-02"])
    assert {place[3] for place in findings(subjects=partial, events=events[2:])} == {"D03-PARTIAL-DATE"}


@pytest.mark.parametrize(
    ("label", "day", "far"),
    [("D28", 28, False), ("D28", -0.5, False), ("D28", 86, False), ("D28", 87, True), ("D28", -2, True), ("M3", 31, False),
     ("M3", 30, True), ("M3", 213, True), ("D7", 45, True), ("M12", 300, False), ("UNS", 900, False), ("SCR", -30, False),
     ("I2 D4", 500, False), ("my visit", 500, False)],
)  # fmt: skip
def test_a_visit_label_that_its_day_cannot_belong_to_is_said(label, day, far):
    samples = pd.DataFrame({"subject_id": ["S-1"], "nominal_label": [label], "day": [day], "parameter": "LYM_ABS",
                            "value": [5.0], "unit": "cells/uL"})  # fmt: skip
    found = [place for place in findings(subjects=SUBJECTS, pd=samples) if place[3] != "TERM-UNUSUAL"]
    assert found == ([("pd", 1, "nominal_label", "VISIT-FAR-OFF")] if far else [])


def test_labels_after_a_second_infusion_may_count_from_it():
    ada = pd.DataFrame({"subject_id": ["S-1", "S-2"], "nominal_label": "D28", "day": [123, 123]})
    assert findings(subjects=SUBJECTS, ada=ada, products=BAGS) == [
        ("ada", 1, "nominal_label", "VISIT-FAR-OFF")
    ]
    again = pd.DataFrame(
        {"subject_id": ["S-1"], "event": "SECOND_INFUSION", "day": [95], "date": "2022-04-10"}
    )
    assert findings(subjects=SUBJECTS, ada=ada[:1], events=again) == []


def test_two_units_of_one_assay_are_said_on_the_rarer():
    samples = pd.DataFrame({
        "subject_id": "S-1", "sample_id": ["1", "2", "3", "4"], "assay": ["QPCR", "QPCR", "QPCR", "FLOW"], "day": [1, 2, 3, 3],
        "value": [500.0, 600.0, 700.0, 5.0], "unit": ["copies/ug gDNA", "copies/mL", "copies/ug gDNA", "cells/uL"],
    })  # fmt: skip
    assert [place[1:] for place in findings(subjects=SUBJECTS, kinetics=samples)] == [
        (2, "unit", "UNIT-UNKNOWN"), (2, "unit", "UNIT-MIXED"),
    ]  # fmt: skip
    same = samples.assign(unit=["copies/mL", "copies/mL", "copies/mL", "cells/uL"])
    assert [place[3] for place in findings(subjects=SUBJECTS, kinetics=same)] == ["UNIT-UNKNOWN"]
    known = samples.assign(unit=["copies/ug gDNA", "copies/100 ng", "copies/ug gDNA", "cells/uL"])
    study = Study.from_frames(subjects=SUBJECTS, kinetics=known)
    assert set(study.problems["rule"]) == {"D08-OTHER-UNIT"}


@pytest.mark.parametrize(
    ("around", "value", "refused"),
    [([0.05, 0.06], "60", True), ([0.05, 0.9], "60", False), ([0.05, 0.06], "9", False), ([], "60", False), ([0.02], "20", True)],
)  # fmt: skip
def test_a_count_per_microlitre_in_aplasia_is_told_by_the_results_around_it(around, value, refused):
    rows = [("S-1", day, "ANC", str(cell)) for day, cell in enumerate(around, 4)] + [("S-1", 6, "ANC", value)]
    rows += [("S-2", 6, "ANC", "0.01"), ("S-1", 6, "PLT", "0.1"), ("S-1", 30, "ANC", "0.01")]
    labs = pd.DataFrame(rows, columns=["subject_id", "day", "test", "value"]).assign(unit="10^9/L")
    study = Study.from_frames(subjects=SUBJECTS, labs=labs, on_problem="report")
    assert study.problems["rule"].tolist() == ["D09-IMPOSSIBLE-VALUE"] * refused
    assert study.problems["row"].tolist() == [len(around) + 1] * refused


@pytest.mark.parametrize(
    ("test", "days", "values"),
    [("WBC", [-5, -2, 0], ["45", "0.3", "0.1"]), ("ALC", [-6, -3], ["12", "0.1"]), ("ANC", [10, 13], ["0.0", "10.5"])],
)  # fmt: skip
def test_a_fall_under_lymphodepletion_and_a_recovery_between_two_samples_are_sound(test, days, values):
    labs = pd.DataFrame({"subject_id": "S-1", "day": days, "test": test, "value": values, "unit": "10^9/L"})
    assert findings(subjects=SUBJECTS, labs=labs) == []


def test_a_limit_stated_with_the_result_is_converted_with_its_unit():
    samples = pd.DataFrame(
        {"subject_id": "S-1", "sample_id": ["1", "2", "3"], "assay": "FLOW", "day": [1, 7, 9], "unit": "cells/mL",
         "value": ["<500", "2500", "<700"], "lloq": 500}
    )  # fmt: skip
    read = Study.from_frames(subjects=SUBJECTS, kinetics=samples).kinetics
    assert read["lloq"].tolist() == [0.5, 0.5, 0.7]
    assert read["blq"].tolist() == ["BLQ", None, "BLQ"]


def test_below_the_limit_of_detection_is_not_detected_as_a_word_and_as_a_number():
    samples = pd.DataFrame(
        {"subject_id": "S-1", "sample_id": ["1", "2", "3"], "assay": "QPCR", "day": [1, 7, 9],
         "unit": "copies/ug gDNA", "value": ["<25", "12.3", "<50"], "lod": 25, "lloq": 50}
    )  # fmt: skip
    assert Study.from_frames(subjects=SUBJECTS, kinetics=samples).kinetics["blq"].tolist() == [
        "ND",
        "ND",
        "BLQ",
    ]


def test_every_known_laboratory_test_is_found_whatever_its_case():
    labs = pd.DataFrame(
        {"subject_id": "S-1", "day": 1, "test": ["wbc ", "Fibrino", "inr"], "value": 2, "unit": ["10^9/L", "g/L", None]}
    )  # fmt: skip
    read = Study.from_frames(subjects=SUBJECTS, labs=labs, on_problem="report")
    assert read.labs["test"].tolist() == ["WBC", "FIBRINO", "INR"]
    assert set(read.problems["rule"]) <= {"D12-TERM", "UNIT-MISSING"}
