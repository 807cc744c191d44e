"""Response against admiralonco, two independent codes, and cases assigned by hand."""

from typing import Any

import numpy as np
import pandas as pd

from cart7 import response
from cart7.response import ResponseRules
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

RESPONDER: dict[str, tuple[Any, ...]] = {"lymphoma": ("CR", "PR"), "leukaemia": ("CR", "CRh", "CRi")}
DAY_ZERO = pd.Timestamp("2022-01-10")
EVENT_COLUMNS = {
    "death_day": "DEATH",
    "withdrawal_day": "WITHDRAWAL",
    "new_therapy_day": "NEW_THERAPY",
    "sct_day": "HSCT",
}
MEASURES = {
    "BOR_ORR_infused": ("BOR", "INFUSED", False),
    "BOR_CR_infused": ("BOR", "INFUSED", False),
    "BOR_ORR_enrolled": ("BOR", "ENROLLED", False),
    "confirmed_BOR_ORR_infused": ("CBOR", "INFUSED", False),
    "fas_excl_not_reached": ("", "REACHED", False),
    "fas_all_infused": ("", "INFUSED", False),
    "evaluable": ("", "EVALUABLE", False),
    "evaluable_incl_death": ("", "EVALUABLE_INCL_DEATH", False),
    "fas_bracket": ("", "REACHED", True),
}
Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def _reference(bench: Bench, name: str) -> pd.DataFrame:
    text = bench.table(f"response/response_{name}.csv", dtype=str, keep_default_na=False)
    return text.rename(columns={"subject": "subject_id"})


def _timelines(bench: Bench, criteria: str) -> Tables:
    """The timelines of one disease in the tables of the schema."""
    rows = bench.table("response/response_subjects.csv").rename(columns={"subject": "subject_id"})
    rows = rows[rows["criteria"] == criteria]
    treated = rows["infused"] == 1
    cutoff = DAY_ZERO + pd.to_timedelta(rows["cutoff_day"], unit="D")
    subjects = rows[["subject_id", "dose_level"]].assign(
        infused=np.where(treated, "Y", "N"),
        infusion_date=np.where(treated, DAY_ZERO.strftime("%Y-%m-%d"), None),
        data_cutoff=cutoff.dt.strftime("%Y-%m-%d"),
    )
    events = rows.rename(columns=EVENT_COLUMNS).melt(
        "subject_id", list(EVENT_COLUMNS.values()), var_name="event", value_name="day"
    )
    seen = bench.table("response/response_assessments.csv")
    seen = seen.rename(columns={"subject": "subject_id", "response": "overall_response"})
    return seen[seen["subject_id"].isin(rows["subject_id"])], subjects, events.dropna(subset="day")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}" if value == value else ""
    return "" if value != value else str(value)


def _column(tally: Tally, ours: pd.DataFrame, column: str, expected: pd.DataFrame, theirs: str) -> None:
    """Every subject's value, as text."""
    found = ours.set_index("subject_id")[column].reindex(expected["subject_id"]).tolist()
    at = expected["subject_id"].tolist()
    tally.words(theirs, [_text(value) for value in found], expected[theirs], at=at)


@check("response.best_overall")
def best_overall(bench: Bench, tally: Tally) -> None:
    """Best response, its day, first response and first MRD-negative CR; confirmed best response."""
    table = _reference(bench, "expected")
    pairs = {"best_response": "bor", "day": "bor_day", "first_response_day": "first_response_day",
             "first_mrd_negative_cr_day": "first_mrdneg_cr_day"}  # fmt: skip
    for name, responder in RESPONDER.items():
        expected = table[table["criteria"] == name]
        tables = _timelines(bench, name)
        best = response.best_overall(*tables, rules=ResponseRules(responder=responder)).subjects
        for ours, theirs in pairs.items():
            _column(tally, best, ours, expected, theirs)
    expected = table[table["criteria"] == "lymphoma"].copy()
    for name in ("cbor", "cbor_accept_sd_ne2"):
        expected[name] = expected[name].replace("", "NOT_INFUSED")
    tables, default = _timelines(bench, "lymphoma"), ResponseRules(responder=("CR", "PR"))
    best = response.best_overall(*tables, confirmed=True, rules=default).subjects
    lenient = default.model_copy(update={"accept_sd": True, "max_ne": 2})
    accepting = response.best_overall(*tables, confirmed=True, rules=lenient).subjects
    _column(tally, best, "best_response", expected, "cbor")
    _column(tally, best, "day", expected, "cbor_day")
    _column(tally, best, "first_confirmed_response_day", expected, "first_confirmed_response_day")
    _column(tally, accepting, "best_response", expected, "cbor_accept_sd_ne2")


