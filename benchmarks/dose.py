"""CPU time of dose decisions: simulated and exact characteristics, model fits, the phase II score.

python benchmarks/dose.py
"""

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pandas as pd

from cart7 import designs, dose
from cart7.designs import blrm as blrm_room

SEED = 20240607
TRUTH = (0.05, 0.15, 0.30, 0.45, 0.60)


def least(work: Callable[[], Any], rounds: int = 5) -> float:
    """Least CPU seconds of several runs."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def line(words: str, seconds: float, goal: str = "", *, met: bool | None = None) -> None:
    """One line of the table."""
    judged = "" if met is None else f"  {goal}: {'met' if met else 'NOT met'}"
    print(f"{words:58s} {1000 * seconds:10.2f} ms{judged}")


def simulation() -> None:
    """BOIN trials beside the cost of drawing their binomials alone."""
    design = designs.Boin(target=0.3)
    print("BOIN, 5 levels, 10 cohorts of 3")
    for trials in (10_000, 100_000):

        def draws(trials: int = trials) -> None:
            rng = np.random.default_rng(SEED)
            for _ in range(10):
                rng.binomial(np.full(trials, 3), np.full(trials, 0.3))

        def ours(trials: int = trials) -> None:
            designs.simulate(design, TRUTH, n_trials=trials, n_cohorts=10, rng=SEED)

        alone, whole = least(draws), least(ours)
        line(f"  the binomials of {trials:,} trials alone", alone)
        line(
            f"  simulate, {trials:,} trials",
            whole,
            f"{whole / alone:.1f} x the draws, goal 10",
            met=whole <= 10 * alone,
        )


def exact() -> None:
    """Exact characteristics and their agreement with simulation."""
    design = designs.Boin(target=0.3)
    nine = least(lambda: designs.exact_oc(design, TRUTH[:3], n_cohorts=3))
    line("exact_oc, 3 levels, 3 cohorts of 3 (n = 9)", nine, "5 ms", met=nine <= 0.005)
    line("exact_oc, 5 levels, 5 cohorts of 3", least(lambda: designs.exact_oc(design, TRUTH, n_cohorts=5)))
    worst = 0.0
    rng = np.random.default_rng(SEED)
    for _ in range(20):
        truth = np.sort(rng.uniform(0.02, 0.7, 4))
        true = designs.exact_oc(design, truth, n_cohorts=6).selection["estimate"].to_numpy()
        drawn = designs.simulate(design, truth, n_trials=20_000, n_cohorts=6, rng=rng).selection
        gap = np.abs(true - drawn["estimate"]) / np.maximum(np.sqrt(true * (1 - true) / 20_000), 1e-6)
        worst = max(worst, float(gap.max()))
    print(f"exact and simulated, 20 scenarios: largest difference {worst:.1f} standard errors (limit 4)")


def workers() -> None:
    """One seed, one core, loky and Dask: the same numbers."""
    scenarios = designs.standard_scenarios(0.3, 3)

    def table(jobs: int) -> pd.DataFrame:
        return designs.simulate_scenarios(
            designs.Boin(target=0.3), scenarios, n_trials=25_000, n_cohorts=6, rng=SEED, n_jobs=jobs
        ).table

    alone = table(1)
    print(f"scenarios on one core and on two loky workers: {'equal' if alone.equals(table(2)) else 'DIFFER'}")
    if importlib.util.find_spec("distributed") is None:
        print("scenarios under Dask: not compared, distributed is not installed")
        return
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None)
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        print(f"scenarios on one core and under Dask: {'equal' if alone.equals(table(-1)) else 'DIFFER'}")


def fits() -> None:
    """One fit of each model."""
    blrm = designs.Blrm(doses=(0.5, 1.0, 2.0), ref_dose=1.0, prior_mean=(-0.693, 0.0), prior_sd=(2.0, 1.0))
    crm = designs.Crm(skeleton=(0.1, 0.2, 0.3), target=0.3)

    def one_blrm() -> None:
        blrm_room._fit.cache_clear()
        blrm.posterior((3, 3, 3), (0, 1, 1))

    taken = least(one_blrm)
    line("Blrm.posterior, 3 levels", taken, "20 ms", met=taken <= 0.02)
    line("Crm.posterior, 3 levels", least(lambda: crm.posterior((3, 3, 3), (0, 1, 1))))


def score() -> None:
    """The integrated phase II score of nine subjects."""
    rules = dose.ScoreRules.example()
    rng = np.random.default_rng(SEED)
    events = {"dlt": (0, 0, 1), "orr": (1, 2, 3), "persist": (1, 2, 2), "cd7": (2, 3, 3)}
    counts = pd.DataFrame(
        [
            {"criterion": name, "dose_level": level, "n": 3, "n_event": seen}
            for name, per_level in events.items()
            for level, seen in enumerate(per_level, start=1)
        ]
    )
    exposures = pd.DataFrame(
        {
            "criterion": "log_auc",
            "dose_level": np.repeat([1, 2, 3], 3),
            "subject_id": [f"{subject}" for subject in range(9)],
            "value": np.exp(rng.normal(12, 1, 9)),
        }
    )
    rates = {name: (np.array(seen, float), np.full(3, 3.0)) for name, seen in events.items()}
    logs = np.log(exposures["value"].to_numpy()).reshape(3, 3)
    squares = ((logs - logs.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    numbers = {"log_auc": (np.full(3, 3.0), logs.mean(axis=1), squares)}
    taken = least(lambda: dose.recommended_positions(rates, numbers, rules))
    line("expected phase II scores by quadrature, 3 levels", taken, "50 ms", met=taken <= 0.05)
    few = rules.model_copy(update={"n_draws": 100_000})
    whole = least(lambda: dose.score(counts, exposures, rules=few, rng=1))
    line("dose.score with 100,000 draws, ranks and every variant", whole)


def main() -> None:
    """Print everything."""
    print(f"CPU milliseconds, least of several runs, seed {SEED}")
    simulation()
    exact()
    workers()
    fits()
    score()


if __name__ == "__main__":
    main()
