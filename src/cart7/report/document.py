"""The report as a file: one self-contained HTML page, and its tables for Word and RTF.

Here: rendering of the sections and writing of the files. Not here: what stands in them (`sections`),
and any number. The same analysis gives the same bytes: no date, no path, no address is written.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cart7._version import __version__
from cart7.report import canvas
from cart7.report.cells import Table
from cart7.report.sections import Block, Explained, Figure, page_facts, sections
from cart7.report.words import printable

FORMATS = ("html", "rtf", "docx")


def write(analysis: Any, out_dir: str | Path, formats: Sequence[str] = ("html",)) -> dict[str, Path]:
    """Write the pages of an analysis into a folder.

    Parameters
    ----------
    analysis : Analysis
        What `cart7.analyse` returns.
    out_dir : str or Path
        Folder; made when missing.
    formats : sequence of str
        Among `html`, `rtf`, `docx`; the last two hold the tables only, and docx needs the extra `report`.

    Returns
    -------
    dict of str to Path
        `report.html`, `report.rtf`, `report.docx`, by format.

    Raises
    ------
    ValueError
        For an unknown format, or one whose package is not installed.
    """
    asked = (formats,) if isinstance(formats, str) else tuple(formats)
    unknown = [name for name in asked if name not in FORMATS]
    if unknown:
        raise ValueError(f"formats must be among {', '.join(FORMATS)}; got {', '.join(map(repr, unknown))}")
    made: dict[str, Callable[[], bytes]] = {
        "html": lambda: render_html(analysis).encode("utf-8"),
        "rtf": lambda: _word("rtf", analysis),
        "docx": lambda: _word("docx", analysis),
    }
    # Everything is made before anything is written: a format that fails leaves no half a report.
    contents = {name: made[name]() for name in dict.fromkeys(asked)}
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"report.{name}" for name in contents}
    for name, path in paths.items():
        path.write_bytes(contents[name])
    return paths


def render_html(analysis: Any) -> str:
    """The whole report as one HTML page that loads nothing from anywhere.

    Parameters
    ----------
    analysis : Analysis
        What `cart7.analyse` returns.

    Returns
    -------
    str
    """
    page = {"study_id": str(analysis.study_id), "facts": page_facts(analysis)}
    counter = {"Table": 0, "Figure": 0}
    with canvas.house_style():
        parts = [
            {"name": part.name, "title": part.title, "words": part.words,
             "blocks": [_printable(block, counter) for block in part.blocks]}
            for part in sections(analysis)
        ]  # fmt: skip
    html: str = _template().render(page=page | {"sections": parts}, version=__version__)
    return "\n".join(line.rstrip() for line in printable(html).splitlines() if line.strip()) + "\n"


@functools.cache
def _template() -> Any:
    import jinja2

    shelf = jinja2.Environment(loader=jinja2.PackageLoader("cart7.report"), autoescape=True,
                               undefined=jinja2.StrictUndefined)  # fmt: skip
    return shelf.get_template("report.html.j2")


def _printable(block: Block, counter: dict[str, int]) -> dict[str, Any]:
    """A block as the template reads it; figures are drawn here, tables and figures get their number."""
    kinds = {"is_table": isinstance(block, Table), "is_figure": isinstance(block, Figure),
             "is_explained": isinstance(block, Explained)}  # fmt: skip
    if isinstance(block, Table):
        counter["Table"] += 1
        return {name: getattr(block, name) for name in Table.__slots__} | kinds | {
            "number": f"Table {counter['Table']}. ", "is_wide": _is_wide(block)
        }  # fmt: skip
    if isinstance(block, Figure):
        counter["Figure"] += 1
        return kinds | {
            "name": block.name, "title": block.title, "caption": block.caption,
            "number": f"Figure {counter['Figure']}. ", "svg": _drawn(block, counter["Figure"]),
        }  # fmt: skip
    return asdict(block) | kinds


def _is_wide(table: Table) -> bool:
    """Whether the longest texts of the columns fill the page, so that a smaller letter is kinder."""
    rows = [row.cells for row in table.rows if len(row.cells) == len(table.columns)]
    return sum(max((len(row[place]) for row in rows), default=0) for place in range(len(table.columns))) > 95


def _drawn(figure: Figure, number: int) -> Any:
    from markupsafe import Markup

    # The one text that is not escaped again: matplotlib has escaped what it wrote into the drawing.
    return Markup(canvas.svg_text(figure.draw(), name=f"f{number}", title=f"{figure.title} {figure.caption}"))


def _word(name: str, analysis: Any) -> bytes:
    """The tables of the page as a Word or RTF file."""
    from cart7.report import word

    make = {"rtf": word.rtf, "docx": word.docx}[name]
    try:
        return make(str(analysis.study_id), page_facts(analysis), sections(analysis))
    except ModuleNotFoundError as missing:
        raise ValueError(
            f"formats: {name} needs the package {missing.name}; install cart7[report], or ask for html"
        ) from missing
