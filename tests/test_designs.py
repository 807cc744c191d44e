"""Rule-based and interval designs: what they decide, why, and what they refuse."""

import pickle

import numpy as np
import pandas as pd
import pytest

from cart7.designs import (
    Boin,
    Keyboard,
    Mtpi,
    ThreePlusThree,
    TiteBoin,
    audit,
    exact_oc,
    simulate,
    transition_paths,
)
from cart7.stats.isotonic import isotonic

FIVE = (ThreePlusThree(), Boin(target=0.3), Keyboard(target=0.3), Mtpi(target=0.3), TiteBoin(target=0.3))


# 3+3


@pytest.mark.parametrize(
    ("n", "n_dlt", "current", "action", "level"),
    [
        ([2, 0, 0], [2, 0, 0], 1, "stay", 1),
        ([3, 0, 0], [0, 0, 0], 1, "escalate", 2),
        ([3, 0, 0], [1, 0, 0], 1, "stay", 1),
        ([3, 0, 0], [2, 0, 0], 1, "stop", None),
        ([5, 0, 0], [2, 0, 0], 1, "stay", 1),
        ([6, 0, 0], [1, 0, 0], 1, "escalate", 2),
        ([3, 6, 0], [0, 2, 0], 2, "stop", 1),
        ([3, 3, 3], [0, 0, 0], 3, "stop", 3),
        ([3, 6, 3], [0, 1, 2], 2, "stop", 2),
        ([3, 3, 6], [0, 0, 1], 2, "stop", 2),
    ],
)
def test_three_plus_three_decides_by_three_and_by_six(n, n_dlt, current, action, level):
    decision = ThreePlusThree().next_level(n, n_dlt, current)
    assert (decision.action, decision.level) == (action, level)


def test_three_plus_three_with_de_escalation_treats_six_below_before_it_recommends():
    design = ThreePlusThree(deescalate=True)
    down = design.next_level([3, 3, 0], [0, 2, 0], 2)
    assert (down.action, down.level, down.eliminated) == ("de-escalate", 1, (2, 3))
    sound = design.next_level([6, 6, 3], [0, 1, 3], 3)
    assert (sound.action, sound.level) == ("stop", 2)
    assert sound.reason == "3 of 3 with DLT at level 3: too toxic; level 2 is recommended (1 of 6 with DLT)"
    none = design.next_level([6, 6, 0], [2, 2, 0], 2)
    assert (none.action, none.level) == ("stop", None)


def test_three_plus_three_says_how_few_were_treated_at_the_level_it_recommends():
    assert "(0 of 3 with DLT)" in ThreePlusThree().next_level([3, 3, 0], [0, 2, 0], 2).reason


def test_three_plus_three_has_no_decision_for_more_than_six():
    with pytest.raises(ValueError, match="no decision for 7 subjects at a level"):
        ThreePlusThree().next_level([7, 0], [1, 0], 1)
    with pytest.raises(ValueError, match="no decision for 8 subjects"):
        exact_oc(ThreePlusThree(), [0.1, 0.3], cohort_size=4, n_cohorts=3)


def test_a_3_plus_3_trial_that_runs_out_of_cohorts_recommends_no_level_that_nobody_had():
    found = exact_oc(ThreePlusThree(), [0.0, 0.0, 0.0], n_cohorts=2)
    assert found.selection["estimate"].tolist() == [0, 1, 0, 0]


# BOIN


def test_boin_stays_where_the_rate_equals_the_boundary_and_tite_boin_goes_down():
    """With rates 0.4 and 0.6 the boundary is 1/2: by symmetry both are equally likely there."""
    boin, tite = Boin(target=0.4, p_tox=0.6), TiteBoin(target=0.4, p_tox=0.6)
    assert boin.lambda_d == pytest.approx(0.5, abs=1e-12)
    assert boin.table(8).set_index("n")["deescalate_ge"].tolist() == [1, 2, 2, 3, 3, 4, 4, 5]
    assert boin.next_level([3, 6], [0, 3], 2).action == "stay"
    assert tite.next_level([3, 6], [0, 3], 2).action == "de-escalate"
    assert tite.next_level([3, 8], [0, 3], 2, n_pending=[0, 4], followup_days=[0, 56]).action == "de-escalate"


