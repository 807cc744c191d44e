"""Dose room: cell dose, evidence, score and recommendation."""

import math
import re
from functools import cache
from types import SimpleNamespace as Result

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from cart7 import dose, results
from cart7.dose import CellDoseRules, Criterion, Desirability, Gates, ScoreRules
from cart7.errors import DataError
from cart7.examples import STUDY_FOLDER
from cart7.records import ProductBag, Subject
from cart7.report import figures
from cart7.rp2d.verdict import LevelNumbers, judge_levels

# ------------------------------------------------------------------------------- cell dose

BAG = {"subject_id": "1", "infusion_no": 1, "bag_no": 1, "volume_ml": 12.0, "fraction_infused": 1.0,
       "conc_cells_per_ml": 1e7, "conc_basis": "viable", "viability_pct": 90.0, "car_pos_pct": 50.0,
       "car_denominator": "viable cells", "cd3_pct": 80.0, "weight_kg": 50.0}  # fmt: skip
PLAN = pd.DataFrame({"subject_id": ["1"], "planned_dose_1e6_kg": [1.0], "dose_level": [1]})


def bags(*changes):
    return pd.DataFrame([{**BAG, "bag_no": k, **change} for k, change in enumerate(changes, start=1)])


def infusion(products, subjects=PLAN, **rules):
    return dose.cell_dose(products, subjects=subjects, rules=CellDoseRules(**rules)).subjects.iloc[0]


def test_exactly_the_limit_is_within_limits_and_a_hundredth_more_is_not():
    assert infusion(bags({}))[["deviation_percent", "within_limits"]].tolist() == [20.0, 1.0]
    assert infusion(bags({"volume_ml": 12.001}))[["deviation_percent", "within_limits"]].tolist() == [
        20.01,
        0.0,
    ]
    assert infusion(bags({"volume_ml": 8.0}))["within_limits"] == 1.0


def test_limits_hold_where_floats_would_err():
    # 0.1 + 0.2 in three bags against a plan of 0.3: equal in decimals, not in binary.
    parts = bags({"viable_car_pos_cells_1e6": 0.1}, {"viable_car_pos_cells_1e6": 0.2})
    plan = pd.DataFrame({"subject_id": ["1"], "planned_1e6": [0.3]})
    row = infusion(parts, plan, limit_percent=0.0)
    assert (row["deviation_percent"], row["within_limits"]) == (0.0, 1.0)


def test_viability_counts_only_for_a_total_concentration():
    assert infusion(bags({}))["viable_1e6"] == 120.0
    assert infusion(bags({"conc_basis": "total"}))["viable_1e6"] == 108.0


def test_car_of_cd3_is_multiplied_by_cd3():
    row = infusion(bags({"car_denominator": "viable CD3+"}))
    assert row[["viable_1e6", "viable_car_pos_1e6"]].tolist() == [120.0, 48.0]


def test_a_bag_that_was_not_infused_is_listed_but_does_not_count():
    empty = {"fraction_infused": 0.0, "conc_basis": None, "car_pos_pct": None}
    row = infusion(bags({}, empty, {"fraction_infused": 0.5}))
    assert row[["n_bags", "volume_ml", "viable_car_pos_1e6"]].tolist() == [3, 18.0, 90.0]
    assert row["note"] == ""


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"conc_basis": None}, "conc_basis"),
        ({"car_denominator": None}, "car_denominator"),
        ({"conc_basis": "total", "viability_pct": None}, "viability_pct"),
        ({"car_denominator": "viable CD3+", "cd3_pct": None}, "cd3_pct"),
        ({"volume_ml": None}, "volume_ml"),
        ({"fraction_infused": None}, "fraction_infused"),
    ],
)
def test_a_missing_field_that_matters_makes_the_dose_missing_with_a_note(change, missing):
    row = infusion(bags({}, change))
    assert row[["viable_car_pos_1e6", "dose_1e6_kg", "deviation_percent", "within_limits"]].isna().all()
    assert f"{missing} missing" in row["note"]


def test_a_missing_field_that_does_not_matter_changes_nothing():
    row = infusion(bags({"viability_pct": None, "cd3_pct": None}))
    assert (row["dose_1e6_kg"], row["note"]) == (1.2, "")


def test_cells_per_bag_are_taken_as_they_stand_and_times_the_fraction_infused():
    whole = pd.DataFrame({"subject_id": ["1", "1"], "viable_car_pos_cells_1e6": [30.0, 20.0],
                          "total_viable_cells_1e6": [60.0, 40.0], "volume_ml": [10.0, 10.0], "weight_kg": 50.0})  # fmt: skip
    assert infusion(whole)[["viable_1e6", "viable_car_pos_1e6", "dose_1e6_kg"]].tolist() == [100.0, 50.0, 1.0]
    half = infusion(whole.assign(fraction_infused=[1.0, 0.5]))
    assert half[["volume_ml", "viable_car_pos_1e6"]].tolist() == [15.0, 40.0]


def test_both_forms_may_stand_in_one_table():
    mixed = bags({}, {"viable_car_pos_cells_1e6": 5.0, "conc_cells_per_ml": None, "fraction_infused": None})
    row = infusion(mixed)
    assert row["viable_car_pos_1e6"] == 65.0
    assert row["note"] == "viable cells not stated"


def test_the_weight_cap_limits_the_plan_and_not_the_dose_per_kg():
    row = infusion(bags({"weight_kg": 120.0}), weight_cap_kg=100.0)
    assert row[["planned_1e6", "dose_1e6_kg", "deviation_percent"]].tolist() == [100.0, 0.5, -40.0]


def test_a_flat_plan_is_compared_with_the_total():
    row = infusion(bags({}), pd.DataFrame({"subject_id": ["1"], "planned_1e6": [100.0]}))
    assert row[["planned_1e6", "deviation_percent"]].tolist() == [100.0, -40.0]
    assert math.isnan(row["planned_dose_1e6_kg"])
    assert row["note"] == "planned as a flat dose"


