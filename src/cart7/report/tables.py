"""All tables of the page by name, as texts in rows: the page, Word and RTF print the same ones.

Here: the list. Not here: the layouts (`tables_study`, `tables_safety`, `tables_courses`, `tables_cells`,
`tables_efficacy`, `tables_dose`), and the cells (`cells`).
"""

from cart7.report import (
    tables_cells,
    tables_courses,
    tables_dose,
    tables_efficacy,
    tables_safety,
    tables_study,
)
from cart7.report.cells import Groups, Row, Table, groups_of

__all__ = [
    "Groups",
    "Row",
    "Table",
    "groups_of",
    "tables_cells",
    "tables_courses",
    "tables_dose",
    "tables_efficacy",
    "tables_safety",
    "tables_study",
]
