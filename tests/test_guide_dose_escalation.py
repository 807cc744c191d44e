"""The guide to dose escalation runs as it stands, and its numbers are true."""

import re
from pathlib import Path

import pytest

from cart7.cli import main

GUIDE = Path(__file__).parents[1] / "docs" / "guides" / "dose-escalation.md"
BLOCKS = re.findall(r"```(toml|python|sh)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.S)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (plan,) = [text for kind, text in BLOCKS if kind == "toml"]
    (tmp_path / "plan.toml").write_text(plan, encoding="utf-8")
    return tmp_path


def test_the_python_of_the_guide_runs_in_order_and_its_numbers_are_true(folder, capsys):
    names = {}
    for text in (text for kind, text in BLOCKS if kind == "python"):
        exec(compile(text, str(GUIDE), "exec"), names)
    told = capsys.readouterr().out
    assert "Dose level 2 is recommended" in told
    assert "levels 1, 3 cannot be ruled out" in told
    assert 45 <= int(re.search(r"highest score in (\d+) %", told)[1]) <= 55
    assert "closes from 3 of 3" in told
    assert (folder / "scenarios.png").stat().st_size > 10_000
    assert (folder / "profile.png").stat().st_size > 5_000


def test_the_commands_of_the_guide_run_and_say_what_the_guide_says(folder, capsys):
    said = {}
    for line in "".join(text for kind, text in BLOCKS if kind == "sh").splitlines():
        program, *arguments = line.split()
        assert (program, main(arguments)) == ("cart7", 0)
        said[arguments[0]] = capsys.readouterr().out
    assert "Boin, last cohort at level 3: stay, level 3" in said["next-dose"]
    assert "because 1 of 3 with DLT at level 3" in said["next-dose"]
    assert "all too toxic" in said["simulate"]
    assert "2000 trials per scenario" in said["simulate"]
