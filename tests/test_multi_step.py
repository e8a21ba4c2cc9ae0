import numpy as np
import pytest
import torch

from synapsnet import multi_step
from synapsnet.multi_step import SPANS, MultiStep, recent_means


def lagged(x, n_steps):
    """Features that are the window itself, so that an answer can be had from elsewhere."""
    lags = torch.arange(-n_steps, 0)
    return lambda first: x[first[:, None] + lags].transpose(1, 2)


def fitted(x, training, validation, n_steps=2, horizon=4, batch=50):
    readout = MultiStep(x.shape[1], n_steps, horizon)
    readout.fit(x, training, validation, n_steps, lagged(x, n_steps), n_steps, batch)
    return readout


def autoregression(coefficients, n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(coefficients)))
    for t in range(1, n):
        x[t] += np.asarray(coefficients) * x[t - 1]
    return torch.from_numpy(x).float()


def test_it_is_least_squares_where_nothing_is_drawn_to_what_neurons_share(monkeypatch):
    monkeypatch.setattr(multi_step, "SHRINKAGE", (0.0,))
    monkeypatch.setattr(multi_step, "SMALLEST_RIDGE", 1e-12)
    x = autoregression([0.9, -0.6], 400)
    readout = fitted(x, [(0, 300)], [(310, 400)])
    values = x.double().numpy()
    rows = np.r_[2:297, 312:397]  # of both parts, with a window before, and four steps to follow
    for neuron in (0, 1):
        design = np.stack([np.ones(len(rows)), values[rows - 2, neuron], values[rows - 1, neuron]], axis=1)
        for h in range(4):
            level, *slopes = np.linalg.lstsq(design, values[rows + h, neuron], rcond=None)[0]
            assert readout.level[h, neuron] == pytest.approx(level, abs=1e-5)
            assert readout.coefficients[h, neuron].numpy() == pytest.approx(slopes, abs=1e-5)


def test_an_autoregression_decays_by_its_coefficient_each_step():
    readout = fitted(autoregression([0.9, 0.5], 40_000), [(0, 30_000)], [(30_010, 40_000)])
    for h in (1, 2, 3, 4):
        assert readout.coefficients[h - 1, :, 1].numpy() == pytest.approx([0.9**h, 0.5**h], abs=0.03)


def test_neurons_alike_share_what_few_samples_tell():
    """Each of 40 neurons has few samples; together they know the coefficient better."""
    x = autoregression([0.8] * 40, 90)
    together = fitted(x, [(0, 60)], [(62, 90)])
    alone = torch.stack([fitted(x[:, [k]], [(0, 60)], [(62, 90)]).coefficients[1, 0, 1] for k in range(40)])
    error = (together.coefficients[1, :, 1] - 0.64).abs().mean()
    assert error < 0.5 * (alone - 0.64).abs().mean()


def test_of_noise_it_forecasts_about_the_mean():
    x = 5 + torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))
    readout = fitted(x, [(0, 1500)], [(1510, 2000)])
    forecast = readout(lagged(x, 2)(torch.arange(1510, 1990)), 3)
    assert forecast.numpy() == pytest.approx(5, abs=0.4)


def test_what_follows_on_another_epoch_is_not_learned():
    """Every epoch starts anew at its own level, which nothing in the epoch before foretells."""
    rng = np.random.default_rng(0)
    levels = rng.normal(size=60).repeat(5)[:, None]
    x = torch.from_numpy(levels).float()
    epochs = [(5 * k, 5 * k + 5) for k in range(60)]
    whole = fitted(x, epochs[:50], epochs[50:], n_steps=1)
    assert whole.coefficients[3, 0, 0] == pytest.approx(1, abs=1e-3)


def test_further_ahead_than_any_epoch_it_forecasts_the_mean():
    x = autoregression([0.9], 400) + 3
    readout = fitted(x, [(k, k + 5) for k in range(0, 300, 5)], [(k, k + 5) for k in range(300, 400, 5)], horizon=7)
    assert not readout.coefficients[3:].any()
    assert readout.coefficients[:3].any()
    assert readout.level[3:].numpy() == pytest.approx(float(x.mean()), abs=0.3)


def test_long_epochs_teach_all_horizons_from_the_same_windows():
    assert MultiStep(1, 1, 16).learned_together([(0, 900)], [(910, 1000)], 8) == [range(16)]


def test_of_trials_each_horizon_keeps_most_windows():
    """By hand: 20 steps less a window of 8 leave 12 windows for one step, 6 for seven, 5 for eight, 3 for ten."""
    trials = [(20 * k, 20 * k + 20) for k in range(10)]
    together = MultiStep(1, 1, 16).learned_together(trials[:8], trials[8:], 8)
    assert together == [range(7), range(7, 10), range(10, 12)]
    # Trials that end a long recording, too, when they are what choices are made on.
    assert MultiStep(1, 1, 16).learned_together([(0, 900)], [(910, 930)], 8)[0] == range(7)


