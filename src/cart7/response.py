"""Response: who responds at a visit, at best, and confirmed, under each strategy for what intervenes.

Here: the response at a visit with the reason when there is none, best overall response and its
confirmation, the response rates with every denominator side by side, who left response and how, the
best change of the tumour burden. Not here, though some is named here: which assessments count (courses),
findings to categories (criteria), intervals, posterior and trend (stats), visit windows (derive),
duration of response (survival).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cart7 import derive, results
from cart7.assessments import burden, courses
from cart7.assessments import lanes as lane_rows
from cart7.assessments.best import best_of_each
from cart7.assessments.courses import CATEGORIES, STRATEGIES, Category, Course, Flags, Strategy, Table
from cart7.assessments.criteria import classify_leukaemia, classify_lugano
from cart7.assessments.results import (
    POPULATIONS,
    BestResponseResult,
    ResponseResult,
    WaterfallResult,
    members_of,
)
from cart7.derive import Window
from cart7.stats import proportions, summaries
from cart7.stats.proportions import posterior
from cart7.stats.trend import cochran_armitage as trend

__all__ = [
    "CATEGORIES",
    "POPULATIONS",
    "STRATEGIES",
    "BestResponseResult",
    "ResponseResult",
    "ResponseRules",
    "WaterfallResult",
    "Window",
    "at_visit",
    "best_overall",
    "classify_leukaemia",
    "classify_lugano",
    "compare",
    "objective_response",
    "posterior",
    "relapses",
    "trend",
    "waterfall",
]


class ResponseRules(BaseModel):
    """The choices of the statistical analysis plan that change response numbers.

    Parameters
    ----------
    visits : mapping of str to Window
        Visits with target and bounds in days since infusion; gaps are allowed, overlaps are refused.
    tie : {"later", "earlier"}
        Which of two assessments equally near the target counts.
    pick : {"closest", "last"}
        The assessment nearest to the target, or the last one in the window.
    responder : tuple of str
        Categories that count as response; ``("CR",)`` gives the complete response rate.
    bracket : bool
        Count a subject without evaluable assessment in the window as responder when the last one
        before and the first one after it are responses.
    sd_min_days : float
        SD earlier than this day is NE in the best overall response.
    confirm_days : float
        Least number of days from a response to its confirmation.
    max_ne : int
        NE assessments allowed between a response and its confirmation.
    accept_sd : bool
        Allow one SD between a PR and its confirmation.
    conf_level : float
        Two-sided level of the intervals.
    ci_method : str
        A method of `stats.proportions.interval`.
    strategies : tuple of str
        Strategies of `objective_response`, in the order of its rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    visits: Mapping[str, Window] = Field(
        default={"M3": Window(90, 76, 104), "M6": Window(180, 152, 208)}, min_length=1
    )
    tie: Literal["later", "earlier"] = "later"
    pick: Literal["closest", "last"] = "closest"
    responder: tuple[Category, ...] = Field(default=("CR", "CRi", "CRh", "PR"), min_length=1)
    bracket: bool = False
    sd_min_days: float = Field(default=28, ge=0)
    confirm_days: float = Field(default=28, ge=0)
    max_ne: int = Field(default=1, ge=0)
    accept_sd: bool = False
    conf_level: float = Field(default=0.95, gt=0, lt=1)
    ci_method: str = "clopper-pearson"
    strategies: tuple[Strategy, ...] = Field(default=STRATEGIES, min_length=1)

    @field_validator("visits")
    @classmethod
    def _apart(cls, visits: Mapping[str, Window]) -> Mapping[str, Window]:
        derive.check_windows(visits)
        return visits

    @field_validator("ci_method")
    @classmethod
    def _known_method(cls, value: str) -> str:
        if value not in proportions.METHODS:
            raise ValueError(f"ci_method must be one of {', '.join(proportions.METHODS)}; got {value!r}")
        return value


DEFAULT_RULES = ResponseRules()

