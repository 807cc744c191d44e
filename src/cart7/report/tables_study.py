"""Tables of the study itself: what was read, who was analysed, the cells given, problems and rules.

Here: layouts of the accounting, the cell dose, the data problems, the plan and the versions.
Not here: any count, and tables of endpoints (`tables_safety`, `tables_cells`, `tables_efficacy`).
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cart7.report.cells import (
    Footnotes,
    Groups,
    Row,
    Table,
    count,
    flag,
    known,
    number,
    significant,
    word,
)
from cart7.report.words import ACCOUNTING, ATTRIBUTES, PLAN_ROOMS, POPULATIONS

PROBLEMS_SHOWN = 100
SEVERITIES = {
    "error": "row set aside",
    "warning": "used as it stands",
    "repair": "used with the new value",
}


def row_accounting(frame: pd.DataFrame) -> Table:
    """Rows read, used and set aside, by table."""
    rows = [
        Row(
            cells=(
                word(row["table"]),
                *(number(row[name]) for name in ("rows_in", "rows_used", "rows_set_aside")),
            )
        )
        for row in frame.to_dict("records")
    ]
    return Table(
        name="rows", title="Rows of the study's tables", columns=("Table", "Read", "Used", "Set aside"),
        rows=tuple(rows), empty="No table was read from a file.",
        notes=("A row is set aside when it holds an error; every finding is listed under data problems.",),
    )  # fmt: skip


def accounting(frame: pd.DataFrame, groups: Groups) -> Table:
    """Subjects by group: enrolled, infused, evaluable, and the events of their course."""
    found = {str(row["group"]): row for row in frame.to_dict("records")}
    denominators = {"n_not_infused": "n_enrolled", "n_infused": "n_enrolled", "n_deaths": "n_enrolled",
                    "n_dlt": "n_dlt_evaluable"}  # fmt: skip
    rows = []
    for name, words in ACCOUNTING.items():
        if name not in frame.columns:
            continue
        base = denominators.get(name, "n_infused")
        cells = []
        for label in groups.labels:
            row = found.get(label, {})
            # Transplants and new therapies of subjects who were not infused count here too.
            plain = name == "n_enrolled" or (known(row.get(name)) and row[name] > row.get(base, 0))
            value = row.get(name)
            cells.append(
                number(value, note="not collected") if plain else count(value, row.get(base), "not collected")
            )
        rows.append(Row(cells=(words, *cells), kind="total" if name in ("n_enrolled", "n_infused") else ""))
    notes = ["n (%). Infused, not infused and died (enrolled): of those enrolled; DLT: of those evaluable; "
             "the others: of those infused."]  # fmt: skip
    notes += [text for text in dict.fromkeys(word(row.get("note")) for row in found.values()) if text]
    return Table(
        name="accounting", title="From enrolment to infusion and after",
        columns=("Subjects", *groups.heads(sized=False)), rows=tuple(rows),
        population=POPULATIONS["ENROLLED"],
        method="Counts of subjects.", notes=tuple(notes),
    )  # fmt: skip


def cell_dose(result: Any, groups: Groups) -> Table:
    """Cells infused, one line per infusion, against the plan."""
    footnotes = Footnotes()
    rows = []
    for row in _in_order(result.subjects, groups):
        note = row.get("note", "")
        rows.append(
            Row(
                cells=(
                    str(row["subject_id"]),
                    groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                    number(row["infusion_no"]),
                    number(row["n_bags"]),
                    number(row["volume_ml"], 1, note, footnotes),
                    number(row["viable_car_pos_1e6"], 1, note, footnotes),
                    number(row["weight_kg"], 1, note, footnotes),
                    number(row["dose_1e6_kg"], 2, note, footnotes),
                    number(
                        row["planned_dose_1e6_kg"], 2, "flat dose" if known(row["planned_1e6"]) else "no plan"
                    ),
                    number(row["deviation_percent"], 1, note, footnotes),
                    flag(row["within_limits"], note, footnotes),
                )
            )
        )
    limit = getattr(result.rules, "limit_percent", None)
    return Table(
        name="cell-dose", title="Cell dose of every infusion",
        columns=("Subject", "Level", "Infusion", "Bags", "Volume\nmL", "Viable CAR+\n10⁶ cells", "Weight\nkg",
                 "Received\n10⁶/kg", "Planned\n10⁶/kg", "Deviation\n%", "Within\nlimits"),
        rows=tuple(rows), words=(1,), population=POPULATIONS["INFUSED"],
        method="Sum over the bags infused; deviation of the infused from the planned total, limits "
        + (f"± {significant(limit, 2)} %" if known(limit) else "as planned") + " included.",
        notes=footnotes.lines(), empty="No infusion is recorded.",
    )  # fmt: skip


def cell_dose_summary(result: Any, groups: Groups) -> Table | None:
    """Dose received by level, where the result summarises it."""
    summary = result.summary
    if not len(summary) or "dose_median" not in summary.columns:
        return None
    found = {(int(row["infusion_no"]), str(row["group"])): row for row in summary.to_dict("records")}
    labels = [label for label in groups.labels if any(label == group for _, group in found)]
    rows: list[Row] = []
    for infusion in sorted({infusion for infusion, _ in found}):
        of = [found.get((infusion, label), {}) for label in labels]
        rows.append(Row(cells=(f"Infusion {infusion}",), kind="head"))
        lines = {
            "Infusions with a dose": [number(row.get("n")) for row in of],
            "Dose received, median (10⁶/kg)": [number(row.get("dose_median"), 2, "none") for row in of],
            "  range (10⁶/kg)": [_range(row, "dose", 2) for row in of],
            "Deviation from plan, median (%)": [number(row.get("deviation_median"), 1, "none") for row in of],
            "  range (%)": [_range(row, "deviation", 1) for row in of],
            "Within the limits": [count(row.get("n_within_limits"), row.get("n_compared")) for row in of],
        }
        rows += [Row(cells=(name, *cells)) for name, cells in lines.items()]
    return Table(
        name="cell-dose-summary", title="Cell dose by level",
        columns=("", *(groups.head(label) for label in labels)), rows=tuple(rows),
        population=POPULATIONS["INFUSED"], method="Median and range of the infusions.",
    )  # fmt: skip


def _range(row: Mapping[Any, Any], name: str, digits: int) -> str:
    low, high = row.get(f"{name}_min"), row.get(f"{name}_max")
    return f"{number(low, digits)} to {number(high, digits)}" if known(low) and known(high) else "none"


def _in_order(frame: pd.DataFrame, groups: Groups) -> list[dict[Any, Any]]:
    """Rows by level, then subject, then as they come."""
    place = {label: number for number, label in enumerate(groups.labels)}
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    return sorted(rows,
                  key=lambda row: (place.get(groups.of_subject.get(str(row["subject_id"]), ""), 99),
                                         str(row["subject_id"])))  # fmt: skip


def not_collected(reasons: Mapping[str, str]) -> Table:
    """Results that could not be computed, each with its reason."""
    rows = [
        Row(cells=(ATTRIBUTES.get(name, name), "not collected", reason)) for name, reason in reasons.items()
    ]
    return Table(
        name="not-collected", title="Not collected", columns=("Result", "State", "Reason"),
        rows=tuple(rows), words=(1, 2),
        empty="Everything the report can show was collected; nothing is not collected.",
    )  # fmt: skip


def problems(frame: pd.DataFrame) -> Table:
    """Findings about the data, errors first; all are counted, at most 100 are listed."""
    order = {"error": 0, "repair": 1, "warning": 2}
    rows = frame.to_dict("records")
    rows.sort(key=lambda row: order.get(word(row.get("severity")), 3))
    counted = {name: sum(word(row.get("severity")) == name for row in rows) for name in order}
    shown = [
        Row(
            cells=(
                word(row["severity"]),
                word(row["table"]),
                number(row["row"] + 1, note="file") if known(row["row"]) else "file",
                word(row.get("column")),
                _shortened(word(row.get("value"), "empty")),
                _shortened(word(row.get("new_value"))),
                "; ".join(filter(None, (word(row["message"]), word(row.get("fix"))))),
                word(row["rule"]),
            )
        )
        for row in rows[:PROBLEMS_SHOWN]
    ]
    total = ", ".join(
        f"{n} {name}{'' if n == 1 else 's'} ({SEVERITIES[name]})" for name, n in counted.items()
    )
    notes = [f"{len(rows)} findings: {total}.", "Line = line of the file, its header is line 1."]
    if len(rows) > PROBLEMS_SHOWN:
        notes.append(f"The first {PROBLEMS_SHOWN} are shown; `cart7 check` lists all {len(rows)}.")
    return Table(
        name="problems", title="Data problems",
        columns=("Severity", "Table", "Line", "Column", "Found", "Used", "What and what to do", "Rule"),
        rows=tuple(shown), words=(1, 3, 4, 5, 6, 7), notes=tuple(notes),
        empty="No problem was found in the data.",
    )  # fmt: skip


def _shortened(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def extra_columns(columns: Mapping[str, list[str]]) -> Table | None:
    """Columns that the schema does not know, by table."""
    rows = [Row(cells=(table, ", ".join(names))) for table, names in columns.items() if names]
    if not rows:
        return None
    return Table(
        name="extra-columns", title="Columns outside the schema", columns=("Table", "Columns"),
        rows=tuple(rows), words=(1,), notes=("They were kept and not used.",),
    )  # fmt: skip


def plan_rules(plan: Any) -> list[Table]:
    """The whole plan, one table of rules per room."""
    values = plan.model_dump(mode="json")
    general = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
    rooms = {"general": general} | {
        name: value for name, value in values.items() if isinstance(value, Mapping)
    }
    tables = []
    for room, rules in rooms.items():
        rows = tuple(Row(cells=(name, text)) for name, text in _flat(rules))
        title = "General" if room == "general" else PLAN_ROOMS.get(room, room)
        tables.append(
            Table(
                name=f"plan-{room}",
                title=title,
                columns=("Rule", "Value"),
                rows=rows,
                words=(1,),
                empty="None.",
            )
        )
    return tables


def _flat(rules: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Rules with their path and their value in words."""
    lines: list[tuple[str, str]] = []
    for name, value in rules.items():
        path = f"{before}{name}"
        if isinstance(value, Mapping) and not _is_window(value):
            lines += _flat(value, before=f"{path}.") or [(path, "none")]
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            for place, item in enumerate(value):
                lines += _flat(item, before=f"{path}.{item.get('name', place + 1)}.")
        else:
            lines.append((path, _value(value)))
    return lines


def _is_window(value: Mapping[str, Any]) -> bool:
    return set(value) == {"target", "lower", "upper"}


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return f"day {_value(value['target'])} ({_value(value['lower'])} to {_value(value['upper'])})"
    if isinstance(value, list | tuple):
        return (
            ", ".join(f"({_value(item)})" if isinstance(item, list) else _value(item) for item in value)
            or "none"
        )
    return f"{value:g}" if isinstance(value, float) else str(value)


def versions(numbers: Mapping[str, str]) -> Table:
    """Versions of the software whose numbers reach the page."""
    rows = tuple(Row(cells=(name, version)) for name, version in numbers.items())
    return Table(name="versions", title="Software", columns=("Package", "Version"), rows=rows, words=(1,))
