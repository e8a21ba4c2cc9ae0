"""What varies in time and reaches many neurons: a shared slow input, stimuli, running, light.

Every input is a sum over a few signals with a weight for each neuron::

    external_i(t) = sum_k weight[i, k] signal[t, k]

in volt, the depolarisation that it would cause at rest. The signals are piecewise constant in steps of 1 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.units import NotNegative, Positive, Probability
from synapsnet.parameters import Parameters
from synapsnet.recording import FloatArray

STEP_S = 1e-3
TOP_SPEED_CM_S = 20.0


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
    noise_v : (N,) array or None
        What the shared input leaves of the private noise.
    """

    signal: FloatArray
    weight_v: FloatArray
    behaviour: FloatArray
    behaviour_names: list[str]


class Inputs(Parameters):
    """Which inputs there are; by default none.

    Parameters
    ----------
    shared_fraction : float
        Of the variance of each neuron's noise: so much of it comes from one slow process that all neurons
        share (a brain state that nobody records), the rest stays private.
    shared_time_ms : float
        Its correlation time (an Ornstein-Uhlenbeck process).
    stimulus_mv : float
        Depolarisation of a neuron by a stimulus that it answers to. Stimuli come in random order.
    n_stimuli : int
    stimulus_tuned_fraction : float
        Probability that a neuron answers to a stimulus.
    stimulus_on_s, stimulus_off_s : float
        Duration of a stimulus and of the pause after it.
    running_gain : float
        The mouse runs in bouts; at 20 cm/s the constant drive and the stimuli are (1 + running_gain) times
        what they are at rest. Niell & Stryker 2010, Neuron 65:472, found evoked rates of mouse V1
        more than doubled by running.
    light_on : str
        Cell type that light depolarises; "" for no light.
    light_mv : float
    light_pulse_ms, light_period_s : float
        Length of a pulse, and time from one to the next.
    """

    title = "the inputs"

    shared_fraction: Probability = 0.0
    shared_time_ms: Positive = 200.0
    stimulus_mv: NotNegative = 0.0
    n_stimuli: int = 4
    stimulus_tuned_fraction: Probability = 0.3
    stimulus_on_s: Positive = 0.5
    stimulus_off_s: NotNegative = 0.5
    running_gain: NotNegative = 0.0
    light_on: str = ""
    light_mv: NotNegative = 10.0
    light_pulse_ms: Positive = 10.0
    light_period_s: Positive = 1.0
