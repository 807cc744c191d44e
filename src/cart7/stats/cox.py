"""Cox regression for few subjects: partial likelihood with ties, and Firth's penalised likelihood.

Here: coefficients, standard errors, Wald or profile limits, and whether a finite maximum exists
at all. Not here: frames and terms (`survival`), comparisons without covariates (`stats.logrank`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, chdtri

from cart7.stats.survival_curves import Floats, Ints, checked, merge_near_ties, normal_quantile

TIES = ("efron", "breslow")
SPREAD = 12.0  # log hazard ratio between two subjects from which a missing maximum is looked for
MOST_PAIRS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """Coefficients with their limits and p-values; `firth` tells which likelihood, `note` why."""

    coef: Floats
    std_err: Floats
    low: Floats
    high: Floats
    p_value: Floats
    log_likelihood: float
    firth: bool
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class _Design:
    """Standardised covariates, latest time first, and the risk set of each event."""

    x: Floats
    moment: Ints  # of each event: its position among the event times
    row: Ints  # of each event: its row of x
    reach: Ints  # of each event time: last row at risk
    share: Floats  # of each event: the part of its ties that has already left (Efron)


@dataclass(frozen=True, slots=True, eq=False)
class _Likelihood:
    value: float
    score: Floats
    information: Floats


def regression(
    time: ArrayLike,
    event: ArrayLike,
    covariates: Floats,
    *,
    ties: str = "efron",
    firth: bool = False,
    conf_level: float = 0.95,
) -> Fit:
    """Proportional hazards regression of `covariates` (a column per term).

    Parameters
    ----------
    time, event : arrays
        Times in any unit, and whether the event happened.
    covariates : array, shape (subjects, terms)
        Of full rank after centring; without a column there is nothing to fit.
    ties : {"efron", "breslow"}
        Likelihood of tied events.
    firth : bool, default False
        Firth's penalised likelihood (Breslow ties) with profile limits; taken anyway when the
        likelihood has no finite maximum.
    conf_level : float, default 0.95
        Two-sided level.

    Returns
    -------
    Fit
        Limits of the coefficients: Wald, or profile of the penalised likelihood.

    Raises
    ------
    ValueError
        For an unknown `ties`, an impossible array or a level outside (0, 1).

    References
    ----------
    Efron B (1977). JASA 72:557-565. doi:10.1080/01621459.1977.10480613
    Heinze G, Schemper M (2001). Biometrics 57:114-119. doi:10.1111/j.0006-341X.2001.00114.x

    Examples
    --------
    >>> fit = regression([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 0, 0], np.array([[1.0], [0], [1], [0], [1], [0]]))
    >>> f"{fit.coef[0]:.3f} {fit.std_err[0]:.3f}"
    '0.834 1.230'
    """
    if ties not in TIES:
        raise ValueError(f"ties must be one of {', '.join(TIES)}, got {ties!r}")
    z = normal_quantile(conf_level)
    times, events = checked(time, event)
    terms = covariates.shape[1]
    if not terms:
        return _nothing(0, firth=firth)
    scale = covariates.std(axis=0)
    x = (covariates - covariates.mean(axis=0)) / scale
    design = _design(merge_near_ties(times), events, x, efron=ties == "efron")
    empty = _likelihood(design, np.zeros(terms)).information
    if np.linalg.matrix_rank(empty) < terms:
        return _nothing(terms, firth=firth)
    beta = None if firth else _maximum(design)
    if beta is None or _is_monotone(design, beta):
        note = "" if firth else "no finite maximum (separation): the penalised fit is given"
        return _firth(_design(merge_near_ties(times), events, x, efron=False), scale, conf_level, note)
    top = _likelihood(design, beta)
    error = np.sqrt(np.diag(np.linalg.inv(top.information)))
    coef, se = beta / scale, error / scale
    return Fit(
        coef=coef, std_err=se, low=coef - z * se, high=coef + z * se, p_value=chdtrc(1, (beta / error) ** 2),
        log_likelihood=top.value, firth=False, note="",
    )  # fmt: skip


def _nothing(terms: int, *, firth: bool) -> Fit:
    missing = np.full(terms, np.nan)
    return Fit(
        coef=missing, std_err=missing, low=missing, high=missing, p_value=missing,
        log_likelihood=float("nan"), firth=firth, note="the events tell nothing about the terms",
    )  # fmt: skip


def _design(time: Floats, event: NDArray[np.bool_], x: Floats, *, efron: bool) -> _Design:
    order = np.argsort(-time, kind="stable")
    time, event = time[order], event[order]
    row = np.flatnonzero(event)
    moments, moment, count = np.unique(-time[row], return_inverse=True, return_counts=True)
    rank = np.arange(row.size) - (np.cumsum(count) - count)[moment]
    return _Design(
        x=x[order],
        moment=moment.astype(np.int64),
        row=row.astype(np.int64),
        reach=np.searchsorted(-time, moments, side="right").astype(np.int64) - 1,
        share=rank / count[moment] if efron else np.zeros(row.size),
    )


def _means(design: _Design, beta: Floats, powers: int) -> tuple[Floats, list[Floats]]:
    """For each event log of the weight at risk, and the weighted means of x, xx', ... at risk."""
    x, eta = design.x, design.x @ beta
    eta = eta - eta.max()
    part = np.exp(eta)
    sums, own = [], []
    for _ in range(powers + 1):
        tied = np.zeros((design.reach.size, *part.shape[1:]))
        np.add.at(tied, design.moment, part[design.row])
        own.append(tied)
        sums.append(np.cumsum(part, axis=0)[design.reach])
        part = part[..., None] * x.reshape(x.shape[0], *(1,) * (part.ndim - 1), x.shape[1])
    at_risk = []
    for total, tied in zip(sums, own, strict=True):
        share = design.share.reshape(-1, *(1,) * (total.ndim - 1))
        at_risk.append(total[design.moment] - share * tied[design.moment])
    weight = at_risk[0]
    means = [part / weight.reshape(-1, *(1,) * (part.ndim - 1)) for part in at_risk[1:]]
    return eta[design.row] - np.log(weight), means


