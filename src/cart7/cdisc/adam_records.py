"""Rows of ADaM data sets as rows of the tables: which row is a record, and what is set aside and why.

Here: one data set at a time, by its mapping. Not here: files (`adam_folder`), cells (`adam_values`), the
events that ADSL and ADTTE tell (`adam_events`), the checks of a study.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.cdisc import adam_values as values
from cart7.cdisc.adam_folder import DataSetFile
from cart7.cdisc.adam_mapping import ColumnSource, DataSetMapping
from cart7.checks.cells import found, visit_label
from cart7.errors import Problem

Rows = npt.NDArray[np.bool_]

_VISIT_KEYS = (
    "infusion_no",
    "infusion_date",
    "visit",
    "nominal_label",
    "assessment_date",
    "sample_date",
    "day",
)
_SEVERITY = ("ASEVN", "ASEV", "AESEV")
_DAYS_OF_A_MONTH = 30
_STUDY_DAY_LABEL = re.compile(r"DAY\s*-?[0-9]+", re.IGNORECASE)


@dataclass(kw_only=True)
class Desk:
    """What is being read: the ids of the subjects, the findings, and the rows that are no record."""

    subject_ids: Mapping[object, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    set_aside: dict[str, int] = field(default_factory=dict)

    def warn(self, table: str, rule: str, message: str, *, column: str | None = None, fix: str = "",
             severity: str = "warning", new_value: object = None) -> None:  # fmt: skip
        """A finding about a whole data set."""
        self.problems.append(
            Problem(table=table, column=column, severity=severity, rule=rule, message=message, fix=fix,
                    new_value=new_value)
        )  # fmt: skip

    def leave(self, table: str, data_set: str, reasons: pd.DataFrame) -> None:
        """Rows that are no record of a table (`reason`, `paramcd`): one finding for each reason."""
        for reason, mine in reasons.groupby("reason", sort=False):
            count = f"{len(mine)} row{' is' if len(mine) == 1 else 's are'} not read"
            codes = mine["paramcd"].value_counts(sort=False)
            which = "".join(f", {code} ({n})" for code, n in codes.items()).removeprefix(", ")
            where = f"PARAMCD {which}" if which else f"lines {values.lines(mine.index.tolist())}"
            self.warn(table, "ADAM-NOT-A-RECORD", f"{data_set}: {count}: {reason} ({where})")
        self.set_aside[table] = self.set_aside.get(table, 0) + len(reasons)


def ids(file: DataSetFile, desk: Desk) -> pd.Series:
    """Subject of each row: as ADSL names it, else what stands there."""
    name = next((each for each in ("USUBJID", "SUBJID") if each in file.cells.columns), None)
    if name is None:
        return pd.Series(None, index=file.cells.index, dtype=object)
    return values.each(
        file.cells[name], lambda cell: desk.subject_ids.get(values.word(cell), values.word(cell))
    )


def records(each: DataSetMapping, file: DataSetFile, desk: Desk) -> tuple[pd.DataFrame, Rows]:
    """The rows of one table from one data set, and which rows of the data set they come from."""
    taken = _wanted(each, file)
    part = DataSetFile(name=file.name, path=file.path, cells=file.cells[taken], rows_in=file.rows_in,
                       labels=file.labels)  # fmt: skip
    columns = {"subject_id": ids(part, desk)}
    for column in dict.fromkeys(source.column for source in each.columns):
        found_column = _column(
            part, [source for source in each.columns if source.column == column], each, desk
        )
        if found_column is not None:
            columns[column] = found_column
    frame = pd.DataFrame(columns, index=part.cells.index, dtype=object)
    if each.parameters:
        frame, used = _joined(each, part, frame)
        taken[np.flatnonzero(taken)[~used]] = False
    if "nominal_label" in frame.columns or "nominal_day" in frame.columns:
        frame = _with_nominal_days(frame, part, each, desk)
    finish = _FINISH.get(each.table)
    return (frame if finish is None else finish(frame, part, desk)), taken


def reasons_not_read(mappings: Sequence[DataSetMapping], file: DataSetFile, own: pd.Series) -> pd.DataFrame:
    """Why each row of a data set would be no record, the strongest reason first.

    Parameters
    ----------
    mappings : sequence of DataSetMapping
        Of this data set.
    file : DataSetFile
    own : Series
        Reasons that are known already, by row.

    Returns
    -------
    DataFrame
        `reason`, and `paramcd` where the code is the reason.
    """
    cells = file.cells
    none = pd.Series(None, index=cells.index, dtype=object)
    code = values.plain(cells["PARAMCD"]) if "PARAMCD" in cells.columns else none
    derived = _derived(file)
    alone = derived & ~_observed_beside(file, derived)
    known = {pattern: why for one in mappings for pattern, why in one.not_records.items()}
    dtype = cells["DTYPE"].map(found, na_action="ignore").fillna("") if "DTYPE" in cells.columns else ""
    patterns = [pattern for one in mappings for pattern in patterns_of(one)]
    other = ~_matches(code, patterns) if patterns else np.zeros(len(cells), dtype=bool)
    no_record = code.isin(list(known)).to_numpy()
    tables = " or ".join(dict.fromkeys(one.table for one in mappings))
    why = pd.Series("no result", index=cells.index, dtype=object)
    why = why.where(~why.index.isin(own.index), own.reindex(why.index))
    why = why.mask(other, f"no source of {tables}").mask(no_record, code.map(known))
    why = why.mask(derived, "a derived record, DTYPE " + dtype)
    why = why.mask(alone, "a derived record, DTYPE " + dtype + ", and no observed one stands beside it")
    by_code = (other | no_record) & ~derived
    return pd.DataFrame({"reason": why, "paramcd": code.where(by_code, None)})


# --- which rows ----------------------------------------------------------------------------------


def patterns_of(each: DataSetMapping) -> tuple[str, ...]:
    """The PARAMCD that a table is made from; none where every code is a record."""
    named = tuple(pattern for parameter in each.parameters for pattern in parameter.paramcd)
    ends = tuple(pattern for endpoint in each.endpoints for pattern in endpoint.paramcd)
    return (*each.paramcd, *named, *ends)


def _matches(code: pd.Series, patterns: Sequence[str]) -> Rows:
    known = {cell: any(fnmatchcase(str(cell).upper(), pattern.upper()) for pattern in patterns)
             for cell in set(code.tolist()) if cell is not None}  # fmt: skip
    return np.array([known.get(cell, False) for cell in code.tolist()], dtype=bool)


def _derived(file: DataSetFile) -> Rows:
    if "DTYPE" not in file.cells.columns:
        return np.zeros(len(file.cells), dtype=bool)
    return np.asarray(file.cells["DTYPE"].notna(), dtype=bool)


def _observed_beside(file: DataSetFile, derived: Rows) -> Rows:
    """Whether an observed record of the same subject, parameter, specimen and time stands beside a row."""
    names = ("USUBJID", "PARAMCD", "PCSPEC", "ADT", "ADTM", "AFRLT")
    keys = [name for name in names if name in file.cells.columns]
    there = pd.MultiIndex.from_frame(file.cells[keys].astype(str))
    return np.asarray(there.isin(there[~derived]), dtype=bool)


def _wanted(each: DataSetMapping, file: DataSetFile) -> Rows:
    """Rows that can be a record of the table."""
    wanted = ~_derived(file)
    if "PARAMCD" not in file.cells.columns:
        return wanted & (not patterns_of(each))
    code = values.plain(file.cells["PARAMCD"])
    if patterns := patterns_of(each):
        return wanted & _matches(code, patterns)
    return np.asarray(wanted & ~code.isin(list(each.not_records)), dtype=bool)


# --- columns -------------------------------------------------------------------------------------


def _column(
    part: DataSetFile, sources: Sequence[ColumnSource], each: DataSetMapping, desk: Desk
) -> pd.Series | None:
    """A column of the table, from the first variable that is not blank; None where no variable is there."""
    column: pd.Series | None = None
    for source in sources:
        for variable in variables_of(source):
            if variable in part.cells.columns:
                read = _read(part, variable, source, each, desk)
                column = read if column is None else column.where(column.notna(), read)
    return column


def variables_of(source: ColumnSource) -> tuple[str, ...]:
    """The variables of a column, those of partial dates last."""
    if source.how != "date":
        return source.variables
    return (*source.variables, *(values.companion(name) for name in source.variables if name.endswith("DT")))


def _read(
    part: DataSetFile, variable: str, source: ColumnSource, each: DataSetMapping, desk: Desk
) -> pd.Series:
    cells = part.cells[variable]
    if source.how == "elapsed":
        return _elapsed(part, variable, each, desk)
    if source.how == "study day":
        return _study_days(part, variable, source.column, each, desk)
    if source.how == "flag":
        return values.flag(cells)
    if source.how == "number":
        return values.plain(cells)
    read = {"date": values.date, "word": values.word, "in brackets": values.in_brackets}
    texts = values.each(cells, read.get(source.how, values.below_the_limit(variable)))
    if not source.codes:
        return texts
    if source.others == "blank":
        _say_what_is_blank(part, variable, source, each, desk)
    return values.each(texts, values.coded(source.codes, keep_others=source.others == "keep"))


def _say_what_is_blank(
    part: DataSetFile, variable: str, source: ColumnSource, each: DataSetMapping, desk: Desk
) -> None:
    read = values.coded(source.codes, keep_others=False)
    words = sorted({str(cell) for cell in part.cells[variable].dropna() if read(cell) is None})
    if words:
        which = f"{each.data_set}: {variable} {', '.join(map(repr, words))}"
        message = f"{which} is none of the words of this column; it is left blank"
        fix = f"name a code list: [{each.data_set}.codes.{source.column}]"
        desk.warn(each.table, "ADAM-WORD", message, column=source.column, fix=fix)


def _study_days(part: DataSetFile, variable: str, column: str, each: DataSetMapping, desk: Desk) -> pd.Series:
    """CDISC study days as days since infusion; a day 0 is refused."""
    days = values.each(part.cells[variable], values.day_of_study_day)
    zero = days.isna() & part.cells[variable].notna()
    for row in part.cells.index[zero]:
        desk.problems.append(
            Problem(table=each.table, row=int(row), column=column, value="0", rule="ADAM-STUDY-DAY",
                    message=f"{each.data_set}: {variable} is 0; CDISC has no study day 0 (infusion is day 1)",
                    fix="correct it, or map a variable that counts from 0")
        )  # fmt: skip
    return days


def _elapsed(part: DataSetFile, variable: str, each: DataSetMapping, desk: Desk) -> pd.Series:
    """Time since the first infusion in days, by the unit of FRLTU or of the variable's label."""
    cells, in_label = part.cells[variable], values.unit_in_label(part.labels.get(variable, ""))
    unit = pd.Series(in_label or None, index=cells.index, dtype=object)
    if "FRLTU" in part.cells.columns:
        stated = part.cells["FRLTU"]
        unit = stated.where(stated.notna(), unit)
    if (unit.isna() & cells.notna()).any():
        message = f"{each.data_set}: {variable} states no unit (FRLTU); it is read as days"
        desk.warn(each.table, "ADAM-TIME-UNIT", message, column="day")
        unit = unit.where(unit.notna(), "DAYS")
    unknown = sorted({str(word) for word in unit.unique() if values.days_of_unit(word) is None})
    if unknown:
        message = f"{each.data_set}: the unit {', '.join(unknown)} of {variable} is unknown"
        fix = "known are DAYS, HOURS, MINUTES, WEEKS"
        desk.warn(each.table, "ADAM-TIME-UNIT", message, column="day", severity="error", fix=fix)
    per_day = unit.map(lambda word: values.days_of_unit(word) or np.nan).astype(float)
    numbers = cells.map(lambda cell: np.nan if cell is None else values.as_number(cell), na_action="ignore")
    texts = numbers.isna() & cells.notna()
    days = (pd.to_numeric(numbers) / per_day).astype(object)
    return days.where(days.notna(), None).mask(texts, cells)


