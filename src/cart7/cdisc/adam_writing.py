"""An analysis as ADaM-like data sets: the study's tables with the results beside them.

Here: the frames of the data sets, their files and their description. Not here: variables and labels
(`adam_layout`), the bytes (`adam_files`), any statistic: every number is one of the results or the data.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cart7 import files
from cart7._version import __version__
from cart7.cdisc import adam_results, adam_values
from cart7.cdisc.adam_files import LONGEST_TEXT, kind_of, length_of, stored
from cart7.cdisc.adam_layout import CORE, LAYOUTS, Layout, Variable
from cart7.cdisc.adam_mapping import ASSAY, PD_PARAMETER
from cart7.cdisc.adam_people import COMPLETE, People, as_dates, as_numbers, as_texts, as_titers, study_day
from cart7.records import PARTIAL_DATE
from cart7.study import Study

NOTICE = (
    "ADaM-like: names and structure follow ADaM, nobody has validated them against its conformance rules; "
    "variables without a CDISC name are cart7's."
)
_KEPT = {variable.name for variable in CORE} | {"PARAMCD", "PARAM", "AVAL", "AVALC", "CNSR"}
_PARAMCD = re.compile(r"[A-Z][A-Z0-9_]{0,7}")


def write_adam(analysis: Any, folder: str | Path) -> dict[str, Path]:
    """Write an analysis as ADaM-like data sets, as SAS transport files and as Dataset-JSON.

    Parameters
    ----------
    analysis : Analysis
        Of `cart7.analyse`; its study and results are written, nothing is computed.
    folder : str or Path
        Is made when it is missing; files of the same names are written over.

    Returns
    -------
    dict of str to Path
        The files: `adsl.xpt`, `adsl.json` and so on for each data set with rows, and `define.json`, which
        says of every variable its label, type, length, code list and where it comes from.

    Raises
    ------
    DataError
        Every name, label, text and number that a transport file of version 5 does not hold.
    ValueError
        If the analysis holds no study.

    Notes
    -----
    Study days are CDISC's: infusion is day 1 and there is no day 0; AFRLT holds the days since infusion. AVAL
    of ADTTE is ADT - STARTDT + 1; CNSR 0 is the event. The files of the same analysis have the same bytes:
    their time of creation is a fixed one.

    Examples
    --------
    >>> import cart7, tempfile
    >>> trial = cart7.analyse(cart7.example_study(), cart7.read_plan("example"))
    >>> written = write_adam(trial, tempfile.mkdtemp())
    >>> len(written), "adtte.xpt" in written
    (21, True)
    """
    if not isinstance(getattr(analysis, "study", None), Study):
        raise ValueError("analysis must hold its study, as cart7.analyse gives it")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}
    described = []
    for layout, frame in _data_sets(analysis):
        labels = _labels(layout, frame)
        for suffix in (".xpt", ".json"):
            path = place / f"{layout.name.lower()}{suffix}"
            files.write_file(path, stored(frame), dataset=layout.name, label=layout.label, labels=labels)
            written[path.name] = path
        described.append(_described(layout, frame, labels))
    content = {"notice": NOTICE, "cart7": __version__, "created": files.UNSTATED.isoformat(),
               "study": analysis.study_id, "data_sets": described}  # fmt: skip
    path = place / "define.json"
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
    written[path.name] = path
    return written


def _data_sets(analysis: Any) -> list[tuple[Layout, pd.DataFrame]]:
    """The data sets that have rows, in the order of the layouts."""
    people = People.of(analysis)
    found = []
    for layout in LAYOUTS:
        frame = _BUILDERS[layout.name](analysis, layout, people)
        if frame is not None and len(frame):
            found.append((layout, _long_texts_split(_arranged(layout, frame))))
    return found


# --- cells ---------------------------------------------------------------------------------------


def _from_columns(table: pd.DataFrame, layout: Layout, people: People) -> pd.DataFrame:
    """The variables that are read from a column of the table, beside those of every data set."""
    core = people.beside(table["subject_id"])
    columns = {name: core[name] for name in core.columns}
    for variable in layout.variables:
        if variable.column in table.columns and variable.name not in columns:
            columns[variable.name] = _as(variable, table[variable.column])
            if variable.kind == "date":
                texts = as_texts(table[variable.column])
                columns[adam_values.companion(variable.name)] = _partial(texts)
    return pd.DataFrame(columns, index=table.index)


def _partial(texts: pd.Series) -> pd.Series:
    return texts.where(
        texts.map(lambda text: bool(PARTIAL_DATE.fullmatch(text))) & ~texts.str.fullmatch(COMPLETE), ""
    )


def _as(variable: Variable, cells: pd.Series) -> pd.Series:
    if variable.kind == "number":
        return as_titers(cells) if variable.column == "titer" else as_numbers(cells)
    if variable.kind == "date":
        return as_dates(as_texts(cells))
    if variable.kind == "study day":
        return study_day(as_numbers(cells))
    if variable.kind == "flag":
        return pd.Series(np.where(as_texts(cells) == "Y", "Y", ""), index=cells.index, dtype=object)
    return as_texts(cells)


def _arranged(layout: Layout, frame: pd.DataFrame) -> pd.DataFrame:
    """Variables in the order of the layout; a derived one that is blank throughout is left out."""
    kept = {}
    words = [name for name in frame.columns if kind_of(frame[name]) == "text"]
    frame = frame.assign(
        **{name: frame[name].astype(object).where(frame[name].notna(), "") for name in words}
    )
    for variable in layout.variables:
        for name in (variable.name, adam_values.companion(variable.name) if variable.kind == "date" else ""):
            if name in frame.columns and (name in _KEPT or (variable.column and name == variable.name)
                                          or _says_something(frame[name])):  # fmt: skip
                kept[name] = frame[name].to_numpy()
    return pd.DataFrame(kept)


def _says_something(cells: pd.Series) -> bool:
    return bool((cells.notna() & (cells != "")).any())


def _long_texts_split(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts beyond 200 bytes go on in further variables: NOTE, NOTE2, NOTE3."""
    columns: dict[str, Any] = {}
    for name in frame.columns:
        parts = [frame[name]]
        if kind_of(frame[name]) == "text" and length_of(frame[name]) > LONGEST_TEXT:
            cut = [_in_pieces(str(text)) for text in frame[name]]
            most = max(map(len, cut))
            parts = [pd.Series([piece[k] if k < len(piece) else "" for piece in cut], dtype=object)
                     for k in range(most)]  # fmt: skip
        for number, part in enumerate(parts, start=1):
            columns[name if number == 1 else f"{name[:7]}{number}"] = part
    return pd.DataFrame(columns)


