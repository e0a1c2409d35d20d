"""What requests name by a URL: linked templates, and files of scripts. From a folder that mirrors them, from this machine, or from the Internet."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dualhome.arm.place import on_loopback

LARGEST: Final = 4 * 1024 * 1024  # bytes of a template: Azure's limit
PATIENCE_S: Final = 20.0


class Downloads:
    """`folder` has files as `HOST/PATH`, looked at first; without it, or where it has none, a URL is fetched as it says.

    Fetched are http and https from this machine's loopback, and https from public addresses: a request may not make the server ask the private network around it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder.resolve() if folder is not None else None

    def fetch(self, url: str) -> bytes:
        """What is there.

        Raises:
            ValueError, OSError: in words, why it is not.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("it is no http or https URL")
        if (found := self._mirrored(host, parts.path)) is not None:
            return found
        _allow(url)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context()), _Checked()
        )
        with opener.open(url, timeout=PATIENCE_S) as answer:
            body: bytes = answer.read(LARGEST + 1)
        if len(body) > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        return body

    def _mirrored(self, host: str, path: str) -> bytes | None:
        if self.folder is None:
            return None
        file = (self.folder / host.lower() / unquote(path).lstrip("/")).resolve()
        return file.read_bytes()[:LARGEST] if file.is_relative_to(self.folder) and file.is_file() else None


class _Checked(urllib.request.HTTPRedirectHandler):
    """Redirects, to where a request may lead as well."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """As usual, or not at all."""
        _allow(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _allow(url: str) -> None:
    """Raises ValueError, or OSError where its host has no address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if on_loopback(host):
        return
    if parts.scheme != "https":
        raise ValueError("only https leads to other machines")
    try:
        known = {str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except socket.gaierror as error:
        raise OSError(
            f"{host} has no address here ({error.strerror}); `dualhome serve --downloads FOLDER` reads FOLDER/{host}… instead"
        ) from error
    if not all(ipaddress.ip_address(each.partition("%")[0]).is_global for each in known):
        raise ValueError(f"{host} is in a private network")
