"""Every number of the example study's expected files comes out of the analysis under its plan.

Counts and words exactly, other numbers to 1e-9 relative (the files carry ten digits). Where a file holds
variants (AUC by the linear rule, reverse windows, other intervals), the room is called again with that rule.
"""

import numpy as np
import pandas as pd
import pytest
from tests.study.conftest import EXPECTED

import cart7
from cart7.examples import STUDY_FOLDER

STRATEGY = {"TP": "treatment-policy", "FI": "failure", "HC": "hsct-failure", "HO": "hsct-carry-forward"}
COMPARED: dict[str, int] = {}


def expected(name):
    return pd.read_csv(EXPECTED / f"{name}.csv", float_precision="round_trip", dtype={"dose_level": str})


def assert_same(name, key, got, *, wanted=None):
    """Every column of the expected file beside the key equals the column of `got`."""
    wanted = expected(name) if wanted is None else wanted
    columns = [column for column in wanted.columns if column not in key]
    missing = [column for column in (*key, *columns) if column not in got.columns]
    assert not missing, f"{name}: not computed: {missing}"
    pair = wanted.merge(got[[*key, *columns]], on=key, how="left", suffixes=("", "__got"), indicator=True)
    assert (pair["_merge"] == "both").all(), (
        f"{name}: {pair.loc[pair['_merge'] != 'both', key].to_dict('records')}"
    )
    assert len(pair) == len(wanted)
    count = 0
    for column in columns:
        for row, want, have in zip(pair[key].to_numpy(), pair[column], pair[f"{column}__got"], strict=True):
            where = f"{name} {column} {list(row)}"
            if isinstance(want, str):
                assert have == want, f"{where}: {have!r} is not {want!r}"
            elif pd.isna(want):
                assert pd.isna(have) or have == "", f"{where}: {have!r} should be missing"
            else:
                assert float(have) == pytest.approx(want, rel=1e-9, abs=1e-12), (
                    f"{where}: {have!r} is not {want!r}"
                )
            count += 1
    COMPARED[name] = COMPARED.get(name, 0) + count


def by_level(frame):
    return frame.rename(columns={"group": "dose_level"})


def levels(study):
    subjects = study.subjects
    return dict(zip(subjects["subject_id"], subjects["dose_level"].astype(str), strict=True))


def with_level(frame, study):
    return frame.assign(dose_level=frame["subject_id"].map(levels(study)))


def infused(study):
    return study.subjects[study.subjects["infused"] == "Y"]


def test_accounting(trial):
    names = {"n_enrolled": "enrolled", "n_not_infused": "not_infused", "n_infused": "infused", "n_dlt": "dlt",
             "n_dlt_evaluable": "dlt_evaluable", "n_deaths": "deaths_all", "n_deaths_infused": "deaths_infused",
             "n_hsct": "hsct", "n_second_infusion": "second_infusion", "n_new_therapy": "new_therapy"}  # fmt: skip
    assert_same("accounting", ["dose_level"], by_level(trial.accounting).rename(columns=names))


def test_antibodies_by_visit(trial):
    rates = trial.ada_rates.summary.query("measure == 'positive_at_visit' and group == 'ALL'")
    got = rates.rename(columns={"visit": "nominal_label", "n": "n_tested", "n_positive": "n_pos",
                                "estimate": "rate", "ci_low": "cp_lcl", "ci_high": "cp_ucl"})  # fmt: skip
    assert_same("ada_by_visit", ["nominal_label"], got.replace({"nominal_label": {"BASELINE": "SCR"}}))


def test_antibodies_by_subject(trial):
    words = {
        "NEGATIVE": "NEGATIVE",
        "INDUCED": "TREATMENT-INDUCED",
        "UNAFFECTED": "PRE-EXISTING, NOT BOOSTED",
    }
    visits = trial.ada_rates.subjects
    positive = visits[(visits["visit"] != "BASELINE") & (visits["result"] == "POS")]["subject_id"]
    classes = trial.ada.subjects
    got = classes.assign(
        baseline=classes["baseline_status"].map({"POSITIVE": "POS", "NEGATIVE": "NEG"}),
        post_pos=classes["subject_id"].isin(positive).astype(int),
        category=classes["classification"].map(words),
    )
    assert_same("ada_subject", ["subject_id"], got)