def _in_pieces(text: str) -> list[str]:
    """A text in pieces of at most 200 bytes, no letter torn."""
    pieces, rest = [], text.encode()
    while rest:
        piece = rest[:LONGEST_TEXT].decode(errors="ignore")
        pieces.append(piece)
        rest = rest[len(piece.encode()) :]
    return pieces or [""]


# --- parameters and samples ------------------------------------------------------------------------


def _with_parameter(frame: pd.DataFrame, words: pd.Series, usual: Mapping[str, str]) -> pd.DataFrame:
    """PARAMCD and PARAM of the words of a table: all different, the unit in brackets."""
    texts = as_texts(words)
    by_term = {term: code for code, term in reversed(list(usual.items()))}
    codes: dict[str, str] = {}
    for word in dict.fromkeys(texts):
        codes[word] = _code(by_term.get(word, word), set(codes.values()))
    unit = frame["AVALU"] if "AVALU" in frame.columns else pd.Series("", index=frame.index, dtype=object)
    named = texts.where(unit == "", texts + " (" + unit + ")")
    return frame.assign(PARAMCD=texts.map(codes).astype(object), PARAM=named)


def _code(word: str, taken: set[str]) -> str:
    """A PARAMCD for a word: itself where it is one, else its first capitals and digits."""
    letters = re.sub(r"[^A-Z0-9_]", "", word.upper()).lstrip("0123456789_") or "PARAM"
    code = base = word if _PARAMCD.fullmatch(word) else letters[:8]
    number = 2
    while code in taken:
        code = base[: 8 - len(str(number))] + str(number)
        number += 1
    return code


def _sampled(
    frame: pd.DataFrame, table: pd.DataFrame, people: People, date: str = "sample_date"
) -> pd.DataFrame:
    """Date, CDISC study day and the time since infusion of samples and assessments."""
    day = table["day"] if "day" in table.columns else None
    text = table[date] if date in table.columns else None
    dates, partial = people.dates_that_count(table["subject_id"], text, day)
    frame = frame.assign(ADT=dates, ADTC=partial, ADY=people.study_days(table["subject_id"], dates, day))
    return frame if day is None else frame.assign(AFRLT=day.astype(float), FRLTU="DAYS")


