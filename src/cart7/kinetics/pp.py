"""Kinetic results as CDISC SDTM rows: pharmacokinetic parameters (PP) and their supplement (SUPPPP).

Here: the CDISC name of each parameter, units, methods and durations as CDISC writes them, one row per
profile and parameter, and what of a window has no PP variable. Not here: the codes, units and reasons
themselves (`rows`), the parameters (stats.exposure), files (`files`).
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

import pandas as pd

from cart7.kinetics.profiles import KEYS, text_column
from cart7.kinetics.rows import PPTESTCD, WINDOW, in_assay_unit, unit_of, why_missing
from cart7.stats.nca_choices import Choices

PP_COLUMNS = (
    "STUDYID", "DOMAIN", "USUBJID", "PPSEQ", "PPGRPID", "PPTESTCD", "PPTEST", "PPCAT", "PPORRES", "PPORRESU",
    "PPSTRESC", "PPSTRESN", "PPSTRESU", "PPSTAT", "PPREASND", "PPSPEC", "PPANMETH", "PPRFTDTC", "PPSTINT",
    "PPENINT",
)  # fmt: skip
SUPPLEMENT_COLUMNS = (
    "STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "QNAM", "QLABEL", "QVAL", "QORIG", "QEVAL",
)  # fmt: skip
PPTEST = {
    "NSAMP": "Number of Samples", "NQUANT": "Number of Quantifiable Samples", "CMAX": "Max Conc",
    "TMAX": "Time of CMAX", "TFIRST": "Time of First Nonzero Conc", "TLAG": "Time Until First Nonzero Conc",
    "CLST": "Last Nonzero Conc", "TLST": "Time of Last Nonzero Conc", "AUCLST": "AUC to Last Nonzero Conc",
    "AUCALL": "AUC All", "AUCIFO": "AUC Infinity Obs", "AUCIFP": "AUC Infinity Pred",
    "AUCPEO": "AUC %Extrapolation Obs", "AUCPEP": "AUC %Extrapolation Pred",
    "AUMCLST": "AUMC to Last Nonzero Conc", "AUMCIFO": "AUMC Infinity Obs", "AUMCIFP": "AUMC Infinity Pred",
    "MRTLST": "MRT to Last Nonzero Conc", "MRTIFO": "MRT Infinity Obs", "MRTIFP": "MRT Infinity Pred",
    "LAMZ": "Lambda z", "LAMZHL": "Half-Life Lambda z", "R2": "R Squared", "R2ADJ": "R Squared Adjusted",
    "LAMZNPT": "Number of Points for Lambda z", "LAMZLL": "Lambda z Lower Limit",
    "LAMZUL": "Lambda z Upper Limit", "CLSTP": "Last Nonzero Conc Pred", "LAMZSPN": "Lambda z Span",
    "EXPNPT": "Number of Points for Expansion Rate", "EXPRATE": "Expansion Rate",
    "EXPR2": "R Squared of Expansion Rate", "DBLTIME": "Doubling Time", "EXPRATMX": "Max Expansion Rate",
    "FOLDEXP": "Fold Expansion", "CONTNPT": "Number of Points for Contraction",
    "CONTHL": "Half-Life Contraction", "PERSLO": "Persistence Lower Limit",
    "PERSHI": "Persistence Upper Limit", "TBLQ1": "Time of First BLQ After CMAX",
    "TLOSS2": "Time of Confirmed Loss", "TOBSLST": "Time of Last Sample", "AUCINT": "AUC from T1 to T2",
    "AUCINTPB": "AUC from T1 to T2 %Beyond TLST",
}  # fmt: skip

# The terms of codelist PKPARMCD among the codes. Mean residence times are in it by route of administration
# only (MRTIC*, MRTIB*, MRTEV*), so the plain ones are the sponsor's.
PP_CONTROLLED = frozenset({
    "CMAX", "TMAX", "TLAG", "CLST", "TLST", "AUCLST", "AUCALL", "AUCIFO", "AUCIFP", "AUCPEO", "AUCPEP",
    "AUMCLST", "AUMCIFO", "AUMCIFP", "LAMZ", "LAMZHL", "R2", "R2ADJ", "LAMZNPT", "LAMZLL", "LAMZUL",
    "LAMZSPN", "AUCINT",
})  # fmt: skip

# Terms of codelist PKANMET.
_AREA_METHODS = {
    "lin-up-log-down": "LINEAR UP LOG DOWN METHOD",
    "linear": "LINEAR TRAPEZOIDAL METHOD",
    "lin-log": "LIN-LOG TRAPEZOIDAL METHOD",
}
_ON_THE_SLOPE = (
    "lambda_z", "half_life", "r_squared", "adj_r_squared", "lambda_z_n", "lambda_z_start", "lambda_z_end",
    "clast_pred", "span_ratio",
)  # fmt: skip
_QUALIFIERS = {
    "SPONSORC": "Sponsor-Defined Parameter Code",
    "AUCWSTAT": "Status of the AUC Window",
    "AUCWPB": "Percent of the AUC Beyond Tlast",
    "AUCWSTRT": "Start Rule of the AUC",
    "PKNOTE": "Notes on the Profile",
}
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?)?")
_SECONDS_A_DAY = 86400


class Rules(Protocol):
    """The rules of `pk.nca`, of which the methods are told."""

    def choices(self) -> Choices:
        """The rules as the array kernel takes them."""


def pp_rows(
    subjects: pd.DataFrame,
    windows: pd.DataFrame,
    *,
    rules: Rules,
    study_id: str = "",
    specimen: str = "",
    reference: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Kinetic parameters as rows of SDTM domain PP.

    Parameters
    ----------
    subjects, windows : DataFrame
        The tables of `pk.nca`: one row per profile; one per profile and window (days).
    rules : NcaRules
        The rules behind them.
    study_id : str
        STUDYID, and the first part of USUBJID; without it USUBJID is the `subject_id`.
    specimen : str
        PPSPEC of every row, for example `BLOOD`.
    reference : mapping of subject_id to ISO 8601 date, optional
        PPRFTDTC: the first infusion, from which days count; blank for a subject without one.

    Returns
    -------
    DataFrame
        One row per profile and parameter, one per window for the areas of windows, by USUBJID, PPCAT (the
        assay), PPGRPID (the infusion) and the order of `pk.PPTESTCD`. Text is blank where it does not
        apply. PPORRES has every digit: `float(PPORRES)` is the number of `subjects` to the last bit.

    Raises
    ------
    ValueError
        For a profile without `subject_id`, or a reference that is not an ISO 8601 date.

    Notes
    -----
    A parameter that is missing is NOT DONE, with its reason and without unit and method. Names are those of
    codelist PKPARM; codes outside `PP_CONTROLLED` are the sponsor's (the supplement marks them). PPSTINT and
    PPENINT are durations from the first infusion on (`iso_duration`), as planned.

    References
    ----------
    CDISC SDTM Implementation Guide 3.4, domain PP.

    Examples
    --------
    >>> from cart7 import pk
    >>> samples = pd.DataFrame({"subject_id": "001", "day": [0, 3, 7, 10, 14, 21, 28], "lloq": 50.0,
    ...                         "value": [0, 100, 5000, 3000, 1500, 700, 0], "unit": "copies/ug"})
    >>> found = pk.nca(samples)
    >>> rows = pp_rows(found.subjects, found.windows, rules=found.rules, study_id="CD7")
    >>> rows.loc[rows["PPTESTCD"] == "AUCINT", ["USUBJID", "PPORRESU", "PPSTINT", "PPENINT"]].values.tolist()
    [['CD7-001', 'day*copies/ug', 'P0D', 'P28D']]
    """
    dates = {str(subject): date for subject, date in (reference or {}).items() if not pd.isna(date)}
    wrong = [date for date in dates.values() if not (isinstance(date, str) and _ISO_DATE.fullmatch(date))]
    if wrong:
        raise ValueError(f"reference needs ISO 8601 dates such as 2024-03-01, got {wrong[0]!r}")
    rows = _parameters(subjects, windows, rules.choices(), study_id)
    rows["PPSPEC"] = specimen
    rows["PPRFTDTC"] = [dates.get(subject, "") for subject in rows["subject_id"]]
    numbers = {"PPSEQ": "int64", "PPSTRESN": "float64"}
    return rows[list(PP_COLUMNS)].astype({name: numbers.get(name, object) for name in PP_COLUMNS})


