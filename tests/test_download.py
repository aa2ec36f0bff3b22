"""Downloads from a real server on this machine: what arrives, what is said, and what is left behind."""

import contextlib
import gzip
import hashlib
import importlib
import os
import pkgutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from glorot import datasets
from glorot.datasets import cifar10, download, mnist
from glorot.datasets.download import new_file
from glorot.errors import DataError

BODY = bytes(range(256)) * 2000  # more than one block
OTHER = bytes(len(BODY))
PACKED = gzip.compress(BODY)
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """/good serves BODY, every other path is one way to fail."""

    def do_GET(self):
        self.server.asked.append(self.path)
        body, length = BODY, len(BODY)
        if self.path == "/missing":
            self.send_error(404, "Not Found")
            return
        if self.path == "/escape":
            self.send_error(403, "\x1b]0;your terminal is mine\x07")
            return
        self.path = urllib.parse.unquote(self.path)
        if self.path == "/other":
            body = OTHER
        if self.path in ("/cut", "/stalled"):
            body = BODY[:1000]
        if self.path == "/silent":
            self.server.done.wait(5)
        self.send_response(200, "\x1b[31mfine\x1b[0m")
        if self.path.startswith("/length "):
            length = self.path.partition(" ")[2]
        if self.path.startswith("/gzip"):
            self.send_header("Content-Encoding", "gzip")
            body = PACKED
            length = len(PACKED)
        if self.path not in ("/endless", "/drip"):
            self.send_header("Content-Length", str(length))
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever asked has gone
            while self.path == "/endless":
                self.wfile.write(body)
            while self.path == "/drip" and not self.server.done.wait(0.05):
                self.wfile.write(b"x")
            self.wfile.write(body)
        if self.path == "/stalled":
            self.wfile.flush()
            self.server.done.wait(5)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    """The server; `at(path)` is an address on it, `asked` what it has been asked for."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked, running.done = [], threading.Event()
        running.at = lambda path: f"http://127.0.0.1:{running.server_port}/{path}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.done.set()
        running.shutdown()
        thread.join()


def free_port() -> int:
    """A port no one listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_success(server, tmp_path):
    destination = tmp_path / "new" / "folder" / "file.gz"
    download.download([server.at("good")], destination, SHA256, len(BODY))
    assert destination.read_bytes() == BODY
    assert [path.name for path in destination.parent.iterdir()] == ["file.gz"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_the_file_is_as_readable_as_any_other(server, tmp_path):
    (tmp_path / "ordinary").touch()
    download.download([server.at("good")], tmp_path / "file.gz", SHA256, len(BODY))
    mode = stat.S_IMODE((tmp_path / "file.gz").stat().st_mode)
    assert mode == stat.S_IMODE((tmp_path / "ordinary").stat().st_mode)


FAILURES = {
    "wrong checksum": (
        "other",
        f"wrong checksum: expected SHA-256 {SHA256}, found " + hashlib.sha256(OTHER).hexdigest(),
    ),
    "truncated": ("cut", "the connection broke before the end of the file"),
    "404": ("missing", "HTTP 404 Not Found"),
    "silent": ("silent", "no answer within"),
    "stalled": ("stalled", "no answer within"),
    "endless": ("endless", "expected 512,000 bytes, found more"),
    "one byte at a time": ("drip", "too slow: less than 65,536 bytes in 1 s"),
    "unpacked": ("gzip", "expected 512,000 bytes, found that there are"),
    "another length": ("length 3", "expected 512,000 bytes, found that there are 3"),
    "escape codes": ("escape", r"HTTP 403 \x1b]0;your terminal is mine\x07"),
}


@pytest.mark.parametrize(("path", "reason"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_names_address_reason_and_remedy_and_leaves_nothing(path, reason, server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (30, 0.3 if reason.startswith("no answer") else 30))
    monkeypatch.setattr(download, "SLOWEST", 1)
    destination = tmp_path / "new" / "file.gz"
    with pytest.raises(DataError) as caught:
        download.download([server.at(path)], destination, SHA256, len(BODY))
    message = str(caught.value)
    assert f"{server.at(path)}: {reason}" in message
    assert f"put it at {destination}" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", ["many", "-7", "1e9", "512000, 512000", "512000, 3", "9" * 5000, "\xb2", ""])
def test_whatever_length_a_server_tells_is_no_traceback(length, server, tmp_path):
    refused = None
    try:
        download.download([server.at(urllib.parse.quote(f"length {length}"))], tmp_path / "f", SHA256, len(BODY))
    except DataError as error:
        refused = str(error)
    assert (tmp_path / "f").exists() == (refused is None)
    assert refused is None or "cannot download f:\n  http" in refused


def test_a_gz_file_arrives_packed_whatever_the_server_calls_it(server, tmp_path):
    packed = hashlib.sha256(PACKED).hexdigest()
    download.download([server.at("gzip")], tmp_path / "file.gz", packed, len(PACKED))
    assert (tmp_path / "file.gz").read_bytes() == PACKED


def test_all_addresses_are_encrypted():
    modules = [
        importlib.import_module(f"glorot.datasets.{one.name}") for one in pkgutil.iter_modules(datasets.__path__)
    ]
    addresses = [address for module in modules for address in getattr(module, "ADDRESSES", ())]
    assert len(addresses) >= 4
    assert all(address.startswith("https://") for address in addresses)
    assert mnist.SIZES.keys() == mnist.SHA256.keys()


def test_no_connection(server, tmp_path):
    url = f"http://127.0.0.1:{free_port()}/file"
    with pytest.raises(DataError, match="is there a network") as caught:
        download.download([url], tmp_path / "file.gz", SHA256, len(BODY))
    assert url in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_every_address_is_listed_with_its_own_reason(server, tmp_path):
    with pytest.raises(DataError) as caught:
        download.download([server.at("missing"), server.at("other"), "nonsense"], tmp_path / "f", SHA256, len(BODY))
    lines = str(caught.value).splitlines()
    assert [line.startswith("  ") for line in lines] == [False, True, True, True, False]
    assert "404" in lines[1]
    assert "wrong checksum" in lines[2]
    assert "nonsense" in lines[3]


@pytest.mark.parametrize("first", ["missing", "other", "cut"])
def test_the_mirror_is_asked_where_the_publisher_fails(first, server, tmp_path):
    download.download([server.at(first), server.at("good")], tmp_path / "file.gz", SHA256, len(BODY))
    assert (tmp_path / "file.gz").read_bytes() == BODY
    assert server.asked == [f"/{first}", "/good"]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_mirror_is_left_alone_where_the_publisher_has_it(server, tmp_path):
    download.download([server.at("good"), server.at("other")], tmp_path / "file.gz", SHA256, len(BODY))
    assert server.asked == ["/good"]


def test_a_good_file_is_not_downloaded_again(server, tmp_path):
    (tmp_path / "file.gz").write_bytes(BODY)
    before = (tmp_path / "file.gz").stat()
    download.download([server.at("good")], tmp_path / "file.gz", SHA256, len(BODY))
    assert server.asked == []
    assert (tmp_path / "file.gz").stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("path", ["other", "cut", "missing"])
def test_a_failed_download_does_not_touch_what_is_there(path, server, tmp_path):
    (tmp_path / "file.gz").write_bytes(b"what the user has")
    with pytest.raises(DataError):
        download.download([server.at(path)], tmp_path / "file.gz", SHA256, len(BODY))
    assert (tmp_path / "file.gz").read_bytes() == b"what the user has"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_bad_file_is_replaced(server, tmp_path):
    (tmp_path / "file.gz").write_bytes(b"bad")
    download.download([server.at("good")], tmp_path / "file.gz", SHA256, len(BODY))
    assert (tmp_path / "file.gz").read_bytes() == BODY


def test_a_folder_that_cannot_be_written_is_named_and_no_mirror_is_tried(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")  # where a folder should be
    with pytest.raises(DataError, match="cannot write") as caught:
        download.download([server.at("good"), server.at("good")], tmp_path / "file" / "x.gz", SHA256, len(BODY))
    assert str(tmp_path / "file" / "x.gz") in str(caught.value)
    assert server.asked == []


def interrupted_write(destination):
    with new_file(destination, SHA256) as file:
        file.write(BODY)
        raise KeyboardInterrupt


def test_an_interrupted_download_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        interrupted_write(tmp_path / "file.gz")
    assert list(tmp_path.iterdir()) == []


def test_mnist_is_fetched_file_by_file(server, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "ADDRESSES", [server.at("")])
    monkeypatch.setattr(mnist, "SHA256", {"good": SHA256, "cut": SHA256})
    monkeypatch.setattr(mnist, "SIZES", {"good": len(BODY), "cut": len(BODY)})
    with pytest.raises(DataError, match="cannot download cut"):
        mnist.fetch(tmp_path)
    assert [path.name for path in (tmp_path / "mnist").iterdir()] == ["good"]


def test_a_downloaded_archive_is_removed_even_where_it_cannot_be_unpacked(server, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "ADDRESSES", [server.at("")])
    monkeypatch.setattr(cifar10, "ARCHIVE", "good")
    monkeypatch.setattr(cifar10, "ARCHIVE_SHA256", SHA256)  # the right file, but BODY is no tar.gz
    monkeypatch.setattr(cifar10, "ARCHIVE_SIZE", len(BODY))
    with pytest.raises(DataError, match=r"whole tar\.gz archive"):
        cifar10.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- through processes --------------------------------------------------------------------------------

PATCHED = """
import glorot.datasets.mnist as mnist
mnist.ADDRESSES = [{address!r}]
mnist.SHA256, mnist.SIZES = {{{name!r}: {sha256!r}}}, {{{name!r}: {size}}}
"""


def patched(folder, server, name: str) -> dict[str, str]:
    """The environment of a glorot whose MNIST is one file on this server."""
    program = PATCHED.format(address=server.at(""), name=name, sha256=SHA256, size=len(BODY))
    (folder / "sitecustomize.py").write_text(program)
    return {"PYTHONPATH": str(folder), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def test_what_a_server_says_does_not_reach_the_terminal(server, glorot, tmp_path):
    found = glorot("data", "fetch", "mnist", **patched(tmp_path, server, "escape"))
    assert found.returncode == 2
    assert "your terminal is mine" in found.stderr
    assert "\x1b" not in found.stderr
    assert not (tmp_path / "no data").exists()  # nor is an empty folder left


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_the_next_fetch_sweeps_what_a_killed_one_left(name, server, glorot, environment, tmp_path):
    place = tmp_path / "no data" / "mnist"
    killed = subprocess.Popen(
        [sys.executable, "-m", "glorot", "data", "fetch", "mnist"],
        cwd=tmp_path, env=environment | patched(tmp_path, server, "stalled"), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not any(place.glob(".*")):
        assert killed.poll() is None
        time.sleep(0.05)
    running = glorot("data", "fetch", "mnist", **patched(tmp_path, server, "good"))
    assert running.returncode == 0, running.stderr
    assert any(place.glob(".*"))  # of one that is still at it
    killed.send_signal(getattr(signal, name))
    killed.wait()
    (place / "good").unlink()
    assert glorot("data", "fetch", "mnist", **patched(tmp_path, server, "good")).returncode == 0
    assert [path.name for path in place.iterdir()] == ["good"]
