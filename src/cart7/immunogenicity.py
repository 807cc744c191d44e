"""Immunogenicity: who had antibodies against the CAR before, who got them or more of them after.

Here: the class of each subject with its kinetics (`classify`), positive rates by visit and overall
(`positive_rate`), antibodies beside the loss of CAR-T cells (`against_persistence`). Not here: intervals
and tests of proportions (stats.proportions), windows and days (derive), the loss itself (`pk.persistence`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from cart7 import derive, records, results
from cart7.antibodies.relation import by_then, ever, losses, sequences, two_by_two
from cart7.antibodies.results import (
    CLASSES,
    COURSE,
    MEASURES,
    MISSING,
    NEGATIVE,
    NO_TITER,
    NOT_EMERGENT,
    POSITIVE,
    RELATION_COLUMNS,
    SAMPLE_COLUMNS,
    SUBJECT_COLUMNS,
    SUMMARY_COLUMNS,
    VISIT_COLUMNS,
    ClassificationResult,
    LossRelationResult,
    PositiveRateResult,
)
from cart7.antibodies.rules import BASELINE, OVERALL, AdaRules
from cart7.derive import Window
from cart7.errors import DataError, Problem
from cart7.results import Texts, first_reason, joined
from cart7.stats import proportions

__all__ = [
    "AdaRules", "ClassificationResult", "LossRelationResult", "PositiveRateResult", "Window",
    "against_persistence", "classify", "positive_rate",
]  # fmt: skip

Table: TypeAlias = pd.DataFrame | Iterable[records.Record]

_NOBODY = {
    "positive_at_visit": "no evaluable sample at the visit",
    "treatment_emergent_at_visit": "no evaluable sample at the visit of a subject with a baseline",
    "cumulative_through_visit": "no evaluable sample after infusion by the end of the window",
    "prevalence": "no evaluable sample",
    "incidence": "no subject with a baseline and a sample after infusion",
}


TITER = r"^(?:1\s*:\s*)?(\d+(?:\.\d+)?)$"

DEFAULT_RULES = AdaRules()


def classify(
    ada: Table, subjects: Table | None = None, *, rules: AdaRules = DEFAULT_RULES
) -> ClassificationResult:
    """Class each subject: induced, boosted, unaffected, negative; persistent or transient.

    Parameters
    ----------
    ada : DataFrame or sequence of AdaSample
        `subject_id, result` (`POS`, `NEG`, `NE` or blank), `day` (days since infusion) or `sample_date`,
        `titer` (`1:20`, `20` or a number: the reciprocal dilution).
    subjects : DataFrame or sequence of Subject, optional
        The analysis set, a row of the result for each; None takes the subjects of `ada`.
    rules : AdaRules
        Boost, persistence, missing baseline.

    Returns
    -------
    ClassificationResult
        `.subjects`: one row per subject; days since infusion, titres as reciprocal dilutions.

    Raises
    ------
    DataError
        If a result is none of the words above or a titre is no number; every such row at once.

    Notes
    -----
    Baseline: the last evaluable sample with day <= 0. Treatment-emergent samples: every positive one
    after a negative baseline, those at or above `boost_fold` x baseline after a positive one. They are
    persistent when the last evaluable sample is one of them or when the first and the last are
    `persistent_days` apart, whatever lies between.

    References
    ----------
    Shankar G et al. (2014). Assessment and reporting of the clinical immunogenicity of therapeutic
    proteins and peptides. AAPS J 16:658-673. doi:10.1208/s12248-014-9599-2

    Examples
    --------
    >>> samples = pd.DataFrame({"subject_id": ["1", "1", "1"], "day": [-2, 28, 90],
    ...                         "result": ["POS", "POS", "NEG"], "titer": ["1:20", "1:80", None]})
    >>> classify(samples).subjects[["classification", "kinetics", "max_post_titer"]].to_numpy().tolist()
    [['BOOSTED', 'TRANSIENT', 80.0]]
    """
    course = _read(ada, subjects, rules)
    samples = _with_treatment_emergence(course, rules)
    table, reasons = _classes(course.people, samples, rules)
    return ClassificationResult(
        subjects=table[list(SUBJECT_COLUMNS)],
        summary=_class_counts(table),
        excluded=course.excluded,
        rules=rules,
        population=derive.population(course.people),
        samples=samples[list(SAMPLE_COLUMNS)].reset_index(drop=True),
        reasons=reasons,
    )


def positive_rate(
    ada: Table, subjects: Table, *, by: str | None = "dose_level", rules: AdaRules = DEFAULT_RULES
) -> PositiveRateResult:
    """Rates of positive samples and subjects, by visit and overall.

    Parameters
    ----------
    ada, rules
        As in `classify`.
    subjects : DataFrame or sequence of Subject
        The analysis set; `infused` where not all are.
    by : str or None
        Column of `subjects` that defines the groups; None gives ALL only.

    Returns
    -------
    PositiveRateResult
        `.subjects`: the evaluable sample chosen per subject and visit. `.summary`: one row per visit,
        measure and group, also where n = 0. `positive_at_visit` counts among those with an evaluable
        sample at the visit, `treatment_emergent_at_visit` among those of them with a baseline,
        `cumulative_through_visit` the subjects with a positive sample after infusion by the last day of
        the window among those with an evaluable one by then; `prevalence` a positive sample at any time
        among those with an evaluable one; `incidence` treatment-emergent subjects among those with a
        baseline and a sample after infusion.

    Raises
    ------
    DataError
        If a result or a titre cannot be read.
    ValueError
        If `by` is not a column of `subjects`.

    Examples
    --------
    >>> samples = pd.DataFrame({"subject_id": ["1", "1", "2"], "day": [-2, 28, 28],
    ...                         "result": ["NEG", "POS", "NEG"]})
    >>> rates = positive_rate(samples, pd.DataFrame({"subject_id": ["1", "2", "3"]})).summary
    >>> rates.query("visit == 'D28'")[["measure", "n_infused", "n", "n_positive"]].to_numpy().tolist()[0]
    ['positive_at_visit', 3, 2, 1]
    """
    course = _read(ada, subjects, rules)
    samples = _with_treatment_emergence(course, rules)
    at_windows = derive.nearest_in_windows(samples, rules.windows, tie=rules.tie)
    baseline = _baseline(samples).assign(visit=BASELINE)
    chosen = pd.concat([baseline, at_windows])
    place = {visit: position for position, visit in enumerate([BASELINE, *rules.windows])}
    chosen = chosen.assign(_place=chosen["visit"].map(place)).sort_values(
        ["subject_id", "_place"], kind="stable"
    )
    unused = samples.drop(index=chosen.index.unique())
    return PositiveRateResult(
        subjects=chosen[list(VISIT_COLUMNS)].reset_index(drop=True),
        summary=_rates(_flags(course.people, samples, chosen, rules), course.people, by, rules),
        excluded=results.concat(
            [course.excluded, results.excluded_rows(unused, "ada", "not the sample of a visit")],
            results.EXCLUDED_COLUMNS,
        ),
        rules=rules,
        population=derive.population(course.people),
    )


def against_persistence(
    ada_result: ClassificationResult, persistence: pd.DataFrame, *, visits: Sequence[str] = ("M3", "M6")
) -> LossRelationResult:
    """Which came first, antibodies or the loss of CAR-T cells, and both by a visit in a 2 x 2 table.

    Parameters
    ----------
    ada_result : ClassificationResult
        Of `classify`: its subjects are the rows.
    persistence : DataFrame
        `pk.persistence(...).subjects` of one assay: subject_id, event (`LOSS`, `DEATH`, `HSCT`, `CENSORED`),
        last_quantifiable_day, first_blq_day (days since infusion).
    visits : sequence of str
        Windows of the rules of `ada_result` by whose last day both are judged.

    Returns
    -------
    LossRelationResult
        `sequence` is one of `SEQUENCES`; antibodies and loss lie between samples, so they are in order only
        where the two intervals do not overlap.

    Raises
    ------
    DataError
        If `persistence` lacks a column.
    ValueError
        For a visit that the rules do not have, or two rows of a subject.

    Notes
    -----
    Lost by a visit: below the limit by the last day of its window, and never quantifiable again. Kept:
    quantifiable on the first day of the window or later. Otherwise, and after a transplant or death before
    the loss, it is not known, and the subject is in no cell. Antibodies by a visit: a positive sample up to
    that last day (`ever_positive`: before infusion too); negative needs an evaluable sample after infusion.
    The test is exact and proves nothing about cause.

    Examples
    --------
    >>> ada = pd.DataFrame({"subject_id": "1", "day": [-2, 28, 84], "result": ["NEG", "NEG", "POS"]})
    >>> cells = pd.DataFrame({"subject_id": ["1"], "event": "LOSS", "last_quantifiable_day": 89.0,
    ...                       "first_blq_day": 190.0})
    >>> relation = against_persistence(classify(ada), cells)
    >>> relation.subjects["sequence"].tolist(), relation.at_visit["lost"].tolist()
    (['BEFORE_LOSS'], [0.0, 1.0])
    """
    rules = ada_result.rules
    unknown = [visit for visit in visits if visit not in rules.windows]
    if unknown:
        raise ValueError(f"visits must be among {', '.join(rules.windows)}; got {unknown[0]!r}")
    loss = losses(persistence).reindex(ada_result.subjects["subject_id"])
    table, reasons = sequences(ada_result, loss)
    at_visit = results.concat(
        [by_then(ada_result, loss, visit) for visit in visits],
        ("subject_id", "visit", *MEASURES, "lost", "note"),
    )
    return LossRelationResult(
        subjects=table[list(RELATION_COLUMNS)], summary=two_by_two(at_visit, visits), rules=rules,
        population=ada_result.population, at_visit=at_visit, reasons=reasons,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class _Course:
    """The evaluable samples in order of subject, day and row."""

    people: pd.DataFrame
    samples: pd.DataFrame
    excluded: pd.DataFrame


def _read(ada: Table, subjects: Table | None, rules: AdaRules) -> _Course:
    needs = ("result",) if isinstance(ada, pd.DataFrame) else ()
    frame = records.to_frame(ada, "ada", needs=needs, fill=("day", "sample_date", "titer", "result"))
    if subjects is None:
        subjects = pd.DataFrame({"subject_id": sorted(frame["subject_id"].unique().tolist())})
    people = derive.subject_table(subjects)
    frame = derive.with_day(frame, people, date="sample_date")
    titer = frame["titer"].astype(object).str.extract(TITER)[0].astype("float64")
    _check_words(frame, titer)
    reason = first_reason(
        (~frame["subject_id"].isin(people["subject_id"]), "not a subject of this analysis"),
        (~frame["result"].isin(("POS", "NEG")), "not evaluable"),
        (frame["day"].isna(), "day missing"),
    )
    positive = frame["result"] == "POS"
    frame = frame.assign(
        titer=titer.fillna(rules.minimum_required_dilution).where(positive), post=frame["day"] > 0,
        idle_titer=frame["titer"].notna() & ~positive,
    )  # fmt: skip
    samples = frame[reason == ""].sort_values(["subject_id", "day"], kind="stable")
    excluded = results.excluded_rows(frame[reason != ""], "ada", pd.Series(reason, index=frame.index))
    return _Course(people=people, samples=samples, excluded=excluded)


def _check_words(frame: pd.DataFrame, titer: pd.Series) -> None:
    """Refuse results outside POS, NEG, NE and titres of positive samples that are no number above 0."""
    word = frame["result"].notna() & ~frame["result"].isin(("POS", "NEG", "NE"))
    number = (frame["result"] == "POS") & frame["titer"].notna() & ~(titer > 0)
    problems = [
        Problem(table="ada", row=int(row["row"]), column=column, value=row[column], rule=rule,
                subject_id=row["subject_id"], message=message)
        for wrong, column, rule, message in (
            (word, "result", "ADA-RESULT", "a result is POS, NEG or NE"),
            (number, "titer", "ADA-TITER", "a titre is 1:20, 20 or a number"),
        )
        for row in frame[wrong].to_dict("records")
    ]  # fmt: skip
    if problems:
        raise DataError(problems)


def _baseline(samples: pd.DataFrame) -> pd.DataFrame:
    """Last evaluable sample with day <= 0 of each subject."""
    return samples[samples["day"] <= 0].drop_duplicates("subject_id", keep="last")


def _with_treatment_emergence(course: _Course, rules: AdaRules) -> pd.DataFrame:
    """Samples with the flag `treatment_emergent` (missing before infusion and without a baseline)."""
    samples = course.samples
    baseline = _baseline(samples).set_index("subject_id")
    status = samples["subject_id"].map(baseline["result"]).astype(object)
    if rules.missing_baseline == "assume-negative":
        status = status.where(status.notna(), "NEG")
    boosted = samples["titer"] >= rules.boost_fold * samples["subject_id"].map(baseline["titer"])
    emergent = (samples["result"] == "POS") & ((status == "NEG") | boosted)
    known = samples["post"] & status.notna()
    samples = samples.assign(treatment_emergent=emergent.astype("float64").where(known))
    early = (~samples["post"], "sample before infusion")
    reasons = {
        "treatment_emergent": first_reason(early, (status.isna(), "no evaluable baseline sample")),
        "titer": first_reason((samples["titer"].isna(), NO_TITER)),
    }
    return samples.assign(note=joined(samples, reasons))


def _classes(
    people: pd.DataFrame, samples: pd.DataFrame, rules: AdaRules
) -> tuple[pd.DataFrame, dict[str, Texts]]:
    """Class and kinetics of each subject, and per column why it is missing."""
    ids = pd.Index(people["subject_id"], name="subject_id")
    baseline = _baseline(samples).set_index("subject_id").reindex(ids)
    post = samples[samples["post"]]
    by_subject = post.groupby("subject_id")
    n_post = by_subject.size().reindex(ids, fill_value=0)
    any_positive = by_subject["titer"].count().reindex(ids, fill_value=0) > 0
    emergent = post[post["treatment_emergent"] == 1].groupby("subject_id")["day"]
    first, last = emergent.min().reindex(ids), emergent.max().reindex(ids)
    emerged = first.notna()
    status = baseline["result"].map({"POS": POSITIVE, "NEG": NEGATIVE}).fillna(MISSING)
    assumed = status.replace(MISSING, NEGATIVE) if rules.missing_baseline == "assume-negative" else status
    classification = first_reason(
        ((n_post == 0) & (status == MISSING), "NO_EVALUABLE_SAMPLE"),
        (n_post == 0, "NO_POST_BASELINE"),
        ((assumed == MISSING) & any_positive, "MISSING_BASELINE_POSITIVE"),
        (assumed == MISSING, "MISSING_BASELINE_NEGATIVE"),
        (assumed == NEGATIVE, np.where(emerged, "INDUCED", "NEGATIVE")),
        (assumed == POSITIVE, np.where(emerged, "BOOSTED", "UNAFFECTED")),
    )
    ends_positive = by_subject["treatment_emergent"].last().reindex(ids) == 1
    lasting = last - first >= rules.persistent_days
    table = pd.DataFrame(
        {
            "baseline_status": status,
            "baseline_titer": baseline["titer"],
            "n_post_evaluable": n_post.astype("int64"),
            "classification": classification,
            "treatment_emergent": emerged.astype("float64").where((n_post > 0) & (assumed != MISSING)),
            "kinetics": np.where(emerged, np.where(ends_positive | lasting, "PERSISTENT", "TRANSIENT"), ""),
            "first_te_positive_day": first,
            "last_te_positive_day": last,
            "te_duration_days": last - first,
            "max_post_titer": by_subject["titer"].max().reindex(ids),
        },
        index=ids,
    )
    reasons = _class_reasons(table)
    lone = (emerged & ends_positive & ~lasting).to_numpy()
    assumption = (status == MISSING) & (assumed == NEGATIVE) & (n_post > 0)
    remarks = [
        first_reason((assumption, "baseline missing: assumed negative")),
        first_reason((lone, "persistent because the last sample is treatment-emergent")),
        _idle_titers(samples).reindex(ids).fillna("").to_numpy(),
    ]
    return table.assign(note=joined(table, reasons, remarks)).reset_index(), reasons


def _idle_titers(samples: pd.DataFrame) -> pd.Series:
    """By subject the negative samples that carry a titre."""
    idle = samples[samples["idle_titer"]]
    days = idle["day"].map("{:g}".format).astype(object).groupby(idle["subject_id"])
    return days.agg(lambda mine: f"titre of a negative sample not used: day {', '.join(mine)}")


def _class_reasons(table: pd.DataFrame) -> dict[str, Texts]:
    """Why a column of the class table is missing, by column."""
    status, n_post = table["baseline_status"], table["n_post_evaluable"]
    no_post = (n_post == 0, "no evaluable sample after infusion")
    no_baseline = (status == MISSING, "no evaluable baseline sample")
    emergent = first_reason(no_post, no_baseline)
    course = first_reason(no_post, (table["treatment_emergent"].isna(), emergent), (n_post > 0, NOT_EMERGENT))
    return {
        "baseline_titer": first_reason(no_baseline, (status == NEGATIVE, "baseline negative")),
        "treatment_emergent": emergent,
        **dict.fromkeys(("kinetics", *COURSE), course),
        "max_post_titer": first_reason(no_post, (n_post > 0, "no positive sample after infusion")),
    }


def _class_counts(table: pd.DataFrame) -> pd.DataFrame:
    """How many subjects are in each class, of all."""
    n_event = [int((table["classification"] == name).sum()) for name in CLASSES]
    return pd.DataFrame({"classification": CLASSES, "group": derive.ALL, "n": len(table), "n_event": n_event})


def _flags(
    people: pd.DataFrame, samples: pd.DataFrame, chosen: pd.DataFrame, rules: AdaRules
) -> dict[tuple[str, str], pd.Series]:
    """Per visit and measure a flag for each subject: 1 positive, 0 not, missing = not in the denominator."""
    ids = pd.Index(people["subject_id"], name="subject_id")
    chosen = chosen.assign(positive=(chosen["result"] == "POS").astype("float64"))
    samples = samples.assign(positive=(samples["result"] == "POS").astype("float64"))
    post = samples[samples["post"]]
    flags = {}
    for visit in (BASELINE, *rules.windows):
        at = chosen[chosen["visit"] == visit].set_index("subject_id").reindex(ids)
        flags[visit, "positive_at_visit"] = at["positive"]
        if visit != BASELINE:
            until = post[np.floor(post["day"]) <= rules.windows[visit].upper]
            flags[visit, "treatment_emergent_at_visit"] = at["treatment_emergent"]
            flags[visit, "cumulative_through_visit"] = ever(until, "positive", ids)
    flags[OVERALL, "prevalence"] = ever(samples, "positive", ids)
    flags[OVERALL, "incidence"] = ever(post, "treatment_emergent", ids)
    return flags


def _rates(
    flags: Mapping[tuple[str, str], pd.Series], people: pd.DataFrame, by: str | None, rules: AdaRules
) -> pd.DataFrame:
    """One row per visit, measure and group with its exact interval."""
    told = "infused" in people.columns and people["infused"].notna().any()
    infused = (people["infused"] == "Y").to_numpy() if told else np.ones(len(people), dtype=bool)
    rows = [
        {"visit": visit, "measure": measure, "group": group, "n_infused": int((member & infused).sum()),
         "n": int(flag[member].notna().sum()), "n_positive": int(flag[member].sum())}
        for (visit, measure), flag in flags.items()
        for group, member in derive.groups(people, by)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS[:6]))
    n, n_positive = table["n"].to_numpy(dtype="int64"), table["n_positive"].to_numpy(dtype="int64")
    low, high = proportions.interval(n_positive, n, method=rules.ci_method, conf_level=rules.conf_level)
    return table.assign(
        estimate=(n_positive / np.where(n > 0, n, np.nan)),
        ci_low=low,
        ci_high=high,
        conf_level=rules.conf_level,
        method=proportions.METHODS[rules.ci_method],
        note=table["measure"].map(_NOBODY).where(n == 0, ""),
    )
