"""CPU seconds of intervals, tests and trends of proportions, and their coverage by enumeration.

python benchmarks/intervals.py             everything
python benchmarks/intervals.py speed       100,000 intervals a method, beside statsmodels
python benchmarks/intervals.py small       two groups of nine, exactly; trend over 3 + 3 + 3 subjects
python benchmarks/intervals.py coverage    least coverage of every method, n of 1 to 12
python benchmarks/intervals.py difference  least coverage of intervals of a difference, small groups
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read by numpy when it is loaded: one thread, so CPU seconds compare
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import sys
import time
from typing import NamedTuple

import numpy as np
from scipy.special import comb
from statsmodels.stats.proportion import proportion_confint

from cart7.stats import proportions, trend

SEED = 20240607
HOW_MANY = 100_000
TRIAL_SIZE = 40
LARGEST_SIZE = 700
REPEATS = 7
METHODS = ("clopper-pearson", "mid-p", "blaker", "minlike", "wilson", "jeffreys")
PEER = "statsmodels, beta"
RATIOS = {"clopper-pearson": 1.0, "mid-p": 6.0, "blaker": 6.0}
SECONDS = {"exact-unconditional": 0.1, "trend": 0.001}

SIZES = range(1, 13)
LEVELS = (0.8, 0.9, 0.95, 0.99)
EXACT = ("clopper-pearson", "blaker", "minlike")
STEPS = 2000
ONE_END = 1e-12
GROUPS = ((2, 2), (3, 3), (3, 6), (4, 5), (6, 6))


# ------------------------------------------------------------------------------------------ speed


def trial_like() -> tuple[np.ndarray, np.ndarray]:
    """Counts as trials have them: 1 to 40 subjects, any proportion; most pairs come many times."""
    rng = np.random.default_rng(SEED)
    n = rng.integers(1, TRIAL_SIZE + 1, HOW_MANY)
    return rng.binomial(n, rng.uniform(size=HOW_MANY)), n


def all_different() -> tuple[np.ndarray, np.ndarray]:
    """As many pairs of which no two are equal, in any order."""
    n = np.repeat(np.arange(1, LARGEST_SIZE + 1), np.arange(2, LARGEST_SIZE + 2))
    x = np.arange(n.size) - (n * (n + 1) // 2 - 1)
    picked = np.random.default_rng(SEED).permutation(n.size)[:HOW_MANY]
    return x[picked], n[picked]


def cpu_seconds(ways: dict, repeats: int = REPEATS) -> dict[str, float]:
    """Least CPU seconds of each way, in rounds through all of them."""
    least = dict.fromkeys(ways, np.inf)
    for _ in range(repeats):
        for name, work in ways.items():
            start = time.process_time()
            work()
            least[name] = min(least[name], time.process_time() - start)
    return least


def verdict(value: float, goal: float | None, unit: str = "") -> str:
    """The goal, and whether it is met."""
    return "" if goal is None else f"at most {goal:g}{unit}: {'met' if value <= goal else 'NOT met'}"


def speed() -> None:
    """Print CPU seconds of 100,000 intervals by method, beside statsmodels' Clopper-Pearson."""
    print(f"{HOW_MANY:,} intervals at 95 %: CPU seconds, least of {REPEATS} rounds, seed {SEED}, one thread")
    for title, (x, n) in (("trial-like", trial_like()), ("all different", all_different())):
        different = np.unique(n * (n.max() + 1) + x).size
        print(f"{title}: n of {n.min()} to {n.max()}, {different:,} different pairs")
        ways = {PEER: lambda x=x, n=n: proportion_confint(x, n, method="beta")}
        for method in METHODS:
            ways[method] = lambda x=x, n=n, method=method: proportions.interval(x, n, method=method)
        spent = cpu_seconds(ways)
        for name, seconds in spent.items():
            ratio = seconds / spent[PEER]
            each = seconds / HOW_MANY * 1e6
            said = verdict(ratio, RATIOS.get(name), " x")
            print(f"  {name:18s} {seconds:8.4f} s {each:7.2f} us each {ratio:7.2f} x  {said}".rstrip())
        apart = np.abs(np.subtract(ways[PEER](), ways["clopper-pearson"]())).max()
        print(f"  Clopper-Pearson of both: largest difference {apart:.0e} of {2 * HOW_MANY:,} limits")


