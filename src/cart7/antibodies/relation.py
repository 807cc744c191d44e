"""Antibodies beside the loss of CAR-T cells: which came first, and both by a visit.

Here: the sequence of the two in each subject, their flags by the last day of a window, the 2 x 2 table.
Not here: classes of antibodies (immunogenicity), the loss itself (`pk.persistence`).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cart7.antibodies.results import CAUTION, COUNTS, MEASURES, POSITIVE, ClassificationResult
from cart7.errors import DataError, Problem
from cart7.results import Texts, first_reason, joined
from cart7.stats import proportions


def losses(persistence: pd.DataFrame) -> pd.DataFrame:
    """By subject the end of detection: event, last quantifiable day, first day below the limit."""
    needs = ("subject_id", "event", "last_quantifiable_day", "first_blq_day")
    absent = [name for name in needs if name not in persistence.columns]
    if absent:
        words = "this column is needed and is not there"
        raise DataError(
            [Problem(table="persistence", column=c, rule="MISSING-COLUMN", message=words) for c in absent]
        )
    if persistence["subject_id"].duplicated().any():
        raise ValueError("persistence must have one row per subject: hand over one assay")
    own = persistence.set_index("subject_id")[list(needs[1:])]
    lost = own["event"] == "LOSS"
    return own.assign(after=own["last_quantifiable_day"], day=own["first_blq_day"].where(lost))


def sequences(ada_result: ClassificationResult, loss: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Texts]]:
    """Antibodies and loss of each subject, which came first, and per column why it is missing."""
    own, samples = ada_result.subjects.set_index("subject_id"), ada_result.samples
    positive = samples[samples["post"] & (samples["result"] == "POS")]
    first = positive.groupby("subject_id")["day"].min().reindex(own.index)
    pre_existing = own["baseline_status"] == POSITIVE
    day = first.where(~pre_existing, own["first_te_positive_day"])
    earlier = samples[samples["day"] < samples["subject_id"].map(day).astype("float64")]
    since = earlier.groupby("subject_id")["day"].max().reindex(own.index)
    tested, had = own["n_post_evaluable"] > 0, day.notna()
    followed, lost = loss["after"].notna(), loss["day"].notna()
    sequence = first_reason(
        (~followed | (~tested & ~pre_existing), "NOT_KNOWN"),
        (had & lost & (day <= loss["after"]), "BEFORE_LOSS"),
        (had & lost & (loss["day"] <= since), "AFTER_LOSS"),
        (had & lost, "SAME_INTERVAL"),
        (had, "ANTIBODIES_NO_LOSS"),
        (pre_existing, "PRE_EXISTING"),
        (lost, "LOSS_NO_ANTIBODIES"),
        (followed, "NEITHER"),
    )
    table = pd.DataFrame(
        {"classification": own["classification"], "antibody_day": day, "antibody_after_day": since,
         "max_post_titer": own["max_post_titer"], "loss_after_day": loss["after"], "loss_day": loss["day"],
         "sequence": sequence}
    )  # fmt: skip
    reasons = _relation_reasons(table, tested, pre_existing, loss["event"])
    return table.assign(note=joined(table, reasons)).reset_index(), reasons


def _relation_reasons(
    table: pd.DataFrame, tested: pd.Series, pre_existing: pd.Series, event: pd.Series
) -> dict[str, Texts]:
    """Why a column of the relation is missing, by column."""
    untested = (~tested, "no evaluable sample after infusion")
    none = (tested, np.where(pre_existing, "positive before infusion and not boosted after it",
                             "no antibodies after infusion"))  # fmt: skip
    no_cells = (table["loss_after_day"].isna(), "CAR-T cells not sampled or never quantifiable")
    ended = (
        event.isin(["DEATH", "HSCT"]),
        "loss not seen before " + event.map({"HSCT": "HSCT"}).fillna("death"),
    )
    antibodies = first_reason(untested, none)
    return {
        "antibody_day": antibodies,
        "antibody_after_day": first_reason(
            (table["antibody_day"].isna(), antibodies), (tested, "no evaluable sample before")
        ),
        "max_post_titer": first_reason(untested, (tested, "no positive sample after infusion")),
        "loss_after_day": first_reason(no_cells),
        "loss_day": first_reason(no_cells, ended, (tested | ~tested, "no loss seen")),
    }


def by_then(ada_result: ClassificationResult, loss: pd.DataFrame, visit: str) -> pd.DataFrame:
    """Antibodies and loss of each subject by the last day of one window: 1, 0 or missing."""
    window, ids = ada_result.rules.windows[visit], loss.index
    until = ada_result.samples[np.floor(ada_result.samples["day"]) <= window.upper]
    positive = ever(until.assign(flag=(until["result"] == "POS").astype("float64")), "flag", ids)
    tested = ids.isin(until.loc[until["post"], "subject_id"])
    gone, there = np.floor(loss["day"]) <= window.upper, np.floor(loss["after"]) >= window.lower
    lost = pd.Series(np.select([gone, there], [1.0, 0.0], np.nan), index=ids)
    ended = loss["event"].isin(["DEATH", "HSCT"]).to_numpy()
    note = first_reason(
        (~tested & ~(positive == 1), "no evaluable antibody sample after infusion by then"),
        (lost.notna(), ""),
        (loss["after"].isna(), "CAR-T cells not sampled or never quantifiable"),
        (ended, "CAR-T cells not known by then: " + loss["event"].astype(str)),
        (lost.isna(), "CAR-T cells not known by then: no sample tells"),
    )
    emergent = ever(until[until["post"]], "treatment_emergent", ids)
    return pd.DataFrame(
        {"subject_id": ids, "visit": visit,
         "ever_positive": positive.where(tested | (positive == 1)).to_numpy(),
         "treatment_emergent": emergent.to_numpy(), "lost": lost.to_numpy(), "note": note}
    )  # fmt: skip


def two_by_two(at_visit: pd.DataFrame, visits: Sequence[str]) -> pd.DataFrame:
    """The four cells of each visit and measure, and Fisher's exact test."""
    rows = []
    for visit in visits:
        here = at_visit[at_visit["visit"] == visit]
        for measure in MEASURES:
            both = here[here[measure].notna() & here["lost"].notna()]
            cells = [int(((both[measure] == a) & (both["lost"] == b)).sum()) for a in (1, 0) for b in (1, 0)]
            rows.append([visit, measure, len(both), len(here) - len(both), *cells])
    table = pd.DataFrame(rows, columns=["visit", "measure", *COUNTS])
    positive = table["n_positive_lost"] + table["n_positive_kept"]
    negative = table["n_negative_lost"] + table["n_negative_kept"]
    p_value = proportions.compare_test(table["n_positive_lost"], positive, table["n_negative_lost"], negative)
    alone = (positive == 0) | (negative == 0)
    note = np.where(alone, "no comparison: all with, or all without antibodies", CAUTION)
    return table.assign(p_value=p_value, method="Fisher exact, two-sided", note=note)


def ever(samples: pd.DataFrame, flag: str, ids: pd.Index) -> pd.Series:
    """Whether a flag was ever 1, by subject; missing without a sample that says."""
    return samples.groupby("subject_id")[flag].max().reindex(ids)
