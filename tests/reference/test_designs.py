"""Rule-based and interval designs equal the reference numbers of tests/data/dose (tolerances stated there)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7.designs import (
    Boin,
    Keyboard,
    Mtpi,
    ThreePlusThree,
    TiteBoin,
    exact_oc,
    simulate,
    transition_paths,
)

FOLDER = Path(__file__).parents[1] / "data" / "dose"


def read(name):
    return pd.read_csv(FOLDER / f"{name}.csv")


def told(capsys, what, compared):
    with capsys.disabled():
        print(f"\n  {what}: {compared} rows equal")


def numbers(cell):
    return np.array([float(part) if part else np.nan for part in str(cell).split(";")])


def whole(cell):
    return [int(part) for part in str(cell).split(";")]


def differing(found, expected):
    expected = expected.astype("Int64").reset_index(drop=True)
    same = (found == expected) | (found.isna() & expected.isna())
    return expected.loc[~same.fillna(False).all(axis=1), "n"].tolist()


def test_boin_tables_equal_the_r_package(capsys):
    table = read("boin_boundaries")
    columns = ["n", "escalate_le", "deescalate_ge", "eliminate_ge", "extrasafe_stop_ge"]
    for key, rows in table.groupby(["target", "p_saf", "p_tox", "cutoff_eli", "offset"]):
        target, p_saf, p_tox, cutoff, offset = key
        design = Boin(
            target=target, p_saf=p_saf, p_tox=p_tox, cutoff_eli=cutoff, offset=offset, extrasafe=True
        )
        assert differing(design.table(30), rows[columns]) == []
        assert design.lambda_e == pytest.approx(rows["lambda_e"].iloc[0], abs=1e-12)
        assert design.lambda_d == pytest.approx(rows["lambda_d"].iloc[0], abs=1e-12)
    assert len(table) == 1200
    told(capsys, "BOIN boundaries", len(table))


def test_keyboard_tables_equal_the_r_package_but_for_exact_ties(capsys):
    """With the target key (0.35, 0.5) and n / 2 DLTs the keys (0.35, 0.5) and (0.5, 0.65) are mirror images.

    The package settles them by rounding; here the safer key decides, so n / 2 DLTs de-escalate.
    """
    table, ties = read("keyboard_boundaries"), []
    columns = ["n", "escalate_le", "deescalate_ge", "eliminate_ge"]
    for key, rows in table.groupby(["target", "margin_l", "margin_r", "cutoff_eli"]):
        target, left, right, cutoff = key
        found = Keyboard(target=target, margin_left=left, margin_right=right, cutoff_eli=cutoff).table(24)
        for n in differing(found, rows[columns]):
            ours, theirs = found.set_index("n").loc[n], rows.set_index("n").loc[n]
            assert ours["deescalate_ge"] == n / 2 == theirs["deescalate_ge"] - 1
            assert ours["escalate_le"] == theirs["escalate_le"]
            assert ours["eliminate_ge"] == theirs["eliminate_ge"]
            ties.append((target, left, right, n))
    assert {tie[:3] for tie in ties} == {(0.4, 0.05, 0.1)}
    assert (len(table), len(ties)) == (768, 10)
    told(capsys, "keyboard boundaries (10 exact ties apart)", len(table) - len(ties))


def test_mtpi_and_mtpi2_decisions_equal_the_r_package(capsys):
    table = read("mtpi_decisions")
    for (kind, target, one, two, n), rows in table.groupby(["design", "target", "eps1", "eps2", "n"]):
        if kind == "mtpi":
            design = Mtpi(target=target, eps1=one, eps2=two)
        else:
            design = Keyboard(target=target, margin_left=one, margin_right=two)
        limits = design.table(n).iloc[-1].fillna({"escalate_le": -1, "deescalate_ge": n + 1})
        for row in rows.itertuples():
            up, down = row.tox <= limits["escalate_le"], row.tox >= limits["deescalate_ge"]
            assert row.decision == ("E" if up else "D" if down else "S")
    assert len(table) == 630
    told(capsys, "mTPI and mTPI-2 decisions", len(table))


def test_unit_probability_masses_equal_the_closed_form(capsys):
    table = read("mtpi_upm")
    for row in table.itertuples():
        found = Mtpi(target=row.target, eps1=row.eps1, eps2=row.eps2).upm(row.n, row.tox)
        assert found == pytest.approx((row.upm_under, row.upm_equiv, row.upm_over), rel=1e-10)
    assert len(table) == 270
    told(capsys, "unit probability masses", len(table))


def test_selections_and_isotonic_estimates_equal_boin_and_keyboard(capsys):
    table, by_keyboard = read("select_mtd"), 0
    for row in table.itertuples():
        n, n_dlt = whole(row.npts), whole(row.ntox)
        given = {"target": row.target, "cutoff_eli": row.cutoff_eli, "extrasafe": row.extrasafe,
                 "offset": row.offset}  # fmt: skip
        found = Boin(**given, p_tox=row.p_tox, bound_mtd=row.bound_mtd).select_mtd(n, n_dlt)
        assert (found.level or 99) == row.boin_mtd, row.case_id
        for column, expected in (("estimate", row.phat_isotonic), ("prob_overdose", row.p_overdose_isotonic)):
            np.testing.assert_allclose(found.estimates[column], numbers(expected), rtol=0, atol=1e-10)
        if not pd.isna(row.keyboard_mtd):
            by_keyboard += 1
            assert (Keyboard(**given).select_mtd(n, n_dlt).level or 99) == row.keyboard_mtd, row.case_id
    assert (len(table), by_keyboard) == (100, 100)
    told(capsys, "selections of BOIN and keyboard", 2 * len(table))


def test_exact_characteristics_of_boin_equal_the_enumeration(capsys):
    table = read("boin_exact_oc")
    for row in table.itertuples():
        found = exact_oc(
            Boin(target=row.target, cutoff_eli=row.cutoff_eli), numbers(row.p_true), cohort_size=row.cohortsize,
            n_cohorts=row.ncohort, start_level=row.startdose,
        )  # fmt: skip
        expected = [*numbers(row.prob_select), row.prob_no_mtd]
        np.testing.assert_allclose(found.selection["estimate"], expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.n_per_level["estimate"], numbers(row.expected_n), rtol=0, atol=1e-9)
        np.testing.assert_allclose(
            found.dlt_per_level["estimate"], numbers(row.expected_dlt), rtol=0, atol=1e-9
        )
    assert len(table) == 48
    told(capsys, "exact characteristics of BOIN", len(table))


def test_simulated_characteristics_of_boin_agree_with_the_r_package(capsys):
    table, compared = read("boin_oc"), 0
    for row in table.itertuples():
        design = Boin(target=row.target, n_earlystop=row.n_earlystop, titration=row.titration,
                      extrasafe=row.extrasafe, bound_mtd=row.bound_mtd)  # fmt: skip
        found = simulate(design, numbers(row.p_true), cohort_size=row.cohortsize, n_cohorts=row.ncohort,
                         start_level=row.startdose, n_trials=40_000, rng=7)  # fmt: skip
        pairs = (
            (found.selection, [*numbers(row.sel_pct) / 100, row.stop_pct / 100],
             [*numbers(row.sel_pct_mcse) / 100, row.stop_pct_mcse / 100]),
            (found.n_per_level, numbers(row.n_per_dose), numbers(row.n_per_dose_mcse)),
            (found.dlt_per_level, numbers(row.dlt_per_dose), numbers(row.dlt_per_dose_mcse)),
        )  # fmt: skip
        for ours, expected, error in pairs:
            spread = np.hypot(ours["mcse"], error)
            # A level neither ever selected or treated has no error: one trial in 20,000 stands for it.
            assert (np.abs(ours["estimate"] - expected) <= 4 * np.maximum(spread, 1 / 20_000)).all(), (
                row.case_id
            )
            compared += len(spread)
    assert len(table) == 12
    told(capsys, "simulated characteristics of BOIN, numbers", compared)


def test_probabilities_of_the_next_level_equal_the_r_package(capsys):
    table = read("boin_exact_next_dose")
    for row in table.itertuples():
        nodes = transition_paths(
            Boin(target=row.target), [row.cohort_size] * row.cohorts, n_levels=3,
            true_dlt=numbers(row.true_prob_tox),
        )  # fmt: skip
        ends = nodes[nodes["terminal"]]
        found = (
            ends["probability"]
            .groupby(ends["next_level"].fillna(0))
            .sum()
            .reindex([1, 2, 3, 0], fill_value=0.0)
        )
        expected = [*numbers(row.prob_next), row.prob_next_none]
        np.testing.assert_allclose(found.to_numpy(), expected, rtol=0, atol=1e-9)
    assert len(table) == 8
    told(capsys, "probabilities of the next level", len(table))


def test_three_plus_three_paths_equal_the_r_package(capsys):
    table = read("three_plus_three_paths")
    nodes = {
        variant: transition_paths(ThreePlusThree(deescalate=variant), [3] * 6, n_levels=3).set_index("path")
        for variant in (False, True)
    }
    compared = 0
    for variant, path, level, goes_on in table[
        ["allow_deescalate", "outcomes", "recommended_dose", "continue"]
    ].itertuples(index=False):
        if pd.isna(path):  # before the first cohort
            continue
        found = nodes[variant].loc[path]
        assert (found["action"] != "stop") == goes_on, path
        assert (0 if pd.isna(found["next_level"]) else found["next_level"]) == (
            0 if pd.isna(level) else level
        ), path
        compared += 1
    assert (len(table), compared) == (143, 141)
    told(capsys, "paths of 3+3", compared)


def test_three_plus_three_probabilities_equal_the_r_package(capsys):
    table = read("three_plus_three_exact_oc")
    for row in table.itertuples():
        found = exact_oc(
            ThreePlusThree(deescalate=row.allow_deescalate), numbers(row.true_prob_tox), n_cohorts=6
        )
        expected = [*numbers(row.prob_select), row.prob_select_none]
        np.testing.assert_allclose(found.selection["estimate"], expected, rtol=0, atol=1e-9)
    assert len(table) == 13
    told(capsys, "exact characteristics of 3+3", len(table))


def test_tite_boin_decisions_equal_the_r_package(capsys):
    table = read("tite_boin_next")
    for row in table.itertuples():
        design = TiteBoin(
            target=row.target, window_days=row.window_days, max_pending_fraction=row.max_pending_fraction,
            extrasafe=row.extrasafe, n_earlystop=row.n_earlystop,
        )  # fmt: skip
        found = design.next_level(
            whole(row.n), whole(row.y), row.current_dose, n_pending=whole(row.n_pending),
            followup_days=numbers(row.total_followup_pending_days),
        )  # fmt: skip
        if row.earlystop or row.stop:
            action = "stop"
        elif row.suspend_or_pending:
            action = "suspend"
        else:
            moves = {-1: "de-escalate", 0: "stay", 1: "escalate"}
            action = moves[int(np.sign(row.next_dose - row.current_dose))]
        eliminated = tuple(level for level, gone in enumerate(whole(row.eliminated), start=1) if gone)
        expected = (action, None if row.earlystop else row.next_dose, eliminated)
        assert (found.action, found.level, found.eliminated) == expected, row.case_id
    assert len(table) == 60
    told(capsys, "TITE-BOIN decisions", len(table))
