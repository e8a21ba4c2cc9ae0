"""Influence mapping: on a planted network, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from planted import DT_S, EVERY, N, lit, planted_network
from sklearn.metrics import roc_auc_score

from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.methods import find_method
from validation.methods.influence import Influence

STIMULATED = 6


def stimulated(weight: np.ndarray) -> Recording:
    return lit(weight, {str(k): np.eye(N)[k] for k in range(STIMULATED)}, STIMULATED * 100, seed=1)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return stimulated(planted_network())


@pytest.mark.parametrize("name", ["influence", "influence-spontaneous"])
def test_connections_from_stimulated_neurons_are_found(recording, name):
    scores = find_method(name)().infer(recording).scores
    pairs = ~np.eye(N, dtype=bool)[:, :STIMULATED]
    truth = planted_network()[:, :STIMULATED]
    assert roc_auc_score((truth != 0)[pairs], np.abs(scores[:, :STIMULATED])[pairs]) > 0.7
    clear = (np.abs(scores[:, :STIMULATED]) > 4) & (truth != 0)  # what is passed on has effects, too
    assert (np.sign(scores[:, :STIMULATED]) == np.sign(truth))[clear].all()
    assert scores[:, STIMULATED:].any() == (name == "influence-spontaneous")  # of the others light says nothing


def test_without_connections_scores_are_those_of_noise():
    scores = Influence().infer(stimulated(np.zeros((N, N)))).scores[:, :STIMULATED]
    scores = scores[~np.eye(N, dtype=bool)[:, :STIMULATED]]
    assert 0.8 < scores.std() < 1.2
    assert np.abs(scores).max() < 4


def test_the_effect_per_spike_by_hand():
    """Light on 0 makes it fire once a pulse; 1 fires once in every 5 bins, and once more after every second pulse."""
    n_pulses = 40
    counts, light = np.zeros((n_pulses * EVERY, 3)), np.zeros((n_pulses * EVERY, 2))
    counts[::5, 1] = 1
    counts[7::11, 2] = 1
    onsets = np.arange(n_pulses) * EVERY + EVERY - 10
    light[onsets, np.arange(n_pulses) % 2] = 1
    counts[onsets[::2], 0] = 1
    counts[onsets[::4] + 1, 1] += 1
    recording = Recording.from_array(counts, DT_S, "spikes", behaviour=light, behaviour_names=["light_0", "light_2"])
    assert Influence().infer(recording).weight[1, 0] == pytest.approx(0.5 / 0.2)


def test_a_recording_without_stimulation_is_refused(recording):
    with pytest.raises(InputError, match="Influence needs stimulation of single neurons"):
        Influence().infer(recording.select_neurons(range(10, 20)))
