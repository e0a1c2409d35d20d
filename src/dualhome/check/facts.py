"""What the converged network says of itself: sessions, RIBs, and how each import and export was judged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dualhome.bgp.policy import PeerPolicy, Term
from dualhome.forwarding.world import World
from dualhome.model import base_name
from dualhome.net import Prefix
from dualhome.plan import Plan

if TYPE_CHECKING:
    from dualhome._core import Rib, Route


PrefixTuple = tuple[int, int, int]


class SessionState(Protocol):
    """A session, as far as it is asked here."""

    @property
    def state(self) -> object:
        """An enum whose value is the word of RFC 4271."""
        ...

    @property
    def last_error(self) -> str:
        """Why it went down last, in words."""
        ...


class SpeakerState(Protocol):
    """A speaker, as far as it is asked here."""

    @property
    def rib(self) -> Rib:
        """The core's RIB."""
        ...

    def peer_number(self, peer: str) -> int:
        """The number that the RIB knows the peer by."""
        ...

    def session(self, peer: str) -> SessionState:
        """The session with it."""
        ...


class Machine(World, Protocol):
    """The engine, as far as it is asked here."""

    @property
    def plan(self) -> Plan:
        """What it runs."""
        ...

    @property
    def speakers(self) -> Mapping[str, SpeakerState]:
        """By full name."""
        ...

    def carries(self, speaker: str, peer: str) -> bool:
        """Whether packets of the session from the speaker reach the peer."""
        ...

    def programmer(self, virtual_network: str, nic: str) -> int | None:
        """The only instance of its route server that programs a NIC; None where both do."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One step of an import or export: the core's, with the rule that its term stands for."""

    step: str
    effect: str  # pass | change | reject
    term: str
    reason: str
    rule: str
    before: Mapping[str, object]
    after: Mapping[str, object]


FIXED_RULES = {
    "as-loop": "R99",
    "cluster-loop": "RFC 4456 section 8",
    "invalid": "RFC 7606",
    "first-as": "RFC 4271 section 6.3",
    "own-next-hop": "RFC 4271 section 6.3",
    "martian": "RFC 6890",
    "no-import-policy": "RFC 8212",
    "route-leak": "RFC 9234 section 5",
    "own-prefix": "R59",
    "branch-tag": "R135",
    "remote-virtual-network": "R145",
    "split-horizon": "R94",
    "no-advertise": "R96",
    "no-export": "R97",
    "ibgp-to-ibgp": "RFC 4456 section 6",
    "own-asn": "RFC 4271 section 5.1.2",
    "next-hop": "R91",
}


