"""Every way a trial can go, and whether a real one went the way its design says.

Here: transition paths with their exact probabilities, the audit of a conducted trial. Not here: the decisions
(each design), probabilities of the selection (`characteristics`).
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import comb

from cart7.designs.base import Decision, Design, checked_probabilities
from cart7.designs.three_plus_three import NoDecisionError

MAX_PATHS = 1_000_000

Tally = tuple[int, ...]
Decide = Callable[[Tally, Tally, int, tuple[int, int]], Decision]


def transition_paths(
    design: Design,
    cohort_sizes: Sequence[int],
    *,
    n_levels: int,
    start_level: int = 1,
    true_dlt: ArrayLike | None = None,
) -> pd.DataFrame:
    """All outcomes of the next cohorts, and what the design decides after each.

    Parameters
    ----------
    design : Design
        A design that decides from DLTs.
    cohort_sizes : sequence of int
        Subjects of each cohort, in order.
    n_levels : int
    start_level : int, default 1
        Level of the first cohort.
    true_dlt : array_like, optional
        True probability of a DLT per level.

    Returns
    -------
    DataFrame
        One row per node, a cohort after all that came before it, earlier cohorts first: `path` (such as
        ``1NNN 2NNT``: level, then N for each subject without and T for each with DLT), `cohort` (from 1),
        `level, n, n_dlt` of this cohort, `action, next_level` (with `stop` the recommended level, <NA> for
        none), `terminal` (the trial ends here) and `probability` of reaching the node (NaN without
        `true_dlt`).

    Raises
    ------
    ValueError
        For impossible arguments, designs that need responses, or more than a million nodes.

    Examples
    --------
    >>> from cart7.designs import ThreePlusThree, transition_paths
    >>> nodes = transition_paths(ThreePlusThree(), [3, 3], n_levels=2, true_dlt=[0.1, 0.3])
    >>> print(nodes.loc[:3, ["path", "action", "next_level", "probability"]].to_string(index=False))
    path   action  next_level  probability
    1NNN escalate           2        0.729
    1NNT     stay           1        0.243
    1NTT     stop        <NA>        0.027
    1TTT     stop        <NA>        0.001
    """
    sizes = [_whole("cohort_sizes", size, 1, None) for size in cohort_sizes]
    _check_conduct(design, n_levels, start_level)
    rates = None if true_dlt is None else checked_probabilities("true_dlt", true_dlt, n_levels)
    decide = _decider(design)
    rows: list[tuple[Any, ...]] = []
    none = (0,) * n_levels
    ways = [("", int(start_level), none, none, 1.0)]
    for cohort, size in enumerate(sizes, start=1):
        if len(rows) + len(ways) * (size + 1) > MAX_PATHS:
            raise ValueError(f"more than {MAX_PATHS} paths after {cohort} cohorts: give fewer cohort_sizes")
        ongoing = []
        for path, level, n, dlt, chance in ways:
            for toxic in range(size + 1):
                now = f"{path} {level}{'N' * (size - toxic)}{'T' * toxic}".lstrip()
                treated, toxics = _added(n, level, size), _added(dlt, level, toxic)
                decision = decide(treated, toxics, level, (size, toxic))
                reached = np.nan if rates is None else chance * _binomial(toxic, size, rates[level - 1])
                ends = decision.action == "stop" or cohort == len(sizes)
                rows.append((now, cohort, level, size, toxic, decision.action, decision.level, ends, reached))
                if not ends and decision.level is not None:
                    ongoing.append((now, decision.level, treated, toxics, reached))
        ways = ongoing
    return _node_table(rows)


def audit(design: Design, cohorts: pd.DataFrame, *, n_levels: int) -> pd.DataFrame:
    """Whether each decision of a conducted trial was the one its design gives.

    Parameters
    ----------
    design : Design
        A design that decides from DLTs.
    cohorts : DataFrame
        `level, n, n_dlt` of each cohort, in the order they were treated; where there is a column `backfill`
        (true or false), rows of subjects added at a lower level, which count but follow no decision.
    n_levels : int

    Returns
    -------
    DataFrame
        Per cohort: `cohort` (from 1), `level, n, n_dlt`, `design_action, design_level` (what the design says
        after it; missing where it says nothing of such counts), `actual_level` (level of the next cohort),
        `concordant` (missing after the last cohort; False where the trial went on although the design stops),
        `reason` of the design.

    Raises
    ------
    ValueError
        For missing columns, impossible counts or levels.

    Examples
    --------
    >>> import pandas as pd
    >>> from cart7.designs import Boin, audit
    >>> trial = pd.DataFrame({"level": [1, 2, 2], "n": [3, 3, 3], "n_dlt": [0, 2, 0]})
    >>> audit(Boin(target=0.3), trial, n_levels=3)["concordant"].tolist()
    [True, False, <NA>]
    """
    missing = [name for name in ("level", "n", "n_dlt") if name not in cohorts.columns]
    if missing:
        raise ValueError(f"cohorts must have the columns level, n and n_dlt; without {', '.join(missing)}")
    _check_conduct(design, n_levels, 1)
    levels = [_whole("level", level, 1, n_levels) for level in cohorts["level"]]
    sizes = [_whole("n", size, 1, None) for size in cohorts["n"]]
    toxics = [_whole("n_dlt", toxic, 0, size) for toxic, size in zip(cohorts["n_dlt"], sizes, strict=True)]
    added = _backfilled(cohorts)
    decide = _decider(design)
    n = dlt = (0,) * n_levels
    said: list[tuple[str | None, int | None, str]] = []
    for level, size, toxic, extra in zip(levels, sizes, toxics, added, strict=True):
        n, dlt = _added(n, level, size), _added(dlt, level, toxic)
        if extra:
            said.append((None, None, "backfill: follows no decision"))
            continue
        try:
            decision = decide(n, dlt, level, (size, toxic))
            said.append((decision.action, decision.level, decision.reason))
        except NoDecisionError as error:
            said.append((None, None, str(error)))
    return _audit_table(levels, sizes, toxics, said, added)


def _backfilled(cohorts: pd.DataFrame) -> list[bool]:
    """Which rows are subjects added at a lower level."""
    if "backfill" not in cohorts.columns:
        return [False] * len(cohorts)
    given = cohorts["backfill"].tolist()
    if not all(isinstance(flag, bool | np.bool_) for flag in given):
        raise ValueError(f"backfill must be true or false for every cohort, got {given}")
    return [bool(flag) for flag in given]


def _decider(design: Design) -> Decide:
    """The design's decision on given counts, each asked once."""
    ask: Any = getattr(design, "next_level", None)
    if ask is None or design.uses_response:
        raise ValueError(f"{type(design).__name__} does not decide from DLTs alone")
    by_cohort = "cohort" in inspect.signature(ask).parameters
    known: dict[Any, Decision] = {}

    def decide(n: Tally, dlt: Tally, current: int, cohort: tuple[int, int]) -> Decision:
        state = (n, dlt, current, cohort if by_cohort else None)
        if state not in known:
            known[state] = ask(n, dlt, current, **({"cohort": cohort} if by_cohort else {}))
        return known[state]

    return decide


