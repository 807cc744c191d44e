"""Who is in which denominator of a response rate, and why: the members, and the page that prints them."""

import pandas as pd
import pytest

import cart7
from cart7 import response
from cart7.report import cells, tables_efficacy

FOUR = "missed dead transplanted open"


def study():
    """Nine months after the first infusion: one subject each missed, died, transplanted, not there yet."""
    subjects = pd.DataFrame(
        {"subject_id": ["seen", *FOUR.split(), "never"], "dose_level": [1, 1, 2, 2, 3, 3],
         "infused": [*"YYYYYN"], "infusion_date": [*["2022-01-01"] * 4, "2022-08-01", None],
         "data_cutoff": "2022-10-01"}
    )  # fmt: skip
    responses = pd.DataFrame(
        [("seen", 90, "CR"), ("seen", 180, "PD"), ("missed", 28, "CR"), ("missed", 181, "CR"),
         ("dead", 28, "PR"), ("transplanted", 60, "CR"), ("transplanted", 92, "CR"), ("open", 28, "CR")],
        columns=["subject_id", "day", "overall_response"],
    )  # fmt: skip
    events = pd.DataFrame(
        [("dead", "DEATH", 80), ("transplanted", "HSCT", 70)], columns=["subject_id", "event", "day"]
    )
    return responses, subjects, events


@pytest.fixture(scope="module")
def members():
    return response.objective_response(*study(), by=None).members()


def row(members, subject, visit, strategy="treatment-policy"):
    of = (members["subject_id"] == subject) & (members["visit"] == visit)
    found = members[of & (members["strategy"] == strategy)]
    assert len(found) == 1
    line = found.iloc[0]
    return "".join(str(line[name]) for name in response.POPULATIONS), line["reason"], line["why"]


# Flags in the order enrolled, infused, reached, evaluable, evaluable or dead.
@pytest.mark.parametrize(
    ("subject", "visit", "strategy", "expected"),
    [
        ("seen", "M3", "treatment-policy", ("11111", "OBS", "CR on day 90")),
        ("missed", "M3", "treatment-policy", ("11100", "MISSED", "no assessment in the window")),
        ("dead", "M3", "treatment-policy", ("11101", "DEATH", "died on day 80")),
        ("dead", "M6", "stop-at-hsct", ("11101", "DEATH", "died on day 80")),
        ("transplanted", "M3", "treatment-policy", ("11111", "OBS", "CR on day 92")),
        ("transplanted", "M3", "hsct-failure", ("11111", "SCT", "HSCT on day 70")),
        ("transplanted", "M3", "stop-at-hsct", ("11100", "SCT", "HSCT on day 70")),
        ("transplanted", "M3", "hsct-carry-forward",
         ("11111", "OBS", "CR on day 60, carried forward from before HSCT on day 70")),
        ("open", "M3", "treatment-policy",
         ("11000", "NOT_REACHED", "window still open at the data cut-off, day 61")),
        ("never", "M6", "failure", ("10000", "NOT_INFUSED", "not infused")),
    ],
)  # fmt: skip
def test_each_subject_is_in_the_denominators_that_its_course_allows(
    members, subject, visit, strategy, expected
):
    assert row(members, subject, visit, strategy) == expected


def test_the_members_are_those_that_the_rates_count(members):
    summary = response.objective_response(*study(), by=None).summary
    compared = 0
    for line in summary[~summary["visit"].isin(["BOR", "CBOR"])].to_dict("records"):
        of = (members["visit"] == line["visit"]) & (members["strategy"] == line["strategy"])
        mine = members[of & (members[line["population"]] == 1)]
        assert (len(mine), int((mine["responder"] == 1).sum())) == (line["n"], line["n_responder"])
        compared += 1
    assert compared == 2 * len(response.STRATEGIES) * len(response.POPULATIONS)


def printed(responses, subjects, events):
    analysis = cart7.analyse(
        cart7.Study.from_frames(subjects=subjects, responses=responses, events=events), cart7.Plan()
    )
    tables = tables_efficacy.response_members(analysis.response, cells.groups_of(analysis))
    return {table.name: table for table in tables}


def test_the_page_prints_for_each_visit_who_counts_and_why_not():
    responses, subjects, events = study()
    visits = responses.assign(visit=[f"UNS {number}" for number in range(len(responses))])
    tables = printed(visits, subjects, events)
    assert list(tables) == ["response-members-m3", "response-members-m6"]
    lines = {line.cells[0]: line.cells for line in tables["response-members-m3"].rows}
    assert lines["missed"][2:9] == (
        "yes", "yes", "yes", "no", "no", "no", "no assessment in the window"
    )  # fmt: skip
    assert lines["open"][2:8] == ("yes", "yes", "no", "no", "no", "not counted")
    assert lines["never"][1:4] == ("\u2013", "yes", "no")
    assert lines["seen"][-1] == "the same"
    assert lines["transplanted"][-1] == (
        "HSCT is failure: non-responder (HSCT on day 70); "
        "Stop at HSCT: not evaluable, not evaluable or dead, non-responder (HSCT on day 70)"
    )
    assert lines["How many"][2:8] == ("6", "5", "4", "2", "3", "2")


def test_nobody_infused_makes_no_table_of_members():
    nobody = response.objective_response(
        pd.DataFrame({"subject_id": [], "day": [], "overall_response": []}), pd.DataFrame({"subject_id": []})
    )
    assert nobody.members().empty
