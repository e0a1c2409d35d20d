"""Beside each speaker: what it was told and what it told, read from the octets, and what should follow of that.

After every event the speaker's candidates, its decisions, and what each peer was told are compared with `oracle` and `decision`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from dualhome._core import OpenMessage, Route
from dualhome.bgp import events
from dualhome.bgp.config import OriginConfig
from dualhome.bgp.policy import PeerPolicy
from dualhome.bgp.speaker import Speaker
from dualhome.hunt import oracle, wire
from dualhome.hunt.decision import Decision, decide
from dualhome.hunt.oracle import Path, Refused, Source, Working
from dualhome.hunt.wire import Agreed, Attributes, MalformedError, Open, Prefix
from dualhome.net import Address
from dualhome.net import Prefix as Net

Visible = tuple[object, ...]
Key = tuple[Prefix, int | None]


class BrokenError(Exception):
    """Something that must always hold doesn't."""


@dataclass(slots=True)
class Ear:
    """One direction of a transport, as the speaker at its end hears it."""

    buffer: bytearray = field(default_factory=bytearray)
    open: Open | None = None
    updates: deque[bytes] = field(default_factory=deque)  # that came, and were not delivered yet
    is_broken: bool = False  # what comes is no run of messages any more

    def hear(self, data: bytes) -> None:
        """Cut what comes into messages."""
        self.buffer += data
        while not self.is_broken and len(self.buffer) >= 19:
            length = int.from_bytes(self.buffer[16:18])
            if len(self.buffer) < length >= 19:
                return
            message = bytes(self.buffer[:length])
            try:
                [(kind, _)] = wire.split(message)
                if kind == wire.OPEN and self.open is None:
                    self.open = wire.read_open(message)
            except (MalformedError, ValueError):
                self.is_broken = True
                return
            if kind == wire.UPDATE:
                self.updates.append(message)
            del self.buffer[:length]


@dataclass(slots=True)
class Session:
    """A session that is Established."""

    transport: int
    agreed: Agreed
    router_id: str
    received: dict[Prefix, Attributes] = field(default_factory=dict)
    told: dict[Prefix, Attributes] = field(default_factory=dict)
    unsure: set[Prefix] = field(default_factory=set)  # whose message was remarkable
    is_unsure: bool = False  # a message was malformed: what it did to which prefix is not ours to say
    is_readable: bool = True  # what it sends can be read: four-octet AS numbers


