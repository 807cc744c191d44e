"""CRS and ICANS day by day, the IEC-HS screen, and DLT clauses, replacement and comparison."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cart7
from cart7 import errors, grading, plan, results, safety

STUDY = cart7.example_study()
INFUSED = STUDY.subjects[STUDY.subjects["infused"] == "Y"]
ONE = pd.DataFrame({"subject_id": ["1"], "dose_level": [1], "infused": "Y"})


def days(*pairs, event="CRS"):
    return pd.DataFrame(pairs, columns=["day", "grade"]).assign(subject_id="1", event=event)


def drug(name, start, **columns):
    return {"subject_id": "1", "drug": name, "indication": "CRS", "start_day": start, "n_doses": 1, **columns}


def course(graded, *drugs, **options):
    given = pd.DataFrame(drugs) if drugs else None
    return safety.aesi_course(graded, ONE, given, by=None, **options)


# ----------------------------------------------------------------------------------------- daily course


def test_the_course_of_the_example_agrees_with_its_reported_events():
    asked = safety.aesi_checks(
        STUDY.adverse_events, INFUSED, aesi_course=STUDY.aesi_course, events=STUDY.events
    )
    assert asked.empty
    found = safety.aesi_course(STUDY.aesi_course, INFUSED, STUDY.conmeds)
    reported = safety.special_interest(STUDY.adverse_events, INFUSED, events=STUDY.events).subjects
    both = found.subjects.merge(reported, on=["subject_id", "category"], suffixes=("", "_reported"))
    assert len(both) == len(found.subjects) == 11
    assert (both["onset_day"] == both["onset_day_reported"]).all()
    assert (both["max_grade"] == both["max_grade_reported"]).all()
    assert (both["days"] == both["total_days"]).all()
    assert results.check(found.to_frame()) == []


def test_the_peak_is_the_first_day_of_the_highest_grade():
    row = course(days((3, 1), (4, 3), (5, 3), (6, 2))).subjects.iloc[0]
    assert row[["onset_day", "peak_day", "last_day", "days_ge3"]].tolist() == [3, 4, 6, 2]


def test_the_worse_of_two_grades_of_one_day_counts():
    assert course(days((3, 1), (3, 2))).days[["day", "grade"]].values.tolist() == [[3, 2]]


def test_tocilizumab_and_steroids_are_timed_from_onset_and_named_by_the_grade_of_that_day():
    row = course(
        days((3, 1), (4, 2), (5, 3)), drug("Tocilizumab", 4, n_doses=2),
        drug("Dexamethasone", 5, end_day=7, drug_class="CORTICOSTEROID"),
    ).subjects.iloc[0]  # fmt: skip
    assert row[["tocilizumab_after_onset", "tocilizumab_at_grade", "tocilizumab_doses"]].tolist() == [1, 2, 2]
    assert row[["steroid_after_onset", "steroid_at_grade", "steroid_days"]].tolist() == [2, 3, 3]


def test_a_drug_for_something_else_is_no_treatment_of_the_syndrome():
    row = course(days((3, 1)), drug("Dexamethasone", 3, indication="NAUSEA")).subjects.iloc[0]
    assert row["steroid"] == 0
    blank = course(days((3, 1)), drug("Dexamethasone", 3, indication=None)).subjects.iloc[0]
    assert blank["steroid"] == 1


def test_without_medication_records_nobody_is_said_to_be_untreated():
    found = course(days((3, 1)))
    assert np.isnan(found.subjects["tocilizumab"][0])
    assert found.summary["tocilizumab_estimate"].isna().all()
    assert results.check(found.to_frame()) == []


@pytest.mark.parametrize("rows", [0, 1])
def test_a_course_without_days_or_with_one_keeps_its_shape(rows):
    found = course(days((3, 1)).iloc[:rows], drug("Tocilizumab", 3))
    assert results.check(found.to_frame()) == []
    assert len(found.rows(category="CRS")) == rows


@pytest.mark.parametrize(
    ("subjects", "graded", "reason"),
    [
        (ONE.head(0), days((3, 1), (4, 2)), "not a subject of this analysis"),
        (ONE, days((3, 7), (4, np.nan)), "no grade 1 to 5"),
        (ONE, days((3, 1), (4, 2), event="FEVER"), "neither CRS nor ICANS"),
    ],
)
def test_rows_of_which_none_is_used_are_all_excluded(subjects, graded, reason):
    found = safety.aesi_course(graded, subjects, pd.DataFrame([drug("Tocilizumab", 3)]))
    assert found.excluded[["row", "reason"]].values.tolist() == [[1, reason], [2, reason]]
    usual = course(days((3, 1)), drug("Tocilizumab", 3))
    for name in ("subjects", "days"):
        empty, filled = getattr(found, name), getattr(usual, name)
        assert len(empty) == 0
        assert list(empty.columns) == list(filled.columns)
        numbers = filled.select_dtypes("number")
        assert (empty[numbers.columns].dtypes == numbers.dtypes).all()
    assert (found.summary["n_subjects"] == 0).all()
    assert list(found.summary.columns) == list(usual.summary.columns)
    assert found.rows(category="CRS").empty
    assert results.check(found.to_frame()) == []
    reports = reported().head(0)
    assert safety.aesi_checks(reports, subjects, aesi_course=graded).empty


def test_tables_that_are_changed_by_their_reader_do_not_change_the_next_one():
    graded, given = days((3, 1), (4, 7)), pd.DataFrame([drug("Tocilizumab", 3)])
    first = safety.aesi_course(graded, ONE, given, by=None)
    for frame in (first.days, first.treatments, first.excluded):
        frame.iloc[:, 0] = "changed"
    second = safety.aesi_course(graded, ONE, given, by=None)
    assert second.days["subject_id"].tolist() == second.treatments["subject_id"].tolist() == ["1"]
    assert second.excluded["table"].tolist() == ["aesi_course"]
    assert safety.aesi_course(graded.assign(grade=2), ONE, given, by=None).subjects["max_grade"][0] == 2


# ------------------------------------------------------------------------------------------ consistency


def reported(**columns):
    record = {"subject_id": "1", "aesi": "CRS", "start_day": 3, "end_day": 5, "grade": 2}
    return pd.DataFrame([record | columns])


def rules_of(adverse_events, **tables):
    return safety.aesi_checks(adverse_events, ONE, **tables)["rule"].tolist()


def crs_assessment(day, temperature, **columns):
    seen = {"id": "a", "subject_id": "1", "day": day, "temp_c": temperature, "hypotension": 1,
            "vasopressors_n": 0, "o2_device": "none"}  # fmt: skip
    return pd.DataFrame([seen | columns])


def test_crs_needs_fever_around_its_onset():
    assert rules_of(reported(), crs=crs_assessment(3, 38.0)) == []
    assert "CRS-WITHOUT-FEVER" in rules_of(reported(), crs=crs_assessment(3, 37.9))
    assert "CRS-WITHOUT-FEVER" in rules_of(reported(), crs=crs_assessment(3, 39, fever_attributable=0))
    assert rules_of(reported(), crs=crs_assessment(9, 39.0)) == ["CRS-TEMPERATURE-MISSING"]


def test_the_grade_of_the_worst_assessment_is_the_reported_one():
    assert rules_of(reported(grade=3), crs=crs_assessment(3, 38.5)) == ["CRS-GRADE"]


def test_icans_needs_an_ice_score_while_it_lasts():
    seen = pd.DataFrame(
        [{"id": "a", "subject_id": "1", "day": 4, "ice": 5, "consciousness": "alert", "seizure": "none",
          "motor_weakness": 0, "edema_icp": "none"}]
    )  # fmt: skip
    assert rules_of(reported(aesi="ICANS"), icans=seen) == []
    assert rules_of(reported(aesi="ICANS"), icans=seen.assign(day=8)) == ["ICANS-WITHOUT-ICE"]
    roused = seen.assign(ice=np.nan, ice_not_done_reason="unarousable")
    assert rules_of(reported(aesi="ICANS", grade=4), icans=roused) == []


def test_course_and_events_are_held_against_each_other():
    assert rules_of(reported(), aesi_course=days((3, 1), (4, 2), (5, 1))) == []
    assert rules_of(reported(), aesi_course=days((3, 1))) == ["CRS-GRADE"]
    assert rules_of(reported(), aesi_course=days((8, 2))) == ["CRS-WITHOUT-COURSE", "COURSE-WITHOUT-EVENT"]


# --------------------------------------------------------------------------------------------- episodes


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=5), st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_cutting_an_episode_at_touching_days_leaves_onset_duration_and_grade(parts, first):
    lengths, grades = [length for length, _ in parts], [grade for _, grade in parts]
    starts = first + np.concatenate([[0], np.cumsum(lengths[:-1])])
    cut = pd.DataFrame({"subject_id": "1", "aesi": "CRS", "start_day": starts,
                        "end_day": starts + np.array(lengths) - 1, "grade": grades})  # fmt: skip
    whole = reported(start_day=first, end_day=first + sum(lengths) - 1, grade=max(grades))
    one, other = (
        safety.special_interest(table, ONE, by=None).subjects.drop(columns="note") for table in (cut, whole)
    )
    pd.testing.assert_frame_equal(one, other)


# --------------------------------------------------------------------------------------- IEC-HS screen


def screened(**columns):
    return grading.iec_hs(pd.DataFrame([{"id": "a", **columns}])).iloc[0]


@pytest.mark.parametrize(
    ("columns", "screen"),
    [
        ({"ferritin": 801, "ferritin_uln": 400, "fibrinogen": 1.4}, 1),
        ({"ferritin": 800, "ferritin_uln": 400, "fibrinogen": 1.4}, 0),
        ({"ferritin": 801, "ferritin_uln": 400, "fibrinogen": 1.5}, 0),
        ({"ferritin": 801, "ferritin_uln": 400, "fibrinogen": 1.9, "fibrinogen_lln": 2.0}, 1),
        ({"ferritin": 801, "ferritin_at_infusion": 400, "haemophagocytosis": 1}, 1),
        ({"ferritin": 10, "ferritin_uln": 400, "ferritin_rising": 1, "cytopenia_grade4": 1}, 1),
        ({"ferritin": 801, "ferritin_uln": 400, "alt": 201, "alt_uln": 40}, 1),
        ({"ferritin": 801, "ferritin_uln": 400, "alt": 201, "alt_uln": 40, "alt_baseline": 60}, 0),
        ({"ferritin": 801, "ferritin_uln": 400}, 0),
        ({"ferritin": 10, "ferritin_uln": 400, "haemophagocytosis": 1}, 0),
    ],
)
def test_the_screen_needs_ferritin_and_another_criterion(columns, screen):
    assert screened(**columns)["screen"] == screen


def test_a_screen_that_cannot_be_judged_says_why():
    assert screened(ferritin=None, ferritin_uln=400)["note"] == "ferritin missing"
    unlimited = screened(ferritin=5000)
    assert np.isnan(unlimited["screen"])
    assert unlimited["note"] == "neither the ULN nor the value at infusion is known"
    assert screened(ferritin=900, ferritin_uln=400)["note"] == "not known: ALT and AST, fibrinogen, cytopenia"


def test_a_wrong_value_of_the_screen_is_named():
    with pytest.raises(errors.DataError, match="cannot be negative"):
        screened(ferritin=-1, ferritin_uln=400)
    with pytest.raises(errors.DataError, match="1 or 0 belongs here"):
        screened(ferritin=1, cytopenia_grade4=4)


def test_the_screen_of_a_study_takes_the_nearest_values_after_infusion():
    labs = pd.DataFrame(
        [("FERRITIN", 9, 9000, "ug/L", np.nan, 400), ("FIBRINO", 8, 120, "mg/dL", 200, np.nan),
         ("FIBRINO", 12, 400, "mg/dL", 200, np.nan), ("PLT", -3, 20, "10^9/L", 150, np.nan),
         ("PLT", 9, 20, "10^9/L", 150, np.nan)],
        columns=["test", "day", "value", "unit", "lln", "uln"],
    ).assign(subject_id="1")  # fmt: skip
    found = safety.iec_hs_screen(labs, ONE, by=None)
    # Platelets were of grade 4 before the infusion: no new cytopenia.
    assert found.subjects["criteria"].tolist() == ["ferritin > 2 x ULN; fibrinogen low"]
    assert found.summary[["n", "n_positive"]].values.tolist() == [[1, 1]]
    assert results.check(found.to_frame()) == []
    none = safety.iec_hs_screen(labs[labs["test"] == "PLT"], ONE)
    assert none.subjects["note"].tolist() == ["no ferritin after the infusion that can be judged"]
    assert results.check(none.to_frame()) == []


def test_the_screen_of_a_study_names_every_negative_limit():
    labs = pd.DataFrame(
        {"subject_id": "1", "test": ["FERRITIN", "FERRITIN", "ALT"], "day": [9, 5, 5], "value": 900,
         "unit": ["ug/L", "ug/L", "U/L"], "uln": [-400, 400, -40]}
    )  # fmt: skip
    with pytest.raises(errors.DataError) as refused:
        safety.iec_hs_screen(labs, ONE, by=None, rules=safety.ScreenRules(within_days=1))
    named = [(problem.row, problem.column, problem.value) for problem in refused.value.problems]
    assert named == [(2, "ferritin_uln", "-400.0"), (1, "alt_uln", "-40.0")]


def test_the_screen_takes_no_value_of_another_subject_however_wide_its_window():
    labs = pd.DataFrame(
        {"subject_id": ["1", "2"], "test": ["FERRITIN", "ALT"], "day": 9, "value": 900,
         "unit": ["ug/L", "U/L"], "uln": [400, 40]}
    )  # fmt: skip
    people = pd.DataFrame({"subject_id": ["1", "2"]})
    found = safety.iec_hs_screen(labs, people, rules=safety.ScreenRules(within_days=np.inf))
    assert found.days["screen"].tolist() == [0]


# -------------------------------------------------------------------------------- dose-limiting toxicity


def judged(adverse_events, **options):
    contact = pd.DataFrame({"subject_id": ["1"], "event": "LAST_CONTACT", "day": [options.pop("last", 100)]})
    return safety.dose_limiting_toxicity(
        ONE, adverse_events=adverse_events, events=contact, by=None, **options
    )


def test_the_clauses_are_data_of_the_plan():
    own = safety.DltRules(clauses=(safety.DltClause(of="HLH", grade=3), {"of": "other", "grade": 3}))
    hlh, rash = reported(aesi="HLH", grade=3, pt="HLH"), reported(aesi=None, grade=4, pt="Rash")
    assert judged(hlh, rules=own).subjects["reason"].tolist() == ["HLH: HLH grade 3"]
    assert judged(rash, rules=own).subjects["dlt"].tolist() == [0]
    text = plan.Plan(dlt=own).to_toml()
    assert plan.parse_plan(text).dlt == own


def test_an_exempt_term_is_dose_limiting_only_when_fatal():
    rules = safety.DltRules(exempt_terms=("Lymphocyte count decreased",), haematological_terms=())
    low = reported(aesi=None, pt="Lymphocyte count decreased", grade=4)
    assert judged(low, rules=rules).subjects["dlt"].tolist() == [0]
    assert judged(low.assign(grade=5), rules=rules).subjects["dlt"].tolist() == [1]


def test_a_subject_who_is_not_evaluable_is_to_be_replaced():
    early = judged(reported(grade=1), last=20)
    assert early.subjects[["evaluable", "replace"]].values.tolist() == [[0, 1]]
    assert early.summary["n_replace"].tolist() == [1]
    assert judged(reported(grade=1)).summary["n_replace"].tolist() == [0]


def test_the_committee_and_the_clauses_are_compared_subject_by_subject():
    found = safety.compare_dlt(
        INFUSED, dlt=STUDY.dlt, adverse_events=STUDY.adverse_events, events=STUDY.events
    )
    notes = found.subjects.set_index("subject_id")["note"]
    assert notes["CD7-008"] == ""
    assert notes["CD7-007"] == (
        "DLT: adjudicated no, derived yes (Platelet count decreased: haematological grade 4 present after day 28)"
    )
    everybody = found.summary.set_index("group").loc["ALL"]
    assert everybody[["n", "n_agree", "n_dlt_adjudicated", "n_dlt_derived"]].tolist() == [9, 4, 1, 6]
    assert results.check(found.to_frame()) == []
