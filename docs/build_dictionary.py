"""Write docs/data-dictionary.md from the records, the single source of the schema."""

from pathlib import Path

from cart7 import records

HEAD = """# Data dictionary

The tables of a study, one CSV file each (`subjects.csv`, `kinetics.csv`, ...). Only `subjects` with
`subject_id` is required; every other table is optional, and inside a table only the columns that an
endpoint needs. `day` counts days since the first infusion, the infusion day is 0. A blank cell is missing.

This page is made from the records of `cart7.records` by `python docs/build_dictionary.py`.
"""


def page() -> str:
    """The page as Markdown."""
    columns = records.data_dictionary()
    parts = [HEAD]
    for name, table in records.TABLES.items():
        summary = (table.model.__doc__ or "").strip()
        parts += [f"## {name}", "", f"{summary} Key: {', '.join(f'`{part}`' for part in table.key)}.", "",
                  "| column | type | unit | allowed values | description |", "|---|---|---|---|---|"]  # fmt: skip
        for row in columns[columns["table"] == name].itertuples():
            cells = (f"`{row.column}`", row.type, row.unit, row.allowed_values, row.description)
            parts.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "data-dictionary.md").write_text(page(), encoding="utf-8")
