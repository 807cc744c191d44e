"""Survival curves, tests and models against R survival, bpcp, cmprsk, coxphf, coin and PROC LIFETEST."""

import functools
from typing import Any

import numpy as np
import pandas as pd

from cart7 import survival
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

WORDS = {"arcsin": "arcsine"}  # the reference's word: ours
CLOSE: dict[str, Any] = {"relative": 1e-10, "absolute": 1e-13}
BPCP = {
    "exact": 1e-12,
    "exact_midp": 1e-12,
    "mm": 1e-12,
    "mm_midp": 5e-4,  # the source's root finder stops at 1.2e-4 on the probability scale
}


def _table(bench: Bench, name: str) -> pd.DataFrame:
    frame = bench.table(f"survival/{name}.csv", dtype={"dataset": str, "group": str, "p_event": float})
    return frame.assign(group=frame["group"].fillna("")) if "group" in frame.columns else frame


def _subjects(bench: Bench, dataset: str, group: str = "ALL") -> pd.DataFrame:
    sets = bench.keep("survival sets", lambda: dict(list(_table(bench, "datasets").groupby("dataset"))))
    rows: pd.DataFrame = sets[dataset]
    return rows if group == "ALL" else rows[rows["group"] == group]


def _fit(bench: Bench, dataset: str, group: str, conf_type: str = "log-log", level: float = 0.95) -> Any:
    rows = _subjects(bench, dataset, group)
    word: Any = WORDS.get(conf_type, conf_type)
    return bench.keep(
        ("curve", dataset, group, word, level),
        lambda: survival.kaplan_meier(rows["time"], rows["status"] > 0, conf_type=word, conf_level=level),
    )


@check("survival.kaplan_meier")
def kaplan_meier(bench: Bench, tally: Tally) -> None:
    """Steps, standard errors and five kinds of limits."""
    columns = {"time": "time", "n_risk": "n_risk", "n_event": "n_event", "n_censor": "n_censor",
               "survival": "surv", "std_err": "se_surv"}  # fmt: skip
    suffixes = {"plain": "plain", "log": "log", "log-log": "loglog", "logit": "logit", "arcsine": "arcsin"}
    for (dataset, group, level), rows in _table(bench, "km_table").groupby(
        ["dataset", "group", "conf_level"]
    ):
        for conf_type, suffix in suffixes.items():
            curve = _fit(bench, dataset, group, conf_type, level).curve
            pairs = {**columns, "ci_low": f"lower_{suffix}", "ci_high": f"upper_{suffix}"}
            ours, theirs = curve[list(pairs)].to_numpy(float), rows[list(pairs.values())].to_numpy(float)
            tally.numbers(f"{dataset} {group} {conf_type}", ours, theirs, **CLOSE)


@check("survival.quantiles")
def quantiles(bench: Bench, tally: Tally) -> None:
    """Quartiles with limits as printed and as `quantile()` gives them."""
    rules = {"summary.survfit": "survfit", "quantile.survfit": "survfit-quantile"}
    key = ["dataset", "group", "conf_level", "conf_type", "source"]
    for (dataset, group, level, conf_type, source), rows in _table(bench, "quantiles").groupby(key):
        got = _fit(bench, dataset, group, conf_type, level).quantiles(rows["p"].tolist(), rule=rules[source])
        for ours, theirs in (("time", "estimate"), ("ci_low", "lower"), ("ci_high", "upper")):
            # R sorts a band that is not monotone (48); the first crossing is 45.
            fault = (dataset, conf_type, source, ours) == ("p01_aml", "log", "quantile.survfit", "ci_high")
            crossing = got[ours].eq(45).to_numpy() & fault
            tally.numbers(f"{dataset} {group} {conf_type} {ours}", got[ours], rows[theirs], **CLOSE,
                          excuse=crossing, exception="quantile-of-a-sorted-band")  # fmt: skip


@check("survival.landmarks")
def landmarks(bench: Bench, tally: Tally) -> None:
    """Survival, limits and numbers at risk at given times; nothing past the last observation by default."""
    pairs = {"n_risk": "n_risk", "n_event": "cum_events", "survival": "surv", "ci_low": "lower",
             "ci_high": "upper"}  # fmt: skip
    key = ["dataset", "group", "conf_level", "conf_type"]
    for (dataset, group, level, conf_type), rows in _table(bench, "landmarks").groupby(key):
        result = _fit(bench, dataset, group, conf_type, level)
        got = result.at(rows["time"], beyond="carry")
        ours, theirs = got[list(pairs)].to_numpy(float), rows[list(pairs.values())].to_numpy(float)
        tally.numbers(f"{dataset} {group} {conf_type}", ours, theirs, **CLOSE)
        past = (rows["beyond_last_followup"] == 1) & (rows["surv"] > 0)
        strict = result.at(rows["time"])["survival"].isna()
        tally.words(f"{dataset} {group} past the last observation", strict, past)


