"""What the safety room promises: edges, refusals, notes and the shape of its results."""

import numpy as np
import pandas as pd
import pytest

from cart7 import errors, records, results, safety

INFUSED = pd.DataFrame(
    {"subject_id": ["1", "2", "3"], "dose_level": [1, 1, 2], "infused": "Y", "infusion_date": "2024-03-15",
     "followup_end_date": "2024-12-31"}
)  # fmt: skip


def event(subject="1", **columns):
    return {"subject_id": subject, "start_day": 5, "grade": 2, **columns}


def table(*events):
    return pd.DataFrame(events)


def line(result, name, group="ALL", key="row"):
    summary = result.summary
    return summary[(summary[key] == name) & (summary["group"] == group)].iloc[0]


# ------------------------------------------------------------------------------- which events count


def test_a_day_counts_before_the_date_of_the_same_record():
    found = safety.treatment_emergent(table(event(start_day=3, start_date="2024-02")), INFUSED).iloc[0]
    assert (found["start_day"], found["start_imputed"]) == (3, "")
    assert found["start"] == pd.Timestamp("2024-03-18")


def test_without_a_baseline_grade_column_nothing_that_began_before_infusion_counts():
    rows = table(event(start_day=-1, end_day=9, grade=4))
    assert not safety.treatment_emergent(rows, INFUSED)["treatment_emergent"].any()
    worsened = rows.assign(baseline_grade=1.0)
    assert safety.treatment_emergent(worsened, INFUSED)["treatment_emergent"].all()


def test_the_infusion_day_itself_is_treatment_emergent_and_the_day_before_is_not():
    rows = table(event(start_day=0), event(start_day=-1))
    assert safety.treatment_emergent(rows, INFUSED)["treatment_emergent"].tolist() == [True, False]


def test_the_last_day_of_the_window_counts_and_the_next_does_not():
    rows = table(event(start_day=28), event(start_day=29))
    found = safety.treatment_emergent(rows, INFUSED, rules=safety.SafetyRules(window_days=28))
    assert found["treatment_emergent"].tolist() == [True, False]
    assert found["note"].tolist()[1].startswith("started after day 28")


@pytest.mark.parametrize(("word", "counts"), [("Y", True), ("N", False), (1, True), (0, False), (1.0, True)])
def test_a_stated_flag_is_taken_as_it_stands(word, counts):
    rows = table(event(start_day=-20, treatment_emergent=word), event(start_day=1, treatment_emergent=word))
    assert safety.treatment_emergent(rows, INFUSED)["treatment_emergent"].tolist() == [counts, counts]


def test_a_blank_flag_is_derived():
    rows = table(event(start_day=-20, treatment_emergent=None), event(treatment_emergent=None))
    assert safety.treatment_emergent(rows, INFUSED)["treatment_emergent"].tolist() == [False, True]


def test_the_reference_date_can_be_the_start_of_lymphodepletion():
    people = INFUSED.assign(ld_date=["2024-03-10", None, "2024-03-10"])
    rows = table(event("1", start_day=-5), event("1", start_day=-6), event("2", start_day=-5))
    found = safety.treatment_emergent(rows, people, rules=safety.SafetyRules(reference="ld_date"))
    # Subject 2 has no such date: the infusion date stands in.
    assert found["treatment_emergent"].tolist() == [True, False, False]


def test_a_reference_that_is_no_column_is_refused():
    with pytest.raises(ValueError, match=r"reference must be a date column of subjects .* got 'nowhere'"):
        safety.overview(table(event()), INFUSED, rules=safety.SafetyRules(reference="nowhere"))


def test_the_rows_keep_their_order_index_and_columns():
    rows = table(event("3", comment="x"), event("1", comment="y")).set_axis(["b", "a"])
    before = rows.copy()
    found = safety.treatment_emergent(rows, INFUSED)
    assert found.index.tolist() == ["b", "a"]
    assert found["comment"].tolist() == ["x", "y"]
    pd.testing.assert_frame_equal(rows, before)


def test_an_unreadable_date_is_a_query_and_the_event_still_counts():
    found = safety.treatment_emergent(
        pd.DataFrame({"subject_id": ["1"], "start_date": ["15MAR2024"], "grade": [1]}), INFUSED
    ).iloc[0]
    assert found["treatment_emergent"]
    assert "start date unreadable" in found["note"]


