"""SynapsNet as an estimator: `fit` a recording, read `connectivity_`, `forecast`, `save` and `load`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
import safetensors.torch
import sklearn.exceptions
import torch
from sklearn.base import BaseEstimator

from synapsnet.activity_checks import extremes
from synapsnet.connectome import Connectome
from synapsnet.deconvolution import deconvolve
from synapsnet.devices import Device, Precision, kind_of_device, launch, torch_device
from synapsnet.errors import InputError
from synapsnet.files import atomic_paths, make_folder
from synapsnet.fitted import (
    FittedModel,
    Material,
    connectome_of,
    require_one_decoder,
    shape_of,
    unconnected,
)
from synapsnet.forecast_features import n_features, n_inputs
from synapsnet.inference.delays import transmission_delays
from synapsnet.inference.spectra import time_resolution_s
from synapsnet.inference.spike_evidence import (
    LONGEST_STEP_S,
    inferred_in_bins,
    resolves,
    spectra_bytes,
    spike_evidence,
)
from synapsnet.limits import require_memory
from synapsnet.listed_connectome import from_arrays, to_arrays
from synapsnet.memmap import is_large
from synapsnet.model.likelihoods import LIKELIHOODS
from synapsnet.nonlinear_readout import EXAMPLE_VALUES
from synapsnet.progress import Advance, Progress, unheard
from synapsnet.recording import Recording
from synapsnet.settings import Settings
from synapsnet.splits import split_rows
from synapsnet.training import History, section
from synapsnet.windows import require_windows

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FORMAT_VERSION = 8
BYTES_PER_PAIR = 100  # of neurons: weights, evidence and posterior (docs/large.md)
PARAMETERS, DESCRIPTION = "model.safetensors", "model.json"

SYNAPSE_S = 0.030  # synaptic kernels of spike models: a cortical postsynaptic current is over by then
HISTORY_S = 0.050  # own past of spike models: refractoriness and bursts
CALCIUM_LAGS, CALCIUM_HISTORY = 4, 8  # frames; the indicator, not the synapse, is slow
DECONVOLVED_HISTORY = 4  # frames


class NotFittedError(InputError, sklearn.exceptions.NotFittedError):
    """A fitted attribute was read before `fit`. Both scikit-learn's NotFittedError and an InputError."""