class Shadow:
    """What should be true of one speaker. `watch` is told by the speaker itself, `arrived` by the world."""

    def __init__(self, sends: Callable[[str, int], None]) -> None:
        self.speaker: Speaker  # set by who makes it
        self.sessions: Final[dict[str, Session]] = {}
        self.ears: Final[dict[int, Ear]] = {}
        self.said: Final[dict[int, Open]] = {}  # our OPEN on each transport
        self.made_by_us: Final[dict[int, bool]] = {}  # which end made each transport
        self.links: Final[dict[str, set[int]]] = {}  # transports on which our OPEN was sent, by peer, until they are closed
        self.is_dirty = True
        self._sends = sends
        self._own_paths: dict[Prefix, tuple[object, Path]] = {}
        self._let_in: dict[tuple[str, Prefix], tuple[object, list[Working] | Refused]] = {}
        self._decided: dict[Prefix, tuple[object, Decision]] = {}
        self._told: dict[tuple[str, Prefix], tuple[object, tuple[Working, ...]]] = {}
        self._best: dict[Prefix, Visible] = {}

    def forget(self) -> None:
        """The speaker is about to become another one, with another RIB."""
        for known in (self._own_paths, self._let_in, self._decided, self._told, self._best):
            known.clear()

    # --- what happens -------------------------------------------------------------------------------------------------

    def arrived(self, transport: int, data: bytes) -> None:
        """These octets are about to be handed to the speaker."""
        self.ears.setdefault(transport, Ear()).hear(data)

    def closed(self, peer: str, transport: int) -> None:
        """The network ended this transport."""
        self.links.get(peer, set()).discard(transport)

    def watch(self, peer: str, action: events.Action) -> None:
        """What a session asks for."""
        match action:
            case events.Send(transport=transport, data=data):
                self._sends(peer, len(data))
                self._sent(peer, transport, data)
            case events.Close(transport=transport):
                self.closed(peer, transport)
            case events.Up(open=message, transport=transport):
                self._up(peer, transport, message)
            case events.Down():
                self.is_dirty = True
                if self.sessions.pop(peer, None) is None:
                    raise BrokenError(f"a session with {peer} is down that was not up")
            case events.Deliver(data=data):
                self._delivered(peer, data)

    def _up(self, peer: str, transport: int, message: OpenMessage) -> None:
        ear = self.ears[transport]
        theirs = _believed_open(message) if ear.open is None and ear.is_broken else ear.open
        if theirs is None or transport not in self.said:
            raise BrokenError(f"the session with {peer} is Established before both OPENs")
        policy = self.speaker.config.peers[peer].policy
        agreed = wire.agree(self.said[transport], theirs, policy.ebgp)
        if theirs.asn != policy.asn or not agreed.families:
            raise BrokenError(f"the session with {peer} is Established with {theirs}")
        if peer in self.sessions:
            raise BrokenError(f"two sessions with {peer}")
        self.sessions[peer] = Session(transport, agreed, theirs.router_id, is_readable=agreed.four_octet_as)
        self.is_dirty = True

    def _delivered(self, peer: str, data: bytes) -> None:
        session = self.sessions.get(peer)
        if session is None:
            raise BrokenError(f"UPDATEs of {peer} come to the RIB while its session is not up")
        self.is_dirty = True
        ear = self.ears[session.transport]
        while data:
            length = int.from_bytes(data[16:18])
            message, data = data[:length], data[length:]
            if not ear.is_broken and (not ear.updates or ear.updates.popleft() != message):
                raise BrokenError(f"{peer} never sent {message.hex()}, or not now")
            self._read(session, message)

    def _read(self, session: Session, message: bytes) -> None:
        try:
            update = wire.read_update(message, session.agreed)
        except MalformedError:
            session.is_unsure = True
            return
        for prefix in update.withdrawn:
            session.received.pop(prefix, None)
            session.unsure.discard(prefix)
        for prefix, attributes in update.announced:
            session.received[prefix] = attributes
            unsure = update.is_remarkable or attributes.next_hop in self._own_addresses()
            (session.unsure.add if unsure else session.unsure.discard)(prefix)

    def _own_addresses(self) -> set[str]:
        return {str(peer.session.local_address) for peer in self.speaker.config.peers.values()}

    # --- what is sent -------------------------------------------------------------------------------------------------

    def _sent(self, peer: str, transport: int, data: bytes) -> None:
        """Every octet is of a message that is well-formed, and has its place."""
        session = self.sessions.get(peer)
        is_up = session is not None and session.transport == transport
        longest = session.agreed.longest if session and is_up else 4096
        try:
            for kind, message in wire.split(data, longest):
                if (kind == wire.OPEN) is (transport in self.said) or (kind in (wire.UPDATE, wire.REFRESH) and not is_up):
                    raise MalformedError(f"a message of type {kind} has no place here")
                if kind == wire.OPEN:
                    self._said_open(peer, transport, wire.read_open(message))
                elif kind == wire.NOTIFICATION and message[19:21] == b"\6\7":
                    self._lost_collision(peer, transport)
                elif kind == wire.UPDATE and session and session.is_readable:
                    self._said_update(peer, session, message)
        except MalformedError as error:
            raise BrokenError(f"{peer} is sent {data.hex()}: {error}") from error

    def _said_open(self, peer: str, transport: int, said: Open) -> None:
        config = self.speaker.config.peers[peer].session
        wanted = (config.local_asn, config.router_id, config.hold_time_s, config.families)
        if (said.asn, said.router_id, said.hold_time_s, said.families) != wanted:
            raise MalformedError(f"{said} of {wanted}")
        self.said[transport] = said
        self.links.setdefault(peer, set()).add(transport)

    def _said_update(self, peer: str, session: Session, message: bytes) -> None:
        policy, us = self.speaker.config.peers[peer].policy, self.speaker.config.asn
        update = wire.read_update(message, session.agreed)
        for prefix in update.withdrawn:
            if session.told.pop(prefix, None) is None:
                raise MalformedError(f"{Net(*prefix)} is withdrawn and was not announced")
        for prefix, attributes in update.announced:
            if policy.ebgp and not policy.transparent and attributes.as_path[:1] != (us,):
                raise MalformedError(f"the path of {Net(*prefix)} does not begin with AS {us}")
            session.told[prefix] = attributes

    def _lost_collision(self, peer: str, lost: int) -> None:
        """Which transport goes is known: RFC 4271 section 6.8, RFC 6286 section 2.3."""
        stays = sorted(self.links.get(peer, set()) - {lost})
        session = self.sessions.get(peer)
        if session and session.transport in stays:
            return
        heard = (
            self.ears[lost] if lost in self.ears and self.ears[lost].open else next((self.ears[t] for t in stays if t in self.ears), None)
        )
        theirs = heard.open if heard else None
        if not stays or theirs is None:
            raise BrokenError(f"transport {lost} with {peer} is closed for a collision with none")
        ours = self.said[lost]
        higher = (Address.parse(ours.router_id).bits, ours.asn) > (Address.parse(theirs.router_id).bits, theirs.asn)
        by_us = self.made_by_us[lost]
        if all(self.made_by_us[each] != by_us for each in stays) and by_us is higher:
            raise BrokenError(f"transport {lost} with {peer} loses a collision that it should win ({ours.router_id}, {theirs.router_id})")

    # --- what follows -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """The speaker's RIBs are those of the oracle, and each peer was told what it should be told."""
        self.is_dirty = False
        speaker, rib = self.speaker, self.speaker.rib
        up = {name for name in speaker.config.peers if speaker.session(name).state is events.State.ESTABLISHED}
        if up != set(self.sessions):
            raise BrokenError(f"sessions that are up: {sorted(up)}, from the journal {sorted(self.sessions)}")
        routes = rib.candidates()
        actual = {(route.prefix, route.peer): route for route in routes}
        paths = self.paths(actual)
        wanted = {(prefix, path.source.number): path for prefix, all_ in paths.items() for path in all_}
        if wanted.keys() != actual.keys():
            raise BrokenError(self._difference("routes", wanted, actual))
        for key, path in wanted.items():
            if path.exact and _visible(path) != seen(actual[key]):
                raise BrokenError(
                    f"{Net(*key[0])} of {path.source.peer or 'ourselves'}: {seen(actual[key])}, and should be {_visible(path)}"
                )
        decisions = {prefix: self._decide(prefix, all_, actual) for prefix, all_ in paths.items()}
        for prefix, decision in decisions.items():
            self._check_decision(prefix, decision, actual)
        self._check_changes(routes)
        self._check_refused()
        pending = set(rib.pending())
        for peer, session in self.sessions.items():
            if speaker.peer_number(peer) not in pending and session.is_readable:
                self._check_told(peer, session, paths, decisions)

    def paths(self, actual: dict[tuple[Prefix, int], Route]) -> dict[Prefix, list[Path]]:
        """All paths that should be let in, by prefix; of those that are unsure, the ones that are."""
        config, paths = self.speaker.config, dict[Prefix, list[Path]]()
        for origin in config.origins.values():
            paths[origin.prefix] = [self._own(origin)]
        for peer in config.peers:
            if session := self.sessions.get(peer):
                number = self.speaker.peer_number(peer)
                source = self._source(peer, config.peers[peer].policy, number, session.router_id)
                believed = session.is_unsure or (bool(session.unsure) and _summarizes(config.peers[peer].policy))
                if not believed:
                    for prefix, path in self._peers_paths(peer, session, source).items():
                        paths.setdefault(prefix, []).append(path)
                if believed or session.unsure:
                    for (prefix, owner), route in actual.items():
                        if owner == number and (believed or prefix in session.unsure):
                            paths.setdefault(prefix, []).append(_believed(route, source))
        return paths

    def _peers_paths(self, peer: str, session: Session, source: Source) -> dict[Prefix, Path]:
        """A summary goes before the peer's own route to the same prefix; it is as its first contributor makes it."""
        direct, summaries = dict[Prefix, Path](), dict[Prefix, Path]()
        policy = self.speaker.config.peers[peer].policy
        for prefix, attributes in sorted(session.received.items()) if _summarizes(policy) else session.received.items():
            judged = self._judge(peer, policy, source, prefix, attributes) if prefix not in session.unsure else []
            for route in [] if isinstance(judged, Refused) else judged:
                path = Path(source=source, attributes=route.attributes, weight=route.weight)
                if route.is_summary:
                    summaries.setdefault(route.prefix, path)
                else:
                    direct[route.prefix] = path
        return direct | summaries

    def _own(self, origin: OriginConfig) -> Path:
        token = (origin, self.speaker.config.router_id)
        known = self._own_paths.get(origin.prefix)
        if known is None or known[0] != token:
            known = self._own_paths[origin.prefix] = (token, oracle.own_path(self.speaker.config, origin))
        return known[1]

    def _source(self, peer: str, policy: PeerPolicy, number: int, router_id: str) -> Source:
        return Source(
            peer=peer, number=number, asn=policy.asn, address=policy.peer_address, router_id=router_id, ebgp=policy.ebgp,
            client=policy.reflector_client, tags=policy.tags,
        )  # fmt: skip

    def _judge(self, peer: str, policy: PeerPolicy, source: Source, prefix: Prefix, attributes: Attributes) -> list[Working] | Refused:
        token = (attributes, policy, source)
        known = self._let_in.get((peer, prefix))
        if known is None or known[0] != token:
            known = self._let_in[peer, prefix] = (token, oracle.let_in(self.speaker.config, policy, prefix, attributes))
        return known[1]

    def _decide(self, prefix: Prefix, paths: list[Path], actual: dict[tuple[Prefix, int], Route]) -> Decision:
        """Of a path that is unsure and came by iBGP, ORIGINATOR_ID and CLUSTER_LIST are not known here: the RIB is believed."""
        config = self.speaker.config
        if any(not path.exact and not path.source.ebgp for path in paths):
            return _decided(actual[prefix, path.source.number] for path in paths)
        token = (paths, config.rounds, config.preference)
        known = self._decided.get(prefix)
        if known is None or known[0] != token:
            decision = decide([oracle.candidate(path) for path in paths], config.rounds, config.preference, config.multipath)
            known = self._decided[prefix] = (token, decision)
        return known[1]

    def _check_decision(self, prefix: Prefix, decision: Decision, actual: dict[tuple[Prefix, int], Route]) -> None:
        for peer in [*decision.lost_in, *([] if decision.best is None else [decision.best])]:
            route = actual[prefix, peer]
            found = (route.best, route.multipath, route.lost_in)
            wanted = (peer == decision.best, peer in decision.multipath, decision.lost_in.get(peer))
            if found != wanted:
                raise BrokenError(f"{Net(*prefix)} of {self.name(peer)}: (best, multipath, lost in) is {found}, and should be {wanted}")

    def _check_changes(self, routes: list[Route]) -> None:
        """Whatever is another best or multipath set now was told by `changes`."""
        now: dict[Prefix, Visible] = {}
        for route in routes:
            if route.multipath or route.best:
                now[route.prefix] = (*now.get(route.prefix, ()), (route.peer, route.best, seen(route)))
        other = {prefix for prefix in now.keys() | self._best.keys() if now.get(prefix) != self._best.get(prefix)}
        named = set(self.speaker.rib.changes())
        if self._best and not other <= named:
            raise BrokenError(f"changes are not told of {[str(Net(*prefix)) for prefix in sorted(other - named)]}")
        self._best = now

    def _check_told(self, peer: str, session: Session, paths: dict[Prefix, list[Path]], decisions: dict[Prefix, Decision]) -> None:
        wanted = self.to_tell(peer, session, paths, decisions)
        if wanted.keys() != session.told.keys():
            raise BrokenError(
                self._difference(f"told to {peer}", ((each, None) for each in wanted), ((each, None) for each in session.told))
            )
        for prefix, (attributes, exact) in wanted.items():
            told = session.told[prefix]
            if told != attributes if exact else shown(told) != shown(attributes):
                raise BrokenError(f"{peer} was told {Net(*prefix)} with {told}, and should be with {attributes}")

    def to_tell(
        self, peer: str, session: Session, paths: dict[Prefix, list[Path]], decisions: dict[Prefix, Decision]
    ) -> dict[Prefix, tuple[Attributes, bool]]:
        """What a peer should be told: of each prefix the summaries that best routes make, then the best route, the first that is not of its own making;
        where all are of its own, nothing, or the best of the others' routes (RFC 7947 section 2.3).
        """
        offers: dict[Prefix, list[tuple[Path, Attributes]]] = {}
        directs: dict[Prefix, list[tuple[Path, Attributes]]] = {}
        second = self.speaker.config.peers[peer].policy.own == "second"
        for prefix in sorted(paths):
            best = decisions[prefix].best
            for path in [each for each in paths[prefix] if each.source.number == best]:
                for route in self._exported(peer, session, prefix, path):
                    (offers if route.is_summary else directs).setdefault(route.prefix, []).append((path, route.attributes))
        told: dict[Prefix, tuple[Attributes, bool]] = {}
        for prefix in [*offers, *(each for each in paths if each not in offers)]:
            all_ = [*offers.get(prefix, ()), *directs.get(prefix, ())]
            best = decisions[prefix].best if prefix in decisions else None
            found = next((each for each in all_ if each[0].source.peer != peer), None)
            owner = all_[0][0].source.peer if all_ else next((p.source.peer for p in paths[prefix] if p.source.number == best), None)
            if found is None and second and owner == peer:
                found = self._second(peer, session, prefix, [path for path in paths.get(prefix, ()) if path.source.number != best])
            if found:
                told[prefix] = (found[1], found[0].exact)
        return told

    def _second(self, peer: str, session: Session, prefix: Prefix, others: list[Path]) -> tuple[Path, Attributes] | None:
        """The best of these, if it is of another than the peer; it makes no summaries."""
        config = self.speaker.config
        best = decide([oracle.candidate(each) for each in others], config.rounds, config.preference).best
        for path in others:
            if path.source.number == best and path.source.peer != peer:
                return next(
                    ((path, route.attributes) for route in self._exported(peer, session, prefix, path) if not route.is_summary), None
                )
        return None

    def _exported(self, peer: str, session: Session, prefix: Prefix, path: Path) -> tuple[Working, ...]:
        policy, config = self.speaker.config.peers[peer].policy, self.speaker.config
        token = (path, policy, config.asn, config.cluster_id, config.router_id, session.agreed.families)
        known = self._told.get((peer, prefix))
        if known is None or known[0] != token:
            known = self._told[peer, prefix] = (token, oracle.told(config, policy, session.agreed.families, prefix, path))
        return known[1]

    def name(self, number: int) -> str:
        """The peer of a number, for people."""
        return self.speaker.peer_name(number) or "ourselves"

    def _difference(self, what: str, wanted: Iterable[Key], found: Iterable[Key]) -> str:
        wanted, found = set(wanted), set(found)
        return f"{what}: missing {self._texts(wanted - found)}, too many {self._texts(found - wanted)}"

    def _texts(self, keys: Iterable[Key]) -> str:
        texts = [
            f"{Net(*prefix)} of {self.name(number)}" if number is not None else str(Net(*prefix))
            for prefix, number in sorted(keys, key=repr)
        ]
        return ", ".join(texts[:4]) or "none"

    # --- when nothing is under way ------------------------------------------------------------------------------------

    def check_questions(self) -> None:
        """What the RIB answers of Adj-RIB-In and Adj-RIB-Out is what came and what was sent."""
        speaker = self.speaker
        for peer, session in self.sessions.items():
            if session.is_unsure or session.unsure or not session.is_readable:
                continue
            refusals = self._refusals(peer, session)
            by_rule = {prefix for prefix, reason in refusals.items() if reason == "policy"}
            let_in = session.received.keys() - (refusals.keys() - by_rule)
            received = {route.prefix: _on_the_wire(seen(route)[:-1], session) for route in speaker.learned(peer)}
            if received.keys() - by_rule != let_in - by_rule or any(
                _on_the_wire(shown(session.received[prefix]), session) != each for prefix, each in received.items()
            ):
                raise BrokenError(f"Adj-RIB-In of {peer}: {received}, and it told {session.received}")
            advertised = {route.prefix: _on_the_wire(seen(route)[:-1], session) for route in speaker.advertised(peer)}
            told = {prefix: shown(attributes) for prefix, attributes in session.told.items()}
            if advertised != told:
                raise BrokenError(f"Adj-RIB-Out toward {peer}: {advertised}, and it was told {told}")
            counts = speaker.counts(peer)
            if (counts[0], sum(counts[1].values()), counts[2]) != (len(session.received) - len(refusals), len(refusals), len(told)):
                raise BrokenError(f"counts of {peer}: {counts}, and they are {len(session.received)}, {refusals}, {len(told)}")

    def _check_refused(self) -> None:
        """What was refused is kept, with its reason."""
        found = {(route.prefix, route.peer): route.reason for route in self.speaker.rejected()}
        wanted: dict[tuple[Prefix, int], str | None] = {}
        for peer, session in self.sessions.items():
            number = self.speaker.peer_number(peer)
            if session.is_unsure or session.unsure:
                wanted |= {key: reason for key, reason in found.items() if key[1] == number}
            else:
                wanted |= {(prefix, number): reason for prefix, reason in self._refusals(peer, session).items()}
        if found != wanted:
            raise BrokenError(f"{self._difference('refused', wanted, found)}, reasons {sorted(map(str, found.values()))}")

    def _refusals(self, peer: str, session: Session) -> dict[Prefix, str]:
        policy, number = self.speaker.config.peers[peer].policy, self.speaker.peer_number(peer)
        source = self._source(peer, policy, number, session.router_id)
        judged = {prefix: self._judge(peer, policy, source, prefix, attributes) for prefix, attributes in session.received.items()}
        return {prefix: each.reason for prefix, each in judged.items() if isinstance(each, Refused)}


