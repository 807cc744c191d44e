"""The same input gives the same bytes, the same seed the same draws, and a moved number is noticed."""

import json
import tempfile
from pathlib import Path

import pandas as pd

from cart7.designs import Boin, simulate
from cart7.errors import Cart7Error
from cart7.results import KEY, LONG_COLUMNS, compare
from cart7.validation.areas.recommended_dose import score_of
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

MOVED = 1.25
SEEDED_CASE = "RP01"


@check("reproducibility.same_seed")
def same_seed(bench: Bench, tally: Tally) -> None:
    """Simulated trials and scores under one seed are equal to the last bit, on one worker and in a longer run."""
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
    rows = json.loads(bench.written["results.json"])["results"]
    key, words = list(KEY), [name for name in LONG_COLUMNS if name != "value"]
    first = bench.trial.to_frame().sort_values(key, ignore_index=True)
    second = pd.DataFrame(rows, columns=list(LONG_COLUMNS)).sort_values(key, ignore_index=True)
    tally.numbers("value", second["value"].astype(float), first["value"])
    # One word per row: everything beside the value.
    told = [frame[words].fillna("").astype(str).agg("|".join, axis=1).tolist() for frame in (second, first)]
    tally.words("row", *told)


@check("reproducibility.verify")
def verify(bench: Bench, tally: Tally) -> None:
    """A manifest is verified: one number altered in its results is named, and no other."""
    if bench.verify is None:
        raise Cart7Error("verify was not handed over")
    results = json.loads(bench.written["results.json"])
    chosen = next(row for row in results["results"] if row["stat"] == "geo_mean" and row["value"] is not None)
    chosen["value"] *= MOVED
    with tempfile.TemporaryDirectory() as place:
        for name, content in bench.written.items():
            (Path(place) / name).write_bytes(content)
        (Path(place) / "results.json").write_text(json.dumps(results), encoding="utf-8")
        found = bench.verify(Path(place) / "manifest.json")
    tally.numbers("inputs changed", [len(found.inputs)], [0])
    tally.numbers("numbers moved", [len(found.numbers)], [1])
    moved = found.numbers.to_dict("records")[0]
    key = ("analysis", "param", "group", "stat")
    tally.words("the one altered", [moved[name] for name in key], [chosen[name] for name in key], at=key)


@check("reproducibility.compare")
def compare_rows(bench: Bench, tally: Tally) -> None:
    """`results.compare` finds nothing between equal results and one number that was moved."""
    long = bench.trial.to_frame()
    tally.numbers("differences with itself", [len(compare(long, long))], [0])
    moved = long.copy()
    row = moved.index[moved["value"].notna() & (moved["value"] != 0)][0]
    moved.loc[row, "value"] = moved.loc[row, "value"] * (1 + 1e-6)
    tally.numbers("differences with one moved", [len(compare(long, moved))], [1])
