"""Adverse events against admiral, cards, tern and R; dose-limiting toxicity against reasoned cases."""

import functools
from typing import Any

import numpy as np
import pandas as pd

from cart7 import safety
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

# Both sides are double precision from the same formulas; the reference prints 15 digits.
CLOSE: dict[str, Any] = {"relative": 1e-12, "absolute": 1e-14}
COUNTS = {
    "n": "N",
    "n_subjects": "n_expected",
    "n_events": "events",
    "ci_low": "cp95_low",
    "ci_high": "cp95_high",
}
RATES = {
    "n_first": "n_first_in_window",
    "person_years": "person_years_expected",
    "incidence_rate": "eair_per100py",
    "incidence_ci_low": "eair95_low",
    "incidence_ci_high": "eair95_high",
    "n_events": "events",
    "followup_years": "followup_years_expected",
    "event_rate": "eaer_per100py",
    "event_ci_low": "eaer95_low",
    "event_ci_high": "eaer95_high",
}
TRIALS = {"cart": ("cart_ae", "cohort", ""), "pilot": ("pilot_ae", "arm", ".gz")}


def _numbers(values: pd.Series) -> pd.Series:
    return values.astype(float)


@check("safety.treatment_emergence")
def treatment_emergence(bench: Bench, tally: Tally) -> None:
    """Thirty partial-date cases: dates, flags, days, treatment emergence."""
    cases = bench.text_table("safety/teae_cases.csv")
    subjects = pd.DataFrame(
        {
            "subject_id": cases["case_id"],
            "infusion_date": cases["trtsdt"],
            "followup_end_date": cases["eosdt"],
            "death_date": cases["dthdt"],
        }
    )
    events = pd.DataFrame(
        {"subject_id": cases["case_id"], "start_date": cases["aestdtc"], "end_date": cases["aeendtc"],
         "baseline_grade": _numbers(cases["base_grade"]), "grade": _numbers(cases["grade"])}
    )  # fmt: skip
    found, at = safety.treatment_emergent(events, subjects), cases["case_id"].tolist()
    for name, expected in (("start", "exp_astdt"), ("end", "exp_aendt")):
        tally.words(name, found[name].dt.strftime("%Y-%m-%d"), cases[expected], at=at)
        tally.words(f"{name} flag", found[f"{name}_imputed"], cases[f"{expected}f"], at=at)
    for theirs in ("exp_trtemfl", "admiral_trtemfl"):
        tally.words(theirs, found["treatment_emergent"], cases[theirs] == "Y", at=at)
    for name, expected in (("start_day", "exp_astdy"), ("end_day", "exp_aendy")):
        day = _numbers(cases[expected])
        # A study day has no day 0: day 1 is the infusion day.
        tally.numbers(name, found[name], day.where(day < 0, day - 1), at=at)
    duration = (found["end"] - found["start"]).dt.days + 1
    reversed_dates = (cases["case_id"] == "TE24").to_numpy()
    tally.numbers("duration", duration, _numbers(cases["exp_adurn_days"]), at=at, excuse=reversed_dates,
                  exception="duration-of-reversed-dates")  # fmt: skip
    tally.claim(
        "a start after its end is a query", "start after end" in found.loc[reversed_dates, "note"].item()
    )


