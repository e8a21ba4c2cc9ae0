"""Memory of a fit of hours of many units, which does not fit into memory: the peak of the process, and the time.

    python benchmarks/long.py                          1,000 units, 3 hours of spikes in bins of 10 ms, one pass
    python benchmarks/long.py --bin 0.005 --hours 6
    python benchmarks/long.py --calcium                1,000 neurons, 3 hours at 30 Hz

Spikes are planted: Poisson units of 3 Hz, 10 targets each, whose rate is doubled in the bin after a spike. They are
drawn block by block into an array that lies in a temporary file where it is larger than 1 GiB. Calcium is that of the
same spikes: it decays in 0.7 s, with noise.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from synapsnet.estimator import SynapsNet
from synapsnet.memmap import filled
from synapsnet.recording import Recording

RATE_HZ, TARGETS, WEIGHT = 3.0, 10, np.log(2.0)
DECAY_S, NOISE = 0.7, 0.5


def planted(n_units: int, n_bins: int, bin_s: float, calcium: bool = False, seed: int = 0) -> Recording:
    """Spikes of a sparse network, or its calcium; see the module."""
    rng = np.random.default_rng(seed)
    pre = np.repeat(np.arange(n_units), TARGETS)
    post = rng.integers(n_units, size=len(pre))
    weight = csr_matrix((np.full(len(pre), WEIGHT), (post, pre)), (n_units, n_units))
    base = RATE_HZ * bin_s * rng.uniform(0.5, 1.5, n_units)
    last, trace = np.zeros((2, n_units), np.float32)

    def fill(block: npt.NDArray[np.float32], start: int) -> None:
        for step in block:
            step[:] = rng.random(n_units) < base * np.exp(weight @ last)
            last[:] = step
            if calcium:
                trace[:] = np.exp(-bin_s / DECAY_S) * trace + step
                step[:] = trace + NOISE * rng.standard_normal(n_units)

    return Recording.from_array(filled((n_bins, n_units), fill), bin_s, "calcium" if calcium else "spikes")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--bin", type=float, default=0.010, help="seconds")
    parser.add_argument("--calcium", action="store_true", help="at 30 Hz")
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    step_s = 1 / 30 if options.calcium else options.bin
    recording = planted(options.units, round(3600 * options.hours / step_s), step_s, options.calcium)
    gib = recording.values.nbytes / 2**30
    print(f"{recording.n_steps:,} bins of {recording.n_neurons} units: {gib:.2f} GiB; peak {_peak():.2f} GiB so far")
    started = time.perf_counter()
    stage = ""

    def progress(now: str, fraction: float | None) -> None:
        nonlocal stage
        if now != stage or fraction == 1:
            print(f"  {now:32s} {time.perf_counter() - started:7.1f} s, peak {_peak():.2f} GiB", flush=True)
        stage = now

    SynapsNet(seed=0, device="cpu", epochs=options.epochs).fit(recording, progress=progress)
    print(f"whole fit: {time.perf_counter() - started:.0f} s, peak {_peak():.2f} GiB")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
