"""Anti-CAR antibodies: what makes a class, persistence and a denominator, and what is refused."""

import math

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from cart7 import results
from cart7.errors import DataError
from cart7.immunogenicity import CLASSES, AdaRules, Window, classify, positive_rate
from cart7.records import AdaSample, Subject


def samples(*rows, subject="1"):
    """Samples of one subject from (day, result) or (day, result, titer)."""
    frame = pd.DataFrame([(*row, "")[:3] for row in rows], columns=["day", "result", "titer"])
    frame["subject_id"] = subject
    return frame


def subject(*rows, **rules):
    return classify(samples(*rows), rules=AdaRules(**rules)).subjects.iloc[0]


def people(*levels):
    return pd.DataFrame({"subject_id": [str(k + 1) for k in range(len(levels))], "dose_level": levels})


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(-2, "NEG"), (28, "POS", "1:20")], "INDUCED"),
        ([(-2, "NEG"), (28, "NEG")], "NEGATIVE"),
        ([(-2, "POS", "1:20"), (28, "POS", "1:80")], "BOOSTED"),
        ([(-2, "POS", "1:20"), (28, "POS", "1:79")], "UNAFFECTED"),
        ([(-2, "POS", "1:20"), (28, "NEG")], "UNAFFECTED"),
        ([(28, "POS", "1:20")], "MISSING_BASELINE_POSITIVE"),
        ([(28, "NEG")], "MISSING_BASELINE_NEGATIVE"),
        ([(-2, "NEG"), (28, "NE")], "NO_POST_BASELINE"),
        ([(-2, "NE"), (28, None)], "NO_EVALUABLE_SAMPLE"),
        ([(-2, "NE"), (28, "POS")], "MISSING_BASELINE_POSITIVE"),
    ],
)
def test_the_class_of_a_subject(rows, expected):
    assert subject(*rows)["classification"] == expected


def test_baseline_is_the_last_evaluable_sample_up_to_the_infusion():
    row = subject((-20, "POS", 160), (-1, "NEG"), (0, "NE"), (28, "POS", 10))
    assert (row["baseline_status"], row["classification"]) == ("NEGATIVE", "INDUCED")
    assert subject((0, "POS", 20), (28, "POS", 40))["baseline_titer"] == 20
    assert subject((-1, "NEG"), (-1, "POS", 20))["baseline_status"] == "POSITIVE"


@pytest.mark.parametrize("titer", ["1:40", "1 : 40", "40", " 40.0 ", 40, 40.0])
def test_a_titre_is_a_dilution_or_a_number(titer):
    assert subject((-2, "NEG"), (28, "POS", titer))["max_post_titer"] == 40


def test_a_positive_sample_without_a_titre_has_the_minimum_required_dilution():
    row = subject((-2, "POS"), (28, "POS", 40))
    assert (row["baseline_titer"], row["classification"]) == (10, "BOOSTED")
    row = subject((-2, "POS"), (28, "POS", 40), minimum_required_dilution=20)
    assert (row["baseline_titer"], row["classification"]) == (20, "UNAFFECTED")


def test_the_titre_of_a_negative_sample_is_not_read():
    assert math.isnan(subject((-2, "NEG", "<1:10"), (28, "NEG", "n/a"))["max_post_titer"])


def test_a_titre_without_a_positive_is_listed():
    rows = pd.DataFrame({"subject_id": ["1", "1", "1", "2"], "day": [-1, 28, 60, 28], "titer": [None, "1:80", "20", None],
                         "result": ["NEG", "NEG", "NEG", "NEG"]})  # fmt: skip
    notes = classify(rows).subjects["note"].tolist()
    assert "titre of a negative sample not used: day 28, 60" in notes[0]
    assert "titre" not in notes[1].replace("negative sample: no titre", "")


def test_the_fold_of_a_boost_is_a_rule():
    rows = (-2, "POS", 20), (28, "POS", 40)
    assert subject(*rows, boost_fold=2.0)["classification"] == "BOOSTED"


def test_persistent_when_the_last_sample_is_positive_and_the_note_says_when_only_that():
    row = subject((-2, "NEG"), (28, "POS"))
    assert (row["kinetics"], row["te_duration_days"]) == ("PERSISTENT", 0)
    assert row["note"].endswith("persistent because the last sample is treatment-emergent")


