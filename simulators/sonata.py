"""A simulated network in SONATA, a format in which network models are exchanged.

Dai et al. 2020, PLoS Comput Biol 16:e1007696; libraries that read it are bmtk and libsonata. The folder holds

- `nodes.h5`, `node_types.csv`: the neurons; node k is row k of the neuron table, with its `id`, `cell_type` and `area`,
  and `x`, `y` and `z` in micrometres;
- `edges.h5`, `edge_types.csv`: the connections from `source_node_id` to `target_node_id`, with their `delay` in ms,
  where it is known, and their `syn_weight`, negative for inhibition, in the unit that `edge_types.csv` names. A network
  without connections has none of these two;
- `spikes.h5`: all spikes, in ms.

Not in it are the equations of the neurons, which SONATA leaves to the simulators, `Connectome.effective`, the
behaviour, and how weights change (`Simulation.weight_course`): where they do, `syn_weight` is their mean.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulators.units import MILLI
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Simulation

if TYPE_CHECKING:
    from bmtk.builder import NetworkBuilder

POPULATION = "neurons"
UNCOMPRESSED = "none"  # because libsonata, as pip installs it, does not read gzip


def write_sonata(simulation: Simulation, folder: str | Path) -> None:
    """Write the neurons, the true connections and the spikes of a simulation to a new folder.

    The folder appears when all is written; an interruption leaves nothing.

    Parameters
    ----------
    simulation : Simulation
    folder : str or Path
        Does not exist yet; the folder it is to lie in does.

    Raises
    ------
    InputError
        If `folder` exists or cannot be written, or bmtk is not installed.
    """
    try:
        from bmtk.builder import NetworkBuilder
    except ModuleNotFoundError as error:
        raise InputError(
            'Writing SONATA needs bmtk, which is not installed: pip install "synapsnet[sonata]".'
        ) from error
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"Cannot write {folder}: it exists already; name a new folder or remove this one.")
    network = NetworkBuilder(POPULATION)
    try:
        _check_room(simulation, folder.parent)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            unfinished = Path(temporary) / folder.name  # made by mkdir, so that others may read it
            unfinished.mkdir()
            _add_neurons(network, simulation)
            network.save_nodes("nodes.h5", "node_types.csv", unfinished, compression=UNCOMPRESSED)
            if simulation.connectome.adjacency.any():
                _add_connections(network, simulation.connectome)
                network.save_edges("edges.h5", "edge_types.csv", unfinished, compression=UNCOMPRESSED)
            _write_spikes(simulation, unfinished / "spikes.h5")
            unfinished.rename(folder)
    except OSError as error:
        raise InputError(
            f"Cannot write {folder}: {error.strerror or error}; choose a place that exists, is writable and has room."
        ) from error


def _check_room(simulation: Simulation, folder: Path) -> None:
    """Refuse a full disk before HDF5 meets it, which ends the whole process with a segmentation fault."""
    n_spikes = sum(len(train) for train in simulation.spike_times.values())
    n_edges = int(simulation.connectome.adjacency.sum())
    most_bytes = 100_000 + 1000 * simulation.n_neurons + 100 * n_edges + 16 * n_spikes
    if shutil.disk_usage(folder).free < most_bytes:
        raise OSError(f"it may need {most_bytes / 1e6:.1f} MB, which are not free")


def _add_neurons(network: NetworkBuilder, simulation: Simulation) -> None:
    columns = {str(name).removesuffix("_um"): values.tolist() for name, values in simulation.neurons.items()}
    network.add_nodes(N=simulation.n_neurons, model_type="point_neuron", model_template="NULL", **columns)


def _add_connections(network: NetworkBuilder, connectome: Connectome) -> None:
    connected = connectome.adjacency
    properties = {"syn_weight": connectome.weight}
    if connectome.delay_s is not None:
        properties["delay"] = connectome.delay_s / MILLI

    def from_source(source: Any, targets: Any) -> Any:
        return connected[:, source.node_id]

    def of_edge(source: Any, target: Any) -> list[float]:
        return [matrix[target.node_id, source.node_id] for matrix in properties.values()]

    # "one_to_all" asks once for each neuron, not once for each pair of neurons
    edges = network.add_edges(connection_rule=from_source, iterator="one_to_all", syn_weight_unit=connectome.unit)
    edges.add_properties(list(properties), rule=of_edge, dtypes=[np.float64] * len(properties))


def _write_spikes(simulation: Simulation, path: Path) -> None:
    from bmtk.utils.reports.spike_trains import SpikeTrains, sort_order

    spikes = simulation.spike_times.to_tsd()
    trains = SpikeTrains(population=POPULATION, units="ms")
    trains.add_spikes(spikes.values.astype(int), spikes.times() / MILLI)
    # They are in the order of time, but bmtk would say so with a string where libsonata expects an enumeration
    trains.to_sonata(str(path), sort_order=sort_order.unknown, compression=UNCOMPRESSED)
