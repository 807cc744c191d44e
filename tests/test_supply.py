"""From the vein to the infusion: steps, denominators, intervals, and nothing dropped."""

import pandas as pd
import pytest

import cart7
from cart7 import dose, results
from cart7.errors import DataError
from cart7.records import ManufacturingRun, Subject
from cart7.report import figures
from cart7.report.canvas import svg_text


@pytest.fixture(scope="module")
def example():
    return cart7.analyse(cart7.example_study(), cart7.read_plan("example")).vein_to_vein


def people(**columns):
    """Two infused, one not."""
    rows = {"subject_id": ["S-1", "S-2", "S-3"], "infused": ["Y", "Y", "N"], "dose_level": [1, 2, 2],
            "leukapheresis_date": ["2024-01-01", "2024-02-01", "2024-03-01"],
            "infusion_date": ["2024-01-25", "2024-03-02", None],
            "not_infused_reason": [None, None, "DEATH BEFORE INFUSION"]}  # fmt: skip
    return pd.DataFrame(rows | columns)


def runs(*rows):
    names = ["subject_id", "attempt", "outcome", "leukapheresis_date", "mfg_start_date", "release_date"]
    return pd.DataFrame([{**dict.fromkeys(names), **dict(zip(names, row, strict=False))} for row in rows])


def step(found, name, denominator, group="ALL"):
    table = found.summary
    row = table[(table["step"] == name) & (table["denominator"] == denominator) & (table["group"] == group)]
    return row.iloc[0]


def subject(found, name):
    return found.subjects.set_index("subject_id").loc[name]


def test_the_example_has_nine_infused_of_ten_enrolled(example):
    infused = step(example, "infused", "ENROLLED")
    assert (infused["n_event"], infused["n"]) == (9, 10)
    assert infused["ci_low"] == pytest.approx(0.5549839, abs=1e-7)  # R 4.2.2 binom.test(9, 10)
    assert (step(example, "failed", "LEUKAPHERESED")[["n_event", "n"]] == [1, 10]).all()
    assert (step(example, "dose within limits", "ENROLLED")[["n_event", "n"]] == [9, 10]).all()
    assert (step(example, "dose within limits", "INFUSED")[["n_event", "n"]] == [9, 9]).all()
    assert (step(example, "infused", "ENROLLED", group="2")[["n_event", "n"]] == [3, 4]).all()
    assert subject(example, "CD7-010")[["stage", "reason"]].tolist() == [
        "LEUKAPHERESED",
        "MANUFACTURING FAILURE",
    ]


def test_the_example_has_the_vein_to_vein_days_that_its_table_states(example):
    stated = cart7.example_study().manufacturing.set_index("subject_id")["vein_to_vein_days"].astype(float)
    ours = example.subjects.set_index("subject_id")["vein_to_vein_days"]
    pd.testing.assert_series_equal(ours, stated, check_names=False)
    parts = example.subjects[
        ["leukapheresis_to_start_days", "start_to_release_days", "release_to_infusion_days"]
    ].sum(axis=1, min_count=3)
    pd.testing.assert_series_equal(parts, example.subjects["vein_to_vein_days"], check_names=False)


def test_the_first_released_attempt_counts_and_else_the_last_one():
    found = dose.vein_to_vein(
        people(),
        manufacturing=runs(
            ("S-1", 2, "RELEASED", "2024-01-05", "2024-01-06", "2024-01-16"),
            ("S-1", 1, "FAILED", "2024-01-01", "2024-01-02", "2024-01-03"),
            ("S-1", 3, "RELEASED", "2024-01-10", "2024-01-11", "2024-01-21"),
            ("S-3", 1, "FAILED"), ("S-3", 2, "OUT_OF_SPEC"),
        ),
    )  # fmt: skip
    first = subject(found, "S-1")
    assert first[["n_attempts", "start_to_release_days", "vein_to_vein_days"]].tolist() == [3, 10, 20]
    assert subject(found, "S-3")["outcome"] == "OUT_OF_SPEC"
    assert "more than one attempt" in first["note"]


def test_a_table_that_is_not_given_leaves_its_steps_missing_never_0():
    found = dose.vein_to_vein(people())
    for name in ("released", "failed", "lymphodepleted", "second infusion", "dose within limits"):
        rows = found.summary[found.summary["step"] == name]
        assert rows["n_event"].isna().all()
        assert (rows["note"] == "not collected").all()
    assert step(found, "infused", "LEUKAPHERESED")["n"] == 3


def test_an_empty_table_is_a_collected_one():
    found = dose.vein_to_vein(people(), lymphodepletion=pd.DataFrame({"subject_id": []}, dtype=object))
    assert step(found, "lymphodepleted", "ENROLLED")["n_event"] == 0


def test_reasons_of_the_others_are_counted_and_a_missing_one_is_said():
    found = dose.vein_to_vein(people(infused=["Y", "N", "N"], infusion_date=["2024-01-25", None, None]))
    assert step(found, "not infused", "ENROLLED")["n_event"] == 2
    assert step(found, "not infused: DEATH BEFORE INFUSION", "ENROLLED")["n_event"] == 1
    assert step(found, "not infused: NOT STATED", "ENROLLED")["n_event"] == 1
    assert subject(found, "S-2")["note"] == "why not infused is not stated"


