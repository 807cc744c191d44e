"""The tables of a study: one frozen record per row, the single source of the schema.

Here: the 14 tables with their columns, units, closed words and ranges, the key of each, and the
way from records or a plain frame to the frame an endpoint works on. Not here: findings about
real data (`study`) and dates (`derive`).
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from cart7.errors import DataError, Problem

NEEDED = "this column is needed and is not there"
LARGEST_WHOLE = 1e9
"""Beyond it, a whole number is no day and no count."""

PARTIAL_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


def _date_text(value: object) -> object:
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, dt.date) else value


def _iso_8601(value: str) -> str:
    if not PARTIAL_DATE.fullmatch(value):
        raise ValueError("a date is ISO 8601 text, YYYY-MM-DD (partial: YYYY-MM or YYYY)")
    year, month, day = [*value.split("-"), "01", "01"][:3]
    dt.date(int(year), int(month), int(day))
    return value


def _plain_number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number, not a yes or no")
    return value


def _countable(value: int) -> int:
    if abs(value) > LARGEST_WHOLE:
        raise ValueError(f"a whole number cannot be beyond {LARGEST_WHOLE:g}")
    return value


Number = Annotated[float, BeforeValidator(_plain_number)]
Whole = Annotated[int, BeforeValidator(_plain_number), AfterValidator(_countable)]
DateText = Annotated[str, BeforeValidator(_date_text), AfterValidator(_iso_8601)]
"""A date as ISO 8601 text; a partial one stays as it stands."""

Titer = Annotated[
    str, BeforeValidator(lambda value: f"{value:g}" if isinstance(value, int | float) else value)
]
"""A titre: `1:20`, `20` or a number."""


def _column(
    kind: str,
    description: str,
    unit: str = "",
    terms: Sequence[str] = (),
    low: float | None = None,
    high: float | None = None,
) -> Any:
    extra: dict[str, Any] = {"kind": kind, "unit": unit, "terms": list(terms)}
    if kind == "date":
        extra["format"] = "date"
    return Field(default=None, description=description, ge=low, le=high, json_schema_extra=extra)


def text(description: str, *, examples: Sequence[str] = ()) -> Any:
    """Field of words; `examples` are usual ones, a closed list stands in the type."""
    return _column("str", description, terms=examples)


def number(description: str, *, unit: str = "", low: float | None = None, high: float | None = None) -> Any:
    """Field of a measured number in `unit`, within [low, high]."""
    return _column("float", description, unit, low=low, high=high)


def whole(description: str, *, unit: str = "", low: float | None = None, high: float | None = None) -> Any:
    """Field of a whole number in `unit`, within [low, high]."""
    return _column("int", description, unit, low=low, high=high)


def day_date(description: str) -> Any:
    """Field of a calendar date, ISO 8601."""
    return _column("date", description)


def key(description: str) -> Any:
    """Field of the subject key, the one column that every table must have."""
    return Field(min_length=1, description=description,
                 json_schema_extra={"kind": "str", "unit": "", "terms": []})  # fmt: skip


class Record(BaseModel):
    """A row of a table: frozen, and a misspelt column is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)


