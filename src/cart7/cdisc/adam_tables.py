"""The tables of a study that was read from ADaM data sets, as a folder of CSV tables.

Here: what a report can be made from and verified against, and the findings of the reading beside it. Not
here: the reading (`adam_reading`).
"""

from pathlib import Path

from cart7.records import TABLES
from cart7.study import Study

FINDINGS = "adam-problems.csv"
"""Beside the tables: what was found on the way from the data sets."""


def write_tables(study: Study, folder: str | Path) -> Path:
    """Write the tables of a study as CSV, and its findings beside them.

    Parameters
    ----------
    study : Study
    folder : str or Path
        Is made when it is missing.

    Returns
    -------
    Path
        The folder: `cart7.read_study` reads the same study from it.

    Examples
    --------
    >>> import tempfile
    >>> from cart7.examples import example_study
    >>> from cart7.study import read_study
    >>> len(read_study(write_tables(example_study(), tempfile.mkdtemp())).kinetics)
    215
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        table, path = getattr(study, name), place / f"{name}.csv"
        if table is not None:
            path.write_text(table.to_csv(index=False, lineterminator="\n"), encoding="utf-8", newline="")
        elif path.exists():
            path.unlink()
    found = study.problems.to_csv(index=False, lineterminator="\n")
    (place / FINDINGS).write_text(found, encoding="utf-8", newline="")
    return place
