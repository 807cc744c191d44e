"""CPU seconds, memory and convergence of the kinetics room, against peers in the same run.

python benchmarks/pk.py            everything
python benchmarks/pk.py speed      1,000 to 100,000 profiles x 12 samples, beside pandas and NonCompart
python benchmarks/pk.py memory     bytes per profile and peak resident memory
python benchmarks/pk.py dense      trapezoids on ever denser samples against the closed-form area
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read by numpy when it is loaded: one thread, so CPU seconds compare
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import resource
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cart7 import pk
from cart7.stats import exposure

SEED = 20240607
LLOQ = 50.0
DAYS = np.array([0.0, 1, 3, 5, 7, 10, 14, 21, 28, 60, 90, 180])
SIZES = (1_000, 10_000, 100_000)
REPEATS = {1_000: 30, 10_000: 8, 100_000: 3}
MEMORY_SIZE = 100_000
GOALS = {1_000: 0.010, 100_000: 1.5}

STEPS = (7.0, 3.5, 2.0, 1.0, 0.5, 0.25, 0.1)
WINDOWS = ((0.0, 28.0), (0.0, 90.0), (7.0, 21.0))
METHODS = ("linear", "lin-up-log-down", "lin-log")
TRUTH = Path(__file__).parents[1] / "tests" / "data" / "pk" / "stein_truth.csv"


class Kinetics(NamedTuple):
    """Expansion to `cmax` at `tmax`, then a fast and a slow decline; nothing rises before `lag`."""

    cmax: np.ndarray | float
    tmax: np.ndarray | float
    foldx: np.ndarray | float
    alpha: np.ndarray | float
    slow_fraction: np.ndarray | float
    beta: np.ndarray | float
    lag: float = 0.0

    def value(self, day: np.ndarray) -> np.ndarray:
        """Copies at each day, without noise."""
        start, rate = self.cmax / self.foldx, np.log(self.foldx) / (self.tmax - self.lag)
        rise = start * np.exp(rate * (np.clip(day, self.lag, self.tmax) - self.lag))
        since = np.maximum(day - self.tmax, 0.0)
        fast = (1 - self.slow_fraction) * np.exp(-self.alpha * since)
        fall = self.cmax * (fast + self.slow_fraction * np.exp(-self.beta * since))
        return np.where(day <= self.tmax, rise, fall)

    def area(self, start: float, end: float) -> float:
        """Area under the curve between two days, in closed form."""
        return self._area_to(end) - self._area_to(start)

    def _area_to(self, day: float) -> float:
        first, rate = self.cmax / self.foldx, np.log(self.foldx) / (self.tmax - self.lag)
        flat = first * min(day, self.lag)
        rise = first * np.expm1(rate * (np.clip(day, self.lag, self.tmax) - self.lag)) / rate
        since = max(day - self.tmax, 0.0)
        fast = (1 - self.slow_fraction) * -np.expm1(-self.alpha * since) / self.alpha
        slow = self.slow_fraction * -np.expm1(-self.beta * since) / self.beta
        return float(flat + rise + self.cmax * (fast + slow))


def simulated(n: int, seed: int = SEED) -> dict[str, np.ndarray]:
    """Profiles of tisagenlecleucel (Stein 2019) with its variability, residual error and limit."""
    rng = np.random.default_rng(seed)

    def between_subjects(typical: float, variance: float) -> np.ndarray:
        return typical * np.exp(rng.normal(0.0, np.sqrt(variance), (n, 1)))

    foldx, tmax, cmax = (between_subjects(*pair) for pair in ((3900, 2.4), (9.3, 0.38), (24_000, 0.65)))
    alpha, slow, beta = (between_subjects(*pair) for pair in ((0.16, 0.91), (0.0079, 0.8), (0.0032, 0.86)))
    curves = Kinetics(cmax, tmax, np.maximum(foldx, 2.0), alpha, np.minimum(slow, 0.9), beta)
    day = DAYS + np.where(DAYS > 0, rng.uniform(-0.3, 0.3, (n, DAYS.size)), 0.0)
    value = curves.value(day) * np.exp(rng.normal(0.0, 0.56, day.shape))
    value[:, 0] = 0.0
    below = value < LLOQ
    return {"time": day, "value": np.where(below, 0.0, value), "blq": below, "lloq": np.array(LLOQ)}


def as_table(profiles: dict[str, np.ndarray]) -> pd.DataFrame:
    """The same samples as a table, one row each."""
    n, width = profiles["time"].shape
    below = profiles["blq"].ravel()
    return pd.DataFrame(
        {
            "subject_id": np.repeat([f"S{number:06d}" for number in range(n)], width),
            "day": profiles["time"].ravel(),
            "value": np.where(below, np.nan, profiles["value"].ravel()),
            "blq": np.where(below, "BLQ", None),
            "lloq": LLOQ,
        }
    )


def by_group(table: pd.DataFrame) -> np.ndarray:
    """The peer: AUC to the last quantifiable sample, linear, one pandas group at a time."""
    areas = []
    for _, samples in table.groupby("subject_id"):
        day, value = samples["day"].to_numpy(), samples["value"].fillna(0.0).to_numpy()
        known = np.flatnonzero(value > 0)
        last = known[-1] + 1 if known.size else 0
        day, value = day[:last], value[:last]
        areas.append(float((np.diff(day) * (value[1:] + value[:-1])).sum() / 2))
    return np.array(areas)


def cpu_seconds(work, repeats: int) -> float:
    """Least CPU seconds of several runs."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


