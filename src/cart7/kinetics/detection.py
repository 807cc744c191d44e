"""Detection of the cells: who still has them at a visit, and what ended it in each subject.

Here: usable results by scheduled visit with their counts, who was followed to a visit, and the time to loss
with death and transplant as competing ends. Not here: the profiles themselves (`profiles`), the rules
(`rules`), the results (`results`).
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import derive, records
from cart7.kinetics import visits
from cart7.kinetics.profiles import KEYS, text_column
from cart7.stats import proportions

Table: TypeAlias = pd.DataFrame | Iterable[records.Record]

CLOPPER_PEARSON = "Clopper-Pearson"
STILL_THERE = "censored: quantifiable in the last sample"
VISIT_COUNTS = (
    "assay", "visit", "nominal_day", "group", "n_infused", "n_in_followup", "n_sampled", "n_quantifiable",
)  # fmt: skip


def results_at_visits(samples: pd.DataFrame, points: pd.DataFrame, lost: pd.DataFrame) -> pd.DataFrame:
    """One row per subject, assay and scheduled visit with a usable result."""
    at = visits.scheduled(samples)
    found = pd.DataFrame(
        {
            "subject_id": samples["subject_id"],
            "assay": text_column(samples, "assay"),
            "visit": at["visit"],
            "nominal_day": at["nominal_day"],
            "quantifiable": (points["blq"] == "").astype("int64"),
        }
    )[(at["visit"] != "") & visits.usable(samples, lost)]
    keys = ["subject_id", "assay", "visit", "nominal_day"]
    best = found.groupby(keys, dropna=False, sort=False)["quantifiable"].max().reset_index()
    return best.sort_values(["assay", "nominal_day"], kind="stable").reset_index(drop=True)


def event_days(events: Table, people: pd.DataFrame) -> pd.DataFrame:
    """First event days since infusion; what happened before it is history."""
    dated = derive.with_day(records.to_frame(events, "events", needs=("event",)), people, date="date")
    return derive.first_event_days(dated[~(dated["day"] < 0)], people)


def followed_to(people: pd.DataFrame, happened: pd.DataFrame | None, samples: pd.DataFrame) -> NDArray[Any]:
    """Last day on which each subject is known to have been alive; missing without `events`."""
    if happened is None:
        return np.full(len(people), np.nan)
    last_sample = samples.groupby("subject_id")["day"].max()
    seen = happened.drop(columns="DEATH").assign(sample=last_sample.reindex(happened.index)).max(axis=1)
    contact = happened["LAST_CONTACT"].fillna(seen)
    return np.asarray(happened["DEATH"].fillna(contact), dtype=float)


def by_visit(
    at_visit: pd.DataFrame, people: pd.DataFrame, followed: NDArray[Any], by: str | None, conf_level: float
) -> pd.DataFrame:
    """Counts of each assay, visit and group, with exact limits."""
    infused = derive.infused(people)
    groups = derive.groups(people, by)
    rows = []
    for (assay, visit, day), here in at_visit.groupby(
        ["assay", "visit", "nominal_day"], dropna=False, sort=False
    ):
        quantifiable = (
            people["subject_id"].map(here.set_index("subject_id")["quantifiable"]).to_numpy(dtype=float)
        )
        for group, inside in groups:
            sampled = inside & ~np.isnan(quantifiable)
            known = not (np.isnan(followed).all() or np.isnan(day))
            rows.append(
                {
                    "assay": assay,
                    "visit": visit,
                    "nominal_day": day,
                    "group": group,
                    "n_infused": int((inside & infused).sum()),
                    "n_in_followup": float((inside & infused & (followed >= day)).sum()) if known else np.nan,
                    "n_sampled": int(sampled.sum()),
                    "n_quantifiable": int(quantifiable[sampled].sum()),
                }
            )
    return _with_limits(pd.DataFrame(rows, columns=list(VISIT_COUNTS)), conf_level)


def _with_limits(counts: pd.DataFrame, conf_level: float) -> pd.DataFrame:
    n = counts["n_sampled"].to_numpy(dtype=float)
    x = counts["n_quantifiable"].to_numpy(dtype=float)
    low, high = proportions.interval(x, n, conf_level=conf_level)
    nobody = np.where(n == 0, "nobody sampled", "")
    unknown = np.where(counts["n_in_followup"].isna(), "follow-up not known", "")
    note = ["; ".join(word for word in words if word) for words in zip(nobody, unknown, strict=True)]
    typed = {
        "n_infused": "int64",
        "n_sampled": "int64",
        "n_quantifiable": "int64",
        "n_in_followup": "float64",
    }
    return counts.astype(typed).assign(
        estimate=np.where(n > 0, x / np.where(n > 0, n, 1.0), np.nan), ci_low=low, ci_high=high,
        conf_level=conf_level, method=CLOPPER_PEARSON, note=pd.Series(note, index=counts.index, dtype=object),
    )  # fmt: skip


def time_to_loss(profiles: pd.DataFrame, happened: pd.DataFrame | None) -> pd.DataFrame:
    """What ended detection in each profile, and between which days."""
    frame = profiles[[name for name in KEYS if name in profiles.columns]].copy()
    if "assay" not in frame.columns:
        frame["assay"] = ""
    low, high = profiles["persistence_low"].to_numpy(), profiles["persistence_high"].to_numpy()
    ends = pd.DataFrame(index=profiles.index, columns=["DEATH", "HSCT"], dtype="float64")
    if happened is not None:
        ends = happened[["DEATH", "HSCT"]].reindex(profiles["subject_id"]).reset_index(drop=True)
    other = ends.min(axis=1).to_numpy(dtype=float)
    word = np.where(ends["HSCT"].to_numpy() <= ends["DEATH"].fillna(np.inf).to_numpy(), "HSCT", "DEATH")
    never = np.isnan(low)
    lost = ~never & (high <= np.where(np.isnan(other), np.inf, other))
    competing = ~never & ~lost & ~np.isnan(other)
    return frame.assign(
        n_samples=profiles["n_samples"],
        n_quantifiable=profiles["n_quantifiable"],
        time_low=np.where(competing, other, low),
        time_high=np.select([lost, competing], [high, other], np.nan),
        event=np.select([never, lost, competing], ["", "LOSS", word], "CENSORED").astype(object),
        cause=np.select([never, lost, competing], [np.nan, 1.0, 2.0], 0.0),
        last_quantifiable_day=low,
        first_blq_day=high,
        last_sample_day=profiles["last_sample_day"],
        note=np.where(never, profiles["note"], np.where(lost | competing, "", STILL_THERE)).astype(object),
    )