def test_the_reason_has_the_numbers_that_decided():
    design = Boin(target=0.3)
    assert (
        design.next_level([3, 0], [0, 0], 1).reason == "0 of 3 with DLT at level 1, 0.000 <= 0.236 (lambda_e)"
    )
    assert design.next_level([3, 0], [1, 0], 1).reason.endswith(
        "0.236 (lambda_e) < 0.333 <= 0.359 (lambda_d)"
    )
    assert design.next_level([3, 6], [0, 3], 2).reason.endswith("0.500 > 0.359 (lambda_d)")
    gone = design.next_level([3, 3], [0, 3], 2)
    assert gone.reason == "level 2 eliminated: 3 of 3 with DLT, P(DLT rate > 0.3) = 0.992 > 0.95"
    assert "level 2 is the highest" in design.next_level([3, 3], [0, 0], 2).reason
    assert "level 1 is the lowest" in design.next_level([3, 0], [2, 0], 1).reason
    assert (
        "(0.65, 0.75) above the target key (0.25, 0.35)"
        in Keyboard(target=0.3).next_level([3], [2], 1).reason
    )
    assert "0.757 in, 1.344 over" in Mtpi(target=0.3).next_level([3], [2], 1).reason


@pytest.mark.parametrize("design", FIVE[1:], ids=str)
def test_an_eliminated_level_takes_all_above_with_it_and_is_never_entered(design):
    down = design.next_level([3, 3, 0], [0, 3, 0], 2)
    assert (down.action, down.level, down.eliminated) == ("de-escalate", 1, (2, 3))
    held = design.next_level([6, 3, 0], [0, 3, 0], 1)
    assert (held.action, held.level) == ("stay", 1)
    assert "level 2 and all above eliminated" in held.reason or "level 2 is eliminated" in held.reason
    none = design.next_level([3, 0, 0], [3, 0, 0], 1)
    assert (none.action, none.level, none.eliminated) == ("stop", None, (1, 2, 3))
    assert "no level is left" in none.reason


@pytest.mark.parametrize("design", FIVE, ids=str)
def test_a_level_without_subjects_gets_its_first_cohort(design):
    decision = design.next_level([3, 0, 0], [0, 0, 0], 2)
    assert (decision.action, decision.level) == ("stay", 2)


def test_extrasafe_stops_for_the_lowest_level_where_elimination_does_not():
    """P(rate > 0.25) for 3 of 6 is 0.929: above 0.90, below 0.95."""
    plain, extra = Boin(target=0.25), Boin(target=0.25, extrasafe=True)
    assert plain.next_level([6, 0], [3, 0], 1).action == "stay"
    stopped = extra.next_level([6, 0], [3, 0], 1)
    assert (stopped.action, stopped.level, stopped.eliminated) == ("stop", None, (1, 2))
    assert "P(DLT rate > 0.25) = 0.929 > 0.9;" in stopped.reason
    none = extra.select_mtd([6, 3], [3, 0])
    assert none.level is None
    assert "0.929 > 0.9" in none.reason
    assert extra.table(6).set_index("n").loc[6].tolist() == [1, 2, 4, 3]
    # The rule holds for 3 of 3 at target 0.5 (P = 0.9375), although no number of three eliminates.
    assert Boin(target=0.5, extrasafe=True).next_level([3, 0], [3, 0], 1).action == "stop"
    assert Boin(target=0.5).next_level([3, 0], [3, 0], 1).action == "stay"


def test_a_level_with_enough_subjects_ends_the_trial_only_where_it_would_go_on():
    design = Boin(target=0.3, n_earlystop=6)
    for n, n_dlt, current in (([6, 6], [0, 2], 2), ([6, 6], [0, 0], 2), ([6, 0], [3, 0], 1)):
        decision = design.next_level(n, n_dlt, current)
        assert (decision.action, decision.level) == ("stop", current)
        assert "6 subjects, at least 6" in decision.reason
    assert design.next_level([6, 0], [0, 0], 1).action == "escalate"
    assert design.next_level([3, 6], [0, 3], 2).action == "de-escalate"


def test_titration_fills_the_level_of_its_first_dlt():
    design = Boin(target=0.3, titration=True)
    assert design.next_level([1, 0, 0], [0, 0, 0], 1).action == "escalate"
    filled = design.next_level([1, 1, 0], [0, 1, 0], 2)
    assert (filled.action, filled.level) == ("stay", 2)
    assert filled.reason.startswith("first DLT of the titration")
    assert Boin(target=0.3).next_level([1, 1, 0], [0, 1, 0], 2).action == "de-escalate"
    with pytest.raises(ValueError, match="use simulate"):
        exact_oc(design, [0.1, 0.3], n_cohorts=3)


