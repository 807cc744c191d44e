"""Every published number of the example study comes out of its analysis under its plan.

Counts and words exactly, other numbers to 1e-9 relative (the files carry ten digits). Where a file holds
variants (AUC by the linear rule, other windows and intervals), the room is called again with that rule.
"""

from typing import Any

import numpy as np
import pandas as pd

from cart7 import pk, response, safety, survival
from cart7.stats import proportions
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

STRATEGY = {"TP": "treatment-policy", "FI": "failure", "HC": "hsct-failure", "HO": "hsct-carry-forward"}
PARAMS = {
    ("OS", "treatment-policy"): "OS",
    ("PFS", "treatment-policy"): "PFS_TP",
    ("PFS", "censor"): "PFS_CENS",
    ("PFS", "hsct-competing"): "PFS_HSCT_CR",
    ("DOR", "treatment-policy"): "DOR_TP",
    ("DOR", "censor"): "DOR_CENS",
}
OVERVIEW = {
    "any_teae": "TEAE (from infusion)", "any_teae_grade_ge3": "TEAE grade>=3", "fatal_teae": "TEAE grade 5",
    "serious_teae": "Serious TEAE", "related_cart_teae": "CAR-T related TEAE",
    "related_cart_teae_grade_ge3": "CAR-T related TEAE grade>=3", "crs_any": "CRS",
    "crs_grade_ge3": "CRS grade>=3", "icans_any": "ICANS", "icans_grade_ge3": "ICANS grade>=3",
    "infection_any": "Infections", "infection_grade_ge3": "Infections grade>=3", "iec_hs_any": "HLH",
}  # fmt: skip


def _expected(bench: Bench, name: str) -> pd.DataFrame:
    path = f"example_study/expected/{name}.csv"
    return bench.table(path, float_precision="round_trip", dtype={"dose_level": str})


def _same(
    bench: Bench,
    tally: Tally,
    name: str,
    key: list[str],
    got: pd.DataFrame,
    wanted: pd.DataFrame | None = None,
    exception: str = "",
) -> None:
    """Every column of the expected file beside the key equals the column of `got`."""
    wanted = _expected(bench, name) if wanted is None else wanted
    columns = [column for column in wanted.columns if column not in key]
    pair = wanted.merge(got[[*key, *columns]], on=key, how="left", suffixes=("", "__got"), indicator=True)
    tally.claim(
        f"{name}: every row is there, once", len(pair) == len(wanted) and (pair["_merge"] == "both").all()
    )
    at = [" ".join(map(str, row)) for row in pair[key].to_numpy().tolist()]
    for column in columns:
        ours = pair[f"{column}__got"]
        if pd.api.types.is_numeric_dtype(pair[column]):
            # S = 1 with a row before the landmark: R survival 3.5-3, which made the file, prints no limits.
            at_one = (ours == 1) & pair[column].isna() if exception and column.startswith("S") else None
            tally.numbers(f"{name} {column}", ours, pair[column], relative=1e-9, absolute=1e-12, at=at,
                          excuse=at_one, exception=exception)  # fmt: skip
        else:
            tally.words(f"{name} {column}", ours.tolist(), pair[column].tolist(), at=at)


def _by_level(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"group": "dose_level"})


def _levels(study: Any) -> dict[Any, str]:
    subjects = study.subjects
    return dict(zip(subjects["subject_id"], subjects["dose_level"].astype(str), strict=True))


def _with_level(frame: pd.DataFrame, study: Any) -> pd.DataFrame:
    return frame.assign(dose_level=frame["subject_id"].map(_levels(study)))


def _infused(study: Any) -> pd.DataFrame:
    subjects: pd.DataFrame = study.subjects
    return subjects[subjects["infused"] == "Y"]


@check("whole_study.accounting")
def accounting(bench: Bench, tally: Tally) -> None:
    """Enrolled, infused, evaluable, DLTs, deaths and transplantations by dose level."""
    trial = bench.trial
    names = {
        "n_enrolled": "enrolled",
        "n_not_infused": "not_infused",
        "n_infused": "infused",
        "n_dlt": "dlt",
        "n_dlt_evaluable": "dlt_evaluable",
        "n_deaths": "deaths_all",
        "n_deaths_infused": "deaths_infused",
        "n_hsct": "hsct",
        "n_second_infusion": "second_infusion",
        "n_new_therapy": "new_therapy",
    }
    _same(bench, tally, "accounting", ["dose_level"], _by_level(trial.accounting).rename(columns=names))


