"""What can go wrong, in words a statistician can act on.

Here: the one tree of errors and the shape of a data problem. Not here: the rules that find
problems (`study`) or the texts of single rules.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

PROBLEM_COLUMNS = (
    "table", "row", "subject_id", "column", "value", "new_value", "severity", "rule", "message", "fix",
)  # fmt: skip
SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding about one place in the data.

    Parameters
    ----------
    table : str
        Table of the study (`"kinetics"`).
    row : int, optional
        Data row of the file, counted from 1, header not counted; None for a finding about a whole file.
    column : str, optional
        Column of the finding.
    value : object, optional
        The text found.
    rule : str
        Stable id of the rule, explained in the documentation.
    message : str
        What is wrong, in words.
    severity : {"error", "warning", "repair"}
        `error`: the row is set aside; `warning`: used as it stands; `repair`: used with `new_value`.
    subject_id, new_value, fix : optional
        Whose row it is, the value used instead, and what to do about it.

    Examples
    --------
    >>> print(Problem(table="kinetics", row=13, column="value", value="-3.0", rule="PK-003",
    ...               message="a concentration cannot be negative"))
    kinetics, line 14, column value: a concentration cannot be negative (found '-3.0') [PK-003]
    """

    table: str
    row: int | None = None
    column: str | None = None
    value: object = None
    rule: str
    message: str
    severity: str = "error"
    subject_id: str | None = None
    new_value: object = None
    fix: str = ""

    def __str__(self) -> str:
        """One line: place, message, what was found, rule id."""
        line = "" if self.row is None else f", line {self.row + 1}"
        column = "" if self.column is None else f", column {self.column}"
        found = "" if self.value is None else f" (found {self.value!r})"
        fix = f"; {self.fix}" if self.fix else ""
        return f"{self.table}{line}{column}: {self.message}{fix}{found} [{self.rule}]"


def problem_frame(problems: Iterable[Problem]) -> "pd.DataFrame":
    """Problems as a frame: table, row, subject_id, column, value, new_value, severity, rule, message, fix."""
    import pandas as pd

    rows = [{name: getattr(problem, name) for name in PROBLEM_COLUMNS} for problem in problems]
    frame = pd.DataFrame(rows, columns=list(PROBLEM_COLUMNS))
    frame["row"] = frame["row"].astype("Int64")
    return frame


class Cart7Error(Exception):
    """Root of every error that cart7 raises on purpose."""


class DataError(Cart7Error):
    """The data cannot be used as they are: every problem at once.

    Parameters
    ----------
    problems : sequence of Problem
        All findings; those with severity `error` are printed first.

    Examples
    --------
    >>> error = DataError([Problem(table="subjects", rule="F-1", message="the file is empty")])
    >>> print(error)
    1 problem in the data:
      subjects: the file is empty [F-1]
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self._text())

    def __reduce__(self) -> tuple[type["DataError"], tuple[Any, ...]]:
        """Survive the way to and from a worker process."""
        return (DataError, (self.problems,))

    def _text(self) -> str:
        errors = [problem for problem in self.problems if problem.severity == "error"] or list(self.problems)
        lines = [f"{len(errors)} problem{'' if len(errors) == 1 else 's'} in the data:"]
        lines += [f"  {problem}" for problem in errors[:SHOWN]]
        if len(errors) > SHOWN:
            lines.append(f"  ... and {len(errors) - SHOWN} more (see .to_frame())")
        return "\n".join(lines)

    def to_frame(self) -> "pd.DataFrame":
        """All problems, warnings and repairs included, as a frame."""
        return problem_frame(self.problems)


class PlanError(Cart7Error):
    """The plan cannot be read or holds a rule that does not exist."""


class UnitError(Cart7Error):
    """A unit is unknown, or two units that may not be mixed were mixed."""


class VerificationError(Cart7Error):
    """A manifest cannot be verified: it is missing, damaged, or an input is gone."""
