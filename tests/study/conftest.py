"""The example study, read and analysed once."""

from pathlib import Path

import pytest

import cart7

EXPECTED = Path(__file__).parents[1] / "data" / "example_study" / "expected"


@pytest.fixture(scope="session")
def study():
    return cart7.example_study()


@pytest.fixture(scope="session")
def trial(study):
    return cart7.analyse(study, cart7.read_plan("example"))
