"""What single CDISC datasets must keep beyond their columns: time to event (ADTTE), concentrations (ADPC).

Here: the presets and the column that each adds. CNSR is 0 for an event and anything above for a censoring:
it is turned round once, here, into EVENT. Not here: statistics.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cart7.cdisc.cells import OpenTable
from cart7.cdisc.rules import TableRules
from cart7.checks.cells import Reader, Reading, shown
from cart7.checks.measures import below_word
from cart7.errors import Problem

_DAYS = frozenset({"DAY", "DAYS", "D"})


class _TimeToEventRules(TableRules):
    """ADTTE: CNSR is a whole number from 0, AVAL = ADT - STARTDT + 1 in days; adds EVENT (CNSR is 0)."""

    def derive(self, table: OpenTable) -> None:
        """Check CNSR and AVAL, and add EVENT."""
        if "CNSR" not in table.cells or "AVAL" not in table.cells:
            return
        for position in np.flatnonzero(~table.missing("CNSR")).tolist():
            if not float(str(table.cells["CNSR"][position])).is_integer():
                table.refuse(
                    position, "CNSR", "NUMBER-NOT-WHOLE", "CNSR is 0 for an event, else a whole number"
                )
        _check_days(table)
        censored = table.numbers("CNSR")
        known = ~np.isnan(censored) & ~table.missing("AVAL")
        add(
            table,
            "EVENT",
            [bool(code == 0) if sure else None for code, sure in zip(censored, known, strict=True)],
        )


def _check_days(table: OpenTable) -> None:
    """AVAL against its dates, where all three are there and AVAL is in days."""
    if "ADT" not in table.cells or "STARTDT" not in table.cells:
        return
    aval, start, end = table.numbers("AVAL"), moments(table, "STARTDT"), moments(table, "ADT")
    days = (end - start).astype("timedelta64[D]").astype(float) + 1
    days[np.isnat(end) | np.isnat(start)] = np.nan
    units = table.cells.get("AVALU", np.full(len(aval), None, dtype=object))
    for position in np.flatnonzero(~np.isnan(aval) & ~np.isnan(days) & (aval != days)).tolist():
        unit = units[position]
        if unit is None or str(unit).strip().upper() in _DAYS | {""}:
            message = f"AVAL is {aval[position]:g} and ADT - STARTDT + 1 is {days[position]:g}"
            table.refuse(position, "AVAL", "ADTTE-DAYS", message, keep=True)


def moments(table: OpenTable, column: str) -> npt.NDArray[np.datetime64]:
    """Days of a column of dates, NaT where missing."""
    return np.array(
        [cell if cell is not None else "NaT" for cell in table.cells[column]], dtype="datetime64[D]"
    )


class _ConcentrationRules(TableRules):
    """ADPC: AVAL as a number, or a word for one below the limit (`BLQ`, `<50`); adds BLQ.

    A word is a missing AVAL with BLQ true. A number below ALLOQ (else LLOQ) stays, with BLQ true: it may
    have been imputed on purpose (DTYPE HALFLLOQ). Where AVAL is missing, AVALC may say that it is below.
    """

    def derive(self, table: OpenTable) -> None:
        """Compare AVAL with its limit, and add BLQ."""
        if "AVAL" not in table.cells:
            return
        n = len(table.rows)
        words = [below_word(cell) for cell in table.found["AVAL"]]
        said = np.array([word is not None for word in words], dtype=bool) & table.usable
        besides = [below_word(cell) for cell in table.cells.get("AVALC", np.full(n, None, dtype=object))]
        in_words = np.array([word is not None for word in besides], dtype=bool) & table.usable
        aval, limit = table.numbers("AVAL"), _limits(table)
        for position in np.flatnonzero(said).tolist():
            _raise_limit(table, position, words[position], limit)
        below = aval < limit
        quantified = ~np.isnan(aval) & ~below
        for position in np.flatnonzero(quantified & in_words).tolist():
            table.say(
                position, "AVALC", "RESULT-AND-FLAG", "AVAL is a result, and AVALC says that there is none",
                severity="warning", value=table.found["AVALC"][position],
            )  # fmt: skip
        blq = said | below | (in_words & table.missing("AVAL") & ~table.refused["AVAL"])
        add(
            table,
            "BLQ",
            [True if low else False if high else None for low, high in zip(blq, quantified, strict=True)],
        )

    def _number(self, column: str, decimal: str) -> Reader:
        read = super()._number(column, decimal)
        if column != "AVAL":
            return read
        return lambda cell: Reading() if below_word(cell) is not None else read(cell)


_LIMITS = ("ALLOQ", "LLOQ")


def _limits(table: OpenTable) -> npt.NDArray[np.float64]:
    """The limit of each row: ALLOQ, else LLOQ."""
    first, second = (table.numbers(column) for column in _LIMITS)
    return np.where(np.isnan(first), second, first)


def _raise_limit(
    table: OpenTable, position: int, word: tuple[str, float] | None, limit: npt.NDArray[np.float64]
) -> None:
    """A limit stated with the result (`<100`) counts where none stands beside it, or a smaller one."""
    stated = math.nan if word is None else word[1]
    column = next((name for name in _LIMITS if name in table.cells), None)
    if column is None or not (stated > limit[position] or (math.isnan(limit[position]) and stated > 0)):
        return
    table.say(
        position, column, "D06-BELOW-LLOQ", "the limit stated with the result counts for this sample",
        severity="repair", value=table.found[column][position], new_value=shown(stated),
    )  # fmt: skip
    table.cells[column][position] = stated


def add(table: OpenTable, column: str, cells: Sequence[bool | None]) -> None:
    """Add a column of booleans; one of the file that says otherwise is replaced, and that is told."""
    made = np.array([*cells, None], dtype=object)[:-1]
    if column in table.cells and [_truth(cell) for cell in table.cells[column]] != made.tolist():
        table.problems.append(
            Problem(table=table.name, column=column, severity="warning", rule="COLUMN-REPLACED",
                    message=f"{column} of the file is replaced by what follows from the other columns")
        )  # fmt: skip
    table.cells[column] = made
    table.kinds[column] = "boolean"


def _truth(cell: object) -> object:
    words = {
        "TRUE": True,
        "FALSE": False,
        "Y": True,
        "N": False,
        "1": True,
        "0": False,
        "1.0": True,
        "0.0": False,
    }
    return cell if cell is None or isinstance(cell, bool) else words.get(str(cell).strip().upper(), cell)


ADTTE = _TimeToEventRules(
    required=("USUBJID", "PARAMCD", "AVAL", "CNSR"),
    key=("USUBJID", "PARAMCD"),
    numbers=("AVAL", "CNSR"),
    dates=("ADT", "STARTDT"),
    not_negative=("AVAL", "CNSR"),
)
"""Time to event: CNSR 0 is an event; AVAL = ADT - STARTDT + 1; adds the boolean EVENT."""

ADPC = _ConcentrationRules(
    required=("USUBJID",),
    numbers=("AVAL", "LLOQ", "ALLOQ", "DAY", "NFRLT", "AFRLT", "NRRLT", "ARRLT"),
    dates=("ADT", "ADTM"),
    not_negative=("AVAL", "LLOQ", "ALLOQ"),
)
"""Concentrations: AVAL against ALLOQ or LLOQ; adds the boolean BLQ."""
