"""A topology in the making: its data, the names of what is in it, and what was left out."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dualhome.arm.errors import ArmError
from dualhome.arm.ids import key_of
from dualhome.arm.records import Record, Records
from dualhome.arm.shapes import check
from dualhome.arm.store import MemoryStore

Data = dict[str, Any]
TAG = "dualhome"
READ = ("Microsoft.Network/", "Microsoft.Compute/")  # the providers of all that is in a topology
UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError)  # what reading gives that finds another shape than Azure's
NEEDED = frozenset(("address_space", "virtual_network", "subnet", "prefix", "backends", "type", "from", "to", "gateway", "address"))
PAIRS = {"peerings": ("from", "to"), "vpn_connections": ("gateway", "to")}  # sections that are lists, and what their items join


@dataclass(frozen=True, slots=True)
class Omission:
    """What is not in the topology, and why. `id`: the resource's, or a place in the topology's data where no resource is at fault."""

    id: str
    why: str


class Draft:
    """What is known while records are gone through."""

    def __init__(self, records: Records) -> None:
        self.omitted: list[Omission] = []
        self.records = self._readable(records)
        self.data: Data = {"version": 1, "name": "azure", "virtual_networks": {}}
        self.nodes: dict[str, str] = {}
        self.sessions: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.subnets: dict[str, str] = {}  # by a subnet's key, `hub1/nva`
        self.neighbours: dict[str, list[str]] = {}  # by a virtual network's name those to which it is peered
        self.maps: dict[str, str] = {}  # by a route map's key its name
        self.addresses: dict[tuple[str, str], str] = {}  # by (virtual network, address) the machine
        self.machines: dict[str, str] = {}  # by a NIC's key the machine that it is of
        self.routers: dict[str, Mapping[str, Any]] = {}  # by an NVA's name what was read from its configuration
        self.connections: dict[str, list[Record]] = {}  # by peerIp
        for each in self.of("virtualHubs/bgpConnections"):
            self.connections.setdefault(str(each.properties.get("peerIp")), []).append(each)
        self.down: list[str] = []
        self.pairs: dict[tuple[str, str], str] = {}  # by what a peering or connection joins its id
        self.named: dict[str, Record] = {}  # by the name of a route table, security group or route map its record
        self._by_handle: dict[str, str] | None = None
        self._by_group: dict[str, dict[str, str]] | None = None

    def of(self, type_: str) -> list[Record]:
        """Records of a type of Microsoft.Network's, or of another provider's."""
        return self.records.of_type(type_ if "." in type_.partition("/")[0] else f"Microsoft.Network/{type_}")

    def each(self, listed: Iterable[Record], add: Callable[[Draft, Record], None]) -> None:
        """Add one after the other; one that can't be read is left out, and takes no other along."""
        for record in listed:
            try:
                add(self, record)
            except UNREADABLE as error:
                self.leave(record.id, f"it can't be read: {error}")

    def _readable(self, records: Records) -> Records:
        """All but those whose properties are not made as Azure's are, with all beneath them."""
        wrong = []
        for record in records:
            if not record.type.startswith(READ):
                continue
            try:
                if not isinstance(record.body.get("properties", {}), dict):
                    raise TypeError("its properties are no object")
                check(record.properties, record.id)
            except (ArmError, *UNREADABLE) as error:
                wrong.append(record.id)
                self.leave(record.id, f"it can't be read: {error}")
        if not wrong:
            return records
        rest = records.detached(MemoryStore())
        with rest.change():
            for id_ in wrong:
                if rest.get(id_) is not None:
                    rest.delete(id_)
        return rest

    def section(self, name: str) -> Data:
        """A section of the topology, made if it isn't there."""
        found: Data = self.data.setdefault(name, {})
        return found

    def listed(self, name: str) -> list[Data]:
        """A section that is a list."""
        found: list[Data] = self.data.setdefault(name, [])
        return found

    def forwards(self, name: str) -> None:
        """A machine through which packets of others go is an NVA."""
        if name in self.section("virtual_machines"):
            self.section("network_virtual_appliances")[name] = self.section("virtual_machines").pop(name)

    def leave(self, id_: str, why: str) -> None:
        """Leave something out."""
        self.omitted.append(Omission(id_, why))

    def names_in(self, group: str) -> Mapping[str, str]:
        """Of a group's resources that are called otherwise in the topology: own name -> that one."""
        if self._by_group is None:
            self._by_group = {}
            for record in self.records:
                if record.handle and record.handle != record.name:
                    self._by_group.setdefault((record.parsed.group or "").lower(), {}).setdefault(record.name, record.handle)
        return self._by_group.get(group.lower(), {})

    def taken(self) -> set[str]:
        """Names in use."""
        parts = ("virtual_networks", "route_servers", "network_virtual_appliances", "load_balancers", "virtual_machines")
        more = ("virtual_network_gateways", "expressroute_circuits", "on_premises")
        return {name for part in (*parts, *more) for name in self.data.get(part, {})}

    def drop(self, wrongs: Iterable[tuple[tuple[str | int, ...], str]]) -> bool:
        """Leave out what is at fault: the innermost thing that a path names, or the object where that alone is left. Whether anything was left out."""
        places: dict[tuple[str | int, ...], str] = {}
        for path, text in wrongs:
            if len(path) >= 2:
                places.setdefault(_whole(path), text)
        done = False
        last_first = sorted(places.items(), key=lambda item: [str(each).rjust(9) for each in item[0]], reverse=True)
        for place, text in last_first:
            owner = self._owner(place)
            if self._remove(place):
                where = "/".join(map(str, place))
                self.leave(owner or where, f"{where}: {text}" if owner else text)
                done = True
        self.data.setdefault("virtual_networks", {})
        return done

    def _owner(self, place: tuple[str | int, ...]) -> str:
        """The id of the resource that a place in the data comes from; "" where it is none of a resource's."""
        section, name = place[:2]
        if section in PAIRS and isinstance(name, int) and name < len(self.data[section]):
            near, far = (str(self.data[section][name].get(end)) for end in PAIRS[str(section)])
            return self.pairs.get((near, far), "")
        if self._by_handle is None:
            self._by_handle = {record.handle: record.id for record in self.records if record.handle}
            self._by_handle |= {name: record.id for name, record in self.named.items()}
        return self._by_handle.get(str(name), "")

    def _remove(self, place: tuple[str | int, ...]) -> bool:
        """The innermost part of a path that is there; not what an object must have, but the object then."""
        for depth in range(len(place), 1, -1):
            holder: Any = self.data
            for step in place[: depth - 1]:
                holder = _within(holder, step)
            last = place[depth - 1]
            if _within(holder, last) is not MISSING and last not in NEEDED:
                del holder[last]
                return True
        return False


