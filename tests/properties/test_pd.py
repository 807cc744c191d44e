"""What holds for every course of CD7+ cells: equality with the twins, and rules of invariance."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.twins.pd import depletion_of_one_subject, visits_of_one_series

from cart7.pd import PdRules, by_visit, depletion
from cart7.results import check

DAYS = st.sampled_from(
    [-12, -7, -5, -1, -0.5, 0, 0.15, 3.9, 4, 7, 7.3, 9.9, 10, 14, 14.3, 21, 27.9, 28, 28.4, 60, 90]
)
samples = st.lists(
    st.fixed_dictionaries(
        {
            "day": DAYS,
            "value": st.sampled_from([0.0, 0.4, 1.0, 3.0, 40.0, 50.0, 200.0, 640.0, np.nan]),
            "blq": st.sampled_from([None, None, None, "BLQ"]),
            "lloq": st.just(1.0),
        }
    ),
    max_size=14,
)
cohorts = st.lists(samples, min_size=1, max_size=4)
rules = st.builds(
    PdRules,
    baseline=st.sampled_from(["last-before-infusion", "last-before-lymphodepletion"]),
    blq_arithmetic=st.sampled_from([0.0, "half-lloq"]),
    tie=st.sampled_from(["later", "earlier"]),
    auec_window=st.sampled_from([(0, 28), (7, 28), (0, 14.3), (3, 100)]),
    recovery=st.sampled_from([0.4, 40.0, 50.0]),
)


def tables(cohort):
    """Subjects and samples of a cohort as frames."""
    ids = [f"{number:03d}" for number in range(len(cohort))]
    rows = [
        {"subject_id": name, **sample} for name, course in zip(ids, cohort, strict=True) for sample in course
    ]
    frame = pd.DataFrame(rows, columns=["subject_id", "day", "value", "blq", "lloq"])
    subjects = pd.DataFrame({"subject_id": ids, "dose_level": [1 + k % 2 for k in range(len(ids))]})
    return frame.assign(parameter="CD7POS_ABS"), subjects


def starts(subjects):
    return pd.DataFrame({"subject_id": subjects["subject_id"], "day": -5.0})


@settings(max_examples=40, deadline=None)
@given(cohort=cohorts, rules=rules, event_day=st.sampled_from([np.nan, -3, 0, 14, 30.0]))
def test_depletion_equals_the_walk_through_each_subject(cohort, rules, event_day):
    frame, subjects = tables(cohort)
    events = pd.DataFrame({"subject_id": subjects["subject_id"], "event": "HSCT", "day": event_day})
    result = depletion(
        frame, subjects, events, lymphodepletion=starts(subjects), parameter="CD7POS_ABS", rules=rules
    )
    for row, course in zip(result.subjects.to_dict("records"), cohort, strict=True):
        expected = depletion_of_one_subject(course, rules, ld_start=-5.0, event_days=[event_day])
        assert {name: row[name] for name in expected} == pytest.approx(
            expected, rel=1e-12, abs=1e-9, nan_ok=True
        )


@settings(max_examples=25, deadline=None)
@given(cohort=cohorts, rules=rules)
def test_chosen_samples_equal_the_walk_through_each_series(cohort, rules):
    rules = rules.model_copy(update={"baseline": "last-before-infusion"})
    frame, subjects = tables(cohort)
    chosen = by_visit(frame, subjects, rules=rules).subjects
    for name, course in zip(subjects["subject_id"], cohort, strict=True):
        mine = chosen[chosen["subject_id"] == name]
        ours = dict(zip(mine["visit"], zip(mine["day"], mine["value"], strict=True), strict=True))
        assert ours == visits_of_one_series(course, rules)


@settings(max_examples=15, deadline=None)
@given(cohort=cohorts, rules=rules)
def test_every_missing_number_has_its_reason_and_every_key_is_unique(cohort, rules):
    frame, subjects = tables(cohort)
    visits = by_visit(frame, subjects, lymphodepletion=starts(subjects), rules=rules)
    course = depletion(frame, subjects, parameter="CD7POS_ABS", rules=rules)
    for result in (visits, course):
        assert check(result.to_frame()) == []
        for table in (result.subjects, result.summary):
            bare = table[table.drop(columns="note").isna().any(axis=1) & (table["note"] == "")]
            assert bare.empty
        assert "not available" not in set(result.to_frame()["note"])


@settings(max_examples=10, deadline=None)
@given(cohort=cohorts, seed=st.integers(0, 100))
def test_the_order_of_subjects_and_of_days_in_the_table_does_not_matter(cohort, seed):
    # Only on one day does the order of rows count; so keep one sample per subject and day.
    frame, subjects = tables(cohort)
    frame = frame.drop_duplicates(["subject_id", "day"])
    shuffled = frame.sample(frac=1, random_state=seed)
    for ours, theirs in (
        (by_visit(frame, subjects), by_visit(shuffled, subjects)),
        (
            depletion(frame, subjects, parameter="CD7POS_ABS"),
            depletion(shuffled, subjects, parameter="CD7POS_ABS"),
        ),
    ):
        pd.testing.assert_frame_equal(ours.to_frame(), theirs.to_frame())


@settings(max_examples=25, deadline=None)
@given(cohort=cohorts)
def test_clearance_lies_in_its_interval_and_recovery_after_it(cohort):
    table = depletion(*tables(cohort), parameter="CD7POS_ABS").subjects
    cleared = table[table["clearance_event"] == 1]
    assert (cleared["clearance_left"] < cleared["clearance_time"]).all()
    assert (cleared["clearance_right"] == cleared["clearance_time"]).all()
    assert (cleared["recovery_time"] >= cleared["clearance_time"]).all()
    assert (cleared["nadir_day"] <= cleared["clearance_time"]).all()
    confirmed = table[table["confirmed_clearance_event"] == 1]
    assert (confirmed["confirmed_clearance_time"] >= confirmed["clearance_time"]).all()


@settings(max_examples=10, deadline=None)
@given(cohort=cohorts, factor=st.sampled_from([1e-3, 7.0, 1e3]))
def test_a_change_of_unit_scales_areas_and_keeps_days_and_percentages(cohort, factor):
    frame, subjects = tables(cohort)
    scaled = frame.assign(value=frame["value"] * factor, lloq=frame["lloq"] * factor)
    one = depletion(frame, subjects, parameter="CD7POS_ABS").subjects
    rules = PdRules(recovery=50 * factor)
    other = depletion(scaled, subjects, parameter="CD7POS_ABS", rules=rules).subjects
    for name in ("auec_last", "auec_window", "nadir", "baseline"):
        np.testing.assert_allclose(other[name], factor * one[name], rtol=1e-9)
    for name in ("clearance_time", "recovery_time", "nadir_day", "auec_suppression_percent"):
        np.testing.assert_allclose(other[name], one[name], rtol=1e-9, atol=1e-9)
