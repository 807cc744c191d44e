"""Survival against lifelines on random data, as a program of another author.

Only what both define alike is compared: no ties between causes (lifelines moves them at random), the Efron
likelihood, and limits where survival is neither 0 nor 1.
"""

import numpy as np
import pandas as pd
import pytest
from lifelines import AalenJohansenFitter, CoxPHFitter, KaplanMeierFitter, NelsonAalenFitter
from lifelines.statistics import logrank_test, multivariate_logrank_test

from cart7 import survival

SEEDS = range(12)


def trial(seed, *, ties=True):
    """Times, events, groups and a covariate of 6 to 60 subjects."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, 61))
    time = rng.exponential(100, n)
    time = np.ceil(time / 10) if ties else time
    event = rng.random(n) < 0.7
    event[:2] = True
    return time, event, np.arange(n) % 2, rng.normal(size=n)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("ties", [True, False])
def test_curve_and_log_log_limits_are_those_of_kaplan_meier_fitter(seed, ties):
    time, event, _, _ = trial(seed, ties=ties)
    curve = survival.kaplan_meier(time, event).curve.set_index("time")
    peer = KaplanMeierFitter().fit(time, event)
    level = peer.survival_function_.iloc[:, 0].loc[curve.index]
    assert curve["survival"].to_numpy() == pytest.approx(level.to_numpy(), abs=1e-12)
    table = peer.event_table.loc[curve.index]
    counts = curve[["n_risk", "n_event", "n_censor"]].to_numpy()
    assert counts.tolist() == table[["at_risk", "observed", "censored"]].to_numpy().tolist()
    between = (curve["survival"] > 0) & (curve["survival"] < 1)
    limits = peer.confidence_interval_.loc[curve.index].to_numpy()
    assert curve.loc[between, ["ci_low", "ci_high"]].to_numpy() == pytest.approx(limits[between], abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("ties", [True, False])
def test_the_cumulative_hazard_is_that_of_nelson_aalen_fitter(seed, ties):
    """Not its limits: lifelines takes the variance d (n - d) / n^3, here it is d / n^2 as in R."""
    time, event, _, _ = trial(seed, ties=ties)
    ours = survival.kaplan_meier(time, event).hazard.set_index("time")
    peer = NelsonAalenFitter(nelson_aalen_smoothing=False).fit(time, event)
    theirs = peer.cumulative_hazard_.iloc[:, 0].loc[ours.index]
    assert ours["hazard"].to_numpy() == pytest.approx(theirs.to_numpy(), abs=1e-12)
    variance = (ours["n_event"] / ours["n_risk"] ** 2).cumsum()
    assert ours["std_err"].to_numpy() == pytest.approx(np.sqrt(variance.to_numpy()), rel=1e-12)
    known = ours[ours["hazard"] > 0]
    width = np.exp(1.959963984540054 * known["std_err"] / known["hazard"])
    assert known["ci_high"].to_numpy() == pytest.approx((known["hazard"] * width).to_numpy(), rel=1e-12)
    assert known["ci_low"].to_numpy() == pytest.approx((known["hazard"] / width).to_numpy(), rel=1e-12)


def test_each_group_has_its_own_hazard():
    found = survival.kaplan_meier([1, 2, 3, 4], [1, 0, 1, 1], group=["a", "a", "b", "b"]).hazard
    assert found[["group", "hazard"]].values.tolist() == [["a", 0.5], ["a", 0.5], ["b", 0.5], ["b", 1.5]]
    assert len(survival.kaplan_meier([], []).hazard) == 0
    before = survival.kaplan_meier([1, 2], [0, 1]).hazard
    assert before["ci_low"].isna().tolist() == [True, False]


@pytest.mark.parametrize("seed", SEEDS)
def test_incidence_is_that_of_aalen_johansen_fitter(seed):
    time, event, group, _ = trial(seed, ties=False)
    cause = np.where(event, 1 + group, 0)
    curve = survival.cumulative_incidence(time, cause).curve
    for kind in (1, 2):
        ours = curve[curve["cause"] == kind].set_index("time")["estimate"]
        fitter = AalenJohansenFitter(calculate_variance=False)
        theirs = fitter.fit(time, cause, event_of_interest=kind).cumulative_density_.iloc[:, 0]
        assert ours.to_numpy() == pytest.approx(theirs.loc[ours.index].to_numpy(), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_logrank_is_that_of_logrank_test_for_two_groups_and_for_three(seed):
    time, event, group, _ = trial(seed)
    first = group == 0
    two = survival.logrank(time, event, group, exact=False)
    peer = logrank_test(time[first], time[~first], event[first], event[~first])
    assert two.statistic == pytest.approx(peer.test_statistic, rel=1e-10)
    assert two.p_value == pytest.approx(peer.p_value, rel=1e-10)
    thirds = np.arange(time.size) % 3
    three = survival.logrank(time, event, thirds)
    peer = multivariate_logrank_test(time, thirds, event)
    assert (three.statistic, three.df) == pytest.approx((peer.test_statistic, 2), rel=1e-10)
    assert three.p_value == pytest.approx(peer.p_value, rel=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_cox_with_efron_ties_is_that_of_cox_ph_fitter(seed):
    """With its finest precision lifelines stops within 1e-8 of the maximum."""
    time, event, group, x = trial(seed)
    terms = pd.DataFrame({"x": x, "group": group.astype(float)})
    ours = survival.cox(time, event, terms).summary.set_index("term")
    rows = terms.assign(time=time, event=event)
    finer = {"precision": 1e-14, "r_precision": 0.0}
    peer = CoxPHFitter().fit(rows, "time", "event", fit_options=finer).summary
    assert set(ours["method"]) == {"Cox, Efron ties, Wald limits"}
    pairs = {"coef": "coef", "std_err": "se(coef)", "hazard_ratio": "exp(coef)", "ci_low": "exp(coef) lower 95%",
             "ci_high": "exp(coef) upper 95%", "p_value": "p"}  # fmt: skip
    for mine, theirs in pairs.items():
        assert ours[mine].to_numpy() == pytest.approx(
            peer.loc[ours.index, theirs].to_numpy(), rel=1e-7, abs=1e-8
        )
