"""A mapping of one's own: what it changes of the usual one, and everything that is wrong with it.

Here: reading it from a dictionary or a TOML file, its check against the data sets, tables and columns that
exist. Not here: the usual mapping (`adam_mapping`), whether a variable is in the file (`adam_records`).
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from cart7.cdisc.adam_mapping import (
    DATA_SETS,
    USUAL,
    AdamMapping,
    ColumnSource,
    DataSetMapping,
    EventSource,
    How,
    Parameter,
    codes,
)
from cart7.errors import DataError, Problem
from cart7.records import TABLES

Own = Mapping[str, Any] | str | Path | None
_Source = TypeVar("_Source", ColumnSource, Parameter)
_ENTRIES = ("file", "columns", "codes", "parameters", "events")


def mapping_of(own: Own) -> AdamMapping:
    """The usual mapping with the changes of one's own.

    Parameters
    ----------
    own : mapping, path of a TOML file, or None
        By data set (or its table): `file`, `columns` (column and variable, or several variables of which the
        first that is not blank counts), `codes` (column and word by word), `parameters` (column and PARAMCD),
        `events` (event and variable of its date). What is none of these words is a column. Beside the data
        sets `subject_id`, the variable that names the subjects.

    Raises
    ------
    DataError
        Every data set, table, column, variable or term that does not exist, with the nearest name.

    Examples
    --------
    >>> mine = mapping_of({"ADAE": {"file": "adae_onco", "columns": {"grade": "ASEVN"}}})
    >>> [each.file for each in mine.data_sets if each.data_set == "ADAE"], sorted(mine.own)
    (['adae_onco'], [('ADAE', 'ASEVN')])
    """
    if own is None:
        return AdamMapping()
    problems: list[Problem] = []
    changes = _as_mapping(own)
    data_sets, used, subject_id = list(USUAL), set[tuple[str, str]](), ""
    for key, change in changes.items():
        if str(key).casefold() == "subject_id":
            subject_id = str(change).upper()
            used.add(("ADSL", subject_id))
            continue
        name = _data_set_of(str(key))
        if name is None:
            tables = [*dict.fromkeys(each.table for each in USUAL), "subject_id"]
            fix = nearest(str(key), DATA_SETS) or nearest(str(key), tables)
            problems.append(
                replace(_wrong(str(key), None, f"no data set or table is called {key!r}"), fix=fix)
            )
        elif not isinstance(change, Mapping):
            problems.append(_wrong(name, None, f"a table of changes belongs here, got {change!r}"))
        else:
            data_sets = _changed(data_sets, name, change, used, problems)
    if problems:
        raise DataError(problems)
    return AdamMapping(data_sets=tuple(data_sets), subject_id=subject_id, own=frozenset(used))


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean ...?` with the nearest of the known names; empty when none is near."""
    by_form = {name.casefold(): name for name in known}
    exchanged = [name for form, name in by_form.items() if sorted(form) == sorted(word.casefold())]
    if exchanged:
        return f"did you mean {exchanged[0]}?"
    near = get_close_matches(word.casefold(), list(by_form), n=1)
    return f"did you mean {by_form[near[0]]}?" if near else ""


def _as_mapping(own: Mapping[str, Any] | str | Path) -> Mapping[str, Any]:
    if isinstance(own, Mapping):
        return own
    if not isinstance(own, str | Path):
        raise ValueError(f"mapping must be a dictionary or the path of a TOML file, got {own!r}")
    try:
        return tomllib.loads(Path(own).read_text(encoding="utf-8"))
    except OSError as refusal:
        message = f"{own} cannot be opened: {refusal.strerror or refusal}"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as stop:
        message = f"{own} is no TOML: {stop}"
    raise DataError([_wrong("mapping", None, message)])


def _data_set_of(key: str) -> str | None:
    """The data set of a name: its own, or that of a table."""
    if key.upper() in DATA_SETS:
        return key.upper()
    return next((each.data_set for each in USUAL if each.table == key.casefold()), None)


