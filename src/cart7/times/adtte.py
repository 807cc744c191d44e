"""Times to event in the shape of the CDISC ADaM dataset ADTTE: one row per subject and parameter.

Here: parameter codes and words, CNSR (the only place where event and censoring change sides), dates
from days, descriptions, the source of each date. Not here: the times (`survival`), the source rows
(`sources`), files (`files`).
"""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7.stats import event_times
from cart7.stats.survival_curves import Floats

ADTTE_COLUMNS = (
    "STUDYID", "USUBJID", "SUBJID", "PARAMCD", "PARAM", "PARCAT1", "PARCAT2", "AVAL", "AVALU", "CNSR",
    "STARTDT", "ADT", "ADY", "EVNTDESC", "CNSDTDSC", "SRCDOM", "SRCVAR", "SRCSEQ", "ANL01FL", "REASON",
    "NOTE",
)  # fmt: skip
NUMBERS = ("AVAL", "CNSR", "ADY", "SRCSEQ")
PARAM = {
    "OS": "Overall Survival",
    "PFS": "Progression-Free Survival",
    "DOR": "Duration of Response",
    "EFS": "Event-Free Survival",
}
ENDS = {
    "DEATH": "DEATH",
    "PROGRESSION": "PROGRESSION OR RELAPSE",
    "TREATMENT_FAILURE": "TREATMENT FAILURE: NO REMISSION BY THE PLANNED DAY",
    "LAST_ADEQUATE_ASSESSMENT": "NO EVENT UP TO THE LAST EVALUABLE ASSESSMENT",
    "ALIVE_LAST_CONTACT": "ALIVE AT LAST CONTACT",
    "DATA_CUTOFF": "ALIVE AT THE DATA CUT-OFF",
    "NO_POSTBASELINE_ASSESSMENT": "NO EVALUABLE ASSESSMENT AFTER INFUSION",
    "MISSED_ASSESSMENTS": "EVENT AFTER MISSED ASSESSMENTS",
    "NEW_THERAPY": "NEW ANTICANCER THERAPY BEFORE AN EVENT",
    "HSCT": "TRANSPLANT (HSCT) BEFORE AN EVENT",
    "SECOND_INFUSION": "SECOND INFUSION BEFORE AN EVENT",
}
"""EVNTDESC of each reason."""

CNSR = {
    "LAST_ADEQUATE_ASSESSMENT": 1,
    "ALIVE_LAST_CONTACT": 2,
    "DATA_CUTOFF": 3,
    "NO_POSTBASELINE_ASSESSMENT": 4,
    "MISSED_ASSESSMENTS": 5,
    "NEW_THERAPY": 6,
    "HSCT": 7,
    "SECOND_INFUSION": 8,
}
"""CNSR of a censoring by its reason; an event is 0."""

COMPETING = 9  # CNSR of an end by a competing event, and its EVNTDESC
COMPETING_END = "TRANSPLANT (HSCT) AS A COMPETING EVENT"

_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,7}")
_LONGEST = 8  # characters of PARAMCD