def test_everybody_is_infused_where_subjects_say_nothing_of_it():
    silent = pd.DataFrame({"subject_id": ["1", "2"]})
    found = safety.by_term(table(event(), event("2", start_day=-3)), silent).summary.iloc[0]
    assert (found["n"], found["n_subjects"]) == (2, 1)
    dated = silent.assign(infusion_date=["2024-03-15", None])
    assert safety.by_term(table(event(), event("2")), dated).summary["n_subjects"].iloc[0] == 1


def test_an_empty_text_is_an_unknown_start_and_not_an_unreadable_one():
    rows = pd.DataFrame({"subject_id": "1", "start_date": ["", " ", None], "end_date": ["", " ", None]})
    found = safety.treatment_emergent(rows, INFUSED)
    assert found["treatment_emergent"].all()
    assert found["note"].unique().tolist() == ["start unknown, taken as treatment-emergent"]


def test_timestamps_are_read_like_text():
    rows = pd.DataFrame({"subject_id": ["1"], "start_date": pd.to_datetime(["2024-03-20"])})
    assert safety.treatment_emergent(rows, INFUSED)["start_day"].tolist() == [5]


def test_death_and_last_contact_come_from_events_where_subjects_have_no_dates():
    people = INFUSED.drop(columns="followup_end_date")
    course = pd.DataFrame({"subject_id": ["1", "2"], "event": ["DEATH", "LAST_CONTACT"], "day": [20, 40]})
    rows = pd.DataFrame({"subject_id": ["1", "2"], "start_day": [1, 1], "end_date": ["2024-04", "2024-04"]})
    found = safety.treatment_emergent(rows, people, events=course)
    assert found["end_day"].tolist() == [20, 40]


def test_rows_that_do_not_count_are_excluded_with_their_reason():
    rows = table(event(), event(start_day=-9), event("9"))
    excluded = safety.by_term(rows, INFUSED).excluded
    assert excluded[["table", "row", "subject_id", "reason"]].values.tolist() == [
        ["adverse_events", 2, "1", "started before the reference date"],
        ["adverse_events", 3, "9", "not a subject of this analysis"],
    ]


# ----------------------------------------------------------------------------------------- overview


def test_a_blank_relationship_counts_as_related():
    rows = table(
        event("1", related_cart=None), event("2", related_cart="NOT RELATED"), event("3", related_cart="N")
    )
    assert line(safety.overview(rows, INFUSED), "related_cart_teae")["n_subjects"] == 1


def test_a_fatal_outcome_counts_without_grade_5():
    rows = table(event("1", outcome="FATAL", grade=4), event("2", outcome="RECOVERED", grade=5))
    assert line(safety.overview(rows, INFUSED), "fatal_teae")["n_subjects"] == 2


def test_hlh_and_iec_hs_are_one_line():
    rows = table(event("1", aesi="HLH"), event("2", aesi="IEC-HS"))
    assert line(safety.overview(rows, INFUSED), "iec_hs_any")["n_subjects"] == 2
    special = safety.special_interest(rows, INFUSED)
    assert line(special, "HLH", key="category")["n_subjects"] == 2


def test_infections_and_cytopenias_are_found_by_mark_by_class_and_by_term():
    rows = table(
        event("1", aesi="INFECTION"), event("2", soc="INFECTIONS AND INFESTATIONS"), event("3", pt="anaemia"),
        event("3", aesi="CYTOPENIA", grade=3), event("3", pt="Rash", soc="Skin"),
    )  # fmt: skip
    found = safety.overview(rows, INFUSED)
    assert line(found, "infection_any")[["n_subjects", "n_events"]].tolist() == [2, 2]
    assert line(found, "cytopenia_any")[["n_subjects", "n_events"]].tolist() == [1, 2]
    assert line(found, "cytopenia_grade_ge3")["n_events"] == 1


def test_a_prolonged_cytopenia_is_severe_and_there_after_day_28():
    low = {"pt": "Neutropenia", "grade": 4}
    rows = table(
        event("1", **low, end_day=28), event("2", **low, end_day=29), event("3", pt="Neutropenia", end_day=90)
    )
    assert line(safety.overview(rows, INFUSED), "prolonged_cytopenia")["n_subjects"] == 1
    ongoing = table(event("1", **low))
    assert line(safety.overview(ongoing, INFUSED), "prolonged_cytopenia")["n_subjects"] == 1
    died = INFUSED.assign(death_date="2024-04-12")
    assert line(safety.overview(ongoing, died), "prolonged_cytopenia")["n_subjects"] == 0


