"""Tables of safety: dose-limiting toxicity, adverse events, CRS and ICANS, haematotoxicity.

Here: layouts (who counts in which column, which footnotes). Not here: any count or rate.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cart7.report.canvas import ALL
from cart7.report.cells import (
    NOT_ESTIMABLE,
    Footnotes,
    Groups,
    Row,
    Table,
    count,
    day,
    flag,
    interval,
    known,
    number,
    per_key,
    percent,
    rate,
    significant,
    word,
)
from cart7.report.words import AE_ROWS, POPULATIONS, REASONS, in_words

EXACT = "Rates with exact (Clopper-Pearson) two-sided 95 % limits unless the plan says otherwise."
WORST = "A subject counts once per line, at the worst grade."


def dlt_rates(result: Any, groups: Groups) -> Table:
    """Dose-limiting toxicity by level."""
    found = {str(row["group"]): row for row in result.summary.to_dict("records")}
    rows = []
    for label in groups.labels:
        if label not in found:
            continue
        row = found[label]
        upper = percent(row["upper_one_sided"]) if known(row.get("upper_one_sided")) else NOT_ESTIMABLE
        cells = (groups.name(label), number(row["n_infused"]), number(row["n"]), number(row["n_dlt"]),
                 rate(row["n_dlt"], row["n"], row["ci_low"], row["ci_high"], row.get("note")),
                 upper)  # fmt: skip
        rows.append(Row(cells=cells, kind="total" if label == ALL else ""))
    source = getattr(result, "source", "")
    return Table(
        name="dlt", title="Dose-limiting toxicity",
        columns=("", "Infused", "Evaluable", "With DLT", "n/evaluable (%) [95 % limits]",
                 "One-sided 95 %\nupper limit (%)"),
        rows=tuple(rows), population=POPULATIONS["DLT_EVALUABLE"], method=EXACT,
        notes=_dlt_notes(result.rules, source),
    )  # fmt: skip


def _dlt_notes(rules: Any, source: str) -> tuple[str, ...]:
    window = getattr(rules, "window_days", None)
    notes = [f"Window: day 0 to day {number(window)}, both included."] if known(window) else []
    words = {"adjudicated": "As adjudicated in the study's DLT table.",
             "derived": "Derived from adverse events under the rules of the plan; no DLT table is "
                        "there."}  # fmt: skip
    return (*notes, *([words[source]] if source in words else []),
            "No DLT in three subjects still leaves true rates up to 70.8 % possible.")  # fmt: skip


def dlt_listing(result: Any, groups: Groups) -> Table:
    """Subjects with a DLT, and those who are not evaluable, with the reason."""
    footnotes = Footnotes()
    rows = [
        Row(
            cells=(
                str(row["subject_id"]),
                groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                flag(row["evaluable"], row.get("note", ""), footnotes),
                flag(row["dlt"], row.get("note", ""), footnotes),
                in_words(word(row["reason"]), REASONS) or "no reason given",
            )
        )
        for row in result.subjects.to_dict("records")
        if row["dlt"] == 1 or row["evaluable"] != 1
    ]
    return Table(
        name="dlt-listing", title="Subjects with a DLT or not evaluable",
        columns=("Subject", "Level", "Evaluable", "DLT", "Reason"), rows=tuple(rows), words=(1, 2, 3, 4),
        population=POPULATIONS["INFUSED"], notes=footnotes.lines(),
        empty="Nobody had a DLT and everybody was evaluable.",
    )  # fmt: skip


def overview(result: Any, groups: Groups) -> Table:
    """Adverse events in short: subjects n (%) and events."""
    rows = [
        Row(
            cells=(
                AE_ROWS.get(str(name), str(name)),
                *groups.across(found, lambda row: f"{_subjects(row)}{_events(row)}"),
            )
        )
        for (name,), found in per_key(result.summary, ["row"]).items()
    ]
    return Table(
        name="ae-overview", title="Adverse events: overview",
        columns=("Subjects n (%), events", *groups.heads()), rows=tuple(rows),
        population=POPULATIONS["INFUSED"],
        method="Treatment-emergent events; percentages of the infused subjects of the column.",
        notes=("After the semicolon: number of events (records).",
               "Related: everything but explicitly not related."),
    )  # fmt: skip


def _subjects(row: Mapping[Any, Any]) -> str:
    return count(row["n_subjects"], row["n"], row.get("note"))


def _events(row: Mapping[Any, Any]) -> str:
    return f"; {number(row['n_events'])}" if known(row.get("n_events")) and row["n_events"] else ""


def by_term_grades(result: Any, groups: Groups) -> Table:
    """Everybody: subjects by worst grade of each class and term."""
    everybody = result.summary[result.summary["group"] == ALL]
    columns = [f"grade_{grade}" for grade in range(1, 6)]
    missing = bool(len(everybody)) and bool((everybody["grade_missing"] > 0).any())
    columns += ["grade_missing"] * missing + ["grade_ge3"]
    rows = []
    for row in everybody.to_dict("records"):
        cells = tuple(count(row[name], row["n"]) for name in columns)
        any_grade = rate(row["n_subjects"], row["n"], row["ci_low"], row["ci_high"], row.get("note"))
        rows.append(Row(cells=(_term(row), *cells, any_grade, number(row["n_events"])), kind=_level(row)))
    heads = tuple(f"Grade {grade}" for grade in range(1, 6)) + ("Missing",) * missing + ("≥ 3",)
    return Table(
        name="ae-grades", title="Adverse events by class and term, all subjects, by worst grade",
        columns=("System organ class\n  Preferred term", *heads, "Any grade n/N (%) [95 % limits]", "Events"),
        rows=tuple(rows), population=POPULATIONS["INFUSED"], method=f"{WORST} {EXACT}",
        notes=("Terms without a code stand under UNCODED.",), empty="No treatment-emergent adverse event.",
    )  # fmt: skip


def by_term_levels(result: Any, groups: Groups) -> Table:
    """By dose level: subjects with any grade, and with grade 3 or more."""
    rows = []
    for (_, _, _), found in per_key(result.summary, ["level", "soc", "pt"]).items():
        cells = groups.across(found, lambda row: f"{_subjects(row)} | {count(row['grade_ge3'], row['n'])}")
        rows.append(Row(cells=(_term(found[0]), *cells), kind=_level(found[0])))
    return Table(
        name="ae-levels", title="Adverse events by class, term and dose level",
        columns=("System organ class\n  Preferred term", *groups.heads()), rows=tuple(rows),
        population=POPULATIONS["INFUSED"], method=WORST, notes=("Any grade n (%) | grade ≥ 3 n (%).",),
        empty="No treatment-emergent adverse event.",
    )  # fmt: skip


def _term(row: Mapping[Any, Any]) -> str:
    if row["level"] == "ANY":
        return "Any adverse event"
    return str(row["soc"] if row["level"] == "SOC" else row["pt"]) or "not coded"


def _level(row: Mapping[Any, Any]) -> str:
    return {"ANY": "total", "SOC": "soc"}.get(str(row["level"]), "sub")


def rates(result: Any, groups: Groups) -> Table:
    """Adverse events per 100 person-years, everybody."""
    everybody = result.summary[result.summary["group"] == ALL]
    footnotes = Footnotes()
    rows = []
    for row in everybody.to_dict("records"):
        cells = (
            number(row["n_first"]), significant(row["person_years"]),
            _rate_cell(row, "incidence", footnotes), number(row["n_events"]),
            significant(row["followup_years"]), _rate_cell(row, "event", footnotes),
        )  # fmt: skip
        rows.append(Row(cells=(_term(row), *cells), kind=_level(row)))
    return Table(
        name="ae-rates", title="Exposure-adjusted adverse events, all subjects",
        columns=("System organ class\n  Preferred term", "Subjects", "Years to\nfirst event",
                 "Incidence per 100 years\n[95 % limits]", "Events", "Years of\nfollow-up",
                 "Events per 100 years\n[95 % limits]"),
        rows=tuple(rows), population=POPULATIONS["INFUSED"],
        method="Subjects with a first event by person-years to it, and events by person-years followed; "
               "exact Poisson limits.",
        notes=footnotes.lines(), empty="No treatment-emergent adverse event.",
    )  # fmt: skip


def _rate_cell(row: Mapping[Any, Any], name: str, footnotes: Footnotes) -> str:
    value = row[f"{name}_rate"]
    if not known(value):
        return footnotes.missing(row.get("note"))
    limits = interval(row[f"{name}_ci_low"], row[f"{name}_ci_high"], lambda x: number(x, 1))
    return f"{number(value, 1)} {limits}"


def special_interest(result: Any, groups: Groups) -> Table:
    """CRS, ICANS and HLH by dose level."""
    rows: list[Row] = []
    for (category,), found in per_key(result.summary, ["category"]).items():
        rows.append(Row(cells=(str(category),), kind="head"))
        rows += [
            Row(cells=(name, *groups.across(found, cell)), kind="sub") for name, cell in _AESI_LINES.items()
        ]
    return Table(
        name="special-interest", title="CRS, ICANS and HLH by dose level", columns=("", *groups.heads()),
        rows=tuple(rows), population=POPULATIONS["INFUSED"],
        method=f"{EXACT} Onset and duration (days, both ends included) of the first episode, of those "
               f"who had it.",
        notes=("Grades: ASTCT consensus.",),
    )  # fmt: skip


def _span(row: Mapping[Any, Any], name: str) -> str:
    if not known(row[f"{name}_median"]):
        return "nobody had it" if row.get("n_subjects") == 0 else Footnotes().missing(row.get("note"))
    return f"{day(row[f'{name}_median'])} ({day(row[f'{name}_min'])} to {day(row[f'{name}_max'])})"


_AESI_LINES: dict[str, Any] = {
    "Any grade": lambda row: rate(
        row["n_subjects"], row["n"], row["ci_low"], row["ci_high"], row.get("note")
    ),
    "Grade ≥ 3": lambda row: rate(
        row["n_grade_ge3"], row["n"], row["grade_ge3_ci_low"], row["grade_ge3_ci_high"], row.get("note")
    ),
    "Episodes": lambda row: number(row["n_episodes"]),
    "Onset day, median (range)": lambda row: _span(row, "onset"),
    "Duration in days, median (range)": lambda row: _span(row, "duration"),
}


def icaht(frame: pd.DataFrame, groups: Groups) -> Table:
    """Haematotoxicity per subject."""
    footnotes = Footnotes()
    rows = []
    for row in _by_level(frame.to_dict("records"), groups):
        note = row.get("note", "")
        rows.append(
            Row(
                cells=(
                    str(row["subject_id"]),
                    groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                    day(row["days_le_500"], note, footnotes),
                    day(row["days_le_100"], note, footnotes),
                    number(row["early_grade"], 0, note, footnotes),
                    number(row["late_grade"], 0, note or "not gradable", footnotes),
                    day(row["recovery_day"], "not recovered"),
                )
            )
        )
    return Table(
        name="icaht", title="Immune effector cell-associated haematotoxicity (ICAHT)",
        columns=("Subject", "Level", "Days ANC\n≤ 500/µL", "Days ANC\n≤ 100/µL", "Early grade\n(days 0-30)",
                 "Late grade\n(after day 30)", "Recovery day"),
        rows=tuple(rows), words=(1,), population=POPULATIONS["INFUSED"],
        method="EHA/EBMT 2023 grading of the neutrophil counts; longest period on days 0 to 30.",
        notes=("Recovery: first of three consecutive days above 500/µL.", *footnotes.lines()),
    )  # fmt: skip


def _by_level(rows: Sequence[dict[Any, Any]], groups: Groups) -> list[dict[Any, Any]]:
    place = {label: number for number, label in enumerate(groups.labels)}
    return sorted(rows,
                  key=lambda row: (place.get(groups.of_subject.get(str(row["subject_id"]), ""), 99),
                                         str(row["subject_id"])))  # fmt: skip
