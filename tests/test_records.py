"""Records: frozen, typed, complete errors; frames from either."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from cart7 import records
from cart7.errors import DataError


def test_every_wrong_field_is_named_at_once():
    with pytest.raises(ValidationError) as caught:
        records.Subject(subject_id="1", sex="X", weight_kg=-3, dose_level=True, infusion_dat="2022-01-01")
    assert {error["loc"][0] for error in caught.value.errors()} == {
        "sex",
        "weight_kg",
        "dose_level",
        "infusion_dat",
    }


def test_a_record_does_not_change():
    subject = records.Subject(subject_id="1")
    with pytest.raises(ValidationError, match="frozen"):
        subject.sex = "M"


def test_a_date_is_iso_text_and_a_partial_one_stays_as_it_stands():
    assert records.Subject(subject_id="1", infusion_date=dt.date(2022, 1, 10)).infusion_date == "2022-01-10"
    assert records.StudyEvent(subject_id="1", event="DEATH", date="2022-04").date == "2022-04"


@pytest.mark.parametrize("date", ["2024-02-30", "2024-13", "10JAN2022"])
def test_an_impossible_date_is_refused(date):
    with pytest.raises(ValidationError):
        records.Subject(subject_id="1", infusion_date=date)


def test_not_a_number_is_no_number():
    with pytest.raises(ValidationError):
        records.KineticSample(subject_id="1", value=float("nan"))


def test_a_titre_may_be_a_number_or_text():
    assert [records.AdaSample(subject_id="1", titer=titer).titer for titer in (20, 20.0, "1:20")] == [
        "20",
        "20",
        "1:20",
    ]


def test_records_and_frames_give_the_same_frame():
    frame = pd.DataFrame({"subject_id": ["1", "1"], "day": [0, 28], "test": "ANC", "value": [1.5, 0.2]})
    rows = [records.LabResult(**row) for row in frame.to_dict("records")]
    one, other = records.to_frame(frame, "labs"), records.to_frame(rows, "labs")
    pd.testing.assert_frame_equal(one, other[one.columns])


def test_the_input_frame_is_not_modified():
    frame = pd.DataFrame({"subject_id": [" 1 "], "day": ["3"]})
    before = frame.copy()
    records.to_frame(frame, "labs")
    pd.testing.assert_frame_equal(frame, before)


def test_every_missing_column_and_every_text_in_a_number_column_is_named():
    frame = pd.DataFrame({"subject_id": ["1", "2", None], "value": ["1.5", "high", "2"]})
    with pytest.raises(DataError) as caught:
        records.to_frame(frame, "labs", needs=("day", "test"))
    text = str(caught.value)
    assert "labs, column day: this column is needed" in text
    assert "labs, column test: this column is needed" in text
    assert "labs, line 3, column value: a number belongs here (found 'high')" in text
    assert "labs, line 4, column subject_id" in text


def test_rows_keep_the_number_they_have_in_the_file():
    frame = pd.DataFrame({"subject_id": ["1", "2"]}, index=pd.Index([2, 7], name="row"))
    assert records.to_frame(frame, "labs")["row"].tolist() == [2, 7]


def test_a_record_of_another_table_is_refused():
    with pytest.raises(ValueError, match="labs takes records of LabResult, got Subject"):
        records.to_frame([records.Subject(subject_id="1")], "labs")


def test_no_record_gives_an_empty_frame_with_every_column():
    assert list(records.to_frame([], "labs").columns) == [*records.TABLES["labs"].columns, "row"]


def test_categories_are_words_but_keep_the_levels_of_a_group():
    words = pd.DataFrame({"subject_id": pd.Categorical(["1", "2"]), "test": pd.Categorical(["ANC", None])})
    test = records.to_frame(words, "labs")["test"]
    assert test[0] == "ANC"
    assert test.isna().tolist() == [False, True]
    level = pd.Categorical([1, 1], categories=[1, 2])
    kept = records.to_frame(pd.DataFrame({"subject_id": ["1", "2"], "dose_level": level}), "subjects")
    assert kept["dose_level"].cat.categories.tolist() == [1, 2]


@pytest.mark.parametrize(
    "values",
    [
        ["ANC", " ANC ", "", "  ", None, np.nan, "PLT"],
        [1, 1.0, True, "1", 12.0, 2.5, None],
        [101, 102, 101, 101, 102, 101, 101],
    ],
)
def test_words_of_a_long_table_are_those_of_its_rows_read_one_by_one(values):
    column = pd.Series(values * 200, dtype=object)
    long = pd.DataFrame({"subject_id": "1", "test": column})
    short = pd.DataFrame({"subject_id": "1", "test": column.iloc[: len(values)]})
    assert (
        records.to_frame(long, "labs")["test"].tolist()
        == records.to_frame(short, "labs")["test"].tolist() * 200
    )


@pytest.mark.parametrize("repeats", [1, 200])
@pytest.mark.parametrize("kind", [object, "category"])
def test_words_wanted_as_categories_are_the_same_words_each_once(repeats, kind):
    values = ["ANC", " ANC ", "", None, 12.0, "12", "PLT"] * repeats
    frame = pd.DataFrame({"subject_id": "1", "test": pd.Series(values, dtype=object).astype(kind)})
    coded = records.to_frame(frame, "labs", categories=("test",))["test"]
    assert (
        coded.astype(object).where(coded.notna(), None).tolist()
        == records.to_frame(frame, "labs")["test"].tolist()
    )
    assert sorted(coded.cat.categories) == ["12", "ANC", "PLT"]
    assert frame["test"].tolist()[:2] == ["ANC", " ANC "]


def test_only_the_columns_that_are_asked_for_are_read():
    frame = pd.DataFrame({"subject_id": ["1"], "test": ["ANC"], "value": ["not a number"]})
    assert list(records.to_frame(frame, "labs", only=("test", "day"), fill=("day",)).columns) == [
        "subject_id",
        "test",
        "day",
        "row",
    ]


def test_numbers_are_the_same_from_every_number_type():
    for kind in ("float32", "int8", "Int64", "Float64", "boolean", object):
        frame = pd.DataFrame({"subject_id": "1", "value": pd.Series([1, 0], dtype=kind)})
        assert records.to_frame(frame, "labs")["value"].tolist() == [1.0, 0.0]
    missing = pd.DataFrame({"subject_id": "1", "value": pd.array([1, None], dtype="Int64")})
    assert np.isnan(records.to_frame(missing, "labs")["value"][1])


def test_infinity_is_no_number():
    with pytest.raises(DataError, match="a number belongs here"):
        records.to_frame(pd.DataFrame({"subject_id": ["1"], "value": [np.inf]}), "labs")


def test_the_row_numbers_of_the_input_are_copied():
    frame = pd.DataFrame({"subject_id": ["1", "2"]}, index=pd.Index([2, 7], name="row"))
    found = records.to_frame(frame, "labs")
    found.loc[0, "row"] = 99
    assert frame.index.tolist() == [2, 7]


def test_a_whole_number_that_no_float_can_hold_is_refused_by_the_record():
    with pytest.raises(ValidationError, match="a whole number cannot be beyond 1e\\+09"):
        records.Subject(subject_id="001", age="9" * 400)