def test_a_line_whose_column_was_not_collected_is_missing_and_not_zero():
    found = safety.overview(table(event()), INFUSED)
    for name, column in [("serious_teae", "serious"), ("dlt", "dlt"), ("crs_any", "aesi")]:
        row = line(found, name)
        assert np.isnan(row["n_subjects"])
        assert np.isnan(row["estimate"])
        assert row["note"] == f"{column} not collected"
    assert line(found, "any_teae")["n_subjects"] == 1


def test_a_grade_or_a_relation_that_was_not_collected_is_neither_nobody_nor_everybody():
    found = safety.overview(table({"subject_id": "1", "start_day": 5, "pt": "Pyrexia"}), INFUSED)
    open_lines = {
        "any_teae_grade_ge3": "grade", "fatal_teae": "grade and outcome", "related_cart_teae": "related_cart",
        "related_ld_teae": "related_ld", "infection_any": "aesi and soc",
    }  # fmt: skip
    for name, column in open_lines.items():
        assert np.isnan(line(found, name)["n_subjects"])
        assert line(found, name)["note"] == f"{column} not collected"
    assert line(found, "cytopenia_any")["n_subjects"] == 0
    fatal = table({"subject_id": "1", "start_day": 5, "outcome": "FATAL"})
    assert line(safety.overview(fatal, INFUSED), "fatal_teae")["n_subjects"] == 1


@pytest.mark.parametrize("yes", ["Y", "yes", 1, 1.0, True, "true"])
def test_yes_is_yes_however_it_was_written(yes):
    rows = table(event(serious=yes, related_cart=not yes if yes is True else "N"))
    people = pd.DataFrame({"subject_id": ["1"], "infused": [yes]})
    found = safety.overview(rows, people, by=None)
    assert line(found, "serious_teae")["n_subjects"] == 1
    assert line(found, "related_cart_teae")["n_subjects"] == 0
    judged_so = pd.DataFrame({"subject_id": ["1"], "evaluable": [yes], "dlt": [yes]})
    assert safety.dose_limiting_toxicity(people, dlt=judged_so, by=None).summary["n_dlt"].tolist() == [1]


def test_the_lines_stand_in_the_order_of_the_table():
    names = safety.overview(table(event()), INFUSED, by=None).summary["row"].tolist()
    assert names == [
        "any_teae", "any_teae_grade_ge3", "any_teae_grade_missing", "related_cart_teae",
        "related_cart_teae_grade_ge3", "related_ld_teae", "serious_teae", "serious_related_cart_teae",
        "fatal_teae", "dlt", "crs_any", "crs_grade_ge3", "icans_any", "icans_grade_ge3", "iec_hs_any",
        "infection_any", "infection_grade_ge3", "cytopenia_any", "cytopenia_grade_ge3",
        "prolonged_cytopenia", "uncoded_any",
    ]  # fmt: skip


def test_a_subject_without_events_counts_in_the_denominator_only():
    found = safety.overview(table(event()), INFUSED)
    assert line(found, "any_teae")[["n", "n_subjects"]].tolist() == [3, 1]
    assert found.subjects["note"].tolist() == [
        "",
        "no treatment-emergent event",
        "no treatment-emergent event",
    ]


def test_a_dose_level_with_nobody_treated_keeps_its_rows():
    people = INFUSED.assign(dose_level=pd.Categorical([1, 1, 2], categories=[1, 2, 3]))
    for table_of in (safety.overview, safety.by_term, safety.exposure_adjusted, safety.special_interest):
        summary = table_of(table(event(aesi="CRS")), people).summary
        empty = summary[summary["group"] == "3"]
        assert len(empty) == len(summary) / 4
        assert (empty["note"] != "").all()
    dlt = pd.DataFrame({"subject_id": ["1"], "evaluable": ["Y"], "dlt": ["N"]})
    assert safety.dose_limiting_toxicity(people, dlt=dlt).summary["n"].tolist() == [1, 0, 0, 1]


# ------------------------------------------------------------------------------------------ by term


def test_a_missing_grade_never_hides_a_known_one():
    # tern 0.9.7 counts this subject under "Missing".
    rows = table(event(pt="Fever", soc="General", grade=None), event(pt="Fever", soc="General", grade=3))
    row = line(safety.by_term(rows, INFUSED), "Fever", key="pt")
    assert (row["grade_3"], row["grade_missing"], row["grade_ge3"]) == (1, 0, 1)


