"""The tables of the page as a Word document and as RTF.

Here: the same texts in the same order, without figures. Not here: what stands in the tables.
"""

import io
from collections.abc import Sequence
from typing import Any

from cart7.report.cells import Row, Table
from cart7.report.sections import Explained, Notice, Section
from cart7.report.words import printable

CAUTION = "For research and informational use, not medical advice."
TEXT_WIDTH_MM = 267
FIXED_DATE = (2000, 1, 1, 0, 0, 0)


def docx(study_id: str, facts: Sequence[tuple[str, str]], parts: Sequence[Section]) -> bytes:
    """A Word document: headings, sentences and tables; the same bytes for the same report."""
    from docx import Document
    from docx.shared import Mm, Pt

    document = Document()
    for section in document.sections:
        section.page_width, section.page_height = Mm(297), Mm(210)
        section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Mm(15)
    document.styles["Normal"].font.size = Pt(9)
    document.styles["Normal"].font.name = "Arial"
    document.add_heading(printable(study_id), level=0)
    document.add_paragraph(printable("; ".join(f"{name}: {text}" for name, text in facts)))
    document.add_paragraph(CAUTION)
    for number, part in enumerate(parts, start=1):
        document.add_heading(printable(f"{number} {part.title}"), level=1)
        if part.words:
            document.add_paragraph(printable(part.words))
        for block in part.blocks:
            if isinstance(block, Table):
                _word_table(document, block)
            elif isinstance(block, Notice):
                document.add_paragraph(printable(f"{block.title} {block.text}"))
            elif isinstance(block, Explained):
                document.add_heading(printable(block.title), level=2)
                for line in block.lines:
                    document.add_paragraph(printable(line))
    return _same_bytes(document)


def _word_table(document: Any, table: Table) -> None:
    document.add_heading(printable(table.title), level=2)
    if table.population:
        document.add_paragraph(printable(table.population))
    if not table.rows:
        document.add_paragraph(printable(table.empty))
    else:
        _word_grid(document, table)
    for text in (table.method, *table.notes):
        if text:
            document.add_paragraph(printable(text))


def _word_grid(document: Any, table: Table) -> None:
    from docx.oxml import OxmlElement

    widths = _column_widths(table)
    grid = document.add_table(rows=1 + len(table.rows), cols=len(table.columns), style="Table Grid")
    grid.autofit = False
    for column, width in zip(grid.columns, widths, strict=True):
        column.width = width
    lines = [Row(cells=table.columns, kind="head"), *table.rows]
    for line, row in zip(grid.rows, lines, strict=True):
        if len(row.cells) == 1 < len(widths):
            merged = line.cells[0].merge(line.cells[-1])
            merged._tc.clear_content()
            merged.add_paragraph()
            _fill(merged, row.cells[0], bold=True, words=True)
            continue
        cells = line.cells
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            cell.width = width
            words = place == 0 or place in table.words
            _fill(
                cell,
                _indented(row, row.cells[place], place == 0),
                bold=row.kind in ("head", "total", "soc"),
                words=words,
            )
    # The header row stands again on every page.
    grid.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))


def _column_widths(table: Table) -> list[Any]:
    """Widths after the longest line of each column, together the width of the text."""
    from docx.shared import Mm

    rows = [row.cells for row in table.rows if len(row.cells) == len(table.columns)]
    longest = [
        max(len(line) for text in (head, *(row[place] for row in rows)) for line in text.split("\n"))
        for place, head in enumerate(table.columns)
    ]
    shares = [min(max(n, 5), 45) + 3 for n in longest]
    wanted = [1.65 * share for share in shares]
    scale = min(1.0, TEXT_WIDTH_MM / sum(wanted))
    return [Mm(scale * width) for width in wanted]


def _fill(cell: Any, text: str, *, bold: bool, words: bool) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    paragraph = cell.paragraphs[0]
    paragraph.alignment = WD_ALIGN_PARAGRAPH.LEFT if words else WD_ALIGN_PARAGRAPH.RIGHT
    paragraph.paragraph_format.space_after = Pt(0)
    run = paragraph.add_run(printable(text))
    run.bold = bold
    run.font.size = Pt(7.5)


def _indented(row: Row, text: str, first: bool) -> str:
    return f"    {text.strip()}" if first and row.kind == "sub" else text


