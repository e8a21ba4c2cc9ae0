"""Whether connectivity helps to forecast held-out activity: SynapsNet against its ablation and the comparators."""

from __future__ import annotations

from validation.assessment.results import Forecasts, ForecastsAt, Rival, Verdict
from validation.metrics.results import Estimate, ForecastScores, Scores

SYNAPSNET, ABLATION, REFERENCES = "synapsnet", "synapsnet-independent", ("mean", "copy-last")


def forecasts(dt_s: float, scores: Scores) -> Forecasts:
    """Compare the forecasts of a scored run.

    Parameters
    ----------
    dt_s : float
        Time step of the recording in seconds.
    scores : Scores
        From `validation.scoring.score_run`.
    """
    by_method = {score.method: score for score in scores.forecast}
    own = by_method[SYNAPSNET]
    others = [score for score in scores.forecast if score.method not in (SYNAPSNET, ABLATION, *REFERENCES)]
    return Forecasts(
        horizons=[
            ForecastsAt(
                horizon_steps=steps,
                horizon_s=steps * dt_s,
                skill=own.skill_over_mean[k],
                rivals=[_rival(score, k, own.skill_over_mean[k]) for score in (by_method[ABLATION], *others)],
            )
            for k, steps in enumerate(own.horizon_steps)
        ]
    )


def _rival(other: ForecastScores, k: int, own: Estimate) -> Rival:
    skill = other.skill_over_mean[k]
    difference = None if other.behind_synapsnet is None else other.behind_synapsnet[k]
    low, high = (
        (own.low - skill.high, own.high - skill.low) if difference is None else (difference.low, difference.high)
    )
    verdict: Verdict = "better" if low > 0 else "worse" if high < 0 else "undecided"
    return Rival(method=other.method, skill=skill, difference=difference, verdict=verdict)
