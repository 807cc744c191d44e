"""What the checks found in a study, as text for a terminal, as JSON and as one HTML page.

Here: counts by rule, the lines of the findings, how many of them are shown. Not here: the findings
themselves, and any rule. Pages are made from the frames of a study: its problems and its accounting.
"""

import functools
import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cart7._version import __version__
from cart7.errors import PROBLEM_COLUMNS, Problem

SHOWN = 200
"""Findings of one rule that are printed; the others are counted."""

SEVERITIES = {
    "error": "the row is set aside",
    "warning": "used as it stands",
    "repair": "used with the new value",
}
_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The findings of one rule in one severity: all of them counted, the first ones shown."""

    rule: str
    severity: str
    n: int
    tables: str
    problems: tuple[Problem, ...]

    @property
    def n_more(self) -> int:
        """Findings that are counted and not shown."""
        return self.n - len(self.problems)


def by_rule(problems: pd.DataFrame, *, shown: int | None = SHOWN) -> list[Rule]:
    """Findings by severity and rule, the weightiest severity and the most frequent rule first.

    Parameters
    ----------
    problems : DataFrame
        The `problems` of a study.
    shown : int or None
        Findings of a rule that are kept; None keeps all.

    Examples
    --------
    >>> from cart7.errors import problem_frame
    >>> twice = [Problem(table="labs", row=row, rule="NUMBER-INFINITE", message="...") for row in (3, 9)]
    >>> [(rule.rule, rule.n, rule.tables, rule.n_more) for rule in by_rule(problem_frame(twice), shown=1)]
    [('NUMBER-INFINITE', 2, 'labs 2', 1)]
    """
    rules = []
    for (severity, rule), found in problems.groupby(["severity", "rule"], sort=False):
        counts = found["table"].value_counts(sort=False)
        kept = found if shown is None else found.head(shown)
        rules.append(
            Rule(
                rule=str(rule),
                severity=str(severity),
                n=len(found),
                tables=", ".join(f"{table} {n}" for table, n in counts.items()),
                problems=tuple(_problems(kept)),
            )
        )
    weight = list(SEVERITIES)
    return sorted(rules, key=lambda rule: (weight.index(rule.severity), -rule.n, rule.rule))


def _problems(found: pd.DataFrame) -> list[Problem]:
    """Findings as records, with missing cells as None."""
    rows = found[list(PROBLEM_COLUMNS)].astype(object)
    plain = [
        {name: None if _is_missing(cell) else cell for name, cell in row.items()}
        for row in rows.to_dict("records")
    ]
    return [
        Problem(**row | {"row": None if row["row"] is None else int(row["row"]), "fix": row["fix"] or ""})
        for row in plain
    ]


def _is_missing(cell: object) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)


def counted(n: int, word: str) -> str:
    """A count with its word: `1 error`, `2 errors`."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def summary(problems: pd.DataFrame, accounting: pd.DataFrame) -> str:
    """One line: how much was found in how many rows."""
    rows, aside = (int(accounting[name].sum()) for name in ("rows_in", "rows_set_aside"))
    where = f"{counted(len(accounting), 'table')}, {counted(rows, 'row')}"
    if not len(problems):
        return f"no problem found in {where}"
    found = ", ".join(
        counted(int((problems["severity"] == severity).sum()), severity) for severity in SEVERITIES
    )
    return f"{found} in {where}; {counted(aside, 'row')} set aside"


