"""Write docs/validation/requirements.md and the index of the reference files, which ship with cart7."""

from pathlib import Path

from cart7.validation import bench, catalogue

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"


def main() -> None:
    """Write both files."""
    (ROOT / "docs" / "validation" / "requirements.md").write_text(catalogue.page(), encoding="utf-8")
    (ROOT / "src" / "cart7" / "validation" / "index.csv").write_text(bench.index_text(DATA), encoding="utf-8")


if __name__ == "__main__":
    main()
