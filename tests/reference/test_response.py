"""Response against admiralonco, two independent codes and the example study's expected tables."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7 import response
from cart7.derive import Window
from cart7.examples import STUDY_FOLDER
from cart7.response import ResponseRules

DATA = Path(__file__).parents[1] / "data" / "response"
EXPECTED = Path(__file__).parents[1] / "data" / "example_study" / "expected"
RESPONDER = {"lymphoma": ("CR", "PR"), "leukaemia": ("CR", "CRh", "CRi")}
DAY_ZERO = pd.Timestamp("2022-01-10")
EVENT_COLUMNS = {
    "death_day": "DEATH", "withdrawal_day": "WITHDRAWAL", "new_therapy_day": "NEW_THERAPY", "sct_day": "HSCT",
}  # fmt: skip
EXAMPLE_RULES = ResponseRules(
    visits={"D28": Window(28, 21, 42), "M3": Window(90, 76, 104), "M6": Window(180, 159, 201)},
    tie="earlier",
    responder=("CR", "CRi", "PR"),
    sd_min_days=0,
)
STRATEGY = {
    "TP": "treatment-policy", "FI": "failure", "HC": "hsct-failure", "HO": "hsct-carry-forward",
}  # fmt: skip


def reference(name):
    text = pd.read_csv(DATA / f"response_{name}.csv", dtype=str, keep_default_na=False)
    return text.rename(columns={"subject": "subject_id"})


def timelines(criteria):
    """The reference timelines of one disease in the tables of the schema."""
    rows = pd.read_csv(DATA / "response_subjects.csv").rename(columns={"subject": "subject_id"})
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
    seen = pd.read_csv(DATA / "response_assessments.csv")
    seen = seen.rename(columns={"subject": "subject_id", "response": "overall_response"})
    seen = seen[seen["subject_id"].isin(rows["subject_id"])]
    return seen, subjects, events.dropna(subset="day")


def as_text(column):
    return [f"{value:g}" if isinstance(value, float) and value == value else
            "" if value != value else str(value) for value in column.tolist()]  # fmt: skip


def assert_column(subjects, column, expected, expected_column):
    """Every subject's value, as text; returns how many were compared."""
    ours = subjects.set_index("subject_id")[column].reindex(expected["subject_id"])
    found = dict(zip(expected["subject_id"], as_text(ours), strict=True))
    wanted = dict(zip(expected["subject_id"], expected[expected_column], strict=True))
    assert found == wanted, expected_column
    return len(wanted)


@pytest.fixture(scope="module", params=["lymphoma", "leukaemia"])
def disease(request):
    expected = reference("expected")
    return request.param, timelines(request.param), expected[expected["criteria"] == request.param]


def test_best_overall_response_equals_admiralonco(disease):
    name, tables, expected = disease
    best = response.best_overall(*tables, rules=ResponseRules(responder=RESPONDER[name])).subjects
    pairs = {"best_response": "bor", "day": "bor_day", "first_response_day": "first_response_day",
             "first_mrd_negative_cr_day": "first_mrdneg_cr_day"}  # fmt: skip
    compared = sum(assert_column(best, ours, expected, theirs) for ours, theirs in pairs.items())
    print(f"{name}: {compared} values equal")
    assert compared == 4 * len(expected)


def test_confirmed_best_overall_response_equals_admiralonco():
    expected = reference("expected")
    expected = expected[expected["criteria"] == "lymphoma"].replace({"cbor": {"": "NOT_INFUSED"}})
    expected["cbor_accept_sd_ne2"] = expected["cbor_accept_sd_ne2"].replace("", "NOT_INFUSED")
    tables = timelines("lymphoma")
    default = ResponseRules(responder=("CR", "PR"))
    best = response.best_overall(*tables, confirmed=True, rules=default).subjects
    lenient = default.model_copy(update={"accept_sd": True, "max_ne": 2})
    accepting = response.best_overall(*tables, confirmed=True, rules=lenient).subjects
    compared = assert_column(best, "best_response", expected, "cbor")
    compared += assert_column(best, "day", expected, "cbor_day")
    compared += assert_column(best, "first_confirmed_response_day", expected, "first_confirmed_response_day")
    compared += assert_column(accepting, "best_response", expected, "cbor_accept_sd_ne2")
    print(f"confirmed: {compared} values equal")
    assert compared == 140


