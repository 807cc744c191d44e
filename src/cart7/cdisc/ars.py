"""The summary results as a CDISC Analysis Results Standard (ARS) version 1 reporting event.

Here: the mapping of long rows to the classes of ARS, the JSON file, and the check of an event against the
published rules. Not here: any number, and the rows of single subjects, which are listings and not analyses.

analysis x param x timepoint x population is an Analysis; the function that made it, with the statistics that
such a block holds, an AnalysisMethod; a statistic (with the way it is obtained) an Operation; the population
an AnalysisSet; the `by` column a GroupingFactor and its values the Groups.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from cart7 import results
from cart7.cdisc import ard

REASON = "SPECIFIED IN SAP"
PRIMARY = "PRIMARY OUTCOME MEASURE"
SECONDARY = "SECONDARY OUTCOME MEASURE"
EXPLORATORY = "EXPLORATORY OUTCOME MEASURE"
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
    "DLT_EVALUABLE": ("Subjects evaluable for dose-limiting toxicity", ""),
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
        raw, shown, _ = ard.formatted(self.rows)
        columns: dict[str, list[Any]] = {"raw": raw, "shown": shown}
        columns |= {name: self.rows[name].tolist() for name in ("group", "stat", "method")}
        blocks = list(
            self.rows.groupby(["analysis", "param", "timepoint", "population"], sort=True).indices.items()
        )
        found = []
        for number, (key, places) in enumerate(sorted(blocks), start=1):
            name, param, timepoint, population = map(str, key)
            made = [_one(columns, place) for place in sorted(places)]
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
        if row["raw"] is not None:
            found["rawValue"] = str(row["raw"])
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


# ---- the published rules ---------------------------------------------------------------------------

# CDISC Analysis Results Standard, logical data model 1.0 (repository cdisc-org/analysis-results-standard,
# `model/ars_ldm.json`): a class has these attributes and no others; the event alone may have more.

REASON_WORDS = ("SPECIFIED IN PROTOCOL", "SPECIFIED IN SAP", "DATA DRIVEN", "REQUESTED BY REGULATORY AGENCY")
PURPOSE_WORDS = (PRIMARY, SECONDARY, EXPLORATORY)
COMPARATORS = ("EQ", "NE", "GT", "GE", "LT", "LE", "IN", "NOTIN")
ROLES = ("NUMERATOR", "DENOMINATOR")

# Attribute to its kind: `str`, `int`, `bool`, the name of a class, a list of one in brackets, or the closed
# list of words after a colon. Required ones end with an asterisk.
_NAMED = {"id*": "str", "name*": "str", "description": "str", "label": "str"}
_CLAUSE = {"level*": "int", "order*": "int", "condition": "Condition", "compoundExpression": "any"}
_EVENT = {
    **_NAMED, "version": "int", "mainListOfContents*": "ListOfContents", "analysisSets": "[Set]",
    "analysisGroupings": "[Grouping]", "methods": "[Method]", "analyses": "[Analysis]",
}  # fmt: skip
CLASSES: Mapping[str, Mapping[str, str]] = {
    "ListOfContents": {"name*": "str", "description": "str", "label": "str", "contentsList*": "NestedList"},
    "NestedList": {"listItems": "[ListItem]"},
    "ListItem": {"name*": "str", "description": "str", "label": "str", "level*": "int", "order*": "int",
                 "sublist": "NestedList", "analysisId": "str", "outputId": "str"},
    "Set": _NAMED | _CLAUSE,
    "Condition": {"dataset": "str", "variable": "str", "comparator": "str:comparators", "value": "[str]"},
    "Grouping": _NAMED | {"dataDriven*": "bool", "groupingDataset": "str", "groupingVariable": "str",
                          "groups": "[Group]"},
    "Group": _NAMED | _CLAUSE,
    "Method": _NAMED | {"operations*": "[Operation]", "documentRefs": "any", "codeTemplate": "any"},
    "Operation": _NAMED | {"order*": "int", "resultPattern": "str",
                           "referencedOperationRelationships": "[Relationship]"},
    "Relationship": {"id*": "str", "description": "str", "operationId*": "str", "analysisId": "str",
                     "referencedOperationRole*": "Role"},
    "Role": {"controlledTerm*": "str:roles"},
    "Analysis": _NAMED | {
        "version": "int", "reason*": "Reason", "purpose*": "Purpose", "methodId*": "str", "dataset": "str",
        "variable": "str", "analysisSetId": "str", "dataSubsetId": "str", "categoryIds": "[str]",
        "documentRefs": "any", "programmingCode": "any", "referencedAnalysisOperations": "any",
        "orderedGroupings": "[OrderedGrouping]", "results": "[Result]"},
    "Reason": {"controlledTerm*": "str:reasons"},
    "Purpose": {"controlledTerm*": "str:purposes"},
    "OrderedGrouping": {"order*": "int", "groupingId*": "str", "resultsByGroup*": "bool"},
    "Result": {"operationId*": "str", "resultGroups": "[ResultGroup]", "rawValue": "str",
               "formattedValue": "str"},
    "ResultGroup": {"groupingId*": "str", "groupId": "str", "groupValue": "str"},
}  # fmt: skip
_WORDS = {"comparators": COMPARATORS, "roles": ROLES, "reasons": REASON_WORDS, "purposes": PURPOSE_WORDS}
_TYPES: Mapping[str, type] = {"str": str, "int": int, "bool": bool}


def check(event: Mapping[str, Any]) -> list[str]:
    """What in a reporting event breaks the published rules; an empty list when nothing does.

    Parameters
    ----------
    event : mapping
        Content of an ARS file.

    Returns
    -------
    list of str
        The first 50: attributes that are missing, unknown or of another kind, words outside their list,
        identifiers that stand twice or are used but not defined, analyses outside the list of contents.

    Examples
    --------
    >>> check({"id": "RE", "name": 7, "mainListOfContents": {"name": "all", "contentsList": {}}})
    ['event.name must be str, found 7']
    """
    wrong = list(_of_class(event, "event", _EVENT, closed=False))
    # Only a sound shape can be asked whether its parts agree.
    if not wrong:
        wrong = [*_repeated(event), *_undefined(event), *_unlisted(event), *_results_astray(event)]
    return wrong[:50]


def _of_class(part: Any, place: str, attributes: Mapping[str, str], *, closed: bool = True) -> Iterator[str]:
    if not isinstance(part, Mapping):
        yield f"{place} must be a record, found {part!r:.40}"
        return
    kinds = {name.rstrip("*"): kind for name, kind in attributes.items()}
    required = [name[:-1] for name in attributes if name.endswith("*")]
    yield from (f"{place} has no {name}" for name in required if name not in part)
    for name, value in part.items():
        if name in kinds:
            yield from _of_kind(value, f"{place}.{name}", kinds[name])
        elif closed:
            yield f"{place} has an unknown attribute {name}"


def _of_kind(value: Any, place: str, kind: str) -> Iterator[str]:
    if kind == "any":
        return
    if kind.startswith("["):
        if not isinstance(value, list):
            yield f"{place} must be a list, found {value!r:.40}"
            return
        for number, item in enumerate(value):
            yield from _of_kind(item, f"{place}[{number}]", kind[1:-1])
        return
    name, _, words = kind.partition(":")
    if name in CLASSES:
        yield from _of_class(value, place, CLASSES[name])
    elif not isinstance(value, _TYPES[name]) or (name == "int" and isinstance(value, bool)):
        yield f"{place} must be {name}, found {value!r:.40}"
    elif words and value not in _WORDS[words]:
        yield f"{place} must be one of {', '.join(_WORDS[words])}; found {value!r:.40}"


def _operations(event: Mapping[str, Any]) -> dict[str, list[str]]:
    return {method["id"]: [operation["id"] for operation in method["operations"]]
            for method in event.get("methods", [])}  # fmt: skip


def _groups(event: Mapping[str, Any]) -> dict[str, list[str]]:
    return {grouping["id"]: [group["id"] for group in grouping.get("groups", [])]
            for grouping in event.get("analysisGroupings", [])}  # fmt: skip


def _repeated(event: Mapping[str, Any]) -> Iterator[str]:
    """Identifiers that stand twice, whatever they name."""
    parts = ("analysisSets", "analysisGroupings", "methods", "analyses")
    names = [event["id"], *(item["id"] for part in parts for item in event.get(part, []))]
    for inside in (_operations(event), _groups(event)):
        names += [name for inner in inside.values() for name in inner]
    yield from (f"the id {name!r} stands {n} times" for name, n in Counter(names).items() if n > 1)


def _undefined(event: Mapping[str, Any]) -> Iterator[str]:
    """Identifiers that are used in an analysis but defined nowhere."""
    sets = {item["id"] for item in event.get("analysisSets", [])}
    methods, groups = set(_operations(event)), set(_groups(event))
    for analysis in event.get("analyses", []):
        place = f"analysis {analysis['id']}"
        if analysis["methodId"] not in methods:
            yield f"{place}: method {analysis['methodId']!r} is not defined"
        if "analysisSetId" in analysis and analysis["analysisSetId"] not in sets:
            yield f"{place}: analysis set {analysis['analysisSetId']!r} is not defined"
        for grouping in analysis.get("orderedGroupings", []):
            if grouping["groupingId"] not in groups:
                yield f"{place}: grouping {grouping['groupingId']!r} is not defined"


def _results_astray(event: Mapping[str, Any]) -> Iterator[str]:
    """Results of an operation or a group that their analysis does not have, or that stand twice."""
    operations = {method: set(names) for method, names in _operations(event).items()}
    groups = {grouping: set(names) for grouping, names in _groups(event).items()}
    for analysis in event.get("analyses", []):
        place = f"analysis {analysis['id']}"
        known = operations.get(analysis["methodId"], set())
        ordered = {grouping["groupingId"] for grouping in analysis.get("orderedGroupings", [])}
        seen: Counter[tuple[Any, ...]] = Counter()
        for result in analysis.get("results", []):
            if result["operationId"] not in known:
                yield f"{place}: operation {result['operationId']!r} is not one of its method"
            within = result.get("resultGroups", [])
            for group in within:
                if group["groupingId"] not in ordered:
                    yield f"{place}: a result is by {group['groupingId']!r}, which is not its grouping"
                if "groupId" in group and group["groupId"] not in groups.get(group["groupingId"], set()):
                    yield f"{place}: group {group['groupId']!r} is not defined"
                if ("groupId" in group) == ("groupValue" in group):
                    yield f"{place}: a result group needs a groupId or a groupValue, one of the two"
            seen[result["operationId"], tuple(tuple(sorted(group.items())) for group in within)] += 1
        yield from (
            f"{place}: {n} results of {names[0]!r} in one group" for names, n in seen.items() if n > 1
        )


def _listed(contents: Mapping[str, Any]) -> Iterator[str]:
    for item in contents.get("listItems", []):
        if "analysisId" in item:
            yield item["analysisId"]
        yield from _listed(item.get("sublist", {}))


def _unlisted(event: Mapping[str, Any]) -> Iterator[str]:
    """Analyses outside the list of contents, and entries there that name none."""
    listed = set(_listed(event["mainListOfContents"]["contentsList"]))
    analyses = {analysis["id"] for analysis in event.get("analyses", [])}
    yield from (f"analysis {name!r} is not in the list of contents" for name in sorted(analyses - listed))
    yield from (
        f"the list of contents names {name!r}, which is no analysis" for name in sorted(listed - analyses)
    )
