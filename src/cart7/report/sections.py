"""What stands on the page, in which order: sections of tables, figures and words.

Here: which results a section shows, captions and introductions, and "not collected" with its reason.
Not here: layouts of tables (`tables_*`), drawing (`figures_*`), HTML (`document`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from cart7._version import versions
from cart7.report import (
    figures,
    tables_cells,
    tables_courses,
    tables_dose,
    tables_efficacy,
    tables_kinetics,
    tables_safety,
    tables_study,
    tables_supply,
)
from cart7.report.canvas import ALL
from cart7.report.cells import Groups, Table, groups_of, number
from cart7.report.words import (
    ASSAYS,
    ATTRIBUTES,
    CELL_NAMES,
    ENDPOINTS,
    SHORT_STRATEGIES,
    STRATEGIES,
    in_words,
)

PLACEHOLDER_WORDS = (
    "The weights, limits and gates of this score are placeholders of the example, not a protocol's choice. "
    "No dose decision may rest on them; a trial must pre-specify its own."
)


MOST_PANELS = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure to be drawn: its name, what it shows, the caption, and how."""

    name: str
    title: str
    caption: str
    draw: Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The steps of one curve, as the survival figure takes them."""

    curve: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A sentence set apart; `kind` is `notice` or `loud`."""

    title: str
    text: str
    kind: str = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A result in its own words, line by line."""

    name: str
    title: str
    lines: tuple[str, ...]


Block = Table | Figure | Notice | Explained


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A numbered part of the page."""

    name: str
    title: str
    words: str
    blocks: tuple[Block, ...]


def page_facts(analysis: Any) -> list[tuple[str, str]]:
    """Study, source, cut-off and counts for the head of the page."""
    accounting = analysis.accounting
    everybody = accounting[accounting["group"].astype(str) == ALL]
    row = everybody.iloc[0] if len(everybody) else accounting.iloc[-1]
    last = analysis.course["end_day"].max() if len(analysis.course) else None
    facts = [("Source", str(analysis.source)), ("Enrolled", number(row["n_enrolled"])),
             ("Infused", number(row["n_infused"])), ("DLT-evaluable",
                                                     number(row["n_dlt_evaluable"], 0, "not collected")),
             ("Died (infused)", number(row["n_deaths_infused"], 0, "not collected")),
             ("Analysis set", "infused subjects, unless a table says otherwise")]  # fmt: skip
    cut_off = str(getattr(analysis, "data_cutoff", "") or "")
    if cut_off:
        facts.insert(1, ("Data cut-off", cut_off))
    if last is not None and pd.notna(last):
        facts.append(("Longest follow-up", f"{number(float(last))} days after infusion"))
    return facts


def sections(analysis: Any) -> list[Section]:
    """All sections of the page, in order."""
    groups = groups_of(analysis)
    parts = (
        ("study", "What was analysed", _study, ""),
        ("dlt-section", "Dose-limiting toxicity", _dlt, ""),
        ("adverse-events", "Adverse events", _adverse_events,
         "Treatment-emergent events of the infused subjects. Small numbers: read the limits, not the "
         "percentage."),
        ("syndromes", "CRS, ICANS and HLH", _syndromes, "Grades: ASTCT consensus; days since infusion."),
        ("haematotoxicity", "Blood counts and laboratory", _haematotoxicity, ""),
        ("kinetics", "CAR-T cell kinetics", _kinetics, "Days since infusion; the infusion is day 0."),
        ("cd7", "CD7+ cells", _cd7,
         "Depletion of CD7+ cells as pharmacodynamic effect and on-target toxicity."),
        ("response-section", "Response", _response,
         "Every strategy for intercurrent events stands beside the others; none replaces the "
         "pre-specified one."),
        ("survival", "Overall survival, progression-free survival, duration of response", _survival, ""),
        ("immunogenicity", "Immunogenicity", _immunogenicity, ""),
        ("rp2d-section", "Recommended phase II dose", _rp2d,
         "An integrated score supports, and never replaces, the judgement of the safety review committee."),
        ("not-collected-section", "Not collected", _not_collected,
         "Results that need a table or column that the study does not have."),
        ("data-problems", "Data problems", _problems, ""),
        ("conventions", "Conventions in force", _conventions,
         "The whole plan: every rule that can change a number on this page, with the value used."),
        ("software", "Software versions", _software, ""),
    )  # fmt: skip
    return [
        Section(
            name=name,
            title=title,
            words=words,
            blocks=tuple(block for block in make(analysis, groups) if block),
        )
        for name, title, make, words in parts
    ]


