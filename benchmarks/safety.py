"""CPU seconds of the safety tables: a million adverse events beside pandas, and the example study's tables.

python benchmarks/safety.py            both parts
python benchmarks/safety.py speed      the term table of 1,000,000 records, from text and from categoricals
python benchmarks/safety.py example    every safety table of the example study, in milliseconds
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read by numpy when it is loaded: one thread, so CPU seconds compare
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import gc
import platform
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

import cart7
from cart7 import safety
from cart7.examples import STUDY_FOLDER

SEED = 20240315
N_RECORDS, N_SUBJECTS, N_LEVELS, N_SOCS, N_PTS = 1_000_000, 20_000, 3, 27, 500
UNGRADED, NO_PT, NO_SOC, NO_START, BEFORE = 0.02, 0.02, 0.005, 0.01, 0.02
SOURCES = ("text", "categoricals")
GOALS = {"text": 1.5, "categoricals": 4.0}
GOAL_MS = 50.0
REPEATS, EXAMPLE_REPEATS = 5, 30

COUNTS = [
    "n_subjects",
    "n_events",
    *(f"grade_{grade}" for grade in range(1, 6)),
    "grade_missing",
    "grade_ge3",
]
ROW = ["level", "soc", "pt", "group"]


# ------------------------------------------------------------------------------------- a million records


def simulated(seed: int = SEED) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Adverse events with text columns and their subjects: some terms are common, most are rare."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"S{number:05d}" for number in range(N_SUBJECTS)], dtype=object)
    socs = np.array([f"Disorders of system {number:02d}" for number in range(N_SOCS)], dtype=object)
    pts = np.array([f"Preferred term {number:03d}" for number in range(N_PTS)], dtype=object)
    of_term = rng.integers(N_SOCS, size=N_PTS)
    frequency = 1 / np.arange(1, N_PTS + 1)
    term = rng.choice(N_PTS, size=N_RECORDS, p=frequency / frequency.sum())
    grade = rng.choice([1.0, 2, 3, 4, 5], size=N_RECORDS, p=[0.4, 0.3, 0.2, 0.09, 0.01])
    day = rng.integers(0, 365, size=N_RECORDS).astype(float)

    def some(fraction: float) -> np.ndarray:
        return rng.random(N_RECORDS) < fraction

    events = pd.DataFrame(
        {
            "subject_id": pd.Series(ids[rng.integers(N_SUBJECTS, size=N_RECORDS)], dtype=object),
            "soc": pd.Series(np.where(some(NO_SOC), None, socs[of_term[term]]), dtype=object),
            "pt": pd.Series(np.where(some(NO_PT), None, pts[term]), dtype=object),
            "grade": np.where(some(UNGRADED), np.nan, grade),
            "start_day": np.where(some(BEFORE), -day - 1, day),
        }
    )
    events.loc[some(NO_START), "start_day"] = np.nan
    subjects = pd.DataFrame(
        {"subject_id": pd.Series(ids, dtype=object), "dose_level": rng.integers(1, N_LEVELS + 1, N_SUBJECTS),
         "infused": "Y"}
    )  # fmt: skip
    return events, subjects


def with_categoricals(events: pd.DataFrame) -> pd.DataFrame:
    """The same records with their words as categoricals."""
    return events.astype(dict.fromkeys(("subject_id", "soc", "pt"), "category"))


def by_pandas(events: pd.DataFrame, subjects: pd.DataFrame) -> pd.DataFrame:
    """The peer: the same counts by group-by, everybody once per class, term and overall at the worst grade.

    Nothing is checked, no interval is made, and the rows have no order; a term has a row where it occurs.
    """
    emergent = events[~(events["start_day"] < 0)].copy()  # an unknown start counts
    emergent["dose_level"] = emergent["subject_id"].map(subjects.set_index("subject_id")["dose_level"])
    for word in ("soc", "pt"):
        if isinstance(emergent[word].dtype, pd.CategoricalDtype):
            emergent[word] = emergent[word].cat.add_categories("UNCODED")
        emergent[word] = emergent[word].fillna("UNCODED")
    emergent["grade"] = emergent["grade"].fillna(0).astype("int64")
    tables = []
    for level, keys in (("ANY", []), ("SOC", ["soc"]), ("PT", ["soc", "pt"])):
        # A subject has one dose level: as a key it splits nobody, and ALL is the sum of the levels.
        each = [*keys, "dose_level", "subject_id"]
        cells = emergent.groupby(each, observed=True, sort=False)["grade"].agg(["size", "max"])
        n_events = cells.groupby([*keys, "dose_level"], observed=True, sort=False)["size"].sum()
        worst = cells.groupby([*keys, "dose_level", "max"], observed=True, sort=False).size()
        rows = worst.unstack("max", fill_value=0).reindex(columns=range(6), fill_value=0)  # noqa: PD010
        rows = rows.assign(n_events=n_events).reset_index()
        rows["group"] = rows.pop("dose_level").astype(str)
        total = rows.drop(columns="group")
        total = total.groupby(keys, observed=True, as_index=False).sum() if keys else total.sum().to_frame().T
        tables.append(pd.concat([rows, total.assign(group="ALL")]).assign(level=level))
    table = pd.concat(tables, ignore_index=True)
    table["n_subjects"] = table[list(range(6))].sum(axis=1)
    table["grade_ge3"] = table[[3, 4, 5]].sum(axis=1)
    return table.rename(columns={0: "grade_missing"} | {grade: f"grade_{grade}" for grade in range(1, 6)})


def require_equal(table: pd.DataFrame, peer: pd.DataFrame) -> int:
    """Number of counts compared; an error when one differs. A row the peer lacks counts nobody."""
    mine = table.set_index(ROW)[COUNTS].astype("int64")
    others = peer.assign(**{word: peer[word].astype(object).fillna("") for word in ("soc", "pt")})
    others = others.set_index(ROW)[COUNTS].astype("int64")
    strangers = others.index.difference(mine.index)
    if len(strangers) or not mine.index.is_unique or not others.index.is_unique:
        raise ValueError(f"rows of pandas that by_term lacks: {list(strangers[:3])}")
    differ = (mine != others.reindex(mine.index, fill_value=0)).to_numpy()
    if differ.any():
        raise ValueError(f"{int(differ.sum())} counts differ, first in {mine.index[differ.any(axis=1)][0]}")
    return differ.size


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """Least CPU seconds of several runs."""
    spent = []
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def speed() -> None:
    """Print CPU seconds of the term table beside the group-by of the same counts."""
    events, subjects = simulated()
    print(f"CPU seconds, least of {REPEATS} runs, one thread, seed {SEED}")
    print(
        f"{len(events):,} records of {N_SUBJECTS:,} subjects in {N_LEVELS} dose levels, {N_SOCS} classes, "
        f"{N_PTS} terms; without grade {events['grade'].isna().mean():.1%}, "
        f"class {events['soc'].isna().mean():.1%}, "
        f"term {events['pt'].isna().mean():.1%}, start {events['start_day'].isna().mean():.1%}"
    )
    print(f"{'source':14s} {'safety.by_term':>14s} {'pandas group-by':>16s} {'ratio':>7s}  goal")
    for source in SOURCES:
        given = events if source == "text" else with_categoricals(events)
        table, peer = safety.by_term(given, subjects).summary, by_pandas(given, subjects)
        n_equal, n_rows = require_equal(table, peer), len(table)
        del table, peer
        ours = cpu_seconds(lambda given=given: safety.by_term(given, subjects), REPEATS)
        theirs = cpu_seconds(lambda given=given: by_pandas(given, subjects), REPEATS)
        goal, ratio = GOALS[source], theirs / ours
        said = f"at least {goal:g} x: {'met' if ratio >= goal else 'NOT met'}"
        print(f"{source:14s} {ours:14.3f} {theirs:16.3f} {ratio:7.2f}  {said}")
        print(f"{'':14s} {n_rows:,} rows, {n_equal:,} counts compared, all equal")
    print("by_term also makes the interval of every row, the table of subjects and the excluded records")


# ---------------------------------------------------------------------------------------- the example study


def example_tables() -> dict[str, Callable[[], object]]:
    """Every safety table of the example study, by name."""
    read = cart7.read_study(STUDY_FOLDER)
    subjects = read.subjects[read.subjects["infused"] == "Y"]
    events, reports, labs, adjudicated = read.events, read.adverse_events, read.labs, read.dlt
    tables: dict[str, Callable[[], object]] = {
        "overview": lambda: safety.overview(reports, subjects, events=events),
        "by_term": lambda: safety.by_term(reports, subjects, events=events),
        "exposure_adjusted": lambda: safety.exposure_adjusted(reports, subjects, events=events),
        "special_interest": lambda: safety.special_interest(reports, subjects, events=events),
        "dose_limiting_toxicity": lambda: safety.dose_limiting_toxicity(
            subjects, dlt=adjudicated, events=events
        ),
        "dose_limiting_toxicity, derived": lambda: safety.dose_limiting_toxicity(
            subjects, adverse_events=reports, events=events
        ),
        "icaht": lambda: safety.icaht(labs, subjects, events=events),
        "cytopenia, day 28": lambda: safety.cytopenia(labs, subjects, day=28, by="dose_level"),
        "lab_shift": lambda: safety.lab_shift(labs, subjects),
    }
    for category in ("CRS", "ICANS", "HLH"):
        tables[f"episodes, {category}"] = lambda category=category: safety.episodes(
            reports, subjects, category=category, events=events
        )
    return tables


def example() -> None:
    """Print CPU milliseconds of each safety table of the example study, and of all."""
    tables = example_tables()
    for make in tables.values():
        make()
    print(f"CPU milliseconds of the example study's safety tables, least of {EXAMPLE_REPEATS} runs")
    spent = {name: 1000 * cpu_seconds(make, EXAMPLE_REPEATS) for name, make in tables.items()}
    for name, milliseconds in spent.items():
        print(f"{name:32s} {milliseconds:7.2f}")
    total = sum(spent.values())
    said = f"goal: within {GOAL_MS:g} ms: {'met' if total <= GOAL_MS else 'NOT met'}"
    print(f"{'all ' + str(len(spent)):32s} {total:7.2f}  {said}")


def main(words: list[str]) -> None:
    """Run what is asked for, everything by default."""
    parts = {"speed": speed, "example": example}
    unknown = [word for word in words if word not in parts]
    if unknown:
        raise SystemExit(f"parts are {', '.join(parts)}; got {', '.join(unknown)}")
    print(f"Python {platform.python_version()}, pandas {pd.__version__}, numpy {np.__version__}")
    for word in words or parts:
        print()
        parts[word]()


if __name__ == "__main__":
    main(sys.argv[1:])
