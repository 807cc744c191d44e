"""The whole analysis: complete, in one shape, and going on where something is missing."""

from pathlib import Path

import pandas as pd
import pytest

import cart7
from cart7 import results
from cart7.errors import DataError, PlanError

PLAN = cart7.read_plan("example")


@pytest.fixture(scope="module")
def trial():
    return cart7.analyse(cart7.example_study(), PLAN)


@pytest.fixture(scope="module")
def long(trial):
    return trial.to_frame()


@pytest.fixture
def tables():
    study = cart7.example_study()
    return {name: getattr(study, name).reset_index(drop=True) for name in cart7.records.TABLES}


def analysed(tables, plan=PLAN):
    return cart7.analyse(cart7.Study.from_frames(**tables), plan)


def test_every_attribute_of_the_contract_is_there(trial):
    assert trial.not_collected == {}
    for name in cart7.analysis.ENDPOINTS:
        assert getattr(trial, name) is not None, name


def test_the_long_rows_keep_their_shape(long):
    assert results.check(long) == []


ENDPOINT_ROWS = {
    "1 DLT": ("safety.dose_limiting_toxicity", "DLT", "estimate", "ci_low"),
    "2 adverse events": ("safety.overview", "any_teae", "estimate", "ci_low"),
    "3a Cmax": ("pk.exposure", "CMAX:QPCR", "geo_mean", "geo_ci_low"),
    "3b Tmax": ("pk.exposure", "TMAX:QPCR", "median", "geo_ci_low"),
    "3c AUC0-28d": ("pk.exposure", "AUCINT:QPCR", "geo_mean", "geo_ci_low"),
    "3d persistence": ("pk.persistence", "", "estimate", "ci_low"),
    "4a CD7+ absolute": ("pd.by_visit", "CD7POS_ABS:value", "mean", "mean_ci_low"),
    "4b CD7+ proportion": ("pd.by_visit", "CD7POS_PCT:value", "mean", "mean_ci_low"),
    "5 response": ("response.objective_response", "ORR:treatment-policy", "estimate", "ci_low"),
    "6a OS": ("survival.endpoint_table", "OS:treatment-policy", "median", "ci_low"),
    "6b DOR": ("survival.endpoint_table", "DOR:treatment-policy", "median", "ci_low"),
    "6c PFS": ("survival.endpoint_table", "PFS:treatment-policy", "median", "ci_low"),
    "7 antibodies": ("immunogenicity.positive_rate", "ADA:positive_at_visit", "estimate", "ci_low"),
    "8 RP2D": ("dose.recommend", "RP2D", "expected_score", "ci_low"),
}


@pytest.mark.parametrize("endpoint", ENDPOINT_ROWS)
def test_an_endpoint_of_the_protocol_has_value_interval_n_unit_and_method(long, endpoint):
    analysis, param, value, limit = ENDPOINT_ROWS[endpoint]
    rows = long[
        (long["analysis"] == analysis) & (long["subject_id"] == "") & long["param"].str.startswith(param)
    ]
    assert len(rows), (
        f"no rows of {analysis} {param}; there are {long.loc[long['analysis'] == analysis, 'param'].unique()[:9]}"
    )
    numbers = rows[rows["stat"] == value]
    assert numbers["value"].notna().any()
    assert (numbers["unit"] != "").all()
    assert (numbers["method"] != "").all()
    assert rows.loc[rows["stat"] == limit, "value"].notna().any()
    assert rows["stat"].isin(["n", "n_infused", "n_sampled"]).any() or analysis == "dose.recommend"


def test_a_level_at_which_nobody_is_infused_keeps_its_row(tables):
    subjects = tables["subjects"]
    extra = subjects[subjects["infused"] == "N"].assign(subject_id="CD7-011", dose_level=4)
    tables["subjects"] = pd.concat([subjects, extra], ignore_index=True)
    trial = analysed(tables)
    assert trial.dlt.summary.set_index("group").loc["4", "n"] == 0
    rates = trial.response.summary.query("visit == 'M3' and group == '4' and population == 'INFUSED'")
    assert (rates["n"] == 0).all()
    assert results.check(trial.to_frame()) == []


def test_the_order_of_rows_does_not_matter(tables, long):
    shuffled = {
        name: frame.sample(frac=1, random_state=3).reset_index(drop=True) for name, frame in tables.items()
    }
    moved = results.compare(long, analysed(shuffled).to_frame())
    assert not len(moved), moved.head(10).to_string()


@pytest.mark.parametrize("name", [name for name in cart7.records.TABLES if name != "subjects"])
def test_a_study_without_one_table_goes_on_and_says_what_is_missing(tables, name):
    del tables[name]
    trial = analysed(tables)
    assert results.check(trial.to_frame()) == []
    needs = {"kinetics": "nca", "pd": "pd", "ada": "ada", "labs": "icaht", "responses": "response", "products": "cell_dose",
             "adverse_events": "ae_overview", "aesi_course": "aesi_course", "dlt": "dlt_comparison"}  # fmt: skip
    if name in needs:
        assert name in trial.not_collected[needs[name]]
    else:
        assert set(trial.not_collected) <= {"rp2d"}