def test_a_plan_per_kg_goes_before_a_flat_one_that_differs():
    row = infusion(bags({}), PLAN.assign(planned_1e6=60.0))
    assert (row["planned_1e6"], row["note"]) == (50.0, "planned_1e6 not used: planned per kg")


def test_the_weight_comes_from_the_bags_and_else_from_subjects():
    people = PLAN.assign(weight_kg=60.0)
    assert infusion(bags({}), people)["weight_kg"] == 50.0
    assert infusion(bags({"weight_kg": None}), people)["weight_kg"] == 60.0
    nobody = infusion(bags({"weight_kg": None}))
    assert math.isnan(nobody["dose_1e6_kg"])
    assert math.isnan(nobody["planned_1e6"])
    assert nobody["note"] == "weight missing"
    assert nobody["viable_car_pos_1e6"] == 60.0


def test_bags_that_disagree_on_the_weight_give_no_dose_per_kg():
    row = infusion(bags({}, {"weight_kg": 51.0}))
    assert math.isnan(row["dose_1e6_kg"])
    assert row["note"] == "bags state different weights"


def test_a_plan_of_0_has_no_deviation():
    row = infusion(bags({}), PLAN.assign(planned_dose_1e6_kg=0.0))
    assert math.isnan(row["deviation_percent"])
    assert row["note"] == "planned dose is 0"


def test_without_subjects_there_is_a_dose_and_no_plan():
    row = infusion(bags({}), None)
    assert (row["dose_1e6_kg"], row["note"]) == (1.2, "no planned dose")
    assert math.isnan(row["within_limits"])


def test_a_listing_that_lacks_a_bag_is_noted():
    assert infusion(bags({"n_bags": 2}))["note"] == "1 bags listed, n_bags says 2"


def test_every_problem_of_the_bags_is_named_at_once():
    wrong = bags(
        {"conc_basis": "viabel", "car_pos_pct": 135}, {"bag_no": 1, "weight_kg": 0, "infusion_no": None}
    )
    with pytest.raises(DataError) as error:
        dose.cell_dose(wrong)
    found = {(problem.column, problem.row) for problem in error.value.problems}
    assert found == {("conc_basis", 1), ("car_pos_pct", 1), ("weight_kg", 2), ("infusion_no", 2)}


def test_a_bag_listed_twice_is_refused():
    with pytest.raises(DataError, match="this bag of the infusion is listed twice"):
        dose.cell_dose(bags({}, {"bag_no": 1}))


def test_a_column_that_says_how_to_count_must_be_there():
    with pytest.raises(DataError, match="column car_denominator: this column is needed"):
        dose.cell_dose(bags({}).drop(columns="car_denominator"))


def test_strangers_and_infused_subjects_without_bags_are_listed():
    people = pd.DataFrame({"subject_id": ["2", "3"], "infused": ["Y", "N"]})
    result = dose.cell_dose(bags({}), subjects=people)
    assert result.subjects.empty
    assert result.excluded["reason"].tolist() == ["not in subjects", "infused, but no bag in products"]
    assert result.excluded["subject_id"].tolist() == ["1", "2"]


def test_infusions_are_kept_apart_and_rows_may_come_in_any_order():
    table = bags({}, {"infusion_no": 2, "bag_no": 1}, {"bag_no": 2})
    forward, backward = (dose.cell_dose(part, subjects=PLAN) for part in (table, table.iloc[::-1]))
    pd.testing.assert_frame_equal(forward.subjects, backward.subjects)
    assert forward.subjects[["infusion_no", "n_bags"]].to_numpy().tolist() == [[1, 2], [2, 1]]


def test_the_summary_keeps_a_dose_level_that_nobody_reached():
    people = PLAN.assign(dose_level=pd.Categorical([1], categories=[1, 2]))
    summary = dose.cell_dose(bags({}), subjects=people).summary
    assert summary["group"].tolist() == ["1", "2", "ALL"]
    assert summary["n"].tolist() == [1, 0, 1]
    assert summary.loc[1, "note"] == "no infusion with a known dose"


def test_records_give_the_same_dose_as_a_frame():
    records = [ProductBag(**{**BAG, "n_bags": 1})]
    people = [Subject(subject_id="1", planned_dose_1e6_kg=1.0)]
    assert dose.cell_dose(records, subjects=people).subjects["dose_1e6_kg"].tolist() == [1.2]


def test_an_empty_table_gives_an_empty_result():
    result = dose.cell_dose(bags({}).iloc[:0], subjects=PLAN)
    assert result.subjects.empty
    assert results.check(result.to_frame()) == []


def test_the_input_is_not_changed():
    table, people = bags({}, {}), PLAN.copy()
    before = table.copy(), people.copy()
    dose.cell_dose(table, subjects=people)
    pd.testing.assert_frame_equal(table, before[0])
    pd.testing.assert_frame_equal(people, before[1])


def test_the_example_study_is_within_limits_and_its_long_form_keeps_the_shape():
    products, subjects = (pd.read_csv(STUDY_FOLDER / f"{name}.csv") for name in ("products", "subjects"))
    result = dose.cell_dose(products, subjects=subjects)
    assert (result.subjects["within_limits"] == 1).all()
    second = result.subjects.query("subject_id == 'CD7-006' and infusion_no == 2").iloc[0]
    assert second[["dose_1e6_kg", "deviation_percent"]].tolist() == [0.9, -10.0]
    long = result.to_frame()
    assert results.check(long) == []
    assert set(long["param"]) == {"CELLDOSE:1", "CELLDOSE:2"}


