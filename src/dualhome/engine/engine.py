"""The whole network as one machine: what happens goes in with its time, effects on transports come out. It keeps no clock and does no I/O."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dualhome._core import Route
from dualhome.bgp import events as session_events
from dualhome.bgp import speaker as speaker_actions
from dualhome.bgp.config import OriginConfig, PeerConfig, SpeakerConfig
from dualhome.bgp.events import State
from dualhome.bgp.speaker import Speaker
from dualhome.engine import events
from dualhome.engine.carriers import Carriers, crashed, mute
from dualhome.engine.events import Effect, JournalEntry, Target
from dualhome.engine.faults import Faults, covers, pair_of
from dualhome.engine.programs import Programs, Slow
from dualhome.engine.views import RouteView, SessionView, route_view
from dualhome.errors import RequestError
from dualhome.forwarding.programming import programmed_by
from dualhome.forwarding.trace import paths
from dualhome.forwarding.world import Programmed, RibHop
from dualhome.model import GatewayKind, Network, Programming, base_name
from dualhome.net import Address, Prefix
from dualhome.plan import Carrier, Plan
from dualhome.units import Duration, Instant, after, as_seconds

START = Instant(0)


class Engine:
    """All speakers of a plan, what carries their sessions, what is broken, and what the NICs have. It is the `World` that forwarding asks."""

    def __init__(self, plan: Plan, seed: int | None = None) -> None:
        self.plan = plan
        self.memo: dict[object, Any] = {}
        self.journal: list[JournalEntry] = []
        self.speakers: dict[str, Speaker] = {}
        self.now = START
        self._seed = seed
        self._faults = Faults()
        self._carriers = Carriers(self, self._faults, plan)
        self._version = 0
        self._shape = 0
        self._stopped: dict[str, None] = {}
        self._touched: dict[str, None] = {}
        self._rib_versions: dict[str, int] = {}
        self._since: dict[tuple[str, str], Instant] = {}
        self._own: dict[str, dict[Prefix, bool]] = {}
        self._unreached: dict[tuple[str, str], None] = {}
        self._judged = -1
        self._bfd: dict[tuple[str, str], Instant] = {}
        self._alarms: list[tuple[Instant, str]] = []
        self._slow: dict[str, Slow] = {}
        self._hops: dict[str, tuple[int, list[tuple[Prefix, tuple[RibHop, ...]]]]] = {}
        self._programs = Programs(self._compute, self._program_versions, self._nobody_programs)

    # --- what happens -------------------------------------------------------------------------------------------------

    def start(self, now: Instant) -> list[Effect]:
        """All speakers start."""
        self.now = now
        effects: list[Effect] = []
        self._unreached = {(c.speaker, c.prefix): None for c in self.plan.conditions}
        for name in self.plan.speakers:
            self.speakers[name] = Speaker(self._config(name), self._seed)
            self._since.update({(name, peer): now for peer in self.plan.speakers[name].config.peers})
        for name, speaker in self.speakers.items():
            self._touched[name] = None
            self._take(name, speaker.start(now), effects)
        self._shape_changed()
        effects += self.flush(now)
        for virtual_network in self._slow_networks():
            self._slow[virtual_network] = Slow(self._programming(virtual_network), {})
        return effects

    def handle(self, event: events.Event, now: Instant) -> list[Effect]:
        """One event; `flush` follows the last of an instant."""
        self.now = now
        effects: list[Effect] = []
        match event:
            case events.TransportUp(speaker=name, peer=peer, transport=transport):
                self._session_event(name, peer, session_events.Connected(transport), effects)
            case events.TransportFailed(speaker=name, peer=peer):
                self._session_event(name, peer, session_events.ConnectFailed(), effects)
            case events.Accepted(speaker=name, peer=peer, transport=transport):
                self._session_event(name, peer, session_events.Accepted(transport), effects)
            case events.Bytes(speaker=name, peer=peer, transport=transport, data=data):
                self._session_event(name, peer, session_events.Received(transport, data), effects)
            case events.TransportClosed(speaker=name, peer=peer, transport=transport):
                self._session_event(name, peer, session_events.Closed(transport), effects)
            case events.Fail(target=target):
                self._fail(target, effects)
            case events.Restore(target=target):
                self._restore(target, effects)
            case events.Announce(node=node, prefixes=prefixes):
                self._announce(node, prefixes, True, effects)
            case events.Withdraw(node=node, prefixes=prefixes):
                self._announce(node, prefixes, False, effects)
            case events.Change(plan=plan):
                self._change(plan, effects)
        return effects

    def flush(self, now: Instant) -> list[Effect]:
        """Decide and send whatever the events of this instant have left, then judge what hangs on routes."""
        self.now = now
        effects: list[Effect] = []
        for _ in range(8):  # conditions may follow one another; a cycle of them goes on at the next instant
            for name in sorted(self._touched):
                if name in self._stopped or name not in self.speakers:
                    continue
                speaker = self.speakers[name]
                self._take(name, speaker.flush(now), effects)
                self._note_version(name)
                if (later := speaker.deadline()) is not None:
                    heapq.heappush(self._alarms, (later, name))
            self._touched.clear()
            if not self._judge_conditions(effects):
                break
        for virtual_network, slow in self._slow.items():
            slow.want(self._programs.table(virtual_network, None), now)
            if slow.tick(now):
                self._version += 1
        return effects

    def tick(self, now: Instant) -> list[Effect]:
        """All timers that are due."""
        self.now = now
        effects: list[Effect] = []
        while self._alarms and self._alarms[0][0] <= now:
            _, name = heapq.heappop(self._alarms)
            speaker = self.speakers.get(name)
            if speaker is None or name in self._stopped:
                continue
            deadline = speaker.deadline()
            if deadline is not None and deadline <= now:
                self._take(name, speaker.tick(now), effects)
                self._touched[name] = None
        for pair in [pair for pair, due in self._bfd.items() if due <= now]:
            del self._bfd[pair]
            self._log("bfd", "/".join(pair), "down: nothing heard for the detection time")
            effects.append(events.Break(*pair))
        return effects

    def deadline(self) -> Instant | None:
        """When `tick` is wanted next, at the latest."""
        while self._alarms:
            when, name = self._alarms[0]
            speaker = self.speakers.get(name)
            if speaker is not None and name not in self._stopped and speaker.deadline() == when:
                break
            heapq.heappop(self._alarms)
            if speaker is not None and name not in self._stopped and (later := speaker.deadline()) is not None and later > when:
                heapq.heappush(self._alarms, (later, name))
        due = [self._alarms[0][0]] if self._alarms else []
        due += [each for slow in self._slow.values() if (each := slow.deadline()) is not None]
        return min([*due, *self._bfd.values()], default=None)

    # --- events in detail ---------------------------------------------------------------------------------------------

    def _session_event(self, name: str, peer: str, event: session_events.Event, effects: list[Effect]) -> None:
        if name in self.speakers and name not in self._stopped:
            self._take(name, self.speakers[name].handle(peer, event, self.now, defer=True), effects)
            self._touched[name] = None

    def _take(self, name: str, actions: Sequence[speaker_actions.SpeakerAction], effects: list[Effect]) -> None:
        """A speaker's actions become the network's effects."""
        for action in actions:
            match action:
                case speaker_actions.Connect(peer=peer):
                    effects.append(events.Open(name, peer))
                case speaker_actions.Send(peer=peer, transport=transport, data=data):
                    effects.append(events.Send(name, peer, transport, data))
                case speaker_actions.Close(peer=peer, transport=transport):
                    effects.append(events.Close(name, peer, transport))
                case speaker_actions.Journal(peer=peer, kind=kind, text=text):
                    if kind == "session":
                        self._since[name, peer] = self.now
                    self._log(kind, f"{name}/{peer}", text)

    def _log(self, kind: str, who: str, text: str) -> None:
        self.journal.append(JournalEntry(self.now, kind, who, text))

    def _fail(self, target: Target, effects: list[Effect]) -> None:
        self._remember_programs()
        self._faults.add(target)
        self._log("fail", target.name, target.how)
        self._shape_changed()
        if target.kind == "link" and target.how == "crash":
            for session in self.plan.sessions:
                first, second = pair_of(target.name)
                if any(covers(first, a) and covers(second, b) for a, b in ((session.a, session.b), (session.b, session.a))):
                    effects.append(events.Break(session.a, session.b))
        self._follow(effects)

    def _restore(self, target: Target | str, effects: list[Effect]) -> None:
        if isinstance(target, str):
            self._faults.active.clear()
        elif not self._faults.remove(target):
            raise RequestError(f"{target.name!r} has not failed")
        self._log("restore", target if isinstance(target, str) else target.name, "")
        self._shape_changed()
        self._follow(effects)

    def _follow(self, effects: list[Effect]) -> None:
        """Speakers stop, start or change as failures and configuration want it now."""
        for name in list(self.speakers):
            gone = crashed(self._faults, self.network, name)
            if gone and name not in self._stopped:
                self._take(name, self.speakers[name].stop(self.now, silent=True), effects)
                self._stopped[name] = None
                effects.append(events.Break(name))
                self._note_version(name)
        for name, speaker in self.speakers.items():
            config = self._config(name)
            if config is not speaker.config and config != speaker.config:
                self._take(name, speaker.reconfigure(config, self.now), effects)
                self._touched[name] = None
            if name in self._stopped and not crashed(self._faults, self.network, name):
                del self._stopped[name]
                self._take(name, speaker.start(self.now), effects)
                self._touched[name] = None

    def _announce(self, node: str, prefixes: Sequence[Prefix], announced: bool, effects: list[Effect]) -> None:
        if node not in self.speakers:
            raise RequestError(f"{node!r} speaks no BGP")
        self._own.setdefault(node, {}).update(dict.fromkeys(prefixes, announced))
        self._log("announce" if announced else "withdraw", node, " ".join(map(str, prefixes)))
        self._follow(effects)

    def _change(self, plan: Plan, effects: list[Effect]) -> None:
        """Speakers that are gone stop, new ones start, the rest is reconfigured; a failure goes on."""
        self._remember_programs()
        self.plan = plan
        for name in [name for name in self.speakers if name not in plan.speakers]:
            self._take(name, self.speakers.pop(name).stop(self.now), effects)
            self._stopped.pop(name, None)
            self._rib_versions.pop(name, None)
        known = {(c.speaker, c.prefix) for c in plan.conditions}
        self._unreached = {key: None for key in self._unreached if key in known}
        self._shape_changed()
        self._follow(effects)
        for name in plan.speakers:
            if name not in self.speakers:
                speaker = self.speakers[name] = Speaker(self._config(name), self._seed)
                if crashed(self._faults, self.network, name):
                    self._stopped[name] = None
                else:
                    self._take(name, speaker.start(self.now), effects)
                    self._touched[name] = None
        order = {name: place for place, name in enumerate(plan.speakers)}
        self.speakers = dict(sorted(self.speakers.items(), key=lambda item: order[item[0]]))
        for virtual_network in self._slow_networks():
            settings = self._programming(virtual_network)
            if virtual_network in self._slow:
                self._slow[virtual_network].settings = settings
            else:
                self._slow[virtual_network] = Slow(settings, self._programs.table(virtual_network, None))
        self._slow = {name: slow for name, slow in self._slow.items() if name in set(self._slow_networks())}
        self._log("change", plan.network.name, "")

    def _shape_changed(self) -> None:
        """Failures or configuration are others now: what carries sessions is asked anew, and BFD looks at it."""
        self._shape += 1
        self._version += 1
        self._carriers.change(self.plan)
        for session in self.plan.sessions:
            pair = session.ends
            if session.bfd is None:
                continue
            if self.carries(*pair) and self.carries(*reversed(pair)):
                self._bfd.pop(pair, None)
            else:
                self._bfd.setdefault(pair, after(self.now, Duration(session.bfd.interval_ms * session.bfd.multiplier * 1000)))

    def _judge_conditions(self, effects: list[Effect]) -> bool:
        """A prefix that hangs on a host is announced while the router reaches it (R162); whether anything changed."""
        if not self.plan.conditions or self._judged == self._version:
            return False
        self._judged = self._version
        before = dict(self._unreached)
        for condition in self.plan.conditions:
            key = (condition.speaker, condition.prefix)
            reached = self.alive(condition.speaker) and any(
                path.outcome == "delivered" for path in paths(self, condition.speaker, condition.host)
            )
            if reached:
                self._unreached.pop(key, None)
            else:
                self._unreached[key] = None
        if before.keys() == self._unreached.keys():
            return False
        self._follow(effects)
        return True

    def _note_version(self, name: str) -> None:
        version = self.speakers[name].version()
        if self._rib_versions.get(name) != version:
            self._rib_versions[name] = version
            self._version += 1

    # --- configuration as it is in force ------------------------------------------------------------------------------

    def _config(self, name: str) -> SpeakerConfig:
        """The plan's, with what failures, announcements and conditions make of it; the plan's own object where they make nothing."""
        config = self.plan.speakers[name].config
        peers = {
            peer: replace(each, enabled=enabled)
            for peer, each in config.peers.items()
            if (enabled := self._enabled(name, peer, each)) != each.enabled
        }
        origins = self._origins(name, config)
        if not peers and origins is None:
            return config
        return replace(config, peers={**config.peers, **peers}, origins=config.origins if origins is None else origins)

    def _enabled(self, name: str, peer: str, config: PeerConfig) -> bool:
        """A failed session is down on both ends; one of a standby instance is up while the other instance can't work."""
        if self._faults.active and any(True for _ in self._faults.of_pair("session", name, peer)):
            return False
        return config.enabled or (self._in_service(name) and self._in_service(peer))

    def _in_service(self, speaker: str) -> bool:
        """Whether this instance is the one that works: of a VPN gateway that isn't active-active the second, while the first can't."""
        gateway = self.network.gateways.get(base_name(speaker))
        if gateway is None or gateway.kind is GatewayKind.EXPRESSROUTE or gateway.active_active:
            return True
        return speaker.endswith("#0") or (bool(self._faults.active) and mute(self._faults, self.network, f"{gateway.name}#0"))

    def _origins(self, name: str, config: SpeakerConfig) -> dict[Prefix, OriginConfig] | None:
        own = self._own.get(name, {})
        unreached = [prefix for speaker, prefix in self._unreached if speaker == name]
        if not own and not unreached:
            return None
        origins = {p: o for p, o in config.origins.items() if own.get(p, True) and str(p) not in unreached}
        address = Address.parse(next((p.policy.local_address for p in config.peers.values()), config.router_id))
        router = self.network.router(name)
        if router is not None and router.address is not None:
            address = router.address
        for prefix, announced in own.items():
            if announced and prefix not in config.origins:
                origins[prefix] = OriginConfig(prefix=prefix, next_hop=address, tags=("self", "originated"))
        return origins

    # --- the world, as forwarding asks it -----------------------------------------------------------------------------

    @property
    def network(self) -> Network:
        """The model."""
        return self.plan.network

    def alive(self, node: str) -> bool:
        """Whether packets pass this node."""
        return not self._faults.active or not any(True for _ in self._faults.of_node(self.network, node))

    def joined(self, a: str, b: str) -> bool:
        """Whether what joins the two works."""
        return not self._faults.active or not any(True for _ in self._faults.of_pair("link", a, b))

    def carries(self, speaker: str, peer: str) -> bool:
        """Whether a packet of their session's transport, sent by `speaker` now, would arrive at `peer`."""
        return self._carriers.carries(speaker, peer)

    def carrier(self, a: str, b: str) -> Carrier:
        """What carries the session of two speakers."""
        session = self._carriers.session(a, b)
        return session.carrier if session else Carrier.NOWHERE

    def programmed(self, virtual_network: str, nic: str | None) -> Mapping[Prefix, Programmed]:
        """What the NIC has from its virtual network's route server and gateways."""
        if virtual_network in self._slow:
            return self._slow[virtual_network].installed
        return self._programs.table(virtual_network, self._part(virtual_network, nic))

    def rib(self, speaker: str, address: Address) -> tuple[Prefix, tuple[RibHop, ...]] | None:
        """Longest match of a speaker's Loc-RIB."""
        mine = self.speakers.get(speaker)
        routes = mine.rib.lookup(str(address)) if mine is not None else []
        if mine is None or not routes:
            return None
        hops = tuple(
            RibHop(peer=mine.peer_name(r.peer) if r.peer >= 0 else None, next_hop=Address.parse(r.next_hop), tags=tuple(r.tags))
            for r in routes
        )
        return Prefix(*routes[0].prefix), hops

    def shape(self) -> int:
        """Grows with failures and changes of configuration."""
        return self._shape

    def version(self) -> int:
        """Grows with every change of what the others answer."""
        return self._version

    # --- programming --------------------------------------------------------------------------------------------------

    def _part(self, virtual_network: str, nic: str | None) -> int | None:
        """Under partition each NIC belongs to one instance (R73): in the order of the NICs, alternately."""
        rs = self.network.route_server_of(virtual_network)
        if rs is None or rs.programming.by != "partition" or nic is None:
            return None
        order = [each.name for each in self.network.nics()]
        return order.index(nic) % 2 if nic in order else 0

    def _compute(self, virtual_network: str, part: int | None) -> Mapping[Prefix, Programmed]:
        return programmed_by(self.network, virtual_network, self._table, self._works, part)

    def _works(self, speaker: str) -> bool:
        return speaker not in self._stopped and not mute(self._faults, self.network, speaker)

    def _table(self, speaker: str) -> list[tuple[Prefix, tuple[RibHop, ...]]]:
        """A Loc-RIB in bulk, made once for each of its versions."""
        mine = self.speakers.get(speaker)
        if mine is None:
            return []
        known = self._hops.get(speaker)
        if known is None or known[0] != mine.version():
            names = {number: name for name in mine.config.peers for number in (mine.peer_number(name),)}
            made: dict[tuple[str, int], RibHop] = {}
            own = mine.config.origins
            rows = []
            for key, ways in mine.rib.best():
                prefix = Prefix(*key)
                hops = []
                for next_hop, number, _ in ways:
                    if number < 0:
                        tags = own[prefix].tags if prefix in own else ("self",)
                        hops.append(RibHop(peer=None, next_hop=Address.parse(next_hop), tags=tags))
                    else:
                        if (next_hop, number) not in made:
                            name = names[number]
                            made[next_hop, number] = RibHop(
                                peer=name, next_hop=Address.parse(next_hop), tags=mine.config.peers[name].policy.tags
                            )
                        hops.append(made[next_hop, number])
                rows.append((prefix, tuple(hops)))
            known = (mine.version(), rows)
            self._hops[speaker] = known
        return known[1]

    def _programmers(self, virtual_network: str) -> Iterator[str]:
        rs = self.network.route_server_of(virtual_network)
        objects = [*([rs.name] if rs else []), *(g.name for g in self.network.gateways_of(virtual_network))]
        return (f"{name}#{i}" for name in objects for i in (0, 1))

    def _program_versions(self, virtual_network: str) -> tuple[object, ...]:
        return (self._shape, *(self.speakers[n].version() if n in self.speakers else None for n in self._programmers(virtual_network)))

    def _nobody_programs(self, virtual_network: str) -> bool:
        """Both instances of the route server are dead: what they programmed stays (D15)."""
        rs = self.network.route_server_of(virtual_network)
        return rs is not None and not any(self._works(f"{rs.name}#{i}") for i in (0, 1))

    def _remember_programs(self) -> None:
        """Before something breaks, what is programmed must be known, as it may be all that stays."""
        for rs in self.network.route_servers.values():
            for part in (0, 1) if rs.programming.by == "partition" else (None,):
                self._programs.table(rs.virtual_network, part)

    def _slow_networks(self) -> list[str]:
        return [rs.virtual_network for rs in self.network.route_servers.values() if rs.programming.delay_s or rs.programming.damping_s]

    def _programming(self, virtual_network: str) -> Programming:
        rs = self.network.route_server_of(virtual_network)
        assert rs is not None, f"{virtual_network} has no route server"
        return rs.programming

    # --- questions ----------------------------------------------------------------------------------------------------

    def sessions(self) -> list[SessionView]:
        """All sides of all sessions."""
        return [self.session(name, peer) for name, plan in self.plan.speakers.items() for peer in plan.config.peers]

    def session(self, speaker: str, peer: str) -> SessionView:
        """One side of a session."""
        mine = self.speakers[speaker]
        session = mine.session(peer)
        up = session.state is State.ESTABLISHED and speaker not in self._stopped
        return SessionView(
            speaker=speaker,
            peer=peer,
            state=session.state.value if speaker not in self._stopped else State.IDLE.value,
            since_s=as_seconds(self._since.get((speaker, peer), START)),
            last_error=session.last_error,
            hold_time_s=(session.hold_time_s or 0) if up else 0,
            routes_learned=len(mine.learned(peer)) if up else 0,
            carrier=self.carrier(speaker, peer).value,
        )

    def select(self, name: str) -> list[str]:
        """Full names of the speakers that a name means."""
        return [each for each in self.plan.speakers if covers(name, each)]

    def learned(self, speaker: str, peer: str) -> list[RouteView]:
        """What the speaker holds from the peer, before its rules."""
        return self._views(speaker, peer, self.speakers[speaker].learned(peer))

    def rejected(self, speaker: str, peer: str | None = None) -> list[RouteView]:
        """What it refused."""
        return self._views(speaker, peer, self.speakers[speaker].rejected(peer))

    def advertised(self, speaker: str, peer: str) -> list[RouteView]:
        """What it tells the peer."""
        return self._views(speaker, peer, self.speakers[speaker].advertised(peer), advertised=True)

    def table(self, speaker: str, prefix: Prefix | None = None) -> list[RouteView]:
        """Its Loc-RIB, with what lost."""
        return self._views(speaker, None, self.speakers[speaker].table(prefix))

    def _views(self, name: str, peer: str | None, routes: Sequence[Route], *, advertised: bool = False) -> list[RouteView]:
        mine, kind = self.speakers[name], self.plan.speakers[name].kind
        view = partial(route_view, name, mine, kind, advertised=advertised)
        return [view(peer or (mine.peer_name(r.peer) if r.peer >= 0 else None) or "self", r) for r in routes]

    # --- rest ---------------------------------------------------------------------------------------------------------

    def may_connect(self, speaker: str, peer: str) -> bool:
        """Whether an attempt may succeed: both run, both want it, and packets pass both ways."""
        both = ((speaker, peer), (peer, speaker))
        return all(self.wants(a, b) for a, b in both) and all(self.carries(a, b) for a, b in both)

    def wants(self, speaker: str, peer: str) -> bool:
        """Whether the speaker runs and has the session enabled; a peer that it doesn't know is refused (R76)."""
        mine = self.speakers.get(speaker)
        if mine is None or speaker in self._stopped or peer not in mine.config.peers:
            return False
        return mine.config.peers[peer].enabled

    def restless(self, session: str, peer: str) -> str | None:
        """Why this session isn't at rest: it will come up, or it will go down; None where nothing of it can change."""
        if peer not in self.speakers:
            return None
        mine = self.speakers[session]
        up = session not in self._stopped and mine.session(peer).state is State.ESTABLISHED
        if up and not (self.carries(session, peer) and self.carries(peer, session)):
            return f"{session}/{peer} is Established and its packets don't arrive: a hold timer will end it"
        if not up and self.may_connect(session, peer):
            return f"{session}/{peer} is {mine.session(peer).state.value} and may come up"
        if up and not self.wants(peer, session):
            return f"{session}/{peer} is Established and {peer} is gone"
        return None

    def pending_programming(self) -> str | None:
        """Whether a route is on its way to NICs."""
        waiting = [name for name, slow in self._slow.items() if slow.due]
        return f"routes are on their way to the NICs of {', '.join(waiting)}" if waiting else None
