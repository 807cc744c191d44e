"""Operating characteristics of the integrated recommendation."""

import numpy as np
import pytest
from pydantic import ValidationError

from cart7 import designs, dose

RULES = dose.ScoreRules.example()
BASE = {"persistence": (0.5, 0.5, 0.5), "depletion": (0.8, 0.8, 0.8), "log_exposure_mean": (12.0, 12.0, 12.0),
        "log_exposure_sd": 1.0}  # fmt: skip
FLAT = BASE | {"dlt": (0.05, 0.15, 0.35), "response": (0.6, 0.6, 0.6), "acceptable": (1,)}


def simulated(scenario=FLAT, **more):
    return designs.simulate_recommendation(
        scenario, **{"rules": RULES, "n_per_level": 3, "n_trials": 600, "rng": 1} | more
    )


def test_with_flat_efficacy_the_lowest_level_is_recommended_most_often():
    found = simulated()
    assert found.selection["estimate"].argmax() == 0
    assert found.selection["estimate"].sum() == pytest.approx(1)
    assert found.prob_acceptable.estimate == found.selection["estimate"].iloc[0]
    assert found.prob_overdose.estimate == found.selection["estimate"].iloc[2]
    p = found.prob_acceptable
    assert p.mcse == pytest.approx(np.sqrt(p.estimate * (1 - p.estimate) / 600))


def test_more_subjects_find_the_better_level_more_often():
    rising = BASE | {"dlt": (0.05, 0.1, 0.15), "response": (0.1, 0.3, 0.8), "acceptable": (3,)}
    few = simulated(rising).prob_acceptable.estimate
    assert simulated(rising, n_per_level=12).prob_acceptable.estimate > few + 0.1


def test_a_level_that_nobody_was_given_is_never_recommended():
    found = simulated(n_per_level=(3, 3, 0))
    assert found.selection["estimate"].iloc[2] == 0


def test_the_same_seed_gives_the_same_numbers_for_any_number_of_workers():
    one = simulated(n_trials=4100, rng=np.random.default_rng(7))
    two = simulated(n_trials=4100, rng=np.random.default_rng(7), n_jobs=2)
    assert one.selection.equals(two.selection)


def test_each_trial_is_judged_as_the_score_judges_one():
    rng = np.random.default_rng(3)
    events = {name: rng.integers(0, 4, size=(5, 3)) for name in ("dlt", "orr", "persist", "cd7")}
    rates = {name: (x.astype(float), np.full((5, 3), 3.0)) for name, x in events.items()}
    logs = rng.normal(12, 1, size=(5, 3, 3))
    squares = ((logs - logs.mean(axis=2, keepdims=True)) ** 2).sum(axis=2)
    many = dose.recommended_positions(
        rates, {"log_auc": (np.full((5, 3), 3.0), logs.mean(axis=2), squares)}, RULES
    )
    import pandas as pd

    for trial in range(5):
        counts = pd.DataFrame(
            [{"criterion": name, "dose_level": at + 1, "n": 3, "n_event": int(x[trial, at])}
             for name, x in events.items() for at in range(3)]
        )  # fmt: skip
        exposures = pd.DataFrame(
            [{"criterion": "log_auc", "dose_level": at + 1, "subject_id": f"{at}{k}", "value": np.exp(logs[trial, at, k])}
             for at in range(3) for k in range(3)]
        )  # fmt: skip
        one = dose.score(counts, exposures, rules=RULES, rng=1).recommended_level
        assert (one or 0) == many[trial] + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"response": (0.5, 0.5)}, "response must have 3 entries"),
        ({"dlt": (0.1, 0.2, 1.2)}, "dlt must hold probabilities"),
        ({"acceptable": (4,)}, "acceptable must name levels from 1 to 3"),
        ({"log_exposure_sd": 0}, "greater than 0"),
        ({"extra": 1}, "Extra inputs"),
    ],
)
def test_an_impossible_scenario_is_refused(change, words):
    with pytest.raises(ValidationError, match=words):
        simulated(FLAT | change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_per_level": 0}, "not all 0"),
        ({"n_per_level": (3, -1, 3)}, "whole numbers from 0"),
        ({"n_trials": 0}, "n_trials must be a whole number from 1"),
    ],
)
def test_impossible_arguments_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        simulated(**change)


def test_a_criterion_the_scenario_does_not_know_is_named():
    odd = RULES.model_copy(update={"criteria": (RULES.criteria[0].model_copy(update={"name": "fever"}),)})
    with pytest.raises(ValueError, match="a scenario says nothing about fever"):
        simulated(rules=odd)
