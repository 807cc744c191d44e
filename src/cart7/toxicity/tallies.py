"""What the safety tables share: groups of subjects, proportions and rates with limits, long rows.

Here: a table row once per group, the columns of a proportion and of a rate, words that mean the same, and
the way of a safety result to the long form. Not here: which records a row counts (`safety`,
`dose_limiting`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import derive, results
from cart7.results import EndpointResult
from cart7.stats import proportions, rates
from cart7.toxicity.remembered import remembered

Flags: TypeAlias = npt.NDArray[np.bool_]
Columns: TypeAlias = dict[str, npt.NDArray[Any]]
"""A table on its way: a frame is made of it once all columns are there, which is several times as fast."""

UNCODED = "UNCODED"
RATE = ("estimate", "ci_low", "ci_high")
INCIDENCE = ("incidence_rate", "incidence_ci_low", "incidence_ci_high")
EVENT = ("event_rate", "event_ci_low", "event_ci_high")
DAY_COLUMNS = (
    "first_day", "start_day", "end_day", "onset_day", "duration_days", "total_days", "followup_days",
    "onset_median", "onset_min", "onset_max", "duration_median", "duration_min", "duration_max",
    "total_days_median", "days_le_500", "days_le_100", "recovery_day",
)  # fmt: skip
UNITS = {
    **dict.fromkeys(DAY_COLUMNS, "days"),
    **dict.fromkeys(("person_years", "followup_years"), "years"),
    **dict.fromkeys((*INCIDENCE, *EVENT), "1/100 person-years"),
}


class LaidOutWhenRead:
    """A frame of a result, given as what makes it: a large one costs nothing until somebody reads it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, result: Any, owner: type | None = None) -> pd.DataFrame:
        if result is None:
            raise AttributeError(self.name)
        frame = result.__dict__[self.name]
        if not isinstance(frame, pd.DataFrame):
            frame = result.__dict__[self.name] = frame()
        made: pd.DataFrame = frame
        return made

    def __set__(self, result: Any, frame: pd.DataFrame | Callable[[], pd.DataFrame]) -> None:
        result.__dict__[self.name] = frame


class Traceable(Protocol):
    """What a table was counted from."""

    def rows(self, **key: Any) -> pd.DataFrame:
        """Source rows of a cell."""

    @property
    def queries(self) -> pd.DataFrame:
        """What should be asked about the records."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SafetyResult(EndpointResult):
    """A result of the safety room: how its frames become long rows."""

    analysis: ClassVar[str]
    stats: ClassVar[tuple[str, ...]]
    subject_stats: ClassVar[tuple[str, ...]]
    estimated: ClassVar[tuple[str, ...]] = RATE
    summary_population: ClassVar[str] = ""
    trace: Traceable | None = field(repr=False, default=None)

    def rows(self, **key: Any) -> pd.DataFrame:
        """Source rows of a cell of `summary`.

        Parameters
        ----------
        **key
            The columns that name the row of `summary` (`row`; `soc`, `pt`; `category` ...), `group`
            (`ALL` by default) and, in tables of adverse events, `grade_group`: `any`, `missing`, `3`, `3-4`,
            `>=3`: the subjects of that worst grade, with the records that put them there.

        Returns
        -------
        DataFrame
            table, row (1-based row of the input), subject_id, term, grade, start_day, end_day (days since
            infusion), start.

        Raises
        ------
        ValueError
            If no row of the table has that name.
        """
        if self.trace is None:
            raise ValueError(f"{type(self).__name__} keeps no source rows")
        return self.trace.rows(**key)

    @property
    def queries(self) -> pd.DataFrame:
        """Queries about the records: table, row, subject_id, column, value, rule, message."""
        if self.trace is None:
            raise ValueError(f"{type(self).__name__} keeps no source rows")
        return self.trace.queries

    def _params(self) -> tuple[str | pd.Series, str | pd.Series]:
        """Word of each row of `summary` and of `subjects`."""
        raise TypeError(f"{type(self).__name__} has no long form")

    def _reasons(self) -> Mapping[str, str | pd.Series]:
        """Why a value of `subjects` is missing, where its note does not say."""
        return {}

    def _long(self) -> list[pd.DataFrame]:
        row, subject_row = self._params()
        summary, subjects = self.summary, self.subjects
        return [
            results.long_rows(
                summary, analysis=self.analysis, param=row, stats=self.stats, units=UNITS,
                population=self.summary_population or self.population, group=summary["group"],
                method=dict.fromkeys(self.estimated, summary.get("method", "")),
            ),
            results.long_rows(
                subjects, analysis=self.analysis, param=subject_row, stats=self.subject_stats, units=UNITS,
                population=self.population, subject_id=subjects["subject_id"], reasons=self._reasons(),
            ),
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Groups of subjects, `ALL` last."""

    labels: list[str]
    members: Flags  # groups by subjects

    def unfold(self, rows: Mapping[str, Any] | pd.DataFrame, **columns: npt.NDArray[Any]) -> Columns:
        """Each row of a table once per group, with `group`, `n` and the columns (rows by groups)."""
        each = {str(name): np.repeat(np.asarray(rows[name]), len(self.labels)) for name in rows}
        n_rows = len(next(iter(each.values()))) // len(self.labels)
        group = np.tile(np.array(self.labels, dtype=object), n_rows)
        n = np.tile(self.members.sum(axis=1), n_rows)
        return {**each, "group": group, "n": n, **{name: cells.ravel() for name, cells in columns.items()}}


