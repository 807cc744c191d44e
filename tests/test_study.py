"""A study from a folder, from frames and from records: what comes back, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest

from cart7.errors import DataError
from cart7.examples import STUDY_FOLDER
from cart7.records import TABLES, AdverseEvent, KineticSample, Subject
from cart7.study import Study, read_study

SUBJECTS = "subject_id,infused,infusion_date\nCT-001,Y,2022-01-05\nCT-002,Y,2022-02-01\n"


def write(folder, **tables):
    for name, content in tables.items():
        (folder / f"{name}.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture(scope="module")
def example():
    return read_study(STUDY_FOLDER)


def test_the_example_study_is_read_whole_and_without_a_finding(example):
    assert example.problems.empty
    assert example.accounting.columns.tolist() == ["table", "rows_in", "rows_used", "rows_set_aside"]
    assert example.accounting["table"].tolist() == list(TABLES)
    assert example.accounting["rows_used"].sum() == 3187
    assert example.source == STUDY_FOLDER
    assert example.files["labs"] == STUDY_FOLDER / "labs.csv"
    assert dict(example.extra_columns) == {}


def test_a_table_has_the_types_of_the_schema(example):
    for name, schema in TABLES.items():
        frame = getattr(example, name)
        assert frame.index.name == "row"
        assert frame.index[0] == 1
        for column in frame.columns:
            kind = schema.columns[column].kind
            dtype = str(frame[column].dtype)
            if kind == "int" and column != "day":
                assert dtype == "Int64", (name, column)
            elif kind in ("int", "float"):
                assert dtype == "float64", (name, column)
            else:
                known = frame[column].dropna()
                assert known.map(lambda cell: isinstance(cell, str)).all(), (name, column)


def test_every_number_is_the_correctly_rounded_one(tmp_path):
    words = ["0.1", "2.675", "1e-5", "123456789.123456789", "0.30000000000000004", "5e-324"]
    rows = "".join(f"CT-001,{number},{word}\n" for number, word in enumerate(words, 1))
    study = read_study(write(tmp_path, subjects=SUBJECTS, manufacturing=f"subject_id,attempt,vcn\n{rows}"))
    assert study.manufacturing["vcn"].tolist() == [float(word) for word in words]


def test_only_subjects_are_required_and_the_other_tables_are_none(tmp_path):
    study = read_study(write(tmp_path, subjects="subject_id\nCT-001\n", notes="free text"))
    assert len(study.subjects) == 1
    assert all(getattr(study, name) is None for name in TABLES if name != "subjects")
    assert study.records("kinetics") == ()


@pytest.mark.parametrize(
    ("tables", "rule", "says"),
    [
        ({}, "FILE-NO-TABLES", "holds no table; name the files subjects, manufacturing"),
        ({"labs": "subject_id\n1\n"}, "FILE-NO-SUBJECTS", "subjects: there is no table of subjects"),
        ({"subjects": "subject_id,sex\n"}, "FILE-NO-ROWS", "subjects: there is no subject in it"),
        ({"subjects": "subject_id,sex\n,\n"}, "FILE-NO-ROWS", "there is no subject in it"),
        ({"subjects": ""}, "FILE-EMPTY", "subjects.csv is empty"),
        ({"subjects": "id,sex\n1,M\n"}, "COLUMN-NO-SUBJECT-ID", "column subject_id: the column subject_id is not"),
        ({"subjects": "subject_id,sex,sex\n1,M,M\n"}, "COLUMN-TWICE", "column sex: the column stands twice"),
        ({"subjects": b"PK\x03\x04xlsx"}, "FILE-BINARY", "an Excel workbook"),
        ({"subjects": "subject_id;sex\n1;M\n"}, "FILE-SEPARATOR", "separated by semicolons"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("on_problem", ["raise", "report"])
def test_a_study_without_readable_subjects_is_refused_under_both_choices(
    tmp_path, tables, rule, says, on_problem
):
    with pytest.raises(DataError) as caught:
        read_study(write(tmp_path, **tables), on_problem=on_problem)
    assert rule in caught.value.to_frame()["rule"].tolist()
    assert says in str(caught.value)


def test_a_path_that_is_missing_or_a_file_is_said(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_study(tmp_path / "gone")
    with pytest.raises(DataError, match="cannot be opened: File name too long"):
        read_study(tmp_path / ("x" * 5000))
    write(tmp_path, subjects=SUBJECTS)
    with pytest.raises(DataError, match=r"subjects\.csv is a file; a study is a folder of tables"):
        read_study(tmp_path / "subjects.csv")


def test_a_folder_named_like_a_table_and_a_table_in_two_files_are_errors(tmp_path):
    write(tmp_path, subjects=SUBJECTS, labs="subject_id\nCT-001\n")
    (tmp_path / "kinetics.csv").mkdir()
    (tmp_path / "Labs.csv").write_text("subject_id\nCT-001\n")
    study = read_study(tmp_path, on_problem="report")
    assert study.problems[["table", "rule"]].values.tolist() == [
        ["kinetics", "FILE-IS-A-FOLDER"], ["labs", "FILE-TWICE"],
    ]  # fmt: skip
    assert study.kinetics is None
    assert study.labs is None


def test_every_problem_of_every_file_is_in_one_error(tmp_path):
    write(
        tmp_path,
        subjects=SUBJECTS,
        kinetics="subject_id,sample_id,assay,value\nCT-001,1,QPCR,-3.0\nCT-009,2,QPCR,5\nCT-001,3,QPCR,inf\n",
        events="subject_id,event,date\nCT-001,DIED,2022-02-30\n",
        labs="subject_id,day,test,value\nCT-001,1,ANC\n",
        ada=b"\xff\xfe",
    )
    with pytest.raises(DataError) as caught:
        read_study(tmp_path)
    frame = caught.value.to_frame()
    assert frame[["table", "row", "column", "rule"]].astype(object).where(
        frame.notna(), None
    ).values.tolist() == [
        ["kinetics", 1, "value", "NUMBER-NEGATIVE"],
        ["kinetics", 2, "subject_id", "KEY-UNKNOWN-SUBJECT"],
        ["kinetics", 3, "value", "NUMBER-INFINITE"],
        ["ada", None, None, "FILE-ENCODING"],
        ["events", 1, "event", "TERM-UNKNOWN"],
        ["events", 1, "date", "DATE-UNREADABLE"],
        ["labs", 1, None, "ROW-RAGGED"],
    ]
    assert str(caught.value).splitlines()[:2] == [
        "7 problems in the data:",
        "  kinetics, line 2, column value: a concentration cannot be negative; below the LLOQ, leave it empty "
        "and set blq to BLQ (found '-3.0') [NUMBER-NEGATIVE]",
    ]


def test_report_keeps_the_sound_rows_and_accounts_for_the_others(tmp_path):
    write(tmp_path, subjects=SUBJECTS, labs="subject_id,day,test,value,unit\nCT-001,1,ANC,2.0,10^9/L\n"
          "CT-001,2,ANC,2000,10^9/L\nCT-001,3\nCT-001,4,ANC,x,10^9/L\n")  # fmt: skip
    study = read_study(tmp_path, on_problem="report")
    assert study.labs.index.tolist() == [1]
    account = study.accounting.set_index("table").loc["labs"]
    assert account.tolist() == [4, 1, 3]
    assert study.problems["row"].tolist() == [2, 3, 4]
    assert study.problems["row"].dtype == "Int64"


def test_warnings_and_repairs_do_not_raise(tmp_path):
    write(tmp_path, subjects="subject_id,sex\nCT-001,male\n",
          adverse_events="subject_id,ae_id,grade,start_date\nct_1,1,II,2022-01\n")  # fmt: skip
    study = read_study(tmp_path)
    assert study.problems["severity"].tolist() == ["repair", "repair", "repair", "warning"]
    assert study.adverse_events.iloc[0].tolist()[:4] == ["CT-001", "1", 2, "2022-01"]


def test_a_header_without_rows_is_an_empty_table_with_a_warning(tmp_path):
    study = read_study(write(tmp_path, subjects=SUBJECTS, dlt="subject_id,dlt\n"))
    assert study.dlt.empty
    assert study.problems[["table", "severity", "rule"]].values.tolist() == [
        ["dlt", "warning", "FILE-NO-ROWS"]
    ]


def test_extra_columns_are_kept_and_listed_and_a_misspelt_one_is_pointed_at(tmp_path):
    write(tmp_path, subjects="subject_id,Infused,infusion_dat,clinic room\nCT-001,Y,2022-01-05,7\n")
    study = read_study(tmp_path)
    assert study.extra_columns["subjects"] == ("infusion_dat", "clinic room")
    assert study.subjects["clinic room"].tolist() == ["7"]
    found = study.problems.set_index("rule")
    assert found.loc["COLUMN-NAME", ["column", "value", "severity"]].tolist() == [
        "infused",
        "Infused",
        "repair",
    ]
    assert found.loc["COLUMN-MISSPELT", "fix"] == "did you mean infusion_date?"


def test_an_absent_day_is_derived_from_its_date(tmp_path, example):
    for name in TABLES:
        frame = pd.read_csv(STUDY_FOLDER / f"{name}.csv", dtype=str, keep_default_na=False)
        days = ["day", "start_day", "end_day"] if name != "subjects" else []
        frame.drop(columns=days, errors="ignore").to_csv(tmp_path / f"{name}.csv", index=False)
    study = read_study(tmp_path)
    compared = 0
    for name in ("products", "responses", "ada", "labs", "events", "aesi_course", "lymphodepletion"):
        pd.testing.assert_series_equal(getattr(study, name)["day"], getattr(example, name)["day"])
        compared += len(getattr(study, name))
    for column in ("start_day", "end_day"):
        pd.testing.assert_series_equal(study.adverse_events[column], example.adverse_events[column])
        pd.testing.assert_series_equal(study.conmeds[column], example.conmeds[column])
    actual = np.floor(example.kinetics["day"].where(example.kinetics["day"] > 0, 0))
    assert (study.kinetics["day"] - actual).abs().max() <= 1
    print(f"derived days equal to the recorded ones: {compared}")
    assert compared == 20 + 42 + 34 + 2214 + 20 + 54 + 54
    assert set(study.problems["rule"]) == {"DAY-FROM-DATE"}
    assert set(study.problems["severity"]) == {"repair"}


def test_the_order_of_rows_and_of_columns_does_not_matter(tmp_path, example):
    rng = np.random.default_rng(7)
    for name in TABLES:
        frame = pd.read_csv(STUDY_FOLDER / f"{name}.csv", dtype=str, keep_default_na=False)
        frame = frame.iloc[rng.permutation(len(frame)), rng.permutation(frame.shape[1])]
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    study = read_study(tmp_path)
    assert study.problems.empty
    for name in TABLES:
        frame, reference = getattr(study, name), getattr(example, name)
        key = list(reference.columns)
        pd.testing.assert_frame_equal(
            frame[key].sort_values(key, ignore_index=True), reference.sort_values(key, ignore_index=True)
        )


def test_frames_and_records_give_the_same_study(example):
    frames = {name: getattr(example, name) for name in TABLES}
    before = {name: frame.copy() for name, frame in frames.items()}
    from_frames = Study.from_frames(**frames)
    from_records = Study.from_records(**{name: example.records(name) for name in TABLES})
    assert from_frames.problems.empty
    assert from_records.problems.empty
    for name in TABLES:
        pd.testing.assert_frame_equal(frames[name], before[name])
        pd.testing.assert_frame_equal(getattr(from_frames, name), before[name])
        again = getattr(from_records, name)
        pd.testing.assert_frame_equal(again, before[name][list(again.columns)])
        assert before[name].drop(columns=again.columns).isna().all(axis=None)
    assert from_frames.source is None


def test_every_format_gives_the_same_study(tmp_path, example):
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    frame = example.labs
    parquet.write_table(arrow.Table.from_pandas(frame, preserve_index=False), tmp_path / "labs.parquet")
    columns = [
        {"itemOID": name, "name": name, "label": name, "dataType": "string"} for name in example.subjects
    ]
    rows = [
        [None if pd.isna(cell) else str(cell) for cell in row] for row in example.subjects.values.tolist()
    ]
    meta = {"datasetJSONCreationDateTime": "2024-01-01T00:00:00", "datasetJSONVersion": "1.1.0", "label": "Subjects",
            "itemGroupOID": "IG", "records": len(rows), "name": "subjects", "columns": columns}  # fmt: skip
    (tmp_path / "subjects.json").write_text(json.dumps({**meta, "rows": rows}))
    study = read_study(tmp_path)
    assert study.problems.empty
    pd.testing.assert_frame_equal(study.labs, example.labs)
    pd.testing.assert_frame_equal(study.subjects, example.subjects)
    rows[3].pop()
    (tmp_path / "subjects.json").unlink()
    (tmp_path / "subjects.ndjson").write_text("\n".join(json.dumps(line) for line in (meta, *rows)))
    again = read_study(tmp_path, on_problem="report")
    assert again.problems["rule"].tolist() == ["ROW-RAGGED"]
    assert len(again.labs) == len(example.labs)
    assert again.subjects.index.tolist() == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    (tmp_path / "kinetics.xpt").write_text("subject_id,value")
    with pytest.raises(DataError, match=r"kinetics\.xpt is no SAS transport file; it looks like CSV"):
        read_study(tmp_path)


def test_frames_are_checked_as_files_are():
    subjects = pd.DataFrame({"subject_id": [1, 2], "infusion_date": pd.to_datetime(["2022-01-05", None])})
    labs = pd.DataFrame({"subject_id": [1, 1, 3], "day": [0, 1, 2], "test": "ANC", "value": [1.5, 9000, 2.0],
                         "unit": "10^9/L"}, index=pd.Index([4, 5, 9], name="row"))  # fmt: skip
    with pytest.raises(DataError, match="labs, line 6, column value: impossible for ANC"):
        Study.from_frames(subjects=subjects, labs=labs)
    study = Study.from_frames(subjects=subjects, labs=labs, kinetics=None, on_problem="report")
    assert study.subjects["subject_id"].tolist() == ["1", "2"]
    assert study.subjects["infusion_date"].tolist() == ["2022-01-05", None]
    assert study.problems["row"].tolist() == [5, 9]
    assert study.labs.index.tolist() == [4]


def test_records_of_a_study_are_frozen_and_typed(example):
    sample = example.records("kinetics")[2]
    assert isinstance(sample, KineticSample)
    assert (sample.subject_id, sample.day, sample.value, sample.blq) == ("CD7-001", 1.0, 154.0, None)
    assert isinstance(example.records("adverse_events")[0], AdverseEvent)
    assert sum(len(example.records(name)) for name in TABLES) == 3187
    with pytest.raises(ValueError, match="frozen"):
        sample.value = 2.0


def test_records_are_checked_against_each_other():
    subjects = [Subject(subject_id="CT-001", infusion_date="2022-01-05")]
    stray = [KineticSample(subject_id="CT-007", sample_id="1", assay="QPCR", value=60.0)]
    with pytest.raises(DataError, match="column subject_id: no such subject in subjects"):
        Study.from_records(subjects=subjects, kinetics=stray)
    assert len(Study.from_records(subjects=subjects, kinetics=[]).kinetics) == 0


def test_a_wrong_name_choice_or_value_is_refused_by_name(tmp_path):
    write(tmp_path, subjects=SUBJECTS)
    with pytest.raises(ValueError, match="on_problem must be one of raise, report, got 'ignore'"):
        read_study(tmp_path, on_problem="ignore")
    with pytest.raises(ValueError, match="got 'kinetic'; did you mean kinetics"):
        Study.from_frames(subjects=pd.DataFrame({"subject_id": ["1"]}), kinetic=pd.DataFrame())
    with pytest.raises(ValueError, match="subjects must be a DataFrame, got int"):
        Study.from_frames(subjects=3)
    with pytest.raises(ValueError, match="takes records of KineticSample, got Subject"):
        Study.from_records(subjects=[Subject(subject_id="1")], kinetics=[Subject(subject_id="1")])
    with pytest.raises(DataError, match="there is no table of subjects"):
        Study.from_frames()


def test_a_study_shows_itself_and_cannot_be_rebound(example):
    assert repr(example).startswith("Study(subjects 10, manufacturing 10, products 20")
    page = example._repr_html_()
    assert "<b>Study from study</b>" in page
    assert "rows_set_aside" in page
    with pytest.raises(AttributeError):
        example.labs = None
