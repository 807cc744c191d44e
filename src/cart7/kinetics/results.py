"""What the kinetics room hands out: results as frozen records, and their long rows.

Here: the shape of each result, its title and figure, and how it unfolds into the long form. Not here: how
a result is made (`pk`), codes and units of the parameters (`rows`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import pandas as pd
from pydantic import BaseModel

from cart7 import results
from cart7.kinetics import curves, detection, flags, models, pp, visits
from cart7.kinetics.profiles import KEYS, text_column
from cart7.kinetics.rows import (
    PPTESTCD,
    WINDOW,
    dimensions,
    label_of,
    profile_rows,
    suffix,
    summary_units,
    window_rows,
)
from cart7.kinetics.rules import NcaRules
from cart7.kinetics.summary import DESCRIBED
from cart7.results import EndpointResult


@dataclass(frozen=True, kw_only=True, eq=False)
class NcaResult(EndpointResult):
    """Exposure parameters of each profile.

    Attributes
    ----------
    subjects : DataFrame
        One row per profile: its keys, `unit`, the parameters (days, unit of the assay, their products) and
        `note`, codes with their words separated by semicolons.
    windows : DataFrame
        One row per profile and window: keys, `start, end` (days), `value`, `status`,
        `percent_beyond_tlast`, `start_rule`, `actual_end` (days; where the window ends with its visit).
    flags : DataFrame
        One row per flag: keys, `param`, `timepoint` (of a window), `code`, the `value` that raised it, the
        `limit` it broke, `note`. A flag never hides a value.
    points : DataFrame
        One row per row of the input: keys, `day, value, blq, in_auc, in_lambda_z, note`, and `lloq`, `unit`
        where the input has them.
    summary : DataFrame
        Empty; see `exposure`.
    """

    title: ClassVar[str] = "Exposure parameters by profile"
    figure: ClassVar[str] = "kinetics_spaghetti"
    windows: pd.DataFrame = field(repr=False)
    points: pd.DataFrame = field(repr=False)
    flags: pd.DataFrame = field(repr=False)

    def accepted(self, param: str, timepoint: str = "") -> pd.Series:
        """Whether each profile has a value of a parameter that no flag stands beside.

        Parameters
        ----------
        param : str
            A parameter of `subjects`, for example `half_life`.
        timepoint : str
            Which window of `auc_window`, for example `0-90`; the first by default.

        Returns
        -------
        Series of bool
            In the order of `subjects`.

        Raises
        ------
        ValueError
            For another parameter, or a window that is not there.
        """
        if param not in PPTESTCD:
            raise ValueError(f"param must be one of {', '.join(PPTESTCD)}, got {param!r}")
        names = [label_of(*ends) for ends in self._nca_rules().windows] if param == "auc_window" else [""]
        window = timepoint or names[0]
        if window not in names:
            known = ", ".join(filter(None, names)) or "none"
            raise ValueError(f"timepoint must name a window of {param} ({known}), got {timepoint!r}")
        values = self.subjects[param]
        if param == "auc_window":  # windows stand profile by profile, in the order of the rules
            values = pd.Series(self.windows["value"].to_numpy()[names.index(window) :: len(names)])
        keys = self.subjects[[name for name in KEYS if name in self.subjects.columns]]
        return values.notna() & (flags.words_of(self.flags, keys, param, window) == "")

    def to_pp(
        self, *, study_id: str = "", specimen: str = "", reference: Mapping[str, str] | None = None
    ) -> pd.DataFrame:
        """Rows of SDTM domain PP, one per profile and parameter and one per window.

        Parameters
        ----------
        study_id, specimen : str
            STUDYID and PPSPEC.
        reference : mapping, optional
            Date of the first infusion (ISO 8601) by `subject_id`, for PPRFTDTC.

        Returns
        -------
        DataFrame
            As `kinetics.pp.pp_rows` says; `to_supppp` has the status of each window and the notes.
        """
        return pp.pp_rows(
            self.subjects, self.windows, rules=self._nca_rules(), study_id=study_id, specimen=specimen,
            reference=reference,
        )  # fmt: skip

    def to_supppp(self, *, study_id: str = "") -> pd.DataFrame:
        """Rows of SUPPPP that go with `to_pp`: status and start of each window, notes, sponsor's codes."""
        return pp.pp_supplement(self.subjects, self.windows, rules=self._nca_rules(), study_id=study_id)

    def _nca_rules(self) -> NcaRules:
        return self.rules if isinstance(self.rules, NcaRules) else NcaRules()

    def _long(self) -> list[pd.DataFrame]:
        return [
            *profile_rows(self.subjects, "pk.nca", self.population, _ways(self.rules)),
            *window_rows(self.windows, self.subjects, self.population, _ways(self.rules)),
            _flag_rows(self.flags, self.population),
        ]


