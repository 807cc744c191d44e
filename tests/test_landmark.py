"""Landmark analysis: no immortal time, everybody accounted for."""

import numpy as np
import pandas as pd
import pytest

from cart7 import results, survival


def people(n=60, seed=3):
    """Times that know nothing of the status; whoever lives long enough gets it on a random day."""
    rng = np.random.default_rng(seed)
    time = np.ceil(rng.exponential(100, n))
    event = (rng.random(n) < 0.8).astype(int)
    day = np.ceil(rng.uniform(1, 200, n))
    names = [f"{i:03d}" for i in range(n)]
    times = pd.DataFrame({"subject_id": names, "time": time, "event": event, "start_day": 0.0})
    status = pd.DataFrame({"subject_id": names, "day": np.where(day < time, day, np.nan)})
    return times, status


def test_everybody_is_compared_or_left_out_with_a_reason():
    times, status = people()
    found = survival.landmark(times, status, 50)
    assert set(found.subjects["subject_id"]) | set(found.left_out["subject_id"]) == set(times["subject_id"])
    assert len(found.subjects) + len(found.left_out) == len(times)
    assert (found.subjects["time"] > 0).all()
    assert (found.left_out["reason"] != "").all()
    assert results.check(found.to_frame()) == []


def test_a_status_that_comes_later_does_not_count():
    times, status = people()
    found = survival.landmark(times, status, 50).subjects
    late = found[found["status_day"] > 50]
    assert len(late)
    assert (late["group"] == "no").all()
    assert (late["note"] == "the status came after the landmark").all()
    assert (found.loc[found["group"] == "yes", "status_day"] <= 50).all()


def test_the_landmark_takes_away_the_merit_of_having_lived_long_enough():
    """Status and survival are unrelated: from infusion on the test is fooled, from a landmark on it is not."""
    times, status = people(400, seed=8)
    ever = status["day"].notna().map({True: "yes", False: "no"})
    assert survival.logrank(times["time"], times["event"], ever).p_value < 1e-6
    assert survival.landmark(times, status, 50).test.p_value > 0.05


def test_the_groups_are_those_of_a_plain_analysis_of_the_time_left():
    times, status = people()
    found = survival.landmark(times, status, 50, conf_type="log")
    left = times[times["time"] > 50]
    group = (
        left["subject_id"].map(status.set_index("subject_id")["day"] <= 50).map({True: "yes", False: "no"})
    )
    plain = survival.kaplan_meier(left["time"] - 50, left["event"], group=group, conf_type="log")
    pd.testing.assert_frame_equal(found.curves.curve, plain.curve)
    test = survival.logrank(left["time"] - 50, left["event"], group)
    assert found.test.p_value == test.p_value


def test_times_that_start_later_count_from_infusion():
    times = pd.DataFrame(
        {"subject_id": ["a", "b"], "time": [40.0, 40.0], "event": 1, "start_day": [0.0, 30.0]}
    )
    found = survival.landmark(times, pd.DataFrame({"subject_id": ["b"], "day": [10.0]}), 40)
    assert found.left_out.values.tolist() == [["a", "event on or before the landmark"]]
    assert found.subjects[["group", "time"]].values.tolist() == [["yes", 30.0]]
    assert found.test is None


def test_subjects_without_a_time_and_empty_tables_are_told():
    times = pd.DataFrame({"subject_id": ["a"], "time": [np.nan], "event": [np.nan]})
    found = survival.landmark(times, pd.DataFrame({"subject_id": [], "day": []}), 28)
    assert found.left_out["reason"].tolist() == ["no time to an event"]
    assert found.curves is None
    assert len(found.summary) == 0
    assert results.check(found.to_frame()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"day": -1}, "day must be a number from 0"),
        ({"day": np.nan}, "day must be a number from 0"),
        ({"event": 2}, "event must be 0 or 1"),
        ({"twice": True}, "one row per subject"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, words):
    times, status = people(5)
    if "event" in change:
        times["event"] = change["event"]
    if "twice" in change:
        times = pd.concat([times, times])
    with pytest.raises(ValueError, match=words):
        survival.landmark(times, status, change.get("day", 28))


def test_the_rows_of_an_endpoint_go_in_as_they_are():
    from cart7 import example_study

    study = example_study()
    people = study.subjects[study.subjects["infused"] == "Y"]
    found = survival.time_to_event(people, study.events, study.responses, endpoint="OS").subjects
    hsct = study.events[study.events["event"] == "HSCT"]
    compared = survival.landmark(found, hsct, 90)
    assert len(compared.subjects) + len(compared.left_out) == len(found)