_VISIT_COLUMNS = ("subject_id", "visit", "strategy", "response", "day", "responder", "evaluable", "reason",
                  "note")  # fmt: skip


# ---------------------------------------------------------------------------- public functions


def at_visit(
    responses: Table,
    subjects: Table,
    events: Table | None = None,
    *,
    visit: str = "M3",
    strategy: Strategy = "treatment-policy",
    by: str | None = "dose_level",
    rules: ResponseRules = DEFAULT_RULES,
) -> ResponseResult:
    """Response of each subject at one visit under one strategy, with the reason when there is none.

    Parameters
    ----------
    responses : DataFrame or sequence of ResponseAssessment
        subject_id, overall_response, and day (days since infusion) or assessment_date.
    subjects : DataFrame or sequence of Subject
        subject_id; infused, infusion_date, data_cutoff and the `by` column where they are known.
    events : DataFrame or sequence of StudyEvent, optional
        subject_id, event (DEATH, PROGRESSION, HSCT, NEW_THERAPY, SECOND_INFUSION, WITHDRAWAL), and
        day (days since infusion) or date.
    visit : str
        A visit of the rules.
    strategy : str
        What ends the sequence of usable assessments; the assessment of that day still counts.
        ``treatment-policy``: nothing. ``failure``: progression, new therapy, second infusion.
        ``hsct-failure``: HSCT too, a non-response. ``stop-at-hsct``: HSCT too, not evaluable.
        ``hsct-carry-forward``: as failure; when HSCT comes before the target day, or before the end
        of a window without assessment, the last response up to HSCT is carried forward.
    by : str or None
        Column of `subjects` that groups the summary.
    rules : ResponseRules, optional
        Windows, tie, responder set, level.

    Returns
    -------
    ResponseResult
        `.subjects` has one row per subject.

    Raises
    ------
    DataError
        For an unknown response category or an assessment after death.
    ValueError
        For a visit that the rules do not have, or an unknown strategy.

    References
    ----------
    ICH E9(R1) addendum on estimands (2019).

    Examples
    --------
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"], "infused": ["Y", "Y"]})
    >>> responses = pd.DataFrame(
    ...     {"subject_id": ["1", "2"], "day": [88, 40], "overall_response": ["CR", "PD"]})
    >>> month3 = at_visit(responses, subjects, strategy="failure")
    >>> month3.subjects["reason"].tolist()
    ['OBS', 'PRIOR_PD']
    """
    if visit not in rules.visits:
        raise ValueError(f"visit must be one of {', '.join(rules.visits)}; got {visit!r}")
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}; got {strategy!r}")
    course = courses.course(responses, subjects, events)
    rows, assessed = _visit_rows(course, visit, strategy, rules)
    late = course.assessments[~course.usable(strategy)]
    beyond = results.excluded_rows(late, "responses", "after the end of the usable sequence")
    return ResponseResult(
        subjects=rows,
        summary=_rates(_visit_cells(course, visit, strategy, rows, assessed, by), rules),
        excluded=results.concat([course.excluded, beyond], results.EXCLUDED_COLUMNS),
        rules=rules,
        population=derive.population(course.subjects),
        analysis="response.at_visit",
    )


