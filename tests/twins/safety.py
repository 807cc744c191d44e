"""Second versions of the safety rules: one record, one subject, one day at a time."""

import calendar
import datetime as dt


def range_of(text):
    """First and last date a partial text allows, and the missing part."""
    year, month, day = ([*text.split("-"), "", ""])[:3]
    if not month:
        return dt.date(int(year), 1, 1), dt.date(int(year), 12, 31), "M"
    if not day:
        last = calendar.monthrange(int(year), int(month))[1]
        return dt.date(int(year), int(month), 1), dt.date(int(year), int(month), last), "D"
    date = dt.date(int(year), int(month), int(day))
    return date, date, ""


def start_and_end(start_text, end_text, infusion, death, follow_up_end):
    """The dates of one record; None where unknown."""
    start = end = None
    if start_text:
        first, last, missing = range_of(start_text)
        start = infusion if missing and infusion is not None and first <= infusion <= last else first
    if end_text:
        first, last, missing = range_of(end_text)
        end = last
        for bound in (death, follow_up_end):
            if missing and bound is not None and first <= bound <= last:
                end = min(end, bound)
    return start, end


def is_emergent(start, end, infusion, grade, baseline, window=None):
    """The rules in their order; `baseline` is "no column" when it was not collected."""
    if infusion is None:
        return False
    if end is not None and end < infusion:
        return False
    if start is None:
        return True
    if start >= infusion:
        return window is None or (start - infusion).days <= window
    if baseline == "no column":
        return False
    return grade is None or baseline is None or grade > baseline


def term_counts(records, members):
    """Subjects, records and subjects per worst grade of every row, for the members of a group.

    `records` are (subject, soc, pt, grade); the answer is {(soc, pt): (subjects, records, {grade: subjects})}.
    """
    rows = {}
    for subject, soc, pt, grade in records:
        if subject in members:
            for row in [("", ""), (soc, ""), (soc, pt)]:
                rows.setdefault(row, []).append((subject, grade))
    counted = {}
    for row, found in rows.items():
        grades = {}
        for subject in {subject for subject, _ in found}:
            known = [grade for who, grade in found if who == subject and grade is not None]
            worst = max(known, default="missing")
            grades[worst] = grades.get(worst, 0) + 1
        counted[row] = (len({subject for subject, _ in found}), len(found), grades)
    return counted


def merged(spans, gap):
    """Episodes of (start, end) spans, walking along them; the end of an ongoing one is infinite."""
    episodes = []
    for start, end in sorted(spans):
        if episodes and start <= episodes[-1][1] + gap:
            episodes[-1][1] = max(episodes[-1][1], end)
        else:
            episodes.append([start, end])
    return [tuple(episode) for episode in episodes]


def time_at_risk(onset, start, end):
    """Days at risk and whether the first event counts, of one subject."""
    if onset is not None and onset <= end:
        return max(onset, start) - start + 1, 1
    return end - start + 1, 0


def dlt_clause(category, grade, start, end, window=28):
    """Which clause makes a related event dose-limiting; empty for none. `category`: CRS, ICANS, HAEM, OTHER."""
    if grade is None or start is None or not 0 <= start <= window:
        return ""
    days = end - start + 1
    if grade == 5:
        return "fatal"
    if category in ("CRS", "ICANS"):
        return "aesi" if grade == 4 or (grade == 3 and days > 3) else ""
    if category == "HAEM":
        return "haem" if grade == 4 and end > window else ""
    return "other" if grade == 4 or (grade == 3 and days > 7) else ""


def longest_low(levels, threshold, join=2, longest_gap=7):
    """Longest low period of daily levels (None = not measured): fill short gaps, then walk along the days."""
    known = [day for day, level in enumerate(levels) if level is not None]
    filled = list(levels)
    for day in range(len(levels)):
        if levels[day] is None and known:
            before = max((d for d in known if d < day), default=None)
            after = min((d for d in known if d > day), default=None)
            if before is None:
                filled[day] = levels[after] if after <= longest_gap else None
            elif after is None:
                filled[day] = levels[before] if len(levels) - 1 - before <= longest_gap else None
            elif after - before - 1 <= longest_gap:
                share = (day - before) / (after - before)
                filled[day] = round(levels[before] + (levels[after] - levels[before]) * share, 9)
    best = length = above = 0
    for level in filled:
        if level is None:
            length = above = 0
        elif level <= threshold:
            length = length + above + 1 if length else 1
            above = 0
            best = max(best, length)
        elif length:
            above += 1
            if above > join:
                length = above = 0
    return best
