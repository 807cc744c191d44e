"""What holds for every set of antibody samples: a walk through each subject, and rules of invariance."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart7.immunogenicity import AdaRules, classify, positive_rate
from cart7.results import check

courses = st.lists(
    st.tuples(
        st.sampled_from([-20, -2, 0, 1, 12, 14, 16, 28, 44, 45, 90, 126, 180, 360]),
        st.sampled_from(["NEG", "NEG", "POS", "POS", "NE", None]),
        st.sampled_from([None, "1:10", "1:20", "1:40", "160"]),
    ),
    max_size=9,
)
cohorts = st.lists(courses, min_size=1, max_size=5)
policies = st.sampled_from(["own-class", "assume-negative"])


def tables(cohort):
    ids = [f"{number:03d}" for number in range(len(cohort))]
    rows = [(name, *row) for name, course in zip(ids, cohort, strict=True) for row in course]
    frame = pd.DataFrame(rows, columns=["subject_id", "day", "result", "titer"])
    return frame, pd.DataFrame({"subject_id": ids, "dose_level": [1 + k % 2 for k in range(len(ids))]})


def class_of_one_subject(course, policy):
    """Class, kinetics and treatment-emergent days of one subject, straight from the definitions."""
    seen = [(day, result, float((titer or "1:10").split(":")[-1]))
            for day, result, titer in sorted(course, key=lambda row: row[0]) if result in ("POS", "NEG")]  # fmt: skip
    before, post = [row for row in seen if row[0] <= 0], [row for row in seen if row[0] > 0]
    status = before[-1][1] if before else None
    if not seen:
        return "NO_EVALUABLE_SAMPLE", "", []
    if not post:
        return "NO_POST_BASELINE", "", []
    positive = [row for row in post if row[1] == "POS"]
    if status is None and policy == "own-class":
        return f"MISSING_BASELINE_{'POSITIVE' if positive else 'NEGATIVE'}", "", []
    if status == "POS":
        emergent = [row for row in positive if row[2] >= 4 * before[-1][2]]
        name = "BOOSTED" if emergent else "UNAFFECTED"
    else:
        emergent = positive
        name = "INDUCED" if emergent else "NEGATIVE"
    if not emergent:
        return name, "", []
    days = [row[0] for row in emergent]
    persistent = post[-1] is emergent[-1] or days[-1] - days[0] >= 112
    return name, "PERSISTENT" if persistent else "TRANSIENT", days


@settings(max_examples=60, deadline=None)
@given(cohort=cohorts, policy=policies)
def test_classes_equal_the_walk_through_each_subject(cohort, policy):
    frame, subjects = tables(cohort)
    rows = classify(frame, subjects, rules=AdaRules(missing_baseline=policy)).subjects
    for row, course in zip(rows.to_dict("records"), cohort, strict=True):
        name, kinetics, days = class_of_one_subject(course, policy)
        assert (row["classification"], row["kinetics"]) == (name, kinetics)
        if days:
            assert (row["first_te_positive_day"], row["last_te_positive_day"]) == (days[0], days[-1])


@settings(max_examples=25, deadline=None)
@given(cohort=cohorts, policy=policies)
def test_rates_and_classes_tell_the_same_story(cohort, policy):
    frame, subjects = tables(cohort)
    rules = AdaRules(missing_baseline=policy)
    result = positive_rate(frame, subjects, rules=rules)
    classes = classify(frame, subjects, rules=rules).subjects
    summary = result.summary.set_index(["visit", "measure", "group"])
    incidence = summary.loc[("OVERALL", "incidence", "ALL")]
    assert incidence["n_positive"] == classes["classification"].isin(["INDUCED", "BOOSTED"]).sum()
    assert incidence["n"] == classes["treatment_emergent"].notna().sum()
    cumulative = result.summary.query("measure == 'cumulative_through_visit' and group == 'ALL'")
    assert cumulative["n_positive"].is_monotonic_increasing
    assert cumulative["n"].is_monotonic_increasing
    summed = (
        result.summary[result.summary["group"] != "ALL"]
        .groupby(["visit", "measure"])[["n", "n_positive"]]
        .sum()
    )
    everybody = result.summary[result.summary["group"] == "ALL"].set_index(["visit", "measure"])
    pd.testing.assert_frame_equal(summed, everybody[["n", "n_positive"]].sort_index(), check_like=True)


@settings(max_examples=25, deadline=None)
@given(cohort=cohorts, seed=st.integers(0, 100))
def test_the_order_of_rows_does_not_matter_but_on_one_day(cohort, seed):
    frame, subjects = tables(cohort)
    frame = frame.drop_duplicates(["subject_id", "day"])
    shuffled = frame.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(
        classify(frame, subjects).to_frame(), classify(shuffled, subjects).to_frame()
    )
    one, other = positive_rate(frame, subjects), positive_rate(shuffled, subjects)
    pd.testing.assert_frame_equal(one.to_frame(), other.to_frame())


@settings(max_examples=25, deadline=None)
@given(cohort=cohorts, policy=policies)
def test_every_missing_number_has_its_reason_and_every_key_is_unique(cohort, policy):
    frame, subjects = tables(cohort)
    rules = AdaRules(missing_baseline=policy)
    for result in (classify(frame, subjects, rules=rules), positive_rate(frame, subjects, rules=rules)):
        long = result.to_frame()
        assert check(long) == []
        assert "not available" not in set(long["note"])
        for table in (result.subjects, result.summary):
            if "note" in table:
                assert table[table.isna().any(axis=1) & (table["note"] == "")].empty


@settings(max_examples=25, deadline=None)
@given(cohort=cohorts, fold=st.sampled_from([2.0, 4.0, 8.0]))
def test_diluting_every_titre_alike_changes_no_class(cohort, fold):
    frame, subjects = tables(cohort)
    frame["titer"] = frame["titer"].fillna("1:10").str.split(":").str[-1].astype(float)
    rules = AdaRules(boost_fold=fold)
    one = classify(frame, subjects, rules=rules).subjects
    other = classify(frame.assign(titer=frame["titer"] * 8), subjects, rules=rules).subjects
    assert one["classification"].tolist() == other["classification"].tolist()
    assert (8 * one["max_post_titer"]).tolist() == pytest.approx(
        other["max_post_titer"].tolist(), nan_ok=True
    )
