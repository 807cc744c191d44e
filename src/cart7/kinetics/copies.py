"""Transgene copies per microgram of DNA as cells per microlitre of blood.

Here: the conversion of measured levels. Not here: anything computed from a course of them.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def copies_to_cells(
    copies_per_ug: ArrayLike, dna_ug_per_ml: ArrayLike, *, vector_copy_number: ArrayLike = 1.0
) -> NDArray[np.float64]:
    """CAR-T cells per microlitre of blood from transgene copies per microgram of DNA.

    Parameters
    ----------
    copies_per_ug : array_like
        Transgene copies per microgram of genomic DNA.
    dna_ug_per_ml : array_like
        Micrograms of genomic DNA obtained per millilitre of blood of the same sample.
    vector_copy_number : array_like, default 1.0
        Transgene copies per CAR-positive cell (of the product), above 0.

    Returns
    -------
    ndarray
        Cells per microlitre; missing where an input is.

    Raises
    ------
    ValueError
        For a negative amount, or a vector copy number that is not above 0.

    Notes
    -----
    copies/ug x ug/mL / copies per cell / 1000. Copies per microgram count cells against all nucleated
    cells, so they overstate the cells in blood while the others are depleted; the DNA yield corrects it.

    Examples
    --------
    >>> copies_to_cells([50_000.0], 20.0, vector_copy_number=2.0).tolist()
    [500.0]
    """
    copies, yielded = np.asarray(copies_per_ug, dtype=float), np.asarray(dna_ug_per_ml, dtype=float)
    per_cell = np.asarray(vector_copy_number, dtype=float)
    for name, amount in (("copies_per_ug", copies), ("dna_ug_per_ml", yielded)):
        if (amount < 0).any():
            raise ValueError(f"{name} cannot be negative, got {float(amount[amount < 0][0]):g}")
    if (per_cell <= 0).any():
        raise ValueError(f"vector_copy_number must be above 0, got {per_cell.min():g}")
    return np.asarray(copies * yielded / per_cell / 1000)
