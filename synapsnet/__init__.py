"""SynapsNet: connectivity, and forecasts, from the activity of a recorded population."""

from importlib.metadata import version

__version__ = version("synapsnet")
