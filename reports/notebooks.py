"""The tutorials as Jupyter notebooks, made of their pages when the documentation site is built.

A hook of MkDocs (`hooks` in mkdocs.yml). Blocks of Python become code cells, commands become cells of the shell, blocks
with a title become files that a cell writes; all else is text.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

TUTORIALS = "tutorials/"
# A block of code with its language and title, or a promise that a test checks
BLOCK = re.compile(r'^```(\w*)(?: title="(.+?)")?\n(.*?)^```$|^<!-- check: (.+?) -->$', re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\(([\w./-]+)\.md(?:#[\w-]+)?\)")
ITSELF = re.compile(r"^\[[^\]]+\]\([\w-]+\.ipynb\)\n+", re.MULTILINE)
SHELL = "%%sh -e\n"  # stops at the first command that fails


def notebook(page: str, *, checked: bool = False) -> NotebookNode:
    """A tutorial as a notebook; the same page makes the same notebook.

    Parameters
    ----------
    page : str
        Markdown.
    checked : bool
        Whether cells assert what the page promises, for tests.

    Returns
    -------
    NotebookNode
        Notebook of format 4, valid, without outputs.
    """
    cells = []
    end = 0
    for block in BLOCK.finditer(page):
        cells.append(_text(page[end : block.start()]))
        end = block.end()
        language, title, content, promise = block.groups()
        if promise:
            cells.append(new_code_cell(f"assert {promise}") if checked else _text(""))
        elif title:
            cells.append(new_code_cell(f"%%writefile {title}\n{content.rstrip()}"))
        elif language == "python":
            cells.append(new_code_cell(content.rstrip()))
        elif language == "sh":
            cells.append(new_code_cell(SHELL + content.rstrip()))
        else:
            cells.append(new_markdown_cell(block.group()))
    cells.append(_text(page[end:]))
    kept = [cell for cell in cells if cell["source"]]
    for k, cell in enumerate(kept):
        cell["id"] = f"cell-{k}"  # otherwise random
    made = new_notebook(
        cells=kept, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    nbformat.validate(made)
    return made


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put a notebook beside each tutorial of the site; MkDocs calls this."""
    from mkdocs.structure.files import File

    for file in files.documentation_pages():
        if file.src_uri.startswith(TUTORIALS):
            content = nbformat.writes(notebook(file.content_string))
            files.append(File.generated(config, notebook_name(file.src_uri), content=content))
    return files


def notebook_name(page: str) -> str:
    """Where the notebook of a page lies, for example `tutorials/trust.ipynb`."""
    return str(PurePosixPath(page).with_suffix(".ipynb"))


def _text(markdown: str) -> NotebookNode:
    """A cell of text, in which links to pages, which a notebook that was moved would lose, are names of files."""

    def named(link: re.Match[str]) -> str:
        text, target = link.groups()
        inside = target.removeprefix("../") if target.startswith("../") else TUTORIALS + target
        return f"{text} (docs/{inside}.md)"

    return new_markdown_cell(LINK.sub(named, ITSELF.sub("", markdown)).strip())
