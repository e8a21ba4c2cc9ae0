"""The public data sets that are known by name: `registry.toml`, validated."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from synapsnet.errors import unknown_name
from synapsnet.parameters import Parameters


class Dataset(Parameters):
    """A public data set: where it is, what it is good for, and on which terms.

    Parameters
    ----------
    name, what : str
        What the command line takes, and what it is in words.
    archive : str
        Who keeps it, "figshare", "dandi" or "github".
    identifier, version : str
        Its number there, on GitHub OWNER/REPOSITORY; and of a dandiset the published version, on GitHub the commit:
        what is fetched does not change later.
    leave_out : str
        Shell pattern of the files that are not fetched.
    files : dict of path -> str
        What is fetched from GitHub: its path here, and there.
    sha256 : dict of path -> str
        Checksums by path here, where they are known and the archive states none.
    doi, citation : str
        DOI of the data, if they have one, and the paper to cite.
    licence, size : str or None
        None if it could not be verified; `synapsnet.datasets.archives.Listing` has what the archive states.
    good_for : str
        What questions it suits.
    reader : str
        Module of `synapsnet.io` that reads it.
    """

    title: ClassVar[str] = "a data set"

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    what: str = Field(min_length=1)
    archive: Literal["figshare", "dandi", "github"]
    identifier: str = Field(pattern=r"^(\d+|[\w.-]+/[\w.-]+)$")
    version: str = ""
    leave_out: str = ""
    files: dict[str, str] = Field(default_factory=dict)
    sha256: dict[str, str] = Field(default_factory=dict)
    doi: str = Field(default="", pattern=r"^(10\.\d{4,}/\S+)?$")
    licence: str | None = None
    citation: str = Field(min_length=1)
    size: str | None = None
    good_for: str = Field(min_length=1)
    reader: str = Field(pattern=r"^[a-z0-9_]+$")

    @model_validator(mode="after")
    def _is_found_and_stays(self) -> Dataset:
        if (self.archive == "figshare") == bool(self.version):
            raise ValueError("a dandiset needs a published version, GitHub a commit, and nothing else has one")
        if (self.archive == "github") != bool(self.files) or (self.archive == "github") != ("/" in self.identifier):
            raise ValueError("of GitHub the repository and its files are named, of other archives a number")
        if self.archive != "github" and not self.doi:
            raise ValueError("figshare and DANDI give a DOI")
        return self

    @property
    def address(self) -> str:
        """Where a person finds it."""
        return f"https://doi.org/{self.doi}" if self.doi else f"https://github.com/{self.identifier}"


@cache
def registry() -> dict[str, Dataset]:
    """All data sets by name, in the order of `registry.toml`."""
    tables = tomllib.loads((files("synapsnet.datasets") / "registry.toml").read_text(encoding="utf-8"))
    return {name: Dataset(name=name, **table) for name, table in tables.items()}


def find_dataset(name: str) -> Dataset:
    """The data set of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in registry():
        raise unknown_name("data set", name, registry())
    return registry()[name]
