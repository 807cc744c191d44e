"""Rows of the term table: system organ classes and preferred terms in display order, with their records.

Here: which row a record belongs to, and the order of the rows. Not here: counts by group and intervals
(`safety`), reduction to one cell per subject (`stats.counting`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.stats import counting
from cart7.toxicity import emergence
from cart7.toxicity.tallies import UNCODED, notes

Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Rows of the term table in display order, with the cells of their records."""

    rows: pd.DataFrame  # level, soc, pt
    cells: counting.Cells


def terms_of(found: emergence.Records) -> Terms:
    """ANY, then each class with its terms: most subjects first, ties in byte order, UNCODED last."""
    soc_code, socs = _coded(found.table["soc"])
    pt_code, pts = _coded(found.table["pt"])
    pair_code, pairs = pd.factorize(soc_code * max(len(pts), 1) + pt_code)
    pair_soc = pairs // max(len(pts), 1)
    rows = pd.DataFrame(
        {"level": ["ANY"] + ["SOC"] * len(socs) + ["PT"] * len(pairs),
         "soc": ["", *socs, *socs[pair_soc]], "pt": ["", *[""] * len(socs), *pts[pairs % max(len(pts), 1)]]},
        dtype=object,
    )  # fmt: skip
    every = np.arange(len(soc_code))
    row = np.concatenate([np.zeros(len(soc_code), dtype=np.int64), 1 + soc_code, 1 + len(socs) + pair_code])
    cells = found.cells(row, np.concatenate([every, every, every]))
    n_subjects = np.bincount(cells.row, minlength=len(rows))
    of_soc = dict(zip(socs, n_subjects[1 : 1 + len(socs)], strict=True))
    order = sorted(
        range(len(rows)),
        key=lambda i: _display_order(rows["soc"].iloc[i], rows["pt"].iloc[i], of_soc, int(n_subjects[i])),
    )
    position = np.empty(len(rows), dtype=np.int64)
    position[order] = np.arange(len(rows))
    moved = counting.Cells(
        row=position[cells.row], subject=cells.subject, n_records=cells.n_records, worst=cells.worst,
        first=cells.first,
    )  # fmt: skip
    return Terms(rows=rows.iloc[order].reset_index(drop=True), cells=moved)


def _coded(words: pd.Series) -> tuple[Ints, npt.NDArray[np.object_]]:
    """Number of each word and the words; a blank is UNCODED."""
    code, known = pd.factorize(words)
    names = [str(word) for word in known.tolist()]
    if (code < 0).any() and UNCODED not in names:
        names.append(UNCODED)
    blank = names.index(UNCODED) if UNCODED in names else -1
    return np.where(code < 0, blank, code).astype(np.int64), np.array(names, dtype=object)


def _display_order(soc: str, pt: str, of_soc: Mapping[str, int], n: int) -> tuple[Any, ...]:
    """Sort key of a row: the ANY row, then by class, the class before its terms."""
    return (soc != "", soc == UNCODED, -of_soc.get(soc, 0), soc, pt != "", pt == UNCODED, -n, pt)


def subject_terms(found: emergence.Records, terms: Terms) -> pd.DataFrame:
    """One row per subject and preferred term."""
    cells = terms.cells
    order = np.lexsort((cells.row, cells.subject))
    order = order[(terms.rows["level"] == "PT").to_numpy()[cells.row[order]]]
    frame = terms.rows.iloc[cells.row[order]][["soc", "pt"]].reset_index(drop=True)
    ids = found.course.subjects["subject_id"].to_numpy(dtype=object)
    frame.insert(0, "subject_id", ids[cells.subject[order]])
    frame["n_events"] = cells.n_records[order]
    frame["max_grade"] = np.where(cells.worst[order] > 0, cells.worst[order], np.nan)
    frame["first_day"] = cells.first[order]
    frame["note"] = notes(
        len(frame),
        (frame["max_grade"].isna().to_numpy(), "grade missing"),
        (frame["first_day"].isna().to_numpy(), "onset unknown"),
    )
    return frame
