"""Labels of units and ROIs: the columns, words and flags of other programs."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from synapsnet.errors import InputError
from synapsnet.io.labels import default_labels, has_label, judged, label_of

G, F, U = "good", "failed", "unsorted"


def labels(**columns: Any) -> tuple[list[str] | None, list[str]]:
    lines: list[str] = []
    return judged(pd.DataFrame(columns), "units", lines.append), lines


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"group": [0, 0, 1], "KSLabel": ["good", "mua", "noise"]}, [G, "mua", "noise"]),  # a shank, not a label
        ({"group": ["unsorted", "", "noise"], "KSLabel": ["good", "mua", "good"]}, [G, "mua", "noise"]),
        ({"group": ["unsorted"] * 3}, [U, U, U]),
        ({"quality": ["Good", "Multi-Unit", "ARTIFACT"]}, [G, "mua", "noise"]),
        ({"default_qc": ["True", "False", "True"]}, [G, F, G]),
        ({"Accepted": [1, 0, 1], "Rejected": [0, 1, 0]}, [G, F, G]),
        ({"accepted": [False] * 3, "rejected": [False] * 3, "keep": [True, False, True]}, [G, F, G]),  # CaImAn
        ({"accepted": [False] * 3, "rejected": [True, False, False]}, [F, U, U]),
        ({"excluded": ["yes", "no", "no"]}, [F, U, U]),
        ({"is_noise": ["False", "True", None]}, [U, F, U]),
        ({"rejected": ["no"] * 3, "quality": ["good", "mua", "mua"]}, [G, "mua", "mua"]),
        ({"Rejected": ["rejected", "no", "accepted"]}, [F, U, G]),
        ({"has_artifact": ["yes", "no", "no"]}, None),  # not known to judge units
        ({"label": [1.0, 2 / 3, 0.0]}, [G, F, F]),  # IBL
        ({"ibl_quality_score": [1.0, 0.5, 1.0], "kilosort2_label": ["mua"] * 3}, [G, F, G]),
        ({"_phy_annotation": [2, 1, 3]}, [G, "mua", U]),
        ({"bc_unitType": ["GOOD", "NON-SOMA", "MUA"]}, [G, "noise", "mua"]),
        ({"opinion": ["good", "noise", "mua"]}, [G, "noise", "mua"]),  # known by its words
        ({"name": ["good boy", "b", "c"]}, None),
        ({"quality": [3, 1, 2]}, None),  # of which scale
        ({"status": [b"accepted", b"rejected", b"undecided"]}, [G, F, U]),
    ],
)
def test_columns_are_understood(columns, expected):
    columns = {k: [v.decode() if isinstance(v, bytes) else v for v in values] for k, values in columns.items()}
    assert labels(**columns)[0] == expected


def test_what_was_used_and_what_was_not_is_reported():
    _, lines = labels(quality=["good", "mua", "good"], KSLabel=["good"] * 3, snr=[1.0, 2.0, 3.0], depth=[1, 2, 3])
    assert lines == [
        "The units are labelled by quality: 2 good, 1 mua.",
        "Not used, though it may say how good the units are: KSLabel, snr.",
    ]


def test_labels_are_kept_in_whatever_words():
    assert has_label([G, "mua", "axon"], "SUA, axon", "units").tolist() == [True, False, True]
    assert label_of(" Single unit ") == G
    with pytest.raises(InputError, match="No unit is labelled noise; the labels are good, mua"):
        has_label([G, "mua"], "noise", "units")
    with pytest.raises(InputError, match="units have no labels"):
        has_label(None, "good", "units")


def test_where_nothing_is_good_the_unsorted_are_kept_and_reported():
    lines: list[str] = []
    assert default_labels([U, F], G, "units", lines.append) == U
    assert default_labels([G, U], G, "units", lines.append) == G
    assert default_labels(None, G, "units", lines.append) is None
    assert lines == ["No units are labelled good; those labelled unsorted are kept, as nothing speaks against them."]
