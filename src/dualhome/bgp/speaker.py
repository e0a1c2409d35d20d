"""One BGP speaker: its sessions, its RIB, its policies. Events of transports and the time go in, actions on transports come out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain
from typing import Final, assert_never

from dualhome._core import OpenMessage, Rib, Route
from dualhome.bgp import events, restart
from dualhome.bgp.config import PeerConfig, SpeakerConfig
from dualhome.bgp.deadlines import Deadlines
from dualhome.bgp.restart import Kept
from dualhome.bgp.session import Session
from dualhome.errors import PeerError
from dualhome.net import Prefix
from dualhome.units import Instant, after, seconds


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a transport to the peer, from its session's local address; an attempt that is still on its way is given up for it."""

    peer: str


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes."""

    peer: str
    transport: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the transport once all that was sent on it is written; nothing of it is wanted any more."""

    peer: str
    transport: int


@dataclass(frozen=True, slots=True)
class Journal:
    """Something worth a line. `kind`: "session" (another state), "notification" (sent or received)."""

    peer: str
    kind: str
    text: str


SpeakerAction = Connect | Send | Close | Journal

Watch = Callable[[str, events.Action], None]
"""Gets the name of a peer and what its session asks for, before it is done: for monitors, which change nothing."""


_RESTART: Final = ""
"""Among deadlines by peer: that of the restart."""


