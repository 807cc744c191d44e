"""What codes are called on a page: rows, reasons, strategies, populations and parameters in words.

Here: dictionaries and the lookup. Not here: any number or layout.
"""

import re
from collections.abc import Mapping

POPULATIONS = {
    "INFUSED": "Infused subjects (safety and efficacy set)",
    "ENROLLED": "Enrolled subjects",
    "REACHED": "Infused subjects who reached the visit",
    "EVALUABLE": "Infused subjects with an evaluable assessment",
    "EVALUABLE_INCL_DEATH": "Evaluable subjects and those who died before the visit",
    "DLT_EVALUABLE": "DLT-evaluable subjects",
    "": "Population not stated",
}
DENOMINATORS = {
    "ENROLLED": "Enrolled",
    "INFUSED": "Infused",
    "REACHED": "Reached the visit",
    "EVALUABLE": "Evaluable",
    "EVALUABLE_INCL_DEATH": "Evaluable or dead",
}
STRATEGIES = {
    "treatment-policy": "Treatment policy",
    "failure": "New therapy is failure",
    "hsct-failure": "HSCT is failure",
    "stop-at-hsct": "Stop at HSCT",
    "hsct-carry-forward": "Carried over HSCT",
    "censor": "Censored at HSCT, new therapy, second infusion",
    "hsct-competing": "HSCT competing",
    "plan": "As planned",
}
SHORT_STRATEGIES = STRATEGIES | {"censor": "Censored", "failure": "Failure"}
ENDPOINTS = {
    "OS": "Overall survival",
    "PFS": "Progression-free survival",
    "DOR": "Duration of response",
    "EFS": "Event-free survival",
}
AE_ROWS = {
    "any_teae": "Any treatment-emergent adverse event",
    "any_teae_grade_ge3": "  grade ≥ 3",
    "any_teae_grade_missing": "  grade missing",
    "related_cart_teae": "Related to CAR-T cells",
    "related_cart_teae_grade_ge3": "  grade ≥ 3",
    "related_ld_teae": "Related to lymphodepletion",
    "serious_teae": "Serious",
    "serious_related_cart_teae": "  serious and related to CAR-T cells",
    "fatal_teae": "Fatal",
    "dlt": "Dose-limiting, as reported with the event",
    "crs_any": "Cytokine release syndrome",
    "crs_grade_ge3": "  grade ≥ 3",
    "icans_any": "ICANS",
    "icans_grade_ge3": "  grade ≥ 3",
    "iec_hs_any": "HLH-like syndrome (IEC-HS)",
    "infection_any": "Infection",
    "infection_grade_ge3": "  grade ≥ 3",
    "cytopenia_any": "Cytopenia",
    "cytopenia_grade_ge3": "  grade ≥ 3",
    "prolonged_cytopenia": "  grade ≥ 3 after day 28",
    "uncoded_any": "Uncoded term",
}
# The same lines where they stand alone.
AE_LINES = AE_ROWS | {
    "any_teae_grade_ge3": "Adverse event of grade ≥ 3",
    "any_teae_grade_missing": "Adverse event without a grade",
    "serious_related_cart_teae": "Serious and related to CAR-T cells",
    "related_cart_teae_grade_ge3": "CAR-T related event of grade ≥ 3",
    "crs_grade_ge3": "CRS of grade ≥ 3",
    "crs_any": "CRS",
    "icans_grade_ge3": "ICANS of grade ≥ 3",
    "infection_grade_ge3": "Infection of grade ≥ 3",
    "cytopenia_grade_ge3": "Cytopenia of grade ≥ 3",
    "prolonged_cytopenia": "Cytopenia of grade ≥ 3 after day 28",
}
ACCOUNTING = {
    "n_enrolled": "Enrolled",
    "n_not_infused": "Not infused",
    "n_infused": "Infused",
    "n_dlt_evaluable": "DLT-evaluable",
    "n_dlt": "Dose-limiting toxicity",
    "n_deaths": "Died (enrolled)",
    "n_deaths_infused": "Died (infused)",
    "n_hsct": "HSCT",
    "n_second_infusion": "Second infusion",
    "n_new_therapy": "New anti-cancer therapy",
}
# Parameter, its name, and the decimals that are printed (None: three significant digits).
PARAMETERS: Mapping[str, tuple[str, str]] = {
    "cmax": ("Cmax", "value"),
    "tmax": ("Tmax", "days"),
    "auc_window": ("AUC in the window", "area"),
    "clast": ("Clast", "value"),
    "tlast": ("Tlast", "days"),
    "half_life": ("Terminal half-life", "days"),
    "doubling_time": ("Doubling time (expansion)", "days"),
    "fold_expansion": ("Fold expansion", "ratio"),
    "contraction_half_life": ("Contraction half-life", "days"),
    "persistence_low": ("Last day quantifiable", "days"),
}
PROFILE_NOTES = {
    "DUPLICATE_TIME": "two samples at one time, profile not usable",
    "NEGATIVE_VALUE": "negative value, profile not usable",
    "MISSING_TIME": "sample without a time, profile not usable",
    "NON_FINITE_VALUE": "value not finite, profile not usable",
    "NO_SAMPLES": "no sample at or after infusion",
    "NO_QUANT": "no quantifiable sample",
    "NO_START_SAMPLE": "no sample at infusion",
    "NO_LAMBDA_Z": "no terminal slope",
}
AREA_STATUS = {
    "INTERPOLATED": "interpolated",
    "EXACT": "sampled",
    "TRUNCATED": "at Tlast",
    "EXTRAPOLATED": "extrapolated",
    "NO_QUANT": "nothing quantifiable",
}
REASONS = {
    "OBS": "",
    "NOT_INFUSED": "not infused",
    "NOT_REACHED": "visit not reached at data cut-off",
    "DEATH": "death",
    "PD": "progression before",
    "PRIOR_PD": "progression before",
    "PROGRESSION": "progression",
    "SCT": "HSCT before",
    "HSCT": "HSCT",
    "NEW_THERAPY": "new therapy",
    "SECOND_INFUSION": "second infusion",
    "MISSED": "missed",
    "WITHDRAWAL": "withdrawal",
    "MISSED_ASSESSMENTS": "missed assessments",
    "LAST_ADEQUATE_ASSESSMENT": "last adequate assessment",
    "NO_POSTBASELINE_ASSESSMENT": "no assessment after infusion",
    "ALIVE_LAST_CONTACT": "alive at last contact",
    "DATA_CUTOFF": "data cut-off",
    "NOT_RESPONDER": "no response",
    "DATA_ERROR_DEATH_BEFORE_INFUSION": "death before infusion (data error)",
    "UNDERDOSED": "underdosed",
    "LOST_TO_FOLLOW_UP": "lost to follow-up",
}
ADA_CLASSES = {
    "NO_EVALUABLE_SAMPLE": "no evaluable sample",
    "NO_POST_BASELINE": "no sample after baseline",
    "MISSING_BASELINE_POSITIVE": "baseline missing, positive after",
    "MISSING_BASELINE_NEGATIVE": "baseline missing, negative after",
    "INDUCED": "induced",
    "NEGATIVE": "negative",
    "BOOSTED": "boosted",
    "UNAFFECTED": "pre-existing, unaffected",
}
ADA_MEASURES = {
    "positive_at_visit": "Positive at the visit",
    "treatment_emergent_at_visit": "Treatment-emergent at the visit",
    "cumulative_through_visit": "Treatment-emergent up to the visit",
    "prevalence": "Prevalence (positive at any time)",
    "incidence": "Incidence (treatment-emergent)",
}
DEPLETION_ENDPOINTS = {
    "clearance": "Clearance",
    "confirmed_clearance": "Confirmed clearance",
    "recovery": "Recovery (absolute threshold)",
    "relative_recovery": "Recovery (relative to baseline)",
}
ESCAPE_CLASSES = {
    "NO_EXPANSION": "no expansion",
    "CART_LOST": "CAR-T cells lost before, CD7 positive or not known",
    "CD7_NEGATIVE_CART_PRESENT": "CD7-negative, CAR-T cells present",
    "CD7_NEGATIVE_CART_LOST": "CD7-negative, CAR-T cells lost",
    "CD7_NEGATIVE": "CD7-negative, CAR-T cells not known",
    "CART_PRESENT": "CAR-T cells present, CD7 positive or not known",
    "AFTER_HSCT": "after HSCT",
    "NOT_KNOWN": "CAR-T cells not known",
    "NO_RELAPSE": "no relapse",
}
FAILURES = {"RELAPSE": "relapse", "PROGRESSION": "progression, never responded",
            "NO_RESPONSE": "no response"}  # fmt: skip