class Subject(Record):
    """One enrolled subject."""

    study_id: str | None = text("Study key")
    subject_id: str = key("Subject key, joins every table")
    site: str | None = text("Site")
    consent_date: DateText | None = day_date("Informed consent")
    enroll_date: DateText | None = day_date("Enrolment")
    leukapheresis_date: DateText | None = day_date(
        "Leukapheresis; start of the enrolled (ITT-like) population"
    )
    age: Whole | None = whole("Age", unit="years", low=0)
    sex: Literal["M", "F"] | None = text("Sex")
    height_cm: Number | None = number("Height (blank if not infused and not recorded)", unit="cm", low=0)
    weight_kg: Number | None = number("Weight used for dosing", unit="kg", low=0)
    disease: str | None = text(
        "Disease", examples=("T-ALL", "T-LBL", "ETP-ALL", "MPAL T/MYELOID", "PTCL-NOS", "AML CD7+")
    )
    ecog: Whole | None = whole("ECOG performance status", low=0, high=5)
    prior_lines: Whole | None = whole("Prior lines", low=0)
    prior_allo_hsct: Literal["Y", "N"] | None = text("Prior allogeneic HSCT")
    extramedullary: Literal["Y", "N"] | None = text("Extramedullary disease at baseline")
    cns_involvement: Literal["Y", "N"] | None = text("CNS involvement")
    bm_blast_pct: Number | None = number(
        "Bone-marrow blasts before lymphodepletion", unit="%", low=0, high=100
    )
    tumor_cd7_pct: Number | None = number("CD7+ among tumour cells", unit="%", low=0, high=100)
    bridging_therapy: Literal["Y", "N"] | None = text("Bridging therapy")
    dose_level: Whole | None = whole("Assigned dose level")
    planned_dose_1e6_kg: Number | None = number("Planned dose", unit="1e6 viable CAR+ cells/kg", low=0)
    infused: Literal["Y", "N"] | None = text("Infused at least once")
    infusion_date: DateText | None = day_date("Date of first infusion = day 0")
    not_infused_reason: str | None = text(
        "Why not infused",
        examples=(
            "MANUFACTURING FAILURE",
            "DEATH BEFORE INFUSION",
            "PRODUCT OUT OF SPECIFICATION",
            "WITHDREW CONSENT",
            "DISEASE PROGRESSION",
        ),
    )
    data_cutoff: DateText | None = day_date("Data cut-off")
    planned_1e6: Number | None = number(
        "Planned flat total dose, where the dose is not per kg", unit="1e6 viable CAR+ cells", low=0
    )
    actual_dose_1e6_kg: Number | None = number("Dose received", unit="1e6 viable CAR+ cells/kg", low=0)
    death_date: DateText | None = day_date("Death")
    followup_end_date: DateText | None = day_date("End of follow-up")


class ManufacturingRun(Record):
    """One attempt to manufacture the product of one subject."""

    subject_id: str = key("Subject key, joins every table")
    leukapheresis_date: DateText | None = day_date("Leukapheresis")
    mfg_start_date: DateText | None = day_date("Start of manufacturing")
    release_date: DateText | None = day_date("Product release")
    outcome: Literal["RELEASED", "FAILED", "OUT_OF_SPEC"] | None = text("Manufacturing outcome")
    attempt: Whole | None = whole("Attempt number", low=1)
    vein_to_vein_days: Whole | None = whole("Infusion date minus leukapheresis date", unit="days", low=0)
    product_viability_pct: Number | None = number("Viability of the product", unit="%", low=0, high=100)
    car_pos_pct: Number | None = number("Transduction", unit="% of CD3+", low=0, high=100)
    cd3_pct: Number | None = number("CD3+ cells", unit="%", low=0, high=100)
    cd4_cd8_ratio: Number | None = number("CD4:CD8 ratio", low=0)
    vcn: Number | None = number("Vector copy number", unit="copies/transduced cell", low=0)


class ProductBag(Record):
    """One bag of the product, infused or meant to be."""

    subject_id: str = key("Subject key, joins every table")
    infusion_no: Whole | None = whole("Infusion number", low=1)
    infusion_date: DateText | None = day_date("Infusion")
    day: Number | None = whole("Days since first infusion", unit="days")
    bag_no: Whole | None = whole("Bag number, 1 to n_bags", low=1)
    n_bags: Whole | None = whole("Bags for this infusion", low=1)
    volume_ml: Number | None = number("Bag volume", unit="mL", low=0)
    viability_pct: Number | None = number("Viability", unit="%", low=0, high=100)
    car_pos_pct: Number | None = number("CAR+ cells", unit="%", low=0, high=100)
    viable_car_pos_cells_1e6: Number | None = number(
        "Viable CAR+ cells in this bag; sum over bags / weight_kg = dose", unit="1e6 cells", low=0
    )
    total_viable_cells_1e6: Number | None = number("Viable cells in this bag", unit="1e6 cells", low=0)
    weight_kg: Number | None = number("Weight kg", unit="kg", low=0)
    fraction_infused: Number | None = number(
        "Part of the bag that was infused, 0 to 1", unit="1", low=0, high=1
    )
    conc_cells_per_ml: Number | None = number("Cell concentration of the bag", unit="cells/mL", low=0)
    conc_basis: Literal["total", "viable"] | None = text("Which cells the concentration counts")
    car_denominator: Literal["viable cells", "viable CD3+"] | None = text(
        "Which cells the CAR+ percentage is of"
    )
    cd3_pct: Number | None = number("CD3+ among viable cells", unit="%", low=0, high=100)