def small() -> None:
    """Print CPU seconds of the exact methods for two groups of nine, and for 3 + 3 + 3 subjects."""
    ways = {
        "interval exact-unconditional": lambda x1, x2: proportions.difference_interval(
            x1, 9, x2, 9, method="exact-unconditional"
        ),
        "test barnard": lambda x1, x2: proportions.compare_test(x1, 9, x2, 9, method="barnard"),
        "test boschloo": lambda x1, x2: proportions.compare_test(x1, 9, x2, 9, method="boschloo"),
    }
    print("Two groups of nine, exact: CPU milliseconds, 7 against 3 and the slowest of the 100 tables")
    for name, work in ways.items():
        cells = {
            f"{x1} against {x2}": lambda x1=x1, x2=x2, work=work: work(x1, x2)
            for x1 in range(10)
            for x2 in range(10)
        }
        spent = cpu_seconds(cells, 3)
        worst = max(spent, key=spent.get)
        said = verdict(spent[worst], SECONDS.get(name.split()[1]), " s")
        shown = f"{spent['7 against 3'] * 1e3:8.2f} ms, slowest {spent[worst] * 1e3:8.2f} ms ({worst})"
        print(f"  {name:30s} {shown}  {said}".rstrip())
    tables = {
        f"{a}, {b}, {c}": lambda x=(a, b, c): trend.cochran_armitage(x, (3, 3, 3))
        for a in range(4)
        for b in range(4)
        for c in range(4)
    }
    spent = cpu_seconds(tables, 20)
    worst = max(spent, key=spent.get)
    print("Cochran-Armitage, exact, 3 + 3 + 3 subjects: CPU milliseconds, the slowest of 64 tables")
    said = verdict(spent[worst], SECONDS["trend"], " s")
    shown = f"{spent['0, 1, 3'] * 1e3:8.3f} ms, slowest {spent[worst] * 1e3:8.3f} ms ({worst})"
    print(f"  {'0, 1 and 3 events':30s} {shown}  {said}")


# --------------------------------------------------------------------------------------- coverage


class Least(NamedTuple):
    """Where coverage is least."""

    coverage: float
    n: int
    p: float


def chances(n: int, p: np.ndarray) -> np.ndarray:
    """P(X = x) for every x, a row per proportion."""
    x = np.arange(n + 1)
    return comb(n, x) * p[:, np.newaxis] ** x * (1 - p[:, np.newaxis]) ** (n - x)


def coverages(n: int, low: np.ndarray, high: np.ndarray, p: np.ndarray, side: str) -> np.ndarray:
    """Chance that the interval of X holds p, or what that chance tends to just below or above p.

    One end of an interval is often another's, and computed apart from it by rounding: ends within
    ONE_END are the same.
    """
    p_column = p[:, np.newaxis]
    if side == "below":
        holds = (low < p_column - ONE_END) & (high >= p_column - ONE_END)
    elif side == "above":
        holds = (low <= p_column + ONE_END) & (high > p_column + ONE_END)
    else:
        holds = (low <= p_column + ONE_END) & (high >= p_column - ONE_END)
    return (chances(n, p) * holds).sum(axis=1)


def least_coverage(n: int, method: str, level: float) -> Least:
    """The infimum of coverage over p.

    Between two neighbouring ends of intervals the same outcomes x hold p. Their chance rises, then
    falls, in p: it is least at the two ends, from inside. An even grid is looked through besides.
    """
    low, high = proportions.interval(np.arange(n + 1), n, method=method, conf_level=level)
    grid = np.linspace(0, 1, STEPS + 1)
    ends = np.unique(np.concatenate([low, high]))
    found = []
    for p, side in ((grid, "at"), (ends[ends > 0], "below"), (ends[ends < 1], "above")):
        covered = coverages(n, low, high, p, side)
        found.append(Least(float(covered.min()), n, float(p[covered.argmin()])))
    return min(found)


