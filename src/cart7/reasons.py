"""Why a number is missing: one text per row, chosen or joined.

Here: the first reason that holds in each row, and the reasons of all missing columns of a row.
Not here: what the reasons are (the endpoint rooms), the notes of the long form (`results`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Texts: TypeAlias = NDArray[np.object_]


def first_reason(*cases: tuple[Any, Any]) -> Texts:
    """Per row the text of the first case that holds, else empty.

    Parameters
    ----------
    cases : pairs of (condition, text)
        A boolean per row; a text for all of them or one per row.

    Examples
    --------
    >>> first_reason(([True, False, False], "no sample"), ([True, True, False], "no baseline")).tolist()
    ['no sample', 'no baseline', '']
    """
    conditions = [np.asarray(condition, dtype=bool) for condition, _ in cases]
    texts = [np.asarray(text, dtype=object) for _, text in cases]
    return np.select(conditions, texts, default=np.asarray("", dtype=object))


def joined(table: pd.DataFrame, reasons: Mapping[str, Any], remarks: Sequence[Any] = ()) -> list[str]:
    """Per row the different reasons of its missing columns, then the remarks, in one text.

    Parameters
    ----------
    table : DataFrame
        Holds the columns that `reasons` names; an empty text counts as missing.
    reasons : mapping
        By column a text for all rows or one per row, used where the column is missing.
    remarks : sequence
        Texts per row that stand whether or not something is missing.

    Examples
    --------
    >>> joined(pd.DataFrame({"a": [1, None], "b": [None, None]}), {"a": "no sample", "b": "no baseline"})
    ['no baseline', 'no sample; no baseline']
    """
    given = [np.where(table[name].isna() | (table[name] == ""), why, "") for name, why in reasons.items()]
    return ["; ".join(dict.fromkeys(filter(None, row))) for row in zip(*given, *remarks, strict=True)]
