"""Results of an analysis as rows of ADaM: subjects, responders, kinetic parameters, times, doses.

Here: which field of which result becomes which variable. Not here: the tables of the study and the files
(`adam_writing`).
"""

import re
from typing import Any

import numpy as np
import pandas as pd

from cart7.cdisc.adam_people import People

ASSESSMENTS = (
    ("overall_response", "OVRLRESP", "Overall Response by Investigator"),
    ("bm_response", "BMRESP", "Bone Marrow Response"),
    ("mrd", "MRD", "MRD Status"),
    ("emd_response", "EMDRESP", "Extramedullary Response"),
)
"""Columns of `responses`, and the PARAMCD and PARAM of each."""

EVENTS = {
    "HSCT": ("HSCTDT", "HSCTDY", "HSCTDESC"),
    "SECOND_INFUSION": ("INF2DT", "INF2DY", "INF2DESC"),
    "NEW_THERAPY": ("NEWTXDT", "NEWTXDY", "NEWTXDSC"),
    "PROGRESSION": ("PDDT", "PDDY", "PDDESC"),
    "WITHDRAWAL": ("WDDT", "WDDY", "WDREAS"),
    "DEATH": ("DTHDT", "DTHADY", "DTHCAUS"),
    "LAST_CONTACT": ("LSTALVDT", "LSTALVDY", ""),
}
"""Date, study day and detail of each event in ADSL."""

_LONGEST = 8  # characters of PARAMCD
_DOSES = (
    ("viable_car_pos_1e6", "DOSETOT", "Total Viable CAR+ Cells (10^6)"),
    ("dose_1e6_kg", "DOSEKG", "Dose (10^6 CAR+ cells/kg)"),
    ("n_bags", "NBAGS", "Number of Bags Infused"),
    ("volume_ml", "VOLTOT", "Total Volume Infused (mL)"),
    ("viable_1e6", "CELLTOT", "Total Viable Cells (10^6)"),
    ("weight_kg", "WEIGHT", "Weight at Infusion (kg)"),
)


def of_subjects(analysis: Any, who: pd.Index) -> dict[str, pd.Series]:
    """Flags and results with one value for each subject."""
    found: dict[str, pd.Series] = {}
    if analysis.dlt is not None:
        judged = analysis.dlt.subjects.set_index("subject_id").reindex(who)
        yes = {1.0: "Y", 0.0: "N"}
        evaluable, dlt = judged["evaluable"], judged["dlt"].where(judged["evaluable"] == 1)
        reason = judged["reason"].fillna("").astype(object)
        found |= {
            "DLTEVLFL": evaluable.map(yes).fillna("N"),
            "DLTFL": dlt.map(yes).fillna(""),
            "DLTTERM": reason.where(dlt == 1, ""),
            "DLTNEREA": reason.where(evaluable == 0, ""),
        }
        onset = analysis.study.dlt
        if onset is not None and "dlt_onset_day" in onset.columns:
            day = onset.drop_duplicates("subject_id").set_index("subject_id")["dlt_onset_day"].astype(float)
            day = day.reindex(who)
            found["DLTDY"] = day + (day >= 0)
    if analysis.nca is not None:
        profiles = analysis.nca.subjects
        quantified = set(profiles.loc[profiles["n_quantifiable"] > 0, "subject_id"])
        found["PKFL"] = pd.Series(np.where(who.isin(list(quantified)), "Y", "N"), index=who)
    if analysis.best_response is not None:
        found["BOR"] = _by_subject(analysis.best_response.subjects, "best_response", who)
    if analysis.ada is not None:
        found["ADASTAT"] = _by_subject(analysis.ada.subjects, "classification", who)
    return found


def _by_subject(subjects: pd.DataFrame, column: str, who: pd.Index) -> pd.Series:
    found: pd.Series = subjects.set_index("subject_id")[column].reindex(who).fillna("").astype(object)
    return found