def _cart(bench: Bench) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The synthetic CAR-T trial as tables of the schema; everybody enrolled."""
    sl, ae = (
        bench.text_table("safety/cart_ae/cart_adsl.csv"),
        bench.text_table("safety/cart_ae/cart_adae.csv"),
    )
    subjects = pd.DataFrame(
        {
            "subject_id": sl["USUBJID"],
            "cohort": sl["COHORT"],
            "infused": sl["SAFFL"],
            "infusion_date": sl["TRTSDT"],
            "followup_end_date": sl["EOSDT"],
            "death_date": sl["DTHDT"],
        }
    )
    events = pd.DataFrame(
        {"subject_id": ae["USUBJID"], "ae_id": ae["AESEQ"], "verbatim": ae["AETERM"], "pt": ae["AEDECOD"],
         "soc": ae["AEBODSYS"], "grade": _numbers(ae["AETOXGR"]), "baseline_grade": _numbers(ae["BASETOXGR"]),
         "start_date": ae["AESTDTC"], "end_date": ae["AEENDTC"], "serious": ae["AESER"],
         "related_cart": ae["AEREL_CART"], "related_ld": ae["AEREL_LD"], "aesi": ae["AESI"],
         "outcome": ae["AEOUT"]}
    )  # fmt: skip
    return events, subjects


def _pilot(bench: Bench) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The pilot study of CDISC as tables of the schema."""
    sl, ae = bench.text_table("safety/pilot_ae/adsl.csv"), bench.text_table("safety/pilot_ae/adae.csv")
    end = sl["EOSDT"].fillna(sl["TRTEDT"])
    subjects = pd.DataFrame(
        {"subject_id": sl["USUBJID"], "arm": sl["TRT01A"], "infusion_date": sl["TRTSDT"],
         "followup_end_date": end.where(end >= sl["TRTSDT"], sl["TRTSDT"]), "death_date": sl["DTHDT"]}
    )  # fmt: skip
    unrelated = ae["AREL"].isin(["NONE", "REMOTE"])
    events = pd.DataFrame(
        {
            "subject_id": ae["USUBJID"],
            "soc": ae["AEBODSYS"],
            "pt": ae["AEDECOD"],
            "grade": _numbers(ae["ASEVN"]),
            "start_date": ae["ASTDT"],
            "end_date": ae["AENDT"],
            "treatment_emergent": ae["TRTEMFL"].fillna("N"),
            "serious": ae["AESER"],
            "outcome": ae["AEOUT"],
            "related_cart": unrelated.map({True: "NOT RELATED", False: "RELATED"}),
        }
    )
    return events, subjects