def test_bags_needed_is_the_inverse_of_the_cell_dose():
    bag = {"volume_ml": 20, "conc_cells_per_ml": 1e7, "conc_basis": "total", "viability_pct": 90,
           "car_pos_pct": 40, "car_denominator": "viable CD3+", "cd3_pct": 96.5}  # fmt: skip
    need = dose.bags_needed(2.0, 70, bag)
    given = need.volume_ml / (20 * need.n_bags)
    row = infusion(bags(*[{**bag, "fraction_infused": given, "weight_kg": 70.0}] * need.n_bags))
    assert row["dose_1e6_kg"] == pytest.approx(2.0, rel=1e-12)


def test_a_dose_that_fills_its_bags_exactly_needs_no_further_bag():
    bag = {"volume_ml": 10, "viable_car_pos_cells_1e6": 0.1}
    assert dose.bags_needed(0.3, 1, bag).n_bags == 3
    assert dose.bags_needed(0.3001, 1, bag).n_bags == 4
    assert dose.bags_needed(0, 1, bag).n_bags == 0


@pytest.mark.parametrize(
    ("planned", "weight", "bag", "message"),
    [
        (-1, 70, {}, "planned_dose_1e6_kg must be"),
        (1, 0, {}, "weight_kg must be"),
        (1, 70, {"volume_ml": 10, "viable_car_pos_cells_1e6": 0}, "must hold viable CAR"),
        (1, 70, {"viable_car_pos_cells_1e6": 10}, "volume_ml must be above 0"),
        (1, 70, {**BAG, "car_denominator": None}, "car_denominator"),
    ],
)
def test_an_impossible_bag_is_refused(planned, weight, bag, message):
    with pytest.raises((ValueError, DataError), match=message):
        dose.bags_needed(planned, weight, bag)


# ------------------------------------------------------------------------------------ rules


def test_there_are_no_default_criteria():
    with pytest.raises(ValidationError, match="criteria"):
        ScoreRules()


def criterion(name="dlt", kind="min", low=0.1, high=0.4, weight=1.0, what="binary"):
    shape = Desirability(kind=kind, low=low, high=high)
    return Criterion(name=name, kind=what, desirability=shape, weight=weight)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"criteria": ()}, "at least 1"),
        ({"criteria": (criterion(), criterion())}, "different names, got dlt, dlt"),
        ({"criteria": (criterion(weight=0.0),)}, "a weight above 0"),
        ({"criteria": (criterion(),), "plateau": 1.0}, "plateau"),
        ({"criteria": (criterion(),), "prior": (0.0, 1.0)}, "prior must be two finite numbers above 0"),
        ({"criteria": (criterion(),), "n_draws": 1000}, "n_draws"),
        ({"criteria": (criterion(),), "plateua": 0.1}, "plateua"),
    ],
)
def test_impossible_rules_are_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        ScoreRules(**fields)


@pytest.mark.parametrize(
    "fields", [{"kind": "min", "low": 1, "high": 0}, {"kind": "target", "low": 0, "high": 1}]
)
def test_an_impossible_desirability_is_refused(fields):
    with pytest.raises(ValidationError):
        Desirability(**fields)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValidationError, match="weight"):
        criterion(weight=-0.1)


# ------------------------------------------------------------------------------------ score

NAMES = ("dlt", "orr", "persist", "cd7")
AREAS = {1: [7e4, 9e4, 1e5], 2: [8e4, 1.5e5, 1.1e5], 3: [2.2e5, 3e5, 4.4e5]}


def counts(n=(3, 3, 3), **events):
    found = {"dlt": [0, 0, 1], "orr": [1, 2, 3], "persist": [2, 3, 3], "cd7": [3, 3, 3]} | events
    return pd.DataFrame(
        [(name, level, size, event) for name in NAMES for level, (size, event) in
         enumerate(zip(n, found[name], strict=True), start=1)],
        columns=["criterion", "dose_level", "n", "n_event"],
    )  # fmt: skip


def exposures(areas=AREAS):
    return pd.DataFrame(
        [
            ("log_auc", level, f"{level}{k}", value)
            for level, part in areas.items()
            for k, value in enumerate(part)
        ],
        columns=["criterion", "dose_level", "subject_id", "value"],
    )


def rules(**weights):
    example = ScoreRules.example()
    kept = tuple(c.model_copy(update={"weight": weights.get(c.name, c.weight)}) for c in example.criteria)
    return example.model_copy(update={"criteria": kept, "n_draws": 40_000})


@cache
def usual():
    return dose.score(counts(), exposures(), rules=rules(), rng=1)


def scored(table=None, areas=None, **weights):
    if table is None and areas is None and not weights:
        return usual()
    table = counts() if table is None else table
    return dose.score(table, exposures() if areas is None else areas, rules=rules(**weights), rng=1)


def test_the_same_seed_gives_the_same_bits_and_row_order_does_not_matter():
    one, again = scored(), scored(counts(), exposures())
    pd.testing.assert_frame_equal(one.summary, again.summary, check_exact=True)
    again = scored(counts().iloc[::-1], exposures().iloc[::-1])
    pd.testing.assert_frame_equal(one.summary, again.summary, check_exact=True)
    pd.testing.assert_frame_equal(one.sensitivity, again.sensitivity)


def test_another_seed_moves_prob_best_and_leaves_the_scores():
    one, other = scored(), dose.score(counts(), exposures(), rules=rules(), rng=2)
    assert one.summary["expected_score"].equals(other.summary["expected_score"])
    assert not one.summary["prob_best"].equals(other.summary["prob_best"])


def test_a_generator_and_its_seed_agree():
    seeded = dose.score(counts(), exposures(), rules=rules(), rng=np.random.default_rng(1))
    pd.testing.assert_frame_equal(seeded.summary, scored().summary, check_exact=True)


def test_a_seed_is_required():
    with pytest.raises(TypeError):
        dose.score(counts(), exposures(), rules=rules())
    with pytest.raises(ValueError, match="rng must be an int or a numpy Generator"):
        dose.score(counts(), exposures(), rules=rules(), rng=None)


