"""How well methods forecast held-out activity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from synapsnet.array_types import Float64Array, FloatArray
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.metrics.bootstrap import deviation, draw_counts, estimate, pearson, ratio
from validation.metrics.results import Estimate, ForecastScores

REFERENCES, MODEL = ("mean", "copy-last"), "synapsnet"
MIN_RATE = 1e-4  # spikes per bin; a forecast of exactly 0 would cost infinitely many bits at a spike

Rows = list[npt.NDArray[np.intp]]


def score_forecasts(
    observed: Recording,
    forecasts: Mapping[str, FloatArray],
    horizons: Sequence[int],
    *,
    training_mean: FloatArray,
    n_blocks: int = 50,
    n_resamples: int = 200,
    seed: int = 0,
) -> list[ForecastScores]:
    """Score forecasts of held-out activity.

    At each horizon all methods are scored on the same steps: those for which every method has a forecast.

    - `mse`: mean squared error over steps and neurons, in squared units of the activity.
    - `mae`: mean absolute error, in units of the activity. With rare spikes it favours forecasting none.
    - `r2`: 1 - SSE / SST per neuron, with SST about the neuron's mean over the scored steps; averaged over neurons,
      those constant over the scored steps left out.
    - `correlation`: Pearson correlation of forecast and observation over time, averaged over the neurons that
      have one; NaN if none has (a constant forecast).
    - `population_correlation`: Pearson correlation over time of the mean over neurons of forecast and of observation.
    - `skill_over_mean`, `skill_over_copy`: 1 - MSE / MSE of the methods "mean" and "copy-last"; NaN if the
      reference makes no error.
    - `behind_synapsnet`: skill over the mean of the method "synapsnet" less that of this one, with an interval for the
      difference, from the same resamples; None without that method.
    - `bits_per_spike`: gain in Poisson log likelihood of one-step forecasts over the training mean rate of each
      neuron, summed over neurons and steps, divided by the number of spikes, in bits (Pei et al. 2021, Neural
      Latents Benchmark, arXiv 2109.04463; there the rate is that of the evaluated data). Forecasts and rates are
      clipped below at 1e-4 spikes per bin. Neurons without held-out spikes count: any rate forecast for them is a
      loss. None for calcium, if `horizons` does not start with 1, or without spikes.

    Intervals are 95% percentile intervals of a bootstrap over contiguous blocks of held-out time (`time_blocks`), the
    same resamples for all methods and horizons. They are right if errors are nearly independent beyond the length of
    a block, and do not cover another draw of the training data.

    Parameters
    ----------
    observed : Recording
        The held-out part, T steps of N neurons.
    forecasts : dict of method -> (len(horizons), T, N) array
        `[k, t]` is the forecast of step t made `horizons[k]` steps before it; NaN for all neurons where there is
        none. Must hold "mean" and "copy-last", the references of the skills.
    horizons : increasing numbers of steps >= 1
    training_mean : (N,) array
        Mean activity of each neuron in the training data.
    n_blocks : int
        About how many blocks of time to resample.
    n_resamples, seed : int

    Returns
    -------
    list of ForecastScores
        In the order of `forecasts`.

    Raises
    ------
    InputError
        If a reference is missing, shapes do not match, forecasts are infinite or NaN for a part of the neurons, or
        at some horizon no step has a forecast by every method.
    """
    values, horizons = observed.values, [int(h) for h in horizons]
    _check(values, forecasts, horizons, training_mean)
    blocks = time_blocks(observed.segments, n_blocks)
    counts = draw_counts(len(blocks), n_resamples, seed)
    per_horizon: list[dict[str, dict[str, Estimate]]] = []
    bits: dict[str, Estimate | None] = dict.fromkeys(forecasts)
    for k, horizon in enumerate(horizons):
        scored = np.all([_forecast_steps(method, f[k]) for method, f in forecasts.items()], axis=0)
        if not scored.any():
            raise InputError(
                f"No held-out step has a forecast {horizon} steps ahead by every method; "
                "hold out a longer part or ask for shorter horizons."
            )
        rows = [start + np.flatnonzero(scored[start:stop]) for start, stop in blocks]
        resampled = {method: resample(values, f[k], rows, counts) for method, f in forecasts.items()}
        references = [resampled[method].mse for method in REFERENCES]
        scores = {method: _metrics(r, *references) for method, r in resampled.items()}
        if MODEL in resampled:
            best, mean = resampled[MODEL].mse, references[0]
            for method, r in resampled.items():
                scores[method]["behind_synapsnet"] = estimate(ratio(r.mse - best, mean))
        per_horizon.append(scores)
        if observed.modality == "spikes" and k == 0 and horizon == 1:
            bits = {m: bits_per_spike(values, f[k], training_mean, rows, counts) for m, f in forecasts.items()}
    return [
        ForecastScores(
            method=method,
            horizon_steps=horizons,
            bits_per_spike=bits[method],
            **{name: [scores[method][name] for scores in per_horizon] for name in per_horizon[0][method]},
        )
        for method in forecasts
    ]


def time_blocks(segments: Sequence[tuple[int, int]], n_blocks: int) -> list[tuple[int, int]]:
    """Cut epochs into contiguous blocks of about equal length.

    Parameters
    ----------
    segments : list of (start, stop)
        Row ranges of the epochs, one after the other.
    n_blocks : int
        About how many blocks.

    Returns
    -------
    list of (start, stop)
        No block spans an epoch border, but epochs shorter than a block (trials) are joined, whole, until they fill one.

    Raises
    ------
    InputError
        If `n_blocks` is below 2.
    """
    if n_blocks < 2:
        raise InputError(f"A bootstrap over time needs at least 2 blocks; got {n_blocks}.")
    length = -(-sum(stop - start for start, stop in segments) // n_blocks)
    blocks: list[tuple[int, int]] = []
    joinable = False  # whether the last block is made of short epochs and not yet full
    for start, stop in segments:
        if stop - start >= length:
            edges = np.linspace(start, stop, max(1, round((stop - start) / length)) + 1).astype(int).tolist()
            blocks += pairwise(edges)
            joinable = False
        else:
            blocks.append((blocks.pop()[0] if joinable else start, stop))
            joinable = stop - blocks[-1][0] < length
    return blocks


@dataclass(frozen=True)
class Resampled:
    """One method at one horizon, on the data (first) and on every resample: (R,) arrays."""

    mse: Float64Array
    mae: Float64Array
    r2: Float64Array
    correlation: Float64Array
    population_correlation: Float64Array


def resample(values: FloatArray, forecast: FloatArray, rows: Rows, counts: Float64Array) -> Resampled:
    """Errors of one forecast in every resample, from sums per block and neuron.

    Parameters
    ----------
    values, forecast : (T, N) arrays
    rows : B arrays of steps
        Those of each block that are scored.
    counts : (R, B) array
        See `validation.metrics.bootstrap.draw_counts`.
    """
    first = np.concatenate(rows)[0]
    sums, population = np.zeros((len(rows), 6, values.shape[1])), np.zeros((len(rows), 5))
    absolute = np.zeros(len(rows))
    for b, steps in enumerate(rows):  # only a block at a time is in double precision
        y, f = values[steps].astype(np.float64), forecast[steps].astype(np.float64)
        error = y - f
        absolute[b] = np.abs(error).sum()
        y -= values[first]  # sums of squares would lose precision to a large baseline
        f -= forecast[first]
        products = ((error, error), (y, y), (f, f), (y, f))
        sums[b] = [*(np.einsum("tn,tn->n", p, q) for p, q in products), y.sum(axis=0), f.sum(axis=0)]
        y, f = y.mean(axis=1), f.mean(axis=1)
        population[b] = y.sum(), f.sum(), y @ y, f @ f, y @ f
    n = counts @ np.array([[len(steps)] for steps in rows], dtype=np.float64)  # (R, 1)
    resampled = (counts @ sums.reshape(len(rows), -1)).reshape(len(counts), 6, -1)
    sse, yy, ff, yf, y, f = np.moveaxis(resampled, 1, 0)  # (R, N) each
    return Resampled(
        mse=ratio(sse.mean(axis=1), n[:, 0]),
        mae=ratio(counts @ absolute, n[:, 0] * values.shape[1]),
        r2=_mean_defined(1 - ratio(sse, deviation(n, y, yy))),
        correlation=_mean_defined(pearson(n, y, f, yy, ff, yf)),
        population_correlation=pearson(n[:, 0], *(counts @ population).T),
    )


def _metrics(scored: Resampled, mse_mean: Float64Array, mse_copy: Float64Array) -> dict[str, Estimate]:
    return {
        **{name: estimate(values) for name, values in vars(scored).items()},
        "skill_over_mean": estimate(1 - ratio(scored.mse, mse_mean)),
        "skill_over_copy": estimate(1 - ratio(scored.mse, mse_copy)),
    }


def bits_per_spike(
    values: FloatArray, forecast: FloatArray, training_mean: FloatArray, rows: Rows, counts: Float64Array
) -> Estimate | None:
    """See `score_forecasts`, and `resample` for the parameters; None without spikes."""
    null = np.maximum(np.asarray(training_mean, dtype=np.float64), MIN_RATE)
    gain, spikes = np.zeros((2, len(rows)))
    for b, steps in enumerate(rows):
        y, rate = values[steps].astype(np.float64), np.maximum(forecast[steps].astype(np.float64), MIN_RATE)
        gain[b] = np.sum(y * np.log(rate / null) - (rate - null))  # log(y!) is in both likelihoods
        spikes[b] = y.sum()
    return estimate(ratio(counts @ gain, counts @ spikes) / np.log(2)) if spikes.any() else None


def _mean_defined(values: Float64Array) -> Float64Array:
    """(R,) mean over neurons of an (R, N) array, NaN entries left out."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64))


