"""Parquet: typed columns, read with pyarrow where it is installed."""

from pathlib import Path
from typing import Any

from cart7.files.tables import FileTable, UnreadableFileError, headed, plain_cells

MOST_CELLS = 100_000_000
"""A few bytes of Parquet can stand for any number of equal rows."""


def read_parquet(path: Path, name: str, encoding: str | None) -> FileTable:
    """Cells of a Parquet file, with their types."""
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError:
        raise UnreadableFileError(
            "FILE-FORMAT",
            f"reading {path.name} needs the package pyarrow",
            fix="pip install 'cart7[io]', or save the table as CSV",
        ) from None
    try:
        told = parquet.read_metadata(path)
        if told.num_rows * told.num_columns > MOST_CELLS:
            raise UnreadableFileError(
                "FILE-TOO-LARGE", f"{path.name} tells of {told.num_rows} rows of {told.num_columns} columns",
                fix="split the table",
            )  # fmt: skip
        table = parquet.read_table(path)
        columns = [plain_cells(column.to_pylist()) for column in table.columns]
    except (ArrowException, ValueError, OSError) as stop:
        if isinstance(stop, FileNotFoundError | PermissionError):
            raise
        raise UnreadableFileError("FILE-BINARY", f"{path.name} is no Parquet file: {stop}") from None
    numbers = list(range(1, table.num_rows + 1))
    titles = [title.strip() for title in table.column_names]
    problems, frame = headed(name, titles, columns, numbers)
    kinds = {title: _kind(field.type) for title, field in zip(titles, table.schema, strict=True)}
    return FileTable(name=name, cells=frame, rows_in=table.num_rows, problems=tuple(problems), kinds=kinds)


def _kind(arrow_type: Any) -> str:
    """What a column holds; what is none of these is kept as its text."""
    from pyarrow import types

    if types.is_dictionary(arrow_type):
        return _kind(arrow_type.value_type)
    if types.is_boolean(arrow_type):
        return "boolean"
    if types.is_floating(arrow_type) or types.is_uint64(arrow_type):
        return "number"
    if types.is_integer(arrow_type):
        return "integer"
    if types.is_date(arrow_type):
        return "date"
    return "datetime" if types.is_timestamp(arrow_type) and arrow_type.tz is None else "text"