def best_overall(
    responses: Table,
    subjects: Table,
    events: Table | None = None,
    *,
    confirmed: bool = False,
    by: str | None = "dose_level",
    rules: ResponseRules = DEFAULT_RULES,
) -> BestResponseResult:
    """Best overall response of each subject up to progression, new therapy or second infusion.

    Parameters
    ----------
    responses : DataFrame or sequence of ResponseAssessment
        subject_id, overall_response, day (days since infusion) or assessment_date; mrd (POS, NEG)
        where it was measured.
    subjects, events
        As in `at_visit`.
    confirmed : bool
        Count only responses confirmed at least `confirm_days` later; an unconfirmed one is SD, or NE
        before `sd_min_days`.
    by : str or None
        Column of `subjects` that groups the summary.
    rules : ResponseRules, optional
        Responder set, SD and confirmation rules.

    Returns
    -------
    BestResponseResult
        `best_response` is a category, `MISSING` (no usable assessment) or `NOT_INFUSED`.

    Raises
    ------
    DataError
        For an unknown response category or an assessment after death.

    Notes
    -----
    Confirmation is that of the R package admiralonco: the first later assessment at least as good
    and late enough confirms, when everything between is as good or NE (for PR also PR or one
    accepted SD, and no PR after a better response).

    Examples
    --------
    >>> subjects = pd.DataFrame({"subject_id": ["1"]})
    >>> responses = pd.DataFrame(
    ...     {"subject_id": ["1", "1"], "day": [28, 60], "overall_response": ["PR", "CR"]})
    >>> best_overall(responses, subjects).subjects["best_response"].tolist()
    ['CR']
    >>> best_overall(responses, subjects, confirmed=True).subjects["best_response"].tolist()
    ['PR']
    """
    course = courses.course(responses, subjects, events)
    usable = course.usable("failure")
    found = best_of_each(course, usable, rules, confirmed=confirmed)
    beyond = results.excluded_rows(
        course.assessments[~usable], "responses", "after progression, new therapy or second infusion"
    )
    shown = course.assessments[["subject_id", "day", "response", "mrd"]].fillna({"mrd": ""})
    return BestResponseResult(
        subjects=found,
        summary=_best_rates(course, found, by, rules),
        excluded=results.concat([course.excluded, beyond], results.EXCLUDED_COLUMNS),
        rules=rules,
        population=derive.population(course.subjects),
        confirmed=confirmed,
        assessments=shown.assign(usable=usable.astype("int64")),
        events=course.events(),
    )


def objective_response(
    responses: Table,
    subjects: Table,
    events: Table | None = None,
    *,
    by: str | None = "dose_level",
    rules: ResponseRules = DEFAULT_RULES,
) -> ResponseResult:
    """Response rates at every visit, under every strategy, in every population.

    Parameters
    ----------
    responses, subjects, events
        As in `at_visit`; whoever is in `subjects` counts.
    by : str or None
        Column of `subjects` that defines the groups; None gives ``ALL`` only.
    rules : ResponseRules, optional
        Visits, strategies, responder set, interval.

    Returns
    -------
    ResponseResult
        `.summary` has a row per visit, strategy, population and group. Populations: ``ENROLLED``,
        ``INFUSED``, ``REACHED`` (infused, visit reached by the data cut-off or decided before it),
        ``EVALUABLE``, ``EVALUABLE_INCL_DEATH``. The visits ``BOR`` and ``CBOR`` are the best overall
        response and the confirmed one, strategy ``failure``.

    Raises
    ------
    DataError
        For an unknown response category or an assessment after death.

    Examples
    --------
    >>> subjects = pd.DataFrame({"subject_id": ["1", "2"], "infused": ["Y", "Y"]})
    >>> responses = pd.DataFrame(
    ...     {"subject_id": ["1", "2"], "day": [88, 40], "overall_response": ["CR", "PD"]})
    >>> rates = objective_response(responses, subjects).summary
    >>> row = rates[(rates.visit == "M3") & (rates.population == "INFUSED")].iloc[0]
    >>> f"{row.n_responder} of {row.n}: {row.estimate:.2f} ({row.ci_low:.2f}, {row.ci_high:.2f})"
    '1 of 2: 0.50 (0.01, 0.99)'
    """
    course = courses.course(responses, subjects, events)
    tables, cells = [], []
    for visit in rules.visits:
        for strategy in rules.strategies:
            rows, assessed = _visit_rows(course, visit, strategy, rules)
            tables.append(rows)
            cells += _visit_cells(course, visit, strategy, rows, assessed, by)
    usable = course.usable("failure")
    for name in ("BOR", "CBOR"):
        cells += _best_cells(course, name, best_of_each(course, usable, rules, confirmed=name == "CBOR"), by)
    return ResponseResult(
        subjects=pd.concat(tables, ignore_index=True),
        summary=_rates(cells, rules),
        excluded=course.excluded,
        rules=rules,
        population=derive.population(course.subjects),
    )


