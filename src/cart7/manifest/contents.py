"""What a file says, as hashes: of its bytes, and of its content whatever its format.

Here: the canonical text of a table's cells and the hashes of tables, plans and files. Not here: reading a
study (`study`) or what is done with a hash (`writing`, `verification`).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cart7 import files, records
from cart7.checks.cells import found

_CHUNK = 1 << 20
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NUMBER_WITHOUT_ZEROS = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")


def cells_of(path: Path, table: str) -> pd.DataFrame:
    """Cells of a file as they stand; none where it cannot be read."""
    cells = files.read_file(path, name=table).cells
    return pd.DataFrame() if cells is None else cells


def sha256_of(path: Path) -> str:
    """Hash of the bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def content_hash(frame: pd.DataFrame, table: str) -> str:
    """Hash of what a table says, whatever the file format or the order of its columns and rows.

    Numbers count by value (34 and 34.0 are one), words without outer blanks; missing is empty.

    Parameters
    ----------
    frame : DataFrame
        Cells, or typed columns.
    table : str
        Name of the table: says which columns hold numbers.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> text, typed = pd.DataFrame({"day": ["5.0"]}), pd.DataFrame({"day": [5]})
    >>> content_hash(text, "labs") == content_hash(typed, "labs")
    True
    """
    canonical = canonical_cells(frame, table)
    content = [list(canonical), sorted(zip(*canonical.values(), strict=True))]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode("utf-8")).hexdigest()


def canonical_cells(frame: pd.DataFrame, table: str) -> dict[str, list[str]]:
    """Cells as the hash sees them, by column, the columns in the order of their names."""
    schema = records.TABLES[table].columns
    names = sorted(frame.columns, key=str)
    return {
        str(name): _canonical_column(frame[name], schema[name].kind if name in schema else "")
        for name in names
    }


def _canonical_column(column: pd.Series, kind: str) -> list[str]:
    """Texts of a column; of one outside the schema, `01` stays a word and `1.50` is a number."""
    number = {"int": _NUMBER, "float": _NUMBER, "": _NUMBER_WITHOUT_ZEROS}.get(kind)
    texts = [
        "" if missing else found(cell).strip() for cell, missing in zip(column, column.isna(), strict=True)
    ]
    if number is None:
        return texts
    return [repr(float(text) + 0.0) if number.fullmatch(text) else text for text in texts]


def plan_hash(plan: Mapping[str, Any]) -> str:
    """Hash of a plan as the manifest holds it, whatever the order of its keys."""
    text = json.dumps(plan, ensure_ascii=False, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
