"""Files to cells and back: what stands in a file, before anybody knows what it means.

Here: the bytes of one table (CSV, Parquet, Dataset-JSON, SAS transport and dataset, Excel) as a frame of
cells, with every finding about the file itself: encoding, separators, ragged rows, columns that stand
twice; and a frame as the bytes of a file. Not here: the meaning of a column (`records`), of a cell
(`checks`) or of a study.
"""

from collections.abc import Callable
from pathlib import Path

from cart7.errors import Problem
from cart7.files.dataset_json import read_dataset_json, read_ndjson
from cart7.files.delimited import csv_table, read_csv
from cart7.files.parquet import read_parquet
from cart7.files.sas_dataset import read_sas_dataset
from cart7.files.tables import FileTable, UnreadableFileError, check_encoding, plain_cells
from cart7.files.transport import read_transport
from cart7.files.workbook import read_workbook
from cart7.files.writing import UNSTATED, WRITABLE, write_file

__all__ = [
    "READABLE", "SUFFIXES", "UNSTATED", "WRITABLE", "FileTable", "check_encoding", "csv_table", "plain_cells",
    "read_file", "write_file",
]  # fmt: skip

_READERS: dict[str, Callable[[Path, str, str | None], FileTable]] = {
    ".csv": read_csv,
    ".parquet": read_parquet,
    ".json": read_dataset_json,
    ".ndjson": read_ndjson,
    ".xpt": read_transport,
}
SUFFIXES = tuple(_READERS)
"""Suffixes of the files that can be a table of a study."""

_TEXTS = (".csv", ".txt", ".tsv")
_WORKBOOKS = (".xlsx", ".xlsm")
READABLE = (*SUFFIXES, ".txt", ".tsv", ".sas7bdat", *_WORKBOOKS)
"""Suffixes of the files that can be read one by one."""


def read_file(
    path: Path, *, name: str, encoding: str | None = None, sep: str = ",", sheet: str | None = None
) -> FileTable:
    """Cells of one table from a file, by its suffix.

    Parameters
    ----------
    path : Path
        A file with one of the suffixes `READABLE`.
    name : str
        Name of the table, for the messages.
    encoding : str, optional
        Encoding of a CSV or SAS file; UTF-8 (with or without a mark) when not given.
    sep : str
        What stands between two cells of a CSV file.
    sheet : str, optional
        Sheet of a workbook; the only one when not given.

    Returns
    -------
    FileTable
        The cells and every finding; `cells` is None when the file cannot be read at all.

    Raises
    ------
    ValueError
        If `encoding` is no encoding that Python knows.
    """
    check_encoding(encoding)
    try:
        if path.is_dir():
            raise UnreadableFileError("FILE-IS-A-FOLDER", f"{path.name} is a folder; a file belongs here")
        return _read(path, name, encoding, sep, sheet)
    except UnreadableFileError as refusal:
        return FileTable(name=name, cells=None, rows_in=0, problems=(refusal.problem(name),))
    except OSError as refusal:
        message = f"{path.name} cannot be opened: {refusal.strerror or refusal}"
        unopened = Problem(table=name, rule="FILE-UNREADABLE", message=message)
        return FileTable(name=name, cells=None, rows_in=0, problems=(unopened,))


def _read(path: Path, name: str, encoding: str | None, sep: str, sheet: str | None) -> FileTable:
    suffix = path.suffix.lower()
    if suffix in _TEXTS:
        return read_csv(path, name, encoding, sep)
    if suffix in _WORKBOOKS:
        return read_workbook(path, name, sheet)
    if suffix == ".sas7bdat":
        return read_sas_dataset(path, name, encoding)
    if suffix not in _READERS:
        raise UnreadableFileError(
            "FILE-FORMAT",
            f"a table is read from {', '.join(READABLE)}, and {path.name} is none of them",
            fix="unpack it, or save the table as CSV",
        )
    return _READERS[suffix](path, name, encoding)
