"""The property suite: methods that are right pass it, and for each property there is a wrong one that it finds."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from synapsnet.cli.check import check
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation import assert_method, check_method
from validation.methods import LaggedCorrelation
from validation.properties import PROPERTIES
from validation.properties.planted import EXCITATORY, Planted, random_network

pytest_plugins = ["pytester"]


class Wrong(LaggedCorrelation):
    """Lagged correlation, spoilt by `spoil(scores, values)`."""

    def infer(self, recording: Recording) -> Connectome:
        scores = self.spoil(super().infer(recording).scores.copy(), recording.values.astype(float))
        np.fill_diagonal(scores, 0)
        return Connectome(scores)

    def spoil(self, scores, values):
        return scores


class NotFinite(Wrong):
    def spoil(self, scores, values):
        return np.full_like(scores, np.nan)


class Unseeded(Wrong):
    def spoil(self, scores, values):
        return scores + np.random.default_rng().standard_normal(scores.shape)


class Stale(LaggedCorrelation):
    def infer(self, recording):
        self.first = getattr(self, "first", None) or super().infer(recording)
        return self.first


class InPlace(LaggedCorrelation):
    def infer(self, recording):
        recording.values[:] -= recording.values.min(axis=0) - 1
        return super().infer(recording)


class Peeking(LaggedCorrelation):
    def infer(self, recording):
        return recording.connectome or super().infer(recording)


class Ordered(Wrong):
    def spoil(self, scores, values):
        return scores * np.arange(1, len(scores) + 1)


class Covariance(Wrong):
    def spoil(self, scores, values):
        return scores * values.std(axis=0) * values.std(axis=0)[:, None]


class Fragile(LaggedCorrelation):
    def infer(self, recording):
        unique = np.unique(recording.values, axis=1)
        if recording.values.std(axis=0).min() == 0 or unique.shape[1] < recording.n_neurons:
            raise ZeroDivisionError("float division by zero")
        return super().infer(recording)


class Noise(Wrong):
    def spoil(self, scores, values):
        return np.random.default_rng(0).standard_normal(scores.shape)


class Bursty(Wrong):
    def spoil(self, scores, values):
        x = values - values.mean(axis=0)
        return scores + 500 * np.abs((x[1:] * x[:-1]).mean(axis=0) / x.var(axis=0)).clip(0.2) - 100


class Symmetric(Wrong):
    def spoil(self, scores, values):
        return scores + scores.T


class Unsigned(Wrong):
    def spoil(self, scores, values):
        return np.abs(scores)


class Rates(Wrong):
    def spoil(self, scores, values):
        return np.outer(values.mean(axis=0), values.mean(axis=0))


class Overconfident(LaggedCorrelation):
    def infer(self, recording):
        found = super().infer(recording)
        return Connectome(found.weight, standard_error=found.standard_error / 3)


class Backwards(Wrong):
    def spoil(self, scores, values):
        return scores.T


class Confused(Wrong):
    def spoil(self, scores, values):
        return np.random.default_rng(0).permuted(scores) if len(values) > 3000 else scores


class SpikesOnly(LaggedCorrelation):
    def infer(self, recording):
        if recording.modality != "spikes":
            raise InputError("This method needs spikes; got calcium.")
        return super().infer(recording)


WRONG = {
    "well-formed": NotFinite,
    "determinism": Stale,
    "input-unmodified": InPlace,
    "ground-truth": Peeking,
    "relabelling": Ordered,
    "scaling": Covariance,
    "silent-neuron": Fragile,
    "constant-neuron": Fragile,
    "copied-neuron": Fragile,
    "strong-edge": Noise,
    "diagonal": Bursty,
    "direction": Symmetric,
    "sign": Unsigned,
    "shuffled-neuron": Rates,
    "independent-duplicate": Rates,
    "no-edges-chance": Rates,
    "no-edges-significance": Overconfident,
    "time-reversal": Backwards,
    "more-data": Confused,
    "co-modulation": LaggedCorrelation,
    "few-spikes": LaggedCorrelation,
    "time-resolution": Overconfident,
}
BEYOND_LAGGED_CORRELATION = {"co-modulation", "few-spikes"}  # it takes what is shared, or rare, for connections


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_property_finds_a_method_that_lacks_it(name):
    modality = PROPERTIES[name].modalities[0]
    (result,) = check_method(WRONG[name], properties=[name], modalities=[modality])
    assert (result.name, result.outcome, result.level) == (name, "failed", PROPERTIES[name].level)
    assert result.message.endswith(".") and "\n" not in result.message


def test_lagged_correlation_has_every_property_but_those_of_shared_input_and_few_spikes():
    results = check_method(LaggedCorrelation)
    assert {result.name for result in results if result.outcome != "passed"} == BEYOND_LAGGED_CORRELATION
    assert {(r.name, r.modality) for r in results} == {(p.name, m) for p in PROPERTIES.values() for m in p.modalities}


def test_a_result_that_changes_from_run_to_run_is_found():
    (result,) = check_method(Unseeded, properties=["determinism"], modalities=["spikes"])
    assert result.outcome == "failed"


def test_a_seed_is_passed_and_what_it_changes_is_tolerated():
    seeds = []

    class Seeded(Ordered):
        def __init__(self, seed=0):
            super().__init__()
            self.seed = seed
            seeds.append(seed)

        def spoil(self, scores, values):
            return scores + 3 * np.random.default_rng(self.seed).standard_normal(scores.shape)

    (result,) = check_method(Seeded, properties=["relabelling"], modalities=["spikes"], quick=True)
    assert result.outcome == "passed"
    assert set(seeds) == {0, 1, 2}


def test_a_failure_is_shown_on_a_small_network():
    class FailsOnFour(LaggedCorrelation):
        def infer(self, recording):
            if recording.n_neurons >= 4:
                raise KeyError("four")
            return super().infer(recording)

    (result,) = check_method(FailsOnFour, properties=["well-formed"], modalities=["spikes"])
    assert "infer raised KeyError: 'four'; on 4 neurons, 0 -> 1 (+1.5)" in result.message
    assert result.message.endswith("seed 0.")


def test_results_are_the_same_every_time():
    names = ["relabelling", "strong-edge"]
    first, second = (check_method(Noise, properties=names, modalities=["spikes"]) for _ in range(2))
    assert first == second


def test_no_significance_is_asked_of_methods_that_say_nothing_of_it():
    (result,) = check_method(Wrong, properties=["no-edges-significance"], modalities=["spikes"])
    assert (result.outcome, result.message) == ("skipped", "it gives no standard errors and no probabilities")


def test_a_modality_may_be_refused_but_not_both():
    results = check_method(SpikesOnly, properties=["well-formed"])
    assert [(r.modality, r.outcome) for r in results] == [("spikes", "passed"), ("calcium", "skipped")]
    assert results[1].message == "This method needs spikes; got calcium."

    class Neither(LaggedCorrelation):
        def infer(self, recording):
            raise InputError("Not today.")

    with pytest.raises(AssertionError, match="Nothing could be checked: Not today"):
        assert_method(Neither)


def test_a_refused_neuron_is_sane_but_a_nan_from_one_is_not():
    class Refuses(LaggedCorrelation):
        def infer(self, recording):
            if recording.values.std(axis=0).min() == 0:
                raise InputError("Neuron 0 is constant; drop it.")
            return super().infer(recording)

    class Divides(LaggedCorrelation):
        def infer(self, recording):
            with np.errstate(invalid="ignore"):
                weight = np.nan_to_num(np.corrcoef(recording.values.T), nan=np.inf) - np.eye(recording.n_neurons)
            return Connectome(weight)

    outcomes = [
        check_method(method, properties=["silent-neuron"], modalities=["spikes"])[0].outcome
        for method in (Refuses, Divides)
    ]
    assert outcomes == ["passed", "failed"]


def test_assert_method_lists_what_a_method_must_do():
    assert_method(Unsigned, quick=True)
    with pytest.raises(AssertionError, match=r"failed sign \(should, spikes\)"):
        assert_method(Unsigned, quick=True, level="should")
    with pytest.raises(AssertionError, match=r"failed scaling \(must, calcium\)"):
        assert_method(Covariance, quick=True)


@pytest.mark.parametrize("method", [object, 3, LaggedCorrelation()])
def test_what_is_no_method_is_refused(method):
    with pytest.raises(InputError, match="A method is a class with infer"):
        check_method(method)


def test_unknown_properties_are_refused():
    with pytest.raises(InputError, match="relabelling"):
        check_method(LaggedCorrelation, properties=["relabeling"])


def test_a_planted_network_does_what_it_says():
    planted = Planted(3, ((0, 1, EXCITATORY), (2, 1, -3.0)), "spikes", 20_000, seed=4)
    values = planted.values()
    after = values[1:, 1] - values[:-1, 1].mean()
    assert after[values[:-1, 0] > 0].mean() > 0.1
    assert after[values[:-1, 2] > 0].mean() < -0.1
    recording = planted.record()
    assert recording.connectome is None and recording.spike_times is None
    assert planted.connectome.weight[1, 2] == -3
    calcium = Planted(3, planted.edges, "calcium", 2000, seed=4).values()
    assert calcium.min() > 0.5 and np.corrcoef(calcium[1:, 0], calcium[:-1, 0])[0, 1] > 0.7
    assert len(random_network("spikes", 6, 7, 100, 1, 0.5).edges) == 7


METHOD = """
from synapsnet.connectome import Connectome
from validation.methods import LaggedCorrelation

