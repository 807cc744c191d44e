"""From a cell of a safety table back to its records, and the queries beside the tables."""

import pandas as pd
import pytest

import cart7
from cart7 import errors, safety

STUDY = cart7.example_study()
INFUSED = STUDY.subjects[STUDY.subjects["infused"] == "Y"]
PEOPLE = pd.DataFrame(
    {"subject_id": ["1", "2"], "dose_level": [1, 2], "infused": "Y", "infusion_date": "2024-03-15",
     "followup_end_date": "2024-12-31"}
)  # fmt: skip


def test_the_rows_of_every_cell_of_the_term_table_make_up_its_counts():
    found = safety.by_term(STUDY.adverse_events, INFUSED, events=STUDY.events)
    words = {"grade_missing": "missing", "grade_ge3": ">=3"} | {f"grade_{g}": str(g) for g in range(1, 6)}
    for cell in found.summary.to_dict("records"):
        key = {name: cell[name] for name in ("level", "soc", "pt", "group")}
        rows = found.rows(**key)
        assert (len(rows), rows["subject_id"].nunique()) == (cell["n_events"], cell["n_subjects"])
        for column, grade_group in words.items():
            assert found.rows(**key, grade_group=grade_group)["subject_id"].nunique() == cell[column]


def test_the_rows_of_every_line_of_the_overview_make_up_its_counts():
    found = safety.overview(STUDY.adverse_events, INFUSED, events=STUDY.events)
    for cell in found.summary.to_dict("records"):
        rows = found.rows(row=cell["row"], group=cell["group"])
        assert (len(rows), rows["subject_id"].nunique()) == (cell["n_events"], cell["n_subjects"])


def test_the_rows_of_every_shift_make_up_its_count():
    found = safety.lab_shift(STUDY.labs, INFUSED)
    for cell in found.summary.to_dict("records"):
        key = {name: cell[name] for name in ("test", "direction", "group", "baseline_grade", "worst_grade")}
        assert found.rows(**key)["subject_id"].nunique() == cell["n"]


def test_a_row_number_is_that_of_the_input():
    events = pd.DataFrame({"subject_id": ["1", "2", "1"], "start_day": [-9, 3, 4], "grade": [1, 2, 5],
                           "pt": ["A", "B", None], "soc": "S"})  # fmt: skip
    rows = safety.by_term(events, PEOPLE).rows(soc="S", grade_group="3-5")
    assert rows[["table", "row", "subject_id", "term", "grade", "start_day"]].values.tolist() == [
        ["adverse_events", 3, "1", "UNCODED", 5, 4]
    ]


def test_a_class_is_traced_at_its_own_worst_grade_and_not_at_that_of_its_terms():
    events = pd.DataFrame(
        {"subject_id": "1", "start_day": [1, 2], "grade": [3, 5], "pt": ["A", "B"], "soc": "S"}
    )
    found = safety.by_term(events, PEOPLE)
    assert found.rows(soc="S", grade_group="3").empty
    assert found.rows(soc="S", pt="A", grade_group="3")["term"].tolist() == ["A"]


def test_the_rows_of_an_episode_are_the_records_merged_into_it():
    events = pd.DataFrame({"subject_id": "1", "aesi": "CRS", "start_day": [9, 1, 2], "end_day": [9, 2, 3]})
    found = safety.episodes(events, PEOPLE, category="CRS")
    assert found.rows(subject_id="1", episode=1)["row"].tolist() == [2, 3]
    assert found.rows(subject_id="1", episode=2)["row"].tolist() == [1]


def test_a_dose_limiting_toxicity_is_traced_to_the_table_that_states_it():
    stated = safety.dose_limiting_toxicity(INFUSED, dlt=STUDY.dlt, events=STUDY.events)
    assert stated.rows(group=3)[["table", "row"]].values.tolist() == [["dlt", 8]]
    derived = safety.dose_limiting_toxicity(INFUSED, adverse_events=STUDY.adverse_events, events=STUDY.events)
    assert set(derived.rows(group=3)["subject_id"]) == {"CD7-007", "CD7-008"}


@pytest.mark.parametrize(
    ("key", "message"),
    [({"group": "9"}, "group must be one of 1, 2, ALL"), ({"grade_group": "6"}, "grade_group must be any"),
     ({"term": "A"}, "a cell is named by level, soc, pt, group, grade_group; got term"),
     ({"pt": "B"}, "no row of the table is named")],
)  # fmt: skip
def test_a_cell_that_is_not_there_is_refused(key, message):
    events = pd.DataFrame({"subject_id": ["1"], "start_day": [1], "pt": ["A"], "soc": ["S"]})
    with pytest.raises(ValueError, match=message):
        safety.by_term(events, PEOPLE).rows(**key)


def test_every_doubtful_record_is_named_with_table_row_and_column():
    events = pd.DataFrame(
        {"subject_id": ["1", "1", "1", "2", "X", "1"], "start_date": ["2024-03-20"] * 5 + ["20MAR24"],
         "end_date": ["2024-03-18", None, None, None, None, None], "grade": [1, 7, None, 2, 1, 1],
         "pt": ["A", "A", "A", None, "A", "A"]}
    )  # fmt: skip
    asked = safety.queries(events, PEOPLE.assign(death_date=[None, "2024-03-19"]))
    assert set(asked["table"]) == {"adverse_events"}
    assert asked[["row", "column", "rule"]].values.tolist() == [
        [1, "end_date", "AE-END-BEFORE-START"], [2, "grade", "AE-GRADE-UNKNOWN"], [3, "grade", "AE-GRADE-MISSING"],
        [4, "start_date", "AE-AFTER-DEATH"], [4, "pt", "AE-UNCODED-TERM"], [5, "subject_id", "AE-UNKNOWN-SUBJECT"],
        [6, "start_date", "AE-DATE-UNREADABLE"], [6, "start_date", "AE-START-MISSING"],
    ]  # fmt: skip


