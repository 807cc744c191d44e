"""Ranking: which dose level may be chosen, which one is, and how sure its rank is.

Here: gates on toxicity and response, the choice by expected score, posterior draws of desirabilities,
shares of ranks and SMAA. Not here: desirability functions, posteriors and expected scores
(`desirability`); which endpoints count and how much, words (the dose room).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cart7.stats.desirability import BetaPosterior, Posterior, Shape, beta_posterior, desirability

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCheck:
    """What the gates say of each dose level (last axis): probabilities, and which level they block."""

    prob_toxic: Array
    prob_futile: Array
    tested: NDArray[np.bool_]
    too_toxic: NDArray[np.bool_]
    above_toxic: NDArray[np.bool_]
    futile: NDArray[np.bool_]

    @property
    def admissible(self) -> NDArray[np.bool_]:
        """Levels that are tested and blocked by neither gate."""
        return np.asarray(self.tested & ~(self.too_toxic | self.above_toxic | self.futile), dtype=bool)


def check_gates(
    toxicity: tuple[ArrayLike, ArrayLike],
    response: tuple[ArrayLike, ArrayLike],
    *,
    phi_t: float,
    c_t: float,
    phi_e: float,
    c_e: float,
    min_n: int,
    prior: tuple[float, float] = (1.0, 1.0),
) -> GateCheck:
    """Dose levels that may be ranked.

    Parameters
    ----------
    toxicity, response : (n_event, n)
        Counts per dose level, ascending on the last axis.
    phi_t, c_t : float
        A level and all above it are blocked when P(toxicity rate > phi_t) > c_t.
    phi_e, c_e : float
        A level is blocked when P(response rate < phi_e) > c_e.
    min_n : int
        Neither gate closes on fewer subjects; a level with nobody evaluable for toxicity is not tested.
    prior : (float, float)
        Beta prior of both rates.

    Returns
    -------
    GateCheck
        Probabilities are NaN where n = 0.

    Examples
    --------
    >>> gates = check_gates(([0, 3, 0], [3, 3, 3]), ([1, 2, 3], [3, 3, 3]),
    ...                     phi_t=0.30, c_t=0.95, phi_e=0.20, c_e=0.90, min_n=3)
    >>> gates.prob_toxic.round(4).tolist(), gates.admissible.tolist()
    ([0.2401, 0.9919, 0.2401], [True, False, False])
    """
    n_toxicity, n_response = (np.asarray(pair[1], dtype=float) for pair in (toxicity, response))
    toxic = beta_posterior(*toxicity, prior=prior).sf(phi_t)
    futile = beta_posterior(*response, prior=prior).cdf(phi_e)
    too_toxic = (toxic > c_t) & (n_toxicity >= max(min_n, 1))
    blocked = np.logical_or.accumulate(too_toxic, axis=-1)
    return GateCheck(
        prob_toxic=np.where(n_toxicity > 0, toxic, np.nan),
        prob_futile=np.where(n_response > 0, futile, np.nan),
        tested=np.asarray(n_toxicity > 0, dtype=bool),
        too_toxic=np.asarray(too_toxic, dtype=bool),
        above_toxic=np.asarray(blocked & ~too_toxic, dtype=bool),
        futile=np.asarray((futile > c_e) & (n_response >= max(min_n, 1)), dtype=bool),
    )


def choose(
    scores: ArrayLike, admissible: ArrayLike, plateau: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Best and recommended level by expected score.

    Parameters
    ----------
    scores : array_like
        Expected scores, dose levels ascending on the last axis; NaN = no score.
    admissible : array_like of bool
        Levels that passed the gates.
    plateau : float
        Relative loss that is accepted for a lower dose.

    Returns
    -------
    best, recommended : numpy.ndarray of int
        Positions on the last axis, -1 = none. Best has the highest score, the lowest level on a tie;
        recommended is the lowest level with a score of at least ``(1 - plateau)`` times the highest. None
        when no level has a score or the highest is 0.

    Examples
    --------
    >>> best, recommended = choose([0.595, 0.616, 0.634], [True, True, True], 0.10)
    >>> int(best), int(recommended)
    (2, 0)
    """
    values = np.asarray(scores, dtype=float)
    ranked = np.where(np.asarray(admissible, dtype=bool) & ~np.isnan(values), values, -np.inf)
    highest = ranked.max(axis=-1, keepdims=True, initial=-np.inf)
    some = highest[..., 0] > 0
    if not some.any():
        none = np.full(some.shape, -1, dtype=np.int64)
        return none, none.copy()
    near = ranked >= (1 - plateau) * np.where(highest > 0, highest, np.inf)
    best = np.where(some, ranked.argmax(axis=-1), -1)
    return best.astype(np.int64), np.where(some, near.argmax(axis=-1), -1).astype(np.int64)


