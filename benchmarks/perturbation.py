"""Does inferred connectivity predict the responses to light, and if not, what does? The page docs/perturbation.md.

    python benchmarks/perturbation.py --output docs/perturbation.md

Neuropixels in mouse visual cortex with pulses of light (5 or 10 ms) on parvalbumin interneurons, of the Allen Institute
(Siegle et al. 2021, Nature 592:86). Connectivity is inferred from all trials up to the light. The even trials say which
units are driven, and which properties of the others matter; the odd trials test it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.files import write_text
from synapsnet.io import read
from synapsnet.recording import Recording
from validation.light.responses import (
    PerturbationScore,
    Responses,
    measure_responses,
    modulation,
    partial_rank_correlation,
    relative_effect,
    score_perturbation,
)
from validation.methods import find_method, label

SESSION = Path("mouse_visual_neuropixels_pv_opto/session_829720705_pv_opto.npz")
N_RESAMPLES = 1000
WINDOWS = ((1, 2), (2, 3), (3, 5), (1, 5), (5, 10))  # in bins after the onset
ABOUT = """# Does inferred connectivity predict a perturbation?

Neuropixels in mouse visual cortex, {n_units} units; {n_trials} pulses of light of 5 or 10 ms drive parvalbumin
interneurons (Allen Institute, session 829720705; Siegle et al. 2021, Nature 592:86). Every method infers connectivity
from the {minutes:.0f} min of activity before light. On the even trials {n_driven} units are found to be driven directly
(first 10 ms of light, z > 5). The response of the {n_targets} others, 10 to 50 ms after the onset, is predicted from
their connections from these, and correlated (Spearman) with the response measured on the odd trials,
(rate - baseline) / (rate + baseline).

`synapsnet assess RUN --light FILE` asks the same of your recording ([assessment](assessment.md)). In simulations, where
the connections are known, predictions succeed: [Light](light.md).

- *Effect* predicts by the relative change of rate per spike, *evidence* by the scores with which a method ranks pairs,
  *passed on* by the effect and what the targets then do to each other (a dash: they would excite each other without
  end).
- *Given rate* is the partial correlation given the baseline rate of the target.
- *p targets*: predictions shuffled among targets. *p sources*: the extra spikes assigned to as many random units; only
  this one asks whether it matters **which** units were driven. Both one-sided, {n_shuffles} shuffles, not corrected
  for the number of rows.
- Measured responses in the two halves of the trials correlate with {reliability:.2f}; a perfect prediction would reach
  about the square root of that, {ceiling:.2f}.

"""
HEADER = "| method | prediction by | correlation | given rate | p targets | p sources |\n|---|---|---|---|---|---|"
WHY = """

## Why are the correlations negative?

Chosen on the even trials, tested on the odd ones, rank correlations over the {n_targets} targets, 95% intervals by
bootstrap over them. The file says neither area nor layer nor place. Its units are in an order in which neighbours are
more correlated ({near:.4f} up to 10 places apart, {far:.4f} beyond 100), so that the order stands for place here.

What properties predict by themselves:

| property of a target | even trials | odd trials | odd trials, given the others |
|---|---|---|---|
{properties}

*Shared activity* is the correlation within a bin with the driven units, before light, weighted by their extra spikes.
Those that matter on the even trials given all others (p < 0.05) are
{chosen}.
A regression of the ranks on them, fitted to the even trials, predicts the odd ones with {regression}.

What is left of the methods' predictions, on the odd trials:

| method | correlation | given shared activity | given all that matter | predictions that are positive |
|---|---|---|---|---|
{methods}

And by time after the onset, odd trials; bins last 10 ms, so that nothing shorter can be seen:

| ms | reliability | mean response | shared activity | {names} |
|---|---|---|---|{dashes}
{windows}

