"""Parquet: typed columns, read with pyarrow where it is installed."""

from pathlib import Path

from cart7.files.tables import FileTable, UnreadableFileError, headed, plain_cells


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
        table = parquet.read_table(path)
    except (ArrowException, ValueError) as stop:
        raise UnreadableFileError("FILE-BINARY", f"{path.name} is no Parquet file: {stop}") from None
    columns = [plain_cells(column.to_pylist()) for column in table.columns]
    numbers = list(range(1, table.num_rows + 1))
    problems, frame = headed(name, [title.strip() for title in table.column_names], columns, numbers)
    return FileTable(name=name, cells=frame, rows_in=table.num_rows, problems=tuple(problems))
