"""Connectivity of many neurons is kept as a list of the pairs that may be connected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.exports import edge_table
from synapsnet import listed_connectome as module
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.listed_connectome import MOST_DOUBT, ListedConnectome, from_arrays, to_arrays
from synapsnet.recording import Recording, neuron_table
from validation.assessment.signature import signature
from validation.metrics.connectivity import score_connectivity

N = 60
OFF_DIAGONAL = ~np.eye(N, dtype=bool)


@pytest.fixture(scope="module")
def networks() -> tuple[Connectome, Connectome]:
    """A true network, and what is inferred of it: z-scores of 3 where there is a connection, and their posterior."""
    rng = np.random.default_rng(0)
    connected = (rng.random((N, N)) < 0.05) & OFF_DIAGONAL
    z = rng.normal(np.where(connected, 3.0, 0.0))
    present = 0.05 * np.exp(3 * z - 4.5)
    local_fdr = np.where(OFF_DIAGONAL, 0.95 / (0.95 + present), 1.0).astype(np.float32)
    weight = np.where(OFF_DIAGONAL, (1 - local_fdr) * z, 0.0).astype(np.float32)
    p_value = np.where(OFF_DIAGONAL, np.exp(-np.maximum(z, 0)), 1.0)
    delay = np.where(local_fdr < 0.5, 0.002, np.nan)
    inferred = Connectome(weight, delay, np.ones_like(weight), p_value, local_fdr, unit="a.u.")
    return Connectome(connected.astype(float)), inferred


@pytest.fixture
def listed(networks: tuple[Connectome, Connectome], monkeypatch: pytest.MonkeyPatch) -> ListedConnectome:
    monkeypatch.setattr(module, "MANY_NEURONS", N - 1)
    found = from_arrays(to_arrays(networks[1]), "a.u.")
    assert isinstance(found, ListedConnectome)
    return found


def test_few_neurons_and_evidence_without_probabilities_keep_their_matrices(
    networks: tuple[Connectome, Connectome], monkeypatch: pytest.MonkeyPatch
) -> None:
    inferred = networks[1]
    assert set(to_arrays(inferred)) == set(inferred.matrices)
    monkeypatch.setattr(module, "MANY_NEURONS", N - 1)
    assert set(to_arrays(inferred, every_pair=True)) == set(inferred.matrices)
    unsure = replace(inferred, local_fdr=None)
    assert set(to_arrays(unsure)) == set(unsure.matrices)


def test_what_may_be_connected_is_kept_as_it_is(
    networks: tuple[Connectome, Connectome], listed: ListedConnectome
) -> None:
    inferred = networks[1]
    assert inferred.local_fdr is not None
    kept = (inferred.local_fdr <= MOST_DOUBT) & OFF_DIAGONAL
    assert 0.05 < kept.mean() < 0.5
    for name, matrix in inferred.matrices.items():
        np.testing.assert_array_equal(listed.matrices[name][kept], matrix[kept])
    assert len(listed.index) == kept.sum() and not listed.weight[~kept].any()
    assert listed.local_fdr.sum() == pytest.approx(inferred.local_fdr.sum())  # of the rest, the mean is kept
    assert np.array_equal(listed.scores, Connectome(**listed.matrices).scores)


def test_where_nothing_is_sure_the_surest_are_kept(
    networks: tuple[Connectome, Connectome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MANY_NEURONS", N - 1)
    doubtful = np.linspace(0.991, 1, N * N).reshape(N, N)
    listed = from_arrays(to_arrays(replace(networks[1], local_fdr=doubtful)), "a.u.")
    post, pre = np.divmod(np.arange(0.05 * N * N, dtype=int), N)
    assert {*zip(*listed.surest(10**6), strict=True)} >= {*zip(post[post != pre], pre[post != pre], strict=True)}
    assert len(listed.surest(10**6)[0]) < 0.06 * N * N
    assert listed.reported(0.5)[0].size == 0


def test_pairs_that_are_certainly_absent_are_not_listed(
    networks: tuple[Connectome, Connectome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As almost all are of which a recording says nothing, however many of the surest would be listed."""
    monkeypatch.setattr(module, "MANY_NEURONS", N - 1)
    absent = np.ones((N, N))
    absent[2, 5] = 0.4
    for local_fdr, listed in ((absent, [(2, 5)]), (np.ones((N, N)), [])):
        found = from_arrays(to_arrays(replace(networks[1], local_fdr=local_fdr)), "a.u.")
        assert [*zip(*found.surest(10), strict=True)][: len(listed)] == listed
        assert len(found.surest(10**6)[0]) == len(listed)
        assert np.array_equal(found.local_fdr, local_fdr)


