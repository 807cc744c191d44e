"""Curves from arrays of times: Kaplan-Meier and cumulative incidence.

Here: arrays and groups in, frames and results out, as the survival room hands them on. Not here:
the arithmetic (stats.survival_curves, stats.bpcp, stats.competing_risks), tests between groups
(`comparisons`), how a study's events become times (`histories`, `survival`), drawing (report.figures).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import results
from cart7.stats import bpcp as beta_product
from cart7.stats import competing_risks, survival_curves
from cart7.stats.survival_curves import QUANTILE_RULES, Curve, Floats
from cart7.times import arrays
from cart7.times.arrays import Array

ConfType = Literal["log-log", "log", "plain", "logit", "arcsine", "bpcp", "bpcp-midp"]
QuantileRule = Literal["survfit", "survfit-quantile", "sas"]

CONF_TYPES = (*survival_curves.FORMULAS, "bpcp", "bpcp-midp")
METHODS = {
    "bpcp": "Kaplan-Meier, beta product",
    "bpcp-midp": "Kaplan-Meier, mid-p beta product",
    **{word: f"Kaplan-Meier, Greenwood {word}" for word in survival_curves.FORMULAS},
}


# ---- results ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """The curve of one group with its limits; `time` and `event` as they were given."""

    group: str
    time: Floats
    event: NDArray[np.bool_]
    steps: Curve
    conf_type: str
    conf_level: float

    @cached_property
    def bands(self) -> beta_product.BetaProductLimits:
        """Beta product limits, interval by interval."""
        midp = self.conf_type == "bpcp-midp"
        return beta_product.limits(self.steps, conf_level=self.conf_level, midp=midp)

    @property
    def exact(self) -> bool:
        """Whether the limits are beta product limits."""
        return self.conf_type in ("bpcp", "bpcp-midp")

    @cached_property
    def limits(self) -> tuple[Floats, Floats]:
        """Limits before the first time and then at each time."""
        low, high = (self.bands.low, self.bands.high) if self.exact else self.step_limits
        # Beta product limits begin with the interval before the first time, unless that time is 0.
        before = np.ones(self.steps.time.size + 1 - low.size)
        return np.append(before, low), np.append(before, high)

    @cached_property
    def step_limits(self) -> tuple[Floats, Floats]:
        """Limits at each time."""
        if self.exact:
            low, high = self.limits
            return low[1:], high[1:]
        return survival_curves.limits(self.steps, conf_type=self.conf_type, conf_level=self.conf_level)

    @cached_property
    def ordered(self) -> tuple[Floats, Floats]:
        """All times, and those of the events, ascending."""
        return np.sort(self.time), np.sort(self.time[self.event])

    @property
    def last(self) -> float:
        """Last observed time, NaN without subjects."""
        return float(self.steps.time[-1]) if self.steps.n else float("nan")

    def quantile(self, p: float, rule: str) -> tuple[float, float, float]:
        """Time of the part `p` and its limits; NaN where not reached."""
        steps = self.steps
        value = survival_curves.step_quantile(steps.time, steps.survival, p, rule=rule)
        if not steps.n:
            return value, value, value
        if self.exact:
            return value, *beta_product.quantile_limits(self.bands, p)
        low, high = self.step_limits
        return value, *survival_curves.quantile_limits(steps.time, low, high, p, rule=rule)

    def follow_up(self, *, events_first: bool = True) -> "Fit":
        """The time under observation (reverse Kaplan-Meier), with the same kind of limits."""
        steps = survival_curves.follow_up_curve(self.steps, events_first=events_first)
        return replace(self, steps=steps, event=~self.event)

    def at(self, times: Floats, beyond: str) -> dict[str, Any]:
        """Columns of `KaplanMeierResult.at` for this group."""
        steps, place = self.steps, survival_curves.level_at(self.steps, times) + 1
        levels, (everybody, events) = (np.append(1.0, steps.survival), *self.limits), self.ordered
        survival, low, high = (level[place] for level in levels)
        past = np.isnan(self.last) | (times > self.last)
        unknown = past & (survival > 0) if beyond == "ne" or not steps.n else np.zeros(times.size, bool)
        survival, low, high = (np.where(unknown, np.nan, side) for side in (survival, low, high))
        why = "no subject" if not steps.n else f"beyond the last observation ({self.last:g})"
        bare = np.where(survival > 0, "limits need an event", "limits not estimable at survival 0")
        note = np.where(unknown, why, np.where(np.isnan(low), bare, ""))
        return {
            "group": self.group,
            "time": times,
            "n_risk": everybody.size - np.searchsorted(everybody, times, side="left"),
            "n_event": np.searchsorted(events, times, side="right"),
            "survival": survival,
            "ci_low": low,
            "ci_high": high,
            "note": note.astype(object),
        }


def quantile_note(p: float, value: float, low: float, high: float, n: int) -> str:
    """Why a quantile or a limit is missing; empty when all are there."""
    if not n:
        return "no subject"
    word = "median" if p == 0.5 else f"{p:g} quantile"
    parts = ((word, value), ("lower limit", low), ("upper limit", high))
    return "; ".join(f"{name} not reached" for name, number in parts if np.isnan(number))


@dataclass(frozen=True, kw_only=True, eq=False)
class KaplanMeierResult:
    """Kaplan-Meier curves, one per group; frames are made when they are asked for.

    `curve` holds the steps, `quantiles`, `at`, `rmst` and `follow_up` read from them; `summary`
    (group, n, n_event, median with limits) and `to_frame` are as in every result.
    """

    title: ClassVar[str] = "Kaplan-Meier"
    figure: ClassVar[str] = "kaplan_meier"

    fits: tuple[Fit, ...] = field(repr=False)
    conf_type: str
    conf_level: float
    left_out: tuple[tuple[int, str], ...] = field(repr=False, default=())
    rules: None = None
    population: str = ""

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows of the arrays that were not used: table, row (1-based), subject_id, reason."""
        return arrays.excluded(self.left_out)

    @cached_property
    def curve(self) -> pd.DataFrame:
        """Steps by group: time, n_risk, n_event, n_censor, survival, std_err, ci_low, ci_high."""
        return _curve_frame(self.fits)

    @property
    def hazard(self) -> pd.DataFrame:
        """Nelson-Aalen cumulative hazard: group, time, n_risk, n_event, hazard, std_err, ci_low, ci_high.

        Limits on the log scale, hazard x exp(-+ z std_err / hazard); missing before the first event.
        """
        z = survival_curves.normal_quantile(self.conf_level)
        parts = []
        for group, steps in self.curve.groupby("group", sort=False):
            value, error = survival_curves.cumulative_hazard(steps["n_risk"], steps["n_event"])
            known = value > 0
            spread = np.exp(z * error / np.where(known, value, 1.0))
            limits = (np.where(known, value / spread, np.nan), np.where(known, value * spread, np.nan))
            frame = steps[["time", "n_risk", "n_event"]].assign(
                hazard=value, std_err=error, ci_low=limits[0], ci_high=limits[1]
            )
            frame.insert(0, "group", group)
            parts.append(frame)
        columns = ["group", "time", "n_risk", "n_event", "hazard", "std_err", "ci_low", "ci_high"]
        return results.concat(parts, columns)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per group: n, n_event, median, ci_low, ci_high, conf_level, method, note."""
        frame = self.quantiles(0.5).rename(columns={"time": "median"}).drop(columns="p")
        frame.insert(1, "n", [fit.steps.n for fit in self.fits])
        frame.insert(2, "n_event", [int(fit.steps.n_event.sum()) for fit in self.fits])
        frame.insert(6, "conf_level", self.conf_level)
        frame.insert(7, "method", METHODS[self.conf_type])
        return frame

    @property
    def subjects(self) -> pd.DataFrame:
        """No rows: the curve is made from arrays."""
        return arrays.no_subjects()

    def quantiles(
        self, p: float | Sequence[float] = (0.25, 0.5, 0.75), *, rule: QuantileRule = "survfit"
    ) -> pd.DataFrame:
        """Times by which the part `p` had the event, with limits.

        Parameters
        ----------
        p : float or sequence of float
            0.5 is the median.
        rule : {"survfit", "survfit-quantile", "sas"}
            What a curve that lies exactly on 1 - p gives: the midpoint to the next drop; without
            a later drop the first time, the midpoint to the last time, or nothing.

        Returns
        -------
        DataFrame
            `group, p, time, ci_low, ci_high, note`, in the unit of the times; NaN: not reached.

        Examples
        --------
        >>> kaplan_meier([1, 2, 3, 4], [1, 1, 0, 0]).quantiles(0.5, rule="sas")["note"].tolist()
        ['median not reached; upper limit not reached']
        """
        arrays.known("rule", rule, QUANTILE_RULES)
        parts = np.atleast_1d(np.asarray(p, dtype=float)).tolist()
        if not all(0 <= part <= 1 for part in parts):
            raise ValueError(f"p must lie between 0 and 1, got {p}")
        rows: list[tuple[object, ...]] = []
        for fit in self.fits:
            for part in parts:
                found = fit.quantile(part, rule)
                rows.append((fit.group, part, *found, quantile_note(part, *found, fit.steps.n)))
        return pd.DataFrame(rows, columns=["group", "p", "time", "ci_low", "ci_high", "note"])

    def at(self, times: Array, *, beyond: Literal["ne", "carry"] = "ne") -> pd.DataFrame:
        """Survival at given times, with limits.

        Parameters
        ----------
        times : float or sequence of float
            In the unit of the curve.
        beyond : {"ne", "carry"}
            Past the last observation: not estimable (unless the curve has reached 0), or the last
            level carried on.

        Returns
        -------
        DataFrame
            `group, time, n_risk, n_event, survival, ci_low, ci_high, note`: `n_risk` observed to
            the time or longer, `n_event` events up to it.

        Examples
        --------
        >>> kaplan_meier([1, 2, 3, 4], [1, 1, 0, 0]).at(2)[["n_risk", "n_event", "survival"]].values.tolist()
        [[3.0, 2.0, 0.5]]
        """
        arrays.known("beyond", beyond, ("ne", "carry"))
        wanted = np.atleast_1d(np.asarray(times, dtype=float))
        if not np.all(np.isfinite(wanted)):
            raise ValueError(f"times must be finite, got {times}")
        return results.concat([pd.DataFrame(fit.at(wanted, beyond)) for fit in self.fits], _AT_COLUMNS)

    def rmst(self, tau: Array, *, extend: bool = False) -> pd.DataFrame:
        """Mean time to event restricted to `tau`.

        Parameters
        ----------
        tau : float or sequence of float
            Horizon, in the unit of the curve.
        extend : bool, default False
            Carry the last level past the last observation, as R does, instead of refusing.

        Returns
        -------
        DataFrame
            `group, tau, rmst, std_err, ci_low, ci_high`.

        Raises
        ------
        ValueError
            When `tau` is past the last observation of a group whose curve has not reached 0.

        Examples
        --------
        >>> mean = kaplan_meier([1, 2, 3, 4], [1, 1, 0, 0]).rmst(4)
        >>> f"{mean['rmst'][0]:.2f} {mean['std_err'][0]:.3f}"
        '2.75 0.650'
        """
        z = survival_curves.normal_quantile(self.conf_level)
        rows = []
        for horizon in np.atleast_1d(np.asarray(tau, dtype=float)).tolist():
            if not 0 < horizon < np.inf:
                raise ValueError(f"tau must be above 0, got {horizon:g}")
            for fit in self.fits:
                reached = fit.steps.n > 0 and (horizon <= fit.last or fit.steps.survival[-1] <= 0)
                if not (reached or extend):
                    raise ValueError(
                        f"tau = {horizon:g} is past the last time ({fit.last:g}) of group {fit.group}; "
                        "extend=True carries the last level"
                    )
                mean, se = (
                    survival_curves.restricted_mean(fit.steps, horizon) if fit.steps.n else (np.nan,) * 2
                )
                rows.append((fit.group, horizon, mean, se, mean - z * se, mean + z * se))
        return pd.DataFrame(rows, columns=["group", "tau", "rmst", "std_err", "ci_low", "ci_high"])

    def follow_up(self, *, ties: Literal["events-first", "flip"] = "events-first") -> "KaplanMeierResult":
        """Time under observation by reverse Kaplan-Meier.

        Parameters
        ----------
        ties : {"events-first", "flip"}
            At a shared time the events leave before the censorings (as in the curve itself), or
            stay at risk (R with the status flipped).

        Returns
        -------
        KaplanMeierResult
            Its events are the censorings; same limits.

        Examples
        --------
        >>> kaplan_meier([3, 5, 5, 8], [1, 1, 0, 0]).follow_up().quantiles(0.5)["time"].tolist()
        [6.5]
        """
        arrays.known("ties", ties, ("events-first", "flip"))
        fits = tuple(fit.follow_up(events_first=ties == "events-first") for fit in self.fits)
        return KaplanMeierResult(
            fits=fits, conf_type=self.conf_type, conf_level=self.conf_level, left_out=self.left_out
        )

    def to_frame(self) -> pd.DataFrame:
        """Long rows of `summary` and of `curve` (timepoint = time)."""
        summary, curve = self.summary, self.curve
        method = METHODS[self.conf_type]
        reasons = {"std_err": "survival is 0", "ci_low": "not estimable", "ci_high": "not estimable"}
        blocks = [
            results.long_rows(
                summary, analysis="survival.kaplan_meier", param="KM", group=summary["group"],
                stats=["n", "n_event", "median", "ci_low", "ci_high", "conf_level"],
                units=dict.fromkeys(("median", "ci_low", "ci_high"), "time"), method=method,
            ),
            results.long_rows(
                curve, analysis="survival.kaplan_meier", param="KM:CURVE", group=curve["group"],
                timepoint=curve["time"].map(arrays.number_text),
                stats=["n_risk", "n_event", "n_censor", "survival", "std_err", "ci_low", "ci_high"],
                method=method, reasons=reasons,
            ),
        ]  # fmt: skip
        return results.long_frame(blocks)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the curves with the number at risk below; returns the Axes or the Figure."""
        return results.EndpointResult.plot(cast(Any, self), ax, **options)

    def _repr_html_(self) -> str:
        return results.EndpointResult._repr_html_(cast(Any, self))


