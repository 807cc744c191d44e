"""Cellular kinetics: how far the CAR-T cells expand, how long they persist, and for whom.

Here: the exposure parameters of each profile (`nca`), their summary by dose level (`exposure`),
detection by visit and time to loss (`persistence`), time above a threshold (`time_above`), and exposure
against dose and outcome (`dose_proportionality`, `exposure_response`, from stats). Not here: the
trapezoids and slopes themselves (stats.exposure), baselines and windows (derive), drawing
(report.figures_kinetics).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cart7 import derive, results
from cart7.kinetics import detection
from cart7.kinetics.profiles import (
    Table,
    arranged,
    other_infusion,
    point_frame,
    rectangles,
    sample_table,
    set_aside,
    subject_frame,
    text_column,
    window_frame,
    with_everybody,
)
from cart7.kinetics.rows import (
    PPTESTCD,
    WINDOW,
    dimensions,
    label_of,
    profile_rows,
    suffix,
    summary_units,
    window_rows,
)
from cart7.kinetics.summary import DESCRIBED, exposure_by_group
from cart7.results import EndpointResult
from cart7.stats import exposure as kernel
from cart7.stats.exposure_models import dose_proportionality, exposure_response
from cart7.stats.nca_choices import Choices

__all__ = [
    "PPTESTCD", "BlqRules", "ExposureResult", "LambdaZRules", "NcaResult", "NcaRules", "PersistenceResult",
    "TimeAboveResult", "copies_to_cells", "dose_proportionality", "exposure", "exposure_response", "nca",
    "persistence", "time_above",
]  # fmt: skip

BlqRule: TypeAlias = Literal["keep", "drop", "half-lloq"] | float


class BlqRules(BaseModel):
    """What stands for a sample below the limit of quantification in areas.

    Each rule is `"keep"` (as 0), `"drop"`, `"half-lloq"` or a number in the unit of the assay.

    Parameters
    ----------
    first, middle, last : rule
        Samples up to the first, between, and from the last quantifiable sample on.
    before_tmax, after_tmax : rule, optional
        Classes by Tmax instead (a sample at Tmax is after it); the one not given is `"keep"`.

    Examples
    --------
    >>> BlqRules(middle="keep").middle
    'keep'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    first: BlqRule = "keep"
    middle: BlqRule = "drop"
    last: BlqRule = "keep"
    before_tmax: BlqRule | None = None
    after_tmax: BlqRule | None = None

    @field_validator("*")
    @classmethod
    def _not_negative(cls, rule: BlqRule | None) -> BlqRule | None:
        if isinstance(rule, float | int) and rule < 0:
            raise ValueError(f"a value below the limit cannot be replaced by a negative number, got {rule}")
        return rule

    @model_validator(mode="after")
    def _one_kind_of_class(self) -> Self:
        by_tmax = self.before_tmax is not None or self.after_tmax is not None
        if by_tmax and (self.first, self.middle, self.last) != ("keep", "drop", "keep"):
            raise ValueError("give first, middle, last or before_tmax, after_tmax, not both")
        return self