class LymphodepletionDose(Record):
    """One dose of lymphodepleting chemotherapy."""

    subject_id: str = key("Subject key, joins every table")
    agent: str | None = text("Agent", examples=("FLUDARABINE", "CYCLOPHOSPHAMIDE"))
    day: Number | None = whole("Days since first infusion (infusion day 0)", unit="days")
    date: DateText | None = day_date("Date")
    dose_mg_m2: Number | None = number("Dose mg m2", unit="mg/m2", low=0)
    dose_mg: Number | None = number("Mosteller BSA", unit="mg", low=0)


class KineticSample(Record):
    """One blood sample assayed for CAR transgene or CAR-T cells."""

    subject_id: str = key("Subject key, joins every table")
    infusion_no: Whole | None = whole(
        "Infusion the sample belongs to (samples on/after a second infusion belong to 2, incl. its pre-dose)",
        low=1,
    )
    sample_id: str | None = text("Sample key within subject (same for both assays)")
    nominal_day: Whole | None = whole("Nominal day since FIRST infusion; 0 for pre-dose", unit="days")
    nominal_label: str | None = text("Nominal visit", examples=("D0 PRE", "D1", "D28", "M2", "I2 D4", "UNS"))
    day: Number | None = number("Actual days since first infusion; -0.02 = pre-dose on day 0", unit="days")
    sample_date: DateText | None = day_date("Sampling")
    unscheduled: Literal["Y", "N"] | None = text("Unscheduled")
    matrix: str | None = text("Peripheral blood", examples=("PB",))
    assay: str | None = text("qPCR transgene or flow CAR+ T cells", examples=("QPCR", "FLOW"))
    value: Number | None = number("Result", unit="see unit", low=0)
    unit: str | None = text("Unit", examples=("copies/ug gDNA", "cells/uL"))
    blq: Literal["BLQ", "ND"] | None = text("Below-limit flag: BLQ (LOD <= x < LLOQ), ND (< LOD), blank")
    lloq: Number | None = number("Lloq", unit="same as value", low=0)
    lod: Number | None = number("Lod", unit="same as value", low=0)


class PdSample(Record):
    """One pharmacodynamic result: CD7+ cells or another lymphocyte count."""

    subject_id: str = key("Subject key, joins every table")
    nominal_day: Whole | None = whole("Nominal day", unit="days")
    nominal_label: str | None = text("Nominal visit", examples=("SCR", "D0 PRE", "D4", "M18"))
    day: Number | None = number("Actual days since first infusion", unit="days")
    sample_date: DateText | None = day_date("Sampling")
    matrix: str | None = text("Matrix", examples=("PB",))
    parameter: str | None = text(
        "CD7+ cells absolute / % of lymphocytes / lymphocytes / CD3+CD7- T cells",
        examples=("CD7POS_ABS", "CD7POS_PCT", "LYM_ABS", "CD3POS_CD7NEG_ABS"),
    )
    value: Number | None = number("Value", unit="see unit", low=0)
    unit: str | None = text("Unit", examples=("cells/uL", "% of lymphocytes"))
    blq: Literal["BLQ", "ND"] | None = text("Below-limit flag")
    lloq: Number | None = number("Lloq", low=0)