def pp_supplement(
    subjects: pd.DataFrame, windows: pd.DataFrame, *, rules: Rules, study_id: str = ""
) -> pd.DataFrame:
    """What has no variable in PP, as rows of its supplement SUPPPP.

    Parameters
    ----------
    subjects, windows, rules, study_id
        As for `pp_rows`, whose PPSEQ stands in IDVARVAL.

    Returns
    -------
    DataFrame
        QNAM `SPONSORC` = Y for each code that is not CDISC's; for each area of a window `AUCWSTAT` (how its
        end was reached), `AUCWPB` (% beyond the last quantifiable sample), `AUCWSTRT` (what stands on day
        0) and `PKNOTE` (the words of the profile). A qualifier with nothing to say has no row.

    Raises
    ------
    ValueError
        For a profile without `subject_id`.

    Examples
    --------
    >>> from cart7 import pk
    >>> samples = pd.DataFrame({"subject_id": "001", "day": [0, 10, 28], "value": [0.0, 400.0, 100.0]})
    >>> found = pk.nca(samples)
    >>> told = pp_supplement(found.subjects, found.windows, rules=found.rules)
    >>> told.loc[told["QNAM"] == "AUCWSTAT", "QVAL"].tolist()
    ['OBSERVED']
    """
    rows = _parameters(subjects, windows, rules.choices(), study_id)
    rows["SPONSORC"] = rows["PPTESTCD"].isin(PP_CONTROLLED).map({True: "", False: "Y"})
    record = ["STUDYID", "USUBJID", "PPSEQ"]
    told = rows.melt(record, list(_QUALIFIERS), var_name="QNAM", value_name="QVAL")
    told = told[told["QVAL"] != ""].sort_values(["USUBJID", "PPSEQ"], kind="stable", ignore_index=True)
    told = told.assign(
        RDOMAIN="PP", IDVAR="PPSEQ", IDVARVAL=told["PPSEQ"].map(str), QLABEL=told["QNAM"].map(_QUALIFIERS),
        QORIG="DERIVED", QEVAL="",
    )  # fmt: skip
    return told[list(SUPPLEMENT_COLUMNS)].astype(object)


