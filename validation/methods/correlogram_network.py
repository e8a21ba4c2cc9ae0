"""A small network that has learned from simulated networks what correlograms of connected neurons look like.

Its weights, `correlogram_network.npz`, are made by `python benchmarks/train_correlogram_network.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import log_softmax

from synapsnet.array_types import Float64Array
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.inference.correlograms import Correlograms
from synapsnet.inference.spectra import cross_spectra
from synapsnet.recording import Recording, binned_spike_times

Features = npt.NDArray[np.float32]

STEP_S, COARSEST_S = 0.001, 0.005  # of correlograms, and the widest bins of spikes without times
# Lags from one edge to the next, in milliseconds: bins are wider where what happens is slower.
LATER_MS = (0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 12.5, 15.5, 20.5, 30.5)
EDGES_MS = np.array([-edge for edge in LATER_MS[::-1]] + list(LATER_MS))
ACTING = slice(len(LATER_MS), len(LATER_MS) + 10)  # bins in which most connections act: 0.5 to 10.5 ms
LEAST_COINCIDENCES = 2.0  # expected in these; fewer say nothing either way
ABSENT, EXCITATORY, INHIBITORY = 0, 1, 2  # what a pair is
LEAST_SHARE = 1e-6  # of a class, as a prior
PRIOR_STEPS = 200
FIRST_SHARE = 0.1  # of connections


class Pairs(NamedTuple):
    """What the network sees of each pair, `[post, pre]`.

    Attributes
    ----------
    features : (N, N, F) array
        The partial correlogram in bins of lags, in units of its noise, compressed.
    effect : (N, N) array
        Its mean over the lags at which most connections act.
    informative : (N, N) bool array
        Pairs of different neurons of which the recording says anything.
    """

    features: Features
    effect: Float64Array
    informative: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reader:
    """A perceptron with hidden layers, and what it was trained on.

    Attributes
    ----------
    centre, scale : (F,) arrays
        Features are taken less the one and over the other.
    layers : tuple of (weight, bias)
        Hidden layers are rectified; the last one gives the three classes.
    share : (3,) array
        Share of each class among the pairs that it was trained on.
    """

    centre: Features
    scale: Features
    layers: tuple[tuple[Features, Features], ...]
    share: Float64Array

    def log_probabilities(self, features: Features) -> Float64Array:
        """(P, 3) of (P, F) features, if the classes were as frequent as in training."""
        x = (features - self.centre) / self.scale
        for weight, bias in self.layers[:-1]:
            x = np.maximum(x @ weight.T + bias, 0)
        weight, bias = self.layers[-1]
        return np.asarray(log_softmax((x @ weight.T + bias).astype(np.float64), axis=1))

    def save(self, path: Path) -> None:
        """Write it as plain arrays."""
        arrays: dict[str, Any] = {"centre": self.centre, "scale": self.scale, "share": self.share}
        for k, (weight, bias) in enumerate(self.layers):
            arrays |= {f"weight_{k}": weight, f"bias_{k}": bias}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> Reader:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            n_layers = sum(name.startswith("weight_") for name in arrays.files)
            layers = tuple((arrays[f"weight_{k}"], arrays[f"bias_{k}"]) for k in range(n_layers))
            return cls(arrays["centre"], arrays["scale"], layers, arrays["share"])


class CorrelogramNetwork:
    """Probability of a connection by a network trained on simulations of correlograms; O(T N^2 + N^3), spikes only.

    In the manner of CoNNECT (Endo et al. 2021, Sci Rep 11:12087) and DeepDAM (Sheng et al. 2025, eLife): a network
    learns from simulated neurons, whose connections are known, to tell a connection from all else that makes a peak or
    a trough. Theirs are convolutional and see plain correlograms; this one is a perceptron with some thousand weights
    that sees 30 ms on either side of the partial correlogram, given all other neurons. It shares these with SynapsNet
    (`synapsnet.inference.correlograms`), and learns what SynapsNet models: responses, background and how much there is
    of each.

    It was trained on networks of this project alone, in many states, with and without connections
    (`benchmarks/train_correlogram_network.py`), and its probabilities hold for activity like that. How many pairs are
    connected differs between recordings: the shares of the classes are estimated again from each (Saerens et al. 2002,
    Neural Comput 14:21).

    Parameters
    ----------
    reader : Reader, optional
        Default: the one that comes with the package.
    """

    def __init__(self, reader: Reader | None = None) -> None:
        self.reader = shipped() if reader is None else reader

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`.

        Raises
        ------
        InputError
            If the recording is of calcium, or its bins are longer than 5 ms.
        """
        return self.read(pairs_of(recording))

    def read(self, pairs: Pairs) -> Connectome:
        """The connectivity inferred from these pairs."""
        informative = pairs.informative
        local_fdr, weight = np.ones(informative.shape), np.zeros(informative.shape)
        if informative.any():
            log_probabilities = self.reader.log_probabilities(pairs.features[informative])
            probabilities = with_own_shares(log_probabilities, self.reader.share)
            sign = np.where(probabilities[:, EXCITATORY] >= probabilities[:, INHIBITORY], 1.0, -1.0)
            local_fdr[informative] = np.clip(probabilities[:, ABSENT], 0, 1)
            weight[informative] = sign * np.maximum(np.abs(pairs.effect[informative]), 1e-9)
        return Connectome(weight, local_fdr=local_fdr, unit="a.u.")