def test_the_queries_of_a_table_stand_beside_it():
    events = pd.DataFrame(
        {"subject_id": ["1"], "start_day": [1], "grade": [None], "soc": ["S"], "pt": [None]}
    )
    found = safety.by_term(events, PEOPLE)
    assert found.queries["rule"].tolist() == ["AE-GRADE-MISSING", "AE-UNCODED-TERM"]
    assert safety.by_term(events.assign(grade=1, pt="A"), PEOPLE).queries.empty


def test_a_grade_that_is_none_counts_as_missing_everywhere():
    events = pd.DataFrame(
        {"subject_id": ["1", "2"], "start_day": 1, "grade": [6, 2.5], "pt": "A", "soc": "S"}
    )
    summary = safety.overview(events, PEOPLE, by=None).summary.set_index("row")["n_subjects"]
    assert summary[["any_teae", "any_teae_grade_ge3", "any_teae_grade_missing"]].tolist() == [2, 0, 2]
    assert safety.by_term(events, PEOPLE, by=None).summary["grade_missing"].tolist() == [2, 2, 2]
    note = safety.dose_limiting_toxicity(PEOPLE, adverse_events=events).subjects["note"]
    assert note.str.startswith("not judged, grade or start missing").all()


def test_a_negative_laboratory_value_is_refused_beside_an_unknown_unit():
    labs = pd.DataFrame({"subject_id": "1", "day": [1, 2, 3], "test": "PLT", "value": [-3, 5, 40],
                         "unit": ["10^9/L", "furlong", "10^9/L"]})  # fmt: skip
    with pytest.raises(errors.DataError) as refused:
        safety.lab_grades(labs, PEOPLE)
    assert refused.value.to_frame()[["table", "row", "column", "rule"]].values.tolist() == [
        ["labs", 2, "unit", "UNKNOWN-UNIT"], ["labs", 1, "value", "NUMBER-NEGATIVE"]
    ]  # fmt: skip
    with pytest.raises(errors.DataError, match="cannot be negative"):
        safety.icaht(labs.assign(test="ANC", unit="10^9/L"), PEOPLE)


@pytest.mark.parametrize("day", [28, 90])
def test_the_rows_of_a_cytopenia_are_the_values_that_were_judged(day):
    found = safety.cytopenia(STUDY.labs, INFUSED, day=day, by="dose_level")
    for cell in found.summary.to_dict("records"):
        rows = found.rows(test=cell["test"], group=cell["group"])
        assert len(rows) == rows["subject_id"].nunique() == cell["n"]
        assert len(found.rows(test=cell["test"], group=cell["group"], grade_ge3=1)) == cell["n_event"]
    values = STUDY.labs.loc[found.rows(test="ANC")["row"], "value"]
    assert values.tolist() == found.subjects.query("test == 'ANC'")["value"].dropna().tolist()


@pytest.mark.parametrize("grade", [safety.icaht, safety.icaht_platelets])
def test_the_rows_of_haematotoxicity_are_the_counts_of_the_subjects_so_graded(grade):
    found = grade(STUDY.labs, INFUSED, STUDY.events)
    for worst, of in found.subjects.groupby("early_grade")["subject_id"]:
        rows = found.rows(period="early", early_grade=f"{worst:g}")
        assert set(rows["subject_id"]) == set(of)
        assert rows["start_day"].between(-1, 31, inclusive="neither").all()
    severe = found.subjects["early_grade"] >= 3
    assert found.summary["n_grade_ge3"].iloc[-1] == severe.sum()
    source = STUDY.labs.loc[found.rows()["row"]]
    assert set(source["test"]) == ({"ANC"} if grade is safety.icaht else {"PLT"})


def test_the_rows_of_the_iec_hs_screen_are_the_ferritins_and_the_values_near_them():
    labs = pd.DataFrame(
        [["1", 9.0, "FERRITIN", 9000.0, "ug/L", 400.0], ["1", 8.0, "ALT", 400.0, "U/L", 40.0],
         ["1", 20.0, "ALT", 30.0, "U/L", 40.0], ["2", 9.0, "FERRITIN", 300.0, "ug/L", 400.0]],
        columns=["subject_id", "day", "test", "value", "unit", "uln"],
    )  # fmt: skip
    found = safety.iec_hs_screen(labs, PEOPLE)
    assert found.rows(screen="1")["row"].tolist() == [1, 2]
    assert found.rows(screen="0")["row"].tolist() == [4]
    assert found.rows(screen="1", test="ALT")[["term", "start_day"]].values.tolist() == [["ALT", 8.0]]
    assert found.rows(group="2")["subject_id"].tolist() == ["2"]


def test_lab_rows_are_numbered_as_in_their_file_when_the_table_was_cut():
    labs = STUDY.labs[STUDY.labs["test"] == "PLT"]
    found = safety.lab_shift(labs, INFUSED)
    assert set(STUDY.labs.loc[found.rows()["row"], "test"]) == {"PLT"}
