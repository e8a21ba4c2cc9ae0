"""Connections seen by electron microscopy of neurons that were recorded before: MICrONS.

Three things make a ground truth: the recorded units of a scan; synapses (`pre_pt_root_id`, `post_pt_root_id`, `size`)
between cells in electron microscopy; and a table of coregistration (`session`, `scan_idx`, `unit_id`, `pt_root_id`),
which says which unit is which cell, for some of both. MICrONS Consortium 2025, Nature 640:435.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.reader import Notify
from synapsnet.io.table_files import load_table
from synapsnet.wording import counted

COLUMNS = ("session", "scan_idx", "unit_id", "pt_root_id")
NO_CELL = "0"
EXACT = 2**53  # larger whole numbers are rounded in a table of floating-point numbers


def whole_ids(column: pd.Series, path: Path) -> pd.Series:
    """Ids as text, also where an empty cell has made whole numbers floats; what is blank stays so.

    Raises
    ------
    InputError
        If they are so large that this has rounded them.
    """
    if pd.api.types.is_float_dtype(column) and not (column.dropna() % 1 != 0).any():
        if (column.dropna().abs() > EXACT).any():
            raise InputError(
                f"The column {column.name} of {path.name} holds ids that were rounded, because some are missing; leave "
                "these rows out, or save the ids as texts."
            )
        column = column.astype("Int64")
    return column.astype(str).where(column.notna())


def tested_pairs(
    synapses: pd.DataFrame, path: Path, units: list[str], scan: tuple[int | None, int | None], *, notify: Notify
) -> pd.DataFrame:
    """All pairs of recorded units between which synapses were looked for: `pre`, `post`, and the size of all, or 0.

    A unit is matched if the table of coregistration names one cell for it. A cell that is never the presynaptic one was
    not traced: its outputs are not known. Sizes of the synapses of a pair are summed.

    Parameters
    ----------
    synapses : DataFrame
        Columns `pre` and `post`, ids of cells, and `weight`.
    path : Path
        File of the table of coregistration.
    units : list of str
        Ids of the recording's neurons: their `unit_id`.
    scan : (session, scan_idx)
        Which scan was recorded; not needed if the table is of one only.
    notify : callable
        Receives how many units are matched, and how many of them traced.

    Raises
    ------
    InputError
        If the table is not of this layout or of several scans, or matches none of the recording's units.
    """
    table = load_table(path)
    if missing := [name for name in COLUMNS if name not in table]:
        raise InputError(f"{path} is no table of coregistration: it lacks the columns {', '.join(missing)}.")
    table = table[list(COLUMNS)].assign(
        cell=whole_ids(table["pt_root_id"], path), unit=whole_ids(table["unit_id"], path)
    )
    for name, wanted in zip(("session", "scan_idx"), scan, strict=True):
        table = table if wanted is None else table[table[name] == wanted]
    scans = table[["session", "scan_idx"]].drop_duplicates().to_numpy().tolist()
    if len(scans) > 1:
        examples = ", ".join(f"session {session} scan_idx {scan}" for session, scan in scans[:3])
        raise InputError(
            f"{path} is of {len(scans)} scans ({examples}, ...); say which one was recorded: --truth-read session=N "
            "and --truth-read scan_idx=N."
        )
    matches = table[table["unit"].isin(units) & (table["cell"] != NO_CELL)].drop_duplicates(["unit", "cell"])
    matched = matches[~matches["unit"].duplicated(keep=False)]
    if matched.empty:
        raise InputError(
            f"{path} matches none of the recording's units to a cell; its ids must be the table's unit_id, and the "
            "scan the right one (session, scan_idx)."
        )
    if ambiguous := matches["unit"].nunique() - len(matched):
        notify(f"Left out: {counted(ambiguous, 'unit')} matched to several cells in {path.name}.")
    traced = matched[matched["cell"].isin(synapses["pre"])]
    notify(
        f"{len(matched)} of {len(units)} units are matched to cells in {path.name}; the outputs of {len(traced)} of "
        "them are known, and scores are over these pairs."
    )
    pairs = traced.merge(matched, how="cross", suffixes=("_pre", "_post"))
    pairs = pairs[pairs["cell_pre"] != pairs["cell_post"]]
    sizes = synapses.groupby(["pre", "post"])["weight"].sum().rename("weight")
    pairs = pairs.merge(sizes, how="left", left_on=["cell_pre", "cell_post"], right_index=True)
    weight = pairs["weight"].fillna(0.0).to_numpy(np.float64)
    return pd.DataFrame({"pre": pairs["unit_pre"].to_numpy(), "post": pairs["unit_post"].to_numpy(), "weight": weight})