def _forecast_steps(method: str, forecast: FloatArray) -> npt.NDArray[np.bool_]:
    """(T,) bool array: the steps of which a (T, N) forecast exists."""
    exists = np.all(np.isfinite(forecast), axis=1)
    # Leaving out steps where a method diverges would flatter it.
    if not np.isnan(forecast[~exists]).all():
        raise InputError(
            f"Forecasts by {method} hold infinite values, or NaN for only some neurons of a step; give numbers for all "
            "neurons, or NaN for all where there is no forecast."
        )
    return np.asarray(exists)


def _check(
    values: FloatArray, forecasts: Mapping[str, FloatArray], horizons: list[int], training_mean: FloatArray
) -> None:
    missing = [method for method in REFERENCES if method not in forecasts]
    if missing:
        raise InputError(f"Skill needs the forecasts of {' and '.join(missing)}; got {', '.join(forecasts) or 'none'}.")
    if not horizons or horizons[0] < 1 or sorted(set(horizons)) != horizons:
        raise InputError(f"Horizons must be increasing numbers of steps from 1 on; got {horizons}.")
    shape = (len(horizons), *values.shape)
    for method, forecast in forecasts.items():
        if forecast.shape != shape:
            raise InputError(f"Forecasts by {method} must be horizons x time x neurons, {shape}; got {forecast.shape}.")
    if np.shape(training_mean) != shape[2:] or not np.isfinite(training_mean).all():
        raise InputError(f"The training mean must be {shape[2]} finite numbers, one for each neuron.")
