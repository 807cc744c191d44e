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
    """The tables `subjects`, `events` and `responses`."""
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
    progression = pd.DataFrame(
        {"subject_id": patients["subject_id"], "event": "PROGRESSION", "day": pfs_day, "detail": ""}
    )[progressed]
    contact = pd.DataFrame(
        {
            "subject_id": patients["subject_id"],
            "event": "LAST_CONTACT",
            "day": patients[["os_months", "pfs_months"]].max(axis=1) * DAYS_PER_MONTH,
            "detail": "VITAL STATUS NOT PUBLISHED",
        }
    )
    responses = pd.DataFrame(
        {
            "subject_id": patients["subject_id"],
            "visit": "UNS",
            "day": np.where(progressed, pfs_day / 2, pfs_day),
            "overall_response": np.where(patients["responder_source"], "PR", "NR"),
        }
    )
    return {"subjects": subjects, "events": pd.concat([progression, contact]), "responses": responses}


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
