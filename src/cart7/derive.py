"""What endpoints share before any statistic: relative days, windows, groups and first events.

Here: days from the infusion, the record of a visit window, the analysis set's name, groups of
subjects, the first day of each event. Not here: findings about data (`study`) or any endpoint.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ConfigDict, model_validator
from pydantic.dataclasses import dataclass

from cart7 import records
from cart7.errors import DataError, Problem
from cart7.stats import partial_dates

ALL = "ALL"
SECONDS_PER_DAY = 86_400
_COMPLETE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Window:
    """A visit window in whole days since infusion, both bounds inclusive.

    Parameters
    ----------
    target, lower, upper : float
        Planned day and bounds, in days since infusion; a record counts by the floor of its day.

    Examples
    --------
    >>> Window(90, 76, 104).contains([75.9, 76.0, 104.9, 105.0]).tolist()
    [False, True, True, False]
    """

    target: float
    lower: float
    upper: float

    @model_validator(mode="after")
    def _ordered(self) -> "Window":
        if not self.lower <= self.target <= self.upper:
            found = f"{self.lower:g}, {self.target:g}, {self.upper:g}"
            raise ValueError(f"a window needs lower <= target <= upper, got {found}")
        return self

    def contains(self, day: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each day (days since infusion) falls into the window."""
        whole = np.floor(np.asarray(day, dtype=float))
        return np.asarray((whole >= self.lower) & (whole <= self.upper), dtype=bool)


def check_windows(windows: Mapping[str, Window]) -> None:
    """Refuse windows that overlap; gaps between them are allowed.

    Raises
    ------
    ValueError
        Naming the two windows that share a day.
    """
    ordered = sorted(windows.items(), key=lambda item: (item[1].lower, item[1].upper))
    for (name, window), (next_name, next_window) in pairwise(ordered):
        if next_window.lower <= window.upper:
            raise ValueError(f"windows {name} and {next_name} overlap at day {next_window.lower:g}")


def subject_table(
    subjects: pd.DataFrame | Iterable[records.Record], *, fill: Sequence[str] = ()
) -> pd.DataFrame:
    """Checked subjects: one row each, in the types of `records.to_frame`.

    Raises
    ------
    DataError
        When a subject stands twice, naming every such row.
    """
    frame = records.to_frame(subjects, "subjects", fill=fill)
    again = frame["subject_id"].duplicated()
    if again.any():
        raise DataError(
            [
                Problem(table="subjects", row=int(row), column="subject_id", value=subject,
                        subject_id=subject, rule="DUPLICATE-SUBJECT", message="a subject has one row")
                for row, subject in zip(frame.loc[again, "row"], frame.loc[again, "subject_id"], strict=True)
            ]
        )  # fmt: skip
    return frame


