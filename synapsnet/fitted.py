"""A SynapsNetModel together with the normalisation of its data: fitting, forecasts, connectivity."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from synapsnet.connectome import Connectome
from synapsnet.devices import add_up
from synapsnet.errors import InputError
from synapsnet.forecast_features import ForecastFeatures, n_features, n_inputs, n_own
from synapsnet.inference.calibration import calibrated
from synapsnet.inference.evidence import SMALLEST_INFORMATION, Evidence, gather_evidence, mean_gain
from synapsnet.inference.posterior import FINE_STEP_S, posterior
from synapsnet.inference.spectra import in_order
from synapsnet.inference.spike_evidence import ROUNDING, inferred_in_bins, resolves, spike_evidence
from synapsnet.memmap import blocks
from synapsnet.model import Architecture, SynapsNetModel
from synapsnet.model.connectivity import Free, StandardErrors
from synapsnet.model.likelihoods import LIKELIHOODS
from synapsnet.model.summary import Summary
from synapsnet.multi_step import MultiStep, origins, spaced
from synapsnet.nonlinear_readout import CHECKS, EXAMPLE_VALUES, NonlinearReadout
from synapsnet.normalised import Activity, normalised
from synapsnet.progress import Advance, Counter, Progress, unheard
from synapsnet.recording import Recording
from synapsnet.settings import Settings
from synapsnet.splits import Segments, split_rows
from synapsnet.stages import Stages, Tensors
from synapsnet.training import History, Schedule, Task, identity_of, mean_loss, train
from synapsnet.windows import segments_of_process, stretches, windows

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FORECAST_BATCH_VALUES = 4_000_000  # windows x neurons x steps per batch of a forecast: about 16 MB
SAMPLED_BATCHES = 64  # from which a decoder's mean gain is estimated
LEAST_MEAN = 1e-6  # of spikes in a bin, of a silent neuron
LEAST_CHANCE = 0.2  # of a spike, relative to what a neuron's own past lets the decoder expect
LEAST_UPDATES = 800  # chosen by validation loss on real recordings
MANY_NEURONS = 400  # beyond which training takes no more than these updates, on calcium from the autoregression
ENOUGH_TO_FORECAST, ENOUGH_TO_INFER = 400, 100  # chosen on calcium of 1,000 neurons (docs/large.md)
DECODED = {  # what models must agree in to share a decoder
    "likelihood": "likelihood",
    "dt_s": "time step in s",
    "n_steps": "history in steps",
    "n_behaviour": "number of behavioural variables",
    "n_embedding": "n_embedding",
    "n_hidden": "n_hidden",
    "decoder": "decoder",
}


@dataclass(frozen=True, eq=False)
class Material:
    """The data that a model is fitted to, and the sizes that follow from them.

    Attributes
    ----------
    recording : Recording
    activity : (T, N) float32 array
        Used in place of the recording's own.
    likelihood : str
        A name in `synapsnet.model.likelihoods`.
    n_lags, n_steps : int
        Synaptic kernel length and own past, in steps.
    """

    recording: Recording
    activity: npt.NDArray[np.float32]
    likelihood: str
    n_lags: int
    n_steps: int


def shape_of(material: Material, settings: Settings) -> dict[str, Any]:
    """Sizes and options of the model for this material, JSON-serialisable."""
    recording = material.recording
    architecture = Architecture(
        likelihood=material.likelihood,
        n_neurons=recording.n_neurons,
        n_lags=material.n_lags,
        n_steps=material.n_steps,
        n_embedding=settings.n_embedding,
        n_hidden=settings.n_hidden,
        n_behaviour=recording.behaviour_values.shape[1],
        sparsity=settings.sparsity,
        connectivity=settings.connectivity,
        decoder=settings.decoder,
        own_past=settings.own_past,
    )
    return asdict(architecture) | {"prior": settings.prior, "horizon": settings.horizon, "dt_s": recording.dt_s}


def require_one_decoder(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Refuse models whose shapes do not permit a common decoder; InputError."""
    for name, meaning in DECODED.items():
        alike = math.isclose(one[name], other[name], rel_tol=0.01) if name == "dt_s" else one[name] == other[name]
        if not alike:
            raise InputError(
                f"Models with one decoder need the same {meaning}; got {one[name]} and {other[name]}. "
                "Give recordings of one kind, and the same settings."
            )