def test_prob_best_sums_to_1_within_the_gates_and_its_error_is_small():
    summary = scored().summary
    assert summary["prob_best"].sum() == pytest.approx(1.0, abs=1e-12)
    assert (summary["prob_best_mcse"] <= 0.0025).all()
    assert (summary["ci_low"] <= summary["expected_score"]).all()
    assert (summary["expected_score"] <= summary["ci_high"]).all()


def test_a_flat_efficacy_takes_the_lowest_level_by_the_plateau_rule():
    areas = exposures({level: [6e4, 9e4, 1.4e5] for level in (1, 2, 3)} | {3: [7e4, 1e5, 1.5e5]})
    same = [3, 3, 3]
    result = scored(counts(dlt=[0, 0, 0], orr=same, persist=same, cd7=same), areas)
    assert (result.best_level, result.recommended_level) == (3, 1)
    assert "within 10 %" in result.explain()


def test_a_toxic_level_blocks_itself_and_all_above():
    result = scored(counts(dlt=[0, 3, 0]))
    assert result.summary["admissible"].tolist() == [True, False, False]
    assert result.summary.loc[1, "reason"] == "too toxic: P(dlt rate > 0.3) = 0.992 > 0.95"
    assert result.summary.loc[2, "reason"] == "above level 2, which is too toxic"
    assert result.summary.loc[1:, "prob_best"].isna().all()
    assert result.summary["expected_score"].notna().all()
    assert result.recommended_level == 1


def test_a_futile_level_is_blocked():
    result = scored(counts(n=(10, 3, 3), orr=[0, 2, 3]))
    assert result.summary["admissible"].tolist() == [False, True, True]
    assert result.summary.loc[0, "reason"].startswith("futile: P(orr rate < 0.2) = 0.914")


def test_all_levels_toxic_recommends_none():
    result = scored(counts(dlt=[3, 3, 3]))
    assert (result.best_level, result.recommended_level, result.status) == (None, None, "no admissible level")
    assert result.smaa is None
    assert result.ranks.empty
    assert not result.robust
    assert "No dose level is recommended: no admissible level." in result.explain()
    assert results.check(result.to_frame()) == []


def test_one_subject_per_level_has_no_variance_and_no_score():
    alone = counts(n=(1, 1, 1), dlt=[0, 0, 0], orr=[0, 1, 1], persist=[1, 1, 1], cd7=[1, 1, 1])
    result = scored(alone, exposures({level: part[:1] for level, part in AREAS.items()}))
    assert result.status == "variance not estimable"
    assert result.summary["admissible"].all()
    assert result.summary["expected_score"].isna().all()
    assert (result.summary["reason"] == "variance not estimable").all()


def test_without_the_exposure_the_same_subjects_can_be_scored():
    alone = counts(n=(1, 1, 1), dlt=[0, 0, 0], orr=[0, 1, 1], persist=[1, 1, 1], cd7=[1, 1, 1])
    result = dose.score(alone, rules=rules(log_auc=0.0), rng=1)
    assert result.status == "recommended"
    assert result.summary["d_log_auc"].isna().all()
    assert results.check(result.to_frame()) == []


def test_an_untested_level_is_never_ranked():
    areas = exposures({1: AREAS[1], 2: AREAS[2]})
    result = scored(
        counts(n=(3, 3, 0), dlt=[0, 0, 0], orr=[1, 2, 0], persist=[2, 3, 0], cd7=[3, 3, 0]), areas
    )
    last = result.summary.iloc[2]
    assert (last["admissible"], last["reason"]) == (False, "not tested: nobody evaluable for dlt")
    assert last[["prob_dlt_exceeds", "expected_score", "prob_best", "d_dlt"]].isna().all()
    assert result.summary["prob_best"].sum() == pytest.approx(1.0)


def test_a_criterion_that_was_not_observed_at_a_level_is_not_imputed():
    table = counts()
    table.loc[(table["criterion"] == "cd7") & (table["dose_level"] == 3), ["n", "n_event"]] = 0
    result = scored(table)
    assert result.summary.loc[2, "reason"] == "cd7 not observed"
    assert math.isnan(result.summary.loc[2, "expected_score"])
    without = result.sensitivity.set_index(["kind", "variant"]).loc[("leave-one-out", "cd7"), "best_level"]
    assert without in (1, 2, 3)


def test_nobody_evaluable_anywhere_gives_a_status():
    nobody = counts(n=(0, 0, 0), **{name: [0, 0, 0] for name in NAMES})
    result = scored(nobody, exposures().iloc[:0])
    assert result.status == "no level tested"
    assert results.check(result.to_frame()) == []


def test_a_score_of_0_everywhere_recommends_none():
    hopeless = ScoreRules(criteria=(criterion(kind="max", low=1.5, high=2.0),), n_draws=40_000)
    result = dose.score(counts(), rules=hopeless, rng=1)
    assert (result.recommended_level, result.status) == (None, "every score is 0")


def test_leaving_a_criterion_out_is_scoring_without_it():
    table = scored().sensitivity
    for name in ("dlt", "orr", "log_auc", "persist", "cd7"):
        without = scored(**{name: 0.0})
        row = table[(table["kind"] == "leave-one-out") & (table["variant"] == name)].iloc[0]
        assert (row["best_level"], row["recommended_level"]) == (
            without.best_level,
            without.recommended_level,
        )


def test_sensitivity_holds_every_kind_of_departure():
    kinds = {"weight", "leave-one-out", "aggregator", "prior", "delta", "gates", "smaa"}
    assert set(scored().sensitivity["kind"]) == kinds


def test_the_other_prior_and_plateau_are_those_of_the_rules():
    base = rules()
    table = scored().sensitivity.set_index(["kind", "variant"])
    jeffreys = dose.score(counts(), exposures(), rules=base.model_copy(update={"prior": (0.5, 0.5)}), rng=1)
    assert table.loc[("prior", "Beta(0.5, 0.5)"), "recommended_level"] == jeffreys.recommended_level
    wide = dose.score(counts(), exposures(), rules=base.model_copy(update={"plateau": 0.2}), rng=1)
    assert table.loc[("delta", "0.20"), "recommended_level"] == wide.recommended_level


