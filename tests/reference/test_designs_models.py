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
