"""Rows of SDTM domain PP and its supplement: their shape, their numbers, their order."""

import re
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart7 import pk
from cart7.examples import example_study
from cart7.kinetics import pp
from cart7.kinetics.pp import iso_duration, pp_rows, pp_supplement
from cart7.kinetics.rows import WINDOW
from cart7.pk import PPTESTCD, LambdaZRules, NcaRules

TWO_WINDOWS = NcaRules(windows=((0.0, 28.0), (0.0, 89.5)))
PROFILE = ["USUBJID", "PPCAT", "PPGRPID"]


def samples(subject="001", assay="QPCR", infusion_no=1, days=None, values=None, **more):
    """One profile: 0, 100, 5000, 3000, 1500, 700 and below the limit on day 28."""
    days = [0, 3, 7, 10, 14, 21, 28] if days is None else days
    values = [0, 100, 5000, 3000, 1500, 700, None] if values is None else values
    columns = {
        "subject_id": subject, "infusion_no": infusion_no, "assay": assay, "day": days,
        "value": np.array([np.nan if value is None else value for value in values], dtype=float),
        "blq": ["BLQ" if value is None else "" for value in values], "lloq": 50.0, "unit": "copies/ug",
    }  # fmt: skip
    return pd.DataFrame({**columns, **more})


def awkward_samples():
    """Every way in which a profile can lack parameters, beside one that lacks none."""
    return pd.concat(
        [
            samples("sound", values=[0, 100, 5000, 3000, 1500, 700, 400]),
            samples("triangle"),
            samples("duplicate", days=[0, 3, 3, 10, 14, 21, 28]),
            samples("negative", values=[0, 100, -5, 3000, 1500, 700, 400]),
            samples("units", unit=["copies/ug"] * 6 + ["cells/uL"]),
            samples("never", values=[None] * 7),
            samples("missing", values=[np.nan] * 7),
            samples("before", days=[-7, -6, -5, -4, -3, -2, -1]),
            samples("one", days=[0], values=[80.0]),
            samples("late", days=[3], values=[80.0]),
            samples("rising", values=[0, 100, 200, 400, 800, 1600, 3200]),
            samples("plateau", values=[0, 100, 100, 100, 100, 100, 100]),
            samples("two", days=[0, 10], values=[500.0, 400.0]),
            samples("no unit", unit=None),
            samples("again", infusion_no=2, days=[40, 45, 50, 55, 60, 65, 70]),
        ],
        ignore_index=True,
    )


def rows_of(result, **more):
    return pp_rows(result.subjects, result.windows, rules=result.rules, **more)


def supplement_of(result, **more):
    return pp_supplement(result.subjects, result.windows, rules=result.rules, **more)


def only(rows, **wanted):
    """The one row with these values."""
    for name, value in wanted.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def expected_count(result):
    """Parameters of profiles, and the area and its percentage for every window."""
    return len(result.subjects) * (len(PPTESTCD) - 2 + 2 * len(result.rules.windows))


def assert_sound(rows):
    """The rules of the domain that hold whatever the data."""
    assert rows.columns.tolist() == list(pp.PP_COLUMNS)
    assert not rows.duplicated(["USUBJID", "PPSEQ"]).any()
    for _, mine in rows.groupby("USUBJID"):
        assert mine["PPSEQ"].tolist() == list(range(1, len(mine) + 1))
    missing = rows["PPSTRESN"].isna()
    assert ((rows["PPSTAT"] == "NOT DONE") == missing).all()
    assert ((rows["PPREASND"] != "") == missing).all()
    assert ((rows["PPORRES"] == "") == missing).all()
    assert set(rows["PPSTAT"]) <= {"", "NOT DONE"}
    assert (rows.loc[missing, ["PPORRESU", "PPSTRESU", "PPANMETH"]] == "").all(axis=None)
    assert rows["PPSTRESC"].equals(rows["PPORRES"])
    assert rows["PPSTRESU"].equals(rows["PPORRESU"])
    for name in rows.columns.difference(["PPSEQ", "PPSTRESN"]):
        assert all(type(word) is str and len(word) <= 200 for word in rows[name]), name
    assert rows["PPSEQ"].dtype == "int64"
    assert rows["PPSTRESN"].dtype == "float64"
    assert all(re.fullmatch("[A-Z][A-Z0-9_]{0,7}", code) for code in rows["PPTESTCD"])
    assert rows["PPTEST"].str.len().between(1, 40).all()
    placed = rows["PPTESTCD"].map({code: place for place, code in enumerate(PPTESTCD.values())})
    order = rows.assign(place=placed).sort_values([*PROFILE, "place"], kind="stable").index
    assert order.equals(rows.index)


