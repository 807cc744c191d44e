"""Tables of efficacy: response by visit, strategy and denominator, best response, time to event.

Here: layouts, and who changes between strategies as a listing. Not here: any rate, median or curve.
"""

from collections.abc import Mapping, Sequence
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
    interval,
    known,
    number,
    per_key,
    percent,
    rate,
    word,
)
from cart7.report.words import (
    DENOMINATORS,
    ENDPOINTS,
    POPULATIONS,
    REASONS,
    STRATEGIES,
    in_words,
    notes_in_words,
)

EXACT = "Exact (Clopper-Pearson) two-sided 95 % limits unless the plan says otherwise."
SAME = "the same"
BEST_NAMES = {"BOR": "Best overall response", "CBOR": "Confirmed best response"}


def response_rates(result: Any, groups: Groups) -> Table:
    """Responders by visit and strategy among the infused, by dose level."""
    infused = result.summary[result.summary["population"] == "INFUSED"]
    rows: list[Row] = []
    for (visit,), of_visit in per_key(infused, ["visit"]).items():
        rows.append(Row(cells=(BEST_NAMES.get(str(visit), str(visit)),), kind="head"))
        for (strategy,), found in per_key(pd.DataFrame(of_visit), ["strategy"]).items():
            cells = groups.across(found, _responders)
            everybody = next((row for row in found if str(row["group"]) == ALL), found[-1])
            rows.append(
                Row(
                    cells=(
                        STRATEGIES.get(str(strategy), str(strategy)),
                        *cells,
                        number(everybody["n_not_evaluable"]),
                    ),
                    kind="sub",
                )
            )
    return Table(
        name="response", title="Responders by visit, strategy and dose level",
        columns=("Visit\n  Strategy for intercurrent events", *groups.heads(), "Not evaluable\n(all)"),
        rows=tuple(rows), population=POPULATIONS["INFUSED"], method=f"Responders/infused (%). {EXACT}",
        notes=_response_notes(result.rules),
    )  # fmt: skip


def _responders(row: Mapping[Any, Any]) -> str:
    return rate(row["n_responder"], row["n"], row["ci_low"], row["ci_high"], row.get("note"))


def _response_notes(rules: Any) -> tuple[str, ...]:
    windows = getattr(rules, "visits", {})
    responder = ", ".join(getattr(rules, "responder", ()))
    spans = "; ".join(
        f"{name}: day {window.target:g} ({window.lower:g} to {window.upper:g})"
        for name, window in windows.items()
    )
    return (
        f"Responder: {responder}. Windows: {spans}; the assessment nearest the target, the "
        f"{getattr(rules, 'tie', 'later')} one on a tie.",
        "An infused subject without an assessment in the window counts as non-responder; the column not "
        "evaluable says how many.",
    )


def response_denominators(result: Any) -> Table:
    """Responders by visit and strategy over every denominator, everybody."""
    everybody = result.summary[result.summary["group"] == ALL]
    populations = [name for name in DENOMINATORS if (everybody["population"] == name).any()]
    rows: list[Row] = []
    for (visit,), of_visit in per_key(everybody, ["visit"]).items():
        rows.append(Row(cells=(BEST_NAMES.get(str(visit), str(visit)),), kind="head"))
        for (strategy,), found in per_key(pd.DataFrame(of_visit), ["strategy"]).items():
            of = {str(row["population"]): row for row in found}
            cells = tuple(_responders(of[name]) if name in of else "not defined" for name in populations)
            rows.append(Row(cells=(STRATEGIES.get(str(strategy), str(strategy)), *cells), kind="sub"))
    return Table(
        name="response-denominators", title="The same responders over every denominator, all subjects",
        columns=("Visit\n  Strategy", *(DENOMINATORS[name] for name in populations)), rows=tuple(rows),
        population="As the column says", method=f"Responders/n (%). {EXACT}",
        notes=("The infused set is the primary denominator; the others show how much the choice matters.",),
    )  # fmt: skip


