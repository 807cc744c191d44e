"""The ADaM-like data sets that are written, as data: variables, labels, types and where each comes from.

Here: one record per variable; what is read from a table of the study names its column. Not here: the values
(`adam_writing`), the bytes (`adam_files`).
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "date", "study day", "flag"]


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable.

    Parameters
    ----------
    name, label : str
        At most 8 capitals; at most 40 bytes.
    kind : str
        `text`, `number`, `date`, `study day` (CDISC's, from days since infusion), `flag` (Y or blank).
    column : str
        Column of the table that it is read from; empty = derived, as `derivation` says.
    derivation : str
        How it is derived, or what is to be known about it.
    terms : str
        Code list, `|` between terms.
    """

    name: str
    label: str
    kind: Kind
    column: str = ""
    derivation: str = ""
    terms: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """One data set: its label, the table it is made from, its key and its variables."""

    name: str
    label: str
    table: str
    key: tuple[str, ...]
    variables: tuple[Variable, ...]


_V = Variable
_YES, _YES_NO = "Y", "Y|N"

IDENTIFIERS = (
    _V("STUDYID", "Study Identifier", "text", "", "subjects.study_id"),
    _V(
        "USUBJID",
        "Unique Subject Identifier",
        "text",
        "",
        "STUDYID-SUBJID; SUBJID where the study has no name",
    ),
    _V("SUBJID", "Subject Identifier for the Study", "text", "", "subjects.subject_id"),
)
CORE = (
    *IDENTIFIERS,
    _V("TRT01A", "Actual Treatment for Period 01", "text", "", "as in ADSL"),
    _V("TRT01AN", "Actual Treatment for Period 01 (N)", "number", "", "as in ADSL"),
    _V("TRTSDT", "Date of First Exposure to Treatment", "date", "", "as in ADSL"),
    _V("SAFFL", "Safety Population Flag", "text", "", "as in ADSL", _YES_NO),
)
_TIME = (
    _V("AFRLT", "Act. Rel. Time from First Infusion (d)", "number", "day",
       "days since the first infusion (infusion = 0)"),
    _V("FRLTU", "Rel. Time from First Dose Unit", "text", "", "DAYS", "DAYS"),
)  # fmt: skip
_SAMPLED = (
    _V("AVISIT", "Analysis Visit", "text", "nominal_label"),
    _V("AVISITN", "Analysis Visit (N)", "number", "nominal_day", "nominal day"),
    _V(
        "ADT",
        "Analysis Date",
        "date",
        "sample_date",
        "the date; the infusion date plus the day where they disagree",
    ),
    _V("ADY", "Analysis Relative Day", "study day", "", "ADT - TRTSDT + 1, without + 1 before infusion"),
    *_TIME,
)
_PARAM = (
    _V("PARAMCD", "Parameter Code", "text", "", "see PARAM"),
    _V("PARAM", "Parameter", "text", "", "the word of the table, and the unit"),
)