def test_gates_may_name_criteria_that_are_not_scored():
    only = ScoreRules(criteria=(criterion("cd7", "max", 0.3, 0.95),), n_draws=40_000)
    result = dose.score(counts(dlt=[0, 3, 0]), rules=only, rng=1)
    assert result.summary["admissible"].tolist() == [True, False, False]


def test_the_weight_sweep_covers_0_to_1_without_gaps():
    sweep = scored().weight_sweep
    for _, part in sweep.groupby("criterion"):
        assert part["weight_low"].iloc[0] == 0.0
        assert part["weight_high"].iloc[-1] == 1.0
        assert np.allclose(part["weight_low"].iloc[1:], part["weight_high"].iloc[:-1] + 0.01)
    at_0 = sweep[(sweep["criterion"] == "dlt") & (sweep["weight_low"] == 0.0)].iloc[0]
    assert at_0["best_level"] == scored(dlt=0.0).best_level


def test_robust_means_that_no_variant_flips():
    clear = scored(counts(n=(9, 9, 9), dlt=[0, 0, 9], orr=[0, 9, 9], persist=[0, 9, 9], cd7=[0, 9, 9]))
    assert clear.robust
    assert "Robust: the same level is recommended in all" in clear.explain()
    close = scored()
    assert not close.robust
    assert close.flips[0] in close.explain()


def test_the_explanation_says_what_the_gates_can_detect():
    text = scored(counts(n=(3, 6, 10), dlt=[0, 0, 1], orr=[1, 2, 3], persist=[2, 3, 3])).explain()
    assert "(dlt) at n = 3: closes from 3 of 3 (P = 0.992; 2 of 3 gives 0.916 and passes)" in text
    assert "(dlt) at n = 6: closes from 4 of 6" in text
    assert "(orr) at n = 3: cannot close (0 of 3 gives P = 0.590" in text
    assert "not before n = 10" in text
    assert "(orr) at n = 10: closes up to 0 of 10 (P = 0.914)" in text


def test_the_explanation_says_how_far_each_weight_must_move():
    """The weight told is where the sweep changes the recommendation, and no weight nearer does."""
    few = counts(n=(3, 3, 3), dlt=[0, 1, 1], orr=[1, 3, 3], persist=[2, 3, 3], cd7=[1, 2, 2])
    result = scored(few)
    told = dict(re.findall(r"^  (\w+), weight \d\.\d\d: (.*)\.$", result.explain(), flags=re.M))
    assert told
    total = sum(criterion.weight for criterion in result.rules.criteria)
    for criterion in result.rules.criteria:
        moves = re.findall(r"(down|up) to (\d\.\d\d) (none|level (\d+))", told.get(criterion.name, ""))
        part = result.weight_sweep[result.weight_sweep["criterion"] == criterion.name]
        for way in ("down", "up"):
            own = criterion.weight / total
            edges = [
                row.weight_high if way == "down" else row.weight_low
                for row in part.itertuples()
                if row.recommended_level != result.recommended_level
                and (row.weight_high < own if way == "down" else row.weight_low > own)
            ]
            nearest = [] if not edges else [max(edges) if way == "down" else min(edges)]
            assert [float(found[1]) for found in moves if found[0] == way] == pytest.approx(nearest)


def test_a_recommendation_that_no_weight_changes_says_so():
    clear = scored(counts(n=(9, 9, 9), dlt=[0, 0, 9], orr=[0, 9, 9], persist=[0, 9, 9], cd7=[0, 9, 9]))
    assert "no weight from 0 to 1 changes it" in clear.explain()


def test_the_explanation_says_which_levels_are_left_open():
    text = scored().explain()
    assert re.search(
        r"How sure: level \d has the highest score in \d+ % of the draws; levels? .* cannot be ruled out",
        text,
    )
    clear = scored(
        counts(n=(30, 30, 30), dlt=[0, 0, 30], orr=[0, 30, 30], persist=[0, 30, 30], cd7=[0, 30, 30])
    )
    assert "no other level has it in 5 % or more" in clear.explain()


def test_placeholder_weights_are_announced_everywhere():
    example = scored()
    assert "placeholders" in example.explain()
    assert "placeholders" in str(example)
    assert "placeholders" in example._repr_html_()
    assert example.to_frame()["method"].str.contains("placeholders").any()
    own = ScoreRules(criteria=ScoreRules.example().criteria, n_draws=40_000)
    quiet = dose.score(counts(), exposures(), rules=own, rng=1)
    assert "placeholders" not in quiet.explain() + quiet._repr_html_()


def test_levels_keep_their_kind():
    half = counts().assign(dose_level=lambda table: table["dose_level"] / 2)
    areas = exposures().assign(dose_level=lambda table: table["dose_level"] / 2)
    assert scored(half, areas).recommended_level == 1
    words = counts().assign(dose_level=lambda table: "DL" + table["dose_level"].astype(str))
    areas = exposures().assign(dose_level=lambda table: "DL" + table["dose_level"].astype(str))
    result = scored(words, areas)
    assert result.recommended_level == "DL2"
    assert results.check(result.to_frame()) == []


def test_every_impossible_count_is_named():
    wrong = counts()
    wrong["n_event"] = wrong["n_event"].astype(float)
    wrong.loc[0, "n_event"] = 4
    wrong.loc[1, "n"] = -1
    wrong.loc[2, "n_event"] = 0.5
    wrong = pd.concat([wrong, wrong.iloc[[5]]])
    with pytest.raises(DataError) as error:
        scored(wrong)
    assert [problem.row for problem in error.value.problems] == [2, 3, 1, 13]