@check("whole_study.antibodies_by_visit")
def antibodies_by_visit(bench: Bench, tally: Tally) -> None:
    """Positive rate at each visit."""
    trial = bench.trial
    rates = trial.ada_rates.summary.query("measure == 'positive_at_visit' and group == 'ALL'")
    got = rates.rename(
        columns={
            "visit": "nominal_label",
            "n": "n_tested",
            "n_positive": "n_pos",
            "estimate": "rate",
            "ci_low": "cp_lcl",
            "ci_high": "cp_ucl",
        }
    )
    _same(
        bench, tally, "ada_by_visit", ["nominal_label"], got.replace({"nominal_label": {"BASELINE": "SCR"}})
    )


@check("whole_study.antibodies_by_subject")
def antibodies_by_subject(bench: Bench, tally: Tally) -> None:
    """Class of each subject."""
    trial = bench.trial
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
    _same(bench, tally, "ada_subject", ["subject_id"], got)


def _overview_rows(
    study: Any, reference: str = "infusion_date", window_days: float | None = None
) -> pd.DataFrame:
    subjects = _infused(study)
    if reference != "infusion_date":
        first = study.lymphodepletion.groupby("subject_id")["date"].min()
        subjects = subjects.assign(**{reference: subjects["subject_id"].map(first)})
    rules = safety.SafetyRules(reference=reference, window_days=window_days)
    summary: pd.DataFrame = safety.overview(
        study.adverse_events, subjects, events=study.events, rules=rules
    ).summary
    return summary


@check("whole_study.adverse_event_overview")
def adverse_event_overview(bench: Bench, tally: Tally) -> None:
    """Overview lines, from infusion and from lymphodepletion."""
    study: Any = bench.study
    trial = bench.trial
    table = trial.ae_overview.summary
    parts = [table.assign(category=table["row"].map(OVERVIEW)).dropna(subset="category")]
    for category, options in (
        ("TEAE (from lymphodepletion)", {"reference": "lymphodepletion_start"}),
        ("TEAE onset day 0-28", {"window_days": 28}),
    ):
        variant = _overview_rows(study, **options)
        parts.append(variant[variant["row"] == "any_teae"].assign(category=category))
    hlh = study.adverse_events[(study.adverse_events["aesi"] == "HLH") & (study.adverse_events["grade"] >= 3)]
    severe = safety.overview(hlh, _infused(study), events=study.events).summary
    parts.append(severe[severe["row"] == "iec_hs_any"].assign(category="HLH grade>=3"))
    got = _by_level(pd.concat(parts, ignore_index=True))
    got["denominator"], got["pct"] = got["n"], 100 * got["estimate"]
    _same(bench, tally, "ae_overview", ["category", "dose_level"], got)


@check("whole_study.adverse_events_by_term")
def adverse_events_by_term(bench: Bench, tally: Tally) -> None:
    """Terms at worst grade."""
    trial = bench.trial
    table = trial.ae_by_term.summary.query("level == 'PT' and group == 'ALL'")
    got = table.rename(columns={f"grade_{grade}": f"g{grade}" for grade in range(1, 6)})
    _same(bench, tally, "ae_soc_pt_maxgrade", ["soc", "pt"], got)


@check("whole_study.best_response")
def best_response(bench: Bench, tally: Tally) -> None:
    """Best response of each subject."""
    study: Any = bench.study
    trial = bench.trial
    best = _with_level(trial.best_response.subjects, study)
    mrd = best["first_mrd_negative_cr_day"].notna().astype(int)
    _same(
        bench,
        tally,
        "bor_subject",
        ["subject_id"],
        best.rename(columns={"best_response": "bor"}).assign(mrd_neg_cr=mrd),
    )