@dataclass(frozen=True, kw_only=True, eq=False)
class CumulativeIncidenceResult(results.EndpointResult):
    """Cumulative incidence of each cause by group.

    `curve` has one row per group, cause and distinct time; `summary` the last value of each.
    """

    title: ClassVar[str] = "Cumulative incidence"
    figure: ClassVar[str] = "cumulative_incidence"

    curve: pd.DataFrame = field(repr=False)
    variance: str
    conf_level: float

    def at(self, times: Array, *, beyond: Literal["ne", "carry"] = "ne") -> pd.DataFrame:
        """Incidence at given times: `group, cause, time, n_risk, estimate, variance, ci_low, ci_high, note`.

        Parameters
        ----------
        times : float or sequence of float
            In the unit of the curve.
        beyond : {"ne", "carry"}
            Past the last observation: not estimable, or the last level carried on.

        Examples
        --------
        >>> cumulative_incidence([1, 2, 3, 4], [1, 2, 0, 1]).at(2)["estimate"].tolist()
        [0.25, 0.25]
        """
        arrays.known("beyond", beyond, ("ne", "carry"))
        wanted = np.atleast_1d(np.asarray(times, dtype=float))
        blocks = [
            _incidence_at(part, wanted, beyond)
            for _, part in self.curve.groupby(["group", "cause"], sort=False)
        ]
        return results.concat(blocks, (*_INCIDENCE_COLUMNS, "note"))

    def _long(self) -> list[pd.DataFrame]:
        method = f"Aalen-Johansen, {self.variance} variance"
        curve, why = self.curve, "not estimable at incidence 0 or 1"
        return [
            results.long_rows(
                curve, analysis="survival.cumulative_incidence", param="CIF:" + curve["cause"].astype(str),
                group=curve["group"], timepoint=curve["time"].map(arrays.number_text), method=method,
                stats=["n_risk", "estimate", "variance", "ci_low", "ci_high"], population=self.population,
                reasons={"ci_low": why, "ci_high": why},
            ),
        ]  # fmt: skip