def waterfall(
    findings: pd.DataFrame, best: BestResponseResult, *, measure: str = "burden", unit: str = ""
) -> WaterfallResult:
    """Best percent change of the tumour burden of each subject: marrow blasts, or the sum of products.

    Parameters
    ----------
    findings : DataFrame
        One row per measurement: subject_id, day (days since infusion), value (in `unit`). The study tables
        hold categories, no measurements, so these come from the sponsor's own table.
    best : BestResponseResult
        Whose subjects count, their best response, and what ended the sequence of their assessments.
    measure, unit : str
        What was measured, in which unit; a unit that begins with ``%`` holds values to 0-100.

    Returns
    -------
    WaterfallResult

    Raises
    ------
    DataError
        For a value that is no number, negative, infinite or a percentage above 100, every one at once.

    Notes
    -----
    Baseline is the last measurement with day <= 0 (of one day the highest); the best is the lowest after it,
    up to progression, new therapy or second infusion (that day counts).

    Examples
    --------
    >>> responses = pd.DataFrame({"subject_id": ["1"], "day": [28], "overall_response": ["PR"]})
    >>> best = best_overall(responses, pd.DataFrame({"subject_id": ["1"]}))
    >>> spd = pd.DataFrame({"subject_id": "1", "day": [-5, 28, 60], "value": [20.0, 8.0, 11.0]})
    >>> waterfall(spd, best, unit="cm2").subjects["best_percent_change"].tolist()
    [-60.0]
    """
    words = best.subjects.set_index("subject_id")["best_response"]
    rows = burden.measured(findings, percent=unit.startswith("%"))
    why = burden.set_aside(rows, words.index, burden.end_of(words.index, best.events))
    table, reasons = burden.best_change(rows[why == ""], words)
    changes = table["best_percent_change"].dropna().to_numpy(dtype=float)
    line = summaries.describe(changes)
    summary = pd.DataFrame([{"group": derive.ALL, "n": line.n, "median": line.median, "min": line.min,
                             "max": line.max, "note": "" if line.n else "nobody with a change"}])  # fmt: skip
    return WaterfallResult(
        subjects=table, summary=summary, rules=best.rules, population=best.population, measure=measure,
        unit=unit or "unit not stated", reasons=reasons,
        excluded=results.excluded_rows(rows[why != ""], "findings", pd.Series(why, index=rows.index)),
    )  # fmt: skip


def relapses(
    responses: Table,
    subjects: Table,
    events: Table | None = None,
    *,
    rules: ResponseRules = DEFAULT_RULES,
) -> pd.DataFrame:
    """Who lost response or never had one, when, and with which CD7 status: what `pd.escape` reads.

    Parameters
    ----------
    responses : DataFrame or sequence of ResponseAssessment
        As in `at_visit`, with `relapse_cd7` (POS, NEG) where it was looked for.
    subjects, events, rules
        As in `at_visit`.

    Returns
    -------
    DataFrame
        One row per infused subject: subject_id, kind (`RELAPSE` after a response, `PROGRESSION` without one,
        `NO_RESPONSE` without either, empty: none of them and `note` says how far that is known), day (of the
        relapse or progression on this treatment, else of the last assessment), first_response_day,
        relapse_cd7 (`POS`, `NEG` or empty) and relapse_cd7_day (the first record of it on or after that day,
        before any other therapy), hsct_day, second_infusion_day, new_therapy_day, death_day, last_day (of
        follow-up); days since infusion.

    Raises
    ------
    DataError
        For an unknown response category or an assessment after death.

    Examples
    --------
    >>> responses = pd.DataFrame({"subject_id": "1", "day": [28, 90], "overall_response": ["CR", "RELAPSE"],
    ...                           "relapse_cd7": [None, "NEG"]})
    >>> table = relapses(responses, pd.DataFrame({"subject_id": ["1"]}))
    >>> table[["kind", "day", "relapse_cd7"]].values.tolist()
    [['RELAPSE', 90.0, 'NEG']]
    """
    course = courses.course(responses, subjects, events)
    best = best_of_each(course, course.usable("failure"), rules, confirmed=False)
    return lane_rows.relapses(course, best.set_index("subject_id")["first_response_day"])


