"""Model designs against dfcrm, trialr, crmPack and exact quadrature (tests/data/dose)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7 import designs

DATA = Path(__file__).parents[1] / "data" / "dose"


def numbers(cell):
    return np.array([float(item) for item in str(cell).split(";")])


def crm_of(row):
    return designs.Crm(
        skeleton=tuple(numbers(row.skeleton)), target=row.target, model=row.model, method=row.method,
        scale=float(row.scale), intercept=row.intcpt,
    )  # fmt: skip


def crm_cases():
    cases = pd.read_csv(DATA / "crm_posterior.csv")
    return cases[cases["error"].isna() | ~cases["error"].str.contains("alp0|too small", na=False)]


def of_subjects(row):
    weight = None if not isinstance(row.weights, str) else numbers(row.weights)
    return {"level": numbers(row.level), "dlt": numbers(row.tox), "weight": weight}


def test_the_crm_posterior_equals_exact_quadrature_and_dfcrm():
    """40 posteriors at 1e-8 to quadrature; dfcrm itself at 1e-4. Its variance under maximum likelihood is
    that of a posterior, not compared."""
    exact = n = 0
    for row in crm_cases().itertuples():
        if row.error == "mle does not exist!":
            with pytest.raises(ValueError, match="no maximum of the likelihood"):
                crm_of(row).posterior(**of_subjects(row))
            continue
        found = crm_of(row).posterior(**of_subjects(row))
        if not pd.isna(row.estimate_exact):
            assert found.estimate == pytest.approx(row.estimate_exact, abs=1e-8)
            assert found.variance == pytest.approx(row.post_var_exact, abs=1e-8)
            np.testing.assert_allclose(found.levels["ptox"], numbers(row.ptox_plugin_exact), atol=1e-8)
            np.testing.assert_allclose(
                found.levels["ptox_mean"], numbers(row.ptox_posterior_mean_exact), atol=1e-8
            )
            assert found.recommended_level == row.mtd_exact
            exact += 1
        if not pd.isna(row.estimate):
            assert found.estimate == pytest.approx(row.estimate, abs=1e-4)
            np.testing.assert_allclose(found.levels["ptox"], numbers(row.ptox), atol=1e-4)
            assert found.recommended_level == row.mtd
            if row.method == "bayes":
                np.testing.assert_allclose(found.levels["ptox_low"], numbers(row.ptox_lo90), atol=1e-4)
                np.testing.assert_allclose(found.levels["ptox_high"], numbers(row.ptox_hi90), atol=1e-4)
            n += 1
    assert (exact, n) == (40, 44)


def test_skeletons_equal_getprior():
    cases = pd.read_csv(DATA / "crm_getprior.csv")
    for row in cases.itertuples():
        found = designs.indifference_skeleton(
            row.halfwidth, row.target, row.nu, row.nlevel, model=row.model, intercept=row.intcpt
        )
        np.testing.assert_allclose(found, numbers(row.skeleton), rtol=1e-9)
    assert len(cases) == 16


def test_crm_trials_select_as_often_as_those_of_dfcrm():
    """Exact characteristics against 400 simulated trials of crmsim, within 4 standard errors."""
    for row in pd.read_csv(DATA / "crm_oc.csv").itertuples():
        design = designs.Crm(skeleton=tuple(numbers(row.skeleton)), target=row.target)
        found = designs.exact_oc(
            design, numbers(row.p_true), cohort_size=row.cohortsize, n_cohorts=row.n // row.cohortsize
        )
        share = found.selection["estimate"].to_numpy()[:-1]
        error = np.maximum(numbers(row.sel_mcse), 1 / 400)
        assert (np.abs(share - numbers(row.sel_prop)) <= 4 * error).all()
        assert np.abs(found.n_per_level["estimate"].sum() - row.n) < 1e-9


def test_blrm_equals_quadrature():
    """31 cases: moments, interval probabilities, overdose control and the level."""
    cases = pd.read_csv(DATA / "blrm_quadrature.csv")
    for row in cases.itertuples():
        design = designs.Blrm(
            doses=tuple(numbers(row.doses)), ref_dose=row.ref_dose,
            prior_mean=(row.prior_mean_a, row.prior_mean_logb), prior_sd=(row.prior_sd_a, row.prior_sd_logb),
            prior_rho=row.prior_rho, target=(row.target_lo, row.target_hi), ewoc=row.ewoc_limit,
        )  # fmt: skip
        found = design.posterior(numbers(row.n), numbers(row.tox))
        np.testing.assert_allclose(found.estimate, [row.post_mean_a, row.post_mean_logb], atol=1e-8)
        for ours, theirs in (("mean", "mean_ptox"), ("sd", "sd_ptox"), ("prob_under", "p_under"),
                             ("prob_target", "p_target"), ("prob_over", "p_over")):  # fmt: skip
            np.testing.assert_allclose(found.levels[ours], numbers(getattr(row, theirs)), atol=1e-8)
        assert found.levels["admissible"].astype(int).tolist() == numbers(row.ewoc_admissible).tolist()
        assert (found.recommended_level or 0) == row.max_ptarget_admissible_dose
    assert len(cases) == 31


def test_blrm_agrees_with_the_draws_of_trialr():
    doses = (10.0, 20.0, 40.0, 65.0, 90.0)
    design = designs.Blrm(
        doses=doses, ref_dose=60, prior_mean=(2.15, 0.52), prior_sd=(0.84, 0.8), target=(0.16, 0.33)
    )
    for row in pd.read_csv(DATA / "blrm_trialr_nbg.csv").itertuples():
        n, tox = np.zeros(5), np.zeros(5)
        for cohort in row.outcomes.split():
            n[int(cohort[0]) - 1] += len(cohort) - 1
            tox[int(cohort[0]) - 1] += cohort.count("T")
        found = design.posterior(n, tox).levels
        error = numbers(row.prob_tox_mcse)
        assert (np.abs(found["mean"] - numbers(row.prob_tox)) <= 5 * error).all()
        np.testing.assert_allclose(found["prob_over"], numbers(row.p_over_33), atol=0.02)


def test_blrm_agrees_with_the_draws_of_crmpack():
    for row in pd.read_csv(DATA / "blrm_crmpack.csv").itertuples():
        given, tox = numbers(row.dose_mg), numbers(row.tox)
        doses = np.array([0.25, 0.5, 1.0, 2.0, 4.0])
        design = designs.Blrm(doses=tuple(doses), ref_dose=1, prior_mean=(-0.85, 0.0), prior_sd=(1.0, 1.0),
                              prior_rho=-0.5, target=(0.2, 0.35))  # fmt: skip
        n = [(given == dose).sum() for dose in doses]
        found = design.posterior(n, [tox[given == dose].sum() for dose in doses]).levels
        for ours, theirs in (("mean", "mean_prob"), ("prob_target", "p_target_020_035"),
                             ("prob_over", "p_overdose_gt035")):  # fmt: skip
            np.testing.assert_allclose(found[ours], numbers(getattr(row, theirs)), atol=0.02)


def test_utilities_equal_their_closed_form():
    """40 cases: BOIN12 (quasi-binomial) and U-BOIN (Dirichlet mean)."""
    cases = pd.read_csv(DATA / "utility_posterior.csv")
    for row in cases.itertuples():
        worth = (row.u1_eff_notox, row.u2_noeff_notox, row.u3_eff_tox, row.u4_noeff_tox)
        counts = [(row.y1, row.y2, row.y3, row.y4)]
        design = designs.Boin12(phi_t=row.phi_t, phi_e=row.phi_e, utilities=worth)
        found = design.posterior(counts).levels.iloc[0]
        have = [design.lower_bound, design.benchmark, found["pds"], found["utility_mean"], found["utility_low"],
                found["utility_high"], found["prob_dlt_exceeds"], found["prob_response_below"]]  # fmt: skip
        want = [row.u_lower_bound, row.u_benchmark, row.boin12_pds, row.boin12_post_mean_utility,
                row.boin12_utility_q025, row.boin12_utility_q975, row.prob_tox_exceeds, row.prob_eff_below]  # fmt: skip
        np.testing.assert_allclose(have, want, rtol=0, atol=1e-10)
        assert found["admissible"] == bool(row.admissible_c95_c90)
        other = designs.UBoin(
            phi_t=row.phi_t, phi_e=row.phi_e, utilities=worth, prior=row.dirichlet_prior_each
        )
        mean = other.posterior(counts).levels["utility_mean"].iloc[0]
        assert mean == pytest.approx(row.uboin_post_mean_utility, abs=1e-10)
    assert len(cases) == 40


def test_rank_based_desirability_equals_escalation():
    cases = pd.read_csv(DATA / "boin12_rds.csv")
    n = 0
    for key, rows in cases.groupby(["phi_t", "phi_e", "u2", "u3", "c_t", "c_e", "sample_sizes"]):
        phi_t, phi_e, u2, u3, c_t, c_e, sizes = key
        design = designs.Boin12(phi_t=phi_t, phi_e=phi_e, utilities=(100, u2, u3, 0), c_t=c_t, c_e=c_e)
        found = design.rds_table(tuple(int(size) for size in sizes.split(";")))
        found = found.set_index(["n", "n_dlt", "n_eff"]).loc[
            list(zip(rows["n"], rows["tox"], rows["eff"], strict=True))
        ]
        np.testing.assert_allclose(found["rds"], rows["rds"], atol=1e-9)
        n += len(rows)
    assert n == 2004


def test_the_next_level_of_boin12_equals_escalation_where_that_is_admissible():
    """49 desirabilities; 46 next levels. In 3 the peer assigns a level that its own rule excludes."""
    cases = pd.read_csv(DATA / "boin12_next_dose.csv")
    n = 0
    for row in cases.itertuples():
        design = designs.Boin12(phi_t=row.phi_t, phi_e=row.phi_e, utilities=(100, row.u2, row.u3, row.u4),
                                c_t=row.c_t, c_e=row.c_e, n_star=row.n_star)  # fmt: skip
        counts = {"n": numbers(row.n), "n_dlt": numbers(row.tox), "n_eff": numbers(row.eff)}
        current = int(row.outcomes.split()[-1][0])
        found = design.next_level(current=current, **counts)
        shape = design._from_totals(*counts.values())
        np.testing.assert_allclose(100 * design._pds(*shape), numbers(row.pds_pct), atol=1e-9)
        if row.peer_next_dose_is_admissible:
            assert (found.level or 0) == row.next_dose
            n += 1
        else:
            assert found.level is None or found.level not in found.eliminated
    assert (len(cases), n) == (49, 46)


THALL = {"alpha": (-7.9593, 3.5487), "beta": (1.5482, 3.5018), "gamma": (0.7367, 2.5423),
         "zeta": (3.4181, 2.4406), "eta": (0.0, 0.2), "psi": (0.0, 1.0)}  # fmt: skip


def test_efftox_agrees_with_the_draws_of_trialr():
    """8 trials: means within 5 standard errors, acceptable and recommended levels equal."""
    design = designs.EffTox(doses=(1, 2, 4, 6.6, 10), eff0=0.5, tox1=0.65, eff_star=0.7, tox_star=0.25,
                            efficacy_hurdle=0.5, toxicity_hurdle=0.3, prior=THALL)  # fmt: skip
    cases = pd.read_csv(DATA / "efftox_trialr.csv")
    for row in cases.itertuples():
        counts = np.zeros((5, 4))
        for cohort in row.outcomes.split():
            for outcome in cohort[1:]:
                counts[int(cohort[0]) - 1, "ENBT".index(outcome)] += 1
        found = design.posterior(counts, rng=1)
        for name, theirs in (("prob_eff", row.prob_eff), ("prob_tox", row.prob_tox)):
            error = np.hypot(found.levels[f"{name}_mcse"], numbers(getattr(row, f"{name}_mcse")))
            assert (np.abs(found.levels[name] - numbers(theirs)) <= 5 * error).all()
            assert (found.levels[f"{name}_mcse"] <= 0.02).all()
        assert found.levels["acceptable"].astype(int).tolist() == numbers(row.acceptable).tolist()
        assert found.recommended_level == row.recommended_dose
        assert found.ess > 1000
    assert len(cases) == 8


def test_the_exponent_of_the_contour_equals_efftox_solve_p():
    for row in pd.read_csv(DATA / "efftox_lp_p.csv").itertuples():
        design = designs.EffTox(doses=(1, 2), eff0=row.eff0, tox1=row.tox1, eff_star=row.eff_star,
                                tox_star=row.tox_star, efficacy_hurdle=0.5, toxicity_hurdle=0.3, prior=THALL)  # fmt: skip
        assert design.exponent == pytest.approx(row.p, abs=1e-3)
