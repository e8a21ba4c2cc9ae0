"""Light on neurons that are known: on a planted network, in which what it must do is known."""

from __future__ import annotations

import numpy as np
import pytest
from planted import N_DRIVEN, TYPES, N, lit, planted_network

from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.benchmark.case import measure
from validation.benchmark.suite import Suite
from validation.light.known_neurons import before_light, known_responses, lit_neurons, score_known
from validation.light.responses import Responses
from validation.metrics.glossary import RESPONSE_METRICS


@pytest.fixture(scope="module")
def one_by_one() -> Recording:
    return lit(planted_network(), {str(k): np.eye(N)[k] for k in range(6)}, 6 * 100, seed=1)


def test_the_name_of_a_light_says_on_whom_it_is(one_by_one):
    found = lit_neurons(one_by_one)
    assert {name: list(np.flatnonzero(on)) for name, on in found.items()} == {f"light_{k}": [k] for k in range(6)}
    of_a_type = lit(planted_network(), {"inhibitory": np.array(TYPES) == "inhibitory"}, 2, seed=1)
    assert list(np.flatnonzero(lit_neurons(of_a_type)["light_inhibitory"])) == list(range(N_DRIVEN))


def test_the_truth_predicts_and_its_opposite_predicts_the_opposite(one_by_one):
    responses = known_responses(one_by_one)
    assert [list(each.driven) for each in responses] == [[k] for k in range(6)]
    assert [each.extra[0] for each in responses] == pytest.approx([3.0] * 6, abs=0.7)
    truth = score_known(planted_network(), responses)
    assert set(truth) == {metric.field for metric in RESPONSE_METRICS}
    assert truth["response_correlation"] > 0.7 > truth["response_correlation_null"] > 0
    assert truth["response_sign"] > 0.9 > truth["response_sign_null"]
    assert truth["response_reliability"] > 0.4
    opposite = score_known(-planted_network(), responses)
    assert opposite["response_rank"] == pytest.approx(-truth["response_rank"])
    assert opposite["response_sign"] == pytest.approx(1 - truth["response_sign"])
    nothing = score_known(np.zeros((N, N)), responses)
    assert (nothing["response_correlation"], nothing["response_sign"]) == (0, 0.5)


def test_what_is_passed_on_by_hand():
    """0 drives 1, which drives 2: relative changes of 2 x 0.5, and 0.1 spikes a step x that x 3."""
    effect = np.zeros((4, 4))
    effect[1, 0], effect[2, 1] = 0.5, 3.0
    nothing, four = np.zeros(3), np.arange(4)
    responses = Responses(four[:1], four[1:], np.array([2.0]), np.full(3, 0.1), nothing, nothing, nothing > 0)
    assert responses.predict(effect) == pytest.approx([1.0, 0.0, 0.0])
    assert responses.predict_passed_on(effect) == pytest.approx([1.0, 0.3, 0.0])
    effect[1, 2] = 4.0  # there and back: 0.3 x 0.4 of each is added to it
    assert responses.predict_passed_on(effect) == pytest.approx(np.array([1.0, 0.3, 0.0]) / (1 - 0.12))
    effect[1, 2] = 40.0
    assert np.isnan(responses.predict_passed_on(effect)).all()


def test_activity_before_light_says_nothing_of_it(one_by_one):
    seen = before_light(one_by_one, 0.3)
    assert (seen.n_steps, seen.behaviour) == (30, None)


def test_light_on_unknown_neurons_is_refused(one_by_one):
    with pytest.raises(InputError, match="name it light_ID, with the id of a neuron, or light_TYPE"):
        known_responses(one_by_one.select_neurons(range(10, 20)))


def test_a_case_of_a_network_with_light_scores_responses_that_no_method_has_seen(cache_folder):
    light = {"light_on": "inhibitory", "light_mv": -30, "light_pulse_ms": 100, "light_from_s": 10}
    network = {"name": "lif-random", "n_neurons": 20, "connection_probability": 0.15, "inputs": light}
    suite = Suite(
        methods=["true-effect", "benchmark_methods:Dark"],
        seeds=[1],
        networks={"silenced": network},
        observations={"spikes": {"as": "spikes", "duration_s": 60.0}},
    )
    known, dark = (measure(case) for case in suite.cases())
    assert (known.reason, dark.reason) == ("", "")
    scores = {score.metric: score.value for score in known.scores}
    assert scores["response_correlation"] > 0.3
    assert scores["auprc"] == 1