@check("whole_study.best_response_rates")
def best_response_rates(bench: Bench, tally: Tally) -> None:
    """Overall, complete and MRD-negative response rates."""
    study: Any = bench.study
    trial = bench.trial
    best = _with_level(trial.best_response.subjects, study)
    rules = bench.plan.response
    complete = rules.model_copy(update={"responder": ("CR", "CRi")})
    rows = trial.response.summary.query("visit == 'BOR' and population == 'INFUSED'").set_index("group")
    responses = response.objective_response(study.responses, study.subjects, study.events, rules=complete)
    crr = responses.summary.query("visit == 'BOR' and population == 'INFUSED'").set_index("group")
    lines = []
    for level in ("ALL", "1", "2", "3"):
        of = best if level == "ALL" else best[best["dose_level"] == level]
        negative = int(of["first_mrd_negative_cr_day"].notna().sum())
        low, high = proportions.interval(negative, len(of))
        lines.append(
            {
                "dose_level": level,
                "n": rows.loc[level, "n"],
                "orr_x": rows.loc[level, "n_responder"],
                "orr": rows.loc[level, "estimate"],
                "orr_lcl": rows.loc[level, "ci_low"],
                "orr_ucl": rows.loc[level, "ci_high"],
                "crr_x": crr.loc[level, "n_responder"],
                "crr": crr.loc[level, "estimate"],
                "crr_lcl": crr.loc[level, "ci_low"],
                "crr_ucl": crr.loc[level, "ci_high"],
                "mrdneg_x": negative,
                "mrdneg_lcl": float(low),
                "mrdneg_ucl": float(high),
            }
            | {
                word: int((of["best_response"] == word).sum())
                for word in ("CR", "CRi", "PR", "SD", "NR", "PD", "NE")
            }
        )
    _same(bench, tally, "bor_rates", ["dose_level"], pd.DataFrame(lines))


@check("whole_study.competing_risk_of_hsct")
def competing_risk_of_hsct(bench: Bench, tally: Tally) -> None:
    """Cumulative incidence with transplantation as competing event."""
    trial = bench.trial
    curve = trial.hsct_incidence.curve
    wanted = _expected(bench, "cif_hsct")
    lines = []
    for cause, code in (("PROGRESSION/DEATH", 1), ("HSCT", 2)):
        steps = curve[curve["cause"].astype(float) == code].sort_values("time")
        for time in sorted(wanted["time"].unique()):
            last = steps[steps["time"] <= time].iloc[-1]
            lines.append({"cause": cause, "time": time, "cif": last["estimate"], "var": last["variance"]})
    _same(bench, tally, "cif_hsct", ["cause", "time"], pd.DataFrame(lines))


@check("whole_study.crs_and_icans_by_subject")
def crs_and_icans_by_subject(bench: Bench, tally: Tally) -> None:
    """First onset, duration, episodes and worst grade."""
    trial = bench.trial
    got = trial.special_interest.subjects.rename(
        columns={"category": "event", "duration_days": "duration_days_first"}
    )
    _same(bench, tally, "crs_icans_subject", ["event", "subject_id"], got)


@check("whole_study.crs_and_icans_summary")
def crs_and_icans_summary(bench: Bench, tally: Tally) -> None:
    """Rates, onset and duration."""
    trial = bench.trial
    table = trial.special_interest.summary.query("group == 'ALL'")
    names = {
        "category": "event",
        "n_subjects": "any",
        "ci_low": "any_lcl",
        "ci_high": "any_ucl",
        "n_grade_ge3": "ge3",
        "grade_ge3_ci_low": "ge3_lcl",
        "grade_ge3_ci_high": "ge3_ucl",
    }
    ranges = {
        f"{what}_{stat}": f"{stat}_{what}"
        for what in ("onset", "duration")
        for stat in ("median", "min", "max")
    }
    got = table.rename(columns=names | ranges).assign(any_pct=100 * table["estimate"])
    _same(bench, tally, "crs_icans_summary", ["event"], got)


@check("whole_study.dose_limiting_toxicity")
def dose_limiting_toxicity(bench: Bench, tally: Tally) -> None:
    """DLT rates by dose level with exact limits."""
    trial = bench.trial
    got = _by_level(trial.dlt.summary).rename(
        columns={"n": "n_evaluable", "estimate": "rate", "ci_low": "cp_lcl", "ci_high": "cp_ucl",
                 "upper_one_sided": "one_sided_ucl95"}
    )  # fmt: skip
    _same(bench, tally, "dlt_by_dose", ["dose_level"], got)


@check("whole_study.early_icaht")
def early_icaht(bench: Bench, tally: Tally) -> None:
    """Early haematotoxicity from daily counts."""
    trial = bench.trial
    got = trial.icaht.rename(
        columns={"days_le_500": "longest_run_anc_le_500", "days_le_100": "longest_run_anc_le_100",
                 "early_grade": "early_icaht_grade", "recovery_day": "anc_recovery_day_gt500_3consecutive"}
    )  # fmt: skip
    _same(bench, tally, "icaht_early_subject", ["subject_id"], got)