class FittedModel(nn.Module):
    """A model, the normalisation it was trained with, and its readout for forecasts of more than one step.

    Parameters
    ----------
    shape : dict
        JSON-serialisable sizes and options of the model; together with `state_dict()` it determines the model.
    model : SynapsNetModel
    """

    history: History
    connectivity: Connectome
    centre: Tensor
    scale: Tensor
    behaviour_centre: Tensor
    behaviour_scale: Tensor
    lowest: Tensor
    highest: Tensor
    rest: Tensor

    def __init__(self, shape: dict[str, Any], model: SynapsNetModel) -> None:
        super().__init__()
        self.shape, self.model = shape, model
        self.dt_s = float(shape["dt_s"])
        n, n_behaviour, horizon = shape["n_neurons"], shape["n_behaviour"], shape["horizon"]
        self.register_buffer("centre", torch.zeros(n))
        self.register_buffer("scale", torch.ones(n))
        self.register_buffer("behaviour_centre", torch.zeros(n_behaviour))
        self.register_buffer("behaviour_scale", torch.ones(n_behaviour))
        self.register_buffer("lowest", torch.zeros(n))
        self.register_buffer("highest", torch.ones(n))
        self.register_buffer("rest", torch.zeros(n))
        self.ahead = MultiStep(n, n_features(shape), horizon)
        self.beyond_linear = NonlinearReadout(n, n_inputs(shape), shape["n_embedding"], horizon)

    @classmethod
    def fit(
        cls,
        materials: Sequence[Material],
        settings: Settings,
        fabric: Fabric,
        *,
        forecasts: bool,
        connectivity_only: bool = False,
        inferrers: Sequence[FittedModel] | None = None,
        pretrained: FittedModel | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: Progress = unheard,
    ) -> list[FittedModel]:
        """Normalise on the training part, build models of the data's size and train them, one for each material.

        Several models share one decoder, and one way to read embeddings. The decoder of a `pretrained` model is kept
        as it is, and the rest is fitted. Models used for `forecasts` are trained for more passes over short
        recordings, and learn to forecast several steps ahead, unless `connectivity_only` is wanted. Those of spikes
        whose connectivity the `inferrers` have inferred infer none.
        """
        prepared = [cls._prepare(material, settings, fabric.device) for material in materials]
        first = prepared[0][0]
        spikes = first.model.likelihood.modality == "spikes"
        many = max(fitted.shape["n_neurons"] for fitted, _ in prepared) > MANY_NEURONS
        # Of other spikes evidence takes longer than training.
        many &= not spikes or inferred_in_bins(materials[0].recording, settings.likelihood)
        for fitted, task in prepared:
            require_one_decoder((pretrained or first).shape, fitted.shape)
            if many and forecasts:
                fitted.model.start_from_autoregression(task.values, task.training)
            fitted.model.share(pretrained.frozen(fabric.device) if pretrained else first.model)
        n_rows = sum(b - a for _, task in prepared for a, b in task.training)
        batch_steps = settings.batch_steps or (512 if spikes else 256)
        n_passes, n_updates = settings.epochs, None
        if n_passes is None:
            n_passes, n_updates = _passes_and_updates(n_rows / batch_steps, spikes, forecasts, many)
        schedule = Schedule(
            epochs=n_passes,
            # From the autoregression on, the loss rises first, until the learning rate falls.
            patience=n_passes if many and not spikes else settings.patience,
            batch_steps=batch_steps,
            learning_rate=settings.learning_rate,
            updates=n_updates,
        )
        history = train(
            [task for _, task in prepared], schedule,
            seed=settings.seed, fabric=fabric, checkpoint=checkpoint, resume=resume,
            progress=lambda fraction: progress("training", fraction),
        )  # fmt: skip
        for k, ((fitted, task), material) in enumerate(zip(prepared, materials, strict=True)):
            stages = Stages(progress, fabric)
            if checkpoint is not None:
                identity = fitted._identity(task, material.recording)
                stages = Stages(progress, fabric, checkpoint / str(k), resume, identity)
            fitted.history = history
            fitted._conclude(
                material.recording, task, batch_steps, stages, settings.seed, forecasts and not connectivity_only,
                inferrers[k] if inferrers else None,
            )  # fmt: skip
        return [fitted for fitted, _ in prepared]

    @classmethod
    def _prepare(cls, material: Material, settings: Settings, device: torch.device) -> tuple[FittedModel, Task]:
        """An untrained model of the right size, and the normalised data on the device."""
        recording = material.recording
        training, validation = split_rows(recording.segments, settings.validation_fraction, gap=material.n_steps)
        likelihood = LIKELIHOODS[material.likelihood](recording.n_neurons)
        parts = (block for a, b in training for block in blocks(material.activity[a:b]))
        seen = Summary.of(map(torch.from_numpy, parts))
        centre, scale = likelihood.normalisation(seen)
        seen = seen.normalised(centre, scale)
        offset, errors = likelihood.start(seen)
        fitted = cls.build(shape_of(material, settings), errors, settings.seed)
        fitted.model.likelihood, fitted.model.offset = likelihood, offset
        fitted.centre, fitted.scale = centre, scale
        if recording.behaviour_values.shape[1]:
            behaviour = torch.from_numpy(recording.behaviour_values)
            shown = Summary.of(behaviour[a:b] for a, b in training)
            fitted.behaviour_centre, fitted.behaviour_scale = shown.mean, shown.scale
        fitted.lowest, fitted.highest, fitted.rest = seen.lowest, seen.highest, seen.mean
        fitted.to(device)
        x, b = fitted.normalise(material.activity, recording.behaviour_values)
        return fitted, Task(fitted.model, x, b, training, validation)

    def _identity(self, task: Task, recording: Recording) -> str:
        """Hash of everything that what follows training depends on."""
        facts = [json.dumps(self.shape), str(recording.segments), identity_of([task])]
        digest = hashlib.sha256(" ".join(facts).encode())
        digest.update(np.ascontiguousarray(recording.position_um).data)
        if recording.modality == "spikes" and recording.spike_times is not None:
            digest.update(recording.spike_times.time_support.values.tobytes())
            for train in in_order(recording.spike_times):
                digest.update(train.data)
        return digest.hexdigest()

    def _conclude(
        self, recording: Recording, task: Task, batch_steps: int, stages: Stages, seed: int, forecasts: bool,
        inferrer: FittedModel | None,
    ) -> None:  # fmt: skip
        """After training: infer the connectivity and, if the model `forecasts`, fit what forecasts need besides."""
        x, b, todo = task.values, task.behaviour, task.batches(batch_steps)
        gain: Tensor | None = None
        if inferrer is None:
            self.connectivity, gain = self._connectivity(recording, x, b, todo, stages)

        def weight() -> Tensor:
            """That was inferred, in units of the current."""
            if inferrer is None:
                inferred, mean = torch.from_numpy(self.connectivity.weight).to(x.device), gain
            else:
                inferred, mean = inferrer._weight_per_spike(), mean_gain(self.model, x, b, sampled(todo), stages.fabric)
            assert mean is not None
            return inferred / mean.float()[:, None]

        def readouts(advance: Advance) -> Tensors:
            if self.shape["prior"] != "none" and self.shape["connectivity"] == "free":
                check = task.checks(batch_steps)
                self._improve(weight(), x, b, todo, check, stages.fabric, lambda done: advance(done / 2))
            self._fit_readouts(task, recording.segments, seed, lambda done: advance((1 + done) / 2))
            return self.state_dict()

        if forecasts:
            self.load_state_dict(stages.result("readouts", readouts))

    def _weight_per_spike(self) -> Tensor:
        """(N, N) inferred weights in log rate per spike, of a model of spikes as if they were calcium.

        A weight in standard deviations per standard deviation is a change of the rate in units of its mean.
        """
        weight = torch.from_numpy(self.connectivity.weight).to(self.scale.device)
        return weight * (self.scale / self.centre.clamp(min=LEAST_MEAN))[:, None] / self.scale

    def _fit_readouts(self, task: Task, segments: Segments, seed: int, advance: Advance) -> None:
        """Fit the linear readout, and to what it misses the nonlinear one."""
        x, n_steps, batch = task.values, self.model.n_steps, self._batch()
        known = self._known(x, task.behaviour, segments)
        earlier = self.ahead.fit(
            x, task.training, task.validation, n_steps, known.features, n_own(self.shape), batch,
            lambda done: advance(done / 2),
        )  # fmt: skip
        # As far ahead as most windows reach.
        reach = self.ahead.learned_together(task.training, task.validation, n_steps)[0].stop
        horizon = self.shape["horizon"]

        @torch.no_grad()
        def examples(first: Tensor) -> tuple[Tensor, Tensor]:
            features = known.features(first)
            followed = torch.stack([x[first + h] for h in range(reach)])
            forecasts = earlier(features, horizon)
            missed = followed - forecasts[:reach]
            return known.inputs(first, features, forecasts), missed.permute(1, 2, 0)

        wanted = EXAMPLE_VALUES // (x.shape[1] * (n_inputs(self.shape) + reach))
        training, validation = (
            spaced(origins(part, n_steps, reach), most, x, batch)
            for part, most in ((task.training, wanted), (task.validation, wanted // CHECKS))
        )
        self.beyond_linear.fit(examples, training, validation, seed, lambda done: advance((1 + done) / 2))

    @classmethod
    def build(cls, shape: dict[str, Any], errors: StandardErrors, seed: int) -> FittedModel:
        """A model of the given shape, with initial parameters drawn from `seed`."""
        architecture = Architecture(**{field.name: shape[field.name] for field in fields(Architecture)})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(shape, SynapsNetModel(architecture, errors))

    @classmethod
    def restore(cls, shape: dict[str, Any], state: dict[str, Tensor]) -> FittedModel:
        """The model that had this `shape` and this `state_dict()`."""
        fitted = cls.build(shape, StandardErrors.unknown(shape["n_neurons"]), seed=0)
        fitted.load_state_dict(state)
        return fitted

    def frozen(self, device: torch.device) -> SynapsNetModel:
        """A copy of the model that training does not change."""
        return copy.deepcopy(self.model).to(device).requires_grad_(False)

    def normalise(self, values: npt.NDArray[np.float32], behaviour: npt.NDArray[np.float32]) -> tuple[Activity, Tensor]:
        """Activity and behaviour as the model sees them, on its device."""
        shown = torch.from_numpy(behaviour).to(self.centre.device)
        return normalised(values, self.centre, self.scale), (shown - self.behaviour_centre) / self.behaviour_scale

    def forecast(self, recording: Recording, horizon: int, progress: Advance) -> npt.NDArray[np.float32]:
        """See `synapsnet.estimator.SynapsNet.forecast`."""
        n_neurons, n_behaviour, reach = (self.shape[name] for name in ("n_neurons", "n_behaviour", "horizon"))
        if not 1 <= horizon <= reach:
            raise InputError(f"The horizon must lie between 1 and the {reach} steps of the fit; got {horizon}.")
        if recording.n_neurons != n_neurons or recording.behaviour_values.shape[1] != n_behaviour:
            raise InputError(
                f"The model was fitted to {n_neurons} neurons and {n_behaviour} behavioural variables; the recording "
                f"has {recording.n_neurons} and {recording.behaviour_values.shape[1]}. Give one of the same neurons."
            )
        modality = self.model.likelihood.modality
        if recording.modality != modality or not math.isclose(recording.dt_s, self.dt_s, rel_tol=0.01):
            raise InputError(
                f"The model was fitted to {modality} in steps of {self.dt_s:g} s; the recording holds "
                f"{recording.modality} in steps of {recording.dt_s:g} s. Give one of the same kind."
            )
        device, n_steps = self.centre.device, self.model.n_steps
        x, b = self.normalise(recording.values, recording.behaviour_values)
        result = np.full((horizon, *recording.values.shape), np.nan, np.float32)
        known, nonlinear = self._known(x, b, recording.segments), bool(self.beyond_linear.share.any())
        for first, last in stretches(recording.segments, n_steps, self._batch()):
            end = next(stop for start, stop in recording.segments if start <= first < stop)
            target = first + n_steps  # of the first window, one step ahead
            unknown = torch.arange(target, last, device=device)  # the first step that each window does not know
            features = known.features(unknown)
            linear = self.ahead(features, reach if nonlinear else horizon)
            steps = linear[:horizon]
            if nonlinear:
                steps = steps + self.beyond_linear(known.inputs(unknown, features, linear), horizon)
            steps = torch.clamp(steps, self.lowest, self.highest)
            if modality == "spikes":  # a linear readout may predict 0, and the next spike then costs infinity
                steps[0] = torch.maximum(steps[0], LEAST_CHANCE * features[..., 0])
            expected = (steps * self.scale + self.centre).cpu().numpy()
            for h in range(horizon):
                kept = min(last, end - h) - target
                if kept > 0:
                    result[h, target + h : target + h + kept] = expected[h, :kept]
            progress(last / recording.n_steps)
        progress(1.0)
        return result

    def _batch(self) -> int:
        return max(1, FORECAST_BATCH_VALUES // (self.shape["n_neurons"] * self.shape["n_steps"]))

    def _known(self, x: Activity, b: Tensor, segments: Segments) -> ForecastFeatures:
        return ForecastFeatures.of(self.model, x, b, segments, self.rest, self._batch())

    @torch.no_grad()
    def _improve(
        self,
        weight: Tensor,
        x: Activity,
        b: Tensor,
        todo: list[Segments],
        check: list[Segments],
        fabric: Fabric,
        advance: Advance = unheard,
    ) -> None:
        """Replace the trained `W` by `weight` if that forecasts the validation part better.

        Weights inferred from spike times have seen the validation part as well. What is held out from the fit is new to
        both.
        """
        model = self.model
        assert model.synapses is not None
        assert isinstance(model.synapses.connectivity, Free)
        trained = {name: value.clone() for name, value in model.state_dict().items()}
        loss = mean_loss(model, x, b, check, fabric)
        model.synapses.connectivity.set_weight(weight)
        counted = Counter(len(sampled(todo)) + len(todo), advance)
        for batches in (sampled(todo), todo):  # fit the offsets to the new weights
            score, information = torch.zeros(2, *model.offset.shape, device=x.device)
            for batch in counted(batches):
                for start, stop in segments_of_process(batch, model.n_steps, fabric.global_rank, fabric.world_size):
                    past, context, target = windows(x[start:stop], b[start:stop], model.n_steps)
                    eta = model(past, context)
                    score += model.score(eta, target).sum(0)
                    information += model.fisher_information(eta).sum(0)
            model.offset += add_up(fabric, score) / add_up(fabric, information).clamp(min=SMALLEST_INFORMATION)
        if not mean_loss(model, x, b, check, fabric) < loss:
            model.load_state_dict(trained)

    def _connectivity(
        self, recording: Recording, x: Activity, b: Tensor, todo: list[Segments], stages: Stages
    ) -> tuple[Connectome, Tensor | None]:
        """The inferred connectivity, with weights in units of the prediction; and the (N,) mean gain of decoders."""
        n, unit, prior = self.shape["n_neurons"], self.model.likelihood.unit, self.shape["prior"]
        if self.model.synapses is None:
            return unconnected(n, unit), None

        def evidence(advance: Advance) -> Tensors:
            fabric = stages.fabric
            if resolves(recording):
                found = spike_evidence(recording, x.device, advance)
                return found.to_tensors() | {"gain": mean_gain(self.model, x, b, sampled(todo), fabric)}
            found, gain = gather_evidence(self.model, x, b, todo, fabric, advance)
            if prior != "none":
                found = calibrated(found, recording.position_um if recording.modality == "calcium" else None)
            return found.to_tensors() | {"gain": gain}

        def connectome(advance: Advance) -> Tensors:
            tensors = stages.result("evidence", evidence)
            gain = tensors.pop("gain")
            fine_steps = recording.dt_s <= FINE_STEP_S * (1 + ROUNDING)
            found = connectome_of(Evidence.from_tensors(tensors), prior, unit, fine_steps, advance)
            return {name: torch.from_numpy(matrix) for name, matrix in found.matrices.items()} | {"gain": gain}

        tensors = stages.result("posterior", connectome)
        gain = tensors.pop("gain")
        matrices: dict[str, Any] = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
        return Connectome(**matrices, unit=unit), gain


def sampled(batches: list[Segments]) -> list[Segments]:
    """At most `SAMPLED_BATCHES`, spread over all."""
    return batches[:: 1 + len(batches) // SAMPLED_BATCHES]


def unconnected(n_neurons: int, unit: str) -> Connectome:
    """The connectome of neurons that are certainly not connected; its matrices take no memory."""
    zero, one = (np.broadcast_to(np.float32(value), (n_neurons, n_neurons)) for value in (0, 1))
    return Connectome(zero, standard_error=one, local_fdr=one, unit=unit)


def connectome_of(
    evidence: Evidence, prior: str, unit: str, fine_steps: bool = False, advance: Advance = unheard
) -> Connectome:
    """The connectome inferred from calibrated evidence."""
    if prior == "none":
        weight, error = (matrix.cpu().numpy() for matrix in (evidence.estimate, evidence.standard_error))
        return Connectome(weight, standard_error=error, unit=unit)
    evidence = evidence if prior == "learned" else evidence.without_zero_lag()
    connections = posterior(evidence, fine_steps, advance)
    weight, error, p_value, local_fdr = (
        matrix.cpu().numpy() for matrix in (connections.mean, connections.sd, connections.p_value, connections.p_absent)
    )
    return Connectome(weight, standard_error=error, p_value=p_value, local_fdr=local_fdr, unit=unit)


def _passes_and_updates(updates_per_pass: float, spikes: bool, forecasts: bool, many: bool) -> tuple[int, int | None]:
    """Number of passes over the training part, and of updates in each of them; None: as many as a pass has.

    Of a short recording there are more passes, so that it gets enough updates. Evidence for connections is computed
    after training and needs few. With many neurons, of which a pass takes long, there are no more than calcium needs
    that starts from its autoregression.
    """
    fewest, most = (2, 16) if spikes else (15, 60) if forecasts else (5, 5)
    n_passes = min(max(fewest, math.ceil(LEAST_UPDATES / updates_per_pass)), most) if forecasts else fewest
    if many:
        enough = ENOUGH_TO_FORECAST if forecasts else ENOUGH_TO_INFER
        n_passes = min(n_passes, math.ceil(enough / updates_per_pass))
    elif n_passes > fewest:
        enough = LEAST_UPDATES
    else:
        return n_passes, None
    return n_passes, math.ceil(enough / n_passes)