LAYOUTS: tuple[Layout, ...] = (
    Layout("ADSL", "Subject-Level Analysis Dataset", "subjects", ("STUDYID", "USUBJID"), (
        *IDENTIFIERS,
        _V("SITEID", "Study Site Identifier", "text", "site"),
        _V("AGE", "Age", "number", "age"),
        _V("AGEU", "Age Units", "text", "", "YEARS", "YEARS"),
        _V("SEX", "Sex", "text", "sex", "", "M|F"),
        _V("WEIGHTBL", "Baseline Weight (kg)", "number", "weight_kg"),
        _V("HEIGHTBL", "Baseline Height (cm)", "number", "height_cm"),
        _V("DISEASE", "Disease Under Study", "text", "disease"),
        _V("ECOGBL", "Baseline ECOG Performance Status", "number", "ecog"),
        _V("PRLINES", "Number of Prior Lines of Therapy", "number", "prior_lines"),
        _V("PRHSCTFL", "Prior Allogeneic HSCT Flag", "text", "prior_allo_hsct", "", _YES_NO),
        _V("EXTRAMFL", "Extramedullary Disease Flag", "text", "extramedullary", "", _YES_NO),
        _V("CNSFL", "CNS Involvement Flag", "text", "cns_involvement", "", _YES_NO),
        _V("BLASTBL", "Baseline Bone Marrow Blasts (%)", "number", "bm_blast_pct"),
        _V("CD7TUMBL", "Baseline CD7+ Tumour Cells (%)", "number", "tumor_cd7_pct"),
        _V("BRIDGFL", "Bridging Therapy Flag", "text", "bridging_therapy", "", _YES_NO),
        _V("TRT01P", "Planned Treatment for Period 01", "text", "", "dose level of subjects"),
        _V("TRT01PN", "Planned Treatment for Period 01 (N)", "number", "dose_level"),
        _V("TRT01A", "Actual Treatment for Period 01", "text", "", "TRT01P of the infused"),
        _V("TRT01AN", "Actual Treatment for Period 01 (N)", "number", "", "TRT01PN of the infused"),
        _V("DOSEPLN", "Planned Dose (10^6 CAR+ cells/kg)", "number", "planned_dose_1e6_kg"),
        _V("DOSEPLT", "Planned Flat Dose (10^6 CAR+ cells)", "number", "planned_1e6"),
        _V("DOSEACT", "Dose Received (10^6 CAR+ cells/kg)", "number", "actual_dose_1e6_kg"),
        _V("RFICDT", "Date of Informed Consent", "date", "consent_date"),
        _V("ENRLDT", "Date of Enrollment", "date", "enroll_date"),
        _V("LKPHDT", "Date of Leukapheresis", "date", "leukapheresis_date"),
        _V("TRTSDT", "Date of First Exposure to Treatment", "date", "infusion_date", "CDISC study day 1"),
        _V("ENRLFL", "Enrolled Population Flag", "text", "", "Y: every subject of the table", _YES),
        _V("INFFL", "Infused Population Flag", "text", "", "subjects.infused, else its date", _YES_NO),
        _V("SAFFL", "Safety Population Flag", "text", "", "the infused", _YES_NO),
        _V("DLTEVLFL", "DLT-Evaluable Population Flag", "text", "", "result dose_limiting_toxicity", _YES_NO),
        _V("DLTFL", "Dose-Limiting Toxicity Flag", "text", "", "result dose_limiting_toxicity", _YES_NO),
        _V("DLTTERM", "Dose-Limiting Toxicity", "text", "", "result dose_limiting_toxicity"),
        _V("DLTDY", "Study Day of Dose-Limiting Toxicity", "study day", "", "dlt.dlt_onset_day"),
        _V("DLTNEREA", "Reason Not DLT-Evaluable", "text", "", "result dose_limiting_toxicity"),
        _V("PKFL", "Cellular Kinetics Population Flag", "text", "", "quantifiable in result nca", _YES_NO),
        _V("NINFRSN", "Reason Not Infused", "text", "not_infused_reason"),
        _V("HSCTDT", "Date of Allogeneic HSCT", "date", "", "the first event HSCT"),
        _V("HSCTDY", "Study Day of Allogeneic HSCT", "study day", "", "the first event HSCT"),
        _V("HSCTDESC", "Description of Allogeneic HSCT", "text", "", "the first event HSCT"),
        _V("INF2DT", "Date of Second Infusion", "date", "", "the first event SECOND_INFUSION"),
        _V("INF2DY", "Study Day of Second Infusion", "study day", "", "the first event SECOND_INFUSION"),
        _V("INF2DESC", "Description of Second Infusion", "text", "", "the first event SECOND_INFUSION"),
        _V("NEWTXDT", "Date of New Anticancer Therapy", "date", "", "the first event NEW_THERAPY"),
        _V("NEWTXDY", "Study Day of New Anticancer Therapy", "study day", "", "the first event NEW_THERAPY"),
        _V("NEWTXDSC", "Description of New Therapy", "text", "", "the first event NEW_THERAPY"),
        _V("PDDT", "Date of Progression or Relapse", "date", "", "the first event PROGRESSION"),
        _V("PDDY", "Study Day of Progression or Relapse", "study day", "", "the first event PROGRESSION"),
        _V("PDDESC", "Description of Progression", "text", "", "the first event PROGRESSION"),
        _V("WDDT", "Date of Withdrawal", "date", "", "the first event WITHDRAWAL"),
        _V("WDDY", "Study Day of Withdrawal", "study day", "", "the first event WITHDRAWAL"),
        _V("WDREAS", "Reason of Withdrawal", "text", "", "the first event WITHDRAWAL"),
        _V("DTHFL", "Subject Death Flag", "text", "", "an event DEATH", _YES),
        _V("DTHDT", "Date of Death", "date", "", "the first event DEATH"),
        _V("DTHADY", "Relative Day of Death", "study day", "", "the first event DEATH"),
        _V("DTHCAUS", "Cause of Death", "text", "", "the detail of the event DEATH"),
        _V("LSTALVDT", "Date Last Known Alive", "date", "", "the last event LAST_CONTACT"),
        _V("LSTALVDY", "Study Day Last Known Alive", "study day", "", "the last event LAST_CONTACT"),
        _V("EOSDT", "End of Study Date", "date", "followup_end_date"),
        _V("DCUTDT", "Date of Data Cutoff", "date", "data_cutoff"),
        _V("BOR", "Best Overall Response", "text", "", "result best_overall"),
        _V("ADASTAT", "Subject ADA Status", "text", "", "result classify (immunogenicity)"),
    )),
    Layout("ADAE", "Adverse Events Analysis Dataset", "adverse_events", ("STUDYID", "USUBJID", "AESEQ"), (
        *CORE,
        _V("AESEQ", "Sequence Number", "number", "", "number of the row within the subject"),
        _V("AESPID", "Sponsor-Defined Identifier", "text", "ae_id"),
        _V("AETERM", "Reported Term for the Adverse Event", "text", "verbatim"),
        _V("AEDECOD", "Dictionary-Derived Term", "text", "pt"),
        _V("AEBODSYS", "Body System or Organ Class", "text", "soc"),
        _V("ATOXGR", "Analysis Toxicity Grade", "text", "grade", "", "1|2|3|4|5"),
        _V("GRDSCL", "Grading Scale", "text", "grading_scale"),
        _V("ASTDT", "Analysis Start Date", "date", "start_date"),
        _V("AESTDTC", "Start Date/Time of Adverse Event", "text", "start_date", "complete or partial"),
        _V("ASTDY", "Analysis Start Relative Day", "study day", "start_day"),
        _V("AENDT", "Analysis End Date", "date", "end_date"),
        _V("AEENDTC", "End Date/Time of Adverse Event", "text", "end_date", "complete or partial"),
        _V("AENDY", "Analysis End Relative Day", "study day", "end_day"),
        _V("AEENRF", "End Relative to Reference Period", "text", "", "ongoing: Y is AFTER, N is DURING",
           "AFTER|DURING"),
        _V("AESER", "Serious Event", "text", "serious", "", _YES_NO),
        _V("AEREL", "Causality to CAR-T", "text", "related_cart", "", "RELATED|NOT RELATED|Y|N"),
        _V("AERELLD", "Causality to Lymphodepletion", "text", "related_ld", "", _YES_NO),
        _V("AERELDIS", "Causality to the Disease", "text", "related_disease", "", _YES_NO),
        _V("AEOUT", "Outcome of Adverse Event", "text", "outcome", "", "RECOVERED|NOT RECOVERED|FATAL"),
        _V("BTOXGR", "Baseline Toxicity Grade", "number", "baseline_grade"),
        _V("TRTEMFL", "Treatment Emergent Analysis Flag", "text", "", "counted in result overview", _YES),
        _V("CQ01NAM", "Customized Query 01 Name", "text", "aesi", "",
           "CRS|ICANS|HLH|IEC-HS|INFECTION|CYTOPENIA"),
        _V("AEDLTFL", "DLT Flag", "flag", "dlt", "", _YES),
    )),
    Layout("ADPC", "Cellular Kinetics Concentrations", "kinetics", ("STUDYID", "USUBJID", "PCSEQ"), (
        *CORE,
        _V("PCSEQ", "Sequence Number", "number", "", "number of the row within the subject"),
        _V("PCREFID", "Reference ID", "text", "sample_id"),
        *_PARAM,
        _V("AVAL", "Analysis Value", "number", "value"),
        _V("AVALC", "Analysis Value (C)", "text", "blq", "<LLOQ, NOT DETECTED, else the number"),
        _V("AVALU", "Analysis Value Unit", "text", "unit"),
        _V("ALLOQ", "Lower Limit of Quantification", "number", "lloq"),
        _V("ALOD", "Limit of Detection", "number", "lod"),
        _V("BLQFL", "Below LLOQ Flag", "text", "", "Y where AVALC is below the limit", _YES),
        _V("PCSPEC", "Specimen Material Type", "text", "matrix"),
        *_SAMPLED,
        _V("INFSEQ", "Infusion Number", "number", "infusion_no"),
        _V("UNSCHFL", "Unscheduled Sample Flag", "flag", "unscheduled", "", _YES),
    )),
    Layout("ADPP", "Cellular Kinetics Parameters", "nca", ("STUDYID", "USUBJID", "PPSEQ"), (
        *CORE,
        _V("PPSEQ", "Sequence Number", "number", "", "PP.PPSEQ of result nca"),
        _V("PARCAT1", "Parameter Category 1 (Assay)", "text", "", "PP.PPCAT"),
        _V("APERIODC", "Period (C)", "text", "", "PP.PPGRPID, the infusion"),
        _V("PARAMCD", "Parameter Code", "text", "", "PP.PPTESTCD"),
        _V("PARAM", "Parameter", "text", "", "PP.PPTEST"),
        _V("AVAL", "Analysis Value", "number", "", "PP.PPSTRESN"),
        _V("AVALU", "Analysis Value Unit", "text", "", "PP.PPSTRESU"),
        _V("PPSTINT", "Planned Start of Assessment Interval", "text", "", "PP.PPSTINT"),
        _V("PPENINT", "Planned End of Assessment Interval", "text", "", "PP.PPENINT"),
        _V("PPANMETH", "Analysis Method", "text", "", "PP.PPANMETH"),
        _V("PPREASND", "Reason Parameter Not Calculated", "text", "", "PP.PPREASND"),
    )),
    Layout("ADPD", "Pharmacodynamics Analysis Dataset", "pd",
           ("STUDYID", "USUBJID", "PARAMCD", "AVISIT", "AFRLT"), (
        *CORE, *_PARAM,
        _V("AVAL", "Analysis Value", "number", "value"),
        _V("AVALC", "Analysis Value (C)", "text", "blq", "<LLOQ, NOT DETECTED, else the number"),
        _V("AVALU", "Analysis Value Unit", "text", "unit"),
        _V("ALLOQ", "Lower Limit of Quantification", "number", "lloq"),
        _V("BLQFL", "Below LLOQ Flag", "text", "", "Y where AVALC is below the limit", _YES),
        _V("PDSPEC", "Specimen Material Type", "text", "matrix"),
        *_SAMPLED,
    )),
    Layout("ADRS", "Response Analysis Dataset", "responses",
           ("STUDYID", "USUBJID", "PARAMCD", "AVISIT", "ADT"), (
        *CORE, *_PARAM,
        _V("AVALC", "Analysis Value (C)", "text", "", "the assessment, or the result"),
        _V("AVAL", "Analysis Value", "number", "", "responder: 1, 0"),
        _V("AVISIT", "Analysis Visit", "text", "visit"),
        _V("ADT", "Analysis Date", "date", "assessment_date", "of a result, the day of its assessment"),
        _V("ADY", "Analysis Relative Day", "study day", "", "ADT - TRTSDT + 1, without + 1 before infusion"),
        *_TIME,
        _V("CRIT", "Response Criteria", "text", "criteria"),
        _V("RLPCD7", "CD7 Status at Relapse", "text", "relapse_cd7", "", "POS|NEG"),
        _V("AFTHSCT", "Assessed After HSCT Flag", "text", "after_hsct", "", _YES_NO),
        _V("AFTINF2", "Assessed After Second Infusion Flag", "text", "after_inf2", "", _YES_NO),
        _V("PARCAT1", "Parameter Category 1", "text", "", "ASSESSMENT or RESULT", "ASSESSMENT|RESULT"),
        _V("PARCAT2", "Parameter Category 2 (Strategy)", "text", "", "strategy of the result"),
        _V("REASON", "Reason of the Result", "text", "", "result: reason or note"),
        _V("ANL01FL", "Analysis Flag 01", "text", "", "Y", _YES),
    )),
    Layout("ADTTE", "Time-to-Event Analysis Dataset", "time_to_event", ("STUDYID", "USUBJID", "PARAMCD"), (
        *CORE,
        _V("PARAMCD", "Parameter Code", "text", "", "endpoint and strategy"),
        _V("PARAM", "Parameter", "text", "", "endpoint and strategy"),
        _V("PARCAT1", "Parameter Category 1 (Endpoint)", "text", "", "endpoint", "OS|PFS|DOR|EFS"),
        _V("PARCAT2", "Parameter Category 2 (Strategy)", "text", "", "strategy"),
        _V("AVAL", "Analysis Value", "number", "", "ADT - STARTDT + 1, a day more than the day difference"),
        _V("AVALU", "Analysis Value Unit", "text", "", "DAYS", "DAYS"),
        _V("STARTDT", "Time-to-Event Origin Date", "date", "", "infusion, or first response (DOR)"),
        _V("ADT", "Analysis Date", "date", "", "end of the time"),
        _V("ADY", "Analysis Relative Day", "number", "", "ADT as CDISC study day"),
        _V("CNSR", "Censor", "number", "", "0 an event, 9 a competing event, else a censoring by its reason"),
        _V("EVNTDESC", "Event Description", "text", "", "what ended the time"),
        _V("CNSDTDSC", "Censor Date Description", "text", "", "what happened on the date of a censoring"),
        _V("SRCDOM", "Source Data", "text", "", "table of the study that says ADT"),
        _V("SRCVAR", "Source Variable", "text", "", "its column"),
        _V("SRCSEQ", "Source Sequence Number", "number", "", "its row, from 1"),
        _V("ANL01FL", "Analysis Flag 01", "text", "", "Y where there is a time", _YES),
        _V("REASON", "Reason of the End", "text", "", "reason of the result"),
        _V("NOTE", "Note", "text", "", "note of the result"),
    )),
    Layout("ADIS", "Immunogenicity Analysis Dataset", "ada",
           ("STUDYID", "USUBJID", "PARAMCD", "AVISIT", "AFRLT"), (
        *CORE, *_PARAM,
        _V("AVALC", "Analysis Value (C)", "text", "result", "POS, NEG, NE in CDISC's words",
           "POSITIVE|NEGATIVE|NOT EVALUABLE"),
        _V("AVAL", "Analysis Value (Titer Denominator)", "number", "titer", "1:160 is 160"),
        _V("SCRNRES", "Screening Assay Result", "text", "screening", "", "POS|NEG"),
        _V("CONFRES", "Confirmatory Assay Result", "text", "confirmatory", "", "POS|NEG"),
        *_SAMPLED,
        _V("ADASTAT", "Subject ADA Status", "text", "", "result classify (immunogenicity)"),
    )),
    Layout("ADLB", "Laboratory Analysis Dataset", "labs", ("STUDYID", "USUBJID", "PARAMCD", "AFRLT"), (
        *CORE, *_PARAM,
        _V("AVAL", "Analysis Value", "number", "value"),
        _V("AVALU", "Analysis Value Unit", "text", "unit"),
        _V("ANRLO", "Analysis Normal Range Lower Limit", "number", "lln"),
        _V("ANRHI", "Analysis Normal Range Upper Limit", "number", "uln"),
        _V("ADT", "Analysis Date", "date", "sample_date"),
        _V("ADY", "Analysis Relative Day", "study day", "", "ADT - TRTSDT + 1, without + 1 before infusion"),
        *_TIME,
    )),
    Layout("ADEX", "Exposure Analysis Dataset", "cell_dose",
           ("STUDYID", "USUBJID", "PARAMCD", "EXSEQ", "ASTDT"), (
        *CORE, *_PARAM,
        _V("PARCAT1", "Parameter Category 1", "text", "", "CAR-T INFUSION or LYMPHODEPLETION",
           "CAR-T INFUSION|LYMPHODEPLETION"),
        _V("AVAL", "Analysis Value", "number", "", "result cell_dose; lymphodepletion.dose_mg_m2"),
        _V("EXTRT", "Name of Treatment", "text", "", "lymphodepletion.agent"),
        _V("EXDOSE", "Dose (mg)", "number", "", "lymphodepletion.dose_mg"),
        _V("EXSEQ", "Infusion Number", "number", "", "number of the infusion"),
        _V("ASTDT", "Analysis Start Date", "date", "", "of the infusion or dose"),
        _V("ASTDY", "Analysis Start Relative Day", "study day", "", "of the infusion or dose"),
    )),
)  # fmt: skip

LAYOUT = {layout.name: layout for layout in LAYOUTS}
"""Every data set that is written, by name."""