def adtte_rows(
    subjects: pd.DataFrame,
    sources: pd.DataFrame,
    *,
    study_id: str = "",
    parameters: Mapping[str, tuple[str, str]] | None = None,
) -> pd.DataFrame:
    """Times to event as rows of ADTTE.

    Parameters
    ----------
    subjects, sources : DataFrame
        The tables of `survival.time_to_event` or `survival.endpoint_table`, row by row.
    study_id : str
        STUDYID, and the first part of USUBJID; without it USUBJID is the `subject_id`.
    parameters : mapping, optional
        (PARAMCD, PARAM) by endpoint (`PFS`) or by endpoint and strategy (`PFS:censor`). Usual are the
        endpoint and the first letters of the strategy: `PFSTP` for `treatment-policy`; the strategy
        `plan` adds none.

    Returns
    -------
    DataFrame
        One row per subject and parameter, by USUBJID and then in the order of the parameters. Text is
        blank where it does not apply. AVAL is the time in days of `subjects`: ADT - STARTDT, plus 1 when
        the rules count the first day (`day_one`), as CDISC does. CNSR is 0 for an event, else the number
        of its reason in `CNSR`, 9 for a competing event. STARTDT and ADT are ISO 8601 text, ADY has no
        day 0. SRCDOM, SRCVAR and SRCSEQ are the table, column and row (1-based) that say ADT. Everybody
        has a row: without a time AVAL is missing, ANL01FL blank, and NOTE says why.

    Raises
    ------
    ValueError
        For parameters that name no row, a PARAMCD that is not 1 to 8 capitals or digits, or one that
        stands for two parameters.

    References
    ----------
    CDISC ADaM Basic Data Structure for Time-to-Event Analyses 1.0.

    Examples
    --------
    >>> from cart7 import survival
    >>> people = pd.DataFrame({"subject_id": ["1", "2"], "infusion_date": ["2024-02-01", "2024-02-10"]})
    >>> events = pd.DataFrame(
    ...     {"subject_id": ["1", "2"], "event": ["DEATH", "LAST_CONTACT"], "day": [28, 300]})
    >>> rows = survival.time_to_event(people, events).to_adtte(study_id="CD7")
    >>> rows[["USUBJID", "PARAMCD", "AVAL", "CNSR", "ADT"]].values.tolist()
    [['CD7-1', 'OS', 28.0, 0.0, '2024-02-29'], ['CD7-2', 'OS', 300.0, 2.0, '2024-12-06']]
    """
    none = pd.Series("", index=subjects.index, dtype=object)
    strategy = subjects["strategy"] if "strategy" in subjects.columns else none
    which = list(zip(subjects["endpoint"], strategy, strict=True))
    pairs = list(dict.fromkeys(which))
    codes = _parameters(pairs, parameters or {})
    who, reason = subjects["subject_id"].astype(object), subjects["reason"].to_numpy(dtype=object)
    timed, censored = subjects["time"].notna().to_numpy(), _censored(subjects)
    start, end = (_dates(sources["infusion_date"], subjects[name]) for name in ("start_day", "end_day"))
    rows = pd.DataFrame(
        {
            "STUDYID": study_id,
            "USUBJID": f"{study_id}-" + who if study_id else who,
            "SUBJID": who,
            "PARAMCD": [codes[pair][0] for pair in which],
            "PARAM": [codes[pair][1] for pair in which],
            "PARCAT1": subjects["endpoint"],
            "PARCAT2": strategy,
            "AVAL": subjects["time"],
            "AVALU": np.where(timed, "DAYS", ""),
            "CNSR": censored,
            "STARTDT": start,
            "ADT": end,
            "ADY": _study_day(subjects["end_day"].to_numpy(dtype=float)),
            "EVNTDESC": np.where(
                censored == COMPETING, COMPETING_END, subjects["reason"].map(ENDS).fillna("")
            ),
            "CNSDTDSC": _dated_by(sources, reason, censored),
            "SRCDOM": sources["source_table"],
            "SRCVAR": sources["source_variable"],
            "SRCSEQ": sources["source_row"],
            "ANL01FL": np.where(timed, "Y", ""),
            "REASON": reason,
            "NOTE": _notes(subjects, sources, timed & (end == "")),
            "place": [pairs.index(pair) for pair in which],
        }
    ).sort_values(["USUBJID", "place"], kind="stable", ignore_index=True)
    return rows[list(ADTTE_COLUMNS)].astype(
        {name: "float64" if name in NUMBERS else object for name in ADTTE_COLUMNS}
    )