def lines(problems: pd.DataFrame, accounting: pd.DataFrame, *, shown: int | None = SHOWN) -> list[str]:
    """The findings as lines of text: a summary, a table of the rules, then every place by rule.

    Parameters
    ----------
    problems, accounting : DataFrame
        Those of a study.
    shown : int or None
        Findings of a rule that are printed; the others are counted. None prints all.

    Returns
    -------
    list of str
    """
    text = [summary(problems, accounting)]
    rules = by_rule(problems, shown=shown)
    if not rules:
        return text
    wide = max(len(rule.rule) for rule in rules)
    text += ["", f"{'rule':{wide}s}  severity  found  tables"]
    text += [f"{rule.rule:{wide}s}  {rule.severity:8s}  {rule.n:5d}  {rule.tables}" for rule in rules]
    for rule in rules:
        text += ["", f"{counted(rule.n, rule.severity)} {rule.rule}, {SEVERITIES[rule.severity]}"]
        text += [f"  {_line(problem)}" for problem in rule.problems]
        if rule.n_more:
            text.append(f"  ... and {rule.n_more} more (--all prints them)")
    return text


def _line(problem: Problem) -> str:
    used = "" if problem.new_value is None else f" -> {shortened(problem.new_value)}"
    cut = {name: getattr(problem, name) for name in PROBLEM_COLUMNS}
    if isinstance(problem.value, str):
        cut["value"] = shortened(problem.value)
    return printable(f"{Problem(**cut)}{used}")


def shortened(value: object) -> str:
    """A value, cut where it is long; the whole one stands in the frame and in the JSON."""
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... ({len(text)} letters)"


def printable(text: str) -> str:
    r"""Text whose invisible letters are written out, so that no terminal and no page obeys them.

    Examples
    --------
    >>> print(printable("a\x1b[31mb"))
    a\x1b[31mb
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def as_json(problems: pd.DataFrame, accounting: pd.DataFrame | None = None) -> str:
    """All findings as JSON.

    Parameters
    ----------
    problems : DataFrame
        Those of a study, or of the `DataError` that refused it.
    accounting : DataFrame, optional
        That of the study; there is none when it was refused.

    Returns
    -------
    str
        `{"schema": "cart7-check/1", "counts": {severity: n}, "tables": [...], "problems": [...]}`; a
        problem has the columns of the frame and the `line` of the spreadsheet; missing is null.
    """
    listed = []
    for problem in _problems(problems):
        row: dict[str, Any] = {name: _plain(getattr(problem, name)) for name in PROBLEM_COLUMNS}
        listed.append(row | {"line": None if problem.row is None else problem.row + 1})
    content = {
        "schema": "cart7-check/1",
        "counts": {severity: sum(row["severity"] == severity for row in listed) for severity in SEVERITIES},
        "tables": [
            {name: cell if isinstance(cell, str) else int(cell) for name, cell in row.items()}
            for row in ([] if accounting is None else accounting.to_dict("records"))
        ],
        "problems": listed,
    }
    return json.dumps(content, indent=1, allow_nan=False)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int | str) else str(value)


def page(problems: pd.DataFrame, accounting: pd.DataFrame, *, name: str, shown: int | None = SHOWN) -> str:
    """The findings as one HTML page that loads nothing from anywhere; every text is escaped.

    Parameters
    ----------
    problems, accounting : DataFrame
        Those of a study.
    name : str
        What the page is headed with.
    shown : int or None
        Findings of a rule that are listed; the others are counted. None lists all.

    Returns
    -------
    str
    """
    tables = [{column: str(cell) for column, cell in row.items()} for row in accounting.to_dict("records")]
    html: str = _template().render(
        name=printable(name), summary=summary(problems, accounting), rules=by_rule(problems, shown=shown),
        tables=tables, severities=SEVERITIES, version=__version__, printable=_text, shortened=_value,
    )  # fmt: skip
    return "\n".join(line.rstrip() for line in html.splitlines() if line.strip()) + "\n"


def _text(value: object) -> str:
    return "" if value is None else printable(str(value))


def _value(value: object) -> str:
    return "" if value is None else printable(shortened(value))


@functools.cache
def _template() -> Any:
    import jinja2

    shelf = jinja2.Environment(loader=jinja2.PackageLoader("cart7.report"), autoescape=True,
                               undefined=jinja2.StrictUndefined)  # fmt: skip
    return shelf.get_template("findings.html.j2")
