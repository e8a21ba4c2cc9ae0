"""A model of neurons and synapses in Brian2's language."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Model:
    """Everything about a network that is compiled, in Brian2's language.

    Attributes
    ----------
    equations, threshold, reset : str
        Equations, threshold and reset of the neurons. Variables declared as `name : unit (constant)` get their values
        from `Network.neuron_values`, so that other values need no compilation. The equations may read `external`, a
        time-varying input in volts: the depolarisation that it would cause at rest (see `simulators.inputs`).
    on_pre : str
        The effect of an arriving spike.
    synapse : str
        Equations of the synapses; the values come from `Network.synapse_values`.
    on_post : str
        The effect of a postsynaptic spike on the synapse.
    sampled_every_s : float
        Interval at which the weights `w` of all synapses are recorded; 0 if they do not change.
    each_step : str
        Operations on each neuron at the start of every step, such as external Poisson spikes, or noise that the
        integration method does not support.
    constants : dict of name -> (value in SI units, name of Brian2's unit)
        For example `{"tau": (0.02, "second")}`; the unit of a plain number is "1".
    refractory : str
        Duration, such as "2*ms", or the condition under which it lasts, such as "v > -40*mV".
    dt_s : float
    method : str
        Brian2's name of the integration method.
    """

    equations: str
    threshold: str
    reset: str
    on_pre: str
    dt_s: float
    synapse: str = "w : volt"
    on_post: str = ""
    sampled_every_s: float = 0.0
    each_step: str = ""
    constants: dict[str, tuple[float, str]] = field(default_factory=dict)
    refractory: str = "0*ms"
    method: str = "euler"
