"""The page of methods: up to date, and no docstring without what it is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from validation.methods import METHODS
from validation.methods.__main__ import COLUMNS, page

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"
NAMES = [name for name, entry in METHODS.items() if not entry.bound]


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, str]]:
    lines = [line for line in page().splitlines() if line.startswith("| `")]
    cells = [dict(zip(COLUMNS, line.strip("| ").split(" | "), strict=True)) for line in lines]
    return {row["name"].strip("`"): row for row in cells}


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m validation.methods > docs/methods.md"


def test_every_registered_method_has_a_row(rows):
    assert list(rows) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_method_says_what_it_computes_and_at_what_cost(rows, name):
    assert rows[name]["what it computes"] != "–"
    assert rows[name]["cost"].startswith("O(")


def test_sources_settings_and_modalities_are_those_of_the_code(rows):
    assert rows["glm"]["source"] == "Pillow et al. 2008, Nature 454:995"
    assert rows["granger"]["source"].count(";") == 1
    assert rows["transformer"]["source"] == "Vaswani et al. 2017, NeurIPS, arXiv:1706.03762"
    assert rows["cross-correlogram"]["settings"] == "`max_lag_s=0.015`, `jitter_s=0.1`"
    assert rows["glmcc"]["infers from"] == "spikes"
    assert (rows["glm"]["infers from"], rows["glm"]["forecasts"]) == ("spikes, calcium", "spikes")
    assert (rows["gru"]["infers from"], rows["gru"]["forecasts"]) == ("–", "spikes, calcium")
    assert rows["synapsnet-without-prior"]["cost"] == rows["synapsnet"]["cost"]
