"""Laboratory values by their CTCAE term: a frame of values in, the same rows with a grade out.

Here: reading terms, units and limits. Not here: the cuts of CTCAE (`ctcae`), baselines and worst grades of a
study (`safety`).
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.grading import ctcae
from cart7.grading.reading import Reader

Floats = npt.NDArray[np.float64]

LIMITS = ("lln", "uln", "baseline", "baseline_lln", "baseline_uln")


def ctcae_lab(frame: pd.DataFrame, *, version: str = "5.0") -> pd.DataFrame:
    """Grade of laboratory values by their CTCAE term.

    Parameters
    ----------
    frame : DataFrame
        First column: the record. `ctcae_term`, `value`, `unit`. Optional, in the same unit: `lln`, `uln`
        (limits of normal), `baseline`, `baseline_lln`, `baseline_uln` (by default those of the record);
        `is_baseline_record` (1: the baseline or an earlier record, graded on its limits only).
    version : {"5.0", "6.0"}, default "5.0"
        Version of CTCAE; 6.0 grades `Platelet count decreased` as Thrombocytopenia.

    Returns
    -------
    DataFrame
        The same rows with `grade` (0 to 4) and `note`: missing without a value, without a limit that
        decides, and for a term that the version lacks.

    Raises
    ------
    ValueError
        If `version` is unknown.
    DataError
        Naming every missing column, unknown term, unknown unit and text in a number column.

    Notes
    -----
    Bounds are strict as printed (platelets of 75 are grade 1) and compared at 12 digits. A baseline above its
    ULN replaces multiples of the ULN by multiples of the baseline for ALT, AST, ALP, GGT and bilirubin; a
    missing baseline is a normal one. Where symptoms decide, the worst grade is given. Anemia stops at 3.

    References
    ----------
    US National Cancer Institute. Common Terminology Criteria for Adverse Events 5.0 (2017), 6.0.

    Examples
    --------
    >>> seen = pd.DataFrame({"id": ["a"], "ctcae_term": ["Anemia"], "value": [7.9], "unit": ["g/dL"],
    ...                      "lln": [12]})
    >>> ctcae_lab(seen)["grade"].tolist()
    [3.0]
    """
    if version not in ctcae.VERSIONS:
        raise ValueError(f"version must be one of {', '.join(ctcae.VERSIONS)}, got {version!r}")
    read = Reader(frame, "labs")
    value = read.numbers("value")
    numbers = {name: read.numbers(name, needed=False) for name in LIMITS}
    earlier = read.flags("is_baseline_record", blank=0) == 1
    terms, kinds = _ctcae_terms(read), {}
    for versions in ctcae.TERMS.values():
        kinds.update({name: term.kind for name, term in versions.items()})
    factor = _ctcae_factors(read, terms, kinds, value)
    read.finish()
    for name in ("lln", "uln"):
        own = numbers[f"baseline_{name}"]
        numbers[f"baseline_{name}"] = np.where(np.isnan(own), numbers[name], own)
    numbers["baseline"] = np.where(earlier, np.nan, numbers["baseline"])
    grade, note = np.full(len(frame), np.nan), np.full(len(frame), "", dtype=object)
    for name in dict.fromkeys(terms):
        rows = np.flatnonzero(terms == name)
        rule = ctcae.TERMS[version].get(ctcae.SYNONYMS[version].get(name, name))
        if rule is None:
            note[rows] = f"CTCAE {version} has no {name}"
            continue
        scaled = {column: (values * factor)[rows] for column, values in numbers.items()}
        grade[rows], note[rows] = ctcae.grades(rule, (value * factor)[rows], **scaled)
    return frame.assign(grade=grade, note=note)


def _ctcae_terms(read: Reader) -> npt.NDArray[np.object_]:
    """The term of each row as CTCAE spells it."""
    if not read.is_there("ctcae_term"):
        return np.full(len(read.frame), "", dtype=object)
    written = read.frame["ctcae_term"]
    terms = np.array(
        [ctcae.KNOWN.get(str(term).strip().lower(), "") for term in written.tolist()], dtype=object
    )
    read.refuse("ctcae_term", terms == "", "UNKNOWN-TERM", "a laboratory term of CTCAE belongs here")
    return terms


def _ctcae_factors(
    read: Reader, terms: npt.NDArray[np.object_], kinds: Mapping[str, str], value: Floats
) -> Floats:
    """Factor of each row's unit to that of the cuts; a unit is needed where there is a value."""
    if not read.is_there("unit"):
        return np.full(len(read.frame), np.nan)
    units = read.frame["unit"].tolist()
    known = {
        pair: ctcae.factor(kinds[pair[0]], pair[1]) for pair in set(zip(terms, units, strict=True)) if pair[0]
    }
    factor = np.array([known.get(pair, np.nan) for pair in zip(terms, units, strict=True)], dtype=float)
    wrong = np.isnan(factor) & ~np.isnan(value) & (terms != "")
    read.refuse("unit", wrong, "UNKNOWN-UNIT", "a unit of this quantity belongs here")
    return factor
