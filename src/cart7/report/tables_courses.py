"""Tables of safety over time: periods, incidence, CRS and ICANS by day, blood counts, shifts, listings.

Here: layouts (who counts in which column, which footnotes). Not here: any count or rate, and the tables of
events by term (`tables_safety`).
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cart7.report.canvas import ALL
from cart7.report.cells import (
    Footnotes,
    Groups,
    Row,
    Table,
    by_level,
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
from cart7.report.words import AE_LINES, POPULATIONS, REASONS, in_words

PERIOD_LINES = (
    "any_teae",
    "any_teae_grade_ge3",
    "serious_teae",
    "fatal_teae",
    "infection_any",
    "infection_grade_ge3",
    "cytopenia_grade_ge3",
)


def periods(result: Any) -> Table:
    """Lines of the overview by period, everybody."""
    everybody = result.summary[result.summary["group"] == ALL]
    found = per_key(everybody, ["period"])
    at_risk = {period: number(rows[0]["n"]) for (period,), rows in found.items()}
    rows = []
    for line in PERIOD_LINES:
        cells = []
        for (_,), lines in found.items():
            row = next(row for row in lines if row["row"] == line)
            events = f"; {number(row['n_events'])}" if known(row["n_events"]) and row["n_events"] else ""
            cells.append(
                rate(row["n_subjects"], row["n"], row["ci_low"], row["ci_high"], row["note"]) + events
            )
        rows.append(Row(cells=(AE_LINES.get(line, line), *cells)))
    heads = tuple(f"{_period(period)}\n{n} at risk" for period, n in at_risk.items())
    return Table(
        name="ae-periods",
        title="Adverse events by period of their start, all subjects",
        columns=("Subjects n/at risk (%)\n[95 % limits]; events", *heads),
        rows=tuple(rows),
        population=POPULATIONS["INFUSED"],
        method="A period counts those still followed, and not transplanted, on its first day.",
        notes=("After HSCT: from the day of transplantation on, whatever the day since infusion.",),
    )


def _period(name: str) -> str:
    if not name[0].isdigit() and name[0] != ">":
        return name[:1].upper() + name[1:]
    return "Day " + name.replace("-", "\u2013").replace(">", "> ")


def incidence(result: Any) -> Table:
    """Cumulative incidence of each line at the landmark days, everybody."""
    everybody = result.summary[result.summary["group"] == ALL]
    days = list(dict.fromkeys(everybody["day"]))
    footnotes, rows = Footnotes(), []
    for (term,), found in per_key(everybody, ["term"]).items():
        rows.append(
            Row(cells=(AE_LINES.get(str(term), str(term)), *(_incidence(row, footnotes) for row in found)))
        )
    return Table(
        name="ae-incidence",
        title="Cumulative incidence of adverse events, death competing, all subjects",
        columns=("", *(f"Day {number(landmark)}\n% [95 % limits]" for landmark in days)),
        rows=tuple(rows),
        population=POPULATIONS["INFUSED"],
        method="Aalen-Johansen; limits on the log(\u2212log) scale, exact at 0 and 100 % while nobody is "
        "censored.",
        notes=footnotes.lines(),
    )


def _incidence(row: Mapping[Any, Any], footnotes: Footnotes) -> str:
    if not known(row["estimate"]):
        return footnotes.missing(row["note"])
    share = percent(row["estimate"])
    if not known(row["ci_low"]):
        return f"{share} {footnotes.letter(row['note'])}"
    return f"{share} {interval(row['ci_low'], row['ci_high'], percent)}"


def aesi_course(result: Any, groups: Groups) -> Table:
    """CRS and ICANS of each subject: course and treatment."""
    rows = [
        Row(
            cells=(
                str(row["subject_id"]),
                groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                str(row["category"]),
                day(row["onset_day"]),
                day(row["peak_day"]),
                number(row["max_grade"]),
                number(row["days"]),
                number(row["days_ge3"]),
                _given(row, "tocilizumab"),
                _given(row, "steroid"),
            )
        )
        for row in by_level(result.subjects, groups)
    ]
    return Table(
        name="aesi-course",
        title="CRS and ICANS of each subject: daily course and treatment",
        columns=(
            "Subject",
            "Level",
            "Event",
            "Onset\nday",
            "Day of\nhighest grade",
            "Highest\ngrade",
            "Days with\na grade",
            "Days\nof grade ≥ 3",
            "Tocilizumab\nday (after\nonset; grade)",
            "Steroid\nday (after\nonset; grade)",
        ),
        rows=tuple(rows),
        words=(1, 2),
        population="Subjects with a graded day",
        method="Daily grades over all episodes. Onset: first graded day. A drug counts for the event "
        "that its indication names.",
        empty="Nobody had CRS or ICANS.",
    )


def _given(row: Mapping[Any, Any], name: str) -> str:
    if not known(row[name]):
        return "not collected"
    if row[name] == 0:
        return "none"
    after = row[f"{name}_after_onset"]
    grade = number(row[f"{name}_at_grade"]) if known(row[f"{name}_at_grade"]) else "none"
    return f"{day(row[f'{name}_day'])} ({'+' if after >= 0 else ''}{day(after)}; {grade})"


def aesi_treatment(result: Any, groups: Groups) -> Table:
    """Who was given tocilizumab and steroids, and when, by dose level."""
    lines: dict[str, Any] = {
        "Day of highest grade, median (range)": lambda row: _span(row, "peak_day"),
        "Days with a grade, median (range)": lambda row: _span(row, "days"),
        "Tocilizumab": lambda row: _rate(row, "tocilizumab"),
        "Tocilizumab, days after onset": lambda row: _span(row, "tocilizumab_after_onset"),
        "Steroid": lambda row: _rate(row, "steroid"),
        "Steroid, days after onset": lambda row: _span(row, "steroid_after_onset"),
    }
    rows: list[Row] = []
    for (category,), found in per_key(result.summary, ["category"]).items():
        rows.append(Row(cells=(str(category),), kind="head"))
        rows += [Row(cells=(name, *groups.across(found, cell)), kind="sub") for name, cell in lines.items()]
    return Table(
        name="aesi-treatment",
        title="Course and treatment of CRS and ICANS by dose level",
        columns=("", *groups.heads()),
        rows=tuple(rows),
        population=POPULATIONS["INFUSED"],
        method="Treated: n/infused (%) [exact 95 % limits]. Days among those who had the event.",
    )


def _rate(row: Mapping[Any, Any], name: str) -> str:
    limits = (row[f"{name}_ci_low"], row[f"{name}_ci_high"])
    return rate(row[f"{name}_n"], row["n"], *limits, row["note"])


def _span(row: Mapping[Any, Any], name: str) -> str:
    if not known(row[f"{name}_median"]):
        return word(row["note"]) or "none"
    return f"{day(row[f'{name}_median'])} ({day(row[f'{name}_min'])} to {day(row[f'{name}_max'])})"


def blood_counts(result: Any, groups: Groups) -> Table:
    """Nadir and recovery of neutrophils and platelets by dose level."""
    bounds = dict(result.rules.recovered)
    names = {"ANC": "Neutrophils", "PLT": "Platelets"}
    lines: dict[str, Any] = {
        "Nadir (10⁹/L), median (range)": lambda row: _level(row, "nadir"),
        "Day of nadir, median (range)": lambda row: _span(row, "nadir_day"),
        "Below the bound, n (%)": lambda row: count(row["n_below"], row["n"]),
        "Recovered, n of those below": lambda row: f"{number(row['n_recovered'])}/{number(row['n_below'])}",
        "Day of recovery, median (range)": lambda row: _span(row, "recovery_day"),
    }
    rows: list[Row] = []
    for (test,), found in per_key(result.summary, ["test"]).items():
        head = f"{names.get(str(test), str(test))}, bound {bounds[str(test)]:g} × 10⁹/L"
        rows.append(Row(cells=(head,), kind="head"))
        rows += [Row(cells=(name, *groups.across(found, cell)), kind="sub") for name, cell in lines.items()]
    return Table(
        name="blood-counts",
        title="Neutrophils and platelets: nadir and recovery",
        columns=("", *groups.heads()),
        rows=tuple(rows),
        population=POPULATIONS["INFUSED"],
        method=f"Nadir: lowest value of days 0 to {number(result.rules.nadir_to_day)}. Recovery: first of "
        f"{number(result.rules.values)} consecutive values at or above the bound.",
        notes=("Values from HSCT, a second infusion or new therapy on are not counted.",),
    )


def _level(row: Mapping[Any, Any], name: str) -> str:
    if not known(row[f"{name}_median"]):
        return word(row["note"]) or "none"
    return (
        f"{significant(row[f'{name}_median'], 2)} "
        f"({significant(row[f'{name}_min'], 2)} to {significant(row[f'{name}_max'], 2)})"
    )


def cytopenia(results: Mapping[int, Any], groups: Groups) -> Table:
    """Cytopenia of grade 3 or more at each landmark day."""
    words = {"ANC": "Neutrophils", "PLT": "Platelets", "HGB": "Haemoglobin"}
    units = {"ANC": "× 10⁹/L", "PLT": "× 10⁹/L", "HGB": "g/L"}
    rows: list[Row] = []
    for landmark, result in results.items():
        rows.append(Row(cells=(f"Day {landmark}",), kind="head"))
        bounds = dict(result.rules.thresholds)
        for (test,), found in per_key(result.summary, ["test"]).items():
            name = f"{words.get(str(test), str(test))} < {bounds[str(test)]:g} {units.get(str(test), '')}"
            cells = groups.across(
                found, lambda row: rate(row["n_event"], row["n"], row["ci_low"], row["ci_high"], row["note"])
            )
            rows.append(Row(cells=(name, *cells), kind="sub"))
    window = next(iter(results.values())).rules.window
    return Table(
        name="cytopenia",
        title="Cytopenia of grade ≥ 3 at landmark days",
        columns=("", *groups.heads()),
        rows=tuple(rows),
        population="Infused subjects with a value in the window",
        method=f"n/with a value (%) [exact 95 % limits]; the value nearest to the day, "
        f"within {number(window)} days.",
        notes=("Those who died or left before are not in the denominator; values after HSCT are in.",),
    )


def lab_shift(result: Any) -> Table:
    """Baseline grade by worst later grade, everybody, tests that reached grade 3."""
    everybody = result.summary[(result.summary["group"] == ALL) & (result.summary["n"] > 0)]
    grades = ("0", "1", "2", "3", "4", "missing")
    rows = []
    for (test, direction), found in per_key(everybody, ["test", "direction"]).items():
        if not any(row["worst_grade"] not in ("0", "missing") for row in found):
            continue
        side = "low" if direction == "L" else "high"
        rows.append(Row(cells=(f"{test}, {side}",), kind="head"))
        for before in grades:
            shifted = {row["worst_grade"]: row["n"] for row in found if row["baseline_grade"] == before}
            if shifted:
                cells = tuple(number(shifted[after]) if after in shifted else "0" for after in grades)
                total = number(sum(shifted.values()))
                rows.append(
                    Row(
                        cells=(f"grade {before}" if before != "missing" else "missing", *cells, total),
                        kind="sub",
                    )
                )
    return Table(
        name="lab-shift",
        title="Laboratory shifts from baseline to the worst later grade, all subjects",
        columns=(
            "Test, baseline grade",
            *(f"Grade {g}" if g != "missing" else "Missing" for g in grades),
            "Subjects",
        ),
        rows=tuple(rows),
        population=POPULATIONS["INFUSED"],
        method=f"CTCAE {result.version}, from the values; baseline: last value on day 0 or before. "
        "Number of subjects.",
        notes=(
            "Tests whose worst grade was 0 in everybody are left out. On day 0 lymphodepletion has already "
            "lowered the counts.",
        ),
        empty="No laboratory test reached a grade.",
    )


def platelets_icaht(result: Any, groups: Groups) -> Table:
    """Thrombocytopenia by T-ICAHT per subject."""
    footnotes, rows = Footnotes(), []
    for row in by_level(result.subjects, groups):
        note = row["note"]
        rows.append(
            Row(
                cells=(
                    str(row["subject_id"]),
                    groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                    day(row["days_lt_50"], note, footnotes),
                    day(row["days_lt_20"], note, footnotes),
                    number(row["early_grade"], 0, note, footnotes),
                    number(row["late_grade"], 0, note or "not gradable", footnotes),
                )
            )
        )
    return Table(
        name="icaht-platelets",
        title="Thrombocytopenia after CAR-T cells (T-ICAHT)",
        columns=(
            "Subject",
            "Level",
            "Days platelets\n< 50 × 10⁹/L",
            "Days platelets\n< 20 × 10⁹/L",
            "Early grade\n(days 0-30)",
            "Late grade\n(after day 30)",
        ),
        rows=tuple(rows),
        words=(1,),
        population=POPULATIONS["INFUSED"],
        method="Longest period on days 0 to 30; bounds strict, as printed.",
        notes=footnotes.lines(),
    )


def iec_hs(result: Any, groups: Groups) -> Table:
    """Subjects who met the laboratory criteria of IEC-HS."""
    footnotes = Footnotes()
    rows = [
        Row(
            cells=(
                str(row["subject_id"]),
                groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                flag(row["screen"], row["note"], footnotes),
                day(row["first_day"]) if known(row["first_day"]) else "",
                significant(row["peak_ferritin"], note="none"),
                word(row["criteria"]).replace(" x ", " × "),
            )
        )
        for row in by_level(result.subjects, groups)
    ]
    return Table(
        name="iec-hs",
        title="Screen for the HLH-like syndrome (IEC-HS)",
        columns=(
            "Subject",
            "Level",
            "Screen\npositive",
            "First\nday",
            "Highest ferritin\n(unit of the laboratory)",
            "Criteria met on the first day",
        ),
        rows=tuple(rows),
        words=(1, 2, 5),
        population=POPULATIONS["INFUSED"],
        method="Laboratory criteria after Hines 2023: raised ferritin and raised ALT or AST, low "
        "fibrinogen, or a new cytopenia of grade 4.",
        notes=(
            "A call to look, not a diagnosis: after lymphodepletion most subjects with CRS meet it.",
            *footnotes.lines(),
        ),
    )


def dlt_comparison(result: Any, groups: Groups) -> Table:
    """Where the adjudicated table and the clauses differ."""
    said = {1.0: "yes", 0.0: "no"}
    rows = [
        Row(
            cells=(
                str(row["subject_id"]),
                groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                said.get(row["dlt_adjudicated"], "not adjudicated"),
                said.get(row["dlt_derived"], "unknown"),
                _why(row, "adjudicated"),
                _why(row, "derived"),
            )
        )
        for row in by_level(result.subjects, groups)
        if row["agree"] != 1
    ]
    everybody = result.summary[result.summary["group"] == ALL].iloc[0]
    return Table(
        name="dlt-comparison",
        title="Dose-limiting toxicity: where adjudication and the clauses of the plan differ",
        columns=(
            "Subject",
            "Level",
            "DLT\nadjudicated",
            "DLT by\nthe clauses",
            "Adjudicated reason",
            "Clause",
        ),
        rows=tuple(rows),
        words=(1, 2, 3, 4, 5),
        population=POPULATIONS["INFUSED"],
        method=f"Same evaluability and DLT in {number(everybody['n_agree'])} of {number(everybody['n'])} "
        "subjects. The adjudicated table counts.",
        notes=(
            "The clauses are the plan's; where a protocol did not state its own, they are a common default.",
        ),
        empty="They agree in every subject.",
    )


def _why(row: Mapping[Any, Any], source: str) -> str:
    text = in_words(word(row[f"reason_{source}"]), REASONS)
    return text or ("no DLT" if row[f"evaluable_{source}"] == 1 else "no reason given")


def event_listing(rows: pd.DataFrame, groups: Groups, *, name: str, title: str) -> Table:
    """Records of adverse events, one line each."""
    ordered = by_level(rows.sort_values(["subject_id", "start_day"], kind="stable"), groups)
    lines = [
        Row(
            cells=(
                str(row["subject_id"]),
                groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                str(row["term"]),
                number(row["grade"], 0, "missing"),
                day(row["start_day"], "unknown"),
                day(row["end_day"], "ongoing"),
                number(row["row"]),
            )
        )
        for row in ordered
    ]
    return Table(
        name=name,
        title=title,
        columns=("Subject", "Level", "Event", "Grade", "First day", "Last day", "Row"),
        rows=tuple(lines),
        words=(1, 2),
        population=POPULATIONS["INFUSED"],
        method="Days since infusion. Row: data row of the adverse events table.",
        empty="No such event.",
    )


def queries(frame: pd.DataFrame) -> Table:
    """What should be asked about the adverse events."""
    rows = [
        Row(
            cells=(
                str(row["subject_id"]),
                number(row["row"]),
                str(row["column"]),
                str(row["value"]) or "blank",
                str(row["message"]),
            )
        )
        for row in frame.to_dict("records")
    ]
    return Table(
        name="ae-queries",
        title="Queries about adverse events",
        rows=tuple(rows),
        columns=("Subject", "Row", "Column", "Found", "Question"),
        words=(2, 3, 4),
        method="The records are counted as the conventions say; the answers may change the tables.",
        empty="No impossible date, missing grade or uncoded term.",
    )
