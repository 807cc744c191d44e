"""The front door is light: heavy packages load where they are used."""

import json
import subprocess
import sys

import pytest

HEAVY = ("scipy.stats", "scipy.optimize", "lifelines", "statsmodels", "matplotlib", "joblib")


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_front_door_loads_no_third_party_package():
    loaded = _loaded_by("import cart7")
    assert not loaded & {*HEAVY, "numpy", "pandas", "scipy", "pydantic"}


@pytest.mark.parametrize(
    "room", ["pk", "pd", "immunogenicity", "survival", "response", "safety", "dose", "analysis"]
)
def test_a_room_loads_no_heavy_package(room):
    assert not _loaded_by(f"import cart7.{room}") & set(HEAVY)


def test_help_and_version_load_no_room():
    statement = (
        "import contextlib, cart7.cli\nwith contextlib.suppress(SystemExit): cart7.cli.main(['--version'])"
    )
    loaded = _loaded_by(f"exec({statement!r})")
    assert not loaded & {"pandas", "numpy", "cart7.analysis"}
