"""Cellular kinetics against PKNCA, NonCompart and the written rules."""

import functools
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cart7 import pk
from cart7.pk import BlqRules, LambdaZRules, NcaRules
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

METHODS: dict[str, Any] = {"lin up/log down": "lin-up-log-down", "linear": "linear", "lin-log": "lin-log"}
WINDOWS = ((0.0, 28.0), (0.0, 90.0), (7.0, 21.0), (0.0, 12.0), (0.0, 8.0), (1.0, 6.0))
COLUMN = {code: column for column, code in pk.PPTESTCD.items()}
R_SQUARED = ("R2", "R2ADJ")
BAD = ("CTS38", "CTS39")  # two results at one time; a negative value: no result here
NEVER = ("CTS13", "CTS40")  # nothing quantifiable from day 0 on
TAILS: dict[str, Any] = {
    "auto": "auto", "stop": "stop", "triangle": "triangle", "triangle_peer": "triangle-peer",
    "lambdaz_obs": "lambda-z-obs", "lambdaz_pred": "lambda-z-pred", "phoenix_style": "phoenix",
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "blq_zero": {"blq": BlqRules(middle="keep")},
    "blq_drop": {"blq": BlqRules(first="drop", last="drop")},
    "blq_tmax": {"blq": BlqRules(before_tmax="drop", after_tmax="keep")},
    "hl_allow_tmax": {"lambda_z": LambdaZRules(include_tmax=True)},
    "hl_min4": {"lambda_z": LambdaZRules(min_points=4)},
    "hl_tol01": {"lambda_z": LambdaZRules(tolerance=0.01)},
    "tmax_last": {"tmax": "last"},
}
EXPANSION = {
    "NSAMP": "n_samples", "NQUANT": "n_quantifiable", "TOBSLAST": "last_sample_day", "TFIRST": "tfirst",
    "PERS_LO": "persistence_low", "PERS_HI": "persistence_high", "TBLQ1": "first_blq_after_tmax",
    "TLOSS2": "confirmed_loss_day", "EXPNPT": "expansion_n", "EXPRATE": "expansion_rate",
    "EXPR2": "expansion_r_squared", "DBLTIME": "doubling_time", "EXPRATEMX": "expansion_rate_max",
    "FOLDEXP": "fold_expansion", "CONTNPT": "contraction_n", "CONTHL": "contraction_half_life",
}  # fmt: skip


def profiles(bench: Bench) -> pd.DataFrame:
    """The 56 profiles as a kinetics table."""
    samples = pd.concat(
        [bench.table(f"pk/{name}_profiles.csv", dtype={"reported": str}) for name in ("cart", "classic")],
        ignore_index=True,
    )
    return pd.DataFrame(
        {
            "subject_id": samples["subject"], "day": samples["time"], "value": samples["conc"],
            "blq": samples["reported"].where(samples["reported"] == "BLQ"), "lloq": samples["lloq"],
            "unit": samples["conc_unit"],
        }
    )  # fmt: skip