def of_events(analysis: Any, people: People) -> dict[str, pd.Series]:
    """The first event of each kind (of contacts the last) with date, study day and detail."""
    who = people.core.index
    events = analysis.study.events
    if events is None or "event" not in events.columns:
        return {}
    day = events["day"] if "day" in events.columns else None
    dates, partial = people.dates_that_count(events["subject_id"], events.get("date"), day)
    detail = events["detail"] if "detail" in events.columns else pd.Series(None, index=events.index)
    told = pd.DataFrame(
        {"who": events["subject_id"].astype(str), "event": events["event"], "date": dates, "partial": partial,
         "day": people.study_days(events["subject_id"], dates, day),
         "detail": detail.astype(object).where(detail.notna(), "")}
    )  # fmt: skip
    found: dict[str, pd.Series] = {}
    for event, (date, study_day, text) in EVENTS.items():
        mine = told[told["event"] == event].sort_values(["day", "date"], kind="stable")
        if not len(mine):
            continue
        one = mine.drop_duplicates("who", keep="last" if event == "LAST_CONTACT" else "first")
        one = one.set_index("who").reindex(who)
        found |= {date: one["date"], study_day: one["day"]}
        found[date.removesuffix("DT")[:5] + "DTC"] = one["partial"].fillna("")
        if text:
            found[text] = one["detail"].fillna("").astype(object)
        if event == "DEATH":
            found["DTHFL"] = pd.Series(np.where(who.isin(mine["who"]), "Y", ""), index=who)
    return found


def responders(analysis: Any, people: People) -> pd.DataFrame | None:
    """Best response, and the response at each visit under each strategy."""
    blocks = []
    if analysis.best_response is not None:
        best = analysis.best_response.subjects
        names = {"visit": "", "code": "BOR", "name": "Best Overall Response", "strategy": ""}
        block = _response_rows(best, best["best_response"], people, **names)
        blocks.append(block.assign(REASON=best["note"]))
    if analysis.response is not None:
        rows = analysis.response.subjects
        taken: set[str] = {"BOR"}
        for (visit, strategy), mine in rows.groupby(["visit", "strategy"], sort=False):
            code = _response_code(str(visit), str(strategy), taken)
            taken.add(code)
            flag = mine["responder"].map({1.0: "Y", 0.0: "N"}).fillna("")
            names = {"visit": str(visit), "code": code, "name": f"Responder at {visit}, {strategy}",
                     "strategy": str(strategy)}  # fmt: skip
            block = _response_rows(mine, flag, people, **names)
            blocks.append(block.assign(AVAL=mine["responder"].astype(float), REASON=mine["reason"]))
    return pd.concat(blocks, ignore_index=True) if blocks else None


def _response_rows(rows: pd.DataFrame, word: pd.Series, people: People, *, visit: str, code: str, name: str,
                   strategy: str) -> pd.DataFrame:  # fmt: skip
    dates, _ = people.dates_that_count(rows["subject_id"], None, rows["day"])
    return pd.DataFrame(
        {"SUBJID": rows["subject_id"].astype(str), "PARAMCD": code, "PARAM": name,
         "AVALC": word.fillna("").astype(object), "AVISIT": visit, "ADT": dates,
         "ADY": people.study_days(rows["subject_id"], dates, rows["day"]), "PARCAT1": "RESULT",
         "PARCAT2": strategy}
    )  # fmt: skip


def _response_code(visit: str, strategy: str, taken: set[str]) -> str:
    """RSPM3TP for M3 under treatment-policy: first letters of the strategy, a number where it is taken."""
    words = re.findall(r"[A-Z0-9]+", strategy.upper())
    letters = "".join(word[0] for word in words) if len(words) > 1 else "".join(words)
    code = base = ("RSP" + re.sub(r"[^A-Z0-9]", "", visit.upper()) + letters)[:_LONGEST]
    number = 2
    while code in taken:
        code = base[: _LONGEST - len(str(number))] + str(number)
        number += 1
    return code


def kinetic_parameters(analysis: Any, people: People) -> pd.DataFrame | None:
    """The parameters of every profile, as `to_pp` of the result gives them."""
    if analysis.nca is None or not len(analysis.nca.subjects):
        return None
    rows = analysis.nca.to_pp()
    named = {"PPCAT": "PARCAT1", "PPGRPID": "APERIODC", "PPTESTCD": "PARAMCD", "PPTEST": "PARAM",
             "PPSTRESN": "AVAL", "PPSTRESU": "AVALU"}  # fmt: skip
    kept = ["PPSEQ", "PPSTINT", "PPENINT", "PPANMETH", "PPREASND"]
    found = rows[[*named, *kept]].rename(columns=named).assign(SUBJID=rows["USUBJID"].astype(str))
    return found.astype({"PPSEQ": "float64"})


