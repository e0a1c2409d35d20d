"""Configurations of FRR, Quagga and Cisco's IOS, as far as labs with route servers go: one grammar of lines, its blocks by their first words."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from dualhome.arm.guests.configs.router import Data, Neighbor, RouterConfig

WELL_KNOWN: Final = {"no-export": "no-export", "no-advertise": "no-advertise"}
NO: Final = frozenset(("router", "route-map", "ip"))  # what may be taken back wherever one is
TAKEN_BACK: Final[dict[str, tuple[str, Any]]] = {  # of a neighbor: by word the field, and what it is without
    "shutdown": ("shutdown", False),
    "as-override": ("as_override", False),
    "ebgp-multihop": ("multihop", False),
    "default-originate": ("default_originate", False),
    "next-hop-self": ("next_hop", None),
    "attribute-unchanged": ("next_hop", None),
    "timers": ("hold_s", None),
}
SILENT: Final = frozenset(
    (
        *(
            "frr",
            "hostname",
            "log",
            "service",
            "line",
            "!",
            "end",
            "exit",
            "exit-address-family",
            "password",
            "enable",
            "interface",
            "ip",
            "ipv6",
            "no",
            "vrf",
        ),
        *(
            "description",
            "version",
            "address-family",
            "crypto",
            "access-list",
            "debug",
            "username",
            "agentx",
            "domain",
            "router-id",
            "bgp",
            "maximum-paths",
            "configure",
        ),
    )
)


@dataclass(slots=True)
class Entry:
    """A route map's entry."""

    permit: bool
    lines: list[list[str]] = field(default_factory=list)


@dataclass(slots=True)
class Reading:
    """All that was read, before references are followed."""

    config: RouterConfig
    groups: dict[str, Neighbor] = field(default_factory=dict)
    member: dict[str, str] = field(default_factory=dict)
    maps: dict[str, dict[int, Entry]] = field(default_factory=dict)  # by sequence number
    lists: dict[str, dict[int, tuple[bool, str, bool]]] = field(default_factory=dict)  # likewise: permit, prefix, with everything beneath
    paths: dict[str, list[tuple[bool, str]]] = field(default_factory=dict)
    communities: dict[str, list[str]] = field(default_factory=dict)
    uses: list[tuple[str, str, str]] = field(default_factory=list)  # neighbor, route map or list, in or out
    off: set[str] = field(default_factory=set)  # `no bgp …`
    entry: Entry | None = None


def read(text: str, program: str = "frr") -> RouterConfig:
    """The router that a text describes; never raises, what it does not know is in `unread`."""
    reading = Reading(RouterConfig(program))
    block = ""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith(("!", "#")):
            continue
        try:
            block = _line(reading, words, block, indented=line[:1].isspace())
        except (ValueError, IndexError):
            reading.config.unread.append(f"line {number}: {line.strip()}")
    _follow(reading)
    return reading.config


def _line(reading: Reading, words: list[str], block: str, *, indented: bool) -> str:
    """One line; the block that the next one is in. ValueError or IndexError where it makes no sense."""
    config = reading.config
    if words[:2] == ["router", "bgp"]:
        config.asn = int(words[2])
        return "bgp"
    if words[0] == "no" and len(words) > 1 and (words[1] in NO or block in ("bgp", "map")):
        return _no(reading, words[1:], block)
    if words[0] == "route-map" and len(words) >= 3:
        entries = reading.maps.setdefault(words[1], {})
        reading.entry = entries.setdefault(int(words[3]) if len(words) > 3 else 10, Entry(True))
        reading.entry.permit = words[2] == "permit"
        return "map"
    if words[0] in ("interface", "router", "vrf", "line", "crypto") and not (block == "bgp" and indented):
        return words[0] if words[0] == "interface" else "other"
    if block == "interface" and words[:2] == ["ip", "address"] and words[2] not in ("dhcp", "negotiated", "pool"):
        config.connected.append(_prefix([*words[2:], ""])[0])
        return block
    if words[0] == "ip" and words[1] in ("route", "prefix-list", "as-path", "community-list"):
        _ip(reading, words)
        return "" if not indented else block
    if words[:3] == ["bgp", "as-path", "access-list"] or words[:2] == ["bgp", "community-list"]:
        _ip(reading, ["ip", *words[1:]])
        return block
    if block == "map" and words[0] in ("match", "set", "call", "on-match", "continue", "description") and reading.entry is not None:
        reading.entry.lines.append(words)
        return block
    if block == "bgp" and words[0] in ("neighbor", "network", "redistribute", "bgp", "timers", "aggregate-address"):
        _bgp(reading, words)
        return block
    if words[0] == "end" or (words[0] == "exit" and block in ("map", "other", "interface")):
        return ""
    if words[0] not in SILENT and block not in ("other", "interface"):
        raise ValueError(words[0])
    return block


