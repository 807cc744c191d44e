"""Exposure of many profiles at once: non-compartmental analysis on a rectangle of samples.

Here: the choices, and from samples to parameters, profiles x samples, in one vectorised pass. Not here:
reading the samples (`profiles`), the trapezoids (`trapezoids`), windows and their tails (`partial_area`),
the line through the last samples (`terminal_slope`), expansion and persistence (`expansion`), tables of
subjects (`cart7.pk`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cart7.stats import partial_area, terminal_slope, trapezoids
from cart7.stats.expansion import SecondPeak, contraction, expansion, persistence, second_peak
from cart7.stats.nca_choices import USUAL, BlqRule, Choices
from cart7.stats.partial_area import Ending, WindowArea
from cart7.stats.profiles import (
    Peak,
    Samples,
    blocks,
    blq_class,
    earliest,
    find_peak,
    joined,
    latest,
    prepare,
    without,
)
from cart7.stats.terminal_slope import SlopeWindows, TerminalSlope
from cart7.stats.trapezoids import Curve, Flags, Floats, count, lowest, packed, total


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nca:
    """Parameters of each profile, one entry per profile; NaN where `note` or the value itself says why.

    Times in the unit of `time`, values in the unit of `value`, areas in time x value, rates in 1/time.
    `auc_window*` belong to the first window. `note` holds the codes `MISSING_TIME`, `NON_FINITE_VALUE`,
    `NEGATIVE_VALUE`, `DUPLICATE_TIME`, `NO_SAMPLES`, `NO_QUANT`, `NO_START_SAMPLE`, `NO_LAMBDA_Z`.
    """

    n_samples: Floats
    n_quantifiable: Floats
    cmax: Floats
    tmax: Floats
    tfirst: Floats
    tlag: Floats
    clast: Floats
    tlast: Floats
    auc_last: Floats
    auc_all: Floats
    auc_inf_obs: Floats
    auc_inf_pred: Floats
    auc_extrap_percent: Floats
    auc_extrap_pred_percent: Floats
    aumc_last: Floats
    aumc_inf_obs: Floats
    aumc_inf_pred: Floats
    mrt_last: Floats
    mrt_inf_obs: Floats
    mrt_inf_pred: Floats
    lambda_z: Floats
    half_life: Floats
    r_squared: Floats
    adj_r_squared: Floats
    lambda_z_n: Floats
    lambda_z_start: Floats
    lambda_z_end: Floats
    clast_pred: Floats
    span_ratio: Floats
    expansion_n: Floats
    expansion_rate: Floats
    expansion_r_squared: Floats
    doubling_time: Floats
    expansion_rate_max: Floats
    fold_expansion: Floats
    contraction_n: Floats
    contraction_half_life: Floats
    persistence_low: Floats
    persistence_high: Floats
    first_blq_after_tmax: Floats
    confirmed_loss_day: Floats
    last_sample_day: Floats
    auc_window: Floats
    auc_window_status: NDArray[np.str_]
    auc_window_percent_beyond_tlast: Floats
    auc_window_start_rule: NDArray[np.str_]
    note: NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleUse:
    """What became of each sample of the input, profiles x samples.

    `blq_class` is `first`, `middle`, `last` or empty; `fate` is empty for a sample that was used as it
    stands, else `missing result`, `before day 0`, `predose moved to day 0`, `BLQ dropped`,
    `merged` or `later duplicate`.
    """

    blq_class: NDArray[np.str_]
    in_auc: Flags
    in_lambda_z: Flags
    fate: NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examination:
    """Parameters, every window, what became of every sample, and re-expansion after the peak."""

    parameters: Nca
    windows: tuple[WindowArea, ...]
    start_rule: NDArray[np.str_]
    samples: SampleUse
    second_peak: SecondPeak


def nca(
    time: ArrayLike,
    value: ArrayLike,
    blq: ArrayLike | None = None,
    *,
    lloq: ArrayLike | None = None,
    auc_method: str = "lin-up-log-down",
    windows: tuple[tuple[float, float], ...] = ((0.0, 28.0),),
    tail: str = "auto",
    start: str = "auto",
    blq_first: BlqRule = "keep",
    blq_middle: BlqRule = "drop",
    blq_last: BlqRule = "keep",
    blq_before_tmax: BlqRule | None = None,
    blq_after_tmax: BlqRule | None = None,
    lambda_z_min_points: int = 3,
    lambda_z_include_tmax: bool = False,
    lambda_z_tolerance: float = 1e-4,
    lambda_z_slope_rule: str = "negative-only",
    lambda_z_window: tuple[float, float] | None = None,
    lambda_z_points: tuple[float, ...] | None = None,
    duplicates: str = "error",
    tmax: str = "first",
    visit_tolerance: float = 0.0,
    visit_end: str = "sampled",
) -> Nca:
    """Non-compartmental parameters of many profiles at once.

    Parameters
    ----------
    time, value : array_like, profiles x samples
        Times since infusion (infusion = 0), increasing within a profile, padded with NaN; values, NaN for
        a missing result. One-dimensional input is one profile.
    blq : array_like of bool, optional
        Samples below the limit of quantification, beside those with value 0 or under `lloq`.
    lloq : array_like, optional
        Limit of quantification, per sample or one for all.
    auc_method : {"lin-up-log-down", "linear", "lin-log"}
        Trapezoids.
    windows : tuple of (start, end)
        Windows of partial areas; the record holds the first.
    tail : {"auto", "stop", "triangle", "triangle-peer", "lambda-z-obs", "lambda-z-pred", "phoenix"}
        What lies between the last quantifiable sample and the end of a window.
    start : {"auto", "require-sample", "zero"}
        Without a sample at time 0: the last one before moves to 0, else 0 is assumed (`auto`); no area
        (`require-sample`); 0 is assumed (`zero`).
    blq_first, blq_middle, blq_last : "keep", "drop", "half-lloq" or a number
        Samples below the limit before the first, between, and after the last quantifiable one; `keep` is 0.
    blq_before_tmax, blq_after_tmax : same, optional
        Classes by Tmax instead (a sample at Tmax counts as after).
    lambda_z_min_points, lambda_z_include_tmax, lambda_z_tolerance, lambda_z_slope_rule
        Choice of the terminal window, see `terminal_slope.best_window`.
    lambda_z_window : (start, end), optional
        Fit all quantifiable samples in this closed range instead.
    lambda_z_points : tuple of float, optional
        Fit the quantifiable samples at these times instead.
    duplicates : {"error", "mean", "geo-mean", "max", "first"}
        Several results at one time; with `error` the profile is not used. Below the limit counts as 0.
    tmax : {"first", "last"}
        Which of equal maxima.
    visit_tolerance : float
        A window ends with the sample nearest to its end within this time (the earlier of two); 0: at its
        end.
    visit_end : {"sampled", "scaled"}
        Such a window: its area as sampled, or times wanted length / sampled length.

    Returns
    -------
    Nca
        Frozen record of arrays, one entry per profile. A profile that cannot be used is NaN throughout and
        `note` says why; it does not touch the others.

    Raises
    ------
    ValueError
        For shapes that do not match, times out of order, or a rule outside its choices.

    Notes
    -----
    Formulas and their agreement with other software: docs/methods/pk.md.

    References
    ----------
    Gabrielsson J, Weiner D (2012). Non-compartmental analysis. Methods Mol Biol 929:377-389.

    Examples
    --------
    >>> found = nca([0, 3, 7, 10, 14, 21, 28], [0, 100, 5000, 3000, 1500, 700, 0], lloq=50)
    >>> f"{found.cmax[0]:.0f} on day {found.tmax[0]:.0f}, AUC0-28 {found.auc_window[0]:.0f}"
    '5000 on day 7, AUC0-28 40550'
    """
    choices = Choices(
        auc_method=auc_method, windows=windows, tail=tail, start=start, blq_first=blq_first,
        blq_middle=blq_middle, blq_last=blq_last, blq_before_tmax=blq_before_tmax,
        blq_after_tmax=blq_after_tmax, lambda_z_min_points=lambda_z_min_points,
        lambda_z_include_tmax=lambda_z_include_tmax, lambda_z_tolerance=lambda_z_tolerance,
        lambda_z_slope_rule=lambda_z_slope_rule, lambda_z_window=lambda_z_window,
        lambda_z_points=lambda_z_points, duplicates=duplicates, tmax=tmax,
        visit_tolerance=visit_tolerance, visit_end=visit_end,
    )  # fmt: skip
    found: Nca = joined(_parameters(done) for done in _passes(time, value, blq, lloq, choices))
    return found


def examine(
    time: ArrayLike,
    value: ArrayLike,
    blq: ArrayLike | None = None,
    *,
    lloq: ArrayLike | None = None,
    choices: Choices,
    second_peak_fold: float = 2.0,
) -> Examination:
    """Like `nca`, with every window and the use of every sample.

    Parameters
    ----------
    time, value, blq, lloq
        As in `nca`.
    choices : Choices
        The rules.
    second_peak_fold : float, default 2.0
        Least rise above the lowest level since Tmax that is a second peak.

    Returns
    -------
    Examination
    """
    found: Examination = joined(
        Examination(
            parameters=_parameters(done),
            windows=done.windows,
            start_rule=done.start_rule,
            samples=_sample_use(done),
            second_peak=second_peak(done.samples, done.peak, second_peak_fold),
        )
        for done in _passes(time, value, blq, lloq, choices)
    )
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimeAbove:
    """Time at or above each threshold, profiles x thresholds; `note` says why a profile has none."""

    time_above: Floats
    note: NDArray[np.str_]


def time_above(
    time: ArrayLike,
    value: ArrayLike,
    blq: ArrayLike | None = None,
    *,
    lloq: ArrayLike | None = None,
    thresholds: ArrayLike,
    choices: Choices = USUAL,
) -> TimeAbove:
    """Time each profile lies at or above thresholds, from its first to its last sample from time 0 on.

    Parameters
    ----------
    time, value, blq, lloq
        As in `nca`.
    thresholds : array_like
        Levels above 0.
    choices : Choices
        `auc_method` and the rules for samples below the limit; no value is assumed at time 0.

    Returns
    -------
    TimeAbove

    Raises
    ------
    ValueError
        When there is no threshold, or one is not above 0 or stands twice.

    Examples
    --------
    >>> time_above([0, 10, 30], [0, 400, 100], thresholds=[200]).time_above.tolist()
    [[15.0]]
    """
    levels = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if not levels.size or not ((levels > 0) & (levels < np.inf)).all():
        raise ValueError(f"thresholds must be above 0, got {levels.tolist()}")
    if np.unique(levels).size < levels.size:
        raise ValueError(f"thresholds must differ, got {levels.tolist()}")
    observed = replace(choices, start="require-sample")
    found: TimeAbove = joined(_time_above(done, levels) for done in _passes(time, value, blq, lloq, observed))
    return found


def _time_above(done: "_Pass", levels: Floats) -> TimeAbove:
    days = np.stack([trapezoids.time_above(done.lines, level) for level in levels], axis=1)
    short = done.lines.count < 2
    note = np.select(
        [done.faults != "", done.no_samples, short], [done.faults, "NO_SAMPLES", "ONE_POINT"], ""
    )
    return TimeAbove(time_above=np.where(short[:, None], np.nan, days), note=note)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pass:
    """Everything one pass over the profiles has found."""

    samples: Samples
    faults: NDArray[np.str_]
    peak: Peak
    dropped: Flags
    lines: Curve
    start_rule: NDArray[np.str_]
    slope: TerminalSlope
    ending: Ending
    no_samples: Flags
    no_quant: Flags
    has_area: Flags
    windows: tuple[WindowArea, ...]
    duplicates: str


def _passes(
    time: ArrayLike, value: ArrayLike, blq: ArrayLike | None, lloq: ArrayLike | None, choices: Choices
) -> Iterator[_Pass]:
    """One pass per block of profiles."""
    for block in blocks(time, value, blq, lloq):
        yield _pass(*block, choices)


def _pass(
    time: ArrayLike, value: ArrayLike, blq: ArrayLike | None, lloq: ArrayLike | None, choices: Choices
) -> _Pass:
    carry = choices.start == "auto"
    ready = prepare(time, value, blq, lloq, duplicates=choices.duplicates, carry=carry, tmax=choices.tmax)
    samples, peak, faults = ready.samples, ready.peak, ready.faults
    substitute, dropped = _blq_values(samples, peak, choices)
    unknown: Flags = np.asarray((samples.there & np.isnan(substitute)).any(axis=1))
    if unknown.any():
        samples, faults = without(samples, unknown), np.where(unknown, "MISSING_LLOQ", faults)
        peak = find_peak(samples, choices.tmax)
    lines, start_rule = _curve(samples, peak, substitute, dropped, choices)
    slope = _terminal_slope(samples, peak, choices)
    ending = _ending(lines, peak, slope)
    sound = faults == ""
    no_samples = sound & (samples.count == 0)
    no_quant = sound & ~no_samples & np.isnan(peak.tlast)
    has_area = _has_area(samples, lines, no_quant, choices.start)
    windows = tuple(
        partial_area.window_area(
            lines, ending, low, _visit(samples, low, high, choices.visit_tolerance),
            wanted_end=high if choices.visit_end == "scaled" else None, tail=choices.tail,
            no_samples=no_samples, no_quant=no_quant,
            has_area=has_area | (~no_quant & (lines.count > 1) & (lines.time[:, 0] <= low)),
        )
        for low, high in choices.windows
    )  # fmt: skip
    return _Pass(
        samples=samples, faults=faults, peak=peak, dropped=dropped, lines=lines,
        start_rule=np.where(sound, start_rule, ""), slope=slope, ending=ending,
        no_samples=no_samples, no_quant=no_quant, has_area=has_area, windows=windows,
        duplicates=choices.duplicates,
    )  # fmt: skip


def _parameters(done: _Pass) -> Nca:
    """The parameters as a record of read-only arrays."""
    first = done.windows[0]
    columns = {
        **_point_parameters(done.samples, done.peak, done.faults == ""),
        **_areas(done.lines, done.ending, done.no_quant, done.has_area),
        **_slope_parameters(done.slope),
        **expansion(done.samples, done.peak),
        **contraction(done.samples, done.peak),
        **persistence(done.samples, done.peak),
        "auc_window": first.value,
        "auc_window_status": first.status,
        "auc_window_percent_beyond_tlast": first.percent_beyond_tlast,
        "auc_window_start_rule": done.start_rule,
        "note": _notes(done),
    }
    arrays = {}
    for field in fields(Nca):
        array = np.array(columns[field.name])
        array.setflags(write=False)
        arrays[field.name] = array
    return Nca(**arrays)


def _blq_values(samples: Samples, peak: Peak, choices: Choices) -> tuple[Floats, Flags]:
    """The number that stands for each sample below the limit, and which of them are dropped.

    The number is NaN where half of a limit is wanted that is not given.
    """
    if choices.blq_before_tmax is None and choices.blq_after_tmax is None:
        place = blq_class(samples, peak)
        rules = {"first": choices.blq_first, "middle": choices.blq_middle, "last": choices.blq_last}
    else:
        after = samples.time >= peak.tmax[:, None]
        place = np.where(samples.blq, np.where(after, "after", "before"), "")
        rules = {
            "before": "keep" if choices.blq_before_tmax is None else choices.blq_before_tmax,
            "after": "keep" if choices.blq_after_tmax is None else choices.blq_after_tmax,
        }
    value, dropped = np.zeros_like(samples.value), np.zeros_like(samples.blq)
    for name, rule in rules.items():
        if rule == "keep":
            continue
        mine = place == name
        if rule == "drop":
            dropped |= mine
        elif rule == "half-lloq":
            value = np.where(mine, np.where(samples.lloq > 0, samples.lloq, np.nan) / 2, value)
        else:
            value = np.where(mine, float(rule), value)
    return value, dropped


def _curve(
    samples: Samples, peak: Peak, substitute: Floats, dropped: Flags, choices: Choices
) -> tuple[Curve, NDArray[np.str_]]:
    """The points that are joined up, and where each curve starts."""
    kept = samples.there & ~dropped
    at_zero = (kept & (samples.time == 0)).any(axis=1)
    assumed = ~at_zero & (samples.count > 0) & (choices.start != "require-sample")
    time, value = samples.time, np.where(samples.blq, substitute, samples.value)
    if assumed.any():
        front = np.zeros((len(assumed), 1))
        time, value = np.concatenate([front, time], axis=1), np.concatenate([front, value], axis=1)
        kept = np.concatenate([assumed[:, None], kept], axis=1)
    carried = (samples.moved & ~dropped).any(axis=1)
    time, value = packed(kept, time, value)
    otherwise = "" if choices.start == "require-sample" else "ZERO_ASSUMED"
    rule = np.select([carried, at_zero], ["PREDOSE_CARRIED", "SAMPLE_AT_0"], otherwise)
    lines = trapezoids.curve(time, value, method=choices.auc_method, first_tmax=peak.first_tmax)
    return lines, rule


def slope_windows(
    time: ArrayLike,
    value: ArrayLike,
    blq: ArrayLike | None = None,
    *,
    lloq: ArrayLike | None = None,
    choices: Choices = USUAL,
) -> SlopeWindows:
    """Every window from which the terminal slope of each profile is chosen.

    Parameters
    ----------
    time, value, blq, lloq, choices
        As in `nca` and `examine`.

    Returns
    -------
    SlopeWindows
        Profiles x samples (in the order of their time, day 0 and later first).

    Examples
    --------
    >>> found = slope_windows([0, 7, 10, 14, 21, 28], [0, 900, 700, 300, 100, 40])
    >>> found.n[found.there].tolist(), found.n[found.chosen].tolist()
    ([4.0, 3.0], [3.0])
    """
    done = _pass(time, value, blq, lloq, choices)
    samples = done.samples
    return terminal_slope.all_windows(
        samples.time, samples.value, _slope_samples(samples, done.peak, choices), **_slope_choices(choices)
    )


def _terminal_slope(samples: Samples, peak: Peak, choices: Choices) -> TerminalSlope:
    return terminal_slope.best_window(
        samples.time, samples.value, _slope_samples(samples, peak, choices), peak.tlast,
        **_slope_choices(choices),
    )  # fmt: skip


def _slope_choices(choices: Choices) -> dict[str, Any]:
    return {
        "min_points": choices.lambda_z_min_points,
        "tolerance": choices.lambda_z_tolerance,
        "slope_rule": choices.lambda_z_slope_rule,
        "whole": choices.lambda_z_window is not None or choices.lambda_z_points is not None,
    }


def _slope_samples(samples: Samples, peak: Peak, choices: Choices) -> Flags:
    """Samples that may lie on the terminal line."""
    if choices.lambda_z_window is not None:
        low, high = choices.lambda_z_window
        allowed = (samples.time >= low) & (samples.time <= high)
    elif choices.lambda_z_points is not None:
        allowed = np.isin(samples.time, choices.lambda_z_points)
    elif choices.lambda_z_include_tmax:
        allowed = samples.time >= peak.tmax[:, None]
    else:
        allowed = samples.time > peak.tmax[:, None]
    return samples.quantifiable & allowed


def _ending(lines: Curve, peak: Peak, slope: TerminalSlope) -> Ending:
    after = lines.time > peak.tlast[:, None]
    loss_time = earliest(lines.time, after)
    loss_value = total(np.where(lines.time == loss_time[:, None], lines.value, 0.0))
    return Ending(
        tlast=peak.tlast, clast=peak.clast, loss_time=loss_time, loss_value=loss_value, rate=slope.rate,
        predicted=slope.predicted,
    )  # fmt: skip


def _visit(samples: Samples, start: float, end: float, tolerance: float) -> Any:
    """Where a window ends in each profile: with the sample nearest to its end, if one is near enough."""
    ends = np.full(len(samples.time), end)
    if tolerance == 0:
        return ends
    apart = np.where(samples.there & (samples.time > start), np.abs(samples.time - end), np.inf)
    nearest = lowest(apart)
    return np.where(nearest <= tolerance, earliest(samples.time, apart == nearest[:, None]), ends)


def _has_area(samples: Samples, lines: Curve, no_quant: Flags, start: str) -> Any:
    """Profiles with an area from day 0: two points, one of them on day 0 where the rule demands it."""
    if start != "require-sample":
        return (lines.count > 1) | (no_quant & (samples.count > 1))
    return (lines.count > 1) & (no_quant | (lines.time[:, 0] == 0))


def _point_parameters(samples: Samples, peak: Peak, sound: Flags) -> dict[str, Any]:
    before_first = samples.there & samples.blq & (samples.time < peak.tfirst[:, None])
    tlag = np.where(np.isnan(peak.tfirst), np.nan, np.nan_to_num(latest(samples.time, before_first)))
    return {
        "n_samples": np.where(sound, samples.count, np.nan),
        "n_quantifiable": np.where(sound, count(samples.quantifiable), np.nan),
        "cmax": peak.cmax,
        "tmax": peak.tmax,
        "tfirst": peak.tfirst,
        "tlag": tlag,
        "clast": peak.clast,
        "tlast": peak.tlast,
    }


def _areas(lines: Curve, ending: Ending, no_quant: Flags, has_area: Flags) -> dict[str, Any]:
    """AUC, AUMC and MRT; 0 where nothing is quantifiable, missing where there is no area."""
    triangle = (ending.loss_time - ending.tlast) * (ending.clast + ending.loss_value) / 2
    last = trapezoids.area(lines, 0.0, ending.tlast)
    moment = trapezoids.moment(lines, ending.tlast)
    auc = {"last": last, "all": last + np.nan_to_num(triangle)}
    aumc = {"last": moment}
    for name, level in (("obs", ending.clast), ("pred", ending.predicted)):
        after = level / ending.rate
        auc[f"inf_{name}"] = last + after
        aumc[f"inf_{name}"] = moment + after * ending.tlast + after / ending.rate
    named = {f"auc_{name}": area for name, area in auc.items()}
    named |= {f"aumc_{name}": area for name, area in aumc.items()}
    named = {name: np.where(has_area, np.where(no_quant, 0.0, area), np.nan) for name, area in named.items()}
    for name in ("last", "inf_obs", "inf_pred"):
        named[f"mrt_{name}"] = _ratio(named[f"aumc_{name}"], named[f"auc_{name}"])
    named["auc_extrap_percent"] = 100 * (1 - _ratio(named["auc_last"], named["auc_inf_obs"]))
    named["auc_extrap_pred_percent"] = 100 * (1 - _ratio(named["auc_last"], named["auc_inf_pred"]))
    return named


def _ratio(above: Floats, below: Floats) -> Any:
    """Quotient; missing where the denominator is 0."""
    return np.where(below > 0, above, np.nan) / np.where(below > 0, below, 1.0)


def _slope_parameters(slope: TerminalSlope) -> dict[str, Any]:
    half_life = np.log(2) / slope.rate
    return {
        "lambda_z": slope.rate,
        "half_life": half_life,
        "r_squared": slope.r_squared,
        "adj_r_squared": slope.adj_r_squared,
        "lambda_z_n": slope.n,
        "lambda_z_start": slope.start,
        "lambda_z_end": slope.end,
        "clast_pred": slope.predicted,
        "span_ratio": (slope.end - slope.start) / half_life,
    }


def _notes(done: _Pass) -> NDArray[np.str_]:
    """Codes of each profile, each with its words, separated by semicolons."""
    notes = np.where(done.no_samples, "NO_SAMPLES", done.faults).astype(object)
    sound = notes == ""
    no_start = (done.lines.count == 0) | (done.lines.time[:, 0] > 0)
    found = (
        (sound & done.no_quant, "NO_QUANT"),
        (sound & ~done.has_area & no_start, "NO_START_SAMPLE: no area from day 0"),
        (sound & ~done.has_area & ~no_start, "ONE_POINT: no area"),
        (sound & ~done.no_quant & np.isnan(done.slope.rate), "NO_LAMBDA_Z"),
    )
    for where, code in found:
        words = f"{code}: {{}}" if code == "NO_LAMBDA_Z" else code
        for row in np.flatnonzero(where):
            before = f"{notes[row]}; " if notes[row] else ""
            notes[row] = before + words.format(done.slope.reason[row])
    return notes.astype(np.str_)


def _sample_use(done: _Pass) -> SampleUse:
    """What became of each cell of the input."""
    samples = done.samples

    def back(values: NDArray[Any]) -> Any:
        return np.take_along_axis(values, samples.slot, axis=1)

    given = samples.given
    shared, set_aside = np.zeros_like(given), np.zeros_like(given)
    if samples.merged is not None:
        results = np.zeros(samples.merged.shape)
        np.add.at(results, (np.nonzero(given)[0], samples.slot[given]), 1.0)
        order = np.maximum(np.cumsum(given, axis=1) - 1, 0)
        repeats = np.diff(samples.merged, axis=1, prepend=-1) == 0
        later = given & np.take_along_axis(repeats, order, axis=1)
        if done.duplicates == "first":
            set_aside = later
        else:
            shared = given & back(results > 1)
    used = given & ~set_aside
    fates = {
        "missing result": ~given,
        "later duplicate": set_aside,
        "before day 0": ~back(samples.there),
        "predose moved to day 0": back(samples.moved),
        "BLQ dropped": back(done.dropped),
        "merged": shared,
    }
    kept = samples.there & ~done.dropped & done.has_area[:, None]
    return SampleUse(
        blq_class=np.where(given, back(blq_class(samples, done.peak)), ""),
        in_auc=used & back(kept),
        in_lambda_z=used & back(done.slope.used),
        fate=np.select(list(fates.values()), list(fates), ""),
    )
