"""Whether inferred connectivity agrees with what is known about the neurons independently of their activity.

Tests permute the labels or positions of neurons: pairs that share a neuron are not independent, neurons nearly are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu, rankdata

from simulators.networks.v1 import CELL_TYPES, PROBABILITY, STRENGTH_MV
from synapsnet.array_types import FloatArray, IndexArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.io.waveforms import NARROW_MS
from synapsnet.recording import TROUGH_TO_PEAK
from validation.activity.surrogates import p_value
from validation.assessment.results import Areas, CellTypes, Distance, Knowledge, Signs, TypeSigns
from validation.metrics.bootstrap import draw_counts, estimate
from validation.metrics.detection import rank

N_PERMUTATIONS = 999
N_RESAMPLES = 200
N_BINS = 8  # distance bins
LEAST_OF_WIDTH = 5

# How names of cell types start: markers and classes of Tasic et al. 2018, Nature 563:72, and mouse lines of the Allen
# Institute (Gerfen, Paletzki & Heintz 2013, Neuron 80:1368).
INHIBITORY = ("inhib", "interneuron", "gaba", "gad", "pvalb", "pv", "sst", "som", "vip", "lamp5", "sncg", "serpinf1")
EXCITATORY = ("exc", "pyr", "glut", "slc17a7", "emx1", "cux2", "rorb", "scnn1a", "nr5a1", "rbp4", "ntsr1", "l2/3", "l4")
MEASURED = {"exc": 0, "pyr": 0, "slc17a7": 0, "emx1": 0, "cux2": 0, "pvalb": 1, "pv": 1, "sst": 2, "som": 2, "vip": 3}


def knowledge(connectome: Connectome, neurons: pd.DataFrame, *, seed: int = 0) -> Knowledge:
    """All comparisons that the neuron table allows.

    Parameters
    ----------
    connectome : Connectome
        Inferred, with standard errors.
    neurons : DataFrame with N rows
        See `synapsnet.recording.neuron_table`.
    seed : int
        Seed of permutations and bootstrap.
    """
    result = Knowledge()
    for name, part in PARTS.items():
        try:
            setattr(result, name, part(connectome, neurons, seed))
        except InputError as error:
            result.skipped[name] = str(error)
    return result


def excites(cell_type: str) -> bool | None:
    """Whether neurons of this type excite others, judged by its name; None if unclear."""
    name = cell_type.strip().lower()
    return False if name.startswith(INHIBITORY) else True if name.startswith(EXCITATORY) else None


def measured_type(cell_type: str) -> int | None:
    """Index into `simulators.networks.v1.CELL_TYPES` by the type's name; None if it is none of them."""
    name = cell_type.strip().lower()
    return next((k for start, k in MEASURED.items() if name.startswith(start)), None)


def signs(connectome: Connectome, neurons: pd.DataFrame, seed: int = 0) -> Signs:
    """Summed outgoing scores of neurons that excite or inhibit by the name of their type, see `Signs`.

    Raises
    ------
    InputError
        If there are not at least 2 neurons of either kind.
    """
    types = neurons["cell_type"].astype(str)
    kind = [excites(name) for name in types]
    n_excitatory, n_inhibitory = kind.count(True), kind.count(False)
    if min(n_excitatory, n_inhibitory) < 2:
        raise InputError(
            "Cell types must name at least 2 excitatory and 2 inhibitory neurons; they name "
            f"{n_excitatory} and {n_inhibitory}."
        )
    return _signs(connectome, types, kind, seed)


def waveform(connectome: Connectome, neurons: pd.DataFrame, seed: int = 0) -> Signs:
    """The same by spike width: narrow spikes are those of fast-spiking neurons, which inhibit.

    Broad spikes are mostly those of excitatory neurons; inhibitory neurons with broad spikes, and the few excitatory
    ones with narrow spikes, keep the AUROC below 1 even for the true connectivity.

    Raises
    ------
    InputError
        If widths are not known, or there are not at least `LEAST_OF_WIDTH` units of either kind.
    """
    if TROUGH_TO_PEAK not in neurons:
        raise InputError(f"The neuron table holds no widths of spikes ({TROUGH_TO_PEAK}).")
    width_ms = neurons[TROUGH_TO_PEAK].to_numpy(dtype=np.float64)
    kind = [None if np.isnan(width) else bool(width >= NARROW_MS) for width in width_ms]
    n_broad, n_narrow = kind.count(True), kind.count(False)
    if min(n_broad, n_narrow) < LEAST_OF_WIDTH:
        raise InputError(
            f"At least {LEAST_OF_WIDTH} units must have spikes narrower than {NARROW_MS:g} ms, and as many broader "
            f"ones; {n_narrow} and {n_broad} have."
        )
    names = {None: "width unknown", True: "broad", False: "narrow"}
    return _signs(connectome, pd.Series([names[excites] for excites in kind]), kind, seed)