def test_what_is_learned_of_trials_is_learned_from_most_of_their_steps():
    x, seen = autoregression([0.5], 400), []
    trials = [(20 * k, 20 * k + 20) for k in range(20)]

    def features(first):
        seen.append({int(step) % 20 for step in first})
        return lagged(x, 8)(first)

    MultiStep(1, 8, 16).fit(x, trials[:15], trials[15:], 8, features, 8, 1000)
    assert seen == [{*range(8, 14)}] * 2 + [{*range(8, 11)}] * 2 + [{8}] * 2  # of seven, ten and twelve steps


def test_without_windows_to_choose_by_a_neurons_own_past_alone_is_used():
    """A last feature tells what follows in the training part; no epoch of the other one is long enough to see it."""
    x = autoregression([0.5, 0.5], 1000)
    features = lambda first: torch.cat([lagged(x, 2)(first), x[first, :, None]], dim=2)  # noqa: E731
    readout = MultiStep(2, 3, 2)
    readout.fit(x, [(0, 900)], [(910, 912)], 2, features, 2, 50)
    assert readout.coefficients[..., :2].all() and not readout.coefficients[..., 2].any()


def test_epochs_without_a_second_step_tell_of_the_first_alone():
    x = autoregression([0.9], 300)
    readout = fitted(x, [(k, k + 3) for k in range(0, 270, 3)], [(k, k + 3) for k in range(270, 300, 3)])
    assert readout.coefficients[0].any()
    assert not readout.coefficients[1:].any()


def test_what_comes_through_w_is_used_where_it_holds_for_the_validation_part():
    """A last feature that tells what follows: in the training part alone, or everywhere."""
    x = autoregression([0.5, 0.5], 2000)
    told = torch.randn(2000, 2, generator=torch.Generator().manual_seed(1))
    for known, used in ((1500, False), (2000, True)):
        told[:known] = x.roll(-1, 0)[:known]
        readout = MultiStep(2, 3, 2)
        features = lambda first: torch.cat([lagged(x, 2)(first), told[first - 1, :, None]], dim=2)  # noqa: E731
        readout.fit(x, [(0, 1500)], [(1510, 1990)], 2, features, 2, 50)
        assert bool(readout.coefficients[0, :, 2].any()) == used
        assert readout.coefficients[0, :, :2].abs().max() > 0.4 or used


def test_recent_means_stop_where_the_epoch_begins():
    values, rest = torch.randn(700, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0.5, -1.0])
    begin = torch.tensor([0] * 3 + [300] * 3)
    first = torch.tensor([3, 40, 299, 301, 350, 700])
    means = recent_means(values, first, begin, rest)
    for b in range(6):
        for s, span in enumerate(SPANS):
            known = values[max(int(first[b]) - span, int(begin[b])) : first[b]] - rest
            assert means[s, b].numpy() == pytest.approx((known.sum(0) / span).numpy(), abs=1e-4)


def test_constant_neurons_are_forecast_to_stay():
    x = autoregression([0.9, 0.0], 400)
    x[:, 1] = 2.0
    readout = fitted(x, [(0, 300)], [(310, 400)])
    forecast = readout(lagged(x, 2)(torch.arange(310, 390)), 3)
    assert torch.isfinite(forecast).all()
    assert forecast[..., 1].numpy() == pytest.approx(2, abs=1e-3)


def test_the_size_of_batches_and_their_thinning_matter_little(monkeypatch):
    x = autoregression([0.9, 0.5], 8000)
    whole = fitted(x, [(0, 6000)], [(6010, 8000)])
    assert fitted(x, [(0, 6000)], [(6010, 8000)], batch=7).coefficients.numpy() == pytest.approx(
        whole.coefficients.numpy(), abs=1e-4
    )
    monkeypatch.setattr(multi_step, "FIT_VALUES", 4000)
    thinned = fitted(x, [(0, 6000)], [(6010, 8000)]).coefficients
    assert not torch.equal(thinned, whole.coefficients)
    assert thinned.numpy() == pytest.approx(whole.coefficients.numpy(), abs=0.1)


@pytest.mark.parametrize("n_trials", [1980, 2000, 2010])
def test_thinned_windows_fall_into_all_phases_of_trials(n_trials):
    """Windows in equal steps fell into one of 37 phases of 2,010 trials."""
    chosen = torch.cat(list(multi_step.spaced(torch.arange(37 * n_trials), 2000, torch.zeros(1, 1), 100)))
    assert 1000 < len(chosen) <= 2000 and (chosen.diff() > 0).all()
    of_phase = torch.bincount(chosen % 37, minlength=37)
    assert of_phase.min() > 0.5 * len(chosen) / 37
