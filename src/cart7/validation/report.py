"""The outcome of the suite, in the forms in which people and programs read it.

Here: the record, its text, JSON and page. Not here: running anything.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from cart7.validation.catalogue import ENDPOINTS, Requirement, areas
from cart7.validation.comparison import Comparison

SCHEMA = "cart7-validation/1"
PASSED, FAILED, NOT_CHECKED = "passed", "failed", "not checked"
COLUMNS = (
    "requirement",
    "area",
    "text",
    "risk",
    "why",
    "endpoints",
    "source",
    "paper",
    "check",
    "compared",
    "equal",
    "exceptions",
    "different",
    "largest_difference",
    "tolerance",
    "result",
    "note",
)
DISCLAIMER = (
    "Supplier evidence for research use, not medical advice. It shows what was compared on this "
    "installation; it is no claim of compliance with any regulation, and does not validate your process, "
    "data or plan."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One requirement with what its checks found.

    Attributes
    ----------
    requirement : Requirement
        What has to be right.
    comparisons : tuple of Comparison
        What each check compared; empty when it was not checked.
    missing : str
        What was needed and is not there; empty when it was checked.
    """

    requirement: Requirement
    comparisons: tuple[Comparison, ...] = ()
    missing: str = ""

    @property
    def result(self) -> str:
        """`passed`, `failed` or `not checked`."""
        if self.missing:
            return NOT_CHECKED
        good = bool(self.comparisons) and all(item.passed for item in self.comparisons)
        return PASSED if good else FAILED

    @property
    def compared(self) -> int:
        """Numbers and words compared."""
        return sum(item.compared for item in self.comparisons)

    @property
    def equal(self) -> int:
        """Those that are equal."""
        return sum(item.equal for item in self.comparisons)

    @property
    def excused(self) -> int:
        """Differences with a name and a reason."""
        return sum(excused.found for item in self.comparisons for excused in item.excused)