def _check_conduct(design: Design, n_levels: int, start_level: int) -> None:
    _whole("n_levels", n_levels, 1, None)
    _whole("start_level", start_level, 1, n_levels)
    design.check_levels(n_levels)


def _whole(name: str, value: Any, least: int, most: int | None) -> int:
    """A whole number in its range; ValueError otherwise."""
    allowed = f"from {least}" if most is None else f"from {least} to {most}"
    number = np.nan if value is None or value is pd.NA or isinstance(value, str) else float(value)
    if not (number == np.floor(number) and number >= least and (most is None or number <= most)):
        raise ValueError(f"{name} must be a whole number {allowed}, got {value!r}")
    return int(number)


def _added(counts: Tally, level: int, more: int) -> Tally:
    return (*counts[: level - 1], counts[level - 1] + more, *counts[level:])


def _binomial(toxic: int, size: int, rate: float) -> float:
    return float(comb(size, toxic, exact=True) * rate**toxic * (1 - rate) ** (size - toxic))


def _node_table(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    names = (
        "path", "cohort", "level", "n", "n_dlt", "action", "next_level", "terminal", "probability",
    )  # fmt: skip
    nodes = pd.DataFrame.from_records(rows, columns=list(names))
    for name in ("cohort", "level", "n", "n_dlt", "next_level"):
        nodes[name] = pd.array(nodes[name].tolist(), dtype="Int64")
    return nodes.astype({"terminal": bool, "probability": float})


def _audit_table(
    levels: list[int], sizes: list[int], toxics: list[int], said: list[tuple[str | None, int | None, str]],
    added: list[bool],
) -> pd.DataFrame:  # fmt: skip
    actual: list[int | None] = []
    following: int | None = None
    for level, extra in zip(reversed(levels), reversed(added), strict=True):
        actual.insert(0, None if extra else following)
        following = following if extra else level
    concordant = [
        pd.NA if went is None else action not in (None, "stop") and went == level
        for (action, level, _), went in zip(said, actual, strict=True)
    ]
    return pd.DataFrame(
        {
            "cohort": pd.array(range(1, len(levels) + 1), dtype="Int64"),
            "level": pd.array(levels, dtype="Int64"),
            "n": pd.array(sizes, dtype="Int64"),
            "n_dlt": pd.array(toxics, dtype="Int64"),
            "design_action": pd.array([action for action, _, _ in said], dtype="string"),
            "design_level": pd.array([level for _, level, _ in said], dtype="Int64"),
            "actual_level": pd.array(actual, dtype="Int64"),
            "concordant": pd.array(concordant, dtype="boolean"),
            "reason": pd.array([reason for _, _, reason in said], dtype="string"),
        }
    )
