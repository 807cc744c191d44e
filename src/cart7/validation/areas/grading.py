"""Published grading rules against cases reasoned by hand, and laboratory grades against admiral."""

import numpy as np
import pandas as pd

from cart7 import grading, safety
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

WORDS = {"ALKPH": "ALP", "PLAT": "PLT", "LYMPH": "ALC", "POTAS": "K"}
UNITS = {"ALB": "g/L", "BILI": "umol/L", "CREAT": "umol/L", "CA": "mmol/L", "GLUC": "mmol/L", "K": "mmol/L",
         "SODIUM": "mmol/L", "HGB": "mmol/L", "ALC": "10^9/L", "PLT": "10^9/L", "WBC": "10^9/L"}  # fmt: skip
AGAINST_BASELINE = ("ALP", "ALT", "AST", "GGT", "BILI")


def _cases(bench: Bench, name: str) -> pd.DataFrame:
    return bench.table(f"safety/{name}.csv", keep_default_na=False, na_values=[""])


@check("grading.crs")
def crs(bench: Bench, tally: Tally) -> None:
    """ASTCT grades of cytokine release syndrome."""
    cases = _cases(bench, "crs_cases")
    graded = grading.crs(cases)
    tally.numbers("grade", graded["grade"], cases["expected_grade"], at=list(cases["case_id"]))
    tally.claim("a missing grade has its reason", (graded.loc[graded["grade"].isna(), "note"] != "").all())


@check("grading.ice")
def ice(bench: Bench, tally: Tally) -> None:
    """Immune effector cell encephalopathy scores."""
    cases = _cases(bench, "ice_cases")
    graded = grading.ice(cases)
    tally.numbers("score", graded["score"], cases["expected_score"])
    tally.claim("a missing score has its reason", (graded["score"].isna() == (graded["note"] != "")).all())


@check("grading.icans")
def icans(bench: Bench, tally: Tally) -> None:
    """ASTCT grades of neurotoxicity."""
    cases = _cases(bench, "icans_cases")
    tally.numbers("grade", grading.icans(cases)["grade"], cases["expected_grade"], at=list(cases["case_id"]))


@check("grading.icaht")
def icaht(bench: Bench, tally: Tally) -> None:
    """Early and late haematotoxicity by neutrophils and by platelets."""
    cases = bench.table("safety/icaht_cases.csv")
    graded = grading.icaht_neutropenia(bench.table("safety/icaht_anc_long.csv"), cases)
    for theirs, ours in (
        ("expected_early_grade", "early_grade"),
        ("expected_days_le500", "days_le_500"),
        ("expected_days_le100", "days_le_100"),
        ("expected_late_grade", "late_grade"),
    ):
        tally.numbers(f"neutrophils {ours}", graded[ours], cases[theirs], at=list(cases["case_id"]))
    cases = bench.table("safety/ticaht_cases.csv")
    graded = grading.icaht_thrombocytopenia(bench.table("safety/ticaht_plt_long.csv"), cases)
    for ours in ("early_grade", "late_grade"):
        tally.numbers(f"platelets {ours}", graded[ours], cases[f"expected_{ours}"])


@check("grading.laboratory_cases")
def laboratory_cases(bench: Bench, tally: Tally) -> None:
    """CTCAE 5.0 and 6.0 at their bounds."""
    cases = bench.table("safety/lab_ctcae_cases.csv")
    tally.numbers("version 5", grading.ctcae_lab(cases)["grade"], cases["expected_grade_v5"])
    newer = grading.ctcae_lab(cases, version="6.0")["grade"]
    tally.numbers("version 6", newer, cases["admiral_v6"])


