"""Files to cells: what stands in a file, before anybody knows what it means.

Here: the bytes of one table (CSV, Parquet, Dataset-JSON, SAS transport) as a frame of cells, with
every finding about the file itself: encoding, separators, ragged rows, columns that stand twice. Not
here: the meaning of a column (`records`), of a cell (`checks`) or of a study.
"""

from collections.abc import Callable
from pathlib import Path

from cart7.errors import Problem
from cart7.files.dataset_json import read_dataset_json, read_ndjson
from cart7.files.delimited import csv_table, read_csv
from cart7.files.parquet import read_parquet
from cart7.files.tables import FileTable, UnreadableFileError, check_encoding, plain_cells
from cart7.files.transport import read_transport

__all__ = ["SUFFIXES", "FileTable", "check_encoding", "csv_table", "plain_cells", "read_file"]

_READERS: dict[str, Callable[[Path, str, str | None], FileTable]] = {
    ".csv": read_csv,
    ".parquet": read_parquet,
    ".json": read_dataset_json,
    ".ndjson": read_ndjson,
    ".xpt": read_transport,
}
SUFFIXES = tuple(_READERS)
"""Suffixes of the files that can be a table."""


def read_file(path: Path, *, name: str, encoding: str | None = None) -> FileTable:
    """Cells of one table from a file, by its suffix.

    Parameters
    ----------
    path : Path
        A `.csv`, `.parquet`, `.json` or `.ndjson` (Dataset-JSON) or `.xpt` file.
    name : str
        Name of the table, for the messages.
    encoding : str, optional
        Encoding of a CSV or transport file; UTF-8 (with or without a mark) when not given.

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
        return _READERS[path.suffix.lower()](path, name, encoding)
    except UnreadableFileError as refusal:
        return FileTable(name=name, cells=None, rows_in=0, problems=(refusal.problem(name),))
    except OSError as refusal:
        message = f"{path.name} cannot be opened: {refusal.strerror or refusal}"
        unopened = Problem(table=name, rule="FILE-UNREADABLE", message=message)
        return FileTable(name=name, cells=None, rows_in=0, problems=(unopened,))