def _no(reading: Reading, words: list[str], block: str) -> str:
    """What is taken back; the block that the next line is in. ValueError or IndexError where it makes no sense."""
    config = reading.config
    match words:
        case ["router", "bgp", *_]:
            reading.uses.clear()
            reading.member.clear()
            config.asn, config.networks, config.redistribute, config.neighbors = None, [], [], {}
            return ""
        case ["route-map", name, _, number]:
            reading.maps.get(name, {}).pop(int(number), None)
        case ["route-map", name, *_]:
            reading.maps.pop(name, None)
        case ["ip", "prefix-list", name, "seq", number, *_]:
            reading.lists.get(name, {}).pop(int(number), None)
        case ["ip", "prefix-list", name, *_]:
            reading.lists.pop(name, None)
        case ["ip", "route", *rest]:
            prefix, _ = _prefix([*rest, ""])
            config.static = [each for each in config.static if each[0] != prefix]
        case ["neighbor", who] | ["neighbor", who, "remote-as", *_] if block == "bgp":
            config.neighbors.pop(who, None)
            reading.member.pop(who, None)
            reading.uses = [each for each in reading.uses if each[0] != who]
        case ["neighbor", who, "route-map" | "prefix-list" as kind, name, way] if block == "bgp":
            reading.uses = [each for each in reading.uses if each != (who, f"{kind} {name}", way)]
        case ["neighbor", who, word, *_] if block == "bgp" and word in TAKEN_BACK:
            name, value = TAKEN_BACK[word]
            setattr(_one(reading, who), name, value)
        case ["network", *rest] if block == "bgp":
            prefix = _prefix([each for each in rest if each != "mask"] + [""])[0]
            config.networks = [each for each in config.networks if each != prefix]
        case ["redistribute", what, *_] if block == "bgp":
            config.redistribute = [each for each in config.redistribute if each != what]
        case ["bgp", *rest] if block == "bgp":
            reading.off.add(" ".join(rest))
        case ["match" | "set", *_] if block == "map" and reading.entry is not None:
            reading.entry.lines = [each for each in reading.entry.lines if each[: len(words)] != words]
    return block


# --- lists -------------------------------------------------------------------------------------------------------------------


def _ip(reading: Reading, words: list[str]) -> None:
    match words[1]:
        case "route":
            prefix, rest = _prefix(words[2:])
            static = (prefix, "" if rest[0].lower() in ("null0", "blackhole", "reject") else rest[0])
            if static not in reading.config.static:
                reading.config.static.append(static)
        case "prefix-list":
            name, rest = words[2], words[3:]
            entries = reading.lists.setdefault(name, {})
            number = max(entries, default=0) + 5
            if rest[0] == "seq":
                number, rest = int(rest[1]), rest[2:]
            if rest[0] not in ("permit", "deny"):
                return  # a description
            wanted = "0.0.0.0/0" if rest[1] == "any" else str(ipaddress.ip_network(rest[1], strict=False))
            longer = rest[1] == "any" or "le" in rest or "ge" in rest
            entries[number] = (rest[0] == "permit", wanted, longer)
        case "as-path":
            rest = words[3:]
            if rest[1] == "seq":
                rest = [rest[0], *rest[3:]]
            reading.paths.setdefault(rest[0], []).append((rest[1] == "permit", " ".join(rest[2:])))
        case "community-list":
            rest = [word for word in words[2:] if word not in ("standard", "expanded")]
            name, rest = rest[0], rest[1:]
            if rest[0] == "seq":
                rest = rest[2:]
            reading.communities.setdefault(name, []).extend(rest[1:])


def _prefix(words: list[str]) -> tuple[str, list[str]]:
    """`10.0.0.0/8 …` or `10.0.0.0 255.0.0.0 …`."""
    if "/" in words[0]:
        return str(ipaddress.ip_network(words[0], strict=False)), words[1:]
    return str(ipaddress.ip_network(f"{words[0]}/{words[1]}", strict=False)), words[2:]


# --- router bgp ----------------------------------------------------------------------------------------------------------------


