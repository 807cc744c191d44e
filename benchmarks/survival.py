"""Survival curves: CPU seconds against lifelines, and the coverage of the limits with nine subjects.

python benchmarks/survival.py            everything
python benchmarks/survival.py speed      nine subjects, a million times, bootstrap medians, exact limits
python benchmarks/survival.py coverage   log-log, beta product and mid-p limits: simulated, and by enumeration
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read by numpy when it is loaded: one thread, so CPU seconds compare
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import sys
import time
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from cart7 import survival
from cart7.stats import bpcp, survival_curves

SEED = 20240607
NINE_DAYS = np.array([12.0, 30, 45, 61, 90, 120, 180, 240, 365])
NINE_EVENTS = np.array([True, True, False, True, False, True, True, False, False])
MILLION = 1_000_000
CENSORED = 0.3
RESAMPLES = 2_000
PEER_RESAMPLES = 100
TABLE_GOAL = 0.002

SUBJECTS = 9
RUNS = 100_000
DIRECT_CALLS = 300
CONF_TYPES = ("log-log", "bpcp", "bpcp-midp")
WORDS = {"log-log": "log-log", "bpcp": "beta product", "bpcp-midp": "beta product, mid-p"}
NODES = 24


class Scenario(NamedTuple):
    """True S(t), censoring uniform from `first` to `last` times t, coverage in 4,000 earlier trials."""

    survival: float
    first: float
    last: float
    earlier: tuple[float, float, float]


SCENARIOS = (
    Scenario(0.9, 0.3, 3.0, (52.4, 99.1, 97.9)),
    Scenario(0.7, 0.3, 3.0, (90.6, 98.9, 97.8)),
    Scenario(0.5, 0.3, 3.0, (96.2, 98.4, 96.8)),
    Scenario(0.3, 0.3, 3.0, (92.1, 99.4, 96.4)),
    Scenario(0.5, 0.3, 1.2, (91.7, 99.4, 98.6)),
)


# ---- speed --------------------------------------------------------------------------------------


def cpu_seconds(work, repeats: int, calls: int = 1) -> float:
    """Least CPU seconds of one call, over several rounds of `calls`."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(calls):
            work()
        spent.append((time.process_time() - start) / calls)
    return min(spent)


def told(way: str, seconds: float, peer: float | None = None, goal: float | None = None) -> None:
    """Print a line: how long, how many times faster than the peer, and whether the goal is met."""
    ratio = said = ""
    if peer is not None:
        ratio = f"{peer / seconds:,.1f}"
        if goal is not None:
            said = f"{goal:,.0f}: {'met' if peer / seconds >= goal else 'NOT met'}"
    print(f"  {way:47s} {seconds * 1e3:12.4f} {ratio:>10s}  {said}".rstrip())


