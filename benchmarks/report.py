"""CPU seconds of the example study's report, by stage, after import.

python benchmarks/report.py
"""

import tempfile
import time
from pathlib import Path

import matplotlib.figure  # noqa: F401

import cart7
from cart7 import analysis, manifest, plan, study  # noqa: F401  (imported before the clock starts)
from cart7.examples import STUDY_FOLDER
from cart7.report import document


def timed(stages: dict[str, float], name: str, work):
    """Run `work`, adding its CPU seconds to `stages`."""
    start = time.process_time()
    result = work()
    stages[name] = time.process_time() - start
    return result


def main() -> None:
    """Print a line per stage and the total."""
    stages: dict[str, float] = {}
    read = timed(stages, "read study", lambda: cart7.read_study(STUDY_FOLDER))
    rules = timed(stages, "read plan", lambda: cart7.read_plan("example"))
    marks: list[tuple[str, float]] = []
    trial = timed(
        stages,
        "analyse",
        lambda: cart7.analyse(read, rules, progress=lambda s: marks.append((s, time.process_time()))),
    )
    end = time.process_time()
    long = timed(stages, "long rows", trial.to_frame)
    with tempfile.TemporaryDirectory() as folder:
        timed(stages, "pages and figures", lambda: document.write(trial, Path(folder)))
    timed(stages, "results.csv and .json", lambda: (manifest.results_csv(long), manifest.results_json(long)))
    for name, seconds in stages.items():
        print(f"{name:24s} {seconds:7.3f} s")
        if name == "analyse":
            ends = [*[when for _, when in marks[1:]], end]
            for (stage, when), done in zip(marks, ends, strict=True):
                print(f"    {stage:20s} {done - when:7.3f} s")
    print(f"{'total':24s} {sum(stages.values()):7.3f} s  ({len(long)} result rows)")


if __name__ == "__main__":
    main()