def response_members(result: Any, groups: Groups) -> list[Table]:
    """A table per visit: each subject, in which denominators, and why not in the others."""
    members = result.members()
    visits = list(dict.fromkeys(members["visit"].astype(str)))
    return [_members_at(members[members["visit"] == visit], visit, groups) for visit in visits]


def _members_at(members: pd.DataFrame, visit: str, groups: Groups) -> Table:
    """Under the first strategy in full; where another one differs, it is named with its reason."""
    populations = [name for name in DENOMINATORS if name in members.columns]
    first = str(members["strategy"].iloc[0]) if len(members) else ""
    in_order = pd.DataFrame(_by_level(members, groups), columns=members.columns)
    rows = []
    for (subject,), found in per_key(in_order, ["subject_id"]).items():
        own = next(row for row in found if str(row["strategy"]) == first)
        level = groups.of_subject.get(str(subject))
        flags = ("yes" if own[name] == 1 else "no" for name in populations)
        cells = (str(subject), "\u2013" if level is None else groups.name(level), *flags, _verdict(own))
        rows.append(Row(cells=(*cells, word(own["why"]), _otherwise(own, found, populations))))
    counted = members[members["strategy"] == first]
    totals = (number(float((counted[name] == 1).sum())) for name in (*populations, "responder"))
    rows += [Row(cells=("How many", "", *totals, "", ""), kind="total")] * bool(rows)
    moved = any(row.cells[-1] not in ("", SAME) for row in rows)
    heads = ("Subject", "Level", *(_in_two_lines(DENOMINATORS[name]) for name in populations), "Responder",
             "Because of", "Under other strategies")  # fmt: skip
    rows = rows if moved else [Row(cells=row.cells[:-1], kind=row.kind) for row in rows]
    return Table(
        name=f"response-members-{visit.lower().replace(' ', '-')}",
        title=f"Who is in which denominator at {visit}, and why",
        columns=heads if moved else heads[:-1], rows=tuple(rows),
        words=(1, *range(2, 4 + len(populations) + moved)), population="Enrolled subjects",
        method=f"Columns under: {STRATEGIES.get(first, first).lower()}. Reached: the window had closed, or "
        "the visit was decided, by the data cut-off. Evaluable: assessed in the window, or with what "
        "counts as failure.",
        notes=() if moved else ("Every strategy puts every subject into the same denominators.",),
        empty="Nobody enrolled.",
    )  # fmt: skip


def _in_two_lines(head: str) -> str:
    """A long header in two lines, so that ten columns fit the page."""
    first, _, rest = head.partition(" ")
    return f"{first}\n{rest}" if rest else head


def _verdict(row: Mapping[Any, Any]) -> str:
    return ("yes" if row["responder"] == 1 else "no") if known(row["responder"]) else "not counted"


def _otherwise(own: Mapping[Any, Any], found: Sequence[Mapping[Any, Any]], populations: Sequence[str]) -> str:
    """Strategies under which the subject moves, grouped by what they make of it."""
    told: dict[str, list[str]] = {}
    for row in found:
        left = [DENOMINATORS[name].lower() for name in populations if own[name] == 1 and row[name] != 1]
        joins = [DENOMINATORS[name].lower() for name in populations if own[name] != 1 and row[name] == 1]
        moves = [*(f"not {name}" for name in left), *joins]
        if _verdict(row) != _verdict(own):
            moves.append("responder" if row["responder"] == 1 else "non-responder")
        if moves:
            words = f"{', '.join(moves)} ({word(row['why'])})"
            told.setdefault(words, []).append(STRATEGIES.get(str(row["strategy"]), str(row["strategy"])))
    return "; ".join(f"{', '.join(names)}: {words}" for words, names in told.items()) or SAME


