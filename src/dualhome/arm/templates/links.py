"""Templates that others link to: beside the template that was read, or served on this machine. Nothing is fetched from elsewhere."""

from __future__ import annotations

import ipaddress
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

from dualhome.arm.errors import ArmError, bad_request
from dualhome.arm.templates.reading import member, read

LARGEST: Final = 4 * 1024 * 1024  # bytes of a template: Azure's limit
PATIENCE_S: Final = 10.0


class Links:
    """`directory`: where files may be read from, None where none may."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory.resolve() if directory is not None else None

    def load(self, link: Any, base: str = "") -> tuple[Any, str]:
        """What a templateLink or parametersLink leads to, and its own URI. `base`: the URI of the template that links, for `relativePath`.

        Raises:
            ArmError: 400 InvalidContentLink.
        """
        uri, relative = member(link, "uri"), member(link, "relativePath")
        if isinstance(relative, str) and not uri:
            uri = urljoin(base, relative) if base else relative if self.directory else None
        if not isinstance(uri, str):
            raise bad_request(
                "InvalidTemplateLink", "The template link needs a 'uri', or a 'relativePath' where its own template has a URI."
            )
        return read(self._fetch(uri)), uri

    def _fetch(self, uri: str) -> bytes:
        try:
            parts = urlsplit(uri)
            if parts.scheme in ("http", "https") and _is_here(parts.hostname or ""):
                return _over_http(uri)
            if parts.scheme in ("", "file") and self.directory is not None:
                return self._file(uri, url2pathname(parts.path) if parts.scheme else uri)
        except (OSError, ValueError) as error:
            raise _refused(uri, str(error)) from error
        raise _refused(uri, "only templates on this machine are fetched")

    def _file(self, uri: str, name: str) -> bytes:
        assert self.directory is not None, "asked for before"
        path = (self.directory / name).resolve()
        if not path.is_relative_to(self.directory):
            raise _refused(uri, f"it isn't beneath {self.directory}")
        if path.stat().st_size > LARGEST:
            raise _refused(uri, f"it has more than {LARGEST} bytes")
        return path.read_bytes()


def _is_here(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects only within this machine."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """As usual, or not at all."""
        if not _is_here(urlsplit(newurl).hostname or ""):
            raise urllib.error.URLError(f"redirected to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _over_http(uri: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
    with opener.open(uri, timeout=PATIENCE_S) as answer:
        found: bytes = answer.read(LARGEST + 1)
    if len(found) > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    return found


def _refused(uri: str, why: str) -> ArmError:
    return bad_request(
        "InvalidContentLink",
        f"Unable to download deployment content from '{uri}': {why}. Please see https://aka.ms/arm-deploy for usage details.",
    )