# ---- functions ----------------------------------------------------------------------------------


def kaplan_meier(
    time: Array,
    event: Array,
    *,
    group: Array | None = None,
    conf_type: ConfType = "log-log",
    conf_level: float = 0.95,
    merge_near_ties: bool = True,
) -> KaplanMeierResult:
    """Kaplan-Meier curves with pointwise limits.

    Parameters
    ----------
    time : array
        Observed times in any unit, any order, not negative; 0 is legal.
    event : array of bool or 0/1
        True where the event happened, False where censored.
    group : array, optional
        Group of each row; without it one group `ALL`.
    conf_type : {"log-log", "log", "plain", "logit", "arcsine", "bpcp", "bpcp-midp"}
        Scale of the Greenwood limits, or the exact beta product limits and their mid-p variant.
    conf_level : float, default 0.95
        Two-sided level.
    merge_near_ties : bool, default True
        Treat times that differ by rounding noise as one, as R does.

    Returns
    -------
    KaplanMeierResult
        Rows without a time, an event or a group are left out and stand in `.excluded`.

    Raises
    ------
    ValueError
        For arrays of different length, a negative or infinite time, an event other than 0 and 1, an
        unknown `conf_type` or a level outside (0, 1).

    References
    ----------
    Kaplan EL, Meier P (1958). JASA 53:457-481. doi:10.1080/01621459.1958.10501452
    Fay MP, Brittain EH, Proschan MA (2013). Biostatistics 14:723-736. doi:10.1093/biostatistics/kxt016

    Examples
    --------
    >>> fit = kaplan_meier([3, 5, 5, 8], [1, 1, 0, 0])
    >>> fit.curve[["time", "n_risk", "survival"]].values.tolist()
    [[3.0, 4.0, 0.75], [5.0, 3.0, 0.5], [8.0, 1.0, 0.5]]
    """
    arrays.known("conf_type", conf_type, CONF_TYPES)
    survival_curves.normal_quantile(conf_level)  # refuses a level outside (0, 1)
    rows = arrays.Rows.of(time, event, "event", group)
    fits = _fits(rows, conf_type, conf_level, near_ties=merge_near_ties)
    return KaplanMeierResult(fits=fits, conf_type=conf_type, conf_level=conf_level, left_out=rows.left_out)


