"""Response: what each strategy makes of an event, reasons, populations, errors, and the long form."""

import numpy as np
import pandas as pd
import pytest

from cart7 import response, results
from cart7.derive import Window
from cart7.errors import DataError
from cart7.records import ResponseAssessment, StudyEvent, Subject
from cart7.response import ResponseRules


def assessments(*rows):
    """Rows (subject_id, day, overall_response[, mrd])."""
    frame = pd.DataFrame(
        [(*row, None)[:4] for row in rows], columns=["subject_id", "day", "overall_response", "mrd"]
    )
    return frame


def subjects(*names, **columns):
    return pd.DataFrame({"subject_id": names, **columns})


def events(*rows):
    return pd.DataFrame(rows, columns=["subject_id", "event", "day"])


def only(result):
    """The row of the one subject."""
    assert len(result.subjects) == 1
    return result.subjects.iloc[0]


def one(seen, happened=(), **call):
    """Response of one subject at month 3 from (day, category) and (event, day) pairs."""
    rows = assessments(*(("1", *item) for item in seen))
    return only(response.at_visit(rows, subjects("1"), events(*(("1", *item) for item in happened)), **call))


def best(*seen, happened=(), **choices):
    confirmed = choices.pop("confirmed", False)
    rows = assessments(*(("1", *item) for item in seen))
    happened = events(*(("1", *item) for item in happened))
    rules = ResponseRules(**choices)
    return only(response.best_overall(rows, subjects("1"), happened, confirmed=confirmed, rules=rules))


# ------------------------------------------------------------------------------------- windows


def test_both_bounds_of_the_window_belong_to_it():
    for day, reason in ((75, "MISSED"), (76, "OBS"), (104, "OBS"), (105, "MISSED")):
        assert one([(day, "CR")])["reason"] == reason


def test_of_two_equally_near_assessments_the_later_counts_unless_the_rules_say_earlier():
    seen = [(83, "CR"), (97, "PD")]
    assert one(seen)["response"] == "PD"
    assert one(seen, rules=ResponseRules(tie="earlier"))["response"] == "CR"


def test_a_progression_later_in_the_window_counts_when_the_last_assessment_is_picked():
    seen = [(90, "CR"), (100, "PD")]
    assert one(seen, strategy="failure")["responder"] == 1
    assert one(seen, strategy="failure", rules=ResponseRules(pick="last"))["responder"] == 0


def test_on_one_day_the_worst_evaluable_category_counts():
    assert one([(90, "CR"), (90, "PD"), (90, "NE")])["response"] == "PD"
    assert one([(90, "NE"), (90, "ND")])["reason"] == "NE"
    assert one([(90, "CR"), (90, "NE")])["response"] == "CR"


def test_an_assessment_not_done_is_the_same_as_no_record():
    assert one([(90, "ND")])["reason"] == "MISSED"


def test_a_day_is_derived_from_the_date():
    seen = pd.DataFrame({"subject_id": ["1"], "assessment_date": ["2022-04-01"], "overall_response": ["PR"]})
    row = only(response.at_visit(seen, subjects("1", infusion_date=["2022-01-01"])))
    assert (row["response"], row["day"]) == ("PR", 90)


def test_assessments_up_to_the_infusion_day_do_not_count():
    result = response.best_overall(assessments(("1", -5, "SD"), ("1", 0, "PD")), subjects("1"))
    assert only(result)["best_response"] == "MISSING"
    assert result.excluded["reason"].tolist() == ["not after the infusion day"] * 2


# ---------------------------------------------------------------------------------- strategies

CR_AROUND_HSCT = [(55, "CR"), (93, "CR")]


@pytest.mark.parametrize(
    ("strategy", "reason", "day", "responder", "evaluable"),
    [
        ("treatment-policy", "OBS", 93, 1, 1),
        ("failure", "OBS", 93, 1, 1),
        ("hsct-failure", "SCT", np.nan, 0, 1),
        ("stop-at-hsct", "SCT", np.nan, 0, 0),
        ("hsct-carry-forward", "OBS", 55, 1, 1),
    ],
)
def test_a_transplant_before_the_visit(strategy, reason, day, responder, evaluable):
    row = one(CR_AROUND_HSCT, [("HSCT", 62)], strategy=strategy)
    found = row[["reason", "day", "responder", "evaluable"]].tolist()
    np.testing.assert_equal(found, [reason, day, responder, evaluable])