def overview_rows(study, reference="infusion_date", window_days=None):
    subjects = infused(study)
    if reference != "infusion_date":
        first = study.lymphodepletion.groupby("subject_id")["date"].min()
        subjects = subjects.assign(**{reference: subjects["subject_id"].map(first)})
    rules = cart7.safety.SafetyRules(reference=reference, window_days=window_days)
    return cart7.safety.overview(study.adverse_events, subjects, events=study.events, rules=rules).summary


def test_adverse_event_overview(study, trial):
    rows = {"any_teae": "TEAE (from infusion)", "any_teae_grade_ge3": "TEAE grade>=3", "fatal_teae": "TEAE grade 5",
            "serious_teae": "Serious TEAE", "related_cart_teae": "CAR-T related TEAE",
            "related_cart_teae_grade_ge3": "CAR-T related TEAE grade>=3", "crs_any": "CRS",
            "crs_grade_ge3": "CRS grade>=3", "icans_any": "ICANS", "icans_grade_ge3": "ICANS grade>=3",
            "infection_any": "Infections", "infection_grade_ge3": "Infections grade>=3", "iec_hs_any": "HLH"}  # fmt: skip
    table = trial.ae_overview.summary
    parts = [table.assign(category=table["row"].map(rows)).dropna(subset="category")]
    for category, options in (
        ("TEAE (from lymphodepletion)", {"reference": "lymphodepletion_start"}),
        ("TEAE onset day 0-28", {"window_days": 28}),
    ):
        variant = overview_rows(study, **options)
        parts.append(variant[variant["row"] == "any_teae"].assign(category=category))
    hlh = study.adverse_events[(study.adverse_events["aesi"] == "HLH") & (study.adverse_events["grade"] >= 3)]
    severe = cart7.safety.overview(hlh, infused(study), events=study.events).summary
    parts.append(severe[severe["row"] == "iec_hs_any"].assign(category="HLH grade>=3"))
    got = by_level(pd.concat(parts, ignore_index=True))
    got["denominator"], got["pct"] = got["n"], 100 * got["estimate"]
    assert_same("ae_overview", ["category", "dose_level"], got)


def test_adverse_events_by_term(trial):
    table = trial.ae_by_term.summary.query("level == 'PT' and group == 'ALL'")
    got = table.rename(columns={f"grade_{grade}": f"g{grade}" for grade in range(1, 6)})
    assert_same("ae_soc_pt_maxgrade", ["soc", "pt"], got)


def test_best_response(study, trial):
    best = with_level(trial.best_response.subjects, study)
    mrd = best["first_mrd_negative_cr_day"].notna().astype(int)
    assert_same(
        "bor_subject", ["subject_id"], best.rename(columns={"best_response": "bor"}).assign(mrd_neg_cr=mrd)
    )


def test_best_response_rates(study, trial):
    best = with_level(trial.best_response.subjects, study)
    rules = cart7.read_plan("example").response
    complete = rules.model_copy(update={"responder": ("CR", "CRi")})
    rows = trial.response.summary.query("visit == 'BOR' and population == 'INFUSED'").set_index("group")
    responses = cart7.response.objective_response(
        study.responses, study.subjects, study.events, rules=complete
    )
    crr = responses.summary.query("visit == 'BOR' and population == 'INFUSED'").set_index("group")
    lines = []
    for level in ("ALL", "1", "2", "3"):
        of = best if level == "ALL" else best[best["dose_level"] == level]
        negative = int(of["first_mrd_negative_cr_day"].notna().sum())
        low, high = cart7.stats.proportions.interval(negative, len(of))
        lines.append(
            {"dose_level": level, "n": rows.loc[level, "n"], "orr_x": rows.loc[level, "n_responder"],
             "orr": rows.loc[level, "estimate"], "orr_lcl": rows.loc[level, "ci_low"],
             "orr_ucl": rows.loc[level, "ci_high"], "crr_x": crr.loc[level, "n_responder"],
             "crr": crr.loc[level, "estimate"], "crr_lcl": crr.loc[level, "ci_low"],
             "crr_ucl": crr.loc[level, "ci_high"], "mrdneg_x": negative, "mrdneg_lcl": float(low),
             "mrdneg_ucl": float(high)}
            | {word: int((of["best_response"] == word).sum()) for word in ("CR", "CRi", "PR", "SD", "NR", "PD", "NE")}
        )  # fmt: skip
    assert_same("bor_rates", ["dose_level"], pd.DataFrame(lines))


