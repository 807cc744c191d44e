"""Anti-CAR antibodies against R, Python and admiral's template, and against the example study's tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7.examples import STUDY_FOLDER
from cart7.immunogenicity import AdaRules, classify, positive_rate

DATA = Path(__file__).parents[1] / "data" / "immunogenicity"
EXPECTED = Path(__file__).parents[1] / "data" / "example_study" / "expected"
WORDS = {"POSITIVE": "POS", "NEGATIVE": "NEG", "NOT EVALUABLE": "NE"}


def reference(name):
    return pd.read_csv(DATA / f"ada_{name}.csv").rename(columns={"subject": "subject_id", "titre": "titer"})


def study(name):
    return pd.read_csv(STUDY_FOLDER / f"{name}.csv")


@pytest.fixture(scope="module")
def ada():
    samples = reference("samples")
    return samples.assign(result=samples["result"].map(WORDS))


@pytest.fixture(scope="module")
def subjects():
    return reference("subjects")


def assert_equal_columns(ours, theirs, columns, rel=1e-12):
    """Compare named columns of two frames in the same row order; returns how many cells were equal."""
    for mine, other in columns.items():
        if pd.api.types.is_numeric_dtype(theirs[other]):
            np.testing.assert_allclose(
                ours[mine].to_numpy(dtype=float), theirs[other], rtol=rel, err_msg=mine
            )
        else:
            assert ours[mine].fillna("").tolist() == theirs[other].fillna("").tolist(), mine
    return len(columns) * len(theirs)


def test_classes_and_kinetics_equal_r_and_python(ada, subjects):
    expected = reference("expected_subject")
    columns = {name: name for name in (
        "subject_id", "baseline_status", "n_post_evaluable", "classification", "treatment_emergent", "kinetics",
        "first_te_positive_day", "last_te_positive_day", "te_duration_days",
    )}  # fmt: skip
    columns |= {"baseline_titer": "baseline_titre", "max_post_titer": "max_post_titre"}
    assert assert_equal_columns(classify(ada, subjects).subjects, expected, columns) == 23 * 11


def test_flags_equal_the_admiral_template_where_missing_baselines_count_as_negative(ada, subjects):
    expected = reference("expected_subject")
    ours = classify(ada, subjects, rules=AdaRules(missing_baseline="assume-negative")).subjects
    flag = ours["classification"].map(
        {"NEGATIVE": 0, "INDUCED": 1, "BOOSTED": 2, "UNAFFECTED": 3, "NO_POST_BASELINE": np.nan,
         "NO_EVALUABLE_SAMPLE": np.nan}
    )  # fmt: skip
    table = pd.DataFrame(
        {
            "admiral_TFLAG": flag,
            "admiral_TRANADAE": (ours["kinetics"] == "TRANSIENT").astype(float),
            "admiral_PERSADAE": (ours["kinetics"] == "PERSISTENT").astype(float),
        }
    )
    expected[["admiral_TRANADAE", "admiral_PERSADAE"]] = expected[
        ["admiral_TRANADAE", "admiral_PERSADAE"]
    ].fillna(0)
    assert assert_equal_columns(table, expected, {name: name for name in table}) == 23 * 3


def test_chosen_samples_equal_r_and_python(ada, subjects):
    expected = reference("expected_visit")
    expected["result"] = expected["result"].map(WORDS)
    columns = {name: name for name in ("subject_id", "visit", "day", "result")}
    columns |= {"titer": "titer", "treatment_emergent": "te"}
    assert assert_equal_columns(positive_rate(ada, subjects).subjects, expected, columns) == 92 * 6


def test_rates_equal_r_and_python(ada, subjects):
    expected = reference("expected_rates").rename(columns={"dose_level": "group"})
    names = {
        "te_positive_at_visit": "treatment_emergent_at_visit",
        "cumulative_any_post_positive": "cumulative_through_visit",
        "prevalence_any_time": "prevalence",
        "incidence_treatment_emergent": "incidence",
    }
    # The rate of any positive sample after infusion is not a measure of its own here.
    expected = expected[expected["measure"] != "any_post_baseline_positive"]
    expected = expected.assign(
        measure=expected["measure"].replace(names), group=expected["group"].astype(str)
    )
    expected = expected.reset_index(drop=True)
    summary = positive_rate(ada, subjects).summary
    assert len(summary) == len(expected) == 96
    key = ["group", "visit", "measure"]
    ours = expected[key].merge(summary, on=key, how="left")
    columns = {"n_positive": "n_positive", "n": "n_evaluable", "n_infused": "n_subjects", "estimate": "rate"}
    columns |= {"ci_low": "cp95_lower", "ci_high": "cp95_upper"}
    assert assert_equal_columns(ours, expected, columns) == 96 * 6


def test_example_study_rates_equal_the_published_table():
    summary = positive_rate(study("ada"), study("subjects")).summary
    expected = pd.read_csv(EXPECTED / "ada_by_visit.csv").rename(columns={"nominal_label": "visit"})
    expected["visit"] = expected["visit"].replace("SCR", "BASELINE")
    summary = summary.query("group == 'ALL' and measure == 'positive_at_visit'")
    ours = expected[["visit"]].merge(summary, on="visit", how="left")
    columns = {"n_infused": "n_infused", "n": "n_tested", "n_positive": "n_pos", "estimate": "rate"}
    columns |= {"ci_low": "cp_lcl", "ci_high": "cp_ucl"}
    # The table is printed with ten significant digits.
    assert assert_equal_columns(ours, expected, columns, rel=5e-10) == 5 * 6


def test_example_study_classes_equal_the_published_table():
    result = classify(study("ada"), study("subjects").query("infused == 'Y'"))
    expected = pd.read_csv(EXPECTED / "ada_subject.csv")
    names = {"TREATMENT-INDUCED": "INDUCED", "PRE-EXISTING, NOT BOOSTED": "UNAFFECTED"}
    post = result.samples[result.samples["post"]].groupby("subject_id")["titer"].count()
    ours = result.subjects.assign(post=result.subjects["subject_id"].map(post) > 0)
    expected = expected.assign(category=expected["category"].replace(names),
                               baseline=expected["baseline"].map({"POS": "POSITIVE", "NEG": "NEGATIVE"}))  # fmt: skip
    columns = {"subject_id": "subject_id", "baseline_status": "baseline", "classification": "category"}
    assert assert_equal_columns(ours, expected, columns | {"post": "post_pos"}) == 9 * 4
