"""Summaries and models of exposure against R: statistics, power model, censored slope, fitted curve."""

from typing import Any

import numpy as np
import pandas as pd

from cart7 import pk
from cart7.pk import LambdaZRules, NcaRules
from cart7.validation.areas.kinetics import METHODS, profiles
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

CODES = {"CMAX": "cmax", "AUC0_28": "auc_window", "TMAX": "tmax", "TLST": "tlast", "LAMZHL": "half_life"}
WORDS = {"geomean": "geo_mean", "geosd": "geo_sd", "geocv_pct": "geo_cv_percent", "nmiss": "n_missing"}
POWER = {
    "n": "n",
    "slope": "slope",
    "slope_se": "std_err",
    "intercept": "intercept",
    "residual_sd": "residual_sd",
    "r_squared": "r_squared",
    "dose_ratio": "dose_ratio",
    "ratio_of_dose_normalised_means": "normalised_ratio",
}
RESPONSE = {
    ("gm_ratio_responder", "ratio"): "gm_ratio",
    ("gm_ratio_responder", "welch_ci95_lo"): "ci_low",
    ("gm_ratio_responder", "welch_ci95_hi"): "ci_high",
    ("gm_ratio_responder", "welch_df"): "welch_df",
    ("gm_ratio_responder", "welch_p"): "welch_p_value",
    ("gm_ratio_responder", "pooled_ci95_lo"): "pooled_ci_low",
    ("gm_ratio_responder", "pooled_ci95_hi"): "pooled_ci_high",
    ("wilcoxon_exact", "W"): "wilcoxon_w",
    ("wilcoxon_exact", "p"): "wilcoxon_p_value",
    ("firth_logistic", "slope"): "firth_slope",
    ("firth_logistic", "slope_se"): "firth_std_err",
    ("firth_logistic", "intercept"): "firth_intercept",
}
TOBIT = {"n_quant": "n_quantifiable", "n_blq": "n_blq", "lambda_z": "lambda_z", "intercept": "intercept",
         "sigma": "sigma", "loglik": "log_likelihood", "half_life": "half_life"}  # fmt: skip


def summaries_of(parameters: tuple[str, ...], bench: Bench, tally: Tally) -> None:
    """Statistics over all subjects and three dose levels; two kinds of quartiles and of limits."""
    samples = profiles(bench)
    people = bench.table("pk/trial9_subjects.csv").rename(columns={"subject": "subject_id"})
    expected = bench.table("pk/expected_summary.csv")
    expected = expected[(expected["statistic"] != "cv_pct") & expected["parameter"].isin(parameters)]
    choices: tuple[tuple[Any, float], ...] = ((2, 0.95), (7, 0.90))
    for kind, conf_level in choices:
        rules = NcaRules(lambda_z=LambdaZRules(slope_rule="any"), quantile_type=kind, conf_level=conf_level)
        table = pk.exposure(samples, people, rules=rules).summary.set_index(["param", "group"])
        level = f"{100 * conf_level:.0f}"
        names = WORDS | {f"q1_type{kind}": "q1", f"q3_type{kind}": "q3"}
        names |= {f"geomean_ci{level}_lo": "geo_ci_low", f"geomean_ci{level}_hi": "geo_ci_high"}
        for row in expected.itertuples():
            if row.statistic in names or row.statistic in table.columns:
                group = "ALL" if row.group == "all" else f"{float(row.group):g}"
                have = table.loc[(CODES[row.parameter], group), names.get(row.statistic, row.statistic)]
                tally.numbers(f"{row.parameter} {group} {row.statistic}", [have], [row.value], relative=1e-8)


@check("kinetics.summary_cmax")
def summary_cmax(bench: Bench, tally: Tally) -> None:
    """Cmax."""
    summaries_of(("CMAX",), bench, tally)


@check("kinetics.summary_tmax")
def summary_tmax(bench: Bench, tally: Tally) -> None:
    """Tmax and the time of the last quantifiable sample."""
    summaries_of(("TMAX", "TLST"), bench, tally)


@check("kinetics.summary_auc")
def summary_auc(bench: Bench, tally: Tally) -> None:
    """AUC0-28d and the terminal half-life."""
    summaries_of(("AUC0_28", "LAMZHL"), bench, tally)


@check("kinetics.time_above")
def time_above(bench: Bench, tally: Tally) -> None:
    """Time above four multiples of the limit of quantification."""
    samples = profiles(bench)
    for auc_method, rows in bench.table("pk/expected_time_above.csv").groupby("auc_method"):
        levels = sorted(rows["threshold"].unique())
        rules = NcaRules(auc_method=METHODS[str(auc_method)])
        found = pk.time_above(samples, levels, rules=rules).subjects.set_index(["subject_id", "threshold"])
        key = list(zip(rows["subject"], rows["threshold"], strict=True))
        tally.numbers(
            f"{auc_method}", found.loc[key, "time_above"], rows["time_above"], relative=1e-8, at=key
        )