def test_titration_keeps_to_the_planned_number_of_subjects():
    found = simulate(Boin(target=0.3, titration=True), [0.0] * 6, n_cohorts=1, n_trials=50, rng=1)
    assert found.n_per_level["estimate"].tolist() == [1, 1, 1, 0, 0, 0]


def test_cohorts_of_one_are_not_titrated():
    given = {"cohort_size": 1, "n_cohorts": 9, "n_trials": 200, "rng": 1}
    with_it = simulate(Boin(target=0.3, titration=True), [0.1, 0.3, 0.5], **given)
    without = simulate(Boin(target=0.3), [0.1, 0.3, 0.5], **given)
    pd.testing.assert_frame_equal(with_it.selection, without.selection)


def test_tables_say_never_where_no_number_of_dlts_does():
    table = Boin(target=0.3).table(3)
    assert [str(kind) for kind in table.dtypes] == ["Int64"] * 4
    assert table["eliminate_ge"].isna().tolist() == [True, True, False]


@pytest.mark.parametrize("max_n", [0, -1, 2.5, "6"])
def test_a_table_needs_a_whole_number_of_subjects(max_n):
    with pytest.raises(ValueError, match="max_n must be a whole number from 1"):
        Boin(target=0.3).table(max_n)


# Keyboard and mTPI


def test_keyboard_eliminates_two_of_two_and_boin_does_not():
    assert Keyboard(target=0.3).next_level([2, 0], [2, 0], 1).action == "stop"
    assert Boin(target=0.3).next_level([2, 0], [2, 0], 1).action == "stay"
    assert Keyboard(target=0.3).select_mtd([2, 0], [2, 0]).level == 1


def test_mtpi_stays_where_mtpi2_goes_down():
    assert Mtpi(target=0.3).next_level([3, 6], [0, 3], 2).action == "stay"
    assert Keyboard(target=0.3).next_level([3, 6], [0, 3], 2).action == "de-escalate"


def test_keys_that_fit_exactly_leave_no_sliver():
    """Keys of 0.1 around 0.25: 0.2 - 2 x 0.1 is 0, in binary 2.8e-17."""
    table = Keyboard(target=0.25).table(6)
    assert table["escalate_le"].tolist() == [0, 0, 0, 0, 0, 1]


# TITE-BOIN


def test_tite_boin_waits_while_too_many_are_pending():
    design = TiteBoin(target=0.3)
    waits = design.next_level([3, 0], [0, 0], 1, n_pending=[2, 0], followup_days=[55, 0])
    assert (waits.action, waits.level) == ("suspend", 1)
    half = design.next_level([4, 0], [0, 0], 1, n_pending=[2, 0], followup_days=[1, 0])
    assert half.action == "escalate"
    exactly = TiteBoin(target=0.3, max_pending_fraction=0.57)
    assert exactly.next_level([100, 0], [0, 0], 1, n_pending=[57, 0]).action != "suspend"


def test_tite_boin_waits_before_it_would_leave_level_1():
    given = {"n_pending": [1, 0], "followup_days": [7, 0]}
    waits = TiteBoin(target=0.3).next_level([3, 0], [2, 0], 1, **given)
    assert (waits.action, waits.level) == ("suspend", 1)
    ends = TiteBoin(target=0.3, n_earlystop=3).next_level([3, 0], [2, 0], 1, **given)
    assert (ends.action, ends.level) == ("stop", 1)


def test_tite_boin_counts_pending_subjects_by_their_follow_up():
    design = TiteBoin(target=0.3)
    early = design.next_level([3, 6, 0], [0, 1, 0], 2, n_pending=[0, 2, 0], followup_days=[0, 3, 0])
    late = design.next_level([3, 6, 0], [0, 1, 0], 2, n_pending=[0, 2, 0], followup_days=[0, 50, 0])
    assert (early.action, late.action) == ("stay", "escalate")
    assert early.reason.startswith("1 DLT in 4.11 effective subjects at level 2")


def test_tite_boin_does_not_decide_on_nobody():
    design = TiteBoin(target=0.3, max_pending_fraction=1.0)
    waits = design.next_level([3, 0], [0, 0], 1, n_pending=[3, 0], followup_days=[0, 0])
    assert (waits.action, waits.reason) == (
        "suspend",
        "3 of 3 subjects at level 1 pending, none followed yet",
    )