@pytest.mark.parametrize("fdr", [0.01, 0.05, 0.5])
def test_reports_the_same_connections(
    networks: tuple[Connectome, Connectome], listed: ListedConnectome, fdr: float
) -> None:
    for ours, theirs in zip(listed.reported(fdr), networks[1].reported(fdr), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_lists_the_same_pairs(networks: tuple[Connectome, Connectome], listed: ListedConnectome) -> None:
    inferred, most = networks[1], 50
    for ours, theirs in zip(listed.surest(most), inferred.surest(most), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(listed.surest(10**6)[0]) == len(listed.index)
    neurons = neuron_table(N)
    pd.testing.assert_frame_equal(*(edge_table(one, neurons, most=most) for one in (listed, inferred)))
    assert "weight" not in vars(listed)  # no matrix was made


def test_values_of_pairs_are_those_of_the_matrices(listed: ListedConnectome) -> None:
    post, pre = np.nonzero(OFF_DIAGONAL)
    for name, values in listed.values_of(post, pre).items():
        np.testing.assert_array_equal(values, listed.matrices[name][post, pre])
    part = listed.select([7, 3, 50])
    for name, matrix in part.matrices.items():
        np.testing.assert_array_equal(matrix, listed.matrices[name][np.ix_([7, 3, 50], [7, 3, 50])])


def test_ranks_differ_by_no_more_than_the_connections_that_are_not_kept(
    networks: tuple[Connectome, Connectome], listed: ListedConnectome
) -> None:
    """They stand at the lowest rank, in a tie; before, each had a precision of at most that of all that is kept."""
    true, inferred = networks
    ours, theirs = (score_connectivity("synapsnet", true, one, n_resamples=2) for one in (listed, inferred))
    post, pre = listed.surest(10**6)
    kept = true.adjacency[post, pre]
    lost = 1 - kept.sum() / true.adjacency.sum()
    assert 0 < lost < 0.1
    assert 0 <= theirs.auprc.value - ours.auprc.value <= lost * kept.mean()
    assert abs(theirs.auroc.value - ours.auroc.value) <= lost / 2
    for name in ("mcc", "false_discovery_rate", "n_reported"):
        assert getattr(ours, name).value == getattr(theirs, name).value
    assert ours.weight_correlation.value == pytest.approx(theirs.weight_correlation.value, abs=1e-3)
    assert ours.p_value_distance is None and theirs.p_value_distance is not None


def test_the_signature_of_the_evidence_is_the_same(
    networks: tuple[Connectome, Connectome], listed: ListedConnectome
) -> None:
    recording = Recording.from_array(np.random.default_rng(1).normal(size=(600, N)), 0.03, "calcium")
    ours, theirs = signature(recording, listed), signature(recording, networks[1])
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=0.05), name


def test_a_saved_model_is_loaded_with_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).normal(size=(600, 4))
    values[1:, 0] += values[:-1, 1]
    fitted = SynapsNet(seed=0, epochs=1, device="cpu").fit(Recording.from_array(values, 0.03, "calcium"))
    monkeypatch.setattr(module, "MANY_NEURONS", 3)
    fitted.save(tmp_path)
    loaded = SynapsNet.load(tmp_path, device="cpu")
    assert isinstance(loaded.connectivity_, ListedConnectome)
    np.testing.assert_array_equal(loaded.connectivity_.reported(), fitted.connectivity_.reported())
    loaded.save(tmp_path / "again")
    again = SynapsNet.load(tmp_path / "again", device="cpu").connectivity_
    np.testing.assert_array_equal(again.local_fdr, loaded.connectivity_.local_fdr)
    fitted.save(tmp_path, every_pair=True)
    every = SynapsNet.load(tmp_path, device="cpu").connectivity_
    np.testing.assert_array_equal(every.weight, fitted.connectivity_.weight)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("pre", N, "pairs of different neurons"), ("weight", np.nan, "finite"), ("local_fdr", 1.5, "between 0 and 1")],
)
def test_refuses_a_damaged_list(listed: ListedConnectome, name: str, value: float, said: str) -> None:
    damaged = {key: array.copy() for key, array in listed.arrays.items()}
    damaged[name][0] = value
    with pytest.raises(InputError, match=said):
        from_arrays(damaged, "a.u.")
