"""Kinetic samples as profiles: from a table of samples to rectangles of profiles x samples, and back.

Here: the typed table of samples, which rows belong to one profile, where each row stands in the rectangle
that the kernel takes, and the kernel's findings as tables of profiles, windows and samples. Not here: the
rules and the results (`pk`), the parameters themselves (stats.exposure).
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import records, results
from cart7.stats import exposure as kernel

Table: TypeAlias = pd.DataFrame | Iterable[records.Record]

KEYS = ("subject_id", "infusion_no", "assay")
COMPUTED = tuple(field.name for field in fields(kernel.Nca))
FAULTS = (
    "DUPLICATE_TIME", "NEGATIVE_VALUE", "MISSING_TIME", "NON_FINITE_VALUE", "MISSING_LLOQ", "MIXED_UNITS",
)  # fmt: skip
LATER_INFUSION = "days count from the first infusion"
_NOT_USED = ("missing result", "before day 0", "later duplicate")
FATES = {
    "missing result": "neither a value nor below the limit",
    "before day 0": "before day 0",
    "predose moved to day 0": "stands for day 0",
    "BLQ dropped": "below the limit, left out of areas",
    "merged": "merged with the other results of its time",
    "later duplicate": "a result of this time stands before it",
}
UNDER_LIMIT = "a value under the limit counts as below it"


def sample_table(kinetics: Table, *, needs: tuple[str, ...], anonymous: bool = False) -> pd.DataFrame:
    """Samples in typed columns; an infinite number stays one, so that it spoils its own profile only.

    `anonymous` allows a table without `subject_id`: the samples of one nameless subject. A flag column
    `blq` of truth values or of 0 and 1 is read as such.
    """
    if not isinstance(kinetics, pd.DataFrame):
        return records.to_frame(kinetics, "kinetics", needs=needs)
    if not len(kinetics) and not set(needs) <= set(kinetics.columns):
        return records.to_frame([], "kinetics")
    nameless = anonymous and "subject_id" not in kinetics.columns
    plain = kinetics.assign(subject_id="1") if nameless else kinetics.copy()
    infinite = np.zeros(len(plain), dtype=bool)
    for name in {"day", "nominal_day", "value"} & set(plain.columns):
        numbers = pd.to_numeric(plain[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        plain[name] = plain[name].mask(np.isinf(numbers))
        infinite |= np.isinf(numbers)
    frame = records.to_frame(plain, "kinetics", needs=needs)
    if "blq" in frame.columns:
        # A column of truth values or of 0 and 1 is text by now; any other word means below the limit.
        frame["blq"] = frame["blq"].mask(frame["blq"].isin(("False", "0")), None)
    frame["value"] = frame["value"].mask(infinite, np.inf)
    return frame.drop(columns="subject_id") if nameless else frame


def other_infusion(samples: pd.DataFrame, wanted: int | None) -> pd.Series:
    """Why a row is not analysed; empty where it is."""
    reason = pd.Series("", index=samples.index, dtype=object)
    if wanted is not None and "infusion_no" in samples.columns and samples["infusion_no"].notna().any():
        reason[samples["infusion_no"] != wanted] = f"not a sample of infusion {wanted}"
    return reason


@dataclass(frozen=True, kw_only=True, eq=False)
class Profiles:
    """Where each analysed row stands in the rectangle: `number` of its profile and `place` in it by time."""

    keys: pd.DataFrame
    number: NDArray[np.intp]
    place: NDArray[np.intp]
    unit: list[str]
    mixed: NDArray[np.bool_]

    def rectangle(self, values: Any, blank: Any) -> NDArray[Any]:
        """Values of the rows as profiles x samples."""
        width = int(self.place.max(initial=0)) + 1
        table = np.full((len(self.keys), width), blank)
        table[self.number, self.place] = values
        return table


def rectangles(mine: pd.DataFrame, time: NDArray[np.float64], profiles: Profiles) -> dict[str, NDArray[Any]]:
    """The samples as the kernel takes them: `time`, `value`, `blq` and `lloq`, profiles x samples."""
    below = mine["blq"].notna().to_numpy() if "blq" in mine.columns else np.zeros(len(mine), dtype=bool)
    # Values in two units are not comparable: the profile goes in empty and comes out with its reason.
    mixed = profiles.mixed[profiles.number]
    return {
        "time": profiles.rectangle(time, np.nan),
        "value": profiles.rectangle(np.where(mixed, np.nan, mine["value"].to_numpy(dtype=float)), np.nan),
        "blq": profiles.rectangle(below & ~mixed, blank=False),
        "lloq": profiles.rectangle(number_column(mine, "lloq").to_numpy(), np.nan),
    }


def arranged(samples: pd.DataFrame, time: NDArray[np.float64]) -> Profiles:
    """Profiles in the order of their keys, samples in the order of their time."""
    names = [name for name in KEYS if name in samples.columns]
    number = _numbered(samples, names)
    order = np.lexsort((time, number))  # stable: results of one time stay in the order of their rows
    sizes = np.bincount(number)
    place = np.empty(len(samples), dtype=np.intp)
    place[order] = np.arange(len(samples)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    first = np.flatnonzero(place == 0)
    keys = samples[names].iloc[first[np.argsort(number[first])]]
    unit, mixed = _units(samples, number, len(sizes))
    return Profiles(
        keys=tidy_keys(keys.reset_index(drop=True)), number=number, place=place, unit=unit, mixed=mixed
    )


def _numbered(samples: pd.DataFrame, names: list[str]) -> NDArray[np.intp]:
    """Number of the profile of each row, counted in the order of the keys; a blank key comes last."""
    number = np.zeros(len(samples), dtype=np.intp)
    for name in names:
        codes, words = pd.factorize(samples[name], sort=True)
        codes = np.where(codes < 0, len(words), codes)
        number = pd.factorize(number * (len(words) + 1) + codes, sort=True)[0]
    return number


def _units(
    samples: pd.DataFrame, number: NDArray[np.intp], n_profiles: int
) -> tuple[list[str], NDArray[np.bool_]]:
    """The unit of each profile, empty without one and with several, and which have several."""
    if "unit" not in samples.columns:
        return [""] * n_profiles, np.zeros(n_profiles, dtype=bool)
    codes, words = pd.factorize(samples["unit"])
    stated = codes >= 0
    low, high = np.full(n_profiles, len(words)), np.full(n_profiles, -1)
    np.minimum.at(low, number[stated], codes[stated])
    np.maximum.at(high, number[stated], codes[stated])
    texts = np.append(np.asarray(words, dtype=object), "")
    return texts[np.where(low == high, low, -1)].tolist(), low < high


def tidy_keys(keys: pd.DataFrame) -> pd.DataFrame:
    """Keys as they are shown: text without gaps, whole infusion numbers."""
    keys = keys.copy()
    for name in {"subject_id", "assay"} & set(keys.columns):
        keys[name] = keys[name].astype(object).where(keys[name].notna(), "")
    if "infusion_no" in keys.columns and keys["infusion_no"].notna().all():
        keys["infusion_no"] = keys["infusion_no"].astype("int64")
    return keys


def subject_frame(profiles: Profiles, found: kernel.Examination) -> pd.DataFrame:
    """One row per profile, in the columns of the contract."""
    frame = profiles.keys.assign(unit=pd.Series(profiles.unit, dtype=object))
    for name in COMPUTED:
        values = getattr(found.parameters, name)
        frame[name] = values.astype(object) if values.dtype.kind == "U" else values
    frame.loc[profiles.mixed, ["n_samples", "n_quantifiable"]] = np.nan
    frame.loc[profiles.mixed, "auc_window_status"] = "NOT_ESTIMABLE"
    frame.loc[profiles.mixed, "auc_window_start_rule"] = ""
    frame.loc[profiles.mixed, "note"] = "MIXED_UNITS"
    if "infusion_no" in frame.columns:
        later = (frame["infusion_no"] > 1).to_numpy() & (frame["n_samples"] > 0).to_numpy()
        words = LATER_INFUSION
        frame.loc[later, "note"] = [
            f"{note}; {words}" if note else words for note in frame.loc[later, "note"]
        ]
    return frame


def window_frame(
    profiles: Profiles,
    found: kernel.Examination,
    subjects: pd.DataFrame,
    windows: tuple[tuple[float, float], ...],
) -> pd.DataFrame:
    """One row per profile and window."""
    blocks = []
    for (start, end), area in zip(windows, found.windows, strict=True):
        status = np.where(profiles.mixed, "NOT_ESTIMABLE", area.status)
        blocks.append(
            profiles.keys.assign(
                start=start, end=end, value=area.value, status=status.astype(object),
                percent_beyond_tlast=area.percent_beyond_tlast, start_rule=subjects["auc_window_start_rule"],
                actual_end=area.end,
            )
        )  # fmt: skip
    return pd.concat(blocks).sort_index(kind="stable").reset_index(drop=True)


def point_frame(
    samples: pd.DataFrame, unused: pd.Series, time: Any, profiles: Profiles, found: kernel.Examination,
    profile_note: pd.Series,
) -> pd.DataFrame:  # fmt: skip
    """One row per row of the input, with what became of it."""
    used = np.flatnonzero(unused == "")
    number, place, use = profiles.number, profiles.place, found.samples
    value = samples["value"].to_numpy(dtype=float)
    value = np.where(value == np.inf, np.nan, value)
    below = _words_of(use.blq_class, profiles, {word: word for word in ("first", "middle", "last")})
    words = _words_of(use.fate, profiles, FATES)
    faulty = _begins_with_fault(profile_note)[number]
    words[faulty] = profile_note.to_numpy()[number[faulty]]
    flagged = (text_column(samples, "blq") != "").to_numpy()[used]
    words[(words == "") & (below != "") & ~flagged & (value[used] > 0)] = UNDER_LIMIT

    def of_rows(blank: Any, found_there: NDArray[Any]) -> NDArray[Any]:
        column = np.array(np.broadcast_to(blank, len(samples)))
        column[used] = found_there
        return column

    points = tidy_keys(samples[[name for name in KEYS if name in samples.columns]]).assign(
        day=of_rows(samples["day"].to_numpy(dtype=float), time),
        value=value,
        blq=of_rows(np.array("", dtype=object), below),
        in_auc=of_rows(False, use.in_auc[number, place]),
        in_lambda_z=of_rows(False, use.in_lambda_z[number, place]),
        note=pd.Series(of_rows(unused.to_numpy(), words), index=samples.index, dtype=object),
    )
    for name in ("lloq", "unit"):
        if name in samples.columns:
            points[name] = samples[name].to_numpy()
    return points


def _words_of(codes: NDArray[np.str_], profiles: Profiles, words: dict[str, str]) -> NDArray[Any]:
    """The words for the code of each row; empty where the code is."""
    texts = np.full(profiles.number.size, "", dtype=object)
    said = np.flatnonzero((codes != "")[profiles.number, profiles.place])
    mine = codes[profiles.number[said], profiles.place[said]]
    for code, word in words.items():
        texts[said[mine == code]] = word
    return texts


def _begins_with_fault(notes: pd.Series, others: tuple[str, ...] = ()) -> NDArray[np.bool_]:
    """Notes that begin with a fault, or are one of the `others`; each different note is read once."""
    codes, words = pd.factorize(notes)
    hit = np.array([word.startswith(FAULTS) or word in others for word in words], dtype=bool)
    return np.asarray(hit[codes])


def set_aside(samples: pd.DataFrame, unused: pd.Series, note: pd.Series) -> pd.DataFrame:
    """Rows that were not used: left out before, in a profile with a fault, or without a part in it."""
    out = (unused != "") | _begins_with_fault(note, tuple(FATES[fate] for fate in _NOT_USED))
    named = samples if "subject_id" in samples.columns else samples.assign(subject_id="")
    return results.excluded_rows(named[out], "kinetics", note[out])


def assays_of(profiles: pd.DataFrame) -> list[str]:
    """Assays in their order; one without a name where there is none."""
    if "assay" not in profiles.columns or not len(profiles):
        return [""]
    return sorted(profiles["assay"].unique().tolist())


def one_assay(profiles: pd.DataFrame, assay: str) -> pd.DataFrame:
    """The profiles of one assay."""
    return profiles if "assay" not in profiles.columns else profiles[profiles["assay"] == assay]


def with_everybody(profiles: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """The profiles, and a row with its reason for each subject who has none."""
    blocks = []
    for assay in assays_of(profiles):
        mine = one_assay(profiles, assay)
        absent = people.loc[~people["subject_id"].isin(mine["subject_id"]), "subject_id"]
        said = {
            "subject_id": absent, "assay": assay, "n_samples": 0.0, "n_quantifiable": 0.0, "unit": "",
            "auc_window_status": "NO_SAMPLES", "auc_window_start_rule": "",
            "note": "NO_SAMPLES: no kinetic sample",
        }  # fmt: skip
        rows = pd.DataFrame({name: said.get(name, np.nan) for name in mine.columns}, index=absent.index)
        blocks += [mine, rows]
    return results.concat(blocks, profiles.columns).sort_values(
        "subject_id", kind="stable", ignore_index=True
    )


def text_column(frame: pd.DataFrame, name: str) -> pd.Series:
    """Words of a column, "" where blank or where there is no such column."""
    if name not in frame.columns:
        return pd.Series("", index=frame.index, dtype=object)
    return frame[name].astype(object).where(frame[name].notna(), "")


def number_column(frame: pd.DataFrame, name: str) -> pd.Series:
    """Numbers of a column, missing where there is no such column."""
    if name not in frame.columns:
        return pd.Series(np.nan, index=frame.index)
    return frame[name].astype("float64")