class SynapsNet(BaseEstimator):
    """Directed functional connectivity and forecasts of a recorded population.

    From spikes that are known to 10 ms or better, of not too many neurons, connectivity is inferred from the
    correlograms of the whole recording (`synapsnet.inference.spike_evidence`). For calcium, and for other spikes,
    there are two models of the same kind: one forecasts; the other infers connectivity from the deconvolved activity,
    or from the spikes as if they were that, and must not forecast, because deconvolution looks ahead. The recording is
    deconvolved as a whole, so the validation part of that model is not quite independent of its training part.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
    precision : {"32-true", "bf16-mixed"}
        Precision of training. Processes started by `torchrun` share the work, see `synapsnet.devices`.
    connectivity, likelihood, decoder, n_lags, n_history, n_embedding, n_hidden, own_past, sparsity, prior, epochs, \
    patience, batch_steps, learning_rate, horizon, validation_fraction, seed
        See `synapsnet.settings.Settings`.

    Attributes
    ----------
    connectivity_ : Connectome
        See `synapsnet.inference.posterior`: `weight[post, pre]` is the posterior mean, in log odds or log rate per
        presynaptic spike, or in standard deviations per standard deviation where a model of its own infers it, and
        `standard_error` the posterior standard deviation; `local_fdr` is the probability that there is no connection,
        and `p_value` is that of the lagged evidence alone. With spike times, `delay_s` is given for connections that
        are more probable than not, see `synapsnet.inference.delays`. There are no connections with
        `connectivity="none"`. Constraints on the trained `W` do not apply here.
    embedding_ : (N, n_embedding) array
    history_ : dict of str -> History
        Losses of the forecasting model ("forecast") and, where there is one, of the "inference" model.

    Raises
    ------
    InputError
        If a setting is out of range, or there is no such device.
    NotFittedError
        If an attribute with a trailing underscore is read before `fit`.

    Examples
    --------
    >>> model = SynapsNet(seed=1).fit(recording)  # doctest: +SKIP
    >>> model.connectivity_.scores  # doctest: +SKIP
    """

    connectivity_: Connectome
    embedding_: npt.NDArray[np.float32]
    history_: dict[str, History]
    _forecaster: FittedModel

    def __init__(
        self,
        *,
        device: Device = "auto",
        precision: Precision = "32-true",
        connectivity: Literal["free", "low-rank", "dale", "none"] = "free",
        likelihood: Literal["auto", "bernoulli", "poisson", "negative-binomial", "gaussian"] = "auto",
        decoder: Literal["mlp", "gru"] = "mlp",
        n_lags: int | None = None,
        n_history: int | None = None,
        n_embedding: int = 8,
        n_hidden: int = 16,
        own_past: bool = True,
        sparsity: float = 2.0,
        prior: Literal["learned", "lags", "none"] = "learned",
        epochs: int | None = None,
        patience: int = 3,
        batch_steps: int | None = None,
        learning_rate: float = 0.005,
        horizon: int = 16,
        validation_fraction: float = 0.1,
        seed: int = 0,
    ) -> None:
        # scikit-learn's `clone` needs the arguments unchanged, so `Settings` checks a copy of them.
        self.device, self.precision = device, precision
        self.connectivity, self.likelihood, self.decoder = connectivity, likelihood, decoder
        self.n_lags, self.n_history, self.n_embedding, self.n_hidden = n_lags, n_history, n_embedding, n_hidden
        self.own_past = own_past
        self.sparsity, self.prior, self.epochs, self.patience = sparsity, prior, epochs, patience
        self.batch_steps, self.learning_rate, self.horizon = batch_steps, learning_rate, horizon
        self.validation_fraction, self.seed = validation_fraction, seed
        self._check_parameters()

    def set_params(self, **params: Any) -> Self:
        """Change parameters, as in scikit-learn; what has been fitted already is not affected.

        Raises
        ------
        InputError
            If a parameter is out of range.
        ValueError
            If there is no such parameter.
        """
        super().set_params(**params)
        self._check_parameters()
        return self

    def _check_parameters(self) -> None:
        _ = kind_of_device(self.device, self.precision), self.settings

    @property
    def fabric(self) -> Fabric:
        """The device, and the processes that share the work."""
        return launch(self.device, self.precision)

    @property
    def settings(self) -> Settings:
        """The parameters besides `device` and `precision`, checked."""
        return Settings(**{name: getattr(self, name) for name in Settings.model_fields})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not name.endswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise NotFittedError(f"This SynapsNet is not fitted, so it has no {name}; call fit, or load a fitted one.")

    @property
    def kernel_(self) -> npt.NDArray[np.float32] | None:
        """(N, L) synaptic kernel of each presynaptic neuron in the forecasting model, over lags of 1 to L steps.

        The sum of its absolute values is 1. None with `connectivity="none"`.

        Raises
        ------
        InputError
            If the model is not fitted.
        """
        synapses = self._fitted().model.synapses
        return None if synapses is None else synapses.kernel.detach().cpu().numpy()

    @property
    def weight_(self) -> npt.NDArray[np.float32] | None:
        """(N, N) `W` of the forecasting model, `[post, pre]`, subject to the constraint in the settings.

        The inferred connectivity is `connectivity_`. None with `connectivity="none"`.

        Raises
        ------
        InputError
            If the model is not fitted.
        """
        synapses = self._fitted().model.synapses
        return None if synapses is None else synapses.weight.detach().cpu().numpy()

    def fit(
        self,
        recording: Recording,
        *,
        pretrained: SynapsNet | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: Progress = unheard,
    ) -> Self:
        """Fit to all of `recording`: train on its earlier part, and stop early by the loss on its last part.

        Parameters
        ----------
        recording : Recording
            Hold out the data for testing beforehand (`synapsnet.splits.holdout`).
        pretrained : SynapsNet, optional
            A model fitted to another recording of the same kind. Its decoder is used unchanged, and only embeddings,
            kernels and `W` are fitted. The model that infers connectivity from calcium is fitted as a whole.
        checkpoint : Path, optional
            Folder for the state of training after each pass, and for the results of the stages that follow it.
        resume : bool
            Continue from `checkpoint`; the result is that of an uninterrupted fit.
        progress : callable
            Called with the name of the stage and the fraction of it that is done.

        Raises
        ------
        InputError
            If epochs are shorter than the history, the likelihood does not suit the data, training diverges, or the
            pretrained model was fitted to another kind of data or with other settings.
        """
        fit_models([self], [recording], pretrained=pretrained, checkpoint=checkpoint, resume=resume, progress=progress)
        return self

    def infer(self, recording: Recording) -> Connectome:
        """The connectivity that `fit` would infer, without training what only forecasts need.

        Raises
        ------
        InputError
            As `fit`.
        """
        likelihood, n_lags, n_steps = self.check(recording)
        if self.settings.connectivity != "none" and resolves(recording):  # from spike times: nothing to train
            evidence = spike_evidence(recording, self.fabric.device)
            connectome = connectome_of(evidence, self.settings.prior, LIKELIHOODS[likelihood].unit)
            return _with_delays(connectome, recording)
        forecasts = not self._infers_apart(recording)  # there is only one model
        material = (
            Material(recording, recording.values, likelihood, n_lags, n_steps)
            if forecasts
            else self._to_infer(recording)
        )
        (inferrer,) = FittedModel.fit(
            [material], self.settings, self.fabric, forecasts=forecasts, connectivity_only=True
        )
        return _with_delays(inferrer.connectivity, recording)

    def _infers_apart(self, recording: Recording) -> bool:
        """Whether one model forecasts and another infers connectivity."""
        if self.settings.connectivity == "none":
            return False
        return recording.modality == "calcium" or inferred_in_bins(recording, self.settings.likelihood)

    def _to_infer(self, recording: Recording, advance: Advance = unheard) -> Material:
        """What connectivity is inferred from: deconvolved calcium, or spikes in bins as if they were that.

        The Gaussian likelihood weighs all steps alike, so that what neurons share at some times stands out less than
        under a likelihood of counts. And its estimates are those of a linear regression, which has a solution where a
        neuron has fewer spikes than there are neurons.
        """
        activity = deconvolve(recording, advance) if recording.modality == "calcium" else recording.values
        return Material(recording, activity, "gaussian", *self._steps_to_infer())

    def _steps_to_infer(self) -> tuple[int, int]:
        """Kernel length and history of the model that infers apart."""
        n_lags = self.settings.n_lags or min(CALCIUM_LAGS, self.settings.n_history or CALCIUM_LAGS)
        return n_lags, max(n_lags, self.settings.n_history or DECONVOLVED_HISTORY)

    def check(self, recording: Recording) -> tuple[str, int, int]:
        """Refuse what `fit` would refuse; return the likelihood, kernel length and history that it would use."""
        likelihood = self._likelihood(recording)
        if recording.modality == "spikes":
            n_lags, n_steps = max(1, round(SYNAPSE_S / recording.dt_s)), round(HISTORY_S / recording.dt_s)
        else:
            n_lags, n_steps = CALCIUM_LAGS, CALCIUM_HISTORY
        n_lags = self.settings.n_lags or min(n_lags, self.settings.n_history or n_lags)
        n_steps = self.settings.n_history or max(n_lags, n_steps)
        if n_lags > n_steps:
            raise InputError(
                f"Synaptic kernels of {n_lags} steps need a history at least as long; got {n_steps} steps. Raise "
                "n_history, or lower n_lags."
            )
        training, validation = split_rows(recording.segments, self.settings.validation_fraction, gap=n_steps)
        require_windows(training, validation, n_steps)
        if self._infers_apart(recording):
            _, history = self._steps_to_infer()
            require_windows(*split_rows(recording.segments, self.settings.validation_fraction, gap=history), history)
        longest = max(stop - start for start, stop in training)
        if self.settings.horizon > max(longest, Settings().horizon):
            raise InputError(
                f"A horizon of {self.settings.horizon} steps is longer than any epoch of the training part, {longest} "
                "steps; use a shorter one, or record longer."
            )
        self._require_memory(recording, longest, n_steps)
        return likelihood, n_lags, n_steps

    def _require_memory(self, recording: Recording, longest: int, n_steps: int) -> None:
        """Refuse a fit that would not fit into memory, judged by its largest arrays."""
        settings, n = self.settings, recording.n_neurons
        at_once = min(settings.batch_steps or 256, longest)
        decoder = settings.n_hidden * (settings.n_embedding + n_steps + at_once * n)
        shape = settings.model_dump() | {"n_steps": n_steps, "n_behaviour": recording.behaviour_values.shape[1]}
        per_neuron = n * (settings.n_embedding + settings.horizon * n_features(shape))
        examples = min(EXAMPLE_VALUES, recording.values.size * (n_inputs(shape) + settings.horizon))
        in_memory = 0 if is_large(recording.values.shape) else 3 * recording.values.size
        require_memory(
            4 * (in_memory + 4 * per_neuron + decoder + examples)
            + max(BYTES_PER_PAIR * n**2, spectra_bytes(recording) if resolves(recording) else 0),
            f"A fit of {n} neurons in {recording.n_steps} steps with {settings.n_hidden} hidden units, embeddings of "
            f"{settings.n_embedding} and a horizon of {settings.horizon}",
            "use fewer neurons, a shorter recording or a smaller model",
        )

    def check_pretrained(self, recording: Recording, pretrained: SynapsNet) -> None:
        """Refuse at once a model whose decoder does not suit the recording or the settings; InputError."""
        material = Material(recording, recording.values, *self.check(recording))
        require_one_decoder(pretrained._fitted().shape, shape_of(material, self.settings))

    def forecast(self, recording: Recording, horizon: int, *, progress: Advance = unheard) -> npt.NDArray[np.float32]:
        """Expected activity at every step, forecast from up to `horizon` steps before.

        They are read out from what the model, and the recent past, say of each neuron and of the currents that it
        receives, see `synapsnet.multi_step` and `synapsnet.nonlinear_readout`.

        Parameters
        ----------
        recording : Recording
            T steps of the same neurons as in the fit.
        horizon : int
            Steps H.
        progress : callable
            Called with the fraction done.

        Returns
        -------
        (H, T, N) float32 array
            `[h - 1, t]` is the forecast of step t made with everything up to step t - h. NaN where that
            is not within the epoch or has not enough history.

        Raises
        ------
        InputError
            If the model is not fitted, the horizon is longer than the fit's, or the recording has other
            neurons or behaviour, another modality or another time step.
        """
        return self._fitted().forecast(recording, horizon, progress)

    def save(self, folder: str | Path, *, every_pair: bool = False) -> None:
        """Write `model.safetensors` and `model.json` into `folder`.

        A previous model is replaced only when the new one is completely written, the JSON file last.

        Parameters
        ----------
        folder : path
        every_pair : bool
            Whether to write what is inferred of every pair even of more than 2,000 neurons. By default only pairs that
            may be connected are kept of these, see `synapsnet.listed_connectome`.

        Raises
        ------
        InputError
            If the model is not fitted, or `folder` cannot be written to.
        """
        folder, forecaster = Path(folder), self._fitted()
        make_folder(folder)
        tensors = {f"forecaster.{name}": value for name, value in forecaster.state_dict().items()}
        tensors |= {
            f"connectivity.{name}": torch.from_numpy(np.ascontiguousarray(array))
            for name, array in to_arrays(self.connectivity_, every_pair).items()
            if self.settings.connectivity != "none"
        }
        tensors["embedding"] = torch.from_numpy(self.embedding_.copy())
        description = {
            "format_version": FORMAT_VERSION,
            "settings": self.settings.model_dump(mode="json"),
            "model": forecaster.shape,
            "connectivity_unit": self.connectivity_.unit,
            "history": {name: vars(history) for name, history in self.history_.items()},
        }
        with atomic_paths(folder / PARAMETERS, folder / DESCRIPTION) as (parameters, described):
            safetensors.torch.save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, parameters)
            described.write_text(json.dumps(description, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, *, device: Device = "auto") -> SynapsNet:
        """Read a model written by `save`; it forecasts exactly as the saved one did.

        Raises
        ------
        InputError
            If the folder holds no fitted model, a damaged one, or one of another version.
        """
        folder = Path(folder)
        try:
            described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{folder} holds no fitted model ({DESCRIPTION} is missing); fit one first.") from error
        except ValueError as error:
            raise InputError(f"{folder / DESCRIPTION} is damaged; fit the model again.") from error
        if not isinstance(described, dict) or described.get("format_version") != FORMAT_VERSION:
            version = described.get("format_version") if isinstance(described, dict) else None
            raise InputError(
                f"The model in {folder} has format {version}, but this version reads {FORMAT_VERSION}; fit it again."
            )
        try:
            loaded = cls(device=device, **Settings.restore(described["settings"]).model_dump())
            tensors = safetensors.torch.load_file(folder / PARAMETERS)
            loaded._forecaster = FittedModel.restore(described["model"], section(tensors, "forecaster.")).to(
                torch_device(device)
            )
            arrays = {name: tensor.numpy() for name, tensor in section(tensors, "connectivity.").items()}
            unit = described["connectivity_unit"]
            none = loaded.settings.connectivity == "none"
            loaded.connectivity_ = (
                unconnected(described["model"]["n_neurons"], unit) if none else from_arrays(arrays, unit)
            )
            loaded.embedding_ = tensors["embedding"].numpy()
            loaded.history_ = {name: History(**history) for name, history in described["history"].items()}
        except (OSError, KeyError, TypeError, AttributeError, RuntimeError, safetensors.SafetensorError) as error:
            raise InputError(
                f"The model in {folder} is damaged ({str(error).splitlines()[0]}); fit it again."
            ) from error
        return loaded

    def _fitted(self) -> FittedModel:
        if not hasattr(self, "_forecaster"):
            raise NotFittedError("This SynapsNet is not fitted; call fit, or load a fitted one.")
        return self._forecaster

    def _likelihood(self, recording: Recording) -> str:
        chosen = self.settings.likelihood
        if recording.modality == "calcium":
            return _of_calcium(chosen)
        return _of_spikes(chosen, float(extremes(recording.values)[1].max()))


def _of_calcium(chosen: str) -> str:
    if chosen not in ("auto", "gaussian"):
        raise InputError(f"Calcium needs the Gaussian likelihood; got {chosen!r}. Use likelihood='auto'.")
    return "gaussian"


def _of_spikes(chosen: str, most: float) -> str:
    if chosen == "gaussian":
        raise InputError(f"Spikes need the Bernoulli, the Poisson or the negative binomial likelihood; got {chosen!r}.")
    if chosen == "bernoulli" and most > 1:
        raise InputError(
            f"The Bernoulli likelihood needs at most one spike per bin; there are {most:g}. Use shorter bins or "
            "likelihood='poisson'."
        )
    if chosen == "auto":
        return "bernoulli" if most <= 1 else "poisson"
    return chosen


def fit_models(
    models: Sequence[SynapsNet],
    recordings: Sequence[Recording],
    *,
    pretrained: SynapsNet | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Progress = unheard,
) -> None:
    """Fit models with the same settings, one to each recording, as `SynapsNet.fit` does; several share one decoder."""
    settings, fabric = models[0].settings, models[0].fabric
    forecast = [
        Material(recording, recording.values, *model.check(recording))
        for model, recording in zip(models, recordings, strict=True)
    ]
    infers_apart, of_spikes = models[0]._infers_apart(recordings[0]), recordings[0].modality == "spikes"
    if any(model._infers_apart(recording) != infers_apart for model, recording in zip(models, recordings, strict=True)):
        raise InputError(
            "Recordings that are fitted together must be inferred from in one way; of some the spike times are fine "
            f"enough, within {LONGEST_STEP_S * 1000:g} ms, and of others only bins can be used. Fit those apart, or "
            "give all of them in bins."
        )
    shapes = [shape_of(material, settings) for material in forecast]
    for shape in shapes:  # told before anything is fitted
        require_one_decoder(pretrained._fitted().shape if pretrained else shapes[0], shape)

    def part(name: str) -> Progress:
        return lambda stage, fraction: progress(f"{name}: {stage}" if infers_apart else stage, fraction)

    def fit_forecasters(inferrers: list[FittedModel] | None = None) -> list[FittedModel]:
        return FittedModel.fit(
            forecast, settings, fabric, forecasts=True, inferrers=inferrers,
            pretrained=None if pretrained is None else pretrained._fitted(),
            checkpoint=checkpoint and checkpoint / "forecast", resume=resume, progress=part("forecasts"),
        )  # fmt: skip

    def fit_inferrers() -> list[FittedModel]:
        deconvolving = partial(part("connections"), "deconvolution")
        to_infer = [
            model._to_infer(recording, deconvolving) for model, recording in zip(models, recordings, strict=True)
        ]
        return FittedModel.fit(
            to_infer, settings, fabric, forecasts=False,
            checkpoint=checkpoint and checkpoint / "inference", resume=resume, progress=part("connections"),
        )  # fmt: skip

    if infers_apart and of_spikes:
        inferrers = fit_inferrers()
        forecasters = fit_forecasters(inferrers)
    elif infers_apart:
        forecasters = fit_forecasters()
        for forecaster in forecasters:
            del forecaster.connectivity  # large, and replaced
        inferrers = fit_inferrers()
    else:
        forecasters = inferrers = fit_forecasters()
    for model, recording, forecaster, inferrer in zip(models, recordings, forecasters, inferrers, strict=True):
        model._forecaster = forecaster
        model.history_ = {"forecast": forecaster.history}
        if infers_apart:
            model.history_["inference"] = inferrer.history
        model.connectivity_ = _with_delays(inferrer.connectivity, recording, progress)
        model.embedding_ = inferrer.model.embedding.detach().cpu().numpy()
        if not np.isfinite(model.embedding_).all():
            raise InputError(
                "The fit ended in numbers that are not finite; look for extreme values in the recording, or use a "
                "smaller learning rate."
            )


def _with_delays(connectivity: Connectome, recording: Recording, progress: Progress = unheard) -> Connectome:
    """The connectome with delays of probable connections, if spike times are known to a millisecond."""
    if recording.modality == "calcium" or recording.spike_times is None or connectivity.local_fdr is None:
        return connectivity
    if time_resolution_s(recording.spike_times) > 0:
        return connectivity
    progress("delays", 0.0)
    probable = connectivity.local_fdr < 0.5
    delay_s = transmission_delays(recording.spike_times, connectivity.scores, probable)
    progress("delays", 1.0)
    return replace(connectivity, delay_s=delay_s)
