"""Which files a data set has, asked of the archive that keeps it.

figshare's interface: https://docs.figshare.com; DANDI's: https://api.dandiarchive.org/swagger; GitHub's:
https://docs.github.com/rest/repos/contents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from itertools import count
from pathlib import PurePosixPath
from typing import Any

from synapsnet.datasets.registry import Dataset
from synapsnet.errors import InputError

FIGSHARE = "https://api.figshare.com/v2"
DANDI = "https://api.dandiarchive.org/api"
GITHUB = "https://api.github.com"
PAGE = 1000
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class RemoteFile:
    """A file in an archive.

    Attributes
    ----------
    path : str
        Where it goes, relative to the data set's folder.
    size : int
        In bytes.
    url : str
    checksum : str or None
        "md5:..." or "sha256:...", where the archive states one.
    details_url : str or None
        Where the archive states the checksum, if that takes another request.
    """

    path: str
    size: int
    url: str
    checksum: str | None = None
    details_url: str | None = None


@dataclass(frozen=True)
class Listing:
    """What an archive says of a data set: its files, by path, and its licence."""

    files: tuple[RemoteFile, ...]
    licence: str | None


def list_files(dataset: Dataset) -> Listing:
    """Ask the archive what there is, without what the data set leaves out.

    Raises
    ------
    InputError
        If the archive cannot be reached, or its answer is not understood.
    """
    ask: Callable[[Dataset], Listing] = {"figshare": _figshare, "dandi": _dandi, "github": _github}[dataset.archive]
    try:
        listing = ask(dataset)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{dataset.archive} answered in an unexpected form for {dataset.name} ({error!r}); "
            f"fetch it by hand from {dataset.address}."
        ) from error
    kept = [file for file in listing.files if not fnmatch(file.path, dataset.leave_out)]
    for file in kept:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts or "\\" in file.path:
            raise InputError(
                f"{dataset.archive} lists {file.path!r}, which would lie outside the folder; nothing is fetched."
            )
    return Listing(tuple(sorted(kept, key=lambda file: file.path)), listing.licence)


def with_checksum(file: RemoteFile) -> RemoteFile:
    """The file with its checksum, if the archive states one.

    Raises
    ------
    InputError
        If the archive cannot be reached.
    """
    if file.checksum is not None or file.details_url is None:
        return file
    digest = _json(file.details_url).get("metadata", {}).get("digest", {}).get("dandi:sha2-256")
    return replace(file, checksum=digest and f"sha256:{digest}")


def _figshare(dataset: Dataset) -> Listing:
    article = f"{FIGSHARE}/articles/{dataset.identifier}"
    files = []
    for number in count(1):
        page = _json(f"{article}/files?page={number}&page_size={PAGE}")
        for entry in page:
            checksum = entry["computed_md5"] and f"md5:{entry['computed_md5']}"
            files.append(RemoteFile(entry["name"], entry["size"], entry["download_url"], checksum or None))
        if len(page) < PAGE:
            break
    return Listing(tuple(files), _json(article)["license"]["name"])


def _dandi(dataset: Dataset) -> Listing:
    version = f"{DANDI}/dandisets/{dataset.identifier}/versions/{dataset.version}"
    files = []
    for entry in _dandi_assets(f"{version}/assets/?page_size={PAGE}&order=path"):
        asset = f"{version}/assets/{entry['asset_id']}"
        files.append(RemoteFile(entry["path"], entry["size"], f"{asset}/download/", details_url=f"{asset}/info/"))
    licences = _json(f"{version}/").get("license", [])
    return Listing(tuple(files), ", ".join(name.removeprefix("spdx:") for name in licences) or None)


def _dandi_assets(url: str | None) -> Iterator[dict[str, Any]]:
    while url is not None:
        page = _json(url)
        yield from page["results"]
        url = page["next"]


def _github(dataset: Dataset) -> Listing:
    """The named files of a commit; a checksum is the registry's, since GitHub's are of another kind."""
    files = []
    for path, there in dataset.files.items():
        entries = _json(f"{GITHUB}/repos/{dataset.identifier}/contents/{there}?ref={dataset.version}")
        checksum = dataset.sha256.get(path)
        files.append(RemoteFile(path, entries["size"], entries["download_url"], checksum and f"sha256:{checksum}"))
    return Listing(tuple(files), dataset.licence)


def _json(url: str) -> Any:
    """What an archive answers."""
    try:
        import requests
    except ImportError as error:
        raise InputError(
            "Asking archives needs requests; install it with `pip install synapsnet[datasets]`."
        ) from error
    try:
        response = requests.get(url, timeout=TIMEOUT_S)
        response.raise_for_status()
        return response.json()
    except requests.HTTPError as error:
        raise InputError(f"{url} answered {error.response.status_code} {error.response.reason}; try later.") from error
    except requests.RequestException as error:
        raise InputError(
            f"{url} cannot be reached ({type(error).__name__}); check the connection and try again."
        ) from error
