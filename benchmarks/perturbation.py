"""Does inferred connectivity predict the responses to light? The table in docs/perturbation.md.

    python benchmarks/perturbation.py --output docs/perturbation.md

Neuropixels in mouse visual cortex with pulses of light (5 or 10 ms) on parvalbumin interneurons, of the Allen Institute
(Siegle et al. 2021, Nature 592:86). Connectivity is inferred from all trials up to the light.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.files import write_text
from synapsnet.io import read
from synapsnet.recording import Connectome, Recording
from validation.light.responses import PerturbationScore, relative_effect, score_perturbation
from validation.methods import find_method, label

SESSION = Path("mouse_visual_neuropixels_pv_opto/session_829720705_pv_opto.npz")
ABOUT = """# Does inferred connectivity predict a perturbation?

Neuropixels in mouse visual cortex, {n_units} units; {n_trials} pulses of light of 5 or 10 ms drive parvalbumin
interneurons (Allen Institute, session 829720705; Siegle et al. 2021, Nature 592:86). Every method infers connectivity
from the {minutes:.0f} min of activity before light. On the even trials {n_driven} units are found to be driven directly
(first 10 ms of light, z > 5). The response of the {n_targets} others, 10 to 50 ms after the onset, is predicted from
their connections from these, and correlated (Spearman) with the response measured on the odd trials,
(rate - baseline) / (rate + baseline).

`synapsnet assess RUN --light FILE` asks the same of your recording ([assessment](assessment.md)).

- *Effect* predicts by the relative change of rate per spike, *evidence* by the scores with which a method ranks pairs.
- *Given rate* is the partial correlation given the baseline rate of the target.
- *p targets*: predictions shuffled among targets. *p sources*: the drive given to as many random units; only
  this one asks whether it matters **which** units were driven. Both one-sided, {n_shuffles} shuffles, not corrected
  for the number of rows.
- Measured responses in the two halves of the trials correlate with {reliability:.2f}; a perfect prediction would reach
  about the square root of that, {ceiling:.2f}.

"""
HEADER = "| method | prediction by | correlation | given rate | p targets | p sources |\n|---|---|---|---|---|---|"
FOOTER = "\n\nWritten by `python benchmarks/perturbation.py --output docs/perturbation.md`; do not edit.\n"


def infer(name: str, recording: Recording, seed: int) -> Connectome:
    """Connectivity by a registered method or by SynapsNet."""
    if name == "synapsnet":
        return SynapsNet(seed=seed).fit(recording).connectivity_
    return find_method(name)().infer(recording)


def main() -> None:
    """Infer, predict, print a table and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = ["synapsnet", "lagged-correlation", "var", "glm"]
    parser.add_argument("--methods", nargs="+", default=default, metavar="NAME")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the real recordings")
    parser.add_argument("--shuffles", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    path = options.data / SESSION
    if not path.exists():
        raise InputError(f"The recording {path} is absent; name the folder that holds it with --data.")
    recording = read(path, key="z", dt_s=0.01, until="light", min_rate_hz=1.0, notify=print)
    session = np.load(path)
    pulses = session["stimulus_name"] == "pulse"
    units = recording.neurons["id"].astype(int).to_numpy()
    counts, onset = session["z"][pulses][:, units], int(np.flatnonzero(session["light"][pulses][0])[0])
    mean, spread = recording.values.mean(axis=0), recording.values.std(axis=0)
    lines: list[str] = []
    score: PerturbationScore | None = None
    for name in options.methods:
        started = time.perf_counter()
        inferred = infer(name, recording.without_ground_truth(), options.seed)
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
        predictors = {"effect": relative_effect(inferred, mean, spread), "evidence": inferred.scores}
        for kind, effect in predictors.items():
            score = score_perturbation(effect, counts, onset, n_shuffles=options.shuffles, seed=options.seed)
            lines.append(
                f"| {label(name)} | {kind} | {score.correlation:+.3f} | {score.given_rate:+.3f} "
                f"| {score.p_targets:.4f} | {score.p_sources:.4f} |"
            )
            print(lines[-1], flush=True)
    assert score is not None
    about = ABOUT.format(
        n_units=recording.n_neurons,
        n_trials=int(pulses.sum()),
        minutes=recording.n_steps * recording.dt_s / 60,
        n_driven=score.n_driven,
        n_targets=score.n_targets,
        n_shuffles=options.shuffles,
        reliability=score.reliability,
        ceiling=max(score.reliability, 0) ** 0.5,
    )
    page = about + "\n".join([HEADER, *lines]) + FOOTER
    print(page)
    if options.output is not None:
        write_text(options.output, page)


if __name__ == "__main__":
    main()
