"""Policy evaluation, slow and obviously right: what the core's terms are compared with. Terms are the JSON data of `bgp.policy`."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PRIVATE = (range(64512, 65535), range(4200000000, 4294967295))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a policy knows besides the route."""

    tags: tuple[str, ...]
    ebgp: bool
    local_address: str
    next_hop: str  # as the route came


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A route on its way; a path is a flat sequence here."""

    prefix: Network
    as_path: tuple[int, ...]
    next_hop: str
    communities: frozenset[str] = frozenset()
    local_preference: int | None = None
    med: int | None = None
    weight: int = 32768


@dataclass(frozen=True, slots=True)
class Refused:
    """The term that refused it."""

    term: str


def _within(prefix: Network, above: Network) -> bool:
    return prefix.version == above.version and prefix.subnet_of(above)  # type: ignore[arg-type]


def holds(match: Mapping[str, Any], route: Working, facts: Facts) -> bool:
    """All that is given holds."""
    leading = 0
    if "as_path_leading_even" in match:
        while leading < len(route.as_path) and route.as_path[leading] == match["as_path_leading_even"]:
            leading += 1
    verdicts = {
        "prefix_equals": lambda v: str(route.prefix) in v,
        "prefix_within": lambda v: any(_within(route.prefix, ipaddress.ip_network(p)) for p in v),
        "as_path_equals": lambda v: tuple(v) == route.as_path,
        "as_path_contains": lambda v: any(asn in route.as_path for asn in v),
        "as_path_leading_even": lambda v: leading in range(2, len(route.as_path) + 1, 2),
        "community_all": lambda v: set(v) <= route.communities,
        "community_any": lambda v: bool(set(v) & route.communities),
        "community_high": lambda v: any(c.startswith(f"{v}:") for c in route.communities),
        "from": lambda v: bool(set(v) & set(facts.tags)),
        "ebgp": lambda v: v is facts.ebgp,
    }
    return all(verdicts[key](value) for key, value in match.items())


def act(action: Mapping[str, Any], route: Working, facts: Facts) -> Working:
    """One action, prefix_replace aside."""
    [(key, value)] = action.items()
    match key:
        case "prepend":
            return replace(route, as_path=(*value, *route.as_path))
        case "path_replace":
            return replace(route, as_path=tuple(value))
        case "path_remove":
            return replace(route, as_path=tuple(a for a in route.as_path if a not in value))
        case "path_substitute":
            return replace(route, as_path=tuple(value["to"] if a == value["from"] else a for a in route.as_path))
        case "remove_private":
            return replace(route, as_path=tuple(a for a in route.as_path if not any(a in p for p in PRIVATE)))
        case "community_add":
            return replace(route, communities=route.communities | set(value))
        case "community_replace":
            return replace(route, communities=frozenset(value))
        case "community_remove":
            return replace(route, communities=route.communities - set(value))
        case "local_preference":
            return replace(route, local_preference=value)
        case "med":
            return replace(route, med=value)
        case "weight":
            return replace(route, weight=value)
        case "next_hop":
            return replace(route, next_hop={"self": facts.local_address, "unchanged": facts.next_hop}.get(value, value))
    raise AssertionError(key)


def run(terms: Sequence[Mapping[str, Any]], route: Working, facts: Facts) -> list[Working] | Refused:
    """What the terms make of a route; the end of the list accepts."""
    for i, term in enumerate(terms):
        if not holds(term["match"], route, facts):
            continue
        if term["then"] == "reject":
            return Refused(term["name"])
        prefixes: list[Network] = [route.prefix]
        for action in term["do"]:
            if "prefix_replace" in action:
                prefixes = sorted({ipaddress.ip_network(p) for p in action["prefix_replace"]}, key=lambda p: (int(p[0]), p.prefixlen))
                route = replace(route, as_path=(), communities=frozenset())
            else:
                route = act(action, route, facts)
        rest = [] if term["then"] == "accept" else terms[i + 1 :]
        results = [run(rest, replace(route, prefix=prefix), facts) for prefix in prefixes]
        kept = [r for result in results if not isinstance(result, Refused) for r in result]
        refused = [result for result in results if isinstance(result, Refused)]
        return refused[-1] if refused and not kept else kept
    return [route]