def test_an_uncoded_event_counts_above_and_stands_last():
    # cards 0.9.0 drops such a record, and the subject with it.
    rows = table(
        event("1", pt=None, soc=None),
        event("2", pt=None, soc="Cardiac"),
        event("3", pt="Flutter", soc="Cardiac"),
    )
    summary = safety.by_term(rows, INFUSED, by=None).summary
    assert summary[["level", "soc", "pt", "n_subjects"]].values.tolist() == [
        ["ANY", "", "", 3], ["SOC", "Cardiac", "", 2], ["PT", "Cardiac", "Flutter", 1],
        ["PT", "Cardiac", "UNCODED", 1], ["SOC", "UNCODED", "", 1], ["PT", "UNCODED", "UNCODED", 1],
    ]  # fmt: skip


def test_one_term_under_two_classes_stays_two_terms():
    rows = table(event("1", pt="Anaphylaxis", soc="Immune"), event("2", pt="Anaphylaxis", soc="Vascular"))
    summary = safety.by_term(rows, INFUSED, by=None).summary
    assert summary.loc[summary["pt"] == "Anaphylaxis", "n_subjects"].tolist() == [1, 1]


def test_ties_stand_in_byte_order():
    rows = table(*(event("1", pt=pt, soc="S") for pt in ("zoster", "Zoster", "\u00c4rger", "abc")))
    summary = safety.by_term(rows, INFUSED, by=None).summary
    assert summary["pt"].tolist()[2:] == ["Zoster", "abc", "zoster", "\u00c4rger"]


def test_no_event_leaves_the_any_row_with_zero():
    found = safety.by_term(pd.DataFrame(columns=["subject_id", "pt", "soc", "grade", "start_day"]), INFUSED)
    assert found.summary[["level", "group", "n", "n_subjects"]].values.tolist() == [
        ["ANY", "1", 2, 0], ["ANY", "2", 1, 0], ["ANY", "ALL", 3, 0]
    ]  # fmt: skip
    assert results.check(found.to_frame()) == []


def test_markup_in_a_term_passes_through_and_is_escaped_in_the_notebook():
    rows = table(event(pt="<b>Fever</b> & chills", soc="General"))
    found = safety.by_term(rows, INFUSED)
    assert "<b>Fever</b> & chills" in found.summary["pt"].tolist()
    assert "General|<b>Fever</b> & chills" in found.to_frame()["param"].tolist()
    assert "<b>Fever</b>" not in found._repr_html_()


# -------------------------------------------------------------------------------------------- rates


def test_the_first_day_and_the_last_day_are_both_under_risk():
    people = INFUSED.assign(followup_end_date="2024-03-15")
    summary = safety.exposure_adjusted(table(event(start_day=0)), people, by=None).summary.iloc[0]
    # One event on day 0 and two subjects followed on day 0 only: three person-days.
    assert summary["person_years"] == pytest.approx(3 / 365.25)
    assert summary["n_first"] == 1


def test_a_longer_year_gives_a_higher_rate():
    rows, rules = table(event()), safety.SafetyRules(year_days=365.24)
    usual = safety.exposure_adjusted(rows, INFUSED, by=None).summary.iloc[0]
    other = safety.exposure_adjusted(rows, INFUSED, by=None, rules=rules).summary.iloc[0]
    assert other["incidence_rate"] == pytest.approx(usual["incidence_rate"] * 365.24 / 365.25)


def test_an_onset_after_death_adds_time_and_no_first_event():
    people = INFUSED.assign(death_date=["2024-03-25", None, None])
    summary = safety.exposure_adjusted(table(event(start_day=11)), people, by=None).summary.iloc[0]
    assert (summary["n_first"], summary["n_events"]) == (0, 1)


def test_an_unknown_end_of_follow_up_leaves_the_rate_open_with_a_note():
    people = INFUSED.drop(columns="followup_end_date")
    summary = safety.exposure_adjusted(table(event()), people, by=None).summary.iloc[0]
    assert np.isnan(summary["incidence_rate"])
    assert summary["note"] == "end of follow-up unknown for a subject of this group"


def test_the_data_cut_off_ends_follow_up_where_nothing_else_does():
    people = INFUSED.drop(columns="followup_end_date").assign(data_cutoff="2024-03-24")
    found = safety.exposure_adjusted(table(event()), people, by=None)
    assert found.subjects["followup_days"].tolist() == [10, 10, 10]


# --------------------------------------------------------------------------- episodes, special interest


