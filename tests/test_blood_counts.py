"""Neutrophils and platelets: nadir, recovery, and thrombocytopenia by T-ICAHT."""

import numpy as np
import pandas as pd
import pytest

import cart7
from cart7 import errors, grading, results, safety

ONE = pd.DataFrame({"subject_id": ["1"], "dose_level": [1], "infused": "Y"})


def counts(values, test="ANC", start=0):
    return pd.DataFrame({"subject_id": "1", "test": test, "day": range(start, start + len(values)),
                         "value": values, "unit": "10^9/L"})  # fmt: skip


def row(labs, test="ANC", events=None):
    found = safety.blood_counts(labs, ONE, events).subjects
    return found[found["test"] == test].iloc[0]


def test_recovery_is_the_first_of_three_values_at_or_above_the_bound():
    found = row(counts([2.0, 0.4, 0.6, 0.5, 0.4, 0.5, 0.5, 0.5]))
    assert found[["nadir", "nadir_day", "recovery_day"]].tolist() == [0.4, 1, 5]
    assert row(counts([0.4, 0.5, 0.5]))["note"] == "not recovered by the last value"


def test_a_low_after_the_first_month_is_no_nadir_of_the_infusion():
    late = pd.concat([counts([2.0, 0.7, 1.0, 1.0]), counts([0.1] * 3, start=60)])
    found = row(late)
    assert found[["nadir", "below"]].tolist() == [0.7, 0]
    assert np.isnan(found["recovery_day"])


def test_values_after_transplantation_say_nothing_of_recovery():
    labs = counts([0.1] * 5 + [2.0] * 5)
    hsct = pd.DataFrame({"subject_id": ["1"], "event": ["HSCT"], "day": [5]})
    assert row(labs)["recovery_day"] == 5
    assert row(labs, events=hsct)["note"] == "not recovered by the last value"


def test_everybody_has_a_row_for_both_tests_and_a_reason():
    found = safety.blood_counts(counts([1.0] * 3), ONE)
    assert found.subjects["note"].tolist() == ["", "no value from the infusion on"]
    assert found.rows(test="ANC")["row"].tolist() == [1, 2, 3]
    assert results.check(found.to_frame()) == []
    before = safety.blood_counts(counts([1.0], start=40), ONE)
    assert before.subjects["note"].tolist()[0] == "no value up to day 30"


@pytest.mark.parametrize("rows", [0, 1])
def test_little_data_keeps_its_shape(rows):
    for table in (safety.blood_counts, safety.icaht_platelets):
        for people in (ONE, ONE.iloc[:0]):
            assert results.check(table(counts([1.0], "PLT").iloc[:rows], people).to_frame()) == []


def test_a_unit_that_is_not_known_is_refused():
    with pytest.raises(errors.DataError, match="unit of a cell count"):
        safety.blood_counts(counts([1.0]).assign(unit="furlong"), ONE)


def test_platelets_are_graded_from_the_laboratory_table_in_any_unit():
    low = [40.0] * 7 + [90.0] * 24
    for unit, factor in (("10^9/L", 1), ("/uL", 1000)):
        labs = counts([value * factor for value in low], "PLT").assign(unit=unit)
        found = safety.icaht_platelets(labs, ONE).subjects.iloc[0]
        assert found[["days_lt_50", "days_lt_20", "early_grade"]].tolist() == [7, 0, 2]


def test_platelets_of_the_example_are_graded_as_by_the_rule_itself():
    study = cart7.example_study()
    infused = study.subjects[study.subjects["infused"] == "Y"]
    labs = study.labs[study.labs["test"] == "PLT"]
    found = safety.icaht_platelets(study.labs, infused, study.events).subjects
    direct = grading.icaht_thrombocytopenia(
        labs[["subject_id", "day"]].assign(platelets_10e9_per_l=labs["value"]), infused[["subject_id"]]
    )
    # Death ends the observation of one subject after day 30: the early grade does not see it.
    assert found["early_grade"].tolist() == direct["early_grade"].tolist()
