"""Nodes for which a program of somebody else's speaks: FRR, BIRD, or whatever the user connects. What they know is read from the kernel of their namespace."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from dualhome.engine import Engine, events
from dualhome.engine.views import SessionView
from dualhome.forwarding.places import Places
from dualhome.forwarding.world import RibHop
from dualhome.live.layout import Layout, Node
from dualhome.live.nodes import Nodes
from dualhome.live.place import Place
from dualhome.live.programs import Program, program_for
from dualhome.model import Network
from dualhome.net import WIDTH, Address, Prefix
from dualhome.plan import Plan

Row = tuple[Prefix, tuple[RibHop, ...]]
BGP_PROTOCOLS: Final = (186, 12)  # of routes in the kernel: RTPROT_BGP (FRR), RTPROT_BIRD
QUIET_S: Final = 1.0  # a program that tells nothing new for so long has nothing to tell


class Progress(Protocol):
    """How far something is."""

    def __call__(self, done: int, of: int, what: str, /) -> None: ...  # noqa: D102


@dataclass(slots=True)
class Known:
    """What was last read of one node's kernel."""

    rows: list[Row] = field(default_factory=list)
    by_length: dict[tuple[int, int], dict[int, Row]] = field(default_factory=dict)


class Foreign:
    """All of them; the engine's `Outside`."""

    def __init__(self, network: Network, place: Place, nodes: Nodes) -> None:
        self._place, self._nodes = place, nodes
        self._programs: dict[str, Program] = {}
        self._known: dict[str, Known] = {}
        self._changed_at = 0.0
        self._writable: Callable[[str, str], bool] = lambda speaker, peer: True
        self._plan: Plan | None = None
        self.change(network)

    def change(self, network: Network) -> None:
        """The network is another."""
        self._network = network
        self._names = {router.name for router in network.routers() if router.asn is not None and router.runtime != "builtin"}

    def writable_by(self, writable: Callable[[str, str], bool]) -> None:
        """Who knows whether transports take more."""
        self._writable = writable

    # --- what the engine asks -----------------------------------------------------------------------------------------

    def foreign(self, speaker: str) -> bool:
        """Whether a program of somebody else's speaks for this node."""
        return speaker in self._names

    def writable(self, speaker: str, peer: str) -> bool:
        """Whether the transport of this session takes more now."""
        return self._writable(speaker, peer)

    def table(self, speaker: str) -> Sequence[Row]:
        """Routes of BGP in its kernel, as they were read last."""
        known = self._known.get(speaker)
        return known.rows if known else ()

    def lookup(self, speaker: str, address: Address) -> Row | None:
        """The longest match among them."""
        known = self._known.get(speaker)
        for (version, length), rows in known.by_length.items() if known else ():
            shift = WIDTH[version] - length
            if version == address.version and (found := rows.get(address.bits >> shift << shift)):
                return found
        return None

    def session(self, speaker: str, peer: str) -> SessionView:
        """Its side of a session, as its program tells."""
        program = self._programs.get(speaker)
        state = program.states().get(peer, "Idle") if program is not None else "Unknown"
        return SessionView(
            speaker=speaker,
            peer=peer,
            state=state,
            since_s=0,
            last_error="",
            hold_time_s=0,
            routes_learned=0,
            carrier=self._carrier(speaker, peer),
        )

    def _carrier(self, speaker: str, peer: str) -> str:
        assert self._plan is not None, "programs run only for a plan"
        return next((s.carrier.value for s in self._plan.sessions if {speaker, peer} == {s.a, s.b}), "")

    # --- programs -----------------------------------------------------------------------------------------------------

    def start(self, plan: Plan, layout: Layout, progress: Progress) -> None:
        """Start what isn't running and should be.

        Raises:
            SystemRefused: a program isn't installed, or refuses its configuration; the message has its own words.
        """
        self._plan = plan
        fresh = [name for name in plan.speakers if name in self._names and name not in self._programs and name in layout.nodes]
        for done, name in enumerate(fresh):
            node = layout.nodes[name]
            progress(done, len(fresh), f"{node.router.runtime if node.router else ''} for {name}")
            program = program_for(plan, node, self._place)
            if program is not None:
                program.start()
                self._programs[name] = program
        for name in [name for name in self._programs if name not in self._names or name not in layout.nodes]:
            self._programs.pop(name).kill()

    def follow(self, engine: Engine) -> None:
        """Programs of crashed nodes are killed, those of restored ones started."""
        for name, program in self._programs.items():
            crashed = "crash" in engine.fails(name)
            if crashed and program.running:
                program.kill()
            elif not crashed and not program.running:
                program.start()

    def stop(self) -> None:
        """End all."""
        for program in self._programs.values():
            program.stop()
        self._programs.clear()

    def programs(self) -> Mapping[str, Program]:
        """By node."""
        return self._programs

    # --- their kernels ------------------------------------------------------------------------------------------------

    def look(self, layout: Layout) -> bool:
        """Read their kernels; whether anything changed."""
        changed = False
        for name in self._names:
            if name in layout.nodes:
                rows = self._read(layout.nodes[name])
                if rows != (self._known[name].rows if name in self._known else []):
                    self._known[name] = _sorted(rows)
                    changed = True
        if changed:
            self._changed_at = time.monotonic()
        return changed

    def _read(self, node: Node) -> list[Row]:
        """Routes that a routing program wrote, their next hops as the peers that have these addresses or stand at the end of that wire."""
        known = Places(self._network)
        assert self._plan is not None, "programs run only for a plan"
        peers = {str(each.session.remote_address): peer for peer, each in self._plan.speakers[node.name].config.peers.items()}
        ends = {each.device: each.far for each in node.interfaces if each.far}
        rows: list[Row] = []
        for version, packed, length, protocol, _, ways in self._nodes.handle(node.name).route_dump(254):
            if protocol not in BGP_PROTOCOLS:
                continue
            hops = []
            for gateway, device, _ in ways:
                far = ends.get(device) or peers.get(gateway or "") or next(iter(peers.values()), None)
                address = next(iter(known.addresses(far)), None) if far else None
                if far and address:
                    hops.append(RibHop(peer=far, next_hop=address))
            if hops:
                rows.append((Prefix(version, int.from_bytes(packed), length), tuple(hops)))
        return sorted(rows)

    def unsettled(self, engine: Engine) -> str | None:
        """Whether one of them may still change something."""
        if self._names and time.monotonic() - self._changed_at < QUIET_S:
            return "routes of FRR or BIRD changed just now"
        for name in sorted(self._names):
            for peer in engine.plan.speakers[name].config.peers:
                wanted = peer in self._names and name < peer and engine.wants(name, peer) and engine.carries(name, peer)
                if wanted and self.session(name, peer).state != "Established":
                    return f"{name}/{peer} may come up"
        return None

    def follows(self, event: events.Event) -> bool:
        """Whether programs hang on this event."""
        return isinstance(event, events.Fail | events.Restore | events.Change)


def _sorted(rows: list[Row]) -> Known:
    by_length: dict[tuple[int, int], dict[int, Row]] = {}
    for row in rows:
        prefix = row[0]
        by_length.setdefault((prefix.version, prefix.length), {})[prefix.bits] = row
    return Known(rows, dict(sorted(by_length.items(), reverse=True)))
