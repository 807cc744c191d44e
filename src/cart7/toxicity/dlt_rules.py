"""What makes an adverse event dose-limiting, as data of the plan.

Here: the clauses, the window, and who is evaluable. Not here: the judgement of events (`dose_limiting`).
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7.toxicity import tallies

HAEMATOLOGICAL_TERMS = (
    "Neutrophil count decreased", "Platelet count decreased", "Lymphocyte count decreased",
    "White blood cell decreased", "White blood cell count decreased", "CD4 lymphocytes decreased",
    "Anemia", "Anaemia", "Neutropenia", "Thrombocytopenia", "Lymphopenia", "Leukopenia", "Leucopenia",
    "Hemoglobin decreased", "Haemoglobin decreased", "Pancytopenia", "Cytopenia",
)  # fmt: skip


class DltClause(BaseModel):
    """One clause of a protocol: an event of this kind and grade is dose-limiting.

    Parameters
    ----------
    of : {"any", "CRS", "ICANS", "HLH", "haematological", "other"}
        Kind of event; `other` is neither CRS, ICANS nor haematological.
    grade : int
        The grade that the clause is about.
    longer_than_days : float, optional
        Only when it lasts longer, in calendar days (end - start + 1).
    present_after_window : bool
        Only when it is still present after the window.

    Examples
    --------
    >>> DltClause(of="CRS", grade=3, longer_than_days=3).words(28)
    'CRS grade 3 for more than 3 days'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    of: Literal["any", "CRS", "ICANS", "HLH", "haematological", "other"]
    grade: int = Field(ge=1, le=5)
    longer_than_days: float | None = Field(default=None, ge=0)
    present_after_window: bool = False

    def words(self, window_days: float) -> str:
        """The clause as it stands in a reason."""
        kind = "" if self.of in ("any", "other") else f"{self.of} "
        lasting = "" if self.longer_than_days is None else f" for more than {self.longer_than_days:g} days"
        present = f" present after day {window_days:g}" if self.present_after_window else ""
        return f"{kind}grade {self.grade}{lasting}{present}"


class DltRules(BaseModel):
    """What makes an adverse event dose-limiting and a subject evaluable. A protocol must state its own.

    Parameters
    ----------
    window_days : float
        The window is day 0 to this day after infusion, both included.
    min_dose_fraction : float
        Least part of the planned dose that makes a subject without a DLT evaluable.
    aesi_grade3_days : float
        CRS or ICANS of grade 3 is dose-limiting when it lasts longer, in calendar days.
    other_grade3_days : float
        Another event of grade 3 is dose-limiting when it lasts longer, in calendar days.
    haematological_terms : tuple of str
        Preferred terms judged by persistence: dose-limiting at grade 4, still present after the window.
    clauses : tuple of DltClause
        The protocol's own clauses, in place of the default ones; the day counts above are then not read.
    exempt_terms : tuple of str
        Preferred terms that are never dose-limiting below grade 5.
    conf_level : float
        Two-sided level of the interval.
    upper_level : float
        Level of the one-sided upper limit.
    ci_method : str
        A method of `stats.proportions.interval`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    window_days: float = Field(default=28, gt=0)
    min_dose_fraction: float = Field(default=0.8, ge=0, le=1)
    aesi_grade3_days: float = Field(default=3, ge=0)
    other_grade3_days: float = Field(default=7, ge=0)
    haematological_terms: tuple[str, ...] = HAEMATOLOGICAL_TERMS
    clauses: tuple[DltClause, ...] = ()
    exempt_terms: tuple[str, ...] = ()
    conf_level: float = Field(default=0.95, gt=0, lt=1)
    upper_level: float = Field(default=0.95, gt=0.5, lt=1)
    ci_method: str = "clopper-pearson"

    _known_method = field_validator("ci_method")(tallies.known_method)

    def in_force(self) -> tuple[DltClause, ...]:
        """The clauses that events are judged by, the first that applies giving the reason."""
        if self.clauses:
            return self.clauses
        aesi = [
            clause for name in ("CRS", "ICANS")
            for clause in (DltClause(of=name, grade=4),
                           DltClause(of=name, grade=3, longer_than_days=self.aesi_grade3_days))
        ]  # fmt: skip
        return (
            DltClause(of="any", grade=5), *aesi,
            DltClause(of="haematological", grade=4, present_after_window=True),
            DltClause(of="other", grade=4),
            DltClause(of="other", grade=3, longer_than_days=self.other_grade3_days),
        )  # fmt: skip