def test_every_code_has_one_name_of_at_most_40_characters():
    assert set(pp.PPTEST) == set(PPTESTCD.values())
    assert all(len(name) <= 40 for name in pp.PPTEST.values())
    assert len(set(pp.PPTEST.values())) == len(pp.PPTEST)
    assert set(PPTESTCD.values()) >= pp.PP_CONTROLLED


@pytest.mark.parametrize(
    "rules",
    [
        NcaRules(),
        TWO_WINDOWS,
        NcaRules(tail="stop", start="require-sample", auc_method="lin-log"),
        NcaRules(lambda_z=LambdaZRules(min_points=2), tail="phoenix", duplicates="mean"),
        NcaRules(lambda_z=LambdaZRules(window=(7.0, 28.0)), tail="lambda-z-pred", auc_method="linear"),
        NcaRules.pknca(),
        NcaRules.noncompart(),
    ],
)
def test_awkward_profiles_give_sound_rows_under_every_rule(rules):
    result = pk.nca(awkward_samples(), rules=rules)
    rows = rows_of(result, study_id="CD7")
    assert_sound(rows)
    assert len(rows) == expected_count(result)


@pytest.mark.parametrize("fault", ["duplicate", "negative", "units"])
def test_a_profile_with_a_fault_has_every_parameter_not_done_for_that_reason(fault):
    rows = rows_of(pk.nca(awkward_samples()))
    mine = rows[rows["USUBJID"] == fault]
    word = {"duplicate": "DUPLICATE_TIME", "negative": "NEGATIVE_VALUE", "units": "MIXED_UNITS"}[fault]
    assert set(mine["PPTESTCD"]) == set(PPTESTCD.values())
    assert (mine["PPSTAT"] == "NOT DONE").all()
    assert mine["PPREASND"].str.startswith(word).all()


def test_a_missing_slope_is_the_reason_of_what_needs_it():
    rows = rows_of(pk.nca(samples(days=[0, 3, 10], values=[0, 100, 50])))
    assert only(rows, PPTESTCD="AUCIFO")["PPREASND"] == "no terminal slope"
    assert only(rows, PPTESTCD="CMAX")["PPREASND"] == ""
    reason = only(rows, PPTESTCD="AUCINT")["PPREASND"]
    assert reason == "NOT_ESTIMABLE; NO_LAMBDA_Z: too few quantifiable samples"


def test_numbers_of_the_example_study_come_back_from_the_text_to_the_last_bit():
    result = pk.nca(example_study().kinetics, rules=TWO_WINDOWS)
    rows = rows_of(result, study_id="STUDY")
    assert_sound(rows)
    assert len(rows) == expected_count(result)
    read = np.array([float(text) if text else np.nan for text in rows["PPORRES"]])
    np.testing.assert_array_equal(read, rows["PPSTRESN"].to_numpy())
    compared = 0
    for profile in result.subjects.to_dict("records"):
        mine = rows[
            (rows["USUBJID"] == f"STUDY-{profile['subject_id']}")
            & (rows["PPCAT"] == profile["assay"])
            & (rows["PPGRPID"] == f"INFUSION {profile['infusion_no']}")
        ]
        first = mine[mine["PPENINT"].isin(["", "P28D"])].set_index("PPTESTCD")["PPSTRESN"]
        for param, code in PPTESTCD.items():
            np.testing.assert_array_equal(first[code], profile[param])
            compared += 1
    assert compared == len(result.subjects) * len(PPTESTCD) == 20 * len(PPTESTCD)


def test_every_window_has_its_area_and_its_percentage():
    result = pk.nca(example_study().kinetics, rules=TWO_WINDOWS)
    rows = rows_of(result)
    columns = {"AUCINT": "value", "AUCINTPB": "percent_beyond_tlast"}
    spelled = {28.0: "P28D", 89.5: "P89DT12H"}
    for window in result.windows.to_dict("records"):
        for code, column in columns.items():
            row = only(
                rows, USUBJID=window["subject_id"], PPCAT=window["assay"], PPTESTCD=code,
                PPGRPID=f"INFUSION {window['infusion_no']}", PPENINT=spelled[window["end"]],
            )  # fmt: skip
            assert row["PPSTINT"] == "P0D"
            np.testing.assert_array_equal(row["PPSTRESN"], window[column])
    others = rows[~rows["PPTESTCD"].isin(columns)]
    assert (others[["PPSTINT", "PPENINT"]] == "").all(axis=None)


