"""What must hold for every table, tried on tables that nobody wrote by hand."""

import string

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from cart7.checks.cells import read_date, read_number, read_visit
from cart7.errors import DataError
from cart7.files import csv_table
from cart7.study import Study, read_study

SUBJECTS = pd.DataFrame({"subject_id": ["A-001", "A-002"], "infusion_date": ["2022-01-05", "2022-02-01"]})
ANYTHING = st.text(alphabet=string.printable + "äµ≤−", max_size=12)
CELLS = st.one_of(
    ANYTHING,
    st.sampled_from(
        ["", "NA", "BLQ", "<50", "1,5", "1e3", "A-001", "a_1", "2022-01", "2022-01-08", "21JAN2022"]
    ),
    st.floats(allow_nan=False).map(repr),
    st.integers(-9, 99).map(str),
)
SOUND = {
    "labs": {"subject_id": "A-001", "day": "3", "sample_date": "2022-01-08", "test": "ANC", "value": "1.2",
             "unit": "10^9/L", "lln": "1.8", "uln": "6.3"},
    "kinetics": {"subject_id": "A-002", "infusion_no": "1", "sample_id": "K1", "nominal_label": "D7", "day": "7.1",
                 "sample_date": "2022-02-08", "assay": "QPCR", "value": "5000", "unit": "copies/ug gDNA",
                 "blq": "", "lloq": "50", "lod": "25"},
    "adverse_events": {"subject_id": "A-001", "ae_id": "E1", "grade": "2", "start_day": "1",
                       "start_date": "2022-01-06", "end_day": "4", "end_date": "2022-01-09", "ongoing": "N",
                       "aesi": "CRS", "dlt": "N"},
    "events": {"subject_id": "A-001", "event": "DEATH", "day": "9", "date": "2022-01-14"},
}  # fmt: skip


def tables_near(sound):
    """Tables whose rows are the sound one with some of its cells replaced by anything."""
    cells = [st.one_of(*[st.just(cell)] * 4, CELLS) for cell in sound.values()]
    return st.lists(st.tuples(*cells), max_size=6).map(lambda rows: pd.DataFrame(rows, columns=list(sound)))


TABLES = st.fixed_dictionaries({name: tables_near(row) for name, row in SOUND.items()})


@settings(max_examples=30, deadline=None)
@given(TABLES)
def test_every_row_is_used_or_has_an_error_and_none_has_both(tables):
    before = {name: frame.copy() for name, frame in tables.items()}
    study = Study.from_frames(subjects=SUBJECTS, on_problem="report", **tables)
    errors = study.problems[study.problems["severity"] == "error"]
    for name, frame in tables.items():
        used = set(getattr(study, name).index)
        aside = set(errors.loc[errors["table"] == name, "row"])
        assert used | aside == set(range(1, len(frame) + 1))
        assert not used & aside
        pd.testing.assert_frame_equal(frame, before[name])
    account = study.accounting
    assert (account["rows_in"] == account["rows_used"] + account["rows_set_aside"]).all()


@settings(max_examples=30, deadline=None)
@given(TABLES)
def test_a_study_that_was_read_reads_again_without_errors_and_unchanged(tables):
    """Repairs are complete: what a study holds needs no second repair."""
    study = Study.from_frames(subjects=SUBJECTS, on_problem="report", **tables)
    again = Study.from_frames(subjects=study.subjects, **{name: getattr(study, name) for name in tables})
    for name in tables:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(study, name))
    assert set(again.problems["severity"]) <= {"warning"}
    for name in ("kinetics", "adverse_events"):
        assert len(again.records(name)) == len(getattr(study, name))


@settings(max_examples=25, deadline=None)
@given(TABLES)
def test_no_number_of_a_study_is_infinite_and_no_result_is_negative(tables):
    study = Study.from_frames(subjects=SUBJECTS, on_problem="report", **tables)
    for name in ("labs", "kinetics"):
        frame = getattr(study, name)
        values = frame["value"].to_numpy(dtype=float)
        assert not np.isinf(frame.select_dtypes("number").to_numpy(dtype=float)).any()
        assert not (values < 0).any()
    kinetics = study.kinetics
    assert not (kinetics["value"] < kinetics["lloq"]).any()


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_message(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("study")
    (folder / "subjects.csv").write_bytes(content)
    study = refusal = None
    try:
        study = read_study(folder, on_problem="report")
    except DataError as error:
        refusal = error
    assert study is not None or len(refusal.to_frame()) > 0
    assert study is None or len(study.subjects) <= study.accounting["rows_in"].iloc[0]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_shortest_text_of_a_number_reads_back_to_it(number):
    assert read_number(repr(number)).value == number


@given(st.integers(0, 10**12), st.integers(0, 999))
def test_thousands_commas_change_nothing(whole, fraction):
    assert read_number(f"{whole:,}").value == whole
    assert read_number(f"{whole:,}.{fraction}").value == float(f"{whole}.{fraction}")


@given(st.dates(min_value=pd.Timestamp("1950-01-01").date(), max_value=pd.Timestamp("2099-12-31").date()))
def test_a_date_reads_the_same_in_every_known_way(day):
    serial = (day - pd.Timestamp("1899-12-30").date()).days
    months = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
    sas = f"{day.day:02d}{months[day.month - 1]}{day.year}"
    assert {read_date(text).value for text in (day.isoformat(), sas, str(serial))} == {day.isoformat()}


@given(ANYTHING)
def test_a_visit_label_is_its_own_label(text):
    label = read_visit(text).value
    assert label is None or read_visit(label).value == label


@given(st.lists(st.lists(st.text(alphabet='ab",\n ', max_size=4), min_size=3, max_size=3), max_size=5))
def test_what_a_csv_writer_quotes_comes_back(rows):
    frame = pd.DataFrame([["k", *row] for row in rows], columns=["key", "x", "y", "z"])
    table = csv_table(frame.to_csv(index=False, lineterminator="\n"), name="t", file="t.csv")
    expected = [[cell if cell != "" else None for cell in row] for row in frame.values.tolist()]
    assert table.cells.values.tolist() == expected
    assert table.problems == ()
