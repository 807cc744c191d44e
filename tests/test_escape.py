"""How response was lost, beside the cells: every class, its reason, and what stays unknown."""

import numpy as np
import pandas as pd
import pytest

from cart7 import pd as pharmacodynamics
from cart7 import results
from cart7.errors import DataError
from cart7.pd import EscapeRules, PdRules, depletion, escape

NAN = np.nan


def relapses(kind="RELAPSE", day=100.0, cd7="", hsct=NAN, note=""):
    return pd.DataFrame({"subject_id": ["1"], "kind": kind, "day": [day], "relapse_cd7": cd7,
                         "hsct_day": [hsct], "last_day": [300.0], "note": note})  # fmt: skip


def cells(last, below=NAN, n=5):
    return pd.DataFrame({"subject_id": ["1"], "n_samples": [float(n)], "last_quantifiable_day": [last],
                         "first_blq_day": [below]})  # fmt: skip


def targets(cleared, is_cleared, until=NAN, is_back=NAN):
    return pd.DataFrame({"subject_id": ["1"], "clearance_time": [cleared], "clearance_event": [is_cleared],
                         "recovery_time": [until], "recovery_event": [is_back]})  # fmt: skip


def one(*frames, **call):
    result = escape(*frames, **call)
    assert results.check(result.to_frame()) == []
    assert len(result.subjects) == 1
    return result.subjects.iloc[0]


@pytest.mark.parametrize(
    ("failure", "cart", "expected"),
    [
        (relapses(), cells(NAN), "NO_EXPANSION"),
        (relapses(kind="NO_RESPONSE"), cells(NAN), "NO_EXPANSION"),
        (relapses(cd7="NEG"), cells(NAN), "NO_EXPANSION"),
        (relapses(), cells(28, 60), "CART_LOST"),
        (relapses(cd7="POS"), cells(28, 100), "CART_LOST"),
        (relapses(cd7="NEG"), cells(100, 130), "CD7_NEGATIVE_CART_PRESENT"),
        (relapses(cd7="NEG"), cells(28, 60), "CD7_NEGATIVE_CART_LOST"),
        (relapses(cd7="NEG"), cells(28, 130), "CD7_NEGATIVE"),
        (relapses(cd7="NEG"), cells(NAN, n=0), "CD7_NEGATIVE"),
        (relapses(cd7="POS"), cells(150), "CART_PRESENT"),
        (relapses(), cells(150), "CART_PRESENT"),
        (relapses(), cells(28, 130), "NOT_KNOWN"),
        (relapses(), cells(NAN, n=0), "NOT_KNOWN"),
        (relapses(cd7="NEG", hsct=60), cells(28, 60), "AFTER_HSCT"),
        (relapses(hsct=120), cells(28, 60), "CART_LOST"),
        (relapses(kind="", day=NAN, note="no relapse up to day 300"), cells(28, 60), "NO_RELAPSE"),
    ],
)
def test_the_class_follows_from_the_cells_on_the_day_of_the_relapse(failure, cart, expected):
    assert one(failure, cart)["escape"] == expected


@pytest.mark.parametrize(
    ("last", "below", "cart"),
    [(72, 130, "PRESENT"), (71, 130, "NOT_KNOWN"), (72, NAN, "PRESENT"), (99, 100, "LOST"),
     (100, 101, "PRESENT")],
)  # fmt: skip
def test_a_quantifiable_sample_stands_for_the_cells_for_28_days(last, below, cart):
    assert one(relapses(), cells(last, below))["cart"] == cart


def test_how_long_a_sample_stands_is_a_rule():
    assert one(relapses(), cells(30, 130), rules=EscapeRules(carry_days=70))["cart"] == "PRESENT"
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        EscapeRules(carry_days=-1)


@pytest.mark.parametrize(
    ("course", "aplasia"),
    [
        (targets(14, 1, 182, 1), "YES"),
        (targets(14, 1, 100, 1), "NO"),
        (targets(14, 1, 72, 0), "YES"),
        (targets(14, 1, 71, 0), "NOT_KNOWN"),
        (targets(120, 1, 182, 0), "NO"),
        (targets(80, 0), "NO"),
        (targets(60, 0), "NOT_KNOWN"),
        (targets(NAN, NAN), "NOT_KNOWN"),
        (None, "NOT_KNOWN"),
    ],
)
def test_aplasia_on_the_day_of_the_relapse(course, aplasia):
    assert one(relapses(), cells(150), course)["aplasia"] == aplasia