def _wrong(
    place: str, column: str | None, message: str, known: Iterable[str] = (), word: str = ""
) -> Problem:
    return Problem(table=place, column=column, rule="ADAM-MAPPING", message=f"mapping: {message}",
                   fix=nearest(word, known) if word else "")  # fmt: skip


def _changed(
    data_sets: list[DataSetMapping],
    name: str,
    change: Mapping[str, Any],
    used: set[tuple[str, str]],
    problems: list[Problem],
) -> list[DataSetMapping]:
    """The mappings of all data sets, with the changes to one."""
    mine = [each for each in data_sets if each.data_set == name]
    others = {str(key): value for key, value in change.items() if str(key).casefold() not in _ENTRIES}
    entries: dict[str, Any] = {key: change[key] for key in _ENTRIES if key in change}
    for entry in ("columns", "codes", "parameters", "events"):
        if not isinstance(entries.get(entry, {}), Mapping):
            problems.append(_wrong(name, None, f"{entry} is a table, got {entries.pop(entry)!r}"))
    for column, variables in {**entries.get("columns", {}), **others}.items():
        mine = _with_column(mine, str(column), _names(variables), problems)
        used |= {(name, variable) for variable in _names(variables)}
    for column, terms in entries.get("codes", {}).items():
        mine = _with_codes(mine, str(column), terms, problems)
    for column, paramcd in entries.get("parameters", {}).items():
        mine = _with_parameter(mine, str(column), _names(paramcd), problems)
    for event, variables in entries.get("events", {}).items():
        mine = _with_event(mine, str(event), _names(variables), problems)
        used |= {(name, variable) for variable in _names(variables)}
    if "file" in entries:
        mine = [replace(each, file=Path(str(entries["file"])).name.casefold()) for each in mine]
    by_place = iter(mine)
    return [next(by_place) if each.data_set == name else each for each in data_sets]


def _names(words: Any) -> tuple[str, ...]:
    """Variables in capitals; none where the column is to stay blank."""
    given = (
        (words,) if isinstance(words, str) else words if isinstance(words, list | tuple) else (str(words),)
    )
    return tuple(str(word).strip().upper() for word in given if str(word).strip())


def _with_column(
    mine: list[DataSetMapping], column: str, variables: tuple[str, ...], problems: list[Problem]
) -> list[DataSetMapping]:
    """The column read from these variables: in every table that usually has it, else in the first."""
    places = [each.table for each in mine if column in TABLES[each.table].columns and not each.endpoints]
    usual = [each.table for each in mine if any(source.column == column for source in each.columns)]
    if not places or column == "subject_id":
        known = [name for each in mine for name in TABLES[each.table].columns]
        tables = ", ".join(dict.fromkeys(each.table for each in mine))
        problems.append(
            _wrong(mine[0].data_set, column, f"{tables} has no column {column!r} to map", known, column)
        )
        return mine
    chosen = usual or places[:1]
    return [_read_from(each, column, variables) if each.table in chosen else each for each in mine]


def _read_from(each: DataSetMapping, column: str, variables: tuple[str, ...]) -> DataSetMapping:
    before = [source for source in each.columns if source.column == column]
    kept = tuple(source for source in each.columns if source.column != column)
    parameters = tuple(parameter for parameter in each.parameters if parameter.column != column)
    first = before[0] if before else ColumnSource(column=column, variables=(), how=_how(each.table, column))
    mine = []
    for variable in variables:
        how = first.how
        if how in ("elapsed", "study day"):
            how = "study day" if variable.endswith("DY") else "elapsed"
        mine.append(replace(first, variables=(variable,), how=how))
    return replace(each, columns=(*kept, *mine), parameters=parameters)


def _how(table: str, column: str) -> How:
    kind = TABLES[table].columns[column].kind
    if column == "day" or column.endswith("_day"):
        return "study day"
    return "date" if kind == "date" else "number" if kind in ("int", "float") else "word"


