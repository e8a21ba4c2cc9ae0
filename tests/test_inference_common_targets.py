"""What common targets make of pairs that are not connected, by the inverse of a spectrum that is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synapsnet.inference.common_targets import without_common_targets
from synapsnet.inference.responses import response

STEP_S, N_LAGS, N_SAMPLES = 0.001, 60, 1_000_000
N_FREQUENCIES = 1024


def matched_filter(gain):
    """(N, N) z-scores of the response in the partial correlograms of a linear network with these gains."""
    n = len(gain)
    shape = response(N_LAGS, STEP_S, 0.001, 0.001, 0.004).numpy().astype(float)
    transfer = np.fft.fft(shape, N_FREQUENCIES)
    system = np.eye(n) - gain * transfer[:, None, None]
    inverse = np.conj(np.swapaxes(system, 1, 2)) @ system
    size = np.sqrt(np.einsum("fii->fi", inverse).real)
    partial = -inverse / size[:, :, None] / size[:, None]
    correlogram = np.fft.ifft(partial, axis=0).real[: len(shape)]
    return torch.from_numpy(N_SAMPLES**0.5 * np.einsum("l,lij->ij", shape, correlogram)).float().fill_diagonal_(
        0
    ), shape


@pytest.fixture(scope="module")
def network():
    """Forty neurons, a quarter of which inhibit, and the z-scores that they have without noise."""
    rng = np.random.default_rng(0)
    gain = np.where(rng.random((40, 40)) < 0.2, rng.uniform(0.01, 0.02, (40, 40)), 0) * np.where(
        np.arange(40) < 30, 1, -3
    )
    np.fill_diagonal(gain, 0)
    return gain, *matched_filter(gain)


def test_pairs_that_are_not_connected_lose_what_their_targets_made(network):
    gain, z, shape = network
    pairs = ~torch.eye(40, dtype=torch.bool)
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal((40, 40))).float()
    rest = without_common_targets(z + noise, pairs, torch.from_numpy(shape).float(), N_SAMPLES) - noise
    absent = (gain == 0) & (gain.T == 0) & pairs.numpy()
    before, after = (values.numpy()[absent] for values in (z, rest))
    assert before.std() > 1
    assert after.std() < 0.3 * before.std()
    connected = gain != 0
    error = rest.numpy()[connected] / N_SAMPLES**0.5 - gain[connected]
    assert np.abs(error).mean() < 0.1 * np.abs(gain[connected]).mean()


def test_the_equation_bounds_what_is_taken_away(network):
    _, z, shape = network
    pairs = ~torch.eye(40, dtype=torch.bool)
    # Of a hundred times as many samples the same z-scores would be a tenth of the connections.
    taken = [
        without_common_targets(z, pairs, torch.from_numpy(shape).float(), n) - z for n in (N_SAMPLES, 100 * N_SAMPLES)
    ]
    assert float(taken[1].norm()) == pytest.approx(0.1 * float(taken[0].norm()), rel=0.35)


def test_without_connections_nothing_changes():
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((30, 30))).float().fill_diagonal_(0)
    rest = without_common_targets(z, ~torch.eye(30, dtype=torch.bool), response(60, 0.001, 0.001, 0.001, 0.004), 1e6)
    assert torch.equal(rest, z)