def compare(x1: int, n1: int, x2: int, n2: int, *, conf_level: float = 0.95) -> pd.DataFrame:
    """Two response rates side by side: every interval of the difference and every exact test.

    Parameters
    ----------
    x1, n1, x2, n2 : int
        Responders, of subjects, in each group; the difference is group 1 less group 2.
    conf_level : float, default 0.95
        Two-sided level of the intervals.

    Returns
    -------
    DataFrame
        method, estimate (difference of fractions), ci_low, ci_high, p_value (two-sided): one row per
        interval, then one per test; an interval has no p-value and a test no limits.

    Raises
    ------
    ValueError
        For counts that are not whole or outside ``0..n``, or a level outside (0, 1).

    Examples
    --------
    >>> table = compare(7, 9, 3, 9).set_index("method")
    >>> f"{table.loc['newcombe', 'ci_low']:.3f}, p {table.loc['fisher', 'p_value']:.3f}"
    '-0.007, p 0.153'
    """
    counts = x1, n1, x2, n2
    rows: list[tuple[str, npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]] = []
    for method in proportions.DIFFERENCE_METHODS:
        low, high = proportions.difference_interval(*counts, method=method, conf_level=conf_level)
        rows.append((method, low, high, np.nan))
    for method in proportions.COMPARE_METHODS:
        rows.append((method, np.nan, np.nan, proportions.compare_test(*counts, method=method)))
    table = pd.DataFrame(rows, columns=["method", "ci_low", "ci_high", "p_value"])
    table.insert(1, "estimate", x1 / n1 - x2 / n2 if n1 and n2 else np.nan)
    return table.astype(dict.fromkeys(["estimate", "ci_low", "ci_high", "p_value"], "float64"))


# ------------------------------------------------------------------------- response at a visit


def _visit_rows(
    course: Course, visit: str, strategy: str, rules: ResponseRules
) -> tuple[pd.DataFrame, Flags]:
    """Rows of one visit and strategy, and who has an evaluable assessment for the visit at all."""
    window, index = rules.visits[visit], course.days.index
    usable = course.assessments[course.usable(strategy)]
    evaluable = usable[usable["rank"] <= courses.LAST_EVALUABLE]
    chosen = _chosen(course, evaluable, window, strategy, rules)
    not_evaluable = usable.loc[(usable["response"] == "NE") & window.contains(usable["day"]), "subject_id"]
    reason, note = _reasons(
        course, chosen, window, index.isin(not_evaluable), nothing_ends=strategy == "treatment-policy"
    )
    responds = chosen["response"].isin(rules.responder).to_numpy() & (reason == "OBS")
    if rules.bracket:
        between = np.isin(reason, ("NE", "MISSED")) & _bracketed(evaluable, window, rules, index)
        responds |= between
        note = np.where(between, note + "; response before and after the window", note)
    known = np.isin(reason, ("OBS", "PRIOR_PD", "NEW_THERAPY", "SECOND_INFUSION"))
    known |= (reason == "SCT") & (strategy == "hsct-failure")
    rows = pd.DataFrame(
        {
            "subject_id": index, "visit": visit, "strategy": strategy,
            "response": chosen["response"].fillna("").to_numpy(), "day": chosen["day"].to_numpy(),
            "responder": np.where(np.isin(reason, ("NOT_REACHED", "NOT_INFUSED")), np.nan, responds),
            "evaluable": np.where(reason == "NOT_INFUSED", np.nan, known), "reason": reason, "note": note,
        },
        columns=list(_VISIT_COLUMNS),
    )  # fmt: skip
    seen = course.assessments[course.assessments["rank"] <= courses.LAST_EVALUABLE]
    in_window = seen.loc[window.contains(seen["day"]), "subject_id"]
    return rows, np.asarray(index.isin(in_window) | (reason == "OBS"), dtype=bool)


