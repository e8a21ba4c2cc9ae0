"""Does connectivity help to forecast held-out activity: SynapsNet against its ablation and the comparators of a run."""

from __future__ import annotations

import numpy as np

from synapsnet.run import Run
from validation.assessment.results import Forecasts, ForecastsAt, Rival, Verdict
from validation.bootstrap import draw_counts, estimate, ratio
from validation.forecasting import resample, time_blocks
from validation.results import Estimate, ForecastScores, Scores

SYNAPSNET, ABLATION, REFERENCES = "synapsnet", "synapsnet-independent", ("mean", "copy-last")
N_BLOCKS, N_RESAMPLES = 50, 200


def forecasts(run: Run, scores: Scores, *, seed: int = 0) -> Forecasts:
    """Compare the forecasts of a scored run.

    SynapsNet and its ablation forecast again, so that their difference gets a paired interval: a bootstrap over blocks
    of held-out time.

    Parameters
    ----------
    run : Run
    scores : Scores
        From `validation.scoring.score_run`.
    seed : int
        Of the bootstrap.
    """
    by_method = {each.method: each for each in scores.forecast}
    own = by_method[SYNAPSNET]
    others = [each for each in scores.forecast if each.method not in (SYNAPSNET, ABLATION, *REFERENCES)]
    paired = _gains(run, own.horizon_steps, seed)
    return Forecasts(
        horizons=[
            ForecastsAt(
                horizon_steps=steps,
                horizon_s=steps * run.recording.dt_s,
                skill=own.skill_over_mean[k],
                rivals=[
                    _rival(by_method[ABLATION], k, own.skill_over_mean[k], paired[k]),
                    *(_rival(each, k, own.skill_over_mean[k], None) for each in others),
                ],
            )
            for k, steps in enumerate(own.horizon_steps)
        ]
    )


def _gains(run: Run, horizons: list[int], seed: int) -> list[Estimate]:
    """Skill of SynapsNet less that of the ablation, at each horizon, on the steps of which both have forecasts."""
    test = run.test.without_ground_truth()
    mean = run.training.values.mean(axis=0, dtype=np.float64)
    found = {name: run.models[name].forecast(test, max(horizons)) for name in (SYNAPSNET, ABLATION)}
    blocks = time_blocks(test.segments, N_BLOCKS)
    counts = draw_counts(len(blocks), N_RESAMPLES, seed)
    gains = []
    for h in horizons:
        ahead = {name: forecast[h - 1] for name, forecast in found.items()}
        known = np.isfinite(ahead[SYNAPSNET]).all(axis=1) & np.isfinite(ahead[ABLATION]).all(axis=1)
        rows = [start + np.flatnonzero(known[start:stop]) for start, stop in blocks]
        ahead["mean"] = np.broadcast_to(mean, test.values.shape)
        mse = {name: resample(test.values, forecast, rows, counts).mse for name, forecast in ahead.items()}
        gains.append(estimate(ratio(mse[ABLATION] - mse[SYNAPSNET], mse["mean"])))
    return gains


def _rival(other: ForecastScores, k: int, own: Estimate, difference: Estimate | None) -> Rival:
    skill = other.skill_over_mean[k]
    low, high = (
        (own.low - skill.high, own.high - skill.low) if difference is None else (difference.low, difference.high)
    )
    verdict: Verdict = "better" if low > 0 else "worse" if high < 0 else "undecided"
    return Rival(method=other.method, skill=skill, difference=difference, verdict=verdict)
