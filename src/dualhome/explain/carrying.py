"""Where the packets of a BGP session get lost: what carries them, which of them doesn't arrive, which rule drops it, what would help."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dualhome.engine import Engine
from dualhome.errors import RequestError
from dualhome.explain.story import Remedy
from dualhome.forwarding.packets import BGP, home_of
from dualhome.forwarding.security import GROUP
from dualhome.forwarding.trace import Path, paths
from dualhome.model import base_name
from dualhome.plan import Carrier

RULE = re.compile(r"\(((?:R|D)\d+(?:, (?:R|D)\d+)*)\)")
WORDS = {
    Carrier.NETWORK: "the virtual networks",
    Carrier.TUNNEL: "a tunnel",
    Carrier.LINK: "a link",
    Carrier.PLATFORM: "Azure's own wiring",
    Carrier.NOWHERE: "nothing here",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Why packets of a session don't arrive."""

    text: str
    rule: str
    remedy: Remedy | None = None


def lost_packets(engine: Engine, speaker: str, peer: str) -> Loss | None:
    """What keeps packets of a session, in either direction, from arriving; None where they arrive (R44, R80)."""
    carrier = engine.carrier(speaker, peer)
    if carrier is Carrier.NOWHERE:
        text = f"{peer} is a speaker outside the file, so nothing carries the session in a simulation"
        return Loss(text=text, rule="R76", remedy=Remedy(text=f"bring the network up live, with {peer} at its address"))
    for dead in (name for name in (speaker, peer) if any(how != "forwarding" for how in engine.fails(name))):
        how = " and ".join(engine.fails(dead))
        return Loss(text=f"{dead} is down ({how})", rule="R115", remedy=Remedy(text=f"restore {_failed(engine, dead)}"))
    arrive = engine.carries(speaker, peer) and engine.carries(peer, speaker)
    opens = engine.opens(speaker, peer) or engine.opens(peer, speaker)
    if arrive and opens:
        return None
    pair = f"{base_name(speaker)}/{base_name(peer)}"
    if engine.fails_between("session", speaker, peer):
        how = " and ".join(engine.fails_between("session", speaker, peer))
        return Loss(text=f"the session itself has failed ({how})", rule="R115", remedy=Remedy(text=f"restore {pair}"))
    if engine.fails_between("link", speaker, peer):
        name = f"{base_name(speaker)}<->{base_name(peer)}"
        return Loss(
            text=f"what joins {base_name(speaker)} and {base_name(peer)} has failed", rule="R115", remedy=Remedy(text=f"restore {name}")
        )
    for here, there in ((speaker, peer), (peer, speaker)):
        if not engine.carries(here, there) or (arrive and not engine.opens(here, there)):
            return _between(engine, here, there)
    return None


def _failed(engine: Engine, node: str) -> str:
    """The name under which a node failed: itself, its virtual network, its region."""
    place = home_of(engine.network, node)
    region = engine.network.virtual_networks[place].region if place else None
    words = {"virtual_network": place, "region": region}
    return next((t.name for t in engine.failed() if t.kind in words and words[t.kind] == t.name), node)


def _between(engine: Engine, here: str, there: str) -> Loss:
    """Packets of one direction are lost inside the virtual networks."""
    address = engine.plan.speakers[here].config.peers[there].session.remote_address
    mine, theirs = home_of(engine.network, here), home_of(engine.network, there)
    if mine is not None and theirs is not None and mine != theirs and (unjoined := _not_peered(engine, mine, theirs)) is not None:
        return unjoined
    found = f"packets from {here} to {there} ({address})"
    try:
        dropped = next((p for p in paths(engine, here, str(address), BGP) if p.outcome != "delivered"), None)
    except RequestError as error:
        return Loss(text=f"{found} do not arrive: {error}", rule="R44")
    if dropped is None:
        return Loss(text=f"{found} do not arrive", rule="R44")
    rules = RULE.search(dropped.detail)
    text = f"{found} are dropped at {dropped.at}: {dropped.detail or dropped.because}"
    rule = "R77" if dropped.because == GROUP else "R44"
    return Loss(text=text, rule=rules[1] if rules else rule, remedy=_remedy(engine, dropped, here, there))


def _not_peered(engine: Engine, mine: str, theirs: str) -> Loss | None:
    """The two stand in virtual networks that no working peering joins: then nothing carries the session (R44)."""
    pair = f"{mine}<->{theirs}"
    if not engine.joined(mine, theirs):
        return Loss(text=f"the peering of {mine} and {theirs} has failed", rule="R44", remedy=Remedy(text=f"restore {pair}"))
    there = [one for one in ((mine, theirs), (theirs, mine)) if engine.network.peering(*one) is not None]
    if len(there) == 2:
        return None
    text = (
        f"{mine} and {theirs} are not peered"
        if not there
        else f"only {'->'.join(there[0])} is there of their peering, which stays Initiated"
    )
    remedy = Remedy(text=f"peer {mine} with {theirs} in both directions", change={"peerings": {pair: {}}})
    return Loss(
        text=f"{text}; a session between virtual networks needs a direct peering", rule="R44" if not there else "R20", remedy=remedy
    )


def _remedy(engine: Engine, dropped: Path, here: str, there: str) -> Remedy | None:
    """By what dropped the packet."""
    network = engine.network
    mine, theirs = home_of(network, here), home_of(network, there)
    if mine is not None and theirs is not None and mine != theirs:
        pair = f"{mine}<->{theirs}"
        if dropped.because == "forwarded-traffic":
            return Remedy(
                text=f"allow forwarded traffic at {theirs}->{mine}", change={"peerings": {pair: {"allow_forwarded_traffic": True}}}
            )
        if dropped.because == "virtual-network-access":
            return Remedy(text=f"let the peering {pair} pass traffic", change={"peerings": {pair: {"allow_virtual_network_access": True}}})
    if "(R81)" in dropped.detail and base_name(dropped.at) in network.nvas:
        change = {"network_virtual_appliances": {base_name(dropped.at): {"route_server_route": True}}}
        return Remedy(text=f"give {dropped.at} a static route to the route server's subnet by its own subnet's gateway", change=change)
    if dropped.because == GROUP:
        return Remedy(text=f"allow TCP port 179 from {here} to {there} in that network security group (L-043)")
    if dropped.because == "down":
        return Remedy(text=f"restore {_failed(engine, dropped.at)}")
    return None
