"""Windows, groups, days from dates, first events."""

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError

from cart7 import derive
from cart7.derive import Window
from cart7.errors import DataError


def samples(*days, subject="1"):
    return pd.DataFrame({"subject_id": subject, "day": [float(day) for day in days]})


def chosen(days, **options):
    return derive.nearest_in_windows(samples(*days), {"M3": Window(90, 76, 104)}, **options)["day"].tolist()


def test_both_bounds_of_a_window_belong_to_it():
    assert Window(90, 76, 104).contains([75.99, 76, 104.99, 105]).tolist() == [False, True, True, False]


def test_a_window_needs_its_target_inside():
    with pytest.raises(ValidationError, match="lower <= target <= upper, got 76, 110, 104"):
        Window(110, 76, 104)


def test_a_window_reads_from_a_table():
    assert TypeAdapter(Window).validate_python({"target": 90, "lower": 76, "upper": 104}) == Window(
        90, 76, 104
    )


def test_overlapping_windows_are_refused_and_gaps_are_not():
    derive.check_windows({"D28": Window(28, 21, 42), "M3": Window(90, 76, 104)})
    with pytest.raises(ValueError, match="M2 and M3 overlap at day 70"):
        derive.check_windows({"M3": Window(90, 70, 104), "M2": Window(60, 45, 75)})


def test_the_nearest_record_is_chosen_and_a_tie_goes_where_the_rule_says():
    assert chosen([83, 97]) == [97.0]
    assert chosen([83, 97], tie="earlier") == [83.0]
    assert chosen([97, 83, 91]) == [91.0]


def test_the_last_record_of_the_window_can_be_asked_for():
    assert chosen([90, 103, 105], pick="last") == [103.0]


def test_on_one_day_the_last_row_of_the_table_is_the_later():
    twice = samples(90, 90).assign(value=[1.0, 2.0])
    windows = {"M3": Window(90, 76, 104)}
    assert derive.nearest_in_windows(twice, windows)["value"].tolist() == [2.0]
    assert derive.nearest_in_windows(twice, windows, tie="earlier")["value"].tolist() == [1.0]


def test_no_record_in_the_window_gives_no_row():
    assert chosen([10, 200]) == []
    assert not len(derive.nearest_in_windows(samples(90), {}))


def test_groups_ascend_by_value_and_all_comes_last():
    subjects = pd.DataFrame({"subject_id": list("abcd"), "dose_level": [10, 2, np.nan, 2]})
    assert [(label, int(mask.sum())) for label, mask in derive.groups(subjects, "dose_level")] == [
        ("2", 2), ("10", 1), ("ALL", 4),
    ]  # fmt: skip


def test_a_level_with_nobody_keeps_its_group():
    level = pd.Categorical([1.0, 1.0], categories=[1.0, 2.0])
    subjects = pd.DataFrame({"subject_id": ["a", "b"], "dose_level": level})
    assert [(label, int(mask.sum())) for label, mask in derive.groups(subjects, "dose_level")][1] == ("2", 0)


def test_an_unknown_group_column_is_named():
    with pytest.raises(ValueError, match=r"by must name a column of subjects .*got 'arm'"):
        derive.groups(pd.DataFrame({"subject_id": ["a"]}), "arm")


def test_a_missing_day_comes_from_the_date():
    subjects = pd.DataFrame({"subject_id": ["a"], "infusion_date": ["2022-01-10"]})
    frame = pd.DataFrame({"subject_id": ["a", "a", "a"], "day": [np.nan, 3.0, np.nan],
                          "sample_date": ["2022-02-07", "2022-03-01", "2022-02"]})  # fmt: skip
    assert derive.with_day(frame, subjects, date="sample_date")["day"].tolist()[:2] == [28.0, 3.0]
    assert np.isnan(derive.with_day(frame, subjects, date="sample_date")["day"].iloc[2])


def test_dates_may_be_datetimes():
    subjects = pd.DataFrame({"subject_id": ["a"], "infusion_date": pd.to_datetime(["2022-01-10"])})
    frame = pd.DataFrame({"subject_id": ["a"], "date": pd.to_datetime(["2022-01-12 09:30"])})
    assert derive.with_day(frame, subjects, date="date")["day"].tolist() == [2.0]


def test_the_first_event_counts_and_the_last_contact():
    subjects = pd.DataFrame({"subject_id": ["a", "b"]})
    events = pd.DataFrame({"subject_id": ["a"] * 4, "event": ["HSCT", "HSCT", "LAST_CONTACT", "LAST_CONTACT"],
                           "day": [70, 60, 100, 200]})  # fmt: skip
    days = derive.first_event_days(events, subjects)
    assert days.loc["a", ["HSCT", "LAST_CONTACT"]].tolist() == [60.0, 200.0]
    assert days.loc["b"].isna().all()


def test_a_subject_that_stands_twice_is_named_with_its_row():
    with pytest.raises(DataError, match="subjects, line 3, column subject_id: a subject has one row"):
        derive.subject_table(pd.DataFrame({"subject_id": ["a", "a"]}))


def test_the_population_is_infused_only_when_all_are():
    assert derive.population(pd.DataFrame({"subject_id": ["a"], "infused": ["Y"]})) == "INFUSED"
    assert derive.population(pd.DataFrame({"subject_id": ["a"]})) == ""


def test_who_is_infused_follows_the_flag_then_the_date_then_everybody():
    flag = pd.DataFrame(
        {"subject_id": list("abc"), "infused": ["Y", "N", None], "infusion_date": [None, None, "2022-01-10"]}
    )
    assert derive.infused(flag).tolist() == [True, False, True]
    assert derive.infused(flag.drop(columns="infused")).tolist() == [False, False, True]
    assert derive.infused(flag[["subject_id"]]).tolist() == [True, True, True]


@pytest.mark.parametrize("text", ["2024-00", "2024---00", "2024-02-00", "2024-00-15", "0000-02", "2024-13"])
@pytest.mark.parametrize(("highest", "rule"), [("D", "mid"), ("M", "first"), ("M", "last")])
def test_a_month_or_day_that_is_none_is_refused(text, highest, rule):
    with pytest.raises(DataError):
        derive.impute_date(text, highest=highest, rule=rule)
