"""Extracellular recording: spikes as a sorter reports them, with its errors, counted in bins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
import numpy.typing as npt
import pynapple as nap
from pydantic import Field, model_validator

from simulators.observation import sorting
from simulators.observation.sorting import Neighbourhood
from simulators.positions import positions_um
from simulators.units import NotNegative, Positive, Probability
from synapsnet.array_types import FloatArray
from synapsnet.errors import InputError, unknown_name
from synapsnet.parameters import Parameters
from synapsnet.recording import Recording, Simulation, check_varying


class _Sorter(Parameters):
    """The errors of a spike sorter, see `observe_spikes`."""

    title = "the spike sorter"

    loss: Probability
    contamination: float = Field(ge=0, lt=1)
    neighbourhood_um: Positive | None
    amplitude: Positive | None
    falloff_um: Positive | None
    drift: NotNegative
    censored_s: NotNegative
    synchronous_loss: Probability
    min_rate_hz: NotNegative
    unit_yield: dict[str, Probability]
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _every_error_has_what_it_needs(self) -> Self:
        if self.amplitude is None and (self.drift or self.falloff_um is not None):
            raise ValueError("A drift and a falloff change the amplitude of spikes; give the amplitude too")
        if self.neighbourhood_um is not None and not (self.contamination or self.synchronous_loss):
            raise ValueError("A neighbourhood says where errors come from; give a contamination or a synchronous loss")
        return self


def observe_spikes(
    simulation: Simulation,
    *,
    bin_s: float = 0.005,
    loss: float = 0.0,
    contamination: float = 0.0,
    neighbourhood_um: float | None = None,
    amplitude: float | None = None,
    falloff_um: float | None = None,
    drift: float = 0.0,
    censored_s: float = 0.0,
    synchronous_loss: float = 0.0,
    min_rate_hz: float = 0.0,
    unit_yield: dict[str, float] | None = None,
    seed: int = 0,
    notify: Callable[[str], None] = lambda sentence: None,
) -> Recording:
    """Binned spike counts as a spike sorter would report them; by default without errors.

    Parameters
    ----------
    simulation : Simulation
    bin_s : float
        Width of the time bins in seconds; an incomplete bin at the end is dropped.
    loss : float
        Probability that a spike is missed, independently of all others.
    contamination : float
        Expected fraction of a unit's reported spikes that were fired by other neurons, less than 1. To a
        unit with n spikes of its own (after losses), Poisson(n c / (1 - c)) spikes are added, drawn
        without replacement from all spikes of all other neurons. They are copies: the neuron that
        fired them keeps its own.
    neighbourhood_um : float, optional
        Contamination and synchronous losses come from near neurons, in proportion to exp(-distance /
        neighbourhood). Default: all neurons are equally near, as around one tetrode; of 1,000 neurons most spikes
        would overlap.
    amplitude : float, optional
        Median size of the units' spikes at the probe, in standard deviations of the noise. Each unit has its own
        (lognormal), and only spikes that exceed `sorting.THRESHOLD` with the noise added are detected. Default:
        every spike is.
    falloff_um : float, optional
        Amplitudes fall as exp(-distance / falloff) with the lateral distance of a neuron from a probe that goes
        down (along z) through the middle of all neurons. In the hippocampus, spikes are large within 50 um and are
        lost in the noise beyond 140 um (Henze et al. 2000, J Neurophysiol 84:390). Default: no probe, only the
        lognormal amplitudes.
    drift : float
        How much amplitudes change in time: standard deviation of their logarithm, see `sorting.spike_sizes`.
    censored_s : float
        Two reported spikes of a unit are never closer than this: the second is lost.
    synchronous_loss : float
        Probability that of two overlapping spikes of different units the smaller one is lost, see
        `sorting.overlapped`.
    min_rate_hz : float
        Units with a lower reported rate are not found; the recording holds the others. With 0, a unit without
        spikes is refused.
    unit_yield : dict of cell type -> float, optional
        Probability that a unit of this type is found. Types that are not named are found.
    seed : int
        Seed of all errors.
    notify : callable, optional
        Receives a sentence if units were not found.

    Returns
    -------
    Recording
        A recording of modality "spikes", with the reported spike times and true connectome of the units found, and the
        behaviour.

    Raises
    ------
    InputError
        If a parameter is out of its range or needs positions or another parameter that is not given, the
        simulation is shorter than two bins, a unit has no spikes, or fewer than two are found.
    """
    if not (np.isfinite(bin_s) and 0 < bin_s <= simulation.duration_s / 2):
        raise InputError(
            f"The bin width must be more than 0 and at most half the duration, {simulation.duration_s / 2:g} s; "
            f"got {bin_s} s."
        )
    sorter = _Sorter(
        loss=loss,
        contamination=contamination,
        neighbourhood_um=neighbourhood_um,
        amplitude=amplitude,
        falloff_um=falloff_um,
        drift=drift,
        censored_s=censored_s,
        synchronous_loss=synchronous_loss,
        min_rate_hz=min_rate_hz,
        unit_yield=unit_yield or {},
        seed=seed,
    )
    n_bins = int(simulation.duration_s / bin_s + 1e-6)
    counts = np.empty((n_bins, simulation.n_neurons), np.float32)
    rng = np.random.default_rng(sorter.seed)
    support = simulation.spike_times.time_support
    trains = {}
    for k, reported in enumerate(_reported_trains(simulation, sorter, rng)):
        counts[:, k] = _count(reported, bin_s, n_bins)
        trains[k] = nap.Ts(np.sort(reported), time_support=support)
    behaviour, behaviour_names = simulation.behaviour_on_grid(bin_s, n_bins) or (None, None)
    recording = Recording.from_array(
        counts,
        bin_s,
        "spikes",
        behaviour=behaviour,
        behaviour_names=behaviour_names,
        neurons=simulation.neurons,
        connectome=simulation.connectome,
        spike_times=nap.TsGroup(trains, time_support=support),
        metadata=simulation.metadata | {"observation": {"as": "spikes", "bin_s": bin_s, **sorter.parameters()}},
        require_varying=False,
    )
    detected = _detected(recording, sorter, rng)
    if len(detected) < recording.n_neurons:
        notify(f"{recording.n_neurons - len(detected)} of {recording.n_neurons} units were not found.")
        recording = recording.select_neurons(detected)
    check_varying(recording)
    return recording


def _reported_trains(simulation: Simulation, sorter: _Sorter, rng: np.random.Generator) -> Iterator[FloatArray]:
    """The reported spike times of one unit after the other, not sorted."""
    trains = [simulation.spike_times[k].times() for k in range(simulation.n_neurons)]
    borders = np.cumsum([0, *map(len, trains)])
    unit, time_s = np.repeat(np.arange(len(trains)), np.diff(borders)), np.concatenate(trains)
    neighbourhood = None
    if sorter.neighbourhood_um is not None:
        neighbourhood = Neighbourhood(positions_um(simulation, "A neighbourhood"), sorter.neighbourhood_um)

    reported = rng.random(len(time_s)) >= sorter.loss
    if sorter.amplitude is not None or sorter.synchronous_loss:
        size = sorting.spike_sizes(unit, time_s, _amplitudes(simulation, sorter, rng), sorter.drift, rng)
        if sorter.amplitude is not None:
            reported &= size > sorting.THRESHOLD
        if sorter.synchronous_loss:
            reported &= ~sorting.overlapped(unit, time_s, size, sorter.synchronous_loss, neighbourhood, rng)
    for k, train in enumerate(trains):
        own = train[reported[borders[k] : borders[k + 1]]]
        if sorter.contamination:
            n_foreign = rng.poisson(len(own) * sorter.contamination / (1 - sorter.contamination))
            own = np.concatenate([own, time_s[sorting.foreign_spikes(n_foreign, k, borders, neighbourhood, rng)]])
        yield sorting.censor(own, sorter.censored_s) if sorter.censored_s else own


def _amplitudes(simulation: Simulation, sorter: _Sorter, rng: np.random.Generator) -> FloatArray:
    """(N,) mean size of each unit's spikes; 0 where only the noise decides which of two spikes is the larger."""
    if sorter.amplitude is None:
        return np.zeros(simulation.n_neurons)
    amplitude = sorting.unit_amplitudes(simulation.n_neurons, sorter.amplitude, rng)
    if sorter.falloff_um is not None:
        amplitude *= sorting.falloff(positions_um(simulation, "A falloff"), sorter.falloff_um)
    return amplitude


def _detected(recording: Recording, sorter: _Sorter, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Indices of the units that the sorter finds."""
    types = recording.neurons["cell_type"]
    for name in sorter.unit_yield:
        if name not in set(types):
            raise unknown_name("cell type", name, sorted(set(types)))
    chance = types.map(lambda name: sorter.unit_yield.get(name, 1.0)).to_numpy()
    rate_hz = recording.values.mean(axis=0, dtype=np.float64) / recording.dt_s
    detected = np.flatnonzero((rate_hz >= sorter.min_rate_hz) & (rng.random(len(chance)) < chance))
    if len(detected) < 2:
        raise InputError(
            f"Only {len(detected)} of {len(chance)} units are found, but 2 are needed; lower the minimum rate, "
            f"{sorter.min_rate_hz:g} Hz, or raise the yield or the amplitude."
        )
    return detected


def _count(times_s: FloatArray, bin_s: float, n_bins: int) -> npt.NDArray[np.float32]:
    # A spike on the border of two bins belongs to the later one, in spite of rounding.
    index = (times_s / bin_s + 1e-6).astype(np.int64)
    return np.bincount(index[index < n_bins], minlength=n_bins).astype(np.float32)