def iso_duration(days: float) -> str:
    """Days as an ISO 8601 duration that gives the very same days back.

    Parameters
    ----------
    days : float
        Days, 0 or more.

    Returns
    -------
    str
        Days, hours, minutes and seconds: whole seconds where these are the number of days to the last bit,
        else the decimal seconds of its shortest decimal.

    Examples
    --------
    >>> iso_duration(28.0), iso_duration(0.5), iso_duration(1 / 3), iso_duration(1.00001)
    ('P28D', 'PT12H', 'PT8H', 'P1DT0.864S')
    """
    if float(days).is_integer():
        return f"P{int(days)}D"
    left = Decimal(repr(float(days))) * _SECONDS_A_DAY
    if round(left) / _SECONDS_A_DAY == days:
        left = Decimal(round(left))
    whole, left = divmod(left, _SECONDS_A_DAY)
    hours, left = divmod(left, 3600)
    minutes, seconds = divmod(left, 60)
    time = ((hours, "H"), (minutes, "M"), (seconds, "S"))
    date = f"{whole:f}D" if whole else ""
    return f"P{date}T" + "".join(f"{count.normalize():f}{mark}" for count, mark in time if count)


def _parameters(
    subjects: pd.DataFrame, windows: pd.DataFrame, choices: Choices, study_id: str
) -> pd.DataFrame:
    """The rows of PP, numbered, with the qualifiers of each beside it."""
    if not len(subjects):
        return pd.DataFrame(columns=[*PP_COLUMNS, *_QUALIFIERS, "subject_id"])
    profiles = _named(subjects, study_id)
    per_window = _by_window(profiles, windows)
    blocks = [
        _one_parameter(per_window if param in WINDOW else profiles, param, choices).assign(place=place)
        for place, param in enumerate(PPTESTCD)
    ]
    rows = pd.concat(blocks, ignore_index=True).sort_values(
        ["USUBJID", "PPCAT", "PPGRPID", "place", "start", "end"], kind="stable", ignore_index=True
    )
    return rows.assign(STUDYID=study_id, DOMAIN="PP", PPSEQ=rows.groupby("USUBJID").cumcount() + 1)


