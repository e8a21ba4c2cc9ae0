"""Connectivity that changes: what the truth is at each time, and that spikes follow it."""

from __future__ import annotations

import numpy as np
import pytest

from simulators import engine, observe_spikes, simulate
from simulators.networks import CobahhSmall, LifConnectome, LifRandom, RingAttractor, V1Layer23
from simulators.plasticity import Rewiring, Stdp
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.io import read_simulation, write_simulation
from synapsnet.weight_course import WeightCourse

DURATION_S = 40.0


@pytest.fixture(scope="module")
def rewired():
    return simulate(LifRandom(plasticity="rewiring"), duration_s=DURATION_S, seed=1)


@pytest.fixture(scope="module")
def learning():
    return simulate(LifRandom(plasticity={"name": "stdp", "sampled_every_s": 5.0}), duration_s=DURATION_S, seed=1)


def course(**changes):
    """Of three neurons: 0 -> 1 throughout, 0 -> 2 for 4 s, then 2 -> 1."""
    values = {
        "n_neurons": 3,
        "start_s": np.array([0.0, 4.0]),
        "post": np.array([1, 2, 1], np.int32),
        "pre": np.array([0, 0, 2], np.int32),
        "weight": np.array([[1.0, 2.0, 0.0], [1.0, 0.0, -3.0]]),
        "delay_s": np.array([0.001, 0.002, 0.003]),
    }
    return WeightCourse(**values | changes)


def test_the_truth_at_a_time_and_its_mean_over_a_window():
    early, late, mean = course().at(3.9).weight, course().at(4.0).weight, course().mean(3.0, 7.0)
    assert early.tolist() == [[0, 0, 0], [1, 0, 0], [2, 0, 0]]
    assert late.tolist() == [[0, 0, 0], [1, 0, -3], [0, 0, 0]]
    assert mean.weight == pytest.approx(np.array([[0, 0, 0], [1, 0, -2.25], [0.5, 0, 0]]))
    assert mean.delay_s[1, 2] == 0.003
    assert np.isnan(mean.delay_s[0, 1])
    assert course().between(3.0, 7.0).mean(0.0, 4.0).weight == pytest.approx(mean.weight)
    assert course().between(5.0, 7.0).start_s.tolist() == [0.0]
    assert course().select([2, 1]).at(5.0).weight.tolist() == [[0, 0], [-3, 0]]


def test_a_connection_that_replaces_another_of_the_same_neurons():
    twice = course(post=np.array([1, 1, 1], np.int32), pre=np.array([0, 0, 2], np.int32))
    assert twice.mean(0.0, 8.0).weight == pytest.approx(np.array([[0, 0, 0], [2, 0, -1.5], [0, 0, 0]]))


def test_half_of_the_connections_are_replaced_at_half_time(rewired):
    truth = rewired.weight_course
    before, after = truth.at(0.0), truth.at(DURATION_S)
    assert truth.start_s.tolist() == [0.0, DURATION_S / 2]
    stays = before.adjacency & after.adjacency
    assert stays.sum() / before.adjacency.sum() == pytest.approx(0.5, abs=0.07)
    assert after.adjacency.sum() == before.adjacency.sum()
    # Of the others, a tenth are connected to the same neuron again.
    assert (before.weight[stays] == after.weight[stays]).mean() > 0.9
    assert rewired.connectome.weight == pytest.approx((before.weight + after.weight) / 2)
    unchanged = simulate(LifRandom(), duration_s=1.0, seed=1).connectome
    assert (before.weight == unchanged.weight).all()