@pytest.mark.parametrize(
    ("given", "who", "note"),
    [
        ({"infusion_date": ["2023-12-25", "2024-03-02", None]}, "S-1", "infusion before leukapheresis: no interval"),
        ({"infusion_date": ["2024-01", "2024-03-02", None]}, "S-1", "vein to vein not known"),
        (
            {"not_infused_reason": ["WITHDREW CONSENT", None, None]}, "S-1",
            "infused, although a reason for not infusing is stated",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_noted_and_gives_no_number(given, who, note):
    row = subject(dose.vein_to_vein(people(**given)), who)
    assert note in row["note"]
    if "interval" in note or "known" in note:
        assert pd.isna(row["vein_to_vein_days"])


@pytest.mark.parametrize(
    ("outcome", "note"),
    [
        ("FAILED", "infused, although the manufacture failed"),
        ("OUT_OF_SPEC", "infused with a product out of specification"),
    ],
)
def test_an_infusion_without_a_released_product_is_noted(outcome, note):
    found = dose.vein_to_vein(people(), manufacturing=runs(("S-1", 1, outcome)))
    assert subject(found, "S-1")["note"] == note
    assert subject(found, "S-2")["note"] == "infused, but no manufacture is recorded"


def test_days_as_stated_stand_in_for_missing_dates_and_give_way_to_dates():
    table = runs(("S-1", 1, "RELEASED"), ("S-2", 1, "RELEASED")).assign(vein_to_vein_days=[30, 40])
    found = dose.vein_to_vein(people(leukapheresis_date=[None, "2024-02-01", None]), manufacturing=table)
    assert found.subjects["vein_to_vein_days"].tolist()[:2] == [30, 30]
    assert "as stated" in subject(found, "S-1")["note"]
    assert "stated vein-to-vein days differ" in subject(found, "S-2")["note"]


def test_rows_of_other_subjects_are_listed_and_not_used():
    found = dose.vein_to_vein(people(), manufacturing=runs(("S-1", 1, "RELEASED"), ("S-9", 1, "RELEASED")))
    assert found.excluded.values.tolist() == [["manufacturing", 2, "S-9", "not in subjects"]]
    assert step(found, "released", "ENROLLED")["n_event"] == 1


def test_an_attempt_that_stands_twice_is_refused():
    with pytest.raises(DataError, match=r"manufacturing, line 3, column attempt: .*DOSE-ATTEMPT-TWICE"):
        dose.vein_to_vein(people(), manufacturing=runs(("S-1", 1, "FAILED"), ("S-1", 1, "RELEASED")))


def test_order_of_rows_and_records_change_nothing(example):
    study = cart7.example_study()
    tables = {name: getattr(study, name) for name in ("manufacturing", "products", "lymphodepletion")}
    plain = dose.vein_to_vein(study.subjects, **tables)
    turned = dose.vein_to_vein(study.subjects, **{name: table[::-1] for name, table in tables.items()})
    pd.testing.assert_frame_equal(plain.subjects, turned.subjects)
    pd.testing.assert_frame_equal(plain.summary, turned.summary)
    records = dose.vein_to_vein(
        [Subject(subject_id="1", infused="N", leukapheresis_date="2024-01-01")],
        manufacturing=[ManufacturingRun(subject_id="1", outcome="FAILED", attempt=1)],
    )
    assert records.subjects["stage"].tolist() == ["LEUKAPHERESED"]


def test_the_long_form_is_sound_and_keeps_the_denominators_apart(example):
    long = example.to_frame()
    results.check(long)
    rows = long[(long["param"] == "V2V:infused") & (long["stat"] == "n") & (long["group"] == "ALL")]
    assert rows.set_index("population")["value"].to_dict() == {"ENROLLED": 10, "LEUKAPHERESED": 10}


def test_nobody_and_nobody_dated_are_drawn_with_their_reason():
    nobody = dose.vein_to_vein(people().iloc[:0])
    assert [text.get_text() for text in nobody.plot().texts] == ["nobody enrolled"]
    undated = dose.vein_to_vein(pd.DataFrame({"subject_id": ["1"]}))
    assert [text.get_text() for text in undated.plot().texts] == ["no dates"]
    assert len(nobody.to_frame()) == len(nobody.to_frame().drop_duplicates())


def test_the_figure_says_how_long_and_why_not(example):
    said = [text.get_text().strip() for text in figures.vein_to_vein(example).texts]
    assert said == ["23", "26", "30", "24", "25", "27", "manufacturing failure", "23", "24", "26"]
    once, again = (svg_text(figures.vein_to_vein(example), name="f", title="t") for _ in range(2))
    assert once == again


def test_a_study_in_which_nobody_is_infused_yet_still_has_its_way_told():
    study = cart7.Study.from_frames(
        subjects=pd.DataFrame({"subject_id": ["1"], "infused": ["N"], "leukapheresis_date": ["2024-01-01"]})
    )
    found = cart7.analyse(study).vein_to_vein
    assert step(found, "leukapheresed", "ENROLLED")["n_event"] == 1
