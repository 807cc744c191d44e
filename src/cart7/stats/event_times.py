"""From the days on which things happened to a time, an event or a censoring, and its reason.

Here: the rules of overall survival, progression-free survival, duration of response and
event-free survival, for all subjects at once, as arrays of days since infusion. Not here:
tables, dates and words of a study (`survival`), the curves (`survival_curves`).

Order of the rules: an event on the day of an intercurrent event still counts; an event after
it does not. Only then missed visits are looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cart7.stats.survival_curves import Floats

CENSORED, EVENT, COMPETING = 0.0, 1.0, 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """What happened to each subject, first days since infusion, NaN where it did not (up to the cut-off).

    `death` is the death itself, also after the cut-off; `last_contact` the last day the subject
    is known alive, also after the cut-off, at least 0. `adequate` are the evaluable assessments
    (subject by position, day, and whether it shows progression), by day within the cut-off and
    not after death.
    """

    death: Floats
    progression: Floats
    hsct: Floats
    new_therapy: Floats
    second_infusion: Floats
    last_contact: Floats
    cutoff: Floats
    adequate_subject: NDArray[np.intp]
    adequate_day: Floats
    adequate_progression: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Number of subjects."""
        return int(self.death.size)

    @property
    def death_by_cutoff(self) -> Floats:
        """Day of death, NaN after the cut-off."""
        return np.where(self.death > self.cutoff, np.nan, self.death)

    def last_adequate(self, until: Floats, *, progression: bool = True) -> Floats:
        """Day of the last evaluable assessment up to `until` (by subject); 0 where there is none.

        With ``progression=False`` an assessment that shows progression does not count.
        """
        usable = self.adequate_day <= until[self.adequate_subject]
        if not progression:
            usable &= ~self.adequate_progression
        last = np.zeros(self.n)
        np.maximum.at(last, self.adequate_subject[usable], self.adequate_day[usable])
        return last


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an intercurrent event does to a time, and which planned visits must not be missed."""

    hsct: str = "ignore"
    new_therapy: str = "censor-last-assessment"
    second_infusion: str = "ignore"
    missed_visits: int | None = None
    schedule: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """Start and end in days since infusion, the cause (0 censored, 1 event, 2 competing) and the reason."""

    start: Floats
    end: Floats
    cause: Floats
    reason: NDArray[np.object_]


def overall_survival(history: History) -> Outcome:
    """Time to death; the others are censored when last known alive, at the latest at the cut-off.

    Examples
    --------
    >>> never, nobody = np.array([np.nan]), np.array([], dtype=int)
    >>> history = History(
    ...     death=np.array([400.0]), progression=never, hsct=never, new_therapy=never, second_infusion=never,
    ...     last_contact=np.array([400.0]), cutoff=np.array([365.0]), adequate_subject=nobody,
    ...     adequate_day=nobody.astype(float), adequate_progression=nobody.astype(bool))
    >>> outcome = overall_survival(history)
    >>> float(outcome.end[0]), str(outcome.reason[0])
    (365.0, 'DATA_CUTOFF')
    """
    death = history.death_by_cutoff
    died = ~np.isnan(death)
    beyond = history.last_contact > history.cutoff
    alive_until = np.where(beyond, history.cutoff, history.last_contact)
    reason = np.select([died, beyond], ["DEATH", "DATA_CUTOFF"], "ALIVE_LAST_CONTACT")
    return Outcome(
        start=np.zeros(history.n),
        end=np.where(died, death, alive_until),
        cause=np.where(died, EVENT, CENSORED),
        reason=reason.astype(object),
    )


def progression_free(history: History, policy: Policy) -> Outcome:
    """Time to progression or death under the policies for intercurrent events and missed visits."""
    event, kind = _progression_or_death(history)
    return _ended(history, policy, event, kind)


def event_free(
    history: History, policy: Policy, *, failure_day: float, remission: Floats, at_assessment: bool = False
) -> Outcome:
    """Progression-free survival with treatment failure as one more event.

    Treatment failure: followed to `failure_day` without progression or death, and no remission
    up to it (`remission`: first day of one, NaN where none). It is dated on the infusion day,
    or at the last evaluable assessment up to `failure_day`.
    """
    first, kind = _progression_or_death(history)
    followed = np.fmin(history.last_contact, history.cutoff) >= failure_day
    failed = followed & ~(remission <= failure_day) & ~(first <= failure_day)
    day = history.last_adequate(np.full(history.n, failure_day)) if at_assessment else np.zeros(history.n)
    kind = np.where(failed, "TREATMENT_FAILURE", kind)
    return _ended(history, policy, np.where(failed, day, first), kind)


def duration_of_response(history: History, policy: Policy, first_response: Floats) -> Outcome:
    """Time from the first response to progression or death; NaN where nobody may count as responder.

    `first_response` is the first day of a response, NaN where none. It starts a duration before
    any progression, and not after an intercurrent event that the policy does not ignore.
    """
    responds = first_response < np.where(np.isnan(history.progression), np.inf, history.progression)
    for day, rule in _intercurrent(history, policy):
        if rule not in ("ignore", "time-dependent"):
            responds &= ~(first_response > day)
    usual = progression_free(history, policy)
    return Outcome(
        start=np.where(responds, first_response, np.nan),
        end=np.where(responds, usual.end, np.nan),
        cause=np.where(responds, usual.cause, np.nan),
        reason=np.where(responds, usual.reason, "NOT_RESPONDER").astype(object),
    )


def _progression_or_death(history: History) -> tuple[Floats, NDArray[np.str_]]:
    """Day of the first of the two (NaN where neither) and which it was; progression on one day."""
    event = np.fmin(history.progression, history.death_by_cutoff)
    return event, np.where(history.progression == event, "PROGRESSION", "DEATH")


def _intercurrent(history: History, policy: Policy) -> list[tuple[Floats, str]]:
    """Days of the intercurrent events and what the policy does; the first of equal days comes first."""
    return [
        (history.hsct, policy.hsct),
        (history.new_therapy, policy.new_therapy),
        (history.second_infusion, policy.second_infusion),
    ]


def _ended(history: History, policy: Policy, event: Floats, kind: NDArray[np.str_]) -> Outcome:
    """Event or censoring, whichever the rules let stand."""
    happened = ~np.isnan(event)
    visits = history.last_adequate(np.full(history.n, np.inf))
    end = np.where(happened, event, visits)
    cause = np.where(happened, EVENT, CENSORED)
    none = np.where(visits > 0, "LAST_ADEQUATE_ASSESSMENT", "NO_POSTBASELINE_ASSESSMENT")
    reason = np.where(happened, kind, none).astype(object)
    missed, last_seen = _missed(history, policy, event)
    end, cause = np.where(missed, last_seen, end), np.where(missed, CENSORED, cause)
    reason = np.where(missed, "MISSED_ASSESSMENTS", reason)
    _apply_first(history, policy, event, end, cause, reason)
    return Outcome(start=np.zeros(history.n), end=end, cause=cause, reason=reason.astype(object))


def _missed(history: History, policy: Policy, event: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Whether too many planned visits fall between the last evaluable assessment and the event."""
    last_seen = history.last_adequate(np.nan_to_num(event, nan=-1.0), progression=False)
    if policy.missed_visits is None:
        return np.zeros(history.n, dtype=bool), last_seen
    count = np.zeros(history.n, dtype=int)
    for day, window in policy.schedule:
        count += (day - window > last_seen) & (day + window < event)
    return count >= policy.missed_visits, last_seen


def _apply_first(
    history: History, policy: Policy, event: Floats, end: Floats, cause: Floats, reason: NDArray[np.object_]
) -> None:
    """Let the first intercurrent event that is not ignored, and is before the event, decide (in place)."""
    acting = [
        (name, np.where(np.isnan(day), np.inf, day), rule)
        for name, (day, rule) in zip(
            ("HSCT", "NEW_THERAPY", "SECOND_INFUSION"), _intercurrent(history, policy), strict=True
        )
        if rule not in ("ignore", "time-dependent")
    ]
    if not acting:
        return
    days = np.array([day for _, day, _ in acting])
    first = days.argmin(axis=0)  # HSCT before the others on one day
    before = days.min(axis=0) < np.where(np.isnan(event), np.inf, event)
    for position, (name, day, rule) in enumerate(acting):
        here = before & (first == position)
        stop = history.last_adequate(day) if rule == "censor-last-assessment" else day
        end[here], reason[here] = stop[here], name
        cause[here] = COMPETING if rule == "competing" else CENSORED
