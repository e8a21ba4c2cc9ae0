"""The documentation: what it shows runs, what it says of the code comes from the code."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from mkdocs.config import load_config
from mkdocs.structure.files import get_files
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from typer.main import get_command

import synapsnet
from reports.docs import pages
from reports.notebooks import notebook, notebook_name
from synapsnet.cli import main
from synapsnet.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
PAGES |= {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")}
PACKAGES = ("synapsnet", "simulators", "validation", "reports")
TUTORIALS = [name for name in PAGES if name.startswith("docs/tutorials/")]
BLOCK = re.compile(r'^```(\w*)(?: title="(.+?)")?\n(.*?)^```|<!-- check: (.+?) -->', re.DOTALL | re.MULTILINE)


def commands(text: str) -> Iterator[list[str]]:
    """The shell commands of a page's blocks, split into words."""
    for language, _, content, _ in BLOCK.findall(text):
        if language in ("", "sh"):
            for line in content.replace("\\\n", " ").splitlines():
                if words := shlex.split(line, comments=True):
                    yield words


# Pages that are written from the code


@pytest.mark.parametrize("name", ["metrics.md", "catalogue.md", "datasets.md", "formats.md"])
def test_a_page_from_the_code_is_up_to_date(name, written):
    assert PAGES[f"docs/{name}"] == written[name], "run: python -m reports.docs docs/"


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return pages()


# Tutorials


@pytest.mark.parametrize("name", TUTORIALS)
def test_the_notebook_of_a_tutorial_runs_and_keeps_its_promises(name, tmp_path, monkeypatch, small_simulation):
    """Cell by cell in this process, which has imported already what a kernel and each of its commands would."""
    assert small_simulation.n_neurons == 20  # compiled already
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    made = notebook(PAGES[name], checked=True)
    n_promises = PAGES[name].count("<!-- check: ")
    assert n_promises and sum(cell.source.startswith("assert ") for cell in made.cells) == n_promises
    variables: dict[str, object] = {}
    for cell in (cell for cell in made.cells if cell.cell_type == "code"):
        first, _, rest = cell.source.partition("\n")
        if first == "%%sh -e":
            for line in rest.splitlines():
                run(shlex.split(line), monkeypatch)
        elif first.startswith("%%writefile "):
            Path(first.removeprefix("%%writefile ")).write_text(rest)
        else:
            exec(compile(cell.source, name, "exec"), variables)
    for path in tmp_path.glob("*.py"):
        del sys.modules[path.stem]


def test_a_notebook_runs_in_a_kernel_until_a_command_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    page = (
        '```python title="m.py"\na = 1\n```\n\n```python\nwritten = open("m.py").read()\n```\n\n'
        '<!-- check: written == "a = 1\\n" -->\n\n'
        "```sh\nsynapsnet --version\n```\n\n```sh\nfalse\ntrue\n```\n\n```python\nprint('not reached')\n```\n"
    )
    made = notebook(page, checked=True)
    with pytest.raises(CellExecutionError, match="non-zero exit status 1"):
        NotebookClient(made, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert [cell.execution_count for cell in made.cells] == [1, 2, 3, 4, 5, None]
    assert made.cells[3].outputs[0].text == f"synapsnet {synapsnet.__version__}\n"


def test_a_notebook_by_hand():
    page = (
        "# Title\n\n[Open this page as a notebook](own.ipynb)\n\n"
        "See [formats](../formats.md) and [trust](trust.md#x).\n\n"
        '```python title="m.py"\na = 1\n```\n\n```python\nimport m\n\nprint(m.a)\n```\n\n<!-- check: m.a == 1 -->\n\n'
        "```sh\nsynapsnet info x.npz\n```\n\n```\nsynapsnet assess run/\n```\n\nThe end.\n"
    )
    text = ("markdown", "# Title\n\nSee formats (docs/formats.md) and trust (docs/tutorials/trust.md).")
    cells = [(cell.cell_type, cell.source) for cell in notebook(page).cells]
    assert cells == [
        text,
        ("code", "%%writefile m.py\na = 1"),
        ("code", "import m\n\nprint(m.a)"),
        ("code", "%%sh -e\nsynapsnet info x.npz"),
        ("markdown", "```\nsynapsnet assess run/\n```"),
        ("markdown", "The end."),
    ]
    assert [cell.source for cell in notebook(page, checked=True).cells if cell not in cells][3] == "assert m.a == 1"
    assert nbformat.writes(notebook(page)) == nbformat.writes(notebook(page))


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_links_to_its_notebook(name):
    assert f"]({Path(name).stem}.ipynb)" in PAGES[name].splitlines()[2]


def test_the_site_has_the_notebooks(tmp_path):
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path))
    files = config.plugins.on_files(get_files(config), config=config)
    for name in TUTORIALS:
        file = files.get_file_from_path(notebook_name(name.removeprefix("docs/")))
        assert file is not None
        nbformat.validate(nbformat.reads(file.content_string, as_version=4))