def test_competing_risk_of_hsct(trial):
    curve = trial.hsct_incidence.curve
    wanted = expected("cif_hsct")
    lines = []
    for cause, code in (("PROGRESSION/DEATH", 1), ("HSCT", 2)):
        steps = curve[curve["cause"].astype(float) == code].sort_values("time")
        for time in sorted(wanted["time"].unique()):
            last = steps[steps["time"] <= time].iloc[-1]
            lines.append({"cause": cause, "time": time, "cif": last["estimate"], "var": last["variance"]})
    assert_same("cif_hsct", ["cause", "time"], pd.DataFrame(lines))


def test_crs_and_icans_by_subject(trial):
    got = trial.special_interest.subjects.rename(
        columns={"category": "event", "duration_days": "duration_days_first"}
    )
    assert_same("crs_icans_subject", ["event", "subject_id"], got)


def test_crs_and_icans_summary(trial):
    table = trial.special_interest.summary.query("group == 'ALL'")
    names = {"category": "event", "n_subjects": "any", "ci_low": "any_lcl", "ci_high": "any_ucl", "n_grade_ge3": "ge3",
             "grade_ge3_ci_low": "ge3_lcl", "grade_ge3_ci_high": "ge3_ucl"}  # fmt: skip
    ranges = {
        f"{what}_{stat}": f"{stat}_{what}"
        for what in ("onset", "duration")
        for stat in ("median", "min", "max")
    }
    got = table.rename(columns=names | ranges).assign(any_pct=100 * table["estimate"])
    assert_same("crs_icans_summary", ["event"], got)


def test_dose_limiting_toxicity(trial):
    got = by_level(trial.dlt.summary).rename(
        columns={"n": "n_evaluable", "estimate": "rate", "ci_low": "cp_lcl", "ci_high": "cp_ucl",
                 "upper_one_sided": "one_sided_ucl95"}
    )  # fmt: skip
    assert_same("dlt_by_dose", ["dose_level"], got)


def test_early_icaht(trial):
    got = trial.icaht.rename(
        columns={"days_le_500": "longest_run_anc_le_500", "days_le_100": "longest_run_anc_le_100",
                 "early_grade": "early_icaht_grade", "recovery_day": "anc_recovery_day_gt500_3consecutive"}
    )  # fmt: skip
    assert_same("icaht_early_subject", ["subject_id"], got)


def test_kaplan_meier_summary(study, trial):
    events = trial.time_to_event.subjects
    names = {("OS", "treatment-policy"): "OS", ("PFS", "treatment-policy"): "PFS_TP", ("PFS", "censor"): "PFS_CENS",
             ("DOR", "treatment-policy"): "DOR_TP", ("DOR", "censor"): "DOR_CENS"}  # fmt: skip
    wanted = expected("km_summary")
    lines = []
    for (endpoint, strategy), param in names.items():
        rows = events[(events["endpoint"] == endpoint) & (events["strategy"] == strategy)].dropna(
            subset="time"
        )
        rows = with_level(rows, study)
        for level in wanted.loc[wanted["param"] == param, "dose_level"].unique():
            of = rows if level == "ALL" else rows[rows["dose_level"] == level]
            for conf_type in ("log-log", "log", "plain"):
                lines.append(
                    km_line(of, conf_type) | {"param": param, "dose_level": level, "conf_type": conf_type}
                )
    got = pd.DataFrame(lines)
    # S = 1 with a row before the landmark: R survival 3.5-3, which made the file, prints NA; 3.8-6 and we print 1.
    key = ["param", "dose_level", "conf_type"]
    at_one = wanted.merge(
        got[[*key, "S90_lcl", "S90_ucl", "S180_lcl", "S180_ucl"]], on=key, suffixes=("", "__got")
    )
    changed = 0
    for day in (90, 180):
        silent = (at_one[f"S{day}"] == 1) & at_one[f"S{day}_lcl"].isna() & (at_one["conf_type"] == "log-log")
        for limit in (f"S{day}_lcl", f"S{day}_ucl"):
            assert (at_one.loc[silent, f"{limit}__got"] == 1).all()
            wanted.loc[silent.to_numpy(), limit] = 1.0
            changed += int(silent.sum())
    assert changed == 4
    assert_same("km_summary", key, got, wanted=wanted)
    COMPARED["km_summary"] -= changed


