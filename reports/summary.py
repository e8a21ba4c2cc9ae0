"""The page's first words: plain sentences derived from the scores, warnings included.

Everything is said of SynapsNet against the best of the comparators. On connectivity the sentence says whether
the 95% intervals overlap; forecasts are compared by the interval of their paired difference, and nothing is warned
about that it leaves open. A model counts as no better than chance or the mean if its interval reaches their value,
and W = 0 as no worse if the interval of the difference reaches zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reports.numbers import format_estimate, format_number, is_defined
from reports.palette import ABLATION, MODEL
from reports.tables import horizon_text
from validation.metrics.results import Estimate, ForecastScores, RunResults


@dataclass(frozen=True)
class Statement:
    """One sentence of the summary; a warning says what the scores do not support."""

    text: str
    warning: bool = False


def summarise(results: RunResults, *, n_reported: bool = True) -> list[Statement]:
    """Sentences on connectivity, then on forecasts one step and furthest ahead.

    Parameters
    ----------
    results : RunResults
    n_reported : bool
        Say how many pairs are reported as connected, which the findings of an assessment say already.
    """
    statements = [*(_reported(results) if n_reported else ()), *_connectivity(results)]
    scores = {s.method: s for s in results.scores.forecast}
    if MODEL in scores:
        for index in dict.fromkeys((0, len(scores[MODEL].horizon_steps) - 1)):
            statements += _forecast(results, scores, index)
    return statements


def best_forecaster(results: RunResults) -> str:
    """The comparator that forecasts best one step ahead, or "" if there is none."""
    return _best(_defined({s.method: s.skill_over_mean[0] for s in results.scores.forecast}))


def _reported(results: RunResults) -> Iterator[Statement]:
    inferred = results.inferred.get(MODEL)
    if inferred is not None and inferred.local_fdr is not None:
        yield Statement(f"{_name(results, MODEL)}: {inferred.verdict()}")


def _connectivity(results: RunResults) -> Iterator[Statement]:
    if results.truth is None:
        yield Statement(
            "The true connections behind this recording are not known. The learned connectivity is shown, but no "
            "number on this page, good forecasts included, says how much of it is right.",
            warning=True,
        )
        return
    auprc = _defined({s.method: s.auprc for s in results.scores.connectivity})
    chance = results.scores.edge_density
    if MODEL not in auprc or chance is None:
        return
    ours, name = auprc[MODEL], _name(results, MODEL)
    recovery = f"{name} finds the connections with AUPRC {format_estimate(ours)}; chance is {format_number(chance)}"
    best = _best(auprc)
    theirs = f"; {_name(results, best)}, the best comparator, reaches {format_estimate(auprc[best])}" if best else ""
    yield Statement(f"{recovery}{theirs}{_overlap(ours, auprc.get(best))}.")
    if _low(ours) <= chance:
        yield Statement(f"{name} finds the connections no better than chance.", warning=True)
    if best and auprc[best].value > ours.value:
        yield Statement(f"{_name(results, best)} finds the connections better than {name}.", warning=True)


def _forecast(results: RunResults, scores: Mapping[str, ForecastScores], index: int) -> Iterator[Statement]:
    skill = _defined({method: s.skill_over_mean[index] for method, s in scores.items()})
    if MODEL not in skill:
        return
    ours, name = skill[MODEL], _name(results, MODEL)
    behind = _defined({m: s.behind_synapsnet[index] for m, s in scores.items() if s.behind_synapsnet is not None})
    ahead = horizon_text(scores[MODEL].horizon_steps[index], results.dt_s)
    best = _best(skill)
    theirs = f"; {_name(results, best)}, the best comparator, reaches {format_estimate(skill[best])}" if best else ""
    meaning = " (0 is the mean itself, 1 is perfect)" if index == 0 else ""
    yield Statement(
        f"Forecasting {ahead} ahead, {name} has skill {format_estimate(ours)} over the mean{meaning}{theirs}"
        f"{_difference(behind.get(best))}."
    )
    if best in behind and behind[best].high < 0:
        yield Statement(f"{_name(results, best)} forecasts {ahead} ahead better than {name}.", warning=True)
    copying = scores[MODEL].skill_over_copy[index]
    if _low(ours) <= 0:
        yield Statement(f"{name} forecasts {ahead} ahead no better than each neuron's mean.", warning=True)
    elif _low(copying) <= 0:
        yield Statement(f"{name} forecasts {ahead} ahead no better than copying the last value.", warning=True)
    if ABLATION in behind and _low(ours) > 0:
        yield _ablation(skill[ABLATION], behind[ABLATION], ahead)


def _ablation(without: Estimate, behind: Estimate, ahead: str) -> Statement:
    skill = f"skill {format_estimate(without)}{_difference(behind)}"
    if _low(behind) > 0:
        return Statement(
            f"Without any connectivity (W = 0) the model forecasts {ahead} ahead worse, with {skill}: the connections "
            "carry part of the forecast."
        )
    how = "better" if behind.high < 0 else "as well"
    return Statement(
        f"Without any connectivity (W = 0) the model forecasts {ahead} ahead {how}, with {skill}. These forecasts are "
        "no evidence for the connectivity.",
        warning=True,
    )


def _difference(behind: Estimate | None) -> str:
    return "" if behind is None else f" (paired difference {format_estimate(behind)})"


def _best(scores: Mapping[str, Estimate]) -> str:
    """The comparator with the highest value, or "" without comparators."""
    rivals = {method: e.value for method, e in scores.items() if method not in (MODEL, ABLATION, "mean")}
    return max(rivals, key=lambda method: rivals[method], default="")


def _low(estimate: Estimate) -> float:
    """The lower end of the interval; the value itself where there is no interval."""
    return estimate.low if is_defined(estimate.low) else estimate.value


def _overlap(a: Estimate, b: Estimate | None) -> str:
    if b is None or not all(map(is_defined, (a.low, a.high, b.low, b.high))):
        return ""
    return " (the intervals overlap)" if a.low <= b.high and b.low <= a.high else " (the intervals do not overlap)"


def _defined(scores: Mapping[str, Estimate | None]) -> dict[str, Estimate]:
    return {method: e for method, e in scores.items() if e is not None and is_defined(e.value)}


def _name(results: RunResults, method: str) -> str:
    return results.labels.get(method, method)