def _pair(got: pd.DataFrame, expected: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Our value and the reference's for each row of `expected` (subject, PPTESTCD, value, status)."""
    table = got.set_index("subject_id")
    pairs = zip(expected["subject"], expected["PPTESTCD"], strict=True)
    have = np.array([table.loc[subject, COLUMN[code]] for subject, code in pairs], dtype=float)
    return have, expected["value"].where(expected["status"] == "ok").to_numpy(dtype=float)


def _parameters(
    tally: Tally, got: pd.DataFrame, expected: pd.DataFrame, excuse: Any = None, exception: str = ""
) -> None:
    """Compare parameters to 1e-8; determination coefficients to 1e-10 absolute."""
    have, want = _pair(got, expected)
    place = [f"{a} {b}" for a, b in zip(expected["subject"], expected["PPTESTCD"], strict=True)]
    squared = expected["PPTESTCD"].isin(R_SQUARED).to_numpy()
    allowed = np.zeros(len(have), bool) if excuse is None else np.asarray(excuse(have, want), bool)
    for rows, limits in ((squared, {"absolute": 1e-10}), (~squared, {"relative": 1e-8})):
        at = [place[row] for row in np.flatnonzero(rows)]
        tally.numbers("parameter", have[rows], want[rows], at=at, excuse=allowed[rows], exception=exception,
                      **limits)  # fmt: skip


@check("kinetics.partial_areas")
def partial_areas(bench: Bench, tally: Tally) -> None:
    """Areas of six windows under seven tail rules and three area rules, with their status."""
    samples = profiles(bench)
    for auc_method, rows in bench.table("pk/expected_partial_auc.csv").groupby("auc_method"):
        expected = rows.set_index(["subject", "start", "end"])
        for column, tail in TAILS.items():
            rules = NcaRules(
                auc_method=METHODS[str(auc_method)], windows=WINDOWS, tail=tail,
                lambda_z=LambdaZRules(slope_rule="any"),
            )  # fmt: skip
            windows = pk.nca(samples, rules=rules).windows.set_index(["subject_id", "start", "end"])
            windows = windows.loc[expected.index]
            at = list(expected.index)
            tally.numbers(f"{auc_method} {column}", windows["value"], expected[column], relative=1e-9, at=at)
            if tail == "auto":
                tally.words("status", windows["status"], expected["status"], at=at)
                tally.words("start rule", windows["start_rule"], expected["start_rule"], at=at)
                tally.numbers("percent beyond the last", windows["percent_beyond_tlast"],
                              expected["pct_extrap_auto"], relative=1e-9, absolute=1e-9, at=at)  # fmt: skip


def against_pknca(auc_method: str, bench: Bench, tally: Tally) -> None:
    """The preset of PKNCA; Cmax and Clast of the never quantifiable, and ties under lin-log, differ."""
    table = bench.table("pk/expected_pknca.csv")
    expected = table[(table["options_id"] == "default") & (table["auc_method"] == auc_method)]
    expected = expected[~expected["subject"].isin(BAD)]
    got = pk.nca(profiles(bench), rules=NcaRules.pknca(auc_method=METHODS[auc_method])).subjects
    never = expected["subject"].isin(NEVER) & expected["PPTESTCD"].isin(["CMAX", "CLST"])
    ties = expected["subject"].isin(["CTS16", "CTS18", "CTS43"])

    def excuse(have: NDArray[np.float64], want: NDArray[np.float64]) -> Any:
        zero = never.to_numpy() & np.isnan(have) & (want == 0)
        return zero | (ties.to_numpy() & np.isnan(want) & (auc_method == "lin-log"))

    _parameters(tally, got, expected, excuse, "pknca-lin-log" if auc_method == "lin-log" else "pknca-never")


for _method, _word in (("linear", "linear"), ("lin up/log down", "log_down"), ("lin-log", "lin_log")):
    check(f"kinetics.pknca_{_word}")(functools.partial(against_pknca, _method))


@check("kinetics.pknca_options")
def pknca_options(bench: Bench, tally: Tally) -> None:
    """Options for values below the limit, the terminal slope and Tmax have the effect they have in PKNCA."""
    samples, table = profiles(bench), bench.table("pk/expected_pknca.csv")
    table = table[~table["subject"].isin(BAD)]
    for options_id, options in OPTIONS.items():
        for auc_method, rows in table[table["options_id"] == options_id].groupby("auc_method"):
            rules = NcaRules.pknca(auc_method=METHODS[str(auc_method)], **options)
            _parameters(tally, pk.nca(samples, rules=rules).subjects, rows)
    # PKNCA fits its terminal slope through the substituted values too; here they never enter it.
    half = table[table["options_id"] == "blq_first_keep_middle_half_last_drop"]
    half = half[half["PPTESTCD"].isin(["AUCLST", "AUCALL", "AUMCLST", "MRTLST"])]
    rules = NcaRules.pknca(blq=BlqRules(middle="half-lloq", last="drop"))
    _parameters(tally, pk.nca(samples, rules=rules).subjects, half)


def against_noncompart(auc_method: str, exception: str, bench: Bench, tally: Tally) -> None:
    """The preset of NonCompart; every difference is one of its rules (see the exception's reason)."""
    table = bench.table("pk/expected_noncompart.csv")
    expected = table[(table["options_id"] == "blq_zero") & (table["auc_method"] == auc_method)]
    expected = expected[(expected["PPTESTCD"] != "AUCINT") & ~expected["subject"].isin(BAD)]
    got = pk.nca(profiles(bench), rules=NcaRules.noncompart(auc_method=METHODS[auc_method])).subjects
    whose = expected["subject"].isin([*NEVER, "CTS33", "CTS43"])
    if auc_method == "lin up/log down":
        whose |= expected["subject"].isin(["CTS21", "CTS22", "CTS37"]) | (expected["PPTESTCD"] == "AUCALL")
    points = (expected["PPTESTCD"] == "LAMZNPT").to_numpy()

    def excuse(have: NDArray[np.float64], want: NDArray[np.float64]) -> Any:
        return whose.to_numpy() | (points & (want == 0) & np.isnan(have))

    _parameters(tally, got, expected, excuse, exception)


check("kinetics.noncompart_linear")(functools.partial(against_noncompart, "linear", "noncompart-linear"))
check("kinetics.noncompart_log_down")(
    functools.partial(against_noncompart, "lin up/log down", "noncompart-log-down")
)


@check("kinetics.noncompart_windows")
def noncompart_windows(bench: Bench, tally: Tally) -> None:
    """Windows of NonCompart under the tail rule of Phoenix."""
    samples, table = profiles(bench), bench.table("pk/expected_noncompart.csv")
    table = table[(table["PPTESTCD"] == "AUCINT") & ~table["subject"].isin(BAD)]
    apart = [
        ("CTS33", 28.0),
        ("CTS33", 90.0),
        ("CTS33", 21.0),
        ("TRS03", 90.0),
        ("TRS04", 90.0),
        ("TRS09", 90.0),
    ]
    for (options_id, auc_method), rows in table.groupby(["options_id", "auc_method"]):
        middle = BlqRules(middle="keep" if options_id == "blq_zero" else "drop")
        rules = NcaRules.noncompart(auc_method=METHODS[auc_method], windows=WINDOWS, blq=middle)
        windows = pk.nca(samples, rules=rules).windows.set_index(["subject_id", "start", "end"])
        key = list(zip(rows["subject"], rows["start"], rows["end"], strict=True))
        excuse = [who in (*NEVER, "CTS43") or (who, end) in apart for who, _, end in key]
        tally.numbers(f"{options_id} {auc_method}", windows.loc[key, "value"], rows["value"], relative=1e-8,
                      at=key, excuse=excuse, exception="noncompart-windows")  # fmt: skip


@check("kinetics.thousand_profiles")
def thousand_profiles(bench: Bench, tally: Tally) -> None:
    """A thousand simulated profiles; areas and slopes where no value below the limit lies in between."""
    simulated = bench.table("pk/perf_profiles.csv")
    expected = bench.table("pk/perf_expected_noncompart.csv").set_index("subject")
    samples = pd.DataFrame(
        {"subject_id": simulated["subject"].astype(str), "day": simulated["time"], "value": simulated["conc"]}
    )
    got = pk.nca(samples, rules=NcaRules.noncompart()).subjects
    got = got.set_index(got["subject_id"].astype(int)).loc[expected.index]
    blank = simulated["conc"] == 0
    first_last = simulated[~blank].groupby("subject")["time"].agg(["min", "max"])
    inside = simulated[blank].join(first_last, on="subject")
    gaps = inside.loc[(inside["time"] > inside["min"]) & (inside["time"] < inside["max"]), "subject"]
    gap = expected.index.isin(gaps.unique())
    for code in ("CMAX", "TMAX", "TLST", "AUCLST", "LAMZ", "AUCIFO"):
        excuse = gap if code in ("AUCLST", "LAMZ", "AUCIFO") else None
        exception = "" if excuse is None else "noncompart-gaps"
        tally.numbers(code, got[COLUMN[code]], expected[code], relative=1e-8, at=list(expected.index),
                      excuse=excuse, exception=exception)  # fmt: skip


@check("kinetics.expansion_and_persistence")
def expansion_and_persistence(bench: Bench, tally: Tally) -> None:
    """Expansion, contraction and persistence; `inf` in the file is a censored bound, missing here."""
    expected = bench.table("pk/expected_cart_kinetics.csv")
    expected = expected[expected["parameter"] != "PROFILE"]
    got = pk.nca(profiles(bench), rules=NcaRules(start="zero")).subjects.set_index("subject_id")
    have = [got.loc[row.subject, EXPANSION[row.parameter]] for row in expected.itertuples()]
    want = expected["value"].astype(float).replace(np.inf, np.nan)
    at = [f"{row.subject} {row.parameter}" for row in expected.itertuples()]
    tally.numbers("parameter", np.array(have, float), want, relative=1e-9, at=at)


@check("kinetics.closed_form")
def closed_form(bench: Bench, tally: Tally) -> None:
    """Noise-free samples every half day: trapezoids are within 0.3 % of the integral."""
    truth = bench.table("pk/stein_truth.csv").set_index("subject").loc["CTS01"]
    samples = profiles(bench)
    rules = NcaRules(windows=((0, 28), (7, 21)))
    found = pk.nca(samples[samples["subject_id"] == "CTS01"], rules=rules).windows["value"]
    tally.numbers("area", found.iloc[:2], [truth["auc_0_28"], truth["auc_7_21"]], relative=3e-3)
