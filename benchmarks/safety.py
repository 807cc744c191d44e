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
from dataclasses import replace

import numpy as np
import pandas as pd

import cart7
from cart7 import safety
from cart7.examples import STUDY_FOLDER
from cart7.records import TABLES
from cart7.study import Study

SEED = 20240315
N_RECORDS, N_LEVELS, N_SOCS, N_PTS = 1_000_000, 3, 27, 500
SUBJECTS = (20_000, 200_000)  # 50 records each, and 5 each
UNGRADED, NO_PT, NO_SOC, NO_START, BEFORE = 0.02, 0.02, 0.005, 0.01, 0.02
SOURCES = ("text", "categoricals")
GOALS = {"text": 1.5, "categoricals": 4.0}
GOAL_MS = 50.0
REPEATS, EXAMPLE_REPEATS, FIRST_REPEATS = 5, 40, 15

COUNTS = ["n_subjects", "n_events", *(f"grade_{g}" for g in range(1, 6)), "grade_missing", "grade_ge3"]
ROW = ["level", "soc", "pt", "group"]


# ------------------------------------------------------------------------------------- a million records


def simulated(n_subjects: int, seed: int = SEED) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Adverse events with text columns and their subjects: some terms are common, most are rare."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"S{number:06d}" for number in range(n_subjects)], dtype=object)
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
            "subject_id": pd.Series(ids[rng.integers(n_subjects, size=N_RECORDS)], dtype=object),
            "soc": pd.Series(np.where(some(NO_SOC), None, socs[of_term[term]]), dtype=object),
            "pt": pd.Series(np.where(some(NO_PT), None, pts[term]), dtype=object),
            "grade": np.where(some(UNGRADED), np.nan, grade),
            "start_day": np.where(some(BEFORE), -day - 1, day),
        }
    )
    events.loc[some(NO_START), "start_day"] = np.nan
    subjects = pd.DataFrame(
        {"subject_id": pd.Series(ids, dtype=object), "dose_level": rng.integers(1, N_LEVELS + 1, n_subjects),
         "infused": "Y"}
    )  # fmt: skip
    return events, subjects


def with_categoricals(events: pd.DataFrame) -> pd.DataFrame:
    """The same records with their words as categoricals."""
    return events.astype(dict.fromkeys(("subject_id", "soc", "pt"), "category"))


def by_pandas(events: pd.DataFrame, subjects: pd.DataFrame, *, sort: bool = True) -> pd.DataFrame:
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
        cells = emergent.groupby(each, observed=True, sort=sort)["grade"].agg(["size", "max"])
        n_events = cells.groupby([*keys, "dose_level"], observed=True, sort=sort)["size"].sum()
        worst = cells.groupby([*keys, "dose_level", "max"], observed=True, sort=sort).size()
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
    gc.collect()
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def speed() -> None:
    """Print CPU seconds of the term table beside the group-by of the same counts."""
    print(
        f"CPU seconds of {N_RECORDS:,} records by class and term at the worst grade, {N_LEVELS} dose levels"
    )
    print(f"and ALL; {N_SOCS} classes, {N_PTS} terms; least of {REPEATS} runs, one thread, seed {SEED}")
    print(f"missing: grade {UNGRADED:.1%}, term {NO_PT:.1%}, class {NO_SOC:.1%}, start {NO_START:.1%}")
    print(
        f"{'subjects':>8s} {'source':12s} {'by_term':>8s} {'group-by':>9s} {'ratio':>6s} {'sort=False':>11s} "
        f"{'ratio':>6s} {'subjects read':>14s}  goal beside group-by"
    )
    for n_subjects in SUBJECTS:
        events, subjects = simulated(n_subjects)
        for source in SOURCES:
            given = events if source == "text" else with_categoricals(events)
            print(f"{n_subjects:8,d} {source:12s}", side_by_side(given, subjects, GOALS[source]), flush=True)
    print(
        "by_term also makes the interval of every row and the list of excluded records; its table of subjects"
    )
    print("(a row per subject and term) is laid out when it is read: that is the column 'subjects read'")