def distance(connectome: Connectome, neurons: pd.DataFrame, seed: int = 0) -> Distance:
    """Evidence for connections against distance, see `Distance`.

    Raises
    ------
    InputError
        If fewer than 4 neurons have different positions.
    """
    position = neurons[["x_um", "y_um", "z_um"]].to_numpy(dtype=np.float64)
    position = position[:, np.isfinite(position).any(axis=0)]  # depth is often not known
    placed = np.flatnonzero(np.isfinite(position).all(axis=1)) if position.shape[1] else np.zeros(0, dtype=int)
    if len(placed) < 4 or np.ptp(position[placed], axis=0).max() == 0:
        raise InputError(f"Positions of at least 4 neurons must be known and differ; those of {len(placed)} are known.")
    apart_um = np.linalg.norm(position[placed][:, None] - position[placed], axis=-1)
    grid = np.ix_(placed, placed)
    size, reported = np.abs(connectome.scores[grid]), connectome.significant()[grid]
    pairs = ~np.eye(len(placed), dtype=bool)
    ranks = np.zeros_like(apart_um)
    ranks[pairs] = rankdata(apart_um[pairs])
    evidence = _standard(rankdata(size[pairs]))

    def correlation(order: IndexArray) -> float:
        return float(np.mean(_standard(ranks[np.ix_(order, order)][pairs]) * evidence))

    observed, p = _permuted(correlation, len(placed), seed)
    bins = np.array_split(np.argsort(apart_um[pairs], kind="stable"), min(N_BINS, int(pairs.sum()) // 4))
    return Distance(
        n_neurons=len(placed),
        n_pairs=int(pairs.sum()),
        correlation=observed,
        p_value=p,
        distance_um=[float(apart_um[pairs][in_bin].mean()) for in_bin in bins],
        mean_score=[float(size[pairs][in_bin].mean()) for in_bin in bins],
        share_reported=[float(reported[pairs][in_bin].mean()) for in_bin in bins],
    )


def areas(connectome: Connectome, neurons: pd.DataFrame, seed: int = 0) -> Areas:
    """Evidence for connections within and between areas, see `Areas`.

    Raises
    ------
    InputError
        If there are not 2 areas with at least 2 neurons each.
    """
    name = neurons["area"].astype(str).to_numpy()
    sizes = neurons["area"].astype(str).value_counts()
    names = sorted(area for area in sizes.index[sizes >= 2] if area.strip().lower() not in ("unknown", ""))
    if len(names) < 2:
        raise InputError(f"At least 2 areas must have 2 neurons or more; {len(names)} have.")
    members = np.flatnonzero(np.isin(name, names))
    member = np.array([names.index(area) for area in name[members]])
    grid = np.ix_(members, members)
    size, reported = np.abs(connectome.scores[grid]), connectome.significant()[grid].astype(float)
    pairs = ~np.eye(len(members), dtype=bool)

    def difference(order: IndexArray) -> float:
        same = member[order][:, None] == member[order]
        return float(size[same & pairs].mean() - size[~same].mean())

    _, p = _permuted(difference, len(members), seed)
    same = member[:, None] == member
    return Areas(
        areas=names,
        n_neurons=[int(sizes[area]) for area in names],
        mean_score=_block_means(size, member, len(names)).tolist(),
        share_reported=_block_means(reported, member, len(names)).tolist(),
        within=float(size[same & pairs].mean()),
        between=float(size[~same].mean()),
        p_value=p,
    )


def cell_types(connectome: Connectome, neurons: pd.DataFrame, seed: int = 0) -> CellTypes:
    """Mean weights between cell types, compared with those measured in slices, see `CellTypes`.

    Raises
    ------
    InputError
        If fewer than 2 of the types that were measured have 2 neurons or more.
    """
    kind = np.array([-1 if (k := measured_type(name)) is None else k for name in neurons["cell_type"].astype(str)])
    kinds = [k for k in range(len(CELL_TYPES)) if (kind == k).sum() >= 2]
    if len(kinds) < 2:
        raise InputError(f"At least 2 of {', '.join(CELL_TYPES)} must have 2 neurons or more; {len(kinds)} have.")
    members = np.flatnonzero(np.isin(kind, kinds))
    member = np.searchsorted(kinds, kind[members])
    weight = connectome.weight[np.ix_(members, members)]
    names = [CELL_TYPES[k] for k in kinds]
    measured = np.array([[PROBABILITY[post][pre] * STRENGTH_MV[post][pre] for pre in names] for post in names])
    expected = _standard(rankdata(measured.ravel()))

    def correlation(order: IndexArray) -> float:
        means = _block_means(weight, member[order], len(kinds)).ravel()
        return float(np.mean(_standard(rankdata(means)) * expected))

    observed, p = _permuted(correlation, len(members), seed, greater=True)
    return CellTypes(
        types=names,
        inferred=_block_means(weight, member, len(kinds)).tolist(),
        measured=measured.tolist(),
        n_blocks=measured.size,
        correlation=observed,
        p_value=p,
    )


PARTS: dict[str, Callable[[Connectome, pd.DataFrame, int], Signs | Distance | Areas | CellTypes]] = {
    "signs": signs,
    "waveform": waveform,
    "distance": distance,
    "areas": areas,
    "cell_types": cell_types,
}


def _signs(connectome: Connectome, types: pd.Series, kind: list[bool | None], seed: int) -> Signs:
    """For each of N types, whether its neurons excite (True), inhibit (False), or this is unknown (None)."""
    labelled = np.flatnonzero([excites is not None for excites in kind])
    excitatory = np.array([kind[k] for k in labelled], dtype=bool)
    outgoing = connectome.scores.sum(axis=0)
    mean = outgoing / (connectome.n_neurons - 1)
    counts = draw_counts(len(labelled), N_RESAMPLES, seed)
    auroc = rank(outgoing[labelled], excitatory, np.arange(len(labelled)), counts).auroc
    test = mannwhitneyu(outgoing[labelled][excitatory], outgoing[labelled][~excitatory], alternative="greater")
    return Signs(
        n_excitatory=int(excitatory.sum()),
        n_inhibitory=int((~excitatory).sum()),
        auroc=estimate(auroc),
        p_value=float(test.pvalue),
        types=[
            TypeSigns(
                cell_type=str(name),
                excites=kind[members[0]],
                n_neurons=len(members),
                share_excitatory=float(np.mean(outgoing[members] > 0)),
                mean_score=float(mean[members].mean()),
            )
            for name, members in types.groupby(types, sort=True).indices.items()
        ],
    )


def _permuted(
    statistic: Callable[[IndexArray], float], n: int, seed: int, *, greater: bool = False
) -> tuple[float, float]:
    """A statistic of n neurons in their order, and the p-value against random orders; two-sided unless `greater`."""
    rng = np.random.default_rng(seed)
    observed = statistic(np.arange(n))
    null = np.array([statistic(rng.permutation(n)) for _ in range(N_PERMUTATIONS)])
    return observed, p_value(observed, null) if greater else p_value(abs(observed), np.abs(null))


def _block_means(values: FloatArray, member: IndexArray, n_groups: int) -> FloatArray:
    """Mean over all pairs of different neurons of each `[post group][pre group]`."""
    of_group = np.eye(n_groups)[member]  # (N, groups)
    sizes = of_group.sum(axis=0)
    sums = of_group.T @ np.where(np.eye(len(values), dtype=bool), 0.0, values) @ of_group
    return sums / (np.outer(sizes, sizes) - np.diag(sizes))


def _standard(values: FloatArray) -> FloatArray:
    """With mean 0 and standard deviation 1; all 0 where constant."""
    centred = values - values.mean()
    spread = centred.std()
    return centred / spread if spread > 0 else centred