# --- records of several rows ---------------------------------------------------------------------


def _joined(each: DataSetMapping, part: DataSetFile, frame: pd.DataFrame) -> tuple[pd.DataFrame, Rows]:
    """Rows of one subject, date and visit as one row, the result of each PARAMCD in its column."""
    code = values.plain(part.cells["PARAMCD"])
    keys = ["subject_id", *(name for name in _VISIT_KEYS if name in frame.columns)]
    used = np.zeros(len(frame), dtype=bool)
    flagged = _flagged(part)
    blocks = []
    for parameter in each.parameters:
        if parameter.variable not in part.cells.columns:
            continue
        mine = _matches(code, parameter.paramcd) & part.cells[parameter.variable].notna().to_numpy()
        block = frame.loc[mine, keys].assign(
            row=frame.index[mine], column=parameter.column,
            result=_result(part.cells.loc[mine, parameter.variable], parameter.codes), flagged=flagged[mine],
        )  # fmt: skip
        several = block.groupby(keys, dropna=False)["flagged"].transform("any")
        block = block[block["flagged"] | ~several]
        used |= frame.index.isin(block["row"])
        block["turn"] = block.groupby(keys, dropna=False).cumcount()
        blocks.append(block)
    if not blocks or not used.any():
        return frame.iloc[:0], used
    return _spread(pd.concat(blocks), frame, [*keys, "turn"]), used


