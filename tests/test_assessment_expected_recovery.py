"""The matched simulation: it is like the recording, and what is recovered from it agrees with the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from simulators import observe_calcium, observe_spikes
from simulators.networks import LifRandom
from simulators.observation import INDICATORS
from simulators.spike_trains import spike_trains
from synapsnet.errors import InputError
from synapsnet.recording import Connectome, Recording, Simulation, neuron_table
from synapsnet.splits import alternating
from validation.activity.statistics import noise_share
from validation.assessment.expected_recovery import matched, score
from validation.assessment.matched_network import (
    Optics,
    _repeated,
    match,
    observe_as,
    pair_correlation,
    recorded_optics,
    recorded_rates,
)
from validation.assessment.results import Matched
from validation.methods import LaggedCorrelation

Simulate = Callable[..., Simulation]
TOLERANCE = 0.15  # between the true AUPRC and the mean over two matched simulations; two seeds differ by up to 0.15


def infer(recording: Recording) -> Connectome:
    return LaggedCorrelation().infer(recording)


def test_known_answer(simulate_once: Simulate) -> None:
    """What a method recovers of a simulation, its matched simulations tell without knowing the truth."""
    simulation = simulate_once(LifRandom(n_neurons=20, connection_probability=0.15), duration_s=600.0, seed=2)
    recording = observe_spikes(simulation, bin_s=0.005)
    blind = recording.without_ground_truth()
    true = score(recording, infer(blind), 1.0, 1.0, 0)
    found = matched(blind, infer, 20, seeds=(0, 1), fractions=(1.0,), lengths=(0.5, 1.0))
    scenario = found.scenario(1.0)
    assert scenario is not None and scenario.n_simulated == 20
    now = scenario.at(1.0)
    assert now is not None and true.auprc is not None
    assert true.auprc > 3 * true.density  # so that agreement says something
    assert now.auprc.value == pytest.approx(true.auprc, abs=TOLERANCE)
    assert now.n_seeds == 2 and now.duration_s == pytest.approx(600)
    assert [each.length for each in scenario.scores] == [0.5, 1.0]
    assert 0 <= now.auprc.low < now.auprc.value < now.auprc.high <= 1
    # Weights repeat about as well as in the recording
    parts = alternating(blind.segments, 10, 20)
    a, b = (infer(blind.select_rows(part)).weight[~np.eye(20, dtype=bool)] for part in parts)
    assert scenario.weight_reliability == pytest.approx(np.corrcoef(a, b)[0, 1], abs=TOLERANCE)
    likeness = {each.name: each for each in scenario.likeness}
    assert likeness["rate_hz"].simulation.median == pytest.approx(likeness["rate_hz"].recording.median, rel=0.15)


def test_rates_are_matched_neuron_by_neuron_and_drive_is_shared_if_asked_for() -> None:
    """Half of a network of 20, whose neurons fire at very different rates and together."""
    rng = np.random.default_rng(0)
    rate_hz = np.geomspace(1.0, 16.0, 10)
    together = np.exp(0.8 * np.repeat(rng.normal(size=300), 10))[:, None]  # changes every 0.2 s
    counts = rng.poisson(np.clip(rate_hz * 0.02 * together / together.mean(), 0, 3))
    recording = Recording.from_array(counts, 0.02, "spikes", segments=[1000] * 3)
    like = match(recording, 0.5, seed=3)
    assert len(like.network.neurons()) == 20 and len(like.visible) == 10
    assert like.shared_fraction > 0.05
    seen = observe_as(like.simulate(130.0, 1), recording, 2.0, None, 0)
    wanted = recorded_rates(recording)
    np.testing.assert_allclose(recorded_rates(seen), wanted, rtol=0.5)
    assert np.corrcoef(np.log(recorded_rates(seen)), np.log(wanted))[0, 1] > 0.95
    wanted_correlation, found = (float(np.nanmean(pair_correlation(each))) for each in (recording, seen))
    assert found > wanted_correlation / 2 > 0.05
    assert [stop - start for start, stop in seen.segments] == [1000] * 6
    assert seen.connectome is not None and seen.connectome.n_neurons == 10


def test_epochs_are_repeated_until_they_are_enough() -> None:
    assert _repeated([3, 2], 5) == [3, 2]
    assert _repeated([3, 2], 9) == [3, 2, 3, 1]
    assert _repeated([3, 2], 2) == [2]


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_rates_of_calcium_follow_from_skewness(noise: float) -> None:
    """Poisson neurons of known rates, with and without noise: within a factor of 1.5."""
    rate_hz = np.array([0.05, 0.1, 0.2, 0.4])
    rng = np.random.default_rng(1)
    spikes = [np.sort(rng.uniform(0, 2000, rng.poisson(2000 * rate))) for rate in rate_hz]
    neuron, time_s = np.repeat(np.arange(4), [len(each) for each in spikes]), np.concatenate(spikes)
    simulation = Simulation(spike_trains(neuron, time_s, 4, 2000.0), neuron_table(4), Connectome(np.zeros((4, 4))))
    seen = observe_calcium(simulation, indicator="GCaMP6s", frame_rate_hz=10, noise_level=noise, drift=0.0)
    np.testing.assert_allclose(np.log(recorded_rates(seen)), np.log(rate_hz), atol=np.log(1.5))


@pytest.mark.parametrize("factor", [1.0, 1000.0])  # dF/F, and arbitrary units
def test_traces_are_as_noisy_as_recorded_ones(factor: float) -> None:
    """Answers twice as large as the indicator's, which bursts of two spikes cause."""
    rng = np.random.default_rng(2)
    spikes = [np.sort(rng.uniform(0, 1000, 300)) for _ in range(4)]
    simulation = Simulation(
        spike_trains(np.repeat(np.arange(4), 300), np.concatenate(spikes), 4, 1000.0),
        neuron_table(4), Connectome(np.zeros((4, 4))),
    )  # fmt: skip
    large = replace(INDICATORS["GCaMP6s"], peak=2 * INDICATORS["GCaMP6s"].peak)
    seen = observe_calcium(simulation, indicator=large, frame_rate_hz=10, noise_level=4.0, drift=0.0)
    recording = Recording.from_array(factor * seen.values, seen.dt_s, "calcium")
    optics = recorded_optics(recording)
    again = observe_as(simulation, recording, 1.0, optics, 1)
    assert np.median(noise_share(again)) == pytest.approx(np.median(noise_share(recording)), rel=0.3)
    if factor == 1:
        assert optics.noise_level == pytest.approx(4.0, rel=0.1)
        assert optics.indicator.peak == pytest.approx(large.peak, rel=0.3)