@remembered
def groups_of(subjects: pd.DataFrame, by: str | None) -> Groups:
    """Groups of `subjects` by the column `by`, and ALL; nobody changes them."""
    found = derive.groups(subjects, by)
    return Groups(labels=[label for label, _ in found], members=np.array([member for _, member in found]))


class IntervalRules(Protocol):
    """Rules that say how a proportion gets its interval."""

    @property
    def conf_level(self) -> float:
        """Two-sided level."""

    @property
    def ci_method(self) -> str:
        """Method of `stats.proportions.interval`."""


def known_method(value: str) -> str:
    """A method that `stats.proportions.interval` knows."""
    if value not in proportions.METHODS:
        raise ValueError(f"ci_method must be one of {', '.join(proportions.METHODS)}; got {value!r}")
    return value


def add_proportion(
    summary: Columns, x: str, n: str, rules: IntervalRules, names: tuple[str, str, str]
) -> None:
    """Append x / n as a fraction with its interval, and how it was made."""
    events, total = summary[x].astype(float), summary[n].astype(float)
    summary[names[0]] = np.divide(events, total, out=np.full(len(total), np.nan), where=total > 0)
    summary[names[1]], summary[names[2]] = proportions.interval(
        events, total, method=rules.ci_method, conf_level=rules.conf_level
    )
    for name in ("conf_level", "method"):
        summary.pop(name, None)  # how they were made stands behind all of them
    summary["conf_level"] = np.full(len(total), rules.conf_level)
    summary["method"] = np.full(len(total), rules.ci_method, dtype=object)


def add_rate(summary: Columns, x: str, years: str, rules: IntervalRules, names: tuple[str, str, str]) -> None:
    """Append the rate per 100 person-years with its exact Poisson interval."""
    events, time = summary[x].astype(float), summary[years].astype(float)
    low, high = rates.interval(events, time, conf_level=rules.conf_level)
    rate = np.divide(events, time, out=np.full(len(time), np.nan), where=time > 0)
    for name, value in zip(names, (rate, low, high), strict=True):
        summary[name] = 100 * value


def add_spans(summary: Columns, name: str, values: npt.ArrayLike, inside: Sequence[Flags]) -> None:
    """Append median, least and greatest of the known values of each row of the table; NaN where none is."""
    numbers = np.asarray(values, dtype=float)
    known = ~np.isnan(numbers)
    found = np.full((3, len(inside)), np.nan)
    for place, rows in enumerate(inside):
        ordered = np.sort(numbers[rows & known])
        if ordered.size:
            middle = (ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]) / 2
            found[:, place] = middle, ordered[0], ordered[-1]
    for stat, cells in zip(("median", "min", "max"), found, strict=True):
        summary[f"{name}_{stat}"] = cells


def notes(n: int, *cases: tuple[Flags, str]) -> npt.NDArray[np.object_]:
    """One note for each of `n` rows: every text whose case applies."""
    note = np.full(n, "", dtype=object)
    for applies, text in cases:
        rows = np.flatnonzero(applies)
        note[rows] = [f"{old}; {text}" if old else text for old in note[rows]]
    return note


def word_or(column: pd.Series, otherwise: str | pd.Series) -> pd.Series:
    """The words of a column, `otherwise` where there is none."""
    return column.astype(object).where(column.notna(), otherwise)


def among(column: pd.Series, words: Iterable[str]) -> Flags:
    """Whether each value is one of the words, whatever its case."""
    wanted = {word.casefold() for word in words}
    code, known = pd.factorize(column)
    hits = np.array([str(value).casefold() in wanted for value in known] + [False])
    found: Flags = hits[code]  # code -1, a blank, is the last
    return found


def related(column: pd.Series) -> Flags:
    """Anything but NOT RELATED or N is related, blank included."""
    return ~among(column, ("NOT RELATED", "N"))


def in_category(table: pd.DataFrame, category: str) -> Flags:
    """Records of one category of `aesi`; IEC-HS is the newer name of HLH."""
    same = ("HLH", "IEC-HS") if category in ("HLH", "IEC-HS") else (category,)
    return among(table["aesi"], same)
