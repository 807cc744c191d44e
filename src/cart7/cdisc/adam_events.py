"""Subjects and the events of their course, as ADSL and ADTTE tell them.

Here: ids, who was infused, dates of ADSL as events, CNSR turned into events (the one place), what ADTTE
adds where ADSL is silent. Not here: other data sets (`adam_records`).
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from cart7.cdisc import adam_values as values
from cart7.cdisc.adam_folder import DataSetFile
from cart7.cdisc.adam_mapping import USUAL, AdamMapping, DataSetMapping, EndpointSource
from cart7.cdisc.adam_records import Desk, ids, records, variables_of
from cart7.errors import Problem
from cart7.records import TABLES

_COMPLETE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
EVENT_COLUMNS = ("subject_id", "event", "date", "day", "detail")
_SAYS_NO_EVENT = ("ALIVE", "CENSOR", "NO EVENT")


def name_subjects(file: DataSetFile, mapping: AdamMapping, desk: Desk) -> None:
    """The id of each USUBJID of ADSL, into the desk."""
    cells = file.cells
    key = next((name for name in ("USUBJID", "SUBJID") if name in cells.columns), None)
    if key is None:
        return
    usubjid = values.each(cells[key], values.word)
    chosen = usubjid
    if mapping.subject_id in cells.columns:
        chosen = values.each(cells[mapping.subject_id], values.word)
    elif {"STUDYID", "SUBJID"} <= set(cells.columns):
        study, subject = (values.each(cells[name], values.word) for name in ("STUDYID", "SUBJID"))
        if (usubjid == study + "-" + subject).all():
            chosen = subject
    if chosen.dropna().duplicated().any() and not usubjid.dropna().duplicated().any():
        message = f"{mapping.subject_id} is not different for every subject; USUBJID names them"
        desk.warn("subjects", "ADAM-SUBJECT-ID", message, column="subject_id")
        chosen = usubjid
    desk.subject_ids = {one: str(name) for one, name in zip(usubjid, chosen, strict=True) if name is not None}


def subjects(each: DataSetMapping, file: DataSetFile, desk: Desk) -> pd.DataFrame:
    """The table of subjects: who was infused, and the variables of ADSL that have no column, as they are."""
    frame, _ = records(each, file, desk)
    if "infused" not in frame.columns and "infusion_date" in frame.columns:
        dated = frame["infusion_date"].notna()
        frame = frame.assign(infused=np.where(dated, "Y", "N").astype(object))
    read = {variable for source in each.columns for variable in variables_of(source)}
    events = [event for one in USUAL for event in one.events]
    read |= {name for event in events for name in (*event.date, *event.study_day, *event.detail)}
    read |= {values.companion(name) for event in events for name in event.date}
    extra = [
        name for name in file.cells.columns
        if name not in read and name.casefold() not in TABLES["subjects"].columns
        and file.cells[name].notna().any() and name not in ("USUBJID", "SUBJID")
    ]  # fmt: skip
    return pd.concat([frame, file.cells[extra]], axis=1)


def dlt_table(frame: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """The DLT flags of the infused subjects; nobody else is judged."""
    judged = [name for name in ("evaluable", "dlt") if name in frame.columns]
    if not judged or "infused" not in people.columns:
        return frame.iloc[:0]
    infused = people["infused"].reindex(frame.index).isin(["Y", "YES", "1"])
    return frame[infused & frame[judged].notna().any(axis=1)]


def events_of_adsl(each: DataSetMapping, file: DataSetFile, infusion: pd.Series, desk: Desk) -> pd.DataFrame:
    """One row for each dated event of ADSL; a last contact only where it is not the death.

    Parameters
    ----------
    each : DataSetMapping
    file : DataSetFile
    infusion : Series
        Infusion date by row of ADSL: who was infused was alive then, whatever LSTALVDT says.
    desk : Desk
    """
    who = ids(file, desk)
    blank = pd.Series(None, index=file.cells.index, dtype=object)
    blocks = []
    for source in each.events:
        date, day, detail = (
            _first(file, names, read, blank)
            for names, read in (
                ((*source.date, *map(values.companion, source.date)), values.date),
                (source.study_day, values.day_of_study_day),
                (source.detail, values.word),
            )
        )
        day = day.mask(date.astype("str").str.fullmatch(_COMPLETE), None)  # one date, told once
        happened = date.notna() | day.notna()
        if source.event == "DEATH" and "DTHFL" in file.cells.columns:
            happened |= values.flag(file.cells["DTHFL"]) == "Y"
        block = pd.DataFrame(
            {"subject_id": who, "event": source.event, "date": date, "day": day, "detail": detail},
            dtype=object,
        )[happened]
        blocks.append(block)
    found = pd.concat(blocks) if blocks else pd.DataFrame(columns=list(EVENT_COLUMNS))
    death = found[found["event"] == "DEATH"].drop_duplicates("subject_id").set_index("subject_id")["date"]
    died = found["subject_id"].map(death)
    contact = found["event"] == "LAST_CONTACT"
    again = contact & died.notna() & (found["date"] <= died.fillna(""))
    early = contact & (found["date"].fillna("9999") < infusion.reindex(found.index).fillna(""))
    if early.any():
        where = values.lines(found.index[early].tolist())
        message = (
            f"ADSL: {int(early.sum())} last contacts are before the infusion and not used (lines {where})"
        )
        desk.warn("events", "ADAM-LAST-ALIVE", message, column="date")
    return found[~(again | early)].rename_axis("row")


def _first(file: DataSetFile, names: Iterable[str], read: object, blank: pd.Series) -> pd.Series:
    column = blank
    for name in names:
        if name in file.cells.columns:
            column = column.where(column.notna(), values.each(file.cells[name], read))  # type: ignore[arg-type]
    return column


def events_of_adtte(
    each: DataSetMapping, file: DataSetFile, known: pd.DataFrame, desk: Desk
) -> tuple[pd.DataFrame, pd.Series]:
    """What ADTTE says of events: those ADSL has not, and the rows that say none, with reasons.

    Parameters
    ----------
    each : DataSetMapping
    file : DataSetFile
    known : DataFrame
        The events of ADSL: they count where both tell one.
    desk : Desk

    Returns
    -------
    added : DataFrame
        Events that are only in ADTTE.
    reasons : Series
        By row of ADTTE, why it tells no event.
    """
    rows, _ = records(DataSetMapping(data_set="ADTTE", table="events", file=each.file,
                                     paramcd=tuple(code for end in each.endpoints for code in end.paramcd)),
                      file, desk)  # fmt: skip
    missing = [name for name in ("CNSR", "ADT") if name not in file.cells.columns]
    if missing:
        why = f"there is no {' and no '.join(missing)}"
        return known.iloc[:0], pd.Series(why, index=rows.index, dtype=object)
    cells = file.cells.loc[rows.index]
    told, reasons = _told(each.endpoints, cells, desk)
    rows = rows.assign(event=told, date=values.each(cells["ADT"], values.date)).loc[told.notna()]
    rows = rows.assign(censored=_censored(cells).reindex(rows.index) == 1)
    return _new_events(rows, known, desk), reasons


def _told(
    endpoints: Iterable[EndpointSource], cells: pd.DataFrame, desk: Desk
) -> tuple[pd.Series, pd.Series]:
    """The event that each row tells, and the reason where it tells none. CNSR 0 is the event."""
    censored = _censored(cells)
    described = values.each(cells["EVNTDESC"], values.word) if "EVNTDESC" in cells.columns else (
        pd.Series(None, index=cells.index, dtype=object))  # fmt: skip
    words = described.map(lambda text: "" if text is None else str(text).upper()).astype(object)
    told = pd.Series(None, index=cells.index, dtype=object)
    code = values.plain(cells["PARAMCD"])
    for end in endpoints:
        mine = code.isin(end.paramcd)
        event = words.map({text: _event_of(text, end) for text in set(words)}).astype(object)
        told = told.mask(mine & (censored == 0), event.where(event.notna(), None))
        if end.censored:
            told = told.mask(mine & (censored == 1), end.censored)
    contradicts = (censored == 0) & _contains_any(words, _SAYS_NO_EVENT)
    for row in cells.index[contradicts]:
        desk.problems.append(
            Problem(table="events", row=int(row), column="event", value=described[row], rule="ADAM-CNSR",
                    message="ADTTE: CNSR is 0, an event, and EVNTDESC says that there is none",
                    fix="CNSR is 0 for an event and above 0 for a censoring; correct one of them")
        )  # fmt: skip
    told = told.mask(contradicts, None)
    why = np.select(
        [censored.isna(), contradicts, censored == 1],
        ["CNSR is missing or no number", "CNSR and EVNTDESC contradict each other",
         "censored, which tells no event"],
        "an event that EVNTDESC does not name",
    )  # fmt: skip
    reasons = pd.Series(why, index=cells.index, dtype=object)[told.isna()]
    return told, reasons


def _event_of(text: str, end: EndpointSource) -> str | None:
    """The one event that EVNTDESC names; none where it names several."""
    named = {event for part, event in end.events.items() if part in text}
    return named.pop() if len(named) == 1 else None


def _censored(cells: pd.DataFrame) -> pd.Series:
    """1 for a censoring (CNSR above 0), 0 for an event, missing where CNSR is no number."""
    numbers = values.each(cells["CNSR"], values.as_number)
    return pd.to_numeric(numbers).where(lambda cnsr: cnsr >= 0).gt(0).astype(float).where(numbers.notna())


def _contains_any(words: pd.Series, parts: Iterable[str]) -> npt.NDArray[np.bool_]:
    hit = np.zeros(len(words), dtype=bool)
    for part in parts:
        hit |= words.str.contains(part, regex=False).to_numpy(dtype=bool)
    return hit


def _new_events(rows: pd.DataFrame, known: pd.DataFrame, desk: Desk) -> pd.DataFrame:
    """Events that ADSL does not tell; where it tells another date, ADSL counts and it is said."""
    added = []
    dates = known.groupby(["subject_id", "event"])["date"].first()
    dead = set(known.loc[known["event"] == "DEATH", "subject_id"])
    for row, one in rows.iterrows():
        key = (one["subject_id"], one["event"])
        if key in dates.index:
            if dates[key] != one["date"] and not one["censored"]:
                where, when = f"ADTTE, line {int(row) + 1}", dates[key]
                message = f"{where}: {one['event']} is dated otherwise than in ADSL ({when}); ADSL counts"
                desk.problems.append(
                    Problem(table="events", column="date", subject_id=str(one["subject_id"]),
                            severity="warning", value=one["date"], rule="ADAM-TTE-AND-ADSL", message=message,
                            fix="correct one of them")
                )  # fmt: skip
        elif not (one["censored"] and one["subject_id"] in dead):
            added.append({"subject_id": one["subject_id"], "event": one["event"], "date": one["date"]})
    found = pd.DataFrame(added, columns=list(EVENT_COLUMNS), dtype=object)
    return found.drop_duplicates(["subject_id", "event"])
