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
        Who keeps it, "figshare" or "dandi".
    identifier, version : str
        Its number there, and, of a dandiset, the published version: what is fetched does not change later.
    leave_out : str
        Shell pattern of the files that are not fetched.
    doi, citation : str
        Of the data, and the paper to cite.
    licence, size : str or None
        None if it could not be verified; `synapsnet.datasets.archives.Listing` has what the archive states.
    good_for : str
        What it can answer.
    reader : str
        Module of `synapsnet.io` that reads it.
    """

    title: ClassVar[str] = "a data set"

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    what: str = Field(min_length=1)
    archive: Literal["figshare", "dandi"]
    identifier: str = Field(pattern=r"^\d+$")
    version: str = ""
    leave_out: str = ""
    doi: str = Field(pattern=r"^10\.\d{4,}/\S+$")
    licence: str | None = None
    citation: str = Field(min_length=1)
    size: str | None = None
    good_for: str = Field(min_length=1)
    reader: str = Field(pattern=r"^[a-z0-9_]+$")

    @model_validator(mode="after")
    def _dandisets_change(self) -> Dataset:
        if (self.archive == "dandi") != bool(self.version):
            raise ValueError("a dandiset needs a published version, and nothing else has one")
        return self


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