class LambdaZRules(BaseModel):
    """How the terminal slope is found.

    Parameters
    ----------
    min_points : int
        Fewest quantifiable samples on the line, at least 2.
    include_tmax : bool
        Whether the sample at Tmax may lie on it.
    tolerance : float
        Windows whose adjusted R-squared is within this of the best compete; most samples win.
    slope_rule : {"negative-only", "any"}
        Seek the best among falling windows, or among all (PKNCA).
    window : (float, float), optional
        Fit all quantifiable samples in this closed range of days instead.
    points : tuple of float, optional
        Fit the quantifiable samples at these days instead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_points: int = Field(default=3, ge=2)
    include_tmax: bool = False
    tolerance: float = Field(default=1e-4, ge=0)
    slope_rule: Literal["negative-only", "any"] = "negative-only"
    window: tuple[float, float] | None = None
    points: tuple[float, ...] | None = None

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.window is not None and self.points is not None:
            raise ValueError("give window or points, not both")
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError(f"window must be (start, end) with start < end, got {self.window}")
        return self


class NcaRules(BaseModel):
    """The choices of the statistical analysis plan that change kinetics numbers.

    Parameters
    ----------
    auc_method : {"lin-up-log-down", "linear", "lin-log"}
        Trapezoids.
    windows : tuple of (start, end)
        Windows of partial areas in days; `auc_window` is the first.
    tail : {"auto", "stop", "triangle", "triangle-peer", "lambda-z-obs", "lambda-z-pred", "phoenix"}
        What lies between the last quantifiable sample and the end of a window.
    start : {"auto", "require-sample", "zero"}
        Without a sample on day 0: the last one before moves there, else 0 is assumed; no area; 0 is assumed.
    blq : BlqRules
        Samples below the limit of quantification.
    lambda_z : LambdaZRules
        Terminal slope.
    duplicates : {"error", "mean", "geo-mean", "max", "first"}
        Several results at one time. With `error` the profile is not used.
    tmax : {"first", "last"}
        Which of equal maxima.
    time : {"actual", "nominal"}
        `day` or `nominal_day`.
    infusion_no : int, optional
        Only this infusion. None: every infusion in `nca`, the first in `exposure` and `persistence`.
    quantile_type : {2, 6, 7}
        Definition of quartiles (2 = SAS, 7 = R).
    conf_level : float
        Level of confidence intervals.

    Examples
    --------
    >>> NcaRules(tail="stop").windows
    ((0.0, 28.0),)
    >>> NcaRules.pknca(auc_method="linear").start
    'require-sample'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    auc_method: Literal["lin-up-log-down", "linear", "lin-log"] = "lin-up-log-down"
    windows: tuple[tuple[float, float], ...] = Field(default=((0.0, 28.0),), min_length=1)
    tail: Literal["auto", "stop", "triangle", "triangle-peer", "lambda-z-obs", "lambda-z-pred", "phoenix"] = (
        "auto"
    )
    start: Literal["auto", "require-sample", "zero"] = "auto"
    blq: BlqRules = BlqRules()
    lambda_z: LambdaZRules = LambdaZRules()
    duplicates: Literal["error", "mean", "geo-mean", "max", "first"] = "error"
    tmax: Literal["first", "last"] = "first"
    time: Literal["actual", "nominal"] = "actual"
    infusion_no: int | None = Field(default=None, ge=1)
    quantile_type: Literal[2, 6, 7] = 2
    conf_level: float = Field(default=0.95, gt=0, lt=1)

    @field_validator("windows")
    @classmethod
    def _windows_run_forward(
        cls, windows: tuple[tuple[float, float], ...]
    ) -> tuple[tuple[float, float], ...]:
        for start, end in windows:
            if not 0 <= start < end:
                raise ValueError(f"a window needs 0 <= start < end, got ({start:g}, {end:g})")
        if len(set(windows)) < len(windows):
            raise ValueError("a window stands twice")
        return windows

    @classmethod
    def pknca(cls, **changes: Any) -> Self:
        """Rules of R package PKNCA: a sample on day 0 is required, the best slope is sought among all."""
        slope = _preset(LambdaZRules, changes.pop("lambda_z", None), slope_rule="any")
        return cls(**{"start": "require-sample", **changes}, lambda_z=slope)

    @classmethod
    def noncompart(cls, **changes: Any) -> Self:
        """Rules of R package NonCompart: BLQ is 0 everywhere, 0 on day 0, partial areas as in Phoenix."""
        blq = _preset(BlqRules, changes.pop("blq", None), middle="keep")
        return cls(**{"start": "zero", "tail": "phoenix", **changes}, blq=blq)

    def choices(self) -> Choices:
        """The rules as the array kernel takes them."""
        blq = {f"blq_{name}": rule for name, rule in self.blq}
        slope = {f"lambda_z_{name}": choice for name, choice in self.lambda_z}
        plain = ("auc_method", "windows", "tail", "start", "duplicates", "tmax")
        return Choices(**{name: getattr(self, name) for name in plain}, **blq, **slope)


USUAL = NcaRules()


def _preset(model: type[BaseModel], given: Any, **preset: Any) -> Any:
    """The nested rules that were given, the preset where they are silent."""
    if given is None:
        return model(**preset)
    rules = model.model_validate(given)
    if isinstance(rules, BlqRules) and (rules.before_tmax is not None or rules.after_tmax is not None):
        return rules
    silent = {name: value for name, value in preset.items() if name not in rules.model_fields_set}
    return rules.model_copy(update=silent)