@pytest.mark.parametrize("event", ["NEW_THERAPY", "SECOND_INFUSION", "PROGRESSION"])
def test_what_ends_the_sequence_matters_to_every_strategy_but_treatment_policy(event):
    reason = "PRIOR_PD" if event == "PROGRESSION" else event
    for strategy in response.STRATEGIES:
        row = one([(28, "CR"), (90, "CR")], [(event, 60)], strategy=strategy)
        if strategy == "treatment-policy":
            assert (row["reason"], row["responder"]) == ("OBS", 1)
        else:
            assert (row["reason"], row["responder"], row["evaluable"]) == (reason, 0, 1)


def test_the_assessment_on_the_day_of_a_new_therapy_still_counts():
    assert one([(90, "CR")], [("NEW_THERAPY", 90)], strategy="failure")["responder"] == 1
    assert one([(90, "CR")], [("NEW_THERAPY", 89)], strategy="failure")["reason"] == "NEW_THERAPY"


def test_the_earlier_of_new_therapy_and_second_infusion_is_the_reason():
    happened = [("NEW_THERAPY", 70), ("SECOND_INFUSION", 60)]
    assert one([(90, "CR")], happened, strategy="failure")["reason"] == "SECOND_INFUSION"
    assert one([(90, "CR")], [("NEW_THERAPY", 60), ("SECOND_INFUSION", 60)],
               strategy="failure")["reason"] == "NEW_THERAPY"  # fmt: skip


def test_a_progression_after_a_new_therapy_is_not_one_of_this_treatment():
    row = one([(60, "PD")], [("NEW_THERAPY", 50)], strategy="failure")
    assert row["reason"] == "NEW_THERAPY"


def test_a_progression_event_counts_without_an_assessment():
    row = one([(95, "CR")], [("PROGRESSION", 80)], strategy="failure")
    assert (row["reason"], row["note"]) == ("PRIOR_PD", "progression on day 80")


def test_events_up_to_the_infusion_day_are_history():
    row = one([(90, "CR")], [("NEW_THERAPY", -20), ("HSCT", -300)], strategy="hsct-failure")
    assert row["responder"] == 1


def test_under_treatment_policy_a_progression_decides_nothing():
    assert one([(35, "PD"), (94, "CR")])["responder"] == 1
    assert one([(35, "PD")], [("DEATH", 97)])["reason"] == "DEATH"


def test_a_transplant_between_target_and_end_of_window_carries_forward_only_into_an_empty_window():
    strategy = "hsct-carry-forward"
    empty = one([(60, "PR")], [("HSCT", 95)], strategy=strategy)
    assert (empty["response"], empty["day"]) == ("PR", 60)
    assert empty["note"] == "carried forward from before HSCT on day 95"
    filled = one([(60, "PR"), (92, "CR")], [("HSCT", 95)], strategy=strategy)
    assert (filled["response"], filled["day"]) == ("CR", 92)


def test_the_response_before_transplant_stands_even_when_death_follows():
    row = one([(58, "CR")], [("HSCT", 62), ("DEATH", 80)], strategy="hsct-carry-forward")
    assert (row["reason"], row["responder"]) == ("OBS", 1)


def test_a_transplant_after_progression_carries_nothing_forward():
    row = one([(28, "CR"), (40, "PD")], [("HSCT", 62)], strategy="hsct-carry-forward")
    assert (row["reason"], row["responder"]) == ("PRIOR_PD", 0)


def test_a_transplant_with_no_response_before_it_is_not_evaluable_when_carried_forward():
    row = one([(93, "CR")], [("HSCT", 62)], strategy="hsct-carry-forward")
    assert (row["reason"], row["responder"], row["evaluable"]) == ("SCT", 0, 0)


# ------------------------------------------------------------------------------------- reasons


