"""Suites: what cases they stand for, what is refused, and what a cached result depends on."""

from __future__ import annotations

import ast
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import pytest

import validation.benchmark.sources as sources
from synapsnet.errors import InputError
from validation.benchmark.sources import case_key, code_hash, imported_modules
from validation.benchmark.suite import SUITES, Suite, load_suite
from validation.methods import BOUNDS, find_forecaster, find_method

DESCRIBED = {
    "methods": ["lagged-correlation", "var"],
    "seeds": [1, 2],
    "networks": {"random": {"name": "lif-random"}, "small": {"name": "lif-random", "n_neurons": 20}},
    "observations": {"spikes": {"as": "spikes"}, "noisy": {"as": "calcium", "noise_level": 4.0, "visible": 0.5}},
}


def test_everything_by_everything_without_grids():
    cases = Suite(**DESCRIBED).cases()
    assert len(cases) == len(set(map(str, cases))) == 2 * 2 * 2 * 2
    assert [case.method for case in cases] == ["lagged-correlation"] * 8 + ["var"] * 8


def test_cases_that_run_side_by_side_differ_in_their_simulation():
    cases = Suite(**DESCRIBED).cases()
    assert all((a.network_label, a.seed) != (b.network_label, b.seed) for a, b in pairwise(cases))


def test_grids_choose_and_overlap():
    grid = [
        {"networks": ["random"], "observations": ["spikes", "noisy"]},
        {"networks": ["random", "small"], "observations": ["spikes"], "methods": ["glm"], "seeds": [7]},
        {"networks": ["random"], "observations": ["noisy"], "seeds": [2, 3]},
    ]
    cases = [str(case) for case in Suite(**DESCRIBED, grid=grid).cases(["correlation"])]
    assert sorted(case for case in cases if case.startswith("glm")) == [
        "glm on random, spikes, seed 7",
        "glm on small, spikes, seed 7",
    ]
    assert sum(case.startswith("var") for case in cases) == 4 + 1  # seed 2 is in two grids
    assert sum(case.startswith("correlation") for case in cases) == 4 + 2 + 1
    assert [case.split()[0] for case in cases] == sorted(
        (case.split()[0] for case in cases), key=["lagged-correlation", "var", "glm", "correlation"].index
    )


def test_a_case_holds_the_defaults():
    case = Suite(**DESCRIBED).cases()[0]
    assert case.network["dt_ms"] == 0.1
    assert case.observation["duration_s"] == 600
    assert Suite(**DESCRIBED).observations["noisy"].complete()["indicator"] == "GCaMP6f"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"networks": {"x": {"name": "lif-randm"}}}, "lif-random"),
        ({"networks": {"x": {"n_neurons": 20}}}, "needs a name"),
        ({"networks": {"x": {"name": "lif-random", "n_neuron": 20}}}, "no parameter 'n_neuron'"),
        ({"networks": {"x": {"name": "lif-random", "topology": "rings"}}}, "ring"),
        ({"observations": {"x": {"as": "spikes", "noise_level": 1.0}}}, "noise_level"),
        ({"observations": {"x": {"as": "spikes", "visible": 0}}}, "visible"),
        ({"observations": {"x": {"as": "voltage"}}}, "voltage"),
        ({"observations": {}}, "observations"),
        ({"seeds": [-1]}, "seeds"),
        ({"methods": []}, "methods"),
        ({"metods": []}, "metods"),
        ({"grid": [{"networks": ["randm"], "observations": ["spikes"]}]}, "did you mean 'random'"),
    ],
)
def test_unusable_suites_are_refused_in_one_sentence(change, sentence):
    with pytest.raises(InputError, match=sentence):
        Suite(**DESCRIBED | change)


def test_files(tmp_path: Path):
    with pytest.raises(InputError, match="did you mean 'smoke'"):
        load_suite("smok")
    with pytest.raises(InputError, match="give a suite's TOML file that exists"):
        load_suite(str(tmp_path / "absent.toml"))
    (tmp_path / "broken.toml").write_text("methods = [")
    with pytest.raises(InputError, match="cannot be read as TOML"):
        load_suite(str(tmp_path / "broken.toml"))


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_suites_of_the_project(path: Path):
    suite = load_suite(path.stem)
    assert suite.about
    if suite.recordings:
        if suite.absent():
            pytest.skip("recordings of others are not here")
    else:
        assert len(suite.seeds) >= 2
    for method in {case.method for case in suite.cases()} - {*BOUNDS}:
        find_forecaster(method) if suite.task == "forecasts" else find_method(method)
    used = {(case.network_label, case.observation_label) for case in suite.cases()}
    assert {network for network, _ in used} == {*suite.networks, *suite.recordings}
    assert {observation for _, observation in used} == set(suite.observations)


