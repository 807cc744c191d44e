"""Records of OS, PFS and DOR reasoned by hand, and a published trial."""

from typing import Any

import pandas as pd

from cart7 import survival
from cart7.stats import proportions
from cart7.validation.bench import Bench
from cart7.validation.checks import check
from cart7.validation.comparison import Tally


def _reasoned(bench: Bench) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    people = bench.table("survival/adtte_subjects.csv").rename(columns={"subject": "subject_id"})
    config = bench.json("survival/adtte_config.json")
    words = {"death_date": "DEATH", "last_known_alive": "LAST_CONTACT", "new_therapy_date": "NEW_THERAPY",
             "hsct_date": "HSCT"}  # fmt: skip
    events = people.melt("subject_id", list(words), "event", "date").dropna(subset="date")
    events["event"] = events["event"].map(words)
    responses = bench.table("survival/adtte_assessments.csv").rename(
        columns={"subject": "subject_id", "date": "assessment_date", "response": "overall_response"}
    )
    responses["overall_response"] = responses["overall_response"].replace("REL", "RELAPSE")
    subjects = people[["subject_id", "infusion_date"]].assign(data_cutoff=config["data_cutoff"])
    visits = tuple((day, config["window_days"]) for day in config["scheduled_days_from_infusion"])
    return (
        subjects,
        events,
        responses,
        {"missed_visits": config["missed_visits_to_censor"], "schedule": visits},
    )


def records_of(endpoints: tuple[str, ...], bench: Bench, tally: Tally) -> None:
    """Time, event, reason, start and end of every subject under every transplantation policy."""
    subjects, events, responses, rules = _reasoned(bench)
    expected = bench.table("survival/adtte_expected.csv").set_index("subject")
    zero = pd.to_datetime(subjects.set_index("subject_id")["infusion_date"])
    for day_one in (False, True):
        for (endpoint, policy), rows in expected.groupby(["endpoint", "hsct_policy"]):
            if endpoint not in endpoints:
                continue
            plan = survival.TimeToEventRules(hsct=policy.replace("_", "-"), day_one=day_one, **rules)
            result = survival.time_to_event(subjects, events, responses, endpoint=endpoint, rules=plan)
            got = result.subjects.set_index("subject_id").loc[rows.index]
            what, at = f"{endpoint} {policy}", list(rows.index)
            tally.words(f"{what} reason", got["reason"], rows["reason"], at=at)
            days = rows["days_plus1" if day_one else "days"]
            tally.numbers(f"{what} days", got["time"], days, at=at)
            tally.numbers(f"{what} status", got["cause"], rows["status"], at=at)
            for ours, theirs in (("start_day", "start_date"), ("end_day", "end_date")):
                wanted = (pd.to_datetime(rows[theirs]) - zero.loc[rows.index]).dt.days
                tally.numbers(f"{what} {ours}", got[ours], wanted, at=at)


@check("time_to_event.overall_survival")
def overall_survival(bench: Bench, tally: Tally) -> None:
    """OS records."""
    records_of(("OS",), bench, tally)


@check("time_to_event.progression_free_survival")
def progression_free_survival(bench: Bench, tally: Tally) -> None:
    """PFS records, and counting-process rows of a time-dependent transplantation."""
    records_of(("PFS",), bench, tally)
    subjects, events, responses, rules = _reasoned(bench)
    plan = survival.TimeToEventRules(hsct="time-dependent", day_one=True, **rules)
    result = survival.time_to_event(subjects, events, responses, endpoint="PFS", rules=plan)
    expected = bench.table("survival/adtte_time_dependent_hsct.csv")
    ours = result.counting_process.to_numpy().ravel().tolist()
    tally.words("counting process", ours, expected.to_numpy().ravel().tolist())


@check("time_to_event.duration_of_response")
def duration_of_response(bench: Bench, tally: Tally) -> None:
    """DOR records."""
    records_of(("DOR",), bench, tally)


@check("time_to_event.published_trial")
def published_trial(bench: Bench, tally: Tally) -> None:
    """A published CAR-T phase I of 18 subjects: PFS, dose levels, response rate."""
    wanted = bench.table("real/expected_gbm.csv", dtype={"value": float})
    wanted = wanted.set_index(["quantity", "group", "statistic"])["value"]
    people = bench.table("real/gbm_bivalent_cart_phase1.csv")
    months, event = people["pfs_months"], people["pfs_event"] == 1
    curve = survival.kaplan_meier(months, event)
    median = curve.quantiles(0.5).iloc[0]
    got = {"n": len(people), "events": int(event.sum()), "median[log-log]": median["time"],
           "median_lcl95[log-log]": median["ci_low"], "median_ucl95[log-log]": median["ci_high"]}  # fmt: skip
    for month, at in curve.at([1, 3, 6]).set_index("time").iterrows():
        got |= {
            f"S({month:g})[log-log]": at["survival"],
            f"S({month:g})_lcl95[log-log]": at["ci_low"],
            f"S({month:g})_ucl95[log-log]": at["ci_high"],
            f"n_risk({month:g})": at["n_risk"],
        }
    got["reverse_km_median_followup"] = curve.follow_up(ties="flip").quantiles(0.5).iloc[0]["time"]
    theirs = [wanted[("PFS_months", "all", name)] for name in got]
    tally.numbers("PFS", list(got.values()), theirs, relative=1e-9, at=list(got))
    test = survival.logrank(months, event, people["dose_level"], exact=False)
    theirs = [wanted[("PFS_months", "dose_level", name)] for name in ("logrank_chisq", "logrank_p")]
    tally.numbers("log-rank", [test.statistic, test.p_value], theirs, relative=1e-9)
    responders = int(people["responder_source"].astype(str).eq("True").sum())
    limits = proportions.interval(responders, len(people))
    ours = [responders, len(people), *(float(limit) for limit in limits)]
    theirs = [wanted[("responder_source", "all", name)] for name in ("x", "n", "cp_lcl95", "cp_ucl95")]
    tally.numbers("response rate", ours, theirs, relative=1e-9)