@pytest.mark.parametrize(
    ("seen", "happened", "reason"),
    [
        ([(105, "RELAPSE")], [], "MISSED"),
        ([(100, "NE")], [("DEATH", 104)], "DEATH"),
        ([], [("DEATH", 105)], "MISSED"),
        ([(90, "NE")], [("WITHDRAWAL", 95)], "NE"),
        ([], [("WITHDRAWAL", 95)], "WITHDRAWN"),
        ([(60, "PD")], [("DEATH", 70)], "PRIOR_PD"),
    ],
)
def test_the_first_true_reason_is_given(seen, happened, reason):
    assert one(seen, happened, strategy="failure")["reason"] == reason


def test_a_visit_after_the_cut_off_is_not_reached_but_one_observed_before_it_counts():
    who = subjects("1", infusion_date=["2022-01-01"], data_cutoff=["2022-04-06"])  # day 95
    open_window = only(response.at_visit(assessments(("1", 28, "CR")), who))
    assert (open_window["reason"], open_window["evaluable"]) == ("NOT_REACHED", 0)
    assert np.isnan(open_window["responder"])
    assert only(response.at_visit(assessments(("1", 90, "CR")), who))["reason"] == "OBS"


def test_what_happens_after_the_cut_off_is_not_known():
    who = subjects("1", infusion_date=["2022-01-01"], data_cutoff=["2022-04-06"])
    result = response.at_visit(assessments(("1", 96, "CR")), who, events(("1", "DEATH", 100)))
    assert only(result)["reason"] == "NOT_REACHED"
    assert result.excluded["reason"].tolist() == ["after the data cut-off"] * 2


def test_bracket_turns_a_gap_between_responses_into_a_response_but_not_into_an_evaluable_visit():
    row = one([(70, "CR"), (110, "PR")], rules=ResponseRules(bracket=True))
    assert (row["reason"], row["responder"], row["evaluable"]) == ("MISSED", 1, 0)
    for gap in ([(70, "CR"), (110, "SD")], [(70, "CR")]):
        assert one(gap, rules=ResponseRules(bracket=True))["responder"] == 0
    died = one([(70, "CR")], [("DEATH", 80)], rules=ResponseRules(bracket=True))
    assert died["responder"] == 0


# ----------------------------------------------------------------------- best overall response


def test_the_best_category_counts_on_its_first_day():
    row = best((28, "PR"), (60, "CR"), (90, "CR"), (120, "PD"))
    assert row[["best_response", "day", "first_response_day"]].tolist() == ["CR", 60, 28]


def test_nothing_after_progression_counts():
    row = best((28, "SD"), (40, "PD"), (90, "CR"))
    assert (row["best_response"], row["responder"]) == ("SD", 0)


def test_stable_disease_before_the_minimum_day_is_not_evaluable_but_no_response_is_not_subject_to_it():
    assert best((27, "SD"))["best_response"] == "NE"
    assert best((27, "SD"), sd_min_days=0)["best_response"] == "SD"
    assert best((10, "NR"))["best_response"] == "NR"
    assert best((20, "SD"), (27, "PD"))["best_response"] == "PD"


def test_the_day_of_a_confirmed_response_is_its_own():
    row = best((28, "CR"), (56, "CR"), confirmed=True)
    assert row[["best_response", "day", "first_confirmed_response_day"]].tolist() == ["CR", 28, 28]


def test_a_confirmation_one_day_too_early_does_not_count():
    assert best((28, "CR"), (55, "CR"), confirmed=True)["best_response"] == "SD"
    assert best((27, "CR"), (40, "PD"), confirmed=True)["best_response"] == "PD"


def test_only_so_many_missing_assessments_may_lie_between():
    seen = [(28, "CR"), (58, "NE"), (88, "NE"), (120, "CR")]
    assert best(*seen, confirmed=True)["best_response"] == "SD"
    assert best(*seen, confirmed=True, max_ne=2)["best_response"] == "CR"
    assert best((28, "CR"), (58, "ND"), (88, "CR"), confirmed=True, max_ne=2)["best_response"] == "SD"


def test_a_partial_response_after_a_complete_one_is_flagged():
    row = best((28, "CR"), (60, "PR"), (90, "PR"), confirmed=True)
    assert row[["best_response", "day"]].tolist() == ["PR", 60]
    assert row["note"] == "PR after a complete response, check for progression: day 60"


