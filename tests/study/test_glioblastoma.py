"""A real trial: the glioblastoma CAR-T phase I, from its published table to the report's numbers."""

import importlib.util
import json
from pathlib import Path

import pandas as pd
import pytest

import cart7
from cart7.cli import main

ROOT = Path(__file__).parents[2]
DAYS_PER_MONTH = 30.4375


@pytest.fixture(scope="module")
def published():
    table = pd.read_csv(ROOT / "tests" / "data" / "real" / "expected_gbm.csv", dtype={"value": float})
    return table.set_index(["quantity", "group", "statistic"])["value"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = ROOT / "examples" / "glioblastoma" / "make_study.py"
    spec = importlib.util.spec_from_file_location("make_study", place)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script.write_study(tmp_path_factory.mktemp("gbm") / "study")


@pytest.fixture(scope="module")
def trial(folder):
    return cart7.analyse(cart7.read_study(folder))


def progression(trial):
    rows = trial.time_to_event.subjects.query("endpoint == 'PFS' and strategy == 'treatment-policy'")
    return rows.assign(months=rows["time"] / DAYS_PER_MONTH)


def test_the_report_of_the_folder_ends_well(folder, tmp_path):
    assert main(["report", str(folder), "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "results.json").read_text())["results"]
    median = next(
        row for row in rows
        if row["analysis"] == "survival.endpoint_table" and row["param"] == "PFS:treatment-policy"
        and row["group"] == "ALL" and row["stat"] == "median" and not row["subject_id"]
    )  # fmt: skip
    assert median["value"] / DAYS_PER_MONTH == pytest.approx(1.953947368, rel=1e-9)


def test_progression_free_survival_equals_r(trial, published):
    rows = progression(trial)
    curve = cart7.survival.kaplan_meier(rows["months"], rows["event"])
    median = curve.quantiles(0.5).iloc[0]
    got = {"n": len(rows), "events": rows["event"].sum(), "median[log-log]": median["time"],
           "median_lcl95[log-log]": median["ci_low"], "median_ucl95[log-log]": median["ci_high"]}  # fmt: skip
    for month, at in curve.at([1, 3, 6]).set_index("time").iterrows():
        got |= {f"S({month:g})[log-log]": at["survival"], f"S({month:g})_lcl95[log-log]": at["ci_low"],
                f"S({month:g})_ucl95[log-log]": at["ci_high"], f"n_risk({month:g})": at["n_risk"]}  # fmt: skip
    got["reverse_km_median_followup"] = curve.follow_up(ties="flip").quantiles(0.5).iloc[0]["time"]
    for statistic, value in got.items():
        assert float(value) == pytest.approx(published[("PFS_months", "all", statistic)], rel=1e-9), statistic
    assert len(got) == 18


def test_the_table_of_the_report_says_the_same_in_days(trial, published):
    table = trial.time_to_event.summary
    row = table.query("endpoint == 'PFS' and strategy == 'treatment-policy' and group == 'ALL'").iloc[0]
    for column, statistic in (("median", "median"), ("ci_low", "median_lcl95"), ("ci_high", "median_ucl95")):
        months = published[("PFS_months", "all", f"{statistic}[log-log]")]
        assert row[column] / DAYS_PER_MONTH == pytest.approx(months, rel=1e-9)


def test_dose_levels_do_not_differ_as_in_r(trial, published):
    rows = progression(trial)
    level = rows["subject_id"].map(cart7_levels(trial))
    test = cart7.survival.logrank(rows["months"], rows["event"], level)
    assert test.statistic == pytest.approx(published[("PFS_months", "dose_level", "logrank_chisq")], rel=1e-9)
    assert test.p_value == pytest.approx(published[("PFS_months", "dose_level", "logrank_p")], rel=1e-9)


def cart7_levels(trial):
    return dict(zip(trial.course["subject_id"], trial.course["group"], strict=True))


def test_the_response_rate_has_its_exact_limits(trial, published):
    rates = trial.response.summary.query(
        "visit == 'BOR' and population == 'INFUSED' and group == 'ALL'"
    ).iloc[0]
    wanted = published["responder_source"]["all"]
    assert (rates["n_responder"], rates["n"]) == (wanted["x"], wanted["n"])
    for column, statistic in (("estimate", "p"), ("ci_low", "cp_lcl95"), ("ci_high", "cp_ucl95")):
        assert rates[column] == pytest.approx(wanted[statistic], rel=1e-9)
    low, high = cart7.stats.proportions.interval(8, 18, conf_level=0.90)
    assert (float(low), float(high)) == pytest.approx((wanted["cp_lcl90"], wanted["cp_ucl90"]), rel=1e-9)


def test_what_the_trial_did_not_publish_is_not_collected(trial):
    assert {"cell_dose", "dlt", "ae_overview", "nca", "pd", "ada", "rp2d"} <= set(trial.not_collected)
