"""ADaM in and out: the same numbers from transport files as from the study's own tables, and from the pilot study."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cart7
from cart7 import cdisc, results, safety

DATA = Path(__file__).parents[1] / "data"
PILOT = DATA / "safety" / "pilot_ae"

# What the ADaM-like files do not hold, by row kind: the whole of it where no statistic is named.
NOT_CARRIED = {
    "dose.cell_dose": {"n_bags", "volume_ml", "viable_1e6"},  # ADEX holds totals for each infusion, not bags
    "dose.vein_to_vein": None,  # manufacturing runs are in no ADaM data set here
    "pd.by_visit": {"day"},  # ADPD has dates, the study's own table decimals of a day
    "pd.depletion": None,  # times between samples, which need the decimals of a day
    "pd.escape": {"aplasia_from_day", "aplasia_to_day", "reason"},
    "safety.aesi_course": None,  # the grade of each day is in no ADaM data set here
    "safety.compare_dlt": {"reason_adjudicated"},  # ADSL has the flag of a DLT, not its words
    "safety.dose_limiting_toxicity": {"reason"},
}


@pytest.fixture(scope="module")
def plan():
    return cart7.read_plan("example")


@pytest.fixture(scope="module")
def own(plan):
    return cart7.analyse(cart7.example_study(), plan)


@pytest.fixture(scope="module")
def from_adam(plan):
    return cart7.analyse(cdisc.read_adam(DATA / "example_adam"), plan)


@pytest.fixture(scope="module")
def written(own, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adam")
    cdisc.write_adam(own, folder)
    return folder


def test_adam_files_give_the_numbers_of_the_study_wherever_both_hold_the_data(own, from_adam):
    found = results.compare(own.to_frame(), from_adam.to_frame())
    unexpected = [
        (row.analysis, row.param, row.stat, row.old, row.new)
        for row in found.itertuples()
        if row.analysis not in NOT_CARRIED
        or (NOT_CARRIED[row.analysis] is not None and row.stat not in NOT_CARRIED[row.analysis])
    ]
    assert unexpected == []


def test_every_row_kind_said_not_to_be_carried_differs(own, from_adam):
    found = results.compare(own.to_frame(), from_adam.to_frame())
    assert set(found["analysis"]) == set(NOT_CARRIED)
    kinds = set(own.to_frame()["analysis"]) - set(NOT_CARRIED)
    assert len(kinds) == 28
    assert from_adam.not_collected == {"aesi_course": "the study has no rows of aesi_course"}


def test_what_is_written_gives_the_same_numbers_when_it_is_read(own, written, plan):
    again = cart7.analyse(cdisc.read_adam(written), plan)
    found = results.compare(own.to_frame(), again.to_frame())
    # Bags, manufacturing runs and the grades of single days are in none of the data sets.
    kept = found[~found["analysis"].isin(["safety.aesi_course", "dose.vein_to_vein"])]
    assert set(kept["analysis"]) <= {"dose.cell_dose"}
    assert set(kept["stat"]) <= {"n_bags", "volume_ml"}


def test_times_count_the_first_day_and_events_are_zero(own, written):
    rows = pd.read_json(written / "adtte.json", typ="series")
    frame = pd.DataFrame(rows["rows"], columns=[column["name"] for column in rows["columns"]])
    start, end = pd.to_datetime(frame["STARTDT"]), pd.to_datetime(frame["ADT"])
    timed = frame["AVAL"].notna()
    assert timed.sum() == 78
    assert (((end - start).dt.days + 1)[timed] == frame["AVAL"][timed]).all()
    subjects = own.time_to_event.subjects.dropna(subset="time")
    assert sorted(frame["AVAL"][timed]) == sorted(subjects["time"] + 1)
    assert (frame["CNSR"] == 0).sum() == int((subjects["event"] == 1).sum())
    assert (frame.loc[frame["CNSR"] == 9, "PARCAT2"] == "hsct-competing").all()
    assert set(frame["SRCDOM"]) <= {"events", "responses", "subjects", ""}
    assert not (frame["ADY"] == 0).any()


def test_kinetic_parameters_have_the_codes_and_numbers_of_the_result(own, written):
    rows = pd.read_json(written / "adpp.json", typ="series")
    frame = pd.DataFrame(rows["rows"], columns=[column["name"] for column in rows["columns"]])
    mine = frame[(frame["APERIODC"] == "INFUSION 1") & (frame["PARCAT1"] == "QPCR")]
    cmax = mine[mine["PARAMCD"] == "CMAX"].set_index("SUBJID")["AVAL"]
    profiles = own.exposure.subjects.query("assay == 'QPCR'").set_index("subject_id")
    np.testing.assert_array_equal(cmax.reindex(profiles.index), profiles["cmax"])
    area = mine[mine["PARAMCD"] == "AUCINT"].set_index("SUBJID")
    np.testing.assert_array_equal(area["AVAL"].reindex(profiles.index), profiles["auc_window"])
    assert set(area["PPENINT"]) == {"P28D"}


# ---------------------------------------------------------------- CDISC pilot study (pharmaverseadam 1.3.0.9004)


@pytest.fixture(scope="module")
def pilot():
    study = cdisc.read_adam(PILOT, mapping={"ADAE": {"columns": {"grade": "ASEVN"}}})
    return study.adverse_events, study.subjects.rename(columns={"TRT01A": "arm"}), study.events


def test_the_overview_of_the_pilot_study_comes_out_of_its_adam_files(pilot):
    """Expected: R dplyr, compared with cards 0.9.0 (0 differences)."""
    events, subjects, course = pilot
    expected = pd.read_csv(PILOT / "expected_ae_overall_summary.csv").replace({"arm": {"Total": "ALL"}})
    lines = {"any_teae": "any_teae", "serious_teae": "serious_teae", "any_teae_severe": "any_teae_grade_ge3",
             "related_teae": "related_cart_teae", "related_severe_teae": "related_cart_teae_grade_ge3",
             "fatal_teae": "fatal_teae"}  # fmt: skip
    found = safety.overview(events, subjects, events=course, by="arm").summary
    expected = expected.assign(line=expected["row"].map(lines)).dropna(subset="line")
    both = expected.merge(
        found, left_on=["line", "arm"], right_on=["row", "group"], suffixes=("_expected", "")
    )
    assert len(both) == len(expected) == 24
    assert (both["n_subjects"] == both["n_expected"]).all()
    assert (both["n_events"] == both["events"]).all()
    assert (both["n_events"] == both["events"]).all()
    assert (both["n"] == both["N"]).all()


def test_every_term_of_the_pilot_study_comes_out_of_its_adam_files(pilot):
    events, subjects, course = pilot
    expected = pd.read_csv(PILOT / "expected_ae_soc_pt.csv.gz").replace({"arm": {"Total": "ALL"}})
    found = safety.by_term(events, subjects, events=course, by="arm").summary
    both = expected.fillna({"soc": "", "pt": ""}).merge(
        found.fillna({"soc": "", "pt": ""}), left_on=["level", "soc", "pt", "arm"], right_on=["level", "soc", "pt", "group"],
        suffixes=("_expected", ""),
    )  # fmt: skip
    assert len(both) == len(expected)
    assert (both["n_subjects"] == both["n_expected"]).all()
    assert (both["n_events"] == both["events"]).all()
