"""The left-censored slope: the numbers of survreg (tests/data/pk), which data have no line, and why."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.twins import censored_slope as twin

from cart7.stats.censored_slope import CensoredSlope, censored_slope

DATA = Path(__file__).parent / "data" / "pk"
NUMBERS = ("rate", "half_life", "intercept", "sigma", "log_likelihood", "std_err")
IN_REFERENCE = {
    "lambda_z": "rate",
    "half_life": "half_life",
    "intercept": "intercept",
    "sigma": "sigma",
    "loglik": "log_likelihood",
}
BELOW = 0.0


def fit(time, value, limit=50.0, where=None):
    """The line of one profile; a value of 0 is below the limit."""
    times, values = np.atleast_2d(np.array(time, dtype=float)), np.atleast_2d(np.array(value, dtype=float))
    used = np.ones(times.shape, dtype=bool) if where is None else np.atleast_2d(where)
    return censored_slope(times, values, values == BELOW, limit, used)


def only(found):
    """The numbers of the one profile, and its reason."""
    return {name: getattr(found, name)[0] for name in NUMBERS}, str(found.reason[0])


def windows(kind):
    """Rectangle of all reference profiles with the samples of a window marked."""
    table = pd.read_csv(DATA / "cart_profiles.csv")
    table = table[(table["time"] >= 0) & table["conc"].notna()].sort_values(["subject", "time"])
    quantifiable = table[table["conc"] > 0]
    peak = quantifiable.loc[quantifiable.groupby("subject")["conc"].idxmax()].set_index("subject")["time"]
    tlast = table["subject"].map(quantifiable.groupby("subject")["time"].max())
    lost = table[(table["conc"] == 0) & (table["time"] > tlast)].groupby("subject")["time"].min()
    inside = table["time"] > table["subject"].map(peak)
    if kind == "to_first_blq_after_tlast":
        inside &= ~(table["time"] > table["subject"].map(lost))
    row, subjects = pd.factorize(table["subject"])
    cell = (row, table.groupby("subject").cumcount())
    time, value, limit, where = (np.zeros((len(subjects), cell[1].max() + 1)) for _ in range(4))
    for array, column in (
        (time, table["time"]),
        (value, table["conc"]),
        (limit, table["lloq"]),
        (where, inside),
    ):
        array[cell] = column
    return censored_slope(time, value, value == 0, limit, where > 0), list(subjects)


def test_numbers_equal_survreg():
    expected = pd.read_csv(DATA / "expected_tobit.csv", skipinitialspace=True, na_values="           NA")
    compared = 0
    for kind, rows in expected.groupby("window"):
        found, subjects = windows(kind)
        for row in rows.itertuples():
            at = subjects.index(row.subject)
            assert (found.n_quantifiable[at], found.n_censored[at]) == (row.n_quant, row.n_blq)
            for column, name in IN_REFERENCE.items():
                want = float(getattr(row, column))
                assert getattr(found, name)[at] == pytest.approx(want, rel=1e-6, nan_ok=True), (row, name)
                compared += 1
    assert (len(expected), compared) == (16, 80)


def test_a_window_for_which_survreg_gave_no_answer_has_one():
    """Three samples near a line, later limits far above it: each further sample below them tells nothing."""
    found, subjects = windows("all_after_tmax")
    at = subjects.index("CTS45")
    near, _ = windows("to_first_blq_after_tlast")
    assert found.reason[at] == ""
    assert found.rate[at] == pytest.approx(near.rate[at], rel=1e-9)


@pytest.mark.parametrize(
    ("time", "value"),
    [
        ([14, 21, 28, 60], [6876.0, 2784.0, 967.0, BELOW]),
        ([14, 21, 28, 60, 90], [900.0, BELOW, 400.0, BELOW, 70.0]),  # in and out of detection
        ([14, 21, 28], [900.0, BELOW, 400.0]),  # two quantifiable, contradicted between
        ([14, 21, 28, 60], [60.0, 70.0, 400.0, BELOW]),
        ([14, 21, 28, 60, 90, 180], [55.0, 5000.0, BELOW, BELOW, BELOW, BELOW]),
        ([1, 1.01, 1.02, 400], [500.0, 900.0, 600.0, BELOW]),  # a far sample decides the slope
        ([14, 21, 28, 60], [5000.0, 900.0, 300.0, 80.0]),
        ([10, 10, 20, 20, 30], [900.0, 1100.0, 300.0, 350.0, BELOW]),  # repeated times
    ],
)
def test_numbers_equal_a_general_optimiser(time, value):
    samples = [(t, np.log(v or 50.0), v == BELOW) for t, v in zip(time, value, strict=True)]
    found, _ = only(fit(time, value))
    want = twin.slope(samples)
    for name in NUMBERS:
        tolerance = 1e-6 if name == "std_err" else 1e-9  # the twin's information is by differences
        assert found[name] == pytest.approx(want[name], rel=tolerance, nan_ok=True), name


def test_a_step_that_overshoots_is_halved():
    """Full Newton steps alone end far from the maximum here."""
    time, value = [0.08, 0.61, 0.91, 25.33, 1949.51], [BELOW, 1.263, 0.953, BELOW, BELOW]
    limit = [0.005, 1.0, 1.0, 4.32e12, 0.001]
    levels = zip(time, value, limit, strict=True)
    want = twin.slope([(t, np.log(v or at), v == BELOW) for t, v, at in levels])
    found, _ = only(fit(time, value, limit=np.array([limit])))
    for name in ("rate", "intercept", "sigma", "log_likelihood"):
        assert found[name] == pytest.approx(want[name], rel=1e-9), name


def test_the_order_of_samples_and_what_is_outside_the_window_do_not_matter():
    time, value = [14, 21, 28, 60, 90], [900.0, 380.0, 210.0, BELOW, 70.0]
    want, _ = only(fit(time, value))
    shuffled, _ = only(fit(time[::-1], value[::-1]))
    assert shuffled == pytest.approx(want, rel=1e-12)
    beside, _ = only(fit([np.nan, *time, 100], [3.0, *value, -1.0], where=[False] + [True] * 5 + [False]))
    assert beside == want


def test_a_limit_may_differ_from_sample_to_sample():
    time, value = [14, 21, 28, 60], [900.0, 380.0, 210.0, BELOW]
    same, _ = only(fit(time, value, limit=np.array([[1.0, 2.0, np.nan, 50.0]])))
    assert same == only(fit(time, value))[0]
    lower, _ = only(fit(time, value, limit=np.array([[50.0, 50.0, 50.0, 5.0]])))
    assert lower["rate"] > same["rate"]


@pytest.mark.parametrize(
    ("time", "value", "reason"),
    [
        ([], [], "no quantifiable sample"),
        ([14, 21], [BELOW, BELOW], "no quantifiable sample"),
        ([14], [900.0], "quantifiable samples at one time only"),
        ([14, 21], [900.0, BELOW], "quantifiable samples at one time only"),
        ([14, 21, 28], [BELOW, 900.0, BELOW], "quantifiable samples at one time only"),
        ([14, 14, 28], [800.0, 900.0, BELOW], "quantifiable samples at one time only"),
        ([14, 21], [900.0, 400.0], "two quantifiable samples only"),
        ([14, 21, 60, 90], [900.0, 400.0, BELOW, BELOW], "two quantifiable samples only"),
        ([14, 21, 28], [900.0, np.nan, 100.0], "a sample has no usable time, value or limit"),
        ([14, 21, 28], [900.0, -5.0, 100.0], "a sample has no usable time, value or limit"),
        ([14, 21, np.nan], [900.0, 400.0, 100.0], "a sample has no usable time, value or limit"),
        ([14, np.inf, 28], [900.0, 400.0, 100.0], "a sample has no usable time, value or limit"),
    ],
)
def test_where_there_is_no_line_a_reason_says_why(time, value, reason):
    found, why = only(fit(np.reshape(time, (1, -1)), np.reshape(value, (1, -1))))
    assert np.isnan(list(found.values())).all()
    assert why.startswith(reason)


@pytest.mark.parametrize("limit", [np.nan, 0.0, -50.0, np.inf])
def test_a_limit_that_is_none_leaves_no_line_only_where_it_is_needed(limit):
    found, why = only(fit([14, 21, 28, 60], [900.0, 380.0, 210.0, BELOW], limit=limit))
    assert (np.isnan(found["rate"]), why) == (True, "a sample has no usable time, value or limit")
    found, why = only(fit([14, 21, 28, 60], [900.0, 380.0, 210.0, 90.0], limit=limit))
    assert (found["rate"] > 0, why) == (True, "")


def test_samples_exactly_on_a_line_give_that_line_without_a_likelihood():
    day = np.array([14.0, 21.0, 28.0, 35.0, 90.0])
    found, why = only(fit(day, np.where(day < 90, 8000 * np.exp(-0.1 * day), BELOW)))
    assert found["rate"] == pytest.approx(0.1, rel=1e-12)
    assert found["half_life"] == pytest.approx(np.log(2) / 0.1, rel=1e-12)
    assert found["intercept"] == pytest.approx(np.log(8000), rel=1e-12)
    assert found["sigma"] == 0
    assert np.isnan([found["log_likelihood"], found["std_err"]]).all()
    assert why == "quantifiable samples exactly on a line: no likelihood"


def test_the_estimates_tend_to_the_exact_line_as_the_scatter_goes():
    day = np.array([14.0, 21.0, 28.0, 35.0, 90.0])
    for scatter in (1e-2, 1e-5, 1e-7):
        noise = scatter * np.array([1, -1, -1, 1, 0])
        found, why = only(fit(day, np.where(day < 90, 8000 * np.exp(noise - 0.1 * day), BELOW)))
        assert why == ""
        assert found["rate"] == pytest.approx(0.1, abs=scatter * 1e-6)  # this noise has no slope
        assert found["sigma"] == pytest.approx(scatter, rel=1e-6)


def test_a_line_that_a_censored_sample_contradicts_has_a_likelihood():
    day = np.array([14.0, 21.0, 28.0, 35.0])
    value = 8000 * np.exp(-0.1 * day)
    value[2] = BELOW
    found, why = only(fit(day, value))
    assert why == ""
    assert found["sigma"] > 0.1


def test_equal_values_have_a_slope_of_exactly_0():
    found, why = only(fit([14, 21, 28.3, 60], [333.3] * 4))
    assert (f"{found['rate']:g}", found["sigma"]) == ("0", 0)  # not -0
    assert np.isnan(found["half_life"])
    assert why == "quantifiable samples exactly on a line: no likelihood; the line does not fall"


def test_a_rising_line_has_a_negative_rate_and_no_half_life():
    found, why = only(fit([14, 21, 28, 60], [BELOW, 80.0, 210.0, 900.0]))
    assert found["rate"] < 0
    assert np.isnan(found["half_life"])
    assert why == "the line does not fall"


def test_a_limit_far_above_or_far_below_the_line_does_not_overflow():
    with np.errstate(all="raise"):
        high, why_high = only(fit([14, 21, 28, 60], [900.0, 380.0, 210.0, BELOW], limit=1e300))
        low, why_low = only(fit([14, 21, 28, 60], [900.0, 380.0, 210.0, BELOW], limit=1e-300))
    without, _ = only(fit([14, 21, 28], [900.0, 380.0, 210.0]))
    assert high == pytest.approx(without, rel=1e-12)
    assert (why_high, why_low) == ("", "")
    assert np.isfinite(list(low.values())).all()


def test_no_profiles_and_no_samples_give_empty_records():
    for shape in ((0, 4), (0, 0), (3, 0)):
        nothing = np.zeros(shape)
        found = censored_slope(nothing, nothing, nothing > 0, 50.0, nothing > 0)
        assert all(getattr(found, field.name).shape == shape[:1] for field in fields(CensoredSlope))


def test_arrays_of_different_shapes_are_refused():
    table = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"profiles x samples of one shape, got \(2, 3\), \(2, 2\)"):
        censored_slope(table, table[:, :2], table > 0, 50.0, table > 0)
    with pytest.raises(ValueError, match="profiles x samples"):
        censored_slope(table[0], table[0], table[0] > 0, 50.0, table[0] > 0)
    with pytest.raises(ValueError, match=r"limit must be one number or of shape \(2, 3\), got \(5, 2, 3\)"):
        censored_slope(table, table, table > 0, np.ones((5, 2, 3)), table > 0)


def test_arguments_are_not_changed():
    time, value = np.array([[14.0, 21, 28, 60]]), np.array([[900.0, 380, 210, BELOW]])
    below, limit, where = value == 0, np.full((1, 4), 50.0), np.ones((1, 4), dtype=bool)
    before = [array.copy() for array in (time, value, below, limit, where)]
    censored_slope(time, value, below, limit, where)
    assert all(map(np.array_equal, (time, value, below, limit, where), before))
