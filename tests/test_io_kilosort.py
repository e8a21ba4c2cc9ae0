"""Kilosort and phy folders, with their traps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synapsnet.errors import InputError
from synapsnet.io import read

RATE_HZ = 30_000.0
TIMES_S = np.array([0.0, 0.1, 0.3, 0.5, 0.55, 1.2, 1.9, 2.4, 2.6, 3.1, 3.9, 4.0])
CLUSTERS = np.array([0, 5, 0, 3, 5, 0, 5, 3, 0, 5, 3, 0])  # 5 came of merging templates 1 and 2
TEMPLATES = np.array([0, 1, 0, 3, 2, 0, 1, 3, 0, 2, 3, 0])
PARAMS = "dat_path = r'C:\\Üser\\raw.bin'\nn_channels_dat = 385\nsample_rate = 30000.\nimport os; os.abort()\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    """As Kilosort writes it from MATLAB: columns, here out of order; text in cp1252."""
    order = np.random.default_rng(0).permutation(len(TIMES_S))
    np.save(tmp_path / "spike_times.npy", (TIMES_S * RATE_HZ).round().astype(np.uint64)[order, None])
    np.save(tmp_path / "spike_clusters.npy", CLUSTERS.astype(np.int32)[order, None])
    np.save(tmp_path / "spike_templates.npy", TEMPLATES.astype(np.uint32)[order, None])
    (tmp_path / "params.py").write_bytes(PARAMS.encode("cp1252"))
    templates = np.zeros((4, 10, 3), np.float32)
    for k, channel in enumerate([2, 0, 1, 1]):
        templates[k, 4, channel], templates[k, 5, channel] = -1, 0.5
    np.save(tmp_path / "templates.npy", templates)
    np.save(tmp_path / "channel_positions.npy", np.array([[16.0, 20], [48, 40], [32, 60]]))
    return tmp_path


def ids(path: Path, **options: Any) -> list[str]:
    return list(read(path, bin_s=0.5, **options).neurons["id"])


def test_spikes_are_samples_and_params_is_not_executed(folder):
    recording = read(folder, bin_s=0.5)
    assert list(recording.neurons["id"]) == ["0", "3", "5"]
    assert recording.values.T.tolist() == [[2, 0, 1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0, 0, 1], [1, 1, 0, 1, 0, 0, 1, 0]]


def test_a_cluster_is_where_its_commonest_template_is_largest(folder):
    neurons = read(folder, bin_s=0.5).neurons
    assert neurons["x_um"].tolist() == [32, 48, 16]
    assert neurons["z_um"].tolist() == [60, 40, 20]
    assert neurons["y_um"].isna().all()


def test_templates_may_be_stored_on_some_of_the_channels(folder):
    np.save(folder / "templates_ind.npy", np.array([[0, 0, 1], [2, 0, 0], [0, 2, 0], [0, 0, 1]]))
    assert read(folder, bin_s=0.5).neurons["z_um"].tolist() == [40, 20, 60]


def test_the_width_of_spikes_is_that_of_the_largest_template(folder):
    templates = np.load(folder / "templates.npy")  # each from its trough at sample 4 to its peak at 5
    templates[1, :, 0] = [0, 0.9, 0, 0, -1, -0.5, 0, 0.2, 0.1, 0]  # the peak before the trough is another
    templates[1, :, 1] = [0, 0, 0, -0.5, 0.4, 0, 0, 0, 0, 0]  # smaller on this channel
    templates[3] *= -1  # upwards
    np.save(folder / "templates.npy", templates)
    neurons = read(folder, bin_s=0.5).neurons
    assert neurons["trough_to_peak_ms"].tolist() == pytest.approx([1 / 30, np.nan, 3 / 30], nan_ok=True)
    assert read(folder, bin_s=0.5, fs_hz=20_000.0).neurons["trough_to_peak_ms"][0] == pytest.approx(1 / 20)


def test_widths_are_known_where_positions_are_not(folder):
    (folder / "channel_positions.npy").unlink()
    neurons = read(folder, bin_s=0.5).neurons
    assert neurons["x_um"].isna().all()
    assert neurons["trough_to_peak_ms"].tolist() == pytest.approx([1 / 30] * 3)


def test_without_templates_positions_are_not_known(folder):
    (folder / "templates.npy").unlink()
    assert read(folder, bin_s=0.5).neurons["z_um"].isna().all()


def test_labels_of_phy_come_before_those_of_kilosort(folder):
    (folder / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n0\tgood\n3\tgood\n5\tmua\n")
    assert ids(folder) == ["0", "3"]
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n3\tnoise\n5\tgood\n")
    assert ids(folder) == ["0", "5"]
    assert ids(folder, label="good,noise") == ["0", "3", "5"]
    assert ids(folder, label="all") == ["0", "3", "5"]


def test_labels_may_be_in_the_table_of_all_facts(folder):
    text = "id\tamp\tch\tgroup\tKSLabel\n0\t9.1\t2\tgood\tmua\n3\t8.0\t1\t\tgood\n5\t1.0\t0\tmua\tgood\n"
    (folder / "cluster_info.tsv").write_text(text)
    assert ids(folder) == ["0", "3"]


def test_without_phy_clusters_are_templates(folder):
    (folder / "spike_clusters.npy").unlink()
    assert ids(folder) == ["0", "1", "2", "3"]


def test_the_sampling_rate_may_be_given(folder):
    (folder / "params.py").unlink()
    with pytest.raises(InputError, match=r"does not state a sample_rate; .*--fs"):
        read(folder)
    assert read(folder, fs_hz=RATE_HZ, bin_s=0.5).n_steps == 8
    with pytest.raises(InputError, match="positive number of hertz"):
        read(folder, fs_hz=0.0)


def test_missing_and_misfitting_files_are_refused(folder):
    (folder / "cluster_group.tsv").write_text("cluster\tgroup\n0\tgood\n")
    with pytest.raises(InputError, match="must have a column cluster_id; it has cluster, group"):
        read(folder)
    np.save(folder / "channel_positions.npy", np.zeros((2, 2)))
    with pytest.raises(InputError, match=r"templates in .* do not fit its channels: there are 2 channels, .* 2;"):
        read(folder)
    np.save(folder / "templates.npy", np.zeros((3, 10, 3)))
    with pytest.raises(InputError, match=r"templates in .* do not fit its spikes: .* the shape \(3, 10, 3\);"):
        read(folder)
    (folder / "spike_clusters.npy").unlink()
    (folder / "spike_templates.npy").unlink()
    with pytest.raises(InputError, match=r"has no spike_templates.npy"):
        read(folder)


@pytest.mark.parametrize("text", ["", "cluster_id\tgroup\n0\tgood\tmore\teven\n1\n2\tgood\tmore\tmuch\tmore\n"])
def test_damaged_tables_are_refused(folder, text):
    (folder / "cluster_group.tsv").write_text(text)
    with pytest.raises(InputError, match=r"is empty|is not a whole table"):
        read(folder)


def test_pickled_arrays_are_refused(folder):
    np.save(folder / "spike_clusters.npy", np.array([{}] * len(TIMES_S), object))
    with pytest.raises(InputError, match="never loaded"):
        read(folder)


@pytest.mark.parametrize(
    ("text", "rate_hz"),
    [
        ("sample_rate = 30_000\n", 30_000),
        ("fs = 3e4\nsample_rate = fs\n", 30_000),
        ("sample_rate = 15 * 1000 + 2*7500.\n", 30_000),
        ("sample_rate = 1\nsample_rate: float = np.float64(30000.0)\n", 30_000),
        ("path = \\\nsample_rate = 3e4 # Hz\n", 30_000),
    ],
)
def test_the_sampling_rate_is_understood_without_executing(folder, text, rate_hz):
    (folder / "params.py").write_text(text)
    assert read(folder, bin_s=0.5).n_steps == 8


@pytest.mark.parametrize(
    "text", ["sample_rate = get_rate()\n", "sample_rate = 10 ** 10 ** 10\n", "sample_rate = '3e4'\n"]
)
def test_what_would_have_to_be_executed_is_refused_with_the_line(folder, text):
    (folder / "params.py").write_text(text)
    with pytest.raises(InputError, match=r"says \"sample_rate = |says 'sample_rate = |states .sample_rate = "):
        read(folder)


def test_times_in_seconds_are_found(folder):
    np.save(folder / "spike_times.npy", np.load(folder / "spike_times.npy") / RATE_HZ)
    lines: list[str] = []
    assert read(folder, bin_s=0.5, notify=lines.append).n_steps == 8
    assert "spike_times.npy holds fractions, and is taken to be in seconds, not in samples." in lines


@pytest.mark.parametrize("name", ["cluster_groups.csv", "cluster_group.csv", "cluster_bc_unitType.tsv"])
def test_tables_of_labels_have_many_names(folder, name):
    (folder / name).write_text("cluster_id\tgroup\n0\tgood\n3\tgood\n5\tmua\n")
    assert ids(folder) == ["0", "3"]


def test_unsorted_falls_back_to_kilosort_and_other_files_of_quality_are_named(folder):
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n0\tunsorted\n3\tunsorted\n5\tunsorted\n")
    assert ids(folder) == ["0", "3", "5"]
    (folder / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n0\tgood\n3\tgood\n5\tmua\n")
    (folder / "quality_metrics.csv").write_text("cluster_id,snr\n0,1\n")
    lines: list[str] = []
    assert ids(folder, notify=lines.append) == ["0", "3"]
    assert "The units are labelled by group, and where that says nothing by KSLabel: 2 good, 1 mua." in lines
    assert "Not used, though it may say how good the units are: quality_metrics.csv." in lines
