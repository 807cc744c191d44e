"""A million kinetics rows read and checked, beside the bare reading of the same file.

python benchmarks/reading.py [rows]
"""

import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from cart7.examples import STUDY_FOLDER
from cart7.study import read_study

SEED = 20240601


def write(folder: Path, n: int) -> None:
    """Kinetics samples of the example's subjects, `n` rows, no two alike; every one of them sound."""
    rng = np.random.default_rng(SEED)
    for name in ("subjects", "products"):
        shutil.copy(STUDY_FOLDER / f"{name}.csv", folder)
    samples = pd.read_csv(STUDY_FOLDER / "kinetics.csv", dtype=str, keep_default_na=False)
    subjects = pd.read_csv(STUDY_FOLDER / "subjects.csv", dtype=str, keep_default_na=False)
    rows = samples.iloc[np.arange(n) % len(samples)].reset_index(drop=True)
    rows["sample_id"] = rows["sample_id"] + "-" + pd.Series(np.arange(n) // 2).astype(str)
    values = np.exp(rng.normal(8.0, 1.5, n)).clip(60, 9e5).round(1)
    rows["value"] = np.where(rows["value"] == "", "", values.astype(str))
    day = rows["day"].astype(float).to_numpy()
    rows["day"] = np.where(day < 0, day, (np.floor(day) + rng.random(n) * 0.98).round(2)).astype(str)
    zero = pd.to_datetime(rows["subject_id"].map(subjects.set_index("subject_id")["infusion_date"]))
    dates = zero + pd.to_timedelta(np.floor(rows["day"].astype(float)).clip(lower=0), unit="D")
    rows["sample_date"] = dates.dt.strftime("%Y-%m-%d")
    rows.to_csv(folder / "kinetics.csv", index=False)


def cost(folder: Path, way: str, answer) -> None:
    """CPU seconds, seconds and peak memory of one way of reading, in a process of its own."""
    ways = {
        "read_study": lambda: read_study(folder),
        "read_csv, dtype=str": lambda: pd.read_csv(folder / "kinetics.csv", dtype=str),
        "read_csv, typed": lambda: pd.read_csv(folder / "kinetics.csv"),
        "read_csv, typed, round-trip": lambda: pd.read_csv(
            folder / "kinetics.csv", float_precision="round_trip"
        ),
    }
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = time.process_time(), time.perf_counter()
    table = ways[way]()
    spent = time.process_time() - cpu, time.perf_counter() - wall
    findings = len(table.problems) if way == "read_study" else None
    answer.put((*spent, base, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, findings))


def main(n: int) -> None:
    """Print a line per way, and the ratios."""
    context = multiprocessing.get_context("spawn")
    found = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        # In a process of its own as well: a process starts with the peak of the one that made it.
        writing = context.Process(target=write, args=(folder, n))
        writing.start()
        writing.join()
        size = (folder / "kinetics.csv").stat().st_size / 1e6
        print(f"{n} rows, {size:.0f} MB")
        for way in ("read_csv, dtype=str", "read_csv, typed", "read_csv, typed, round-trip", "read_study"):
            answer = context.Queue()
            process = context.Process(target=cost, args=(folder, way, answer))
            process.start()
            found[way] = answer.get()
            process.join()
            cpu, wall, base, peak, findings = found[way]
            said = "" if findings is None else f"  {findings} findings"
            print(f"{way:28s} {cpu:6.2f} s CPU {wall:6.2f} s  peak {peak / 1e3:6.0f} MB"
                  f" (+{(peak - base) / 1e3:.0f}){said}", flush=True)  # fmt: skip
    mine = found.pop("read_study")
    for way, other in found.items():
        print(
            f"read_study / {way:28s} {mine[0] / other[0]:5.2f} x CPU {mine[3] / other[3]:5.2f} x peak memory"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