Blocks = Iterator[Block | None]


def _missing(analysis: Any, *names: str) -> Blocks:
    """A notice for each result that is not there."""
    for name in names:
        if getattr(analysis, name) is None:
            reason = analysis.not_collected.get(name, "no reason given")
            yield Notice(title=f"{ATTRIBUTES.get(name, name)}: not collected.", text=_sentence(reason))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _study(analysis: Any, groups: Groups) -> Blocks:
    yield tables_study.accounting(analysis.accounting, groups)
    yield from _missing(analysis, "vein_to_vein")
    if analysis.vein_to_vein is not None:
        yield from _supply(analysis.vein_to_vein, groups)
    yield from _missing(analysis, "cell_dose")
    if analysis.cell_dose is not None:
        yield tables_study.cell_dose_summary(analysis.cell_dose, groups)
        yield tables_study.cell_dose(analysis.cell_dose, groups)
    yield tables_study.row_accounting(analysis.row_accounting)
    yield tables_study.extra_columns(analysis.extra_columns)


def _supply(result: Any, groups: Groups) -> Blocks:
    """Who got a product, who did not and why, and how long it took."""
    yield tables_supply.steps(result, groups)
    yield tables_supply.clock(result, groups)
    if tables_supply.timed(result):
        yield Figure(
            name="figure-vein-to-vein", title="From leukapheresis to infusion, every enrolled subject.",
            caption="Days since leukapheresis. Open end: not infused, with the reason.",
            draw=lambda: figures.vein_to_vein(result, by=groups.by),
        )  # fmt: skip
    yield tables_supply.listing(result, groups)


def _dlt(analysis: Any, groups: Groups) -> Blocks:
    yield from _missing(analysis, "dlt")
    if analysis.dlt is None:
        return
    yield tables_safety.dlt_rates(analysis.dlt, groups)
    yield Figure(
        name="figure-dlt", title="Dose-limiting toxicity by dose level.",
        caption="Point: observed rate; line: exact two-sided 95 % limits; tick: one-sided 95 % upper limit.",
        draw=lambda: figures.dlt_rates(analysis.dlt, by=groups.by),
    )  # fmt: skip
    yield tables_safety.dlt_listing(analysis.dlt, groups)
    if analysis.dlt_comparison is not None:
        yield tables_courses.dlt_comparison(analysis.dlt_comparison, groups)


def _adverse_events(analysis: Any, groups: Groups) -> Blocks:
    yield from _missing(analysis, "ae_overview", "ae_by_term", "ae_periods", "ae_incidence", "ae_rates")
    if analysis.ae_overview is not None:
        yield tables_safety.overview(analysis.ae_overview, groups)
    if analysis.ae_by_term is not None:
        yield Figure(
            name="figure-ae", title="Adverse events by worst grade, all subjects.",
            caption="Number of subjects; the 20 most frequent terms.",
            draw=lambda: figures.ae_by_grade(analysis.ae_by_term),
        )  # fmt: skip
        yield tables_safety.by_term_grades(analysis.ae_by_term, groups)
        yield tables_safety.by_term_levels(analysis.ae_by_term, groups)
    if analysis.ae_periods is not None:
        yield tables_courses.periods(analysis.ae_periods)
    if analysis.ae_incidence is not None:
        yield from _incidence(analysis.ae_incidence)
    if analysis.ae_rates is not None:
        yield tables_safety.rates(analysis.ae_rates, groups)
    if analysis.ae_overview is not None:
        yield from _listings(analysis.ae_overview, groups)


def _incidence(result: Any) -> Blocks:
    """Cumulative incidence of infection, and of every line at the landmark days."""
    yield Figure(
        name="figure-ae-incidence",
        title="Cumulative incidence of infection of grade ≥ 3, all subjects.",
        caption="Death without it competes. Shaded: pointwise 95 % limits.",
        draw=lambda: figures.ae_incidence(result, term="infection_grade_ge3"),
    )  # fmt: skip
    yield tables_courses.incidence(result)


