"""The integrated score in words: what is recommended, how firmly, and what these numbers cannot show.

Here: sentences made from the fields of a `DoseScore`. Not here: any number that is not in it, except
what the gates can detect, which follows from the rules and the denominators.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cart7 import derive
from cart7.rp2d.rules import PLACEHOLDER, ScoreRules
from cart7.stats import desirability as kernel

if TYPE_CHECKING:
    from cart7.rp2d.score import DoseScore

FARTHEST_N = 200

RULED_OUT = 0.05
"""P(best) from which a level counts as left open by the data."""


def verdict(result: "DoseScore") -> str:
    """One sentence: the recommended level, or why there is none."""
    if result.recommended_level is None:
        return f"No dose level is recommended: {result.status}."
    plateau = f"{100 * result.rules.plateau:g} %"
    if result.recommended_level == result.best_level:
        how = f"the highest expected score, and no lower level is within {plateau} of it"
    else:
        how = f"the lowest level within {plateau} of the highest expected score (level {result.best_level})"
    return f"Dose level {result.recommended_level} is recommended: {how}."


def sentences(result: "DoseScore") -> list[str]:
    """The whole explanation, a sentence or a table line each."""
    lines = [verdict(result)]
    if result.rules.placeholder:
        lines.append(f"Caution: {PLACEHOLDER}.")
    lines += _levels(result)
    lines += _sureness(result)
    lines += _robustness(result)
    lines += gate_power(result)
    lines += [
        "Limits: criteria count as independent within a subject; there is no dose-response model; a missing "
        "criterion is not imputed; the score is a transparent ranking under stated weights, not a proof.",
    ]
    return lines + _received(result)


def _received(result: "DoseScore") -> list[str]:
    """What the dose received changes; nothing to say of a score made from tables."""
    if result.analysis != "dose.recommend":
        return []
    if result.received is None:
        return ["By the dose received: not judged, since cell doses or planned doses are not there."]
    one, other = (x.subjects.drop_duplicates("subject_id") for x in (result, result.received))
    moved = one.merge(other, on="subject_id", suffixes=("", "_received"))
    assigned, nearest = (
        moved[name].map(derive.group_label) for name in ("dose_level", "dose_level_received")
    )
    changed = moved[assigned != nearest]
    who = ", ".join(changed["subject_id"]) or "nobody"
    return [f"By the dose received: {verdict(result.received)} Nearest to another level, or unknown: {who}."]


def _levels(result: "DoseScore") -> list[str]:
    lines = []
    for row in result.summary.to_dict("records"):
        text = f"  Level {row['dose_level']}: "
        if np.isnan(row["expected_score"]):
            text += "no score"
        else:
            text += (
                f"expected score {row['expected_score']:.3f} (95 % credible {row['ci_low']:.3f} to "
                f"{row['ci_high']:.3f}), at the posterior means {row['plugin_score']:.3f}"
            )
        if not np.isnan(row["prob_best"]):
            text += f", P(best) = {row['prob_best']:.2f}"
        lines.append(f"{text}; {row['reason']}." if row["reason"] else f"{text}.")
    return lines


def _sureness(result: "DoseScore") -> list[str]:
    """How sure the choice is, and which other levels the data leave open."""
    best = {row["dose_level"]: row["prob_best"] for row in result.summary.to_dict("records")}
    chosen = result.recommended_level
    if chosen is None:
        return []
    others = [str(level) for level, chance in best.items() if level != chosen and chance >= RULED_OUT]
    said = f"How sure: level {chosen} has the highest score in {100 * best[chosen]:.0f} % of the draws"
    if not others:
        return [f"{said}; no other level has it in {100 * RULED_OUT:g} % or more."]
    word = "level" if len(others) == 1 else "levels"
    return [f"{said}; {word} {', '.join(others)} cannot be ruled out ({100 * RULED_OUT:g} % or more)."]


def _robustness(result: "DoseScore") -> list[str]:
    if result.recommended_level is None:
        return []
    total = len(result.sensitivity)
    if result.robust:
        lines = [f"Robust: the same level is recommended in all {total} variants."]
    else:
        flips = result.flips
        said = f"Not robust: {len(flips)} of {total} variants recommend another level or none"
        lines = [f"{said} ({'; '.join(flips)})."]
    return lines + _switches(result)


def _switches(result: "DoseScore") -> list[str]:
    """How far each weight, as a share of 1, must move to change the recommendation."""
    sweep = result.weight_sweep
    if not len(sweep):
        return []
    weights = {criterion.name: criterion.weight for criterion in result.rules.criteria}
    total = sum(weights.values())
    lines, firm = [], []
    for criterion, part in sweep.groupby("criterion", sort=False):
        own = weights[str(criterion)] / total
        turns = _turns(part, own, result.recommended_level)
        if turns:
            lines.append(f"  {criterion}, weight {own:.2f}: {'; '.join(turns)}.")
        else:
            firm.append(str(criterion))
    head = "How far one weight (share of 1, the others in proportion) must move to change the recommendation:"
    if firm:
        lines.append(f"  {', '.join(firm)}: no weight from 0 to 1 changes it.")
    return [head, *lines]


def _turns(part: pd.DataFrame, own: float, recommended: object) -> list[str]:
    """The nearest weight below and above the one in force at which another level, or none, is recommended."""
    said = []
    for way, rows in (("down", part[::-1]), ("up", part)):
        for row in rows.to_dict("records"):
            level = None if pd.isna(row["recommended_level"]) else row["recommended_level"]
            edge = row["weight_high"] if way == "down" else row["weight_low"]
            away = edge < own if way == "down" else edge > own
            if away and level != recommended:
                said.append(f"{way} to {edge:.2f} {'none' if level is None else f'level {level}'}")
                break
    return said


def gate_power(result: "DoseScore") -> list[str]:
    """What the gates can and cannot detect at the numbers of each level."""
    gates, counts = result.rules.gates, result.counts
    lines = []
    for name, closes, word in (
        (gates.toxicity, _closes_toxicity, "safety gate"),
        (gates.response, _closes_response, "response gate"),
    ):
        sizes = counts.loc[(counts["criterion"] == name) & (counts["n"] > 0), "n"].astype(int)
        for n in sorted(sizes.unique().tolist()):
            lines.append(f"  The {word} ({name}) at n = {n}: {closes(n, result.rules)}.")
    return ["What the gates can detect:", *lines] if lines else []


def _closes_toxicity(n: int, rules: ScoreRules) -> str:
    gates = rules.gates
    events = np.arange(n + 1)
    tail = kernel.beta_posterior(events, n, prior=rules.prior).sf(gates.phi_t)
    closing = np.flatnonzero(tail > gates.c_t)
    if n < gates.min_n or not closing.size:
        needed = f"needed > {gates.c_t:g} and n >= {gates.min_n}"
        return f"cannot close ({n} of {n} gives P = {tail[n]:.3f}, {needed})"
    first = int(closing[0])
    below = f"; {first - 1} of {n} gives {tail[first - 1]:.3f} and passes" if first else ""
    return f"closes from {first} of {n} (P = {tail[first]:.3f}{below})"


def _closes_response(n: int, rules: ScoreRules) -> str:
    gates = rules.gates
    low = kernel.beta_posterior(np.arange(n + 1), n, prior=rules.prior).cdf(gates.phi_e)
    closing = np.flatnonzero(low > gates.c_e)
    if n >= gates.min_n and closing.size:
        most = int(closing[-1])
        return f"closes up to {most} of {n} (P = {low[most]:.3f})"
    sizes = np.arange(max(gates.min_n, 1), FARTHEST_N)
    none = kernel.beta_posterior(np.zeros(sizes.size), sizes, prior=rules.prior).cdf(gates.phi_e)
    enough = np.flatnonzero(none > gates.c_e)
    when = f", not before n = {sizes[enough[0]]}" if enough.size else ""
    return (
        f"cannot close (0 of {n} gives P = {low[0]:.3f}, needed > {gates.c_e:g} and n >= {gates.min_n}){when}"
    )