def test_incomplete_remissions_are_confirmed_by_anything_as_good():
    assert best((28, "CRi"), (60, "CR"), confirmed=True)["best_response"] == "CRi"
    assert best((28, "CR"), (60, "CRi"), (90, "CRi"), confirmed=True)["best_response"] == "CRi"


def test_an_mrd_negative_remission_needs_both_on_one_record():
    row = best((28, "CRi", "POS"), (60, "PR", "NEG"), (90, "CR", "NEG"))
    assert row["first_mrd_negative_cr_day"] == 90


def test_of_two_mrd_results_on_one_day_the_positive_one_counts():
    assert np.isnan(best((28, "CR", "NEG"), (28, "CR", "POS"))["first_mrd_negative_cr_day"])


def test_the_result_keeps_what_a_swimmer_plot_needs():
    seen = assessments(("1", 28, "CR"), ("1", 60, "PD"), ("1", 90, "CR"))
    result = response.best_overall(seen, subjects("1"), events(("1", "HSCT", 120)))
    assert result.assessments[["day", "response", "usable"]].to_numpy().tolist() == [
        [28, "CR", 1], [60, "PD", 1], [90, "CR", 0],
    ]  # fmt: skip
    assert result.events.to_numpy().tolist() == [["1", "PROGRESSION", 60], ["1", "HSCT", 120]]


# ---------------------------------------------------------------------------------------- rates

WHO = subjects("1", "2", "3", "4", "5", infused=["Y", "Y", "Y", "Y", "N"], dose_level=[1, 1, 2, 2, 2],
               infusion_date=["2022-01-01"] * 4 + [None], data_cutoff=["2022-12-31"] * 3 + ["2022-02-01"] * 2)  # fmt: skip
SEEN = assessments(("1", 90, "CR"), ("2", 28, "CR"), ("3", 28, "PR"))
HAPPENED = events(("3", "DEATH", 50))


def test_every_denominator_stands_side_by_side():
    # 1 responds, 2 missed, 3 died, 4 is not there yet, 5 was never infused.
    rates = response.objective_response(SEEN, WHO, HAPPENED, by=None).summary
    month3 = rates[(rates["visit"] == "M3") & (rates["strategy"] == "treatment-policy")]
    counts = {row.population: (row.n_responder, row.n, row.n_not_evaluable) for row in month3.itertuples()}
    assert counts == {
        "ENROLLED": (1, 5, 4),
        "INFUSED": (1, 4, 3),
        "REACHED": (1, 3, 2),
        "EVALUABLE": (1, 1, 0),
        "EVALUABLE_INCL_DEATH": (1, 2, 1),
    }


def test_best_response_rates_stand_beside_the_visits():
    rates = response.objective_response(SEEN, WHO, HAPPENED, by=None).summary
    rows = rates[rates["visit"].isin(["BOR", "CBOR"])]
    found = [(row.visit, row.strategy, row.population, row.n_responder, row.n) for row in rows.itertuples()]
    assert found == [
        ("BOR", "failure", "ENROLLED", 3, 5), ("BOR", "failure", "INFUSED", 3, 4),
        ("CBOR", "failure", "ENROLLED", 0, 5), ("CBOR", "failure", "INFUSED", 0, 4),
    ]  # fmt: skip


def test_a_group_in_which_nobody_counts_keeps_its_row_with_a_reason():
    result = response.objective_response(SEEN, WHO, HAPPENED)
    rates = result.summary
    row = rates[rates["group"].eq("2") & rates["population"].eq("EVALUABLE") & rates["visit"].eq("M3")].iloc[
        0
    ]
    assert (row["n"], row["note"]) == (0, "nobody in this population")
    assert np.isnan([row["estimate"], row["ci_low"], row["ci_high"]]).all()


def test_the_complete_response_rate_is_a_responder_set():
    rules = ResponseRules(responder=("CR",))
    rates = response.objective_response(SEEN, WHO, HAPPENED, by=None, rules=rules).summary
    assert rates[rates["visit"].eq("BOR")]["n_responder"].tolist() == [2, 2]


def test_the_interval_is_that_of_the_rules():
    rules = ResponseRules(ci_method="wilson", conf_level=0.9)
    row = response.objective_response(SEEN, WHO, HAPPENED, by=None, rules=rules).summary.iloc[0]
    assert (row["method"], row["conf_level"]) == ("Wilson", 0.9)


