"""Long rows of kinetic profiles: codes, units, and the reason for every missing parameter.

Here: the CDISC code of each parameter and its place in the long form. Not here: the long form itself
(`results`), the parameters (`pk`).
"""

import pandas as pd

from cart7 import results
from cart7.kinetics.profiles import FAULTS, text_column

PPTESTCD = {
    "n_samples": "NSAMP", "n_quantifiable": "NQUANT", "cmax": "CMAX", "tmax": "TMAX", "tfirst": "TFIRST",
    "tlag": "TLAG", "clast": "CLST", "tlast": "TLST", "auc_last": "AUCLST", "auc_all": "AUCALL",
    "auc_inf_obs": "AUCIFO", "auc_inf_pred": "AUCIFP", "auc_extrap_percent": "AUCPEO",
    "auc_extrap_pred_percent": "AUCPEP", "aumc_last": "AUMCLST", "aumc_inf_obs": "AUMCIFO",
    "aumc_inf_pred": "AUMCIFP", "mrt_last": "MRTLST", "mrt_inf_obs": "MRTIFO", "mrt_inf_pred": "MRTIFP",
    "lambda_z": "LAMZ", "half_life": "LAMZHL", "r_squared": "R2", "adj_r_squared": "R2ADJ",
    "lambda_z_n": "LAMZNPT", "lambda_z_start": "LAMZLL", "lambda_z_end": "LAMZUL", "clast_pred": "CLSTP",
    "span_ratio": "LAMZSPN", "expansion_n": "EXPNPT", "expansion_rate": "EXPRATE",
    "expansion_r_squared": "EXPR2", "doubling_time": "DBLTIME", "expansion_rate_max": "EXPRATMX",
    "fold_expansion": "FOLDEXP", "contraction_n": "CONTNPT", "contraction_half_life": "CONTHL",
    "persistence_low": "PERSLO", "persistence_high": "PERSHI", "first_blq_after_tmax": "TBLQ1",
    "confirmed_loss_day": "TLOSS2", "last_sample_day": "TOBSLST", "auc_window": "AUCINT",
    "auc_window_percent_beyond_tlast": "AUCINTPB",
}  # fmt: skip

SEVERAL_UNITS = "more than one unit"
WINDOW = ("auc_window", "auc_window_status", "auc_window_percent_beyond_tlast", "auc_window_start_rule")
_LEVELS = ("cmax", "clast", "clast_pred")
_DAYS = (
    "tmax", "tfirst", "tlag", "tlast", "mrt_last", "mrt_inf_obs", "mrt_inf_pred", "half_life",
    "lambda_z_start", "lambda_z_end", "doubling_time", "contraction_half_life", "persistence_low",
    "persistence_high", "first_blq_after_tmax", "confirmed_loss_day", "last_sample_day",
)  # fmt: skip
_REASONS = {
    "lambda_z": "no terminal slope",
    "adj_r_squared": "no terminal slope, or one through two samples",
    "expansion_rate": "fewer than 2 quantifiable samples up to Tmax, or not rising",
    "expansion_r_squared": "fewer than 3 quantifiable samples up to Tmax",
    "contraction_half_life": "fewer than 3 quantifiable samples from Tmax to day 28, or not falling",
    "persistence_high": "censored: no sample below the limit after the last quantifiable one",
    "first_blq_after_tmax": "no sample below the limit after Tmax",
    "confirmed_loss_day": "no two consecutive samples below the limit after Tmax",
}
_REASONS |= dict.fromkeys(("doubling_time", "expansion_rate_max"), _REASONS["expansion_rate"])


def label_of(start: float, end: float) -> str:
    """Name of a window, with all digits that tell it from another: `0-28`."""
    return f"{start:.15g}-{end:.15g}"


def suffix(words: pd.Series) -> pd.Series:
    """A dimension after a colon, numbers with all their digits; nothing where it is blank."""
    return words.map(_dimension).astype(object)


def _dimension(word: object) -> str:
    if pd.isna(word) or word == "":
        return ""
    return f":{word:.15g}" if isinstance(word, float) else f":{word}"


def dimensions(frame: pd.DataFrame) -> pd.Series:
    """Assay and infusion of each row, as they follow a parameter code."""
    joined = pd.Series("", index=frame.index, dtype=object)
    for name in ("assay", "infusion_no"):
        if name in frame.columns:
            joined = joined + suffix(frame[name])
    return joined


