"""Equality with the reference numbers of tests/data/dose (tolerances stated there)."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7 import dose, response
from cart7.dose import CellDoseRules, Criterion, Desirability, Gates, ScoreRules
from cart7.examples import STUDY_FOLDER, example_study
from cart7.pd import depletion
from cart7.pk import exposure, persistence
from cart7.plan import read_plan
from cart7.safety import dose_limiting_toxicity

DATA = Path(__file__).parents[1] / "data"
FOLDER = DATA / "dose"
CRITERIA = ("dlt", "orr", "log_auc", "persist", "cd7")


def told(capsys, what, compared):
    with capsys.disabled():
        print(f"\n  {what}: {compared} numbers equal")


def numbers(cell):
    return np.array([float(part) if part else np.nan for part in cell.split(";")])


def optional(value):
    return None if pd.isna(value) else float(value)


def test_desirability_functions_equal_the_r_package(capsys):
    table = pd.read_csv(FOLDER / "desirability_individual.csv")
    for row in table.itertuples():
        shape = Desirability(kind=row.kind, low=row.low, high=row.high, target=optional(row.target),
                             scale=optional(row.scale) or 1.0, high_scale=optional(row.high_scale))  # fmt: skip
        assert shape(row.x) == pytest.approx(row.d, abs=1e-12)
    assert len(table) == 87
    told(capsys, "desirability", len(table))


def test_overall_desirability_equals_the_r_package(capsys):
    table = pd.read_csv(FOLDER / "desirability_overall.csv")
    overall = dose.overall_desirability(table[["d_tox", "d_orr", "d_auc"]].to_numpy())
    np.testing.assert_allclose(overall, table["d_overall"], rtol=0, atol=1e-12)
    assert len(table) == 6
    told(capsys, "overall desirability", len(table))


def test_smaa_equals_the_r_package(capsys):
    table = pd.read_csv(FOLDER / "smaa_input.csv")
    expected = json.loads((FOLDER / "smaa_expected.json").read_text())
    shape = (expected["n_iter"], expected["alternatives"], expected["criteria"])
    values = table[["c1", "c2", "c3", "c4"]].to_numpy().reshape(shape)
    weights = table[["w1", "w2", "w3", "w4"]].to_numpy().reshape(shape)[:, 0]
    result = dose.smaa(values, weights, aggregator="additive")
    np.testing.assert_allclose(result.rank_acceptability, expected["rank_acceptability"], atol=1e-9)
    np.testing.assert_allclose(result.central_weights, expected["central_weights"], atol=1e-9)
    np.testing.assert_allclose(result.confidence_factor, expected["confidence_factor"], atol=1e-9)
    assert result.ranking_entropy == pytest.approx(expected["entropy"], abs=1e-9)
    told(capsys, "SMAA", 9 + 12 + 3 + 1)


# ----------------------------------------------------------------------- integrated score


@cache
def cases():
    table = pd.read_csv(FOLDER / "rp2d_cases.csv", dtype=str, keep_default_na=False)
    return table.set_index("case_id")


@cache
def result_of(case_id):
    case = cases().loc[case_id]
    counted = {"dlt": (case["n_dlt"], case["dlt"]), "orr": (case["n_resp"], case["resp"]),
               "persist": (case["n_dlt"], case["persist"]), "cd7": (case["n_dlt"], case["cd7_depleted"])}  # fmt: skip
    counts = pd.concat(
        pd.DataFrame({"criterion": name, "n": numbers(n), "n_event": numbers(events)}).assign(
            dose_level=lambda rows: np.arange(1, len(rows) + 1)
        )
        for name, (n, events) in counted.items()
    )
    areas = pd.read_csv(FOLDER / "rp2d_auc.csv").query("case_id == @case_id")
    exposures = areas.rename(columns={"subject": "subject_id", "auc0_28d_copies_day_per_ug": "value"})
    return dose.score(counts, exposures.assign(criterion="log_auc"), rules=rules_of(case), rng=20)


def rules_of(case):
    config = json.loads((FOLDER / "rp2d_config.json").read_text())
    weights = dict(part.split("=") for part in case["weights"].split(";"))
    criteria = tuple(
        Criterion(
            name=name, kind="log-exposure" if name == "log_auc" else "binary", weight=float(weights[name]),
            desirability=Desirability(**{key: value for key, value in config["criteria"][name].items() if key != "weight"}),
        )
        for name in CRITERIA
    )  # fmt: skip
    return ScoreRules(criteria=criteria, gates=Gates(**config["gates"]), prior=tuple(config["beta_prior"]),
                      plateau=config["plateau_delta_relative"])  # fmt: skip


COLUMNS = {
    "prob_dlt_exceeds": "prob_dlt_exceeds", "prob_response_below": "prob_resp_below", "admissible": "admissible",
    "plugin_score": "plugin_score", "expected_score": "expected_score",
    **{f"d_{name}": f"d_{name}" for name in CRITERIA},
}  # fmt: skip


@pytest.mark.parametrize("case_id", cases().index)
def test_the_integrated_score_equals_the_independent_calculation(case_id):
    case, result = cases().loc[case_id], result_of(case_id)
    for mine, theirs in COLUMNS.items():
        np.testing.assert_allclose(
            result.summary[mine].to_numpy(dtype=float), numbers(case[theirs]), rtol=0, atol=1e-9, err_msg=mine
        )
    np.testing.assert_allclose(result.summary["prob_best"], numbers(case["prob_best"]), rtol=0, atol=0.005)
    assert (result.best_level or 0) == int(case["best_dose"])
    assert (result.recommended_level or 0) == int(case["recommended_dose_plateau"])


def test_how_many_numbers_of_the_integrated_score_were_compared(capsys):
    compared = sum(
        int(np.isfinite(numbers(case[column])).sum())
        for _, case in cases().iterrows()
        for column in [*COLUMNS.values(), "prob_best"]
    )
    assert len(cases()) == 30
    assert compared > 700
    told(capsys, f"integrated score, {len(cases())} cases", compared + 2 * len(cases()))


def test_the_example_rules_are_those_of_the_configuration():
    assert ScoreRules.example().model_dump(exclude={"placeholder"}) == rules_of(cases().iloc[0]).model_dump(
        exclude={"placeholder"}
    )


# ------------------------------------------------------------------------------ cell dose


@pytest.mark.parametrize(("limit", "column"), [(20.0, "within_20pct"), (10.0, "within_10pct")])
def test_cell_dose_equals_exact_rational_arithmetic(limit, column, capsys):
    bags = pd.read_csv(FOLDER / "cell_dose_bags.csv").rename(
        columns={"case_id": "subject_id", "bag": "bag_no"}
    )
    bags = bags.drop(columns=["viable_cells", "car_pos_viable_cells"])
    expected = pd.read_csv(FOLDER / "cell_dose_subjects.csv")
    compared = 0
    for cap, part in expected.groupby("weight_cap_kg", dropna=False):
        people = pd.DataFrame({
            "subject_id": part["case_id"], "weight_kg": part["weight_kg"],
            "planned_dose_1e6_kg": part["planned_car_per_kg"] / 1e6, "planned_1e6": part["planned_flat_car"] / 1e6,
        })  # fmt: skip
        mine = bags[bags["subject_id"].isin(part["case_id"])]
        rules = CellDoseRules(limit_percent=limit, weight_cap_kg=optional(cap))
        found = dose.cell_dose(mine, subjects=people, rules=rules).subjects.set_index("subject_id")
        wanted = part.set_index("case_id").loc[found.index]
        for name, theirs, unit in (
            ("viable_1e6", "total_viable_cells", 1e6), ("viable_car_pos_1e6", "total_car_cells", 1e6),
            ("dose_1e6_kg", "car_cells_per_kg_actual_weight", 1e6), ("planned_1e6", "planned_total_car_cells", 1e6),
            ("deviation_percent", "deviation_pct", 1),
        ):  # fmt: skip
            np.testing.assert_allclose(found[name], wanted[theirs] / unit, rtol=1e-12, atol=1e-12)
            compared += len(found)
        assert found["within_limits"].tolist() == wanted[column].tolist()
        assert found["n_bags"].tolist() == wanted["n_bags"].tolist()
        compared += 2 * len(found)
    assert compared == 7 * 30
    told(capsys, f"cell dose at {limit:g} %", compared)


# --------------------------------------------------------------------------- example study


@cache
def example_evidence():
    study, plan = example_study(), read_plan("example")
    infused = study.subjects[study.subjects["infused"] == "Y"]
    return dose.evidence(
        infused,
        dlt=dose_limiting_toxicity(infused, dlt=study.dlt),
        response=response.objective_response(study.responses, study.subjects, study.events, rules=plan.response),
        exposure=exposure(study.kinetics, infused, rules=plan.pk),
        persistence=persistence(study.kinetics, infused, study.events, rules=plan.pk),
        depletion=depletion(study.pd, infused, study.events, lymphodepletion=study.lymphodepletion,
                            parameter="CD7POS_PCT", rules=plan.pd),
    )  # fmt: skip


def test_evidence_of_the_example_study_equals_its_rp2d_inputs(capsys):
    expected = pd.read_csv(DATA / "example_study" / "expected" / "rp2d_inputs.csv").set_index("dose_level")
    counts = example_evidence().counts.pivot_table(
        index="dose_level", columns="criterion", values=["n", "n_event"]
    )
    pairs = {
        ("n", "dlt"): "n_dlt_evaluable", ("n_event", "dlt"): "n_dlt", ("n", "orr"): "n_infused",
        ("n_event", "orr"): "n_responder_m3_tp", ("n", "persist"): "n_sampled_m3",
        ("n_event", "persist"): "n_persist_m3", ("n", "cd7"): "n_infused", ("n_event", "cd7"): "n_cd7_pct_lt1",
    }  # fmt: skip
    for mine, theirs in pairs.items():
        assert counts[mine].tolist() == expected[theirs].tolist(), theirs
    areas = example_evidence().exposures
    geometric = np.exp(np.log(areas["value"]).groupby(areas["dose_level"]).mean())
    np.testing.assert_allclose(geometric, expected["geomean_auc0_28_lud"], rtol=1e-8)
    told(capsys, "evidence of the example study", 3 * (len(pairs) + 1))


def test_cell_dose_of_the_example_study_equals_sums_on_paper():
    products, subjects = (pd.read_csv(STUDY_FOLDER / f"{name}.csv") for name in ("products", "subjects"))
    found = dose.cell_dose(products, subjects=subjects).subjects.set_index(["subject_id", "infusion_no"])
    # 28.258 + 25.322 + 33.761 + 27.123 = 114.464; / 58.4 kg = 1.96; planned 2 x 58.4 = 116.8, so -2 %.
    assert found.loc[("CD7-008", 1), ["viable_car_pos_1e6", "dose_1e6_kg", "deviation_percent"]].tolist() == [
        114.464, 1.96, -2.0,
    ]  # fmt: skip
