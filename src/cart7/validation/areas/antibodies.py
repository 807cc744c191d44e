"""Anti-CAR antibodies against R, Python and admiral's template."""

import numpy as np
import pandas as pd

from cart7.immunogenicity import AdaRules, classify, positive_rate
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally

WORDS = {"POSITIVE": "POS", "NEGATIVE": "NEG", "NOT EVALUABLE": "NE"}
MEASURES = {
    "te_positive_at_visit": "treatment_emergent_at_visit",
    "cumulative_any_post_positive": "cumulative_through_visit",
    "prevalence_any_time": "prevalence",
    "incidence_treatment_emergent": "incidence",
}


def _reference(bench: Bench, name: str) -> pd.DataFrame:
    names = {"subject": "subject_id", "titre": "titer"}
    return bench.table(f"immunogenicity/ada_{name}.csv").rename(columns=names)


def _samples(bench: Bench) -> tuple[pd.DataFrame, pd.DataFrame]:
    samples = _reference(bench, "samples")
    return samples.assign(result=samples["result"].map(WORDS)), _reference(bench, "subjects")


def _columns(tally: Tally, ours: pd.DataFrame, theirs: pd.DataFrame, columns: dict[str, str]) -> None:
    for mine, other in columns.items():
        if pd.api.types.is_numeric_dtype(theirs[other]):
            tally.numbers(mine, ours[mine], theirs[other], relative=1e-12)
        else:
            tally.words(mine, ours[mine], theirs[other])


@check("antibodies.classes")
def classes(bench: Bench, tally: Tally) -> None:
    """Class and kinetics of each subject; flags of admiral's template where missing counts as negative."""
    expected = _reference(bench, "expected_subject")
    columns = {
        name: name
        for name in (
            "subject_id",
            "baseline_status",
            "n_post_evaluable",
            "classification",
            "treatment_emergent",
            "kinetics",
            "first_te_positive_day",
            "last_te_positive_day",
            "te_duration_days",
        )
    }
    columns |= {"baseline_titer": "baseline_titre", "max_post_titer": "max_post_titre"}
    _columns(tally, classify(*_samples(bench)).subjects, expected, columns)
    ours = classify(*_samples(bench), rules=AdaRules(missing_baseline="assume-negative")).subjects
    flag = {"NEGATIVE": 0, "INDUCED": 1, "BOOSTED": 2, "UNAFFECTED": 3}
    table = pd.DataFrame(
        {
            "admiral_TFLAG": ours["classification"].map(flag).astype(float),
            "admiral_TRANADAE": (ours["kinetics"] == "TRANSIENT").astype(float),
            "admiral_PERSADAE": (ours["kinetics"] == "PERSISTENT").astype(float),
        }
    )
    for name in ("admiral_TRANADAE", "admiral_PERSADAE"):
        expected[name] = expected[name].fillna(0)
    for name in table:
        tally.numbers(str(name), table[name], expected[str(name)])


@check("antibodies.visits")
def visits(bench: Bench, tally: Tally) -> None:
    """The sample chosen per visit."""
    expected = _reference(bench, "expected_visit")
    expected["result"] = expected["result"].map(WORDS)
    columns = {name: name for name in ("subject_id", "visit", "day", "result", "titer")}
    _columns(
        tally, positive_rate(*_samples(bench)).subjects, expected, columns | {"treatment_emergent": "te"}
    )


@check("antibodies.positive_rates")
def positive_rates(bench: Bench, tally: Tally) -> None:
    """Rates at each visit, prevalence and incidence, with numerators, denominators and exact limits."""
    expected = _reference(bench, "expected_rates").rename(columns={"dose_level": "group"})
    # The rate of any positive sample after infusion is not a measure of its own here.
    expected = expected[expected["measure"] != "any_post_baseline_positive"]
    expected = expected.assign(
        measure=expected["measure"].replace(MEASURES), group=expected["group"].astype(str)
    ).reset_index(drop=True)
    summary = positive_rate(*_samples(bench)).summary
    tally.claim("as many rates", len(summary) == len(expected))
    ours = expected[["group", "visit", "measure"]].merge(
        summary, on=["group", "visit", "measure"], how="left"
    )
    columns = {"n_positive": "n_positive", "n": "n_evaluable", "n_infused": "n_subjects", "estimate": "rate",
               "ci_low": "cp95_lower", "ci_high": "cp95_upper"}  # fmt: skip
    for mine, other in columns.items():
        at = [" ".join(map(str, key)) for key in expected[["group", "visit", "measure"]].to_numpy()]
        tally.numbers(mine, ours[mine], np.asarray(expected[other], float), relative=1e-12, at=at)