def _trial(bench: Bench) -> pd.DataFrame:
    people = bench.table("pk/trial9_subjects.csv")
    return people.merge(bench.table("pk/trial9_parameters.csv")[["subject", "CMAX", "AUC0_28"]])


@check("kinetics.power_model")
def power_model(bench: Bench, tally: Tally) -> None:
    """Dose proportionality of two exposures by planned level and by cells given."""
    expected = bench.table("pk/expected_dose_exposure.csv")
    expected = expected[expected["analysis"] == "power_model"]
    expected = expected.set_index(["response", "covariate", "statistic"]).sort_index()
    trial = _trial(bench)
    for response in ("CMAX", "AUC0_28"):
        for covariate in ("dose_level", "dose_1e6_cells"):
            want = expected.loc[(response, covariate), "value"]
            for level, limits, name in ((0.90, (0.80, 1.25), "080_125"), (0.95, (0.50, 2.00), "050_200")):
                found = pk.dose_proportionality(
                    trial[response], trial[covariate], conf_level=level, limits=limits
                )
                ends = {f"slope_ci{100 * level:.0f}_lo": "ci_low", f"slope_ci{100 * level:.0f}_hi": "ci_high"}
                ends |= {f"smith_lo_{name}": "smith_low", f"smith_hi_{name}": "smith_high"}
                names = {**POWER, **ends}
                tally.numbers(f"{response} {covariate}", [getattr(found, ours) for ours in names.values()],
                              [want[theirs] for theirs in names], relative=1e-8, at=list(names))  # fmt: skip


@check("kinetics.exposure_response")
def exposure_response(bench: Bench, tally: Tally) -> None:
    """Welch and pooled t, exact Wilcoxon, Firth logistic; rank correlations with the CRS grade."""
    expected = bench.table("pk/expected_dose_exposure.csv")
    expected = expected[expected["analysis"] != "power_model"]
    wanted = expected.set_index(["response", "analysis", "statistic"]).sort_index()["value"]
    trial = _trial(bench)
    for response in ("CMAX", "AUC0_28"):
        found = pk.exposure_response(trial[response], trial["responder"])
        theirs = [wanted[(response, *key)] for key in RESPONSE]
        tally.numbers(response, [getattr(found, name) for name in RESPONSE.values()], theirs, relative=1e-7,
                      at=list(RESPONSE.values()))  # fmt: skip
        graded = pk.exposure_response(trial[response], trial["crs_grade"])
        theirs = [wanted[(response, "spearman", "rho")], wanted[(response, "kendall_tau_b", "tau")]]
        tally.numbers(f"{response} ranks", [graded.spearman_rho, graded.kendall_tau], theirs, relative=1e-7)


@check("kinetics.censored_slope")
def censored_slope(bench: Bench, tally: Tally) -> None:
    """Terminal slope, values below the limit left-censored (survreg stops at 1e-9 of the likelihood)."""
    expected = bench.table("pk/expected_tobit.csv", skipinitialspace=True)
    windows: dict[str, Any] = {"all_after_tmax": "after-tmax", "to_first_blq_after_tlast": "to-first-blq"}
    for window, rows in expected.groupby("window"):
        found = pk.terminal_slope_censored(profiles(bench), window=windows[str(window)]).subjects
        found = found.set_index("subject_id").loc[rows["subject"]]
        for theirs, ours in TOBIT.items():
            want = pd.to_numeric(rows[theirs], errors="coerce").to_numpy(dtype=float)
            tally.numbers(f"{window} {theirs}", found[ours], want, relative=1e-6, at=list(rows["subject"]))


@check("kinetics.fitted_curve")
def fitted_curve(bench: Bench, tally: Tally) -> None:
    """At least as near as the best of 120 random starts; equal parameters where the profile is exact."""
    expected = bench.table("pk/expected_stein_fit.csv").set_index("subject")
    samples = profiles(bench)
    chosen = samples[samples["subject_id"].isin(expected.index)]
    found = pk.fit_kinetics(chosen, blq="drop", rng=1).subjects.set_index("subject_id").loc[expected.index]
    near = found["sse"] <= expected["sse"] * (1 + 1e-6) + 1e-10
    tally.words("as near as the best start", near, np.ones(len(near), bool), at=list(expected.index))
    tally.numbers("samples", found["n"], expected["n"], at=list(expected.index))
    names = {
        "cmax": "cmax",
        "tmax": "tmax",
        "fold": "foldx",
        "alpha": "alpha",
        "beta": "beta",
        "slow_fraction": "FB",
        "growth_rate": "rho",
    }
    exact, want = found.loc["CTS01"], expected.loc["CTS01"]
    tally.numbers("CTS01", [exact[ours] for ours in names], [want[theirs] for theirs in names.values()],
                  relative=1e-6, at=list(names))  # fmt: skip
