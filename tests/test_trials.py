"""Simulated trials: longer runs, backfill, scenarios, any number of workers."""

from functools import cache
from itertools import pairwise, product
from math import comb

import numpy as np
import pandas as pd
import pytest

from cart7 import designs
from cart7.designs import Backfill, Boin, Boin12, Crm, Keyboard, ThreePlusThree
from cart7.errors import PlanError

RATES = (0.1, 0.3, 0.5)


def totals(found):
    """Whole numbers over all trials: selections, subjects and DLTs per level."""
    tables = (found.selection, found.n_per_level, found.dlt_per_level)
    return np.concatenate([table["estimate"].to_numpy() for table in tables]) * found.n_trials


@pytest.mark.parametrize(
    ("design", "more"),
    [
        (Boin(target=0.3), {}),
        (Boin(target=0.3, titration=True), {}),
        (Boin12(phi_t=0.35, phi_e=0.25), {"true_response": (0.2, 0.4, 0.5)}),
        (Boin(target=0.3), {"backfill": Backfill(per_cohort=2, max_n=7)}),
    ],
)
def test_one_trial_more_adds_one_trial_and_changes_no_other(design, more):
    runs = [
        totals(designs.simulate(design, RATES, n_trials=n, n_cohorts=4, rng=3, **more)) for n in range(5, 12)
    ]
    for fewer, one_more in pairwise(runs):
        added = one_more - fewer
        np.testing.assert_allclose(added, np.round(added), rtol=0, atol=1e-9)
        assert sorted(np.round(added[:4])) == [0, 0, 0, 1]
        assert (added > -1e-9).all()


def test_a_run_to_a_precision_is_the_beginning_of_a_longer_one():
    given = {"n_cohorts": 3, "rng": 8}
    short = designs.simulate(Boin(target=0.3), RATES, n_trials=100_000, mcse=0.01, **given)
    assert short.n_trials == 40_000
    assert short.selection["mcse"].max() <= 0.01
    same = designs.simulate(Boin(target=0.3), RATES, n_trials=40_000, **given)
    pd.testing.assert_frame_equal(short.selection, same.selection, check_exact=True)


def test_a_precision_that_is_not_reached_uses_every_trial():
    found = designs.simulate(Boin(target=0.3), RATES, n_trials=500, n_cohorts=3, rng=1, mcse=1e-6)
    assert found.n_trials == 500


def test_rates_of_0_and_1_give_no_dlt_and_only_dlts():
    found = designs.simulate(Boin(target=0.3), (0.0, 1.0), n_trials=300, n_cohorts=3, rng=1)
    assert found.dlt_per_level["estimate"].iloc[0] == 0
    assert found.dlt_per_level["estimate"].iloc[1] == found.n_per_level["estimate"].iloc[1] > 0


# ---- backfill -----------------------------------------------------------------------------------


def by_walking(design, rates, *, cohort_size, n_cohorts, backfill):
    """Twin: every way a trial with backfill can go, one branch at a time."""
    levels = len(rates)

    @cache
    def chance(size, rate):
        return [comb(size, k) * rate**k * (1 - rate) ** (size - k) for k in range(size + 1)]

    def open_level(n, dlt, current):
        table = design.table(20).set_index("n")
        for level in range(current - 1, 0, -1):
            treated, toxic = n[level - 1], dlt[level - 1]
            if not 0 < treated < backfill.max_n:
                continue
            decision = design.next_level(n, dlt, level)
            down = table.loc[treated, "deescalate_ge"]
            if level not in decision.eliminated and (pd.isna(down) or toxic < down):
                return level
        return 0

    def with_more(counts, level, k):
        return (*counts[: level - 1], counts[level - 1] + k, *counts[level:])

    ends = {}
    ways = {((0,) * levels, (0,) * levels, (0,) * levels, 1): 1.0}
    for cohort in range(1, n_cohorts + 1):
        following = {}
        for (n, dlt, added, current), weight in ways.items():
            below = open_level(n, dlt, current)
            more = min(backfill.per_cohort, backfill.max_n - n[below - 1]) if below else 0
            here, there = chance(cohort_size, rates[current - 1]), chance(more, rates[below - 1])
            for toxic, toxic_below in product(range(cohort_size + 1), range(more + 1)):
                now_n, now_dlt = with_more(n, current, cohort_size), with_more(dlt, current, toxic)
                now_added = added
                if below:
                    now_n, now_dlt = with_more(now_n, below, more), with_more(now_dlt, below, toxic_below)
                    now_added = with_more(added, below, more)
                decision = design.next_level(now_n, now_dlt, current)
                over = cohort == n_cohorts or decision.action == "stop"
                none_left = decision.action == "stop" and cohort < n_cohorts
                key = (now_n, now_dlt, now_added, none_left if over else decision.level)
                place = ends if over else following
                place[key] = place.get(key, 0.0) + weight * here[toxic] * there[toxic_below]
        ways = following
    selection, means, extra = np.zeros(levels + 1), np.zeros(levels), np.zeros(levels)
    for (n, dlt, added, none_left), weight in ends.items():
        level = None if none_left else design.select_mtd(n, dlt).level
        selection[levels if level is None else level - 1] += weight
        means += weight * np.array(n)
        extra += weight * np.array(added)
    return selection, means, extra