SEQUENCES = {
    "BEFORE_LOSS": "antibodies before loss",
    "AFTER_LOSS": "antibodies after loss",
    "SAME_INTERVAL": "order not known: between the same samples",
    "ANTIBODIES_NO_LOSS": "antibodies, no loss seen",
    "LOSS_NO_ANTIBODIES": "loss, no antibodies",
    "PRE_EXISTING": "positive before, not boosted",
    "NEITHER": "neither seen",
    "NOT_KNOWN": "not known",
}
LOSS_MEASURES = {
    "ever_positive": "antibodies at any time",
    "treatment_emergent": "treatment-emergent antibodies",
}
CELL_NAMES = {
    "CD7POS_ABS": "CD7+ cells (cells/µL)",
    "CD7POS_PCT": "CD7+ cells (% of lymphocytes)",
}
ASSAYS = {"QPCR": "qPCR", "DDPCR": "ddPCR", "FLOW": "flow cytometry"}
ATTRIBUTES = {
    "vein_to_vein": "From the vein to the infusion",
    "cell_dose": "Cell dose",
    "dlt": "Dose-limiting toxicity",
    "ae_overview": "Adverse events: overview",
    "ae_by_term": "Adverse events by term",
    "ae_rates": "Exposure-adjusted adverse events",
    "dlt_comparison": "DLT: adjudicated against the clauses",
    "ae_periods": "Adverse events by period",
    "ae_incidence": "Cumulative incidence of adverse events",
    "special_interest": "CRS, ICANS, HLH",
    "aesi_course": "CRS and ICANS day by day",
    "iec_hs": "IEC-HS screen",
    "icaht_platelets": "Thrombocytopenia (T-ICAHT)",
    "blood_counts": "Neutrophils and platelets",
    "cytopenia": "Cytopenia at landmark days",
    "lab_shift": "Laboratory shifts",
    "icaht": "Haematotoxicity (ICAHT)",
    "nca": "Kinetic parameters",
    "exposure": "Exposure by dose level",
    "persistence": "Persistence",
    "pd": "CD7+ cells by visit",
    "depletion": "CD7+ depletion",
    "response": "Objective response",
    "best_response": "Best overall response",
    "time_to_event": "Time-to-event endpoints",
    "hsct_incidence": "Cumulative incidence with HSCT competing",
    "ada": "Anti-drug antibodies: classes",
    "ada_rates": "Anti-drug antibodies: rates",
    "ada_loss": "Anti-drug antibodies and loss of CAR-T cells",
    "escape": "Loss of response and the cells",
    "rp2d": "Recommended phase II dose",
}
PLAN_ROOMS = {
    "pk": "Cellular kinetics",
    "pd": "CD7+ cells",
    "immunogenicity": "Immunogenicity",
    "response": "Response",
    "survival": "Time to event",
    "safety": "Adverse events",
    "dlt": "Dose-limiting toxicity",
    "cell_dose": "Cell dose",
    "score": "RP2D score",
    "strategies": "Intercurrent-event strategies",
    "design": "Escalation design",
}


