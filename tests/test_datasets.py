"""Public data sets: the registry, and fetching from a server that behaves as badly as servers do."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import shutil
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synapsnet.cli import main
from synapsnet.datasets import Dataset, archives, download, fetch, find_dataset, list_files, registry
from synapsnet.datasets.download import Resuming
from synapsnet.datasets.fetch import CHECKSUMS
from synapsnet.datasets.unpack import unpack
from synapsnet.errors import InputError
from synapsnet.io import READERS, read, write_recording

pytest.importorskip("pooch")

CONTENT = np.random.default_rng(0).bytes(300_000)
FIGSHARE = find_dataset("steinmetz-2019")
DANDI = find_dataset("allen-neuropixels")


@dataclass
class Server:
    """What the local server serves, how it misbehaves, and what it was asked for."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    drops: int = 0  # so many times the connection ends half way
    ranges: bool = True
    wrong_range: bool = False
    claims: int | None = None  # the length that it claims
    status: list[int] = field(default_factory=list)  # answered first, one each
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.asked.append((request.path, asked))
        if request.path in self.answers:
            return self.send(request, 200, json.dumps(self.answers[request.path]).encode())
        if self.status:
            return self.send(request, self.status.pop(0), b"")
        if request.path.startswith("/moved/"):
            return self.send(request, 302, b"", headers={"Location": request.path.removeprefix("/moved")})
        content = self.files.get(request.path)
        if content is None:
            return self.send(request, 404, b"")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if start >= len(content):
            return self.send(request, 416, b"")
        rest = content[start:]
        headers = {"Content-Range": f"bytes {start + self.wrong_range}-{len(content) - 1}/{len(content)}"}
        length = self.claims or len(rest)
        if self.drops:
            self.drops -= 1
            rest = rest[: len(rest) // 2]
        return self.send(request, 206 if start else 200, rest, length, headers if start else {})

    def send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        length: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body) if length is None else length), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def figshare(self, *names: str, md5: str | None = None, size: int | None = None) -> None:
        """List files of the article that `FIGSHARE` is; each holds `CONTENT` unless it is served already."""
        listed = []
        for name in names:
            content = self.files.setdefault(f"/{name}", CONTENT)
            listed.append(
                {
                    "name": name,
                    "size": len(content) if size is None else size,
                    "download_url": f"{self.url}/{name}",
                    "computed_md5": hashlib.md5(content).hexdigest() if md5 is None else md5,
                }
            )
        article = f"/articles/{FIGSHARE.identifier}"
        self.answers[f"{article}/files?page=1&page_size={archives.PAGE}"] = listed
        self.answers[article] = {"license": {"name": "CC BY 4.0"}}

    def downloads(self) -> list[str | None]:
        """The ranges asked for, of files."""
        return [asked for path, asked in self.asked if path in self.files]


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    """A server in place of figshare and DANDI; nobody waits between attempts."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.serve(self)

        def log_message(self, *arguments: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    state.url = f"http://127.0.0.1:{running.server_port}"
    monkeypatch.setattr(archives, "FIGSHARE", state.url)
    monkeypatch.setattr(archives, "DANDI", state.url)
    monkeypatch.setattr(archives, "GITHUB", state.url)
    monkeypatch.setattr(download, "WAIT_S", 0.0)
    monkeypatch.setattr(download, "CHUNK_BYTES", 10_000)
    yield state
    running.shutdown()
    running.server_close()


@pytest.fixture
def get(tmp_path):
    """Fetch a data set into `tmp_path`."""

    def run(dataset: Dataset = FIGSHARE, session: str | None = None) -> list[Path]:
        return fetch(dataset, tmp_path, session=session, notify=lambda _: None, progress=lambda *_: None)

    return run


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


# The registry


@pytest.mark.parametrize("name", registry())
def test_every_data_set_is_read_by_a_reader_and_can_be_cited(name):
    dataset = registry()[name]
    assert f"synapsnet.io.{dataset.reader}" in {reader.__name__ for reader in READERS}
    assert "doi:10." in dataset.citation
    assert dataset.identifier in dataset.address
    assert set(dataset.sha256) <= set(dataset.files)


def test_the_registry_has_the_data_sets_of_the_field():
    assert {dataset.identifier for dataset in registry().values()} == {
        *("19448531", "9598406", "6163622"),  # Bugeon, Steinmetz, Stringer
        *("000728", "000021", "000409"),  # Allen two-photon, Allen Neuropixels, IBL
        *("christiando/spycon", "biomemsLAB/TSPE"),  # simulations of which the connections are known
        "dimitra-maoutsa/Connectivity_from_event_timing_patterns",
    }


@pytest.mark.parametrize(
    "change",
    [
        *({"doi": "nature"}, {"doi": ""}, {"identifier": "000021/draft"}, {"version": ""}, {"good": "all"}),
        *({"archive": "zenodo"}, {"archive": "github"}, {"files": {"a.npz": "data/a.npz"}}),
    ],
)
def test_a_broken_registry_is_refused(change):
    with pytest.raises(InputError, match="data set"):
        Dataset(**DANDI.parameters() | change)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'steinmetz-2019'"):
        find_dataset("steinmetz")


# What archives answer


def test_figshare_lists_pages_checksums_and_the_licence(server, monkeypatch):
    monkeypatch.setattr(archives, "PAGE", 2)
    server.figshare("a.npy", "b.npy")
    article = f"/articles/{FIGSHARE.identifier}"
    third = {"name": "c.npy", "size": 3, "download_url": f"{server.url}/c.npy", "computed_md5": ""}
    server.answers[f"{article}/files?page=2&page_size=2"] = [third]
    listing = list_files(FIGSHARE)
    assert [file.path for file in listing.files] == ["a.npy", "b.npy", "c.npy"]
    assert listing.files[0].checksum == f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    assert listing.files[2].checksum is None
    assert listing.licence == "CC BY 4.0"


def test_files_of_a_commit_are_checked_and_a_folder_of_the_archives_name_is_not_repeated(server, get, tmp_path):
    content = tarred(member("Data/weights.dat"), member("Data/spikes.gdf"))
    paths = {"sim/a.npz": "deep/a.npz", "net.tar.gz": "Data.tar.gz"}
    known = {"sim/a.npz": hashlib.sha256(CONTENT).hexdigest()}
    ours = {"identifier": "somebody/net", "version": "c0ffee", "files": paths, "sha256": known, "doi": ""}
    github = Dataset(**FIGSHARE.parameters() | ours | {"archive": "github"})
    for there, served in (("deep/a.npz", CONTENT), ("Data.tar.gz", content)):
        server.files[f"/raw/{there}"] = served
        listed = {"size": len(served), "download_url": f"{server.url}/raw/{there}"}
        server.answers[f"/repos/somebody/net/contents/{there}?ref=c0ffee"] = listed
    assert get(github) == [tmp_path / "net", tmp_path / "sim" / "a.npz"]
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == ["spikes.gdf", "weights.dat"]
    server.files["/raw/deep/a.npz"] = CONTENT[::-1]
    shutil.rmtree(tmp_path)
    with pytest.raises(InputError, match="announced by the archive"):
        get(github)


@pytest.fixture
def dandiset(server):
    """Two sessions of `DANDI` on two pages, one of them with local field potentials."""
    version = f"/dandisets/{DANDI.identifier}/versions/{DANDI.version}"
    paths = ["sub-1/sub-1_ses-10.nwb", "sub-1/sub-1_ses-10_probe-0_ecephys.nwb", "sub-2/sub-2_ses-20.nwb"]
    assets = [{"path": path, "size": len(CONTENT), "asset_id": str(k)} for k, path in enumerate(paths)]
    first = f"{version}/assets/?page_size={archives.PAGE}&order=path"
    second = f"{first}&page=2"
    server.answers |= {
        first: {"results": assets[:2], "next": f"{server.url}{second}"},
        second: {"results": assets[2:], "next": None},
        f"{version}/": {"license": ["spdx:CC-BY-4.0"]},
    }
    for asset in assets:
        digest = {"dandi:sha2-256": hashlib.sha256(CONTENT).hexdigest()}
        server.answers[f"{version}/assets/{asset['asset_id']}/info/"] = {"metadata": {"digest": digest}}
        server.files[f"{version}/assets/{asset['asset_id']}/download/"] = CONTENT
    return version


def test_dandi_lists_all_pages_without_what_no_reader_needs(server, dandiset):
    listing = list_files(DANDI)
    assert [file.path for file in listing.files] == ["sub-1/sub-1_ses-10.nwb", "sub-2/sub-2_ses-20.nwb"]
    assert listing.licence == "CC-BY-4.0"


def test_a_session_of_a_dandiset_is_checked_by_the_checksum_of_the_archive(server, dandiset, get, tmp_path):
    (path,) = get(DANDI, "SES-20")
    assert path == tmp_path / "sub-2" / "sub-2_ses-20.nwb"
    assert path.read_bytes() == CONTENT
    assert len(server.downloads()) == 1
    server.files[f"{dandiset}/assets/0/download/"] = CONTENT[::-1]
    with pytest.raises(InputError, match="announced by the archive"):
        get(DANDI, "ses-10")
    assert visible(tmp_path / "sub-1") == []


def test_what_is_fetched_can_be_read(server, dandiset, get, spike_recording, tmp_path):
    write_recording(spike_recording, tmp_path / "session.nwb")
    content = (tmp_path / "session.nwb").read_bytes()
    first = server.answers[f"{dandiset}/assets/?page_size={archives.PAGE}&order=path"]
    first["results"][0]["size"] = len(content)
    digest = {"dandi:sha2-256": hashlib.sha256(content).hexdigest()}
    server.answers[f"{dandiset}/assets/0/info/"] = {"metadata": {"digest": digest}}
    server.files[f"{dandiset}/assets/0/download/"] = content
    server.drops = 1
    (path,) = get(DANDI, "ses-10")
    np.testing.assert_array_equal(read(path).values, spike_recording.values)


def test_an_unknown_session_is_refused_with_what_there_is(server, dandiset, get, tmp_path):
    with pytest.raises(InputError, match=r"matches 'ses-30'; its files are sub-1/sub-1_ses-10.nwb, sub-2"):
        get(DANDI, "ses-30")
    assert server.downloads() == []


@pytest.mark.parametrize("path", ["../evil.npy", "/etc/evil.npy", "a/../../evil.npy", "..\\evil.npy"])
def test_a_listed_path_that_leads_outside_is_refused(path, server, get, tmp_path):
    server.figshare(path)
    with pytest.raises(InputError, match="would lie outside the folder"):
        get()


def test_an_answer_in_another_form_is_refused(server):
    article = f"/articles/{FIGSHARE.identifier}"
    server.answers[f"{article}/files?page=1&page_size={archives.PAGE}"] = [{"title": "moved"}]
    with pytest.raises(InputError, match=rf"unexpected form.*by hand from https://doi.org/{FIGSHARE.doi}"):
        list_files(FIGSHARE)


def test_an_archive_that_is_down_or_unreachable_is_named(server, monkeypatch):
    server.status = [500]
    with pytest.raises(InputError, match="answered 500"):
        list_files(FIGSHARE)
    with pytest.raises(InputError, match="answered 404"):
        list_files(FIGSHARE)
    monkeypatch.setattr(archives, "FIGSHARE", "http://127.0.0.1:1")
    with pytest.raises(InputError, match="cannot be reached"):
        list_files(FIGSHARE)


# Downloading


def test_a_file_arrives_whole_and_its_checksum_is_kept(server, get, tmp_path):
    server.figshare("a.npy")
    assert get() == [tmp_path / "a.npy"]
    assert (tmp_path / "a.npy").read_bytes() == CONTENT
    assert visible(tmp_path) == ["a.npy", CHECKSUMS]
    assert json.loads((tmp_path / CHECKSUMS).read_text()) == {"a.npy": f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"}


def test_what_is_there_is_not_downloaded_again(server, get):
    server.figshare("a.npy")
    get()
    get()
    assert server.downloads() == [None]


def test_a_dropped_connection_goes_on_where_it_stopped(server, get, tmp_path):
    server.figshare("a.npy")
    server.drops = 2
    get()
    assert (tmp_path / "a.npy").read_bytes() == CONTENT
    assert server.downloads() == [None, "bytes=150000-", "bytes=220000-"]  # in whole chunks


def test_a_redirected_download_resumes_as_well(server, get, tmp_path):
    server.figshare("a.npy")
    for listed in server.answers[f"/articles/{FIGSHARE.identifier}/files?page=1&page_size={archives.PAGE}"]:
        listed["download_url"] = f"{server.url}/moved/a.npy"  # as figshare and DANDI do
    server.drops = 1
    get()
    assert (tmp_path / "a.npy").read_bytes() == CONTENT
    assert server.downloads() == [None, "bytes=150000-"]


def test_the_next_run_goes_on_where_the_last_one_gave_up(server, get, tmp_path):
    server.figshare("a.npy")
    server.drops = download.ATTEMPTS
    with pytest.raises(InputError, match="stopped 6 times, at 290,000"):
        get()
    assert visible(tmp_path) == []
    get()
    assert server.downloads()[-1] == "bytes=290000-"
    assert (tmp_path / "a.npy").read_bytes() == CONTENT
    assert not (tmp_path / ".a.npy.part").exists()


def test_a_server_that_knows_no_ranges_sends_everything_again(server, get, tmp_path):
    server.figshare("a.npy")
    server.drops, server.ranges = 1, False
    get()
    assert (tmp_path / "a.npy").read_bytes() == CONTENT


def test_another_part_than_the_one_asked_for_is_refused(server, get, tmp_path):
    server.figshare("a.npy")
    server.drops, server.wrong_range = 1, True
    with pytest.raises(InputError, match="another part of the file"):
        get()
    assert visible(tmp_path) == []


def test_a_temporary_error_is_tried_again_and_a_final_one_is_not(server, get, tmp_path):
    server.figshare("a.npy", "b.npy")
    server.status = [503, 429]
    get(session="a.npy")
    assert server.downloads() == [None] * 3
    server.status = [404]
    with pytest.raises(InputError, match="answered 404"):
        get(session="b.npy")
    assert visible(tmp_path) == ["a.npy", CHECKSUMS]
    server.status = [500] * download.ATTEMPTS
    with pytest.raises(InputError, match=r"stopped 6 times, at 0 of 300,000 bytes \(500"):
        get(session="b.npy")


def test_a_wrong_checksum_leaves_nothing_behind(server, get, tmp_path):
    server.figshare("a.npy", md5="0" * 32)
    with pytest.raises(InputError, match="announced by the archive"):
        get()
    assert visible(tmp_path) == []
    server.figshare("a.npy")
    get()
    assert (tmp_path / "a.npy").read_bytes() == CONTENT


def test_a_file_that_changes_after_the_first_fetch_is_refused(server, get, tmp_path):
    server.figshare("a.npy", md5="")
    get()
    (tmp_path / "a.npy").unlink()
    server.files["/a.npy"] = CONTENT[::-1]
    server.figshare("a.npy", md5="")
    with pytest.raises(InputError, match=rf"first fetched \(see .*{CHECKSUMS}\)"):
        get()
    assert visible(tmp_path) == [CHECKSUMS]


def test_a_file_that_was_damaged_on_the_disk_is_fetched_again(server, get, tmp_path):
    server.figshare("a.npy")
    get()
    (tmp_path / "a.npy").write_bytes(CONTENT[:-1])
    get()
    assert (tmp_path / "a.npy").read_bytes() == CONTENT


@pytest.mark.parametrize("md5", ["", None])
@pytest.mark.parametrize("mine", [b"mine", CONTENT[::-1]])
def test_a_foreign_file_of_that_name_is_neither_taken_nor_replaced(md5, mine, server, get, tmp_path):
    server.figshare("a.npy", md5=md5)
    (tmp_path / "a.npy").write_bytes(mine)
    if md5 is None or len(mine) != len(CONTENT):  # else nobody could tell
        with pytest.raises(InputError, match="differs from the archive"):
            get()
    assert (tmp_path / "a.npy").read_bytes() == mine
    assert server.downloads() == []


def test_a_file_that_is_there_already_is_checked_and_kept(server, get, tmp_path):
    server.figshare("a.npy")
    (tmp_path / "a.npy").write_bytes(CONTENT)
    get()
    assert server.downloads() == []
    assert visible(tmp_path) == ["a.npy", CHECKSUMS]


def test_a_server_that_claims_more_than_it_sends_is_not_believed(server, get, tmp_path):
    server.figshare("a.npy", md5="")
    server.claims = len(CONTENT) + 7
    get()  # all that the archive lists came
    assert (tmp_path / "a.npy").read_bytes() == CONTENT
    server.figshare("b.npy", size=len(CONTENT) + 7)
    with pytest.raises(InputError, match="fewer than the 300,007 bytes"):
        get(session="b.npy")
    assert visible(tmp_path) == ["a.npy", CHECKSUMS]


def test_a_server_that_sends_too_much_is_stopped(server, get, tmp_path):
    server.figshare("a.npy", size=100)
    with pytest.raises(InputError, match="more than the 100 bytes"):
        get()
    assert visible(tmp_path) == []


def test_a_full_disk_is_reported_and_the_rest_comes_later(server, get, tmp_path, monkeypatch):
    server.figshare("a.npy")
    opened = Path.open

    def full(self: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        file = opened(self, mode, *arguments, **options)
        if self.suffix != ".part":
            return file

        class Full:
            def __enter__(self) -> Full:
                return self

            def __exit__(self, *error: object) -> None:
                file.close()

            def write(self, data: bytes) -> None:
                if file.tell() > 100_000:
                    raise OSError(errno.ENOSPC, "No space left on device")
                file.write(data)

        return Full()

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(InputError, match=r"no room on the disk.*continue where it stopped"):
            get()
    assert visible(tmp_path) == []
    get()
    assert server.downloads() == [None, "bytes=110000-"]
    assert (tmp_path / "a.npy").read_bytes() == CONTENT


def test_what_does_not_fit_is_not_begun(server, get, monkeypatch):
    server.figshare("a.npy")
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(InputError, match="make room, or choose a part with --session"):
        get()
    assert server.downloads() == []


def test_damaged_checksums_are_named(server, get, tmp_path):
    server.figshare("a.npy")
    for text in ("{", "[]", '{"a.npy": 3}'):
        (tmp_path / CHECKSUMS).write_text(text)
        with pytest.raises(InputError, match=f"{CHECKSUMS} is damaged"):
            get()


# Unpacking


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(*members: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return packed.getvalue()


def member(name: str, **attributes: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = 3
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


def test_archives_are_unpacked_once_into_a_folder_of_their_name(server, get, tmp_path):
    server.files["/all.zip"] = zipped(**{"Cori/spikes.times.npy": b"abc"})
    server.files["/one.tar.gz"] = tarred(member("Cori/spikes.times.npy"))
    server.figshare("all.zip", "one.tar.gz")
    assert get() == [tmp_path / "all", tmp_path / "one"]
    assert (tmp_path / "all" / "Cori" / "spikes.times.npy").read_bytes() == b"abc"
    assert (tmp_path / "one" / "Cori" / "spikes.times.npy").read_bytes() == b"xxx"
    assert get() == [tmp_path / "all", tmp_path / "one"]
    assert len(server.downloads()) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", zipped(**{"../evil": b""})),
        ("a.zip", zipped(**{"/evil": b""})),
        ("a.tar", tarred(member("b/../../evil"))),
        ("a.tar", tarred(member("/evil"))),
        ("a.tar", tarred(member("link", type=tarfile.SYMTYPE, linkname="/etc", size=0))),
        ("a.tar", tarred(member("device", type=tarfile.CHRTYPE, size=0))),
        ("a.zip", b"no zip"),
        ("a.tar", tarred(member("ok"))[:-20]),
    ],
    ids=["zip above", "zip absolute", "tar above", "tar absolute", "link", "device", "no zip", "truncated"],
)
def test_an_archive_that_is_damaged_or_leads_outside_is_not_unpacked(name, content, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        unpack(folder / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["data", name]


def test_an_archive_without_room_for_its_contents_is_not_unpacked(tmp_path, monkeypatch):
    (tmp_path / "a.zip").write_bytes(zipped(big=b"0" * 2000))
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(InputError, match="unpacks to 2,000 bytes, but only 1,000 are free"):
        unpack(tmp_path / "a.zip")
    assert visible(tmp_path) == ["a.zip"]


# The command line


@pytest.fixture
def command(monkeypatch, capsys):
    """Run `synapsnet datasets ...`; the exit code and what it printed."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["synapsnet", "datasets", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out + printed.err

    return run


