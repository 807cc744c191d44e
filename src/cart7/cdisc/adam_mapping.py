"""Which variable of an ADaM data set becomes which column of a table: the mapping, as data.

Here: the records of a mapping, the usual mapping of each data set with its code lists. Not here: a mapping
of one's own (`adam_own`), the cells (`adam_values`), the rows (`adam_records`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

How = Literal["word", "number", "date", "study day", "elapsed", "flag", "below the limit", "in brackets"]
Codes = Mapping[str, str]


def codes(more: Mapping[str, str] | None = None, **lists: str) -> Codes:
    """Code list from the words of each term, between bars: `codes(Y="YES|1")`; `more` by word."""
    return MappingProxyType(
        {word: term for term, words in lists.items() for word in words.split("|")} | dict(more or {})
    )


def _no_codes() -> Codes:
    return codes()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSource:
    """One column of a table, and the variables that it is read from.

    Parameters
    ----------
    column : str
        Column of the table.
    variables : tuple of str
        The first that is not blank counts, row by row.
    how : str
        `word`, `number`, `date` (ISO text, a SAS date or datetime; else the partial date of its xxxDTC),
        `study day` (CDISC's, without a day 0),
        `elapsed` (time since the first infusion, in the unit of FRLTU or of the label), `flag` (Y, else N),
        `below the limit` (words such as `<LLOQ`, or a flag), `in brackets` (the unit in PARAM).
    codes : mapping
        Word of the data set (case, blanks, `_` and `-` do not matter) and word of the table; to "" = blank.
    others : {"keep", "blank"}
        What becomes of a word that is not in `codes`.
    """

    column: str
    variables: tuple[str, ...]
    how: How = "word"
    codes: Codes = field(default_factory=_no_codes)
    others: Literal["keep", "blank"] = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One column that holds the result of the records of some PARAMCD.

    Parameters
    ----------
    column : str
        Column of the table.
    paramcd : tuple of str
        Codes; `BAB*` stands for all that begin so.
    variable : {"AVALC", "AVAL"}
        Where the result stands.
    codes : mapping
        As in `ColumnSource`.
    """

    column: str
    paramcd: tuple[str, ...]
    variable: Literal["AVALC", "AVAL"] = "AVALC"
    codes: Codes = field(default_factory=_no_codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """One kind of event, and the variables of ADSL that tell its date, its CDISC study day and its detail."""

    event: str
    date: tuple[str, ...]
    study_day: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSource:
    """What a row of ADTTE says: the event by the words of EVNTDESC, and what a censoring stands for.

    Parameters
    ----------
    paramcd : tuple of str
        Codes of the endpoint.
    events : mapping
        Part of EVNTDESC and the event it means; the part "" is any description.
    censored : str
        Event that a censoring tells; "" = none.
    """

    paramcd: tuple[str, ...]
    events: Codes
    censored: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSetMapping:
    """One data set as the source of one table.

    Parameters
    ----------
    data_set, table : str
        `ADAE`, `adverse_events`.
    file : str
        Stem of the file's name, whatever its case.
    columns : tuple of ColumnSource
        One value for each record.
    paramcd : tuple of str
        PARAMCD of the records that are read; empty = those of any other code.
    parameters : tuple of Parameter
        Columns by PARAMCD: records of one subject, date and visit become one row of the table.
    events, endpoints : tuple
        Only ADSL and ADTTE: the events they tell.
    not_records : mapping
        PARAMCD that are no record of this table, and why.
    """

    data_set: str
    table: str
    file: str
    columns: tuple[ColumnSource, ...] = ()
    paramcd: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    events: tuple[EventSource, ...] = ()
    endpoints: tuple[EndpointSource, ...] = ()
    not_records: Codes = field(default_factory=_no_codes)


def _words(**variables: str) -> tuple[ColumnSource, ...]:
    return _all("word", variables)


def _numbers(**variables: str) -> tuple[ColumnSource, ...]:
    return _all("number", variables)


def _dates(**variables: str) -> tuple[ColumnSource, ...]:
    return _all("date", variables)


def _all(how: How, variables: Mapping[str, str]) -> tuple[ColumnSource, ...]:
    return tuple(ColumnSource(column=name, variables=tuple(words.split()), how=how)
                 for name, words in variables.items())  # fmt: skip


def _coded(column: str, variables: str, terms: Codes, **more: str) -> ColumnSource:
    others: Literal["keep", "blank"] = "blank" if more.get("others") == "blank" else "keep"
    return ColumnSource(column=column, variables=tuple(variables.split()), codes=terms, others=others)


def _flag(column: str, variables: str) -> ColumnSource:
    return ColumnSource(column=column, variables=tuple(variables.split()), how="flag")


def _study_day(column: str, variables: str) -> ColumnSource:
    return ColumnSource(column=column, variables=tuple(variables.split()), how="study day")


def _elapsed(column: str, variables: str) -> ColumnSource:
    return ColumnSource(column=column, variables=tuple(variables.split()), how="elapsed")


SEX = codes({"U": "", "UNDIFFERENTIATED": "", "UNKNOWN": ""}, M="MALE", F="FEMALE")
# REMOTE is not none: like a blank relationship, it counts as related where nobody says otherwise.
_UNRELATED = ("NOT RELATED", "N", "NO", "NONE", "UNLIKELY", "UNRELATED", "UNLIKELY RELATED")
_RELATED = ("RELATED", "Y", "YES", "PROBABLE", "POSSIBLE", "REMOTE", "DEFINITE", "CERTAIN",
            "PROBABLY RELATED", "POSSIBLY RELATED", "DEFINITELY RELATED")  # fmt: skip
_NOT_TOLD = {"UNKNOWN": "", "NOT APPLICABLE": ""}
RELATED = codes(dict.fromkeys(_UNRELATED, "NOT RELATED") | dict.fromkeys(_RELATED, "RELATED") | _NOT_TOLD)
RELATED_FLAG = codes(dict.fromkeys(_UNRELATED, "N") | dict.fromkeys(_RELATED, "Y") | _NOT_TOLD)
OUTCOME = codes(
    {"NOT RECOVERED/NOT RESOLVED": "NOT RECOVERED", "NOT RESOLVED": "NOT RECOVERED",
     "RECOVERING/RESOLVING": "NOT RECOVERED", "UNKNOWN": ""},
    RECOVERED="RECOVERED/RESOLVED|RESOLVED|RECOVERED/RESOLVED WITH SEQUELAE", FATAL="DEATH",
)  # fmt: skip
ENDED = codes({"U": "", "UNKNOWN": ""}, Y="AFTER|DURING/AFTER|ONGOING", N="BEFORE|DURING|COINCIDENT")
AESI = codes(
    {"IMMUNE EFFECTOR CELL-ASSOCIATED NEUROTOXICITY SYNDROME": "ICANS", "IEC-HS": "IEC-HS"},
    CRS="CRS|CYTOKINE RELEASE SYNDROME", ICANS="ICANS",
    HLH="HLH|HLH/MAS|HEMOPHAGOCYTIC LYMPHOHISTIOCYTOSIS", INFECTION="INFECTION|INFECTIONS",
    CYTOPENIA="CYTOPENIA|CYTOPENIAS|PROLONGED CYTOPENIA",
)  # fmt: skip
SEVERITY = codes({"MILD": "1", "MODERATE": "2", "SEVERE": "3", "LIFE THREATENING": "4", "FATAL": "5"})
RESPONSE = codes({"NON-CR/NON-PD": "SD"}, ND="MISSING|NOT ASSESSED|NOT DONE", NE="NOT EVALUABLE")
MRD = codes(NEG="NEGATIVE", POS="POSITIVE", ND="NOT DONE|MISSING|INDETERMINATE")
ADA = codes(NEG="NEGATIVE|ADA-", POS="POSITIVE|ADA+", NE="MISSING|NOT EVALUABLE|INDETERMINATE|NOT DONE")
POSITIVE = codes(NEG="NEGATIVE", POS="POSITIVE")
ASSAY = codes(QPCR="CARQPCR|CARTQPCR|CARPCR", FLOW="CARFLOW|CARTFLOW", DDPCR="CARDDPCR")
PD_PARAMETER = codes(CD7POS_ABS="CD7ABS", CD7POS_PCT="CD7PCT", LYM_ABS="LYMABS", CD3POS_CD7NEG_ABS="CD7NEGT")
TEST = codes(ANC="NEUT|NEUTABS", ALC="LYM|LYMPH|LYMABS", PLT="PLAT", ALP="ALKPH", K="POTAS", SODIUM="NA",
             FERRITIN="FERR", CREAT="CREATE", FIBRINO="FIBRINOG", CA="CALCIUM")  # fmt: skip
MATRIX = codes(PB="BLOOD|WHOLE BLOOD|PERIPHERAL BLOOD", BM="BONE MARROW")
AGENT = codes(
    {"FLUDARABINE DOSE (MG/M2)": "FLUDARABINE", "CYCLOPHOSPHAMIDE DOSE (MG/M2)": "CYCLOPHOSPHAMIDE"}
)

_in_brackets = ColumnSource(
    column="unit", variables=("PARAM",), how="in brackets",
    codes=codes({"% of lymphocytes": "% of lymphocytes"}),
)  # fmt: skip
_DATED = (*_dates(sample_date="ADT ADTM"), _elapsed("day", "AFRLT"), _study_day("day", "ADY"))

USUAL: tuple[DataSetMapping, ...] = (
    DataSetMapping(
        data_set="ADSL", table="subjects", file="adsl",
        columns=(
            *_words(study_id="STUDYID", site="SITEID"),
            *_dates(consent_date="RFICDT RFICDTC", enroll_date="ENRLDT RANDDT", leukapheresis_date="LKPHDT"),
            *_numbers(age="AGE"),
            _coded("sex", "SEX", SEX),
            *_numbers(height_cm="HEIGHTBL", weight_kg="WEIGHTBL"),
            *_words(disease="DISEASE"),
            *_numbers(ecog="ECOGBL", prior_lines="PRLINES"),
            *_words(prior_allo_hsct="PRHSCTFL", extramedullary="EXTRAMFL", cns_involvement="CNSFL"),
            *_numbers(bm_blast_pct="BLASTBL", tumor_cd7_pct="CD7TUMBL"),
            *_words(bridging_therapy="BRIDGFL"),
            *_numbers(dose_level="DOSELVL TRT01PN TRT01AN", planned_dose_1e6_kg="DOSEPLN",
                      planned_1e6="DOSEPLT", actual_dose_1e6_kg="DOSEACT"),
            *_words(infused="INFFL SAFFL"),
            *_dates(infusion_date="TRTSDT TRTSDTM"),
            *_words(not_infused_reason="NINFRSN"),
            *_dates(data_cutoff="DCUTDT", followup_end_date="EOSDT"),
        ),
    ),
    DataSetMapping(
        data_set="ADSL", table="events", file="adsl",
        events=(
            EventSource(event="HSCT", date=("HSCTDT",), study_day=("HSCTDY",), detail=("HSCTDESC",)),
            EventSource(event="SECOND_INFUSION", date=("INF2DT",), study_day=("INF2DY",),
                        detail=("INF2DESC",)),
            EventSource(event="NEW_THERAPY", date=("NEWTXDT",), study_day=("NEWTXDY",), detail=("NEWTXDSC",)),
            EventSource(event="PROGRESSION", date=("PDDT",), study_day=("PDDY",), detail=("PDDESC",)),
            EventSource(event="WITHDRAWAL", date=("WDDT",), study_day=("WDDY",), detail=("WDREAS",)),
            EventSource(event="DEATH", date=("DTHDT", "DTHDTC"), study_day=("DTHADY",),
                        detail=("DTHCAUS",)),
            EventSource(event="LAST_CONTACT", date=("LSTALVDT",), study_day=("LSTALVDY",)),
        ),
    ),
    DataSetMapping(
        data_set="ADSL", table="dlt", file="adsl",
        columns=(*_words(evaluable="DLTEVLFL", dlt="DLTFL", dlt_term="DLTTERM"),
                 _study_day("dlt_onset_day", "DLTDY"), *_words(not_evaluable_reason="DLTNEREA"),
                 *_numbers(dose_level="DOSELVL TRT01PN TRT01AN")),
    ),
    DataSetMapping(
        data_set="ADAE", table="adverse_events", file="adae",
        columns=(
            *_words(ae_id="AESEQ ASEQ", verbatim="AETERM", pt="AEDECOD", soc="AEBODSYS AESOC",
                    grading_scale="GRDSCL"),
            _coded("grade", "ATOXGR AETOXGR ATOXGRN AETOXGRN", SEVERITY),
            *_dates(start_date="ASTDT ASTDTM AESTDTC"), _study_day("start_day", "ASTDY AESTDY"),
            *_dates(end_date="AENDT AENDTM AEENDTC"), _study_day("end_day", "AENDY AEENDY"),
            _coded("ongoing", "AEENRF", ENDED),
            *_words(serious="AESER"),
            _coded("related_cart", "AREL AEREL", RELATED),
            _coded("related_ld", "AERELLD", RELATED_FLAG),
            _coded("related_disease", "AERELDIS", RELATED_FLAG),
            _coded("aesi", "CQ01NAM", AESI, others="blank"),
            _coded("outcome", "AEOUT", OUTCOME),
            _flag("dlt", "AEDLTFL"),
            *_numbers(baseline_grade="BTOXGR"),
            _flag("treatment_emergent", "TRTEMFL"),
        ),
    ),
    DataSetMapping(
        data_set="ADRS", table="responses", file="adrs",
        columns=(*_words(visit="AVISIT"), *_dates(assessment_date="ADT ADTM"), _elapsed("day", "AFRLT"),
                 _study_day("day", "ADY"),
                 *_words(criteria="CRIT PARCAT3", relapse_cd7="RLPCD7", after_hsct="AFTHSCT",
                         after_inf2="AFTINF2")),
        parameters=(
            Parameter(column="overall_response", paramcd=("OVR", "OVRLRESP"), codes=RESPONSE),
            Parameter(column="bm_response", paramcd=("BMRESP",)),
            Parameter(column="mrd", paramcd=("MRD", "MRDRESP"), codes=MRD),
            Parameter(column="emd_response", paramcd=("EMDRESP",)),
        ),
    ),
    DataSetMapping(
        data_set="ADTTE", table="events", file="adtte",
        endpoints=(
            EndpointSource(paramcd=("OS", "OSTP"), events=codes({"": "DEATH"}), censored="LAST_CONTACT"),
            EndpointSource(
                paramcd=("PFS", "PFSTP"),
                events=codes(PROGRESSION="PROGRESS|RELAPSE", DEATH="DEATH"),
            ),
        ),
    ),
    DataSetMapping(
        data_set="ADPC", table="kinetics", file="adpc",
        columns=(
            *_numbers(infusion_no="INFSEQ"), *_words(sample_id="PCREFID PCSEQ ASEQ"),
            _elapsed("nominal_day", "NFRLT"), *_words(nominal_label="AVISIT"), *_DATED,
            _flag("unscheduled", "UNSCHFL"),
            _coded("matrix", "PCSPEC", MATRIX), _coded("assay", "PARAMCD", ASSAY),
            *_numbers(value="AVAL"), *_words(unit="AVALU"), _in_brackets,
            ColumnSource(column="blq", variables=("AVALC", "AVALCAT1", "PCSTRESC", "BLQFL"),
                         how="below the limit"),
            *_numbers(lloq="ALLOQ PCLLOQ", lod="ALOD"),
        ),
        not_records=codes({"DOSE": "a dose, not a sample"}),
    ),
    DataSetMapping(
        data_set="ADPD", table="pd", file="adpd",
        columns=(_elapsed("nominal_day", "NFRLT"), *_words(nominal_label="AVISIT"), *_DATED,
                 _coded("matrix", "PDSPEC", MATRIX), _coded("parameter", "PARAMCD", PD_PARAMETER),
                 *_numbers(value="AVAL"), *_words(unit="AVALU"), _in_brackets,
                 ColumnSource(column="blq", variables=("AVALC", "BLQFL"), how="below the limit"),
                 *_numbers(lloq="ALLOQ")),
    ),
    DataSetMapping(
        data_set="ADLB", table="labs", file="adlb",
        columns=(*_DATED,
                 _coded("test", "PARAMCD", TEST), *_numbers(value="AVAL"), *_words(unit="AVALU"),
                 _in_brackets, *_words(unit="LBSTRESU"),
                 *_numbers(lln="ANRLO", uln="ANRHI")),
    ),
    *(
        DataSetMapping(
            data_set=name, table="ada", file=name.lower(),
            columns=(_elapsed("nominal_day", "NFRLT"), *_words(nominal_label="AVISIT"),
                     *_DATED, _coded("screening", "SCRNRES", POSITIVE),
                     _coded("confirmatory", "CONFRES", POSITIVE)),
            parameters=(
                Parameter(column="result", paramcd=("ADA", "RESULT1"), codes=ADA),
                Parameter(column="titer", paramcd=("ADA", "ADATITER", "BAB*"), variable="AVAL"),
            ),
        )
        for name in ("ADIS", "ADAB")
    ),
    DataSetMapping(
        data_set="ADEX", table="products", file="adex",
        columns=(*_numbers(infusion_no="EXSEQ"), *_dates(infusion_date="ASTDT ASTDTM"),
                 _study_day("day", "ASTDY")),
        parameters=(
            Parameter(column="viable_car_pos_cells_1e6", paramcd=("DOSETOT",), variable="AVAL"),
            Parameter(column="n_bags", paramcd=("NBAGS",), variable="AVAL"),
            Parameter(column="volume_ml", paramcd=("VOLTOT",), variable="AVAL"),
            Parameter(column="viability_pct", paramcd=("VIAB",), variable="AVAL"),
            Parameter(column="car_pos_pct", paramcd=("CARPCT",), variable="AVAL"),
            Parameter(column="weight_kg", paramcd=("WEIGHT",), variable="AVAL"),
            Parameter(column="total_viable_cells_1e6", paramcd=("CELLTOT",), variable="AVAL"),
        ),
        not_records=codes({"DOSEKG": "derived, the total by the weight"}),
    ),
    DataSetMapping(
        data_set="ADEX", table="lymphodepletion", file="adex", paramcd=("LDDOSE",),
        columns=(_coded("agent", "EXTRT PARAM", AGENT), *_dates(date="ASTDT ASTDTM"),
                 _study_day("day", "ASTDY"), *_numbers(dose_mg_m2="AVAL", dose_mg="EXDOSE")),
    ),
)  # fmt: skip
"""The usual mapping, in the order in which the tables are made."""

DATA_SETS = tuple(dict.fromkeys(each.data_set for each in USUAL))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamMapping:
    """The mapping of all data sets in force.

    Parameters
    ----------
    data_sets : tuple of DataSetMapping
    subject_id : str
        Variable of ADSL that names the subjects; empty = what is left of USUBJID without STUDYID where that
        is SUBJID for everybody, else USUBJID.
    own : frozenset of (data set, variable)
        Variables that a mapping of one's own names: these must be there.
    """

    data_sets: tuple[DataSetMapping, ...] = USUAL
    subject_id: str = ""
    own: frozenset[tuple[str, str]] = frozenset()


def mapping_rows(mapping: tuple[DataSetMapping, ...] = USUAL) -> list[tuple[str, str, str, str]]:
    """The mapping as rows: data set, source, table and column, how it is read.

    Examples
    --------
    >>> [row for row in mapping_rows() if row[2] == "adverse_events.pt"]
    [('ADAE', 'AEDECOD', 'adverse_events.pt', 'word')]
    """
    rows = []
    for each in mapping:
        for source in each.columns:
            how = f"{source.how}, code list" if source.codes else source.how
            rows.append((each.data_set, ", ".join(source.variables), f"{each.table}.{source.column}", how))
        for parameter in each.parameters:
            how = "code list" if parameter.codes else "result"
            source_words = f"{parameter.variable} of PARAMCD {', '.join(parameter.paramcd)}"
            rows.append((each.data_set, source_words, f"{each.table}.{parameter.column}", how))
        for event in each.events:
            variables = ", ".join((*event.date, *event.study_day, *event.detail))
            rows.append((each.data_set, variables, f"events: {event.event}", "date, else study day"))
        for endpoint in each.endpoints:
            told = {**dict.fromkeys(endpoint.events.values()), **({endpoint.censored: None} if
                    endpoint.censored else {})}  # fmt: skip
            words = f"ADT, CNSR, EVNTDESC of PARAMCD {', '.join(endpoint.paramcd)}"
            rows.append((each.data_set, words, f"events: {', '.join(told)}", "where ADSL has none"))
    return rows
