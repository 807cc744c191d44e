"""BOIN12, U-BOIN and EffTox: admissibility, words, limits, what is refused."""

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from cart7 import designs
from cart7.stats.utilities import dirichlet_utility_cdf, dirichlet_utility_limits

BOIN12 = designs.Boin12(phi_t=0.35, phi_e=0.25)
PRIOR = dict.fromkeys(("alpha", "beta", "gamma", "zeta", "eta", "psi"), (0.0, 1.0))
EFFTOX = {"doses": (1, 2, 4), "eff0": 0.5, "tox1": 0.65, "eff_star": 0.7, "tox_star": 0.25,
          "efficacy_hurdle": 0.5, "toxicity_hurdle": 0.3, "prior": PRIOR}  # fmt: skip


def test_an_inadmissible_level_is_never_assigned():
    for n, t, e in itertools.product((3, 6, 9), range(10), range(10)):
        if t > n or e > n:
            continue
        for current in (1, 2, 3):
            counts = np.where(np.arange(3) < current, 3, 0)
            counts[current - 1] = n
            dlt, eff = np.zeros(3, int), np.zeros(3, int)
            dlt[current - 1], eff[current - 1] = t, e
            found = BOIN12.next_level(counts, dlt, current, n_eff=eff)
            assert found.level is None or found.level not in found.eliminated
            assert (found.action == "stop") == (found.level is None)


def test_everybody_toxic_at_the_lowest_level_stops_the_trial():
    found = BOIN12.next_level((3, 0, 0), (3, 0, 0), 1, n_eff=(0, 0, 0))
    assert (found.action, found.level, found.eliminated) == ("stop", None, (1, 2, 3))
    assert "3 of 3 with DLT (1.00)" in found.reason


def test_the_greatest_mean_utility_is_recommended_among_the_tried():
    counts = [(1, 2, 0, 0), (3, 0, 0, 0), (0, 0, 0, 0)]
    found = BOIN12.posterior(counts)
    assert found.recommended_level == 2
    assert found.levels["utility_mean"].argmax() == 1
    toxic = BOIN12.posterior([(0, 0, 3, 3)])
    assert not toxic.levels["admissible"].iloc[0]
    assert toxic.recommended_level is None


def test_utilities_that_do_not_add_up_need_joint_counts():
    odd = designs.Boin12(phi_t=0.35, phi_e=0.25, utilities=(100, 30, 50, 0))
    assert odd.posterior([(1, 1, 1, 0)]).levels["utility_mean"].iloc[0] == pytest.approx(100 * 2.8 / 5)
    with pytest.raises(ValueError, match="not additive"):
        odd.rds_table((0, 3))


def test_limits_of_a_dirichlet_utility_are_those_of_beta_where_it_is_one():
    worth = np.array([100.0, 0.0, 0.0, 100.0])
    shape = np.array([[1.25, 0.5, 2.25, 3.0]])
    low, high = dirichlet_utility_limits(shape, worth, 0.025)
    from scipy.stats import beta

    np.testing.assert_allclose([low[0], high[0]], 100 * beta(4.25, 2.75).ppf([0.025, 0.975]), rtol=1e-9)


def test_the_chance_of_a_dirichlet_utility_is_that_of_draws():
    shape, worth = np.array([[0.25, 1.25, 2.25, 0.25]]), np.array([100.0, 40.0, 60.0, 0.0])
    draws = np.random.default_rng(4).dirichlet(shape[0], 200_000) @ worth
    for at in (20.0, 45.0, 50.0, 55.0, 80.0):
        chance = dirichlet_utility_cdf(shape, worth, np.array([at]))[0]
        assert abs(chance - (draws <= at).mean()) < 4 * 0.5 / np.sqrt(200_000)


def test_u_boin_has_limits_around_its_mean():
    found = designs.UBoin(phi_t=0.35, phi_e=0.25).posterior([(3, 2, 1, 0), (0, 0, 0, 0)]).levels
    assert (found["utility_low"] < found["utility_mean"]).all()
    assert (found["utility_mean"] < found["utility_high"]).all()


def test_response_and_toxicity_are_simulated_together():
    found = designs.simulate(
        BOIN12, (0.1, 0.2, 0.5), true_response=(0.2, 0.6, 0.6), n_trials=300, n_cohorts=6, rng=2
    )
    assert found.selection["estimate"].sum() == pytest.approx(1)
    assert found.selection["estimate"].argmax() == 1
    with pytest.raises(ValueError, match="needs true_response"):
        designs.simulate(BOIN12, (0.1, 0.2), n_trials=10, n_cohorts=2, rng=1)


def test_efftox_keeps_to_levels_next_to_those_tried():
    design = designs.EffTox(**EFFTOX)
    found = design.posterior([(1, 2, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)], rng=3)
    assert not found.levels["acceptable"].iloc[2]
    again = design.posterior([(1, 2, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)], rng=3)
    assert found.levels.equals(again.levels)
    untried = design.posterior(np.zeros((3, 4)), rng=3)
    assert not untried.levels["acceptable"].iloc[1:].any()


def test_the_neutral_contour_runs_through_its_three_points():
    design = designs.EffTox(**EFFTOX)
    points = design.utility([0.5, 1.0, 0.7], [0.0, 0.65, 0.25])
    np.testing.assert_allclose(points, 0, atol=1e-9)
    assert design.utility(1, 0) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: designs.Boin12(phi_t=0.35, phi_e=0.25, utilities=(90, 40, 60, 0)), "utilities must be"),
        (lambda: designs.Boin12(phi_t=1.35, phi_e=0.25), "less than 1"),
        (lambda: designs.EffTox(**EFFTOX | {"eff_star": 0.4}), "eff0 < eff_star"),
        (lambda: designs.EffTox(**EFFTOX | {"prior": {"alpha": (0, 1)}}), "prior must give"),
        (lambda: designs.EffTox(**EFFTOX | {"doses": (2, 1)}), "doses must be above 0"),
    ],
)
def test_an_impossible_design_is_refused(call, words):
    with pytest.raises(ValidationError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: BOIN12.posterior([(1, 2, 3)]), "levels x 4"),
        (lambda: BOIN12.posterior([(1, 2, 3, -1)]), "whole numbers from 0"),
        (lambda: BOIN12.next_level((3, 0), (0, 0), 1, n_eff=(4, 0)), "n_eff must be at most n"),
        (lambda: BOIN12.next_level((3, 0), (0, 0), 2, n_eff=(0, 0)), "nobody was treated"),
        (lambda: designs.EffTox(**EFFTOX).posterior([(1, 0, 0, 0)], rng=1), "there are 3 doses"),
    ],
)
def test_impossible_counts_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