class ResponseAssessment(Record):
    """One disease assessment."""

    subject_id: str = key("Subject key, joins every table")
    visit: str | None = text(
        "Visit", examples=("D28", "M2", "M3", "M6", "M9", "M12", "M15", "M18", "M24", "UNS")
    )
    day: Number | None = whole("Days since first infusion (infusion day 0)", unit="days")
    assessment_date: DateText | None = day_date("Assessment date")
    criteria: str | None = text("Criteria", examples=("NCCN ALL", "LUGANO 2014 + BM"))
    overall_response: (
        Literal["CR", "CRh", "CRi", "MLFS", "PR", "SD", "NR", "PD", "RELAPSE", "NE", "ND"] | None
    ) = text("Overall response")
    bm_response: str | None = text("Bone-marrow response", examples=("CR", "CRi", "NR", "PD", "NA"))
    mrd: Literal["NEG", "POS", "ND"] | None = text("Flow MRD, sensitivity 1e-4")
    emd_response: str | None = text("Extramedullary response", examples=("CR", "PR", "SD", "PD", "NA"))
    relapse_cd7: Literal["POS", "NEG"] | None = text("CD7 on relapse cells")
    after_hsct: Literal["Y", "N"] | None = text("Assessed after HSCT")
    after_inf2: Literal["Y", "N"] | None = text("Assessed after second infusion")


class AdverseEvent(Record):
    """One adverse event."""

    subject_id: str = key("Subject key, joins every table")
    ae_id: str | None = text("AE key")
    verbatim: str | None = text("Verbatim")
    pt: str | None = text("Preferred term; CTCAE v5.0 terms are public, ICANS from ASTCT")
    soc: str | None = text("System organ class (CTCAE v5.0)")
    grading_scale: str | None = text("CRS/ICANS are ASTCT graded", examples=("CTCAE v5.0", "ASTCT 2019"))
    grade: Whole | None = whole("Maximum grade of the event", low=1, high=5)
    start_day: Whole | None = whole("Days since first infusion (0 = infusion day)", unit="days")
    start_date: DateText | None = day_date("Start date")
    end_day: Whole | None = whole("End day", unit="days")
    end_date: DateText | None = day_date("End date")
    ongoing: Literal["Y", "N"] | None = text("Ongoing at death/last contact")
    serious: Literal["Y", "N"] | None = text("Serious")
    related_cart: Literal["RELATED", "NOT RELATED", "Y", "N"] | None = text("Related cart")
    related_ld: Literal["Y", "N"] | None = text("Related to lymphodepletion")
    aesi: Literal["CRS", "ICANS", "HLH", "IEC-HS", "INFECTION", "CYTOPENIA"] | None = text(
        "Adverse event of special interest (IEC-HS = HLH)"
    )
    outcome: Literal["RECOVERED", "NOT RECOVERED", "FATAL"] | None = text("Outcome")
    dlt: Literal["Y", "N"] | None = text("This AE is the DLT")
    baseline_grade: Whole | None = whole("Grade before infusion", low=0, high=5)
    related_disease: Literal["Y", "N"] | None = text("Caused by the underlying disease")
    treatment_emergent: Literal["Y", "N"] | None = text(
        "Treatment-emergent as adjudicated; taken as it stands"
    )


class AesiDay(Record):
    """The grade of CRS or ICANS on one day."""

    subject_id: str = key("Subject key, joins every table")
    event: Literal["CRS", "ICANS"] | None = text("Event")
    day: Number | None = whole("Days since first infusion (infusion day 0)", unit="days")
    date: DateText | None = day_date("Date")
    grade: Whole | None = whole("Grade on that day", low=1, high=4)
    scale: str | None = text("Scale", examples=("ASTCT 2019",))


class ConcomitantMedication(Record):
    """One concomitant medication."""

    subject_id: str = key("Subject key, joins every table")
    drug: str | None = text("Drug")
    drug_class: str | None = text(
        "Drug class",
        examples=("IL-6 ANTAGONIST", "CORTICOSTEROID", "JAK INHIBITOR", "VASOPRESSOR", "G-CSF", "IVIG"),
    )
    indication: str | None = text(
        "Indication", examples=("CRS", "ICANS", "HLH", "NEUTROPENIA", "HYPOGAMMAGLOBULINEMIA")
    )
    start_day: Whole | None = whole("Start day", unit="days")
    start_date: DateText | None = day_date("Start date")
    end_day: Whole | None = whole("End day", unit="days")
    end_date: DateText | None = day_date("End date")
    dose: str | None = text("Dose")
    n_doses: Whole | None = whole("N doses", low=0)