def one_fit(title: str, days: np.ndarray, events: np.ndarray, goal: float, repeats: int, calls: int) -> None:
    """Print the time of one curve with its log-log limits, in three ways and by lifelines."""
    from lifelines import KaplanMeierFitter

    print(title)
    peer = cpu_seconds(lambda: KaplanMeierFitter().fit(days, events), repeats, max(1, calls // 10))
    told("lifelines, KaplanMeierFitter().fit", peer)
    ways = {
        "arrays: stats.survival_curves": lambda: survival_curves.limits(survival_curves.curve(days, events)),
        "survival.kaplan_meier, with its limits": lambda: (
            survival.kaplan_meier(days, events).fits[0].step_limits
        ),
        "survival.kaplan_meier, and its curve as a frame": lambda: survival.kaplan_meier(days, events).curve,
    }
    for way, work in ways.items():
        told(way, cpu_seconds(work, repeats, calls), peer, goal if "with its limits" in way else None)
    theirs = KaplanMeierFitter().fit(days, events)
    ours = survival.kaplan_meier(days, events, merge_near_ties=False).curve
    apart = np.abs(theirs.survival_function_.iloc[:, 0].reindex(ours["time"]).to_numpy() - ours["survival"])
    print(f"  the same curve from both: largest difference {apart.max():.0e} of {len(ours):,} steps")


def bootstrap() -> None:
    """Print the time of bootstrap medians, and of lifelines by a loop."""
    from lifelines import KaplanMeierFitter

    print(f"{RESAMPLES:,} bootstrap medians of nine subjects (lifelines: {PEER_RESAMPLES} fits, scaled)")
    picks = np.random.default_rng(SEED).integers(SUBJECTS, size=(PEER_RESAMPLES, SUBJECTS))

    def one_after_the_other() -> None:
        for pick in picks:
            _ = KaplanMeierFitter().fit(NINE_DAYS[pick], NINE_EVENTS[pick]).median_survival_time_

    def all_at_once() -> None:
        survival.bootstrap_quantiles(NINE_DAYS, NINE_EVENTS, n_resamples=RESAMPLES, rng=SEED)

    peer = cpu_seconds(one_after_the_other, 3) * RESAMPLES / PEER_RESAMPLES
    told("lifelines, one fit after the other", peer)
    told("survival.bootstrap_quantiles", cpu_seconds(all_at_once, 20), peer, 1_000)


def beta_product_table() -> None:
    """Print the time of the exact beta product limits of nine subjects."""
    print("Exact beta product limits of nine subjects, all intervals (no peer has them)")
    ways = {
        "arrays: stats.bpcp": lambda: bpcp.limits(survival_curves.curve(NINE_DAYS, NINE_EVENTS)),
        "survival.bpcp, as a frame": lambda: survival.bpcp(NINE_DAYS, NINE_EVENTS),
        "survival.bpcp, mid-p": lambda: survival.bpcp(NINE_DAYS, NINE_EVENTS, midp=True),
    }
    for way, work in ways.items():
        seconds = cpu_seconds(work, 10, 50)
        met = "met" if seconds <= TABLE_GOAL else "NOT met"
        print(f"  {way:47s} {seconds * 1e3:12.4f} {'':10s}  {TABLE_GOAL * 1e3:g} ms: {met}")


def speed() -> None:
    """Print CPU milliseconds and how many times faster than lifelines."""
    versions = ", ".join(f"{package} {version(package)}" for package in ("lifelines", "numpy", "pandas"))
    print(f"CPU milliseconds, least of several runs, one thread, seed {SEED}; {versions}")
    print(f"  {'':47s} {'ms':>12s} {'x faster':>10s}  goal")
    one_fit("One curve of nine subjects, log-log limits", NINE_DAYS, NINE_EVENTS, 50, 15, 200)
    rng = np.random.default_rng(SEED)
    events = rng.random(MILLION) >= CENSORED
    days = rng.integers(0, 2001, MILLION)
    one_fit(f"A million whole days 0 to 2000, {CENSORED:.0%} censored", days, events, 5, 7, 1)
    times = rng.exponential(500.0, MILLION)
    one_fit(f"A million continuous times, {CENSORED:.0%} censored", times, events, 8, 7, 1)
    print(f"  sorting the same million alone takes {cpu_seconds(lambda: np.sort(times), 7) * 1e3:.0f} ms")
    bootstrap()
    beta_product_table()


# ---- coverage -----------------------------------------------------------------------------------
#
# Limits of S(t) depend on the subjects only through the order of events and censorings up to t: a
# pattern of at most nine marks. There are 1 + 2 + ... + 512 = 1,023 patterns. Pattern m marks long
# with the marks read as a binary number (event 1) has the index 2^m - 1 + that number.


def patterns() -> list[list[int]]:
    """All patterns of up to nine marks, 1 for an event and 0 for a censoring, by index."""
    return [
        [code >> place & 1 for place in reversed(range(marks))]
        for marks in range(SUBJECTS + 1)
        for code in range(2**marks)
    ]


def limits_of_patterns(conf_type: str) -> np.ndarray:
    """Lower and upper limit of S(t) after each pattern; 0, 0 where S is 0 and has no limits."""
    times, rows = np.arange(1.0, SUBJECTS + 1), []
    for marks in patterns():
        events = marks + [0] * (SUBJECTS - len(marks))  # what follows t does not matter
        found = survival.kaplan_meier(times, events, conf_type=conf_type).at(len(marks) + 0.5, beyond="carry")
        rows.append(found[["ci_low", "ci_high"]].to_numpy()[0])
    return np.nan_to_num(np.array(rows), nan=0.0)


def trials(scenario: Scenario, runs: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Times (in units of t) and events of many trials of nine, a row each."""
    times = rng.exponential(-1 / np.log(scenario.survival), (runs, SUBJECTS))
    censored = rng.uniform(scenario.first, scenario.last, (runs, SUBJECTS))
    return np.minimum(times, censored), times <= censored


def pattern_of(times: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Index of the pattern of each trial."""
    order = times.argsort(axis=1)
    times, events = np.take_along_axis(times, order, 1), np.take_along_axis(events, order, 1)
    index = np.zeros(len(times), dtype=np.int64)
    for time_, event in zip(times.T, events.T, strict=True):
        index = np.where(time_ <= 1, 2 * index + 1 + event, index)
    return index


def pattern_probabilities(scenario: Scenario) -> np.ndarray:
    """Probability of each pattern, by integrating over the times of its marks in turn.

    The chance that the first m of the marks come in order before u is the integral to u of that of
    the first m - 1 times the density of the last one. Functions of u stand as Chebyshev polynomials
    on two panels, before and after the first possible censoring.
    """
    nodes = chebyshev.chebpts1(NODES)
    to_coefficients = np.linalg.inv(chebyshev.chebvander(nodes, NODES - 1))
    integrals = chebyshev.chebint(np.eye(NODES), lbnd=-1) @ to_coefficients
    to_nodes, to_end = (chebyshev.chebval(at, integrals).T for at in (nodes, 1.0))
    half = np.array([scenario.first, 1 - scenario.first]) / 2
    u = np.concatenate([half[0] * (nodes + 1), scenario.first + half[1] * (nodes + 1)])
    whole = np.concatenate([half[0] * to_end, half[1] * to_end])
    running = np.zeros((2 * NODES, 2 * NODES))
    running[:NODES, :NODES], running[NODES:, NODES:] = half[0] * to_nodes, half[1] * to_nodes
    running[NODES:, :NODES] = half[0] * to_end

    hazard, width = -np.log(scenario.survival), scenario.last - scenario.first
    uncensored = np.minimum((scenario.last - u) / width, 1.0)
    density = np.exp(-hazard * u) * np.array([(u > scenario.first) / width, hazard * uncensored])
    beyond = scenario.survival * (scenario.last - 1) / width
    before, found, ways = np.ones((1, 2 * NODES)), [np.array([beyond**SUBJECTS])], 1.0
    for marks in range(1, SUBJECTS + 1):
        ways *= SUBJECTS - marks + 1
        longer = (before[:, None, :] * density).reshape(-1, 2 * NODES)
        found.append(ways * beyond ** (SUBJECTS - marks) * (longer @ whole))
        before = longer @ running.T
    return np.concatenate(found)


def direct_difference(limits: dict[str, np.ndarray], rng: np.random.Generator) -> float:
    """Largest difference between looked-up limits and those of a direct call on the trial itself."""
    apart = 0.0
    for scenario in SCENARIOS:
        times, events = trials(scenario, DIRECT_CALLS // len(SCENARIOS), rng)
        for index, time_, event in zip(pattern_of(times, events), times, events, strict=True):
            for conf_type, table in limits.items():
                found = survival.kaplan_meier(time_, event, conf_type=conf_type).at(1.0, beyond="carry")
                direct = np.nan_to_num(found[["ci_low", "ci_high"]].to_numpy()[0], nan=0.0)
                apart = max(apart, float(np.abs(direct - table[index]).max()))
    return apart


def printed_rows(scenario: Scenario, limits: dict[str, np.ndarray], rng: np.random.Generator) -> float:
    """Print a row per method; returns how many Monte-Carlo errors simulated and exact are apart at most."""
    probability = pattern_probabilities(scenario)
    index = pattern_of(*trials(scenario, RUNS, rng))
    censoring = f"{scenario.first:g}t to {scenario.last:g}t"
    furthest = 0.0
    for (conf_type, table), earlier in zip(limits.items(), scenario.earlier, strict=True):
        below, above = scenario.survival < table[:, 0], scenario.survival > table[:, 1]
        covered = ~(below | above)
        exact, low, high = (100 * probability[part].sum() for part in (covered, below, above))
        seen = 100 * covered[index].mean()
        error = np.sqrt(seen * (100 - seen) / RUNS)
        furthest = max(furthest, abs(seen - exact) / np.sqrt(exact * (100 - exact) / RUNS))
        print(
            f"{scenario.survival:5g} {censoring:12s} {WORDS[conf_type]:20s}"
            f"{exact:7.2f}{seen:11.2f}{error:10.2f}{low:7.2f}{high:7.2f}{earlier:15.1f}"
        )
    return furthest


def coverage() -> None:
    """Print coverage and misses of each method in each scenario."""
    limits = {conf_type: limits_of_patterns(conf_type) for conf_type in CONF_TYPES}
    check, *streams = np.random.SeedSequence(SEED).spawn(len(SCENARIOS) + 1)
    print(f"Coverage of 95 % limits of S(t), {SUBJECTS} subjects, exponential events, uniform censoring")
    print(f"exact: sum over the {len(patterns()):,} patterns; simulated: {RUNS:,} trials each, seed {SEED}")
    print("below, above: trials with the true S(t) below, above the limits, exact; everything in %")
    heads = ("exact", "simulated", "MC error", "below", "above", "4,000 earlier")
    columns = "".join(f"{head:>{len(head) + 2}s}" for head in heads)
    print(f"{'S(t)':>5s} {'censoring':12s} {'limits':20s}{columns}")
    furthest = [
        printed_rows(scenario, limits, np.random.default_rng(stream))
        for scenario, stream in zip(SCENARIOS, streams, strict=True)
    ]
    print(f"simulated and exact differ by at most {max(furthest):.1f} Monte-Carlo errors")
    total = max(abs(pattern_probabilities(scenario).sum() - 1) for scenario in SCENARIOS)
    print(f"the probabilities of the patterns add up to 1 within {total:.0e}")
    apart = direct_difference(limits, np.random.default_rng(check))
    print(f"limits of {DIRECT_CALLS} trials looked up and called directly differ by at most {apart:.0e}")


def main(words: list[str]) -> None:
    """Run what is asked for, everything by default."""
    parts = {"speed": speed, "coverage": coverage}
    unknown = [word for word in words if word not in parts]
    if unknown:
        raise SystemExit(f"parts are {', '.join(parts)}; got {', '.join(unknown)}")
    for number, word in enumerate(words or parts):
        print("" if number == 0 else "\n", end="")
        parts[word]()


if __name__ == "__main__":
    main(sys.argv[1:])
