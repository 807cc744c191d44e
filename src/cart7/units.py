"""Calendar arithmetic and rates: one place for the lengths that every table divides by.

Here: days per month and year, and how a duration is written in months. Not here: conversion of
laboratory units (`study` repairs them while reading).
"""

DAYS_PER_MONTH = 30.4375
DAYS_PER_YEAR = 365.25


def months(days: float) -> float:
    """Months of a duration in days, 30.4375 days each.

    Examples
    --------
    >>> f"{months(182.625):.1f}"
    '6.0'
    """
    return days / DAYS_PER_MONTH