def _listings(overview: Any, groups: Groups) -> Blocks:
    """Serious and fatal events line by line, and the queries about all of them."""
    lines = overview.summary[(overview.summary["group"] == ALL) & overview.summary["n_events"].notna()]
    for line, title in (("serious_teae", "Serious adverse events"), ("fatal_teae", "Fatal adverse events")):
        if line in set(lines["row"]):
            name = f"listing-{line.split('_')[0]}"
            yield tables_courses.event_listing(overview.rows(row=line), groups, name=name, title=title)
    yield tables_courses.queries(overview.queries)


def _syndromes(analysis: Any, groups: Groups) -> Blocks:
    yield from _missing(analysis, "special_interest", "aesi_course", "iec_hs")
    if analysis.special_interest is not None:
        yield tables_safety.special_interest(analysis.special_interest, groups)
        yield Figure(
            name="figure-aesi", title="CRS, ICANS and HLH: first episode of each subject.",
            caption="Bar: onset to end; number and shade: worst grade over all episodes.",
            draw=lambda: figures.aesi_map(analysis.special_interest, groups=dict(groups.of_subject),
                                          by=groups.by),
        )  # fmt: skip
    if analysis.aesi_course is not None:
        yield Figure(
            name="figure-aesi-days", title="CRS and ICANS of every subject, day by day.",
            caption="Number and shade: grade of the day. Triangle: first day of tocilizumab; line: steroid; "
                    "each of the event that its indication names.",
            draw=lambda: figures.aesi_days(analysis.aesi_course, groups=dict(groups.of_subject),
                                           by=groups.by),
        )  # fmt: skip
        yield tables_courses.aesi_treatment(analysis.aesi_course, groups)
        yield tables_courses.aesi_course(analysis.aesi_course, groups)
    if analysis.iec_hs is not None:
        yield tables_courses.iec_hs(analysis.iec_hs, groups)


def _haematotoxicity(analysis: Any, groups: Groups) -> Blocks:
    yield from _missing(analysis, "icaht", "icaht_platelets", "blood_counts", "cytopenia", "lab_shift")
    if analysis.blood_counts is not None:
        for test, words in (("ANC", "Neutrophils"), ("PLT", "Platelets")):
            yield Figure(
                name=f"figure-counts-{test.lower()}", title=f"{words} of every subject.",
                caption="Lowest value of each day, log axis; days on a root scale. Dotted: after HSCT, a "
                        "second infusion or new therapy.",
                draw=partial(figures.count_course, analysis.blood_counts, test=test,
                             groups=dict(groups.of_subject), by=groups.by),
            )  # fmt: skip
        yield tables_courses.blood_counts(analysis.blood_counts, groups)
    if analysis.icaht is not None:
        yield tables_safety.icaht(analysis.icaht, groups)
    if analysis.icaht_platelets is not None:
        yield tables_courses.platelets_icaht(analysis.icaht_platelets, groups)
    if analysis.cytopenia is not None:
        yield tables_courses.cytopenia(analysis.cytopenia, groups)
    if analysis.lab_shift is not None:
        yield tables_courses.lab_shift(analysis.lab_shift)


def _kinetics(analysis: Any, groups: Groups) -> Blocks:
    yield from _missing(analysis, "nca", "exposure", "kinetic_levels", "persistence", "exposure_models")
    nca, exposure, persistence = analysis.nca, analysis.exposure, analysis.persistence
    for assay in _assays(nca):
        yield Figure(
            name=f"figure-kinetics-{assay.lower()}",
            title=f"CAR-T kinetics of every subject, {in_words(assay, ASSAYS)}.",
            caption="First infusion. Log axis; days on a root scale. Open triangles: below the limit of "
            "quantification, drawn at the LLOQ (dashed line). Lines break at missing samples.",
            draw=partial(figures.kinetics_spaghetti, nca, assay=assay, groups=groups.of_subject,
                         by=groups.by),
        )  # fmt: skip
    for assay in _assays(exposure):
        yield tables_kinetics.exposure(exposure, nca, groups, assay)
    yield from _levels(analysis.kinetic_levels, groups)
    for assay in _assays(persistence):
        yield tables_kinetics.persistence(persistence, groups, assay)
        yield Figure(
            name=f"figure-persistence-{assay.lower()}",
            title=f"Subjects with quantifiable CAR-T cells by visit, {in_words(assay, ASSAYS)}.",
            caption="All subjects sampled; lines: exact 95 % limits.",
            draw=partial(figures.persistence_bars, persistence, assay=assay,
                         label=f"Quantifiable by {in_words(assay, ASSAYS)} (%)"),
        )  # fmt: skip
    if analysis.exposure_models is not None:
        yield from _exposure_models(analysis.exposure_models)
    if nca is not None:
        yield tables_kinetics.profiles(nca, groups)
        yield tables_kinetics.flagged(nca)


