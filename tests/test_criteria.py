"""Disease criteria: the hand-assigned cases, bounds on both sides, blanks, errors."""

from pathlib import Path

import pandas as pd
import pytest

from cart7 import response
from cart7.errors import DataError

DATA = Path(__file__).parent / "data" / "response"
HEALTHY = {"baseline_bm_blast_pct": 60, "bm_blast_pct": 2, "pb_blasts": 0, "extramedullary": 0, "anc_1e9_L": 1.2,
           "platelets_1e9_L": 150, "marrow_adequate": 1, "prior_remission": 0}  # fmt: skip


def leukaemia(**changes):
    return response.classify_leukaemia(pd.DataFrame([{**HEALTHY, **changes}])).iloc[0]


def lugano(score, uptake="NA", new=0, marrow="NEG"):
    scan = {
        "deauville_5ps": score,
        "uptake_vs_baseline": uptake,
        "new_fdg_avid_lesion": new,
        "marrow_fdg": marrow,
    }
    return response.classify_lugano(pd.DataFrame([scan])).iloc[0]


@pytest.mark.parametrize(
    ("name", "classify", "cases"),
    [("leukaemia", response.classify_leukaemia, 20), ("lugano_pet", response.classify_lugano, 10)],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_every_hand_assigned_case_comes_out(name, classify, cases, as_text):
    options = {"dtype": str, "keep_default_na": False} if as_text else {}
    rows = pd.read_csv(DATA / f"criteria_{name}.csv", **options)
    found = classify(rows)
    assert found["response"].tolist() == rows["expected_response"].tolist()
    assert (found["note"] != "").all()
    assert len(rows) == cases


@pytest.mark.parametrize(
    ("changes", "category"),
    [
        ({"bm_blast_pct": 4.99}, "CR"),
        ({"bm_blast_pct": 5}, "PR"),
        ({"bm_blast_pct": 25}, "PR"),
        ({"bm_blast_pct": 25.1}, "NR"),
        ({"bm_blast_pct": 25, "baseline_bm_blast_pct": 49}, "NR"),
        ({"bm_blast_pct": 25, "baseline_bm_blast_pct": None}, "NR"),
        ({"anc_1e9_L": 0.99}, "CRh"),
        ({"anc_1e9_L": 0.49}, "CRi"),
        ({"anc_1e9_L": 0.49, "platelets_1e9_L": 99.9}, "MLFS"),
        ({"anc_1e9_L": 0.49, "platelets_1e9_L": 99.9, "marrow_adequate": 0}, "NE"),
        ({"anc_1e9_L": None}, "NE"),
        ({"bm_blast_pct": None}, "NE"),
        ({"bm_blast_pct": None, "pb_blasts": 1}, "NR"),
        ({"extramedullary": 1, "prior_remission": 1}, "RELAPSE"),
        ({"bm_blast_pct": 5, "prior_remission": 1}, "RELAPSE"),
    ],
)
def test_leukaemia_is_decided_in_the_order_of_the_table(changes, category):
    assert leukaemia(**changes)["response"] == category


def test_two_low_counts_may_be_called_an_incomplete_remission():
    row = pd.DataFrame([{**HEALTHY, "anc_1e9_L": 0.2, "platelets_1e9_L": 12}])
    assert response.classify_leukaemia(row, cri_both_cytopenias=True)["response"].tolist() == ["CRi"]


@pytest.mark.parametrize(
    ("scan", "category"),
    [
        ((3, "REDUCED"), "CR"),
        ((4, "REDUCED"), "PR"),
        ((4, "UNCHANGED"), "SD"),
        ((5, "INCREASED"), "PD"),
        ((1, "NA", 1), "PD"),
        ((1, "NA", 0, "NEW"), "PD"),
        ((2, "REDUCED", 0, "POS"), "PR"),
        ((2, "NA", 0, None), "NE"),
        ((4, None), "NE"),
        ((None, "INCREASED"), "NE"),
        ((None, None, 1), "PD"),
    ],
)
def test_a_pet_scan_is_decided_in_the_order_of_the_table(scan, category):
    assert lugano(*scan)["response"] == category


def test_the_note_says_what_decided():
    assert leukaemia(pb_blasts=1)["note"] == "blasts in the blood or extramedullary disease"
    assert lugano(2, marrow=None)["note"] == "score 1 to 3, marrow not assessed"


def test_the_rows_come_back_as_they_are():
    rows = pd.DataFrame([HEALTHY], index=[7]).assign(site="01")
    found = response.classify_leukaemia(rows)
    pd.testing.assert_frame_equal(found.drop(columns=["response", "note"]), rows)


def test_everything_impossible_is_reported_at_once():
    rows = pd.DataFrame({"bm_blast_pct": [120, 2], "anc_1e9_L": ["-1", "low"], "pb_blasts": [0, 2]})
    with pytest.raises(DataError) as error:
        response.classify_leukaemia(rows)
    found = [(problem.row, problem.column) for problem in error.value.problems]
    assert found == [(1, "bm_blast_pct"), (2, "pb_blasts"), (1, "anc_1e9_L"), (2, "anc_1e9_L")]
    with pytest.raises(DataError, match="this is one of REDUCED, UNCHANGED, INCREASED, NA"):
        lugano(4, "LOWER")
    with pytest.raises(DataError, match="this is a whole score, 1 to 5"):
        lugano(6)


def test_no_rows_give_no_rows():
    assert len(response.classify_leukaemia(pd.DataFrame(columns=list(HEALTHY)))) == 0
