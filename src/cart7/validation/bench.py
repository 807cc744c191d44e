"""What a check works with: the reference files of this installation, the example study, and its analysis.

Here: where the reference files are, whether they are the ones that were shipped, and one reading of each.
Not here: any comparison. The whole-study functions come from above and are handed over.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cart7.errors import Cart7Error
from cart7.examples import STUDY_FOLDER, example_study
from cart7.plan import Plan, read_plan
from cart7.study import Study

if TYPE_CHECKING:
    from types import ModuleType

    Analyse = Callable[[Study, Plan], Any]

INDEX = Path(__file__).parent / "index.csv"
INDEX_COLUMNS = ("path", "bytes", "sha256")
EXAMPLES = "examples"
"""First part of an index path that names a file of the embedded example study."""
PUBLISHED = "real/gbm_bivalent_cart_phase1.csv"
"""The table of a published trial."""


def reference_folder() -> Path:
    """Folder of the reference files: inside the installed package, else `tests/data` of the source tree.

    Raises
    ------
    Cart7Error
        When this installation has neither.
    """
    installed = Path(__file__).parent / "data"
    source = Path(__file__).parents[3] / "tests" / "data"
    for folder in (installed, source):
        if (folder / "dose" / "README.md").is_file():
            return folder
    raise Cart7Error(
        f"the reference files are not in this installation (looked in {installed} and {source}); "
        "install cart7 from its wheel, its sdist or a full clone of its repository"
    )


def reference_path(folder: Path, name: str) -> Path:
    """A reference file by its index path; a published table has its own folder in the source tree."""
    path = folder / name
    if name == PUBLISHED and not path.exists():
        return folder.parents[1] / "examples" / "glioblastoma" / path.name
    return path


def reference_files(folder: Path) -> dict[str, Path]:
    """Every file that the index names: index path to file."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    files |= {f"{EXAMPLES}/{path.name}": path for path in STUDY_FOLDER.iterdir()}
    files[PUBLISHED] = reference_path(folder, PUBLISHED)
    return {
        name: path
        for name, path in sorted(files.items())
        if path.is_file() and not any(part.startswith((".", "__")) for part in Path(name).parts)
    }


def index_text(folder: Path) -> str:
    """The index of the reference files, as it is shipped: path, size, sha256."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(INDEX_COLUMNS)
    for name, path in reference_files(folder).items():
        content = path.read_bytes()
        writer.writerow([name, len(content), hashlib.sha256(content).hexdigest()])
    return text.getvalue()


@dataclass(frozen=True, eq=False)
class Bench:
    """Reference files and, once asked for, the example study and its analysis; each is read once.

    Parameters
    ----------
    folder : Path
        The reference files.
    analyse, verify, write_report : callable, optional
        `cart7.analyse`, `cart7.verify` and `cart7.manifest.write_report`.
    """

    folder: Path
    analyse: "Analyse | None" = None
    verify: Callable[[Path], Any] | None = None
    write_report: Callable[..., Path] | None = None
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    def keep(self, key: Any, make: Callable[[], Any]) -> Any:
        """The value of `make()`, made once for this bench."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def path(self, name: str) -> Path:
        """A reference file."""
        return reference_path(self.folder, name)

    def table(self, name: str, **options: Any) -> pd.DataFrame:
        """A reference table, read anew from its kept bytes so that no check changes another's copy."""
        path = self.path(name)
        content = self.keep(("bytes", name), path.read_bytes)
        options.setdefault("compression", "gzip" if name.endswith(".gz") else None)
        return pd.read_csv(io.BytesIO(content), **options)

    def text_table(self, name: str, **options: Any) -> pd.DataFrame:
        """A reference table as text, empty cells missing."""
        return self.table(name, dtype=str, keep_default_na=False, na_values=[""], **options)

    def json(self, name: str) -> Any:
        """A reference file in JSON."""
        return json.loads(self.path(name).read_text(encoding="utf-8"))

    def example(self, name: str) -> pd.DataFrame:
        """A raw table of the embedded example study."""
        return pd.read_csv(STUDY_FOLDER / f"{name}.csv")

    @property
    def study(self) -> Study:
        """The example study, read and checked."""
        study: Study = self.keep("study", example_study)
        return study

    @property
    def plan(self) -> Plan:
        """The plan of the example study."""
        plan: Plan = self.keep("plan", lambda: read_plan("example"))
        return plan

    @property
    def trial(self) -> Any:
        """The analysis of the example study under its plan; needs `analyse`."""
        if self.analyse is None:
            raise Cart7Error("the analysis was not handed over")
        analyse = self.analyse
        return self.keep("trial", lambda: analyse(self.study, self.plan))

    @property
    def long(self) -> pd.DataFrame:
        """The long results of `trial`."""
        rows: pd.DataFrame = self.keep("long", lambda: self.trial.to_frame())
        return rows

    def analysed_again(self) -> pd.DataFrame:
        """The long results of a second reading and analysis of the example study."""
        if self.analyse is None:
            raise Cart7Error("the analysis was not handed over")
        rows: pd.DataFrame = self.analyse(example_study(), self.plan).to_frame()
        return rows


def changed_files(folder: Path) -> dict[str, str]:
    """Files that are not as shipped: index path to what is the matter."""
    with INDEX.open(encoding="utf-8", newline="") as lines:
        shipped = {row["path"]: row["sha256"] for row in csv.DictReader(lines)}
    present = reference_files(folder)
    changed = dict.fromkeys(sorted(set(shipped) - set(present)), "missing")
    for name in sorted(set(shipped) & set(present)):
        if hashlib.sha256(present[name].read_bytes()).hexdigest() != shipped[name]:
            changed[name] = "changed"
    return changed


def indexed_files() -> Iterable[str]:
    """Paths of the index."""
    with INDEX.open(encoding="utf-8", newline="") as lines:
        return [row["path"] for row in csv.DictReader(lines)]


@cache
def area_modules() -> tuple["ModuleType", ...]:
    """The modules that hold checks."""
    import importlib

    return tuple(importlib.import_module(f"cart7.validation.areas.{name}") for name in AREAS)


AREAS: tuple[str, ...] = (
    "installation",
    "proportions",
    "survival",
    "time_to_event",
    "kinetics",
    "kinetics_models",
    "cells",
    "response",
    "antibodies",
    "safety",
    "grading",
    "designs",
    "models",
    "recommended_dose",
    "data",
    "whole_study",
    "reproducibility",
)
