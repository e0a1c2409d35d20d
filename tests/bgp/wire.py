"""A network of speakers in memory: every transport works at once, time goes when it is told to."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from dualhome.bgp.config import IPV4_UNICAST, OriginConfig, PeerConfig, SessionConfig, SpeakerConfig
from dualhome.bgp.events import Accepted, Closed, Connected, ConnectFailed, Event, Received
from dualhome.bgp.policy import PeerPolicy
from dualhome.bgp.speaker import Close, Connect, Journal, Send, Speaker, SpeakerAction
from dualhome.net import Address, Prefix
from dualhome.units import Instant, seconds

ROUNDS = (
    "next-hop",
    "self",
    "local-preference",
    "as-path",
    "origin",
    "med",
    "ebgp",
    "|",
    "router-id",
    "cluster-list",
    "peer-address",
    "peer",
)


def peer(near: tuple[str, int], far: tuple[str, int], far_name: str, **changes: object) -> PeerConfig:
    """A peer of the speaker at `near` (address, ASN); changes are of the session or of the policy, by name."""
    session = SessionConfig(
        peer=far_name,
        local_asn=near[1],
        remote_asn=far[1],
        router_id=near[0],
        local_address=Address.parse(near[0]),
        remote_address=Address.parse(far[0]),
    )
    policy = PeerPolicy(
        name=far_name, asn=far[1], ebgp=near[1] != far[1], local_address=near[0], peer_address=far[0], tags=(far_name, "class:other")
    )
    of_session = {key: value for key, value in changes.items() if key in SessionConfig.__slots__}
    of_policy = {key: value for key, value in changes.items() if key not in of_session}
    return PeerConfig(session=replace(session, **of_session), policy=replace(policy, **of_policy))  # type: ignore[arg-type]


def speaker(name: str, me: tuple[str, int], peers: list[PeerConfig], announces: tuple[str, ...] = (), **changes: object) -> SpeakerConfig:
    """A speaker at an address, its peers, its own prefixes."""
    origins = [OriginConfig(prefix=Prefix.parse(text), next_hop=Address.parse(me[0])) for text in announces]
    config = SpeakerConfig(
        name=name,
        asn=me[1],
        router_id=me[0],
        rounds=ROUNDS,
        peers={each.session.peer: each for each in peers},
        origins={origin.prefix: origin for origin in origins},
    )
    return replace(config, **changes)  # type: ignore[arg-type]


def pair(near_prefixes: tuple[str, ...] = (), far_prefixes: tuple[str, ...] = (), far_asn: int = 65002, **changes: object) -> Wire:
    """near 10.0.0.1 AS65001 and far 10.0.0.2, not started yet."""
    a, b = ("10.0.0.1", 65001), ("10.0.0.2", far_asn)
    return Wire(
        speaker("near", a, [peer(a, b, "far", **changes)], near_prefixes),
        speaker("far", b, [peer(b, a, "near", **changes)], far_prefixes),
    )


class Wire:
    """Speakers, their transports, and what is under way; in order, without loss, unless an address is unplugged."""

    def __init__(self, *configs: SpeakerConfig) -> None:
        self.speakers = {config.name: Speaker(config) for config in configs}
        self.now = Instant(0)
        self.journal: list[str] = []
        self.sent: list[tuple[str, bytes]] = []
        self.unplugged: set[str] = set()
        self._transports = 0
        self._open: dict[int, tuple[str, str]] = {}  # by number: its two ends
        self._events: deque[tuple[str, str, Event]] = deque()

    def start(self) -> Wire:
        for name, each in self.speakers.items():
            self.perform(name, each.start(self.now))
        self.settle()
        return self

    def perform(self, name: str, actions: list[SpeakerAction]) -> None:
        """Do what a speaker wants."""
        for action in actions:
            match action:
                case Connect(other):
                    if name in self.unplugged or other not in self.speakers:
                        self._events.append((name, other, ConnectFailed()))
                        continue
                    self._transports += 1
                    self._open[self._transports] = (name, other)
                    self._events.append((name, other, Connected(self._transports)))
                    self._events.append((other, name, Accepted(self._transports)))
                case Send(other, transport, data):
                    self.sent.append((name, data))
                    if transport in self._open and not {name, other} & self.unplugged:
                        self._events.append((other, name, Received(transport, data)))
                case Close(other, transport):
                    if transport in self._open:
                        del self._open[transport]
                        self._events.append((other, name, Closed(transport)))
                case Journal(other, _, text):
                    self.journal.append(f"{name} > {other}: {text}")

    def transports_of(self, name: str) -> list[int]:
        """Numbers of all that a speaker has a part in."""
        return [number for number, ends in self._open.items() if name in ends]

    def close(self, name: str, transport: int) -> None:
        """One end closes a transport without a word; the other one is told."""
        [other] = [end for end in self._open.pop(transport) if end != name]
        self._events.append((other, name, Closed(transport)))

    def settle(self) -> None:
        """Until nothing is under way."""
        for _ in range(10_000):
            if not self._events:
                return
            name, other, event = self._events.popleft()
            self.perform(name, self.speakers[name].handle(other, event, self.now))
        raise AssertionError("no end of messages")

    def run(self, duration_s: float) -> None:
        """Let so much time pass."""
        end = Instant(self.now + seconds(duration_s))
        while due := [(at, name) for name, each in self.speakers.items() if (at := each.deadline()) is not None and at <= end]:
            self.now, name = min(due)
            self.perform(name, self.speakers[name].tick(self.now))
            self.settle()
        self.now = end

    def reconfigure(self, config: SpeakerConfig) -> None:
        self.perform(config.name, self.speakers[config.name].reconfigure(config, self.now))
        self.settle()

    def states(self) -> dict[str, str]:
        return {f"{name} > {other}": each.session(other).state.value for name, each in self.speakers.items() for other in each.config.peers}

    def best(self, name: str) -> dict[str, str]:
        """Prefix to AS path of the best route."""
        return {str(Prefix(*route.prefix)): route.as_path for route in self.speakers[name].table() if route.best}


BOTH = (IPV4_UNICAST, (2, 1))
