"""Fixtures that all tests share: small simulations, and what an experiment would see of them."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # one thread a worker: more of them only get in each other's way
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

import fcntl
import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch

from simulators import Network, observe_calcium, observe_spikes, simulate
from simulators.networks import LifRandom
from synapsnet.recording import Recording, Simulation

# The same examples in every run, and no limits of time: a test that failed once fails again.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, database=None, max_examples=25)
hypothesis.settings.load_profile("repeatable")

Simulate = Callable[..., Simulation]


def pytest_collection_finish() -> None:
    """What all tests have imported stays: the garbage collector need not look through it again and again."""
    gc.freeze()


REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Sums in one order, so that fits are alike to the bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache of this run of the tests, shared by its workers; the user's own is never touched."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "synapsnet-cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNAPSNET_CACHE", str(folder))
        patch.setenv("XDG_STATE_HOME", str(folder.with_name("synapsnet-state")))  # the key of its checksums
        yield folder


@pytest.fixture(scope="session")
def simulate_once(cache_folder: Path) -> Simulate:
    """`simulate`, but a network is compiled by one worker while the others wait for it."""

    def locked(network: str | Network, **options: object) -> Simulation:
        size = network if isinstance(network, str) else len(network.neurons())
        with (cache_folder / f"lock-{size}").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return simulate(network, **options)

    return locked


@pytest.fixture(scope="session")
def small_simulation(simulate_once: Simulate) -> Simulation:
    """The smallest useful network: 20 neurons for 2 minutes. Any LIF network of 20 neurons re-uses its program."""
    return simulate_once(LifRandom(n_neurons=20, connection_probability=0.15), duration_s=120.0, seed=1)


@pytest.fixture
def own_cache(cache_folder: Path, small_simulation: Simulation, tmp_path: Path, monkeypatch: Any) -> Path:
    """A cache of one test alone, with the program of `small_simulation` and no spikes."""
    folder = tmp_path / "cache"
    folder.mkdir()
    for program in cache_folder.glob("program-*"):
        shutil.copy(program, folder)
    monkeypatch.setenv("SYNAPSNET_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def spike_recording(small_simulation: Simulation) -> Recording:
    """Spike counts of `small_simulation` in bins of 5 ms."""
    return observe_spikes(small_simulation, bin_s=0.005)


@pytest.fixture(scope="session")
def calcium_recording(small_simulation: Simulation) -> Recording:
    """Fluorescence of `small_simulation` at 30 Hz."""
    return observe_calcium(small_simulation, frame_rate_hz=30.0)


@pytest.fixture(scope="module")
def browser(chromium: Any) -> Any:
    """Headless Chromium that keeps a log of its console and of its requests, as it is when it starts."""
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    chromium.get("about:blank")
    for log in ("browser", "performance"):
        chromium.get_log(log)  # forget what was before
    return chromium


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The one that all modules share: it takes seconds to start."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("needs chromium and chromedriver on the PATH to open a page")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium to drive chromium")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for switch in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", "window-size=1280,900",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """Path of a real recording; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        path = REAL_DATA / name
        if not path.exists():
            pytest.skip(f"the real recording {name} is not here (expected in {REAL_DATA})")
        return path

    return find
