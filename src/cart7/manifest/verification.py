"""Whether a run's numbers come out again: inputs, plan, versions and outputs, each told apart.

Here: `verify`, its record, and `assert_reproduced` for a test suite. Not here: the words in which it is
told (`wording`) and the comparison of two runs (`differences`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from cart7 import results
from cart7._version import versions
from cart7.analysis import analyse
from cart7.errors import DataError, VerificationError
from cart7.manifest.contents import cells_of, content_hash, plan_hash, sha256_of
from cart7.manifest.reading import (
    RESULTS_LIMIT,
    manifest_at,
    output_path,
    read_manifest,
    read_results,
    study_of,
)
from cart7.plan import Plan
from cart7.study import Study, read_study

INPUT_COLUMNS = (
    "table", "path", "change", "old", "new", "rows_old", "rows_new", "columns_added", "columns_removed",
)  # fmt: skip
NUMBER_COLUMNS = (*results.KEY, "old", "new", "absolute", "relative", "difference")
OUTPUT_COLUMNS = ("path", "change")


@dataclass(frozen=True, kw_only=True, eq=False)
class Verification:
    """Whether a manifest's numbers come out again.

    Attributes
    ----------
    reproduced : bool
        True when the inputs have the same content and every number is the same.
    inputs : DataFrame
        Inputs whose content changed: table, path, change (`content`, `new table`), old, new (content
        hashes), rows then and now, columns that came and went.
    numbers : DataFrame
        Results that moved: their key, old and new value, absolute and relative difference (of numbers),
        and `difference`: `value`, `text`, `unit`, `only in a` (the run's), `only in b` (now), `stands twice`.
    versions : dict
        Packages whose version differs: name to (then, now). A difference alone is no failure.
    outputs : DataFrame
        Files of the run whose bytes are others now: path, change (`changed`, `missing`). No failure alone.
    rewritten : tuple of str
        Inputs with other bytes or in another file, but of the same content.
    plan_edited : bool
        True when the plan in the manifest is not the one that the run wrote there.
    cart7, n_inputs, n_numbers, rows_set_aside : str and int
        The version of the run; how much was compared; rows that are set aside for their errors now.
    rtol : float
        Relative difference below which two numbers are the same.
    """

    reproduced: bool
    inputs: pd.DataFrame = field(repr=False)
    numbers: pd.DataFrame = field(repr=False)
    versions: dict[str, tuple[str, str]] = field(default_factory=dict)
    outputs: pd.DataFrame = field(
        repr=False, default_factory=lambda: pd.DataFrame(columns=list(OUTPUT_COLUMNS))
    )
    rewritten: tuple[str, ...] = ()
    plan_edited: bool = False
    cart7: str = ""
    n_inputs: int = 0
    n_numbers: int = 0
    rows_set_aside: int = 0
    rtol: float = 1e-9


def verify(manifest_path: str | Path, *, rtol: float = 1e-9) -> Verification:
    """Read the inputs again, compute again, and compare with what was written.

    Parameters
    ----------
    manifest_path : str or Path
        A `manifest.json`, or the folder that holds it; nothing is written.
    rtol : float
        Relative difference below which two numbers are the same.

    Returns
    -------
    Verification

    Raises
    ------
    VerificationError
        When it cannot be verified: the manifest or its results are missing, damaged or name a file they
        may not, an input is gone or no study table any more.
    ValueError
        If `rtol` is negative or not finite.
    """
    if not 0 <= rtol < np.inf:
        raise ValueError(f"rtol must be a finite number from 0, got {rtol}")
    place = manifest_at(manifest_path)
    manifest = read_manifest(place)
    before = read_results(place, manifest)
    outputs = _changed_outputs(place, manifest)
    plan = _plan_of(place, manifest)
    study, changed, rewritten = _read_again(place, manifest)
    try:
        now = analyse(study, plan).to_frame()
    except DataError as error:
        raise VerificationError(f"{place}: the study can no longer be analysed. {error}") from error
    numbers = moved_numbers(before, now, rtol=rtol)
    return Verification(
        reproduced=not len(changed) and not len(numbers), inputs=changed, numbers=numbers,
        versions=_drift(manifest), outputs=outputs, rewritten=rewritten,
        plan_edited="plan_hash" in manifest and plan_hash(manifest["plan"]) != manifest["plan_hash"],
        cart7=str(manifest.get("cart7", "")), n_inputs=len(manifest["inputs"]), n_numbers=len(before),
        rows_set_aside=int(study.accounting["rows_set_aside"].sum()), rtol=rtol,
    )  # fmt: skip


def assert_reproduced(manifest_path: str | Path, *, rtol: float = 1e-9) -> None:
    """Fail, with the readable list of what changed, unless a manifest's numbers come out again.

    For a test suite: ``def test_the_report_reproduces(): assert_reproduced("report/manifest.json")``.

    Parameters
    ----------
    manifest_path : str or Path
        A `manifest.json`, or the folder that holds it.
    rtol : float
        Relative difference below which two numbers are the same.

    Raises
    ------
    AssertionError
        When an input's content changed or a number moved: the lines of `cart7 verify`.
    VerificationError
        When it cannot be verified.
    """
    from cart7.manifest.wording import told

    found = verify(manifest_path, rtol=rtol)
    if not found.reproduced:
        raise AssertionError("\n".join([f"{manifest_path} does not reproduce", *told(found, most=50)]))


def moved_numbers(before: pd.DataFrame, now: pd.DataFrame, *, rtol: float) -> pd.DataFrame:
    """Results that differ, with how far; rows of `before` whose key stands twice are told as such."""
    key = list(results.KEY)
    twice = before[before.duplicated(key)]
    before = before.drop_duplicates(key)
    found = results.compare(before, now, rtol=rtol, atol=0.0)
    words = found["difference"].isin(["text"]) | (found["old"].isna() & found["new"].isna())
    numbers = found[key].copy()
    for name in ("old", "new"):
        numbers[name] = found[name].astype(object).where(~words, found[f"{name}_text"].astype(object))
    numbers["absolute"], numbers["relative"] = _how_far(found)
    numbers["difference"] = found["difference"]
    parts = [numbers, _other_units(before, now), _standing_twice(twice)]
    return results.concat(parts, NUMBER_COLUMNS)[list(NUMBER_COLUMNS)]


def _how_far(found: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """New minus old, and that by the size of the old; infinite where the old is 0, missing where one is."""
    old, new = (found[name].to_numpy(dtype=float) for name in ("old", "new"))
    absolute = new - old
    with np.errstate(divide="ignore", invalid="ignore"):
        return absolute, absolute / np.abs(old)


def _other_units(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """The same number in another unit is another number."""
    key = list(results.KEY)
    both = before[[*key, "unit"]].merge(now[[*key, "unit"]], on=key, suffixes=("_a", "_b"))
    other = both[both["unit_a"] != both["unit_b"]]
    return other[key].assign(
        old=other["unit_a"], new=other["unit_b"], absolute=np.nan, relative=np.nan, difference="unit"
    )


def _standing_twice(twice: pd.DataFrame) -> pd.DataFrame:
    given = twice["value"].astype(object).where(twice["value"].notna(), twice["text"])
    return twice[list(results.KEY)].assign(
        old=given, new="", absolute=np.nan, relative=np.nan, difference="stands twice"
    )


def _drift(manifest: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Packages whose version is another one, cart7 as the manifest itself names it."""
    then = dict(manifest["environment"].get("packages", {}))
    if isinstance(manifest.get("cart7"), str):
        then["cart7"] = manifest["cart7"]
    return {name: (str(then.get(name, "")), now) for name, now in versions().items() if then.get(name) != now}


def _plan_of(place: Path, manifest: Mapping[str, Any]) -> Plan:
    try:
        return Plan.model_validate(manifest["plan"])
    except (ValidationError, RecursionError) as error:
        raise VerificationError(
            f"{place}: the plan in the manifest is not one that this version knows"
        ) from error


def _changed_outputs(place: Path, manifest: Mapping[str, Any]) -> pd.DataFrame:
    """Files of the run that are gone or have other bytes."""
    changes = []
    for item in manifest["outputs"]:
        path = output_path(place, item["path"])
        if not path.is_file():
            changes.append([item["path"], "missing"])
        elif "sha256" in item and _is_other(path, item["sha256"]):
            changes.append([item["path"], "changed"])
    return pd.DataFrame(changes, columns=list(OUTPUT_COLUMNS))


def _is_other(path: Path, recorded: str) -> bool:
    """Whether a file has other bytes; one too long to be a run's is not read to know it."""
    return path.stat().st_size > RESULTS_LIMIT or sha256_of(path) != recorded


def _read_again(place: Path, manifest: Mapping[str, Any]) -> tuple[Study, pd.DataFrame, tuple[str, ...]]:
    """The study as it is now, the inputs whose content changed, and those merely written anew."""
    try:
        study = read_study(study_of(place, manifest["inputs"]), on_problem="report")
    except DataError as error:
        raise VerificationError(f"{place}: the study can no longer be read. {error}") from error
    recorded = {item["table"]: item for item in manifest["inputs"]}
    lost = [name for name in recorded if name not in study.files]
    if lost:
        raise VerificationError(
            f"{place}: an input is missing or no study table: {', '.join(lost)}. {_errors_of(study)}"
        )
    changes, rewritten = [], []
    for table, item in recorded.items():
        cells = cells_of(study.files[table], table)
        now = content_hash(cells, table)
        if now != item["content_hash"]:
            changes.append(_changed_input(item, cells, now))
        elif sha256_of(study.files[table]) != item.get("sha256"):
            rewritten.append(table)
    changes += [
        [table, path.name, "new table", "", "", None, None, "", ""]
        for table, path in study.files.items()
        if table not in recorded
    ]
    # Changed data with an error are told as changed; the same data with one cannot have been the run's.
    errors = (study.problems["severity"] == "error").any()
    if errors and not changes and manifest.get("on_problem") != "report":
        raise VerificationError(f"{place}: the study can no longer be read. {_errors_of(study)}")
    frame = pd.DataFrame(changes, columns=list(INPUT_COLUMNS)).astype(
        {"rows_old": "Int64", "rows_new": "Int64"}
    )
    return study, frame, tuple(rewritten)


def _changed_input(item: Mapping[str, Any], cells: pd.DataFrame, now: str) -> list[Any]:
    """An input whose content changed, with its size then and now."""
    columns = [str(name) for name in cells.columns]
    then = columns if item.get("columns") is None else item["columns"]
    added = ", ".join(name for name in columns if name not in then)
    removed = ", ".join(name for name in then if name not in columns)
    rows = [item.get("rows"), len(cells)]
    return [item["table"], item["path"], "content", item["content_hash"], now, *rows, added, removed]


def _errors_of(study: Study) -> str:
    """The data errors of a study, as one text."""
    errors = study.problems[study.problems["severity"] == "error"]
    return "; ".join(f"{row.table}: {row.message}" for row in errors.head(20).itertuples())