@pytest.mark.parametrize("visit", ["M3", "M6"])
def test_response_at_a_visit_equals_two_independent_codes(disease, visit):
    name, tables, expected = disease

    def at_visit(strategy="failure", **choices):
        rules = ResponseRules(**{"responder": RESPONDER[name], **choices})
        return response.at_visit(*tables, visit=visit, strategy=strategy, rules=rules).subjects

    rows = at_visit()
    # The reference has a column for what the populations of a result say.
    with_deaths = rows["evaluable"].mask(rows["reason"] == "DEATH", 1.0)
    rows = rows.assign(with_deaths=with_deaths)
    more = RESPONDER[name] + (("MLFS",) if name == "leukaemia" else ())
    comparisons = [
        (rows, "reason", "reason"), (rows, "response", "category"), (rows, "day", "day"),
        (rows, "responder", "fas"), (rows, "evaluable", "evaluable"),
        (rows, "with_deaths", "evaluable_incl_death"),
        (at_visit(bracket=True), "responder", "fas_bracket"),
        (at_visit(tie="earlier"), "response", "tie_earlier"),
        (at_visit(pick="last"), "response", "pick_last"),
        (at_visit("stop-at-hsct"), "reason", "reason_sct_stop"),
        (at_visit("stop-at-hsct"), "responder", "fas_sct_stop"),
        (at_visit(responder=more), "responder", "fas_mlfs"),
    ]  # fmt: skip
    compared = sum(
        assert_column(ours, column, expected, f"{visit}_{theirs}") for ours, column, theirs in comparisons
    )
    print(f"{name} {visit}: {compared} values equal")
    assert compared == 12 * len(expected)


@cache
def rates_of(criteria, responder, method, bracket):
    rules = ResponseRules(responder=responder, ci_method=method, bracket=bracket, strategies=("failure",))
    return response.objective_response(*timelines(criteria), rules=rules).summary


def rate_row(row, method):
    """Our row for one row of response_summary_expected.csv."""
    responder = RESPONDER[row["criteria"]]
    if row["measure"] == "MRD_negative_CR_infused":
        tables = timelines(row["criteria"])
        rates = response.best_overall(*tables, rules=ResponseRules(ci_method=method)).summary
        return rates[rates["category"].eq("MRD_NEGATIVE_CR") & rates["group"].eq(row["dose_level"])]
    visit, population, bracket = {
        "BOR_ORR_infused": ("BOR", "INFUSED", False),
        "BOR_CR_infused": ("BOR", "INFUSED", False),
        "BOR_ORR_enrolled": ("BOR", "ENROLLED", False),
        "confirmed_BOR_ORR_infused": ("CBOR", "INFUSED", False),
        "fas_excl_not_reached": (row["measure"][:2], "REACHED", False),
        "fas_all_infused": (row["measure"][:2], "INFUSED", False),
        "evaluable": (row["measure"][:2], "EVALUABLE", False),
        "evaluable_incl_death": (row["measure"][:2], "EVALUABLE_INCL_DEATH", False),
        "fas_bracket": (row["measure"][:2], "REACHED", True),
    }[row["measure"].removeprefix("M3_ORR_").removeprefix("M6_ORR_")]
    if row["measure"] == "BOR_CR_infused":
        responder = tuple(word for word in responder if word != "PR")
    rates = rates_of(row["criteria"], responder, method, bracket)
    return rates[
        rates["visit"].eq(visit) & rates["population"].eq(population) & rates["group"].eq(row["dose_level"])
    ]


def test_every_rate_and_denominator_equals_the_reference():
    rows = reference("summary_expected")
    compared = 0
    for row in rows.to_dict("records"):
        for method, prefix in (("clopper-pearson", "cp95"), ("wilson", "wilson95")):
            found = rate_row(row, method)
            assert len(found) == 1, row
            counts = found.filter(["n_responder", "n_event", "n"]).iloc[0].tolist()
            assert counts == [int(row["responders"]), int(row["denominator"])], row
            estimates = found[["estimate", "ci_low", "ci_high"]].iloc[0].tolist()
            expected = [float(row[column]) for column in ("rate", f"{prefix}_lower", f"{prefix}_upper")]
            # The reference prints 15 digits.
            assert estimates == pytest.approx(expected, abs=1e-14), row
            compared += 1
    print(f"{compared} rates with limits equal")
    assert compared == 2 * len(rows) == 224


# ------------------------------------------------------------------------------- example study


def study(name):
    return pd.read_csv(STUDY_FOLDER / f"{name}.csv")


def study_rates(**changes):
    rules = EXAMPLE_RULES.model_copy(update=changes)
    return response.objective_response(study("responses"), study("subjects"), study("events"), rules=rules)


