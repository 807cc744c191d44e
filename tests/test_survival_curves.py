"""Survival kernels: arrays in, arrays out."""

import numpy as np
import pytest

from cart7.stats import bpcp, competing_risks, event_times, logrank, survival_curves


def test_an_event_before_a_censoring_on_the_same_day_leaves_it_at_risk():
    steps = survival_curves.curve([3, 5, 5, 8], [1, 1, 0, 0])
    assert steps.survival.tolist() == [0.75, 0.5, 0.5]
    assert steps.n_risk.tolist() == [4, 3, 1]
    assert steps.n_censor.tolist() == [0, 1, 1]


def test_whole_days_and_floats_give_the_same_steps():
    rng = np.random.default_rng(7)
    time, event = rng.integers(0, 40, 300), rng.random(300) < 0.6
    by_counting = survival_curves.curve(time, event)
    by_sorting = survival_curves.curve(time + 0.5, event)
    assert (by_counting.time + 0.5).tolist() == by_sorting.time.tolist()
    assert by_counting.survival.tolist() == by_sorting.survival.tolist()
    assert by_counting.n_event.tolist() == by_sorting.n_event.tolist()


def test_a_time_of_zero_already_drops_the_curve():
    steps = survival_curves.curve([0, 0, 4], [1, 0, 0])
    assert steps.time.tolist() == [0, 4]
    assert steps.survival[0] == pytest.approx(2 / 3)


def test_negative_zero_is_zero():
    assert survival_curves.curve([-0.0, 0.0, 1.5], [1, 1, 0]).time.tolist() == [0, 1.5]


def test_near_ties_are_merged_to_the_smallest_of_a_chain_unless_told_not_to():
    time = [0.1 + 0.2, 0.3, 1, 1 + 1e-8, 1 + 2e-8]
    assert survival_curves.curve(time, [1] * 5).time.tolist() == [0.3, 1]
    assert survival_curves.curve(time, [1] * 5, near_ties=False).time.size == 5
    assert survival_curves.merge_near_ties(np.array(time)).tolist() == [0.3, 0.3, 1, 1, 1]


def test_seconds_that_differ_by_less_than_the_relative_tolerance_are_ties():
    assert survival_curves.merge_near_ties(np.array([1e9, 1e9 + 1, 1e9 + 100])).tolist() == [
        1e9,
        1e9,
        1e9 + 100,
    ]


def test_an_empty_curve_has_no_steps():
    steps = survival_curves.curve([], [])
    assert (steps.n, steps.survival.size) == (0, 0)
    low, high = survival_curves.limits(steps)
    assert (low.size, high.size) == (0, 0)
    assert bpcp.limits(steps).low.tolist() == [0]


@pytest.mark.parametrize(
    ("time", "event", "message"),
    [
        ([1, 2], [1], "one length"),
        ([1, np.nan], [1, 0], "time must be finite"),
        ([1, np.inf], [1, 0], "time must be finite"),
        ([-1, 2], [1, 0], "must not be negative, got -1"),
        ([1, 2], [1, 2], "event must be 0 or 1 .*got 2"),
        ([1, 2], [1, np.nan], "event must be 0 or 1"),
    ],
)
def test_impossible_arrays_are_refused(time, event, message):
    with pytest.raises(ValueError, match=message):
        survival_curves.curve(time, event)


def test_unknown_choices_name_the_allowed_ones():
    steps = survival_curves.curve([1, 2], [1, 0])
    with pytest.raises(ValueError, match=r"conf_type must be one of log-log, .*got 'loglog'"):
        survival_curves.limits(steps, conf_type="loglog")
    with pytest.raises(ValueError, match="conf_level must be strictly between 0 and 1, got 95"):
        survival_curves.limits(steps, conf_level=95)
    with pytest.raises(ValueError, match="method must be one of exact, moments, got 'mc'"):
        bpcp.limits(steps, method="mc")
    with pytest.raises(ValueError, match="conf_level must be strictly between 0 and 1, got 0"):
        bpcp.limits(steps, conf_level=0)
    with pytest.raises(ValueError, match="variance must be one of aalen, delta, got 'ij'"):
        competing_risks.cumulative_incidence([1, 2], [1, 0], variance="ij")


def test_limits_before_an_event_and_at_zero():
    steps = survival_curves.curve([1, 2, 3], [0, 1, 1])
    for conf_type in survival_curves.FORMULAS:
        low, high = survival_curves.limits(steps, conf_type=conf_type)
        assert np.isnan([low[2], high[2]]).all()
        before = [low[0], high[0]]
        assert np.isnan(before).all() if conf_type == "arcsine" else before == [1, 1]