def times(analysis: Any, people: People) -> pd.DataFrame | None:
    """Times to event as `to_adtte` of the result gives them; AVAL counts the first day, as CDISC does."""
    if analysis.time_to_event is None or not len(analysis.time_to_event.subjects):
        return None
    rows = analysis.time_to_event.to_adtte()
    start, end = (pd.to_datetime(rows[name].where(rows[name] != "", None)) for name in ("STARTDT", "ADT"))
    start, end = start.astype("datetime64[s]"), end.astype("datetime64[s]")
    by_dates = (end - start) / pd.Timedelta(days=1) + 1
    counted = rows["AVAL"] + rows["PARCAT2"].map(lambda name: _first_day(analysis.plan, name)).astype(float)
    value = by_dates.where(rows["AVAL"].notna() & by_dates.notna(), counted)
    return rows.assign(AVAL=value, STARTDT=start, ADT=end)


def _first_day(plan: Any, strategy: str) -> float:
    """1 where the rules of a strategy do not count the first day already."""
    rules = plan.strategies.get(strategy, plan.survival)
    return 0.0 if rules.day_one else 1.0


def exposure(analysis: Any, people: People) -> pd.DataFrame | None:
    """The dose of each infusion, and the doses of lymphodepletion."""
    blocks = [*_infusions(analysis, people), *_lymphodepletion(analysis, people)]
    return pd.concat(blocks, ignore_index=True) if blocks else None


def _infusions(analysis: Any, people: People) -> list[pd.DataFrame]:
    bags = analysis.study.products
    if analysis.cell_dose is None or bags is None:
        return []
    doses = analysis.cell_dose.subjects
    number = (
        bags["infusion_no"].astype(float)
        if "infusion_no" in bags.columns
        else pd.Series(1.0, index=bags.index)
    )
    first = bags.assign(infusion_no=number).drop_duplicates(["subject_id", "infusion_no"])
    keys = [name for name in ("infusion_date", "day") if name in first.columns]
    dated = doses[["subject_id"]].assign(infusion_no=doses["infusion_no"].astype(float)).merge(
        first[["subject_id", "infusion_no", *keys]], how="left")  # fmt: skip
    dates, _ = people.dates_that_count(dated["subject_id"], dated.get("infusion_date"), dated.get("day"))
    days = people.study_days(dated["subject_id"], dates, dated.get("day"))
    common = pd.DataFrame({"SUBJID": dated["subject_id"].astype(str), "PARCAT1": "CAR-T INFUSION",
                           "EXSEQ": dated["infusion_no"], "ASTDT": dates, "ASTDY": days})  # fmt: skip
    blocks = []
    for column, code, name in _DOSES:
        value = doses[column].astype(float).reset_index(drop=True)
        blocks.append(common.assign(PARAMCD=code, PARAM=name, AVAL=value)[value.notna()])
    return blocks


def _lymphodepletion(analysis: Any, people: People) -> list[pd.DataFrame]:
    table = analysis.study.lymphodepletion
    if table is None or not len(table) or "agent" not in table.columns:
        return []
    day = table["day"] if "day" in table.columns else None
    dates, _ = people.dates_that_count(table["subject_id"], table.get("date"), day)
    agent = table["agent"].fillna("").astype(object)
    none = pd.Series(np.nan, index=table.index)
    return [
        pd.DataFrame(
            {"SUBJID": table["subject_id"].astype(str), "PARCAT1": "LYMPHODEPLETION", "PARAMCD": "LDDOSE",
             "PARAM": agent.str.capitalize() + " Dose (mg/m2)", "EXTRT": agent,
             "AVAL": table.get("dose_mg_m2", none).astype(float),
             "EXDOSE": table.get("dose_mg", none).astype(float), "ASTDT": dates,
             "ASTDY": people.study_days(table["subject_id"], dates, day)}
        )
    ]  # fmt: skip
