"""Damaged studies by seed: nothing but typed errors comes out, and no row is lost.

python benchmarks/fuzz.py [studies] [--first SEED] [--analyse EVERY] [--report EVERY]
"""

import argparse
import csv
import io
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from cart7.analysis import analyse
from cart7.errors import Cart7Error
from cart7.examples import STUDY_FOLDER
from cart7.plan import read_plan
from cart7.records import TABLES
from cart7.report import document
from cart7.study import Study, read_study

JUNK = [
    "", " ", "\t", "NA", "N/A", ".", "-", "--", "NULL", "None", "nan", "NaN", "inf", "-inf", "Infinity",
    "1e999", "-1e999", "1e308", "-1", "-0.0", "0", "1e-320", "999999999999999999999",
    "12345678901234567890.5", "0x1F", "1_000", "\u0661\u0662", "\u00b2", "1,2,3", "1.2.3", ",", "1,000",
    "1,5", "1.000,5", "+", "+5", "5-", "1/2", "50%", "<", "<5", "<=5", ">5", "< -5", "<1e999", "<0", "BLQ",
    "ND", "TRUE", "false", "y", "Yes", "2022-02-30", "2022-13-01", "0000-00-00", "0001-01-01", "9999-12-31",
    "1500-01-01", "22621231", "2262-04-12", "2022-1-5", "05/01/2022", "2022", "2022-06", "0000", "99999",
    "44582", "21JAN2022", "31FEB2022", "2022-01-05T25:61", "2022-01-05 08:00", "12:30", "=1+1",
    "=cmd|' /C calc'!A0", "@SUM(A1)", "-2+3", "<script>alert(1)</script>", "<b>bold</b>", "&lt;&amp;",
    "]]>", "{{ 7*7 }}", "%s%n", "../../etc/passwd", "\u202eabc", "\u0000", "\x07", "\x1b[31m", "\x85",
    "\u2028", "\ufeff", "\ud800", "\udfff", "\U0001f600", "e\u0301", "\u00df", "\u0130", "x" * 5000,
    "9" * 400, "\u00e9" * 300, "a\nb", "a\r\nb", 'a"b', '""', "'", "a,b", "a;b", "I", "IV", "VI", "Grade 9",
    "G0", "D28", "Week 99999999999", "M0", "D-3", "I2 D4", "D999999999999999999999", "3M", "SCR", "CR",
    "relapse", "RELAPSE", "DEATH", "CRS", "cells/uL", "copies/0 ng", "copies/1e400ng", "10^9/L", "mg/dL",
    "FATAL", "1e5", "1E+05", "5.", ".5", "00012",
]  # fmt: skip
KINDS = ("text", "frames", "records", "bytes")


