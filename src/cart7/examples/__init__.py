"""The embedded example study: nine invented subjects in whom every awkward case occurs once (CC0).

Nobody is described: the tables are simulated and then hand-set. `plan.toml` beside them states the
conventions C1-C12 under which the study's published numbers were made.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cart7.study import Study

STUDY_FOLDER = Path(__file__).parent / "study"
"""Folder of the example study's CSV tables and its plan."""


def example_study() -> "Study":
    """Read the example study.

    Returns
    -------
    Study
        Ten enrolled, nine infused subjects at three dose levels.

    Examples
    --------
    >>> len(example_study().subjects)
    10
    """
    from cart7.study import read_study

    return read_study(STUDY_FOLDER)