def _quantified(frame: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """AVALC and BLQFL: what is below the limit in CDISC's words."""
    flag = (
        as_texts(table["blq"]) if "blq" in table.columns else pd.Series("", index=table.index, dtype=object)
    )
    number = as_texts(frame["AVAL"]) if "AVAL" in frame.columns else ""
    below = flag.map({"BLQ": "<LLOQ", "ND": "NOT DETECTED"})
    return frame.assign(AVALC=below.fillna(number).astype(object), BLQFL=np.where(flag != "", "Y", ""))


def _numbered(table: pd.DataFrame) -> pd.Series:
    return table.groupby("subject_id", sort=False).cumcount().add(1).astype(float)


def _table(analysis: Any, layout: Layout) -> pd.DataFrame | None:
    table: pd.DataFrame | None = getattr(analysis.study, layout.table)
    return None if table is None or not len(table) else table


# --- the data sets ---------------------------------------------------------------------------------


def _adsl(analysis: Any, layout: Layout, people: People) -> pd.DataFrame:
    table = analysis.study.subjects
    frame = _from_columns(table, layout, people)
    infused = frame["SAFFL"] == "Y"
    frame = frame.assign(ENRLFL="Y", INFFL=frame["SAFFL"], TRT01PN=frame.get("TRT01PN", np.nan))
    frame["TRT01AN"] = frame["TRT01PN"].where(infused)
    if "AGE" in frame.columns:
        frame["AGEU"] = np.where(frame["AGE"].notna(), "YEARS", "")
    more = adam_results.of_subjects(analysis, people.core.index)
    more |= adam_results.of_events(analysis, people)
    for name, column in more.items():
        frame[name] = column.to_numpy()
    return frame


def _adae(analysis: Any, layout: Layout, people: People) -> pd.DataFrame | None:
    table = _table(analysis, layout)
    if table is None:
        return None
    frame = _from_columns(table, layout, people).drop(columns=["ASTDTC", "AENDTC"], errors="ignore")
    for date, day, name, partial in (
        ("start_date", "start_day", "ASTDT", "AESTDTC"), ("end_date", "end_day", "AENDT", "AEENDTC"),
    ):  # fmt: skip
        dates, rest = people.dates_that_count(table["subject_id"], table.get(date), table.get(day))
        frame[name], frame[partial] = dates, dates.dt.strftime("%Y-%m-%d").where(dates.notna(), rest)
    if "ongoing" in table.columns:
        frame["AEENRF"] = as_texts(table["ongoing"]).map({"Y": "AFTER", "N": "DURING"}).fillna("")
    if analysis.ae_overview is not None:
        out = analysis.ae_overview.excluded
        out = out.loc[out["table"] == "adverse_events", "row"].tolist()
        frame["TRTEMFL"] = np.where(table.index.isin(out), "", "Y")
    return frame.assign(AESEQ=_numbered(table))


def _adpc(analysis: Any, layout: Layout, people: People) -> pd.DataFrame | None:
    table = _table(analysis, layout)
    if table is None:
        return None
    frame = _sampled(_quantified(_from_columns(table, layout, people), table), table, people)
    assay = table["assay"] if "assay" in table.columns else pd.Series("CARCELLS", index=table.index)
    return _with_parameter(frame.assign(PCSEQ=_numbered(table)), assay, ASSAY)


def _adpd(analysis: Any, layout: Layout, people: People) -> pd.DataFrame | None:
    table = _table(analysis, layout)
    if table is None or "parameter" not in table.columns:
        return None
    frame = _sampled(_quantified(_from_columns(table, layout, people), table), table, people)
    return _with_parameter(frame, table["parameter"], PD_PARAMETER)


def _adlb(analysis: Any, layout: Layout, people: People) -> pd.DataFrame | None:
    table = _table(analysis, layout)
    if table is None or "test" not in table.columns:
        return None
    return _with_parameter(_sampled(_from_columns(table, layout, people), table, people), table["test"], {})


def _adis(analysis: Any, layout: Layout, people: People) -> pd.DataFrame | None:
    table = _table(analysis, layout)
    if table is None or "result" not in table.columns:
        return None
    frame = _sampled(_from_columns(table, layout, people), table, people)
    words = {"POS": "POSITIVE", "NEG": "NEGATIVE", "NE": "NOT EVALUABLE"}
    frame["AVALC"] = as_texts(table["result"]).map(words).fillna("")
    if analysis.ada is not None:
        status = analysis.ada.subjects.set_index("subject_id")["classification"]
        frame["ADASTAT"] = as_texts(table["subject_id"].map(status))
    return frame.assign(PARAMCD="ADA", PARAM="Anti-CAR Antibody Result")


def _joined_to_core(rows: pd.DataFrame | None, layout: Layout, people: People) -> pd.DataFrame | None:
    """Rows of results (with SUBJID) beside the variables of every data set."""
    if rows is None or not len(rows):
        return None
    core = people.beside(rows["SUBJID"])
    others = rows.drop(columns=[name for name in core.columns if name in rows.columns])
    return pd.concat([core, others], axis=1)


def _of_results(build: Callable[[Any, People], pd.DataFrame | None]) -> Callable[..., pd.DataFrame | None]:
    return lambda analysis, layout, people: _joined_to_core(build(analysis, people), layout, people)


def _adrs(analysis: Any, layout: Layout, people: People) -> pd.DataFrame | None:
    table = _table(analysis, layout)
    blocks: list[pd.DataFrame] = []
    if table is not None:
        frame = _sampled(_from_columns(table, layout, people), table, people, "assessment_date")
        for column, code, name in adam_results.ASSESSMENTS:
            if column in table.columns:
                said = frame.assign(
                    AVALC=as_texts(table[column]), PARAMCD=code, PARAM=name, PARCAT1="ASSESSMENT"
                )
                blocks.append(said[said["AVALC"] != ""])
        blocks = [pd.concat(blocks).sort_index(kind="stable")] if blocks else []
    found = _joined_to_core(adam_results.responders(analysis, people), layout, people)
    blocks += [] if found is None else [found]
    return pd.concat(blocks, ignore_index=True).assign(ANL01FL="Y") if blocks else None


_BUILDERS: Mapping[str, Callable[[Any, Layout, People], pd.DataFrame | None]] = {
    "ADSL": _adsl,
    "ADAE": _adae,
    "ADPC": _adpc,
    "ADPP": _of_results(adam_results.kinetic_parameters),
    "ADPD": _adpd,
    "ADRS": _adrs,
    "ADTTE": _of_results(adam_results.times),
    "ADIS": _adis,
    "ADLB": _adlb,
    "ADEX": _of_results(adam_results.exposure),
}


# --- the description -------------------------------------------------------------------------------


def _variables(layout: Layout, frame: pd.DataFrame) -> list[tuple[str, Variable, str]]:
    """Each variable that is written with its record, and the label of a companion or continuation."""
    known = {variable.name: variable for variable in layout.variables}
    partial = {adam_values.companion(name): known[name] for name in known if known[name].kind == "date"}
    found = []
    for name in frame.columns:
        if name in known:
            found.append((name, known[name], known[name].label))
        elif name in partial:
            found.append((name, partial[name], f"{partial[name].label[:31]}, Partial"))
        else:
            whole = next(known[one] for one in known if name.startswith(one[:7]))
            found.append((name, whole, f"{whole.label[:28]}, continued"))
    return found


def _labels(layout: Layout, frame: pd.DataFrame) -> dict[str, str]:
    return {name: label for name, _, label in _variables(layout, frame)}


def _described(layout: Layout, frame: pd.DataFrame, labels: Mapping[str, str]) -> dict[str, Any]:
    """What define.json says of a data set."""
    variables: Sequence[dict[str, Any]] = [
        {
            "name": name,
            "label": labels[name],
            "type": kind_of(frame[name]),
            "length": length_of(frame[name]),
            "format": "DATE9." if kind_of(frame[name]) == "date" else "",
            "codelist": variable.terms.split("|") if variable.terms else [],
            "origin": f"{layout.table}.{variable.column}" if variable.column else "derived",
            "derivation": variable.derivation,
        }
        for name, variable, _ in _variables(layout, frame)
    ]
    files = [f"{layout.name.lower()}{suffix}" for suffix in (".xpt", ".json")]
    return {"name": layout.name, "label": layout.label, "files": files, "keys": list(layout.key),
            "records": len(frame), "variables": variables}  # fmt: skip
