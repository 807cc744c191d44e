"""Courses as intervals, who left response and how, and the best change of the tumour burden."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation

import cart7
from cart7 import response, results
from cart7.errors import DataError
from cart7.report import figures

NO_EVENTS = pd.DataFrame({"subject_id": [], "event": [], "day": []})


def table(*rows, columns=("subject_id", "day", "overall_response")):
    return pd.DataFrame(rows, columns=list(columns))


def events(*rows):
    return pd.DataFrame(rows, columns=["subject_id", "event", "day"])


def people(*names):
    return pd.DataFrame({"subject_id": names})


def best(rows, happened=NO_EVENTS, names=("1",)):
    return response.best_overall(rows, people(*names), happened)


# ---------------------------------------------------------------------------------------- lanes


def test_a_lane_lasts_to_the_next_assessment_and_the_last_one_to_the_end_of_follow_up():
    seen = table(("1", 60, "CR"), ("1", 28, "PR"), ("1", 90, "ND"))
    lanes = best(seen, events(("1", "LAST_CONTACT", 200))).lanes()
    assert lanes[["response", "start_day", "end_day", "ongoing"]].values.tolist() == [
        ["PR", 28, 60, 0],
        ["CR", 60, 200, 1],
    ]


def test_nobody_who_died_is_in_an_ongoing_lane():
    lanes = best(table(("1", 28, "CR")), events(("1", "DEATH", 80), ("1", "LAST_CONTACT", 80))).lanes()
    assert lanes[["end_day", "ongoing"]].values.tolist() == [[80, 0]]


def test_a_lane_that_would_end_before_it_starts_has_no_length_and_says_so():
    lanes = best(table(("1", 28, "CR"), ("1", 90, "CR")), events(("1", "LAST_CONTACT", 60))).lanes()
    assert lanes["end_day"].tolist() == [90, 90]
    assert lanes["note"].tolist() == ["", "assessed after the end of follow-up: no length"]
    unknown = best(table(("1", 28, "CR"))).lanes()
    assert unknown[["end_day", "ongoing", "note"]].values.tolist() == [
        [28, 0, "end of follow-up not known: no length"]
    ]


def test_the_swimmer_draws_the_lanes_and_nothing_else():
    trial = cart7.analyse(cart7.example_study(), cart7.read_plan("example"))
    result, course = trial.best_response, trial.course
    ax = figures.swimmer(result, course=course)
    lanes = result.lanes(course)
    names = sorted(course["subject_id"])
    drawn = sorted(
        (round(bar.get_y() + bar.get_height() / 2), bar.get_x(), bar.get_x() + bar.get_width())
        for bar in ax.patches
        if isinstance(bar, Rectangle) and bar.get_x() > 0
    )
    expected = sorted(
        (names.index(lane["subject_id"]), lane["start_day"], lane["end_day"])
        for lane in lanes.to_dict("records")
    )
    np.testing.assert_allclose(drawn, expected, atol=1e-9)
    assert len(drawn) == 42
    assert set(lanes.loc[lanes["ongoing"] == 1, "subject_id"]) == {
        "CD7-001", "CD7-005", "CD7-006", "CD7-007", "CD7-009"
    }  # fmt: skip


# ------------------------------------------------------------------------------------- relapses


def relapse(rows, happened=NO_EVENTS):
    found = response.relapses(rows, people("1"), happened)
    assert len(found) == 1
    return found.iloc[0]


def cd7(*rows):
    return table(*rows, columns=("subject_id", "day", "overall_response", "relapse_cd7"))


@pytest.mark.parametrize(
    ("seen", "kind", "day"),
    [
        ([("1", 28, "CR"), ("1", 90, "PD")], "RELAPSE", 90),
        ([("1", 28, "NR"), ("1", 90, "PD")], "PROGRESSION", 90),
        ([("1", 28, "SD"), ("1", 60, "NR")], "NO_RESPONSE", 60),
        ([("1", 28, "PD"), ("1", 60, "CR")], "PROGRESSION", 28),
    ],
)
def test_how_a_response_was_lost_or_never_reached(seen, kind, day):
    row = relapse(table(*seen))
    assert (row["kind"], row["day"]) == (kind, day)


def test_without_relapse_the_note_says_how_far_that_is_known():
    seen = table(("1", 28, "CR"))
    assert relapse(seen, events(("1", "LAST_CONTACT", 300)))["note"] == "no relapse up to day 300"
    assert relapse(seen, events(("1", "DEATH", 70)))["note"] == "died without relapse on day 70"
    other = events(("1", "NEW_THERAPY", 60), ("1", "PROGRESSION", 90), ("1", "DEATH", 99))
    assert relapse(seen, other)["note"] == "no relapse before another therapy on day 60"
    assert relapse(table(("1", 28, "NE")))["note"] == "no evaluable assessment"


def test_cd7_of_the_relapse_is_its_first_record_before_any_other_therapy():
    seen = cd7(("1", 28, "CR", "POS"), ("1", 90, "PD", None), ("1", 94, "PD", "NEG"), ("1", 99, "PD", "POS"))
    row = relapse(seen)
    assert (row["relapse_cd7"], row["relapse_cd7_day"]) == ("NEG", 94)
    late = relapse(seen, events(("1", "NEW_THERAPY", 93)))
    assert late["relapse_cd7"] == ""
    assert np.isnan(late["relapse_cd7_day"])


def test_only_infused_subjects_have_a_row():
    who = pd.DataFrame({"subject_id": ["1", "2"], "infused": ["Y", "N"]})
    assert response.relapses(table(("1", 28, "CR")), who)["subject_id"].tolist() == ["1"]


# ------------------------------------------------------------------------------------ waterfall


def burden(*rows):
    return pd.DataFrame(rows, columns=["subject_id", "day", "value"])


def test_the_best_change_is_the_lowest_after_baseline_up_to_progression():
    result = response.waterfall(
        burden(("1", -20, 80.0), ("1", -2, 40.0), ("1", 28, 10.0), ("1", 60, 8.0), ("1", 90, 60.0),
               ("1", 120, 0.0)),
        best(table(("1", 28, "PR"), ("1", 90, "PD"))), measure="blasts", unit="%",
    )  # fmt: skip
    row = result.subjects.iloc[0]
    assert (row["baseline"], row["best_value"], row["best_day"], row["best_percent_change"]) == (
        40,
        8,
        60,
        -80,
    )
    assert result.excluded["reason"].tolist() == ["after progression, new therapy or second infusion"]
    assert results.check(result.to_frame()) == []


def test_every_subject_has_a_row_and_every_missing_change_its_reason():
    result = response.waterfall(
        burden(("1", -2, 40.0), ("2", 28, 10.0), ("3", -2, 0.0), ("3", 28, 0.0), ("x", 1, 1.0)),
        best(table(("1", 28, "PR")), names=("1", "2", "3", "4")),
    )
    assert result.subjects["note"].tolist() == [
        "no measurement after infusion",
        "no measurement before infusion",
        "baseline is 0",
        "no measurement before infusion; no measurement after infusion",
    ]
    assert result.summary["note"].tolist() == ["nobody with a change"]
    assert results.check(result.to_frame()) == []


def test_impossible_measurements_are_one_error():
    seen = pd.DataFrame({"subject_id": "1", "day": [-1, 28, 60, 90], "value": [-1.0, 140, np.inf, "many"]})
    with pytest.raises(DataError, match="4 problems"):
        response.waterfall(seen, best(table(("1", 28, "PR"))), unit="% blasts")
    with pytest.raises(DataError, match="findings, column value"):
        response.waterfall(seen.drop(columns="value"), best(table(("1", 28, "PR"))))


def test_a_bar_beyond_the_cut_ends_there_and_carries_its_number():
    names = ("a-1", "a-2", "a-3")
    seen = table(("a-1", 28, "PR"), ("a-2", 28, "PD"), ("a-3", 28, "NE"))
    result = response.waterfall(
        burden(("a-1", -1, 10.0), ("a-1", 28, 4.0), ("a-2", -1, 10.0), ("a-2", 28, 36.0)),
        best(seen, names=names),
    )
    ax = result.plot(lines=(-50,))
    assert [bar.get_height() for bar in ax.patches[:2]] == [100, -60]
    words = [text.get_text() for text in ax.texts if isinstance(text, Annotation)]
    assert words == ["+260", "No change known: 3"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2", "1"]
    empty = response.waterfall(burden(), best(seen, names=names)).plot()
    assert [text.get_text() for text in empty.texts] == ["nobody with a change from baseline"]