def response_at(visit: str, bench: Bench, tally: Tally) -> None:
    """Response at one visit with its reason, under every choice of the reference."""
    table = _reference(bench, "expected")
    for name, responder in RESPONDER.items():
        tables, expected = _timelines(bench, name), table[table["criteria"] == name]

        def at_visit(
            strategy: Any = "failure", tables: Tables = tables, responder: Any = responder, **choices: Any
        ) -> pd.DataFrame:
            rules = ResponseRules(**{"responder": responder, **choices})
            return response.at_visit(*tables, visit=visit, strategy=strategy, rules=rules).subjects

        rows = at_visit()
        rows = rows.assign(with_deaths=rows["evaluable"].mask(rows["reason"] == "DEATH", 1.0))
        more = responder + (("MLFS",) if name == "leukaemia" else ())
        stopped = at_visit("stop-at-hsct")
        for ours, column, theirs in [
            (rows, "reason", "reason"), (rows, "response", "category"), (rows, "day", "day"),
            (rows, "responder", "fas"), (rows, "evaluable", "evaluable"),
            (rows, "with_deaths", "evaluable_incl_death"),
            (at_visit(bracket=True), "responder", "fas_bracket"),
            (at_visit(tie="earlier"), "response", "tie_earlier"),
            (at_visit(pick="last"), "response", "pick_last"),
            (stopped, "reason", "reason_sct_stop"), (stopped, "responder", "fas_sct_stop"),
            (at_visit(responder=more), "responder", "fas_mlfs"),
        ]:  # fmt: skip
            _column(tally, ours, column, expected, f"{visit}_{theirs}")
    _rates(visit, bench, tally)


def _rates_of(bench: Bench, criteria: str, responder: tuple[Any, ...], method: str, bracket: bool) -> Any:
    rules = ResponseRules(responder=responder, ci_method=method, bracket=bracket, strategies=("failure",))
    return bench.keep(
        ("rates", criteria, responder, method, bracket),
        lambda: response.objective_response(*_timelines(bench, criteria), rules=rules).summary,
    )


def _rate_row(bench: Bench, row: dict[str, str], method: str) -> pd.DataFrame:
    """Our row for one row of the reference's rates."""
    responder = RESPONDER[row["criteria"]]
    if row["measure"] == "MRD_negative_CR_infused":
        tables = _timelines(bench, row["criteria"])
        rates = response.best_overall(*tables, rules=ResponseRules(ci_method=method)).summary
        return rates[rates["category"].eq("MRD_NEGATIVE_CR") & rates["group"].eq(row["dose_level"])]
    name = row["measure"].removeprefix("M3_ORR_").removeprefix("M6_ORR_")
    visit, population, bracket = MEASURES[name]
    if name == "BOR_CR_infused":
        responder = tuple(word for word in responder if word != "PR")
    rates = _rates_of(bench, row["criteria"], responder, method, bracket)
    here = rates["visit"].eq(visit or row["measure"][:2]) & rates["population"].eq(population)
    found: pd.DataFrame = rates[here & rates["group"].eq(row["dose_level"])]
    return found


def _rates(prefix: str, bench: Bench, tally: Tally) -> None:
    """Rates whose measure belongs to a visit (`M3`, `M6`), or to none of them (empty prefix)."""
    rows = _reference(bench, "summary_expected").to_dict("records")
    for row in rows:
        visit = row["measure"][:2] if row["measure"][:2] in ("M3", "M6") else ""
        if visit != prefix:
            continue
        for method, short in (("clopper-pearson", "cp95"), ("wilson", "wilson95")):
            found = _rate_row(bench, row, method)
            what = f"{row['criteria']} {row['measure']} level {row['dose_level']} {method}"
            counts = found.filter(["n_responder", "n_event", "n"]).to_numpy().ravel()
            tally.numbers(f"{what} counts", counts, [int(row["responders"]), int(row["denominator"])])
            theirs = [float(row[name]) for name in ("rate", f"{short}_lower", f"{short}_upper")]
            # The reference prints 15 digits.
            tally.numbers(what, found[["estimate", "ci_low", "ci_high"]], theirs, absolute=1e-14)


@check("response.month_3")
def month_3(bench: Bench, tally: Tally) -> None:
    """Month 3: status of each subject, and rates with every denominator."""
    response_at("M3", bench, tally)


@check("response.month_6")
def month_6(bench: Bench, tally: Tally) -> None:
    """Month 6: status of each subject, and rates with every denominator."""
    response_at("M6", bench, tally)


@check("response.best_rates")
def best_rates(bench: Bench, tally: Tally) -> None:
    """Rates of best, confirmed and MRD-negative response."""
    _rates("", bench, tally)


@check("response.criteria")
def criteria(bench: Bench, tally: Tally) -> None:
    """Findings to category: leukaemia, and Lugano by PET."""
    for name, classify in (
        ("leukaemia", response.classify_leukaemia), ("lugano_pet", response.classify_lugano),
    ):  # fmt: skip
        rows = bench.table(f"response/criteria_{name}.csv")
        tally.words(name, classify(rows)["response"], rows["expected_response"], at=list(rows["case"]))
