"""What holds for rule-based and interval designs whatever the data."""

from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaincc

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

INTERVAL = (
    Boin(target=0.3),
    Boin(target=0.25, extrasafe=True, n_earlystop=6),
    Boin(target=0.2, p_saf=0.1, p_tox=0.35, cutoff_eli=0.9),
    Keyboard(target=0.3),
    Keyboard(target=0.4, margin_right=0.1, extrasafe=True, n_earlystop=9),
    Mtpi(target=0.33, eps2=0.03),
    TiteBoin(target=0.3, n_earlystop=6),
)
DESIGNS = (*INTERVAL, ThreePlusThree(), ThreePlusThree(deescalate=True))
ORDER = {"stop": 0, "de-escalate": 1, "stay": 2, "escalate": 3}


def named(design):
    return str(design)


def counts(levels=4, most=9):
    cell = st.integers(0, most).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
    return st.lists(cell, min_size=1, max_size=levels)


def eliminated_from(design, n, dlt):
    """The lowest eliminated level by the definition, one level after the other."""
    from_n = {Boin: 3, TiteBoin: 3, Keyboard: 1, Mtpi: 2}[type(design)]
    for level, (treated, toxic) in enumerate(zip(n, dlt, strict=True), start=1):
        chance = betaincc(1 + toxic, 1 + treated - toxic, design.target)
        if treated >= from_n and toxic > 0 and chance > design.cutoff_eli:
            return level
        stricter = level == 1 and getattr(design, "extrasafe", False)
        if stricter and treated >= 3 and toxic > 0 and chance > design.cutoff_eli - design.offset:
            return 1
    return len(n) + 1


@cache
def wish(design, n, toxic):
    """Up (1), stay (0) or down (-1) by the definition, at a level with subjects."""
    if isinstance(design, Boin | TiteBoin):
        return 1 if toxic / n <= design.lambda_e else -1 if toxic / n >= design.lambda_d else 0
    if isinstance(design, Mtpi):
        masses = design.upm(n, toxic)
        return 1 - int(np.argmax(masses))
    left, right = design.target - design.margin_left, design.target + design.margin_right
    grid = np.linspace(0, 1, 200_001)
    cumulative = 1 - betaincc(1 + toxic, 1 + n - toxic, grid)
    edges = [left, right]
    while edges[0] > 1e-9:
        edges.insert(0, max(edges[0] - (right - left), 0.0))
    while edges[-1] < 1 - 1e-9:
        edges.append(min(edges[-1] + (right - left), 1.0))
    density = np.diff(np.interp(edges, grid, cumulative)) / np.diff(edges)
    strongest = max(range(len(density)), key=lambda key: (round(density[key], 7), key))
    target_key = int(np.argmin(np.abs(np.array(edges) - left)))
    return int(np.sign(target_key - strongest))


def interval_step(design, n, dlt, current):
    """Next level and stop by the definition, for one trial."""
    first, levels = eliminated_from(design, n, dlt), len(n)
    if first == 1:
        return current, True
    if current >= first:
        return first - 1, False
    treated = n[current - 1]
    move = wish(design, treated, dlt[current - 1]) if treated else 0
    if move > 0 and (current == levels or current + 1 >= first):
        move = 0
    if move < 0 and current == 1:
        move = 0
    return current + move, move == 0 and treated >= getattr(design, "n_earlystop", 10**9)


def three_plus_three_step(deescalate, n, dlt, current):
    """Next level, stop and recommendation of 3+3 by the definition, for one trial."""
    treated, toxic, levels = n[current - 1], dlt[current - 1], len(n)
    if treated in (0, 1, 2, 4, 5) or (treated == 3 and toxic == 1):
        return current, False, 0
    if toxic <= 1:
        if current == levels or n[current] >= 6 or dlt[current] >= 2:
            return current, True, current
        return current + 1, False, 0
    if not deescalate:
        return current, True, current - 1
    if current > 1 and n[current - 2] < 6:
        return current - 1, False, 0
    sound = [level for level in range(1, current) if n[level - 1] >= 6 and dlt[level - 1] <= 1]
    return current, True, max(sound, default=0)


def small_tables(sizes, levels):
    cells = [(n, toxic) for n in sizes for toxic in range(n + 1)]
    for table in product(cells, repeat=levels):
        yield [cell[0] for cell in table], [cell[1] for cell in table]


def asked_at_once(design, tables, current):
    n = np.array([table[0] for table in tables], dtype=np.int64)
    dlt = np.array([table[1] for table in tables], dtype=np.int64)
    at = np.full(len(n), current, dtype=np.int64)
    last = n[:, current - 1]
    return design.steps(n, dlt, at, last_n=last, last_dlt=dlt[:, current - 1])


@pytest.mark.parametrize("design", INTERVAL, ids=named)
def test_many_decisions_at_once_follow_the_definition_on_all_small_tables(design):
    tables = list(small_tables((0, 1, 2, 3, 6), levels=2))
    for current in (1, 2):
        steps = asked_at_once(design, tables, current)
        expected = [interval_step(design, n, dlt, current) for n, dlt in tables]
        assert list(zip(steps.level.tolist(), steps.stop.tolist(), strict=True)) == expected


