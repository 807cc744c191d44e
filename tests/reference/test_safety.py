"""Safety tables against other software, hand-reasoned cases and the example study's published numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7 import safety
from cart7.examples import STUDY_FOLDER

DATA = Path(__file__).parents[1] / "data"
SAFETY = DATA / "safety"
EXPECTED = DATA / "example_study" / "expected"


def text_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])


def close(actual, expected) -> None:
    # Both sides are double precision from the same formulas; the reference prints 15 digits.
    np.testing.assert_allclose(
        np.asarray(actual, dtype=float), np.asarray(expected, dtype=float), rtol=1e-12, atol=1e-14
    )


# ------------------------------------------------------------------------- dates and treatment emergence


@pytest.fixture(scope="module")
def teae():
    cases = text_table(SAFETY / "teae_cases.csv")
    subjects = pd.DataFrame(
        {"subject_id": cases["case_id"], "infusion_date": cases["trtsdt"],
         "followup_end_date": cases["eosdt"], "death_date": cases["dthdt"]}
    )  # fmt: skip
    events = pd.DataFrame(
        {"subject_id": cases["case_id"], "start_date": cases["aestdtc"], "end_date": cases["aeendtc"],
         "baseline_grade": cases["base_grade"].astype(float), "grade": cases["grade"].astype(float)}
    )  # fmt: skip
    return cases, safety.treatment_emergent(events, subjects)


def test_partial_dates_and_flags_equal_the_thirty_cases(teae):
    cases, found = teae
    for name, expected in [("start", "exp_astdt"), ("end", "exp_aendt")]:
        assert found[name].dt.strftime("%Y-%m-%d").fillna("").tolist() == cases[expected].fillna("").tolist()
        flag = cases[expected + "f"].fillna("")
        assert found[f"{name}_imputed"].tolist() == flag.tolist()
    assert (found["treatment_emergent"] == (cases["exp_trtemfl"] == "Y")).all()
    assert (found["treatment_emergent"] == (cases["admiral_trtemfl"] == "Y")).all()
    assert len(cases) == 30


def test_days_from_infusion_equal_the_thirty_cases(teae):
    cases, found = teae
    for name, expected in [("start_day", "exp_astdy"), ("end_day", "exp_aendy")]:
        study_day = cases[expected].astype(float)
        # A study day has no day 0: day 1 is the infusion day.
        close(found[name], study_day.where(study_day < 0, study_day - 1))
    duration = (found["end"] - found["start"]).dt.days + 1
    # TE24 ends before it starts: a query here, -1 day there (admiral leaves out the + 1 below zero).
    ordered = cases["case_id"] != "TE24"
    close(duration[ordered], cases["exp_adurn_days"].astype(float)[ordered])


def test_a_start_raised_past_a_known_end_is_a_query(teae):
    cases, found = teae
    assert "start after end" in found.loc[cases["case_id"] == "TE24", "note"].item()


# --------------------------------------------------------------------------------- synthetic CAR-T trial


@pytest.fixture(scope="module")
def cart():
    sl, ae = (
        text_table(SAFETY / "cart_ae" / "cart_adsl.csv"),
        text_table(SAFETY / "cart_ae" / "cart_adae.csv"),
    )
    subjects = pd.DataFrame(
        {"subject_id": sl["USUBJID"], "cohort": sl["COHORT"], "infused": sl["SAFFL"], "infusion_date": sl["TRTSDT"],
         "followup_end_date": sl["EOSDT"], "death_date": sl["DTHDT"]}
    )  # fmt: skip
    events = pd.DataFrame(
        {"subject_id": ae["USUBJID"], "ae_id": ae["AESEQ"], "verbatim": ae["AETERM"], "pt": ae["AEDECOD"],
         "soc": ae["AEBODSYS"], "grade": ae["AETOXGR"].astype(float),
         "baseline_grade": ae["BASETOXGR"].astype(float), "start_date": ae["AESTDTC"],
         "end_date": ae["AEENDTC"], "serious": ae["AESER"], "related_cart": ae["AEREL_CART"],
         "related_ld": ae["AEREL_LD"], "aesi": ae["AESI"], "outcome": ae["AEOUT"]}
    )  # fmt: skip
    return events, subjects


def infused(subjects: pd.DataFrame) -> pd.DataFrame:
    return subjects[subjects["infused"] == "Y"]


def by_arm(summary: pd.DataFrame, arms: pd.Series) -> pd.DataFrame:
    """Summary rows with the group names of the reference files."""
    assert set(summary["group"]) == set(arms.replace("Total", "ALL"))
    return summary.assign(arm=summary["group"].replace("ALL", "Total"))


def test_derived_columns_equal_the_synthetic_trial(cart):
    events, subjects = cart
    expected = text_table(SAFETY / "cart_ae" / "expected_adae_derived.csv")
    found = safety.treatment_emergent(events, subjects)
    assert found["start"].dt.strftime("%Y-%m-%d").fillna("").tolist() == expected["ASTDT"].fillna("").tolist()
    assert found["end"].dt.strftime("%Y-%m-%d").fillna("").tolist() == expected["AENDT"].fillna("").tolist()
    assert found["start_imputed"].tolist() == expected["ASTDTF"].fillna("").tolist()
    assert found["end_imputed"].tolist() == expected["AENDTF"].fillna("").tolist()
    assert (found["treatment_emergent"] == (expected["TRTEMFL"] == "Y")).all()
    thirty = safety.treatment_emergent(events, subjects, rules=safety.SafetyRules(window_days=30))
    assert (thirty["treatment_emergent"] == (expected["TRTEM30F"] == "Y")).all()
    close(found["start_day"], expected["DAYS_FROM_INFUSION"].astype(float))
    assert len(expected) == 112


def test_overview_equals_the_synthetic_trial(cart):
    events, subjects = cart
    expected = pd.read_csv(SAFETY / "cart_ae" / "expected_ae_overall_summary.csv")
    summary = safety.overview(events, infused(subjects), by="cohort").summary
    both = expected.merge(by_arm(summary, expected["arm"]), on=["row", "arm"], suffixes=("_expected", ""))
    assert len(both) == len(expected) == 76
    close(both["n"], both["N"])
    close(both["n_subjects"], both["n_expected"])
    close(both["n_events"], both["events"])
    close(100 * both["estimate"], both["pct"])
    close(both["ci_low"], both["cp95_low"])
    close(both["ci_high"], both["cp95_high"])


def check_term_table(summary: pd.DataFrame, expected: pd.DataFrame, grades: pd.DataFrame) -> int:
    """Compare counts, limits, order and worst grades; the number of cells compared."""
    found = by_arm(summary, expected["arm"])
    n_groups = found["group"].nunique()
    order = found.iloc[::n_groups][["level", "soc", "pt"]].reset_index(drop=True)
    shown = expected.drop_duplicates("row_order").sort_values("row_order")
    assert order.values.tolist() == shown[["level", "soc", "pt"]].values.tolist()
    both = expected.merge(found, on=["level", "soc", "pt", "arm"], suffixes=("_expected", ""))
    assert len(both) == len(expected) == len(found)
    pairs = [("n", "N"), ("n_subjects", "n_expected"), ("n_events", "events"), ("ci_low", "cp95_low"),
             ("ci_high", "cp95_high")]  # fmt: skip
    for actual, name in pairs:
        close(both[actual], both[name])
    columns = {"any": "n_subjects", "missing": "grade_missing", ">=3": "grade_ge3"}
    long = found.rename(columns={f"grade_{grade}": str(grade) for grade in range(1, 6)}).rename(
        columns={column: name for name, column in columns.items()}
    )
    long = long.melt(["level", "soc", "pt", "arm"], sorted(set(grades["grade"])), "grade", "found")
    worst = grades.merge(long, on=["level", "soc", "pt", "arm", "grade"])
    assert len(worst) == len(grades)
    close(worst["found"], worst["n"])
    return len(both) * len(pairs) + len(worst)


def check_rates(summary: pd.DataFrame, expected: pd.DataFrame) -> int:
    found = by_arm(summary, expected["arm"])
    both = expected.merge(found, on=["level", "soc", "pt", "arm"], suffixes=("_expected", ""))
    assert len(both) == len(expected)
    pairs = [("n_first", "n_first_in_window"), ("person_years", "person_years_expected"),
             ("incidence_rate", "eair_per100py"), ("incidence_ci_low", "eair95_low"),
             ("incidence_ci_high", "eair95_high"), ("n_events", "events"),
             ("followup_years", "followup_years_expected"), ("event_rate", "eaer_per100py"),
             ("event_ci_low", "eaer95_low"), ("event_ci_high", "eaer95_high")]  # fmt: skip
    for actual, name in pairs:
        close(both[actual], both[name])
    return len(both) * len(pairs)


def term_table(folder: str, name: str) -> pd.DataFrame:
    path = next((SAFETY / folder).glob(f"{name}.csv*"))
    return pd.read_csv(path, keep_default_na=False, na_values=["NA"], dtype={"grade": str})


def test_term_table_equals_the_synthetic_trial(cart):
    events, subjects = cart
    summary = safety.by_term(events, infused(subjects), by="cohort").summary
    expected = term_table("cart_ae", "expected_ae_soc_pt")
    assert check_term_table(summary, expected, term_table("cart_ae", "expected_ae_soc_pt_maxgrade")) == 2288


def test_exposure_adjusted_rates_equal_the_synthetic_trial(cart):
    events, subjects = cart
    summary = safety.exposure_adjusted(events, infused(subjects), by="cohort").summary
    assert check_rates(summary, term_table("cart_ae", "expected_ae_soc_pt")) == 1760


def test_episodes_equal_the_synthetic_trial(cart):
    events, subjects = cart
    expected = text_table(SAFETY / "cart_ae" / "expected_aesi_episodes.csv")
    compared = 0
    for category in ("CRS", "ICANS"):
        found = safety.episodes(events, infused(subjects), category=category).subjects
        mine = expected[expected["AESI"] == category]
        assert found["subject_id"].tolist() == mine["USUBJID"].tolist()
        for name, column in [("episode", "episode"), ("max_grade", "max_grade"), ("n_records", "n_records"),
                             ("start_day", "onset_days_from_infusion"), ("duration_days", "duration_days")]:  # fmt: skip
            close(found[name], mine[column].astype(float))
        assert (found["ongoing"] == 0).all()
        compared += len(found)
    assert compared == len(expected) == 9


def test_special_interest_equals_the_synthetic_trial(cart):
    events, subjects = cart
    expected = pd.read_csv(SAFETY / "cart_ae" / "expected_aesi_summary.csv").set_index("AESI")
    summary = safety.special_interest(events, infused(subjects), by="cohort").summary
    total = summary[summary["group"] == "ALL"].set_index("category").loc[expected.index]
    names = {"first_duration_median": "duration_median", "first_duration_min": "duration_min",
             "first_duration_max": "duration_max", "total_duration_median": "total_days_median"}  # fmt: skip
    for column in expected.columns:
        close(total[names.get(column, column)], expected[column])


# ---------------------------------------------------------------------------- pilot study (pharmaverseadam)


@pytest.fixture(scope="module")
def pilot():
    folder = SAFETY / "pilot_ae"
    sl, ae = text_table(folder / "adsl.csv"), text_table(folder / "adae.csv")
    end = sl["EOSDT"].fillna(sl["TRTEDT"])
    subjects = pd.DataFrame(
        {"subject_id": sl["USUBJID"], "arm": sl["TRT01A"], "infusion_date": sl["TRTSDT"],
         "followup_end_date": end.where(end >= sl["TRTSDT"], sl["TRTSDT"]), "death_date": sl["DTHDT"]}
    )  # fmt: skip
    events = pd.DataFrame(
        {"subject_id": ae["USUBJID"], "soc": ae["AEBODSYS"], "pt": ae["AEDECOD"], "grade": ae["ASEVN"].astype(float),
         "start_date": ae["ASTDT"], "end_date": ae["AENDT"], "treatment_emergent": ae["TRTEMFL"].fillna("N"),
         "serious": ae["AESER"], "outcome": ae["AEOUT"],
         "related_cart": ae["AREL"].isin(["NONE", "REMOTE"]).map({True: "NOT RELATED", False: "RELATED"})}
    )  # fmt: skip
    return events, subjects


def test_term_table_equals_the_pilot_study(pilot):
    summary = safety.by_term(*pilot, by="arm").summary
    grades = term_table("pilot_ae", "expected_ae_soc_pt_maxgrade")
    assert check_term_table(summary, term_table("pilot_ae", "expected_ae_soc_pt"), grades) == 11176


def test_exposure_adjusted_rates_equal_the_pilot_study(pilot):
    summary = safety.exposure_adjusted(*pilot, by="arm").summary
    assert check_rates(summary, term_table("pilot_ae", "expected_ae_soc_pt")) == 10160


def test_overview_equals_the_pilot_study(pilot):
    expected = pd.read_csv(SAFETY / "pilot_ae" / "expected_ae_overall_summary.csv")
    lines = {"any_teae": "any_teae", "serious_teae": "serious_teae", "any_teae_severe": "any_teae_grade_ge3"}
    expected = expected.assign(line=expected["row"].map(lines)).dropna(subset="line")
    found = by_arm(safety.overview(*pilot, by="arm").summary, expected["arm"])
    both = expected.merge(found, left_on=["line", "arm"], right_on=["row", "arm"], suffixes=("_expected", ""))
    assert len(both) == 12
    close(both["n_subjects"], both["n_expected"])
    close(both["n_events"], both["events"])


# --------------------------------------------------------------------------------- dose-limiting toxicity


@pytest.fixture(scope="module")
def dlt_cases():
    cases, aes = text_table(SAFETY / "dlt_subjects.csv"), text_table(SAFETY / "dlt_events.csv")
    subjects = pd.DataFrame(
        {"subject_id": cases["case_id"], "level": cases["dose_level"], "planned_dose_1e6_kg": 1.5,
         "infused": cases["infused"].map({"1": "Y", "0": "N"}),
         "actual_dose_1e6_kg": 1.5 * cases["actual_dose_fraction_of_planned"].astype(float)}
    )  # fmt: skip
    days = {"LAST_CONTACT": "last_contact_day", "DEATH": "death_day", "PROGRESSION": "progression_day",
            "NEW_THERAPY": "next_therapy_day"}  # fmt: skip
    events = pd.concat(
        pd.DataFrame({"subject_id": cases["case_id"], "event": word, "day": cases[column].astype(float)})
        for word, column in days.items()
    ).dropna(subset="day")
    adverse = pd.DataFrame(
        {"subject_id": aes["case_id"], "pt": aes["term"], "grade": aes["grade"].astype(float),
         "start_day": aes["start_day"].astype(float), "end_day": aes["end_day"].astype(float),
         "related_cart": aes["related_cart"].map({"1": "RELATED", "0": "NOT RELATED"}),
         "related_disease": aes["attributable_to_disease"].map({"1": "Y", "0": "N"}),
         "aesi": aes["category"].where(aes["category"].isin(["CRS", "ICANS"]))}
    )  # fmt: skip
    return cases, safety.dose_limiting_toxicity(subjects, adverse_events=adverse, events=events, by="level")


def test_dose_limiting_toxicity_equals_the_reasoned_cases(dlt_cases):
    cases, found = dlt_cases
    assert found.subjects["subject_id"].tolist() == cases["case_id"].tolist()
    close(found.subjects["evaluable"], cases["expected_dlt_evaluable"].astype(float))
    close(found.subjects["dlt"], cases["expected_dlt"].astype(float))
    assert len(cases) == 24


def test_dlt_rates_equal_the_reasoned_cases(dlt_cases):
    expected = pd.read_csv(SAFETY / "dlt_rates_expected.csv")
    summary = dlt_cases[1].summary
    assert summary["group"].tolist() == expected["dose_level"].tolist()
    for name, column in [("n", "n_evaluable"), ("n_dlt", "n_dlt"), ("estimate", "dlt_rate"),
                         ("ci_low", "cp95_low"), ("ci_high", "cp95_high")]:  # fmt: skip
        close(summary[name], expected[column])


# ------------------------------------------------------------------------------------------- example study


@pytest.fixture(scope="module")
def study():
    tables = {
        name: pd.read_csv(STUDY_FOLDER / f"{name}.csv", dtype={"infused": str})
        for name in ("subjects", "adverse_events", "dlt", "events", "labs", "lymphodepletion")
    }
    tables["subjects"] = tables["subjects"][tables["subjects"]["infused"] == "Y"]
    return tables


OVERVIEW_LINES = {
    "TEAE (from infusion)": "any_teae", "TEAE grade>=3": "any_teae_grade_ge3", "TEAE grade 5": "fatal_teae",
    "Serious TEAE": "serious_teae", "CAR-T related TEAE": "related_cart_teae",
    "CAR-T related TEAE grade>=3": "related_cart_teae_grade_ge3", "CRS": "crs_any", "CRS grade>=3": "crs_grade_ge3",
    "ICANS": "icans_any", "ICANS grade>=3": "icans_grade_ge3", "HLH": "iec_hs_any", "Infections": "infection_any",
    "Infections grade>=3": "infection_grade_ge3",
}  # fmt: skip


def compare_overview(summary, expected, lines) -> int:
    expected = expected.assign(row=expected["category"].map(lines)).dropna(subset="row")
    both = expected.merge(
        summary, left_on=["row", "dose_level"], right_on=["row", "group"], suffixes=("_expected", "")
    )
    assert len(both) == len(expected)
    close(both["n_subjects"], both["n_subjects_expected"])
    close(both["n_events"], both["n_events_expected"])
    close(both["n"], both["denominator"])
    return len(both)


def test_overview_equals_the_example_study(study):
    expected = pd.read_csv(EXPECTED / "ae_overview.csv", dtype={"dose_level": str})
    events, subjects = study["adverse_events"], study["subjects"]
    summary = safety.overview(events, subjects, events=study["events"]).summary
    assert compare_overview(summary, expected, OVERVIEW_LINES) == 52
    month = safety.overview(events, subjects, rules=safety.SafetyRules(window_days=28)).summary
    assert compare_overview(month, expected, {"TEAE onset day 0-28": "any_teae"}) == 4
    first = study["lymphodepletion"].groupby("subject_id")["date"].min()
    from_lymphodepletion = safety.SafetyRules(reference="lymphodepletion_date")
    with_date = subjects.assign(lymphodepletion_date=subjects["subject_id"].map(first))
    earlier = safety.overview(events, with_date, rules=from_lymphodepletion).summary
    assert compare_overview(earlier, expected, {"TEAE (from lymphodepletion)": "any_teae"}) == 4
    special = safety.special_interest(events, subjects, events=study["events"]).summary
    hlh = special[special["category"] == "HLH"].set_index("group")
    severe = expected[expected["category"] == "HLH grade>=3"].set_index("dose_level")
    close(hlh["n_grade_ge3"].loc[severe.index], severe["n_subjects"])


def test_terms_at_worst_grade_equal_the_example_study(study):
    expected = pd.read_csv(EXPECTED / "ae_soc_pt_maxgrade.csv")
    summary = safety.by_term(study["adverse_events"], study["subjects"], events=study["events"]).summary
    terms = summary[(summary["level"] == "PT") & (summary["group"] == "ALL")]
    both = expected.merge(terms, on=["soc", "pt"], suffixes=("_expected", ""))
    assert len(both) == len(expected) == len(terms) == 28
    close(both["n_subjects"], both["n_subjects_expected"])
    close(both["n_events"], both["n_events_expected"])
    for grade in range(1, 6):
        close(both[f"grade_{grade}"], both[f"g{grade}"])


def test_crs_and_icans_equal_the_example_study(study):
    found = safety.special_interest(study["adverse_events"], study["subjects"], events=study["events"])
    expected = pd.read_csv(EXPECTED / "crs_icans_subject.csv")
    both = expected.merge(
        found.subjects,
        left_on=["event", "subject_id"],
        right_on=["category", "subject_id"],
        suffixes=("_expected", ""),
    )
    assert len(both) == len(expected) == 11
    for name in ("n_episodes", "onset_day", "max_grade"):
        close(both[name], both[f"{name}_expected"])
    close(both["duration_days"], both["duration_days_first"])
    expected = pd.read_csv(EXPECTED / "crs_icans_summary.csv").set_index("event")
    total = found.summary[found.summary["group"] == "ALL"].set_index("category").loc[expected.index]
    names = {"n": "n", "any": "n_subjects", "any_lcl": "ci_low", "any_ucl": "ci_high", "ge3": "n_grade_ge3",
             "ge3_lcl": "grade_ge3_ci_low", "ge3_ucl": "grade_ge3_ci_high", "median_onset": "onset_median",
             "min_onset": "onset_min", "max_onset": "onset_max", "median_duration": "duration_median",
             "min_duration": "duration_min", "max_duration": "duration_max"}  # fmt: skip
    for column, name in names.items():
        # The file prints 10 significant digits.
        np.testing.assert_allclose(total[name].astype(float), expected[column], rtol=1e-9)
    assert len(names) * len(expected) == 26


def test_dose_limiting_toxicity_equals_the_example_study(study):
    expected = pd.read_csv(EXPECTED / "dlt_by_dose.csv", dtype={"dose_level": str}).set_index("dose_level")
    found = safety.dose_limiting_toxicity(study["subjects"], dlt=study["dlt"], events=study["events"])
    summary = found.summary.set_index("group").loc[expected.index]
    names = {"n_evaluable": "n", "n_dlt": "n_dlt", "rate": "estimate", "cp_lcl": "ci_low", "cp_ucl": "ci_high",
             "one_sided_ucl95": "upper_one_sided"}  # fmt: skip
    for column, name in names.items():
        np.testing.assert_allclose(summary[name].astype(float), expected[column], rtol=1e-9)
    assert len(names) * len(expected) == 24
    assert found.subjects.set_index("subject_id")["reason"]["CD7-008"].startswith("Cytokine release syndrome")


def test_haematotoxicity_equals_the_example_study(study):
    expected = pd.read_csv(EXPECTED / "icaht_early_subject.csv")
    found = safety.icaht(study["labs"], study["subjects"], study["events"]).subjects
    assert found["subject_id"].tolist() == expected["subject_id"].tolist()
    names = {"longest_run_anc_le_500": "days_le_500", "longest_run_anc_le_100": "days_le_100",
             "early_icaht_grade": "early_grade", "anc_recovery_day_gt500_3consecutive": "recovery_day"}  # fmt: skip
    for column, name in names.items():
        close(found[name], expected[column])
    assert len(names) * len(expected) == 36
