"""The depletion of one parameter, subject by subject: how deep, how long, and back again.

Here: nadir, clearance, recovery, area under the effect curve and first days below a level, each as
columns per subject with the reason for every missing value. Not here: reading the samples
(`cell_counts`), the rules and the results (`pd`), Kaplan-Meier over subjects.

Every derivation takes the samples up to the censoring event (`used`, in order of day), the baseline of
each subject (`own`, see `cell_counts.of_subjects`), the columns derived so far and the rules.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import pandas as pd

from cart7 import results
from cart7.results import Texts, first_reason

Derived: TypeAlias = tuple[dict[str, pd.Series], dict[str, Texts]]


class DepletionRules(Protocol):
    """The choices that these derivations read."""

    @property
    def recovery(self) -> float:
        """Level of recovery, in the unit of the parameter."""

    @property
    def recovery_relative(self) -> float:
        """Level of recovery as a fraction of baseline."""

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Levels whose first undercutting is dated."""

    @property
    def auec_window(self) -> tuple[float, float]:
        """Days between which the area is taken."""


def nadir(used: pd.DataFrame, own: pd.DataFrame, table: pd.DataFrame, rules: DepletionRules) -> Derived:
    """Lowest value from day 0 on and after the baseline sample, and the return from it."""
    since = used["subject_id"].map(own["day"]).fillna(-np.inf)
    course = used[(used["day"] >= 0) & (used["day"] > since) & used["value"].notna()]
    lowest = course.sort_values(["subject_id", "value"], kind="stable").drop_duplicates("subject_id")
    lowest = lowest.set_index("subject_id").reindex(own.index)
    level = course["subject_id"].map(rules.recovery_relative * own["reference"])
    risen = course[
        (course["day"] > course["subject_id"].map(lowest["day"]))
        & ~course["blq"]
        & (course["value"] >= level)
    ]
    nothing = (lowest["value"].isna(), "no usable sample after infusion")
    no_reference = (own["why_not"] != "", own["why_not"])
    columns = {
        "nadir": lowest["value"],
        "nadir_day": lowest["day"],
        "nadir_percent_of_baseline": 100 * lowest["value"] / own["reference"],
        "recovery_after_nadir_day": _first_day(risen, own.index),
    }
    not_risen = (columns["recovery_after_nadir_day"].isna(),
                 f"not at {rules.recovery_relative:g} x baseline after the nadir")  # fmt: skip
    return columns, {
        "nadir": first_reason(nothing),
        "nadir_day": first_reason(nothing),
        "nadir_percent_of_baseline": first_reason(nothing, no_reference),
        "recovery_after_nadir_day": first_reason(nothing, no_reference, not_risen),
    }


def clearance(used: pd.DataFrame, own: pd.DataFrame, table: pd.DataFrame, rules: DepletionRules) -> Derived:
    """First day below the limit, and first day of two samples in a row below it."""
    after = used[used["day"] > 0]
    # A single last sample below the limit is not confirmed: there is no next one.
    again = after.groupby("subject_id")["blq"].shift(-1).eq(True)
    cleared = _time_to(after[after["blq"]], after, own)
    confirmed = _time_to(after[after["blq"] & again], after, own)
    above = after[after["day"] < after["subject_id"].map(cleared["time"])]
    last_above = above.groupby("subject_id")["day"].max().reindex(own.index).fillna(0.0)
    columns = {
        "clearance_time": cleared["time"],
        "clearance_event": cleared["event"],
        "clearance_left": cleared["time"]
        .where(cleared["event"] == 0, last_above)
        .where(own["why_not"] == ""),
        "clearance_right": cleared["time"].where(cleared["event"] == 1),
        "confirmed_clearance_time": confirmed["time"],
        "confirmed_clearance_event": confirmed["event"],
    }
    why = own["why_not"].to_numpy()
    open_end = first_reason(
        (own["why_not"] != "", own["why_not"]), (cleared["event"] == 0, "not cleared: censored")
    )
    return columns, {name: open_end if name == "clearance_right" else why for name in columns}


def recovery(used: pd.DataFrame, own: pd.DataFrame, table: pd.DataFrame, rules: DepletionRules) -> Derived:
    """First sample after clearance at or above the level of recovery, absolute and relative to baseline."""
    cleared = table["clearance_event"] == 1
    later = used[used["day"] > used["subject_id"].map(table["clearance_time"].where(cleared))]
    later = later[~later["blq"]]
    level = later["subject_id"].map(rules.recovery_relative * own["reference"])
    after = used[used["day"] > 0]
    absolute = _time_to(later[later["value"] >= rules.recovery], after, own, among=cleared)
    relative = _time_to(later[later["value"] >= level], after, own, among=cleared)
    columns = {
        "recovery_time": absolute["time"],
        "recovery_event": absolute["event"],
        "relative_recovery_time": relative["time"],
        "relative_recovery_event": relative["event"],
        "aplasia_duration": absolute["time"] - table["clearance_time"],
    }
    why = first_reason(
        (own["why_not"] != "", own["why_not"]), (~cleared, "not cleared: no recovery to wait for")
    )
    return columns, dict.fromkeys(columns, why)