@pytest.mark.parametrize(
    ("network", "chooses"),
    [(V1Layer23(n_neurons=60), True), (LifRandom(topology="chain"), False), (RingAttractor(), False)],
    ids=["v1", "chain", "ring-attractor"],
)
def test_as_many_connections_begin_as_end(network, chooses, monkeypatch):
    """A wiring without a choice connects the same neurons again, with new weights."""
    monkeypatch.setattr(engine, "run", lambda *args, **kwargs: engine.Spikes(np.zeros(0, np.int32), np.zeros(0)))
    truth = simulate(replace_parameters(network, plasticity={"name": "rewiring"}), duration_s=0.5).weight_course
    before, after = truth.at(0.0), truth.at(0.5)
    assert after.adjacency.sum() == before.adjacency.sum()
    assert (after.adjacency & ~before.adjacency).any() == chooses
    changed = (before.weight != after.weight)[before.adjacency].mean()
    assert changed == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("plasticity", [{"name": "stdp", "sampled_every_s": 5.0}, {"name": "rewiring"}, None])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_network_without_connections_has_none_at_any_time(plasticity, compiled, monkeypatch, tmp_path):
    if not compiled:
        monkeypatch.setattr(engine, "compiler_found", lambda: None)
        monkeypatch.setenv("SYNAPSNET_CACHE", str(tmp_path))
    network = LifRandom(connection_probability=0.0, drive_mv=20.0, plasticity=plasticity)  # the programs of above
    write_simulation(simulate(network, duration_s=0.2, seed=1), tmp_path / "sim.nwb")
    simulation = read_simulation(tmp_path / "sim.nwb")
    assert len(simulation.spike_times[0]) > 2
    assert not simulation.connectome.adjacency.any()
    if plasticity is not None:
        assert not simulation.between(0.05, 0.15).connectome.adjacency.any()
        assert not simulation.weight_course.at(0.1).adjacency.any()


def test_spikes_follow_the_connections_that_are_there():
    """A strong connection makes coincidences in the half in which it exists."""
    weight = np.zeros((100, 100))  # as many neurons as above: the same program
    weight[1, 0] = 12.0
    connectome = Connectome(weight, delay_s=np.where(weight != 0, 0.002, np.nan))
    network = LifConnectome(connectome=connectome, plasticity={"name": "rewiring", "fraction": 1.0})
    simulation = simulate(network, duration_s=DURATION_S, seed=3)
    assert simulation.weight_course.at(0.0).weight == pytest.approx(simulation.weight_course.at(30.0).weight)
    before, after = (simulation.between(start, start + DURATION_S / 2) for start in (0.0, DURATION_S / 2))
    assert min(excess(before, 0, 1), excess(after, 0, 1)) > 0.5
    gone = LifConnectome(connectome=connectome, plasticity=Ending(fraction=1.0))
    simulation = simulate(gone, duration_s=DURATION_S, seed=3)
    before, after = (simulation.between(start, start + DURATION_S / 2) for start in (0.0, DURATION_S / 2))
    assert excess(before, 0, 1) > 0.5
    assert excess(after, 0, 1) < 0.1
    assert not after.connectome.adjacency.any()


class Ending(Rewiring):
    """Connections that end, and none that begin."""

    def synapses(self, connectome, draw_again, values, duration_s, rng):
        return super().synapses(connectome, lambda rng: Connectome(np.zeros((100, 100))), values, duration_s, rng)


def excess(simulation, pre, post):
    """Fraction of presynaptic spikes after which the other fires within 2 to 12 ms, less that by chance."""
    times, others = (simulation.spike_times[k].times() for k in (pre, post))

    def hit(delay_s):
        return np.mean(np.searchsorted(others, times + delay_s + 0.010) > np.searchsorted(others, times + delay_s))

    return hit(0.002) - hit(0.1)


def test_stdp_changes_excitatory_connections_only(learning):
    truth = learning.weight_course
    excitatory = (learning.neurons["cell_type"] == "excitatory").to_numpy()
    plastic = excitatory[truth.pre] & excitatory[truth.post]
    assert truth.start_s.tolist() == [0, 5, 10, 15, 20, 25, 30, 35]
    assert (truth.weight[:, ~plastic] == truth.weight[0, ~plastic]).all()
    assert (np.abs(truth.weight[-1] / truth.weight[0] - 1)[plastic] > 0.01).mean() > 0.8
    assert (truth.weight[:, plastic] > 0).all()
    assert learning.connectome.adjacency.sum() == len(truth.post)