def test_imports_are_found_wherever_they_are():
    code = """
        import a.b
        from c import d
        from . import e
        from ..f import g
        def later():
            from .h import i
    """
    tree = ast.parse(textwrap.dedent(code))
    assert set(imported_modules(tree, "p.q.r", is_package=False)) == {
        "a.b", "c", "c.d", "p.q", "p.q.e", "p.f", "p.f.g", "p.q.h", "p.q.h.i",
    }  # fmt: skip
    assert set(imported_modules(ast.parse("from . import e"), "p.q", is_package=True)) == {"p.q", "p.q.e"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a method, what it imports, and another method."""
    folder = tmp_path / "ownmethods"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("from ownmethods.common import Base\nclass One(Base): ...\n")
    (folder / "two.py").write_text("from ownmethods.other import Base\nclass Two(Base): ...\n")
    (folder / "common.py").write_text("class Base:\n    def infer(self, recording): ...\n")
    (folder / "other.py").write_text("class Base:\n    def infer(self, recording): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    sources._source.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "ownmethods"]:  # of another test
        del sys.modules[name]
    return folder


def keys(*methods: str) -> list[str]:
    code_hash.cache_clear()
    return [case_key(case) for case in Suite(**DESCRIBED | {"methods": list(methods), "seeds": [1]}).cases()]


def test_a_changed_method_changes_its_own_keys_only(package: Path):
    one, two = "ownmethods.one:One", "ownmethods.two:Two"
    before = keys(one), keys(two), keys("var")
    assert len({*before[0], *before[1], *before[2]}) == 12
    (package / "one.py").write_text("from ownmethods.common import Base\nclass One(Base): x = 1\n")
    changed = keys(one)
    assert not set(changed) & set(before[0])
    (package / "common.py").write_text("class Base:\n    def infer(self, recording): return None\n")
    assert not set(keys(one)) & set(changed)
    assert (keys(two), keys("var")) == before[1:]


def test_a_calibrated_method_has_the_keys_of_the_method_that_it_calibrates(package: Path):
    before = keys("ownmethods.one:One+calibrated")
    assert not set(before) & set(keys("ownmethods.one:One"))
    (package / "common.py").write_text("class Base:\n    def infer(self, recording): return None\n")
    assert not set(keys("ownmethods.one:One+calibrated")) & set(before)


def test_what_a_method_has_learned_is_part_of_its_key(package: Path):
    before = keys("ownmethods.one:One"), keys("ownmethods.two:Two")
    (package / "one.npz").write_bytes(b"weights")
    first = keys("ownmethods.one:One")
    (package / "one.npz").write_bytes(b"others")
    assert len({*before[0], *first, *keys("ownmethods.one:One")}) == 12
    assert keys("ownmethods.two:Two") == before[1]
    assert (Path(sources.__file__).parents[1] / "methods" / "correlogram_network.npz").is_file()


def test_an_optional_package_counts_where_it_is_imported(package: Path, monkeypatch: pytest.MonkeyPatch):
    (package / "one.py").write_text("class One:\n    def infer(self, recording):\n        import nemos\n")
    before = keys("ownmethods.one:One"), keys("var")
    for number in ("0.1", ""):  # another version, and none
        monkeypatch.setattr(sources, "_optional_version", lambda package, number=number: number)
        assert not set(keys("ownmethods.one:One")) & set(before[0])
        assert keys("var") == before[1]
        assert ("nemos" in sources.versions()) == bool(number)


def test_bounds_have_keys_of_their_own_code():
    oracle, ceiling = keys("oracle"), keys("ceiling")
    assert len({*oracle, *ceiling, *keys("glm")}) == 12
    with pytest.raises(InputError, match="There is no method 'oracl'"):
        keys("oracl")


def test_keys_depend_on_versions_but_not_on_labels(monkeypatch: pytest.MonkeyPatch):
    before = keys("var")
    renamed = DESCRIBED | {"networks": {f"{k}-1": v for k, v in DESCRIBED["networks"].items()}}
    cases = Suite(**renamed | {"methods": ["var"], "seeds": [1]}).cases()
    assert [case_key(case) for case in cases] == before
    monkeypatch.setattr(sources, "versions", lambda: {"numpy": "0.1"})
    assert not set(keys("var")) & set(before)


def test_code_of_the_simulators_and_the_metrics_counts_but_not_that_of_other_methods(monkeypatch: pytest.MonkeyPatch):
    read: list[str] = []
    find = sources._source
    monkeypatch.setattr(sources, "_source", lambda module: (read.append(module), find(module))[1])
    keys("lagged-correlation")
    assert {"simulators.engine", "simulators.networks.lif", "simulators.observation.calcium"} <= set(read)
    assert {"validation.metrics.connectivity", "validation.methods.correlation"} <= set(read)
    assert not {"validation.methods", "validation.methods.glm", "simulators.networks.adex"} & set(read)
