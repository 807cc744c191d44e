"""Installation: the reference files are those that were shipped."""

from cart7.validation.bench import Bench, changed_files, indexed_files
from cart7.validation.checks import check
from cart7.validation.comparison import Tally


@check("installation.reference_files")
def reference_files(bench: Bench, tally: Tally) -> None:
    """The sha256 of each reference file and of each table of the example study is the indexed one."""
    changed = changed_files(bench.folder)
    names = list(indexed_files())
    tally.words(
        "file", [changed.get(name, "as shipped") for name in names], ["as shipped"] * len(names), at=names
    )
