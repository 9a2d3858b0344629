"""The README's example runs, and its test command is there for `.ci/run` to find."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code, {})
    assert "chosen" in capsys.readouterr().out


def test_two_commands():
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert [command.split("&& ")[-1].split("skdist-gpu ")[-1] for command in commands] == ["demo", "pytest -n logical"]
