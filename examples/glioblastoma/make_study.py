"""Turn the published table of the glioblastoma CAR-T trial into a study folder for cart7.

python examples/glioblastoma/make_study.py FOLDER
cart7 report FOLDER --out FOLDER/report
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

SOURCE = Path(__file__).parent / "gbm_bivalent_cart_phase1.csv"
DAYS_PER_MONTH = 30.4375


def study_tables() -> dict[str, pd.DataFrame]:
    """The tables `subjects` and `responses`; vital status is not published, so there is no `events`."""
    patients = pd.read_csv(SOURCE, float_precision="round_trip", dtype={"subject_id": str})
    progressed = patients["pfs_event"] == 1
    pfs_day = patients["pfs_months"] * DAYS_PER_MONTH
    subjects = pd.DataFrame(
        {
            "study_id": "GBM-BIVALENT-CART",
            "subject_id": patients["subject_id"],
            "disease": "GLIOBLASTOMA",
            "dose_level": patients["dose_level"],
            "infused": "Y",
        }
    )
    assessed = pd.DataFrame(
        {
            "subject_id": patients["subject_id"],
            "visit": "UNS",
            "day": np.where(progressed, pfs_day / 2, pfs_day),
            "overall_response": np.where(patients["responder_source"], "PR", "NR"),
        }
    )
    progression = assessed[progressed].assign(day=pfs_day[progressed], overall_response="PD")
    return {"subjects": subjects, "responses": pd.concat([assessed, progression])}


def write_study(folder: Path) -> Path:
    """Write the tables as CSV; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in study_tables().items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(write_study(Path(sys.argv[1])))
