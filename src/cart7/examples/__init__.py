"""The embedded example study: nine invented subjects in whom every awkward case occurs once (CC0).

Nobody is described: the tables are simulated and then hand-set. `plan.toml` beside them states the
conventions C1-C12 under which the study's published numbers were made.
"""

from pathlib import Path

STUDY_FOLDER = Path(__file__).parent / "study"
"""Folder of the example study's CSV tables and its plan."""
