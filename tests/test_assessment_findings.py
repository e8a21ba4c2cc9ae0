"""What an assessment says in words: every warning where it belongs, and nowhere else."""

from __future__ import annotations

import math
import re

import pytest

from validation.assessment.cautions import warnings
from validation.assessment.findings import findings, so_far
from validation.assessment.results import (
    Assessment,
    Comparison,
    Expected,
    Facts,
    Forecasts,
    ForecastsAt,
    Knowledge,
    Longer,
    Perturbation,
    Quartiles,
    Reliability,
    Rival,
    Signs,
    Threshold,
    corrected,
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


def expected(
    auprc: float = 0.9, longer: float = 0.92, false: dict[float, float] | None = None, **changes: object
) -> Expected:
    """Of 9,900 pairs; `false` is the expected share by the nominal one."""
    shares = {0.01: 0.01, 0.05: 0.05} | (false or {})
    good = {
        "n_examples": 300, "atypical": 0.5, "unlike": [], "auprc": around(auprc), "density": around(0.1),
        "sign_accuracy": around(0.95), "strength_mv": around(0.7), "hidden": around(0.4),
        "thresholds": corrected([
            Threshold(nominal=k, n_reported=int(1e4 * k), false=around(v), rate=around(v, 0.03))
            for k, v in shares.items()
        ]),
        "longer": Longer(factor=4.0, duration_s=4800.0, auprc=around(longer)), "untold": [],
    }  # fmt: skip
    return Expected.model_validate(good | changes)


def threshold(nominal: float, false: float, n_reported: int = 14) -> Threshold:
    return Threshold(nominal=nominal, n_reported=n_reported, false=around(false), rate=around(false, 0.03))


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
        "expected": expected(),
    }  # fmt: skip
    return Assessment(key="", options={}, **{**parts, **changes})  # type: ignore[arg-type]


def test_five_findings_with_numbers() -> None:
    said = findings(good())
    assert len(said) == 5
    assert "100 neurons, recorded for 20 min, SynapsNet reports 900 of 9,900 pairs (9.09%)" in said[0]
    assert "AUPRC 0.90 [0.85, 0.95] where chance is 0.10" in said[1]
    assert "and 25.0 [0, 50] of the 500 pairs that it reports are false (5% [2%, 8%] in networks" in said[1]
    assert "which the nominal 5% allows for: nothing is corrected)" in said[1]
    assert "10% [5%, 15%] of the pairs are connected, by potentials of 0.70 [0.65, 0.75] mV" in said[1]
    assert "r = 0.80 [0.75, 0.85] (at most 0.10" in said[2] and "60% of the pairs" in said[2]
    assert "adds 0.1000 [0.0500, 0.1500]" in said[3] and "worse than VAR, ridge; better than AR" in said[3]
    assert "80 excitatory from 20 inhibitory" in said[4] and "AUROC 0.90" in said[4]


def test_parts_of_some_neurons_say_so() -> None:
    assert "at random" not in findings(good())[2]
    assert findings(good(facts=facts(n_pairs=39_800)))[2].endswith("(of 9,900 pairs, of neurons drawn at random).")


def test_how_many_networks_the_answer_is_from() -> None:
    assert (
        so_far(expected())
        == "AUPRC 0.90 [0.85, 0.95] from 300 stored simulations; false are 25.0 [0, 50] of 500 pairs."
    )
    assert (
        "Judging by 300 stored simulations and 4 of networks like this one, on recordings like this one SynapsNet"
        in findings(good(expected=expected(n_matched=4)))[1]
    )