def _chosen(
    course: Course, evaluable: pd.DataFrame, window: Window, strategy: str, rules: ResponseRules
) -> pd.DataFrame:
    """Response and day that count for the window, by subject, and the day of an HSCT that is a reason."""
    picked = derive.nearest_in_windows(evaluable, {"": window}, tie=rules.tie, pick=rules.pick)
    chosen = picked.set_index("subject_id")[["response", "day"]].reindex(course.days.index)
    hsct = course.days["HSCT"]
    chosen["carried"] = False
    chosen["hsct"] = hsct if strategy in ("hsct-failure", "stop-at-hsct") else np.nan
    if strategy != "hsct-carry-forward":
        return chosen
    nothing_seen = chosen["day"].isna() & (hsct < window.upper)
    decides = ((hsct < window.target) | nothing_seen) & (hsct <= course.end(strategy))
    before = evaluable[evaluable["day"] <= evaluable["subject_id"].map(hsct)]
    last = before.drop_duplicates("subject_id", keep="last").set_index("subject_id").reindex(chosen.index)
    for column in ("response", "day"):
        chosen[column] = chosen[column].where(~decides, last[column])
    chosen["carried"] = decides & last["day"].notna()
    # Nothing to carry forward: what was seen after HSCT cannot stand in for it.
    chosen["hsct"] = hsct.where(decides & last["day"].isna())
    return chosen


