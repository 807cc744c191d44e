"""What differs between two runs: their data row by row, their plans, versions and numbers.

Here: `compare_runs` for two data cuts or two releases, and `difference`, its numbers alone. Not here:
computing again (`verification`) and the words in which it is told (`wording`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cart7 import records, results
from cart7.errors import VerificationError
from cart7.manifest.contents import canonical_cells, cells_of, content_hash
from cart7.manifest.reading import manifest_at, read_manifest, read_results, study_of, table_files
from cart7.manifest.verification import NUMBER_COLUMNS, moved_numbers

INPUT_COLUMNS = (
    "table", "change", "rows_old", "rows_new", "columns_added", "columns_removed", "rows_added",
    "rows_removed", "rows_changed", "note",
)  # fmt: skip
ROW_COLUMNS = ("table", "change", "key", "column", "old", "new")
PLAN_COLUMNS = ("rule", "old", "new")
ONE_SIDED_COLUMNS = ("what", "name", "only_in", "n_numbers")


@dataclass(frozen=True, kw_only=True, eq=False)
class Difference:
    """What differs between two runs, a (old) and b (new).

    Attributes
    ----------
    same : bool
        True when inputs, plan and numbers are the same; another version alone is no difference.
    inputs : DataFrame
        Tables whose content differs: table, change (`content`, `only in a`, `only in b`), rows and columns
        of both, rows added, removed and changed (by key), and a note where the rows cannot be compared.
    rows : DataFrame
        Those rows: table, change, key, and for changed ones column, old and new cell.
    plan : DataFrame
        Rules that differ: rule, old, new.
    versions : dict
        Packages whose version differs: name to (a, b).
    one_sided : DataFrame
        Subjects and groups in one run only: what, name, only_in, and how many results they have.
    numbers : DataFrame
        Results that moved, without those of one-sided subjects and groups; by endpoint, the largest
        relative difference first.
    n_compared : int
        Results compared.
    rtol : float
        Relative difference below which two numbers are the same.
    """

    same: bool
    inputs: pd.DataFrame = field(repr=False)
    rows: pd.DataFrame = field(repr=False)
    plan: pd.DataFrame = field(repr=False)
    versions: dict[str, tuple[str, str]]
    one_sided: pd.DataFrame = field(repr=False)
    numbers: pd.DataFrame = field(repr=False)
    n_compared: int
    rtol: float


@dataclass(frozen=True, slots=True)
class _Run:
    place: Path
    manifest: Mapping[str, Any]
    long: pd.DataFrame


def _run_at(place: str | Path) -> _Run:
    path = manifest_at(place)
    manifest = read_manifest(path)
    return _Run(path, manifest, read_results(path, manifest))


def difference(a: str | Path, b: str | Path, *, rtol: float = 1e-9) -> pd.DataFrame:
    """Results that differ between two manifests (two data cuts, or two releases), as `verify` lists them.

    Parameters
    ----------
    a, b : str or Path
        Manifests, or the folders of two reports; old and new.
    rtol : float
        Relative difference below which two numbers are the same.
    """
    one, other = _run_at(a), _run_at(b)
    return moved_numbers(one.long, other.long, rtol=rtol)


def compare_runs(a: str | Path, b: str | Path, *, rtol: float = 1e-9) -> Difference:
    """Everything that differs between two runs.

    Parameters
    ----------
    a, b : str or Path
        Manifests, or the folders of two reports; old and new.
    rtol : float
        Relative difference below which two numbers are the same.

    Returns
    -------
    Difference

    Raises
    ------
    VerificationError
        A manifest or its results are missing, damaged or name a file they may not.
    ValueError
        If `rtol` is negative or not finite.
    """
    if not 0 <= rtol < np.inf:
        raise ValueError(f"rtol must be a finite number from 0, got {rtol}")
    one, other = _run_at(a), _run_at(b)
    inputs, rows = _input_differences(one, other)
    plan = _plan_differences(one.manifest["plan"], other.manifest["plan"])
    numbers = moved_numbers(one.long, other.long, rtol=rtol)
    one_sided, numbers = _without_one_sided(one.long, other.long, numbers)
    return Difference(
        same=not len(inputs) and not len(plan) and not len(numbers) and not len(one_sided),
        inputs=inputs, rows=rows, plan=plan, versions=_version_differences(one, other),
        one_sided=one_sided, numbers=_largest_first(numbers),
        n_compared=len(one.long.merge(other.long[list(results.KEY)], on=list(results.KEY))), rtol=rtol,
    )  # fmt: skip


def _version_differences(one: _Run, other: _Run) -> dict[str, tuple[str, str]]:
    both = [
        {**run.manifest["environment"].get("packages", {}), "cart7": str(run.manifest.get("cart7", ""))}
        for run in (one, other)
    ]
    names = dict.fromkeys([*both[0], *both[1]])
    found = {name: (both[0].get(name, ""), both[1].get(name, "")) for name in names}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def _plan_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> pd.DataFrame:
    """Rules that differ, named by their place in the plan (`response.tie`)."""
    one, other = _flat(old), _flat(new)
    names = dict.fromkeys([*one, *other])
    absent = "not in the plan"
    rows = [
        [name, _rule_text(one.get(name, absent)), _rule_text(other.get(name, absent))]
        for name in names
        if one.get(name, absent) != other.get(name, absent)
    ]
    return pd.DataFrame(rows, columns=list(PLAN_COLUMNS))


def _flat(rules: Any, place: str = "") -> dict[str, Any]:
    """Rules by their place in the plan; a list is one rule."""
    if not isinstance(rules, Mapping) or not rules:
        return {place: rules}
    flat: dict[str, Any] = {}
    for name, rule in rules.items():
        flat |= _flat(rule, f"{place}.{name}" if place else str(name))
    return flat


def _rule_text(rule: Any) -> str:
    return "not set" if rule is None else str(rule)


# ---- numbers ------------------------------------------------------------------------------------


def _without_one_sided(
    old: pd.DataFrame, new: pd.DataFrame, numbers: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Subjects and groups of one run only, and the numbers that are not theirs."""
    rows = []
    theirs = np.zeros(len(numbers), dtype=bool)
    for what in ("subject_id", "group"):
        names = [set(frame[what]) - {""} for frame in (old, new)]
        for side, only, frame in (("a", names[0] - names[1], old), ("b", names[1] - names[0], new)):
            counts = Counter(frame.loc[frame[what].isin(only), what])
            rows += [[what, name, side, counts[name]] for name in sorted(only)]
            theirs |= numbers[what].isin(only).to_numpy() & (numbers["difference"] == f"only in {side}")
    return pd.DataFrame(rows, columns=list(ONE_SIDED_COLUMNS)), numbers[~theirs].reset_index(drop=True)


