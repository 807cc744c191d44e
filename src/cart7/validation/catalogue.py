"""What cart7 has to get right, as data: requirements, the protocol's endpoints, and the named exceptions.

Here: reading `requirements.toml` and `exceptions.toml`, and the page that shows them. Not here: any check.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ENDPOINTS = (
    "DLT", "adverse events", "Cmax", "Tmax", "AUC0-28d", "CD7+ absolute by visit", "CD7+ percent by visit",
    "ORR at 3 months", "ORR at 6 months", "OS", "DOR", "PFS", "ADA positive rate", "RP2D",
    "reading, rounding and dates", "reproducibility",
)  # fmt: skip
"""What a protocol of a CAR-T phase I asks for, and what every endpoint rests on."""
SUPPORTING = "statistics"
"""A statistic that no endpoint of the protocol needs by name."""
RISKS = ("high", "medium", "low")
NEEDS = {
    "analyse": "the analysis of a whole study, which the command line hands over",
    "verify": "the verification of a manifest, which the command line hands over",
    "write_report": "the writer of reports, which the command line hands over",
    "pyreadstat": 'the package pyreadstat (pip install "cart7[io]")',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One area of the suite: its code, its title, and why it matters."""

    code: str
    title: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One thing that has to be right.

    Attributes
    ----------
    id : str
        Area code and number (`PK-001`).
    text : str
        The requirement.
    risk, why : str
        `high`, `medium` or `low`, and the reason.
    endpoints : tuple of str
        Endpoints of the protocol that rest on it.
    source, paper : str
        Whose numbers it is compared with, and the publication of the method.
    checks : tuple of str
        Names of its checks.
    needs : tuple of str
        What must be there for it to be checked.
    """

    id: str
    text: str
    risk: str
    why: str
    endpoints: tuple[str, ...]
    source: str
    paper: str
    checks: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def area(self) -> str:
        """Code of its area."""
        return self.id.partition("-")[0]


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


@cache
def areas() -> dict[str, Area]:
    """Areas by code, in the order of the report.

    Examples
    --------
    >>> areas()["PK"].title
    'Cellular kinetics'
    """
    return {item["code"]: Area(**item) for item in _read("requirements.toml")["area"]}


@cache
def requirements() -> tuple[Requirement, ...]:
    """Every requirement, in the order of the report.

    Examples
    --------
    >>> requirements()[0].id
    'IN-001'
    """
    found = []
    for item in _read("requirements.toml")["requirement"]:
        area = areas()[item["id"].partition("-")[0]]
        found.append(
            Requirement(
                id=item["id"], text=item["text"], risk=item["risk"], why=item.get("why", area.why),
                endpoints=tuple(item["endpoints"]), source=item["source"], paper=item.get("paper", ""),
                checks=tuple(item["checks"]), needs=tuple(item.get("needs", ())),
            )
        )  # fmt: skip
    return tuple(found)


@cache
def exceptions() -> dict[str, dict[str, tuple[str, int]]]:
    """Named exceptions of each check: id to reason and number of differences stated."""
    found: dict[str, dict[str, tuple[str, int]]] = {}
    for item in _read("exceptions.toml")["exception"]:
        found.setdefault(item["check"], {})[item["id"]] = (item["reason"], item["count"])
    return found


def gaps(checks: Sequence[str]) -> list[str]:
    """What does not fit together: requirements, checks, endpoints, exceptions; empty when all does.

    Parameters
    ----------
    checks : sequence of str
        Names of the checks that exist.

    Examples
    --------
    >>> gaps([])[0]
    'IN-001 names the check installation.reference_files, which does not exist'
    """
    known, listed = set(checks), requirements()
    named = [name for item in listed for name in item.checks]
    ids = [item.id for item in listed]
    found = [
        f"{item.id} names the check {name}, which does not exist"
        for item in listed
        for name in item.checks
        if name not in known
    ]
    found += [f"{item.id} has no check" for item in listed if not item.checks]
    found += [f"the check {name} belongs to no requirement" for name in sorted(known - set(named))]
    found += [f"{name} is used twice" for name in sorted({*_twice(ids), *_twice(named)})]
    covered = {name for item in listed for name in item.endpoints}
    found += [f"no requirement covers the endpoint {name}" for name in ENDPOINTS if name not in covered]
    found += [f"unknown endpoint {name}" for name in sorted(covered - {*ENDPOINTS, SUPPORTING})]
    found += [f"{item.id}: unknown risk {item.risk!r}" for item in listed if item.risk not in RISKS]
    found += [
        f"{item.id}: unknown need {name!r}" for item in listed for name in item.needs if name not in NEEDS
    ]
    found += [
        f"an exception is stated for {name}, which does not exist"
        for name in exceptions()
        if name not in known
    ]
    return found


def _twice(names: Sequence[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}


def page() -> str:
    """The page `docs/validation/requirements.md`."""
    listed, stated = requirements(), exceptions()
    lines = [
        "# Requirements",
        "",
        f"{len(listed)} requirements in {len(areas())} areas, each with at least one check that ships with",
        "cart7 and runs on your machine: `cart7 validate` ([how](../guides/validation.md),",
        "[what it is](index.md)). Made from",
        "`requirements.toml` and `exceptions.toml` in `src/cart7/validation` by `docs/build_validation.py`.",
        "",
        "## Endpoints of the protocol",
        "",
        "| endpoint | requirements |",
        "|---|---|",
    ]
    lines += [
        f"| {endpoint} | {', '.join(item.id for item in listed if endpoint in item.endpoints)} |"
        for endpoint in (*ENDPOINTS, SUPPORTING)
    ]
    for area in areas().values():
        lines += ["", f"## {area.title}", "", f"Why it matters: {area.why}.", ""]
        for item in listed:
            if item.area == area.code:
                lines += _entry(item, stated)
    return "\n".join(lines).rstrip() + "\n"


def _entry(item: Requirement, stated: dict[str, dict[str, tuple[str, int]]]) -> list[str]:
    lines = [
        f"### {item.id}", "", item.text, "",
        f"- risk: {item.risk}; {item.why}",
        f"- endpoints: {', '.join(item.endpoints)}",
        f"- compared with: {item.source}",
    ]  # fmt: skip
    if item.paper:
        lines.append(f"- method: {item.paper}")
    lines.append(f"- checks: {', '.join(f'`{name}`' for name in item.checks)}")
    if item.needs:
        lines.append(f"- needs: {'; '.join(NEEDS[name] for name in item.needs)}")
    for name in item.checks:
        for reason, count in stated.get(name, {}).values():
            lines.append(f"- {count} named exception{'' if count == 1 else 's'} in `{name}`: {reason}")
    return [*lines, ""]