@pytest.mark.parametrize("design", [Boin(target=0.3), Keyboard(target=0.25)])
def test_backfill_agrees_with_walking_every_branch(design):
    rates, rule = (0.1, 0.3, 0.5), Backfill(per_cohort=2, max_n=5)
    selection, means, extra = by_walking(design, rates, cohort_size=2, n_cohorts=4, backfill=rule)
    assert selection.sum() == pytest.approx(1, abs=1e-12)
    found = designs.simulate(
        design, rates, n_trials=20_000, cohort_size=2, n_cohorts=4, rng=11, backfill=rule
    )
    for truth, table in zip(
        (selection, means, extra), (found.selection, found.n_per_level, found.n_backfilled), strict=True
    ):
        limit = 4 * np.maximum(table["mcse"], 1 / 20_000)
        assert (np.abs(truth - table["estimate"]) <= limit).all()


def test_without_backfill_nobody_is_added_and_the_numbers_are_the_same():
    given = {"n_trials": 500, "n_cohorts": 5, "rng": 2}
    plain = designs.simulate(Boin(target=0.3), RATES, **given)
    assert plain.n_backfilled is None
    filled = designs.simulate(Boin(target=0.3), RATES, backfill=Backfill(), **given)
    assert filled.n_backfilled["estimate"].iloc[-1] == 0  # the highest level is below no other
    assert filled.n_per_level["estimate"].sum() > plain.n_per_level["estimate"].sum()


@pytest.mark.parametrize(
    "design", [Crm(skeleton=(0.1, 0.2, 0.3), target=0.3), Boin12(phi_t=0.35, phi_e=0.25)]
)
def test_designs_of_other_kinds_backfill_too(design):
    found = designs.simulate(
        design, RATES, n_trials=50, n_cohorts=4, rng=1, backfill=Backfill(), true_response=(0.2, 0.3, 0.4)
    )
    assert found.n_backfilled["estimate"].sum() > 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Backfill(per_cohort=0), "greater than or equal to 1"),
        (
            lambda: designs.simulate(
                ThreePlusThree(), RATES, n_trials=5, n_cohorts=6, rng=1, backfill=Backfill()
            ),
            "ThreePlusThree decides on cohorts alone and takes no backfill",
        ),
        (
            lambda: designs.simulate_scenarios(Boin(target=0.3), {}, n_trials=5, n_cohorts=6, rng=1),
            "at least one set",
        ),
        (
            lambda: designs.simulate(Boin(target=0.3), RATES, n_trials=5, n_cohorts=6, rng=1, mcse=0),
            "mcse must be above 0",
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_subjects_added_below_do_not_move_the_cohort_that_is_decided_on():
    subjects = pd.DataFrame(
        {"subject_id": list("abcdefg"), "dose_level": [1, 1, 1, 2, 2, 2, 1], "end_day": 60.0,
         "infusion_date": [f"2024-01-{day:02d}" for day in range(1, 8)],
         "backfill": [None, "", "N", "N", "N", "N", "Y"]}
    )  # fmt: skip
    dlt = pd.DataFrame({"subject_id": list("abcdefg"), "evaluable": 1, "dlt": 0})
    found = designs.decide(Boin(target=0.3), subjects, dlt, n_levels=3, window_days=28)
    assert (found.current, found.decision.level) == (2, 3)
    assert found.levels["n"].tolist() == [4, 3, 0]
    with pytest.raises(PlanError, match="must be Y, N or blank, got PERHAPS"):
        designs.decide(Boin(target=0.3), subjects.assign(backfill="perhaps"), dlt, window_days=28)
    with pytest.raises(PlanError, match="no cohort is left"):
        designs.decide(Boin(target=0.3), subjects.assign(backfill="Y"), dlt, window_days=28)


def test_an_audit_counts_added_subjects_and_judges_the_cohorts_around_them():
    trial = pd.DataFrame(
        {
            "level": [1, 2, 1, 2],
            "n": [3, 3, 3, 3],
            "n_dlt": [0, 1, 3, 0],
            "backfill": [False, False, True, False],
        }
    )
    found = designs.audit(Boin(target=0.3), trial, n_levels=3)
    assert found["concordant"].tolist() == [True, True, pd.NA, pd.NA]
    assert found["actual_level"].tolist() == [2, 2, pd.NA, pd.NA]
    assert found["reason"].iloc[2] == "backfill: follows no decision"
    # Only elimination at level 1 would count against level 2, and 3 of 6 do not eliminate.
    assert found["design_level"].iloc[3] == 3


# ---- figures ------------------------------------------------------------------------------------


def said(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("rates", [(0.3,), (0.05, 0.1, 0.2, 0.3, 0.4, 0.5), (0.0, 0.0)])
def test_the_figure_shows_every_number_of_the_characteristics(rates):
    found = designs.exact_oc(Boin(target=0.3), rates, n_cohorts=2)
    selections, subjects = found.plot().axes
    assert said(selections) == [f"{100 * share:.1f}" for share in found.selection["estimate"]]
    assert said(subjects) == [f"{n:.1f}" for n in found.n_per_level["estimate"]]


def test_several_scenarios_have_a_row_of_panels_each_with_independent_draws():
    same = {"one": RATES, "other": RATES}
    found = designs.simulate_scenarios(Boin(target=0.3), same, n_trials=300, n_cohorts=4, rng=1)
    assert len(found.plot().axes) == 4
    one, other = (found.results[name].selection["estimate"] for name in same)
    assert not one.equals(other)
    alone = designs.simulate_scenarios(Boin(target=0.3), {"one": RATES}, n_trials=300, n_cohorts=4, rng=1)
    pd.testing.assert_frame_equal(alone.table, found.table[found.table["scenario"] == "one"])


def test_scenarios_have_the_same_numbers_for_any_number_of_workers():
    given = {"n_trials": 21_000, "n_cohorts": 3, "rng": 4}
    tables = [
        designs.simulate_scenarios(Boin(target=0.3), {"a": RATES}, n_jobs=jobs, **given).table
        for jobs in (1, 2)
    ]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