def _bgp(reading: Reading, words: list[str]) -> None:
    config = reading.config
    match words:
        case ["bgp", "router-id", address]:
            config.router_id = str(ipaddress.ip_address(address))
        case ["network", prefix] if "/" in prefix:
            config.networks.append(_prefix([prefix, ""])[0])
        case ["network", address, "mask", mask, *_]:
            config.networks.append(_prefix([address, mask, ""])[0])
        case ["network", prefix, *_]:
            config.networks.append(_prefix([prefix, ""])[0])
        case ["aggregate-address", *rest]:
            config.networks.append(_prefix([*rest, ""])[0])
        case ["redistribute", what, *_]:
            config.redistribute.append(what)
        case ["neighbor", who, *rest]:
            _neighbor(reading, who, rest)


def _one(reading: Reading, who: str) -> Neighbor:
    """A neighbor or a peer group, as far as it is told by now."""
    try:
        address = str(ipaddress.ip_address(who))
    except ValueError:
        return reading.groups.setdefault(who, Neighbor())
    return reading.config.neighbors.setdefault(address, Neighbor())


def _neighbor(reading: Reading, who: str, rest: list[str]) -> None:
    one = _one(reading, who)
    match rest:
        case ["peer-group"]:
            return
        case ["peer-group" | "inherit", *words]:
            reading.member[who] = words[-1]
        case ["remote-as", asn]:
            one.asn = int(asn) if asn.isdigit() else 0
        case ["ebgp-multihop", *_]:
            one.multihop = True
        case ["disable-connected-check"]:
            one.multihop = True
        case ["timers", "connect", *_]:
            return
        case ["timers", keepalive, hold, *_]:
            one.keepalive_s, one.hold_s = int(keepalive), int(hold)
        case ["as-override"]:
            one.as_override = True
        case ["next-hop-self", *_]:
            one.next_hop = "self"
        case ["attribute-unchanged", *_]:
            one.next_hop = "unchanged"
        case ["default-originate", *_]:
            one.default_originate = True
        case ["shutdown", *_]:
            one.shutdown = True
        case ["route-map" | "prefix-list" | "filter-list" as kind, name, way]:
            reading.uses.append((who, f"{kind} {name}", way))
        case [word, *_] if word in (
            *(
                "activate",
                "description",
                "update-source",
                "soft-reconfiguration",
                "send-community",
                "allowas-in",
                "password",
                "capability",
                "local-as",
                "version",
            ),
            *(
                "advertisement-interval",
                "remove-private-AS",
                "remove-private-as",
                "maximum-prefix",
                "fall-over",
                "bfd",
                "ttl-security",
                "dont-capability-negotiate",
            ),
            "weight",
        ):
            return
        case _:
            raise ValueError(" ".join(rest))


# --- route maps ----------------------------------------------------------------------------------------------------------------


def _follow(reading: Reading) -> None:
    """Peer groups into their members, then route maps into neighbors."""
    for who, group in reading.member.items():
        base = reading.groups.get(group, Neighbor())
        mine = reading.config.neighbors.get(who) or Neighbor()
        fresh = Neighbor()
        for name in Neighbor.__dataclass_fields__:
            if getattr(mine, name) == getattr(fresh, name):
                value = getattr(base, name)
                setattr(mine, name, list(value) if isinstance(value, list) else value)
        reading.config.neighbors[who] = mine
    members = {group: [who for who, of in reading.member.items() if of == group] for group in reading.groups}
    for who, what, way in reading.uses:
        for each in members.get(who, [who]):
            if (one := reading.config.neighbors.get(each)) is not None:
                _apply(reading, one, what, way)
    reading.config.checked = reading.config.program != "quagga" and "network import-check" not in reading.off
    if reading.config.program == "frr" and "ebgp-requires-policy" not in reading.off:
        _requires_policy(reading, {(each, way) for who, _, way in reading.uses for each in members.get(who, [who])})


def _requires_policy(reading: Reading, told: set[tuple[str, str]]) -> None:
    """RFC 8212, FRR's default: without a policy an external neighbor tells nothing, and is told nothing."""
    drop = [{"actions": {"prefix": "drop"}}]
    for address, one in reading.config.neighbors.items():
        if one.asn == reading.config.asn:
            continue
        if (address, "in") not in told:
            one.imports = list(drop)
        if (address, "out") not in told:
            one.exports = list(drop)


def for_namespace(text: str, program: str) -> str:
    """The same for a machine that is a namespace: its subnet is behind its default route. Quagga's defaults where it is Quagga's.

    Without `end` and `exit` at the left margin, which a pasted `show running-config` has: one too many, and FRR's reader leaves its configuration, and
    bgpd waits for its end for minutes. What opens a block leaves the one before anyhow.
    """
    lines = ["no zebra nexthop kernel enable", "ip nht resolve-via-default", "ipv6 nht resolve-via-default"]
    for line in text.splitlines():
        if line.strip() == "end" or line.rstrip() == "exit":
            continue
        lines.append(line)
        if program == "quagga" and line.split()[:2] == ["router", "bgp"]:
            lines += [" no bgp ebgp-requires-policy", " no bgp network import-check"]
    return "\n".join(lines) + "\n"


