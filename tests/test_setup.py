"""Setting up: `make` on every Python that it supports, and on no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from synapsnet.errors import EXTRAS, InputError, sentence

ROOT = Path(__file__).parents[1]
SUPPORTED = re.findall(r"^SUPPORTED := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()


def test_make_refuses_a_python_that_is_too_old_or_not_there(tmp_path: Path):
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\necho 3.8\n")
    old.chmod(0o700)
    for python, what in {old: "is Python 3.8.", tmp_path / "none": "is not there."}.items():
        command = ["make", "--dry-run", "--directory", str(ROOT), f"PYTHON={python}", "demo"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2
        assert f"This needs one of Python {' '.join(SUPPORTED)}; {python} {what}" in " ".join(done.stderr.split())


def test_all_that_name_the_pythons_name_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    classifiers = [each.rpartition(" ")[2] for each in project["classifiers"] if ":: 3." in each]
    assert classifiers == SUPPORTED
    assert project["requires-python"] == f">={SUPPORTED[0]}"


def test_constraints_are_versions_alone():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = [line for line in lines if not line.startswith("#")]
    assert len(pinned) > 100
    assert all(re.fullmatch(r"[a-z0-9.-]+==[^ /]+( ; [^/]+)?", line) for line in pinned)


def test_a_missing_package_is_a_sentence_that_names_its_extra():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packages = {"markupsafe": "jinja2", "distributed": "dask"}  # else of the module's name
    for module, extra in EXTRAS.items():
        package = packages.get(module, module)
        assert any(re.match(rf"{package}\b", requirement) for requirement in extras[extra]), module
    with pytest.raises(InputError, match=r"needs plotly.subplots, .* pip install 'synapsnet\[report\]'"):
        raise sentence(ModuleNotFoundError("No module named 'plotly.subplots'", name="plotly.subplots"))


def test_simulate_fit_and_score_need_no_extra(tmp_path: Path):
    """In an environment from which all but the dependencies is hidden."""
    needed = {"synapsnet"}
    more = list(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    while more:
        requirement = Requirement(more.pop())
        name = canonicalize_name(requirement.name)
        if name not in needed and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            needed.add(name)
            more += requires(name) or []
    hidden = [
        module
        for module, brought_by in packages_distributions().items()
        if not needed & set(map(canonicalize_name, brought_by))
    ]
    assert {"plotly", "hypothesis", "pytest", "dask"} <= set(hidden)
    np.save(tmp_path / "spikes.npy", np.random.default_rng(0).poisson(0.1, (4000, 3)))
    script = f"""
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.partition(".")[0] in {hidden} else find(name, *more)
from synapsnet.cli import main
import simulators
for command in ("fit spikes.npy --dt 0.01 --epochs 1 -o run", "score run --against glm"):
    sys.argv = ["synapsnet", *command.split()]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, command
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_what_make_gpu_measures_runs_on_any_device():
    """The only test of it where there is no GPU: that every stage is there under its name."""
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--part", "40", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for row in rows for name in row] == ["training", "evidence", "posterior"]
    assert all(measured["seconds"] > 0 for row in rows for measured in row.values())
