"""Properties of the dose room."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.twins import dose as twins

from cart7 import dose
from cart7.dose import CellDoseRules, Criterion, Desirability, Gates, ScoreRules
from cart7.stats import desirability as kernel
from cart7.stats import ranking

MODEST = settings(max_examples=40, deadline=None)
FEW = settings(max_examples=12, deadline=None)

cents = st.integers(1, 9999).map(lambda k: k / 100)
percents = st.integers(0, 1000).map(lambda k: k / 10)
bags = st.fixed_dictionaries({
    "volume_ml": cents, "fraction_infused": st.sampled_from([0.0, 0.25, 0.66, 1.0]),
    "conc_cells_per_ml": st.integers(1, 20_000).map(lambda k: k * 1000.0),
    "conc_basis": st.sampled_from(["total", "viable"]), "viability_pct": percents, "car_pos_pct": percents,
    "car_denominator": st.sampled_from(["viable cells", "viable CD3+"]), "cd3_pct": percents,
})  # fmt: skip
levels = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4)


def shapes():
    return st.builds(
        lambda kind, low, width, scale: kernel.Shape(kind=kind, low=low, high=low + width, scale=scale),
        st.sampled_from(["min", "max"]), st.floats(-0.2, 0.8), st.floats(0.05, 0.8), st.floats(0.2, 3),
    )  # fmt: skip


@MODEST
@given(st.lists(bags, min_size=1, max_size=4), cents, cents, st.sampled_from([0.0, 10.0, 20.0]))
def test_the_dose_is_the_sum_of_the_bags_in_exact_fractions(listed, weight, planned, limit):
    products = pd.DataFrame(listed).assign(subject_id="1", weight_kg=weight)
    people = pd.DataFrame({"subject_id": ["1"], "planned_dose_1e6_kg": [planned]})
    row = dose.cell_dose(products, subjects=people, rules=CellDoseRules(limit_percent=limit)).subjects.iloc[0]
    car = sum(twins.bag_cells_by_walking(bag)[1] for bag in listed) / 10**6
    target = Fraction(str(planned)) * Fraction(str(weight))
    deviation = 100 * (car / target - 1)
    assert row["viable_car_pos_1e6"] == float(car)
    assert row["deviation_percent"] == float(deviation)
    assert row["within_limits"] == (abs(deviation) <= Fraction(str(limit)))


@MODEST
@given(bags, cents, cents)
def test_thawing_one_bag_less_would_not_do(bag, planned, weight):
    if twins.bag_cells_by_walking({**bag, "fraction_infused": 1})[1] == 0:
        return
    need = dose.bags_needed(planned, weight, bag)
    per_bag = twins.bag_cells_by_walking({**bag, "fraction_infused": 1})[1] / 10**6
    target = Fraction(str(planned)) * Fraction(str(weight))
    assert (need.n_bags - 1) * per_bag < target <= need.n_bags * per_bag


@MODEST
@given(shapes(), st.integers(0, 12), st.integers(0, 12), st.floats(0.02, 2))
def test_an_expected_desirability_lies_between_0_and_1_and_falls_with_the_power(shape, event, none, power):
    posterior = kernel.beta_posterior(event, event + none)
    one, more = kernel.expected_power(shape, posterior, [power, 1.5 * power])
    assert 0 <= more <= one + 1e-12 <= 1 + 1e-12


@MODEST
@given(shapes(), st.integers(0, 12), st.integers(0, 12), st.floats(0.05, 2))
def test_turning_the_scale_round_changes_nothing(shape, event, none, power):
    turned = kernel.Shape(
        kind={"min": "max", "max": "min"}[shape.kind],
        low=1 - shape.high,
        high=1 - shape.low,
        scale=shape.scale,
    )
    one = kernel.expected_power(shape, kernel.beta_posterior(event, event + none), power)
    other = kernel.expected_power(turned, kernel.beta_posterior(none, event + none), power)
    assert float(one) == pytest.approx(float(other), abs=1e-11)


@MODEST
@given(st.floats(8, 15), st.floats(0.01, 3), st.integers(1, 12), st.floats(0.05, 1), st.floats(-3, 3))
def test_moving_the_exposure_and_its_limits_together_changes_nothing(centre, scale, df, power, shift):
    def expected(move):
        posterior = kernel.StudentPosterior(np.array(centre + move), np.array(scale), np.array(float(df)))
        shape = kernel.Shape(kind="max", low=9 + move, high=14 + move)
        return float(kernel.expected_power(shape, posterior, power))

    assert expected(shift) == pytest.approx(expected(0.0), abs=1e-10)


@MODEST
@given(st.lists(st.floats(0, 1), min_size=2, max_size=5), st.data())
def test_overall_desirability_lies_between_the_least_and_the_greatest(d, data):
    weights = data.draw(st.lists(st.integers(1, 9), min_size=len(d), max_size=len(d)))
    overall = dose.overall_desirability(d, weights)
    assert min(d) - 1e-12 <= overall <= max(d) + 1e-12
    assert overall == pytest.approx(dose.overall_desirability(d, [7 * w for w in weights]), abs=1e-12)


@MODEST
@given(levels, levels)
def test_gates_agree_with_walking_up_the_levels(toxicity, response):
    size = min(len(toxicity), len(response))
    dlt, n_dlt = zip(*[(min(pair), max(pair)) for pair in toxicity[:size]], strict=True)
    events, n = zip(*[(min(pair), max(pair)) for pair in response[:size]], strict=True)
    gates = Gates()
    found = ranking.check_gates((dlt, n_dlt), (events, n), phi_t=gates.phi_t, c_t=gates.c_t, phi_e=gates.phi_e,
                               c_e=gates.c_e, min_n=gates.min_n)  # fmt: skip
    assert found.admissible.tolist() == twins.admissible_by_walking(n_dlt, dlt, n, events, gates)


@MODEST
@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=5),
    st.sampled_from([0.0, 0.1, 0.3]),
)
def test_the_choice_agrees_with_walking(levels, plateau):
    scores = [score / 8 for score, _ in levels]
    admissible = [ok for _, ok in levels]
    best, recommended = ranking.choose(scores, admissible, plateau)
    wanted = twins.choice_by_walking(scores, admissible, plateau)
    assert (int(best), int(recommended)) == tuple(-1 if j is None else j for j in wanted)


@FEW
@given(
    st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=2, max_size=3),
    st.lists(st.floats(8.5, 14.5), min_size=9, max_size=9),
    st.permutations(range(5)),
)
def test_the_score_agrees_with_quadrature_of_the_densities(events, logs, order):
    names = ("dlt", "orr", "persist", "cd7")
    areas = {level: np.exp(logs[3 * level : 3 * level + 3]) for level in range(len(events))}
    if sum(np.var(np.log(part)) for part in areas.values()) < 1e-2:
        return  # adaptive quadrature loses a peak that narrow; the kernel has its own test there
    counts = pd.DataFrame([(name, level, 3, row[k]) for level, row in enumerate(events) for k, name in enumerate(names)],
                          columns=["criterion", "dose_level", "n", "n_event"])  # fmt: skip
    exposures = pd.DataFrame([("log_auc", level, f"{k}", value) for level, part in areas.items()
                              for k, value in enumerate(part)],
                             columns=["criterion", "dose_level", "subject_id", "value"])  # fmt: skip
    example = ScoreRules.example().model_copy(update={"n_draws": 40_000})
    shuffled = example.model_copy(update={"criteria": tuple(example.criteria[k] for k in order)})
    result = dose.score(counts, exposures, rules=shuffled, rng=1)
    listed = [(c.name, c.desirability.kind, c.desirability.low, c.desirability.high, c.weight)
              for c in example.criteria]  # fmt: skip
    slow = [
        twins.expected_score_by_cases({"level": level, **{name: (row[k], 3) for k, name in enumerate(names)}}, areas, listed)
        for level, row in enumerate(events)
    ]  # fmt: skip
    assert np.allclose(result.summary["expected_score"], slow, rtol=0, atol=1e-7)


def of_two_levels(dlt, response):
    """Score of two levels with 4 subjects each; `dlt`, `response`: how many had one, by level."""
    rows = [
        (name, level, 4, events[level - 1])
        for name, events in (("dlt", dlt), ("orr", response))
        for level in (1, 2)
    ]
    table = pd.DataFrame(rows, columns=["criterion", "dose_level", "n", "n_event"])
    rules = ScoreRules(
        criteria=(
            Criterion(name="dlt", kind="binary", weight=1, desirability=Desirability(kind="min", low=0.1, high=0.4)),
            Criterion(name="orr", kind="binary", weight=2, desirability=Desirability(kind="max", low=0.2, high=0.8)),
        ),
        n_draws=40_000,
    )  # fmt: skip
    return dose.score(table, rules=rules, rng=3)


EVENTS = st.tuples(st.integers(0, 3), st.integers(0, 3))


@FEW
@given(EVENTS, EVENTS)
def test_one_dlt_more_never_raises_the_score_of_a_level(dlt, response):
    before = of_two_levels(dlt, response).summary["expected_score"]
    after = of_two_levels((dlt[0] + 1, dlt[1]), response).summary["expected_score"]
    assert after[0] <= before[0]
    assert after[1] == before[1]


@FEW
@given(EVENTS, EVENTS)
def test_one_response_more_never_lowers_the_score_of_a_level(dlt, response):
    before = of_two_levels(dlt, response).summary["expected_score"]
    after = of_two_levels(dlt, (response[0] + 1, response[1])).summary["expected_score"]
    assert after[0] >= before[0]
    assert after[1] == before[1]


@FEW
@given(EVENTS, EVENTS)
def test_no_level_outside_the_gates_is_ever_recommended(dlt, response):
    found = of_two_levels(dlt, response)
    admissible = set(found.summary.loc[found.summary["admissible"].astype(bool), "dose_level"])
    assert {found.recommended_level, found.best_level} <= admissible | {None}


@MODEST
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(2, 30))
def test_rank_shares_are_doubly_stochastic(scores, draws):
    rng = np.random.default_rng(draws)
    table = rng.integers(0, 3, size=(draws, len(scores))) + np.array(scores)
    shares = ranking.rank_shares(table)
    assert np.allclose(shares.sum(axis=0), 1)
    assert np.allclose(shares.sum(axis=1), 1)
    assert np.allclose(shares[:, 0], ranking.first_shares(table).mean(axis=0))
    assert not math.isnan(shares.sum())