def test_the_rows_of_a_rate_table_are_those_of_at_visit():
    everything = response.objective_response(SEEN, WHO, HAPPENED)
    for strategy in response.STRATEGIES:
        alone = response.at_visit(SEEN, WHO, HAPPENED, visit="M6", strategy=strategy)
        table = everything.subjects
        same = table[table["visit"].eq("M6") & table["strategy"].eq(strategy)].reset_index(drop=True)
        pd.testing.assert_frame_equal(same, alone.subjects)


@pytest.mark.parametrize("nobody", [WHO.iloc[:0], WHO])
@pytest.mark.parametrize("nothing", [SEEN.iloc[:0], assessments(("1", None, None))])
def test_empty_tables_give_results_that_keep_their_shape(nobody, nothing):
    for result in (
        response.objective_response(nothing, nobody),
        response.at_visit(nothing, nobody, HAPPENED.iloc[:0], strategy="hsct-carry-forward"),
        response.best_overall(nothing, nobody, confirmed=True),
    ):
        assert results.check(result.to_frame()) == []


def test_the_long_form_carries_reason_and_method():
    long = response.objective_response(SEEN, WHO, HAPPENED).to_frame()
    assert results.check(long) == []
    key = long["param"].eq("ORR:treatment-policy") & long["timepoint"].eq("M3")
    estimate = long[
        key & long["stat"].eq("ci_low") & long["population"].eq("INFUSED") & long["group"].eq("ALL")
    ]
    assert estimate["method"].tolist() == ["Clopper-Pearson"]
    missing = long[key & long["subject_id"].eq("5") & long["stat"].eq("responder")]
    assert missing[["population", "note"]].to_numpy().tolist() == [["ENROLLED", "not infused"]]
    confirmed = response.best_overall(SEEN, WHO, HAPPENED, confirmed=True).to_frame()
    assert results.check(confirmed) == []
    assert set(confirmed.loc[confirmed["subject_id"] != "", "param"]) == {"CBOR"}


def test_records_and_frames_give_the_same():
    seen = [ResponseAssessment(subject_id="1", day=90, overall_response="CR")]
    who = [Subject(subject_id="1", infused="Y", dose_level=1)]
    happened = [StudyEvent(subject_id="1", event="HSCT", day=120)]
    from_records = response.at_visit(seen, who, happened).subjects
    from_frames = response.at_visit(
        assessments(("1", 90, "CR")), subjects("1"), events(("1", "HSCT", 120))
    ).subjects
    pd.testing.assert_frame_equal(from_records, from_frames)


def test_the_input_is_left_as_it_is():
    tables = SEEN.copy(), WHO.copy(), HAPPENED.copy()
    response.objective_response(*tables)
    for table, original in zip(tables, (SEEN, WHO, HAPPENED), strict=True):
        pd.testing.assert_frame_equal(table, original)


def test_who_was_infused_follows_the_date_when_the_flag_is_missing():
    who = subjects("1", "2", infusion_date=["2022-01-01", None])
    rows = response.at_visit(assessments(("1", 90, "CR"), ("2", 90, "CR")), who).subjects
    assert rows["reason"].tolist() == ["OBS", "NOT_INFUSED"]


# --------------------------------------------------------------------------------------- errors


def test_words_may_come_as_categories():
    seen = assessments(("1", 28, "PR"), ("1", 90, "CR"), ("2", 90, "NE")).assign(mrd="NEG")
    who, happened = subjects("1", "2"), events(("1", "HSCT", 60))
    categories = [table.astype({name: "category" for name in table.columns if name not in ("day", "row")})
                  for table in (seen, who, happened)]  # fmt: skip
    for given, usual in (
        (
            response.objective_response(*categories, by=None),
            response.objective_response(seen, who, happened, by=None),
        ),
        (
            response.best_overall(*categories, confirmed=True, by=None),
            response.best_overall(seen, who, happened, confirmed=True, by=None),
        ),
    ):
        assert given.to_frame().equals(usual.to_frame())


