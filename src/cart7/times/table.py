"""Times of endpoints and strategies into one table: counts, medians, landmarks, and who changes.

Here: the cell of one endpoint, strategy and group with the reason of every missing number, and the
subjects whose time or status moves between strategies. Not here: the curves (`curves`), how a study
becomes times (`survival`), long rows (`survival`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from cart7 import results
from cart7.stats import event_times
from cart7.times import arrays, curves
from cart7.times.curves import Fit
from cart7.times.histories import StudyHistory
from cart7.times.rules import ENDPOINTS, TimeToEventRules

SMALL = 40  # up to so many subjects the exact beta product limits stand beside the usual ones
NO_EXACT = f"exact limits are given for 1 to {SMALL} subjects"

CHANGE_COLUMNS = (
    "endpoint", "subject_id", "strategy", "time", "event", "cause", "reason", "compared_with",
    "compared_time", "compared_event", "compared_cause", "compared_reason", "why",
)  # fmt: skip
COUNTS = ("n", "n_event", "n_competing", "n_without_time")


def counts(found: pd.DataFrame) -> dict[str, int]:
    """Subjects with a time, events, competing ends, subjects without a time."""
    return {
        "n": int(found["time"].notna().sum()),
        "n_event": int((found["cause"] == event_times.EVENT).sum()),
        "n_competing": int((found["cause"] == event_times.COMPETING).sum()),
        "n_without_time": int(found["time"].isna().sum()),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One endpoint, strategy and group: its counts and its curve, with usual and with exact limits."""

    counts: dict[str, int]
    usual: Fit
    exact: Fit | None
    rules: TimeToEventRules

    @classmethod
    def of(cls, found: pd.DataFrame, label: str, rules: TimeToEventRules) -> "Cell":
        """The cell of the rows `found` of one group."""
        timed = found[found["time"].notna()]
        usual = curves.fit(timed["time"], timed["event"], label, rules.conf_type, rules.conf_level)
        exact = replace(usual, conf_type="bpcp") if 0 < usual.steps.n <= SMALL else None
        return cls(counts=counts(found), usual=usual, exact=exact, rules=rules)

    @cached_property
    def columns(self) -> dict[str, tuple[Any, str]]:
        """Columns of the summary after endpoint, strategy and group, each with why it may be missing."""
        rules, rule = self.rules, self.rules.quantile_rule
        found: dict[str, tuple[Any, str]] = {name: (count, "") for name, count in self.counts.items()}
        found |= _median(self.usual, ("median", "ci_low", "ci_high"), rule)
        found |= _median(self.exact, ("", "bpcp_low", "bpcp_high"), rule)
        for day in rules.landmarks:
            word = f"d{arrays.number_text(day)}"
            name, at = f"survival_{word}", (day, rules.landmark_beyond)
            found |= _landmark(self.usual, (f"n_risk_{word}", name, f"{name}_ci_low", f"{name}_ci_high"), *at)
            found |= _landmark(self.exact, ("", "", f"{name}_bpcp_low", f"{name}_bpcp_high"), *at)
        found |= _median(
            self.usual.follow_up(), ("follow_up_median", "follow_up_ci_low", "follow_up_ci_high"), rule
        )
        return {**found, "last_time": (self.usual.last, "no subject")}

    def row(self) -> dict[str, Any]:
        """The row of the summary after endpoint, strategy and group."""
        rules = self.rules
        values = {name: value for name, (value, _) in self.columns.items()}
        return {**values, "conf_level": rules.conf_level, "method": curves.METHODS[rules.conf_type],
                "note": self.note()}  # fmt: skip

    def note(self) -> str:
        """Why a number is missing, and what a competing end counts as."""
        if not self.usual.steps.n:
            return "no subject"
        days = [arrays.number_text(day) for day in self.rules.landmarks]
        parts = {
            "": ("median", "ci_low", "ci_high"),
            "exact: ": ("bpcp_low", "bpcp_high"),
            **{f"day {day}: ": (f"survival_d{day}", f"survival_d{day}_ci_low") for day in days},
            "follow-up: ": ("follow_up_median", "follow_up_ci_low", "follow_up_ci_high"),
        }
        words = []
        for part, names in parts.items():
            missing = [why for value, why in map(self.columns.__getitem__, names) if np.isnan(value)]
            words += [f"{part}{', '.join(dict.fromkeys(missing))}"] if missing else []
        words += ["a competing event counts as censored here"] * (self.counts["n_competing"] > 0)
        return "; ".join(words)

    def curve(self, key: Mapping[str, str]) -> pd.DataFrame:
        """The steps for a figure, with exact limits beside the usual ones."""
        columns = curves.curve_columns(self.usual)
        none = np.full(self.usual.steps.time.size + 1, np.nan)
        low, high = (none, none) if self.exact is None else self.exact.limits
        return pd.DataFrame({**key, **columns, "bpcp_low": low[1:], "bpcp_high": high[1:]})


