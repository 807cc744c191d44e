"""Model designs against dfcrm, trialr, crmPack, escalation and exact quadrature."""

from typing import Any

import numpy as np
import pandas as pd

from cart7 import designs
from cart7.validation.areas.designs import numbers
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

THALL = {"alpha": (-7.9593, 3.5487), "beta": (1.5482, 3.5018), "gamma": (0.7367, 2.5423),
         "zeta": (3.4181, 2.4406), "eta": (0.0, 0.2), "psi": (0.0, 1.0)}  # fmt: skip
EFFTOX_CASES = 1
"""Trials of EffTox compared here; each costs seconds, the test suite compares all eight."""


@check("models.crm")
def crm(bench: Bench, tally: Tally) -> None:
    """Posterior by exact quadrature (1e-8) and by dfcrm (1e-4, its own accuracy)."""
    cases = bench.table("dose/crm_posterior.csv")
    cases = cases[cases["error"].isna() | ~cases["error"].str.contains("alp0|too small", na=False)]
    for row in cases.itertuples():
        design = designs.Crm(
            skeleton=tuple(numbers(row.skeleton)),
            target=row.target,
            model=row.model,
            method=row.method,
            scale=float(row.scale),
            intercept=row.intcpt,
        )
        weight = numbers(row.weights) if isinstance(row.weights, str) else None
        given = {"level": numbers(row.level), "dlt": numbers(row.tox), "weight": weight}
        if row.error == "mle does not exist!":
            tally.claim(f"{row.Index} has no maximum", _refused(design, given))
            continue
        found = design.posterior(**given)
        if not pd.isna(row.estimate_exact):
            theirs = [row.estimate_exact, row.post_var_exact]
            tally.numbers("estimate", [found.estimate, found.variance], theirs, absolute=1e-8)
            for ours, cell in (("ptox", row.ptox_plugin_exact), ("ptox_mean", row.ptox_posterior_mean_exact)):
                tally.numbers(ours, found.levels[ours], numbers(cell), absolute=1e-8)
            tally.words("level", [found.recommended_level], [row.mtd_exact])
        if not pd.isna(row.estimate):
            tally.numbers("dfcrm estimate", [found.estimate], [row.estimate], absolute=1e-4)
            pairs = [("ptox", row.ptox)]
            if row.method == "bayes":
                pairs += [("ptox_low", row.ptox_lo90), ("ptox_high", row.ptox_hi90)]
            for ours, cell in pairs:
                tally.numbers(f"dfcrm {ours}", found.levels[ours], numbers(cell), absolute=1e-4)
            tally.words("dfcrm level", [found.recommended_level], [row.mtd])


def _refused(design: designs.Crm, given: dict[str, Any]) -> bool:
    try:
        design.posterior(**given)
    except ValueError as error:
        return "no maximum of the likelihood" in str(error)
    return False


@check("models.crm_skeletons")
def crm_skeletons(bench: Bench, tally: Tally) -> None:
    """Skeletons of the indifference interval."""
    for row in bench.table("dose/crm_getprior.csv").itertuples():
        found = designs.indifference_skeleton(
            row.halfwidth, row.target, row.nu, row.nlevel, model=row.model, intercept=row.intcpt
        )
        tally.numbers(f"{row.model} {row.halfwidth}", found, numbers(row.skeleton), relative=1e-9)


@check("models.crm_trials")
def crm_trials(bench: Bench, tally: Tally) -> None:
    """Exact characteristics within 4 standard errors of 400 simulated trials."""
    for row in bench.table("dose/crm_oc.csv").itertuples():
        design = designs.Crm(skeleton=tuple(numbers(row.skeleton)), target=row.target)
        found = designs.exact_oc(
            design, numbers(row.p_true), cohort_size=row.cohortsize, n_cohorts=row.n // row.cohortsize
        )
        share = found.selection["estimate"].to_numpy()[:-1]
        distance = (share - numbers(row.sel_prop)) / np.maximum(numbers(row.sel_mcse), 1 / 400)
        tally.numbers("selected, in standard errors", distance, np.zeros(len(distance)), absolute=4)
        tally.numbers("subjects", [found.n_per_level["estimate"].sum()], [row.n], absolute=1e-9)


