"""Arrays that people hand over: complete rows, their groups, and what was left out.

Here: checks and conversions that every function on bare arrays shares. Not here: any statistic.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import derive, results
from cart7.stats.survival_curves import Floats

Array = Any  # a list, array or Series of numbers


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Complete rows of the arrays, the group of each as a number, and what was left out."""

    time: Floats
    value: NDArray[Any]  # floats or booleans
    code: NDArray[np.int64]
    labels: tuple[str, ...]
    kept: NDArray[np.bool_]
    left_out: tuple[tuple[int, str], ...]

    @classmethod
    def of(
        cls,
        time: Array,
        value: Array,
        name: str,
        group: Array | None,
        *,
        beside: Floats | None = None,
        complete: bool = False,
    ) -> "Rows":
        """Rows with a time, a value, a group and everything `beside` them.

        With ``complete=True`` a missing cell is a ValueError instead of a row left out.
        """
        times, values = numbers(time, "time"), _numbers_or_flags(value, name)
        if times.ndim != 1 or times.shape != values.shape:
            raise ValueError(
                f"time and {name} must be one-dimensional and of one length, "
                f"got {times.shape} and {values.shape}"
            )
        for word, other in (("group", group), ("covariates", beside)):
            if other is not None and len(other) != times.size:
                raise ValueError(f"{word} must have one value per time, got {len(other)} for {times.size}")
        levels = None if group is None else pd.Series(np.asarray(group, dtype=object))
        missing: dict[str, Any] = {"time": np.isnan(times), name: np.isnan(values)}
        if levels is not None:
            missing["group"] = levels.isna().to_numpy()
        if beside is not None:
            missing["covariate"] = np.isnan(beside).any(axis=1)
        kept = ~reduce(np.logical_or, missing.values())
        left_out = () if kept.all() else _left_out(missing, kept)
        if complete and left_out:
            raise ValueError(f"row {left_out[0][0]}: {left_out[0][1]}; leave out rows without it")
        if left_out:
            times, values = times[kept], values[kept]
        code, labels = _groups(levels, kept)
        return cls(times, values, code, labels, kept, left_out)


def _left_out(missing: dict[str, Any], kept: NDArray[np.bool_]) -> tuple[tuple[int, str], ...]:
    why = np.select(list(missing.values()), [f"{word} missing" for word in missing], "")
    return tuple((int(row) + 1, str(why[row])) for row in np.flatnonzero(~kept))


def _groups(levels: pd.Series | None, kept: NDArray[np.bool_]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number and label of the group of each kept row, labels ascending."""
    code = np.zeros(int(kept.sum()), dtype=np.int64)
    if levels is None:
        return code, (derive.ALL,)
    members = derive.groups(pd.DataFrame({"group": levels[kept].reset_index(drop=True)}), "group")[:-1]
    for position, (_, mask) in enumerate(members):
        code[mask] = position
    return code, tuple(label for label, _ in members)


def numbers(values: Array, name: str) -> Floats:
    """A copy as floats, missing ones NaN; a ValueError when they are not numbers."""
    if isinstance(values, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        values = values.to_numpy(dtype=float, na_value=np.nan)
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from error


def _numbers_or_flags(values: Array, name: str) -> NDArray[Any]:
    """As `numbers`, but booleans stay what they are: none is missing, and they are an eighth as large."""
    flags = isinstance(values, np.ndarray | pd.Series) and values.dtype == np.dtype(bool)
    return np.array(values) if flags else numbers(values, name)


def known(name: str, value: object, allowed: Sequence[object]) -> None:
    """Raise ValueError unless `value` is one of the allowed words."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}")


def excluded(left_out: Iterable[tuple[int, str]]) -> pd.DataFrame:
    """Rows of arrays that were not used, as in every result."""
    return results.excluded_frame(("input", row, "", reason) for row, reason in left_out)


def no_subjects() -> pd.DataFrame:
    """The `subjects` of a result made from arrays: none."""
    return pd.DataFrame({"subject_id": pd.Series(dtype=object), "note": pd.Series(dtype=object)})


def number_text(value: float) -> str:
    """A time as the key of a long row: all its digits, whole numbers without a point."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
