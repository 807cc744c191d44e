"""The integrated score of dose levels, in parts that `cart7.dose` offers under one name.

Here: the choices (`rules`), counts and exposures per level from endpoint results (`counts`), gates and
scores (`verdict`), draws and variants (`robustness`), the result (`score`) and its words (`wording`).
Not here: cell dose from bags (`dose`), the endpoints (their results are read, nothing is recomputed).
"""