def test_an_exposure_of_0_or_missing_is_left_out_and_named():
    odd = pd.concat([exposures(), pd.DataFrame({"criterion": "log_auc", "dose_level": [1, 2],
                                                "subject_id": ["x", "y"], "value": [0.0, math.nan]})])  # fmt: skip
    result = scored(areas=odd)
    assert result.excluded["subject_id"].tolist() == ["x", "y"]
    pd.testing.assert_frame_equal(result.summary, scored().summary, check_exact=True)


def test_a_negative_or_repeated_exposure_is_refused():
    with pytest.raises(DataError, match="not negative"):
        scored(areas=exposures().assign(value=-1.0))
    with pytest.raises(DataError, match="one value per criterion and level"):
        scored(areas=pd.concat([exposures(), exposures().iloc[:1]]))


def test_a_criterion_that_no_table_knows_is_refused():
    with pytest.raises(
        ValueError, match="counts must have rows of criterion 'cd7'; it has dlt, orr, persist"
    ):
        scored(counts().query("criterion != 'cd7'"))
    with pytest.raises(ValueError, match="exposures must be given: log_auc"):
        dose.score(counts(), rules=rules(), rng=1)
    with pytest.raises(ValueError, match="exposures must have rows of criterion 'log_auc'; it has auc"):
        scored(areas=exposures().assign(criterion="auc"))
    with pytest.raises(ValueError, match=r"counts must have the columns .*; it lacks n_event"):
        scored(counts().drop(columns="n_event"))


def test_the_long_form_has_scores_and_the_recommended_level():
    long = scored().to_frame()
    assert results.check(long) == []
    assert set(long["analysis"]) == {"dose.score"}
    by_level = long[(long["param"] == "RP2D") & (long["stat"] == "expected_score")]
    assert by_level["group"].tolist() == ["1", "2", "3"]
    chosen = long[long["stat"] == "recommended_level"]
    assert chosen[["group", "value"]].to_numpy().tolist() == [["ALL", 2.0]]
    none = scored(counts(dlt=[3, 3, 3])).to_frame()
    assert none.loc[none["stat"] == "recommended_level", "note"].tolist() == ["no admissible level"]


def test_trials_judged_together_are_judged_as_each_alone():
    events = np.random.default_rng(5).integers(0, 4, size=(800, 3))
    areas = np.random.default_rng(6).normal(11.5, 0.6, size=(800, 3, 3))
    three = np.full((800, 3), 3.0)
    squares = ((areas - areas.mean(axis=2, keepdims=True)) ** 2).sum(axis=2)
    rates = dict.fromkeys(NAMES, (events, three))
    together = judge_levels(
        LevelNumbers(rates=rates, logs={"log_auc": (three, areas.mean(axis=2), squares)}), rules()
    )
    for trial in (0, 399, 799):
        table = counts(**dict.fromkeys(NAMES, events[trial]))
        alone = scored(table, exposures({level: np.exp(areas[trial, level - 1]) for level in (1, 2, 3)}))
        np.testing.assert_allclose(together.scores[trial], alone.summary["expected_score"], rtol=1e-12)
        chosen = together.recommended[trial]
        assert alone.recommended_level == (None if chosen < 0 else chosen + 1)


def test_the_figure_is_drawn_from_the_result():
    import matplotlib

    matplotlib.use("Agg")
    assert scored().plot().get_ylabel()


# ------------------------------------------------------------------- evidence and recommend

PEOPLE = pd.DataFrame(
    {"subject_id": list("abcdef"), "dose_level": [1.0, 1.0, 1.0, 2.0, 2.0, 2.0], "infused": "Y",
     "planned_dose_1e6_kg": [0.5] * 3 + [1.0] * 3}
)  # fmt: skip


def endpoint_results():
    ids = PEOPLE[["subject_id"]]
    visits = pd.concat([ids.assign(visit=visit, strategy=strategy, responder=responder)
                        for visit, strategy, responder in (
                            ("M3", "treatment-policy", [1, 0, 1, 1, 1, math.nan]),
                            ("M3", "failure", [0.0] * 6), ("M6", "treatment-policy", [1.0] * 6))])  # fmt: skip
    areas = pd.concat([
        ids.assign(infusion_no=1, assay="QPCR", auc_window=[1e5, 2e5, 0.0, 4e5, math.nan, 6e5]),
        ids.assign(infusion_no=1, assay="FLOW", auc_window=1.0),
        ids.assign(infusion_no=2, assay="QPCR", auc_window=1.0),
    ])  # fmt: skip
    sampled = pd.concat([
        ids.assign(assay="QPCR", visit="M3", quantifiable=[1, 0, 1, 1, 1, 1]).iloc[:5],
        ids.assign(assay="QPCR", visit="M6", quantifiable=0),
        ids.assign(assay="FLOW", visit="M3", quantifiable=0),
    ])  # fmt: skip
    percent = ids.assign(nadir=[0.1, 0.1, 60.0, 0.5, 0.5, math.nan],
                         first_day_below_5=[7.0, 7.0, math.nan, 7.0, 7.0, math.nan],
                         first_day_below_1=[10.0, 30.0, math.nan, 28.0, 28.5, math.nan])  # fmt: skip
    return {
        "dlt": Result(subjects=ids.assign(evaluable=[1, 1, 0, 1, 1, 1], dlt=[0, 1, 1, 0, 0, 0])),
        "response": Result(subjects=visits),
        "exposure": Result(subjects=areas),
        "persistence": Result(subjects=ids, at_visit=sampled),
        "depletion": {"CD7POS_ABS": Result(subjects=ids), "CD7POS_PCT": Result(subjects=percent)},
    }