def sound() -> dict[str, list[list[str]]]:
    """The example study, header first, thinned so that one reading is quick."""
    tables = {}
    for name in TABLES:
        with (STUDY_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        step = {"labs": 40, "pd": 9, "kinetics": 5, "adverse_events": 2, "lymphodepletion": 3}.get(name, 1)
        tables[name] = [header, *rows[::step]]
    return tables


# --- what can go wrong ---------------------------------------------------------------------------


def a_cell(rng, rows):
    """Place of some cell below the header; None when there is none."""
    full = [place for place in range(1, len(rows)) if rows[place]]
    if not full:
        return None
    row = int(rng.choice(full))
    return row, int(rng.integers(len(rows[row])))


def junk_cells(rng, tables, name):
    """Some cells become junk."""
    for _ in range(int(rng.integers(1, 12))):
        if (place := a_cell(rng, tables[name])) is not None:
            tables[name][place[0]][place[1]] = JUNK[int(rng.integers(len(JUNK)))]


def junk_column(rng, tables, name):
    """A whole column becomes one junk, or many."""
    rows = tables[name]
    column = int(rng.integers(max(len(rows[0]), 1)))
    one = JUNK[int(rng.integers(len(JUNK)))] if rng.random() < 0.5 else None
    for row in rows[1:]:
        if column < len(row):
            row[column] = JUNK[int(rng.integers(len(JUNK)))] if one is None else one


def other_words(rng, tables, name):
    """Cells move between columns, so that right words stand in wrong places."""
    rows = tables[name]
    for _ in range(int(rng.integers(1, 30))):
        here, there = a_cell(rng, rows), a_cell(rng, rows)
        if here and there:
            rows[here[0]][here[1]] = rows[there[0]][there[1]]


def columns_changed(rng, tables, name):
    """A column is dropped, doubled, renamed or moved."""
    rows, how = tables[name], rng.choice(["drop", "double", "rename", "order", "blank", "extra"])
    width = len(rows[0])
    if width == 0:
        return
    column = int(rng.integers(width))
    order = rng.permutation(width)
    for place, row in enumerate(rows):
        if len(row) != width:
            continue
        if how == "drop":
            del row[column]
        elif how == "double":
            row.append(row[column])
        elif how == "order":
            row[:] = [row[old] for old in order]
        elif how == "extra":
            row.append("note" if place == 0 else JUNK[int(rng.integers(len(JUNK)))])
    if how in ("rename", "blank"):
        rows[0][column] = (
            "" if how == "blank" else rows[0][column].upper()[:-1] + str(rng.choice(["", "X", " ", "_1"]))
        )


def rows_changed(rng, tables, name):
    """Rows are dropped, doubled, shuffled, made ragged or blank."""
    rows, how = tables[name], rng.choice(["drop", "double", "shuffle", "ragged", "blank", "all", "many"])
    body = rows[1:]
    if not body:
        return
    place = int(rng.integers(len(body)))
    if how == "drop":
        del body[place]
    elif how == "double":
        body.insert(int(rng.integers(len(body) + 1)), list(body[place]))
    elif how == "shuffle":
        rng.shuffle(body)
    elif how == "ragged":
        body[place] = body[place][: int(rng.integers(len(body[place]) + 1))] or ["x"]
        body[int(rng.integers(len(body)))].append("more")
    elif how == "blank":
        body[place] = ["" for _ in body[place]]
    elif how == "all":
        body = []
    else:
        body = [list(row) for row in body for _ in range(3)]
    rows[1:] = body


def one_subject(rng, tables, name):
    """Every row belongs to one subject, or the subjects table has one or repeats one."""
    rows = tables["subjects"]
    if len(rows) < 2 or "subject_id" not in rows[0]:
        return
    column = rows[0].index("subject_id")
    if rng.random() < 0.5:
        rows[2:] = []
    else:
        for row in rows[1:]:
            if column < len(row):
                row[column] = str(rng.choice(["CD7-001", "cd7-001", "1", "", "\U0001f600", "CD7-002"]))


def no_table(rng, tables, name):
    """A table is not there, or has no row."""
    if rng.random() < 0.5 and name != "subjects":
        del tables[name]
    else:
        tables[name][1:] = []


def numbers_changed(rng, tables, name):
    """Numbers become huge, negative, tiny or otherwise written."""
    rows = tables[name]
    for row in rows[1:]:
        for place, cell in enumerate(row):
            if (
                rng.random() < 0.1
                and cell.replace(".", "").replace("-", "").isdigit()
                and cell.count("-") < 2
            ):
                power = int(rng.integers(-300, 300))
                row[place] = str(
                    rng.choice([f"-{cell}", f"{cell}e{power}", f"{cell}000000000", f" {cell} ", f"{cell},5"])
                )


DAMAGE = (
    junk_cells, junk_cells, junk_column, other_words, columns_changed, rows_changed, one_subject, no_table,
    numbers_changed,
)  # fmt: skip


def damaged(seed):
    """Tables of one damaged study."""
    rng = np.random.default_rng(seed)
    tables = sound()
    for name in rng.permutation(list(tables))[: int(rng.integers(0, 6))]:
        if name != "subjects":
            del tables[str(name)]
    for _ in range(int(rng.integers(1, 6))):
        name = str(rng.choice(list(tables)))
        DAMAGE[int(rng.integers(len(DAMAGE)))](rng, tables, name)
    return rng, tables


# --- the ways in ---------------------------------------------------------------------------------


def as_text(rows):
    """CSV as a spreadsheet writes it."""
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def broken(rng, raw):
    """Bytes of a file, cut, mixed or in another encoding."""
    how = int(rng.integers(9))
    text = raw.decode("utf-8", "surrogatepass")
    cut = int(rng.integers(len(raw) + 1))
    return [
        lambda: raw[:cut], lambda: b"", lambda: rng.bytes(500), lambda: raw[:cut] + rng.bytes(8) + raw[cut:],
        lambda: text.encode("utf-16", "surrogatepass"), lambda: text.encode("cp1252", "replace"),
        lambda: raw.replace(b",", b";"), lambda: raw.replace(b"\n", b"\r\n" if cut % 2 else b"\r"),
        lambda: b"\xef\xbb\xbf" + raw + b"\x00" * (cut % 2),
    ][how]()  # fmt: skip


def written(rng, tables, folder, *, whole):
    """The tables as CSV files; broken ones when not `whole`."""
    victim = str(rng.choice(list(tables)))
    for name, rows in tables.items():
        raw = as_text(rows).encode("utf-8", "surrogatepass")
        (folder / f"{name}.csv").write_bytes(raw if whole or name != victim else broken(rng, raw))


def frames(rng, tables):
    """Frames with the types that code hands over."""
    made = {}
    for name, (header, *rows) in tables.items():
        frame = pd.DataFrame([row for row in rows if len(row) == len(header)], columns=header, dtype=object)
        for column in range(len(header)):
            if frame.columns.is_unique and rng.random() < 0.4:
                title = frame.columns[column]
                frame[title] = retyped(rng, frame[title])
        made[name] = frame
    return made


def retyped(rng, column):
    """A column in another type."""
    how = int(rng.integers(10))
    if how == 0:
        return pd.to_numeric(column, errors="coerce")
    if how == 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pd.to_datetime(column, errors="coerce")
    if how == 2:
        return column.astype("category")
    if how == 3:
        return column.astype("string")
    if how == 4:
        return column == "Y"
    if how == 5:
        return pd.to_numeric(column, errors="coerce").astype("float32")
    if how == 6:
        return pd.Series([[cell] if cell else {"a": 1} for cell in column], index=column.index, dtype=object)
    if how == 7:
        return pd.Series(
            [(None, np.nan, pd.NA, pd.NaT, cell)[n % 5] for n, cell in enumerate(column)],
            index=column.index,
            dtype=object,
        )
    if how == 8:
        return pd.to_numeric(column, errors="coerce").astype("Float64")
    return pd.Series([(cell, 1, True, 1.0, -np.inf, b"x")[n % 6] for n, cell in enumerate(column)],
                     index=column.index, dtype=object)  # fmt: skip


def records(tables):
    """Records of the rows that the models accept, and how many those are."""
    made = {}
    for name, (header, *rows) in tables.items():
        schema = TABLES[name]
        kept = []
        for row in rows:
            cells = {
                title: cell
                for title, cell in zip(header, row, strict=False)
                if title in schema.columns and cell
            }
            try:
                kept.append(schema.model(**cells))
            except ValueError:
                continue
        if kept:
            made[name] = kept
    return made


def study_of(seed):
    """One damaged study, read; and the rows that each table had."""
    rng, tables = damaged(seed)
    kind = KINDS[seed % len(KINDS)]
    if kind == "frames":
        made = frames(rng, tables)
        return Study.from_frames(on_problem="report", **made), {
            name: len(frame) for name, frame in made.items()
        }
    if kind == "records":
        made = records(tables)
        return Study.from_records(on_problem="report", **made), {
            name: len(rows) for name, rows in made.items()
        }
    with tempfile.TemporaryDirectory() as place:
        written(rng, tables, Path(place), whole=kind == "text")
        study = read_study(place, on_problem="report")
    counted = {name: sum(any(map(str.strip, row)) for row in rows[1:]) for name, rows in tables.items()}
    return study, counted if kind == "text" else {}


def lost_rows(study, counted):
    """Rows neither used nor listed with an error, and rows counted otherwise than they stand."""
    lost = 0
    errors = study.problems[(study.problems["severity"] == "error") & study.problems["row"].notna()]
    for row in study.accounting.itertuples():
        aside = errors.loc[errors["table"] == row.table, "row"].nunique()
        lost += abs(row.rows_in - row.rows_used - aside) + abs(
            row.rows_in - counted.get(row.table, row.rows_in)
        )
    return lost


def main(arguments=None):
    """Print what came out of the damaged studies."""
    parser = argparse.ArgumentParser()
    parser.add_argument("studies", type=int, nargs="?", default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--analyse", type=int, default=25)
    parser.add_argument("--report", type=int, default=500)
    options = parser.parse_args(arguments)
    tally, plan, start = Counter(), read_plan("example"), time.process_time()
    for seed in range(options.first, options.first + options.studies):
        try:
            study, counted = study_of(seed)
            tally["read"] += 1
            tally["findings"] += len(study.problems)
            lost = lost_rows(study, counted)
            tally["lost rows"] += lost
            if lost:
                print(f"seed {seed} lost {lost}", flush=True)
            if seed % options.analyse == 0 or seed % options.report == 1:
                trial = analyse(study, plan)
                trial.to_frame()
                tally["analysed"] += 1
                if seed % options.report == 1:
                    document.render_html(trial).encode("utf-8")
                    tally["reports"] += 1
        except Cart7Error as error:
            tally["typed errors"] += 1
            str(error).encode("utf-8", "backslashreplace")
        except Exception:
            tally["crashes"] += 1
            print(f"seed {seed}\n{traceback.format_exc(limit=-6)}", flush=True)
    seconds = time.process_time() - start
    print(f"{options.studies} damaged studies from seed {options.first}, {seconds:.0f} s CPU")
    for name in ("read", "typed errors", "findings", "analysed", "reports", "crashes", "lost rows"):
        print(f"  {name:14s} {tally[name]:8d}")
    return tally


if __name__ == "__main__":
    main()