def shown(a: Attributes) -> Visible:
    """What a `Route` shows of attributes."""
    return (
        a.next_hop,
        a.as_path,
        oracle.ORIGINS[a.origin],
        a.med,
        a.local_preference,
        tuple(sorted(map(oracle.community_text, a.communities))),
        tuple(":".join(map(str, each)) for each in a.large_communities),
    )


def seen(route: Route) -> Visible:
    """The same of a route of the core's; its weight is last."""
    return (
        route.next_hop,
        _path(route.as_path),
        route.origin,
        route.med,
        route.local_preference,
        tuple(sorted(route.communities)),
        tuple(route.large_communities),
        route.weight,
    )


def _visible(path: Path) -> Visible:
    found = list(shown(path.attributes))
    found[4] = 100 if found[4] is None else found[4]
    return (*found, path.weight)


def _on_the_wire(visible: Visible, session: Session) -> Visible:
    return (*visible[:4], None, *visible[5:]) if session.agreed.ebgp else visible


def _believed_open(message: OpenMessage) -> Open:
    """An OPEN that was altered on its way, as the speaker took it."""
    return Open(
        asn=message.asn,
        hold_time_s=message.hold_time_s,
        router_id=message.router_id,
        families=tuple(message.families),
        four_octet_as=message.four_octet_as,
        extended_message=message.extended_message,
        route_refresh=message.route_refresh,
    )


