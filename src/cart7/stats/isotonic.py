"""Isotonic regression: the non-decreasing sequence nearest to given values, many sequences at once.

Here: weighted least squares under order, row by row, with absent entries. Not here: what the values and the
weights are (the designs).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def isotonic(values: ArrayLike, weights: ArrayLike | None = None, present: ArrayLike | None = None) -> Array:
    """Weighted isotonic regression of every row.

    Parameters
    ----------
    values : array_like, rows x positions
        A one-dimensional array is one row.
    weights : array_like, optional
        Above 0, of the same shape; all equal by default.
    present : array_like of bool, optional
        Entries that count; the others are passed over. All by default.

    Returns
    -------
    ndarray
        Non-decreasing along each row; NaN where an entry is absent.

    Raises
    ------
    ValueError
        If the shapes differ, or a present value is not finite or its weight not above 0.

    Notes
    -----
    The solution at position k is the largest, over all starts i <= k, of the smallest, over all ends j >= k,
    weighted mean of the positions i to j: the same numbers as pooling adjacent violators, without a loop per
    row.

    References
    ----------
    Robertson T, Wright FT, Dykstra RL (1988). Order Restricted Statistical Inference. Wiley, section 1.4.

    Examples
    --------
    >>> isotonic([0.1, 0.4, 0.2, 0.5]).round(3).tolist()
    [0.1, 0.3, 0.3, 0.5]
    """
    given = np.asarray(values, dtype=np.float64)
    value, weight, counts = _checked(given, weights, present)
    rows, size = value.shape
    level = np.full((rows, size), -np.inf)
    for start in range(size):
        # Means of the stretches that begin here; one without any entry is no stretch.
        mass = np.cumsum(weight[:, start:], axis=1)
        total = np.cumsum((weight * value)[:, start:], axis=1)
        means = np.divide(total, mass, out=np.full_like(total, np.inf), where=mass > 0)
        smallest = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        level[:, start:] = np.maximum(level[:, start:], smallest)
    return np.where(counts, level, np.nan).reshape(given.shape)


def _checked(
    given: Array, weights: ArrayLike | None, present: ArrayLike | None
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Values, weights (0 where absent) and presence as rows."""
    if given.ndim not in (1, 2):
        raise ValueError(f"values must be one row or a table of rows, got {given.ndim} dimensions")
    weight = np.ones(given.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    counts = np.ones(given.shape, dtype=bool) if present is None else np.asarray(present, dtype=bool)
    for name, array in (("weights", weight), ("present", counts)):
        if array.shape != given.shape:
            raise ValueError(f"{name} must have the shape of values {given.shape}, got {array.shape}")
    if not np.isfinite(given[counts]).all():
        raise ValueError("values must be finite where they are present")
    if not (np.isfinite(weight[counts]).all() and (weight[counts] > 0).all()):
        raise ValueError("weights must be finite and above 0 where values are present")
    rows = (1 if given.ndim == 1 else len(given), given.shape[-1])
    return (
        np.where(counts, given, 0.0).reshape(rows),
        np.where(counts, weight, 0.0).reshape(rows),
        counts.reshape(rows),
    )
