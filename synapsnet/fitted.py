"""One SynapsNetModel with the normalisation of its data: fit it, forecast with it, read its connectivity."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from synapsnet.ahead import Ahead
from synapsnet.devices import add_up
from synapsnet.edges import Evidence, posterior
from synapsnet.errors import InputError
from synapsnet.model import Likelihood, SynapsNetModel
from synapsnet.recording import Connectome, Recording
from synapsnet.settings import Settings
from synapsnet.splits import Segments, split_rows
from synapsnet.training import History, Schedule, batches, mean_loss, n_targets, share, stretches, train, windows

FORECAST_BATCH_VALUES = 4_000_000  # windows x neurons x steps per batch of a forecast: about 16 MB
NEWTON_STEPS = 2
LEAST_UPDATES = 800  # chosen by validation loss on the real recordings that the README names
SMALLEST_VARIANCE = 1e-5  # of what is sent, as a share of the largest: above the rounding of float32
SMALLEST_INFORMATION = 1e-12  # of a neuron that was silent: a huge but finite standard error


class FittedModel(nn.Module):
    """A model, what it needs to see a recording's activity as it was trained, and how far to trust its roll-outs.

    Parameters
    ----------
    shape : dict
        JSON-serialisable sizes and options of the model; with `state_dict()` all that is to be saved.
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
        self.ahead = Ahead(n, 2 + shape["n_steps"], horizon)

    @classmethod
    def fit(
        cls,
        recording: Recording,
        activity: npt.NDArray[np.float32],
        likelihood: Likelihood,
        n_lags: int,
        n_steps: int,
        settings: Settings,
        fabric: Fabric,
        *,
        forecasts: bool,
        checkpoint: Path | None,
        resume: bool,
        progress: Callable[[float], None],
    ) -> FittedModel:
        """Normalise on the training part, build a model of the data's size and train it.

        `activity`, (T, N), takes the place of the recording's own. Roll-outs are calibrated
        if the model `forecasts`.
        """
        training, validation = split_rows(recording.segments, settings.validation_fraction, gap=n_steps)
        spikes = likelihood != "gaussian"
        values = torch.from_numpy(activity)
        behaviour = torch.from_numpy(recording.behaviour_values)
        rows = torch.cat([torch.arange(a, b) for a, b in training])
        mean, spread = values[rows].mean(0), _spread(values[rows])
        shape = {
            "likelihood": likelihood,
            "n_neurons": recording.n_neurons,
            "n_lags": n_lags,
            "n_steps": n_steps,
            "n_embedding": settings.n_embedding,
            "n_hidden": settings.n_hidden,
            "n_behaviour": behaviour.shape[1],
            "connected": settings.connectivity == "free",
            "sparsity": settings.sparsity,
            "prior": settings.prior,
            "horizon": settings.horizon,
            "dt_s": recording.dt_s,
        }
        fitted = cls.build(shape, *_start(mean, spread, likelihood, len(rows)), settings.seed)
        if not spikes:
            fitted.centre, fitted.scale = mean, _one_if_zero(spread)
        if shape["n_behaviour"]:
            fitted.behaviour_centre = behaviour[rows].mean(0)
            fitted.behaviour_scale = _one_if_zero(_spread(behaviour[rows]))
        fitted.lowest = (values[rows].amin(0) - fitted.centre) / fitted.scale
        fitted.highest = (values[rows].amax(0) - fitted.centre) / fitted.scale
        device = fabric.device
        fitted.to(device)
        x, b = fitted.normalise(values.to(device), behaviour.to(device))
        batch_steps = settings.batch_steps or (512 if spikes else 256)
        schedule = Schedule(
            epochs=settings.epochs or _epochs(len(rows) / batch_steps, spikes, forecasts),
            patience=settings.patience,
            batch_steps=batch_steps,
            learning_rate=settings.learning_rate,
        )
        fitted.history = train(
            fitted.model, x, b, training, validation, schedule,
            seed=settings.seed, fabric=fabric, checkpoint=checkpoint, resume=resume, progress=progress,
        )  # fmt: skip
        todo = batches(training, n_steps, schedule.batch_steps)
        fitted.connectivity, weight = fitted._connectivity(x, b, todo, fabric)
        if forecasts:
            if weight is not None:
                fitted._improve(weight, x, b, todo, batches(validation, n_steps, 4 * schedule.batch_steps), fabric)
            fitted.ahead.fit(x, training, validation, n_steps, fitted._features_after(x, b), fitted._batch())
        return fitted

    @classmethod
    def build(cls, shape: dict[str, Any], offset: Tensor, weight_unit: Tensor, seed: int) -> FittedModel:
        """A model of the given shape, its initial parameters drawn with `seed`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = SynapsNetModel(
                offset,
                shape["likelihood"],
                n_lags=shape["n_lags"],
                n_steps=shape["n_steps"],
                n_embedding=shape["n_embedding"],
                n_hidden=shape["n_hidden"],
                n_behaviour=shape["n_behaviour"],
                weight_unit=weight_unit if shape["connected"] else None,
                sparsity=shape["sparsity"],
            )
        return cls(shape, model)

    @classmethod
    def restore(cls, shape: dict[str, Any], state: dict[str, Tensor]) -> FittedModel:
        """The model that had this `shape` and this `state_dict()`."""
        n = shape["n_neurons"]
        fitted = cls.build(shape, torch.zeros(n), torch.ones(n, n), seed=0)
        fitted.load_state_dict(state)
        return fitted

    def normalise(self, values: Tensor, behaviour: Tensor) -> tuple[Tensor, Tensor]:
        """Activity and behaviour as the model sees them."""
        return (values - self.centre) / self.scale, (behaviour - self.behaviour_centre) / self.behaviour_scale

    def forecast(
        self, recording: Recording, horizon: int, progress: Callable[[float], None]
    ) -> npt.NDArray[np.float32]:
        """See `synapsnet.estimator.SynapsNet.forecast`."""
        n_neurons, n_behaviour, reach = (self.shape[name] for name in ("n_neurons", "n_behaviour", "horizon"))
        if not 1 <= horizon <= reach:
            raise InputError(f"The horizon must lie between 1 and the {reach} steps of the fit; got {horizon}.")
        if recording.n_neurons != n_neurons or recording.behaviour_values.shape[1] != n_behaviour:
            raise InputError(
                f"The model was fitted to {n_neurons} neurons and {n_behaviour} behavioural variables; the recording "
                f"has {recording.n_neurons} and {recording.behaviour_values.shape[1]}."
            )
        modality = "calcium" if self.model.likelihood == "gaussian" else "spikes"
        if recording.modality != modality or not math.isclose(recording.dt_s, self.dt_s, rel_tol=0.01):
            raise InputError(
                f"The model was fitted to {modality} in steps of {self.dt_s:g} s; the recording holds "
                f"{recording.modality} in steps of {recording.dt_s:g} s."
            )
        device, n_steps = self.centre.device, self.model.n_steps
        x, b = self.normalise(
            torch.from_numpy(recording.values).to(device), torch.from_numpy(recording.behaviour_values).to(device)
        )
        result = np.full((horizon, *recording.values.shape), np.nan, np.float32)
        for first, last in stretches(recording.segments, n_steps, self._batch()):
            end = next(stop for start, stop in recording.segments if start <= first < stop)
            target = first + n_steps  # of the first window, one step ahead
            past, context, _ = windows(x[first:last], b[first:last], n_steps)
            steps = self._steps_ahead(past, context, horizon) * self.scale + self.centre
            for h in range(horizon):
                kept = min(last, end - h) - target
                if kept > 0:
                    result[h, target + h : target + h + kept] = steps[h, :kept].cpu().numpy()
            progress(last / recording.n_steps)
        progress(1.0)
        return result

    def _batch(self) -> int:
        return max(1, FORECAST_BATCH_VALUES // (self.shape["n_neurons"] * self.shape["n_steps"]))

    @torch.no_grad()
    def _features(self, past: Tensor, context: Tensor) -> Tensor:
        """(B, N, 2 + M): what the model knows of each neuron, its forecast of the next step first."""
        current = self.model.current(past)
        expected = self.model.mean(self.model.decode(current, past, context))
        return torch.cat([expected.unsqueeze(-1), current.unsqueeze(-1), past], dim=-1)

    def _features_after(self, x: Tensor, b: Tensor) -> Callable[[Tensor], Tensor]:
        """`_features` of the windows before these steps."""
        lags = torch.arange(-self.model.n_steps, 0, device=x.device)
        return lambda first: self._features(x[first[:, None] + lags].transpose(1, 2), b[first - 1])

    def _steps_ahead(self, past: Tensor, context: Tensor, horizon: int) -> Tensor:
        """(H, B, N) forecasts after each of B windows, within what was seen in the training part."""
        features = self._features(past, context)
        steps = torch.cat([features[None, ..., 0], self.ahead(features, horizon - 1)])
        return torch.clamp(steps, self.lowest, self.highest)

    @torch.no_grad()
    def _improve(
        self, weight: Tensor, x: Tensor, b: Tensor, todo: list[Segments], check: list[Segments], fabric: Fabric
    ) -> None:
        """Forecast with `weight` in the place of the trained `W`, if that forecasts the validation part better."""
        model = self.model
        assert model.synapses is not None
        trained = {name: value.clone() for name, value in model.state_dict().items()}
        loss = mean_loss(model, x, b, check, fabric)
        model.synapses.set_weight(weight)
        for _ in range(NEWTON_STEPS):  # the offsets that belong to it
            level, informed = torch.zeros(2, *model.offset.shape, device=x.device)
            for batch in todo:
                for start, stop in share(batch, model.n_steps, fabric.global_rank, fabric.world_size):
                    past, context, target = windows(x[start:stop], b[start:stop], model.n_steps)
                    eta = model(past, context)
                    level += model.score(eta, target).sum(0)
                    informed += model.fisher_information(eta).sum(0)
            model.offset += add_up(fabric, level) / add_up(fabric, informed).clamp(min=SMALLEST_INFORMATION)
        if not mean_loss(model, x, b, check, fabric) < loss:
            model.load_state_dict(trained)

    def _connectivity(
        self, x: Tensor, b: Tensor, todo: list[Segments], fabric: Fabric
    ) -> tuple[Connectome, Tensor | None]:
        """Which connections there are, their weights in units of the prediction, see `synapsnet.edges`; and as `W`."""
        n = self.shape["n_neurons"]
        unit = {
            "bernoulli": "log odds per presynaptic spike",
            "poisson": "log rate per presynaptic spike",
            "gaussian": "SD per SD",
        }[self.model.likelihood]
        if self.model.synapses is None:
            nothing, certain = np.zeros((n, n), np.float32), np.ones((n, n), np.float32)
            return Connectome(nothing, standard_error=certain, local_fdr=certain.copy(), unit=unit), None
        evidence, gain = self._evidence(x, b, todo, fabric)
        if self.shape["prior"] == "none":
            weight, error = (matrix.float().cpu().numpy() for matrix in (evidence.estimate, evidence.standard_error))
            return Connectome(weight, standard_error=error, unit=unit), None
        known = posterior(evidence)
        weight, error, p_value, local_fdr = (
            matrix.numpy() for matrix in (known.mean, known.sd, known.p_value, known.absent)
        )
        connectome = Connectome(
            weight.astype(np.float32), standard_error=error.astype(np.float32),
            p_value=p_value, local_fdr=local_fdr, unit=unit,
        )  # fmt: skip
        return connectome, known.mean.to(gain) / gain[:, None]

    @torch.no_grad()
    def _evidence(self, x: Tensor, b: Tensor, todo: list[Segments], fabric: Fabric) -> tuple[Evidence, Tensor]:
        """What the trained model says of every pair, the prior of training taken back; the mean gain of each decoder.

        What each presynaptic neuron sends is added to the predictions, and its weights go to the maximum of the
        likelihood, the trained model staying as it is, by Newton's method: with the exact gradient, and with a Hessian
        for which the information on a neuron's prediction and what arrives at it are taken as independent. They are
        added to the trained ones, each of which counts as much as the decoder passes on of it: its mean gain over the
        training part, a number for each postsynaptic neuron. (Newton's method through the decoder would fail where
        that has learned to pass on next to nothing, as it does where there are no connections.)
        """
        model, n = self.model, self.shape["n_neurons"]
        assert model.synapses is not None
        trained = model.synapses.weight
        double = torch.float32 if x.device.type == "mps" else torch.float64  # which MPS does not have
        total = sum(n_targets(batch, model.n_steps) for batch in todo)
        seen: list[tuple[Tensor, Tensor, Tensor]] = []  # what is sent, predicted and there
        gain = torch.zeros(n, dtype=double, device=x.device)
        for batch in todo:
            for start, stop in share(batch, model.n_steps, fabric.global_rank, fabric.world_size):
                past, context, target = windows(x[start:stop], b[start:stop], model.n_steps)
                sent = model.synapses.filtered(past)
                current = (sent @ trained.T).requires_grad_()
                with torch.enable_grad():
                    eta = model.decode(current, past, context)
                    gain += torch.autograd.grad(eta.sum(), current)[0].sum(0) / total
                seen.append((sent, eta.detach(), target))
        gain = add_up(fabric, gain)
        mean = add_up(fabric, sum((h.sum(0) for h, *_ in seen), start=torch.zeros(n, device=x.device))) / total
        covariance = torch.zeros(n, n, dtype=double, device=x.device)
        for h, *_ in seen:
            covariance += (h - mean).T @ (h - mean) / total
        covariance = add_up(fabric, covariance)
        spread = covariance.diagonal().sqrt()
        least = SMALLEST_VARIANCE * max(float(covariance.diagonal().max()), SMALLEST_INFORMATION)
        precision = torch.linalg.inv(covariance + torch.diag(torch.full_like(spread, least)))
        more, shift = torch.zeros_like(covariance), torch.zeros_like(spread)
        for step in range(NEWTON_STEPS + 1):
            informed, level = torch.zeros(2, n, dtype=double, device=x.device)
            pull, together = torch.zeros(2, n, n, dtype=double, device=x.device)
            powers = torch.zeros(3, n, n, dtype=double, device=x.device)
            for h, eta, target in seen:
                expected = eta + (h - mean) @ more.float().T + shift.float()
                score, information = model.score(expected, target), model.fisher_information(expected)
                if step < NEWTON_STEPS:
                    informed += information.sum(0)
                    pull += score.T @ (h - mean)
                    level += score.sum(0)
                else:
                    error = score / information.clamp(min=SMALLEST_INFORMATION).sqrt()
                    together += error.T @ error
                    powers += torch.stack([information.T @ (h - mean) ** power for power in range(3)])
            if step < NEWTON_STEPS:
                informed, pull, level = (add_up(fabric, part) for part in (informed, pull, level))
                informed = informed.clamp(min=SMALLEST_INFORMATION)
                change = pull @ precision / informed[:, None]
                change -= (change.diagonal() / precision.diagonal())[:, None] * precision  # without self-connections
                more += change
                shift += level / informed
        together, powers = (add_up(fabric, part) for part in (together, powers))
        # What a shift of the postsynaptic neuron's offset, or another presynaptic neuron, explains as well is no
        # information on the weight.
        alone = powers[2] - powers[1].square() / powers[0].clamp(min=SMALLEST_INFORMATION)
        others = (precision.diagonal() - precision.square() / precision.diagonal()[:, None]) * covariance.diagonal()
        variance = others.clamp(min=1) / alone.clamp(min=SMALLEST_INFORMATION)
        size = together.diagonal().clamp(min=SMALLEST_INFORMATION).sqrt()
        within = together / size[:, None] / size
        within.fill_diagonal_(1 + SMALLEST_VARIANCE)
        inverse = torch.linalg.inv(within)
        partial = -inverse / inverse.diagonal().sqrt()[:, None] / inverse.diagonal().sqrt()
        evidence = Evidence(
            estimate=(gain[:, None] * trained + more).fill_diagonal_(0),  # not quite 0 by rounding
            standard_error=variance.sqrt(),
            within=partial.fill_diagonal_(0),
            unit=(powers[0] / total).sqrt() * spread,
            n_steps=total,
        )
        return evidence, gain


def _epochs(updates_per_epoch: float, spikes: bool, forecasts: bool) -> int:
    """Passes over the training part: more of a short recording, whose forecasts would not be learned otherwise.

    Evidence of connections is worked out afterwards and needs few.
    """
    epochs = 4 if spikes else 15 if forecasts else 5
    wanted = math.ceil(LEAST_UPDATES / updates_per_epoch) if forecasts else epochs
    return min(max(epochs, wanted), 4 * epochs)


def _spread(values: Tensor) -> Tensor:
    """Standard deviation of each column; exactly 0 if it is constant, whatever the rounding."""
    return torch.where(values.amax(0) > values.amin(0), values.std(0), 0.0)


def _one_if_zero(spread: Tensor) -> Tensor:
    """The scale of what varies in the training part; what does not is only centred."""
    return torch.where(spread > 0, spread, 1.0)


def _start(mean: Tensor, spread: Tensor, likelihood: Likelihood, n_steps: int) -> tuple[Tensor, Tensor]:
    """Offset that predicts the mean, and the size of a barely noticeable weight (its standard error)."""
    if likelihood == "gaussian":  # on z-scored activity
        n = len(mean)
        return torch.zeros_like(mean), torch.full((n, n), 1 / math.sqrt(n_steps), device=mean.device)
    mean = mean.clamp(min=1 / n_steps)  # silent in the training part: no more than one spike in all of it
    spread = spread.clamp(min=1 / math.sqrt(n_steps))
    if likelihood == "bernoulli":
        mean = mean.clamp(max=1 - 1 / n_steps)
        offset, information = torch.log(mean / (1 - mean)), mean * (1 - mean)
    else:
        offset, information = torch.log(mean), mean
    return offset, torch.rsqrt(n_steps * torch.outer(information, spread.square()))
