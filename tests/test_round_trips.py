"""A study, its hard numbers and its labels go through another format and back without a change."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cart7 import cdisc, files
from cart7.examples import STUDY_FOLDER
from cart7.records import TABLES
from cart7.study import read_study

DATA = Path(__file__).parent / "data"


def as_read(path, table):
    """A table of the study, numbers and dates by the schema; a date that is not complete stays text."""
    schema = TABLES[table].columns
    names = [name for name in files.read_file(path, name=table).cells.columns if name in schema]
    numbers = tuple(name for name in names if schema[name].kind in ("int", "float"))
    return cdisc.read_table(path, rules=cdisc.TableRules(numbers=numbers))


def assert_equal_to_the_bit(one, other):
    assert list(one.columns) == list(other.columns)
    for name in one.columns:
        left, right = one[name], other[name]
        if pd.api.types.is_numeric_dtype(left):
            bits = [side.to_numpy(dtype="float64", na_value=np.nan).view("int64") for side in (left, right)]
            missing = [side.isna().to_numpy() for side in (left, right)]
            assert (missing[0] == missing[1]).all(), name
            assert (bits[0][~missing[0]] == bits[1][~missing[0]]).all(), name
        else:
            blank = [side.fillna("").astype(str).tolist() for side in (left, right)]
            assert blank[0] == blank[1], name


@pytest.mark.parametrize("suffix", [".xpt", ".json"])
def test_a_study_in_another_format_is_the_same_study(suffix, tmp_path):
    for table in TABLES:
        cdisc.write_table(
            as_read(STUDY_FOLDER / f"{table}.csv", table), tmp_path / f"{table}{suffix}", xpt_version=8
        )
    own, other = read_study(STUDY_FOLDER), read_study(tmp_path)
    assert other.problems.empty
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(own, table), getattr(other, table))


def test_hard_numbers_survive_a_transport_file_and_dataset_json(tmp_path):
    rng = np.random.default_rng(20260101)
    numbers = [0.1, 0.30000000000000004, 1 / 3, -1e-70, 5e74, 2.0**53, 123456789.123456789, -0.0, np.nan]
    numbers += list(rng.normal(size=200) * 10.0 ** rng.integers(-60, 60, 200))
    frame = pd.DataFrame({"AVAL": numbers})
    for suffix in (".xpt", ".json", ".ndjson", ".csv"):
        path = tmp_path / f"adpc{suffix}"
        cdisc.write_table(cdisc.Table(frame=frame, name="ADPC"), path)
        read = cdisc.read_table(path, rules=cdisc.TableRules(numbers=("AVAL",))).frame["AVAL"]
        assert read.isna().tolist() == [number != number for number in numbers]
        assert read.dropna().tolist() == [number for number in numbers if number == number], suffix


@pytest.mark.parametrize("path", sorted((DATA / "example_adam").glob("*.xpt")), ids=lambda path: path.stem)
def test_a_transport_file_comes_back_with_its_labels(path, tmp_path):
    before = cdisc.read_table(path)
    for suffix in (".xpt", ".json"):
        cdisc.write_table(before, tmp_path / f"{path.stem}{suffix}")
        after = cdisc.read_table(tmp_path / f"{path.stem}{suffix}")
        assert_equal_to_the_bit(before.frame, after.frame)
        assert (after.labels, after.name) == (before.labels, before.name)