def test_each_criterion_keeps_its_own_denominator():
    found, areas = dose.evidence(PEOPLE, **endpoint_results())
    table = found.set_index(["criterion", "dose_level"])
    assert table.loc[("dlt", 1)].tolist() == [2, 1]
    assert table.loc[("orr", 2)].tolist() == [2, 2]
    assert table.loc[("persist", 1)].tolist() == [3, 2]
    assert table.loc[("persist", 2)].tolist() == [2, 2]
    assert areas[["subject_id", "value"]].to_numpy().tolist() == [
        ["a", 1e5],
        ["b", 2e5],
        ["d", 4e5],
        ["f", 6e5],
    ]


def test_depletion_means_below_the_smallest_threshold_by_day_28():
    table = dose.evidence(PEOPLE, **endpoint_results()).counts.set_index(["criterion", "dose_level"])
    assert table.loc[("cd7", 1)].tolist() == [3, 1]
    assert table.loc[("cd7", 2)].tolist() == [2, 1]


def test_nothing_is_dropped_without_a_reason():
    excluded = dose.evidence(PEOPLE, **endpoint_results()).excluded
    assert sorted(excluded[["table", "subject_id", "reason"]].itertuples(index=False, name=None)) == [
        ("dlt", "c", "dlt: not evaluable for DLT"),
        ("kinetics", "c", "log_auc: auc_window is 0: nothing quantifiable, no logarithm"),
        ("kinetics", "e", "log_auc: auc_window missing"),
        ("kinetics", "f", "persist: no QPCR sample at M3"),
        ("pd", "f", "cd7: no CD7POS_PCT result after infusion"),
        ("responses", "f", "orr: no response status at M3"),
    ]


def test_the_visit_and_the_strategy_choose_the_response():
    other = dose.evidence(PEOPLE, **endpoint_results(), strategy="failure").counts
    assert other.query("criterion == 'orr'")["n_event"].tolist() == [0, 0]
    later = dose.evidence(PEOPLE, **endpoint_results(), visit="M6").counts
    assert later.query("criterion == 'orr'")["n_event"].tolist() == [3, 3]
    with pytest.raises(ValueError, match=r"visit must be one of M3, M6 \(of response\), got 'M9'"):
        dose.evidence(PEOPLE, **endpoint_results(), visit="M9")
    with pytest.raises(ValueError, match="strategy must be one of failure, treatment-policy"):
        dose.evidence(PEOPLE, **endpoint_results(), strategy="ignore")


def test_an_untested_level_has_a_row_with_n_0():
    people = PEOPLE.assign(dose_level=pd.Categorical([1, 1, 1, 2, 2, 2], categories=[1, 2, 3]))
    found = dose.evidence(people, **endpoint_results()).counts
    assert found.query("dose_level == 3")[["n", "n_event"]].to_numpy().tolist() == [[0, 0]] * 4
    assert found["dose_level"].dtype == "int64"


def test_a_result_that_is_not_there_counts_nobody():
    nothing = dict.fromkeys(("dlt", "response", "exposure", "persistence", "depletion"))
    found = dose.evidence(PEOPLE, **nothing)
    assert found.counts["n"].sum() == 0
    assert found.exposures.empty
    assert (found.subjects["note"] == "not collected").all()


def test_persistence_may_stand_in_subjects_and_results_need_not_name_the_assay():
    given = endpoint_results()
    given["persistence"] = Result(
        subjects=given["persistence"].at_visit.query("assay == 'QPCR'").drop(columns="assay")
    )
    areas = given["exposure"].subjects.query("assay == 'QPCR' and infusion_no == 1")
    given["exposure"] = Result(subjects=areas.drop(columns=["assay", "infusion_no"]))
    one, other = (dose.evidence(PEOPLE, **part) for part in (endpoint_results(), given))
    pd.testing.assert_frame_equal(one.counts, other.counts)
    pd.testing.assert_frame_equal(one.exposures, other.exposures)


def test_depletion_without_a_threshold_column_is_refused():
    with pytest.raises(ValueError, match="depletion must have columns first_day_below_<threshold>"):
        dose.evidence(PEOPLE, **endpoint_results() | {"depletion": Result(subjects=PEOPLE)})


def test_levels_must_be_a_column_of_subjects():
    with pytest.raises(ValueError, match=r"by must name a column of subjects .*, got 'cohort'"):
        dose.evidence(PEOPLE, **endpoint_results(), by="cohort")


def test_a_subject_without_a_level_is_listed():
    people = PEOPLE.assign(dose_level=[1, 1, None, 2, 2, 2])
    excluded = dose.evidence(people, **endpoint_results()).excluded
    assert ("responses", "c", "orr: no dose level") in set(
        excluded[["table", "subject_id", "reason"]].itertuples(index=False, name=None)
    )


def received(values):
    table = PEOPLE[["subject_id"]].assign(infusion_no=1, dose_1e6_kg=values, viable_car_pos_1e6=values)
    return Result(subjects=table)


def recommended(**changes):
    given = {"rules": rules(), "rng": 1} | endpoint_results() | changes
    people = given.pop("people", PEOPLE)
    return dose.recommend(people, **given)


def test_recommend_is_evidence_and_score():
    found = dose.evidence(PEOPLE, **endpoint_results())
    by_hand = dose.score(*found, rules=rules(), rng=1)
    result = recommended()
    pd.testing.assert_frame_equal(result.summary, by_hand.summary, check_exact=True)
    assert result.received is None
    assert result.population == "INFUSED"
    assert len(result.excluded) == 6


def test_the_dose_received_moves_subjects_to_the_nearest_planned_level():
    result = recommended(cell_dose=received([0.5, 0.74, 0.8, 1.0, 0.75, math.nan]))
    level = result.received.subjects.drop_duplicates("subject_id").set_index("subject_id")["dose_level"]
    assert level[list("abcde")].tolist() == [1, 1, 2, 2, 1]
    assert pd.isna(level["f"])
    assert "Nearest to another level, or unknown: c, e, f." in result.explain()