def test_tite_boin_eliminates_before_it_suspends():
    stops = TiteBoin(target=0.2).next_level([3, 0], [2, 0], 1, n_pending=[1, 0], followup_days=[21, 0])
    assert (stops.action, stops.level) == ("stop", None)


@pytest.mark.parametrize(
    ("pending", "days", "message"),
    [
        ([4, 0], [0, 0], "n_pending must be at most n"),
        ([1], [0], "n_pending must have 2 entries"),
        ([1, 0], [29, 0], "followup_days must be from 0 to window_days x n_pending"),
        ([1, 0], [-1, 0], "followup_days must be from 0"),
        ([1, 0], [np.nan, 0], "followup_days must be from 0"),
        ([0.5, 0], [0, 0], "n_pending must hold whole numbers"),
        ([1, 0], [1], "followup_days must have 2 entries"),
    ],
)
def test_tite_boin_refuses_impossible_follow_up(pending, days, message):
    with pytest.raises(ValueError, match=message):
        TiteBoin(target=0.3).next_level([3, 0], [0, 0], 1, n_pending=pending, followup_days=days)


# Selection


def test_every_estimate_stands_in_the_row_of_its_own_level():
    """The limits of level 2 are its own although nobody was treated at level 1."""
    shown = Boin(target=0.3).select_mtd([0, 3, 6], [0, 0, 2]).estimates
    assert shown.columns.tolist() == ["level", "n", "n_dlt", "estimate", "ci_low", "ci_high", "prob_overdose"]
    assert shown["level"].tolist() == [1, 2, 3]
    assert shown.iloc[0, 3:].isna().all()
    assert shown.loc[1, "estimate"] == pytest.approx(0.05 / 3.1, abs=1e-15)
    alone = Boin(target=0.3).select_mtd([3], [0]).estimates
    np.testing.assert_allclose(shown.loc[1, ["ci_low", "ci_high"]].astype(float), alone.loc[0, ["ci_low", "ci_high"]]
                               .astype(float), rtol=1e-12)  # fmt: skip
    other = Boin(target=0.3).select_mtd([6], [2]).estimates
    assert shown.loc[2, "ci_high"] == pytest.approx(other.loc[0, "ci_high"], rel=1e-12)


@pytest.mark.parametrize(
    ("design", "n", "n_dlt", "level", "reason"),
    [
        (Boin(target=0.3), [3, 3, 3], [0, 1, 2], 2, "isotonic estimate 0.339"),
        (Boin(target=0.35), [3, 3, 3], [1, 1, 1], 3, "level 3"),
        (Boin(target=0.3), [3, 3, 3], [1, 1, 1], 1, "level 1"),
        (Boin(target=0.3), [10, 10], [2, 4], 1, "level 1"),
        (Boin(target=0.3), [0, 0], [0, 0], None, "nobody has been treated"),
        (Boin(target=0.3), [3, 3], [3, 0], None, "level 1 and all above eliminated"),
        (Boin(target=0.3), [0, 3], [0, 3], None, "nobody has been treated at a level that is left; level 2 eliminated"),
        (Boin(target=0.3, bound_mtd=True), [3, 6, 9], [2, 4, 5], None, "above the bound 0.359"),
        (Boin(target=0.3), [3, 6, 9], [2, 4, 5], 1, "level 2 and all above eliminated: 4 of 6"),
        (Keyboard(target=0.3), [3, 6, 6], [0, 1, 5], 2, "level 3 eliminated: 5 of 6"),
    ],
)  # fmt: skip
def test_the_selected_level_is_the_nearest_that_may_be_used(design, n, n_dlt, level, reason):
    found = design.select_mtd(n, n_dlt)
    assert found.level == level
    assert reason in found.reason


def test_isotonic_regression_of_a_table_is_that_of_its_rows():
    table = isotonic([[0.5, 0.1, 0.2], [0.1, 0.2, 0.3]])
    np.testing.assert_allclose(table, [[0.8 / 3] * 3, [0.1, 0.2, 0.3]])
    weighted = isotonic([0.4, 0.1, 0.0], [1.0, 3.0, 7.0], [True, True, False])
    np.testing.assert_allclose(weighted, [0.175, 0.175, np.nan])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[[0.1]]],), "one row or a table"),
        (([0.1, 0.2], [1.0]), "weights must have the shape"),
        (([0.1, 0.2], [1.0, 0.0]), "weights must be finite and above 0"),
        (([0.1, np.nan],), "values must be finite"),
        (([0.1, 0.2], None, [True]), "present must have the shape"),
    ],
)
def test_isotonic_regression_refuses_what_it_cannot_order(arguments, message):
    with pytest.raises(ValueError, match=message):
        isotonic(*arguments)


