"""What NICs have of route servers and gateways: a function of their RIBs, but for delay and damping (R71), and while both instances are dead (D15)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from dualhome._core import Rib
from dualhome.bgp.events import State
from dualhome.engine.persistence import Persistent
from dualhome.engine.speaks import Speaks
from dualhome.forwarding.programming import programmed_by
from dualhome.forwarding.world import Programmed, RibHop
from dualhome.model import Network, Programming, RouteServer
from dualhome.net import Address, Prefix
from dualhome.units import Instant, seconds

Table = Mapping[Prefix, Programmed]
Row = tuple[Prefix, tuple[RibHop, ...]]
Key = tuple[str, int | None]  # virtual network, and under partition the instance


NOTHING: Final[Table] = {}
GATHER_S: Final = 0.1  # what both instances say within this time is one change, else damping would hold back the second one's word


class LocRibs:
    """Loc-RIBs in bulk, as programming and kernel tables read them; each is made once for each of its versions."""

    def __init__(self, speakers: Mapping[str, Speaks]) -> None:
        self._speakers = speakers
        self._known: dict[str, tuple[Rib, int, list[Row]]] = {}

    def table(self, speaker: str) -> Sequence[Row]:
        """By prefix the multipath set, the best first; empty where no such speaker is."""
        mine = self._speakers.get(speaker)
        if mine is None:
            return ()
        known = self._known.get(speaker)
        if known is None or known[0] is not mine.rib or known[1] != mine.version():
            known = self._known[speaker] = (mine.rib, mine.version(), list(_rows(mine)))
        return known[2]


def _rows(speaker: Speaks) -> Iterator[Row]:
    """Prefixes that share next hops share the set."""
    names = {speaker.peer_number(name): name for name in speaker.config.peers}
    sets: dict[tuple[tuple[str, int, int], ...], tuple[RibHop, ...]] = {}
    for key, ways in speaker.rib.best():
        prefix, ends = Prefix._make(key), tuple(ways)
        hops = sets.get(ends)
        if hops is None:
            hops = tuple(_hop(speaker, names.get(number), next_hop, prefix) for next_hop, number, _ in ends)
            if all(number >= 0 for _, number, _ in ends):
                sets[ends] = hops
        yield prefix, hops


def _hop(speaker: Speaks, peer: str | None, next_hop: str, prefix: Prefix) -> RibHop:
    own = speaker.config.origins.get(prefix)
    tags = speaker.config.peers[peer].policy.tags if peer is not None else own.tags if own else ("self",)
    return RibHop(peer=peer, next_hop=Address.parse(next_hop), tags=tags)


class Slow:
    """NICs whose route server takes its time (R71): what they have, and what is on its way to them.

    A change arrives `delay_s` later, but not within `damping_s` of the last one of the same prefix; then it brings what is wanted by that time.
    """

    def __init__(self, settings: Programming, first: Table) -> None:
        self.settings = settings
        self.installed: Table = dict(first)
        self.due: dict[Prefix, Instant] = {}
        self._changed_at: dict[Prefix, Instant] = {}
        self._wanted: Table = first

    def want(self, wanted: Table, now: Instant) -> None:
        """RIBs say this now."""
        if wanted is self._wanted:
            return
        for prefix in dict.fromkeys([*self._wanted, *wanted]):
            if wanted.get(prefix) == self.installed.get(prefix):
                self.due.pop(prefix, None)
            elif prefix not in self.due:
                soonest = Instant(now + seconds(max(self.settings.delay_s, GATHER_S if self.settings.damping_s else 0)))
                last = self._changed_at.get(prefix)
                self.due[prefix] = soonest if last is None else max(soonest, Instant(last + seconds(self.settings.damping_s)))
        self._wanted = wanted

    def drop(self) -> None:
        """Whoever programs is dead: what was on its way never arrives."""
        self.due.clear()
        self._wanted = self.installed

    def tick(self, now: Instant) -> int:
        """Install what is due; how many prefixes that were."""
        ready = [prefix for prefix, due in self.due.items() if due <= now]
        if not ready:
            return 0
        installed = dict(self.installed)
        for prefix in ready:
            del self.due[prefix]
            self._changed_at[prefix] = now
            if prefix in self._wanted:
                installed[prefix] = self._wanted[prefix]
            else:
                installed.pop(prefix, None)
        self.installed = installed
        return len(ready)

    def deadline(self) -> Instant | None:
        """When the next change is due."""
        return min(self.due.values(), default=None)


def _keys(rs: RouteServer) -> list[Key]:
    """NICs that have the same: all, or those of one instance (R73)."""
    return [(rs.virtual_network, part) for part in ((0, 1) if rs.programming.by == "partition" else (None,))]


class Programs:
    """By virtual network what its NICs have. The same object is given while nothing changed."""

    def __init__(self, network: Network, speakers: Mapping[str, Speaks], ribs: LocRibs, works: Callable[[str], bool]) -> None:
        self._speakers, self._ribs, self._works = speakers, ribs, works
        self._fresh: dict[Key, tuple[tuple[object, ...], Table]] = {}
        self._slow: dict[Key, Slow] = {}
        self._lasting: dict[Key, Persistent] = {}
        self._servers: dict[str, RouteServer] = {}
        self._kept: dict[Key, Table] = {}
        self._remembered: dict[str, Instant] = {}  # by virtual network, when
        self._generation = 0
        self._network = network
        self.change(network)

    def change(self, network: Network) -> None:
        """Another network; where routes begin to be slow, NICs keep what they have until a change of it is due."""
        servers = {rs.virtual_network: rs for rs in network.route_servers.values()}
        slow: dict[Key, Slow] = {}
        lasting: dict[Key, Persistent] = {}
        for place, rs in servers.items():
            for key in _keys(rs) if rs.persist_routes_minutes else ():
                time = seconds(60 * rs.persist_routes_minutes)
                lasting[key] = self._lasting.get(key) or Persistent(time, self._wanted(key) if place in self._servers else {})
                lasting[key].time = time
            if rs.programming.delay_s or rs.programming.damping_s:
                for key in _keys(rs):
                    slow[key] = self._slow.get(key) or Slow(rs.programming, self._given(key) if place in self._servers else {})
                    slow[key].settings = rs.programming
        self._network, self._servers, self._slow, self._lasting = network, servers, slow, lasting
        self._part_of = {nic.name: place % 2 for place, nic in enumerate(network.nics())}
        self._generation += 1

    def table(self, virtual_network: str, nic: str | None) -> Table:
        """What a NIC has from its own virtual network's route server and gateways."""
        key = (virtual_network, self._part(virtual_network, nic))
        return self._slow[key].installed if key in self._slow else self._given(key)

    def _given(self, key: Key) -> Table:
        """What the route server gives to NICs: what RIBs say, and what persists (`persist_routes_minutes`)."""
        return self._lasting[key].installed if key in self._lasting else self._wanted(key)

    def remember(self, now: Instant, changes: Callable[[str], bool]) -> None:
        """Before something fails that changes these speakers at once: what NICs have of route servers that hang on them, for if both instances die, it
        stays (D15). Of all that fails in one instant the first finds NICs as they were, so the order of failures means nothing.
        """
        for place, rs in self._servers.items() if self._keeps else ():
            if self._remembered.get(place) != now and any(map(changes, self._programmers(place))) and self._working(place):
                self._remembered[place] = now
                self._kept.update((key, self._wanted(key)) for key in _keys(rs))

    @property
    def _keeps(self) -> bool:
        return self._network.quirks.routes_of_a_dead_route_server == "kept"

    def _left(self, key: Key) -> Table:
        """What NICs have while both instances of their route server are dead: what they had, or nothing (D15)."""
        return self._kept.get(key, self._kept.get((key[0], None), NOTHING)) if self._keeps else NOTHING

    def tick(self, now: Instant) -> list[tuple[str, int]]:
        """Let delayed changes become due; in which virtual networks how many prefixes changed."""
        done = []
        for key, lasting in self._lasting.items():
            count = lasting.look(self._heard(key[0]), self._wanted(key), now)
            if count and key not in self._slow:
                done.append((key[0], count))
        for key, slow in self._slow.items():
            if not self._working(key[0]) and self._keeps:
                slow.drop()
                continue
            slow.want(self._given(key), now)
            if count := slow.tick(now):
                done.append((key[0], count))
        return done

    def deadline(self) -> Instant | None:
        """When the next delayed change is due."""
        dues = (*(slow.deadline() for slow in self._slow.values()), *(lasting.deadline() for lasting in self._lasting.values()))
        return min((due for due in dues if due is not None), default=None)

    def pending(self) -> list[str]:
        """Virtual networks to whose NICs routes are on their way."""
        kept = [place for (place, _), lasting in self._lasting.items() if lasting.deadline() is not None]
        return list(dict.fromkeys([*kept, *(place for (place, _), slow in self._slow.items() if slow.due)]))

    def instance(self, virtual_network: str, nic: str) -> int | None:
        """Under partition the instance that programs a NIC: its own, or while that is dead the other one (R73, R84). None where both program it."""
        part, working = self._part(virtual_network, nic), self._working(virtual_network)
        return working[0] if part is not None and working and part not in working else part

    def _part(self, virtual_network: str, nic: str | None) -> int | None:
        """Under partition each NIC belongs to one instance, in turn by the NICs' order (R73)."""
        rs = self._servers.get(virtual_network)
        if rs is None or rs.programming.by != "partition":
            return None
        return self._part_of.get(nic or "", 0)

    def _wanted(self, key: Key) -> Table:
        """What RIBs say. NICs of a dead instance belong to the other one (R84); while both are dead nobody takes anything back (D15)."""
        place, part = key
        known = self._fresh.get(key)
        rs = self._servers.get(place)
        working = self._working(place)
        if rs is not None and not working:
            return self._left(key)
        if part is not None and working and part not in working:
            part = working[0]
        programmers = self._programmers(place)
        state = (self._generation, part, *(self._state(name) for name in programmers))
        if known is None or known[0] != state:
            fresh = programmed_by(self._network, place, self._ribs.table, self._works, part)
            known = self._fresh[key] = (state, known[1] if known is not None and known[1] == fresh else fresh)
        return known[1]

    def _heard(self, place: str) -> bool:
        """Whether a peer has a session with its route server."""
        rs = self._servers[place]
        mine = [self._speakers[name] for i in (0, 1) if (name := f"{rs.name}#{i}") in self._speakers]
        pairs = ((speaker, peer.name) for speaker in mine for peer in rs.peers if peer.name in speaker.config.peers)
        return any(speaker.session(peer).state is State.ESTABLISHED for speaker, peer in pairs)

    def _working(self, place: str) -> list[int]:
        """Instances of its route server that live."""
        rs = self._servers.get(place)
        return [i for i in (0, 1) if rs is not None and self._works(f"{rs.name}#{i}")]

    def _state(self, name: str) -> tuple[object, ...]:
        """What a programmer's part hangs on."""
        speaker = self._speakers.get(name)
        return (None,) if speaker is None else (self._works(name), speaker.rib, speaker.version())

    def _programmers(self, virtual_network: str) -> list[str]:
        rs = self._servers.get(virtual_network)
        objects = [*([rs.name] if rs else []), *(gateway.name for gateway in self._network.gateways_of(virtual_network))]
        return [f"{name}#{i}" for name in objects for i in (0, 1)]