def test_every_subject_visit_and_strategy_of_the_example_study_comes_out():
    expected = pd.read_csv(EXPECTED / "response_at_visit_subject.csv")
    expected["strategy"] = expected["strategy"].map(STRATEGY)
    rows = study_rates().subjects
    # The expected table shows what stood in the window even where a strategy does not count it:
    # that is the row of the treatment policy.
    seen = rows[rows["strategy"] == "treatment-policy"].drop(columns="strategy")
    both = expected.merge(rows, on=["subject_id", "visit", "strategy"], suffixes=("", "_ours")).merge(
        seen, on=["subject_id", "visit"], suffixes=("", "_seen")
    )
    counted = both["reason"] == "OBS"
    category = both["response_ours"].where(counted, both["response_seen"]).replace("", "NE")
    day = both["day"].where(counted, both["day_seen"])
    assert both["responder_ours"].tolist() == both["responder"].tolist()
    assert category.tolist() == both["response"].tolist()
    np.testing.assert_array_equal(day, both["assessment_day"])
    print(f"example study: {len(both)} rows equal")
    assert len(both) == len(expected) == 108


def test_every_rate_of_the_example_study_comes_out():
    expected = pd.read_csv(EXPECTED / "response_rates.csv")
    default, ninety, wilson = (
        study_rates(**changes).summary for changes in ({}, {"conf_level": 0.9}, {"ci_method": "wilson"})
    )

    def cell(rates, row, population, columns):
        here = rates["visit"].eq(row.visit) & rates["strategy"].eq(STRATEGY[row.strategy])
        here &= rates["population"].eq(population) & rates["group"].eq(str(row.dose_level))
        return rates.loc[here, columns].iloc[0].tolist()

    limits = ["ci_low", "ci_high"]
    for row in expected.itertuples():
        ours = [
            *cell(default, row, "INFUSED", ["n_responder", "n", "n_not_evaluable", "estimate", *limits]),
            *cell(ninety, row, "INFUSED", limits),
            *cell(wilson, row, "INFUSED", limits),
            *cell(default, row, "ENROLLED", ["n", "estimate", *limits]),
        ]
        # Printed with ten digits.
        assert ours == pytest.approx(list(row[4:]), abs=5e-10), row
    print(f"example study: {14 * len(expected)} rate values equal")
    assert len(expected) == 48


def test_best_overall_response_of_the_example_study_comes_out():
    best = response.best_overall(study("responses"), study("subjects"), study("events"), rules=EXAMPLE_RULES)
    expected = pd.read_csv(EXPECTED / "bor_subject.csv")
    rows = best.subjects.set_index("subject_id").loc[expected["subject_id"]]
    assert rows["best_response"].tolist() == expected["bor"].tolist()
    assert rows["responder"].tolist() == expected["responder"].tolist()
    np.testing.assert_array_equal(rows["first_response_day"], expected["first_response_day"])
    assert rows["first_mrd_negative_cr_day"].notna().astype(int).tolist() == expected["mrd_neg_cr"].tolist()
    assert len(expected) == 9


def test_best_response_rates_of_the_example_study_come_out():
    expected = pd.read_csv(EXPECTED / "bor_rates.csv").set_index("dose_level")
    tables = study("responses"), study("subjects"), study("events")
    complete = EXAMPLE_RULES.model_copy(update={"responder": ("CR", "CRi")})
    rates = response.best_overall(*tables, rules=EXAMPLE_RULES).summary
    crr = response.best_overall(*tables, rules=complete).summary

    def cell(table, group, category):
        here = table[table["group"].eq(group) & table["category"].eq(category)]
        return here[["n_event", "n", "estimate", "ci_low", "ci_high"]].iloc[0].tolist()

    compared = 0
    for group, row in expected.iterrows():
        for table, category, name in (
            (rates, "RESPONDER", "orr"), (crr, "RESPONDER", "crr"), (rates, "MRD_NEGATIVE_CR", "mrdneg"),
        ):  # fmt: skip
            fraction = row[f"{name}_x"] / row["n"]
            wanted = [
                row[f"{name}_x"],
                row["n"],
                row.get(name, fraction),
                row[f"{name}_lcl"],
                row[f"{name}_ucl"],
            ]
            assert cell(table, str(group), category) == pytest.approx(wanted, abs=5e-10), (group, name)
            compared += 1
        found = {
            category: cell(rates, str(group), category)[0] if (rates["category"] == category).any() else 0
            for category in ("CR", "CRi", "PR", "SD", "NR", "PD", "NE")
        }
        assert found == {category: row[category] for category in found}
        compared += len(found)
    print(f"example study: {compared} best response rates and counts equal")
    assert compared == 40
