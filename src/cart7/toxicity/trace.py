"""From a cell of a safety table back to the records it was counted from, and the queries beside a table.

Here: which source rows make up a count, and what a data manager should be asked about the records. Not
here: the counts (`safety`), problems of the files (`checks`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7 import derive
from cart7.toxicity import emergence
from cart7.toxicity.tallies import UNCODED, Columns, Groups, among, word_or

Flags: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Assignment: TypeAlias = tuple[Ints, Ints]  # table row and position of the record, one entry per pair

ROW_COLUMNS = ("table", "row", "subject_id", "term", "grade", "start_day", "end_day", "start")
QUERY_COLUMNS = ("table", "row", "subject_id", "column", "value", "rule", "message")
_GRADES = re.compile(r"([1-5])(?:-([1-5]))?")


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The rows of an adverse-event table by the columns that name them, and the records of each row."""

    found: emergence.Records
    groups: Groups
    keys: pd.DataFrame | Columns
    assign: Callable[[], Assignment]

    def rows(self, *, group: str = derive.ALL, grade_group: str = "any", **key: object) -> pd.DataFrame:
        """Records of the subjects that a cell counts; see `SafetyResult.rows`."""
        wanted = _matching(pd.DataFrame(self.keys), key)
        member = self.groups.members[_place_of(group, self.groups.labels)]
        row, picked = self.assigned
        inside = wanted[row] & member[self.found.who[picked]]
        row, picked = row[inside], picked[inside]
        counted = picked[self._at(grade_group, row, picked)]
        return self.sources.iloc[np.unique(counted)].reset_index(drop=True)

    @cached_property
    def assigned(self) -> Assignment:
        """Table row and position of every record, once somebody asks for a cell."""
        return self.assign()

    @cached_property
    def sources(self) -> pd.DataFrame:
        """The records that count, in the columns `ROW_COLUMNS`."""
        return source_rows(self.found)

    def _at(self, grade_group: str, row: Ints, picked: Ints) -> Flags:
        """Records that put their subject into a group of worst grades, within their row of the table."""
        if grade_group == "any":
            return np.ones(len(picked), dtype=bool)
        grade = np.nan_to_num(self.found.table["grade"].to_numpy(dtype=float)[picked])
        _, cell = np.unique(np.stack([row, self.found.who[picked]]), axis=1, return_inverse=True)
        worst = np.zeros(cell.size)
        np.maximum.at(worst, cell.ravel(), grade)
        low, high = _grades(grade_group)
        mine: Flags = (grade == worst[cell.ravel()]) & (grade >= low) & (grade <= high)
        return mine

    @property
    def queries(self) -> pd.DataFrame:
        """What should be asked about the records that were read."""
        return queries(self.found.timed, self.found.course, self.found.collected)


def _place_of(group: str, labels: list[str]) -> int:
    if str(group) not in labels:
        raise ValueError(f"group must be one of {', '.join(labels)}, got {group!r}")
    return labels.index(str(group))


def _grades(grade_group: str) -> tuple[float, float]:
    """Lowest and highest grade of a word such as `3`, `3-4`, `>=3`, `missing`."""
    if grade_group == "missing":
        return 0.0, 0.0
    if grade_group == ">=3":
        return 3.0, 5.0
    found = _GRADES.fullmatch(str(grade_group))
    if found is None:
        raise ValueError(
            f"grade_group must be any, missing, >=3, a grade or a range 3-4, got {grade_group!r}"
        )
    return float(found[1]), float(found[2] or found[1])


def _matching(keys: pd.DataFrame, key: dict[str, object]) -> Flags:
    """The rows that a key names; of rows at several levels (class, term) those of the highest."""
    unknown = [name for name in key if name not in keys.columns]
    if unknown:
        allowed = ", ".join([*keys.columns, "group", "grade_group"])
        raise ValueError(f"a cell is named by {allowed}; got {', '.join(unknown)}")
    wanted: Flags = np.ones(len(keys), dtype=bool)
    for name, value in key.items():
        wanted &= (keys[name].astype(str) == str(value)).to_numpy(dtype=bool)
    if not wanted.any():
        raise ValueError(f"no row of the table is named {key}")
    if "level" in keys.columns:
        level = keys["level"].to_numpy(dtype=object)
        wanted &= level == level[np.argmax(wanted)]
    return wanted


