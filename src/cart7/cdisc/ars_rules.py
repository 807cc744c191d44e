"""The published rules of CDISC ARS version 1, and whether a reporting event keeps them.

Here: the attributes of the classes that cart7 writes, their kinds, which are required, the closed lists of
words, and what must agree between them. Not here: how an event is made (`ars`).

Source: CDISC Analysis Results Standard, logical data model 1.0 (github.com/cdisc-org/analysis-results-standard,
`model/ars_ldm.json`); a class has these attributes and no others, the event alone may have more.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

SHOWN = 50

REASONS = ("SPECIFIED IN PROTOCOL", "SPECIFIED IN SAP", "DATA DRIVEN", "REQUESTED BY REGULATORY AGENCY")
PURPOSES = ("PRIMARY OUTCOME MEASURE", "SECONDARY OUTCOME MEASURE", "EXPLORATORY OUTCOME MEASURE")
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
_WORDS = {"comparators": COMPARATORS, "roles": ROLES, "reasons": REASONS, "purposes": PURPOSES}
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
    return wrong[:SHOWN]


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
        yield from (f"{place}: {n} results of {key[0]!r} in one group" for key, n in seen.items() if n > 1)


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