@cache
def shipped() -> Reader:
    """The one that comes with the package."""
    with as_file(files("validation.methods") / "correlogram_network.npz") as path:
        return Reader.load(path)


@torch.no_grad()
def pairs_of(recording: Recording) -> Pairs:
    """What the network sees of a recording.

    Raises
    ------
    InputError
        If the recording is of calcium, or its spikes are known in bins longer than 5 ms alone.
    """
    step_s = STEP_S if recording.spike_times is not None else max(STEP_S, recording.dt_s)
    if recording.modality != "spikes" or step_s > COARSEST_S * 1.01:
        raise InputError(
            f"The network on correlograms needs spikes, with their times or in bins of at most {COARSEST_S * 1e3:g} "
            f"ms; got {recording.modality} in steps of {recording.dt_s * 1e3:.3g} ms. Use shorter bins, or a method "
            "for calcium."
        )
    spike_times = binned_spike_times(recording) if recording.spike_times is None else recording.spike_times
    correlograms = Correlograms.learn(cross_spectra(spike_times, step_s, torch.device("cpu")))
    bins = _bins(correlograms.lags_s.numpy() * 1e3)
    n = recording.n_neurons
    values, coincidences = np.zeros((n, n, bins.shape[1]), np.float32), np.zeros((n, n))
    for rows in correlograms.blocks():
        of_rows, _, expected = correlograms(rows, torch.arange(n))
        values[rows], coincidences[rows] = of_rows.numpy() @ bins, expected.numpy()
    n_acting = 1e-3 / step_s * (ACTING.stop - ACTING.start)
    informative = (coincidences * n_acting >= LEAST_COINCIDENCES) & ~np.eye(n, dtype=bool)
    return Pairs(np.arcsinh(values), values[..., ACTING].mean(axis=-1).astype(np.float64), informative)


def _bins(lags_ms: Float64Array) -> Features:
    """(K, B) weights of lags in bins: each millisecond has its nearest lag, and noise stays 1 where these differ."""
    milliseconds = np.arange(np.ceil(EDGES_MS[0]), EDGES_MS[-1])
    nearest = np.abs(lags_ms[:, None] - milliseconds).argmin(axis=0)
    weights = np.zeros((len(lags_ms), len(EDGES_MS) - 1), np.float32)
    np.add.at(weights, (nearest, np.digitize(milliseconds, EDGES_MS) - 1), 1.0)
    return weights / np.sqrt(weights.sum(axis=0))


def with_own_shares(log_probabilities: Float64Array, share: Float64Array) -> Float64Array:
    """Probabilities of classes whose shares are not those of the training, but learned from these pairs.

    By expectation maximisation from a tenth of connections (Saerens et al. 2002, Neural Comput 14:21).

    Parameters
    ----------
    log_probabilities : (P, 3) array
        With the shares of the training.
    share : (3,) array
        The shares of the training.
    """
    likelihood = log_probabilities - np.log(share)
    own = np.array([1 - FIRST_SHARE, FIRST_SHARE * 0.8, FIRST_SHARE * 0.2])
    for _ in range(PRIOR_STEPS):
        probabilities = np.exp(log_softmax(likelihood + np.log(own), axis=1))
        new = np.maximum(probabilities.mean(axis=0), LEAST_SHARE)
        done = np.abs(new - own).max() < 1e-9
        own = new / new.sum()
        if done:
            break
    return np.asarray(np.exp(log_softmax(likelihood + np.log(own), axis=1)))
