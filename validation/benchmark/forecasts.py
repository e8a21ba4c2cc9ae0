"""Forecasts in a benchmark: a method is fitted to the earlier part of a recording and forecasts the later one.

Cases run separately, so that each keeps what a comparison of methods needs: the mean square error in blocks of
held-out time, which are the same for all, because every method is scored on the steps before which its epoch has
`PAST` steps. From these `skills` computes skills and their paired differences.

=============  ==================================================================================
metric         what it holds
=============  ==================================================================================
skill_H        1 - MSE / MSE of the mean of the training part, H steps ahead, with its interval
bits_per_spike as `validation.metrics.forecasting.score_forecasts`
error_H_B      square error H steps ahead in block B, summed over its steps and neurons
=============  ==================================================================================
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.array_types import Float64Array
from synapsnet.recording import Recording
from synapsnet.splits import holdout
from validation.benchmark.subprocess import Score
from validation.methods.base import Forecaster
from validation.methods.naive import CopyLast, Mean
from validation.metrics.bootstrap import draw_counts, estimate, ratio
from validation.metrics.forecasting import score_forecasts, time_blocks

HORIZONS = (1, 4, 8, 16)  # steps
HELD_OUT = 0.2  # fraction
PAST = 32  # steps
N_BLOCKS, N_RESAMPLES = 50, 1000


def measure_forecasts(recording: Recording, method: Forecaster, *, seed: int) -> tuple[float, list[Score]]:
    """Seconds of the fit, and the scores of the module's table; horizons that no epoch is long enough for are left out.

    Raises
    ------
    InputError
        If the recording is too short, or the method refuses it.
    """
    training, test = holdout(recording, HELD_OUT, PAST)
    started = time.perf_counter()
    method.fit(training)
    seconds = time.perf_counter() - started
    scored_steps = {h: _scored_steps(test, h) for h in HORIZONS}
    horizons = [h for h in HORIZONS if scored_steps[h].any()]
    forecasts = {}
    for name, forecaster in (
        ("method", method),
        ("mean", Mean().fit(training)),
        ("copy-last", CopyLast().fit(training)),
    ):
        made = np.array(forecaster.forecast(test, max(horizons)))[[h - 1 for h in horizons]]
        for k, h in enumerate(horizons):
            made[k, ~scored_steps[h]] = np.nan
        forecasts[name] = made
    scored, *_ = score_forecasts(
        test, forecasts, horizons, training_mean=training.values.mean(axis=0, dtype=np.float64), seed=seed
    )
    entries = [Score(metric=f"skill_{h}", **dict(scored.skill_over_mean[k])) for k, h in enumerate(horizons)]
    if scored.bits_per_spike is not None:
        entries.append(Score(metric="bits_per_spike", **dict(scored.bits_per_spike)))
    for k, h in enumerate(horizons):
        square = np.where(scored_steps[h][:, None], forecasts["method"][k] - test.values, 0.0) ** 2
        for b, (start, stop) in enumerate(time_blocks(test.segments, N_BLOCKS)):
            error = float(square[start:stop].sum())
            entries.append(Score(metric=f"error_{h}_{b}", value=error, low=np.nan, high=np.nan))
    return seconds, entries


def _scored_steps(recording: Recording, horizon: int) -> npt.NDArray[np.bool_]:
    """Steps that all methods forecast so far ahead."""
    longest = max(stop - start for start, stop in recording.segments)
    past = min(PAST, longest - max(HORIZONS)) if longest > max(HORIZONS) else PAST
    scored = np.zeros(recording.n_steps, dtype=bool)
    for start, stop in recording.segments:
        scored[start + past + horizon - 1 : stop] = True
    return scored


def skills(table: pd.DataFrame, reference: str = "synapsnet") -> pd.DataFrame:
    """Skills over the mean, and by how much the reference is ahead.

    Parameters
    ----------
    table : DataFrame
        See `validation.benchmark.table`, of a suite of forecasts with the method "mean".
    reference : str
        A method.

    Returns
    -------
    DataFrame
        A row for each recording, horizon and method: "network", "observation", "seed", "horizon", "method", "skill",
        "ahead", "low", "high". The interval of the difference is the 95% percentile interval of a bootstrap over the
        same blocks of time for both.
    """
    rows = table[table["metric"].str.startswith("error_", na=False)]
    parts = rows["metric"].str.split("_", expand=True)
    rows = rows.assign(horizon=parts[1].astype(int), block=parts[2].astype(int))
    records: list[dict[str, Any]] = []
    keys = ["network", "observation", "seed", "horizon"]
    for key, group in rows.groupby(keys, sort=False):
        errors = group.pivot_table(index="block", columns="method", values="value", sort=False).sort_index()
        if "mean" not in errors or reference not in errors:
            continue
        counts = draw_counts(len(errors), N_RESAMPLES, seed=0)
        of = {str(name): counts @ errors[name].to_numpy(dtype=np.float64) for name in errors}
        for name, error in of.items():
            ahead: Float64Array = ratio(error - of[reference], of["mean"])
            difference = estimate(ahead)
            records.append(
                dict(zip(keys, key, strict=True))
                | {"method": name, "skill": 1 - error[0] / of["mean"][0], "ahead": difference.value}
                | {"low": difference.low, "high": difference.high}
            )
    return pd.DataFrame(records, columns=[*keys, "method", "skill", "ahead", "low", "high"])
