"""The report of the reference suite as one self-contained, escaped HTML page."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cart7.validation import report

if TYPE_CHECKING:
    from jinja2 import Template

    from cart7.validation.report import ValidationReport


def render(found: "ValidationReport") -> str:
    """The page; the same report gives the same bytes."""
    page: str = _template().render(
        report=found,
        areas=report.by_area(found.verdicts),
        summary=found.summary.to_dict("records"),
        endpoints=found.endpoints(),
        disclaimer=report.DISCLAIMER,
        held=report.held,
        faults=report.faults,
    )
    return page


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    place = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(
        loader=place, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("validation.html.j2")