What follows from this: [Light](light.md#the-real-session).
"""
FOOTER = """
Written by `python benchmarks/perturbation.py --methods {methods} --output docs/perturbation.md`; do not edit.
"""


def infer(name: str, recording: Recording, seed: int) -> Connectome:
    """Connectivity by a registered method or by SynapsNet."""
    if name == "synapsnet":
        return SynapsNet(seed=seed).fit(recording).connectivity_
    return find_method(name)().infer(recording)


def properties_of(recording: Recording, responses: Responses) -> dict[str, FloatArray]:
    """(M,) each property of the targets that needs no connectivity."""
    values = recording.values.astype(np.float64)
    order = recording.neurons["id"].astype(int).to_numpy()
    targets, driven = responses.targets, responses.driven
    return {
        "shared activity": np.corrcoef(values.T)[np.ix_(targets, driven)] @ responses.extra,
        "rate": responses.baseline,
        "place": order[targets].astype(np.float64),
        "distance to the nearest driven unit": np.abs(order[targets, None] - order[driven]).min(axis=1).astype(float),
        "irregularity": (values.var(axis=0) / values.mean(axis=0))[targets],  # variance of the counts over their mean
    }


def with_interval(statistic: Callable[..., float], *columns: FloatArray) -> str:
    """A statistic of (M,) arrays with its interval over neurons."""
    rng = np.random.default_rng(0)
    n = len(columns[0])
    drawn = [statistic(*(column[chosen] for column in columns)) for chosen in rng.integers(n, size=(N_RESAMPLES, n))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{statistic(*columns):+.2f} [{low:+.2f}, {high:+.2f}]"


def partial(x: FloatArray, y: FloatArray, *given: FloatArray) -> float:
    """`partial_rank_correlation`, for `with_interval`."""
    return partial_rank_correlation(x, y, given)


def chosen_of(properties: dict[str, FloatArray], response: FloatArray) -> list[str]:
    """Properties that correlate with a response given all others, p < 0.05."""
    limit = 1.96 / np.sqrt(len(response))
    return [
        name
        for name, own in properties.items()
        if abs(partial(own, response, *(other for key, other in properties.items() if key != name))) > limit
    ]


def regressed(properties: Sequence[FloatArray], fitted: FloatArray) -> FloatArray:
    """(M,) regression of the ranks of a response on those of properties."""
    ranks = np.argsort(np.argsort([*properties, fitted], axis=1), axis=1).T.astype(np.float64)
    design = np.column_stack([np.ones(len(ranks)), ranks[:, :-1]])
    return np.asarray(design @ np.linalg.lstsq(design, ranks[:, -1])[0])


def window_rows(
    counts: FloatArray, onset: int, responses: Responses, predictions: dict[str, FloatArray]
) -> Iterator[str]:
    """A row for each of `WINDOWS`: reliability, mean response, and its correlation with each prediction."""
    for window in WINDOWS:
        odd, even = (modulation(counts[k::2], onset, window)[responses.targets] for k in (1, 0))
        seen = np.isfinite(odd) & np.isfinite(even)
        cells = [f"{partial(prediction[seen], odd[seen]):+.2f}" for prediction in predictions.values()]
        reliability = partial(even[seen], odd[seen])
        yield (
            f"| {window[0] * 10} to {window[1] * 10} | {reliability:.2f} | {odd[seen].mean():+.2f} "
            f"| {' | '.join(cells)} |"
        )


def neighbours(recording: Recording) -> tuple[float, float]:
    """Mean correlation of units up to 10 places apart, and of those more than 100."""
    order = recording.neurons["id"].astype(int).to_numpy()
    correlation = np.corrcoef(recording.values.T)
    apart = np.abs(order[:, None] - order)
    return float(correlation[(apart > 0) & (apart <= 10)].mean()), float(correlation[apart > 100].mean())


def why(
    recording: Recording, counts: FloatArray, onset: int, responses: Responses, predictions: dict[str, FloatArray]
) -> str:
    """The part of the page on what explains the responses."""
    even, odd = responses.repeated, responses.measured
    properties = properties_of(recording, responses)
    names = chosen_of(properties, even)
    chosen = [properties[name] for name in names]
    shared = properties["shared activity"]
    property_rows = [
        f"| {name} | {partial(own, even):+.2f} | {with_interval(partial, own, odd)} "
        f"| {with_interval(partial, own, odd, *(other for key, other in properties.items() if key != name))} |"
        for name, own in properties.items()
    ]
    method_rows = [
        f"| {name} | {with_interval(partial, own, odd)} | {with_interval(partial, own, odd, shared)} "
        f"| {with_interval(partial, own, odd, *chosen)} | {(own > 0).mean():.0%} |"
        for name, own in predictions.items()
    ]
    near, far = neighbours(recording)
    return WHY.format(
        n_targets=len(odd),
        near=near,
        far=far,
        properties="\n".join(property_rows),
        chosen=", ".join(names),
        regression=with_interval(partial, regressed(chosen, even), odd),
        methods="\n".join(method_rows),
        names=" | ".join(predictions),
        dashes="---|" * len(predictions),
        windows="\n".join(window_rows(counts, onset, responses, {"shared activity": shared} | predictions)),
    )


def main() -> None:
    """Infer, predict, print tables and write the page."""
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
    responses = measure_responses(counts, onset)
    mean, spread = recording.values.mean(axis=0), recording.values.std(axis=0)
    lines: list[str] = []
    predictions: dict[str, FloatArray] = {}
    score: PerturbationScore | None = None
    for name in options.methods:
        started = time.perf_counter()
        inferred = infer(name, recording.without_ground_truth(), options.seed)
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
        effect = relative_effect(inferred, mean, spread)
        predictions[label(name)] = responses.predict(effect)
        for kind, matrix in {"effect": effect, "evidence": inferred.scores}.items():
            score = score_perturbation(matrix, counts, onset, n_shuffles=options.shuffles, seed=options.seed)
            lines.append(
                f"| {label(name)} | {kind} | {score.correlation:+.3f} | {score.given_rate:+.3f} "
                f"| {score.p_targets:.4f} | {score.p_sources:.4f} |"
            )
            print(lines[-1], flush=True)
        passed_on = responses.predict_passed_on(effect)
        if np.isfinite(passed_on).all():
            one, given_rate = (partial(passed_on, responses.measured, *given) for given in ([], [responses.baseline]))
            lines.append(f"| {label(name)} | passed on | {one:+.3f} | {given_rate:+.3f} | – | – |")
        else:
            lines.append(f"| {label(name)} | passed on | – | – | – | – |")
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
    page = about + "\n".join([HEADER, *lines]) + why(recording, counts, onset, responses, predictions)
    page += FOOTER.format(methods=" ".join(options.methods))
    print(page)
    if options.output is not None:
        write_text(options.output, page)


if __name__ == "__main__":
    main()