def test_persistent_from_16_weeks_whatever_lies_between():
    course = [(-2, "NEG"), (28, "POS"), (90, "NEG"), (140, "POS"), (180, "NEG")]
    row = subject(*course)
    assert (row["kinetics"], row["te_duration_days"]) == ("PERSISTENT", 112)
    assert (row["first_te_positive_day"], row["last_te_positive_day"]) == (28, 140)
    assert subject(*course, persistent_days=113)["kinetics"] == "TRANSIENT"


def test_a_boost_that_falls_below_its_fold_is_transient_though_still_positive():
    row = subject((-2, "POS", 20), (28, "POS", 80), (60, "POS", 20))
    assert (row["kinetics"], row["last_te_positive_day"], row["max_post_titer"]) == ("TRANSIENT", 28, 80)


def test_a_sample_that_is_not_evaluable_does_not_end_persistence():
    assert subject((-2, "NEG"), (28, "POS"), (60, "NE"))["kinetics"] == "PERSISTENT"


def test_a_missing_baseline_may_be_assumed_negative():
    rows = (14, "NEG"), (28, "POS", 20)
    own = subject(*rows)
    assert math.isnan(own["treatment_emergent"])
    assert own["kinetics"] == ""
    assumed = subject(*rows, missing_baseline="assume-negative")
    assert (assumed["classification"], assumed["treatment_emergent"]) == ("INDUCED", 1)
    assert assumed["baseline_status"] == "MISSING"
    assert "baseline missing: assumed negative" in assumed["note"]


def test_treatment_emergent_is_missing_without_a_baseline_or_a_later_sample():
    assert subject((-2, "NEG"), (28, "NEG"))["treatment_emergent"] == 0
    assert math.isnan(subject((-2, "NEG"))["treatment_emergent"])
    assert subject((-2, "NEG"))["note"] == "baseline negative; no evaluable sample after infusion"


def test_every_subject_of_the_set_has_a_row_and_no_other():
    frame = pd.concat([samples((-2, "NEG"), subject="1"), samples((-2, "NEG"), subject="9")])
    result = classify(frame, people(1, 1))
    assert result.subjects["subject_id"].tolist() == ["1", "2"]
    assert result.subjects["classification"].tolist() == ["NO_POST_BASELINE", "NO_EVALUABLE_SAMPLE"]
    assert result.excluded["reason"].tolist() == ["not a subject of this analysis"]
    assert classify(frame).subjects["subject_id"].tolist() == ["1", "9"]


def test_the_summary_counts_every_class():
    summary = classify(samples((-2, "NEG"), (28, "POS")), people(1, 2)).summary
    assert summary["classification"].tolist() == list(CLASSES)
    assert (summary["n"] == 2).all()
    assert summary.set_index("classification")["n_event"].to_dict() == {
        **dict.fromkeys(CLASSES, 0), "INDUCED": 1, "NO_EVALUABLE_SAMPLE": 1,
    }  # fmt: skip


def test_rows_that_cannot_be_used_are_listed():
    frame = samples((-2, "NEG"), (28, "NE"), (np.nan, "POS"), (60, None))
    excluded = classify(frame).excluded
    assert excluded[["row", "reason"]].to_numpy().tolist() == [
        [2, "not evaluable"],
        [3, "day missing"],
        [4, "not evaluable"],
    ]


def test_days_come_from_dates_where_they_are_missing():
    frame = samples((np.nan, "POS")).assign(sample_date="2022-02-08")
    subjects = people(1).assign(infusion_date="2022-01-11")
    assert positive_rate(frame, subjects).subjects[["visit", "day"]].to_numpy().tolist() == [["D28", 28.0]]


def test_an_unknown_word_or_titre_is_refused_with_every_row():
    frame = samples((-2, "NEGATIVE"), (28, "POS", "high"), (60, "POS", "1:0"))
    with pytest.raises(DataError) as caught:
        classify(frame)
    assert [(problem.row, problem.column) for problem in caught.value.problems] == [
        (1, "result"),
        (2, "titer"),
        (3, "titer"),
    ]


