"""The whole network as one machine: what happens goes in with its time, effects on transports come out. It keeps no clock and does no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, assert_never

from dualhome._core import Route
from dualhome.bgp import events as session_events
from dualhome.bgp import speaker as actions
from dualhome.bgp.deadlines import Deadlines
from dualhome.bgp.speaker import Speaker
from dualhome.engine import events, rest
from dualhome.engine.balancers import Balancers
from dualhome.engine.carriers import Carriers
from dualhome.engine.decisions import Decisions
from dualhome.engine.detection import Detection
from dualhome.engine.events import Effect, JournalEntry, Target
from dualhome.engine.faults import Faults, covers, pair_of
from dualhome.engine.force import InForce
from dualhome.engine.memory import Memory
from dualhome.engine.outside import Outside
from dualhome.engine.programs import LocRibs, Programs
from dualhome.engine.speaks import MakeSpeaker, Speaks
from dualhome.engine.standby import Standby
from dualhome.engine.translate import effect_of, session_event
from dualhome.engine.views import RouteView, SessionView, route_view, session_view
from dualhome.errors import RequestError
from dualhome.forwarding.security import answers_probes
from dualhome.forwarding.trace import paths
from dualhome.forwarding.world import Programmed, RibHop
from dualhome.model import Network, Nic
from dualhome.net import Address, Prefix
from dualhome.plan import Carrier, Plan
from dualhome.units import Instant, between, seconds

START = Instant(0)
LASTING = seconds(60)  # a session that was up for longer didn't fail as it did before
COLLISION = "(6/7)"  # of two transports one is given up (RFC 4486): no refusal, and no news of one
ROUNDS = 8  # of conditions that follow one another in one instant


class Engine:
    """All speakers of a plan, what carries their sessions, what is broken, what NICs have. It is the `World` that forwarding asks."""

    def __init__(self, plan: Plan, seed: int | None = None, outside: Outside | None = None, make: MakeSpeaker = Speaker) -> None:
        self.plan = plan
        self._outside, self._make = outside, make
        self.journal: list[JournalEntry] = []
        self.decisions = Decisions()
        self.speakers: dict[str, Speaks] = {}
        self.memo: dict[object, Any] = {}
        self.now = START
        self._seed = seed
        self._version = self._shape = 0
        self._faults = Faults(plan.network)
        self._standby = Standby(plan.network, self._faults.mute)
        self._memory = Memory(plan)
        self._force = InForce(plan, self._faults, self._standby, self._memory)
        self._loc_ribs = LocRibs(self.speakers)
        self._programs = Programs(plan.network, self.speakers, self._loc_ribs, self._works)
        self._carriers = Carriers(self, self._faults, plan)
        self._detection = Detection(plan)
        self._dead: dict[str, None] = {}  # speakers that crashed
        self._ended: dict[str, None] = {}  # speakers whose process ended by itself
        self._touched: dict[str, None] = {}  # to be flushed
        self._deadlines = Deadlines()
        self._rib_versions: dict[str, int] = {}
        self._since: dict[tuple[str, str], Instant] = {}
        self._refused: dict[tuple[str, str], tuple[str, int]] = {}
        self._endings: dict[tuple[str, str], tuple[str, int]] = {}
        self._forgotten = False  # a session ended of which something was remembered
        self._restless = ("", "")
        self._judged = -1
        self._balancers = Balancers(plan.network, self._answers)  # it asks the rest at once

    # --- what happens -------------------------------------------------------------------------------------------------

    def start(self, now: Instant) -> list[Effect]:
        """All speakers start, cold."""
        self.now = now
        effects: list[Effect] = []
        self._follow(effects)
        return [*effects, *self.flush(now)]

    def stop(self, now: Instant) -> list[Effect]:
        """All speakers end their sessions, and say so."""
        self.now = now
        effects: list[Effect] = []
        for name, speaker in self.speakers.items():
            if name not in self._dead:
                self._take(name, speaker.stop(now), effects)
        return effects

    def handle(self, event: events.Event, now: Instant) -> list[Effect]:
        """One event. After the last one of an instant call `flush`: only then routes are decided and sent.

        Raises:
            RequestError: the event names what isn't there; then nothing has happened.
        """
        self.now = now
        effects: list[Effect] = []
        match event:
            case events.Bytes() | events.TransportUp() | events.TransportFailed() | events.Accepted() | events.TransportClosed():
                self._session(event, effects)
            case events.Fail(target=target):
                self._fail(target, effects)
            case events.Restore(target=mended):
                self._restore(mended, effects)
            case events.Announce(node=node, prefixes=prefixes):
                self._announce(node, prefixes, True, effects)
            case events.Withdraw(node=node, prefixes=prefixes):
                self._announce(node, prefixes, False, effects)
            case events.Change(plan=plan):
                self._change(plan, effects)
            case events.Undetected(a=a, b=b):
                self._undetected(a, b, effects)
            case events.Ready(speaker=name):
                if name in self.speakers and name not in self._dead:
                    self._take(name, self.speakers[name].flush(now), effects)
            case events.Ended(speaker=name, why=why):
                self._end(name, why, effects)
            case events.Again(speaker=name):
                self._again([name], effects)
            case _:
                assert_never(event)
        return effects

    def flush(self, now: Instant) -> list[Effect]:
        """Decide and send what the events of this instant left, speaker by speaker in order of their names; then judge what hangs on routes."""
        self.now = now
        effects: list[Effect] = []
        for _ in range(ROUNDS):
            while self._touched:
                for name in sorted(self._touched):
                    del self._touched[name]
                    if name in self.speakers and name not in self._dead:
                        self._take(name, self.speakers[name].flush(now), effects)
                    self.decisions.flushed(name)
            for place, count in self._programs.tick(now):
                self._version += 1
                self._log("programming", place, f"{count} prefixes changed on NICs")
            # Conditions come after programming, for a host may be reached by what NICs have only now.
            if not self._judge_conditions(effects) and not self._remembers(effects):
                break
        for pair in self._detection.look(self, now) if self._outside is None else ():
            self._undetected(*pair, effects)
        return effects

    def outside_changed(self) -> None:
        """A foreign speaker's routes or sessions are others now."""
        self._version += 1

    def tick(self, now: Instant) -> list[Effect]:
        """All timers of speakers that are due; `flush` follows, as after events."""
        self.now = now
        effects: list[Effect] = []
        if standing_in := self._standby.tick(now):
            for name in standing_in:
                self._log("standby", f"{name}#1", f"stands in for {name}#0")
            self._new_shape()
            self._follow(effects)
        for balancer, backend, healthy in self._balancers.tick(now):
            self._version += 1
            self._log("probe", balancer, f"{backend} is {'' if healthy else 'not '}healthy")
        for name in self._deadlines.due(now):
            self._take(name, self.speakers[name].tick(now), effects)
        return effects

    def deadline(self) -> Instant | None:
        """When `tick` and `flush` are wanted next, at the latest."""
        detected = self._detection.deadline() if self._outside is None else None
        wanted = (self._deadlines.first(), self._programs.deadline(), self._standby.deadline(), self._balancers.deadline(), detected)
        return min((due for due in wanted if due is not None), default=None)

    # --- speakers -----------------------------------------------------------------------------------------------------

    def _session(self, event: events.OfTransport, effects: list[Effect]) -> None:
        """An event of a transport; one of a speaker that is dead or gone comes too late."""
        name = event.speaker
        if name in self.speakers and name not in self._dead:
            if isinstance(event, events.Bytes):
                self.decisions.heard(name, event.peer, event.data)
            self._take(name, self.speakers[name].handle(event.peer, session_event(event), self.now, defer=True), effects)
            self._touched[name] = None

    def _take(self, name: str, done: Sequence[actions.SpeakerAction], effects: list[Effect]) -> None:
        """A speaker's actions become the network's effects; what else may have changed of it is noted."""
        for action in done:
            if isinstance(action, actions.Journal):
                self._note(name, action.peer, action.kind, action.text)
            else:
                effects.append(effect_of(name, action))
        speaker = self.speakers[name]
        self._deadlines.set(name, None if name in self._dead else speaker.deadline())
        if self._rib_versions.get(name) != speaker.version():
            self._rib_versions[name] = speaker.version()
            self._version += 1
            self.decisions.decided(name, speaker.rib, self.now)

    def _note(self, name: str, peer: str, kind: str, text: str) -> None:
        pair = (name, peer)
        if kind == "session":
            lasted = between(self._since.get(pair, self.now), self.now)
            self._since[pair] = self.now
            if text.startswith(f"{session_events.State.ESTABLISHED.value} ->"):
                last, count = self._endings.get(pair, ("", 0))
                self._endings[pair] = (text, count + 1 if text == last else 1)
                self._forgotten |= self._memory.ended(name, peer)
                if lasted > LASTING:
                    self._refused.pop(pair, None)
        elif kind == "notification" and COLLISION not in text:
            last, count = self._refused.get(pair, ("", 0))
            self._refused[pair] = (text, count + 1 if text == last else 1)
        self._log(kind, f"{name}/{peer}", text)

    def _log(self, kind: str, who: str, text: str) -> None:
        self.journal.append(JournalEntry(self.now, kind, who, text))

    def _follow(self, effects: list[Effect]) -> None:
        """Speakers appear, vanish, stop, start and change as plan and failures want it now."""
        for name in [name for name in self.speakers if name not in self.plan.speakers or self.foreign(name)]:
            self._take(name, self.speakers[name].stop(self.now), effects)
            effects.append(events.Vanish(name))  # its goodbye may have no way any more
            del self.speakers[name]
            self._deadlines.set(name, None)
            for known in (self._dead, self._ended, self._rib_versions):
                known.pop(name, None)
        for name in self.plan.speakers:
            if self.foreign(name):
                continue
            crashed, config = self._faults.crashed(name) or name in self._ended, self._force.config(name)
            if name not in self.speakers:
                self.speakers[name] = self._make(config, self._seed, self._writable(name))
                self._dead[name] = None  # until it starts
            speaker = self.speakers[name]
            if crashed and name not in self._dead:
                self._dead[name] = None
                self._take(name, speaker.stop(self.now, silent=True), effects)
                effects.append(events.Vanish(name))
            if config != speaker.config:
                self._take(name, speaker.reconfigure(config, self.now), effects)
            if name in self._dead and not crashed:
                del self._dead[name]
                self._take(name, speaker.start(self.now), effects)

    def _writable(self, name: str) -> Callable[[str], bool]:
        outside = self._outside
        return (lambda peer: True) if outside is None else (lambda peer: outside.writable(name, peer))

    def _undetected(self, a: str, b: str, effects: list[Effect]) -> None:
        self._log("bfd", f"{a}/{b}", "down: nothing arrived for the detection time")
        effects.append(events.Cut(a, b))

    # --- what is done to the network ----------------------------------------------------------------------------------

    def _fail(self, target: Target, effects: list[Effect]) -> None:
        after = Faults(self.network)
        after.active = self._faults.active
        after.add(target)
        self._programs.remember(self.now, lambda each: self._changes_at_once(each, target, after))
        cut = target.kind == "link" and target.how == "crash"
        before = [s.ends for s in self.plan.sessions if self._passes(*s.ends)] if cut else []
        self._faults.add(target)
        self._log("fail", target.name, target.how)
        self._standby.look(self.now)
        self._new_shape()
        self._follow(effects)
        for ends in before:
            if not self._passes(*ends):
                effects.append(events.Cut(*ends))

    def _changes_at_once(self, speaker: str, target: Target, after: Faults) -> bool:
        """Whether a failure changes what a speaker knows in this very instant: it dies, or a session is taken from it."""
        if target.kind == "session":
            return any(covers(end, speaker) for end in pair_of(target.name))
        return after.mute(speaker) and not self._faults.mute(speaker)

    def _restore(self, target: Target | str, effects: list[Effect]) -> None:
        ended = [name for name in self._ended if isinstance(target, str) or (target.kind == "node" and covers(target.name, name))]
        if isinstance(target, str):
            self._faults.clear()
        elif not self._faults.remove(target) and not ended:
            raise RequestError(f"{target.name!r} has not failed")
        self._log("restore", target if isinstance(target, str) else target.name, "")
        self._standby.look(self.now)
        self._new_shape()
        self._again(ended, effects)

    def _end(self, name: str, why: str, effects: list[Effect]) -> None:
        """A speaker is gone, its node is not: packets pass it still, by what others do with its routes."""
        if name in self.speakers and name not in self._dead:
            self._programs.remember(self.now, lambda each: each == name)
            self._ended[name] = None
            self._version += 1
            self._log("process", name, why)
            self._forgive()
            self._follow(effects)

    def _again(self, names: Sequence[str], effects: list[Effect]) -> None:
        """Speakers whose processes ended begin anew."""
        for name in names:
            if self._ended.pop(name, name) is None:
                self._version += 1
                self._log("process", name, "starts again")
        self._follow(effects)

    def _announce(self, node: str, prefixes: Sequence[Prefix], announced: bool, effects: list[Effect]) -> None:
        if self._outside is not None and self._outside.foreign(node):
            raise RequestError(self._outside.instead(node))
        if node not in self.speakers or self.network.router(node) is None:
            raise RequestError(f"{node!r} is no router that speaks BGP, so it can't {'announce' if announced else 'withdraw'} prefixes")
        self._force.announce(node, prefixes, announced)
        self._forgive()  # what is told is another now, and may be taken
        self._log("announce" if announced else "withdraw", node, " ".join(map(str, prefixes)))
        self._follow(effects)

    def _change(self, plan: Plan, effects: list[Effect]) -> None:
        """Failures stay, and so do announcements by hand; sessions that the plan doesn't touch go on."""
        self._programs.change(plan.network)
        self._memory.change(plan, self.speakers)
        self.plan = plan
        self._faults.of_network(plan.network)
        self._standby.change(plan.network)
        self._standby.look(self.now)
        self._force.change(plan)
        self._carriers.change(plan)
        self._detection.change(plan)
        self._log("change", plan.network.name, "")
        self._balancers.change(plan.network, self.now)
        self._new_shape()
        self._follow(effects)
        order = {name: place for place, name in enumerate(plan.speakers)}
        ordered = sorted(self.speakers.items(), key=lambda item: order[item[0]])
        self.speakers.clear()
        self.speakers.update(ordered)

    def hurry(self, now: Instant) -> None:
        """Sessions that wait to be tried again are, at the next `tick`: the ways may be others now. Speakers with a process of their own wait."""
        for name, speaker in self.speakers.items():
            if isinstance(speaker, Speaker) and name not in self._dead:
                speaker.hurry(now)
                self._deadlines.set(name, speaker.deadline())

    def _new_shape(self) -> None:
        """Failures or configuration are others now."""
        self._shape += 1
        self._version += 1
        self.memo.clear()
        self._carriers.forget()
        self._forgive()
        self._balancers.look(self.now)

    def _forgive(self) -> None:
        """How sessions were refused and ended before says nothing any more."""
        self._refused.clear()
        self._endings.clear()

    def _remembers(self, effects: list[Effect]) -> bool:
        """What route servers remember follows what was decided; whether that is news of any."""
        news = self._memory.look(self.speakers) or self._forgotten
        self._forgotten = False
        if news:
            self._follow(effects)
        return news

    def _judge_conditions(self, effects: list[Effect]) -> bool:
        """A prefix that hangs on a host is announced while the router reaches it (R162); whether that is news of any."""
        if not self.plan.conditions or self._judged == self._version:
            return False
        self._judged = self._version
        news = [each for each in self.plan.conditions if self._force.judge(each, self._reaches(each.speaker, each.host))]
        for each in news:
            self._log(
                "condition", each.speaker, f"{each.prefix}: {each.host} is {'un' * (not self._reaches(each.speaker, each.host))}reached"
            )
        if news:
            self._follow(effects)
        return bool(news)

    def _reaches(self, router: str, host: str) -> bool:
        return self.alive(router) and any(path.outcome == "delivered" for path in paths(self, router, host))

    # --- the world, as forwarding asks it -----------------------------------------------------------------------------

    @property
    def network(self) -> Network:
        """The model."""
        return self.plan.network

    def alive(self, node: str) -> bool:
        """Whether packets pass this node."""
        return not self._faults.node(node)

    def in_service(self, instance: str) -> bool:
        """Whether a gateway's instance takes its part."""
        return not self._standby.waits(instance)

    def healthy(self, balancer: str, machine: str) -> bool:
        """Whether a load balancer gives new flows to this backend, by what its probes told it."""
        return self._balancers.healthy(balancer, machine)

    def watch(self, destination: Address) -> None:
        """Keep what speakers decide about this destination from now on, in `decisions`."""
        self.decisions.watch(destination, [(name, speaker.rib) for name, speaker in self.speakers.items()])

    def joined(self, a: str, b: str) -> bool:
        """Whether what joins the two works."""
        return not self._faults.pair("link", a, b)

    def programmed(self, virtual_network: str, nic: str | None) -> Mapping[Prefix, Programmed]:
        """What the NIC has from its virtual network's route server and gateways; the same object while nothing changed."""
        return self._programs.table(virtual_network, nic)

    def programmer(self, virtual_network: str, nic: str) -> int | None:
        """The only instance of its route server that programs a NIC, under partition (R73); None where both do."""
        return self._programs.instance(virtual_network, nic)

    def rib(self, speaker: str, address: Address) -> tuple[Prefix, tuple[RibHop, ...]] | None:
        """Longest match of a speaker's Loc-RIB."""
        if self._outside is not None and self._outside.foreign(speaker):
            return self._outside.lookup(speaker, address)
        mine = self.speakers.get(speaker)
        routes = mine.rib.lookup(str(address)) if mine is not None else []
        if mine is None or not routes:
            return None
        hops = (RibHop(peer=mine.peer_name(r.peer), next_hop=Address.parse(r.next_hop), tags=tuple(r.tags)) for r in routes)
        return Prefix(*routes[0].prefix), tuple(hops)

    def loc_rib(self, speaker: str) -> Sequence[tuple[Prefix, tuple[RibHop, ...]]]:
        """A speaker's Loc-RIB in bulk, by prefix; the same object while it is the same."""
        if self._outside is not None and self._outside.foreign(speaker):
            return self._outside.table(speaker)
        return self._loc_ribs.table(speaker)

    def version(self) -> int:
        """Grows with every change of what the others answer."""
        return self._version

    def shape(self) -> int:
        """Grows with failures and changes of configuration."""
        return self._shape

    def ended(self) -> tuple[str, ...]:
        """Speakers whose process ended by itself and that haven't begun again."""
        return tuple(self._ended)

    def failed(self) -> tuple[Target, ...]:
        """What is failed, in the order in which it failed."""
        return self._faults.active

    def fails(self, node: str) -> tuple[str, ...]:
        """How a node fails, in every way in which it does: crash, silent, forwarding."""
        return self._faults.node(node)

    def fails_between(self, kind: str, a: str, b: str) -> tuple[str, ...]:
        """How what joins two fails (kind link), or their session (kind session)."""
        return self._faults.pair(kind, a, b)

    # --- sessions -----------------------------------------------------------------------------------------------------

    def foreign(self, speaker: str) -> bool:
        """Whether a program of somebody else's speaks for this node."""
        return self._outside is not None and self._outside.foreign(speaker)

    def carries(self, speaker: str, peer: str) -> bool:
        """Whether a packet of their session's transport, sent by `speaker` now, would arrive at `peer`."""
        return self._carriers.carries(speaker, peer)

    def opens(self, speaker: str, peer: str) -> bool:
        """Whether security groups let `speaker` open their session's transport."""
        return self._carriers.opens(speaker, peer)

    def carrier(self, a: str, b: str) -> Carrier:
        """What carries the session of two speakers."""
        session = self._carriers.session(a, b)
        return session.carrier if session else Carrier.NOWHERE

    def wants(self, speaker: str, peer: str) -> bool:
        """Whether the speaker lives and has this session enabled; whom it doesn't know it refuses (R76)."""
        if self._outside is not None and self._outside.foreign(speaker):
            return not self._faults.crashed(speaker) and self._outside.expected(speaker, peer)
        mine = self.speakers.get(speaker)
        return mine is not None and speaker not in self._dead and peer in mine.config.peers and mine.config.peers[peer].enabled

    def refusals(self, speaker: str, peer: str) -> int:
        """How many attempts, or sessions, of this side ended in the same way, one after the other."""
        return max(known.get((speaker, peer), ("", 0))[1] for known in (self._refused, self._endings))

    def unsettled(self) -> str | None:
        """Why the network isn't at rest; None where only keepalives, and attempts to connect that must fail, are left."""
        if gateways := self._standby.waiting():
            return f"the second instance of {', '.join(gateways)} will stand in for the first"
        if places := self._programs.pending():
            return f"routes are on their way to the NICs of {', '.join(places)}"
        if balancers := self._balancers.pending():
            return f"probes of {', '.join(balancers)} haven't told yet which backends answer"
        for side in (self._restless, *rest.sides(self)):
            if (reason := rest.restless(self, *side)) is not None:
                self._restless = side  # it is asked first the next time
                return reason
        return None

    def _passes(self, a: str, b: str) -> bool:
        return self.carries(a, b) and self.carries(b, a)

    def _works(self, speaker: str) -> bool:
        return not self._faults.mute(speaker) and not self._standby.waits(speaker) and speaker not in self._ended

    def _answers(self, nic: Nic) -> bool:
        return answers_probes(self, nic)

    # --- questions ----------------------------------------------------------------------------------------------------

    def sessions(self) -> list[SessionView]:
        """All sides of all sessions."""
        return [self.session(name, peer) for name, each in self.plan.speakers.items() for peer in each.config.peers]

    def session(self, speaker: str, peer: str) -> SessionView:
        """One side of a session."""
        if self._outside is not None and self._outside.foreign(speaker):
            return self._outside.session(speaker, peer)
        since = self._since.get((speaker, peer), START)
        return session_view(speaker, self.speakers[speaker], peer, since=since, carrier=self.carrier(speaker, peer).value)

    def select(self, name: str) -> list[str]:
        """Full names of the speakers that a name means."""
        return [each for each in self.plan.speakers if covers(name, each)]

    def learned(self, speaker: str, peer: str) -> list[RouteView]:
        """What the speaker holds from the peer, before its rules."""
        if self._outside is not None and self._outside.foreign(speaker):
            return self._outside.learned(speaker, peer)
        return list(self._views(speaker, peer, self.speakers[speaker].learned(peer)))

    def rejected(self, speaker: str, peer: str | None = None) -> list[RouteView]:
        """What it refused."""
        return list(self._views(speaker, peer, self._own(speaker).rejected(peer)))

    def advertised(self, speaker: str, peer: str) -> list[RouteView]:
        """What it tells the peer."""
        return list(self._views(speaker, peer, self._own(speaker, peer).advertised(peer), advertised=True))

    def table(self, speaker: str, prefix: Prefix | None = None) -> list[RouteView]:
        """Its Loc-RIB, with what lost."""
        return list(self._views(speaker, None, self._own(speaker).table(prefix)))

    def _own(self, speaker: str, peer: str = "") -> Speaks:
        """The speaker, if it is one of ours; RequestError where only its own program knows."""
        if self._outside is not None and self._outside.foreign(speaker):
            raise RequestError(self._outside.instead(speaker, peer))
        return self.speakers[speaker]

    def _views(self, name: str, peer: str | None, routes: Sequence[Route], *, advertised: bool = False) -> Iterator[RouteView]:
        mine, kind = self.speakers[name], self.plan.speakers[name].kind
        return (route_view(name, mine, kind, peer or mine.peer_name(r.peer) or "self", r, advertised=advertised) for r in routes)
