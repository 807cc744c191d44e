"""CDISC in and out: ADaM data sets as a study, and an analysis as ADaM-like data sets.

Here: the public names. Not here: the tables of a study (`study`), any statistic.
"""

from cart7.cdisc.adam_reading import read_adam
from cart7.cdisc.adam_writing import write_adam

__all__ = ["read_adam", "write_adam"]
