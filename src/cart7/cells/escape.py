"""Loss of response beside the cells: CAR-T cells there or lost, CD7 there or not, CD7+ cells gone or back.

Here: rules and result of `escape`, the status of CAR-T cells and of CD7+ cells on the day of a relapse,
and the class that follows with its reason. Not here: who relapsed (`response.relapses`), persistence
(`pk.persistence`), clearance and recovery (`pd.depletion`): their frames are handed over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from cart7 import derive, results
from cart7.errors import DataError, Problem
from cart7.results import Texts, first_reason

CLASSES = (
    "NO_EXPANSION", "CART_LOST", "CD7_NEGATIVE_CART_PRESENT", "CD7_NEGATIVE_CART_LOST", "CD7_NEGATIVE",
    "CART_PRESENT", "AFTER_HSCT", "NOT_KNOWN",
)  # fmt: skip
NO_RELAPSE = "NO_RELAPSE"
COLUMNS = (
    "subject_id", "kind", "day", "relapse_cd7", "cart", "cart_last_day", "cart_lost_by_day", "aplasia",
    "aplasia_from_day", "aplasia_to_day", "recovered", "hsct_day", "last_day", "escape", "reason", "note",
)  # fmt: skip
_DAYS = ("day", "cart_last_day", "cart_lost_by_day", "aplasia_from_day", "aplasia_to_day", "hsct_day")
_STATS = ("kind", "relapse_cd7", "cart", "aplasia", "recovered", *_DAYS, "escape", "reason")
_CLEARANCE = ("clearance_time", "clearance_event", "recovery_time", "recovery_event")
_KINDS = {"RELAPSE": "relapse", "PROGRESSION": "progression without response",
          "NO_RESPONSE": "no response, last assessed"}  # fmt: skip


class EscapeRules(BaseModel):
    """The choices that decide what was there on the day of a relapse.

    Parameters
    ----------
    carry_days : float
        A sample stands for the cells up to this many days after it, where none was taken since.

    Examples
    --------
    >>> EscapeRules().carry_days
    28.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    carry_days: float = Field(default=28.0, ge=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class EscapeResult(results.EndpointResult):
    """Who lost response and how: CAR-T cells, CD7 on the relapse, CD7+ cells, transplant.

    Attributes
    ----------
    subjects : DataFrame
        One row per subject: kind (as in `response.relapses`), day, relapse_cd7, cart (`PRESENT`, `LOST`,
        `NEVER`, `NOT_SAMPLED`, `NOT_KNOWN` on that day), cart_last_day (last quantifiable) and
        cart_lost_by_day (first sample below the limit after it), aplasia (`YES`, `NO`, `NOT_KNOWN` on that
        day), aplasia_from_day (clearance) to aplasia_to_day (recovery, or the last sample where `recovered`
        is 0), hsct_day, last_day (days since infusion), escape (a class of `CLASSES`, or `NO_RELAPSE`),
        reason (in words), note.
    summary : DataFrame
        classification, group, n (all subjects), n_event.
    """

    title: ClassVar[str] = "Loss of response and the cells"
    figure: ClassVar[str] = "escape_courses"

    rules: EscapeRules
    reasons: Mapping[str, Texts] = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        counts = results.long_rows(
            self.summary, analysis="pd.escape", param="ESCAPE:" + self.summary["classification"],
            population=self.population, group=self.summary["group"], stats=("n", "n_event"),
        )  # fmt: skip
        rows = results.long_rows(
            self.subjects, analysis="pd.escape", param="ESCAPE", population=self.population,
            subject_id=self.subjects["subject_id"], stats=_STATS, units=dict.fromkeys(_DAYS, "days"),
            reasons={name: pd.Series(why) for name, why in self.reasons.items()},
        )  # fmt: skip
        return [counts, rows]


def classified(
    relapses: pd.DataFrame, persistence: pd.DataFrame, depletion: pd.DataFrame | None, rules: EscapeRules
) -> tuple[pd.DataFrame, dict[str, Texts]]:
    """One row per subject of `relapses`, and per column why it is missing."""
    table = _by_subject(relapses, "relapses", ("kind", "day")).reset_index()
    for name in ("relapse_cd7", "note"):
        table[name] = table[name].fillna("") if name in table.columns else ""
    for name in ("hsct_day", "last_day"):
        table[name] = table[name].astype("float64") if name in table.columns else np.nan
    table = table.assign(kind=table["kind"].fillna(""), day=table["day"].astype("float64"))
    table = _with_cart(table, persistence, rules)
    table = _with_aplasia(table, depletion, rules)
    failed = (table["kind"] != "").to_numpy()
    for name in ("cart", "aplasia"):
        table[name] = table[name].where(failed, "")
    table["escape"] = _classes(table, failed)
    table["reason"] = _in_words(table, failed)
    return table[list(COLUMNS)], _why_missing(table, failed)


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """How many subjects are in each class, of all."""
    names = [*CLASSES, NO_RELAPSE]
    n_event = [int((table["escape"] == name).sum()) for name in names]
    return pd.DataFrame({"classification": names, "group": derive.ALL, "n": len(table), "n_event": n_event})


def _by_subject(frame: pd.DataFrame, name: str, needs: Sequence[str]) -> pd.DataFrame:
    """The frame by subject, one row each."""
    absent = [column for column in ("subject_id", *needs) if column not in frame.columns]
    if absent:
        words = "this column is needed and is not there"
        raise DataError([Problem(table=name, column=c, rule="MISSING-COLUMN", message=words) for c in absent])
    again = frame.loc[frame["subject_id"].duplicated(), "subject_id"].tolist()
    if again:
        raise ValueError(
            f"{name} must have one row per subject (one assay, one parameter), got two of {again[0]}"
        )
    return frame.set_index("subject_id")


def _with_cart(table: pd.DataFrame, persistence: pd.DataFrame, rules: EscapeRules) -> pd.DataFrame:
    """CAR-T cells on the day of the relapse."""
    own = _by_subject(persistence, "persistence", ("last_quantifiable_day", "first_blq_day"))
    sampled = table["subject_id"].isin(own.index)
    if "n_samples" in own.columns:
        sampled &= table["subject_id"].map(own["n_samples"]).astype("float64") > 0
    last = table["subject_id"].map(own["last_quantifiable_day"]).astype("float64")
    lost = table["subject_id"].map(own["first_blq_day"]).astype("float64").where(last.notna())
    cart = first_reason(
        (~sampled, "NOT_SAMPLED"),
        (last.isna(), "NEVER"),
        (last >= table["day"], "PRESENT"),
        (lost <= table["day"], "LOST"),
        (table["day"] - last <= rules.carry_days, "PRESENT"),
        (last.notna(), "NOT_KNOWN"),
    )
    return table.assign(cart=cart, cart_last_day=last, cart_lost_by_day=lost)


def _with_aplasia(table: pd.DataFrame, depletion: pd.DataFrame | None, rules: EscapeRules) -> pd.DataFrame:
    """Whether CD7+ cells had been cleared and not recovered on the day of the relapse."""
    if depletion is None:
        depletion = pd.DataFrame(columns=["subject_id", *_CLEARANCE])
    own = _by_subject(depletion, "depletion", _CLEARANCE).astype(dict.fromkeys(_CLEARANCE, "float64"))
    cleared, is_cleared, until, is_back = (
        table["subject_id"].map(own[name]).astype("float64") for name in _CLEARANCE
    )
    day, known_to = table["day"], rules.carry_days
    aplasia = first_reason(
        (is_cleared.isna(), "NOT_KNOWN"),
        ((is_cleared == 1) & (cleared > day), "NO"),
        (is_cleared == 0, np.where(day - cleared <= known_to, "NO", "NOT_KNOWN")),
        ((is_back == 1) & (until <= day), "NO"),
        (day - until <= known_to, "YES"),
        (is_cleared == 1, "NOT_KNOWN"),
    )
    was = is_cleared == 1
    return table.assign(
        aplasia=aplasia, aplasia_from_day=cleared.where(was), aplasia_to_day=until.where(was),
        recovered=is_back.where(was),
    )  # fmt: skip


def _classes(table: pd.DataFrame, failed: np.ndarray) -> Texts:
    """The first class that holds."""
    negative, cart = table["relapse_cd7"] == "NEG", table["cart"]
    return first_reason(
        (~failed, NO_RELAPSE),
        (table["hsct_day"] < table["day"], "AFTER_HSCT"),
        (cart == "NEVER", "NO_EXPANSION"),
        (negative & (cart == "PRESENT"), "CD7_NEGATIVE_CART_PRESENT"),
        (negative & (cart == "LOST"), "CD7_NEGATIVE_CART_LOST"),
        (negative, "CD7_NEGATIVE"),
        (cart == "LOST", "CART_LOST"),
        (cart == "PRESENT", "CART_PRESENT"),
        (failed, "NOT_KNOWN"),
    )


def _in_words(table: pd.DataFrame, failed: np.ndarray) -> list[str]:
    """What decided, with its days; one sentence per subject."""
    return [
        _sentence(row) if has_failed else (row["note"] or "no relapse")
        for row, has_failed in zip(table.to_dict("records"), failed, strict=True)
    ]


def _sentence(row: Mapping[str, object]) -> str:
    def on(name: str) -> str:
        return f"{row[name]:g}"

    cd7 = {"NEG": "CD7-negative", "POS": "CD7-positive"}.get(str(row["relapse_cd7"]), "CD7 not recorded")
    last, below = (
        f"last quantifiable day {on('cart_last_day')}",
        f"below the limit on day {on('cart_lost_by_day')}",
    )
    cart = {
        "PRESENT": f"CAR-T cells present ({last})",
        "LOST": f"CAR-T cells lost ({last}, {below})",
        "NEVER": "CAR-T cells never quantifiable",
        "NOT_SAMPLED": "CAR-T cells not sampled",
        "NOT_KNOWN": f"CAR-T cells not known on that day ({last})",
    }[str(row["cart"])]
    since, until = on("aplasia_from_day"), on("aplasia_to_day")
    span = "" if since == "nan" else f" (cleared on day {since}, not recovered by day {until})"
    targets = {"YES": f"CD7+ cells in aplasia (cleared on day {since})", "NO": "CD7+ cells not in aplasia",
               "NOT_KNOWN": f"CD7+ cells not known on that day{span}"}  # fmt: skip
    parts = [f"{_KINDS.get(str(row['kind']), str(row['kind']).lower())} on day {on('day')}, {cd7}", cart,
             targets[str(row["aplasia"])]]  # fmt: skip
    hsct = row["hsct_day"]
    if isinstance(hsct, float) and hsct < float(str(row["day"])):
        parts.append(f"after HSCT on day {hsct:g}")
    return "; ".join(parts)


def _why_missing(table: pd.DataFrame, failed: np.ndarray) -> dict[str, Texts]:
    """Per column why it is missing."""
    none = first_reason((~failed, np.where(table["note"] == "", "no relapse", table["note"])))
    not_cleared = first_reason((table["aplasia_from_day"].isna(), "CD7+ cells not cleared, or not evaluable"))
    never = first_reason((table["cart_last_day"].isna(), "CAR-T cells not sampled or never quantifiable"))
    still = first_reason((table["cart_last_day"].isna(), never),
                         (table["cart_lost_by_day"].isna(), "no sample below the limit after the last "
                          "quantifiable one"))  # fmt: skip
    cd7 = first_reason((~failed, none), (table["relapse_cd7"] == "", "CD7 of the relapse not recorded"))
    return {
        **dict.fromkeys(("kind", "day", "cart", "aplasia"), none),
        **dict.fromkeys(("aplasia_from_day", "aplasia_to_day", "recovered"), not_cleared),
        "relapse_cd7": cd7, "cart_last_day": never, "cart_lost_by_day": still,
        "hsct_day": first_reason((table["hsct_day"].isna(), "no HSCT")),
    }  # fmt: skip