@check("models.blrm")
def blrm(bench: Bench, tally: Tally) -> None:
    """Moments, interval probabilities, overdose control and level by nested quadrature."""
    for row in bench.table("dose/blrm_quadrature.csv").itertuples():
        design = designs.Blrm(
            doses=tuple(numbers(row.doses)), ref_dose=row.ref_dose,
            prior_mean=(row.prior_mean_a, row.prior_mean_logb), prior_sd=(row.prior_sd_a, row.prior_sd_logb),
            prior_rho=row.prior_rho, target=(row.target_lo, row.target_hi), ewoc=row.ewoc_limit,
        )  # fmt: skip
        found = design.posterior(numbers(row.n), numbers(row.tox))
        what = f"case {row.Index}"
        tally.numbers(
            f"{what} estimate", found.estimate, [row.post_mean_a, row.post_mean_logb], absolute=1e-8
        )
        for ours, cell in (("mean", row.mean_ptox), ("sd", row.sd_ptox), ("prob_under", row.p_under),
                           ("prob_target", row.p_target), ("prob_over", row.p_over)):  # fmt: skip
            tally.numbers(f"{what} {ours}", found.levels[ours], numbers(cell), absolute=1e-8)
        tally.numbers(
            f"{what} admissible", found.levels["admissible"].astype(float), numbers(row.ewoc_admissible)
        )
        tally.words(f"{what} level", [found.recommended_level or 0], [row.max_ptarget_admissible_dose])


@check("models.blrm_draws")
def blrm_draws(bench: Bench, tally: Tally) -> None:
    """Draws of trialr (within 5 standard errors) and of crmPack (0.02, its noise)."""
    design = designs.Blrm(
        doses=(10.0, 20.0, 40.0, 65.0, 90.0),
        ref_dose=60,
        prior_mean=(2.15, 0.52),
        prior_sd=(0.84, 0.8),
        target=(0.16, 0.33),
    )
    for row in bench.table("dose/blrm_trialr_nbg.csv").itertuples():
        n, tox = np.zeros(5), np.zeros(5)
        for cohort in row.outcomes.split():
            n[int(cohort[0]) - 1] += len(cohort) - 1
            tox[int(cohort[0]) - 1] += cohort.count("T")
        found = design.posterior(n, tox).levels
        distance = (found["mean"] - numbers(row.prob_tox)) / numbers(row.prob_tox_mcse)
        tally.numbers("mean, in standard errors", distance, np.zeros(5), absolute=5)
        tally.numbers("overdose", found["prob_over"], numbers(row.p_over_33), absolute=0.02)
    doses = np.array([0.25, 0.5, 1.0, 2.0, 4.0])
    design = designs.Blrm(
        doses=tuple(doses),
        ref_dose=1,
        prior_mean=(-0.85, 0.0),
        prior_sd=(1.0, 1.0),
        prior_rho=-0.5,
        target=(0.2, 0.35),
    )
    for row in bench.table("dose/blrm_crmpack.csv").itertuples():
        given, tox = numbers(row.dose_mg), numbers(row.tox)
        n = np.array([(given == dose).sum() for dose in doses], dtype=float)
        found = design.posterior(n, [tox[given == dose].sum() for dose in doses]).levels
        for ours, cell in (("mean", row.mean_prob), ("prob_target", row.p_target_020_035),
                           ("prob_over", row.p_overdose_gt035)):  # fmt: skip
            tally.numbers(f"crmPack {ours}", found[ours], numbers(cell), absolute=0.02)


@check("models.boin12")
def boin12(bench: Bench, tally: Tally) -> None:
    """Utilities by their closed form, rank-based desirability, and the next level."""
    for row in bench.table("dose/utility_posterior.csv").itertuples():
        worth = (row.u1_eff_notox, row.u2_noeff_notox, row.u3_eff_tox, row.u4_noeff_tox)
        counts = [(row.y1, row.y2, row.y3, row.y4)]
        design = designs.Boin12(phi_t=row.phi_t, phi_e=row.phi_e, utilities=worth)
        found = design.posterior(counts).levels.iloc[0]
        ours = [
            design.lower_bound,
            design.benchmark,
            *found[
                [
                    "pds",
                    "utility_mean",
                    "utility_low",
                    "utility_high",
                    "prob_dlt_exceeds",
                    "prob_response_below",
                ]
            ],
        ]
        theirs = [
            row.u_lower_bound,
            row.u_benchmark,
            row.boin12_pds,
            row.boin12_post_mean_utility,
            row.boin12_utility_q025,
            row.boin12_utility_q975,
            row.prob_tox_exceeds,
            row.prob_eff_below,
        ]
        tally.numbers("utility", ours, theirs, absolute=1e-10)
        tally.words("admissible", [bool(found["admissible"])], [bool(row.admissible_c95_c90)])
        other = designs.UBoin(
            phi_t=row.phi_t, phi_e=row.phi_e, utilities=worth, prior=row.dirichlet_prior_each
        )
        mean = other.posterior(counts).levels["utility_mean"].iloc[0]
        tally.numbers("U-BOIN", [mean], [row.uboin_post_mean_utility], absolute=1e-10)
    _desirability_ranks(bench, tally)
    _next_levels(bench, tally)


