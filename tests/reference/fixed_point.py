"""A network at rest, without sessions or time: the RIBs of a plan as a direct fixed point, in slow and plain Python.

It has the questions of the engine that `check` and `explain` ask, so their tests need no simulation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

from dualhome.bgp.policy import Policy
from dualhome.model import Network, base_name
from dualhome.net import Address, Prefix, covered
from dualhome.plan import Plan, make_plan


@dataclass(frozen=True)
class Route:
    prefix: Prefix
    next_hop: str
    path: tuple[int, ...] = ()
    communities: tuple[str, ...] = ()
    peer: int = -1
    tags: tuple[str, ...] = ()
    weight: int = 0
    ebgp: bool = True
    route_class: str = "other"
    local_preference: int = 100
    med: int | None = None
    client: bool = False
    best: bool = False
    multipath: bool = False
    lost_in: str | None = None
    reason: str | None = None
    detail: str | None = None

    @property
    def as_path(self) -> str:
        return " ".join(map(str, self.path))

    @property
    def as_path_length(self) -> int:
        return len(self.path)

    def shown(self) -> dict[str, object]:
        return {
            "as_path": self.as_path,
            "next_hop": self.next_hop,
            "communities": list(self.communities),
            "local_preference": 100,
            "med": None,
        }


def matches(match: Mapping[str, object], route: Route) -> bool:
    values = {k: list(v) if isinstance(v, list | tuple) else [v] for k, v in match.items()}
    tests = {
        "prefix_equals": lambda v: str(route.prefix) in v,
        "prefix_within": lambda v: covered(route.prefix, [Prefix.parse(p) for p in v]),
        "as_path_contains": lambda v: any(a in route.path for a in v),
        "as_path_leading_even": lambda v: _leading(route.path, v[0]) % 2 == 0 and _leading(route.path, v[0]) > 0,
        "community_all": lambda v: all(c in route.communities for c in v),
        "community_any": lambda v: any(c in route.communities for c in v),
        "community_high": lambda v: any(c.startswith(f"{v[0]}:") for c in route.communities),
        "from": lambda v: any(tag in v for tag in route.tags),
    }
    return all(tests[key](value) for key, value in values.items())


def _leading(path: tuple[int, ...], asn: int) -> int:
    return next((i for i, each in enumerate(path) if each != asn), len(path))


def act(route: Route, action: Mapping[str, object], hop: list[str | None]) -> Route:
    ((key, value),) = action.items()
    match key:
        case "prepend":
            return replace(route, path=(*value, *route.path))
        case "path_remove":
            return replace(route, path=tuple(a for a in route.path if a not in value))
        case "path_substitute":
            return replace(route, path=tuple(value["to"] if a == value["from"] else a for a in route.path))
        case "remove_private":
            return replace(route, path=tuple(a for a in route.path if not 64512 <= a <= 65534))
        case "community_add":
            return replace(route, communities=tuple(sorted({*route.communities, *value})))
        case "next_hop":
            hop[0] = str(value)
            return route
    raise NotImplementedError(key)


def run(terms: Policy, route: Route, hop: list[str | None], steps: list[dict[str, object]]) -> Route | None:
    for term in (t for t in terms if matches(t.match, route)):
        if term.then == "reject":
            reason = term.reason or "policy"
            steps.append({"step": "policy", "effect": "reject", "term": term.name, "reason": reason, "before": route.shown(), "after": {}})
            return None
        before = route
        for action in term.do:
            route = act(route, action, hop)
        effect = "change" if route != before else "pass"
        steps.append({"step": "policy", "effect": effect, "term": term.name, "before": before.shown(), "after": route.shown()})
        if term.then == "accept":
            break
    return route


@dataclass
class Rib:
    world: Settled
    name: str
    routes: dict[Prefix, list[Route]] = field(default_factory=dict)

    def config(self):
        return self.world.plan.speakers[self.name].config

    def candidates(self, prefix=None):
        return [r for rs in self.routes.values() for r in rs] if prefix is None else list(self.routes.get(Prefix(*prefix), ()))

    def best(self):
        return [(p, [(r.next_hop, r.peer, len(r.path)) for r in rs if r.multipath]) for p, rs in sorted(self.routes.items())]

    def statistics(self):
        return {"prefixes": len(self.routes)}

    def _peer(self, number):
        return list(self.config().peers)[number]

    def _incoming(self, peer):
        return (
            self.world.told(peer, self.name)
            if peer in self.world.speakers and self.name in self.world.plan.speakers[peer].config.peers
            else []
        )

    def received(self, peer, prefix=None):
        return [
            v
            for r in self._incoming(self._peer(peer))
            if prefix in (None, r.prefix) and (v := self.judge(self._peer(peer), r)[0]).reason in (None, "policy")
        ]

    def rejected(self, peer=None):
        return [v for r in self._incoming(self._peer(peer)) if (v := self.judge(self._peer(peer), r)[0]).reason]

    def advertised(self, peer, prefix=None):
        return [r for r in self.world.told(self.name, self._peer(peer)) if prefix in (None, r.prefix)]

    def explain_import(self, peer, prefix):
        told = [r for r in self._incoming(self._peer(peer)) if r.prefix == prefix]
        return json.dumps(self.judge(self._peer(peer), told[0])[2] if told else [])

    def explain_export(self, peer, prefix):
        steps: list[dict[str, object]] = []
        best = next((r for r in self.routes.get(Prefix(*prefix), ()) if r.best), None)
        if best is not None:
            self.tell(self._peer(peer), best, steps)
        return json.dumps(steps)

    def judge(self, peer, raw):
        """(as received with reason, as used, steps)."""
        config, policy = self.config(), self.config().peers[peer].policy
        steps: list[dict[str, object]] = []
        route = replace(
            raw,
            peer=list(config.peers).index(peer),
            tags=policy.tags,
            weight=policy.weight,
            ebgp=policy.ebgp,
            route_class=policy.route_class,
            client=policy.reflector_client,
        )
        if raw.path.count(config.asn) > policy.allowas_in:
            steps.append({"step": "as-loop", "effect": "reject", "reason": "as-loop", "before": raw.shown(), "after": {}})
            return replace(route, reason="as-loop"), None, steps
        for terms, name in ((policy.checks, None), (policy.rules, "policy")):
            done = run(terms, route, [None], steps)
            if done is None:
                return replace(route, reason=name or str(steps[-1]["reason"])), None, steps
            route = done
        return replace(route), route, steps

    def tell(self, peer, best, steps):
        config, policy = self.config(), self.config().peers[peer].policy

        def refuse(step):
            steps.append({"step": step, "effect": "reject", "before": best.shown(), "after": {}})

        if best.peer >= 0 and self._peer(best.peer) == peer:
            return refuse("split-horizon")
        if "no-advertise" in best.communities:
            return refuse("no-advertise")
        if best.peer >= 0 and not best.ebgp and not policy.ebgp and not (best.client or policy.reflector_client):
            return refuse("ibgp-to-ibgp")
        route, hop = best, [None]
        for stage in policy.export:
            done = run(stage, route, hop, steps)
            if done is None:
                return None
            route = done
        own = best.peer < 0 or (policy.next_hop == "self" and policy.ebgp)
        next_hop = policy.local_address if own else best.next_hop
        if hop[0] and hop[0] not in ("self", "unchanged"):
            next_hop = hop[0]
        path = (config.asn, *route.path) if policy.ebgp else route.path
        return Route(prefix=route.prefix, next_hop=next_hop, path=path, communities=route.communities, peer=best.peer, tags=best.tags)

    def decide(self):
        config = self.config()
        pool: dict[Prefix, list[Route]] = {}
        for prefix, o in config.origins.items():
            pool.setdefault(prefix, []).append(
                Route(prefix=prefix, next_hop=str(o.next_hop), path=o.as_path, communities=o.communities, tags=o.tags, weight=o.weight)
            )
        for peer in config.peers:
            for raw in self._incoming(peer):
                used = self.judge(peer, raw)[1]
                if used is not None:
                    pool.setdefault(raw.prefix, []).append(used)
        new = {prefix: self._order(routes) for prefix, routes in sorted(pool.items())}
        changed = new != self.routes
        self.routes = new
        return changed

    def _order(self, routes):
        preference = self.config().preference
        keys = {
            "self": lambda r: r.peer >= 0,
            "weight": lambda r: -r.weight,
            "preference": lambda r: (r.route_class != "er") if preference == "ExpressRoute" else False,
            "as-path": lambda r: len(r.path),
            "ebgp": lambda r: not r.ebgp,
            "peer": lambda r: r.peer,
        }
        left, lost, equal = list(routes), [], None
        for name in self.config().rounds:
            if name == "|":
                equal = list(left)
            if name in keys:
                least = min(keys[name](r) for r in left)
                lost = [(r, name) for r in left if keys[name](r) != least] + lost
                left = [r for r in left if keys[name](r) == least]
        assert equal is not None
        first = replace(left[0], best=True, multipath=True)
        return [first, *(replace(r, multipath=r in equal, lost_in=name) for r, name in lost)]


@dataclass
class Settled:
    """The engine's double."""

    network: Network
    down: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.plan: Plan = make_plan(self.network)
        self.ribs = {name: Rib(self, name) for name in self.plan.speakers}
        self.speakers = {
            name: SimpleNamespace(rib=rib, peer_number=list(rib.config().peers).index, session=lambda peer, n=name: self._session(n, peer))
            for name, rib in self.ribs.items()
        }
        for _ in range(40):
            if not sum(rib.decide() for name, rib in self.ribs.items() if self.alive(name)):
                return
        raise AssertionError("does not settle")

    def told(self, sender, receiver):
        if not self._up(sender, receiver):
            return []
        return [t for rs in self.ribs[sender].routes.values() if (t := self.ribs[sender].tell(receiver, rs[0], [])) is not None]

    def _up(self, a, b):
        if a not in self.plan.speakers or b not in self.plan.speakers or not self.alive(a) or not self.alive(b):
            return False
        ends = [self.plan.speakers[x].config.peers.get(y) for x, y in ((a, b), (b, a))]
        return all(e is not None and e.enabled for e in ends)

    def _session(self, name, peer):
        return SimpleNamespace(state="Established" if self._up(name, peer) else "Active", last_error="")

    def alive(self, node):
        return node not in self.down and base_name(node) not in self.down

    def joined(self, a, b):
        return True

    def carries(self, a, b):
        return self.alive(a) and self.alive(b)

    def version(self):
        return 1

    def rib(self, speaker, address: Address):
        fitting = [p for p in self.ribs[speaker].routes if p.covers(address)] if speaker in self.ribs else []
        if not fitting:
            return None
        prefix = max(fitting, key=lambda p: p.length)
        names = list(self.ribs[speaker].config().peers)
        hops = [
            SimpleNamespace(peer=names[r.peer] if r.peer >= 0 else None, next_hop=Address.parse(r.next_hop), tags=r.tags)
            for r in self.ribs[speaker].routes[prefix]
            if r.multipath
        ]
        return prefix, tuple(hops)

    def programmed(self, virtual_network, nic):
        from dualhome.forwarding.programming import programmed_by

        from dualhome.forwarding.world import RibHop

        def table(name):
            names = list(self.ribs[name].config().peers)
            return [
                (
                    p,
                    tuple(
                        RibHop(peer=names[r.peer] if r.peer >= 0 else None, next_hop=Address.parse(r.next_hop), tags=r.tags)
                        for r in rs
                        if r.multipath
                    ),
                )
                for p, rs in self.ribs[name].routes.items()
            ]

        return programmed_by(self.network, virtual_network, table, self.alive, None)
