"""Methods under one protocol, by the name that the command line uses."""

from __future__ import annotations

import importlib
import inspect
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

from synapsnet.errors import InputError, unknown_name
from validation.methods.autoregression import AR, VAR
from validation.methods.base import Forecaster, Method
from validation.methods.bounds import Oracle, Random
from validation.methods.ceiling import Ceiling
from validation.methods.correlation import Correlation, LaggedCorrelation
from validation.methods.correlogram import CrossCorrelogram
from validation.methods.deconvolved import Deconvolved
from validation.methods.glm import GLM
from validation.methods.glmcc import GLMCC
from validation.methods.granger import Granger
from validation.methods.lasso_var import LassoVAR
from validation.methods.logistic import LogisticGLM
from validation.methods.naive import CopyLast, Mean
from validation.methods.partial_correlation import GraphicalLasso, PartialCorrelation
from validation.methods.sutera import Sutera
from validation.methods.transfer_entropy import GeneralisedTransferEntropy, TransferEntropy

if TYPE_CHECKING:
    from validation.methods.forecasters import FORECASTING

INFERENCE: dict[str, type[Method]] = {
    "correlation": Correlation,
    "lagged-correlation": LaggedCorrelation,
    "partial-correlation": PartialCorrelation,
    "graphical-lasso": GraphicalLasso,
    "cross-correlogram": CrossCorrelogram,
    "var": VAR,
    "lasso-var": LassoVAR,
    "granger": Granger,
    "glm": GLM,
    "logistic-glm": LogisticGLM,
    "deconvolved-glm": Deconvolved,
    "glmcc": GLMCC,
    "transfer-entropy": TransferEntropy,
    "gte": GeneralisedTransferEntropy,
    "sutera": Sutera,
    "random": Random,
}
# By place: importing PyTorch, or jax, takes longer than most methods.
MODELS = {
    "nemos-glm": "validation.methods.nemos_glm:NemosGLM",
    "netformer": "validation.methods.netformer:NetFormer",
    "synapsnet": "validation.methods.synapsnet:SynapsNetInference",
    "synapsnet-independent": "validation.methods.synapsnet:Independent",
    "synapsnet-without-prior": "validation.methods.synapsnet:WithoutPrior",
    "synapsnet-lags": "validation.methods.synapsnet:LagsOnly",
    "synapsnet-one-lag": "validation.methods.synapsnet:OneLag",
    "synapsnet-dale": "validation.methods.synapsnet:Dale",
    "synapsnet-low-rank": "validation.methods.synapsnet:LowRank",
    "synapsnet-gru": "validation.methods.synapsnet:Recurrent",
}
# Made with the truth, so no method is found by these names; suites may list them.
BOUNDS: dict[str, type[Oracle] | type[Ceiling]] = {"oracle": Oracle, "ceiling": Ceiling}
# What `synapsnet score` compares with, unless it is told; the others are for benchmarks.
STANDARD = ("lagged-correlation", "var", "glm", "ar")
LABELS = {
    "synapsnet": "SynapsNet",
    "synapsnet-independent": "SynapsNet, W = 0",
    "synapsnet-without-prior": "SynapsNet without prior",
    "synapsnet-lags": "SynapsNet, lags only",
    "synapsnet-one-lag": "SynapsNet, one lag",
    "synapsnet-dale": "SynapsNet, Dale",
    "synapsnet-low-rank": "SynapsNet, low rank",
    "synapsnet-gru": "SynapsNet, GRU decoder",
    "correlation": "correlation",
    "lagged-correlation": "lagged correlation",
    "partial-correlation": "partial correlation",
    "graphical-lasso": "graphical lasso",
    "cross-correlogram": "cross-correlogram",
    "var": "VAR, ridge",
    "lasso-var": "VAR, lasso",
    "granger": "Granger causality",
    "glm": "Poisson GLM",
    "nemos-glm": "Poisson GLM, nemos",
    "logistic-glm": "logistic GLM",
    "deconvolved-glm": "Poisson GLM of events",
    "glmcc": "GLM of correlograms",
    "transfer-entropy": "transfer entropy",
    "gte": "generalised transfer entropy",
    "netformer": "NetFormer style",
    "sutera": "Sutera et al. 2014",
    "ar": "AR per neuron",
    "gru": "GRU",
    "transformer": "transformer",
    "dlinear": "DLinear",
    "tsmixer": "TSMixer",
    "copy-last": "copy last value",
    "mean": "mean",
    "random": "random",
    "oracle": "the truth",
    "ceiling": "attainable ceiling",
}
ENTRY_POINTS = "synapsnet.methods"

__all__ = [
    "AR",
    "BOUNDS",
    "FORECASTING",
    "GLM",
    "GLMCC",
    "INFERENCE",
    "LABELS",
    "MODELS",
    "STANDARD",
    "VAR",
    "Ceiling",
    "CopyLast",
    "Correlation",
    "CrossCorrelogram",
    "Deconvolved",
    "Forecaster",
    "GeneralisedTransferEntropy",
    "Granger",
    "GraphicalLasso",
    "LaggedCorrelation",
    "LassoVAR",
    "LogisticGLM",
    "Mean",
    "Method",
    "Oracle",
    "PartialCorrelation",
    "Random",
    "Sutera",
    "TransferEntropy",
    "find_method",
]


def __getattr__(name: str) -> Any:
    """`FORECASTING`, on demand: it imports PyTorch."""
    if name == "FORECASTING":
        from validation.methods.forecasters import FORECASTING

        return FORECASTING
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def find_method(name: str) -> type[Method]:
    """The class of an inference method.

    Parameters
    ----------
    name : str
        A name in `INFERENCE` or `MODELS`, an entry point of the group "synapsnet.methods" of an installed package, or
        where the class is, "pkg.module:Class".

    Raises
    ------
    InputError
        If there is no such name, module or class, or the class has no `infer` or needs arguments.
    """
    if name in INFERENCE:
        return INFERENCE[name]
    plugins = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)} | MODELS
    place = plugins.get(name, name)
    module_name, colon, class_name = place.partition(":")
    if not colon:
        raise unknown_name("method", name, [*INFERENCE, *plugins, "pkg.module:Class"])
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:  # ValueError: no name before the colon
        raise InputError(
            f"The method {place!r} needs a module {module_name!r} that can be imported: {error}."
        ) from error
    found: Any = getattr(module, class_name, None)
    if not inspect.isclass(found):
        raise InputError(
            f"The module {module_name!r} has no class {class_name!r}; name a method as 'pkg.module:Class'."
        )
    if not callable(getattr(found, "infer", None)):
        raise InputError(f"The class {place!r} is not a method: it must have infer(recording) -> Connectome.")
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise InputError(f"The method {place!r} must be constructible without arguments: {error}.") from error
    return cast(type[Method], found)