def _same_bytes(document: Any) -> bytes:
    """Saved without the time of saving."""
    import datetime
    import zipfile

    long_ago = datetime.datetime(*FIXED_DATE)
    properties = document.core_properties
    properties.created = properties.modified = long_ago
    properties.author = properties.last_modified_by = "cart7"
    first, second = io.BytesIO(), io.BytesIO()
    document.save(first)
    with zipfile.ZipFile(first) as source, zipfile.ZipFile(second, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            entry = zipfile.ZipInfo(name, date_time=FIXED_DATE)
            target.writestr(entry, source.read(name), compress_type=zipfile.ZIP_DEFLATED)
    return second.getvalue()


def rtf(study_id: str, facts: Sequence[tuple[str, str]], parts: Sequence[Section]) -> bytes:
    """An RTF document of all tables, one after the other."""
    pages = [_opening(study_id, facts)]
    for number, part in enumerate(parts, start=1):
        pages.append(_paragraph(f"{number} {part.title}", size=28, bold=True, before=360))
        if part.words:
            pages.append(_paragraph(part.words))
        for block in part.blocks:
            if isinstance(block, Table):
                pages.append(_rtf_table(block))
            elif isinstance(block, Notice):
                pages.append(_paragraph(f"{block.title} {block.text}"))
            elif isinstance(block, Explained):
                pages += [_paragraph(block.title, bold=True), *(_paragraph(line) for line in block.lines)]
    return ("".join(pages) + "}").encode("ascii")


# A4 landscape in twips, and its text width.
WIDTH, HEIGHT, MARGIN = 16838, 11906, 850


def _opening(study_id: str, facts: Sequence[tuple[str, str]]) -> str:
    head = (
        r"{\rtf1\ansi\deff0{\fonttbl{\f0\fswiss Arial;}}"
        rf"\landscape\paperw{WIDTH}\paperh{HEIGHT}\margl{MARGIN}\margr{MARGIN}\margt{MARGIN}\margb{MARGIN}"
        + "\n"
    )
    counts = "; ".join(f"{name}: {text}" for name, text in facts)
    return head + _paragraph(study_id, size=36, bold=True) + _paragraph(counts) + _paragraph(CAUTION)


def _escape(text: str) -> str:
    """Text with RTF's own signs escaped and everything outside ASCII as Unicode escapes."""
    out = []
    for sign in text:
        if sign in "\\{}":
            out.append("\\" + sign)
        elif sign == "\n":
            out.append(r"\line ")
        elif ord(sign) < 128:
            out.append(sign if ord(sign) >= 32 else " ")
        else:
            units = sign.encode("utf-16-le")
            for place in range(0, len(units), 2):
                unit = int.from_bytes(units[place : place + 2], "little")
                out.append(f"\\u{unit - 65536 if unit > 32767 else unit}?")
    return "".join(out)


def _paragraph(text: str, *, size: int = 18, bold: bool = False, before: int = 60) -> str:
    weight = r"\b" if bold else r"\b0"
    return rf"\pard\sb{before}\fs{size}{weight} {_escape(text)}\b0\par" + "\n"


def _rtf_table(table: Table) -> str:
    lines = [_paragraph(table.title, bold=True, size=20, before=240)]
    if table.population:
        lines.append(_paragraph(table.population))
    if table.rows:
        lines.append(_rtf_row(table.columns, table, bold=True, header=True))
        for row in table.rows:
            texts = tuple(_indented(row, text, place == 0) for place, text in enumerate(row.cells))
            lines.append(_rtf_row(texts, table, bold=row.kind in ("head", "total", "soc")))
    else:
        lines.append(_paragraph(table.empty))
    lines += [_paragraph(text, size=16) for text in (table.method, *table.notes) if text]
    return "".join(lines)


def _rtf_row(texts: Sequence[str], table: Table, *, bold: bool, header: bool = False) -> str:
    """One row; a heading row has one cell over the whole width."""
    text_width = WIDTH - 2 * MARGIN
    n = len(texts)
    first = text_width if n == 1 else max(text_width // len(table.columns), text_width // 5)
    ends = [first + (text_width - first) * place // max(n - 1, 1) for place in range(n)]
    edges = r"\clbrdrb\brdrs\brdrw10" if header else ""
    opening = (
        r"\trowd\trgaph60" + (r"\trhdr" if header else "") + "".join(rf"{edges}\cellx{end}" for end in ends)
    )
    weight = r"\b" if bold else r"\b0"
    cells = []
    for place, text in enumerate(texts):
        side = r"\ql" if place == 0 or place in table.words else r"\qr"
        spaces = len(text) - len(text.lstrip())
        cells.append(rf"\pard\intbl{side}\li{60 * spaces}\fs15{weight} {_escape(text.strip())}\b0\cell")
    return opening + "".join(cells) + "\\row\n"