def _summarizes(policy: PeerPolicy) -> bool:
    return any("prefix_replace" in action for term in policy.rules for action in term.do)


def _decided(routes: Iterable[Route]) -> Decision:
    """As the RIB has it."""
    all_ = list(routes)
    return Decision(
        best=next((route.peer for route in all_ if route.best), None),
        multipath=frozenset(route.peer for route in all_ if route.multipath),
        lost_in={route.peer: route.lost_in for route in all_ if route.lost_in},
    )


def _path(text: str) -> tuple[int | frozenset[int], ...]:
    """A path as the core writes it; a set in braces."""
    return tuple(frozenset(map(int, word[1:-1].split(","))) if word[0] == "{" else int(word) for word in text.split())


def _believed(route: Route, source: Source) -> Path:
    """A path as the RIB has it."""
    attributes = Attributes(
        next_hop=route.next_hop,
        as_path=_path(route.as_path),
        origin=oracle.ORIGINS.index(route.origin),
        med=route.med,
        local_preference=route.local_preference,
        communities=tuple(sorted(map(oracle.community_number, route.communities))),
        large_communities=tuple(sorted(tuple(map(int, text.split(":"))) for text in route.large_communities)),
    )
    return Path(source=source, attributes=attributes, weight=route.weight, exact=False)
