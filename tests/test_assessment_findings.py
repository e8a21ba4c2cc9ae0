"""What an assessment says in words: every warning where it belongs, and nowhere else."""

from __future__ import annotations

import math
import re

import pytest

from validation.assessment.cautions import warnings
from validation.assessment.findings import findings
from validation.assessment.results import (
    Assessment,
    Comparison,
    Facts,
    Forecasts,
    ForecastsAt,
    Knowledge,
    Likeness,
    Matched,
    MatchedScore,
    Perturbation,
    Quartiles,
    Reliability,
    Rival,
    Scenario,
    Signs,
)
from validation.assessment.wording import minutes
from validation.metrics.results import Estimate


def around(value: float, half: float = 0.05) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half)


def facts(**changes: object) -> Facts:
    spread = Quartiles(low=0.0, median=0.01, high=0.02)
    good = {
        "source": "mouse", "modality": "spikes", "dt_s": 0.005, "duration_s": 1200.0, "n_epochs": 1, "n_neurons": 100,
        "rate_hz": spread, "noise_level": None, "correlation": spread, "mean_correlation": 0.01, "n_pairs": 9900,
        "n_reported": 900,
    }  # fmt: skip
    return Facts.model_validate(good | changes)


def matched_score(auprc: float = 0.9, length: float = 1.0, fdr: float = 0.05, fraction: float = 1.0) -> MatchedScore:
    return MatchedScore(
        visible_fraction=fraction, length=length, duration_s=1200 * length, n_seeds=3, density=0.1, share_reported=0.09,
        auprc=around(auprc), lift=around(9), false_discovery_rate=around(fdr), sign_accuracy=around(1),
        weight_correlation=around(0.9),
    )  # fmt: skip


def matched(*scores: MatchedScore, hidden_fdr: float = 0.05, simulated_skewness: float = 2.0) -> Matched:
    def spread(median: float) -> Quartiles:
        return Quartiles(low=median - 0.1, median=median, high=median + 0.1)

    alike = [Likeness(name="skewness", recording=spread(2.0), simulation=spread(simulated_skewness))]
    scenarios = [
        Scenario(
            visible_fraction=fraction, n_simulated=100, shared_fraction=0.3, parameters={}, likeness=alike,
            scores=list(found), weight_reliability=0.6,
        )
        for fraction, found in (
            (1.0, scores or (matched_score(),)),
            (0.333, (matched_score(0.7, fdr=hidden_fdr, fraction=0.333),)),
        )
    ]  # fmt: skip
    return Matched(network="lif-random", how="", scenarios=scenarios, fits=[])


def reliability(correlation: Estimate | None) -> Reliability:
    pair = Comparison(
        parts=("odd blocks", "even blocks"), duration_s=540.0, n_pairs=9900, weight_correlation=correlation,
        score_correlation=correlation, overlap=around(0.6), n_reported=(800, 820), expected_overlap=0.04,
        null_weight_correlation=[0.01, 0.1], null_score_correlation=[0.0, 0.1], p_weight=0.1, p_score=0.1,
    )  # fmt: skip
    return Reliability(interleaved=pair, halves=pair)


def forecasts(verdict: str = "better") -> Forecasts:
    rivals = [
        Rival.model_validate(
            {"method": "synapsnet-independent", "skill": around(0.2), "difference": around(0.1), "verdict": verdict}
        ),
        Rival(method="var", skill=around(0.4), difference=None, verdict="worse"),
        Rival(method="ar", skill=around(0.2), difference=None, verdict="better"),
    ]
    return Forecasts(horizons=[ForecastsAt(horizon_steps=1, horizon_s=0.005, skill=around(0.3), rivals=rivals)])


def signs(p_value: float) -> Knowledge:
    found = Signs(n_excitatory=80, n_inhibitory=20, auroc=around(0.9), p_value=p_value, types=[])
    return Knowledge(signs=found)


def good(**changes: object) -> Assessment:
    parts = {
        "facts": facts(), "reliability": reliability(around(0.8)), "knowledge": signs(0.001), "forecasts": forecasts(),
        "matched": matched(),
    }  # fmt: skip
    return Assessment(key="", options={}, **{**parts, **changes})  # type: ignore[arg-type]


def test_five_findings_with_numbers() -> None:
    said = findings(good())
    assert len(said) == 5
    assert "100 neurons, recorded for 20 min, SynapsNet reports 900 of 9,900 pairs (9.09%)" in said[0]
    assert "AUPRC 0.90 [0.85, 0.95] if all" in said[1] and "0.70 [0.65, 0.75] if 33%" in said[1]
    assert "r = 0.80 [0.75, 0.85] (at most 0.10" in said[2] and "60% of the pairs" in said[2]
    assert "adds 0.1000 [0.0500, 0.1500]" in said[3] and "worse than VAR, ridge; better than AR" in said[3]
    assert "80 excitatory from 20 inhibitory" in said[4] and "AUROC 0.90" in said[4]


def test_signs_by_the_width_of_spikes_are_said_beside_those_by_cell_type() -> None:
    both = signs(0.001).model_copy(update={"waveform": signs(0.002).signs})
    said = findings(good(knowledge=both))[4]
    assert "80 with broad spikes from 20 with narrow ones (interneurons), with AUROC 0.90" in said
    assert said.startswith("The sign of outgoing connections tells 80 excitatory") and "(p = 0.002)" in said


