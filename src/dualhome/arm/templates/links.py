"""Templates that others link to: beside the template that was read, or by URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

from dualhome.arm.downloads import LARGEST, Downloads
from dualhome.arm.errors import ArmError, bad_request
from dualhome.arm.templates.reading import member, read


class Links:
    """`directory`: where files may be read from, None where none may. `downloads`: how URLs are fetched."""

    def __init__(self, directory: Path | None = None, downloads: Downloads | None = None) -> None:
        self.directory = directory.resolve() if directory is not None else None
        self.downloads = downloads or Downloads()

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
            if parts.scheme in ("http", "https"):
                return self.downloads.fetch(uri)
            if parts.scheme in ("", "file") and self.directory is not None:
                return self._file(uri, url2pathname(parts.path) if parts.scheme else uri)
        except (OSError, ValueError) as error:
            raise _refused(uri, str(error)) from error
        raise _refused(uri, "it is no http or https URL")

    def _file(self, uri: str, name: str) -> bytes:
        assert self.directory is not None, "asked for before"
        path = (self.directory / name).resolve()
        if not path.is_relative_to(self.directory):
            raise _refused(uri, f"it isn't beneath {self.directory}")
        if path.stat().st_size > LARGEST:
            raise _refused(uri, f"it has more than {LARGEST} bytes")
        return path.read_bytes()


def _refused(uri: str, why: str) -> ArmError:
    return bad_request(
        "InvalidContentLink",
        f"Unable to download deployment content from '{uri}': {why}. Please see https://aka.ms/arm-deploy for usage details.",
    )
