"""Forecasting metrics: known answers, scikit-learn and scipy, missing forecasts, and the block bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, poisson
from sklearn.metrics import mean_absolute_error, r2_score

from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.metrics.forecasting import score_forecasts, time_blocks
from validation.metrics.results import ForecastScores

seeds = st.integers(0, 10_000)


def recording(values: object, modality: str = "calcium", segments: Sequence[int] | None = None) -> Recording:
    return Recording.from_array(values, dt_s=0.1, modality=modality, segments=segments, require_varying=False)


def forecasts(values: np.ndarray, mean: np.ndarray, horizons: Sequence[int]) -> dict[str, np.ndarray]:
    """The two references, as a method would give them: nothing before the first history."""
    copy = np.full((len(horizons), *values.shape), np.nan, np.float32)
    for k, h in enumerate(horizons):
        copy[k, h:] = values[:-h]
    constant = np.where(np.isnan(copy), np.nan, mean).astype(np.float32)
    return {"mean": constant, "copy-last": copy}


def score(
    values: object,
    extra: dict[str, np.ndarray],
    horizons: Sequence[int] = (1,),
    modality: str = "calcium",
    **options: object,
) -> dict[str, ForecastScores]:
    values = np.array(values, np.float32)
    mean = values.mean(axis=0)
    scores = score_forecasts(
        recording(values, modality),
        {**forecasts(values, mean, horizons), **extra},
        horizons,
        training_mean=mean,
        **options,
    )
    return {s.method: s for s in scores}


def example(seed: int, horizons: int = 2, n: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.normal(size=(120, n)), axis=0).astype(np.float32)
    return values, (values + rng.normal(size=(horizons, *values.shape))).astype(np.float32)


def test_behind_synapsnet_is_a_paired_difference_of_skills() -> None:
    """A forecast that errs a little more everywhere is surely behind, however wide both intervals are."""
    values, forecast = example(0)
    error = forecast - values
    by = {"synapsnet": forecast, "worse": values + 1.05 * error, "same": forecast}
    scores = score(values, by, horizons=[1, 2])
    for k in range(2):
        own, other = scores["synapsnet"], scores["worse"]
        behind = other.behind_synapsnet[k]
        assert behind.value == pytest.approx(own.skill_over_mean[k].value - other.skill_over_mean[k].value, abs=1e-6)
        assert behind.low > 0
        assert own.skill_over_mean[k].low < other.skill_over_mean[k].high  # by themselves they overlap
        assert scores["same"].behind_synapsnet[k].value == scores["same"].behind_synapsnet[k].high == 0
    assert score(values, {"other": forecast}, horizons=[1, 2])["other"].behind_synapsnet is None


def test_two_neurons_by_hand() -> None:
    values = [[0, 5], [1, 5], [2, 5], [3, 5]]
    forecast = np.array([[[np.nan, np.nan], [1, 5], [2, 5], [1, 8]]])
    scores = score(values, {"m": forecast})["m"]
    assert scores.mse[0].value == pytest.approx((4 + 9) / 6)
    assert scores.r2[0].value == pytest.approx(1 - 4 / 2)  # the second neuron is constant
    assert scores.correlation[0].value == pytest.approx(pearsonr([1, 2, 3], [1, 2, 1])[0])
    assert scores.skill_over_copy[0].value == pytest.approx(1 - (13 / 6) / (3 / 6))
    mse_mean = (0.5**2 + 0.5**2 + 1.5**2) / 6
    assert scores.skill_over_mean[0].value == pytest.approx(1 - (13 / 6) / mse_mean)
    assert scores.bits_per_spike is None
    assert scores.horizon_steps == [1]
    assert scores.mae[0].value == pytest.approx((2 + 3) / 6)
    assert scores.population_correlation[0].value == pytest.approx(pearsonr([3, 3.5, 4], [3, 3.5, 4.5])[0])


@given(seed=seeds)
def test_agrees_with_scikit_learn_and_scipy(seed: int) -> None:
    values, forecast = example(seed)
    offset = 1000.0  # a large baseline costs no precision
    scores = score(values + offset, {"m": forecast + np.float32(offset)}, (1, 5), n_resamples=0)["m"]
    for k, h in enumerate((1, 5)):
        y = (values + np.float32(offset))[h:].astype(float)
        f = (forecast[k] + np.float32(offset))[h:].astype(float)
        assert scores.mse[k].value == pytest.approx(np.mean((y - f) ** 2))
        assert scores.r2[k].value == pytest.approx(r2_score(y, f, multioutput="uniform_average"))
        assert scores.correlation[k].value == pytest.approx(
            np.mean([pearsonr(a, b)[0] for a, b in zip(y.T, f.T, strict=True)])
        )
        assert scores.mae[k].value == pytest.approx(mean_absolute_error(y, f))
        assert scores.population_correlation[k].value == pytest.approx(pearsonr(y.mean(axis=1), f.mean(axis=1))[0])


def test_interval_is_that_of_resampled_blocks() -> None:
    values, forecast = example(0, horizons=1)
    blocks = [np.arange(max(1, start), start + 12) for start in range(0, 120, 12)]
    counts = np.random.default_rng(5).multinomial(10, np.full(10, 0.1), size=40)
    drawn = [np.concatenate([b for b, c in zip(blocks, row, strict=True) for _ in range(c)]) for row in counts]
    scores = score(values, {"m": forecast}, n_blocks=10, n_resamples=40, seed=5)["m"]
    y, f = values.astype(float), forecast[0].astype(float)
    copied = np.concatenate([y[:1], y[:-1]])
    for estimate, metric in [
        (scores.mse[0], lambda d: np.mean((y[d] - f[d]) ** 2)),
        (scores.r2[0], lambda d: r2_score(y[d], f[d])),
        (scores.skill_over_copy[0], lambda d: 1 - np.mean((y[d] - f[d]) ** 2) / np.mean((y[d] - copied[d]) ** 2)),
    ]:
        expected = np.percentile([metric(d) for d in drawn], [2.5, 97.5])
        assert [estimate.low, estimate.high] == pytest.approx(list(expected))


def test_the_future_itself_is_a_perfect_forecast() -> None:
    values, _ = example(0)
    perfect = score(values, {"m": np.stack([values, values])}, (1, 5))["m"]
    for k in range(2):
        assert (perfect.mse[k].value, perfect.mse[k].low, perfect.mse[k].high) == (0, 0, 0)
        assert perfect.r2[k].value == perfect.skill_over_mean[k].value == perfect.skill_over_copy[k].value == 1
        assert perfect.correlation[k].value == pytest.approx(1)


def test_references() -> None:
    values, _ = example(1)
    scores = score(values, {}, (1, 5))
    for k in range(2):
        for skill in (scores["mean"].skill_over_mean[k], scores["copy-last"].skill_over_copy[k]):
            assert (skill.value, skill.low, skill.high) == (0, 0, 0)
        assert np.isnan(scores["mean"].correlation[k].value)
        assert scores["mean"].r2[k].value < 1e-6  # no constant beats the mean of the scored steps


@given(seed=seeds)
def test_order_of_neurons_does_not_matter(seed: int) -> None:
    values, forecast = example(seed)
    order = np.random.default_rng(seed).permutation(4)
    before = score(values, {"m": forecast}, (1, 5), n_resamples=20)["m"]
    after = score(values[:, order], {"m": forecast[:, :, order]}, (1, 5), n_resamples=20)["m"]
    for metric in ("mse", "r2", "correlation", "skill_over_mean", "skill_over_copy"):
        for a, b in zip(getattr(before, metric), getattr(after, metric), strict=True):
            assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high))


@given(seed=seeds)
def test_interval_contains_the_value(seed: int) -> None:
    values, forecast = example(seed)
    scores = score(values, {"m": forecast}, (1, 5), n_resamples=100, seed=seed)["m"]
    for metric in ("mse", "correlation", "skill_over_mean", "skill_over_copy"):
        for estimate in getattr(scores, metric):
            assert estimate.low <= estimate.value <= estimate.high


def test_all_methods_are_scored_on_the_same_steps() -> None:
    values, forecast = example(2)
    forecast[0, 30:60] = np.nan  # one method has no forecast here
    scores = score(values, {"m": forecast}, (1, 5))
    steps = np.r_[1:30, 60:120]
    change = np.mean((values[steps] - values[steps - 1]).astype(float) ** 2)
    assert scores["copy-last"].mse[0].value == pytest.approx(change)
    # The other horizon keeps all its steps, and what is observed where nothing is scored does not matter.
    assert scores["copy-last"].mse[1].value == pytest.approx(np.mean((values[5:] - values[:-5]).astype(float) ** 2))
    other = forecast.copy()
    other[0, :1] = 1e6
    assert score(values, {"m": other}, (1, 5))["m"] == scores["m"]


def test_bits_per_spike_by_hand() -> None:
    spikes = np.array([[0, 0], [1, 0], [0, 0], [2, 0]], np.float32)
    forecast = np.array([[[9, 9], [0.8, 0.1], [0.0, 0.1], [1.5, 0.1]]])
    scores = score_forecasts(
        recording(spikes, "spikes"),
        {**forecasts(spikes, np.array([0.5, 0.0]), [1]), "m": forecast},
        [1],
        training_mean=np.array([0.5, 0.0]),
    )
    rate = np.array([[0.8, 0.1], [1e-4, 0.1], [1.5, 0.1]])
    null = np.broadcast_to([0.5, 1e-4], rate.shape)
    gain = poisson.logpmf(spikes[1:], rate).sum() - poisson.logpmf(spikes[1:], null).sum()
    bits = {s.method: s.bits_per_spike for s in scores}
    assert bits["m"] is not None and bits["mean"] is not None
    assert bits["m"].value == pytest.approx(gain / 3 / np.log(2))
    assert bits["mean"].value == pytest.approx(0, abs=1e-12)


def test_bits_per_spike_need_spikes_one_step_ahead() -> None:
    spikes = (np.random.default_rng(0).random((50, 3)) < 0.3).astype(np.float32)
    assert score(spikes, {}, [1], "spikes")["mean"].bits_per_spike is not None
    assert score(spikes, {}, [2, 4], "spikes")["mean"].bits_per_spike is None
    assert score(np.zeros((50, 3)), {}, [1], "spikes")["mean"].bits_per_spike is None


def test_nothing_ever_happens() -> None:
    """A held-out part without any change leaves most metrics undefined, without warnings or errors."""
    scores = score(np.zeros((50, 3)), {}, modality="spikes")["copy-last"]
    assert scores.mse[0].value == 0
    for metric in (scores.r2, scores.correlation, scores.skill_over_mean, scores.skill_over_copy):
        assert np.isnan(metric[0].value)


@pytest.mark.filterwarnings("error")
def test_rare_spikes_give_no_absurd_intervals() -> None:
    """A neuron may be silent in a resample: it is left out there instead of divided by rounding."""
    spikes = np.zeros((1000, 3), np.float32)
    spikes[::7, 0] = 1
    spikes[505, 1] = 1
    r2 = score(spikes, {"m": np.full((1, 1000, 3), 0.1, np.float32)}, modality="spikes")["m"].r2[0]
    assert -100 < r2.low <= r2.value <= r2.high <= 1


def test_coverage_on_white_noise() -> None:
    """About 95% of the intervals contain the true error."""
    rng = np.random.default_rng(0)
    hits = []
    for seed in range(200):
        values = rng.normal(size=(600, 2)).astype(np.float32)
        mse = score(values, {"m": np.zeros((1, 600, 2), np.float32)}, seed=seed)["m"].mse[0]
        hits.append(mse.low <= 1 <= mse.high)
    assert 0.89 <= np.mean(hits) <= 0.99


def test_blocks_are_wider_than_steps_where_errors_last() -> None:
    """Errors that last for many steps carry less information than their number suggests."""
    error = np.repeat(np.random.default_rng(0).normal(size=(60, 2)), 20, axis=0).astype(np.float32)
    widths = []
    for n_blocks in (30, 1200):
        mse = score(error, {"m": np.zeros((1, *error.shape), np.float32)}, n_blocks=n_blocks)["m"].mse[0]
        widths.append(mse.high - mse.low)
    assert widths[0] > 2 * widths[1]


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=40), n_blocks=st.integers(2, 60))
def test_blocks_tile_the_epochs_and_respect_their_borders(lengths: list[int], n_blocks: int) -> None:
    borders = np.cumsum([0, *lengths]).tolist()
    blocks = time_blocks(list(pairwise(borders)), n_blocks)
    assert [b[0] for b in blocks] == [0, *(b[1] for b in blocks[:-1])]
    assert blocks[-1][1] == borders[-1]
    length = -(-borders[-1] // n_blocks)
    for start, stop in blocks:
        assert 0 < stop - start < 2 * length
        inside = [b for b in borders if start < b < stop]
        if inside:  # then it is made of whole short epochs
            assert start in borders and stop in borders
            assert all(n < length for n in np.diff([start, *inside, stop]))


@pytest.mark.parametrize(
    ("lengths", "n_blocks", "expected"),
    [
        ([1000], 50, 50),
        ([500, 500], 50, 50),
        ([10] * 100, 50, 50),  # trials, two to a block
        ([5] * 3, 50, 15),  # no block is shorter than a step
        ([600, 3, 3, 394], 10, 11),  # short epochs between long ones
    ],
)
def test_number_of_blocks(lengths: list[int], n_blocks: int, expected: int) -> None:
    borders = np.cumsum([0, *lengths]).tolist()
    assert len(time_blocks(list(pairwise(borders)), n_blocks)) == expected


def test_inputs_are_not_changed() -> None:
    values, forecast = example(0)
    before = values.copy(), forecast.copy()
    score(values, {"m": forecast}, (1, 5))
    np.testing.assert_array_equal(values, before[0])
    np.testing.assert_array_equal(forecast, before[1])


def test_wrong_input() -> None:
    values, forecast = example(0)
    observed, mean = recording(values), values.mean(axis=0)
    references = forecasts(values, mean, [1, 5])

    def refuse(message: str, given: dict[str, np.ndarray], horizons: Sequence[int] = (1, 5), **options: object) -> None:
        with pytest.raises(InputError, match=message):
            score_forecasts(observed, given, horizons, **{"training_mean": mean, **options})

    refuse("forecasts of copy-last; got mean", {"mean": references["mean"]})
    refuse("horizons x time x neurons", {**references, "m": forecast[:1]})
    refuse("increasing numbers of steps", references, [5, 1])
    refuse("increasing numbers of steps", references, [])
    refuse("increasing numbers of steps", references, [0, 1])
    refuse("training mean must be 4", references, training_mean=mean[:2])
    refuse("at least 2 blocks", references, n_blocks=1)
    refuse("5 steps ahead by every method", {**references, "m": np.stack([forecast[0], forecast[0] * np.nan])})
    broken = forecast.copy()
    broken[1, 60, 2] = np.inf
    refuse("by m hold infinite", {**references, "m": broken})
    broken[1, 60, 2] = np.nan
    refuse("NaN for only some neurons", {**references, "m": broken})
