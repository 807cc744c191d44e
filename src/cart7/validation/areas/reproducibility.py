"""The same input gives the same bytes, the same seed the same draws, and a moved number is noticed."""

import json
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from cart7.designs import Boin, simulate
from cart7.errors import Cart7Error
from cart7.examples import STUDY_FOLDER
from cart7.results import compare
from cart7.validation.areas.recommended_dose import score_of
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

MOVED = 1.25
SEEDED_CASE = "RP01"


@check("reproducibility.same_seed")
def same_seed(bench: Bench, tally: Tally) -> None:
    """Simulated trials and scores under one seed are equal to the last bit."""
    design, rates = Boin(target=0.3), (0.1, 0.3, 0.5)
    one, two = (simulate(design, rates, n_trials=2_000, n_cohorts=6, rng=11) for _ in range(2))
    other = simulate(design, rates, n_trials=2_000, n_cohorts=6, rng=12)
    for name in ("selection", "n_per_level", "dlt_per_level"):
        tally.numbers(name, getattr(one, name)["estimate"], getattr(two, name)["estimate"])
    tally.claim("another seed, other draws", not one.n_per_level.equals(other.n_per_level))
    first, second = (score_of(bench, SEEDED_CASE, rng=5).summary for _ in range(2))
    numeric = first.select_dtypes("number").columns
    tally.numbers("score", first[numeric].to_numpy(float), second[numeric].to_numpy(float))


@check("reproducibility.same_bytes")
def same_bytes(bench: Bench, tally: Tally) -> None:
    """A second reading and analysis of the example study gives every result again, to the last bit."""
    first, second = bench.long, bench.analysed_again()
    tally.words("columns", second.columns, first.columns)
    tally.numbers("value", second["value"], first["value"])
    # One word per row: everything beside the value.
    told = []
    for frame in (second, first):
        row = pd.Series("", index=frame.index)
        for name in frame.columns.drop("value"):
            row = row + "|" + frame[name].fillna("").astype(str)
        told.append(row.tolist())
    tally.words("row", *told)


@check("reproducibility.verify")
def verify(bench: Bench, tally: Tally) -> None:
    """A manifest of three tables is verified: one number altered in its results is named, and no other."""
    if bench.verify is None or bench.write_report is None:
        raise Cart7Error("verify and the writer of reports were not handed over")
    with tempfile.TemporaryDirectory() as place:
        study, out = Path(place) / "study", Path(place) / "out"
        study.mkdir()
        for name in ("subjects", "events", "responses"):
            shutil.copyfile(STUDY_FOLDER / f"{name}.csv", study / f"{name}.csv")
        bench.write_report(study, bench.plan, out, formats=())
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))
        chosen = next(row for row in results["results"] if row["stat"] == "median" and row["value"])
        chosen["value"] *= MOVED
        (out / "results.json").write_text(json.dumps(results), encoding="utf-8")
        found = bench.verify(out / "manifest.json")
    tally.numbers("inputs changed", [len(found.inputs)], [0])
    tally.numbers("numbers moved", [len(found.numbers)], [1])
    moved = found.numbers.to_dict("records")[0]
    key = ("analysis", "param", "group", "stat")
    tally.words("the one altered", [moved[name] for name in key], [chosen[name] for name in key], at=key)


@check("reproducibility.compare")
def compare_rows(bench: Bench, tally: Tally) -> None:
    """`results.compare` finds nothing between equal results and one number that was moved."""
    long = bench.long
    tally.numbers("differences with itself", [len(compare(long, long))], [0])
    moved = long.copy()
    row = moved.index[moved["value"].notna() & (moved["value"] != 0)][0]
    moved.loc[row, "value"] = moved.loc[row, "value"] * (1 + 1e-6)
    tally.numbers("differences with one moved", [len(compare(long, moved))], [1])
