"""Times that neurons and recordings do not have."""

from __future__ import annotations

import numpy as np
import pynapple as nap
import pytest

from synapsnet.errors import InputError
from synapsnet.io import read
from synapsnet.io.plausible import check_rates, in_order, observed_time
from synapsnet.io.units import count_spikes
from synapsnet.recording import Recording, has_little_data, neuron_table


@pytest.fixture
def told() -> list[str]:
    return []


def trains(n: int = 6, length_s: float = 120.0, rate_hz: float = 5.0, start_s: float = 0.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    return [np.sort(start_s + rng.uniform(0, length_s, rng.poisson(rate_hz * length_s))) for _ in range(n)]


def test_a_stray_spike_is_left_out_and_reported(told):
    units = trains()
    units[3] = np.append(units[3], 9e5)
    observed = observed_time(units, told.append)
    assert len(observed) == 1 and observed.end[0] < 120
    assert "1 of 3593 spikes lie far from the others, at 900000 s" in told[0] and "--to" in told[0]


def test_a_break_between_blocks_is_cut_out_and_reported(told):
    blocks = [
        np.append(a, b) for a, b in zip(trains(length_s=60), trains(length_s=60, start_s=3600, seed=1), strict=True)
    ]
    observed = observed_time(blocks, told.append, "within=epochs")
    assert np.round(observed.values).tolist() == [[0, 60], [3600, 3660]]
    assert "59 min" in told[0] and "within=epochs" in told[0]


def test_bursts_are_not_taken_for_blocks(told):
    """A culture that fires together for a second every 25 s, and is silent in between."""
    bursts = [np.concatenate([25 * k + train for k in range(40)]) for train in trains(20, 1.0, 20.0)]
    assert len(observed_time(bursts, told.append)) == 1
    assert told == []


def test_quiet_units_alone_are_no_reason_for_a_break(told):
    assert len(observed_time([np.array([0.0, 500.0, 4000.0]), np.array([1.0])], told.append)) == 1


def test_milliseconds_are_doubted_and_refused_where_they_fill_the_disk(told, monkeypatch):
    units = [1000 * train for train in trains(length_s=60)]
    check_rates(units, 60_000.0, 12_000_000, told.append)
    assert "over 16.7 h the median unit fires at 0.0049 Hz" in told[0] and "time_unit=ms" in told[0]
    monkeypatch.setattr("synapsnet.memmap.LARGE_BYTES", 2**20)
    with pytest.raises(InputError, match=r"not plausible: .* counts would take 0.27 GiB"):
        count_spikes(units, neuron_table(6), nap.IntervalSet(0, 60_000), None, notify=told.append, metadata={})


def test_usual_rates_are_not_reported(told):
    for rate_hz in (0.1, 5.0, 100.0):
        check_rates(trains(rate_hz=rate_hz), 120.0, 24_000, told.append)
    assert told == []


def test_spikes_without_time_and_clocks_that_start_again(told):
    kept = in_order([[1.0, np.nan, 0.5], [2.0]], told.append)
    assert [train.tolist() for train in kept] == [[0.5, 1.0], [2.0]]
    assert told == ["1 spike without a time (NaN) left out, of unit 0 (counted from 0)."]
    in_order([np.r_[train, train] for train in trains()], told.append)
    assert "of 6 of 6 units start again" in told[1]


def test_slow_frames_and_few_spikes_are_reported(tmp_path, told):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "slow.npz", activity=rng.normal(size=(100, 3)), times=np.arange(100) * 50.0)
    read(tmp_path / "slow.npz", notify=told.append)
    assert any("100 frames at 0.02 Hz last 83.3 min" in line and "time_unit=ms" in line for line in told)
    assert read(tmp_path / "slow.npz", time_unit="ms").dt_s == pytest.approx(0.05)
    counts = rng.poisson(0.1, (4000, 4))
    counts[:, 1] = 0
    counts[:2000, 2] = 0
    counts[::400, 1] = 1
    recording = Recording.from_array(counts, 0.005, "spikes")
    assert has_little_data(recording).tolist() == [False, True, True, False]