def test_stdp_follows_the_rule_spike_by_spike(learning):
    """The weights at the end, from the spikes and the delays alone, in plain numpy."""
    truth, rule = learning.weight_course, Stdp()
    excitatory = (learning.neurons["cell_type"] == "excitatory").to_numpy()
    plastic = np.flatnonzero(excitatory[truth.pre] & excitatory[truth.post])
    balanced = truth.weight[0, plastic].mean()
    for edge in plastic[:5]:
        arrivals = learning.spike_times[truth.pre[edge]].times() + truth.delay_s[edge]
        spikes = learning.spike_times[truth.post[edge]].times()
        events = sorted([(t, 0) for t in arrivals] + [(t, 1) for t in spikes])
        weight, x, y, last = truth.weight[0, edge], 0.0, 0.0, 0.0
        for t, is_post in events:
            if t >= truth.start_s[-1]:
                break
            decay = np.exp(-(t - last) / 0.020)
            x, y, last = x * decay, y * decay, t
            if is_post:
                weight += rule.learning_rate * balanced * (weight / balanced) ** rule.exponent * x
                y += 1
            else:
                weight -= rule.learning_rate * weight * y
                x += 1
        # Brian2 rounds delays to its step
        assert weight == pytest.approx(truth.weight[-1, edge], rel=0.01)


def test_weights_come_to_rest_near_their_mean():
    """Twenty times faster than in cortex: what was far from rest has moved there."""
    fast = simulate(LifRandom(plasticity=Stdp(learning_rate=0.2)), duration_s=DURATION_S, seed=2).weight_course
    changes = fast.weight[-1] / fast.weight[0]
    plastic = changes != 1
    first, last = fast.weight[0, plastic], fast.weight[-1, plastic]
    assert np.corrcoef(np.log(first), np.log(changes[plastic]))[0, 1] < -0.6
    assert last.mean() == pytest.approx(first.mean(), rel=0.5)


def test_a_window_has_the_spikes_and_the_truth_of_its_time(rewired):
    late = rewired.between(25.0, 35.0)
    assert late.duration_s == 10.0
    assert late.connectome.weight == pytest.approx(rewired.weight_course.at(30.0).weight)
    times = rewired.spike_times[3].times()
    assert late.spike_times[3].times() == pytest.approx(times[(times >= 25) & (times < 35)] - 25)
    recorded = observe_spikes(late, seed=0)
    assert recorded.connectome.adjacency.sum() == late.select_neurons(range(100)).connectome.adjacency.sum()
    for start, stop in ((-1, 5), (5, 5), (30, 50)):
        with pytest.raises(InputError, match="A window must lie within the simulation's 40 s"):
            rewired.between(start, stop)


def test_the_course_is_kept_in_a_file(rewired, learning, tmp_path):
    for simulation in (rewired, learning):
        write_simulation(simulation, tmp_path / "sim.nwb")
        again = read_simulation(tmp_path / "sim.nwb").weight_course
        for name, values in vars(simulation.weight_course).items():
            np.testing.assert_array_equal(getattr(again, name), values)


@pytest.mark.parametrize(
    ("network", "plasticity"), [(V1Layer23(n_neurons=30), "stdp"), (CobahhSmall(n_neurons=10), "rewiring")]
)
def test_other_neurons_and_synapses_become_plastic_without_a_compiler_too(network, plasticity, monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "compiler_found", lambda: None)
    monkeypatch.setenv("SYNAPSNET_CACHE", str(tmp_path))
    plastic = replace_parameters(network, plasticity={"name": plasticity})
    truth = simulate(plastic, duration_s=0.02, seed=1).weight_course
    assert truth.weight.shape == ({"stdp": 1, "rewiring": 2}[plasticity], len(truth.post))


def replace_parameters(network, **changes):
    return type(network)(**network.parameters() | changes)


def test_networks_that_stay_are_described_as_before_any_could_change():
    assert "plasticity" not in LifRandom().parameters()
    described = LifRandom(plasticity="rewiring").parameters()
    assert described["plasticity"] == {"name": "rewiring", "at": 0.5, "fraction": 0.5}
    assert LifRandom(**described).parameters() == described


def test_unknown_plasticity_is_refused():
    with pytest.raises(InputError, match="there is no plasticity 'stpd'"):
        LifRandom(plasticity="stpd")
    with pytest.raises(InputError, match="fraction"):
        LifRandom(plasticity={"name": "rewiring", "fraction": 2})