def bpcp(
    time: Array,
    event: Array,
    *,
    group: Array | None = None,
    conf_level: float = 0.95,
    midp: bool = False,
    method: Literal["exact", "moments"] = "exact",
) -> pd.DataFrame:
    """Beta product confidence limits of the survival function, interval by interval.

    Parameters
    ----------
    time, event, group : arrays
        As in `kaplan_meier`; no missing values. Only equal times are ties, as in R bpcp.
    conf_level : float, default 0.95
        Two-sided level.
    midp : bool, default False
        The shorter mid-p limits.
    method : {"exact", "moments"}
        Quantiles of the exact distribution (with more than 500 subjects: moments), or of betas with
        the same mean and variance.

    Returns
    -------
    DataFrame
        `group, left, right, survival, ci_low, ci_high` on [left, right), the first from 0, the last
        without end (`right` inf); limits non-increasing.

    Raises
    ------
    ValueError
        As `kaplan_meier`, for missing values and for an unknown method.

    Examples
    --------
    >>> bands = bpcp([4, 7, 9], [1, 0, 0])
    >>> [f"{low:.3f}" for low in bands["ci_low"]]
    ['0.292', '0.094', '0.017', '0.000']
    """
    rows = arrays.Rows.of(time, event, "event", group, complete=True)
    blocks = []
    for fit in _fits(rows, "bpcp", conf_level, near_ties=False):
        bands = beta_product.limits(fit.steps, conf_level=conf_level, midp=midp, method=method)
        columns = {"left": bands.left, "right": bands.right, "survival": bands.survival,
                   "ci_low": bands.low, "ci_high": bands.high}  # fmt: skip
        blocks.append(pd.DataFrame({"group": fit.group, **columns}))
    return results.concat(blocks, _BAND_COLUMNS)