def test_records_that_touch_are_one_episode_and_a_free_day_between_is_two():
    touching = table(event(aesi="CRS", start_day=2, end_day=4), event(aesi="CRS", start_day=5, end_day=6))
    apart = table(event(aesi="CRS", start_day=2, end_day=4), event(aesi="CRS", start_day=6, end_day=7))
    assert len(safety.episodes(touching, category="CRS").subjects) == 1
    assert len(safety.episodes(apart, category="CRS").subjects) == 2
    assert len(safety.episodes(apart, category="CRS", gap_days=2).subjects) == 1


def test_a_long_record_covers_a_short_one_inside_it():
    rows = table(
        event(aesi="CRS", start_day=1, end_day=20), event(aesi="CRS", start_day=3, end_day=4),
        event(aesi="CRS", start_day=19, end_day=21),
    )  # fmt: skip
    found = safety.episodes(rows, category="CRS").subjects
    assert found[["start_day", "end_day", "n_records", "duration_days"]].values.tolist() == [[1, 21, 3, 21]]


def test_an_ongoing_episode_ends_with_the_risk_and_without_subjects_stays_open():
    rows = table(event(aesi="CRS", start_day=10))
    people = INFUSED.assign(death_date=["2024-04-04", None, None])
    known = safety.episodes(rows, people, category="CRS").subjects.iloc[0]
    assert (known["end_day"], known["duration_days"], known["ongoing"]) == (20, 11, 1)
    alone = safety.episodes(rows, category="CRS").subjects.iloc[0]
    assert np.isnan(alone["duration_days"])
    assert alone["note"]


def test_a_record_without_a_start_is_excluded_from_episodes_but_its_subject_counted():
    rows = table(event("1", aesi="CRS", start_day=None, grade=4), event("2", aesi="CRS", end_day=7))
    found = safety.special_interest(rows, INFUSED, by=None)
    crs = line(found, "CRS", key="category")
    assert (crs["n_subjects"], crs["n_episodes"], crs["n_grade_ge3"]) == (2, 1, 1)
    assert crs["onset_median"] == 5
    assert found.subjects.set_index("subject_id")["note"]["1"] == "start unknown"
    assert found.excluded["reason"].tolist() == ["start unknown, not in an episode"]


def test_an_episode_keeps_its_records_when_one_ends_before_it_starts():
    rows = table(
        event(aesi="CRS", start_day=2, end_day=5, grade=1), event(aesi="CRS", start_day=6, end_day=4, grade=3),
        event(aesi="CRS", start_day=30, end_day=25),
    )  # fmt: skip
    found = safety.episodes(rows, INFUSED, category="CRS")
    assert found.subjects["n_records"].tolist() == [2, 1]
    assert found.rows(episode=1)["row"].tolist() == [1, 2]
    assert found.rows(episode=2)["row"].tolist() == [3]


def test_a_later_episode_without_an_end_leaves_the_total_open_and_says_so():
    rows = table(event(aesi="CRS", start_day=2, end_day=5), event(aesi="CRS", start_day=30))
    found = safety.special_interest(rows, INFUSED.drop(columns="followup_end_date"), by=None)
    assert found.subjects[["total_days", "note"]].isna().to_numpy().tolist() == [[True, False]]
    assert found.subjects["note"].tolist() == ["duration of a later episode unknown"]
    assert line(found, "CRS", key="category")["note"] == "days unknown"


def test_nobody_with_it_says_so():
    row = line(safety.special_interest(table(event(aesi="CRS")), INFUSED), "ICANS", key="category")
    assert (row["n_subjects"], row["estimate"]) == (0, 0)
    assert np.isnan(row["onset_median"])
    assert row["note"] == "nobody had ICANS"


# -------------------------------------------------------------------------------------------- DLT


CONTACT = pd.DataFrame({"subject_id": ["1", "2", "3"], "event": "LAST_CONTACT", "day": [200, 28, 27]})


def judged(rows, subjects=INFUSED, events=CONTACT, **options):
    people = subjects.drop(columns="followup_end_date", errors="ignore")
    found = safety.dose_limiting_toxicity(people, adverse_events=rows, events=events, **options)
    return found.subjects.set_index("subject_id")


def test_the_window_is_complete_with_contact_on_day_28_and_not_on_day_27():
    found = judged(table(event(grade=1)))
    assert found["evaluable"].tolist() == [1, 1, 0]
    assert found["reason"].tolist() == ["", "", "LOST_TO_FOLLOW_UP"]


