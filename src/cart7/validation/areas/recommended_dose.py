"""Cell dose, desirability and the integrated score of the recommended dose against R and independent sums."""

from typing import Any

import numpy as np
import pandas as pd

from cart7 import dose
from cart7.dose import CellDoseRules, Criterion, Desirability, Gates, ScoreRules
from cart7.validation.areas.designs import numbers
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

CRITERIA = ("dlt", "orr", "log_auc", "persist", "cd7")
SCORE_CASES = slice(None, None, 10)
"""Every tenth case is scored here; each costs about a second, the test suite scores all thirty."""
COLUMNS = {
    "prob_dlt_exceeds": "prob_dlt_exceeds",
    "prob_response_below": "prob_resp_below",
    "admissible": "admissible",
    "plugin_score": "plugin_score",
    "expected_score": "expected_score",
    **{f"d_{name}": f"d_{name}" for name in CRITERIA},
}


def _optional(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


@check("recommended_dose.desirability")
def desirability(bench: Bench, tally: Tally) -> None:
    """Desirability functions and their geometric mean."""
    for row in bench.table("dose/desirability_individual.csv").itertuples():
        shape = Desirability(
            kind=row.kind,
            low=row.low,
            high=row.high,
            target=_optional(row.target),
            scale=_optional(row.scale) or 1.0,
            high_scale=_optional(row.high_scale),
        )
        tally.numbers(f"{row.kind} at {row.x}", [float(shape(row.x))], [row.d], absolute=1e-12)
    table = bench.table("dose/desirability_overall.csv")
    overall = dose.overall_desirability(table[["d_tox", "d_orr", "d_auc"]].to_numpy())
    tally.numbers("overall", overall, table["d_overall"], absolute=1e-12)


@check("recommended_dose.smaa")
def smaa(bench: Bench, tally: Tally) -> None:
    """Rank acceptability, central weights, confidence factors, entropy."""
    table, expected = bench.table("dose/smaa_input.csv"), bench.json("dose/smaa_expected.json")
    shape = (expected["n_iter"], expected["alternatives"], expected["criteria"])
    values = table[["c1", "c2", "c3", "c4"]].to_numpy().reshape(shape)
    weights = table[["w1", "w2", "w3", "w4"]].to_numpy().reshape(shape)[:, 0]
    result = dose.smaa(values, weights, aggregator="additive")
    for name in ("rank_acceptability", "central_weights", "confidence_factor"):
        tally.numbers(name, getattr(result, name), np.ravel(expected[name]), absolute=1e-9)
    tally.numbers("entropy", [result.ranking_entropy], [expected["entropy"]], absolute=1e-9)


def _rules(case: pd.Series, config: dict[str, Any]) -> ScoreRules:
    weights = dict(part.split("=") for part in case["weights"].split(";"))
    criteria = tuple(
        Criterion(
            name=name,
            kind="log-exposure" if name == "log_auc" else "binary",
            weight=float(weights[name]),
            desirability=Desirability(
                **{key: value for key, value in config["criteria"][name].items() if key != "weight"}
            ),
        )
        for name in CRITERIA
    )
    return ScoreRules(criteria=criteria, gates=Gates(**config["gates"]), prior=tuple(config["beta_prior"]),
                      plateau=config["plateau_delta_relative"])  # fmt: skip


def _score_cases(bench: Bench) -> pd.DataFrame:
    return bench.table("dose/rp2d_cases.csv", dtype=str, keep_default_na=False).set_index("case_id")


def score_of(bench: Bench, case_id: str, rng: int = 20) -> Any:
    """The integrated score of one case of the reference."""
    case = _score_cases(bench).loc[case_id]
    counted = {
        "dlt": (case["n_dlt"], case["dlt"]),
        "orr": (case["n_resp"], case["resp"]),
        "persist": (case["n_dlt"], case["persist"]),
        "cd7": (case["n_dlt"], case["cd7_depleted"]),
    }
    counts = pd.concat(
        pd.DataFrame({"criterion": name, "n": numbers(n), "n_event": numbers(events)}).assign(
            dose_level=lambda rows: np.arange(1, len(rows) + 1)
        )
        for name, (n, events) in counted.items()
    )
    exposures = bench.table("dose/rp2d_auc.csv").rename(
        columns={"subject": "subject_id", "auc0_28d_copies_day_per_ug": "value"}
    )
    areas = exposures[exposures["case_id"] == case_id].assign(criterion="log_auc")
    return dose.score(counts, areas, rules=_rules(case, bench.json("dose/rp2d_config.json")), rng=rng)


@check("recommended_dose.integrated_score")
def integrated_score(bench: Bench, tally: Tally) -> None:
    """Gates, scores, recommendation; expected scores by quadrature, the best level by draws."""
    table = _score_cases(bench)
    rules = _rules(table.iloc[0], bench.json("dose/rp2d_config.json"))
    example = ScoreRules.example().model_dump(exclude={"placeholder"})
    tally.claim("the example rules", example == rules.model_dump(exclude={"placeholder"}))
    for case_id, case in table.iloc[SCORE_CASES].iterrows():
        found = score_of(bench, str(case_id))
        for ours, theirs in COLUMNS.items():
            tally.numbers(
                f"{case_id} {ours}", found.summary[ours].astype(float), numbers(case[theirs]), absolute=1e-9
            )
        tally.numbers(
            f"{case_id} best, by draws",
            found.summary["prob_best"],
            numbers(case["prob_best"]),
            absolute=0.005,
        )
        tally.words(f"{case_id} level", [found.best_level or 0, found.recommended_level or 0],
                    [int(case["best_dose"]), int(case["recommended_dose_plateau"])])  # fmt: skip


@check("recommended_dose.cell_dose")
def cell_dose(bench: Bench, tally: Tally) -> None:
    """Cells given, per kg, deviation from plan by exact rational arithmetic; flags at 10 and 20 %."""
    bags = bench.table("dose/cell_dose_bags.csv").rename(columns={"case_id": "subject_id", "bag": "bag_no"})
    bags = bags.drop(columns=["viable_cells", "car_pos_viable_cells"])
    expected = bench.table("dose/cell_dose_subjects.csv")
    names = {
        "viable_1e6": ("total_viable_cells", 1e6),
        "viable_car_pos_1e6": ("total_car_cells", 1e6),
        "dose_1e6_kg": ("car_cells_per_kg_actual_weight", 1e6),
        "planned_1e6": ("planned_total_car_cells", 1e6),
        "deviation_percent": ("deviation_pct", 1),
    }
    for limit, flag in ((20.0, "within_20pct"), (10.0, "within_10pct")):
        for cap, part in expected.groupby("weight_cap_kg", dropna=False):
            people = pd.DataFrame(
                {
                    "subject_id": part["case_id"],
                    "weight_kg": part["weight_kg"],
                    "planned_dose_1e6_kg": part["planned_car_per_kg"] / 1e6,
                    "planned_1e6": part["planned_flat_car"] / 1e6,
                }
            )
            rules = CellDoseRules(limit_percent=limit, weight_cap_kg=_optional(cap))
            mine = bags[bags["subject_id"].isin(part["case_id"])]
            found = dose.cell_dose(mine, subjects=people, rules=rules).subjects.set_index("subject_id")
            wanted, at = part.set_index("case_id").loc[found.index], list(found.index)
            for ours, (theirs, unit) in names.items():
                tally.numbers(ours, found[ours], wanted[theirs] / unit, relative=1e-12, absolute=1e-12, at=at)
            tally.words(flag, found["within_limits"], wanted[flag], at=at)
            tally.words("bags", found["n_bags"], wanted["n_bags"], at=at)