# Paths and audits


def test_transition_paths_have_a_row_per_node_after_each_cohort():
    nodes = transition_paths(Boin(target=0.3), [3, 2], n_levels=2, true_dlt=[0.1, 0.3])
    assert nodes.columns.tolist() == [
        "path", "cohort", "level", "n", "n_dlt", "action", "next_level", "terminal", "probability",
    ]  # fmt: skip
    assert nodes["path"].head(5).tolist() == ["1NNN", "1NNT", "1NTT", "1TTT", "1NNN 2NN"]
    last = nodes.set_index("path").loc["1NNN 2NT"]
    assert last[["cohort", "level", "n", "n_dlt", "action", "next_level", "terminal"]].tolist() == [
        2, 2, 2, 1, "de-escalate", 1, True,
    ]  # fmt: skip
    assert last["probability"] == pytest.approx(0.729 * 0.42)
    stopped = nodes.set_index("path").loc["1TTT"]
    assert stopped["terminal"]
    assert pd.isna(stopped["next_level"])


def test_transition_paths_without_rates_have_no_probability():
    assert transition_paths(Boin(target=0.3), [3], n_levels=2)["probability"].isna().all()
    assert transition_paths(Boin(target=0.3), [], n_levels=2).empty


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cohort_sizes": [3, 0]}, "cohort_sizes must be a whole number from 1, got 0"),
        ({"start_level": 3}, "start_level must be a whole number from 1 to 2, got 3"),
        ({"n_levels": 0}, "n_levels must be a whole number from 1"),
        ({"true_dlt": [0.1]}, "true_dlt must have 2 entries"),
        ({"true_dlt": [0.1, 1.2]}, "true_dlt must hold a probability"),
        ({"cohort_sizes": [9] * 9}, "more than 1000000 paths"),
    ],
)
def test_transition_paths_refuse_the_impossible(given, message):
    with pytest.raises(ValueError, match=message):
        transition_paths(Boin(target=0.3), **{"cohort_sizes": [3], "n_levels": 2, **given})


def test_an_audit_finds_the_decisions_that_were_not_the_designs():
    trial = pd.DataFrame(
        {"level": [1, 2, 3, 1], "n": [3, 3, 3, 3], "n_dlt": [0, 1, 2, 0]}, index=[7, 7, 3, 1]
    )
    before = trial.copy()
    found = audit(Boin(target=0.3), trial, n_levels=3)
    pd.testing.assert_frame_equal(trial, before)
    assert set(found.columns) == {
        "cohort", "level", "n", "n_dlt", "design_action", "design_level", "actual_level", "concordant", "reason",
    }  # fmt: skip
    assert found["design_action"].tolist() == ["escalate", "stay", "de-escalate", "escalate"]
    assert found["design_level"].tolist() == [2, 2, 2, 2]
    assert found["actual_level"].tolist() == [2, 3, 1, pd.NA]
    assert found["concordant"].tolist() == [True, False, False, pd.NA]
    assert (
        found.loc[1, "reason"] == "1 of 3 with DLT at level 2, 0.236 (lambda_e) < 0.333 <= 0.359 (lambda_d)"
    )


def test_an_audit_counts_a_level_over_all_its_cohorts():
    trial = pd.DataFrame({"level": [1, 1], "n": [3, 3], "n_dlt": [1, 1]})
    assert "2 of 6 with DLT" in audit(Boin(target=0.3), trial, n_levels=2).loc[1, "reason"]


def test_a_trial_that_goes_on_although_the_design_stops_is_not_concordant():
    trial = pd.DataFrame({"level": [1, 1, 1, 1], "n": [3, 3, 3, 3], "n_dlt": [1, 1, 0, 0]})
    found = audit(ThreePlusThree(), trial, n_levels=2)
    assert found["design_action"].tolist() == ["stay", "stop", pd.NA, pd.NA]
    assert found["concordant"].tolist() == [True, False, False, pd.NA]
    assert found.loc[2, "reason"] == "the 3+3 design has no decision for 9 subjects at a level"


