"""Cytokine release syndrome, the ICE score and neurotoxicity (ICANS) by the ASTCT consensus of 2019.

Here: a frame of assessments in, the same rows with a grade out. Not here: subjects, episodes and rates
(`safety`).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cart7.grading.reading import Reader, texts

SCALE = "ASTCT 2019"
FEVER = 38.0
LOW_FLOW = 6.0
OXYGEN: Mapping[str, int] = {
    "none": 0, "room_air": 0, "nasal_cannula": 2, "blow_by": 2, "high_flow": 3, "high_flow_nasal_cannula": 3,
    "facemask": 3, "face_mask": 3, "nonrebreather": 3, "non_rebreather": 3, "venturi": 3, "cpap": 4,
    "bipap": 4, "mechanical_ventilation": 4, "intubation": 4,
}  # fmt: skip
"""CRS grade of the oxygen device; a nasal cannula above 6 L/min is high flow, grade 3."""

ICE_ITEMS = (
    "year", "month", "city", "hospital", "object1", "object2", "object3", "command", "writing", "attention"
)  # fmt: skip
CONSCIOUSNESS: Mapping[str, int] = {
    "alert": 0, "spontaneous": 1, "voice": 2, "tactile": 3, "vigorous_or_unarousable": 4, "vigorous": 4,
    "unarousable": 4,
}  # fmt: skip
SEIZURE: Mapping[str, int] = {
    "none": 0, "resolved": 3, "nonconvulsive_resolved": 3, "prolonged_gt5min": 4, "repetitive_no_return": 4,
}  # fmt: skip
OEDEMA: Mapping[str, int] = {
    "none": 0, "focal": 3, "diffuse": 4, "posturing": 4, "cn6_palsy": 4, "papilledema": 4, "cushing_triad": 4,
}  # fmt: skip


def crs(frame: pd.DataFrame) -> pd.DataFrame:
    """Grade of cytokine release syndrome from its components (ASTCT 2019), per assessment.

    Parameters
    ----------
    frame : DataFrame
        First column: the assessment. `temp_c` (degrees C), `vasopressors_n` (vasopressin not counted),
        `hypotension` (1, 0), `o2_device` (a word of `OXYGEN`). Optional: `o2_flow_lpm` (L/min),
        `vasopressin`, `prior_crs_anticytokine` (CRS is running and was treated: fever is no longer
        needed), `fatal_crs`, and `fever_attributable`, `hypotension_attributable`, `hypoxia_attributable`
        (0: another cause); flags are 1 or 0, blank means attributable, else no.

    Returns
    -------
    DataFrame
        The same rows with `grade` (0 to 5; missing when the temperature is needed and not known),
        `grading_scale` and `note`.

    Raises
    ------
    DataError
        Naming every missing column, unknown device, and number or flag that is none.

    Notes
    -----
    The worst component counts. Fever of 38.0 C or more: 1. Hypotension without vasopressor: 2, one
    vasopressor (or vasopressin alone, our reading): 3, two or more: 4. Low-flow nasal cannula (6 L/min or
    less) or blow-by: 2; high flow, face mask, non-rebreather, Venturi: 3; CPAP, BiPAP, ventilation: 4. Death
    from CRS: 5. Without attributable fever there is no CRS, unless it is running and was treated.

    References
    ----------
    Lee DW, Santomasso BD, Locke FL, et al. (2019). Biol Blood Marrow Transplant 25:625-638.
    doi:10.1016/j.bbmt.2018.12.758

    Examples
    --------
    >>> seen = pd.DataFrame({"visit": ["D3"], "temp_c": [38.5], "vasopressors_n": [1], "hypotension": [1],
    ...                      "o2_device": ["nasal_cannula"], "o2_flow_lpm": [3]})
    >>> crs(seen)["grade"].tolist()
    [3.0]
    """
    read = Reader(frame, "crs")
    temperature, vasopressors = read.numbers("temp_c"), read.numbers("vasopressors_n")
    flow = read.numbers("o2_flow_lpm", needed=False)
    low_pressure, device = read.flags("hypotension"), read.words("o2_device", OXYGEN)
    vasopressin = read.flags("vasopressin", blank=0)
    running, fatal = read.flags("prior_crs_anticytokine", blank=0), read.flags("fatal_crs", blank=0)
    counts = {
        part: read.flags(f"{part}_attributable", blank=1) == 1 for part in ("fever", "hypotension", "hypoxia")
    }
    cannula = read.is_word("o2_device", "nasal_cannula")
    read.finish()
    pressure = np.select(
        [vasopressors >= 2, (vasopressors == 1) | (vasopressin == 1), low_pressure == 1], [4, 3, 2], 0
    )
    oxygen = np.where(cannula & (flow > LOW_FLOW), 3, np.nan_to_num(device))
    component = np.fmax(np.where(counts["hypotension"], pressure, 0), np.where(counts["hypoxia"], oxygen, 0))
    fever = (temperature >= FEVER) & counts["fever"]
    unknown = np.isnan(temperature) & counts["fever"] & ~((running == 1) & (component > 0))
    grade = np.where(fever | (running == 1), np.fmax(component, fever), 0.0)
    grade = np.where(fatal == 1, 5.0, np.where(unknown, np.nan, grade))
    open_parts = (grade < 4) & (fever | (running == 1))
    pressure_open = (np.isnan(vasopressors) & (low_pressure != 0)) & counts["hypotension"]
    notes = (
        (np.isnan(grade), "temperature missing"),
        (open_parts & pressure_open, "vasopressors not recorded, the grade is a lower bound"),
        (
            open_parts & np.isnan(device) & counts["hypoxia"],
            "oxygen device not recorded, the grade is a lower bound",
        ),
        (
            open_parts & cannula & np.isnan(flow) & counts["hypoxia"],
            "oxygen flow not recorded, taken as low flow",
        ),
    )
    return frame.assign(grade=grade, grading_scale=SCALE, note=texts(notes))


def ice(frame: pd.DataFrame) -> pd.DataFrame:
    """ICE score, 0 to 10: orientation (4), naming (3), command, writing and attention (1 each).

    Parameters
    ----------
    frame : DataFrame
        First column: the assessment; the ten items of `ICE_ITEMS`, 1 or 0.

    Returns
    -------
    DataFrame
        The same rows with `score`, missing when any item was not done, and `note`.

    Raises
    ------
    DataError
        Naming every missing column and every item that is neither 1 nor 0.

    References
    ----------
    Lee DW, Santomasso BD, Locke FL, et al. (2019). Biol Blood Marrow Transplant 25:625-638.

    Examples
    --------
    >>> done = pd.DataFrame({"visit": ["D3"], **{item: [1] for item in ICE_ITEMS}})
    >>> ice(done.assign(writing=0))["score"].tolist()
    [9.0]
    """
    read = Reader(frame, "ice")
    items = np.column_stack([read.flags(item) for item in ICE_ITEMS])
    read.finish()
    missing = np.isnan(items)
    note = [
        f"not done: {', '.join(item for item, gone in zip(ICE_ITEMS, row, strict=True) if gone)}"
        if row.any()
        else ""
        for row in missing
    ]
    return frame.assign(score=items.sum(axis=1), note=note)


def icans(frame: pd.DataFrame) -> pd.DataFrame:
    """Grade of neurotoxicity (ICANS, adults) from its domains (ASTCT 2019), per assessment.

    Parameters
    ----------
    frame : DataFrame
        First column: the assessment. `ice` (0 to 10), `consciousness`, `seizure`, `edema_icp` (words of
        `CONSCIOUSNESS`, `SEIZURE`, `OEDEMA`), `motor_weakness` (deep focal, 1 or 0). Optional:
        `ice_not_done_reason` (`unarousable` is grade 4), `other_cause` (1: wholly explained otherwise, grade
        0), `fatal_icans`.

    Returns
    -------
    DataFrame
        The same rows with `grade` (0 to 5), `grading_scale` and `note`. Without an ICE score the grade of the
        other domains stands when it is 3 or more (a lower bound), else it is missing.

    Raises
    ------
    DataError
        Naming every missing column, unknown word, ICE score outside 0 to 10, and flag that is none.

    Notes
    -----
    The worst domain counts. ICE 7-9: 1, 3-6: 2, 0-2: 3. Awakens spontaneously: 1, to voice: 2, to touch: 3,
    to vigorous stimuli or not at all: 4. Seizure that resolves: 3, longer than 5 minutes or repetitive: 4.
    Deep focal weakness: 4. Focal oedema: 3; diffuse oedema or signs of raised pressure: 4. Death: 5. Tremor,
    myoclonus and intracranial haemorrhage are not graded. Children under 12 need CAPD instead of ICE.

    References
    ----------
    Lee DW, Santomasso BD, Locke FL, et al. (2019). Biol Blood Marrow Transplant 25:625-638.

    Examples
    --------
    >>> seen = pd.DataFrame({"visit": ["D5"], "ice": [3], "consciousness": ["alert"], "seizure": ["resolved"],
    ...                      "motor_weakness": [0], "edema_icp": ["none"]})
    >>> icans(seen)["grade"].tolist()
    [3.0]
    """
    read = Reader(frame, "icans")
    score = read.numbers("ice", within=(0, 10))
    domains = {
        "consciousness": read.words("consciousness", CONSCIOUSNESS),
        "seizure": read.words("seizure", SEIZURE),
        "motor weakness": 4 * read.flags("motor_weakness"), "oedema": read.words("edema_icp", OEDEMA),
    }  # fmt: skip
    other, fatal = read.flags("other_cause", blank=0), read.flags("fatal_icans", blank=0)
    unarousable = read.is_word("ice_not_done_reason", "unarousable")
    read.finish()
    of_score = np.select([score >= 10, score >= 7, score >= 3, score >= 0], [0.0, 1.0, 2.0, 3.0], np.nan)
    of_score = np.where(np.isnan(score) & unarousable, 4.0, of_score)
    seen = np.column_stack(list(domains.values()))
    worst = np.fmax.reduce(seen, axis=1, initial=0.0)
    untested = np.isnan(of_score)
    grade = np.where(untested & (worst < 3), np.nan, np.fmax(of_score, worst))
    grade = np.where(fatal == 1, 5.0, np.where(other == 1, 0.0, grade))
    bound = (grade < 4) & (other != 1)
    notes = [
        (np.isnan(grade), "ICE score missing"),
        (bound & untested, "ICE score missing, the grade is a lower bound"),
    ]
    notes += [
        (bound & np.isnan(values), f"{name} not recorded, the grade is a lower bound")
        for name, values in domains.items()
    ]
    return frame.assign(grade=grade, grading_scale=SCALE, note=texts(notes))
