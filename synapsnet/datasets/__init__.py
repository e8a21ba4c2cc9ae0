"""Public data sets by name: what there is, and how it gets onto the disk.

A new data set of figshare or DANDI is a table in `registry.toml`.
"""

from synapsnet.datasets.archives import Listing, RemoteFile, list_files
from synapsnet.datasets.fetch import fetch
from synapsnet.datasets.registry import Dataset, find_dataset, registry

__all__ = ["Dataset", "Listing", "RemoteFile", "fetch", "find_dataset", "list_files", "registry"]