@check("whole_study.kaplan_meier_summary")
def kaplan_meier_summary(bench: Bench, tally: Tally) -> None:
    """Medians, landmarks and follow-up of OS, PFS and DOR with three kinds of limits."""
    study: Any = bench.study
    trial = bench.trial
    events = trial.time_to_event.subjects
    wanted = _expected(bench, "km_summary")
    lines = []
    for (endpoint, strategy), param in PARAMS.items():
        rows = events[(events["endpoint"] == endpoint) & (events["strategy"] == strategy)].dropna(
            subset="time"
        )
        rows = _with_level(rows, study)
        for level in wanted.loc[wanted["param"] == param, "dose_level"].unique():
            of = rows if level == "ALL" else rows[rows["dose_level"] == level]
            for conf_type in ("log-log", "log", "plain"):
                lines.append(
                    _km_line(of, conf_type) | {"param": param, "dose_level": level, "conf_type": conf_type}
                )
    got = pd.DataFrame(lines)
    key = ["param", "dose_level", "conf_type"]
    _same(bench, tally, "km_summary", key, got, exception="limits-at-one-curves")


def _km_line(rows: pd.DataFrame, conf_type: Any) -> dict[str, Any]:
    curve = survival.kaplan_meier(rows["time"], rows["event"], conf_type=conf_type)
    median = curve.quantiles(0.5).iloc[0]
    line: dict[str, Any] = {"n": len(rows), "events": int(rows["event"].sum()), "median": median["time"],
            "median_lcl": median["ci_low"], "median_ucl": median["ci_high"]}  # fmt: skip
    for day, at in curve.at([90, 180, 365], beyond="carry").set_index("time").iterrows():
        line |= {f"S{day:g}": at["survival"], f"S{day:g}_lcl": at["ci_low"], f"S{day:g}_ucl": at["ci_high"],
                 f"nrisk{day:g}": at["n_risk"]}  # fmt: skip
    followed = curve.follow_up(ties="flip").quantiles(0.5).iloc[0]["time"]
    return line | {"median_followup_revkm": followed}


@check("whole_study.endpoint_table")
def endpoint_table(bench: Bench, tally: Tally) -> None:
    """The table of endpoints holds the same numbers as the curves."""
    trial = bench.trial
    table = trial.time_to_event.summary
    wanted = _expected(bench, "km_summary").query("conf_type == 'log-log'")
    names = {"n_event": "events", "ci_low": "median_lcl", "ci_high": "median_ucl",
             "follow_up_median": "median_followup_revkm"}  # fmt: skip
    for day in (90, 180, 365):
        names |= {f"survival_d{day}": f"S{day}", f"survival_d{day}_ci_low": f"S{day}_lcl",
                  f"survival_d{day}_ci_high": f"S{day}_ucl", f"n_risk_d{day}": f"nrisk{day}"}  # fmt: skip
    for (endpoint, strategy), param in PARAMS.items():
        if param == "PFS_HSCT_CR":
            continue
        rows = table[(table["endpoint"] == endpoint) & (table["strategy"] == strategy)]
        got = _by_level(rows).rename(columns=names)
        part = wanted[wanted["param"] == param].drop(columns=["param", "conf_type"])
        _same(bench, tally, f"{param} endpoint table", ["dose_level"], got, wanted=part,
              exception="limits-at-one-table")  # fmt: skip


@check("whole_study.kinetics_by_subject")
def kinetics_by_subject(bench: Bench, tally: Tally) -> None:
    """Cmax, Tmax, AUC0-28d under four rules, persistence."""
    study: Any = bench.study
    trial = bench.trial
    rules = bench.plan.pk
    first = study.kinetics[study.kinetics["infusion_no"] == 1]
    areas = {
        "auc0_28_lud_last": rules,
        "auc0_28_lud_all": rules.model_copy(update={"tail": "triangle-peer"}),
        "auc0_28_lin_last": rules.model_copy(update={"auc_method": "linear"}),
        "auc0_28_lin_all": rules.model_copy(update={"auc_method": "linear", "tail": "triangle"}),
    }
    profiles = trial.nca.subjects
    got = _with_level(profiles[profiles["infusion_no"] == 1], study)
    key = ["subject_id", "assay"]
    for name, rule in areas.items():
        other = pk.nca(first, rules=rule).subjects.set_index(key)["auc_window"]
        got[name] = pd.MultiIndex.from_frame(got[key]).map(other.to_dict())
    tally.claim("the plan's area is the first of four", (got["auc0_28_lud_last"] == got["auc_window"]).all())
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
    _same(bench, tally, "nca_subject", [*key, "dose_level"], got)