def test_windows_stand_by_their_start_and_end_however_the_plan_lists_them():
    days = NcaRules(windows=((7.0, 100.0), (0.0, 9.0), (0.0, 28.0)))
    rows = rows_of(pk.nca(samples(), rules=days))
    area = rows[rows["PPTESTCD"] == "AUCINT"]
    spelled = list(zip(area["PPSTINT"], area["PPENINT"], strict=True))
    assert spelled == [("P0D", "P9D"), ("P0D", "P28D"), ("P7D", "P100D")]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_the_samples_and_of_the_tables_does_not_matter(seed):
    table = awkward_samples()
    result = pk.nca(table, rules=TWO_WINDOWS)
    shuffled = pk.nca(table.sample(frac=1, random_state=seed), rules=TWO_WINDOWS)
    subjects, windows = (part.sample(frac=1, random_state=seed) for part in (result.subjects, result.windows))
    for made in (pp_rows, pp_supplement):
        expected = made(result.subjects, result.windows, rules=TWO_WINDOWS).to_csv()
        assert made(shuffled.subjects, shuffled.windows, rules=TWO_WINDOWS).to_csv() == expected
        assert made(subjects, windows, rules=TWO_WINDOWS).to_csv() == expected


def test_the_tables_of_the_result_are_left_as_they_are():
    result = pk.nca(awkward_samples())
    subjects, windows = result.subjects.copy(deep=True), result.windows.copy(deep=True)
    rows_of(result, study_id="CD7", specimen="BLOOD")
    supplement_of(result)
    pd.testing.assert_frame_equal(result.subjects, subjects)
    pd.testing.assert_frame_equal(result.windows, windows)


def test_units_are_those_of_cdisc():
    rows = rows_of(pk.nca(samples(values=[0, 100, 5000, 3000, 1500, 700, 400])))
    units = dict(zip(rows["PPTESTCD"], rows["PPORRESU"], strict=True))
    expected = {
        "CMAX": "copies/ug", "CLSTP": "copies/ug", "AUCLST": "day*copies/ug", "AUCINT": "day*copies/ug",
        "AUMCLST": "day2*copies/ug", "LAMZ": "/day", "EXPRATE": "/day", "TMAX": "DAYS", "LAMZHL": "DAYS",
        "MRTLST": "DAYS", "AUCPEO": "%", "AUCINTPB": "%", "R2": "", "LAMZNPT": "", "NSAMP": "", "FOLDEXP": "",
    }  # fmt: skip
    assert {code: units[code] for code in expected} == expected


def test_a_unit_that_is_not_stated_is_blank_and_days_stay_days():
    rows = rows_of(pk.nca(samples(unit=None)))
    for code, unit in {"CMAX": "", "AUCLST": "", "AUMCLST": "", "AUCINT": "", "TMAX": "DAYS"}.items():
        row = only(rows, PPTESTCD=code)
        assert row["PPORRESU"] == unit
        assert row["PPSTAT"] == ""


@pytest.mark.parametrize(
    ("rules", "area", "window"),
    [
        (NcaRules(), "LINEAR UP LOG DOWN METHOD", "LINEAR UP LOG DOWN METHOD, TAIL AUTO"),
        (NcaRules(auc_method="linear", tail="stop"), "LINEAR TRAPEZOIDAL METHOD",
         "LINEAR TRAPEZOIDAL METHOD, TAIL STOP"),
        (NcaRules(auc_method="lin-log", tail="lambda-z-obs"), "LIN-LOG TRAPEZOIDAL METHOD",
         "LIN-LOG TRAPEZOIDAL METHOD, TAIL LAMBDA-Z-OBS"),
    ],
)  # fmt: skip
def test_areas_state_their_trapezoids_and_windows_their_tail(rules, area, window):
    rows = rows_of(pk.nca(samples(values=[0, 100, 5000, 3000, 1500, 700, 400]), rules=rules))
    methods = dict(zip(rows["PPTESTCD"], rows["PPANMETH"], strict=True))
    assert {methods[code] for code in ("AUCLST", "AUCIFO", "AUMCLST", "MRTLST", "AUCPEO")} == {area}
    assert {methods[code] for code in ("AUCINT", "AUCINTPB")} == {window}
    assert {methods[code] for code in ("CMAX", "TMAX", "NSAMP", "EXPRATE")} == {""}


