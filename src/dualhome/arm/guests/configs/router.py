"""What a router's configuration says, whoever wrote it: plain data that outlives the text, and what it means in a topology."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Data = dict[str, Any]


@dataclass(slots=True)
class Neighbor:
    """One BGP neighbor. `imports` and `exports` are rules of a topology's route map; None: all."""

    asn: int = 0
    multihop: bool = False
    hold_s: int | None = None
    keepalive_s: int | None = None
    as_override: bool = False
    strip: list[int] = field(default_factory=list)
    prepend: int = 0
    next_hop: str | None = None
    communities: list[str] = field(default_factory=list)
    imports: list[Data] | None = None
    exports: list[Data] | None = None
    default_originate: bool = False
    shutdown: bool = False


@dataclass(slots=True)
class RouterConfig:
    """A router. `static`: (prefix, next hop or interface or ""); `unread`: lines that were not understood; `connected`: of interfaces that the configuration
    itself gives an address; `checked`: a network is announced only while there is a route to it (`bgp network import-check`, FRR's and Cisco's default).
    """

    program: str
    asn: int | None = None
    router_id: str | None = None
    networks: list[str] = field(default_factory=list)
    static: list[tuple[str, str]] = field(default_factory=list)
    redistribute: list[str] = field(default_factory=list)
    neighbors: dict[str, Neighbor] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)
    checked: bool = False

    def data(self) -> Data:
        """To be kept with a record."""
        return asdict(self)


def of_data(data: Mapping[str, Any]) -> RouterConfig:
    """From what `data` gave."""
    found = RouterConfig(**{**data, "neighbors": {}, "static": [(str(a), str(b)) for a, b in data["static"]]})
    found.neighbors = {address: Neighbor(**values) for address, values in data["neighbors"].items()}
    return found


def originated(config: RouterConfig, subnets: Iterable[str]) -> tuple[list[str], list[str]]:
    """What it announces of its own, and networks that it doesn't for want of a route; `subnets`: prefixes that its machine is connected to."""
    connected = [*config.connected, *subnets]
    there = {prefix for prefix, _ in config.static} | set(connected) | {"0.0.0.0/0"}
    missing = [each for each in config.networks if each not in there] if config.checked else []
    found = [each for each in config.networks if each not in missing]
    if "static" in config.redistribute:
        found += [prefix for prefix, _ in config.static]
    if "connected" in config.redistribute or "direct" in config.redistribute:
        found += connected
    if any(each.default_originate for each in config.neighbors.values()):
        found.append("0.0.0.0/0")
    return list(dict.fromkeys(found)), missing


def keys_of(config: RouterConfig, name_of: Callable[[str], str | None], subnets: Iterable[str] = ()) -> Data:
    """An NVA's keys of a topology; `name_of` gives the object that has an address, None where nothing has; `subnets` as in `originated`.

    A route server's two instances are one name there: what holds of either holds of both.
    """
    one: Data = {}
    if config.asn is not None:
        one["asn"] = config.asn
    if announced := originated(config, subnets)[0]:
        one["originates"] = announced
    for address, neighbor in config.neighbors.items():
        name = name_of(address)
        if name is None or neighbor.shutdown:
            continue
        _toward(one, name, neighbor)
    if config.neighbors and not any(each.multihop for each in config.neighbors.values()):
        one["multihop"] = False
    timers = next(((each.keepalive_s, each.hold_s) for each in config.neighbors.values() if each.hold_s), None)
    if timers is not None:
        one["timers"] = {"keepalive_s": timers[0], "hold_s": timers[1]}
    return one


def _toward(one: Data, name: str, neighbor: Neighbor) -> None:
    if neighbor.as_override:
        _listed(one, "as_override", name)
    elif neighbor.asn in neighbor.strip:
        _listed(one, "as_strip", name)
    if neighbor.prepend:
        one.setdefault("prepend", {})[name] = neighbor.prepend
    if neighbor.next_hop and neighbor.next_hop != "self":
        one.setdefault("next_hop", {})[name] = neighbor.next_hop
    if neighbor.communities:
        one.setdefault("communities", {})[name] = list(neighbor.communities)
    if neighbor.imports is not None:
        one.setdefault("import", {})[name] = neighbor.imports
    if neighbor.exports is not None:
        one.setdefault("export", {})[name] = neighbor.exports


def _listed(one: Data, key: str, name: str) -> None:
    if name not in (held := one.setdefault(key, [])):
        held.append(name)