def _time_to(
    hits: pd.DataFrame, after: pd.DataFrame, own: pd.DataFrame, among: pd.Series | None = None
) -> pd.DataFrame:
    """Day and flag of the first hit; without one the last sampling day (0 without samples), flag 0."""
    first = _first_day(hits, own.index)
    last = after.groupby("subject_id")["day"].max().reindex(own.index).fillna(0.0)
    evaluable = own["why_not"] == "" if among is None else among
    event = first.notna().astype("float64").where(evaluable)
    return pd.DataFrame({"time": first.fillna(last).where(evaluable), "event": event})


def intervals(
    used: pd.DataFrame, table: pd.DataFrame, endpoints: Sequence[str], reasons: Mapping[str, Texts]
) -> pd.DataFrame:
    """Between which two samples each event lies: (left, right], or later than left without one."""
    blocks, infusion = [], pd.Series(0.0, index=table.index)
    for endpoint in endpoints:
        time, event = table[f"{endpoint}_time"], table[f"{endpoint}_event"]
        start = table["clearance_time"] if endpoint.endswith("recovery") else infusion
        who = used["subject_id"]
        low, high = (who.map(day).astype("float64") for day in (start, time.where(event == 1)))
        before = used[(used["day"] >= low) & (used["day"] < high)]
        left = before.groupby("subject_id")["day"].max().reindex(table.index).fillna(start)
        why = np.where(event.isna(), reasons[f"{endpoint}_event"], np.where(event == 0, "censored", ""))
        blocks.append(
            pd.DataFrame(
                {"subject_id": table.index, "endpoint": endpoint, "event": event.to_numpy(),
                 "left": left.where(event == 1, time).to_numpy(),
                 "right": time.where(event == 1).to_numpy(), "note": why}
            )
        )  # fmt: skip
    return pd.concat(blocks, ignore_index=True)


def area(used: pd.DataFrame, own: pd.DataFrame, table: pd.DataFrame, rules: DepletionRules) -> Derived:
    """Area under the course: linear trapezoid through (0, baseline), same-day samples averaged."""
    start, end = rules.auec_window
    origin = own["value"].dropna().rename("value").reset_index().assign(day=0.0)
    after = used[(used["day"] > 0) & used["value"].notna() & used["subject_id"].isin(origin["subject_id"])]
    daily = after.groupby(["subject_id", "day"], as_index=False)["value"].mean()
    points = results.concat([origin, daily], ["subject_id", "day", "value"]).sort_values(
        ["subject_id", "day"]
    )
    before = points.groupby("subject_id")[["day", "value"]].shift()
    low, high = before["day"].clip(lower=start), points["day"].clip(upper=end)
    slope = (points["value"] - before["value"]) / (points["day"] - before["day"])
    middle = before["value"] + slope * ((low + high) / 2 - before["day"])
    part = (middle * (high - low)).where(high > low, 0.0)
    whole = points["day"] <= end
    by_subject = points.assign(part=part, up_to_last=part.where(whole, 0.0)).groupby("subject_id")
    inside = points[whole & (points["day"] > start)].groupby("subject_id")["day"].max().reindex(own.index)
    reached = by_subject["day"].max().reindex(own.index) >= end
    window = by_subject["part"].sum().reindex(own.index).where(reached)
    untreated = (end - start) * own["value"]
    columns = {
        "auec_last": by_subject["up_to_last"].sum().reindex(own.index).where(inside.notna()),
        "auec_last_day": inside,
        "auec_window": window,
        "auec_net": window - untreated,
        "auec_suppression_percent": 100 * (1 - window / ((end - start) * own["reference"])),
    }
    none = (own["value"].isna(), own["why"])
    no_end = (~reached, f"no sample at or after day {end:g}")
    at_end = first_reason(none, no_end)
    at_last = first_reason(none, (inside.isna(), f"no sample between day {start:g} and day {end:g}"))
    return columns, {
        "auec_last": at_last, "auec_last_day": at_last, "auec_window": at_end, "auec_net": at_end,
        "auec_suppression_percent": first_reason(none, no_end, (own["why_not"] != "", own["why_not"])),
    }  # fmt: skip


def first_days_below(
    used: pd.DataFrame, own: pd.DataFrame, table: pd.DataFrame, rules: DepletionRules
) -> Derived:
    """First day > 0 with a value below each threshold."""
    after = used[used["day"] > 0]
    sampled = own.index.isin(after["subject_id"])
    columns = {
        below_name(level): _first_day(after[after["value"] < level], own.index) for level in rules.thresholds
    }
    return columns, {
        below_name(level): first_reason(
            (~sampled, "no usable sample after infusion"), (sampled, f"never below {level:g}")
        )
        for level in rules.thresholds
    }


def below_name(level: float) -> str:
    """Name of the column for a threshold: `first_day_below_5`."""
    return f"first_day_below_{level:g}"


def _first_day(hits: pd.DataFrame, ids: pd.Index) -> pd.Series:
    return hits.groupby("subject_id")["day"].min().reindex(ids)


DERIVATIONS = (nadir, clearance, recovery, area, first_days_below)
"""In this order: recovery needs the columns of clearance."""