def _trial(bench: Bench, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Adverse events and treated subjects."""
    if name == "pilot":
        return _pilot(bench)
    events, subjects = _cart(bench)
    return events, subjects[subjects["infused"] == "Y"]


def _by_arm(summary: pd.DataFrame) -> pd.DataFrame:
    return summary.assign(arm=summary["group"].replace("ALL", "Total"))


def _expected_terms(bench: Bench, folder: str, name: str) -> pd.DataFrame:
    zipped = ".gz" if folder == "pilot_ae" else ""
    path = f"safety/{folder}/{name}.csv{zipped}"
    return bench.table(path, keep_default_na=False, na_values=["NA"], dtype={"grade": str})


def terms_of(trial: str, bench: Bench, tally: Tally) -> None:
    """Subjects, events, limits, order and worst grades by SOC and PT."""
    folder, by, _ = TRIALS[trial]
    found = _by_arm(safety.by_term(*_trial(bench, trial), by=by).summary)
    expected = _expected_terms(bench, folder, "expected_ae_soc_pt")
    grades = _expected_terms(bench, folder, "expected_ae_soc_pt_maxgrade")
    key = ["level", "soc", "pt"]
    order = found.iloc[:: found["group"].nunique()][key]
    shown = expected.drop_duplicates("row_order").sort_values("row_order")[key]
    tally.words("order", order.to_numpy().ravel().tolist(), shown.to_numpy().ravel().tolist())
    both = expected.merge(found, on=[*key, "arm"], suffixes=("_expected", ""))
    tally.claim("the same rows", len(both) == len(expected) == len(found))
    at = [" ".join(row) for row in both[[*key, "arm"]].astype(str).to_numpy()]
    for ours, theirs in COUNTS.items():
        tally.numbers(ours, both[ours], both[theirs], at=at, **CLOSE)
    columns = {"n_subjects": "any", "grade_missing": "missing", "grade_ge3": ">=3"}
    long = found.rename(columns={**{f"grade_{grade}": str(grade) for grade in range(1, 6)}, **columns})
    long = long.melt([*key, "arm"], sorted(set(grades["grade"])), "grade", "found")
    worst = grades.merge(long, on=[*key, "arm", "grade"])
    tally.claim("the same grades", len(worst) == len(grades))
    tally.numbers("worst grade", worst["found"], worst["n"])


def rates_of(trial: str, bench: Bench, tally: Tally) -> None:
    """Exposure-adjusted incidence and event rates with exact limits."""
    folder, by, _ = TRIALS[trial]
    found = _by_arm(safety.exposure_adjusted(*_trial(bench, trial), by=by).summary)
    expected = _expected_terms(bench, folder, "expected_ae_soc_pt")
    both = expected.merge(found, on=["level", "soc", "pt", "arm"], suffixes=("_expected", ""))
    tally.claim("the same rows", len(both) == len(expected))
    at = [" ".join(row) for row in both[["level", "soc", "pt", "arm"]].astype(str).to_numpy()]
    for ours, theirs in RATES.items():
        tally.numbers(ours, both[ours], both[theirs], at=at, **CLOSE)


for _name in TRIALS:
    check(f"safety.terms_{_name}")(functools.partial(terms_of, _name))
    check(f"safety.exposure_adjusted_{_name}")(functools.partial(rates_of, _name))


@check("safety.derived_dates")
def derived_dates(bench: Bench, tally: Tally) -> None:
    """Dates, flags and treatment emergence of a whole trial, with and without a 30-day window."""
    events, subjects = _cart(bench)
    expected = bench.text_table("safety/cart_ae/expected_adae_derived.csv")
    found = safety.treatment_emergent(events, subjects)
    for name, theirs in (("start", "ASTDT"), ("end", "AENDT")):
        tally.words(name, found[name].dt.strftime("%Y-%m-%d"), expected[theirs])
        tally.words(f"{name} flag", found[f"{name}_imputed"], expected[f"{theirs}F"])
    tally.words("treatment-emergent", found["treatment_emergent"], expected["TRTEMFL"] == "Y")
    thirty = safety.treatment_emergent(events, subjects, rules=safety.SafetyRules(window_days=30))
    tally.words("within 30 days", thirty["treatment_emergent"], expected["TRTEM30F"] == "Y")
    tally.numbers("day", found["start_day"], _numbers(expected["DAYS_FROM_INFUSION"]))


@check("safety.overview")
def overview(bench: Bench, tally: Tally) -> None:
    """Overview lines of the synthetic trial, and those of the pilot study that both know."""
    expected = bench.table("safety/cart_ae/expected_ae_overall_summary.csv")
    found = _by_arm(safety.overview(*_trial(bench, "cart"), by="cohort").summary)
    both = expected.merge(found, on=["row", "arm"], suffixes=("_expected", "")).assign(
        percent=lambda rows: 100 * rows["estimate"]
    )
    tally.claim("the same rows", len(both) == len(expected))
    for ours, theirs in {**COUNTS, "percent": "pct"}.items():
        tally.numbers(ours, both[ours], both[theirs], **CLOSE)
    expected = bench.table("safety/pilot_ae/expected_ae_overall_summary.csv")
    lines = {"any_teae": "any_teae", "serious_teae": "serious_teae", "any_teae_severe": "any_teae_grade_ge3"}
    expected = expected.assign(line=expected["row"].map(lines)).dropna(subset="line")
    found = _by_arm(safety.overview(*_trial(bench, "pilot"), by="arm").summary)
    both = expected.merge(found, left_on=["line", "arm"], right_on=["row", "arm"], suffixes=("_expected", ""))
    tally.claim("the same rows", len(both) == len(expected))
    tally.numbers("subjects", both["n_subjects"], both["n_expected"])
    tally.numbers("events", both["n_events"], both["events"])


@check("safety.episodes")
def episodes(bench: Bench, tally: Tally) -> None:
    """Episodes of CRS and ICANS, and their summary."""
    events, subjects = _trial(bench, "cart")
    expected = bench.text_table("safety/cart_ae/expected_aesi_episodes.csv")
    names = {"episode": "episode", "max_grade": "max_grade", "n_records": "n_records",
             "start_day": "onset_days_from_infusion", "duration_days": "duration_days"}  # fmt: skip
    for category in ("CRS", "ICANS"):
        found = safety.episodes(events, subjects, category=category).subjects
        mine = expected[expected["AESI"] == category]
        tally.words(f"{category} subject", found["subject_id"], mine["USUBJID"])
        for ours, theirs in names.items():
            tally.numbers(f"{category} {ours}", found[ours], _numbers(mine[theirs]))
    wanted = bench.table("safety/cart_ae/expected_aesi_summary.csv").set_index("AESI")
    summary = safety.special_interest(events, subjects, by="cohort").summary
    total = summary[summary["group"] == "ALL"].set_index("category").loc[wanted.index]
    words = {"first_duration_median": "duration_median", "first_duration_min": "duration_min",
             "first_duration_max": "duration_max", "total_duration_median": "total_days_median"}  # fmt: skip
    for column in wanted.columns:
        tally.numbers(column, total[words.get(column, column)], wanted[column], **CLOSE)


@check("safety.dose_limiting_toxicity")
def dose_limiting_toxicity(bench: Bench, tally: Tally) -> None:
    """24 subjects judged clause by clause, and the rates of their dose levels."""
    cases, aes = bench.text_table("safety/dlt_subjects.csv"), bench.text_table("safety/dlt_events.csv")
    share = _numbers(cases["actual_dose_fraction_of_planned"])
    subjects = pd.DataFrame(
        {"subject_id": cases["case_id"], "level": cases["dose_level"], "planned_dose_1e6_kg": 1.5,
         "infused": cases["infused"].map({"1": "Y", "0": "N"}), "actual_dose_1e6_kg": 1.5 * share}
    )  # fmt: skip
    days = {"LAST_CONTACT": "last_contact_day", "DEATH": "death_day", "PROGRESSION": "progression_day",
            "NEW_THERAPY": "next_therapy_day"}  # fmt: skip
    events = pd.concat(
        pd.DataFrame({"subject_id": cases["case_id"], "event": word, "day": _numbers(cases[column])})
        for word, column in days.items()
    ).dropna(subset="day")
    adverse = pd.DataFrame(
        {"subject_id": aes["case_id"], "pt": aes["term"], "grade": _numbers(aes["grade"]),
         "start_day": _numbers(aes["start_day"]), "end_day": _numbers(aes["end_day"]),
         "related_cart": aes["related_cart"].map({"1": "RELATED", "0": "NOT RELATED"}),
         "related_disease": aes["attributable_to_disease"].map({"1": "Y", "0": "N"}),
         "aesi": aes["category"].where(aes["category"].isin(["CRS", "ICANS"]))}
    )  # fmt: skip
    found = safety.dose_limiting_toxicity(subjects, adverse_events=adverse, events=events, by="level")
    at = cases["case_id"].tolist()
    tally.words("subject", found.subjects["subject_id"], cases["case_id"])
    tally.numbers("evaluable", np.asarray(found.subjects["evaluable"], float),
                  _numbers(cases["expected_dlt_evaluable"]), at=at)  # fmt: skip
    tally.numbers("DLT", np.asarray(found.subjects["dlt"], float), _numbers(cases["expected_dlt"]), at=at)
    expected = bench.table("safety/dlt_rates_expected.csv")
    tally.words("level", found.summary["group"], expected["dose_level"])
    for name, column in (("n", "n_evaluable"), ("n_dlt", "n_dlt"), ("estimate", "dlt_rate"),
                         ("ci_low", "cp95_low"), ("ci_high", "cp95_high")):  # fmt: skip
        tally.numbers(name, found.summary[name], expected[column], **CLOSE)