@check("survival.restricted_mean")
def restricted_mean(bench: Bench, tally: Tally) -> None:
    """Restricted means and their standard errors."""
    for row in _table(bench, "rmst").itertuples():
        got = _fit(bench, row.dataset, row.group).rmst(row.tau, extend=True).iloc[0]
        tally.numbers(f"{row.dataset} {row.group} to {row.tau}", [got["rmst"], got["std_err"]],
                      [row.rmst, row.se], **CLOSE)  # fmt: skip


@check("survival.follow_up")
def follow_up(bench: Bench, tally: Tally) -> None:
    """Reverse Kaplan-Meier curves under both tie rules, and their quartiles."""
    for (dataset, group), rows in _table(bench, "reverse_km_curves").groupby(["dataset", "group"]):
        for ties, column in (("flip", "surv_flip"), ("events-first", "surv_events_first")):
            curve = _fit(bench, dataset, group).follow_up(ties=ties).curve
            tally.numbers(f"{dataset} {group} {ties}", curve["survival"], rows[column], **CLOSE)
    key = ["dataset", "group", "conf_level", "conf_type"]
    for (dataset, group, level, conf_type), rows in _table(bench, "reverse_km_quantiles").groupby(key):
        flipped = _fit(bench, dataset, group, conf_type, level).follow_up(ties="flip")
        got = flipped.quantiles(rows["p"].tolist(), rule="survfit-quantile")
        ours = got[["time", "ci_low", "ci_high"]].to_numpy(float)
        theirs = rows[["estimate", "lower", "upper"]].to_numpy(float)
        tally.numbers(f"{dataset} {group} {conf_type} quartiles", ours, theirs, **CLOSE)


@check("survival.sas_lifetest")
def sas_lifetest(bench: Bench, tally: Tally) -> None:
    """PROC LIFETEST as published, printed to 3 decimals."""
    for row in _table(bench, "sas_cross_check").itertuples():
        got = _fit(bench, row.dataset, "ALL")
        if row.quantity.startswith("q"):
            found = got.quantiles(float(row.quantity[1:]) / 100, rule="sas").iloc[0]
            ours = found[["time", "ci_low", "ci_high"]]
        else:
            ours = got.at(float(row.quantity[2:-1])).iloc[0][["survival", "ci_low", "ci_high"]]
        theirs = [np.nan if cell == "NE" else float(cell) for cell in row[4:7]]
        tally.numbers(f"{row.dataset} {row.quantity}", ours.to_numpy(float), theirs, absolute=5.0001e-4)


def beta_product(method: str, bench: Bench, tally: Tally) -> None:
    """Limits of one kind of the beta product procedure, at 95 % of every set."""
    options: dict[str, Any] = {
        "midp": method.endswith("midp"), "method": "exact" if "exact" in method else "moments",
    }  # fmt: skip
    columns = [f"lower_{method}", f"upper_{method}"]
    for (dataset, group, level), rows in _table(bench, "bpcp_table").groupby(
        ["dataset", "group", "conf_level"]
    ):
        expected = rows[columns].to_numpy(dtype=float)
        if np.isnan(expected).all():
            continue
        people = _subjects(bench, dataset, group)
        # Near ties: times are rounded as the source rounds them.
        time = people["time"].round(12) if dataset == "k18_n9_near_ties" else people["time"]
        got = survival.bpcp(time, people["status"] > 0, conf_level=level, **options)
        tally.numbers(f"{dataset} {group} intervals and survival", got[["right", "left", "survival"]],
                      rows[["R", "L", "surv"]], **CLOSE)  # fmt: skip
        falling = np.minimum.accumulate(expected, axis=0)
        tally.numbers(f"{dataset} {group} limits", got[["ci_low", "ci_high"]], falling, absolute=BPCP[method])


for _method in BPCP:
    check(f"survival.beta_product_{_method}")(functools.partial(beta_product, _method))


@check("survival.beta_product_quantiles")
def beta_product_quantiles(bench: Bench, tally: Tally) -> None:
    """Limits of quantiles read from exact beta product limits."""
    table = _table(bench, "bpcp_quantiles").replace(np.inf, np.nan)
    for conf_type, method in (("bpcp", "exact"), ("bpcp-midp", "exact_midp")):
        rows = table[(table["method"] == method) & ~table["dataset"].str.startswith("k18")]
        for (dataset, group, level), part in rows.groupby(["dataset", "group", "conf_level"]):
            got = _fit(bench, dataset, group, conf_type, level).quantiles(part["p_event"].tolist())
            tally.numbers(f"{dataset} {group} {conf_type}", got[["ci_low", "ci_high"]],
                          part[["lower", "upper"]], **CLOSE)  # fmt: skip


