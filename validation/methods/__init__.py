"""Methods under one protocol, by the name that the command line uses."""

from __future__ import annotations

from synapsnet.recording import Modality
from validation.methods.autoregression import AR, VAR
from validation.methods.base import Forecaster, Method
from validation.methods.glm import GLM
from validation.methods.lagged_correlation import LaggedCorrelation
from validation.methods.naive import CopyLast, Mean

INFERENCE: dict[str, type[Method]] = {"lagged-correlation": LaggedCorrelation, "var": VAR, "glm": GLM}
# The GLM forecasts spikes only: the drive that it sees of calcium looks ahead.
FORECASTING: dict[Modality, dict[str, type[Forecaster]]] = {
    "spikes": {"glm": GLM, "var": VAR, "ar": AR, "copy-last": CopyLast, "mean": Mean},
    "calcium": {"var": VAR, "ar": AR, "copy-last": CopyLast, "mean": Mean},
}
LABELS = {
    "synapsnet": "SynapsNet",
    "synapsnet-independent": "SynapsNet, W = 0",
    "lagged-correlation": "lagged correlation",
    "var": "VAR, ridge",
    "glm": "Poisson GLM",
    "ar": "AR per neuron",
    "copy-last": "copy last value",
    "mean": "mean",
}

__all__ = [
    "AR",
    "FORECASTING",
    "GLM",
    "INFERENCE",
    "LABELS",
    "VAR",
    "CopyLast",
    "Forecaster",
    "LaggedCorrelation",
    "Mean",
    "Method",
]
