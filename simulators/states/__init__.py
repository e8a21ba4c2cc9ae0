"""States that the whole of a network is in, by the name that the command line uses; for neurons of any model."""

from __future__ import annotations

from typing import Any

from simulators.named import by_name
from simulators.states.base import State
from simulators.states.common_input import CommonInput
from simulators.states.drift import Drift
from simulators.states.episodes import Episodes
from simulators.states.rhythm import Gamma, Theta
from simulators.states.trial_gain import TrialGain
from simulators.states.up_down import UpDown
from synapsnet.errors import InputError

STATES: dict[str, type[State]] = {
    state.name: state for state in (UpDown, Drift, Gamma, Theta, TrialGain, CommonInput, Episodes)
}

__all__ = ["STATES", "CommonInput", "Drift", "Episodes", "Gamma", "State", "Theta", "TrialGain", "UpDown", "states"]


def states(described: Any) -> dict[str, State]:
    """States by name, from a list of names, or from a dictionary of name -> parameters.

    A name that is not in `STATES` needs the parameter `name`, which says which state it is; so one state can be had
    twice.

    Raises
    ------
    InputError
        If there is no such state, or a parameter is unusable.
    """
    if isinstance(described, list | tuple):
        described = {entry.name if isinstance(entry, State) else str(entry): entry for entry in described}
    if not isinstance(described, dict):
        raise InputError(f"States are a list of names or a dictionary of name -> parameters; got {described!r}.")
    return {str(name): _state(str(name), entry) for name, entry in described.items()}


def _state(name: str, described: Any) -> State:
    if not isinstance(described, State):
        described = {"name": name} | (described if isinstance(described, dict) else {})
    return by_name(described, State, STATES, "A state")