def printable(text: str) -> str:
    r"""A text in which signs that neither a page nor a Word document may hold are a replacement sign.

    Examples
    --------
    >>> printable("a" + chr(27) + "[2Jb\n") == "a\ufffd[2Jb\n"
    True
    """
    return _UNPRINTABLE.sub("\ufffd", text)


_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters, halves of a pair, and the two code points that are no characters."""


def in_words(code: object, words: Mapping[str, str]) -> str:
    """The words of a code; the code itself in lower case when it has none.

    Examples
    --------
    >>> in_words("SCT", REASONS), in_words("SOMETHING_ELSE", REASONS), in_words("censor", {})
    ('HSCT before', 'something else', 'censor')
    """
    text = str(code)
    if text in words:
        return words[text]
    return text.replace("_", " ").lower() if text.isupper() and "_" in text else text


def notes_in_words(note: object, words: Mapping[str, str] = PROFILE_NOTES) -> str:
    """A note with its codes (`NO_LAMBDA_Z`) in words.

    Examples
    --------
    >>> notes_in_words("NO_LAMBDA_Z: too few quantifiable samples")
    'no terminal slope: too few quantifiable samples'
    """
    return re.sub(
        r"\b[A-Z]+(?:_[A-Z0-9]+)*\b", lambda code: words.get(code.group(0)) or code.group(0), str(note)
    )
