"""Recordings, SynapsNet and runs: `from synapsnet import Recording, SynapsNet, read`. Each is imported on first use."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synapsnet.connectome import Connectome
    from synapsnet.errors import InputError
    from synapsnet.estimator import SynapsNet
    from synapsnet.io import read
    from synapsnet.recording import Recording
    from synapsnet.run import fit_run, load_run
    from synapsnet.settings import Settings

__version__ = "0.2.0"  # the build reads it here, so that a checkout need not be installed
_PLACES = {
    "Connectome": "synapsnet.connectome",
    "InputError": "synapsnet.errors",
    "Recording": "synapsnet.recording",
    "Settings": "synapsnet.settings",
    "SynapsNet": "synapsnet.estimator",
    "fit_run": "synapsnet.run",
    "load_run": "synapsnet.run",
    "read": "synapsnet.io",
}
__all__ = [
    "Connectome",
    "InputError",
    "Recording",
    "Settings",
    "SynapsNet",
    "__version__",
    "fit_run",
    "load_run",
    "read",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use: PyTorch takes seconds to import, and not every command needs it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