class Facts:
    """Questions to the engine, by names instead of numbers."""

    def __init__(self, engine: Machine) -> None:
        self.engine = engine
        self.plan = engine.plan
        self._names: dict[str, dict[int, str]] = {}
        self._sources: dict[str, dict[str, list[Prefix]]] = {}
        self._instances: dict[str, list[str]] = {}
        for name in self.plan.speakers:
            self._instances.setdefault(base_name(name), []).append(name)

    def has(self, speaker: str) -> bool:
        """Whether the engine runs a speaker of this full name."""
        return speaker in self.plan.speakers and speaker in self.engine.speakers

    def peers(self, speaker: str) -> tuple[str, ...]:
        """Its peers that are speakers of the plan, in the plan's order."""
        return tuple(peer for peer in self.plan.speakers[speaker].config.peers if self.has(peer))

    def outside(self, speaker: str) -> tuple[str, ...]:
        """Its peers that are speakers of the plan for which a program of somebody else's speaks."""
        return tuple(peer for peer in self.plan.speakers[speaker].config.peers if peer in self.plan.speakers and not self.has(peer))

    def peer_name(self, speaker: str, number: int) -> str | None:
        """The peer of this number; None for -1, the speaker itself."""
        if speaker not in self._names:
            mine = self.engine.speakers[speaker]
            self._names[speaker] = {mine.peer_number(p): p for p in self.plan.speakers[speaker].config.peers}
        return self._names[speaker].get(number)

    def state(self, speaker: str, peer: str) -> str:
        """The session's state on this side, in RFC 4271's word."""
        state = self.engine.speakers[speaker].session(peer).state
        return str(getattr(state, "value", state))

    def established(self, speaker: str, peer: str) -> bool:
        """Whether the session is Established on both sides that the plan knows."""
        return self.state(speaker, peer) == "Established" and (not self.has(peer) or self.state(peer, speaker) == "Established")

    def candidates(self, speaker: str, prefix: Prefix) -> list[Route]:
        """Paths in its Loc-RIB, the best first."""
        return self.engine.speakers[speaker].rib.candidates(prefix)

    def received(self, speaker: str, peer: str, prefix: Prefix | None = None) -> list[Route]:
        """What the peer announced and the checks let in."""
        return self.engine.speakers[speaker].rib.received(self.engine.speakers[speaker].peer_number(peer), prefix)

    def rejected(self, speaker: str, peer: str) -> list[Route]:
        """What the peer announced and was refused."""
        return self.engine.speakers[speaker].rib.rejected(self.engine.speakers[speaker].peer_number(peer))

    def advertised(self, speaker: str, peer: str, prefix: Prefix | None = None) -> list[Route]:
        """What the speaker tells the peer."""
        return self.engine.speakers[speaker].rib.advertised(self.engine.speakers[speaker].peer_number(peer), prefix)

    def imports(self, speaker: str, peer: str, prefix: Prefix) -> tuple[Judgement, ...]:
        """How what the peer announced was judged; () where it announced no such prefix."""
        mine = self.engine.speakers[speaker]
        policy = self.plan.speakers[speaker].config.peers[peer].policy
        return tuple(_judgements(mine.rib.explain_import(mine.peer_number(peer), prefix), (*policy.checks, *policy.rules)))

    def exports(self, speaker: str, peer: str, prefix: Prefix) -> tuple[Judgement, ...]:
        """How its best route was judged for this peer."""
        mine = self.engine.speakers[speaker]
        policy = self.plan.speakers[speaker].config.peers[peer].policy
        return tuple(_judgements(mine.rib.explain_export(mine.peer_number(peer), prefix), _all_stages(policy)))

    def source(self, speaker: str, route: Route) -> str | None:
        """The full name of the peer that the speaker has the route from; None: its own."""
        return self.peer_name(speaker, route.peer)

    def echoed(self, speaker: str, peer: str) -> list[Prefix]:
        """What the speaker tells the peer although its own best route comes from an instance of the same object."""
        if speaker not in self._sources:
            by_owner = self._sources[speaker] = {}
            for prefix, ways in self.engine.speakers[speaker].rib.best():
                if (source := self.peer_name(speaker, ways[0][1])) is not None:
                    by_owner.setdefault(base_name(source), []).append(Prefix(*prefix))
        return [prefix for prefix in self._sources[speaker].get(base_name(peer), ()) if self.advertised(speaker, peer, prefix)]

    def pairs(self, owner: str, peer_owner: str) -> Iterator[tuple[str, str]]:
        """Established sessions between the instances of two objects."""
        for name in (n for n in self._instances.get(owner, ()) if self.has(n)):
            for peer in self.peers(name):
                if base_name(peer) == peer_owner and self.established(name, peer):
                    yield name, peer


def _all_stages(policy: PeerPolicy) -> tuple[Term, ...]:
    return tuple(term for stage in policy.export for term in stage)


def _judgements(text: str, terms: tuple[Term, ...]) -> Iterator[Judgement]:
    sources = {term.name: term.source for term in reversed(terms)}
    for item in json.loads(text):
        term, step, reason = item.get("term") or "", item.get("step") or "", item.get("reason") or ""
        rule = sources.get(term) or FIXED_RULES.get(reason) or FIXED_RULES.get(step) or ""
        yield Judgement(
            step=step,
            effect=item.get("effect") or "pass",
            term=term,
            reason=reason,
            rule=rule,
            before=item.get("before") or {},
            after=item.get("after") or {},
        )
