"""What a verification or a comparison found, in words for a statistician and as JSON for a program.

Here: lines, summaries and the stable JSON shape. Not here: what is found (`verification`, `differences`)
and where it is printed (`cli`). A manifest is a stranger's file: its control characters are shown, not sent.
"""

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cart7.manifest.differences import Difference
from cart7.manifest.verification import Verification

VERIFICATION_SCHEMA = "cart7-verification/1"
DIFFERENCE_SCHEMA = "cart7-difference/1"
PLACE = ("timepoint", "population", "group", "subject_id")


def counted(n: int, what: str) -> str:
    """`1 number`, `2 numbers`."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def plain(text: object) -> str:
    r"""A text in which control characters are shown instead of sent to the terminal.

    Examples
    --------
    >>> print(plain("a" + chr(27) + "[2Jb"))
    a\x1b[2Jb
    """
    return "".join(
        sign.encode("unicode_escape").decode() if unicodedata.category(sign) in ("Cc", "Cf", "Cs") else sign
        for sign in str(text)
    )


# ---- verification -------------------------------------------------------------------------------


def told(found: Verification, *, most: int | None = None) -> list[str]:
    """What a verification found: inputs, numbers (`most` of them, or all), other files, and a summary."""
    lines = [*input_lines(found.inputs)]
    lines += [f"input {table}: other bytes, same content" for table in found.rewritten]
    if len(found.numbers):
        lines.append(f"{counted(len(found.numbers), 'number')} moved")
        lines += number_lines(found.numbers.head(len(found.numbers) if most is None else most))
        if most is not None and len(found.numbers) > most:
            lines.append(f"  ... and {len(found.numbers) - most} more")
    lines += [f"output {plain(row.path)}: {_OUTPUT_WORDS[row.change]}" for row in found.outputs.itertuples()]
    if found.plan_edited:
        lines.append("plan: the rules in the manifest were edited after the run")
    if found.rows_set_aside and len(found.inputs):
        lines.append(f"note: {counted(found.rows_set_aside, 'row')} of the study set aside for errors")
    return [*lines, summary(found)]


_OUTPUT_WORDS = {"changed": "its bytes were changed after the run", "missing": "it is not there any more"}


def summary(found: Verification) -> str:
    """One line: what changed, whether the numbers came out again, and where to look first."""
    n_changed, n_moved = len(found.inputs), len(found.numbers)
    inputs = f"{counted(n_changed, 'input')} changed" if n_changed else "inputs as then"
    if found.reproduced:
        told = f"everything reproduces: {inputs}, {counted(found.n_numbers, 'result')} the same"
        return f"{told}; {_versions(found)}{_beside(found)}"
    numbers = f"{counted(n_moved, 'number')} moved" if n_moved else "no number moved"
    where = _where_to_look(found)
    joined = f"{inputs}, {numbers}" if n_changed else f"{inputs}; {numbers}"
    return f"{joined}; {_versions(found)}" + (f": look {where} first" if where else "")


def _versions(found: Verification) -> str:
    if not found.versions:
        return f"cart7 {plain(found.cart7)} and all packages as then"
    return ", ".join(
        f"{name} {plain(then) or '(not recorded)'} -> {now}" for name, (then, now) in found.versions.items()
    )


def _beside(found: Verification) -> str:
    """What changed beside the numbers, although they all came out again."""
    said = []
    if found.plan_edited:
        said.append("the plan in the manifest was edited")
    if len(found.outputs):
        said.append(f"{counted(len(found.outputs), 'output')} changed or missing")
    return f" ({'; '.join(said)})" if said else ""


def _where_to_look(found: Verification) -> str:
    """The likeliest cause, where there is one: the data explain a change before the software does."""
    if len(found.inputs):
        return ""
    if _is_changed(found, "results.json"):
        return "at results.json, which was edited after the run,"
    if found.plan_edited:
        return "at the plan in the manifest, which was edited after the run,"
    return "there" if found.versions else "at the platform: neither inputs, plan nor versions explain it;"


def _is_changed(found: Verification, name: str) -> bool:
    return bool(((found.outputs["path"] == name) & (found.outputs["change"] == "changed")).any())


def input_lines(inputs: pd.DataFrame) -> list[str]:
    """Each input whose content changed, with its size then and now."""
    lines = []
    for row in inputs.to_dict("records"):
        what = "content changed" if row["change"] == "content" else row["change"]
        lines.append(f"input {row['table']} ({plain(row['path'])}): {what}{_size(row)}")
    return lines


def _size(row: Mapping[Any, Any]) -> str:
    said = []
    old, new = row["rows_old"], row["rows_new"]
    if not pd.isna(old) and not pd.isna(new):
        said.append(f"rows {old} -> {new}" if old != new else f"{counted(int(new), 'row')} as then")
    for name, word in (("columns_added", "new column"), ("columns_removed", "column gone")):
        if row[name]:
            said.append(f"{word} {plain(row[name])}")
    return f", {'; '.join(said)}" if said else ""


def number_lines(numbers: pd.DataFrame) -> list[str]:
    """Each number that moved, on one line: what, where, old -> new, and by how much."""
    lines = []
    for row in numbers.to_dict("records"):
        where = " | ".join(f"{name} {plain(row[name])}" for name in PLACE if row[name])
        head = f"  {plain(row['analysis'])} {plain(row['param'])} {plain(row['stat'])} ({where})"
        lines.append(f"{head}: {_value(row['old'])} -> {_value(row['new'])}{_how_far(row)}")
    return lines


def _value(value: Any) -> str:
    return "missing" if _is_missing(value) or value == "" else plain(value)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _how_far(row: Mapping[Any, Any]) -> str:
    """`(+0.2, +5.3 %)`, or what else it is that differs."""
    if row["difference"] in ("unit", "stands twice"):
        return f" ({row['difference']})"
    if _is_missing(row["absolute"]):
        return ""
    relative = row["relative"]
    percent = "" if math.isinf(relative) else f", {100 * relative:+.3g} %"
    return f" ({row['absolute']:+.6g}{percent})"


def verification_json(found: Verification, manifest: str) -> str:
    """The verification as JSON; the shape is stable and described in the guide on results."""
    return _json({
        "schema": VERIFICATION_SCHEMA, "manifest": manifest, "reproduced": found.reproduced, "error": None,
        "summary": summary(found), "rtol": found.rtol, "inputs": rows_of(found.inputs),
        "rewritten": list(found.rewritten), "numbers": rows_of(found.numbers),
        "outputs": rows_of(found.outputs), "plan_edited": found.plan_edited,
        "versions": versions_of(found.versions), "rows_set_aside": found.rows_set_aside,
    })  # fmt: skip


def failure_json(schema: str, error: str, **places: str) -> str:
    """What could not be verified or compared, in the same shape: `reproduced` or `same` is null."""
    verdict = "reproduced" if schema == VERIFICATION_SCHEMA else "same"
    return _json({"schema": schema, **places, verdict: None, "error": error})


def versions_of(versions: Mapping[str, tuple[str, str]]) -> list[dict[str, str]]:
    """Versions that differ, as records."""
    return [{"name": name, "then": then, "now": now} for name, (then, now) in versions.items()]


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame as JSON records: missing and infinite numbers as null."""
    cells = [[_json_cell(cell) for cell in frame[name].tolist()] for name in frame.columns]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*cells, strict=True)]


