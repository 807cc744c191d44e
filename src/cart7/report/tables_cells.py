"""Tables of CD7+ cells and antibodies: levels by visit, depletion, loss of response, immunogenicity.

Here: layouts. Not here: any parameter, mean or rate.
"""

from collections.abc import Mapping
from typing import Any

from cart7.report.canvas import ALL
from cart7.report.cells import (
    NOT_REACHED,
    Footnotes,
    Groups,
    Row,
    Table,
    by_level,
    day,
    flag,
    geometric_mean,
    interval,
    known,
    least_to_most,
    median_quartiles,
    number,
    per_key,
    rate,
    significant,
    word,
)
from cart7.report.words import (
    ADA_CLASSES,
    ADA_MEASURES,
    CELL_NAMES,
    DEPLETION_ENDPOINTS,
    ESCAPE_CLASSES,
    FAILURES,
    LOSS_MEASURES,
    POPULATIONS,
    SEQUENCES,
    in_words,
)

EXACT = "Exact (Clopper-Pearson) two-sided 95 % limits unless the plan says otherwise."


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
                    str(visit), number(row["n"]), number(row["n_blq"]), geometric_mean(row, footnotes),
                    median_quartiles(row, footnotes), least_to_most(row, footnotes),
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
    for row in by_level(result.subjects, groups):
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


def escape(result: Any, groups: Groups) -> list[Table]:
    """How response was lost: how many in each class, and each subject who lost it or never had it."""
    present = {"PRESENT": "present", "LOST": "lost", "NEVER": "never quantifiable",
               "NOT_SAMPLED": "not sampled", "NOT_KNOWN": "not known"}  # fmt: skip
    absent = {"YES": "yes", "NO": "no", "NOT_KNOWN": "not known"}
    failed = result.subjects[result.subjects["kind"] != ""]
    rows = tuple(
        Row(
            cells=(
                str(row["subject_id"]), groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                f"{in_words(row['kind'], FAILURES)}, day {day(row['day'])}",
                {"NEG": "negative", "POS": "positive"}.get(word(row["relapse_cd7"]), "not recorded"),
                present.get(str(row["cart"]), ""), day(row["cart_last_day"], "none"),
                day(row["cart_lost_by_day"], "not seen"), absent.get(str(row["aplasia"]), ""),
                day(row["hsct_day"], "none"), in_words(row["escape"], ESCAPE_CLASSES),
            )
        )
        for row in by_level(failed, groups)
    )  # fmt: skip
    counts = tuple(
        Row(
            cells=(
                in_words(row["classification"], ESCAPE_CLASSES),
                f"{number(row['n_event'])}/{number(row['n'])}",
            )
        )
        for row in result.summary.to_dict("records")
        if row["n_event"]
    )
    rule = (
        "On the day of the relapse. Present: quantifiable on or after it, or at most "
        f"{result.rules.carry_days:g} days before and no sample since; lost: below the LLOQ by that day and "
        "not quantifiable again. Aplasia: CD7+ cells cleared and not recovered."
    )
    return [
        Table(name="escape-counts", title="Loss of response and the cells", columns=("Class", "Subjects"),
              rows=counts, population=POPULATIONS["INFUSED"], empty="Nobody infused."),
        Table(
            name="escape", title="Who lost response, or never had one, and the cells on that day",
            columns=("Subject", "Level", "What", "CD7 of the\nrelapse", "CAR-T cells",
                     "Last quanti-\nfiable day",
                     "Below LLOQ\non day", "Aplasia of\nCD7+ cells", "HSCT\nday", "Class"),
            rows=rows, words=(1, 2, 3, 4, 7, 9), population=POPULATIONS["INFUSED"], method=rule,
            notes=("A description, no proof of cause: cells may be lost because nothing was left to bind.",),
            empty="Nobody lost response, and everybody had one.",
        ),
    ]  # fmt: skip


def ada_loss(result: Any, groups: Groups) -> list[Table]:
    """Antibodies beside the loss of CAR-T cells: the 2 x 2 tables, and the days of each subject."""
    counts = tuple(
        Row(
            cells=(
                f"{row['visit']}: {in_words(row['measure'], LOSS_MEASURES)}",
                f"{number(row['n_positive_lost'])}/{number(row['n_positive_lost'] + row['n_positive_kept'])}",
                f"{number(row['n_negative_lost'])}/{number(row['n_negative_lost'] + row['n_negative_kept'])}",
                number(row["n_not_known"]), number(row["p_value"], 2, "no comparison"),
            )
        )
        for row in result.summary.to_dict("records")
    )  # fmt: skip
    rows = tuple(
        Row(
            cells=(
                str(row["subject_id"]), groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                in_words(row["classification"], ADA_CLASSES),
                _between(row["antibody_after_day"], row["antibody_day"], "none"),
                number(row["max_post_titer"], 0, "no titre"),
                _between(row["loss_after_day"], row["loss_day"], _no_loss(row["note"])),
                in_words(row["sequence"], SEQUENCES),
            )
        )
        for row in by_level(result.subjects, groups)
    )  # fmt: skip
    return [
        Table(
            name="ada-loss", title="Loss of CAR-T cells with and without antibodies",
            columns=("By the end of the visit window", "Lost, with\nantibodies", "Lost, without\nantibodies",
                     "Not known", "p (Fisher)"),
            rows=counts, population=POPULATIONS["INFUSED"],
            method="Lost: below the LLOQ and not quantifiable again; not known: no sample tells, or "
                   "transplant or death before. Exact two-sided test.",
            notes=("An association in few subjects proves no cause: antibodies take time to appear, and who "
                   "is tested late is chosen by survival.",),
        ),
        Table(
            name="ada-loss-subjects", title="Antibodies and loss of CAR-T cells in each subject",
            columns=("Subject", "Level", "Class", "Antibodies first\nseen, days", "Highest\ntitre after",
                     "CAR-T cells\nlost, days", "Which came first"),
            rows=rows, words=(1, 2, 3, 5, 6), population=POPULATIONS["INFUSED"],
            method="(a, b]: not yet in the sample of day a, there in that of day b.",
            empty="Nobody was tested.",
        ),
    ]  # fmt: skip


def _no_loss(note: str) -> str:
    """Why there is no day of loss."""
    ended = [part for part in note.split("; ") if part.startswith("loss not seen before")]
    return ended[0].removeprefix("loss ") if ended else "not seen"


def _between(low: Any, high: Any, missing: str) -> str:
    if not known(high):
        return missing
    return f"({day(low)}, {day(high)}]" if known(low) else f"up to {day(high)}"


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
    for row in by_level(result.subjects, groups):
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