def side_by_side(events: pd.DataFrame, subjects: pd.DataFrame, goal: float) -> str:
    """CPU seconds of `by_term` and of pandas, once their counts are equal."""
    n_equal = require_equal(safety.by_term(events, subjects).summary, by_pandas(events, subjects))
    ours = cpu_seconds(lambda: safety.by_term(events, subjects), REPEATS)
    plain = cpu_seconds(lambda: by_pandas(events, subjects), REPEATS)
    unsorted = cpu_seconds(lambda: by_pandas(events, subjects, sort=False), REPEATS)
    found = safety.by_term(events, subjects)
    reading = cpu_seconds(lambda: found.subjects, 1)
    said = f"{goal:g} x: {'met' if plain / ours >= goal else 'NOT met'}; {n_equal:,} counts equal"
    beside = f"{plain:9.3f} {plain / ours:6.2f} {unsorted:11.3f} {unsorted / ours:6.2f}"
    return f"{ours:8.3f} {beside} {reading:14.3f}  {said}"


# ---------------------------------------------------------------------------------------- the example study


def example_tables(read: Study) -> dict[str, dict[str, Callable[[], object]]]:
    """Every safety table of the example study as its report makes them, by table of the study and name."""
    subjects = read.subjects[read.subjects["infused"] == "Y"]
    reports, labs, events, adjudicated = read.adverse_events, read.labs, read.events, read.dlt
    of_reports = (
        safety.overview, safety.by_term, safety.exposure_adjusted, safety.special_interest, safety.by_period,
        safety.cumulative_incidence,
    )  # fmt: skip
    of_labs = (safety.icaht, safety.icaht_platelets, safety.blood_counts)
    adverse: dict[str, Callable[[], object]] = {
        make.__name__: lambda make=make: make(reports, subjects, events=events) for make in of_reports
    }
    adverse["dose_limiting_toxicity"] = lambda: safety.dose_limiting_toxicity(
        subjects, dlt=adjudicated, events=events
    )
    adverse["compare_dlt"] = lambda: safety.compare_dlt(
        subjects, dlt=adjudicated, adverse_events=reports, events=events
    )
    adverse["aesi_course"] = lambda: safety.aesi_course(read.aesi_course, subjects, read.conmeds)
    laboratory: dict[str, Callable[[], object]] = {
        make.__name__: lambda make=make: make(labs, subjects, events) for make in of_labs
    }
    laboratory["cytopenia"] = lambda: safety.cytopenia(labs, subjects, day=28, by="dose_level")
    laboratory["lab_shift"] = lambda: safety.lab_shift(labs, subjects)
    laboratory["iec_hs_screen"] = lambda: safety.iec_hs_screen(labs, subjects)
    return {"adverse events": adverse, "laboratory": laboratory}


def example() -> None:
    """Print CPU milliseconds of each safety table of the example study, and of all."""
    print(
        f"CPU milliseconds of the example study's safety tables, least of {EXAMPLE_REPEATS} runs, one thread"
    )
    read = cart7.read_study(STUDY_FOLDER)
    total = 0.0
    for part, tables in example_tables(read).items():
        spent = {name: 1000 * cpu_seconds(make, EXAMPLE_REPEATS) for name, make in tables.items()}
        for name, milliseconds in spent.items():
            print(f"  {name:24s} {milliseconds:7.2f}")
        print(f"{part:26s} {sum(spent.values()):7.2f}")
        total += sum(spent.values())
    said = f"goal: within {GOAL_MS:g} ms: {'met' if total <= GOAL_MS else 'NOT met'}"
    print(f"{'all safety tables':26s} {total:7.2f}  {said}")
    first = [first_time(renamed(read, number)) for number in range(FIRST_REPEATS)]
    print(f"{'of a study never seen':26s} {1000 * min(first):7.2f}  its frames are read, too")


def renamed(read: Study, number: int) -> Study:
    """The study with other subject ids, so that nothing remembered serves for it."""
    frames = {
        name: frame.assign(subject_id=frame["subject_id"] + f"-{number}")
        for name in TABLES
        if (frame := getattr(read, name)) is not None
    }
    return replace(read, **frames)


def first_time(read: Study) -> float:
    """CPU seconds of every table once."""
    tables = [make for part in example_tables(read).values() for make in part.values()]
    return cpu_seconds(lambda: [make() for make in tables], 1)


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