def _levels(result: Any, groups: Groups) -> Blocks:
    """Geometric means by visit, figure and table of each assay."""
    for assay in _assays(result):
        yield Figure(
            name=f"figure-levels-{assay.lower()}",
            title=f"Geometric mean by visit, {in_words(assay, ASSAYS)}.",
            caption="Lines: 95 % limits. Numbers: quantifiable/sampled. Visits at their nominal day.",
            draw=partial(figures.geometric_mean_course, result, assay=assay, by=groups.by),
        )
        yield tables_kinetics.levels(result, groups, assay)


def _exposure_models(result: Any) -> Blocks:
    """Exposure against dose and outcome: the tables, and figures of the leading assay."""
    yield tables_kinetics.against_dose(result)
    for assay in _assays(result)[:1]:
        for param, words in (("cmax", "Cmax"), ("auc_window", "AUC")):
            yield Figure(
                name=f"figure-dose-{param.replace('_', '-')}",
                title=f"{words} against planned and received dose, {in_words(assay, ASSAYS)}.",
                caption="Every subject; the line is the power model. Log axes.",
                draw=partial(figures.exposure_against_dose, result, param=param, assay=assay),
            )
    yield tables_kinetics.against_outcome(result)
    for assay in _assays(result)[:1]:
        for param, words in (("cmax", "Cmax"), ("auc_window", "AUC")):
            yield Figure(
                name=f"figure-outcome-{param.replace('_', '-')}",
                title=f"{words} by response and by toxicity, {in_words(assay, ASSAYS)}.",
                caption="Every subject, with the geometric mean of each group. Log axis.",
                draw=partial(figures.exposure_by_outcome, result, param=param, assay=assay),
            )


def _assays(result: Any) -> list[str]:
    """Assays of a result: molecular ones first."""
    if result is None:
        return []
    frame = result.summary if len(result.summary) else result.subjects
    if "assay" not in frame.columns:
        return []
    found = dict.fromkeys(frame["assay"].dropna().astype(str))
    return sorted(found, key=lambda name: (list(ASSAYS).index(name) if name in ASSAYS else 9, name))


def _cd7(analysis: Any, groups: Groups) -> Blocks:
    yield from _missing(analysis, "pd", "depletion")
    visits, depletion = analysis.pd, analysis.depletion or {}
    parameters = [] if visits is None else list(dict.fromkeys(visits.summary["parameter"].astype(str)))
    for parameter in [name for name in parameters if name in depletion or not depletion]:
        in_percent = parameter.endswith("PCT")
        thresholds = tuple(getattr(visits.rules, "thresholds", ())) if in_percent else ()
        yield Figure(
            name=f"figure-{parameter.lower().replace('_', '-')}",
            title=f"{CELL_NAMES.get(parameter, parameter)} of every subject.",
            caption="Log axis; days on a root scale. Open triangles: below the LLOQ (dashed line)."
            + (" Dotted: thresholds of depletion." if thresholds else ""),
            draw=partial(figures.pd_over_time, visits, parameter=parameter, groups=groups.of_subject,
                         by=groups.by, lines=thresholds),
        )  # fmt: skip
        yield tables_cells.by_visit(visits, groups, parameter)
    for parameter, result in depletion.items():
        yield tables_cells.depletion(result, groups, parameter)
    if depletion:
        yield tables_cells.depletion_times(depletion, groups)
        yield from _clearance(next(iter(depletion.values())), groups)
        yield from _combined(analysis, next(iter(depletion.values())), groups)
    yield from _missing(analysis, "escape")
    if analysis.escape is not None:
        yield from tables_cells.escape(analysis.escape, groups)
        yield Figure(
            name="figure-escape", title="CAR-T cells, CD7+ cells and loss of response, every subject.",
            caption="Upper bar: CAR-T cells quantifiable; lower bar: CD7+ cells from clearance to recovery.",
            draw=lambda: figures.escape_courses(analysis.escape),
        )  # fmt: skip


