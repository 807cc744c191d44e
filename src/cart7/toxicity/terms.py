"""Rows of the term table: system organ classes and preferred terms in display order, with their records.

Here: which row a record belongs to, and the order of the rows. Not here: counts by group and intervals
(`safety`), reduction to one cell per subject (`stats.counting`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.stats import counting
from cart7.toxicity import emergence
from cart7.toxicity.tallies import UNCODED, notes

Flags: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Rows of the term table in display order, with the cells of their records."""

    rows: pd.DataFrame  # level, soc, pt
    levels: tuple[counting.Cells, ...]  # of the ANY row, of the classes, of the terms; with days if asked

    @property
    def cells(self) -> counting.Cells:
        """The cells of all rows."""
        return counting.together(self.levels)

    def count(self, members: Flags) -> counting.Counts:
        """Subjects, records and worst grades of each row in each group."""
        found = [counting.count(cells, members, len(self.rows)) for cells in self.levels]
        return counting.Counts(
            n_subjects=np.sum([counts.n_subjects for counts in found], axis=0),
            n_records=np.sum([counts.n_records for counts in found], axis=0),
            at_grade=np.sum([counts.at_grade for counts in found], axis=0),
        )


def terms_of(found: emergence.Records, *, days: bool = False) -> Terms:
    """ANY, then each class with its terms: most subjects first, ties in byte order, UNCODED last."""
    soc_code, socs = _coded(found.column("soc"))
    pt_code, pts = _coded(found.column("pt"))
    # Numbered by class, so that the cells of a class stand together.
    pair_code, pairs = counting.numbered(soc_code * len(pts) + pt_code, len(socs) * len(pts))
    pair_soc = pairs // max(len(pts), 1)
    of_pairs = found.cells(pair_code, slice(None), days=days)
    of_socs = counting.coarser(of_pairs, pair_soc)
    levels = (counting.coarser(of_socs, np.zeros(len(socs))), of_socs, of_pairs)
    soc = ["", *socs, *socs[pair_soc]]
    pt = ["", *[""] * len(socs), *pts[pairs % max(len(pts), 1)]]
    level = ["ANY"] + ["SOC"] * len(socs) + ["PT"] * len(pairs)
    rows = pd.DataFrame({"level": level, "soc": soc, "pt": pt}, dtype=object)
    counted = zip(levels, (1, len(socs), len(pairs)), strict=True)
    n_subjects = np.concatenate([np.bincount(cells.row, minlength=n) for cells, n in counted]).tolist()
    of_soc = dict(zip(socs, n_subjects[1:], strict=False))
    order = sorted(range(len(rows)), key=lambda i: _display_order(soc[i], pt[i], of_soc, n_subjects[i]))
    position = np.empty(len(rows), dtype=np.int64)
    position[order] = np.arange(len(rows))
    begins = (0, 1, 1 + len(socs))
    return Terms(
        rows=rows.iloc[order].reset_index(drop=True),
        levels=tuple(
            replace(cells, row=position[begin:][cells.row])
            for cells, begin in zip(levels, begins, strict=True)
        ),
    )


def _coded(words: pd.Categorical) -> tuple[Ints, npt.NDArray[np.object_]]:
    """Number of each word and the words; a blank is UNCODED."""
    code, known = words.codes, words.categories
    times = np.bincount(code + 1, minlength=len(known) + 1)
    used = times[1:] > 0  # a category may have no record that counts
    names = [str(word) for word in known[used]]
    if times[0] and UNCODED not in names:
        names.append(UNCODED)
    blank = names.index(UNCODED) if UNCODED in names else -1
    return np.append(np.cumsum(used) - 1, blank)[code], np.array(names, dtype=object)  # code -1 is the last


def _display_order(soc: str, pt: str, of_soc: Mapping[str, int], n: int) -> tuple[Any, ...]:
    """Sort key of a row: the ANY row, then by class, the class before its terms."""
    return (soc != "", soc == UNCODED, -of_soc.get(soc, 0), soc, pt != "", pt == UNCODED, -n, pt)


def subject_terms(found: emergence.Records) -> pd.DataFrame:
    """One row per subject and preferred term."""
    terms = terms_of(found, days=True)
    cells = terms.levels[-1]
    picked = counting.order_of(cells.subject * len(terms.rows) + cells.row)
    row, worst = cells.row[picked], cells.worst[picked]
    first = np.full(len(row), np.nan) if cells.first is None else cells.first[picked]
    ids = found.course.subjects["subject_id"]
    texts = {"subject_id": ids.to_numpy(dtype=object)[cells.subject[picked]]}
    texts |= {name: terms.rows[name].to_numpy()[row] for name in ("soc", "pt")}
    note = notes(len(row), (worst == 0, "grade missing"), (np.isnan(first), "onset unknown"))
    return pd.DataFrame(
        {name: pd.Series(words, dtype=object, copy=False) for name, words in texts.items()}
        | {"n_events": cells.n_records[picked], "max_grade": np.where(worst > 0, worst, np.nan),
           "first_day": first, "note": note},
        copy=False,
    )  # fmt: skip