def response_changes(result: Any, groups: Groups) -> Table:
    """Subjects whose responder status differs between strategies at a visit, and why."""
    subjects = result.subjects
    strategies = list(dict.fromkeys(subjects["strategy"]))
    rows = []
    for (visit, subject), found in per_key(subjects, ["visit", "subject_id"]).items():
        of = {str(row["strategy"]): row for row in found}
        status = {None if not known(row["responder"]) else float(row["responder"]) for row in found}
        if len(status) < 2:
            continue
        cells = tuple(_status(of[name]) if name in of else "none" for name in strategies)
        rows.append(
            Row(
                cells=(str(visit), str(subject), groups.name(groups.of_subject.get(str(subject), "")), *cells)
            )
        )
    return Table(
        name="response-changes", title="Whose response depends on the strategy",
        columns=("Visit", "Subject", "Level", *(STRATEGIES.get(name, name) for name in strategies)),
        rows=tuple(rows), words=tuple(range(1, 3 + len(strategies))), population=POPULATIONS["INFUSED"],
        empty="Nobody: every strategy gives the same responders.",
    )  # fmt: skip


def _status(row: Mapping[Any, Any]) -> str:
    if not known(row["responder"]):
        return in_words(word(row["reason"]), REASONS) or "not in the denominator"
    verdict = "responder" if row["responder"] == 1 else "non-responder"
    response = word(row["response"])
    seen = f"{response}, day {day(row['day'])}" if response and known(row["day"]) else response
    reason = in_words(word(row["reason"]), REASONS)
    why = "; ".join(filter(None, (seen, reason)))
    return f"{verdict} ({why})" if why else verdict


def best_response(result: Any, groups: Groups) -> Table | None:
    """Best overall response by category, where the result counts it."""
    summary = result.summary
    if not len(summary) or not {"category", "n_event", "n"} <= set(summary.columns):
        return None
    names = {
        "RESPONDER": "Responder",
        "MRD_NEGATIVE_CR": "MRD-negative CR",
        "MISSING": "No usable assessment",
    }
    rows = []
    labels = [label for label in groups.labels if (summary["group"].astype(str) == label).any()]
    for (category,), found in per_key(summary, ["category"]).items():
        of = {str(row["group"]): row for row in found}
        cells = tuple(
            rate(of[x]["n_event"], of[x]["n"], of[x]["ci_low"], of[x]["ci_high"], of[x].get("note"))
            if x in of
            else "0"
            for x in labels
        )
        kind = "total" if str(category) in ("RESPONDER", "MRD_NEGATIVE_CR") else ""
        rows.append(Row(cells=(names.get(str(category), str(category)), *cells), kind=kind))
    return Table(
        name="best-response", title="Best overall response",
        columns=("", *(groups.head(label) for label in labels)), rows=tuple(rows),
        population=POPULATIONS["INFUSED"],
        method=f"Best of the assessments up to progression, new therapy or second infusion. {EXACT}",
    )  # fmt: skip


def best_response_listing(result: Any, groups: Groups) -> Table:
    """Best overall response of every subject."""
    rows = []
    for row in _by_level(result.subjects, groups):
        rows.append(
            Row(
                cells=(
                    str(row["subject_id"]), groups.name(groups.of_subject.get(str(row["subject_id"]), "")),
                    {"MISSING": "no usable assessment"}.get(word(row["best_response"]),
                                                            word(row["best_response"])),
                    day(row["day"], "none"),
                    day(row["first_response_day"], "no response"),
                    day(row["first_confirmed_response_day"], "not confirmed"),
                    day(row["first_mrd_negative_cr_day"], "none"),
                    word(row.get("note")),
                )
            ),
        )  # fmt: skip
    keep = None if any(row.cells[-1] for row in rows) else -1
    rows = [Row(cells=row.cells[:keep]) for row in rows]
    return Table(
        name="best-response-listing", title="Best overall response of every subject",
        columns=("Subject", "Level", "Best response", "On day", "First response\nday", "Confirmed\nday",
                 "MRD-negative\nCR day", "Note")[:keep],
        rows=tuple(rows), words=(1, 2, 7), population=POPULATIONS["INFUSED"],
    )  # fmt: skip


