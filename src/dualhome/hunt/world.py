"""The real speakers of a case on virtual time, joined by streams of bytes in memory that fare badly."""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

from dualhome.bgp import events
from dualhome.bgp.speaker import Close, Connect, Journal, Send, Speaker, SpeakerAction
from dualhome.hunt import mangle, wire
from dualhome.hunt.case import Case, Fault, Kind, changed
from dualhome.hunt.parts import Node, Pipe, Transport
from dualhome.hunt.shadow import Shadow
from dualhome.hunt.talk import BrokenError, Talk
from dualhome.net import Address
from dualhome.units import Instant, as_seconds, seconds

MOST_EVENTS: Final = 1_000_000
AFTERWARDS_S: Final = 300.0
"""How long after the last fault nothing is left of what was slipped in: hold times, restart times, pauses of a minute."""
ATTEMPT_S: Final = 60.0
"""How long an attempt that nobody answers takes to fail."""


class World:
    """One network. `faults` of the case happen at their times; `heal` ends whatever lasts."""

    def __init__(self, case: Case, tell: Callable[[str], None] | None = None) -> None:
        self.case: Final = case
        self.now = 0
        self.events = 0
        self.nodes: Final = {name: Node(name, config) for name, config in case.speakers.items()}
        self.spoiled: Final[set[tuple[str, str]]] = set()  # (reader, sender): octets were altered
        self._tell: Final = tell
        self.transports: dict[int, Transport] = {}
        self._numbers = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._deferring = random.Random(f"{case.seed} deferred")
        self._chance = {pair: random.Random(f"{case.seed} {pair}") for a, b in case.links for pair in ((a, b), (b, a))}
        self._silent: dict[tuple[str, str], int] = {}  # (lower, higher) to when it ends
        self._stalled: dict[tuple[str, str], int] = {}  # (reader, sender)
        self._cuts: dict[tuple[str, str], int] = {}  # (sender, reader) to octets that still pass
        self._mutations: dict[tuple[str, str], random.Random] = {}  # (sender, reader)

    # --- time ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """All machines are switched on, each a little later than the one before or at once."""
        chance = random.Random(f"{self.case.seed} start")
        for node in self.nodes.values():
            self._at(chance.choice((0, 0, seconds(0.001), seconds(3))), lambda node=node: self._boot(node))  # type: ignore[misc]
        for fault in self.case.faults:
            self._at(fault.at, lambda fault=fault: self._befall(fault))  # type: ignore[misc]

    def run(self, until: int) -> None:
        """Let time pass."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, do = heappop(self._heap)
            self.events += 1
            if self.events > MOST_EVENTS:
                raise BrokenError("no end of events")
            do()
        self.now = until

    def _at(self, when: int, do: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._heap, (max(when, self.now), self._order, do))

    def _note(self, text: str) -> None:
        if self._tell:
            self._tell(f"{as_seconds(self.now):10.6f} {text}")

    # --- machines -----------------------------------------------------------------------------------------------------

    def _boot(self, node: Node, restarted: bool = False) -> None:
        if node.speaker is not None:
            return
        self._note(f"{node.name} starts")
        node.life += 1
        node.is_stopped = False
        node.attempts.clear()
        node.is_deferring = False
        node.asked_at = -1
        unsent: dict[str, int] = {}

        def sends(peer: str, count: int) -> None:
            unsent[peer] = unsent.get(peer, 0) + count

        def writable(peer: str) -> bool:
            return self._writable(node, peer, unsent.get(peer, 0))

        talk = Talk(sends)
        talk.speaker = speaker = Speaker(node.config, self.case.seed, writable, talk.watch, restarted=restarted)
        talk.now = self.now + node.ahead
        if restarted:
            talk.restarts()
        speaker.rib.changes()  # from now on they are recorded
        node.speaker, node.shadow, node.unsent = speaker, Shadow(speaker, talk), unsent
        self._do(node, lambda now: speaker.start(now))

    def _do(self, node: Node, what: Callable[[Instant], list[SpeakerAction]], *, decides: bool = True) -> None:
        """Something happens to a speaker: do what it asks, compare where all is decided, and plan its next tick."""
        if node.speaker is None or node.shadow is None:
            return
        node.shadow.talk.now = self.now + node.ahead
        actions = what(Instant(self.now + node.ahead))
        node.is_deferring = node.is_deferring and not decides
        node.unsent.clear()
        for action in actions:
            self._perform(node, action)
        if not node.is_deferring and (node.shadow.talk.has_news or any(isinstance(action, Send) for action in actions)):
            node.shadow.check()
        due = node.speaker.deadline()
        if due is not None and due - node.ahead != node.asked_at:
            node.asked_at = due - node.ahead
            at, life = node.asked_at, node.life
            self._at(at, lambda: self._tick(node, at, life))

    def _tick(self, node: Node, at: int, life: int) -> None:
        if node.life == life and node.asked_at == at and node.speaker is not None:
            node.asked_at = -1
            self._ticks(node)

    def _ticks(self, node: Node) -> None:
        if (speaker := node.speaker) is not None and node.shadow is not None:
            node.shadow.talk.expire(self.now + node.ahead)
            self._do(node, lambda now: speaker.tick(now))

    def _handle(self, node: Node, peer: str, event: events.Event) -> None:
        """An event of a transport. Some come in a crowd: nothing is decided until the last of it."""
        if (speaker := node.speaker) is None:
            return
        if self._deferring.random() >= self.case.deferred:
            self._do(node, lambda now: speaker.handle(peer, event, now))
            return
        if not node.is_deferring:
            self._at(self.now + self._deferring.randrange(seconds(0.02)), lambda: self._decide(node, speaker))
        node.is_deferring = True
        self._do(node, lambda now: speaker.handle(peer, event, now, defer=True), decides=False)

    def _decide(self, node: Node, speaker: Speaker) -> None:
        if node.speaker is speaker and node.is_deferring:
            self._do(node, lambda now: speaker.flush(now))

    def _perform(self, node: Node, action: SpeakerAction) -> None:
        match action:
            case Connect(peer=peer):
                self._connect(node, peer)
            case Send(transport=transport, data=data):
                self._send(node, transport, data)
            case Close(transport=transport):
                self._close(node, transport)
            case Journal(peer=peer, text=text):
                self._note(f"{node.name} > {peer}: {text}")

    # --- transports ---------------------------------------------------------------------------------------------------

    def _is_silent(self, a: str, b: str) -> bool:
        return self._silent.get((min(a, b), max(a, b)), 0) > self.now

    def _latency(self, sender: str, reader: str) -> int:
        link = self.case.link(sender, reader)
        return link.latency + (self._chance[sender, reader].randrange(link.wavering) if link.wavering else 0)

    def _connect(self, node: Node, peer: str) -> None:
        self._numbers += 1
        number = self._numbers
        node.attempts[peer] = number
        life = node.life
        self._at(self.now + self._latency(node.name, peer), lambda: self._accept(node, life, peer, number))

    def _accept(self, node: Node, life: int, peer: str, number: int) -> None:
        """The attempt has come to the other end."""
        other = self.nodes[peer]
        back = self.now + self._latency(peer, node.name)
        failed = lambda: self._fail(node, life, peer, number)  # noqa: E731
        if self._is_silent(node.name, peer) or (other.speaker is None and other.is_stopped):
            self._at(self.now + seconds(ATTEMPT_S), failed)
        elif other.speaker is None:
            self._at(back, failed)
        else:
            pipes = {a: Pipe(a, b, last_at=back) for a, b in ((node.name, peer), (peer, node.name))}
            self.transports[number] = Transport(number, {node.name: life, peer: other.life}, pipes)
            assert other.shadow is not None
            other.shadow.talk.made_by_us[number] = False
            self._at(back, lambda: self._connected(node, life, peer, number))
            self._handle(other, node.name, events.Accepted(number))

    def _fail(self, node: Node, life: int, peer: str, number: int) -> None:
        if node.life == life and node.attempts.get(peer) == number:
            del node.attempts[peer]
            self._handle(node, peer, events.ConnectFailed())

    def _connected(self, node: Node, life: int, peer: str, number: int) -> None:
        if node.life != life or node.attempts.get(peer) != number or node.shadow is None:
            self._reset(number, node.name)  # nobody waits for it any more
            return
        del node.attempts[peer]
        node.shadow.talk.made_by_us[number] = True
        self._handle(node, peer, events.Connected(number))

    def _writable(self, node: Node, peer: str, unsent: int) -> bool:
        if node.speaker is None or (number := node.speaker.session(peer).transport) is None or number not in self.transports:
            return True
        return self.transports[number].pipes[node.name].waiting + unsent < self.case.link(node.name, peer).window

    def _send(self, node: Node, number: int, data: bytes) -> None:
        transport = self.transports.get(number)
        if transport is None or transport.lives.get(node.name) != node.life:
            return
        pipe = transport.pipes[node.name]
        key = (pipe.sender, pipe.reader)
        if key in self._mutations:
            data = self._mutate(key, data)
        left = self._cuts.get(key)
        if left is not None and len(data) > left:
            del self._cuts[key]
            self._put(transport, pipe, data[:left])
            self._note(f"{pipe.sender} > {pipe.reader}: transport {number} is reset after {left} more octets")
            for name in key:
                self._at(pipe.last_at, lambda name=name: self._reset(number, name))  # type: ignore[misc]
            return
        if left is not None:
            self._cuts[key] = left - len(data)
        self._put(transport, pipe, data)

    def _put(self, transport: Transport, pipe: Pipe, data: bytes | None) -> None:
        """On its way, in one piece or in several."""
        chance, pieces = self._chance[pipe.sender, pipe.reader], self.case.link(pipe.sender, pipe.reader).pieces
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(pieces))) if data and pieces > 1 else []
        parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)] if data else [data]
        for part in parts:
            pipe.last_at = max(pipe.last_at, self.now + self._latency(pipe.sender, pipe.reader))
            pipe.queue.append((pipe.last_at, part))
            pipe.waiting += len(part or b"")
            self._at(pipe.last_at, lambda: self._deliver(transport, pipe))

    def _deliver(self, transport: Transport, pipe: Pipe) -> None:
        """What has arrived is read, unless the link or the reader is still."""
        key = (pipe.reader, pipe.sender)
        if self._is_silent(*key) or self._stalled.get(key, 0) > self.now:
            return
        data, ended = b"", False
        while pipe.queue and pipe.queue[0][0] <= self.now:
            part = pipe.queue.popleft()[1]
            ended = ended or part is None
            data += part or b""
        pipe.waiting -= len(data)
        reader = self.nodes[pipe.reader]
        if transport.lives.get(pipe.reader) != reader.life or reader.speaker is None or reader.shadow is None:
            if data and reader.speaker is not None:
                self._reset(transport.number, pipe.sender)  # nobody knows of it there
            return
        if data:
            reader.shadow.talk.arrived(transport.number, data)
            self._handle(reader, pipe.sender, events.Received(transport.number, data))
            self._flush(pipe.sender)
        if ended and transport.lives.pop(pipe.reader, None) is not None:
            reader.shadow.talk.closed(pipe.sender, transport.number)
            self._handle(reader, pipe.sender, events.Closed(transport.number))

    def _flush(self, name: str) -> None:
        """There is room again."""
        node = self.nodes[name]
        if (speaker := node.speaker) and speaker.rib.pending():
            self._do(node, lambda now: speaker.flush(now))

    def _close(self, node: Node, number: int) -> None:
        transport = self.transports.get(number)
        if transport and transport.lives.get(node.name) == node.life:
            del transport.lives[node.name]
            self._put(transport, transport.pipes[node.name], None)

    def _reset(self, number: int, name: str) -> None:
        """This end learns that its transport is no more."""
        transport = self.transports[number]
        node = self.nodes[name]
        if transport.lives.get(name) == node.life and node.speaker is not None:
            del transport.lives[name]
            peer = next(each for each in transport.pipes if each != name)
            if node.shadow:
                node.shadow.talk.closed(peer, number)
            self._handle(node, peer, events.Closed(number))

    def _kick(self, a: str, b: str) -> None:
        """What waited between two can go on."""
        for transport in tuple(self.transports.values()):
            if {a, b} == transport.pipes.keys():
                for pipe in transport.pipes.values():
                    self._deliver(transport, pipe)

    # --- faults -------------------------------------------------------------------------------------------------------

    def _befall(self, fault: Fault) -> None:
        node = self.nodes[fault.node]
        self._note(f"fault {fault}")
        later = self.now + fault.lasts
        pair = (min(fault.node, fault.peer), max(fault.node, fault.peer))
        match fault.kind:
            case Kind.KILL | Kind.VANISH:
                self._die(node, vanishes=fault.kind is Kind.VANISH)
                self._at(later, lambda: self._boot(node, restarted=fault.kind is Kind.KILL))
            case Kind.STOP:
                self._stop(node)
                self._at(later, lambda: self._start_again(node))
            case Kind.SILENCE:
                self._silent[pair] = max(self._silent.get(pair, 0), later)
                self._at(later, lambda: self._kick(*pair))
            case Kind.STALL:
                self._stalled[fault.node, fault.peer] = later
                self._at(later, lambda: self._kick(*pair))
            case Kind.JUMP:
                node.ahead += fault.lasts
                self._ticks(node)
            case Kind.CHANGE:
                self._change(node, fault)
            case _:
                self._befall_session(node, fault)

    def _befall_session(self, node: Node, fault: Fault) -> None:
        key = (fault.node, fault.peer)
        speaker = node.speaker
        if speaker is None or fault.peer not in speaker.config.peers:
            return
        match fault.kind:
            case Kind.CUT:
                self._cuts[key] = fault.count
            case Kind.REFRESH:
                self._do(node, lambda now: speaker.request_refresh(fault.peer, now), decides=False)
            case Kind.RESET:
                self.reset_by_hand(node, fault.peer)
            case Kind.MUTATE:
                self._mutations[key] = random.Random(fault.seed)
            case Kind.SLIP_IN:
                self._slip_in(node, fault, random.Random(fault.seed))

    def _die(self, node: Node, *, vanishes: bool) -> None:
        node.speaker = node.shadow = None
        node.is_stopped = vanishes  # nobody answers attempts, nor says that the transports are gone
        for transport in tuple(self.transports.values()):
            if transport.lives.get(node.name) == node.life:
                del transport.lives[node.name]
                [peer] = [name for name in transport.pipes if name != node.name]
                if not vanishes and not self._is_silent(node.name, peer):
                    number = transport.number
                    self._at(self.now + self._latency(node.name, peer), lambda n=number, p=peer: self._reset(n, p))  # type: ignore[misc]
        node.life += 1

    def _stop(self, node: Node) -> None:
        if (speaker := node.speaker) and not node.is_stopped:
            node.is_stopped = True
            self._do(node, lambda now: speaker.stop(now))

    def _start_again(self, node: Node) -> None:
        if (speaker := node.speaker) and node.is_stopped:
            node.is_stopped = False
            self._do(node, lambda now: speaker.start(now))

    def _change(self, node: Node, fault: Fault) -> None:
        assert fault.change is not None
        node.config = config = changed(node.config, fault.change)
        if (speaker := node.speaker) and node.shadow:
            node.shadow.talk.now = self.now + node.ahead
            node.shadow.talk.reconfigured(config)
            if config.router_id != speaker.config.router_id:
                node.shadow.forget()
            self._do(node, lambda now: speaker.reconfigure(config, now))

    def reset_by_hand(self, node: Node, peer: str) -> None:
        """By the operator: Cease/4, and after a second a start."""
        if (speaker := node.speaker) is None or peer not in speaker.config.peers or node.is_stopped:
            return
        if speaker.config.peers[peer].enabled:
            self._handle(node, peer, events.ManualStop("reset by hand", 4))
            self._at(self.now + seconds(1), lambda: self._start_peer(node, speaker, peer))

    def _start_peer(self, node: Node, speaker: Speaker, peer: str) -> None:
        if node.speaker is speaker and not node.is_stopped and peer in speaker.config.peers and speaker.config.peers[peer].enabled:
            self._handle(node, peer, events.ManualStart())

    def _slip_in(self, node: Node, fault: Fault, chance: random.Random) -> None:
        assert node.speaker is not None
        session = node.speaker.session(fault.peer)
        transport = self.transports.get(session.transport or 0)
        if transport is None or transport.lives.get(node.name) != node.life:
            return
        config = node.speaker.config.peers[fault.peer]
        prefixes = [tuple(prefix) for each in self.case.speakers.values() for prefix in each.origins if prefix.version == 4]
        via = Address(4, 0x0A000000 | config.session.local_address.bits & 0xFF)
        data = mangle.slipped_in(chance, node.config.asn, config.policy.ebgp, via, sorted({(v, b, n) for v, b, n in prefixes}))
        self._note(f"{node.name} > {fault.peer}: slipped in {data.hex()}")
        self.spoiled.add((fault.peer, fault.node))
        self._put(transport, transport.pipes[node.name], data)

    def _mutate(self, key: tuple[str, str], data: bytes) -> bytes:
        chance = self._mutations.pop(key)
        messages = [message for _, message in wire.split(data)]
        at = chance.randrange(len(messages))
        self._note(f"{key[0]} > {key[1]}: altered {messages[at].hex()}")
        messages[at] = mangle.altered(chance, messages[at])
        self._note(f"{key[0]} > {key[1]}:      to {messages[at].hex()}")
        self.spoiled.add((key[1], key[0]))
        return b"".join(messages)

    def heal(self) -> None:
        """Nothing bad happens any more; sessions on which octets were altered are begun anew by hand, as nothing else could put them right."""
        self._cuts.clear()
        self._mutations.clear()
        pairs = [*self._silent, *self._stalled]
        self._silent.clear()
        self._stalled.clear()
        for a, b in pairs:
            self._kick(a, b)
        for node in self.nodes.values():
            self._boot(node)
            self._start_again(node)
        for reader, sender in sorted(self.spoiled):
            self.reset_by_hand(self.nodes[reader], sender)
        self._at(self.now + seconds(AFTERWARDS_S), self._ask_for_dropped)

    def _ask_for_dropped(self) -> None:
        """What was dropped beyond a limit, because others' prefixes were there, nobody tells again by itself."""
        for node in self.nodes.values():
            for peer in node.dropping():
                self.reset_by_hand(node, peer)
