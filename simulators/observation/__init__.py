"""Observation models: what an experiment would see of a simulation. None of them looks at the connectome."""

from simulators.observation.calcium import observe_calcium
from simulators.observation.indicators import INDICATORS, Indicator
from simulators.observation.spikes import observe_spikes

__all__ = ["INDICATORS", "Indicator", "observe_calcium", "observe_spikes"]
