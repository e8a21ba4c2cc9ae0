"""Where a fit of thousands of neurons spends its time: seconds of CPU of each stage, memory, and what is found.

    python benchmarks/large.py                                 2,000 neurons, 20 minutes of calcium at 30 Hz, one thread
    python benchmarks/large.py --neurons 1000 --minutes 10     a tenth of the time
    python benchmarks/large.py --epochs 15                     with as many passes as small recordings get
    python benchmarks/large.py --modality spikes               spikes in bins of 5 ms
    python benchmarks/large.py --neurons 10000 -o large.nwb    only write the recording, for `synapsnet fit`

The network is planted, so that it is drawn in minutes: Poisson neurons, 30 targets each, a fifth of them inhibitory.
Calcium is seen through an indicator that decays in 0.7 s, with noise. The last tenth is held out for forecasts.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.signal import lfilter
from scipy.sparse import csr_matrix

from synapsnet import estimator, fitted
from synapsnet.connectome import Connectome
from synapsnet.estimator import SynapsNet
from synapsnet.io import write_recording
from synapsnet.memmap import zeros
from synapsnet.recording import Modality, Recording
from synapsnet.splits import holdout
from validation.metrics.connectivity import score_connectivity

FRAME_RATE_HZ, DECAY_S, NOISE = 30, 0.7, 0.6
STEPS = {  # a second; then the log rate of a step: mean and standard deviation, and most; decay of currents in a step
    "calcium": (FRAME_RATE_HZ, -2.2, 0.4, 0.7, 0.3),
    "spikes": (200, -3.7, 0.5, -1.0, 0.6),
}
TARGETS, INHIBITORY = 30, 0.2
HORIZONS = (1, 4, 8, 16)
STAGES = (
    (estimator, "deconvolve"),
    (fitted, "train"),
    (fitted, "gather_evidence"),
    (fitted, "calibrated"),
    (fitted, "posterior"),
    (fitted.FittedModel, "_improve"),
    (fitted.FittedModel, "_fit_readouts"),
)


def planted(n_neurons: int, minutes: float, seed: int = 0, modality: Modality = "calcium") -> Recording:
    """A recording of a sparse network, see the module; ground truth is the log rate per spike in the last step."""
    rng = np.random.default_rng(seed)
    rate_hz, mean, spread, most, decay = STEPS[modality]
    pre = np.repeat(np.arange(n_neurons), TARGETS)
    post = rng.integers(n_neurons, size=len(pre))
    pre, post = pre[pre != post], post[pre != post]
    sign = np.where(pre < (1 - INHIBITORY) * n_neurons, 1, -3)
    weight = csr_matrix((0.6 * sign * rng.lognormal(-1.2, 0.6, len(pre)), (post, pre)), (n_neurons, n_neurons))
    base, trace = rng.normal(mean, spread, n_neurons), np.zeros(n_neurons)
    spikes = zeros((round(60 * minutes * rate_hz), n_neurons))
    for step in spikes:
        step[:] = rng.poisson(np.exp(np.minimum(base + weight @ trace, most)))
        trace = decay * trace + step
    truth = Connectome(weight.toarray().astype(np.float32), unit="log rate per spike")
    if modality == "spikes":
        return Recording.from_array(spikes, 1 / rate_hz, modality, connectome=truth)
    calcium = lfilter([1], [1, -np.exp(-1 / (DECAY_S * rate_hz))], spikes, axis=0).astype(np.float32)
    calcium *= rng.uniform(0.5, 1.5, n_neurons).astype(np.float32)
    calcium += rng.normal(0, NOISE, calcium.shape).astype(np.float32)
    return Recording.from_array(calcium, 1 / rate_hz, modality, connectome=truth)


def timed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which prints how long it took."""

    def measured(*given: Any, **named: Any) -> Any:
        started = time.process_time()
        result = function(*given, **named)
        print(f"  {function.__name__.strip('_'):16s} {time.process_time() - started:7.1f} s", flush=True)
        return result

    return measured


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=2_000)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--modality", choices=STEPS, default="calcium")
    parser.add_argument("-o", "--output", help="NWB file to write the recording to, and fit nothing")
    parser.add_argument("--epochs", type=int, help="passes, of both models; default: what the fit chooses")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ablation", action="store_true", help="fit without connections")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for owner, name in STAGES:
        setattr(owner, name, timed(getattr(owner, name)))
    recording = planted(options.neurons, options.minutes, modality=options.modality)
    if options.output:
        write_recording(recording, options.output)
        return
    early, late = holdout(recording, 0.1, 16)
    started, clock = time.process_time(), time.perf_counter()
    model = SynapsNet(
        seed=0, device="cpu", epochs=options.epochs, connectivity="none" if options.ablation else "free"
    ).fit(early.without_ground_truth())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds = time.process_time() - started
    print(f"whole fit: {seconds:.0f} s of CPU, {time.perf_counter() - clock:.0f} s by the clock, peak {peak:.2f} GiB")
    for name, history in model.history_.items():
        print(f"{name}: {len(history.train)} passes, validation loss {min(history.validation):.4f}")
    forecasts, centre = model.forecast(late, max(HORIZONS)), early.values.mean(axis=0)
    for h in HORIZONS:
        wrong, spread = (late.values - known for known in (forecasts[h - 1], centre))
        seen = np.isfinite(wrong[:, 0])
        skill = 1 - (wrong[seen] ** 2).sum(axis=0) / (spread[seen] ** 2).sum(axis=0)
        print(f"skill {h:2d} steps ahead, median neuron: {np.median(skill):.4f}")
    if not options.ablation and recording.connectome is not None:
        found = score_connectivity("synapsnet", recording.connectome, model.connectivity_, n_resamples=1)
        print(found.auprc, found.auroc, found.false_discovery_rate, found.n_reported)


if __name__ == "__main__":
    main()