def test_the_reason_carries_its_days():
    row = one(relapses(cd7="NEG", hsct=60), cells(28, 61.5), targets(14, 1, 182, 1))
    assert row["reason"] == (
        "relapse on day 100, CD7-negative; CAR-T cells lost (last quantifiable day 28, below the limit on day 61.5); "
        "CD7+ cells in aplasia (cleared on day 14); after HSCT on day 60"
    )
    assert one(relapses(kind="", day=NAN, note="no relapse up to day 300"), cells(28))["reason"] == (
        "no relapse up to day 300"
    )


def test_every_subject_counts_in_one_class():
    both = [pd.concat([frame, frame.assign(subject_id="2")]) for frame in (relapses(), cells(28, 60))]
    summary = escape(*both, population="INFUSED").summary
    assert summary["n_event"].sum() == 2
    assert (summary["n"] == 2).all()
    assert summary.set_index("classification")["n_event"]["CART_LOST"] == 2


def test_two_rows_of_a_subject_and_missing_columns_are_refused():
    with pytest.raises(ValueError, match="persistence must have one row per subject"):
        escape(relapses(), pd.concat([cells(28), cells(30)]))
    with pytest.raises(DataError, match="persistence, column first_blq_day"):
        escape(relapses(), cells(28).drop(columns="first_blq_day"))


def test_nobody_gives_an_empty_result():
    result = escape(relapses().iloc[:0], cells(28).iloc[:0], targets(14, 1).iloc[:0])
    assert result.subjects.empty
    assert (result.summary["n"] == 0).all()
    assert results.check(result.to_frame()) == []


def test_frames_are_left_as_they_are():
    frames = relapses(), cells(28, 60), targets(14, 1, 182, 1)
    before = [frame.copy() for frame in frames]
    escape(*frames)
    for frame, was in zip(frames, before, strict=True):
        pd.testing.assert_frame_equal(frame, was)


# Bounds and curves of depletion, and values that cannot be

SUBJECTS = pd.DataFrame({"subject_id": ["1", "2"]})


def samples(**columns):
    frame = {"subject_id": ["1"] * 5 + ["2"] * 2, "parameter": "CD7POS_ABS", "lloq": 1.0,
             "day": [-1.0, 7, 14, 28, 90, -1, 20], "value": [800, 200, 0, 0, 450, 500, 30.0]}  # fmt: skip
    return pd.DataFrame(frame | columns)


def test_clearance_and_recovery_lie_between_two_samples_or_are_censored():
    bounds = depletion(samples(), SUBJECTS, parameter="CD7POS_ABS").intervals
    rows = bounds.set_index(["subject_id", "endpoint"])[["left", "right"]]
    assert rows.loc["1", "clearance"].tolist() == [7, 14]
    assert rows.loc["1", "recovery"].tolist() == [28, 90]
    assert rows.loc["2", "clearance"].fillna(-1).tolist() == [20, -1]
    assert rows.loc["2", "recovery"].isna().all()
    notes = bounds.set_index(["subject_id", "endpoint"])["note"]
    assert notes["2", "clearance"] == "censored"
    assert notes["2", "recovery"] == "not cleared: no recovery to wait for"


def test_the_bounds_of_clearance_are_those_of_the_subject_table():
    result = depletion(samples(), SUBJECTS, parameter="CD7POS_ABS")
    own = result.intervals[result.intervals["endpoint"] == "clearance"]
    assert own["left"].tolist() == result.subjects["clearance_left"].tolist()
    assert own["right"].fillna(-1).tolist() == result.subjects["clearance_right"].fillna(-1).tolist()


def test_the_curve_of_clearance_is_there_to_be_drawn():
    curves = depletion(samples(), SUBJECTS, parameter="CD7POS_ABS", by=None).curves
    own = curves[curves["endpoint"] == "clearance"]
    assert own[["time", "n_risk", "n_event", "n_censor", "survival"]].values.tolist() == [
        [14, 2, 1, 0, 0.5],
        [20, 1, 0, 1, 0.5],
    ]


def test_values_that_cannot_be_are_one_error():
    frame = samples(parameter="CD7POS_PCT", value=[80, 104, -1, 0, 3, 100, 100.5])
    with pytest.raises(DataError, match="3 problems") as error:
        pharmacodynamics.by_visit(frame, SUBJECTS)
    assert {problem.rule for problem in error.value.problems} == {"PD-VALUE"}
    assert sorted(problem.row for problem in error.value.problems) == [2, 3, 7]


def test_a_percentage_of_something_else_may_be_above_100():
    frame = samples(parameter="CD7_OF_BASELINE", unit="% of baseline", value=[100, 140, 1, 0, 3, 100, 90])
    rules = PdRules(thresholds=(5.0,))
    assert depletion(frame, SUBJECTS, parameter="CD7_OF_BASELINE", rules=rules).subjects[
        "nadir"
    ].tolist() == [0, 90]