def _apply(reading: Reading, one: Neighbor, what: str, way: str) -> None:
    kind, _, name = what.partition(" ")
    if kind == "route-map":
        entries = [entry for _, entry in sorted(reading.maps[name].items())] if name in reading.maps else [Entry(True)]
        rules = [rule for entry in entries for rule in _rules(reading, entry, one, way)]
    elif kind == "prefix-list":
        rules = [
            {"match": match} if permit else {"match": match, "actions": {"prefix": "drop"}} for permit, match in _prefixes(reading, name)
        ]
    else:
        return
    plain = len(rules) == 1 and not rules[0].get("match") and not rules[0].get("actions")
    if not plain:
        rules.append({"actions": {"prefix": "drop"}})
    listed = None if plain else rules
    if way == "in":
        one.imports = listed
    else:
        one.exports = listed


def _prefixes(reading: Reading, name: str) -> Iterator[tuple[bool, Data]]:
    for _, (permit, prefix, longer) in sorted(reading.lists.get(name, {}).items()):
        yield permit, {} if prefix == "0.0.0.0/0" and longer else {"prefix": {"contains" if longer else "equals": [prefix]}}


def _rules(reading: Reading, entry: Entry, one: Neighbor, way: str) -> Iterator[Data]:
    """An entry as rules: one for each line of its prefix list."""
    match: Data = {}
    actions: Data = {}
    listed: str | None = None
    for words in entry.lines:
        if words[:4] == ["match", "ip", "address", "prefix-list"]:
            listed = words[4]
        elif words[0] == "match":
            _match(reading, match, words[1:])
        elif words[0] == "set":
            _set(reading, actions, one, words[1:], way, alone=not any(each[0] == "match" for each in entry.lines))
    if not entry.permit:
        actions = {"prefix": "drop"}
    cases = list(_prefixes(reading, listed)) if listed is not None else [(True, {})]
    for permit, extra in cases:
        rule: Data = {}
        if whole := {**match, **extra}:
            rule["match"] = whole
        if permit and actions:
            rule["actions"] = actions
        elif not permit:
            rule["actions"] = {"prefix": "drop"}
        yield rule


def _match(reading: Reading, match: Data, words: list[str]) -> None:
    if words[0] == "as-path":
        asns = [int(number) for _, pattern in reading.paths.get(words[1], []) for number in _numbers(pattern)]
        if asns:
            match["as_path"] = {"contains": asns}
    elif words[0] == "community":
        if values := [each for each in reading.communities.get(words[1], []) if each in WELL_KNOWN or ":" in each]:
            match["community"] = {"contains": values}
    else:
        reading.config.unread.append("match " + " ".join(words))


def _numbers(pattern: str) -> list[str]:
    """ASNs that a regular expression of an AS path names."""
    return "".join(each if each.isdigit() else " " for each in pattern).split()


def _set(reading: Reading, actions: Data, one: Neighbor, words: list[str], way: str, *, alone: bool) -> None:
    match words:
        case ["as-path", "prepend", *asns]:
            own = [int(each) for each in asns if each.isdigit()]
            if alone and way == "out" and own and set(own) == {reading.config.asn}:
                one.prepend = len(own)
            else:
                actions["as_path"] = {"add": own}
        case ["as-path", "exclude", *asns]:
            gone = [int(each) for each in asns if each.isdigit()]
            if alone and way == "out":
                one.strip = gone
            else:
                actions["as_path"] = {"remove": gone}
        case ["as-path", "replace", "any" | _]:
            one.as_override = True
        case ["community", *values]:
            given = [each for each in values if each != "additive"]
            if alone and way == "out":
                one.communities = given
            else:
                actions["community"] = {"add" if "additive" in values else "replace": given}
        case ["local-preference", value]:
            actions["local_preference"] = int(value)
        case ["metric", value]:
            actions["med"] = int(value)
        case ["ip", "next-hop", "unchanged"]:
            one.next_hop = "unchanged"
        case ["ip", "next-hop", *rest] if rest and rest[-1] != "peer-address":
            one.next_hop = str(ipaddress.ip_address(rest[-1]))
        case _:
            reading.config.unread.append("set " + " ".join(words))


def is_one(text: str) -> bool:
    """Whether a text looks like such a configuration."""
    return any(line.split()[:2] == ["router", "bgp"] for line in text.splitlines())


__all__: list[Any] = ["is_one", "read"]
