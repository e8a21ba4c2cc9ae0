"""The evidence of spike times, on spikes that were drawn here: what is known of them, and what other libraries say."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pynapple as nap
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma, norm

from synapsnet.connectome import Connectome
from synapsnet.estimator import SynapsNet
from synapsnet.inference.background import less_shared, neuron_scales, without_shared_ranks
from synapsnet.inference.correlograms import Correlograms
from synapsnet.inference.evidence import Evidence
from synapsnet.inference.posterior import posterior
from synapsnet.inference.responses import (
    _best_delay,
    _of_sign,
    _without_choice,
    displaced,
    normal_score,
    response,
    responses,
)
from synapsnet.inference.spectra import SEGMENT_S, SEGMENTS_AT_ONCE, cross_spectra, welch
from synapsnet.inference.spike_evidence import (
    MOST_BYTES,
    _step_s,
    resolution_s,
    resolves,
    spectra_bytes,
    spike_evidence,
)
from synapsnet.io.units import count_spikes
from synapsnet.recording import Recording, neuron_table

CPU = torch.device("cpu")
DURATION_S, BIN_S = 60.0, 0.005


def poisson(rates, seed=0):
    rng = np.random.default_rng(seed)
    return [np.sort(rng.uniform(0, DURATION_S, rng.poisson(DURATION_S * rate))) for rate in rates]


def record(trains, epochs=((0.0, DURATION_S),)):
    support = nap.IntervalSet(*np.transpose(epochs))
    trains = [np.sort(train) for train in trains]
    return count_spikes(trains, neuron_table(len(trains)), support, BIN_S, notify=lambda _: None, metadata={})


def evidence_of(trains):
    return spike_evidence(record(trains), CPU)


def z_scores(evidence):
    return (evidence.estimate / evidence.standard_error).numpy()


def off_diagonal(n):
    return ~np.eye(n, dtype=bool)


def planted(probability=0.2, seed=0, n=6):
    """Neurons at 20 Hz; each spike of 0 makes one of 1 two milliseconds later with this probability."""
    trains = poisson([20.0] * n, seed)
    sent = trains[0][np.random.default_rng([seed, 1]).random(len(trains[0])) < probability]
    trains[1] = np.append(trains[1], sent[sent < DURATION_S - 0.002] + 0.002)
    return trains


@pytest.fixture(scope="module")
def independent():
    return cross_spectra(record(poisson(np.linspace(5, 25, 10))).spike_times, 0.001, CPU)


def test_correlograms_of_independent_trains_are_white_noise(independent):
    correlograms = Correlograms.learn(independent)
    everyone = torch.arange(10)
    values = correlograms(everyone, everyone)[0].numpy()[off_diagonal(10)]
    # Every pair is there both ways round: 45 pairs of 121 lags, smoothed over 11 of them.
    assert values.std() == pytest.approx(1, abs=0.05)
    by_lag = np.convolve((values**2).mean(axis=0), np.full(11, 1 / 11), "valid")
    assert by_lag == pytest.approx(np.ones(len(by_lag)), abs=0.25)
    assert abs(values.mean()) < 0.05


def test_spectra_of_independent_trains_are_their_rates(independent):
    """Of a Poisson process counted in n bins of expectation m, the spectrum is n m at all frequencies but 0."""
    everyone = torch.arange(10)
    cross, _ = independent.of(everyone, everyone)
    auto = cross[2:-2].diagonal(dim1=1, dim2=2).real.mean(0) / independent.segment
    assert auto.numpy() == pytest.approx(independent.rate_hz.numpy() * 0.001, rel=0.05)


def test_what_is_said_of_two_neurons_is_the_same_either_way_round(independent):
    """Both kinds of spectra are in one array; by those of the whole matrix, of any part of it."""
    everyone, some, others = torch.arange(10), torch.tensor([7, 2, 4]), torch.tensor([4, 9])
    spectra = independent.of(everyone, everyone)
    for whole, part in zip(spectra, independent.of(some, others), strict=True):
        torch.testing.assert_close(whole, whole.mT.conj())
        assert torch.equal(part, whole[:, some][:, :, others])
    whole, partial = (matrices[5] for matrices in spectra)
    expected = torch.linalg.inv(whole)
    size = expected.diagonal().real.sqrt()
    expected = (-expected / size[:, None] / size).fill_diagonal_(0)
    torch.testing.assert_close(partial, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("lag", [0, 13, 60])
def test_what_segments_make_of_a_correlation_and_of_noise(lag):
    """`welch`, against white series that were drawn, one of them `lag` later than its copy, and independent ones."""
    segment, n_samples, n_series = 256, 256 * 20, 60
    kept, noise = (part[0] for part in welch(segment, np.array([lag])))
    window = np.hanning(segment + 1)[:-1]
    window /= np.sqrt(np.mean(window**2))
    rng = np.random.default_rng(lag)

    def correlation(x, y):
        """At the lag, by products in time in place of spectra."""
        starts = range(0, n_samples - segment + 1, segment // SEGMENTS_AT_ONCE)
        pairs = [(window * x[s : s + segment], window * y[s : s + segment]) for s in starts]
        return np.mean([np.mean(np.roll(a, lag) * b) for a, b in pairs]), len(pairs)

    seen, chance = [], []
    for _ in range(n_series):
        x, other = rng.standard_normal((2, n_samples))
        seen.append(correlation(x, np.roll(x, lag))[0])
        value, n_segments = correlation(x, other)
        chance.append(value * np.sqrt(n_segments * segment / SEGMENTS_AT_ONCE))
    assert np.mean(seen) == pytest.approx(kept, abs=0.03)
    assert np.std(chance) == pytest.approx(noise, rel=0.3)


def test_a_shared_input_is_taken_out_by_the_other_neurons():
    rng = np.random.default_rng(0)
    drive = np.exp(
        1.2 * np.sin(2 * np.pi * 8 * np.arange(60_000) * 0.001 + 0.1 * np.cumsum(rng.standard_normal(60_000)))
    )
    trains = [(np.flatnonzero(rng.random(60_000) < 0.03 * drive) + rng.random()) * 0.001 for _ in range(20)]
    spectra = cross_spectra(record(trains).spike_times, 0.001, CPU)
    at_drive = 2  # 8 Hz, in steps of 1 / 0.256 Hz
    everyone = torch.arange(20)
    matrix, partial = (matrices[at_drive] for matrices in spectra.of(everyone, everyone))
    size = matrix.diagonal().real.sqrt()
    plain = (matrix / size[:, None] / size).abs().numpy()[off_diagonal(20)]
    partial = partial.abs().numpy()[off_diagonal(20)]
    assert plain.mean() > 0.4
    assert partial.mean() < plain.mean() / 4


@pytest.mark.parametrize(
    ("n", "expected_s"), [(3000, 0.001), (3500, 0.002), (6000, 0.004), (8500, 0.008), (9000, None)]
)
def test_of_many_neurons_spectra_are_coarser_until_they_fit_into_memory(n, expected_s):
    recording = SimpleNamespace(modality="spikes", n_neurons=n, n_steps=2000, dt_s=0.001, spike_times=None)
    assert resolves(recording) is (expected_s is not None)
    if expected_s is not None:
        assert _step_s(recording) == expected_s
        assert spectra_bytes(recording) == 8 * n**2 * SEGMENT_S / (2 * expected_s) <= MOST_BYTES


def test_a_planted_connection_is_found_with_its_direction_and_nothing_else():
    found = posterior(evidence_of(planted()))
    significant = Connectome(found.mean.numpy(), local_fdr=found.p_absent.numpy()).significant(0.05)
    assert np.argwhere(significant).tolist() == [[1, 0]]
    assert found.p_value[1, 0] < 1e-10 and found.p_value[0, 1] > 1e-3


def test_the_estimator_infers_it_on_whatever_device_there_is():
    found = SynapsNet().infer(record(planted()))
    assert np.argwhere(found.significant(0.05)).tolist() == [[1, 0]]


def test_its_weight_is_the_change_of_log_rate_per_spike():
    """p spikes more after each, where r dt are expected in a bin: p / (r dt) over all bins; a fifth for its shape."""
    weights = [float(evidence_of(planted(0.2, seed)).estimate[1, 0]) for seed in range(3)]
    assert np.mean(weights) == pytest.approx(0.2 / (24 * BIN_S), rel=0.2)


def test_scores_of_few_counts_have_the_tail_of_a_gamma_distribution():
    """Of a weighted sum of counts: that of the gamma distribution with its skewness, within a tenth of a z-score."""
    shape = response(20, 0.001, 0.001, 0.001, 0.004)
    z, coincidences = torch.linspace(-2, 6, 9), torch.tensor(4.0)
    skewness = float(shape.pow(3).sum()) / 2
    tail = gamma.sf(z.numpy() * skewness / 2 * (4 / skewness**2) + 4 / skewness**2, 4 / skewness**2)
    expected = norm.isf(tail)
    assert normal_score(z, coincidences, shape).numpy() == pytest.approx(expected, abs=0.1)


def test_the_best_of_several_delays_has_normal_scores_in_noise():
    """Three correlated scores: the best of them is seldom near 0; afterwards it is as often as a single one."""
    rng = np.random.default_rng(0)
    covariance = 0.5 * np.eye(3) + 0.5
    p_delay = torch.tensor([0.2, 0.3, 0.5])
    noise, other, strong = (
        _best_delay(torch.from_numpy(rng.multivariate_normal(np.full(3, mean), covariance, 50_000).T), p_delay.double())
        for mean in (0, 0, 9)
    )
    quantiles = np.linspace(0.01, 0.99, 21)
    noise = noise.abs().sort().values
    before, after = (np.quantile(z.numpy(), quantiles) for z in (other, _without_choice(other, noise)))
    assert np.abs(before - norm.ppf(quantiles)).max() > 0.2
    assert after == pytest.approx(norm.ppf(quantiles), abs=0.05)
    scored = _without_choice(strong, noise)
    assert torch.equal(scored.argsort(), strong.argsort())
    assert ((strong > scored) & (scored > strong - 0.5)).all()
    torch.testing.assert_close(_without_choice(-strong, noise), -scored)


def test_responses_begin_after_their_delay_and_peak_where_they_should():
    for (delay, rise, decay), shape in responses(30, 0.001).items():
        assert float(shape.square().sum()) == pytest.approx(1, abs=1e-5)
        assert (shape >= 0).all() and not shape[: int(delay / 0.001)].any()
        peak = delay + rise * np.log(1 + decay / rise)  # where the derivative is 0
        assert abs(int(shape.argmax()) * 0.001 - peak) <= 0.001


@pytest.mark.parametrize("rate_hz", [1.0, 10.0, 200.0])
@pytest.mark.parametrize("grid", [0.1, 0.0645, 1 / 29.97, 0.020, 0.010, 0.005, 0.0025, 0.002, 0.001, 0.0001, None])
def test_the_grid_of_spike_times_is_noticed(grid, rate_hz):
    """Whatever the frame rate; a millisecond is fine enough, and a few spikes may lie elsewhere."""
    trains = poisson([rate_hz] * 4)
    if grid is not None:
        trains = [np.unique(np.floor(train / grid)) * grid + 0.3 * grid for train in trains]
        trains[0][5::50] += 0.4 * grid
    expected = 0 if grid is None or grid <= 0.001 else grid
    assert resolution_s(record(trains)) == pytest.approx(expected, abs=1e-6)


def test_a_few_spikes_do_not_show_a_grid():
    assert resolution_s(record([np.array([1.0, 2.0, 3.0]), np.array([4.0])])) == 0
    assert resolution_s(record([np.array([]), np.array([])])) == 0


@pytest.mark.parametrize(
    ("bin_s", "fine_enough"), [(0.002, True), (0.010, True), (0.010000000000000002, True), (0.020, False)]
)
def test_spikes_in_short_bins_are_inferred_from_like_spike_times(bin_s, fine_enough):
    assert resolves(Recording.from_array(np.eye(4), bin_s, "spikes")) is fine_enough


@pytest.mark.parametrize(("bin_s", "least"), [(0.005, 12), (0.020, 8)])
def test_in_bins_connections_are_found_and_shared_states_are_not_connections(bin_s, least):
    rng = np.random.default_rng(7)
    n, duration_s = 30, 300.0
    up = rng.random(1000) < 0.5  # states of 0.3 s
    trains = [np.sort(rng.uniform(0, duration_s, rng.poisson(12 * duration_s))) for _ in range(n)]
    trains = [train[up[(train / 0.3).astype(int)] | (rng.random(len(train)) < 0.1)] for train in trains]

    def significant(trains):
        counts = np.transpose([np.histogram(train, np.arange(0, duration_s + 1e-9, bin_s))[0] for train in trains])
        return SynapsNet(seed=0).infer(Recording.from_array(counts, bin_s, "spikes")).significant(0.05)

    assert significant(trains).sum() <= 1
    post, pre = np.arange(15, 30), np.arange(15)
    for i, j in zip(post, pre, strict=True):  # a third of the spikes makes one more
        caused = rng.choice(trains[j], len(trains[j]) // 3, replace=False)
        caused = caused + 0.002 + rng.exponential(0.004, len(caused))
        trains[i] = np.append(trains[i], caused[caused < duration_s])
    found = significant(trains)
    assert found[post, pre].sum() >= least
    assert found.sum() - found[post, pre].sum() <= 2


def test_spikes_in_different_epochs_do_not_follow_each_other():
    """Neuron 1 fires 2 ms after neuron 0, but across a border."""
    borders = np.arange(0, 60, 0.5)
    epochs = [(start, start + 0.5 - 1e-3) for start in borders]
    rng = np.random.default_rng(0)
    # Each epoch ends with a spike of 0, and the next begins with one of 1; laid end to end they are 2 ms apart.
    trains = [borders + 0.498, borders + 1e-4]
    both = [np.sort(np.append(train, rng.uniform(0, 60, 300))) for train in trains]
    whole = cross_spectra(record(both).spike_times, 0.001, CPU)
    apart = cross_spectra(record(both, epochs).spike_times, 0.001, CPU)
    assert apart.n_segments >= len(epochs)

    def after(spectra):
        return float(torch.fft.irfft(spectra.of(torch.tensor([1]), torch.tensor([0]))[0][:, 0, 0])[1:4].sum())

    assert abs(after(apart)) < 0.2 * after(whole)


def test_nothing_is_said_of_a_silent_neuron_and_of_few_spikes():
    trains = poisson([15.0] * 6)
    trains[2], trains[4] = np.array([]), np.array([1.0, 20.0, 40.0])
    evidence = evidence_of(trains)
    found = posterior(evidence)
    assert evidence.informative is not None
    for k in (2, 4):
        for matrix in (found.p_absent, found.p_value):
            assert (matrix[k] == 1).all() and (matrix[:, k] == 1).all()
        assert not evidence.informative[k].any() and not evidence.informative[:, k].any()
    assert int(evidence.informative.sum()) == 4 * 3


def test_a_connection_is_found_where_most_pairs_have_a_silent_neuron():
    found = posterior(evidence_of([*planted(n=2), *[np.array([])] * 3]))
    assert torch.isfinite(found.mean).all()
    assert found.p_absent[1, 0] < 0.05 < found.p_absent[0, 1]


def test_two_neurons_are_enough():
    found = posterior(evidence_of(planted(n=2)))
    assert torch.isfinite(found.mean).all()
    assert found.p_absent[1, 0] < 0.05 < found.p_absent[0, 1]


def test_the_same_every_time_and_with_more_threads():
    trains, threads = planted(), torch.get_num_threads()
    first, again = (z_scores(evidence_of(trains)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    torch.set_num_threads(2)
    try:
        assert z_scores(evidence_of(trains)) == pytest.approx(first, abs=1e-3)
    finally:
        torch.set_num_threads(threads)


@given(order=st.permutations(range(6)))
@settings(max_examples=2)
def test_relabelling_the_neurons_relabels_the_evidence(order):
    trains = planted()
    straight, relabelled = evidence_of(trains), evidence_of([trains[k] for k in order])
    grid = np.ix_(order, order)
    assert z_scores(relabelled) == pytest.approx(z_scores(straight)[grid], abs=2e-2)
    assert relabelled.standard_error.numpy() == pytest.approx(straight.standard_error.numpy()[grid], rel=2e-2)


@pytest.mark.parametrize("n", [60, 520])
def test_what_is_a_product_of_loadings_is_taken_out_and_connections_stay(n):
    """Of 520 neurons by random directions, of 60 in full."""
    rng = np.random.default_rng(0)
    loading, noise = rng.normal(0, 1.5, (2, n)), rng.standard_normal((n, n))
    shared, connections = np.outer(*loading), 8 * (rng.random((n, n)) < 0.01)
    pairs = torch.from_numpy(off_diagonal(n))
    z = torch.from_numpy((shared + noise + connections).astype(np.float32)).fill_diagonal_(0)
    rest = without_shared_ranks(z, pairs).numpy()
    left = (rest - noise - connections)[off_diagonal(n)]
    assert left.std() < 0.15 * shared.std()
    assert rest[(connections > 0) & off_diagonal(n)].mean() == pytest.approx(8, rel=0.1)


def test_dense_connections_are_not_taken_for_shared_input():
    """Neurons that send and receive much make a rank and scales, but not before and long after a spike."""
    n = 60
    rng = np.random.default_rng(0)
    dense, shared = (np.outer(*rng.normal(0, size, (2, n))).astype(np.float32) for size in (1.7, 1.2))
    noise = rng.standard_normal((3, n, n)).astype(np.float32)
    pairs = off_diagonal(n)
    z, late_and_early = (torch.from_numpy(part) for part in (dense + shared + noise[0], 0.4 * shared + noise[1:]))
    rest, scales = (part.numpy()[pairs] for part in less_shared(z, torch.from_numpy(pairs), late_and_early))
    assert np.std(rest - (dense + noise[0])[pairs]) < 0.5 * shared.std()
    assert np.corrcoef(rest, dense[pairs])[0, 1] > 0.9
    assert scales == pytest.approx(np.ones(len(scales)), abs=0.25)
    unaware = without_shared_ranks(z, torch.from_numpy(pairs)).numpy()[pairs]
    assert np.corrcoef(unaware, dense[pairs])[0, 1] < 0.5


def test_displaced_responses_begin_20_ms_from_lag_0():
    late, early = displaced(response(60, 0.001, 0.001, 0.001, 0.004), 121, 0.001).T.numpy()
    assert not late[: 60 + 20].any() and late[60 + 22] > 0
    assert early == pytest.approx(late[::-1])
    assert np.square(late).sum() == pytest.approx(1, abs=1e-6)


def test_neurons_whose_scores_scatter_more_are_found():
    n = 80
    scale = np.where(np.arange(n) < 10, 2.0, 1.0)
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((n, n)) * scale[:, None])
    pairs = torch.from_numpy(off_diagonal(n))
    found = neuron_scales(z, pairs).numpy()
    assert found[:10].mean() == pytest.approx(2, rel=0.15)
    assert found[10:].mean() == pytest.approx(1, rel=0.1)
    assert neuron_scales(torch.from_numpy(np.random.default_rng(1).standard_normal((n, n))), pairs).numpy() == (
        pytest.approx(np.ones((n, n)), abs=0.15)
    )


def test_from_pure_noise_nothing_is_learned():
    """Of 20 recordings of 30 neurons nothing is reported, but by chance in one."""
    n, reported = 30, 0
    pairs = torch.from_numpy(off_diagonal(n))
    for seed in range(20):
        z = torch.from_numpy(np.random.default_rng(seed).standard_normal((n, n)).astype(np.float32)).fill_diagonal_(0)
        found = posterior(Evidence.at_lags(z, torch.ones(n, n), 60_000, pairs))
        reported += Connectome(found.mean.numpy(), local_fdr=found.p_absent.numpy()).significant(0.05).any()
    assert reported <= 1


def test_neurons_of_few_pairs_have_no_scale_of_their_own():
    """Their scatter, however small, would make any pair of theirs stand out."""
    n = 40
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((n, n))).float()
    pairs = ~torch.eye(n, dtype=torch.bool)
    pairs[:5] = pairs[:, :5] = False
    for neuron in range(5):
        for other in (10 + neuron, 20 + neuron):
            pairs[neuron, other] = pairs[other, neuron] = True
            z[neuron, other] = z[other, neuron] = 0.01
    assert neuron_scales(z, pairs)[:5, 5:].min() > 0.8
    assert torch.isfinite(neuron_scales(z, torch.zeros_like(pairs))).all()


@pytest.mark.parametrize(("plain", "own"), [(25.0, True), (12.0, False), (None, True)])
def test_a_sign_has_a_response_of_its_own_only_if_that_fits_its_plain_connections(plain, own):
    """Of 1,000 pairs 100 show another shape; ten connections are plain at 20 by the shared one, if any are."""
    shared, other = (0.001, 0.001, 0.007), (0.001, 0.0003, 0.001)
    noise = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)
    z = {shared: noise[0], other: noise[1]}
    z[other][:100] = -8
    if plain is not None:
        z[shared][:10], z[other][:10] = -20, -plain
    assert _of_sign(-1, z, shared) == (other if own else shared)
    assert _of_sign(1, z, shared) == shared
