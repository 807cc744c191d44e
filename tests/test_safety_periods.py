"""Adverse events by period, and their cumulative incidence with death competing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cart7
from cart7 import results, safety, survival

STUDY = cart7.example_study()
INFUSED = STUDY.subjects[STUDY.subjects["infused"] == "Y"]
PEOPLE = pd.DataFrame({"subject_id": ["1", "2", "3"], "dose_level": [1, 1, 2], "infused": "Y"})
COURSE = pd.DataFrame(
    {"subject_id": ["1", "2", "2", "3"], "event": ["LAST_CONTACT", "HSCT", "LAST_CONTACT", "DEATH"],
     "day": [200, 60, 100, 28]}
)  # fmt: skip


def events(*pairs, **columns):
    frame = pd.DataFrame(pairs, columns=["subject_id", "start_day"])
    return frame.assign(**({"grade": 3, "pt": "A", "soc": "S"} | columns))


def line(found, row, group="ALL"):
    summary = found.summary
    return summary[(summary["row"] == row) & (summary["group"] == group)].set_index("period")


# ------------------------------------------------------------------------------------------- periods


def test_an_event_belongs_to_the_period_of_its_start():
    pairs = [("1", day) for day in (0, 28, 29, 90, 91)] + [("2", 59), ("2", 60)]
    found = line(safety.by_period(events(*pairs), PEOPLE, events=COURSE), "any_teae")
    assert found["n_events"].tolist() == [2, 3, 1, 1]
    assert found["n_subjects"].tolist() == [1, 2, 1, 1]


def test_those_at_risk_are_those_followed_into_the_period_and_not_transplanted():
    found = line(safety.by_period(events(), PEOPLE, events=COURSE), "any_teae")
    # Subject 3 died on day 28, subject 2 was transplanted on day 60.
    assert found["n"].tolist() == [3, 2, 1, 1]
    # Days at risk, both ends included: 29 x 3; 62 and 31 (to day 59); 110; days 60 to 100.
    assert found["person_years"].tolist() == pytest.approx([d / 365.25 for d in (87, 93, 110, 41)])


def test_the_days_of_all_periods_are_the_days_of_follow_up():
    whole = safety.exposure_adjusted(STUDY.adverse_events, INFUSED, events=STUDY.events).subjects
    parts = safety.by_period(STUDY.adverse_events, INFUSED, events=STUDY.events).subjects
    summed = parts.groupby("subject_id")["days"].sum()
    assert (
        whole.set_index("subject_id")["followup_days"].sort_index().tolist() == summed.sort_index().tolist()
    )


def test_periods_are_rules_of_the_plan():
    found = safety.by_period(events(("1", 10)), PEOPLE, events=COURSE, rules=safety.SafetyRules(periods=(7,)))
    assert list(dict.fromkeys(found.summary["period"])) == ["0-7", ">7", "after HSCT"]
    with pytest.raises(ValueError, match="ascending days from 0 on, got 90, 28"):
        safety.SafetyRules(periods=(90, 28))


def test_an_event_without_a_start_is_in_no_period_and_said_to_be():
    found = safety.by_period(events(("1", None)), PEOPLE, events=COURSE)
    assert line(found, "any_teae")["n_events"].sum() == 0
    assert found.excluded["reason"].tolist() == ["start unknown, in no period"]


def test_the_rows_of_a_period_are_its_events():
    found = safety.by_period(STUDY.adverse_events, INFUSED, events=STUDY.events)
    for cell in found.summary.to_dict("records"):
        rows = found.rows(row=cell["row"], period=cell["period"], group=cell["group"])
        assert len(rows) == cell["n_events"]


@pytest.mark.parametrize("table", [safety.by_period, safety.cumulative_incidence])
@pytest.mark.parametrize("people", [PEOPLE, PEOPLE.iloc[:1], PEOPLE.iloc[:0]])
def test_tables_without_events_or_subjects_keep_their_shape(table, people):
    for rows in (events(), events(("1", 5), aesi="CRS"), events(("1", None))):
        for course in (COURSE, None):
            assert results.check(table(rows, people, events=course).to_frame()) == []


# ----------------------------------------------------------------------------------------- incidence


def incidence(rows, course=COURSE, **options):
    options = {"terms": ["A"], "by": None} | options
    return safety.cumulative_incidence(rows, PEOPLE, events=course, **options)


def test_death_before_the_event_competes():
    found = incidence(events(("1", 50)))
    at = found.summary.set_index("day")
    # One death of three on day 28; then one event of two: 2/3 x 1/2.
    assert at.loc[90, ["n_event", "n_death"]].tolist() == [1, 1]
    assert at.loc[90, "estimate"] == pytest.approx(1 / 3)
    assert found.subjects[["time", "cause"]].values.tolist() == [[50, 1], [100, 0], [28, 2]]


def test_an_onset_on_the_day_of_death_is_an_event():
    assert incidence(events(("3", 28))).subjects["cause"].tolist() == [0, 0, 1]


def test_an_onset_after_death_or_without_a_day_is_followed_without_event():
    found = incidence(events(("3", 29), ("1", None))).subjects
    assert found["cause"].tolist() == [0, 0, 2]
    assert found["note"].tolist() == [
        "onset unknown, followed without event", "", "onset after the end of follow-up, followed without event"
    ]  # fmt: skip


def test_nobody_with_the_event_has_exact_limits_while_nobody_is_censored():
    at = incidence(events(("1", 300), ("2", 90))).summary.set_index("day")
    assert at.loc[28, ["estimate", "ci_low"]].tolist() == [0, 0]
    assert at.loc[28, "ci_high"] == pytest.approx(1 - 0.025 ** (1 / 3))
    assert at.loc[28, "method"].startswith("Clopper-Pearson")
    assert np.isnan(at.loc[365, "estimate"])
    assert at.loc[365, "note"] == "after the last observation of this group"


def test_the_curve_is_that_of_the_survival_room():
    found = safety.cumulative_incidence(
        STUDY.adverse_events, INFUSED, events=STUDY.events, terms=["infection_grade_ge3"], by=None
    )
    timed = found.subjects
    other = survival.cumulative_incidence(timed["time"], timed["cause"].astype(int)).curve
    for cause in (1, 2):
        mine, theirs = found.curve[found.curve["cause"] == cause], other[other["cause"] == cause]
        np.testing.assert_allclose(mine["estimate"], theirs["estimate"], rtol=1e-12)
        np.testing.assert_allclose(mine["ci_low"], theirs["ci_low"], rtol=1e-12)


def test_a_term_that_is_none_is_refused():
    with pytest.raises(ValueError, match="got Fever"):
        incidence(events(("1", 5)), terms=["Fever"])


def test_the_syndrome_columns_that_were_not_collected_leave_their_incidence_open():
    found = incidence(events(("1", 5)), terms=["crs_any"])
    assert found.summary["estimate"].isna().all()
    assert set(found.summary["note"]) == {"aesi not collected"}


onsets = st.lists(st.tuples(st.sampled_from(["1", "2", "3"]), st.integers(0, 220)), max_size=8)


@given(onsets)
@settings(max_examples=15, deadline=None)
def test_every_dated_event_is_in_one_period_and_incidence_never_falls(pairs):
    rows = events(*pairs)
    assert line(safety.by_period(rows, PEOPLE, events=COURSE), "any_teae")["n_events"].sum() == len(pairs)
    if pairs:
        known = incidence(rows).summary["estimate"].dropna()
        assert known.is_monotonic_increasing
        assert known.between(0, 1).all()
