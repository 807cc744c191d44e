"""Kinetics against PKNCA, NonCompart, R and the written rules (tests/data/pk), and the example study."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7 import pk
from cart7.examples import STUDY_FOLDER
from cart7.pk import BlqRules, LambdaZRules, NcaRules

DATA = Path(__file__).parents[1] / "data" / "pk"
EXPECTED = Path(__file__).parents[1] / "data" / "example_study" / "expected"
METHODS = {"lin up/log down": "lin-up-log-down", "linear": "linear", "lin-log": "lin-log"}
WINDOWS = ((0.0, 28.0), (0.0, 90.0), (7.0, 21.0), (0.0, 12.0), (0.0, 8.0), (1.0, 6.0))
COLUMN = {code: column for column, code in pk.PPTESTCD.items()}
R_SQUARED = ("R2", "R2ADJ")
BAD = ("CTS38", "CTS39")  # two results at one time; a negative value
NEVER = ("CTS13", "CTS40")  # nothing quantifiable from day 0 on


def profiles():
    samples = pd.concat(
        [pd.read_csv(DATA / f"{name}_profiles.csv", dtype={"reported": str}) for name in ("cart", "classic")],
        ignore_index=True,
    )
    return pd.DataFrame(
        {
            "subject_id": samples["subject"],
            "day": samples["time"],
            "value": samples["conc"],
            "blq": samples["reported"].where(samples["reported"] == "BLQ"),
            "lloq": samples["lloq"],
            "unit": samples["conc_unit"],
        }
    )


def compared(got, expected, *, rtol=1e-8, absolute=()):
    """Rows of `expected` (subject, PPTESTCD, value, status) that `got` (one row per profile) does not equal."""
    table = got.set_index("subject_id")
    want = expected["value"].where(expected["status"] == "ok").to_numpy(dtype=float)
    have = np.array(
        [
            table.loc[subject, COLUMN[code]]
            for subject, code in zip(expected["subject"], expected["PPTESTCD"], strict=True)
        ]
    )
    tolerance = np.where(expected["PPTESTCD"].isin(absolute), 1e-10, rtol * np.abs(want))
    equal = (np.isnan(have) & np.isnan(want)) | (np.abs(have - want) <= tolerance)
    return expected[~equal].assign(have=have[~equal])


@pytest.fixture(scope="module")
def samples():
    return profiles()


@pytest.fixture(scope="module")
def pknca():
    return pd.read_csv(DATA / "expected_pknca.csv")


@pytest.fixture(scope="module")
def noncompart():
    return pd.read_csv(DATA / "expected_noncompart.csv")


@pytest.mark.parametrize("auc_method", list(METHODS))
def test_every_tail_rule_gives_the_partial_area_of_the_written_rules(samples, auc_method):
    """1,560 areas per method (7 tail rules); `auto` with its status, start rule and percentage as well."""
    expected = pd.read_csv(DATA / "expected_partial_auc.csv")
    expected = expected[expected["auc_method"] == auc_method].set_index(["subject", "start", "end"])
    tails = {
        "auto": "auto", "stop": "stop", "triangle": "triangle", "triangle_peer": "triangle-peer",
        "lambdaz_obs": "lambda-z-obs", "lambdaz_pred": "lambda-z-pred", "phoenix_style": "phoenix",
    }  # fmt: skip
    n = 0
    for column, tail in tails.items():
        rules = NcaRules(
            auc_method=METHODS[auc_method],
            windows=WINDOWS,
            tail=tail,
            lambda_z=LambdaZRules(slope_rule="any"),
        )
        windows = pk.nca(samples, rules=rules).windows.set_index(["subject_id", "start", "end"])
        windows = windows.loc[expected.index]
        np.testing.assert_allclose(windows["value"], expected[column], rtol=1e-9)
        n += len(expected)
        if tail == "auto":
            assert windows["status"].tolist() == expected["status"].tolist()
            assert windows["start_rule"].tolist() == expected["start_rule"].tolist()
            np.testing.assert_allclose(
                windows["percent_beyond_tlast"], expected["pct_extrap_auto"], rtol=1e-9, atol=1e-9
            )
    assert n == 7 * len(expected)
    assert len(expected) == 156


@pytest.mark.parametrize("auc_method", list(METHODS))
def test_the_pknca_preset_equals_pknca(samples, pknca, auc_method):
    """Differences: Cmax and Clast of the never quantifiable (0 there), a profile with a negative value, ties
    under lin-log."""
    expected = pknca[(pknca["options_id"] == "default") & (pknca["auc_method"] == auc_method)]
    got = pk.nca(samples, rules=NcaRules.pknca(auc_method=METHODS[auc_method])).subjects
    unlike = compared(got, expected, absolute=R_SQUARED)
    other = unlike[~unlike["subject"].isin(BAD)]
    if auc_method == "lin-log":
        # Equal neighbours after Tmax: 0/0 in PKNCA, which has no area there; here the linear rule.
        ties = other["subject"].isin(["CTS16", "CTS18", "CTS43"])
        assert other.loc[ties, "value"].isna().all()
        other = other[~ties]
    assert set(other["subject"]) <= set(NEVER)
    assert set(other["PPTESTCD"]) <= {"CMAX", "CLST"}
    assert (other["have"].isna() & (other["value"] == 0)).all()
    usable = expected[~expected["subject"].isin(BAD)]
    assert len(usable) - len(other) >= 1560


OPTIONS = {
    "blq_zero": {"blq": BlqRules(middle="keep")},
    "blq_drop": {"blq": BlqRules(first="drop", last="drop")},
    "blq_tmax": {"blq": BlqRules(before_tmax="drop", after_tmax="keep")},
    "hl_allow_tmax": {"lambda_z": LambdaZRules(include_tmax=True)},
    "hl_min4": {"lambda_z": LambdaZRules(min_points=4)},
    "hl_tol01": {"lambda_z": LambdaZRules(tolerance=0.01)},
    "tmax_last": {"tmax": "last"},
}


@pytest.mark.parametrize("options_id", list(OPTIONS))
def test_options_of_pknca_have_the_same_effect(samples, pknca, options_id):
    expected = pknca[(pknca["options_id"] == options_id) & ~pknca["subject"].isin(BAD)]
    assert len(expected) >= 3
    for auc_method, rows in expected.groupby("auc_method"):
        rules = NcaRules.pknca(auc_method=METHODS[auc_method], **OPTIONS[options_id])
        assert compared(pk.nca(samples, rules=rules).subjects, rows, absolute=R_SQUARED).empty


def test_half_the_limit_between_quantifiable_samples_gives_the_areas_of_pknca(samples, pknca):
    """PKNCA also fits its terminal slope through the substituted values; here they never enter it."""
    expected = pknca[pknca["options_id"] == "blq_first_keep_middle_half_last_drop"]
    expected = expected[expected["PPTESTCD"].isin(["AUCLST", "AUCALL", "AUMCLST", "MRTLST"])]
    assert len(expected) == 20
    rules = NcaRules.pknca(blq=BlqRules(middle="half-lloq", last="drop"))
    got = pk.nca(samples, rules=rules).subjects
    assert compared(got, expected[~expected["subject"].isin(BAD)]).empty


@pytest.mark.parametrize("auc_method", ["linear", "lin up/log down"])
def test_the_noncompart_preset_equals_noncompart(samples, noncompart, auc_method):
    """Differences, all by rule: nothing quantifiable (missing there, area 0 here), a number of points of 0
    for no slope, one sample after an assumed 0, the constant profile; under log-down NonCompart counts 0 for
    a segment that falls to a value below the limit."""
    expected = noncompart[(noncompart["options_id"] == "blq_zero") & (noncompart["auc_method"] == auc_method)]
    expected = expected[(expected["PPTESTCD"] != "AUCINT") & ~expected["subject"].isin(BAD)]
    got = pk.nca(samples, rules=NcaRules.noncompart(auc_method=METHODS[auc_method])).subjects
    unlike = compared(got, expected, absolute=R_SQUARED)
    no_slope = (unlike["PPTESTCD"] == "LAMZNPT") & (unlike["value"] == 0) & unlike["have"].isna()
    falls_to_zero = pd.Series(False, index=unlike.index)
    if auc_method == "lin up/log down":
        through_zero = unlike["subject"].isin(["CTS21", "CTS22", "CTS37"])
        falls_to_zero = through_zero | (unlike["PPTESTCD"] == "AUCALL")
    other = unlike[~no_slope & ~falls_to_zero & ~unlike["subject"].isin([*NEVER, "CTS33", "CTS43"])]
    assert other.empty, other.to_string()
    assert (len(expected), len(unlike)) == (1536, 40 if auc_method == "linear" else 89)


def test_phoenix_tails_equal_the_windows_of_noncompart(samples, noncompart):
    expected = noncompart[(noncompart["PPTESTCD"] == "AUCINT") & ~noncompart["subject"].isin(BAD)]
    n = 0
    for (options_id, auc_method), rows in expected.groupby(["options_id", "auc_method"]):
        middle = "keep" if options_id == "blq_zero" else "drop"
        rules = NcaRules.noncompart(
            auc_method=METHODS[auc_method], windows=WINDOWS, blq=BlqRules(middle=middle)
        )
        windows = pk.nca(samples, rules=rules).windows.set_index(["subject_id", "start", "end"])
        got = windows.loc[list(zip(rows["subject"], rows["start"], rows["end"], strict=True)), "value"]
        got, want = got.to_numpy(), rows["value"].to_numpy(dtype=float)
        equal = (np.isnan(got) & np.isnan(want)) | (np.abs(got - want) <= 1e-8 * np.abs(want))
        # The constant profile; and windows that end just beyond a last sample below the limit.
        left = rows[
            ~equal & (rows["subject"] != "CTS43").to_numpy() & ~rows["subject"].isin(NEVER).to_numpy()
        ]
        assert set(zip(left["subject"], left["end"], strict=True)) <= {("CTS33", 28.0), ("CTS33", 90.0),
               ("CTS33", 21.0), ("TRS03", 90.0), ("TRS04", 90.0), ("TRS09", 90.0)}, left.to_string()  # fmt: skip
        n += int(equal.sum())
    assert n >= 350


def test_expansion_contraction_and_persistence_equal_their_definitions(samples):
    """811 values; `inf` there is a censored bound, missing here. `start="zero"`: no predose sample counts."""
    codes = {
        "NSAMP": "n_samples", "NQUANT": "n_quantifiable", "TOBSLAST": "last_sample_day", "TFIRST": "tfirst",
        "PERS_LO": "persistence_low", "PERS_HI": "persistence_high", "TBLQ1": "first_blq_after_tmax",
        "TLOSS2": "confirmed_loss_day", "EXPNPT": "expansion_n", "EXPRATE": "expansion_rate",
        "EXPR2": "expansion_r_squared", "DBLTIME": "doubling_time", "EXPRATEMX": "expansion_rate_max",
        "FOLDEXP": "fold_expansion", "CONTNPT": "contraction_n", "CONTHL": "contraction_half_life",
    }  # fmt: skip
    expected = pd.read_csv(DATA / "expected_cart_kinetics.csv")
    expected = expected[expected["parameter"] != "PROFILE"]
    got = pk.nca(samples, rules=NcaRules(start="zero")).subjects.set_index("subject_id")
    have = [got.loc[row.subject, codes[row.parameter]] for row in expected.itertuples()]
    want = expected["value"].astype(float).replace(np.inf, np.nan)
    np.testing.assert_allclose(have, want, rtol=1e-9, atol=0)
    assert len(want) == 811


def test_the_trial_is_summarised_as_r_does():
    """All subjects and three dose levels; quartiles of type 2 and 7, limits of 90 and 95 %."""
    samples = profiles()
    people = pd.read_csv(DATA / "trial9_subjects.csv").rename(columns={"subject": "subject_id"})
    codes = {"CMAX": "cmax", "AUC0_28": "auc_window", "TMAX": "tmax", "TLST": "tlast", "LAMZHL": "half_life"}
    words = {"geomean": "geo_mean", "geosd": "geo_sd", "geocv_pct": "geo_cv_percent", "nmiss": "n_missing"}
    expected = pd.read_csv(DATA / "expected_summary.csv")
    expected = expected[expected["statistic"] != "cv_pct"]
    n = 0
    for kind, conf_level in ((2, 0.95), (7, 0.90)):
        rules = NcaRules(lambda_z=LambdaZRules(slope_rule="any"), quantile_type=kind, conf_level=conf_level)
        table = pk.exposure(samples, people, rules=rules).summary.set_index(["param", "group"])
        level = f"{100 * conf_level:.0f}"
        names = words | {f"q1_type{kind}": "q1", f"q3_type{kind}": "q3"}
        names |= {f"geomean_ci{level}_lo": "geo_ci_low", f"geomean_ci{level}_hi": "geo_ci_high"}
        for row in expected.itertuples():
            if row.statistic in names or row.statistic in table.columns:
                group = "ALL" if row.group == "all" else f"{float(row.group):g}"
                have = table.loc[(codes[row.parameter], group), names.get(row.statistic, row.statistic)]
                assert have == pytest.approx(row.value, rel=1e-8), row
                n += 1
    assert n >= 500


def test_time_above_a_threshold_equals_pknca(samples):
    expected = pd.read_csv(DATA / "expected_time_above.csv")
    n = 0
    for auc_method, rows in expected.groupby("auc_method"):
        levels = sorted(rows["threshold"].unique())
        found = pk.time_above(samples, levels, rules=NcaRules(auc_method=METHODS[auc_method])).subjects
        found = found.set_index(["subject_id", "threshold"])["time_above"]
        have = found.loc[list(zip(rows["subject"], rows["threshold"], strict=True))]
        np.testing.assert_allclose(have, rows["time_above"], rtol=1e-8)
        n += len(rows)
    assert n == 416


def trial():
    people = pd.read_csv(DATA / "trial9_subjects.csv")
    return people.merge(pd.read_csv(DATA / "trial9_parameters.csv")[["subject", "CMAX", "AUC0_28"]])


def test_the_power_model_equals_lm():
    """2 exposures x planned level and cells given; 90 and 95 %, limits 0.80-1.25 and 0.50-2.00."""
    expected = pd.read_csv(DATA / "expected_dose_exposure.csv")
    expected = expected[expected["analysis"] == "power_model"]
    expected = expected.set_index(["response", "covariate", "statistic"]).sort_index()
    words = {
        "n": "n", "slope": "slope", "slope_se": "std_err", "intercept": "intercept",
        "residual_sd": "residual_sd", "r_squared": "r_squared", "dose_ratio": "dose_ratio",
        "ratio_of_dose_normalised_means": "normalised_ratio",
    }  # fmt: skip
    n = 0
    for response in ("CMAX", "AUC0_28"):
        for covariate in ("dose_level", "dose_1e6_cells"):
            want = expected.loc[(response, covariate), "value"]
            for level, limits, name in ((0.90, (0.80, 1.25), "080_125"), (0.95, (0.50, 2.00), "050_200")):
                found = pk.dose_proportionality(
                    trial()[response], trial()[covariate], conf_level=level, limits=limits
                )
                ends = {f"slope_ci{100 * level:.0f}_lo": "ci_low", f"slope_ci{100 * level:.0f}_hi": "ci_high"}
                ends |= {f"smith_lo_{name}": "smith_low", f"smith_hi_{name}": "smith_high"}
                for theirs, ours in {**words, **ends}.items():
                    assert getattr(found, ours) == pytest.approx(want[theirs], rel=1e-8)
                    n += 1
                assert found.conclusion == "inconclusive"
    assert n == 96


def test_exposure_against_response_equals_r():
    """Welch and pooled t, exact Wilcoxon, Firth logistic (brglm2) on response; correlations with CRS grade."""
    expected = pd.read_csv(DATA / "expected_dose_exposure.csv")
    expected = expected[expected["analysis"] != "power_model"]
    expected = expected.set_index(["response", "analysis", "statistic"]).sort_index()
    ours = {
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
    n = 0
    for response in ("CMAX", "AUC0_28"):
        found = pk.exposure_response(trial()[response], trial()["responder"])
        graded = pk.exposure_response(trial()[response], trial()["crs_grade"])
        for (analysis, statistic), name in ours.items():
            want = expected.loc[(response, analysis, statistic), "value"]
            assert getattr(found, name) == pytest.approx(want, rel=1e-7), name
            n += 1
        rho = expected.loc[(response, "spearman", "rho"), "value"]
        tau = expected.loc[(response, "kendall_tau_b", "tau"), "value"]
        assert (graded.spearman_rho, graded.kendall_tau) == (pytest.approx(rho), pytest.approx(tau))
        assert np.isnan([graded.gm_ratio, graded.wilcoxon_w, graded.firth_slope]).all()
        n += 2
    assert n == len(expected) == 28


def test_a_thousand_profiles_equal_noncompart():
    """17 profiles have a value below the limit between quantifiable ones, where log-down areas differ by rule."""
    simulated = pd.read_csv(DATA / "perf_profiles.csv")
    expected = pd.read_csv(DATA / "perf_expected_noncompart.csv").set_index("subject")
    samples = pd.DataFrame(
        {"subject_id": simulated["subject"].astype(str), "day": simulated["time"], "value": simulated["conc"]}
    )
    got = pk.nca(samples, rules=NcaRules.noncompart()).subjects
    got = got.set_index(got["subject_id"].astype(int)).loc[expected.index]
    blank = simulated["conc"] == 0
    first_last = simulated[~blank].groupby("subject")["time"].agg(["min", "max"])
    inside = simulated[blank].join(first_last, on="subject")
    gaps = inside.loc[(inside["time"] > inside["min"]) & (inside["time"] < inside["max"]), "subject"].unique()
    clean = ~expected.index.isin(gaps)
    assert clean.sum() == 983
    for code in ("CMAX", "TMAX", "TLST"):
        np.testing.assert_allclose(got[COLUMN[code]], expected[code], rtol=1e-8)
    for code in ("AUCLST", "LAMZ", "AUCIFO"):
        np.testing.assert_allclose(got.loc[clean, COLUMN[code]], expected.loc[clean, code], rtol=1e-8)


def test_dense_samples_approach_the_closed_form_area():
    """CTS01 is the noise-free curve every half day to day 28: trapezoids are within 0.3 % of the integral."""
    truth = pd.read_csv(DATA / "stein_truth.csv").set_index("subject").loc["CTS01"]
    samples = profiles()
    rules = NcaRules(windows=((0, 28), (7, 21)))
    found = pk.nca(samples[samples["subject_id"] == "CTS01"], rules=rules).windows["value"]
    assert found[0] == pytest.approx(truth["auc_0_28"], rel=3e-3)
    assert found[1] == pytest.approx(truth["auc_7_21"], rel=3e-3)


def study(name):
    return pd.read_csv(STUDY_FOLDER / f"{name}.csv")


EXAMPLE = {
    "lud_last": NcaRules(tail="stop", quantile_type=7, infusion_no=1),
    "lud_all": NcaRules(tail="triangle-peer", quantile_type=7, infusion_no=1),
    "lin_last": NcaRules(tail="stop", auc_method="linear", quantile_type=7, infusion_no=1),
    "lin_all": NcaRules(tail="triangle", auc_method="linear", quantile_type=7, infusion_no=1),
}


def infused():
    subjects = study("subjects")
    return subjects[subjects["infused"] == "Y"]


def test_the_example_study_has_its_expected_parameters():
    expected = pd.read_csv(EXPECTED / "nca_subject.csv").set_index(["subject_id", "assay"])
    columns = {
        "n_samples": "n_samples", "n_quantifiable": "n_quant", "cmax": "cmax", "tmax": "tmax",
        "clast": "clast", "tlast": "tlast", "persistence_low": "persist_last_quant_day",
        "first_blq_after_tmax": "first_blq_after_tmax",
    }  # fmt: skip
    n = 0
    for name, rules in EXAMPLE.items():
        got = pk.nca(study("kinetics"), rules=rules).subjects.set_index(["subject_id", "assay"])
        got = got.loc[expected.index]
        for column, theirs in {**columns, "auc_window": f"auc0_28_{name}"}.items():
            np.testing.assert_allclose(got[column], expected[theirs], rtol=1e-9)
            n += len(expected)
        if name == "lud_last":
            words = expected["end28"].replace("TRUNCATED AT LAST QUANTIFIABLE", "TRUNCATED")
            assert got["auc_window_status"].tolist() == words.tolist()
    assert n == 4 * 9 * 18


def test_the_example_study_has_its_expected_summary():
    expected = pd.read_csv(EXPECTED / "nca_summary.csv")
    words = {"geomean": "geo_mean", "geocv_pct": "geo_cv_percent"}
    n = 0
    for name in ("lud_last", "lin_last"):
        table = pk.exposure(study("kinetics"), infused(), rules=EXAMPLE[name]).summary
        table = table.set_index(["param", "assay", "group"])
        area = f"auc0_28_{name}"
        for row in expected.to_dict("records"):
            param = "auc_window" if row["parameter"] == area else row["parameter"]
            if param.startswith("auc0"):
                continue
            line = table.loc[(param, row["assay"], row["dose_level"])]
            for statistic in ("n", "mean", "sd", "geomean", "geocv_pct", "median", "q1", "q3", "min", "max"):
                assert line[words.get(statistic, statistic)] == pytest.approx(row[statistic], rel=1e-8)
                n += 1
    assert n == 2 * 4 * 8 * 10


def test_the_example_study_has_its_expected_persistence():
    expected = pd.read_csv(EXPECTED / "persistence_by_visit.csv")
    found = pk.persistence(study("kinetics"), infused(), study("events"), rules=EXAMPLE["lud_last"]).summary
    found = found[found["group"] == "ALL"].set_index(["assay", "visit"])
    found = found.loc[list(zip(expected["assay"], expected["nominal_label"], strict=True))]
    theirs = {"estimate": "rate", "ci_low": "cp_lcl", "ci_high": "cp_ucl"}
    for column in ("nominal_day", "n_infused", "n_in_followup", "n_sampled", "n_quantifiable", *theirs):
        np.testing.assert_allclose(found[column], expected[theirs.get(column, column)], rtol=1e-9, atol=1e-10)
    assert len(found) == 26


def test_the_censored_slope_equals_survreg():
    """16 fits, 7 numbers each; a slope that rises has no half-life."""
    expected = pd.read_csv(DATA / "expected_tobit.csv", skipinitialspace=True)
    windows = {"all_after_tmax": "after-tmax", "to_first_blq_after_tlast": "to-first-blq"}
    names = {"n_quant": "n_quantifiable", "n_blq": "n_blq", "lambda_z": "lambda_z", "intercept": "intercept",
             "sigma": "sigma", "loglik": "log_likelihood", "half_life": "half_life"}  # fmt: skip
    n = 0
    for window, rows in expected.groupby("window"):
        found = pk.terminal_slope_censored(profiles(), window=windows[window]).subjects
        found = found.set_index("subject_id").loc[rows["subject"]]
        for theirs, ours in names.items():
            want = pd.to_numeric(rows[theirs], errors="coerce").to_numpy(dtype=float)
            np.testing.assert_allclose(found[ours].to_numpy(dtype=float), want, rtol=1e-6)
            n += len(rows)
    assert n == 112


def test_the_fitted_curve_is_at_least_as_near_as_the_best_of_120_random_starts():
    """24 profiles; the criterion is one-sided, as the parameters of noisy profiles are not identified."""
    expected = pd.read_csv(DATA / "expected_stein_fit.csv").set_index("subject")
    samples = profiles()
    found = pk.fit_kinetics(samples[samples["subject_id"].isin(expected.index)], blq="drop", rng=1).subjects
    found = found.set_index("subject_id").loc[expected.index]
    assert (found["sse"] <= expected["sse"] * (1 + 1e-6) + 1e-10).all()
    assert found["n"].tolist() == expected["n"].tolist()
    assert len(found) == 24
    exact = found.loc["CTS01"]
    for ours, theirs in {"cmax": "cmax", "tmax": "tmax", "fold": "foldx", "alpha": "alpha", "beta": "beta",
                         "slow_fraction": "FB", "growth_rate": "rho"}.items():  # fmt: skip
        assert exact[ours] == pytest.approx(expected.loc["CTS01", theirs], rel=1e-6)