def test_signs_by_the_width_of_spikes_are_said_beside_those_by_cell_type() -> None:
    both = signs(0.001).model_copy(update={"waveform": signs(0.002).signs})
    said = findings(good(knowledge=both))[4]
    assert "80 with broad spikes from 20 with narrow ones (interneurons), with AUROC 0.90" in said
    assert said.startswith("The sign of outgoing connections distinguishes 80 excitatory") and "(p = 0.002)" in said


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
    assert warnings(good().model_copy(update={"facts": facts(mean_correlation=float("nan"))})) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"facts": facts(n_neurons=10, n_pairs=90, n_reported=8)}, "Too few neurons: with 10"),
        ({"facts": facts(modality="calcium", dt_s=1 / 6)}, "A frame of 167 ms"),
        ({"facts": facts(dt_s=0.05)}, "A bin of 50 ms"),
        ({"facts": facts(mean_correlation=0.3)}, "Strong common input: pairs are correlated at 0.30"),
        ({"expected": expected(0.4, longer=0.7)}, r"Record longer: .* 0.40 .* 0.70 \[0.65, 0.75\] in 80 min"),
        ({"expected": expected(atypical=1.5, unlike=["rate"])}, "unlike all 300 stored ones, in rate: intervals"),
        (
            {"expected": expected(atypical=1.5, n_matched=8)},
            "stored ones, and unlike the 8 networks .*: intervals",
        ),
        (
            {"expected": expected(atypical=1.5, n_matched=9, n_like=4)},
            "unlike all 300 stored ones; 4 of the 9 networks simulated for it are like it, and narrow",
        ),
        (
            {"expected": expected(false={0.05: 0.2})},
            r"the 500 reported .*: 20% \[17%, 23%\] in .*; at a nominal 1.0%, where 1% .*, 100 of them stand",
        ),
        (
            {"expected": expected(thresholds=corrected([threshold(0.01, 0.01), threshold(0.05, 0.2)]))},
            r"More of the 14 reported .*; a nominal 1.0%, where 1% .*, keeps all of them: nothing changes\.",
        ),
        ({"expected": expected(false={0.01: 0.15, 0.05: 0.2})}, "no stricter threshold is known to bring that down"),
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


def test_data_that_may_not_tell_connections_from_chance() -> None:
    (said,) = warnings(good(expected=expected(0.12, longer=0.13)))
    assert "from chance: AUPRC 0.12 [0.07, 0.17]" in said and "guessing reaches 0.10" in said


def test_what_the_recording_does_not_tell_is_named() -> None:
    said = findings(good(expected=expected(untold=["strength_mv", "hidden"])))[1]
    assert said.endswith("are connected; what the recording does not show is how strongly, how much is hidden.")
    assert "does not show how many" in findings(good(expected=expected(untold=["density", "strength_mv", "hidden"])))[1]


def test_without_reported_pairs_nothing_is_said_of_false_ones() -> None:
    none = expected(false={0.05: 0.5})
    none.thresholds[-1].n_reported = 0
    assert "false" not in findings(good(expected=none))[1] and warnings(good(expected=none)) == []


def test_parts_that_do_not_apply_are_replaced_by_the_reason() -> None:
    bare = Assessment(
        key="", options={}, facts=facts(n_epochs=442), knowledge=Knowledge(),
        skipped={"expected": "It is deconvolved.", "reliability": "Too short.", "forecasts": "Not scored."},
    )  # fmt: skip
    said = findings(bare)
    assert "in 442 epochs" in said[0]
    assert said[1:] == [
        "What is recovered is unknown: It is deconvolved.",
        "Reliability is unknown: Too short.",
        "Forecasts were not compared: Not scored.",
        "Cell types, spike widths, positions and areas are unknown, so there is no prior knowledge to compare with.",
    ]
    assert warnings(bare) == []


def test_an_assessment_that_has_just_begun_says_nothing() -> None:
    begun = Assessment(key="", options={})
    assert findings(begun) == [] == warnings(begun)


def test_what_is_written_is_what_is_read() -> None:
    nan = Estimate(value=math.nan, low=math.nan, high=math.nan)
    whole = good(expected=expected(sign_accuracy=nan))
    again = Assessment.model_validate_json(whole.model_dump_json(indent=1))
    assert again.model_dump_json() == whole.model_dump_json()
