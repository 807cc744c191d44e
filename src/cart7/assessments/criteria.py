"""Disease criteria: from raw findings to a response category, with what decided it.

Here: the ELN table for leukaemia and the Lugano PET table for lymphoma, as data and conditions in
their order. Not here: which assessment counts when (courses), response at a visit (response).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cart7.errors import DataError, Problem

MARROW_REMISSION = 5.0  # % blasts
MARROW_PARTIAL = 25.0
FULL_COUNTS = (1.0, 100.0)  # neutrophils and platelets, 10^9/L
PARTIAL_COUNTS = (0.5, 50.0)

LEUKAEMIA_COLUMNS = ("baseline_bm_blast_pct", "bm_blast_pct", "pb_blasts", "extramedullary", "anc_1e9_L",
                     "platelets_1e9_L", "marrow_adequate", "prior_remission")  # fmt: skip
UPTAKE = ("REDUCED", "UNCHANGED", "INCREASED", "NA")
MARROW = ("NEG", "POS", "NEW")


def classify_leukaemia(findings: pd.DataFrame, *, cri_both_cytopenias: bool = False) -> pd.DataFrame:
    """Response of leukaemia from marrow, blood and extramedullary findings (ELN).

    Parameters
    ----------
    findings : DataFrame
        One row per assessment, blank = missing: baseline_bm_blast_pct and bm_blast_pct (% blasts in
        the marrow), pb_blasts, extramedullary, marrow_adequate (200 cells or 10 % cellularity) and
        prior_remission (1 or 0; blank is 0), anc_1e9_L and platelets_1e9_L (10^9/L). A column may be
        absent.
    cri_both_cytopenias : bool
        Call a remission with both counts low CRi; the table read strictly leaves it to MLFS.

    Returns
    -------
    DataFrame
        The rows with `response` (CR, CRh, CRi, MLFS, PR, NR, RELAPSE, NE) and `note`, what decided.

    Raises
    ------
    DataError
        For text in a number column, a percentage outside 0 to 100, a negative count, or a flag that
        is not 1 or 0.

    Notes
    -----
    CR needs neutrophils of 1.0 and platelets of 100; CRh 0.5 and 50 (looked for before CRi, as in
    2022); CRi one of the CR counts; MLFS an adequate marrow.

    References
    ----------
    Döhner H et al. (2022). Blood 140:1345-1377.

    Examples
    --------
    >>> findings = pd.DataFrame({"bm_blast_pct": [2.0, 2.0], "anc_1e9_L": [1.2, 1.2],
    ...     "platelets_1e9_L": [150.0, 60.0]})
    >>> classify_leukaemia(findings)["response"].tolist()
    ['CR', 'CRh']
    """
    seen = _numbers(findings, LEUKAEMIA_COLUMNS)
    blasts, before = seen["bm_blast_pct"], seen["baseline_bm_blast_pct"]
    neutrophils, platelets = seen["anc_1e9_L"], seen["platelets_1e9_L"]
    outside = (seen["pb_blasts"] == 1) | (seen["extramedullary"] == 1)
    full = [neutrophils >= FULL_COUNTS[0], platelets >= FULL_COUNTS[1]]
    partial = (neutrophils >= PARTIAL_COUNTS[0]) & (platelets >= PARTIAL_COUNTS[1])
    remission = blasts < MARROW_REMISSION
    reduced = (blasts <= MARROW_PARTIAL) & (blasts <= before / 2) & full[0] & full[1]
    lost = (seen["prior_remission"] == 1) & ((blasts >= MARROW_REMISSION) | outside)
    no_counts = neutrophils.isna() | platelets.isna()
    decided = [
        ("RELAPSE", lost, "remission lost: blasts in marrow or blood, or extramedullary disease"),
        ("NR", outside, "blasts in the blood or extramedullary disease"),
        ("NE", blasts.isna(), "marrow not assessed"),
        ("NE", remission & no_counts, "marrow below 5 % blasts, blood counts missing"),
        ("CR", remission & full[0] & full[1], "marrow below 5 % blasts, neutrophils and platelets recovered"),
        ("CRh", remission & partial, "marrow below 5 % blasts, partial recovery of both counts"),
        ("CRi", remission & (full[0] | full[1]), "marrow below 5 % blasts, one count recovered"),
        ("CRi", remission & cri_both_cytopenias, "marrow below 5 % blasts, no count recovered"),
        ("MLFS", remission & (seen["marrow_adequate"] == 1), "marrow below 5 % blasts, no count recovered"),
        ("NE", remission, "marrow below 5 % blasts, but not adequate"),
        ("PR", reduced, "marrow 5 to 25 % blasts, at most half of baseline, counts recovered"),
    ]
    return _classified(findings, decided, ("NR", "no remission by marrow and counts"))


def classify_lugano(findings: pd.DataFrame) -> pd.DataFrame:
    """Response of lymphoma from a PET scan (Lugano 2014).

    Parameters
    ----------
    findings : DataFrame
        One row per scan, blank = missing: deauville_5ps (1 to 5), uptake_vs_baseline (REDUCED,
        UNCHANGED, INCREASED, NA), new_fdg_avid_lesion (1 or 0; blank is none), marrow_fdg (NEG, POS =
        residual, NEW; blank is not assessed). A column may be absent.

    Returns
    -------
    DataFrame
        The rows with `response` (CR, PR, SD, PD, NE) and `note`, what decided.

    Raises
    ------
    DataError
        For a score other than 1 to 5, an unknown word, or a flag that is not 1 or 0.

    References
    ----------
    Cheson BD et al. (2014). J Clin Oncol 32:3059-3068.

    Examples
    --------
    >>> scans = pd.DataFrame({"deauville_5ps": [2, 4], "uptake_vs_baseline": [None, "REDUCED"],
    ...     "marrow_fdg": "NEG"})
    >>> classify_lugano(scans)["response"].tolist()
    ['CR', 'PR']
    """
    seen = _numbers(findings, ("deauville_5ps", "new_fdg_avid_lesion"))
    uptake = _words(findings, "uptake_vs_baseline", UPTAKE)
    marrow = _words(findings, "marrow_fdg", MARROW)
    score = seen["deauville_5ps"]
    avid, cold = score >= 4, score <= 3
    new = (seen["new_fdg_avid_lesion"] == 1) | (marrow == "NEW")
    decided = [
        ("PD", new, "new FDG-avid lesion or new focus in the marrow"),
        ("PD", avid & (uptake == "INCREASED"), "score 4 or 5 with increased uptake"),
        ("NE", score.isna(), "no score"),
        ("CR", cold & (marrow == "NEG"), "score 1 to 3, marrow clear"),
        ("NE", cold & (marrow == ""), "score 1 to 3, marrow not assessed"),
        ("PR", cold & (uptake == "REDUCED"), "score 1 to 3, residual but reduced uptake in the marrow"),
        ("PR", avid & (uptake == "REDUCED"), "score 4 or 5 with reduced uptake"),
        ("SD", avid & (uptake == "UNCHANGED"), "score 4 or 5 with unchanged uptake"),
    ]
    return _classified(findings, decided, ("NE", "the change of uptake decides and is not stated"))


def _classified(
    findings: pd.DataFrame, decided: Sequence[tuple[str, pd.Series, str]], otherwise: tuple[str, str]
) -> pd.DataFrame:
    """The rows with the first category whose condition holds, and its words."""
    conditions = [condition.to_numpy(dtype=bool) for _, condition, _ in decided]
    return findings.assign(
        response=np.select(conditions, [category for category, _, _ in decided], otherwise[0]).astype(object),
        note=np.select(conditions, [note for _, _, note in decided], otherwise[1]).astype(object),
    )


_FLAGS = ("pb_blasts", "extramedullary", "marrow_adequate", "prior_remission", "new_fdg_avid_lesion")
_EXPECTED = {"baseline_bm_blast_pct": "a percentage, 0 to 100", "bm_blast_pct": "a percentage, 0 to 100",
             "anc_1e9_L": "a count, 0 or more", "platelets_1e9_L": "a count, 0 or more",
             "deauville_5ps": "a whole score, 1 to 5"}  # fmt: skip


def _text(findings: pd.DataFrame, name: str) -> pd.Series:
    """A column as stripped text, blank where missing or absent."""
    if name not in findings.columns:
        return pd.Series("", index=findings.index, dtype=object)
    given = findings[name].astype(object)
    return given.where(given.notna(), "").map(lambda value: str(value).strip()).astype(object)


def _numbers(findings: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The number columns as float64, absent ones missing; everything impossible in one error."""
    seen = pd.DataFrame(index=findings.index)
    problems: list[Problem] = []
    for name in columns:
        text = _text(findings, name)
        seen[name] = pd.to_numeric(text.where(text != ""), errors="coerce").astype("float64")
        bad = (text != "") & ~_possible(name, seen[name])
        problems += _problems(text, bad, name, _EXPECTED.get(name, "1 or 0"))
    if problems:
        raise DataError(problems)
    return seen


def _possible(name: str, values: pd.Series) -> pd.Series:
    if name in _FLAGS:
        return values.isin([0, 1])
    if name == "deauville_5ps":
        return values.isin([1, 2, 3, 4, 5])
    return values.between(0, 100) if name.endswith("_pct") else (values >= 0) & np.isfinite(values)


def _words(findings: pd.DataFrame, name: str, allowed: Sequence[str]) -> pd.Series:
    """A column of words in capitals, blank where missing."""
    words = _text(findings, name).str.upper()
    problems = _problems(words, ~words.isin([*allowed, ""]), name, f"one of {', '.join(allowed)}")
    if problems:
        raise DataError(problems)
    return words


def _problems(text: pd.Series, bad: pd.Series, column: str, expected: str) -> list[Problem]:
    return [
        Problem(table="findings", row=position + 1, column=column, value=word, rule="CRITERIA-VALUE",
                message=f"this is {expected}")
        for position, (word, wrong) in enumerate(zip(text, bad, strict=True)) if wrong
    ]  # fmt: skip
