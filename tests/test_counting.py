"""Counting subjects at their worst grade: cells, groups that overlap, and sorting by digits."""

import numpy as np
import pytest

from cart7.stats import counting


def some_records(n=400, n_rows=6, n_subjects=9, seed=7):
    rng = np.random.default_rng(seed)
    grade = rng.choice([np.nan, 0, 1, 2, 3, 4, 5], n)
    day = np.where(rng.random(n) < 0.3, np.nan, rng.integers(0, 50, n))
    return rng.integers(0, n_rows, n), rng.integers(0, n_subjects, n), grade, day


def by_walking(row, subject, grade, day):
    """Records, worst known grade and first day of each subject and row, one record at a time."""
    cells = {}
    for r, s, g, d in zip(row, subject, grade, day, strict=True):
        n, worst, first = cells.get((s, r), (0, 0, np.inf))
        known = int(g) if 1 <= g <= 5 else 0
        cells[s, r] = (n + 1, max(worst, known), first if np.isnan(d) else min(first, d))
    return cells


def as_mapping(cells):
    first = np.where(np.isnan(cells.first), np.inf, cells.first)
    columns = (cells.n_records, cells.worst, first)
    return dict(zip(zip(cells.subject, cells.row, strict=True), zip(*columns, strict=True), strict=True))


def test_cells_equal_walking_along_the_records_and_stand_by_subject_and_row():
    records = some_records()
    cells = counting.cells(records[0], records[1], grade=records[2], day=records[3])
    assert as_mapping(cells) == by_walking(*records)
    assert list(as_mapping(cells)) == sorted(as_mapping(cells))


def test_coarser_rows_have_the_cells_that_counting_them_at_once_gives():
    row, subject, grade, day = some_records()
    holder = np.array([0, 0, 1, 2, 2, 2])
    merged = counting.coarser(counting.cells(row, subject, grade=grade, day=day), holder)
    assert as_mapping(merged) == by_walking(holder[row], subject, grade, day)


def test_rows_whose_holders_fall_are_refused():
    cells = counting.cells([0, 1], [0, 0], grade=[1, 1], day=[0, 0])
    with pytest.raises(ValueError, match="holder must not fall"):
        counting.coarser(cells, [1, 0])


def test_groups_may_overlap_and_may_have_nobody():
    row, subject, grade, day = some_records()
    members = np.zeros((5, 9), dtype=bool)
    members[0, :4], members[1, 2:7], members[2], members[4, 0] = True, True, True, True
    counts = counting.count(counting.cells(row, subject, grade=grade, day=day), members, 8)
    walked = by_walking(row, subject, grade, day)
    for group, member in enumerate(members):
        for r in range(8):
            mine = [cell for (s, other), cell in walked.items() if other == r and member[s]]
            assert counts.n_subjects[r, group] == len(mine)
            assert counts.n_records[r, group] == sum(n for n, _, _ in mine)
            for worst in range(6):
                assert counts.at_grade[r, group, worst] == sum(grade == worst for _, grade, _ in mine)


def test_no_record_and_nobody_count_nothing():
    none = counting.cells([], [], grade=[], day=[])
    for members in (np.zeros((1, 0)), np.ones((2, 3))):
        counts = counting.count(none, members, 2)
        assert counts.n_subjects.tolist() == [[0] * len(members)] * 2
        assert counts.at_grade.shape == (2, len(members), 6)
    assert counting.coarser(none, [0, 0]).row.size == 0


@pytest.mark.parametrize("highest", [3, 2**16 - 1, 2**16, 2**33, 2**47, 2**60])
@pytest.mark.parametrize("n", [50, 70_000])
def test_sorting_by_digits_gives_the_stable_order(highest, n):
    key = np.random.default_rng(3).integers(0, highest, n, endpoint=True)
    assert (counting.order_of(key) == np.argsort(key, kind="stable")).all()


@pytest.mark.parametrize("size", [40, 10**9])
def test_keys_are_numbered_in_ascending_order(size):
    key = np.random.default_rng(3).integers(0, 40, 30)
    number, different = counting.numbered(key, size)
    assert different.tolist() == sorted(set(key.tolist()))
    assert (different[number] == key).all()


@pytest.mark.parametrize("scale", [1, 2**12, 2**30, 2**45])
def test_cells_without_days_are_those_with_days_whatever_the_size_of_the_numbers(scale):
    row, subject, grade, day = some_records()
    plain = counting.cells(row, subject * scale, grade=grade)
    dated = counting.cells(row, subject * scale, grade=grade, day=day)
    for name in ("row", "subject", "n_records", "worst"):
        assert getattr(plain, name).tolist() == getattr(dated, name).tolist()
        assert getattr(plain, name).dtype == getattr(dated, name).dtype == np.int64
    assert plain.first is None
    assert counting.coarser(plain, [0] * 6).first is None
    assert counting.together([plain, dated]).first is None


def test_a_time_to_the_first_event_needs_the_days():
    with pytest.raises(ValueError, match="must have the days"):
        counting.time_to_first(counting.cells([0], [0], grade=[1]), [[True]], 1, start=[0], end=[9])
