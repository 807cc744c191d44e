"""Laboratory grades, shifts and landmarks against admiral and hand-reasoned cases."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7 import safety

SAFETY = Path(__file__).parents[1] / "data" / "safety"
PILOT = SAFETY / "pilot_labs"
WORDS = {"ALKPH": "ALP", "PLAT": "PLT", "LYMPH": "ALC", "POTAS": "K"}
UNITS = {"ALB": "g/L", "BILI": "umol/L", "CREAT": "umol/L", "CA": "mmol/L", "GLUC": "mmol/L", "K": "mmol/L",
         "SODIUM": "mmol/L", "HGB": "mmol/L", "ALC": "10^9/L", "PLT": "10^9/L", "WBC": "10^9/L"}  # fmt: skip
GRADED_AGAINST_BASELINE = ("ALP", "ALT", "AST", "GGT", "BILI")


@pytest.fixture(scope="module")
def pilot():
    expected = pd.read_csv(PILOT / "lab_grades_expected.csv.gz")
    expected["PARAMCD"] = expected["PARAMCD"].replace(WORDS)
    labs = pd.DataFrame(
        {"subject_id": expected["USUBJID"], "test": expected["PARAMCD"], "value": expected["AVAL"],
         "lln": expected["ANRLO"], "uln": expected["ANRHI"], "sample_date": expected["ADT"]}
    )  # fmt: skip
    labs["unit"] = labs["test"].map(UNITS).fillna("U/L")
    subjects = expected[["USUBJID", "TRTSDT"]].drop_duplicates()
    subjects = subjects.rename(columns={"USUBJID": "subject_id", "TRTSDT": "infusion_date"})
    return labs, subjects, expected


@pytest.mark.parametrize(("version", "own_way"), [("5.0", 16), ("6.0", 5)])
def test_grades_equal_admiral_but_for_abnormal_baselines(pilot, version, own_way):
    labs, subjects, expected = pilot
    graded = safety.lab_grades(labs, subjects, version=version)
    for side in ("low", "high"):
        ours = graded[f"grade_{side}"].to_numpy()
        theirs = expected[f"v{version[0]}_{side}"].to_numpy()
        differs = ~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
        # admiral grades a baseline above the ULN, and what came before it, against itself: grade 0.
        before = graded["is_baseline"].eq(1) | expected["ADT"].lt(expected["TRTSDT"])
        abnormal = expected["BASE"].gt(expected["ANRHI"]) & expected["PARAMCD"].isin(GRADED_AGAINST_BASELINE)
        assert (before & abnormal)[differs].all()
        assert differs.sum() == (own_way if side == "high" else 0)
    assert len(expected) == 3606


def test_the_baseline_record_is_the_one_flagged(pilot):
    labs, subjects, expected = pilot
    graded = safety.lab_grades(labs, subjects)
    assert ((graded["is_baseline"] == 1) == (expected["ABLFL"] == "Y")).all()


def test_shifts_equal_admiral(pilot):
    labs, subjects, _ = pilot
    expected = pd.read_csv(
        PILOT / "lab_shift_expected.csv", dtype={"base": str, "worst": str}, keep_default_na=False
    )
    expected["PARAMCD"] = expected["PARAMCD"].replace(WORDS)
    keys = ["PARAMCD", "direction", "base", "worst"]
    names = dict(zip(["test", "direction", "baseline_grade", "worst_grade"], keys, strict=True))
    found = safety.lab_shift(labs, subjects, by=None).summary.rename(columns=names)
    own = found["PARAMCD"].isin(GRADED_AGAINST_BASELINE)
    theirs = expected["PARAMCD"].isin(GRADED_AGAINST_BASELINE)
    one, other = found[~own].set_index(keys)["n"], expected[~theirs].set_index(keys)["n"]
    assert one.sort_index().to_dict() == other.sort_index().to_dict()
    # The baseline grade of these five tests differs (see above); the worst later grade does not.
    worst = ["PARAMCD", "worst"]
    assert (
        found[own].groupby(worst)["n"].sum().to_dict() == expected[theirs].groupby(worst)["n"].sum().to_dict()
    )
    assert (len(other), int(theirs.sum())) == (56, 16)


def test_landmarks_equal_the_reasoned_cases():
    cases = pd.read_csv(SAFETY / "cytopenia_landmark_cases.csv")
    labs = pd.read_csv(SAFETY / "cytopenia_landmark_labs.csv")
    labs = labs.rename(columns={"case_id": "subject_id", "lineage": "test"})
    found = []
    for case in cases.to_dict("records"):
        person = pd.DataFrame({"subject_id": [case["case_id"]]})
        result = safety.cytopenia(labs, person, day=case["landmark_day"], window=case["window_days"])
        subject = result.subjects
        found.append(subject.loc[subject["test"] == case["lineage"], "grade_ge3"].item())
    np.testing.assert_array_equal(found, cases["expected_grade_ge3_at_landmark"])
    assert len(cases) == 12
