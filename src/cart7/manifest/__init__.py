"""What went in, under which rules and versions, and what came out; and whether it still does.

Here: the files beside the report (`results.csv`, `results.json`, `manifest.json`), `verify`, the
difference of two runs, and a check for test suites. Not here: the numbers (`analysis`) or the pages
(`report`). Parts: hashes (`contents`), files written (`writing`), a stranger's files read (`reading`),
`verification`, `differences`, and their words (`wording`).
"""

from cart7.manifest.contents import content_hash, plan_hash
from cart7.manifest.differences import Difference, compare_runs, difference
from cart7.manifest.reading import read_manifest, read_results
from cart7.manifest.verification import Verification, assert_reproduced, verify
from cart7.manifest.writing import (
    EXPORTS,
    SCHEMA,
    csv_bytes,
    describe,
    describe_inputs,
    results_csv,
    results_json,
    study_folder,
    write_report,
)

__all__ = [
    "EXPORTS", "SCHEMA", "Difference", "Verification", "assert_reproduced", "compare_runs", "content_hash",
    "csv_bytes", "describe", "describe_inputs", "difference", "plan_hash", "read_manifest", "read_results",
    "results_csv", "results_json", "study_folder", "verify", "write_report",
]  # fmt: skip