def in_assay_unit(param: str) -> bool:
    """Whether a parameter is in the unit of its assay, or in that unit times days."""
    return param in _LEVELS or (param.startswith(("auc", "aumc")) and "percent" not in param)


def stated_units(profiles: pd.DataFrame) -> list[str]:
    """The units that profiles state."""
    return sorted(set(profiles["unit"].tolist()) - {""})


def unit_of(param: str, unit: pd.Series) -> str | pd.Series:
    """Unit of a parameter, given the unit of the assay."""
    stated = unit.where(unit != "", "unit not stated")
    if param in _LEVELS:
        return stated
    if "percent" in param:
        return "%"
    if param.startswith("auc"):
        return "day*" + stated
    if param.startswith("aumc"):
        return "day^2*" + stated
    if param in ("lambda_z", "expansion_rate", "expansion_rate_max"):
        return "/day"
    return "days" if param in _DAYS else "1"


def summary_units(summary: pd.DataFrame, profiles: pd.DataFrame) -> pd.Series:
    """Unit of each summary row, from the profiles of its assay."""
    by_assay = profiles.groupby(text_column(profiles, "assay"))
    stated = {name: stated_units(mine) for name, mine in by_assay}
    words = {name: units[0] if len(units) == 1 else SEVERAL_UNITS for name, units in stated.items() if units}
    unit = pd.Series([words.get(name, "") for name in summary["assay"]], index=summary.index, dtype=object)
    texts = pd.Series("", index=summary.index, dtype=object)
    for param in summary["param"].unique():
        mine = summary["param"] == param
        texts[mine] = unit_of(param, unit[mine])
    return texts


def why_missing(param: str, profiles: pd.DataFrame) -> pd.Series:
    """Why a parameter is missing in each profile."""
    note = profiles["note"]
    whole = note.str.startswith((*FAULTS, "NO_SAMPLES", "NO_QUANT"))
    if param in WINDOW:
        remark = note.map(lambda words: f"; {words}" if words else "").astype(object)
        return note.where(whole, text_column(profiles, "auc_window_status") + remark)
    if param.startswith(("auc", "aumc", "mrt")):
        no_area = profiles["auc_last"].isna()
        return note.where(
            whole | no_area, _REASONS["lambda_z"] if "inf" in param or "extrap" in param else "not defined"
        )
    return note.where(whole, _REASONS.get(param, _REASONS["lambda_z"]))


def profile_rows(
    profiles: pd.DataFrame,
    analysis: str,
    population: str,
    ways: tuple[str, str],
    *,
    window: tuple[float, float] | None = None,
) -> list[pd.DataFrame]:
    """Long rows of the parameters; those of the window too, where one is given."""
    described, subject = dimensions(profiles), text_column(profiles, "subject_id")
    blocks = []
    for param, code in PPTESTCD.items():
        in_window = param in WINDOW
        if in_window and window is None:
            continue
        blocks.append(
            results.long_rows(
                profiles,
                analysis=analysis,
                param=code + described,
                timepoint=label_of(*window) if in_window and window is not None else "",
                population=population,
                subject_id=subject,
                stats=[param],
                units={param: unit_of(param, profiles["unit"])},
                method=ways[int(in_window)] if param.startswith(("auc", "aumc", "mrt")) else "",
                reasons={param: why_missing(param, profiles)},
            )
        )
    return blocks


def window_rows(
    windows: pd.DataFrame, profiles: pd.DataFrame, population: str, ways: tuple[str, str]
) -> list[pd.DataFrame]:
    """Long rows of every window, by its name as timepoint."""
    per_profile = len(windows) // len(profiles) if len(profiles) else 0
    behind = profiles.loc[profiles.index.repeat(per_profile)].reset_index(drop=True)
    columns = dict(zip(("value", "status", "percent_beyond_tlast", "start_rule"), WINDOW, strict=True))
    note = windows["status"] + behind["note"].map(lambda note: f"; {note}" if note else "")
    named = windows.rename(columns=columns).assign(note=note)
    timepoint = [label_of(start, end) for start, end in zip(windows["start"], windows["end"], strict=True)]
    return [
        results.long_rows(
            named,
            analysis="pk.nca",
            param=PPTESTCD.get(stat, PPTESTCD["auc_window"]) + dimensions(windows),
            timepoint=pd.Series(timepoint, dtype=object),
            population=population,
            subject_id=text_column(windows, "subject_id"),
            stats=[stat],
            units={"auc_window": unit_of("auc_window", behind["unit"]), WINDOW[2]: "%"},
            method=ways[1],
        )
        for stat in WINDOW
    ]
