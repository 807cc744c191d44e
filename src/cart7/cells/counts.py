"""Cell counts as courses: from the table of CD7+ samples to usable samples in order, with their baselines.

Here: which samples are usable and why others are not, what stands for a value below the limit, units,
the baseline sample before infusion or before lymphodepletion, the samples up to a censoring event. Not
here: visits and their summary (`pd`), nadir, clearance and recovery (`depletion_course`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from cart7 import derive, records, results
from cart7.errors import DataError, Problem, UnitError
from cart7.results import first_reason

Table: TypeAlias = pd.DataFrame | Iterable[records.Record]

SERIES = ["subject_id", "parameter"]
USUAL_UNITS = {
    "CD7POS_ABS": "cells/uL",
    "CD7POS_PCT": "% of lymphocytes",
    "LYM_ABS": "cells/uL",
    "CD3POS_CD7NEG_ABS": "cells/uL",
}
UNKNOWN_UNIT = "unit not stated"


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """The usable samples in order of subject, parameter, day and row, and what is known about them."""

    people: pd.DataFrame
    samples: pd.DataFrame
    excluded: pd.DataFrame
    parameters: tuple[str, ...]
    units: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Baselines:
    """The baseline sample of each series, and by subject why there may be none."""

    samples: pd.DataFrame
    why: pd.Series


def read(
    pd_samples: Table, subjects: Table, parameter: str | None, *, labelled: bool, half_lloq: bool
) -> Course:
    """Usable samples of one parameter, or of all.

    Parameters
    ----------
    pd_samples, subjects : DataFrame or sequence of records
        The tables `pd` and `subjects`.
    parameter : str or None
        One parameter, or None for each.
    labelled : bool
        Whether visits are nominal labels: a sample needs its label then, else its day.
    half_lloq : bool
        Whether LLOQ/2, not 0, stands for a value below the limit.

    Returns
    -------
    Course
        `value` and `log_value` after the rules for values below the limit, `blq` boolean.
    """
    people = derive.subject_table(subjects)
    needs = ("parameter", "value") if isinstance(pd_samples, pd.DataFrame) else ()
    fill = ("parameter", "value", "day", "sample_date", "blq", "lloq", "nominal_day", "nominal_label", "unit")
    frame = records.to_frame(pd_samples, "pd", needs=needs, fill=fill)
    frame = _of_parameter(derive.with_day(frame, people, date="sample_date"), parameter)
    _refuse_impossible(frame)
    # A column of truth values or of 0 and 1 is text by now; any other word means below the limit.
    flagged = frame["blq"].notna() & ~frame["blq"].isin(("False", "0"))
    below = (flagged | (frame["value"] < frame["lloq"])).astype(bool)
    reason = first_reason(
        (~frame["subject_id"].isin(people["subject_id"]), "not a subject of this analysis"),
        (frame["parameter"].isna(), "parameter missing"),
        (frame["value"].isna() & ~below, "value missing"),
        (frame["day"].isna() & (not labelled), "day missing"),
        (frame["nominal_label"].isna() & labelled, "nominal_label missing"),
    )
    half = frame["lloq"] / 2
    in_place = half if half_lloq else pd.Series(0.0, index=frame.index)
    frame = frame.assign(
        blq=below,
        log_value=half.where(below, frame["value"].where(frame["value"] > 0)),
        value=in_place.where(below, frame["value"]),
    )
    samples = frame[reason == ""].sort_values([*SERIES, "day"], kind="stable")
    excluded = results.excluded_rows(frame[reason != ""], "pd", pd.Series(reason, index=frame.index))
    named = frame["parameter"].dropna().unique().tolist() if parameter is None else [parameter]
    return Course(
        people=people,
        samples=samples,
        excluded=excluded,
        parameters=tuple(sorted(named)),
        units=_units(samples),
    )


def _refuse_impossible(frame: pd.DataFrame) -> None:
    """Negative values, and shares of lymphocytes above 100 %: every one at once."""
    share = frame["unit"].fillna(frame["parameter"].map(USUAL_UNITS)) == USUAL_UNITS["CD7POS_PCT"]
    expected = {
        "a value is 0 or more": frame["value"] < 0,
        "a share of lymphocytes is a percentage, 0 to 100": share & (frame["value"] > 100),
    }
    problems = [
        Problem(table="pd", row=int(row["row"]), column="value", value=row["value"], rule="PD-VALUE",
                subject_id=row["subject_id"], message=words)
        for words, wrong in expected.items()
        for row in frame[wrong].to_dict("records")
    ]  # fmt: skip
    if problems:
        raise DataError(problems)


def _of_parameter(frame: pd.DataFrame, parameter: str | None) -> pd.DataFrame:
    """Rows of one parameter, or all; a name the table does not know is an error."""
    if parameter is None:
        return frame
    known = sorted(frame["parameter"].dropna().unique().tolist())
    if known and parameter not in known:
        raise ValueError(f"parameter must be one of {', '.join(known)}, got {parameter!r}")
    return frame[frame["parameter"] == parameter]


def _units(samples: pd.DataFrame) -> dict[str, str]:
    """Unit of each parameter; the usual one where the table gives none."""
    found: dict[str, str] = {}
    for parameter, units in samples.groupby("parameter")["unit"]:
        stated = sorted(units.dropna().unique().tolist())
        if len(stated) > 1:
            raise UnitError(f"pd: {parameter} stands in more than one unit: {', '.join(stated)}")
        found[str(parameter)] = stated[0] if stated else USUAL_UNITS.get(str(parameter), UNKNOWN_UNIT)
    return found


def unit_of(units: Mapping[str, str], parameter: str) -> str:
    """Unit of a parameter; the usual one, or the words that it is not stated."""
    return units.get(parameter, USUAL_UNITS.get(parameter, UNKNOWN_UNIT))


def baselines(course: Course, lymphodepletion: Table | None, rule: str) -> Baselines:
    """Last sample with day <= 0, or last sample before the first day of lymphodepletion."""
    samples, ids = course.samples, course.people["subject_id"]
    if rule == "last-before-infusion":
        eligible = samples[samples["day"] <= 0]
        why = pd.Series("no baseline: no sample before infusion", index=ids)
    else:
        start = _lymphodepletion_start(lymphodepletion, course.people)
        eligible = samples[samples["day"] < samples["subject_id"].map(start)]
        why = pd.Series("no sample before lymphodepletion", index=ids)
        why[~why.index.isin(start.index)] = "start of lymphodepletion not known"
    return Baselines(samples=eligible.drop_duplicates(SERIES, keep="last"), why=why)


def _lymphodepletion_start(lymphodepletion: Table | None, people: pd.DataFrame) -> pd.Series:
    """First day of lymphodepletion by subject, those known only."""
    if lymphodepletion is None:
        return pd.Series(dtype="float64")
    doses = records.to_frame(lymphodepletion, "lymphodepletion")
    doses = derive.with_day(doses, people, date="date")
    return doses.dropna(subset=["day"]).groupby("subject_id")["day"].min()


def before_censoring(
    course: Course, events: Table | None, censor_at: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Samples up to the first censoring event, and the later ones as excluded."""
    if events is None or not censor_at:
        return course.samples, results.excluded_frame()
    dated = derive.with_day(records.to_frame(events, "events", needs=("event",)), course.people, date="date")
    ends = dated[dated["event"].isin(censor_at) & (dated["day"] >= 0)]
    first = ends.groupby("subject_id")["day"].min()
    late = course.samples["day"] > course.samples["subject_id"].map(first)
    reason = f"after {' or '.join(censor_at)}"
    return course.samples[~late], results.excluded_rows(course.samples[late], "pd", reason)


def of_subjects(baseline: Baselines, ids: pd.Index) -> pd.DataFrame:
    """Baseline of one parameter by subject: value, day, blq, and why it cannot be a reference (`why_not`)."""
    own = baseline.samples.set_index("subject_id")[["value", "day", "blq"]].reindex(ids)
    below = own["blq"].eq(True)
    missing = (own["day"].isna(), baseline.why.reindex(ids))
    own["why"] = first_reason(missing, (own["value"].isna(), "baseline below the limit, and no LLOQ given"))
    own["why_not"] = first_reason(
        missing, (below, "baseline below the limit"), (own["value"] <= 0, "baseline is 0")
    )
    return own.assign(reference=own["value"].where(own["why_not"] == ""))


def early_samples(used: pd.DataFrame, baselines: Sequence[Baselines], own: pd.DataFrame) -> pd.DataFrame:
    """Samples before infusion, or up to the baseline sample, that are no baseline: as excluded."""
    early = (used["day"] < 0) | (used["day"] <= used["subject_id"].map(own["day"]))
    taken = used.index.isin(np.concatenate([baseline.samples.index for baseline in baselines]))
    return results.excluded_rows(used[early & ~taken], "pd", "before infusion and not the baseline sample")
