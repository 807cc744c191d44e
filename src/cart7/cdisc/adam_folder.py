"""The data sets of a folder: which file is which, read, and one data set in several formats compared.

Here: files and their cells. Not here: what a cell means (`adam_records`).
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cart7 import files
from cart7.cdisc.adam_mapping import AdamMapping, DataSetMapping
from cart7.cdisc.adam_own import nearest
from cart7.cdisc.adam_values import SAS_ZERO, as_number
from cart7.checks.cells import found
from cart7.errors import DataError, Problem

ORDER = (".xpt", ".json", ".ndjson", ".parquet", ".csv")
"""Which format is read where a data set stands in several that agree."""

_SPACE_BEFORE_TIME = re.compile(r"^([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9])")
_OTHER_KINDS = (".sas7bdat", ".xlsx", ".xls", ".rds", ".txt", ".cpt", ".zip", ".gz")


@dataclass(frozen=True, kw_only=True, eq=False)
class DataSetFile:
    """The cells of one data set: variables in capitals, blank as None."""

    name: str
    path: Path
    cells: pd.DataFrame
    rows_in: int
    labels: Mapping[str, str]


def read_folder(
    folder: Path, mapping: AdamMapping, encoding: str | None, problems: list[Problem]
) -> dict[str, DataSetFile]:
    """The data sets of a folder that the mapping knows.

    Parameters
    ----------
    folder : Path
    mapping : AdamMapping
    encoding : str or None
        Of CSV and transport files.
    problems : list
        Gets every finding about the files.

    Raises
    ------
    DataError
        When the folder cannot be opened, or holds no ADSL.
    """
    paths = _listed(folder)
    found_files: dict[str, DataSetFile] = {}
    taken: set[Path] = set()
    tables = {each.data_set: each for each in reversed(mapping.data_sets)}
    for name in dict.fromkeys(each.data_set for each in mapping.data_sets):
        each = tables[name]
        mine = [path for path in paths if path.stem.casefold() == each.file]
        readable = [path for path in mine if path.suffix.lower() in files.SUFFIXES]
        taken |= set(mine)
        if readable:
            read = _one(each, readable, encoding, problems)
            if read is not None:
                found_files[name] = read
        elif wrong := [path.name for path in mine if path.suffix.lower() in _OTHER_KINDS]:
            message = f"{wrong[0]} is of a kind that is not read"
            fix = f"save {name} as .xpt, Dataset-JSON, .csv or .parquet"
            problems.append(Problem(table=each.table, rule="ADAM-FILE-KIND", message=message, fix=fix))
        elif each.file != name.casefold():
            message = f"mapping: no file {each.file} for {name}"
            fix = nearest(each.file, [path.stem for path in paths])
            problems.append(Problem(table=each.table, rule="ADAM-MAPPING", message=message, fix=fix))
    if not any(path.stem.casefold() == tables["ADSL"].file for path in paths):
        message = f"{folder} holds no ADSL; every study needs its subjects"
        fix = nearest("adsl", [path.stem for path in paths]) or "add adsl.xpt"
        raise DataError([*problems, Problem(table="subjects", rule="ADAM-NO-ADSL", message=message, fix=fix)])
    _not_read(paths, taken, tables, problems)
    return found_files


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        rule, message = "FILE-NOT-FOUND", f"{folder} does not exist"
    except NotADirectoryError:
        rule, message = "FILE-NOT-A-FOLDER", f"{folder} is a file; ADaM data sets stand in a folder"
    except OSError as refusal:
        rule, message = "FILE-UNREADABLE", f"{folder} cannot be opened: {refusal.strerror}"
    raise DataError([Problem(table="study", rule=rule, message=message)])


def _not_read(
    paths: Iterable[Path], taken: set[Path], tables: Mapping[str, DataSetMapping], problems: list[Problem]
) -> None:
    """Files that look like ADaM data sets and are the source of no table."""
    others: dict[str, list[str]] = {}
    for path in paths:
        stem = path.stem.casefold()
        if path not in taken and stem.startswith("ad") and path.suffix.lower() in files.SUFFIXES:
            others.setdefault(stem, []).append(path.name)
    for stem, names in others.items():
        like = next((name for name in tables if stem.startswith(name.casefold() + "_")), None)
        fix = f'if it is {like}, say so in the mapping: [{like}] file = "{stem}"' if like else ""
        are = "are" if len(names) > 1 else "is"
        problems.append(
            Problem(table="subjects", severity="warning", rule="ADAM-NOT-READ", fix=fix,
                    message=f"{' and '.join(names)} {are} not read: no table is made from it")
        )  # fmt: skip


def _one(
    each: DataSetMapping, paths: list[Path], encoding: str | None, problems: list[Problem]
) -> DataSetFile | None:
    """One data set: of several files that agree, the first in `ORDER`."""
    ordered = sorted(paths, key=lambda path: (ORDER.index(path.suffix.lower()), path.name))
    first, *others = [(path, files.read_file(path, name=each.table, encoding=encoding)) for path in ordered]
    path, table = first
    problems += table.problems
    if table.cells is None:
        return None
    for other, again in others:
        differ = _differs(table.cells, again.cells)
        if differ:
            problems.append(
                Problem(table=each.table, rule="ADAM-FORMATS-DIFFER", fix="keep one of them",
                        message=f"{path.name} and {other.name} differ: {differ}")
            )  # fmt: skip
    cells = table.cells.rename(columns=lambda title: str(title).strip().upper())
    cells = cells.loc[:, ~cells.columns.duplicated()]
    blank = cells.map(lambda cell: isinstance(cell, str) and not cell.strip()) if len(cells) else cells
    cells = cells.where(~blank, None) if len(cells) else cells
    labels = {str(title).strip().upper(): label for title, label in table.labels.items()}
    return DataSetFile(name=each.data_set, path=path, cells=cells, rows_in=table.rows_in, labels=labels)


_SAME = 1e-12  # transport files hold numbers in base 16, so that the last bit may differ


def _differs(one: pd.DataFrame, other: pd.DataFrame | None) -> str:
    """The first place at which two files of a data set differ; empty when they agree."""
    if other is None:
        return "one of them cannot be read"
    if len(one) != len(other):
        return f"{len(one)} and {len(other)} rows"
    if list(map(str.upper, map(str, one.columns))) != list(map(str.upper, map(str, other.columns))):
        return "their variables"
    for place, title in enumerate(one.columns):
        here, there = _canonical(one.iloc[:, place]), _canonical(other.iloc[:, place])
        for row, (a, b) in enumerate(zip(here, there, strict=True), start=2):
            if a != b and not _nearly(a, b):
                return f"line {row}, {title}: {a!r} and {b!r}"
    return ""


def _canonical(cells: pd.Series) -> list[object]:
    """Cells that can be compared across formats: numbers as numbers, dates as text, blank as None."""
    known = {cell: _plain(cell) for cell in set(cells.tolist())}
    return [known[cell] for cell in cells.tolist()]


def _plain(cell: object) -> object:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    if isinstance(cell, dt.datetime):
        return cell.isoformat(timespec="seconds")
    text = _SPACE_BEFORE_TIME.sub(r"\1T\2", found(cell).strip())
    number = as_number(cell) if not isinstance(cell, str) or not text.startswith("0") else None
    return number if number is not None else text


def _nearly(a: object, b: object) -> bool:
    """Whether two cells are the same number, or the same date once as SAS date."""
    x, y = as_number(a), as_number(b)
    if x is not None and y is not None:
        return bool(np.isclose(x, y, rtol=_SAME, atol=0))
    if isinstance(a, str) and isinstance(b, str):
        return a.removesuffix("T00:00:00") == b.removesuffix("T00:00:00")
    number, text = (x, b) if x is not None else (y, a)
    if number is None or not isinstance(text, str) or not float(number).is_integer():
        return False
    day = SAS_ZERO + dt.timedelta(days=int(number)) if abs(number) < 1e5 else None
    return day is not None and day.isoformat() == text
