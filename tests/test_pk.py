"""Kinetics tables: profiles, their summary, persistence, and the long form."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from cart7 import pk, records, results
from cart7.errors import DataError
from cart7.pk import BlqRules, LambdaZRules, NcaRules

SUBJECT_COLUMNS = [
    "unit", "n_samples", "n_quantifiable", "cmax", "tmax", "tfirst", "tlag", "clast", "tlast", "auc_last",
    "auc_all", "auc_inf_obs", "auc_inf_pred", "auc_extrap_percent", "auc_extrap_pred_percent", "aumc_last",
    "aumc_inf_obs", "aumc_inf_pred", "mrt_last", "mrt_inf_obs", "mrt_inf_pred", "lambda_z", "half_life",
    "r_squared", "adj_r_squared", "lambda_z_n", "lambda_z_start", "lambda_z_end", "clast_pred", "span_ratio",
    "expansion_n", "expansion_rate", "expansion_r_squared", "doubling_time", "expansion_rate_max",
    "fold_expansion", "contraction_n", "contraction_half_life", "persistence_low", "persistence_high",
    "first_blq_after_tmax", "confirmed_loss_day", "last_sample_day", "auc_window", "auc_window_status",
    "auc_window_percent_beyond_tlast", "auc_window_start_rule", "note",
]  # fmt: skip


def samples(subject="001", assay="QPCR", infusion_no=1, days=None, values=None, **more):
    """One profile: 0, 100, 5000, 3000, 1500, 700 and below the limit on day 28."""
    days = [0, 3, 7, 10, 14, 21, 28] if days is None else days
    values = [0, 100, 5000, 3000, 1500, 700, None] if values is None else values
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    columns = {
        "subject_id": subject, "infusion_no": infusion_no, "assay": assay, "day": days, "value": numbers,
        "blq": ["BLQ" if value is None else "" for value in values], "lloq": 50.0, "unit": "copies/ug",
    }  # fmt: skip
    return pd.DataFrame({**columns, **more})


def tables(*parts):
    return pd.concat(parts, ignore_index=True)


PEOPLE = pd.DataFrame(
    {"subject_id": ["001", "002", "003"], "dose_level": [1, 1, 2], "infused": ["Y", "Y", "Y"]}
)


def sound(result):
    """A result whose long form keeps the shape."""
    assert results.check(result.to_frame()) == []
    return result


def row_of(found, **keys):
    frame = found
    for name, value in keys.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_a_profile_has_its_keys_unit_and_parameters_in_order():
    found = sound(pk.nca(samples())).subjects
    assert list(found.columns) == ["subject_id", "infusion_no", "assay", *SUBJECT_COLUMNS]
    assert found.loc[0, ["subject_id", "infusion_no", "assay", "unit"]].tolist() == [
        "001",
        1,
        "QPCR",
        "copies/ug",
    ]
    assert (found.loc[0, "cmax"], found.loc[0, "auc_window_status"]) == (5000, "BLQ_TRIANGLE")


def test_there_is_a_profile_per_subject_infusion_and_assay():
    found = pk.nca(tables(samples("002"), samples(assay="FLOW"), samples(), samples(infusion_no=2))).subjects
    keys = found[["subject_id", "infusion_no", "assay"]].to_numpy().tolist()
    assert keys == [["001", 1, "FLOW"], ["001", 1, "QPCR"], ["001", 2, "QPCR"], ["002", 1, "QPCR"]]
    assert "days count from the first infusion" in found.loc[2, "note"]


@pytest.mark.parametrize(
    "missing", [["infusion_no"], ["assay", "infusion_no"], ["subject_id", "infusion_no", "assay"]]
)
def test_keys_that_are_not_there_are_no_keys(missing):
    found = sound(pk.nca(samples().drop(columns=missing)))
    keys = [name for name in ("subject_id", "infusion_no", "assay") if name not in missing]
    for frame in (found.subjects, found.windows, found.points):
        assert list(frame.columns[: len(keys) + 1])[:-1] == keys
    assert found.subjects["cmax"].tolist() == [5000]


def test_day_and_value_are_enough():
    found = sound(pk.nca(pd.DataFrame({"day": [0, 7, 14], "value": [0, 400, 100]}))).subjects
    assert (found.loc[0, "cmax"], found.loc[0, "unit"]) == (400, "")


def test_records_and_frames_give_the_same():
    frame = samples()
    same = [
        records.KineticSample(
            subject_id="001", infusion_no=1, assay="QPCR", day=float(row.day), blq=row.blq or None, lloq=50.0,
            value=None if row.blq else row.value, unit="copies/ug",
        )
        for row in frame.astype(object).where(frame.notna(), None).itertuples()
    ]  # fmt: skip
    pd.testing.assert_frame_equal(pk.nca(frame).subjects, pk.nca(same).subjects)


def test_rows_in_any_order_give_the_same_and_the_input_is_untouched():
    table = tables(samples(), samples("002"), samples(assay="FLOW"))
    before = table.copy()
    expected = pk.nca(table).subjects
    for seed in range(3):
        pd.testing.assert_frame_equal(pk.nca(table.sample(frac=1, random_state=seed)).subjects, expected)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("empty", [pd.DataFrame(), pd.DataFrame({"day": [], "value": []}), []])
def test_an_empty_table_gives_an_empty_result(empty):
    found = sound(pk.nca(empty))
    assert [len(frame) for frame in (found.subjects, found.windows, found.points, found.excluded)] == [0] * 4
    assert "cmax" in found.subjects.columns
    assert "<table" in found._repr_html_()


BAD = {
    "DUPLICATE_TIME": samples("002", days=[0, 3, 3, 10, 14, 21, 28]),
    "NEGATIVE_VALUE": samples("002", values=[0, 100, -5, 3000, 1500, 700, None]),
    "MISSING_TIME": samples("002", days=[0, 3, None, 10, 14, 21, 28]),
    "NON_FINITE_VALUE": samples("002", values=[0, 100, np.inf, 3000, 1500, 700, None]),
    "MIXED_UNITS": samples("002", unit=["copies/ug"] * 6 + ["copies/uL"]),
}


@pytest.mark.parametrize("code", list(BAD))
def test_a_bad_profile_keeps_its_row_and_leaves_the_others_alone(code):
    alone = tables(samples("001"), samples("003"))
    table = tables(samples("001"), BAD[code], samples("003"))
    found = sound(pk.nca(table))
    bad = row_of(found.subjects, subject_id="002")
    assert bad["note"].startswith(code)
    assert bad[list(pk.PPTESTCD)].isna().all()
    others = found.subjects[found.subjects["subject_id"] != "002"].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, pk.nca(alone).subjects, check_exact=True)
    assert found.excluded["row"].tolist() == list(range(8, 15))
    assert found.excluded["reason"].str.startswith(code).all()
    assert found.points.loc[7:13, "note"].str.startswith(code).all()


def test_no_samples_and_nothing_quantifiable_are_different():
    table = tables(samples(values=[None] * 7), samples("002", values=[np.nan] * 7))
    found = sound(pk.nca(table)).subjects
    assert found["note"].tolist() == ["NO_QUANT", "NO_SAMPLES"]
    assert found["auc_window"].tolist()[0] == 0
    assert np.isnan(found["auc_window"].tolist()[1])
    assert found["n_samples"].tolist() == [7, 0]


@pytest.mark.parametrize(
    "flags",
    [
        [False] * 6 + [True], [False, None] * 3 + [True], [0] * 6 + [1], [0.0, None] * 3 + [1.0],
        [None] * 6 + ["ND"],
    ],
)  # fmt: skip
def test_a_flag_is_a_word_or_a_truth_value(flags):
    table = samples(values=[70, 100, 5000, 3000, 1500, 700, 600]).assign(blq=flags)
    assert pk.nca(table).subjects["n_quantifiable"].tolist() == [6]


def test_a_value_under_the_limit_is_below_it_and_its_point_says_so():
    points = pk.nca(samples(values=[0, 30, 5000, 3000, 1500, 700, None])).points
    assert points["blq"].tolist() == ["first", "first", "", "", "", "", "last"]
    assert points["note"].tolist() == ["", "a value under the limit counts as below it", *[""] * 5]


def test_a_table_without_days_or_dates_is_an_error():
    with pytest.raises(DataError, match="column day"):
        pk.exposure(samples().drop(columns="day"), PEOPLE)


def test_copies_become_cells_by_the_yield_of_dna():
    found = pk.copies_to_cells([50_000.0, np.nan, 100.0], [20.0, 20.0, 0.0], vector_copy_number=2)
    assert found[[0, 2]].tolist() == [500, 0]
    assert np.isnan(found[1])
    with pytest.raises(ValueError, match="dna_ug_per_ml cannot be negative, got -1"):
        pk.copies_to_cells([1.0], [-1.0])
    with pytest.raises(ValueError, match="vector_copy_number must be above 0"):
        pk.copies_to_cells([1.0], [1.0], vector_copy_number=0)


def test_every_window_has_a_row():
    found = sound(pk.nca(samples(), rules=NcaRules(windows=((0, 21), (7, 28), (0, 10.5)))))
    assert found.windows[["start", "end"]].to_numpy().tolist() == [[0, 21], [7, 28], [0, 10.5]]
    assert found.windows["status"].tolist() == ["OBSERVED", "BLQ_TRIANGLE", "INTERPOLATED"]
    assert found.subjects["auc_window"].tolist() == [found.windows.loc[0, "value"]]
    long = found.to_frame()
    areas = long[(long["param"] == "AUCINT:QPCR:1") & (long["stat"] == "auc_window")]
    assert areas["timepoint"].tolist() == ["0-21", "7-28", "0-10.5"]
    assert areas["unit"].unique().tolist() == ["day*copies/ug"]


def test_windows_and_thresholds_that_differ_in_a_late_digit_keep_their_own_key():
    rules = NcaRules(windows=((0, 28.0), (0, 28.0000001)))
    assert {"0-28", "0-28.0000001"} < set(sound(pk.nca(samples(), rules=rules)).to_frame()["timepoint"])
    params = set(sound(pk.time_above(samples(), [1_000_000, 1_000_001])).to_frame()["param"])
    assert params == {"TAT:QPCR:1:1000000", "TAT:QPCR:1:1000001"}


def test_every_row_of_the_input_is_a_point_with_its_use():
    table = samples(days=[-0.02, 3, 7, 10, 14, 21, 28], values=[None, 100, 5000, None, 1500, 700, None])
    points = pk.nca(table.iloc[::-1]).points.iloc[::-1]
    assert points["day"].tolist() == [-0.02, 3, 7, 10, 14, 21, 28]
    assert points["blq"].tolist() == ["first", "", "", "middle", "", "", "last"]
    assert points["in_auc"].tolist() == [True, True, True, False, True, True, True]
    assert points["in_lambda_z"].tolist() == [False] * 7
    assert points["note"].tolist()[0] == "stands for day 0"
    assert "left out" in points["note"].tolist()[3]
    assert points["unit"].unique().tolist() == ["copies/ug"]
    assert points["lloq"].tolist() == [50.0] * 7


def test_points_on_the_terminal_line_are_marked():
    table = samples(values=[0, 100, 5000, 3000, 1500, 700, 300])
    found = pk.nca(table)
    assert found.points["in_lambda_z"].sum() == found.subjects.loc[0, "lambda_z_n"]


def test_a_predose_sample_moved_to_day_0_counts_and_earlier_ones_do_not():
    table = tables(samples(days=[-7, -1, 7, 10, 14, 21, 28], values=[None, None, 500, 300, 200, 100, 50]))
    found = pk.nca(table)
    assert found.subjects.loc[0, ["n_samples", "auc_window_start_rule"]].tolist() == [6, "PREDOSE_CARRIED"]
    assert found.excluded["row"].tolist() == [1]
    required = pk.nca(table, rules=NcaRules(start="require-sample")).subjects
    assert required.loc[0, "n_samples"] == 5
    assert required.loc[0, "note"].startswith("NO_START_SAMPLE")


def test_nominal_times_replace_actual_ones_by_rule():
    table = samples(days=[0, 3.1, 7.2, 9.8, 14.3, 20.6, 29], nominal_day=[0, 3, 7, 10, 14, 21, 28])
    found = pk.nca(table, rules=NcaRules(time="nominal"))
    pd.testing.assert_frame_equal(found.subjects, pk.nca(samples()).subjects)
    with pytest.raises(DataError, match="nominal_day"):
        pk.nca(samples(), rules=NcaRules(time="nominal"))


def test_one_infusion_can_be_chosen():
    table = tables(samples(), samples(infusion_no=2))
    found = pk.nca(table, rules=NcaRules(infusion_no=2))
    assert found.subjects["infusion_no"].tolist() == [2]
    assert len(found.points) == 14
    assert found.excluded["reason"].tolist() == ["not a sample of infusion 2"] * 7


def test_missing_columns_and_words_among_numbers_are_one_error():
    with pytest.raises(DataError, match="value"):
        pk.nca(pd.DataFrame({"subject_id": ["1"], "day": [0]}))
    with pytest.raises(DataError, match="a number belongs here"):
        pk.nca(samples().astype({"value": object}).replace({"value": {5000: "5000 copies"}}))


def test_codes_cover_every_number_of_a_profile():
    found = pk.nca(samples()).subjects
    numbers = [name for name in SUBJECT_COLUMNS if pd.api.types.is_float_dtype(found[name])]
    assert set(pk.PPTESTCD) == set(numbers)
    assert all(len(code) <= 8 for code in pk.PPTESTCD.values())
    assert len(set(pk.PPTESTCD.values())) == len(pk.PPTESTCD)
    assert [pk.PPTESTCD[name] for name in ("cmax", "tlast", "auc_inf_obs", "half_life", "auc_window")] == [
        "CMAX", "TLST", "AUCIFO", "LAMZHL", "AUCINT",
    ]  # fmt: skip


def test_the_long_form_says_why_a_number_is_missing():
    long = pk.nca(samples()).to_frame().set_index("param")["note"]
    assert long["PERSHI:QPCR:1"] == ""
    assert "no two consecutive" in long["TLOSS2:QPCR:1"]
    long = (
        pk.nca(samples(values=[0, 100, 5000, 3000, None, None, None])).to_frame().set_index("param")["note"]
    )
    assert long["LAMZ:QPCR:1"] == "no terminal slope"
    assert "fewer than 3" in long["CONTHL:QPCR:1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tail": "none"}, "tail"),
        ({"windows": ()}, "windows"),
        ({"windows": ((28, 0),)}, "0 <= start < end, got \\(28, 0\\)"),
        ({"windows": ((0, 28), (0, 28))}, "a window stands twice"),
        ({"conf_level": 1}, "conf_level"),
        ({"quantile_type": 5}, "quantile_type"),
        ({"blq": {"first": "zero"}}, "blq"),
        ({"blq": {"first": -1}}, "negative number, got -1"),
        ({"blq": {"last": "drop", "before_tmax": "drop"}}, "not both"),
        ({"lambda_z": {"min_points": 1}}, "min_points"),
        ({"lambda_z": {"window": (28, 14)}}, "start < end"),
        ({"lambda_z": {"window": (7, 14), "points": (7, 14)}}, "give window or points"),
        ({"lamda_z": 3}, "lamda_z"),
    ],
)
def test_a_wrong_rule_is_named(arguments, message):
    with pytest.raises(ValidationError, match=message):
        NcaRules(**arguments)


def test_rules_cannot_be_changed_and_have_the_defaults_of_the_plan():
    rules = NcaRules()
    with pytest.raises(ValidationError, match="frozen"):
        rules.tail = "stop"
    assert (rules.auc_method, rules.tail, rules.start) == ("lin-up-log-down", "auto", "auto")
    assert (rules.blq.first, rules.blq.middle, rules.blq.last) == ("keep", "drop", "keep")
    assert (rules.windows, rules.quantile_type, rules.conf_level) == (((0.0, 28.0),), 2, 0.95)


def test_presets_take_changes_and_keep_what_the_change_does_not_say():
    rules = NcaRules.pknca(lambda_z=LambdaZRules(min_points=4), tail="stop")
    assert (rules.start, rules.lambda_z.slope_rule, rules.lambda_z.min_points) == ("require-sample", "any", 4)
    assert NcaRules.pknca(start="auto").start == "auto"
    assert NcaRules.pknca(lambda_z={"slope_rule": "negative-only"}).lambda_z.slope_rule == "negative-only"
    rules = NcaRules.noncompart(blq=BlqRules(last="drop"), auc_method="linear")
    assert (rules.blq.middle, rules.blq.last, rules.tail, rules.start) == ("keep", "drop", "phoenix", "zero")
    assert NcaRules.noncompart(blq=BlqRules(before_tmax="drop")).blq.before_tmax == "drop"


def three():
    return tables(samples("001"), samples("002", values=[0, 100, 20000, 3000, 1500, 700, None]))


def test_exposure_counts_whoever_is_in_subjects():
    found = sound(pk.exposure(three(), PEOPLE))
    cmax = found.summary[found.summary["param"] == "cmax"].set_index("group")
    assert cmax.index.tolist() == ["1", "2", "ALL"]
    assert cmax["n"].tolist() == [2, 0, 2]
    assert cmax["n_missing"].tolist() == [0, 1, 1]
    assert cmax.loc["ALL", ["mean", "geo_mean", "min", "max"]].tolist() == pytest.approx(
        [12500, 10000, 5000, 20000]
    )
    assert cmax.loc["2", "note"] == "no subject with a value"
    assert found.population == "INFUSED"
    absent = row_of(found.subjects, subject_id="003")
    assert absent["note"].startswith("NO_SAMPLES")


def test_exposure_takes_the_first_infusion_unless_told_otherwise():
    table = tables(samples(), samples(infusion_no=2, values=[0, 1, 60, 51, 52, 53, None]))
    by_rule = {
        number: row_of(
            pk.exposure(table, PEOPLE, by=None, rules=NcaRules(infusion_no=number)).summary, param="cmax"
        )["max"]
        for number in (None, 1, 2)
    }
    assert by_rule == {None: 5000, 1: 5000, 2: 60}


def test_a_zero_area_has_no_geometric_mean_and_says_so():
    found = sound(pk.exposure(tables(samples(), samples("002", values=[None] * 7)), PEOPLE, by=None)).summary
    area = row_of(found, param="auc_window")
    assert (area["n"], area["min"]) == (2, 0)
    assert np.isnan(area["geo_mean"])
    assert area["note"] == "a value is 0: no statistics of logarithms"
    assert row_of(found, param="cmax")["n"] == 1


def test_quartiles_and_intervals_follow_the_rules():
    table = tables(
        *[
            samples(f"00{n}", values=[0, 100, peak, 90, 80, 70, None])
            for n, peak in ((1, 200), (2, 400), (3, 1600))
        ]
    )
    seven = row_of(pk.exposure(table, PEOPLE, by=None, rules=NcaRules(quantile_type=7)).summary, param="cmax")
    two = row_of(pk.exposure(table, PEOPLE, by=None).summary, param="cmax")
    assert (seven["q1"], two["q1"]) == (300, 200)
    wide = row_of(pk.exposure(table, PEOPLE, by=None, rules=NcaRules(conf_level=0.99)).summary, param="cmax")
    assert wide["geo_ci_low"] < two["geo_ci_low"] < two["geo_mean"] < two["geo_ci_high"] < wide["geo_ci_high"]


def test_the_days_of_exposure_may_come_from_dates():
    people = PEOPLE.assign(infusion_date="2022-01-10")
    dated = (
        samples()
        .drop(columns="day")
        .assign(
            sample_date=[
                "2022-01-10",
                "2022-01-13",
                "2022-01-17",
                "2022-01-20",
                "2022-01-24",
                "2022-01-31",
                "2022-02-07",
            ]
        )
    )
    found = pk.exposure(dated, people, by=None).subjects
    assert row_of(found, subject_id="001")["auc_window"] == pk.nca(samples()).subjects.loc[0, "auc_window"]


def test_values_in_different_units_are_counted_but_not_summarised_together():
    table = tables(samples(), samples("002", unit="copies/uL"), samples(assay="FLOW", unit="cells/uL"))
    found = sound(pk.exposure(table, PEOPLE, by=None))
    cmax = row_of(found.summary, param="cmax", assay="QPCR")
    assert (cmax["n"], np.isnan(cmax["geo_mean"])) == (2, True)
    assert cmax["note"] == "more than one unit: copies/uL, copies/ug"
    assert row_of(found.summary, param="tmax", assay="QPCR")["median"] == 7
    assert row_of(found.summary, param="cmax", assay="FLOW")["mean"] == 5000
    long = found.to_frame()
    means = long[(long["stat"] == "geo_mean") & long["param"].str.startswith("CMAX")].set_index("param")
    assert means.loc["CMAX:FLOW", "unit"] == "cells/uL"
    assert means.loc["CMAX:QPCR", "unit"] == "more than one unit"


def test_samples_of_nobody_in_subjects_are_set_aside():
    found = pk.exposure(tables(samples(), samples("009")), PEOPLE)
    assert found.excluded["subject_id"].unique().tolist() == ["009"]
    assert found.excluded["reason"].unique().tolist() == ["subject is not in subjects"]


def test_without_kinetics_the_dose_levels_keep_their_rows():
    found = sound(pk.exposure([], PEOPLE)).summary
    assert found.loc[found["param"] == "cmax", "n"].tolist() == [0, 0, 0]
    assert found.loc[found["param"] == "cmax", "n_missing"].tolist() == [2, 1, 3]
    assert len(sound(pk.persistence([], PEOPLE)).subjects) == 3


VISITS = ["D0", "D3", "D7", "D10", "D14", "D21", "D28"]


def visits(subject="001", **more):
    return samples(subject, nominal_label=VISITS, nominal_day=[0, 3, 7, 10, 14, 21, 28], **more)


def events(*rows):
    return pd.DataFrame(rows, columns=["subject_id", "event", "day"])


def test_persistence_counts_quantifiable_of_sampled_at_each_scheduled_visit():
    late = visits("002", values=[0, 100, 5000, 3000, np.nan, 700, 60])
    found = sound(pk.persistence(tables(visits(), late), PEOPLE, events(("001", "DEATH", 27)))).summary
    at_28 = row_of(found, visit="D28", group="ALL")
    assert at_28[["n_infused", "n_sampled", "n_quantifiable", "estimate"]].tolist() == [3, 2, 1, 0.5]
    assert (at_28["ci_low"], at_28["ci_high"]) == (pytest.approx(0.01257912), pytest.approx(0.98742088))
    at_14 = row_of(found, visit="D14", group="1")
    assert at_14[["n_sampled", "n_quantifiable"]].tolist() == [1, 1]
    nobody = row_of(found, visit="D14", group="2")
    assert (nobody["n_sampled"], np.isnan(nobody["estimate"]), nobody["note"]) == (0, True, "nobody sampled")


def test_follow_up_ends_with_death_or_the_last_contact():
    happened = events(
        ("001", "DEATH", 14), ("001", "LAST_CONTACT", 90), ("002", "LAST_CONTACT", 20), ("003", "HSCT", 25)
    )
    found = pk.persistence(tables(visits(), visits("002")), PEOPLE, happened, by=None).summary
    followed = found.set_index("visit")["n_in_followup"]
    assert followed[["D10", "D14", "D21", "D28"]].tolist() == [3, 3, 1, 0]


def test_without_events_follow_up_is_not_known_and_says_so():
    found = sound(pk.persistence(visits(), PEOPLE, by=None)).summary
    assert found["n_in_followup"].isna().all()
    assert found["note"].str.contains("follow-up not known").all()


def test_only_the_infused_are_expected():
    people = PEOPLE.assign(infused=["Y", "Y", "N"])
    found = pk.persistence(visits(), people, events(("003", "DEATH", 100)), by=None).summary
    assert found["n_infused"].unique().tolist() == [2]
    assert pk.persistence(visits(), people).population == "ENROLLED"


def test_unscheduled_samples_are_no_visit():
    table = visits(unscheduled=["N", "Y", "N", "N", "N", "N", "N"])
    table.loc[3, "nominal_label"] = "UNS"
    found = pk.persistence(table, PEOPLE, by=None)
    assert found.summary["visit"].tolist() == ["D0", "D7", "D14", "D21", "D28"]
    assert (
        pk.persistence(visits().drop(columns="nominal_label"), PEOPLE, by=None).summary["visit"].tolist()
        == VISITS
    )


@pytest.mark.parametrize(
    ("happened", "event", "low", "high", "cause"),
    [
        ((), "LOSS", 21, 28, 1),
        ((("001", "DEATH", 90),), "LOSS", 21, 28, 1),
        ((("001", "HSCT", 28),), "LOSS", 21, 28, 1),
        ((("001", "HSCT", 25), ("001", "DEATH", 90)), "HSCT", 25, 25, 2),
        ((("001", "HSCT", -200), ("001", "DEATH", 27)), "DEATH", 27, 27, 2),
    ],
)
def test_loss_lies_between_samples_unless_something_else_came_first(happened, event, low, high, cause):
    found = sound(pk.persistence(visits(), PEOPLE, events(*happened)))
    row = row_of(found.subjects, subject_id="001")
    assert row[["event", "time_low", "time_high", "cause"]].tolist() == [event, low, high, cause]


def test_a_subject_still_positive_is_censored_and_one_never_positive_has_no_time():
    table = tables(visits(values=[0, 100, 5000, 3000, 1500, 700, 90]), visits("002", values=[None] * 7))
    found = sound(pk.persistence(table, PEOPLE)).subjects.set_index("subject_id")
    assert found.loc["001", ["event", "time_low", "cause"]].tolist() == ["CENSORED", 28, 0]
    assert np.isnan(found.loc["001", "time_high"])
    assert found.loc["001", "note"].startswith("censored")
    assert (found.loc["002", "event"], found.loc["002", "note"]) == ("", "NO_QUANT")
    assert found.loc["003", "note"].startswith("NO_SAMPLES")


def test_results_at_visits_are_kept_by_subject():
    found = pk.persistence(visits(), PEOPLE).at_visit
    assert found["quantifiable"].tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert found["visit"].tolist() == VISITS


def test_a_bad_profile_is_not_sampled_at_any_visit():
    table = tables(visits(), visits("002", values=[0, 100, -5, 3000, 1500, 700, None]))
    found = pk.persistence(table, PEOPLE, by=None).summary
    assert found["n_sampled"].tolist() == [1] * 7


def test_time_above_has_a_row_per_profile_and_threshold():
    found = sound(pk.time_above(tables(samples(), BAD["NEGATIVE_VALUE"]), [50, 700]))
    assert list(found.subjects.columns[:6]) == [
        "subject_id",
        "infusion_no",
        "assay",
        "threshold",
        "time_above",
        "note",
    ]
    assert found.subjects["threshold"].tolist() == [50, 700, 50, 700]
    assert found.subjects["note"].tolist() == ["", "", "NEGATIVE_VALUE", "NEGATIVE_VALUE"]
    assert found.excluded["row"].tolist() == list(range(8, 15))
    assert found.subjects.loc[1, "time_above"] == pytest.approx(21 - (3 + 4 * 600 / 4900))
    for levels, message in ((0, "must be above 0"), ([], "must be above 0"), ([50, 50.0], "must differ")):
        with pytest.raises(ValueError, match=f"thresholds {message}"):
            pk.time_above(samples(), levels)
    one = pk.time_above(samples().iloc[[2]], 50).subjects
    assert (np.isnan(one.loc[0, "time_above"]), one.loc[0, "note"]) == (True, "ONE_POINT")