def infused(subjects: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Who was infused: by the flag, else by an infusion date; everybody when the table is silent.

    Examples
    --------
    >>> infused(pd.DataFrame({"subject_id": ["1", "2"], "infused": ["Y", "N"]})).tolist()
    [True, False]
    """
    dated = day_zero(subjects).notna().to_numpy()
    if "infused" in subjects.columns and subjects["infused"].notna().any():
        said = subjects["infused"]
        return np.asarray((said == "Y").to_numpy() | (said.isna().to_numpy() & dated), dtype=bool)
    return np.asarray(dated if dated.any() else np.ones(len(subjects)), dtype=bool)


def population(subjects: pd.DataFrame) -> str:
    """Name of the analysis set that `subjects` is.

    Returns
    -------
    str
        `INFUSED` when all of them are, else `ENROLLED`; empty when the table does not say.

    Examples
    --------
    >>> population(pd.DataFrame({"subject_id": ["1", "2"], "infused": ["Y", "N"]}))
    'ENROLLED'
    """
    if "infused" not in subjects.columns:
        return ""
    said = subjects["infused"].to_numpy(dtype=object)
    known = said[~pd.isna(said)]
    if not known.size:
        return ""
    return "INFUSED" if known.size == said.size and bool((known == "Y").all()) else "ENROLLED"


def group_label(value: object) -> str:
    """Text of a group: 1.0 is `1`."""
    if isinstance(value, float | np.floating):
        return f"{float(value):g}"
    return str(value)


def groups(subjects: pd.DataFrame, by: str | None) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """Groups of subjects, ascending, and then `ALL`.

    Parameters
    ----------
    subjects : DataFrame
        One row per subject.
    by : str or None
        Column that defines the groups; None gives `ALL` only, as does a table without `dose_level` when
        that is asked for. The levels of a categorical column keep their row with nobody in it.

    Returns
    -------
    list of (str, array of bool)
        Label and membership over the rows of `subjects`. A subject without a level is in `ALL` only.

    Raises
    ------
    ValueError
        When `by` names a column that `subjects` lacks.

    Examples
    --------
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"], "dose_level": [1.0, 2.0]})
    >>> [(label, int(member.sum())) for label, member in groups(subjects, "dose_level")]
    [('1', 1), ('2', 1), ('ALL', 2)]
    """
    everybody = [(ALL, np.ones(len(subjects), dtype=bool))]
    if by is None or (by == "dose_level" and by not in subjects.columns):
        return everybody
    if by not in subjects.columns:
        raise ValueError(
            f"by must name a column of subjects ({', '.join(map(str, subjects.columns))}), got {by!r}"
        )
    column = subjects[by]
    if isinstance(column.dtype, pd.CategoricalDtype):
        levels = list(column.cat.categories)
    else:
        levels = sorted(column.dropna().unique().tolist(), key=_ascending)
    return [
        (group_label(level), (column == level).fillna(False).to_numpy(dtype=bool)) for level in levels
    ] + everybody


def _ascending(level: object) -> tuple[int, float, str]:
    """Numbers by value, before words by letter."""
    try:
        return (0, float(str(level)), "")
    except ValueError:
        return (1, 0.0, str(level))


def to_datetime(dates: pd.Series) -> pd.Series:
    """Complete dates as datetime64; a blank, partial or unreadable one is NaT.

    Examples
    --------
    >>> to_datetime(pd.Series(["2022-01-21", "2022-01", None])).notna().tolist()
    [True, False, False]
    """
    if pd.api.types.is_datetime64_any_dtype(dates):
        return dates.astype("datetime64[ns]").dt.normalize()
    values = dates.tolist()
    if len(values) <= _FEW:
        days = np.array([_calendar_day(value) for value in values], dtype="datetime64[D]")
    else:  # each different text is read once
        code, known = pd.factorize(np.array(list(map(str, values)), dtype=object))
        days = np.array([_calendar_day(word) for word in known.tolist()], dtype="datetime64[D]")[code]
    return pd.Series(days.astype("datetime64[ns]"), index=dates.index, name=dates.name)


_FEW = 500
_FIRST_YEAR, _LAST_YEAR = 1678, 2261  # of nanoseconds in 64 bits


def _calendar_day(value: object) -> dt.date | None:
    """The complete date that a text begins with, None where there is none."""
    word = str(value)[:10]
    if not _COMPLETE.fullmatch(word):
        return None
    try:
        day = dt.date.fromisoformat(word)
    except ValueError:
        return None
    return day if _FIRST_YEAR <= day.year <= _LAST_YEAR else None


def impute_date(
    text: object,
    *,
    highest: str = "n",
    rule: str = "first",
    preserve: bool = False,
    min_date: dt.date | str | None = None,
    max_date: dt.date | str | None = None,
) -> tuple[dt.date | None, str]:
    """The date of one ISO 8601 text, with what it lacks put in by a stated rule.

    Parameters
    ----------
    text : str
        A complete or partial date (`2024-03`, `2024`, `2024---15`), perhaps with a time; blank is missing.
    highest : {"n", "D", "M"}
        The highest part that may be put in: nothing, the day, or the month and the day.
    rule : str
        `first` (01-01), `mid` (the 15th; without a month 06-30), `last` (the last real day) or `MM-DD`.
    preserve : bool
        Keep a day that is told though its month is missing (`2024---15`).
    min_date, max_date : date or str, optional
        Bounds of the imputed date, complete; a bound counts only if the text allows that date. A complete
        date is never moved.

    Returns
    -------
    (datetime.date or None, str)
        The date and its flag: `D` when the day was put in, `M` when the month was, else empty.

    Raises
    ------
    DataError
        For an impossible date, and for a text that is not extended ISO 8601.
    ValueError
        For a choice that does not exist.

    Notes
    -----
    Same dates and flags as R admiral 1.4.1 (`impute_dtc_dt`, `compute_dtf`), except that `2024-02-30`,
    `2024-13` and `2024-2-5` are errors here. Where the imputed month has no such day, its last day counts.

    Examples
    --------
    >>> date, flag = impute_date("2024-02", highest="D", rule="last")
    >>> date.isoformat(), flag
    ('2024-02-29', 'D')
    >>> impute_date("2024-02")
    (None, '')
    """
    bounds = [None if bound is None else _bound(name, bound)
              for name, bound in (("min_date", min_date), ("max_date", max_date))]  # fmt: skip
    words = _iso_text(text) or "-"  # of a missing text not even the year is known
    try:
        return partial_dates.impute(
            words, highest=highest, rule=rule, preserve=preserve, min_date=bounds[0], max_date=bounds[1]
        )
    except partial_dates.NoDateError as stop:
        raise _no_date("text", text, str(stop)) from None


def _iso_text(value: object) -> str:
    """Text of a date; empty when missing."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return ""
    return value.isoformat() if isinstance(value, dt.date) else str(value).strip()


def _bound(name: str, value: dt.date | str) -> dt.date | None:
    words = _iso_text(value)
    if not words:
        return None
    try:
        date, _ = partial_dates.impute(words, highest="n", rule="first")
    except partial_dates.NoDateError as stop:
        raise _no_date(name, value, str(stop)) from None
    if date is None:
        raise _no_date(name, value, "a bound must be a complete date")
    return date


def _no_date(name: str, value: object, why: str) -> DataError:
    return DataError(
        [Problem(table="dates", column=name, value=value, rule="DATE-UNREADABLE", message=why,
                 fix="write it as YYYY-MM-DD, YYYY-MM or YYYY")]
    )  # fmt: skip


def day_zero(subjects: pd.DataFrame) -> pd.Series:
    """Infusion date of each subject, indexed by `subject_id`."""
    if "infusion_date" not in subjects.columns:
        return pd.Series(pd.NaT, index=subjects["subject_id"], dtype="datetime64[ns]")
    return pd.Series(to_datetime(subjects["infusion_date"]).to_numpy(), index=subjects["subject_id"])


def with_day(frame: pd.DataFrame, subjects: pd.DataFrame, *, date: str, day: str = "day") -> pd.DataFrame:
    """Frame whose `day` (days since infusion) is filled from `date` where it is missing.

    Parameters
    ----------
    frame : DataFrame
        With `subject_id` and any of the columns `day` and `date`.
    subjects : DataFrame
        With `subject_id` and `infusion_date`.
    date, day : str
        Names of the two columns of `frame`.

    Returns
    -------
    DataFrame
        A copy in which `day` is float64; missing where neither column tells.
    """
    days = np.full(len(frame), np.nan)
    if day in frame.columns:
        days = frame[day].astype("float64").to_numpy()
    if date in frame.columns:
        zero = day_zero(subjects)
        known = np.append(zero.to_numpy(), np.datetime64("NaT", "ns"))
        begin = known[zero.index.get_indexer(frame["subject_id"])]  # -1, a stranger, is the last
        elapsed = (to_datetime(frame[date]).to_numpy() - begin) / np.timedelta64(1, "D")
        days = np.where(np.isnan(days), elapsed, days)
    return frame.assign(**{day: days})


def cutoff_days(subjects: pd.DataFrame) -> pd.Series:
    """Day of the data cut-off (days since infusion) by `subject_id`; missing where unknown."""
    zero = day_zero(subjects)
    if "data_cutoff" not in subjects.columns:
        return pd.Series(np.nan, index=zero.index)
    cutoff = pd.Series(to_datetime(subjects["data_cutoff"]).to_numpy(), index=zero.index)
    return (cutoff - zero).dt.total_seconds() / SECONDS_PER_DAY


EVENT_WORDS = ("DEATH", "PROGRESSION", "HSCT", "NEW_THERAPY", "SECOND_INFUSION", "WITHDRAWAL", "LAST_CONTACT")


def first_event_days(
    events: pd.DataFrame | Iterable[records.Record] | None, subjects: pd.DataFrame
) -> pd.DataFrame:
    """Day of the first event of each kind, one row per subject.

    Parameters
    ----------
    events : DataFrame, sequence of records or None
        With `event` and `day` (days since infusion) or `date`.
    subjects : DataFrame
        With `subject_id`, and `infusion_date` where days come from dates.

    Returns
    -------
    DataFrame
        Indexed by `subject_id` in the order of `subjects`; a column per event word, in days, missing where
        it did not happen. `LAST_CONTACT` is the last one.
    """
    index = pd.Index(subjects["subject_id"], name="subject_id")
    days = {word: np.full(len(index), np.nan) for word in EVENT_WORDS}
    if events is None:
        return pd.DataFrame(days, index=index)
    dated = with_day(records.to_frame(events, "events", needs=("event",)), subjects, date="date")
    who = index.get_indexer(dated["subject_id"])
    day, said = dated["day"].to_numpy(dtype=float), dated["event"].to_numpy(dtype=object)
    for word in EVENT_WORDS:
        here = (said == word) & (who >= 0) & ~np.isnan(day)
        (np.fmax if word == "LAST_CONTACT" else np.fmin).at(days[word], who[here], day[here])
    return pd.DataFrame(days, index=index)


def nearest_in_windows(
    samples: pd.DataFrame,
    windows: Mapping[str, Window],
    *,
    by: Sequence[str] = ("subject_id",),
    tie: Literal["later", "earlier"] = "later",
    pick: Literal["closest", "last"] = "closest",
) -> pd.DataFrame:
    """The record chosen for each subject and visit window.

    Parameters
    ----------
    samples : DataFrame
        With the columns `by` and `day` (days since infusion), usable records only: what may not be chosen
        is left out before.
    windows : mapping of str to Window
        Visits by name.
    by : sequence of str
        Columns that define a series of records.
    tie : {"later", "earlier"}
        Which of two equally near records counts; on one day the last row of the table is the later.
    pick : {"closest", "last"}
        The record nearest to the target day, or the last one in the window.

    Returns
    -------
    DataFrame
        The chosen rows with the column `visit`, in the order of windows and of `by`; the index is that of
        `samples`, so records that were not chosen can be found by it.

    Examples
    --------
    >>> samples = pd.DataFrame({"subject_id": ["1", "1"], "day": [83.0, 97.0]})
    >>> nearest_in_windows(samples, {"M3": Window(90, 76, 104)})["day"].tolist()
    [97.0]
    """
    sign = 1.0 if tie == "earlier" else -1.0
    keys = list(by)
    chosen = []
    for visit, window in windows.items():
        day = samples["day"].to_numpy(dtype=float)
        inside = samples[window.contains(day)]
        whole = np.floor(inside["day"].to_numpy(dtype=float))
        ranked = inside.assign(
            visit=visit,
            _distance=np.abs(whole - window.target) if pick == "closest" else -whole,
            _day=sign * inside["day"].to_numpy(dtype=float),
            _order=sign * np.arange(len(inside)),
        ).sort_values([*keys, "_distance", "_day", "_order"], kind="stable")
        chosen.append(ranked.drop_duplicates(keys).drop(columns=["_distance", "_day", "_order"]))
    if not chosen:
        return samples.iloc[:0].assign(visit=pd.Series(dtype=object))
    return pd.concat(chosen)


def known_subjects(frame: pd.DataFrame, subjects: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the subjects of this analysis, and the others (to be reported as excluded)."""
    mine = frame["subject_id"].isin(subjects["subject_id"])
    return frame[mine], frame[~mine]


def by_subject(subjects: pd.DataFrame, values: Mapping[Any, Any] | pd.Series) -> pd.Series:
    """Values looked up for each row of `subjects` by its `subject_id`."""
    return subjects["subject_id"].map(values)