def cumulative_incidence(
    time: Array,
    cause: Array,
    *,
    group: Array | None = None,
    variance: Literal["aalen", "delta"] = "aalen",
    conf_level: float = 0.95,
) -> CumulativeIncidenceResult:
    """Cumulative incidence of each cause when only the first event of any cause is seen.

    Parameters
    ----------
    time : array
        Observed times in any unit, any order, not negative.
    cause : array of int
        0 where censored, else the number of the cause that came first.
    group : array, optional
        Group of each row; without it one group `ALL`.
    variance : {"aalen", "delta"}
        As R cmprsk and SAS, or as R survival (infinitesimal jackknife).
    conf_level : float, default 0.95
        Two-sided level; limits on the log(-log) scale.

    Returns
    -------
    CumulativeIncidenceResult
        `.curve`: `group, cause, time, n_risk, estimate, variance, ci_low, ci_high`. Causes at the
        same time all start from the survival before it; nothing is jittered.

    Raises
    ------
    ValueError
        For a cause that is not a whole number from 0, a bad time, an unknown variance or level.

    References
    ----------
    Aalen OO, Johansen S (1978). Scand J Stat 5:141-150.

    Examples
    --------
    >>> cumulative_incidence([1, 2, 3, 4], [1, 2, 0, 1]).curve["estimate"].tolist()
    [0.25, 0.25, 0.25, 0.75, 0.0, 0.25, 0.25, 0.25]
    """
    rows = arrays.Rows.of(time, cause, "cause", group)
    times, causes = competing_risks.checked_causes(rows.time, rows.value)
    times = survival_curves.merge_near_ties(times) if times.size else times
    kinds = tuple(int(kind) for kind in np.unique(causes[causes > 0]))
    blocks = []
    for position, label in enumerate(rows.labels):
        mine = rows.code == position
        found = competing_risks.cumulative_incidence(
            times[mine], causes[mine], causes=kinds, variance=variance, near_ties=False
        )
        blocks.append(_incidence_frame(label, found, conf_level))
    curve = results.concat(blocks, _INCIDENCE_COLUMNS)
    return CumulativeIncidenceResult(
        subjects=arrays.no_subjects(),
        summary=curve.groupby(["group", "cause"], sort=False).tail(1).reset_index(drop=True),
        excluded=arrays.excluded(rows.left_out),
        curve=curve,
        variance=variance,
        conf_level=conf_level,
    )