def test_the_reason_names_the_term_and_the_clause():
    found = judged(table(event(pt="Sepsis", grade=5), event(pt="Rash", grade=3, end_day=30)))
    assert found["reason"]["1"] == "Sepsis: grade 5; Rash: grade 3 for more than 7 days"


def test_the_first_reason_that_applies_is_given():
    people = INFUSED.assign(
        infused=["N", "Y", "Y"], planned_dose_1e6_kg=1.0, actual_dose_1e6_kg=[np.nan, 0.79, 0.8]
    )
    course = pd.DataFrame(
        {"subject_id": ["2", "3", "3"], "event": ["NEW_THERAPY", "NEW_THERAPY", "DEATH"], "day": [20, 28, 27]}
    )
    assert judged(table(event(grade=1)), people, course)["reason"].tolist() == [
        "NOT_INFUSED", "UNDERDOSED", "NEW_THERAPY"
    ]  # fmt: skip
    assert judged(table(event(grade=1)), people, course[course["event"] == "DEATH"])["reason"]["3"] == "DEATH"


def test_exactly_eighty_percent_of_the_planned_dose_is_enough_in_any_unit():
    planned = np.array([0.1, 0.3, 0.7])
    people = INFUSED.assign(planned_dose_1e6_kg=planned, actual_dose_1e6_kg=[0.08, 0.24, 0.56])
    contact = CONTACT.assign(day=99)
    assert judged(table(event(grade=1)), people, contact)["evaluable"].tolist() == [1, 1, 1]


def test_a_missing_grade_is_no_dlt_but_a_query():
    found = judged(table(event(pt="Fever", grade=None)))
    assert found["dlt"]["1"] == 0
    assert found["note"]["1"] == "not judged, grade or start missing: Fever"


def test_an_ongoing_event_lasts_to_the_last_contact():
    rows = table(event("1", pt="Rash", grade=3), event("2", pt="Rash", grade=3, start_day=22))
    found = judged(rows)
    # Subject 1 from day 5 to day 200; subject 2 from day 22 to day 28: seven days, not more.
    assert found["dlt"].tolist() == [1, 0, 0]


def test_the_adjudicated_table_counts_before_derivation():
    dlt = pd.DataFrame(
        {"subject_id": ["1", "2"], "evaluable": ["Y", "N"], "dlt": ["Y", "N"], "dlt_term": ["CRS", None],
         "not_evaluable_reason": [None, "lost"]}
    )  # fmt: skip
    found = safety.dose_limiting_toxicity(INFUSED, dlt=dlt, adverse_events=table(event(grade=5)))
    assert found.source == "adjudicated"
    assert found.subjects["reason"].tolist() == ["CRS", "lost", ""]
    assert found.subjects["note"].tolist() == ["", "", "not in the dlt table"]
    assert found.summary[["n_infused", "n", "n_dlt"]].values.tolist() == [[2, 1, 1], [1, 0, 0], [3, 1, 1]]


def test_neither_table_is_refused():
    with pytest.raises(ValueError, match="needs dlt or adverse_events, got neither"):
        safety.dose_limiting_toxicity(INFUSED)


def test_without_any_subject_every_row_of_the_dlt_table_is_a_stranger():
    dlt = pd.DataFrame({"subject_id": ["1", "2", "2"], "evaluable": "Y", "dlt": "Y"})
    nobody, reports = INFUSED.head(0), table(event(grade=5))
    adjudicated = safety.dose_limiting_toxicity(nobody, dlt=dlt)
    derived = safety.dose_limiting_toxicity(nobody, adverse_events=reports)
    both = safety.compare_dlt(nobody, dlt=dlt, adverse_events=reports)
    for found, n_rows in ((adjudicated, 3), (derived, 1), (both, 4)):
        assert found.excluded["reason"].tolist() == ["not a subject of this analysis"] * n_rows
        assert len(found.subjects) == 0
        assert found.summary[["group", "n"]].values.tolist() == [["ALL", 0]]
        assert results.check(found.to_frame()) == []
    assert adjudicated.excluded["row"].tolist() == [1, 2, 3]
    usual = safety.dose_limiting_toxicity(INFUSED, dlt=dlt)
    assert list(adjudicated.subjects.columns) == list(usual.subjects.columns)
    assert len(adjudicated.rows()) == 0


