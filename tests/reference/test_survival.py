"""Survival against R survival, bpcp, cmprsk, PROC LIFETEST and records reasoned by hand.

Provenance of every file: tests/data/survival/README.md. Each test asserts how many numbers it compared.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7 import survival
from cart7.examples import STUDY_FOLDER

DATA = Path(__file__).parent.parent / "data" / "survival"
EXPECTED = Path(__file__).parent.parent / "data" / "example_study" / "expected"
WORDS = {"arcsin": "arcsine"}  # the reference's word: ours


def table(name):
    frame = pd.read_csv(DATA / name, dtype={"dataset": str, "group": str, "p_event": float})
    return frame.assign(group=frame["group"].fillna("")) if "group" in frame.columns else frame


SETS = table("datasets.csv")


def subjects_of(dataset, group="ALL"):
    rows = SETS[SETS["dataset"] == dataset]
    return rows if group == "ALL" else rows[rows["group"] == group]


def fit(dataset, group, **options):
    rows = subjects_of(dataset, group)
    return survival.kaplan_meier(rows["time"], rows["status"] > 0, **options)


def differences(got, expected, rtol=1e-10, atol=1e-13):
    """Number of entries that differ, missing agreeing with missing only."""
    got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    assert got.shape == expected.shape
    return int((~np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)).sum())


def test_curves_and_five_kinds_of_limits_are_those_of_survfit():
    """R 4.2.2, survival 3.5-3: survfit(Surv(time, status) ~ 1, conf.type = , conf.int = )."""
    compared = wrong = 0
    columns = {"time": "time", "n_risk": "n_risk", "n_event": "n_event", "n_censor": "n_censor",
               "survival": "surv", "std_err": "se_surv"}  # fmt: skip
    suffixes = {"plain": "plain", "log": "log", "log-log": "loglog", "logit": "logit", "arcsine": "arcsin"}
    for (dataset, group, level), rows in table("km_table.csv").groupby(["dataset", "group", "conf_level"]):
        for conf_type, suffix in suffixes.items():
            curve = fit(dataset, group, conf_type=conf_type, conf_level=level).curve
            pairs = {**columns, "ci_low": f"lower_{suffix}", "ci_high": f"upper_{suffix}"}
            for ours, theirs in pairs.items():
                wrong += differences(curve[ours], rows[theirs])
                compared += len(rows)
    assert (compared, wrong) == (81_560, 0)


def test_quantiles_are_those_of_print_and_of_quantile_survfit_but_for_one_known_fault():
    """R reads a band that is not monotone after sorting it (p01_aml, log: 48); the first crossing is 45."""
    rules = {"summary.survfit": "survfit", "quantile.survfit": "survfit-quantile"}
    compared, wrong = 0, []
    for key, rows in table("quantiles.csv").groupby(
        ["dataset", "group", "conf_level", "conf_type", "source"]
    ):
        dataset, group, level, conf_type, source = key
        result = fit(dataset, group, conf_type=WORDS.get(conf_type, conf_type), conf_level=level)
        got = result.quantiles(rows["p"].tolist(), rule=rules[source])
        for ours, theirs in (("time", "estimate"), ("ci_low", "lower"), ("ci_high", "upper")):
            compared += len(rows)
            if differences(got[ours], rows[theirs]):
                wrong.append((dataset, conf_type, source, ours))
    assert compared == 6_600
    assert wrong == [("p01_aml", "log", "quantile.survfit", "ci_high")]
    assert fit("p01_aml", "ALL", conf_type="log").quantiles(0.5, rule="survfit-quantile")["ci_high"][0] == 45


def test_landmarks_are_those_of_summary_survfit():
    """summary(fit, times = , extend = TRUE); past the last observation `ne` gives nothing unless S is 0."""
    compared = wrong = beyond = 0
    for key, rows in table("landmarks.csv").groupby(["dataset", "group", "conf_level", "conf_type"]):
        dataset, group, level, conf_type = key
        result = fit(dataset, group, conf_type=WORDS.get(conf_type, conf_type), conf_level=level)
        got = result.at(rows["time"], beyond="carry")
        pairs = {"n_risk": "n_risk", "n_event": "cum_events", "survival": "surv",
                 "ci_low": "lower", "ci_high": "upper"}  # fmt: skip
        for ours, theirs in pairs.items():
            wrong += differences(got[ours], rows[theirs])
            compared += len(rows)
        strict = result.at(rows["time"])
        past = (rows["beyond_last_followup"] == 1).to_numpy() & (rows["surv"] > 0).to_numpy()
        assert strict["survival"].isna().tolist() == past.tolist()
        beyond += past.sum()
    assert (compared, wrong) == (17_900, 0)
    assert beyond == 490


def test_restricted_means_are_those_of_survfit():
    """summary(fit, rmean = tau)$table; a tau past the last observation is refused unless S is 0."""
    wrong = refused = 0
    rows = table("rmst.csv")
    for row in rows.itertuples():
        result = fit(row.dataset, row.group)
        got = result.rmst(row.tau, extend=True).iloc[0]
        wrong += differences([got["rmst"], got["std_err"]], [row.rmst, row.se])
        if row.beyond_last_followup and result.curve["survival"].iloc[-1] > 0:
            refused += 1
            with pytest.raises(ValueError, match="past the last"):
                result.rmst(row.tau)
    assert (len(rows), wrong) == (329, 0)
    assert refused == 61


def test_follow_up_curves_are_those_of_survfit_and_prodlim():
    """Status flipped in R survival; prodlim 2019.11.13 `Hist(time, status) ~ 1, reverse = TRUE`."""
    compared = wrong = 0
    for (dataset, group), rows in table("reverse_km_curves.csv").groupby(["dataset", "group"]):
        for ties, column in (("flip", "surv_flip"), ("events-first", "surv_events_first")):
            wrong += differences(fit(dataset, group).follow_up(ties=ties).curve["survival"], rows[column])
            compared += len(rows)
    assert (compared, wrong) == (872, 0)


def test_follow_up_quantiles_are_those_of_the_flipped_survfit():
    compared = wrong = 0
    for key, rows in table("reverse_km_quantiles.csv").groupby(
        ["dataset", "group", "conf_level", "conf_type"]
    ):
        dataset, group, level, conf_type = key
        result = fit(dataset, group, conf_type=WORDS.get(conf_type, conf_type), conf_level=level)
        got = result.follow_up(ties="flip").quantiles(rows["p"].tolist(), rule="survfit-quantile")
        for ours, theirs in (("time", "estimate"), ("ci_low", "lower"), ("ci_high", "upper")):
            wrong += differences(got[ours], rows[theirs])
            compared += len(rows)
    assert (compared, wrong) == (4_950, 0)


def test_sas_reading_of_quantiles_and_landmarks():
    """PROC LIFETEST results published by the PSI CAMIS project for s01 and s02, printed to 3 decimals."""
    compared = 0
    for row in table("sas_cross_check.csv").itertuples():
        got = fit(row.dataset, "ALL")
        if row.quantity.startswith("q"):
            ours = got.quantiles(float(row.quantity[1:]) / 100, rule="sas").iloc[0]
            ours = ours[["time", "ci_low", "ci_high"]]
        else:
            ours = got.at(float(row.quantity[2:-1])).iloc[0][["survival", "ci_low", "ci_high"]]
        theirs = [np.nan if cell == "NE" else float(cell) for cell in row[4:7]]
        assert differences(ours, theirs, rtol=0, atol=5.0001e-4) == 0, row
        compared += 3
    assert compared == 36


BPCP_TOLERANCE = {
    "exact": 1e-12,
    "exact_midp": 1e-12,
    "mm": 1e-12,
    "mm_midp": 5e-4,  # the source's root finder stops at 1.2e-4 on the probability scale
}


@pytest.mark.parametrize("method", BPCP_TOLERANCE)
def test_beta_product_limits_are_those_of_bpcp_and_of_60_digit_arithmetic(method):
    """bpcp 1.4.2 bpcp(time, status, nmc = 0, alpha = , midp = ); exact: closed form in 60 digits, n <= 30."""
    options = {"midp": method.endswith("midp"), "method": "exact" if "exact" in method else "moments"}
    compared = wrong = 0
    for (dataset, group, level), rows in table("bpcp_table.csv").groupby(["dataset", "group", "conf_level"]):
        expected = rows[[f"lower_{method}", f"upper_{method}"]].to_numpy(dtype=float)
        if np.isnan(expected).all():
            continue
        people = subjects_of(dataset, group)
        time = people["time"].round(12) if dataset == "k18_n9_near_ties" else people["time"]  # as the source
        got = survival.bpcp(time, people["status"] > 0, conf_level=level, **options)
        assert differences(got["right"], rows["R"]) == 0
        assert differences(got["left"], rows["L"]) == 0
        assert differences(got["survival"], rows["surv"]) == 0
        falling = np.minimum.accumulate(expected, axis=0)
        wrong += differences(got[["ci_low", "ci_high"]], falling, rtol=0, atol=BPCP_TOLERANCE[method])
        compared += expected.size
    assert wrong == 0
    assert compared == (1_530 if "exact" in method else 3_666)


@pytest.mark.parametrize("conf_type", ["bpcp", "bpcp-midp"])
def test_quantile_limits_read_from_exact_beta_product_limits(conf_type):
    method = "exact" if conf_type == "bpcp" else "exact_midp"
    rows = table("bpcp_quantiles.csv").replace(np.inf, np.nan)
    rows = rows[(rows["method"] == method) & ~rows["dataset"].str.startswith("k18")]
    wrong = 0
    for (dataset, group, level), part in rows.groupby(["dataset", "group", "conf_level"]):
        result = fit(dataset, group, conf_type=conf_type, conf_level=level)
        got = result.quantiles(part["p_event"].tolist())
        wrong += differences(got[["ci_low", "ci_high"]], part[["lower", "upper"]])
    assert (len(rows), wrong) == (282, 0)


def test_cumulative_incidence_is_that_of_cmprsk_and_of_survival():
    """cmprsk 2.2-11 cuminc, timepoints; survival 3.5-3 survfit with a factor status (jackknife)."""
    compared = wrong = 0
    for (dataset, group), rows in table("cif_table.csv").groupby(["dataset", "group"]):
        people = subjects_of(dataset)
        arrays = people["time"], people["status"]
        label = None if group == "ALL" else people["group"]
        rows = rows.sort_values(["cause", "time"])
        aalen = survival.cumulative_incidence(*arrays, group=label).curve
        delta = survival.cumulative_incidence(*arrays, group=label, variance="delta").curve
        aalen, delta = aalen[aalen["group"] == group], delta[delta["group"] == group]
        pairs = [
            (aalen["n_risk"], "n_risk"), (aalen["estimate"], "cif"), (aalen["variance"], "var_cmprsk"),
            (aalen["ci_low"], "lower_loglog_cmprsk"), (aalen["ci_high"], "upper_loglog_cmprsk"),
            (np.sqrt(delta["variance"]), "se_ij_survival"),
        ]  # fmt: skip
        for ours, theirs in pairs:
            wrong += differences(ours, rows[theirs], rtol=1e-9, atol=1e-12)
            compared += len(rows)
    assert (compared, wrong) == (8_316, 0)


def test_gray_test_is_that_of_cmprsk():
    """cuminc(time, status, group)$Tests, rho = 0."""
    rows = table("gray_test.csv")
    wrong = 0
    for dataset, part in rows.groupby("dataset"):
        people = subjects_of(dataset)
        got = survival.gray_test(people["time"], people["status"], people["group"])
        assert got["cause"].tolist() == part["cause"].tolist()
        wrong += differences(got[["statistic", "df", "p_value"]], part[["chisq", "df", "p"]])
    assert (rows.shape[0], wrong) == (6, 0)


def test_logrank_is_that_of_survdiff():
    """survdiff(Surv(time, status) ~ group, rho = )."""
    compared = wrong = 0
    for (dataset, rho), rows in table("logrank.csv").groupby(["dataset", "rho"]):
        people = subjects_of(dataset)
        got = survival.logrank(people["time"], people["status"] > 0, people["group"], rho=rho, exact=False)
        rows = rows.set_index("group").loc[got.observed.index]
        wrong += differences(got.observed, rows["observed"]) + differences(got.expected, rows["expected"])
        wrong += differences([got.statistic, got.df, got.p_value], rows[["chisq", "df", "p"]].iloc[0])
        compared += 2 * len(rows) + 3
    assert (compared, wrong) == (176, 0)


def test_exact_logrank_enumerates_every_relabeling():
    """Own enumeration in rational numbers, and coin 1.4-2 logrank_test with mid-ranks."""
    rows = table("logrank_exact.csv")
    for row in rows.itertuples():
        people = subjects_of(row.dataset)
        got = survival.logrank(people["time"], people["status"] > 0, people["group"])
        assert got.exact_p_value == pytest.approx(row.p_two_abs_u, abs=1e-12)
        assert got.exact_p_value == pytest.approx(row.p_coin_midranks, abs=1e-12)
    assert len(rows) == 5


def covariates_of(people):
    levels = sorted(people["group"].unique())
    return pd.DataFrame({f"g{level}": (people["group"] == level).astype(float) for level in levels[1:]})


def test_cox_is_that_of_coxph_and_coxphf():
    """coxph(ties = ) where it has a maximum, limits and p within 1e-8 (Wald); coxphf 1.13.4 within 1e-6."""
    rows = table("cox.csv")
    rows = rows[(rows["ties"] != "exact") & (rows["converged"] == 1)]
    compared = wrong = 0
    for (dataset, ties), part in rows.groupby(["dataset", "ties"]):
        people = subjects_of(dataset)
        firth = ties == "firth_breslow"
        options = {"penalty": "firth"} if firth else {"ties": ties}
        got = survival.cox(people["time"], people["status"] > 0, covariates_of(people), **options)
        assert got.summary["term"].tolist() == part["term"].tolist()
        assert got.summary["method"].str.contains("Firth").eq(firth).all()
        tolerance = 1e-6 if firth else 1e-8
        theirs = part[["coef", "se", "hr", "hr_lower", "hr_upper", "wald_p"]]
        ours = got.summary[["coef", "std_err", "hazard_ratio", "ci_low", "ci_high", "p_value"]]
        wrong += differences(ours, theirs, rtol=tolerance, atol=tolerance)
        compared += theirs.size
        if not firth:  # coxphf states its penalised likelihood for covariates scaled to unit variance
            wrong += differences([got.log_likelihood], part["loglik1"].iloc[:1], rtol=1e-9)
            compared += 1
    assert (compared, wrong) == (222, 0)


def test_cox_without_a_finite_maximum_gives_the_firth_fit():
    """coxph reports coefficients near 20 with a warning; here the answer is that of coxphf."""
    rows = table("cox.csv")
    separated = rows[(rows["ties"] == "efron") & (rows["converged"] == 0)]["dataset"].unique()
    for dataset in separated:
        people = subjects_of(dataset)
        got = survival.cox(people["time"], people["status"] > 0, covariates_of(people)).summary
        theirs = rows[(rows["dataset"] == dataset) & (rows["ties"] == "firth_breslow")]
        assert differences(got["hazard_ratio"], theirs["hr"], rtol=1e-6) == 0
        assert got["method"].str.contains("Firth").all()
        assert got["note"].str.startswith("no finite maximum").all()
    assert sorted(separated) == ["g03_n6_3v3_monotone", "g04_n9_3x3", "g05_n9_group_without_events"]


# ---- records of a study -------------------------------------------------------------------------


def reasoned_study():
    people = pd.read_csv(DATA / "adtte_subjects.csv").rename(columns={"subject": "subject_id"})
    config = json.loads((DATA / "adtte_config.json").read_text(encoding="utf-8"))
    words = {"death_date": "DEATH", "last_known_alive": "LAST_CONTACT", "new_therapy_date": "NEW_THERAPY",
             "hsct_date": "HSCT"}  # fmt: skip
    events = people.melt("subject_id", list(words), "event", "date").dropna(subset="date")
    events["event"] = events["event"].map(words)
    responses = pd.read_csv(DATA / "adtte_assessments.csv").rename(
        columns={"subject": "subject_id", "date": "assessment_date", "response": "overall_response"}
    )
    responses["overall_response"] = responses["overall_response"].replace("REL", "RELAPSE")
    subjects = people[["subject_id", "infusion_date"]].assign(data_cutoff=config["data_cutoff"])
    visits = tuple((day, config["window_days"]) for day in config["scheduled_days_from_infusion"])
    rules = {"missed_visits": config["missed_visits_to_censor"], "schedule": visits}
    return subjects, events, responses, rules


@pytest.mark.parametrize("day_one", [False, True])
def test_all_378_reasoned_records_come_out(day_one):
    """42 subjects; 120 rows reasoned by hand, all by an independent implementation of the written rules."""
    subjects, events, responses, rules = reasoned_study()
    expected = pd.read_csv(DATA / "adtte_expected.csv").set_index("subject")
    compared = 0
    for (endpoint, policy), rows in expected.groupby(["endpoint", "hsct_policy"]):
        plan = survival.TimeToEventRules(hsct=policy.replace("_", "-"), day_one=day_one, **rules)
        result = survival.time_to_event(subjects, events, responses, endpoint=endpoint, rules=plan)
        got = result.subjects.set_index("subject_id").loc[rows.index]
        days = rows["days_plus1" if day_one else "days"]
        assert got["reason"].tolist() == rows["reason"].tolist(), (endpoint, policy)
        assert differences(got[["time", "cause"]], pd.concat([days, rows["status"]], axis=1)) == 0
        assert differences(got["event"], (rows["status"] == 1).where(rows["status"].notna())) == 0
        zero = pd.to_datetime(subjects.set_index("subject_id")["infusion_date"]).loc[rows.index]
        for ours, theirs in (("start_day", "start_date"), ("end_day", "end_date")):
            assert differences(got[ours], (pd.to_datetime(rows[theirs]) - zero).dt.days) == 0
        compared += len(rows)
    assert compared == 378


def test_counting_process_rows_of_a_time_dependent_transplant():
    subjects, events, responses, rules = reasoned_study()
    plan = survival.TimeToEventRules(hsct="time-dependent", day_one=True, **rules)
    result = survival.time_to_event(subjects, events, responses, endpoint="PFS", rules=plan)
    expected = pd.read_csv(DATA / "adtte_time_dependent_hsct.csv")
    assert list(result.counting_process.columns) == ["subject_id", "start", "stop", "event", "hsct"]
    assert result.counting_process.to_numpy().tolist() == expected.to_numpy().tolist()
    assert len(expected) == 43


def example_tables():
    tables = [pd.read_csv(STUDY_FOLDER / f"{name}.csv") for name in ("subjects", "events", "responses")]
    return tables[0][tables[0]["infused"] == "Y"], *tables[1:]


PARAMS = {
    "OS": ("OS", "treatment-policy"), "PFS_TP": ("PFS", "treatment-policy"), "PFS_CENS": ("PFS", "censor"),
    "PFS_HSCT_CR": ("PFS", "hsct-competing"), "DOR_TP": ("DOR", "treatment-policy"),
    "DOR_CENS": ("DOR", "censor"),
}  # fmt: skip


@pytest.mark.parametrize("without", ["date", "day"])
def test_every_time_of_the_example_study_from_days_and_from_dates(without):
    infused, events, responses = example_tables()
    left_out = ["date", "assessment_date"] if without == "date" else ["day"]
    events, responses = (frame.drop(columns=left_out, errors="ignore") for frame in (events, responses))
    expected = pd.read_csv(EXPECTED / "tte_subject.csv")
    for param, rows in expected.groupby("param"):
        endpoint, strategy = PARAMS[param]
        result = survival.time_to_event(
            infused, events, responses, endpoint=endpoint, rules=survival.STRATEGIES[strategy]
        )
        got = result.subjects.dropna(subset="time").set_index("subject_id")
        rows = rows.set_index("subject_id")
        assert set(got.index) == set(rows.index)
        assert differences(got.loc[rows.index, ["time", "cause"]], rows[["time_days", "event"]]) == 0
    assert len(expected) == 52


def test_every_number_of_the_example_study_summary_but_limits_that_old_r_leaves_out():
    """survival 3.5-3 gives no log-log limits while S is 1 after a censoring; 3.8-6 and cart7 give 1, 1."""
    expected = pd.read_csv(EXPECTED / "km_summary.csv", dtype={"dose_level": str})
    compared, wrong = 0, []
    for conf_type, rows in expected.groupby("conf_type"):
        rules = survival.TimeToEventRules(conf_type=conf_type, landmark_beyond="carry")
        result = survival.endpoint_table(*example_tables(), rules=rules, strategies=survival.STRATEGIES)
        summary = result.summary.set_index(["endpoint", "strategy", "group"])
        for row in rows.to_dict("records"):
            got = summary.loc[(*PARAMS[row["param"]], row["dose_level"])]
            pairs = {"n": "n", "n_event": "events", "median": "median", "ci_low": "median_lcl",
                     "ci_high": "median_ucl", "follow_up_median": "median_followup_revkm"}  # fmt: skip
            for day in (90, 180, 365):
                pairs |= {f"survival_d{day}": f"S{day}", f"survival_d{day}_ci_low": f"S{day}_lcl",
                          f"survival_d{day}_ci_high": f"S{day}_ucl", f"n_risk_d{day}": f"nrisk{day}"}  # fmt: skip
            for ours, theirs in pairs.items():
                compared += 1
                if differences([got[ours]], [row[theirs]], rtol=1e-8):
                    wrong.append((row["param"], row["dose_level"], conf_type, ours, got[ours]))
    assert compared == 1_080
    assert wrong == [
        ("DOR_CENS", "1", "log-log", f"survival_d{day}_ci_{side}", 1.0)
        for day in (90, 180)
        for side in ("low", "high")
    ]


def test_cumulative_incidence_of_the_example_study():
    rules = survival.STRATEGIES["hsct-competing"]
    result = survival.time_to_event(*example_tables(), endpoint="PFS", rules=rules)
    got = survival.cumulative_incidence(result.subjects["time"], result.subjects["cause"]).at([90, 180, 365])
    expected = pd.read_csv(EXPECTED / "cif_hsct.csv")
    assert (
        differences(got[["time", "estimate", "variance"]], expected[["time", "cif", "var"]], rtol=1e-8) == 0
    )
    assert len(expected) == 6