def test_records_are_taken_as_frames_are():
    records = [
        AdaSample(subject_id="1", day=-2, result="NEG"),
        AdaSample(subject_id="1", day=28, result="POS", titer="1:20"),
    ]
    assert classify(records, [Subject(subject_id="1")]).subjects["classification"].tolist() == ["INDUCED"]
    assert positive_rate(records, [Subject(subject_id="1", dose_level=1)]).summary[
        "group"
    ].unique().tolist() == ["1", "ALL"]


# Rates


def test_each_measure_has_its_own_denominator():
    frame = pd.concat(
        [
            samples((-2, "NEG"), (14, "POS"), (28, "NEG"), subject="1"),
            samples((-2, "POS", 20), (28, "POS", 40), subject="2"),
            samples((28, "POS"), subject="3"),
            samples((-2, "NEG"), (28, "NE"), subject="4"),
        ]
    )
    line = positive_rate(frame, people(1, 1, 2, 2, 2)).summary.query("group == 'ALL'")
    counts = line.set_index(["visit", "measure"])[["n_positive", "n"]].T.to_dict("list")
    assert counts["BASELINE", "positive_at_visit"] == [1, 3]
    assert counts["D14", "positive_at_visit"] == [1, 1]
    assert counts["D28", "positive_at_visit"] == [2, 3]
    assert counts["D28", "treatment_emergent_at_visit"] == [0, 2]
    assert counts["D28", "cumulative_through_visit"] == [3, 3]
    assert counts["D14", "cumulative_through_visit"] == [1, 1]
    assert counts["OVERALL", "prevalence"] == [3, 4]
    assert counts["OVERALL", "incidence"] == [1, 2]
    assert line["n_infused"].unique().tolist() == [5]


def test_an_early_positive_screening_sample_counts_in_prevalence_only():
    line = positive_rate(samples((-20, "POS"), (-1, "NEG"), (28, "NEG")), people(1)).summary
    counts = line.query("group == 'ALL'").set_index(["visit", "measure"])["n_positive"]
    assert counts["OVERALL", "prevalence"] == 1
    assert counts.drop(("OVERALL", "prevalence")).sum() == 0


def test_a_positive_sample_outside_every_window_counts_once_its_day_is_passed():
    rules = AdaRules(windows={"D28": Window(28, 21, 44), "M3": Window(90, 76, 120)})
    counts = positive_rate(samples((-1, "NEG"), (50, "POS"), (90, "NEG")), people(1), by=None, rules=rules)
    counts = counts.summary.set_index(["visit", "measure"])
    assert counts.loc[("D28", "cumulative_through_visit"), ["n_positive", "n"]].tolist() == [0, 0]
    assert counts.loc[("M3", "cumulative_through_visit"), ["n_positive", "n"]].tolist() == [1, 1]
    assert counts.loc[("M3", "positive_at_visit"), "n_positive"] == 0


def test_a_tie_takes_the_later_sample_unless_the_rule_says_earlier():
    pair = samples((12, "POS"), (16, "NEG"))
    assert positive_rate(pair, people(1)).subjects["result"].tolist() == ["NEG"]
    assert positive_rate(pair, people(1), rules=AdaRules(tie="earlier")).subjects["result"].tolist() == [
        "POS"
    ]


def test_every_visit_and_group_has_its_row_also_with_nobody():
    subjects = people(1, 1)
    subjects["dose_level"] = pd.Categorical(subjects["dose_level"], categories=[1, 2])
    summary = positive_rate(samples((-2, "NEG")), subjects).summary
    assert len(summary) == (1 + 7 * 3 + 2) * 3
    assert summary.loc[summary["n"] == 0, ["estimate", "ci_low", "ci_high"]].isna().all(axis=None)
    assert (summary.loc[summary["n"] == 0, "note"] != "").all()
    assert summary.query("group == '2'")["n_infused"].unique().tolist() == [0]


def test_the_infused_are_counted_beside_the_denominator():
    subjects = people(1, 1, 1).assign(infused=["Y", "Y", "N"])
    line = positive_rate(samples((-2, "NEG")), subjects, by=None).summary.iloc[0]
    assert (line["n_infused"], line["n"], line["n_positive"]) == (2, 1, 0)