class DltAssessment(Record):
    """The adjudicated dose-limiting-toxicity assessment of one subject."""

    subject_id: str = key("Subject key, joins every table")
    dose_level: Whole | None = whole("Dose level")
    window_start_day: Whole | None = whole("Window start day", unit="days")
    window_end_day: Whole | None = whole("Window end day", unit="days")
    observed_through_day: Whole | None = whole("Observed through day", unit="days")
    evaluable: Literal["Y", "N"] | None = text("DLT-evaluable")
    dlt: Literal["Y", "N"] | None = text("Dose-limiting toxicity")
    dlt_term: str | None = text("Term of the DLT")
    dlt_onset_day: Whole | None = whole("Onset of the DLT", unit="days")
    not_evaluable_reason: str | None = text("Not evaluable reason")


class AdaSample(Record):
    """One sample tested for anti-CAR antibodies."""

    subject_id: str = key("Subject key, joins every table")
    nominal_day: Whole | None = whole("Nominal day", unit="days")
    nominal_label: str | None = text("Nominal visit", examples=("SCR", "D28", "M3", "M6", "M12"))
    day: Number | None = whole("Days since first infusion (infusion day 0)", unit="days")
    sample_date: DateText | None = day_date("Sampling")
    screening: Literal["POS", "NEG"] | None = text("Screening assay")
    confirmatory: Literal["POS", "NEG"] | None = text("Done only if screening POS")
    titer: Titer | None = text("Titer")
    result: Literal["POS", "NEG", "NE"] | None = text("POS only if confirmed")


class StudyEvent(Record):
    """One dated event of the course: death, progression, HSCT, new therapy, last contact ..."""

    subject_id: str = key("Subject key, joins every table")
    event: (
        Literal[
            "DEATH", "PROGRESSION", "HSCT", "NEW_THERAPY", "SECOND_INFUSION", "WITHDRAWAL", "LAST_CONTACT"
        ]
        | None
    ) = text("Event")
    day: Number | None = whole("Days since first infusion (infusion day 0)", unit="days")
    date: DateText | None = day_date("Date")
    detail: str | None = text(
        "Cause of death, HSCT donor and status, therapy, site and CD7 status of relapse"
    )


class LabResult(Record):
    """One laboratory result."""

    subject_id: str = key("Subject key, joins every table")
    day: Number | None = whole("Days since first infusion (infusion day 0)", unit="days")
    sample_date: DateText | None = day_date("Sampling")
    test: str | None = text(
        "Test", examples=("ANC", "ALC", "PLT", "HGB", "CRP", "FERRITIN", "ALT", "AST", "BILI", "CREAT")
    )
    value: Number | None = number("Value", unit="see unit", low=0)
    unit: str | None = text("Unit", examples=("10^9/L", "g/L", "mg/L", "ug/L", "U/L", "umol/L"))
    lln: Number | None = number("Lower limit of normal", low=0)
    uln: Number | None = number("Upper limit of normal", low=0)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its kind (`str`, `int`, `float`, `date`), unit, closed words, range and meaning."""

    name: str
    kind: str
    unit: str
    allowed: tuple[str, ...]
    terms: tuple[str, ...]
    low: float | None
    high: float | None
    description: str


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One table: its record, its columns by name, and the columns that make a row unique."""

    name: str
    model: type[Record]
    key: tuple[str, ...]
    columns: Mapping[str, Column] = field(repr=False)


_COLUMNS: dict[type[Record], Mapping[str, Column]] = {}


def columns_of(model: type[Record]) -> Mapping[str, Column]:
    """Columns of a record, by name, in the order of the schema."""
    if model not in _COLUMNS:
        _COLUMNS[model] = MappingProxyType(
            {name: _described(name, info) for name, info in model.model_fields.items()}
        )
    return _COLUMNS[model]


