"""Archives (zip, tar) unpacked beside themselves: nothing lands outside, and a folder is whole or absent."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from synapsnet.errors import InputError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def unpacked_folder(path: Path) -> Path | None:
    """Where `unpack` puts an archive's contents; None if it is no archive."""
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)
    return None if suffix is None else path.with_name(path.name[: -len(suffix)])


def unpack(path: Path, *, named: str = "") -> Path:
    """Unpack an archive into the folder of its name and return that.

    Parameters
    ----------
    path : path
    named : str
        What the archive was called where it came from: a folder of that name which holds all is not repeated inside.

    Raises
    ------
    InputError
        If it is damaged, holds a path that leads outside or a link, needs more room than there is, or its folder
        would replace something.
    """
    folder = unpacked_folder(path)
    if folder is None:
        raise InputError(f"{path} is no archive; expected one of {', '.join(SUFFIXES)}.")
    if folder.exists():
        raise InputError(f"{folder} exists already; move it away to unpack {path.name} again.")
    temporary = folder.with_name(f".{folder.name}-unpacking")
    shutil.rmtree(temporary, ignore_errors=True)  # of a run that was killed
    temporary.mkdir()
    try:
        if path.suffix.lower() == ".zip":
            _unzip(path, temporary)
        else:
            _untar(path, temporary)
        own = unpacked_folder(temporary / named)
        alone = own is not None and own.is_dir() and len(list(temporary.iterdir())) == 1
        (own if own is not None and alone else temporary).replace(folder)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise InputError(f"{path} cannot be unpacked ({error}); delete it and fetch it again.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _unzip(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            _refuse_outside(path, member.filename)
        _refuse_too_large(path, sum(member.file_size for member in members))
        archive.extractall(folder)


def _untar(path: Path, folder: Path) -> None:
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        for member in members:
            _refuse_outside(path, member.name)
            if not (member.isfile() or member.isdir()):
                raise InputError(
                    f"{path} holds {member.name!r}, which is neither a file nor a folder; unpack it by hand."
                )
        _refuse_too_large(path, sum(member.size for member in members))
        archive.extractall(folder, filter="data")


def _refuse_outside(path: Path, name: str) -> None:
    member = PurePosixPath(name)
    if member.is_absolute() or ".." in member.parts or "\\" in name:
        raise InputError(f"{path} holds {name!r}, which leads outside its folder; do not trust this archive.")


def _refuse_too_large(path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise InputError(f"{path} unpacks to {size:,} bytes, but only {free:,} are free; make room.")
