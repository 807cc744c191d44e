"""Safety against its slow twins, and what must hold for any adverse-event table."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.twins import safety as twin

from cart7 import grading, results, safety
from cart7.stats import rates

QUIET = settings(max_examples=20, deadline=None)
INFUSION = dt.date(2024, 3, 15)

dates = st.dates(dt.date(2024, 1, 1), dt.date(2024, 6, 30)).map(str)
partial = st.one_of(st.none(), dates, dates.map(lambda text: text[:7]), dates.map(lambda text: text[:4]))
grades = st.one_of(st.none(), st.integers(1, 5))
record = st.fixed_dictionaries(
    {"subject_id": st.sampled_from(["1", "2", "3", "4"]), "soc": st.sampled_from([None, "Alpha", "Beta"]),
     "pt": st.sampled_from([None, "Nausea", "<b>&", "Fever"]), "grade": grades, "baseline_grade": grades,
     "start_date": partial, "end_date": partial, "aesi": st.sampled_from([None, "CRS", "ICANS", "HLH", "IEC-HS"]),
     "serious": st.sampled_from([None, "Y", "N"]), "related_cart": st.sampled_from([None, "RELATED", "NOT RELATED"])}
)  # fmt: skip
record_lists = st.lists(record, max_size=14)

SUBJECTS = pd.DataFrame(
    {"subject_id": ["1", "2", "3", "4"], "dose_level": [1, 1, 2, 2], "infused": ["Y", "Y", "Y", "N"],
     "infusion_date": [str(INFUSION)] * 3 + [None], "death_date": [None, "2024-04-10", None, None],
     "followup_end_date": ["2024-06-15", "2024-04-10", "2024-05-01", None]}
)  # fmt: skip


COLUMNS = ["subject_id", "soc", "pt", "grade", "baseline_grade", "start_date", "end_date", "aesi", "serious",
           "related_cart"]  # fmt: skip


def frame_of(rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def as_date(text):
    return None if pd.isna(text) else dt.date.fromisoformat(text)


@given(record_lists, st.sampled_from([None, 0, 30]))
@QUIET
def test_dates_and_flags_equal_the_rules_walked_record_by_record(rows, window):
    found = safety.treatment_emergent(frame_of(rows), SUBJECTS, rules=safety.SafetyRules(window_days=window))
    course = SUBJECTS.set_index("subject_id")
    for row, answer in zip(rows, found.to_dict("records"), strict=True):
        who = course.loc[row["subject_id"]]
        infusion, death = as_date(who["infusion_date"]), as_date(who["death_date"])
        start, end = twin.start_and_end(
            row["start_date"], row["end_date"], infusion, death, as_date(who["followup_end_date"])
        )
        assert (None if pd.isna(answer["start"]) else answer["start"].date()) == start
        assert (None if pd.isna(answer["end"]) else answer["end"].date()) == end
        emergent = twin.is_emergent(start, end, infusion, row["grade"], row["baseline_grade"], window)
        assert answer["treatment_emergent"] == emergent
        assert emergent or answer["note"]


@given(record_lists)
@QUIET
def test_the_term_table_equals_counting_subject_by_subject(rows):
    events = frame_of(rows)
    emergent = safety.treatment_emergent(events, SUBJECTS)["treatment_emergent"]
    kept = [
        (row["subject_id"], row["soc"] or "UNCODED", row["pt"] or "UNCODED", row["grade"])
        for row, counts in zip(rows, emergent, strict=True)
        if counts
    ]
    summary = safety.by_term(events, SUBJECTS).summary
    everybody = set(SUBJECTS["subject_id"])
    for label, members in [("1", {"1", "2"}), ("2", {"3", "4"}), ("ALL", everybody)]:
        expected = twin.term_counts(kept, members)
        mine = summary[summary["group"] == label]
        assert len(mine) == max(len(twin.term_counts(kept, everybody)), 1)
        for row in mine.to_dict("records"):
            n, events_, worst = expected.get((row["soc"], row["pt"]), (0, 0, {}))
            assert (row["n_subjects"], row["n_events"]) == (n, events_)
            assert [row[f"grade_{g}"] for g in range(1, 6)] == [worst.get(g, 0) for g in range(1, 6)]
            assert row["grade_missing"] == worst.get("missing", 0)
            assert sum(row[f"grade_{g}"] for g in range(1, 6)) + row["grade_missing"] == n


@given(record_lists)
@QUIET
def test_rates_equal_time_at_risk_added_subject_by_subject(rows):
    events = frame_of(rows)
    timed = safety.treatment_emergent(events, SUBJECTS)
    timed = timed[timed["treatment_emergent"]]
    first = safety.exposure_adjusted(events, SUBJECTS, by=None).summary.iloc[0]
    days = counted = followed = 0
    for who in SUBJECTS[SUBJECTS["infused"] == "Y"].to_dict("records"):
        onsets = timed.loc[timed["subject_id"] == who["subject_id"], "start_day"].dropna()
        end = (as_date(who["followup_end_date"]) - INFUSION).days
        spent, happened = twin.time_at_risk(onsets.min() if len(onsets) else None, 0, end)
        days, counted, followed = days + spent, counted + happened, followed + end + 1
    assert first["n_first"] == counted
    assert first["person_years"] == pytest.approx(days / 365.25, rel=1e-12)
    assert first["followup_years"] == pytest.approx(followed / 365.25, rel=1e-12)
    low, high = rates.interval(counted, days / 365.25)
    assert first["incidence_ci_low"] == pytest.approx(100 * low, rel=1e-12)
    assert first["incidence_ci_high"] == pytest.approx(100 * high, rel=1e-12)


spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6), st.booleans()), max_size=8)


@given(spans, st.integers(0, 3))
@QUIET
def test_episodes_equal_walking_along_the_records(records, gap):
    events = pd.DataFrame(
        {"subject_id": "1", "aesi": "CRS", "start_day": [start for start, _, _ in records],
         "end_day": [None if ongoing else start + more for start, more, ongoing in records]}
    )  # fmt: skip
    found = safety.episodes(events, category="CRS", gap_days=gap).subjects
    walked = twin.merged([(s, np.inf if ongoing else s + more) for s, more, ongoing in records], gap)
    assert found["start_day"].tolist() == [start for start, _ in walked]
    assert found["end_day"].fillna(np.inf).tolist() == [end for _, end in walked]
    assert found["n_records"].sum() == len(records)
    assert found["episode"].tolist() == list(range(1, len(walked) + 1))


terms = {
    "CRS": "Cytokine release syndrome",
    "ICANS": "ICANS",
    "HAEM": "Neutrophil count decreased",
    "OTHER": "Rash",
}
toxicities = st.lists(
    st.tuples(st.sampled_from(sorted(terms)), grades, st.integers(-2, 30), st.integers(0, 40)), max_size=5
)


@given(toxicities)
@QUIET
def test_dose_limiting_events_equal_the_clauses_read_one_by_one(events):
    table = pd.DataFrame(
        {"subject_id": "1", "pt": [terms[category] for category, *_ in events],
         "aesi": [category if category in ("CRS", "ICANS") else None for category, *_ in events],
         "grade": [grade for _, grade, _, _ in events], "start_day": [start for _, _, start, _ in events],
         "end_day": [start + more for _, _, start, more in events], "related_cart": "RELATED"}
    )  # fmt: skip
    subjects = pd.DataFrame({"subject_id": ["1"], "infused": "Y"})
    contact = pd.DataFrame({"subject_id": ["1"], "event": "LAST_CONTACT", "day": [100]})
    found = safety.dose_limiting_toxicity(subjects, adverse_events=table, events=contact).subjects.iloc[0]
    clauses = [twin.dlt_clause(category, grade, s, s + more) for category, grade, s, more in events]
    assert found["dlt"] == any(clauses)
    assert found["evaluable"] == 1
    assert (found["reason"] != "") == any(clauses)


@given(record_lists, st.randoms(use_true_random=False))
@QUIET
def test_the_order_of_the_rows_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    people = SUBJECTS.sample(frac=1, random_state=random.randint(0, 9))
    for table in (safety.overview, safety.by_term, safety.exposure_adjusted, safety.special_interest):
        one, other = table(frame_of(rows), SUBJECTS), table(frame_of(shuffled), people)
        pd.testing.assert_frame_equal(one.summary, other.summary)


@given(record_lists)
@QUIET
def test_every_result_keeps_the_long_form_and_every_row_is_accounted_for(rows):
    events = frame_of(rows)
    emergent = safety.treatment_emergent(events, SUBJECTS)["treatment_emergent"]
    for table in (safety.overview, safety.by_term, safety.exposure_adjusted):
        found = table(events, SUBJECTS)
        assert results.check(found.to_frame()) == []
        assert len(found.excluded) == (~emergent).sum()
        assert (found.excluded["reason"] != "").all()
    special = safety.special_interest(events, SUBJECTS)
    assert results.check(special.to_frame()) == []
    assert results.check(safety.dose_limiting_toxicity(SUBJECTS, adverse_events=events).to_frame()) == []


levels = st.lists(
    st.one_of(st.none(), st.sampled_from([50, 100, 101, 300, 500, 500.5, 800, 2000])), max_size=31
)


@given(levels)
@settings(max_examples=80, deadline=None)
def test_low_periods_equal_walking_along_the_days(values):
    values = values + [None] * (31 - len(values))
    anc = pd.DataFrame({"id": "1", "day": range(31), "anc_cells_per_ul": values})
    found = grading.icaht_neutropenia(anc, pd.DataFrame({"id": ["1"]})).iloc[0]
    if all(value is None for value in values):
        assert np.isnan(found["days_le_500"])
        assert found["note"]
    else:
        assert found["days_le_500"] == twin.longest_low(values, 500)
        assert found["days_le_100"] == twin.longest_low(values, 100)