def source_rows(found: emergence.Records) -> pd.DataFrame:
    """The records that count, in the columns `ROW_COLUMNS`."""
    table = found.table
    blank = pd.Series(None, index=table.index, dtype=object)
    named = word_or(table.get("pt", blank), UNCODED)
    ids = table["subject_id"].astype(object)
    frame = table.assign(table="adverse_events", term=named, start=found.start, subject_id=ids)
    return frame[list(ROW_COLUMNS)]


def term_assignment(found: emergence.Records, keys: pd.DataFrame) -> Assignment:
    """Row of the term table (columns level, soc, pt) of each record, at all three levels."""
    soc = word_or(found.table["soc"], UNCODED).astype(str)
    pt = word_or(found.table["pt"], UNCODED).astype(str)
    every = np.arange(len(soc))
    place = pd.MultiIndex.from_frame(keys[["level", "soc", "pt"]])
    blank, n = [""] * len(soc), len(soc)
    names = ((["ANY"] * n, blank, blank), (["SOC"] * n, soc, blank), (["PT"] * n, soc, pt))
    row = [place.get_indexer(pd.MultiIndex.from_arrays(name)) for name in names] if n else [every]
    return np.concatenate(row), np.tile(every, len(row))


def stacked(flags: list[Flags]) -> Assignment:
    """Rows of a table that are each given as the flags of its records."""
    row, picked = np.nonzero(np.array(flags))
    return row, picked


@dataclass(frozen=True, kw_only=True)
class FrameTrace:
    """Source rows beside the columns that name their cell, laid out when they are first asked for."""

    lay_out: Callable[[], pd.DataFrame]
    subjects: pd.DataFrame
    groups: Groups

    @cached_property
    def sources(self) -> pd.DataFrame:
        """Every source row in the columns `ROW_COLUMNS`, and those that name its cell."""
        return self.lay_out()

    def rows(self, *, group: str = derive.ALL, **key: object) -> pd.DataFrame:
        """Source rows of a cell; see `SafetyResult.rows`."""
        names = [name for name in self.sources.columns if name not in ROW_COLUMNS]
        unknown = [name for name in key if name not in names]
        if unknown:
            raise ValueError(f"a cell is named by {', '.join([*names, 'group'])}; got {', '.join(unknown)}")
        member = self.groups.members[_place_of(group, self.groups.labels)]
        picked = self.sources["subject_id"].isin(self.subjects.loc[member, "subject_id"])
        for name, value in key.items():
            picked &= self.sources[name].astype(str) == str(value)
        return self.sources.loc[picked, list(ROW_COLUMNS)].reset_index(drop=True)

    @property
    def queries(self) -> pd.DataFrame:
        """None: problems of these tables are refused before they are counted."""
        return query_frame([])


def grade_words(numbers: Any) -> npt.NDArray[np.object_]:
    """Numbers as a cell is named by them: 3.0 is `3`, none is `missing`."""
    words = [f"{number:g}" if number == number else "missing" for number in np.asarray(numbers, dtype=float)]
    return np.array(words, dtype=object)


def day_rows(values: pd.DataFrame, table: str, term: str, *keys: str) -> pd.DataFrame:
    """Rows of one day each (`row`, `subject_id`, `day`) as source rows, beside the columns naming their cell.

    `term` is the column that holds their term; a column `grade` is kept.
    """
    grade = values["grade"].to_numpy(dtype=float) if "grade" in values.columns else np.nan
    sources = values.assign(table=table, term=values[term], grade=grade, start_day=values["day"],
                            end_day=values["day"], start=pd.NaT)  # fmt: skip
    return sources[[*ROW_COLUMNS, *keys]]


# ------------------------------------------------------------------------------------------ queries


