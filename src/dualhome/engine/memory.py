"""What a route server remembers where the topology's quirks say so: routes told before branch-to-branch was turned off (D28), and prefixes that stay
off ExpressRoute after an outage of it (D14). Both become terms of policies, which `force` puts into configurations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dualhome._core import Route
from dualhome.bgp.config import PeerConfig, SpeakerConfig
from dualhome.bgp.events import State
from dualhome.engine.speaks import Speaks
from dualhome.model import Network, RoutingPreference
from dualhome.net import Prefix
from dualhome.plan import Plan
from dualhome.plan.route_servers import BRANCHES, GATEWAYS, preference, staying, still_told

PrefixTuple = tuple[int, int, int]


class Memory:
    """Of all route servers. Nothing is remembered, or looked for, where no quirk asks for it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._told: dict[tuple[str, str], tuple[str, ...]] = {}  # by session
        self._had: dict[str, dict[PrefixTuple, None]] = {}  # by instance, prefixes that ExpressRoute offered once
        self._stays: dict[str, tuple[str, ...]] = {}  # by instance, prefixes that are off ExpressRoute
        self._versions: dict[str, int] = {}

    def change(self, plan: Plan, speakers: Mapping[str, Speaks]) -> None:
        """Another plan: where branch-to-branch is off now and was on, what sessions were told is remembered."""
        before, self._plan = self._plan.network, plan
        network = plan.network
        if network.quirks.branch_to_branch_off != "keeps":
            self._told.clear()
        if network.quirks.expressroute_failback != "sticky":
            self._had.clear()
            self._stays.clear()
        self._versions.clear()
        off = {rs.name for rs in network.route_servers.values() if not rs.branch_to_branch}
        turned = {name for name in off if name in before.route_servers and before.route_servers[name].branch_to_branch}
        self._told = {pair: each for pair, each in self._told.items() if pair[0].partition("#")[0] in off}
        if network.quirks.branch_to_branch_off == "keeps":
            for name in (f"{rs}#{i}" for rs in sorted(turned) for i in (0, 1)):
                self._told.update(_told(name, speakers[name]) if name in speakers else ())

    def ended(self, speaker: str, peer: str) -> bool:
        """A session ended; whether anything was remembered of it."""
        return self._told.pop((speaker, peer), None) is not None

    def look(self, speakers: Mapping[str, Speaks]) -> bool:
        """Take in what was decided; whether another set of prefixes stays off ExpressRoute now (R111, D14)."""
        if self._plan.network.quirks.expressroute_failback != "sticky":
            return False
        news = False
        for name in _with_preference(self._plan.network):
            speaker = speakers.get(name)
            if speaker is None or self._versions.get(name) == speaker.version():
                continue
            self._versions[name] = speaker.version()
            stays = tuple(str(Prefix(*prefix)) for prefix in self._staying(name, speaker))
            news |= stays != self._stays.get(name, ())
            self._stays[name] = stays
        return news

    def _staying(self, name: str, speaker: Speaks) -> Iterator[PrefixTuple]:
        """Prefixes that ExpressRoute offered once: where it is gone and another way is there; then where it is back and the other way isn't longer."""
        had, stays = self._had.setdefault(name, {}), self._stays.get(name, ())
        routes: dict[PrefixTuple, list[Route]] = {}
        for route in speaker.table():
            routes.setdefault(route.prefix, []).append(route)
        for prefix, offered in routes.items():
            er = [route for route in offered if "class:er" in route.tags]
            others = [route for route in offered if "class:er" not in route.tags and route.peer >= 0]
            back = er and others and str(Prefix(*prefix)) in stays and _shortest(others) <= _shortest(er)
            if others and prefix in had and (not er or back):
                yield prefix
            if er:
                had[prefix] = None

    def config(self, speaker: str, config: SpeakerConfig) -> SpeakerConfig:
        """The configuration with what is remembered; the same object where nothing is."""
        stays = self._stays.get(speaker, ())
        told = {peer: prefixes for (name, peer), prefixes in self._told.items() if name == speaker and peer in config.peers}
        if not stays and not told:
            return config
        return replace(config, peers={name: _with(peer, stays, told.get(name, ())) for name, peer in config.peers.items()})


def _with(peer: PeerConfig, stays: tuple[str, ...], told: tuple[str, ...]) -> PeerConfig:
    return replace(peer, policy=still_told(staying(peer.policy, stays), told))


def _told(name: str, speaker: Speaks) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    """What each of a route server's sessions was told that branch-to-branch has to do with."""
    for peer, config in speaker.config.peers.items():
        sources = BRANCHES if set(config.policy.tags) & set(GATEWAYS) else GATEWAYS
        routes = speaker.advertised(peer) if speaker.session(peer).state is State.ESTABLISHED else []
        if told := tuple(str(Prefix(*route.prefix)) for route in routes if set(route.tags) & set(sources)):
            yield (name, peer), told


def _with_preference(network: Network) -> Iterator[str]:
    """Instances of route servers that prefer ExpressRoute."""
    for rs in network.route_servers.values():
        if preference(network, rs) == RoutingPreference.EXPRESSROUTE.value:
            yield from (f"{rs.name}#{i}" for i in (0, 1))


def _shortest(routes: list[Route]) -> int:
    return min(route.as_path_length for route in routes)