@pytest.mark.parametrize("deescalate", [False, True])
def test_many_3_plus_3_decisions_at_once_follow_the_definition(deescalate):
    tables = list(small_tables((0, 3, 6), levels=3))
    for current in (1, 2, 3):
        steps = asked_at_once(ThreePlusThree(deescalate=deescalate), tables, current)
        expected = [three_plus_three_step(deescalate, n, dlt, current) for n, dlt in tables]
        found = zip(steps.level.tolist(), steps.stop.tolist(), steps.recommended.tolist(), strict=True)
        assert list(found) == expected


@pytest.mark.parametrize("design", DESIGNS, ids=named)
def test_one_decision_is_the_decision_of_many(design):
    tables = list(small_tables((0, 1, 3, 6), levels=2))
    for current in (1, 2):
        steps = asked_at_once(design, tables, current)
        for row, (n, dlt) in enumerate(tables):
            decision = design.next_level(n, dlt, current)
            assert (decision.action == "stop") == steps.stop[row]
            if decision.action != "stop":
                assert decision.level == steps.level[row]
                assert ORDER[decision.action] - 2 == np.sign(decision.level - current)
                assert isinstance(design, ThreePlusThree) or decision.level not in decision.eliminated
            assert decision.reason


@pytest.mark.parametrize("design", INTERVAL, ids=named)
@given(table=counts(), place=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_more_dlts_never_lead_higher(design, table, place):
    n, dlt = [cell[0] for cell in table], [cell[1] for cell in table]
    current = place % len(n) + 1

    def leads_to(toxic):
        decision = design.next_level(n, [*dlt[: current - 1], toxic, *dlt[current:]], current)
        return 0 if decision.level is None else decision.level

    levels = [leads_to(toxic) for toxic in range(n[current - 1] + 1)]
    assert levels == sorted(levels, reverse=True)


@pytest.mark.parametrize("design", INTERVAL, ids=named)
def test_tables_never_fall_and_never_contradict_themselves(design):
    table = design.table(60)
    up, down = table["escalate_le"].fillna(-1), table["deescalate_ge"].fillna(table["n"] + 1)
    gone = table["eliminate_ge"].fillna(table["n"] + 1)
    assert (up < down).all()
    assert (down <= gone).all()
    for limit in (up, down):
        assert limit.diff().dropna().between(0, 1).all()
    assert table.head(9).equals(design.table(9))


@given(table=counts(levels=6))
@settings(max_examples=80, deadline=None)
def test_estimates_increase_lie_within_their_limits_and_a_selected_level_was_tried(table):
    n, dlt = [cell[0] for cell in table], [cell[1] for cell in table]
    found = Boin(target=0.3).select_mtd(n, dlt)
    shown = found.estimates
    assert shown["estimate"].isna().tolist() == [treated == 0 for treated in n]
    tried = shown.dropna()
    assert (tried[["estimate", "ci_low", "ci_high", "prob_overdose"]].diff().dropna() >= -1e-12).all(
        axis=None
    )
    assert ((tried["ci_low"] <= tried["estimate"]) & (tried["estimate"] <= tried["ci_high"])).all()
    if found.level is not None:
        assert n[found.level - 1] > 0
        assert found.level < eliminated_from(Boin(target=0.3), n, dlt)


@given(table=counts(levels=5))
@settings(max_examples=80, deadline=None)
def test_an_untried_level_below_or_above_only_renumbers_the_selection(table):
    n, dlt = [cell[0] for cell in table], [cell[1] for cell in table]
    for design in (
        Boin(target=0.25),
        Keyboard(target=0.3),
        Mtpi(target=0.2),
        Boin(target=0.3, bound_mtd=True),
    ):
        level = design.select_mtd(n, dlt).level
        lifted = design.select_mtd([0, *n], [0, *dlt]).level
        assert lifted == (None if level is None else level + 1)
        assert design.select_mtd([*n, 0], [*dlt, 0]).level == level


def pooled(values, weights):
    """Pool adjacent violators, the first pair that falls, until none does."""
    blocks = [[value, weight, 1] for value, weight in zip(values, weights, strict=True)]
    place = 0
    while place + 1 < len(blocks):
        (a, wa, ka), (b, wb, kb) = blocks[place], blocks[place + 1]
        if a > b:
            blocks[place : place + 2] = [[(a * wa + b * wb) / (wa + wb), wa + wb, ka + kb]]
            place = max(place - 1, 0)
        else:
            place += 1
    return [value for value, _, size in blocks for _ in range(size)]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1000), st.booleans()), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_isotonic_regression_equals_pooling_adjacent_violators(entries):
    values, weights, present = (np.array(column) for column in zip(*entries, strict=True))
    found = isotonic(np.array([values, values[::-1]]), np.array([weights, weights[::-1]]),
                     np.array([present, present[::-1]]))  # fmt: skip
    for row, order in zip(found, (slice(None), slice(None, None, -1)), strict=True):
        kept = present[order]
        np.testing.assert_allclose(
            row[kept], pooled(values[order][kept], weights[order][kept]), rtol=0, atol=1e-12
        )
        assert np.isnan(row[~kept]).all()