@pytest.mark.parametrize(
    ("slope", "words"),
    [
        (LambdaZRules(), "BEST ADJUSTED R SQUARED OF FALLING SLOPES, AT LEAST 3 POINTS, TMAX EXCLUDED"),
        (LambdaZRules(slope_rule="any", min_points=4, include_tmax=True),
         "BEST ADJUSTED R SQUARED OF ALL SLOPES, AT LEAST 4 POINTS, TMAX INCLUDED"),
        (LambdaZRules(window=(7.5, 28.0)), "SAMPLES OF DAYS 7.5 TO 28"),
        (LambdaZRules(points=(10.0, 14.0, 28.0)), "SAMPLES OF DAYS 10, 14, 28"),
    ],
)  # fmt: skip
def test_slope_parameters_state_how_the_slope_was_found(slope, words):
    sound = samples(values=[0, 100, 5000, 3000, 1500, 700, 400])
    rows = rows_of(pk.nca(sound, rules=NcaRules(lambda_z=slope)))
    codes = ["LAMZ", "LAMZHL", "R2", "R2ADJ", "LAMZNPT", "LAMZLL", "LAMZUL", "CLSTP", "LAMZSPN"]
    methods = rows.loc[rows["PPTESTCD"].isin(codes), "PPANMETH"]
    assert methods.tolist() == [f"LOG-LINEAR REGRESSION, {words}"] * len(codes)


def test_identifiers_come_from_the_study_the_subject_the_assay_and_the_infusion():
    result = pk.nca(samples("007", assay="FLOW", infusion_no=2))
    row = rows_of(result, study_id="CD7", specimen="BLOOD", reference={"007": "2024-03-01"}).iloc[0]
    named = ["STUDYID", "DOMAIN", "USUBJID", "PPCAT", "PPGRPID", "PPSPEC", "PPRFTDTC"]
    assert row[named].tolist() == ["CD7", "PP", "CD7-007", "FLOW", "INFUSION 2", "BLOOD", "2024-03-01"]
    row = rows_of(result, reference={"008": "2024-03-01"}).iloc[0]
    assert row[named].tolist() == ["", "PP", "007", "FLOW", "INFUSION 2", "", ""]


def test_samples_without_assay_and_infusion_have_blank_category_and_group():
    rows = rows_of(pk.nca(samples().drop(columns=["assay", "infusion_no"])))
    assert_sound(rows)
    assert set(rows["PPCAT"]) == set(rows["PPGRPID"]) == {""}


def test_an_infusion_that_is_not_stated_keeps_its_own_profile():
    table = pd.concat([samples(), samples(infusion_no=None)], ignore_index=True)
    rows = rows_of(pk.nca(table, rules=TWO_WINDOWS))
    assert_sound(rows)
    assert rows["PPGRPID"].value_counts().to_dict() == {
        "": len(PPTESTCD) + 2,
        "INFUSION 1": len(PPTESTCD) + 2,
    }


def test_a_profile_without_a_subject_cannot_be_a_row():
    result = pk.nca(samples().drop(columns="subject_id"))
    with pytest.raises(ValueError, match="need a subject_id in every profile"):
        rows_of(result)
    with pytest.raises(ValueError, match="need a subject_id in every profile"):
        supplement_of(result)


def test_a_subject_without_a_reference_date_has_a_blank_and_a_number_names_a_subject():
    result = pk.nca(samples().assign(subject_id=7))
    assert set(rows_of(result, reference={7: "2024-03-01"})["PPRFTDTC"]) == {"2024-03-01"}
    assert set(rows_of(result, reference={"7": None})["PPRFTDTC"]) == {""}
    with pytest.raises(ValueError, match="reference needs ISO 8601 dates"):
        rows_of(result, reference={"7": 20240301})


@pytest.mark.parametrize("date", ["01MAR2024", "2024-03", "2024-03-01 10:00", "20240301", ""])
def test_a_reference_that_is_not_an_iso_date_is_refused(date):
    with pytest.raises(ValueError, match=f"reference needs ISO 8601 dates such as 2024-03-01, got '{date}'"):
        rows_of(pk.nca(samples()), reference={"001": date})


def test_no_profiles_give_empty_tables_with_their_columns():
    result = pk.nca([])
    rows = rows_of(result, study_id="CD7", reference={"001": "2024-03-01T09:30"})
    assert rows.columns.tolist() == list(pp.PP_COLUMNS)
    supplement = supplement_of(result)
    assert supplement.columns.tolist() == list(pp.SUPPLEMENT_COLUMNS)
    assert len(rows) == len(supplement) == 0


