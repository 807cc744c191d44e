"""How the variables of an ADaM-like data set are stored: their kind and length.

Here: what `define.json` tells of a variable, and whole numbers as such. Not here: the bytes of a file
(`files`), what a data set holds (`adam_writing`).
"""

import numpy as np
import pandas as pd

LONGEST_TEXT = 200
"""Bytes of a text in a transport file of version 5."""


def kind_of(cells: pd.Series) -> str:
    """How a column is stored: `text`, `date`, `integer` or `float`."""
    if cells.dtype.kind == "M":
        return "date"
    if cells.dtype.kind not in "fiu":
        return "text"
    known = cells.dropna().to_numpy(dtype=float)
    return (
        "integer"
        if known.size and (known == np.floor(known)).all() and (abs(known) < 2**53).all()
        else "float"
    )


def length_of(cells: pd.Series) -> int:
    """Bytes of the longest text, at least 1; 8 for numbers and dates."""
    if kind_of(cells) != "text":
        return 8
    return max((len(str(text).encode()) for text in cells), default=1) or 1


def stored(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the numbers of a column that are all whole as whole numbers.

    Examples
    --------
    >>> stored(pd.DataFrame({"AGE": [40.0, None], "AVAL": [0.5, 1.0]})).dtypes.astype(str).tolist()
    ['Int64', 'float64']
    """
    whole = [name for name in frame.columns if kind_of(frame[name]) == "integer"]
    return frame.astype(dict.fromkeys(whole, "Int64"))
