"""A user's own Brian2 network as a simulation: the ten lines of the documentation, and what is refused.

Everything runs with Brian2's numpy target: nothing is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulators import from_brian
from synapsnet.errors import InputError

b2 = pytest.importorskip("brian2")
ms, mV, second = b2.ms, b2.mV, b2.second
EQUATIONS = "dv/dt = (v0 - v)/(10*ms) : volt\nv0 : volt"


@pytest.fixture(autouse=True)
def numpy_target() -> Iterator[None]:
    before = b2.prefs.codegen.target
    b2.prefs.codegen.target = "numpy"
    yield
    b2.prefs.codegen.target = before


def group(n: int, name: str, v0: Any = 0 * mV, **options: Any) -> Any:
    neurons = b2.NeuronGroup(
        n, EQUATIONS, threshold="v > 10*mV", reset="v = 0*mV", method="exact", name=name, **options
    )
    neurons.v0 = v0
    return neurons


def synapses(pre: Any, post: Any, edges: list[tuple[int, int]], w: Any, name: str, delay: Any = 2 * ms) -> Any:
    made = b2.Synapses(pre, post, "w : volt", on_pre="v += w", delay=delay, name=name)
    i, j = zip(*edges, strict=True)
    made.connect(i=list(i), j=list(j))
    made.w = w
    return made


def test_the_example_of_the_documentation():
    page = (Path(__file__).parents[1] / "docs" / "simulators.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1), names)
    truth = names["recording"].connectome
    assert truth.unit == "mV"
    assert 0 < truth.weight.max() < 0.5
    assert names["recording"].values.sum() > 100


def network() -> Any:
    """Exc 0 fires by itself and makes exc 1 and inh 0 fire; inh 1 never does. Names decide the order."""
    exc, inh = group(2, "exc", [15, 0] * mV), group(2, "inh")
    strong = synapses(exc, exc, [(0, 1)], 20 * mV, "strong", 2 * ms)
    across = synapses(exc, inh, [(0, 0), (0, 0), (1, 1)], [6, 6, 1] * mV, "across", 4 * ms)
    back = b2.Synapses(inh, exc, "strength : volt", on_pre="v -= strength", delay=1 * ms, name="back")
    back.connect(i=[0], j=[1])
    back.strength = 3 * mV
    return b2.Network(exc, inh, strong, across, back)


def test_the_ground_truth_is_what_was_connected():
    simulation = from_brian(network(), duration_s=0.2, weights={"back": "-strength"}, cell_type={"inh": "Pvalb"})
    expected = np.zeros((4, 4))
    expected[1, 0], expected[2, 0], expected[3, 1], expected[1, 2] = 20, 12, 1, -3
    assert simulation.connectome.weight == pytest.approx(expected)
    assert simulation.connectome.unit == "mV"
    delay_s = simulation.connectome.delay_s
    assert delay_s is not None
    assert np.array_equal(np.isfinite(delay_s), expected != 0)
    assert [delay_s[1, 0], delay_s[2, 0], delay_s[1, 2]] == pytest.approx([2e-3, 4e-3, 1e-3])
    assert list(simulation.neurons["cell_type"]) == ["exc", "exc", "Pvalb", "Pvalb"]


def test_the_spikes_are_those_of_the_neurons_in_the_same_order():
    simulation = from_brian(network(), duration_s=0.2, weights={"back": "-strength"})
    trains = [simulation.spike_times[k].times() for k in range(4)]
    assert len(trains[0]) > 10
    first = trains[0][:-1]
    assert trains[1][: len(first)] - first == pytest.approx(2e-3, abs=2e-4)
    assert trains[2][: len(first)] - first == pytest.approx(4e-3, abs=2e-4)
    assert len(trains[3]) == 0


def test_inputs_take_part_but_are_not_recorded():
    neurons = group(2, "cells")
    source = b2.SpikeGeneratorGroup(1, [0, 0], [10, 50] * ms)
    feed = synapses(source, neurons, [(0, 0)], 20 * mV, "feed")
    simulation = from_brian(b2.Network(neurons, source, feed), duration_s=0.1)
    assert simulation.n_neurons == 2
    assert not simulation.connectome.weight.any()
    assert simulation.spike_times[0].times() == pytest.approx([0.012, 0.052], abs=2e-4)


def test_subgroups_are_parts_of_their_group():
    cells = group(5, "cells")
    part = synapses(cells[3:], cells[:2], [(1, 0)], 2 * mV, "part")
    connectome = from_brian(b2.Network(cells, part), duration_s=0.01).connectome
    assert connectome.weight[0, 4] == pytest.approx(2)
    assert np.count_nonzero(connectome.weight) == 1


def test_self_connections_are_left_out_and_other_units_are_named():
    cells = group(2, "cells")
    loop = b2.Synapses(cells, cells, "g : siemens", name="loop")
    loop.connect(i=[0, 0], j=[0, 1])
    loop.g = 3 * b2.nS
    connectome = from_brian(b2.Network(cells, loop), duration_s=0.01, weights="g").connectome
    assert connectome.weight == pytest.approx(np.array([[0, 0], [3e-9, 0]]))
    assert connectome.unit == "S"


def test_the_same_seed_gives_the_same_spikes():
    def noisy() -> Any:
        return b2.Network(
            b2.NeuronGroup(3, "dv/dt = -v/(5*ms) + 9*mV*xi/ms**.5 : volt", threshold="v > 10*mV", reset="v = 0*mV")
        )

    first, again, other = (from_brian(noisy(), duration_s=0.2, seed=seed).spike_times for seed in (1, 1, 2))
    assert len(first[0]) > 2
    assert all(np.array_equal(first[k].times(), again[k].times()) for k in range(3))
    assert not np.array_equal(first[0].times(), other[0].times())


def test_refuses_what_cannot_be_a_ground_truth():
    silent = b2.Network(b2.NeuronGroup(2, "v : 1"))
    with pytest.raises(InputError, match="NeuronGroup with a threshold; this one has none"):
        from_brian(silent, duration_s=1.0)
    with pytest.raises(InputError, match="duration must be a positive number of seconds; got -1"):
        from_brian(network(), duration_s=-1.0)
    with pytest.raises(InputError, match=r"'back' have no variable 'w'.*weights=\{'back': 'w'\}"):
        from_brian(network(), duration_s=0.01)
    cells = group(2, "cells")
    loop = b2.Synapses(cells, cells, "w : 1", name="loop")
    loop.connect(i=[0], j=[1])
    mixed = b2.Network(cells, loop, synapses(cells, cells, [(1, 0)], 1 * mV, "proper"))
    with pytest.raises(InputError, match=r"one unit.*loop: 1.*proper: V"):
        from_brian(mixed, duration_s=0.01)


def test_wrong_units_become_a_sentence():
    with pytest.raises(InputError, match="Brian2 cannot run this network"):
        cells = group(2, "cells")
        wrong = b2.Synapses(cells, cells, "w : 1", on_pre="v += w", name="wrong")
        wrong.connect(i=[0], j=[1])
        from_brian(b2.Network(cells, wrong), duration_s=0.01)


def test_a_device_that_runs_once_only_says_so(monkeypatch):
    def run(duration: Any) -> None:
        raise RuntimeError("The network has already been built and run before.")

    again = network()
    monkeypatch.setattr(again, "run", run)
    with pytest.raises(InputError, match="Brian2 cannot run this network: The network has already been built"):
        from_brian(again, duration_s=0.01)
