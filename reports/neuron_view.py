"""The view of one neuron: its inputs, outputs, kernel and forecast, which the page draws on demand."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from reports.exports import unique_names
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.recording import Modality
from synapsnet.run import Run

MAX_STEPS = 300
LEVELS = 255  # grey levels of a trace, finer than a screen shows


@dataclass(frozen=True)
class Activity:
    """The activity of all neurons for a short time, and its forecasts.

    Attributes
    ----------
    modality, dt_s : as of the recording
    start_s : float
        Time of the first step.
    observed, expected : (T, N) arrays
        Held-out activity, and its forecasts one step ahead.
    kernel : (N, L) array or None
        Synaptic kernels over lags of 1 to L steps. None for calcium: the model that forecasts it, whose kernels follow
        the indicator, is not the one that infers its connections.
    """

    modality: Modality
    dt_s: float
    start_s: float
    observed: FloatArray
    expected: FloatArray
    kernel: FloatArray | None


def load_activity(run: Run) -> Activity | None:
    """The beginning of the longest held-out epoch; None if no epoch is long enough for a forecast."""
    test = run.test.without_ground_truth()
    start, stop = max(test.segments, key=lambda segment: segment[1] - segment[0])
    epoch = test.select_rows([(start, stop)])
    model = run.models["synapsnet"]
    expected = model.forecast(epoch, 1)[0]
    steps = np.flatnonzero(np.isfinite(expected).all(axis=1))[:MAX_STEPS]
    if not len(steps):
        return None
    return Activity(
        modality=test.modality,
        dt_s=test.dt_s,
        start_s=float(epoch.activity.times()[steps[0]]),
        observed=epoch.values[steps],
        expected=expected[steps],
        kernel=model.kernel_ if test.modality == "spikes" else None,
    )


def neuron_data(connectome: Connectome, neurons: pd.DataFrame, activity: Activity | None) -> Markup:
    """The data on all neurons for the page, as JSON that cannot close the script element that contains it.

    Parameters
    ----------
    connectome : Connectome
        Inferred, with standard errors.
    neurons : DataFrame with N rows
        See `synapsnet.recording.neuron_table`.
    activity : Activity or None
    """
    post, pre, q = connectome.reported()
    order = np.lexsort((pre, post, -np.abs(connectome.scores_of(post, pre))))
    pre, post, q = pre[order], post[order], q[order]
    weight = connectome.weight[post, pre]
    content: dict[str, Any] = {
        "ids": unique_names(neurons),
        "about": [
            ", ".join(name for name in pair if name != "unknown")
            for pair in zip(neurons["cell_type"].astype(str), neurons["area"].astype(str), strict=True)
        ],
        "unit": connectome.unit,
        "edges": [
            [int(a), int(b), _short(w), _short(doubt)] for a, b, w, doubt in zip(pre, post, weight, q, strict=True)
        ],
    }
    if activity is not None:
        content["activity"] = {
            "spikes": activity.modality == "spikes",
            "dt_s": activity.dt_s,
            "start_s": activity.start_s,
            "observed": _traces(activity.observed),
            "expected": _traces(activity.expected),
            "kernel": None if activity.kernel is None else [[_short(x) for x in row] for row in activity.kernel],
        }
    return Markup(json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))


def _traces(values: FloatArray) -> dict[str, Any]:
    """One byte per value, neuron after neuron, and the lowest and highest value of each neuron."""
    low, high = values.min(axis=0), values.max(axis=0)
    spread = np.where(high > low, high - low, 1.0)
    levels = np.round((values - low) / spread * LEVELS).astype(np.uint8)
    return {
        "low": [_short(x) for x in low],
        "high": [_short(x) for x in low + spread],
        "levels": b64encode(levels.T.tobytes()).decode(),
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")
