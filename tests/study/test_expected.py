"""Every number of the example study's expected files comes out of the analysis under its plan.

The comparisons are those that ship with cart7 (`validation.areas.whole_study`): counts and words exactly, other
numbers to 1e-9 relative. Here they are read one by one, on the analysis that the other tests of the study use.
"""

import pytest
from tests.study.conftest import EXPECTED

from cart7.validation import bench, catalogue
from cart7.validation.checks import CHECKS, run_check

bench.area_modules()
NAMES = [name for name in CHECKS if name.startswith("whole_study.")]


@pytest.fixture(scope="module")
def tables():
    """Names of the reference files that the comparisons read."""
    return set()


@pytest.fixture(scope="module")
def found(trial, tables):
    class Watched(bench.Bench):
        def table(self, name, **options):
            tables.add(name)
            return super().table(name, **options)

    place = Watched(bench.reference_folder(), analyse=lambda study, plan: trial)
    return {name: run_check(name, place, catalogue.exceptions().get(name, {})) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_the_expected_numbers_come_out(name, found):
    assert found[name].passed, (found[name].error, found[name].differences)


def test_every_expected_file_is_compared(found, tables, capsys):
    files = {f"example_study/expected/{path.name}" for path in EXPECTED.glob("*.csv")}
    assert len(files) == 22
    assert tables == files
    compared = sum(one.compared for one in found.values())
    equal = sum(one.equal for one in found.values())
    assert equal >= 4783
    assert compared - equal == 8  # limits at S = 1 that the file leaves out: 4 cells, in two of our tables
    with capsys.disabled():
        print(f"\nexample study: {compared} values of {len(files)} expected files compared, {equal} equal")