def _clearance(depletion: Any, groups: Groups) -> Blocks:
    """The Kaplan-Meier curve of clearance, where anybody can be judged."""
    curve = depletion.curves[depletion.curves["endpoint"] == "clearance"]
    if len(curve):
        yield Figure(
            name="figure-clearance", title="Time to clearance of CD7+ cells, all subjects.",
            caption="Kaplan-Meier: the fraction not yet below the LLOQ, dated at the first sample below it. "
            "Shaded: pointwise 95 % limits (log-log); ticks: censored.",
            draw=lambda: figures.kaplan_meier(Curve(curve=curve), groups=[ALL], by=groups.by,
                                              label="Not cleared (%)", time_label="Days since infusion"),
        )  # fmt: skip


def _combined(analysis: Any, depletion: Any, groups: Groups) -> Blocks:
    """CAR-T cells and CD7+ cells in one panel per subject, nine panels a figure."""
    if analysis.nca is None:
        return
    names = sorted(
        {*analysis.nca.points["subject_id"].astype(str), *depletion.samples["subject_id"].astype(str)}
    )
    if len(names) > MOST_PANELS:
        yield Notice(title="CAR-T cells and CD7+ cells of each subject: not drawn.",
                     text=f"The page holds panels of at most {MOST_PANELS} subjects.")  # fmt: skip
        return
    for number_of, start in enumerate(range(0, len(names), 9)):
        yield Figure(
            name=f"figure-combined-{number_of + 1}", title="CAR-T cells and CD7+ cells of every subject.",
            caption="Both on log axes, the same in every panel; days on a root scale. Open triangles: below "
            "the LLOQ. Bar: from clearance to recovery of CD7+ cells.",
            draw=partial(figures.cells_and_targets, analysis.nca, depletion, course=analysis.course,
                         subjects=names[start : start + 9], by=groups.by),
        )  # fmt: skip


def _response(analysis: Any, groups: Groups) -> Blocks:
    yield from _missing(analysis, "response", "best_response")
    if analysis.response is not None:
        yield tables_efficacy.response_rates(analysis.response, groups)
        yield Figure(
            name="figure-response", title="Responders by visit and strategy, all infused subjects.",
            caption="Point: responders/infused; line: exact 95 % limits.",
            draw=lambda: figures.response_rates(analysis.response, names=STRATEGIES),
        )  # fmt: skip
        yield tables_efficacy.response_denominators(analysis.response)
        yield from tables_efficacy.response_members(analysis.response, groups)
        yield tables_efficacy.response_changes(analysis.response, groups)
    if analysis.best_response is not None:
        yield tables_efficacy.best_response(analysis.best_response, groups)
    if analysis.best_response is not None or analysis.course["end_day"].notna().any():
        yield Figure(
            name="figure-swimmer", title="Course of every infused subject.",
            caption="A response lasts until the next assessment, the last one until the end of "
                    "follow-up; ticks are assessments.",
            draw=lambda: figures.swimmer(analysis.best_response, course=analysis.course, by=groups.by),
        )  # fmt: skip
    if analysis.best_response is not None:
        yield tables_efficacy.best_response_listing(analysis.best_response, groups)


def _survival(analysis: Any, groups: Groups) -> Blocks:
    yield from _missing(analysis, "time_to_event", "hsct_incidence")
    result = analysis.time_to_event
    if result is not None:
        yield from _missing_endpoints(result)
        yield tables_efficacy.time_to_event(result, groups)
        yield from _curves(result, groups)
        yield tables_efficacy.strategy_changes(result, groups)
    if analysis.hsct_incidence is not None:
        causes = {1: "progression or death", 2: "HSCT"}
        yield Figure(
            name="figure-incidence", title="Cumulative incidence of progression or death, and of HSCT.",
            caption="All infused subjects; shaded: pointwise 95 % limits.",
            draw=lambda: figures.cumulative_incidence(analysis.hsct_incidence, causes=causes),
        )  # fmt: skip
        yield tables_efficacy.incidence(analysis.hsct_incidence, causes)


def _missing_endpoints(result: Any) -> Blocks:
    """A notice for each endpoint of the protocol that the tables of the study cannot give."""
    needs = {"OS": "events", "PFS": "responses", "DOR": "responses"}
    for endpoint, table in needs.items():
        if endpoint not in set(result.summary["endpoint"]):
            text = f"The study has no rows of {table}."
            yield Notice(title=f"{ENDPOINTS[endpoint]}: not collected.", text=text)


