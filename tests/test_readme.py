"""What the README promises."""

from __future__ import annotations

import re
from pathlib import Path

from synapsnet.cli.app import app
from validation.metrics.connectivity import score_connectivity

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_quick_start_runs(small_simulation, capsys):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    smaller = code.replace("n_neurons=100", "n_neurons=20").replace("duration_s=1200", "duration_s=60")
    assert smaller.count("n_neurons=20") == smaller.count("duration_s=60") == 1
    assert small_simulation.n_neurons == 20  # compiled already
    names: dict[str, object] = {}
    exec(smaller, names)
    printed = capsys.readouterr().out
    assert "synapsnet" in printed
    assert names["score_connectivity"] is score_connectivity


def test_the_commands_that_it_names_exist():
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    named = set(re.findall(r"^synapsnet (\w+) ", README, re.MULTILINE))
    assert named <= known  # all of them: tests/test_docs.py
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"make (?:PYTHON=\S+ )?(\w+)", README)) <= set(targets)


def test_it_has_no_placeholder():
    assert not re.search(r"^[A-Z]{4,}$", README, re.MULTILINE)


def test_its_files_exist():
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / path).exists(), path