def test_the_supplement_points_to_rows_and_says_what_they_cannot():
    result = pk.nca(awkward_samples(), rules=TWO_WINDOWS)
    rows, told = rows_of(result, study_id="CD7"), supplement_of(result, study_id="CD7")
    assert told.columns.tolist() == list(pp.SUPPLEMENT_COLUMNS)
    assert not told.duplicated(["USUBJID", "IDVARVAL", "QNAM"]).any()
    for name in told.columns:
        assert all(type(word) is str and len(word) <= 200 for word in told[name]), name
    assert (told["QVAL"] != "").all()
    assert told["QNAM"].str.len().max() <= 8
    assert told["QLABEL"].str.len().between(1, 40).all()
    assert (told[["RDOMAIN", "IDVAR", "QORIG"]] == ["PP", "PPSEQ", "DERIVED"]).all(axis=None)
    behind = told.assign(PPSEQ=told["IDVARVAL"].astype("int64")).merge(rows, on=["USUBJID", "PPSEQ"])
    assert len(behind) == len(told)
    of_windows = behind[behind["QNAM"] != "SPONSORC"]
    assert set(of_windows["PPTESTCD"]) == {"AUCINT"}
    assert set(of_windows["QNAM"]) == {"AUCWSTAT", "AUCWPB", "AUCWSTRT", "PKNOTE"}


def test_the_supplement_carries_status_percentage_start_and_words_of_each_window():
    result = pk.nca(awkward_samples(), rules=TWO_WINDOWS)
    rows, told = rows_of(result), supplement_of(result)
    note = result.subjects.set_index(["subject_id", "infusion_no"])["note"]
    for window in result.windows.to_dict("records"):
        who, infusion = window["subject_id"], window["infusion_no"]
        seq = only(
            rows, USUBJID=who, PPTESTCD="AUCINT", PPENINT={28.0: "P28D", 89.5: "P89DT12H"}[window["end"]]
        )["PPSEQ"]
        mine = told[(told["USUBJID"] == who) & (told["IDVARVAL"] == str(seq))]
        said = dict(zip(mine["QNAM"], mine["QVAL"], strict=True))
        assert said["AUCWSTAT"] == window["status"]
        assert said.get("AUCWSTRT", "") == window["start_rule"]
        assert said.get("PKNOTE", "") == note[(who, infusion)]
        np.testing.assert_array_equal(float(said.get("AUCWPB", "nan")), window["percent_beyond_tlast"])


def test_the_supplement_marks_exactly_the_codes_that_are_not_of_cdisc():
    result = pk.nca(awkward_samples())
    rows, told = rows_of(result), supplement_of(result)
    marked = told[told["QNAM"] == "SPONSORC"].assign(PPSEQ=lambda t: t["IDVARVAL"].astype("int64"))
    assert set(marked["QVAL"]) == {"Y"}
    codes = marked.merge(rows, on=["USUBJID", "PPSEQ"])["PPTESTCD"]
    ours = rows.loc[~rows["PPTESTCD"].isin(pp.PP_CONTROLLED), "PPTESTCD"]
    assert sorted(codes) == sorted(ours)
    assert {"TFIRST", "CLSTP", "EXPRATE", "PERSHI"} <= set(ours)
    assert not {"CMAX", "AUCINT", "LAMZHL", "AUCLST"} & set(ours)


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0.0, "P0D"), (28.0, "P28D"), (365.0, "P365D"), (0.5, "PT12H"), (1.5, "P1DT12H"), (1 / 3, "PT8H"),
        (89.25, "P89DT6H"), (7 / 24 + 28, "P28DT7H"), (1 / 1440, "PT1M"), (2 + 61 / 86400, "P2DT1M1S"),
        (1.00001, "P1DT0.864S"), (27.9, "P27DT21H36M"),
    ],
)  # fmt: skip
def test_durations_are_spelled_in_days_hours_minutes_and_seconds(days, text):
    assert iso_duration(days) == text


@settings(max_examples=200)
@given(
    st.one_of(
        st.floats(0, 20_000),
        st.integers(0, 3_000_000).map(lambda minutes: minutes / 1440),
        st.integers(0, 100_000_000).map(lambda seconds: seconds / 86400),
    )
)
def test_a_duration_gives_the_same_days_back_to_the_last_bit(days):
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?", iso_duration(days))
    whole, hours, minutes, seconds = (Fraction(part or 0) for part in found.groups())
    assert float(whole + (hours * 3600 + minutes * 60 + seconds) / 86400) == days
    assert hours < 24
    assert minutes < 60
    assert seconds < 60
    assert any(found.groups())


def test_only_windows_have_more_than_one_row_per_profile():
    rows = rows_of(pk.nca(example_study().kinetics, rules=TWO_WINDOWS))
    counted = rows.groupby([*PROFILE, "PPTESTCD"]).size()
    several = set(counted[counted > 1].index.get_level_values("PPTESTCD"))
    assert several == {PPTESTCD[param] for param in WINDOW if param in PPTESTCD}
