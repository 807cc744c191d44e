"""Pages made from results: figures, tables, the self-contained HTML page and its Word and RTF companions.

Here: formatting, rounding at print and axis geometry. Not here: any statistic. A number that is not
in a result cannot be printed. The page is written by `document.write(analysis, out_dir)`; a single
figure by the `.plot()` of a result, which finds it in `figures` by name.
"""