def _described(name: str, info: Any) -> Column:
    extra = info.json_schema_extra
    limits = {type(item).__name__: item for item in info.metadata}
    low, high = limits.get("Ge"), limits.get("Le")
    return Column(
        name=name,
        kind=extra["kind"],
        unit=extra["unit"],
        allowed=_closed_words(info.annotation),
        terms=tuple(extra["terms"]),
        low=None if low is None else low.ge,
        high=None if high is None else high.le,
        description=info.description,
    )


def _closed_words(annotation: Any) -> tuple[str, ...]:
    """Words of the `Literal` in a field's type."""
    literals = [part for part in get_args(annotation) if get_origin(part) is Literal]
    return tuple(get_args(literals[0])) if literals else ()


def _schema(name: str, model: type[Record], *more_key: str) -> TableSchema:
    return TableSchema(name=name, model=model, key=("subject_id", *more_key), columns=columns_of(model))


TABLES: Mapping[str, TableSchema] = MappingProxyType(
    {
        table.name: table
        for table in (
            _schema("subjects", Subject),
            _schema("manufacturing", ManufacturingRun, "attempt"),
            _schema("products", ProductBag, "infusion_no", "bag_no"),
            _schema("lymphodepletion", LymphodepletionDose, "agent", "day"),
            _schema("kinetics", KineticSample, "sample_id", "assay"),
            _schema("pd", PdSample, "nominal_label", "day", "parameter"),
            _schema("responses", ResponseAssessment, "visit", "day"),
            _schema("adverse_events", AdverseEvent, "ae_id"),
            _schema("aesi_course", AesiDay, "event", "day"),
            _schema("conmeds", ConcomitantMedication, "drug", "indication", "start_day"),
            _schema("dlt", DltAssessment),
            _schema("ada", AdaSample, "nominal_label", "day"),
            _schema("events", StudyEvent, "event", "date"),
            _schema("labs", LabResult, "day", "test"),
        )
    }
)
"""Every table of the schema by name."""


def json_schema() -> dict[str, Any]:
    """JSON Schema of all tables, for other tools.

    Returns
    -------
    dict
        One object whose properties are the tables, each an array of its records.

    Examples
    --------
    >>> sorted(json_schema()["properties"])[:3]
    ['ada', 'adverse_events', 'aesi_course']
    """
    definitions = {table.model.__name__: table.model.model_json_schema() for table in TABLES.values()}
    properties = {
        name: {"type": "array", "items": {"$ref": f"#/$defs/{table.model.__name__}"}}
        for name, table in TABLES.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cart7 study", "type": "object", "properties": properties, "required": ["subjects"],
        "$defs": definitions,
    }  # fmt: skip


def data_dictionary() -> pd.DataFrame:
    """Every column of every table: table, column, type, unit, allowed_values, description.

    Examples
    --------
    >>> data_dictionary().query("table == 'dlt' and column == 'evaluable'")["allowed_values"].item()
    'Y | N'
    """
    rows = [
        [table.name, column.name, column.kind, column.unit, _allowed_values(column), column.description]
        for table in TABLES.values()
        for column in table.columns.values()
    ]
    return pd.DataFrame(rows, columns=["table", "column", "type", "unit", "allowed_values", "description"])


def _allowed_values(column: Column) -> str:
    if column.allowed:
        return " | ".join(column.allowed)
    if column.low is not None or column.high is not None:
        low, high = (("" if limit is None else f"{limit:g}") for limit in (column.low, column.high))
        return f"{low} to {high}" if low and high else f">= {low}"
    return f"for example {', '.join(column.terms)}" if column.terms else ""


