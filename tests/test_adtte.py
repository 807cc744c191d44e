"""Times to event as ADTTE rows: their shape, codes, dates, and the record behind each date."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7 import survival
from cart7.examples import STUDY_FOLDER
from cart7.survival import STRATEGIES, TimeToEventRules
from cart7.times import adtte

DATA = Path(__file__).parent / "data" / "survival"
POLICIES = ("ignore", "censor-last-assessment", "censor-at-hsct", "competing", "time-dependent")
NO_TIME = ("NOT_INFUSED", "NOT_RESPONDER", "DATA_ERROR_DEATH_BEFORE_INFUSION")
DATE_COLUMN = {"events": "date", "responses": "assessment_date", "subjects": "infusion_date"}


def subjects(n=1, **columns):
    return pd.DataFrame({"subject_id": [f"S{i + 1}" for i in range(n)], **columns})


def events(*rows):
    columns = ["subject_id", "event", "day"]
    return pd.DataFrame([("S1", *row) if len(row) == 2 else row for row in rows], columns=columns)


def assessed(*rows):
    columns = ["subject_id", "day", "overall_response"]
    return pd.DataFrame([("S1", *row) if len(row) == 2 else row for row in rows], columns=columns)


def exported(happened, seen=None, people=None, endpoint="PFS", **rules):
    """The rows of one endpoint."""
    people = subjects(infusion_date="2024-01-31") if people is None else people
    plan = TimeToEventRules(**rules)
    return survival.time_to_event(people, happened, seen, endpoint=endpoint, rules=plan).to_adtte()


def sources(row):
    return row[["SRCDOM", "SRCVAR", "SRCSEQ"]].tolist()


def example_study():
    return [pd.read_csv(STUDY_FOLDER / f"{name}.csv") for name in ("subjects", "events", "responses")]


def reasoned_study():
    """42 invented subjects whose every rule was reasoned by hand, as tables with dates."""
    people = pd.read_csv(DATA / "adtte_subjects.csv").rename(columns={"subject": "subject_id"})
    config = json.loads((DATA / "adtte_config.json").read_text(encoding="utf-8"))
    words = {"death_date": "DEATH", "last_known_alive": "LAST_CONTACT", "new_therapy_date": "NEW_THERAPY",
             "hsct_date": "HSCT"}  # fmt: skip
    happened = people.melt("subject_id", list(words), "event", "date").dropna(
        subset="date", ignore_index=True
    )
    happened["event"] = happened["event"].map(words)
    seen = pd.read_csv(DATA / "adtte_assessments.csv").rename(
        columns={"subject": "subject_id", "date": "assessment_date", "response": "overall_response"}
    )
    seen["overall_response"] = seen["overall_response"].replace("REL", "RELAPSE")
    people = people[["subject_id", "infusion_date"]].assign(data_cutoff=config["data_cutoff"])
    visits = tuple((day, config["window_days"]) for day in config["scheduled_days_from_infusion"])
    rules = {"missed_visits": config["missed_visits_to_censor"], "schedule": visits}
    return people, happened, seen, rules


def all_of(day_one=False):
    """ADTTE rows of the reasoned study, every endpoint under every HSCT policy."""
    people, happened, seen, rules = reasoned_study()
    plans = {name: TimeToEventRules(hsct=name, day_one=day_one, failure_day=60, **rules) for name in POLICIES}
    table = survival.endpoint_table(people, happened, seen, by=None, strategies=plans)
    return table, table.to_adtte(), {"subjects": people, "events": happened, "responses": seen}


# ---- shape --------------------------------------------------------------------------------------


def test_columns_and_types():
    rows = exported(events(("DEATH", 50)), assessed((28, "CR")))
    assert list(rows) == [
        "STUDYID", "USUBJID", "SUBJID", "PARAMCD", "PARAM", "PARCAT1", "PARCAT2", "AVAL", "AVALU", "CNSR", "STARTDT",
        "ADT", "ADY", "EVNTDESC", "CNSDTDSC", "SRCDOM", "SRCVAR", "SRCSEQ", "ANL01FL", "REASON", "NOTE",
    ]  # fmt: skip
    assert all(len(name) <= 8 and name == name.upper() for name in rows)
    numbers = ["AVAL", "CNSR", "ADY", "SRCSEQ"]
    assert (rows[numbers].dtypes == np.float64).all()
    assert not rows.drop(columns=numbers).isna().any(axis=None)
    assert rows.iloc[0].to_dict() == {
        "STUDYID": "", "USUBJID": "S1", "SUBJID": "S1", "PARAMCD": "PFS", "PARAM": "Progression-Free Survival (days)",
        "PARCAT1": "PFS", "PARCAT2": "", "AVAL": 50, "AVALU": "DAYS", "CNSR": 0, "STARTDT": "2024-01-31",
        "ADT": "2024-03-21", "ADY": 51, "EVNTDESC": "DEATH", "CNSDTDSC": "", "SRCDOM": "events", "SRCVAR": "day",
        "SRCSEQ": 1, "ANL01FL": "Y", "REASON": "DEATH", "NOTE": "",
    }  # fmt: skip


def test_everybody_has_one_row_for_each_endpoint_and_strategy():
    people, happened, seen = example_study()
    table = survival.endpoint_table(people, happened, seen, strategies=STRATEGIES)
    rows = table.to_adtte(study_id="CD7-EX-01")
    assert len(rows) == len(people) * 9
    assert not rows.duplicated(["USUBJID", "PARAMCD"]).any()
    assert rows["USUBJID"].tolist() == sorted(rows["USUBJID"])
    assert (rows["USUBJID"] == "CD7-EX-01-" + rows["SUBJID"]).all()
    assert rows.groupby("PARAM")["PARAMCD"].nunique().eq(1).all()
    assert rows["PARAMCD"].head(9).tolist() == [
        "OSTP", "OSCENS", "OSHC", "PFSTP", "PFSCENS", "PFSHC", "DORTP", "DORCENS", "DORHC"
    ]  # fmt: skip
    assert rows["PARAM"].iloc[5] == "Progression-Free Survival, hsct competing (days)"
    assert rows[["PARCAT1", "PARCAT2"]].iloc[5].tolist() == ["PFS", "hsct-competing"]


def test_nobody_and_no_rows_give_the_empty_shape():
    nobody = survival.time_to_event(subjects(0), events(), assessed(), endpoint="PFS").to_adtte()
    assert len(nobody) == 0
    assert list(nobody) == list(adtte.ADTTE_COLUMNS)
    alone = exported(events(), assessed())
    assert alone[["AVAL", "CNSR", "REASON"]].values.tolist() == [[0, 4, "NO_POSTBASELINE_ASSESSMENT"]]
    assert survival.endpoint_table(subjects(0), events(), assessed()).to_adtte().empty


def test_what_comes_out_does_not_change_what_went_in():
    result = survival.time_to_event(subjects(), events(("DEATH", 50)))
    before, behind = result.subjects.copy(), result.sources.copy()
    result.to_adtte(study_id="X")
    pd.testing.assert_frame_equal(result.subjects, before)
    pd.testing.assert_frame_equal(result.sources, behind)


# ---- codes --------------------------------------------------------------------------------------


def test_codes_of_strategies_are_short_and_different():
    names = (
        "treatment-policy",
        "the policy",
        "a b c d e f g h",
        "censored",
        "censorings",
        "x",
        "???",
        "plan",
        "!",
    )
    plans = {name: TimeToEventRules() for name in names}
    rows = survival.endpoint_table(subjects(), events(("DEATH", 50)), assessed(), by=None, strategies=plans)
    codes = rows.to_adtte()[["PARAMCD", "PARCAT1", "PARCAT2"]].drop_duplicates()
    assert len(codes) == codes["PARAMCD"].nunique() == 3 * len(names)
    assert codes["PARAMCD"].str.fullmatch(r"[A-Z][A-Z0-9]{0,7}").all()
    progression_free = codes[codes["PARCAT1"] == "PFS"]["PARAMCD"].tolist()
    assert progression_free == [
        "PFSTP",
        "PFSTP2",
        "PFSABCDE",
        "PFSCENS",
        "PFSCENS2",
        "PFSX",
        "PFS",
        "PFS2",
        "PFS3",
    ]


def test_parameters_take_the_words_of_the_sponsor():
    table = survival.endpoint_table(subjects(), events(("DEATH", 50)), None, by=None, strategies=STRATEGIES)
    rows = table.to_adtte(parameters={"OS:censor": ("OSSENS", "Overall Survival, Sensitivity (days)")})
    assert rows[["PARAMCD", "PARAM"]].values.tolist() == [
        ["OSTP", "Overall Survival, treatment policy (days)"],
        ["OSSENS", "Overall Survival, Sensitivity (days)"],
        ["OSHC", "Overall Survival, hsct competing (days)"],
    ]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"PFS": ("PFS", "x")}, "parameters must name OS, got PFS"),
        (
            {"OS": ("OVERALLSURV", "x")},
            "PARAMCD of 1 to 8 capitals or digits, a letter first, got OVERALLSURV",
        ),
        ({"OS": ("1OS", "x")}, "got 1OS"),
        ({"OS": ("", "x")}, "PARAMCD of 1 to 8"),
    ],
)
def test_impossible_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        survival.time_to_event(subjects(), events(("DEATH", 50))).to_adtte(parameters=parameters)


def test_a_code_may_not_stand_for_two_parameters():
    table = survival.endpoint_table(subjects(), events(("DEATH", 50)), None, by=None, strategies=STRATEGIES)
    both = {"OS:censor": ("OS", "a"), "OS:treatment-policy": ("OS", "b")}
    with pytest.raises(ValueError, match="different PARAMCD"):
        table.to_adtte(parameters=both)


# ---- events, censorings and their words -----------------------------------------------------------


@pytest.mark.parametrize("day_one", [False, True])
def test_all_reasoned_records_agree_with_the_times_they_come_from(day_one):
    table, rows, _ = all_of(day_one)
    found = table.subjects.set_index(["subject_id", "endpoint", "strategy"])
    found = found.loc[list(rows[["SUBJID", "PARCAT1", "PARCAT2"]].itertuples(index=False, name=None))]
    assert len(rows) == 42 * 4 * 5
    assert ((rows["CNSR"] == 0).to_numpy() == (found["event"] == 1).to_numpy()).all()
    assert ((rows["CNSR"] == 9).to_numpy() == (found["cause"] == 2).to_numpy()).all()
    np.testing.assert_array_equal(rows["AVAL"], found["time"])
    assert rows["REASON"].tolist() == found["reason"].tolist()
    timed = rows["AVAL"].notna()
    assert (rows["ANL01FL"] == np.where(timed, "Y", "")).all()
    days = pd.to_datetime(rows["ADT"][timed]) - pd.to_datetime(rows["STARTDT"][timed])
    assert ((days.dt.days + day_one) == rows["AVAL"][timed]).all()  # the round trip, as CDISC checks it
    assert (rows.loc[~timed, ["STARTDT", "ADT", "AVALU", "EVNTDESC", "CNSDTDSC"]] == "").all(axis=None)
    assert rows.loc[~timed, ["CNSR", "ADY"]].isna().all(axis=None)


def test_every_reason_has_words_and_every_censoring_its_own_number():
    _, rows, _ = all_of()
    timed = rows["AVAL"].notna()
    assert set(rows["REASON"][timed]) == set(adtte.ENDS) - {"SECOND_INFUSION"}
    assert set(rows["REASON"][~timed]) == set(NO_TIME)
    assert (rows["EVNTDESC"][timed] != "").all()
    assert (rows["NOTE"][~timed] != "").all()
    assert ((rows["CNSDTDSC"] != "") == (rows["CNSR"] > 0)).all()
    assert sorted(adtte.CNSR.values()) == list(range(1, 9))
    assert set(adtte.CNSR) | {"DEATH", "PROGRESSION", "TREATMENT_FAILURE"} == set(adtte.ENDS)
    censored = rows[(rows["CNSR"] > 0) & (rows["CNSR"] < 9)]
    assert (censored["REASON"].map(adtte.CNSR) == censored["CNSR"]).all()


def test_a_competing_transplant_has_its_own_number_and_words():
    happened, seen = events(("HSCT", 62), ("DEATH", 90)), assessed((28, "CR"))
    row = exported(happened, seen, hsct="competing").iloc[0]
    assert row[["AVAL", "CNSR", "EVNTDESC", "CNSDTDSC"]].tolist() == [
        62, 9, "TRANSPLANT (HSCT) AS A COMPETING EVENT", "TRANSPLANT (HSCT)"
    ]  # fmt: skip
    assert sources(row) == ["events", "day", 1]
    row = exported(happened, seen, hsct="censor-at-hsct").iloc[0]
    assert row[["AVAL", "CNSR", "EVNTDESC", "CNSDTDSC"]].tolist() == [
        62, 7, "TRANSPLANT (HSCT) BEFORE AN EVENT", "TRANSPLANT (HSCT)"
    ]  # fmt: skip
    row = exported(happened, seen, hsct="censor-last-assessment").iloc[0]
    assert row[["AVAL", "CNSR", "CNSDTDSC"]].tolist() == [28, 7, "LAST EVALUABLE ASSESSMENT"]
    assert sources(row) == ["responses", "day", 1]


def test_a_second_infusion_censors_under_its_own_number():
    row = exported(
        events(("SECOND_INFUSION", 40), ("DEATH", 90)),
        assessed((28, "CR")),
        second_infusion="censor-last-assessment",
    ).iloc[0]
    assert row[["AVAL", "CNSR", "EVNTDESC"]].tolist() == [28, 8, "SECOND INFUSION BEFORE AN EVENT"]


# ---- dates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("infusion", "day", "date"),
    [
        ("2024-01-31", 29, "2024-02-29"),
        ("2023-01-31", 29, "2023-03-01"),
        ("2024-02-28", 1, "2024-02-29"),
        ("2024-02-29", 366, "2025-03-01"),
        ("2023-12-31", 1, "2024-01-01"),
        ("2024-03-30", 1, "2024-03-31"),
        ("2024-02-29", 0, "2024-02-29"),
        ("1999-12-31", 60, "2000-02-29"),
    ],
)
def test_dates_are_right_over_the_ends_of_months_and_leap_years(infusion, day, date):
    row = exported(events(("DEATH", day)), people=subjects(infusion_date=infusion), endpoint="OS").iloc[0]
    assert row[["STARTDT", "ADT", "ADY"]].tolist() == [infusion, date, day + 1]


def test_a_duration_starts_on_the_day_of_the_response():
    row = exported(events(("DEATH", 50)), assessed((28, "CR")), endpoint="DOR").iloc[0]
    assert row[["AVAL", "STARTDT", "ADT", "ADY"]].tolist() == [22, "2024-02-28", "2024-03-21", 51]


def test_without_an_infusion_date_the_dates_are_blank_and_the_note_says_why():
    row = exported(events(("DEATH", 50)), people=subjects(), endpoint="OS").iloc[0]
    assert row[["AVAL", "ADY", "STARTDT", "ADT", "NOTE"]].tolist() == [
        50, 51, "", "", "no infusion date, so no dates"
    ]  # fmt: skip
    both = subjects(2, infusion_date=["2024-01-31", None], infused="Y")
    rows = exported(events(("S1", "DEATH", 50), ("S2", "DEATH", 50)), people=both, endpoint="OS")
    assert rows["ADT"].tolist() == ["2024-03-21", ""]


def test_part_of_a_day_falls_on_its_date():
    row = exported(events(("DEATH", 50.9)), endpoint="OS").iloc[0]
    assert row[["AVAL", "ADT", "ADY"]].tolist() == [50.9, "2024-03-21", 51]


# ---- the record behind the date -----------------------------------------------------------------


def check_sources(rows, tables):
    """Every row named is of that subject and says the date of the end; returns how many were looked up."""
    looked_up = 0
    for row in rows[rows["SRCDOM"] != ""].itertuples():
        record = tables[row.SRCDOM].iloc[int(row.SRCSEQ) - 1]
        assert record["subject_id"] == row.SUBJID
        assert row.SRCVAR in record.index
        if row.ADT:
            column = row.SRCVAR if row.SRCVAR != "day" else DATE_COLUMN[row.SRCDOM]
            assert record[column] == row.ADT
            looked_up += 1
    return looked_up


def test_every_record_of_the_reasoned_study_says_the_date_of_its_end():
    _, rows, tables = all_of()
    timed = rows["AVAL"].notna()
    assert (rows["SRCDOM"][timed] != "").all()
    assert set(rows["SRCDOM"]) == {"events", "responses", "subjects", ""}
    assert check_sources(rows, tables) == timed.sum() == 42 * 4 * 5 - (~timed).sum()
    assert set(rows["REASON"][rows["SRCDOM"] == ""]) == {"NOT_RESPONDER"}


def test_every_record_of_the_example_study_says_the_date_of_its_end():
    people, happened, seen = example_study()
    table = survival.endpoint_table(people, happened, seen, strategies=STRATEGIES)
    tables = {"subjects": people, "events": happened, "responses": seen}
    assert check_sources(table.to_adtte(), tables) == 78
    # One strategy at a time, from dates alone, the same records.
    alone = survival.time_to_event(
        people,
        happened.drop(columns="day"),
        seen.drop(columns="day"),
        endpoint="DOR",
        rules=STRATEGIES["censor"],
    ).to_adtte()
    both = table.to_adtte()
    both = both[both["PARCAT2"].eq("censor") & both["PARCAT1"].eq("DOR")].reset_index(drop=True)
    same = ["AVAL", "CNSR", "ADT", "EVNTDESC", "SRCDOM", "SRCSEQ", "NOTE"]
    pd.testing.assert_frame_equal(alone[same], both[same])
    assert set(alone["SRCVAR"]) == {"date", "assessment_date", "infused", ""}


def test_the_kind_of_the_reason_decides_between_records_of_one_day():
    seen = assessed((28, "CR"), (60, "NE"), (60, "PD"))
    happened = events(("HSCT", 60), ("PROGRESSION", 60), ("DEATH", 60))
    assert sources(exported(happened, seen).iloc[0]) == ["responses", "day", 3]
    assert sources(exported(happened, assessed((28, "CR"))).iloc[0]) == ["events", "day", 2]
    assert sources(exported(happened, seen, endpoint="OS").iloc[0]) == ["events", "day", 3]
    alive = events(("HSCT", 60), ("LAST_CONTACT", 60))
    assert sources(exported(alive, seen, endpoint="OS").iloc[0]) == ["events", "day", 2]
    assert sources(exported(alive.iloc[:1], seen, endpoint="OS").iloc[0]) == ["responses", "day", 2]


def test_the_order_of_the_rows_changes_their_numbers_only():
    people, happened, seen = example_study()
    mixed = [
        table.sample(frac=1, random_state=4).reset_index(drop=True) for table in (people, happened, seen)
    ]
    usual, other = (
        survival.endpoint_table(*tables, strategies=STRATEGIES).to_adtte()
        for tables in ((people, happened, seen), mixed)
    )
    pd.testing.assert_frame_equal(usual.drop(columns="SRCSEQ"), other.drop(columns="SRCSEQ"))
    assert check_sources(other, dict(zip(("subjects", "events", "responses"), mixed, strict=True))) == 78


def test_row_numbers_of_the_file_are_kept():
    happened = events(("LAST_CONTACT", 40), ("DEATH", 50)).set_index(pd.Index([17, 21], name="row"))
    people = subjects(infusion_date="2024-01-31", infused="N").set_index(pd.Index([5], name="row"))
    assert exported(happened, endpoint="OS")["SRCSEQ"].tolist() == [21]
    early = events(("HSCT", -9)).set_index(pd.Index([17], name="row"))
    assert survival.time_to_event(subjects(), early).excluded["row"].tolist() == [17]
    assert sources(exported(happened, people=people, endpoint="OS").iloc[0]) == ["subjects", "infused", 5]


def test_the_own_row_of_a_subject_says_infusion_and_cut_off():
    people = subjects(infusion_date="2024-01-31", data_cutoff="2024-03-01")
    row = exported(events(("DEATH", 90)), people=people, endpoint="OS").iloc[0]
    assert [*sources(row), row["ADT"], row["CNSDTDSC"]] == [
        "subjects",
        "data_cutoff",
        1,
        "2024-03-01",
        "DATA CUT-OFF",
    ]
    row = exported(events(), assessed(), people=people).iloc[0]
    assert [*sources(row), row["CNSDTDSC"]] == ["subjects", "infusion_date", 1, "FIRST INFUSION"]
    row = exported(events(), assessed(), people=subjects()).iloc[0]
    assert [*sources(row)[:2], row["NOTE"]] == ["", "", "no infusion date, so no dates; no record says so"]


def test_a_failure_of_treatment_points_to_the_infusion_or_to_its_assessment():
    seen = assessed((28, "NR"), (56, "NE"), (90, "NR"))
    rules = {"endpoint": "EFS", "failure_day": 60}
    row = exported(events(("LAST_CONTACT", 120)), seen, **rules).iloc[0]
    assert [row["AVAL"], row["CNSR"], *sources(row)] == [0, 0, "subjects", "infusion_date", 1]
    row = exported(events(("LAST_CONTACT", 120)), seen, failure_date="assessment", **rules).iloc[0]
    assert [row["AVAL"], row["CNSR"], *sources(row)] == [28, 0, "responses", "day", 1]


def test_a_death_before_the_infusion_points_to_the_death():
    row = exported(events(("LAST_CONTACT", 3), ("DEATH", -2)), endpoint="OS").iloc[0]
    assert [row["REASON"], row["NOTE"], *sources(row)] == [
        "DATA_ERROR_DEATH_BEFORE_INFUSION", "death is dated before the infusion", "events", "day", 2
    ]  # fmt: skip
    assert np.isnan(row["AVAL"])
