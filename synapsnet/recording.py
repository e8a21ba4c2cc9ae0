"""The data model: what every simulator makes, every reader returns and every method receives.

Times are in seconds, positions in micrometres, connectivity matrices are `[post, pre]` and their
diagonal (self-connections) is never used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pynapple as nap
from scipy.special import ndtr

from synapsnet.errors import InputError
from synapsnet.limits import require_memory
from synapsnet.memmap import blocks, filled, give_back
from synapsnet.notebook import picture, table
from synapsnet.wording import counted, listed

FEW_SPIKES = 50
PARTS, SILENT_PARTS = 10, 5
LARGEST, SMALLEST = 1e12, 1e-15  # of activity and behaviour, and of how much they vary
MOST_PAIRS = 1_000_000  # that are listed: all of 1,000 neurons, of more the surest
LEAST_LOCAL_FDR = 1e-38  # so that evidence stays finite; about the smallest number in float32

FloatArray = npt.NDArray[np.floating[Any]]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.integer[Any]]
Modality = Literal["calcium", "spikes"]

# The matrices of a connectome, and what each holds where there is no connection and nothing was inferred.
MATRICES = {
    "weight": 0.0,
    "delay_s": np.nan,
    "standard_error": 0.0,
    "p_value": 1.0,
    "local_fdr": 1.0,
    "effective": 0.0,
    "known": True,
}
NEURON_COLUMNS = ("id", "cell_type", "x_um", "y_um", "z_um", "area")
TROUGH_TO_PEAK = "trough_to_peak_ms"  # one more column, where it is known of any neuron


@dataclass(frozen=True, eq=False)
class Edges:
    """The connections of a network as a list, ordered by the presynaptic neuron.

    Attributes
    ----------
    post, pre : (E,) int32 arrays
        Indices of the neurons that connection k leads to and comes from.
    weight : (E,) array
        Not zero.
    delay_s : (E,) array
        0 where none is known.
    """

    post: npt.NDArray[np.int32]
    pre: npt.NDArray[np.int32]
    weight: Float64Array
    delay_s: Float64Array


@dataclass(frozen=True, eq=False)
class Connectome:
    """Directed connectivity between N neurons, true or inferred.

    Attributes
    ----------
    weight : (N, N) float array, `[post, pre]`
        Zero where there is no connection; positive is excitatory. The diagonal must be zero.
    delay_s : (N, N) float array or None
        Transmission delay in seconds where known, NaN where there is no connection.
    standard_error : (N, N) float array or None
        Standard error of `weight`, for connectivity that was inferred.
    p_value : (N, N) float array or None
        Two-sided, where it is not simply that of weight over standard error.
    local_fdr : (N, N) float array or None
        Probability that there is no connection, the local false discovery rate (Efron 2008, Statistical Science
        23:1), for connectivity that was inferred with a prior on which connections there are.
    effective : (N, N) float array or None
        For a part of a network: `weight` plus what passes through the neurons that are not in this part,
        in the same unit. The diagonal must be zero.
    known : (N, N) bool array or None
        For a truth that comes from an experiment: the pairs that were tested. `weight` is zero elsewhere, and nothing
        is said about these pairs. None: all were.
    signed : bool
        Whether positive weights say that a connection excites; not so of a truth that counts synapses or only says
        which connections there are.
    unit : str
        Unit of `weight`.

    Raises
    ------
    InputError
        If the matrices are not square and of one shape, hold NaN, have a non-zero diagonal, hold probabilities outside
        [0, 1], or there are weights of pairs that are not known.
    """

    weight: FloatArray
    delay_s: FloatArray | None = None
    standard_error: FloatArray | None = None
    p_value: FloatArray | None = None
    local_fdr: FloatArray | None = None
    effective: FloatArray | None = None
    known: npt.NDArray[np.bool_] | None = None
    signed: bool = True
    unit: str = "mV"

    def __post_init__(self) -> None:
        shape = self.weight.shape
        if len(shape) != 2 or shape[0] != shape[1]:
            raise InputError(f"Connectome weight must be a square [post, pre] matrix; got shape {shape}.")
        if not np.isfinite(self.weight).all():
            raise InputError("Connectome weight holds NaN or infinite values; use 0 for 'no connection'.")
        if np.diagonal(self.weight).any():
            raise InputError("Connectome weight has self-connections; set its diagonal to 0.")
        for name, matrix in self.matrices.items():
            if matrix.shape != shape:
                raise InputError(f"Connectome {name} must have the shape of weight, {shape}; got {matrix.shape}.")
            if name in ("p_value", "local_fdr") and not ((matrix >= 0) & (matrix <= 1)).all():
                raise InputError(f"Connectome {name} must lie between 0 and 1; it holds other values, or NaN.")
        if self.known is not None and self.weight[~self.known].any():
            raise InputError("Connectome weight must be 0 for the pairs that are not known.")

    def __repr__(self) -> str:
        known = ", ".join(name for name in self.matrices if name != "weight")
        return (
            f"Connectome({self.n_neurons} neurons, {np.count_nonzero(self.weight):,} weights other than 0, "
            f"in {self.unit}{f'; with {known}' if known else ''})"
        )

    def _repr_html_(self) -> str:
        return picture(self.weight, repr(self))

    @property
    def n_neurons(self) -> int:
        return int(self.weight.shape[0])

    @property
    def matrices(self) -> dict[str, npt.NDArray[Any]]:
        """Those of `MATRICES` that are known, by name."""
        return {name: matrix for name in MATRICES if (matrix := getattr(self, name)) is not None}

    @property
    def adjacency(self) -> npt.NDArray[np.bool_]:
        """(N, N) bool array, `[post, pre]`: whether there is a connection."""
        return self.weight != 0

    @property
    def edges(self) -> Edges:
        """The connections as a list."""
        pre, post = np.nonzero(self.adjacency.T)
        delay_s = np.zeros(len(post)) if self.delay_s is None else np.asarray(self.delay_s[post, pre], np.float64)
        weight = np.asarray(self.weight[post, pre], np.float64)
        return Edges(post.astype(np.int32), pre.astype(np.int32), weight, delay_s)

    @property
    def pairs(self) -> npt.NDArray[np.bool_]:
        """(N, N) bool array, `[post, pre]`: which pairs of different neurons are known to be connected or not."""
        different = ~np.eye(self.n_neurons, dtype=bool)
        return different if self.known is None else different & self.known

    @property
    def scores(self) -> FloatArray:
        """(N, N) signed evidence for each connection.

        The negative log of `local_fdr` where that is known, else weight over standard error, else the weight.
        """
        if self.local_fdr is not None:
            evidence = -np.log(np.clip(self.local_fdr.astype(np.float64), LEAST_LOCAL_FDR, 1.0))
            return cast(FloatArray, np.sign(self.weight) * evidence)
        if self.standard_error is None:
            return self.weight
        ratio = np.divide(
            self.weight, self.standard_error, out=np.zeros_like(self.weight), where=self.standard_error > 0
        )
        return cast(FloatArray, ratio)

    @property
    def judges_significance(self) -> bool:
        """Whether there are errors or probabilities that say which connections are significant."""
        return self.standard_error is not None or self.local_fdr is not None

    @property
    def p_values(self) -> FloatArray:
        """(N, N) two-sided p-value of each connection, 1 on the diagonal.

        `p_value` where that is known, else by a normal distribution of weight over standard error.

        Raises
        ------
        InputError
            If the standard errors are not known.
        """
        if self.p_value is not None:
            return self.p_value
        if self.standard_error is None:
            raise InputError("This connectivity has no standard errors, so nothing can be said about significance.")
        p_values = 2 * ndtr(-np.abs(self.scores))
        np.fill_diagonal(p_values, 1.0)
        return cast(FloatArray, p_values)

    @cached_property
    def q_values(self) -> FloatArray:
        """(N, N) least false discovery rate at which each connection is significant, 1 on the diagonal.

        Over all pairs of different neurons: the mean of all `local_fdr` that are as small (Newton et al. 2004,
        Biostatistics 5:155), or from the p-values where these are not known (Benjamini & Hochberg 1995, J R Stat Soc B
        57:289).

        Raises
        ------
        InputError
            If the standard errors are not known.
        """
        pairs = ~np.eye(self.n_neurons, dtype=bool)
        q = np.ones(pairs.shape)
        if self.local_fdr is not None:
            local = self.local_fdr[pairs]
            order = np.argsort(local, kind="stable")
            rate = np.empty_like(local)
            rate[order] = np.cumsum(local[order], dtype=np.float64) / np.arange(1, len(local) + 1)
            q[pairs] = rate
        else:
            from scipy.stats import false_discovery_control  # every command would wait for it when it starts

            q[pairs] = false_discovery_control(self.p_values[pairs])
        return q

    def significant(self, fdr: float = 0.05) -> npt.NDArray[np.bool_]:
        """(N, N) which connections are significant at a false discovery rate, see `q_values`.

        Parameters
        ----------
        fdr : float
            Expected fraction of absent connections among those reported.

        Raises
        ------
        InputError
            If the rate is not in (0, 1) or the standard errors are not known.
        """
        if not 0 < fdr < 1:
            raise InputError(f"The false discovery rate must lie between 0 and 1; got {fdr}.")
        return self.q_values <= fdr

    def surest(self, most: int) -> tuple[IndexArray, IndexArray]:
        """Post- and presynaptic neurons of at most so many pairs, those with most evidence first, see `scores`."""
        n = self.n_neurons
        evidence = np.abs(self.scores)
        np.fill_diagonal(evidence, -1)  # behind all pairs
        evidence, most = evidence.ravel(), min(most, n * (n - 1))
        candidates = np.arange(len(evidence))
        if 0 < most < n * (n - 1):  # without sorting all
            candidates = np.flatnonzero(evidence >= np.partition(evidence, -most)[-most])
        chosen = candidates[np.argsort(-evidence[candidates], kind="stable")[:most]]
        post, pre = np.divmod(chosen, n)
        return post, pre

    def verdict(self, fdr: float = 0.05) -> str:
        """How many connections are `significant`, in a sentence."""
        n_reported, n_pairs = int(self.significant(fdr).sum()), self.n_neurons * (self.n_neurons - 1)
        if not n_reported:
            return f"This recording does not support any connection at a false discovery rate of {fdr:.0%}."
        return f"{n_reported:,} of {n_pairs:,} pairs are reported as connected at a false discovery rate of {fdr:.0%}."

    def select(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Connectome:
        """The connectome among the neurons at `indices`, in that order."""
        chosen = np.asarray(indices, dtype=int)
        grid = np.ix_(chosen, chosen)
        return replace(self, **{name: matrix[grid] for name, matrix in self.matrices.items()})


class SparseConnectome(Connectome):
    """The connectome of a network so large that its matrices are made only when someone asks for them.

    Parameters
    ----------
    n_neurons : int
    edges : Edges
        At most one connection for each ordered pair of neurons.
    unit : str

    Raises
    ------
    InputError
        When a matrix is asked for, and there is too little memory.
    """

    def __init__(self, n_neurons: int, edges: Edges, unit: str = "mV") -> None:
        self.__dict__.update(_n_neurons=n_neurons, _edges=edges, unit=unit)

    def __repr__(self) -> str:
        return f"SparseConnectome({self.n_neurons} neurons, {len(self.edges.post):,} connections, in {self.unit})"

    def _repr_html_(self) -> str:
        return table(repr(self), {})

    @property
    def n_neurons(self) -> int:
        return int(self.__dict__["_n_neurons"])

    @property
    def edges(self) -> Edges:
        found: Edges = self.__dict__["_edges"]
        return found

    @cached_property
    def weight(self) -> FloatArray:
        return self._matrix(0.0, self.edges.weight)

    @cached_property
    def delay_s(self) -> FloatArray:
        return self._matrix(np.nan, self.edges.delay_s)

    def select(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Connectome:
        """The connectome among the neurons at `indices`, in that order, as matrices."""
        chosen = np.asarray(indices, dtype=int)
        place = np.full(self.n_neurons, -1, np.int32)
        place[chosen] = np.arange(len(chosen))
        post, pre = place[self.edges.post], place[self.edges.pre]
        inside = (post >= 0) & (pre >= 0)
        edges = self.edges
        part = Edges(post[inside], pre[inside], edges.weight[inside], edges.delay_s[inside])
        small = SparseConnectome(len(chosen), part, self.unit)
        return Connectome(small.weight, delay_s=small.delay_s, unit=self.unit)

    def _matrix(self, nothing: float, values: FloatArray) -> FloatArray:
        n = self.n_neurons
        require_memory(16.0 * n**2, f"The connectivity matrix of {n} neurons", "take the part of it that is recorded")
        matrix = np.full((n, n), nothing)
        matrix[self.edges.post, self.edges.pre] = values
        return matrix


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated network and all of its spikes, before anyone observes it.

    Attributes
    ----------
    spike_times : pynapple.TsGroup
        All spikes of neurons 0..N-1 in seconds; its time support is the simulated duration.
    neurons : DataFrame with N rows
        Columns `id`, `cell_type`, `x_um`, `y_um`, `z_um`, `area`; see `neuron_table`.
    connectome : Connectome
        Ground truth.
    behaviour : pynapple.TsdFrame, (T, B), or None
        What an experimenter would know of the inputs, on a clock of its own: running speed, stimuli, light.
    metadata : dict
        JSON-serialisable facts about how it was made (network name, parameters, seed, versions).
    """

    spike_times: nap.TsGroup
    neurons: pd.DataFrame
    connectome: Connectome
    behaviour: nap.TsdFrame | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = self.connectome.n_neurons
        if len(self.spike_times) != n or len(self.neurons) != n:
            raise InputError(
                f"A simulation of {n} neurons needs {n} spike trains and {n} rows in its neuron table; "
                f"got {len(self.spike_times)} and {len(self.neurons)}."
            )

    @property
    def n_neurons(self) -> int:
        return self.connectome.n_neurons

    @property
    def duration_s(self) -> float:
        return float(self.spike_times.time_support.tot_length())

    def select_neurons(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Simulation:
        """The simulation of the neurons at `indices`, in that order."""
        chosen = [int(k) for k in indices]
        return replace(
            self,
            spike_times=_select_trains(self.spike_times, chosen),
            neurons=self.neurons.iloc[chosen].reset_index(drop=True),
            connectome=self.connectome.select(chosen),
        )

    def behaviour_on_grid(self, dt_s: float, n_steps: int) -> tuple[FloatArray, list[str]] | None:
        """(n_steps, B) mean of the behaviour in each time bin, and its names; None if there is no behaviour."""
        if self.behaviour is None:
            return None
        step = np.minimum((self.behaviour.times() / dt_s + 1e-6).astype(int), n_steps)
        samples = np.maximum(np.bincount(step, minlength=n_steps + 1)[:n_steps], 1)
        sums = [
            np.bincount(step, weights=column, minlength=n_steps + 1)[:n_steps] for column in self.behaviour.values.T
        ]
        return np.stack(sums, axis=1) / samples[:, None], [str(name) for name in self.behaviour.columns]


@dataclass(frozen=True, eq=False)
class Recording:
    """Activity of N neurons on a uniform time grid, simulated or real.

    Attributes
    ----------
    activity : pynapple.TsdFrame, (T, N) float32
        Spike counts per bin, or fluorescence (dF/F or deconvolved). Times are bin centres. Its time
        support is the valid epochs: no window of a model may cross the border of one.
    dt_s : float
        Time step of the grid in seconds.
    modality : {"calcium", "spikes"}
    neurons : DataFrame with N rows
        Columns `id`, `cell_type`, `x_um`, `y_um`, `z_um`, `area`, and `trough_to_peak_ms` where it is known; see
        `neuron_table`.
    behaviour : pynapple.TsdFrame, (T, B), or None
        Behavioural variables on the same grid.
    spike_times : pynapple.TsGroup or None
        Spike times in seconds, where known: for spikes what was sorted, finer than the bins; for calcium ground truth,
        which only simulations have.
    connectome : Connectome or None
        Ground truth, of a simulation or from elsewhere (`synapsnet.io.truth`).
    metadata : dict
        JSON-serialisable facts about where it comes from.
    deconvolved : bool
        For calcium: whether the activity is deconvolved already, rather than fluorescence.

    Raises
    ------
    InputError
        If there are fewer than 2 neurons, NaN or infinite values, negative spike counts, steps within
        an epoch that differ from `dt_s`, or parts whose sizes do not match. `from_array` and every
        reader also refuse constant neurons (`check_varying`); a part of a recording may have them.
    """

    activity: nap.TsdFrame
    dt_s: float
    modality: Modality
    neurons: pd.DataFrame
    behaviour: nap.TsdFrame | None = None
    spike_times: nap.TsGroup | None = None
    connectome: Connectome | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    deconvolved: bool = False

    def __post_init__(self) -> None:
        if self.modality not in get_args(Modality):
            raise InputError(f"Recording modality must be 'calcium' or 'spikes'; got {self.modality!r}.")
        if not (np.isfinite(self.dt_s) and self.dt_s > 0):
            raise InputError(f"Recording dt_s must be a positive number of seconds; got {self.dt_s}.")
        _check_activity(self.values, self.modality)
        _check_grid(self.activity, self.dt_s)
        columns = list(self.neurons.columns)
        known = [*NEURON_COLUMNS, TROUGH_TO_PEAK] if TROUGH_TO_PEAK in columns else list(NEURON_COLUMNS)
        if len(self.neurons) != self.n_neurons or columns != known:
            raise InputError(
                f"The neuron table must have {self.n_neurons} rows and the columns {', '.join(known)}; "
                f"got {counted(len(self.neurons), 'row')} and {', '.join(map(str, columns))}."
            )
        if self.behaviour is not None:
            if len(self.behaviour) != self.n_steps:
                raise InputError(
                    f"Behaviour must be on the grid of the activity, {self.n_steps} steps; got {len(self.behaviour)}. "
                    "Interpolate it onto the activity's times first."
                )
            if np.abs(self.behaviour.times() - self.activity.times()).max() > 0.01 * self.dt_s:
                raise InputError(
                    "Behaviour must be on the grid of the activity, but its times differ. "
                    "Interpolate it onto the activity's times first."
                )
            if not np.isfinite(self.behaviour.values).all():
                raise InputError("Behaviour holds NaN or infinite values; interpolate or drop them first.")
            if self.behaviour.values.size:
                _check_magnitude(self.behaviour.values.min(axis=0), self.behaviour.values.max(axis=0), "Behaviour")
        if self.spike_times is not None and len(self.spike_times) != self.n_neurons:
            raise InputError(
                f"The spike times must be of the {self.n_neurons} recorded neurons; got "
                f"{counted(len(self.spike_times), 'train')}."
            )
        if self.connectome is not None and self.connectome.n_neurons != self.n_neurons:
            raise InputError(
                f"The connectome must be of the {self.n_neurons} recorded neurons; got {self.connectome.n_neurons}."
            )

    def __repr__(self) -> str:
        return f"Recording({', '.join(f'{name}: {value}' for name, value in self._facts().items())})"

    def _repr_html_(self) -> str:
        return table("Recording", self._facts())

    def _facts(self) -> dict[str, str]:
        """What a line of text or a notebook says of it."""
        n_epochs = len(self.segments)
        facts = {
            "activity": f"deconvolved {self.modality}" if self.deconvolved else self.modality,
            "neurons": str(self.n_neurons),
            "duration": f"{self.n_steps * self.dt_s:.6g} s in {counted(n_epochs, 'epoch')}",
            "time step": f"{self.dt_s * 1e3:.4g} ms",
        }
        if self.modality == "spikes":
            facts["mean rate"] = f"{self.mean_activity.mean() / self.dt_s:.3g} Hz"
        if self.behaviour is not None:
            facts["behaviour"] = ", ".join(map(str, self.behaviour.columns))
        facts["ground truth"] = "none" if self.connectome is None else repr(self.connectome)
        return facts

    @classmethod
    def from_array(
        cls,
        activity: npt.ArrayLike,
        dt_s: float,
        modality: Modality,
        *,
        segments: Sequence[int] | None = None,
        behaviour: npt.ArrayLike | None = None,
        behaviour_names: Sequence[str] | None = None,
        neurons: pd.DataFrame | None = None,
        connectome: Connectome | None = None,
        spike_times: nap.TsGroup | None = None,
        metadata: dict[str, Any] | None = None,
        deconvolved: bool = False,
        require_varying: bool = True,
    ) -> Recording:
        """A recording from plain arrays.

        Parameters
        ----------
        activity : (T, N) array
        dt_s : float
            Time step in seconds.
        modality : {"calcium", "spikes"}
        segments : sequence of int, optional
            Lengths in steps of the valid epochs (trials), in order; they sum to T. Epochs are laid out
            in time one step apart. Default: one epoch.
        behaviour : (T, B) array, optional
        behaviour_names : B names, optional
        neurons, connectome, spike_times, metadata, deconvolved
            As in the class.
        require_varying : bool
            Refuse constant neurons. A reader leaves that to `synapsnet.io.read`, which first drops
            the neurons that the user asked to drop.

        Raises
        ------
        InputError
            See the class; also if `activity` is not two-dimensional or `segments` do not sum to T.
        """
        values = np.asarray(activity, dtype=np.float32)
        if values.ndim != 2:
            raise InputError(f"Activity must be a time x neurons array; got {values.ndim} dimensions.")
        lengths = [len(values)] if segments is None else [int(n) for n in segments]
        if sum(lengths) != len(values) or min(lengths, default=0) < 1:
            raise InputError(
                f"Segment lengths must be positive and sum to the {len(values)} time steps; they sum to {sum(lengths)}."
            )
        # One empty step between epochs keeps them apart: pynapple merges epochs that touch.
        offsets = np.cumsum([0] + [n + 1 for n in lengths[:-1]])
        times = np.concatenate([(k + np.arange(n) + 0.5) * dt_s for k, n in zip(offsets, lengths, strict=True)])
        epochs = nap.IntervalSet(offsets * dt_s, (offsets + lengths) * dt_s)
        frame = None
        if behaviour is not None:
            matrix = np.asarray(behaviour, dtype=np.float32).reshape(len(np.atleast_1d(behaviour)), -1)
            if len(matrix) != len(times):
                raise InputError(f"Behaviour must have the activity's {len(times)} time steps; got {len(matrix)}.")
            names = list(behaviour_names or [f"behaviour_{k}" for k in range(matrix.shape[1])])
            frame = nap.TsdFrame(t=times, d=matrix, time_support=epochs, columns=names)
        recording = cls(
            activity=nap.TsdFrame(t=times, d=values, time_support=epochs),
            dt_s=float(dt_s),
            modality=modality,
            neurons=neuron_table(values.shape[1]) if neurons is None else neurons,
            behaviour=frame,
            spike_times=spike_times,
            connectome=connectome,
            metadata=metadata or {},
            deconvolved=deconvolved,
        )
        if require_varying:
            check_varying(recording)
        return recording

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """(T, N) activity as a plain array (not a copy)."""
        return cast(npt.NDArray[np.float32], self.activity.values)

    @property
    def mean_activity(self) -> npt.NDArray[np.float64]:
        """(N,) mean of each neuron, for spikes in spikes per step."""
        return np.sum([block.sum(axis=0, dtype=np.float64) for block in blocks(self.values)], axis=0) / self.n_steps

    @property
    def behaviour_values(self) -> npt.NDArray[np.float32]:
        """(T, B) behaviour as a plain array; B is 0 if there is none."""
        if self.behaviour is None:
            return np.zeros((self.n_steps, 0), np.float32)
        return self.behaviour.values.astype(np.float32, copy=False)

    @property
    def n_steps(self) -> int:
        return int(self.activity.shape[0])

    @property
    def n_neurons(self) -> int:
        return int(self.activity.shape[1])

    @property
    def position_um(self) -> Float64Array:
        """(N, 3) positions in micrometres, NaN where they are not known."""
        return self.neurons[["x_um", "y_um", "z_um"]].to_numpy(dtype=np.float64)

    @property
    def epochs(self) -> nap.IntervalSet:
        """Valid epochs: gaps and trial edges lie between them."""
        return self.activity.time_support

    @property
    def segments(self) -> list[tuple[int, int]]:
        """Rows `[start, stop)` of `values` that belong to each valid epoch."""
        return _rows(self.activity)

    def select_rows(self, segments: Sequence[tuple[int, int]]) -> Recording:
        """The recording restricted to row ranges `[start, stop)`, each a part of one epoch."""
        times = self.activity.times()
        half = self.dt_s / 2
        epochs = nap.IntervalSet([times[a] - half for a, _ in segments], [times[b - 1] + half for _, b in segments])
        rows = np.concatenate([np.arange(a, b) for a, b in segments])

        def restrict(frame: nap.TsdFrame) -> nap.TsdFrame:
            values = _taken(frame.values, rows=rows)
            return nap.TsdFrame(t=times[rows], d=values, time_support=epochs, columns=frame.columns)

        return self._part(
            activity=restrict(self.activity),
            behaviour=None if self.behaviour is None else restrict(self.behaviour),
            spike_times=None if self.spike_times is None else self.spike_times.restrict(epochs),
        )

    def select_neurons(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Recording:
        """The recording of the neurons at `indices`, in that order."""
        chosen = [int(k) for k in indices]
        values = _taken(self.values, columns=chosen)
        return self._part(
            activity=nap.TsdFrame(t=self.activity.times(), d=values, time_support=self.epochs),
            neurons=self.neurons.iloc[chosen].reset_index(drop=True),
            connectome=None if self.connectome is None else self.connectome.select(chosen),
            spike_times=None if self.spike_times is None else _select_trains(self.spike_times, chosen),
        )

    def without_ground_truth(self) -> Recording:
        """What a method may see: no connectome, no spikes behind calcium, no account of how the data were made."""
        sorted_spikes = self.spike_times if self.modality == "spikes" else None
        return self._part(connectome=None, spike_times=sorted_spikes, metadata={})

    def _part(self, **changes: Any) -> Recording:
        """Like `dataclasses.replace`, for what was checked as a whole: a part of it has nothing new but its size."""
        part = object.__new__(Recording)
        part.__dict__.update({**self.__dict__, **changes})
        _check_size(part.values)
        return part


def neuron_table(
    n_neurons: int,
    *,
    ids: Sequence[str] | None = None,
    cell_type: Sequence[str] | None = None,
    position_um: FloatArray | None = None,
    area: Sequence[str] | None = None,
    trough_to_peak_ms: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Neuron table with the columns `NEURON_COLUMNS`, and `trough_to_peak_ms` where that is known.

    Parameters
    ----------
    n_neurons : int
    ids : N names, default "0".."N-1"
    cell_type, area : N names, default "unknown"
    position_um : (N, 3) array in micrometres, default NaN (unknown)
    trough_to_peak_ms : N numbers, optional
        For extracellular spikes: milliseconds from the trough of the mean waveform to the peak that follows it; NaN
        where not known. The waveforms of fast-spiking interneurons are narrow: below 0.4 ms in mouse cortex
        (Siegle et al. 2021, Nature 592:86).

    Raises
    ------
    InputError
        If a duration is not a positive number of milliseconds.
    """
    position = np.full((n_neurons, 3), np.nan) if position_um is None else np.asarray(position_um, float)
    table = pd.DataFrame(
        {
            "id": [str(k) for k in (range(n_neurons) if ids is None else ids)],
            "cell_type": ["unknown"] * n_neurons if cell_type is None else [str(k) for k in cell_type],
            "x_um": position[:, 0],
            "y_um": position[:, 1],
            "z_um": position[:, 2],
            "area": ["unknown"] * n_neurons if area is None else [str(k) for k in area],
        }
    )
    if trough_to_peak_ms is None:
        return table
    duration_ms = np.asarray(trough_to_peak_ms, float)
    if (duration_ms <= 0).any() or np.isinf(duration_ms).any():
        raise InputError("trough_to_peak_ms must be positive, or NaN where it is not known; other values were given.")
    return table if np.isnan(duration_ms).all() else table.assign(**{TROUGH_TO_PEAK: duration_ms})


def check_varying(recording: Recording) -> None:
    """Refuse a recording in which a neuron never changes.

    Raises
    ------
    InputError
        If a spike recording holds no spikes, or any neuron is constant.
    """
    lowest, highest = _extremes(recording.values)
    if recording.modality == "spikes" and not (lowest.any() or highest.any()):
        raise InputError("The recording holds no spikes at all; check the bin size, the units and the epochs.")
    constant = lowest == highest
    if constant.any():
        raise InputError(
            f"Activity never changes in {_names(constant)}: nothing can be inferred from a constant neuron; "
            "drop it (--min-rate does so for spikes) or record longer."
        )


def has_little_data(recording: Recording) -> npt.NDArray[np.bool_]:
    """(N,) which neurons have too few spikes to say anything of their connections, or all in one part of the time.

    That is fewer than `FEW_SPIKES`, or none in `SILENT_PARTS` of `PARTS` equal parts of the recording. What is inferred
    from normal distributions does not hold there. In a calcium recording, no neuron is marked.
    """
    if recording.modality != "spikes":
        return np.zeros(recording.n_neurons, bool)
    borders = np.unique(np.linspace(0, recording.n_steps, PARTS + 1).astype(int))
    counts = []
    for start, stop in pairwise(borders):
        part = recording.values[start:stop]
        counts.append(np.sum([block.sum(axis=0, dtype=np.float64) for block in blocks(part)], axis=0))
    spikes = np.array(counts)
    return cast(npt.NDArray[np.bool_], (spikes.sum(axis=0) < FEW_SPIKES) | ((spikes == 0).sum(axis=0) >= SILENT_PARTS))


def _select_trains(spikes: nap.TsGroup, chosen: list[int]) -> nap.TsGroup:
    trains = {new: spikes[old] for new, old in enumerate(chosen)}
    return nap.TsGroup(trains, time_support=spikes.time_support)


def _taken(
    values: FloatArray, rows: npt.NDArray[np.intp] | None = None, columns: list[int] | None = None
) -> FloatArray:
    """A copy of these rows and columns, by default all of them."""
    if values.dtype != np.float32:
        chosen = values if rows is None else values[rows]
        return chosen if columns is None else chosen[:, columns]
    n_rows = len(values) if rows is None else len(rows)

    def fill(block: npt.NDArray[np.float32], start: int) -> None:
        here = slice(start, start + len(block))
        part = values[here if rows is None else rows[here]]
        block[:] = part if columns is None else part[:, columns]
        give_back(values)

    return filled((n_rows, values.shape[1] if columns is None else len(columns)), fill)


def _rows(frame: nap.TsdFrame) -> list[tuple[int, int]]:
    times, epochs = frame.times(), frame.time_support
    starts = np.searchsorted(times, epochs.start, side="left")
    stops = np.searchsorted(times, epochs.end, side="right")
    return [(int(a), int(b)) for a, b in zip(starts, stops, strict=True) if b > a]


def _check_size(values: npt.NDArray[np.float32]) -> None:
    if values.ndim != 2 or values.shape[1] < 2:
        raise InputError(f"A recording needs at least 2 neurons (time x neurons); got shape {values.shape}.")
    if values.shape[0] < 2:
        raise InputError(f"A recording needs at least 2 time steps; got {values.shape[0]}.")


def _check_activity(values: npt.NDArray[np.float32], modality: Modality) -> None:
    _check_size(values)
    lowest, highest = _extremes(values)
    finite = np.isfinite(lowest) & np.isfinite(highest)
    if not finite.all():
        raise InputError(
            f"Activity holds NaN or infinite values in {_names(~finite)}; "
            "cut those times out as epoch borders or drop these neurons."
        )
    _check_magnitude(lowest, highest, "Activity")
    if modality == "spikes" and (lowest < 0).any():
        raise InputError("Spike counts must not be negative; is this a calcium recording (modality 'calcium')?")


def _check_magnitude(lowest: npt.NDArray[np.floating[Any]], highest: npt.NDArray[np.floating[Any]], what: str) -> None:
    """Refuse numbers whose squares float32 cannot hold: they would be fitted as if nothing were there."""
    size = np.maximum(np.abs(lowest), np.abs(highest)).astype(np.float64)
    span = highest.astype(np.float64) - lowest
    wrong = (size > LARGEST) | ((span > 0) & (span < SMALLEST))
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{what} of {_names(wrong)} reaches {size[k]:.3g} and varies by {span[k]:.3g}; it may reach at most "
            f"{LARGEST:g}, and must vary by at least {SMALLEST:g} if it varies: use another unit, or drop them."
        )


def _extremes(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(N,) least and greatest value of each neuron; NaN where it has any."""
    lowest, highest = zip(*[(block.min(axis=0), block.max(axis=0)) for block in blocks(values)], strict=True)
    return np.min(lowest, axis=0), np.max(highest, axis=0)


def _check_grid(activity: nap.TsdFrame, dt_s: float) -> None:
    times = activity.times()
    for start, stop in _rows(activity):
        steps = np.diff(times[start:stop])
        if len(steps) and np.abs(steps - dt_s).max() > 0.01 * dt_s:
            worst = steps[np.abs(steps - dt_s).argmax()]
            raise InputError(
                f"Activity must be on a uniform grid of {dt_s:g} s within each epoch; found a step of {worst:g} s. "
                "Declare gaps as epoch borders or resample."
            )


def _names(mask: npt.ArrayLike) -> str:
    """'neuron 3' or 'neurons 3, 8 and 5 more'."""
    indices = np.flatnonzero(mask).tolist()
    return f"neuron{'s' if len(indices) > 1 else ''} {listed(indices)}"
