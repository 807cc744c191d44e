"""The whole analysis: every endpoint of the protocol once, under one plan.

Here: `analyse`, the one room that knows all endpoints, and what it hands out. Not here: any
statistic (the endpoint rooms), pages (`report`), files (`manifest`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from cart7 import derive, dose, immunogenicity, pk, response, results, safety, survival
from cart7 import pd as pharmacodynamics
from cart7.errors import DataError, PlanError, Problem, UnitError
from cart7.plan import Plan
from cart7.study import Study

NOBODY_INFUSED = "nobody is infused"

RP2D_VISIT, RP2D_STRATEGY = "M3", "treatment-policy"  # of the response that the score reads

LOSS_VISITS = ("M3", "M6")
LEADING_ASSAYS = ("QPCR", "DDPCR", "FLOW")

COUNTS = ("n_enrolled", "n_not_infused", "n_infused", "n_dlt_evaluable", "n_dlt", "n_deaths",
          "n_deaths_infused", "n_hsct", "n_second_infusion", "n_new_therapy")  # fmt: skip

ENDPOINTS = (
    "vein_to_vein", "cell_dose", "dlt", "dlt_comparison", "ae_overview", "ae_by_term", "ae_rates",
    "ae_periods", "ae_incidence", "special_interest", "aesi_course", "icaht", "icaht_platelets",
    "blood_counts", "cytopenia", "lab_shift", "iec_hs", "nca", "exposure", "kinetic_levels",
    "persistence", "pd", "depletion", "response", "best_response", "time_to_event", "hsct_incidence",
    "ada", "ada_rates", "ada_loss", "escape", "exposure_models", "rp2d",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
    """Every endpoint of a study, as results; what could not be computed is None and says why.

    Attributes
    ----------
    study_id, source : str
        Which study, and where its tables came from.
    plan : Plan
        The rules in force.
    accounting : DataFrame
        Subjects by group: enrolled, infused, evaluable, and the events of their course.
    vein_to_vein, cell_dose, dlt, dlt_comparison, ae_overview, ae_by_term, ae_rates, ae_periods, ae_incidence,
    special_interest, aesi_course, icaht, icaht_platelets, blood_counts, cytopenia, lab_shift, iec_hs, nca,
    exposure, kinetic_levels, persistence, pd, depletion, response, best_response, time_to_event,
    hsct_incidence, ada, ada_rates, ada_loss, escape, exposure_models, rp2d
        The results of the rooms (`icaht`: the subjects of `icaht_result`; `cytopenia`: by landmark day;
        `depletion`: by parameter;
        `ada_loss`, `escape`: beside the CAR-T cells of the leading assay; `exposure_models`: against planned
        and received dose, response by visit, CRS and ICANS grade).
    course : DataFrame
        Per infused subject: group, last day, and the first day of each event, in days since infusion.
    not_collected : dict
        Attribute and reason of everything that could not be computed.
    problems, row_accounting : DataFrame
        Findings about the data, and rows read, used and set aside by table.
    extra_columns : dict
        Columns outside the schema, by table.
    data_cutoff : str
        Date of the data cut-off, ISO 8601; several where subjects differ.
    study : Study
        The checked tables that were analysed; files for CDISC are written from them and the results.
    """

    study_id: str
    source: str
    plan: Plan = field(repr=False)
    accounting: DataFrame = field(repr=False)
    course: DataFrame = field(repr=False)
    problems: DataFrame = field(repr=False)
    row_accounting: DataFrame = field(repr=False)
    not_collected: dict[str, str]
    extra_columns: dict[str, list[str]] = field(repr=False, default_factory=dict)
    data_cutoff: str = ""
    study: Study | None = field(repr=False, default=None)
    vein_to_vein: Any = field(repr=False, default=None)
    cell_dose: Any = field(repr=False, default=None)
    dlt: Any = field(repr=False, default=None)
    ae_overview: Any = field(repr=False, default=None)
    ae_by_term: Any = field(repr=False, default=None)
    ae_rates: Any = field(repr=False, default=None)
    special_interest: Any = field(repr=False, default=None)
    icaht: Any = field(repr=False, default=None)
    icaht_result: Any = field(repr=False, default=None)
    dlt_comparison: Any = field(repr=False, default=None)
    ae_periods: Any = field(repr=False, default=None)
    ae_incidence: Any = field(repr=False, default=None)
    aesi_course: Any = field(repr=False, default=None)
    icaht_platelets: Any = field(repr=False, default=None)
    blood_counts: Any = field(repr=False, default=None)
    cytopenia: Any = field(repr=False, default=None)
    lab_shift: Any = field(repr=False, default=None)
    iec_hs: Any = field(repr=False, default=None)
    nca: Any = field(repr=False, default=None)
    exposure: Any = field(repr=False, default=None)
    kinetic_levels: Any = field(repr=False, default=None)
    persistence: Any = field(repr=False, default=None)
    pd: Any = field(repr=False, default=None)
    depletion: Any = field(repr=False, default=None)
    response: Any = field(repr=False, default=None)
    best_response: Any = field(repr=False, default=None)
    time_to_event: Any = field(repr=False, default=None)
    hsct_incidence: Any = field(repr=False, default=None)
    ada: Any = field(repr=False, default=None)
    ada_rates: Any = field(repr=False, default=None)
    ada_loss: Any = field(repr=False, default=None)
    escape: Any = field(repr=False, default=None)
    exposure_models: Any = field(repr=False, default=None)
    rp2d: Any = field(repr=False, default=None)

    def to_frame(self) -> DataFrame:
        """All long rows of all results, in the columns of `results.LONG_COLUMNS`."""
        blocks = [_accounting_rows(self.accounting)]
        for name in ENDPOINTS:
            value = getattr(self, "icaht_result" if name == "icaht" else name)
            blocks += [result.to_frame() for result in _results_in(value)]
        return results.long_frame(blocks)

    def report(self, out_dir: str | Path, formats: Sequence[str] = ("html",)) -> dict[str, Path]:
        """Write the pages into a folder (made when missing); returns the path of each format."""
        from cart7.report import document

        return document.write(self, out_dir, formats=formats)

    def _repr_html_(self) -> str:
        missing = "".join(f"<li>{name}: {reason}</li>" for name, reason in self.not_collected.items())
        table = self.accounting.to_html(index=False, escape=True)
        return f"<p><b>{self.study_id}</b></p>{table}" + (
            f"<p>Not collected</p><ul>{missing}</ul>" if missing else ""
        )


def analyse(
    study: Study, plan: Plan | None = None, *, progress: Callable[[str], None] | None = None
) -> Analysis:
    """Compute every endpoint of the protocol once.

    Parameters
    ----------
    study : Study
        Checked tables.
    plan : Plan, optional
        Rules of all endpoints; the library's defaults when not given.
    progress : callable, optional
        Called with the name of each endpoint before it is computed.

    Returns
    -------
    Analysis
        What lacks its table or column is None and stands in `.not_collected`.

    Raises
    ------
    DataError
        When a table is there but cannot be used as it is: every problem of every endpoint.
    PlanError
        When the plan groups by a column that the study has not.

    Examples
    --------
    >>> import cart7
    >>> trial = cart7.analyse(cart7.example_study(), cart7.read_plan("example"))
    >>> trial.accounting[["group", "n_enrolled", "n_infused", "n_dlt"]].values.tolist()[-1]
    ['ALL', 10, 9, 1]
    """
    desk = _Desk(study, plan if plan is not None else Plan(), progress)
    _safety(desk)
    _kinetics(desk)
    _cells(desk)
    _efficacy(desk)
    _beside_the_cells(desk)
    _models(desk)
    _recommendation(desk)
    if desk.problems:
        raise DataError(list(dict.fromkeys(desk.problems)))
    return Analysis(
        study_id=_study_id(study),
        source=_source(study),
        data_cutoff=_data_cutoff(study),
        study=study,
        plan=desk.plan,
        accounting=_accounting(desk),
        course=_course(desk),
        problems=study.problems,
        row_accounting=study.accounting,
        extra_columns={name: list(columns) for name, columns in study.extra_columns.items()},
        not_collected=desk.not_collected,
        **desk.done,
    )


def dlt_state(study: Study, plan: Plan) -> tuple[DataFrame, DataFrame]:
    """Infused subjects with their last day alive, and how each is judged for DLT: what a design decides on.

    Parameters
    ----------
    study : Study
    plan : Plan

    Returns
    -------
    subjects : DataFrame
        `subject_id, dose_level, infusion_date, end_day` (days since infusion).
    judged : DataFrame
        `subject_id, evaluable, dlt`.

    Raises
    ------
    PlanError
        When DLT cannot be judged: neither a DLT table nor adverse events, or nobody infused.
    """
    desk = _Desk(study, plan, None)
    _safety(desk)
    if desk.problems:
        raise DataError(list(dict.fromkeys(desk.problems)))
    if "dlt" not in desk.done or "dose_level" not in desk.infused.columns:
        raise PlanError(desk.not_collected.get("dlt", "subjects has no column dose_level"))
    course = _course(desk)
    ends = desk.infused.merge(course[["subject_id", "end_day"]], on="subject_id", how="left")
    return ends, desk.done["dlt"].subjects


class _Desk:
    """Where the work lies: the study, its analysis sets, and what is done so far."""

    def __init__(self, study: Study, plan: Plan, progress: Callable[[str], None] | None) -> None:
        self.study, self.plan, self.progress = study, plan, progress
        self.by = _group_column(plan.by, study.subjects)
        self.enrolled = _with_levels(study.subjects, self.by)
        self.infused = self.enrolled[derive.infused(self.enrolled)]
        self.done: dict[str, Any] = {}
        self.not_collected: dict[str, str] = {}
        self.problems: list[Problem] = []

    def take(self, name: str, compute: Callable[[], Any], *, tables: Sequence[str] = (),
             results: Sequence[str] = (), of_enrolled: bool = False) -> None:  # fmt: skip
        """Compute one endpoint, or note why it is not collected."""
        if self.progress is not None:
            self.progress(name)
        reason = "" if of_enrolled else self._why_not(tables, results)
        if not reason:
            try:
                self.done[name] = compute()
                return
            except DataError as error:
                if {problem.rule for problem in error.problems} != {"MISSING-COLUMN"}:
                    self.problems += error.problems
                reason = "; ".join(f"{item.table} has no column {item.column}" for item in error.problems)
            except UnitError as error:
                reason = str(error)
        self.not_collected[name] = reason

    def _why_not(self, tables: Sequence[str], needed: Sequence[str]) -> str:
        if not len(self.infused):
            return NOBODY_INFUSED
        absent = [name for name in tables if self.table(name) is None]
        if absent:
            return f"the study has no rows of {', '.join(absent)}"
        undone = [name for name in needed if name not in self.done]
        return f"needs {', '.join(undone)}, which could not be computed" if undone else ""

    def table(self, name: str) -> DataFrame | None:
        """A table with rows, or None."""
        frame = getattr(self.study, name)
        return None if frame is None or not len(frame) else frame

    @property
    def events(self) -> DataFrame | None:
        """The events that endpoints may use; None where they do not say which event."""
        frame = self.table("events")
        return None if frame is None or "event" not in frame.columns else frame

    def of_infused(self, name: str, compute: Callable[[DataFrame], Any]) -> Any:
        """Result of the rows of infused subjects; the other rows stand in its `.excluded`."""
        frame = getattr(self.study, name)
        theirs = frame["subject_id"].isin(self.infused["subject_id"])
        others = frame[~theirs].reset_index(names="row")
        return _with_excluded(
            compute(frame[theirs]), results.excluded_rows(others, name, "subject not infused")
        )


def _group_column(by: str | None, subjects: DataFrame) -> str | None:
    """The column of the groups; a study that has no dose levels is one group."""
    if by is None or by in subjects.columns:
        return by
    if by == "dose_level":
        return None
    raise PlanError(f"by: subjects has no column {by!r}; it has {', '.join(map(str, subjects.columns))}")


def _with_levels(subjects: DataFrame, by: str | None) -> DataFrame:
    """Subjects whose group column keeps its levels, so that one nobody is infused at keeps its row."""
    if by is None:
        return subjects
    levels = sorted(subjects[by].dropna().unique().tolist())
    return subjects.assign(**{by: pd.Categorical(subjects[by], categories=levels)})


def _safety(desk: _Desk) -> None:
    study, plan, infused, by = desk.study, desk.plan, desk.infused, desk.by
    events = desk.events
    desk.take(
        "cell_dose",
        lambda: desk.of_infused(
            "products", lambda bags: dose.cell_dose(bags, subjects=infused, rules=plan.cell_dose)
        ),
        tables=["products"],
    )
    _supply(desk)
    adjudicated = desk.table("dlt")
    reports = desk.table("adverse_events") if adjudicated is None else None
    desk.take(
        "dlt",
        lambda: safety.dose_limiting_toxicity(
            infused, dlt=adjudicated, adverse_events=reports, events=events, by=by, rules=plan.dlt
        ),
        tables=["adverse_events"] if adjudicated is None else ["dlt"],
    )
    event_tables = {
        "ae_overview": safety.overview,
        "ae_by_term": safety.by_term,
        "ae_rates": safety.exposure_adjusted,
        "ae_periods": safety.by_period,
        "ae_incidence": safety.cumulative_incidence,
        "special_interest": safety.special_interest,
    }
    for name, tabulate in event_tables.items():
        desk.take(
            name,
            partial(tabulate, study.adverse_events, infused, events=events, by=by, rules=plan.safety),
            tables=["adverse_events"],
        )
    desk.take("icaht", lambda: safety.icaht(study.labs, infused, events=events, by=by), tables=["labs"])
    if "icaht" in desk.done:
        desk.done |= {"icaht_result": desk.done["icaht"], "icaht": desk.done["icaht"].subjects}
    _syndromes(desk)
    _laboratory(desk)


def _supply(desk: _Desk) -> None:
    """The way of everybody enrolled to the infusion, where the study says anything about it."""
    made, bags, depleted = (desk.table(name) for name in ("manufacturing", "products", "lymphodepletion"))
    told = {"infused", "leukapheresis_date", "infusion_date", "not_infused_reason"} & set(
        desk.enrolled.columns
    )
    if not told and all(table is None for table in (made, bags, depleted)):
        desk.not_collected["vein_to_vein"] = (
            "the study says nothing of leukapheresis, manufacture or infusion"
        )
        return
    desk.take(
        "vein_to_vein",
        lambda: dose.vein_to_vein(
            desk.enrolled, manufacturing=made, products=bags, lymphodepletion=depleted,
            cell_dose=desk.done.get("cell_dose"), by=desk.by,
        ),
        of_enrolled=True,
    )  # fmt: skip


def _syndromes(desk: _Desk) -> None:
    """CRS and ICANS by day, and the adjudicated DLT against the clauses."""
    study, infused, by, events = desk.study, desk.infused, desk.by, desk.events
    desk.take(
        "dlt_comparison",
        lambda: safety.compare_dlt(
            infused, dlt=study.dlt, adverse_events=study.adverse_events, events=events, by=by,
            rules=desk.plan.dlt,
        ),
        tables=["dlt", "adverse_events"],
    )  # fmt: skip
    desk.take(
        "aesi_course",
        lambda: safety.aesi_course(study.aesi_course, infused, desk.table("conmeds"), by=by),
        tables=["aesi_course"],
    )


LANDMARKS = (28, 60, 90)  # of cytopenia, in days since infusion


def _laboratory(desk: _Desk) -> None:
    """What the laboratory table says of counts and organs; a unit nobody knows leaves it open."""
    labs, infused, by, events = desk.study.labs, desk.infused, desk.by, desk.events
    tables: dict[str, Callable[[], Any]] = {
        "icaht_platelets": lambda: safety.icaht_platelets(labs, infused, events, by=by),
        "blood_counts": lambda: safety.blood_counts(labs, infused, events, by=by),
        "cytopenia": lambda: {day: safety.cytopenia(labs, infused, day=day, by=by) for day in LANDMARKS},
        "lab_shift": lambda: safety.lab_shift(labs, infused, by=by),
        "iec_hs": lambda: safety.iec_hs_screen(labs, infused, by=by),
    }
    for name, tabulate in tables.items():
        desk.take(name, partial(_in_known_units, tabulate), tables=["labs"])


def _in_known_units(tabulate: Callable[[], Any]) -> Any:
    """The result, or an error of units where a unit is all that is wrong."""
    try:
        return tabulate()
    except DataError as error:
        if {problem.column for problem in error.problems} == {"unit"}:
            raise UnitError(str(error)) from error
        raise


def _kinetics(desk: _Desk) -> None:
    plan, infused, by = desk.plan, desk.infused, desk.by
    every_infusion = plan.pk.model_copy(update={"infusion_no": None})
    desk.take(
        "nca",
        lambda: desk.of_infused("kinetics", lambda samples: pk.nca(samples, rules=every_infusion)),
        tables=["kinetics"],
    )
    desk.take(
        "exposure",
        lambda: pk.exposure(desk.study.kinetics, infused, by=by, rules=plan.pk),
        tables=["kinetics"],
    )
    desk.take(
        "kinetic_levels",
        lambda: pk.levels_by_visit(desk.study.kinetics, infused, by=by, rules=plan.pk),
        tables=["kinetics"],
    )
    desk.take(
        "persistence",
        lambda: pk.persistence(desk.study.kinetics, infused, desk.events, by=by, rules=plan.pk),
        tables=["kinetics"],
    )


def _cells(desk: _Desk) -> None:
    study, plan, infused, by = desk.study, desk.plan, desk.infused, desk.by
    lymphodepletion = desk.table("lymphodepletion")
    desk.take(
        "pd",
        lambda: pharmacodynamics.by_visit(
            study.pd, infused, lymphodepletion=lymphodepletion, by=by, rules=plan.pd
        ),
        tables=["pd"],
    )
    desk.take(
        "depletion",
        lambda: {
            parameter: pharmacodynamics.depletion(
                study.pd, infused, desk.events, lymphodepletion=lymphodepletion,
                parameter=parameter, by=by, rules=plan.pd,
            )
            for parameter in _cd7_parameters(study.pd)
        },
        tables=["pd"],
    )  # fmt: skip
    desk.take(
        "ada", lambda: immunogenicity.classify(study.ada, infused, rules=plan.immunogenicity), tables=["ada"]
    )
    desk.take(
        "ada_rates",
        lambda: immunogenicity.positive_rate(study.ada, infused, by=by, rules=plan.immunogenicity),
        tables=["ada"],
    )


def _cd7_parameters(samples: DataFrame) -> list[str]:
    """The CD7+ parameters of a table; every parameter where none is named so."""
    if "parameter" not in samples.columns:
        message = "this column is needed and is not there"
        raise DataError([Problem(table="pd", column="parameter", rule="MISSING-COLUMN", message=message)])
    there = sorted(samples["parameter"].dropna().unique().tolist())
    return [name for name in there if name.startswith("CD7POS")] or there


def _efficacy(desk: _Desk) -> None:
    plan, infused, by = desk.plan, desk.infused, desk.by
    events, responses = desk.events, desk.table("responses")
    living, late = _until_death(desk, responses)
    desk.take(
        "response",
        lambda: _with_excluded(
            response.objective_response(living, desk.enrolled, events, by=by, rules=plan.response), late
        ),
        tables=["responses"],
    )
    desk.take(
        "best_response",
        lambda: _with_excluded(response.best_overall(living, infused, events, rules=plan.response), late),
        tables=["responses"],
    )
    if len(desk.infused) and events is None and responses is None:
        reason = "the study has no rows of events or responses that say what happened"
        desk.not_collected |= {"time_to_event": reason, "hsct_incidence": reason}
        return
    desk.take(
        "time_to_event",
        lambda: survival.endpoint_table(
            infused, events, responses, by=by, rules=plan.survival, strategies=plan.strategies
        ),
    )
    desk.take("hsct_incidence", lambda: _hsct_incidence(desk, events, responses))


def _until_death(desk: _Desk, responses: DataFrame | None) -> tuple[Any, DataFrame]:
    """Assessments up to death, and the later ones as excluded: the death counts."""
    if responses is None:
        return None, results.excluded_frame()
    day = derive.with_day(responses, desk.enrolled, date="assessment_date")["day"]
    death = responses["subject_id"].map(derive.first_event_days(desk.events, desk.enrolled)["DEATH"])
    late = (day > death).to_numpy()
    rows = responses[late].reset_index(names="row")
    return responses[~late], results.excluded_rows(
        rows, "responses", "assessed after death; the death counts"
    )


def _with_excluded(result: Any, more: DataFrame) -> Any:
    return replace(result, excluded=results.concat([result.excluded, more], results.EXCLUDED_COLUMNS))


def _hsct_incidence(desk: _Desk, events: DataFrame | None, responses: DataFrame | None) -> Any:
    """Cumulative incidence of progression or death, and of HSCT as the competing event."""
    rules = desk.plan.strategies.get(
        "hsct-competing", desk.plan.survival.model_copy(update={"hsct": "competing"})
    )
    timed = survival.time_to_event(desk.infused, events, responses, endpoint="PFS", rules=rules).subjects
    timed = timed[timed["time"].notna()]
    return survival.cumulative_incidence(timed["time"], timed["cause"], variance="aalen")


def _beside_the_cells(desk: _Desk) -> None:
    """What needs the results of several rooms: relapses and antibodies beside the CAR-T cells."""
    done, rules = desk.done, desk.plan.immunogenicity
    visits = [name for name in LOSS_VISITS if name in rules.windows]
    desk.take(
        "ada_loss",
        lambda: immunogenicity.against_persistence(done["ada"], _of_leading_assay(desk), visits=visits),
        results=["ada", "persistence"],
    )
    desk.take(
        "escape",
        lambda: pharmacodynamics.escape(
            response.relapses(
                _until_death(desk, desk.table("responses"))[0],
                desk.infused,
                desk.events,
                rules=desk.plan.response,
            ),
            _of_leading_assay(desk),
            _of_leading_parameter(done.get("depletion")),
            population=derive.population(desk.infused),
        ),
        tables=["responses"],
        results=["persistence"],
    )


def _of_leading_assay(desk: _Desk) -> DataFrame:
    """Persistence of one assay: a molecular one where there is one."""
    rows = desk.done["persistence"].subjects
    found = sorted(rows["assay"].unique().tolist())
    leading = next((name for name in LEADING_ASSAYS if name in found), found[0] if found else "")
    return rows[rows["assay"] == leading]


def _of_leading_parameter(depletion: Any) -> DataFrame | None:
    """Depletion of the first parameter, absolute counts before percentages."""
    return next((result.subjects for result in depletion.values()), None) if depletion else None


def _models(desk: _Desk) -> None:
    desk.take(
        "exposure_models",
        lambda: pk.exposure_models(
            desk.study.kinetics, _with_received_dose(desk), _outcomes(desk), rules=desk.plan.pk
        ),
        tables=["kinetics"],
    )


def _with_received_dose(desk: _Desk) -> DataFrame:
    """The infused subjects with the dose of their first infusion, from the bags where those are there."""
    if "cell_dose" not in desk.done:
        return desk.infused
    given = desk.done["cell_dose"].subjects
    first = given[given["infusion_no"] == 1].set_index("subject_id")["dose_1e6_kg"]
    return desk.infused.assign(actual_dose_1e6_kg=desk.infused["subject_id"].map(first).astype("float64"))


def _outcomes(desk: _Desk) -> DataFrame:
    """What exposure is set against: response by visit, and the highest grade of CRS and of ICANS."""
    blocks = []
    people = desk.infused["subject_id"]
    if "response" in desk.done:
        rows = desk.done["response"].subjects
        rows = rows[(rows["strategy"] == RP2D_STRATEGY) & rows["subject_id"].isin(people)]
        blocks.append(
            DataFrame({"subject_id": rows["subject_id"], "outcome": "Response at " + rows["visit"],
                       "value": rows["responder"]})
        )  # fmt: skip
    if "special_interest" in desk.done:
        episodes = desk.done["special_interest"].subjects
        for syndrome in ("CRS", "ICANS"):
            mine = episodes[episodes["category"] == syndrome].set_index("subject_id")["max_grade"]
            grade = people.map(mine).where(people.isin(mine.index), 0.0)
            blocks.append(
                DataFrame({"subject_id": people, "outcome": f"{syndrome}, highest grade", "value": grade})
            )
    return results.concat(blocks, ("subject_id", "outcome", "value"))


def _recommendation(desk: _Desk) -> None:
    done, rules = desk.done, desk.plan.score
    if rules is None:
        desk.not_collected["rp2d"] = "the plan states no [score]: weights and gates must be pre-specified"
        return
    efficacy = desk.plan.response
    if desk.by != "dose_level":
        desk.not_collected["rp2d"] = "the groups of the plan are not dose levels"
        return
    if RP2D_VISIT not in efficacy.visits or RP2D_STRATEGY not in efficacy.strategies:
        desk.not_collected["rp2d"] = f"the plan has no response at {RP2D_VISIT} under {RP2D_STRATEGY}"
        return
    desk.take(
        "rp2d",
        lambda: dose.recommend(
            desk.infused, dlt=done["dlt"], response=done["response"], exposure=done["exposure"],
            persistence=done["persistence"], depletion=done["depletion"], cell_dose=done.get("cell_dose"),
            rules=rules, rng=desk.plan.seed, visit=RP2D_VISIT, strategy=RP2D_STRATEGY,
        ),
        results=["dlt", "response", "exposure", "persistence", "depletion"],
    )  # fmt: skip


# ---- subjects in numbers ------------------------------------------------------------------------


def _study_id(study: Study) -> str:
    subjects = study.subjects
    names = subjects["study_id"].dropna().unique().tolist() if "study_id" in subjects.columns else []
    return ", ".join(map(str, names)) or "study without a name"


def _data_cutoff(study: Study) -> str:
    subjects = study.subjects
    days = subjects["data_cutoff"].dropna().unique().tolist() if "data_cutoff" in subjects.columns else []
    return ", ".join(sorted(map(str, days)))


def _source(study: Study) -> str:
    return "records" if study.source is None else Path(study.source).resolve().name


def _accounting(desk: _Desk) -> DataFrame:
    """Enrolled, infused, evaluable and the events of their course, by group."""
    subjects = desk.enrolled
    infused = derive.infused(subjects)
    happened = _event_happened(desk, subjects)
    dlt = desk.done["dlt"].subjects.set_index("subject_id") if "dlt" in desk.done else None
    rows = []
    for label, member in derive.groups(subjects, desk.by):
        of_group = subjects.loc[member, "subject_id"]
        counts: list[Any] = [int(member.sum()), int((member & ~infused).sum()), int((member & infused).sum())]
        if dlt is None:
            counts += [np.nan, np.nan]
        else:
            flags = dlt.reindex(of_group[infused[member]])
            counts += [
                int((flags["evaluable"] == 1).sum()),
                int(((flags["evaluable"] == 1) & (flags["dlt"] == 1)).sum()),
            ]
        counts += _event_counts(happened, member, infused)
        rows.append([label, *counts])
    frame = DataFrame(rows, columns=["group", *COUNTS])
    frame["note"] = _accounting_note(desk)
    return frame


def _event_happened(desk: _Desk, subjects: DataFrame) -> DataFrame | None:
    """Whether each kind of event stands in `events`, with or without a day."""
    events = desk.events
    if events is None:
        return None
    return DataFrame(
        {
            word: subjects["subject_id"].isin(events.loc[events["event"] == word, "subject_id"]).to_numpy()
            for word in ("DEATH", "HSCT", "SECOND_INFUSION", "NEW_THERAPY")
        }
    )


def _event_counts(happened: DataFrame | None, member: np.ndarray, infused: np.ndarray) -> list[Any]:
    if happened is None:
        return [np.nan] * 5
    died = happened["DEATH"].to_numpy()
    others = [happened[word].to_numpy() for word in ("HSCT", "SECOND_INFUSION", "NEW_THERAPY")]
    return [int((died & member).sum()), int((died & member & infused).sum())] + [
        int((flag & member).sum()) for flag in others
    ]


def _accounting_note(desk: _Desk) -> str:
    absent = [] if "dlt" in desk.done else [f"DLT: {desk.not_collected.get('dlt', 'not collected')}"]
    return "; ".join([*absent, *([] if desk.events is not None else ["events not collected"])])


def _course(desk: _Desk) -> DataFrame:
    """What happened to each infused subject, in days since infusion."""
    infused = desk.infused
    days = derive.first_event_days(desk.events, infused).reset_index()
    labels = np.full(len(infused), derive.ALL, dtype=object)
    for label, member in derive.groups(infused, desk.by)[:-1]:
        labels[member] = label
    died = days["DEATH"].notna()
    last = days["DEATH"].fillna(days["LAST_CONTACT"])
    last = last.fillna(_last_record_day(desk, days["subject_id"]))
    words = np.select([died, days["LAST_CONTACT"].notna()], ["DEATH", "LAST_CONTACT"], "")
    course = DataFrame(
        {"subject_id": days["subject_id"], "group": labels, "end_day": last, "end_event": words}
    )
    return course.join(days[["HSCT", "SECOND_INFUSION", "NEW_THERAPY", "PROGRESSION", "DEATH"]])


def _last_record_day(desk: _Desk, subject_ids: pd.Series) -> pd.Series:
    """Last day with a sample or an assessment, where follow-up itself is not recorded."""
    tables = [desk.table(name) for name in ("responses", "kinetics", "pd", "ada", "labs")]
    days = [frame[["subject_id", "day"]] for frame in tables if frame is not None and "day" in frame.columns]
    if not days:
        return pd.Series(np.nan, index=subject_ids.index)
    last = pd.concat(days).groupby("subject_id")["day"].max()
    return subject_ids.map(last).astype("float64")


# ---- long rows ----------------------------------------------------------------------------------


def _results_in(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif value is not None:
        yield value


def _accounting_rows(accounting: DataFrame) -> DataFrame:
    return results.long_rows(
        accounting, analysis="analysis.accounting", param="ACCOUNTING", population="ENROLLED",
        group=accounting["group"], stats=COUNTS, method="count of subjects",
        units=dict.fromkeys(COUNTS, "subjects"),
    )  # fmt: skip
