"""Tables of the way from the vein to the infusion: steps, intervals, and who did not get there.

Here: layouts. Not here: any count or date (`dose`).
"""

from collections.abc import Mapping
from typing import Any

from cart7.report.cells import Footnotes, Groups, Row, Table, count, known, number, word
from cart7.report.words import POPULATIONS

STEPS = {
    "leukapheresed": "Leukapheresed",
    "released": "Product released",
    "failed": "Manufacture failed",
    "out of specification": "Product out of specification",
    "no outcome yet": "No outcome of manufacture yet",
    "lymphodepleted": "Lymphodepleted",
    "infused": "Infused",
    "not infused": "Not infused",
    "dose within limits": "Dose within limits",
    "dose known": "Dose known",
    "second infusion": "Second infusion",
}
OF = {"ENROLLED": "of enrolled", "LEUKAPHERESED": "of leukapheresed", "INFUSED": "of infused"}
INTERVALS = {
    "enrolment_to_leukapheresis_days": "Enrolment to leukapheresis",
    "leukapheresis_to_start_days": "Leukapheresis to start of manufacture",
    "start_to_release_days": "Start of manufacture to release",
    "release_to_infusion_days": "Release to infusion",
    "vein_to_vein_days": "Vein to vein",
}


def steps(result: Any, groups: Groups) -> Table:
    """How many reached each step, of the enrolled, the leukapheresed and the infused."""
    found: dict[tuple[str, str], dict[str, Mapping[Any, Any]]] = {}
    for row in result.summary.to_dict("records"):
        found.setdefault((str(row["step"]), str(row["denominator"])), {})[str(row["group"])] = row
    rows = []
    for (step, denominator), of_group in found.items():
        why, _, reason = step.partition(": ")
        name = f"  {reason.capitalize()}" if reason else STEPS.get(why, why)
        cells = [_cell(of_group.get(label, {})) for label in groups.labels]
        kind = "total" if step == "infused" and denominator == "ENROLLED" else ""
        rows.append(Row(cells=(name, OF[denominator], *cells), kind=kind))
    return Table(
        name="vein-to-vein", title="From the vein to the infusion",
        columns=("Step", "", *groups.heads(sized=False)), rows=tuple(rows), words=(1,),
        population=POPULATIONS["ENROLLED"],
        method=f"n (%) [{100 * _level(result):g} % limits, Clopper-Pearson].",
    )  # fmt: skip


def _level(result: Any) -> float:
    return float(result.summary["conf_level"].iloc[0]) if len(result.summary) else 0.95


def _cell(row: Mapping[Any, Any]) -> str:
    if not known(row.get("n_event")):
        return "not collected"
    if not row["n"]:
        return "0/0"
    limits = f"[{number(100 * row['ci_low'], 1)}, {number(100 * row['ci_high'], 1)}]"
    return f"{count(row['n_event'], row['n'])} {limits}"


def clock(result: Any, groups: Groups) -> Table | None:
    """Median and range of each interval, by group."""
    if not timed(result):
        return None
    table = result.clock
    rows = []
    for interval, words in INTERVALS.items():
        of_interval = table[table["interval"] == interval].to_dict("records")
        rows.append(Row(cells=(words, *groups.across(of_interval, _days))))
    return Table(
        name="vein-to-vein-days", title="Days from the vein to the infusion",
        columns=("Interval", *groups.heads(sized=False)), rows=tuple(rows),
        population="Subjects who reached the end of the interval",
        method="Median [range], n with both dates.",
    )  # fmt: skip


def _days(row: Mapping[Any, Any]) -> str:
    if not row["n"]:
        return "no dates"
    return (
        f"{number(row['median'], 1)} [{number(row['min'])} to {number(row['max'])}], n = {number(row['n'])}"
    )


def timed(result: Any) -> bool:
    """Whether any interval is known."""
    return bool(result.clock["n"].sum())


def listing(result: Any, groups: Groups) -> Table:
    """Everybody who was not infused, and the infused about whom something is to be said."""
    footnotes = Footnotes()
    rows = []
    for row in result.subjects.to_dict("records"):
        if row["infused"] == 1 and not row["note"]:
            continue
        rows.append(
            Row(
                cells=(
                    str(row["subject_id"]), groups.name(str(row["group"])),
                    word(row["leukapheresis_date"], "not known"),
                    number(row["n_attempts"], 0, "not collected"),
                    word(row["outcome"], "none").replace("_", " ").lower(), str(row["stage"]).lower(),
                    word(row["reason"], "infused").lower(),
                    number(row["vein_to_vein_days"], 0, row["note"], footnotes),
                )
            )
        )  # fmt: skip
    return Table(
        name="vein-to-vein-listing", title="Not infused, or with a finding on the way",
        columns=("Subject", "Level", "Leukapheresis", "Attempts", "Manufacture", "Last step",
                 "Why not infused", "Vein to vein\ndays"),
        rows=tuple(rows), words=(1, 2, 4, 5, 6), population=POPULATIONS["ENROLLED"],
        notes=footnotes.lines(), empty="Everybody was infused, without a finding.",
    )  # fmt: skip
