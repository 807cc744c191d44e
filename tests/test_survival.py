"""The survival room: curves from arrays, times from a study, the table of strategies."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from cart7 import records, results, survival
from cart7.errors import DataError
from cart7.survival import TimeToEventRules

EVENTS = ["subject_id", "event", "day"]
ASSESSED = ["subject_id", "day", "overall_response"]
IGNORE = TimeToEventRules(hsct="ignore", new_therapy="ignore")


def subjects(n=1, **columns):
    return pd.DataFrame({"subject_id": [f"S{i + 1}" for i in range(n)], **columns})


def events(*rows):
    return pd.DataFrame([("S1", *row) if len(row) == 2 else row for row in rows], columns=EVENTS)


def assessed(*rows):
    return pd.DataFrame([("S1", *row) if len(row) == 2 else row for row in rows], columns=ASSESSED)


def one(endpoint, happened, seen=None, people=None, **rules):
    """Time, cause and reason of the first subject."""
    people = subjects() if people is None else people
    result = survival.time_to_event(
        people, happened, seen, endpoint=endpoint, rules=TimeToEventRules(**rules)
    )
    row = result.subjects.iloc[0]
    return row["time"], row["cause"], row["reason"]


# ---- curves from arrays -------------------------------------------------------------------------


def test_no_rows_give_empty_frames_with_their_columns_and_no_mean():
    fit, full = survival.kaplan_meier([], [], group=[]), survival.kaplan_meier([1], [1])
    assert fit.curve.empty
    assert list(fit.curve) == list(full.curve)
    assert list(fit.at(3)) == list(full.at(3))
    assert list(fit.quantiles()) == list(full.quantiles())
    assert list(survival.bpcp([], [], group=[])) == list(survival.bpcp([1], [1]))
    assert survival.kaplan_meier([], []).rmst(5, extend=True)[["rmst", "std_err"]].isna().all(axis=None)


@pytest.mark.parametrize("rows", [0, 3])
def test_a_regression_without_a_term_that_varies_is_missing_with_its_reason(rows):
    constant = pd.DataFrame({"level": [1.0] * rows})
    row = survival.cox([1, 2, 3][:rows], [1, 1, 0][:rows], constant).summary.iloc[0]
    assert np.isnan(row["coef"])
    assert row["note"] == "constant, or a combination of the terms before it"


def test_groups_are_text_and_there_is_no_pooled_row():
    curve = survival.kaplan_meier([1, 2, 3, 4], [1, 0, 1, 0], group=[2.0, 10.0, 2.0, 10.0]).curve
    assert curve["group"].unique().tolist() == ["2", "10"]
    assert survival.kaplan_meier([1, 2], [1, 0]).curve["group"].unique().tolist() == ["ALL"]


def test_columns_are_those_of_the_contract():
    fit = survival.kaplan_meier([1, 2, 3], [1, 0, 1])
    assert list(fit.curve) == [
        "group", "time", "n_risk", "n_event", "n_censor", "survival", "std_err", "ci_low", "ci_high"
    ]  # fmt: skip
    assert list(fit.quantiles()) == ["group", "p", "time", "ci_low", "ci_high", "note"]
    assert list(fit.at(2)) == ["group", "time", "n_risk", "n_event", "survival", "ci_low", "ci_high", "note"]
    assert list(fit.rmst(2)) == ["group", "tau", "rmst", "std_err", "ci_low", "ci_high"]
    assert list(survival.bpcp([1, 2], [1, 0])) == ["group", "left", "right", "survival", "ci_low", "ci_high"]
    incidence = survival.cumulative_incidence([1, 2], [1, 2])
    assert list(incidence.curve) == [
        "group", "cause", "time", "n_risk", "estimate", "variance", "ci_low", "ci_high"
    ]  # fmt: skip


def test_rows_without_a_time_an_event_or_a_group_are_left_out_and_listed():
    fit = survival.kaplan_meier([1, None, 3, 4], [1, 1, np.nan, 0], group=["a", "a", "a", None])
    assert fit.curve["n_risk"].tolist() == [1]
    assert fit.excluded[["row", "reason"]].values.tolist() == [
        [2, "time missing"], [3, "event missing"], [4, "group missing"]
    ]  # fmt: skip


def test_times_of_a_result_go_straight_into_a_curve():
    people = subjects(2, infused=["Y", "N"])
    found = survival.time_to_event(people, events(("DEATH", 9))).subjects
    fit = survival.kaplan_meier(found["time"], found["event"])
    assert fit.summary["n"].tolist() == [1]
    assert fit.excluded["row"].tolist() == [2]


def test_pandas_columns_with_missing_values_and_booleans_are_arrays_too():
    frame = pd.DataFrame({"t": pd.array([3, 5, None], dtype="Int64"), "e": pd.array([True, False, None])})
    assert survival.kaplan_meier(frame["t"], frame["e"]).curve["n_risk"].tolist() == [2, 1]


def test_nobody_gives_no_steps_and_says_so():
    fit = survival.kaplan_meier([], [])
    assert len(fit.curve) == 0
    assert fit.quantiles(0.5)[["group", "note"]].values.tolist() == [["ALL", "no subject"]]
    at = fit.at(90).iloc[0]
    assert np.isnan(at["survival"])
    assert (at["n_risk"], at["note"]) == (0, "no subject")
    assert results.check(fit.to_frame()) == []
    assert len(survival.cumulative_incidence([], []).curve) == 0


def test_missing_quantiles_say_what_was_not_reached():
    notes = survival.kaplan_meier([1, 2, 3, 4], [1, 0, 0, 0]).quantiles((0.25, 0.5))["note"].tolist()
    assert notes == [
        "upper limit not reached", "median not reached; upper limit not reached"
    ]  # fmt: skip


def test_past_the_last_observation_is_not_estimable_unless_the_curve_is_at_zero():
    open_end = survival.kaplan_meier([1, 2, 3], [1, 0, 0])
    assert open_end.at(9)["survival"].isna().all()
    assert open_end.at(9)["note"].tolist() == ["beyond the last observation (3)"]
    assert open_end.at(9, beyond="carry")["survival"].tolist() == pytest.approx([2 / 3])
    closed = survival.kaplan_meier([1, 2, 3], [1, 1, 1]).at(9)
    assert closed["survival"].tolist() == [0]
    assert closed["note"].tolist() == ["limits not estimable at survival 0"]


def test_counts_at_a_time_are_of_the_times_as_given():
    at = survival.kaplan_meier([2, 5, 5, 8], [1, 1, 0, 0]).at([1, 2, 5, 6, 8])
    assert at["n_risk"].tolist() == [4, 4, 3, 1, 1]
    assert at["n_event"].tolist() == [0, 1, 2, 2, 2]


def test_exact_limits_are_there_before_the_first_event_and_at_zero():
    fit = survival.kaplan_meier([4, 7, 9], [1, 0, 1], conf_type="bpcp")
    at = fit.at([1, 9])
    assert at["ci_low"].tolist() == pytest.approx([0.025 ** (1 / 3), 0])
    assert 0 < at["ci_high"][1] < 1
    from_zero = survival.kaplan_meier([0, 7, 9], [1, 0, 0], conf_type="bpcp-midp")
    assert from_zero.curve["ci_low"].notna().all()
    assert survival.bpcp([0, 7, 9], [1, 0, 0])["left"].tolist() == [0, 7, 9]


def test_beta_product_bands_start_at_zero_and_never_rise():
    bands = survival.bpcp([3, 1, 2, 2, 8], [1, 0, 1, 1, 0])
    assert bands["left"].tolist() == [0, 1, 2, 3, 8]
    assert (bands[["ci_low", "ci_high"]].diff().dropna() <= 0).all().all()


def test_a_restricted_mean_past_the_last_observation_is_refused_or_extended():
    fit = survival.kaplan_meier([1, 2, 3, 4], [1, 1, 0, 0])
    with pytest.raises(ValueError, match=r"tau = 6 is past the last time \(4\) of group ALL; extend=True"):
        fit.rmst(6)
    assert fit.rmst(6, extend=True)["rmst"].tolist() == pytest.approx([3.75])
    with pytest.raises(ValueError, match="tau must be above 0, got 0"):
        fit.rmst(0)


def test_follow_up_keeps_the_limits_and_swaps_the_events():
    fit = survival.kaplan_meier([3, 5, 5, 8], [1, 1, 0, 0], conf_type="plain", conf_level=0.9)
    watched = fit.follow_up()
    assert (watched.conf_type, watched.conf_level) == ("plain", 0.9)
    assert watched.summary[["n", "n_event", "median"]].values.tolist() == [[4, 2, 6.5]]
    assert watched.at(5)["n_event"].tolist() == [1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fit: fit.quantiles(rule="r"), "rule must be one of survfit, survfit-quantile, sas, got 'r'"),
        (lambda fit: fit.quantiles(50), "p must lie between 0 and 1, got 50"),
        (lambda fit: fit.at(1, beyond="last"), "beyond must be one of ne, carry, got 'last'"),
        (lambda fit: fit.at(np.inf), "times must be finite"),
        (lambda fit: fit.follow_up(ties="r"), "ties must be one of events-first, flip, got 'r'"),
        (lambda fit: survival.kaplan_meier([1], [1], conf_type="exact"), "conf_type must be one of log-log"),
        (lambda fit: survival.kaplan_meier([1], [1], conf_level=1), "conf_level must be strictly between"),
        (lambda fit: survival.kaplan_meier([1, 2], [1]), "one length"),
        (lambda fit: survival.kaplan_meier([1], [1], group=["a", "b"]), "one value per time, got 2 for 1"),
        (lambda fit: survival.kaplan_meier(["x"], [1]), "time must be numbers"),
        (lambda fit: survival.kaplan_meier([-1], [1]), "time must not be negative"),
        (lambda fit: survival.kaplan_meier([1], [2]), "event must be 0 or 1"),
        (lambda fit: survival.bpcp([1, np.nan], [1, 1]), "row 2: time missing"),
        (lambda fit: survival.bpcp([1], [1], method="mc"), "method must be one of exact, moments"),
        (lambda fit: survival.cumulative_incidence([1], [0.5]), "cause must be a whole number"),
        (lambda fit: survival.logrank([1, 2], [1, 1], ["a", "a"]), "at least two levels, got 1"),
        (lambda fit: survival.gray_test([1, 2], [1, 1], ["a", "a"]), "at least two levels, got 1"),
        (lambda fit: survival.bootstrap_quantiles([1], [1], p=2, n_resamples=1, rng=1), "p must lie between"),
        (lambda fit: survival.bootstrap_quantiles([1], [1], n_resamples=-1, rng=1), "must not be negative"),
    ],
)
def test_wrong_arguments_name_the_allowed_values(call, message):
    with pytest.raises(ValueError, match=message):
        call(survival.kaplan_meier([1, 2], [1, 0]))


def test_logrank_gives_series_by_group_and_says_what_it_did():
    test = survival.logrank([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 0, 0], [1, 1, 1, 2, 2, 2])
    assert test.observed.to_dict() == {"1": 3, "2": 1}
    assert test.observed.sum() == pytest.approx(test.expected.sum())
    assert test.method == "log-rank, permutation of abs(O - E)"
    assert test.df == 1
    assert survival.logrank([1, 2, 3], [1, 1, 1], ["a", "b", "c"]).exact_p_value is None
    assert results.check(test.to_frame()) == []


def test_every_group_of_an_incidence_has_every_cause():
    found = survival.cumulative_incidence([1, 2, 3, 4], [1, 0, 2, 2], group=["a", "a", "b", "b"])
    assert found.curve.groupby("group")["cause"].unique().map(list).to_dict() == {"a": [1, 2], "b": [1, 2]}
    assert found.at(9)["estimate"].isna().all()
    assert found.at(0.5)["estimate"].tolist() == [0, 0, 0, 0]
    assert results.check(found.to_frame()) == []


def test_long_rows_of_a_curve_keep_their_keys_apart():
    time = [0.1, 0.1 + 1e-3, 2, 2.5]
    long = survival.kaplan_meier(time, [1, 1, 0, 1], group=["a", "a", "b", "b"]).to_frame()
    assert results.check(long) == []
    assert set(long["analysis"]) == {"survival.kaplan_meier"}


def test_cox_says_why_a_term_has_no_estimate():
    terms = pd.DataFrame({"level": [0, 0, 1, 1, 0, 1], "twice": [0, 0, 2, 2, 0, 2], "site": 1})
    result = survival.cox([1, 2, 3, 4, 5, 6], [1, 0, 1, 1, 1, 0], terms)
    assert result.summary["coef"].isna().tolist() == [False, True, True]
    assert result.summary["note"].tolist()[1:] == ["constant, or a combination of the terms before it"] * 2
    assert results.check(result.to_frame()) == []
    assert (result.n, result.n_event) == (6, 4)
    nothing = survival.cox([1, 2, 3], [0, 0, 0], pd.DataFrame({"level": [0, 1, 1]})).summary
    assert nothing["note"].tolist() == ["the events tell nothing about the terms"]
    assert nothing["coef"].isna().all()


def test_cox_is_indifferent_to_unit_origin_and_order_of_a_covariate():
    rng = np.random.default_rng(11)
    time, event, x = rng.exponential(1, 30), rng.random(30) < 0.7, rng.normal(size=30)
    plain = survival.cox(time, event, pd.DataFrame({"x": x})).summary
    scaled = survival.cox(time[::-1], event[::-1], pd.DataFrame({"x": 5e6 + 1e6 * x[::-1]})).summary
    assert scaled["coef"][0] * 1e6 == pytest.approx(plain["coef"][0], rel=1e-7)
    assert scaled["p_value"][0] == pytest.approx(plain["p_value"][0], rel=1e-7)


def test_cox_leaves_out_and_lists_incomplete_rows():
    terms = pd.DataFrame({"level": [0, 0, 1, None, 0, 1]})
    result = survival.cox([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 1, 0], terms)
    assert result.excluded[["row", "reason"]].values.tolist() == [[4, "covariate missing"]]
    assert result.n == 5


@pytest.mark.parametrize(
    ("covariates", "options", "message"),
    [
        (pd.DataFrame({"arm": ["a", "b"]}), {}, "must be numeric; code arm as 0 and 1"),
        (pd.DataFrame(index=[0, 1]), {}, "a column per term"),
        (pd.DataFrame({"x": [1, 2, 3]}), {}, "one value per time, got 3 for 2"),
        (pd.DataFrame({"x": [1, 2]}), {"ties": "exact"}, "ties must be one of efron, breslow, got 'exact'"),
        (
            pd.DataFrame({"x": [1, 2]}),
            {"penalty": "ridge"},
            "penalty must be one of None, firth, got 'ridge'",
        ),
        (pd.DataFrame({"x": [1, 2]}), {"conf_level": 2}, "conf_level must be strictly between 0 and 1"),
    ],
)
def test_cox_refuses_what_it_cannot_use(covariates, options, message):
    with pytest.raises(ValueError, match=message):
        survival.cox([1, 2], [1, 1], covariates, **options)


# ---- times of a study ---------------------------------------------------------------------------


def test_everybody_has_a_row_and_a_missing_time_its_reason():
    people = subjects(
        4, infusion_date=["2022-01-10", "2022-01-10", None, "2022-01-10"], data_cutoff="2022-12-31"
    )
    happened = pd.DataFrame(
        [("S1", "DEATH", "2022-03-01"), ("S4", "DEATH", "2022-01-07")],
        columns=["subject_id", "event", "date"],
    )
    found = survival.time_to_event(people, happened, assessed(), endpoint="DOR").subjects
    assert found["reason"].tolist() == [
        "NOT_RESPONDER", "NOT_RESPONDER", "NOT_INFUSED", "DATA_ERROR_DEATH_BEFORE_INFUSION"
    ]  # fmt: skip
    assert found[["time", "event", "cause", "start_day", "end_day"]].isna().all().all()
    assert (found["note"] != "").all()
    assert list(found) == [
        "subject_id", "endpoint", "time", "event", "cause", "reason", "start_day", "end_day", "note"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "reasons"),
    [
        ({"infused": ["Y", "N"]}, ["ALIVE_LAST_CONTACT", "NOT_INFUSED"]),
        ({"infusion_date": ["2022-01-10", None]}, ["ALIVE_LAST_CONTACT", "NOT_INFUSED"]),
        ({"infused": ["Y", None], "infusion_date": [None, "2022-01-10"]}, ["ALIVE_LAST_CONTACT"] * 2),
        ({}, ["ALIVE_LAST_CONTACT"] * 2),
    ],
)
def test_who_was_infused(columns, reasons):
    happened = events(("S1", "LAST_CONTACT", 30), ("S2", "LAST_CONTACT", 40))
    assert survival.time_to_event(subjects(2, **columns), happened).subjects["reason"].tolist() == reasons


def test_a_competing_end_is_no_event():
    result = survival.time_to_event(
        subjects(), events(("HSCT", 62)), assessed((28, "CR")), endpoint="PFS",
        rules=TimeToEventRules(hsct="competing"),
    )  # fmt: skip
    assert result.subjects[["time", "event", "cause", "reason"]].values.tolist() == [[62, 0, 2, "HSCT"]]
    assert result.summary[["n", "n_event", "n_competing", "n_without_time"]].values.tolist() == [[1, 0, 1, 0]]


def test_only_rows_after_the_infusion_count_but_a_death_on_its_day():
    before = events(("PROGRESSION", -3), ("HSCT", -200), ("NEW_THERAPY", 0), ("LAST_CONTACT", 40))
    seen = assessed((-14, "PD"), (0, "PD"), (28, "CR"))
    assert one("PFS", before, seen) == (28, 0, "LAST_ADEQUATE_ASSESSMENT")
    result = survival.time_to_event(subjects(), before, seen, endpoint="PFS")
    assert result.excluded[["table", "row", "reason"]].values.tolist() == [
        ["events", 1, "not after the infusion"],
        ["events", 2, "not after the infusion"],
        ["events", 3, "not after the infusion"],
        ["responses", 1, "not after the infusion"],
        ["responses", 2, "not after the infusion"],
    ]
    assert one("OS", events(("DEATH", 0))) == (0, 1, "DEATH")


def test_a_later_new_therapy_counts_though_an_earlier_one_was_bridging():
    happened = events(("NEW_THERAPY", 0), ("NEW_THERAPY", 41), ("PROGRESSION", 60))
    assert one("PFS", happened, assessed((28, "CR"))) == (28, 0, "NEW_THERAPY")


def test_assessments_after_death_are_left_out_and_listed():
    happened, seen = events(("DEATH", 50)), assessed((28, "CR"), (60, "PD"))
    result = survival.time_to_event(subjects(), happened, seen, endpoint="PFS")
    assert result.subjects["reason"].tolist() == ["DEATH"]
    assert result.excluded[["table", "row", "subject_id", "reason"]].values.tolist() == [
        ["responses", 2, "S1", "assessment after death"]
    ]


def test_an_infusion_after_the_cutoff_gives_no_follow_up_and_stops_no_table():
    people = subjects(infusion_date="2022-01-01", data_cutoff="2021-12-01")
    assert one("OS", events(("DEATH", 50)), people=people) == (0, 0, "DATA_CUTOFF")
    table = survival.endpoint_table(people, events(("DEATH", 50)), assessed((28, "CR"))).summary
    assert table.loc[table["group"] == "ALL", "n_event"].tolist() == [0, 0, 0]


def test_a_time_to_event_draws_its_curve_or_says_that_nobody_has_one():
    drawn = survival.time_to_event(subjects(), events(("DEATH", 50))).plot()
    assert drawn.get_ylabel() == "Subjects without event (%)"
    nobody = survival.time_to_event(subjects(infused="N"), events()).plot()
    assert [text.get_text() for text in nobody.texts] == ["nobody at risk"]


def test_the_note_of_the_table_accounts_for_every_missing_number():
    happened = events(("S1", "DEATH", 50), ("S2", "DEATH", 100), ("S3", "LAST_CONTACT", 200))
    summary = survival.endpoint_table(subjects(3), happened, None, by=None).summary
    assert summary["note"].tolist() == [
        "upper limit not reached; exact: upper limit not reached; "
        "day 365: beyond the last observation (200); "
        "follow-up: lower limit not reached, upper limit not reached"
    ]


def test_words_may_come_as_categories():
    people, happened, seen = subjects(2), events(("HSCT", 60), ("DEATH", 90)), assessed((28, "CR"))
    usual = survival.endpoint_table(people, happened, seen, by=None).to_frame()
    people, happened, seen = (
        table.astype({name: "category" for name in table.columns if name != "day"})
        for table in (people, happened, seen)
    )
    assert survival.endpoint_table(people, happened, seen, by=None).to_frame().equals(usual)


def test_everybody_counts_as_infused_where_the_table_leaves_flag_and_date_blank():
    silent = subjects(infused=None, infusion_date=None)
    assert one("OS", events(("DEATH", 50)), people=silent) == (50, 1, "DEATH")


def test_an_empty_table_of_dates_is_nothing_and_rows_with_neither_day_nor_date_are_refused():
    nothing = pd.DataFrame({"subject_id": [], "event": [], "date": []})
    assert one("OS", nothing) == (0, 0, "ALIVE_LAST_CONTACT")
    undated = pd.DataFrame({"subject_id": ["S1"], "event": ["DEATH"], "date": [None]})
    kept = survival.time_to_event(subjects(), undated).excluded
    assert kept["reason"].tolist() == ["no day since infusion"]
    with pytest.raises(DataError, match="events, column day"):
        survival.time_to_event(subjects(), undated.drop(columns="date"))


def test_progression_is_the_first_of_an_event_and_an_assessment():
    assert one("PFS", events(("PROGRESSION", 70)), assessed((28, "CR"), (60, "PD"))) == (60, 1, "PROGRESSION")
    assert one("PFS", events(("PROGRESSION", 50)), assessed((28, "CR"), (60, "RELAPSE"))) == (
        50,
        1,
        "PROGRESSION",
    )
    assert one("PFS", events(("DEATH", 60)), assessed((60, "PD"))) == (60, 1, "PROGRESSION")


def test_a_death_after_the_cutoff_is_alive_at_the_cutoff():
    people = subjects(infusion_date="2022-01-01", data_cutoff="2022-04-11")  # day 100
    assert one("OS", events(("DEATH", 101)), people=people) == (100, 0, "DATA_CUTOFF")
    assert one("OS", events(("DEATH", 100)), people=people) == (100, 1, "DEATH")
    assert one("OS", events(("LAST_CONTACT", 100)), people=people) == (100, 0, "ALIVE_LAST_CONTACT")
    assert one("PFS", events(("PROGRESSION", 101)), assessed((28, "CR")), people) == (
        28, 0, "LAST_ADEQUATE_ASSESSMENT"
    )  # fmt: skip


def test_last_contact_is_the_latest_dated_record():
    assert one("OS", events(("LAST_CONTACT", 30), ("HSCT", 62)), assessed((93, "NE"))) == (
        93, 0, "ALIVE_LAST_CONTACT"
    )  # fmt: skip
    assert one("OS", events(), assessed()) == (0, 0, "ALIVE_LAST_CONTACT")


def test_overall_survival_is_not_censored_by_a_transplant():
    happened = events(("HSCT", 62), ("DEATH", 171))
    for policy in ("censor-last-assessment", "censor-at-hsct", "competing", "time-dependent"):
        assert one("OS", happened, hsct=policy) == (171, 1, "DEATH")


def test_not_evaluable_visits_neither_extend_follow_up_nor_count_as_seen():
    seen = assessed((28, "CR"), (60, "NE"), (91, "ND"))
    assert one("PFS", events(), seen) == (28, 0, "LAST_ADEQUATE_ASSESSMENT")
    assert one("PFS", events(), assessed((28, "NE"))) == (0, 0, "NO_POSTBASELINE_ASSESSMENT")


def test_two_missed_visits_censor_an_event_at_the_last_one_seen():
    rules = {"missed_visits": 2, "schedule": ((28, 14), (60, 14), (91, 14), (182, 14))}
    happened, seen = events(("DEATH", 200)), assessed((28, "CR"))
    assert one("PFS", happened, seen, **rules) == (28, 0, "MISSED_ASSESSMENTS")
    assert one("PFS", happened, seen) == (200, 1, "DEATH")
    assert one("PFS", happened, assessed((28, "CR"), (91, "CR")), **rules) == (200, 1, "DEATH")


def test_a_second_infusion_can_be_ignored_or_censor():
    happened = events(("SECOND_INFUSION", 95), ("PROGRESSION", 200))
    seen = assessed((28, "CR"), (94, "SD"))
    assert one("PFS", happened, seen) == (200, 1, "PROGRESSION")
    assert one("PFS", happened, seen, second_infusion="censor-last-assessment") == (94, 0, "SECOND_INFUSION")


def test_duration_of_response_starts_at_the_first_response_that_the_rules_name():
    seen = assessed((28, "PR"), (60, "CR"), (182, "PD"))
    assert one("DOR", events(), seen) == (154, 1, "PROGRESSION")
    assert one("DOR", events(), seen, responder=("CR", "CRi")) == (122, 1, "PROGRESSION")
    assert one("DOR", events(), seen, responder=("CRi",))[2] == "NOT_RESPONDER"
    assert one("DOR", events(("HSCT", 20)), seen) == (154, 1, "PROGRESSION")
    assert one("DOR", events(("HSCT", 20)), seen, hsct="competing")[2] == "NOT_RESPONDER"


def test_the_first_day_can_be_day_one():
    assert one("OS", events(("DEATH", 58)), day_one=True)[0] == 59
    result = survival.time_to_event(subjects(), events(("DEATH", 58)), rules=TimeToEventRules(day_one=True))
    assert result.subjects["end_day"].tolist() == [58]


def test_a_failure_without_remission_by_the_day_due_is_an_event_of_event_free_survival():
    rules = {"failure_day": 42}
    alive = events(("LAST_CONTACT", 120))
    refractory = assessed((28, "SD"), (60, "CR"))
    assert one("EFS", alive, refractory, **rules) == (0, 1, "TREATMENT_FAILURE")
    assert one("EFS", alive, refractory, failure_date="assessment", **rules) == (28, 1, "TREATMENT_FAILURE")
    assert one("EFS", alive, assessed((28, "CRi"), (91, "PD")), **rules) == (91, 1, "PROGRESSION")
    assert one("EFS", events(("DEATH", 30)), assessed(), **rules) == (30, 1, "DEATH")
    lost = one("EFS", events(("LAST_CONTACT", 41)), assessed((28, "SD")), **rules)
    assert lost == (28, 0, "LAST_ADEQUATE_ASSESSMENT")


def test_defaults_are_those_of_the_contract():
    rules = TimeToEventRules()
    assert (rules.hsct, rules.new_therapy, rules.second_infusion) == (
        "ignore",
        "censor-last-assessment",
        "ignore",
    )
    assert (rules.missed_visits, rules.schedule, rules.day_one, rules.failure_day) == (
        None,
        None,
        False,
        None,
    )
    assert rules.responder == ("CR", "CRi", "CRh", "PR")
    assert (rules.conf_type, rules.conf_level, rules.landmarks) == ("log-log", 0.95, (90, 180, 365))


def test_event_free_survival_needs_its_failure_day():
    with pytest.raises(ValueError, match=r"endpoint EFS needs rules\.failure_day"):
        survival.time_to_event(subjects(), events(), assessed(), endpoint="EFS")
    with pytest.raises(ValueError, match="endpoint must be one of OS, PFS, DOR, EFS, got 'TTP'"):
        survival.time_to_event(subjects(), events(), endpoint="TTP")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"missed_visits": 2}, "missed_visits needs schedule"),
        ({"responder": ("Complete",)}, "responses are CR, CRh"),
        ({"landmarks": (90, 90)}, "landmarks must be different days above 0"),
        ({"hsct": "censor"}, "censor-at-hsct"),
        ({"failure_day": 0}, "greater than 0"),
        ({"transplant": "ignore"}, "Extra inputs"),
    ],
)
def test_impossible_rules_are_refused(rules, message):
    with pytest.raises(ValidationError, match=message):
        TimeToEventRules(**rules)


def test_counting_process_splits_at_a_transplant_inside_the_time():
    people = subjects(3)
    happened = events(("S1", "HSCT", 62), ("S2", "HSCT", 300), ("S1", "DEATH", 171), ("S2", "DEATH", 58))
    plan = TimeToEventRules(hsct="time-dependent")
    seen = assessed(("S3", 28, "CR"))
    rows = survival.time_to_event(people, happened, seen, endpoint="PFS", rules=plan).counting_process
    assert rows.values.tolist() == [
        ["S1", 0, 62, 0, 0], ["S1", 62, 171, 1, 1], ["S2", 0, 58, 1, 0], ["S3", 0, 28, 0, 0]
    ]  # fmt: skip


def test_records_dates_and_timestamps_are_read_alike():
    people = [records.Subject(subject_id="S1", infused="Y", infusion_date="2022-01-10")]
    happened = [records.StudyEvent(subject_id="S1", event="DEATH", date="2022-03-01")]
    by_record = survival.time_to_event(people, happened).subjects
    frame = pd.DataFrame({"subject_id": ["S1"], "infusion_date": pd.to_datetime(["2022-01-10"])})
    dated = pd.DataFrame(
        {"subject_id": ["S1"], "event": ["DEATH"], "date": pd.to_datetime(["2022-03-01"])}, index=[7]
    )
    assert (
        by_record["time"].tolist() == survival.time_to_event(frame, dated).subjects["time"].tolist() == [50]
    )


def test_rows_that_cannot_be_used_are_listed():
    happened = pd.DataFrame(
        [("S1", "DEATH", "2022-03"), ("S9", "DEATH", "2022-03-01")], columns=["subject_id", "event", "date"]
    )
    result = survival.time_to_event(subjects(infusion_date="2022-01-10"), happened)
    assert result.excluded["reason"].tolist() == ["no day since infusion", "subject not in the analysis"]
    with pytest.raises(DataError, match="overall_response"):
        survival.time_to_event(subjects(), events(), pd.DataFrame({"subject_id": ["S1"]}), endpoint="PFS")
    with pytest.raises(DataError, match="day"):
        survival.time_to_event(subjects(), pd.DataFrame({"subject_id": ["S1"], "event": ["DEATH"]}))


def test_inputs_are_left_as_they_are_and_their_order_does_not_matter():
    people, happened = subjects(2), events(("S2", "DEATH", 9), ("S1", "DEATH", 30), ("S1", "PROGRESSION", 20))
    before = happened.copy()
    first = survival.time_to_event(people, happened, assessed(), endpoint="PFS").subjects
    again = survival.time_to_event(people, happened.iloc[::-1], assessed(), endpoint="PFS").subjects
    pd.testing.assert_frame_equal(happened, before)
    pd.testing.assert_frame_equal(first, again)


# ---- the table ----------------------------------------------------------------------------------


def cohort():
    people = subjects(4, dose_level=[1, 1, 2, 2], infused="Y")
    happened = events(
        ("S1", "HSCT", 62), ("S1", "LAST_CONTACT", 521), ("S2", "DEATH", 97), ("S3", "NEW_THERAPY", 190),
        ("S3", "PROGRESSION", 250), ("S4", "LAST_CONTACT", 100),
    )  # fmt: skip
    seen = assessed(
        ("S1", 28, "CR"), ("S1", 55, "CR"), ("S1", 455, "CR"), ("S2", 35, "PD"), ("S3", 28, "PR"),
        ("S3", 182, "CR"), ("S4", 28, "SD"),
    )  # fmt: skip
    return people, happened, seen


def test_every_endpoint_strategy_and_group_has_a_row():
    table = survival.endpoint_table(*cohort(), strategies=survival.STRATEGIES)
    keys = table.summary[["endpoint", "strategy", "group"]].values.tolist()
    assert keys == [
        [endpoint, strategy, group]
        for endpoint in ("OS", "PFS", "DOR")
        for strategy in ("treatment-policy", "censor", "hsct-competing")
        for group in ("1", "2", "ALL")
    ]
    assert list(table.subjects)[:3] == ["subject_id", "endpoint", "strategy"]
    assert len(table.subjects) == 4 * 9
    assert results.check(table.to_frame()) == []
    assert "OS:treatment-policy" in set(table.to_frame()["param"])


def test_without_strategies_the_rules_are_the_plan():
    table = survival.endpoint_table(*cohort(), rules=IGNORE, by=None)
    assert table.summary["strategy"].unique().tolist() == ["plan"]
    assert table.summary["group"].unique().tolist() == ["ALL"]
    assert len(table.changes) == 0
    with_failure = survival.endpoint_table(*cohort(), rules=TimeToEventRules(failure_day=42))
    assert "EFS" in set(with_failure.summary["endpoint"])


def test_who_changes_between_strategies_and_why():
    changes = survival.endpoint_table(*cohort(), strategies=survival.STRATEGIES).changes
    told = changes[["endpoint", "subject_id", "strategy", "time", "compared_time", "why"]].values.tolist()
    assert ["PFS", "S1", "censor", 55, 455, "HSCT on day 62"] in told
    assert ["PFS", "S3", "censor", 182, 250, "NEW_THERAPY on day 190"] in told
    assert ["PFS", "S1", "hsct-competing", 62, 455, "HSCT on day 62"] in told
    assert "OS" not in set(changes["endpoint"])
    assert "S2" not in set(changes["subject_id"])


def test_exact_limits_stand_beside_the_usual_ones():
    table = survival.endpoint_table(*cohort(), by=None, rules=TimeToEventRules(landmarks=(60.0, 91.3125)))
    row = table.summary[table.summary["endpoint"] == "OS"].iloc[0]
    found = survival.time_to_event(*cohort()).subjects
    exact = survival.kaplan_meier(found["time"], found["event"], conf_type="bpcp").at([60, 91.3125])
    assert row["survival_d60_bpcp_low"] == exact["ci_low"][0]
    assert row["survival_d91.3125_bpcp_high"] == exact["ci_high"][1]
    assert row["n_risk_d60"] == 4
    curve = table.curves[table.curves["endpoint"] == "OS"]
    assert {"endpoint", "strategy", "group", "time", "n_risk", "survival", "bpcp_low", "bpcp_high"} <= set(
        curve
    )
    assert curve["bpcp_low"].notna().all()


def test_many_subjects_have_no_exact_limits_but_a_reason():
    n = 41
    happened = pd.DataFrame(
        {"subject_id": [f"S{i + 1}" for i in range(n)], "event": "DEATH", "day": range(1, n + 1)}
    )
    table = survival.endpoint_table(subjects(n), happened, None, by=None)
    assert table.summary["endpoint"].tolist() == ["OS"]
    assert table.summary["bpcp_low"].isna().all()
    long = table.to_frame()
    assert long.loc[long["stat"] == "bpcp_low", "note"].tolist() == [
        "exact limits are given for 1 to 40 subjects"
    ]


def test_a_dose_level_with_nobody_keeps_its_row():
    people, happened, seen = cohort()
    people["dose_level"] = pd.Categorical(people["dose_level"], categories=[1, 2, 3])
    table = survival.endpoint_table(people, happened, seen)
    empty = table.summary[(table.summary["group"] == "3") & (table.summary["endpoint"] == "OS")].iloc[0]
    assert (empty["n"], empty["note"]) == (0, "no subject")
    assert np.isnan(empty["median"])
    assert results.check(table.to_frame()) == []


def test_a_table_needs_something_to_tell():
    with pytest.raises(ValueError, match="events or responses must be given"):
        survival.endpoint_table(subjects(), None, None)
    with pytest.raises(ValueError, match="strategies must name at least one"):
        survival.endpoint_table(subjects(), events(), None, strategies={})
    with pytest.raises(ValueError, match="by must name a column"):
        survival.endpoint_table(subjects(), events(), None, by="site")
    nobody = survival.endpoint_table(subjects(0), events(), assessed(), by=None)
    assert nobody.summary["n"].tolist() == [0, 0, 0]
    assert results.check(nobody.to_frame()) == []


def test_a_competing_end_is_named_in_the_table():
    table = survival.endpoint_table(
        *cohort(), by=None, strategies={"cr": survival.STRATEGIES["hsct-competing"]}
    )
    row = table.summary[table.summary["endpoint"] == "PFS"].iloc[0]
    assert row["n_competing"] == 1
    assert row["note"].endswith("a competing event counts as censored here")


def test_results_show_themselves_in_a_notebook():
    assert "<table" in survival.kaplan_meier([1, 2], [1, 0])._repr_html_()
    assert "<table" in survival.endpoint_table(*cohort())._repr_html_()
    assert "<table" in survival.cumulative_incidence([1, 2], [1, 0])._repr_html_()