def test_a_curve_that_ends_on_one_half_has_three_medians():
    """Five events of ten, then all censored: R prints 87, R quantile gives 102.5, SAS nothing."""
    time = np.array([10.0, 54, 60, 77, 87, 90, 95, 100, 110, 118])
    steps = survival_curves.curve(time, [1] * 5 + [0] * 5)
    medians = [
        survival_curves.step_quantile(steps.time, steps.survival, 0.5, rule=rule)
        for rule in survival_curves.QUANTILE_RULES
    ]
    assert medians[:2] == [87, 102.5]
    assert np.isnan(medians[2])


def test_part_zero_is_the_start_in_r_quantile():
    steps = survival_curves.curve([2, 4], [1, 1])
    assert survival_curves.step_quantile(steps.time, steps.survival, 0, rule="survfit-quantile") == 0


def test_a_restricted_mean_of_a_curve_at_zero_stops_growing():
    steps = survival_curves.curve([1, 2, 3], [1, 1, 1])
    assert survival_curves.restricted_mean(steps, 3)[0] == pytest.approx(2)
    assert survival_curves.restricted_mean(steps, 30) == pytest.approx(
        survival_curves.restricted_mean(steps, 3)
    )


def test_follow_up_lets_events_leave_first_or_keeps_them_at_risk():
    steps = survival_curves.curve([3, 5, 5, 8], [1, 1, 0, 0])
    first = survival_curves.follow_up_curve(steps)
    flipped = survival_curves.follow_up_curve(steps, events_first=False)
    assert first.survival.tolist() == [1, 0.5, 0]
    assert flipped.survival.tolist() == pytest.approx([1, 2 / 3, 0])


def test_a_chain_of_many_rates_agrees_with_the_sum_of_powers():
    """Two ways to one distribution: the alternating sum, and a Poisson mixture of positive terms."""
    rng = np.random.default_rng(3)
    steps = survival_curves.curve(rng.integers(1, 9, 14), rng.random(14) < 0.6)
    product = bpcp._product(steps)
    interval = np.flatnonzero(product.n_next > 0)  # after the last time there is no L
    w = np.linspace(0.2, 0.9, interval.size)
    powers = bpcp._exact_law(product, 0.05)(interval, w)
    chain = bpcp._uniformised(product, 0.05)(interval, w)
    for one, other in zip(powers, chain, strict=True):
        assert other == pytest.approx(one, abs=1e-11)


def test_exact_limits_of_200_subjects_keep_within_the_distance_of_moments():
    rng = np.random.default_rng(5)
    time, event = rng.exponential(10, 200), rng.random(200) < 0.6
    steps = survival_curves.curve(np.ceil(time), event)
    exact, moments = bpcp.limits(steps), bpcp.limits(steps, method="moments")
    assert exact.low == pytest.approx(moments.low, abs=0.01)
    assert exact.high == pytest.approx(moments.high, abs=0.01)
    assert (exact.low <= exact.survival + 1e-12).all()
    assert (exact.high >= exact.survival - 1e-12).all()


def test_more_than_500_subjects_take_moments():
    steps = survival_curves.curve(np.arange(1, 502), [1, 0, 0] * 167)
    exact, moments = bpcp.limits(steps), bpcp.limits(steps, method="moments")
    assert exact.low.tolist() == moments.low.tolist()


def test_before_any_event_and_after_the_last_time():
    nine = bpcp.limits(survival_curves.curve(range(1, 10), [0] * 9))
    assert nine.low[0] == pytest.approx(0.025 ** (1 / 9))
    assert (nine.low[-1], nine.high[-1]) == (0, 1)
    midp = bpcp.limits(survival_curves.curve(range(1, 10), [0] * 9), midp=True)
    assert midp.low[0] == pytest.approx(0.05 ** (1 / 9))


def test_causes_at_one_time_start_from_the_same_survival():
    found = competing_risks.cumulative_incidence([1, 2, 2, 2], [0, 1, 2, 0])
    assert found.estimate[:, -1] == pytest.approx([1 / 3, 1 / 3])


def test_an_event_at_time_zero_counts():
    assert competing_risks.cumulative_incidence([0, 1, 1, 1], [1, 0, 0, 2]).estimate[0].tolist() == [
        0.25,
        0.25,
    ]