@pytest.mark.parametrize(
    ("table", "column", "endpoint"),
    [("kinetics", "value", "nca"), ("pd", "parameter", "pd"), ("responses", "overall_response", "response"),
     ("ada", "result", "ada"), ("labs", "test", "icaht"), ("products", "viable_car_pos_cells_1e6", "cell_dose"),
     ("dlt", "evaluable", "dlt")],
)  # fmt: skip
def test_a_missing_column_makes_its_endpoint_not_collected(tables, table, column, endpoint):
    tables[table] = tables[table].drop(columns=column)
    assert endpoint in analysed(tables).not_collected


def test_without_dose_levels_there_is_one_group(tables):
    tables["subjects"] = tables["subjects"].drop(columns="dose_level")
    trial = analysed(tables)
    assert trial.accounting["group"].tolist() == ["ALL"]
    assert "rp2d" in trial.not_collected


def test_nobody_infused_leaves_the_accounting_alone(tables):
    subjects = tables["subjects"].assign(infused="N", infusion_date=None)
    trial = analysed({"subjects": subjects})
    assert trial.accounting["n_enrolled"].iloc[-1] == 10
    assert set(trial.not_collected.values()) == {cart7.analysis.NOBODY_INFUSED}
    assert results.check(trial.to_frame()) == []


def test_subjects_alone_are_a_study():
    trial = cart7.analyse(cart7.Study.from_frames(subjects=pd.DataFrame({"subject_id": ["a", "b"]})))
    assert set(trial.not_collected) == set(cart7.analysis.ENDPOINTS)
    assert trial.accounting["n_enrolled"].tolist() == [2]


def test_an_assessment_after_death_is_left_out_and_listed(tables):
    late = (
        tables["responses"]
        .iloc[[0]]
        .assign(subject_id="CD7-008", visit="M3", day=90, assessment_date="2022-09-28")
    )
    tables["responses"] = pd.concat([tables["responses"], late], ignore_index=True)
    trial = analysed(tables)
    row = trial.response.subjects.query(
        "subject_id == 'CD7-008' and visit == 'M3' and strategy == 'treatment-policy'"
    )
    assert row["reason"].tolist() == ["DEATH"]
    assert (trial.response.excluded["reason"] == "assessed after death; the death counts").sum() == 1


def test_another_group_column_is_honoured(tables):
    trial = analysed(tables, PLAN.model_copy(update={"by": "sex", "score": None}))
    assert trial.accounting["group"].tolist() == ["F", "M", "ALL"]
    assert trial.dlt.summary["group"].tolist() == ["F", "M", "ALL"]


def test_the_default_plan_collects_everything_but_the_recommendation():
    trial = cart7.analyse(cart7.example_study())
    assert set(trial.not_collected) == {"rp2d"}
    assert results.check(trial.to_frame()) == []


def test_the_messy_study_is_analysed_after_setting_rows_aside():
    folder = Path(__file__).parent / "data" / "example_study_messy"
    with pytest.raises(DataError):
        cart7.read_study(folder)
    trial = cart7.analyse(cart7.read_study(folder, on_problem="report"), PLAN)
    assert results.check(trial.to_frame()) == []
    assert trial.row_accounting["rows_set_aside"].sum() > 0


def test_mixed_units_stop_their_endpoint_and_no_other(tables):
    samples = tables["pd"].copy()
    samples["unit"] = samples["unit"].where(samples.index != 0, "10^9/L")
    study = cart7.example_study()
    odd = {name: getattr(study, name) for name in cart7.records.TABLES} | {"pd": samples}
    desk_study = type("Tables", (), odd | {"problems": study.problems, "accounting": study.accounting,
                                           "extra_columns": {}, "source": None})()  # fmt: skip
    trial = cart7.analyse(desk_study, PLAN)
    assert "unit" in trial.not_collected["pd"]
    assert trial.nca is not None


def test_a_group_column_that_is_not_there_is_refused_with_those_that_are(tables):
    with pytest.raises(PlanError, match=r"no column 'cohort'; it has .*dose_level"):
        analysed(tables, PLAN.model_copy(update={"by": "cohort"}))


def test_a_plan_without_the_response_that_the_score_reads_goes_on(tables):
    response = PLAN.response.model_copy(update={"strategies": ("failure",)})
    trial = analysed(tables, PLAN.model_copy(update={"response": response}))
    assert "no response at M3 under treatment-policy" in trial.not_collected["rp2d"]


def test_rows_of_subjects_who_were_not_infused_are_told(tables):
    bag = tables["products"].iloc[[0]].assign(subject_id="CD7-010")
    samples = tables["kinetics"].iloc[[0, 1]].assign(subject_id="CD7-010")
    study = cart7.example_study()
    odd = {name: getattr(study, name) for name in cart7.records.TABLES}
    odd |= {"products": pd.concat([tables["products"], bag], ignore_index=True),
            "kinetics": pd.concat([tables["kinetics"], samples], ignore_index=True),
            "problems": study.problems, "accounting": study.accounting, "extra_columns": {}, "source": None}  # fmt: skip
    trial = cart7.analyse(type("Tables", (), odd)(), PLAN)
    for result, n in ((trial.cell_dose, 1), (trial.nca, 2)):
        told = result.excluded[result.excluded["reason"] == "subject not infused"]
        assert told["subject_id"].tolist() == ["CD7-010"] * n
        assert told["row"].notna().all()


def test_haematotoxicity_has_its_rates_by_level_in_the_long_rows(long):
    rows = long[(long["analysis"] == "safety.icaht") & (long["subject_id"] == "")]
    assert set(rows["group"]) == {"1", "2", "3", "ALL"}
