"""Tables of CAR-T kinetics: exposure by level and subject, levels by visit, persistence, models, flags.

Here: layouts. Not here: any parameter, mean, rate or model.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cart7.report.canvas import ALL
from cart7.report.cells import (
    Footnotes,
    Groups,
    Row,
    Table,
    by_level,
    day,
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
from cart7.report.words import AREA_STATUS, ASSAYS, PARAMETERS, POPULATIONS, in_words, notes_in_words

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
            "Geometric mean (CV %)": lambda row: geometric_mean(row, footnotes),
            "Median [Q1, Q3]": lambda row: median_quartiles(row, footnotes),
            "Range": lambda row: least_to_most(row, footnotes),
        }
        if kind == "days":
            lines.pop("Geometric mean (CV %)")
        rows += [Row(cells=(words, *groups.across(of, cell)), kind="sub") for words, cell in lines.items()]
    return Table(
        name=_name("exposure", assay), title=_title("Kinetic parameters by dose level", assay),
        columns=("", *groups.heads()),
        rows=tuple(rows), population=POPULATIONS["INFUSED"], method=_area_method(result.rules),
        notes=footnotes.lines(), empty="No profile.",
    )  # fmt: skip


def _name(kind: str, assay: str) -> str:
    return f"{kind}-{assay.lower()}" if assay else kind


def _title(words: str, assay: str) -> str:
    return f"{words}, {in_words(assay, ASSAYS)}" if assay else words


def _unit(nca: Any, assay: str) -> str:
    if nca is None or "unit" not in nca.subjects.columns:
        return ""
    found = nca.subjects
    of_assay = found[found["assay"].astype(str) == assay] if "assay" in found.columns else found
    units = set(of_assay["unit"].dropna().astype(str)) - {""}
    return units.pop() if len(units) == 1 else ""


def _in_unit(kind: str, unit: str) -> str:
    words = {"days": "days", "value": unit, "area": f"days × {unit}" if unit else "", "ratio": ""}[kind]
    return f" ({words})" if words else ""


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
    for row in by_level(result.subjects, groups, ("assay", "infusion_no")):
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
        name=_name("persistence", assay), title=_title("Persistence by visit", assay),
        columns=("Visit", "Infused", "In\nfollow-up", *groups.heads()), rows=tuple(rows),
        population=POPULATIONS["INFUSED"], method=f"Quantifiable/sampled at the nominal visit. {EXACT}",
        notes=("Sampled is not the number alive: the column in follow-up shows who could have been "
               "sampled.",),
        empty="No scheduled sample.",
    )  # fmt: skip


def levels(result: Any, groups: Groups, assay: str) -> Table:
    """Levels of one assay by scheduled visit: quantifiable of sampled, geometric mean and range."""
    footnotes = Footnotes()
    of_assay = result.summary[result.summary["assay"].astype(str) == assay]
    units = set(of_assay["unit"]) - {""}
    of_all = units.pop() if len(units) == 1 else ""

    def of_visit(found: list[Any]) -> str:
        return "" if of_all else _in_unit("value", str(found[0]["unit"]))

    rows = [
        Row(cells=(f"{visit}{of_visit(found)}", *groups.across(found, lambda row: _level(row, footnotes))))
        for (visit,), found in per_key(of_assay.sort_values("nominal_day", kind="stable"), ["visit"]).items()
    ]
    return Table(
        name=_name("levels", assay), title=_title("Levels by visit", assay) + _in_unit("value", of_all),
        columns=("Visit", *groups.heads()), rows=tuple(rows), population=POPULATIONS["INFUSED"],
        method="Quantifiable/sampled at the nominal visit; geometric mean (CV %), below the limit as LLOQ/2;"
               " range of all, below the limit as 0.",
        notes=footnotes.lines(), empty="No scheduled sample.",
    )  # fmt: skip


def _level(row: Mapping[Any, Any], footnotes: Footnotes) -> str:
    if not row["n"]:
        return "none sampled"
    counts = f"{number(row['n'] - row['n_blq'])}/{number(row['n'])}"
    if row["n"] == row["n_blq"]:
        return f"{counts}; below"
    if not known(row["geo_mean"]):
        return f"{counts}; {footnotes.missing(row.get('note'))}"
    return f"{counts}; {geometric_mean(row, footnotes)}; {least_to_most(row, footnotes)}"


def against_dose(result: Any) -> Table:
    """The power model of Cmax and area on planned and received dose."""
    footnotes = Footnotes()
    rows = []
    for row in _molecular_first(result.summary):
        note = row["note"]
        slope, low, high = row["slope"], row["ci_low"], row["ci_high"]
        words = significant(slope, 3, note, footnotes)
        rows.append(
            Row(
                cells=(
                    _param_of(row, result.rules), _assay_of(row), str(row["dose"]), number(row["n"]),
                    f"{words} {interval(low, high, significant)}" if known(low) else words,
                    f"{significant(row['smith_low'])} to {significant(row['smith_high'])}"
                    if known(row["smith_low"]) else footnotes.missing(note),
                    significant(row["normalised_ratio"], 3, note, footnotes),
                    str(row["conclusion"]),
                )
            )
        )  # fmt: skip
    return Table(
        name="exposure-dose", title="Exposure against planned and received dose",
        columns=("Parameter", "Assay", "Dose", "n", f"Slope [{_level_of(result.summary)}]",
                 "Proportional\nwithin", "Ratio of dose-\nnormalised means", "Conclusion"),
        rows=tuple(rows), words=(1, 2, 7), population=POPULATIONS["INFUSED"],
        method="Power model ln(exposure) = a + slope ln(dose); Smith's limits for 0.80 to 1.25 over the "
               "range of doses.",
        notes=("With this few subjects the interval is usually wider than any limit: inconclusive is the "
               "ordinary answer, not evidence of proportionality.", *footnotes.lines()),
        empty="No exposure with a dose.",
    )  # fmt: skip


def against_outcome(result: Any) -> Table:
    """Exposure by response and by toxicity grade."""
    footnotes = Footnotes()
    rows = []
    for row in _molecular_first(result.associations):
        note = row["note"]
        ratio = significant(row["gm_ratio"], 3, note, footnotes)
        limits = interval(row["ci_low"], row["ci_high"], significant) if known(row["ci_low"]) else ""
        rows.append(
            Row(
                cells=(
                    str(row["outcome"]), _param_of(row, result.rules), _assay_of(row), number(row["n"]),
                    f"{ratio} {limits}".strip(),
                    significant(row["wilcoxon_p_value"], 2, note, footnotes),
                    number(row["kendall_tau"], 2, note, footnotes),
                    number(row["spearman_rho"], 2, note, footnotes),
                )
            )
        )  # fmt: skip
    return Table(
        name="exposure-outcome", title="Exposure against response and toxicity",
        columns=("Outcome", "Parameter", "Assay", "n",
                 f"Ratio of geometric\nmeans [{_level_of(result.associations)}]",
                 "Exact rank\ntest, p", "Kendall\ntau-b", "Spearman\nrho"),
        rows=tuple(rows), words=(1, 2), population=POPULATIONS["INFUSED"],
        method="Ratio: with the outcome over without, Welch t of logs. Rank sum test by its exact "
               "permutation distribution. Response by treatment policy; not observed: no response.",
        notes=("Descriptive: exposure and outcome are measured in the same subjects over the same weeks; "
               "an association is not an effect.", *footnotes.lines()),
        empty="No exposure with an outcome.",
    )  # fmt: skip


def _param_of(row: Mapping[Any, Any], rules: Any = None) -> str:
    if row["param"] == "auc_window":
        return "AUC day" if rules is None else f"AUC day {_area_window(rules)}"
    return PARAMETERS.get(str(row["param"]), (str(row["param"]), ""))[0]


def _molecular_first(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """Rows with the molecular assays first, else in their order."""
    names = list(ASSAYS)
    place = [names.index(name) if name in names else len(names) for name in frame["assay"]]
    rows: list[dict[Any, Any]] = frame.iloc[np.argsort(place, kind="stable")].to_dict("records")
    return rows


def _level_of(frame: pd.DataFrame) -> str:
    """Confidence level of the intervals of a table: `90 %`."""
    levels = frame["conf_level"].unique() if len(frame) else []
    return f"{100 * levels[0]:g} %" if len(levels) else "interval"


def _assay_of(row: Mapping[Any, Any]) -> str:
    return in_words(row["assay"], ASSAYS).removesuffix(" cytometry")


def flagged(result: Any) -> Table:
    """Values that stand, with what a reader should know before using them."""
    rows = [
        Row(
            cells=(
                str(row["subject_id"]),
                _assay_of(row) if "assay" in row else "",
                number(row.get("infusion_no"), 0, "not stated"),
                f"{_param_of(row)} {row['timepoint']}".strip(),
                str(row["note"]),
            )
        )
        for row in result.flags.to_dict("records")
    ]
    return Table(
        name="kinetics-flags", title="Kinetic values to read with care",
        columns=("Subject", "Assay", "Infusion", "Parameter", "Flag"), rows=tuple(rows), words=(1, 3, 4),
        population=POPULATIONS["INFUSED"],
        method="Limits as the plan states them; a flag never removes a value from a table.",
        empty="No flag was raised.",
    )  # fmt: skip
