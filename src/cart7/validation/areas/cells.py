"""CD7+ cells against R and Python."""

from typing import Any

import numpy as np
import pandas as pd

from cart7.pd import PdRules, by_visit, depletion, mixed_model
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

LLOQ = {"cd7_abs": 1.0, "cd7_pct": 0.1}
UNIT = {"cd7_abs": "cells/uL", "cd7_pct": "% of lymphocytes"}
CLOSE: dict[str, Any] = {"relative": 1e-9, "absolute": 1e-11}
DEPLETION = {
    **{
        name: name
        for name in ("baseline", "baseline_day", "nadir", "nadir_day", "aplasia_duration", "auec_last")
    },
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
KAPLAN_MEIER = {
    "n": "n",
    "n_event": "events",
    "q25": "q25",
    "median": "median",
    "q75": "q75",
    "median_ci_low": "median_lcl",
    "median_ci_high": "median_ucl",
}


def _reference(bench: Bench, name: str) -> pd.DataFrame:
    return bench.table(f"pd/pd_{name}.csv").rename(columns={"subject": "subject_id"})


def _tables(bench: Bench) -> dict[str, pd.DataFrame]:
    subjects = _reference(bench, "subjects")
    key = ["subject_id", "sample_id", "day"]
    samples = _reference(bench, "samples").melt(key, list(LLOQ), var_name="parameter", value_name="value")
    samples = samples.assign(lloq=samples["parameter"].map(LLOQ), unit=samples["parameter"].map(UNIT))
    start = subjects[["subject_id", "ld_start_day"]].rename(columns={"ld_start_day": "day"})
    events = subjects.melt(
        "subject_id", ["sct_day", "newtx_day"], var_name="event", value_name="day"
    ).dropna()
    events["event"] = events["event"].map({"sct_day": "HSCT", "newtx_day": "NEW_THERAPY"})
    return {"subjects": subjects, "samples": samples, "lymphodepletion": start, "events": events}


def _columns(
    tally: Tally, ours: pd.DataFrame, theirs: pd.DataFrame, columns: dict[str, str], what: str
) -> None:
    for mine, other in columns.items():
        tally.numbers(f"{what} {mine}", ours[mine], theirs[other], **CLOSE)


def visits_of(parameter: str, bench: Bench, tally: Tally) -> None:
    """The sample chosen per visit, its value after the rules for values below the limit, and changes."""
    tables = _tables(bench)
    result = by_visit(tables["samples"], tables["subjects"], lymphodepletion=tables["lymphodepletion"])
    expected = _reference(bench, "expected_visit")
    ours = result.subjects[result.subjects["parameter"] == parameter]
    tally.claim("as many rows", len(ours) == len(expected))
    ours = expected[["subject_id", "visit"]].merge(ours, on=["subject_id", "visit"], how="left")
    ours["blq"] = ours["blq"].astype(float)
    columns = {"day": "day", "value": f"{parameter}_aval", "log_value": f"{parameter}_logval",
               "blq": f"{parameter}_blq"}  # fmt: skip
    if parameter == "cd7_abs":
        for change in ("change", "percent_change", "log10_change"):
            columns[change] = f"cd7_abs_{change.replace('percent', 'pct')}"
    else:
        columns["change"] = "cd7_pct_change_points"
    _columns(tally, ours, expected, columns, parameter)
    summaries_of(parameter, tables, bench, tally)


def summaries_of(parameter: str, tables: dict[str, pd.DataFrame], bench: Bench, tally: Tally) -> None:
    """Statistics of each visit with quartiles of type 2, 6 and 7."""
    expected = _reference(bench, "expected_summary")
    expected = expected[expected["statistic_of"].str.startswith(parameter)]
    names = {"": "value", "pct_change": "percent_change", "change_points": "change"}
    expected = expected.assign(
        parameter=parameter, group=expected["dose_level"].astype(str),
        statistic_of=expected["statistic_of"].str.slice(8).replace(names),
    ).reset_index(drop=True)  # fmt: skip
    key = ["parameter", "visit", "group", "statistic_of"]
    for kind in (2, 6, 7):
        result = by_visit(tables["samples"], tables["subjects"], rules=PdRules(quantile_type=kind))
        ours = expected[key].merge(result.summary, on=key, how="left", validate="one_to_one")
        columns = {name: name for name in ("n", "mean", "sd", "se", "median", "min", "max")}
        columns |= {"mean_ci_low": "mean_lcl", "mean_ci_high": "mean_ucl", "cv_percent": "cv_pct"}
        columns |= {"q1": f"q1_type{kind}", "q3": f"q3_type{kind}"}
        columns |= {"geo_mean": "geomean", "geo_sd": "geosd", "geo_cv_percent": "geocv_pct"}
        _columns(tally, ours, expected, columns, f"{parameter} quartiles {kind}")
        value = expected["statistic_of"] == "value"
        _columns(tally, ours[value], expected[value], {"n_blq": "n_blq"}, parameter)


@check("cells.absolute_by_visit")
def absolute_by_visit(bench: Bench, tally: Tally) -> None:
    """Absolute CD7+ counts."""
    visits_of("cd7_abs", bench, tally)


@check("cells.percent_by_visit")
def percent_by_visit(bench: Bench, tally: Tally) -> None:
    """CD7+ percentages."""
    visits_of("cd7_pct", bench, tally)


@check("cells.depletion")
def depletion_of_each(bench: Bench, tally: Tally) -> None:
    """Baseline, nadir, clearance, recovery, aplasia and the area under the effect curve of each subject."""
    tables = _tables(bench)
    result = depletion(
        tables["samples"], tables["subjects"], tables["events"], lymphodepletion=tables["lymphodepletion"],
        parameter="cd7_abs",
    )  # fmt: skip
    expected = _reference(bench, "expected_subject").replace(np.inf, np.nan)
    tally.words("subject", result.subjects["subject_id"], expected["subject_id"])
    _columns(tally, result.subjects, expected, DEPLETION, "subject")


@check("cells.times_to_clearance")
def times_to_clearance(bench: Bench, tally: Tally) -> None:
    """Kaplan-Meier quartiles of clearance and recovery."""
    tables = _tables(bench)
    result = depletion(
        tables["samples"], tables["subjects"], tables["events"], lymphodepletion=tables["lymphodepletion"],
        parameter="cd7_abs", by=None,
    )  # fmt: skip
    _columns(tally, result.summary, _reference(bench, "expected_km"), KAPLAN_MEIER, "quartiles")


@check("cells.mixed_model")
def means_by_visit(bench: Bench, tally: Tally) -> None:
    """Random-intercept model; lme stops 3e-7 below the maximum of the likelihood, hence 1e-4."""
    tables = _tables(bench)
    model = mixed_model(tables["samples"], tables["subjects"], parameter="cd7_abs")
    expected = _reference(bench, "expected_mixed").set_index("term")
    means = expected[expected.index.str.startswith("visit")]
    tally.words("visit", "visit" + model.summary["visit"], means.index)
    tally.numbers("mean", model.summary["estimate"], means["estimate"], relative=1e-4, absolute=1e-6)
    tally.numbers("standard error", model.summary["std_err"], means["se"], relative=1e-4)
    likelihood = expected.loc["logLik_REML", "estimate"]
    tally.claim("at least as likely", model.log_likelihood >= likelihood)
    tally.numbers("log likelihood", [model.log_likelihood], [likelihood], absolute=1e-6)
    tally.numbers(
        "between subjects", [model.sd_subject], [expected.loc["sd_subject", "estimate"]], absolute=1e-4
    )
    tally.numbers("residual", [model.sd_residual], [expected.loc["sd_residual", "estimate"]], relative=1e-4)
