"""What the immunogenicity functions hand out, and their long rows.

Here: the results with their columns and words. Not here: how they are computed (immunogenicity, relation).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from cart7 import derive, results
from cart7.antibodies.rules import AdaRules
from cart7.results import Texts

POSITIVE, NEGATIVE, MISSING = "POSITIVE", "NEGATIVE", "MISSING"
CLASSES = (
    "INDUCED", "BOOSTED", "UNAFFECTED", "NEGATIVE", "MISSING_BASELINE_POSITIVE", "MISSING_BASELINE_NEGATIVE",
    "NO_POST_BASELINE", "NO_EVALUABLE_SAMPLE",
)  # fmt: skip
TITER_UNIT = "reciprocal dilution"
NO_TITER = "negative sample: no titre"
NOT_EMERGENT = "no treatment-emergent sample"

SUBJECT_COLUMNS = (
    "subject_id", "baseline_status", "baseline_titer", "n_post_evaluable", "classification",
    "treatment_emergent", "kinetics", "first_te_positive_day", "last_te_positive_day", "te_duration_days",
    "max_post_titer", "note",
)  # fmt: skip
COURSE = ("first_te_positive_day", "last_te_positive_day", "te_duration_days")
SAMPLE_COLUMNS = ("subject_id", "day", "result", "titer", "post", "treatment_emergent")
VISIT_COLUMNS = ("subject_id", "visit", "day", "result", "titer", "treatment_emergent", "note")
SUMMARY_COLUMNS = (
    "visit", "measure", "group", "n_infused", "n", "n_positive", "estimate", "ci_low", "ci_high",
    "conf_level", "method", "note",
)  # fmt: skip
RELATION_COLUMNS = (
    "subject_id", "classification", "antibody_day", "antibody_after_day", "max_post_titer", "loss_after_day",
    "loss_day", "sequence", "note",
)  # fmt: skip
RELATION_DAYS = ("antibody_day", "antibody_after_day", "loss_after_day", "loss_day")
COUNTS = ("n", "n_not_known", "n_positive_lost", "n_positive_kept", "n_negative_lost", "n_negative_kept")
MEASURES = ("ever_positive", "treatment_emergent")
SEQUENCES = (
    "BEFORE_LOSS", "AFTER_LOSS", "SAME_INTERVAL", "ANTIBODIES_NO_LOSS", "LOSS_NO_ANTIBODIES", "PRE_EXISTING",
    "NEITHER", "NOT_KNOWN",
)  # fmt: skip
CAUTION = (
    "an association in few subjects: antibodies take time to appear, and who is tested is chosen by survival"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassificationResult(results.EndpointResult):
    """Antibody class and kinetics of each subject; `summary` counts the classes.

    `samples` holds every evaluable sample: `subject_id, day, result, titer, post, treatment_emergent`.
    """

    title: ClassVar[str] = "Anti-CAR antibodies: classification"
    figure: ClassVar[str] = "ada_course"

    rules: AdaRules
    samples: pd.DataFrame = field(repr=False)
    reasons: Mapping[str, Texts] = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        return _classification_long(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class PositiveRateResult(results.EndpointResult):
    """Positive rates by visit and overall, each with its numerator and denominator."""

    title: ClassVar[str] = "Anti-CAR antibodies: positive rates"
    figure: ClassVar[str] = "ada_rates"

    rules: AdaRules

    def _long(self) -> list[pd.DataFrame]:
        return _rate_long(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class LossRelationResult(results.EndpointResult):
    """Antibodies beside the loss of CAR-T cells.

    Attributes
    ----------
    subjects : DataFrame
        One row per subject: classification, antibody_day (first positive sample after infusion; with a
        positive baseline the first boosted one) and antibody_after_day (last evaluable sample before it),
        max_post_titer, the loss in (loss_after_day, loss_day], days since infusion; sequence, note.
    at_visit : DataFrame
        subject_id, visit, ever_positive, treatment_emergent, lost (1, 0 or missing), note.
    summary : DataFrame
        One row per visit and measure: n (both known), n_not_known, the four cells of the 2 x 2 table,
        p_value (Fisher, two-sided), method, note.
    """

    title: ClassVar[str] = "Anti-CAR antibodies and loss of CAR-T cells"

    rules: AdaRules
    at_visit: pd.DataFrame = field(repr=False)
    reasons: Mapping[str, Texts] = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        return _relation_long(self)


def _classification_long(result: ClassificationResult) -> list[pd.DataFrame]:
    """Long rows of `classify`: the class counts, then the subjects."""
    summary, subjects = result.summary, result.subjects
    counts = results.long_rows(
        summary, analysis="immunogenicity.classify", param="ADA:" + summary["classification"],
        population=result.population, group=summary["group"], stats=("n", "n_event"),
    )  # fmt: skip
    units = dict.fromkeys(COURSE, "days") | dict.fromkeys(("baseline_titer", "max_post_titer"), TITER_UNIT)
    rows = results.long_rows(
        subjects, analysis="immunogenicity.classify", param="ADA", population=result.population,
        subject_id=subjects["subject_id"], stats=SUBJECT_COLUMNS[1:-1], units=units,
        reasons={name: pd.Series(why, index=subjects.index) for name, why in result.reasons.items()},
    )  # fmt: skip
    return [counts, rows]


def _rate_long(result: PositiveRateResult) -> list[pd.DataFrame]:
    """Long rows of `positive_rate`: the rates, then the sample of each subject and visit."""
    summary, subjects = result.summary, result.subjects
    rates = results.long_rows(
        summary, analysis="immunogenicity.positive_rate", param="ADA:" + summary["measure"],
        timepoint=summary["visit"], population=result.population, group=summary["group"],
        stats=SUMMARY_COLUMNS[3:-3],
        method=dict.fromkeys(("estimate", "ci_low", "ci_high"), summary["method"]),
    )  # fmt: skip
    rows = results.long_rows(
        subjects, analysis="immunogenicity.positive_rate", param="ADA", timepoint=subjects["visit"],
        population=result.population, subject_id=subjects["subject_id"],
        stats=("day", "result", "titer", "treatment_emergent"),
        units={"day": "days", "titer": TITER_UNIT}, reasons={"titer": NO_TITER},
    )  # fmt: skip
    return [rates, rows]


def _relation_long(result: LossRelationResult) -> list[pd.DataFrame]:
    """Long rows of `against_persistence`: the tables, the subjects, their flags by visit."""
    key: dict[str, Any] = {"analysis": "immunogenicity.against_persistence", "population": result.population}
    summary, subjects, flags = result.summary, result.subjects, result.at_visit
    units = dict.fromkeys(RELATION_DAYS, "days") | {"max_post_titer": TITER_UNIT}
    return [
        results.long_rows(
            summary, **key, param="ADA:" + summary["measure"], timepoint=summary["visit"], group=derive.ALL,
            stats=(*COUNTS, "p_value"), method={"p_value": summary["method"]},
        ),
        results.long_rows(
            subjects, **key, param="ADA", subject_id=subjects["subject_id"],
            stats=(*RELATION_DAYS, "max_post_titer", "sequence"), units=units,
            reasons={name: pd.Series(why, index=subjects.index) for name, why in result.reasons.items()},
        ),
        results.long_rows(
            flags, **key, param="ADA", timepoint=flags["visit"], subject_id=flags["subject_id"],
            stats=(*MEASURES, "lost"),
            reasons={"treatment_emergent": "no evaluable baseline, or no sample after infusion by then"},
        ),
    ]  # fmt: skip