def test_three_without_a_dlt_leave_high_rates_possible():
    dlt = pd.DataFrame({"subject_id": ["1", "2", "3"], "evaluable": "Y", "dlt": "N"})
    row = safety.dose_limiting_toxicity(INFUSED, dlt=dlt, by=None).summary.iloc[0]
    # Closed forms for 0 of 3: 1 - 0.025^(1/3) and 1 - 0.05^(1/3).
    assert row["ci_high"] == pytest.approx(1 - 0.025 ** (1 / 3), rel=1e-12)
    assert row["upper_one_sided"] == pytest.approx(1 - 0.05 ** (1 / 3), rel=1e-12)


def test_the_rates_are_of_the_evaluable_in_the_long_form():
    dlt = pd.DataFrame({"subject_id": ["1", "2", "3"], "evaluable": "Y", "dlt": "N"})
    long = safety.dose_limiting_toxicity(INFUSED, dlt=dlt).to_frame()
    assert set(long.loc[long["subject_id"] == "", "population"]) == {"DLT_EVALUABLE"}
    assert set(long.loc[long["subject_id"] != "", "population"]) == {"INFUSED"}
    assert results.check(long) == []


# ------------------------------------------------------------------------------------------- ICAHT


def anc(values, unit="10^9/L", subject="1"):
    return pd.DataFrame(
        {"subject_id": subject, "test": "ANC", "day": range(len(values)), "value": values, "unit": unit}
    )


def test_the_units_of_a_count_are_converted():
    low = [0.3] * 7 + [2.0] * 24
    for unit, factor in [("10^9/L", 1), ("10^3/uL", 1), ("cells/uL", 1000), ("/mm3", 1000)]:
        labs = anc([value * factor for value in low], unit)
        found = safety.icaht(labs, INFUSED).subjects.iloc[0]
        assert (found["days_le_500"], found["early_grade"], found["recovery_day"]) == (7, 2, 7)


def test_a_negative_count_and_an_unknown_unit_are_told_together():
    labs = anc([0.5, -1.0, 2.0]).assign(unit=["furlong", "10^9/L", "10^9/L"])
    with pytest.raises(errors.DataError) as caught:
        safety.icaht(labs, INFUSED)
    told = [(problem.row, problem.rule) for problem in caught.value.problems]
    assert told == [(1, "UNIT-UNKNOWN"), (2, "NUMBER-NEGATIVE")]


def test_an_unknown_unit_is_refused_row_by_row():
    with pytest.raises(errors.DataError, match="2 problems") as refused:
        safety.icaht(anc([1.0, 2.0], "furlong"), INFUSED)
    assert refused.value.to_frame()["row"].tolist() == [1, 2]


def test_hsct_ends_the_late_period():
    labs = pd.concat([anc([2.0] * 31), anc([2.0] * 31).assign(day=[60] * 31, value=0.05)])
    hsct = pd.DataFrame({"subject_id": ["1"], "event": ["HSCT"], "day": [50]})
    assert safety.icaht(labs, INFUSED).subjects["late_grade"][0] == 4
    ended = safety.icaht(labs, INFUSED, hsct).subjects.iloc[0]
    assert np.isnan(ended["late_grade"])
    assert "no ANC on days 31 to 50" in ended["note"]


def test_dates_stand_in_for_days_in_the_laboratory_table():
    labs = anc([0.4] * 3 + [1.0] * 28).drop(columns="day")
    labs["sample_date"] = pd.date_range("2024-03-15", periods=31).strftime("%Y-%m-%d")
    assert safety.icaht(labs, INFUSED).subjects["days_le_500"][0] == 3


def test_everybody_has_a_row_and_a_reason():
    found = safety.icaht(anc([2.0] * 31), INFUSED.assign(infused=["Y", "Y", "N"]))
    assert found.subjects["early_grade"].isna().tolist() == [False, True, True]
    assert found.subjects["note"][2] == "not infused"
    assert found.summary[["group", "n", "n_graded", "n_grade_ge3"]].values.tolist() == [
        ["1", 2, 1, 0], ["2", 1, 0, 0], ["ALL", 3, 1, 0]
    ]  # fmt: skip
    assert results.check(found.to_frame()) == []


# ------------------------------------------------------------------------------------------- rules


