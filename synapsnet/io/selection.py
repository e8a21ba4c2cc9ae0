"""Selecting part of a recording: neurons by area, type or rate, a stretch of time, a random sample."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

import numpy as np

from synapsnet.array_types import BoolArray
from synapsnet.errors import InputError
from synapsnet.io.clock import true_runs
from synapsnet.io.reader import Notify
from synapsnet.recording import Recording
from synapsnet.wording import listed


def select(
    recording: Recording,
    *,
    areas: Sequence[str] = (),
    cell_types: Sequence[str] = (),
    from_s: float | None = None,
    to_s: float | None = None,
    min_rate_hz: float = 0.0,
    n_neurons: int | None = None,
    seed: int = 0,
    notify: Notify,
) -> Recording:
    """Apply all criteria, one after the other; the parameters are those of the functions below."""
    recording = select_neurons(recording, areas=areas, cell_types=cell_types, notify=notify)
    recording = select_time(recording, from_s=from_s, to_s=to_s, notify=notify)
    recording = drop_quiet(recording, min_rate_hz, notify=notify)
    return sample_neurons(recording, n_neurons, seed=seed, notify=notify)


def select_neurons(
    recording: Recording, *, areas: Sequence[str] = (), cell_types: Sequence[str] = (), notify: Notify
) -> Recording:
    """The neurons in these areas and of these types.

    Parameters
    ----------
    recording : Recording
    areas, cell_types : names
        None means all. `*` matches anything, as in `Pvalb*`.
    notify : callable
        Receives how many neurons each criterion drops.

    Raises
    ------
    InputError
        If a name matches no neuron, or fewer than 2 neurons are left.
    """
    kept = np.ones(recording.n_neurons, bool)
    for what, column, wanted in (("area", "area", areas), ("type", "cell_type", cell_types)):
        if wanted:
            matching = _matching(recording.neurons[column].tolist(), wanted, what)
            dropped = (kept & ~matching).sum()
            notify(f"{dropped} of {kept.sum()} neurons dropped: their {what} is not {' or '.join(wanted)}.")
            kept &= matching
    if kept.all():
        return recording
    _refuse_too_few(int(kept.sum()), recording.n_neurons)
    return recording.select_neurons(np.flatnonzero(kept))


def select_time(
    recording: Recording, *, from_s: float | None = None, to_s: float | None = None, notify: Notify
) -> Recording:
    """The time bins whose centres lie in `[from_s, to_s)`, in seconds on the recording's clock.

    Raises
    ------
    InputError
        If the recording has no two steps there.
    """
    if from_s is None and to_s is None:
        return recording
    times = recording.activity.times()
    start, stop = -np.inf if from_s is None else from_s, np.inf if to_s is None else to_s
    kept = (times >= start) & (times < stop)
    if kept.sum() < 2:
        limits = (None if from_s is None else f"from {from_s:g} s on", None if to_s is None else f"before {to_s:g} s")
        raise InputError(
            f"The recording, from {times[0]:.6g} to {times[-1]:.6g} s on its clock, has fewer than 2 steps "
            f"{' and '.join(limit for limit in limits if limit)}; choose another stretch (--from, --to)."
        )
    if kept.all():
        return recording
    ends = [text.format(at) for text, at in (("before {:g} s", from_s), ("from {:g} s on", to_s)) if at is not None]
    notify(f"{(~kept).sum() * recording.dt_s:.4g} s dropped: what is {' or '.join(ends)}.")
    segments = [(start + a, start + b) for start, stop in recording.segments for a, b in true_runs(kept[start:stop])]
    return recording.select_rows(segments)


def drop_quiet(recording: Recording, min_rate_hz: float, *, notify: Notify) -> Recording:
    """The neurons of a spike recording that fire at `min_rate_hz` or more.

    Raises
    ------
    InputError
        If it is a calcium recording, or fewer than 2 neurons are left.
    """
    if min_rate_hz <= 0:
        return recording
    if recording.modality != "spikes":
        raise InputError("A minimum rate (--min-rate) is for spikes, and this is a calcium recording; leave it out.")
    rate_hz = recording.mean_activity / recording.dt_s
    kept = np.flatnonzero(rate_hz >= min_rate_hz)
    if len(kept) < 2:
        raise InputError(
            f"Only {len(kept)} of {len(rate_hz)} neurons fire at {min_rate_hz:g} Hz or more and at least 2 are needed; "
            "lower the minimum rate (--min-rate)."
        )
    notify(f"{len(rate_hz) - len(kept)} of {len(rate_hz)} neurons dropped: they fire below {min_rate_hz:g} Hz.")
    return recording if len(kept) == len(rate_hz) else recording.select_neurons(kept)


def sample_neurons(recording: Recording, n_neurons: int | None, *, seed: int, notify: Notify) -> Recording:
    """`n_neurons` drawn at random, in their original order; all if None or if there are no more.

    Raises
    ------
    InputError
        If fewer than 2 are asked for.
    """
    if n_neurons is None or n_neurons >= recording.n_neurons:
        return recording
    _refuse_too_few(n_neurons, recording.n_neurons)
    drawn = np.random.default_rng(seed).choice(recording.n_neurons, n_neurons, replace=False)
    dropped = recording.n_neurons - n_neurons
    notify(f"{dropped} of {recording.n_neurons} neurons dropped at random (seed {seed}).")
    return recording.select_neurons(np.sort(drawn))


def _matching(names: list[str], wanted: Sequence[str], what: str) -> BoolArray:
    values = sorted(set(names))
    for pattern in wanted:
        if not fnmatch.filter(values, pattern):
            if values == ["unknown"]:
                raise InputError(
                    f"The {what} of no neuron is known, so none is {pattern!r}; choose neurons by something else."
                )
            raise InputError(
                f"No neuron is of {what} {pattern!r}; there are {listed(values, 20)} (* stands for anything)."
            )
    return np.array([any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted) for name in names])


def _refuse_too_few(kept: int, total: int) -> None:
    if kept < 2:
        raise InputError(f"Only {kept} of {total} neurons would be left, and at least 2 are needed; select more.")