def _reasons(
    course: Course, chosen: pd.DataFrame, window: Window, not_evaluable: Flags, *, nothing_ends: bool
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """The first true reason for each subject, and what there is to say about it."""
    days, end, cutoff = course.days, window.upper, course.days["DATA_CUTOFF"]
    new, second = days["NEW_THERAPY"], days["SECOND_INFUSION"]
    switches = np.zeros(len(days), dtype=bool) if nothing_ends else (np.fmin(new, second) <= end).to_numpy()
    second_first = ~(new <= second).to_numpy() & second.notna().to_numpy()
    carried = courses.dated("carried forward from before HSCT on day ", days["HSCT"])
    reasons = [
        ("NOT_INFUSED", ~course.infused, "not infused"),
        ("OBS", chosen["day"].notna(), np.where(chosen["carried"], carried, "")),
        ("PRIOR_PD", (days["PROGRESSION"] <= end) & (not nothing_ends),
         courses.dated("progression on day ", days["PROGRESSION"])),
        ("SECOND_INFUSION", switches & second_first, courses.dated("second infusion on day ", second)),
        ("NEW_THERAPY", switches, courses.dated("new therapy on day ", new)),
        ("DEATH", days["DEATH"] <= end, courses.dated("died on day ", days["DEATH"])),
        ("SCT", chosen["hsct"] <= end, courses.dated("HSCT on day ", chosen["hsct"])),
        ("NE", not_evaluable, "assessment in the window not evaluable"),
        ("WITHDRAWN", days["WITHDRAWAL"] <= end, courses.dated("withdrawn on day ", days["WITHDRAWAL"])),
        ("NOT_REACHED", cutoff < end, courses.dated("window still open at the data cut-off, day ", cutoff)),
    ]  # fmt: skip
    conditions = [np.asarray(condition, dtype=bool) for _, condition, _ in reasons]
    words = [np.full(len(days), reason, dtype=object) for reason, _, _ in reasons]
    notes = [np.full(len(days), note, dtype=object) for _, _, note in reasons]
    missed = "no assessment in the window"
    return np.select(conditions, words, "MISSED"), np.select(conditions, notes, missed)


def _bracketed(evaluable: pd.DataFrame, window: Window, rules: ResponseRules, index: pd.Index) -> Flags:
    """Whether the last assessment before the window and the first one after it are responses."""
    before = evaluable[evaluable["day"] < window.lower].drop_duplicates("subject_id", keep="last")
    after = evaluable[evaluable["day"] > window.upper].drop_duplicates("subject_id")
    both = [index.isin(side.loc[side["response"].isin(rules.responder), "subject_id"])
            for side in (before, after)]  # fmt: skip
    return np.asarray(both[0] & both[1], dtype=bool)


# ---------------------------------------------------------------------------------------- rates


def _visit_cells(
    course: Course, visit: str, strategy: str, rows: pd.DataFrame, assessed: Flags, by: str | None
) -> list[dict[str, object]]:
    """Counts of one visit and strategy, by population and group."""
    members = members_of(rows)
    return _cells(
        course,
        {"visit": visit, "strategy": strategy},
        members,
        rows["responder"].to_numpy() == 1,
        assessed,
        by,
    )


def _best_cells(course: Course, visit: str, best: pd.DataFrame, by: str | None) -> list[dict[str, object]]:
    members = {"ENROLLED": np.ones(len(best), dtype=bool), "INFUSED": course.infused}
    assessed = ~best["best_response"].isin(["NE", "ND", "MISSING", "NOT_INFUSED"]).to_numpy()
    key = {"visit": visit, "strategy": "failure"}
    return _cells(course, key, members, best["responder"].to_numpy() == 1, assessed, by)


def _cells(
    course: Course,
    key: Mapping[str, object],
    members: Mapping[str, Flags],
    responds: Flags,
    assessed: Flags,
    by: str | None,
) -> list[dict[str, object]]:
    return [
        {**key, "population": population, "group": group,
         "n_responder": int((member & among & responds).sum()), "n": int((member & among).sum()),
         "n_not_evaluable": int((member & among & ~assessed).sum())}
        for population, among in members.items()
        for group, member in derive.groups(course.subjects, by)
    ]  # fmt: skip


def _rates(cells: Sequence[Mapping[str, object]], rules: ResponseRules) -> pd.DataFrame:
    columns = ["visit", "strategy", "population", "group", "n_responder", "n", "n_not_evaluable"]
    counts = pd.DataFrame(list(cells), columns=columns)
    return _with_interval(counts, "n_responder", rules)


def _with_interval(counts: pd.DataFrame, events: str, rules: ResponseRules) -> pd.DataFrame:
    """Counts with their fraction and interval; NaN and a note where nobody counts."""
    n = counts["n"].to_numpy(dtype=float)
    low, high = proportions.interval(counts[events], n, method=rules.ci_method, conf_level=rules.conf_level)
    return counts.assign(
        estimate=counts[events] / np.where(n > 0, n, np.nan), ci_low=low, ci_high=high,
        method=proportions.METHODS[rules.ci_method], conf_level=rules.conf_level,
        note=np.where(n > 0, "", "nobody in this population"),
    )  # fmt: skip


def _best_rates(course: Course, best: pd.DataFrame, by: str | None, rules: ResponseRules) -> pd.DataFrame:
    """How often each best response occurs among the infused, by group."""
    word = best["best_response"]
    occur = [name for name in (*CATEGORIES, "MISSING") if (word == name).any()]
    having = {name: (word == name).to_numpy() for name in occur}
    having["RESPONDER"] = best["responder"].to_numpy() == 1
    having["MRD_NEGATIVE_CR"] = best["first_mrd_negative_cr_day"].notna().to_numpy()
    rows = [
        {"group": group, "category": name, "n_event": int((member & course.infused & has).sum()),
         "n": int((member & course.infused).sum())}
        for group, member in derive.groups(course.subjects, by)
        for name, has in having.items()
    ]  # fmt: skip
    return _with_interval(pd.DataFrame(rows), "n_event", rules)