def draw_desirabilities(
    shapes: Sequence[Shape], posteriors: Sequence[Posterior], *, size: int, rng: np.random.Generator
) -> Array:
    """Posterior draws of the desirabilities: draws x dose levels x criteria.

    Levels share the variance of an exposure: each draw of a Student posterior takes one chi-square for all
    levels and one normal per level, so ranks between levels carry that dependence. A level without a
    posterior is NaN.
    """
    return np.stack(
        [
            np.asarray(desirability(_draw(posterior, size, rng), shape))
            for shape, posterior in zip(shapes, posteriors, strict=True)
        ],
        axis=-1,
    )


def _draw(posterior: Posterior, size: int, rng: np.random.Generator) -> Array:
    known = ~np.isnan(posterior.mean)
    values = np.full((size, known.size), np.nan)
    if not known.any():
        return values
    if isinstance(posterior, BetaPosterior):
        values[:, known] = rng.beta(posterior.a[known], posterior.b[known], size=(size, int(known.sum())))
        return values
    df = float(posterior.df[known][0])
    inflation = np.sqrt(df / rng.chisquare(df, size=(size, 1)))
    normal = rng.standard_normal((size, int(known.sum())))
    values[:, known] = posterior.centre[known] + posterior.scale[known] * inflation * normal
    return values


def first_shares(scores: ArrayLike) -> Array:
    """Share of being first in each row: 1 for the best, split equally among equals, 0 for the others.

    Examples
    --------
    >>> first_shares([[0.2, 0.5, 0.5], [0.9, 0.1, 0.3]]).tolist()
    [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]
    """
    values = np.asarray(scores, dtype=float)
    first = values == values.max(axis=-1, keepdims=True)
    return np.asarray(first / first.sum(axis=-1, keepdims=True), dtype=float)