def km_line(rows, conf_type):
    curve = cart7.survival.kaplan_meier(rows["time"], rows["event"], conf_type=conf_type)
    median = curve.quantiles(0.5).iloc[0]
    line = {"n": len(rows), "events": int(rows["event"].sum()), "median": median["time"],
            "median_lcl": median["ci_low"], "median_ucl": median["ci_high"]}  # fmt: skip
    for day, at in curve.at([90, 180, 365], beyond="carry").set_index("time").iterrows():
        line |= {f"S{day:g}": at["survival"], f"S{day:g}_lcl": at["ci_low"], f"S{day:g}_ucl": at["ci_high"],
                 f"nrisk{day:g}": at["n_risk"]}  # fmt: skip
    followed = curve.follow_up(ties="flip").quantiles(0.5).iloc[0]["time"]
    return line | {"median_followup_revkm": followed}


def test_the_endpoint_table_says_the_same_as_the_curves(trial):
    table = trial.time_to_event.summary
    wanted = expected("km_summary").query("conf_type == 'log-log'")
    names = {"n_event": "events", "ci_low": "median_lcl", "ci_high": "median_ucl",
             "follow_up_median": "median_followup_revkm"}  # fmt: skip
    for day in (90, 180, 365):
        names |= {f"survival_d{day}": f"S{day}", f"survival_d{day}_ci_low": f"S{day}_lcl",
                  f"survival_d{day}_ci_high": f"S{day}_ucl", f"n_risk_d{day}": f"nrisk{day}"}  # fmt: skip
    for param, endpoint, strategy in (
        ("OS", "OS", "treatment-policy"),
        ("PFS_TP", "PFS", "treatment-policy"),
        ("PFS_CENS", "PFS", "censor"),
        ("DOR_TP", "DOR", "treatment-policy"),
        ("DOR_CENS", "DOR", "censor"),
    ):
        rows = table[(table["endpoint"] == endpoint) & (table["strategy"] == strategy)]
        got = by_level(rows).rename(columns=names)
        part = wanted[wanted["param"] == param].drop(columns=["param", "conf_type"])
        at_one = (part["S90"] == 1) & part["S90_lcl"].isna()  # see test_kaplan_meier_summary
        for day in (90, 180):
            part.loc[at_one, [f"S{day}_lcl", f"S{day}_ucl"]] = 1.0
        assert_same("endpoint_table", ["dose_level"], got, wanted=part)


def test_kinetics_by_subject(study, trial):
    rules = cart7.read_plan("example").pk
    first = study.kinetics[study.kinetics["infusion_no"] == 1]
    areas = {"auc0_28_lud_last": rules,
             "auc0_28_lud_all": rules.model_copy(update={"tail": "triangle-peer"}),
             "auc0_28_lin_last": rules.model_copy(update={"auc_method": "linear"}),
             "auc0_28_lin_all": rules.model_copy(update={"auc_method": "linear", "tail": "triangle"})}  # fmt: skip
    profiles = trial.nca.subjects
    got = with_level(profiles[profiles["infusion_no"] == 1], study)
    key = ["subject_id", "assay"]
    for name, rule in areas.items():
        other = cart7.pk.nca(first, rules=rule).subjects.set_index(key)["auc_window"]
        got[name] = pd.MultiIndex.from_frame(got[key]).map(other.to_dict())
    assert (got["auc0_28_lud_last"] == got["auc_window"]).all()
    sampled = first[(first["value"].notna() | first["blq"].notna()) & (first["day"] < 30.5)]
    last = sampled.groupby(key)["day"].max().to_dict()
    got["last_sample_day_le30"] = pd.MultiIndex.from_frame(got[key]).map(last)
    got["end28"] = np.where(
        got["auc_window_status"].isin(["OBSERVED", "INTERPOLATED"]),
        "INTERPOLATED",
        "TRUNCATED AT LAST QUANTIFIABLE",
    )
    got = got.rename(columns={"n_quantifiable": "n_quant", "tlast": "persist_last_quant_day"}).assign(
        tlast=got["tlast"]
    )
    assert_same("nca_subject", [*key, "dose_level"], got)


