"""The ring: who is connected, and the bumps that strong recurrence makes."""

from __future__ import annotations

import numpy as np
import pytest

from simulators import observe_spikes
from simulators.networks import RingAttractor
from synapsnet.errors import InputError


def test_each_neuron_inhibits_a_flank_and_none_nearer_or_farther():
    network = RingAttractor(n_neurons=40, nearest=0.1, farthest=0.25)
    connected = network.connect(np.random.default_rng(0)).adjacency
    apart = [min(k, 40 - k) for k in range(40)]
    assert connected[0].tolist() == [4 < steps <= 10 for steps in apart]
    for k in range(40):
        assert np.array_equal(connected[k], np.roll(connected[0], k))


def test_the_drive_makes_up_for_the_inhibition_of_a_uniform_network():
    """Twelve inputs at 8 Hz, each with the area of its potential: the peak times 5 ms x 4^(4/3)."""
    network = RingAttractor(n_neurons=40, strength=0.5, ipsp_mv=2.0)
    assert network.drive() == pytest.approx(9.0 + 12 * 8 * 0.5 * 2.0 * 0.005 * 4 ** (4 / 3))


def test_strong_recurrence_makes_neighbours_fire_together(simulate_once):
    near = {}
    for strength in (0.1, 2.5):
        network = RingAttractor(n_neurons=20, strength=strength, ipsp_mv=5.0)
        recording = observe_spikes(simulate_once(network, duration_s=30.0, seed=1), bin_s=0.1, min_rate_hz=0.01)
        chosen = recording.neurons["id"].astype(int).to_numpy()
        beside = np.isclose(network.distance()[np.ix_(chosen, chosen)], 0.05)
        near[strength] = np.corrcoef(recording.values.T)[beside].mean()
    assert abs(near[0.1]) < 0.1
    assert near[2.5] > 0.15


def test_a_flank_that_ends_before_it_begins_is_refused():
    with pytest.raises(InputError, match=r"flank begins nearer than it ends.*got 0.3 to 0.2"):
        RingAttractor(nearest=0.3, farthest=0.2)