SCENARIOS = [
    (DESIGNS[place % len(DESIGNS)], np.sort(np.random.default_rng(place).uniform(0.02, 0.7, 2 + place % 3)))
    for place in range(20)
]


@pytest.mark.parametrize("place", range(20))
def test_exact_and_simulated_characteristics_agree(place):
    design, rates = SCENARIOS[place]
    conduct = {"n_cohorts": 2 * len(rates), "start_level": 1 + place % 2}
    exact = exact_oc(design, rates, **conduct)
    chance = simulate(design, rates, n_trials=4000, rng=100 + place, **conduct)
    assert exact.selection["estimate"].sum() == pytest.approx(1, abs=1e-12)
    assert (exact.selection["mcse"] == 0).all()
    expected_dlt = exact.n_per_level["estimate"].to_numpy() * rates
    np.testing.assert_allclose(exact.dlt_per_level["estimate"], expected_dlt, rtol=0, atol=1e-10)
    for name in ("selection", "n_per_level", "dlt_per_level"):
        ours, theirs = getattr(exact, name)["estimate"], getattr(chance, name)
        spread = np.maximum(theirs["mcse"], np.sqrt(ours.clip(0, 1) * (1 - ours.clip(0, 1)) / 4000))
        assert (np.abs(ours - theirs["estimate"]) <= 4 * spread + 1 / 4000).all(), name


def test_simulations_have_the_same_numbers_for_every_number_of_workers():
    given = {"n_trials": 12_000, "n_cohorts": 3, "rng": 5}
    alone = simulate(Boin(target=0.3), [0.1, 0.3, 0.5], **given)
    shared = simulate(Boin(target=0.3), [0.1, 0.3, 0.5], n_jobs=2, **given)
    for name in ("selection", "n_per_level", "dlt_per_level"):
        pd.testing.assert_frame_equal(getattr(alone, name), getattr(shared, name), check_exact=True)


@pytest.mark.parametrize("design", DESIGNS, ids=named)
def test_paths_are_a_probability_tree_and_audits_of_them_find_nothing(design):
    rates = [0.1, 0.3]
    nodes = transition_paths(design, [3, 3, 3], n_levels=2, true_dlt=rates)
    assert nodes.loc[nodes["terminal"], "probability"].sum() == pytest.approx(1, abs=1e-12)
    assert nodes["path"].is_unique
    first = nodes.loc[nodes["cohort"] == 1, "probability"]
    assert first.tolist() == pytest.approx([0.729, 0.243, 0.027, 0.001], abs=1e-12)
    for path in nodes.loc[nodes["terminal"], "path"]:
        cohorts = [(int(part[0]), 3, part.count("T")) for part in path.split()]
        found = audit(design, pd.DataFrame(cohorts, columns=["level", "n", "n_dlt"]), n_levels=2)
        assert found["concordant"].isna().tolist() == [False] * (len(cohorts) - 1) + [True]
        assert found["concordant"].dropna().all()


@pytest.mark.parametrize("deescalate", [False, True])
def test_3_plus_3_recommendations_by_paths_are_those_of_exact_characteristics(deescalate):
    design, rates = ThreePlusThree(deescalate=deescalate), [0.08, 0.2, 0.45]
    nodes = transition_paths(design, [3] * 6, n_levels=3, true_dlt=rates)
    ends = nodes[nodes["terminal"]]
    by_paths = (
        ends["probability"].groupby(ends["next_level"].fillna(0)).sum().reindex([1, 2, 3, 0], fill_value=0.0)
    )
    exact = exact_oc(design, rates, n_cohorts=6).selection["estimate"]
    np.testing.assert_allclose(by_paths.to_numpy(), exact, rtol=0, atol=1e-12)


@given(table=counts(levels=3), place=st.integers(0, 2), pending=st.integers(0, 9), days=st.floats(0, 28))
@settings(max_examples=80, deadline=None)
def test_longer_follow_up_without_dlt_never_leads_lower(table, place, pending, days):
    n, dlt = [cell[0] for cell in table], [cell[1] for cell in table]
    current = place % len(n) + 1
    waiting = [0] * len(n)
    waiting[current - 1] = min(pending, n[current - 1] - dlt[current - 1])
    design = TiteBoin(target=0.3, max_pending_fraction=1.0)

    def leads_to(each):
        followed = [each * count for count in waiting]
        decision = design.next_level(n, dlt, current, n_pending=waiting, followup_days=followed)
        return 0 if decision.level is None else decision.level

    assert leads_to(days) <= leads_to(28)
    complete = design.next_level(n, dlt, current)
    if leads_to(28) and not (current == 1 and waiting[0]):
        assert leads_to(28) == complete.level