def _likelihood(design: _Design, beta: Floats) -> _Likelihood:
    terms, (first, second) = _means(design, beta, 2)
    information = (second - first[:, :, None] * first[:, None, :]).sum(axis=0)
    return _Likelihood(float(terms.sum()), (design.x[design.row] - first).sum(axis=0), information)


def _penalised(design: _Design, beta: Floats) -> _Likelihood:
    """Breslow likelihood plus half the log determinant of its information, with the modified score."""
    terms, (first, second, third) = _means(design, beta, 3)
    information = (second - first[:, :, None] * first[:, None, :]).sum(axis=0)
    a, b, c = (first[:, :, None, None], first[:, None, :, None], first[:, None, None, :])
    mixed = second[:, :, :, None] * c + second[:, :, None, :] * b + second[:, None, :, :] * a
    slope = (third - mixed + 2 * a * b * c).sum(axis=0)
    sign, log_determinant = np.linalg.slogdet(information)
    if sign <= 0:
        return _Likelihood(-np.inf, np.zeros(beta.size), information)
    score = (design.x[design.row] - first).sum(axis=0)
    score = score + 0.5 * np.einsum("ij,jir->r", np.linalg.inv(information), slope)
    return _Likelihood(float(terms.sum() + 0.5 * log_determinant), score, information)


def _maximum(design: _Design) -> Floats | None:
    """Coefficients at the maximum of the partial likelihood; None when the climb does not end."""
    beta = np.zeros(design.x.shape[1])
    here = _likelihood(design, beta)
    for _ in range(60):
        if np.linalg.cond(here.information) > 1e14:
            return None
        step = np.linalg.solve(here.information, here.score)
        there = _likelihood(design, beta + step)
        while not there.value >= here.value - 1e-12 * abs(here.value):
            step = step / 2
            if np.abs(step).max() < 1e-14:
                return beta
            there = _likelihood(design, beta + step)
        beta, here = beta + step, there
        if np.abs(step).max() < 1e-10 * max(1.0, np.abs(beta).max()):
            return np.asarray(beta)
    return None


def _is_monotone(design: _Design, beta: Floats) -> bool:
    """Whether the likelihood rises without end: some direction puts every event on top of its risk set."""
    predictor = design.x @ beta
    if predictor.max() - predictor.min() < SPREAD:
        return False
    pairs = [design.x[row] - design.x[: reach + 1]
             for row, reach in zip(design.row, design.reach[design.moment], strict=True)]  # fmt: skip
    gaps = np.unique(np.concatenate(pairs), axis=0)
    if len(gaps) > MOST_PAIRS:
        return False
    from scipy.optimize import linprog

    found = linprog(-gaps.sum(axis=0), A_ub=-gaps, b_ub=np.zeros(len(gaps)), bounds=(-1, 1), method="highs")
    return bool(found.status == 0 and -found.fun > 1e-7)


def _firth(design: _Design, scale: Floats, conf_level: float, note: str) -> Fit:
    terms = scale.size
    everything = np.ones(terms, dtype=bool)
    beta, top = _climb(design, np.zeros(terms), everything)
    error = np.sqrt(np.diag(np.linalg.inv(top.information)))
    drop = float(chdtri(1, 1 - conf_level)) / 2
    low, high, p = (np.empty(terms) for _ in range(3))
    for term in range(terms):
        low[term], high[term] = (
            _profile_limit(design, beta, top, term, sign * error[term], drop) for sign in (-1, 1)
        )
        _, without = _climb(design, np.where(np.arange(terms) == term, 0.0, beta), np.arange(terms) != term)
        p[term] = chdtrc(1, max(2 * (top.value - without.value), 0.0))
    return Fit(coef=beta / scale, std_err=error / scale, low=low / scale, high=high / scale, p_value=p,
               log_likelihood=top.value + float(np.log(scale).sum()), firth=True, note=note)  # fmt: skip


def _climb(design: _Design, beta: Floats, free: NDArray[np.bool_]) -> tuple[Floats, _Likelihood]:
    """Maximum of the penalised likelihood over the `free` coefficients, the others as they are."""
    here = _penalised(design, beta)
    for _ in range(500 if free.any() else 0):
        step = np.zeros(beta.size)
        step[free] = np.linalg.solve(here.information[np.ix_(free, free)], here.score[free])
        step = step * min(1.0, 2.0 / np.abs(step).max(initial=1e-300))
        there = _penalised(design, beta + step)
        while not there.value >= here.value - 1e-13 * abs(here.value) and np.abs(step).max() > 1e-13:
            step = step / 2
            there = _penalised(design, beta + step)
        beta, here = beta + step, there
        if np.abs(step).max() < 1e-11:
            break
    return beta, here


def _profile_limit(
    design: _Design, beta: Floats, top: _Likelihood, term: int, step: float, drop: float
) -> float:
    """Where the profile of the penalised likelihood has fallen by `drop`, in the direction of `step`."""
    from scipy.optimize import brentq

    free = np.arange(beta.size) != term

    def fall(value: float) -> float:
        start = beta.copy()
        start[term] = value
        return top.value - drop - _climb(design, start, free)[1].value

    outside = beta[term] + 2 * step
    while fall(outside) < 0:
        outside = outside + (outside - beta[term])
    return float(brentq(fall, beta[term], outside, xtol=1e-10, rtol=1e-12))
