"""Rows of the term table: system organ classes and preferred terms in display order, with their records.

Here: which row a record belongs to, and the order of the rows. Not here: counts by group and intervals
(`safety`), reduction to one cell per subject (`stats.counting`).
"""

from collections.abc import Mapping, Sequence
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
    by_class = np.argsort(pairs)  # so that the cells of a class stand together
    pair_code, pairs = np.argsort(by_class)[pair_code], pairs[by_class]
    pair_soc = pairs // max(len(pts), 1)
    of_pairs = found.cells(pair_code, slice(None))
    of_socs = counting.coarser(of_pairs, pair_soc)
    parts = (counting.coarser(of_socs, np.zeros(len(socs))), of_socs, of_pairs)
    soc = ["", *socs, *socs[pair_soc]]
    pt = ["", *[""] * len(socs), *pts[pairs % max(len(pts), 1)]]
    level = ["ANY"] + ["SOC"] * len(socs) + ["PT"] * len(pairs)
    rows = pd.DataFrame({"level": level, "soc": soc, "pt": pt}, dtype=object)
    counted = zip(parts, (1, len(socs), len(pairs)), strict=True)
    n_subjects = np.concatenate([np.bincount(cells.row, minlength=n) for cells, n in counted]).tolist()
    of_soc = dict(zip(socs, n_subjects[1:], strict=False))
    order = sorted(range(len(rows)), key=lambda i: _display_order(soc[i], pt[i], of_soc, n_subjects[i]))
    position = np.empty(len(rows), dtype=np.int64)
    position[order] = np.arange(len(rows))
    first_row = (0, 1, 1 + len(socs))
    return Terms(
        rows=rows.iloc[order].reset_index(drop=True),
        cells=_one_table(parts, [position[begin:] for begin in first_row]),
    )


def _one_table(parts: Sequence[counting.Cells], position: Sequence[Ints]) -> counting.Cells:
    """Cells of several levels as those of one table, each row at its position."""
    return counting.Cells(
        row=np.concatenate([place[cells.row] for place, cells in zip(position, parts, strict=True)]),
        subject=np.concatenate([cells.subject for cells in parts]),
        n_records=np.concatenate([cells.n_records for cells in parts]),
        worst=np.concatenate([cells.worst for cells in parts]),
        first=np.concatenate([cells.first for cells in parts]),
    )


def _coded(words: pd.Series) -> tuple[Ints, npt.NDArray[np.object_]]:
    """Number of each word and the words; a blank is UNCODED."""
    code, known = words.cat.codes.to_numpy(), words.cat.categories
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


def subject_terms(found: emergence.Records, terms: Terms) -> pd.DataFrame:
    """One row per subject and preferred term."""
    cells = terms.cells
    picked = np.flatnonzero((terms.rows["level"] == "PT").to_numpy()[cells.row])
    picked = picked[counting.order_of(cells.subject[picked] * len(terms.rows) + cells.row[picked])]
    row, worst, first = cells.row[picked], cells.worst[picked], cells.first[picked]
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