def test_numbers_have_a_minus_sign_and_p_values_no_exponent() -> None:
    found = Perturbation(
        light="laser", n_pulses=40, response_s=(0.01, 0.05), driven=["1"], targets=["2", "3", "4"],
        predicted=[0.0, 0.1, 0.2], measured=[0.0, 0.1, 0.2], correlation=around(-0.06), given_rate=0.0,
        p_targets=3.8e-7, p_sources=0.25, reliability=0.36, ceiling=0.6,
    )  # fmt: skip
    assessment = good(perturbation=found, reliability=reliability(around(-0.001)), knowledge=signs(3.8e-7))
    said = findings(assessment)
    assert "rank correlation −0.06 [−0.11, −0.01]" in said[5]
    assert "(p < 0.001 among targets, p = 0.25 among sources; a perfect" in said[5]
    assert "r = 0.00 [−0.05, 0.05]" in said[2] and "AUROC 0.90 [0.85, 0.95] (p < 0.001)" in said[4]
    assert not any(re.search(r"-\d|\de-", sentence) for sentence in said + warnings(assessment))


@pytest.mark.parametrize(
    ("duration_s", "text"), [(59.0, "59 s"), (60.0, "1 min"), (8300.0, "138 min"), (86_400.0, "1,440 min")]
)
def test_lengths(duration_s: float, text: str) -> None:
    assert minutes(duration_s) == text


def test_nothing_to_warn_of() -> None:
    assert warnings(good()) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"facts": facts(n_neurons=10, n_pairs=90, n_reported=8)}, "Too few neurons: with 10"),
        ({"facts": facts(modality="calcium", dt_s=1 / 6)}, "A frame of 167 ms"),
        ({"facts": facts(dt_s=0.05)}, "A bin of 50 ms"),
        ({"facts": facts(mean_correlation=0.3)}, "Strong common input: pairs are correlated at 0.30"),
        ({"facts": facts(n_reported=20)}, "fewer or weaker than in the matched simulation"),
        ({"matched": matched(matched_score(0.4), matched_score(0.7, 4.0))}, "Record longer: .* 0.70 in 80 min"),
        ({"matched": matched(hidden_fdr=0.3)}, "30% in simulations with 33%"),
        (
            {"matched": matched(simulated_skewness=-0.1)},
            r"differs .* in skewness \(2, simulated −0.1\)",
        ),
        ({"reliability": reliability(around(0.4))}, r"agree less \(r = 0.40 .* 0.60 or more"),
        ({"reliability": reliability(None)}, "Not reliable"),
        ({"forecasts": forecasts("undecided")}, "W = 0 forecasts as well"),
        ({"forecasts": forecasts("worse")}, "W = 0 forecasts better"),
        ({"knowledge": signs(0.4)}, "do not follow the cell types"),
        ({"knowledge": Knowledge(waveform=signs(0.4).signs)}, "do not follow spike widths"),
    ],
)
def test_one_warning_for_one_problem(changes: dict[str, object], expected: str) -> None:
    found = warnings(good(**changes))
    assert len(found) == 1
    assert re.search(expected, found[0])


def test_data_that_do_not_tell_connections_from_chance() -> None:
    one = matched(matched_score(0.12))
    one.scenarios.pop()  # the other visible fraction does better
    said = warnings(good(matched=one))
    assert len(said) == 1 and "from chance: AUPRC 0.12 [0.07, 0.17]" in said[0] and "guessing reaches 0.10" in said[0]


def test_what_is_not_reliable_is_less_so_than_matched_simulations() -> None:
    said = warnings(good(reliability=reliability(around(0.12))))
    assert [sentence.split(" ")[0] for sentence in said] == ["Two", "Not"]


def test_parts_that_do_not_apply_are_replaced_by_the_reason() -> None:
    bare = Assessment(
        key="", options={}, facts=facts(n_epochs=442), knowledge=Knowledge(),
        skipped={"matched": "It is deconvolved.", "reliability": "Too short.", "forecasts": "Not scored."},
    )  # fmt: skip
    said = findings(bare)
    assert "in 442 epochs" in said[0]
    assert said[1:] == [
        "No simulation matches: It is deconvolved.",
        "Reliability is unknown: Too short.",
        "Forecasts were not compared: Not scored.",
        "Cell types, spike widths, positions and areas are unknown, so there is no prior knowledge to compare with.",
    ]
    assert warnings(bare) == []


def test_an_assessment_that_has_just_begun_says_nothing() -> None:
    begun = Assessment(key="", options={})
    assert findings(begun) == [] == warnings(begun)


def test_scores_that_are_not_defined_are_said_without_an_interval() -> None:
    nan = Estimate(value=math.nan, low=math.nan, high=math.nan)
    one = matched_score().model_copy(update={"auprc": Estimate(value=0.5, low=math.nan, high=math.nan)})
    assert "reaches AUPRC 0.50 if" in findings(good(matched=matched(one)))[1]
    undefined = matched_score().model_copy(update={"false_discovery_rate": nan, "auprc": nan})
    assert warnings(good(matched=matched(undefined))) == []
    assert "nan%" not in findings(good(matched=matched(undefined)))[1]


def test_what_is_written_is_what_is_read() -> None:
    nan = Estimate(value=math.nan, low=math.nan, high=math.nan)
    whole = good(matched=matched(matched_score().model_copy(update={"auprc": nan})))
    again = Assessment.model_validate_json(whole.model_dump_json(indent=1))
    assert again.model_dump_json() == whole.model_dump_json()
