"""An NWB file at a URL, of a server on this machine that counts what is fetched."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest
from nwb_files import save, with_units

from synapsnet.errors import InputError
from synapsnet.io import describe, explain, read, write_simulation

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


class Ranges(SimpleHTTPRequestHandler):
    """Serves parts of files, as archives do, and notes how many bytes it sent of each request."""

    sent: list[int]
    most = 1000  # answers, of which the last breaks off

    def __init__(self, *args: Any, sent: list[int], **options: Any) -> None:
        self.sent = sent
        super().__init__(*args, **options)

    def do_HEAD(self) -> None:
        self._respond(body=False)

    def do_GET(self) -> None:
        self._respond(body=True)

    def _respond(self, *, body: bool) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        first, last = 0, len(data) - 1
        if wanted := self.headers.get("Range"):
            begin, end = wanted.removeprefix("bytes=").split("-")
            first, last = int(begin), min(int(end or last), last)
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        if body:
            whole = len(self.sent) < self.most
            self.wfile.write(data[first : last + 1] if whole else data[first : first + 100])
            self.close_connection = not whole
            self.sent.append(last + 1 - first)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path) -> Iterator[tuple[str, list[int]]]:
    sent: list[int] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(tmp_path), sent=sent)) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", sent
        http.shutdown()
        thread.join()


TRAINS = [[0.1, 0.7, 1.9], [0.4, 1.2, 2.0]]


def test_only_what_is_needed_is_fetched(server, tmp_path):
    url, sent = server
    file = with_units(TRAINS)
    raw = np.random.default_rng(0).normal(size=4_000_000)
    file.add_acquisition(pynwb.TimeSeries(name="raw", data=raw, unit="V", rate=30_000.0))
    size = save(file, tmp_path / "session.nwb").stat().st_size
    recording = read(f"{url}/session.nwb", bin_s=0.5)
    assert recording.values.T.tolist() == [[1, 1, 0], [1, 0, 1]]
    assert np.array_equal(recording.values, read(tmp_path / "session.nwb", bin_s=0.5).values)
    assert size > 30e6
    assert sum(sent) < size / 4


def test_our_simulation_at_a_url_is_described(server, tmp_path, small_simulation):
    write_simulation(small_simulation, tmp_path / "sim.nwb")
    assert describe(f"{server[0]}/sim.nwb") == describe(tmp_path / "sim.nwb")


def test_a_url_is_explained_without_being_opened():
    assert explain("https://example.org/session.nwb")["reader"].startswith("nwb")


def test_a_file_that_is_not_there_is_refused(server):
    with pytest.raises(InputError, match=r"Cannot read http://127.0.0.1:\d+/none.nwb \(FileNotFoundError\)"):
        read(f"{server[0]}/none.nwb")


def test_a_connection_that_breaks_is_told(server, tmp_path, monkeypatch):
    spikes = np.sort(np.random.default_rng(0).uniform(0, 100, (2, 400_000)))
    save(with_units(list(spikes)), tmp_path / "session.nwb")
    for answers in (0, 3):
        monkeypatch.setattr(Ranges, "most", answers)
        with pytest.raises(InputError, match=r"Cannot read http://.*/session.nwb \(ClientPayloadError\)"):
            read(f"{server[0]}/session.nwb")


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InputError, match=r"pip install 'synapsnet\[remote\]'"):
        read("http://127.0.0.1:1/session.nwb")


def test_a_server_that_does_not_answer_is_refused():
    with pytest.raises(InputError, match="check the address and the network"):
        read("http://127.0.0.1:1/session.nwb")


def test_what_is_no_nwb_file_is_refused(server, tmp_path):
    (tmp_path / "page.nwb").write_text("<html>" + 1000 * "moved ")
    with pytest.raises(InputError, match="not a whole NWB file"):
        read(f"{server[0]}/page.nwb")