def _censored(subjects: pd.DataFrame) -> Floats:
    """CNSR: 0 for an event, the number of the reason for a censoring, missing without a time."""
    cause = subjects["cause"].to_numpy(dtype=float)
    by_reason = subjects["reason"].map(CNSR).to_numpy(dtype=float)
    none = [cause == event_times.EVENT, cause == event_times.COMPETING, cause == event_times.CENSORED]
    return np.select(none, [np.zeros(cause.size), np.full(cause.size, float(COMPETING)), by_reason], np.nan)


def _dates(infusion: pd.Series, day: pd.Series) -> NDArray[np.object_]:
    """ISO 8601 dates of days since infusion; blank where either is unknown."""
    zero = pd.to_datetime(infusion.where(infusion != "", None), format="%Y-%m-%d")
    dates = zero.reset_index(drop=True) + pd.to_timedelta(np.floor(day.to_numpy(dtype=float)), unit="D")
    text = dates.dt.strftime("%Y-%m-%d").astype(object)
    return np.asarray(text.where(dates.notna(), ""), dtype=object)


def _study_day(day: Floats) -> Floats:
    """Days since infusion as CDISC counts: the infusion day is 1, the day before it -1."""
    whole = np.floor(day)
    return whole + (whole >= 0)


def _dated_by(sources: pd.DataFrame, reason: NDArray[np.object_], censored: Floats) -> NDArray[np.str_]:
    """CNSDTDSC: what happened on the date of a censoring."""
    table, column = sources["source_table"].to_numpy(), sources["source_variable"].to_numpy()
    return np.select(
        [
            ~(censored > 0),
            column == "data_cutoff",
            (reason == "ALIVE_LAST_CONTACT") & (table != "subjects"),
            table == "responses",
            table == "events",
        ],
        ["", "DATA CUT-OFF", "LAST DATE KNOWN ALIVE", "LAST EVALUABLE ASSESSMENT", "TRANSPLANT (HSCT)"],
        "FIRST INFUSION",
    )


def _notes(subjects: pd.DataFrame, sources: pd.DataFrame, undated: NDArray[np.bool_]) -> list[str]:
    """Why a time is missing, why it has no dates, why it has no source."""
    parts = zip(
        subjects["note"], np.where(undated, "no infusion date, so no dates", ""), sources["note"], strict=True
    )
    return ["; ".join(filter(None, part)) for part in parts]


def _parameters(
    pairs: list[tuple[str, str]], given: Mapping[str, tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, str]]:
    """(PARAMCD, PARAM) of each endpoint and strategy, all different."""
    names = {pair: ":".join(filter(None, pair)) for pair in pairs}
    unknown = [name for name in given if name not in names.values()]
    if unknown:
        raise ValueError(f"parameters must name {', '.join(names.values())}, got {', '.join(unknown)}")
    found: dict[tuple[str, str], tuple[str, str]] = {}
    taken = {code for code, _ in given.values()}
    for pair, name in names.items():
        found[pair] = given[name] if name in given else _usual(*pair, taken)
        taken.add(found[pair][0])
    codes = [code for code, _ in found.values()]
    wrong = [code for code in codes if not _CODE.fullmatch(code)]
    if wrong or len(set(codes)) < len(codes):
        raise ValueError(
            "parameters need different PARAMCD of 1 to 8 capitals or digits, a letter first, "
            f"got {', '.join(codes)}"
        )
    return found


def _usual(endpoint: str, strategy: str, taken: set[str]) -> tuple[str, str]:
    """Code and words of an endpoint under a strategy; a code that is taken gets a number."""
    words = re.findall(r"[A-Z0-9]+", strategy.upper())
    letters = "".join(word[:4] if len(words) == 1 else word[0] for word in words)
    named = strategy not in ("", "plan")
    code = base = (endpoint + letters * named)[:_LONGEST]
    number = 2
    while code in taken:
        code = base[: _LONGEST - len(str(number))] + str(number)
        number += 1
    told = ", " + re.sub(r"[-_]+", " ", strategy) if named else ""
    return code, f"{PARAM[endpoint]}{told} (days)"