MISSING: Any = object()


def _within(holder: Any, step: str | int) -> Any:
    """What stands there, `MISSING` where nothing does."""
    if isinstance(holder, dict):
        return holder.get(step, MISSING)
    return holder[step] if isinstance(holder, list) and isinstance(step, int) and step < len(holder) else MISSING


def _whole(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Of a path into an item of a list the item: half a rule, route or peer would be another one. Connections and peerings go on without what is wrong in them."""
    if path[0] in (*PAIRS, "expressroute_circuits"):
        return path
    first = next((place for place, step in enumerate(path) if isinstance(step, int)), len(path))
    return path[: first + 1]


def plain_name(text: str) -> str:
    """Letters, digits, `-`, `_`, `.`."""
    return "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "-" for each in text)


def unique(text: str, taken: Iterable[str]) -> str:
    """A name that begins with a letter and is not taken."""
    known = set(taken)
    base = plain_name(text)
    base = base if base[:1].isalpha() and base not in ("internet", "self", "all") else f"x{base}"
    return base if base not in known else next(name for number in range(2, 100000) if (name := f"{base}-{number}") not in known)


def prefixes(value: object) -> list[str]:
    """The prefixes of a list that are some, in canonical form."""
    found = []
    for each in value if isinstance(value, list) else []:
        try:
            found.append(str(ipaddress.ip_network(str(each), strict=False)))
        except ValueError:
            continue
    return found


def reference(value: object) -> str:
    """The key that `{"id": …}` refers to; "" where it is none."""
    id_ = value.get("id") if isinstance(value, Mapping) else None
    return key_of(id_) if isinstance(id_, str) else ""


def told(draft: Draft, record: Record) -> tuple[Data, str]:
    """What the tag `dualhome` or a VM's user data says of a resource, in keys of the topology; and what is wrong with it, "" where nothing is.

    Names are those of resources of the same group, or else of any.
    """
    tags = record.body.get("tags")
    texts = [tags.get(TAG)] if isinstance(tags, dict) else []
    if isinstance(user := record.private.get("userData"), str):
        with suppress(binascii.Error, UnicodeDecodeError):
            texts.insert(0, base64.b64decode(user).decode())
    found: Data = {}
    for text in texts:
        if isinstance(text, str) and text.strip():
            try:
                read = YAML(typ="safe", pure=True).load(text)
            except YAMLError as error:
                return {}, f"its tag {TAG} or user data is no YAML: {str(error).splitlines()[0]}"
            inner = read.get(TAG, read) if isinstance(read, dict) else None
            if isinstance(inner, dict):
                found |= {str(key): value for key, value in inner.items()}
    names = draft.names_in(record.parsed.group or "")
    return {key: _renamed(value, names) for key, value in found.items()}, ""


def overlaid(draft: Draft, record: Record, one: Data) -> Data:
    """An object with what its tag says of it: that goes first, null takes away."""
    said, wrong = told(draft, record)
    if wrong:
        draft.leave(record.id, wrong)
    return {key: value for key, value in (one | said).items() if value is not None}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Names of resources as they are called in the topology; `spoke-rs#0` too."""
    if isinstance(value, str):
        base, mark, rest = value.partition("#")
        return names.get(base, base) + mark + rest
    if isinstance(value, dict):
        return {_renamed(key, names): _renamed(each, names) for key, each in value.items()}
    return [_renamed(each, names) for each in value] if isinstance(value, list) else value
