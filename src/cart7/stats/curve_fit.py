"""The expansion and contraction curve of each profile.

Here: the curve and its area, and its fit to every profile of a rectangle: by least squares, or by maximum
likelihood with samples below the limit as what they are, values somewhere under it. Not here: how the best
fit is searched for (`curve_search`), subjects and tables (`cart7.pk`).

The cells grow at one rate up to the peak and then decline in a fast and a slow phase. On the log scale,
before `tmax`: ln(cmax/fold) + ln(fold)/tmax * t; after it:
ln[(1 - slow_fraction) cmax exp(-alpha (t - tmax)) + slow_fraction cmax exp(-beta (t - tmax))].
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from cart7.stats import curve_search as cs
from cart7.stats.trapezoids import Flags, Floats, total

BLQ = ("censored", "drop")
# Fewer quantifiable samples than this: no fit. Fewer than parameters: a fit, but not the only one.
MIN_SAMPLES = 2
N_PARAMETERS = 6

# In the order of the columns of the search.
_NAMES = ("tmax", "cmax", "fold", "alpha", "beta", "slow_fraction", "sigma")
_ERRORS = ("se_log_tmax", "se_log_cmax", "se_log_fold", "se_log_alpha", "se_log_beta", "se_logit_slow")
# Profiles are fitted in rectangles of widths 4, 8, 12, ..., each by its own number of samples, and at most
# so many together. Thus neither the bits nor the memory of a fit depend on its neighbours.
_WIDTH_STEP = 4
_TOGETHER = 64
# Directions with less than this share of the parameters' own information carry none; a parameter with more
# than this share in such directions is not identified.
_SINGULAR, _LOST = 1e-9, 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurveFits:
    """The fitted curve of each profile, one entry per profile; NaN throughout where `reason` says why.

    Times in the unit of `time`, rates in 1/time, `cmax` in the unit of `value`.

    Attributes
    ----------
    n, n_quantifiable : ndarray of int
        Samples used, and how many of them have a value.
    cmax, tmax, fold : ndarray
        Level and time of the peak, and the peak over the level at time 0.
    alpha, beta, slow_fraction : ndarray
        Rates of the fast and the slow phase; share of the peak that declines slowly (0 to 1).
    growth_rate, doubling_time : ndarray
        ln(fold) / tmax and ln 2 over it.
    sse : ndarray
        Sum of squared residuals of ln(value), quantifiable samples.
    sigma : ndarray
        Standard deviation of those residuals: with n - 6 degrees of freedom for least squares (missing for
        six samples or fewer), the estimate of maximum likelihood with samples below the limit.
    log_likelihood : ndarray
        Of the normal model for ln(value), at the estimate of sigma of maximum likelihood.
    converged : ndarray of bool
        Whether the search has settled.
    se_log_cmax, se_log_tmax, se_log_fold, se_log_alpha, se_log_beta, se_logit_slow : ndarray
        Standard errors on the log scale (fold: of ln(fold)); missing for a parameter that stands at a bound
        or is not identified, and where sigma is missing or at its bound.
    at_bound : ndarray of str
        Parameters that stand at a bound, and a peak that stands exactly on a sample.
    remark : ndarray of str
        What qualifies the fit.
    reason : ndarray of str
        Why there is no fit.
    """

    n: NDArray[np.int64]
    n_quantifiable: NDArray[np.int64]
    cmax: Floats
    tmax: Floats
    fold: Floats
    alpha: Floats
    beta: Floats
    slow_fraction: Floats
    growth_rate: Floats
    doubling_time: Floats
    sse: Floats
    sigma: Floats
    log_likelihood: Floats
    converged: Flags
    se_log_cmax: Floats
    se_log_tmax: Floats
    se_log_fold: Floats
    se_log_alpha: Floats
    se_log_beta: Floats
    se_logit_slow: Floats
    at_bound: NDArray[np.str_]
    remark: NDArray[np.str_]
    reason: NDArray[np.str_]


def curve(
    time: ArrayLike,
    *,
    cmax: ArrayLike,
    tmax: ArrayLike,
    fold: ArrayLike,
    alpha: ArrayLike,
    beta: ArrayLike,
    slow_fraction: ArrayLike,
) -> Any:
    """The curve at given times.

    Parameters
    ----------
    time : array_like
        Times since infusion, in the unit of `tmax`.
    cmax, tmax, fold : array_like
        Level and time of the peak; the peak over the level at time 0.
    alpha, beta : array_like
        Rates of the fast and the slow phase, 1/time.
    slow_fraction : array_like
        Share of the peak that declines slowly, 0 to 1.

    Returns
    -------
    ndarray
        Levels in the unit of `cmax`. All arguments broadcast: with one entry per profile, give
        ``fold[:, None]`` and so on for profiles x times.

    References
    ----------
    Stein AM et al. (2019). CPT Pharmacometrics Syst Pharmacol 8:285-295. doi:10.1002/psp4.12388

    Examples
    --------
    >>> truth = dict(cmax=24000, tmax=9.3, fold=3900, alpha=0.16, beta=0.0032, slow_fraction=0.0079)
    >>> level = curve([0, 9.3, 28], **truth)
    >>> [f"{x:.1f}" for x in level]
    ['6.2', '24000.0', '1373.6']
    """
    t, peak, top, ratio = (np.asarray(given, dtype=np.float64) for given in (time, tmax, cmax, fold))
    fast, slow, share = (np.asarray(given, dtype=np.float64) for given in (alpha, beta, slow_fraction))
    since = np.maximum(t - peak, 0.0)
    falling = (1 - share) * np.exp(-fast * since) + share * np.exp(-slow * since)
    rising = np.exp(-np.log(ratio) * np.maximum(peak - t, 0.0) / peak)
    return top * np.where(t < peak, rising, falling)


def curve_area(
    start: ArrayLike,
    end: ArrayLike,
    *,
    cmax: ArrayLike,
    tmax: ArrayLike,
    fold: ArrayLike,
    alpha: ArrayLike,
    beta: ArrayLike,
    slow_fraction: ArrayLike,
) -> Any:
    """Area under the curve between two times, in closed form.

    Parameters
    ----------
    start, end : array_like
        The window, in the unit of `tmax`; `start` is 0 or later, `end` no earlier than `start`.
    cmax, tmax, fold, alpha, beta, slow_fraction
        As in `curve`; all arguments broadcast.

    Returns
    -------
    ndarray
        Areas, level x time.

    Raises
    ------
    ValueError
        When a window begins before 0 or ends before it begins.

    Examples
    --------
    >>> truth = dict(cmax=24000, tmax=9.3, fold=3900, alpha=0.16, beta=0.0032, slow_fraction=0.0079)
    >>> f"{curve_area(0, 28, **truth):.1f}"
    '171774.3'
    """
    low, high = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    if not (low >= 0).all():
        raise ValueError(f"start must be 0 or later, got {low.min()}")
    if not (high >= low).all():
        raise ValueError("end must not be before start")
    peak, top, ratio = (np.asarray(given, dtype=np.float64) for given in (tmax, cmax, fold))
    fast, slow, share = (np.asarray(given, dtype=np.float64) for given in (alpha, beta, slow_fraction))
    growth = np.log(ratio) / peak
    until, after = np.minimum(high, peak), np.maximum(low, peak)
    rising = _phase(np.maximum(peak - until, 0.0), np.maximum(until - low, 0.0), growth)
    width = np.maximum(high - after, 0.0)
    falling = (1 - share) * _phase(after - peak, width, fast) + share * _phase(after - peak, width, slow)
    return top * (rising + falling)


def _phase(distance: Any, width: Any, rate: Any) -> Any:
    """Area under an exponential over `width`, beginning `distance` away from its peak of 1."""
    return np.exp(-rate * distance) * -np.expm1(-rate * width) / rate


def fit(
    time: ArrayLike,
    value: ArrayLike,
    below: ArrayLike | None = None,
    *,
    limit: ArrayLike | None = None,
    there: ArrayLike | None = None,
    blq: str = "censored",
    rng: np.random.Generator | int,
) -> CurveFits:
    """Fit the curve to each profile.

    Parameters
    ----------
    time, value : array_like, profiles x samples
        Times since infusion and values above 0, in any order; NaN for padding. Of a sample below the limit
        only the time is read. Samples before time 0 are not used. One-dimensional input is one profile.
    below : array_like of bool, optional
        Samples below the limit of quantification.
    limit : array_like, optional
        The limit, per sample or one for all, in the unit of `value`.
    there : array_like of bool, optional
        Samples that belong to the profile; all with a value or below the limit when not given.
    blq : {"censored", "drop"}
        Maximum likelihood, where samples below the limit count as anything under it; or least squares of
        ln(value) on the others.
    rng : numpy.random.Generator or int
        Where random starts come from. The same for the same answer to the last bit; other starts differ in
        what the samples do not identify. A profile's fit does not depend on the other profiles.

    Returns
    -------
    CurveFits

    Raises
    ------
    ValueError
        When `blq` is neither word, or the shapes differ.

    Notes
    -----
    Bounds: tmax 0.001 to 200, alpha 0.001 to 5, beta 1e-6 to 0.5, fold from exp(0.1), logit of the slow
    fraction -12 to 6, and sigma from 0.001 on the log scale (a curve through every sample has no most likely
    sigma). alpha is the larger rate; the two names change places unless a bound forbids it. Standard errors
    come from the slopes of the curve (least squares) or the observed information (likelihood).

    References
    ----------
    Stein AM et al. (2019). Tisagenlecleucel model-based cellular kinetic analysis of chimeric antigen
    receptor-T cells. CPT Pharmacometrics Syst Pharmacol 8:285-295. doi:10.1002/psp4.12388

    Examples
    --------
    >>> day = [1, 3, 5, 7, 10, 14, 21, 28, 60, 90]
    >>> level = curve(day, cmax=24000, tmax=9, fold=4000, alpha=0.16, beta=0.0032, slow_fraction=0.008)
    >>> found = fit(day, level, blq="drop", rng=1)
    >>> f"{found.cmax[0]:.0f} on day {found.tmax[0]:.2f}, doubling in {found.doubling_time[0]:.3f} days"
    '24000 on day 9.00, doubling in 0.752 days'
    """
    if blq not in BLQ:
        raise ValueError(f"blq must be one of {', '.join(BLQ)}, got {blq!r}")
    samples = _read(time, value, below, limit, there, drop=blq == "drop")
    shapes = cs.random_shapes(np.random.default_rng(rng))
    columns = _blank(samples)
    for rows, width in _together(samples):
        part = samples.rows(rows, width)
        likelihood = bool(part.below.any())
        at, settled = cs.search(part.time, part.y, part.below, part.there, shapes, likelihood=likelihood)
        fitted = _finished(part, _labelled(at), settled, maximum_likelihood=blq == "censored")
        for name, column in fitted.items():
            columns[name][rows] = column
    for column in columns.values():
        column.setflags(write=False)
    return CurveFits(**columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Samples:
    """Samples used, sorted by time and packed to the left; `y` is ln(value), or ln(limit) where `below`."""

    time: Floats
    y: Floats
    below: Flags
    there: Flags
    dropped: NDArray[np.int64]
    left_out: NDArray[np.int64]
    faulty: Flags

    @property
    def n(self) -> Any:
        return self.there.sum(axis=1)

    @property
    def known(self) -> Flags:
        return self.there & ~self.below

    @property
    def n_known(self) -> Any:
        return self.known.sum(axis=1)

    @property
    def fitted(self) -> Any:
        """Profiles with enough samples for a fit."""
        return (self.n_known >= MIN_SAMPLES) & ~self.faulty

    def rows(self, rows: NDArray[np.intp], width: int) -> "_Samples":
        """Some of the profiles in a rectangle of their own width."""

        def cut(table: NDArray[Any]) -> Any:
            narrow = table[rows][:, :width]
            return np.pad(narrow, ((0, 0), (0, width - narrow.shape[1])))

        return _Samples(
            time=cut(self.time), y=cut(self.y), below=cut(self.below), there=cut(self.there),
            dropped=self.dropped[rows], left_out=self.left_out[rows], faulty=self.faulty[rows],
        )  # fmt: skip


def _read(
    time: ArrayLike,
    value: ArrayLike,
    below: ArrayLike | None,
    limit: ArrayLike | None,
    there: ArrayLike | None,
    *,
    drop: bool,
) -> _Samples:
    t, v = (
        np.atleast_2d(np.asarray(time, dtype=np.float64)),
        np.atleast_2d(np.asarray(value, dtype=np.float64)),
    )
    if t.ndim != 2 or t.shape != v.shape:
        raise ValueError(
            f"time and value must be profiles x samples of one shape, got {t.shape} and {v.shape}"
        )
    under = np.broadcast_to(np.asarray(False if below is None else below, dtype=bool), t.shape)
    lloq = np.broadcast_to(np.asarray(np.nan if limit is None else limit, dtype=np.float64), t.shape)
    mine = ~np.isnan(v) | under
    if there is not None:
        mine = mine & np.broadcast_to(np.asarray(there, dtype=bool), t.shape)
    mine = mine & ~(t < 0)
    level = np.where(under, lloq, v)
    sound = (t < np.inf) & (under | ((v > 0) & (v < np.inf)))
    faulty = (mine & ~sound).any(axis=1)
    wanted = mine & sound & ~(under & drop)
    usable = wanted & (level > 0) & (level < np.inf)
    left_out = (wanted & ~usable).sum(axis=1)
    y = np.log(np.where(usable, level, 1.0))
    order = np.lexsort((y, np.where(usable, t, np.inf)), axis=1)
    usable, t, y, under = (np.take_along_axis(table, order, axis=1) for table in (usable, t, y, under))
    return _Samples(
        time=np.where(usable, t, 0.0), y=y, below=under & usable, there=usable, faulty=faulty,
        dropped=(mine & ~wanted).sum(axis=1), left_out=left_out,
    )  # fmt: skip


def _together(samples: _Samples) -> list[tuple[NDArray[np.intp], int]]:
    """Profiles that are fitted together, with the width of their rectangle."""
    width = -(-samples.n // _WIDTH_STEP) * _WIDTH_STEP
    censored: Flags = np.asarray(samples.below.any(axis=1))
    parts = []
    for size, likelihood in sorted(set(zip(width[samples.fitted], censored[samples.fitted], strict=True))):
        rows = np.flatnonzero(samples.fitted & (width == size) & (censored == likelihood))
        parts += [(rows[first : first + _TOGETHER], int(size)) for first in range(0, len(rows), _TOGETHER)]
    return parts


def _labelled(at: Floats) -> Floats:
    """Parameters with the larger rate as alpha, where the bounds let the two phases change places."""
    alpha, beta, logit = at[:, cs.LOG_ALPHA], at[:, cs.LOG_BETA], at[:, cs.LOGIT_SLOW]
    swap = (alpha < beta) & (alpha <= cs.HIGH[cs.LOG_BETA]) & (-logit >= cs.LOW[cs.LOGIT_SLOW])
    swap &= (-logit <= cs.HIGH[cs.LOGIT_SLOW]) & (beta >= cs.LOW[cs.LOG_ALPHA])
    changed = at.copy()
    changed[:, cs.LOG_ALPHA], changed[:, cs.LOG_BETA] = np.where(swap, (beta, alpha), (alpha, beta))
    changed[:, cs.LOGIT_SLOW] = np.where(swap, -logit, logit)
    return changed


def _blank(samples: _Samples) -> dict[str, NDArray[Any]]:
    """The columns before any profile is fitted."""
    n_profiles = len(samples.n)
    columns: dict[str, NDArray[Any]] = {
        field.name: np.full(n_profiles, np.nan) for field in fields(CurveFits)
    }
    columns |= {"n": samples.n, "n_quantifiable": samples.n_known, "reason": _reasons(samples)}
    columns["converged"] = np.zeros(n_profiles, dtype=bool)
    columns |= {name: np.full(n_profiles, "", dtype="U240") for name in ("at_bound", "remark")}
    return columns


def _finished(
    samples: _Samples, at: Floats, settled: Flags, *, maximum_likelihood: bool
) -> dict[str, NDArray[Any]]:
    """What is reported of fitted profiles."""
    n, shape = samples.n, _shape(at)
    sse = _squares(samples, shape)
    if at.shape[1] == cs.LOG_SIGMA:
        at = np.column_stack([at, _log_spread(sse, n)])
    sigma = np.exp(at[:, cs.LOG_SIGMA])
    if not maximum_likelihood:
        sigma = np.where(n > N_PARAMETERS, np.sqrt(sse / np.maximum(n - N_PARAMETERS, 1)), np.nan)
    problems = _at_fit(samples, at)
    held = _held(problems, at)
    information = _information(problems, at, sigma, maximum_likelihood=maximum_likelihood)
    errors, identified = _standard_errors(information, held)
    errors[:, cs.TMAX] /= shape["tmax"]
    at_floor = maximum_likelihood & held[:, cs.LOG_SIGMA]
    errors[~(sigma > 0) | at_floor | (samples.n_known < N_PARAMETERS)] = np.nan
    growth = at[:, cs.LOG_FOLD] / shape["tmax"]
    return {
        **shape, "growth_rate": growth, "doubling_time": np.log(2) / growth, "sse": sse, "sigma": sigma,
        "log_likelihood": -cs.censored(problems, at)[0], "converged": settled,
        **dict(zip(_ERRORS, errors.T, strict=False)),
        "at_bound": _bound_words(held, at, maximum_likelihood=maximum_likelihood),
        "remark": _remarks(samples, identified, settled, maximum_likelihood=maximum_likelihood),
    }  # fmt: skip


def _shape(at: Floats) -> dict[str, Any]:
    """Parameters of the curve on their own scales, within the bounds to the last bit."""
    return {
        "cmax": np.exp(at[:, cs.LOG_CMAX]),
        "tmax": at[:, cs.TMAX],
        "fold": np.exp(at[:, cs.LOG_FOLD]),
        "alpha": _rate(at, cs.LOG_ALPHA, 0.001, 5.0),
        "beta": _rate(at, cs.LOG_BETA, 1e-6, 0.5),
        "slow_fraction": expit(at[:, cs.LOGIT_SLOW]),
    }


def _rate(at: Floats, column: int, low: float, high: float) -> Any:
    log_rate = at[:, column]
    return np.where(
        log_rate <= cs.LOW[column], low, np.where(log_rate >= cs.HIGH[column], high, np.exp(log_rate))
    )


def _squares(samples: _Samples, shape: dict[str, Any]) -> Any:
    """Squared residuals of ln(value), from the very numbers that are reported."""
    model = curve(samples.time, **{name: column[:, None] for name, column in shape.items()})
    residual = np.where(samples.known, samples.y - np.log(np.where(samples.known, model, 1.0)), 0.0)
    return total(residual**2)


def _log_spread(sse: Floats, n: Any) -> Any:
    """Maximum likelihood estimate of ln sigma where nothing is below the limit."""
    variance = sse / np.maximum(n, 1)
    return np.maximum(0.5 * np.log(np.maximum(variance, 1e-300)), cs.LOW[cs.LOG_SIGMA])


def _at_fit(samples: _Samples, at: Floats) -> cs.Problems:
    """Each profile with its peak where the fit has put it."""
    low, high = np.tile(cs.LOW, (len(at), 1)), np.tile(cs.HIGH, (len(at), 1))
    return cs.Problems(
        profile=np.arange(len(at)), time=samples.time, y=samples.y, weight=samples.there.astype(np.float64),
        below=samples.below, rising=samples.there & (samples.time < at[:, :1]), low=low, high=high,
    )  # fmt: skip


def _held(problems: cs.Problems, at: Floats) -> Flags:
    """Parameters at a bound; a peak on a sample is at a kink and counts as held too."""
    held: Flags = np.asarray((at <= problems.low) | (at >= problems.high))
    on_sample = (problems.weight > 0) & (problems.time == at[:, :1])
    held[:, cs.TMAX] |= on_sample.any(axis=1)
    return held


def _information(problems: cs.Problems, at: Floats, sigma: Floats, *, maximum_likelihood: bool) -> Floats:
    """Observed information; for least squares that of the slopes at the residual standard deviation."""
    if maximum_likelihood:
        return np.asarray(cs.exact_curvature(cs.censored, problems, at))
    information = np.zeros((len(at), at.shape[1], at.shape[1]))
    variance = np.where(sigma > 0, sigma**2, 1.0)[:, None, None]
    information[:, :-1, :-1] = cs.squares(problems, at)[2] / variance
    information[:, -1, -1] = 1.0
    return information


def _standard_errors(information: Floats, held: Flags) -> tuple[Floats, Flags]:
    """Standard errors with the held parameters fixed, and which parameters are identified."""
    size = np.sqrt(np.maximum(np.einsum("bii->bi", information), 0.0))
    unit = np.where(~held & (size > 1e-7 * size.max(axis=1, initial=0.0, keepdims=True)), size, np.inf)
    scaled = information / unit[:, :, None] / unit[:, None, :]
    strength, axes = np.linalg.eigh(scaled)
    empty = strength <= _SINGULAR
    lost = (axes**2 * empty[:, None, :]).sum(axis=2) > _LOST
    variance = (axes**2 / np.where(empty, np.inf, strength)[:, None, :]).sum(axis=2)
    errors = np.sqrt(variance) / unit
    return np.where(held | lost, np.nan, errors), ~lost | held


def _bound_words(held: Flags, at: Floats, *, maximum_likelihood: bool) -> NDArray[np.str_]:
    words = np.full(len(at), "", dtype="U160")
    last = len(_NAMES) if maximum_likelihood else cs.LOG_SIGMA
    for column, name in enumerate(_NAMES[:last]):
        lower, upper = at[:, column] <= cs.LOW[column], at[:, column] >= cs.HIGH[column]
        place = np.select(
            [lower, upper, held[:, column]],
            [" at its lower bound", " at its upper bound", " on a sample"],
            "",
        )
        words = _added(words, place != "", np.char.add(name, place))
    return words


def _remarks(
    samples: _Samples, identified: Flags, settled: Flags, *, maximum_likelihood: bool
) -> NDArray[np.str_]:
    n_known = samples.n_known
    short = n_known < N_PARAMETERS
    words = np.full(len(n_known), "", dtype="U240")
    words = _added(words, short, "fewer samples than parameters: not identified")
    loose = np.full(len(n_known), "", dtype="U120")
    for column, name in enumerate(_NAMES[: cs.LOG_SIGMA]):
        loose = _added(loose, ~identified[:, column], name, ", ")
    words = _added(words, ~short & (loose != ""), np.char.add("not identified by these samples: ", loose))
    exact = (n_known == N_PARAMETERS) & (not maximum_likelihood)
    words = _added(words, exact, "as many samples as parameters: no residual standard deviation")
    unknown = np.char.add("samples below an unknown limit left out: ", samples.left_out.astype(np.str_))
    words = _added(words, samples.left_out > 0, unknown)
    return _added(words, ~settled, "the search has not settled")


def _added(words: NDArray[np.str_], where: Any, more: Any, between: str = "; ") -> NDArray[np.str_]:
    """Words with more words behind."""
    joined = np.where(words == "", more, np.char.add(np.char.add(words, between), more))
    return np.asarray(np.where(where, joined, words))


def _reasons(samples: _Samples) -> NDArray[np.str_]:
    n, n_known = samples.n, samples.n_known
    some = n + samples.left_out > 0
    reasons: NDArray[np.str_] = np.select(
        [samples.faulty, ~some & (samples.dropped == 0), n_known == 0, n_known < MIN_SAMPLES],
        [
            "a time is missing, or a value is not a number above 0",
            "no samples",
            "no quantifiable sample",
            f"fewer than {MIN_SAMPLES} quantifiable samples",
        ],
        "",
    )
    return reasons
