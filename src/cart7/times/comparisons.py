"""Comparisons of groups: log-rank, Gray's test, survival at one time and Cox regression, from arrays.

Here: the tests with their exact p-values, and proportional hazards with Firth's penalised fit where
the usual one has no finite answer. Not here: the arithmetic (stats.logrank, stats.gray, stats.melded,
stats.cox), the curves (`curves`).
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import results
from cart7.stats import bpcp, competing_risks, gray, melded, survival_curves
from cart7.stats import cox as kernel
from cart7.stats import logrank as logrank_kernel
from cart7.stats.survival_curves import Curve, Floats
from cart7.times import arrays
from cart7.times.arrays import Array

COLUMNS = (
    "term", "coef", "std_err", "hazard_ratio", "ci_low", "ci_high", "p_value", "method", "note",
)  # fmt: skip
COMPARED = (
    "t", "group_1", "group_2", "survival_1", "survival_2", "estimate", "ci_low", "ci_high", "p_value",
    "p_less", "p_greater", "method", "note",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class LogrankResult:
    """Log-rank comparison: the statistic, its p-values, observed and expected events by group."""

    statistic: float
    df: int
    p_value: float
    exact_p_value: float | None
    observed: pd.Series = field(repr=False)
    expected: pd.Series = field(repr=False)
    method: str
    excluded: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Long rows of the test and of the events by group."""
        exact = np.nan if self.exact_p_value is None else self.exact_p_value
        test = pd.DataFrame({"statistic": [self.statistic], "df": [self.df], "p_value": [self.p_value],
                             "exact_p_value": [exact]})  # fmt: skip
        events = pd.DataFrame({"observed": self.observed, "expected": self.expected})
        common: dict[str, Any] = {"analysis": "survival.logrank", "param": "LOGRANK", "method": self.method}
        reasons = {"exact_p_value": "not computed", "statistic": "no comparison possible",
                   "p_value": "no comparison possible"}  # fmt: skip
        return results.long_frame(
            [
                results.long_rows(test, stats=list(test.columns), reasons=reasons, **common),
                results.long_rows(
                    events, stats=["observed", "expected"], group=events.index.to_series(), **common
                ),
            ]
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class CoxResult(results.EndpointResult):
    """Cox regression: one row of `summary` per term; limits are those of the hazard ratio."""

    title: ClassVar[str] = "Cox regression"

    n: int
    n_event: int
    log_likelihood: float
    conf_level: float

    def _long(self) -> list[pd.DataFrame]:
        stats = ["coef", "std_err", "hazard_ratio", "ci_low", "ci_high", "p_value"]
        return [
            results.long_rows(
                self.summary, analysis="survival.cox", param="HAZARD:" + self.summary["term"], stats=stats,
                method=self.summary["method"],
            )
        ]  # fmt: skip


def logrank(
    time: Array,
    event: Array,
    group: Array,
    *,
    rho: float = 0.0,
    exact: Literal["auto"] | bool = "auto",
) -> LogrankResult:
    """Log-rank test of two or more groups.

    Parameters
    ----------
    time, event, group : arrays
        As in `kaplan_meier`.
    rho : float, default 0
        Weight S(t-) to the power rho: 0 log-rank, 1 Peto-Peto.
    exact : {"auto", True, False}
        The permutation p-value of two groups: with up to 100,000 relabelings, always, never.

    Returns
    -------
    LogrankResult
        `statistic, df, p_value` (chi-square) as R `survdiff`; `exact_p_value` is the part of all
        relabelings with abs(O - E) at least as large as observed, None where not computed;
        `observed` and `expected` are Series by group.

    Raises
    ------
    ValueError
        With fewer than two groups, or `exact=True` with more than two.

    References
    ----------
    Harrington DP, Fleming TR (1982). Biometrika 69:553-566. doi:10.1093/biomet/69.3.553

    Examples
    --------
    >>> test = logrank([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 0, 0], ["a", "a", "a", "b", "b", "b"])
    >>> f"{test.statistic:.3f} {test.exact_p_value:.3f}"
    '5.052 0.100'
    """
    rows = arrays.Rows.of(time, event, "event", group)
    found = logrank_kernel.logrank(rows.time, rows.value, rows.code, len(rows.labels), rho=rho, exact=exact)
    name = "log-rank" if rho == 0 else f"log-rank, weight S to the power {rho:g}"
    way = "" if found.exact_p_value is None else ", permutation of abs(O - E)"
    index = pd.Index(rows.labels, name="group")
    return LogrankResult(
        statistic=found.statistic,
        df=found.df,
        p_value=found.p_value,
        exact_p_value=found.exact_p_value,
        observed=pd.Series(found.observed, index=index, name="observed"),
        expected=pd.Series(found.expected, index=index, name="expected"),
        method=name + way,
        excluded=arrays.excluded(rows.left_out),
    )


def gray_test(time: Array, cause: Array, group: Array) -> pd.DataFrame:
    """Gray's test, for every cause, that the groups have the same cumulative incidence.

    Parameters
    ----------
    time : array
        Observed times in any unit, not negative; no missing values.
    cause : array of int
        0 where censored, else the number of the cause that came first.
    group : array
        Group of each row; at least two.

    Returns
    -------
    DataFrame
        `cause, statistic` (chi-square)`, df, p_value`; NaN where a cause allows no comparison.

    Raises
    ------
    ValueError
        With fewer than two groups, missing values, or a cause that is not a whole number from 0.

    References
    ----------
    Gray RJ (1988). Ann Stat 16:1141-1154. doi:10.1214/aos/1176350951

    Examples
    --------
    >>> test = gray_test(range(1, 9), [1, 1, 2, 1, 2, 2, 1, 0], ["a"] * 4 + ["b"] * 4)
    >>> [f"{p:.3f}" for p in test["p_value"]]
    ['0.052', '0.338']
    """
    rows = arrays.Rows.of(time, cause, "cause", group, complete=True)
    times, causes = competing_risks.checked_causes(rows.time, rows.value)
    times = survival_curves.merge_near_ties(times)
    found = [
        (int(kind), *gray.gray_test(times, causes, rows.code, len(rows.labels), of=int(kind)))
        for kind in np.unique(causes[causes > 0])
    ]
    return pd.DataFrame(found, columns=["cause", "statistic", "df", "p_value"])


def compare_at(
    time: Array,
    event: Array,
    group: Array,
    t: Array,
    *,
    parm: Literal["difference", "ratio", "cdfratio", "oddsratio"] = "difference",
    conf_level: float = 0.95,
    midp: bool = False,
) -> pd.DataFrame:
    """Survival of two groups at fixed times, compared with guaranteed coverage for very few subjects.

    Parameters
    ----------
    time, event : arrays
        As in `survival.kaplan_meier`. Rows without a time, an event or a group are left out; `note`
        counts them.
    group : array
        Group of each row: two of them, in ascending order.
    t : float or sequence of float
        The times, in the unit of `time`. Chosen before the data are seen, or no p-value is what it says.
    parm : {"difference", "ratio", "cdfratio", "oddsratio"}
        What is estimated, S being survival at t: S2 - S1; S2 / S1; (1 - S1) / (1 - S2), the ratio of
        risks, group 1 to group 2; odds of S2 to odds of S1. All rise with the survival of group 2.
    conf_level : float, default 0.95
        Two-sided level.
    midp : bool, default False
        Mid-p limits and p-values: coverage close to the level instead of guaranteed.

    Returns
    -------
    DataFrame
        One row per t: `t, group_1, group_2, survival_1, survival_2, estimate, ci_low, ci_high, p_value,
        p_less, p_greater, method, note`. `p_less` and `p_greater` speak for a lower and for a higher
        survival in group 2, `p_value` is twice the smaller, at most 1; they are the same for every
        `parm`. NaN has its reason in `note`: no second group, a denominator of 0, a limit without bound.

    Raises
    ------
    ValueError
        For more than two groups, a t that is negative or not finite, and as `kaplan_meier`.

    Notes
    -----
    Melded confidence limits from the exact beta product distributions of each group. Without
    censoring before t the p-values are those of Fisher's exact test (two-sided: doubled). Past the
    last observation of a group its survival is carried on with the lower limit 0, as R bpcp does.

    References
    ----------
    Fay MP, Proschan MA, Brittain E (2015). Biometrics 71:146-156.

    Examples
    --------
    >>> found = compare_at([1, 2, 3, 4, 9, 9, 3, 9, 9, 9, 9], [1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0],
    ...                    ["DL1"] * 6 + ["DL2"] * 5, 5)
    >>> row = found.iloc[0]
    >>> f"{row['estimate']:.2f} ({row['ci_low']:.2f}, {row['ci_high']:.2f}) p {row['p_value']:.2f}"
    '0.47 (-0.28, 0.89) p 0.35'
    """
    arrays.known("parm", parm, tuple(melded.PARAMETERS))
    survival_curves.normal_quantile(conf_level)  # refuses a level outside (0, 1)
    at = np.atleast_1d(arrays.numbers(t, "t")).ravel()
    if not (np.isfinite(at) & (at >= 0)).all():
        raise ValueError(f"t must be times from 0, got {t}")
    rows = arrays.Rows.of(time, event, "event", group)
    if len(rows.labels) > 2:
        raise ValueError(f"group must name two groups, got {len(rows.labels)}: {', '.join(rows.labels)}")
    steps = [
        survival_curves.curve(rows.time[rows.code == k], rows.value[rows.code == k], near_ties=False)
        for k in range(len(rows.labels))
    ]
    lost = [f"{len(rows.left_out)} rows without time, event or group left out"] * bool(rows.left_out)
    labels = (*rows.labels, "", "")[:2]
    found = [
        (when, *labels, *_compared(steps, labels, when, lost, parm, conf_level, midp)) for when in at.tolist()
    ]
    return pd.DataFrame(found, columns=list(COMPARED))


def cox(
    time: Array,
    event: Array,
    covariates: pd.DataFrame,
    *,
    ties: Literal["efron", "breslow"] = "efron",
    penalty: Literal["firth"] | None = None,
    conf_level: float = 0.95,
) -> CoxResult:
    """Cox proportional hazards regression.

    Parameters
    ----------
    time, event : arrays
        As in `survival.kaplan_meier`, row by row with `covariates`.
    covariates : DataFrame
        Numbers only, a column per term.
    ties : {"efron", "breslow"}
        Likelihood of tied events: R's default, or that of SAS.
    penalty : {None, "firth"}
        Firth's penalised likelihood (Breslow ties); taken anyway when the events separate the terms
        and no finite estimate exists.
    conf_level : float, default 0.95
        Two-sided level.

    Returns
    -------
    CoxResult
        `.summary`: `term, coef, std_err, hazard_ratio, ci_low, ci_high` (of the hazard ratio)`,
        p_value, method, note`. Wald limits and p; for Firth profile limits and the penalised
        likelihood-ratio p. Incomplete rows stand in `.excluded`.

    Raises
    ------
    ValueError
        For a column that is not numeric, no column, rows that do not match, or an unknown choice.

    References
    ----------
    Cox DR (1972). J R Stat Soc B 34:187-220. doi:10.1111/j.2517-6161.1972.tb00899.x
    Heinze G, Schemper M (2001). Biometrics 57:114-119. doi:10.1111/j.0006-341X.2001.00114.x

    Examples
    --------
    >>> level = pd.DataFrame({"level_2": [0, 0, 0, 1, 1, 1]})
    >>> row = cox([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 0, 0], level).summary.iloc[0]
    >>> f"{row['hazard_ratio']:.3f} ({row['ci_low']:.3f}, {row['ci_high']:.3f}) {row['method']}"
    '0.077 (0.001, 0.855) Cox, Firth penalised likelihood, profile limits'
    """
    arrays.known("penalty", penalty, (None, "firth"))
    terms = _terms(covariates)
    rows = arrays.Rows.of(time, event, "event", None, beside=terms)
    x = terms[rows.kept]
    estimable = _independent(x)
    fit = kernel.regression(
        rows.time, rows.value, x[:, estimable], ties=ties, firth=penalty == "firth", conf_level=conf_level
    )
    names = [str(name) for name in covariates.columns]
    return CoxResult(
        subjects=arrays.no_subjects(),
        summary=_summary(names, estimable, fit, ties),
        excluded=arrays.excluded(rows.left_out),
        n=rows.time.size,
        n_event=int(rows.value.sum()),
        log_likelihood=fit.log_likelihood,
        conf_level=conf_level,
    )


def _terms(covariates: pd.DataFrame) -> Floats:
    if not isinstance(covariates, pd.DataFrame) or covariates.shape[1] == 0:
        raise ValueError("covariates must be a DataFrame with a column per term")
    words = [str(name) for name in covariates.columns
             if not (pd.api.types.is_numeric_dtype(covariates[name]) or
                     pd.api.types.is_bool_dtype(covariates[name]))]  # fmt: skip
    if words:
        raise ValueError(f"covariates must be numeric; code {', '.join(words)} as 0 and 1")
    return np.asarray(covariates.to_numpy(dtype=float, na_value=np.nan))


def _independent(x: Floats) -> NDArray[np.bool_]:
    """Columns that are neither constant nor a combination of earlier ones."""
    kept: list[Floats] = []
    found = np.zeros(x.shape[1], dtype=bool)
    for term in range(x.shape[1] if len(x) else 0):
        centred = x[:, term] - x[:, term].mean()
        rest = centred - sum((direction * (direction @ centred) for direction in kept), np.zeros(len(x)))
        length = float(np.linalg.norm(rest))
        found[term] = length > 1e-9 * max(float(np.linalg.norm(x[:, term])), 1e-300)
        if found[term]:
            kept.append(rest / length)
    return found


def _summary(names: list[str], estimable: NDArray[np.bool_], fit: kernel.Fit, ties: str) -> pd.DataFrame:
    way = "Firth penalised likelihood, profile limits" if fit.firth else f"{ties.title()} ties, Wald limits"
    frame = pd.DataFrame({"term": names}).reindex(columns=list(COLUMNS))
    numbers: dict[str, Any] = {"coef": fit.coef, "std_err": fit.std_err, "p_value": fit.p_value}
    with np.errstate(over="ignore"):
        numbers |= {"hazard_ratio": np.exp(fit.coef), "ci_low": np.exp(fit.low), "ci_high": np.exp(fit.high)}
    for name, values in numbers.items():
        column = np.full(len(names), np.nan)
        column[estimable] = np.where(np.isfinite(values), values, np.nan)
        frame[name] = column
    frame["method"] = f"Cox, {way}"
    told = np.where(
        frame["ci_high"].isna() & estimable & (fit.note == ""), "upper limit beyond all numbers", fit.note
    )
    frame["note"] = np.where(estimable, told, "constant, or a combination of the terms before it").astype(
        object
    )
    return frame


def _compared(
    steps: list[Curve],
    labels: tuple[str, ...],
    t: float,
    notes: list[str],
    parm: str,
    level: float,
    midp: bool,
) -> tuple[Any, ...]:
    """Columns of `compare_at` from the survivals on."""
    name = f"melded {'mid-p ' if midp else ''}beta product, {melded.PARAMETERS[parm]}"
    if len(steps) < 2 or not all(one.n for one in steps):
        return (*(np.nan,) * 8, name, "; ".join([*notes, "two groups with subjects are needed"]))
    if max(one.n for one in steps) > bpcp.LARGE:
        name += " (method of moments)"
    found = melded.melded_test(steps[0], steps[1], t, parm=parm, conf_level=level, midp=midp)
    told = [
        f"group {label} is not observed past {arrays.number_text(float(one.time[-1]))}: "
        "its survival is carried on, its lower limit is 0"
        for label, one in zip(labels, steps, strict=True)
        if t >= one.time[-1] and one.survival[-1] > 0
    ]
    values = {"estimate": found.estimate, "lower limit": found.low, "upper limit": found.high}
    told += [f"no {word}: a denominator of 0" for word, value in values.items() if not np.isfinite(value)]
    numbers = [value if np.isfinite(value) else np.nan for value in values.values()]
    chances = found.p_value, found.p_less, found.p_greater
    return (found.survival_1, found.survival_2, *numbers, *chances, name, "; ".join([*told, *notes]))
