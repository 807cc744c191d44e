"""Slow, obvious second version of the response rules: one subject at a time, in the words of the rule.

A subject is a dict: `assessments` = list of (day, category, mrd), `death`, `withdrawal`, `new_therapy`,
`second_infusion`, `hsct`, `progression`, `cutoff` = days or None.
"""

ORDER = ["CR", "CRh", "CRi", "MLFS", "PR", "SD", "NR", "PD", "RELAPSE", "NE", "ND"]
RANK = {
    "CR": 1,
    "CRh": 2,
    "CRi": 3,
    "MLFS": 4,
    "PR": 5,
    "SD": 6,
    "NR": 6,
    "PD": 7,
    "RELAPSE": 7,
    "NE": 8,
    "ND": 9,
}
EVALUABLE = ORDER[:9]


def earliest(*days):
    known = [day for day in days if day is not None]
    return min(known) if known else None


def happened(day, by):
    return day is not None and day <= by


def one_per_day(subject):
    """The assessments after day 0 and up to the cut-off, one per day, in the order of days."""
    kept = {}
    for day, category, mrd in subject["assessments"]:
        if day <= 0 or (subject["cutoff"] is not None and day > subject["cutoff"]):
            continue
        kept.setdefault(day, []).append((category, mrd))
    sequence = []
    for day in sorted(kept):
        found = [item for item in kept[day] if item[0] in EVALUABLE]
        if found:
            worst = max(ORDER.index(category) for category, _ in found)
            same = [mrd for category, mrd in found if ORDER.index(category) == worst]
            mrd = "POS" if "POS" in same else None if None in same else "NEG"
            sequence.append((day, ORDER[worst], mrd))
        else:
            categories = [category for category, _ in kept[day]]
            sequence.append((day, "NE" if "NE" in categories else "ND", None))
    return sequence


def first_progression(subject, sequence):
    assessed = [day for day, category, _ in sequence if category in ("PD", "RELAPSE")]
    progression = earliest(subject["progression"], *assessed)
    switch = earliest(subject["new_therapy"], subject["second_infusion"])
    if progression is not None and switch is not None and progression > switch:
        return None
    return progression


def end_of_sequence(subject, sequence, strategy):
    if strategy == "treatment-policy":
        return None
    enders = [first_progression(subject, sequence), subject["new_therapy"], subject["second_infusion"]]
    if strategy in ("hsct-failure", "stop-at-hsct"):
        enders.append(subject["hsct"])
    return earliest(*enders)


def usable_sequence(subject, strategy):
    sequence = one_per_day(subject)
    end = end_of_sequence(subject, sequence, strategy)
    return [item for item in sequence if end is None or item[0] <= end]


def pick(candidates, target, tie, how):
    """The assessment that counts of those in the window."""
    if not candidates:
        return None
    if how == "last":
        return max(candidates)
    nearest = min(abs(day - target) for day, _, _ in candidates)
    near = [item for item in candidates if abs(item[0] - target) == nearest]
    return max(near) if tie == "later" else min(near)


def at_visit(subject, target, lower, upper, strategy, responder, tie, how, bracket):
    """(reason, response, day, responder, evaluable) of one infused subject."""
    sequence = usable_sequence(subject, strategy)
    found = [item for item in sequence if item[1] in EVALUABLE]
    chosen = pick([item for item in found if lower <= item[0] <= upper], target, tie, how)
    hsct = subject["hsct"]
    hsct_is_a_reason = strategy in ("hsct-failure", "stop-at-hsct")
    if strategy == "hsct-carry-forward" and hsct is not None:
        end = end_of_sequence(subject, one_per_day(subject), strategy)
        if (hsct < target or (chosen is None and hsct < upper)) and (end is None or hsct <= end):
            before = [item for item in found if item[0] <= hsct]
            chosen = before[-1] if before else None
            hsct_is_a_reason = not before
    if chosen is not None:
        return "OBS", chosen[1], chosen[0], int(chosen[1] in responder), 1
    reason = why_not(subject, sequence, lower, upper, strategy, hsct_is_a_reason)
    evaluable = int(
        reason in ("PRIOR_PD", "NEW_THERAPY", "SECOND_INFUSION")
        or (reason == "SCT" and strategy == "hsct-failure")
    )
    responds = 0
    if bracket and reason in ("NE", "MISSED"):
        before = [category for day, category, _ in found if day < lower]
        after = [category for day, category, _ in found if day > upper]
        responds = int(bool(before and after) and before[-1] in responder and after[0] in responder)
    return reason, "", None, None if reason == "NOT_REACHED" else responds, evaluable


def why_not(subject, sequence, lower, upper, strategy, hsct_is_a_reason):
    new, second = subject["new_therapy"], subject["second_infusion"]
    if strategy != "treatment-policy":
        if happened(first_progression(subject, one_per_day(subject)), upper):
            return "PRIOR_PD"
        if happened(earliest(new, second), upper):
            return (
                "NEW_THERAPY" if new is not None and (second is None or new <= second) else "SECOND_INFUSION"
            )
    if happened(subject["death"], upper):
        return "DEATH"
    if hsct_is_a_reason and happened(subject["hsct"], upper):
        return "SCT"
    if any(category == "NE" and lower <= day <= upper for day, category, _ in sequence):
        return "NE"
    if happened(subject["withdrawal"], upper):
        return "WITHDRAWN"
    if subject["cutoff"] is not None and subject["cutoff"] < upper:
        return "NOT_REACHED"
    return "MISSED"


def is_confirmed(sequence, position, confirm_days, max_ne, accept_sd):
    """Whether a response is confirmed by the first later assessment as good as it and late enough."""
    start, category, _ = sequence[position]
    rank = RANK[category]
    if rank > 5:
        return False
    for later in range(position + 1, len(sequence)):
        day, word, _ = sequence[later]
        if RANK[word] <= rank and day >= start + confirm_days:
            stretch = [item[1] for item in sequence[position + 1 : later + 1]]
            if stretch.count("NE") > max_ne:
                return False
            if rank < 5:
                return all(RANK[item] <= rank or item == "NE" for item in stretch)
            if not all(RANK[item] <= 5 or item in ("SD", "NE") for item in stretch):
                return False
            if stretch.count("SD") > int(accept_sd):
                return False
            better = [i for i, item in enumerate(stretch) if RANK[item] < 5]
            partial = [i for i, item in enumerate(stretch) if item == "PR"]
            return not (better and partial and max(partial) > min(better))
    return False


def best_overall(subject, *, confirmed, responder, sd_min_days, confirm_days, max_ne, accept_sd):
    """(best, day, first response, first confirmed response, first MRD-negative CR) of an infused subject."""
    sequence = usable_sequence(subject, "failure")
    holds = [is_confirmed(sequence, i, confirm_days, max_ne, accept_sd) for i in range(len(sequence))]
    best = ("MISSING", None)
    for (day, category, _), sure in zip(sequence, holds, strict=True):
        word = "SD" if confirmed and RANK[category] <= 5 and not sure else category
        word = "NE" if word == "SD" and day < sd_min_days else word
        if best[0] == "MISSING" or RANK[word] < RANK[best[0]]:
            best = (word, day)
    responses = [
        (day, sure) for (day, word, _), sure in zip(sequence, holds, strict=True) if word in responder
    ]
    negative = [day for day, word, mrd in sequence if word in ("CR", "CRh", "CRi") and mrd == "NEG"]
    return (
        *best,
        earliest(*[day for day, _ in responses]),
        earliest(*[day for day, sure in responses if sure]),
        earliest(*negative),
    )