def test_the_command_lists_all_data_sets(command):
    code, printed = command()
    assert code == 0
    for dataset in registry().values():
        assert dataset.name in printed
        assert dataset.doi in printed


@pytest.mark.parametrize("words", [[], ["files"], ["fetch"]])
def test_every_command_has_help_with_an_example(words, command):
    code, printed = command(*words, "--help")
    assert code == 0
    assert " ".join(["synapsnet datasets", *words]) in " ".join(printed.split())


def test_the_command_lists_files_and_fetches(command, server, tmp_path):
    server.figshare("a.npy", "b.npy")
    code, printed = command("files", "steinmetz-2019")
    assert code == 0
    assert "2 files, 0.0 GB; licence: CC BY 4.0." in printed
    code, printed = command("fetch", "steinmetz-2019", "--session", "b", "-o", tmp_path / "data")
    assert code == 0
    assert "Cite Steinmetz et al. 2019" in printed
    assert (tmp_path / "data" / "b.npy").read_bytes() == CONTENT


def test_an_interrupted_command_says_how_to_go_on(command, server, tmp_path, monkeypatch):
    server.figshare("a.npy")
    arguments = ["fetch", "steinmetz-2019", "-o", tmp_path]

    def interrupt(self: Resuming, response: Any, there: int) -> None:
        self.partial.write_bytes(CONTENT[:1000])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Resuming, "_append", interrupt)
        code, printed = command(*arguments)
    assert code == 130
    assert "The same command continues where it stopped" in printed
    code, printed = command(*arguments)
    assert code == 0
    assert server.downloads() == [None, "bytes=1000-"]
    assert f"Next: synapsnet info {tmp_path / 'a.npy'}" in printed


def test_the_command_refuses_in_a_sentence(command):
    code, printed = command("fetch", "nobody-2020")
    assert code == 2
    assert "There is no data set 'nobody-2020'" in printed


@pytest.mark.parametrize("make", [lambda path: path.write_text(""), lambda path: (path / ".lock").mkdir(parents=True)])
def test_a_folder_that_cannot_be_written_to_is_named(make, server, tmp_path):
    server.figshare("a.npy")
    make(tmp_path / "file")
    with pytest.raises(InputError, match="give another folder"):
        fetch(FIGSHARE, tmp_path / "file", session=None, notify=print, progress=lambda *_: None)
