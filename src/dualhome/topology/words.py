"""How faults speak: what a path belongs to, what a value looks like, which name was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from dualhome.errors import Fault
from dualhome.topology.reading import Locator, Path

VNETS, SERVERS, NVAS, BALANCERS = "virtual_networks", "route_servers", "network_virtual_appliances", "load_balancers"
MACHINES, GATEWAYS, CIRCUITS, ROUTERS = "virtual_machines", "virtual_network_gateways", "expressroute_circuits", "on_premises"
PEERINGS, CONNECTIONS, LINKS, TABLES, MAPS, GROUPS = (
    "peerings",
    "vpn_connections",
    "links",
    "route_tables",
    "route_maps",
    "network_security_groups",
)
TWINS = (SERVERS, GATEWAYS, CIRCUITS)
NODES = (*TWINS, NVAS, ROUTERS, MACHINES, BALANCERS)
PAIRS: Mapping[str, tuple[str, ...]] = {PEERINGS: ("from", "to"), CONNECTIONS: ("gateway", "to"), LINKS: ("between",)}

KINDS: Mapping[str, str] = {
    VNETS: "virtual network",
    PEERINGS: "peering",
    SERVERS: "route server",
    NVAS: "NVA",
    BALANCERS: "load balancer",
    MACHINES: "virtual machine",
    GATEWAYS: "gateway",
    CIRCUITS: "circuit",
    CONNECTIONS: "VPN connection",
    ROUTERS: "on-premises router",
    LINKS: "link",
    TABLES: "route table",
    MAPS: "route map",
    GROUPS: "network security group",
}


@dataclass(frozen=True, slots=True)
class Wrong:
    """A fault before it has a line: where in the data, what was found, what would be right; `key` points at the key, not its value.

    `code`, `rule` and `on` where Azure refuses it for a rule that findings have a code for.
    """

    path: Path
    text: str
    hint: str = ""
    key: bool = False
    code: str = ""
    rule: str = ""
    on: str = ""


def entries(net: object, section: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The named mappings of a section, whatever the section really is."""
    found = net.get(section) if isinstance(net, Mapping) else None
    return [(name, x) for name, x in found.items() if isinstance(x, Mapping)] if isinstance(found, Mapping) else []


def items(owner: object, key: str) -> list[Any]:
    """A list's items, whatever stands there."""
    found = owner.get(key) if isinstance(owner, Mapping) else None
    return list(found) if isinstance(found, (list, tuple)) else []


def words(owner: object, key: str) -> list[str]:
    """The names in a list whose items are words or mappings with `name` or `gateway`."""
    found = [item.get("name", item.get("gateway")) if isinstance(item, Mapping) else item for item in items(owner, key)]
    return [word for word in found if isinstance(word, str)]


def ends(pair: object) -> list[str]:
    """The two that a peering, a link, a VPN connection or the name of one joins; [] where it says no such thing."""
    if isinstance(pair, Mapping):
        pair = pair.get("between") or [pair.get("from") or pair.get("gateway"), pair.get("to")]
    if isinstance(pair, str):
        pair = re.split("<?->", pair)
    return [*pair] if isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(end, str) for end in pair) else []


def pair_name(pair: object) -> str:
    """A pair as the file names it: `a<->b`, or `a->b` of one direction."""
    return ("->" if isinstance(pair, Mapping) and "from" in pair else "<->").join(ends(pair))


def owner(path: Path, data: Mapping[str, Any]) -> tuple[str, int]:
    """What a path belongs to, in words, and how many steps of the path that took."""
    if not path:
        return "", 0
    section, rest = path[0], path[1:]
    if section == "scenario" and rest:
        if len(rest) > 2 and rest[1] == "change":
            inner, taken = owner(path[3:], {})
            return f"step {int(rest[0]) + 1}: {inner}".removesuffix(": "), taken + 3
        return f"step {int(rest[0]) + 1}", 2
    if section == "intents" and rest:
        return f"intent {int(rest[0]) + 1}", 2
    if section not in KINDS or not rest:
        return "", 0
    name: object = rest[0]
    if section == VNETS and len(rest) > 2 and rest[1] == "subnets":
        return f"subnet '{name}/{rest[2]}'", 4
    if isinstance(name, int):
        listed = items(data, str(section))
        pair = pair_name(listed[name]) if name < len(listed) else ""
        return f"{KINDS[str(section)]} {pair!r}" if pair else f"{KINDS[str(section)]} {name + 1}", 2
    return f"{KINDS[str(section)]} {name!r}", 2


def show(value: object) -> str:
    """A value in a message."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return repr(value if len(value) <= 60 else value[:57] + "...")
        case Mapping():
            return "a mapping"
        case list():
            return "a list"
    return str(value)


def nearest(word: str, known: Iterable[str], *, what: str = "there are") -> str:
    """The hint to a misspelled word: the nearest one, or else all of them where they are few."""
    pool = sorted(known)
    folded = {each.casefold(): each for each in reversed(pool)}
    near = get_close_matches(meant := word[:80].casefold(), list(folded), 5)
    if near:
        best = min(near, key=lambda each: (-SequenceMatcher(None, each, meant).ratio(), each))
        return f"did you mean {folded[best]!r}?"
    if not pool:
        return "there is none"
    return f"{what}: {', '.join(pool)}" if len(pool) <= 30 and sum(map(len, pool)) < 400 else ""


def faults(wrongs: Iterable[Wrong], data: Mapping[str, Any], lines: Locator, file: str) -> list[Fault]:
    """With lines, in the file's order, each once."""
    found: dict[Fault, None] = {}
    for wrong in wrongs:
        line, column = lines.of(wrong.path, key=wrong.key)
        who, _ = owner(wrong.path, data)
        message = f"{who}: {wrong.text}" if who else wrong.text
        found[
            Fault(file=file, line=line, column=column, message=message, hint=wrong.hint, code=wrong.code, rule=wrong.rule, on=wrong.on)
        ] = None
    return sorted(found, key=lambda fault: (fault.line, fault.column))
