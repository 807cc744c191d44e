"""CDISC in and out: single tables under rules, ADaM data sets as a study, an analysis as ADaM-like data sets.

Here: the public names. Tables: `read_table`, `write_table`, what they hand over (`Table`), what a table must
keep (`TableRules`), the presets `ADTTE` and `ADPC`. Studies: `read_adam`, `write_adam`. Not here: the tables
of a study (`study`), any statistic.
"""

from cart7.cdisc.adam_reading import read_adam
from cart7.cdisc.adam_writing import write_adam
from cart7.cdisc.presets import ADPC, ADTTE
from cart7.cdisc.rules import TableRules
from cart7.cdisc.tables import Table, read_table, write_table

__all__ = ["ADPC", "ADTTE", "Table", "TableRules", "read_adam", "read_table", "write_adam", "write_table"]