def _flag_rows(raised: pd.DataFrame, population: str) -> pd.DataFrame:
    """The codes of each flagged parameter as one text, with their words as its note."""
    keys = [name for name in KEYS if name in raised.columns]
    told = raised.assign(flags=raised["code"] + ": " + raised["note"])
    grouped = told.groupby([*keys, "param", "timepoint"], dropna=False, sort=False)
    lines = grouped["flags"].agg("; ".join).reset_index()
    return results.long_rows(
        lines, analysis="pk.nca", param=lines["param"].map(PPTESTCD) + dimensions(lines),
        timepoint=lines["timepoint"], population=population, subject_id=text_column(lines, "subject_id"),
        stats=["flags"],
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class SlopeWindowsResult(EndpointResult):
    """Every window from which the terminal slope of a profile was chosen.

    Attributes
    ----------
    subjects : DataFrame
        One row per profile and window: keys, `n` samples, `start, end` (days), `lambda_z` (per day, negative
        where the values rise), `half_life` (days), `r_squared, adj_r_squared`, `span_ratio` (half-lives),
        `chosen` (bool) and `note`, why another was taken.
    summary : DataFrame
        Empty.
    """

    title: ClassVar[str] = "Candidate windows of the terminal slope"

    def _long(self) -> list[pd.DataFrame]:
        rows = self.subjects.assign(chosen=self.subjects["chosen"].astype("float64"))
        window = pd.Series(
            [label_of(start, end) for start, end in zip(rows["start"], rows["end"], strict=True)],
            index=rows.index, dtype=object,
        )  # fmt: skip
        return [
            results.long_rows(
                rows, analysis="pk.slope_windows", param="LAMZ" + dimensions(rows), timepoint=window,
                population=self.population, subject_id=text_column(rows, "subject_id"),
                stats=["n", "lambda_z", "half_life", "r_squared", "adj_r_squared", "span_ratio", "chosen"],
                units={"lambda_z": "/day", "half_life": "days"}, method="least squares of ln(value)",
                reasons={"adj_r_squared": (rows["n"] == 2).map({True: "two samples only", False: ""})},
            )
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class CensoredSlopeResult(EndpointResult):
    """Terminal slope of each profile with samples below the limit as left-censored.

    Attributes
    ----------
    subjects : DataFrame
        One row per profile: keys, `n_quantifiable, n_blq` (samples of the window), `lambda_z` (per day) with
        `lambda_z_std_err`, `half_life` (days), `intercept` (ln value at day 0), `sigma` (of ln value),
        `log_likelihood`, `note`.
    summary : DataFrame
        Empty.
    window : str
        Which samples: `after-tmax` or `to-first-blq`.
    """

    title: ClassVar[str] = "Terminal slope, below the limit as censored"
    window: str = "after-tmax"

    def _long(self) -> list[pd.DataFrame]:
        rows = self.subjects
        numbers = ["lambda_z", "lambda_z_std_err", "half_life", "intercept", "sigma", "log_likelihood"]
        return [
            results.long_rows(
                rows, analysis="pk.terminal_slope_censored", param="LAMZ" + dimensions(rows),
                timepoint=self.window, population=self.population,
                subject_id=text_column(rows, "subject_id"), stats=["n_quantifiable", "n_blq", *numbers],
                units={"lambda_z": "/day", "lambda_z_std_err": "/day", "half_life": "days"},
                method=dict.fromkeys(numbers, "maximum likelihood, below the limit left-censored"),
            )
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class CurveFitResult(EndpointResult):
    """Curve of expansion and contraction of each profile.

    Attributes
    ----------
    subjects : DataFrame
        One row per profile: keys, `n` samples used, `cmax` (unit of the assay), `tmax` (days), `fold`,
        `alpha, beta` (per day), `slow_fraction`, `growth_rate` (per day), `doubling_time` (days), `sse` (of
        ln value, quantifiable samples), `converged` (bool), `n_quantifiable`, `sigma`, `log_likelihood`,
        standard errors of the logs (of the logit of the slow fraction), `at_bound`, `unit`, `note`.
    curves : DataFrame
        Keys, `day` and `fitted` (unit of the assay) of every fitted profile, close enough to draw.
    points : DataFrame
        The samples, as in `NcaResult`.
    summary : DataFrame
        Empty.
    blq : str
        Samples below the limit: `censored` or `drop`.
    """

    title: ClassVar[str] = "Expansion and contraction curve"
    figure: ClassVar[str] = "curve_fits"
    points: pd.DataFrame = field(repr=False)
    curves: pd.DataFrame = field(repr=False)
    blq: str = "censored"

    def _long(self) -> list[pd.DataFrame]:
        rows = self.subjects.assign(converged=self.subjects["converged"].astype("float64"))
        way = "maximum likelihood, below the limit censored" if self.blq == "censored" else "least squares"
        units: dict[str, str | pd.Series] = {
            "cmax": rows["unit"].where(rows["unit"] != "", "unit not stated")
        }
        units |= dict.fromkeys(("tmax", "doubling_time"), "days")
        units |= dict.fromkeys(("alpha", "beta", "growth_rate"), "/day")
        numbers = [name for name in curves.COLUMNS if name not in ("n", "n_quantifiable", "at_bound")]
        return [
            results.long_rows(
                rows, analysis="pk.fit_kinetics", param="CURVE" + dimensions(rows), timepoint=self.blq,
                population=self.population, subject_id=text_column(rows, "subject_id"),
                stats=["n", "n_quantifiable", *numbers], units=units,
                method=dict.fromkeys(numbers, f"{way} of ln(value)"),
                reasons=dict.fromkeys(curves.ERRORS, "not identified, or at a bound"),
            )
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeAboveResult(EndpointResult):
    """Days at or above thresholds.

    Attributes
    ----------
    subjects : DataFrame
        One row per profile and threshold: keys, `threshold` (unit of the assay), `time_above` (days),
        `note`, `unit`.
    summary : DataFrame
        Empty.
    """

    title: ClassVar[str] = "Time above threshold"

    def _long(self) -> list[pd.DataFrame]:
        rows = self.subjects
        return [
            results.long_rows(
                rows, analysis="pk.time_above",
                param="TAT" + dimensions(rows) + suffix(rows["threshold"]), population=self.population,
                subject_id=text_column(rows, "subject_id"), stats=["threshold", "time_above"],
                units={"threshold": rows["unit"].where(rows["unit"] != "", "unit not stated"),
                       "time_above": "days"}, method=_ways(self.rules)[0],
            )
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class ExposureResult(EndpointResult):
    """Exposure parameters summarised by group.

    Attributes
    ----------
    summary : DataFrame
        One row per `param` (a column of `subjects`), assay and group: `n` with a value, `n_missing`, means,
        geometric mean with t interval, quartiles, range; `note` says why a number is missing.
    subjects : DataFrame
        The profiles behind it, and a row for each subject without one.
    """

    title: ClassVar[str] = "Exposure parameters"
    figure: ClassVar[str] = "exposure_by_group"

    def _long(self) -> list[pd.DataFrame]:
        codes = self.summary["param"].map(PPTESTCD) + suffix(self.summary["assay"])
        window = self.rules.windows[0] if isinstance(self.rules, NcaRules) else (0.0, 28.0)
        in_window = self.summary["param"].isin(WINDOW)
        unit = summary_units(self.summary, self.subjects)
        summary = results.long_rows(
            self.summary, analysis="pk.exposure", param=codes,
            timepoint=in_window.map({True: label_of(*window), False: ""}), population=self.population,
            group=self.summary["group"], stats=["n", "n_missing", *DESCRIBED],
            units={name: unit for name in DESCRIBED if name not in ("geo_sd", "geo_cv_percent")}
            | {"geo_cv_percent": "%"},
            method={"geo_ci_low": "t interval of logs", "geo_ci_high": "t interval of logs"},
        )  # fmt: skip
        ways = _ways(self.rules)
        return [summary, *profile_rows(self.subjects, "pk.exposure", self.population, ways, window=window)]


@dataclass(frozen=True, kw_only=True, eq=False)
class PersistenceResult(EndpointResult):
    """Detection by visit, and the time to loss of each subject.

    Attributes
    ----------
    summary : DataFrame
        One row per assay, scheduled visit and group; `estimate` is the fraction quantifiable of the sampled.
    subjects : DataFrame
        One row per subject and assay: `time_low, time_high` bound the end (days), `event` is `LOSS`, `DEATH`,
        `HSCT` or `CENSORED`, `cause` 1 for loss, 2 for a competing end, 0 censored. Loss lies in
        (time_low, time_high]; a censored `time_high` is missing.
    at_visit : DataFrame
        One row per subject, assay and visit with a result: `quantifiable` 1 or 0.
    """

    title: ClassVar[str] = "Persistence"
    figure: ClassVar[str] = "persistence_bars"
    at_visit: pd.DataFrame = field(repr=False)

    def _long(self) -> list[pd.DataFrame]:
        counts = ["n_infused", "n_in_followup", "n_sampled", "n_quantifiable"]
        exact = dict.fromkeys(("estimate", "ci_low", "ci_high"), detection.CLOPPER_PEARSON)
        summary = results.long_rows(
            self.summary, analysis="pk.persistence", param="PERSISTENCE" + suffix(self.summary["assay"]),
            timepoint=self.summary["visit"], population=self.population, group=self.summary["group"],
            stats=[*counts, "estimate", "ci_low", "ci_high"], method=exact,
        )  # fmt: skip
        subjects = results.long_rows(
            self.subjects, analysis="pk.persistence", param="PERSISTENCE" + suffix(self.subjects["assay"]),
            population=self.population, subject_id=self.subjects["subject_id"],
            stats=["time_low", "time_high", "event", "cause"],
            units={"time_low": "days", "time_high": "days"},
        )  # fmt: skip
        return [summary, subjects]


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitLevelsResult(EndpointResult):
    """Levels of the cells by scheduled visit and group.

    Attributes
    ----------
    summary : DataFrame
        One row per assay, visit and group: `n` with a result, `n_blq` of them below the limit, `n_missing`;
        `mean, sd, median, q1, q3, min, max` with a sample below the limit as 0; `geo_mean, geo_sd,
        geo_cv_percent, geo_ci_low, geo_ci_high` with it as LLOQ/2; `unit`, `note`.
    subjects : DataFrame
        One row per subject, assay and visit: `day, value, below` (bool), `lloq`, `unit`, `note`.
    lloq : DataFrame
        The limits of quantification of each assay.
    blq_words : str
        What stood for a sample below the limit.
    """

    title: ClassVar[str] = "Levels by visit"
    figure: ClassVar[str] = "geometric_mean_course"
    lloq: pd.DataFrame = field(repr=False)
    blq_words: str = visits.BLQ_WORDS

    def _long(self) -> list[pd.DataFrame]:
        rows, unit = self.summary, self.summary["unit"].where(self.summary["unit"] != "", "unit not stated")
        numbers = [*visits.ARITHMETIC, *visits.GEOMETRIC]
        units = {name: unit for name in numbers if name not in ("geo_sd", "geo_cv_percent")}
        interval = dict.fromkeys(("geo_ci_low", "geo_ci_high"), "t interval of logs")
        return [
            results.long_rows(
                rows, analysis="pk.levels_by_visit", param="LEVEL" + suffix(rows["assay"]),
                timepoint=rows["visit"], population=self.population, group=rows["group"],
                stats=["n", "n_blq", "n_missing", *numbers], units=units | {"geo_cv_percent": "%"},
                method=interval,
            )
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class ExposureModelsResult(EndpointResult):
    """Exposure against dose and against outcome.

    Attributes
    ----------
    summary : DataFrame
        One row per assay, `param` and `dose`: the power model as `dose_proportionality` gives it, and `note`.
    associations : DataFrame
        One row per assay, `param` and `outcome`: as `exposure_response` gives it.
    subjects : DataFrame
        One row per subject, assay and `param`: `value`, `unit`, a column `dose_...` for each dose, `note`.
    outcomes : DataFrame
        One row per subject and outcome: `value`.
    by_outcome : DataFrame
        One row per assay, `param`, `outcome` and its value `level`: `n`, geometric mean with t interval,
        quartiles, range.
    dose_words : dict
        What each dose is, in words.
    """

    title: ClassVar[str] = "Exposure against dose and outcome"
    figure: ClassVar[str] = "exposure_against_dose"
    associations: pd.DataFrame = field(repr=False)
    outcomes: pd.DataFrame = field(repr=False)
    by_outcome: pd.DataFrame = field(repr=False)
    dose_words: dict[str, str] = field(repr=False, default_factory=dict)

    @property
    def values(self) -> pd.DataFrame:
        """The exposures, `subjects` by another name: what figures draw."""
        return self.subjects

    def _long(self) -> list[pd.DataFrame]:
        against_dose = results.long_rows(
            self.summary, analysis="pk.dose_proportionality", param=_codes(self.summary, "dose"),
            population=self.population, stats=[*models.DOSE_STATS],
            method="power model: least squares of ln(value) on ln(dose)",
        )  # fmt: skip
        ways = {"wilcoxon_p_value": "exact rank sum test", "wilcoxon_w": "exact rank sum test",
                "spearman_rho": "rank correlation", "kendall_tau": "tau-b"}  # fmt: skip
        ways |= {name: "Firth logistic regression on log2(value)" for name in models.OUTCOME_STATS
                 if name.startswith("firth")}  # fmt: skip
        ways |= dict.fromkeys(("pooled_ci_low", "pooled_ci_high"), "pooled t interval of logs")
        usual = "ratio of geometric means, Welch t of logs"
        against_outcome = results.long_rows(
            self.associations, analysis="pk.exposure_response", param=_codes(self.associations, "outcome"),
            population=self.population, stats=[*models.OUTCOME_STATS],
            method={name: ways.get(name, usual) for name in models.OUTCOME_STATS} | {"n": "count"},
        )  # fmt: skip
        levels = self.by_outcome["level"].map("{:.15g}".format)
        unit = summary_units(self.by_outcome, self.subjects)
        of_groups = results.long_rows(
            self.by_outcome, analysis="pk.exposure_by_outcome", param=_codes(self.by_outcome, "outcome"),
            population=self.population, group=levels, stats=["n", "n_missing", *DESCRIBED],
            units={name: unit for name in DESCRIBED if name not in ("geo_sd", "geo_cv_percent")}
            | {"geo_cv_percent": "%"},
            method={"geo_ci_low": "t interval of logs", "geo_ci_high": "t interval of logs"},
        )  # fmt: skip
        return [against_dose, against_outcome, of_groups]


def _codes(rows: pd.DataFrame, against: str) -> pd.Series:
    return rows["param"].map(PPTESTCD) + suffix(rows["assay"]) + suffix(rows[against])


def _ways(rules: BaseModel | None) -> tuple[str, str]:
    """How areas were obtained, and how areas of windows."""
    if not isinstance(rules, NcaRules):
        return "", ""
    return rules.auc_method, f"{rules.auc_method}, tail {rules.tail}"
