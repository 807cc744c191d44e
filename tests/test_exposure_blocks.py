"""Many profiles are computed in blocks; where a block ends leaves no trace in any number."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from cart7.stats import exposure, profiles
from cart7.stats.exposure import Choices

N = 23
CHOICES = [
    Choices(windows=((0.0, 28.0), (7.0, 21.0), (30.0, 90.5))),
    Choices(auc_method="lin-log", tail="phoenix", duplicates="geo-mean", blq_middle="half-lloq"),
    Choices(start="require-sample", duplicates="first", blq_first="drop", visit_tolerance=4.0),
]


def samples():
    """Profiles of 0 to 9 samples: predose, repeated times, results below the limit, missing ones, faults."""
    rng = np.random.default_rng(20240607)
    days = np.sort(rng.integers(-3, 60, (N, 9)).astype(float), axis=1)
    values = np.exp(rng.normal(6, 2, (N, 9)))
    values[rng.random((N, 9)) < 0.1] = np.nan
    below = rng.random((N, 9)) < 0.2
    values[4, 3], values[17, 5] = -3.0, np.inf
    absent = np.arange(9) >= rng.integers(0, 10, N)[:, None]
    days[absent], values[absent], below[absent] = np.nan, np.nan, False
    return days, values, below


def same(one, other, path="record"):
    """Equal bit by bit, in shape, kind and whether it can be written to, through every nested record."""
    if is_dataclass(one):
        for field in fields(one):
            same(getattr(one, field.name), getattr(other, field.name), f"{path}.{field.name}")
    elif isinstance(one, tuple):
        assert len(one) == len(other), path
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            same(left, right, f"{path}[{place}]")
    else:
        assert (one.dtype, one.shape) == (other.dtype, other.shape), path
        assert one.tobytes() == other.tobytes(), path
        assert one.flags.writeable == other.flags.writeable, path


@pytest.fixture(params=[1, 2, 7, N - 1, N])
def block(request, monkeypatch):
    """Analyse in blocks of so many profiles."""

    def in_blocks(work):
        with monkeypatch.context() as patch:
            patch.setattr(profiles, "BLOCK", request.param)
            return work()

    return in_blocks


@pytest.mark.parametrize("choices", CHOICES)
@pytest.mark.parametrize("lloq", [50.0, np.linspace(10.0, 400.0, 9), np.linspace(10.0, 400.0, N)[:, None]])
def test_several_blocks_are_one_block_bit_by_bit(block, choices, lloq):
    days, values, below = samples()

    def examined():
        return exposure.examine(days, values, below, lloq=lloq, choices=choices)

    whole = examined()
    assert whole.samples.fate.shape == days.shape
    assert len(set(whole.parameters.note.tolist())) >= 4
    same(whole, block(examined))


def test_parameters_and_time_above_are_the_same_in_blocks(block):
    days, values, below = samples()
    for work in (
        lambda: exposure.nca(days, values, below, duplicates="mean"),
        lambda: exposure.time_above(days, values, lloq=50.0, thresholds=[60, 900]),
    ):
        same(work(), block(work))


def test_parameters_joined_from_blocks_cannot_be_changed(block):
    found = block(lambda: exposure.nca(*samples()))
    with pytest.raises(ValueError, match="read-only"):
        found.cmax[0] = 1


def test_a_fault_of_the_arrays_in_a_later_block_is_still_refused(block):
    days, values, below = samples()
    days[-1, :2], values[-1, :2] = (9.0, 3.0), 100.0
    with pytest.raises(ValueError, match="time must increase within each profile"):
        block(lambda: exposure.nca(days, values, below))


def test_no_profiles_are_one_empty_block(block):
    found = block(lambda: exposure.examine(np.empty((0, 4)), np.empty((0, 4)), choices=Choices()))
    assert (found.parameters.cmax.shape, found.samples.fate.shape) == ((0,), (0, 4))