def test_kinetics_summary(study, trial):
    rules = cart7.read_plan("example").pk.model_copy(update={"auc_method": "linear"})
    linear = cart7.pk.exposure(study.kinetics, infused(study), rules=rules).summary
    parts = [trial.exposure.summary.replace({"param": {"auc_window": "auc0_28_lud_last"}}),
             linear[linear["param"] == "auc_window"].assign(param="auc0_28_lin_last")]  # fmt: skip
    got = by_level(pd.concat(parts)).rename(
        columns={"param": "parameter", "geo_mean": "geomean", "geo_cv_percent": "geocv_pct"}
    )
    assert_same("nca_summary", ["assay", "dose_level", "parameter"], got)


def test_cd7_cells_by_visit(trial):
    table = trial.pd.summary.query("statistic_of == 'value' and group == 'ALL'")
    got = table.rename(columns={"visit": "nominal_label", "geo_mean": "geomean"})
    assert_same("pd_by_visit", ["parameter", "nominal_label"], got)


def test_cd7_depletion(trial):
    got = trial.depletion["CD7POS_PCT"].subjects.rename(
        columns={"baseline": "baseline_pct", "nadir": "nadir_pct", "first_day_below_5": "first_day_lt5pct",
                 "first_day_below_1": "first_day_lt1pct", "recovery_after_nadir_day": "recovery_day_ge50pct_baseline"}
    )  # fmt: skip
    assert_same("pd_depletion_subject", ["subject_id"], got)


def test_persistence_by_visit(trial):
    table = trial.persistence.summary.query("group == 'ALL'")
    got = table.rename(
        columns={"visit": "nominal_label", "estimate": "rate", "ci_low": "cp_lcl", "ci_high": "cp_ucl"}
    )
    assert_same("persistence_by_visit", ["assay", "nominal_label"], got)


def test_response_at_each_visit_under_each_strategy(trial):
    """The file shows the assessment of the window even where an earlier event makes it count as failure."""
    rows = trial.response.subjects
    rows = rows[rows["reason"] != "NOT_INFUSED"]
    key = ["subject_id", "visit"]
    seen = rows[rows["strategy"] == "treatment-policy"].set_index(key)
    failed = ~rows["reason"].isin(["OBS", "DEATH", "MISSED"])
    place = pd.MultiIndex.from_frame(rows[key])
    for column in ("response", "day"):
        rows = rows.assign(
            **{column: rows[column].mask(failed, pd.Series(place.map(seen[column]), index=rows.index))}
        )
    names = {strategy: short for short, strategy in STRATEGY.items()}
    got = rows.assign(
        strategy=rows["strategy"].map(names),
        response=rows["response"].fillna("").replace("", "NE"),
        assessment_day=rows["day"],
    ).dropna(subset="strategy")
    assert_same("response_at_visit_subject", [*key, "strategy"], got)


def test_response_rates(study):
    plan = cart7.read_plan("example").response

    def table(population, **changes):
        rules = plan.model_copy(update=changes)
        rates = cart7.response.objective_response(
            study.responses, study.subjects, study.events, rules=rules
        ).summary
        rates = by_level(rates[rates["population"] == population])
        names = {strategy: short for short, strategy in STRATEGY.items()}
        rates = rates.assign(strategy=rates["strategy"].map(names)).dropna(subset="strategy")
        return rates.set_index(["visit", "strategy", "dose_level"])

    main, ninety = table("INFUSED"), table("INFUSED", conf_level=0.90)
    wilson, enrolled = table("INFUSED", ci_method="wilson"), table("ENROLLED")
    got = pd.DataFrame(
        {"x": main["n_responder"], "n": main["n"], "n_not_evaluable": main["n_not_evaluable"], "rate": main["estimate"],
         "cp_lcl95": main["ci_low"], "cp_ucl95": main["ci_high"], "cp_lcl90": ninety["ci_low"],
         "cp_ucl90": ninety["ci_high"], "wilson_lcl95": wilson["ci_low"], "wilson_ucl95": wilson["ci_high"],
         "n_enrolled": enrolled["n"], "rate_enrolled": enrolled["estimate"], "cp_lcl95_enrolled": enrolled["ci_low"],
         "cp_ucl95_enrolled": enrolled["ci_high"]}
    ).reset_index()  # fmt: skip
    assert_same("response_rates", ["visit", "strategy", "dose_level"], got)


