"""Whether a world is at rest, and what must then hold of all of it."""

from __future__ import annotations

from dualhome.bgp import events
from dualhome.hunt import wire
from dualhome.hunt.draw import SUMMARY
from dualhome.hunt.talk import BrokenError
from dualhome.hunt.world import World
from dualhome.net import Prefix


def unrest(world: World) -> str:
    """Why the network isn't at rest; "" where it is."""
    for a, b in world.case.links:
        if (why := _pair_unrest(world, a, b)) or (why := _pair_unrest(world, b, a)):
            return why
    return ""


def _pair_unrest(world: World, a: str, b: str) -> str:
    near, far = world.nodes[a], world.nodes[b]
    if near.speaker is None or far.speaker is None or near.is_deferring:
        return f"{a} or {b} lies still, or has something to decide"
    if near.speaker.restarting or near.dropping():
        return f"{a} has restarted, or has dropped routes"
    if near.shadow is not None and (near.shadow.talk.kept or any(each.is_pending for each in near.shadow.sessions.values())):
        return f"{a} keeps routes of one that was away"
    mine, theirs = near.config.peers.get(b), far.config.peers.get(a)
    wanted = bool(mine and theirs and mine.enabled and theirs.enabled)
    if mine is None:
        return ""
    session = near.speaker.session(b)
    if not wanted:
        return f"{a} > {b} is up, and should not be" if session.state is events.State.ESTABLISHED else ""
    if session.state is not events.State.ESTABLISHED or len(session.links) != 1:
        return f"{a} > {b} is {session.state.value}, {len(session.links)} transports"
    transport = world.transports[session.transport or 0]
    if far.speaker.session(a).transport != transport.number:
        return f"{a} > {b} is on transport {transport.number}, and {b} is on {far.speaker.session(a).transport}"
    if transport.pipes[a].waiting or near.speaker.peer_number(b) in near.speaker.rib.pending():
        return f"{a} > {b}: something is under way"
    return ""


def check_rest(world: World) -> None:
    """At rest each end holds what the other told it, and no packet runs in circles."""
    for node in world.nodes.values():
        assert node.shadow is not None
        node.shadow.check()
        node.shadow.check_questions()
        for peer, session in node.shadow.sessions.items():
            other = world.nodes[peer].shadow
            assert other is not None
            held = other.sessions[node.name]
            if not held.is_doubtful and not held.unsure and held.received != session.told:
                raise BrokenError(f"{peer} holds {held.received} of {node.name}, which told it {session.told}")
    if not world.spoiled:
        _check_loops(world)


def _check_loops(world: World) -> None:
    """Follow each best route from speaker to speaker (RFC 4271 section 9.1.2 makes sure that it ends)."""
    owners = {str(peer.session.local_address): node.name for node in world.nodes.values() for peer in node.config.peers.values()}
    hops: dict[tuple[str, wire.Prefix], str | None] = {}
    for node in world.nodes.values():
        assert node.speaker is not None
        for prefix, paths in node.speaker.rib.best():
            hops[node.name, prefix] = owners.get(paths[0][0]) if paths[0][1] >= 0 else None
    for name, prefix in hops:
        if Prefix(*prefix) == Prefix.parse(SUMMARY):
            continue  # who makes a summary of a longer route has none for what that doesn't cover
        at: str | None = name
        seen: list[str] = []
        while at is not None:
            if at in seen:
                raise BrokenError(f"packets to {prefix} run in circles: {' > '.join([*seen, at])}")
            seen.append(at)
            at = hops.get((at, prefix))