def _result(cells: pd.Series, terms: Mapping[str, str]) -> pd.Series:
    return values.each(cells, values.coded(terms)) if terms else values.plain(cells)


def _flagged(part: DataSetFile) -> Rows:
    """Rows that ANL01FL picks among several of one parameter and visit."""
    if "ANL01FL" not in part.cells.columns:
        return np.ones(len(part.cells), dtype=bool)
    return np.asarray(values.flag(part.cells["ANL01FL"]) == "Y", dtype=bool)


def _spread(results: pd.DataFrame, frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """One row for each key: what its first row says, and the results by column."""
    group = results.groupby(keys, dropna=False, sort=False)
    results = results.assign(group=group.ngroup())
    first = results.groupby("group")["row"].min()
    rows = {name: frame.loc[results["row"], name].groupby(results["group"].to_numpy()).first()
            for name in frame.columns}  # fmt: skip
    wide = pd.DataFrame({name: cells.astype(object) for name, cells in rows.items()})
    for column in dict.fromkeys(results["column"]):
        mine = results[results["column"] == column].set_index("group")["result"]
        wide[column] = mine.reindex(wide.index).astype(object)
    wide.index = pd.Index(first.reindex(wide.index).to_numpy(dtype=np.int64), name="row")
    wide = wide.astype(object)
    return wide.where(wide.notna(), None).sort_index(kind="stable")


# --- what single tables need besides --------------------------------------------------------------


def _with_nominal_days(
    frame: pd.DataFrame, part: DataSetFile, each: DataSetMapping, desk: Desk
) -> pd.DataFrame:
    """Nominal days: NFRLT in whole days, else AVISITN where it says the day of every visit's label."""
    labels = frame["nominal_label"].dropna().unique() if "nominal_label" in frame.columns else []
    if counted := [str(label) for label in labels if _STUDY_DAY_LABEL.fullmatch(str(label))]:
        message = (
            f"{each.data_set}: AVISIT {counted[0]!r} may count as CDISC does (infusion is day 1); labels are "
            "read as days since infusion"
        )
        fix = f"name a code list: [{each.data_set}.codes.nominal_label]"
        desk.warn(each.table, "ADAM-VISIT", message, column="nominal_label", fix=fix)
    if "nominal_day" in frame.columns:
        days = pd.to_numeric(frame["nominal_day"], errors="coerce")
        if (days.dropna() % 1 == 0).all():
            return frame
        message = f"{each.data_set}: NFRLT is not in whole days; nominal days stay blank"
        desk.warn(each.table, "ADAM-NOMINAL-DAY", message, column="nominal_day")
        frame = frame.drop(columns="nominal_day")
    if "nominal_label" not in frame.columns or "AVISITN" not in part.cells.columns:
        return frame
    number = values.each(part.cells["AVISITN"], values.as_number).reindex(frame.index)
    told = frame["nominal_label"].map(_day_of_label, na_action="ignore")
    compared = told.notna() & number.notna()
    whole = number.dropna().map(lambda day: float(day).is_integer()).all()
    if compared.any() and whole and (told[compared] == number[compared]).all():
        return frame.assign(nominal_day=number)
    return frame


def _day_of_label(label: object) -> float | None:
    """Day that a label in the schema's form says: D28 = 28, M3 = 90; None for `Day 29`, CDISC's day 28."""
    name = visit_label(str(label))
    if name is None or name != label or not name[1:].isdigit():
        return None
    return float(name[1:]) * {"D": 1, "M": _DAYS_OF_A_MONTH}.get(name[0], np.nan)


def _kinetics(frame: pd.DataFrame, part: DataSetFile, desk: Desk) -> pd.DataFrame:
    frame = _without_substitutes(frame, part, desk, "kinetics")
    if {"assay", "matrix"} <= set(frame.columns):
        several = frame.groupby("assay")["matrix"].transform("nunique") > 1
        if several.any():
            names = ", ".join(sorted(set(frame.loc[several, "assay"].astype(str))))
            message = f"ADPC: {names} is measured in several specimens; each is an assay of its own"
            desk.warn("kinetics", "ADAM-SPECIMENS", message, column="assay")
            named = frame["assay"].astype(str) + " " + frame["matrix"].fillna("").astype(str)
            frame = frame.assign(assay=frame["assay"].mask(several, named))
    return frame


def _without_substitutes(frame: pd.DataFrame, part: DataSetFile, desk: Desk, table: str) -> pd.DataFrame:
    """Results below the limit without the number that stands for them; a limit stated with the result."""
    if "blq" not in frame.columns or frame["blq"].isna().all():
        return frame
    below = frame["blq"].notna()
    if "value" in frame.columns:
        number = below & frame["value"].notna()
        if number.any():
            which = f"{part.name}: AVAL of {int(number.sum())} samples below the limit"
            where = values.lines(frame.index[number].tolist())
            message = f"{which} is a substitute and not used (lines {where})"
            desk.warn(table, "ADAM-BLQ", message, column="value", severity="repair", new_value="")
        frame = frame.assign(value=frame["value"].mask(below, None))
    stated = pd.Series(None, index=frame.index, dtype=object)
    for variable in ("AVALC", "AVALCAT1", "PCSTRESC"):
        if variable in part.cells.columns:
            limit = values.each(part.cells[variable], values.stated_limit)
            stated = stated.where(stated.notna(), limit)
    if stated.notna().any():
        lloq = frame["lloq"] if "lloq" in frame.columns else pd.Series(None, index=frame.index, dtype=object)
        frame = frame.assign(lloq=lloq.where(lloq.notna(), stated))
    return frame


def _adverse_events(frame: pd.DataFrame, part: DataSetFile, desk: Desk) -> pd.DataFrame:
    severity = next((name for name in _SEVERITY if name in part.cells.columns), None)
    if severity is not None and ("grade" not in frame.columns or frame["grade"].isna().all()):
        message = (
            f"ADAE has severity ({severity}: mild, moderate, severe) and no toxicity grade; severity is no "
            "CTCAE grade, so that grades are missing"
        )
        fix = f'to take it as a grade all the same: [ADAE.columns] grade = "{severity}"'
        desk.warn("adverse_events", "ADAM-SEVERITY", message, column="grade", fix=fix)
    if "ASTDTF" in part.cells.columns and (n := int(part.cells["ASTDTF"].notna().sum())):
        message = f"ADAE: {n} start dates are imputed (ASTDTF); they are taken as they stand"
        desk.warn("adverse_events", "ADAM-IMPUTED-DATE", message, column="start_date")
    ends = [name for name in ("end_date", "end_day") if name in frame.columns]
    if ends and "ongoing" not in frame.columns:
        open_end = frame[ends].isna().all(axis=1)
        outcome = frame["outcome"] if "outcome" in frame.columns else pd.Series(None, index=frame.index)
        over = outcome.isin(["RECOVERED", "FATAL"])
        words = np.select([open_end & ~over, ~open_end], ["Y", "N"], "")
        frame = frame.assign(ongoing=pd.Series(words, index=frame.index, dtype=object).replace("", None))
    return frame


def _products(frame: pd.DataFrame, part: DataSetFile, desk: Desk) -> pd.DataFrame:
    """One bag for each infusion: ADEX holds totals, and a volume of several bags is no bag's."""
    if not len(frame):
        return frame
    frame = frame.assign(bag_no=1)
    if {"n_bags", "volume_ml"} <= set(frame.columns):
        several = pd.to_numeric(frame["n_bags"], errors="coerce") > 1
        if several.any():
            message = (
                "ADEX holds totals for each infusion, not bags; the volume of several bags is left blank"
            )
            desk.warn("products", "ADAM-BAGS", message, column="volume_ml")
            frame = frame.assign(volume_ml=frame["volume_ml"].mask(several, None))
    return frame


_FINISH = {
    "kinetics": _kinetics,
    "pd": lambda frame, part, desk: _without_substitutes(frame, part, desk, "pd"),
    "adverse_events": _adverse_events,
    "products": _products,
}
"""What is particular to a table, after its columns are read."""