def test_many_series_at_once_are_each_as_alone():
    rng = np.random.default_rng(3)
    time = rng.integers(0, 30, 200) + rng.choice([0, 1e-9, 0.25], 200)
    cause, series = rng.integers(0, 3, 200), rng.choice([0, 1, 1, 1, 3], 200)  # nobody in series 2
    many = competing_risks.incidence_by_series(time, cause, series, n_series=4, causes=(1, 2))
    for number in (0, 1, 3):
        mine = series == number
        alone = competing_risks.cumulative_incidence(time[mine], cause[mine], causes=(1, 2))
        steps = alone.time.size
        assert many.time[number].tolist() == [*alone.time, *[np.inf] * (many.time.shape[1] - steps)]
        assert many.n_risk[number, :steps].tolist() == alone.n_risk.tolist()
        assert many.estimate[:, number, :steps].tolist() == alone.estimate.tolist()
        assert many.variance[:, number, :steps].tolist() == alone.variance.tolist()
    assert np.isinf(many.time[2]).all()
    assert not many.estimate[:, 2].any()


@pytest.mark.parametrize("cause", [0.5, -1, np.nan])
def test_a_cause_is_a_whole_number(cause):
    with pytest.raises(ValueError, match="cause must be a whole number, 0 for censored"):
        competing_risks.cumulative_incidence([1, 2], [cause, 0])


def test_an_incidence_that_adds_up_to_1_but_for_the_last_digit_has_no_limits():
    found = competing_risks.cumulative_incidence([0, 1, 1, 1, 1, 1, 1, 1, 2], [1, 0, 0, 0, 0, 0, 0, 1, 1])
    assert found.estimate[0, -1] == pytest.approx(1, abs=1e-15)
    low, high = competing_risks.limits(found.estimate, found.variance)
    assert np.isnan(low[0, -1])
    assert np.isnan(high[0, -1])
    assert np.isfinite(low[0, :-1]).all()


def test_limits_of_an_incidence_of_0_or_1_are_not_estimable():
    low, high = competing_risks.limits(np.array([0, 0.5, 1]), np.array([0, 0.05, 0]))
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [True, False, True]


def test_exact_logrank_needs_two_groups_and_a_feasible_number_of_relabelings():
    time, event = np.arange(1, 41), np.ones(40)
    with pytest.raises(ValueError, match="exact=True compares two groups, got 4"):
        logrank.logrank(time, event, np.arange(40) % 4, 4, exact=True)
    with pytest.raises(ValueError, match="exact=True needs 137846528820 relabelings"):
        logrank.logrank(time, event, np.arange(40) % 2, 2, exact=True)
    with pytest.raises(ValueError, match="at least two levels, got 1"):
        logrank.logrank(time, event, np.zeros(40, dtype=int), 1)
    with pytest.raises(ValueError, match="exact must be 'auto', True or False, got 'yes'"):
        logrank.logrank(time, event, np.arange(40) % 2, 2, exact="yes")
    assert logrank.logrank(time, event, np.arange(40) % 2, 2).exact_p_value is None


def test_without_events_there_is_nothing_to_compare():
    found = logrank.logrank([1, 2, 3], [0, 0, 0], np.array([0, 1, 1]), 2)
    assert np.isnan([found.statistic, found.p_value]).all()
    assert found.exact_p_value == 1


def history(**days):
    """One subject; days that are not named never came."""
    names = ("death", "progression", "hsct", "new_therapy", "second_infusion", "cutoff")
    known = {name: np.array([float(days.get(name, np.nan))]) for name in names}
    seen = days.get("adequate", [])
    return event_times.History(
        **known,
        last_contact=np.array([float(days.get("last_contact", 0))]),
        adequate_subject=np.zeros(len(seen), dtype=int),
        adequate_day=np.array(seen, dtype=float),
        adequate_progression=np.zeros(len(seen), dtype=bool),
    )


@pytest.mark.parametrize(
    ("day", "end", "cause", "reason"),
    [(49, 28, 0, "NEW_THERAPY"), (50, 50, 1, "PROGRESSION"), (51, 50, 1, "PROGRESSION")],
)
def test_an_event_on_the_day_of_a_new_therapy_counts(day, end, cause, reason):
    found = event_times.progression_free(
        history(progression=50, new_therapy=day, adequate=[28]), event_times.Policy()
    )
    assert (found.end[0], found.cause[0], found.reason[0]) == (end, cause, reason)


@pytest.mark.parametrize(
    ("policy", "end", "cause"),
    [("censor-last-assessment", 28, 0), ("censor-at-hsct", 40, 0), ("competing", 40, 2), ("ignore", 60, 0)],
)
def test_what_a_transplant_does_is_a_policy(policy, end, cause):
    found = event_times.progression_free(history(hsct=40, adequate=[28, 60]), event_times.Policy(hsct=policy))
    assert (found.end[0], found.cause[0]) == (end, cause)


def test_a_death_on_the_infusion_day_is_a_time_of_zero():
    found = event_times.progression_free(history(death=0), event_times.Policy())
    assert (found.end[0], found.cause[0], found.reason[0]) == (0, 1, "DEATH")
