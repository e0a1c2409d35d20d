"""What requests name by URL: from a folder that mirrors it, from this machine, never from the private network around the server."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from dualhome.arm.downloads import Downloads


@pytest.fixture
def here() -> Any:
    """A web server on loopback: /to/URL redirects, anything else is its path."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            to = self.path.partition("/to/")[2]
            self.send_response(302 if to else 200)
            if to:
                self.send_header("Location", to)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_folder_stands_for_the_internet(tmp_path: Path) -> None:
    file = tmp_path / "raw.example.com" / "labs" / "a b.sh"
    file.parent.mkdir(parents=True)
    file.write_text("echo hello")
    (tmp_path.parent / "secret").write_text("no")
    downloads = Downloads(tmp_path)
    assert downloads.fetch("https://RAW.example.com/labs/a%20b.sh?token=1") == b"echo hello"
    with pytest.raises(OSError, match=r"nowhere\.invalid has no address here .*--downloads FOLDER"):
        downloads.fetch("https://nowhere.invalid/labs/x.sh")
    with pytest.raises((OSError, ValueError)):
        downloads.fetch("https://nowhere.invalid/../../secret")


def test_from_this_machine(here: str) -> None:
    assert Downloads().fetch(f"{here}/main.json") == b"/main.json"
    assert Downloads().fetch(f"{here}/to/{here}/other.json") == b"/other.json"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "/etc/passwd", ""])
def test_other_schemes_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="no http or https URL"):
        Downloads().fetch(url)


@pytest.mark.parametrize("address", ["10.1.2.3", "169.254.169.254", "192.168.0.1", "fd00::1", "100.64.0.1"])
def test_the_private_network_is_not_asked(address: str, monkeypatch: pytest.MonkeyPatch, here: str) -> None:
    known = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: known(address if host == "metadata.example.com" else host, *a, **k))
    with pytest.raises(ValueError, match="private network"):
        Downloads().fetch("https://metadata.example.com/latest")
    with pytest.raises(ValueError, match="private network"):
        Downloads().fetch(f"{here}/to/https://metadata.example.com/latest")


def test_others_only_by_https(here: str) -> None:
    with pytest.raises(ValueError, match="only https"):
        Downloads().fetch("http://example.com/x")
    with pytest.raises(ValueError, match="only https"):
        Downloads().fetch(f"{here}/to/http://example.com/x")
