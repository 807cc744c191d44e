"""Evidence per dose level: what the results of the endpoints say, as counts and exposures.

Here: which value of each result counts for which criterion, subject by subject, and its count per
level. Not here: the endpoints (nothing is recomputed) and the score.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd

from cart7 import derive, records, results
from cart7.errors import DataError, Problem

Table: TypeAlias = pd.DataFrame | Iterable[records.Record]
Level: TypeAlias = int | float | str

BINARY_CRITERIA = ("dlt", "orr", "persist", "cd7")
EXPOSURE_CRITERION = "log_auc"
CD7_PARAMETER = "CD7POS_PCT"
DEPLETED_BY_DAY = 28.0

_TABLE_OF = {"dlt": "dlt", "orr": "responses", "persist": "kinetics", "cd7": "pd", "log_auc": "kinetics"}


class HasSubjects(Protocol):
    """A result of an endpoint: its frame `subjects` is all that is read."""

    @property
    def subjects(self) -> pd.DataFrame:
        """One row per subject, profile or assessment."""


Result: TypeAlias = HasSubjects | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What endpoint results say of each dose level; unpacks as ``counts, exposures``.

    Attributes
    ----------
    counts : DataFrame
        criterion, dose_level, n, n_event; n = 0 for an untested level.
    exposures : DataFrame
        criterion, dose_level, subject_id, value (as measured).
    subjects : DataFrame
        subject_id, dose_level, criterion, value (1, 0, or the exposure), note when it is missing.
    excluded : DataFrame
        table, row, subject_id, reason: every subject that does not count for a criterion.
    """

    counts: pd.DataFrame
    exposures: pd.DataFrame
    subjects: pd.DataFrame = field(repr=False)
    excluded: pd.DataFrame = field(repr=False)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Counts, then exposures."""
        return iter((self.counts, self.exposures))


def evidence(
    subjects: Table,
    *,
    by: str = "dose_level",
    dlt: Result,
    response: Result,
    exposure: Result,
    persistence: Result,
    depletion: Result | Mapping[str, HasSubjects],
    visit: str = "M3",
    strategy: str = "treatment-policy",
    assay: str = "QPCR",
) -> Evidence:
    """Counts and exposures per dose level from the results of the endpoints.

    Parameters
    ----------
    subjects : DataFrame or sequence of Subject
        Whoever is in it counts; `by` is the dose level. A categorical column keeps its empty levels.
    by : str
        Column of `subjects`.
    dlt : result or None
        `.subjects` with subject_id, evaluable, dlt (1, 0).
    response : result or None
        `.subjects` with subject_id, visit, strategy, responder (1, 0, missing).
    exposure : result or None
        `.subjects` with subject_id, auc_window, and infusion_no, assay where it has them.
    persistence : result or None
        `.at_visit` (else `.subjects`) with subject_id, visit, quantifiable (1, 0; a row = sampled), and
        assay.
    depletion : result, mapping by parameter, or None
        `.subjects` with subject_id, first_day_below_<threshold> (days since infusion) and nadir.
    visit, strategy : str
        Landmark of response and persistence; strategy of response.
    assay : str
        Assay of exposure and persistence.

    Returns
    -------
    Evidence
        Criteria `dlt` (of the evaluable), `orr` (responders of those with a status), `persist` (quantifiable
        of those sampled), `cd7` (CD7+ percent below the smallest threshold by day 28, of those with a result
        after infusion) and `log_auc` (`auc_window` of infusion 1). A result that is None gives n = 0.

    Raises
    ------
    DataError
        `subjects` has no dose_level.
    ValueError
        `by` is no column of `subjects`, or the response result has no such visit or strategy.

    Notes
    -----
    Missing is missing: each criterion keeps its own n. An AUC of 0 (nothing quantifiable) has no logarithm:
    like a missing one it is left out and named in `.excluded`.

    Examples
    --------
    >>> from types import SimpleNamespace as Result
    >>> people = pd.DataFrame({"subject_id": ["1", "2"], "dose_level": [1, 2]})
    >>> dlt = Result(subjects=pd.DataFrame({"subject_id": ["1", "2"], "evaluable": [1, 1], "dlt": [0, 1]}))
    >>> found = evidence(people, dlt=dlt, response=None, exposure=None, persistence=None, depletion=None)
    >>> found.counts.query("criterion == 'dlt'").values.tolist()
    [['dlt', 1, 1, 0], ['dlt', 2, 1, 1]]
    """
    people = derive.subject_table(subjects)
    level, levels = levels_of(subjects, people, by)
    judged = judge(people["subject_id"], dlt=dlt, response=response, exposure=exposure, visit=visit,
                   persistence=persistence, depletion=depletion, strategy=strategy, assay=assay)  # fmt: skip
    return count(judged, level, levels)


def levels_of(subjects: Table, people: pd.DataFrame, by: str) -> tuple["pd.Series[Any]", list[Level]]:
    """Dose level by subject_id (missing where there is none), and all levels in ascending order."""
    if by not in people.columns and by == "dose_level":
        message = "this column is needed and is not there"
        raise DataError([Problem(table="subjects", column=by, rule="MISSING-COLUMN", message=message)])
    if by not in people.columns:
        raise ValueError(f"by must name a column of subjects ({', '.join(people.columns)}), got {by!r}")
    column = people[by]
    raw = subjects[by] if isinstance(subjects, pd.DataFrame) else column
    known = raw.cat.categories if isinstance(raw.dtype, pd.CategoricalDtype) else column.dropna().unique()
    level = [None if pd.isna(value) else plain_level(value) for value in column.tolist()]
    return (
        pd.Series(level, index=people["subject_id"], dtype=object),
        sort_levels(plain_level(value) for value in known.tolist()),
    )


def plain_level(value: Any) -> Level:
    """A level as an int where it is whole, else as a float or a word."""
    try:
        number = float(value)
    except ValueError:
        return str(value)
    return int(number) if number.is_integer() else number


def sort_levels(levels: Iterable[Level]) -> list[Level]:
    """Different levels, numbers by value before words by letter."""
    return sorted(set(levels), key=lambda x: (isinstance(x, str), x if not isinstance(x, str) else 0, str(x)))


def level_column(levels: Sequence[Level | None]) -> "pd.Series[Any]":
    """Levels as a column: whole numbers as int64 (Int64 where one is missing), else as they are."""
    if all(isinstance(level, int) for level in levels):
        return pd.Series(levels, dtype="int64")
    if all(level is None or isinstance(level, int) for level in levels):
        return pd.Series(levels, dtype="Int64")
    return pd.Series(levels, dtype=object)


def judge(
    ids: "pd.Series[Any]",
    *,
    dlt: Result,
    response: Result,
    exposure: Result,
    persistence: Result,
    depletion: Result | Mapping[str, HasSubjects],
    visit: str,
    strategy: str,
    assay: str,
) -> pd.DataFrame:
    """What counts for whom: subject_id, criterion, value, note, a row per subject and criterion."""
    values = {
        "dlt": (_dlt(dlt), "not evaluable for DLT"),
        "orr": (_responder(response, visit, strategy), f"no response status at {visit}"),
        "persist": (_persisting(persistence, visit, assay), f"no {assay} sample at {visit}"),
        "cd7": (_depleted(depletion), f"no {CD7_PARAMETER} result after infusion"),
        EXPOSURE_CRITERION: (_area(exposure, assay), f"no {assay} profile of infusion 1"),
    }
    blocks = []
    for criterion, (value, missing) in values.items():
        reason = "not collected" if value is None else missing
        found = pd.Series(np.nan, index=ids) if value is None else value.reindex(ids)
        numbers = found.to_numpy(dtype=float)
        note = np.where(np.isnan(numbers), reason, "")
        if criterion == EXPOSURE_CRITERION:
            zero = numbers <= 0
            profiled = np.zeros(len(ids), dtype=bool) if value is None else ids.isin(value.index).to_numpy()
            note = np.where(profiled & np.isnan(numbers), "auc_window missing", note)
            note = np.where(zero, "auc_window is 0: nothing quantifiable, no logarithm", note)
            numbers = np.where(zero, np.nan, numbers)
        blocks.append(
            pd.DataFrame(
                {"subject_id": ids.to_numpy(), "criterion": criterion, "value": numbers, "note": note}
            )
        )
    return pd.concat(blocks, ignore_index=True)


def count(judged: pd.DataFrame, level: "pd.Series[Any]", levels: Sequence[Level]) -> Evidence:
    """Counts and exposures of the judged values at the levels given by subject_id."""
    known = level.to_dict()
    placed = judged.assign(
        dose_level=pd.Series([known[subject] for subject in judged["subject_id"]], dtype=object)
    )
    nowhere = placed["dose_level"].isna()
    placed["note"] = placed["note"].mask(nowhere & (placed["note"] == ""), "no dose level")
    used = placed[placed["value"].notna() & ~nowhere]
    rows = []
    for criterion in BINARY_CRITERIA:
        mine = used[used["criterion"] == criterion]
        for one in levels:
            at = mine.loc[mine["dose_level"] == one, "value"]
            rows.append((criterion, one, len(at), int(at.sum())))
    counts = pd.DataFrame(rows, columns=["criterion", "dose_level", "n", "n_event"])
    counts["dose_level"] = level_column(counts["dose_level"].tolist())
    areas = used[used["criterion"] == EXPOSURE_CRITERION]
    order = {one: position for position, one in enumerate(levels)}
    areas = areas.assign(_level=areas["dose_level"].map(order)).sort_values(["_level", "subject_id"])
    exposures = areas[["criterion", "dose_level", "subject_id", "value"]].reset_index(drop=True)
    exposures["dose_level"] = level_column(exposures["dose_level"].tolist())
    idle = placed[placed["note"] != ""]
    placed["dose_level"] = level_column(placed["dose_level"].tolist())
    return Evidence(
        counts=counts,
        exposures=exposures,
        subjects=placed[["subject_id", "dose_level", "criterion", "value", "note"]].reset_index(drop=True),
        excluded=results.excluded_frame(
            (_TABLE_OF[criterion], None, subject, f"{criterion}: {note}")
            for criterion, subject, note in idle[["criterion", "subject_id", "note"]].itertuples(index=False)
        ),
    )


# ----------------------------------------------------------------- one criterion, by subject_id


def _dlt(result: Result) -> "pd.Series[Any] | None":
    if result is None:
        return None
    table = result.subjects
    return table.loc[table["evaluable"] == 1].set_index("subject_id")["dlt"].astype("float64")


def _responder(result: Result, visit: str, strategy: str) -> "pd.Series[Any] | None":
    if result is None:
        return None
    table = result.subjects
    for name, value in (("visit", visit), ("strategy", strategy)):
        there = sorted(table[name].dropna().unique().tolist())
        if there and value not in there:
            raise ValueError(f"{name} must be one of {', '.join(there)} (of response), got {value!r}")
    mine = table[(table["visit"] == visit) & (table["strategy"] == strategy)]
    return mine.set_index("subject_id")["responder"].astype("float64")


def _of_assay(table: pd.DataFrame, assay: str) -> pd.DataFrame:
    """Rows of the first infusion and of one assay, as far as the table tells them apart."""
    if "assay" in table.columns:
        unnamed = table["assay"].isna() | (table["assay"] == "")
        table = table[(table["assay"] == assay) | unnamed]
    return table[table["infusion_no"] == 1] if "infusion_no" in table.columns else table


def _persisting(result: Result, visit: str, assay: str) -> "pd.Series[Any] | None":
    if result is None:
        return None
    table = _of_assay(getattr(result, "at_visit", result.subjects), assay)
    sampled = table[(table["visit"] == visit) & table["quantifiable"].notna()]
    return sampled.groupby("subject_id")["quantifiable"].max().astype("float64")


def _area(result: Result, assay: str) -> "pd.Series[Any] | None":
    if result is None:
        return None
    return _of_assay(result.subjects, assay).set_index("subject_id")["auc_window"].astype("float64")


def _depleted(result: Result | Mapping[str, HasSubjects]) -> "pd.Series[Any] | None":
    chosen = result.get(CD7_PARAMETER) if isinstance(result, Mapping) else result
    if chosen is None:
        return None
    table = chosen.subjects
    if "parameter" in table.columns:
        table = table[table["parameter"] == CD7_PARAMETER]
    prefix = "first_day_below_"
    below = {float(name[len(prefix) :]): name for name in table.columns if str(name).startswith(prefix)}
    if not below:
        raise ValueError(f"depletion must have columns {prefix}<threshold>, got {', '.join(table.columns)}")
    first = table[below[min(below)]].astype("float64")
    observed = table["nadir"].notna() | first.notna()
    flag = (first <= DEPLETED_BY_DAY).astype("float64").where(observed)
    return pd.Series(flag.to_numpy(), index=table["subject_id"].to_numpy())
