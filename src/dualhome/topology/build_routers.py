"""Routers of the model, NVAs' and on-premises', and the rules that they and route maps share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dualhome.model import Bfd, Match, Nic, Originated, RouteMapActions, Router, RouterKind, Rule, SessionSpec, StaticRoute, Timers
from dualhome.net import Address, Prefix
from dualhome.topology.words import items

Data = Mapping[str, Any]
Maps = Mapping[str, tuple[Rule, ...]]


def prefixes(x: Data, key: str) -> tuple[Prefix, ...]:
    """A list of prefixes, () where it isn't given."""
    return tuple(map(Prefix.parse, items(x, key)))


def timers(x: Data) -> Timers:
    """As given; what isn't has Azure's default."""
    return Timers(**x)


def bfd(x: Data | None) -> Bfd | None:
    """As given; absent is off."""
    return Bfd(interval_ms=int(x["interval_ms"]), multiplier=int(x["multiplier"])) if x else None


def rules(listed: Sequence[Data]) -> tuple[Rule, ...]:
    """A route map's rules in order."""
    return tuple(_rule(x, place) for place, x in enumerate(listed, 1))


def _rule(x: Data, place: int) -> Rule:
    match, actions = x.get("match", {}), x.get("actions", {})
    prefix, path, community = (match.get(key, {}) for key in ("prefix", "as_path", "community"))
    new_prefix, new_path, new_community = (actions.get(key, {}) for key in ("prefix", "as_path", "community"))
    drop = new_prefix == "drop"
    return Rule(
        name=x.get("name", f"rule {place}"),
        match=Match(
            prefix_equals=_prefixes(prefix.get("equals")),
            prefix_contains=_prefixes(prefix.get("contains")),
            as_path_equals=_asns(path.get("equals")),
            as_path_contains=_asns(path.get("contains")),
            community_equals=_texts(community.get("equals")),
            community_contains=_texts(community.get("contains")),
            learned_from=_texts(match.get("learned_from")),
        ),
        actions=RouteMapActions(
            drop=drop,
            prefix_replace=None if drop else _prefixes(new_prefix.get("replace")),
            as_path_add=_asns(new_path.get("add")),
            as_path_replace=_asns(new_path.get("replace")),
            as_path_remove=_asns(new_path.get("remove")),
            community_add=_texts(new_community.get("add")),
            community_replace=_texts(new_community.get("replace")),
            community_remove=_texts(new_community.get("remove")),
            local_preference=_whole(actions.get("local_preference")),
            med=_whole(actions.get("med")),
        ),
        proceed=x.get("then") == "continue" and not drop,
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _prefixes(texts: Sequence[str] | None) -> tuple[Prefix, ...] | None:
    return None if texts is None else tuple(map(Prefix.parse, texts))


def _asns(numbers: Sequence[float] | None) -> tuple[int, ...] | None:
    return None if numbers is None else tuple(map(int, numbers))


def _texts(texts: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if texts is None else tuple(texts)


def router_values(name: str, x: Data, maps: Maps, *, nics: tuple[Nic, ...] = (), address: Address | None = None) -> Router:
    """An NVA where it has NICs, else an on-premises router at `address`."""
    translates = x.get("translates", False)
    return Router(
        name=name,
        kind=RouterKind.NVA if nics else RouterKind.ON_PREMISES,
        address=nics[0].address if nics else address,
        nics=nics,
        prefixes=prefixes(x, "prefixes"),
        asn=_whole(x.get("asn")),
        timers=timers(x.get("timers", {})),
        multihop=x.get("multihop", True),
        originates=tuple(_originated(each) for each in items(x, "originates")),
        hosts={host: Address.parse(text) for host, text in x.get("hosts", {}).items()},
        static_routes=tuple(_static_route(each) for each in items(x, "static_routes")),
        as_override=_all_or_some(x.get("as_override", False)),
        as_strip=_all_or_some(x.get("as_strip", False)),
        prepend={peer: int(copies) for peer, copies in x.get("prepend", {}).items()},
        next_hop=x.get("next_hop", {}),
        communities={peer: tuple(each) for peer, each in x.get("communities", {}).items()},
        import_rules=_rules_by_peer(x.get("import", {}), maps),
        export_rules=_rules_by_peer(x.get("export", {}), maps),
        sessions=tuple(_session(each) for each in items(x, "sessions")),
        translates=translates == "internet" or tuple(map(Prefix.parse, translates or ())) or False,
        stateful=x.get("stateful", False),
        runtime=x.get("runtime", "builtin"),
        configuration=x.get("configuration"),
        route_server_route=x.get("route_server_route", True),
    )


def on_premises(name: str, x: Data, maps: Maps, address: Address | None) -> Router:
    """An on-premises router."""
    return router_values(name, x, maps, address=address)


def _all_or_some(value: bool | list[str]) -> bool | tuple[str, ...]:
    return value if isinstance(value, bool) else tuple(value)


def _rules_by_peer(x: Data, maps: Maps) -> Maps:
    return {peer: maps[value] if isinstance(value, str) else rules(value) for peer, value in x.items()}


def _originated(x: str | Data) -> Originated:
    if isinstance(x, str):
        return Originated(prefix=Prefix.parse(x))
    path = str(int(x["as_path"]) if isinstance(x.get("as_path"), float) else x.get("as_path", ""))
    return Originated(prefix=Prefix.parse(x["prefix"]), as_path=tuple(map(int, path.split())), while_reaches=x.get("while"))


def _static_route(x: Data) -> StaticRoute:
    return StaticRoute(
        prefix=Prefix.parse(x["prefix"]), to=x.get("to"), interface=x.get("interface"), over_tunnel=x.get("over") == "tunnel"
    )


def _session(x: Data) -> SessionSpec:
    own = [*map(Address.parse, items(x, "addresses"))]
    return SessionSpec(
        to=x["to"],
        over_tunnel=x.get("over") == "tunnel",
        addresses=(own[0], own[1]) if own else None,
        timers=timers(x["timers"]) if "timers" in x else None,
        bfd=bfd(x.get("bfd")),
    )
