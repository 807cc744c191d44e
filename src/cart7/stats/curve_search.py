"""The search for the best expansion and contraction curve of each profile.

Here: the curve on the log scale with its slopes, what is minimised (squares, or the likelihood with samples
below the limit), where the search starts and how it descends. Not here: what a profile is, names, standard
errors and reasons (`curve_fit`).

The loss is smooth while the peak lies between two neighbouring samples and has a kink where it passes one.
So the peak is confined to one such gap at a time, and every gap is searched: from each division of the
falling samples into an early and a late phase, whose straight lines give the two rates, and from random
shapes. All profiles, gaps and starts descend together, and only the best of each profile go on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr

from cart7.stats.trapezoids import Flags, Floats

# Columns of the parameters searched; the last only where there are samples below the limit.
TMAX, LOG_CMAX, LOG_FOLD, LOG_ALPHA, LOG_BETA, LOGIT_SLOW, LOG_SIGMA = range(7)
# Bounds. Those of cmax, and the upper one of fold, only keep the exponentials finite; sigma has a lower one
# because the likelihood of a curve through every sample has no maximum.
LOW = np.array([0.001, -300.0, 0.1, np.log(0.001), np.log(1e-6), -12.0, np.log(1e-3)])
HIGH = np.array([200.0, 600.0, 600.0, np.log(5.0), np.log(0.5), 6.0, np.log(1e2)])

# Descents: how many steps, and how many of each profile's searches then go on.
_STAGES = ((15, 100), (30, 24), (100, 6))
_POLISH_STEPS = 60
# Random shapes in each gap: place of the peak in it (0 to 1), ln alpha, ln beta, logit of the slow fraction.
_N_RANDOM = 24
_SHAPE_LOW = np.array([0.0, np.log(0.005), np.log(1e-5), -9.0])
_SHAPE_HIGH = np.array([1.0, np.log(4.0), np.log(0.3), 2.0])
# Early phases of one or two samples are always tried, of longer ones at most this many.
_MOST_SPLITS = 14
# What a sample below the limit counts as when a start is chosen: half of it.
_BELOW_LIMIT = np.log(2.0)
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problems:
    """One descent per row: a profile's samples with the peak in one gap.

    `y` is ln(value), or ln(limit) where `below`; `weight` is 1 for a sample, 0 for padding; `rising` marks
    the samples before the gap.
    """

    profile: NDArray[np.intp]
    time: Floats
    y: Floats
    weight: Floats
    below: Flags
    rising: Flags
    low: Floats
    high: Floats

    def rows(self, keep: NDArray[Any]) -> "Problems":
        """Some of the problems."""
        return Problems(
            profile=self.profile[keep], time=self.time[keep], y=self.y[keep], weight=self.weight[keep],
            below=self.below[keep], rising=self.rising[keep], low=self.low[keep], high=self.high[keep],
        )  # fmt: skip


Loss = Callable[[Problems, Floats], tuple[Any, Any, Any]]


def log_curve(problems: Problems, at: Floats) -> tuple[Any, Any]:
    """Natural logarithm of the curve at each sample, and its slopes: rows x 6 x samples."""
    tmax, log_cmax, log_fold, alpha, beta, logit = (
        at[:, TMAX, None], at[:, LOG_CMAX, None], at[:, LOG_FOLD, None],
        np.exp(at[:, LOG_ALPHA, None]), np.exp(at[:, LOG_BETA, None]), at[:, LOGIT_SLOW, None],
    )  # fmt: skip
    rising = problems.rising
    left = 1 - problems.time / tmax
    since = np.where(rising, 0.0, problems.time - tmax)
    # The slow phase's share of what is left after the peak, on the logit scale.
    share = logit + (alpha - beta) * since
    slow, slow_at_peak = expit(share), expit(logit)
    fall = -alpha * since + _softplus(share) - _softplus(logit)
    falling = ~rising
    slopes = np.empty((at.shape[0], 6, problems.time.shape[1]))
    slopes[:, TMAX] = np.where(rising, -log_fold * problems.time / tmax**2, (1 - slow) * alpha + slow * beta)
    slopes[:, LOG_CMAX] = 1.0
    slopes[:, LOG_FOLD] = np.where(rising, -left, 0.0)
    slopes[:, LOG_ALPHA] = -(1 - slow) * alpha * since
    slopes[:, LOG_BETA] = -slow * beta * since
    slopes[:, LOGIT_SLOW] = np.where(falling, slow - slow_at_peak, 0.0)
    return log_cmax + np.where(rising, -log_fold * left, fall), slopes


def _softplus(x: Floats) -> Any:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def squares(problems: Problems, at: Floats) -> tuple[Any, Any, Any]:
    """Half the sum of squared ln residuals, its gradient and its Gauss-Newton curvature."""
    fitted, slopes = log_curve(problems, at)
    residual = problems.weight * (problems.y - fitted)
    slopes *= problems.weight[:, None]
    gradient = -(slopes @ residual[:, :, None])[:, :, 0]
    return 0.5 * _dot(residual, residual), gradient, slopes @ slopes.transpose(0, 2, 1)


def censored(problems: Problems, at: Floats) -> tuple[Any, Any, Any]:
    """Minus the log-likelihood with samples below the limit, its gradient and an approximate curvature.

    The curvature leaves out the curve's own bending (Gauss-Newton) and takes the expected value for sigma,
    so it is never negative.
    """
    fitted, slopes = log_curve(problems, at)
    spread = np.exp(at[:, LOG_SIGMA, None])
    z = problems.weight * (problems.y - fitted) / spread
    slopes *= (problems.weight / spread)[:, None]
    below = problems.below
    known = problems.weight * ~below
    tail = np.where(below, log_ndtr(np.where(below, z, 0.0)), 0.0)
    mills = np.where(below, np.exp(-0.5 * z * z - _HALF_LOG_2PI - tail), 0.0)
    loss = _dot(known, 0.5 * z * z + at[:, LOG_SIGMA, None] + _HALF_LOG_2PI) - tail.sum(axis=1)
    push = np.where(below, -mills, z)
    bend = np.where(below, np.maximum(mills * (z + mills), 0.0), known)
    n = len(at)
    gradient, curvature = np.empty((n, 7)), np.empty((n, 7, 7))
    gradient[:, :6] = -(slopes @ push[:, :, None])[:, :, 0]
    gradient[:, 6] = known.sum(axis=1) - _dot(z, push)
    weighted = slopes * bend[:, None]
    curvature[:, :6, :6] = weighted @ slopes.transpose(0, 2, 1)
    curvature[:, :6, 6] = curvature[:, 6, :6] = (weighted @ np.where(below, z, 0.0)[:, :, None])[:, :, 0]
    curvature[:, 6, 6] = 2 * known.sum(axis=1) + _dot(np.where(below, z * z, 0.0), bend)
    return loss, gradient, curvature


def exact_curvature(loss: Loss, problems: Problems, at: Floats) -> Any:
    """Second derivatives of the loss, from differences of its gradient."""
    width = at.shape[1]
    curvature = np.empty((len(at), width, width))
    for column in range(width):
        step = np.zeros(width)
        step[column] = 1e-5
        above, below = loss(problems, at + step)[1], loss(problems, at - step)[1]
        curvature[:, column] = (above - below) / 2e-5
    return 0.5 * (curvature + curvature.transpose(0, 2, 1))


def bent(loss: Loss) -> Loss:
    """The loss with its exact curvature, turned upwards where it bends down."""

    def with_curvature(problems: Problems, at: Floats) -> tuple[Any, Any, Any]:
        value, gradient, _ = loss(problems, at)
        bends, axes = np.linalg.eigh(exact_curvature(loss, problems, at))
        return value, gradient, (axes * np.abs(bends)[:, None, :]) @ axes.transpose(0, 2, 1)

    return with_curvature


def _dot(a: Floats, b: Floats) -> Any:
    return (a[:, None, :] @ b[:, :, None])[:, 0, 0]


def descend(
    loss: Loss, problems: Problems, start: Floats, steps: int, *, corrected: bool = False
) -> tuple[Floats, Floats, Flags]:
    """Levenberg-Marquardt within the bounds from every start: parameters, loss, whether it has settled.

    `corrected` takes a second step with the same curvature, which leads back into a bent valley.
    """
    at = np.clip(start, problems.low, problems.high)
    value, gradient, curvature = loss(problems, at)
    damping, quiet = np.full(len(at), 1e-2), np.zeros(len(at), dtype=np.intp)
    best, best_value, settled = at.copy(), value.copy(), np.zeros(len(at), dtype=bool)
    active = np.arange(len(at))
    # Squares may end at 0 and count relatively; a log-likelihood has no such scale.
    least = 1e-22 if at.shape[1] == LOG_SIGMA else 1e-11
    for _ in range(steps):
        trial, expected = _step(problems, at, gradient, curvature, damping)
        found = loss(problems, trial)
        if corrected:
            again, _ = _step(problems, trial, found[1], curvature, damping)
            other = loss(problems, again)
            trial, *rest = _chosen(other[0] < found[0], (again, *other), (trial, *found))
            found = (rest[0], rest[1], rest[2])
        gain = value - found[0]
        better = gain > 0
        promised = np.where(better, gain, np.abs(expected))
        quiet = np.where(promised <= 1e-11 * np.abs(value) + least, quiet + 1, 0)
        at, value, gradient, curvature = _chosen(better, (trial, *found), (at, value, gradient, curvature))
        good = better & (gain > 0.5 * expected)
        damping = np.clip(damping * np.where(good, 0.2, np.where(better, 1.0, 5.0)), 1e-9, 1e12)
        done = (quiet >= 3) | (damping > 1e11)
        best[active], best_value[active] = at, value
        settled[active] = done | (promised <= 1e-8 * np.abs(value) + least)
        if done.all():
            break
        if done.any():
            keep = ~done
            problems, active, damping, quiet = problems.rows(keep), active[keep], damping[keep], quiet[keep]
            at, value, gradient, curvature = at[keep], value[keep], gradient[keep], curvature[keep]
    return best, best_value, settled


def _chosen(where: Flags, these: tuple[Any, ...], those: tuple[Any, ...]) -> list[Any]:
    """Row by row the one or the other."""
    return [
        np.where(where.reshape(-1, *[1] * (np.ndim(this) - 1)), this, that)
        for this, that in zip(these, those, strict=True)
    ]


def _step(
    problems: Problems, at: Floats, gradient: Floats, curvature: Floats, damping: Floats
) -> tuple[Any, Any]:
    """The next trial and the gain the curvature promises; what a bound holds back stays where it is."""
    held = ((at <= problems.low) & (gradient > 0)) | ((at >= problems.high) & (gradient < 0))
    size = np.sqrt(np.maximum(np.einsum("bii->bi", curvature), 0.0))
    unit = np.where(~held & (size > 1e-12), size, np.inf)
    scaled = curvature / unit[:, :, None] / unit[:, None, :]
    diagonal = np.arange(at.shape[1])
    scaled[:, diagonal, diagonal] = 1.0 + damping[:, None]
    move = np.linalg.solve(scaled, -(gradient / unit)[:, :, None])[:, :, 0] / unit
    # A flat direction must not throw a rate from one bound to the other.
    move[:, LOG_FOLD:] = np.clip(move[:, LOG_FOLD:], -2.0, 2.0)
    trial = np.clip(at + move, problems.low, problems.high)
    moved = trial - at
    bend = (moved[:, None, :] @ curvature @ moved[:, :, None])[:, 0, 0]
    return trial, -_dot(gradient, moved) - 0.5 * bend


def random_shapes(rng: np.random.Generator) -> Floats:
    """The random starts, the same for every gap of every profile."""
    shapes: Floats = _SHAPE_LOW + rng.random((_N_RANDOM, len(_SHAPE_LOW))) * (_SHAPE_HIGH - _SHAPE_LOW)
    return shapes


def search(
    time: Floats, y: Floats, below: Flags, there: Flags, shapes: Floats, *, likelihood: bool
) -> tuple[Floats, Flags]:
    """Best parameters of each profile, and whether the search for them has settled.

    The rectangles are sorted by time and packed to the left, `y` is ln(value), or ln(limit) where `below`;
    each row has a quantifiable sample or more. Rows do not influence one another. With `likelihood` there
    is a seventh parameter, ln sigma.
    """
    problems, at = _starts(time, y, below, there, shapes)
    loss: Loss = squares
    if likelihood:
        problems, at = _with_spread(problems, at, len(time))
        loss = censored
    width = at.shape[1]
    problems = replace(problems, low=problems.low[:, :width], high=problems.high[:, :width])
    for steps, keep in _STAGES:
        at, value, _ = descend(loss, problems, at, steps)
        chosen = _best(problems.profile, value, len(time), keep)
        problems, at = problems.rows(chosen), at[chosen]
    at, value, settled = descend(bent(loss), problems, at, _POLISH_STEPS, corrected=True)
    chosen = _best(problems.profile, value, len(time), 1)
    return at[chosen], settled[chosen]


def _with_spread(problems: Problems, at: Floats, n_profiles: int) -> tuple[Problems, Floats]:
    """The starts with a sigma each, and after them the best least squares of the quantifiable samples."""
    known = replace(
        problems, weight=problems.weight * ~problems.below, low=problems.low[:, :LOG_SIGMA],
        high=problems.high[:, :LOG_SIGMA],
    )  # fmt: skip
    steps, keep = _STAGES[0]
    closest, half, _ = descend(squares, known, at, steps)
    chosen = _best(problems.profile, half, n_profiles, keep)
    half = np.concatenate([squares(problems, at)[0], half[chosen]])
    problems = problems.rows(np.concatenate([np.arange(len(at)), chosen]))
    spread = np.sqrt(2 * half / problems.weight.sum(axis=1))
    at = np.column_stack([np.concatenate([at, closest[chosen]]), np.log(np.clip(spread, 0.1, 3.0))])
    return problems, at


def _best(profile: NDArray[np.intp], value: Floats, n_profiles: int, keep: int) -> NDArray[np.intp]:
    """The rows with the lowest losses of each profile, in the order of profiles and losses."""
    order = np.lexsort((np.arange(len(value)), value, profile))
    first = np.searchsorted(profile[order], np.arange(n_profiles))
    rank = np.arange(len(order)) - first[profile[order]]
    chosen: NDArray[np.intp] = order[rank < keep]
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Gaps:
    """Gaps of the peak between neighbouring samples, profiles x gaps; gap g comes after g samples.

    `near` is where a start may lie: the last gap is long.
    """

    low: Floats
    high: Floats
    near: Floats
    open: Flags
    n: NDArray[np.intp]


def _gaps(time: Floats, there: Flags) -> _Gaps:
    n = there.sum(axis=1)
    edge = np.zeros((len(time), 1))
    low = np.maximum(np.concatenate([edge, time], axis=1), LOW[TMAX])
    high = np.minimum(np.concatenate([time, edge], axis=1), HIGH[TMAX])
    gap = np.arange(low.shape[1])
    last = gap == n[:, None]
    high = np.where(last, HIGH[TMAX], high)
    return _Gaps(
        low=low, high=high, near=np.where(last, np.minimum(high, 1.5 * low + 3.0), high),
        open=(gap <= n[:, None]) & (low <= high), n=n,
    )  # fmt: skip


def _starts(time: Floats, y: Floats, below: Flags, there: Flags, shapes: Floats) -> tuple[Problems, Floats]:
    """Every gap with its starts: the divisions of the samples after it, and the random shapes."""
    t, width = np.where(there, time, 0.0), time.shape[1]
    levels = np.where(there, y - np.where(below, _BELOW_LIMIT, 0.0), 0.0)
    gaps, lines = _gaps(t, there), _lines(t, levels, there)
    every = max(1, -(-width // _MOST_SPLITS))
    found = []
    for early in range(width + 1):
        if early < 3 or early % every == 0:
            rows, gap = np.nonzero(gaps.open & (np.arange(width + 1) + early <= gaps.n[:, None]))
            found.append((rows, gap, _divided(lines, gaps, rows, gap, early)))
    rows, gap = np.nonzero(gaps.open)
    low, near = gaps.low[rows, gap], gaps.near[rows, gap]
    for shape in shapes:
        # Further from the next sample than this, the fast phase would be over before it.
        tmax = near - (1 - shape[0]) * np.minimum(near - low, 6.0 / np.exp(shape[1]))
        found.append((rows, gap, np.column_stack([tmax, np.tile(shape[1:], (len(rows), 1))])))
    rows, gap, given = (np.concatenate(parts) for parts in zip(*found, strict=True))
    low, high = np.tile(LOW, (len(rows), 1)), np.tile(HIGH, (len(rows), 1))
    low[:, TMAX], high[:, TMAX] = gaps.low[rows, gap], gaps.high[rows, gap]
    problems = Problems(
        profile=rows, time=t[rows], y=np.where(there, y, 0.0)[rows], weight=there[rows].astype(np.float64),
        below=(below & there)[rows], rising=np.arange(width) < gap[:, None], low=low, high=high,
    )  # fmt: skip
    return problems, _with_levels(problems, levels[rows], given)


def _lines(time: Floats, y: Floats, there: Flags) -> tuple[Any, Any]:
    """Slope and level at time 0 of the line through samples i to j - 1, for all i and j."""
    w = there.astype(np.float64)
    sums = [
        np.cumsum(np.concatenate([np.zeros((len(time), 1)), term], axis=1), axis=1)
        for term in (w, w * time, w * y, w * time * time, w * time * y)
    ]
    n, st, sy, stt, sty = (added[:, None, :] - added[:, :, None] for added in sums)
    size = np.maximum(n, 1.0)
    sxx = stt - st * st / size
    sound = (n > 1) & (sxx > 1e-9)
    slope = np.where(sound, sty - st * sy / size, 0.0) / np.where(sound, sxx, 1.0)
    return slope, (sy - slope * st) / size


def _divided(
    lines: tuple[Floats, Floats], gaps: _Gaps, rows: NDArray[np.intp], gap: NDArray[np.intp], early: int
) -> Floats:
    """Shapes from the lines through the rising, the early falling (`early` of them) and the late samples."""
    slope, level = lines
    end, split = gaps.n[rows], gap + early
    low, near = gaps.low[rows, gap], gaps.near[rows, gap]
    rise, rise_level = slope[rows, 0, gap], level[rows, 0, gap]
    reach = np.minimum(np.maximum(split, gap + 2), end)
    fast, fast_level = slope[rows, gap, reach], level[rows, gap, reach]
    slow, slow_level = slope[rows, split, end], level[rows, split, end]
    # With nothing early, all but the slow phase is gone before the next sample.
    alpha = np.clip(-fast, 0.002, 4.0) if early else np.full(len(rows), 3.0)
    # The peak is where the rising line meets the early falling one, or so that the fast phase can be seen.
    meeting = (fast_level - rise_level) / np.where(rise - fast > 1e-6, rise - fast, np.inf)
    middle = np.maximum(0.5 * (low + near), near - 2.0 / alpha)
    tmax = np.where((gap > 1) & (early > 1) & (meeting > low) & (meeting < near), meeting, middle)
    if early:
        peak = fast_level + fast * tmax
    else:
        peak = np.where(gap > 0, rise_level + rise * tmax, slow_level + 1.0)
    late = end - split
    beta = np.clip(np.where(late > 1, -slow, 0.003), 2e-5, 0.45)
    logit = np.clip(slow_level + slow * tmax - peak, -11.0, 4.0)
    # Nothing late: one phase, both rates the same.
    beta, logit = np.where(late > 0, beta, np.clip(alpha, 2e-5, 0.45)), np.where(late > 0, logit, 0.0)
    return np.column_stack([tmax, np.log(alpha), np.log(beta), logit])


def _with_levels(problems: Problems, levels: Floats, shape: Floats) -> Floats:
    """The starts completed by the cmax and fold that fit each shape best; both are linear."""
    at = np.zeros((len(shape), 6))
    at[:, [TMAX, LOG_ALPHA, LOG_BETA, LOGIT_SLOW]] = shape
    rest = problems.weight * (levels - log_curve(problems, at)[0])
    left = problems.weight * np.where(problems.rising, 1 - problems.time / at[:, TMAX, None], 0.0)
    n, sl, sll = problems.weight.sum(axis=1), left.sum(axis=1), _dot(left, left)
    sr, slr = rest.sum(axis=1), _dot(left, rest)
    det = n * sll - sl * sl
    sound = det > 1e-9 * (n * sll + 1.0)
    fold = np.where(sound, (sl * sr - n * slr) / np.where(sound, det, 1.0), 2.0)
    at[:, LOG_FOLD] = np.maximum(fold, LOW[LOG_FOLD])
    at[:, LOG_CMAX] = (sr + at[:, LOG_FOLD] * sl) / n
    return at