def to_frame(
    data: pd.DataFrame | Iterable[Record],
    table: str,
    *,
    needs: Sequence[str] = (),
    fill: Sequence[str] = (),
    only: Sequence[str] | None = None,
    categories: Sequence[str] = (),
) -> pd.DataFrame:
    """Frame of one table from a frame or records, in the types that endpoints compute with.

    Parameters
    ----------
    data : DataFrame or sequence of records
        Rows of `table`; columns outside the schema are kept.
    table : str
        Name of the table in the schema.
    needs : sequence of str
        Columns that must be there (`subject_id` always).
    fill : sequence of str
        Columns that are added as missing where they are absent.
    only : sequence of str, optional
        Columns that are read; a column that nobody reads costs time. All of them by default.
    categories : sequence of str
        Word columns that are wanted as categoricals: large tables are counted by their codes.

    Returns
    -------
    DataFrame
        A copy with a plain index. Words are stripped text, blank is None; yes and no are Y and N, also where
        they were written as 1 and 0, true and false; numbers are float64; `row` is the 1-based row of the
        input (its index, where that is named `row`).

    Raises
    ------
    DataError
        Every missing column and every text in a number column, in one error.

    Examples
    --------
    >>> to_frame([AdaSample(subject_id="001", day=28, result="NEG")], "ada", needs=("day", "result"))[
    ...     ["row", "subject_id", "day", "result"]
    ... ].values.tolist()
    [[1, '001', 28.0, 'NEG']]
    """
    schema = TABLES[table]
    given = data if isinstance(data, pd.DataFrame) else _records_frame(data, schema)
    wanted = given.columns if only is None else given.columns[given.columns.isin(["subject_id", *only])]
    if wanted.has_duplicates:
        twice = sorted(set(wanted[wanted.duplicated()].astype(str)))
        raise ValueError(f"{table}: a column stands twice: {', '.join(twice)}")
    numbered = given.index.name == "row"
    rows = given.index.to_numpy(copy=True) if numbered else np.arange(1, len(given) + 1)
    problems = [
        Problem(table=table, column=name, rule="MISSING-COLUMN", message=NEEDED)
        for name in dict.fromkeys(("subject_id", *needs))
        if name not in given.columns
    ]
    columns: dict[Any, Any] = {}
    for name in wanted:
        if name in categories:
            columns[name] = _categorical(given[name])
        elif name in schema.columns:
            columns[name] = _typed(given[name], rows, schema, name, problems)
        elif name != "row":
            columns[name] = _copied(given[name])
    for name in fill:
        if name not in columns:
            absent = np.nan if _is_number(schema, name) else None
            cells = np.full(len(given), absent, dtype=np.float64 if absent is not None else object)
            columns[name] = _categorical(pd.Series(cells)) if name in categories else cells
    problems += [
        Problem(
            table=table,
            row=int(row),
            column="subject_id",
            rule="MISSING-KEY",
            message="a row without its subject",
        )
        for row in rows[pd.isna(columns.get("subject_id", rows))]
    ]
    if problems:
        raise DataError(problems)
    return assembled(columns | {"row": rows}, len(given))


def assembled(columns: Mapping[Any, Any], n: int) -> pd.DataFrame:
    """Frame of `n` rows that takes over the arrays of its columns, in the types they have."""
    index = pd.RangeIndex(n)
    # As Series, or pandas 3 would turn words into its own text type, which is not computed with alike.
    kept = {
        name: pd.Series(cells, dtype=object, index=index, copy=False) if cells.dtype == object else cells
        for name, cells in columns.items()
    }
    return pd.DataFrame(kept, index=index, copy=False)


def _records_frame(records: Iterable[Record], schema: TableSchema) -> pd.DataFrame:
    rows = list(records)
    strangers = sorted({type(record).__name__ for record in rows if not isinstance(record, schema.model)})
    if strangers:
        raise ValueError(
            f"{schema.name} takes records of {schema.model.__name__}, got {', '.join(strangers)}"
        )
    given = [name for name in schema.columns if any(getattr(record, name) is not None for record in rows)]
    names = given if rows else list(schema.columns)
    return pd.DataFrame({name: [getattr(record, name) for record in rows] for name in names})


def _is_number(schema: TableSchema, name: str) -> bool:
    return name in schema.columns and schema.columns[name].kind in ("int", "float")


