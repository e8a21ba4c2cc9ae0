"""All methods under one protocol: the registry, and how a method is found by its name.

A method of ours is one file and one line in `METHODS`. Everything that takes a method's name goes through here.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from synapsnet.errors import InputError, first_line, unknown_name
from synapsnet.recording import Modality
from validation.methods.base import Forecaster, Method

SPIKES: tuple[Modality, ...] = ("spikes",)
BOTH: tuple[Modality, ...] = ("spikes", "calcium")


@dataclass(frozen=True)
class Entry:
    """What is known of a method without importing it: PyTorch, or jax, takes longer than most methods.

    Attributes
    ----------
    label : str
        Name in tables and figures.
    place : str
        Where its class is, "module:Class".
    infers, forecasts : modalities
        From what it infers connectivity, and what it forecasts.
    slow : bool
        Takes minutes where others take seconds.
    bound : bool
        Made with the truth, so it is no contestant; suites may list it.
    calibrated : bool
        Reports what stands out from most pairs' scores, in place of its own threshold.
    stimulated : bool
        Needs light on single neurons in the recording.
    """

    label: str
    place: str
    infers: tuple[Modality, ...] = ()
    forecasts: tuple[Modality, ...] = ()
    slow: bool = False
    bound: bool = False
    calibrated: bool = False
    stimulated: bool = False

    def load(self) -> Any:
        """Its class; InputError if there is none."""
        module_name, _, class_name = self.place.partition(":")
        try:
            module = importlib.import_module(module_name)
        except (Exception, SystemExit) as error:  # the module runs, and can do anything
            raise InputError(
                f"The method {self.place!r} needs a module {module_name!r} that can be imported: {first_line(error)}."
            ) from error
        method_class = getattr(module, class_name, None)
        if not inspect.isclass(method_class):
            raise InputError(
                f"The module {module_name!r} has no class {class_name!r}; name a method as 'pkg.module:Class'."
            )
        if self.calibrated:
            from validation.methods.calibrated import calibrated  # it imports PyTorch

            return calibrated(cast(type[Method], method_class))
        return method_class


def _ours(label: str, place: str, *args: Any, **kwargs: Any) -> Entry:
    return Entry(label, f"validation.methods.{place}", *args, **kwargs)


METHODS: dict[str, Entry] = {
    "synapsnet": _ours("SynapsNet", "synapsnet:SynapsNetInference", BOTH, BOTH, slow=True),
    "synapsnet-independent": _ours("SynapsNet, W = 0", "synapsnet:Independent", BOTH, BOTH, slow=True),
    "synapsnet-without-embeddings": _ours(
        "SynapsNet without embeddings", "synapsnet:WithoutEmbeddings", BOTH, BOTH, slow=True
    ),
    "synapsnet-without-own-past": _ours(
        "SynapsNet without own past", "synapsnet:WithoutOwnPast", BOTH, BOTH, slow=True
    ),
    "synapsnet-without-behaviour": _ours(
        "SynapsNet without behaviour", "synapsnet:WithoutBehaviour", BOTH, BOTH, slow=True
    ),
    "synapsnet-without-prior": _ours("SynapsNet without prior", "synapsnet:WithoutPrior", BOTH, slow=True),
    "synapsnet-lags": _ours("SynapsNet, lags only", "synapsnet:LagsOnly", BOTH, slow=True),
    "synapsnet-one-lag": _ours("SynapsNet, one lag", "synapsnet:OneLag", BOTH, slow=True),
    "synapsnet-dale": _ours("SynapsNet, Dale", "synapsnet:Dale", BOTH, slow=True),
    "synapsnet-low-rank": _ours("SynapsNet, low rank", "synapsnet:LowRank", BOTH, slow=True),
    "synapsnet-gru": _ours("SynapsNet, GRU decoder", "synapsnet:Recurrent", BOTH, slow=True),
    "correlation": _ours("correlation", "correlation:Correlation", BOTH),
    "lagged-correlation": _ours("lagged correlation", "correlation:LaggedCorrelation", BOTH),
    "partial-correlation": _ours("partial correlation", "partial_correlation:PartialCorrelation", BOTH),
    "graphical-lasso": _ours("graphical lasso", "partial_correlation:GraphicalLasso", BOTH),
    "cross-correlogram": _ours("cross-correlogram", "correlogram:CrossCorrelogram", BOTH),
    "var": _ours("VAR, ridge", "autoregression:VAR", BOTH, forecasts=BOTH),
    "lasso-var": _ours("VAR, lasso", "lasso_var:LassoVAR", BOTH),
    "granger": _ours("Granger causality", "granger:Granger", BOTH),
    # From calcium it sees the deconvolved activity, which looks ahead and must not forecast.
    "glm": _ours("Poisson GLM", "glm:GLM", BOTH, forecasts=SPIKES),
    "nemos-glm": _ours("Poisson GLM, nemos", "nemos_glm:NemosGLM", BOTH, slow=True),
    "logistic-glm": _ours("logistic GLM", "logistic:LogisticGLM", BOTH),
    "deconvolved-glm": _ours("Poisson GLM of events", "deconvolved:Deconvolved", BOTH),
    "glmcc": _ours("GLM of correlograms", "glmcc:GLMCC", SPIKES),
    "transfer-entropy": _ours("transfer entropy", "transfer_entropy:TransferEntropy", BOTH),
    "gte": _ours("generalised transfer entropy", "transfer_entropy:GeneralisedTransferEntropy", BOTH, slow=True),
    "netformer": _ours("NetFormer style", "netformer:NetFormer", BOTH, slow=True),
    "sutera": _ours("Sutera et al. 2014", "sutera:Sutera", BOTH),
    "tspe": _ours("TSPE", "tspe:TSPE", SPIKES),
    "directed-sttc": _ours("directed STTC", "sttc:DirectedSTTC", SPIKES),
    "correlogram-network": _ours("network on correlograms", "correlogram_network:CorrelogramNetwork", SPIKES),
    "ensemble": _ours("ensemble", "ensemble:Ensemble", BOTH),
    "influence": _ours("influence", "influence:Influence", SPIKES, stimulated=True),
    "influence-spontaneous": _ours(
        "influence and spontaneous", "influence:InfluenceAndSpontaneous", SPIKES, stimulated=True
    ),
    "ar": _ours("AR per neuron", "autoregression:AR", forecasts=BOTH),
    "gru": _ours("GRU", "gru:GRU", forecasts=BOTH, slow=True),
    "transformer": _ours("transformer", "transformer:Transformer", forecasts=BOTH, slow=True),
    "dlinear": _ours("DLinear", "dlinear:DLinear", forecasts=BOTH, slow=True),
    "tsmixer": _ours("TSMixer", "tsmixer:TSMixer", forecasts=BOTH, slow=True),
    "poco": _ours("POCO", "poco:POCO", forecasts=BOTH, slow=True),
    "copy-last": _ours("copy last value", "naive:CopyLast", forecasts=BOTH),
    "mean": _ours("mean", "naive:Mean", forecasts=BOTH),
    "random": _ours("random", "bounds:Random", BOTH),
    "oracle": _ours("the truth", "bounds:Oracle", BOTH, bound=True),
    "true-effect": _ours("the truth, with gains", "bounds:TrueEffect", SPIKES, bound=True),
    "ceiling": _ours("attainable ceiling", "ceiling:Ceiling", BOTH, bound=True),
}
BOUNDS = tuple(name for name, entry in METHODS.items() if entry.bound)
CALIBRATED = "+calibrated"  # after a method's name: with a threshold that is calibrated on the recording
# What `synapsnet score` compares with by default; the others are for benchmarks.
STANDARD = ("lagged-correlation", "var", "glm", "ar")
ENTRY_POINTS = "synapsnet.methods"

__all__ = [
    "BOUNDS",
    "METHODS",
    "STANDARD",
    "Entry",
    "Forecaster",
    "Method",
    "find_entry",
    "find_forecaster",
    "find_method",
    "label",
]


def __getattr__(name: str) -> Any:
    """The class of a registered method, imported when it is asked for."""
    for entry in METHODS.values():
        if entry.place.endswith(f":{name}"):
            return entry.load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def label(name: str) -> str:
    """A method's name in tables and figures: a class of another package is called by its own."""
    if name.endswith(CALIBRATED):
        return f"{label(name.removesuffix(CALIBRATED))}, calibrated"
    return METHODS[name].label if name in METHODS else name.rpartition(":")[2]