def _named(subjects: pd.DataFrame, study_id: str) -> pd.DataFrame:
    """Profiles with the identifiers of SDTM."""
    who = text_column(subjects, "subject_id")
    if (who == "").any():
        raise ValueError("rows of PP need a subject_id in every profile")
    infusion = text_column(subjects, "infusion_no")
    return subjects.assign(
        USUBJID=f"{study_id}-" + who if study_id else who,
        PPCAT=text_column(subjects, "assay"),
        PPGRPID=infusion.map(lambda number: "" if number == "" else f"INFUSION {number:.15g}"),
        PPSTINT="", PPENINT="", start=0.0, end=0.0,
    )  # fmt: skip


def _by_window(profiles: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """A row per profile and window: the profile, with this window as its window."""
    keys = [name for name in KEYS if name in windows.columns]
    columns = dict(zip(("value", "status", "percent_beyond_tlast", "start_rule"), WINDOW, strict=True))
    areas = windows[[*keys, "start", "end", *columns]].rename(columns=columns)
    areas["PPSTINT"] = areas["start"].map(iso_duration)
    areas["PPENINT"] = areas["end"].map(iso_duration)
    return profiles.drop(columns=areas.columns.difference(keys)).merge(areas, on=keys)


def _one_parameter(profiles: pd.DataFrame, param: str, choices: Choices) -> pd.DataFrame:
    """The rows of one parameter: a result with its unit and method, or the reason why there is none."""
    number = profiles[param].astype("float64")
    done, text, code = number.notna(), number.map(_shortest), PPTESTCD[param]
    unit = _cdisc_unit(param, profiles).where(done, "")
    identifiers = ["subject_id", "USUBJID", "PPCAT", "PPGRPID", "PPSTINT", "PPENINT", "start", "end"]
    rows = profiles[identifiers].assign(
        PPTESTCD=code, PPTEST=PPTEST[code], PPORRES=text, PPORRESU=unit, PPSTRESC=text, PPSTRESN=number,
        PPSTRESU=unit, PPSTAT=done.map({True: "", False: "NOT DONE"}),
        PPREASND=why_missing(param, profiles).mask(done, ""),
        PPANMETH=done.map({True: _method(param, choices), False: ""}),
        AUCWSTAT="", AUCWPB="", AUCWSTRT="", PKNOTE="",
    )  # fmt: skip
    if param == "auc_window":
        _, status, beyond, start_rule = WINDOW
        rows["AUCWSTAT"], rows["AUCWSTRT"] = profiles[status], profiles[start_rule]
        rows["AUCWPB"], rows["PKNOTE"] = profiles[beyond].map(_shortest), profiles["note"]
    return rows


def _shortest(number: float) -> str:
    """The shortest decimal that is this number, blank where it is missing."""
    return "" if pd.isna(number) else repr(float(number)).removesuffix(".0")


def _cdisc_unit(param: str, profiles: pd.DataFrame) -> pd.Series:
    """Unit of a parameter as CDISC writes it, blank where it has none or the assay states none."""
    unit = pd.Series(unit_of(param, profiles["unit"]), index=profiles.index, dtype=object)
    if in_assay_unit(param):
        unit = unit.mask(profiles["unit"] == "", "")
    return unit.replace({"days": "DAYS", "1": ""}).str.replace(r"^day\^2", "day2", regex=True)


def _method(param: str, choices: Choices) -> str:
    """How a parameter was obtained: the areas and the terminal slope."""
    area = _AREA_METHODS[choices.auc_method]
    if param in WINDOW:
        return f"{area}, TAIL {choices.tail.upper()}"
    if param.startswith(("auc", "aumc", "mrt")):
        return area
    return _slope_method(choices) if param in _ON_THE_SLOPE else ""


def _slope_method(choices: Choices) -> str:
    if choices.lambda_z_points is not None:
        days = ", ".join(f"{day:.15g}" for day in choices.lambda_z_points)
        return f"LOG-LINEAR REGRESSION, SAMPLES OF DAYS {days}"
    if choices.lambda_z_window is not None:
        start, end = choices.lambda_z_window
        return f"LOG-LINEAR REGRESSION, SAMPLES OF DAYS {start:.15g} TO {end:.15g}"
    slopes = "FALLING SLOPES" if choices.lambda_z_slope_rule == "negative-only" else "ALL SLOPES"
    tmax = "INCLUDED" if choices.lambda_z_include_tmax else "EXCLUDED"
    return (
        f"LOG-LINEAR REGRESSION, BEST ADJUSTED R SQUARED OF {slopes}, "
        f"AT LEAST {choices.lambda_z_min_points} POINTS, TMAX {tmax}"
    )