def test_calcium_is_observed_as_it_was_recorded(small_simulation: Simulation) -> None:
    recording = observe_calcium(small_simulation, frame_rate_hz=10, noise_level=2.0).select_rows([(0, 500), (600, 900)])
    seen = observe_as(small_simulation, recording, 1.25, Optics(INDICATORS["GCaMP6s"], 3.0), 0)
    assert (seen.modality, seen.dt_s, seen.n_steps) == ("calcium", recording.dt_s, 1000)
    assert [stop - start for start, stop in seen.segments] == [500, 300, 200]
    assert seen.connectome is not None and np.array_equal(seen.connectome.weight, small_simulation.connectome.weight)


def test_nothing_is_computed_twice(spike_recording: Recording) -> None:
    """An interrupted call goes on; a longer curve or another seed is added."""
    recording = spike_recording.without_ground_truth()
    kept: list[str] = []

    def stop(so_far: Matched) -> None:
        kept.append(so_far.model_dump_json())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matched(recording, infer, 20, seeds=(0, 1), fractions=(1.0,), lengths=(0.5, 1.0), keep=stop)
    resumed = matched(
        recording, infer, 20, seeds=(0, 1), fractions=(1.0,), lengths=(0.5, 1.0),
        known=Matched.model_validate_json(kept[0]),
    )  # fmt: skip
    assert resumed == matched(recording, infer, 20, seeds=(0, 1), fractions=(1.0,), lengths=(0.5, 1.0))

    def refuse(part: Recording) -> Connectome:
        raise AssertionError("computed again")

    again = matched(recording, refuse, 20, seeds=(0, 1), fractions=(1.0,), lengths=(0.5, 1.0), known=resumed)
    assert len(again.fits) == 4


@pytest.mark.parametrize("fraction", [0.0, 1.5, float("nan")])
def test_fractions_out_of_range(fraction: float, spike_recording: Recording) -> None:
    with pytest.raises(InputError, match="fraction of neurons recorded"):
        match(spike_recording, fraction)


def test_deconvolved_recordings_have_no_match(small_simulation: Simulation) -> None:
    with pytest.raises(InputError, match="deconvolved"):
        match(observe_calcium(small_simulation, trace="deconvolved"), 1.0)


def test_silent_neurons_are_left_out(small_simulation: Simulation) -> None:
    trains = {k: small_simulation.spike_times[k] for k in range(20)}
    trains[3] = trains[3][:0]
    silent = Simulation(
        type(small_simulation.spike_times)(trains, time_support=small_simulation.spike_times.time_support),
        small_simulation.neurons,
        small_simulation.connectome,
    )
    seen = observe_as(silent, observe_spikes(small_simulation), 0.5, None, 0)
    assert seen.n_neurons == 19 and "3" not in set(seen.neurons["id"])
