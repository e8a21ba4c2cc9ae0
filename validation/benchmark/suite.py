"""A suite: networks, observations, methods that infer their connectivity, and seeds.

A suite is a TOML file::

    about = "One network, with and without a shared input."
    methods = ["lagged-correlation", "glm"]
    seeds = [1, 2, 3]

    [networks]
    random = { name = "lif-random" }
    shared = { name = "lif-random", inputs = { shared_fraction = 0.5 } }

    [observations]
    spikes = { as = "spikes", duration_s = 600 }
    noisy = { as = "calcium", noise_level = 4.0, visible = 0.5, duration_s = 600 }

Every network is then observed in every way by every method. `[[grid]]` tables choose among these: each names `networks`
and `observations`, and `methods` or `seeds` where they differ from the suite's.

Recordings of others with known connections stand beside networks, or in their place (`validation.benchmark.recorded`)::

    [recordings]
    culture = { recording = "tspe/sim.mat", truth = { file = "tspe/sim.mat", key = "SWM", orientation = "pre-post" } }

    [observations]
    recorded = { as = "recorded" }                    # as it is
    calcium = { as = "calcium", duration_s = 600 }    # its spikes, as a microscope would have seen them

Those that are not there are left out.

With `task = "forecasts"` methods forecast instead, and no connections need be known (`validation.benchmark.forecasts`).
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from simulators import Network, observe_calcium, observe_spikes
from simulators.networks import network_class
from simulators.units import NotNegative, Positive
from synapsnet.errors import InputError, border, unknown_name
from synapsnet.parameters import Parameters
from validation.benchmark.recorded import Recorded

SUITES = Path(__file__).parents[1] / "suites"
Task = Literal["connectivity", "forecasts"]
OBSERVE: dict[str, Callable[..., Any]] = {"spikes": observe_spikes, "calcium": observe_calcium}

Names = Annotated[list[str], Field(min_length=1)]
Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class Observation(Parameters):
    """How a network is observed.

    Parameters
    ----------
    as : {"spikes", "calcium", "recorded"}
        "recorded" is a recording of others as it is.
    duration_s : float
    visible : float
        Fraction of the neurons that is recorded, drawn at random.
    from_s, to_s : float, optional
        Only this part of the time is recorded; where connections change, those of this time are the truth.
    **options
        Parameters of `observe_spikes` or `observe_calcium`.
    """

    model_config = ConfigDict(extra="allow")
    title: ClassVar[str] = "an observation"

    modality: Literal["spikes", "calcium", "recorded"] = Field(alias="as")
    duration_s: Positive = 600.0
    visible: Annotated[float, Field(gt=0, le=1)] = 1.0
    from_s: NotNegative | None = None
    to_s: Positive | None = None

    @model_validator(mode="after")
    def _known_options(self) -> Observation:
        allowed = _options(self.modality)
        for name in self.options:
            if name not in allowed:
                raise ValueError(f"There is no option {name!r} for {self.modality}; there are {', '.join(allowed)}")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """Parameters of the observation model."""
        return dict(self.model_extra or {})

    def complete(self) -> dict[str, Any]:
        """All that it depends on as JSON-serialisable values, defaults included."""
        if self.modality == "recorded":
            return {"as": self.modality}
        own = {"as": self.modality, "duration_s": self.duration_s, "visible": self.visible}
        own |= {name: value for name in ("from_s", "to_s") if (value := getattr(self, name)) is not None}
        return own | _options(self.modality) | self.options


class Grid(Parameters):
    """Every one of these networks, observed in every one of these ways."""

    title: ClassVar[str] = "a grid"

    networks: Names
    observations: Names
    methods: Names | None = None
    seeds: Seeds | None = None


class Case(Parameters):
    """What one process does: simulate, observe, infer, score.

    Attributes
    ----------
    network_label, observation_label : str
        Their names in the suite.
    network, observation : dict
        All that they depend on, as JSON-serialisable values, defaults included.
    method : str
        A name that `validation.methods.find_method` knows, or one of `BOUNDS`.
    seed : int
        Seed of the network, the observation and the method.
    task : {"connectivity", "forecasts"}
        What the method is to do.
    """

    title: ClassVar[str] = "a case"

    network_label: str
    observation_label: str
    network: dict[str, Any]
    observation: dict[str, Any]
    method: str
    seed: int
    task: Task = "connectivity"

    def __str__(self) -> str:
        return f"{self.method} on {self.network_label}, {self.observation_label}, seed {self.seed}"

    def content(self) -> dict[str, Any]:
        """What determines the result: all but the labels."""
        return self.model_dump(exclude={"network_label", "observation_label"})


class Suite(Parameters):
    """A suite; see the module.

    Parameters
    ----------
    about : str
        What it is for, in a sentence.
    methods : list of str
    seeds : list of int
    networks : dict of label -> {"name": ..., parameters of the network}
    recordings : dict of label -> Recorded
        At least one of both.
    observations : dict of label -> Observation
    grid : sequence of Grid
        Default: everything by everything.
    task : {"connectivity", "forecasts"}
        What methods are to do.
    time_limit_s : float
        Time limit of a case: simulation where it is not cached yet, inference or fit and forecast, and scoring.

    Raises
    ------
    InputError
        If a network, observation or parameter does not exist or is out of its range.
    """

    title: ClassVar[str] = "the suite"

    about: str = ""
    methods: Names
    seeds: Seeds
    networks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    recordings: dict[str, Recorded] = Field(default_factory=dict)
    observations: Annotated[dict[str, Observation], Field(min_length=1)]
    grid: tuple[Grid, ...] = ()
    task: Task = "connectivity"
    time_limit_s: Positive = 900.0

    @model_validator(mode="after")
    def _known_names(self) -> Suite:
        if not self.networks and not self.recordings:
            raise ValueError("It needs networks or recordings")
        if both := sorted(set(self.networks) & set(self.recordings)):
            raise ValueError(f"A network and a recording are both called {both[0]!r}; rename one")
        for described in self.networks.values():
            network_of(described)
        for grid in self.grid:
            for kind, names, known in (
                ("network or recording", grid.networks, {**self.networks, **self.recordings}),
                ("observation", grid.observations, self.observations),
            ):
                for name in names:
                    if name not in known:
                        raise unknown_name(f"{kind} of the suite", name, known)
        for label, recorded in self.recordings.items():
            if self.task == "connectivity" and recorded.truth is None:
                raise ValueError(f'The recording {label} needs a truth, or the suite task = "forecasts"')
        return self

    def absent(self) -> dict[str, str]:
        """Recordings that are not there, and why in a sentence."""
        return {label: recording.absent for label, recording in self.recordings.items() if recording.absent}

    def cases(self, more_methods: Sequence[str] = ()) -> list[Case]:
        """All cases, each once, the methods one after the other.

        Then those that run side by side seldom need the same simulation, which all but the first find in the cache.

        Parameters
        ----------
        more_methods : sequence of str
            Methods that are compared in every grid besides the suite's own.
        """
        absent = self.absent()
        if absent and len(absent) == len(self.networks) + len(self.recordings):
            raise InputError(f"None of the suite's recordings is there. {next(iter(absent.values()))}")
        labels = [*self.networks, *self.recordings]
        specs = {label: _complete(described) for label, described in self.networks.items()}
        specs |= {label: recording.complete() for label, recording in self.recordings.items() if label not in absent}
        grids = self.grid or (Grid(networks=labels, observations=list(self.observations)),)
        keys = {
            (method, observation, seed, network)
            for grid in grids
            for method in (*(grid.methods or self.methods), *more_methods)
            for observation in grid.observations
            for seed in grid.seeds or self.seeds
            for network in grid.networks
            if network not in absent
        }
        methods = list(dict.fromkeys([*self.methods, *(m for g in grids for m in g.methods or ()), *more_methods]))
        observations = list(self.observations)
        return [
            Case(
                network_label=network,
                observation_label=observation,
                network=specs[network],
                observation=self.observations[observation].complete(),
                method=method,
                seed=seed,
                task=self.task,
            )
            for method, observation, seed, network in sorted(
                keys, key=lambda k: (methods.index(k[0]), observations.index(k[1]), k[2], labels.index(k[3]))
            )
        ]


def load_suite(name: str) -> Suite:
    """The suite of that name in `validation/suites`, or in that TOML file.

    Raises
    ------
    InputError
        If there is none, the file is not TOML, or the suite is unusable.
    """
    path = Path(name) if name.endswith(".toml") else SUITES / f"{name}.toml"
    with border(f"The suite {name} cannot be read as TOML"):
        if not path.exists():
            if name.endswith(".toml"):
                raise InputError(f"There is no file {name}; give a suite's TOML file that exists.")
            raise unknown_name("suite", name, sorted(file.stem for file in SUITES.glob("*.toml")))
        return Suite(**tomllib.loads(path.read_text(encoding="utf-8")))


def network_of(described: dict[str, Any]) -> Network:
    """The network with that `name` and those parameters.

    Raises
    ------
    InputError
        If there is none, or a parameter is unusable.
    """
    parameters = dict(described)
    name = parameters.pop("name", None)
    if not isinstance(name, str):
        raise InputError(f"A network of the suite needs a name, for example 'lif-random'; got {described}.")
    return network_class(name)(**parameters)


def _complete(described: dict[str, Any]) -> dict[str, Any]:
    return {"name": described["name"]} | network_of(described).parameters()


def _options(modality: str) -> dict[str, Any]:
    """Default of each option of an observation model."""
    if modality == "recorded":
        return {}
    parameters = inspect.signature(OBSERVE[modality]).parameters.values()
    keywords = [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    return {parameter.name: parameter.default for parameter in keywords if parameter.name not in ("seed", "notify")}