def test_every_assessment_after_death_is_reported_at_once():
    seen = assessments(("1", 60, "CR"), ("1", 90, "CR"), ("1", 100, "CR"))
    with pytest.raises(DataError, match="assessed after the day of death") as error:
        response.at_visit(seen, subjects("1"), events(("1", "DEATH", 60)))
    assert [(problem.row, problem.value) for problem in error.value.problems] == [(2, 90), (3, 100)]


def test_a_second_assessment_of_one_day_after_death_is_named_too_and_a_date_where_it_was_given():
    seen = pd.DataFrame(
        {"subject_id": "1", "overall_response": ["CR", "PR", "CR"], "day": [90, None, 90],
         "assessment_date": ["2022-01-31", "2022-04-11", None]}
    )  # fmt: skip
    who = subjects("1", infusion_date="2022-01-01")
    with pytest.raises(
        DataError, match=r"line 3, column assessment_date: .* \(found '2022-04-11'\)"
    ) as error:
        response.at_visit(seen, who, events(("1", "DEATH", 60)))
    found = [(problem.table, problem.row, problem.column) for problem in error.value.problems]
    assert found == [("responses", 1, "day"), ("responses", 3, "day"), ("responses", 2, "assessment_date")]


def test_a_table_with_neither_days_nor_dates_is_refused_but_an_empty_one_is_not():
    seen, happened = assessments(("1", 90, "CR")), events(("1", "HSCT", 60))
    with pytest.raises(DataError, match="responses, column day"):
        response.at_visit(seen.drop(columns="day"), subjects("1"))
    with pytest.raises(DataError, match="events, column day"):
        response.at_visit(seen, subjects("1"), happened.drop(columns="day"))
    nothing = response.at_visit(seen[:0].drop(columns="day"), subjects("1"), happened[:0].drop(columns="day"))
    assert nothing.subjects["reason"].tolist() == ["MISSED"]


def test_an_unknown_category_is_refused_with_its_row():
    with pytest.raises(DataError, match=r"line 3, column overall_response: .* \(found 'SCR'\)"):
        response.at_visit(assessments(("1", 60, "CR"), ("1", 90, "SCR")), subjects("1"))


def test_everything_that_cannot_be_is_in_one_error():
    seen = assessments(("1", 60, "SCR"), ("1", 90, "CR"), ("1", -3, "PR"), ("1", 95, "VGPR"))
    with pytest.raises(DataError, match="4 problems") as error:
        response.objective_response(seen, subjects("1"), events(("1", "DEATH", 70)))
    found = [(problem.row, problem.rule) for problem in error.value.problems]
    assert found == [(1, "RESPONSE-CATEGORY"), (4, "RESPONSE-CATEGORY"), (2, "RESPONSE-AFTER-DEATH"),
                     (4, "RESPONSE-AFTER-DEATH")]  # fmt: skip


def test_an_assessment_before_infusion_is_listed_not_used():
    result = response.at_visit(assessments(("1", -3, "PR"), ("1", 90, "CR")), subjects("1"))
    assert result.excluded[["row", "reason"]].values.tolist() == [[1, "not after the infusion day"]]


def test_unknown_visits_and_strategies_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="visit must be one of M3, M6; got 'M9'"):
        response.at_visit(SEEN, WHO, visit="M9")
    with pytest.raises(ValueError, match=r"strategy must be one of treatment-policy, .* got 'ITT'"):
        response.at_visit(SEEN, WHO, strategy="ITT")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"responder": ("SCR",)}, "Input should be 'CR', 'CRh'"),
        ({"responder": ()}, "at least 1 item"),
        ({"ci_method": "exact"}, "ci_method must be one of clopper-pearson"),
        ({"conf_level": 95}, "less than 1"),
        ({"sd_min_day": 28}, "Extra inputs are not permitted"),
        ({"visits": {"M3": {"target": 90, "lower": 95, "upper": 104}}}, "lower <= target <= upper"),
        ({"visits": {"M3": Window(90, 76, 120), "M4": Window(120, 120, 140)}},
         "windows M3 and M4 overlap at day 120"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_are_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        ResponseRules(**choice)


def test_windows_may_come_from_a_plan_file():
    rules = ResponseRules(visits={"D28": {"target": 28, "lower": 21, "upper": 42}})
    assert rules.visits["D28"] == Window(28, 21, 42)
