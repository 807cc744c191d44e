"""The workflow for users' continuous integration, and a run under another environment."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from cart7.cli import _parser, main
from cart7.examples import STUDY_FOLDER

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / "examples" / "ci" / "verify-report.yml"


def test_the_workflow_is_sound_and_its_commands_exist():
    lines = WORKFLOW.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if "\t" in line or line != line.rstrip()]
    assert not [line for line in lines if (len(line) - len(line.lstrip())) % 2]
    keys = [line.split(":")[0] for line in lines if re.match(r"[a-z]+:", line)]
    assert keys == ["name", "on", "permissions", "jobs"]
    commands = [line.split("run: ", 1)[1] for line in lines if "run: cart7 " in line]
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command.split(">")[0])
        assert callable(_parser().parse_args(words[1:]).run)


def test_the_guide_names_the_workflow_and_the_check():
    guide = (ROOT / "docs" / "guides" / "ci.md").read_text(encoding="utf-8")
    assert "../../examples/ci/verify-report.yml" in guide
    assert "from cart7.manifest import assert_reproduced" in guide


def test_hash_seed_language_time_zone_and_directory_change_no_byte(tmp_path):
    (tmp_path / "study").mkdir()
    for table in ("subjects", "dlt", "adverse_events"):
        shutil.copy(STUDY_FOLDER / f"{table}.csv", tmp_path / "study")
    assert main(["report", str(tmp_path / "study"), "--out", str(tmp_path / "a")]) == 0
    other = {"PYTHONHASHSEED": "4711", "TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8"}
    arguments = [sys.executable, "-m", "cart7", "report", "../study", "--out", "deep/b"]
    (tmp_path / "elsewhere").mkdir()
    subprocess.run(
        arguments, cwd=tmp_path / "elsewhere", env=os.environ | other, check=True, capture_output=True
    )
    for name in ("results.csv", "results.json", "report.html"):
        one, two = tmp_path / "a" / name, tmp_path / "elsewhere" / "deep" / "b" / name
        assert one.read_bytes() == two.read_bytes(), name