def _by_level(frame: pd.DataFrame, groups: Groups) -> list[dict[Any, Any]]:
    place = {label: number for number, label in enumerate(groups.labels)}
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    return sorted(rows,
                  key=lambda row: (place.get(groups.of_subject.get(str(row["subject_id"]), ""), 99),
                                         str(row["subject_id"])))  # fmt: skip


def time_to_event(result: Any, groups: Groups) -> Table:
    """Endpoints by strategy and group: events, median with log-log and exact limits, landmarks, follow-up."""
    footnotes = Footnotes()
    landmarks = landmark_days(result.summary)
    told = getattr(result, "reasons", None)
    why = [{} for _ in range(len(result.summary))] if told is None else told.to_dict("records")
    lines = [
        row | {"why": reasons} for row, reasons in zip(result.summary.to_dict("records"), why, strict=True)
    ]
    rows: list[Row] = []
    for endpoint in dict.fromkeys(row["endpoint"] for row in lines):
        of_endpoint = [row for row in lines if row["endpoint"] == endpoint]
        for names, cells in _alike(of_endpoint, groups, landmarks, footnotes):
            under = "; ".join(STRATEGIES.get(name, name) for name in names)
            rows.append(Row(cells=(f"{ENDPOINTS.get(str(endpoint), str(endpoint))}: {under}",), kind="head"))
            rows += [Row(cells=line, kind="sub") for line in cells]
    return Table(
        name="time-to-event", title="Time-to-event endpoints by strategy",
        columns=("", "Events/n", "Median, days\n[95 % log-log]", "Exact limits\n[BPCP]",
                 *(f"Event-free at\nday {landmark} (%)" for landmark in landmarks),
                 "Median\nfollow-up, days"),
        rows=tuple(rows), population=f"{POPULATIONS['INFUSED']}; duration of response: responders",
        method="Kaplan-Meier in days since infusion (duration of response: since first response). Where n is "
        "at most 40 the limits of the part without event are exact (beta product, BPCP) and those of the "
        "median stand beside its log-log limits; log-log otherwise. Follow-up by reverse Kaplan-Meier. A "
        "competing event counts as censored here; its incidence has its own table.",
        notes=("Strategies that give the same numbers share their lines.", *footnotes.lines()),
    )  # fmt: skip


def _alike(
    rows: list[dict[Any, Any]], groups: Groups, landmarks: Sequence[str], footnotes: Footnotes
) -> list[tuple[list[str], list[tuple[str, ...]]]]:
    """Printed lines by strategy; strategies that print the same share their lines."""
    found: list[tuple[list[str], list[tuple[str, ...]]]] = []
    for strategy in dict.fromkeys(str(row["strategy"]) for row in rows):
        of = {str(row["group"]): row for row in rows if str(row["strategy"]) == strategy}
        here = [label for label in groups.labels if label in of]
        lines = [(groups.name(label), *_endpoint_cells(of[label], landmarks, footnotes)) for label in here]
        same = next((names for names, cells in found if cells == lines), None)
        if same is None:
            found.append(([strategy], lines))
        else:
            same.append(strategy)
    return found


def landmark_days(summary: pd.DataFrame) -> list[str]:
    """Days at which the result states the survival (columns `survival_d90` ...)."""
    heads = [name.removeprefix("survival_d") for name in summary.columns if name.startswith("survival_d")]
    return [name for name in heads if not name.endswith(("_low", "_high"))]