def mean_coverage(n: int, method: str, level: float) -> float:
    """Coverage averaged over p of an even grid."""
    low, high = proportions.interval(np.arange(n + 1), n, method=method, conf_level=level)
    middles = (np.arange(STEPS) + 0.5) / STEPS
    return float(coverages(n, low, high, middles, "at").mean())


def coverage() -> None:
    """Print the least coverage over p and n of 1 to 12 of every method at four levels."""
    print(f"Coverage of intervals, n of {SIZES[0]} to {SIZES[-1]}, by enumeration of all outcomes")
    print("Least over p (from both sides of every end of an interval, and on a grid), at which n and p;")
    print("mean: over p uniform on 0 to 1, at n = 9")
    for level in LEVELS:
        print(f"level {level:g}")
        for method in proportions.METHODS:
            least = min(least_coverage(n, method, level) for n in SIZES)
            mean = mean_coverage(9, method, level)
            said = ""
            if method in EXACT:
                said = "never below the level" if least.coverage >= level - 1e-12 else "BELOW THE LEVEL"
            where = f"n = {least.n:2d}, p = {least.p:.5f}"
            print(f"  {method:20s} {least.coverage:9.6f} ({where})  mean {mean:.4f}  {said}".rstrip())
    print("level 0.95, least over p by n")
    print(f"  {'':20s}" + "".join(f"{n:>8d}" for n in SIZES))
    for method in proportions.METHODS:
        by_size = [least_coverage(n, method, 0.95).coverage for n in SIZES]
        print(f"  {method:20s}" + "".join(f"{value:8.4f}" for value in by_size))


def least_of_difference(n1: int, n2: int, method: str, level: float) -> tuple[float, float, float]:
    """Least coverage of p1 - p2, and the p1 and p2, for the differences next to the end of an interval.

    At every end the smaller proportion goes through an even grid: the least is over that grid.
    """
    x1, x2 = (each.ravel() for each in np.meshgrid(np.arange(n1 + 1), np.arange(n2 + 1), indexing="ij"))
    low, high = proportions.difference_interval(x1, n1, x2, n2, method=method, conf_level=level)
    ends = np.unique(np.concatenate([low, high]))
    worst = (2.0, np.nan, np.nan)
    for side, some in (("below", ends[ends > -1]), ("above", ends[ends < 1])):
        for end in some:
            # The exact limits are found to 1e-11: ends nearer than 1e-10 are the same.
            if side == "below":
                holds = (low < end - 1e-10) & (high >= end - 1e-10)
            else:
                holds = (low <= end + 1e-10) & (high > end + 1e-10)
            p2 = np.linspace(max(0.0, -end), min(1.0, 1 - end), 401)
            p1 = np.clip(p2 + end, 0, 1)
            outcomes = chances(n1, p1)[:, x1] * chances(n2, p2)[:, x2]
            covered = (outcomes * holds).sum(axis=1)
            lowest = int(covered.argmin())
            worst = min(worst, (float(covered[lowest]), float(p1[lowest]), float(p2[lowest])))
    return worst


def difference() -> None:
    """Print the least coverage of the intervals of a difference for small groups at 95 %."""
    print("Coverage of 95 % intervals of p1 - p2, by enumeration: least found beside an end (at p1, p2)")
    print(f"  {'':20s}" + "".join(f"{f'{n1} against {n2}':>24s}" for n1, n2 in GROUPS))
    for method in proportions.DIFFERENCE_METHODS:
        cells = [least_of_difference(n1, n2, method, 0.95) for n1, n2 in GROUPS]
        shown = "".join(f"{f'{least:.4f} ({p1:.3f}, {p2:.3f})':>24s}" for least, p1, p2 in cells)
        print(f"  {method:20s}" + shown)


def main(words: list[str]) -> None:
    """Run what is asked for, everything by default."""
    parts = {"speed": speed, "small": small, "coverage": coverage, "difference": difference}
    unknown = [word for word in words if word not in parts]
    if unknown:
        raise SystemExit(f"parts are {', '.join(parts)}; got {', '.join(unknown)}")
    for number, word in enumerate(words or parts):
        print("" if number == 0 else "\n", end="")
        parts[word]()


if __name__ == "__main__":
    main(sys.argv[1:])