def _json_cell(cell: Any) -> Any:
    if _is_missing(cell) or (isinstance(cell, float) and not math.isfinite(cell)):
        return None
    return cell


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=True, allow_nan=False, indent=1)


# ---- difference of two runs ---------------------------------------------------------------------


def difference_lines(found: Difference, *, most: int) -> list[str]:
    """What differs between two runs: data, subjects, plan, versions, and numbers by endpoint."""
    lines = [*_input_differences(found, most), *_people(found)]
    lines += [
        f"plan {plain(row.rule)}: {plain(row.old)} -> {plain(row.new)}" for row in found.plan.itertuples()
    ]
    lines += [
        f"version {plain(name)}: {plain(then) or 'not recorded'} -> {plain(now) or 'not recorded'}"
        for name, (then, now) in found.versions.items()
    ]
    lines += _numbers_by_endpoint(found.numbers, most)
    return [*lines, difference_summary(found)]


def _input_differences(found: Difference, most: int) -> list[str]:
    lines = []
    for row in found.inputs.to_dict("records"):
        change = (
            "content changed" if row["change"] == "content" else f"{row['change']} ({_SIDES[row['change']]})"
        )
        lines.append(f"input {row['table']}: {change}{_size(row)}")
        if row["note"]:
            lines.append(f"  {row['note']}")
        lines += _changed_rows(found.rows[found.rows["table"] == row["table"]], most)
    return lines


