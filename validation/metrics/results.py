"""The results of a scored run, which `score` writes and which reports and the command line read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict

from synapsnet.connectome import Connectome
from synapsnet.recording import Modality


class Estimate(BaseModel):
    """A score with its 95% confidence interval.

    NaN where it is not defined; only the limits are NaN if there are no resamples.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")  # keep NaN, such as the correlation of a constant

    value: float
    low: float
    high: float


class ConnectivityScores(BaseModel):
    """How well one method's scores agree with the true connectome, off-diagonal pairs only.

    `validation.metrics.connectivity` defines the metrics. One is None where it is not defined (no edges, no one-way
    pairs), and those with a default also where the run was scored before they existed.
    """

    method: str
    auroc: Estimate | None
    auprc: Estimate | None
    signed_auroc: Estimate | None
    sign_accuracy: Estimate | None
    weight_correlation: Estimate | None
    direction_accuracy: Estimate | None
    auprc_lift: Estimate | None = None
    precision_at_k: Estimate | None = None
    signed_auprc: Estimate | None = None
    mcc: Estimate | None = None
    f1: Estimate | None = None
    false_discovery_rate: Estimate | None = None
    n_reported: Estimate | None = None
    false_positive_rate: Estimate | None = None
    p_value_distance: Estimate | None = None
    ei_accuracy: Estimate | None = None
    ei_auroc: Estimate | None = None
    edge_weight_correlation: Estimate | None = None
    block_correlation: Estimate | None = None
    delay_error_s: Estimate | None = None
    delay_correlation: Estimate | None = None
    fooled_by_chain: Estimate | None = None
    fooled_by_common_input: Estimate | None = None
    fooled_by_reverse: Estimate | None = None
    fooled_by_relay: Estimate | None = None
    fooled_by_unequal_delays: Estimate | None = None
    effective_auprc: Estimate | None = None
    effective_weight_correlation: Estimate | None = None


class ForecastScores(BaseModel):
    """How well one method forecasts held-out activity, one entry per horizon.

    `validation.metrics.forecasting` defines the metrics. A value is NaN where it is not defined (the correlation of a
    constant forecast), and None where the run was scored before the metric existed, or SynapsNet was not scored.
    """

    method: str
    horizon_steps: list[int]
    mse: list[Estimate]
    r2: list[Estimate]
    correlation: list[Estimate]
    skill_over_mean: list[Estimate]
    skill_over_copy: list[Estimate]
    bits_per_spike: Estimate | None  # one step ahead, spikes only
    mae: list[Estimate] | None = None
    population_correlation: list[Estimate] | None = None
    behind_synapsnet: list[Estimate] | None = None


class Scores(BaseModel):
    """Everything that `score` computed for one run.

    `edge_density` (chance level of AUPRC) is None without ground truth. `interval` says in one sentence how the
    confidence intervals were computed, and `n_seeds` over how many runs.
    """

    edge_density: float | None
    n_edges: int | None
    connectivity: list[ConnectivityScores]
    forecast: list[ForecastScores]
    seconds: dict[str, float]
    interval: str
    n_seeds: int = 1


@dataclass(frozen=True)
class ForecastExample:
    """One-step and far forecasts drawn over held-out data for a few neurons.

    Attributes
    ----------
    time_s : (T,) array
        Contiguous held-out times.
    neurons : (K,) array
        Indices of the neurons shown.
    observed : (T, K) array
    predicted : dict of method -> dict of horizon in steps -> (T, K) array
        Forecast *of* each time made `horizon` steps before it; NaN where there is none.
    """

    time_s: npt.NDArray[np.floating[Any]]
    neurons: npt.NDArray[np.integer[Any]]
    observed: npt.NDArray[np.floating[Any]]
    predicted: dict[str, dict[int, npt.NDArray[np.floating[Any]]]]


@dataclass(frozen=True)
class RunResults:
    """Everything that a report shows about one run.

    Attributes
    ----------
    title : str
        For example "Spikes, 5 ms bins".
    modality, dt_s, n_neurons, n_steps : facts of the recording
    neurons : DataFrame
        Neuron table (`id`, `cell_type`, positions, `area`).
    setup : dict of str -> JSON value
        Configuration, seed, source of the recording, versions of the software.
    truth : Connectome or None
        Ground truth if this is a simulation.
    inferred : dict of method -> Connectome
        `scores` of each is the evidence that is ranked, `[post, pre]`.
    scores : Scores
    example : ForecastExample or None
    labels : dict of method -> str
        Printable name of each method.
    """

    title: str
    modality: Modality
    dt_s: float
    n_neurons: int
    n_steps: int
    neurons: pd.DataFrame
    setup: dict[str, Any]
    truth: Connectome | None
    inferred: dict[str, Connectome]
    scores: Scores
    example: ForecastExample | None
    labels: dict[str, str]
    device: Literal["cpu", "cuda", "mps"] = "cpu"
