"""The README's example runs, and its test command is there for `.ci/run` to find."""

import re
from pathlib import Path

from skdist_gpu.engines.registry import engines

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code, {})
    assert "chosen" in capsys.readouterr().out


def test_two_commands():
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert [command.split("&& ")[-1].split("skdist-gpu ")[-1] for command in commands] == ["demo", "pytest -n logical"]


def test_table_of_engines_is_what_the_engines_say():
    stated = {
        name: set(places.split(", ")) for name, places in re.findall(r"^\| `([\w.]+)` \| ([^|]+) \|", README, re.M)
    }
    words = {"cpu": "CPU", "gpu": "GPU", "dask": "Dask"}
    ours = [engine for engine in engines().values() if type(engine).__module__.startswith("skdist_gpu.")]
    assert stated == {engine.name: {words[device] for device in engine.packages} for engine in ours}