_SIDES = {"only in a": "gone", "only in b": "new"}


def _changed_rows(rows: pd.DataFrame, most: int) -> list[str]:
    """Per kind of change how many rows, and the first of them by key, with the cells that changed."""
    lines = []
    for change in ("added", "removed", "changed"):
        chosen = rows[rows["change"] == change]
        keys = list(dict.fromkeys(chosen["key"]))
        if not keys:
            continue
        lines.append(f"  {counted(len(keys), 'row')} {change}")
        for key in keys[:most]:
            cells = chosen[(chosen["key"] == key) & (chosen["column"] != "")]
            moved = "; ".join(
                f"{plain(cell.column)} {_value(cell.old)} -> {_value(cell.new)}"
                for cell in cells.itertuples()
            )
            lines.append(f"    {plain(key)}{': ' + moved if moved else ''}")
        if len(keys) > most:
            lines.append(f"    ... and {len(keys) - most} more")
    return lines


def _people(found: Difference) -> list[str]:
    """Subjects and groups that stand in one run only: one line each way instead of all their numbers."""
    lines = []
    for what, word in (("subject_id", "subject"), ("group", "group")):
        for side, verb in (("b", "new"), ("a", "gone")):
            chosen = found.one_sided[(found.one_sided["what"] == what) & (found.one_sided["only_in"] == side)]
            if len(chosen):
                names = ", ".join(plain(name) for name in chosen["name"])
                total = counted(int(chosen["n_numbers"].sum()), "result")
                lines.append(f"{counted(len(chosen), word)} {verb}: {names} ({total} of theirs not listed)")
    return lines


def _numbers_by_endpoint(numbers: pd.DataFrame, most: int) -> list[str]:
    lines = []
    for analysis, rows in numbers.groupby("analysis", sort=True):
        lines.append(f"{plain(analysis)}: {counted(len(rows), 'number')} moved")
        lines += number_lines(rows.head(most))
        if len(rows) > most:
            lines.append(f"  ... and {len(rows) - most} more (--csv FILE for all)")
    return lines


def difference_summary(found: Difference) -> str:
    """One line: how many inputs, rules, versions and numbers differ."""
    if found.same:
        versions = f"; {counted(len(found.versions), 'version')} differ" if found.versions else ""
        return f"no number differs: inputs, plan and {counted(found.n_compared, 'result')} the same{versions}"
    parts = [
        f"{counted(len(found.inputs), 'input')} changed" if len(found.inputs) else "inputs the same",
        f"{counted(len(found.plan), 'rule')} changed" if len(found.plan) else "plan the same",
        _differ(len(found.versions), "version"),
        f"{counted(len(found.numbers), 'number')} of {found.n_compared} moved",
    ]
    return "; ".join(part for part in parts if part)


def _differ(n: int, what: str) -> str:
    return "" if not n else f"{counted(n, what)} {'differs' if n == 1 else 'differ'}"


def difference_json(found: Difference, a: str, b: str) -> str:
    """The difference as JSON; the shape is stable and described in the guide on results."""
    return _json({
        "schema": DIFFERENCE_SCHEMA, "a": a, "b": b, "same": found.same, "error": None,
        "summary": difference_summary(found), "rtol": found.rtol, "inputs": rows_of(found.inputs),
        "rows": rows_of(found.rows), "one_sided": rows_of(found.one_sided), "plan": rows_of(found.plan),
        "versions": versions_of(found.versions), "numbers": rows_of(found.numbers),
    })  # fmt: skip
