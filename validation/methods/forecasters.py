"""Forecasters by modality and the name that the command line uses."""

from __future__ import annotations

from synapsnet.recording import Modality
from validation.methods.autoregression import AR, VAR
from validation.methods.base import Forecaster
from validation.methods.dlinear import DLinear
from validation.methods.glm import GLM
from validation.methods.gru import GRU
from validation.methods.naive import CopyLast, Mean
from validation.methods.transformer import Transformer
from validation.methods.tsmixer import TSMixer

_ANY: dict[str, type[Forecaster]] = {
    "var": VAR,
    "ar": AR,
    "dlinear": DLinear,
    "tsmixer": TSMixer,
    "gru": GRU,
    "transformer": Transformer,
    "copy-last": CopyLast,
    "mean": Mean,
}
# The GLM forecasts spikes only: the drive that it sees of calcium looks ahead.
FORECASTING: dict[Modality, dict[str, type[Forecaster]]] = {"spikes": {"glm": GLM, **_ANY}, "calcium": _ANY}