def test_the_quick_start_runs(tmp_path, monkeypatch, small_simulation):
    assert small_simulation.n_neurons == 20  # compiled already
    monkeypatch.chdir(tmp_path)
    for words in commands(PAGES["docs/quickstart.md"]):
        if words[0] == "synapsnet":
            run(words, monkeypatch)
    assert (tmp_path / "report.html").is_file()


def test_the_readme_step_by_step(tmp_path, monkeypatch, small_simulation):
    assert small_simulation.n_neurons == 20  # compiled already
    monkeypatch.chdir(tmp_path)
    steps = PAGES["docs/commands.md"]
    smaller = steps.replace("--duration 1200", "--duration 60 --set n_neurons=20 --set connection_probability=0.15")
    assert smaller != steps
    for words in commands(BLOCK.search(smaller)[0]):
        if words[0] == "synapsnet":
            run(words, monkeypatch)
    assert {"sim.nwb", "rec.nwb", "run", "report.html", "network"} <= {path.name for path in tmp_path.iterdir()}


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert words[0] == "synapsnet"
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, words


@pytest.mark.parametrize("name", PAGES)
def test_python_blocks_compile(name):
    for language, _, content, _ in BLOCK.findall(PAGES[name]):
        if language == "python":
            compile(content, name, "exec")


# Commands


@pytest.fixture(scope="module")
def parse():
    """Parse a command line as `synapsnet` does, without doing it."""
    root = get_command(app)

    def disarm(command: Any) -> None:
        if command.callback is not None:
            command.callback = lambda **_: None
        for inner in getattr(command, "commands", {}).values():
            disarm(inner)

    disarm(root)
    return lambda words: root.main(words, prog_name="synapsnet", standalone_mode=False)


def test_a_wrong_command_would_be_noticed(parse):
    for wrong in (["simulat"], ["simulate"], ["fit", "rec.nwb", "-o", "run", "--fast"], ["datasets", "get", "x"]):
        with pytest.raises(Exception, match=r"No such|Missing"):
            parse(wrong)


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_exist_with_their_options(name, parse):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for words in commands(PAGES[name]):
        if words[0] == "synapsnet":
            parse(words[1:])
        elif words[0] == "make":
            assert words[1] in targets
        elif words[:2] == ["python", "-m"] and words[2] != "pip":
            assert importlib.util.find_spec(words[2]), words


def test_the_commands_named_in_sentences_exist():
    known = set(get_command(app).commands)
    for name, text in PAGES.items():
        assert set(re.findall(r"`synapsnet ([a-z]+)[ `]", text)) <= known, name


def test_every_command_is_shown():
    shown = {words[1] for text in PAGES.values() for words in commands(text) if words[0] == "synapsnet"}
    assert shown >= set(get_command(app).commands) - {"demo"}  # make demo runs it


def test_the_examples_in_the_help_are_right(parse):
    helped = [get_command(app)]
    examples = []
    for command in helped:
        helped += getattr(command, "commands", {}).values()
        examples += re.findall(r"`synapsnet (.+?)`", command.help or "")
    assert len(examples) > 20
    for example in examples:
        if "..." not in example:
            parse(shlex.split(example))


# Docstrings


def with_examples() -> Iterator[str]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("module", with_examples())
def test_examples_in_docstrings_are_right(module):
    assert doctest.testmod(importlib.import_module(module)).failed == 0
