"""Area in a window, for example day 0 to day 28, with a word that says how it was obtained.

Here: the area up to the last quantifiable sample and the rule for what lies between it and the end
of the window. Not here: the curve itself (`trapezoids`) and the terminal slope.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cart7.stats.trapezoids import Curve, Flags, Floats, area, log_ratio

TAILS = ("auto", "stop", "triangle", "triangle-peer", "lambda-z-obs", "lambda-z-pred", "phoenix")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ending:
    """How each curve ends: all arrays hold one entry per profile.

    `tlast`, `clast`: last quantifiable sample. `loss_time`, `loss_value`: the next point of the curve
    after it (NaN where there is none). `rate`, `predicted`: terminal rate and its line at `tlast`.
    """

    tlast: Floats
    clast: Floats
    loss_time: Floats
    loss_value: Floats
    rate: Floats
    predicted: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowArea:
    """Area of one window: `value` (NaN where not estimable), `status` and the percentage after Tlast.

    `end` is where the window ends in each profile.
    """

    end: Floats
    value: Floats
    status: NDArray[np.str_]
    percent_beyond_tlast: Floats


def window_area(
    lines: Curve,
    ending: Ending,
    start: float,
    end: Floats,
    *,
    wanted_end: float | None = None,
    tail: str,
    no_samples: Flags,
    no_quant: Flags,
    has_area: Flags,
) -> WindowArea:
    """Area of every profile between `start` and `end`.

    Parameters
    ----------
    lines : Curve
        The curves.
    ending : Ending
        Where and how they end.
    start : float
        Where the window starts.
    end : ndarray
        Where it ends in each profile, after `start`.
    wanted_end : float, optional
        Where it should end: areas are scaled to that length.
    tail : str
        Rule for the part after the last quantifiable sample, one of `TAILS`.
    no_samples, no_quant, has_area : ndarray of bool
        Profiles without samples; without a quantifiable one; whose curve has an area from `start` on.

    Returns
    -------
    WindowArea
        `status` is `OBSERVED` (a sample at `end`), `INTERPOLATED`, `BLQ_TRIANGLE`, `EXTRAPOLATED`,
        `TRUNCATED` (nothing added after the last quantifiable sample), `NOT_ESTIMABLE`, `NO_QUANT` (area 0)
        or `NO_SAMPLES`.
    """
    body = area(lines, start, np.minimum(end, ending.tlast))
    beyond = end > ending.tlast
    rule = np.where(beyond, _tail_rule(tail, ending), "inside")
    after = np.zeros_like(body)
    for name in ("triangle", "triangle-peer", "lambda-z-obs", "lambda-z-pred", "phoenix"):
        chosen = rule == name
        if chosen.any():
            after[chosen] = _tail_area(name, ending, start, end)[chosen]
    value = body + after
    percent = np.where(value > 0, 100 * after / np.where(value > 0, value, 1.0), 0.0)
    if wanted_end is not None:
        value = value * ((wanted_end - start) / (end - start))
    at_sample = (lines.time == end[:, None]).any(axis=1)
    status = np.select(
        [no_samples, no_quant & has_area, ~has_area | (rule == "none"), ~beyond & at_sample, ~beyond,
         rule == "stop", np.isin(rule, ("triangle", "triangle-peer"))],
        ["NO_SAMPLES", "NO_QUANT", "NOT_ESTIMABLE", "OBSERVED", "INTERPOLATED", "TRUNCATED", "BLQ_TRIANGLE"],
        "EXTRAPOLATED",
    )  # fmt: skip
    missing = (status == "NO_SAMPLES") | (status == "NOT_ESTIMABLE")
    return WindowArea(
        end=end,
        value=np.where(missing, np.nan, np.where(status == "NO_QUANT", 0.0, value)),
        status=status,
        percent_beyond_tlast=np.where(missing | (status == "NO_QUANT"), np.nan, percent),
    )


def _tail_rule(tail: str, ending: Ending) -> Any:
    """What is done after Tlast in each profile: a rule's name, `stop` (nothing) or `none` (not estimable)."""
    lost = ~np.isnan(ending.loss_time)
    slope = ~np.isnan(ending.rate)
    if tail == "stop":
        return np.full(lost.shape, "stop")
    if tail in ("triangle", "triangle-peer"):
        return np.where(lost, tail, "stop")
    if tail == "auto":
        return np.select([lost, slope], ["triangle", "lambda-z-obs"], "none")
    if tail == "phoenix":
        return np.select([lost, slope], ["triangle-peer", "phoenix"], "none")
    return np.where(slope, tail, "none")


def _tail_area(rule: str, ending: Ending, start: float, end: Floats) -> Any:
    """Area from Tlast (or `start`, if later) to `end`; NaN where the rule does not apply."""
    since = np.maximum(start, ending.tlast)
    if rule in ("triangle", "triangle-peer"):
        return _triangle(ending, since, end, peer=rule == "triangle-peer")
    if rule == "phoenix":
        first = np.where(start > ending.tlast, _on_line(ending, since), ending.clast)
        last = _on_line(ending, end)
        return _log_piece(first, last, end - since)
    level = ending.clast if rule == "lambda-z-obs" else ending.predicted
    begun = np.exp(-ending.rate * (since - ending.tlast))
    return level / ending.rate * begun * -np.expm1(-ending.rate * (end - since))


def _triangle(ending: Ending, since: Floats, end: Floats, *, peer: bool) -> Any:
    """Straight line from the last quantifiable value down to the next sample, cut at `end`."""
    stop = np.minimum(end, ending.loss_time)
    begin = np.minimum(since, stop)
    fall = (ending.loss_value - ending.clast) / (ending.loss_time - ending.tlast)
    first = ending.clast + fall * (begin - ending.tlast)
    last = np.where(stop == ending.loss_time, ending.loss_value, ending.clast + fall * (stop - ending.tlast))
    exact = (stop - begin) * (first + last) / 2
    if not peer:
        return exact
    # The packages put a point on the line at the end of the window and join it by the log rule.
    return np.where(end < ending.loss_time, _log_piece(first, last, stop - begin), exact)


def _on_line(ending: Ending, time: Floats) -> Any:
    return ending.predicted * np.exp(-ending.rate * (time - ending.tlast))


def _log_piece(first: Floats, last: Floats, width: Floats) -> Any:
    """Logarithmic trapezoid between two values; linear when they are equal or not above 0."""
    log = (first > 0) & (last > 0) & (first != last)
    ratio = np.where(log, log_ratio(first, last, log), 1.0)
    return np.where(log, width * (last - first) / ratio, width * (first + last) / 2)
