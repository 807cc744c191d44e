"""Damage by a seed: sound studies of many shapes, defects put into them, and the log of where they stand.

The classes are those of the messy example study (D01 to D27). A study is a mapping of tables to rows,
a row a mapping of columns to texts, as in its CSV files. Nothing here uses the reader under test.

    python -m tests.study.damage 60      # studies; prints injected, found and false alarms by class
"""

import csv
import datetime as dt
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from cart7.examples import STUDY_FOLDER
from cart7.records import TABLES
from cart7.study import Study

DAY_DATES = {
    "products": [("day", "infusion_date")], "lymphodepletion": [("day", "date")], "kinetics": [("day", "sample_date")],
    "pd": [("day", "sample_date")], "responses": [("day", "assessment_date")],
    "adverse_events": [("start_day", "start_date"), ("end_day", "end_date")], "aesi_course": [("day", "date")],
    "conmeds": [("start_day", "start_date"), ("end_day", "end_date")], "ada": [("day", "sample_date")],
    "events": [("day", "date")], "labs": [("day", "sample_date")],
}  # fmt: skip
SEVERITY = {
    **dict.fromkeys(("D01", "D02", "D09"), "error"),
    **dict.fromkeys(("D03", "D04", "D05", "D15", "D16", "D18", "D19", "D20", "D21", "D26"), "warning"),
    **dict.fromkeys(("D06", "D07", "D08", "D10", "D11", "D12", "D17", "D25", "D27"), "repair"),
}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass
class Case:
    """A study being damaged; `log` holds (code, table, row, columns), a row by its identity."""

    tables: dict
    rng: np.random.Generator
    log: list = field(default_factory=list)
    touched: set = field(default_factory=set)
    no_infusion_date: set = field(default_factory=set)

    def pick(self, items):
        return items[int(self.rng.integers(len(items)))]

    def rows(self, *tables):
        """Rows nobody has touched yet, with their table."""
        return [(table, row) for table in tables for row in self.tables.get(table, ())
                if id(row) not in self.touched]  # fmt: skip

    def put(self, code, table, row, changes, columns=None):
        row.update(changes)
        self.touched.add(id(row))
        self.log.append((code, table, row, tuple(columns if columns is not None else changes)))
        return True

    def insert(self, table, row):
        self.touched.add(id(row))
        self.tables[table].insert(int(self.rng.integers(len(self.tables[table]) + 1)), row)


# --- sound studies -------------------------------------------------------------------------------