def _with_codes(
    mine: list[DataSetMapping], column: str, terms: Any, problems: list[Problem]
) -> list[DataSetMapping]:
    """The code list of a column, after the usual one."""
    name = mine[0].data_set
    if not isinstance(terms, Mapping):
        problems.append(_wrong(name, column, f"codes are a table of words and terms, got {terms!r}"))
        return mine
    mapped = {source.column for each in mine for source in each.columns}
    mapped |= {parameter.column for each in mine for parameter in each.parameters}
    if column not in mapped:
        problems.append(_wrong(name, column, f"codes for {column!r}, which is not mapped", mapped, column))
        return mine
    for each in mine:
        if column in TABLES[each.table].columns:
            _check_terms(each, column, terms, problems)
    more = {str(word): str(term) for word, term in terms.items()}
    return [
        replace(
            each,
            columns=tuple(_recoded(source, column, more) for source in each.columns),
            parameters=tuple(_recoded(source, column, more) for source in each.parameters),
        )
        for each in mine
    ]


def _recoded(source: _Source, column: str, more: Mapping[str, str]) -> _Source:
    return replace(source, codes=codes({**source.codes, **more})) if source.column == column else source


def _check_terms(
    each: DataSetMapping, column: str, terms: Mapping[str, Any], problems: list[Problem]
) -> None:
    allowed = TABLES[each.table].columns[column].allowed
    for word, term in terms.items():
        if allowed and str(term) and str(term) not in allowed:
            message = (
                f"{word!r} is mapped to {str(term)!r}; {each.table}.{column} allows {', '.join(allowed)}"
            )
            problems.append(_wrong(each.data_set, column, message, allowed, str(term)))


def _with_parameter(
    mine: list[DataSetMapping], column: str, paramcd: tuple[str, ...], problems: list[Problem]
) -> list[DataSetMapping]:
    """The PARAMCD of a column, of an endpoint (`OS`) or of the records of a table."""
    known = [parameter.column for each in mine for parameter in each.parameters]
    known += [endpoint.paramcd[0] for each in mine for endpoint in each.endpoints]
    known += [each.table for each in mine if each.paramcd]
    if column not in known:
        message = f"no parameter is called {column!r}"
        problems.append(_wrong(mine[0].data_set, column, message, known, column))
        return mine
    return [
        replace(
            each,
            paramcd=paramcd if each.table == column and each.paramcd else each.paramcd,
            parameters=tuple(
                replace(parameter, paramcd=paramcd) if parameter.column == column else parameter
                for parameter in each.parameters
            ),
            endpoints=tuple(
                replace(endpoint, paramcd=paramcd) if endpoint.paramcd[0] == column else endpoint
                for endpoint in each.endpoints
            ),
        )
        for each in mine
    ]


def _with_event(
    mine: list[DataSetMapping], event: str, variables: tuple[str, ...], problems: list[Problem]
) -> list[DataSetMapping]:
    """The variables that hold the date of an event; what tells its study day ends in DY."""
    known = TABLES["events"].columns["event"].allowed
    places = [each.data_set for each in mine if each.events]
    if event.upper() not in known or not places:
        message = f"no event is called {event!r}" if places else "only ADSL has events by variable"
        problems.append(_wrong(mine[0].data_set, None, message, known, event))
        return mine
    day = tuple(variable for variable in variables if variable.endswith("DY"))
    date = tuple(variable for variable in variables if variable not in day)
    changed = []
    for each in mine:
        if each.events:
            before = [item for item in each.events if item.event == event.upper()]
            detail = before[0].detail if before else ()
            source = EventSource(event=event.upper(), date=date, study_day=day, detail=detail)
            kept = [source if item.event == source.event else item for item in each.events]
            each = replace(each, events=tuple(kept if before else [*kept, source]))
        changed.append(each)
    return changed