def find_entry(name: str) -> Entry:
    """The entry of a method.

    Parameters
    ----------
    name : str
        A name in `METHODS`, bounds excluded; an entry point of the group "synapsnet.methods" of an installed package;
        or where the class is, "pkg.module:Class". With `CALIBRATED` after it, it reports by a threshold that is
        calibrated on the recording itself (`synapsnet.inference.scores`).

    Raises
    ------
    InputError
        If there is no such name, module or class, the class has neither `infer` nor `fit` and `forecast`, or it needs
        arguments.
    """
    if name.endswith(CALIBRATED):
        entry = find_entry(name.removesuffix(CALIBRATED))
        return replace(entry, label=label(name), forecasts=(), calibrated=True)
    if name in METHODS and name not in BOUNDS:
        return METHODS[name]
    plugins = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    place = plugins.get(name, name)
    if ":" not in place:
        ours = [name for name in METHODS if name not in BOUNDS]
        raise unknown_name("method", name, [*ours, *plugins, "pkg.module:Class"])
    method_class = Entry(label(name), place).load()
    infers, forecasts = (
        all(callable(getattr(method_class, function, None)) for function in functions)
        for functions in (["infer"], ["fit", "forecast"])
    )
    if not infers and not forecasts:
        raise InputError(
            f"The class {place!r} is not a method: it must have infer(recording) -> Connectome, or fit(recording) and "
            "forecast(recording, horizon)."
        )
    try:
        inspect.signature(method_class).bind()
    except (TypeError, ValueError) as error:  # ValueError: it has no signature
        raise InputError(f"The method {place!r} must be constructible without arguments: {error}.") from error
    return Entry(label(name), place, BOTH if infers else (), BOTH if forecasts else ())


def find_methods_in(folder: str | Path) -> None:
    """Find methods in the modules of a folder, too: last, so that they hide none of ours or Python's."""
    sys.path.append(str(folder))


def find_method(name: str) -> type[Method]:
    """The class of a method that infers connectivity.

    Parameters
    ----------
    name : str
        See `find_entry`.

    Raises
    ------
    InputError
        As `find_entry`; also if the method only forecasts.
    """
    entry = find_entry(name)
    if not entry.infers:
        raise InputError(
            f"The method {name!r} forecasts but does not infer connectivity; name one that has infer(recording)."
        )
    return cast(type[Method], entry.load())


def find_forecaster(name: str) -> type[Forecaster]:
    """The class of a method that forecasts.

    Parameters
    ----------
    name : str
        See `find_entry`.

    Raises
    ------
    InputError
        As `find_entry`; also if the method only infers connectivity.
    """
    entry = find_entry(name)
    if not entry.forecasts:
        raise InputError(
            f"The method {name!r} infers connectivity but does not forecast; name one that has fit(recording) and "
            "forecast(recording, horizon)."
        )
    return cast(type[Forecaster], entry.load())
