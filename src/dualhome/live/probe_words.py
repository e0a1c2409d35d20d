"""What the prober is told, and what it says: JSON objects, one a line, parsed here once."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from dualhome.errors import DualhomeError, RequestError
from dualhome.live.streams import Reading

FLOWS: Final = 1024  # the most in one stream or trace
RATE: Final = 5000  # packets a second, the most of one stream
HOPS: Final = 64
WAIT_MS: Final = 10_000  # the longest that a trace may take


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A place to send from or to receive at; namespace "" is the process's own."""

    namespace: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """Send a new stream from now on; `rate` is in packets a second, of all flows together."""

    name: str
    source: End
    targets: tuple[End, ...]
    destination: str
    flows: int
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Find the way of each flow."""

    source: End
    destination: str
    flows: int
    hops: int
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Forget a stream's gaps so far."""

    name: str


@dataclass(frozen=True, slots=True)
class Read:
    """Say what is known of a stream."""

    name: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Send no more of a stream."""

    name: str


Command = Add | Trace | Mark | Read | Remove


def parse(line: bytes) -> tuple[object, Command | RequestError]:
    """The command's id (None where it has none), and the command, or what is wrong with it."""
    try:
        said = json.loads(line)
    except ValueError:
        return None, RequestError("not JSON")
    if not isinstance(said, dict):
        return None, RequestError("not an object")
    try:
        return said.get("id"), _command(said)
    except RequestError as error:
        return said.get("id"), error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return said.get("id"), RequestError(f"not understood: {type(error).__name__} {error}")


def _command(said: Mapping[str, Any]) -> Command:
    for word, make in (("mark", Mark), ("read", Read), ("remove", Remove)):
        if word in said:
            return make(str(said[word]))
    if "add" in said:
        what = said["add"]
        return Add(
            name=str(what["name"]),
            source=_end(what["source"]),
            targets=tuple(map(_end, what["targets"])),
            destination=_address(what["destination"]),
            flows=_number(what, "flows", 64, FLOWS),
            rate=_number(what, "rate", 1000, RATE),
        )
    if "trace" in said:
        what = said["trace"]
        return Trace(
            source=_end(what["source"]),
            destination=_address(what["destination"]),
            flows=_number(what, "flows", 8, FLOWS),
            hops=_number(what, "hops", 16, HOPS),
            timeout_ms=_number(what, "timeout_ms", 500, WAIT_MS),
        )
    raise RequestError("a command is one of add, mark, read, remove, trace")


def _end(said: Mapping[str, Any]) -> End:
    return End(namespace=str(said["namespace"]), address=_address(said["address"]))


def _address(text: object) -> str:
    return str(ipaddress.ip_address(str(text)))


def _number(said: Mapping[str, Any], word: str, otherwise: int, most: int) -> int:
    number = said.get(word, otherwise)
    if not isinstance(number, int) or not 1 <= number <= most:
        raise RequestError(f"{word} {number!r}: from 1 to {most}")
    return number


def answer(name: object, what: Mapping[str, object] | Reading | DualhomeError) -> bytes:
    """One line. An error says whose fault it is: the request's, or the system's."""
    if isinstance(what, DualhomeError):
        what = {"error": str(what), "fault": "request" if isinstance(what, RequestError) else "system"}
    elif isinstance(what, Reading):
        what = asdict(what)
    return json.dumps({"id": name, **what}).encode() + b"\n"
