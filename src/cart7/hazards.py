"""Proportional hazards: how covariates change the hazard, also where nobody in a group had the event.

Here: Cox regression from arrays and a frame of terms, with Firth's penalised fit where the usual
one has no finite answer. Not here: the likelihoods (stats.cox), curves and log-rank tests (`curves`).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import arrays, results
from cart7.arrays import Array
from cart7.stats import cox as kernel
from cart7.stats.survival_curves import Floats

COLUMNS = (
    "term", "coef", "std_err", "hazard_ratio", "ci_low", "ci_high", "p_value", "method", "note",
)  # fmt: skip


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
