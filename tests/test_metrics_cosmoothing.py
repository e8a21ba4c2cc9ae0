"""Co-smoothing and responses to perturbations: known answers, chance, and nothing that leaks."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from synapsnet.errors import InputError
from synapsnet.recording import Connectome, Recording
from validation.metrics.cosmoothing import SmoothedReadout, score_cosmoothing
from validation.responses import score_responses

UNSEEN = (1, 4)


def shared_rate(seed: int = 0, modality: str = "spikes", gain: float = 1.0) -> Recording:
    """Six neurons that follow one slow signal, in 20 ms bins."""
    rng = np.random.default_rng(seed)
    signal = np.convolve(rng.normal(size=6000), np.hanning(60) / np.sqrt(22), mode="same")
    if modality == "calcium":
        values = 5 + gain * signal[:, None] * np.linspace(0.5, 1, 6) + 0.3 * rng.normal(size=(6000, 6))
    else:
        values = rng.poisson(np.exp(-1.5 + gain * signal)[:, None] * np.ones(6))
    return Recording.from_array(values, 0.02, modality, connectome=Connectome(np.eye(6, k=1)))


def parts(recording: Recording) -> tuple[Recording, Recording]:
    return recording.select_rows([(0, 4000)]), recording.select_rows([(4050, 6000)])


class Fixed:
    """Predicts what it is told, and remembers what it was shown."""

    def __init__(self, predicted: np.ndarray) -> None:
        self.predicted = predicted

    def fit(self, seen: Recording, unseen: Recording) -> Fixed:
        self.shown = [seen, unseen]
        return self

    def predict(self, seen: Recording) -> np.ndarray:
        self.shown.append(seen)
        return self.predicted


def test_the_mean_rate_is_worth_nothing_and_the_neurons_themselves_much() -> None:
    training, test = parts(shared_rate())
    target = test.values[:, UNSEEN]
    mean = np.broadcast_to(training.values[:, UNSEEN].mean(axis=0), target.shape)
    assert score_cosmoothing(Fixed(mean), training, test, UNSEEN).value == pytest.approx(0, abs=1e-6)
    assert score_cosmoothing(Fixed(target), training, test, UNSEEN).value > 1


def test_a_predictor_sees_the_other_neurons_only() -> None:
    training, test = parts(shared_rate())
    fixed = Fixed(np.ones((test.n_steps, 2)))
    score_cosmoothing(fixed, training, test, UNSEEN)
    seen, unseen, held_out = fixed.shown
    np.testing.assert_array_equal(seen.values, training.values[:, [0, 2, 3, 5]])
    np.testing.assert_array_equal(unseen.values, training.values[:, UNSEEN])
    np.testing.assert_array_equal(held_out.values, test.values[:, [0, 2, 3, 5]])
    assert all(recording.connectome is None for recording in fixed.shown)


def test_readout_finds_a_shared_rate_in_spikes() -> None:
    found = score_cosmoothing(SmoothedReadout(sd_s=0.1), *parts(shared_rate()), UNSEEN)
    assert found.low > 0.1
    alone = score_cosmoothing(SmoothedReadout(sd_s=0.1), *parts(shared_rate(gain=0.0)), UNSEEN)
    assert -0.02 < alone.value < 0.01


def test_readout_finds_a_shared_signal_in_calcium() -> None:
    training, test = parts(shared_rate(modality="calcium"))
    readout = SmoothedReadout(sd_s=0.04)
    found = score_cosmoothing(readout, training, test, UNSEEN)
    predicted = readout.predict(test.select_neurons([0, 2, 3, 5]))
    assert found.value == pytest.approx(r2_score(test.values[:, UNSEEN], predicted), abs=1e-5)
    assert found.value > 0.5
    assert score_cosmoothing(readout, *parts(shared_rate(modality="calcium", gain=0.0)), UNSEEN).value < 0.01


def test_readout_does_not_smooth_over_the_borders_of_epochs() -> None:
    values = np.r_[np.zeros((50, 3)), np.full((50, 3), 9.0)]
    recording = Recording.from_array(values, 0.01, "calcium", segments=[50, 50])
    readout = SmoothedReadout(sd_s=0.1).fit(recording, recording)
    predicted = readout.predict(recording)
    assert np.ptp(predicted[:50]) == pytest.approx(0, abs=1e-9)
    assert np.ptp(predicted[50:]) == pytest.approx(0, abs=1e-9)


def test_wrong_cosmoothing_input() -> None:
    training, test = parts(shared_rate())
    for unseen in ([1], [0, 1, 2, 3, 4], [1, 9], [-1, 2]):
        with pytest.raises(InputError, match="at least 2 of the 6 neurons"):
            score_cosmoothing(Fixed(np.ones((1, 1))), training, test, unseen)
    for predicted in (np.ones((5, 2)), np.full((test.n_steps, 2), np.nan)):
        with pytest.raises(InputError, match="finite predictions"):
            score_cosmoothing(Fixed(predicted), training, test, UNSEEN)
    silent = Recording.from_array(test.values * np.isin(np.arange(6), UNSEEN, invert=True), 0.02, "spikes",
                                  require_varying=False)  # fmt: skip
    with pytest.raises(InputError, match="no spike in the held-out data"):
        score_cosmoothing(Fixed(np.ones((test.n_steps, 2))), training, silent, UNSEEN)


# Perturbations


def responses(seed: int = 0, n_perturbations: int = 5, n: int = 30) -> np.ndarray:
    measured = np.random.default_rng(seed).normal(0.5, 1, (n_perturbations, n))
    measured[np.arange(n_perturbations), np.arange(n_perturbations)] = np.nan  # those that are driven
    return measured


def test_responses_by_hand() -> None:
    predicted = np.array([[9.0, 1.0, 2.0, 3.0], [1.0, -1.0, 1.0, 0.0]])
    measured = np.array([[np.nan, 1.0, 2.0, 0.0], [2.0, -2.0, -2.0, 2.0]])
    found = score_responses(predicted, measured)
    by_hand = [np.corrcoef([1, 2, 3], [1, 2, 0])[0, 1], np.corrcoef([1, -1, 1, 0], [2, -2, -2, 2])[0, 1]]
    assert found.correlation.value == pytest.approx(np.mean(by_hand))
    assert found.sign_agreement.value == pytest.approx(4 / 6)  # one response is 0, one prediction is 0 and wrong


def test_perfect_and_opposite_predictions() -> None:
    measured = responses()
    right = score_responses(np.nan_to_num(measured), measured)
    assert right.correlation.value == pytest.approx(1) and right.sign_agreement.value == 1
    assert right.correlation.p_value == right.sign_agreement.p_value == pytest.approx(1 / 1001)
    wrong = score_responses(-np.nan_to_num(measured), measured)
    assert wrong.correlation.value == pytest.approx(-1) and wrong.sign_agreement.value == 0
    assert wrong.correlation.p_value == 1


def test_unit_and_offset_do_not_matter_to_the_correlation() -> None:
    measured = responses()
    predicted = np.nan_to_num(measured) + np.random.default_rng(2).normal(size=measured.shape)
    first, second = score_responses(predicted, measured), score_responses(3 * predicted + 2, measured)
    assert second.correlation == pytest.approx(first.correlation)


def test_knowing_only_that_responses_are_positive_is_chance() -> None:
    measured = responses() + 2
    found = score_responses(np.abs(np.random.default_rng(1).normal(size=measured.shape)), measured)
    assert found.sign_agreement.value > 0.95
    assert found.sign_agreement.shuffled == pytest.approx(found.sign_agreement.value)
    assert found.sign_agreement.p_value == 1
    assert found.correlation.shuffled == pytest.approx(0, abs=0.02)


def test_p_values_of_chance_are_uniform() -> None:
    rng = np.random.default_rng(0)
    found = [score_responses(rng.normal(size=(2, 12)), rng.normal(size=(2, 12)), n_shuffles=39).correlation.p_value
             for _ in range(200)]  # fmt: skip
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(found) == pytest.approx(0.5, abs=0.07)


def test_wrong_responses() -> None:
    measured = responses()
    with pytest.raises(InputError, match="perturbations x neurons"):
        score_responses(measured[:, :3], measured)
    with pytest.raises(InputError, match="a prediction finite"):
        score_responses(np.full(measured.shape, np.nan), measured)
    with pytest.raises(InputError, match="differ"):
        score_responses(np.ones(measured.shape), measured)
    with pytest.raises(InputError, match="at least 1"):
        score_responses(np.nan_to_num(measured), measured, n_shuffles=0)