@dataclass(frozen=True, kw_only=True, eq=False)
class ValidationReport:
    """The reference suite on one installation: every requirement, its checks and their results.

    Attributes
    ----------
    verdicts : tuple of Verdict
        One per requirement, in the order of the requirements.
    environment : dict of str to str
        Python, platform, and versions of cart7 and of the packages it runs on.
    only : str
        The area asked for; empty for the whole suite.
    """

    verdicts: tuple[Verdict, ...] = field(repr=False)
    environment: dict[str, str] = field(repr=False)
    only: str = ""

    @property
    def passed(self) -> bool:
        """Something was checked and nothing failed; what was not checked is told by `n_not_checked`."""
        return self.count(PASSED) > 0 and self.count(FAILED) == 0

    @property
    def n_not_checked(self) -> int:
        """Requirements that could not be checked here."""
        return self.count(NOT_CHECKED)

    def count(self, result: str) -> int:
        """Requirements with a result."""
        return sum(verdict.result == result for verdict in self.verdicts)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per area: requirements, passed, failed, not checked, compared, equal, exceptions."""
        rows = []
        for area in areas().values():
            mine = [item for item in self.verdicts if item.requirement.area == area.code]
            if mine:
                results = [item.result for item in mine]
                rows.append(
                    [area.code, area.title, len(mine), results.count(PASSED), results.count(FAILED),
                     results.count(NOT_CHECKED), sum(item.compared for item in mine),
                     sum(item.equal for item in mine), sum(item.excused for item in mine)]
                )  # fmt: skip
        names = [
            "area",
            "title",
            "requirements",
            "passed",
            "failed",
            "not_checked",
            "compared",
            "equal",
            "exceptions",
        ]
        return pd.DataFrame(rows, columns=names)

    def endpoints(self) -> list[tuple[str, str, list[str]]]:
        """Each endpoint of the protocol, its result, and its requirements."""
        found = []
        for endpoint in ENDPOINTS:
            mine = [item for item in self.verdicts if endpoint in item.requirement.endpoints]
            results = {item.result for item in mine}
            worst = next((word for word in (FAILED, NOT_CHECKED, PASSED) if word in results), "")
            if mine:
                found.append((endpoint, worst, [item.requirement.id for item in mine]))
        return found

    def to_frame(self) -> pd.DataFrame:
        """One row per requirement and check; a requirement that was not checked has one row."""
        rows = []
        for verdict in self.verdicts:
            of = verdict.requirement
            head = [of.id, of.area, of.text, of.risk, of.why, "; ".join(of.endpoints), of.source, of.paper]
            if verdict.missing:
                rows.append([*head, "", 0, 0, 0, 0, math.nan, "", NOT_CHECKED, f"needs {verdict.missing}"])
            rows += [[*head, *_cells(item)] for item in verdict.comparisons]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def to_json(self) -> str:
        """The whole report as JSON, without NaN; the same installation gives the same text."""
        content = {
            "schema": SCHEMA, "passed": self.passed, "only": self.only, "environment": self.environment,
            "counts": {word.replace(" ", "_"): self.count(word) for word in (PASSED, FAILED, NOT_CHECKED)},
            "note": DISCLAIMER, "requirements": [_as_json(verdict) for verdict in self.verdicts],
        }  # fmt: skip
        return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2) + "\n"

    def to_html(self) -> str:
        """The report as one self-contained page."""
        from cart7.validation.page import render

        return render(self)

    def to_text(self) -> str:
        """The report as text for a terminal."""
        lines = [f"cart7 {self.environment['cart7']}: reference suite on this installation", ""]
        for area in areas().values():
            mine = [item for item in self.verdicts if item.requirement.area == area.code]
            if mine:
                lines += [area.title, *(line for verdict in mine for line in _text(verdict)), ""]
        lines.append("Endpoints of the protocol")
        lines += [f"  {word:<11} {name}: {', '.join(ids)}" for name, word, ids in self.endpoints()]
        lines += ["", "Environment", *(f"  {name} {value}" for name, value in self.environment.items()), ""]
        return "\n".join([*lines, self.verdict(), DISCLAIMER])

    def verdict(self) -> str:
        """One line: how many requirements passed, failed and were not checked, and on how many values."""
        compared, excused = sum(v.compared for v in self.verdicts), sum(v.excused for v in self.verdicts)
        equal = sum(verdict.equal for verdict in self.verdicts)
        return (
            f"{PASSED.upper() if self.passed else FAILED.upper()}: of {len(self.verdicts)} requirements "
            f"{self.count(PASSED)} passed, {self.count(FAILED)} failed, {self.n_not_checked} not checked; "
            f"{equal:,} of {compared:,} values equal, {excused:,} named exceptions"
        )

    def __repr__(self) -> str:
        """The verdict."""
        return f"<ValidationReport {self.verdict()}>"

    def _repr_html_(self) -> str:
        return str(self.summary.to_html(index=False, border=0))


def held(comparison: Comparison) -> str:
    """Largest difference and tolerance in words, the widest tolerance first."""
    if not comparison.held_to:
        return "exact"
    return "; ".join(f"{largest:.2g} (at most {rule})" for rule, largest in comparison.held_to)


def faults(comparison: Comparison) -> list[str]:
    """What is wrong, in lines; empty when the check passed."""
    lines = [comparison.error] if comparison.error else []
    lines += list(comparison.differences)
    unseen = comparison.n_different - len(comparison.differences)
    if unseen > 0:
        lines.append(f"and {unseen:,} more")
    lines += [
        f"{item.found} differences instead of the {item.expected} that are expected: {item.reason}"
        for item in comparison.excused
        if item.found != item.expected
    ]
    if not lines and not comparison.compared:
        lines.append("nothing was compared")
    return lines


def _cells(item: Comparison) -> list[Any]:
    note = "; ".join([*faults(item), *(f"{e.found} excepted: {e.reason}" for e in item.excused if e.found)])
    excepted = sum(excused.found for excused in item.excused)
    return [
        item.check, item.compared, item.equal, excepted, item.n_different, item.largest, item.tolerance,
        PASSED if item.passed else FAILED, note,
    ]  # fmt: skip


def _text(verdict: Verdict) -> list[str]:
    of = verdict.requirement
    lines = [f"  {verdict.result:<11} {of.id}  {of.text}  [risk {of.risk}]"]
    if verdict.missing:
        return [*lines, f"{'':15}needs {verdict.missing}"]
    for item in verdict.comparisons:
        lines.append(f"{'':15}{item.check}: {item.equal:,} of {item.compared:,} equal, {held(item)}")
        lines += [f"{'':17}! {line}" for line in faults(item)]
        lines += [f"{'':17}{e.found} named exceptions: {e.reason}" for e in item.excused if e.found]
    return [*lines, f"{'':15}compared with {of.source}"]


def _as_json(verdict: Verdict) -> dict[str, Any]:
    of = verdict.requirement
    return {
        "id": of.id, "text": of.text, "risk": of.risk, "why": of.why, "endpoints": list(of.endpoints),
        "source": of.source, "paper": of.paper, "result": verdict.result, "needs": verdict.missing,
        "checks": [
            {
                "check": item.check, "passed": item.passed, "compared": item.compared, "equal": item.equal,
                "different": item.n_different, "differences": list(item.differences), "error": item.error,
                "held_to": [
                    {"tolerance": rule, "largest": largest if math.isfinite(largest) else None}
                    for rule, largest in item.held_to
                ],
                "exceptions": [
                    {"id": e.exception, "reason": e.reason, "expected": e.expected, "found": e.found}
                    for e in item.excused
                ],
            }
            for item in verdict.comparisons
        ],
    }  # fmt: skip


def by_area(verdicts: Sequence[Verdict]) -> list[tuple[str, list[Verdict]]]:
    """Verdicts under the title of their area."""
    found = []
    for area in areas().values():
        mine = [item for item in verdicts if item.requirement.area == area.code]
        if mine:
            found.append((area.title, mine))
    return found