def test_records_and_frames_give_the_same_numbers():
    people = [records.Subject(subject_id="1", infused="Y", infusion_date="2024-03-15", dose_level=1)]
    events = [
        records.AdverseEvent(subject_id="1", pt="Fever", soc="General", grade=3, start_date="2024-03-20")
    ]
    one = safety.by_term(events, people).summary
    frame = pd.DataFrame(
        [{"subject_id": "1", "pt": "Fever", "soc": "General", "grade": 3, "start_date": "2024-03-20"}]
    )
    other = safety.by_term(frame, pd.DataFrame([people[0].model_dump()])).summary
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    ("rules", "options", "message"),
    [
        (safety.SafetyRules, {"ci_method": "guess"}, "ci_method must be one of clopper-pearson"),
        (safety.DltRules, {"ci_method": "guess"}, "ci_method must be one of clopper-pearson"),
        (safety.SafetyRules, {"year_days": 0}, "greater than 0"),
        (safety.SafetyRules, {"window_days": -1}, "greater than or equal to 0"),
        (safety.DltRules, {"min_dose_fraction": 80}, "less than or equal to 1"),
        (safety.SafetyRules, {"referenz": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_rule_is_refused(rules, options, message):
    with pytest.raises(ValueError, match=message):
        rules(**options)


def test_a_group_that_is_no_column_is_refused():
    with pytest.raises(ValueError, match="by must name a column of subjects"):
        safety.by_term(table(event()), INFUSED, by="cohort")


def test_a_wider_level_gives_wider_limits():
    rows = table(event())
    usual = line(safety.overview(rows, INFUSED), "any_teae")
    wider = line(safety.overview(rows, INFUSED, rules=safety.SafetyRules(conf_level=0.99)), "any_teae")
    assert wider["ci_low"] < usual["ci_low"] < usual["ci_high"] < wider["ci_high"]
    assert wider["conf_level"] == 0.99


def test_without_the_aesi_column_nobody_is_said_to_be_free_of_crs():
    found = safety.special_interest(table(event(pt="Cytokine release syndrome")), INFUSED)
    assert found.summary[["n_subjects", "estimate", "onset_median"]].isna().all().all()
    assert set(found.summary["note"]) == {"aesi not collected"}
    assert results.check(found.to_frame()) == []


def test_a_yes_or_no_column_that_is_blank_throughout_was_not_collected():
    rows = table(event(serious=None, dlt=None), event(serious=None, dlt="N"))
    found = safety.overview(rows, INFUSED)
    assert line(found, "serious_teae")["note"] == "serious not collected"
    assert line(found, "dlt")["n_subjects"] == 0


@pytest.mark.parametrize(
    "result",
    [safety.OverviewResult, safety.TermResult, safety.ExposureAdjustedResult, safety.SpecialInterestResult,
     safety.DltResult],
)  # fmt: skip
def test_the_figure_of_each_result_exists(result):
    from cart7.report import figures

    assert callable(getattr(figures, result.figure))


def test_the_room_opens_without_heavy_libraries():
    import subprocess
    import sys

    code = "import sys, cart7.safety; print([m for m in ('scipy.stats', 'lifelines', 'matplotlib') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", [object, "category"])
def test_terms_are_counted_alike_from_text_and_from_categories(kind):
    people = pd.DataFrame({"subject_id": ["1", "2", "3"], "infused": "Y"})
    reports = pd.DataFrame(
        {"subject_id": ["1", "2", " 2", "9", "3"], "soc": ["B ", "B", "A", "A", None],
         "pt": ["y", "y ", "x", "x", "unused"], "grade": [1, 3, 2, 5, np.nan], "start_day": [1, 2, 3, 4, -5]}
    )  # fmt: skip
    words = ["subject_id", "soc", "pt"]
    found = safety.by_term(reports.astype(dict.fromkeys(words, kind)), people, by=None)
    assert found.summary[["soc", "pt", "n_subjects", "grade_3"]].to_numpy().tolist() == [
        ["", "", 2, 1], ["B", "", 2, 1], ["B", "y", 2, 1], ["A", "", 1, 0], ["A", "x", 1, 0]
    ]  # fmt: skip
    assert found.excluded["reason"].tolist() == [
        "not a subject of this analysis",
        "started before the reference date",
    ]
    assert found.rows(soc="A")["subject_id"].tolist() == ["2"]


def test_the_table_of_subjects_is_laid_out_once_when_it_is_read():
    found = safety.by_term(
        pd.DataFrame({"subject_id": ["1"], "soc": "A", "pt": "x", "start_day": 1}),
        pd.DataFrame({"subject_id": ["1"], "infused": "Y"}),
    )
    assert found.subjects is found.subjects
    assert found.subjects[["subject_id", "pt", "n_events"]].to_numpy().tolist() == [["1", "x", 1]]
    assert "subjects" not in repr(found)