def test_an_audit_of_no_cohorts_is_empty():
    none = pd.DataFrame({"level": [], "n": [], "n_dlt": []})
    assert audit(Boin(target=0.3), none, n_levels=2).empty


@pytest.mark.parametrize(
    ("cohorts", "message"),
    [
        ({"level": [1], "n": [3]}, "without n_dlt"),
        ({"level": [3], "n": [3], "n_dlt": [0]}, "level must be a whole number from 1 to 2, got 3"),
        ({"level": [1], "n": [0], "n_dlt": [0]}, "n must be a whole number from 1"),
        ({"level": [1], "n": [3], "n_dlt": [4]}, "n_dlt must be a whole number from 0 to 3, got 4"),
        ({"level": [1], "n": [3], "n_dlt": [None]}, "n_dlt must be a whole number"),
        ({"level": [1], "n": ["three"], "n_dlt": [0]}, "n must be a whole number"),
    ],
)
def test_an_audit_refuses_impossible_cohorts(cohorts, message):
    with pytest.raises(ValueError, match=message):
        audit(Boin(target=0.3), pd.DataFrame(cohorts), n_levels=2)


# What every design refuses, and keeps


@pytest.mark.parametrize("design", FIVE, ids=str)
@pytest.mark.parametrize(
    ("n", "n_dlt", "current", "message"),
    [
        ([3, 0], [4, 0], 1, "level 1 has more DLTs than subjects: 4 of 3"),
        ([3, -1], [0, 0], 1, "n must hold whole numbers from 0"),
        ([3, 0], [0], 1, "n and n_dlt must have one entry per level each"),
        ([3.5, 0], [0, 0], 1, "n must hold whole numbers"),
        ([3, 0], [0, 0], 0, "current must be a level from 1 to 2"),
        ([3, 0], [0, 0], 3, "current must be a level from 1 to 2"),
    ],
)
def test_impossible_counts_are_refused(design, n, n_dlt, current, message):
    with pytest.raises(ValueError, match=message):
        design.next_level(n, n_dlt, current)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (Boin, {"target": 0.04}, "target"),
        (Boin, {"target": 0.61}, "target"),
        (Boin, {"target": 0.3, "p_saf": 0.28}, "p_saf must be at most 0.27"),
        (Boin, {"target": 0.3, "p_tox": 0.32}, "p_tox must be at least 0.33"),
        (Boin, {"target": 0.3, "p_saf": 0.0}, "p_saf"),
        (Boin, {"target": 0.3, "offset": 0.5}, "offset"),
        (Boin, {"target": 0.3, "offset": 0.2, "cutoff_eli": 0.1}, "offset must be below cutoff_eli"),
        (Boin, {"target": 0.3, "cutoff_eli": 1.0}, "cutoff_eli"),
        (Boin, {"target": 0.3, "n_earlystop": 0}, "n_earlystop"),
        (Boin, {"target": 0.3, "p_safe": 0.1}, "p_safe"),
        (Boin, {"target": float("nan")}, "target"),
        (Keyboard, {"target": 0.05}, "margin_left must be below target = 0.05"),
        (Keyboard, {"target": 0.6, "margin_right": 0.4}, "margin_right must be below 1 - target"),
        (Mtpi, {"target": 0.3, "eps1": 0.3}, "eps1 must be below target"),
        (Mtpi, {"target": 0.3, "eps2": 0.7}, "eps2 must be below 1 - target"),
        (TiteBoin, {"target": 0.3, "window_days": 0}, "window_days"),
        (TiteBoin, {"target": 0.3, "max_pending_fraction": 1.1}, "max_pending_fraction"),
    ],
)
def test_settings_a_design_cannot_have_are_refused(kind, given, message):
    with pytest.raises(ValueError, match=message):
        kind(**given)


def test_rates_exactly_a_tenth_away_are_allowed():
    design = Boin(target=0.3, p_saf=0.27, p_tox=0.33)
    assert 0.27 < design.lambda_e < 0.3 < design.lambda_d < 0.33


@pytest.mark.parametrize("design", FIVE, ids=str)
def test_a_design_is_frozen_and_survives_pickling(design):
    assert pickle.loads(pickle.dumps(design)) == design
    with pytest.raises(ValueError, match="frozen"):
        design.target = 0.2
