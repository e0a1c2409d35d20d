"""A fabric in memory: holds a state as the kernel would, and judges packets as the eBPF program does, step by step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from dualhome.fabric.backend import Batch, Installed
from dualhome.fabric.flow import HEARD, Frame, Verdict, flow_hash, symmetric_hash
from dualhome.fabric.state import Drop, Group, Hop, Local, Lookup, NextHops, Port, PortKind, PortState, Reason
from dualhome.net import WIDTH, Address, Prefix

LARGEST_TTL: Final = 255


class Memory:
    """A backend in memory."""

    def __init__(self) -> None:
        self._held = Installed()
        self._counters: dict[tuple[int, Reason], tuple[int, int]] = {}

    def read(self) -> Installed:
        """What is there."""
        held = self._held
        return Installed(
            ports=dict(held.ports),
            routes={table: dict(routes) for table, routes in held.routes.items()},
            groups=dict(held.groups),
            owners=dict(held.owners),
            spaces=dict(held.spaces),
            balancers=dict(held.balancers),
            controls=dict(held.controls),
            symmetric=held.symmetric,
        )

    def groups(self) -> dict[int, Group]:
        """The groups alone, by id."""
        return dict(self._held.groups)

    def apply(self, batches: Iterable[Batch]) -> None:
        """Do these."""
        self._held.take(batches)

    def counters(self) -> dict[tuple[int, Reason], tuple[int, int]]:
        """Packets and bytes by the sender's port and what became of them."""
        return dict(self._counters)

    def forward(self, frame: Frame) -> Verdict:
        """What becomes of a packet that comes in at a port; counts it there. A port that isn't there drops and counts nothing."""
        sender = self._held.ports.get(frame.port)
        if sender is None:
            return _verdict(frame, Reason.DOWN)
        verdict = self._judge(sender, frame)
        key = (sender.number, verdict.reason)
        packets, length = self._counters.get(key, (0, 0))
        self._counters[key] = (packets + 1, length + frame.length)
        return verdict

    # --- the steps ----------------------------------------------------------------------------------------------------

    def _judge(self, sender: Port, frame: Frame) -> Verdict:
        if not _passes(sender, frame):
            return _verdict(frame, Reason.DOWN)
        fixed = self._held.controls.get((sender.number, frame.destination)) if frame.control else None
        if fixed is not None:
            return self._deliver(sender, fixed, frame) if fixed else _verdict(frame, Reason.SESSION)
        match sender.kind:
            case PortKind.WIRE:
                return self._deliver(sender, sender.far, frame)
            case PortKind.INTERNET:
                return self._from_internet(sender, frame)
            case PortKind.NIC:
                return self._from_nic(sender, frame)

    def _from_internet(self, sender: Port, frame: Frame) -> Verdict:
        """An answer to a port that the Internet heard."""
        if HEARD.covers(frame.destination):
            heard = self._held.ports.get(frame.destination.bits - HEARD.bits)
            if heard is not None and heard.kind is PortKind.NIC and heard.address is not None and heard.address.version == 4:
                return self._deliver(sender, heard.number, replace(frame, destination=heard.address))
        return _verdict(frame, Reason.UNTRANSLATED)

    def _from_nic(self, sender: Port, frame: Frame) -> Verdict:
        if not sender.ip_forwarding and frame.source != sender.address and frame.source not in sender.sources:
            return _verdict(frame, Reason.IP_FORWARDING)
        group = self._group(sender.table, frame.destination)
        if isinstance(group, Lookup):
            group = self._group(group.table, frame.destination)
        hop = self._hop(sender, group, frame)
        if isinstance(hop, Reason):
            return _verdict(frame, hop)
        port = self._backend(hop.balancer, frame) if hop.balancer else hop.port
        target = self._held.ports.get(port)
        if target is None or target.kind is not PortKind.INTERNET:
            return self._deliver(sender, port, frame)
        if not sender.internet:
            return _verdict(frame, Reason.DOWN)
        if frame.source.version == 4 and frame.source == sender.address:
            return self._deliver(sender, port, replace(frame, source=HEARD.address(sender.number)))
        return self._deliver(sender, port, frame)

    def _group(self, table: int, destination: Address) -> Group:
        """Longest match."""
        routes, width = self._held.routes.get(table, {}), WIDTH[destination.version]
        for length in range(width, -1, -1):
            shift = width - length
            number = routes.get(Prefix(destination.version, destination.bits >> shift << shift, length))
            if number is not None:
                return self._held.groups[number]
        return Drop(Reason.NO_ROUTE)

    def _hop(self, sender: Port, group: Group, frame: Frame) -> Hop | Reason:
        """The member that takes the flow, or why none does."""
        match group:
            case Drop(reason):
                return reason
            case Lookup():
                return Reason.NO_ROUTE
            case Local(network, own_only):
                owner = self._held.owners.get((network, frame.destination))
                if owner is None:
                    return Reason.NO_ROUTE
                hop = replace(owner, own_only=own_only)
            case NextHops(hops):
                number = symmetric_hash(frame) if self._held.symmetric else flow_hash(frame)
                hop = hops[number % len(hops)]
        own = self._held.spaces.get(sender.network, ())
        return Reason.FORWARDED_TRAFFIC if hop.own_only and not any(p.covers(frame.source) for p in own) else hop

    def _backend(self, balancer: int, frame: Frame) -> int:
        """The same for both directions of a flow; 0 where none lives."""
        backends = self._held.balancers.get(balancer, ())
        return backends[symmetric_hash(frame) % len(backends)] if backends else 0

    def _deliver(self, sender: Port, number: int, frame: Frame) -> Verdict:
        target = self._held.ports.get(number)
        if target is None or not _passes(target, frame):
            return _verdict(frame, Reason.DOWN)
        if target.core and not sender.core:
            frame = replace(frame, ttl=min(LARGEST_TTL, frame.ttl + target.bonus))
        return _verdict(frame, Reason.FORWARDED, number)


def _passes(port: Port, frame: Frame) -> bool:
    return port.state is PortState.UP or (port.state is PortState.CONTROL_ONLY and frame.control)


def _verdict(frame: Frame, reason: Reason, target: int = 0) -> Verdict:
    return Verdict(reason=reason, target=target, source=frame.source, destination=frame.destination, ttl=frame.ttl)
