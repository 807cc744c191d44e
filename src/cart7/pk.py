"""Cellular kinetics: how far the CAR-T cells expand, how long they persist, and for whom.

Here: the exposure parameters of each profile (`nca`) with the windows its slope was chosen from
(`slope_windows`), the slope with samples below the limit as censored (`terminal_slope_censored`), the
expansion and contraction curve (`fit_kinetics`), summaries by dose level (`exposure`) and visit
(`levels_by_visit`), detection by visit and time to loss (`persistence`), time above a threshold
(`time_above`), and exposure against dose and outcome (`exposure_models`). Not here: the trapezoids, slopes
and models themselves (stats), the rules and the shape of the results (`kinetics`), baselines and windows
(derive), drawing (report.figures_kinetics).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import derive, results
from cart7.kinetics import curves, detection, flags, models, visits
from cart7.kinetics.copies import copies_to_cells
from cart7.kinetics.profiles import (
    Profiles,
    Table,
    arranged,
    other_infusion,
    point_frame,
    rectangles,
    sample_table,
    set_aside,
    subject_frame,
    window_frame,
    with_everybody,
)
from cart7.kinetics.results import (
    CensoredSlopeResult,
    CurveFitResult,
    ExposureModelsResult,
    ExposureResult,
    NcaResult,
    PersistenceResult,
    SlopeWindowsResult,
    TimeAboveResult,
    VisitLevelsResult,
)
from cart7.kinetics.rows import PPTESTCD
from cart7.kinetics.rules import USUAL, BlqRules, FlagRules, LambdaZRules, NcaRules
from cart7.kinetics.summary import exposure_by_group
from cart7.stats import curve_fit
from cart7.stats import exposure as kernel
from cart7.stats.censored_slope import censored_slope
from cart7.stats.exposure_models import dose_proportionality, exposure_response
from cart7.stats.profiles import Prepared, earliest, prepare

CENSORED_WINDOWS = ("after-tmax", "to-first-blq")
_STRANGER = "subject is not in subjects"

__all__ = [
    "PPTESTCD", "BlqRules", "CensoredSlopeResult", "CurveFitResult", "ExposureModelsResult",
    "ExposureResult", "FlagRules", "LambdaZRules", "NcaResult", "NcaRules", "PersistenceResult",
    "SlopeWindowsResult", "TimeAboveResult", "VisitLevelsResult", "copies_to_cells",
    "dose_proportionality", "exposure", "exposure_models", "exposure_response", "fit_kinetics",
    "levels_by_visit", "nca", "persistence", "slope_windows", "terminal_slope_censored", "time_above",
]  # fmt: skip


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


def slope_windows(kinetics: Table, *, rules: NcaRules = USUAL) -> SlopeWindowsResult:
    """Every window from which the terminal slope of a profile is chosen, and why the others were not.

    Parameters
    ----------
    kinetics : DataFrame or sequence of KineticSample
        As for `nca`.
    rules : NcaRules
        The choices; `lambda_z` says which windows compete and which wins.

    Returns
    -------
    SlopeWindowsResult
        A profile with fewer samples on the way down than `min_points` has no row.

    Examples
    --------
    >>> samples = pd.DataFrame({"subject_id": "001", "day": [0, 7, 10, 14, 21, 28],
    ...                         "value": [0, 900, 700, 300, 100, 40]})
    >>> slope_windows(samples).subjects[["start", "n", "chosen"]].values.tolist()
    [[10.0, 4, False], [14.0, 3, True]]
    """
    samples = sample_table(kinetics, needs=_needs(rules, "day"), anonymous=True)
    unused = other_infusion(samples, rules.infusion_no)
    mine = samples[unused == ""]
    profiles = arranged(mine, _times(mine, rules))
    found = kernel.slope_windows(**rectangles(mine, _times(mine, rules), profiles), choices=rules.choices())
    number, _ = np.nonzero(found.there)
    rate = found.rate[found.there]
    half_life = np.log(2) / np.where(rate > 0, rate, np.nan)
    start, end = found.start[found.there], found.end[found.there]
    return SlopeWindowsResult(
        subjects=profiles.keys.iloc[number].reset_index(drop=True).assign(
            n=found.n[found.there].astype("int64"), start=start, end=end, lambda_z=rate, half_life=half_life,
            r_squared=found.r_squared[found.there], adj_r_squared=found.adj_r_squared[found.there],
            span_ratio=(end - start) / half_life, chosen=found.chosen[found.there],
            note=found.fate[found.there].astype(object),
        ),
        summary=pd.DataFrame(),
        excluded=_analyse(samples, unused, rules).excluded,
        rules=rules,
    )  # fmt: skip


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


def terminal_slope_censored(
    kinetics: Table,
    *,
    window: Literal["after-tmax", "to-first-blq"] = "after-tmax",
    rules: NcaRules = USUAL,
) -> CensoredSlopeResult:
    """Terminal slope of each profile with samples below the limit as left-censored (Tobit regression).

    Parameters
    ----------
    kinetics : DataFrame or sequence of KineticSample
        As for `nca`; a sample below the limit needs its `lloq`.
    window : {"after-tmax", "to-first-blq"}
        Every sample after Tmax, or those up to the first one below the limit after Tlast.
    rules : NcaRules
        The choices on duplicates, time, Tmax, and the fewest quantifiable samples (`lambda_z.min_points`).

    Returns
    -------
    CensoredSlopeResult
        `lambda_z` may be negative (then no half-life, and the note says so). Missing where the data have no
        maximum of the likelihood, with the reason.

    Raises
    ------
    ValueError
        For another `window`.

    Notes
    -----
    ln(value) is normal about a straight line in time; a sample below the limit counts as P(below the limit).
    Maximum likelihood, as R ``survival::survreg(Surv(..., type = "left"), dist = "gaussian")``. Where the
    usual slope drops samples below the limit, and so overstates how slowly the cells leave, this one does
    not.

    References
    ----------
    Tobin J (1958). Estimation of relationships for limited dependent variables. Econometrica 26:24-36.
    doi:10.2307/1907382

    Examples
    --------
    >>> samples = pd.DataFrame({"subject_id": "001", "day": [0, 7, 10, 14, 21, 28, 42], "lloq": 50.0,
    ...                         "value": [0, 9000, 7000, 2500, 900, 160, 0]})
    >>> found = terminal_slope_censored(samples).subjects.iloc[0]
    >>> f"half-life {found['half_life']:.2f} days from {found['n_quantifiable']} and {found['n_blq']} below"
    'half-life 3.43 days from 4 and 1 below'
    """
    if window not in CENSORED_WINDOWS:
        raise ValueError(f"window must be one of {', '.join(CENSORED_WINDOWS)}, got {window!r}")
    table = sample_table(kinetics, needs=_needs(rules, "day"), anonymous=True)
    desk = _prepared(table, other_infusion(table, rules.infusion_no), rules)
    samples, peak = desk.ready.samples, desk.ready.peak
    inside = samples.there & (samples.time > peak.tmax[:, None])
    least = rules.lambda_z.min_points
    if window == "to-first-blq":
        loss = earliest(samples.time, samples.there & samples.blq & (samples.time > peak.tlast[:, None]))
        inside &= ~(samples.time > loss[:, None])
    quantifiable = (inside & ~samples.blq).sum(axis=1)
    enough = quantifiable >= least
    found = censored_slope(samples.time, samples.value, samples.blq, samples.lloq, inside & enough[:, None])
    below = np.where(desk.why == "", (inside & samples.blq).sum(axis=1), 0)
    few = f"fewer than {least} quantifiable samples after Tmax"
    return CensoredSlopeResult(
        subjects=desk.profiles.keys.assign(
            n_quantifiable=quantifiable, n_blq=below, lambda_z=found.rate,
            half_life=found.half_life, intercept=found.intercept, sigma=found.sigma,
            log_likelihood=found.log_likelihood,
            note=results.first_reason(
                (desk.why != "", desk.why), (~enough, few), (found.reason != "", found.reason)
            ),
            lambda_z_std_err=found.std_err,
        ),
        summary=pd.DataFrame(),
        excluded=desk.excluded,
        rules=rules,
        window=window,
    )  # fmt: skip


def fit_kinetics(
    kinetics: Table,
    *,
    blq: Literal["censored", "drop"] = "censored",
    rng: np.random.Generator | int,
    rules: NcaRules = USUAL,
) -> CurveFitResult:
    """Curve of expansion and two-phase contraction, fitted to each profile on the log scale.

    Parameters
    ----------
    kinetics : DataFrame or sequence of KineticSample
        As for `nca`; samples from day 0 on are used.
    blq : {"censored", "drop"}
        Maximum likelihood with samples below the limit as known only to be under their `lloq`; or least
        squares of ln(value) on the quantifiable samples.
    rng : numpy.random.Generator or int
        Where the random starts of the search come from: the same gives the same to the last bit.
    rules : NcaRules
        The choices on duplicates, time and infusion.

    Returns
    -------
    CurveFitResult
        `growth_rate` = ln(fold) / tmax, `doubling_time` = ln 2 over it. A negative value is left out of its
        profile's fit, and the note says so.

    Raises
    ------
    ValueError
        For another `blq`.

    Notes
    -----
    ln y = ln(cmax/fold) + ln(fold) t/tmax before tmax; ln[(1-s) cmax exp(-alpha (t-tmax)) + s cmax
    exp(-beta (t-tmax))] after it, s the slow fraction. Six parameters from a dozen samples: read `converged`,
    the standard errors and the note beside every estimate. The search covers every gap between neighbouring
    samples for tmax, from many starts, within the bounds of docs/methods/pk.md.

    References
    ----------
    Stein AM et al. (2019). Tisagenlecleucel model-based cellular kinetic analysis of chimeric antigen
    receptor-T cells. CPT Pharmacometrics Syst Pharmacol 8:285-295. doi:10.1002/psp4.12388

    Examples
    --------
    >>> samples = pd.DataFrame({"subject_id": "001", "day": [1, 4, 7, 10, 14, 21, 28, 60, 90],
    ...                         "value": [60, 500, 4200, 30000, 14000, 4600, 1500, 130, 110]})
    >>> found = fit_kinetics(samples, blq="drop", rng=1).subjects.iloc[0]
    >>> f"doubling in {found['doubling_time']:.2f} days to day {found['tmax']:.1f}, {found['converged']}"
    'doubling in 0.98 days to day 9.8, True'
    """
    if blq not in curve_fit.BLQ:
        raise ValueError(f"blq must be one of {', '.join(curve_fit.BLQ)}, got {blq!r}")
    table = sample_table(kinetics, needs=_needs(rules, "day"), anonymous=True)
    unused = other_infusion(table, rules.infusion_no)
    negative = (unused == "") & (table["value"] < 0)
    unused[negative] = "negative value, left out of the fit"
    desk = _prepared(table, unused, rules.model_copy(update={"start": "zero"}))
    samples = desk.ready.samples
    found = curve_fit.fit(
        samples.time, samples.value, samples.blq, limit=samples.lloq, there=samples.there, blq=blq, rng=rng
    )
    dropped = curves.left_out(table[negative], desk.profiles.keys)
    return CurveFitResult(
        subjects=curves.fit_frame(desk.profiles, found, desk.why, dropped),
        summary=pd.DataFrame(),
        points=desk.points,
        curves=curves.curve_frame(desk.profiles, found, samples),
        excluded=desk.excluded,
        rules=rules,
        blq=blq,
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


def levels_by_visit(
    kinetics: Table,
    subjects: Table,
    *,
    by: str | None = "dose_level",
    rules: NcaRules = USUAL,
) -> VisitLevelsResult:
    """Levels of the cells at each scheduled visit, by group.

    Parameters
    ----------
    kinetics : DataFrame or sequence of KineticSample
        As for `persistence`, with `nominal_label` or `nominal_day`. Unscheduled samples have no visit.
    subjects : DataFrame or sequence of Subject
        Who counts: a subject without a result counts in `n_missing`.
    by : str or None
        Column of `subjects` that makes the groups; `ALL` comes last.
    rules : NcaRules
        The choices (`duplicates`, `quantile_type`, `conf_level`); the first infusion unless `infusion_no`
        says otherwise.

    Returns
    -------
    VisitLevelsResult
        Of several samples of a visit the one nearest to its day counts, the others are in `.excluded`.

    Notes
    -----
    A sample below the limit is LLOQ/2 in the geometric mean and its interval, 0 in the other statistics;
    `n_blq` says how many there are. Where most are below the limit read `persistence` instead.

    Examples
    --------
    >>> people = pd.DataFrame({"subject_id": ["001", "002"]})
    >>> samples = pd.DataFrame({"subject_id": ["001", "002"], "day": 14.0, "nominal_day": 14,
    ...                         "value": [400.0, None], "blq": [None, "BLQ"], "lloq": 50.0})
    >>> found = levels_by_visit(samples, people, by=None).summary.iloc[0]
    >>> f"{found['visit']}: {found['n']}, {found['n_blq']} below, geometric mean {found['geo_mean']:.0f}"
    'D14: 2, 1 below, geometric mean 100'
    """
    people = derive.subject_table(subjects)
    samples = _dated_samples(kinetics, people, rules)
    profiles = _analyse(samples, _not_analysed(samples, people, rules), rules)
    at_visit, aside = visits.results_of_visits(samples, profiles.points, profiles.excluded, rules.duplicates)
    return VisitLevelsResult(
        subjects=at_visit,
        summary=visits.by_visit(
            at_visit, people, by, conf_level=rules.conf_level, quantile_type=rules.quantile_type
        ),
        lloq=visits.limits(at_visit),
        excluded=results.concat([profiles.excluded, aside], results.EXCLUDED_COLUMNS),
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


def exposure_models(
    kinetics: Table,
    subjects: Table,
    outcomes: pd.DataFrame | None = None,
    *,
    doses: Mapping[str, str] | None = None,
    params: Sequence[str] = ("cmax", "auc_window"),
    dose_conf_level: float = 0.90,
    limits: tuple[float, float] = (0.80, 1.25),
    dose_words: Mapping[str, str] | None = None,
    rules: NcaRules = USUAL,
) -> ExposureModelsResult:
    """Exposure against planned and received dose, and against outcomes, for every assay.

    Parameters
    ----------
    kinetics : DataFrame or sequence of KineticSample
        As for `exposure`.
    subjects : DataFrame or sequence of Subject
        Who counts, with a column per dose (any unit, above 0).
    outcomes : DataFrame, optional
        `subject_id`, `outcome` (its name) and `value`: 0 and 1, or ordered grades; missing where not known.
    doses : mapping, optional
        Name of each dose and its column in `subjects`. By default `planned` (`planned_dose_1e6_kg`) and
        `received` (`actual_dose_1e6_kg`, as `dose.cell_dose` computes it from the bags) where they are
        there, else `level` (`dose_level`).
    params : sequence of str
        Columns of `nca`'s `.subjects`.
    dose_conf_level : float
        Level of the interval of the slope on dose.
    limits : (float, float)
        Acceptable ratio of dose-normalised exposures (Smith).
    dose_words : mapping, optional
        What each dose is, in words, with its unit, for figures.
    rules : NcaRules
        The choices; the first infusion unless `infusion_no` says otherwise. `conf_level` is that of the
        ratios of geometric means.

    Returns
    -------
    ExposureModelsResult

    Raises
    ------
    DataError
        Every dose column that is absent, every dose or outcome that is no number, every outcome of a
        subject that stands twice or has no name.
    ValueError
        When `params` names no parameter, or one twice.

    Notes
    -----
    With an exposure of 0 (a subject whose cells were never quantifiable) there is no logarithm: models that
    need it are missing with that reason, rank statistics stand. They are never computed on the rest.

    Examples
    --------
    >>> people = pd.DataFrame({"subject_id": ["1", "2", "3", "4"], "dose_level": [1.0, 1.0, 2.0, 2.0]})
    >>> samples = pd.DataFrame({"subject_id": ["1", "2", "3", "4"], "day": 10.0,
    ...                         "value": [100.0, 140.0, 210.0, 270.0]})
    >>> found = exposure_models(samples, people, params=["cmax"]).summary.iloc[0]
    >>> f"slope {found['slope']:.2f}: {found['conclusion']}"
    'slope 1.01: inconclusive'
    """
    people = derive.subject_table(subjects)
    wanted = models.usual_doses(people) if doses is None else dict(doses)
    unknown = [param for param in params if param not in PPTESTCD]
    if unknown:
        raise ValueError(f"params must name parameters of nca ({', '.join(PPTESTCD)}), got {unknown}")
    if not params or len(set(params)) < len(params):
        raise ValueError(f"params must name parameters of nca, each once, got {list(params)}")
    given = models.amounts(people, wanted)
    samples = _dated_samples(kinetics, people, rules)
    profiles = _analyse(samples, _not_analysed(samples, people, rules), rules)
    values = models.exposures(profiles.subjects, people, params, given)
    seen = models.outcome_table(outcomes)
    strangers = seen[~seen["subject_id"].isin(people["subject_id"])]
    return ExposureModelsResult(
        subjects=values,
        summary=models.against_dose(values, wanted, conf_level=dose_conf_level, limits=limits),
        associations=models.against_outcome(values, seen, conf_level=rules.conf_level),
        outcomes=seen.drop(columns="row"),
        by_outcome=models.by_outcome(
            values, seen, conf_level=rules.conf_level, quantile_type=rules.quantile_type
        ),
        dose_words={label: (dose_words or models.USUAL_WORDS).get(label, label) for label in wanted},
        excluded=results.concat(
            [profiles.excluded, results.excluded_rows(strangers, "outcomes", _STRANGER)],
            results.EXCLUDED_COLUMNS,
        ),
        rules=rules,
        population=derive.population(people),
    )


def _not_analysed(samples: pd.DataFrame, people: pd.DataFrame, rules: NcaRules) -> pd.Series:
    reason = other_infusion(samples, 1 if rules.infusion_no is None else rules.infusion_no)
    reason[~samples["subject_id"].isin(people["subject_id"])] = _STRANGER
    return reason


def _dated_samples(kinetics: Table, people: pd.DataFrame, rules: NcaRules) -> pd.DataFrame:
    """Samples with their day, from the date where it is missing."""
    undated = isinstance(kinetics, pd.DataFrame) and "sample_date" not in kinetics.columns
    needs = _needs(rules, "day") if undated and rules.time == "actual" else _needs(rules)
    return derive.with_day(sample_table(kinetics, needs=needs), people, date="sample_date")


def _needs(rules: NcaRules, *more: str) -> tuple[str, ...]:
    return ("value", *more) if rules.time == "actual" else ("value", *more, "nominal_day")


def _times(samples: pd.DataFrame, rules: NcaRules) -> NDArray[np.float64]:
    return np.asarray(samples["day" if rules.time == "actual" else "nominal_day"], dtype=float)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Desk:
    """Profiles made ready: where their rows stand, their samples, and why one cannot be used."""

    profiles: Profiles
    ready: Prepared
    why: NDArray[np.object_]
    points: pd.DataFrame
    excluded: pd.DataFrame


def _prepared(samples: pd.DataFrame, unused: pd.Series, rules: NcaRules) -> _Desk:
    mine = samples[unused == ""]
    profiles = arranged(mine, _times(mine, rules))
    ready = prepare(
        **rectangles(mine, _times(mine, rules), profiles), duplicates=rules.duplicates,
        carry=rules.start == "auto", tmax=rules.tmax,
    )  # fmt: skip
    why = results.first_reason(
        (profiles.mixed, "MIXED_UNITS"), (ready.faults != "", ready.faults),
        (ready.samples.count == 0, "NO_SAMPLES"), (np.isnan(ready.peak.tmax), "NO_QUANT"),
    )  # fmt: skip
    usual = _analyse(samples, unused, rules)
    return _Desk(profiles=profiles, ready=ready, why=why, points=usual.points, excluded=usual.excluded)


def _analyse(samples: pd.DataFrame, unused: pd.Series, rules: NcaRules) -> NcaResult:
    """Every profile of the rows that have no reason against them."""
    mine = samples[unused == ""]
    time = _times(mine, rules)
    profiles = arranged(mine, time)
    fold = rules.flags.second_peak_fold
    found = kernel.examine(
        **rectangles(mine, time, profiles), choices=rules.choices(),
        second_peak_fold=np.inf if fold is None else fold,
    )  # fmt: skip
    subjects = subject_frame(profiles, found)
    points = point_frame(samples, unused, time, profiles, found, subjects["note"])
    return NcaResult(
        subjects=subjects,
        summary=pd.DataFrame(),
        windows=window_frame(profiles, found, subjects, rules.windows),
        points=points,
        flags=flags.flag_frame(profiles, found, subjects, time, rules),
        excluded=set_aside(samples, unused, points["note"]),
        rules=rules,
    )