def _differ(curves: Any, endpoint: str) -> bool:
    """Whether the strategies give different curves of an endpoint."""
    steps = curves.loc[curves["endpoint"] == endpoint, ["strategy", "group", "time", "n_event", "n_censor"]]
    drawn = {
        tuple(map(tuple, rows.drop(columns="strategy").to_numpy())) for _, rows in steps.groupby("strategy")
    }
    return len(drawn) > 1


def _limits(result: Any, endpoint: str) -> str:
    """How the limits of an endpoint's curve were obtained."""
    row = result.summary[result.summary["endpoint"] == endpoint].iloc[0]
    return f"{100 * row['conf_level']:g} % limits ({row['method']})"


def _curves(result: Any, groups: Groups) -> Blocks:
    curves = result.curves
    for endpoint in dict.fromkeys(curves["endpoint"]) if len(curves) else ():
        strategies = list(dict.fromkeys(curves.loc[curves["endpoint"] == endpoint, "strategy"]))
        words = STRATEGIES.get(strategies[0], strategies[0])
        yield Figure(
            name=f"figure-{endpoint.lower()}", title=f"{endpoint}, all subjects ({words.lower()}).",
            caption=f"Shaded: pointwise {_limits(result, endpoint)}; dotted: exact beta product limits; "
                    "ticks: censored.",
            draw=partial(figures.endpoint_curves, result, endpoint=endpoint, groups=[ALL], by=groups.by),
        )  # fmt: skip
        if endpoint == "PFS" and _differ(curves, endpoint):
            yield Figure(
                name="figure-pfs-strategies", title="PFS under every strategy, all subjects.",
                caption="The same subjects; only the handling of intercurrent events differs.",
                draw=partial(figures.endpoint_curves, result, endpoint="PFS", strategy=strategies, band=False,
                             names=SHORT_STRATEGIES),
            )  # fmt: skip


def _immunogenicity(analysis: Any, groups: Groups) -> Blocks:
    yield from _missing(analysis, "ada_rates", "ada")
    if analysis.ada_rates is not None:
        yield tables_cells.ada_visits(analysis.ada_rates, groups)
    if analysis.ada is not None:
        yield tables_cells.ada_class_counts(analysis.ada, groups)
        yield tables_cells.ada_classes(analysis.ada, groups)
        yield from _missing(analysis, "ada_loss")
    if analysis.ada_loss is not None:
        yield from tables_cells.ada_loss(analysis.ada_loss, groups)


def _rp2d(analysis: Any, groups: Groups) -> Blocks:
    yield from _missing(analysis, "rp2d")
    result = analysis.rp2d
    if result is None:
        return
    if getattr(result.rules, "placeholder", False):
        yield Notice(title="Placeholder weights.", text=PLACEHOLDER_WORDS, kind="loud")
    yield Explained(name="rp2d-words", title="In words", lines=tuple(result.explain().splitlines()))
    yield Figure(
        name="figure-rp2d", title="Expected score by dose level.",
        caption="Line: 95 % credible interval; open mark: a gate is closed; P(best) among the levels "
                "that pass.",
        draw=lambda: figures.dose_profile(result, by=groups.by),
    )  # fmt: skip
    yield Figure(
        name="figure-rp2d-weights", title="Recommended level by the weight of one criterion.",
        caption="Bar: the level recommended at each weight; black line: the weight of the plan.",
        draw=lambda: figures.weight_sensitivity(result, by=groups.by),
    )  # fmt: skip
    yield tables_dose.scores(result, groups)
    yield tables_dose.evidence(result, groups)
    yield tables_dose.criteria(result.rules)
    yield tables_dose.ranks(result, groups)
    yield tables_dose.sensitivity(result)
    yield tables_dose.weight_sweep(result)
    if getattr(result, "received", None) is not None:
        yield tables_dose.scores(result.received, groups, received=True)


def _not_collected(analysis: Any, groups: Groups) -> Blocks:
    yield tables_study.not_collected(analysis.not_collected)


def _problems(analysis: Any, groups: Groups) -> Blocks:
    yield tables_study.problems(analysis.problems)


def _conventions(analysis: Any, groups: Groups) -> Blocks:
    yield from tables_study.plan_rules(analysis.plan)


def _software(analysis: Any, groups: Groups) -> Blocks:
    yield tables_study.versions(versions())
