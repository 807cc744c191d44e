"""The last readings of small tables, so that every table of one study does not read it again.

Here: a function that gives back what it gave for equal frames. Not here: any reading (`emergence`,
`laboratory`).
"""

from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd

P = ParamSpec("P")
R = TypeVar("R")

KEPT = 4  # readings of each function
MOST_CELLS = (
    100_000  # a larger frame is read each time: comparing it would cost more, and so would keeping it
)


def remembered(read: Callable[P, R]) -> Callable[P, R]:
    """Keep the last few answers of a function whose answers nobody changes.

    Frames are compared by content, with their types, index and names: a frame that was changed in between is
    read again. A call with records instead of a frame is not remembered.
    """
    kept: deque[tuple[tuple[Any, ...], R]] = deque(maxlen=KEPT)

    @wraps(read)
    def again(*args: P.args, **kwargs: P.kwargs) -> R:
        given = (*args, *(item for pair in sorted(kwargs.items()) for item in pair))
        if not all(map(_small, given)):
            return read(*args, **kwargs)
        for before, answer in tuple(kept):
            if len(before) == len(given) and all(map(_same, before, given)):
                return answer
        answer = read(*args, **kwargs)
        kept.append((tuple(map(_copied, given)), answer))
        return answer

    return again


def _small(item: object) -> bool:
    if isinstance(item, pd.DataFrame):
        return bool(item.size <= MOST_CELLS)
    return item is None or isinstance(item, str | float | int | tuple) or getattr(item, "REMEMBERED", False)


def _same(before: object, now: object) -> bool:
    if isinstance(before, _Kept) and isinstance(now, pd.DataFrame):
        return before.equals(now)
    plain = isinstance(now, str | float | int | tuple) and type(before) is type(now)
    return before is now or (plain and bool(before == now))


class _Kept:
    """A frame as it was when it was read."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame.copy()
        kinds = _kinds(frame)
        # A word equals only a word; but True equals 1, and reads otherwise: then types are compared too.
        self.kinds = kinds if any(kind not in _WORDS for column in kinds for kind in column) else None

    def equals(self, now: pd.DataFrame) -> bool:
        """Same labels and types and cells; a missing cell equals a missing one."""
        same: bool = self.frame.index.name == now.index.name and self.frame.equals(now)
        return same and (self.kinds is None or self.kinds == _kinds(now))


_WORDS = (str, type(None))


def _kinds(frame: pd.DataFrame) -> list[list[type]]:
    """Types of the cells of mixed columns."""
    mixed = [place for place, dtype in enumerate(frame.dtypes) if _is_mixed(dtype)]
    return [list(map(type, frame.iloc[:, place].tolist())) for place in mixed]


def _is_mixed(dtype: object) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind == "O"


def _copied(item: Any) -> Any:
    return _Kept(item) if isinstance(item, pd.DataFrame) else item
