"""The commands of the BFD process as values, and the lines that it writes."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any

from dualhome.bfd.session import SessionConfig, Transition
from dualhome.errors import RequestError
from dualhome.live.bfd_sockets import TTL, Path
from dualhome.units import Duration, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """A session to have; `port` of the fabric, 0: none."""

    id: str
    path: Path
    config: SessionConfig
    port: int


@dataclass(frozen=True, slots=True)
class Remove:
    """A session to have no more."""

    id: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Groups with this port are as they shall be."""

    port: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The end."""


Command = Add | Remove | Forget | Stop


def read(text: str | bytes) -> Command:
    """A command from a line.

    Raises:
        RequestError: it is none; `error_id` gives whose it would have been.
    """
    try:
        value = json.loads(text)
        match value:
            case {"add": dict(fields)}:
                return _add(fields)
            case {"remove": str(name)}:
                return Remove(name)
            case {"forget": int(port)}:
                return Forget(port)
            case {"stop": True}:
                return Stop()
    except KeyError as error:
        raise RequestError(f"{error.args[0]} is missing") from error
    except (ValueError, TypeError, AssertionError) as error:
        raise RequestError(str(error)) from error
    raise RequestError("neither add, remove, forget nor stop")


def error_id(text: str | bytes) -> str:
    """The id in a line that is no command; "" where there is none."""
    try:
        return str(json.loads(text)["add"]["id"])
    except (ValueError, TypeError, KeyError):
        return ""


def line(name: str, change: Transition, failed: bool, at: Instant) -> bytes:
    """A change of a session's state."""
    return _line(id=name, state=change.new.word, why=change.why, failed=failed, at_us=at)


def error_line(name: str, error: str) -> bytes:
    """What can't be done."""
    return _line(id=name, error=error)


def _line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _add(fields: dict[str, Any]) -> Add:
    local, remote = ipaddress.ip_address(fields["local"]), ipaddress.ip_address(fields["remote"])
    multiplier, interval = int(fields["multiplier"]), Duration(round(fields["interval_ms"] * 1000))
    if local.version != remote.version:
        raise RequestError(f"{local} and {remote} are not of one version")
    if not 0 < multiplier < 256:
        raise RequestError(f"a multiplier of {multiplier} (1 to 255 are allowed)")
    if not 0 < interval < 1 << 32:
        raise RequestError(f"an interval of {fields['interval_ms']} ms (up to an hour is allowed)")
    multihop = bool(fields.get("multihop", False))
    path = Path(
        namespace=str(fields["namespace"]),
        local=str(local),
        remote=str(remote),
        device=str(fields.get("device") or ""),
        multihop=multihop,
        minimum_ttl=int(fields.get("minimum_ttl", 1)) if multihop else TTL,
    )
    config = SessionConfig(transmit=interval, receive=interval, multiplier=multiplier)
    return Add(id=str(fields["id"]), path=path, config=config, port=int(fields.get("port", 0)))