@check("whole_study.kinetics_summary")
def kinetics_summary(bench: Bench, tally: Tally) -> None:
    """Summary of exposure by dose level."""
    study: Any = bench.study
    trial = bench.trial
    rules = bench.plan.pk.model_copy(update={"auc_method": "linear"})
    linear = pk.exposure(study.kinetics, _infused(study), rules=rules).summary
    parts = [trial.exposure.summary.replace({"param": {"auc_window": "auc0_28_lud_last"}}),
             linear[linear["param"] == "auc_window"].assign(param="auc0_28_lin_last")]  # fmt: skip
    got = _by_level(pd.concat(parts)).rename(
        columns={"param": "parameter", "geo_mean": "geomean", "geo_cv_percent": "geocv_pct"}
    )
    _same(bench, tally, "nca_summary", ["assay", "dose_level", "parameter"], got)


@check("whole_study.cd7_cells_by_visit")
def cd7_cells_by_visit(bench: Bench, tally: Tally) -> None:
    """CD7+ cells, absolute and percent, by visit."""
    trial = bench.trial
    table = trial.pd.summary.query("statistic_of == 'value' and group == 'ALL'")
    got = table.rename(columns={"visit": "nominal_label", "geo_mean": "geomean"})
    _same(bench, tally, "pd_by_visit", ["parameter", "nominal_label"], got)


@check("whole_study.cd7_depletion")
def cd7_depletion(bench: Bench, tally: Tally) -> None:
    """Nadir, depletion and recovery."""
    trial = bench.trial
    got = trial.depletion["CD7POS_PCT"].subjects.rename(
        columns={
            "baseline": "baseline_pct",
            "nadir": "nadir_pct",
            "first_day_below_5": "first_day_lt5pct",
            "first_day_below_1": "first_day_lt1pct",
            "recovery_after_nadir_day": "recovery_day_ge50pct_baseline",
        }
    )
    _same(bench, tally, "pd_depletion_subject", ["subject_id"], got)


@check("whole_study.persistence_by_visit")
def persistence_by_visit(bench: Bench, tally: Tally) -> None:
    """Quantifiable of sampled at each visit."""
    trial = bench.trial
    table = trial.persistence.summary.query("group == 'ALL'")
    got = table.rename(
        columns={"visit": "nominal_label", "estimate": "rate", "ci_low": "cp_lcl", "ci_high": "cp_ucl"}
    )
    _same(bench, tally, "persistence_by_visit", ["assay", "nominal_label"], got)


@check("whole_study.response_at_visits")
def response_at_visits(bench: Bench, tally: Tally) -> None:
    """Response in each window; an assessment shows even where it counts as failure."""
    trial = bench.trial
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
    _same(bench, tally, "response_at_visit_subject", [*key, "strategy"], got)


@check("whole_study.response_rates")
def response_rates(bench: Bench, tally: Tally) -> None:
    """Response rates at day 28, months 3 and 6 under four strategies and two denominators."""
    study: Any = bench.study
    plan = bench.plan.response

    def table(population: str, **changes: Any) -> pd.DataFrame:
        rules = plan.model_copy(update=changes)
        rates = response.objective_response(
            study.responses, study.subjects, study.events, rules=rules
        ).summary
        rates = _by_level(rates[rates["population"] == population])
        names = {strategy: short for short, strategy in STRATEGY.items()}
        rates = rates.assign(strategy=rates["strategy"].map(names)).dropna(subset="strategy")
        return rates.set_index(["visit", "strategy", "dose_level"])

    main, ninety = table("INFUSED"), table("INFUSED", conf_level=0.90)
    wilson, enrolled = table("INFUSED", ci_method="wilson"), table("ENROLLED")
    got = pd.DataFrame(
        {
            "x": main["n_responder"],
            "n": main["n"],
            "n_not_evaluable": main["n_not_evaluable"],
            "rate": main["estimate"],
            "cp_lcl95": main["ci_low"],
            "cp_ucl95": main["ci_high"],
            "cp_lcl90": ninety["ci_low"],
            "cp_ucl90": ninety["ci_high"],
            "wilson_lcl95": wilson["ci_low"],
            "wilson_ucl95": wilson["ci_high"],
            "n_enrolled": enrolled["n"],
            "rate_enrolled": enrolled["estimate"],
            "cp_lcl95_enrolled": enrolled["ci_low"],
            "cp_ucl95_enrolled": enrolled["ci_high"],
        }
    ).reset_index()
    _same(bench, tally, "response_rates", ["visit", "strategy", "dose_level"], got)


