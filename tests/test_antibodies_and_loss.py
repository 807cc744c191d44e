"""Antibodies beside the loss of CAR-T cells: which came first, the 2 x 2 table, and who is not known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from cart7 import results
from cart7.errors import DataError
from cart7.immunogenicity import AdaRules, Window, against_persistence, classify

NAN = np.nan


def ada(*rows, name="1"):
    frame = pd.DataFrame([(*row, None)[:3] for row in rows], columns=["day", "result", "titer"])
    return frame.assign(subject_id=name)


def cells(event="LOSS", last=60.0, below=90.0, name="1"):
    return pd.DataFrame(
        {"subject_id": [name], "event": event, "last_quantifiable_day": [last], "first_blq_day": [below]}
    )


def relation(samples, persistence, **call):
    result = against_persistence(classify(samples), persistence, **call)
    assert results.check(result.to_frame()) == []
    return result


NEGATIVE = ada((-1, "NEG"), (28, "NEG"))


@pytest.mark.parametrize(
    ("samples", "persistence", "sequence"),
    [
        (ada((-1, "NEG"), (60, "POS")), cells(), "BEFORE_LOSS"),
        (ada((-1, "NEG"), (61, "POS")), cells(), "SAME_INTERVAL"),
        (ada((-1, "NEG"), (89, "NEG"), (120, "POS")), cells(), "SAME_INTERVAL"),
        (ada((-1, "NEG"), (90, "NEG"), (120, "POS")), cells(), "AFTER_LOSS"),
        (ada((-1, "NEG"), (60, "POS")), cells("CENSORED", below=NAN), "ANTIBODIES_NO_LOSS"),
        (ada((-1, "NEG"), (60, "POS")), cells("HSCT"), "ANTIBODIES_NO_LOSS"),
        (NEGATIVE, cells(), "LOSS_NO_ANTIBODIES"),
        (NEGATIVE, cells("DEATH", below=NAN), "NEITHER"),
        (NEGATIVE, cells("", last=NAN, below=NAN), "NOT_KNOWN"),
        (ada((-1, "NEG"), (28, "NE")), cells(), "NOT_KNOWN"),
        (NEGATIVE, cells(name="2"), "NOT_KNOWN"),
        (ada((-1, "POS", 20), (28, "POS", 40)), cells(), "PRE_EXISTING"),
        (ada((-1, "POS", 20), (28, "POS", 40), (50, "POS", 80)), cells(), "BEFORE_LOSS"),
    ],
)
def test_antibodies_and_loss_are_in_order_only_where_their_intervals_are_apart(
    samples, persistence, sequence
):
    assert relation(samples, persistence).subjects["sequence"].tolist() == [sequence]


def test_the_days_of_both_are_told():
    row = relation(ada((-1, "NEG"), (28, "NEG"), (60, "POS", "1:40")), cells()).subjects.iloc[0]
    assert row[["antibody_day", "antibody_after_day", "max_post_titer"]].tolist() == [60, 28, 40]
    assert row[["loss_after_day", "loss_day"]].tolist() == [60, 90]


@pytest.mark.parametrize(
    ("event", "last", "below", "lost"),
    [
        ("LOSS", 60, 90, 1), ("LOSS", 60, 120.9, 1), ("LOSS", 60, 121, NAN), ("LOSS", 76, 121, 0),
        ("LOSS", 75.9, 121, NAN), ("CENSORED", 60, NAN, NAN), ("CENSORED", 90, NAN, 0), ("HSCT", 60, 90, NAN),
        ("DEATH", 80, NAN, 0), ("", NAN, NAN, NAN),
    ],
)  # fmt: skip
def test_lost_by_month_3_is_known_from_samples_only(event, last, below, lost):
    flags = relation(NEGATIVE, cells(event, last, below), visits=("M3",)).at_visit
    assert flags["lost"].fillna(-1).tolist() == [-1 if lost != lost else lost]
    assert (flags["note"] == "").tolist() == [lost == lost]


def test_antibodies_after_the_window_do_not_count_for_it():
    flags = relation(ada((-1, "NEG"), (28, "NEG"), (121, "POS")), cells()).at_visit
    assert flags["ever_positive"].tolist() == [0, 1]
    assert flags["treatment_emergent"].tolist() == [0, 1]


def test_positive_before_infusion_is_ever_positive_and_not_treatment_emergent():
    flags = relation(ada((-1, "POS", 20), (28, "NEG", None)), cells(), visits=("M3",)).at_visit
    assert flags[["ever_positive", "treatment_emergent"]].values.tolist() == [[1, 0]]


def cohort(n_positive_lost, n_positive_kept, n_negative_lost, n_negative_kept):
    kinds = (
        ["PL"] * n_positive_lost
        + ["PK"] * n_positive_kept
        + ["NL"] * n_negative_lost
        + ["NK"] * n_negative_kept
    )
    names = [f"{number:02d}" for number in range(len(kinds))]
    samples = [ada((-1, "NEG"), (28, "POS" if kind[0] == "P" else "NEG"), name=name)
               for kind, name in zip(kinds, names, strict=True)]  # fmt: skip
    loss = [cells(name=name) if kind[1] == "L" else cells("CENSORED", 100.0, NAN, name)
            for kind, name in zip(kinds, names, strict=True)]  # fmt: skip
    return pd.concat(samples), pd.concat(loss)


@pytest.mark.parametrize("counts", [(3, 0, 1, 5), (1, 1, 2, 2), (4, 1, 0, 4)])
def test_the_table_has_its_four_cells_and_fishers_p_value(counts):
    result = relation(*cohort(*counts), visits=("M3",))
    row = result.summary[result.summary["measure"] == "ever_positive"].iloc[0]
    names = ["n_positive_lost", "n_positive_kept", "n_negative_lost", "n_negative_kept"]
    assert tuple(row[names]) == counts
    assert (row["n"], row["n_not_known"]) == (sum(counts), 0)
    assert row["p_value"] == pytest.approx(fisher_exact([counts[:2], counts[2:]]).pvalue, abs=1e-12)
    assert "association" in row["note"]


def test_without_anybody_with_antibodies_there_is_no_comparison():
    summary = relation(*cohort(0, 0, 2, 3), visits=("M3",)).summary
    assert summary["p_value"].isna().all()
    assert set(summary["note"]) == {"no comparison: all with, or all without antibodies"}


def test_who_is_not_known_is_counted_beside_the_table():
    samples, loss = cohort(1, 1, 1, 1)
    loss.loc[loss["event"] == "CENSORED", "last_quantifiable_day"] = 50.0
    summary = relation(samples, loss, visits=("M3",)).summary
    assert summary[["n", "n_not_known"]].values.tolist() == [[2, 2], [2, 2]]


def test_the_order_of_rows_changes_nothing():
    samples, loss = cohort(2, 1, 1, 3)
    once, again = relation(samples, loss), relation(samples[::-1], loss[::-1])
    pd.testing.assert_frame_equal(once.subjects, again.subjects)
    pd.testing.assert_frame_equal(once.summary, again.summary)


def test_wrong_frames_and_visits_are_refused_by_name():
    classes = classify(NEGATIVE)
    with pytest.raises(DataError, match="persistence, column first_blq_day"):
        against_persistence(classes, cells().drop(columns="first_blq_day"))
    with pytest.raises(ValueError, match="one row per subject: hand over one assay"):
        against_persistence(classes, pd.concat([cells(), cells()]))
    with pytest.raises(ValueError, match=r"visits must be among D14, .* got 'M4'"):
        against_persistence(classes, cells(), visits=("M4",))


def test_the_windows_are_those_of_the_classification():
    rules = AdaRules(windows={"M1": Window(30, 20, 40)})
    flags = against_persistence(classify(NEGATIVE, rules=rules), cells(), visits=("M1",)).at_visit
    assert flags["lost"].tolist() == [0]


def test_nobody_gives_an_empty_result():
    result = relation(NEGATIVE.iloc[:0], cells().iloc[:0])
    assert result.subjects.empty
    assert (result.summary["n"] == 0).all()
