"""Rule-based and interval designs against BOIN, Keyboard, escalation and TITEgBOIN, and exact enumeration."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7.designs import Boin, Keyboard, Mtpi, ThreePlusThree, TiteBoin, exact_oc, simulate, transition_paths
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally


def numbers(cell: object) -> NDArray[np.float64]:
    """A cell of numbers between semicolons, in dose order."""
    return np.array([float(part) if part else np.nan for part in str(cell).split(";")])


def _whole(cell: object) -> list[int]:
    return [int(part) for part in str(cell).split(";")]


@check("designs.boin_boundaries")
def boin_boundaries(bench: Bench, tally: Tally) -> None:
    """Boundaries for 1 to 30 subjects under 40 settings, with elimination and extra-safe stopping."""
    columns = ["escalate_le", "deescalate_ge", "eliminate_ge", "extrasafe_stop_ge"]
    table = bench.table("dose/boin_boundaries.csv")
    for key, rows in table.groupby(["target", "p_saf", "p_tox", "cutoff_eli", "offset"]):
        target, p_saf, p_tox, cutoff, offset = key
        design = Boin(
            target=target, p_saf=p_saf, p_tox=p_tox, cutoff_eli=cutoff, offset=offset, extrasafe=True
        )
        found = design.table(30)
        for name in columns:
            tally.numbers(f"{key} {name}", found[name].astype(float), rows[name], at=list(rows["n"]))
        lambdas = [rows["lambda_e"].iloc[0], rows["lambda_d"].iloc[0]]
        tally.numbers(f"{key} lambda", [design.lambda_e, design.lambda_d], lambdas, absolute=1e-12)


@check("designs.keyboard_boundaries")
def keyboard_boundaries(bench: Bench, tally: Tally) -> None:
    """Boundaries of the keyboard design; exact ties of two keys are settled for safety here."""
    table = bench.table("dose/keyboard_boundaries.csv")
    for key, rows in table.groupby(["target", "margin_l", "margin_r", "cutoff_eli"]):
        target, left, right, cutoff = key
        found = Keyboard(target=target, margin_left=left, margin_right=right, cutoff_eli=cutoff).table(24)
        for name in ("escalate_le", "deescalate_ge", "eliminate_ge"):
            ours, theirs = found[name].astype(float).to_numpy(), rows[name].to_numpy(float)
            tie = (target, left, right) == (0.4, 0.05, 0.1) and name == "deescalate_ge"
            half = tie & (ours == rows["n"].to_numpy() / 2) & (theirs == ours + 1)
            tally.numbers(f"{key} {name}", ours, theirs, at=list(rows["n"]), excuse=half,
                          exception="keyboard-ties" if name == "deescalate_ge" else "")  # fmt: skip


@check("designs.mtpi_decisions")
def mtpi_decisions(bench: Bench, tally: Tally) -> None:
    """Decisions of mTPI and mTPI-2 for every count, and unit probability masses."""
    table = bench.table("dose/mtpi_decisions.csv")
    for (kind, target, one, two, n), rows in table.groupby(["design", "target", "eps1", "eps2", "n"]):
        design = (
            Mtpi(target=target, eps1=one, eps2=two)
            if kind == "mtpi"
            else Keyboard(target=target, margin_left=one, margin_right=two)
        )
        limits = design.table(n).iloc[-1].fillna({"escalate_le": -1, "deescalate_ge": n + 1})
        up, down = rows["tox"] <= limits["escalate_le"], rows["tox"] >= limits["deescalate_ge"]
        decision = np.where(up, "E", np.where(down, "D", "S"))
        tally.words(f"{kind} {target} n = {n}", decision, rows["decision"], at=list(rows["tox"]))
    for row in bench.table("dose/mtpi_upm.csv").itertuples():
        found = Mtpi(target=row.target, eps1=row.eps1, eps2=row.eps2).upm(row.n, row.tox)
        theirs = (row.upm_under, row.upm_equiv, row.upm_over)
        tally.numbers(f"mass {row.tox}/{row.n}", np.array(found, float), theirs, relative=1e-10)


@check("designs.select_mtd")
def select_mtd(bench: Bench, tally: Tally) -> None:
    """Selected level of BOIN and keyboard with the isotonic estimates behind it."""
    for row in bench.table("dose/select_mtd.csv").itertuples():
        n, n_dlt = _whole(row.npts), _whole(row.ntox)
        given = {"target": row.target, "cutoff_eli": row.cutoff_eli, "extrasafe": row.extrasafe,
                 "offset": row.offset}  # fmt: skip
        found = Boin(**given, p_tox=row.p_tox, bound_mtd=row.bound_mtd).select_mtd(n, n_dlt)
        tally.numbers(f"{row.case_id} BOIN", [found.level or 99], [row.boin_mtd])
        for column, expected in (("estimate", row.phat_isotonic), ("prob_overdose", row.p_overdose_isotonic)):
            tally.numbers(
                f"{row.case_id} {column}", found.estimates[column], numbers(expected), absolute=1e-10
            )
        level = Keyboard(**given).select_mtd(n, n_dlt).level
        tally.numbers(f"{row.case_id} keyboard", [level or 99], [row.keyboard_mtd])


@check("designs.boin_exact")
def boin_exact(bench: Bench, tally: Tally) -> None:
    """Exact selection, subjects and DLTs per level; probability of the next level."""
    for row in bench.table("dose/boin_exact_oc.csv").itertuples():
        found = exact_oc(
            Boin(target=row.target, cutoff_eli=row.cutoff_eli),
            numbers(row.p_true),
            cohort_size=row.cohortsize,
            n_cohorts=row.ncohort,
            start_level=row.startdose,
        )
        what, theirs = f"{row.p_true}", [*numbers(row.prob_select), row.prob_no_mtd]
        tally.numbers(f"{what} selected", found.selection["estimate"], theirs, absolute=1e-9)
        tally.numbers(
            f"{what} subjects", found.n_per_level["estimate"], numbers(row.expected_n), absolute=1e-9
        )
        tally.numbers(
            f"{what} DLTs", found.dlt_per_level["estimate"], numbers(row.expected_dlt), absolute=1e-9
        )
    for row in bench.table("dose/boin_exact_next_dose.csv").itertuples():
        nodes = transition_paths(
            Boin(target=row.target),
            [row.cohort_size] * row.cohorts,
            n_levels=3,
            true_dlt=numbers(row.true_prob_tox),
        )
        ends = nodes[nodes["terminal"]]
        chances = ends["probability"].groupby(ends["next_level"].fillna(0)).sum()
        theirs = [*numbers(row.prob_next), row.prob_next_none]
        tally.numbers("next level", chances.reindex([1, 2, 3, 0], fill_value=0.0), theirs, absolute=1e-9)


@check("designs.boin_simulated")
def boin_simulated(bench: Bench, tally: Tally) -> None:
    """Simulated characteristics within 4 standard errors of both simulations, under one seed."""
    for row in bench.table("dose/boin_oc.csv").itertuples():
        design = Boin(target=row.target, n_earlystop=row.n_earlystop, titration=row.titration,
                      extrasafe=row.extrasafe, bound_mtd=row.bound_mtd)  # fmt: skip
        found = simulate(design, numbers(row.p_true), cohort_size=row.cohortsize, n_cohorts=row.ncohort,
                         start_level=row.startdose, n_trials=20_000, rng=7)  # fmt: skip
        for ours, expected, error in (
            (found.selection, [*numbers(row.sel_pct) / 100, row.stop_pct / 100],
             [*numbers(row.sel_pct_mcse) / 100, row.stop_pct_mcse / 100]),
            (found.n_per_level, numbers(row.n_per_dose), numbers(row.n_per_dose_mcse)),
            (found.dlt_per_level, numbers(row.dlt_per_dose), numbers(row.dlt_per_dose_mcse)),
        ):  # fmt: skip
            # A level neither ever selected or treated has no error: one trial in 20,000 stands for it.
            spread = np.maximum(np.hypot(ours["mcse"], error), 1 / 20_000)
            distance = (ours["estimate"].to_numpy() - np.asarray(expected)) / spread
            tally.numbers(f"{row.case_id} in standard errors", distance, np.zeros(len(distance)), absolute=4)


@check("designs.three_plus_three")
def three_plus_three(bench: Bench, tally: Tally) -> None:
    """Every path of the 3+3 design with and without de-escalation, and its exact characteristics."""
    nodes = {
        variant: transition_paths(ThreePlusThree(deescalate=variant), [3] * 6, n_levels=3).set_index("path")
        for variant in (False, True)
    }
    table = bench.table("dose/three_plus_three_paths.csv").dropna(subset="outcomes")
    for row in table.to_dict("records"):
        found = nodes[row["allow_deescalate"]].loc[row["outcomes"]]
        tally.words(f"{row['outcomes']} goes on", [found["action"] != "stop"], [bool(row["continue"])])
        tally.numbers(f"{row['outcomes']} level", [found["next_level"]], [row["recommended_dose"]])
    for exact in bench.table("dose/three_plus_three_exact_oc.csv").itertuples():
        oc = exact_oc(
            ThreePlusThree(deescalate=exact.allow_deescalate), numbers(exact.true_prob_tox), n_cohorts=6
        )
        theirs = [*numbers(exact.prob_select), exact.prob_select_none]
        tally.numbers(f"{exact.true_prob_tox}", oc.selection["estimate"], theirs, absolute=1e-9)


@check("designs.tite_boin")
def tite_boin(bench: Bench, tally: Tally) -> None:
    """Decisions with subjects pending: action, level, eliminated levels."""
    moves = {-1: "de-escalate", 0: "stay", 1: "escalate"}
    for row in bench.table("dose/tite_boin_next.csv").itertuples():
        design = TiteBoin(
            target=row.target, window_days=row.window_days, max_pending_fraction=row.max_pending_fraction,
            extrasafe=row.extrasafe, n_earlystop=row.n_earlystop,
        )  # fmt: skip
        found = design.next_level(
            _whole(row.n), _whole(row.y), row.current_dose, n_pending=_whole(row.n_pending),
            followup_days=numbers(row.total_followup_pending_days),
        )  # fmt: skip
        action = moves[0 if pd.isna(row.next_dose) else int(np.sign(row.next_dose - row.current_dose))]
        if row.earlystop or row.stop:
            action = "stop"
        elif row.suspend_or_pending:
            action = "suspend"
        gone = tuple(level for level, out in enumerate(_whole(row.eliminated), start=1) if out)
        tally.words(f"{row.case_id}", [found.action, found.level, found.eliminated],
                    [action, None if row.earlystop else row.next_dose, gone])  # fmt: skip
