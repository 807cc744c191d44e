"""Cell counts at visits: the sample of each visit and its change from baseline.

Here: which sample stands for a visit, by window or by nominal label, and its change, percent change and
log10 change with the reason where one is missing. Not here: usable samples and baselines
(`cell_counts`), the nearest record of a window (`derive`), their summary (`pd`).
"""

from collections.abc import Mapping
from functools import reduce
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import derive
from cart7.cells.counts import SERIES, Baselines, Course
from cart7.derive import Window
from cart7.results import Texts, first_reason, joined

BASELINE = "BASELINE"


class VisitRules(Protocol):
    """The choices that decide which sample stands for a visit."""

    @property
    def windows(self) -> Mapping[str, Window]:
        """Visit windows by name."""

    @property
    def visit_by(self) -> Literal["window", "nominal-label"]:
        """Whether a visit is a window or a label of the table."""

    @property
    def tie(self) -> Literal["later", "earlier"]:
        """Which of two equally near samples counts."""


def chosen(
    course: Course, baseline: Baselines, rules: VisitRules
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """The sample of each subject, parameter and visit, and the visits of each parameter in order."""
    samples = course.samples
    if rules.visit_by == "window":
        names = [BASELINE, *rules.windows]
        at_windows = derive.nearest_in_windows(samples, rules.windows, by=SERIES, tie=rules.tie)
        picked = pd.concat([baseline.samples.assign(visit=BASELINE), at_windows])
    else:
        names = _labels_in_order(samples)
        picked = samples.drop_duplicates([*SERIES, "nominal_label"])
        picked = picked.assign(visit=picked["nominal_label"])
    place = {name: position for position, name in enumerate(names)}
    picked = picked.assign(_place=picked["visit"].map(place)).sort_values([*SERIES, "_place"], kind="stable")
    if rules.visit_by == "window":
        return picked, [(parameter, visit) for parameter in course.parameters for visit in names]
    seen = set(zip(picked["parameter"], picked["visit"], strict=True))
    return picked, [pair for pair in ((p, v) for p in course.parameters for v in names) if pair in seen]


def _labels_in_order(samples: pd.DataFrame) -> list[str]:
    """Nominal labels by their nominal day, where there is none by the median day of sampling."""
    by_label = samples.groupby("nominal_label")
    day = by_label["nominal_day"].min().fillna(by_label["day"].median())
    return [
        str(label)
        for label in day.reset_index(name="day").sort_values(["day", "nominal_label"])["nominal_label"]
    ]


def in_a_visit(samples: pd.DataFrame, rules: VisitRules) -> NDArray[np.bool_]:
    """Whether each sample belongs to a visit, chosen for it or not."""
    if rules.visit_by == "nominal-label":
        return np.ones(len(samples), dtype=bool)
    inside = [window.contains(samples["day"].to_numpy()) for window in rules.windows.values()]
    return reduce(np.logical_or, inside, np.zeros(len(samples), dtype=bool))


def changes(picked: pd.DataFrame, baseline: Baselines) -> tuple[pd.DataFrame, dict[str, Texts]]:
    """Chosen samples with their change from baseline, and per column why it is missing."""
    first = baseline.samples.set_index(SERIES)[["value", "log_value", "blq", "day"]]
    first.columns = ["baseline", "baseline_log", "baseline_blq", "baseline_day"]
    table = picked.join(first, on=SERIES)
    below = table["baseline_blq"].eq(True)
    after = ~(table["day"] <= table["baseline_day"])
    change = (table["value"] - table["baseline"]).where(after)
    per = table["baseline"].where(~below & (table["baseline"] > 0))
    log_per = table["baseline_log"].where(per.notna())
    table = table.assign(
        change=change,
        percent_change=100 * change / per,
        log10_change=np.log10(table["log_value"].where(after) / log_per),
    )
    no_value = (table["value"].isna(), "below the limit, and no LLOQ given")
    no_log = (table["log_value"].isna(), "no logarithm: the value is 0 or its LLOQ not given")
    no_baseline = (table["baseline_day"].isna(), table["subject_id"].map(baseline.why))
    unknown = (table["baseline"].isna(), "baseline below the limit, and no LLOQ given")
    early = (~after, "not after the baseline sample")
    per_zero = (below, "baseline below the limit"), (table["baseline"] == 0, "baseline is 0")
    reasons = {
        "day": first_reason((table["day"].isna(), "day missing")),
        "value": first_reason(no_value),
        "log_value": first_reason(no_log),
        "baseline": first_reason(no_baseline, unknown),
        "change": first_reason(no_value, no_baseline, unknown, early),
        "percent_change": first_reason(no_value, no_baseline, early, *per_zero),
        "log10_change": first_reason(no_log, no_baseline, early, *per_zero),
    }
    return table.assign(note=joined(table, reasons)), reasons