def test_inputs_of_the_recommended_dose(study, trial):
    first = trial.nca.subjects.query("infusion_no == 1 and assay == 'QPCR'")
    first = with_level(first, study)
    exposure = trial.exposure.summary.query("assay == 'QPCR'").set_index(["param", "group"])
    overview = trial.ae_overview.summary.set_index(["row", "group"])
    rates = trial.response.summary.query("population == 'INFUSED' and strategy == 'treatment-policy'")
    rates = rates.set_index(["visit", "group"])
    best = with_level(trial.best_response.subjects, study)
    cd7 = with_level(trial.depletion["CD7POS_PCT"].subjects, study)
    m3 = trial.persistence.summary.query("assay == 'QPCR' and visit == 'M3'").set_index("group")
    deaths = study.events[(study.events["event"] == "DEATH") & (study.events["day"] <= 60)]["subject_id"].map(
        levels(study)
    )
    lines = []
    for level in ("1", "2", "3"):
        dlt = trial.dlt.summary.set_index("group").loc[level]
        planned = study.subjects.loc[
            study.subjects["dose_level"].astype(str) == level, "planned_dose_1e6_kg"
        ].iloc[0]
        lines.append(
            {"dose_level": level, "planned_dose_1e6_kg": planned, "n_infused": dlt["n_infused"],
             "n_dlt_evaluable": dlt["n"], "n_dlt": dlt["n_dlt"],
             "n_crs_ge3": overview.loc[("crs_grade_ge3", level), "n_subjects"],
             "n_icans_ge3": overview.loc[("icans_grade_ge3", level), "n_subjects"],
             "n_cr_or_cri_bor": int(best.loc[best["dose_level"] == level, "best_response"].isin(["CR", "CRi"]).sum()),
             "n_responder_m3_tp": rates.loc[("M3", level), "n_responder"],
             "n_responder_m6_tp": rates.loc[("M6", level), "n_responder"],
             "geomean_cmax": exposure.loc[("cmax", level), "geo_mean"],
             "geomean_auc0_28_lud": exposure.loc[("auc_window", level), "geo_mean"],
             "median_tmax": exposure.loc[("tmax", level), "median"],
             "n_cd7_pct_lt1": int(cd7.loc[cd7["dose_level"] == level, "first_day_below_1"].notna().sum()),
             "median_cd7_nadir_pct": cd7.loc[cd7["dose_level"] == level, "nadir"].median(),
             "n_sampled_m3": m3.loc[level, "n_sampled"], "n_persist_m3": m3.loc[level, "n_quantifiable"],
             "n_death_within_60d": int((deaths == level).sum())}
        )  # fmt: skip
    assert_same("rp2d_inputs", ["dose_level"], pd.DataFrame(lines))


def test_time_to_event_by_subject(study, trial):
    rows = with_level(trial.time_to_event.subjects, study)
    names = {("OS", "treatment-policy"): "OS", ("PFS", "treatment-policy"): "PFS_TP", ("PFS", "censor"): "PFS_CENS",
             ("PFS", "hsct-competing"): "PFS_HSCT_CR", ("DOR", "treatment-policy"): "DOR_TP",
             ("DOR", "censor"): "DOR_CENS"}  # fmt: skip
    param = pd.Series(
        [names.get(pair) for pair in zip(rows["endpoint"], rows["strategy"], strict=True)], index=rows.index
    )
    got = rows.assign(param=param, time_days=rows["time"], event=rows["cause"]).dropna(
        subset=["param", "time"]
    )
    wanted = expected("tte_subject")
    assert len(wanted) == len(got)
    assert_same("tte_subject", ["subject_id", "dose_level", "param"], got, wanted=wanted.drop(columns="desc"))
    reasons = wanted[["subject_id", "param", "desc"]].merge(got[["subject_id", "param", "reason"]])
    death, progression = reasons["desc"] == "DEATH", reasons["desc"].isin(["PROGRESSION", "RELAPSE"])
    assert (reasons.loc[death, "reason"] == "DEATH").all()
    assert (reasons.loc[progression, "reason"] == "PROGRESSION").all()
    assert (reasons.loc[reasons["desc"].str.contains("COMPETING"), "reason"] == "HSCT").all()
    COMPARED["tte_subject"] += len(reasons)


def test_every_expected_file_is_compared(capsys):
    files = {path.stem for path in EXPECTED.glob("*.csv")}
    assert len(files) == 22
    assert files <= set(COMPARED), f"not compared: {sorted(files - set(COMPARED))}"
    with capsys.disabled():
        print(
            f"\nexample study: {sum(COMPARED.values())} values of {len(files)} expected files compared, all equal"
        )
    assert (STUDY_FOLDER / "plan.toml").is_file()
