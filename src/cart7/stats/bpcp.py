"""Beta product confidence limits of a survival curve: guaranteed coverage for very few subjects.

Here: the exact limits (a root of the distribution of a product of betas), their mid-p
variant, the method of moments, and limits of quantiles read from them. Not here: the curve
itself (`stats.survival_curves`), frames (`survival`).

Between two times the upper limit is a quantile of U, a product of Beta(n - d + 1, d) over the
event times so far, and the lower one of L = U times Beta(m, 1), m the number still at risk at
the next time (Fay, Brittain and Proschan 2013). Minus the logarithm of Beta(a, b) with whole
b is a sum of independent exponentials with rates a, ..., a + b - 1, and over the event times
all these rates differ: -log U and -log L are hypoexponential, and nothing need be simulated.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, betaln, gammaln, xlog1py, xlogy

from cart7.stats.survival_curves import Curve, Floats, Ints

METHODS = ("exact", "moments")
ALTERNATING = 1e4  # with a larger coefficient the sum of powers loses digits and a chain takes over
LARGE = 500  # subjects; beyond, exact limits take too long and moments are accurate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BetaProductLimits:
    """Limits on the intervals [left, right); the first starts at 0, the last has no end (inf)."""

    left: Floats
    right: Floats
    survival: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Product:
    """U and L of each interval: the rates of -log U are the first `n_rates` of `rates`, L adds `n_next`."""

    rates: Floats  # of all events in turn; all differ
    n_rates: Ints
    n_next: Ints  # at risk at the next time; 0 after the last


# For intervals (by index) and points w: P(U <= w), P(L <= w) and the two densities.
_Law = Callable[[NDArray[np.intp], Floats], tuple[Floats, Floats, Floats, Floats]]


def limits(
    steps: Curve, *, conf_level: float = 0.95, midp: bool = False, method: str = "exact"
) -> BetaProductLimits:
    """Beta product limits of the survival function between its times.

    Parameters
    ----------
    steps : Curve
        The Kaplan-Meier curve.
    conf_level : float, default 0.95
        Two-sided level.
    midp : bool, default False
        Limits of the equal mixture of U and L: shorter, coverage close to the level instead of
        guaranteed.
    method : {"exact", "moments"}
        ``exact``: quantiles of the exact distribution; with more than 500 subjects it is
        ``moments``. ``moments``: U and L replaced by betas of the same mean and variance.

    Returns
    -------
    BetaProductLimits
        Non-increasing in time. Before the first event the upper limit is 1; after the last time
        the lower limit is 0.

    Raises
    ------
    ValueError
        For an unknown method or a level outside (0, 1).

    References
    ----------
    Fay MP, Brittain EH, Proschan MA (2013). Biostatistics 14:723-736. doi:10.1093/biostatistics/kxt016
    Fay MP, Brittain EH (2016). Stat Med 35:2726-2740. doi:10.1002/sim.6905 (mid-p)

    Examples
    --------
    >>> from cart7.stats.survival_curves import curve
    >>> result = limits(curve([4, 7, 9], [1, 0, 0]))
    >>> [f"{low:.3f}" for low in result.low]
    ['0.292', '0.094', '0.017', '0.000']
    """
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level must be strictly between 0 and 1, got {conf_level}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    low, high = _limits(steps, 1 - conf_level, midp=midp, exact=method == "exact" and steps.n <= LARGE)
    left, right = np.append(0.0, steps.time), np.append(steps.time, np.inf)
    kept = right > left  # a first time of 0 leaves nothing before it
    return BetaProductLimits(
        left=left[kept],
        right=right[kept],
        survival=np.append(1.0, steps.survival)[kept],
        low=np.minimum.accumulate(low[kept]),
        high=np.minimum.accumulate(high[kept]),
    )


def quantile_limits(bands: BetaProductLimits, p: float) -> tuple[float, float]:
    """Limits of the time at which the part `p` has had the event; NaN where not reached.

    The start of the first interval whose lower limit is at or below 1 - p, and the end of the
    last interval whose upper limit is at or above it.

    Examples
    --------
    >>> from cart7.stats.survival_curves import curve
    >>> quantile_limits(limits(curve([1, 2, 3, 4, 5, 6, 7, 8, 9], [1] * 9)), 0.5)
    (2.0, 8.0)
    """
    target = 1 - p
    below, above = np.flatnonzero(bands.low <= target), np.flatnonzero(bands.high >= target)
    low = float(bands.left[below[0]]) if below.size else float("nan")
    high = float(bands.right[above[-1]]) if above.size else float("nan")
    return low, high if np.isfinite(high) else float("nan")


def factors(steps: Curve, interval: int) -> tuple[Floats, float]:
    """Of what U and L are made on one interval: rates of -log U, falling, and the rate that L adds.

    Intervals count from 0, before the first time. Without rates U is 1; where L adds 0 (after the
    last time) it is 0.

    Examples
    --------
    >>> from cart7.stats.survival_curves import curve
    >>> rates, following = factors(curve([4, 7, 9], [1, 0, 0]), 1)
    >>> rates.tolist(), following
    ([3.0], 2.0)
    """
    product = _product(steps)
    return product.rates[: product.n_rates[interval]], float(product.n_next[interval])


def shapes(steps: Curve, interval: int) -> tuple[Floats, Floats]:
    """Shapes (a, b) of the betas with the mean and variance of U and of L on one interval.

    Examples
    --------
    >>> from cart7.stats.survival_curves import curve
    >>> of_u, of_l = shapes(curve([4, 7, 9], [1, 0, 0]), 1)
    >>> [f"{shape:.1f}" for shape in of_u]
    ['3.0', '1.0']
    """
    of_u, of_l = _moments(steps)
    return of_u[:, interval], of_l[:, interval]


def _limits(steps: Curve, alpha: float, *, midp: bool, exact: bool) -> tuple[Floats, Floats]:
    """Limits on every interval, each a quantile of U, of L or of their equal mixture.

    Where U is 1 or L is 0 the mixture has half its mass there: a limit is that value, or the
    quantile of the other part at twice the probability.
    """
    product = _product(steps)
    lower, upper = np.flatnonzero(product.n_next > 0), np.flatnonzero(product.n_rates > 0)
    low_at, of_l = np.full(lower.size, alpha / 2), np.ones(lower.size)
    high_at, of_u = np.full(upper.size, 1 - alpha / 2), np.ones(upper.size)
    if midp:
        none_yet, over = product.n_rates[lower] == 0, product.n_next[upper] == 0
        low_at, of_l = np.where(none_yet, alpha, low_at), np.where(none_yet, 1.0, 0.5)
        high_at, of_u = np.where(over, 1 - alpha, high_at), np.where(over, 1.0, 0.5)
    which, target = np.concatenate([lower, upper]), np.concatenate([low_at, high_at])
    weight = np.concatenate([of_l, 1 - of_u])  # of L in the mixture

    shapes_u, shapes_l = _moments(steps)
    a, b = np.hstack([shapes_l[:, lower], shapes_u[:, upper]])
    found = betaincinv(a, b, target)
    if exact or midp:
        law = _exact_law(product, alpha) if exact else _beta_law(shapes_u, shapes_l)
        found = _solved(law, which, target, weight, found)
    low, high = np.zeros(product.n_next.size), np.ones(product.n_next.size)
    low[lower], high[upper] = found[: lower.size], found[lower.size :]
    return low, high


def _product(steps: Curve) -> _Product:
    runs = [np.arange(n, n - d, -1.0) for n, d in zip(steps.n_risk, steps.n_event, strict=True)]
    return _Product(
        rates=np.concatenate([*runs, np.zeros(0)]),
        n_rates=np.append(0, np.cumsum(steps.n_event)),
        n_next=np.append(steps.n_observed, 0),
    )


def _moments(steps: Curve) -> tuple[Floats, Floats]:
    """Shapes (a, b) of the betas with the mean and variance of U and of L, one column per interval."""
    a, b = steps.n_risk - steps.n_event + 1.0, steps.n_event.astype(float)
    mean = np.append(1.0, np.cumprod(a / (a + b)))
    spread = np.append(0.0, np.cumsum(np.log1p(b / (a * (a + b + 1)))))
    m = np.append(steps.n_observed, 0).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        more = np.log1p(1 / (m * (m + 2)))
        return _shapes(mean, spread), _shapes(mean * m / (m + 1), spread + more)


def _shapes(mean: Floats, spread: Floats) -> Floats:
    """Beta shapes from the mean and log(E X^2 / (E X)^2)."""
    ratio = np.expm1(spread)
    a = (1 - mean * (1 + ratio)) / ratio
    return np.array([a, a * (1 - mean) / mean])


def _solved(law: _Law, which: NDArray[np.intp], target: Floats, weight: Floats, start: Floats) -> Floats:
    """Where the mixtures reach `target`: Newton steps, halved back into the bracket when they leave it."""
    low, high = np.zeros(start.size), np.ones(start.size)
    point = np.clip(start, 1e-9, 1 - 1e-9)
    for _ in range(200):
        below_u, below_l, slope_u, slope_l = law(which, point)
        excess = (1 - weight) * below_u + weight * below_l - target
        low, high = np.where(excess < 0, point, low), np.where(excess >= 0, point, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = point - excess / ((1 - weight) * slope_u + weight * slope_l)
        moved = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        settled = np.abs(moved - point) <= 1e-10 * point  # the next Newton step would be some 1e-20
        point = moved
        if settled.all():
            break
    return point


def _beta_law(shapes_u: Floats, shapes_l: Floats) -> _Law:
    def law(which: NDArray[np.intp], w: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        below, slopes = [], []
        for a, b in (shapes_u[:, which], shapes_l[:, which]):
            below.append(np.nan_to_num(betainc(a, b, w)))
            slopes.append(np.nan_to_num(np.exp(xlogy(a - 1, w) + xlog1py(b - 1, -w) - betaln(a, b))))
        return below[0], below[1], slopes[0], slopes[1]

    return law


def _exact_law(product: _Product, alpha: float) -> _Law:
    if product.rates.size <= 40:
        of_u, of_l, exponent_l = _coefficients(product)
        if max(np.abs(of_u).max(initial=0), np.abs(of_l).max(initial=0)) <= ALTERNATING:
            return _powers(product.rates, of_u, of_l, exponent_l)
    return _uniformised(product, alpha)


def _coefficients(product: _Product) -> tuple[Floats, Floats, Floats]:
    """P(U <= w) is the sum over its rates r of c_r w^r, c_r the product of s/(s - r) over the other rates.

    Returned are the c_r of U and of L, a row per interval, and the rates of L.
    """
    rates, n_next = product.rates, product.n_next[:, None].astype(float)
    used = np.arange(rates.size) < product.n_rates[:, None]
    with np.errstate(divide="ignore"):
        factor = np.where(np.eye(rates.size, dtype=bool), 1.0, rates / (rates - rates[:, None]))
    prefix = np.hstack([np.ones((rates.size, 1)), np.cumprod(factor, axis=1)])
    of_u = np.where(used, prefix[:, product.n_rates].T, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = np.where(used, of_u * n_next / (n_next - rates), 0.0)
        own = np.where(used, rates / (rates - n_next), 1.0).prod(axis=1, keepdims=True)
    return of_u, np.hstack([shared, own]), np.hstack([np.broadcast_to(rates, shared.shape), n_next])


def _powers(rates: Floats, of_u: Floats, of_l: Floats, exponent_l: Floats) -> _Law:
    def law(which: NDArray[np.intp], w: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        terms_u = of_u[which] * w[:, None] ** rates
        terms_l = of_l[which] * w[:, None] ** exponent_l[which]
        slope_u, slope_l = (terms_u * rates).sum(axis=1) / w, (terms_l * exponent_l[which]).sum(axis=1) / w
        return terms_u.sum(axis=1), terms_l.sum(axis=1), slope_u, slope_l

    return law


def _uniformised(product: _Product, alpha: float) -> _Law:
    """P(-log U >= x) as a Poisson mixture over the steps of a chain that passes the rates in turn.

    Only positive terms: no digits are lost, however many rates. The chain is followed until
    every limit at `alpha` is inside, and far enough beyond for the Poisson tail.
    """
    speed = float(max(product.rates.max(), product.n_next.max()))
    alive_u, alive_l = _chain(product, speed, alpha)

    def law(which: NDArray[np.intp], w: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        mean = np.minimum(-speed * np.log(w), alive_u.shape[0] - 1.0)
        width = int(9 * np.sqrt(mean.max())) + 50
        first = np.clip(mean.astype(np.int64) - width, 0, None)
        steps = first[:, None] + np.arange(2 * width + 1)
        poisson = np.exp(xlogy(steps, mean[:, None]) - mean[:, None] - gammaln(steps + 1.0))
        last = alive_u.shape[0] - 1
        here, after = np.minimum(steps, last), np.minimum(steps + 1, last)
        found = []
        for alive in (alive_u, alive_l):
            now = alive[here, which[:, None]]
            found.append((poisson * now).sum(axis=1))
            found.append(speed * (poisson * (now - alive[after, which[:, None]])).sum(axis=1) / w)
        return found[0], found[2], found[1], found[3]

    return law


def _chain(product: _Product, speed: float, alpha: float) -> tuple[Floats, Floats]:
    """For each step of the chain the probability that U (and L) has rates left, by interval."""
    leave, n_rates = product.rates / speed, product.n_rates
    mass = np.zeros(leave.size + 1)  # by number of rates passed
    mass[0] = 1.0
    waiting = (n_rates == 0) * (product.n_next > 0) * 1.0  # all of U passed, the rate of L not yet
    stay = 1 - product.n_next / speed
    last_rate = np.maximum(n_rates - 1, 0)
    alive_u: list[Floats] = []
    alive_l: list[Floats] = []
    until = np.inf
    while len(alive_u) <= until:
        left = np.append(0.0, np.cumsum(mass[:-1]))[n_rates]
        alive_u.append(left)
        alive_l.append(left + waiting)
        if np.isinf(until) and alive_l[-1].max() < alpha / 8:
            until = len(alive_l) + 12 * np.sqrt(len(alive_l)) + 60
        moving = mass[:-1] * leave
        arriving = np.where((n_rates > 0) & (product.n_next > 0), moving[last_rate], 0.0)
        waiting = waiting * stay + arriving
        mass[:-1] -= moving
        mass[1:] += moving
    return np.array(alive_u), np.array(alive_l)