def rank_shares(scores: ArrayLike) -> Array:
    """Mean share of each rank: alternatives x ranks; equals share the ranks they occupy.

    Examples
    --------
    >>> rank_shares([[0.2, 0.5, 0.5], [0.9, 0.1, 0.3]]).tolist()
    [[0.5, 0.0, 0.5], [0.25, 0.25, 0.5], [0.25, 0.75, 0.0]]
    """
    values = np.asarray(scores, dtype=float)
    above = (values[:, None, :] > values[:, :, None]).sum(axis=-1)
    equal = (values[:, None, :] == values[:, :, None]).sum(axis=-1)
    ranks = np.arange(values.shape[-1])
    held = (ranks >= above[..., None]) & (ranks < (above + equal)[..., None])
    return np.asarray((held / equal[..., None]).mean(axis=0), dtype=float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smaa:
    """Stochastic multicriteria acceptability analysis.

    Attributes
    ----------
    rank_acceptability : numpy.ndarray
        Alternatives x ranks: share of draws in which the alternative has the rank.
    central_weights : numpy.ndarray
        Alternatives x criteria: mean of the weights that make it first; NaN when none does.
    confidence_factor : numpy.ndarray
        Share of draws in which it is first under its own central weights; NaN when it has none.
    ranking_entropy : float
        Entropy of the whole rankings, in bits; 0 when every draw gives the same order.
    n_draws : int
        Draws.
    aggregator : str
        `geometric` or `additive`.
    """

    rank_acceptability: Array
    central_weights: Array
    confidence_factor: Array
    ranking_entropy: float
    n_draws: int
    aggregator: str


def smaa(
    values: ArrayLike, weights: ArrayLike, *, aggregator: Literal["geometric", "additive"] = "geometric"
) -> Smaa:
    """Which alternative is best when values and weights are both uncertain.

    Parameters
    ----------
    values : array_like
        Draws x alternatives x criteria: values on a common scale, larger is better, >= 0 for the geometric
        aggregator.
    weights : array_like
        Draws x criteria, >= 0, not all 0 in a draw; taken as given.
    aggregator : {"geometric", "additive"}
        Product of values to the power of the weights, or weighted sum.

    Returns
    -------
    Smaa
        Alternatives that are equal in a draw share the ranks they occupy.

    Raises
    ------
    ValueError
        If the shapes do not fit, a number is not finite, or a value or weight is out of its range.

    References
    ----------
    Lahdelma R, Salminen P (2001). SMAA-2: stochastic multicriteria acceptability analysis for group
    decision making. Operations Research 49:444-454. doi:10.1287/opre.49.3.444.11220

    Examples
    --------
    >>> result = smaa([[[0.2, 0.9], [0.6, 0.5]]] * 2, [[1.0, 0.0], [0.0, 1.0]], aggregator="additive")
    >>> result.rank_acceptability.tolist(), result.ranking_entropy
    ([[0.5, 0.5], [0.5, 0.5]], 1.0)
    """
    v, w = np.asarray(values, dtype=float), np.asarray(weights, dtype=float)
    _check_smaa(v, w, aggregator)
    scores = _score_draws(v, w[:, None, :], aggregator)
    first = first_shares(scores)
    times_first = first.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        central = np.where(times_first[:, None] > 0, first.T @ w / times_first[:, None], np.nan)
    confidence = np.array(
        [
            first_shares(_score_draws(v, own, aggregator))[:, j].mean() if times_first[j] > 0 else np.nan
            for j, own in enumerate(central)
        ]
    )
    return Smaa(
        rank_acceptability=_frozen(rank_shares(scores)),
        central_weights=_frozen(central),
        confidence_factor=_frozen(confidence),
        ranking_entropy=_ranking_entropy(scores),
        n_draws=len(v),
        aggregator=aggregator,
    )


def _check_smaa(values: Array, weights: Array, aggregator: str) -> None:
    if aggregator not in ("geometric", "additive"):
        raise ValueError(f"aggregator must be geometric or additive, got {aggregator!r}")
    if values.ndim != 3 or 0 in values.shape:
        raise ValueError(
            f"values must be draws x alternatives x criteria, none empty, got shape {values.shape}"
        )
    if weights.shape != (values.shape[0], values.shape[2]):
        expected = (values.shape[0], values.shape[2])
        raise ValueError(f"weights must be draws x criteria {expected}, got shape {weights.shape}")
    if not np.isfinite(values).all():
        raise ValueError("values must be finite")
    if aggregator == "geometric" and (values < 0).any():
        raise ValueError(f"values must be >= 0 for the geometric aggregator, got {values.min()}")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and (weights.sum(axis=1) > 0).all()):
        raise ValueError("weights must be finite, >= 0 and not all 0 in a draw")


def _score_draws(values: Array, weights: Array, aggregator: str) -> Array:
    if aggregator == "additive":
        return np.asarray((values * weights).sum(axis=-1), dtype=float)
    return np.asarray(np.prod(values**weights, axis=-1), dtype=float)


def _ranking_entropy(scores: Array) -> float:
    """Entropy in bits over the distinct orders of the alternatives."""
    ranks = (scores[:, None, :] > scores[:, :, None]).sum(axis=-1)
    _, times = np.unique(ranks, axis=0, return_counts=True)
    share = times / times.sum()
    return float(abs(-(share * np.log2(share)).sum()))


def _frozen(values: Array) -> Array:
    values.setflags(write=False)
    return values