NONCOMPART = """
arguments <- commandArgs(trailingOnly = TRUE)
if (!requireNamespace("NonCompart", quietly = TRUE)) { cat("not installed"); quit() }
samples <- read.csv(arguments[1])
spent <- system.time(NonCompart::tblNCA(samples, key = "subject", colTime = "day", colConc = "value",
                                        down = "Log", R2ADJ = 0))
cat(sum(spent[c("user.self", "sys.self")]))
"""


def noncompart_seconds(profiles: dict[str, np.ndarray]) -> float | None:
    """CPU seconds of R package NonCompart, samples below the limit as 0; None when it is not installed."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return None
    n, width = profiles["time"].shape
    samples = pd.DataFrame(
        {
            "subject": np.repeat(np.arange(n), width),
            "day": profiles["time"].ravel(),
            "value": profiles["value"].ravel(),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        script, data = Path(folder) / "noncompart.R", Path(folder) / "samples.csv"
        script.write_text(NONCOMPART, encoding="utf-8")
        samples.to_csv(data, index=False)
        said = subprocess.run([rscript, str(script), str(data)], capture_output=True, text=True, check=True)
    return None if said.stdout.endswith("not installed") else float(said.stdout.split()[-1])


def speed() -> None:
    """Print CPU seconds by number of profiles, the peers' beside them."""
    print(f"CPU seconds, least of several runs; {DAYS.size} samples per profile, seed {SEED}, one thread")
    print(f"{'profiles':>9s}  {'way':32s} {'CPU s':>9s} {'us/profile':>11s} {'x arrays':>9s}  goal")
    each: dict[tuple[str, int], float] = {}
    for n in SIZES:
        profiles = simulated(n)
        table = as_table(profiles)
        ways = {
            "arrays, all parameters": lambda p=profiles: exposure.nca(**p),
            "table, all parameters": lambda t=table: pk.nca(t),
            "pandas groups, one AUC": lambda t=table: by_group(t),
        }
        repeats = {"arrays, all parameters": REPEATS[n], "table, all parameters": max(2, REPEATS[n] // 3)}
        spent = {way: cpu_seconds(work, repeats.get(way, 1)) for way, work in ways.items()}
        if n == min(SIZES):
            spent["NonCompart (R)"] = noncompart_seconds(profiles)
        for way, seconds in spent.items():
            if seconds is None:
                print(f"{n:9,d}  {way:32s} not installed")
                continue
            goal = GOALS.get(n) if way.startswith("arrays") else None
            said = "" if goal is None else f"{goal:g} s: {'met' if seconds <= goal else 'NOT met'}"
            ratio = seconds / spent["arrays, all parameters"]
            print(f"{n:9,d}  {way:32s} {seconds:9.4f} {seconds / n * 1e6:11.2f} {ratio:9.1f}  {said}")
            each[way, n] = seconds / n
    for way in ("arrays, all parameters", "table, all parameters"):
        ratio = each[way, max(SIZES)] / each[way, min(SIZES)]
        print(f"{way}: cost per profile at {max(SIZES):,} / {min(SIZES):,} = {ratio:.2f} (goal: at most 1)")
    profiles = simulated(min(SIZES))
    peer = by_group(as_table(profiles))
    ours = exposure.nca(**profiles, auc_method="linear", blq_middle="keep").auc_last
    apart = np.abs(ours - peer) / np.where(peer > 0, peer, 1.0)
    print(f"the same linear AUC from both: largest relative difference {apart.max():.1e} of {peer.size:,}")


def resident(field: str) -> float:
    """Megabytes of this process from the kernel's own account; the peak of its kind where there is none."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        return int(lines[field].split()[0]) / 1024
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1024**2 if sys.platform == "darwin" else 1024)


def memory_of(way: str) -> None:
    """Print the memory of one way, in a process of its own."""
    profiles = simulated(MEMORY_SIZE)
    table = as_table(profiles)
    work = {"arrays": lambda: exposure.nca(**profiles), "table": lambda: pk.nca(table)}[way]
    before = resident("VmRSS")
    found = work()
    after = resident("VmHWM")
    del found
    tracemalloc.start()
    found = work()
    kept, peak = (size / MEMORY_SIZE for size in tracemalloc.get_traced_memory())
    del found
    print(f"{way:8s} {peak:15,.0f} {kept:15,.0f} {before:15,.0f} {after:15,.0f}", flush=True)


def memory() -> None:
    """Print bytes per profile and peak resident memory of both ways."""
    samples = simulated(1)
    given = sum(array.nbytes for array in samples.values())
    print(f"Memory, {MEMORY_SIZE:,} profiles of {DAYS.size} samples ({given:,} bytes of input arrays each)")
    heads = ("peak B/profile", "kept B/profile", "RSS before, MB", "RSS peak, MB")
    print(f"{'':8s} " + " ".join(f"{head:>15s}" for head in heads))
    for way in ("arrays", "table"):
        subprocess.run([sys.executable, __file__, "memory-of", way], check=True)


def known_curves() -> dict[str, Kinetics]:
    """The curves of the closed-form check."""
    names = ["cmax", "tmax", "foldx", "alpha", "FB", "beta", "lag"]
    written = pd.read_csv(TRUTH).set_index("subject")
    known = {subject: Kinetics(*map(float, row)) for subject, row in written[names].iterrows()}
    for subject, curve in known.items():
        for start, end in WINDOWS:
            published = written.loc[subject, f"auc_{start:.0f}_{end:.0f}"]
            if not np.isclose(curve.area(start, end), published, rtol=1e-12):
                raise ValueError(f"the closed form of {subject}, days {start:g}-{end:g}, is not {published}")
    return known | {
        "with lag": Kinetics(18_000.0, 9.29, 2500.0, 0.139, 0.02, 0.002, lag=3.27),
        "early, slow": Kinetics(90_000.0, 6.0, 800.0, 0.06, 0.05, 0.001),
        "late, fast": Kinetics(3_000.0, 17.5, 300.0, 0.45, 0.001, 0.01),
    }


def dense_days(step: float, curve: Kinetics, *, turns: bool) -> np.ndarray:
    """Days 0, step, ... with a sample on every start and end of a window, and where asked on every turn.

    The curve turns at Tmax and at the end of its lag: there a straight line never fits, however short.
    """
    ends = np.array(WINDOWS).ravel()
    grid = np.arange(int(ends.max() / step) + 1) * step
    wanted = [grid, ends, [curve.lag, curve.tmax]] if turns else [grid, ends]
    return np.unique(np.round(np.concatenate(wanted), 9))


def dense_errors(*, turns: bool) -> pd.DataFrame:
    """Relative errors of the areas, by method, step, window and curve."""
    rows = []
    for name, curve in known_curves().items():
        for step in STEPS:
            day = dense_days(step, curve, turns=turns)
            for method in METHODS:
                choices = exposure.Choices(auc_method=method, windows=WINDOWS)
                found = exposure.examine(day, curve.value(day), choices=choices).windows
                for window, area in zip(WINDOWS, found, strict=True):
                    rows.append((method, step, window, name, area.value[0] / curve.area(*window) - 1))
    return pd.DataFrame(rows, columns=["method", "step", "window", "curve", "error"])


def print_by_step(title: str, errors: pd.DataFrame) -> None:
    """Print the largest error of the curves by step, and the power of the step it falls with."""
    print(title)
    print(f"{'method':16s} {'AUC':6s}" + "".join(f"{f'{step:g} d':>9s}" for step in STEPS) + f"{'order':>7s}")
    sizes = errors.assign(error=errors["error"].abs())
    for (method, window), here in sizes.groupby(["method", "window"], sort=False):
        largest = here.groupby("step")["error"].max()
        order = np.log10(largest[1.0] / largest[0.1])
        cells = "".join(f"{largest[step]:9.1e}" for step in STEPS)
        print(f"{method:16s} {f'{window[0]:g}-{window[1]:g}':6s}{cells}{order:7.2f}")


def dense() -> None:
    """Print how the trapezoids approach the closed-form area as samples become denser."""
    plain, on_turns = dense_errors(turns=False), dense_errors(turns=True)
    print(f"Trapezoids against the closed-form area: {plain['curve'].nunique()} noise-free curves")
    print("Largest relative error of the curves; error ~ step^order from 1 day to 0.1 day")
    print_by_step("(a) a sample every step and on each end of a window", plain)
    print_by_step("(b) and on the turns of the curve (Tmax, end of the lag)", on_turns)
    print("(b) AUC0-28, linear, signed relative error of each curve")
    mine = on_turns[(on_turns["method"] == "linear") & (on_turns["window"] == WINDOWS[0])]
    for curve, row in mine.groupby("curve", sort=False):
        print(f"{curve:23s}" + "".join(f"{error:9.1e}" for error in row["error"]))


def main(words: list[str]) -> None:
    """Run what is asked for, everything by default."""
    parts = {"speed": speed, "memory": memory, "dense": dense}
    if words[:1] == ["memory-of"]:
        memory_of(words[1])
        return
    unknown = [word for word in words if word not in parts]
    if unknown:
        raise SystemExit(f"parts are {', '.join(parts)}; got {', '.join(unknown)}")
    for number, word in enumerate(words or parts):
        print("" if number == 0 else "\n", end="")
        parts[word]()


if __name__ == "__main__":
    main(sys.argv[1:])
