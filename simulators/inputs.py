"""What varies in time and reaches many neurons: a shared slow input, stimuli, running, light.

Every input is a sum over a few signals with a weight for each neuron::

    external_i(t) = sum_k weight[i, k] signal[t, k]

in volts, the depolarisation that it would cause at rest. The signals are piecewise constant in steps of 1 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, model_validator
from scipy.signal import lfilter

from simulators.ornstein_uhlenbeck import ornstein_uhlenbeck
from simulators.units import MILLI, NotNegative, Positive, Probability
from synapsnet.array_types import FloatArray
from synapsnet.errors import InputError
from synapsnet.limits import require_memory
from synapsnet.parameters import Parameters

STEP_S = 1e-3
TOP_SPEED_CM_S = 20.0
ONE_BY_ONE = "one-by-one"


@dataclass(frozen=True)
class Signals:
    """Inputs of one run.

    Attributes
    ----------
    signal : (T, K) float32 array
        In steps of `STEP_S`.
    weight_v : (N, K) array
        In volt.
    behaviour : (T, B) float32 array
        What an experimenter would know.
    behaviour_names : B names
    """

    signal: FloatArray
    weight_v: FloatArray
    behaviour: FloatArray
    behaviour_names: list[str]

    def with_signals(self, signal: FloatArray, weight_v: FloatArray, behaviour_names: list[str]) -> Signals:
        """These and more: (T, M) signals with their (N, M) weights, handed out as behaviour if they have names."""
        shown = signal[:, : len(behaviour_names)]
        return Signals(
            signal=np.concatenate([self.signal, signal], axis=1, dtype=np.float32),
            weight_v=np.concatenate([self.weight_v, weight_v], axis=1),
            behaviour=np.concatenate([self.behaviour, shown], axis=1, dtype=np.float32),
            behaviour_names=[*self.behaviour_names, *behaviour_names],
        )


class Inputs(Parameters):
    """Which inputs there are; by default none.

    Parameters
    ----------
    shared_fraction : float
        Fraction of the variance of each neuron's noise that comes from one slow process, which all neurons share (a
        brain state that nobody records); the rest stays private. Neurons respond to slow input less
        than to fast noise of the same variance: rates fall unless the drive is raised.
    shared_time_ms : float
        Its correlation time (an Ornstein-Uhlenbeck process).
    stimulus_mv : float
        Depolarisation of a neuron by a stimulus that it responds to. Stimuli come in random order.
    n_stimuli : int
    stimulus_tuned_fraction : float
        Probability that a neuron responds to a stimulus.
    stimulus_on_s, stimulus_off_s : float
        Duration of a stimulus and of the pause after it.
    running_gain : float
        The mouse runs in bouts; at 20 cm/s the constant drive and the stimuli are (1 + running_gain) times
        what they are at rest. Niell & Stryker 2010, Neuron 65:472, found evoked rates of mouse V1
        more than doubled by running.
    light_on : str
        Cell type that light reaches, all of its neurons at once; "one-by-one" for one neuron at a time, as in
        two-photon stimulation, all in random order; "" for no light. As behaviour it is called `light_TYPE`, or
        `light_ID` for each neuron.
    light_mv : float
        Depolarisation by light; negative where light silences.
    light_pulse_ms, light_period_s : float
        Length of a pulse, 1 ms or more, and time from the start of one to that of the next. A pulse starts in the
        middle of its period, so it lasts half a period at most.
    light_from_s : float
        When the first period begins, and half a period later the first pulse; activity before is spontaneous.
    """

    title = "the inputs"

    shared_fraction: Probability = 0.0
    shared_time_ms: Positive = 200.0
    stimulus_mv: NotNegative = 0.0
    n_stimuli: Annotated[int, Field(ge=1)] = 4
    stimulus_tuned_fraction: Probability = 0.3
    stimulus_on_s: Positive = 0.5
    stimulus_off_s: NotNegative = 0.5
    running_gain: NotNegative = 0.0
    light_on: str = ""
    light_mv: float = 10.0
    light_pulse_ms: Positive = 10.0
    light_period_s: Positive = 1.0
    light_from_s: NotNegative = 0.0

    @model_validator(mode="after")
    def _pulse_fits(self) -> Inputs:
        half_ms = self.light_period_s / MILLI / 2
        if self.light_on and not STEP_S / MILLI <= self.light_pulse_ms <= half_ms:
            raise ValueError(
                "light_pulse_ms must be at least 1 and at most half of light_period_s, because a pulse starts in the "
                f"middle of its period; got pulses of {self.light_pulse_ms:g} ms and half periods of {half_ms:g} ms; "
                "change one of them"
            )
        return self

    @property
    def off(self) -> bool:
        """Whether the input is constant."""
        return not (self.shared_fraction or self.stimulus_mv or self.running_gain or self.light_on)

    def draw(
        self,
        neurons: pd.DataFrame,
        drive_v: FloatArray,
        noise_v: FloatArray,
        duration_s: float,
        rng: np.random.Generator,
        *,
        gain: FloatArray | float = 1.0,
    ) -> Signals:
        """Draw the signals of one run.

        Parameters
        ----------
        neurons : DataFrame with N rows
        drive_v, noise_v : (N,) arrays
            Constant input and standard deviation of all noise, in volts.
        duration_s : float
        rng : numpy Generator
        gain : (T,) array, optional
            Factor on the stimuli, besides that of running.

        Raises
        ------
        InputError
            If the light is on a cell type that no neuron has, it takes too much memory, or noise is
            to be shared and there is none.
        """
        n_steps = int(np.ceil(duration_s / STEP_S - 1e-6))
        require_memory(16.0 * n_steps * (2 + self.n_stimuli), f"An input of {duration_s:.6g} s", "simulate less time")
        parts: list[tuple[FloatArray, FloatArray]] = []  # signal, weight
        behaviour: dict[str, FloatArray] = {}
        for_shared, for_running, for_stimuli, for_light = rng.spawn(4)  # one input more does not change the others
        if self.shared_fraction:
            if not noise_v.any():
                raise InputError(
                    "A shared fraction of the noise needs neurons with noise, and these have none; raise noise_mv if "
                    "the network has it, or give it the state 'common-input'."
                )
            slow = ornstein_uhlenbeck(n_steps, STEP_S / (self.shared_time_ms * MILLI), for_shared)
            parts.append((slow, np.sqrt(self.shared_fraction) * noise_v))
        if self.running_gain:
            speed = running_speed(n_steps, for_running)
            behaviour["running_speed_cm_s"] = speed
            faster = self.running_gain * speed / TOP_SPEED_CM_S
            gain = gain + faster
            parts.append((faster, drive_v))
        if self.stimulus_mv:
            shown = self._stimuli(n_steps, for_stimuli)
            tuned = for_stimuli.random((len(neurons), self.n_stimuli)) < self.stimulus_tuned_fraction
            for k in range(self.n_stimuli):
                on = (shown == k).astype(float)
                behaviour[f"stimulus_{k + 1}"] = on
                parts.append((on * gain, self.stimulus_mv * MILLI * tuned[:, k]))
        signals = Signals(
            signal=np.stack([np.zeros(n_steps), *(signal for signal, _ in parts)], axis=1, dtype=np.float32)[:, 1:],
            weight_v=np.stack([np.zeros(len(neurons)), *(weight for _, weight in parts)], axis=1)[:, 1:],
            behaviour=np.stack([np.zeros(n_steps), *behaviour.values()], axis=1, dtype=np.float32)[:, 1:],
            behaviour_names=list(behaviour),
        )
        return self._with_light(signals, neurons, for_light) if self.light_on else signals

    def _with_light(self, signals: Signals, neurons: pd.DataFrame, rng: np.random.Generator) -> Signals:
        n_steps, n = len(signals.signal), len(neurons)
        if self.light_on == ONE_BY_ONE:
            lit, names = np.eye(n), [f"light_{name}" for name in neurons["id"]]
        else:
            lit = (neurons["cell_type"].to_numpy() == self.light_on).astype(float)[:, None]
            names = [f"light_{self.light_on}"]
            if not lit.any():
                types = ", ".join(sorted(set(neurons["cell_type"])))
                raise InputError(f"There is no cell type {self.light_on!r} to put light on; the network has {types}.")
        n_lights = len(names)
        require_memory(12.0 * n_steps * n_lights, f"Light on {n_lights} neurons in turn", "simulate less time")
        since_first_s = np.arange(n_steps) * STEP_S + STEP_S / 2 - self.light_from_s
        pulse, since_period_s = np.divmod(since_first_s, self.light_period_s)
        # the second half of a period, so that the first pulse has a baseline before it
        after_s = since_period_s - self.light_period_s / 2
        on = np.flatnonzero((since_first_s >= 0) & (after_s >= 0) & (after_s < self.light_pulse_ms * MILLI))
        n_blocks = int(max(pulse[-1], 0)) // n_lights + 1
        order = rng.permuted(np.tile(np.arange(n_lights), (n_blocks, 1)), axis=1).ravel()
        light = np.zeros((n_steps, n_lights), np.float32)
        light[on, order[pulse[on].astype(int)]] = 1.0
        return signals.with_signals(light, self.light_mv * MILLI * lit, names)

    def _stimuli(self, n_steps: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """(T,) number of the stimulus that is shown, -1 for none; all are shown equally often, in random order."""
        trial_s = self.stimulus_on_s + self.stimulus_off_s
        trial, since_onset_s = np.divmod(np.arange(n_steps) * STEP_S + STEP_S / 2, trial_s)
        n_blocks = int(trial[-1]) // self.n_stimuli + 1
        order = rng.permuted(np.tile(np.arange(self.n_stimuli), (n_blocks, 1)), axis=1).ravel()
        # shown after the pause, so that the first stimulus has a baseline before it
        return np.where(since_onset_s >= self.stimulus_off_s, order[trial.astype(int)], -1)


def running_speed(n_steps: int, rng: np.random.Generator) -> FloatArray:
    """(n_steps,) speed in cm/s: still for 15 s on average, then a bout of 10 s on average at a speed of its own.

    The durations are exponential and the speed follows with a time constant of 0.5 s; these values are our choice.
    """
    still_s, bout_s, follow_s = 15.0, 10.0, 0.5
    n_bouts = int(n_steps * STEP_S / (still_s + bout_s) * 2) + 20
    durations_s = rng.exponential([still_s, bout_s], (n_bouts, 2)).ravel()
    speeds = np.stack([np.zeros(n_bouts), rng.uniform(0.3, 1.0, n_bouts) * TOP_SPEED_CM_S], axis=1).ravel()
    period = np.searchsorted(np.cumsum(durations_s), np.arange(n_steps) * STEP_S)
    wanted = speeds[np.minimum(period, len(speeds) - 1)]
    keep = np.exp(-STEP_S / follow_s)
    return lfilter([1 - keep], [1.0, -keep], wanted)
