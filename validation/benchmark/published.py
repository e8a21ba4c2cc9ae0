"""What others published of the same recordings, beside what is computed here: `published.toml`, validated."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import ClassVar

import pandas as pd
from pydantic import Field

from synapsnet.parameters import Parameters
from validation.benchmark.ranking import settings


class Published(Parameters):
    """What one source says of one recording.

    Parameters
    ----------
    recording : str
        Name of the file.
    metric : str
        Field of `validation.metrics.results.ConnectivityScores`.
    citation : str
    values : dict of method -> value
        Methods by the names of their authors.
    """

    title: ClassVar[str] = "a published result"

    recording: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    citation: str = Field(min_length=1)
    values: dict[str, float] = Field(min_length=1)


@dataclass(frozen=True)
class Peers:
    """A setting of a table of results, and what others published of it."""

    setting: str
    published: Published


@cache
def published() -> tuple[Published, ...]:
    """All that is known, in the order of `published.toml`."""
    text = (files("validation.benchmark") / "published.toml").read_text(encoding="utf-8")
    return tuple(Published(**comparison) for comparison in tomllib.loads(text).values())


def peers(table: pd.DataFrame) -> list[Peers]:
    """The settings of a table of results of which others published something: their recording, as it is."""
    matches = []
    specs = table.assign(setting=settings(table)).drop_duplicates("setting")
    for row in specs.to_dict("records"):
        name = PurePosixPath(json.loads(row["network_spec"]).get("recording", "")).name
        if json.loads(row["observation_spec"]).get("as") == "recorded":
            matches += [Peers(row["setting"], comparison) for comparison in published() if comparison.recording == name]
    return matches