def _median(fit: Fit | None, names: Sequence[str], rule: str) -> dict[str, tuple[Any, str]]:
    """Median and limits under `names`; an empty name is left out."""
    values = (np.nan,) * 3 if fit is None else fit.quantile(0.5, rule)
    words = [f"{word} not reached" for word in ("median", "lower limit", "upper limit")]
    if fit is None or not fit.steps.n:
        words = [NO_EXACT if fit is None else "no subject"] * 3
    pairs = zip(names, values, words, strict=True)
    return {name: (value, word) for name, value, word in pairs if name}


def _landmark(fit: Fit | None, names: Sequence[str], day: float, beyond: str) -> dict[str, tuple[Any, str]]:
    """Number at risk, survival and limits on `day` under `names`; an empty name is left out."""
    if fit is None:
        return {name: (np.nan, NO_EXACT) for name in names if name}
    there = fit.at(np.array([day]), beyond)
    columns = ("n_risk", "survival", "ci_low", "ci_high")
    return {name: (there[column][0], str(there["note"][0]))
            for name, column in zip(names, columns, strict=True) if name}  # fmt: skip


def strategy_frame(derived: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """The rows of all endpoints and strategies below each other, with `strategy`."""
    blocks = []
    for (_, strategy), found in derived.items():
        block = found.copy()
        block.insert(2, "strategy", strategy)
        blocks.append(block)
    return results.concat(blocks, ())


def changes(
    study: StudyHistory, derived: Mapping[tuple[str, str], pd.DataFrame], names: Sequence[str]
) -> pd.DataFrame:
    """Subjects whose time or cause differs from that under the first strategy with the endpoint."""
    blocks = [pd.DataFrame(columns=list(CHANGE_COLUMNS))]
    for endpoint in ENDPOINTS:
        plans = [name for name in names if (endpoint, name) in derived]
        for name in plans[1:]:
            here, there = derived[endpoint, name], derived[endpoint, plans[0]]
            same = (here["time"].eq(there["time"]) | (here["time"].isna() & there["time"].isna())) & (
                here["cause"].eq(there["cause"]) | (here["cause"].isna() & there["cause"].isna())
            )
            block = here[["endpoint", "subject_id"]].assign(strategy=name)
            block[["time", "event", "cause", "reason"]] = here[["time", "event", "cause", "reason"]]
            block["compared_with"] = plans[0]
            for column in ("time", "event", "cause", "reason"):
                block[f"compared_{column}"] = there[column]
            block["why"] = _why(study, here, there)
            blocks.append(block[~same])
    return results.concat(blocks, CHANGE_COLUMNS)


def _why(study: StudyHistory, here: pd.DataFrame, there: pd.DataFrame) -> list[str]:
    """The intercurrent event that makes the difference, with its day, else the two reasons."""
    days = {"HSCT": study.history.hsct, "NEW_THERAPY": study.history.new_therapy,
            "SECOND_INFUSION": study.history.second_infusion}  # fmt: skip
    told = []
    for place, (now, before) in enumerate(zip(here["reason"], there["reason"], strict=True)):
        causes = [word for word in (now, before) if word in days]
        if now == "NOT_RESPONDER" or before == "NOT_RESPONDER":
            causes = [word for word in days if not np.isnan(days[word][place])]
        named = [f"{word} on day {days[word][place]:g}" for word in dict.fromkeys(causes)]
        told.append("; ".join(named) if named else f"{now} instead of {before}")
    return told
