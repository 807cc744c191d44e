"""Slow, obvious second versions of the survival kernels and rules: one subject at a time, in fractions."""

import math
from fractions import Fraction
from itertools import combinations


def kaplan_meier_by_walking(time, event):
    """The definition: at each distinct time the part of those at risk that stays."""
    survival, curve = Fraction(1), {}
    for t in sorted(set(time)):
        at_risk = sum(u >= t for u in time)
        died = sum(u == t and bool(e) for u, e in zip(time, event, strict=True))
        survival *= Fraction(at_risk - died, at_risk)
        curve[t] = survival
    return curve


def product_rates(time, event):
    """For each interval the rates of -log U and the one rate that -log L adds (0 after the last time)."""
    times = sorted(set(time))
    rates, intervals = [], []
    for t in [None, *times]:
        if t is not None:
            at_risk = sum(u >= t for u in time)
            died = sum(u == t and bool(e) for u, e in zip(time, event, strict=True))
            rates = rates + list(range(at_risk - died + 1, at_risk + 1))
        still = sum(t is None or u > t for u in time)
        intervals.append((rates, still))
    return intervals


def product_cdf(rates, w):
    """P(product of independent U^(1/r) <= w) for distinct whole rates r, in exact arithmetic."""
    w, total = Fraction(w), Fraction(0)
    for r in rates:
        weight = Fraction(1)
        for s in rates:
            if s != r:
                weight *= Fraction(s, s - r)
        total += weight * w**r
    return total


def logrank_relabelings(time, event, first):
    """Part of all relabelings whose abs(O - E) is at least as large as that of the set `first`."""

    def difference(chosen):
        total = Fraction(0)
        for t in sorted({u for u, e in zip(time, event, strict=True) if e}):
            at_risk = [i for i, u in enumerate(time) if u >= t]
            died = [i for i in at_risk if time[i] == t and event[i]]
            total += sum(i in chosen for i in died)
            total -= Fraction(len(died) * sum(i in chosen for i in at_risk), len(at_risk))
        return abs(total)

    observed = difference(first)
    labelings = list(combinations(range(len(time)), len(first)))
    return Fraction(sum(difference(set(chosen)) >= observed for chosen in labelings), len(labelings))


def time_to_event_of_one(person, endpoint, rules):
    """Endpoint of one subject from the words of the rules: (time, cause, reason).

    `person`: death, cutoff, hsct, new_therapy, second_infusion, progression, contact (days or None) and
    assessments, a list of (day, response).
    """
    cutoff = math.inf if person["cutoff"] is None else person["cutoff"]
    death = person["death"]
    if death is not None and death < 0:
        return None, None, "DATA_ERROR_DEATH_BEFORE_INFUSION"
    alive = math.inf if death is None else death
    seen = [(day, word) for day, word in person["assessments"] if 0 < day <= min(cutoff, alive)]
    if endpoint == "OS":
        return overall_of_one(person, cutoff, alive)
    adequate = [(day, word) for day, word in seen if word not in ("NE", "ND")]
    progressions = [day for day, word in adequate if word in ("PD", "RELAPSE")]
    if counts(person["progression"], cutoff) and person["progression"] <= alive:
        progressions.append(person["progression"])
    start = 0
    if endpoint == "DOR":
        responses = [day for day, word in adequate if word in rules.responder]
        start = min(responses, default=None)
        limits = [person[name] for name, rule in policies(rules)
                  if rule not in ("ignore", "time-dependent") and counts(person[name], cutoff)]  # fmt: skip
        if (
            start is None
            or start >= min(progressions, default=math.inf)
            or start > min(limits, default=math.inf)
        ):
            return None, None, "NOT_RESPONDER"
    end, cause, reason = end_of_one(person, rules, adequate, progressions, cutoff)
    return end - start + rules.day_one, cause, reason


def overall_of_one(person, cutoff, alive):
    if person["death"] is not None and alive <= cutoff:
        return alive, 1, "DEATH"
    days = [0, person["contact"], person["hsct"], person["new_therapy"], person["second_infusion"]]
    days += [person["progression"], person["death"]]
    days += [day for day, _ in person["assessments"] if day <= alive]
    last = max(day for day in days if day is not None)
    return (cutoff, 0, "DATA_CUTOFF") if last > cutoff else (last, 0, "ALIVE_LAST_CONTACT")


def counts(day, cutoff):
    return day is not None and 0 < day <= cutoff


def policies(rules):
    return (
        ("hsct", rules.hsct),
        ("new_therapy", rules.new_therapy),
        ("second_infusion", rules.second_infusion),
    )


def end_of_one(person, rules, adequate, progressions, cutoff):
    def last_adequate(until, words=None):
        return max(
            (day for day, word in adequate if day <= until and (words is None or word not in words)),
            default=0,
        )

    death = person["death"] if person["death"] is not None and person["death"] <= cutoff else None
    event, kind = min(progressions, default=None), "PROGRESSION"
    if event is None or (death is not None and death < event):
        event, kind = death, "DEATH"
    acting = [(person[name], place, name, rule) for place, (name, rule) in enumerate(policies(rules))
              if rule not in ("ignore", "time-dependent") and counts(person[name], cutoff)]  # fmt: skip
    if acting:
        day, _, name, rule = min(acting)
        if event is None or day < event:
            end = last_adequate(day) if rule == "censor-last-assessment" else day
            return end, 2 if rule == "competing" else 0, name.upper()
    if event is None:
        end = last_adequate(math.inf)
        return end, 0, "LAST_ADEQUATE_ASSESSMENT" if end > 0 else "NO_POSTBASELINE_ASSESSMENT"
    if rules.missed_visits is not None:
        seen = last_adequate(event, words=("PD", "RELAPSE"))
        missed = [day for day, window in rules.schedule if day - window > seen and day + window < event]
        if len(missed) >= rules.missed_visits:
            return seen, 0, "MISSED_ASSESSMENTS"
    return event, 1, kind