class Speaker:
    """Sessions and RIB of one speaker. All that comes in is followed by `flush`, unless it is put off by `defer`.

    `writable` says whether a peer's transport takes more now; routes wait in the RIB, not in queues, until it does and the driver flushes.
    `at_once`: so many octets of routes, or a few more, each flush gives a peer; where that kept any back, `more` is true, and the driver
    flushes again when others had their turn. `watch` is told of all that sessions ask for. `restarted`: it was there before, and packets went on in the
    meantime, so peers with graceful restart kept its routes: nothing is decided or told before they have told theirs (RFC 4724 section 4.1).
    """

    def __init__(
        self,
        config: SpeakerConfig,
        seed: int | None = None,
        writable: Callable[[str], bool] = lambda peer: True,
        watch: Watch | None = None,
        at_once: int | None = None,
        restarted: bool = False,
    ) -> None:
        self.config = config
        self._seed: Final = seed
        self._writable: Final = writable
        self._watch: Final = watch
        self._at_once: Final = at_once
        self.more = False
        self._sessions: dict[str, Session] = {}
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}  # by number
        self._free: list[int] = []  # numbers below the highest that was ever in use, lowest first
        self._deadlines = Deadlines()
        self._actions: list[SpeakerAction] = []
        self._running = False
        self._asked: dict[
            int, dict[tuple[int, int], bool]
        ] = {}  # families of which peers want all routes again, and whether marked; by number of the peer
        self._kept: dict[str, Kept] = {}  # of peers that are away, or back and not through
        self._refreshing: dict[tuple[str, int, int], Instant] = {}  # until when a peer may take to tell a family again
        self._awaited: dict[
            str, set[tuple[int, int]] | None
        ] = {}  # after a restart: whose End-of-RIB is missing; None: of a peer that isn't there
        self._restarted = restarted
        self.rib: Rib
        self._build()

    # --- what happens -------------------------------------------------------------------------------------------------

    def start(self, now: Instant) -> list[SpeakerAction]:
        """Start the sessions of all peers that are enabled."""
        self._running = True
        if self._restarted:
            self._await_peers(now)
        for name, peer in self.config.peers.items():
            if peer.enabled:
                self._handle(name, events.ManualStart(), now)
        return self.flush(now)

    def stop(self, now: Instant, silent: bool = False) -> list[SpeakerAction]:
        """End all sessions, by Cease/2; or silently, as a machine that dies: nothing is sent nor closed, and all that was learned is gone."""
        self._running = False
        for name in self.config.peers:
            if silent:
                if self._session_is_up(name):
                    self._is_away(name, (), 0, now)
                    self._journal(name, "session", "the speaker stopped without a word")
                self._keep_no_longer(name)
                self._make_session(name)
            else:
                self._handle(name, events.ManualStop(), now)
        return self.flush(now)

    def handle(self, peer: str, event: events.Event, now: Instant, *, defer: bool = False) -> list[SpeakerAction]:
        """An event of a peer's session. With `defer` nothing is decided yet: the driver calls `flush` after the last event of a batch.

        Events of a peer that is not configured any more are late; a new transport of it is closed.
        """
        if peer not in self._sessions:
            return [Close(peer, event.transport)] if isinstance(event, events.Accepted | events.Connected) else []
        self._handle(peer, event, now)
        return self._take() if defer else self.flush(now)

    def tick(self, now: Instant) -> list[SpeakerAction]:
        """All timers that are due, in the order of the peers."""
        due = dict.fromkeys(self._deadlines.due(now))
        if _RESTART in due:
            self._awaited.clear()
            self._end_restart()
        for name in [name for name in due if name != _RESTART] if len(due) < 3 else [name for name in self.config.peers if name in due]:
            self._expire(name, now)
            self._perform(name, self._sessions[name].tick(now), now)
        return self.flush(now)

    def flush(self, now: Instant) -> list[SpeakerAction]:
        """Decide what is to be decided, and send what is to be sent to the peers that can take it."""
        return list(chain.from_iterable(self.flushing(now)))

    def flushing(self, now: Instant) -> Iterator[list[SpeakerAction]]:
        """As `flush`, piece by piece: who performs each before asking for the next one never has more than a piece in memory, for `writable` knows of it."""
        self.more = False
        if self._restarted:
            yield self._take()
            return
        self.rib.process()
        yield from self._send_routes(now)
        if self._asked:
            yield from self._answer_refreshes(now)
        yield self._take()

    def _send_routes(self, now: Instant) -> Iterator[list[SpeakerAction]]:
        for number in self.rib.pending():
            name, given = self._names[number], 0
            while self._writable(name) and (data := self.rib.output(number)):
                self._perform(name, self._sessions[name].send_update(data, now), now)
                yield self._take()
                given += len(data)
                if self._at_once is not None and given >= self._at_once:
                    self.more = True
                    break

    def _answer_refreshes(self, now: Instant) -> Iterator[list[SpeakerAction]]:
        """Tell all routes again to peers that asked for them and have read what they were told before.

        So one that asks again and again is answered at the pace at which it reads, and costs the others nothing (RFC 2918 section 4 sets no pace).
        """
        behind = set(self.rib.pending())
        for number in [number for number in self._asked if number not in behind]:
            for (afi, safi), enhanced in self._asked.pop(number).items():
                self.rib.refresh(number, afi, safi, enhanced=enhanced)
        yield from self._send_routes(now)

    def request_refresh(self, peer: str, now: Instant) -> list[SpeakerAction]:
        """Have a peer send all its routes again; nothing where the session isn't up or the peer can't. KeyError where there is no such peer."""
        self._perform(peer, self._sessions[peer].request_refresh(), now)
        return self._take()

    def deadline(self) -> Instant | None:
        """When to call `tick` next, at the latest."""
        return self._deadlines.first()

    def hurry(self, now: Instant) -> None:
        """Sessions that wait to be tried again are, at the next `tick`."""
        for name in self.config.peers:
            self._sessions[name].hurry(now)
            self._deadlines.set(name, self._due(name))

    # --- configuration ------------------------------------------------------------------------------------------------

    def reconfigure(self, config: SpeakerConfig, now: Instant) -> list[SpeakerAction]:
        """Become another configuration with the least disturbance.

        A changed session is reset (Cease/6), a removed peer is told so (Cease/3), a disabled one too (Cease/2); changed policies, origins and
        decisions reset nothing. Another identity of the speaker (ASN, router ID, cluster) is another speaker: all sessions are reset.

        Source: RFC 4486 section 3.
        """
        old, self.config = self.config, config
        if _identity(old) != _identity(config):
            for name in old.peers:
                self._handle(name, events.ManualStop("configuration changed", 6), now)
            self._build()
            return self.start(now) if self._running else self.flush(now)
        if (old.rounds, old.preference) != (config.rounds, config.preference):
            self.rib.set_decision(rounds=list(config.rounds), preference=config.preference)
        for name in old.peers:
            if name not in config.peers:
                self._remove_peer(name, now)
        for name, peer in config.peers.items():
            self._change_peer(name, old.peers.get(name), peer, now)
        self._change_origins(old)
        return self.flush(now)

    def _remove_peer(self, name: str, now: Instant) -> None:
        self._handle(name, events.ManualStop("peer removed", 3), now)
        number = self._numbers.pop(name)
        self.rib.remove_peer(number)
        del self._sessions[name], self._names[number]
        heappush(self._free, number)
        self._deadlines.set(name, None)
        self._kept.pop(name, None)
        if name in self._awaited:
            self._told_all(name)

    def _change_peer(self, name: str, old: PeerConfig | None, new: PeerConfig, now: Instant) -> None:
        if old is None:
            self._add_peer(name, new)
        elif old.session != new.session:
            self._handle(name, events.ManualStop("configuration changed", 6), now)
            self._keep_no_longer(name)
            self._make_session(name)
        elif old.enabled and not new.enabled:
            self._handle(name, events.ManualStop(), now)
            self._keep_no_longer(name)
        if not new.enabled and name in self._awaited:
            self._told_all(name)
        if old is not None and old.policy != new.policy:
            self.rib.set_peer(self._numbers[name], new.policy.json())
        if self._running and new.enabled and (old is None or not old.enabled or old.session != new.session):
            self._handle(name, events.ManualStart(), now)
        elif old is not None and not set(new.asks_for) <= set(old.asks_for) and self._session_is_up(name):
            self._ask_again(name, new, now)

    def _ask_again(self, name: str, peer: PeerConfig, now: Instant) -> None:
        """A soft reset, or where that can't be a hard one (Cease/4)."""
        if self._sessions[name].can_refresh and not peer.resets:
            self._perform(name, self._sessions[name].request_refresh(), now)
        else:
            self._handle(name, events.ManualStop("administrative reset", 4), now)
            self._handle(name, events.ManualStart(), now)

    def _change_origins(self, old: SpeakerConfig) -> None:
        for prefix in old.origins:
            if prefix not in self.config.origins:
                self.rib.withdraw(prefix)
        for prefix, origin in self.config.origins.items():
            if old.origins.get(prefix) != origin:
                self.rib.originate(prefix, origin.json())

    # --- questions ----------------------------------------------------------------------------------------------------

    def session(self, peer: str) -> Session:
        """The session with a peer; KeyError where there is no such peer."""
        return self._sessions[peer]

    def keeps(self, peer: str) -> bool:
        """Whether routes of a peer that is away are kept for its return (RFC 4724)."""
        return peer in self._kept

    def peer_number(self, peer: str) -> int:
        """The number by which the RIB knows a peer: the lowest that was free when it was added."""
        return self._numbers[peer]

    def peer_name(self, number: int) -> str | None:
        """The peer of a number; None for -1, the speaker itself."""
        return self._names.get(number)

    def learned(self, peer: str, prefix: Prefix | None = None) -> list[Route]:
        """What a peer announced and the checks let in, before the rules."""
        return self.rib.received(self._numbers[peer], prefix)

    def rejected(self, peer: str | None = None, prefix: Prefix | None = None) -> list[Route]:
        """What was refused, of one peer or of all, with the reasons."""
        return self.rib.rejected(None if peer is None else self._numbers[peer], prefix)

    def advertised(self, peer: str, prefix: Prefix | None = None) -> list[Route]:
        """What a peer was told, as on the wire."""
        return self.rib.advertised(self._numbers[peer], prefix)

    def counts(self, peer: str) -> tuple[int, dict[str, int], int, int]:
        """How many routes of a peer were let in, were refused (by reason), are told to it, and came beyond a limit that doesn't end the session."""
        return self.rib.counts(self._numbers[peer])

    def table(self, prefix: Prefix | None = None) -> list[Route]:
        """All paths that take part in the decision, the best of each prefix first."""
        return self.rib.candidates(prefix)

    def version(self) -> int:
        """Grows whenever a best or multipath set changes."""
        return self.rib.version()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        """RIB and sessions from nothing."""
        config = self.config
        self.rib = Rib(
            asn=config.asn,
            router_id=config.router_id,
            rounds=list(config.rounds),
            preference=config.preference,
            cluster_id=config.cluster_id,
            multipath=config.multipath,
        )
        self._sessions, self._numbers, self._names, self._free, self._deadlines = {}, {}, {}, [], Deadlines()
        self._asked, self._kept, self._refreshing, self._awaited = {}, {}, {}, {}
        for name, peer in config.peers.items():
            self._add_peer(name, peer)
        for prefix, origin in config.origins.items():
            self.rib.originate(prefix, origin.json())

    def _add_peer(self, name: str, peer: PeerConfig) -> None:
        number = heappop(self._free) if self._free else len(self._names)
        self.rib.set_peer(number, peer.policy.json())
        self._numbers[name], self._names[number] = number, name
        self._make_session(name)

    def _make_session(self, name: str) -> None:
        chance = None if self._seed is None else random.Random(f"{self._seed} {self.config.name} {name}")
        self._sessions[name] = Session(self.config.peers[name].session, chance)
        self._sessions[name].restarted = self._restarted and name in self._awaited
        self._deadlines.set(name, None)

    def _session_is_up(self, name: str) -> bool:
        return self._sessions[name].state is events.State.ESTABLISHED

    def _handle(self, name: str, event: events.Event, now: Instant) -> None:
        self._perform(name, self._sessions[name].handle(event, now), now)

    def _perform(self, name: str, actions: Sequence[events.Action], now: Instant) -> None:
        """Do what a session asks: RIB work here, the rest is the driver's."""
        session, number = self._sessions[name], self._numbers[name]
        refused: PeerError | None = None
        for action in actions:
            if self._watch is not None:
                self._watch(name, action)
            match action:
                case events.Connect():
                    self._actions.append(Connect(name))
                case events.Send(transport=transport, data=data):
                    self._actions.append(Send(name, transport, data))
                case events.Close(transport=transport):
                    self._actions.append(Close(name, transport))
                case events.Up(open=message):
                    self.rib.peer_up(
                        number,
                        four_octet_as=message.four_octet_as and session.config.four_octet_as,
                        families=[family for family in session.config.families if family in message.families],
                        max_message=65535 if message.extended_message else 4096,
                        router_id=message.router_id,
                    )
                    self._is_back(name, message, now)
                case events.Down(keep=keep, keep_s=keep_s):
                    self._is_away(name, keep, keep_s, now)
                case events.Deliver(data=data):
                    if refused is None and (error := self.rib.receive(number, data)):
                        refused = PeerError(error.code, error.subcode, error.data, error.reason)
                    for family in self.rib.ended(number):
                        self._ended(name, family)
                case events.Refresh(afi=afi, safi=safi, enhanced=enhanced):
                    self._asked.setdefault(number, {})[afi, safi] = enhanced
                case events.Refreshing(afi=afi, safi=safi, begins=True):
                    self.rib.mark_stale(number, afi, safi)
                    self._refreshing[name, afi, safi] = after(now, seconds(session.config.refresh_s))
                case events.Refreshing(afi=afi, safi=safi):
                    if self._refreshing.pop((name, afi, safi), None) is not None:
                        self.rib.sweep_stale(number, afi, safi)
                case events.Transition(old=former, new=state, why=why):
                    self._journal(name, "session", f"{former.value} -> {state.value}: {why}")
                case events.Notified(sent=sent, text=text):
                    self._journal(name, "notification", f"{'sent' if sent else 'received'} {text}")
                case _:
                    assert_never(action)
        if refused:
            self._perform(name, session.peer_refused_at(now, refused), now)
        self._deadlines.set(name, self._due(name))

    def _due(self, name: str) -> Instant | None:
        times = [self._sessions[name].deadline(), self._kept[name].until if name in self._kept else None]
        if self._refreshing:
            times += [until for (peer, _, _), until in self._refreshing.items() if peer == name]
        return min((at for at in times if at is not None), default=None)

    # --- graceful restart ---------------------------------------------------------------------------------------------

    def _is_away(self, name: str, keep: restart.Families, keep_s: float, now: Instant) -> None:
        """Its session ended: what it announced goes, or waits for it (RFC 4724 section 4.2)."""
        number = self._numbers[name]
        self._asked.pop(number, None)
        self.rib.peer_down(number, keep=keep)
        self._refreshing = {key: until for key, until in self._refreshing.items() if key[0] != name}
        self._kept.pop(name, None)
        if keep:
            self._kept[name] = Kept(keep, after(now, seconds(keep_s)))
            self._journal(name, "session", f"graceful restart: its routes are kept for {keep_s:g} s")
        if self._awaited.get(name) is not None:
            self._awaited[name] = None

    def _keep_no_longer(self, name: str) -> None:
        """Nothing waits for a peer that is away, as the operator ended or changed its session."""
        if self._kept.pop(name, None) is not None:
            self.rib.peer_down(self._numbers[name])

    def _is_back(self, name: str, message: OpenMessage, now: Instant) -> None:
        """Its session is up: of families that it didn't forward on, or doesn't speak any more, nothing is kept longer."""
        config, number = self._sessions[name].config, self._numbers[name]
        if (kept := self._kept.get(name)) is not None:
            named = [family for family in restart.preserved(message) if family in message.families]
            for afi, safi in kept.families:
                if (afi, safi) not in named:
                    self.rib.sweep_stale(number, afi, safi)
            kept.families = tuple(family for family in kept.families if family in named)
            if kept.families and config.graceful_restart is not None:
                kept.until = after(now, seconds(config.graceful_restart.stale_s))
            else:
                del self._kept[name]
        if name in self._awaited:
            common = tuple(family for family in config.families if family in message.families)
            waited = set(restart.kept_families(config.graceful_restart, message, common))
            self._awaited[name] = waited
            if not waited or restart.has_restarted(message):
                self._told_all(name)

    def _ended(self, name: str, family: tuple[int, int]) -> None:
        """Its End-of-RIB came: what it has not told again is gone."""
        if (kept := self._kept.get(name)) is not None and family in kept.families:
            self.rib.sweep_stale(self._numbers[name], *family)
            kept.families = tuple(each for each in kept.families if each != family)
            if not kept.families:
                del self._kept[name]
        if (waited := self._awaited.get(name)) is not None:
            waited.discard(family)
            if not waited:
                self._told_all(name)

    def _expire(self, name: str, now: Instant) -> None:
        """What was kept for too long goes."""
        number = self._numbers[name]
        if (kept := self._kept.get(name)) is not None and kept.until <= now:
            gone = sum(self.rib.sweep_stale(number, *family) for family in kept.families)
            del self._kept[name]
            self._journal(name, "session", f"graceful restart: {gone} routes were kept long enough")
        for (peer, afi, safi), until in list(self._refreshing.items()):
            if peer == name and until <= now:
                del self._refreshing[peer, afi, safi]
                self.rib.sweep_stale(number, afi, safi)

    def _await_peers(self, now: Instant) -> None:
        """After a restart: wait for all who may have kept our routes, for the longest of the times that were configured."""
        offers = {name: peer.session.graceful_restart for name, peer in self.config.peers.items() if peer.enabled}
        self._awaited = {name: None for name, offer in offers.items() if offer is not None}
        for name in self._awaited:
            self._sessions[name].restarted = True
        if self._awaited:
            longest_s = max(offer.defer_s for offer in offers.values() if offer is not None)
            self._deadlines.set(_RESTART, after(now, seconds(longest_s)))
        else:
            self._end_restart()

    def _told_all(self, name: str) -> None:
        del self._awaited[name]
        if not self._awaited:
            self._end_restart()

    def _end_restart(self) -> None:
        """All told us their routes, or had time enough: decide, and tell ours."""
        if self._restarted:
            self._restarted = False
            self._deadlines.set(_RESTART, None)
            for session in self._sessions.values():
                session.restarted = False

    @property
    def restarting(self) -> bool:
        """Whether it has restarted, and waits for its peers' routes before it decides."""
        return self._restarted

    def _journal(self, name: str, kind: str, text: str) -> None:
        self._actions.append(Journal(name, kind, text))

    def _take(self) -> list[SpeakerAction]:
        actions, self._actions = self._actions, []
        return actions


def _identity(config: SpeakerConfig) -> tuple[object, ...]:
    """What can't be changed in a speaker that lives."""
    return config.name, config.asn, config.router_id, config.cluster_id, config.multipath
