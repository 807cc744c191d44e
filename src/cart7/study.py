"""A study: its tables, checked one by one and against each other, and everything that was found.

Here: reading a folder, the order of the checks, the account of rows used and set aside. Not here:
the bytes of a file (`files`), the rules themselves (`checks`), the meaning of columns (`records`).
"""

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from cart7 import files
from cart7.checks import across, agreement, measures, rows
from cart7.checks.cells import Reader, read_new_subject, subject_reader
from cart7.checks.tables import (
    Table,
    missing_keys,
    open_table,
    read_columns,
    repeated_rows,
    without_subject_id,
)
from cart7.errors import DataError, Problem, problem_frame
from cart7.records import TABLES, Record, to_frame

Frame: TypeAlias = pd.DataFrame
"""A field of `Study` is called `pd`, which hides pandas inside the class."""

OnProblem = Literal["raise", "report"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Study:
    """The checked tables of a study and every finding about them.

    Make one with `read_study`, `Study.from_frames` or `Study.from_records`. A table is a frame indexed by
    `row` (1-based data row of its file) with the sound rows: words as text, dates as ISO 8601 text, whole
    numbers Int64, `day` (days since the first infusion) and measured numbers float64. It is None where
    the table is not there.

    Parameters
    ----------
    subjects, manufacturing, products, ... : DataFrame or None
        The tables of the schema.
    problems : DataFrame
        `table, row, subject_id, column, value, new_value, severity, rule, message, fix`.
    accounting : DataFrame
        `table, rows_in, rows_used, rows_set_aside`.
    extra_columns : mapping of str to tuple of str
        Columns outside the schema, by table; they are kept.
    source : Path or None
        Folder that was read.
    files : mapping of str to Path
        File of each table that was read.

    Examples
    --------
    >>> study = Study.from_frames(subjects=pd.DataFrame({"subject_id": ["001"], "sex": ["male"]}))
    >>> study.subjects["sex"].tolist(), study.problems["rule"].tolist(), study.kinetics
    (['M'], ['D12-TERM'], None)
    """

    subjects: Frame
    manufacturing: Frame | None = None
    products: Frame | None = None
    lymphodepletion: Frame | None = None
    kinetics: Frame | None = None
    pd: Frame | None = None
    responses: Frame | None = None
    adverse_events: Frame | None = None
    aesi_course: Frame | None = None
    conmeds: Frame | None = None
    dlt: Frame | None = None
    ada: Frame | None = None
    events: Frame | None = None
    labs: Frame | None = None
    problems: Frame
    accounting: Frame
    extra_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def from_frames(cls, *, on_problem: OnProblem = "raise", **tables: Any) -> "Study":
        """Study from frames, checked as files are.

        Parameters
        ----------
        on_problem : {"raise", "report"}
            As in `read_study`.
        **tables : DataFrame
            Tables by name (`subjects=..., kinetics=...`); None stands for a table that is not there. An
            index named `row` numbers the rows, else their position does.

        Raises
        ------
        DataError
            Every problem at once, as in `read_study`.
        ValueError
            If a name is no table of the schema, or a value no frame.
        """
        _check_choice(on_problem)
        given = {name: frame for name, frame in tables.items() if frame is not None}
        _check_names(given)
        read = {name: _cells_of(name, given[name]) for name in TABLES if name in given}
        return _study(read, on_problem=on_problem)

    @classmethod
    def from_records(cls, *, on_problem: OnProblem = "raise", **tables: Iterable[Record]) -> "Study":
        """Study from records, checked against each other.

        Parameters
        ----------
        on_problem : {"raise", "report"}
            As in `read_study`.
        **tables : sequence of records
            `subjects=[Subject(...), ...], kinetics=[KineticSample(...), ...]`.

        Raises
        ------
        DataError
            Every problem at once, as in `read_study`.
        ValueError
            If a name is no table of the schema, or a record belongs to another table.

        Examples
        --------
        >>> from cart7.records import Subject
        >>> len(Study.from_records(subjects=[Subject(subject_id="001", infused="N")]).subjects)
        1
        """
        _check_names(tables)
        frames = {name: to_frame(records, name).drop(columns="row") for name, records in tables.items()}
        return cls.from_frames(on_problem=on_problem, **frames)

    def records(self, table: str) -> tuple[Record, ...]:
        """Rows of a table as records; empty where the table is not there.

        Parameters
        ----------
        table : str
            Name of a table of the schema.

        Raises
        ------
        ValueError
            If `table` is no table of the schema.
        """
        _check_names([table])
        frame = getattr(self, table)
        if frame is None:
            return ()
        schema = TABLES[table]
        names = [name for name in schema.columns if name in frame.columns]
        columns = [frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in names]
        model = schema.model
        return tuple(model(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True))

    def __repr__(self) -> str:
        """Tables with their rows, and how much was found."""
        tables = ", ".join(f"{row.table} {row.rows_used}" for row in self.accounting.itertuples())
        return f"Study({tables}; {self._found()})"

    def _found(self) -> str:
        counts = Counter(self.problems["severity"])
        return ", ".join(f"{counts[severity]} {severity}s" for severity in ("error", "warning", "repair"))

    def _repr_html_(self) -> str:
        """Rows of each table and the number of findings, for a notebook."""
        source = "" if self.source is None else f" from {html.escape(self.source.name)}"
        head = f"<p><b>Study{source}</b>: {self._found()} in <code>.problems</code></p>"
        return head + str(self.accounting.to_html(index=False, border=0))


def read_study(path: str | Path, *, on_problem: OnProblem = "raise", encoding: str | None = None) -> Study:
    """Read a folder of tables, check everything, and say everything that was found.

    Parameters
    ----------
    path : str or Path
        Folder of `<table>.csv` (or `.parquet`, `.json`, `.ndjson`, `.xpt`); other files in it are ignored.
    on_problem : {"raise", "report"}
        `raise`: one `DataError` when there is any error; `report`: the study with the sound rows.
    encoding : str, optional
        Encoding of the CSV and transport files; UTF-8 when not given.

    Returns
    -------
    Study
        Its `.problems` list every repair and warning, its `.accounting` every row.

    Raises
    ------
    DataError
        With every problem of every file; under `report` only when no subjects can be read at all.
    ValueError
        If `on_problem` or `encoding` is none of the known ones.

    Examples
    --------
    >>> from cart7.examples import STUDY_FOLDER
    >>> study = read_study(STUDY_FOLDER)
    >>> len(study.subjects), len(study.kinetics), len(study.problems)
    (10, 215, 0)
    """
    _check_choice(on_problem)
    files.check_encoding(encoding)
    folder = Path(path)
    found = _table_files(folder)
    read = {name: _read(name, paths, encoding) for name, paths in found.items()}
    places = {name: paths[0] for name, paths in found.items()}
    return _study(read, on_problem=on_problem, source=folder, places=places)


# --- what was handed in --------------------------------------------------------------------------


def _check_choice(on_problem: str) -> None:
    if on_problem not in get_args(OnProblem):
        raise ValueError(f"on_problem must be one of {', '.join(get_args(OnProblem))}, got {on_problem!r}")


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if name not in TABLES:
            near = get_close_matches(name, list(TABLES), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"a table must be one of {', '.join(TABLES)}, got {name!r}{hint}")


def _table_files(folder: Path) -> dict[str, list[Path]]:
    """Files of each table, in the order of the schema."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        raise _no_study("FILE-NOT-FOUND", f"{folder} does not exist", "check the path") from None
    except NotADirectoryError:
        raise _no_study("FILE-NOT-A-FOLDER", f"{folder} is a file; a study is a folder of tables",
                        "name the folder that holds subjects.csv") from None  # fmt: skip
    except OSError as refusal:
        raise _no_study("FILE-UNREADABLE", f"{folder} cannot be opened: {refusal.strerror}", "") from None
    found: dict[str, list[Path]] = {}
    for path in paths:
        if path.suffix.lower() in files.SUFFIXES and path.stem.lower() in TABLES:
            found.setdefault(path.stem.lower(), []).append(path)
    if not found:
        raise _no_study(
            "FILE-NO-TABLES", f"{folder} holds no table", f"name the files {', '.join(TABLES)} (.csv)"
        )
    return {name: found[name] for name in TABLES if name in found}


def _no_study(rule: str, message: str, fix: str) -> DataError:
    return DataError([Problem(table="study", rule=rule, message=message, fix=fix)])


def _read(name: str, paths: Sequence[Path], encoding: str | None) -> files.FileTable:
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        twice = Problem(
            table=name,
            rule="FILE-TWICE",
            message=f"the table stands in several files: {names}",
            fix="keep one of them",
        )
        return files.FileTable(name=name, cells=None, rows_in=0, problems=(twice,))
    return files.read_file(paths[0], name=name, encoding=encoding)


def _cells_of(name: str, data: Any) -> files.FileTable:
    """Cells of a frame: its values as they are, missing as None."""
    if not isinstance(data, pd.DataFrame):
        if not hasattr(data, "columns") or not hasattr(data, "__getitem__"):
            raise ValueError(f"{name} must be a DataFrame, got {type(data).__name__}")
        data = pd.DataFrame({column: data[column].to_list() for column in data.columns})
    if data.columns.has_duplicates:
        twice = sorted(set(data.columns[data.columns.duplicated()].astype(str)))
        problems = tuple(
            Problem(table=name, column=column, rule="COLUMN-TWICE", message="the column stands twice")
            for column in twice
        )
        return files.FileTable(name=name, cells=None, rows_in=len(data), problems=problems)
    numbered = data.index.name == "row" and pd.api.types.is_integer_dtype(data.index)
    numbers = data.index.to_numpy() if numbered else np.arange(1, len(data) + 1)
    cells = {str(column): files.plain_cells(data[column].tolist()) for column in data.columns}
    frame = pd.DataFrame(cells, index=pd.Index(numbers.astype(np.int64), name="row"), dtype=object)
    return files.FileTable(name=name, cells=frame, rows_in=len(frame), problems=())


# --- the checks in their order -------------------------------------------------------------------


def _study(
    read: Mapping[str, files.FileTable],
    *,
    on_problem: OnProblem,
    source: Path | None = None,
    places: Mapping[str, Path] = MappingProxyType({}),
) -> Study:
    tables, said = _opened(read)
    _check(tables, said)
    problems = _in_order([*said, *(problem for table in tables.values() for problem in table.problems)])
    errors = any(problem.severity == "error" for problem in problems)
    if "subjects" not in tables or (errors and on_problem == "raise"):
        raise DataError(problems)
    frames = {name: table.frame() for name, table in tables.items()}
    extra = {name: tuple(table.extra) for name, table in tables.items() if table.extra}
    return Study(
        **frames,
        problems=problem_frame(problems),
        accounting=_accounting(tables, frames),
        extra_columns=MappingProxyType(extra),
        source=source,
        files=MappingProxyType({name: path for name, path in places.items() if name in tables}),
    )


def _opened(read: Mapping[str, files.FileTable]) -> tuple[dict[str, Table], list[Problem]]:
    """The tables that can be read, and what is wrong with the files of all."""
    tables: dict[str, Table] = {}
    said: list[Problem] = []
    for name, file in read.items():
        said += file.problems
        if file.cells is None:
            continue
        table = open_table(name, file.cells, file.rows_in)
        table.wrong |= np.isin(table.rows, [p.row for p in file.problems if p.severity == "error" and p.row])
        if without_subject_id(table):
            said += table.problems
        elif file.cells.empty and name == "subjects":
            said += [
                *table.problems,
                Problem(table=name, rule="FILE-NO-ROWS", message="there is no subject in it"),
            ]
        else:
            tables[name] = table
            if file.rows_in == 0:
                table.problems.append(
                    Problem(
                        table=name, severity="warning", rule="FILE-NO-ROWS", message="the table has no row"
                    )
                )
    if "subjects" not in read:
        said.append(
            Problem(
                table="subjects",
                rule="FILE-NO-SUBJECTS",
                message="there is no table of subjects",
                fix="add subjects.csv with the column subject_id",
            )
        )
    return tables, said


def _check(tables: Mapping[str, Table], said: Sequence[Problem]) -> None:
    """Every check, in an order in which each finds what it needs."""
    subjects = tables.get("subjects")
    if subjects is not None:
        read_columns(subjects, read_new_subject, {})
    reader = _subject_reader(subjects, said)
    for name, table in tables.items():
        if name != "subjects":
            read_columns(table, reader, _SPECIAL.get(name, {}))
        _measured(table)
    zero = {} if subjects is None else across.day_zero(subjects)
    for table in tables.values():
        across.days_and_dates(table, zero)
    if "kinetics" in tables:
        across.infusion_numbers(tables["kinetics"], tables.get("products"))
    for table in tables.values():
        missing_keys(table)
        repeated_rows(table)
    across.before_infusion(tables)
    for table in tables.values():
        rows.check_rows(table)
        measures.results_or_flags(table)
    _check_across(tables, zero)


def _subject_reader(subjects: Table | None, said: Sequence[Problem]) -> Reader:
    """How subject ids are read; a subject whose own row is ragged is not unknown."""
    if subjects is None:
        return read_new_subject
    ragged = [problem.subject_id for problem in said if problem.table == "subjects"]
    known = [*subjects.words("subject_id"), *ragged]
    return subject_reader(str(subject) for subject in known if subject is not None)


_SPECIAL: Mapping[str, Mapping[str, Reader]] = {
    "kinetics": {"value": measures.read_concentration, "blq": measures.read_flag},
    "pd": {"value": measures.read_concentration, "blq": measures.read_flag},
    "labs": {"value": measures.read_result, "test": measures.read_test},
}


def _measured(table: Table) -> None:
    measures.unusual_words(table)
    if table.name in measures.QUANTITIES:
        measures.convert_units(table)
    measures.impossible_values(table)
    measures.surges(table)
    if table.name in ("kinetics", "pd"):
        measures.set_flags(table)


def _check_across(tables: Mapping[str, Table], zero: across.DayZero) -> None:
    if "kinetics" in tables:
        across.samples_before_infusion(tables["kinetics"])
    across.after_death(tables, zero)
    if "dlt" in tables and "adverse_events" in tables:
        across.dlt_in_two_places(tables["dlt"], tables["adverse_events"])
    if "products" in tables and "subjects" in tables:
        across.products_of_the_infused(tables["products"], tables["subjects"])
        agreement.dose_and_bags(tables["subjects"], tables["products"])
    if "products" in tables:
        agreement.bag_numbers(tables["products"])
    agreement.one_death(tables.get("subjects"), tables.get("events"))
    agreement.visits_far_off(tables)
    for table in tables.values():
        agreement.one_unit(table)


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Findings by table and row, those of the whole file first; a copy of a row is warned of once."""
    place = {name: number for number, name in enumerate(TABLES)}
    copies = {(problem.table, problem.row) for problem in problems if problem.rule == "D01-REPEATED-ROW"}
    kept = [
        problem
        for problem in problems
        if problem.severity != "warning" or (problem.table, problem.row) not in copies
    ]
    return sorted(kept, key=lambda problem: (place[problem.table], problem.row or 0))


def _accounting(tables: Mapping[str, Table], frames: Mapping[str, Frame]) -> Frame:
    rows_in = np.array([table.rows_in for table in tables.values()], dtype=np.int64)
    used = np.array([len(frames[name]) for name in tables], dtype=np.int64)
    return pd.DataFrame(
        {"table": list(tables), "rows_in": rows_in, "rows_used": used, "rows_set_aside": rows_in - used}
    )