def test_half_way_between_two_levels_counts_as_the_lower_one_whatever_binary_makes_of_it():
    people = PEOPLE.assign(planned_dose_1e6_kg=[0.1] * 3 + [0.5] * 3)
    result = recommended(people=people, cell_dose=received([0.3] * 6))
    assert set(result.received.subjects["dose_level"]) == {1}


def test_a_flat_plan_is_matched_by_total_cells():
    people = PEOPLE.drop(columns="planned_dose_1e6_kg").assign(planned_1e6=[50.0] * 3 + [100.0] * 3)
    result = recommended(people=people, cell_dose=received([50, 90, 50, 100, 60, 100]))
    level = result.received.subjects.drop_duplicates("subject_id")["dose_level"]
    assert level.tolist() == [1, 2, 1, 2, 1, 2]


@pytest.mark.parametrize("column", [[], ["planned_1e6"]])
def test_without_planned_doses_only_the_assigned_level_is_judged(column):
    people = PEOPLE.drop(columns="planned_dose_1e6_kg").assign(**dict.fromkeys(column, math.nan))
    result = recommended(people=people, cell_dose=received([0.5] * 6))
    assert result.received is None
    assert "By the dose received: not judged" in result.explain()


def test_the_long_form_keeps_assigned_and_received_apart():
    long = recommended(cell_dose=received([0.5, 0.5, 0.5, 1.0, 1.0, 1.0])).to_frame()
    assert results.check(long) == []
    assert set(long["analysis"]) == {"dose.recommend"}
    for param in ("RP2D", "RP2D:received"):
        stats = set(long.loc[long["param"] == param, "stat"])
        assert {"expected_score", "prob_best", "recommended_level"} <= stats


def test_endpoint_results_are_not_changed():
    given = endpoint_results()
    before = given["exposure"].subjects.copy()
    dose.evidence(PEOPLE, **given)
    pd.testing.assert_frame_equal(given["exposure"].subjects, before)


def test_overall_desirability_is_a_weighted_geometric_mean():
    assert dose.overall_desirability([0.25, 1.0]) == 0.5
    assert dose.overall_desirability([[0.25, 1.0], [1.0, 1.0]], [1, 3]).tolist() == pytest.approx(
        [0.25**0.25, 1]
    )


def test_the_gates_of_the_contract_are_the_defaults():
    assert Gates().model_dump() == {"phi_t": 0.3, "c_t": 0.95, "phi_e": 0.2, "c_e": 0.9, "min_n": 3,
                                    "toxicity": "dlt", "response": "orr"}  # fmt: skip


def test_levels_stay_whole_numbers_when_a_subject_has_none():
    people = PEOPLE.assign(dose_level=[1, 1, None, 2, 2, 2])
    found = dose.evidence(people, **endpoint_results())
    assert (found.counts["dose_level"].dtype, found.exposures["dose_level"].dtype) == ("int64", "int64")
    result = recommended(people=people, cell_dose=received([0.5, 0.5, 1.0, 1.0, 1.0, math.nan]))
    assert result.recommended_level in (1, 2)
    level = result.received.subjects.drop_duplicates("subject_id")["dose_level"]
    assert level.tolist()[:5] == [1, 1, 2, 2, 2]
    assert pd.isna(level.tolist()[5])


def test_the_expected_loss_is_least_at_the_level_with_the_highest_mean_score():
    ranks = scored().ranks
    best = ranks.loc[ranks["expected_loss"].idxmin(), "dose_level"]
    assert best == scored().best_level
    assert np.allclose(ranks[["rank_1", "rank_2", "rank_3"]].sum(axis=1), 1.0)
    assert np.allclose(ranks["rank_1"], scored().summary["prob_best"])
    assert (ranks["expected_loss_mcse"] < 0.002).all()


def test_nobody_at_all_gives_a_status_and_no_error():
    result = recommended(people=PEOPLE.iloc[:0], cell_dose=received([0.5] * 6))
    assert (result.status, result.recommended_level) == ("no level tested", None)
    assert result.summary.empty
    assert results.check(result.to_frame()) == []
    assert "No dose level is recommended" in result.explain()


def test_subjects_without_dose_levels_are_refused_by_column():
    with pytest.raises(DataError, match="column dose_level: this column is needed"):
        dose.evidence(PEOPLE.drop(columns="dose_level"), **endpoint_results())


def test_the_weight_figure_shows_each_criterion_and_the_weight_in_force():
    result = scored()
    ax = figures.weight_sensitivity(result)
    assert [label.get_text() for label in ax.get_yticklabels()] == [c.name for c in result.rules.criteria]
    total = sum(criterion.weight for criterion in result.rules.criteria)
    drawn = [line.get_xdata()[0] for line in ax.get_lines()]
    assert drawn == pytest.approx([criterion.weight / total for criterion in result.rules.criteria])
    covered = {}
    for bar in ax.patches:
        place = round(bar.get_y() + bar.get_height() / 2)
        covered[place] = covered.get(place, 0.0) + bar.get_width()
    assert list(covered.values()) == pytest.approx([1.0] * len(covered))


@pytest.mark.parametrize("seed", range(4))
def test_names_and_order_of_subjects_change_no_recommendation(seed):
    rng = np.random.default_rng(seed)
    values = pd.DataFrame({"criterion": "log_auc", "dose_level": np.repeat([1, 2, 3], 3),
                           "subject_id": [f"s{k}" for k in range(9)], "value": np.exp(rng.normal(12, 1, 9))})  # fmt: skip
    table = counts(dlt=rng.integers(0, 3, 3).tolist())
    other = values.sample(frac=1, random_state=seed).assign(subject_id=[f"x{k}" for k in range(9)])
    one, two = (dose.score(table, frame, rules=ScoreRules.example(), rng=1) for frame in (values, other))
    np.testing.assert_allclose(one.summary["expected_score"], two.summary["expected_score"], rtol=1e-12)
    assert one.recommended_level == two.recommended_level
    row = one.summary[one.summary["dose_level"] == one.recommended_level]
    assert row["admissible"].all()