def _endpoint_cells(
    row: Mapping[Any, Any], landmarks: Sequence[str], footnotes: Footnotes
) -> tuple[str, ...]:
    reasons = row["why"]
    if row["n"] == 0:
        nobody = word(row.get("note")) or "no subject with a time"
        return ("0/0", nobody, *(("nobody",) * (len(landmarks) + 2)))
    median = day(row["median"], NOT_REACHED)
    limits = interval(row["ci_low"], row["ci_high"], day, NOT_REACHED)
    exact = interval(row.get("bpcp_low"), row.get("bpcp_high"), day, NOT_REACHED)
    large = not known(row.get("bpcp_low")) and "given up to" in word(reasons.get("bpcp_low"))
    cells = [
        f"{number(row['n_event'])}/{number(row['n'])}",
        f"{median} {limits}",
        "n > 40" if large else exact,
    ]
    for landmark in landmarks:
        name = f"survival_d{landmark}"
        if known(row[name]):
            # Log-log limits are 100 to 100 while nobody has had an event; the exact ones are not.
            kind = "ci" if large else "bpcp"
            limits = interval(row[f"{name}_{kind}_low"], row[f"{name}_{kind}_high"], percent)
            cells.append(f"{percent(row[name])} {limits}")
        else:
            reason = word(reasons.get(name)).partition(" (")[0]
            cells.append(footnotes.missing(reason or "beyond the last observation"))
    cells.append(_follow_up(row["follow_up_median"]))
    return tuple(cells)


def _follow_up(days: Any) -> str:
    return NOT_REACHED if not known(days) else number(days, 0 if float(days).is_integer() else 1)


def strategy_changes(result: Any, groups: Groups) -> Table:
    """Subjects whose status or time moves between strategies, and why."""
    rows = []
    for row in result.changes.to_dict("records"):
        subject = str(row["subject_id"])
        before = {name: row[f"compared_{name}"] for name in ("time", "cause", "reason")}
        rows.append(
            Row(
                cells=(
                    str(row["endpoint"]), subject,
                    groups.name(groups.of_subject.get(subject, "")),
                    STRATEGIES.get(str(row["compared_with"]), str(row["compared_with"])),
                    _time_and_status(before),
                    STRATEGIES.get(str(row["strategy"]), str(row["strategy"])), _time_and_status(row),
                    notes_in_words(word(row["why"]), REASONS),
                )
            ),
        )  # fmt: skip
    return Table(
        name="strategy-changes", title="Whose time or status depends on the strategy, and why",
        columns=("Endpoint", "Subject", "Level", "Under", "Day and status", "But under", "Day and status",
                 "Because of"),
        rows=tuple(rows), words=tuple(range(1, 8)), population=POPULATIONS["INFUSED"],
        empty="Nobody: every strategy gives the same times and events.",
    )  # fmt: skip


def _time_and_status(row: Mapping[Any, Any]) -> str:
    reason = in_words(word(row["reason"]), REASONS)
    if not known(row["time"]):
        return f"no time ({reason})" if reason else "no time"
    status = (
        {0: "censored", 1: "event", 2: "competing"}.get(int(row["cause"]), "") if known(row["cause"]) else ""
    )
    return f"{day(row['time'])}, {status}" + (f" ({reason})" if reason else "")


def incidence(result: Any, causes: Mapping[int, str]) -> Table:
    """Cumulative incidence at every time it changes."""
    rows = []
    curve = result.curve
    for (cause,), found in per_key(curve, ["cause"]).items():
        name = causes.get(int(cause), f"cause {cause}")
        rows.append(Row(cells=(name[:1].upper() + name[1:],), kind="head"))
        before = 0.0
        for row in found:
            if known(row["estimate"]) and float(row["estimate"]) != before:
                before = float(row["estimate"])
                rows.append(
                    Row(
                        cells=(day(row["time"]), number(row["n_risk"]), percent(row["estimate"]),
                               interval(row["ci_low"], row["ci_high"], percent)),
                        kind="sub",
                    ),
                )  # fmt: skip
    return Table(
        name="incidence", title="Cumulative incidence with HSCT as competing event",
        columns=("Day", "At risk", "Cumulative\nincidence (%)", "95 % limits"), rows=tuple(rows),
        population=POPULATIONS["INFUSED"], method="Aalen-Johansen; Aalen variance. Steps only.",
        empty="Nobody at risk.",
    )  # fmt: skip