def _pilot(bench: Bench) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    expected = bench.table("safety/pilot_labs/lab_grades_expected.csv.gz")
    expected["PARAMCD"] = expected["PARAMCD"].replace(WORDS)
    labs = pd.DataFrame(
        {"subject_id": expected["USUBJID"], "test": expected["PARAMCD"], "value": expected["AVAL"],
         "lln": expected["ANRLO"], "uln": expected["ANRHI"], "sample_date": expected["ADT"]}
    )  # fmt: skip
    labs["unit"] = labs["test"].map(UNITS).fillna("U/L")
    subjects = expected[["USUBJID", "TRTSDT"]].drop_duplicates()
    return labs, subjects.rename(columns={"USUBJID": "subject_id", "TRTSDT": "infusion_date"}), expected


def _grades(version: str, exception: str, bench: Bench, tally: Tally) -> None:
    labs, subjects, expected = _pilot(bench)
    graded = safety.lab_grades(labs, subjects, version=version)
    # admiral grades a baseline above the ULN, and what came before it, against itself: grade 0.
    before = graded["is_baseline"].eq(1) | expected["ADT"].lt(expected["TRTSDT"])
    abnormal = expected["BASE"].gt(expected["ANRHI"]) & expected["PARAMCD"].isin(AGAINST_BASELINE)
    tally.numbers("low", graded["grade_low"], expected[f"v{version[0]}_low"])
    tally.numbers("high", graded["grade_high"], expected[f"v{version[0]}_high"], excuse=before & abnormal,
                  exception=exception)  # fmt: skip
    tally.words("baseline record", graded["is_baseline"] == 1, expected["ABLFL"] == "Y")


@check("grading.laboratory_v5")
def laboratory_v5(bench: Bench, tally: Tally) -> None:
    """3,606 values under CTCAE 5.0."""
    _grades("5.0", "abnormal-baseline-v5", bench, tally)


@check("grading.laboratory_v6")
def laboratory_v6(bench: Bench, tally: Tally) -> None:
    """3,606 values under CTCAE 6.0."""
    _grades("6.0", "abnormal-baseline-v6", bench, tally)


@check("grading.shifts")
def shifts(bench: Bench, tally: Tally) -> None:
    """Baseline to worst grade; for tests graded against baseline the worst grade only."""
    labs, subjects, _ = _pilot(bench)
    expected = bench.table(
        "safety/pilot_labs/lab_shift_expected.csv", dtype={"base": str, "worst": str}, keep_default_na=False
    )
    expected["PARAMCD"] = expected["PARAMCD"].replace(WORDS)
    keys = ["PARAMCD", "direction", "base", "worst"]
    names = dict(zip(["test", "direction", "baseline_grade", "worst_grade"], keys, strict=True))
    found = safety.lab_shift(labs, subjects, by=None).summary.rename(columns=names)
    own, theirs = (frame["PARAMCD"].isin(AGAINST_BASELINE) for frame in (found, expected))
    for ours, wanted, columns in (
        (found[~own], expected[~theirs], keys), (found[own], expected[theirs], ["PARAMCD", "worst"]),
    ):  # fmt: skip
        one, two = ours.groupby(columns)["n"].sum(), wanted.groupby(columns)["n"].sum()
        cells = sorted({*one.index, *two.index})
        tally.numbers(
            "subjects", one.reindex(cells, fill_value=0), two.reindex(cells, fill_value=0), at=cells
        )


@check("grading.landmarks")
def landmarks(bench: Bench, tally: Tally) -> None:
    """Cytopenia of grade 3 or more at a landmark day."""
    cases = bench.table("safety/cytopenia_landmark_cases.csv")
    labs = bench.table("safety/cytopenia_landmark_labs.csv")
    labs = labs.rename(columns={"case_id": "subject_id", "lineage": "test"})
    found = []
    for case in cases.to_dict("records"):
        person = pd.DataFrame({"subject_id": [case["case_id"]]})
        result = safety.cytopenia(labs, person, day=case["landmark_day"], window=case["window_days"]).subjects
        found.append(result.loc[result["test"] == case["lineage"], "grade_ge3"].item())
    tally.numbers("grade 3 or more", np.array(found, float), cases["expected_grade_ge3_at_landmark"],
                  at=list(cases["case_id"]))  # fmt: skip