class Good(LaggedCorrelation):
    pass

class Unsigned(LaggedCorrelation):
    def infer(self, recording):
        return Connectome(abs(super().infer(recording).weight))

class Bad(LaggedCorrelation):
    def infer(self, recording):
        raise KeyError("oh")
"""


def plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> pytest.RunResult:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # as if it were installed, whether or not it is
    monkeypatch.setattr("synapsnet.pytest_plugin.watched", lambda complain: lambda code: None)  # it would fork
    pytester.makepyfile(my_methods=METHOD, test_mine="def test_mine(): pass")
    return pytester.runpytest_inprocess("-p", "synapsnet.pytest_plugin", *arguments)


def test_pytest_runs_a_test_per_property_beside_ones_own(pytester, monkeypatch):
    n_tests = sum(len(each.modalities) for each in PROPERTIES.values())
    result = plugin(pytester, monkeypatch, "--synapsnet-method=my_methods:Good", "--collect-only", "-q")
    assert result.ret == 0
    collected = result.stdout.str().splitlines()
    assert "test_mine.py::test_mine" in collected
    assert sum(line.startswith("my_methods:Good::") for line in collected) == n_tests


def test_pytest_finds_a_method_beside_the_user_wherever_tests_are(pytester, monkeypatch):
    folder = pytester.mkdir("only")
    monkeypatch.setattr("sys.path", [each for each in sys.path if each not in ("", str(pytester.path))])
    result = plugin(pytester, monkeypatch, "--synapsnet-method=my_methods:Good", "--collect-only", "-q", folder.name)
    assert result.ret == 0
    assert any(line.startswith("my_methods:Good::") for line in result.stdout.str().splitlines())


def test_pytest_fails_where_a_method_does(pytester, monkeypatch):
    result = plugin(
        pytester, monkeypatch, "--synapsnet-method=my_methods:Bad", "--synapsnet-quick", "-k", "well-formed"
    )
    result.assert_outcomes(failed=2, deselected=39)
    result.stdout.fnmatch_lines(["*infer raised KeyError: 'oh'*", "Why it must: *"])


def test_pytest_expects_a_should_to_fail(pytester, monkeypatch):
    name = "--synapsnet-method=correlation"
    result = plugin(pytester, monkeypatch, name, "--synapsnet-quick", "-k", "direction and spikes or mine")
    result.assert_outcomes(xfailed=1, passed=1, deselected=39)


def test_pytest_without_the_option_is_as_before_and_a_wrong_name_is_a_sentence(pytester, monkeypatch):
    plugin(pytester, monkeypatch).assert_outcomes(passed=1)
    result = plugin(pytester, monkeypatch, "--synapsnet-method=my_methods:Absent")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *no class 'Absent'*"])


def test_the_command_prints_every_result_and_exits_with_one_if_a_must_fails(tmp_path, monkeypatch):
    app = typer.Typer()
    app.command()(check)
    (tmp_path / "my_own.py").write_text(METHOD)
    monkeypatch.chdir(tmp_path)
    bad = CliRunner().invoke(app, ["my_own:Bad", "--quick", "--as", "spikes"])
    assert bad.exit_code == 1
    assert "failed  spikes  must   well-formed: infer raised KeyError: 'oh'; on 3 neurons" in bad.output
    good = CliRunner().invoke(app, ["my_own:Unsigned", "--quick", "--as", "spikes"])
    assert good.exit_code == 0
    assert "16 of 21 passed; 1 failed, of which 0 are a must." in good.output
