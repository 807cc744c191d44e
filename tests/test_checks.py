"""Rule by rule: one cell changed in a clean table, one finding with its row, class and value."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7.checks.cells import (
    plain_values,
    read_closed_word,
    read_date,
    read_grade,
    read_number,
    read_visit,
    subject_reader,
)
from cart7.checks.measures import COPIES, COUNT, QUANTITIES, below_word, converted
from cart7.records import TABLES
from cart7.study import Study

SUBJECTS = pd.DataFrame({
    "subject_id": ["CT-001", "CT-002", "CT-010"], "infused": ["Y", "Y", "N"],
    "leukapheresis_date": ["2021-12-20", "2022-01-10", "2022-01-20"],
    "infusion_date": ["2022-01-05", "2022-02-01", None],
})  # fmt: skip
ROWS = {
    "subjects": SUBJECTS.iloc[0].to_dict(),
    "products": {"subject_id": "CT-001", "infusion_no": "1", "infusion_date": "2022-01-05", "day": "0", "bag_no": "1",
                 "volume_ml": "30"},
    "kinetics": {"subject_id": "CT-001", "infusion_no": "1", "sample_id": "K1", "nominal_label": "D7", "day": "7.1",
                 "sample_date": "2022-01-12", "assay": "QPCR", "value": "5000", "unit": "copies/ug gDNA", "blq": "",
                 "lloq": "50", "lod": "25"},
    "pd": {"subject_id": "CT-001", "nominal_label": "D7", "day": "7", "sample_date": "2022-01-12",
           "parameter": "CD7POS_ABS", "value": "12", "unit": "cells/uL", "blq": "", "lloq": "1"},
    "responses": {"subject_id": "CT-001", "visit": "D28", "day": "28", "assessment_date": "2022-02-02",
                  "overall_response": "CR"},
    "adverse_events": {"subject_id": "CT-001", "ae_id": "A1", "pt": "Nausea", "grade": "2", "start_day": "1",
                       "start_date": "2022-01-06", "end_day": "4", "end_date": "2022-01-09", "ongoing": "N",
                       "aesi": "", "dlt": "N"},
    "conmeds": {"subject_id": "CT-001", "drug": "Tocilizumab", "indication": "CRS", "start_day": "5",
                "start_date": "2022-01-10", "end_day": "6", "end_date": "2022-01-11"},
    "dlt": {"subject_id": "CT-001", "dlt": "N", "dlt_term": "", "dlt_onset_day": ""},
    "events": {"subject_id": "CT-001", "event": "LAST_CONTACT", "day": "100", "date": "2022-04-15"},
    "labs": {"subject_id": "CT-001", "day": "3", "sample_date": "2022-01-08", "test": "ANC", "value": "1.2",
             "unit": "10^9/L", "lln": "1.8", "uln": "6.3"},
}  # fmt: skip
OTHER_KEY = {
    "kinetics": {"sample_id": "K2"}, "labs": {"test": "ALC"}, "adverse_events": {"ae_id": "A2"},
    "responses": {"visit": "UNS"}, "events": {"event": "HSCT"},
}  # fmt: skip


def study_of(table, *changes, subjects=SUBJECTS, **more):
    """Study of one table whose rows are the clean row with each of `changes`."""
    frames = {"subjects": subjects, **more}
    frames[table] = pd.DataFrame([{**ROWS[table], **change} for change in changes])
    return Study.from_frames(on_problem="report", **frames)


def findings(study, *columns):
    frame = study.problems[list(columns)]
    return [tuple(None if pd.isna(cell) else cell for cell in row) for row in frame.itertuples(index=False)]


@pytest.mark.parametrize("table", sorted(set(ROWS) - {"subjects"}))
def test_the_clean_rows_of_this_file_raise_no_finding(table):
    assert findings(study_of(table, {}), "rule", "message") == []


@pytest.mark.parametrize(
    ("table", "column", "text", "rule", "new"),
    [
        ("kinetics", "value", " 5000", "D07-NUMBER-FORMAT", 5000.0),
        ("kinetics", "value", "5.0E+03", "D07-NUMBER-FORMAT", 5000.0),
        ("kinetics", "value", "5,000", "D07-NUMBER-FORMAT", 5000.0),
        ("kinetics", "value", "1,234,567.5", "D07-NUMBER-FORMAT", 1234567.5),
        ("kinetics", "value", "1234,5", "D07-NUMBER-FORMAT", 1234.5),
        ("labs", "value", "1,25", "D07-NUMBER-FORMAT", 1.25),
        ("labs", "value", "0,500", "D07-NUMBER-FORMAT", 0.5),
        ("subjects", "sex", "Male", "D12-TERM", "M"),
        ("subjects", "infused", "Yes", "D12-TERM", "Y"),
        ("subjects", "infused", "1", "D12-TERM", "Y"),
        ("responses", "overall_response", "cr ", "D12-TERM", "CR"),
        ("responses", "overall_response", "Complete Response", "D12-TERM", "CR"),
        ("responses", "overall_response", "CR with incomplete recovery", "D12-TERM", "CRi"),
        ("responses", "overall_response", "Partial response", "D12-TERM", "PR"),
        ("responses", "overall_response", "stable disease", "D12-TERM", "SD"),
        ("responses", "overall_response", "Progressive  Disease", "D12-TERM", "PD"),
        ("responses", "overall_response", "Relapse", "D12-TERM", "PD"),
        ("kinetics", "assay", "qPCR", "D12-TERM", "QPCR"),
        ("responses", "bm_response", "Complete remission", "D12-TERM", "CR"),
        ("adverse_events", "grade", "III", "D17-GRADE", 3),
        ("adverse_events", "grade", "Grade 3", "D17-GRADE", 3),
        ("adverse_events", "grade", "3.0", "D17-GRADE", 3),
        ("labs", "sample_date", "08JAN2022", "D25-DATE-FORMAT", "2022-01-08"),
        ("labs", "sample_date", "44569", "D25-DATE-FORMAT", "2022-01-08"),
        ("labs", "sample_date", "2022-01-08T07:30", "D25-DATE-FORMAT", "2022-01-08"),
        ("labs", "subject_id", "ct-001 ", "D10-SUBJECT-ID", "CT-001"),
        ("labs", "subject_id", "CT_1", "D10-SUBJECT-ID", "CT-001"),
        ("kinetics", "nominal_label", "Week 1", "D11-VISIT", "D7"),
    ],
)
def test_a_value_written_otherwise_is_repaired_and_said(table, column, text, rule, new):
    if table == "subjects":
        study = Study.from_frames(subjects=SUBJECTS.iloc[:1].assign(**{column: text}))
    else:
        study = study_of(table, {column: text})
    assert findings(study, "row", "column", "value", "severity", "rule") == [
        (1, column, text, "repair", rule)
    ]
    assert study.problems["new_value"].tolist() == [str(new)]
    assert getattr(study, table)[column].tolist() == [new]


@pytest.mark.parametrize(
    ("table", "column", "text", "rule"),
    [
        ("kinetics", "value", "-3", "NUMBER-NEGATIVE"),
        ("kinetics", "value", "-inf", "NUMBER-INFINITE"),
        ("kinetics", "value", "1e999", "NUMBER-INFINITE"),
        ("kinetics", "value", "nan", "NUMBER-UNREADABLE"),
        ("kinetics", "value", ">1e6", "NUMBER-UNREADABLE"),
        ("kinetics", "value", "12,34,567", "NUMBER-UNREADABLE"),
        ("kinetics", "value", "1 234", "NUMBER-UNREADABLE"),
        ("kinetics", "lloq", "-1", "NUMBER-NEGATIVE"),
        ("kinetics", "value", "5e8", "D09-IMPOSSIBLE-VALUE"),
        ("labs", "value", "2000", "D09-IMPOSSIBLE-VALUE"),
        ("labs", "value", "<0.5", "NUMBER-UNREADABLE"),
        ("labs", "unit", "furlong", "UNIT-UNKNOWN"),
        ("adverse_events", "start_day", "2.5", "NUMBER-NOT-WHOLE"),
        ("kinetics", "day", "1e300", "NUMBER-RANGE"),
        ("kinetics", "infusion_no", "1e19", "NUMBER-RANGE"),
        ("adverse_events", "grade", "6", "NUMBER-RANGE"),
        ("adverse_events", "grade", "severe", "NUMBER-UNREADABLE"),
        ("adverse_events", "start_date", "2022-02-30", "DATE-UNREADABLE"),
        ("adverse_events", "start_date", "2022-13", "DATE-UNREADABLE"),
        ("adverse_events", "start_date", "0000-01", "DATE-UNREADABLE"),
        ("adverse_events", "start_date", "01/06/2022", "DATE-UNREADABLE"),
        ("adverse_events", "ongoing", "maybe", "TERM-UNKNOWN"),
        ("responses", "overall_response", "better", "TERM-UNKNOWN"),
        ("events", "event", "DIED", "TERM-UNKNOWN"),
        ("labs", "subject_id", "CT-003", "KEY-UNKNOWN-SUBJECT"),
        ("labs", "subject_id", "", "KEY-MISSING"),
        ("labs", "test", " ", "KEY-MISSING"),
        ("kinetics", "sample_id", "", "KEY-MISSING"),
    ],
)
def test_a_wrong_value_sets_its_row_aside(table, column, text, rule):
    study = study_of(table, {}, {**OTHER_KEY[table], column: text})
    found = [row for row in findings(study, "row", "column", "severity", "rule") if row[2] == "error"]
    assert found == [(2, column, "error", rule)]
    assert getattr(study, table).index.tolist() == [1]


@pytest.mark.parametrize(
    ("table", "change", "column", "rule"),
    [
        ("adverse_events", {"start_date": "2022-01", "start_day": ""}, "start_date", "D03-PARTIAL-DATE"),
        ("adverse_events", {"end_date": "2022", "end_day": ""}, "end_date", "D03-PARTIAL-DATE"),
        ("adverse_events", {"end_date": "", "end_day": ""}, "end_date", "D04-NO-END"),
        ("labs", {"sample_date": "2031-01-08"}, "sample_date", "D15-DAY-AND-DATE"),
        ("labs", {"sample_date": "2022-01-09"}, "sample_date", "D15-DAY-AND-DATE"),
        ("labs", {"sample_date": "0202-01-08"}, "sample_date", "D15-DAY-AND-DATE"),
        ("adverse_events", {"grade": ""}, "grade", "D17-GRADE"),
        ("kinetics", {"value": ""}, "value", "D18-NO-RESULT"),
        ("pd", {"value": "NA"}, "value", "D18-NO-RESULT"),
        ("kinetics", {"nominal_label": "D0 PRE", "day": "-0.02", "sample_date": "2022-01-05"}, "value",
         "D21-QUANTIFIABLE-BEFORE-INFUSION"),
        ("products", {"volume_ml": "9.9"}, "volume_ml", "D26-BAG-VOLUME"),
        ("products", {"volume_ml": "50.1"}, "volume_ml", "D26-BAG-VOLUME"),
        ("kinetics", {"blq": "BLQ"}, "blq", "RESULT-AND-FLAG"),
        ("kinetics", {"assay": "DDPCR"}, "assay", "TERM-UNUSUAL"),
        ("kinetics", {"nominal_label": "Visit 9"}, "nominal_label", "TERM-UNUSUAL"),
        ("labs", {"unit": ""}, "unit", "UNIT-MISSING"),
    ],
)  # fmt: skip
def test_a_doubtful_value_is_used_as_it_stands_with_a_warning(table, change, column, rule):
    study = study_of(table, change)
    found = [row for row in findings(study, "row", "column", "severity", "rule") if row[2] == "warning"]
    assert found == [(1, column, "warning", rule)]
    assert len(getattr(study, table)) == 1


def test_a_partial_date_stays_and_its_day_is_missing():
    study = study_of("adverse_events", {"start_date": "2022-01", "start_day": ""})
    assert study.adverse_events["start_date"].tolist() == ["2022-01"]
    assert study.adverse_events["start_day"].isna().all()


def test_a_day_beside_a_partial_date_counts_and_must_fit_it():
    fits = study_of("adverse_events", {"start_date": "2022-01"})
    assert findings(fits, "rule") == [("D03-PARTIAL-DATE",)]
    assert fits.adverse_events["start_day"].tolist() == [1]
    other = study_of("adverse_events", {"start_date": "2022-03"})
    assert findings(other, "rule") == [("D03-PARTIAL-DATE",), ("D15-DAY-AND-DATE",)]


def test_day_and_date_may_differ_by_less_than_a_day():
    near = [
        {"day": "4.6", "sample_date": "2022-01-10"},
        {"day": "4.6", "sample_date": "2022-01-09", "sample_id": "2"},
    ]
    assert findings(study_of("kinetics", *near), "rule") == []


def test_a_day_may_have_a_fraction_in_every_table():
    study = study_of("events", {"day": "364.336875", "date": ""})
    assert findings(study, "rule") == []
    assert study.events["day"].tolist() == [364.336875]


def test_a_missing_day_is_derived_from_a_complete_date():
    study = study_of("labs", {"day": ""}, {"subject_id": "CT-010", "day": ""})
    assert study.labs["day"].tolist()[0] == 3.0
    assert findings(study, "row", "column", "new_value", "rule") == [(1, "day", "3", "DAY-FROM-DATE")]
    assert np.isnan(study.labs["day"].tolist()[1])


@pytest.mark.parametrize(
    ("text", "flag"),
    [("BLQ", "BLQ"), ("bloq", "BLQ"), ("<LLOQ", "BLQ"), ("< 50", "BLQ"), ("Below LLOQ", "BLQ"), ("ND", "ND"),
     ("Not detected", "ND"), ("n.d.", "ND"), ("30", "BLQ"), ("49.9", "BLQ"), ("10", "ND"), ("0", "ND")],
)  # fmt: skip
def test_below_the_limit_as_a_word_or_a_number_is_flagged(text, flag):
    study = study_of("kinetics", {"value": text})
    assert findings(study, "column", "value", "new_value", "severity", "rule") == [
        ("value", text, flag, "repair", "D06-BELOW-LLOQ")
    ]
    assert study.kinetics["value"].isna().all()
    assert study.kinetics["blq"].tolist() == [flag]


def test_a_result_at_the_limit_is_quantifiable():
    study = study_of("kinetics", {"value": "50"})
    assert findings(study, "rule") == []
    assert study.kinetics["value"].tolist() == [50.0]


def test_a_number_below_the_limit_needs_a_limit():
    kinetics = pd.DataFrame([ROWS["kinetics"] | {"value": "0"}]).drop(columns=["lloq", "lod", "blq"])
    study = Study.from_frames(subjects=SUBJECTS, kinetics=kinetics)
    assert study.kinetics["value"].tolist() == [0.0]
    word = Study.from_frames(subjects=SUBJECTS, kinetics=kinetics.assign(value="<100"))
    assert word.kinetics[["value", "blq", "lloq"]].astype(object).values.tolist()[0][1:] == ["BLQ", 100.0]


@pytest.mark.parametrize(
    ("test", "unit", "value", "new"),
    [("ANC", "/uL", "1950", 1.95), ("ANC", "cells/µL", "1950", 1.95), ("ANC", "/mm3", "1800", 1.8),
     ("PLT", "10^3/uL", "120", 120.0), ("HGB", "g/dL", "8.8", 88.0), ("HGB", "mmol/L", "5", 80.57),
     ("CREAT", "mg/dL", "0.81", 71.6202), ("BILI", "mg/dl", "0.71", 12.141), ("CRP", "mg/dL", "1.5", 15.0)],
)  # fmt: skip
def test_a_known_other_unit_is_converted(test, unit, value, new):
    study = study_of("labs", {"test": test, "unit": unit, "value": value, "lln": "", "uln": ""})
    assert study.labs["value"].tolist() == [new]
    assert study.labs["unit"].tolist() == [QUANTITIES["labs"][1][test].unit]
    assert findings(study, "severity", "rule") == [("repair", "D08-OTHER-UNIT")]


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("copies/ug gDNA", 1), ("copies/µg", 1), ("copies/100 ng gDNA", 10), ("copies / 50ng DNA", 20),
     ("copies/ng", 1000), ("copies/mL", None), ("copies/0ng", None), ("copies/.ug", None)],
)  # fmt: skip
def test_copies_are_per_microgram_of_dna(unit, factor):
    assert COPIES.factor(unit) == factor


def test_limits_follow_their_value_unless_they_are_in_the_schema_unit_already():
    dirty = {"test": "HGB", "unit": "g/dL", "value": "8.8", "lln": "13", "uln": "17.5"}
    alone = study_of("labs", dirty)
    assert alone.labs[["value", "lln", "uln"]].values.tolist() == [[88.0, 130.0, 175.0]]
    assert findings(alone, "column", "new_value") == [("value", "88.0"), ("lln", "130.0"), ("uln", "175.0")]
    own = {"test": "HGB", "unit": "g/L", "value": "90", "lln": "130", "uln": "175", "day": "4",
           "sample_date": "2022-01-09"}  # fmt: skip
    both = study_of("labs", own, {**dirty, "lln": "130", "uln": "175"})
    assert both.labs[["value", "lln", "uln"]].values.tolist() == [[90.0, 130.0, 175.0], [88.0, 130.0, 175.0]]


def test_a_conversion_is_clean_to_twelve_digits():
    assert converted(1950.0, COUNT.factors["/ul"]) == 1.95
    assert below_word("<5,5") == ("BLQ", 5.5)


def test_another_unit_throughout_a_kinetics_table_is_used_with_one_warning():
    study = study_of("kinetics", {"unit": "copies/mL"}, {"unit": "copies/mL", "sample_id": "K2"})
    assert findings(study, "row", "column", "severity", "rule") == [(1, "unit", "warning", "UNIT-UNKNOWN")]
    assert study.kinetics["value"].tolist() == [5000.0, 5000.0]


def test_only_the_later_copies_of_a_row_are_set_aside():
    study = study_of("labs", {}, {"day": "4", "sample_date": "2022-01-09"}, {}, {"value": " 1.2"})
    errors = study.problems[study.problems["severity"] == "error"]
    assert errors[["row", "rule"]].values.tolist() == [[3, "D01-REPEATED-ROW"], [4, "D01-REPEATED-ROW"]]
    assert errors["message"].tolist() == ["the row repeats line 2"] * 2
    assert study.labs.index.tolist() == [1, 2]


def test_every_row_of_a_key_with_several_values_is_set_aside():
    study = study_of("labs", {}, {"value": "2.4"}, {"test": "ALC"})
    assert findings(study, "row", "column", "value", "rule") == [
        (1, "value", "1.2", "D02-SAME-KEY"), (2, "value", "2.4", "D02-SAME-KEY"),
    ]  # fmt: skip
    assert (
        "lines 2, 3 have the same key (subject_id, day, test) and differ in value"
        in study.problems["message"][0]
    )
    assert study.labs.index.tolist() == [3]


def test_rows_without_a_part_of_the_key_column_are_compared_whole():
    frame = pd.DataFrame([ROWS["adverse_events"]] * 2).drop(columns="ae_id")
    study = Study.from_frames(subjects=SUBJECTS, adverse_events=frame, on_problem="report")
    assert findings(study, "row", "rule") == [(2, "D01-REPEATED-ROW")]
    other = Study.from_frames(subjects=SUBJECTS, adverse_events=frame.assign(pt=["Nausea", "Fever"]))
    assert len(other.adverse_events) == 2


def test_a_repeated_row_is_found_among_more_combinations_than_any_number_counts():
    """Without the whole key, rows are compared in all columns: 3000 different values in each of 7."""
    columns = ["subject_id", "infusion_no", "day", "sample_date", "value", "lloq", "lod"]
    n = np.arange(1, 3001)
    rows = pd.DataFrame({name: n.astype(str) for name in columns})
    rows["sample_date"] = (np.datetime64("2000-01-01") + n).astype(str)
    rows["subject_id"] = "CT-001"
    rows["matrix"] = "M" + rows["infusion_no"]
    rows.loc[2999] = rows.loc[1234]
    study = Study.from_frames(on_problem="report", subjects=SUBJECTS, kinetics=rows)
    repeated = study.problems[study.problems["rule"] == "D01-REPEATED-ROW"]
    assert repeated["row"].tolist() == [3000]
    assert repeated["message"].tolist() == ["the row repeats line 1236"]


def test_a_partial_date_is_no_missing_key_and_two_of_them_are_two_keys():
    rows = [{"day": "", "assessment_date": "2022-02"}, {"day": "", "assessment_date": "2022-03"}]
    study = study_of("responses", *rows)
    assert set(study.problems["rule"]) == {"D03-PARTIAL-DATE"}
    assert len(study.responses) == 2
    blank = study_of("responses", {"day": "", "assessment_date": ""})
    assert findings(blank, "column", "rule") == [("day", "KEY-MISSING")]


def test_end_before_start_is_said_of_both_ends():
    study = study_of("adverse_events", {"start_day": "4", "start_date": "2022-01-09", "end_day": "1",
                                        "end_date": "2022-01-06"})  # fmt: skip
    assert findings(study, "column", "rule") == [
        ("start_date", "D05-END-BEFORE-START"), ("end_date", "D05-END-BEFORE-START"),
    ]  # fmt: skip
    medicine = study_of("conmeds", {"start_day": "7", "start_date": "2022-01-12"})
    assert set(medicine.problems["rule"]) == {"D05-END-BEFORE-START"}


@pytest.mark.parametrize(
    ("spans", "touching"),
    [
        ([(1, 3), (4, 6)], [1, 2]),
        ([(4, 6), (1, 3)], [1, 2]),
        ([(1, 9), (2, 3), (10, 11)], [1, 2, 3]),
        ([(1, 3), (5, 6)], []),
        ([(1, 3), (3, 3), (9, 9)], [1, 2]),
    ],
)
def test_records_of_one_aesi_touch_when_no_day_lies_between(spans, touching):
    rows = [
        {"ae_id": f"A{number}", "aesi": "CRS", "start_day": str(start), "end_day": str(end), "start_date": "",
         "end_date": ""} for number, (start, end) in enumerate(spans)
    ]  # fmt: skip
    study = study_of("adverse_events", *rows)
    assert findings(study, "row", "rule") == [(row, "D16-TOUCHING-RECORDS") for row in touching]
    apart = [{**row, "aesi": aesi} for row, aesi in zip(rows, ["CRS", "ICANS", "HLH"], strict=False)]
    assert findings(study_of("adverse_events", *apart), "rule") == []


def test_whatever_is_after_a_death_is_said_and_the_death_counts():
    rows = [
        {"event": "DEATH", "day": "50", "date": "2022-02-24"},
        {},
        {"event": "HSCT", "day": "50", "date": "2022-02-24"},
    ]
    study = study_of("events", *rows, labs=pd.DataFrame([
        ROWS["labs"] | {"day": "51", "sample_date": "2022-02-25"}, ROWS["labs"] | {"day": "50", "sample_date": "2022-02-24"},
    ]))  # fmt: skip
    assert findings(study, "table", "row", "column", "rule") == [
        ("events", 2, "date", "D20-AFTER-DEATH"), ("labs", 1, "sample_date", "D20-AFTER-DEATH"),
    ]  # fmt: skip
    assert len(study.events) == 3


def test_of_a_partial_death_date_the_last_possible_day_is_taken():
    rows = [{"event": "DEATH", "day": "", "date": "2022-03"}, {"day": "", "date": "2022-03-31"},
            {"event": "NEW_THERAPY", "day": "", "date": "2022-04-01"}]  # fmt: skip
    found = findings(study_of("events", *rows), "row", "rule")
    assert (3, "D20-AFTER-DEATH") in found
    assert (2, "D20-AFTER-DEATH") not in found


def test_a_death_of_somebody_never_infused_is_compared_by_date():
    rows = [{"subject_id": "CT-010", "event": "DEATH", "day": "", "date": "2022-03-01"},
            {"subject_id": "CT-010", "day": "", "date": "2022-03-05"}]  # fmt: skip
    assert findings(study_of("events", *rows), "row", "rule") == [(2, "D20-AFTER-DEATH")]


@pytest.mark.parametrize("event", ["DEATH", "LAST_CONTACT", "SECOND_INFUSION"])
def test_an_event_that_cannot_be_before_the_infusion_is_set_aside(event):
    study = study_of("events", {"event": event, "day": "-10", "date": "2021-12-26"})
    assert findings(study, "column", "severity", "rule") == [("date", "error", "BEFORE-INFUSION")]
    assert "before the infusion (day 0)" in study.problems["message"][0]


@pytest.mark.parametrize(
    ("visit", "n_errors"), [("D28", 1), ("Month 3", 1), ("SCR", 0), ("UNS", 0), ("D-7", 0)]
)
def test_a_visit_after_the_infusion_cannot_be_before_it(visit, n_errors):
    study = study_of("responses", {"visit": visit, "day": "", "assessment_date": "2022-01-03"})
    assert (study.problems["rule"] == "BEFORE-INFUSION").sum() == n_errors
    assert len(study.responses) == 1 - n_errors


def test_a_whole_number_beyond_every_float_is_infinite():
    assert [note.rule for note in read_number(10**400).notes] == ["NUMBER-INFINITE"]


def test_an_infusion_before_leukapheresis_is_impossible_and_before_consent_doubtful():
    subjects = SUBJECTS.assign(consent_date=["2021-12-01", "2022-02-02", None],
                               leukapheresis_date=["2022-01-06", "2022-01-10", None])  # fmt: skip
    study = Study.from_frames(subjects=subjects, on_problem="report")
    assert findings(study, "row", "column", "severity", "message") == [
        (1, "infusion_date", "error", "infusion_date is before leukapheresis_date"),
        (2, "infusion_date", "warning", "infusion_date is before consent_date"),
    ]


def test_infused_and_infusion_date_must_agree():
    subjects = SUBJECTS.assign(infused=["Y", "N", "Y"])
    study = Study.from_frames(subjects=subjects, products=pd.DataFrame([ROWS["products"] | {
        "subject_id": "CT-002", "infusion_date": "2022-02-01"}]))  # fmt: skip
    assert findings(study, "table", "row", "rule") == [
        ("subjects", 2, "INFUSION-DATE"), ("subjects", 3, "INFUSION-DATE"), ("products", 1, "INFUSION-CONTRADICTION"),
    ]  # fmt: skip


PRODUCTS = pd.DataFrame([
    ROWS["products"],
    ROWS["products"] | {"infusion_no": "2", "infusion_date": "2022-04-10", "day": "95"},
])  # fmt: skip


@pytest.mark.parametrize(
    ("day", "date", "number"),
    [("-0.02", "2022-01-05", 1), ("94.4", "2022-04-09", 1), ("94.98", "2022-04-10", 2), ("95", "2022-04-10", 2),
     ("99.04", "2022-04-14", 2), ("7.1", "2022-01-12", 1)],
)  # fmt: skip
def test_a_blank_infusion_number_is_that_of_the_last_infusion(day, date, number):
    study = study_of("kinetics", {"infusion_no": "", "day": day, "sample_date": date, "blq": "BLQ", "value": ""},
                     products=PRODUCTS)  # fmt: skip
    assert study.kinetics["infusion_no"].tolist() == [number]
    assert findings(study, "column", "new_value", "severity", "rule") == [
        ("infusion_no", str(number), "repair", "D27-INFUSION-NO")
    ]


def test_a_blank_infusion_number_without_products_stays_missing_with_a_warning():
    study = study_of("kinetics", {"infusion_no": ""})
    assert findings(study, "column", "severity", "rule") == [("infusion_no", "warning", "D27-INFUSION-NO")]


def test_the_dlt_tables_are_compared_and_the_event_is_named():
    dlt = pd.DataFrame(
        [ROWS["dlt"] | {"dlt": "Y", "dlt_term": "Cytokine release syndrome grade 4", "dlt_onset_day": "5"}]
    )
    crs = {"pt": "Cytokine release syndrome", "aesi": "CRS", "grade": "4"}
    unflagged = study_of("adverse_events", {}, {"ae_id": "A2", **crs}, {"ae_id": "A3", **crs, "start_day": "5",
                         "start_date": "2022-01-10", "end_day": "", "end_date": "", "ongoing": "Y"}, dlt=dlt)  # fmt: skip
    assert ("adverse_events", 3, "dlt", "D19-DLT") in findings(unflagged, "table", "row", "column", "rule")
    unnamed = study_of("adverse_events", {}, dlt=dlt)
    assert findings(unnamed, "table", "row", "column", "rule") == [("dlt", 1, "dlt", "D19-DLT")]
    lonely = study_of("adverse_events", {"dlt": "Y"}, dlt=pd.DataFrame([ROWS["dlt"]]))
    assert findings(lonely, "table", "row", "column", "rule") == [("adverse_events", 1, "dlt", "D19-DLT")]
    agreed = study_of("adverse_events", {"dlt": "Y"}, dlt=dlt)
    assert findings(agreed, "rule") == []


@pytest.mark.parametrize(
    ("text", "label"),
    [(text, "D28") for text in ("D28", "Day 28", "D 28", "D+28", "d28", "Week 4", "DAY 028", "day+28")]
    + [(text, "M3") for text in ("M3", "Month 3", "M 3", "3M", "D90", "Day 90", "M03", "3 months")]
    + [("D60", "M2"), ("D180", "M6"), ("D30", "D30"), ("D7", "D7"), ("D07", "D7"), ("scr", "SCR"), ("uns ", "UNS"),
       ("D0 PRE", "D0 PRE"), ("d0 pre", "D0 PRE"), ("D0 pre-dose", "D0 PRE"), ("I2 Day 4", "I2 D4"),
       ("I2 D0 PRE", "I2 D0 PRE"), ("End of study", "End of study")],
)  # fmt: skip
def test_a_visit_has_one_label_however_it_is_written(text, label):
    assert read_visit(text).value == label


def test_an_id_that_could_be_two_subjects_is_unknown():
    read = subject_reader(["S-1", "S-01", "0012"])
    assert [read(text).value for text in ("S-1", "S-01", "12", "s_1")] == ["S-1", "S-01", "0012", "S-1"]
    assert read("S-001").notes[0].rule == "KEY-UNKNOWN-SUBJECT"


def test_every_closed_word_of_the_schema_reads_as_itself():
    words = 0
    for schema in TABLES.values():
        for column in schema.columns.values():
            for word in column.allowed:
                assert read_closed_word(word, column.allowed).notes == ()
                assert read_closed_word(f" {word.lower()} ", column.allowed).value in column.allowed
                words += 1
    assert words > 80


def test_words_for_a_missing_value_are_read_as_blank_and_said():
    assert [
        read(text).value for read in (read_number, read_date, read_grade) for text in ("NA", "N/A", ".")
    ] == [None] * 9
    assert read_closed_word("NA", ("Y", "N")).value is None
    assert read_closed_word("NA", ("CR", "NA")).notes == ()


def test_a_row_is_warned_of_once_when_it_stands_twice():
    study = study_of("adverse_events", {"grade": ""}, {"grade": ""})
    assert findings(study, "row", "rule") == [(1, "D17-GRADE"), (2, "D01-REPEATED-ROW")]


def _named_rules(sources):
    pattern = re.compile(r'"((?:D\d\d|[A-Z]{3,})(?:-[A-Z]+)+)"')
    return {rule for source in sources for rule in pattern.findall(source.read_text(encoding="utf-8"))}


def test_every_rule_has_an_entry_in_the_documentation():
    root = Path(__file__).parents[1]
    sources = [root / "src/cart7" / name for name in ("study.py", "records.py", "derive.py")]
    sources += [path for room in ("files", "checks") for path in (root / "src/cart7" / room).glob("*.py")]
    rules = _named_rules(sources)
    rules -= {
        word for schema in TABLES.values() for column in schema.columns.values() for word in column.terms
    }
    rules -= {
        word for schema in TABLES.values() for column in schema.columns.values() for word in column.allowed
    }
    page = (root / "docs/errors/data-problems.md").read_text(encoding="utf-8")
    entries = re.findall(r"^### (\S+)$", page, flags=re.MULTILINE)
    print(f"rules documented: {len(rules & set(entries))} of {len(rules)}")
    assert rules <= set(entries) <= rules | _named_rules((root / "src/cart7/cdisc").glob("*.py"))
    assert len(entries) == len(set(entries)) > 60


@pytest.mark.parametrize("name", ["value", "sample_id"])
def test_a_column_is_read_at_once_as_it_is_read_cell_by_cell(name):
    column = TABLES["kinetics"].columns[name]
    plain = ["1", "2.5", "+.5", "7.", "-0", "00012", "9" * 400, "0.1", "12345678901234567890.5"]
    odd = ["", " ", "1.2.3", "+", ".", "1-2", "1e5", "nan", "inf", "1_000", " 5", "5\u2028", "\u0665", "a b"]
    for cells in (plain, *([*plain, cell] for cell in odd), *([cell, *plain] for cell in odd)):
        alone = [plain_values([cell], column).tolist()[0] for cell in cells]
        beside_a_date = plain_values([*cells, np.datetime64("2024-01-01")], column).tolist()[:-1]
        assert repr(plain_values(cells, column).tolist()) == repr(alone) == repr(beside_a_date)