@check("survival.cumulative_incidence")
def cumulative_incidence(bench: Bench, tally: Tally) -> None:
    """Cumulative incidence with the variances of cmprsk (Aalen) and of survival (jackknife)."""
    for (dataset, group), rows in _table(bench, "cif_table").groupby(["dataset", "group"]):
        people = _subjects(bench, dataset)
        arrays = people["time"], people["status"]
        label = None if group == "ALL" else people["group"]
        rows = rows.sort_values(["cause", "time"])
        aalen = survival.cumulative_incidence(*arrays, group=label).curve
        delta = survival.cumulative_incidence(*arrays, group=label, variance="delta").curve
        aalen, delta = aalen[aalen["group"] == group], delta[delta["group"] == group]
        pairs = [
            (aalen["n_risk"], "n_risk"), (aalen["estimate"], "cif"), (aalen["variance"], "var_cmprsk"),
            (aalen["ci_low"], "lower_loglog_cmprsk"), (aalen["ci_high"], "upper_loglog_cmprsk"),
            (np.sqrt(delta["variance"]), "se_ij_survival"),
        ]  # fmt: skip
        for ours, theirs in pairs:
            tally.numbers(f"{dataset} {group} {theirs}", ours, rows[theirs], relative=1e-9, absolute=1e-12)


@check("survival.gray_test")
def gray_test(bench: Bench, tally: Tally) -> None:
    """Gray's test of equal cumulative incidence."""
    for dataset, part in _table(bench, "gray_test").groupby("dataset"):
        people = _subjects(bench, str(dataset))
        got = survival.gray_test(people["time"], people["status"], people["group"])
        tally.words(f"{dataset} causes", got["cause"], part["cause"])
        tally.numbers(f"{dataset}", got[["statistic", "df", "p_value"]], part[["chisq", "df", "p"]], **CLOSE)


@check("survival.logrank")
def logrank(bench: Bench, tally: Tally) -> None:
    """Log-rank and Peto-Peto tests."""
    for (dataset, rho), rows in _table(bench, "logrank").groupby(["dataset", "rho"]):
        people = _subjects(bench, dataset)
        got = survival.logrank(people["time"], people["status"] > 0, people["group"], rho=rho, exact=False)
        rows = rows.set_index("group").loc[got.observed.index]
        tally.numbers(f"{dataset} observed", got.observed, rows["observed"], **CLOSE)
        tally.numbers(f"{dataset} expected", got.expected, rows["expected"], **CLOSE)
        tally.numbers(f"{dataset} rho {rho}", [got.statistic, got.df, got.p_value],
                      rows[["chisq", "df", "p"]].iloc[0], **CLOSE)  # fmt: skip


@check("survival.logrank_exact")
def logrank_exact(bench: Bench, tally: Tally) -> None:
    """Every relabeling enumerated: rational arithmetic and coin."""
    for row in _table(bench, "logrank_exact").itertuples():
        people = _subjects(bench, row.dataset)
        p = float(survival.logrank(people["time"], people["status"] > 0, people["group"]).exact_p_value or 0)
        tally.numbers(f"{row.dataset}", [p, p], [row.p_two_abs_u, row.p_coin_midranks], absolute=1e-12)


def _covariates(people: pd.DataFrame) -> pd.DataFrame:
    levels = sorted(people["group"].unique())
    return pd.DataFrame({f"g{level}": (people["group"] == level).astype(float) for level in levels[1:]})


@check("survival.cox")
def cox(bench: Bench, tally: Tally) -> None:
    """Efron and Breslow ties within 1e-8, Firth within 1e-6 (coxphf's own stopping rule)."""
    table = _table(bench, "cox")
    rows = table[(table["ties"] != "exact") & (table["converged"] == 1)]
    for (dataset, ties), part in rows.groupby(["dataset", "ties"]):
        people = _subjects(bench, dataset)
        firth = ties == "firth_breslow"
        options: dict[str, Any] = {"penalty": "firth"} if firth else {"ties": ties}
        got = survival.cox(people["time"], people["status"] > 0, _covariates(people), **options)
        limit = 1e-6 if firth else 1e-8
        ours = got.summary[["coef", "std_err", "hazard_ratio", "ci_low", "ci_high", "p_value"]]
        theirs = part[["coef", "se", "hr", "hr_lower", "hr_upper", "wald_p"]]
        tally.words(f"{dataset} {ties} terms", got.summary["term"], part["term"])
        tally.numbers(f"{dataset} {ties}", ours, theirs, relative=limit, absolute=limit)
        if not firth:  # coxphf states its penalised likelihood for covariates scaled to unit variance
            tally.numbers(f"{dataset} {ties} log likelihood", [got.log_likelihood], part["loglik1"].iloc[:1],
                          relative=1e-9, absolute=1e-13)  # fmt: skip


@check("survival.cox_separated")
def cox_separated(bench: Bench, tally: Tally) -> None:
    """Without a finite maximum the answer is Firth's, and the result says so."""
    rows = _table(bench, "cox")
    for dataset in rows[(rows["ties"] == "efron") & (rows["converged"] == 0)]["dataset"].unique():
        people = _subjects(bench, dataset)
        got = survival.cox(people["time"], people["status"] > 0, _covariates(people)).summary
        theirs = rows[(rows["dataset"] == dataset) & (rows["ties"] == "firth_breslow")]
        tally.numbers(f"{dataset} hazard ratio", got["hazard_ratio"], theirs["hr"], relative=1e-6)
        tally.claim(f"{dataset} is noted", got["note"].str.startswith("no finite maximum").all())