def test_the_interval_is_exact_unless_the_rules_say_otherwise():
    # 0 of 1: Clopper-Pearson upper limit 1 - 0.025, Wilson z^2 / (1 + z^2).
    frame = samples((-2, "NEG"))
    line = positive_rate(frame, people(1), by=None).summary.iloc[0]
    assert line[["estimate", "ci_low", "ci_high", "method"]].tolist() == [0, 0, 0.975, "Clopper-Pearson"]
    rules = AdaRules(ci_method="wilson", conf_level=0.9)
    line = positive_rate(frame, people(1), by=None, rules=rules).summary.iloc[0]
    z2 = 1.6448536269514722**2
    assert line["ci_high"] == pytest.approx(z2 / (1 + z2), rel=1e-12)
    assert (line["method"], line["conf_level"]) == ("Wilson", 0.9)


def test_an_empty_table_gives_empty_results():
    empty = samples()
    assert classify(empty).subjects.empty
    assert results.check(classify(empty).to_frame()) == []
    result = positive_rate(empty, people(1, 2))
    assert (result.summary["n"] == 0).all()
    assert result.subjects.empty
    assert results.check(result.to_frame()) == []


def test_inputs_are_not_modified():
    frame, subjects = samples((-2, "POS", "1:20"), (28, "POS", "1:40")), people(1)
    before = frame.copy()
    classify(frame, subjects)
    positive_rate(frame, subjects)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(subjects, people(1))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            {"windows": {"A": Window(28, 21, 44), "B": Window(50, 44, 75)}},
            "windows A and B overlap at day 44",
        ),
        ({"windows": {"OVERALL": Window(28, 21, 44)}}, "OVERALL cannot be the name of a window"),
        ({"ci_method": "exact"}, "ci_method must be one of clopper-pearson, .*, got 'exact'"),
        ({"conf_level": 95}, "conf_level"),
        ({"boost_fold": 1.0}, "boost_fold"),
        ({"missing_baseline": "negative"}, "missing_baseline"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(argument, message):
    with pytest.raises(ValidationError, match=message):
        AdaRules(**argument)


def test_an_unknown_group_column_is_refused():
    with pytest.raises(ValueError, match="by must name a column of subjects"):
        positive_rate(samples((-2, "NEG")), people(1), by="cohort")


def test_the_columns_are_those_of_the_contract():
    result = classify(samples((-2, "NEG")))
    assert result.subjects.columns.tolist() == [
        "subject_id", "baseline_status", "baseline_titer", "n_post_evaluable", "classification",
        "treatment_emergent", "kinetics", "first_te_positive_day", "last_te_positive_day", "te_duration_days",
        "max_post_titer", "note",
    ]  # fmt: skip
    rates = positive_rate(samples((-2, "NEG")), people(1))
    assert rates.subjects.columns.tolist() == [
        "subject_id", "visit", "day", "result", "titer", "treatment_emergent", "note",
    ]  # fmt: skip
    assert rates.summary.columns.tolist()[:9] == [
        "visit", "measure", "group", "n_infused", "n", "n_positive", "estimate", "ci_low", "ci_high",
    ]  # fmt: skip


def test_the_long_form_has_its_keys_units_and_reasons():
    frame = pd.concat([samples((-2, "NEG"), (28, "POS", 40)), samples((28, "NEG"), subject="2")])
    rows = classify(frame, people(1, 2).assign(infused="Y")).to_frame()
    assert results.check(rows) == []
    induced = rows.query("param == 'ADA:INDUCED' and stat == 'n_event'")
    assert induced[["population", "group", "value"]].to_numpy().tolist() == [["INFUSED", "ALL", 1.0]]
    kinetics = rows.query("stat == 'kinetics'").set_index("subject_id")
    assert kinetics.loc["1", "text"] == "PERSISTENT"
    assert kinetics.loc["2", "note"] == "no evaluable baseline sample"
    assert rows.query("stat == 'max_post_titer' and subject_id == '1'")["unit"].tolist() == [
        "reciprocal dilution"
    ]
    rows = positive_rate(frame, people(1, 2)).to_frame()
    assert results.check(rows) == []
    line = rows.query(
        "param == 'ADA:positive_at_visit' and timepoint == 'D28' and group == 'ALL' and stat == 'estimate'"
    )
    assert line[["analysis", "value", "unit", "method"]].to_numpy().tolist() == [
        ["immunogenicity.positive_rate", 0.5, "1", "Clopper-Pearson"]
    ]
