"""ADaM in and out: the mapping, what is set aside and why, and every error in one go."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cart7
from cart7 import cdisc
from cart7.cdisc import adam_values
from cart7.cdisc.adam_layout import LAYOUTS
from cart7.cdisc.adam_mapping import DATA_SETS, USUAL, mapping_rows
from cart7.cli import main
from cart7.errors import DataError
from cart7.records import TABLES

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
ADSL = "STUDYID,USUBJID,SUBJID,TRTSDT,SAFFL,DTHDT,LSTALVDT\nX,X-1,1,2024-02-01,Y,2024-05-01,\nX,X-2,2,2024-02-10,Y,,2024-06-01\n"


def folder_of(place, **files):
    """A folder of CSV data sets; the usual ADSL where none is given."""
    for name, text in ({"adsl": ADSL} | files).items():
        (place / f"{name}.csv").write_text(text, encoding="utf-8")
    return place


def rules_of(study):
    return set(study.problems["rule"])


@pytest.fixture(scope="module")
def pilot():
    return cdisc.read_adam(
        DATA / "adam", mapping={"ADRS": {"file": "adrs_onco"}, "ADTTE": {"file": "adtte_onco"}}
    )


@pytest.fixture(scope="module")
def trial():
    """An analysis of two subjects, in which the awkward cells are."""
    subjects = pd.DataFrame(
        {"study_id": "X", "subject_id": ["1", "2", "3"], "infused": ["Y", "Y", "N"], "dose_level": [1, 1, 1],
         "infusion_date": ["2024-02-01", "2024-02-10", None], "data_cutoff": "2024-12-31"}
    )  # fmt: skip
    events = pd.DataFrame(
        {"subject_id": ["1", "2", "2", "3"], "event": ["DEATH", "HSCT", "LAST_CONTACT", "DEATH"],
         "day": [90, 60, 200, None], "date": [None, "2024-04-10", "2024-08-28", "2024-03"],
         "detail": ["sepsis", "haplo", None, None]}
    )  # fmt: skip
    aes = pd.DataFrame(
        {"subject_id": ["1", "1", "2"], "ae_id": ["a", "b", "c"], "pt": ["Fever", "Nausea", "Fever"], "soc": "x",
         "grade": [3, 1, None], "start_day": [0, -2, None], "start_date": [None, "2024-01-30", "2024-02"],
         "end_day": [5, None, None], "ongoing": ["N", "Y", None], "related_cart": ["RELATED", "NOT RELATED", None]}
    )  # fmt: skip
    samples = pd.DataFrame(
        {"subject_id": "1", "sample_id": list("abcd"), "assay": "QPCR", "day": [-0.02, 7.1, 14.0, 28.3],
         "value": [None, 1234.5678901234567, 50.0, None], "blq": ["ND", None, None, "BLQ"], "lloq": 50.0,
         "unit": "copies/ug gDNA"}
    )  # fmt: skip
    study = cart7.Study.from_frames(
        subjects=subjects, events=events, adverse_events=aes, kinetics=samples, on_problem="report"
    )
    return cart7.analyse(study)


@pytest.fixture(scope="module")
def place(trial, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    cdisc.write_adam(trial, folder)
    return folder


@pytest.fixture(scope="module")
def frames(place):
    content = {path.stem: json.loads(path.read_text()) for path in place.glob("ad*.json")}
    return {
        name: pd.DataFrame(data["rows"], columns=[column["name"] for column in data["columns"]])
        for name, data in content.items()
    }


# ----------------------------------------------------------------------------------------- reading


def test_the_study_day_has_no_day_0_and_is_read_as_days_since_infusion(tmp_path):
    aes = "USUBJID,AESEQ,AEDECOD,ASTDY,AENDY\nX-1,1,Fever,1,2\nX-1,2,Nausea,-1,29\n"
    study = cdisc.read_adam(folder_of(tmp_path, adae=aes))
    assert study.adverse_events[["start_day", "end_day"]].values.tolist() == [[0, 1], [-1, 28]]


def test_a_study_day_of_0_is_an_error_with_its_place(tmp_path):
    aes = "USUBJID,AESEQ,AEDECOD,ASTDY\nX-1,1,Fever,0\n"
    with pytest.raises(DataError, match=r"adverse_events, line 2, column start_day: ADAE: ASTDY is 0"):
        cdisc.read_adam(folder_of(tmp_path, adae=aes))


def test_sas_dates_datetimes_and_iso_text_are_the_same_date(tmp_path):
    aes = "USUBJID,AESEQ,AEDECOD,ASTDT\n" + "".join(
        f"X-1,{number},Fever,{text}\n"
        for number, text in enumerate(["23407", "2024-02-01T08:30", "2022364800", "2024-02-01"], start=1)
    )
    study = cdisc.read_adam(folder_of(tmp_path, adae=aes))
    assert set(study.adverse_events["start_date"]) == {"2024-02-01"}
    assert set(study.adverse_events["start_day"]) == {0}


def test_derived_records_and_doses_are_no_samples_and_say_so(pilot):
    account = pilot.accounting.set_index("table").loc["kinetics"]
    assert account.tolist() == [108, 72, 36]
    said = pilot.problems.query("table == 'kinetics' and rule == 'ADAM-NOT-A-RECORD'")["message"].tolist()
    for part in ("DTYPE COPY (", "DTYPE HALFLLOQ (", "DTYPE COPY/HALFLLOQ (", "12 rows are not read: a dose"):
        assert any(part in message for message in said), part


def test_a_derived_record_without_an_observed_one_is_told_apart(tmp_path):
    pc = "USUBJID,PARAMCD,AFRLT,FRLTU,AVAL,DTYPE\nX-1,CARQPCR,1,DAYS,5,\nX-1,CARQPCR,2,DAYS,25,HALFLLOQ\n"
    study = cdisc.read_adam(folder_of(tmp_path, adpc=pc))
    assert len(study.kinetics) == 1
    assert study.problems["message"].str.contains("no observed one stands beside it").any()


def test_rows_in_are_rows_used_and_rows_set_aside(pilot):
    account = pilot.accounting
    assert (account["rows_in"] == account["rows_used"] + account["rows_set_aside"]).all()
    assert all(
        len(getattr(pilot, name)) == used
        for name, used in zip(account["table"], account["rows_used"], strict=True)
    )


def test_below_the_limit_is_read_from_words_and_the_substitute_is_not_used(tmp_path):
    pc = ("USUBJID,PARAMCD,AFRLT,FRLTU,AVAL,AVALC,ALLOQ,AVALU\nX-1,CARQPCR,0,HOURS,0,NOT DETECTED,50,copies/ug gDNA\n"
          "X-1,CARQPCR,24,HOURS,25,<LLOQ,50,copies/ug gDNA\nX-1,CARQPCR,48,HOURS,,<50,,copies/ug gDNA\n"
          "X-1,CARQPCR,72,HOURS,20,20,50,copies/ug gDNA\nX-1,CARQPCR,96,HOURS,80,80,50,copies/ug gDNA\n")  # fmt: skip
    samples = cdisc.read_adam(folder_of(tmp_path, adpc=pc)).kinetics
    assert samples["blq"].tolist() == ["ND", "BLQ", "BLQ", "BLQ", None]
    assert samples["value"].dropna().tolist() == [80.0]
    assert samples["lloq"].tolist() == [50.0] * 5
    assert samples["day"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert set(samples["assay"]) == {"QPCR"}


def test_an_elapsed_time_in_an_unknown_unit_is_an_error_and_one_without_a_unit_is_said(tmp_path):
    pc = "USUBJID,PARAMCD,AFRLT,FRLTU,AVAL\nX-1,CARQPCR,1,FORTNIGHTS,5\n"
    with pytest.raises(DataError, match="the unit FORTNIGHTS of AFRLT is unknown"):
        cdisc.read_adam(folder_of(tmp_path, adpc=pc))
    study = cdisc.read_adam(folder_of(tmp_path, adpc="USUBJID,PARAMCD,AFRLT,AVAL\nX-1,CARQPCR,1,5\n"))
    assert "ADAM-TIME-UNIT" in rules_of(study)
    assert study.kinetics["day"].tolist() == [1.0]


def test_a_missing_antibody_result_is_not_a_negative_one(tmp_path):
    ada = "USUBJID,PARAMCD,AVALC,AVISIT,ADY\nX-1,RESULT1,MISSING,D28,29\nX-1,RESULT1,NEGATIVE,M3,91\nX-2,RESULT1,,M3,91\n"
    study = cdisc.read_adam(folder_of(tmp_path, adab=ada))
    assert study.ada["result"].tolist() == ["NE", "NEG"]
    assert study.accounting.set_index("table").loc["ada"].tolist() == [3, 2, 1]


def test_a_titre_joins_the_result_of_its_sample(pilot):
    positive = pilot.ada[pilot.ada["result"] == "POS"]
    assert positive["titer"].notna().sum() > 0
    assert set(pilot.ada["result"]) == {"POS", "NEG"}
    assert pilot.ada.loc[pilot.ada["result"] == "NEG", "titer"].isna().all()


def test_severity_words_are_no_grades_unless_the_mapping_says_so(pilot):
    assert "grade" not in pilot.adverse_events.columns
    assert "ADAM-SEVERITY" in rules_of(pilot)
    own = cdisc.read_adam(DATA / "adam", mapping={"ADAE": {"grade": "ASEV"}})
    assert set(own.adverse_events["grade"]) <= {1, 2, 3}
    assert "ADAM-SEVERITY" not in rules_of(own)


def test_treatment_emergence_is_taken_from_its_flag(pilot):
    assert set(pilot.adverse_events["treatment_emergent"]) == {"Y", "N"}


def test_cnsr_0_is_the_event_and_a_censoring_the_last_contact(tmp_path):
    adsl = "USUBJID,TRTSDT,SAFFL\n1,2024-02-01,Y\n2,2024-02-01,Y\n"
    tte = ("USUBJID,PARAMCD,CNSR,ADT,EVNTDESC\n1,OS,0,2024-05-01,Death\n2,OS,1,2024-06-01,Alive\n"
           "2,PFS,0,2024-03-01,Disease Progression\n1,PFS,1,2024-04-01,\n1,DOR,0,2024-05-01,Death\n")  # fmt: skip
    study = cdisc.read_adam(folder_of(tmp_path, adsl=adsl, adtte=tte))
    assert study.events[["subject_id", "event", "day"]].values.tolist() == [
        ["1", "DEATH", 90.0], ["2", "LAST_CONTACT", 121.0], ["2", "PROGRESSION", 29.0]
    ]  # fmt: skip
    assert study.accounting.set_index("table").loc["events"].tolist() == [5, 3, 2]


def test_cnsr_that_contradicts_its_description_is_an_error(tmp_path):
    tte = "USUBJID,PARAMCD,CNSR,ADT,EVNTDESC\nX-2,OS,0,2024-06-01,ALIVE AT LAST CONTACT\n"
    with pytest.raises(DataError, match="CNSR is 0, an event, and EVNTDESC says that there is none"):
        cdisc.read_adam(folder_of(tmp_path, adtte=tte))


def test_adsl_counts_where_adtte_dates_an_event_otherwise(tmp_path):
    tte = "USUBJID,PARAMCD,CNSR,ADT,EVNTDESC\nX-1,OS,0,2024-05-09,DEATH\n"
    study = cdisc.read_adam(folder_of(tmp_path, adtte=tte))
    assert study.events.query("event == 'DEATH'")["date"].tolist() == ["2024-05-01"]
    assert "ADAM-TTE-AND-ADSL" in rules_of(study)


def test_a_last_contact_before_the_infusion_is_not_used(pilot):
    assert "ADAM-LAST-ALIVE" in rules_of(pilot)
    assert not (pilot.events["day"] < 0).any()


def test_assessments_of_one_date_become_one_row_and_results_none(tmp_path):
    rs = ("USUBJID,PARAMCD,AVALC,AVISIT,ADT\nX-1,OVR,CR,D28,2024-02-29\nX-1,MRD,NEGATIVE,D28,2024-02-29\n"
          "X-1,BOR,CR,,2024-02-29\nX-1,OVR,PD,M3,2024-05-01\n")  # fmt: skip
    study = cdisc.read_adam(folder_of(tmp_path, adrs=rs))
    assert study.responses[["visit", "overall_response", "day"]].values.tolist() == [
        ["D28", "CR", 28.0],
        ["M3", "PD", 90.0],
    ]
    assert study.responses["mrd"].tolist() == ["NEG", None]


def test_of_two_assessors_the_flagged_one_counts(tmp_path):
    rs = "USUBJID,PARAMCD,AVALC,AVISIT,ADT,ANL01FL\nX-1,OVR,PR,D28,2024-02-29,\nX-1,OVR,CR,D28,2024-02-29,Y\n"
    assert cdisc.read_adam(folder_of(tmp_path, adrs=rs)).responses["overall_response"].tolist() == ["CR"]


def test_two_results_of_one_visit_without_a_flag_are_an_error(tmp_path):
    rs = "USUBJID,PARAMCD,AVALC,AVISIT,ADT\nX-1,OVR,PR,D28,2024-02-29\nX-1,OVR,CR,D28,2024-02-29\n"
    with pytest.raises(DataError, match="D02-SAME-KEY"):
        cdisc.read_adam(folder_of(tmp_path, adrs=rs))


def test_units_come_from_avalu_or_from_the_brackets_of_param(tmp_path):
    lb = "USUBJID,PARAMCD,PARAM,AVAL,AVALU,ADY\nX-1,NEUT,Neutrophils (10^9/L),1.5,,1\nX-1,HGB,Hemoglobin,9.5,g/dL,1\n"
    labs = cdisc.read_adam(folder_of(tmp_path, adlb=lb)).labs
    assert labs[["test", "value", "unit"]].values.tolist() == [["ANC", 1.5, "10^9/L"], ["HGB", 95.0, "g/L"]]


def test_several_specimens_of_one_parameter_are_assays_of_their_own(pilot):
    assert set(pilot.kinetics["assay"]) == {"XAN PLASMA", "XAN URINE"}


def test_the_labels_of_a_transport_file_tell_the_unit_of_time():
    study = cdisc.read_adam(DATA / "example_adam")
    assert "ADAM-TIME-UNIT" not in rules_of(study)
    assert study.kinetics["day"].head(3).tolist() == [-0.02, -0.02, 1.0]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [(22573, "2021-10-20"), (22573.0, "2021-10-20"), (0, "1960-01-01"), (1950307200, "2021-10-20"), ("2021", "2021"),
     ("20OCT2021", "20OCT2021"), ("2021-10-20 08:00", "2021-10-20"), (None, None)],
)  # fmt: skip
def test_a_date_is_read_in_every_way_it_is_written(cell, expected):
    column = adam_values.each(pd.Series([cell], dtype=object), adam_values.date)
    assert column.tolist() == [expected]


# ---------------------------------------------------------------------------- files and the mapping


def test_every_problem_of_the_mapping_is_in_one_error(tmp_path):
    mapping = {"ADEA": {}, "ADAE": {"columns": {"grad": "ASEVN"}, "codes": {"outcome": {"GONE": "RECOVRED"}}},
               "ADRS": {"parameters": {"overal_response": ["OVR"]}}, "ADSL": {"events": {"HSTC": "HSCTDT"}}}  # fmt: skip
    with pytest.raises(DataError) as refusal:
        cdisc.read_adam(folder_of(tmp_path), mapping=mapping)
    text = str(refusal.value)
    for part in ("did you mean ADAE?", "did you mean grade?", "did you mean RECOVERED?", "did you mean HSCT?",
                 "did you mean overall_response?"):  # fmt: skip
        assert part in text
    assert {problem.rule for problem in refusal.value.problems} == {"ADAM-MAPPING"}


def test_a_mapped_variable_that_is_not_there_names_the_nearest(tmp_path):
    aes = "USUBJID,AESEQ,AEDECOD,ASEVN\nX-1,1,Fever,2\n"
    with pytest.raises(DataError, match="ADAE has no variable ASEVNN; did you mean ASEVN"):
        cdisc.read_adam(folder_of(tmp_path, adae=aes), mapping={"adverse_events": {"grade": "ASEVNN"}})


def test_a_mapping_from_toml_changes_files_columns_codes_parameters_and_events(tmp_path):
    aes = "USUBJID,AESEQ,AEDECOD,MYGRADE,AREL\nX-1,1,Fever,SEVERE,REMOTE\n"
    rs = "USUBJID,PARAMCD,AVALC,ADT\nX-1,INVRESP,CR,2024-02-29\n"
    adsl = ADSL.replace("LSTALVDT\n", "LSTALVDT,BMTDT\n").replace("2024-05-01,\n", "2024-05-01,,2024-03-02\n")
    folder_of(tmp_path, adae_x=aes, adrs=rs, adsl=adsl.replace("2024-06-01\n", "2024-06-01,\n"))
    own = tmp_path / "mapping.toml"
    own.write_text(
        '[ADAE]\nfile = "adae_x"\ncolumns = { grade = "MYGRADE" }\ncodes = { related_cart = { REMOTE = "NOT RELATED" } }\n'
        '[ADRS.parameters]\noverall_response = ["INVRESP"]\n[ADSL.events]\nHSCT = "BMTDT"\n'
    )
    study = cdisc.read_adam(tmp_path, mapping=own)
    assert study.adverse_events[["grade", "related_cart"]].values.tolist() == [[3, "NOT RELATED"]]
    assert study.responses["overall_response"].tolist() == ["CR"]
    assert study.events.query("event == 'HSCT'")["day"].tolist() == [30.0]


def test_subjects_are_named_without_the_study_where_usubjid_holds_it(tmp_path):
    assert cdisc.read_adam(folder_of(tmp_path)).subjects["subject_id"].tolist() == ["1", "2"]
    named = cdisc.read_adam(tmp_path, mapping={"subject_id": "USUBJID"})
    assert named.subjects["subject_id"].tolist() == ["X-1", "X-2"]


def test_a_subject_that_adsl_does_not_know_is_an_error(tmp_path):
    with pytest.raises(DataError, match="KEY-UNKNOWN-SUBJECT"):
        cdisc.read_adam(folder_of(tmp_path, adae="USUBJID,AESEQ,AEDECOD\nX-9,1,Fever\n"))


@pytest.mark.parametrize("suffix", [".xpt", ".json", ".ndjson", ".csv", ".parquet"])
def test_a_damaged_file_of_any_kind_is_told(tmp_path, suffix):
    folder_of(tmp_path)
    (tmp_path / f"adae{suffix}").write_bytes(b"\x00\x01\x02 nothing \x03 of that kind \x04\x05")
    with pytest.raises(DataError, match="adae"):
        cdisc.read_adam(tmp_path)
    assert cdisc.read_adam(tmp_path, on_problem="report").adverse_events is None


def test_a_file_of_another_kind_and_a_name_with_a_suffix_are_told(tmp_path):
    folder_of(tmp_path, adrs_onco="USUBJID\nX-1\n")
    (tmp_path / "adae.sas7bdat").write_bytes(b"x")
    with pytest.raises(DataError, match=r"adae.sas7bdat is of a kind that is not read.*ADAM-FILE-KIND"):
        cdisc.read_adam(tmp_path)
    found = cdisc.read_adam(tmp_path, on_problem="report").problems
    assert found.query("rule == 'ADAM-NOT-READ'")["fix"].tolist() == [
        'if it is ADRS, say so in the mapping: [ADRS] file = "adrs_onco"'
    ]


def test_no_folder_no_adsl_and_a_wrong_choice_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        cdisc.read_adam(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no ADSL"):
        cdisc.read_adam(tmp_path)
    with pytest.raises(ValueError, match="on_problem must be one of raise, report, got 'skip'"):
        cdisc.read_adam(tmp_path, on_problem="skip")
    with pytest.raises(DataError, match="ADSL has no USUBJID"):
        cdisc.read_adam(folder_of(tmp_path, adsl="AGE\n40\n"))
    with pytest.raises(DataError, match="ADSL has no row"):
        cdisc.read_adam(folder_of(tmp_path, adsl="USUBJID\n"))


def test_a_data_set_without_a_variable_it_needs_is_told_and_its_rows_counted(tmp_path):
    folder_of(tmp_path, adrs="USUBJID,AVALC\nX-1,CR\n", adae="AEDECOD\nFever\nFever\n")
    with pytest.raises(DataError, match=r"ADAE has no USUBJID.*ADAM-NO-VARIABLE"):
        cdisc.read_adam(tmp_path)
    study = cdisc.read_adam(tmp_path, on_problem="report")
    account = study.accounting.set_index("table")
    assert account.loc["responses"].tolist() == [1, 0, 1]
    assert account.loc["adverse_events"].tolist() == [2, 0, 2]
    assert study.problems["message"].str.contains("ADRS has no PARAMCD").any()


def test_one_data_set_in_two_formats_is_read_once_where_they_agree(tmp_path):
    shutil.copy(DATA / "adam" / "adsl.xpt", tmp_path)
    from cart7 import files

    cells = files.read_file(tmp_path / "adsl.xpt", name="subjects").cells
    text = cells.map(
        lambda cell: "" if cell is None else f"{cell:g}" if isinstance(cell, float) else str(cell)
    )
    text.to_csv(tmp_path / "adsl.csv", index=False)
    assert len(cdisc.read_adam(tmp_path).subjects) == 19
    text.assign(SEX="F").to_csv(tmp_path / "adsl.csv", index=False)
    with pytest.raises(DataError, match=r"adsl.xpt and adsl.csv differ: line \d+, SEX: 'M' and 'F'"):
        cdisc.read_adam(tmp_path)


def test_the_usual_mapping_names_tables_and_columns_of_the_schema():
    for each in USUAL:
        names = [source.column for source in each.columns] + [
            parameter.column for parameter in each.parameters
        ]
        assert set(names) <= set(TABLES[each.table].columns), each
        assert each.data_set in DATA_SETS


def test_the_guide_lists_the_usual_mapping():
    page = (ROOT / "docs" / "guides" / "cdisc-adam.md").read_text(encoding="utf-8")
    rows = [
        f"| {data_set} | {source} | {column} | {how} |" for data_set, source, column, how in mapping_rows()
    ]
    assert "\n".join(rows) in page


# ----------------------------------------------------------------------------------------- writing


def test_labels_and_names_fit_a_transport_file():
    for layout in LAYOUTS:
        assert len(layout.label.encode()) <= 40
        for variable in layout.variables:
            assert len(variable.name) <= 8
            assert len(variable.label.encode()) <= 40, variable


def test_the_same_analysis_gives_the_same_bytes(trial, place, tmp_path):
    other = cdisc.write_adam(trial, tmp_path / "again")
    one = {path.name: path for path in place.iterdir()}
    assert set(one) == set(other) >= {"adsl.xpt", "adsl.json", "adtte.json", "define.json"}
    for name, path in one.items():
        assert path.read_bytes() == other[name].read_bytes(), name


def test_study_days_are_written_without_a_day_0(frames):
    assert frames["adae"]["ASTDY"].tolist()[:2] == [1, -2]
    assert frames["adpc"]["ADY"].tolist() == [-1, 8, 15, 29]
    assert frames["adpc"]["AFRLT"].tolist() == [-0.02, 7.1, 14.0, 28.3]
    assert not any((frame.filter(regex="DY$") == 0).any().any() for frame in frames.values())


def test_flags_and_words_follow_cdisc(frames):
    assert frames["adpc"]["AVALC"].tolist() == ["NOT DETECTED", "1234.5678901234567", "50", "<LLOQ"]
    assert frames["adpc"]["BLQFL"].tolist() == ["Y", "", "", "Y"]
    assert frames["adae"]["TRTEMFL"].tolist() == ["Y", "", "Y"]
    assert frames["adsl"]["DTHFL"].tolist() == ["Y", "", "Y"]
    assert frames["adsl"]["SAFFL"].tolist() == ["Y", "Y", "N"]
    assert frames["adsl"]["USUBJID"].tolist() == ["X-1", "X-2", "X-3"]


def test_a_partial_date_stays_text_and_a_day_without_a_date_gets_one(frames):
    assert frames["adae"]["AESTDTC"].tolist() == ["2024-02-01", "2024-01-30", "2024-02"]
    assert frames["adae"]["ASTDT"].tolist() == ["2024-02-01", "2024-01-30", None]
    assert frames["adsl"]["DTHDT"].tolist() == ["2024-05-01", None, None]
    assert frames["adsl"]["DTHDTC"].tolist() == ["", "", "2024-03"]


def test_what_is_written_is_read_as_the_same_tables(trial, place):
    again = cdisc.read_adam(place, on_problem="report")
    for name, columns in {"kinetics": ["sample_id", "day", "value", "blq", "lloq", "unit", "assay"],
                          "adverse_events": ["pt", "grade", "start_day", "end_day", "ongoing", "related_cart"]}.items():  # fmt: skip
        left, right = getattr(trial.study, name)[columns], getattr(again, name)[columns]
        pd.testing.assert_frame_equal(left.astype(object), right.astype(object), check_dtype=False)
    assert set(zip(again.events["subject_id"], again.events["event"], strict=True)) == {
        ("1", "DEATH"), ("2", "HSCT"), ("2", "LAST_CONTACT"), ("3", "DEATH")
    }  # fmt: skip


def test_the_description_names_every_variable_with_its_origin(place):
    described = json.loads((place / "define.json").read_text())
    assert "nobody has validated" in described["notice"]
    for data_set in described["data_sets"]:
        content = json.loads((place / data_set["files"][1]).read_text())
        assert [column["name"] for column in content["columns"]] == [
            one["name"] for one in data_set["variables"]
        ]
        assert content["records"] == data_set["records"] == len(content["rows"])
        assert all(one["label"] and one["type"] and one["origin"] for one in data_set["variables"])
        assert all(one["origin"] != "derived" or one["derivation"] for one in data_set["variables"])


def test_a_text_beyond_200_bytes_goes_on_in_a_second_variable(tmp_path):
    subjects = pd.DataFrame({"subject_id": ["1"], "infusion_date": ["2024-02-01"], "disease": ["ä" * 150]})
    cdisc.write_adam(cart7.analyse(cart7.Study.from_frames(subjects=subjects)), tmp_path)
    content = json.loads((tmp_path / "adsl.json").read_text())
    row = dict(zip([column["name"] for column in content["columns"]], content["rows"][0], strict=True))
    assert row["DISEASE"] + row["DISEASE2"] == "ä" * 150


def test_an_analysis_without_its_study_is_refused(tmp_path):
    with pytest.raises(ValueError, match="analysis must hold its study"):
        cdisc.write_adam(object(), tmp_path)


def test_numbers_are_written_to_the_last_bit(place):
    from pyreadstat import read_xport

    value = read_xport(place / "adpc.xpt")[0]["AVAL"].dropna()
    np.testing.assert_array_equal(value, [1234.5678901234567, 50.0])


# ------------------------------------------------------------------------------------ command line


def test_check_reads_a_folder_of_adam_data_sets(tmp_path, capsys):
    folder_of(tmp_path, adae="USUBJID,AESEQ,AEDECOD,ASEV\nX-1,1,Fever,MILD\n")
    assert main(["check", str(tmp_path)]) == 0
    assert "[ADAM-SEVERITY]" in capsys.readouterr().out
    (tmp_path / "mapping.toml").write_text('[ADAE.columns]\ngrade = "ASEV"\n')
    assert main(["check", str(tmp_path)]) == 0
    assert "[ADAM-SEVERITY]" not in capsys.readouterr().out


def test_export_writes_data_sets_and_tells_a_wrong_place(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    folder_of(tmp_path / "in")
    assert main(["export", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "adsl.xpt").is_file()
    assert main(["export", str(tmp_path / "in"), "--out", str(tmp_path / "in" / "adsl.csv")]) == 2
    assert "is a file; name a folder" in capsys.readouterr().err


def test_a_report_on_adam_data_sets_can_be_verified(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    folder_of(tmp_path / "in")
    assert main(["report", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "study" / "adam-problems.csv").is_file()
    assert main(["verify", str(tmp_path / "out" / "manifest.json")]) == 0
    assert "everything reproduces" in capsys.readouterr().out


def test_every_rule_of_adam_is_explained():
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "src" / "cart7" / "cdisc").glob("adam*.py")
    )
    page = (ROOT / "docs" / "errors" / "data-problems.md").read_text(encoding="utf-8")
    raised = set(re.findall(r'"((?:ADAM|XPT)-[A-Z-]+)"', sources))
    assert len(raised) > 20
    assert not [rule for rule in raised if f"### {rule}\n" not in page]
