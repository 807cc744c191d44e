"""Model designs: decisions, their words, what is refused, and agreement of the two ways to decide."""

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from cart7 import designs

CRM = designs.Crm(skeleton=(0.1, 0.2, 0.3), target=0.3)
BLRM = designs.Blrm(doses=(0.5, 1.0, 2.0), ref_dose=1.0, prior_mean=(-0.693, 0.0), prior_sd=(2.0, 1.0))


def counts_up_to(size, levels):
    cells = [(n, x) for n in (0, size) for x in range(n + 1)]
    for choice in itertools.product(cells, repeat=levels):
        n, dlt = np.array(choice).T
        if n.any():
            yield n, dlt


@pytest.mark.parametrize("design", [CRM, BLRM], ids=["crm", "blrm"])
def test_many_trials_are_decided_as_one_is(design):
    """Every table of cohorts of three at three levels, from every treated level."""
    cases = [(n, x, at + 1) for n, x in counts_up_to(3, 3) for at in np.flatnonzero(n)]
    n, x, current = (np.array(part) for part in zip(*cases, strict=True))
    rows = np.arange(len(cases))
    last = {"last_n": n[rows, current - 1], "last_dlt": x[rows, current - 1]}
    steps = design.steps(n, x, current, **last)
    for row in rows[:: 7 if design is BLRM else 1]:
        decision = design.next_level(n[row], x[row], int(current[row]))
        assert (decision.action == "stop") == steps.stop[row]
        assert (decision.level or current[row]) == steps.level[row]


def test_no_level_is_skipped_and_none_gained_after_a_toxic_cohort():
    up = CRM.next_level((3, 0, 0), (0, 0, 0), 1)
    assert (up.action, up.level) == ("escalate", 2)
    assert "no level is skipped" in up.reason
    held = CRM.next_level((9, 3, 0), (0, 1, 0), 2, cohort=(3, 1))
    assert (held.action, held.level) == ("stay", 2)
    assert "1 of 3 with DLT" in held.reason
    down = CRM.next_level((3, 3, 0), (0, 3, 0), 2)
    assert (down.action, down.level) == ("de-escalate", 1)


def test_more_dlts_never_lead_higher():
    for level in (1, 2, 3):
        n = np.where(np.arange(3) < level, 6, 0)
        for design in (CRM, BLRM):
            wanted = [
                design.next_level(n, np.where(np.arange(3) == level - 1, x, 0), level).level or 0
                for x in range(7)
            ]
            assert (np.diff(wanted) <= 0).all()


def test_overdose_control_stops_a_trial_in_which_no_level_is_safe():
    found = BLRM.next_level((3, 0, 0), (3, 0, 0), 1)
    assert (found.action, found.level, found.eliminated) == ("stop", None, (1, 2, 3))
    assert "limit 0.25" in found.reason
    assert BLRM.posterior((3, 0, 0), (3, 0, 0)).recommended_level is None
    assert BLRM.select_mtd((3, 0, 0), (3, 0, 0)).level is None


def test_only_tried_levels_are_selected():
    assert BLRM.posterior((3, 3, 0), (0, 0, 0)).recommended_level in (2, 3)
    assert BLRM.select_mtd((3, 3, 0), (0, 0, 0)).level == 2


def test_followed_for_the_whole_window_counts_as_whole():
    counts = CRM.posterior((3, 2, 0), (0, 1, 0))
    subjects = CRM.posterior(level=[1, 1, 1, 2, 2], dlt=[0, 0, 0, 1, 0], weight=[1, 1, 1, 0.2, 1])
    assert subjects.estimate == counts.estimate
    at_risk = CRM.posterior(level=[1, 1, 1, 2, 2], dlt=[0, 0, 0, 1, 0], weight=[1, 1, 1, 1, 0.0])
    assert at_risk.estimate == CRM.posterior((3, 1, 0), (0, 1, 0)).estimate


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: designs.Crm(skeleton=(0.3, 0.2), target=0.3), "skeleton must increase"),
        (lambda: designs.Crm(skeleton=(0.1, 0.96), target=0.3, model="logistic"), "too small"),
        (lambda: designs.Crm(skeleton=(0.1, 0.2), target=1.2), "less than 1"),
        (lambda: designs.Blrm(doses=(2, 1), ref_dose=1, prior_mean=(0, 0), prior_sd=(1, 1)), "doses"),
        (lambda: designs.Blrm(doses=(1, 2), ref_dose=1, prior_mean=(0, 0), prior_sd=(0, 1)), "prior_sd"),
        (lambda: designs.Blrm(doses=(1,), ref_dose=1, prior_mean=(0, 0), prior_sd=(1, 1), target=(0.4, 0.3)), "target"),
    ],
)  # fmt: skip
def test_an_impossible_design_is_refused(make, words):
    with pytest.raises(ValidationError, match=words):
        make()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: CRM.posterior((3, 0, 0), (4, 0, 0)), "level 1 has more DLTs than subjects"),
        (lambda: CRM.posterior((3, 0), (0, 0)), "the skeleton has 3 levels"),
        (lambda: CRM.posterior((3, 0, -1), (0, 0, 0)), "whole numbers from 0"),
        (lambda: CRM.posterior((3, 0, 0)), "give n and n_dlt per level, or"),
        (lambda: CRM.posterior(level=[4], dlt=[0]), "level must be from 1 to 3"),
        (lambda: CRM.posterior(level=[1], dlt=[2]), "dlt must be 0 or 1"),
        (lambda: CRM.posterior(level=[1], dlt=[0], weight=[1.5]), "weight must be from 0 to 1"),
        (lambda: CRM.next_level((3, 0, 0), (0, 0, 0), 4), "current must be a level from 1 to 3"),
        (lambda: CRM.next_level((3, 0, 0), (1, 0, 0), 1, cohort=(3, 2)), "cohort must be"),
        (lambda: BLRM.posterior((3, 0), (0, 0)), "there are 3 doses"),
        (lambda: designs.indifference_skeleton(0.3, 0.3, 2, 3), "must lie within"),
        (lambda: designs.indifference_skeleton(0.05, 0.3, 4, 3), "nu must be a level"),
        (lambda: designs.indifference_skeleton(0.05, 0.3, 2, 3, model="probit"), "model must be one of"),
    ],
)
def test_impossible_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_exact_and_simulated_characteristics_of_a_model_agree():
    truth = (0.1, 0.3, 0.5)
    exact = designs.exact_oc(CRM, truth, n_cohorts=4)
    drawn = designs.simulate(CRM, truth, n_trials=4000, n_cohorts=4, rng=5)
    gap = np.abs(exact.selection["estimate"] - drawn.selection["estimate"])
    assert (gap <= 4 * np.maximum(drawn.selection["mcse"], 1e-3)).all()
    assert (exact.selection["mcse"] == 0).all()
