"""Checks: from cells as found to tables that can be trusted, with every finding named.

`cells` reads one text, `tables` one table, `measures` knows units and limits, `rows` compares the
columns of a row, `across` compares tables. Not here: files (`files`) and the study (`study`).
"""
