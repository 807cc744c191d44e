"""Who is who in the data sets that are written: identifiers, treatment, and days as CDISC counts them.

Here: the variables that every data set has, dates that count, cells of the study's tables as text, numbers
and dates. Not here: the data sets (`adam_writing`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cart7 import derive
from cart7.cdisc import adam_values

COMPLETE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class People:
    """The variables that every data set has, by subject."""

    core: pd.DataFrame
    zero: pd.Series

    @classmethod
    def of(cls, analysis: Any) -> "People":
        """From the table of subjects."""
        subjects = analysis.study.subjects
        who = subjects["subject_id"].astype(str)
        blank = pd.Series("", index=subjects.index, dtype=object)
        study = as_texts(subjects["study_id"]) if "study_id" in subjects.columns else blank
        infused = pd.Series(derive.infused(subjects), index=subjects.index)
        level = (
            as_numbers(subjects["dose_level"])
            if "dose_level" in subjects.columns
            else blank.map(lambda _: np.nan)
        )
        level = level.astype(float)
        named = level.map(lambda number: "" if pd.isna(number) else f"Dose level {number:g}").astype(object)
        zero = derive.day_zero(subjects).set_axis(who)
        core = pd.DataFrame(
            {
                "STUDYID": study,
                "USUBJID": (study + "-" + who).where(study != "", who),
                "SUBJID": who,
                "TRT01P": named,
                "TRT01A": named.where(infused, ""),
                "TRT01AN": level.where(infused),
                "TRTSDT": zero.to_numpy(),
                "SAFFL": np.where(infused, "Y", "N"),
            }
        ).set_axis(who)
        return cls(core=core, zero=zero)

    def beside(self, subject_id: pd.Series) -> pd.DataFrame:
        """Their variables, row by row with a table."""
        return self.core.reindex(subject_id.astype(str)).set_axis(subject_id.index)

    def study_days(self, subject_id: pd.Series, dates: pd.Series, day: pd.Series | None) -> pd.Series:
        """CDISC study day of dates; of the day since infusion where there is no date."""
        zero = self.zero.reindex(subject_id.astype(str)).set_axis(subject_id.index)
        since = (dates - zero) / _DAY
        if day is not None:
            since = since.where(since.notna(), np.floor(day.astype(float)))
        return study_day(since)

    def dates_that_count(
        self, subject_id: pd.Series, text: pd.Series | None, day: pd.Series | None
    ) -> tuple[pd.Series, pd.Series]:
        """Dates, and the partial ones as text; where day and date disagree, the day counts."""
        zero = self.zero.reindex(subject_id.astype(str)).set_axis(subject_id.index)
        none = pd.Series(None, index=subject_id.index, dtype=object)
        texts = as_texts(none if text is None else text)
        dates = as_dates(texts)
        if day is not None:
            days = day.astype(float)
            told = zero + pd.to_timedelta(np.floor(days), unit="D")
            differ = ((dates - zero) / _DAY - days).abs() >= 1
            dates = dates.mask((differ | dates.isna()) & told.notna(), told)
        return dates, texts.where(dates.isna(), "")


def study_day(since: pd.Series) -> pd.Series:
    """Days since infusion as CDISC's study day: infusion is day 1, the day before -1."""
    whole = np.floor(since.astype(float))
    return whole + (whole >= 0)


def as_texts(cells: pd.Series) -> pd.Series:
    """Cells as text, blank where missing."""
    return cells.map(as_text).astype(object)


def as_text(cell: object) -> str:
    """One cell as the shortest text that says it."""
    if cell is None or pd.isna(cell):
        return ""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(float(cell))
    return str(cell)


def as_numbers(cells: pd.Series) -> pd.Series:
    """Cells as numbers, missing where they are blank."""
    return pd.to_numeric(cells.astype(object).where(cells.notna(), np.nan)).astype(float)


def as_dates(texts: pd.Series) -> pd.Series:
    """The complete dates among texts."""
    complete = texts.where(texts.str.fullmatch(COMPLETE), None)
    return pd.to_datetime(complete, format="%Y-%m-%d").astype("datetime64[s]")


def as_titers(cells: pd.Series) -> pd.Series:
    """Denominator of a titre: `1:160` is 160."""
    return as_numbers(as_texts(cells).map(lambda text: adam_values.as_number(text.rpartition(":")[2])))
