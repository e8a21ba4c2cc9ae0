"""Short pulses of light in a recording, and the spikes around them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapsnet.array_types import FloatArray, IndexArray
from synapsnet.errors import InputError
from synapsnet.io.clock import true_runs
from synapsnet.recording import Recording

LONGEST_LIGHT_S = 0.02  # so that most responses come after the light itself
RESPONSE_S = 0.04  # after the light, in which the others respond
BASELINE_S = 0.3
ON = 0.1  # fraction of the strongest light; less is noise, or a partly covered bin
FEWEST_PULSES = 20
NAMES = re.compile(
    r"light|laser|opto|ogen|photo_?stim|(^|_)led(_|$)", re.IGNORECASE
)  # names of variables that state when light was on


@dataclass(frozen=True, eq=False)
class Pulses:
    """Spikes around short pulses of light.

    Attributes
    ----------
    counts : (R, N, B) array
        Spikes in each bin, of R pulses.
    onset : int
        First bin with light; those before it are the baseline.
    window : (first, stop)
        Bins after the onset in which the others respond.
    first : (R,) array
        Rows of the recording in which the pulses begin.
    """

    counts: FloatArray
    onset: int
    window: tuple[int, int]
    first: IndexArray


def is_light(name: str) -> bool:
    """Whether the name of a variable means that it states when light was on."""
    return NAMES.search(name) is not None


def find_pulses(recording: Recording, light: npt.ArrayLike, *, longest_s: float = LONGEST_LIGHT_S) -> Pulses:
    """The pulses of light whose responses can be distinguished from the light itself.

    They last at most `longest_s`, and there is no other light in `BASELINE_S` before them and until the responses to
    them are over, `RESPONSE_S` after the longest of them, when the window begins.

    Parameters
    ----------
    recording : Recording
        A recording of spikes.
    light : (T,) array
        On the recording's grid. It is on where it exceeds a tenth of its maximum.
    longest_s : float

    Raises
    ------
    InputError
        If the recording is of calcium, its bins are too long, or there are fewer than `FEWEST_PULSES` such pulses.
    """
    longest = int(longest_s / recording.dt_s + 1e-6)
    if recording.modality != "spikes":
        raise InputError(
            "Responses to light are scored on spikes: calcium is too slow to show which neurons are driven directly."
        )
    if longest < 1:
        raise InputError(
            f"Responses to light are scored in bins of at most {longest_s * 1e3:g} ms; these last "
            f"{recording.dt_s * 1e3:g} ms."
        )
    on = is_on(light)
    flashes = [(start + a, start + b) for start, stop in recording.segments for a, b in true_runs(on[start:stop])]
    short = [(first, stop) for first, stop in flashes if stop - first <= longest]
    length = max((stop - first for first, stop in short), default=1)
    before, after = round(BASELINE_S / recording.dt_s), length + max(1, round(RESPONSE_S / recording.dt_s))
    usable = [
        first
        for start, end in recording.segments
        for first, stop in short
        if start <= first - before
        and first + after <= end
        and not on[first - before : first].any()
        and not on[stop : first + after].any()
    ]
    if len(usable) < FEWEST_PULSES:
        raise InputError(
            f"At least {FEWEST_PULSES} pulses of light are needed, of at most {longest_s * 1e3:g} ms each, with "
            f"{BASELINE_S:g} s before them and {RESPONSE_S:g} s after them without light; got {len(usable)}."
        )
    rows = np.array(usable)[:, None] + np.arange(-before, after)
    counts = recording.values[rows].transpose(0, 2, 1).astype(np.float64)
    return Pulses(counts, before, (length, after), np.array(usable))


def is_on(light: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Where light is on: above a tenth of its maximum, which is positive."""
    strength = np.asarray(light, dtype=np.float64)
    return np.asarray(strength > max(ON * strength.max(initial=0.0), 0.0))