def _largest_first(numbers: pd.DataFrame) -> pd.DataFrame:
    """By endpoint; within it the largest relative difference first, then words, then what came or went."""
    size = numbers["relative"].astype("float64").abs()
    order = pd.DataFrame({"analysis": numbers["analysis"], "lost": size.isna(), "size": -size})
    chosen = order.sort_values(["analysis", "lost", "size"], kind="stable").index
    return numbers.loc[chosen, list(NUMBER_COLUMNS)].reset_index(drop=True)


# ---- inputs -------------------------------------------------------------------------------------


def _input_differences(one: _Run, other: _Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables whose content differs, and their rows where both files are still those of the runs."""
    then, now = ({item["table"]: item for item in run.manifest["inputs"]} for run in (one, other))
    tables = [name for name in records.TABLES if name in then or name in now]
    summary, rows = [], []
    for table in tables:
        old, new = then.get(table), now.get(table)
        if old is None or new is None:
            summary.append(_on_one_side(table, old, new))
        elif old["content_hash"] != new["content_hash"]:
            line, changed = _changed_table(table, (one, old), (other, new))
            summary.append(line)
            rows += changed
    counts = ("rows_old", "rows_new", "rows_added", "rows_removed", "rows_changed")
    frame = pd.DataFrame(summary, columns=list(INPUT_COLUMNS)).astype(dict.fromkeys(counts, "Int64"))
    return frame, pd.DataFrame(rows, columns=list(ROW_COLUMNS))


def _on_one_side(table: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[Any]:
    change = "only in a" if new is None else "only in b"
    sizes = [None if item is None else item.get("rows") for item in (old, new)]
    return [table, change, *sizes, "", "", None, None, None, ""]


def _changed_table(
    table: str, old: tuple[_Run, Mapping[str, Any]], new: tuple[_Run, Mapping[str, Any]]
) -> tuple[list[Any], list[list[str]]]:
    """One table whose content differs, and the rows that make the difference."""
    columns = [item.get("columns") or [] for _, item in (old, new)]
    added = ", ".join(name for name in columns[1] if name not in columns[0])
    removed = ", ".join(name for name in columns[0] if name not in columns[1])
    head = [table, "content", old[1].get("rows"), new[1].get("rows"), added, removed]
    frames, lost = [], []
    for side, (run, item) in (("a", old), ("b", new)):
        frame = _as_then(run, item)
        if frame is None:
            lost.append(side)
        else:
            frames.append(frame)
    if lost:
        note = (
            f"only hashes can be compared: the file of {' and '.join(lost)} is not that of the run any more"
        )
        return [*head, None, None, None, note], []
    rows, note = changed_rows(frames[0], frames[1], table)
    counts = [len({row[2] for row in rows if row[1] == kind}) for kind in ("added", "removed", "changed")]
    return [*head, *counts, note], rows


def _as_then(run: _Run, item: Mapping[str, Any]) -> pd.DataFrame | None:
    """Cells of an input if its file is there and still says what it said in the run."""
    try:
        folder = study_of(run.place, [item])
    except VerificationError:
        return None
    paths = [path for path in table_files(folder) if path.stem.lower() == item["table"]]
    if len(paths) != 1:
        return None
    cells = cells_of(paths[0], item["table"])
    return cells if content_hash(cells, item["table"]) == item["content_hash"] else None


def changed_rows(old: pd.DataFrame, new: pd.DataFrame, table: str) -> tuple[list[list[str]], str]:
    """Rows added, removed and changed between two versions of a table, by its key.

    Rows with the same key are told apart by their order among the sorted rows of that key; a table
    that lacks a column of its key is keyed by those that both versions have.

    Parameters
    ----------
    old, new : DataFrame
        Cells of the two versions.
    table : str
        Name of the table: says which columns are its key.

    Returns
    -------
    rows : list of [table, change, key, column, old, new]
        One row per changed cell; one per added or removed row, without a column.
    note : str
        What the comparison could not rely on.

    Examples
    --------
    >>> old = pd.DataFrame({"subject_id": ["001", "002"], "dlt": ["N", "N"]})
    >>> new = pd.DataFrame({"subject_id": ["001", "003"], "dlt": ["Y", "N"]})
    >>> for row in changed_rows(old, new, "dlt")[0]:
    ...     print(row[1:])
    ['added', 'subject_id 003', '', '', '']
    ['removed', 'subject_id 002', '', '', '']
    ['changed', 'subject_id 001', 'dlt', 'N', 'Y']
    """
    one, other = canonical_cells(old, table), canonical_cells(new, table)
    key = [name for name in records.TABLES[table].key if name in one and name in other]
    columns = list(dict.fromkeys([*one, *other]))
    before, after = (_by_key(cells, key, columns) for cells in (one, other))
    rows = [[table, "added", _key_text(key, place), "", "", ""] for place in after if place not in before]
    rows += [[table, "removed", _key_text(key, place), "", "", ""] for place in before if place not in after]
    for place, cells in before.items():
        if place in after and cells != after[place]:
            rows += [
                [table, "changed", _key_text(key, place), name, cell, later]
                for name, cell, later in zip(columns, cells, after[place], strict=True)
                if cell != later
            ]
    repeated = any(place[-1] for place in (*before, *after))
    return rows, "some rows share a key; they are compared in their order" if repeated else ""


_Place = tuple[str | int, ...]


def _by_key(
    cells: Mapping[str, list[str]], key: Sequence[str], columns: Sequence[str]
) -> dict[_Place, tuple[str, ...]]:
    """Rows by key and their number among the rows of that key (0 for the first)."""
    n = len(next(iter(cells.values()), []))
    whole = sorted(zip(*(cells.get(name, [""] * n) for name in columns), strict=True)) if n else []
    places = [columns.index(name) for name in key]
    seen: Counter[tuple[str, ...]] = Counter()
    rows: dict[_Place, tuple[str, ...]] = {}
    for row in whole:
        named = tuple(row[place] for place in places)
        rows[(*named, seen[named])] = row
        seen[named] += 1
    return rows


def _key_text(key: Sequence[str], place: _Place) -> str:
    """A key as text: `subject_id CD7-001 | day 7`, with ` (2)` for the second row of a key."""
    named = " | ".join(f"{name} {value}" for name, value in zip(key, place[:-1], strict=True) if value != "")
    number = int(place[-1])
    return f"{named} ({number + 1})" if number else named