def bootstrap_quantiles(
    time: Array, event: Array, *, p: float = 0.5, n_resamples: int, rng: np.random.Generator | int
) -> Floats:
    """Quantile of each of many resamples of the rows with replacement, all at once.

    Parameters
    ----------
    time, event : arrays
        As in `kaplan_meier`; no missing values.
    p : float, default 0.5
        Part that had the event; read by the rule `survfit`.
    n_resamples : int
        Number of resamples.
    rng : Generator or int
        Source of chance, or its seed; there is no default.

    Returns
    -------
    array of length `n_resamples`
        NaN: not reached.

    Raises
    ------
    ValueError
        As `kaplan_meier`, for missing values, for `p` outside [0, 1], for a negative number.

    Examples
    --------
    >>> medians = bootstrap_quantiles([1, 2, 3, 4, 5], [1, 1, 1, 1, 1], n_resamples=1000, rng=1)
    >>> f"{np.quantile(medians, 0.025):.1f} {np.quantile(medians, 0.975):.1f}"
    '1.0 5.0'
    """
    rows = arrays.Rows.of(time, event, "event", None, complete=True)
    return survival_curves.bootstrap_quantiles(rows.time, rows.value, p=p, n_resamples=n_resamples, rng=rng)


# ---- arrays into rows ---------------------------------------------------------------------------

_CURVE_COLUMNS = (
    "group",
    "time",
    "n_risk",
    "n_event",
    "n_censor",
    "survival",
    "std_err",
    "ci_low",
    "ci_high",
)
_AT_COLUMNS = ("group", "time", "n_risk", "n_event", "survival", "ci_low", "ci_high", "note")
_BAND_COLUMNS = ("group", "left", "right", "survival", "ci_low", "ci_high")
_INCIDENCE_COLUMNS = ("group", "cause", "time", "n_risk", "estimate", "variance", "ci_low", "ci_high")


