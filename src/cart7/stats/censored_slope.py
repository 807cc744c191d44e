"""The terminal slope when samples below the limit count as what they are: known to be low, not known how low.

Here: the straight line through the logarithms of a profile by maximum likelihood, samples below the limit
left-censored (Tobit regression), for all profiles at once. Not here: which samples the line is for (the
caller's window) and the line through quantifiable samples only (`terminal_slope`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfcx, log_ndtr

from cart7.stats.trapezoids import Flags, Floats, count, packed, total

# Residuals of ln(value) this small are rounding, not scatter: the samples lie exactly on a line.
_EXACT = 1e-9
# Newton: enough steps for any data; the last step is one that could raise the log likelihood by no more than
# _NOTHING_TO_GAIN, and a step that could raise it by less than _SURE needs no check.
_MAX_STEPS, _MAX_HALVINGS = 200, 60
_NOTHING_TO_GAIN, _SURE = 1e-20, 1e-8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CensoredSlope:
    """One line per profile, NaN where there is none.

    Attributes
    ----------
    n_quantifiable, n_censored : ndarray of int
        Samples of the window above and below the limit.
    rate : ndarray
        Elimination rate, minus the slope of ln(value), per unit of time; below 0 where the line rises.
    half_life : ndarray
        ln(2) / rate, in the unit of time; NaN where the line does not fall.
    intercept : ndarray
        ln(value) of the line at time 0.
    sigma : ndarray
        Standard deviation of ln(value) about the line, maximum likelihood (divisor n without censoring).
    log_likelihood : ndarray
        Log density of ln(value) of the quantifiable samples plus log probability of the censored ones.
    std_err : ndarray
        Standard error of `rate` from the observed information.
    reason : ndarray of str
        Why something is NaN, else empty.
    """

    n_quantifiable: NDArray[np.intp]
    n_censored: NDArray[np.intp]
    rate: Floats
    half_life: Floats
    intercept: Floats
    sigma: Floats
    log_likelihood: Floats
    std_err: Floats
    reason: NDArray[np.str_]


def censored_slope(
    time: Floats, value: Floats, censored: Flags, limit: ArrayLike, where: Flags
) -> CensoredSlope:
    """Log-linear slope of each profile by maximum likelihood, samples below the limit left-censored.

    Parameters
    ----------
    time, value : ndarray, profiles x samples
        Times, in any order and unit; values above 0 where quantifiable (not read where `censored`).
    censored : ndarray of bool
        Samples known only to be below their `limit`.
    limit : float or ndarray, profiles x samples
        Lower limit of quantification in the unit of `value`; read where `censored`.
    where : ndarray of bool
        Samples the line is for.

    Returns
    -------
    CensoredSlope

    Raises
    ------
    ValueError
        If the arrays are not profiles x samples of one shape.

    Notes
    -----
    ln(value) is normal about a straight line in time with one standard deviation. In the parameters
    (line / sigma, 1 / sigma) the log likelihood is concave (Olsen 1978), so Newton steps, halved where they
    overshoot, end at its only maximum. Same numbers as R ``survival::survreg(Surv(ln, quantifiable,
    type = "left") ~ time, dist = "gaussian")``; without censored samples, least squares.

    There is a finite maximum when quantifiable samples lie at two times or more and no straight line runs
    through all of them and on or below the limit of every censored one. Where such a line exists (residuals
    of ln(value) within 1e-9, which is rounding):

    - two quantifiable samples: no line, as any two lie on one. (A third sample that is below its limit while
      the line through the two is above it makes a fit.)
    - more: that line, which is what the estimates tend to, with `sigma` 0 and no likelihood.

    A quantifiable sample alone is given no line, even between two censored ones.

    References
    ----------
    Olsen RJ (1978). Econometrica 46:1211-1215. doi:10.2307/1911445
    Tobin J (1958). Econometrica 26:24-36. doi:10.2307/1907382

    Examples
    --------
    >>> import numpy as np
    >>> day = np.array([[14.0, 21.0, 28.0, 60.0]])
    >>> copies = np.array([[6876.0, 2784.0, 967.0, 0.0]])
    >>> below = copies == 0
    >>> fit = censored_slope(day, copies, below, 50.0, np.ones_like(below))
    >>> f"{fit.rate[0]:.4f} per day, half-life {fit.half_life[0]:.2f} days, sigma {fit.sigma[0]:.4f}"
    '0.1401 per day, half-life 4.95 days, sigma 0.0361'
    """
    level, usable = _levels(time, value, censored, limit, where)
    there = where & usable[:, None]
    quantifiable, below = there & ~censored, there & censored
    n = count(quantifiable)
    line = _least_squares(time, level, quantifiable, below)
    exact = line.scale <= _EXACT
    line_only = line.sloped & exact & (n > 2)
    fit = _most_likely(line, n, below, line.sloped & ~exact)
    rate = 0.0 - np.where(line_only, line.slope, line.slope + fit.turn)
    height = np.where(line_only, line.mean_log, line.mean_log + fit.lift)
    falls = rate > 0
    return CensoredSlope(
        n_quantifiable=count(where & ~censored),
        n_censored=count(where & censored),
        rate=rate,
        half_life=np.where(falls, np.log(2), np.nan) / np.where(falls, rate, 1.0),
        intercept=height + rate * line.mean_time,
        sigma=np.where(line_only, 0.0, fit.sigma),
        log_likelihood=fit.log_likelihood,
        std_err=fit.std_err,
        reason=_reason(usable, n, line.sloped, exact, line_only, rate),
    )


def _reason(
    usable: Flags, n: NDArray[np.intp], sloped: Flags, exact: Flags, line_only: Flags, rate: Floats
) -> NDArray[np.str_]:
    no_likelihood = "quantifiable samples exactly on a line: no likelihood"
    reasons = {
        "a sample has no usable time, value or limit": ~usable,
        "no quantifiable sample": n == 0,
        "quantifiable samples at one time only": ~sloped,
        "two quantifiable samples only, which always lie on a line": exact & ~line_only,
        "the likelihood was not maximised": np.isnan(rate),
        no_likelihood: line_only & (rate > 0),
        f"{no_likelihood}; the line does not fall": line_only,
        "the line does not fall": rate <= 0,
    }
    return np.select(list(reasons.values()), list(reasons), "")


def _levels(
    time: Floats, value: Floats, censored: Flags, limit: ArrayLike, where: Flags
) -> tuple[Floats, Flags]:
    """The value of each quantifiable sample and the limit of each other; profiles where all are usable."""
    shape = time.shape
    if len(shape) != 2 or not shape == value.shape == censored.shape == where.shape:
        shapes = ", ".join(str(array.shape) for array in (time, value, censored, where))
        raise ValueError(
            f"time, value, censored and where must be profiles x samples of one shape, got {shapes}"
        )
    level = np.where(censored, np.asarray(limit, dtype=np.float64), value)
    if level.shape != shape:
        raise ValueError(f"limit must be one number or of shape {shape}, got {np.shape(limit)}")
    sound = np.isfinite(time) & np.isfinite(level) & (level > 0)
    return level, np.asarray((sound | ~where).all(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Line:
    """Least squares through the quantifiable samples, and where the censored ones stand to it.

    `sloped` marks profiles with quantifiable samples at two times or more. `spread` is the standard
    deviation of those times, `step` the distance of a sample from their mean in units of it. `gap` is how
    far the limit of a censored sample lies above the line, `scale` the root mean square of the residuals
    and of the gaps below 0: it is 0 when the line contradicts no sample.
    """

    sloped: Flags
    mean_time: Floats
    mean_log: Floats
    slope: Floats
    spread: Floats
    rss: Floats
    scale: Floats
    step: Floats
    gap: Floats


def _least_squares(time: Floats, level: Floats, quantifiable: Flags, below: Flags) -> _Line:
    there = quantifiable | below
    n = np.maximum(count(quantifiable), 1)
    # Times and logs relative to one sample: equal ones give exactly 0, so a constant profile has no slope.
    one = quantifiable & (np.cumsum(quantifiable, axis=1) == 1)
    time_0 = total(np.where(one, time, 0.0))
    log = np.log(np.where(there, level, 1.0))
    log_0 = total(np.where(one, log, 0.0))
    x = np.where(there, time - time_0[:, None], 0.0)
    y = np.where(there, log - log_0[:, None], 0.0)
    mean_x = total(np.where(quantifiable, x, 0.0)) / n
    mean_y = total(np.where(quantifiable, y, 0.0)) / n
    x, y = x - mean_x[:, None], y - mean_y[:, None]
    sxx = total(np.where(quantifiable, x * x, 0.0))
    sloped = sxx > 0
    slope = total(np.where(quantifiable, x * y, 0.0)) / np.where(sloped, sxx, 1.0)
    rest = y - slope[:, None] * x
    rss = total(np.where(quantifiable, rest * rest, 0.0))
    contradicted = total(np.where(below, np.minimum(rest, 0.0) ** 2, 0.0))
    spread = np.sqrt(np.where(sloped, sxx / n, 1.0))
    return _Line(
        sloped=sloped, mean_time=time_0 + mean_x, mean_log=log_0 + mean_y,
        slope=np.where(sloped, slope, np.nan), spread=spread, rss=rss,
        scale=np.sqrt((rss + contradicted) / np.maximum(count(there), 1)),
        step=x / spread[:, None], gap=rest,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fit:
    """The most likely line: how it differs from least squares in slope and in height at the mean time."""

    turn: Floats
    lift: Floats
    sigma: Floats
    log_likelihood: Floats
    std_err: Floats


def _most_likely(line: _Line, n: NDArray[np.intp], below: Flags, wanted: Flags) -> _Fit:
    """Maximum likelihood for the wanted profiles; NaN for the others and where Newton did not arrive."""
    rows = np.flatnonzero(wanted)
    scale, spread = line.scale[rows], line.spread[rows]
    is_below, step, gap = packed(below[rows], below[rows], line.step[rows], line.gap[rows])
    samples = _Samples(
        n=n[rows].astype(np.float64),
        rss=line.rss[rows] / scale**2,
        below=is_below,
        step=np.where(is_below, step, 0.0),
        gap=np.where(is_below, gap, 0.0) / scale[:, None],
    )
    peak = _climb(samples)
    h, height, turn = peak
    sigma = scale / h
    towards = np.stack([-turn / h, np.zeros_like(h), np.ones_like(h)])
    variance = _dot(towards, _solved(_derivatives(samples, peak)[1], towards))

    def everywhere(values: Floats) -> Floats:
        table = np.full(wanted.shape, np.nan)
        table[rows] = values
        return table

    return _Fit(
        turn=everywhere(sigma * turn / spread),
        lift=everywhere(sigma * height),
        sigma=everywhere(sigma),
        log_likelihood=everywhere(
            _log_likelihood(samples, peak) - samples.n * (np.log(scale) + np.log(2 * np.pi) / 2)
        ),
        std_err=everywhere(sigma * np.sqrt(variance) / spread),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Samples:
    """What the likelihood needs, with gaps in units of `scale`.

    `n` and `rss` say all about the quantifiable samples, whose residuals and steps sum to 0; the censored
    ones stand one by one. The parameters are h = 1 / sigma, and by how much the line is higher and turned
    from least squares, both divided by sigma: Olsen's, from another origin.
    """

    n: Floats
    rss: Floats
    below: Flags
    step: Floats
    gap: Floats

    def of(self, rows: NDArray[np.intp]) -> "_Samples":
        return _Samples(
            n=self.n[rows], rss=self.rss[rows], below=self.below[rows], step=self.step[rows],
            gap=self.gap[rows],
        )  # fmt: skip


def _climb(samples: _Samples) -> Floats:
    """Parameters (h, height, turn) x profiles of the greatest likelihood, NaN where it was not reached.

    Each profile stops at its own last step; those still climbing are computed without it.
    """
    peak = np.full((3, samples.n.size), np.nan)
    rows = np.arange(samples.n.size)
    at = np.zeros(peak.shape)
    at[0] = 1.0
    for _ in range(_MAX_STEPS):
        if rows.size == 0:
            break
        here = samples.of(rows)
        uphill, curvature = _derivatives(here, at)
        move = _solved(curvature, uphill)
        gain = _dot(uphill, move)
        at = _moved(here, at, move, gain)
        arrived = gain <= _NOTHING_TO_GAIN
        peak[:, rows[arrived]] = at[:, arrived]
        rows, at = rows[~arrived], at[:, ~arrived]
    return peak


def _moved(samples: _Samples, at: Floats, move: Floats, gain: Floats) -> Floats:
    """One step, halved where it does not raise the log likelihood as the gradient promises."""
    start = _log_likelihood(samples, at)
    size = np.ones_like(gain)
    for _ in range(_MAX_HALVINGS):
        reached = _log_likelihood(samples, at + size * move)
        short = (gain > _SURE) & ~(reached >= start + 0.1 * size * gain)
        if not short.any():
            break
        size = np.where(short, size / 2, size)
    return at + size * move


def _distance(samples: _Samples, at: Floats) -> Floats:
    """How many standard deviations the limit of each censored sample lies above the line."""
    h, height, turn = at[:, :, None]
    return np.asarray(h * samples.gap - height - turn * samples.step)


def _log_likelihood(samples: _Samples, at: Floats) -> Floats:
    """Log likelihood up to a constant, -inf where h is not above 0."""
    h, height, turn = at
    possible = h > 0
    of_quantifiable = (
        samples.n * np.log(np.where(possible, h, 1.0))
        - (samples.rss * h**2 + samples.n * (height**2 + turn**2)) / 2
    )
    of_censored = total(np.where(samples.below, log_ndtr(_distance(samples, at)), 0.0))
    return np.where(possible, of_quantifiable + of_censored, -np.inf)


def _derivatives(samples: _Samples, at: Floats) -> tuple[Floats, Floats]:
    """Gradient, and minus the second derivatives as `_solved` takes them."""
    h, height, turn = at
    n, gap, step = samples.n, samples.gap, samples.step
    distance = _distance(samples, at)
    # phi / Phi by the scaled complementary error function, which neither overflows nor cancels in the tail.
    pull = np.where(samples.below, np.sqrt(2 / np.pi) / erfcx(-distance / np.sqrt(2)), 0.0)
    weight = np.clip(pull * (pull + distance), 0.0, 1.0)
    own = n / h**2 + samples.rss
    gradient = [
        n / h - samples.rss * h + total(pull * gap), -n * height - total(pull), -n * turn - total(pull * step)
    ]  # fmt: skip
    curvature = [
        own + total(weight * gap * gap), n + total(weight), n + total(weight * step * step),
        -total(weight * gap), -total(weight * gap * step), total(weight * step), own, n,
    ]  # fmt: skip
    return np.stack(gradient), np.stack(curvature)


def _solved(curvature: Floats, right: Floats) -> Floats:
    """Solution of each profile's 3 x 3 system, by elimination in the order height, turn, h.

    `curvature` holds the diagonal (h, height, turn), the entries beside it (h-height, h-turn, height-turn),
    and the part of the h and of the turn entry that the quantifiable samples give. What elimination leaves
    of the diagonal is never less than that part; taking it as the floor keeps rounding from dividing by 0.
    """
    hh, aa, bb, ha, hb, ab, own, n = curvature
    by_h, by_a, by_b = right
    ab_a, ha_a = ab / aa, ha / aa
    bb = np.maximum(bb - ab_a * ab, n)
    hb = hb - ha_a * ab
    hb_b = hb / bb
    hh = np.maximum(hh - ha_a * ha - hb_b * hb, own)
    by_b = by_b - ab_a * by_a
    h = (by_h - ha_a * by_a - hb_b * by_b) / hh
    b = by_b / bb - hb_b * h
    a = by_a / aa - ab_a * b - ha_a * h
    return np.stack([h, a, b])


def _dot(one: Floats, other: Floats) -> Floats:
    """Inner product of each profile's three numbers."""
    return np.asarray(one[0] * other[0] + one[1] * other[1] + one[2] * other[2])
