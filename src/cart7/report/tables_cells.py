"""Tables of cells and antibodies: exposure, persistence, CD7+ depletion, immunogenicity.

Here: layouts. Not here: any parameter, mean or rate.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cart7.report.canvas import ALL
from cart7.report.cells import (
    NOT_REACHED,
    Footnotes,
    Groups,
    Row,
    Table,
    day,
    flag,
    interval,
    known,
    number,
    per_key,
    rate,
    significant,
    word,
)
from cart7.report.words import (
    ADA_CLASSES,
    ADA_MEASURES,
    AREA_STATUS,
    ASSAYS,
    CELL_NAMES,
    DEPLETION_ENDPOINTS,
    PARAMETERS,
    POPULATIONS,
    in_words,
    notes_in_words,
)

EXACT = "Exact (Clopper-Pearson) two-sided 95 % limits unless the plan says otherwise."


def exposure(result: Any, nca: Any, groups: Groups, assay: str) -> Table:
    """Kinetic parameters of one assay by dose level."""
    footnotes = Footnotes()
    of_assay = result.summary[result.summary["assay"].astype(str) == assay]
    found = per_key(of_assay, ["param"])
    unit = _unit(nca, assay)
    rows: list[Row] = []
    for name, (title, kind) in PARAMETERS.items():
        if (name,) not in found:
            continue
        of = found[(name,)]
        title = f"AUC day {_area_window(result.rules)}" if name == "auc_window" else title
        rows.append(Row(cells=(f"{title}{_in_unit(kind, unit)}",), kind="head"))
        lines = {
            "n (missing)": lambda row: f"{number(row['n'])} ({number(row['n_missing'])})",
            "Geometric mean (CV %)": lambda row: _geometric(row, footnotes),
            "Median [Q1, Q3]": lambda row: _median(row, footnotes),
            "Range": lambda row: _range(row, footnotes),
        }
        if kind == "days":
            lines.pop("Geometric mean (CV %)")
        rows += [Row(cells=(words, *groups.across(of, cell)), kind="sub") for words, cell in lines.items()]
    return Table(
        name=f"exposure-{assay.lower()}",
        title=f"Kinetic parameters by dose level, {in_words(assay, ASSAYS)}", columns=("", *groups.heads()),
        rows=tuple(rows), population=POPULATIONS["INFUSED"], method=_area_method(result.rules),
        notes=footnotes.lines(), empty="No profile.",
    )  # fmt: skip


def _unit(nca: Any, assay: str) -> str:
    if nca is None or "unit" not in nca.subjects.columns:
        return ""
    units = nca.subjects.loc[nca.subjects["assay"].astype(str) == assay, "unit"].dropna().astype(str).unique()
    return str(units[0]) if len(units) == 1 else ""


def _in_unit(kind: str, unit: str) -> str:
    words = {"days": "days", "value": unit, "area": f"days × {unit}" if unit else "", "ratio": ""}[kind]
    return f" ({words})" if words else ""


def _geometric(row: Mapping[Any, Any], footnotes: Footnotes) -> str:
    if not known(row["geo_mean"]):
        return footnotes.missing(row.get("note"))
    spread = significant(row["geo_cv_percent"]) if known(row["geo_cv_percent"]) else "one value"
    return f"{significant(row['geo_mean'])} ({spread})"


def _median(row: Mapping[Any, Any], footnotes: Footnotes) -> str:
    if not known(row["median"]):
        return footnotes.missing(row.get("note"))
    return f"{significant(row['median'])} {interval(row['q1'], row['q3'], significant)}"


def _range(row: Mapping[Any, Any], footnotes: Footnotes) -> str:
    if not known(row["min"]):
        return footnotes.missing(row.get("note"))
    return f"{significant(row['min'])} to {significant(row['max'])}"


def _area_window(rules: Any) -> str:
    start, end = getattr(rules, "windows", ((0.0, 28.0),))[0]
    return f"{start:g} to {end:g}"


def _area_method(rules: Any) -> str:
    method = str(getattr(rules, "auc_method", ""))
    tail = str(getattr(rules, "tail", ""))
    return (
        f"First infusion unless planned otherwise; AUC from day {_area_window(rules)} ({method}, tail rule "
        f"{tail}); geometric CV from the variance of the logs; quartiles of type "
        f"{getattr(rules, 'quantile_type', '')}."
    )


def _window(row: Mapping[Any, Any], note: str, footnotes: Footnotes) -> tuple[str, str]:
    """Area of the first window and how it ends; days count from the first infusion, so others have none."""
    if known(row.get("infusion_no")) and float(row["infusion_no"]) > 1:
        return footnotes.missing("the window counts from the first infusion"), "none"
    status = word(row["auc_window_status"])
    return significant(row["auc_window"], 3, note, footnotes), AREA_STATUS.get(
        status, status.lower().replace("_", " ")
    )


def profiles(result: Any, groups: Groups) -> Table:
    """Every profile: the parameters a reader looks up per subject."""
    footnotes = Footnotes()
    rows = []
    for row in _sorted(result.subjects, groups, ("assay", "infusion_no")):
        note = notes_in_words(row.get("note", ""))
        area, status = _window(row, note, footnotes)
        rows.append(
            Row(
                cells=(
                    str(row["subject_id"]),
                    groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                    in_words(row.get("assay", ""), ASSAYS).removesuffix(" cytometry"),
                    number(row.get("infusion_no"), 0, "not stated"),
                    f"{number(row['n_quantifiable'])}/{number(row['n_samples'])}",
                    significant(row["cmax"], 3, note, footnotes),
                    day(row["tmax"], note, footnotes),
                    area,
                    status,
                    day(row["tlast"], note, footnotes),
                    significant(row["half_life"], 3, note or "no terminal slope", footnotes),
                    day(row["persistence_high"], "not lost"),
                )
            )
        )
    return Table(
        name="profiles", title="Kinetic parameters of every profile",
        columns=("Subject", "Level", "Assay", "Infusion", "Quantifiable/\nsamples", "Cmax", "Tmax\ndays",
                 f"AUC day\n{_area_window(result.rules)}", "AUC\nends", "Tlast\ndays", "Half-life\ndays",
                 "Loss by\nday"),
        rows=tuple(rows), words=(1, 2, 8), population=POPULATIONS["INFUSED"],
        notes=("Loss by: day of the sample by which the cells were lost; not lost: quantifiable at the "
               "last sample.", *footnotes.lines()),
        empty="No profile.",
    )  # fmt: skip


def _sorted(frame: pd.DataFrame, groups: Groups, then: tuple[str, ...] = ()) -> list[dict[Any, Any]]:
    """Rows by `then`, level and subject."""
    place = {label: number for number, label in enumerate(groups.labels)}
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    return sorted(rows,
                  key=lambda row: (tuple(word(row.get(name)) for name in then),
                                         place.get(groups.of_subject.get(str(row["subject_id"]), ""), 99),
                                         str(row["subject_id"])))  # fmt: skip


def persistence(result: Any, groups: Groups, assay: str) -> Table:
    """Quantifiable CAR-T cells by scheduled visit."""
    of_assay = result.summary[result.summary["assay"].astype(str) == assay].sort_values(
        "nominal_day", kind="stable"
    )
    rows = []
    for (visit,), found in per_key(of_assay, ["visit"]).items():
        everybody = next((row for row in found if str(row["group"]) == ALL), found[0])
        rows.append(
            Row(
                cells=(
                    str(visit), number(everybody["n_infused"]), number(everybody["n_in_followup"]),
                    *groups.across(
                        found,
                        lambda row: rate(row["n_quantifiable"], row["n_sampled"], row["ci_low"],
                                         row["ci_high"],
                                         row.get("note"), nobody="none sampled"),
                    ),
                )
            ),
        )  # fmt: skip
    return Table(
        name=f"persistence-{assay.lower()}", title=f"Persistence by visit, {in_words(assay, ASSAYS)}",
        columns=("Visit", "Infused", "In\nfollow-up", *groups.heads()), rows=tuple(rows),
        population=POPULATIONS["INFUSED"], method=f"Quantifiable/sampled at the nominal visit. {EXACT}",
        notes=("Sampled is not the number alive: the column in follow-up shows who could have been "
               "sampled.",),
        empty="No scheduled sample.",
    )  # fmt: skip


def by_visit(result: Any, groups: Groups, parameter: str) -> Table:
    """A CD7+ parameter by visit: everybody in full, medians by level."""
    footnotes = Footnotes()
    of_parameter = result.summary[result.summary["parameter"] == parameter]
    values = per_key(of_parameter[of_parameter["statistic_of"] == "value"], ["visit"])
    changes = per_key(of_parameter[of_parameter["statistic_of"] == "percent_change"], ["visit"])
    levels = [label for label in groups.labels if label != ALL]
    rows = []
    for (visit,), found in values.items():
        of = {str(row["group"]): row for row in found}
        row = of.get(ALL, found[0])
        change = {str(other["group"]): other for other in changes.get((visit,), [])}.get(ALL, {})
        rows.append(
            Row(
                cells=(
                    str(visit), number(row["n"]), number(row["n_blq"]), _geometric(row, footnotes),
                    _median(row, footnotes), _range(row, footnotes),
                    _percent_change(change, footnotes),
                    *(_level_median(of.get(label), footnotes) for label in levels),
                )
            ),
        )  # fmt: skip
    return Table(
        name=f"pd-{parameter.lower().replace('_', '-')}",
        title=f"{CELL_NAMES.get(parameter, parameter)} by visit",
        columns=("Visit", "n", "Below\nLLOQ", "Geometric mean\n(CV %)", "Median [Q1, Q3]", "Range",
                 "Change from\nbaseline, median %",
                 *(f"{groups.name(label)}\nmedian (n)" for label in levels)),
        rows=tuple(rows), population=POPULATIONS["INFUSED"], method=_visit_method(result.rules),
        notes=footnotes.lines(), empty="No sample at a visit.",
    )  # fmt: skip


def _percent_change(row: Mapping[Any, Any], footnotes: Footnotes) -> str:
    return number(row.get("median"), 1, row.get("note", "no baseline"), footnotes) if row else "none planned"


def _level_median(row: Mapping[Any, Any] | None, footnotes: Footnotes) -> str:
    if row is None:
        return "no sample"
    if not known(row["median"]):
        return footnotes.missing(row.get("note"))
    return f"{significant(row['median'])} ({number(row['n'])})"


def _visit_method(rules: Any) -> str:
    arithmetic = getattr(rules, "blq_arithmetic", "")
    words = "LLOQ/2" if arithmetic == "half-lloq" else f"{arithmetic}"
    return (
        f"Visits by {str(getattr(rules, 'visit_by', '')).replace('-', ' ')}; below the LLOQ {words} in "
        f"arithmetic, LLOQ/2 in log statistics; quartiles of type {getattr(rules, 'quantile_type', '')}."
    )


def depletion(result: Any, groups: Groups, parameter: str) -> Table:
    """Depth and course of depletion per subject."""
    footnotes = Footnotes()
    thresholds = [name for name in result.subjects.columns if name.startswith("first_day_below_")]
    rows = []
    for row in _sorted(result.subjects, groups):
        note = row.get("note", "")
        rows.append(
            Row(
                cells=(
                    str(row["subject_id"]), groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                    significant(row["baseline"], 3, note or "no baseline", footnotes),
                    significant(row["nadir"], 3, note or "no sample", footnotes),
                    day(row["nadir_day"], note, footnotes),
                    significant(row["nadir_percent_of_baseline"], 2, note, footnotes),
                    *(day(row[name], NOT_REACHED) for name in thresholds),
                    _event_day(row, "clearance"), _event_day(row, "recovery"),
                    day(row["recovery_after_nadir_day"], "not recovered"),
                )
            ),
        )  # fmt: skip
    heads = tuple(
        f"First day\nbelow {name.removeprefix('first_day_below_').replace('_', '.')}" for name in thresholds
    )
    return Table(
        name=f"depletion-{parameter.lower().replace('_', '-')}",
        title=f"Depletion of {CELL_NAMES.get(parameter, parameter)}",
        columns=("Subject", "Level", "Baseline", "Nadir", "Nadir\nday", "Nadir, %\nof baseline", *heads,
                 "Cleared\nday", "Recovered\nday", "Back at half of\nbaseline, day"),
        rows=tuple(rows), words=(1,), population=POPULATIONS["INFUSED"],
        method="Days since infusion; below the LLOQ as the plan says; recovery among the cleared at the "
               "absolute threshold of the plan, the last "
        "column relative to baseline, cleared or not.",
        notes=footnotes.lines(), empty="No sample.",
    )  # fmt: skip


def _event_day(row: Mapping[Any, Any], name: str) -> str:
    event, time = row[f"{name}_event"], row[f"{name}_time"]
    if not known(event):
        return "not evaluable"
    if event == 1:
        return day(time, "day not known")
    return f"> {day(time)}" if known(time) else "not observed"


def depletion_times(results: Mapping[str, Any], groups: Groups) -> Table:
    """Time to clearance and recovery, everybody and by level."""
    rows: list[Row] = []
    for parameter, result in results.items():
        rows.append(Row(cells=(CELL_NAMES.get(parameter, parameter),), kind="head"))
        for row in result.summary.to_dict("records"):
            label = str(row["group"])
            if label not in groups.labels:
                continue
            rows.append(
                Row(
                    cells=(
                        DEPLETION_ENDPOINTS.get(str(row["endpoint"]), str(row["endpoint"])),
                        groups.name(label),
                        rate(row["n_event"], row["n"], row["ci_low"], row["ci_high"], row.get("note")),
                        _median_day(row),
                    ),
                    kind="sub",
                ),
            )  # fmt: skip
    return Table(
        name="depletion-times", title="Time to clearance and recovery of CD7+ cells",
        columns=("Endpoint", "Group", "n/N (%) [95 % limits]", "Median day [95 % limits]"),
        rows=tuple(rows), words=(1,), population=POPULATIONS["INFUSED"],
        method=f"Kaplan-Meier, log-log limits of the median. {EXACT} Recoveries among the cleared.",
    )  # fmt: skip


def _median_day(row: Mapping[Any, Any]) -> str:
    if row["n"] == 0:
        return word(row.get("note")) or "nobody evaluable"
    limits = interval(row["median_ci_low"], row["median_ci_high"], day, NOT_REACHED)
    return f"{day(row['median'], NOT_REACHED)} {limits}"


def ada_visits(result: Any, groups: Groups) -> Table:
    """Antibody rates by visit and measure."""
    rows: list[Row] = []
    for (measure,), of_measure in per_key(result.summary, ["measure"]).items():
        rows.append(Row(cells=(ADA_MEASURES.get(str(measure), str(measure)),), kind="head"))
        visits: dict[str, list[dict[Any, Any]]] = {}
        for row in of_measure:
            visits.setdefault(str(row["visit"]), []).append(row)
        for visit, found in visits.items():
            cells = groups.across(
                found,
                lambda row: rate(
                    row["n_positive"], row["n"], row["ci_low"], row["ci_high"], nobody="none tested"
                ),
            )
            name = {"BASELINE": "Baseline", "OVERALL": "Overall"}.get(visit, visit)
            rows.append(Row(cells=(name, *cells), kind="sub"))
    return Table(
        name="ada-rates", title="Anti-drug antibodies by visit", columns=("", *groups.heads()),
        rows=tuple(rows), population=POPULATIONS["INFUSED"],
        method=f"Positive/with an evaluable sample. {EXACT}",
        notes=("The denominator is the number tested, not the number infused.",),
    )  # fmt: skip


def ada_classes(result: Any, groups: Groups) -> Table:
    """Class and course of the antibodies of each subject."""
    footnotes = Footnotes()
    rows = []
    for row in _sorted(result.subjects, groups):
        note = row.get("note", "")
        emergent = row["treatment_emergent"] == 1
        rows.append(
            Row(
                cells=(
                    str(row["subject_id"]), groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                    word(row["baseline_status"]).lower(),
                    number(row["baseline_titer"], 0, "no titre"),
                    number(row["n_post_evaluable"]),
                    in_words(row["classification"], ADA_CLASSES),
                    flag(row["treatment_emergent"], note, footnotes),
                    word(row["kinetics"], "").lower() or ("not stated" if emergent else "none"),
                    day(row["first_te_positive_day"], "none"),
                    number(row["max_post_titer"], 0, "no titre"),
                )
            ),
        )  # fmt: skip
    return Table(
        name="ada-classes", title="Anti-drug antibodies: class of each subject",
        columns=("Subject", "Level", "Baseline", "Baseline\ntitre", "Samples\nafter", "Class",
                 "Treatment-\nemergent",
                 "Course", "First\npositive day", "Highest\ntitre after"),
        rows=tuple(rows), words=(1, 2, 5, 6, 7), population=POPULATIONS["INFUSED"], notes=footnotes.lines(),
        method="Induced: negative before, positive after; boosted: titre up by the factor of the plan.",
        empty="Nobody was tested.",
    )  # fmt: skip


def ada_class_counts(result: Any, groups: Groups) -> Table | None:
    """How many subjects are in each class, where the result counts them."""
    summary = result.summary
    if not len(summary) or "classification" not in summary.columns:
        return None
    n_column = "n_subjects" if "n_subjects" in summary.columns else "n_event"
    if n_column not in summary.columns:
        return None
    rows = tuple(
        Row(
            cells=(
                in_words(row["classification"], ADA_CLASSES),
                f"{number(row[n_column])}/{number(row['n'])}",
            )
        )
        for row in summary.to_dict("records")
    )
    return Table(name="ada-counts", title="Antibody classes", columns=("Class", "Subjects"), rows=rows)