def fit(time: pd.Series, event: pd.Series, group: str, conf_type: str, conf_level: float) -> Fit:
    """One group's curve from complete columns."""
    times, happened = survival_curves.checked(time, event)
    steps = survival_curves.curve(times, happened)
    return Fit(
        group=group, time=times, event=happened, steps=steps, conf_type=conf_type, conf_level=conf_level
    )


def _fits(rows: arrays.Rows, conf_type: str, conf_level: float, *, near_ties: bool) -> tuple[Fit, ...]:
    _, event = survival_curves.checked(rows.time, rows.value)
    several = len(rows.labels) > 1
    time = survival_curves.merge_near_ties(rows.time) if near_ties and several else rows.time
    fits = []
    for position, label in enumerate(rows.labels):
        mine = rows.code == position if several else slice(None)
        steps = survival_curves.curve(time[mine], event[mine], near_ties=near_ties and not several)
        fits.append(
            Fit(group=label, time=rows.time[mine], event=event[mine], steps=steps, conf_type=conf_type,
                conf_level=conf_level)
        )  # fmt: skip
    return tuple(fits)


def _curve_frame(fits: Sequence[Fit]) -> pd.DataFrame:
    if not fits:
        return pd.DataFrame(columns=list(_CURVE_COLUMNS))
    parts = [curve_columns(fit) for fit in fits]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    labels, sizes = [fit.group for fit in fits], [fit.steps.time.size for fit in fits]
    group = labels[0] if len(fits) == 1 else np.array(labels, dtype=object).repeat(sizes)
    # The columns are fresh from the line above: without a second copy nine subjects take half the time.
    return pd.DataFrame({"group": group, **columns}, copy=False)


def curve_columns(fit: Fit) -> dict[str, Any]:
    """Columns of `KaplanMeierResult.curve` for one group, without the group."""
    low, high = fit.step_limits
    steps = fit.steps
    return {"time": steps.time, "n_risk": steps.n_risk, "n_event": steps.n_event, "n_censor": steps.n_censor,
            "survival": steps.survival, "std_err": steps.std_err, "ci_low": low, "ci_high": high}  # fmt: skip


def _incidence_frame(label: str, found: competing_risks.Incidence, conf_level: float) -> pd.DataFrame:
    low, high = competing_risks.limits(found.estimate, found.variance, conf_level=conf_level)
    times = found.time.size
    return pd.DataFrame(
        {"group": label, "cause": np.repeat(np.array(found.causes, dtype=np.int64), times),
         "time": np.tile(found.time, len(found.causes)), "n_risk": np.tile(found.n_risk, len(found.causes)),
         "estimate": found.estimate.ravel(), "variance": found.variance.ravel(),
         "ci_low": low.ravel(), "ci_high": high.ravel()},
        columns=list(_INCIDENCE_COLUMNS),
    )  # fmt: skip


def _incidence_at(part: pd.DataFrame, times: Floats, beyond: str) -> pd.DataFrame:
    """Rows of one group and cause in force at `times`."""
    at = part["time"].to_numpy()
    place = np.searchsorted(at, times, side="right")
    unknown = (times > at[-1]) & (beyond == "ne")
    start = {"estimate": 0.0, "variance": 0.0, "ci_low": np.nan, "ci_high": np.nan}
    columns = {
        name: np.where(unknown, np.nan, np.append(first, part[name].to_numpy())[place])
        for name, first in start.items()
    }
    bare = np.isnan(columns["ci_low"])
    note = np.where(unknown, f"beyond the last observation ({at[-1]:g})",
                    np.where(bare, "limits not estimable at incidence 0 or 1", ""))  # fmt: skip
    n_risk = np.append(part["n_risk"].to_numpy(), 0)[np.searchsorted(at, times, side="left")]
    return pd.DataFrame({"group": part["group"].iloc[0], "cause": part["cause"].iloc[0], "time": times,
                         "n_risk": n_risk, **columns, "note": note.astype(object)})  # fmt: skip