def example():
    """The clean example study as texts."""
    tables = {}
    for name in TABLES:
        with (STUDY_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            tables[name] = list(csv.DictReader(file))
    return tables


def an_id(style, number):
    """The id of the `number`-th subject in one of several styles."""
    return {
        "example": f"CD7-{number:03d}", "zeros": f"{number:03d}", "plain": f"{number}", "four": f"CT7-{number:04d}",
        "thousands": f"{1000 + number}", "site": f"{1 + number % 3:02d}-{number:03d}", "under": f"P_{number:02d}",
        "words": f"NCT04480788 {number:03d}", "lower": f"sub-{number}a", "long": f"CN/ZZU/CAR-T/{number:05d}",
    }[style]  # fmt: skip


STYLES = ("example", "zeros", "plain", "four", "thousands", "site", "under", "words", "lower", "long")


def variant(rng):
    """A sound study like the example: other ids, sizes and dates, fewer tables and columns."""
    source = example()
    style = STYLES[int(rng.integers(len(STYLES)))]
    ids = [row["subject_id"] for row in source["subjects"]]
    size = int(rng.choice([3, 6, 9, 10, 10, 14, 24]))
    chosen = [*rng.permutation(ids), *rng.choice(ids, 14)][:size]
    tables = {name: [] for name in source}
    for number, old in enumerate(chosen, 1):
        days, new = int(rng.integers(-400, 800)), an_id(style, number)
        for name, rows in source.items():
            tables[name] += [_moved(name, row, old, new, days) for row in rows if row["subject_id"] == old]
    for name in ("labs", "kinetics", "pd"):
        kept = rng.random(len(tables[name])) < rng.choice([0.7, 1.0])
        tables[name] = [row for row, keep in zip(tables[name], kept, strict=True) if keep]
    _fewer(tables, rng)
    if rng.random() < 0.5:
        for rows in tables.values():
            rng.shuffle(rows)
    return {name: rows for name, rows in tables.items() if rows}


def _moved(table, row, old, new, days):
    moved = {}
    for name, cell in row.items():
        if cell and TABLES[table].columns[name].kind == "date":
            cell = (dt.date.fromisoformat(cell) + dt.timedelta(days=days)).isoformat()
        moved[name] = cell.replace(old, new) if name in ("subject_id", "sample_id", "ae_id") else cell
    return moved


NEEDED = {
    "kinetics": {"value", "unit", "blq", "lloq", "nominal_label", "infusion_no"}, "pd": {"value", "unit", "blq", "lloq"},
    "labs": {"value", "unit"},
}  # fmt: skip


def _fewer(tables, rng):
    """Leave out some tables, and columns that are no part of a key."""
    for name in [*tables]:
        if name != "subjects" and rng.random() < 0.12:
            del tables[name]
            continue
        pairs = DAY_DATES.get(name, [])
        kept = {"subject_id", "infusion_date", "infused", *TABLES[name].key, *NEEDED.get(name, ())}
        kept |= {column for pair in pairs for column in pair}
        gone = (
            [column for column in tables[name][0] if column not in kept and rng.random() < 0.1]
            if tables[name]
            else []
        )
        if pairs and name not in ("products", "events") and rng.random() < 0.15:
            gone += [date for _, date in pairs]
        for row in tables[name]:
            for column in gone:
                row.pop(column, None)


# --- the defects ---------------------------------------------------------------------------------


def d01(case):
    table, row = case.pick(case.rows(*case.tables))
    case.touched.add(id(row))
    for _ in range(int(case.rng.integers(1, 3))):
        later = dict(row)
        case.touched.add(id(later))
        place = next(n for n, other in enumerate(case.tables[table]) if other is row)
        end = len(case.tables[table])
        case.tables[table].insert(int(case.rng.integers(place + 1, end + 1)), later)
        case.log.append(("D01", table, later, ()))
    return True


SECOND_VALUES = {
    "labs": ["value"], "kinetics": ["value"], "pd": ["value"], "responses": ["overall_response", "bm_response"],
    "adverse_events": ["outcome", "pt", "serious"], "conmeds": ["dose", "n_doses"], "manufacturing": ["vcn", "cd3_pct"],
    "products": ["viability_pct", "n_bags"], "lymphodepletion": ["dose_mg_m2"], "aesi_course": ["grade"],
    "ada": ["result"], "subjects": ["age", "sex", "disease", "ecog"], "events": ["detail"], "dlt": ["not_evaluable_reason"],
}  # fmt: skip


def d02(case):
    table, row = case.pick(case.rows(*case.tables))
    columns = [name for name in SECOND_VALUES[table] if name in row]
    if not columns:
        return False
    column = case.pick(columns)
    other = case.pick(case.tables[table]).get(column)
    if column == "value":
        if not row[column] or _is_before(table, row):
            return False
        factor = case.pick([2.0, 0.9, 1.1])
        if float(row["lloq"] if table != "labs" else 0) > float(row[column]) * factor:
            factor = 2.0
        other = f"{float(f'{float(row[column]) * factor:.4g}')}"
    if other is None or _number(other) == _number(row[column]):
        return False
    if table == "subjects":
        case.no_infusion_date.add(row["subject_id"])
    second = row | {column: other}
    case.insert(table, second)
    case.touched.add(id(row))
    case.log += [("D02", table, row, (column,)), ("D02", table, second, (column,))]
    return True


def _is_before(table, row):
    return table == "kinetics" and row["nominal_label"].startswith("D0")


def _number(text):
    try:
        return float(text)
    except ValueError:
        return text


def dated(case):
    """A row, one of its date columns that is filled, and the day beside it."""
    table, row = case.pick(case.rows(*case.tables))
    pairs = {date: day for day, date in DAY_DATES.get(table, ())}
    dates = [name for name in row if TABLES[table].columns[name].kind == "date" and row[name]]
    if not dates:
        return None
    date = case.pick(dates)
    return table, row, date, pairs.get(date)


def d03(case):
    if (found := dated(case)) is None:
        return False
    table, row, date, day = found
    changes = {date: row[date][: case.pick([4, 7])]}
    if day in row:
        changes[day] = ""
    if table == "subjects":
        case.no_infusion_date.add(row["subject_id"])
    return case.put("D03", table, row, changes, [date])


def d04(case):
    table, row = case.pick(case.rows("adverse_events"))
    if row.get("ongoing") != "N" or not row.get("end_day"):
        return False
    changes = {name: "" for name in ("end_day", "end_date") if name in row}
    return case.put("D04", table, row, changes, ["end_date" if "end_date" in row else "end_day"])


def d05(case):
    table, row = case.pick(case.rows("adverse_events", "conmeds"))
    if not row["start_day"] or not row["end_day"] or row["start_day"] == row["end_day"] or row.get("aesi"):
        return False
    changes = {"start_day": row["end_day"], "end_day": row["start_day"]}
    if "start_date" in row:
        changes |= {"start_date": row["end_date"], "end_date": row["start_date"]}
    columns = ("start_date", "end_date") if "start_date" in row else ("start_day", "end_day")
    return case.put("D05", table, row, changes, columns)


BELOW = ("BLQ", "bloq", "ND", "Not detected", "not detectable", "<LLOQ", "< LLOQ", "BQL", "below LLOQ", "Below LOQ",
         "undetectable", "<LOD", "blq ", "<LOQ", "Below limit of quantification", "BLOQ", "B.L.Q.", "LLOQ",
         "0", "0.0", "0.00")  # fmt: skip


def d06(case):
    table, row = case.pick(case.rows("kinetics", "pd"))
    if not row["blq"]:
        return False
    lloq = row["lloq"].removesuffix(".0")
    numbers = [
        f"<{lloq}",
        f"< {lloq}",
        f"<={lloq}",
        f"{float(row['lloq']) * 0.6:.3g}",
        f"<{3 * float(row['lloq']):g}",
    ]
    word = case.pick([*BELOW, *numbers])
    return case.put("D06", table, row, {"value": word, "blq": ""}, ["value"])


def d07(case):
    table, row = case.pick(case.rows(*case.tables))
    columns = [name for name in row if TABLES[table].columns[name].kind in ("int", "float") and row[name]
               and name not in ("grade", "baseline_grade")]  # fmt: skip
    if not columns:
        return False
    column = case.pick(columns)
    texts = [text for text in _number_forms(row[column]) if text != row[column]]
    return case.put("D07", table, row, {column: case.pick(texts)})


def _number_forms(text):
    number = float(text)
    forms = [f" {text}", f"{text} ", f"\t{text}", *(form for form in (f"{number:.3E}", f"{number:.1e}", f"{number:.2E}",
             f"{number:.5e}") if float(form) == number)]  # fmt: skip
    whole, _, decimals = text.partition(".")
    if abs(number) >= 1000:
        forms += [f"{number:,.0f}"] * 3 if number.is_integer() else [f"{number:,}"] * 3
    if decimals and (len(decimals) != 3 or whole in ("0", "-0")):
        forms += [f"{whole},{decimals}"] * 3
    return forms


UNITS = {
    **{test: {
        "/uL": 1e3, "cells/uL": 1e3, "/mm3": 1e3, "10^3/uL": 1, "K/uL": 1, "x10^3/mm3": 1, "10*6/L": 1e3, "x10E9/L": 1,
        "/\u00b5L": 1e3, "cells/mm\u00b3": 1e3, "/mcL": 1e3} for test in ("ANC", "ALC", "PLT", "WBC")},
    "HGB": {"g/dL": 0.1, "g/dl": 0.1, "mmol/L": 1 / 16.114}, "CREAT": {"mg/dL": 1 / 88.42, "mmol/L": 1e-3},
    "BILI": {"mg/dL": 1 / 17.10, "mg/dl": 1 / 17.10}, "CRP": {"mg/dL": 0.1, "ug/mL": 1}, "FERRITIN": {"ng/mL": 1},
    "ALT": {"IU/L": 1}, "AST": {"IU/L": 1},
    "QPCR": {"copies/100 ng": 0.1, "copies/100ng gDNA": 0.1, "copies/ng": 1e-3, "copies/\u00b5g gDNA": 1, "copies/mg": 1e3,
             "copies/50 ng DNA": 0.05},
    "FLOW": {"cells/mL": 1e3, "/uL": 1, "cells/\u00b5L": 1, "cells/mm3": 1},
    **{name: {"cells/mL": 1e3, "10^9/L": 1e-3, "/mm3": 1} for name in ("CD7POS_ABS", "LYM_ABS", "CD3POS_CD7NEG_ABS")},
    "CD7POS_PCT": {"%": 1, "percent": 1},
}  # fmt: skip
WHICH = {"labs": "test", "kinetics": "assay", "pd": "parameter"}


def d08(case):
    table, row = case.pick(case.rows(*WHICH))
    if not row["value"]:
        return False
    unit = case.pick(list(UNITS[row[WHICH[table]]]))
    factor = UNITS[row[WHICH[table]]][unit]
    value = row["value"] if factor == 1 else f"{float(row['value']) * factor:.6g}"
    if "e" in value:
        value = f"{float(row['value']) * factor:.9f}"
    return case.put("D08", table, row, {"unit": unit, "value": value}, ["unit" if factor == 1 else "value"])


def d09(case):
    table, row = case.pick(case.rows("labs"))
    factor, low, high = {"ANC": (1e3, 0, 100), "ALC": (1e3, 0, 500), "PLT": (1e3, 0, 3000), "HGB": (0.1, 20, 999),
                         "CREAT": (1 / 88.42, 9, 1e9)}.get(row["test"], (1, 0, 1e9))  # fmt: skip
    if factor == 1 or not row["value"]:
        return False
    value = float(f"{float(row['value']) * factor:.3g}")
    alone = not _around(case, row)
    if low <= value <= high and (row["test"] not in ("ANC", "ALC") or alone or value < 10):
        return False
    return case.put("D09", table, row, {"value": f"{value:g}" if value < 1e5 else f"{value:.0f}"})


def _around(case, row):
    """Whether untouched results of the subject within three days show what the value should be."""
    days = [abs(float(other["day"]) - float(row["day"])) for _, other in case.rows("labs")
            if other is not row and other["test"] == row["test"] and other["subject_id"] == row["subject_id"]
            and other["day"] and other["value"] and float(other["value"]) * 100 <= float(row["value"]) * 1000]  # fmt: skip
    return any(day <= 3 for day in days)


def d10(case):
    table, row = case.pick(case.rows(*(name for name in case.tables if name != "subjects")))
    subject = row["subject_id"]
    forms = [f"{subject} ", f" {subject}", f"\u00a0{subject}", subject.lower(), subject.upper(), subject.replace("-", "_"),
             subject.replace("-", " "), subject.replace("_", "-"), f"  {subject.lower()}"]  # fmt: skip
    head, mark, number = subject.rpartition("-" if "-" in subject else "_" if "_" in subject else " ")
    if number.isdigit() and number.startswith("0"):
        forms += [
            f"{head}{mark}{number.lstrip('0')}",
            f"{head}{mark}{number[1:]}",
            f"{head.lower()}_{number.lstrip('0')}".lstrip("_"),
        ]
    forms = [form for form in forms if form != subject]
    return case.put("D10", table, row, {"subject_id": case.pick(forms)})


LABELS = {
    "D28": ("Day 28", "D 28", "D+28", "d28", "Week 4", "DAY 28", "Day28", "D028", "W4", "day 28 "),
    "D14": ("Day 14", "D+14", "Week 2", "d14"), "D21": ("D 21", "Week 3"), "D7": ("D07", "Day 7", "Week 1", "day 07"),
    "D1": ("Day 1", "D01", "D+1"), "D4": ("Day 4", "d4"), "D10": ("D 10", "Day 10"),
    "M2": ("Month 2", "M 2", "2M", "D60", "m2", "Day 60"), "M3": ("Month 3", "M 3", "3M", "D90", "M03", "3 months", "Day 90"),
    "M6": ("Month 6", "M 6", "6M", "D180", "month 6"), "M9": ("Month 9", "M 9"), "M12": ("Month 12", "12M"),
    "M18": ("Month 18",), "SCR": ("Screening", "scr", "SCREENING"), "UNS": ("Unscheduled", "uns"),
    "D0 PRE": ("Day 0 PRE", "D0PRE", "d0 pre", "D0 predose", "D0 pre-dose"), "I2 D4": ("I2 Day 4", "i2 d4"),
    "I2 D28": ("I2 Day 28", "I2 D+28"),
}  # fmt: skip


def d11(case):
    table, row = case.pick(case.rows("kinetics", "pd", "responses", "ada"))
    column = "visit" if table == "responses" else "nominal_label"
    if row[column] not in LABELS:
        return False
    return case.put("D11", table, row, {column: case.pick(LABELS[row[column]])})


WORDS = {
    "CR": ("Complete Response", "complete response", "Complete Remission", "cr"), "PR": ("Partial Response", "partial remission"),
    "CRi": ("CR with incomplete recovery", "CRI", "cri"), "SD": ("Stable Disease", "stable disease"),
    "PD": ("Progressive Disease", "Progressive disease", "Relapse", "relapse"), "M": ("Male", "MALE", "male"),
    "F": ("Female", "FEMALE"), "Y": ("Yes", "YES", "yes", "1", "y"), "N": ("No", "NO", "0", "n"),
    "NOT RELATED": ("Not related", "NOT_RELATED", "not  related"), "NEW_THERAPY": ("New therapy", "NEW THERAPY"),
    "LAST_CONTACT": ("Last contact", "LAST CONTACT"), "QPCR": ("qPCR", "Qpcr"), "FLOW": ("Flow", "flow"),
}  # fmt: skip


def d12(case):
    table, row = case.pick(case.rows(*case.tables))
    schema = TABLES[table].columns
    columns = [name for name in row if row[name] and name not in ("blq", "visit", "nominal_label", "unit")
               and (schema[name].allowed or (schema[name].terms and row[name] in schema[name].terms))]  # fmt: skip
    if not columns:
        return False
    column = case.pick(columns)
    word = row[column]
    known = WORDS.get(word, ()) if schema[column].allowed or word in ("QPCR", "FLOW") else ()
    forms = [f"{word} ", f" {word}", word.lower(), word.title(), word.replace("_", " "), *known]
    return case.put("D12", table, row, {column: case.pick([form for form in forms if form != word])})


def d15(case):
    if (found := dated(case)) is None:
        return False
    table, row, date, day = found
    if day is None or not row.get(day) or row["subject_id"] in case.no_infusion_date:
        return False
    infused = {other["subject_id"] for other in case.tables["subjects"] if other["infusion_date"]}
    if row["subject_id"] not in infused:
        return False
    when = dt.date.fromisoformat(row[date])
    wrong = case.pick([f"{when.year + 9}{row[date][4:]}", f"{when.year - 1}{row[date][4:]}", f"{when.year + 1}{row[date][4:]}",
                       (when + dt.timedelta(days=case.pick([-30, -2, 3, 10, 31]))).isoformat()])  # fmt: skip
    if row[date][5:] == "02-29" and wrong[5:] == "02-29":
        return False
    return case.put("D15", table, row, {date: wrong})


def d16(case):
    table, row = case.pick(case.rows("adverse_events"))
    if not row.get("aesi") or not row["start_day"] or not row["end_day"]:
        return False
    start, end = int(row["start_day"]), int(row["end_day"])
    if end <= start or row["subject_id"] in case.no_infusion_date:
        return False
    cuts = sorted(case.rng.choice(np.arange(start + 1, end + 1), int(case.rng.integers(1, min(2, end - start) + 1)),
                                  replace=False).tolist())  # fmt: skip
    dates = "start_date" in row
    zero = dt.date.fromisoformat(row["start_date"]) - dt.timedelta(days=start) if dates else None
    bounds = [start, *cuts, end + 1]
    case.touched.add(id(row))
    for number, (first, following) in enumerate(pairwise(bounds)):
        part = dict(row) | {
            "ae_id": f"{row['ae_id']}{'abc'[number]}",
            "start_day": str(first),
            "end_day": str(following - 1),
        }
        if dates:
            part |= {
                "start_date": str(zero + dt.timedelta(days=first)),
                "end_date": str(zero + dt.timedelta(days=following - 1)),
            }
        if number == 0:
            row.update(part)
            part = row
        else:
            case.insert(table, part)
        case.log.append(("D16", table, part, ()))
    return True


def d17(case):
    table, row = case.pick(case.rows("adverse_events", "aesi_course"))
    if not row.get("grade"):
        return False
    roman = ("", "I", "II", "III", "IV", "V")[int(row["grade"])]
    forms = [roman, roman.lower(), f"Grade {row['grade']}", f"{row['grade']}.0", f"G{row['grade']}", f"grade {roman}", f" {row['grade']}", "",
             f"Grade{row['grade']}", f"GRADE {row['grade']}", f"Gr. {row['grade']}", f"Gr {row['grade']}"]  # fmt: skip
    return case.put("D17", table, row, {"grade": case.pick(forms)})


def d18(case):
    table, row = case.pick(case.rows(*WHICH))
    if not row["value"]:
        return False
    return case.put("D18", table, row, {"value": ""})


def d19(case):
    table, row = case.pick(case.rows("adverse_events"))
    if "dlt" not in row or "dlt" not in case.tables or "dlt" not in case.tables["dlt"][0]:
        return False
    mine = [other for other in case.tables["dlt"] if other["subject_id"] == row["subject_id"]]
    flagged = [
        other
        for other in case.tables["adverse_events"]
        if other["subject_id"] == row["subject_id"] and other["dlt"] == "Y"
    ]
    if any(id(other) in case.touched for other in [*mine, *flagged]) or (
        row["dlt"] == "Y" and len(flagged) > 1
    ):
        return False
    if row["dlt"] == "N" and mine and mine[0]["dlt"] == "Y":
        return False
    for other in mine:
        case.touched.add(id(other))
    if row["dlt"] == "Y" and not {"dlt_term", "dlt_onset_day"} <= mine[0].keys():
        return False
    return case.put("D19", table, row, {"dlt": "N" if row["dlt"] == "Y" else "Y"})


def d20(case):
    _, row = case.pick(case.rows("events"))
    if row["event"] != "DEATH" or any(other["event"] == "LAST_CONTACT" and other["subject_id"] == row["subject_id"]
                                      for other in case.tables["events"]):  # fmt: skip
        return False
    later = int(case.rng.integers(1, 60))
    date = (dt.date.fromisoformat(row["date"]) + dt.timedelta(days=later)).isoformat()
    contact = dict(row) | {
        "event": "LAST_CONTACT",
        "date": date,
        "day": str(int(row["day"]) + later) if row["day"] else "",
    }
    if "detail" in contact:
        contact["detail"] = "ALIVE"
    case.touched.add(id(row))
    case.insert("events", contact)
    case.log.append(("D20", "events", contact, ()))
    return True


def d21(case):
    table, row = case.pick(case.rows("kinetics"))
    if row["nominal_label"] != "D0 PRE" or row["value"]:
        return False
    return case.put("D21", table, row, {"value": case.pick(["125", "60.5", "5000"]), "blq": ""}, ["value"])


def d25(case):
    if (found := dated(case)) is None:
        return False
    table, row, date, _ = found
    when = dt.date.fromisoformat(row[date])
    month = MONTHS[when.month - 1]
    serial = (when - dt.date(1899, 12, 30)).days
    forms = [f"{when.day:02d}{month}{when.year}", str(serial), f"{serial}.0", f"{when.day:02d}-{month.title()}-{when.year}",
             f"{when.day:02d}{month.lower()}{when.year}", f"{when.day} {month.title()} {when.year}", f"{row[date]} ",
             f"{row[date]}T08:30", f"{row[date]} 00:00:00"]  # fmt: skip
    return case.put("D25", table, row, {date: case.pick(forms)})


def d26(case):
    table, row = case.pick(case.rows("products"))
    if not row.get("volume_ml"):
        return False
    return case.put("D26", table, row, {"volume_ml": case.pick(["5.0", "9.9", "50.1", "62", "120", "0.5"])})


def d27(case):
    table, row = case.pick(case.rows("kinetics"))
    if "products" not in case.tables or not row["day"]:
        return False
    return case.put("D27", table, row, {"infusion_no": ""})


DEFECTS = {
    name.upper(): make for name, make in dict(globals()).items() if name[0] == "d" and name[1:].isdigit()
}
TABLES_OF = {
    "D04": ["adverse_events"], "D05": ["adverse_events"], "D06": ["kinetics"], "D08": ["labs"], "D09": ["labs"],
    "D11": ["kinetics"], "D16": ["adverse_events"], "D17": ["adverse_events"], "D18": ["labs"], "D19": ["adverse_events"],
    "D20": ["events"], "D21": ["kinetics"], "D26": ["products"], "D27": ["kinetics"],
}  # fmt: skip


# --- a damaged study and what is found in it -----------------------------------------------------


def damaged(seed, *, per_class=3):
    """A sound study with defects of every class that it can have."""
    case = Case(variant(np.random.default_rng([seed, 1])), np.random.default_rng([seed, 2]))
    codes = [code for code in DEFECTS for _ in range(per_class)]
    case.rng.shuffle(codes)
    for code in codes:
        if any(not case.rows(name) for name in TABLES_OF.get(code, ())):
            continue
        for _ in range(40):
            if DEFECTS[code](case):
                break
    return case


def read(tables):
    """The study of these rows, as their CSV files would give it."""
    frames = {name: pd.DataFrame(rows, dtype=object) for name, rows in tables.items()}
    return Study.from_frames(on_problem="report", **frames)


STRUCTURAL = ("DAY-FROM-DATE",)


def findings(study):
    """(table, row, class) of every finding on a row, with its columns and severities."""
    found = {}
    for problem in study.problems.itertuples():
        if problem.rule in STRUCTURAL and pd.isna(problem.row):
            continue
        row = None if pd.isna(problem.row) else int(problem.row)
        code = problem.rule[:3] if problem.rule[0] == "D" and problem.rule[1:3].isdigit() else problem.rule
        found.setdefault((problem.table, row, code), []).append((problem.column, problem.severity, problem))
    return found


def compare(case, study):
    """What was missed, and what was found without having been put in."""
    found, places = findings(study), {}
    numbers = {id(row): number for rows in case.tables.values() for number, row in enumerate(rows, 1)}
    for code, table, row, columns in case.log:
        places[table, numbers[id(row)], code] = (columns, row)
    missed = []
    for (table, number, code), (columns, row) in places.items():
        said = found.get((table, number, code), [])
        severity = "warning" if code == "D17" and row["grade"] == "" else SEVERITY[code]
        named = {column for column, how, _ in said if how == severity}
        # Of two values of a key, the finding names the first column that differs.
        if not named or (code != "D02" and not set(columns) <= named):
            cells = {name: row[name] for name in columns if name in row}
            missed.append((code, table, number, cells, [problem.rule for *_, problem in said]))
    false = [
        (place, said[0][2].message, said[0][2].value) for place, said in found.items() if place not in places
    ]
    return missed, false


def main(studies):
    """Print the tally of many studies."""
    put, missing, false = Counter(), Counter(), Counter()
    shown = Counter()
    for seed in range(studies):
        clean = read(variant(np.random.default_rng([seed, 1])))
        for place in findings(clean):
            false[f"clean {place[2]}"] += 1
        case = damaged(seed)
        put.update(code for code, *_ in case.log)
        missed, alarms = compare(case, read(case.tables))
        for code, *place in missed:
            missing[code] += 1
            if shown[code] < 4:
                shown[code] += 1
                print("missed", seed, code, *place)
        for place, message, value in alarms:
            false[place[2]] += 1
            if shown[f"f{place[2]}"] < 4:
                shown[f"f{place[2]}"] += 1
                print("false", seed, place, message, repr(value))
    print("class injected found false")
    for code in sorted({*put, *false}):
        print(f"{code:6s} {put[code]:7d} {put[code] - missing[code]:7d} {false[code]:7d}")
    print(f"all    {put.total():7d} {put.total() - missing.total():7d} {false.total():7d}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
