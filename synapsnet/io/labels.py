"""Quality labels of units and ROIs: one list of column names and words for all readers.

A column that labels units is found by its name, or by its words; names are compared in lower case, without `_`, blanks
and the like. If there are several such columns, the first in the list counts and, for units that it leaves `unsorted`,
the next.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.reader import Notify

GOOD, UNSORTED = "good", "unsorted"

# Labels, and the words that mean them. Other words are kept unchanged.
WORDS = {
    GOOD: "good su sua single singleunit isolated wellisolated accept accepted valid cell iscell soma somatic pass "
    "passed true yes unit neuron keep kept ok include included",
    "mua": "mua mu multi multiunit nonsomamua",
    "noise": "noise artifact artefact junk garbage nonsoma nonsomatic nonsomagood",
    "failed": "bad poor reject rejected fail failed invalid false no notcell nocell exclude excluded discard discarded",
    UNSORTED: "unsorted unclassified unlabelled unlabeled undecided unknown none nan na null uncurated unrated pending",
}
LABEL_OF = {word: label for label, words in WORDS.items() for word in words.split()}
ANNOTATIONS = {0: "noise", 1: "mua", 2: GOOD, 3: UNSORTED}  # phy's numeric labels

# Columns, the most trusted first: manual curation, then computed quality, then the sorter's own label.
JUDGING = (
    r"(manual|curated|curation|human|phy)(label|group|quality|curation|status|decision)?s?",
    r"(phy)?annotations?",
    r"(cluster)?groups?",
    r"(is|auto|manually|cell|roi|unit)?(accepted|rejected|good|bad|noise|artifact|excluded?|kept?|keep)(cell|roi|unit)?s?",
    r"(unit|cluster|cell|roi|sorting|spike)?(quality|label|status|decision|classification)s?",
    r"(is)?valid(roi|cell|unit)?s?",
    r"(is|not)cell",
    r"issoma",
    r"iblqualityscore|qualityscore",
    r"(default|unit|pass|passes|passed)?qc(pass|passes|passed|label)?",
    r"(bombcell|bc|decoder|unitrefine|noiseneural|sigui|aind|qc)(unit)?(label|type|class|classification|prediction)s?",
    r"unittypes?",
    r"(ks|kilosort)\d*(label|group|quality)?s?",
)
AGAINST = re.compile(r"rejected|bad|noise|artifact|exclude|notcell")  # flags that mark a unit as not good
ANSWERS = {"true": "failed", "yes": "failed", "false": None, "no": None}  # in words, where the flag is against a unit
LOOKS_LIKE_QUALITY = re.compile(
    r"qual|label|qc|good|noise|accept|reject|keep|valid|curat|iscell|contam|isolation|isiviol|snr|presence|cutoff|dprime|"
    r"lratio|silhouette|nnhit|nnmiss|refractory|rpviol|slidingrp|exclu|artifact|falsepos|falseneg|probab|confiden|unittype|"
    r"classif|metrics"
)


def label_of(word: object) -> str:
    """The label that a word means, or the word itself: `good` for `Single unit`."""
    text = str(word).strip()
    return LABEL_OF.get(_plain(text), text) if text else UNSORTED


def looks_like_quality(name: str) -> bool:
    """Whether the name of a column or file suggests that it is about the quality of units."""
    return bool(LOOKS_LIKE_QUALITY.search(_plain(name)))


def judged(table: pd.DataFrame, what: str, notify: Notify, *, also: Iterable[str] = ()) -> list[str] | None:
    """The label of each row of a table of units or ROIs, from the columns that judge them.

    Parameters
    ----------
    table : DataFrame with N rows
        All columns that the source has on them: words, flags, numbers.
    what : str
        `units` or `ROIs`, for the notices.
    notify : callable
        Receives which columns were used, and which look like quality but were not used.
    also : names, optional
        Names of other files or columns that look like quality and are not used.

    Returns
    -------
    list of N labels, or None where no column says anything.
        Labels of `WORDS`, or else the source's own words.
    """
    by_column = {
        str(name): _labels(str(name), table[name]) for name in sorted(table.columns, key=lambda n: _rank(str(n)))
    }
    label: pd.Series[Any] = pd.Series(np.nan, index=range(len(table)), dtype=object)
    used = []
    for name, given in by_column.items():
        fills = (label.isna() & given.notna()) | ((label == UNSORTED) & given.notna() & (given != UNSORTED))
        if fills.any():
            label[fills] = given[fills]
            used.append(name)
    unused = [name for name in by_column if name not in used and looks_like_quality(name)] + list(also)
    if used:
        labels = [str(word) for word in label.fillna(UNSORTED)]
        counts = ", ".join(f"{n} {name}" for name, n in Counter(labels).most_common())
        notify(f"The {what} are labelled by {', and where that says nothing by '.join(used)}: {counts}.")
    if unused:
        notify(f"Not used, though it may say how good the {what} are: {', '.join(unused)}.")
    return labels if used else None


def default_labels(labels: list[str] | None, kept: str, what: str, notify: Notify) -> str | None:
    """Labels that are kept by default; None (all) where there are no labels."""
    if labels is None:
        return None
    if GOOD not in labels and UNSORTED in labels:
        notify(f"No {what} are labelled {GOOD}; those labelled {UNSORTED} are kept, as nothing speaks against them.")
        return UNSORTED
    return kept


def kept_by_label(
    labels: list[str] | None, n: int, label: str | None, what: str, notify: Notify
) -> npt.NDArray[np.bool_]:
    """(n,) which neurons of a calcium recording are kept: by default those not labelled as bad.

    Parameters
    ----------
    labels : list of n labels, optional
        From `judged`.
    n : int
    label : str, optional
        Labels that the user wants, separated by commas, or `all`.
    what : str
        `ROIs` or `neurons`, for the notices.
    notify : callable
    """
    wanted = default_labels(labels, f"{GOOD},{UNSORTED}", what, notify) if label is None else label
    kept = np.ones(n, bool) if wanted in (None, "all") else has_label(labels, str(wanted), what)
    if not kept.all():
        notify(
            f"{(~kept).sum()} of {n} {what} dropped: their label is not {either(str(wanted))}; label=all keeps them."
        )
    return kept


def either(wanted: str) -> str:
    """`good or mua`: labels that are separated by commas, in a sentence."""
    return " or ".join(name.strip() for name in wanted.split(","))


def has_label(labels: list[str] | None, wanted: str, what: str) -> npt.NDArray[np.bool_]:
    """(N,) which units or ROIs have one of the labels in `wanted`, separated by commas, in whatever words.

    Raises
    ------
    InputError
        If there are no labels, or none of them is wanted.
    """
    if labels is None:
        raise InputError(f"The {what} have no labels, so label={wanted} cannot be used; leave it out.")
    meant = {label_of(name) for name in wanted.split(",")}
    mask = np.array([label_of(label) in meant for label in labels], bool)
    if len(mask) and not mask.any():
        one = what.removesuffix("s")
        raise InputError(
            f"No {one} is labelled {either(wanted)}; the labels are {', '.join(sorted(set(labels)))} (label=all keeps "
            "every one)."
        )
    return mask


def _labels(name: str, column: pd.Series[Any]) -> pd.Series[Any]:
    """(N,) labels by one column, NaN where it says nothing."""
    nothing: pd.Series[Any] = pd.Series(np.nan, index=range(len(column)), dtype=object)
    values = column.reset_index(drop=True)
    known, rank = values.notna(), _rank(name)
    if not known.any():
        return nothing
    if values[known].map(lambda value: isinstance(value, bool | np.bool_ | int | float | np.number)).all():
        return nothing if rank == len(JUDGING) else _by_numbers(_plain(name), values.astype(float))
    labels = values.where(known, "").map(label_of)
    if AGAINST.search(_plain(name)):
        answers = values.map(lambda value: _plain(str(value)))
        labels = answers.map(ANSWERS).astype(object).where(answers.isin(list(ANSWERS)), labels)
    meant = set(labels) & set(WORDS) - {UNSORTED}
    if rank < len(JUDGING):
        judges = bool(meant) or set(labels[known]) == {UNSORTED}
    else:  # a column of another name must have no other words, and more than one label
        judges = set(labels) <= set(WORDS) and len(meant) > 1
    return labels.where(known) if judges else nothing


def _by_numbers(name: str, values: pd.Series[Any]) -> pd.Series[Any]:
    """Labels from flags, fractions of which 1 is good (IBL), or phy's annotations."""
    given = values.dropna()
    if re.fullmatch(JUDGING[1], name) and given.isin(list(ANNOTATIONS)).all():
        return values.map(ANNOTATIONS).astype(object)
    if AGAINST.search(name):
        return values.map({1.0: "failed"} if given.isin([0, 1]).all() else {}).astype(object)
    judges = not re.fullmatch(JUDGING[2], name) and given.between(0, 1).all() and (given == 1).any()
    if not judges:  # flags that are never set were not filled in
        return pd.Series(np.nan, index=values.index, dtype=object)
    return pd.Series(np.where(values == 1, GOOD, "failed"), index=values.index, dtype=object).where(values.notna())


def _rank(name: str) -> int:
    """Rank of a column's name in the table; the table's length for other names."""
    plain = _plain(name)
    return next((rank for rank, pattern in enumerate(JUDGING) if re.fullmatch(pattern, plain)), len(JUDGING))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
