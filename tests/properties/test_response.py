"""Response: random timelines against the walking version, and what holds for all of them."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.twins import response as twin

from cart7 import response, results
from cart7.derive import Window
from cart7.response import ResponseRules

WORDS = {"death": "DEATH", "withdrawal": "WITHDRAWAL", "new_therapy": "NEW_THERAPY", "hsct": "HSCT",
         "second_infusion": "SECOND_INFUSION", "progression": "PROGRESSION"}  # fmt: skip
RESPONDER = ("CR", "CRi", "CRh", "PR")
DAY_ZERO = pd.Timestamp("2022-01-10")

# Days around the windows (76-104, 152-208) and the 28-day rules, so that ties and bounds occur.
DAYS = st.sampled_from(
    [-3, 0, 1, 14, 27, 28, 55, 56, 75, 76, 80, 83, 90, 97, 100, 104, 105, 151, 152, 180, 208, 209]
)
LATER = st.none() | st.sampled_from(
    [5, 28, 56, 60, 76, 89, 90, 91, 103, 104, 120, 150, 152, 180, 207, 208, 300]
)
ASSESSMENT = st.tuples(DAYS, st.sampled_from(twin.ORDER), st.sampled_from(["NEG", "POS", None]))


@st.composite
def courses(draw):
    subject = {name: draw(LATER) for name in WORDS}
    subject["cutoff"] = draw(st.none() | st.sampled_from([20, 89, 100, 104, 150, 208, 400]))
    death = subject["death"]
    seen = draw(st.lists(ASSESSMENT, max_size=8))
    subject["assessments"] = [item for item in seen if death is None or item[0] <= death]
    for name in WORDS:  # what comes after the cut-off is not known
        if subject["cutoff"] is not None and subject[name] is not None and subject[name] > subject["cutoff"]:
            subject[name] = None
    return subject


TRIALS = st.lists(courses(), min_size=1, max_size=5)


def tables(trial):
    names = [f"S{number}" for number in range(len(trial))]
    seen = [
        (name, *item) for name, subject in zip(names, trial, strict=True) for item in subject["assessments"]
    ]
    events = [
        (name, word, subject[key])
        for name, subject in zip(names, trial, strict=True)
        for key, word in WORDS.items()
        if subject[key] is not None
    ]
    cutoff = [
        None if subject["cutoff"] is None else f"{DAY_ZERO + pd.Timedelta(days=subject['cutoff']):%Y-%m-%d}"
        for subject in trial
    ]
    return (
        pd.DataFrame(seen, columns=["subject_id", "day", "overall_response", "mrd"]),
        pd.DataFrame({"subject_id": names, "infusion_date": f"{DAY_ZERO:%Y-%m-%d}", "data_cutoff": cutoff}),
        pd.DataFrame(events, columns=["subject_id", "event", "day"]),
    )


def none(value):
    return None if value != value else value


RULES = st.builds(
    ResponseRules,
    tie=st.sampled_from(["later", "earlier"]),
    pick=st.sampled_from(["closest", "last"]),
    bracket=st.booleans(),
)


@given(TRIALS, st.sampled_from(["M3", "M6"]), st.sampled_from(response.STRATEGIES), RULES)
@settings(max_examples=70, deadline=None)
def test_every_visit_and_strategy_equals_the_walking_version(trial, visit, strategy, rules):
    window = rules.visits[visit]
    rows = response.at_visit(*tables(trial), visit=visit, strategy=strategy, rules=rules).subjects
    for subject, row in zip(trial, rows.itertuples(), strict=True):
        expected = twin.at_visit(
            subject, window.target, window.lower, window.upper, strategy, RESPONDER, rules.tie, rules.pick,
            rules.bracket,
        )  # fmt: skip
        found = (row.reason, row.response, none(row.day), none(row.responder), row.evaluable)
        assert found == expected


@given(TRIALS, st.booleans(), st.sampled_from([0, 28]), st.integers(0, 2), st.booleans())
@settings(max_examples=35, deadline=None)
def test_best_overall_response_equals_the_walking_version(trial, confirmed, sd_min_days, max_ne, accept_sd):
    rules = ResponseRules(sd_min_days=sd_min_days, max_ne=max_ne, accept_sd=accept_sd)
    rows = response.best_overall(*tables(trial), confirmed=confirmed, rules=rules).subjects
    for subject, row in zip(trial, rows.itertuples(), strict=True):
        expected = twin.best_overall(
            subject, confirmed=confirmed, responder=RESPONDER, sd_min_days=sd_min_days, confirm_days=28,
            max_ne=max_ne, accept_sd=accept_sd,
        )  # fmt: skip
        days = (
            row.day,
            row.first_response_day,
            row.first_confirmed_response_day,
            row.first_mrd_negative_cr_day,
        )
        assert (row.best_response, *(none(day) for day in days)) == expected


@given(TRIALS, st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_rows_does_not_matter(trial, random):
    seen, subjects, events = tables(trial)
    shuffled = [
        table.iloc[random.sample(range(len(table)), len(table))].reset_index(drop=True)
        for table in (seen, events)
    ]
    once = response.objective_response(seen, subjects, events)
    again = response.objective_response(shuffled[0], subjects, shuffled[1])
    pd.testing.assert_frame_equal(once.subjects, again.subjects)
    pd.testing.assert_frame_equal(once.summary, again.summary)


@given(TRIALS, st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_subjects_does_not_matter(trial, random):
    seen, subjects, events = tables(trial)
    subjects = subjects.assign(dose_level=[1 + number % 2 for number in range(len(subjects))])
    shuffled = subjects.iloc[random.sample(range(len(subjects)), len(subjects))].reset_index(drop=True)
    key = ["visit", "strategy", "subject_id"]
    once, again = (response.objective_response(seen, people, events) for people in (subjects, shuffled))
    pd.testing.assert_frame_equal(once.summary, again.summary)
    one, other = (result.subjects.sort_values(key, ignore_index=True) for result in (once, again))
    pd.testing.assert_frame_equal(one, other)


@given(TRIALS, st.integers(1, 100), st.sampled_from(twin.ORDER))
@settings(max_examples=25, deadline=None)
def test_a_response_after_progression_changes_nothing(trial, later, word):
    seen, subjects, events = tables(trial)
    strategies = tuple(name for name in response.STRATEGIES if name != "treatment-policy")
    rules = ResponseRules(strategies=strategies)
    once = response.objective_response(seen, subjects, events, rules=rules)
    table = response.relapses(seen, subjects, events)
    gone = table[table["kind"].isin(["RELAPSE", "PROGRESSION"])]
    more = pd.DataFrame(
        {"subject_id": gone["subject_id"], "day": gone["day"] + later, "overall_response": word}
    )
    dead = more["subject_id"].map(gone.set_index("subject_id")["death_day"])
    more = more[~(more["day"] > dead)]
    with_more = pd.concat([seen, more], ignore_index=True) if len(more) else seen
    again = response.objective_response(with_more, subjects, events, rules=rules)
    pd.testing.assert_frame_equal(once.subjects, again.subjects)
    best, best_again = (response.best_overall(rows, subjects, events).subjects for rows in (seen, with_more))
    pd.testing.assert_frame_equal(best, best_again)
    rates = [result.summary.drop(columns="n_not_evaluable") for result in (once, again)]
    pd.testing.assert_frame_equal(*rates)


@given(TRIALS)
@settings(max_examples=20, deadline=None)
def test_lanes_follow_each_other_without_overlap(trial):
    result = response.best_overall(*tables(trial))
    lanes = result.lanes()
    assert (lanes["end_day"] >= lanes["start_day"]).all()
    for _, mine in lanes.groupby("subject_id"):
        assert (mine["start_day"].to_numpy()[1:] == mine["end_day"].to_numpy()[:-1]).all()
        assert mine["ongoing"].sum() <= 1
        assert not mine["ongoing"].iloc[:-1].any()
    assert len(lanes) == (result.assessments["response"] != "ND").sum()


@given(TRIALS)
@settings(max_examples=10, deadline=None)
def test_the_populations_are_nested_and_the_long_form_keeps_its_shape(trial):
    result = response.objective_response(
        *tables(trial), rules=ResponseRules(visits={"M3": Window(90, 76, 104)})
    )
    n = result.summary[result.summary["visit"] == "M3"].pivot_table(
        index="strategy", columns="population", values="n"
    )
    assert (n["ENROLLED"] >= n["INFUSED"]).all()
    assert (n["INFUSED"] >= n["REACHED"]).all()
    assert (n["REACHED"] >= n["EVALUABLE_INCL_DEATH"]).all()
    assert (n["EVALUABLE_INCL_DEATH"] >= n["EVALUABLE"]).all()
    assert (result.summary["n_responder"] <= result.summary["n"]).all()
    assert (result.summary["n_not_evaluable"] <= result.summary["n"]).all()
    assert results.check(result.to_frame()) == []
    assert np.isfinite(result.summary.loc[result.summary["n"] > 0, "estimate"]).all()