def query_frame(blocks: list[pd.DataFrame]) -> pd.DataFrame:
    """Queries in the columns `QUERY_COLUMNS`, by row."""
    filled = [block for block in blocks if len(block)]
    if not filled:
        return pd.DataFrame(columns=list(QUERY_COLUMNS)).astype({"row": "Int64"})
    frame = pd.concat(filled, ignore_index=True)[list(QUERY_COLUMNS)].astype({"row": "Int64"})
    return frame.sort_values(["table", "row"], kind="stable").reset_index(drop=True)


def asked(table: pd.DataFrame, name: str, rows: Any, column: str, rule: str, message: str) -> pd.DataFrame:
    """One query for each of the rows of a table."""
    here = table[np.asarray(rows, dtype=bool)]
    value = here[column] if column in here.columns else pd.Series("", index=here.index)
    text = ["" if pd.isna(cell) else f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in value]
    return pd.DataFrame(
        {"table": name, "row": here["row"].to_numpy(), "subject_id": here["subject_id"].to_numpy(),
         "column": column, "value": np.array(text, dtype=object), "rule": rule, "message": message}
    )  # fmt: skip


def queries(timed: pd.DataFrame, course: emergence.Course, given: tuple[str, ...]) -> pd.DataFrame:
    """What should be asked about adverse events: impossible dates, grades and terms that are missing.

    `timed` are the records as `emergence.timed` gives them; only columns in `given` are judged.
    """
    who = timed["who"].to_numpy()
    grade, start = timed["grade"].to_numpy(dtype=float), timed["start_day"].to_numpy(dtype=float)
    end = timed["end_day"].to_numpy(dtype=float)
    mine, counts = who >= 0, timed["treatment_emergent"].to_numpy()
    death, last = emergence.of_subject(course.death, who), emergence.of_subject(course.end, who)
    note = timed["note"].astype(str)
    start_told = "start_day" if "start_day" in given else "start_date"
    end_told = "end_day" if "end_day" in given else "end_date"
    cases = [
        (~mine, "subject_id", "AE-UNKNOWN-SUBJECT", "no such subject in this analysis"),
        (note.str.contains("start date unreadable"), "start_date", "AE-DATE-UNREADABLE",
         "a date is ISO 8601 text, YYYY-MM-DD"),
        (note.str.contains("end date unreadable"), "end_date", "AE-DATE-UNREADABLE",
         "a date is ISO 8601 text, YYYY-MM-DD"),
        (note.str.contains("start after end"), end_told, "AE-END-BEFORE-START",
         "the event ends before it starts"),
        (mine & (start > death), start_told, "AE-AFTER-DEATH", "the event starts after the subject's death"),
        (mine & (start > last) & ~(start > death), start_told, "AE-AFTER-FOLLOW-UP",
         "the event starts after the end of follow-up"),
        (mine & (end > death), end_told, "AE-ENDS-AFTER-DEATH", "the event ends after the subject's death"),
        (counts & np.isnan(start), start_told, "AE-START-MISSING",
         "start unknown, taken as treatment-emergent"),
        (mine & np.isnan(grade), "grade", "AE-GRADE-MISSING", "the grade is missing"),
        (mine & ~np.isnan(grade) & np.isnan(emergence.known_grade(grade)), "grade", "AE-GRADE-UNKNOWN",
         "a grade is 1 to 5; counted as missing"),
    ]  # fmt: skip
    blank = {
        "pt": ("AE-UNCODED-TERM", "no preferred term, counted as UNCODED"),
        "soc": ("AE-UNCODED-CLASS", "no system organ class, counted as UNCODED"),
        "related_cart": ("AE-RELATION-MISSING", "relationship missing, counted as related"),
    }
    for name, (rule, message) in blank.items():
        if name in given:
            cases.append((mine & counts & timed[name].isna().to_numpy(), name, rule, message))
    if "outcome" in given:
        fatal = among(timed["outcome"], ("FATAL",))
        cases.append((mine & fatal & (grade < 5), "grade", "AE-FATAL-GRADE", "fatal, and not grade 5"))
    told = [case for case in cases if case[1] in given]
    return query_frame([asked(timed, "adverse_events", *case) for case in told])