def _desirability_ranks(bench: Bench, tally: Tally) -> None:
    cases = bench.table("dose/boin12_rds.csv")
    for key, rows in cases.groupby(["phi_t", "phi_e", "u2", "u3", "c_t", "c_e", "sample_sizes"]):
        phi_t, phi_e, u2, u3, c_t, c_e, sizes = key
        design = designs.Boin12(phi_t=phi_t, phi_e=phi_e, utilities=(100, u2, u3, 0), c_t=c_t, c_e=c_e)
        found = design.rds_table(tuple(int(size) for size in sizes.split(";")))
        found = found.set_index(["n", "n_dlt", "n_eff"])
        place = list(zip(rows["n"], rows["tox"], rows["eff"], strict=True))
        tally.numbers(
            "rank-based desirability", found.loc[place, "rds"], rows["rds"], absolute=1e-9, at=place
        )


def _next_levels(bench: Bench, tally: Tally) -> None:
    """In three cases the peer assigns a level that its own rule excludes."""
    for row in bench.table("dose/boin12_next_dose.csv").itertuples():
        design = designs.Boin12(phi_t=row.phi_t, phi_e=row.phi_e, utilities=(100, row.u2, row.u3, row.u4),
                                c_t=row.c_t, c_e=row.c_e, n_star=row.n_star)  # fmt: skip
        found = design.next_level(n=numbers(row.n), n_dlt=numbers(row.tox), n_eff=numbers(row.eff),
                                  current=int(row.outcomes.split()[-1][0]))  # fmt: skip
        fault = not row.peer_next_dose_is_admissible and found.level not in found.eliminated
        tally.numbers(f"next level after {row.outcomes}", [found.level or 0], [row.next_dose], excuse=[fault],
                      exception="boin12-inadmissible-next-dose")  # fmt: skip


@check("models.efftox")
def efftox(bench: Bench, tally: Tally) -> None:
    """Means within 5 standard errors of the draws of trialr; levels; the contour."""
    design = designs.EffTox(
        doses=(1, 2, 4, 6.6, 10),
        eff0=0.5,
        tox1=0.65,
        eff_star=0.7,
        tox_star=0.25,
        efficacy_hurdle=0.5,
        toxicity_hurdle=0.3,
        prior=THALL,
    )
    for row in bench.table("dose/efftox_trialr.csv").head(EFFTOX_CASES).itertuples():
        counts = np.zeros((5, 4))
        for cohort in row.outcomes.split():
            for outcome in cohort[1:]:
                counts[int(cohort[0]) - 1, "ENBT".index(outcome)] += 1
        found = design.posterior(counts, rng=1)
        for name, cell, error in (
            ("prob_eff", row.prob_eff, row.prob_eff_mcse),
            ("prob_tox", row.prob_tox, row.prob_tox_mcse),
        ):
            spread = np.hypot(found.levels[f"{name}_mcse"], numbers(error))
            distance = (found.levels[name] - numbers(cell)) / spread
            tally.numbers(f"{name}, in standard errors", distance, np.zeros(5), absolute=5)
        tally.numbers("acceptable", found.levels["acceptable"].astype(float), numbers(row.acceptable))
        tally.words("level", [found.recommended_level], [row.recommended_dose])
    for row in bench.table("dose/efftox_lp_p.csv").itertuples():
        contour = designs.EffTox(
            doses=(1, 2),
            eff0=row.eff0,
            tox1=row.tox1,
            eff_star=row.eff_star,
            tox_star=row.tox_star,
            efficacy_hurdle=0.5,
            toxicity_hurdle=0.3,
            prior=THALL,
        )
        tally.numbers("exponent", [contour.exponent], [row.p], absolute=1e-3)