@check("whole_study.inputs_of_the_recommended_dose")
def inputs_of_the_recommended_dose(bench: Bench, tally: Tally) -> None:
    """Counts and exposures behind the recommended dose."""
    study: Any = bench.study
    trial = bench.trial
    first = trial.nca.subjects.query("infusion_no == 1 and assay == 'QPCR'")
    first = _with_level(first, study)
    exposure = trial.exposure.summary.query("assay == 'QPCR'").set_index(["param", "group"])
    overview = trial.ae_overview.summary.set_index(["row", "group"])
    rates = trial.response.summary.query("population == 'INFUSED' and strategy == 'treatment-policy'")
    rates = rates.set_index(["visit", "group"])
    best = _with_level(trial.best_response.subjects, study)
    cd7 = _with_level(trial.depletion["CD7POS_PCT"].subjects, study)
    m3 = trial.persistence.summary.query("assay == 'QPCR' and visit == 'M3'").set_index("group")
    deaths = study.events[(study.events["event"] == "DEATH") & (study.events["day"] <= 60)]["subject_id"].map(
        _levels(study)
    )
    lines = []
    for level in ("1", "2", "3"):
        dlt = trial.dlt.summary.set_index("group").loc[level]
        planned = study.subjects.loc[
            study.subjects["dose_level"].astype(str) == level, "planned_dose_1e6_kg"
        ].iloc[0]
        lines.append(
            {
                "dose_level": level,
                "planned_dose_1e6_kg": planned,
                "n_infused": dlt["n_infused"],
                "n_dlt_evaluable": dlt["n"],
                "n_dlt": dlt["n_dlt"],
                "n_crs_ge3": overview.loc[("crs_grade_ge3", level), "n_subjects"],
                "n_icans_ge3": overview.loc[("icans_grade_ge3", level), "n_subjects"],
                "n_cr_or_cri_bor": int(
                    best.loc[best["dose_level"] == level, "best_response"].isin(["CR", "CRi"]).sum()
                ),
                "n_responder_m3_tp": rates.loc[("M3", level), "n_responder"],
                "n_responder_m6_tp": rates.loc[("M6", level), "n_responder"],
                "geomean_cmax": exposure.loc[("cmax", level), "geo_mean"],
                "geomean_auc0_28_lud": exposure.loc[("auc_window", level), "geo_mean"],
                "median_tmax": exposure.loc[("tmax", level), "median"],
                "n_cd7_pct_lt1": int(cd7.loc[cd7["dose_level"] == level, "first_day_below_1"].notna().sum()),
                "median_cd7_nadir_pct": cd7.loc[cd7["dose_level"] == level, "nadir"].median(),
                "n_sampled_m3": m3.loc[level, "n_sampled"],
                "n_persist_m3": m3.loc[level, "n_quantifiable"],
                "n_death_within_60d": int((deaths == level).sum()),
            }
        )
    _same(bench, tally, "rp2d_inputs", ["dose_level"], pd.DataFrame(lines))


@check("whole_study.time_to_event_by_subject")
def time_to_event_by_subject(bench: Bench, tally: Tally) -> None:
    """Time, event and reason of each record."""
    study: Any = bench.study
    trial = bench.trial
    rows = _with_level(trial.time_to_event.subjects, study)
    param = pd.Series(
        [PARAMS.get(pair) for pair in zip(rows["endpoint"], rows["strategy"], strict=True)], index=rows.index
    )
    got = rows.assign(param=param, time_days=rows["time"], event=rows["cause"]).dropna(
        subset=["param", "time"]
    )
    wanted = _expected(bench, "tte_subject")
    tally.claim("as many records", len(wanted) == len(got))
    _same(
        bench,
        tally,
        "tte_subject",
        ["subject_id", "dose_level", "param"],
        got,
        wanted=wanted.drop(columns="desc"),
    )
    reasons = wanted[["subject_id", "param", "desc"]].merge(got[["subject_id", "param", "reason"]])
    words = {"DEATH": "DEATH", "PROGRESSION": "PROGRESSION", "RELAPSE": "PROGRESSION"}
    cause = reasons["desc"].map(words).mask(reasons["desc"].str.contains("COMPETING"), "HSCT")
    told = cause.notna()
    tally.words("reason", reasons.loc[told, "reason"].tolist(), cause[told].tolist())
