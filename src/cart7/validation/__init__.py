"""Validation: the shipped reference suite on this installation, requirement by requirement.

Here: `validate`, which runs every check and says which requirement holds. The checks stand in `areas`,
the requirements in `requirements.toml`, expected differences in `exceptions.toml`. What knows a whole
study comes from above and is handed over. Supplier evidence for research use: no claim of compliance.
"""

import importlib.util
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cart7._version import versions
from cart7.errors import Cart7Error
from cart7.validation import catalogue
from cart7.validation.bench import Bench, area_modules, reference_folder
from cart7.validation.catalogue import NEEDS, Requirement, exceptions, requirements
from cart7.validation.checks import run_check
from cart7.validation.comparison import Comparison, Excused
from cart7.validation.report import ValidationReport, Verdict

__all__ = ["Comparison", "Excused", "Requirement", "ValidationReport", "Verdict", "requirements", "validate"]

HANDED_OVER = ("analyse", "verify", "write_report")


def validate(
    *,
    only: str | None = None,
    analyse: Callable[..., Any] | None = None,
    verify: Callable[..., Any] | None = None,
    write_report: Callable[..., Path] | None = None,
    progress: Callable[[str], None] | None = None,
) -> ValidationReport:
    """Run the reference suite that ships with cart7 on this installation.

    Parameters
    ----------
    only : str, optional
        Code of one area (`PK`), or one requirement (`PK-001`); everything by default.
    analyse, verify, write_report : callable, optional
        `cart7.analyse`, `cart7.verify` and `cart7.manifest.write_report`, for the requirements about a whole
        study; without them these are reported as not checked. `cart7 validate` hands them over.
    progress : callable, optional
        Called with the id of each requirement before it is checked.

    Returns
    -------
    ValidationReport
        `.passed`, `.summary`, `.to_frame()`, `.environment`, `.to_text()`, `.to_json()`, `.to_html()`.

    Raises
    ------
    Cart7Error
        When the reference files are not in this installation, or `only` is unknown.

    Examples
    --------
    >>> found = validate(only="PR-001")
    >>> found.passed, found.to_frame()[["compared", "equal"]].sum().tolist()
    (True, [1786, 1786])
    """
    chosen = _chosen(only)
    bench = Bench(reference_folder(), analyse=analyse, verify=verify, write_report=write_report)
    area_modules()
    verdicts = []
    for requirement in chosen:
        if progress is not None:
            progress(requirement.id)
        verdicts.append(_verdict(requirement, bench))
    environment = {"platform": platform.platform(), **versions(), **_optional_versions()}
    return ValidationReport(verdicts=tuple(verdicts), environment=environment, only=(only or "").upper())


def _chosen(only: str | None) -> list[Requirement]:
    """The requirements asked for."""
    if only is None:
        return list(requirements())
    wanted = only.upper()
    found = [item for item in requirements() if wanted in (item.area, item.id)]
    if not found:
        known = ", ".join(f"{area.code} ({area.title.lower()})" for area in catalogue.areas().values())
        raise Cart7Error(f"no area or requirement is called {only!r}; areas are {known}")
    return found


def _verdict(requirement: Requirement, bench: Bench) -> Verdict:
    lacking = [NEEDS[need] for need in requirement.needs if not _is_there(need, bench)]
    if lacking:
        return Verdict(requirement=requirement, missing="; ".join(lacking))
    found = [run_check(name, bench, exceptions().get(name, {})) for name in requirement.checks]
    return Verdict(requirement=requirement, comparisons=tuple(found))


def _is_there(need: str, bench: Bench) -> bool:
    if need in HANDED_OVER:
        return getattr(bench, need) is not None
    return importlib.util.find_spec(need) is not None


def _optional_versions() -> dict[str, str]:
    """Versions of optional packages that a check needs."""
    from importlib import metadata

    names = sorted({need for item in requirements() for need in item.needs} - set(HANDED_OVER))
    there = [name for name in names if importlib.util.find_spec(name) is not None]
    return {name: metadata.version(name) for name in there}
