"""Tables of the integrated RP2D score: scores, gates, criteria, sensitivity, evidence.

Here: layouts. Not here: any score, gate or probability (`dose`).
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cart7.report.cells import (
    Footnotes,
    Groups,
    Row,
    Table,
    interval,
    known,
    number,
    percent,
    significant,
    word,
)

KINDS = {
    "weight": "Weights",
    "leave-one-out": "Without one criterion",
    "aggregator": "Aggregation",
    "prior": "Prior",
    "delta": "Plateau",
    "gates": "Gates",
    "smaa": "Uniform weights (SMAA)",
}


def level_text(level: Any) -> str:
    """A dose level as text: 1.0 is 1, none is `none`."""
    if level is None or level is pd.NA or (isinstance(level, float) and math.isnan(level)):
        return "none"
    return f"{level:g}" if isinstance(level, int | float) else str(level)


def scores(result: Any, groups: Groups, *, received: bool = False) -> Table:
    """Score, gates and probability of being best, one line per level."""
    footnotes = Footnotes()
    criteria = [name for name in result.summary.columns if name.startswith("d_")]
    rows = []
    for row in result.summary.to_dict("records"):
        why = word(row["reason"]) or "no score"
        label = level_text(row["dose_level"])
        chosen = _same(row["dose_level"], result.recommended_level)
        verdict = "recommended" if chosen else ""
        verdict = verdict or ("highest score" if _same(row["dose_level"], result.best_level) else "")
        gate = "gates open" if bool(row["admissible"]) else "gate closed"
        told = "; ".join(filter(None, (verdict, gate, word(row["reason"]))))
        rows.append(
            Row(
                cells=(
                    groups.name(label), told, _score(row, why, footnotes),
                    number(row["plugin_score"], 3, why, footnotes),
                    _share(row["prob_best"], why, footnotes),
                    _share(row["prob_dlt_exceeds"], "not observed", footnotes),
                    _share(row["prob_response_below"], "not observed", footnotes),
                    *(number(row[name], 2, "not observed") for name in criteria),
                ),
                kind="total" if chosen else "",
            ),
        )  # fmt: skip
    gates = result.rules.gates
    return Table(
        name="rp2d-received" if received else "rp2d",
        title="Integrated score by dose received" if received else "Integrated score by dose level",
        columns=("Level", "Verdict", "Expected score\n[95 % credible]", "At posterior\nmeans", "P(best)\n%",
                 f"P({gates.toxicity}\n> {_whole(gates.phi_t)} %) %",
                 f"P({gates.response}\n< {_whole(gates.phi_e)} %) %",
                 *(f"d\n{name.removeprefix('d_')}" for name in criteria)),
        rows=tuple(rows), words=(1,),
        population="Infused subjects; each criterion over those in whom it was observed",
        method=f"Beta posterior of rates, normal model of log exposure; geometric mean of "
               f"desirabilities, expectation "
        f"by quadrature, P(best) from {result.rules.n_draws} seeded draws.",
        notes=(_gate_note(gates), "d: desirability of each criterion at its posterior mean, 0 to 1.",
               *footnotes.lines()),
    )  # fmt: skip


def _score(row: Mapping[Any, Any], why: str, footnotes: Footnotes) -> str:
    if not known(row["expected_score"]):
        return footnotes.missing(why, "no score")
    limits = interval(row["ci_low"], row["ci_high"], lambda x: number(x, 3))
    return f"{number(row['expected_score'], 3)} {limits}"


def _share(x: Any, why: str, footnotes: Footnotes) -> str:
    return percent(x) if known(x) else footnotes.missing(why, "not ranked")


def _same(level: Any, other: Any) -> bool:
    return other is not None and level_text(level) == level_text(other)


def _whole(fraction: float) -> str:
    return f"{100 * fraction:g}"


def _gate_note(gates: Any) -> str:
    return (
        f"Gates close a level when P({gates.toxicity} > {_whole(gates.phi_t)} %) exceeds "
        f"{_whole(gates.c_t)} % or "
        f"P({gates.response} < {_whole(gates.phi_e)} %) exceeds {_whole(gates.c_e)} %; a level needs at "
        f"least {gates.min_n} subjects."
    )


def criteria(rules: Any) -> Table:
    """What is scored, with which desirability and weight."""
    rows = []
    for criterion in rules.criteria:
        shape = criterion.desirability
        goal = {"min": "low is good", "max": "high is good", "target": "near the target", "box": "between"}[
            shape.kind
        ]
        target = f", target {significant(shape.target)}" if known(shape.target) else ""
        rows.append(
            Row(cells=(criterion.name, criterion.kind.replace("-", " "), goal,
                       f"{shape.low:.3g} to {shape.high:.3g}{target}",
                       significant(criterion.weight, 2))),
        )  # fmt: skip
    return Table(
        name="rp2d-criteria", title="Criteria of the score",
        columns=("Criterion", "Kind", "Desirability", "From, to", "Weight"), rows=tuple(rows),
        words=(1, 2, 3),
    )  # fmt: skip


def evidence(result: Any, groups: Groups) -> Table:
    """Counts behind the score: events of those observed, by criterion and level."""
    counts = result.counts
    levels = [level_text(level) for level in result.summary["dose_level"]]
    rows = []
    for criterion in dict.fromkeys(counts["criterion"]):
        of = {
            level_text(row["dose_level"]): row
            for row in counts[counts["criterion"] == criterion].to_dict("records")
        }
        cells = (f"{number(of[x]['n_event'])}/{number(of[x]['n'])}" if x in of else "0/0" for x in levels)
        rows.append(Row(cells=(str(criterion), *cells)))
    exposures = result.exposures
    for criterion in dict.fromkeys(exposures["criterion"]) if len(exposures) else ():
        of_level = [level_text(level) for level in exposures["dose_level"]]
        here = (exposures["criterion"] == criterion).tolist()
        cells = (f"n = {sum(a and b == x for a, b in zip(here, of_level, strict=True))}" for x in levels)
        rows.append(Row(cells=(f"{criterion} (exposures)", *cells)))
    return Table(
        name="rp2d-evidence", title="Evidence behind the score",
        columns=("Criterion", *(groups.name(x) for x in levels)), rows=tuple(rows),
        method="Subjects with the criterion/subjects in whom it was observed.",
    )  # fmt: skip


def sensitivity(result: Any) -> Table:
    """What is recommended when a rule changes."""
    rows = []
    for row in result.sensitivity.to_dict("records"):
        moved = level_text(row["recommended_level"]) != level_text(result.recommended_level)
        rows.append(
            Row(
                cells=(KINDS.get(word(row["kind"]), word(row["kind"])), word(row["variant"]),
                       level_text(row["best_level"]), level_text(row["recommended_level"]),
                       "changes" if moved else "same"),
                kind="total" if moved else "",
            ),
        )  # fmt: skip
    changed = sum(row.cells[-1] == "changes" for row in rows)
    return Table(
        name="rp2d-sensitivity", title="Sensitivity of the recommendation",
        columns=("What varies", "Variant", "Highest\nscore", "Recommended", "Against\nthe plan"),
        rows=tuple(rows), words=(1, 4),
        notes=(f"{changed} of {len(rows)} variants recommend another level or none.",),
    )  # fmt: skip


def weight_sweep(result: Any) -> Table | None:
    """Where one weight, as a share of 1, changes the choice."""
    sweep = getattr(result, "weight_sweep", None)
    if sweep is None or not len(sweep):
        return None
    rows = tuple(
        Row(cells=(word(row["criterion"]),
                   f"{number(row['weight_low'], 2)} to {number(row['weight_high'], 2)}",
                   level_text(row["best_level"]), level_text(row["recommended_level"])))
        for row in sweep.to_dict("records")
    )  # fmt: skip
    return Table(
        name="rp2d-weights", title="Recommendation by the weight of one criterion",
        columns=("Criterion", "Weight (share of 1)", "Highest\nscore", "Recommended"), rows=rows,
        words=(1,), notes=("The other weights keep their proportions.",),
    )  # fmt: skip


def ranks(result: Any, groups: Groups) -> Table | None:
    """Shares of draws in which a level ranks first, second ..., and its expected loss."""
    frame = getattr(result, "ranks", None)
    if frame is None or not len(frame):
        return None
    places = [name for name in frame.columns if name.startswith("rank_")]
    rows = tuple(
        Row(cells=(groups.name(level_text(row["dose_level"])), number(row["expected_loss"], 3),
                   *(percent(row[name]) for name in places)))
        for row in frame.to_dict("records")
    )  # fmt: skip
    heads = tuple(f"Rank {name.removeprefix('rank_')}, %" for name in places)
    return Table(
        name="rp2d-ranks", title="How often each level ranks where",
        columns=("Level", "Expected loss\nof score", *heads), rows=rows,
        method="Shares of the posterior draws; levels that pass the gates.",
    )  # fmt: skip