@dataclass(frozen=True, kw_only=True, eq=False)
class NcaResult(EndpointResult):
    """Exposure parameters of each profile.

    Attributes
    ----------
    subjects : DataFrame
        One row per profile: its keys, `unit`, the parameters (days, unit of the assay, their products) and
        `note`, codes with their words separated by semicolons.
    windows : DataFrame
        One row per profile and window: keys, `start, end` (days), `value`, `status`,
        `percent_beyond_tlast`, `start_rule`.
    points : DataFrame
        One row per row of the input: keys, `day, value, blq, in_auc, in_lambda_z, note`, and `lloq`, `unit`
        where the input has them.
    summary : DataFrame
        Empty; see `exposure`.
    """

    title: ClassVar[str] = "Exposure parameters by profile"
    figure: ClassVar[str] = "kinetics_spaghetti"
    windows: pd.DataFrame = field(repr=False)
    points: pd.DataFrame = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        return [
            *profile_rows(self.subjects, "pk.nca", self.population, _ways(self.rules)),
            *window_rows(self.windows, self.subjects, self.population, _ways(self.rules)),
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeAboveResult(EndpointResult):
    """Days at or above thresholds.

    Attributes
    ----------
    subjects : DataFrame
        One row per profile and threshold: keys, `threshold` (unit of the assay), `time_above` (days),
        `note`, `unit`.
    summary : DataFrame
        Empty.
    """

    title: ClassVar[str] = "Time above threshold"

    def _long(self) -> list[pd.DataFrame]:
        rows = self.subjects
        return [
            results.long_rows(
                rows, analysis="pk.time_above",
                param="TAT" + dimensions(rows) + suffix(rows["threshold"]), population=self.population,
                subject_id=text_column(rows, "subject_id"), stats=["threshold", "time_above"],
                units={"threshold": rows["unit"].where(rows["unit"] != "", "unit not stated"),
                       "time_above": "days"}, method=_ways(self.rules)[0],
            )
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class ExposureResult(EndpointResult):
    """Exposure parameters summarised by group.

    Attributes
    ----------
    summary : DataFrame
        One row per `param` (a column of `subjects`), assay and group: `n` with a value, `n_missing`, means,
        geometric mean with t interval, quartiles, range; `note` says why a number is missing.
    subjects : DataFrame
        The profiles behind it, and a row for each subject without one.
    """

    title: ClassVar[str] = "Exposure parameters"
    figure: ClassVar[str] = "exposure_by_group"

    def _long(self) -> list[pd.DataFrame]:
        codes = self.summary["param"].map(PPTESTCD) + suffix(self.summary["assay"])
        window = self.rules.windows[0] if isinstance(self.rules, NcaRules) else (0.0, 28.0)
        in_window = self.summary["param"].isin(WINDOW)
        unit = summary_units(self.summary, self.subjects)
        summary = results.long_rows(
            self.summary, analysis="pk.exposure", param=codes,
            timepoint=in_window.map({True: label_of(*window), False: ""}), population=self.population,
            group=self.summary["group"], stats=["n", "n_missing", *DESCRIBED],
            units={name: unit for name in DESCRIBED if name not in ("geo_sd", "geo_cv_percent")}
            | {"geo_cv_percent": "%"},
            method={"geo_ci_low": "t interval of logs", "geo_ci_high": "t interval of logs"},
        )  # fmt: skip
        ways = _ways(self.rules)
        return [summary, *profile_rows(self.subjects, "pk.exposure", self.population, ways, window=window)]


@dataclass(frozen=True, kw_only=True, eq=False)
class PersistenceResult(EndpointResult):
    """Detection by visit, and the time to loss of each subject.

    Attributes
    ----------
    summary : DataFrame
        One row per assay, scheduled visit and group; `estimate` is the fraction quantifiable of the sampled.
    subjects : DataFrame
        One row per subject and assay: `time_low, time_high` bound the end (days), `event` is `LOSS`, `DEATH`,
        `HSCT` or `CENSORED`, `cause` 1 for loss, 2 for a competing end, 0 censored. Loss lies in
        (time_low, time_high]; a censored `time_high` is missing.
    at_visit : DataFrame
        One row per subject, assay and visit with a result: `quantifiable` 1 or 0.
    """

    title: ClassVar[str] = "Persistence"
    figure: ClassVar[str] = "persistence_bars"
    at_visit: pd.DataFrame = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        counts = ["n_infused", "n_in_followup", "n_sampled", "n_quantifiable"]
        exact = dict.fromkeys(("estimate", "ci_low", "ci_high"), detection.CLOPPER_PEARSON)
        summary = results.long_rows(
            self.summary, analysis="pk.persistence", param="PERSISTENCE" + suffix(self.summary["assay"]),
            timepoint=self.summary["visit"], population=self.population, group=self.summary["group"],
            stats=[*counts, "estimate", "ci_low", "ci_high"], method=exact,
        )  # fmt: skip
        subjects = results.long_rows(
            self.subjects, analysis="pk.persistence", param="PERSISTENCE" + suffix(self.subjects["assay"]),
            population=self.population, subject_id=self.subjects["subject_id"],
            stats=["time_low", "time_high", "event", "cause"],
            units={"time_low": "days", "time_high": "days"},
        )  # fmt: skip
        return [summary, subjects]


def nca(kinetics: Table, *, rules: NcaRules = USUAL) -> NcaResult:
    """Exposure parameters of every profile.

    Parameters
    ----------
    kinetics : DataFrame or sequence of KineticSample
        `day` (days since the first infusion) and `value`; used when there: `subject_id, infusion_no, assay`
        (a profile each), `blq` (any word: below the limit), `lloq`, `unit`, `nominal_day`. A value of 0 or
        under `lloq` is below the limit too; a missing value without `blq` is a missing sample.
    rules : NcaRules
        The choices.

    Returns
    -------
    NcaResult
        A profile that cannot be used (`DUPLICATE_TIME`, `NEGATIVE_VALUE`, `MISSING_TIME`,
        `NON_FINITE_VALUE`, `MISSING_LLOQ`, `MIXED_UNITS`) has its reason in `note` and its rows in
        `.excluded`; the others are not touched by it.

    Raises
    ------
    DataError
        When `day` or `value` is not there or holds words.

    Notes
    -----
    Formulas, conventions and where other software differs: docs/methods/pk.md. Days count from the first
    infusion, so areas of a second infusion need windows of their own.

    Examples
    --------
    >>> samples = pd.DataFrame({"subject_id": "001", "day": [0, 3, 7, 10, 14, 21, 28], "lloq": 50.0,
    ...                         "value": [0, 100, 5000, 3000, 1500, 700, 0], "unit": "copies/ug"})
    >>> found = nca(samples).subjects.iloc[0]
    >>> f"{found['cmax']:.0f} on day {found['tmax']:.0f}"
    '5000 on day 7'
    >>> f"{found['auc_window']:.0f} {found['auc_window_status']}"
    '40550 BLQ_TRIANGLE'
    """
    samples = sample_table(kinetics, needs=_needs(rules, "day"), anonymous=True)
    return _analyse(samples, other_infusion(samples, rules.infusion_no), rules)


def time_above(
    kinetics: Table, thresholds: float | Sequence[float], *, rules: NcaRules = USUAL
) -> TimeAboveResult:
    """How long each profile lay at or above a threshold.

    Parameters
    ----------
    kinetics : DataFrame or sequence of KineticSample
        As for `nca`.
    thresholds : float or sequence of float
        Different levels above 0, in the unit of the assay.
    rules : NcaRules
        The choices: `auc_method` gives the shape of each segment, `blq` what stands below the limit.

    Returns
    -------
    TimeAboveResult
        Days between the first and the last sample from day 0 on; nothing is assumed before or after.

    Raises
    ------
    ValueError
        When there is no threshold, or one is not above 0 or stands twice.

    Examples
    --------
    >>> samples = pd.DataFrame({"subject_id": "001", "day": [0, 10, 30], "value": [0.0, 400.0, 100.0]})
    >>> time_above(samples, 200).subjects["time_above"].tolist()
    [15.0]
    """
    levels = np.atleast_1d(np.asarray(thresholds, dtype=float))
    samples = sample_table(kinetics, needs=_needs(rules, "day"), anonymous=True)
    unused = other_infusion(samples, rules.infusion_no)
    mine = samples[unused == ""]
    profiles = arranged(mine, _times(mine, rules))
    found = kernel.time_above(
        **rectangles(mine, _times(mine, rules), profiles), thresholds=levels, choices=rules.choices()
    )
    each = profiles.keys.index.repeat(len(levels))
    note = np.where(profiles.mixed, "MIXED_UNITS", found.note).astype(object)
    why = unused.copy()
    why[unused == ""] = note[profiles.number]
    unit = pd.Series(profiles.unit, dtype=object)
    return TimeAboveResult(
        subjects=profiles.keys.loc[each]
        .reset_index(drop=True)
        .assign(
            threshold=np.tile(levels, len(profiles.keys)),
            time_above=found.time_above.ravel(),
            note=np.repeat(note, len(levels)),
            unit=unit.loc[each].to_numpy(),
        ),
        summary=pd.DataFrame(),
        excluded=set_aside(samples, unused, why),
        rules=rules,
    )


def exposure(
    kinetics: Table,
    subjects: Table,
    *,
    by: str | None = "dose_level",
    rules: NcaRules = USUAL,
) -> ExposureResult:
    """Exposure parameters summarised by group.

    Parameters
    ----------
    kinetics : DataFrame or sequence of KineticSample
        As for `nca`; `sample_date` stands in for a missing `day`.
    subjects : DataFrame or sequence of Subject
        Who counts: a subject without a value counts in `n_missing`.
    by : str or None
        Column of `subjects` that makes the groups; `ALL` comes last.
    rules : NcaRules
        The choices; the first infusion unless `infusion_no` says otherwise.

    Returns
    -------
    ExposureResult

    Notes
    -----
    Geometric CV = 100 sqrt(exp(s^2) - 1) with s the SD of the logs; statistics of logs need every value
    above 0 and are missing otherwise, never computed on the rest. Levels and areas of an assay that
    stands in more than one unit are not summarised.

    Examples
    --------
    >>> people = pd.DataFrame({"subject_id": ["001", "002"]})
    >>> samples = pd.DataFrame({"subject_id": ["001", "002"], "day": 10.0, "value": [100.0, 400.0]})
    >>> found = exposure(samples, people, by=None).summary.set_index("param")
    >>> f"{found.loc['cmax', 'geo_mean']:.0f}"
    '200'
    """
    people = derive.subject_table(subjects)
    samples = _dated_samples(kinetics, people, rules)
    profiles = _analyse(samples, _not_analysed(samples, people, rules), rules)
    return ExposureResult(
        subjects=with_everybody(profiles.subjects, people),
        summary=exposure_by_group(
            profiles.subjects, people, by, conf_level=rules.conf_level, quantile_type=rules.quantile_type
        ),
        excluded=profiles.excluded,
        rules=rules,
        population=derive.population(people),
    )


def persistence(
    kinetics: Table,
    subjects: Table,
    events: Table | None = None,
    *,
    by: str | None = "dose_level",
    rules: NcaRules = USUAL,
) -> PersistenceResult:
    """How many still have quantifiable cells at each visit, and when they were lost.

    Parameters
    ----------
    kinetics : DataFrame or sequence of KineticSample
        As for `nca`, with `nominal_label` or `nominal_day`. Samples with `unscheduled` = Y or the label UNS
        serve the time to loss only.
    subjects : DataFrame or sequence of Subject
        Who counts.
    events : DataFrame or sequence of StudyEvent, optional
        `DEATH, LAST_CONTACT` tell who was followed to a visit, `DEATH, HSCT` end persistence otherwise.
    by : str or None
        Column of `subjects` that makes the groups; `ALL` comes last.
    rules : NcaRules
        The choices; the first infusion unless `infusion_no` says otherwise.

    Returns
    -------
    PersistenceResult
        `n_sampled` subjects with a result at the visit, `n_quantifiable` of them with one above the limit,
        Clopper-Pearson limits; `n_in_followup` infused subjects known to be alive on the nominal day
        (missing without `events`).

    Notes
    -----
    A death or transplant before the first sample below the limit is the end that counts: what happened to
    the cells between the last quantifiable sample and that day is not known.

    Examples
    --------
    >>> people = pd.DataFrame({"subject_id": ["001"]})
    >>> samples = pd.DataFrame({"subject_id": "001", "day": [10.0, 61.0], "nominal_label": ["D10", "M2"],
    ...                         "nominal_day": [10, 60], "value": [400.0, None], "blq": [None, "BLQ"]})
    >>> found = persistence(samples, people, by=None)
    >>> found.summary["estimate"].tolist(), found.subjects["event"].tolist()
    ([1.0, 0.0], ['LOSS'])
    """
    people = derive.subject_table(subjects)
    samples = _dated_samples(kinetics, people, rules)
    profiles = _analyse(samples, _not_analysed(samples, people, rules), rules)
    at_visit = detection.results_at_visits(samples, profiles.points, profiles.excluded)
    happened = None if events is None else detection.event_days(events, people)
    return PersistenceResult(
        subjects=detection.time_to_loss(with_everybody(profiles.subjects, people), happened),
        summary=detection.by_visit(
            at_visit, people, detection.followed_to(people, happened, samples), by, rules.conf_level
        ),
        at_visit=at_visit,
        excluded=profiles.excluded,
        rules=rules,
        population=derive.population(people),
    )


def copies_to_cells(
    copies_per_ug: ArrayLike, dna_ug_per_ml: ArrayLike, *, vector_copy_number: ArrayLike = 1.0
) -> NDArray[np.float64]:
    """CAR-T cells per microlitre of blood from transgene copies per microgram of DNA.

    Parameters
    ----------
    copies_per_ug : array_like
        Transgene copies per microgram of genomic DNA.
    dna_ug_per_ml : array_like
        Micrograms of genomic DNA obtained per millilitre of blood of the same sample.
    vector_copy_number : array_like, default 1.0
        Transgene copies per CAR-positive cell (of the product), above 0.

    Returns
    -------
    ndarray
        Cells per microlitre; missing where an input is.

    Raises
    ------
    ValueError
        For a negative amount, or a vector copy number that is not above 0.

    Notes
    -----
    copies/ug x ug/mL / copies per cell / 1000. Copies per microgram count cells against all nucleated
    cells, so they overstate the cells in blood while the others are depleted; the DNA yield corrects it.

    Examples
    --------
    >>> copies_to_cells([50_000.0], 20.0, vector_copy_number=2.0).tolist()
    [500.0]
    """
    copies, yielded = np.asarray(copies_per_ug, dtype=float), np.asarray(dna_ug_per_ml, dtype=float)
    per_cell = np.asarray(vector_copy_number, dtype=float)
    for name, amount in (("copies_per_ug", copies), ("dna_ug_per_ml", yielded)):
        if (amount < 0).any():
            raise ValueError(f"{name} cannot be negative, got {float(amount[amount < 0][0]):g}")
    if (per_cell <= 0).any():
        raise ValueError(f"vector_copy_number must be above 0, got {per_cell.min():g}")
    return np.asarray(copies * yielded / per_cell / 1000)


def _not_analysed(samples: pd.DataFrame, people: pd.DataFrame, rules: NcaRules) -> pd.Series:
    reason = other_infusion(samples, 1 if rules.infusion_no is None else rules.infusion_no)
    reason[~samples["subject_id"].isin(people["subject_id"])] = "subject is not in subjects"
    return reason


def _dated_samples(kinetics: Table, people: pd.DataFrame, rules: NcaRules) -> pd.DataFrame:
    """Samples with their day, from the date where it is missing."""
    undated = isinstance(kinetics, pd.DataFrame) and "sample_date" not in kinetics.columns
    needs = _needs(rules, "day") if undated and rules.time == "actual" else _needs(rules)
    return derive.with_day(sample_table(kinetics, needs=needs), people, date="sample_date")


def _ways(rules: BaseModel | None) -> tuple[str, str]:
    """How areas were obtained, and how areas of windows."""
    if not isinstance(rules, NcaRules):
        return "", ""
    return rules.auc_method, f"{rules.auc_method}, tail {rules.tail}"


def _needs(rules: NcaRules, *more: str) -> tuple[str, ...]:
    return ("value", *more) if rules.time == "actual" else ("value", *more, "nominal_day")


def _times(samples: pd.DataFrame, rules: NcaRules) -> NDArray[np.float64]:
    return np.asarray(samples["day" if rules.time == "actual" else "nominal_day"], dtype=float)


def _analyse(samples: pd.DataFrame, unused: pd.Series, rules: NcaRules) -> NcaResult:
    """Every profile of the rows that have no reason against them."""
    mine = samples[unused == ""]
    time = _times(mine, rules)
    profiles = arranged(mine, time)
    found = kernel.examine(**rectangles(mine, time, profiles), choices=rules.choices())
    subjects = subject_frame(profiles, found)
    points = point_frame(samples, unused, time, profiles, found, subjects["note"])
    return NcaResult(
        subjects=subjects,
        summary=pd.DataFrame(),
        windows=window_frame(profiles, found, subjects, rules.windows),
        points=points,
        excluded=set_aside(samples, unused, points["note"]),
        rules=rules,
    )
