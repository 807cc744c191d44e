"""Survival kernels and rules against their twins and against what must hold for any data."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.twins import survival as twin

from cart7 import survival
from cart7.stats import proportions

few = settings(max_examples=60, deadline=None)
observations = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=12)


def split(rows):
    return [time for time, _ in rows], [event for _, event in rows]


@few
@given(observations)
def test_the_curve_is_that_of_walking_in_fractions(rows):
    time, event = split(rows)
    curve = survival.kaplan_meier(time, event).curve
    walked = twin.kaplan_meier_by_walking(time, event)
    assert curve["time"].tolist() == sorted(walked)
    assert curve["survival"].tolist() == pytest.approx([float(level) for level in walked.values()], abs=1e-14)


@few
@given(observations, st.randoms(), st.sampled_from(["log-log", "bpcp", "bpcp-midp"]))
def test_order_and_unit_of_the_times_do_not_matter(rows, random, conf_type):
    shuffled = random.sample(rows, len(rows))
    one = survival.kaplan_meier(*split(rows), conf_type=conf_type)
    time, event = split(shuffled)
    other = survival.kaplan_meier(np.array(time) * 7.25, event, conf_type=conf_type)
    kept = ["n_risk", "survival", "ci_low", "ci_high"]
    assert one.curve[kept].equals(other.curve[kept])
    assert one.quantiles()["time"].tolist() == pytest.approx(
        (other.quantiles()["time"] / 7.25).tolist(), nan_ok=True
    )


@few
@given(observations, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_beta_product_limits_solve_the_exact_distribution(rows, level):
    """P(U <= upper) = 1 - alpha/2 and P(L <= lower) = alpha/2, both in fractions."""
    time, event = split([(t + 1, e) for t, e in rows])
    bands = survival.bpcp(time, event, conf_level=level)
    raw_low, raw_high = np.inf, np.inf
    for row, (rates, still) in zip(bands.itertuples(), twin.product_rates(time, event), strict=True):
        if rates and row.ci_high < raw_high:
            assert float(twin.product_cdf(rates, row.ci_high)) == pytest.approx((1 + level) / 2, abs=1e-11)
        if still and row.ci_low < raw_low:
            assert float(twin.product_cdf([*rates, still], row.ci_low)) == pytest.approx(
                (1 - level) / 2, abs=1e-11
            )
        assert row.ci_low <= row.survival <= row.ci_high
        raw_low, raw_high = row.ci_low, row.ci_high


@few
@given(st.integers(1, 25), st.data())
def test_without_censoring_beta_product_limits_are_clopper_pearson(n, data):
    k = data.draw(st.integers(0, n))
    time = [1.0] * k + [2.0] * (n - k)
    bands = survival.bpcp(time, [1] * n)
    row = bands[(bands["left"] <= 1.5) & (bands["right"] > 1.5)].iloc[0]
    low, high = proportions.interval(n - k, n)
    assert row["ci_high"] == pytest.approx(float(high), abs=1e-12)
    assert row["ci_low"] == pytest.approx(float(low), abs=1e-12)


@few
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=15))
def test_incidences_and_survival_add_up_to_one(rows):
    time, cause = split(rows)
    curve = survival.cumulative_incidence(time, cause).curve
    alive = survival.kaplan_meier(time, np.array(cause) > 0).curve["survival"].to_numpy()
    if max(cause) > 0:
        total = curve.pivot_table(index="time", columns="cause", values="estimate").sum(axis=1).to_numpy()
        assert total + alive == pytest.approx(np.ones(alive.size), abs=1e-12)
    assert (curve["variance"] >= 0).all()


@few
@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=3, max_size=7), st.data())
def test_exact_logrank_counts_relabelings_in_fractions(rows, data):
    time, event = split(rows)
    size = data.draw(st.integers(1, len(rows) - 1))
    group = ["a"] * size + ["b"] * (len(rows) - size)
    expected = twin.logrank_relabelings(time, event, set(range(size)))
    assert survival.logrank(time, event, group).exact_p_value == pytest.approx(float(expected), abs=1e-12)


@few
@given(observations, st.sampled_from([0, 0.25, 0.5, 1]), st.integers(0, 2**32))
def test_each_resample_has_the_quantile_of_its_rows(rows, p, seed):
    time, event = (np.array(part) for part in split(rows))
    got = survival.bootstrap_quantiles(time, event, p=p, n_resamples=8, rng=seed)
    picks = np.random.default_rng(seed).integers(time.size, size=(8, time.size))
    one_by_one = [survival.kaplan_meier(time[pick], event[pick]).quantiles(p)["time"][0] for pick in picks]
    assert got.tolist() == pytest.approx(one_by_one, nan_ok=True)


day = st.one_of(st.none(), st.integers(-5, 60))
people = st.fixed_dictionaries(
    {
        "death": day,
        "cutoff": st.one_of(st.none(), st.integers(10, 60)),
        "hsct": day,
        "new_therapy": day,
        "second_infusion": day,
        "progression": day,
        "contact": day,
        "assessments": st.lists(
            st.tuples(st.integers(-5, 60), st.sampled_from(["CR", "CRi", "PR", "SD", "PD", "RELAPSE", "NE"])),
            max_size=6,
        ),
    }
)
plans = st.builds(
    survival.TimeToEventRules,
    hsct=st.sampled_from(
        ["censor-last-assessment", "ignore", "censor-at-hsct", "competing", "time-dependent"]
    ),
    new_therapy=st.sampled_from(["censor-last-assessment", "ignore"]),
    second_infusion=st.sampled_from(["censor-last-assessment", "ignore"]),
    missed_visits=st.sampled_from([None, 1, 2]),
    schedule=st.just(((10, 2), (20, 3), (30, 3), (40, 5))),
    day_one=st.booleans(),
)


def tables(cohort):
    """The three study tables of people told as dictionaries."""
    zero = pd.Timestamp("2022-03-01")
    subjects, events, responses = [], [], []
    words = {"death": "DEATH", "hsct": "HSCT", "new_therapy": "NEW_THERAPY", "contact": "LAST_CONTACT",
             "second_infusion": "SECOND_INFUSION", "progression": "PROGRESSION"}  # fmt: skip
    for number, person in enumerate(cohort):
        cutoff = None if person["cutoff"] is None else zero + pd.Timedelta(days=person["cutoff"])
        subjects.append((f"S{number}", zero, cutoff))
        events += [
            (f"S{number}", word, person[name]) for name, word in words.items() if person[name] is not None
        ]
        responses += [(f"S{number}", when, word) for when, word in person["assessments"]]
    frames = pd.DataFrame(subjects, columns=["subject_id", "infusion_date", "data_cutoff"])
    return (
        frames,
        pd.DataFrame(events, columns=["subject_id", "event", "day"]),
        pd.DataFrame(responses, columns=["subject_id", "day", "overall_response"]),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(people, min_size=1, max_size=5), plans, st.sampled_from(["OS", "PFS", "DOR"]))
def test_times_are_those_of_one_subject_at_a_time(cohort, rules, endpoint):
    result = survival.time_to_event(*tables(cohort), endpoint=endpoint, rules=rules)
    got = result.subjects[["time", "cause", "reason"]]
    expected = [twin.time_to_event_of_one(person, endpoint, rules) for person in cohort]
    if endpoint == "OS":
        expected = [(t if t is None else t + rules.day_one, c, r) for t, c, r in expected]
    assert got["reason"].tolist() == [reason for _, _, reason in expected]
    for column, place in (("time", 0), ("cause", 1)):
        assert got[column].tolist() == pytest.approx(
            [np.nan if row[place] is None else row[place] for row in expected], nan_ok=True
        )


@few
@given(observations, st.sampled_from(["log-log", "log", "plain", "logit", "arcsine", "bpcp", "bpcp-midp"]))
def test_limits_contain_the_estimate(rows, conf_type):
    curve = survival.kaplan_meier(*split(rows), conf_type=conf_type).curve
    known = curve[curve["ci_low"].notna() & curve["ci_high"].notna()]
    assert (known["ci_low"] <= known["survival"] + 1e-12).all()
    assert (known["survival"] <= known["ci_high"] + 1e-12).all()
    assert known["ci_low"].between(0, 1).all()
    assert known["ci_high"].between(0, 1).all()


@few
@given(st.lists(st.integers(0, 12), min_size=1, max_size=12))
def test_without_censoring_the_curve_is_the_part_that_is_left(times):
    curve = survival.kaplan_meier(times, [1] * len(times)).curve
    left = [sum(other > time for other in times) / len(times) for time in curve["time"]]
    assert curve["survival"].tolist() == pytest.approx(left, abs=1e-15)


@few
@given(observations, st.data())
def test_other_names_of_the_groups_leave_tests_unchanged(rows, data):
    group = data.draw(st.lists(st.sampled_from("ab"), min_size=len(rows), max_size=len(rows)))
    if len(set(group)) < 2:
        return
    time, event = split(rows)
    renamed = ["z" if name == "a" else "c" for name in group]
    one, other = (survival.logrank(time, event, names) for names in (group, renamed))
    assert other.statistic == pytest.approx(one.statistic, rel=1e-9, abs=1e-12, nan_ok=True)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-9, nan_ok=True)
    assert other.exact_p_value == pytest.approx(one.exact_p_value, rel=1e-9, nan_ok=True)
    cause = [2 * flag for flag in event]
    first, second = (survival.gray_test(time, cause, names)["statistic"] for names in (group, renamed))
    assert second.tolist() == pytest.approx(first.tolist(), rel=1e-9, abs=1e-12, nan_ok=True)
