"""The summary results as a CDISC Analysis Results Standard (ARS) version 1 reporting event.

Here: the mapping of long rows to the classes of ARS, and the JSON file. Not here: the published rules of
ARS and their check (`ars_rules`), any number, and the rows of single subjects, which are listings and not
analyses.

analysis x param x timepoint x population is an Analysis; the function that made it, with the statistics that
such a block holds, an AnalysisMethod; a statistic (with the way it is obtained) an Operation; the population
an AnalysisSet; the `by` column a GroupingFactor and its values the Groups.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cart7 import results
from cart7.cdisc import ard

REASON = "SPECIFIED IN SAP"
PRIMARY, SECONDARY, EXPLORATORY = (
    f"{word} OUTCOME MEASURE" for word in ("PRIMARY", "SECONDARY", "EXPLORATORY")
)
PURPOSES: Mapping[str, str] = {
    "safety.dose_limiting_toxicity": PRIMARY,
    "dose.recommend": PRIMARY,
    "safety.compare_dlt": EXPLORATORY,
    "pd.escape": EXPLORATORY,
    "pk.exposure_by_outcome": EXPLORATORY,
    "pk.exposure_response": EXPLORATORY,
    "immunogenicity.against_persistence": EXPLORATORY,
}
"""Purpose of an analysis as phase I protocols usually have it; the protocol at hand decides."""
SETS: Mapping[str, tuple[str, str]] = {
    "ENROLLED": ("Enrolled subjects", "ENRLFL"),
    "INFUSED": ("Infused subjects (safety and efficacy set)", "SAFFL"),
    "DLT_EVALUABLE": ("Subjects evaluable for dose-limiting toxicity", "DLTEVLFL"),
}
"""Label of an analysis set, and its flag in ADSL where there is a usual one."""


def reporting_event(
    long: pd.DataFrame,
    *,
    study_id: str,
    by: str = "dose_level",
    reason: str = REASON,
    purposes: Mapping[str, str] = PURPOSES,
) -> dict[str, Any]:
    """Summary rows as one ARS reporting event.

    Parameters
    ----------
    long : DataFrame
        Long rows; those of single subjects are left out.
    study_id : str
        Study, for the name of the event.
    by : str
        Column that defined the groups.
    reason : str
        Why the analyses were made, in the words of ARS.
    purposes : mapping of str to str
        Purpose by analysis (`response.objective_response`), in the words of ARS; the others are
        secondary.

    Returns
    -------
    dict
        The JSON content: `rawValue` is the shortest text of the number, missing ones have a
        `formattedValue` alone (NR not reached, NE not estimable).

    Raises
    ------
    ValueError
        If the rows do not keep the long shape.
    """
    wrong = results.check(long)
    if wrong:
        raise ValueError(f"the rows do not keep the long shape: {'; '.join(wrong[:5])}")
    chosen = long[long["subject_id"] == ""].sort_values(list(results.KEY), kind="stable")
    chosen = chosen.reset_index(drop=True)
    event = _Event(chosen, by or "group", reason, purposes)
    analyses = event.analyses()
    return {
        "id": f"RE.{_word(study_id) or 'STUDY'}",
        "version": 1,
        "name": f"{study_id}: analyses of the report",
        "mainListOfContents": _contents(analyses),
        "analysisSets": event.sets(),
        "analysisGroupings": event.groupings(),
        "methods": event.methods(),
        "analyses": [analysis for _, analysis in analyses],
    }


def ars_json(event: Mapping[str, Any]) -> bytes:
    """A reporting event as JSON."""
    return (json.dumps(event, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode("utf-8")


class _Event:
    """The parts of one event, each with its identifiers, made once from the rows."""

    def __init__(self, rows: pd.DataFrame, by: str, reason: str, purposes: Mapping[str, str]) -> None:
        self.rows, self.by, self.reason, self.purposes = rows, by, reason, purposes
        self.grouping = f"GF.{_word(by)}"
        self.set_ids = _identifiers("SET", rows["population"])
        self.group_ids = _identifiers(
            "GRP", rows.loc[~rows["group"].isin(["", ard.OVERALL]), "group"], sort=_as_number
        )
        self.method_ids: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
        self.operation_ids: dict[str, dict[tuple[str, str], str]] = {}

    def sets(self) -> list[dict[str, Any]]:
        """The analysis sets, with a condition where ADSL has a usual flag."""
        found = []
        for order, (name, place) in enumerate(self.set_ids.items(), start=1):
            words, flag = SETS.get(name, (name.replace("_", " ").capitalize(), ""))
            entry: dict[str, Any] = {"id": place, "name": name, "label": words, "level": 1, "order": order}
            if flag:
                entry["condition"] = {"dataset": "ADSL", "variable": flag, "comparator": "EQ", "value": ["Y"]}
            found.append(entry)
        return found

    def groupings(self) -> list[dict[str, Any]]:
        """The `by` column with its values."""
        if not self.group_ids:
            return []
        groups = [
            {"id": place, "name": f"{self.by} {name}", "level": 1, "order": order,
             "condition": {"dataset": "subjects", "variable": self.by, "comparator": "EQ", "value": [name]}}
            for order, (name, place) in enumerate(self.group_ids.items(), start=1)
        ]  # fmt: skip
        return [{"id": self.grouping, "name": self.by, "groupingDataset": "subjects",
                 "groupingVariable": self.by, "dataDriven": False, "groups": groups}]  # fmt: skip

    def analyses(self) -> list[tuple[str, dict[str, Any]]]:
        """Every analysis with its results, after the name of the function that made it."""
        cells = ard._formatted(self.rows)
        columns = {name: self.rows[name].tolist() for name in ("group", "stat", "method", "value", "text")}
        blocks = list(
            self.rows.groupby(["analysis", "param", "timepoint", "population"], sort=True).indices.items()
        )
        found = []
        for number, (key, places) in enumerate(sorted(blocks), start=1):
            name, param, timepoint, population = map(str, key)
            made = [_one(columns, place) | {"shown": cells[1][place]} for place in sorted(places)]
            method = self._method(name, made)
            entry: dict[str, Any] = {
                "id": f"AN{number:05d}", "name": _title(name, param, timepoint, population), "version": 1,
                "reason": {"controlledTerm": self.reason},
                "purpose": {"controlledTerm": self.purposes.get(name, SECONDARY)},
                "variable": param, "methodId": method,
            }  # fmt: skip
            if population:
                entry["analysisSetId"] = self.set_ids[population]
            if any(row["group"] in self.group_ids for row in made):
                entry["orderedGroupings"] = [
                    {"order": 1, "groupingId": self.grouping, "resultsByGroup": True}
                ]
            entry["results"] = [self._result(method, row) for row in made]
            found.append((name, entry))
        return found

    def _method(self, name: str, made: list[dict[str, Any]]) -> str:
        """Identifier of the method: the function, with the statistics that this block holds."""
        operations = tuple(dict.fromkeys((row["stat"], row["method"]) for row in made))
        known = self.method_ids.get((name, operations))
        if known is None:
            known = f"MTH{len(self.method_ids) + 1:04d}"
            self.method_ids[name, operations] = known
            self.operation_ids[known] = {
                operation: f"{known}.OP{number:02d}" for number, operation in enumerate(operations, start=1)
            }
        return known

    def _result(self, method: str, row: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"operationId": self.operation_ids[method][row["stat"], row["method"]]}
        if row["group"] in self.group_ids:
            found["resultGroups"] = [{"groupingId": self.grouping, "groupId": self.group_ids[row["group"]]}]
        raw = row["text"] if row["value"] != row["value"] else repr(row["value"])
        if raw:
            found["rawValue"] = raw
        return found | {"formattedValue": row["shown"]}

    def methods(self) -> list[dict[str, Any]]:
        """The methods that the analyses named, each with its operations in their order."""
        found = []
        for (name, operations), place in self.method_ids.items():
            listed = [
                {"id": self.operation_ids[place][stat, way], "name": stat, "order": order,
                 "label": ard.label(stat), **({"description": way} if way else {})}
                for order, (stat, way) in enumerate(operations, start=1)
            ]  # fmt: skip
            found.append({"id": place, "name": name, "description": f"cart7 {name}", "operations": listed})
        return found


def _one(columns: Mapping[str, list[Any]], place: int) -> dict[str, Any]:
    return {name: cells[place] for name, cells in columns.items()}


def _identifiers(prefix: str, words: pd.Series, sort: Any = None) -> dict[str, str]:
    """An identifier per different word, in a fixed order."""
    names = sorted(set(words) - {""}, key=sort)
    return {name: f"{prefix}{number:02d}" for number, name in enumerate(names, start=1)}


def _as_number(word: str) -> tuple[float, str]:
    """Dose level 10 comes after 9."""
    try:
        return float(word), word
    except ValueError:
        return float("inf"), word


def _title(name: str, param: str, timepoint: str, population: str) -> str:
    at = f" at {timepoint}" if timepoint else ""
    within = f" ({population})" if population else ""
    return f"{name}: {param}{at}{within}"


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")


def _contents(analyses: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The list of contents: the functions, below each its analyses."""
    items: list[dict[str, Any]] = []
    for name, analysis in analyses:
        if not items or items[-1]["name"] != name:
            items.append({"name": name, "level": 1, "order": len(items) + 1, "sublist": {"listItems": []}})
        below = items[-1]["sublist"]["listItems"]
        below.append(
            {"name": analysis["name"], "level": 2, "order": len(below) + 1, "analysisId": analysis["id"]}
        )
    return {"name": "Analyses of the report", "contentsList": {"listItems": items}}