def _typed(
    values: pd.Series, rows: np.ndarray, schema: TableSchema, name: str, problems: list[Problem]
) -> Any:
    """The column in the type of the schema; a text in a number column goes into `problems`."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        if schema.name == "subjects" and name != "subject_id":
            return values.array.copy()  # its levels name the groups, those with nobody in them too
        if schema.columns[name].kind == "str":
            named = _categorical(values)
            words = _decoded(named.codes, named.categories.to_numpy(dtype=object))
            return _yes_or_no(words) if {"Y", "N"} <= set(schema.columns[name].allowed) else words
        values = values.astype(object)
    if schema.columns[name].kind == "str":
        words = _words(values)
        return _yes_or_no(words) if {"Y", "N"} <= set(schema.columns[name].allowed) else words
    if not _is_number(schema, name):
        return _copied(values)
    if values.dtype.kind in "iuf":
        known = {} if isinstance(values.dtype, np.dtype) else {"na_value": np.nan}
        numbers = values.array.to_numpy(dtype="float64", copy=True, **known)
        suspect = np.flatnonzero(np.isinf(numbers))
    else:
        numbers = pd.to_numeric(values, errors="coerce").astype("float64").to_numpy(copy=True)
        suspect = np.flatnonzero(~np.isfinite(numbers))
    for position, word in zip(suspect, _words(values.iloc[suspect]), strict=True):
        if word is not None:
            problems.append(
                Problem(table=schema.name, row=int(rows[position]), column=name, value=word,
                        rule="NOT-A-NUMBER", message="a number belongs here")
            )  # fmt: skip
    return numbers


_ANSWERS = {
    **dict.fromkeys(("y", "yes", "1", "true"), "Y"),
    **dict.fromkeys(("n", "no", "0", "false"), "N"),
}


def _yes_or_no(words: np.ndarray) -> np.ndarray:
    """Y and N, however they were written; another word stays."""
    if set(words.tolist()) <= {"Y", "N", None}:
        return words
    said = [_ANSWERS.get(word.casefold(), word) if word else word for word in words.tolist()]
    return np.array([*said, None], dtype=object)[:-1]


def _copied(values: pd.Series) -> Any:
    return values.to_numpy(copy=True) if isinstance(values.dtype, np.dtype) else values.array.copy()


_FEW = 500  # so many values are read one by one; where most of them are equal, each different one once


def _words(values: pd.Series) -> np.ndarray:
    """Stripped text, None where blank; a whole float loses its `.0`, so that 12.0 joins 12."""
    if len(values) > _FEW and values.iloc[:_FEW].nunique() < _FEW / 2:
        code, known = pd.factorize(values)
        different = known.tolist()
        if all(type(value) is str for value in different):  # True equals 1, and reads otherwise
            return _decoded(code, _each_word(different))
    return _each_word(values.tolist())


def _decoded(code: np.ndarray, words: np.ndarray) -> np.ndarray:
    blank = np.array([None], dtype=object)
    every: np.ndarray = np.concatenate([words, blank])[code]  # code -1, a blank, is the last
    return every


def _each_word(values: list[object]) -> np.ndarray:
    words = np.empty(len(values), dtype=object)
    if set(map(type, values)) <= {str}:
        stripped = list(map(str.strip, values))  # type: ignore[arg-type]
        words[:] = [word or None for word in stripped] if "" in stripped else stripped
        return words
    missing = pd.isna(np.fromiter(values, dtype=object, count=len(values)))
    words[:] = [
        (value.strip() or None) if type(value) is str else None if gone else _word(value)
        for value, gone in zip(values, missing.tolist(), strict=True)
    ]
    return words


def _categorical(values: pd.Series) -> pd.Categorical:
    """The words of a column as categories, each once; a categorical is not decoded."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        code, known = values.cat.codes.to_numpy(), values.cat.categories
        words = _each_word(known.tolist())
        if known.dtype == object and words.tolist() == known.tolist():
            return values.array.copy()
    else:
        code, known = pd.factorize(values if len(values) > _FEW else _words(values))
        if not all(type(value) is str for value in known.tolist()):
            code, known = pd.factorize(_words(values))
        words = _each_word(known.tolist())
    number, names = pd.factorize(words)
    if len(names) < len(words):  # words that differ by spaces only, or are blank
        code = np.append(number, -1)[code]
    return pd.Categorical.from_codes(code, categories=pd.Index(names, dtype=object), validate=False)


def _word(value: object) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None
