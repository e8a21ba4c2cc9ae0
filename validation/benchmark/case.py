"""The process of one case: simulate, observe, infer, score.

Where light is switched on later (`light_from_s`), a method is given the recording before, and what it infers is also
scored on how it predicts the responses to light.

    python -m validation.benchmark.case OUTCOME.json < case.json

It reads one line and ends when its standard input is closed: whoever started it is gone.
"""

from __future__ import annotations

import inspect
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from simulators import simulate, visible_part
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.files import write_text
from synapsnet.recording import Recording
from validation.benchmark.forecasts import measure_forecasts
from validation.benchmark.recorded import Recorded, as_simulation
from validation.benchmark.subprocess import Outcome, Score
from validation.benchmark.suite import OBSERVE, Case, network_of
from validation.light.known_neurons import before_light, known_responses, score_known
from validation.light.responses import relative_effect
from validation.methods import BOUNDS, METHODS, find_forecaster, find_method
from validation.methods.base import Method
from validation.metrics.connectivity import score_connectivity
from validation.metrics.results import Estimate


def measure(case: Case) -> Outcome:
    """Run a case in this process; whatever is raised becomes the reason of its failure."""
    try:
        recording = observe(case)
    except Exception as error:
        return Outcome(status="unrecorded", reason=_reason(error))
    try:
        return _forecast(case, recording) if case.task == "forecasts" else _infer(case, recording)
    except (Exception, SystemExit) as error:
        return Outcome(status="failed", reason=_reason(error), peak_mib=_peak_mib())


def _infer(case: Case, recording: Recording) -> Outcome:
    """Connectivity inferred from a recording, or from its part before light."""
    assert recording.connectome is not None
    light_from_s = case.network.get("inputs", {}).get("light_from_s", 0.0)
    dark = before_light(recording, light_from_s) if light_from_s else recording
    method = make_method(case.method, case.seed, recording.connectome)
    started = time.perf_counter()
    inferred = method.infer(dark.without_ground_truth())
    seconds = time.perf_counter() - started
    peak_mib = _peak_mib()
    scores = score_connectivity(case.method, recording.connectome, inferred, neurons=recording.neurons, seed=case.seed)
    values = [Score(metric=name, **dict(value)) for name, value in scores if isinstance(value, Estimate)]
    if light_from_s:
        effect = relative_effect(inferred, dark.mean_activity, dark.values.std(axis=0))
        predicted = score_known(effect, known_responses(recording), seed=case.seed)
        values += [Score(metric=name, value=value, low=np.nan, high=np.nan) for name, value in predicted.items()]
    return Outcome(status="ok", seconds=seconds, peak_mib=peak_mib, scores=values)


def _forecast(case: Case, recording: Recording) -> Outcome:
    """Forecasts of the end of a recording by a method that is fitted to what is before."""
    method = _seeded(find_forecaster(case.method), case.seed)
    seconds, values = measure_forecasts(recording.without_ground_truth(), method, seed=case.seed)
    return Outcome(status="ok", seconds=seconds, peak_mib=_peak_mib(), scores=values)


def observe(case: Case) -> Recording:
    """The recording of a case, with its ground truth if that is known."""
    options = dict(case.observation)
    modality = options.pop("as")
    recorded = recorded_of(case)
    if modality == "recorded":
        if recorded is None:
            raise InputError(
                "A network must be observed as 'spikes' or 'calcium'; got 'recorded', which is for recordings."
            )
        return recorded.load()
    duration_s, visible = options.pop("duration_s"), options.pop("visible")
    from_s, to_s = options.pop("from_s", 0.0), options.pop("to_s", duration_s)
    if recorded is None:
        simulation = simulate(network_of(case.network), duration_s=duration_s, seed=case.seed)
    else:
        simulation = as_simulation(recorded.load(), duration_s)
    if (from_s, to_s) != (0.0, duration_s):
        simulation = simulation.between(from_s, to_s)
    if visible < 1:
        simulation = visible_part(simulation, fraction=visible, seed=case.seed)
    return OBSERVE[modality](simulation, seed=case.seed, **options)


def recorded_of(case: Case) -> Recorded | None:
    """The recording of a case; None if it is of a simulated network."""
    if "recording" not in case.network:
        return None
    return Recorded(**{name: value for name, value in case.network.items() if name != "sha256"})


def make_method(name: str, seed: int, truth: Connectome) -> Method:
    """The method with its default settings, and the seed if it takes one; the truth is for the bounds alone."""
    method: Method = _seeded(partial(METHODS[name].load(), truth) if name in BOUNDS else find_method(name), seed)
    return method


def _seeded(method: Callable[..., Any], seed: int) -> Any:
    """An instance with its default settings, and the seed if it takes one."""
    return method(seed=seed) if "seed" in inspect.signature(method).parameters else method()


def _reason(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Read the case, write its outcome."""
    case = Case.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    write_text(Path(sys.argv[1]), measure(case).model_dump_json())
    sys.stdout.flush()
    os._exit(0)  # threads that a method has left behind do not matter


if __name__ == "__main__":
    main()
