"""CD7+ cells against R and Python (tests/data/pd) and against the example study's expected tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.twins.pd import restricted_log_likelihood

from cart7.examples import STUDY_FOLDER
from cart7.pd import PdRules, by_visit, depletion, mixed_model

DATA = Path(__file__).parents[1] / "data" / "pd"
EXPECTED = Path(__file__).parents[1] / "data" / "example_study" / "expected"
LLOQ = {"cd7_abs": 1.0, "cd7_pct": 0.1}
EXAMPLE_RULES = PdRules(
    visit_by="nominal-label",
    blq_arithmetic="half-lloq",
    quantile_type=7,
    baseline="last-before-lymphodepletion",
    censor_at=(),
)


def reference(name):
    return pd.read_csv(DATA / f"pd_{name}.csv").rename(columns={"subject": "subject_id"})


def study(name):
    return pd.read_csv(STUDY_FOLDER / f"{name}.csv")


@pytest.fixture(scope="module")
def tables():
    subjects = reference("subjects")
    wide = reference("samples")
    samples = wide.melt(
        ["subject_id", "sample_id", "day"], list(LLOQ), var_name="parameter", value_name="value"
    )
    samples = samples.assign(
        lloq=samples["parameter"].map(LLOQ),
        unit=samples["parameter"].map({"cd7_abs": "cells/uL", "cd7_pct": "% of lymphocytes"}),
    )
    start = subjects[["subject_id", "ld_start_day"]].rename(columns={"ld_start_day": "day"})
    events = subjects.melt(
        "subject_id", ["sct_day", "newtx_day"], var_name="event", value_name="day"
    ).dropna()
    events["event"] = events["event"].map({"sct_day": "HSCT", "newtx_day": "NEW_THERAPY"})
    return {"subjects": subjects, "samples": samples, "lymphodepletion": start, "events": events}


def assert_equal_columns(ours, theirs, columns, rel=1e-9):
    """Compare named columns of two frames in the same row order; returns how many numbers were equal."""
    count = 0
    for mine, other in columns.items():
        np.testing.assert_allclose(
            ours[mine].to_numpy(dtype=float),
            theirs[other].to_numpy(dtype=float),
            rtol=rel,
            atol=1e-11,
            err_msg=mine,
        )
        count += len(theirs)
    return count


def test_chosen_samples_and_changes_equal_r_and_python(tables):
    result = by_visit(tables["samples"], tables["subjects"], lymphodepletion=tables["lymphodepletion"])
    expected = reference("expected_visit")
    count = 0
    for parameter in LLOQ:
        ours = result.subjects[result.subjects["parameter"] == parameter]
        assert len(ours) == len(expected)
        ours = expected[["subject_id", "visit"]].merge(ours, on=["subject_id", "visit"], how="left")
        ours["blq"] = ours["blq"].astype(float)
        columns = {
            "day": "day",
            "value": f"{parameter}_aval",
            "log_value": f"{parameter}_logval",
            "blq": f"{parameter}_blq",
        }
        if parameter == "cd7_abs":
            for change in ("change", "percent_change", "log10_change"):
                columns[change] = f"cd7_abs_{change.replace('percent', 'pct')}"
        else:
            columns["change"] = "cd7_pct_change_points"
        count += assert_equal_columns(ours, expected, columns)
    assert count == 166 * 12


@pytest.mark.parametrize("kind", [2, 6, 7])
def test_visit_summaries_equal_r_and_numpy(tables, kind):
    result = by_visit(tables["samples"], tables["subjects"], rules=PdRules(quantile_type=kind))
    expected = reference("expected_summary")
    parameter = expected["statistic_of"].str.slice(0, 7)
    rest = expected["statistic_of"].str.slice(8)
    names = {"": "value", "pct_change": "percent_change", "change_points": "change"}
    expected = expected.assign(parameter=parameter, group=expected["dose_level"].astype(str),
                               statistic_of=rest.replace(names))  # fmt: skip
    key = ["parameter", "visit", "group", "statistic_of"]
    ours = expected[key].merge(result.summary, on=key, how="left", validate="one_to_one")
    columns = {name: name for name in ("n", "mean", "sd", "se", "median", "min", "max")}
    columns |= {"mean_ci_low": "mean_lcl", "mean_ci_high": "mean_ucl", "cv_percent": "cv_pct"}
    columns |= {"q1": f"q1_type{kind}", "q3": f"q3_type{kind}"}
    columns |= {"geo_mean": "geomean", "geo_sd": "geosd", "geo_cv_percent": "geocv_pct"}
    assert assert_equal_columns(ours, expected, columns) == 224 * 15
    value = expected["statistic_of"] == "value"
    assert assert_equal_columns(ours[value], expected[value], {"n_blq": "n_blq"}) == 80


def test_depletion_of_each_subject_equals_r_and_python(tables):
    result = depletion(
        tables["samples"], tables["subjects"], tables["events"],
        lymphodepletion=tables["lymphodepletion"], parameter="cd7_abs",
    )  # fmt: skip
    expected = reference("expected_subject").replace(np.inf, np.nan)
    columns = {
        name: name
        for name in ("baseline", "baseline_day", "nadir", "nadir_day", "aplasia_duration", "auec_last")
    }
    columns |= {
        "baseline_pre_ld": "baseline_preld",
        "nadir_percent_of_baseline": "nadir_pct_baseline",
        "clearance_time": "clear_time",
        "clearance_event": "clear_event",
        "clearance_left": "clear_left",
        "clearance_right": "clear_right",
        "confirmed_clearance_time": "clear_conf_time",
        "confirmed_clearance_event": "clear_conf_event",
        "recovery_time": "recov50_time",
        "recovery_event": "recov50_event",
        "relative_recovery_time": "recov_half_baseline_time",
        "relative_recovery_event": "recov_half_baseline_event",
        "auec_last_day": "auec_tlast",
        "auec_window": "auec0_28",
        "auec_net": "auec0_28_net",
        "auec_suppression_percent": "auec0_28_pct_suppression",
    }
    assert result.subjects["subject_id"].tolist() == expected["subject_id"].tolist()
    assert assert_equal_columns(result.subjects, expected, columns) == 18 * 22


def test_times_to_clearance_and_recovery_equal_survfit(tables):
    result = depletion(
        tables["samples"], tables["subjects"], tables["events"],
        lymphodepletion=tables["lymphodepletion"], parameter="cd7_abs", by=None,
    )  # fmt: skip
    columns = {"n": "n", "n_event": "events", "q25": "q25", "median": "median", "q75": "q75"}
    columns |= {"median_ci_low": "median_lcl", "median_ci_high": "median_ucl"}
    assert assert_equal_columns(result.summary, reference("expected_km"), columns) == 4 * 7


def test_example_study_visits_equal_the_published_table():
    result = by_visit(study("pd"), study("subjects").query("infused == 'Y'"),
                      lymphodepletion=study("lymphodepletion"), rules=EXAMPLE_RULES)  # fmt: skip
    expected = pd.read_csv(EXPECTED / "pd_by_visit.csv").rename(columns={"nominal_label": "visit"})
    summary = result.summary.query("group == 'ALL' and statistic_of == 'value'")
    ours = expected[["parameter", "visit"]].merge(summary, on=["parameter", "visit"], how="left")
    assert len(summary) == len(expected)
    assert summary["visit"].drop_duplicates().tolist() == expected["visit"].drop_duplicates().tolist()
    columns = {name: name for name in ("n", "n_blq", "median", "q1", "q3", "min", "max")} | {
        "geo_mean": "geomean"
    }
    assert assert_equal_columns(ours, expected, columns, rel=5e-10) == 52 * 8


def test_example_study_depletion_equals_the_published_table():
    result = depletion(study("pd"), study("subjects").query("infused == 'Y'"), study("events"),
                       lymphodepletion=study("lymphodepletion"), parameter="CD7POS_PCT",
                       rules=EXAMPLE_RULES)  # fmt: skip
    expected = pd.read_csv(EXPECTED / "pd_depletion_subject.csv")
    columns = {
        "baseline": "baseline_pct",
        "baseline_pre_ld": "baseline_pct",
        "nadir": "nadir_pct",
        "nadir_day": "nadir_day",
        "first_day_below_5": "first_day_lt5pct",
        "first_day_below_1": "first_day_lt1pct",
        "recovery_after_nadir_day": "recovery_day_ge50pct_baseline",
    }
    assert result.subjects["subject_id"].tolist() == expected["subject_id"].tolist()
    assert assert_equal_columns(result.subjects, expected, columns) == 9 * 7


def test_means_by_visit_equal_lme(tables):
    model = mixed_model(tables["samples"], tables["subjects"], parameter="cd7_abs")
    expected = reference("expected_mixed").set_index("term")
    means = expected[expected.index.str.startswith("visit")]
    assert ("visit" + model.summary["visit"]).tolist() == means.index.tolist()
    np.testing.assert_allclose(model.summary["estimate"], means["estimate"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.summary["std_err"], means["se"], rtol=1e-4)
    assert int(model.summary["n"].sum()) == 149
    # lme stops 3e-7 below the maximum of the likelihood, where sd_subject is 0.36345, not 0.36337.
    assert model.log_likelihood >= expected.loc["logLik_REML", "estimate"]
    assert model.log_likelihood == pytest.approx(expected.loc["logLik_REML", "estimate"], abs=1e-6)
    assert model.sd_subject == pytest.approx(expected.loc["sd_subject", "estimate"], abs=1e-4)
    assert model.sd_residual == pytest.approx(expected.loc["sd_residual", "estimate"], rel=1e-4)


def test_the_likelihood_at_the_parameters_of_lme_is_the_one_lme_prints(tables):
    values = mixed_model(tables["samples"], tables["subjects"], parameter="cd7_abs").subjects
    expected = reference("expected_mixed").set_index("term")["estimate"]
    ours = restricted_log_likelihood(
        values["log10_value"].to_numpy(), values["visit"].to_numpy(), values["subject_id"].to_numpy(),
        expected["sd_subject"], expected["sd_residual"],
    )  # fmt: skip
    assert ours == pytest.approx(expected["logLik_REML"], abs=1e-9)
